/*
 * Replies of other hosts' SMTP servers. Touches nothing.
 */
#include "router/smtp_reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { CODE_LEN = 3, STATUS_NUMBER_MAX = 999 /* RFC 3463 2 */ };

/* ---- enhanced status codes ---- */

/* A number of RFC 3463 and the byte behind it, taken from the front of *text. */
static bool
take_number(struct span *text, char end, unsigned *number)
{
	struct span digits;
	uint64_t n;

	if (!span_take(text, end, &digits) && (end != ' ' || digits.len == 0))
		return false;
	if (digits.len > 3 || !span_u64(digits, STATUS_NUMBER_MAX, &n))
		return false;
	*number = n;
	return true;
}

/* Cuts a status from the front of *text. Without one, or with one that denies the code, text stays.
 */
static struct smtp_status
take_status(struct span *text, unsigned class)
{
	struct span rest = *text;
	struct smtp_status s;

	if (!take_number(&rest, '.', &s.class) || s.class != class ||
	    !take_number(&rest, '.', &s.subject) || !take_number(&rest, ' ', &s.detail))
		return (struct smtp_status){0};
	*text = rest;
	return s;
}

bool
smtp_status_is(struct smtp_status s, unsigned class, unsigned subject, unsigned detail)
{
	return s.class == class && s.subject == subject && s.detail == detail;
}

/* ---- text ---- */

/* Controls, and bytes that RFC 5321 4.2 does not allow in a reply, must reach neither a terminal
 * nor a header. */
static void
add_text(struct smtp_reply *r, struct span text)
{
	size_t len = strlen(r->text);

	text = span_trim(text);
	if (text.len > 0 && len > 0 && len + 1 < sizeof r->text)
		r->text[len++] = ' ';
	for (size_t i = 0; i < text.len && len + 1 < sizeof r->text; i++) {
		unsigned char c = text.at[i];

		r->text[len++] = c == '\t' ? ' ' : c < ' ' || c > '~' ? '?' : c;
	}
	r->text[len] = '\0';
}

static void
start_text(struct smtp_reply *r)
{
	struct smtp_status s = r->status;

	if (s.class == 0)
		snprintf(r->text, sizeof r->text, "%u", r->code);
	else
		snprintf(
		    r->text, sizeof r->text, "%u %u.%u.%u", r->code, s.class, s.subject, s.detail);
}

/* ---- lines ---- */

/* 0 when the line starts with none. RFC 5321 4.2.1: of codes that we do not know, the first digit
 * counts. */
static unsigned
code_of(struct span line)
{
	uint64_t code;

	if (line.len < CODE_LEN || !span_u64((struct span){line.at, CODE_LEN}, 599, &code) ||
	    code < 200)
		return 0;
	return code;
}

void
smtp_reply_clear(struct smtp_reply *r)
{
	r->code = 0;
	r->status = (struct smtp_status){0};
	r->n_lines = 0;
	r->text[0] = '\0';
}

enum smtp_reply_end
smtp_reply_line(struct smtp_reply *r, struct span line, struct span *text)
{
	unsigned code = code_of(line);
	char mark = line.len > CODE_LEN ? line.at[CODE_LEN] : ' ';
	struct span rest = {NULL, 0};

	if (code == 0 || (mark != ' ' && mark != '-'))
		return SMTP_REPLY_MALFORMED;
	if ((r->n_lines > 0 && code != r->code) || ++r->n_lines > SMTP_REPLY_LINES_MAX)
		return SMTP_REPLY_MALFORMED;
	if (line.len > CODE_LEN)
		rest = (struct span){line.at + CODE_LEN + 1, line.len - CODE_LEN - 1};
	if (text != NULL)
		*text = rest;
	if (r->n_lines == 1) {
		r->code = code;
		r->status = take_status(&rest, code / 100);
		start_text(r);
	} else {
		take_status(&rest, code / 100); /* said again with each line (RFC 2034 4) */
	}
	add_text(r, rest);
	return mark == '-' ? SMTP_REPLY_MORE : SMTP_REPLY_WHOLE;
}

void
smtp_reply_local(struct smtp_reply *r, unsigned code, const char *status, const char *format, ...)
{
	struct span digits = span_of(status);
	char text[SMTP_REPLY_TEXT_SIZE];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	smtp_reply_clear(r);
	r->code = code;
	r->n_lines = 1;
	r->status = take_status(&digits, code / 100);
	start_text(r);
	add_text(r, span_of(text));
}

unsigned
smtp_reply_class(const struct smtp_reply *r)
{
	return r->code / 100;
}
