/*
 * Questions to the DNS and judging what comes back for them (RFC 1035, 2308, 6840, 6891), by ldns.
 * Pure: bytes in, an answer out. dns.c sends and receives; the fuzz target calls this.
 */
#ifndef COMMON_DNS_WIRE_H
#define COMMON_DNS_WIRE_H

#include "common/dns_answer.h"

enum {
	DNS_UDP_BYTES = 1232,	      /* asked for by EDNS: fits any path unfragmented */
	DNS_PACKET_MAX_BYTES = 65535, /* over TCP */
	DNS_QUERY_MAX_BYTES = 512,
	DNS_HOPS_MAX = 10 /* CNAMEs in a chain, over all its questions */
};

struct dns_query {
	char name[DNS_NAME_SIZE]; /* as dns_answer.h says */
	enum dns_type type;
	bool edns;
	uint8_t wire[DNS_QUERY_MAX_BYTES];
	size_t len;
	size_t question_len; /* the question starts behind the header's 12 bytes */
};

/* Recursion and AD are asked for, with EDNS also DO. -1: the name is none, or too long. */
int dns_query_build(struct dns_query *q, const char *name, enum dns_type type, bool edns);
/* A new random id, before each time it is sent. */
void dns_query_draw_id(struct dns_query *q);

enum dns_verdict {
	DNS_IS_ANSWER,	/* *answer says FOUND, NODATA or NXDOMAIN */
	DNS_IS_CHAIN,	/* *answer is empty, its name is where the chain goes on: ask for that */
	DNS_IS_CUT,	/* TC: ask over TCP */
	DNS_IS_STRANGE, /* no answer to this question (id, question, form): as if it had not come */
	DNS_IS_NO_EDNS, /* the server does not know EDNS: ask without */
	DNS_IS_USELESS	/* this server cannot help: *why */
};

/*
 * hops: CNAMEs already followed. *answer, the caller's, is set for the first two verdicts, *why (a
 * few words, static) for DNS_IS_USELESS. Only what belongs to the question or its chain of CNAMEs
 * is taken. An answer that cannot be read as a whole, one that says that there is nothing but comes
 * from a server that does not resolve (RA and AA missing, or a referral), a chain that is too long
 * or a circle: useless.
 */
enum dns_verdict dns_judge(const struct dns_query *q, struct span packet, unsigned hops,
    struct dns_answer **answer, const char **why);

#endif
