/*
 * What an IMAP server says, as tokens.
 */
#include "fetcher/imap_reader.h"

#include <string.h>

void
imap_reader_init(struct imap_reader *d, const struct imap_source *source)
{
	memset(d, 0, offsetof(struct imap_reader, text));
	d->source = *source;
}

void
imap_response(struct imap_reader *d)
{
	d->response_bytes = d->echo_len = 0;
}

static int
malformed(struct imap_reader *d, const char *why)
{
	d->why = why;
	return -1;
}

/* ---- bytes ---- */

static int
look(struct imap_reader *d, struct span *bytes)
{
	if (d->why != NULL)
		return -1;
	if (d->response_bytes > IMAP_RESPONSE_MAX_BYTES)
		return malformed(d, "a response is too long");
	return d->source.bytes(d->source.arg, bytes);
}

static void
take(struct imap_reader *d, struct span bytes)
{
	/* Line ends within a response are those around literals. */
	for (size_t i = 0; i < bytes.len && d->echo_len < sizeof d->echo; i++)
		if (bytes.at[i] != '\r' && bytes.at[i] != '\n')
			d->echo[d->echo_len++] = bytes.at[i];
	d->response_bytes += bytes.len;
	d->source.consume(d->source.arg, bytes.len);
}

/* One byte; the line's end is left to take_end(). */
static int
take_byte(struct imap_reader *d, char *c)
{
	struct span bytes;

	if (look(d, &bytes) == -1)
		return -1;
	*c = *bytes.at;
	take(d, (struct span){bytes.at, 1});
	return 0;
}

static int
take_end(struct imap_reader *d)
{
	char c;

	if (take_byte(d, &c) == -1)
		return -1;
	if (c != '\r')
		return malformed(d, "a line has an LF without a CR");
	if (take_byte(d, &c) == -1)
		return -1;
	return c == '\n' ? 0 : malformed(d, "a line has a CR without an LF");
}

static int
append(struct imap_reader *d, struct span bytes)
{
	if (bytes.len > sizeof d->text - d->len)
		return malformed(d, "a line or a word is too long");
	memcpy(d->text + d->len, bytes.at, bytes.len);
	d->len += bytes.len;
	return 0;
}

/* Appends up to one of the bytes of stop, which is left. */
static int
take_until(struct imap_reader *d, const char *stop)
{
	for (;;) {
		struct span bytes;
		size_t n = 0;

		if (look(d, &bytes) == -1)
			return -1;
		while (n < bytes.len && (bytes.at[n] == '\0' || !strchr(stop, bytes.at[n])))
			n++;
		if (append(d, (struct span){bytes.at, n}) == -1)
			return -1;
		if (n < bytes.len) {
			take(d, (struct span){bytes.at, n});
			return 0;
		}
		take(d, bytes);
	}
}

/* ---- tokens ---- */

static int
skip_blanks(struct imap_reader *d, char *next)
{
	struct span bytes;

	for (;;) {
		if (look(d, &bytes) == -1)
			return -1;
		if (*bytes.at != ' ') {
			*next = *bytes.at;
			return 0;
		}
		take(d, (struct span){bytes.at, 1});
	}
}

static int
take_quoted(struct imap_reader *d, struct imap_token *t)
{
	char c;

	t->kind = IMAP_QUOTED;
	if (take_byte(d, &c) == -1)
		return -1;
	for (;;) {
		if (take_until(d, "\"\\\r\n") == -1 || take_byte(d, &c) == -1)
			return -1;
		if (c == '"')
			break;
		if (c != '\\' || take_byte(d, &c) == -1 || (c != '"' && c != '\\'))
			return malformed(d, "a string does not end");
		if (append(d, (struct span){&c, 1}) == -1)
			return -1;
	}
	t->text = (struct span){d->text, d->len};
	return 0;
}

/* {123} or {123+}, and the line's end. */
static int
take_literal(struct imap_reader *d, struct imap_token *t)
{
	struct span size;
	char c;

	t->kind = IMAP_LITERAL;
	if (take_byte(d, &c) == -1 || take_until(d, "}\r\n") == -1 || take_byte(d, &c) == -1)
		return -1;
	size = (struct span){d->text, d->len};
	if (size.len > 0 && size.at[size.len - 1] == '+')
		size.len--;
	if (c != '}' || !span_u64(size, INT64_MAX, &t->size))
		return malformed(d, "a literal has no size");
	if (take_end(d) == -1)
		return -1;
	d->literal_left = t->size;
	return 0;
}

static int
take_atom(struct imap_reader *d, struct imap_token *t)
{
	t->kind = IMAP_ATOM;
	if (take_until(d, " ()\"{\r\n") == -1)
		return -1;
	t->text = (struct span){d->text, d->len};
	return 0;
}

int
imap_literal(struct imap_reader *d, struct span *piece)
{
	struct span bytes;

	*piece = (struct span){"", 0};
	if (d->literal_left == 0)
		return 0;
	/* Literals are counted by who asked for them. */
	if (d->why != NULL || d->source.bytes(d->source.arg, &bytes) == -1)
		return -1;
	if (bytes.len > d->literal_left)
		bytes.len = d->literal_left;
	d->literal_left -= bytes.len;
	d->source.consume(d->source.arg, bytes.len);
	*piece = bytes;
	return 0;
}

static int
drop_literal(struct imap_reader *d)
{
	struct span piece;

	do {
		if (imap_literal(d, &piece) == -1)
			return -1;
	} while (piece.len > 0);
	return 0;
}

int
imap_next(struct imap_reader *d, struct imap_token *t)
{
	char c;

	*t = (struct imap_token){.kind = IMAP_END};
	d->len = 0;
	if (drop_literal(d) == -1 || skip_blanks(d, &c) == -1)
		return -1;
	switch (c) {
	case '\r':
	case '\n':
		return take_end(d);
	case '(':
	case ')':
		t->kind = c == '(' ? IMAP_OPEN : IMAP_CLOSE;
		return take_byte(d, &c);
	case '"':
		return take_quoted(d, t);
	case '{':
		return take_literal(d, t);
	default:
		return take_atom(d, t);
	}
}

int
imap_rest(struct imap_reader *d, struct span *line)
{
	char c;

	d->len = 0;
	if (drop_literal(d) == -1 || skip_blanks(d, &c) == -1 || take_until(d, "\r\n") == -1 ||
	    take_end(d) == -1)
		return -1;
	*line = (struct span){d->text, d->len};
	return 0;
}

/* ---- what nobody asked for ---- */

int
imap_skip_value(struct imap_reader *d, const struct imap_token *t)
{
	struct imap_token next;
	size_t depth = t->kind == IMAP_OPEN;

	if (t->kind == IMAP_LITERAL)
		return drop_literal(d);
	while (depth > 0) {
		if (imap_next(d, &next) == -1)
			return -1;
		if (next.kind == IMAP_END)
			return malformed(d, "a list does not end");
		depth += next.kind == IMAP_OPEN;
		depth -= next.kind == IMAP_CLOSE;
	}
	return 0;
}

int
imap_skip(struct imap_reader *d)
{
	struct imap_token t;

	do {
		if (imap_next(d, &t) == -1)
			return -1;
	} while (t.kind != IMAP_END);
	return 0;
}

bool
imap_is(const struct imap_token *t, const char *word)
{
	return t->kind == IMAP_ATOM && span_is_nocase(t->text, word);
}

bool
imap_number(const struct imap_token *t, uint64_t max, uint64_t *value)
{
	return t->kind == IMAP_ATOM && span_u64(t->text, max, value);
}
