/*
 * The router's side of the queue: hands out what is due, as much as router asked for, and takes the
 * results.
 */
#ifndef QUEUE_FEED_H
#define QUEUE_FEED_H

#include "queue/server.h"

struct feed *feed_new(struct queue *q);
void feed_free(struct feed **f);

/* Something became due or free: hands out when this turn of the loop ends. */
void feed_wake(struct feed *f);
/* A peer is gone: when it was the router, what it had in hand is due again. */
void feed_lost(struct feed *f, struct ipc_peer *p);
/* Messages that router has, and those that are being read for it. */
size_t feed_in_hand(const struct feed *f);

/* Handlers of router's messages. */
void feed_on_window(struct ipc_peer *p, uint64_t tag, struct reader *r);
void feed_on_results(struct ipc_peer *p, uint64_t tag, struct reader *r);
void feed_on_expand(struct ipc_peer *p, uint64_t tag, struct reader *r);
void feed_on_park(struct ipc_peer *p, uint64_t tag, struct reader *r);
void feed_on_fetch(struct ipc_peer *p, uint64_t tag, struct reader *r);

/* Takes a parked message out; it is the caller's to schedule or to remove. */
void feed_unpark(struct feed *f, struct message *m);
size_t feed_parked(const struct feed *f);
/* An administrator gives it up, as if it were too old. Owns reason. The message is in nobody's
 * list. */
void feed_give_up(struct queue *q, struct message *m, char *reason);
/* Tells router that an administrator wants mail to go out. */
void feed_flush(struct feed *f, struct span pattern);

#endif
