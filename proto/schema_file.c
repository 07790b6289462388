/* The files of a descriptor set: read, completed with built-in files, put in order.
 *
 * Imports form a graph whose edges are names. It is walked with a stack of its own (a set may chain
 * thousands of files): a file on the stack that comes up again is a circular import, and in both
 * that case and that of a missing file the stack is the path that the message shows. */
#include <string.h>

#include "proto/schema_internal.h"
#include "src/base/mem.h"

/* Files of ours that are added although nothing imports them, so that an Any may hold these types:
 * whatever else a reply carries, its error details do. */
static const char *const schema_extra_files[] = {
	"google/protobuf/any.proto",	  "google/protobuf/duration.proto",
	"google/protobuf/empty.proto",	  "google/protobuf/field_mask.proto",
	"google/protobuf/struct.proto",	  "google/protobuf/timestamp.proto",
	"google/protobuf/wrappers.proto", "google/rpc/status.proto",
	"google/rpc/error_details.proto",
};

static enum status schema_file_syntax(struct schema_file_entry *entry, struct span syntax,
				      uint64_t edition, struct error *err)
{
	static const struct schema_features proto2 = {1, 2, 2, 3, 1};
	static const struct schema_features proto3 = {2, 1, 1, 2, 1};
	static const struct schema_features edition2023 = {1, 1, 1, 2, 1};

	entry->file.syntax = syntax.len ? syntax : SPAN_LIT("proto2");
	if (span_eq_str(entry->file.syntax, "proto3"))
		entry->features = proto3;
	else if (span_eq_str(entry->file.syntax, "proto2"))
		entry->features = proto2;
	else if (!span_eq_str(entry->file.syntax, "editions"))
		return error_set(err, ST_INVALID_ARGUMENT, "%.*s has the unknown syntax %.*s",
				 SPAN_FMT(entry->file.name), SPAN_FMT(syntax));
	else /* the editions proto2 and proto3 are numbered 998 and 999 */
		entry->features = edition == 998 ? proto2 : edition == 999 ? proto3 : edition2023;
	schema_features_merge(&entry->features, entry->file.options, 50);
	return ST_OK;
}

/* The parts of a FileDescriptorProto that belong to the file itself. */
static enum status schema_file_read(struct schema *schema, struct span raw, bool is_builtin,
				    struct schema_file_entry *entry, struct error *err)
{
	struct proto_file *file = &entry->file;
	struct span syntax = SPAN_EMPTY;
	uint64_t edition = 0;
	struct wire_reader reader;
	struct wire_field field;
	enum status status;

	file->raw = raw;
	file->is_builtin = is_builtin;
	wire_reader_init(&reader, raw);
	while (wire_next(&reader, &field)) {
		if (field.number == 1 && field.type == WIRE_BYTES)
			file->name = field.bytes;
		else if (field.number == 2 && field.type == WIRE_BYTES)
			file->package = field.bytes;
		else if (field.number == 3 && field.type == WIRE_BYTES)
			file->import_count++;
		else if (field.number == 12 && field.type == WIRE_BYTES)
			syntax = field.bytes;
		else if (field.number == 14 && field.type == WIRE_VARINT)
			edition = field.integer;
	}
	if (reader.is_bad)
		return error_set(err, ST_INVALID_ARGUMENT, "malformed file descriptor");
	status = schema_merged(schema, raw, 8, &file->options, err);
	if (status == ST_OK)
		status = schema_merged(schema, raw, 9, &file->source_info, err);
	if (status == ST_OK)
		status = schema_file_syntax(entry, syntax, edition, err);
	return status;
}

/* Adds a file to the schema; the same file twice is taken once. */
static enum status schema_file_add(struct schema *schema, struct span raw, bool is_builtin,
				   struct error *err)
{
	struct schema_file_entry *entry = arena_new(&schema->arena, struct schema_file_entry);
	enum status status;
	struct map_node *twin;

	if (!entry)
		return schema_no_memory(err);
	status = schema_file_read(schema, raw, is_builtin, entry, err);
	if (status != ST_OK)
		return status;
	entry->node.key = entry->file.name;
	twin = map_find(&schema->files_by_name, entry->file.name);
	if (twin && span_eq(container_of(twin, struct schema_file_entry, node)->file.raw, raw))
		return ST_OK;
	if (twin)
		return error_set(err, ST_INVALID_ARGUMENT, "two different files are named %.*s",
				 SPAN_FMT(entry->file.name));
	if (schema->file_count == SCHEMA_FILES_MAX)
		return error_set(err, ST_INVALID_ARGUMENT, "more than %d files", SCHEMA_FILES_MAX);
	BUG_ON(!map_insert(&schema->files_by_name, &entry->node));
	schema->files[schema->file_count++] = entry;
	return ST_OK;
}

/* The raw bytes of a file compiled into the program; empty when there is none of this name. */
static struct span schema_builtin_file(struct span name)
{
	struct wire_reader reader;
	struct wire_field file;
	struct wire_field field;

	wire_reader_init(&reader, span_make(schema_builtin_set, schema_builtin_set_len));
	while (wire_next(&reader, &file))
		if (wire_find_last(file.bytes, 1, WIRE_BYTES, &field) && span_eq(field.bytes, name))
			return file.bytes;
	return SPAN_EMPTY;
}

/* ---- imports ---- */

struct schema_walk {
	struct schema_file_entry **path;
	size_t *next_import; /* of each file on the path */
	struct wire_reader *readers;
	size_t depth;
};

/* "a.proto -> b.proto -> last", beginning at the given place of the path. */
static void schema_path_text(const struct schema_walk *walk, size_t from, struct span last,
			     struct buf *out)
{
	for (size_t i = from; i < walk->depth; i++) {
		(void)buf_append(out, walk->path[i]->file.name); /* cut is fine */
		(void)buf_append_str(out, " -> ");
	}
	(void)buf_append(out, last);
}

static enum status schema_import_error(const struct schema_walk *walk, size_t from,
				       struct span name, const char *what, struct error *err)
{
	struct buf text;
	enum status status;

	buf_init(&text, ERROR_MESSAGE_MAX);
	schema_path_text(walk, from, name, &text);
	status = error_set(err, ST_INVALID_ARGUMENT, "%s %.*s (imports: %.*s)", what,
			   SPAN_FMT(name), SPAN_FMT(buf_span(&text)));
	buf_fini(&text);
	return status;
}

static enum status schema_walk_enter(struct schema *schema, struct schema_walk *walk,
				     struct schema_file_entry *entry, struct error *err)
{
	entry->visit = 1;
	entry->file.imports = arena_new_array(&schema->arena, const struct proto_file *,
					      entry->file.import_count + 1);
	if (!entry->file.imports)
		return schema_no_memory(err);
	walk->path[walk->depth] = entry;
	walk->next_import[walk->depth] = 0;
	wire_reader_init(&walk->readers[walk->depth], entry->file.raw);
	walk->depth++;
	return ST_OK;
}

/* Follows one import of the file at the end of the path. */
static enum status schema_walk_import(struct schema *schema, struct schema_walk *walk,
				      struct span name, struct error *err)
{
	size_t top = walk->depth - 1;
	struct map_node *node = map_find(&schema->files_by_name, name);
	struct schema_file_entry *entry;
	enum status status;

	if (!node) {
		struct span raw = schema_builtin_file(name);

		if (raw.len == 0)
			return schema_import_error(walk, 0, name, "missing import", err);
		status = schema_file_add(schema, raw, true, err);
		if (status != ST_OK)
			return status;
		node = map_find(&schema->files_by_name, name);
		BUG_ON(!node);
	}
	entry = container_of(node, struct schema_file_entry, node);
	walk->path[top]->file.imports[walk->next_import[top]++] = &entry->file;
	if (entry->visit == 1) {
		size_t from = top;

		while (walk->path[from] != entry)
			from--;
		return schema_import_error(walk, from, name, "circular import of", err);
	}
	return entry->visit == 0 ? schema_walk_enter(schema, walk, entry, err) : ST_OK;
}

static enum status schema_walk_from(struct schema *schema, struct schema_walk *walk,
				    struct schema_file_entry *start, struct error *err)
{
	struct wire_field field;
	enum status status = schema_walk_enter(schema, walk, start, err);

	while (status == ST_OK && walk->depth > 0) {
		size_t top = walk->depth - 1;

		if (!wire_next(&walk->readers[top], &field)) {
			walk->path[top]->visit = 2;
			walk->depth--;
		} else if (field.number == 3 && field.type == WIRE_BYTES) {
			status = schema_walk_import(schema, walk, field.bytes, err);
		}
	}
	return status;
}

static enum status schema_resolve_imports(struct schema *schema, struct error *err)
{
	struct schema_walk walk = {
		.path = mem_new_array(struct schema_file_entry *, SCHEMA_FILES_MAX + 1),
		.next_import = mem_new_array(size_t, SCHEMA_FILES_MAX + 1),
		.readers = mem_new_array(struct wire_reader, SCHEMA_FILES_MAX + 1),
	};
	enum status status = ST_OK;

	for (size_t i = 0; status == ST_OK && i < schema->file_count; i++)
		if (schema->files[i]->visit == 0)
			status = schema_walk_from(schema, &walk, schema->files[i], err);
	mem_free(walk.path);
	mem_free(walk.next_import);
	mem_free(walk.readers);
	return status;
}

/* ---- extra files ---- */

/* True when some file of the set declares a message under the full name that raw gives it: the set
 * has its own copy of these types under another file name. */
static bool schema_declares_any_of(const struct schema *schema, struct span raw)
{
	struct wire_field package;
	struct wire_field mine;
	struct wire_field first;

	if (!wire_find_last(raw, 2, WIRE_BYTES, &package) ||
	    !wire_find_last(raw, 4, WIRE_BYTES, &mine) ||
	    !wire_find_last(mine.bytes, 1, WIRE_BYTES, &first))
		return true;
	for (size_t i = 0; i < schema->file_count; i++) {
		struct wire_reader reader;
		struct wire_field field;
		struct wire_field name;

		if (!span_eq(schema->files[i]->file.package, package.bytes))
			continue;
		wire_reader_init(&reader, schema->files[i]->file.raw);
		while (wire_next(&reader, &field))
			if (field.number == 4 && field.type == WIRE_BYTES &&
			    wire_find_last(field.bytes, 1, WIRE_BYTES, &name) &&
			    span_eq(name.bytes, first.bytes))
				return true;
	}
	return false;
}

static enum status schema_add_extras(struct schema *schema, struct error *err)
{
	enum status status = ST_OK;

	for (size_t i = 0; i < sizeof(schema_extra_files) / sizeof(schema_extra_files[0]); i++) {
		struct span name = span_from_str(schema_extra_files[i]);
		struct span raw = schema_builtin_file(name);

		if (status != ST_OK)
			break;
		if (!map_find(&schema->files_by_name, name) && !schema_declares_any_of(schema, raw))
			status = schema_file_add(schema, raw, true, err);
	}
	return status;
}

enum status schema_load_files(struct schema *schema, struct span set, struct error *err)
{
	struct wire_reader reader;
	struct wire_field field;
	enum status status = ST_OK;

	schema->files =
		arena_new_array(&schema->arena, struct schema_file_entry *, SCHEMA_FILES_MAX);
	if (!schema->files)
		return schema_no_memory(err);
	wire_reader_init(&reader, set);
	while (status == ST_OK && wire_next(&reader, &field))
		if (field.number == 1 && field.type == WIRE_BYTES)
			status = schema_file_add(schema, field.bytes, false, err);
	if (status == ST_OK && reader.is_bad)
		status = error_set(err, ST_INVALID_ARGUMENT, "malformed descriptor set");
	if (status == ST_OK)
		status = schema_resolve_imports(schema, err);
	if (status == ST_OK)
		status = schema_add_extras(schema, err);
	if (status == ST_OK) /* what the extra files import */
		status = schema_resolve_imports(schema, err);
	return status;
}
