/*
 * Finds messages and slots by their queue id. Pure memory.
 */
#include "queue/id_map.h"

#include <stdlib.h>

#include "common/memory.h"

enum { BUCKETS_FIRST = 1024 };

static size_t
bucket_of(const struct id_map *map, uint64_t id)
{
	/* Ids are neighbours in time: spread them (Knuth's multiplicative hash). */
	return (id * 0x9e3779b97f4a7c15ULL) >> 20 & (map->n_buckets - 1);
}

static void
insert(struct id_map *map, struct id_node *node)
{
	struct id_node **bucket = &map->buckets[bucket_of(map, node->id)];

	node->next = *bucket;
	*bucket = node;
}

static void
grow(struct id_map *map)
{
	struct id_map bigger = {
	    .n_buckets = map->n_buckets ? map->n_buckets * 2 : BUCKETS_FIRST, .n = map->n};

	bigger.buckets = xcalloc(bigger.n_buckets, sizeof *bigger.buckets);
	for (size_t i = 0; i < map->n_buckets; i++)
		for (struct id_node *node = map->buckets[i], *next; node != NULL; node = next) {
			next = node->next;
			insert(&bigger, node);
		}
	free(map->buckets);
	*map = bigger;
}

void
id_map_put(struct id_map *map, struct id_node *node)
{
	if (map->n >= map->n_buckets)
		grow(map);
	insert(map, node);
	map->n++;
}

struct id_node *
id_map_get(const struct id_map *map, uint64_t id)
{
	struct id_node *node;

	if (map->n_buckets == 0)
		return NULL;
	for (node = map->buckets[bucket_of(map, id)]; node != NULL; node = node->next)
		if (node->id == id)
			return node;
	return NULL;
}

void
id_map_remove(struct id_map *map, struct id_node *node)
{
	struct id_node **at = &map->buckets[bucket_of(map, node->id)];

	for (; *at != NULL; at = &(*at)->next)
		if (*at == node) {
			*at = node->next;
			map->n--;
			return;
		}
}

struct id_node *
id_map_next(const struct id_map *map, const struct id_node *node)
{
	size_t i = 0;

	if (node != NULL) {
		if (node->next != NULL)
			return node->next;
		i = bucket_of(map, node->id) + 1;
	}
	for (; i < map->n_buckets; i++)
		if (map->buckets[i] != NULL)
			return map->buckets[i];
	return NULL;
}

void
id_map_clear(struct id_map *map)
{
	free(map->buckets);
	*map = (struct id_map){0};
}
