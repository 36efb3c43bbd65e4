/*
 * A multi-line reply of POP3 (RFC 1939 3), byte by byte: only CRLF.CRLF ends it, and a dot that
 * was put in front of a line goes. Pure.
 */
#ifndef FETCHER_POP3_BODY_H
#define FETCHER_POP3_BODY_H

#include <stdbool.h>

#include "common/span.h"

/* Begins as {0}. */
struct pop3_body {
	int state;
	bool ended; /* what follows is no more of it */
};

/* Cuts the next piece of the text from the front of *bytes. Empty when *bytes was used up or the
 * text has ended. A piece may point to static bytes. */
struct span pop3_body_take(struct pop3_body *b, struct span *bytes);

#endif
