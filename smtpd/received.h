/* The trace field that every message gets in front (RFC 5321 4.4), and dates. Pure. */
#ifndef SMTPD_RECEIVED_H
#define SMTPD_RECEIVED_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "common/span.h"

enum {
	RECEIVED_MAX_BYTES = 2048, /* EHLO name, our name and one recipient at their limits fit */
};

struct received {
	struct span helo;		      /* a domain or literal, judged before */
	const char *client_address;	      /* as stream_peer_text() gives it */
	const char *tls_version, *tls_cipher; /* "" in clear */
	const char *server;		      /* our name */
	const char *protocol;		      /* "ESMTPSA" */
	uint64_t id;
	struct span recipient; /* the only one; empty when there are more */
	time_t at;
};

/* Writes the whole field, folded, with its CRLFs. Returns its length; it always fits. */
size_t received_print(const struct received *r, char out[RECEIVED_MAX_BYTES]);

/* "Tue, 24 Nov 2026 14:10:00 +0100" (RFC 5322 3.3), in one buffer that the next call overwrites. */
const char *received_date(time_t at);

/* What "with" says (RFC 3848, RFC 6531 3.7.3). */
const char *received_protocol(bool esmtp, bool tls, bool authenticated, bool utf8);

#endif
