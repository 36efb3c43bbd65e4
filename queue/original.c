/* Reads and judges the message that a notification is about. */
#include "queue/original.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/pread_all.h"
#include "queue/dsn_out.h"
#include "queue/encoded_word.h"

enum { PIECE_BYTES = 32768, LINE_MAX_BYTES = 998, SUBJECT_CUT_BYTES = 300 };

/* ---- reading ---- */

/* n bytes at an offset of the message. */
static int
read_piece(const struct original *o, char *out, size_t n, uint64_t at)
{
	int rv = pread_all(o->fd, out, n, o->at + at);

	if (rv == -1 && errno == EPROTO)
		errno = EIO; /* the envelope promised more */
	return rv;
}

int
original_read(
    const struct original *o, uint64_t limit, void (*each)(void *arg, struct span bytes), void *arg)
{
	uint64_t end = o->size < limit ? o->size : limit, at = 0;
	char *piece = malloc(PIECE_BYTES);
	int rv = -1;

	if (piece == NULL)
		return -1;
	while (at < end) {
		size_t n = end - at < PIECE_BYTES ? end - at : PIECE_BYTES;

		if (read_piece(o, piece, n, at) == -1)
			goto out;
		each(arg, (struct span){piece, n});
		at += n;
	}
	rv = 0;
out:
	free(piece);
	return rv;
}

/* ---- the header ---- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* A line that starts or continues a field (RFC 5322 2.2). */
static bool
is_of_header(struct span line, bool first)
{
	size_t n = 0;

	if (line.len > 0 && is_blank(line.at[0]))
		return !first;
	while (n < line.len && line.at[n] > ' ' && line.at[n] < 0x7f && line.at[n] != ':')
		n++;
	if (n == 0)
		return false;
	while (n < line.len && is_blank(line.at[n]))
		n++; /* RFC 5322 4.5 */
	return n < line.len && line.at[n] == ':';
}

/* The front of text that is whole lines of a header. */
static struct span
header_of(struct span text, bool *ended)
{
	size_t at = 0;

	*ended = true;
	while (at < text.len) {
		const char *line = text.at + at, *end = memchr(line, '\n', text.len - at);

		if (end == NULL) {
			*ended = false;
			break;
		}
		if (!is_of_header((struct span){line, end - line}, at == 0))
			break;
		at = end + 1 - text.at;
	}
	if (at == text.len)
		*ended = false;
	return (struct span){text.at, at};
}

static int
read_head(struct original *o, size_t n)
{
	bool ended;

	if (read_piece(o, o->head, n, 0) == -1)
		return -1;
	o->header = header_of((struct span){o->head, n}, &ended);
	o->header_cut = !ended && n < o->size;
	return 0;
}

int
original_open(struct original *o, int fd, uint64_t at, uint64_t size)
{
	size_t n = size < ORIGINAL_HEADER_MAX_BYTES ? size : ORIGINAL_HEADER_MAX_BYTES;
	int saved;

	*o = (struct original){.fd = fd, .at = at, .size = size, .header = {"", 0}};
	if ((o->head = malloc(n ? n : 1)) == NULL)
		return -1;
	if (read_head(o, n) == 0)
		return 0;
	saved = errno;
	original_close(o);
	errno = saved;
	return -1;
}

void
original_close(struct original *o)
{
	free(o->head);
	o->head = NULL;
	o->header = (struct span){"", 0};
}

static bool
is_field(struct span line, const char *name, size_t n)
{
	struct span front = {line.at, n};

	if (line.len <= n || !span_is_nocase(front, name))
		return false;
	while (n < line.len && is_blank(line.at[n]))
		n++; /* RFC 5322 4.5 */
	return n < line.len && line.at[n] == ':';
}

/* The length of the field at the front of the header, with its continuation lines. */
static size_t
field_length(struct span header)
{
	size_t at = 0;

	do {
		const char *end = memchr(header.at + at, '\n', header.len - at);

		at = end != NULL ? (size_t)(end + 1 - header.at) : header.len;
	} while (at < header.len && is_blank(header.at[at]));
	return at;
}

/* The value of the first field of that name, folded as it is; false without one. */
static bool
find_field(const struct original *o, const char *name, struct span *value)
{
	struct span header = o->header, ignored;
	size_t n = strlen(name);

	while (header.len > 0) {
		struct span field = {header.at, field_length(header)};

		if (is_field(field, name, n)) {
			span_take(&field, ':', &ignored);
			*value = field;
			return true;
		}
		header = (struct span){header.at + field.len, header.len - field.len};
	}
	return false;
}

/* ---- what of it is quoted ---- */

static struct span
trim(struct span s)
{
	while (s.len > 0 && strchr(" \t\r\n", s.at[0]) != NULL)
		s = (struct span){s.at + 1, s.len - 1};
	while (s.len > 0 && strchr(" \t\r\n", s.at[s.len - 1]) != NULL)
		s.len--;
	return s;
}

struct span
original_message_id(const struct original *o)
{
	static const struct span none = {"", 0};
	struct span id;
	size_t ats = 0;

	if (!find_field(o, "Message-ID", &id))
		return none;
	id = trim(id);
	if (id.len < 5 || id.len > ORIGINAL_MESSAGE_ID_MAX_BYTES || id.at[0] != '<' ||
	    id.at[id.len - 1] != '>')
		return none;
	for (size_t i = 1; i < id.len - 1; i++) {
		unsigned char c = id.at[i];

		if (c <= ' ' || c >= 0x7f || strchr("<>()\\\",;", c) != NULL)
			return none;
		ats += c == '@';
	}
	return ats == 1 && id.at[1] != '@' && id.at[id.len - 2] != '@' ? id : none;
}

/* An encoded word that was not decoded is nothing to read. */
static bool
has_encoded_word(struct span text)
{
	const char *start = memmem(text.at, text.len, "=?", 2);

	return start != NULL && memmem(start, text.at + text.len - start, "?=", 2) != NULL;
}

/* The end of a character that did not fit. */
static size_t
drop_torn(const char *text, size_t len)
{
	size_t n = len;

	while (n > 0 && len - n < 3 && ((unsigned char)text[n - 1] & 0xc0) == 0x80)
		n--;
	return n > 0 && (unsigned char)text[n - 1] >= 0xc0 ? n - 1 : len;
}

static size_t
cut_text(char *text, size_t len)
{
	if (len <= SUBJECT_CUT_BYTES)
		return len;
	len = SUBJECT_CUT_BYTES;
	while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	strlcpy(text + len, "...", sizeof "...");
	return len + 3;
}

size_t
original_subject(const struct original *o, char out[ORIGINAL_SUBJECT_SIZE])
{
	char text[ORIGINAL_SUBJECT_SIZE];
	struct span value;
	size_t len;

	if (!find_field(o, "Subject", &value))
		return 0;
	len = encoded_word_decode(trim(value), text, sizeof text);
	if (len == sizeof text)
		len = drop_torn(text, len);
	value = span_trim((struct span){text, len});
	if (has_encoded_word(value) || (!span_is_ascii(value) && !dsn_is_utf8_only(value)))
		return 0;
	return cut_text(out, dsn_clean(value, true, out, ORIGINAL_SUBJECT_SIZE));
}

/* ---- what answers by itself ---- */

bool
original_is_automatic(const struct original *o)
{
	struct span value;

	if (find_field(o, "Auto-Submitted", &value) &&
	    span_starts_nocase(trim(value), "auto-replied"))
		return true;
	if (!find_field(o, "Content-Type", &value))
		return false;
	return span_starts_nocase(trim(value), "multipart/report") &&
	       (span_holds_nocase(value, "delivery-status") ||
		   span_holds_nocase(value, "disposition-notification"));
}

/* ---- judging all of it ---- */

struct scan {
	struct original *original;
	struct span boundary;
	uint64_t line; /* bytes of the current line */
	size_t matched;
	char last;
};

/* The boundary starts with a character that it has only once, so that a mismatch may start over
 * without going back. */
static void
match_boundary(struct scan *s, char c)
{
	if (s->matched == s->boundary.len)
		return;
	if (c == s->boundary.at[s->matched])
		s->matched++;
	else
		s->matched = c == s->boundary.at[0];
}

static void
judge(struct scan *s, char c)
{
	struct original *o = s->original;

	if ((unsigned char)c >= 0x80)
		o->has_8bit = true;
	if (c == '\0' || (c == '\n') != (s->last == '\r'))
		o->is_strange = true;
	if (c == '\n')
		s->line = 0;
	else if (c != '\r' && ++s->line > LINE_MAX_BYTES)
		o->is_strange = true;
	s->last = c;
}

static void
scan_piece(void *arg, struct span bytes)
{
	struct scan *s = arg;

	for (size_t i = 0; i < bytes.len; i++) {
		judge(s, bytes.at[i]);
		match_boundary(s, bytes.at[i]);
	}
}

int
original_scan(struct original *o, uint64_t limit, const char *boundary)
{
	struct scan s = {.original = o, .boundary = span_of(boundary)};

	o->has_8bit = o->is_strange = o->has_boundary = false;
	if (original_read(o, limit, scan_piece, &s) == -1)
		return -1;
	if (s.last == '\r')
		o->is_strange = true;
	o->has_boundary = s.matched == s.boundary.len;
	return 0;
}
