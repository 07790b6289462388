#include "tests/unit/support/stream_bytes.h"

#include <stdio.h>

#include "tests/unit/unit.h"

static ProtobufCBinaryData pack(const ProtobufCMessage *message, uint8_t *place)
{
	assert_true(protobuf_c_message_get_packed_size(message) <= STREAM_BYTES_MAX);
	return (ProtobufCBinaryData){.len = protobuf_c_message_pack(message, place), .data = place};
}

static struct stream_bytes finish(const Cloudstate__Eventsourced__EventSourcedStreamIn *in)
{
	struct stream_bytes bytes;

	bytes.size = pack(&in->base, bytes.data).len;
	return bytes;
}

static Google__Protobuf__Any any_of(const char *url, ProtobufCBinaryData value)
{
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;

	any.type_url = (char *)(uintptr_t)url;
	any.value = value;
	return any;
}

struct stream_bytes stream_init(const char *service, const char *id, const char *snapshot,
				int64_t snapshot_sequence)
{
	uint8_t place[STREAM_BYTES_MAX];
	Headgate__Test__Snapshot value = HEADGATE__TEST__SNAPSHOT__INIT;
	Cloudstate__Eventsourced__EventSourcedSnapshot saved =
		CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_SNAPSHOT__INIT;
	Cloudstate__Eventsourced__EventSourcedInit init =
		CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_INIT__INIT;
	Cloudstate__Eventsourced__EventSourcedStreamIn in =
		CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_STREAM_IN__INIT;

	value.last = (char *)(uintptr_t)(snapshot ? snapshot : "");
	Google__Protobuf__Any any = any_of(WORD_SNAPSHOT, pack(&value.base, place));
	saved.snapshot_sequence = snapshot_sequence;
	saved.snapshot = &any;
	init.service_name = (char *)(uintptr_t)service;
	init.entity_id = (char *)(uintptr_t)id;
	init.snapshot = snapshot ? &saved : NULL;
	in.message_case = CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_STREAM_IN__MESSAGE_INIT;
	in.init = &init;
	return finish(&in);
}

struct stream_bytes stream_event(int64_t sequence, const char *url, const char *text)
{
	uint8_t place[STREAM_BYTES_MAX];
	Headgate__Test__Happened happened = HEADGATE__TEST__HAPPENED__INIT;
	Cloudstate__Eventsourced__EventSourcedEvent event =
		CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_EVENT__INIT;
	Cloudstate__Eventsourced__EventSourcedStreamIn in =
		CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_STREAM_IN__INIT;

	happened.text = (char *)(uintptr_t)text;
	Google__Protobuf__Any any = any_of(url, pack(&happened.base, place));
	event.sequence = sequence;
	event.payload = &any;
	in.message_case = CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_STREAM_IN__MESSAGE_EVENT;
	in.event = &event;
	return finish(&in);
}

struct stream_bytes stream_command(const char *id, int64_t command_id, const char *name,
				   const Headgate__Test__Request *request)
{
	return stream_message(id, command_id, name, &request->base);
}

struct stream_bytes stream_message(const char *id, int64_t command_id, const char *name,
				   const ProtobufCMessage *message)
{
	uint8_t place[STREAM_BYTES_MAX];
	char url[256];
	Cloudstate__Command command = CLOUDSTATE__COMMAND__INIT;
	Cloudstate__Eventsourced__EventSourcedStreamIn in =
		CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_STREAM_IN__INIT;

	(void)snprintf(url, sizeof url, "type.googleapis.com/%s", message->descriptor->name);
	Google__Protobuf__Any any = any_of(url, pack(message, place));
	command.entity_id = (char *)(uintptr_t)id;
	command.id = command_id;
	command.name = (char *)(uintptr_t)name;
	command.payload = &any;
	in.message_case = CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_STREAM_IN__MESSAGE_COMMAND;
	in.command = &command;
	return finish(&in);
}
