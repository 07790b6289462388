#ifndef HEADGATE_SRC_BASE_MAP_H
#define HEADGATE_SRC_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/span.h"

/* An intrusive hash table keyed by bytes. The node and the bytes of its key live inside the
 * caller's object and must stay in place while linked. Grows by doubling; iteration order is not
 * defined. The hash is seeded per process, so that a client cannot aim collisions. */
struct map_node {
	struct map_node *next_;
	uint64_t hash_;
	struct span key; /* borrowed from the object around the node */
};

struct map {
	struct map_node **slots_;
	size_t slot_count_;
	size_t count; /* read only */
};

void map_init(struct map *map);

/* Releases the table, not the objects in it. */
void map_fini(struct map *map);

struct map_node *map_find(const struct map *map, struct span key);

/* Links node under node->key. False, and nothing happens, when the key is there already. */
bool map_insert(struct map *map, struct map_node *node);

/* Unlinks a node that is in the map. */
void map_remove(struct map *map, struct map_node *node);

/* Iteration: NULL starts; returns the next node or NULL. The returned node may be removed before
 * the following call when that call is given the successor; removing others is not allowed. */
struct map_node *map_next(const struct map *map, const struct map_node *node);

#endif
