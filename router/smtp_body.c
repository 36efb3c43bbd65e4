/*
 * What the SMTP client must know of a message, and dot stuffing. Touches nothing.
 */
#include "router/smtp_body.h"

#include <string.h>

/* ---- looking ---- */

static void
blame(struct smtp_look *l, const char *fault)
{
	if (l->fault == NULL)
		l->fault = fault;
}

/* Part of a line, without the LF that may end it. */
static void
look_at_text(struct smtp_look *l, struct span text)
{
	const char *cr;

	if (text.len == 0)
		return;
	if (l->cr)
		blame(l, "a bare CR");
	cr = memchr(text.at, '\r', text.len);
	l->cr = cr == text.at + text.len - 1;
	if (cr != NULL && !l->cr)
		blame(l, "a bare CR");
	if (cr != text.at)
		l->line_has_bytes = true;
	if (!l->in_body && !span_is_ascii(text))
		l->eight_bit_header = true;
}

static void
look_at_end_of_line(struct smtp_look *l)
{
	if (!l->cr)
		blame(l, "a bare LF");
	if (!l->line_has_bytes)
		l->in_body = true; /* the empty line behind the header */
	l->cr = l->line_has_bytes = false;
}

void
smtp_look_at(struct smtp_look *l, struct span piece)
{
	if (piece.len == 0)
		return;
	if (!l->eight_bit)
		l->eight_bit = !span_is_ascii(piece);
	if (memchr(piece.at, '\0', piece.len) != NULL)
		blame(l, "a NUL");
	while (piece.len > 0 && l->fault == NULL) {
		const char *lf = memchr(piece.at, '\n', piece.len);
		size_t n = lf != NULL ? (size_t)(lf - piece.at) : piece.len;

		look_at_text(l, (struct span){piece.at, n});
		if (lf == NULL)
			return;
		look_at_end_of_line(l);
		piece = (struct span){lf + 1, piece.len - n - 1};
	}
}

void
smtp_look_end(struct smtp_look *l)
{
	if (l->cr || l->line_has_bytes)
		blame(l, "a last line that does not end with CRLF");
}

/* ---- stuffing ---- */

/* At worst each line is a lone dot, even if its end should not be CRLF. */
size_t
smtp_stuffed_max(size_t len)
{
	return len + len / 2 + 2;
}

size_t
smtp_stuff(struct smtp_stuffing *s, struct span piece, char *out)
{
	const char *at = piece.at, *end = piece.at + piece.len;
	char *to = out;

	while (at < end) {
		const char *lf;
		size_t n;

		if (!s->within_line && *at == '.')
			*to++ = '.';
		lf = memchr(at, '\n', end - at);
		n = (lf != NULL ? lf + 1 : end) - at;
		memcpy(to, at, n);
		to += n;
		at += n;
		s->within_line = lf == NULL;
	}
	return to - out;
}
