/*
 * A message on standard input: its header, which is looked at, and its body, which is passed on as
 * it comes. Lines end with LF or CRLF there; what programs write is made fit for SMTP, not refused:
 * a lone CR ends a line, NUL becomes a question mark, and long lines are cut.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/log.h"
#include "common/memory.h"
#include "smtpd/sendmail.h"

enum {
	HEADER_MAX_BYTES = 1024 * 1024,
	/* RFC 5322 2.1.1 has 998: room for a stuffed dot, a blank in front, and not to cut within
	 * a character of UTF-8. */
	LINE_MAX_BYTES = 990,
	CHARACTER_MAX_BYTES = 4,
	PIECE_BYTES = 32768,
};

/* Its lines with LF, continuations too; without ':' the name is the first name_len bytes. */
struct field {
	size_t at, len, name_len;
};

struct sendmail_message {
	FILE *in;
	bool dot_is_text, drop_bcc;
	char *text; /* the header; behind it, a line that is the first of the body */
	size_t len, body_at;
	struct field *fields;
	size_t n;
	bool ended; /* standard input has been read to the message's end */
	/* of sending: */
	int (*put)(void *arg, struct span bytes);
	void *arg;
	char piece[PIECE_BYTES];
	size_t used, column;
	bool in_header, failed;
};

/* ---- standard input ---- */

/* The next byte, EOF at the end, or when it cannot be read. Lines end with LF. */
static int
next(struct sendmail_message *m)
{
	int c = getc(m->in);

	if (c != '\r')
		return c == '\0' ? '?' : c;
	c = getc(m->in);
	if (c != '\n' && c != EOF)
		ungetc(c, m->in);
	return '\n';
}

/* Appends a line to the text, with LF. Its length, 0 at the end, -1 when there is no room. */
static long
read_line(struct sendmail_message *m)
{
	size_t start = m->len;
	int c = 0;

	while (c != '\n' && (c = next(m)) != EOF) {
		if (m->len == HEADER_MAX_BYTES)
			return -1;
		m->text[m->len++] = (char)c;
	}
	if (m->len > start && m->text[m->len - 1] != '\n')
		m->text[m->len++] = '\n'; /* HEADER_MAX_BYTES + 1 were allocated */
	return m->len - start;
}

/* ---- the header ---- */

/* RFC 5322 2.2; 0: it is no field. Blanks before the ':' are tolerated. */
static size_t
name_length(const char *line, size_t len)
{
	size_t n = 0, colon;

	while (n < len && line[n] > ' ' && line[n] < 127 && line[n] != ':')
		n++;
	for (colon = n; colon < len && (line[colon] == ' ' || line[colon] == '\t');)
		colon++;
	return colon < len && line[colon] == ':' ? n : 0;
}

static void
add_field(struct sendmail_message *m, size_t at, size_t len, size_t name_len)
{
	m->fields = xrealloc(m->fields, (m->n + 1) * sizeof *m->fields);
	m->fields[m->n++] = (struct field){at, len, name_len};
}

enum line { LINE_HEADER, LINE_END, LINE_BODY };

static enum line
take_line(struct sendmail_message *m, size_t at, size_t len, bool first)
{
	const char *line = m->text + at;
	size_t name_len = name_length(line, len);

	if (len == 1)
		return LINE_END;
	if (len == 2 && line[0] == '.' && !m->dot_is_text) {
		m->ended = true;
		return LINE_END;
	}
	if (first && len > 5 && strncmp(line, "From ", 5) == 0) /* as mailboxes have it in front */
		m->len = at;
	else if (m->n > 0 && (line[0] == ' ' || line[0] == '\t'))
		m->fields[m->n - 1].len += len;
	else if (name_len > 0)
		add_field(m, at, len, name_len);
	else
		return LINE_BODY;
	return LINE_HEADER;
}

static int
read_header(struct sendmail_message *m)
{
	enum line kind = LINE_HEADER;
	bool first = true;
	size_t at = 0;
	long len;

	while (kind == LINE_HEADER) {
		at = m->len;
		len = read_line(m);
		if (len == -1)
			return sendmail_fail(
			    EX_DATAERR, "the header is larger than %d bytes", HEADER_MAX_BYTES);
		if (len == 0)
			break;
		kind = take_line(m, at, len, first);
		first = false;
	}
	if (kind == LINE_END)
		m->len = at;
	m->ended |= kind == LINE_HEADER;
	m->body_at = kind == LINE_BODY ? at : m->len;
	if (ferror(m->in))
		return sendmail_fail(EX_IOERR, "standard input: %s", strerror(errno));
	return 0;
}

int
sendmail_message_read(struct sendmail_message **out, FILE *in, const struct sendmail_options *o)
{
	struct sendmail_message *m = xcalloc(1, sizeof *m);

	m->in = in;
	m->dot_is_text = o->dot_is_text;
	m->drop_bcc = o->from_header;
	m->text = xmalloc(HEADER_MAX_BYTES + 1);
	*out = m;
	return read_header(m);
}

void
sendmail_message_free(struct sendmail_message **m)
{
	if (*m == NULL)
		return;
	free((*m)->text);
	free((*m)->fields);
	free(*m);
	*m = NULL;
}

static bool
is_named(const struct sendmail_message *m, const struct field *f, const char *name)
{
	return span_is_nocase((struct span){m->text + f->at, f->name_len}, name);
}

static bool
has(const struct sendmail_message *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++)
		if (is_named(m, &m->fields[i], name))
			return true;
	return false;
}

static bool
is_one_of(const struct sendmail_message *m, const struct field *f, const char *const names[3])
{
	return is_named(m, f, names[0]) || is_named(m, f, names[1]) || is_named(m, f, names[2]);
}

/* On one line. To be freed. */
static char *
value_of(const struct sendmail_message *m, const struct field *f)
{
	size_t colon = f->name_len;
	char *value;

	while (m->text[f->at + colon] != ':')
		colon++;
	value = xcalloc(f->len - colon, 1);
	memcpy(value, m->text + f->at + colon + 1, f->len - colon - 1);
	for (char *c = value; *c != '\0'; c++)
		if (*c == '\n')
			*c = ' ';
	return value;
}

int
sendmail_message_recipients(
    const struct sendmail_message *m, struct sendmail_list *l, const char *server)
{
	static const char *const names[2][3] = {
	    {"To", "Cc", "Bcc"}, {"Resent-To", "Resent-Cc", "Resent-Bcc"}};
	bool resent = has(m, names[1][0]) || has(m, names[1][1]) || has(m, names[1][2]);
	int code = 0;

	for (size_t i = 0; i < m->n && code == 0; i++) {
		char *value;

		if (!is_one_of(m, &m->fields[i], names[resent]))
			continue;
		value = value_of(m, &m->fields[i]);
		code = sendmail_list_add(l, span_of(value), server);
		free(value);
	}
	return code;
}

/* ---- on its way ---- */

static void
flush(struct sendmail_message *m)
{
	if (m->used > 0 && !m->failed && m->put(m->arg, (struct span){m->piece, m->used}) == -1)
		m->failed = true;
	m->used = 0;
}

static void
emit_raw(struct sendmail_message *m, char c)
{
	m->piece[m->used++] = c;
	if (m->used == sizeof m->piece)
		flush(m);
}

static void
end_line(struct sendmail_message *m)
{
	emit_raw(m, '\r');
	emit_raw(m, '\n');
	m->column = 0;
}

static bool
must_cut(const struct sendmail_message *m, unsigned char c)
{
	bool within_character = (c & 0xC0) == 0x80;

	return m->column >= LINE_MAX_BYTES + (within_character ? CHARACTER_MAX_BYTES : 0);
}

static void
emit(struct sendmail_message *m, char c)
{
	if (c == '\n') {
		end_line(m);
		return;
	}
	if (must_cut(m, (unsigned char)c)) {
		end_line(m);
		if (m->in_header)
			emit(m, ' ');
	}
	if (m->column == 0 && c == '.')
		emit_raw(m, '.');
	emit_raw(m, c);
	m->column++;
}

static void
emit_text(struct sendmail_message *m, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		emit(m, text[i]);
}

static bool
is_plain(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text < ' ' || *text >= 127)
			return false;
	return true;
}

/* A name with other characters than these is left out, not guessed at. */
static void
emit_from(struct sendmail_message *m, const char *sender, const char *full_name)
{
	emit_text(m, "From: ", 6);
	if (full_name != NULL && full_name[0] != '\0' && is_plain(full_name) && sender[0] != '\0') {
		emit(m, '"');
		for (const char *c = full_name; *c != '\0'; c++) {
			if (*c == '"' || *c == '\\')
				emit(m, '\\');
			emit(m, *c);
		}
		emit_text(m, "\" ", 2);
	}
	emit(m, '<');
	emit_text(m, sender, strlen(sender));
	emit_text(m, ">\n", 2);
}

static void
emit_header(struct sendmail_message *m, const char *sender, const char *full_name)
{
	m->in_header = true;
	for (size_t i = 0; i < m->n; i++)
		if (!m->drop_bcc || (!is_named(m, &m->fields[i], "Bcc") &&
					!is_named(m, &m->fields[i], "Resent-Bcc")))
			emit_text(m, m->text + m->fields[i].at, m->fields[i].len);
	if (!has(m, "From") && sender[0] != '\0')
		emit_from(m, sender, full_name);
	m->in_header = false;
	emit(m, '\n');
	emit_text(m, m->text + m->body_at, m->len - m->body_at);
}

/* True: the line that begins with this byte, a dot, is the end. Else what follows the dot. */
static bool
is_end_dot(struct sendmail_message *m, int *after)
{
	*after = next(m);
	return *after == '\n' || *after == EOF;
}

static void
emit_body(struct sendmail_message *m)
{
	bool fresh = true; /* a line of standard input begins */
	int c, after;

	while (!m->failed && (c = next(m)) != EOF) {
		if (fresh && c == '.' && !m->dot_is_text) {
			if (is_end_dot(m, &after))
				break;
			emit(m, '.');
			c = after;
		}
		emit(m, (char)c);
		fresh = c == '\n';
	}
	if (m->column > 0)
		end_line(m);
}

int
sendmail_message_send(struct sendmail_message *m, const char *sender, const char *full_name,
    int (*put)(void *arg, struct span bytes), void *arg)
{
	m->put = put;
	m->arg = arg;
	emit_header(m, sender, full_name);
	if (!m->ended)
		emit_body(m);
	if (ferror(m->in))
		return -1;
	flush(m);
	return m->failed ? 1 : 0;
}
