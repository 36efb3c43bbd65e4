/*
 * The answer to one DNS question, as the rest of router/ sees it: a value that is counted, shared
 * and never changed once a look-up has returned it. Knows neither sockets nor wire format.
 *
 * Names are text in the zone file's notation: lower case, without the last period (the root is
 * "."), bytes that are not printable as \DDD, a period within a label as "\.": so two names are
 * equal when their texts are. A name of a stranger's may hold anything: address_is_domain() says
 * whether it may be a host's, log_safe() makes it fit for a log.
 */
#ifndef COMMON_DNS_ANSWER_H
#define COMMON_DNS_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/span.h"

enum {
	DNS_NAME_SIZE = 1025, /* 255 bytes on the wire, each as \DDD at worst */
	DNS_HOST_SIZE = 256   /* a host name, which has no \DDD, and its NUL */
};

/* The types that are asked for, with their numbers in the DNS. */
enum dns_type {
	DNS_A = 1,
	DNS_CNAME = 5,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_SRV = 33,
	DNS_TLSA = 52
};

enum dns_status {
	DNS_FOUND,    /* there are records */
	DNS_NODATA,   /* the name exists and has none of this type */
	DNS_NXDOMAIN, /* there is no such name */
	DNS_LATER     /* nobody could say: why tells the reason. Never a proof of anything */
};

struct dns_record {
	uint16_t preference;   /* MX; SRV: the priority */
	uint16_t weight, port; /* SRV */
	const char *name;      /* MX, CNAME, PTR and SRV: the target. Else NULL */
	/* A: 4 bytes, AAAA: 16, TLSA: the record's data, TXT: its strings as one (RFC 7208 3.3);
	 * of the latter perhaps none. */
	struct span data;
};

struct dns_answer {
	enum dns_status status;
	bool secure;	  /* validated (AD), also that there is none, over all steps of a chain */
	uint32_t ttl;	  /* seconds it may be kept, as the servers said; 0: not at all */
	unsigned hops;	  /* CNAMEs that were followed */
	const char *name; /* whose records these are: the one asked for, or the chain's last */
	const char *why;  /* DNS_LATER: a few words, static; else "" */
	size_t n;	  /* > 0 exactly when DNS_FOUND */
	struct dns_record *records;
	/* private */
	unsigned references;
	size_t bytes; /* of all this */
	char *pool, *pool_end;
};

/* Room for n records with pool bytes of names and data, and a name. NULL: out of memory. */
struct dns_answer *dns_answer_new(size_t n, size_t pool, const char *name);
/* Copies bytes, and a NUL behind them, into the pool, which has room. */
const char *dns_answer_put(struct dns_answer *a, struct span bytes);
/* One without records: ends the program when there is no memory. */
struct dns_answer *dns_answer_empty(enum dns_status status, const char *name, const char *why);

struct dns_answer *dns_answer_keep(struct dns_answer *a);
/* Clears the pointer; the last one frees it. Harmless on NULL. */
void dns_answer_free(struct dns_answer **a);

#endif
