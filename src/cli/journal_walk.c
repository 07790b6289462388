/* All entities in an order that does not change: by type, partition and id. Event sourced and value
 * entities stand in indexes and are read page by page; CRDTs have none, and of them all names are
 * kept for as long as the walk takes. */
#include <stdlib.h>

#include "journal/key.h"
#include "src/base/mem.h"
#include "src/cli/journal.h"

/* Names of types and CRDTs: about a million of usual length. */
#define CATALOGUE_BYTES_MAX ((size_t)256 * 1024 * 1024)
#define CATALOGUE_TYPES_MAX ((size_t)10000)
#define CATALOGUE_CRDTS_MAX ((size_t)4 * 1000 * 1000)

void catalogue_init(struct catalogue *c)
{
	*c = (struct catalogue){0};
	arena_init(&c->arena, CATALOGUE_BYTES_MAX);
}

void catalogue_fini(struct catalogue *c)
{
	arena_fini(&c->arena);
	mem_free(c->types);
	mem_free(c->crdts);
}

static enum status full(struct error *err)
{
	return error_set(err, ST_RESOURCE_EXHAUSTED, "there are too many names in the journal");
}

static struct tool_type *type_of(struct catalogue *c, struct span name)
{
	for (size_t i = 0; i < c->type_count; i++)
		if (span_eq(c->types[i].type, name))
			return &c->types[i];
	if (c->type_count == CATALOGUE_TYPES_MAX)
		return NULL;
	if (c->type_count == c->type_cap) {
		c->type_cap = c->type_cap ? 2 * c->type_cap : 16;
		c->types = mem_resize_array(c->types, c->type_cap, sizeof(*c->types));
	}
	c->types[c->type_count] = (struct tool_type){.type = arena_span(&c->arena, name)};
	return &c->types[c->type_count++];
}

static bool add_crdt(struct catalogue *c, const struct tool_type *type,
		     const struct admin_name *name)
{
	if (c->crdt_count == CATALOGUE_CRDTS_MAX)
		return false;
	if (c->crdt_count == c->crdt_cap) {
		c->crdt_cap = c->crdt_cap ? 2 * c->crdt_cap : 64;
		c->crdts = mem_resize_array(c->crdts, c->crdt_cap, sizeof(*c->crdts));
	}
	c->crdts[c->crdt_count++] = (struct tool_crdt){
		type->type, name->id.len ? arena_span(&c->arena, name->id) : SPAN_LIT(""),
		name->partition};
	return true;
}

enum status catalogue_add(struct catalogue *c, const struct admin_name *name, struct error *err)
{
	uint64_t bit = (uint64_t)1 << name->partition;
	struct tool_type *type;

	if (!name->is_ours || !(name->sort == ADMIN_INDEX || name->sort == ADMIN_ERASED ||
				name->sort == ADMIN_FEED || name->sort == ADMIN_CRDT))
		return ST_OK;
	type = type_of(c, name->type);
	if (!type || (name->sort == ADMIN_CRDT && !add_crdt(c, type, name)) ||
	    c->arena.is_exhausted)
		return full(err);
	if (name->sort == ADMIN_INDEX)
		type->has_index |= bit;
	else if (name->sort == ADMIN_ERASED)
		type->has_erased |= bit;
	else if (name->sort == ADMIN_FEED)
		type->has_feed |= bit;
	return ST_OK;
}

static int by_type(const void *a, const void *b)
{
	return span_cmp(((const struct tool_type *)a)->type, ((const struct tool_type *)b)->type);
}

static int by_place(const void *a, const void *b)
{
	const struct tool_crdt *x = a;
	const struct tool_crdt *y = b;
	int order = span_cmp(x->type, y->type);

	if (order == 0)
		order = (x->partition > y->partition) - (x->partition < y->partition);
	return order ? order : span_cmp(x->id, y->id);
}

/* A scan may give a name twice. */
void catalogue_sort(struct catalogue *c)
{
	size_t kept = 0;

	if (c->type_count)
		qsort(c->types, c->type_count, sizeof(*c->types), by_type);
	if (c->crdt_count)
		qsort(c->crdts, c->crdt_count, sizeof(*c->crdts), by_place);
	for (size_t i = 0; i < c->crdt_count; i++)
		if (kept == 0 || by_place(&c->crdts[kept - 1], &c->crdts[i]) != 0)
			c->crdts[kept++] = c->crdts[i];
	c->crdt_count = kept;
	for (size_t i = 0; i < c->type_count; i++)
		for (size_t j = 0; j < kept; j++)
			c->types[i].crdts += span_eq(c->types[i].type, c->crdts[j].type);
}

static enum status on_name(void *data, const struct admin_name *name, struct error *err)
{
	return catalogue_add(data, name, err);
}

enum status catalogue_load(struct tool *tool, struct catalogue *ret_catalogue)
{
	enum status st;

	catalogue_init(ret_catalogue);
	st = admin_scan(tool->admin, on_name, ret_catalogue, &tool->err);
	catalogue_sort(ret_catalogue);
	return st;
}

/* ---- the walk ------------------------------------------------------------------------------- */
struct place {
	struct tool *tool;
	const struct tool_walk *walk;
	struct span type;
	unsigned partition;
	struct span after; /* data NULL: from the beginning */
};

static enum status walk_index(struct place *place, enum admin_sort sort)
{
	const struct admin_index index = {sort, place->partition, place->type};
	struct arena ids_arena;
	struct admin_ids ids = {NULL, ADMIN_PAGE};
	struct span after = place->after;
	struct buf last; /* of the page before, which is gone */
	enum status st = ST_OK;

	arena_init(&ids_arena, ADMIN_ARENA_BYTES);
	buf_init(&last, KEY_TEXT_MAX);
	while (st == ST_OK && ids.count == ADMIN_PAGE) {
		arena_reset(&ids_arena);
		st = admin_index(place->tool->admin,
				 &(struct admin_listing){.index = &index,
							 .after = after,
							 .prefix = place->walk->prefix,
							 .max = ADMIN_PAGE},
				 &ids_arena, &ids, &place->tool->err);
		for (size_t i = 0; st == ST_OK && i < ids.count; i++) {
			const struct tool_entity entity = {
				{place->type, ids.ids[i]}, place->partition, sort};

			st = place->walk->on_entity(place->walk->data, &entity, &place->tool->err);
		}
		if (st == ST_OK && ids.count) {
			buf_reset(&last);
			(void)buf_append(&last, ids.ids[ids.count - 1]); /* was a name */
			after = buf_len(&last) ? buf_span(&last) : SPAN_LIT("");
		}
	}
	buf_fini(&last);
	arena_fini(&ids_arena);
	return st;
}

static enum status walk_crdts(struct place *place, const struct catalogue *c)
{
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < c->crdt_count; i++) {
		const struct tool_crdt *crdt = &c->crdts[i];
		const struct tool_entity entity = {
			{crdt->type, crdt->id}, crdt->partition, ADMIN_CRDT};

		if (crdt->partition != place->partition || !span_eq(crdt->type, place->type) ||
		    !span_starts_with(crdt->id, place->walk->prefix) ||
		    (place->after.data && span_cmp(crdt->id, place->after) <= 0))
			continue;
		st = place->walk->on_entity(place->walk->data, &entity, &place->tool->err);
	}
	return st;
}

static enum status walk_type(struct tool *tool, const struct catalogue *c,
			     const struct tool_walk *walk, const struct tool_type *type)
{
	const struct journal_key start = {type->type, walk->after};
	unsigned first = walk->after.data ? key_partition(&start) : 0;
	enum status st = ST_OK;

	for (unsigned p = first; st == ST_OK && p < KEY_PARTITIONS; p++) {
		struct place place = {tool, walk, type->type, p,
				      p == first ? walk->after : SPAN_EMPTY};
		uint64_t bit = (uint64_t)1 << p;

		if (type->has_index & bit)
			st = walk_index(&place, ADMIN_INDEX);
		if (st == ST_OK && type->has_erased & bit && !walk->skips_erased)
			st = walk_index(&place, ADMIN_ERASED);
		if (st == ST_OK && type->crdts)
			st = walk_crdts(&place, c);
	}
	return st;
}

enum status tool_walk(struct tool *tool, const struct catalogue *catalogue,
		      const struct tool_walk *walk)
{
	enum status st = ST_OK;

	for (size_t i = 0; st == ST_OK && i < catalogue->type_count; i++)
		if (!walk->type.data || span_eq(walk->type, catalogue->types[i].type))
			st = walk_type(tool, catalogue, walk, &catalogue->types[i]);
	return st == ST_CANCELLED ? ST_OK : st;
}
