/*
 * What router has said so far about a message that it has in hand. Memory only; conclude.c brings
 * it to disk.
 */
#ifndef QUEUE_HAND_H
#define QUEUE_HAND_H

#include <sys/queue.h>

#include "queue/commit.h"
#include "queue/journal.h"
#include "queue/queue.h"

/* A recipient's reply; the text is the reply, then the route. */
struct hand_reply {
	STAILQ_ENTRY(hand_reply) link;
	uint32_t recipient;
	unsigned flags; /* enum result_flags */
	uint16_t reply_len, route_len;
	char text[];
};

/* A recipient that is replaced by others. */
struct hand_expansion {
	STAILQ_ENTRY(hand_expansion) link;
	uint32_t recipient, count;
	struct journal addresses;
	bool open; /* more is to come */
};

struct hand {
	struct covered covered; /* first: while it waits for a sync */
	struct queue *queue;	/* whose it is; not used here */
	TAILQ_ENTRY(hand) entry;
	struct message *message;
	uint32_t n;	    /* recipients that may be named */
	uint32_t n_pending; /* among them and the added ones */
	uint32_t n_added;
	uint64_t failed_syncs; /* when it was handed out */
	bool is_volatile;      /* a result depends on a later sync */
	bool has_results, has_failed, has_expanded, interrupted;
	bool wants_success;  /* replies of what is done are kept, too */
	bool ordered;	     /* the attempt is an administrator's wish */
	bool fetched;	     /* it takes no place in the window */
	struct lot *lot;     /* where it is to be parked, while that connection of router lasts */
	uint64_t generation; /* of it */
	STAILQ_HEAD(, hand_reply) replies;
	STAILQ_HEAD(, hand_expansion) expansions;
	unsigned char status[]; /* enum recipient_status */
};
TAILQ_HEAD(hand_list, hand);

/* All pending. */
struct hand *hand_new(struct message *m, uint32_t n);
/* With the statuses of a file. */
struct hand *hand_from_envelope(struct message *m, const struct envelope *e);
void hand_free(struct hand **h);

/* -1: there is no such recipient. What is no longer pending stays as it is. */
int hand_result(struct hand *h, const struct queue_result *r);
/*
 * One address, or the end (NULL), of a recipient's expansion. -1: no such recipient, no address, or
 * another expansion has not ended. The recipient fails when there would be too many.
 */
int hand_expand(struct hand *h, uint64_t recipient, const struct span *address);
/* Forgets an expansion without an end. */
void hand_drop_open(struct hand *h);

/* The last reply that was heard; empty without one. */
struct span hand_last_reply(const struct hand *h);

#endif
