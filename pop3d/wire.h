/*
 * A message from its file to the line (RFC 1939 3): lines end with CR LF, a dot at the start of a
 * line is doubled, a last line without its end gets one. And where TOP stops. Pure: the bytes come
 * in pieces of any length, and go out in runs as long as they can be.
 */
#ifndef POP3D_WIRE_H
#define POP3D_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

struct wire {
	uint64_t line;	     /* bytes of the current line */
	uint64_t lines_left; /* of the body, when limited */
	bool after_cr;	     /* the last byte was one */
	bool limited, in_body;
	bool ended; /* all that is wanted has come: what is fed after it is dropped */
};

/* Takes a run of bytes, borrowed until it returns. */
typedef void (*wire_put)(void *arg, struct span bytes);

void wire_start(struct wire *w);
/* The header, the blank line and so many lines of the body: RFC 1939 7, TOP. */
void wire_start_top(struct wire *w, uint64_t body_lines);

void wire_feed(struct wire *w, struct span in, wire_put put, void *arg);
/* The message is complete: completes its last line. The final dot is the caller's. */
void wire_finish(struct wire *w, wire_put put, void *arg);

#endif
