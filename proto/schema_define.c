/* Fields and methods, read when every name they may use is known, and the tables that make lookups
 * fast: fields sorted by number with a direct table when numbers are dense, and one sorted list of
 * keys (json_name and proto name of each field) for JSON and queries. */
#include <stdlib.h>
#include <string.h>

#include "proto/schema_internal.h"
#include "src/base/mem.h"
#include "src/base/text.h"

/* A FieldDescriptorProto as written. */
struct schema_draft {
	struct span scope;
	struct span type_name;
	struct span json_name;
	uint64_t type;
	uint64_t label;
	uint64_t oneof_index;
	bool has_oneof;
	bool is_proto3_optional;
};

/* A field of a message: in the message itself, or an extension from elsewhere. */
struct schema_field_source {
	struct schema_message_entry *entry;
	const struct schema_extension *extension; /* NULL for a field */
	struct span raw;
};

/* In MessageOptions. */
#define SCHEMA_OPTION_MESSAGE_SET 1
#define SCHEMA_OPTION_MAP_ENTRY 7

#define SCHEMA_LABEL_REQUIRED 2
#define SCHEMA_LABEL_REPEATED 3

static enum status schema_bad(struct error *err, struct span name, const char *what)
{
	return error_set(err, ST_INVALID_ARGUMENT, "%.*s: %s", SPAN_FMT(name), what);
}

/* A type by the name a descriptor uses: ".pkg.Type", or a name relative to the scope or to one of
 * the scopes around it. */
static const struct schema_symbol *schema_resolve(struct schema *schema, struct span scope,
						  struct span name)
{
	const struct schema_symbol *found = NULL;
	struct buf text;

	if (name.len && name.data[0] == '.')
		return schema_symbol(schema, span_skip(name, 1));
	buf_init(&text, scope.len + name.len + 1);
	for (;;) {
		buf_reset(&text);
		(void)buf_append(&text, scope); /* fits by construction */
		if (scope.len)
			(void)buf_append_byte(&text, '.');
		(void)buf_append(&text, name);
		found = schema_symbol(schema, buf_span(&text));
		if ((found && found->kind != SCHEMA_OTHER) || scope.len == 0)
			break;
		while (scope.len && scope.data[scope.len - 1] != '.')
			scope.len--;
		if (scope.len)
			scope.len--;
	}
	buf_fini(&text);
	return found;
}

/* ---- one field ---- */

static void schema_field_varint(struct field *field, struct schema_draft *draft,
				const struct wire_field *record)
{
	switch (record->number) {
	case 3:
		field->number = record->integer <= WIRE_NUMBER_MAX ? (uint32_t)record->integer : 0;
		break;
	case 4:
		draft->label = record->integer;
		break;
	case 5:
		draft->type = record->integer;
		break;
	case 9:
		draft->oneof_index = record->integer;
		draft->has_oneof = true;
		break;
	case 17:
		draft->is_proto3_optional = record->integer != 0;
		break;
	default:
		break;
	}
}

static void schema_field_bytes(struct field *field, struct schema_draft *draft,
			       const struct wire_field *record)
{
	switch (record->number) {
	case 1:
		field->name = record->bytes;
		break;
	case 6:
		draft->type_name = record->bytes;
		break;
	case 7:
		field->default_text = record->bytes;
		field->has_default = true;
		break;
	case 10:
		draft->json_name = record->bytes;
		break;
	default:
		break;
	}
}

/* lowerCamelCase as protoc makes it: underscores go, the letter behind one is raised. */
static struct span schema_camel(struct schema *schema, struct span name)
{
	uint8_t *text = arena_alloc(&schema->arena, name.len + 1);
	bool is_raised = false;
	size_t len = 0;

	for (size_t i = 0; text && i < name.len; i++) {
		uint8_t c = name.data[i];

		if (c != '_')
			text[len++] = is_raised && c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) : c;
		is_raised = c == '_';
	}
	return span_make(text, len);
}

/* "name": as printed before a value. */
static struct span schema_quoted_key(struct schema *schema, struct span name, struct buf *scratch)
{
	buf_reset(scratch);
	if (!text_json_quote(name, scratch) || !buf_append_byte(scratch, ':'))
		return SPAN_EMPTY;
	return arena_span(&schema->arena, buf_span(scratch));
}

/* An extension is named in JSON by its full name in brackets, which no field can be. */
static void schema_extension_names(struct schema *schema, struct field *field,
				   struct span full_name)
{
	uint8_t *text = arena_alloc(&schema->arena, full_name.len + 3);

	field->full_name = full_name;
	if (!text)
		return; /* the arena remembers */
	text[0] = '[';
	memcpy(text + 1, full_name.data, full_name.len);
	text[full_name.len + 1] = ']';
	field->json_name = span_make(text, full_name.len + 2);
	field->name = field->json_name;
}

static enum status schema_field_names(struct schema *schema, struct field *field,
				      const struct schema_extension *extension,
				      struct span json_name, struct error *err)
{
	struct span parent = field->parent->full_name;
	struct buf scratch;

	if (extension) {
		schema_extension_names(schema, field, extension->full_name);
	} else {
		if (!schema_is_identifier(field->name) || !text_is_utf8(json_name))
			return schema_bad(err, parent, "a field has no valid name");
		field->full_name = schema_join(schema, parent, field->name);
		field->json_name = json_name.len ? schema_join(schema, SPAN_EMPTY, json_name)
						 : schema_camel(schema, field->name);
	}
	buf_init(&scratch, SCHEMA_BYTES_MAX);
	field->json_key_ = schema_quoted_key(schema, field->json_name, &scratch);
	field->name_key_ = schema_quoted_key(schema, field->name, &scratch);
	buf_fini(&scratch);
	return schema->arena.is_exhausted ? schema_no_memory(err) : ST_OK;
}

static bool schema_has_option(const struct message *message, uint32_t number)
{
	struct wire_field option;

	return wire_find_last(message->options, number, WIRE_VARINT, &option) &&
	       option.integer != 0;
}

/* Whether a message field is encoded as a group. Maps and what is in them never are, whatever the
 * file says. */
static bool schema_is_delimited(const struct field *field, const struct schema_symbol *symbol,
				const struct schema_features *features)
{
	return features->encoding == 2 && symbol && symbol->kind == SCHEMA_MESSAGE &&
	       !schema_has_option(symbol->thing, SCHEMA_OPTION_MAP_ENTRY) &&
	       !schema_has_option(field->parent, SCHEMA_OPTION_MAP_ENTRY);
}

/* Finds the type and checks that it is of the kind the descriptor says. */
static enum status schema_field_type(struct schema *schema, struct field *field,
				     const struct schema_draft *draft,
				     const struct schema_features *features, struct error *err)
{
	const struct schema_symbol *symbol = NULL;
	uint64_t type = draft->type;

	if (draft->type_name.len) {
		symbol = schema_resolve(schema, draft->scope, draft->type_name);
		if (!symbol)
			return error_set(err, ST_INVALID_ARGUMENT, "%.*s: unknown type %.*s",
					 SPAN_FMT(field->full_name), SPAN_FMT(draft->type_name));
		if (type == 0)
			type = symbol->kind == SCHEMA_ENUM ? FIELD_ENUM : FIELD_MESSAGE;
	}
	if (type == FIELD_MESSAGE && schema_is_delimited(field, symbol, features))
		type = FIELD_GROUP;
	if (type < FIELD_DOUBLE || type > FIELD_SINT64)
		return schema_bad(err, field->full_name, "the field has no valid type");
	field->type = (enum field_type)type;
	if (type == FIELD_MESSAGE || type == FIELD_GROUP) {
		if (!symbol || symbol->kind != SCHEMA_MESSAGE)
			return schema_bad(err, field->full_name, "the type is not a message");
		field->message = symbol->thing;
	} else if (type == FIELD_ENUM) {
		if (!symbol || symbol->kind != SCHEMA_ENUM)
			return schema_bad(err, field->full_name, "the type is not an enum");
		field->enum_type = symbol->thing;
	}
	return ST_OK;
}

static void schema_field_behaviour(struct field *field, const struct schema_draft *draft,
				   const struct schema_features *features)
{
	struct wire_field packed;

	field->is_repeated = draft->label == SCHEMA_LABEL_REPEATED;
	field->is_required = draft->label == SCHEMA_LABEL_REQUIRED || features->presence == 3;
	field->is_utf8 = field->type == FIELD_STRING && features->utf8 != 3;
	if (field->is_repeated && schema_type_is_packable(field->type))
		field->is_packed = wire_find_last(field->options, 2, WIRE_VARINT, &packed)
					   ? packed.integer != 0
					   : features->repeated == 1;
	field->has_presence =
		!field->is_repeated && (field->message || draft->has_oneof || field->is_extension ||
					features->presence != 2);
}

static enum status schema_define_field(struct schema *schema,
				       const struct schema_field_source *source,
				       struct field *field, uint64_t *ret_oneof_index,
				       struct error *err)
{
	const struct schema_extension *extension = source->extension;
	struct schema_features features = extension ? extension->features : source->entry->features;
	struct schema_draft draft = {.scope = extension ? extension->scope
							: source->entry->message.full_name};
	struct wire_reader reader;
	struct wire_field record;
	enum status status;

	wire_reader_init(&reader, source->raw);
	while (wire_next(&reader, &record)) {
		if (record.type == WIRE_VARINT)
			schema_field_varint(field, &draft, &record);
		else if (record.type == WIRE_BYTES)
			schema_field_bytes(field, &draft, &record);
	}
	field->parent = &source->entry->message;
	field->is_extension = extension != NULL;
	status = schema_merged(schema, source->raw, 8, &field->options, err);
	if (status == ST_OK)
		status = schema_field_names(schema, field, extension, draft.json_name, err);
	if (status != ST_OK)
		return status;
	schema_features_merge(&features, field->options, 21);
	if (field->number == 0)
		return schema_bad(err, field->full_name, "the field number is out of range");
	status = schema_field_type(schema, field, &draft, &features, err);
	if (status != ST_OK)
		return status;
	schema_field_behaviour(field, &draft, &features);
	*ret_oneof_index = draft.has_oneof && !draft.is_proto3_optional && !extension
				   ? draft.oneof_index
				   : UINT64_MAX;
	return ST_OK;
}

/* ---- the fields of a message ---- */

static int schema_field_cmp(const void *a, const void *b)
{
	const struct field *left = a;
	const struct field *right = b;

	return left->number < right->number ? -1 : left->number > right->number;
}

static int schema_key_cmp(const void *a, const void *b)
{
	const struct schema_key *left = a;
	const struct schema_key *right = b;
	int order = span_cmp(left->key, right->key);

	if (order != 0)
		return order;
	if (left->is_json_name != right->is_json_name)
		return left->is_json_name ? -1 : 1;
	return left->field->number < right->field->number
		       ? -1
		       : left->field->number > right->field->number;
}

static enum status schema_index_keys(struct schema *schema, struct message *message,
				     struct error *err)
{
	struct schema_key *keys =
		arena_new_array(&schema->arena, struct schema_key, message->field_count * 2 + 1);
	size_t count = 0;

	if (!keys)
		return schema_no_memory(err);
	for (size_t i = 0; i < message->field_count; i++) {
		const struct field *field = &message->fields[i];

		keys[count++] = (struct schema_key){field->json_name, field, true};
		if (!span_eq(field->name, field->json_name))
			keys[count++] = (struct schema_key){field->name, field, false};
	}
	qsort(keys, count, sizeof(keys[0]), schema_key_cmp);
	message->keys_ = keys;
	message->key_count_ = count;
	return ST_OK;
}

/* A direct table by number, when it is not much larger than the list of fields. */
static enum status schema_index_numbers(struct schema *schema, struct message *message,
					struct error *err)
{
	size_t highest =
		message->field_count ? message->fields[message->field_count - 1].number : 0;

	if (highest > message->field_count * 4 + 32)
		return ST_OK;
	message->by_number_ = arena_new_array(&schema->arena, const struct field *, highest + 1);
	if (!message->by_number_)
		return schema_no_memory(err);
	message->by_number_count_ = highest + 1;
	for (size_t i = 0; i < message->field_count; i++)
		message->by_number_[message->fields[i].number] = &message->fields[i];
	return ST_OK;
}

/* Makes a struct for each oneof that has members; places[i] becomes the place of the i-th declared.
 */
static enum status schema_make_oneofs(struct schema *schema, struct schema_message_entry *entry,
				      const size_t *member_counts, size_t *places,
				      struct oneof *oneofs, struct error *err)
{
	struct wire_reader reader;
	struct wire_field field;
	struct wire_field name;
	size_t index = 0;
	size_t used = 0;

	wire_reader_init(&reader, entry->raw);
	while (wire_next(&reader, &field)) {
		struct oneof *oneof = &oneofs[used];

		if (field.number != 8 || field.type != WIRE_BYTES)
			continue;
		places[index] = used;
		if (member_counts[index++] == 0)
			continue;
		oneof->name =
			wire_find_last(field.bytes, 1, WIRE_BYTES, &name) ? name.bytes : SPAN_EMPTY;
		oneof->parent = &entry->message;
		oneof->index = (uint32_t)used++;
		oneof->fields = arena_new_array(&schema->arena, const struct field *,
						member_counts[index - 1]);
		if (!oneof->fields)
			return schema_no_memory(err);
	}
	entry->message.oneofs = oneofs;
	entry->message.oneof_count = used;
	return ST_OK;
}

/* The oneofs that have members (those made for proto3 optional have none here). oneof_of says for
 * each field in order of declaration which oneof it is in. */
static enum status schema_define_oneofs(struct schema *schema, struct schema_message_entry *entry,
					struct field **declared, const uint64_t *oneof_of,
					struct error *err)
{
	size_t count = entry->message.oneof_count;
	struct oneof *oneofs = arena_new_array(&schema->arena, struct oneof, count + 1);
	size_t *member_counts = mem_new_array(size_t, count + 1);
	size_t *places = mem_new_array(size_t, count + 1);
	enum status status;

	for (size_t i = 0; i < entry->message.field_count; i++)
		if (oneof_of[i] != UINT64_MAX)
			member_counts[oneof_of[i]]++;
	status = oneofs ? schema_make_oneofs(schema, entry, member_counts, places, oneofs, err)
			: schema_no_memory(err);
	for (size_t i = 0; status == ST_OK && i < entry->message.field_count; i++) {
		struct oneof *oneof;

		if (oneof_of[i] == UINT64_MAX)
			continue;
		oneof = &oneofs[places[oneof_of[i]]];
		declared[i]->oneof = oneof;
		oneof->fields[oneof->field_count++] = declared[i];
	}
	mem_free(member_counts);
	mem_free(places);
	return status;
}

/* A map entry has a key of a type that can be one, and a value. */
static enum status schema_define_map_entry(struct message *message, struct error *err)
{
	const struct field *key = schema_field_by_number(message, 1);
	const struct field *value = schema_field_by_number(message, 2);

	if (!key || !value || message->field_count != 2 || key->is_repeated || value->is_repeated ||
	    key->message || value->type == FIELD_GROUP || key->type == FIELD_ENUM ||
	    key->type == FIELD_BYTES || key->type == FIELD_DOUBLE || key->type == FIELD_FLOAT)
		return schema_bad(err, message->full_name, "not a valid map entry");
	message->is_map_entry = true;
	message->map_key = key;
	message->map_value = value;
	return ST_OK;
}

static void schema_count_parts(struct span raw, struct message *message)
{
	struct wire_reader reader;
	struct wire_field field;

	wire_reader_init(&reader, raw);
	while (wire_next(&reader, &field)) {
		message->field_count += field.number == 2 && field.type == WIRE_BYTES;
		message->oneof_count += field.number == 8 && field.type == WIRE_BYTES;
	}
}

static enum status schema_read_fields(struct schema *schema, struct schema_message_entry *entry,
				      struct field *fields, uint64_t *oneof_of, struct error *err)
{
	struct wire_reader reader;
	struct wire_field field;
	enum status status = ST_OK;
	uint32_t i = 0;

	wire_reader_init(&reader, entry->raw);
	while (status == ST_OK && wire_next(&reader, &field)) {
		if (field.number != 2 || field.type != WIRE_BYTES)
			continue;
		fields[i].declared_index = i;
		status = schema_define_field(
			schema, &(struct schema_field_source){entry, NULL, field.bytes}, &fields[i],
			&oneof_of[i], err);
		if (status == ST_OK && oneof_of[i] != UINT64_MAX &&
		    (oneof_of[i] >= entry->message.oneof_count || fields[i].is_repeated))
			status = schema_bad(err, fields[i].full_name,
					    "not a valid member of a oneof");
		i++;
	}
	for (const struct schema_extension *extension = entry->extensions;
	     status == ST_OK && extension; extension = extension->next_of_message, i++) {
		fields[i].declared_index = i; /* behind what is declared, so it has no comment */
		status = schema_define_field(
			schema, &(struct schema_field_source){entry, extension, extension->raw},
			&fields[i], &oneof_of[i], err);
	}
	return status;
}

/* Gives sorted fields their place and their symbol. */
static enum status schema_place_fields(struct schema *schema, struct message *message,
				       struct field *fields, struct field **declared,
				       struct error *err)
{
	enum status status = ST_OK;

	qsort(fields, message->field_count, sizeof(fields[0]), schema_field_cmp);
	for (size_t i = 0; status == ST_OK && i < message->field_count; i++) {
		fields[i].index = (uint32_t)i;
		declared[fields[i].declared_index] = &fields[i];
		if (i > 0 && fields[i].number == fields[i - 1].number)
			return schema_bad(err, fields[i].full_name,
					  "the field number is used twice");
		if (!fields[i].is_extension) /* it has its symbol */
			status = schema_add_symbol(schema, fields[i].full_name, SCHEMA_OTHER,
						   message->file, &fields[i], err);
	}
	message->fields = fields;
	return status;
}

static enum status schema_define_message(struct schema *schema, struct schema_message_entry *entry,
					 struct error *err)
{
	struct message *message = &entry->message;
	struct field *fields;
	struct field **declared;
	uint64_t *oneof_of;
	enum status status;

	schema_count_parts(entry->raw, message);
	schema->field_count += message->field_count;
	if (schema->field_count > SCHEMA_FIELDS_MAX || message->oneof_count > message->field_count)
		return schema_bad(err, message->full_name, "too many fields or oneofs");
	fields = arena_new_array(&schema->arena, struct field, message->field_count + 1);
	entry->fields = fields;
	declared = mem_new_array(struct field *, message->field_count + 1);
	oneof_of = mem_new_array(uint64_t, message->field_count + 1);
	status = fields ? schema_read_fields(schema, entry, fields, oneof_of, err)
			: schema_no_memory(err);
	if (status == ST_OK)
		status = schema_place_fields(schema, message, fields, declared, err);
	if (status == ST_OK)
		status = schema_define_oneofs(schema, entry, declared, oneof_of, err);
	if (status == ST_OK)
		status = schema_index_numbers(schema, message, err);
	if (status == ST_OK)
		status = schema_index_keys(schema, message, err);
	mem_free(declared);
	mem_free(oneof_of);
	message->is_message_set = schema_has_option(message, SCHEMA_OPTION_MESSAGE_SET);
	if (status == ST_OK && schema_has_option(message, SCHEMA_OPTION_MAP_ENTRY))
		status = schema_define_map_entry(message, err);
	return status;
}

/* ---- services ---- */

static enum status schema_method_type(struct schema *schema, const struct method *method,
				      struct span raw, uint32_t number,
				      const struct message **ret_message, struct error *err)
{
	struct wire_field field;
	const struct schema_symbol *symbol;

	if (!wire_find_last(raw, number, WIRE_BYTES, &field))
		return schema_bad(err, method->full_name, "the method lacks a type");
	symbol = schema_resolve(schema, method->service->full_name, field.bytes);
	if (!symbol || symbol->kind != SCHEMA_MESSAGE)
		return error_set(err, ST_INVALID_ARGUMENT, "%.*s: unknown type %.*s",
				 SPAN_FMT(method->full_name), SPAN_FMT(field.bytes));
	*ret_message = symbol->thing;
	return ST_OK;
}

static enum status schema_method_path(struct schema *schema, struct method *method,
				      struct error *err)
{
	struct schema_method_node *node = arena_new(&schema->arena, struct schema_method_node);
	size_t service_len = method->service->full_name.len;
	uint8_t *text = arena_alloc(&schema->arena, method->full_name.len + 2);

	if (!node || !text)
		return schema_no_memory(err);
	text[0] = '/';
	memcpy(text + 1, method->full_name.data, method->full_name.len);
	text[1 + service_len] = '/';
	method->path = span_make(text, method->full_name.len + 1);
	node->node.key = method->path;
	node->method = method;
	BUG_ON(!map_insert(&schema->methods, &node->node)); /* full names are unique */
	return ST_OK;
}

static enum status schema_define_method(struct schema *schema, struct span raw,
					struct method *method, struct error *err)
{
	struct wire_field field;
	enum status status;

	if (!wire_find_last(raw, 1, WIRE_BYTES, &field) || !schema_is_identifier(field.bytes))
		return schema_bad(err, method->service->full_name, "a method has no valid name");
	method->name = field.bytes;
	method->full_name = schema_join(schema, method->service->full_name, method->name);
	method->client_streaming =
		wire_find_last(raw, 5, WIRE_VARINT, &field) && field.integer != 0;
	method->server_streaming =
		wire_find_last(raw, 6, WIRE_VARINT, &field) && field.integer != 0;
	if (schema->arena.is_exhausted)
		return schema_no_memory(err);
	status = schema_method_type(schema, method, raw, 2, &method->input, err);
	if (status == ST_OK)
		status = schema_method_type(schema, method, raw, 3, &method->output, err);
	if (status == ST_OK)
		status = schema_merged(schema, raw, 4, &method->options, err);
	return status;
}

static enum status schema_define_service(struct schema *schema, struct schema_service_entry *entry,
					 struct error *err)
{
	struct service *service = &entry->service;
	struct wire_reader reader;
	struct wire_field field;
	struct method *methods;
	enum status status = ST_OK;
	size_t count = 0;

	wire_reader_init(&reader, entry->raw);
	while (wire_next(&reader, &field))
		count += field.number == 2 && field.type == WIRE_BYTES;
	schema->method_count += count;
	if (schema->method_count > SCHEMA_METHODS_MAX)
		return schema_bad(err, service->full_name, "too many methods");
	methods = arena_new_array(&schema->arena, struct method, count + 1);
	if (!methods)
		return schema_no_memory(err);
	service->methods = methods;
	wire_reader_init(&reader, entry->raw);
	while (status == ST_OK && wire_next(&reader, &field)) {
		struct method *method = &methods[service->method_count];

		if (field.number != 2 || field.type != WIRE_BYTES)
			continue;
		method->service = service;
		method->declared_index = (uint32_t)service->method_count++;
		status = schema_define_method(schema, field.bytes, method, err);
		if (status == ST_OK)
			status = schema_add_symbol(schema, method->full_name, SCHEMA_OTHER,
						   service->file, method, err);
		if (status == ST_OK)
			status = schema_method_path(schema, method, err);
	}
	return status;
}

/* Hands every extension to the message it extends. Those of a message set have an encoding of their
 * own, which JSON does not know: they are left out. */
static enum status schema_attach_extensions(struct schema *schema, struct error *err)
{
	struct schema_extension *extension = schema->first_extension;

	for (; extension; extension = extension->next) {
		struct schema_message_entry *entry;
		const struct schema_symbol *symbol;
		struct wire_field field = {0};

		if (wire_find_last(extension->raw, 2, WIRE_BYTES, &field))
			symbol = schema_resolve(schema, extension->scope, field.bytes);
		else
			symbol = NULL;
		if (!symbol || symbol->kind != SCHEMA_MESSAGE)
			return error_set(err, ST_INVALID_ARGUMENT,
					 "%.*s: %.*s extends the unknown message %.*s",
					 SPAN_FMT(extension->file->name),
					 SPAN_FMT(extension->full_name), SPAN_FMT(field.bytes));
		entry = container_of((struct message *)symbol->thing, struct schema_message_entry,
				     message);
		if (schema_has_option(&entry->message, SCHEMA_OPTION_MESSAGE_SET))
			continue;
		extension->next_of_message = entry->extensions;
		entry->extensions = extension;
		entry->message.field_count++;
	}
	return ST_OK;
}

/* Only now is it known which messages are map entries. */
static void schema_mark_maps(struct schema *schema)
{
	for (struct schema_message_entry *entry = schema->first_message; entry; entry = entry->next)
		for (size_t i = 0; i < entry->message.field_count; i++) {
			struct field *field = &entry->fields[i];

			field->is_map = field->is_repeated && field->message &&
					field->message->is_map_entry;
		}
}

enum status schema_define(struct schema *schema, struct error *err)
{
	enum status status = schema_attach_extensions(schema, err);
	size_t i = 0;

	for (struct schema_message_entry *entry = schema->first_message; status == ST_OK && entry;
	     entry = entry->next) {
		status = schema_define_message(schema, entry, err);
		if (status != ST_OK)
			(void)error_wrap(err, "%.*s", SPAN_FMT(entry->message.file->name));
	}
	if (status == ST_OK)
		schema_mark_maps(schema);
	schema->services =
		arena_new_array(&schema->arena, const struct service *, schema->service_count + 1);
	if (status == ST_OK && !schema->services)
		status = schema_no_memory(err);
	for (struct schema_service_entry *entry = schema->first_service; status == ST_OK && entry;
	     entry = entry->next) {
		schema->services[i++] = &entry->service;
		status = schema_define_service(schema, entry, err);
		if (status != ST_OK)
			(void)error_wrap(err, "%.*s", SPAN_FMT(entry->service.file->name));
	}
	return status;
}
