/*
 * The server's side of SASL PLAIN (RFC 4616) and LOGIN, for every protocol that logs in: SMTP AUTH
 * and POP3 AUTH. Only parsing; who asks auth is the caller.
 */
#ifndef COMMON_SASL_H
#define COMMON_SASL_H

#include "common/span.h"

enum {
	SASL_LINE_MAX_BYTES = 12288,
	/* RFC 4954 4 */ SASL_NAME_SIZE = 512,
	SASL_PASSWORD_SIZE = 512
};

enum sasl_step {
	SASL_CONTINUE,	/* send s->challenge (base64, may be empty) and wait for a line */
	SASL_COMPLETE,	/* name and password are set */
	SASL_CANCELLED, /* the client sent "*" */
	SASL_MALFORMED, /* bad base64, NUL in the password, too long, empty name */
	SASL_UNKNOWN	/* no such mechanism */
};

struct sasl {
	int state;
	const char *challenge;
	char name[SASL_NAME_SIZE], password[SASL_PASSWORD_SIZE];
};

/* mechanism without regard to case; initial is the initial response ("=" for empty), or at == NULL
 * without one. */
enum sasl_step sasl_begin(struct sasl *s, struct span mechanism, struct span initial);
enum sasl_step sasl_line(struct sasl *s, struct span line);
/* Wipes name and password. */
void sasl_clear(struct sasl *s);

#endif
