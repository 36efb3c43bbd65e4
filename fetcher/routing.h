/*
 * Whose a collected message is: from a section's Routing, the addresses in the message's header,
 * and what router says of them. Only mailboxes, aliases and forwards that are local get mail: what
 * was collected is never sent out to the address that its header names.
 *
 *   mailbox NAME  this one
 *   local         the local addresses of the first field that has any, in the order of enum
 *                 fetch_source; else the Unknown Mailbox
 *   all           the local addresses of all these fields; else the Unknown Mailbox
 *
 * An address is local when router says so, or when its domain is one of the section's Local Domains
 * and its local part is known here.
 */
#ifndef FETCHER_ROUTING_H
#define FETCHER_ROUTING_H

#include "fetcher/header.h"
#include "router/router.h"

enum routing_mode { ROUTING_MAILBOX, ROUTING_LOCAL, ROUTING_ALL };

/* Borrowed. */
struct routing_rule {
	enum routing_mode mode;
	const char *mailbox;	   /* of mode MAILBOX; else the Unknown Mailbox, or "" */
	const char *local_domains; /* patterns with blanks between them */
	const char *server;	   /* Mail Server */
};

enum routing_end {
	ROUTING_FOUND,
	ROUTING_NOBODY, /* there is nobody, or nobody whose mailbox may ever hold it */
	ROUTING_LATER	/* router or store cannot say now, or a mailbox is full */
};

struct routing_recipient {
	char address[ADDRESS_TEXT_SIZE];
	int source; /* enum fetch_source; -1: the section names it */
};

struct routing_result {
	enum routing_end end;
	const struct routing_recipient *recipients;
	size_t n;
	const char *why; /* of NOBODY and LATER */
};

struct routing;
/* router: stays the caller's. */
struct routing *routing_new(struct router_client *router);
/* When nothing is asked any more. */
void routing_free(struct routing **r);
/* What router has said may no longer hold. */
void routing_forget(struct routing *r);

typedef void (*routing_cb)(void *arg, const struct routing_result *result);
/*
 * size: of the message. candidates are copied, the rule is borrowed. cb is called once, perhaps
 * from within this call.
 */
void routing_ask(struct routing *r, const struct routing_rule *rule,
    const struct header_candidate *candidates, size_t n, uint64_t size, routing_cb cb, void *arg);

#endif
