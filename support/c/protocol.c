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

static bool parse_init(struct headgate_bytes bytes, struct hg_init *init)
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
		else if (hg_is_bytes(&field, 3) && !parse_snapshot(field.bytes, init))
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

static bool parse_command(struct headgate_bytes bytes, struct hg_command *command)
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
			is_good = parse_init(field.bytes, &ret_in->init);
		} else if (hg_is_bytes(&field, 2)) {
			ret_in->kind = HG_IN_EVENT;
			is_good = parse_event(field.bytes, &ret_in->event);
		} else if (hg_is_bytes(&field, 3)) {
			ret_in->kind = HG_IN_COMMAND;
			is_good = parse_command(field.bytes, &ret_in->command);
		}
		if (!is_good)
			return false;
	}
	return !reader.is_bad;
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

void hg_append_reply_action(struct hg_buf *buf, const struct hg_any *payload)
{
	size_t reply_size = hg_bytes_field_size(1, payload->size);
	size_t action_size = hg_bytes_field_size(1, reply_size);
	uint8_t *to = hg_buf_reserve(buf, hg_bytes_field_size(2, action_size));

	if (!to)
		return;
	to = hg_put_header(to, 2, action_size);
	to = hg_put_header(to, 1, reply_size);
	(void)put_any(to, 1, payload);
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

void hg_append_forward_action(struct hg_buf *buf, const struct hg_target *target)
{
	size_t forward_size = target_size(target);
	size_t action_size = hg_bytes_field_size(2, forward_size);
	uint8_t *to = hg_buf_reserve(buf, hg_bytes_field_size(2, action_size));

	if (!to)
		return;
	to = hg_put_header(to, 2, action_size);
	to = hg_put_header(to, 2, forward_size);
	(void)put_target(to, target);
}

void hg_append_effect(struct hg_buf *buf, const struct hg_target *target, bool is_synchronous)
{
	size_t size = target_size(target) + hg_varint_field_size(4, is_synchronous);
	uint8_t *to = hg_buf_reserve(buf, hg_bytes_field_size(3, size));

	if (!to)
		return;
	to = put_target(hg_put_header(to, 3, size), target);
	(void)hg_put_varint_field(to, 4, is_synchronous);
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

void hg_append_failure_action(struct hg_buf *buf, const struct hg_failure *failure)
{
	size_t size = failure_size(failure);
	size_t action_size = hg_bytes_field_size(3, size);
	uint8_t *to = hg_buf_reserve(buf, hg_bytes_field_size(2, action_size));

	if (!to)
		return;
	to = hg_put_header(to, 2, action_size);
	(void)put_failure(hg_put_header(to, 3, size), failure);
}

void hg_append_stream_failure(struct hg_buf *buf, const struct hg_failure *failure)
{
	size_t size = failure_size(failure);
	uint8_t *to = hg_buf_reserve(buf, hg_bytes_field_size(2, size));

	if (to)
		(void)put_failure(hg_put_header(to, 2, size), failure);
}

size_t hg_put_reply_head(uint8_t head[HG_REPLY_HEAD_MAX], int64_t command_id, size_t rest_size)
{
	size_t size = hg_varint_field_size(1, (uint64_t)command_id) + rest_size;
	uint8_t *end = hg_put_header(head, 1, size);

	return (size_t)(hg_put_varint_field(end, 1, (uint64_t)command_id) - head);
}
