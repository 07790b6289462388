/* headgate journal export: one page in memory at a time. What is written to meanwhile is exported
 * as it was when its head was read. */
#include <inttypes.h>

#include "journal/export.h"
#include "src/base/text.h"
#include "src/cli/journal.h"

struct exporter {
	struct tool *tool;
	struct export_writer writer;
	struct span only; /* id; data NULL: all */
	uint64_t found;
};

static bool put_line(struct exporter *e, const struct export_line *line)
{
	struct tool *tool = e->tool;

	if (!export_write(&e->writer, line, &tool->out)) {
		(void)error_set(&tool->err, ST_RESOURCE_EXHAUSTED, "an entity is too large");
		return false;
	}
	return tool_flush(tool);
}

static enum status put_entry(struct exporter *e, const struct tool_entity *entity,
			     const struct admin_entry *entry, uint64_t sequence)
{
	struct admin_field fields[EXPORT_FIELDS_MAX];
	struct export_line line = {
		.sort = entity->sort == ADMIN_CRDT ? EXPORT_DELTA : EXPORT_EVENT,
		.type = entity->key.type,
		.id = entity->key.id,
		.fields = fields,
		.field_count = entry->count / 2,
	};

	if (!text_to_u64(span_head(entry->id, span_find(entry->id, '-')), &line.sequence) ||
	    line.sequence != sequence || line.field_count > EXPORT_FIELDS_MAX)
		return error_set(&e->tool->err, ST_DATA_LOSS,
				 "entry %" PRIu64 " is missing; headgate journal verify tells more",
				 sequence);
	for (size_t i = 0; i < line.field_count; i++)
		fields[i] = (struct admin_field){entry->texts[2 * i], entry->texts[2 * i + 1]};
	return put_line(e, &line) ? ST_OK : e->tool->err.status;
}

/* Entries first..last, all of them. */
static enum status put_entries(struct exporter *e, const struct tool_entity *entity, uint64_t first,
			       uint64_t last)
{
	bool is_crdt = entity->sort == ADMIN_CRDT;
	struct tool *tool = e->tool;

	while (first <= last) {
		struct admin_entries page;
		struct arena arena;
		enum status st;

		arena_init(&arena, ADMIN_ARENA_BYTES);
		st = admin_entries(tool->admin,
				   &(struct admin_stretch){is_crdt ? ADMIN_DELTAS : ADMIN_EVENTS,
							   &entity->key, first, last},
				   &arena, &page, &tool->err);
		for (size_t i = 0; st == ST_OK && i < page.count; i++, first++)
			st = put_entry(e, entity, &page.entries[i], first);
		if (st == ST_OK && page.count == 0)
			st = error_set(&tool->err, ST_DATA_LOSS, "entry %" PRIu64 " is missing",
				       first);
		arena_fini(&arena);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

static enum status put_entity(struct exporter *e, const struct tool_entity *entity)
{
	bool is_crdt = entity->sort == ADMIN_CRDT;
	struct tool *tool = e->tool;
	struct admin_hash hash;
	struct export_line line = {
		.sort = is_crdt ? EXPORT_CRDT : EXPORT_HEAD,
		.type = entity->key.type,
		.id = entity->key.id,
	};
	uint64_t first;
	enum status st;

	arena_reset(&tool->page);
	st = admin_hash(tool->admin, is_crdt ? ADMIN_CRDT : ADMIN_HEAD, &entity->key, &tool->page,
			&hash, &tool->err);
	if (st != ST_OK || hash.count == 0)
		return st; /* of an index that is behind */
	line.fields = hash.fields;
	line.field_count = hash.count;
	if (!put_line(e, &line))
		return tool->err.status;
	e->found++;
	if (admin_hash_get(&hash, "x").data || admin_hash_get(&hash, "v").data)
		return ST_OK;
	first = is_crdt ? admin_hash_number(&hash, "zs") + 1 : admin_hash_number(&hash, "b");
	return put_entries(e, entity, first ? first : 1, admin_hash_number(&hash, "s"));
}

static enum status on_entity(void *data, const struct tool_entity *entity, struct error *err)
{
	struct exporter *e = data;

	if (e->only.data && !span_eq(e->only, entity->key.id))
		return ST_OK;
	if (put_entity(e, entity) != ST_OK)
		return error_wrap(err, "%.*s/%.*s", SPAN_FMT(span_head(entity->key.type, 100)),
				  SPAN_FMT(span_head(entity->key.id, 100)));
	return ST_OK;
}

int journal_export(struct tool *tool)
{
	struct exporter e = {.tool = tool};
	const struct export_line begin = {.sort = EXPORT_BEGIN};
	const struct export_line end = {.sort = EXPORT_END};
	struct tool_walk walk = {.on_entity = on_entity, .data = &e};
	struct catalogue catalogue;
	struct journal_key key;
	bool has_id = false;
	enum status st;

	if (tool->args->word_count) {
		if (!tool_key(tool->args->words[0], &key, &has_id))
			return command_fail(CLI_USAGE, "export takes TYPE or TYPE/ID");
		walk.type = key.type;
		if (has_id) {
			e.only = key.id;
			walk.prefix = key.id;
		}
	}
	export_writer_init(&e.writer);
	st = catalogue_load(tool, &catalogue);
	if (st == ST_OK && !put_line(&e, &begin))
		st = tool->err.status;
	if (st == ST_OK)
		st = tool_walk(tool, &catalogue, &walk);
	catalogue_fini(&catalogue);
	if (st == ST_OK && has_id && e.found == 0)
		st = error_set(&tool->err, ST_NOT_FOUND, "there is no such entity");
	if (st == ST_OK && !put_line(&e, &end))
		st = tool->err.status;
	return st == ST_OK ? CLI_OK : tool_fail(tool);
}
