/*
 * The table of failed logins: a tree to find them and a list to forget the oldest.
 */
#include "auth/failures.h"

#include <stdlib.h>
#include <sys/queue.h>
#include <sys/tree.h>

#include "common/memory.h"

struct failure {
	RB_ENTRY(failure) by_key;
	TAILQ_ENTRY(failure) by_time;
	uint64_t key, last_ms, until_ms;
	unsigned n;
};

static int
compare(const struct failure *a, const struct failure *b)
{
	return a->key < b->key ? -1 : a->key > b->key;
}

RB_HEAD(failure_tree, failure);
RB_GENERATE_INTERNAL(failure_tree, failure, by_key, compare, static __attribute__((unused)))

struct failures {
	struct failure_tree tree;
	TAILQ_HEAD(, failure) list; /* the one that failed last at the end */
	size_t n;
	uint64_t max_ms;
};

struct failures *
failures_new(void)
{
	struct failures *f = xcalloc(1, sizeof *f);

	RB_INIT(&f->tree);
	TAILQ_INIT(&f->list);
	return f;
}

static void
forget(struct failures *f, struct failure *e)
{
	RB_REMOVE(failure_tree, &f->tree, e);
	TAILQ_REMOVE(&f->list, e, by_time);
	f->n--;
	free(e);
}

static void
forget_all(struct failures *f)
{
	while (!TAILQ_EMPTY(&f->list))
		forget(f, TAILQ_FIRST(&f->list));
}

void
failures_free(struct failures **f)
{
	if (*f == NULL)
		return;
	forget_all(*f);
	free(*f);
	*f = NULL;
}

void
failures_set_max(struct failures *f, uint64_t max_ms)
{
	f->max_ms = max_ms;
	if (max_ms == 0)
		forget_all(f);
}

static void
forgive(struct failure *e, uint64_t now_ms)
{
	uint64_t times = (now_ms - e->last_ms) / (FAILURES_FORGIVE_S * 1000);

	e->n -= times < e->n ? times : e->n;
	e->last_ms += times * FAILURES_FORGIVE_S * 1000;
}

/* NULL when all is forgiven. */
static struct failure *
find(struct failures *f, uint64_t key, uint64_t now_ms)
{
	struct failure wanted = {.key = key}, *e = RB_FIND(failure_tree, &f->tree, &wanted);

	if (e == NULL)
		return NULL;
	forgive(e, now_ms);
	if (e->n > 0 || e->until_ms > now_ms)
		return e;
	forget(f, e);
	return NULL;
}

static struct failure *
make(struct failures *f, uint64_t key)
{
	struct failure *e = xcalloc(1, sizeof *e);

	if (f->n >= FAILURES_MAX)
		forget(f, TAILQ_FIRST(&f->list));
	e->key = key;
	RB_INSERT(failure_tree, &f->tree, e);
	TAILQ_INSERT_TAIL(&f->list, e, by_time);
	f->n++;
	return e;
}

/* Counts no further than to the longest delay, so that forgiving does not take for ever. */
static uint64_t
delay_of(const struct failures *f, struct failure *e)
{
	uint64_t delay = FAILURES_FIRST_DELAY_MS;
	unsigned n = 1;

	for (; n < e->n && delay < f->max_ms; n++)
		delay *= 2;
	e->n = n;
	return delay < f->max_ms ? delay : f->max_ms;
}

uint64_t
failures_add(struct failures *f, uint64_t key, uint64_t now_ms)
{
	struct failure *e;
	uint64_t delay;

	if (f->max_ms == 0)
		return 0;
	if ((e = find(f, key, now_ms)) == NULL)
		e = make(f, key);
	TAILQ_REMOVE(&f->list, e, by_time);
	TAILQ_INSERT_TAIL(&f->list, e, by_time);
	e->n++;
	e->last_ms = now_ms;
	delay = delay_of(f, e);
	e->until_ms = now_ms + delay;
	return delay;
}

uint64_t
failures_left(struct failures *f, uint64_t key, uint64_t now_ms)
{
	struct failure *e = find(f, key, now_ms);
	uint64_t left = e != NULL && e->until_ms > now_ms ? e->until_ms - now_ms : 0;

	return left < f->max_ms ? left : f->max_ms;
}

bool
failures_any(struct failures *f, uint64_t key, uint64_t now_ms)
{
	return find(f, key, now_ms) != NULL;
}

size_t
failures_count(const struct failures *f)
{
	return f->n;
}
