/* Messages that wait for room at their destination, linked through themselves. Pure memory. */
#include "queue/parking.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

static int
compare(struct lot *a, struct lot *b)
{
	return span_compare(lot_name(a), lot_name(b));
}

RB_GENERATE_INTERNAL(lot_tree, lot, node, compare, static __attribute__((unused)))

static uint32_t
free_index(struct parking *p)
{
	if (p->n_lots == p->size) {
		p->size = p->size ? p->size * 2 : 16;
		p->lots = xrealloc(p->lots, p->size * sizeof(struct lot *));
		for (size_t i = p->n_lots; i < p->size; i++)
			p->lots[i] = NULL;
		return p->n_lots;
	}
	/* Half of them are free on average, or they grow soon. */
	for (uint32_t i = p->n_lots;; i = (i + 1) % p->size)
		if (p->lots[i] == NULL)
			return i;
}

struct lot *
parking_lot(struct parking *p, struct span name)
{
	struct lot *lot = xcalloc(1, sizeof *lot + name.len), *there;

	lot->len = name.len;
	if (name.len > 0)
		memcpy(lot->name, name.at, name.len);
	if ((there = RB_FIND(lot_tree, &p->by_name, lot)) != NULL) {
		free(lot);
		return there;
	}
	lot->index = free_index(p);
	p->lots[lot->index] = lot;
	p->n_lots++;
	RB_INSERT(lot_tree, &p->by_name, lot);
	return lot;
}

struct lot *
parking_lot_of(const struct parking *p, const struct message *m)
{
	return p->lots[m->lot];
}

void
parking_put(struct parking *p, struct lot *lot, struct message *m)
{
	m->lot = lot->index;
	m->parked_before = lot->last;
	m->parked_behind = NULL;
	if (lot->last != NULL)
		lot->last->parked_behind = m;
	else
		lot->first = m;
	lot->last = m;
	lot->n++;
	p->n_messages++;
}

void
parking_remove(struct parking *p, struct message *m)
{
	struct lot *lot = parking_lot_of(p, m);
	struct message *before = m->parked_before, *behind = m->parked_behind;

	if (before != NULL)
		before->parked_behind = behind;
	else
		lot->first = behind;
	if (behind != NULL)
		behind->parked_before = before;
	else
		lot->last = before;
	lot->n--;
	p->n_messages--;
	m->due_us = 0;
	m->hand = NULL;
}

void
parking_forget(struct parking *p, struct lot *lot)
{
	RB_REMOVE(lot_tree, &p->by_name, lot);
	p->lots[lot->index] = NULL;
	p->n_lots--;
	free(lot);
}

void
parking_settle(struct parking *p, struct lot *lot)
{
	if (lot->n == 0 && lot->coming == 0 && lot->loading == 0 && !lot->asked)
		parking_forget(p, lot);
}

struct lot *
parking_any(struct parking *p)
{
	return RB_MIN(lot_tree, &p->by_name);
}

void
parking_clear(struct parking *p)
{
	struct lot *lot;

	while ((lot = parking_any(p)) != NULL)
		parking_forget(p, lot);
	free(p->lots);
	*p = (struct parking){0};
}
