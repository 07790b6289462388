/* headgate journal import: puts an export back. An entity that is there already must be the same,
 * or the beginning of it: so an import that was interrupted can be run again. Entries are appended
 * by the thousand, behind the head they were exported with.
 *
 *   head -> what is there? -> entries: compared while they are there, then kept -> written in
 * batches
 *                          -> next head: the rest is written, and the head itself compared */
#include "src/cli/journal_import.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "journal/record.h"
#include "src/base/mem.h"
#include "src/base/text.h"

/* ---- lines ---------------------------------------------------------------------------------- */
enum status line_source_open(struct line_source *source, const char *path, struct error *err)
{
	*source = (struct line_source){0};
	export_reader_init(&source->reader);
	source->file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	if (!source->file)
		return error_set_errno(err, ST_NOT_FOUND, errno, "%.200s", path);
	return ST_OK;
}

void line_source_fini(struct line_source *source)
{
	export_reader_fini(&source->reader);
	if (source->file && source->file != stdin)
		(void)fclose(source->file); /* it was read only */
	mem_free(source->line);
}

enum status line_source_next(struct line_source *source, struct export_line *ret_line,
			     struct error *err)
{
	ssize_t len = getline(&source->line, &source->cap, source->file);

	if (len < 0 && ferror(source->file))
		return error_set_errno(err, ST_UNAVAILABLE, errno, "reading");
	if (len < 0)
		return export_reader_finish(&source->reader, err) == ST_OK ? ST_CANCELLED
									   : err->status;
	if (source->line[len - 1] == '\n')
		len--;
	if ((size_t)len > EXPORT_LINE_MAX)
		return error_set(err, ST_INVALID_ARGUMENT, "a line is longer than %zu bytes",
				 EXPORT_LINE_MAX);
	return export_read(&source->reader, span_make(source->line, (size_t)len), ret_line, err);
}

enum status line_source_check(struct line_source *source, struct error *err)
{
	struct export_line line;
	enum status st = ST_OK;

	if (fseek(source->file, 0, SEEK_SET) != 0)
		return ST_OK; /* a pipe: it is checked while it is read */
	while (st == ST_OK)
		st = line_source_next(source, &line, err);
	if (st != ST_CANCELLED)
		return st;
	rewind(source->file);
	export_reader_fini(&source->reader);
	export_reader_init(&source->reader);
	return ST_OK;
}

/* ---- one entity ----------------------------------------------------------------------------- */
struct importer {
	struct tool *tool;
	bool is_open; /* an entity is being read */
	bool is_crdt;
	bool is_different;  /* the entity: reported, the rest of it is passed over */
	bool is_changed;    /* something of it was written */
	struct arena names; /* of the entity: key, fields, what is there */
	struct journal_key key;
	struct admin_hash want;	  /* the hash, as exported */
	struct admin_hash there;  /* as the journal has it */
	struct journal_head base; /* of the journal: behind it the next entry is put */
	uint64_t next;		  /* sequence of the entry that comes next */
	struct arena page;	  /* of entries that are there, to be compared */
	struct admin_entries stored;
	uint64_t stored_first;
	struct arena batch;
	struct admin_entry *entries;
	size_t entry_count;
	size_t bytes;
	uint64_t created;
	uint64_t identical;
	uint64_t different;
};

static void differ(struct importer *im, const char *why, uint64_t sequence)
{
	if (im->is_different)
		return;
	im->is_different = true;
	im->different++;
	(void)fprintf(stderr, "headgate: %.*s/%.*s: %s", SPAN_FMT(im->key.type),
		      SPAN_FMT(im->key.id), why); /* the last resort */
	if (sequence)
		(void)fprintf(stderr, " %" PRIu64, sequence);
	(void)fputc('\n', stderr);
}

static bool same_fields(const struct admin_hash *a, const struct admin_hash *b)
{
	bool is_same = a->count == b->count;

	for (size_t i = 0; is_same && i < a->count; i++)
		is_same = span_eq(a->fields[i].name, b->fields[i].name) &&
			  span_eq(a->fields[i].value, b->fields[i].value);
	return is_same;
}

/* Feed entries of what is written: one for each append, or for the state of a value entity. */
static size_t make_runs(const struct importer *im, bool is_last, struct admin_run *runs)
{
	size_t count = 0;
	struct span tag = SPAN_EMPTY;

	for (size_t i = 0; i < im->entry_count; i++) {
		struct span own = admin_entry_get(&im->entries[i], "g");
		uint64_t sequence = im->next - im->entry_count + i;

		if (count && span_eq(own, tag)) {
			runs[count - 1].last = sequence;
			runs[count - 1].count++;
		} else {
			runs[count++] = (struct admin_run){sequence, 1};
		}
		tag = own;
	}
	if (is_last && admin_hash_get(&im->want, "v").data && !admin_hash_get(&im->want, "x").data)
		runs[count++] = (struct admin_run){admin_hash_number(&im->want, "s"), 0};
	return count;
}

/* With the last part the hash is as it was. Before, its s and g are those of the last entry; the
 * snapshot waits, but a CRDT's state stands before its deltas. */
static size_t make_fields(const struct importer *im, bool is_last, struct span s, struct span g,
			  struct admin_field *fields)
{
	struct span first = admin_hash_get(&im->want, "b");
	size_t count = 0;

	for (size_t i = 0; (is_last || im->is_crdt) && i < im->want.count; i++)
		fields[count++] = im->want.fields[i];
	for (size_t i = 0; !is_last && i < count; i++)
		if (span_eq_str(fields[i].name, "s"))
			fields[i].value = s;
	if (is_last || im->is_crdt)
		return count;
	fields[count++] = (struct admin_field){SPAN_LIT("s"), s};
	fields[count++] = (struct admin_field){SPAN_LIT("g"), g};
	if (first.data)
		fields[count++] = (struct admin_field){SPAN_LIT("b"), first};
	return count;
}

static enum status flush(struct importer *im, bool is_last)
{
	struct admin_field fields[EXPORT_FIELDS_MAX + 3];
	struct admin_run runs[JOURNAL_EVENTS_MAX + 1];
	char digits[TEXT_U64_DIGITS];
	struct span tag = im->entry_count ? admin_entry_get(&im->entries[im->entry_count - 1], "g")
					  : SPAN_EMPTY;
	struct admin_import import = {
		.is_crdt = im->is_crdt,
		.key = &im->key,
		.expected = &im->base,
		.fields = fields,
		.entries = im->entries,
		.entry_count = im->entry_count,
		.runs = runs,
	};
	enum status st = ST_OK;

	import.field_count =
		make_fields(im, is_last, text_from_u64(im->next - 1, digits), tag, fields);
	import.run_count = im->is_crdt ? 0 : make_runs(im, is_last, runs);
	if (!im->tool->args->is_check)
		st = admin_import(im->tool->admin, &import, &im->tool->err);
	im->base.sequence = im->next - 1;
	if (tag.len == sizeof(im->base.tag.bytes))
		memcpy(im->base.tag.bytes, tag.data, tag.len);
	im->is_changed = true;
	im->entry_count = 0;
	im->bytes = 0;
	arena_reset(&im->batch);
	if (st == ST_ABORTED) {
		differ(im, "it was changed while it was imported", 0);
		st = ST_OK;
	}
	return st;
}

/* ---- its entries ---------------------------------------------------------------------------- */
static enum status load_stored(struct importer *im, uint64_t sequence)
{
	if (sequence >= im->stored_first && sequence < im->stored_first + im->stored.count)
		return ST_OK;
	arena_reset(&im->page);
	im->stored_first = sequence;
	return admin_entries(im->tool->admin,
			     &(struct admin_stretch){im->is_crdt ? ADMIN_DELTAS : ADMIN_EVENTS,
						     &im->key, sequence, im->base.sequence},
			     &im->page, &im->stored, &im->tool->err);
}

/* It is there already, and must be the same. */
static enum status compare(struct importer *im, const struct export_line *line)
{
	const struct admin_entry *entry;
	bool is_same;

	if (load_stored(im, line->sequence) != ST_OK)
		return im->tool->err.status;
	if (im->stored.count == 0) {
		differ(im, "it is there, but without entry", line->sequence);
		return ST_OK;
	}
	entry = &im->stored.entries[line->sequence - im->stored_first];
	is_same = entry->count == 2 * line->field_count;
	for (size_t i = 0; is_same && i < line->field_count; i++)
		is_same = span_eq(entry->texts[2 * i], line->fields[i].name) &&
			  span_eq(entry->texts[2 * i + 1], line->fields[i].value);
	if (!is_same)
		differ(im, "it is there already, and differs in entry", line->sequence);
	return ST_OK;
}

/* The strictness of a reader, before it is too late. */
static enum status check_event(const struct export_line *line, struct error *err)
{
	struct span texts[2 * EXPORT_FIELDS_MAX];
	struct record record;
	char id[32];

	for (size_t i = 0; i < line->field_count; i++) {
		texts[2 * i] = line->fields[i].name;
		texts[2 * i + 1] = line->fields[i].value;
	}
	(void)snprintf(id, sizeof(id), "%" PRIu64 "-0", line->sequence);
	return record_read(span_from_str(id), texts, 2 * line->field_count, &record, err);
}

static enum status keep(struct importer *im, const struct export_line *line)
{
	struct admin_entry *entry;
	size_t bytes = 0;

	for (size_t i = 0; i < line->field_count; i++)
		bytes += line->fields[i].name.len + line->fields[i].value.len;
	if (im->entry_count == JOURNAL_EVENTS_MAX ||
	    (im->entry_count && bytes > JOURNAL_APPEND_BYTES_MAX - im->bytes)) {
		enum status st = flush(im, false);

		if (st != ST_OK || im->is_different)
			return st;
	}
	entry = &im->entries[im->entry_count];
	entry->id = arena_span(&im->batch, SPAN_LIT("99999999999999999999-0"));
	entry->texts = arena_new_array(&im->batch, struct span, 2 * line->field_count + 1);
	if (!entry->texts || !entry->id.data)
		return error_set(&im->tool->err, ST_RESOURCE_EXHAUSTED, "an entry is too large");
	entry->id.len = (size_t)snprintf((char *)(uintptr_t)entry->id.data, entry->id.len,
					 "%" PRIu64 "-0", line->sequence);
	entry->count = 2 * line->field_count;
	for (size_t i = 0; i < entry->count; i++) {
		struct span text = i % 2 ? line->fields[i / 2].value : line->fields[i / 2].name;

		entry->texts[i] = text.len ? arena_span(&im->batch, text) : SPAN_LIT("");
	}
	im->entry_count++;
	im->bytes = bytes > JOURNAL_APPEND_BYTES_MAX ? JOURNAL_APPEND_BYTES_MAX : im->bytes + bytes;
	return im->batch.is_exhausted
		       ? error_set(&im->tool->err, ST_RESOURCE_EXHAUSTED, "an entry is too large")
		       : ST_OK;
}

static enum status on_entry(struct importer *im, const struct export_line *line)
{
	struct error *err = &im->tool->err;
	enum status st;

	if (!im->is_open || !span_eq(line->type, im->key.type) || !span_eq(line->id, im->key.id) ||
	    im->is_crdt != (line->sort == EXPORT_DELTA))
		return error_set(err, ST_INVALID_ARGUMENT, "an entry without its head");
	if (line->sequence != im->next)
		return error_set(err, ST_DATA_LOSS, "%" PRIu64 " is missing", im->next);
	if (line->sort == EXPORT_EVENT && check_event(line, err) != ST_OK)
		return err->status;
	if (im->is_different)
		st = ST_OK;
	else if (im->there.count && line->sequence <= im->base.sequence)
		st = compare(im, line);
	else
		st = keep(im, line);
	im->next++; /* flush counts from it */
	return st;
}

/* ---- its head ------------------------------------------------------------------------------- */
static enum status check_head(const struct export_line *line, struct error *err)
{
	static const char *const names[RECORD_HEAD_FIELDS_] = {"s",  "g",  "x", "zs",
							       "zt", "zp", "v"};
	struct admin_hash hash = {(struct admin_field *)(uintptr_t)line->fields, line->field_count};
	struct span fields[RECORD_HEAD_FIELDS_];
	struct record_head head;

	if (line->sort == EXPORT_CRDT)
		return admin_hash_number(&hash, "s")
			       ? ST_OK
			       : error_set(err, ST_DATA_LOSS, "a CRDT without position");
	for (size_t i = 0; i < RECORD_HEAD_FIELDS_; i++)
		fields[i] = admin_hash_get(&hash, names[i]);
	return record_read_head(fields, false, &head, err);
}

static enum status copy_head(struct importer *im, const struct export_line *line)
{
	arena_reset(&im->names);
	im->is_crdt = line->sort == EXPORT_CRDT;
	im->key.type = arena_span(&im->names, line->type);
	im->key.id = line->id.len ? arena_span(&im->names, line->id) : SPAN_LIT("");
	im->want.count = line->field_count;
	im->want.fields = arena_new_array(&im->names, struct admin_field, line->field_count + 1);
	for (size_t i = 0; im->want.fields && i < line->field_count; i++) {
		struct span value = line->fields[i].value;

		im->want.fields[i].name = arena_span(&im->names, line->fields[i].name);
		im->want.fields[i].value = value.len ? arena_span(&im->names, value) : SPAN_LIT("");
	}
	return im->names.is_exhausted
		       ? error_set(&im->tool->err, ST_RESOURCE_EXHAUSTED, "a head is too large")
		       : ST_OK;
}

static enum status on_head(struct importer *im, const struct export_line *line)
{
	struct tool *tool = im->tool;
	enum status st = check_head(line, &tool->err);
	uint64_t first;

	if (st == ST_OK)
		st = copy_head(im, line);
	if (st == ST_OK)
		st = admin_hash(tool->admin, im->is_crdt ? ADMIN_CRDT : ADMIN_HEAD, &im->key,
				&im->names, &im->there, &tool->err);
	if (st != ST_OK)
		return st;
	first = im->is_crdt ? admin_hash_number(&im->want, "zs") + 1
			    : admin_hash_number(&im->want, "b");
	im->is_open = true;
	im->is_different = false;
	im->is_changed = false;
	im->next = first ? first : 1;
	im->stored = (struct admin_entries){0};
	im->base = admin_hash_head(&im->there);
	if (im->is_crdt)
		im->base.sequence = admin_hash_number(&im->there, "s");
	return ST_OK;
}

static bool has_entries(const struct importer *im)
{
	return !admin_hash_get(&im->want, "x").data && !admin_hash_get(&im->want, "v").data;
}

/* The entity is complete. */
static enum status finish(struct importer *im)
{
	uint64_t last = admin_hash_number(&im->want, "s");
	enum status st = ST_OK;

	if (!im->is_open)
		return ST_OK;
	im->is_open = false;
	if (im->is_different)
		return ST_OK;
	if (has_entries(im) && im->next != last + 1)
		return error_set(&im->tool->err, ST_DATA_LOSS, "%" PRIu64 " is missing", im->next);
	if (!im->is_changed && im->there.count && (im->entry_count == 0 || !has_entries(im))) {
		if (same_fields(&im->there, &im->want))
			im->identical++;
		else
			differ(im, "it is there already, with another head", 0);
		return ST_OK;
	}
	if (!has_entries(im))
		im->next = last + 1;
	st = flush(im, true);
	if (st == ST_OK && !im->is_different)
		im->created++;
	return st;
}

/* ---- the command ---------------------------------------------------------------------------- */
static enum status import_all(struct importer *im, struct line_source *source)
{
	struct export_line line;
	struct error *err = &im->tool->err;
	enum status st = line_source_check(source, err);

	while (st == ST_OK) {
		st = line_source_next(source, &line, err);
		if (st != ST_OK)
			break;
		if (source->reader.is_salvage)
			return error_set(err, ST_INVALID_ARGUMENT,
					 "this is what a journal lost: headgate journal salvage");
		if (line.sort == EXPORT_EVENT || line.sort == EXPORT_DELTA)
			st = on_entry(im, &line);
		else
			st = finish(im);
		if (st == ST_OK && (line.sort == EXPORT_HEAD || line.sort == EXPORT_CRDT))
			st = on_head(im, &line);
		if (st != ST_OK)
			(void)error_wrap(err, "line %" PRIu64, source->reader.line);
	}
	return st == ST_CANCELLED ? ST_OK : st;
}

static void report(struct importer *im)
{
	bool is_check = im->tool->args->is_check;

	(void)buf_printf(&im->tool->out,
			 im->tool->args->is_json ? "{\"%s\":%" PRIu64 ",\"identical\":%" PRIu64
						   ",\"different\":%" PRIu64 "}\n"
						 : "%s %" PRIu64 ", identical %" PRIu64
						   ", different %" PRIu64 "\n",
			 is_check ? "missing" : "imported", im->created, im->identical,
			 im->different);
}

int journal_import(struct tool *tool)
{
	struct importer im = {.tool = tool};
	struct line_source source;
	enum status st = line_source_open(&source, tool->args->words[0], &tool->err);

	if (st != ST_OK) {
		line_source_fini(&source);
		return command_fail(CLI_USAGE, tool->err.message);
	}
	arena_init(&im.names, ADMIN_ARENA_BYTES);
	arena_init(&im.page, ADMIN_ARENA_BYTES);
	arena_init(&im.batch, ADMIN_ARENA_BYTES);
	im.entries = mem_new_array(struct admin_entry, JOURNAL_EVENTS_MAX);
	st = import_all(&im, &source);
	report(&im);
	mem_free(im.entries);
	arena_fini(&im.batch);
	arena_fini(&im.page);
	arena_fini(&im.names);
	line_source_fini(&source);
	if (!tool_flush(tool) || st != ST_OK)
		return tool_fail(tool);
	return im.different ? CLI_REFUSED : CLI_OK;
}
