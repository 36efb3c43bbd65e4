/*
 * Removes mailboxes and backups for good. A removed one is first renamed to .removing-<n>-<name>,
 * so that it disappears in one moment; its files go in the helper thread, in portions. What a
 * restart finds under such a name is removed then.
 */
#ifndef STORE_REMOVER_H
#define STORE_REMOVER_H

#include <stdint.h>

#include "common/worker.h"

struct remover;

/* directory: that has them, open for reading, borrowed. */
struct remover *remover_new(struct worker *chores, int directory);
/* No removal may be under way (the thread has ended). */
void remover_free(struct remover **r);

/* Renames one. -1 with errno. */
int remover_take(struct remover *r, const char *name);
/* Removes what has been taken, now or by an earlier incarnation. */
void remover_run(struct remover *r);

#endif
