/* The names of a descriptor set: every message, enum and service gets its full name, so that fields
 * may refer to types declared later or in another file. Enums need nothing else and are finished
 * here. Nesting is bounded by SCHEMA_NESTING_MAX, so the recursion over it is. */
#include <stdlib.h>
#include <string.h>

#include "proto/schema_internal.h"

/* Where a declaration stands. */
struct schema_scope {
	struct schema_file_entry *file;
	struct schema_message_entry *parent; /* NULL at file level */
	struct span prefix;
	struct schema_features features;
	unsigned depth;
};

static enum status schema_name_of(struct schema *schema, const struct schema_scope *scope,
				  struct span raw, struct span *ret_name,
				  struct span *ret_full_name, struct error *err)
{
	struct wire_field field;

	if (!wire_find_last(raw, 1, WIRE_BYTES, &field) || !schema_is_identifier(field.bytes))
		return error_set(
			err, ST_INVALID_ARGUMENT, "%.*s: a declaration in %.*s has no valid name",
			SPAN_FMT(scope->file->file.name),
			SPAN_FMT(scope->prefix.len ? scope->prefix : SPAN_LIT("the file")));
	*ret_name = field.bytes;
	*ret_full_name = schema_join(schema, scope->prefix, field.bytes);
	return ret_full_name->data ? ST_OK : schema_no_memory(err);
}

/* ---- enums ---- */

static int schema_enum_cmp_number(const void *a, const void *b)
{
	const struct enum_value *left = *(const struct enum_value *const *)a;
	const struct enum_value *right = *(const struct enum_value *const *)b;

	if (left->number != right->number)
		return left->number < right->number ? -1 : 1;
	return left < right ? -1 : left > right; /* the one declared first */
}

static int schema_enum_cmp_name(const void *a, const void *b)
{
	return span_cmp((*(const struct enum_value *const *)a)->name,
			(*(const struct enum_value *const *)b)->name);
}

static enum status schema_enum_value(struct schema *schema, const struct schema_scope *scope,
				     struct span raw, struct enum_value *value, struct error *err)
{
	struct wire_field field;
	struct span full_name;
	enum status status = schema_name_of(schema, scope, raw, &value->name, &full_name, err);

	if (status != ST_OK)
		return status;
	if (wire_find_last(raw, 2, WIRE_VARINT, &field))
		value->number = (int32_t)(uint32_t)field.integer;
	status = schema_merged(schema, raw, 3, &value->options, err);
	if (status != ST_OK)
		return status;
	return schema_add_symbol(schema, full_name, SCHEMA_OTHER, &scope->file->file, NULL, err);
}

/* Counts the length-delimited records of a number. */
static size_t schema_count(struct span raw, uint32_t number)
{
	struct wire_reader reader;
	struct wire_field field;
	size_t count = 0;

	wire_reader_init(&reader, raw);
	while (wire_next(&reader, &field))
		count += field.number == number && field.type == WIRE_BYTES;
	return count;
}

static enum status schema_enum_values(struct schema *schema, const struct schema_scope *scope,
				      struct span raw, struct enum_type *type, struct error *err)
{
	size_t count = schema_count(raw, 2);
	struct enum_value *values = arena_new_array(&schema->arena, struct enum_value, count + 1);
	struct wire_reader reader;
	struct wire_field field;
	enum status status = ST_OK;
	size_t i = 0;

	type->by_number_ = arena_new_array(&schema->arena, const struct enum_value *, count + 1);
	type->by_name_ = arena_new_array(&schema->arena, const struct enum_value *, count + 1);
	if (!values || !type->by_number_ || !type->by_name_)
		return schema_no_memory(err);
	schema->enum_value_count += count;
	if (count == 0 || schema->enum_value_count > SCHEMA_ENUM_VALUES_MAX)
		return error_set(err, ST_INVALID_ARGUMENT, "enum %.*s has %s",
				 SPAN_FMT(type->full_name),
				 count ? "too many values" : "no values");
	wire_reader_init(&reader, raw);
	while (status == ST_OK && wire_next(&reader, &field)) {
		if (field.number != 2 || field.type != WIRE_BYTES)
			continue;
		type->by_number_[i] = &values[i];
		type->by_name_[i] = &values[i];
		status = schema_enum_value(schema, scope, field.bytes, &values[i++], err);
	}
	if (status != ST_OK)
		return status;
	type->values = values;
	type->value_count = count;
	qsort(type->by_number_, count, sizeof(type->by_number_[0]), schema_enum_cmp_number);
	qsort(type->by_name_, count, sizeof(type->by_name_[0]), schema_enum_cmp_name);
	return ST_OK;
}

static enum status schema_declare_enum(struct schema *schema, const struct schema_scope *scope,
				       struct span raw, uint32_t index, struct error *err)
{
	struct enum_type *type = arena_new(&schema->arena, struct enum_type);
	struct schema_features features = scope->features;
	enum status status;

	if (!type)
		return schema_no_memory(err);
	type->file = &scope->file->file;
	type->parent = scope->parent ? &scope->parent->message : NULL;
	type->declared_index = index;
	status = schema_name_of(schema, scope, raw, &type->name, &type->full_name, err);
	if (status == ST_OK)
		status = schema_merged(schema, raw, 3, &type->options, err);
	if (status != ST_OK)
		return status;
	schema_features_merge(&features, type->options, 7);
	type->is_closed = features.enum_kind == 2;
	type->is_null_value = span_eq_str(type->full_name, "google.protobuf.NullValue");
	status = schema_enum_values(schema, scope, raw, type, err);
	if (status != ST_OK)
		return status;
	return schema_add_symbol(schema, type->full_name, SCHEMA_ENUM, type->file, type, err);
}

/* ---- messages, services, extensions ---- */

static enum status schema_declare_message(struct schema *schema, const struct schema_scope *scope,
					  struct span raw, uint32_t index, struct error *err);

static enum status schema_declare_extension(struct schema *schema, const struct schema_scope *scope,
					    struct span raw, struct error *err)
{
	struct schema_extension *extension = arena_new(&schema->arena, struct schema_extension);
	struct span name;
	enum status status;

	if (!extension)
		return schema_no_memory(err);
	*extension = (struct schema_extension){.raw = raw,
					       .scope = scope->prefix,
					       .features = scope->features,
					       .file = &scope->file->file,
					       .next = schema->first_extension};
	schema->first_extension = extension;
	status = schema_name_of(schema, scope, raw, &name, &extension->full_name, err);
	if (status != ST_OK)
		return status;
	return schema_add_symbol(schema, extension->full_name, SCHEMA_OTHER, extension->file, NULL,
				 err);
}

static enum status schema_declare_nested(struct schema *schema, const struct schema_scope *scope,
					 struct span raw, struct error *err)
{
	struct wire_reader reader;
	struct wire_field field;
	uint32_t messages = 0;
	uint32_t enums = 0;
	enum status status = ST_OK;

	wire_reader_init(&reader, raw);
	while (status == ST_OK && wire_next(&reader, &field)) {
		if (field.type != WIRE_BYTES)
			continue;
		if (field.number == 3)
			status =
				schema_declare_message(schema, scope, field.bytes, messages++, err);
		else if (field.number == 4)
			status = schema_declare_enum(schema, scope, field.bytes, enums++, err);
		else if (field.number == 6)
			status = schema_declare_extension(schema, scope, field.bytes, err);
	}
	if (status == ST_OK && reader.is_bad)
		status = error_set(err, ST_INVALID_ARGUMENT, "malformed descriptor of %.*s",
				   SPAN_FMT(scope->prefix));
	return status;
}

static enum status schema_declare_message(struct schema *schema, const struct schema_scope *scope,
					  struct span raw, uint32_t index, struct error *err)
{
	struct schema_message_entry *entry = arena_new(&schema->arena, struct schema_message_entry);
	struct message *message;
	enum status status;

	if (!entry)
		return schema_no_memory(err);
	if (++schema->message_count > SCHEMA_MESSAGES_MAX || scope->depth == SCHEMA_NESTING_MAX)
		return error_set(err, ST_INVALID_ARGUMENT, "%.*s: too many messages, or too deep",
				 SPAN_FMT(scope->file->file.name));
	message = &entry->message;
	message->file = &scope->file->file;
	message->parent = scope->parent ? &scope->parent->message : NULL;
	message->declared_index = index;
	entry->raw = raw;
	entry->features = scope->features;
	status = schema_name_of(schema, scope, raw, &message->name, &message->full_name, err);
	if (status == ST_OK)
		status = schema_merged(schema, raw, 7, &message->options, err);
	if (status != ST_OK)
		return status;
	schema_features_merge(&entry->features, message->options, 12);
	*schema->last_message = entry;
	schema->last_message = &entry->next;
	status = schema_add_symbol(schema, message->full_name, SCHEMA_MESSAGE, message->file,
				   message, err);
	if (status != ST_OK)
		return status;
	return schema_declare_nested(schema,
				     &(struct schema_scope){scope->file, entry, message->full_name,
							    entry->features, scope->depth + 1},
				     raw, err);
}

static enum status schema_declare_service(struct schema *schema, const struct schema_scope *scope,
					  struct span raw, uint32_t index, struct error *err)
{
	struct schema_service_entry *entry = arena_new(&schema->arena, struct schema_service_entry);
	struct service *service;
	enum status status;

	if (!entry)
		return schema_no_memory(err);
	service = &entry->service;
	service->file = &scope->file->file;
	service->declared_index = index;
	entry->raw = raw;
	status = schema_name_of(schema, scope, raw, &service->name, &service->full_name, err);
	if (status == ST_OK)
		status = schema_merged(schema, raw, 3, &service->options, err);
	if (status != ST_OK)
		return status;
	*schema->last_service = entry;
	schema->last_service = &entry->next;
	schema->service_count++;
	return schema_add_symbol(schema, service->full_name, SCHEMA_SERVICE, service->file, service,
				 err);
}

static bool schema_is_package(struct span package)
{
	while (package.len) {
		size_t dot = span_find(package, '.');

		if (!schema_is_identifier(span_head(package, dot)) || dot + 1 == package.len)
			return false;
		package = span_skip(package, dot + 1);
	}
	return true;
}

static enum status schema_declare_file(struct schema *schema, struct schema_file_entry *entry,
				       struct error *err)
{
	struct schema_scope scope = {entry, NULL, entry->file.package, entry->features, 0};
	uint32_t counts[8] = {0};
	struct wire_reader reader;
	struct wire_field field;
	enum status status = ST_OK;

	if (!schema_is_package(entry->file.package))
		return error_set(err, ST_INVALID_ARGUMENT, "the package is not a valid name");
	wire_reader_init(&reader, entry->file.raw);
	while (status == ST_OK && wire_next(&reader, &field)) {
		if (field.type != WIRE_BYTES)
			continue;
		if (field.number == 4)
			status = schema_declare_message(schema, &scope, field.bytes, counts[4]++,
							err);
		else if (field.number == 5)
			status = schema_declare_enum(schema, &scope, field.bytes, counts[5]++, err);
		else if (field.number == 6)
			status = schema_declare_service(schema, &scope, field.bytes, counts[6]++,
							err);
		else if (field.number == 7)
			status = schema_declare_extension(schema, &scope, field.bytes, err);
	}
	return status;
}

enum status schema_declare(struct schema *schema, struct error *err)
{
	enum status status = ST_OK;

	for (size_t i = 0; status == ST_OK && i < schema->file_count; i++) {
		status = schema_declare_file(schema, schema->files[i], err);
		if (status != ST_OK)
			(void)error_wrap(err, "%.*s", SPAN_FMT(schema->files[i]->file.name));
	}
	return status;
}
