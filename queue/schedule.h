/*
 * The messages that wait, ordered by the time they are due, then by id: two heaps, so that mail
 * that is new overtakes mail that was tried before, however much of that is due. Borrows the
 * messages; due_us and heap_index of a message in it belong to it, and its attempts do not change.
 */
#ifndef QUEUE_SCHEDULE_H
#define QUEUE_SCHEDULE_H

#include "queue/spool.h"

/* While new mail is due, too, one of so many is a retry: they go on, slowly. */
enum { SCHEDULE_RETRY_SHARE = 10 };

struct schedule_heap {
	struct message **heap;
	size_t n, size;
};

/* Starts as {0}. */
struct schedule {
	struct schedule_heap fresh, retries;
	unsigned in_a_row; /* fresh ones, taken before retries that were due */
};

void schedule_put(struct schedule *s, struct message *m, uint64_t due_us);
/* Takes out the one whose turn it is; NULL when none is due. */
struct message *schedule_take(struct schedule *s, uint64_t now_us);
void schedule_remove(struct schedule *s, struct message *m);
/* The one that is due first; NULL when none waits. */
struct message *schedule_first(const struct schedule *s);
size_t schedule_size(const struct schedule *s);
/* How many are due at that time. Looks at all of them. */
size_t schedule_due(const struct schedule *s, uint64_t now_us);
/* No message waits longer than until limit_us or its own release: for a clock that went back. */
void schedule_clamp(struct schedule *s, uint64_t limit_us);
void schedule_clear(struct schedule *s);

#endif
