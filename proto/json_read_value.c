/* ProtoJSON to wire: values of fields, lists, maps and messages.
 *
 * A map must refuse a key that comes twice. The keys are on the wire already, in the part of the
 * output that belongs to the open map, so the set of keys holds places in the output and not
 * copies. */
#include <string.h>

#include "proto/json_known.h"
#include "proto/json_read_internal.h"
#include "src/base/hash.h"
#include "src/base/mem.h"

#define JSON_FIRST_KEYS ((size_t)16)

struct json_key_slot {
	size_t place; /* position on the wire + 1; 0 is free */
	uint32_t len;
	uint32_t hash;
};

/* Open addressing, at most half full. */
struct json_keys {
	struct json_key_slot *slots;
	size_t cap;
	size_t count;
	struct json_key_slot *newest; /* what json_keys_undo takes out */
};

void json_keys_free(struct json_keys *keys)
{
	if (!keys)
		return;
	mem_free(keys->slots);
	mem_free(keys);
}

static void json_keys_grow(struct json_keys *keys)
{
	struct json_key_slot *old = keys->slots;
	size_t old_cap = keys->cap;

	keys->cap = old_cap ? old_cap * 2 : JSON_FIRST_KEYS;
	keys->slots = mem_new_array(struct json_key_slot, keys->cap);
	for (size_t i = 0; i < old_cap; i++) {
		size_t at = old[i].hash & (keys->cap - 1);

		if (!old[i].place)
			continue;
		while (keys->slots[at].place)
			at = (at + 1) & (keys->cap - 1);
		keys->slots[at] = old[i];
	}
	mem_free(old);
}

/* Adds the key whose bytes are the last len of the output; false when it is there already. */
static bool json_keys_add(struct json_keys *keys, const struct wire_writer *writer, size_t len)
{
	size_t place = wire_position(writer) - len;
	struct span key = wire_written(writer, place);
	uint32_t hash = (uint32_t)hash_seeded(key);
	size_t at;

	if (keys->count * 2 >= keys->cap)
		json_keys_grow(keys);
	for (at = hash & (keys->cap - 1); keys->slots[at].place; at = (at + 1) & (keys->cap - 1)) {
		const struct json_key_slot *slot = &keys->slots[at];

		if (slot->hash == hash && slot->len == len &&
		    span_eq(span_head(wire_written(writer, slot->place - 1), len), key))
			return false;
	}
	keys->slots[at] = (struct json_key_slot){place + 1, (uint32_t)len, hash};
	keys->newest = &keys->slots[at];
	keys->count++;
	return true;
}

/* Takes out the key added last: nothing can have been put behind it. */
static void json_keys_undo(struct json_keys *keys)
{
	*keys->newest = (struct json_key_slot){0};
	keys->count--;
}

/* ---- maps ---- */

static enum status json_map_key(struct json_reader *reader, struct span text, struct error *err)
{
	struct json_frame *top = json_top(reader);
	const struct field *key = top->field->message->map_key;
	struct json_scalar scalar = {0};
	size_t before;
	enum status status = json_set_key(reader, text, err);

	if (status == ST_OK)
		status = json_scalar_read_key(key, text, &scalar, err);
	if (status == ST_OK)
		status = json_deeper(reader, err);
	if (status != ST_OK)
		return status;
	top->nest = wire_begin(reader->writer, top->field->number);
	top->is_open = true;
	wire_put_tag(reader->writer, key->number, schema_wire_type(key->type));
	before = wire_position(reader->writer);
	json_scalar_put_packed(key, &scalar, reader->writer);
	if (reader->writer->is_full)
		return json_full(err);
	if (!top->keys)
		top->keys = mem_new(struct json_keys);
	if (!json_keys_add(top->keys, reader->writer, wire_position(reader->writer) - before))
		return error_set(err, ST_INVALID_ARGUMENT, "the key is given twice");
	return ST_OK;
}

enum status json_map_token(struct json_reader *reader, const struct json_token *token,
			   struct error *err)
{
	const struct json_frame *top = json_top(reader);

	if (token->kind == JSON_KEY)
		return json_map_key(reader, token->text, err);
	if (top->is_open)
		return json_read_one(reader, top->field->message->map_value, token, err);
	json_pop(reader);
	json_value_done(reader);
	return ST_OK;
}

/* ---- lists ---- */

static enum status json_list_packed(struct json_reader *reader, const struct json_token *token,
				    struct error *err)
{
	struct json_frame *top = json_top(reader);
	struct json_scalar scalar = {0};
	enum status status = json_scalar_read(top->field, token, &reader->options, &reader->scratch,
					      &scalar, err);

	if (status != ST_OK || scalar.is_ignored)
		return status;
	if (!top->is_open)
		top->nest = wire_begin(reader->writer, top->field->number);
	top->is_open = true;
	json_scalar_put_packed(top->field, &scalar, reader->writer);
	top->count++;
	return ST_OK;
}

enum status json_list_token(struct json_reader *reader, const struct json_token *token,
			    struct error *err)
{
	const struct json_frame *top = json_top(reader);

	if (token->kind != JSON_ARRAY_END)
		return top->field->is_packed ? json_list_packed(reader, token, err)
					     : json_read_one(reader, top->field, token, err);
	if (top->is_open)
		wire_end(reader->writer, top->nest);
	json_pop(reader);
	json_value_done(reader);
	return ST_OK;
}

/* ---- single values ---- */

/* An enum name that is left out: its list element or map entry goes with it. */
static void json_drop(struct json_reader *reader)
{
	struct json_frame *top = json_top(reader);

	if (top->kind != JSON_FRAME_MAP) {
		if (top->kind != JSON_FRAME_LIST)
			json_value_done(reader);
		return;
	}
	json_keys_undo(top->keys);
	wire_cancel(reader->writer, top->nest);
	reader->depth--;
	top->is_open = false;
}

static enum status json_read_scalar(struct json_reader *reader, const struct field *field,
				    const struct json_token *token, struct error *err)
{
	enum json_frame_kind kind = json_top(reader)->kind;
	bool is_always_written =
		kind == JSON_FRAME_LIST || kind == JSON_FRAME_MAP || reader->options.keep_defaults;
	struct json_scalar scalar = {0};
	enum status status =
		json_scalar_read(field, token, &reader->options, &reader->scratch, &scalar, err);

	if (status != ST_OK)
		return status;
	if (scalar.is_ignored) {
		json_drop(reader);
		return ST_OK;
	}
	if (!scalar.is_default || field->has_presence || is_always_written)
		json_scalar_put(field, &scalar, reader->writer);
	json_value_done(reader);
	return ST_OK;
}

/* Opens the message of a field: all that follows goes inside until its value is whole. */
static enum status json_open_message(struct json_reader *reader, const struct field *field,
				     struct error *err)
{
	enum status status = json_deeper(reader, err);
	struct wire_nest nest = {0};

	if (status != ST_OK)
		return status;
	if (field->type == FIELD_GROUP) {
		wire_put_tag(reader->writer, field->number, WIRE_GROUP);
		json_push(reader, JSON_FRAME_WRAP)->field = field;
		return ST_OK;
	}
	nest = wire_begin(reader->writer, field->number);
	json_push(reader, JSON_FRAME_WRAP)->nest = nest;
	return ST_OK;
}

enum status json_read_one(struct json_reader *reader, const struct field *field,
			  const struct json_token *token, struct error *err)
{
	enum status status;

	if (!field->message)
		return json_read_scalar(reader, field, token, err);
	status = json_open_message(reader, field, err);
	if (status != ST_OK)
		return status;
	return json_read_message(reader, field->message, token, err);
}

static bool json_takes_null(const struct field *field)
{
	return (field->message && field->message->known == KNOWN_VALUE) ||
	       (field->enum_type && field->enum_type->is_null_value);
}

enum status json_read_member(struct json_reader *reader, const struct field *field,
			     const struct json_token *token, struct error *err)
{
	if (token->kind == JSON_NULL && (field->is_repeated || !json_takes_null(field))) {
		json_value_done(reader);
		return ST_OK;
	}
	if (!field->is_repeated)
		return json_read_one(reader, field, token, err);
	if (token->kind != (field->is_map ? JSON_OBJECT_BEGIN : JSON_ARRAY_BEGIN))
		return json_bad_value(err, field->is_map ? "an object" : "an array");
	json_push(reader, field->is_map ? JSON_FRAME_MAP : JSON_FRAME_LIST)->field = field;
	return ST_OK;
}

/* ---- messages ---- */

enum status json_push_message(struct json_reader *reader, const struct message *message,
			      struct error *err)
{
	size_t bytes = (message->field_count + message->oneof_count) / 8 + 1;
	uint8_t *bits;

	json_push(reader, JSON_FRAME_MESSAGE)->message = message;
	bits = buf_reserve(&reader->seen, bytes);
	if (!bits)
		return json_full(err);
	memset(bits, 0, bytes);
	buf_commit(&reader->seen, bytes);
	return ST_OK;
}

static enum status json_read_wrapper(struct json_reader *reader, const struct message *message,
				     const struct json_token *token, struct error *err)
{
	const struct field *value = &message->fields[0];
	struct json_scalar scalar = {0};
	enum status status =
		json_scalar_read(value, token, &reader->options, &reader->scratch, &scalar, err);

	if (status != ST_OK)
		return status;
	if (!scalar.is_default)
		json_scalar_put(value, &scalar, reader->writer);
	json_value_done(reader);
	return ST_OK;
}

static enum status json_read_text(struct json_reader *reader, const struct message *message,
				  const struct json_token *token, struct error *err)
{
	struct json_time time = {0};
	enum status status;

	if (token->kind != JSON_STRING)
		return json_bad_value(err, "a string");
	if (message->known == KNOWN_FIELD_MASK) {
		status = json_mask_parse(token->text, false, reader->writer, err);
	} else {
		status = message->known == KNOWN_TIMESTAMP
				 ? json_timestamp_parse(token->text, &time, err)
				 : json_duration_parse(token->text, &time, err);
		if (status == ST_OK)
			json_time_put(reader->writer, time);
	}
	if (status == ST_OK)
		json_value_done(reader);
	return status;
}

/* A value of google.protobuf.Value: the token says which member it is. */
static enum status json_read_dynamic(struct json_reader *reader, const struct message *message,
				     const struct json_token *token, struct error *err)
{
	const struct field *members = message->fields; /* 1 null … 6 list, see schema_known_types */
	const struct field *member;
	struct json_scalar scalar = {0};
	enum status status;

	switch ((int)token->kind) {
	case JSON_NULL:
		member = &members[0];
		break;
	case JSON_NUMBER:
		member = &members[1];
		break;
	case JSON_STRING:
		member = &members[2];
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		member = &members[3];
		break;
	default:
		member = &members[token->kind == JSON_OBJECT_BEGIN ? 4 : 5];
		return json_read_one(reader, member, token, err);
	}
	status = json_scalar_read(member, token, &reader->options, &reader->scratch, &scalar, err);
	if (status != ST_OK)
		return status;
	json_scalar_put(member, &scalar, reader->writer);
	json_value_done(reader);
	return ST_OK;
}

enum status json_read_message(struct json_reader *reader, const struct message *message,
			      const struct json_token *token, struct error *err)
{
	bool is_object = token->kind == JSON_OBJECT_BEGIN;

	switch (message->known) {
	case KNOWN_WRAPPER:
		return json_read_wrapper(reader, message, token, err);
	case KNOWN_TIMESTAMP:
	case KNOWN_DURATION:
	case KNOWN_FIELD_MASK:
		return json_read_text(reader, message, token, err);
	case KNOWN_VALUE:
		return json_read_dynamic(reader, message, token, err);
	case KNOWN_LIST_VALUE:
		if (token->kind != JSON_ARRAY_BEGIN)
			return json_bad_value(err, "an array");
		json_push(reader, JSON_FRAME_LIST)->field = &message->fields[0];
		return ST_OK;
	case KNOWN_STRUCT:
		if (!is_object)
			return json_bad_value(err, "an object");
		json_push(reader, JSON_FRAME_MAP)->field = &message->fields[0];
		return ST_OK;
	case KNOWN_ANY:
		if (!is_object)
			return json_bad_value(err, "an object");
		json_push(reader, JSON_FRAME_ANY)->message = message;
		return ST_OK;
	case KNOWN_NONE:
	case KNOWN_EMPTY:
	case KNOWN_HTTP_BODY:
		break;
	}
	return is_object ? json_push_message(reader, message, err)
			 : json_bad_value(err, "an object");
}
