/*   entries  [a][b][c][d]......      in the order of arrival, up to capacity_
 *   index_   .2...1..4.....3.        open addressing, at most half full; 0 = free
 *
 * Elements come from callers, so the hash begins with a seed that they do not know. */

#include "support/c/crdt_table.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define FIRST_CAPACITY 8
#define CAPACITY_MAX ((size_t)1 << 30) /* entries are counted in 32 bits */

bool hg_owned_any_set(struct hg_owned_any *owned, struct headgate_any any)
{
	size_t size;
	uint8_t *data;

	if (__builtin_add_overflow(any.type_url.size, any.value.size, &size))
		return false;
	data = malloc(size > 0 ? size : 1);
	if (!data)
		return false;
	if (any.type_url.size > 0)
		memcpy(data, any.type_url.data, any.type_url.size);
	if (any.value.size > 0)
		memcpy(data + any.type_url.size, any.value.data, any.value.size);
	hg_owned_any_fini(owned); /* only now: any may be a view of it */
	*owned = (struct hg_owned_any){data, any.type_url.size, any.value.size};
	return true;
}

void hg_owned_any_fini(struct hg_owned_any *owned)
{
	free(owned->data);
	*owned = (struct hg_owned_any){0};
}

struct headgate_any hg_owned_any_view(const struct hg_owned_any *owned)
{
	const uint8_t *data = owned->data ? owned->data : (const uint8_t *)"";

	return (struct headgate_any){
		.type_url = {data, owned->url_size},
		.value = {data + owned->url_size, owned->value_size},
	};
}

/* FNV-1a, seeded, with the sizes in it so that url and value have a border. */
static uint64_t hash_bytes(uint64_t hash, struct headgate_bytes bytes)
{
	const uint8_t *data = bytes.data;

	for (size_t i = 0; i < bytes.size; i++)
		hash = (hash ^ data[i]) * 0x100000001b3u;
	hash = (hash ^ bytes.size) * 0x100000001b3u;
	return hash ^ hash >> 29;
}

static uint64_t hash_of(const struct hg_table *table, struct headgate_any key)
{
	return hash_bytes(hash_bytes(0xcbf29ce484222325u ^ table->seed_, key.type_url), key.value);
}

static bool is_same(struct headgate_bytes left, struct headgate_bytes right)
{
	return left.size == right.size &&
	       (left.size == 0 || memcmp(left.data, right.data, left.size) == 0);
}

static bool is_key(const struct hg_entry *entry, struct headgate_any key)
{
	struct headgate_any own = hg_owned_any_view(&entry->key);

	return is_same(own.type_url, key.type_url) && is_same(own.value, key.value);
}

static struct hg_entry *find(const struct hg_table *table, struct headgate_any key, uint64_t hash)
{
	size_t mask = table->capacity_ * 2 - 1;

	if (table->count == 0)
		return NULL;
	for (size_t at = hash & mask; table->index_[at] > 0; at = (at + 1) & mask) {
		struct hg_entry *entry = &table->entries[table->index_[at] - 1];
		if (entry->hash == hash && is_key(entry, key))
			return entry;
	}
	return NULL;
}

struct hg_entry *hg_table_find(const struct hg_table *table, struct headgate_any key)
{
	return table->count > 0 ? find(table, key, hash_of(table, key)) : NULL;
}

static void index_entry(struct hg_table *table, size_t number)
{
	size_t mask = table->capacity_ * 2 - 1;
	size_t at = table->entries[number].hash & mask;

	while (table->index_[at] > 0)
		at = (at + 1) & mask;
	table->index_[at] = (uint32_t)number + 1;
}

static bool grow(struct hg_table *table)
{
	size_t capacity = table->capacity_ > 0 ? table->capacity_ * 2 : FIRST_CAPACITY;
	struct hg_entry *entries;
	uint32_t *index;

	if (capacity > CAPACITY_MAX)
		return false;
	if (table->capacity_ == 0 &&
	    getrandom(&table->seed_, sizeof table->seed_, GRND_NONBLOCK) < 0)
		table->seed_ = (uintptr_t)table; /* early in the life of the machine */
	index = calloc(capacity * 2, sizeof *index);
	entries = index ? realloc(table->entries, capacity * sizeof *entries) : NULL;
	if (!entries) {
		free(index);
		return false;
	}
	free(table->index_);
	table->entries = entries;
	table->index_ = index;
	table->capacity_ = capacity;
	for (size_t i = 0; i < table->count; i++)
		index_entry(table, i);
	return true;
}

struct hg_entry *hg_table_add(struct hg_table *table, struct headgate_any key)
{
	struct hg_entry entry = {0};
	struct hg_entry *found = hg_table_find(table, key);

	if (found)
		return found;
	if (!hg_owned_any_set(&entry.key, key))
		return NULL;
	if (table->count == table->capacity_ && !grow(table)) {
		hg_owned_any_fini(&entry.key);
		return NULL;
	}
	entry.hash = hash_of(table, hg_owned_any_view(&entry.key));
	table->entries[table->count] = entry;
	index_entry(table, table->count);
	return &table->entries[table->count++];
}

void hg_table_compact(struct hg_table *table)
{
	size_t kept = 0;

	for (size_t i = 0; i < table->count; i++) {
		struct hg_entry *entry = &table->entries[i];
		if (entry->is_here || entry->is_known)
			table->entries[kept++] = *entry;
		else
			hg_owned_any_fini(&entry->key);
	}
	if (kept == table->count)
		return;
	table->count = kept;
	memset(table->index_, 0, table->capacity_ * 2 * sizeof *table->index_);
	for (size_t i = 0; i < kept; i++)
		index_entry(table, i);
}

void hg_table_fini(struct hg_table *table)
{
	for (size_t i = 0; i < table->count; i++)
		hg_owned_any_fini(&table->entries[i].key);
	free(table->entries);
	free(table->index_);
	*table = (struct hg_table){0};
}
