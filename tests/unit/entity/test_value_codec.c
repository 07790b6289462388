/* The messages of value entities against protobuf-c. */
#include <string.h>

#include "cloudstate/value_entity.pb-c.h"
#include "src/base/mem.h"
#include "src/entity/entity_codec.h"
#include "tests/unit/unit.h"

typedef Cloudstate__Valueentity__ValueEntityStreamIn stream_in;
typedef Cloudstate__Valueentity__ValueEntityStreamOut stream_out;

#define IN_CASE(name) CLOUDSTATE__VALUEENTITY__VALUE_ENTITY_STREAM_IN__MESSAGE_##name

static stream_in *unpack(const struct buf *head, struct span tail)
{
	struct buf all;
	stream_in *in;

	buf_init(&all, 1 << 24);
	assert_true(buf_append(&all, buf_span(head)));
	assert_true(buf_append(&all, tail));
	in = cloudstate__valueentity__value_entity_stream_in__unpack(NULL, buf_len(&all),
								     buf_span(&all).data);
	buf_fini(&all);
	assert_non_null(in);
	return in;
}

static void free_in(stream_in *in)
{
	cloudstate__valueentity__value_entity_stream_in__free_unpacked(in, NULL);
}

/* The wrapper is there even when there is no state (A.4). */
static void init_is_what_protobuf_reads(void **state)
{
	static const struct journal_any states[] = {
		{SPAN_LIT("type.googleapis.com/a.B"), SPAN_LIT("value")},
		{SPAN_LIT("json.cloudstate.io/x"), SPAN_LIT("")},
		{SPAN_LIT(""), SPAN_LIT("")},
	};
	struct buf head;
	stream_in *in;

	(void)state;
	buf_init(&head, ENTITY_HEAD_BYTES_MAX);
	for (size_t i = 0; i < COUNT_OF(states); i++) {
		const Google__Protobuf__Any *got;

		assert_true(entity_put_value_init(&head, SPAN_LIT("test.Counter"), SPAN_LIT("e-1"),
						  &states[i]));
		in = unpack(&head, states[i].value);
		assert_int_equal(in->message_case, IN_CASE(INIT));
		assert_string_equal(in->init->service_name, "test.Counter");
		assert_string_equal(in->init->entity_id, "e-1");
		got = in->init->state->value;
		assert_true(span_eq(span_from_str(got->type_url), states[i].type_url));
		assert_true(span_eq(span_make(got->value.data, got->value.len), states[i].value));
		free_in(in);
	}
	assert_true(entity_put_value_init(&head, SPAN_LIT("s"), SPAN_LIT("e"), NULL));
	in = unpack(&head, SPAN_EMPTY);
	assert_non_null(in->init->state);
	assert_null(in->init->state->value);
	free_in(in);
	buf_fini(&head);
}

static void command_is_what_protobuf_reads(void **state)
{
	static const struct {
		const char *name;
		struct span metadata;
		const char *key; /* of its one entry */
	} rows[] = {
		{"none", SPAN_LIT(""), NULL},
		{"one entry", SPAN_LIT("\x0a\x06\x0a\x01k\x12\x01v"), "k"},
	};
	struct buf head;

	(void)state;
	buf_init(&head, ENTITY_HEAD_BYTES_MAX);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct entity_put_command command = {
			.is_value = true,
			.entity_id = SPAN_LIT("e"),
			.id = 3,
			.name = SPAN_LIT("Increase"),
			.input_name = SPAN_LIT("test.Amount"),
			.metadata = rows[i].metadata,
			.payload_len = 5,
		};
		const Cloudstate__Metadata *got;
		stream_in *in;

		UNIT_ROW(rows[i].name, entity_put_command(&head, &command));
		in = unpack(&head, SPAN_LIT("bytes"));
		UNIT_ROW(rows[i].name, in->message_case == IN_CASE(COMMAND));
		UNIT_ROW(rows[i].name, in->command->id == 3);
		UNIT_ROW(rows[i].name, in->command->payload->value.len == 5);
		got = in->command->metadata;
		UNIT_ROW(rows[i].name, !rows[i].key == !got);
		if (got)
			UNIT_ROW(rows[i].name, got->n_entries == 1 && strcmp(got->entries[0]->key,
									     rows[i].key) == 0);
		free_in(in);
	}
	buf_fini(&head);
}

static void reply_with_everything(void **state)
{
	stream_out out = CLOUDSTATE__VALUEENTITY__VALUE_ENTITY_STREAM_OUT__INIT;
	Cloudstate__Valueentity__ValueEntityReply reply =
		CLOUDSTATE__VALUEENTITY__VALUE_ENTITY_REPLY__INIT;
	Cloudstate__Valueentity__ValueEntityAction write =
		CLOUDSTATE__VALUEENTITY__VALUE_ENTITY_ACTION__INIT;
	Cloudstate__Valueentity__ValueEntityUpdate update =
		CLOUDSTATE__VALUEENTITY__VALUE_ENTITY_UPDATE__INIT;
	Cloudstate__ClientAction action = CLOUDSTATE__CLIENT_ACTION__INIT;
	Cloudstate__Failure failure = CLOUDSTATE__FAILURE__INIT;
	Cloudstate__SideEffect effect = CLOUDSTATE__SIDE_EFFECT__INIT;
	Cloudstate__SideEffect *effects[] = {&effect};
	Google__Protobuf__Any value = GOOGLE__PROTOBUF__ANY__INIT;
	struct span got_effects[2];
	struct entity_out got;
	uint8_t wire[256];
	size_t len;

	(void)state;
	value.type_url = (char *)"t/state";
	value.value = (ProtobufCBinaryData){2, (uint8_t *)"42"};
	update.value = &value;
	write.action_case = CLOUDSTATE__VALUEENTITY__VALUE_ENTITY_ACTION__ACTION_UPDATE;
	write.update = &update;
	failure.description = (char *)"no";
	failure.restart = true;
	action.action_case = CLOUDSTATE__CLIENT_ACTION__ACTION_FAILURE;
	action.failure = &failure;
	effect.service_name = (char *)"s";
	reply.command_id = 9;
	reply.client_action = &action;
	reply.n_side_effects = 1;
	reply.side_effects = effects;
	reply.state_action = &write;
	out.message_case = CLOUDSTATE__VALUEENTITY__VALUE_ENTITY_STREAM_OUT__MESSAGE_REPLY;
	out.reply = &reply;
	len = cloudstate__valueentity__value_entity_stream_out__pack(&out, wire);
	entity_out_parse_value(span_make(wire, len), &got);
	assert_int_equal(got.kind, ENTITY_OUT_REPLY);
	assert_true(got.command_id == 9);
	assert_int_equal(got.action, ENTITY_FAILURE);
	assert_int_equal(got.write, ENTITY_WRITE_UPDATE);
	UNIT_ROW_SPAN("url", got.state.type_url, "t/state");
	UNIT_ROW_SPAN("value", got.state.value, "42");
	assert_int_equal(got.event_count, 0);
	assert_int_equal(entity_out_effects(&got, got_effects, COUNT_OF(got_effects)), 1);
	UNIT_ROW_SPAN("effect", got_effects[0], "\x0a\x01s");

	for (size_t cut = 0; cut < len; cut++) {
		uint8_t *copy = mem_new_array(uint8_t, cut ? cut : 1);

		memcpy(copy, wire, cut);
		entity_out_parse_value(span_make(copy, cut), &got);
		assert_int_equal(got.kind, ENTITY_OUT_GARBAGE);
		mem_free(copy);
	}
}

static void small_messages(void **state)
{
	static const struct {
		const char *name;
		struct span wire;
		enum entity_out_kind kind;
		enum entity_write write;
	} rows[] = {
		{"empty", SPAN_LIT(""), ENTITY_OUT_GARBAGE, ENTITY_WRITE_NONE},
		{"unknown", SPAN_LIT("\x1a\x00"), ENTITY_OUT_GARBAGE, ENTITY_WRITE_NONE},
		{"no action", SPAN_LIT("\x0a\x02\x08\x01"), ENTITY_OUT_REPLY, ENTITY_WRITE_NONE},
		{"delete", SPAN_LIT("\x0a\x04\x22\x02\x12\x00"), ENTITY_OUT_REPLY,
		 ENTITY_WRITE_DELETE},
		{"update", SPAN_LIT("\x0a\x06\x22\x04\x0a\x02\x0a\x00"), ENTITY_OUT_REPLY,
		 ENTITY_WRITE_UPDATE},
		{"action that says nothing", SPAN_LIT("\x0a\x02\x22\x00"), ENTITY_OUT_GARBAGE,
		 ENTITY_WRITE_NONE},
		{"update without a value", SPAN_LIT("\x0a\x04\x22\x02\x0a\x00"), ENTITY_OUT_GARBAGE,
		 ENTITY_WRITE_NONE},
		{"malformed value", SPAN_LIT("\x0a\x07\x22\x05\x0a\x03\x0a\x01\x08"),
		 ENTITY_OUT_GARBAGE, ENTITY_WRITE_NONE},
		{"the last of the oneof counts",
		 SPAN_LIT("\x0a\x08\x22\x06\x0a\x02\x0a\x00\x12\x00"), ENTITY_OUT_REPLY,
		 ENTITY_WRITE_DELETE},
		{"failure message", SPAN_LIT("\x12\x02\x08\x04"), ENTITY_OUT_FAILURE,
		 ENTITY_WRITE_NONE},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct entity_out out;

		entity_out_parse_value(rows[i].wire, &out);
		UNIT_ROW(rows[i].name, out.kind == rows[i].kind);
		UNIT_ROW(rows[i].name, out.write == rows[i].write);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(init_is_what_protobuf_reads),
		cmocka_unit_test(command_is_what_protobuf_reads),
		cmocka_unit_test(reply_with_everything),
		cmocka_unit_test(small_messages),
	};

	return cmocka_run_group_tests_name("entity/value_codec", tests, NULL, NULL);
}
