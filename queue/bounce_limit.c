/* Counts notifications by address and hour, in a table of bounded size. */
#include "queue/bounce_limit.h"

#include <stdlib.h>
#include <sys/queue.h>
#include <sys/tree.h>

#include "common/address.h"
#include "common/memory.h"

struct told {
	RB_ENTRY(told) node;
	TAILQ_ENTRY(told) link;
	uint64_t since_s;
	unsigned count;
	size_t len;
	char address[];
};
RB_HEAD(told_tree, told);
TAILQ_HEAD(told_list, told);

struct bounce_limit {
	struct told_tree by_address;
	struct told_list by_age; /* the oldest hour first */
	unsigned n;
};

static int
compare(struct told *a, struct told *b)
{
	return span_compare((struct span){a->address, a->len}, (struct span){b->address, b->len});
}

RB_GENERATE_INTERNAL(told_tree, told, node, compare, static __attribute__((unused)))

struct bounce_limit *
bounce_limit_new(void)
{
	struct bounce_limit *l = xcalloc(1, sizeof *l);

	RB_INIT(&l->by_address);
	TAILQ_INIT(&l->by_age);
	return l;
}

static void
forget(struct bounce_limit *l, struct told *t)
{
	RB_REMOVE(told_tree, &l->by_address, t);
	TAILQ_REMOVE(&l->by_age, t, link);
	l->n--;
	free(t);
}

void
bounce_limit_free(struct bounce_limit **l)
{
	struct told *t, *next;

	if (*l == NULL)
		return;
	TAILQ_FOREACH_SAFE (t, &(*l)->by_age, link, next)
		forget(*l, t);
	free(*l);
	*l = NULL;
}

/* A clock that went back ends the hour, too. */
static bool
is_over(const struct told *t, uint64_t now_s)
{
	return now_s < t->since_s || now_s - t->since_s >= BOUNCE_LIMIT_PERIOD_S;
}

static void
make_room(struct bounce_limit *l, uint64_t now_s)
{
	struct told *t, *next;

	TAILQ_FOREACH_SAFE (t, &l->by_age, link, next) {
		if (!is_over(t, now_s) && l->n < BOUNCE_LIMIT_ADDRESSES_MAX)
			return;
		forget(l, t);
	}
}

/* Canonical addresses are shorter than this; of another one the front counts. */
static struct told *
told_new(struct span address, uint64_t now_s)
{
	size_t len = address.len < ADDRESS_TEXT_SIZE ? address.len : ADDRESS_TEXT_SIZE;
	struct told *t = xcalloc(1, sizeof *t + len);

	t->since_s = now_s;
	t->len = len;
	for (size_t i = 0; i < len; i++) {
		char c = address.at[i];

		t->address[i] = c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
	}
	return t;
}

bool
bounce_limit_take(struct bounce_limit *l, struct span address, unsigned maximum, uint64_t now_s)
{
	struct told *fresh, *t;

	if (maximum == 0)
		return true;
	fresh = told_new(address, now_s);
	t = RB_FIND(told_tree, &l->by_address, fresh);
	if (t != NULL && !is_over(t, now_s)) {
		free(fresh);
		if (t->count >= maximum)
			return false;
		t->count++;
		return true;
	}
	if (t != NULL)
		forget(l, t);
	make_room(l, now_s);
	fresh->count = 1;
	RB_INSERT(told_tree, &l->by_address, fresh);
	TAILQ_INSERT_TAIL(&l->by_age, fresh, link);
	l->n++;
	return true;
}

unsigned
bounce_limit_size(const struct bounce_limit *l)
{
	return l->n;
}
