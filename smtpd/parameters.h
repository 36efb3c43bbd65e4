/*
 * The parameters that follow the path of MAIL and RCPT: SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8
 * (RFC 6531), AUTH (RFC 4954), RET, ENVID, NOTIFY and ORCPT (RFC 3461). Pure parsing.
 */
#ifndef SMTPD_PARAMETERS_H
#define SMTPD_PARAMETERS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

enum {
	ENVID_MAX_BYTES = 100, /* RFC 3461 4.4 */
	ORCPT_MAX_BYTES = 500, /* RFC 3461 4.2 */
};

struct mail_parameters {
	uint64_t size;	/* 0: not said; UINT64_MAX: more than any number here */
	unsigned flags; /* ENVELOPE_8BITMIME, ENVELOPE_SMTPUTF8 */
	unsigned ret;	/* RET_FULL, RET_HDRS */
	struct span envid;
};

struct recipient_parameters {
	unsigned notify;
	struct span original;
};

/* Text is what follows the path. NULL, or the reply that refuses it. Spans borrow from text. */
const char *parameters_of_mail(struct span text, struct mail_parameters *out);
/* utf8: SMTPUTF8 was said at MAIL. */
const char *parameters_of_recipient(struct span text, bool utf8, struct recipient_parameters *out);

#endif
