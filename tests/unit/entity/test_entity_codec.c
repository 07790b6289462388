/* The codec against protobuf-c, which reads and writes the same messages from their .proto. */
#include "src/entity/entity_codec.h"

#include <stdlib.h>
#include <string.h>

#include "cloudstate/event_sourced.pb-c.h"
#include "src/base/mem.h"
#include "tests/unit/unit.h"

typedef Cloudstate__Eventsourced__EventSourcedStreamIn stream_in;
typedef Cloudstate__Eventsourced__EventSourcedStreamOut stream_out;
typedef Cloudstate__Eventsourced__EventSourcedReply es_reply;

static const struct journal_any any_row[] = {
	{SPAN_LIT("type.googleapis.com/a.B"), SPAN_LIT("value")},
	{SPAN_LIT("json.cloudstate.io/x"), SPAN_LIT("")},
	{SPAN_LIT(""), SPAN_LIT("v")},
	{SPAN_LIT(""), SPAN_LIT("")},
};

/* head and tail as one message, read by protobuf-c. */
static stream_in *unpack(const struct buf *head, struct span tail)
{
	struct buf all;
	stream_in *in;

	buf_init(&all, 1 << 24);
	assert_true(buf_append(&all, buf_span(head)));
	assert_true(buf_append(&all, tail));
	in = cloudstate__eventsourced__event_sourced_stream_in__unpack(NULL, buf_len(&all),
								       buf_span(&all).data);
	buf_fini(&all);
	assert_non_null(in);
	return in;
}

static void free_in(stream_in *in)
{
	cloudstate__eventsourced__event_sourced_stream_in__free_unpacked(in, NULL);
}

static void same_any(const Google__Protobuf__Any *got, const struct journal_any *want)
{
	assert_non_null(got);
	assert_true(span_eq(span_from_str(got->type_url), want->type_url));
	assert_true(span_eq(span_make(got->value.data, got->value.len), want->value));
}

static void init_is_what_protobuf_reads(void **state)
{
	static const uint64_t sequences[] = {0, 1, 127, 128, 300, UINT64_C(1) << 40};
	struct buf head;

	(void)state;
	buf_init(&head, ENTITY_HEAD_BYTES_MAX);
	for (size_t i = 0; i < COUNT_OF(any_row) * COUNT_OF(sequences); i++) {
		const struct journal_any *any = &any_row[i % COUNT_OF(any_row)];
		uint64_t sequence = sequences[i / COUNT_OF(any_row)];
		stream_in *in;

		assert_true(entity_put_init(&head, SPAN_LIT("test.Counter"), SPAN_LIT("e-1"),
					    sequence, any));
		in = unpack(&head, any->value);
		assert_int_equal(in->message_case,
				 CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_STREAM_IN__MESSAGE_INIT);
		assert_string_equal(in->init->service_name, "test.Counter");
		assert_string_equal(in->init->entity_id, "e-1");
		assert_int_equal(in->init->snapshot->snapshot_sequence, sequence);
		same_any(in->init->snapshot->snapshot, any);
		free_in(in);
	}
	buf_fini(&head);
}

static void init_without_snapshot(void **state)
{
	struct buf head;
	stream_in *in;

	(void)state;
	buf_init(&head, ENTITY_HEAD_BYTES_MAX);
	assert_true(entity_put_init(&head, SPAN_LIT("s"), SPAN_LIT("e"), 0, NULL));
	in = unpack(&head, SPAN_EMPTY);
	assert_null(in->init->snapshot);
	free_in(in);
	buf_fini(&head);
}

static void event_is_what_protobuf_reads(void **state)
{
	struct buf head;

	(void)state;
	buf_init(&head, ENTITY_HEAD_BYTES_MAX);
	for (size_t i = 0; i < COUNT_OF(any_row); i++) {
		stream_in *in;

		assert_true(entity_put_event(&head, 1000 + i, &any_row[i]));
		in = unpack(&head, any_row[i].value);
		assert_int_equal(in->message_case,
				 CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_STREAM_IN__MESSAGE_EVENT);
		assert_int_equal(in->event->sequence, 1000 + i);
		same_any(in->event->payload, &any_row[i]);
		free_in(in);
	}
	buf_fini(&head);
}

static void command_is_what_protobuf_reads(void **state)
{
	static const size_t lengths[] = {0, 1, 100, 127, 128, 16383, 16384, 100000};
	static uint8_t payload[100000];
	struct buf head;

	(void)state;
	memset(payload, 'p', sizeof(payload));
	buf_init(&head, ENTITY_HEAD_BYTES_MAX);
	for (size_t i = 0; i < COUNT_OF(lengths); i++) {
		struct entity_put_command command = {
			.entity_id = SPAN_LIT("\xC3\xA4 b"),
			.id = i + 1,
			.name = SPAN_LIT("Increase"),
			.input_name = SPAN_LIT("test.Amount"),
			.payload_len = lengths[i],
		};
		stream_in *in;

		assert_true(entity_put_command(&head, &command));
		in = unpack(&head, span_make(payload, lengths[i]));
		assert_int_equal(
			in->message_case,
			CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_STREAM_IN__MESSAGE_COMMAND);
		assert_string_equal(in->command->entity_id, "\xC3\xA4 b");
		assert_int_equal(in->command->id, i + 1);
		assert_string_equal(in->command->name, "Increase");
		assert_string_equal(in->command->payload->type_url,
				    "type.googleapis.com/test.Amount");
		assert_int_equal(in->command->payload->value.len, lengths[i]);
		/* S-25: nothing else, the test kit compares for equality */
		assert_false(in->command->streamed);
		assert_null(in->command->metadata);
		free_in(in);
	}
	buf_fini(&head);
}

static void too_long_names_are_refused(void **state)
{
	struct buf head;
	uint8_t *name = mem_new_array(uint8_t, ENTITY_HEAD_BYTES_MAX);

	(void)state;
	memset(name, 'n', ENTITY_HEAD_BYTES_MAX);
	buf_init(&head, ENTITY_HEAD_BYTES_MAX);
	assert_false(entity_put_init(&head, span_make(name, ENTITY_HEAD_BYTES_MAX), SPAN_LIT("e"),
				     0, NULL));
	assert_true(entity_put_init(&head, SPAN_LIT("s"), SPAN_LIT("e"), 0, NULL));
	mem_free(name);
	buf_fini(&head);
}

/* ---- in ------------------------------------------------------------------------------------- */

static void pack(const stream_out *out, struct buf *wire)
{
	size_t len = cloudstate__eventsourced__event_sourced_stream_out__get_packed_size(out);

	buf_reset(wire);
	(void)cloudstate__eventsourced__event_sourced_stream_out__pack(out, buf_reserve(wire, len));
	buf_commit(wire, len);
}

static Google__Protobuf__Any pb_any(const char *url, const char *value)
{
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;

	any.type_url = (char *)url;
	any.value.data = (uint8_t *)value;
	any.value.len = strlen(value);
	return any;
}

static void reply_with_everything(void **state)
{
	stream_out out = CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_STREAM_OUT__INIT;
	es_reply reply = CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_REPLY__INIT;
	Cloudstate__ClientAction action = CLOUDSTATE__CLIENT_ACTION__INIT;
	Cloudstate__Reply inner = CLOUDSTATE__REPLY__INIT;
	Cloudstate__Metadata metadata = CLOUDSTATE__METADATA__INIT;
	Cloudstate__MetadataEntry entry = CLOUDSTATE__METADATA_ENTRY__INIT;
	Cloudstate__MetadataEntry *entries[] = {&entry};
	Cloudstate__SideEffect effect = CLOUDSTATE__SIDE_EFFECT__INIT;
	Cloudstate__SideEffect *effects[] = {&effect, &effect};
	Google__Protobuf__Any payload = pb_any("t/reply", "answer");
	Google__Protobuf__Any first = pb_any("t/one", "1");
	Google__Protobuf__Any second = pb_any("t/two", "");
	Google__Protobuf__Any snapshot = pb_any("t/snap", "state");
	Google__Protobuf__Any *events[] = {&first, &second};
	struct journal_any got_events[4];
	struct span got_effects[4];
	struct entity_out got;
	struct buf wire;

	(void)state;
	entry.key = (char *)"k";
	metadata.n_entries = 1;
	metadata.entries = entries;
	inner.payload = &payload;
	inner.metadata = &metadata;
	action.action_case = CLOUDSTATE__CLIENT_ACTION__ACTION_REPLY;
	action.reply = &inner;
	effect.service_name = (char *)"test.Other";
	reply.command_id = 77;
	reply.client_action = &action;
	reply.n_side_effects = 2;
	reply.side_effects = effects;
	reply.n_events = 2;
	reply.events = events;
	reply.snapshot = &snapshot;
	out.message_case = CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_STREAM_OUT__MESSAGE_REPLY;
	out.reply = &reply;
	buf_init(&wire, 1 << 20);
	pack(&out, &wire);

	entity_out_parse(buf_span(&wire), &got);
	assert_int_equal(got.kind, ENTITY_OUT_REPLY);
	assert_int_equal(got.command_id, 77);
	assert_int_equal(got.action, ENTITY_REPLY);
	UNIT_ROW_SPAN("payload url", got.payload.type_url, "t/reply");
	UNIT_ROW_SPAN("payload", got.payload.value, "answer");
	UNIT_ROW_SPAN("metadata", got.metadata, "\x0a\x03\x0a\x01k");
	assert_int_equal(got.event_count, 2);
	assert_int_equal(entity_out_events(&got, got_events, COUNT_OF(got_events)), 2);
	UNIT_ROW_SPAN("first event", got_events[0].value, "1");
	UNIT_ROW_SPAN("second event", got_events[1].type_url, "t/two");
	assert_int_equal(entity_out_events(&got, got_events, 1), 1);
	assert_true(got.has_snapshot);
	UNIT_ROW_SPAN("snapshot", got.snapshot.value, "state");
	assert_int_equal(got.effect_count, 2);
	assert_int_equal(entity_out_effects(&got, got_effects, COUNT_OF(got_effects)), 2);
	UNIT_ROW_SPAN("effect", got_effects[1], "\x0a\x0atest.Other");

	/* every truncation of it is garbage or reads as something shorter, and never crashes */
	for (size_t len = 0; len < buf_len(&wire); len++) {
		uint8_t *copy = mem_new_array(uint8_t, len ? len : 1);

		memcpy(copy, buf_span(&wire).data, len);
		entity_out_parse(span_make(copy, len), &got);
		assert_int_equal(got.kind, ENTITY_OUT_GARBAGE);
		mem_free(copy);
	}
	buf_fini(&wire);
}

static void small_messages(void **state)
{
	static const struct {
		const char *name;
		struct span wire;
		enum entity_out_kind kind;
		enum entity_action action;
		enum status code;
		uint64_t id;
		bool is_restart;
		const char *description;
	} rows[] = {
		{"empty", SPAN_LIT(""), ENTITY_OUT_GARBAGE, ENTITY_NONE, ST_OK, 0, false, ""},
		{"unknown field", SPAN_LIT("\x1a\x00"), ENTITY_OUT_GARBAGE, ENTITY_NONE, ST_OK, 0,
		 false, ""},
		{"not a message", SPAN_LIT("\x08\x01"), ENTITY_OUT_GARBAGE, ENTITY_NONE, ST_OK, 0,
		 false, ""},
		{"malformed", SPAN_LIT("\x0a\x05\x08"), ENTITY_OUT_GARBAGE, ENTITY_NONE, ST_OK, 0,
		 false, ""},
		{"empty reply", SPAN_LIT("\x0a\x00"), ENTITY_OUT_REPLY, ENTITY_NONE, ST_OK, 0,
		 false, ""},
		{"no client action", SPAN_LIT("\x0a\x02\x08\x05"), ENTITY_OUT_REPLY, ENTITY_NONE,
		 ST_OK, 5, false, ""},
		{"reply without payload", SPAN_LIT("\x0a\x04\x12\x02\x0a\x00"), ENTITY_OUT_REPLY,
		 ENTITY_NONE, ST_OK, 0, false, ""},
		{"reply with an empty payload", SPAN_LIT("\x0a\x06\x12\x04\x0a\x02\x0a\x00"),
		 ENTITY_OUT_REPLY, ENTITY_REPLY, ST_OK, 0, false, ""},
		{"forward",
		 SPAN_LIT("\x0a\x05\x12\x03\x12\x01"
			  "\x00"),
		 ENTITY_OUT_GARBAGE, ENTITY_NONE, ST_OK, 0, false, ""},
		{"failure action", SPAN_LIT("\x0a\x08\x12\x06\x1a\x04\x12\x02no"), ENTITY_OUT_REPLY,
		 ENTITY_FAILURE, ST_UNKNOWN, 0, false, "no"},
		{"failure action that restarts",
		 SPAN_LIT("\x0a\x08\x08\x03\x12\x04\x1a\x02\x18\x01"), ENTITY_OUT_REPLY,
		 ENTITY_FAILURE, ST_UNKNOWN, 3, true, ""},
		{"an id in the action is not the reply's",
		 SPAN_LIT("\x0a\x08\x08\x03\x12\x04\x1a\x02\x08\x09"), ENTITY_OUT_REPLY,
		 ENTITY_FAILURE, ST_UNKNOWN, 3, false, ""},
		{"failure message", SPAN_LIT("\x12\x05\x08\x04\x12\x01x"), ENTITY_OUT_FAILURE,
		 ENTITY_FAILURE, ST_UNKNOWN, 4, false, "x"},
		{"status chooses the code",
		 SPAN_LIT("\x0a\x0d\x12\x0b\x1a\x09\x12\x02no\xa2\x06\x02\x08\x05"),
		 ENTITY_OUT_REPLY, ENTITY_FAILURE, ST_NOT_FOUND, 0, false, "no"},
		{"status brings the text",
		 SPAN_LIT("\x0a\x0c\x12\x0a\x1a\x08\xa2\x06\x05\x08\x03\x12"
			  "\x01t"),
		 ENTITY_OUT_REPLY, ENTITY_FAILURE, ST_INVALID_ARGUMENT, 0, false, "t"},
		{"status OK is none",
		 SPAN_LIT("\x0a\x0d\x12\x0b\x1a\x09\x12\x02no\xa2\x06\x02\x08\x00"),
		 ENTITY_OUT_REPLY, ENTITY_FAILURE, ST_UNKNOWN, 0, false, "no"},
		{"status beyond the codes",
		 SPAN_LIT("\x0a\x0d\x12\x0b\x1a\x09\x12\x02no\xa2\x06\x02\x08\x63"),
		 ENTITY_OUT_REPLY, ENTITY_FAILURE, ST_UNKNOWN, 0, false, "no"},
		{"malformed status", SPAN_LIT("\x0a\x0c\x12\x0a\x1a\x08\x12\x02no\xa2\x06\x01\x08"),
		 ENTITY_OUT_GARBAGE, ENTITY_NONE, ST_OK, 0, false, ""},
		{"malformed event", SPAN_LIT("\x0a\x03\x22\x01\x08"), ENTITY_OUT_GARBAGE,
		 ENTITY_NONE, ST_OK, 0, false, ""},
		{"malformed snapshot", SPAN_LIT("\x0a\x03\x2a\x01\x08"), ENTITY_OUT_GARBAGE,
		 ENTITY_NONE, ST_OK, 0, false, ""},
		{"the last of the oneof counts", SPAN_LIT("\x0a\x00\x12\x02\x08\x06"),
		 ENTITY_OUT_FAILURE, ENTITY_FAILURE, ST_UNKNOWN, 6, false, ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct entity_out out;

		entity_out_parse(rows[i].wire, &out);
		UNIT_ROW(rows[i].name, out.kind == rows[i].kind);
		UNIT_ROW(rows[i].name, out.action == rows[i].action);
		UNIT_ROW(rows[i].name, out.code == rows[i].code);
		UNIT_ROW(rows[i].name, out.command_id == rows[i].id);
		UNIT_ROW(rows[i].name, out.is_restart == rows[i].is_restart);
		UNIT_ROW_SPAN(rows[i].name, out.description, rows[i].description);
	}
}

static void too_many_effects_are_garbage(void **state)
{
	struct entity_out out;
	struct buf wire;

	(void)state;
	buf_init(&wire, 1 << 20);
	for (size_t more = 0; more < 2; more++) {
		size_t count = ENTITY_REPLY_EFFECTS_MAX + more;

		buf_reset(&wire);
		assert_true(buf_append(&wire, SPAN_LIT("\x0a")));
		assert_true(buf_append_byte(&wire, (uint8_t)(0x80 | ((count * 2) & 0x7F))));
		assert_true(buf_append_byte(&wire, (uint8_t)(count * 2 >> 7)));
		for (size_t i = 0; i < count; i++)
			assert_true(buf_append(&wire, SPAN_LIT("\x1a\x00")));
		entity_out_parse(buf_span(&wire), &out);
		assert_int_equal(out.kind, more ? ENTITY_OUT_GARBAGE : ENTITY_OUT_REPLY);
	}
	buf_fini(&wire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(init_is_what_protobuf_reads),
		cmocka_unit_test(init_without_snapshot),
		cmocka_unit_test(event_is_what_protobuf_reads),
		cmocka_unit_test(command_is_what_protobuf_reads),
		cmocka_unit_test(too_long_names_are_refused),
		cmocka_unit_test(reply_with_everything),
		cmocka_unit_test(small_messages),
		cmocka_unit_test(too_many_effects_are_garbage),
	};

	return cmocka_run_group_tests_name("entity/entity_codec", tests, NULL, NULL);
}
