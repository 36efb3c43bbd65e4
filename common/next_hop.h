/*
 * What stands behind = in [routes] and [tls policy] of mail.ini (sambar.ini(5)): by which host mail
 * for a domain leaves, and what TLS must be on the way. The configuration checks and normalizes it,
 * router reads it again. Pure.
 */
#ifndef COMMON_NEXT_HOP_H
#define COMMON_NEXT_HOP_H

#include <stdbool.h>

#include "common/host_port.h"
#include "common/span.h"

enum next_hop_kind {
	NEXT_HOP_MX,	     /* the hosts that DNS names for the domain */
	NEXT_HOP_SMART_HOST, /* the SMTP Server of config.ini */
	NEXT_HOP_HOST	     /* this host */
};

struct next_hop {
	enum next_hop_kind kind;
	struct host_port at; /* HOST; port 0: the usual one */
	bool implicit_tls;   /* HOST: TLS from the start (RFC 8314) */
};

enum {
	TLS_RULE_NAMES_SIZE = 256,
	NEXT_HOP_TEXT_SIZE = HOST_PORT_SIZE + sizeof ". implicit tls",
	TLS_RULE_TEXT_SIZE = TLS_RULE_NAMES_SIZE + sizeof "encrypt dane"
};

/* Each demands more than the one before; common/tls_client.h says what. */
enum tls_mode { TLS_NEVER, TLS_MAY, TLS_ENCRYPT, TLS_VERIFY, TLS_MODE_LAST = TLS_VERIFY };

struct tls_rule {
	enum tls_mode mode;
	bool dane; /* where TLSA records are secure they decide (RFC 7672), else the mode */
	/* VERIFY: any of these must be in the certificate; blank-separated host names, .domain
	 * (any name in it) and addresses; "": those that the next hop implies. */
	char names[TLS_RULE_NAMES_SIZE];
};

/* What holds for a domain without a line in [tls policy]: "dane". */
extern const struct tls_rule tls_rule_default;

/* False with *why, a phrase, and *bad, the word that it is about. */
bool next_hop_parse(struct span text, struct next_hop *out, struct span *bad, const char **why);
bool tls_rule_parse(struct span text, struct tls_rule *out, struct span *bad, const char **why);

/* The normalized text, which parses again to the same. */
void next_hop_print(const struct next_hop *n, char out[NEXT_HOP_TEXT_SIZE]);
void tls_rule_print(const struct tls_rule *r, char out[TLS_RULE_TEXT_SIZE]);

/* "none", "may", "encrypt", "verify". */
const char *tls_mode_word(enum tls_mode mode);

#endif
