#include "src/entity/crdt_codec.h"

#include "src/entity/entity_codec_internal.h"

/* cloudstate.crdt.CrdtWriteConsistency. LOCAL and MAJORITY are the same here: what is in the
 * journal is at more places than one member. Spec: ruling R14. */
#define CONSISTENCY_ALL 2

/* ---- out ------------------------------------------------------------------------------------- */

bool crdt_codec_put_init(struct buf *head, struct span service_name, struct span entity_id,
			 bool has_delta, size_t delta_len)
{
	size_t init = codec_text_len(service_name) + codec_text_len(entity_id) +
		      (has_delta ? codec_field_len(delta_len) : 0);
	size_t tail = has_delta ? delta_len : 0;
	uint8_t *start = codec_reserve(head, codec_field_len(init), tail);
	uint8_t *at;

	if (!start)
		return false;
	at = codec_put_open(start, 1, init);
	at = codec_put_text(at, 1, service_name);
	at = codec_put_text(at, 2, entity_id);
	if (has_delta)
		at = codec_put_open(at, 3, delta_len);
	return codec_commit(head, start, at, codec_field_len(init) - tail);
}

bool crdt_codec_put_delta(struct buf *head, size_t delta_len)
{
	size_t total = codec_field_len(delta_len);
	uint8_t *start = codec_reserve(head, total, delta_len);

	return start &&
	       codec_commit(head, start, codec_put_open(start, 2, delta_len), total - delta_len);
}

bool crdt_codec_put_delete(struct buf *head)
{
	size_t total = codec_field_len(0);
	uint8_t *start = codec_reserve(head, total, 0);

	return start && codec_commit(head, start, codec_put_open(start, 3, 0), total);
}

bool crdt_codec_put_command(struct buf *head, const struct entity_put_command *command,
			    bool is_streamed)
{
	size_t payload = command->payload_len;
	size_t inner = codec_text_len(command->entity_id) + codec_number_len(command->id) +
		       codec_text_len(command->name) + codec_number_len(is_streamed) +
		       codec_text_len(command->metadata) +
		       codec_field_len(codec_any_len(command->input_name, payload));
	uint8_t *start = codec_reserve(head, codec_field_len(inner), payload);
	uint8_t *at;

	if (!start)
		return false;
	at = codec_put_open(start, 4, inner);
	at = codec_put_text(at, 1, command->entity_id);
	at = codec_put_number(at, 2, command->id);
	at = codec_put_text(at, 3, command->name);
	at = codec_put_number(at, 5, is_streamed); /* the payload is the message's end */
	at = codec_put_text(at, 6, command->metadata);
	at = codec_put_any(at, 4, command->input_name, payload);
	return codec_commit(head, start, at, codec_field_len(inner) - payload);
}

bool crdt_codec_put_stream_cancelled(struct buf *head, struct span entity_id, uint64_t id)
{
	size_t inner = codec_text_len(entity_id) + codec_number_len(id);
	uint8_t *start = codec_reserve(head, codec_field_len(inner), 0);
	uint8_t *at;

	if (!start)
		return false;
	at = codec_put_open(start, 5, inner);
	at = codec_put_text(at, 1, entity_id);
	at = codec_put_number(at, 2, id);
	return codec_commit(head, start, at, codec_field_len(inner));
}

/* ---- in -------------------------------------------------------------------------------------- */

/* Readers return false on malformed bytes; the whole message is then GARBAGE. */

static bool read_state_action(struct span bytes, struct crdt_out *out)
{
	struct wire_reader reader;
	struct wire_field field;

	wire_reader_init(&reader, bytes);
	while (wire_next(&reader, &field)) {
		if (field.number == 3 && field.type == WIRE_VARINT)
			out->wants_all = field.integer == CONSISTENCY_ALL;
		if (field.type != WIRE_BYTES || (field.number != 1 && field.number != 2))
			continue;
		out->change = field.number == 1 ? CRDT_CHANGE_UPDATE : CRDT_CHANGE_DELETE;
		out->update = field.number == 1 ? field.bytes : SPAN_EMPTY;
	}
	return !reader.is_bad && out->change != CRDT_CHANGE_NONE;
}

/* Where the parts of the three messages stand; 0: not there. */
struct layout {
	uint32_t action;
	uint32_t effects;
	uint32_t state;
	uint32_t flag;
};

static const struct layout layouts[] = {
	[CRDT_OUT_REPLY] = {.action = 2, .effects = 4, .state = 5, .flag = 6},
	[CRDT_OUT_STREAMED] = {.action = 2, .effects = 3, .flag = 4},
	[CRDT_OUT_CANCELLED] = {.effects = 2, .state = 3},
};

static bool read_parts(struct span bytes, struct crdt_out *out, bool *ret_flag)
{
	const struct layout *layout = &layouts[out->kind];
	struct entity_out *message = &out->message;
	struct wire_reader reader;
	struct wire_field field;
	struct span action = SPAN_EMPTY;
	struct wire_field state = {0};

	message->kind = ENTITY_OUT_REPLY;
	message->reply_ = bytes;
	message->effect_field_ = layout->effects;
	wire_reader_init(&reader, bytes);
	while (wire_next(&reader, &field)) {
		if (field.number == 1 && field.type == WIRE_VARINT)
			message->command_id = field.integer;
		else if (field.number == layout->flag && field.type == WIRE_VARINT)
			*ret_flag = field.integer != 0;
		if (field.type != WIRE_BYTES)
			continue;
		message->effect_count += field.number == layout->effects;
		if (field.number == layout->action)
			action = field.bytes;
		else if (field.number == layout->state)
			state = field;
	}
	if (reader.is_bad || message->effect_count > ENTITY_REPLY_EFFECTS_MAX)
		return false;
	if (state.number && !read_state_action(state.bytes, out))
		return false;
	return entity_codec_read_client_action(action, message);
}

static bool read_message(struct span bytes, struct crdt_out *out)
{
	bool flag = false;

	if (out->kind == CRDT_OUT_FAILURE) {
		out->message.kind = ENTITY_OUT_FAILURE;
		return entity_codec_read_failure(bytes, &out->message);
	}
	if (!read_parts(bytes, out, &flag))
		return false;
	out->is_streamed = out->kind == CRDT_OUT_REPLY && flag;
	out->is_end = out->kind == CRDT_OUT_STREAMED && flag;
	return true;
}

static const struct crdt_out garbage = {
	.kind = CRDT_OUT_GARBAGE,
	.message = {.kind = ENTITY_OUT_GARBAGE, .action = ENTITY_NONE},
};

void crdt_codec_parse(struct span message, struct crdt_out *ret_out)
{
	static const enum crdt_out_kind kinds[] = {
		[1] = CRDT_OUT_REPLY,
		[2] = CRDT_OUT_STREAMED,
		[3] = CRDT_OUT_CANCELLED,
		[4] = CRDT_OUT_FAILURE,
	};
	struct wire_reader reader;
	struct wire_field field;
	struct wire_field last = {0};

	*ret_out = garbage;
	wire_reader_init(&reader, message);
	while (wire_next(&reader, &field)) {
		if (field.type == WIRE_BYTES && field.number >= 1 && field.number <= 4)
			last = field;
	}
	if (reader.is_bad || last.number == 0)
		return;
	ret_out->kind = kinds[last.number];
	if (!read_message(last.bytes, ret_out))
		*ret_out = garbage;
}
