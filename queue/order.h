/*
 * An administrator's word about messages: hold, release, retry, remove, bounce, reroute. Safe at
 * any time: one that is in hand is done with when its attempt has ended.
 */
#ifndef QUEUE_ORDER_H
#define QUEUE_ORDER_H

#include "queue/server.h"

enum order_kind {
	ORDER_HOLD,    /* it waits until it is released */
	ORDER_RELEASE, /* it is due now */
	ORDER_RETRY,   /* it is due now, also before its release time; not when it is held */
	ORDER_FLUSH,   /* the same, but a release time stands */
	ORDER_REMOVE,  /* without a word to anybody */
	ORDER_BOUNCE,  /* given up now */
	ORDER_REROUTE  /* to another host; it is due now */
};

struct order {
	unsigned refs;
	enum order_kind kind;
	char *who, *why; /* both fit on a line */
	char *route;	 /* ORDER_REROUTE; "": back to none */
	/* messages: that it was done to, that it waits for, that it does not concern, and that
	 * could not be written */
	size_t done, waiting, skipped, failed;
};

/* Owns the texts, which may be NULL. One reference. */
struct order *order_new(enum order_kind kind, char *who, char *why, char *route);
void order_release(struct order **o);

/* Carries it out, now, or when the message's attempt ends. An order that waits is replaced. */
void order_give(struct queue *q, struct message *m, struct order *o);

/* A message is about to wait: true when an order was waiting for it, which takes it over. */
bool order_take_over(struct queue *q, struct message *m);
/* A message ends. */
void order_forget(struct queue *q, const struct message *m);
/* At the end. */
void order_clear(struct queue *q);

#endif
