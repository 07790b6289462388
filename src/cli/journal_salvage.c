/* headgate journal salvage: what a journal lost, compared with what it has, and put back where it
 * still fits: behind the very head it was appended to. Nothing else can be right, for what came
 * later was decided without it. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "journal/salvage.h"
#include "src/base/text.h"
#include "src/cli/journal_import.h"

struct salvage {
	struct tool *tool;
	bool does_import;
	struct buf name;   /* of the entity: type NUL id */
	uint64_t sequence; /* head of the journal, as far as it was put back */
	struct buf tag;
	bool is_erased;
	bool is_other; /* this entity went on without what was lost */
	uint64_t same;
	uint64_t missing;
	uint64_t other;
};

static void say(struct salvage *s, const struct export_line *line, const char *what)
{
	struct buf *out = &s->tool->out;
	const struct journal_key key = {line->type, line->id};

	if (s->tool->args->is_json) {
		put_name(out, &key);
		(void)buf_printf(out, ",\"seq\":%" PRIu64 ",\"is\":\"%s\"}\n", line->sequence,
				 what);
	} else {
		(void)buf_printf(out, "%.*s/%.*s %" PRIu64 ": %s\n", SPAN_FMT(line->type),
				 SPAN_FMT(line->id), line->sequence, what);
	}
}

static bool is_same_entity(struct salvage *s, const struct export_line *line)
{
	struct span name = buf_span(&s->name);

	return name.len == line->type.len + 1 + line->id.len && name.data &&
	       span_eq(span_head(name, line->type.len), line->type) &&
	       span_eq(span_skip(name, line->type.len + 1), line->id);
}

/* The journal's head, when the entity is another one than before. */
static enum status look(struct salvage *s, const struct export_line *line)
{
	const struct journal_key key = {line->type, line->id};
	struct admin_hash hash;
	enum status st;

	if (is_same_entity(s, line))
		return ST_OK;
	arena_reset(&s->tool->page);
	st = admin_hash(s->tool->admin, ADMIN_HEAD, &key, &s->tool->page, &hash, &s->tool->err);
	if (st != ST_OK)
		return st;
	buf_reset(&s->name);
	buf_reset(&s->tag);
	(void)buf_append(&s->name, line->type); /* both were names */
	(void)buf_append_byte(&s->name, 0);
	(void)buf_append(&s->name, line->id);
	(void)buf_append(&s->tag, admin_hash_get(&hash, "g"));
	s->sequence = admin_hash_number(&hash, "s");
	s->is_erased = admin_hash_get(&hash, "x").data;
	s->is_other = s->is_erased;
	return ST_OK;
}

static struct span field(const struct export_line *line, const char *name)
{
	for (size_t i = 0; i < line->field_count; i++)
		if (span_eq_str(line->fields[i].name, name))
			return line->fields[i].value;
	return SPAN_EMPTY;
}

/* Is the event of this sequence the very one? */
static enum status is_there(struct salvage *s, const struct export_line *line, bool *ret_is)
{
	const struct journal_key key = {line->type, line->id};
	struct admin_entries page;
	enum status st;

	arena_reset(&s->tool->page);
	st = admin_entries(
		s->tool->admin,
		&(struct admin_stretch){ADMIN_EVENTS, &key, line->sequence, line->sequence},
		&s->tool->page, &page, &s->tool->err);
	if (st == ST_OK)
		*ret_is = page.count &&
			  span_eq(admin_entry_get(&page.entries[0], "g"), field(line, "g"));
	return st;
}

static enum status put_back(struct salvage *s, const struct export_line *line, bool is_event)
{
	const struct journal_key key = {line->type, line->id};
	struct journal_head base = {.sequence = s->sequence};
	struct span texts[2 * EXPORT_FIELDS_MAX];
	char id[32];
	const struct admin_entry entry = {
		span_make(id, (size_t)snprintf(id, sizeof(id), "%" PRIu64 "-0", line->sequence)),
		texts, 2 * line->field_count};
	const struct admin_field head[] = {{SPAN_LIT("s"), span_head(entry.id, entry.id.len - 2)},
					   {SPAN_LIT("g"), field(line, "g")}};
	const struct admin_run run = {line->sequence, is_event};
	const struct admin_import import = {
		.key = &key,
		.expected = &base,
		.fields = is_event ? head : line->fields,
		.field_count = is_event ? 2 : line->field_count,
		.entries = &entry,
		.entry_count = is_event,
		.runs = &run,
		.run_count = 1,
	};
	struct span tag = buf_span(&s->tag);
	enum status st = ST_OK;

	for (size_t i = 0; i < line->field_count; i++) {
		texts[2 * i] = line->fields[i].name;
		texts[2 * i + 1] = line->fields[i].value;
	}
	if (tag.len == sizeof(base.tag.bytes))
		memcpy(base.tag.bytes, tag.data, tag.len);
	if (s->does_import && !s->tool->args->is_check)
		st = admin_import(s->tool->admin, &import, &s->tool->err);
	s->sequence = line->sequence;
	buf_reset(&s->tag);
	(void)buf_append(&s->tag, field(line, "g"));
	return st;
}

static enum status take(struct salvage *s, struct export_line *line)
{
	bool is_event = line->sort == EXPORT_EVENT;
	bool is_same = false;
	enum status st = look(s, line);

	if (!is_event && !text_to_u64(field(line, "s"), &line->sequence))
		return error_set(&s->tool->err, ST_DATA_LOSS, "a head without sequence");
	if (st == ST_OK && !s->is_other && is_event && line->sequence <= s->sequence)
		st = is_there(s, line, &is_same);
	if (st == ST_OK && !is_event)
		is_same = span_eq(buf_span(&s->tag), field(line, "g"));
	if (st != ST_OK)
		return st;
	if (is_same) {
		s->same++;
		say(s, line, "there");
		return ST_OK;
	}
	if (s->is_other || line->sequence <= s->sequence ||
	    (is_event && line->sequence != s->sequence + 1) || (!is_event && !line->base.data) ||
	    (line->base.data && !span_eq(line->base, buf_span(&s->tag)))) {
		s->is_other = true;
		s->other++;
		say(s, line, s->is_erased ? "erased" : "overtaken");
		return ST_OK;
	}
	s->missing++;
	say(s, line, s->does_import && !s->tool->args->is_check ? "put back" : "missing");
	return put_back(s, line, is_event);
}

static enum status take_all(struct salvage *s, struct line_source *source)
{
	struct error *err = &s->tool->err;
	struct export_line line;
	enum status st = line_source_check(source, err);

	while (st == ST_OK) {
		st = line_source_next(source, &line, err);
		if (st == ST_OK && !source->reader.is_salvage)
			return error_set(err, ST_INVALID_ARGUMENT,
					 "this is an export: headgate journal import");
		if (st == ST_OK && (line.sort == EXPORT_EVENT || line.sort == EXPORT_HEAD))
			st = take(s, &line);
		if (st == ST_OK && !tool_flush(s->tool))
			st = err->status;
	}
	return st == ST_CANCELLED ? ST_OK : st;
}

static int run(struct tool *tool, const char *path, bool does_import)
{
	struct salvage s = {.tool = tool, .does_import = does_import};
	struct line_source source;
	enum status st = line_source_open(&source, path, &tool->err);

	if (st != ST_OK) {
		line_source_fini(&source);
		return command_fail(CLI_USAGE, tool->err.message);
	}
	buf_init(&s.name, EXPORT_LINE_MAX);
	buf_init(&s.tag, EXPORT_LINE_MAX);
	st = take_all(&s, &source);
	buf_fini(&s.name);
	buf_fini(&s.tag);
	line_source_fini(&source);
	if (st == ST_OK && !tool->args->is_json)
		(void)buf_printf(&tool->out,
				 "there %" PRIu64 ", missing %" PRIu64 ", overtaken %" PRIu64 "\n",
				 s.same, s.missing, s.other);
	if (st != ST_OK || !tool_flush(tool))
		return tool_fail(tool);
	return s.other || (s.missing && !does_import) ? CLI_REFUSED : CLI_OK;
}

/* ---- list ----------------------------------------------------------------------------------- */
static bool is_salvage_name(const char *name)
{
	size_t len = strlen(name);

	return span_starts_with(span_from_str(name), SPAN_LIT(SALVAGE_PREFIX)) &&
	       len > sizeof(SALVAGE_SUFFIX) &&
	       strcmp(name + len - (sizeof(SALVAGE_SUFFIX) - 1), SALVAGE_SUFFIX) == 0;
}

static void list_file(struct tool *tool, const char *path)
{
	struct line_source source;
	struct export_line line;
	struct error err;
	enum status st = line_source_open(&source, path, &err);

	while (st == ST_OK)
		st = line_source_next(&source, &line, &err);
	if (tool->args->is_json) {
		(void)buf_append_str(&tool->out, "{\"file\":");
		put_text(&tool->out, span_from_str(path));
		(void)buf_printf(&tool->out, ",\"events\":%" PRIu64 ",\"values\":%" PRIu64 "}\n",
				 source.reader.counts.events, source.reader.counts.heads);
	} else {
		(void)buf_printf(&tool->out, "%s: %" PRIu64 " events, %" PRIu64 " values%s%s\n",
				 path, source.reader.counts.events, source.reader.counts.heads,
				 st == ST_CANCELLED ? "" : "; ",
				 st == ST_CANCELLED ? "" : err.message);
	}
	line_source_fini(&source);
}

static int list(struct tool *tool, const char *path)
{
	char file[4600];
	struct dirent *entry;
	DIR *directory = opendir(path);

	if (!directory) {
		(void)error_set_errno(&tool->err, ST_NOT_FOUND, errno, "%.200s", path);
		return command_fail(CLI_USAGE, tool->err.message);
	}
	while ((entry = readdir(directory))) {
		if (!is_salvage_name(entry->d_name))
			continue;
		(void)snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		list_file(tool, file);
	}
	(void)closedir(directory); /* it was read only */
	return tool_flush(tool) ? CLI_OK : tool_fail(tool);
}

int journal_salvage(struct tool *tool)
{
	const char *what = tool->args->words[0];

	if (strcmp(what, "list") == 0)
		return list(tool, tool->args->words[1]);
	if (strcmp(what, "diff") == 0)
		return run(tool, tool->args->words[1], false);
	if (strcmp(what, "import") == 0)
		return run(tool, tool->args->words[1], true);
	return command_fail(CLI_USAGE, "salvage takes list, diff or import");
}
