#include "src/entity/entity_codec.h"

#include <string.h>

#include "proto/wire.h"
#include "src/base/error.h"
#include "src/entity/entity_codec_internal.h"

/* google.rpc.Status within cloudstate.Failure: an extension of ours. Spec: ruling R17. */
#define FAILURE_STATUS_NUMBER 100

bool entity_put_init(struct buf *head, struct span service_name, struct span entity_id,
		     uint64_t snapshot_sequence, const struct journal_any *snapshot)
{
	struct span url = snapshot ? snapshot->type_url : SPAN_EMPTY;
	size_t tail = snapshot ? snapshot->value.len : 0;
	size_t any = codec_text_len(url) + (tail ? codec_field_len(tail) : 0);
	size_t snap = codec_number_len(snapshot_sequence) + codec_field_len(any);
	size_t init = codec_text_len(service_name) + codec_text_len(entity_id) +
		      (snapshot ? codec_field_len(snap) : 0);
	uint8_t *start;
	uint8_t *at;

	start = codec_reserve(head, codec_field_len(init), tail);
	if (!start)
		return false;
	at = codec_put_open(start, 1, init);
	at = codec_put_text(at, 1, service_name);
	at = codec_put_text(at, 2, entity_id);
	if (snapshot) {
		at = codec_put_open(at, 3, snap);
		at = codec_put_number(at, 1, snapshot_sequence);
		at = codec_put_open(at, 2, any);
		at = codec_put_text(at, 1, url);
		if (tail)
			at = codec_put_open(at, 2, tail);
	}
	return codec_commit(head, start, at, codec_field_len(init) - tail);
}

bool entity_put_value_init(struct buf *head, struct span service_name, struct span entity_id,
			   const struct journal_any *state)
{
	struct span url = state ? state->type_url : SPAN_EMPTY;
	size_t tail = state ? state->value.len : 0;
	size_t any = codec_text_len(url) + (tail ? codec_field_len(tail) : 0);
	size_t wrapper = state ? codec_field_len(any) : 0;
	size_t init =
		codec_text_len(service_name) + codec_text_len(entity_id) + codec_field_len(wrapper);
	uint8_t *start = codec_reserve(head, codec_field_len(init), tail);
	uint8_t *at;

	if (!start)
		return false;
	at = codec_put_open(start, 1, init);
	at = codec_put_text(at, 1, service_name);
	at = codec_put_text(at, 2, entity_id);
	at = codec_put_open(at, 3, wrapper);
	if (state) {
		at = codec_put_open(at, 1, any);
		at = codec_put_text(at, 1, url);
		if (tail)
			at = codec_put_open(at, 2, tail);
	}
	return codec_commit(head, start, at, codec_field_len(init) - tail);
}

bool entity_put_event(struct buf *head, uint64_t sequence, const struct journal_any *event)
{
	size_t tail = event->value.len;
	size_t any = codec_text_len(event->type_url) + (tail ? codec_field_len(tail) : 0);
	size_t inner = codec_number_len(sequence) + codec_field_len(any);
	uint8_t *start = codec_reserve(head, codec_field_len(inner), tail);
	uint8_t *at;

	if (!start)
		return false;
	at = codec_put_open(start, 2, inner);
	at = codec_put_number(at, 1, sequence);
	at = codec_put_open(at, 2, any);
	at = codec_put_text(at, 1, event->type_url);
	if (tail)
		at = codec_put_open(at, 2, tail);
	return codec_commit(head, start, at, codec_field_len(inner) - tail);
}

bool entity_put_command(struct buf *head, const struct entity_put_command *command)
{
	size_t tail = command->payload_len;
	size_t any = codec_any_len(command->input_name, tail);
	size_t inner = codec_text_len(command->entity_id) + codec_number_len(command->id) +
		       codec_text_len(command->name) + codec_text_len(command->metadata) +
		       codec_field_len(any);
	uint8_t *start = codec_reserve(head, codec_field_len(inner), tail);
	uint8_t *at;

	if (!start)
		return false;
	at = codec_put_open(start, command->is_value ? 2 : 3, inner);
	at = codec_put_text(at, 1, command->entity_id);
	at = codec_put_number(at, 2, command->id);
	at = codec_put_text(at, 3, command->name);
	at = codec_put_text(at, 6, command->metadata); /* the payload is the message's end */
	at = codec_put_any(at, 4, command->input_name, tail);
	return codec_commit(head, start, at, codec_field_len(inner) - tail);
}

/* ---- in ------------------------------------------------------------------------------------- */

/* Readers return false on malformed bytes; the whole message is then GARBAGE. */

static bool read_any(struct span bytes, struct journal_any *any)
{
	struct wire_reader reader;
	struct wire_field field;

	*any = (struct journal_any){SPAN_EMPTY, SPAN_EMPTY};
	wire_reader_init(&reader, bytes);
	while (wire_next(&reader, &field)) {
		if (field.type != WIRE_BYTES)
			continue;
		if (field.number == 1)
			any->type_url = field.bytes;
		else if (field.number == 2)
			any->value = field.bytes;
	}
	return !reader.is_bad;
}

static bool read_status(struct span bytes, struct entity_out *out)
{
	struct wire_reader reader;
	struct wire_field field;
	struct span message = SPAN_EMPTY;
	uint64_t code = 0;

	wire_reader_init(&reader, bytes);
	while (wire_next(&reader, &field)) {
		if (field.number == 1 && field.type == WIRE_VARINT)
			code = field.integer;
		else if (field.number == 2 && field.type == WIRE_BYTES)
			message = field.bytes;
	}
	if (reader.is_bad)
		return false;
	if (code == ST_OK || code > ST_UNAUTHENTICATED)
		return true; /* no code at all: the failure stays UNKNOWN */
	out->code = (enum status)code;
	out->details = bytes;
	if (out->description.len == 0)
		out->description = message;
	return true;
}

bool entity_codec_read_failure(struct span bytes, struct entity_out *out)
{
	struct wire_reader reader;
	struct wire_field field;
	struct span status = SPAN_EMPTY;

	out->action = ENTITY_FAILURE;
	out->code = ST_UNKNOWN;
	wire_reader_init(&reader, bytes);
	while (wire_next(&reader, &field)) {
		if (field.number == 1 && field.type == WIRE_VARINT &&
		    out->kind == ENTITY_OUT_FAILURE)
			out->command_id = field.integer;
		else if (field.number == 2 && field.type == WIRE_BYTES)
			out->description = field.bytes;
		else if (field.number == 3 && field.type == WIRE_VARINT)
			out->is_restart = field.integer != 0;
		else if (field.number == FAILURE_STATUS_NUMBER && field.type == WIRE_BYTES)
			status = field.bytes;
	}
	return !reader.is_bad && read_status(status, out);
}

/* cloudstate.Reply and cloudstate.Forward: the payload and metadata, at different numbers. */
bool entity_codec_read_reply(struct span bytes, struct entity_out *out)
{
	struct wire_reader reader;
	struct wire_field field;

	wire_reader_init(&reader, bytes);
	while (wire_next(&reader, &field)) {
		if (field.type != WIRE_BYTES)
			continue;
		if (field.number == 1) {
			if (!read_any(field.bytes, &out->payload))
				return false;
			out->action = ENTITY_REPLY;
		} else if (field.number == 2) {
			out->metadata = field.bytes;
		}
	}
	return !reader.is_bad;
}

bool entity_codec_read_forward(struct span bytes, struct entity_out *out)
{
	struct wire_reader reader;
	struct wire_field field;

	out->action = ENTITY_FORWARD;
	wire_reader_init(&reader, bytes);
	while (wire_next(&reader, &field)) {
		if (field.type != WIRE_BYTES)
			continue;
		if (field.number == 1)
			out->service_name = field.bytes;
		else if (field.number == 2)
			out->command_name = field.bytes;
		else if (field.number == 3 && !read_any(field.bytes, &out->payload))
			return false;
		else if (field.number == 4)
			out->metadata = field.bytes;
	}
	return !reader.is_bad;
}

bool entity_codec_read_client_action(struct span bytes, struct entity_out *out)
{
	struct wire_reader reader;
	struct wire_field field;
	struct wire_field last = {0};

	wire_reader_init(&reader, bytes);
	while (wire_next(&reader, &field)) {
		if (field.type == WIRE_BYTES && field.number >= 1 && field.number <= 3)
			last = field;
	}
	if (reader.is_bad)
		return false;
	if (last.number == 1)
		return entity_codec_read_reply(last.bytes, out);
	if (last.number == 2)
		return entity_codec_read_forward(last.bytes, out);
	if (last.number == 3)
		return entity_codec_read_failure(last.bytes, out);
	return true;
}

static bool read_reply(struct span bytes, struct entity_out *out)
{
	struct wire_reader reader;
	struct wire_field field;
	struct span action = SPAN_EMPTY;
	struct journal_any event;

	out->reply_ = bytes;
	out->effect_field_ = 3;
	wire_reader_init(&reader, bytes);
	while (wire_next(&reader, &field)) {
		if (field.number == 1 && field.type == WIRE_VARINT)
			out->command_id = field.integer;
		if (field.type != WIRE_BYTES)
			continue;
		if (field.number == 2)
			action = field.bytes;
		else if (field.number == 3)
			out->effect_count++;
		else if (field.number == 4 && !read_any(field.bytes, &event))
			return false;
		else if (field.number == 5 && !read_any(field.bytes, &out->snapshot))
			return false;
		out->event_count += field.number == 4;
		out->has_snapshot = out->has_snapshot || field.number == 5;
	}
	return !reader.is_bad && out->effect_count <= ENTITY_REPLY_EFFECTS_MAX &&
	       entity_codec_read_client_action(action, out);
}

static bool read_update(struct span bytes, struct entity_out *out)
{
	struct wire_reader reader;
	struct wire_field field;
	bool has_value = false;

	out->write = ENTITY_WRITE_UPDATE;
	wire_reader_init(&reader, bytes);
	while (wire_next(&reader, &field)) {
		if (field.type != WIRE_BYTES || field.number != 1)
			continue;
		has_value = true;
		if (!read_any(field.bytes, &out->state))
			return false;
	}
	return !reader.is_bad && has_value;
}

static bool read_state_action(struct span bytes, struct entity_out *out)
{
	struct wire_reader reader;
	struct wire_field field;
	struct wire_field last = {0};

	wire_reader_init(&reader, bytes);
	while (wire_next(&reader, &field)) {
		if (field.type == WIRE_BYTES && (field.number == 1 || field.number == 2))
			last = field;
	}
	if (reader.is_bad || last.number == 0)
		return false;
	if (last.number == 1)
		return read_update(last.bytes, out);
	out->write = ENTITY_WRITE_DELETE;
	return true;
}

static bool read_value_reply(struct span bytes, struct entity_out *out)
{
	struct wire_reader reader;
	struct wire_field field;
	struct span action = SPAN_EMPTY;
	struct wire_field write = {0};

	out->reply_ = bytes;
	out->effect_field_ = 3;
	wire_reader_init(&reader, bytes);
	while (wire_next(&reader, &field)) {
		if (field.number == 1 && field.type == WIRE_VARINT)
			out->command_id = field.integer;
		if (field.type != WIRE_BYTES)
			continue;
		if (field.number == 2)
			action = field.bytes;
		else if (field.number == 4)
			write = field;
		out->effect_count += field.number == 3;
	}
	return !reader.is_bad && out->effect_count <= ENTITY_REPLY_EFFECTS_MAX &&
	       entity_codec_read_client_action(action, out) &&
	       (write.number == 0 || read_state_action(write.bytes, out));
}

/* Both kinds of stream: 1 reply, 2 failure. */
static void parse_out(struct span message, bool (*read)(struct span, struct entity_out *),
		      struct entity_out *out)
{
	struct wire_reader reader;
	struct wire_field field;
	struct wire_field last = {0};
	bool is_good;

	*out = (struct entity_out){.kind = ENTITY_OUT_GARBAGE, .action = ENTITY_NONE};
	wire_reader_init(&reader, message);
	while (wire_next(&reader, &field)) {
		if (field.type == WIRE_BYTES && (field.number == 1 || field.number == 2))
			last = field;
	}
	if (reader.is_bad || last.number == 0)
		return;
	out->kind = last.number == 1 ? ENTITY_OUT_REPLY : ENTITY_OUT_FAILURE;
	is_good = last.number == 1 ? read(last.bytes, out)
				   : entity_codec_read_failure(last.bytes, out);
	if (!is_good)
		*out = (struct entity_out){.kind = ENTITY_OUT_GARBAGE, .action = ENTITY_NONE};
}

void entity_out_parse(struct span message, struct entity_out *ret_out)
{
	parse_out(message, read_reply, ret_out);
}

void entity_out_parse_value(struct span message, struct entity_out *ret_out)
{
	parse_out(message, read_value_reply, ret_out);
}

size_t entity_out_events(const struct entity_out *out, struct journal_any *events, size_t max)
{
	struct wire_reader reader;
	struct wire_field field;
	size_t count = 0;

	wire_reader_init(&reader, out->reply_);
	while (count < max && wire_next(&reader, &field)) {
		if (field.number == 4 && field.type == WIRE_BYTES &&
		    read_any(field.bytes, &events[count]))
			count++;
	}
	return count;
}

size_t entity_out_effects(const struct entity_out *out, struct span *effects, size_t max)
{
	struct wire_reader reader;
	struct wire_field field;
	size_t count = 0;

	wire_reader_init(&reader, out->reply_);
	while (count < max && wire_next(&reader, &field)) {
		if (field.number == out->effect_field_ && field.type == WIRE_BYTES)
			effects[count++] = field.bytes;
	}
	return count;
}

bool entity_out_put_reply(const struct entity_out *out, struct buf *ret_message)
{
	struct wire_writer writer;
	struct wire_reader reader;
	struct wire_field field;
	struct wire_nest reply;
	struct span action = SPAN_EMPTY;
	bool is_ok;

	wire_writer_init(&writer, ret_message);
	reply = wire_begin(&writer, 1);
	wire_reader_init(&reader, out->reply_);
	while (wire_next(&reader, &field)) {
		if (field.type == WIRE_BYTES && field.number == 2)
			action = field.bytes; /* the last one counts */
		else if (field.type == WIRE_BYTES && field.number == out->effect_field_)
			wire_put_bytes_field(&writer, 3, field.bytes);
	}
	wire_put_bytes_field(&writer, 2, action);
	wire_end(&writer, reply);
	is_ok = wire_finish(&writer);
	wire_writer_fini(&writer);
	return is_ok;
}

bool entity_effect_parse(struct span bytes, struct entity_effect *ret_effect)
{
	struct entity_effect effect = {0};
	struct wire_reader reader;
	struct wire_field field;

	wire_reader_init(&reader, bytes);
	while (wire_next(&reader, &field)) {
		if (field.number == 4 && field.type == WIRE_VARINT)
			effect.is_synchronous = field.integer != 0;
		if (field.type != WIRE_BYTES)
			continue;
		if (field.number == 1)
			effect.service_name = field.bytes;
		else if (field.number == 2)
			effect.command_name = field.bytes;
		else if (field.number == 3 && !read_any(field.bytes, &effect.payload))
			return false;
		else if (field.number == 5)
			effect.metadata = field.bytes;
	}
	*ret_effect = effect;
	return !reader.is_bad;
}
