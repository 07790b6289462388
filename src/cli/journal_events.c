/* headgate journal events, follow: what happened, and what happens. */
#include <inttypes.h>
#include <string.h>

#include "journal/key.h"
#include "src/base/text.h"
#include "src/cli/journal.h"

/* All feeds of a type are asked so often: new events show within a fraction of a second. */
#define FOLLOW_POLL_MS ((uint64_t)100)

/* ---- events --------------------------------------------------------------------------------- */
/* Prints first..last; *left bounds their number. */
static enum status print_events(struct tool *tool, const struct journal_key *key, uint64_t first,
				uint64_t last, uint64_t *left)
{
	while (first <= last && *left > 0) {
		struct admin_entries page;
		enum status st;

		arena_reset(&tool->page);
		st = admin_entries(tool->admin,
				   &(struct admin_stretch){ADMIN_EVENTS, key, first, last},
				   &tool->page, &page, &tool->err);
		if (st != ST_OK || page.count == 0)
			return st;
		for (size_t i = 0; i<page.count && * left> 0; i++) {
			struct span id = page.entries[i].id;

			put_event(tool, &tool->out, key, &page.entries[i]);
			if (!text_to_u64(span_head(id, span_find(id, '-')), &first))
				return error_set(&tool->err, ST_DATA_LOSS,
						 "an event has no sequence");
			first++;
			--*left;
		}
		if (!tool_flush(tool))
			return tool->err.status;
	}
	return ST_OK;
}

int journal_events(struct tool *tool)
{
	struct journal_key key;
	struct admin_hash hash;
	bool has_id;
	uint64_t first;
	uint64_t last;
	uint64_t left = UINT64_MAX;

	if (!tool_key(tool->args->words[0], &key, &has_id) || !has_id)
		return command_fail(CLI_USAGE, "events takes TYPE/ID");
	if (!tool_number(tool->args->from, 1, &first) ||
	    !tool_number(tool->args->to, JOURNAL_SEQUENCE_MAX, &last))
		return command_fail(CLI_USAGE, "--from and --to take numbers");
	if (tool_load_schema(tool) != ST_OK)
		return command_fail(CLI_USAGE, tool->err.message);
	if (admin_hash(tool->admin, ADMIN_HEAD, &key, &tool->page, &hash, &tool->err) != ST_OK)
		return tool_fail(tool);
	if (hash.count == 0)
		return command_fail(CLI_REFUSED, "there is no such entity");
	if (admin_hash_get(&hash, "x").data)
		return command_fail(CLI_REFUSED, "the entity was erased");
	if (print_events(tool, &key, first, last, &left) != ST_OK)
		return tool_fail(tool);
	return CLI_OK;
}

/* ---- follow --------------------------------------------------------------------------------- */
struct following {
	struct tool *tool;
	struct span type;
	struct span id; /* data NULL: all of the type */
	uint64_t left;
	uint64_t positions[KEY_PARTITIONS];
};

/* A write without an event: a value entity's state, or the end of an entity. */
static enum status print_state(struct following *f, const struct journal_key *key,
			       const struct admin_entry *entry)
{
	struct tool *tool = f->tool;
	struct admin_hash hash;
	struct arena arena;
	enum status st = ST_OK;

	put_name(&tool->out, key);
	(void)buf_printf(&tool->out, ",\"seq\":%.*s", SPAN_FMT(admin_entry_get(entry, "s")));
	arena_init(&arena, ADMIN_ARENA_BYTES);
	if (span_eq_str(admin_entry_get(entry, "op"), "erase")) {
		(void)buf_append_str(&tool->out, ",\"erased\":true}\n");
	} else {
		st = admin_hash(tool->admin, ADMIN_HEAD, key, &arena, &hash, &tool->err);
		(void)buf_append_str(&tool->out, ",\"state\":");
		if (st == ST_OK && admin_hash_get(&hash, "zp").data)
			put_any(tool, &tool->out, admin_hash_get(&hash, "zt"),
				admin_hash_get(&hash, "zp"));
		else
			(void)buf_append_str(&tool->out, "null");
		(void)buf_append_str(&tool->out, "}\n");
	}
	arena_fini(&arena);
	f->left--;
	return st == ST_OK && !tool_flush(tool) ? tool->err.status : st;
}

static enum status print_entry(struct following *f, const struct admin_entry *entry)
{
	struct journal_key key = {f->type, admin_entry_get(entry, "e")};
	uint64_t last = 0;
	uint64_t count = 0;

	if (f->id.data && !span_eq(f->id, key.id))
		return ST_OK;
	if (!text_to_u64(admin_entry_get(entry, "s"), &last) ||
	    !text_to_u64(admin_entry_get(entry, "n"), &count) || count > last)
		return error_set(&f->tool->err, ST_DATA_LOSS, "an entry of the feed is damaged");
	if (count == 0)
		return print_state(f, &key, entry);
	return print_events(f->tool, &key, last - count + 1, last, &f->left);
}

static enum status follow_partition(struct following *f, unsigned partition)
{
	struct admin_entries page = {NULL, ADMIN_PAGE};
	struct arena arena; /* print_events uses the tool's */
	enum status st = ST_OK;

	arena_init(&arena, ADMIN_ARENA_BYTES);
	while (st == ST_OK && page.count == ADMIN_PAGE && f->left > 0) {
		arena_reset(&arena);
		st = admin_feed(
			f->tool->admin,
			&(struct admin_feed_from){partition, f->type, f->positions[partition]},
			&arena, &page, &f->tool->err);
		for (size_t i = 0; st == ST_OK && i < page.count && f->left > 0; i++) {
			st = print_entry(f, &page.entries[i]);
			f->positions[partition] = admin_feed_position(&page.entries[i]);
		}
	}
	arena_fini(&arena);
	return st;
}

static enum status follow_start(struct following *f, unsigned first, unsigned last)
{
	for (unsigned p = first; p <= last; p++) {
		struct admin_entries newest;
		enum status st;

		arena_reset(&f->tool->page);
		st = admin_feed(f->tool->admin, &(struct admin_feed_from){p, f->type, UINT64_MAX},
				&f->tool->page, &newest, &f->tool->err);
		if (st != ST_OK)
			return st;
		f->positions[p] = newest.count ? admin_feed_position(&newest.entries[0]) : 0;
	}
	return ST_OK;
}

int journal_follow(struct tool *tool)
{
	struct following f = {.tool = tool};
	struct journal_key key;
	bool has_id;
	unsigned first;
	unsigned last;
	enum status st = ST_OK;

	if (!tool_key(tool->args->words[0], &key, &has_id))
		return command_fail(CLI_USAGE, "follow takes TYPE or TYPE/ID");
	if (!tool_number(tool->args->limit, UINT64_MAX, &f.left))
		return command_fail(CLI_USAGE, "--limit takes a number");
	if (tool_load_schema(tool) != ST_OK)
		return command_fail(CLI_USAGE, tool->err.message);
	f.type = key.type;
	f.id = has_id ? key.id : SPAN_EMPTY;
	first = has_id ? key_partition(&key) : 0;
	last = has_id ? first : KEY_PARTITIONS - 1;
	if (!tool->args->is_all)
		st = follow_start(&f, first, last);
	while (st == ST_OK && f.left > 0) {
		for (unsigned p = first; st == ST_OK && p <= last; p++)
			st = follow_partition(&f, p);
		if (st == ST_OK && f.left > 0)
			tool_wait(tool, FOLLOW_POLL_MS);
	}
	return st == ST_OK ? CLI_OK : tool_fail(tool);
}
