/*
 * The messages that wait: two binary heaps of borrowed messages. Pure memory.
 */
#include "queue/schedule.h"

#include <stdlib.h>

#include "common/memory.h"

static bool
is_before(const struct message *a, const struct message *b)
{
	return a->due_us != b->due_us ? a->due_us < b->due_us : a->node.id < b->node.id;
}

static struct schedule_heap *
heap_of(struct schedule *s, const struct message *m)
{
	return m->name.attempts == 0 ? &s->fresh : &s->retries;
}

static void
place(struct schedule_heap *h, struct message *m, size_t i)
{
	h->heap[i] = m;
	m->heap_index = i;
}

static void
sift_up(struct schedule_heap *h, struct message *m, size_t i)
{
	while (i > 0 && is_before(m, h->heap[(i - 1) / 2])) {
		place(h, h->heap[(i - 1) / 2], i);
		i = (i - 1) / 2;
	}
	place(h, m, i);
}

static void
sift_down(struct schedule_heap *h, struct message *m, size_t i)
{
	for (size_t child; (child = 2 * i + 1) < h->n; i = child) {
		if (child + 1 < h->n && is_before(h->heap[child + 1], h->heap[child]))
			child++;
		if (!is_before(h->heap[child], m))
			break;
		place(h, h->heap[child], i);
	}
	place(h, m, i);
}

void
schedule_put(struct schedule *s, struct message *m, uint64_t due_us)
{
	struct schedule_heap *h = heap_of(s, m);

	if (h->n == h->size) {
		h->size = h->size ? h->size * 2 : 256;
		h->heap = xrealloc(h->heap, h->size * sizeof(struct message *));
	}
	m->due_us = due_us;
	sift_up(h, m, h->n++);
}

void
schedule_remove(struct schedule *s, struct message *m)
{
	struct schedule_heap *h = heap_of(s, m);
	struct message *last = h->heap[--h->n];
	size_t i = m->heap_index;

	if (last == m)
		return;
	if (i > 0 && is_before(last, h->heap[(i - 1) / 2]))
		sift_up(h, last, i);
	else
		sift_down(h, last, i);
}

static struct message *
first_due(const struct schedule_heap *h, uint64_t now_us)
{
	return h->n > 0 && h->heap[0]->due_us <= now_us ? h->heap[0] : NULL;
}

struct message *
schedule_take(struct schedule *s, uint64_t now_us)
{
	struct message *fresh = first_due(&s->fresh, now_us);
	struct message *retry = first_due(&s->retries, now_us);
	struct message *m = fresh;

	if (fresh == NULL || (retry != NULL && s->in_a_row >= SCHEDULE_RETRY_SHARE - 1))
		m = retry;
	if (m == NULL)
		return NULL;
	s->in_a_row = m == fresh && retry != NULL ? s->in_a_row + 1 : 0;
	schedule_remove(s, m);
	return m;
}

struct message *
schedule_first(const struct schedule *s)
{
	struct message *fresh = first_due(&s->fresh, UINT64_MAX);
	struct message *retry = first_due(&s->retries, UINT64_MAX);

	return fresh == NULL || (retry != NULL && is_before(retry, fresh)) ? retry : fresh;
}

size_t
schedule_size(const struct schedule *s)
{
	return s->fresh.n + s->retries.n;
}

static size_t
count_due(const struct schedule_heap *h, uint64_t now_us)
{
	size_t due = 0;

	for (size_t i = 0; i < h->n; i++)
		due += h->heap[i]->due_us <= now_us;
	return due;
}

size_t
schedule_due(const struct schedule *s, uint64_t now_us)
{
	return count_due(&s->fresh, now_us) + count_due(&s->retries, now_us);
}

static void
clamp(struct schedule_heap *h, uint64_t limit_us)
{
	for (size_t i = 0; i < h->n; i++) {
		struct message *m = h->heap[i];
		uint64_t release_us = m->name.release_s * 1000000;
		uint64_t latest = release_us > limit_us ? release_us : limit_us;

		if (m->due_us > latest)
			m->due_us = latest;
	}
	for (size_t i = h->n / 2; i-- > 0;)
		sift_down(h, h->heap[i], i);
}

void
schedule_clamp(struct schedule *s, uint64_t limit_us)
{
	clamp(&s->fresh, limit_us);
	clamp(&s->retries, limit_us);
}

void
schedule_clear(struct schedule *s)
{
	free(s->fresh.heap);
	free(s->retries.heap);
	*s = (struct schedule){0};
}
