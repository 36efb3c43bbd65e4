/* A set of row ids: a bit for each, in pages that are there when one of theirs is in the set.
 * Private to store/'s index. */
#ifndef STORE_ID_SET_H
#define STORE_ID_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct id_set {
	uint64_t **pages;
	size_t n_pages;
	uint64_t n; /* ids in it */
};

/* False: it was there already, or is no id that a set can hold (1 to 2^33). */
bool id_set_add(struct id_set *s, int64_t id);
bool id_set_has(const struct id_set *s, int64_t id);
/* Empty again, with nothing to be freed. */
void id_set_clear(struct id_set *s);

#endif
