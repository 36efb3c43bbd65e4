/*
 * Destinations of outgoing mail. Pure.
 */
#include "router/destination.h"

#include <stdlib.h>

#include "common/address.h"
#include "common/memory.h"

enum { FIRST_LIMIT = 5 };

static int
compare(const struct destination *a, const struct destination *b)
{
	return span_compare(a->name, b->name);
}

RB_GENERATE_INTERNAL(
    destination_tree, destination, by_name, compare, static __attribute__((unused)))

void
destinations_init(struct destinations *all)
{
	RB_INIT(&all->tree);
	all->n = 0;
	all->limit_max = FIRST_LIMIT;
}

void
destinations_limit(struct destinations *all, unsigned max)
{
	struct destination *d = NULL;

	all->limit_max = max;
	while ((d = destinations_next(all, d)) != NULL)
		if (d->limit > max)
			d->limit = max;
}

struct destination *
destinations_find(const struct destinations *all, struct span name)
{
	struct destination key = {.name = name};

	return RB_FIND(destination_tree, (struct destination_tree *)(uintptr_t)&all->tree, &key);
}

struct destination *
destinations_get(struct destinations *all, struct span name)
{
	struct destination *d = destinations_find(all, name);

	if (d != NULL)
		return d;
	d = xcalloc(1, sizeof *d);
	d->name = span_dup(name);
	d->limit = all->limit_max < FIRST_LIMIT ? all->limit_max : FIRST_LIMIT;
	TAILQ_INIT(&d->waiting);
	RB_INSERT(destination_tree, &all->tree, d);
	all->n++;
	return d;
}

struct destination *
destinations_next(const struct destinations *all, struct destination *d)
{
	if (d == NULL)
		return RB_MIN(destination_tree, (struct destination_tree *)(uintptr_t)&all->tree);
	return RB_NEXT(destination_tree, &all->tree, d);
}

void
destinations_remove(struct destinations *all, struct destination *d)
{
	RB_REMOVE(destination_tree, &all->tree, d);
	all->n--;
	free((void *)(uintptr_t)d->name.at);
	free(d->dead_reply);
	free(d);
}

bool
destination_is_idle(const struct destination *d, uint64_t now_us)
{
	return d->n_waiting + d->n_active == 0 && d->n_parked == 0 && d->n_asked == 0 &&
	       !destination_is_dead(d, now_us);
}

bool
destination_is_dead(const struct destination *d, uint64_t now_us)
{
	return now_us < d->dead_until_us;
}

void
destination_dies(struct destination *d, uint64_t until_us, struct span reply)
{
	free(d->dead_reply);
	d->dead_reply = span_text(reply);
	d->dead_until_us = until_us;
	d->limit = 1;
}

void
destination_revives(struct destination *d)
{
	d->dead_until_us = 0;
}

void
destination_grow(struct destination *d, const struct destinations *all)
{
	d->limit += 1 / d->limit;
	if (d->limit > all->limit_max)
		d->limit = all->limit_max;
}

void
destination_shrink(struct destination *d)
{
	d->limit = d->limit > 2 ? d->limit / 2 : 1;
}

bool
destination_can_send(const struct destination *d, uint64_t now_us)
{
	return d->n_waiting > 0 && d->n_active < (size_t)d->limit &&
	       !destination_is_dead(d, now_us);
}

bool
destination_matches(const struct destination *d, struct span pattern)
{
	struct span rest = d->name, kind, domain;

	if (pattern.len == 0)
		return true;
	/* "mx:example.org,tls=encrypt" */
	span_take(&rest, ':', &kind);
	span_take(&rest, ',', &domain);
	return !span_is(kind, "mx") || address_match_list(pattern, domain);
}
