/*
 * Group commit: while one batch becomes durable in a helper thread, the loop gathers the next. A
 * batch of three or more is synced as a whole (syncfs); one or two by themselves (fdatasync of each
 * file, whose name is durable since it was made).
 */
#ifndef QUEUE_COMMIT_H
#define QUEUE_COMMIT_H

#include "queue/spool.h"

struct event_base;
struct commit;

/* s->error is 0: durable, a message from now on; else an errno, nothing was kept. The descriptor is
 * closed unless the slot is to be kept; it is the callee's. */
typedef void (*commit_cb)(void *arg, struct slot *s);

/* idle is called whenever the helper thread has nothing left to do. */
struct commit *commit_new(
    struct event_base *base, struct spool *sp, commit_cb cb, void (*idle)(void *arg), void *arg);
void commit_free(struct commit **c);

/* Takes a slot with its envelope and name. The batch starts when this turn of the loop ends. */
void commit_add(struct commit *c, struct slot *s);

/* Something whose effects on the spool's file system are to be durable first. */
struct covered {
	STAILQ_ENTRY(covered) link;
	/* In the loop, once: a syncfs that started later has succeeded, or failed. A write error
	 * may have been told to an earlier one: failed_syncs must not have grown since the effects
	 * began. */
	void (*done)(struct covered *, bool ok);
};
/* With the next batch that is synced as a whole; at the latest after a short wait, or when many
 * wait. */
void commit_cover(struct commit *c, struct covered *item);
/* The same for nobody in particular. */
void commit_want_sync(struct commit *c);

/* From now on syncs are not put off. */
void commit_hurry(struct commit *c);
/* True when nothing is gathered, under way or to be synced. */
bool commit_is_idle(const struct commit *c);

struct commit_counters {
	uint64_t commits, batches, failed, failed_syncs;
};
const struct commit_counters *commit_counters(const struct commit *c);

#endif
