/*
 * Asks DNS servers, for a sequential process: each call blocks until there is an answer or no time
 * left. Sockets are all it touches: no file, no resolv.conf, no hosts file. Answers are remembered
 * (dns_cache.h).
 *
 * The servers resolve for us (recursion is asked for). They are asked in their order, over UDP with
 * EDNS and DO, over TCP when an answer is cut; each waits timeout_ms, then the next one's turn
 * comes; one that was silent or out of reach comes last for a minute. A datagram with another id,
 * question or source is as if it had not come, and after some of those (somebody guesses) TCP is
 * used.
 *
 * SERVFAIL, REFUSED, time-outs, unreadable or contradictory answers are never a proof: when all
 * servers end so the answer is DNS_LATER.
 */
#ifndef COMMON_DNS_H
#define COMMON_DNS_H

#include <sys/socket.h>

#include "common/dns_answer.h"

enum {
	DNS_SERVERS_MAX = 3,
	DNS_TIMEOUT_MS = 5000, /* one question to one server */
	DNS_ROUNDS = 2,	       /* how often all servers are asked */
	DNS_BUDGET_MS = 60000  /* all questions for one purpose: dns_deadline() */
};

struct dns_settings {
	struct sockaddr_storage servers[DNS_SERVERS_MAX]; /* with ports: common/nameserver.h */
	size_t n_servers;
	unsigned timeout_ms, rounds, budget_ms; /* 0: the defaults above */
	/*
	 * The servers validate by DNSSEC and nobody is between them and us (RFC 6840 5.7, trust-ad
	 * of resolv.conf(5)): their AD bit is believed. Must hold for all of them. Otherwise
	 * nothing is secure.
	 */
	bool trust_ad;
	uint64_t (*now_s)(void); /* for the ages in the cache; NULL: CLOCK_MONOTONIC */
};

struct dns;
/* The settings are copied. */
struct dns *dns_new(const struct dns_settings *settings);
void dns_free(struct dns **d);

/* Now and budget_ms: what several look-ups for one purpose share. In ms of CLOCK_MONOTONIC. */
int64_t dns_deadline(const struct dns *d);

/*
 * name: as in dns_answer.h; CNAMEs are followed unless they are what is asked for. A name that the
 * DNS cannot hold is DNS_NXDOMAIN, not secure. Never NULL; the caller frees it.
 */
struct dns_answer *
dns_lookup(struct dns *d, const char *name, enum dns_type type, int64_t deadline);

#endif
