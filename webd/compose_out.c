/* Output of a message being composed. Touches its descriptors only. */
#include "webd/compose_out.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gmime/gmime.h>

#include "common/memory.h"
#include "common/pread_all.h"
#include "common/text_buffer.h"
#include "common/utf8.h"

enum {
	LINE_BYTES = 76,	   /* where lines of a header are folded */
	NAME_BYTES = 14,	   /* of a field's name, about */
	WORD_BYTES = 36,	   /* of text in one encoded word: at most 75 characters of it */
	BODY_LINE_MAX_BYTES = 900, /* longer lines are encoded */
	RAW_LINE_BYTES = 57,	   /* of a line of base64 */
	FILE_LINES = 300,
	PIECE_BYTES = 50 /* of a parameter's value in one of its pieces */
};

/* ---- bytes ---- */

struct compose_out *
compose_out_new(int fd, uint64_t at)
{
	struct compose_out *o = xcalloc(1, sizeof *o);

	o->fd = fd;
	o->start = o->at = at;
	return o;
}

void
compose_fail(struct compose_out *o, int error)
{
	if (o->error == 0)
		o->error = error;
}

static void
flush(struct compose_out *o)
{
	size_t done = 0;

	while (o->error == 0 && done < o->len) {
		ssize_t n = pwrite(o->fd, o->buffer + done, o->len - done, o->at);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			compose_fail(o, errno);
			break;
		}
		done += n;
		o->at += n;
	}
	o->len = 0;
}

int
compose_out_end(struct compose_out **op, uint64_t *len)
{
	struct compose_out *o = *op;
	int error;

	*op = NULL;
	flush(o);
	error = o->error;
	*len = o->at - o->start;
	free(o);
	errno = error;
	return error == 0 ? 0 : -1;
}

void
compose_put(struct compose_out *o, struct span s)
{
	while (s.len > 0 && o->error == 0) {
		size_t n = sizeof o->buffer - o->len;

		if (n > s.len)
			n = s.len;
		memcpy(o->buffer + o->len, s.at, n);
		o->len += n;
		s = (struct span){s.at + n, s.len - n};
		if (o->len == sizeof o->buffer)
			flush(o);
	}
}

void
compose_text(struct compose_out *o, const char *s)
{
	compose_put(o, span_of(s));
}

void
compose_printf(struct compose_out *o, const char *format, ...)
{
	va_list args;
	char *text;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	if (len == -1) {
		compose_fail(o, ENOMEM);
		return;
	}
	compose_put(o, (struct span){text, len});
	free(text);
}

void
compose_lines(struct compose_out *o, struct span s)
{
	struct span line;

	while (s.len > 0) {
		bool more = span_take(&s, '\n', &line);

		compose_put(o, line);
		if (more)
			compose_text(o, "\r\n");
	}
}

/* ---- text in header fields ---- */

/* One line, no control characters. The caller's. */
static char *
clean(const char *value, size_t max)
{
	return mime_to_utf8(span_of(value), "utf-8", false, max, NULL);
}

/* Whether it can stand there as it is: no byte above 127, nothing that reads as an encoded word. */
static bool
is_plain(const char *text)
{
	return span_is_ascii(span_of(text)) && strstr(text, "=?") == NULL;
}

/* A new line begins when what follows does not fit; *column counts. Never right behind the name of
 * the field, where it is 0. */
static void
fold(struct compose_out *o, size_t *column, size_t len)
{
	if (*column == 0) {
		compose_text(o, " ");
		*column = NAME_BYTES + len;
	} else if (*column + 1 + len > LINE_BYTES) {
		compose_text(o, "\r\n ");
		*column = 1 + len;
	} else {
		compose_text(o, " ");
		*column += 1 + len;
	}
}

static void
put_encoded(struct compose_out *o, size_t *column, struct span text)
{
	char base64[4 * ((WORD_BYTES + 2) / 3) + 1];

	while (text.len > 0) {
		size_t n = mime_cut(text, WORD_BYTES), len;

		len = EVP_EncodeBlock((unsigned char *)base64, (const unsigned char *)text.at, n);
		fold(o, column,
		    len + strlen("=?utf-8?B?"
				 "?="));
		compose_printf(o, "=?utf-8?B?%s?=", base64);
		text = (struct span){text.at + n, text.len - n};
	}
}

/* Words, folded between them. */
static void
put_words(struct compose_out *o, size_t *column, struct span text)
{
	struct span word;

	while (text.len > 0) {
		(void)span_take(&text, ' ', &word);
		fold(o, column, word.len);
		compose_put(o, word);
	}
}

/* No line is longer than RFC 5322 2.1.1 allows. */
static bool
has_long_word(struct span text)
{
	struct span word;

	while (text.len > 0) {
		(void)span_take(&text, ' ', &word);
		if (word.len > BODY_LINE_MAX_BYTES)
			return true;
	}
	return false;
}

/* A line of nothing but blanks would end the header for some. */
static bool
has_double_blank(const char *text)
{
	return strstr(text, "  ") != NULL;
}

void
compose_field(struct compose_out *o, const char *name, const char *value)
{
	size_t column = 0;
	char *text = clean(value, MIME_FIELD_MAX_BYTES);

	if (text[0] != '\0') {
		compose_printf(o, "%s:", name);
		if (is_plain(text) && !has_long_word(span_of(text)) && !has_double_blank(text))
			put_words(o, &column, span_of(text));
		else
			put_encoded(o, &column, span_of(text));
		compose_text(o, "\r\n");
	}
	free(text);
}

/* ---- addresses and ids ---- */

static bool
is_atoms(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text != ' ' && strchr("()<>[]:;@\\,.\"", *text) != NULL)
			return false;
	return true;
}

static void
put_name(struct compose_out *o, size_t *column, const char *name)
{
	struct text_buffer quoted;

	/* Between quotes it is one word. */
	if (!is_plain(name) || has_long_word(span_of(name)) ||
	    (!is_atoms(name) && strlen(name) > BODY_LINE_MAX_BYTES / 2)) {
		put_encoded(o, column, span_of(name));
		return;
	}
	if (is_atoms(name) && !has_double_blank(name)) {
		put_words(o, column, span_of(name));
		return;
	}
	text_buffer_init(&quoted, 2 * strlen(name) + 2);
	text_put_char(&quoted, '"');
	for (; *name != '\0'; name++) {
		if (*name == '"' || *name == '\\')
			text_put_char(&quoted, '\\');
		text_put_char(&quoted, *name);
	}
	text_put_char(&quoted, '"');
	fold(o, column, quoted.len);
	compose_put(o, (struct span){quoted.at, quoted.len});
	text_buffer_free(&quoted);
}

static bool
is_address(const char *address)
{
	for (const char *c = address; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 127 || *c == '<' || *c == '>')
			return false;
	return strchr(address, '@') != NULL && strlen(address) <= BODY_LINE_MAX_BYTES;
}

static void
put_address(struct compose_out *o, size_t *column, const struct mime_address *a, bool last)
{
	char *name = clean(a->name == NULL ? "" : a->name, MIME_FIELD_MAX_BYTES);
	size_t len = strlen(a->address) + !last;

	if (!is_address(a->address))
		compose_fail(o, EINVAL);
	else if (name[0] == '\0') {
		fold(o, column, len);
		compose_printf(o, "%s%s", a->address, last ? "" : ",");
	} else {
		put_name(o, column, name);
		fold(o, column, len + 2);
		compose_printf(o, "<%s>%s", a->address, last ? "" : ",");
	}
	free(name);
}

void
compose_addresses(struct compose_out *o, const char *name, const struct mime_addresses *a)
{
	size_t column = 0;

	if (a->n == 0)
		return;
	compose_printf(o, "%s:", name);
	for (size_t i = 0; i < a->n; i++)
		put_address(o, &column, &a->list[i], i == a->n - 1);
	compose_text(o, "\r\n");
}

void
compose_ids(struct compose_out *o, const char *name, const char *ids)
{
	struct span rest = span_trim(span_of(ids == NULL ? "" : ids)), id;
	size_t column = 0;

	if (rest.len == 0)
		return;
	compose_printf(o, "%s:", name);
	while (rest.len > 0) {
		id = span_take_word(&rest);
		if (!mime_is_id(id)) {
			compose_fail(o, EINVAL);
			return;
		}
		fold(o, &column, id.len + 2);
		compose_printf(o, "<%.*s>", (int)id.len, id.at);
	}
	compose_text(o, "\r\n");
}

/* ---- parameters (RFC 2231) ---- */

static bool
is_attribute_char(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_' || c == '.';
}

static void
put_percent(struct compose_out *o, const char *name, const char *value)
{
	unsigned piece = 0;
	size_t i = 0, len = strlen(value);
	bool one = len <= PIECE_BYTES / 3;

	while (i < len) {
		size_t room = PIECE_BYTES;

		if (one)
			compose_printf(o, ";\r\n\t%s*=utf-8''", name);
		else
			compose_printf(
			    o, ";\r\n\t%s*%u*=%s", name, piece, piece == 0 ? "utf-8''" : "");
		piece++;
		for (; i < len && room >= 3; i++)
			if (is_attribute_char(value[i])) {
				compose_put(o, (struct span){value + i, 1});
				room--;
			} else {
				compose_printf(o, "%%%02X", (unsigned char)value[i]);
				room -= 3;
			}
	}
}

void
compose_parameter(struct compose_out *o, const char *name, const char *value)
{
	char *text = clean(value, MIME_NAME_MAX_BYTES);
	bool quoted = span_is_ascii(span_of(text)) && strpbrk(text, "\"\\") == NULL &&
		      strlen(text) <= PIECE_BYTES;

	if (quoted)
		compose_printf(o, ";\r\n\t%s=\"%s\"", name, text);
	else
		put_percent(o, name, text);
	free(text);
}

/* ---- bodies ---- */

static bool
is_7bit(struct span text)
{
	size_t line = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = text.at[i];

		line = c == '\n' ? 0 : line + 1;
		if (c >= 127 || (c < ' ' && c != '\n' && c != '\t') || line > BODY_LINE_MAX_BYTES)
			return false;
	}
	return true;
}

static void
put_quoted_printable(struct compose_out *o, struct span text)
{
	GMimeEncoding encoder;
	char *out;
	size_t n;

	g_mime_encoding_init_encode(&encoder, GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE);
	out = xmalloc(g_mime_encoding_outlen(&encoder, text.len) + 64);
	n = g_mime_encoding_flush(&encoder, text.at, text.len, out);
	compose_lines(o, (struct span){out, n});
	free(out);
}

void
compose_body(struct compose_out *o, struct span text)
{
	if (is_7bit(text)) {
		compose_text(o, "Content-Transfer-Encoding: 7bit\r\n\r\n");
		compose_lines(o, text);
	} else {
		compose_text(o, "Content-Transfer-Encoding: quoted-printable\r\n\r\n");
		put_quoted_printable(o, text);
	}
	if (text.len > 0 && text.at[text.len - 1] != '\n')
		compose_text(o, "\r\n");
}

static void
put_base64(struct compose_out *o, const unsigned char *bytes, size_t n)
{
	char line[4 * (RAW_LINE_BYTES / 3) + 3];

	while (n > 0) {
		size_t part = n > RAW_LINE_BYTES ? RAW_LINE_BYTES : n;
		int len = EVP_EncodeBlock((unsigned char *)line, bytes, part);

		memcpy(line + len, "\r\n", 2);
		compose_put(o, (struct span){line, len + 2});
		bytes += part;
		n -= part;
	}
}

void
compose_file(struct compose_out *o, int fd, uint64_t at, uint64_t len)
{
	unsigned char *bytes = xmalloc(RAW_LINE_BYTES * FILE_LINES);

	compose_text(o, "Content-Transfer-Encoding: base64\r\n\r\n");
	while (len > 0 && o->error == 0) {
		size_t n = len > RAW_LINE_BYTES * FILE_LINES ? RAW_LINE_BYTES * FILE_LINES : len;

		if (pread_all(fd, bytes, n, at) == -1) {
			compose_fail(o, errno);
			break;
		}
		put_base64(o, bytes, n);
		at += n;
		len -= n;
	}
	free(bytes);
}

void
compose_boundary(char out[COMPOSE_BOUNDARY_SIZE])
{
	unsigned char random[18];
	char text[32];

	arc4random_buf(random, sizeof random);
	EVP_EncodeBlock((unsigned char *)text, random, sizeof random);
	for (char *c = text; *c != '\0'; c++)
		if (*c == '+' || *c == '/')
			*c = 'x';
	snprintf(out, COMPOSE_BOUNDARY_SIZE, "=_%s", text);
}
