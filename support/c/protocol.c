#include "support/c/protocol.h"

#include <string.h>

#include "support/c/wire.h"

/* Where protobuf messages are said to live. */
#define TYPE_URL_PREFIX "type.googleapis.com/"

/* Headgate's own field of cloudstate.Failure: a google.rpc.Status with the code to answer with.
 * Proxies that do not know it skip it. */
#define FAILURE_STATUS 100

/* ---- Reading. Where a field is repeated on the wire against its declaration the last one wins. -
 */

static bool parse_any(struct headgate_bytes bytes, struct hg_any_view *any)
{
	struct hg_reader reader;
	struct hg_field field;

	*any = (struct hg_any_view){0};
	hg_reader_init(&reader, bytes);
	while (hg_reader_next(&reader, &field)) {
		if (hg_is_bytes(&field, 1))
			any->type_url = field.bytes;
		else if (hg_is_bytes(&field, 2))
			any->value = field.bytes;
	}
	return !reader.is_bad;
}

bool hg_any_parse(struct headgate_bytes bytes, struct headgate_any *ret_any)
{
	struct hg_any_view view;

	if (!parse_any(bytes, &view))
		return false;
	*ret_any = (struct headgate_any){.type_url = view.type_url, .value = view.value};
	return true;
}

static bool parse_snapshot(struct headgate_bytes bytes, struct hg_init *init)
{
	struct hg_reader reader;
	struct hg_field field;

	hg_reader_init(&reader, bytes);
	while (hg_reader_next(&reader, &field)) {
		if (hg_is_varint(&field, 1))
			init->snapshot_sequence = (int64_t)field.value;
		else if (hg_is_bytes(&field, 2) && !parse_any(field.bytes, &init->snapshot))
			return false;
	}
	init->has_snapshot = true;
	return !reader.is_bad;
}

/* The wrapper is always there, its value is not. */
static bool parse_state(struct headgate_bytes bytes, struct hg_init *init)
{
	struct hg_reader reader;
	struct hg_field field;

	hg_reader_init(&reader, bytes);
	while (hg_reader_next(&reader, &field)) {
		if (!hg_is_bytes(&field, 1))
			continue;
		init->has_snapshot = true;
		if (!parse_any(field.bytes, &init->snapshot))
			return false;
	}
	return !reader.is_bad;
}

typedef bool (*parse_part_fn)(struct headgate_bytes bytes, struct hg_init *init);

static bool parse_init(struct headgate_bytes bytes, parse_part_fn parse_part, struct hg_init *init)
{
	struct hg_reader reader;
	struct hg_field field;

	*init = (struct hg_init){0};
	hg_reader_init(&reader, bytes);
	while (hg_reader_next(&reader, &field)) {
		if (hg_is_bytes(&field, 1))
			init->service_name = field.bytes;
		else if (hg_is_bytes(&field, 2))
			init->entity_id = field.bytes;
		else if (hg_is_bytes(&field, 3) && !parse_part(field.bytes, init))
			return false;
	}
	return !reader.is_bad;
}

static bool parse_event(struct headgate_bytes bytes, struct hg_event *event)
{
	struct hg_reader reader;
	struct hg_field field;

	*event = (struct hg_event){0};
	hg_reader_init(&reader, bytes);
	while (hg_reader_next(&reader, &field)) {
		if (hg_is_varint(&field, 1))
			event->sequence = (int64_t)field.value;
		else if (hg_is_bytes(&field, 2) && !parse_any(field.bytes, &event->payload))
			return false;
	}
	return !reader.is_bad;
}

bool hg_command_parse(struct headgate_bytes bytes, struct hg_command *command)
{
	struct hg_reader reader;
	struct hg_field field;

	*command = (struct hg_command){0};
	hg_reader_init(&reader, bytes);
	while (hg_reader_next(&reader, &field)) {
		if (hg_is_bytes(&field, 1))
			command->entity_id = field.bytes;
		else if (hg_is_varint(&field, 2))
			command->id = (int64_t)field.value;
		else if (hg_is_bytes(&field, 3))
			command->name = field.bytes;
		else if (hg_is_varint(&field, 5))
			command->is_streamed = field.value != 0;
		else if (hg_is_bytes(&field, 6))
			command->metadata = field.bytes;
		else if (hg_is_bytes(&field, 4) && !parse_any(field.bytes, &command->payload))
			return false;
	}
	return !reader.is_bad;
}

bool hg_in_parse(struct headgate_bytes bytes, struct hg_in *ret_in)
{
	struct hg_reader reader;
	struct hg_field field;

	ret_in->kind = HG_IN_NONE;
	hg_reader_init(&reader, bytes);
	while (hg_reader_next(&reader, &field)) {
		bool is_good = true;
		if (hg_is_bytes(&field, 1)) {
			ret_in->kind = HG_IN_INIT;
			is_good = parse_init(field.bytes, parse_snapshot, &ret_in->init);
		} else if (hg_is_bytes(&field, 2)) {
			ret_in->kind = HG_IN_EVENT;
			is_good = parse_event(field.bytes, &ret_in->event);
		} else if (hg_is_bytes(&field, 3)) {
			ret_in->kind = HG_IN_COMMAND;
			is_good = hg_command_parse(field.bytes, &ret_in->command);
		}
		if (!is_good)
			return false;
	}
	return !reader.is_bad;
}

bool hg_in_parse_value(struct headgate_bytes bytes, struct hg_in *ret_in)
{
	struct hg_reader reader;
	struct hg_field field;

	ret_in->kind = HG_IN_NONE;
	hg_reader_init(&reader, bytes);
	while (hg_reader_next(&reader, &field)) {
		bool is_good = true;
		if (hg_is_bytes(&field, 1)) {
			ret_in->kind = HG_IN_INIT;
			is_good = parse_init(field.bytes, parse_state, &ret_in->init);
		} else if (hg_is_bytes(&field, 2)) {
			ret_in->kind = HG_IN_COMMAND;
			is_good = hg_command_parse(field.bytes, &ret_in->command);
		}
		if (!is_good)
			return false;
	}
	return !reader.is_bad;
}

bool hg_action_command_parse(struct headgate_bytes bytes, struct hg_action_command *ret_command)
{
	struct hg_reader reader;
	struct hg_field field;

	*ret_command = (struct hg_action_command){0};
	hg_reader_init(&reader, bytes);
	while (hg_reader_next(&reader, &field)) {
		if (hg_is_bytes(&field, 2))
			ret_command->service_name = field.bytes;
		else if (hg_is_bytes(&field, 3))
			ret_command->name = field.bytes;
		else if (hg_is_bytes(&field, 5))
			ret_command->metadata = field.bytes;
		if (!hg_is_bytes(&field, 4))
			continue;
		ret_command->has_payload = true;
		if (!parse_any(field.bytes, &ret_command->payload))
			return false;
	}
	return !reader.is_bad;
}

bool hg_metadata_next(struct hg_reader *reader, struct headgate_metadata *ret_entry)
{
	struct hg_reader inner;
	struct hg_field field;

	do {
		if (!hg_reader_next(reader, &field))
			return false;
	} while (!hg_is_bytes(&field, 1));
	*ret_entry = (struct headgate_metadata){{"", 0}, {"", 0}};
	hg_reader_init(&inner, field.bytes);
	while (hg_reader_next(&inner, &field)) {
		if (hg_is_bytes(&field, 1))
			ret_entry->key = field.bytes;
		else if (hg_is_bytes(&field, 2) || hg_is_bytes(&field, 3))
			ret_entry->value = field.bytes;
	}
	return !inner.is_bad;
}

/* ---- Writing ----------------------------------------------------------------------------------
 */

static struct hg_any with_size(struct hg_any any)
{
	any.size = hg_bytes_field_size(1, any.prefix.size + any.url.size);
	if (any.value.size > 0)
		any.size += hg_bytes_field_size(2, any.value.size);
	return any;
}

struct hg_any hg_any_of_message(const ProtobufCMessage *message, const char *type_url)
{
	return with_size((struct hg_any){
		.prefix = hg_text(type_url ? NULL : TYPE_URL_PREFIX),
		.url = hg_text(type_url ? type_url : message->descriptor->name),
		.value.size = protobuf_c_message_get_packed_size(message),
		.message = message,
	});
}

struct hg_any hg_any_of_bytes(const char *type_url, struct headgate_bytes value)
{
	return with_size((struct hg_any){.url = hg_text(type_url), .value = value});
}

struct hg_any hg_any_of_type(struct headgate_bytes type_name)
{
	return with_size((struct hg_any){.prefix = hg_text(TYPE_URL_PREFIX), .url = type_name});
}

static uint8_t *put_any(uint8_t *to, uint32_t number, const struct hg_any *any)
{
	to = hg_put_header(to, number, any->size);
	to = hg_put_header(to, 1, any->prefix.size + any->url.size);
	if (any->prefix.size > 0)
		memcpy(to, any->prefix.data, any->prefix.size);
	to += any->prefix.size;
	if (any->url.size > 0)
		memcpy(to, any->url.data, any->url.size);
	to += any->url.size;
	if (any->value.size == 0)
		return to;
	if (!any->message)
		return hg_put_bytes_field(to, 2, any->value);
	to = hg_put_header(to, 2, any->value.size);
	return to + protobuf_c_message_pack(any->message, to);
}

void hg_append_any(struct hg_buf *buf, uint32_t number, const struct hg_any *any)
{
	uint8_t *to = hg_buf_reserve(buf, hg_bytes_field_size(number, any->size));

	if (to)
		(void)put_any(to, number, any); /* wrote as much as was reserved */
}

void hg_append_any_view(struct hg_buf *buf, uint32_t number, const struct headgate_any *any)
{
	struct hg_any written =
		with_size((struct hg_any){.url = any->type_url, .value = any->value});

	hg_append_any(buf, number, &written);
}

void hg_append_update(struct hg_buf *buf, const struct hg_any *state)
{
	size_t update = hg_bytes_field_size(1, state->size);
	size_t action = hg_bytes_field_size(1, update);
	uint8_t *to = hg_buf_reserve(buf, hg_bytes_field_size(4, action));

	if (!to)
		return;
	to = hg_put_header(hg_put_header(to, 4, action), 1, update);
	(void)put_any(to, 1, state); /* wrote as much as was reserved */
}

void hg_append_delete(struct hg_buf *buf)
{
	size_t action = hg_bytes_field_size(2, 0);
	uint8_t *to = hg_buf_reserve(buf, hg_bytes_field_size(4, action));

	if (to)
		(void)hg_put_header(hg_put_header(to, 4, action), 2, 0);
}

/* Opens the field that holds a reply (1), a forward (2), a failure (3) of that size. */
static uint8_t *open_envelope(struct hg_buf *buf, enum hg_envelope envelope, uint32_t number,
			      size_t size)
{
	static const uint32_t of_action[] = {0, 2, 3, 1};
	size_t action_size = hg_bytes_field_size(number, size);
	uint8_t *to;

	if (envelope == HG_OF_ACTION) {
		to = hg_buf_reserve(buf, hg_bytes_field_size(of_action[number], size));
		return to ? hg_put_header(to, of_action[number], size) : NULL;
	}
	to = hg_buf_reserve(buf, hg_bytes_field_size(2, action_size));
	return to ? hg_put_header(hg_put_header(to, 2, action_size), number, size) : NULL;
}

void hg_append_reply(struct hg_buf *buf, enum hg_envelope envelope, const struct hg_any *payload,
		     struct headgate_bytes metadata)
{
	size_t size = hg_bytes_field_size(1, payload->size) +
		      (metadata.size > 0 ? hg_bytes_field_size(2, metadata.size) : 0);
	uint8_t *to = open_envelope(buf, envelope, 1, size);

	if (!to)
		return;
	to = put_any(to, 1, payload);
	if (metadata.size > 0)
		(void)hg_put_bytes_field(to, 2, metadata); /* as much as was reserved */
}

static size_t target_size(const struct hg_target *target)
{
	return hg_bytes_field_size(1, target->service_name.size) +
	       hg_bytes_field_size(2, target->command_name.size) +
	       hg_bytes_field_size(3, target->payload.size);
}

static uint8_t *put_target(uint8_t *to, const struct hg_target *target)
{
	to = hg_put_bytes_field(to, 1, target->service_name);
	to = hg_put_bytes_field(to, 2, target->command_name);
	return put_any(to, 3, &target->payload);
}

void hg_append_forward(struct hg_buf *buf, enum hg_envelope envelope,
		       const struct hg_target *target)
{
	uint8_t *to = open_envelope(buf, envelope, 2, target_size(target));

	if (to)
		(void)put_target(to, target); /* as much as was reserved */
}

void hg_append_effect(struct hg_buf *buf, enum hg_envelope envelope, const struct hg_target *target,
		      bool is_synchronous)
{
	static const uint32_t numbers[] = {
		[HG_OF_ENTITY] = 3,	  [HG_OF_ACTION] = 4,	      [HG_OF_CRDT_REPLY] = 4,
		[HG_OF_CRDT_MESSAGE] = 3, [HG_OF_CRDT_CANCELLED] = 2,
	};
	uint32_t number = numbers[envelope];
	size_t size = target_size(target) + hg_varint_field_size(4, is_synchronous);
	uint8_t *to = hg_buf_reserve(buf, hg_bytes_field_size(number, size));

	if (!to)
		return;
	to = put_target(hg_put_header(to, number, size), target);
	(void)hg_put_varint_field(to, 4, is_synchronous);
}

void hg_append_metadata(struct hg_buf *buf, const char *key, struct headgate_bytes value)
{
	struct headgate_bytes name = hg_text(key);
	bool is_binary = name.size >= 4 && memcmp(key + name.size - 4, "-bin", 4) == 0;
	uint32_t number = is_binary ? 3 : 2;
	size_t size = hg_bytes_field_size(1, name.size) + hg_bytes_field_size(number, value.size);
	uint8_t *to = hg_buf_reserve(buf, hg_bytes_field_size(1, size));

	if (!to)
		return;
	to = hg_put_bytes_field(hg_put_header(to, 1, size), 1, name);
	(void)hg_put_bytes_field(to, number, value); /* as much as was reserved */
}

/* UNKNOWN is what a failure without a code means, so it needs none. */
static size_t failure_status_size(const struct hg_failure *failure)
{
	if (failure->code == HEADGATE_UNKNOWN)
		return 0;
	return hg_varint_field_size(1, failure->code) +
	       hg_bytes_field_size(2, failure->description.size);
}

static size_t failure_size(const struct hg_failure *failure)
{
	size_t status_size = failure_status_size(failure);

	return hg_varint_field_size(1, (uint64_t)failure->command_id) +
	       hg_bytes_field_size(2, failure->description.size) +
	       hg_varint_field_size(3, failure->is_restart) +
	       (status_size > 0 ? hg_bytes_field_size(FAILURE_STATUS, status_size) : 0);
}

static uint8_t *put_failure(uint8_t *to, const struct hg_failure *failure)
{
	size_t status_size = failure_status_size(failure);

	to = hg_put_varint_field(to, 1, (uint64_t)failure->command_id);
	to = hg_put_bytes_field(to, 2, failure->description);
	to = hg_put_varint_field(to, 3, failure->is_restart);
	if (status_size == 0)
		return to;
	to = hg_put_header(to, FAILURE_STATUS, status_size);
	to = hg_put_varint_field(to, 1, failure->code);
	return hg_put_bytes_field(to, 2, failure->description);
}

void hg_append_failure(struct hg_buf *buf, enum hg_envelope envelope,
		       const struct hg_failure *failure)
{
	uint8_t *to = open_envelope(buf, envelope, 3, failure_size(failure));

	if (to)
		(void)put_failure(to, failure); /* as much as was reserved */
}

void hg_append_failure_field(struct hg_buf *buf, uint32_t number, const struct hg_failure *failure)
{
	size_t size = failure_size(failure);
	uint8_t *to = hg_buf_reserve(buf, hg_bytes_field_size(number, size));

	if (to)
		(void)put_failure(hg_put_header(to, number, size), failure);
}

void hg_append_stream_failure(struct hg_buf *buf, const struct hg_failure *failure)
{
	hg_append_failure_field(buf, 2, failure);
}

size_t hg_put_out_head(uint8_t head[HG_REPLY_HEAD_MAX], uint32_t number, int64_t command_id,
		       size_t rest_size)
{
	size_t size = hg_varint_field_size(1, (uint64_t)command_id) + rest_size;
	uint8_t *end = hg_put_header(head, number, size);

	return (size_t)(hg_put_varint_field(end, 1, (uint64_t)command_id) - head);
}

size_t hg_put_reply_head(uint8_t head[HG_REPLY_HEAD_MAX], int64_t command_id, size_t rest_size)
{
	return hg_put_out_head(head, 1, command_id, rest_size);
}
