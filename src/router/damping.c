#include "src/router/damping.h"

#include <string.h>

#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/list.h"
#include "src/base/map.h"
#include "src/base/mem.h"

/* A persistence id and an entity id; longer ones are not damped. */
#define DAMPING_KEY_MAX ((size_t)4096)

struct damped {
	struct map_node node; /* key: persistence id, NUL, entity id */
	struct list age;      /* the longest quiet one first */
	uint64_t conflict_ns[DAMPING_CONFLICTS];
	unsigned next; /* of conflict_ns to be written, the oldest of them */
	uint64_t until_ns;
	uint8_t key[];
};

struct damping {
	struct map entities;
	struct list ages;
};

struct damping *damping_new(void)
{
	struct damping *damping = mem_new(struct damping);

	map_init(&damping->entities);
	list_init(&damping->ages);
	return damping;
}

static void forget(struct damping *damping, struct damped *damped)
{
	map_remove(&damping->entities, &damped->node);
	list_remove(&damped->age);
	mem_free(damped);
}

void damping_free(struct damping *damping)
{
	if (!damping)
		return;
	while (!list_is_empty(&damping->ages))
		forget(damping, list_entry(damping->ages.next, struct damped, age));
	map_fini(&damping->entities);
	mem_free(damping);
}

static struct span put_key(uint8_t key[DAMPING_KEY_MAX], struct span type, struct span id)
{
	if (type.len + id.len + 1 > DAMPING_KEY_MAX)
		return SPAN_EMPTY;
	memcpy(key, type.data, type.len);
	key[type.len] = 0;
	if (id.len)
		memcpy(key + type.len + 1, id.data, id.len);
	return span_make(key, type.len + id.len + 1);
}

static struct damped *find(const struct damping *damping, struct span key)
{
	struct map_node *node = map_find(&damping->entities, key);

	return node ? container_of(node, struct damped, node) : NULL;
}

static struct damped *remember(struct damping *damping, struct span key)
{
	struct damped *damped = mem_zalloc(sizeof(*damped) + key.len); /* DAMPING_KEY_MAX */

	if (damping->entities.count >= DAMPING_ENTITIES_MAX)
		forget(damping, list_entry(damping->ages.next, struct damped, age));
	memcpy(damped->key, key.data, key.len);
	damped->node.key = span_make(damped->key, key.len);
	list_init(&damped->age);
	BUG_ON(!map_insert(&damping->entities, &damped->node));
	return damped;
}

void damping_conflict(struct damping *damping, struct span type, struct span id, uint64_t now_ns)
{
	uint8_t bytes[DAMPING_KEY_MAX];
	struct span key = put_key(bytes, type, id);
	struct damped *damped;
	uint64_t oldest_ns;

	if (key.len == 0)
		return;
	damped = find(damping, key);
	if (!damped)
		damped = remember(damping, key);
	list_remove(&damped->age);
	list_push_back(&damping->ages, &damped->age);
	damped->conflict_ns[damped->next] = now_ns;
	damped->next = (damped->next + 1) % DAMPING_CONFLICTS;
	oldest_ns = damped->conflict_ns[damped->next];
	if (oldest_ns && now_ns - oldest_ns <= DAMPING_WINDOW_MS * NS_PER_MS)
		damped->until_ns = clock_deadline(now_ns, DAMPING_REFUSAL_MS * NS_PER_MS);
}

bool damping_is_refusing(const struct damping *damping, struct span type, struct span id,
			 uint64_t now_ns)
{
	uint8_t bytes[DAMPING_KEY_MAX];
	const struct damped *damped;

	if (damping->entities.count == 0)
		return false;
	damped = find(damping, put_key(bytes, type, id));
	return damped && damped->until_ns > now_ns;
}
