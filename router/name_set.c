/*
 * A set of names in the order in which they came. A short one is searched as it lies, a longer one
 * through a hash table with a seed that no stranger knows. Pure.
 */
#include "router/name_set.h"

#include <stdlib.h>

#include "common/memory.h"

enum { SHORT = 8 };

void
name_set_init(struct name_set *set, bool copies)
{
	*set = (struct name_set){.copies = copies};
}

static void
free_copies(struct name_set *set)
{
	for (size_t i = 0; set->copies && i < set->n; i++)
		free((void *)(uintptr_t)set->names[i].at);
}

void
name_set_reset(struct name_set *set)
{
	free_copies(set);
	set->n = 0;
	free(set->slots);
	set->slots = NULL;
	set->n_slots = 0;
}

void
name_set_clear(struct name_set *set)
{
	free_copies(set);
	free(set->names);
	free(set->slots);
	*set = (struct name_set){.copies = set->copies};
}

/* FNV-1a */
static uint32_t
hash(struct span name)
{
	static uint32_t seed;
	uint32_t h;

	while (seed == 0)
		seed = arc4random();
	h = 2166136261u ^ seed;
	for (size_t i = 0; i < name.len; i++)
		h = (h ^ (unsigned char)name.at[i]) * 16777619u;
	return h ^ h >> 15;
}

/* Where the name is, or would go. */
static uint32_t *
slot_of(const struct name_set *set, struct span name)
{
	size_t at = hash(name) & (set->n_slots - 1);

	while (set->slots[at] != 0 && !span_equal(set->names[set->slots[at] - 1], name))
		at = (at + 1) & (set->n_slots - 1);
	return &set->slots[at];
}

static void
rehash(struct name_set *set)
{
	free(set->slots);
	set->n_slots = set->n_slots ? set->n_slots * 2 : 4 * SHORT;
	set->slots = xcalloc(set->n_slots, sizeof *set->slots);
	for (size_t i = 0; i < set->n; i++)
		*slot_of(set, set->names[i]) = i + 1;
}

/* The index, or SIZE_MAX. */
static size_t
find(const struct name_set *set, struct span name)
{
	if (set->slots != NULL) {
		uint32_t index = *slot_of(set, name);

		return index ? index - 1 : SIZE_MAX;
	}
	for (size_t i = 0; i < set->n; i++)
		if (span_equal(set->names[i], name))
			return i;
	return SIZE_MAX;
}

size_t
name_set_add(struct name_set *set, struct span name)
{
	size_t index = find(set, name);

	if (index != SIZE_MAX)
		return index;
	if ((set->n & (set->n - 1)) == 0)
		set->names = xrealloc(set->names, (set->n ? set->n * 2 : 1) * sizeof *set->names);
	set->names[set->n++] = set->copies ? span_dup(name) : name;
	if (set->n > SHORT && set->n * 2 > set->n_slots)
		rehash(set);
	else if (set->slots != NULL)
		*slot_of(set, name) = set->n;
	return set->n - 1;
}
