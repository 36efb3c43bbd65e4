/*
 * Slots that are ready to be given: a helper thread makes their files in batches, so that TAKE is
 * answered at once. Owns the slots until they are given.
 */
#ifndef QUEUE_SPARES_H
#define QUEUE_SPARES_H

#include "queue/chores.h"

struct spares;

/* slot NULL: none can be made, error says why. The slot is the callee's. */
typedef void (*spares_cb)(
    void *arg, struct ipc_peer *p, uint64_t tag, struct slot *slot, int error);

struct spares *spares_new(struct spool *sp, struct chores *chores, spares_cb cb, void *arg);
/* Frees the slots in store too; their files stay for the next start to remove. */
void spares_free(struct spares **s);

/* Calls cb now, or when files have been made. */
void spares_ask(struct spares *s, struct ipc_peer *p, uint64_t tag);
/* Forgets what this peer has asked for. */
void spares_forget(struct spares *s, const struct ipc_peer *p);
size_t spares_count(const struct spares *s);

#endif
