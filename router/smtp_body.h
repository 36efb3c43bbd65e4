/*
 * What the SMTP client must know of a message before it sends it, and dot stuffing. Pure; takes the
 * message in pieces of any size.
 */
#ifndef ROUTER_SMTP_BODY_H
#define ROUTER_SMTP_BODY_H

#include <stdbool.h>

#include "common/span.h"

/* A look at a message. All zero before its first piece. */
struct smtp_look {
	bool eight_bit;	       /* a byte above 127, anywhere */
	bool eight_bit_header; /* in the header */
	const char *fault;     /* NULL: it can be sent. Else why it cannot. */
	/* private: */
	bool in_body, cr;
	bool line_has_bytes;
};

void smtp_look_at(struct smtp_look *l, struct span piece);
/* After the last one: a message that has bytes ends with CRLF. */
void smtp_look_end(struct smtp_look *l);

/* Doubles dots at the start of lines (RFC 5321 4.5.2). */
struct smtp_stuffing {
	bool within_line; /* false before the first piece */
};
/* out has room for smtp_stuffed_max(piece.len) bytes. Returns how many were written. */
size_t smtp_stuff(struct smtp_stuffing *s, struct span piece, char *out);
size_t smtp_stuffed_max(size_t len);

#endif
