/* headgate journal types, list, show, members, owner: what there is. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "journal/key.h"
#include "journal/members.h"
#include "journal/rendezvous.h"
#include "src/base/clock.h"
#include "src/base/mem.h"
#include "src/base/text.h"
#include "src/cli/journal.h"

/* "address|16 hexadecimal digits|state" */
#define MEMBER_TAIL ((size_t)19)

/* ---- types ---------------------------------------------------------------------------------- */
struct type_counts {
	uint64_t entities;
	uint64_t erased;
	const char *kind;
};

static enum status count_index(struct tool *tool, const struct admin_index *index, uint64_t *count)
{
	const struct admin_value *value;
	struct span words[] = {SPAN_LIT("ZCARD"), SPAN_EMPTY};
	enum status st;

	arena_reset(&tool->page);
	st = admin_key(tool->admin,
		       &(struct admin_place){index->sort, index->partition, index->type, NULL},
		       &tool->page, &words[1], &tool->err);
	if (st == ST_OK)
		st = admin_ask(tool->admin,
			       &(struct admin_command){
				       .partition = index->partition, .words = words, .count = 2},
			       &tool->page, &value, &tool->err);
	if (st == ST_OK)
		*count += (uint64_t)value->number;
	return st;
}

/* By the first entity of the type: they are all of one kind. */
static enum status on_first(void *data, const struct tool_entity *entity, struct error *err)
{
	struct {
		struct tool *tool;
		const char *kind;
	} *first = data;
	struct admin_hash hash;
	enum status st;

	first->kind = "crdt";
	if (entity->sort == ADMIN_CRDT)
		return ST_CANCELLED;
	arena_reset(&first->tool->page);
	st = admin_hash(first->tool->admin, ADMIN_HEAD, &entity->key, &first->tool->page, &hash,
			err);
	if (st != ST_OK)
		return st;
	first->kind = admin_hash_get(&hash, "v").data ? "value" : "event_sourced";
	return ST_CANCELLED;
}

static enum status count_type(struct tool *tool, const struct catalogue *catalogue,
			      const struct tool_type *type, struct type_counts *counts)
{
	struct {
		struct tool *tool;
		const char *kind;
	} first = {tool, "unknown"};
	const struct tool_walk walk = {.type = type->type, .on_entity = on_first, .data = &first};
	enum status st = tool_walk(tool, catalogue, &walk);

	for (unsigned p = 0; st == ST_OK && p < KEY_PARTITIONS; p++) {
		const struct admin_index living = {ADMIN_INDEX, p, type->type};
		const struct admin_index erased = {ADMIN_ERASED, p, type->type};

		if (type->has_index >> p & 1)
			st = count_index(tool, &living, &counts->entities);
		if (st == ST_OK && type->has_erased >> p & 1)
			st = count_index(tool, &erased, &counts->erased);
	}
	counts->kind = first.kind;
	counts->entities += type->crdts;
	return st;
}

int journal_types(struct tool *tool)
{
	struct catalogue catalogue;
	enum status st = catalogue_load(tool, &catalogue);

	for (size_t i = 0; st == ST_OK && i < catalogue.type_count; i++) {
		const struct tool_type *type = &catalogue.types[i];
		struct type_counts counts = {0};

		st = count_type(tool, &catalogue, type, &counts);
		if (st != ST_OK)
			break;
		if (tool->args->is_json) {
			(void)buf_append_str(&tool->out, "{\"type\":");
			put_text(&tool->out, type->type);
			(void)buf_printf(&tool->out,
					 ",\"kind\":\"%s\",\"entities\":%" PRIu64
					 ",\"erased\":%" PRIu64 "}\n",
					 counts.kind, counts.entities, counts.erased);
		} else {
			(void)buf_printf(&tool->out, "%-30.*s %-13s %10" PRIu64 "%s\n",
					 SPAN_FMT(type->type), counts.kind, counts.entities,
					 counts.erased ? " (some more are erased)" : "");
		}
	}
	catalogue_fini(&catalogue);
	return st == ST_OK && tool_flush(tool) ? CLI_OK : tool_fail(tool);
}

/* ---- list ----------------------------------------------------------------------------------- */
struct listing {
	struct tool *tool;
	uint64_t left;
};

static enum status on_listed(void *data, const struct tool_entity *entity, struct error *err)
{
	struct listing *listing = data;
	struct tool *tool = listing->tool;
	bool is_erased = entity->sort == ADMIN_ERASED;

	if (is_erased != tool->args->wants_erased)
		return ST_OK;
	if (listing->left-- == 0)
		return ST_CANCELLED;
	if (tool->args->is_json) {
		put_name(&tool->out, &entity->key);
		(void)buf_printf(&tool->out, ",\"partition\":%u}\n", entity->partition);
	} else {
		(void)buf_append(&tool->out, entity->key.id);
		(void)buf_append_byte(&tool->out, '\n');
	}
	if (!tool_flush(tool))
		return error_set(err, ST_UNKNOWN, "the result cannot be written");
	return ST_OK;
}

int journal_list(struct tool *tool)
{
	struct listing listing = {.tool = tool};
	struct catalogue catalogue;
	struct tool_walk walk = {
		.type = span_from_str(tool->args->words[0]),
		.prefix = span_from_str(tool->args->prefix),
		.after = span_from_str(tool->args->after),
		.on_entity = on_listed,
		.data = &listing,
	};
	enum status st;

	if (!tool_number(tool->args->limit, UINT64_MAX, &listing.left))
		return command_fail(CLI_USAGE, "--limit takes a number");
	st = catalogue_load(tool, &catalogue);
	if (st == ST_OK)
		st = tool_walk(tool, &catalogue, &walk);
	catalogue_fini(&catalogue);
	return st == ST_OK ? CLI_OK : tool_fail(tool);
}

/* ---- members and owners --------------------------------------------------------------------- */
static bool read_member(struct span entry, struct arena *arena, struct member *member)
{
	size_t len = entry.len > MEMBER_TAIL ? entry.len - MEMBER_TAIL : 0;

	if (len == 0 || len >= MEMBER_ADDRESS_MAX || entry.data[len] != '|')
		return false;
	member->address = arena_strndup(arena, entry.data, len);
	member->state = (enum member_state)(entry.data[entry.len - 1] - '0');
	return member->address && member->state <= MEMBER_LEAVING;
}

/* By the names, as rendezvous_owner wants them; few, so simply. */
static void sort_members(struct member *members, uint64_t *ages, size_t count)
{
	for (size_t i = 1; i < count; i++)
		for (size_t j = i; j > 0 && strcmp(members[j - 1].address, members[j].address) > 0;
		     j--) {
			struct member member = members[j];
			uint64_t age = ages[j];

			members[j] = members[j - 1];
			ages[j] = ages[j - 1];
			members[j - 1] = member;
			ages[j - 1] = age;
		}
}

static enum status ask_members(struct tool *tool, const struct admin_value **ret_entries,
			       uint64_t *ret_now_ms)
{
	char key[KEY_TEXT_MAX];
	const struct admin_value *time = NULL;
	const struct span clock = SPAN_LIT("TIME");
	const struct span words[] = {SPAN_LIT("ZRANGE"), span_make(key, strlen(KEY_PREFIX)),
				     SPAN_LIT("0"), SPAN_LIT("-1"), SPAN_LIT("WITHSCORES")};
	struct span all[5];
	uint64_t seconds = 0;
	enum status st;

	(void)snprintf(key, sizeof(key), KEY_PREFIX "%s:{m}:members", tool->admin->namespace_text);
	memcpy(all, words, sizeof(all));
	all[1] = span_from_str(key);
	st = admin_ask(
		tool->admin,
		&(struct admin_command){.partition = ADMIN_MEMBERS, .words = &clock, .count = 1},
		&tool->page, &time, &tool->err);
	if (st == ST_OK)
		st = admin_ask(tool->admin,
			       &(struct admin_command){
				       .partition = ADMIN_MEMBERS, .words = all, .count = 5},
			       &tool->page, ret_entries, &tool->err);
	if (st != ST_OK)
		return st;
	if (time->count == 2 && text_to_u64(time->items[0].text, &seconds))
		*ret_now_ms = seconds * 1000;
	return ST_OK;
}

/* Those who were heard lately; ages in ms, to a second. */
static enum status load_members(struct tool *tool, struct member **ret_members, uint64_t **ret_ages,
				size_t *ret_count)
{
	const struct admin_value *entries = NULL;
	uint64_t now_ms = 0;
	struct member *members;
	uint64_t *ages;
	size_t count = 0;
	enum status st = ask_members(tool, &entries, &now_ms);

	if (st != ST_OK)
		return st;
	members = arena_new_array(&tool->page, struct member, entries->count + 1);
	ages = arena_new_array(&tool->page, uint64_t, entries->count + 1);
	if (!members || !ages)
		return error_set(&tool->err, ST_RESOURCE_EXHAUSTED, "there are too many members");
	for (size_t i = 0; i + 1 < entries->count; i += 2) {
		uint64_t at_ms = 0;

		(void)text_to_u64(entries->items[i + 1].text, &at_ms);
		ages[count] = now_ms > at_ms ? now_ms - at_ms : 0;
		/* Nobody has removed it since, for nobody else is there. */
		if (ages[count] <= MEMBERS_TTL_MS + 1000)
			count += read_member(entries->items[i].text, &tool->page, &members[count]);
	}
	sort_members(members, ages, count);
	*ret_members = members;
	*ret_ages = ages;
	*ret_count = count;
	return ST_OK;
}

static const char *const states[] = {"starting", "up", "leaving"};

int journal_members(struct tool *tool)
{
	struct member *members;
	uint64_t *ages;
	size_t count;

	if (load_members(tool, &members, &ages, &count) != ST_OK)
		return tool_fail(tool);
	for (size_t i = 0; i < count; i++) {
		if (!tool->args->is_json) {
			(void)buf_printf(&tool->out, "%-40s %s\n", members[i].address,
					 states[members[i].state]);
			continue;
		}
		(void)buf_append_str(&tool->out, "{\"address\":");
		put_text(&tool->out, span_from_str(members[i].address));
		(void)buf_printf(&tool->out, ",\"state\":\"%s\"}\n", states[members[i].state]);
	}
	return tool_flush(tool) ? CLI_OK : tool_fail(tool);
}

/* NULL, too, when the members cannot be asked. */
static const char *owner_of(struct tool *tool, const struct journal_key *key)
{
	const struct member *owner;
	struct member *members;
	uint64_t *ages;
	size_t count;

	if (load_members(tool, &members, &ages, &count) != ST_OK)
		return NULL;
	owner = rendezvous_owner(members, count, NULL, key->type, key->id);
	return owner ? owner->address : NULL;
}

int journal_owner(struct tool *tool)
{
	struct journal_key key;
	bool has_id;
	const char *owner;

	if (!tool_key(tool->args->words[0], &key, &has_id) || !has_id)
		return command_fail(CLI_USAGE, "owner takes TYPE/ID");
	owner = owner_of(tool, &key);
	if (!owner)
		return command_fail(CLI_REFUSED, "no gateway is up");
	if (tool->args->is_json) {
		put_name(&tool->out, &key);
		(void)buf_printf(&tool->out, ",\"partition\":%u,\"owner\":", key_partition(&key));
		put_text(&tool->out, span_from_str(owner));
		(void)buf_append_str(&tool->out, "}\n");
	} else {
		(void)buf_printf(&tool->out, "%s\n", owner);
	}
	return tool_flush(tool) ? CLI_OK : tool_fail(tool);
}

/* ---- show ----------------------------------------------------------------------------------- */
static void show_head(struct tool *tool, const struct journal_key *key,
		      const struct admin_hash *hash, bool is_crdt)
{
	struct buf *out = &tool->out;
	struct span wall = admin_hash_get(hash, "zw");
	uint64_t at_ms;

	put_name(out, key);
	(void)buf_printf(out, ",\"kind\":\"%s\",\"partition\":%u,\"sequence\":%" PRIu64,
			 is_crdt			  ? "crdt"
			 : admin_hash_get(hash, "v").data ? "value"
							  : "event_sourced",
			 key_partition(key), admin_hash_number(hash, "s"));
	if (!is_crdt) {
		(void)buf_append_str(out, ",\"tag\":");
		put_hex(out, admin_hash_get(hash, "g"));
	}
	if (admin_hash_get(hash, "zs").data)
		(void)buf_printf(out, ",\"snapshot\":{\"sequence\":%" PRIu64 ",\"bytes\":%zu",
				 admin_hash_number(hash, "zs"), admin_hash_get(hash, "zp").len);
	if (admin_hash_get(hash, "zs").data && text_to_u64(wall, &at_ms))
		(void)buf_printf(out, ",\"age_ms\":%" PRIu64,
				 clock_wall_ms() > at_ms ? clock_wall_ms() - at_ms : 0);
	if (admin_hash_get(hash, "zs").data)
		(void)buf_append_str(out, "}");
	if (admin_hash_get(hash, "x").data) {
		(void)buf_append_str(out, ",\"erased\":");
		put_time(out, admin_hash_get(hash, "x"));
		(void)buf_append_str(out, ",\"reason\":");
		put_text(out, admin_hash_get(hash, "xr"));
	}
}

static enum status show_stream(struct tool *tool, const struct journal_key *key, bool is_crdt)
{
	const struct admin_value *bytes = NULL;
	const struct admin_value *length = NULL;
	struct admin_entries first;
	struct span words[] = {SPAN_LIT("XLEN"), SPAN_EMPTY, SPAN_EMPTY};
	struct span usage[] = {SPAN_LIT("MEMORY"), SPAN_LIT("USAGE"), SPAN_EMPTY};
	enum admin_sort sort = is_crdt ? ADMIN_DELTAS : ADMIN_EVENTS;
	unsigned partition = key_partition(key);
	enum status st =
		admin_key(tool->admin, &(struct admin_place){sort, partition, key->type, &key->id},
			  &tool->page, &words[1], &tool->err);

	usage[2] = words[1];
	if (st == ST_OK)
		st = admin_ask(
			tool->admin,
			&(struct admin_command){.partition = partition, .words = words, .count = 2},
			&tool->page, &length, &tool->err);
	if (st == ST_OK)
		st = admin_ask(
			tool->admin,
			&(struct admin_command){.partition = partition, .words = usage, .count = 3},
			&tool->page, &bytes, &tool->err);
	if (st == ST_OK)
		st = admin_entries(tool->admin, &(struct admin_stretch){sort, key, 0, UINT64_MAX},
				   &tool->page, &first, &tool->err);
	if (st != ST_OK)
		return st;
	(void)buf_printf(&tool->out, ",\"%s\":%" PRId64 ",\"bytes\":%" PRId64,
			 is_crdt ? "deltas" : "events", length->number, bytes->number);
	if (first.count)
		(void)buf_printf(&tool->out, ",\"first\":%.*s",
				 SPAN_FMT(span_head(first.entries[0].id,
						    span_find(first.entries[0].id, '-'))));
	return ST_OK;
}

static enum status show_entity(struct tool *tool, const struct journal_key *key)
{
	struct admin_hash hash;
	const char *owner;
	bool is_crdt = false;
	enum status st = admin_hash(tool->admin, ADMIN_HEAD, key, &tool->page, &hash, &tool->err);

	if (st == ST_OK && hash.count == 0) {
		is_crdt = true;
		st = admin_hash(tool->admin, ADMIN_CRDT, key, &tool->page, &hash, &tool->err);
	}
	if (st == ST_OK && hash.count == 0)
		st = error_set(&tool->err, ST_NOT_FOUND, "there is no such entity");
	if (st != ST_OK)
		return st;
	show_head(tool, key, &hash, is_crdt);
	if (admin_hash_get(&hash, "v").data && admin_hash_get(&hash, "zp").data) {
		(void)buf_append_str(&tool->out, ",\"state\":");
		put_any(tool, &tool->out, admin_hash_get(&hash, "zt"), admin_hash_get(&hash, "zp"));
	} else {
		st = show_stream(tool, key, is_crdt);
	}
	owner = st == ST_OK ? owner_of(tool, key) : NULL;
	(void)buf_append_str(&tool->out, ",\"owner\":");
	if (owner)
		put_text(&tool->out, span_from_str(owner));
	else
		(void)buf_append_str(&tool->out, "null");
	(void)buf_append_str(&tool->out, "}\n");
	return st;
}

int journal_show(struct tool *tool)
{
	struct journal_key key;
	bool has_id;

	if (!tool_key(tool->args->words[0], &key, &has_id) || !has_id)
		return command_fail(CLI_USAGE, "show takes TYPE/ID");
	if (tool_load_schema(tool) != ST_OK)
		return command_fail(CLI_USAGE, tool->err.message);
	if (show_entity(tool, &key) != ST_OK)
		return tool_fail(tool);
	return tool_flush(tool) ? CLI_OK : tool_fail(tool);
}
