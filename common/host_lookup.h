/*
 * From the name of a host to the addresses to try, in their order: IPv6 and IPv4 in turn, IPv6
 * first, shuffled within each. Asks dns.c; for a sequential process.
 */
#ifndef COMMON_HOST_LOOKUP_H
#define COMMON_HOST_LOOKUP_H

#include <sys/socket.h>

#include "common/dns_answer.h"

enum { HOST_ADDRESSES_MAX = 8 };

/* The A-labels (RFC 5891) of a domain, in lower case. False when it is none, as a literal is. */
bool host_name(struct span domain, char out[DNS_HOST_SIZE]);

/* "192.0.2.1" of "[192.0.2.1]" and of "192.0.2.1"; the same with "[IPv6:". */
struct span host_without_brackets(struct span text);
/* "192.0.2.1", "2001:db8::1", and as in the domain of an address "[192.0.2.1]",
 * "[IPv6:2001:db8::1]". False: it is no address. */
bool host_address(struct span text, uint16_t port, struct sockaddr_storage *out);

enum host_verdict {
	HOST_TAKE,
	HOST_SKIP, /* as if it were not there */
	HOST_STOP  /* look no further */
};
/* Of each address that the DNS says. */
typedef enum host_verdict (*host_judge_cb)(void *arg, const struct sockaddr_storage *address);

struct host_question {
	struct dns *dns;
	int64_t deadline; /* of dns_deadline() */
	uint16_t port;
	bool ipv4, ipv6;     /* which addresses are asked for: those that this machine can reach */
	host_judge_cb judge; /* NULL: all are taken */
	void *judge_arg;
};

struct host_addresses {
	size_t n;
	struct sockaddr_storage addresses[HOST_ADDRESSES_MAX]; /* with the port */
	bool secure;		   /* all these were validated, with the chain that leads to them */
	bool found;		   /* there are addresses, perhaps none that judge takes */
	const char *later;	   /* why a look-up failed, static; NULL when all went well */
	char alias[DNS_HOST_SIZE]; /* where its CNAMEs end, if it has any; else "" */
};

/* name: of host_name(); localhost is known without asking. -1: judge said HOST_STOP; *out has
 * nothing but alias then. */
int host_lookup(const struct host_question *q, const char *name, struct host_addresses *out);

#endif
