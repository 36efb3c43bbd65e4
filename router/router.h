/*
 * The door of router: smtpd asks where a recipient goes before it accepts it.
 *
 * ASK     reverse-path, recipient, message size (0: not known) (smtpd). Answer: ANSWER verdict,
 *         targets, text
 */
#ifndef ROUTER_ROUTER_H
#define ROUTER_ROUTER_H

#include <event2/event.h>
#include <stdint.h>

#include "common/span.h"

enum router_message { ROUTER_ASK = 1, ROUTER_ANSWER = 100 };
enum { ROUTER_TEXT_MAX_BYTES = 200 };

/* Addresses are canonical texts (common/address.h). */
enum router_verdict {
	ROUTER_LOCAL,	/* Mail Server or Local Domains: known, also by alias, forward or Unknown
			   Mailbox */
	ROUTER_RELAY,	/* Relay Domains: a peer's */
	ROUTER_REMOTE,	/* anyone else's: smtpd decides who may */
	ROUTER_UNKNOWN, /* local domain, no such mailbox: 550 5.1.1 */
	ROUTER_FULL,	/* no target has room for a message of this size now: 452 4.2.2 */
	ROUTER_TOO_BIG, /* larger than the whole mailbox may be: 552 5.2.2 */
	ROUTER_LOOP,	/* aliases that lead in a circle or too deep: 550 5.4.6 */
	ROUTER_LATER,	/* store does not answer: 451 4.3.0 */
	ROUTER_VERDICT_LAST = ROUTER_LATER
};

struct router_client;
struct ipc_call;
struct router_client *
router_client_new(struct event_base *base, const char *path, const char *own_role);
void router_client_free(struct router_client **r);

/* targets: addresses and mailboxes after expansion (null is none), for Maximum Recipients. text: a
 * reason for the reply, or "". */
typedef void (*router_answer_cb)(
    void *arg, enum router_verdict verdict, uint64_t targets, struct span text);
struct ipc_call *router_ask(struct router_client *r, struct span reverse_path,
    struct span recipient, uint64_t size, router_answer_cb cb, void *arg);

#endif
