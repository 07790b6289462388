/* Values to begin with: what a client can paste, change and send. The text of a field is its own
 * name; messages within messages go a few levels down and never into their own type again. */
#include "httpapi/openapi_internal.h"

/* Deeper values help nobody. */
#define EXAMPLE_DEPTH_MAX 4

/* Values of one example: beyond it the example is longer than the description. What does not fit is
 * left out. */
#define EXAMPLE_VALUES_MAX 100

/* The messages around the value being made. */
struct example {
	struct openapi *o;
	const struct message *around[EXAMPLE_DEPTH_MAX];
	unsigned depth;
	unsigned value_count;
	bool (*is_left_out)(const void *data, const struct field *field); /* of the outermost */
	const void *data;
};

static json_t *example_message(struct example *e, const struct message *message);

static json_t *example_enum(const struct openapi *o, const struct enum_type *type)
{
	const struct enum_value *value = &type->values[0];

	if (type->is_null_value)
		return json_null();
	for (size_t i = 0; i < type->value_count && value->number == 0; i++)
		value = &type->values[i];
	return o->params->options->always_print_enums_as_ints ? json_integer(value->number)
							      : openapi_text(value->name);
}

/* NULL: there is none that is not too deep or too much. */
static json_t *example_single(struct example *e, const struct field *field)
{
	if (e->value_count++ >= EXAMPLE_VALUES_MAX || !openapi_count(e->o))
		return NULL;
	switch (field->type) {
	case FIELD_DOUBLE:
	case FIELD_FLOAT:
		return json_real(1.5);
	case FIELD_INT64:
	case FIELD_SFIXED64:
	case FIELD_SINT64:
	case FIELD_UINT64:
	case FIELD_FIXED64:
		return e->o->params->options->int64_as_number ? json_integer(1) : json_string("1");
	case FIELD_INT32:
	case FIELD_SFIXED32:
	case FIELD_SINT32:
	case FIELD_UINT32:
	case FIELD_FIXED32:
		return json_integer(1);
	case FIELD_BOOL:
		return json_true();
	case FIELD_STRING:
		return openapi_text(field->name);
	case FIELD_BYTES:
		return json_string("AQID");
	case FIELD_ENUM:
		return example_enum(e->o, field->enum_type);
	case FIELD_MESSAGE:
	case FIELD_GROUP:
		break;
	}
	return example_message(e, field->message);
}

static const char *example_key(const struct field *key)
{
	if (key->type == FIELD_STRING)
		return "key";
	return key->type == FIELD_BOOL ? "true" : "1";
}

static json_t *example_field(struct example *e, const struct field *field)
{
	json_t *value;

	if (!field->is_repeated)
		return example_single(e, field);
	value = example_single(e, field->is_map ? field->message->map_value : field);
	if (!value)
		return NULL;
	if (!field->is_map)
		return json_pack("[o]", value);
	return json_pack("{s:o}", example_key(field->message->map_key), value);
}

static json_t *example_object(struct example *e, const struct message *message)
{
	json_t *object = json_object();

	for (size_t i = 0; i < message->field_count; i++) {
		const struct field *field = &message->fields[i];
		struct span name = openapi_name(e->o, field);
		json_t *value;

		/* Of a oneof the first one. */
		if (field->oneof && field->oneof->fields[0] != field)
			continue;
		if (e->depth == 1 && e->is_left_out && e->is_left_out(e->data, field))
			continue;
		value = e->value_count < EXAMPLE_VALUES_MAX ? example_field(e, field) : NULL;
		if (!value && field->is_required) {
			json_decref(object);
			return NULL;
		}
		if (value)
			json_object_setn_new_nocheck(object, (const char *)name.data, name.len,
						     value);
	}
	return object;
}

static json_t *example_message(struct example *e, const struct message *message)
{
	json_t *object;

	switch (message->known) {
	case KNOWN_TIMESTAMP:
		return json_string("2026-01-02T03:04:05Z");
	case KNOWN_DURATION:
		return json_string("1.500s");
	case KNOWN_FIELD_MASK:
		return json_string("name");
	case KNOWN_STRUCT:
		return json_pack("{s:s}", "key", "value");
	case KNOWN_VALUE:
		return json_string("value");
	case KNOWN_LIST_VALUE:
		return json_pack("[s]", "value");
	case KNOWN_ANY:
	case KNOWN_EMPTY:
		return json_object();
	case KNOWN_WRAPPER:
		return example_single(e, &message->fields[0]);
	case KNOWN_NONE:
	case KNOWN_HTTP_BODY:
		break;
	}
	if (e->depth == EXAMPLE_DEPTH_MAX || e->o->is_over)
		return NULL;
	for (unsigned i = 0; i < e->depth; i++)
		if (e->around[i] == message)
			return NULL;
	e->around[e->depth++] = message;
	object = example_object(e, message);
	e->depth--;
	return object;
}

json_t *openapi_example_message(struct openapi *o, const struct message *message,
				bool (*is_left_out)(const void *data, const struct field *field),
				const void *data)
{
	struct example e = {.o = o, .is_left_out = is_left_out, .data = data};

	return example_message(&e, message);
}

json_t *openapi_example_single(struct openapi *o, const struct field *field)
{
	struct example e = {.o = o};

	return example_single(&e, field);
}
