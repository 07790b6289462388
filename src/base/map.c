#include "src/base/map.h"

#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/mem.h"

#define MAP_FIRST_SLOTS ((size_t)16)

void map_init(struct map *map)
{
	*map = (struct map){0};
}

void map_fini(struct map *map)
{
	mem_free(map->slots_);
	*map = (struct map){0};
}

static struct map_node **map_slot(const struct map *map, uint64_t hash)
{
	return &map->slots_[hash & (map->slot_count_ - 1)];
}

struct map_node *map_find(const struct map *map, struct span key)
{
	uint64_t hash;
	struct map_node *node;

	if (map->count == 0)
		return NULL;
	hash = hash_seeded(key);
	node = *map_slot(map, hash);
	while (node && (node->hash_ != hash || !span_eq(node->key, key)))
		node = node->next_;
	return node;
}

static void map_link(struct map *map, struct map_node *node)
{
	struct map_node **slot = map_slot(map, node->hash_);

	node->next_ = *slot;
	*slot = node;
}

static void map_grow(struct map *map)
{
	struct map_node **old = map->slots_;
	size_t old_count = map->slot_count_;

	map->slot_count_ = old_count ? old_count * 2 : MAP_FIRST_SLOTS;
	map->slots_ = mem_new_array(struct map_node *, map->slot_count_);
	for (size_t i = 0; i < old_count; i++) {
		struct map_node *node = old[i];

		while (node) {
			struct map_node *next = node->next_;

			map_link(map, node);
			node = next;
		}
	}
	mem_free(old);
}

bool map_insert(struct map *map, struct map_node *node)
{
	if (map_find(map, node->key))
		return false;
	if (map->count >= map->slot_count_)
		map_grow(map);
	node->hash_ = hash_seeded(node->key);
	map_link(map, node);
	map->count++;
	return true;
}

void map_remove(struct map *map, struct map_node *node)
{
	struct map_node **at = map_slot(map, node->hash_);

	while (*at && *at != node)
		at = &(*at)->next_;
	BUG_ON(!*at);
	*at = node->next_;
	node->next_ = NULL;
	map->count--;
}

struct map_node *map_next(const struct map *map, const struct map_node *node)
{
	size_t i = 0;

	if (node) {
		if (node->next_)
			return node->next_;
		i = (node->hash_ & (map->slot_count_ - 1)) + 1;
	}
	for (; i < map->slot_count_; i++)
		if (map->slots_[i])
			return map->slots_[i];
	return NULL;
}
