/*
 * The text of a vacation reply (RFC 3834 3, RFC 5230 5). Pure.
 */
#ifndef ROUTER_VACATION_LETTER_H
#define ROUTER_VACATION_LETTER_H

#include <stdint.h>

#include "common/span.h"
#include "common/text_buffer.h"

enum { VACATION_LETTER_MAX_BYTES = 128 * 1024, VACATION_REFERENCES_MAX = 20 };

/* Of the message that is answered: what outlives it. */
struct vacation_about {
	char *message_id; /* with < and >; "": it has none */
	char *references; /* of the reply, blank-separated, message_id last */
	char *subject;	  /* as it is there, folded */
};

struct vacation_letter {
	uint64_t id; /* of the reply */
	uint64_t now_s;
	const char *server;
	struct span from, name, to; /* addresses are canonical; name in UTF-8, or empty */
	struct span subject;	    /* the user's, in UTF-8; empty: made of the message's */
	struct span text;	    /* UTF-8, lines end with LF */
	const struct vacation_about *about;
};

/* The whole message, with CRLF, into an initialized buffer (VACATION_LETTER_MAX_BYTES). */
void vacation_letter_write(const struct vacation_letter *l, struct text_buffer *out);

#endif
