/*
 * Counts refusing replies by their reason, which the enhanced status code tells (RFC 3463). Pure.
 */
#ifndef SMTPD_REFUSALS_H
#define SMTPD_REFUSALS_H

#include <stdint.h>

enum refusal {
	REFUSAL_UNKNOWN_USER,	/* there is no such mailbox here */
	REFUSAL_RELAYING,	/* mail for elsewhere from who may not send it */
	REFUSAL_SENDER,		/* the sender's address is not one of who has logged in */
	REFUSAL_QUOTA,		/* the mailbox is full, or smaller than the message */
	REFUSAL_SIZE,		/* the message is larger than any may be */
	REFUSAL_AUTHENTICATION, /* a login is needed, or was wrong */
	REFUSAL_TLS,		/* TLS is needed, or cannot be had */
	REFUSAL_LOOP,		/* too many Received fields; aliases in a circle */
	REFUSAL_CONTENT,	/* bytes that no message may have */
	REFUSAL_SYNTAX,		/* what is said is no right command or address */
	REFUSAL_LIMITS,		/* too many recipients, commands, errors, logins, connections */
	REFUSAL_TEMPORARY,	/* nothing is wrong with it, but it cannot be taken now */
	REFUSAL_OTHER,
	REFUSALS
};

struct refusals {
	uint64_t n[REFUSALS];
};

/* A reply that accepts counts nothing, nor does one that only ends an idle or restarting session.
 */
void refusals_count(struct refusals *r, const char *reply);
enum refusal refusal_of_reply(const char *reply);
/* "refused_unknown_user": as sambarctl status has it. */
const char *refusal_name(enum refusal why);

#endif
