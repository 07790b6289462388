/* Which messages are the well-known ones: those of the right name that also have the fields they
 * should have, so that whoever reads or prints them need not look again. */
#include <string.h>

#include "proto/schema_internal.h"
#include "src/base/mem.h"

#define REPEATED 0x80

/* The types of fields 1, 2, … that make a message the well-known one. */
struct schema_known {
	const char *full_name;
	enum known_type known;
	uint8_t types[7];
};

static const struct schema_known schema_known_types[] = {
	{"google.protobuf.Any", KNOWN_ANY, {FIELD_STRING, FIELD_BYTES}},
	{"google.protobuf.Timestamp", KNOWN_TIMESTAMP, {FIELD_INT64, FIELD_INT32}},
	{"google.protobuf.Duration", KNOWN_DURATION, {FIELD_INT64, FIELD_INT32}},
	{"google.protobuf.FieldMask", KNOWN_FIELD_MASK, {FIELD_STRING | REPEATED}},
	{"google.protobuf.Struct", KNOWN_STRUCT, {FIELD_MESSAGE | REPEATED}},
	{"google.protobuf.Value",
	 KNOWN_VALUE,
	 {FIELD_ENUM, FIELD_DOUBLE, FIELD_STRING, FIELD_BOOL, FIELD_MESSAGE, FIELD_MESSAGE}},
	{"google.protobuf.ListValue", KNOWN_LIST_VALUE, {FIELD_MESSAGE | REPEATED}},
	{"google.protobuf.Empty", KNOWN_EMPTY, {0}},
	{"google.protobuf.DoubleValue", KNOWN_WRAPPER, {FIELD_DOUBLE}},
	{"google.protobuf.FloatValue", KNOWN_WRAPPER, {FIELD_FLOAT}},
	{"google.protobuf.Int64Value", KNOWN_WRAPPER, {FIELD_INT64}},
	{"google.protobuf.UInt64Value", KNOWN_WRAPPER, {FIELD_UINT64}},
	{"google.protobuf.Int32Value", KNOWN_WRAPPER, {FIELD_INT32}},
	{"google.protobuf.UInt32Value", KNOWN_WRAPPER, {FIELD_UINT32}},
	{"google.protobuf.BoolValue", KNOWN_WRAPPER, {FIELD_BOOL}},
	{"google.protobuf.StringValue", KNOWN_WRAPPER, {FIELD_STRING}},
	{"google.protobuf.BytesValue", KNOWN_WRAPPER, {FIELD_BYTES}},
	{"google.api.HttpBody",
	 KNOWN_HTTP_BODY,
	 {FIELD_STRING, FIELD_BYTES, FIELD_MESSAGE | REPEATED}},
};

static bool schema_has_shape(const struct message *message, const struct schema_known *known)
{
	size_t count = strlen((const char *)known->types);

	if (message->field_count != count)
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct field *field = &message->fields[i];

		if (field->number != i + 1 || field->type != (known->types[i] & 0x7F) ||
		    field->is_repeated != ((known->types[i] & REPEATED) != 0))
			return false;
	}
	return true;
}

static struct message *schema_known_message(struct schema *schema, const char *full_name)
{
	const struct message *found = schema_find_message(schema, span_from_str(full_name));

	return found ? &container_of(found, struct schema_message_entry, message)->message : NULL;
}

/* Struct, Value and ListValue are read and printed together: each must be what the others take it
 * for. */
static bool schema_is_json_trio(const struct message *object, const struct message *value,
				const struct message *list)
{
	return object && value && list && object->known && value->known && list->known &&
	       object->fields[0].is_map &&
	       object->fields[0].message->map_key->type == FIELD_STRING &&
	       object->fields[0].message->map_value->message == value &&
	       value->fields[0].enum_type->is_null_value && value->fields[4].message == object &&
	       value->fields[5].message == list && list->fields[0].message == value;
}

void schema_mark_known(struct schema *schema)
{
	struct message *object = schema_known_message(schema, "google.protobuf.Struct");
	struct message *value = schema_known_message(schema, "google.protobuf.Value");
	struct message *list = schema_known_message(schema, "google.protobuf.ListValue");

	for (size_t i = 0; i < sizeof(schema_known_types) / sizeof(schema_known_types[0]); i++) {
		const struct schema_known *known = &schema_known_types[i];
		struct message *message = schema_known_message(schema, known->full_name);

		if (message && schema_has_shape(message, known))
			message->known = known->known;
	}
	if (schema_is_json_trio(object, value, list))
		return;
	if (object)
		object->known = KNOWN_NONE;
	if (value)
		value->known = KNOWN_NONE;
	if (list)
		list->known = KNOWN_NONE;
}
