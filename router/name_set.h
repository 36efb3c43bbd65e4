/*
 * A set of names in the order in which they came, each once. Pure.
 */
#ifndef ROUTER_NAME_SET_H
#define ROUTER_NAME_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/span.h"

struct name_set {
	struct span *names;
	size_t n;
	/* private */
	size_t n_slots;
	uint32_t *slots; /* index + 1; none while the set is small */
	bool copies;
};

/* copies: keeps its own copies of the names, else they must outlive the set. */
void name_set_init(struct name_set *set, bool copies);
/* Empties it; what it has allocated stays for the next use, but copies go. */
void name_set_reset(struct name_set *set);
void name_set_clear(struct name_set *set);
/* The name's index, added if need be. */
size_t name_set_add(struct name_set *set, struct span name);

#endif
