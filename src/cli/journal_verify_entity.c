/* One entity: its head, its entries from the first to the last, its place in the indexes. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "journal/key.h"
#include "journal/record.h"
#include "src/base/text.h"
#include "src/cli/journal_verify.h"

/* So often an entity that changes while it is read is read again. */
#define VERIFY_TRIES 5

static enum status read_head(const struct admin_hash *hash, struct record_head *ret_head,
			     struct error *err)
{
	static const char *const names[RECORD_HEAD_FIELDS_] = {"s",  "g",  "x", "zs",
							       "zt", "zp", "v"};
	struct span fields[RECORD_HEAD_FIELDS_];

	for (size_t i = 0; i < RECORD_HEAD_FIELDS_; i++)
		fields[i] = admin_hash_get(hash, names[i]);
	return record_read_head(fields, false, ret_head, err);
}

/* What one pass over the events found; told only when the head stood still. */
struct pass {
	const char *finding; /* NULL: nothing wrong */
	char text[ERROR_MESSAGE_MAX];
	uint64_t next;
	uint64_t events;
	struct journal_id tag;
	struct journal_id command;
};

static void wrong(struct pass *pass, const char *finding, const char *text, uint64_t number)
{
	if (pass->finding)
		return;
	pass->finding = finding;
	(void)snprintf(pass->text, sizeof(pass->text), "%s %" PRIu64, text, number);
}

static void check_event(struct pass *pass, const struct admin_entry *entry)
{
	struct record record;
	struct error err;

	if (record_read(entry->id, entry->texts, entry->count, &record, &err) != ST_OK) {
		wrong(pass, "record", err.message, pass->next);
		pass->next++;
		return;
	}
	if (record.sequence != pass->next)
		wrong(pass, "gap", "there is no event", pass->next);
	/* The events of an append stand together, and are all of its command. */
	if (pass->events && memcmp(&record.tag, &pass->tag, sizeof(record.tag)) == 0 &&
	    memcmp(&record.command, &pass->command, sizeof(record.command)) != 0)
		wrong(pass, "tag", "two commands have the same tag at event", record.sequence);
	pass->tag = record.tag;
	pass->command = record.command;
	pass->events++;
	pass->next = record.sequence + 1;
}

static enum status read_events(struct verify *v, const struct journal_key *key, uint64_t first,
			       struct pass *pass, struct error *err)
{
	struct admin_entries page;
	struct arena arena;
	uint64_t from = 0;
	enum status st = ST_OK;

	pass->next = first;
	arena_init(&arena, ADMIN_ARENA_BYTES);
	do {
		arena_reset(&arena);
		st = admin_entries(v->tool->admin,
				   &(struct admin_stretch){ADMIN_EVENTS, key, from, UINT64_MAX},
				   &arena, &page, err);
		for (size_t i = 0; st == ST_OK && i < page.count; i++)
			check_event(pass, &page.entries[i]);
		from = pass->next;
	} while (st == ST_OK && page.count && !pass->finding);
	arena_fini(&arena);
	return st;
}

static void check_last(struct pass *pass, const struct record_head *head, uint64_t first)
{
	uint64_t last = pass->next - 1;

	if (head->is_erased) {
		if (pass->events)
			wrong(pass, "erased", "it is erased, but has events up to", last);
	} else if (head->is_value) {
		if (pass->events)
			wrong(pass, "kind", "a value entity has events up to", last);
	} else if (head->head.sequence != last) {
		wrong(pass, "sequence", "the head does not say so, but the last event is", last);
	} else if (pass->events && memcmp(&pass->tag, &head->head.tag, sizeof(pass->tag)) != 0) {
		wrong(pass, "tag", "the head has another tag than event", last);
	} else if (first > 1 && (!head->snapshot_sequence || head->snapshot_sequence + 1 < first)) {
		wrong(pass, "snapshot", "no snapshot stands for the events before", first);
	}
}

static enum status check_index(struct verify *v, const struct journal_key *key, bool is_erased,
			       struct error *err)
{
	const struct admin_index living = {ADMIN_INDEX, key_partition(key), key->type};
	const struct admin_index erased = {ADMIN_ERASED, key_partition(key), key->type};
	bool has = false;
	enum status st =
		admin_has_index(v->tool->admin, is_erased ? &erased : &living, key->id, &has, err);

	if (st == ST_FAILED_PRECONDITION) {
		verify_found(v, "index", key, "%s", err->message);
		return ST_OK;
	}
	if (st != ST_OK || has)
		return st;
	verify_found(v, "index", key, "the index%s does not name it",
		     is_erased ? " of the erased" : "");
	return v->repairs_index ? admin_repair(v->tool->admin, key, NULL, 0, err) : ST_OK;
}

/* Reads all of it once; *ret_moved: it was written to meanwhile. */
static enum status read_once(struct verify *v, const struct journal_key *key, struct pass *pass,
			     struct record_head *head, bool *ret_moved, struct error *err)
{
	struct admin_hash before = {0};
	struct admin_hash after = {0};
	struct arena arena;
	uint64_t first;
	enum status st;

	arena_init(&arena, ADMIN_ARENA_BYTES);
	*pass = (struct pass){0};
	*ret_moved = false;
	st = admin_hash(v->tool->admin, ADMIN_HEAD, key, &arena, &before, err);
	if (st == ST_OK && before.count)
		st = read_head(&before, head, err);
	first = before.count ? admin_hash_number(&before, "b") : 0;
	first = first ? first : 1;
	if (st == ST_OK && before.count)
		st = read_events(v, key, first, pass, err);
	if (st == ST_OK && before.count) {
		check_last(pass, head, first);
		st = admin_hash(v->tool->admin, ADMIN_HEAD, key, &arena, &after, err);
	}
	if (st == ST_OK && before.count)
		*ret_moved = after.count != before.count ||
			     !span_eq(admin_hash_get(&after, "s"), admin_hash_get(&before, "s")) ||
			     !span_eq(admin_hash_get(&after, "b"), admin_hash_get(&before, "b"));
	arena_fini(&arena);
	return st;
}

enum status verify_entity(struct verify *v, const struct journal_key *key, struct error *err)
{
	struct record_head head = {0};
	struct pass pass = {0};
	bool is_moving = true;
	enum status st = ST_OK;

	for (int i = 0; st == ST_OK && is_moving && i < VERIFY_TRIES; i++)
		st = read_once(v, key, &pass, &head, &is_moving, err);
	if (st != ST_OK)
		return verify_key_failed(v, "head", key, err);
	if (pass.finding && !is_moving)
		verify_found(v, pass.finding, key, "%s", pass.text);
	v->events += pass.events;
	return check_index(v, key, head.is_erased, err);
}

enum status verify_orphan(struct verify *v, const struct journal_key *key, enum admin_sort sort,
			  struct error *err)
{
	struct admin_hash hash;
	enum status st;

	arena_reset(&v->arena);
	st = admin_hash(v->tool->admin, sort, key, &v->arena, &hash, err);
	if (st == ST_OK && hash.count == 0)
		verify_found(v, "orphan", key, "it has %s, but no head",
			     sort == ADMIN_HEAD ? "events" : "deltas");
	return st == ST_FAILED_PRECONDITION ? ST_OK : st; /* told with the head */
}

/* Deltas from behind the state to the last position. A compaction may come between. */
static enum status read_deltas(struct verify *v, const struct journal_key *key, struct pass *pass,
			       struct error *err)
{
	struct admin_entries page;
	struct admin_hash hash;
	uint64_t position;
	uint64_t last;
	enum status st;

	*pass = (struct pass){0};
	arena_reset(&v->arena);
	st = admin_hash(v->tool->admin, ADMIN_CRDT, key, &v->arena, &hash, err);
	if (st != ST_OK)
		return st;
	last = admin_hash_number(&hash, "s");
	pass->next = admin_hash_number(&hash, "zs") + 1;
	if (last == 0 || pass->next > last + 1)
		wrong(pass, "head", "its state is of a later position than", last);
	if (admin_hash_get(&hash, "x").data)
		return ST_OK;
	do {
		arena_reset(&v->arena);
		st = admin_entries(v->tool->admin,
				   &(struct admin_stretch){ADMIN_DELTAS, key, pass->next, last},
				   &v->arena, &page, err);
		for (size_t i = 0; st == ST_OK && i < page.count; i++) {
			struct span id = page.entries[i].id;

			if (!text_to_u64(span_head(id, span_find(id, '-')), &position) ||
			    position != pass->next)
				wrong(pass, "gap", "there is no delta", pass->next);
			pass->next++;
		}
	} while (st == ST_OK && page.count && !pass->finding && pass->next <= last);
	if (st == ST_OK && pass->next <= last)
		wrong(pass, "gap", "there is no delta", pass->next);
	return st;
}

enum status verify_crdt(struct verify *v, const struct journal_key *key, struct error *err)
{
	const struct admin_name name = {.is_ours = true,
					.sort = ADMIN_CRDT,
					.partition = key_partition(key),
					.type = key->type,
					.id = key->id};
	struct pass pass = {0};
	enum status st = ST_OK;

	for (int i = 0; st == ST_OK && (i == 0 || pass.finding) && i < VERIFY_TRIES; i++)
		st = read_deltas(v, key, &pass, err);
	if (st != ST_OK)
		return verify_key_failed(v, "head", key, err);
	if (pass.finding)
		verify_found(v, pass.finding, key, "%s", pass.text);
	return catalogue_add(&v->catalogue, &name, err);
}
