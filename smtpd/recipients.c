/*
 * The recipients of a transaction: a list that grows, and an index by address from the moment on
 * when looking through all of them would cost.
 */
#include <stdlib.h>

#include "smtpd/transaction.h"

enum { ROOM_FIRST = 4, INDEX_FROM = 16, INDEX_FACTOR = 4 };

/* Seeded, so that a stranger cannot choose addresses that meet in one place. */
static size_t
hash(struct span text)
{
	static uint64_t seed;
	uint64_t h;

	if (seed == 0)
		seed = (uint64_t)arc4random() << 32 | arc4random() | 1;
	h = seed;
	for (size_t i = 0; i < text.len; i++)
		h = (h ^ (unsigned char)text.at[i]) * 0x9e3779b97f4a7c15;
	return h ^ h >> 32;
}

/* The place in the index where the address is, or would be. */
static uint32_t *
place(const struct transaction *t, struct span address)
{
	size_t at = hash(address) & (t->index_size - 1);

	while (t->index[at] != 0 &&
	       !span_equal(t->envelope.recipients[t->index[at] - 1].address, address))
		at = (at + 1) & (t->index_size - 1);
	return &t->index[at];
}

bool
transaction_has(const struct transaction *t, struct span address)
{
	if (t->index != NULL)
		return *place(t, address) != 0;
	for (size_t i = 0; i < t->envelope.n_recipients; i++)
		if (span_equal(t->envelope.recipients[i].address, address))
			return true;
	return false;
}

static bool
build_index(struct transaction *t, size_t size)
{
	uint32_t *index = calloc(size, sizeof *index);

	if (index == NULL)
		return false;
	free(t->index);
	t->index = index;
	t->index_size = size;
	for (size_t i = 0; i < t->envelope.n_recipients; i++)
		*place(t, t->envelope.recipients[i].address) = i + 1;
	return true;
}

static bool
grow(struct transaction *t)
{
	size_t room = t->recipients_room ? t->recipients_room * 2 : ROOM_FIRST;
	struct recipient *more = reallocarray(t->envelope.recipients, room, sizeof *more);

	if (more == NULL)
		return false;
	t->envelope.recipients = more;
	if (room >= INDEX_FROM && !build_index(t, room * INDEX_FACTOR))
		return false;
	t->recipients_room = room;
	return true;
}

bool
transaction_add(struct transaction *t, struct span address, struct span original, unsigned notify)
{
	struct recipient r = {.notify = notify, .status = RECIPIENT_PENDING, .parent = -1};

	if (transaction_has(t, address))
		return true;
	if (t->envelope.n_recipients == t->recipients_room && !grow(t))
		return false;
	if (!pool_copy(&t->pool, address, &r.address) ||
	    !pool_copy(&t->pool, original, &r.original))
		return false;
	t->envelope.recipients[t->envelope.n_recipients++] = r;
	if (t->index != NULL)
		*place(t, r.address) = t->envelope.n_recipients;
	return true;
}
