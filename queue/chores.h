/*
 * What need not be done at once, and not in the loop: removing the files of finished messages, or
 * making them ready to serve again, and removing those of slots that were given up. Gathers a
 * turn's work into jobs for a helper thread, which other parts may use too.
 */
#ifndef QUEUE_CHORES_H
#define QUEUE_CHORES_H

#include "common/worker.h"
#include "queue/spool.h"

struct chores;

/* error 0: the message's file is gone. was_kept: chores_remove() was given a slot, whose
 * descriptors are closed or taken over now. The message is the callee's, and so is the slot that
 * its file has become (or NULL). */
typedef void (*chores_removed_cb)(
    void *arg, struct message *m, int error, struct slot *slot, bool was_kept);

/* idle is called whenever the helper thread has nothing left to do. */
struct chores *chores_new(struct event_base *base, struct spool *sp, chores_removed_cb removed,
    void (*idle)(void *arg), void *arg);
void chores_free(struct chores **c);

/* recycle: to a slot without a message, if possible. kept: its slot or NULL, the callee's. */
void chores_remove(struct chores *c, struct message *m, struct slot *kept, bool recycle);
/* Owns the slot: its file is removed, its descriptor closed. */
void chores_discard(struct chores *c, struct slot *s);

/* What was gathered goes to the helper thread now, not when this turn of the loop ends. */
void chores_push(struct chores *c);

struct worker *chores_worker(struct chores *c);
/* True when nothing is gathered or under way, of anyone's jobs. */
bool chores_is_idle(const struct chores *c);

#endif
