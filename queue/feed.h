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

#endif
