/* headgate journal verify: heads against streams, indexes, feeds. Online: what moved meanwhile is
 * looked at again, and only what stays wrong is told. One entity, and the names of one feed, are in
 * memory at a time.
 *
 *   every key -> its entity: head, entries, index     (verify_entity.c)
 *   every feed -> what of each entity it has told, against its head */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "journal/key.h"
#include "src/base/map.h"
#include "src/base/mem.h"
#include "src/base/text.h"
#include "src/cli/journal_verify.h"

/* ---- findings ------------------------------------------------------------------------------- */
void verify_found(struct verify *v, const char *finding, const struct journal_key *key,
		  const char *format, ...)
{
	struct buf *out = &v->tool->out;
	char text[ERROR_MESSAGE_MAX];
	va_list list;

	va_start(list, format);
	(void)vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	v->findings++;
	if (v->tool->args->is_json) {
		(void)buf_printf(out, "{\"finding\":\"%s\",\"type\":", finding);
		put_text(out, key->type);
		(void)buf_append_str(out, ",\"id\":");
		put_text(out, key->id);
		(void)buf_append_str(out, ",\"text\":");
		put_text(out, span_from_str(text));
		(void)buf_append_str(out, "}\n");
	} else {
		(void)buf_printf(out, "%s: %.*s/%.*s: %s\n", finding, SPAN_FMT(key->type),
				 SPAN_FMT(key->id), text);
	}
	if (!tool_flush(v->tool))
		v->is_broken = true; /* nobody listens: the counts are all that is left */
}

enum status verify_key_failed(struct verify *v, const char *finding, const struct journal_key *key,
			      struct error *err)
{
	/* Redis will not be asked the same again: a key of another type, an unreadable entry. */
	if (err->status != ST_FAILED_PRECONDITION && err->status != ST_DATA_LOSS)
		return err->status;
	verify_found(v, finding, key, "%s", err->message);
	return ST_OK;
}

/* ---- every key ------------------------------------------------------------------------------ */
static enum status on_name(void *data, const struct admin_name *name, struct error *err)
{
	struct verify *v = data;
	struct journal_key key = {name->type, name->id};
	bool is_entity = name->sort == ADMIN_HEAD || name->sort == ADMIN_EVENTS ||
			 name->sort == ADMIN_CRDT || name->sort == ADMIN_DELTAS;

	if (!name->is_ours) {
		const struct journal_key nameless = {SPAN_LIT(""), name->key};

		verify_found(v, "key", &nameless, "this is no key of a journal");
		return ST_OK;
	}
	if (is_entity && key_partition(&key) != name->partition) {
		verify_found(v, "partition", &key, "it is in partition %u, where nobody looks",
			     name->partition);
		return ST_OK;
	}
	switch ((int)name->sort) {
	case ADMIN_HEAD:
		v->entities++;
		return verify_entity(v, &key, err);
	case ADMIN_EVENTS:
		return verify_orphan(v, &key, ADMIN_HEAD, err);
	case ADMIN_CRDT:
		v->crdts++;
		return verify_crdt(v, &key, err);
	case ADMIN_DELTAS:
		return verify_orphan(v, &key, ADMIN_CRDT, err);
	default:
		return catalogue_add(&v->catalogue, name, err);
	}
}

/* Ids of an index that name nothing. */
static enum status on_indexed(void *data, const struct tool_entity *entity, struct error *err)
{
	struct verify *v = data;
	struct admin_hash hash;
	bool is_erased;
	enum status st;

	if (entity->sort == ADMIN_CRDT)
		return ST_OK;
	arena_reset(&v->arena);
	st = admin_hash(v->tool->admin, ADMIN_HEAD, &entity->key, &v->arena, &hash, err);
	if (st == ST_FAILED_PRECONDITION)
		return ST_OK; /* told with its head */
	if (st != ST_OK)
		return st;
	is_erased = admin_hash_get(&hash, "x").data;
	if (hash.count && is_erased == (entity->sort == ADMIN_ERASED))
		return ST_OK;
	verify_found(v, "index", &entity->key, "the index%s names it, but it is %s",
		     entity->sort == ADMIN_ERASED ? " of the erased" : "",
		     hash.count == 0 ? "not there"
		     : is_erased     ? "erased"
				     : "alive");
	if (v->repairs_index)
		return admin_repair(v->tool->admin, &entity->key, NULL, 0, err);
	return ST_OK;
}

/* ---- feeds ---------------------------------------------------------------------------------- */
/* Of one entity, what its feed has told: all up to `until`, and further pieces. */
#define PIECES_MAX 8
struct told {
	struct map_node node;
	struct told *next;
	uint64_t first;
	uint64_t until;
	struct admin_run pieces[PIECES_MAX]; /* first in count */
	size_t piece_count;
	uint64_t greatest;
};

struct feed_check {
	struct verify *v;
	struct span type;
	unsigned partition;
	struct map told;
	struct told *all;
	struct arena arena;
	uint64_t position;
};

static struct told *told_of(struct feed_check *f, struct span id)
{
	struct map_node *node = map_find(&f->told, id);
	struct told *told;

	if (node)
		return container_of(node, struct told, node);
	told = arena_new(&f->arena, struct told);
	if (!told)
		return NULL;
	told->node.key = id.len ? arena_span(&f->arena, id) : SPAN_LIT("");
	(void)map_insert(&f->told, &told->node); /* it was looked for */
	told->next = f->all;
	f->all = told;
	return told;
}

/* Takes first..last; pieces that touch it come with it. */
static void tell_of(struct told *told, uint64_t first, uint64_t last)
{
	if (last > told->greatest)
		told->greatest = last;
	if (told->until == 0) {
		told->first = first;
		told->until = last;
	} else if (first <= told->until + 1) {
		told->until = last > told->until ? last : told->until;
	} else if (told->piece_count < PIECES_MAX) {
		told->pieces[told->piece_count++] = (struct admin_run){last, first};
	}
	for (size_t i = 0; i < told->piece_count; i++) {
		if (told->pieces[i].count > told->until + 1)
			continue;
		if (told->pieces[i].last > told->until)
			told->until = told->pieces[i].last;
		told->pieces[i] = told->pieces[--told->piece_count];
		i = (size_t)-1; /* it may reach another */
	}
}

static enum status take_entry(struct feed_check *f, const struct admin_entry *entry,
			      struct error *err)
{
	struct span id = admin_entry_get(entry, "e");
	uint64_t last = 0;
	uint64_t count = 0;
	struct told *told;

	if (!id.data || !text_to_u64(admin_entry_get(entry, "s"), &last) ||
	    !text_to_u64(admin_entry_get(entry, "n"), &count) || count > last) {
		const struct journal_key key = {f->type, entry->id};

		verify_found(f->v, "feed", &key, "an entry of partition %u is damaged",
			     f->partition);
		return ST_OK;
	}
	told = told_of(f, id);
	if (!told || f->arena.is_exhausted)
		return error_set(err, ST_RESOURCE_EXHAUSTED,
				 "there are too many entities in one partition");
	tell_of(told, count ? last - count + 1 : last, last);
	return ST_OK;
}

/* What has come since, or all the first time. */
static enum status read_feed(struct feed_check *f, struct error *err)
{
	struct admin_entries page = {NULL, ADMIN_PAGE};
	enum status st = ST_OK;

	while (st == ST_OK && page.count == ADMIN_PAGE) {
		arena_reset(&f->v->arena);
		st = admin_feed(f->v->tool->admin,
				&(struct admin_feed_from){f->partition, f->type, f->position},
				&f->v->arena, &page, err);
		for (size_t i = 0; st == ST_OK && i < page.count; i++) {
			f->position = admin_feed_position(&page.entries[i]);
			st = take_entry(f, &page.entries[i], err);
		}
	}
	return st;
}

/* Entries for what the feed lacks, one for each event: where appends began and ended no longer
 * matters to those who read it. */
static enum status repair_feed(struct feed_check *f, const struct journal_key *key, uint64_t first,
			       uint64_t last, struct error *err)
{
	struct admin_run runs[ADMIN_PAGE];
	size_t count = 0;
	enum status st = ST_OK;

	for (uint64_t s = first; st == ST_OK && s <= last; s++) {
		runs[count++] = (struct admin_run){s, 1};
		if (count == ADMIN_PAGE || s == last) {
			st = admin_repair(f->v->tool->admin, key, runs, count, err);
			count = 0;
		}
	}
	return st;
}

static enum status compare(struct feed_check *f, const struct journal_key *key,
			   const struct admin_hash *hash, struct error *err)
{
	struct map_node *node = map_find(&f->told, key->id);
	const struct told *told = node ? container_of(node, struct told, node) : NULL;
	bool is_value = admin_hash_get(hash, "v").data;
	uint64_t trimmed = admin_hash_number(hash, "b");
	uint64_t first = trimmed ? trimmed : 1;
	uint64_t last = admin_hash_number(hash, "s");

	if (is_value ? told && told->greatest >= last
		     : told && told->until >= last && told->first <= first)
		return ST_OK;
	if (told && !is_value && told->until >= last)
		verify_found(f->v, "feed", key, "the feed lacks the events before %" PRIu64,
			     told->first);
	else
		verify_found(f->v, "feed", key, "the feed has told of %" PRIu64 " of %" PRIu64,
			     told ? told->until : 0, last);
	if (!f->v->repairs_feed)
		return ST_OK;
	if (is_value) {
		const struct admin_run run = {last, 0};

		return admin_repair(f->v->tool->admin, key, &run, 1, err);
	}
	/* With a hole at the beginning all of it again: they are told at least once. */
	if (told && told->first <= first)
		first = told->until + 1;
	return repair_feed(f, key, first, last, err);
}

static enum status on_fed(void *data, const struct tool_entity *entity, struct error *err)
{
	struct feed_check *f = data;
	struct map_node *node;
	struct admin_hash hash;
	struct arena arena;
	enum status st;

	if (entity->sort != ADMIN_INDEX || entity->partition != f->partition)
		return ST_OK;
	arena_init(&arena, ADMIN_ARENA_BYTES);
	st = admin_hash(f->v->tool->admin, ADMIN_HEAD, &entity->key, &arena, &hash, err);
	node = map_find(&f->told, entity->key.id);
	if (st == ST_OK && hash.count &&
	    (!node || container_of(node, struct told, node)->until < admin_hash_number(&hash, "s")))
		st = read_feed(f, err); /* it may have moved since */
	if (st == ST_OK && hash.count && !admin_hash_get(&hash, "x").data)
		st = compare(f, &entity->key, &hash, err);
	arena_fini(&arena);
	return st == ST_FAILED_PRECONDITION ? ST_OK : st; /* told with its head */
}

/* Entities that the feed has told more of than is there: a lost tail. */
static enum status check_told(struct feed_check *f, struct error *err)
{
	enum status st = ST_OK;

	for (const struct told *told = f->all; st == ST_OK && told; told = told->next) {
		const struct journal_key key = {f->type, told->node.key};
		struct admin_hash hash;

		arena_reset(&f->v->arena);
		st = admin_hash(f->v->tool->admin, ADMIN_HEAD, &key, &f->v->arena, &hash, err);
		if (st == ST_FAILED_PRECONDITION) {
			st = ST_OK; /* told with its head */
			continue;
		}
		if (st == ST_OK && told->greatest > admin_hash_number(&hash, "s"))
			verify_found(f->v, "feed", &key,
				     "the feed has told of %" PRIu64 ", the head is %" PRIu64,
				     told->greatest, admin_hash_number(&hash, "s"));
	}
	return st;
}

static enum status check_feed(struct verify *v, const struct tool_type *type, unsigned partition)
{
	struct feed_check f = {.v = v, .type = type->type, .partition = partition};
	const struct tool_walk walk = {
		.type = type->type, .skips_erased = true, .on_entity = on_fed, .data = &f};
	struct tool_type only = *type;
	struct catalogue one = {.types = &only, .type_count = 1};
	struct error *err = &v->tool->err;
	enum status st;

	only.has_index &= (uint64_t)1 << partition;
	only.has_erased = 0;
	only.crdts = 0;
	map_init(&f.told);
	arena_init(&f.arena, (size_t)256 * 1024 * 1024);
	st = read_feed(&f, err);
	if (st == ST_FAILED_PRECONDITION) {
		const struct journal_key key = {type->type, SPAN_LIT("")};

		verify_found(v, "feed", &key, "partition %u: %s", partition, err->message);
		st = ST_OK;
	} else {
		if (st == ST_OK)
			st = tool_walk(v->tool, &one, &walk);
		if (st == ST_OK)
			st = check_told(&f, err);
	}
	map_fini(&f.told);
	arena_fini(&f.arena);
	return st;
}

/* ---- the command ---------------------------------------------------------------------------- */
static enum status verify_all(struct verify *v)
{
	const struct tool_walk walk = {.on_entity = on_indexed, .data = v};
	enum status st = admin_scan(v->tool->admin, on_name, v, &v->tool->err);

	catalogue_sort(&v->catalogue);
	if (st == ST_OK)
		st = tool_walk(v->tool, &v->catalogue, &walk);
	for (size_t i = 0; st == ST_OK && i < v->catalogue.type_count; i++) {
		const struct tool_type *type = &v->catalogue.types[i];
		uint64_t parts = type->has_feed | type->has_index;

		for (unsigned p = 0; st == ST_OK && p < KEY_PARTITIONS; p++)
			if (parts >> p & 1)
				st = check_feed(v, type, p);
	}
	return st;
}

int journal_verify_all(struct tool *tool)
{
	struct verify v = {.tool = tool};
	const char *repair = tool->args->repair;
	enum status st;

	v.repairs_index = repair && strcmp(repair, "index") == 0;
	v.repairs_feed = repair && strcmp(repair, "feed") == 0;
	if (repair && !v.repairs_index && !v.repairs_feed)
		return command_fail(CLI_USAGE, "--repair takes index or feed: all else is no "
					       "derived data");
	catalogue_init(&v.catalogue);
	arena_init(&v.arena, ADMIN_ARENA_BYTES);
	st = verify_all(&v);
	arena_fini(&v.arena);
	catalogue_fini(&v.catalogue);
	if (st != ST_OK)
		return tool_fail(tool);
	(void)buf_printf(&tool->out,
			 tool->args->is_json ? "{\"entities\":%" PRIu64 ",\"events\":%" PRIu64
					       ",\"crdts\":%" PRIu64 ",\"findings\":%" PRIu64 "}\n"
					     : "%" PRIu64 " entities, %" PRIu64 " events, %" PRIu64
					       " CRDTs: %" PRIu64 " findings\n",
			 v.entities, v.events, v.crdts, v.findings);
	if (!tool_flush(tool))
		return tool_fail(tool);
	return v.findings ? CLI_REFUSED : CLI_OK;
}
