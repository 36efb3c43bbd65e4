/*
 * Finds messages and slots by their queue id: a hash table of chained nodes that are part of what
 * they find. Owns only its buckets.
 */
#ifndef QUEUE_ID_MAP_H
#define QUEUE_ID_MAP_H

#include <stddef.h>
#include <stdint.h>

/* The first member of what is kept. */
struct id_node {
	uint64_t id;
	struct id_node *next;
};

/* Starts as {0}. */
struct id_map {
	struct id_node **buckets;
	size_t n_buckets, n;
};

/* The id must not be in the map. */
void id_map_put(struct id_map *map, struct id_node *node);
/* NULL without one. */
struct id_node *id_map_get(const struct id_map *map, uint64_t id);
void id_map_remove(struct id_map *map, struct id_node *node);
/* The nodes in no order: NULL starts, NULL ends. Nothing may be put or removed meanwhile. */
struct id_node *id_map_next(const struct id_map *map, const struct id_node *node);
/* Frees the buckets, not the nodes. */
void id_map_clear(struct id_map *map);

#endif
