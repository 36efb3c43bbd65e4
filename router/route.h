/*
 * Which way mail for an address of another host takes: the next hop, and what holds on the way to
 * it. Pure.
 *
 *  1. an administrator's order for this message
 *  2. Relay Delivery = never: nowhere
 *  3. a line of [routes] for the domain: what it says
 *  4. Use MTA: by MX of the domain; an address literal to that address
 *  5. the SMTP Server, and without one nowhere
 *
 * Relay Domains take the same ways. TLS is as [tls policy] has it for the recipient's domain,
 * whichever host takes its mail, but on the way to the SMTP Server as the keys beside that have it.
 */
#ifndef ROUTER_ROUTE_H
#define ROUTER_ROUTE_H

#include "router/tables.h"

enum route_kind {
	ROUTE_MX,   /* mx_of_domain(): the hosts that DNS names for it, or the address literal */
	ROUTE_HOST, /* mx_of_host(): a host that the configuration names */
	ROUTE_NONE  /* nowhere */
};

enum {
	ROUTE_NAMES_SIZE = 2 * HOST_SIZE + 2,
	ROUTE_DESTINATION_SIZE = 1536,
	ROUTE_TEXT_SIZE = 1000
};

struct route {
	enum route_kind kind;
	const char *why; /* NONE: the reason, in words; nothing else is set then */
	/* MX: the domain in A-labels, or a literal in brackets. HOST: a name or an address without
	 * them. Lower case. */
	char host[HOST_SIZE];
	unsigned port;
	bool smart_host;   /* it is the SMTP Server */
	bool implicit_tls; /* TLS from the start (RFC 8314); tls is at least ENCRYPT */
	enum tls_mode tls; /* TLS_NEVER, _MAY, _ENCRYPT, _VERIFY: as TLS_CLIENT_* of tls_client.h */
	/* Where the host's TLSA records are secure, they decide (TLS_CLIENT_DANE), else tls does.
	 */
	bool dane;
	/* VERIFY: any of these must be in the certificate, blank-separated; never empty. */
	char names[ROUTE_NAMES_SIZE];
	/* The login, "" without; and whether it may be said without TLS. They live as long as the
	 * tables. */
	const char *user, *password;
	bool auth_without_tls;
	/* In the place of the envelope's reverse-path; "": that one stays. Lives as long. */
	const char *reverse_path;
	/*
	 * Names all of the above, but what follows from the SMTP Server (password and the like):
	 * "mx:example.org", "host:[2001:db8::1]:2525,tls=encrypt",
	 * "smart:smtp.isp.example:587,tls=verify,user=tod". Printable ASCII without blanks. Mail
	 * of one destination can share a connection.
	 */
	char destination[ROUTE_DESTINATION_SIZE];
};

/* p is no local place. override: what an administrator has ordered for this message, written as in
 * [routes]; empty: nothing. */
struct route route_find(const struct tables *t, const struct place *p, struct span override);
/* Whether route_find() would find a way; cheap. */
bool route_is_there(const struct tables *t, const struct place *p);

/* In words: "relay to MX of example.org, port 25, TLS dane, else may". */
void route_describe(const struct route *r, char out[ROUTE_TEXT_SIZE]);

#endif
