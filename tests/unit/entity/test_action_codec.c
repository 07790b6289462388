/* The codec against protobuf-c, which reads and writes the same messages from their .proto. */
#include "src/entity/action_codec.h"

#include <string.h>

#include "cloudstate/action.pb-c.h"
#include "proto/wire.h"
#include "src/grpc/metadata.h"
#include "tests/unit/unit.h"

typedef Cloudstate__Action__ActionCommand command_message;
typedef Cloudstate__Action__ActionResponse response_message;

#define RESPONSE_CASE(name) CLOUDSTATE__ACTION__ACTION_RESPONSE__RESPONSE_##name

static command_message *written(const struct action_command *command, struct span payload)
{
	command_message *message;
	struct buf all;

	buf_init(&all, ENTITY_HEAD_BYTES_MAX);
	assert_true(action_put_command(&all, command));
	assert_true(buf_append(&all, payload));
	message = cloudstate__action__action_command__unpack(NULL, buf_len(&all),
							     buf_span(&all).data);
	assert_non_null(message);
	buf_fini(&all);
	return message;
}

static void free_written(command_message *message)
{
	cloudstate__action__action_command__free_unpacked(message, NULL);
}

static void a_single_request_has_everything(void **state)
{
	static const struct metadata_item items[] = {
		{SPAN_LIT("x-text"), SPAN_LIT("one")},
		{SPAN_LIT("x-text"), SPAN_LIT("")},
		{SPAN_LIT("x-raw-bin"), SPAN_LIT("\x00\xff")},
		{SPAN_LIT("x-latin"), SPAN_LIT("caf\xe9")},
	};
	static const struct {
		const char *string; /* NULL: bytes */
		struct span bytes;
	} want[] = {
		{"one", {0}}, {"", {0}}, {NULL, SPAN_LIT("\x00\xff")}, {NULL, SPAN_LIT("caf\xe9")}};
	struct metadata metadata = {.items = (struct metadata_item *)(uintptr_t)items,
				    .count = COUNT_OF(items)};
	static const size_t sizes[] = {0, 1, 127, 128, 70000};
	static const char bytes[70000];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		struct action_command command = {
			.service_name = SPAN_LIT("a.Service"),
			.name = SPAN_LIT("Do"),
			.metadata = &metadata,
			.input_name = SPAN_LIT("a.Input"),
			.payload_len = sizes[i],
		};
		command_message *message = written(&command, span_make(bytes, sizes[i]));

		assert_string_equal(message->service_name, "a.Service");
		assert_string_equal(message->name, "Do");
		assert_string_equal(message->payload->type_url, "type.googleapis.com/a.Input");
		assert_int_equal(message->payload->value.len, sizes[i]);
		assert_int_equal(message->metadata->n_entries, COUNT_OF(items));
		for (size_t j = 0; j < COUNT_OF(items); j++) {
			const Cloudstate__MetadataEntry *entry = message->metadata->entries[j];

			assert_true(span_eq_str(items[j].key, entry->key));
			if (want[j].string) {
				assert_int_equal(entry->value_case,
						 CLOUDSTATE__METADATA_ENTRY__VALUE_STRING_VALUE);
				assert_string_equal(entry->string_value, want[j].string);
			} else {
				assert_int_equal(entry->value_case,
						 CLOUDSTATE__METADATA_ENTRY__VALUE_BYTES_VALUE);
				assert_true(span_eq(
					span_make(entry->bytes_value.data, entry->bytes_value.len),
					want[j].bytes));
			}
		}
		free_written(message);
	}
}

static void a_stream_is_named_first_and_then_has_payloads(void **state)
{
	struct action_command first = {.service_name = SPAN_LIT("a.Service"),
				       .name = SPAN_LIT("Do")};
	struct action_command later = {.input_name = SPAN_LIT("a.Input"), .payload_len = 3};
	struct action_command empty = {.input_name = SPAN_LIT("a.Input")};
	command_message *message;

	(void)state;
	message = written(&first, SPAN_EMPTY);
	assert_string_equal(message->name, "Do");
	assert_null(message->payload);
	assert_int_equal(message->metadata->n_entries, 0); /* empty, but there */
	free_written(message);
	message = written(&later, SPAN_LIT("abc"));
	assert_string_equal(message->service_name, "");
	assert_string_equal(message->name, "");
	assert_int_equal(message->metadata->n_entries, 0);
	assert_int_equal(message->payload->value.len, 3);
	free_written(message);
	message = written(&empty, SPAN_EMPTY);
	assert_string_equal(message->payload->type_url, "type.googleapis.com/a.Input");
	assert_int_equal(message->payload->value.len, 0);
	free_written(message);
}

static void what_is_too_long_is_refused(void **state)
{
	static char text[ENTITY_HEAD_BYTES_MAX];
	struct metadata_item item = {SPAN_LIT("x"), span_make(text, sizeof(text))};
	struct metadata metadata = {.items = &item, .count = 1};
	struct action_command long_head = {.service_name = SPAN_LIT("s"), .metadata = &metadata};
	struct action_command long_payload = {.input_name = SPAN_LIT("a.Input"),
					      .payload_len = (size_t)WIRE_BYTES_MAX};
	struct buf head;

	(void)state;
	buf_init(&head, 2 * ENTITY_HEAD_BYTES_MAX);
	assert_false(action_put_command(&head, &long_head));
	assert_false(action_put_command(&head, &long_payload));
	buf_fini(&head);
}

/* What a method that takes any message is given is not wrapped once more. */
static void a_type_url_of_its_own_stands_as_it_is(void **state)
{
	const struct action_command command = {
		.service_name = SPAN_LIT("pkg.Service"),
		.name = SPAN_LIT("Take"),
		.input_name = SPAN_LIT("google.protobuf.Any"),
		.type_url = SPAN_LIT("json.cloudstate.io/Thing"),
		.payload_len = 2,
	};
	command_message *message = written(&command, SPAN_LIT("ab"));

	(void)state;
	assert_string_equal(message->payload->type_url, "json.cloudstate.io/Thing");
	assert_int_equal(message->payload->value.len, 2);
	assert_memory_equal(message->payload->value.data, "ab", 2);
	free_written(message);
}

/* A response packed by protobuf-c into a static place. */
static struct span packed(const response_message *message)
{
	static uint8_t bytes[1024];
	size_t size = protobuf_c_message_get_packed_size(&message->base);

	assert_true(size <= sizeof(bytes));
	return span_make(bytes, protobuf_c_message_pack(&message->base, bytes));
}

static void replies_are_read(void **state)
{
	response_message message = CLOUDSTATE__ACTION__ACTION_RESPONSE__INIT;
	Cloudstate__Reply reply = CLOUDSTATE__REPLY__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	Cloudstate__Metadata metadata = CLOUDSTATE__METADATA__INIT;
	Cloudstate__MetadataEntry entry = CLOUDSTATE__METADATA_ENTRY__INIT;
	Cloudstate__MetadataEntry *entries[] = {&entry};
	Cloudstate__SideEffect effect = CLOUDSTATE__SIDE_EFFECT__INIT;
	Cloudstate__SideEffect *effects[] = {&effect, &effect};
	char url[] = "type.googleapis.com/a.B";
	uint8_t value[] = {1, 2, 3};
	char key[] = "k";
	struct entity_out out;

	(void)state;
	entry.key = key;
	metadata.n_entries = 1;
	metadata.entries = entries;
	any.type_url = url;
	any.value = (ProtobufCBinaryData){sizeof(value), value};
	reply.payload = &any;
	reply.metadata = &metadata;
	message.response_case = RESPONSE_CASE(REPLY);
	message.reply = &reply;
	message.n_side_effects = 2;
	message.side_effects = effects;
	action_response_parse(packed(&message), &out);
	assert_int_equal(out.kind, ENTITY_OUT_REPLY);
	assert_int_equal(out.action, ENTITY_REPLY);
	assert_true(span_eq_str(out.payload.type_url, url));
	assert_true(span_eq(out.payload.value, span_make(value, sizeof(value))));
	assert_true(out.metadata.len > 0);
	assert_int_equal(out.effect_count, 2);
	message.response_case = RESPONSE_CASE(_NOT_SET);
	action_response_parse(packed(&message), &out);
	assert_int_equal(out.kind, ENTITY_OUT_REPLY);
	assert_int_equal(out.action, ENTITY_NONE);
	assert_int_equal(out.effect_count, 2);
}

static void failures_and_forwards_are_read(void **state)
{
	response_message message = CLOUDSTATE__ACTION__ACTION_RESPONSE__INIT;
	Cloudstate__Failure failure = CLOUDSTATE__FAILURE__INIT;
	Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;
	Cloudstate__Forward forward = CLOUDSTATE__FORWARD__INIT;
	char text[] = "no";
	char name[] = "a.B";
	struct entity_out out;

	(void)state;
	failure.description = text;
	message.response_case = RESPONSE_CASE(FAILURE);
	message.failure = &failure;
	action_response_parse(packed(&message), &out);
	assert_int_equal(out.action, ENTITY_FAILURE);
	assert_int_equal(out.code, ST_UNKNOWN);
	assert_true(span_eq_str(out.description, "no"));
	status.code = ST_NOT_FOUND;
	failure.status = &status;
	action_response_parse(packed(&message), &out);
	assert_int_equal(out.code, ST_NOT_FOUND);
	assert_true(out.details.len > 0);
	forward.service_name = name;
	message.response_case = RESPONSE_CASE(FORWARD);
	message.forward = &forward;
	action_response_parse(packed(&message), &out);
	assert_int_equal(out.action, ENTITY_FORWARD);
	assert_true(span_eq_str(out.service_name, name));
}

static void malformed_responses_are_garbage(void **state)
{
	static const struct {
		const char *name;
		struct span bytes;
		enum entity_out_kind kind;
	} rows[] = {
		{"empty", SPAN_LIT(""), ENTITY_OUT_REPLY},
		{"unknown fields", SPAN_LIT("\x32\x01x\x38\x01"), ENTITY_OUT_REPLY},
		{"cut", SPAN_LIT("\x12\x05"), ENTITY_OUT_GARBAGE},
		{"reply cut", SPAN_LIT("\x12\x02\x0a\x05"), ENTITY_OUT_GARBAGE},
		{"payload cut", SPAN_LIT("\x12\x04\x0a\x02\x0a\x05"), ENTITY_OUT_GARBAGE},
		{"failure cut", SPAN_LIT("\x0a\x02\x12\x05"), ENTITY_OUT_GARBAGE},
		{"forward cut", SPAN_LIT("\x1a\x02\x0a\x05"), ENTITY_OUT_GARBAGE},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct entity_out out;

		action_response_parse(rows[i].bytes, &out);
		UNIT_ROW(rows[i].name, out.kind == rows[i].kind);
		UNIT_ROW(rows[i].name, out.action == ENTITY_NONE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_single_request_has_everything),
		cmocka_unit_test(a_stream_is_named_first_and_then_has_payloads),
		cmocka_unit_test(what_is_too_long_is_refused),
		cmocka_unit_test(a_type_url_of_its_own_stands_as_it_is),
		cmocka_unit_test(replies_are_read),
		cmocka_unit_test(failures_and_forwards_are_read),
		cmocka_unit_test(malformed_responses_are_garbage),
	};

	return cmocka_run_group_tests_name("entity/action_codec", tests, NULL, NULL);
}
