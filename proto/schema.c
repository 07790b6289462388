/* Types known only at run time: life cycle, lookups and checks. The building stands in schema_file,
 * schema_declare, schema_define and schema_known.
 *
 * Descriptors are read straight from their wire bytes and not through generated code: options must
 * stay raw (extensions of any version are found in them by number), unknown parts must not make the
 * whole set unreadable, and spans into one kept copy of the bytes are all that is needed. */
#include "proto/schema.h"

#include <string.h>

#include "proto/schema_internal.h"
#include "src/base/mem.h"
#include "src/base/text.h"

enum status schema_no_memory(struct error *err)
{
	return error_set(err, ST_RESOURCE_EXHAUSTED, "the descriptors need more than %zu bytes",
			 SCHEMA_ARENA_BYTES_MAX);
}

enum status schema_new(struct span descriptor_set, struct schema **ret_schema, struct error *err)
{
	struct schema *schema;
	struct span copy;
	enum status status;

	if (descriptor_set.len > SCHEMA_BYTES_MAX)
		return error_set(err, ST_INVALID_ARGUMENT,
				 "the descriptor set has %zu bytes, the limit is %zu",
				 descriptor_set.len, SCHEMA_BYTES_MAX);
	schema = mem_new(struct schema);
	schema->refs = 1;
	schema->last_message = &schema->first_message;
	schema->last_service = &schema->first_service;
	arena_init(&schema->arena, SCHEMA_ARENA_BYTES_MAX);
	copy = arena_span(&schema->arena, descriptor_set);
	status = schema_load_files(schema, copy, err);
	if (status == ST_OK)
		status = schema_declare(schema, err);
	if (status == ST_OK)
		status = schema_define(schema, err);
	if (status != ST_OK) {
		schema_unref(schema);
		return status;
	}
	schema_mark_known(schema);
	*ret_schema = schema;
	return ST_OK;
}

enum status schema_new_builtin(struct schema **ret_schema, struct error *err)
{
	return schema_new(span_make(schema_builtin_set, schema_builtin_set_len), ret_schema, err);
}

struct schema *schema_ref(struct schema *schema)
{
	schema->refs++;
	return schema;
}

void schema_unref(struct schema *schema)
{
	if (!schema)
		return;
	BUG_ON(schema->refs == 0);
	if (--schema->refs > 0)
		return;
	map_fini(&schema->files_by_name);
	map_fini(&schema->symbols);
	map_fini(&schema->methods);
	arena_fini(&schema->arena);
	mem_free(schema);
}

/* ---- helpers for building ---- */

enum status schema_merged(struct schema *schema, struct span raw, uint32_t number,
			  struct span *ret_content, struct error *err)
{
	struct wire_reader reader;
	struct wire_field field;
	struct span content = SPAN_EMPTY;
	uint8_t *whole;
	size_t total = 0;
	size_t count = 0;

	wire_reader_init(&reader, raw);
	while (wire_next(&reader, &field)) {
		if (field.number != number || field.type != WIRE_BYTES)
			continue;
		content = field.bytes;
		total += field.bytes.len;
		count++;
	}
	if (reader.is_bad)
		return error_set(err, ST_INVALID_ARGUMENT, "malformed descriptor");
	*ret_content = content;
	if (count <= 1)
		return ST_OK;
	whole = arena_alloc(&schema->arena, total ? total : 1);
	if (!whole)
		return schema_no_memory(err);
	*ret_content = span_make(whole, total);
	wire_reader_init(&reader, raw);
	while (wire_next(&reader, &field)) {
		if (field.number != number || field.type != WIRE_BYTES || field.bytes.len == 0)
			continue;
		memcpy(whole, field.bytes.data, field.bytes.len);
		whole += field.bytes.len;
	}
	return ST_OK;
}

struct span schema_join(struct schema *schema, struct span prefix, struct span name)
{
	size_t len = prefix.len + (prefix.len ? 1 : 0) + name.len;
	uint8_t *text = arena_alloc(&schema->arena, len + 1);
	uint8_t *at = text;

	if (!text)
		return SPAN_EMPTY;
	if (prefix.len) {
		memcpy(at, prefix.data, prefix.len);
		at += prefix.len;
		*at++ = '.';
	}
	if (name.len)
		memcpy(at, name.data, name.len);
	return span_make(text, len);
}

enum status schema_add_symbol(struct schema *schema, struct span full_name,
			      enum schema_symbol_kind kind, const struct proto_file *file,
			      const void *thing, struct error *err)
{
	struct schema_symbol *symbol = arena_new(&schema->arena, struct schema_symbol);
	const struct schema_symbol *other;

	if (!symbol || !full_name.data)
		return schema_no_memory(err);
	*symbol = (struct schema_symbol){
		.node.key = full_name, .kind = kind, .file = file, .thing = thing};
	if (map_insert(&schema->symbols, &symbol->node))
		return ST_OK;
	other = schema_symbol(schema, full_name);
	return error_set(err, ST_INVALID_ARGUMENT, "%.*s is declared in %.*s and again in %.*s",
			 SPAN_FMT(full_name), SPAN_FMT(other->file->name), SPAN_FMT(file->name));
}

const struct schema_symbol *schema_symbol(const struct schema *schema, struct span full_name)
{
	struct map_node *node = map_find(&schema->symbols, full_name);

	return node ? container_of(node, struct schema_symbol, node) : NULL;
}

bool schema_is_identifier(struct span name)
{
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.data[i];
		bool is_letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';

		if (!is_letter && (i == 0 || c < '0' || c > '9'))
			return false;
	}
	return name.len > 0;
}

static void schema_features_read(struct schema_features *features, struct span set)
{
	struct wire_reader reader;
	struct wire_field field;

	wire_reader_init(&reader, set);
	while (wire_next(&reader, &field)) {
		uint8_t value = (uint8_t)(field.integer & 0x7F);

		if (field.type != WIRE_VARINT)
			continue;
		switch (field.number) {
		case 1:
			features->presence = value;
			break;
		case 2:
			features->enum_kind = value;
			break;
		case 3:
			features->repeated = value;
			break;
		case 4:
			features->utf8 = value;
			break;
		case 5:
			features->encoding = value;
			break;
		default:
			break;
		}
	}
}

void schema_features_merge(struct schema_features *features, struct span options, uint32_t number)
{
	struct wire_reader reader;
	struct wire_field field;

	wire_reader_init(&reader, options);
	while (wire_next(&reader, &field))
		if (field.number == number && field.type == WIRE_BYTES)
			schema_features_read(features, field.bytes);
}

/* ---- lookups ---- */

static const void *schema_find(const struct schema *schema, struct span full_name,
			       enum schema_symbol_kind kind)
{
	const struct schema_symbol *symbol = schema_symbol(schema, full_name);

	return symbol && symbol->kind == kind ? symbol->thing : NULL;
}

const struct message *schema_find_message(const struct schema *schema, struct span full_name)
{
	return schema_find(schema, full_name, SCHEMA_MESSAGE);
}

const struct enum_type *schema_find_enum(const struct schema *schema, struct span full_name)
{
	return schema_find(schema, full_name, SCHEMA_ENUM);
}

const struct service *schema_find_service(const struct schema *schema, struct span full_name)
{
	return schema_find(schema, full_name, SCHEMA_SERVICE);
}

const struct proto_file *schema_find_file(const struct schema *schema, struct span name)
{
	struct map_node *node = map_find(&schema->files_by_name, name);

	return node ? &container_of(node, struct schema_file_entry, node)->file : NULL;
}

const struct proto_file *schema_find_symbol(const struct schema *schema, struct span full_name)
{
	const struct schema_symbol *symbol = schema_symbol(schema, full_name);

	return symbol ? symbol->file : NULL;
}

const struct method *schema_find_method(const struct schema *schema, struct span path)
{
	struct map_node *node = map_find(&schema->methods, path);

	return node ? container_of(node, struct schema_method_node, node)->method : NULL;
}

const struct message *schema_find_type_url(const struct schema *schema, struct span type_url)
{
	size_t slash = type_url.len;

	while (slash > 0 && type_url.data[slash - 1] != '/')
		slash--;
	return slash ? schema_find_message(schema, span_skip(type_url, slash)) : NULL;
}

size_t schema_file_count(const struct schema *schema)
{
	return schema->file_count;
}

const struct proto_file *schema_file(const struct schema *schema, size_t index)
{
	BUG_ON(index >= schema->file_count);
	return &schema->files[index]->file;
}

size_t schema_service_count(const struct schema *schema)
{
	return schema->service_count;
}

const struct service *schema_service(const struct schema *schema, size_t index)
{
	BUG_ON(index >= schema->service_count);
	return schema->services[index];
}

const struct field *schema_field_by_number(const struct message *message, uint32_t number)
{
	size_t low = 0;
	size_t high = message->field_count;

	if (message->by_number_count_)
		return number < message->by_number_count_ ? message->by_number_[number] : NULL;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (message->fields[middle].number == number)
			return &message->fields[middle];
		if (message->fields[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* The first key that is not before the one wanted. */
static size_t schema_key_lower(const struct message *message, struct span key)
{
	size_t low = 0;
	size_t high = message->key_count_;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (span_cmp(message->keys_[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct field *schema_field_by_key(const struct message *message, struct span key)
{
	size_t at = schema_key_lower(message, key);

	/* The table has the json_name before an equal proto name of another field. */
	if (at < message->key_count_ && span_eq(message->keys_[at].key, key))
		return message->keys_[at].field;
	return NULL;
}

const struct field *schema_field_by_name(const struct message *message, struct span name)
{
	size_t at = schema_key_lower(message, name);

	for (; at < message->key_count_ && span_eq(message->keys_[at].key, name); at++)
		if (span_eq(message->keys_[at].field->name, name))
			return message->keys_[at].field;
	return NULL;
}

const struct enum_value *schema_enum_by_number(const struct enum_type *type, int32_t number)
{
	size_t low = 0;
	size_t high = type->value_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (type->by_number_[middle]->number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < type->value_count && type->by_number_[low]->number == number
		       ? type->by_number_[low]
		       : NULL;
}

const struct enum_value *schema_enum_by_name(const struct enum_type *type, struct span name)
{
	size_t low = 0;
	size_t high = type->value_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = span_cmp(type->by_name_[middle]->name, name);

		if (order == 0)
			return type->by_name_[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* ---- comments ---- */

static bool schema_path_is(struct span packed, const uint32_t *path, size_t count)
{
	struct wire_reader reader;
	size_t i = 0;

	wire_reader_init(&reader, packed);
	for (; !wire_at_end(&reader); i++)
		if (i >= count || wire_read_varint(&reader) != path[i])
			return false;
	return !reader.is_bad && i == count;
}

struct span schema_comment(const struct proto_file *file, const uint32_t *path, size_t count)
{
	struct wire_reader reader;
	struct wire_field location;
	struct wire_field field;

	wire_reader_init(&reader, file->source_info);
	while (wire_next(&reader, &location)) {
		if (location.number != 1 || location.type != WIRE_BYTES ||
		    !wire_find_last(location.bytes, 1, WIRE_BYTES, &field) ||
		    !schema_path_is(field.bytes, path, count))
			continue;
		if (wire_find_last(location.bytes, 3, WIRE_BYTES, &field))
			return field.bytes;
	}
	return SPAN_EMPTY;
}

/* ---- checking ---- */

bool schema_type_is_packable(enum field_type type)
{
	return type != FIELD_STRING && type != FIELD_BYTES && type != FIELD_MESSAGE &&
	       type != FIELD_GROUP;
}

enum wire_type schema_wire_type(enum field_type type)
{
	switch (type) {
	case FIELD_DOUBLE:
	case FIELD_FIXED64:
	case FIELD_SFIXED64:
		return WIRE_FIXED64;
	case FIELD_FLOAT:
	case FIELD_FIXED32:
	case FIELD_SFIXED32:
		return WIRE_FIXED32;
	case FIELD_STRING:
	case FIELD_BYTES:
	case FIELD_MESSAGE:
		return WIRE_BYTES;
	case FIELD_GROUP:
		return WIRE_GROUP;
	case FIELD_INT64:
	case FIELD_UINT64:
	case FIELD_INT32:
	case FIELD_BOOL:
	case FIELD_UINT32:
	case FIELD_ENUM:
	case FIELD_SINT32:
	case FIELD_SINT64:
		break;
	}
	return WIRE_VARINT;
}

/* True when bytes are a run of values as a packed field of the type has them. */
static bool schema_is_packed_run(const struct field *field, struct span bytes)
{
	struct wire_reader reader;

	switch (schema_wire_type(field->type)) {
	case WIRE_FIXED32:
		return bytes.len % 4 == 0;
	case WIRE_FIXED64:
		return bytes.len % 8 == 0;
	case WIRE_VARINT:
		wire_reader_init(&reader, bytes);
		while (!wire_at_end(&reader))
			(void)wire_read_varint(&reader); /* only its end is of interest */
		return !reader.is_bad;
	case WIRE_BYTES:
	case WIRE_GROUP:
	case WIRE_GROUP_END:
		break;
	}
	return true;
}

/* What is wrong with one record that has a field, apart from what is inside a message. */
static enum status schema_check_record(const struct field *field, const struct wire_field *record,
				       struct error *err)
{
	const char *what;

	if (record->type != WIRE_BYTES)
		return ST_OK;
	if (field->is_utf8 && !text_is_utf8(record->bytes))
		what = "is not valid UTF-8";
	else if (field->is_repeated && !schema_is_packed_run(field, record->bytes))
		what = "is cut short";
	else
		return ST_OK;
	(void)error_set(err, ST_INVALID_ARGUMENT, "%.*s %s", SPAN_FMT(field->full_name), what);
	error_set_field(err, "%.*s", SPAN_FMT(field->json_name));
	return ST_INVALID_ARGUMENT;
}

enum status schema_check(const struct message *message, struct span wire, struct error *err)
{
	struct {
		const struct message *message;
		struct wire_reader reader;
	} levels[WIRE_DEPTH_MAX];
	struct wire_field record;
	unsigned depth = 1;

	levels[0].message = message;
	wire_reader_init(&levels[0].reader, wire);
	while (depth > 0) {
		const struct field *field;

		if (!wire_next(&levels[depth - 1].reader, &record)) {
			if (levels[depth - 1].reader.is_bad)
				return error_set(err, ST_INVALID_ARGUMENT,
						 "malformed protobuf message %.*s",
						 SPAN_FMT(levels[depth - 1].message->full_name));
			depth--;
			continue;
		}
		field = schema_field_by_number(levels[depth - 1].message, record.number);
		if (!field)
			continue;
		if (schema_check_record(field, &record, err) != ST_OK)
			return ST_INVALID_ARGUMENT;
		if (!field->message || record.type != schema_wire_type(field->type))
			continue;
		if (depth == WIRE_DEPTH_MAX)
			return error_set(err, ST_INVALID_ARGUMENT,
					 "protobuf message nested deeper than %d levels",
					 WIRE_DEPTH_MAX);
		levels[depth].message = field->message;
		wire_reader_init(&levels[depth++].reader, record.bytes);
	}
	return ST_OK;
}
