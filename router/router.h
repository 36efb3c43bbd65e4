/* clang-format off */
/*
 * The door of router: smtpd and fetcher ask where a recipient goes before they accept it.
 *
 * ASK     reverse-path, recipient, message size (0: not known) (smtpd, fetcher, webd). Answer:
 *         ANSWER verdict, targets, room, text
 * SENDER  address, user ("": any account) (smtpd, webd). Answer: STANDING standing
 * EXPLAIN recipient (smtpd). Answer: EXPLAINED verdict, targets, then for each step of the way:
 *         depth, step, name, route
 *
 * ASK is the one that every message costs; the others are asked for those who have logged in or
 * want to relay, and for administrators.
 */
/* clang-format on */
#ifndef ROUTER_ROUTER_H
#define ROUTER_ROUTER_H

#include <event2/event.h>
#include <stdint.h>

#include "common/span.h"

enum router_message {
	ROUTER_ASK = 1,
	ROUTER_SENDER,
	ROUTER_EXPLAIN,
	ROUTER_ANSWER = 100,
	ROUTER_STANDING,
	ROUTER_EXPLAINED
};
#define ROUTER_NO_LIMIT UINT64_MAX
enum { ROUTER_TEXT_MAX_BYTES = 200, ROUTER_ROUTE_MAX_BYTES = 1000, ROUTER_USER_MAX_BYTES = 64 };

/* Addresses are canonical texts (common/address.h). */
enum router_verdict {
	ROUTER_LOCAL,	/* Mail Server or Local Domains: known, also by alias, forward or Unknown
			   Mailbox */
	ROUTER_RELAY,	/* Relay Domains: a peer's */
	ROUTER_REMOTE,	/* anyone else's: smtpd decides who may */
	ROUTER_AWAY,	/* an alias or forward of ours, all of whose targets are at other hosts */
	ROUTER_UNKNOWN, /* local domain, no such mailbox: 550 5.1.1 */
	ROUTER_FULL,	/* no target has room for a message of this size now: 452 4.2.2 */
	ROUTER_TOO_BIG, /* larger than the whole mailbox may be: 552 5.2.2 */
	ROUTER_LOOP,	/* aliases that lead in a circle or too deep: 550 5.4.6 */
	ROUTER_LATER,	/* store does not answer: 451 4.3.0 */
	ROUTER_NOWHERE, /* RELAY, REMOTE or AWAY, but the configuration has no way to any of them */
	ROUTER_VERDICT_LAST = ROUTER_NOWHERE
};

/*
 * Whether an address is a user's own: it is his name at one of our domains, or an alias that leads
 * to him (a forward does not, nor the Unknown Mailbox). Without a user: whether it is that of any
 * account, a mailbox, alias or forward at one of our domains.
 */
enum router_standing {
	ROUTER_OWN,
	ROUTER_FOREIGN,
	ROUTER_STANDING_LATER, /* store does not answer */
	ROUTER_STANDING_LAST = ROUTER_STANDING_LATER
};

/* The steps from a recipient to its targets, in the order in which they were taken. */
enum router_step {
	STEP_ADDRESS,	      /* the recipient itself */
	STEP_ALIAS,	      /* what follows, one deeper, are its targets */
	STEP_FORWARD,	      /* the same */
	STEP_MAILBOX,	      /* an end */
	STEP_UNKNOWN_MAILBOX, /* no such name: the next step is the Unknown Mailbox */
	STEP_UNKNOWN,	      /* an end: no such name */
	STEP_NULL,	      /* an end: dropped */
	STEP_REMOTE,	      /* an end: another host's */
	STEP_RELAY,	      /* an end: a peer's, of Relay Domains */
	STEP_LOOP,	      /* an end: leads in a circle or too deep */
	STEP_UNCLEAR,	      /* an end: store cannot say */
	STEP_CUT,	      /* more than a message holds */
	STEP_LAST = STEP_CUT
};

struct router_hop {
	unsigned depth; /* 0: the recipient; targets of an alias are one deeper */
	enum router_step step;
	struct span name;
	struct span route; /* where an end leads, in words; "" of other steps */
};

/* Borrowed, in the callback only. */
struct router_explanation {
	enum router_verdict verdict;
	uint64_t targets;
	const struct router_hop *hops;
	size_t n_hops;
};

struct router_client;
struct ipc_call;
struct router_client *
router_client_new(struct event_base *base, const char *path, const char *own_role);
void router_client_free(struct router_client **r);

/* targets: addresses and mailboxes after expansion (null is none), for Maximum Recipients. room: a
 * message up to this size is taken by at least one target; of a larger one router must be asked.
 * text: a reason for the reply, or "". */
typedef void (*router_answer_cb)(
    void *arg, enum router_verdict verdict, uint64_t targets, uint64_t room, struct span text);
struct ipc_call *router_ask(struct router_client *r, struct span reverse_path,
    struct span recipient, uint64_t size, router_answer_cb cb, void *arg);

/* user "": any account. */
typedef void (*router_standing_cb)(void *arg, enum router_standing standing);
struct ipc_call *router_sender(struct router_client *r, struct span address, struct span user,
    router_standing_cb cb, void *arg);

/* As router_ask() for a message of unknown size, and the way that the recipient goes. */
typedef void (*router_explained_cb)(void *arg, const struct router_explanation *e);
struct ipc_call *
router_explain(struct router_client *r, struct span recipient, router_explained_cb cb, void *arg);

#endif
