/*
 * The messages that wait, ordered by the time they are due, then by id: a heap. Borrows the
 * messages; due_us and heap_index of a message in it belong to it.
 */
#ifndef QUEUE_SCHEDULE_H
#define QUEUE_SCHEDULE_H

#include "queue/spool.h"

/* Starts as {0}. */
struct schedule {
	struct message **heap;
	size_t n, size;
};

void schedule_put(struct schedule *s, struct message *m, uint64_t due_us);
/* The one that is due first; NULL when none waits. */
struct message *schedule_first(const struct schedule *s);
void schedule_remove(struct schedule *s, struct message *m);
/* How many are due at that time. Looks at all of them. */
size_t schedule_due(const struct schedule *s, uint64_t now_us);
/* No message waits longer than until limit_us or its own release: for a clock that went back. */
void schedule_clamp(struct schedule *s, uint64_t limit_us);
void schedule_clear(struct schedule *s);

#endif
