/*
 * A mail transaction: MAIL, its recipients with what router says of each, and the envelope that
 * grows from them. Private to the folder.
 */
#ifndef SMTPD_TRANSACTION_H
#define SMTPD_TRANSACTION_H

#include <sys/queue.h>

#include "common/address.h"
#include "queue/envelope.h"
#include "queue/queue.h"
#include "router/router.h"
#include "smtpd/parameters.h"
#include "smtpd/pool.h"
#include "smtpd/session.h"

enum {
	ASKS_MAX = 32,				  /* questions to router at one time */
	RECIPIENT_OVERSHOOT_MAX = 1000,		  /* RCPTs over the limit before they are errors */
	TRANSACTION_MAX_BYTES = 16 * 1024 * 1024, /* of envelope */
};

/* One RCPT whose reply is not given yet. Replies go out in the order of the commands. */
struct ask {
	TAILQ_ENTRY(ask) entry;
	struct session *session;
	struct ipc_call *call;
	struct span address, original;
	unsigned notify;
	enum router_verdict verdict;
	uint64_t targets, room;
	bool answered;
	bool refused; /* reply says why; before router was asked, or by the policy */
	char reply[REPLY_LINE_SIZE];
	char text[]; /* address and original */
};
TAILQ_HEAD(asks, ask);

struct transaction {
	struct mail_parameters parameters;
	struct envelope envelope; /* its spans live in pool and session */
	size_t recipients_room, envelope_bytes;
	uint64_t targets;
	uint32_t *index; /* of recipients by address: open addressing, 0 is empty */
	size_t index_size;
	unsigned overshoot;
	struct asks asks;
	unsigned n_asks;
	struct ipc_call *sender; /* the question to router whose the reverse-path is */
	bool has_standing;	 /* it was answered */
	enum router_standing standing;
	uint64_t room;	   /* the least that a recipient's mailboxes had at RCPT; room.h */
	size_t room_asked; /* recipients whose mailbox is too small for the message */
	struct ipc_call *room_call;
	uint64_t expires_ms; /* monotonic */
	/* the message: */
	struct queue_slot slot;
	struct queue_call *call;
	size_t committing_bytes; /* of its envelope, when committing */
	bool committing;
	struct body *body;
	struct pool pool;
	char space[512];
};

/* Forgets it: no answer comes any more, a slot is given back. Clears the pointer. */
void transaction_free(struct session *s);

/* True while RCPTs wait for their answer. */
bool transaction_is_asking(const struct session *s);

/* True while router's answer or a spool file is awaited: nothing was handed to queue yet. */
bool transaction_can_give_up(const struct session *s);
/* Answers in their place that it has to be tried later. The session goes on, or waits for what is
 * to be asked next. */
void transaction_give_up(struct session *s);

/* The same again, or a new one. False when there is no memory. */
bool
transaction_add(struct transaction *t, struct span address, struct span original, unsigned notify);
bool transaction_has(const struct transaction *t, struct span address);

#endif
