/*
 * The client's side of SASL (RFC 4422), for POP3 and IMAP: which mechanism, and what to answer to
 * each challenge. Pure.
 */
#ifndef FETCHER_LOGIN_H
#define FETCHER_LOGIN_H

#include "fetcher/remote.h"

enum {
	LOGIN_NAME_MAX_BYTES = 512, /* also of a password */
	LOGIN_TOKEN_MAX_BYTES = 6144,
	LOGIN_RESPONSE_SIZE = 9216 /* any response, in base64, with its NUL */
};

struct login {
	const struct remote_target *target;
	const char *mechanism; /* "PLAIN" */
	bool has_initial;      /* its first response may go with the command (RFC 4422 3.3) */
	/* private */
	size_t row;
	unsigned step;
};

/* False: user, password or token are too long for any mechanism. */
bool login_is_possible(const struct remote_target *target);

/* The best mechanism among those that are offered (words), and each time the next one. False: there
 * is none left. Begins with *l = {.target = ...}. */
bool login_choose(struct login *l, struct span offered);

/* The next response, in base64, perhaps empty. False: there is nothing to say to this challenge;
 * the exchange is to be cancelled. The caller wipes out. */
bool login_respond(struct login *l, char out[LOGIN_RESPONSE_SIZE]);

#endif
