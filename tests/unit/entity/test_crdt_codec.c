#include "src/entity/crdt_codec.h"

#include <string.h>

#include "tests/unit/unit.h"

#define HEAD_MAX ((size_t)64 * 1024 * 1024)

static void is_bytes(struct span got, struct span want)
{
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.data, want.data, want.len);
}

/* What goes out, byte for byte: head, then tail. */
static void test_put(void **state)
{
	struct entity_put_command command = {
		.entity_id = SPAN_LIT("e"),
		.id = 7,
		.name = SPAN_LIT("Do"),
		.input_name = SPAN_LIT("p.M"),
		.payload_len = 2,
	};
	struct buf head;

	(void)state;
	buf_init(&head, HEAD_MAX);
	assert_true(crdt_codec_put_init(&head, SPAN_LIT("s"), SPAN_LIT("e"), false, 0));
	is_bytes(buf_span(&head), SPAN_LIT("\x0a\x06\x0a\x01s\x12\x01"
					   "e"));
	assert_true(crdt_codec_put_init(&head, SPAN_LIT("s"), SPAN_LIT("e"), true, 3));
	is_bytes(buf_span(&head), SPAN_LIT("\x0a\x0b\x0a\x01s\x12\x01"
					   "e\x1a\x03"));
	assert_true(crdt_codec_put_delta(&head, 3));
	is_bytes(buf_span(&head), SPAN_LIT("\x12\x03"));
	assert_true(crdt_codec_put_delete(&head));
	is_bytes(buf_span(&head), SPAN_LIT("\x1a\x00"));
	assert_true(crdt_codec_put_stream_cancelled(&head, SPAN_LIT("e"), 7));
	is_bytes(buf_span(&head), SPAN_LIT("\x2a\x05\x0a\x01"
					   "e\x10\x07"));
	assert_true(crdt_codec_put_command(&head, &command, false));
	is_bytes(buf_span(&head), SPAN_LIT("\x22\x28\x0a\x01"
					   "e\x10\x07\x1a\x02"
					   "Do\x22\x1d\x0a\x17type.googleapis.com/p.M\x12\x02"));
	assert_true(crdt_codec_put_command(&head, &command, true));
	is_bytes(buf_span(&head),
		 SPAN_LIT("\x22\x2a\x0a\x01"
			  "e\x10\x07\x1a\x02"
			  "Do\x28\x01\x22\x1d\x0a\x17type.googleapis.com/p.M\x12\x02"));
	assert_false(crdt_codec_put_delta(&head, SIZE_MAX / 2));
	buf_fini(&head);
}

static void test_parse(void **state)
{
	static const struct {
		const char *name;
		struct span bytes;
		struct crdt_out want;
	} rows[] = {
		{"reply", SPAN_LIT("\x0a\x02\x08\x05"), {.message = {.command_id = 5}}},
		{"streamed reply",
		 SPAN_LIT("\x0a\x04\x08\x05\x30\x01"),
		 {.is_streamed = true, .message = {.command_id = 5}}},
		{"update",
		 SPAN_LIT("\x0a\x08\x08\x05\x2a\x04\x0a\x02\x12\x00"),
		 {.change = CRDT_CHANGE_UPDATE, .message = {.command_id = 5}}},
		{"update for all",
		 SPAN_LIT("\x0a\x0a\x08\x05\x2a\x06\x0a\x02\x12\x00\x18\x02"),
		 {.change = CRDT_CHANGE_UPDATE, .wants_all = true, .message = {.command_id = 5}}},
		{"update for the majority",
		 SPAN_LIT("\x0a\x0a\x08\x05\x2a\x06\x0a\x02\x12\x00\x18\x01"),
		 {.change = CRDT_CHANGE_UPDATE, .message = {.command_id = 5}}},
		{"delete",
		 SPAN_LIT("\x0a\x06\x08\x05\x2a\x02\x12\x00"),
		 {.change = CRDT_CHANGE_DELETE, .message = {.command_id = 5}}},
		{"effects",
		 SPAN_LIT("\x0a\x06\x08\x05\x22\x00\x22\x00"),
		 {.message = {.command_id = 5, .effect_count = 2}}},
		{"element",
		 SPAN_LIT("\x12\x04\x08\x05\x1a\x00"),
		 {.kind = CRDT_OUT_STREAMED, .message = {.command_id = 5, .effect_count = 1}}},
		{"last element",
		 SPAN_LIT("\x12\x04\x08\x05\x20\x01"),
		 {.kind = CRDT_OUT_STREAMED, .is_end = true, .message = {.command_id = 5}}},
		{"cancelled",
		 SPAN_LIT("\x1a\x08\x08\x05\x12\x00\x1a\x02\x12\x00"),
		 {.kind = CRDT_OUT_CANCELLED,
		  .change = CRDT_CHANGE_DELETE,
		  .message = {.command_id = 5, .effect_count = 1}}},
		{"failure",
		 SPAN_LIT("\x22\x06\x08\x05\x12\x02no"),
		 {.kind = CRDT_OUT_FAILURE,
		  .message = {.command_id = 5, .description = SPAN_LIT("no")}}},
		{"empty", SPAN_EMPTY, {.kind = CRDT_OUT_GARBAGE}},
		{"cut", SPAN_LIT("\x0a\x04\x08"), {.kind = CRDT_OUT_GARBAGE}},
		{"unknown", SPAN_LIT("\x2a\x00"), {.kind = CRDT_OUT_GARBAGE}},
		{"state action without an action",
		 SPAN_LIT("\x0a\x04\x08\x05\x2a\x00"),
		 {.kind = CRDT_OUT_GARBAGE}},
		{"malformed state action",
		 SPAN_LIT("\x0a\x05\x08\x05\x2a\x01\x0a"),
		 {.kind = CRDT_OUT_GARBAGE}},
		{"malformed client action",
		 SPAN_LIT("\x0a\x05\x08\x05\x12\x01\x0a"),
		 {.kind = CRDT_OUT_GARBAGE}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct crdt_out *want = &rows[i].want;
		struct crdt_out out;

		crdt_codec_parse(rows[i].bytes, &out);
		UNIT_ROW(rows[i].name, out.kind == want->kind);
		UNIT_ROW(rows[i].name, out.change == want->change);
		UNIT_ROW(rows[i].name, out.is_streamed == want->is_streamed);
		UNIT_ROW(rows[i].name, out.is_end == want->is_end);
		UNIT_ROW(rows[i].name, out.wants_all == want->wants_all);
		UNIT_ROW(rows[i].name, out.message.command_id == want->message.command_id);
		UNIT_ROW(rows[i].name, out.message.effect_count == want->message.effect_count);
		UNIT_ROW(rows[i].name, span_eq(out.message.description, want->message.description));
	}
}

/* Parts of a reply point into the message. */
static void test_parts(void **state)
{
	struct span bytes = SPAN_LIT("\x0a\x17\x08\x05\x12\x09\x0a\x07\x0a\x05\x0a\x01u\x12\x00"
				     "\x22\x02\x0a\x00\x2a\x04\x0a\x02\x32\x00");
	struct span effects[2];
	struct crdt_out out;

	(void)state;
	crdt_codec_parse(bytes, &out);
	assert_int_equal(out.kind, CRDT_OUT_REPLY);
	assert_int_equal(out.message.action, ENTITY_REPLY);
	is_bytes(out.message.payload.type_url, SPAN_LIT("u"));
	is_bytes(out.update, SPAN_LIT("\x32\x00"));
	assert_int_equal(entity_out_effects(&out.message, effects, 2), 1);
	is_bytes(effects[0], SPAN_LIT("\x0a\x00"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parts),
	};

	return cmocka_run_group_tests_name("entity/crdt_codec", tests, NULL, NULL);
}
