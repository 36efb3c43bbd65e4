/*
 * What the parts of feed.h share: feed.c (handing out), feed_requests.c (router's messages) and
 * feed_end.c (the end of an attempt).
 */
#ifndef QUEUE_FEED_PRIVATE_H
#define QUEUE_FEED_PRIVATE_H

#include <event2/event.h>

#include "queue/conclude.h"
#include "queue/feed.h"
#include "queue/hand.h"
#include "queue/order.h"
#include "queue/own.h"
#include "queue/parking.h"
#include "queue/queue.h"

struct feed {
	struct queue *queue;
	struct ipc_peer *router; /* NULL: not there */
	uint64_t generation;	 /* of the router's connection */
	uint64_t window;
	size_t n_in_hand, n_loading; /* of what takes a place in the window */
	size_t n_fetched;	     /* the others, both */
	struct parking parking;
	struct hand_list in_hand;
	struct event *turn;
	struct wall_clock *clock;
};

/* ---- feed.c ---- */

/* Set aside or vanished; what could not be moved is looked at again later, and not lost. */
void feed_drop_bad(struct queue *q, struct message *m, const char *why, int error, bool aside);
/* It has been parked, or will not be. */
void feed_lot_done(struct feed *f, struct hand *h);
/* Where it is to be parked, or NULL. */
struct lot *feed_lot_of_hand(const struct feed *f, const struct hand *h);
/* Brings what was fetched, as far as it is here; when that is all, router hears what is left. */
void feed_serve(struct feed *f, struct lot *lot);

/* ---- feed_end.c ---- */

/* Out of router's hands. */
void feed_finish_hand(struct feed *f, struct hand *h);
void feed_leave_hand(struct feed *f, struct hand *h);
/* A job of conclude.c writes what came of the attempt. */
void feed_conclude(struct queue *q, struct message *m, struct hand *h, char *reason);

#endif
