#include "support/c/crdt_stream.h"

#include <string.h>

#include "tests/unit/support/crdt_world.h"
#include "tests/unit/unit.h"

static void same(const char *row, const char *got, const char *want)
{
	if (strcmp(got, want) != 0)
		fail_msg("row \"%s\": got \"%s\", want \"%s\"", row, got, want);
}

/* ---- Streams ----------------------------------------------------------------------------------
 */

static void assert_message(struct crdt_world *world, int64_t id, const char *text, bool is_end)
{
	assert_true(crdt_world_next(world));
	assert_int_equal(world->out->message_case,
			 CLOUDSTATE__CRDT__CRDT_STREAM_OUT__MESSAGE_STREAMED_MESSAGE);
	assert_int_equal(world->out->streamed_message->command_id, id);
	assert_string_equal(crdt_world_text(world), text);
	assert_int_equal(world->out->streamed_message->end_stream, is_end);
}

static void assert_reply(struct crdt_world *world, const char *text, bool is_streamed)
{
	assert_int_equal(world->verdict, HG_SEND);
	assert_int_equal(world->out->message_case,
			 CLOUDSTATE__CRDT__CRDT_STREAM_OUT__MESSAGE_REPLY);
	assert_string_equal(crdt_world_text(world), text);
	assert_int_equal(world->out->reply->streamed, is_streamed);
}

static void test_streams(void **state)
{
	struct crdt_world world;

	(void)state;
	crdt_seen = (struct crdt_seen){0};
	crdt_world_begin(&world, "GCounter-1", NULL);
	crdt_world_send(&world, true, "+1, stay");
	assert_reply(&world, "1", true);
	assert_false(crdt_world_next(&world));
	crdt_world_send(&world, true, "stay, silent|quiet");
	assert_reply(&world, "", true);
	assert_false(crdt_world_next(&world)); /* nothing has changed */
	crdt_world_send(&world, true, "+1, stay|end at 4");
	assert_reply(&world, "2", true); /* its own change is in its reply */
	assert_message(&world, 1, "2", false);
	assert_false(crdt_world_next(&world));
	assert_string_equal(crdt_world_say(&world, "+2"), "4");
	assert_message(&world, 1, "4", false);
	assert_message(&world, 3, "4", true);
	assert_false(crdt_world_next(&world));
	assert_int_equal(crdt_seen.destroyed, 1);
	assert_string_equal(crdt_world_say(&world, "+1, fail"), "! on purpose");
	assert_false(crdt_world_next(&world));
	crdt_world_send(&world, true, "+1"); /* does not stay */
	assert_reply(&world, "5", false);
	assert_message(&world, 1, "5", false);
	assert_int_equal(crdt_seen.destroyed, 2);
	crdt_world_send(&world, true, "stay, fail");
	assert_reply(&world, "! on purpose", false);
	assert_int_equal(crdt_seen.destroyed, 3);
	crdt_world_close(&world);
	assert_int_equal(crdt_seen.destroyed, 5);
}

static void test_streams_hear_of_deltas(void **state)
{
	struct crdt_world world;
	struct crdt_world other;

	(void)state;
	crdt_world_begin(&world, "GSet-1", NULL);
	crdt_world_begin(&other, "GSet-1", NULL);
	crdt_world_send(&world, true, "stay, silent|effect");
	crdt_world_send(&world, true, "stay, silent");
	crdt_world_send(&other, false, "add a");
	crdt_world_delta(&world, crdt_world_update(&other));
	assert_int_equal(world.verdict, HG_SEND);
	assert_int_equal(world.out->streamed_message->command_id, 1);
	assert_int_equal(world.out->streamed_message->n_side_effects, 1);
	assert_string_equal(crdt_world_text(&world), "{a}");
	assert_true(hg_crdt_stream_has_more(world.stream));
	assert_message(&world, 2, "{a}", false);
	assert_false(hg_crdt_stream_has_more(world.stream));
	assert_false(crdt_world_next(&world));
	assert_int_equal(world.verdict, HG_READ_ON);
	crdt_world_close(&other);
	crdt_world_close(&world);
}

/* Whoever only may look ends its own stream by more, and nothing else. */
static void test_mistakes_in_on_change(void **state)
{
	static const struct {
		const char *script;
		const char *text;
	} rows[] = {
		{"stay|+1", "! GCounter: may not be changed here"},
		{"stay|delete", "! Nothing may be changed here"},
		{"stay|stay", "! The command is not streamed"},
		{"stay|error", "! Error handling command 'Watch'"},
		{"stay|fail", "! on purpose"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct crdt_world world;
		crdt_world_begin(&world, "GCounter-1", NULL);
		crdt_world_send(&world, true, rows[i].script);
		same(rows[i].script, crdt_world_say(&world, "+1"), "1");
		assert_message(&world, 1, rows[i].text, true);
		same(rows[i].script, crdt_world_say(&world, "+1"), "2");
		assert_false(crdt_world_next(&world));
		crdt_world_close(&world);
	}
}

static void test_cancel(void **state)
{
	static const struct {
		const char *script;
		const char *state_action;
		size_t effects;
		const char *told; /* to another stream; NULL = nothing */
	} rows[] = {
		{"yes, stay||no", "vote:n", 0, "0/1n"},
		{"yes, stay||no, effect", "vote:n", 1, "0/1n"},
		{"yes, stay||effect", "", 1, NULL},
		{"yes, stay", "", 0, NULL},
		{"yes, stay||no, fail", "", 0, NULL},
		{"yes, stay||delete", "delete", 0, NULL},
		{"yes, stay||end", "", 0, NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct crdt_world world;
		crdt_world_begin(&world, "Vote-1", NULL);
		crdt_world_send(&world, true, "stay");
		crdt_world_send(&world, true, rows[i].script);
		assert_message(&world, 1, "1/1y", false);
		for (int again = 0; again < 2; again++) {
			crdt_world_cancel(&world, 2);
			UNIT_ROW(rows[i].script, world.verdict == HG_SEND);
			UNIT_ROW(
				rows[i].script,
				world.out->message_case ==
					CLOUDSTATE__CRDT__CRDT_STREAM_OUT__MESSAGE_STREAM_CANCELLED_RESPONSE);
			UNIT_ROW(rows[i].script,
				 world.out->stream_cancelled_response->command_id == 2);
			UNIT_ROW(rows[i].script,
				 world.out->stream_cancelled_response->n_side_effects ==
					 (again ? 0 : rows[i].effects));
			same(rows[i].script, crdt_world_state_action(&world),
			     again ? "" : rows[i].state_action);
			if (!again && rows[i].told)
				assert_message(&world, 1, rows[i].told, false);
			UNIT_ROW(rows[i].script, !crdt_world_next(&world));
		}
		crdt_world_close(&world);
	}
}

/* ---- The end ----------------------------------------------------------------------------------
 */

static void test_deleted_by_the_proxy(void **state)
{
	struct crdt_world world;

	(void)state;
	crdt_seen = (struct crdt_seen){0};
	crdt_world_begin(&world, "GCounter-1", NULL);
	crdt_world_send(&world, true, "+1, stay");
	crdt_world_delete(&world);
	assert_int_equal(world.verdict, HG_END);
	assert_null(world.out);
	assert_int_equal(crdt_seen.destroyed, 1);
	crdt_world_send(&world, false, "+1");
	assert_int_equal(world.verdict, HG_END);
	crdt_world_close(&world);
}

static void test_deleted_by_a_command(void **state)
{
	struct crdt_world world;
	struct crdt_world other;

	(void)state;
	crdt_world_begin(&world, "GCounter-1", NULL);
	crdt_world_begin(&other, "GCounter-1", NULL);
	crdt_world_send(&world, true, "+1, stay");
	crdt_world_send(&world, true, "delete, stay");
	assert_reply(&world, "1", false);
	assert_false(crdt_world_next(&world));
	crdt_world_send(&other, false, "+1");
	crdt_world_delta(&world, crdt_world_update(&other)); /* was under way */
	assert_int_equal(world.verdict, HG_READ_ON);
	crdt_world_cancel(&world, 1);
	assert_int_equal(world.verdict, HG_SEND);
	assert_string_equal(crdt_world_say(&world, "+1"), "! Entity deleted");
	crdt_world_close(&other);
	crdt_world_close(&world);
}

struct bytes {
	uint8_t data[64];
	size_t size;
};

static void test_stream_errors(void **state)
{
	static const struct {
		const char *name;
		bool is_first;
		struct bytes bytes;
		const char *text;
	} rows[] = {
		{"a command first", true, {{0x22, 0}, 2}, "Message received before init"},
		{"a delta first", true, {{0x12, 0}, 2}, "Message received before init"},
		{"unknown service", true, {{0x0a, 3, 0x0a, 1, 'x'}, 5}, "Service unknown"},
		{"init twice", false, {{0x0a, 0}, 2}, "Init message received twice."},
		{"nothing known", false, {{0x7a, 0}, 2}, "Message holds nothing known"},
		{"no protobuf", false, {{0xff}, 1}, "Message cannot be decoded"},
		{"a delta of nothing", false, {{0x12, 0}, 2}, "a delta of no known kind"},
		{"a delta of another kind",
		 false,
		 {{0x12, 2, 0x1a, 0}, 4},
		 "a delta of another kind than the data"},
		{"a counter cut short",
		 false,
		 {{0x12, 3, 0x0a, 1, 0xff}, 5},
		 "a delta cannot be decoded"},
		{"another entity", false, {{0x22, 2, 0x0a, 0}, 4}, "Command is for another entity"},
		{"cancelled elsewhere",
		 false,
		 {{0x2a, 0}, 2},
		 "Cancelled stream of another entity"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct crdt_world world;
		if (rows[i].is_first) {
			assert_int_equal(crdt_world_open(&world, "GCounter-1"), 0);
		} else {
			crdt_world_begin(&world, "GCounter-1", NULL);
			crdt_world_send(&world, true, "+1, stay");
		}
		crdt_world_receive(&world, rows[i].bytes.data, rows[i].bytes.size);
		UNIT_ROW(rows[i].name, world.verdict == HG_END && world.out);
		UNIT_ROW(rows[i].name, world.out->message_case ==
					       CLOUDSTATE__CRDT__CRDT_STREAM_OUT__MESSAGE_FAILURE);
		same(rows[i].name, world.out->failure->description, rows[i].text);
		UNIT_ROW(rows[i].name, !crdt_world_next(&world));
		crdt_world_close(&world);
	}
}

/* ---- Declarations ----------------------------------------------------------------------------
 */

static int do_nothing(struct headgate_context *context, void *state, const void *message)
{
	(void)context;
	(void)state;
	(void)message;
	return 0;
}

static int change_nothing(struct headgate_context *context, void *state)
{
	(void)context;
	(void)state;
	return 0;
}

static void test_declarations(void **state)
{
	static const struct headgate_crdt_command one[] = {{"Apply", NULL, do_nothing}, {0}};
	static const struct headgate_crdt_command silent[] = {
		{"Apply", NULL, do_nothing}, {"Watch", NULL, NULL}, {0}};
	static const struct headgate_crdt_command more[] = {{"Apply", NULL, do_nothing},
							    {"Watch", NULL, do_nothing},
							    {"Other", NULL, do_nothing},
							    {0}};
	static const struct headgate_crdt_command unary[] = {
		{"Apply", NULL, do_nothing, change_nothing}, {"Watch", NULL, do_nothing}, {0}};
	static const struct {
		struct headgate_crdt_entity entity;
		const char *text;
	} rows[] = {
		{{"headgate.test.Nothing", "x", one},
		 "service headgate.test.Nothing is not in the descriptor set"},
		{{CRDT_SERVICE, "x", one},
		 "method headgate.test.CrdtTags.Watch has no command handler"},
		{{CRDT_SERVICE, "x", silent},
		 "command headgate.test.CrdtTags.Watch has no handler"},
		{{CRDT_SERVICE, "x", more}, "service headgate.test.CrdtTags has no method Other"},
		{{CRDT_SERVICE, "x", unary},
		 "method headgate.test.CrdtTags.Apply has on_change or on_cancel but is not "
		 "streamed"},
		{{CRDT_SERVICE, "", one}, "an entity needs a service_name and a persistence_id"},
		{{CRDT_SERVICE, "x", NULL}, "entity headgate.test.CrdtTags has no commands"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct headgate_error err = {""};
		assert_int_equal(crdt_world_declare(&rows[i].entity, &err), -1);
		assert_string_equal(err.text, rows[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_streams_hear_of_deltas),
		cmocka_unit_test(test_mistakes_in_on_change),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_deleted_by_the_proxy),
		cmocka_unit_test(test_deleted_by_a_command),
		cmocka_unit_test(test_stream_errors),
		cmocka_unit_test(test_declarations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
