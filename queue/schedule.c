/*
 * The messages that wait: a binary heap of borrowed messages. Pure memory.
 */
#include "queue/schedule.h"

#include <stdlib.h>

#include "common/memory.h"

static bool
is_before(const struct message *a, const struct message *b)
{
	return a->due_us != b->due_us ? a->due_us < b->due_us : a->node.id < b->node.id;
}

static void
place(struct schedule *s, struct message *m, size_t i)
{
	s->heap[i] = m;
	m->heap_index = i;
}

static void
sift_up(struct schedule *s, struct message *m, size_t i)
{
	while (i > 0 && is_before(m, s->heap[(i - 1) / 2])) {
		place(s, s->heap[(i - 1) / 2], i);
		i = (i - 1) / 2;
	}
	place(s, m, i);
}

static void
sift_down(struct schedule *s, struct message *m, size_t i)
{
	for (size_t child; (child = 2 * i + 1) < s->n; i = child) {
		if (child + 1 < s->n && is_before(s->heap[child + 1], s->heap[child]))
			child++;
		if (!is_before(s->heap[child], m))
			break;
		place(s, s->heap[child], i);
	}
	place(s, m, i);
}

void
schedule_put(struct schedule *s, struct message *m, uint64_t due_us)
{
	if (s->n == s->size) {
		s->size = s->size ? s->size * 2 : 256;
		s->heap = xrealloc(s->heap, s->size * sizeof(struct message *));
	}
	m->due_us = due_us;
	sift_up(s, m, s->n++);
}

struct message *
schedule_first(const struct schedule *s)
{
	return s->n > 0 ? s->heap[0] : NULL;
}

void
schedule_remove(struct schedule *s, struct message *m)
{
	struct message *last = s->heap[--s->n];
	size_t i = m->heap_index;

	if (last == m)
		return;
	if (i > 0 && is_before(last, s->heap[(i - 1) / 2]))
		sift_up(s, last, i);
	else
		sift_down(s, last, i);
}

size_t
schedule_due(const struct schedule *s, uint64_t now_us)
{
	size_t due = 0;

	for (size_t i = 0; i < s->n; i++)
		due += s->heap[i]->due_us <= now_us;
	return due;
}

void
schedule_clamp(struct schedule *s, uint64_t limit_us)
{
	for (size_t i = 0; i < s->n; i++) {
		struct message *m = s->heap[i];
		uint64_t release_us = m->name.release_s * 1000000;
		uint64_t latest = release_us > limit_us ? release_us : limit_us;

		if (m->due_us > latest)
			m->due_us = latest;
	}
	for (size_t i = s->n / 2; i-- > 0;)
		sift_down(s, s->heap[i], i);
}

void
schedule_clear(struct schedule *s)
{
	free(s->heap);
	*s = (struct schedule){0};
}
