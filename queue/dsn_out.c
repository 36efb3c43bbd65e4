/* Writes a notification through a buffer and cleans what strangers said. */
#include "queue/dsn_out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "common/utf8.h"
#include "queue/spool.h"

enum { FORMAT_MAX_BYTES = 2048, WORDS_MAX_BYTES = 4096, QUOTED_COLUMNS = 75 };

void
dsn_out_start(struct dsn_out *o, int fd, uint64_t at)
{
	o->fd = fd;
	o->at = at;
	o->size = 0;
	o->crc = crc32_z(0, NULL, 0);
	o->error = 0;
	o->len = 0;
	o->column = 0;
	o->quoted = false;
	o->quoted_column = 0;
	o->blank = 0;
}

static void
flush(struct dsn_out *o)
{
	if (o->error == 0 && o->len > 0) {
		o->crc = crc32_z(o->crc, (const unsigned char *)o->buf, o->len);
		if (spool_pwrite(o->fd, o->buf, o->len, o->at) == -1)
			o->error = errno;
	}
	o->at += o->len;
	o->size += o->len;
	o->len = 0;
}

int
dsn_out_end(struct dsn_out *o)
{
	dsn_out_quoted(o, false);
	flush(o);
	if (o->error == 0)
		return 0;
	errno = o->error;
	return -1;
}

static void
put(struct dsn_out *o, const char *bytes, size_t n)
{
	while (n > 0) {
		size_t room = sizeof o->buf - o->len, part = n < room ? n : room;

		memcpy(o->buf + o->len, bytes, part);
		o->len += part;
		bytes += part;
		n -= part;
		if (o->len == sizeof o->buf)
			flush(o);
	}
}

/* ---- quoted-printable ---- */

static void
put_quoted(struct dsn_out *o, unsigned char c, bool encode)
{
	static const char hex[] = "0123456789ABCDEF";
	char token[3] = {c};
	size_t n = 1;

	if (o->quoted_column + (encode ? 3 : 1) > QUOTED_COLUMNS) {
		put(o, "=\r\n", 3);
		o->quoted_column = 0;
	}
	/* No line starts like a boundary (RFC 2046 5.1.1) or the end of a message. */
	if (encode || (o->quoted_column == 0 && (c == '-' || c == '.'))) {
		token[0] = '=';
		token[1] = hex[c >> 4];
		token[2] = hex[c & 15];
		n = 3;
	}
	put(o, token, n);
	o->quoted_column += n;
}

/* A blank at the end of a line would be lost on the way. */
static void
put_waiting(struct dsn_out *o, bool at_line_end)
{
	char blank = o->blank;

	o->blank = 0;
	if (blank != 0)
		put_quoted(o, blank, at_line_end);
}

static void
quote(struct dsn_out *o, const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = bytes[i];
		bool line_end = c == '\r' && i + 1 < n && bytes[i + 1] == '\n';

		put_waiting(o, line_end);
		if (line_end) {
			put(o, "\r\n", 2);
			o->quoted_column = 0;
			i++;
		} else if (c == ' ' || c == '\t')
			o->blank = c;
		else
			put_quoted(o, c, c < ' ' || c > '~' || c == '=');
	}
}

void
dsn_out_quoted(struct dsn_out *o, bool on)
{
	if (o->quoted)
		put_waiting(o, true);
	o->quoted = on;
	o->quoted_column = 0;
}

/* ---- text ---- */

void
dsn_out_bytes(struct dsn_out *o, struct span bytes)
{
	const char *line;

	if (bytes.len == 0)
		return;
	line = memrchr(bytes.at, '\n', bytes.len);
	o->column = line != NULL ? bytes.at + bytes.len - line - 1 : o->column + bytes.len;
	if (o->quoted)
		quote(o, bytes.at, bytes.len);
	else
		put(o, bytes.at, bytes.len);
}

void
dsn_out_text(struct dsn_out *o, const char *text)
{
	dsn_out_bytes(o, span_of(text));
}

void
dsn_out_format(struct dsn_out *o, const char *format, ...)
{
	char text[FORMAT_MAX_BYTES];
	va_list list;
	int n;

	va_start(list, format);
	n = vsnprintf(text, sizeof text, format, list);
	va_end(list);
	if (n < 0 || (size_t)n >= sizeof text) {
		if (o->error == 0)
			o->error = EOVERFLOW;
		return;
	}
	dsn_out_bytes(o, (struct span){text, n});
}

/* ---- strangers ---- */

/* C1 controls, line and paragraph separators, and what turns the direction of writing. */
static bool
is_tricky(const unsigned char *p, size_t n)
{
	if (n == 2)
		return p[0] == 0xc2 && p[1] < 0xa0;
	if (n != 3 || p[0] != 0xe2)
		return false;
	return (p[1] == 0x80 && (p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xa8 && p[2] <= 0xae))) ||
	       (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9);
}

/* A character or, where there is none, a byte. */
static size_t
character_length(const unsigned char *p, size_t left)
{
	size_t n = utf8_length(p, left);

	return n > 0 ? n : 1;
}

static bool
is_harmless(const unsigned char *p, size_t n, bool utf8)
{
	if (*p < 0x80)
		return *p >= ' ' && *p != 0x7f;
	return utf8 && n > 1 && !is_tricky(p, n);
}

size_t
dsn_clean(struct span text, bool utf8, char *out, size_t size)
{
	size_t at = 0, len = 0;

	while (at < text.len) {
		const unsigned char *p = (const unsigned char *)text.at + at;
		size_t n = character_length(p, text.len - at);
		bool stays = is_harmless(p, n, utf8);

		if (len + (stays ? n : 1) > size)
			break;
		if (stays)
			memcpy(out + len, p, n);
		else
			out[len] = *p == '\r' || *p == '\n' || *p == '\t' ? ' ' : '?';
		at += n;
		len += stays ? n : 1;
	}
	return len;
}

void
dsn_out_clean(struct dsn_out *o, struct span text, bool utf8)
{
	char clean[DSN_OUT_WORD_MAX_BYTES];

	dsn_out_bytes(o, (struct span){clean, dsn_clean(text, utf8, clean, sizeof clean)});
}

/* Not within a character. */
static size_t
word_part(struct span word)
{
	size_t n = DSN_OUT_WORD_MAX_BYTES;

	if (word.len <= n)
		return word.len;
	while (n > DSN_OUT_WORD_MAX_BYTES - 4 && ((unsigned char)word.at[n] & 0xc0) == 0x80)
		n--;
	return n;
}

static void
put_word(struct dsn_out *o, struct span word, const char *indent, bool *fresh)
{
	while (word.len > 0) {
		size_t n = word_part(word);

		if (!*fresh && o->column + 1 + n > DSN_OUT_COLUMNS) {
			dsn_out_text(o, "\r\n");
			dsn_out_text(o, indent);
		} else if (!*fresh)
			dsn_out_text(o, " ");
		dsn_out_bytes(o, (struct span){word.at, n});
		*fresh = false;
		word = (struct span){word.at + n, word.len - n};
	}
}

void
dsn_out_words(struct dsn_out *o, struct span text, const char *indent, bool utf8)
{
	char clean[WORDS_MAX_BYTES];
	struct span left = {clean, dsn_clean(text, utf8, clean, sizeof clean)}, word;
	bool fresh = true;

	while (left.len > 0) {
		span_take(&left, ' ', &word);
		put_word(o, word, indent, &fresh);
	}
}

bool
dsn_is_utf8_only(struct span text)
{
	size_t at = 0;

	while (at < text.len) {
		size_t n = utf8_length((const unsigned char *)text.at + at, text.len - at);

		if (n == 0)
			return false;
		at += n;
	}
	return !span_is_ascii(text);
}
