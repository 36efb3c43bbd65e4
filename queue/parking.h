/*
 * Messages that wait for room at their destination: a list for each, in the order in which they
 * came. Costs a message no memory of its own. Borrows the messages; of one that is parked
 * parked_before, parked_behind and lot belong to it. Pure memory.
 */
#ifndef QUEUE_PARKING_H
#define QUEUE_PARKING_H

#include <sys/tree.h>

#include "queue/spool.h"

/* A destination. It exists while anything is counted or asked. */
struct lot {
	RB_ENTRY(lot) node;
	uint32_t index;
	struct message *first, *last;
	size_t n;	/* parked */
	size_t coming;	/* to be parked when their results are written */
	size_t loading; /* fetched, their envelopes are being read */
	size_t wanted;	/* fetched, but not here yet */
	bool asked;	/* router waits for PARKED */
	size_t len;
	char name[];
};
RB_HEAD(lot_tree, lot);

/* Starts as {0}. */
struct parking {
	struct lot_tree by_name;
	struct lot **lots; /* by index; NULL: free */
	size_t n_lots, size, n_messages;
};

/* The lot of this name, made if there is none. */
struct lot *parking_lot(struct parking *p, struct span name);
/* The one that a parked message is in. */
struct lot *parking_lot_of(const struct parking *p, const struct message *m);
static inline struct span
lot_name(const struct lot *lot)
{
	return (struct span){lot->name, lot->len};
}

/* At the end. */
void parking_put(struct parking *p, struct lot *lot, struct message *m);
/* Wherever it is. */
void parking_remove(struct parking *p, struct message *m);
/* Frees a lot without use. */
void parking_settle(struct parking *p, struct lot *lot);
/* Any lot, or NULL without one. */
struct lot *parking_any(struct parking *p);
/* Frees a lot that is used, but holds no message. */
void parking_forget(struct parking *p, struct lot *lot);
/* Frees all; the messages are the caller's. */
void parking_clear(struct parking *p);

#endif
