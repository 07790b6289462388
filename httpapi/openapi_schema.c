/* What messages, fields and enums are in JSON. Components are made one after another, each noting
 * the ones it refers to, so that types may be as deep or circular as they like. */
#include "httpapi/openapi_internal.h"
#include "proto/wire.h"
#include "src/base/mem.h"

/* The number of google.api.field_behavior, FieldOptions. */
#define FIELD_BEHAVIOUR_NUMBER 1052

struct openapi_part {
	struct map_node node; /* key: full name */
	const struct message *message;
	const struct enum_type *enum_type;
	struct openapi_part *next;
};

/* ---- references ---------------------------------------------------------------------------- */

static json_t *part_reference(struct openapi *o, struct span name, const struct message *message,
			      const struct enum_type *enum_type)
{
	struct openapi_part *part;

	if (!map_find(&o->parts, name)) {
		part = arena_new(&o->arena, struct openapi_part);
		if (!part) {
			o->is_over = true;
			return json_null();
		}
		*part = (struct openapi_part){{.key = name}, message, enum_type, NULL};
		(void)map_insert(&o->parts, &part->node); /* was looked for */
		*o->last_part = part;
		o->last_part = &part->next;
	}
	return json_pack("{s:o}", "$ref",
			 json_sprintf("#/components/schemas/%.*s", SPAN_FMT(name)));
}

json_t *openapi_message(struct openapi *o, const struct message *message)
{
	switch (message->known) {
	case KNOWN_TIMESTAMP:
		return json_pack("{s:s,s:s}", "type", "string", "format", "date-time");
	case KNOWN_DURATION:
		return json_pack("{s:s,s:s}", "type", "string", "pattern",
				 "^-?[0-9]+(\\.[0-9]{1,9})?s$");
	case KNOWN_FIELD_MASK:
		return json_pack("{s:s}", "type", "string");
	case KNOWN_STRUCT:
		return json_pack("{s:s,s:b}", "type", "object", "additionalProperties", 1);
	case KNOWN_VALUE:
		return json_object();
	case KNOWN_LIST_VALUE:
		return json_pack("{s:s,s:{}}", "type", "array", "items");
	case KNOWN_EMPTY:
		return json_pack("{s:s}", "type", "object");
	case KNOWN_WRAPPER: {
		json_t *schema = openapi_single(o, &message->fields[0]);
		json_t *type = json_object_get(schema, "type");

		if (json_is_array(type))
			json_array_append_new(type, json_string("null"));
		else
			json_object_set_new(schema, "type", json_pack("[O,s]", type, "null"));
		return schema;
	}
	case KNOWN_ANY:
	case KNOWN_NONE:
	case KNOWN_HTTP_BODY:
		break;
	}
	return part_reference(o, message->full_name, message, NULL);
}

/* ---- values -------------------------------------------------------------------------------- */

/* Numbers that may be too large for a JSON reader are texts. */
static json_t *schema_long(const struct openapi *o, bool is_signed)
{
	return json_pack("{s:s,s:s}", "type",
			 o->params->options->int64_as_number ? "integer" : "string", "format",
			 is_signed ? "int64" : "uint64");
}

/* The pattern concerns texts only: the three values that are no JSON numbers. */
static json_t *schema_float(const char *format)
{
	return json_pack("{s:[s,s],s:s,s:s}", "type", "number", "string", "format", format,
			 "pattern", "^(NaN|-?Infinity)$");
}

json_t *openapi_single(struct openapi *o, const struct field *field)
{
	switch (field->type) {
	case FIELD_DOUBLE:
		return schema_float("double");
	case FIELD_FLOAT:
		return schema_float("float");
	case FIELD_INT64:
	case FIELD_SFIXED64:
	case FIELD_SINT64:
		return schema_long(o, true);
	case FIELD_UINT64:
	case FIELD_FIXED64:
		return schema_long(o, false);
	case FIELD_INT32:
	case FIELD_SFIXED32:
	case FIELD_SINT32:
		return json_pack("{s:s,s:s}", "type", "integer", "format", "int32");
	case FIELD_UINT32:
	case FIELD_FIXED32:
		return json_pack("{s:s,s:s,s:i}", "type", "integer", "format", "uint32", "minimum",
				 0);
	case FIELD_BOOL:
		return json_pack("{s:s}", "type", "boolean");
	case FIELD_STRING:
		return json_pack("{s:s}", "type", "string");
	case FIELD_BYTES:
		return json_pack("{s:s,s:s,s:s}", "type", "string", "format", "byte",
				 "contentEncoding", "base64");
	case FIELD_ENUM:
		if (field->enum_type->is_null_value)
			return json_pack("{s:s}", "type", "null");
		return part_reference(o, field->enum_type->full_name, NULL, field->enum_type);
	case FIELD_MESSAGE:
	case FIELD_GROUP:
		break;
	}
	return openapi_message(o, field->message);
}

/* Keys of a map are texts in JSON whatever they are in the message. */
static void schema_map_keys(const struct field *key, json_t *schema)
{
	if (key->type == FIELD_STRING)
		return;
	json_object_set_new(schema, "propertyNames",
			    json_pack("{s:s}", "pattern",
				      key->type == FIELD_BOOL ? "^(true|false)$" : "^-?[0-9]+$"));
}

json_t *openapi_field(struct openapi *o, const struct field *field)
{
	json_t *schema;

	if (field->is_map) {
		schema = json_pack("{s:s,s:o}", "type", "object", "additionalProperties",
				   openapi_single(o, field->message->map_value));
		schema_map_keys(field->message->map_key, schema);
		return schema;
	}
	schema = openapi_single(o, field);
	return field->is_repeated ? json_pack("{s:s,s:o}", "type", "array", "items", schema)
				  : schema;
}

/* ---- what is said about a field ------------------------------------------------------------ */

bool openapi_is_deprecated(struct span options, uint32_t number)
{
	struct wire_field field;

	return wire_find_last(options, number, WIRE_VARINT, &field) && field.integer;
}

unsigned openapi_behaviour(const struct field *field)
{
	struct wire_reader reader;
	struct wire_reader packed;
	struct wire_field option;
	unsigned behaviour = 0;

	wire_reader_init(&reader, field->options);
	while (wire_next(&reader, &option)) {
		if (option.number != FIELD_BEHAVIOUR_NUMBER)
			continue;
		if (option.type == WIRE_VARINT)
			behaviour |= 1U << (option.integer & 15);
		if (option.type != WIRE_BYTES)
			continue;
		wire_reader_init(&packed, option.bytes);
		while (!wire_at_end(&packed))
			behaviour |= 1U << (wire_read_varint(&packed) & 15);
	}
	return behaviour;
}

/* "Only one of `a`, `b` may be set." */
static void describe_oneof(struct openapi *o, const struct oneof *oneof, struct buf *out)
{
	(void)buf_append_str(out, buf_len(out) ? "\n\nOnly one of " : "Only one of ");
	for (size_t i = 0; i < oneof->field_count; i++)
		(void)buf_printf(out, "%s`%.*s`", i ? ", " : "",
				 SPAN_FMT(openapi_name(o, oneof->fields[i])));
	(void)buf_append_str(out, " may be set.");
}

void openapi_describe(struct openapi *o, const struct field *field, json_t *object)
{
	struct buf text;

	buf_init(&text, (size_t)64 * 1024);
	(void)buf_append(&text, openapi_comment_field(&o->comments, field));
	if (field->oneof && field->oneof->field_count > 1)
		describe_oneof(o, field->oneof, &text);
	openapi_set_text(object, "description", buf_span(&text));
	buf_fini(&text);
	if (openapi_is_deprecated(field->options, 3))
		json_object_set_new(object, "deprecated", json_true());
}

static json_t *schema_property(struct openapi *o, const struct field *field)
{
	unsigned behaviour = openapi_behaviour(field);
	json_t *schema = openapi_field(o, field);

	openapi_describe(o, field, schema);
	if (behaviour & OPENAPI_OUTPUT_ONLY)
		json_object_set_new(schema, "readOnly", json_true());
	if (behaviour & OPENAPI_INPUT_ONLY)
		json_object_set_new(schema, "writeOnly", json_true());
	return schema;
}

/* ---- components ---------------------------------------------------------------------------- */

json_t *openapi_object(struct openapi *o, const struct message *message,
		       bool (*is_left_out)(const void *data, const struct field *field),
		       const void *data)
{
	json_t *schema = json_pack("{s:s}", "type", "object");
	json_t *properties = json_object();
	json_t *required = json_array();
	json_t *example;

	openapi_set_text(schema, "description", openapi_comment_message(&o->comments, message));
	if (openapi_is_deprecated(message->options, 3))
		json_object_set_new(schema, "deprecated", json_true());
	for (size_t i = 0; i < message->field_count && openapi_count(o); i++) {
		const struct field *field = &message->fields[i];
		struct span name = openapi_name(o, field);

		if (is_left_out && is_left_out(data, field))
			continue;
		json_object_setn_new_nocheck(properties, (const char *)name.data, name.len,
					     schema_property(o, field));
		if (field->is_required || (openapi_behaviour(field) & OPENAPI_REQUIRED))
			json_array_append_new(required, openapi_text(name));
	}
	if (json_object_size(properties))
		json_object_set(schema, "properties", properties);
	if (json_array_size(required))
		json_object_set(schema, "required", required);
	json_decref(properties);
	json_decref(required);
	example = openapi_example_message(o, message, is_left_out, data);
	if (example)
		json_object_set_new(schema, "examples", json_pack("[o]", example));
	return schema;
}

/* "* `RED`: what its comment says", for those values that have one. */
static void schema_describe_enum(struct openapi *o, const struct enum_type *type, json_t *schema)
{
	struct buf text;
	bool has_list = false;

	buf_init(&text, (size_t)64 * 1024);
	(void)buf_append(&text, openapi_comment_enum(&o->comments, type));
	for (size_t i = 0; i < type->value_count; i++) {
		struct span comment = openapi_comment_value(&o->comments, type, i);

		if (comment.len == 0)
			continue;
		(void)buf_printf(&text, "%s* `%.*s`: %.*s",
				 has_list	  ? "\n"
				 : buf_len(&text) ? "\n\n"
						  : "",
				 SPAN_FMT(type->values[i].name), SPAN_FMT(comment));
		has_list = true;
	}
	openapi_set_text(schema, "description", buf_span(&text));
	buf_fini(&text);
}

static json_t *schema_enum(struct openapi *o, const struct enum_type *type)
{
	bool is_number = o->params->options->always_print_enums_as_ints;
	json_t *schema = json_pack("{s:s}", "type", is_number ? "integer" : "string");
	json_t *values = json_array();

	schema_describe_enum(o, type, schema);
	if (openapi_is_deprecated(type->options, 3))
		json_object_set_new(schema, "deprecated", json_true());
	for (size_t i = 0; i < type->value_count && openapi_count(o); i++) {
		const struct enum_value *value = &type->values[i];

		if (!is_number)
			json_array_append_new(values, openapi_text(value->name));
		else if (schema_enum_by_number(type, value->number) == value) /* not an alias */
			json_array_append_new(values, json_integer(value->number));
	}
	json_object_set_new(schema, "enum", values);
	return schema;
}

void openapi_write_parts(struct openapi *o)
{
	for (struct openapi_part *part = o->first_part; part && !o->is_over; part = part->next) {
		json_t *schema;

		if (part->enum_type)
			schema = schema_enum(o, part->enum_type);
		else if (part->message->known == KNOWN_ANY ||
			 span_eq_str(part->node.key, "google.rpc.Status"))
			continue; /* always there */
		else
			schema = openapi_object(o, part->message, NULL, NULL);
		json_object_setn_new_nocheck(o->schemas, (const char *)part->node.key.data,
					     part->node.key.len, schema);
	}
}
