/*
 * TLSA records for DANE (RFC 6698, 7672): what a mail host says about the certificate of its port.
 *
 * Ownership: whoever looks them up owns the set and clears it. records[].data borrows from the set
 * and lives until tlsa_set_clear(); OpenSSL's SSL_dane_tlsa_add() copies what it is given.
 */
#ifndef ROUTER_TLSA_H
#define ROUTER_TLSA_H

#include "common/dns_answer.h"
#include "common/tls_client.h"

enum { TLSA_RECORDS_MAX = 32, TLSA_TEXT_SIZE = 512 };

enum tlsa_state {
	TLSA_INSECURE, /* the MX, the addresses or an alias are not validated: DANE does not apply
			*/
	TLSA_NONE, /* validated, and there are none (or none that is validated): DANE does not apply
		    */
	TLSA_UNUSABLE, /* there are, but none that can be used: TLS is a must, the certificate any
			  (RFC 7672 2.2) */
	TLSA_USABLE,   /* TLS is a must, and the certificate must match one of records */
	TLSA_LATER     /* look-up failed: do not use this host now (RFC 7672 2.1.2) */
};

struct tlsa_set {
	enum tlsa_state state;
	/*
	 * TLSA_USABLE, TLSA_UNUSABLE: the base domain, which is the name to send as SNI and the
	 * first one that a certificate under DANE-TA(2) may be for (RFC 7672 3.2.2; the recipient's
	 * domain is the other, when the MX is secure). Else "".
	 */
	char base[DNS_HOST_SIZE];
	char text[TLSA_TEXT_SIZE]; /* TLSA_LATER: a sentence for people, printable. Else "" */
	size_t n;		   /* > 0 exactly when TLSA_USABLE */
	struct tlsa_record records[TLSA_RECORDS_MAX];
	/* private */
	struct dns_answer *answer;
};

struct dns;
struct mx_list;
struct mx_host;

/*
 * Looks up _port._tcp of one host of list (router/mx.h), by the rules of RFC 7672 2.2:
 * - only when the MX (or that there is none) is secure;
 * - a host whose addresses are secure: at its own name; when that is an alias, at the end of the
 *   chain first, then at the name itself;
 * - an alias that leads to insecure addresses: at the name, if the CNAME itself is secure;
 * - insecure answers count as if there were none; a failed look-up is TLSA_LATER.
 * Usages other than DANE-TA(2) and DANE-EE(3) are unusable (RFC 7672 3.1.3), as are unknown
 * selectors and matchings, digests of a wrong length and records cut short. What is beyond
 * TLSA_RECORDS_MAX is left out. The set need not be initialized.
 */
void tlsa_lookup(struct dns *d, const struct mx_list *list, const struct mx_host *host,
    uint16_t port, int64_t deadline, struct tlsa_set *set);
void tlsa_set_clear(struct tlsa_set *set);

/* Cuts a record's data into its fields. False: it cannot be used. Pure. */
bool tlsa_parse(struct span data, struct tlsa_record *record);

#endif
