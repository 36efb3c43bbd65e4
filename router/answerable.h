/*
 * Whether a message may be answered by a program (RFC 3834 2, RFC 5230 4.6), and what of it an
 * answer needs. Pure; trusts no byte of it.
 */
#ifndef ROUTER_ANSWERABLE_H
#define ROUTER_ANSWERABLE_H

#include <stdint.h>

#include "common/span.h"

enum {
	ANSWERABLE_HEADER_MAX_BYTES = 65536, /* a message with more is not answered */
	ANSWERABLE_ADDRESSES_MAX = 500,	     /* so many are looked at */
	ANSWERABLE_ID_MAX_BYTES = 250
};

/* Borrowed from the header; folded as it is there; at is NULL without such a field. */
struct answerable {
	struct span message_id, references, in_reply_to, subject, return_path, date;
};

/* header: whole, with the empty line if there is one. NULL, and *a set, or why it may not be
 * answered, a phrase. */
const char *answerable_read(struct span header, struct answerable *a);

/* The same of whoever sent it (canonical text): not of the null sender, a daemon, a list. */
const char *answerable_sender(struct span sender);

/* Gives the addresses (canonical text) that it is written to: To, Cc, Bcc and the Resent- ones. */
void
answerable_recipients(struct span header, void (*each)(void *arg, const char *address), void *arg);

/* Cuts the next sound message id, with < and >, from a value. False: no more. */
bool answerable_next_id(struct span *value, struct span *id);

/* Seconds since 1970 of a Date (RFC 5322 3.3). False: it cannot be understood. */
bool answerable_date(struct span value, int64_t *seconds);

#endif
