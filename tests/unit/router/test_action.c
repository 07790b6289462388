/* Calls of actions, step by step; see tests/fakes/action_world.h. */
#include "src/router/action.h"

#include <string.h>

#include "proto/schema.h"
#include "proto/wire.h"
#include "src/base/metrics.h"
#include "src/grpc/grpc_call.h"
#include "src/runtime/loop.h"
#include "src/userfn/api.h"
#include "src/userfn/userfn.h"
#include "tests/fakes/action_world.h"
#include "tests/unit/unit.h"

/* ---- tests ---------------------------------------------------------------------------------- */

static void unary(void **state)
{
	struct action_world *f = *state;
	struct wire_field field;

	action_world_client_call(f, &f->client, "/test.Deed/Unary",
				 loop_now_ns(f->loop) + ACTION_WORLD_WAIT_NS);
	action_world_client_give(&f->client, SPAN_LIT("\x0a\x01x"));
	action_world_settle(f);
	assert_int_equal(f->calls, 0); /* there may be a second message */
	action_world_client_half_close(&f->client);
	action_world_wait_until(f, action_world_is_called);
	action_world_wait_for_message(f);
	assert_string_equal(f->callee.path, "/cloudstate.action.ActionProtocol/handleUnary");
	assert_true(f->callee.has_deadline);
	UNIT_ROW_SPAN("payload", action_world_callee_payload(&f->callee), "\x0a\x01x");
	assert_true(wire_find_last(buf_span(&f->callee.last), 2, WIRE_BYTES, &field));
	UNIT_ROW_SPAN("service", field.bytes, "test.Deed");
	assert_true(wire_find_last(buf_span(&f->callee.last), 3, WIRE_BYTES, &field));
	UNIT_ROW_SPAN("name", field.bytes, "Unary");
	assert_true(wire_find_last(buf_span(&f->callee.last), 5, WIRE_BYTES, &field));
	UNIT_ROW_SPAN("metadata", field.bytes, "\x0a\x0c\x0a\x03x-q\x12\x05query");
	action_world_callee_read(&f->callee);
	action_world_wait_until(f, action_world_has_half_close);
	action_world_callee_reply(&f->callee, SPAN_LIT("\x0a\x01y"), "one");
	action_world_wait_for_reply(f, 1);
	assert_int_equal(f->client.finishes, 0); /* the status has not come */
	action_world_callee_finish(&f->callee, ST_OK);
	action_world_is_over(f, ST_OK, "");
	UNIT_ROW_SPAN("reply", buf_span(&f->client.last), "\x0a\x01y");
	assert_string_equal(f->client.header, "one");
	action_world_wait_until(f, action_world_has_ended);
	assert_int_equal(f->callee.cancels, 0);
}

static void stream_in(void **state)
{
	struct action_world *f = *state;

	action_world_begin(f, "/test.Deed/In");
	assert_string_equal(f->callee.path, "/cloudstate.action.ActionProtocol/handleStreamedIn");
	assert_false(f->callee.has_deadline);
	assert_int_equal(action_world_callee_payload(&f->callee).len,
			 0); /* names only, before anything came */
	for (char c = 'a'; c < 'f'; c++) {
		char message[] = {0x0a, 1, c, 0};

		action_world_wait_until(f, action_world_is_asked);
		action_world_client_give(&f->client, span_from_str(message));
		action_world_wait_for_message(f);
		UNIT_ROW_SPAN(message, action_world_callee_payload(&f->callee), message);
	}
	action_world_callee_read(&f->callee);
	action_world_settle(f);
	assert_false(f->callee.has_half_close);
	action_world_client_half_close(&f->client);
	action_world_wait_until(f, action_world_has_half_close);
	action_world_callee_reply(&f->callee, SPAN_LIT("sum"), NULL);
	action_world_callee_finish(&f->callee, ST_OK);
	action_world_is_over(f, ST_OK, "");
	assert_int_equal(f->client.sends, 1);
}

static void stream_out(void **state)
{
	struct action_world *f = *state;

	action_world_begin(f, "/test.Deed/Out");
	assert_string_equal(f->callee.path, "/cloudstate.action.ActionProtocol/handleStreamedOut");
	action_world_callee_reply(&f->callee, SPAN_LIT("1"), "first");
	action_world_callee_reply(&f->callee, SPAN_LIT("2"), "second");
	action_world_callee_effects(&f->callee);
	action_world_callee_effects(&f->callee);
	action_world_callee_reply(&f->callee, SPAN_LIT("3"), NULL);
	action_world_wait_for_reply(f, 3);
	UNIT_ROW_SPAN("last", buf_span(&f->client.last), "3");
	assert_string_equal(f->client.header, "first"); /* S-42: of the first reply only */
	action_world_callee_finish(&f->callee, ST_OK);
	action_world_is_over(f, ST_OK, "bye");
	assert_string_equal(f->client.trailer, "trailer");
	f->want = 4;
	action_world_wait_until(f, action_world_has_reports);
	assert_non_null(strstr(f->function.last_report, "Service [] unknown\n"
							"  side-effect of test.Deed.Out"));
}

static void stream_both(void **state)
{
	struct action_world *f = *state;

	action_world_begin(f, "/test.Deed/Both");
	assert_string_equal(f->callee.path, "/cloudstate.action.ActionProtocol/handleStreamed");
	for (unsigned i = 1; i <= 5; i++) {
		action_world_client_give(&f->client, SPAN_LIT("ping"));
		action_world_wait_for_message(f);
		action_world_callee_reply(&f->callee, SPAN_LIT("pong"), NULL);
		action_world_wait_for_reply(f, i);
	}
	action_world_client_half_close(&f->client);
	action_world_callee_read(&f->callee);
	action_world_wait_until(f, action_world_has_half_close);
	action_world_callee_reply(&f->callee, SPAN_LIT("last"), NULL); /* our half may go on */
	action_world_callee_finish(&f->callee, ST_OK);
	action_world_is_over(f, ST_OK, "bye");
	assert_int_equal(f->client.sends, 6);
}

/* The two halves of back-pressure: what is not read is not asked for. */
static void a_client_that_does_not_read_holds_the_function_back(void **state)
{
	static const uint8_t bytes[32 * 1024];
	struct action_world *f = *state;

	action_world_begin(f, "/test.Deed/Out");
	f->client.unsent = EXCHANGE_UNSENT_HIGH + 1;
	for (int i = 0; i < 20; i++)
		action_world_callee_reply(&f->callee, span_make(bytes, sizeof(bytes)), NULL);
	action_world_wait_for_reply(f, 1);
	action_world_settle(f);
	assert_int_equal(f->client.sends, 1);
	assert_int_equal(action_world_holds(f, "reply"), 1);
	/* what is on its way is bounded by the window of the stream */
	assert_true(grpc_server_unsent(f->callee.call) > sizeof(bytes) * 10);
	f->client.unsent = 0;
	f->client.base.handler->on_drained(&f->client.base, f->client.base.handler_data);
	action_world_wait_for_reply(f, 20);
	action_world_callee_finish(&f->callee, ST_OK);
	action_world_is_over(f, ST_OK, "bye");
}

static void a_function_that_does_not_read_holds_the_client_back(void **state)
{
	static const uint8_t bytes[32 * 1024];
	struct action_world *f = *state;
	unsigned given = 0;

	action_world_begin(f, "/test.Deed/In");
	for (; given < 1000; given++) {
		action_world_settle(f);
		if (f->client.reads == 0)
			break;
		action_world_client_give(&f->client, span_make(bytes, sizeof(bytes)));
	}
	/* the function's window and our high water mark, no more */
	assert_in_range(given, 2, 20);
	assert_int_equal(action_world_holds(f, "request"), 1);
	for (unsigned i = 0; i < given; i++)
		action_world_wait_for_message(f);
	action_world_wait_until(f, action_world_is_asked);
	action_world_client_half_close(&f->client);
	action_world_callee_read(&f->callee);
	action_world_wait_until(f, action_world_has_half_close);
	action_world_callee_reply(&f->callee, SPAN_LIT("x"), NULL);
	action_world_callee_finish(&f->callee, ST_OK);
	action_world_is_over(f, ST_OK, "");
}

static void what_ends_a_call(void **state)
{
	enum act { REPLY, REPLIES, FAIL, FAIL_CODED, FORWARD, NOTHING, GARBAGE, END };
	static const struct {
		const char *name;
		const char *path;
		enum act act;
		enum status finish; /* the function's status afterwards */
		bool is_cancelled;  /* or does not come to it */
		enum status code;
		const char *text;
		unsigned sends;
		bool has_details;
	} rows[] = {
		{"reply, bad status", "/test.Deed/Unary", REPLY, ST_ABORTED, false, ST_ABORTED,
		 "bye", 1, false},
		{"two replies", "/test.Deed/Unary", REPLIES, 0, true, ST_INTERNAL,
		 "the user function gave more than one answer to a call that takes one", 1, false},
		{"two replies", "/test.Deed/In", REPLIES, 0, true, ST_INTERNAL,
		 "the user function gave more than one answer to a call that takes one", 1, false},
		{"failure", "/test.Deed/Unary", FAIL, ST_OK, false, ST_UNKNOWN, "no way", 0, false},
		{"failure", "/test.Deed/In", FAIL_CODED, ST_OK, false, ST_NOT_FOUND, "no way", 0,
		 true},
		{"failure", "/test.Deed/Out", FAIL, 0, true, ST_UNKNOWN, "no way", 0, false},
		{"failure", "/test.Deed/Both", FAIL_CODED, 0, true, ST_NOT_FOUND, "no way", 0,
		 true},
		{"forward", "/test.Deed/Unary", FORWARD, ST_OK, false, ST_INTERNAL,
		 "Service [test.Deed] does not have a command named: []", 0, false},
		{"nothing", "/test.Deed/Unary", NOTHING, ST_OK, false, ST_INTERNAL,
		 "the user function replied without a payload", 0, false},
		{"nothing", "/test.Deed/Out", NOTHING, ST_OK, false, ST_OK, "bye", 0, false},
		{"garbage", "/test.Deed/Both", GARBAGE, 0, true, ST_INTERNAL,
		 "the user function sent a malformed answer", 0, false},
		{"end", "/test.Deed/Unary", END, ST_OK, false, ST_INTERNAL,
		 "the user function ended the call without an answer", 0, false},
		{"end", "/test.Deed/Out", END, ST_OK, false, ST_OK, "bye", 0, false},
		{"status", "/test.Deed/Both", END, ST_DATA_LOSS, false, ST_DATA_LOSS, "bye", 0,
		 false},
		{"status", "/test.Deed/In", END, ST_PERMISSION_DENIED, false, ST_PERMISSION_DENIED,
		 "bye", 0, false},
	};
	struct action_world *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct action_client *c = &f->client;
		struct action_callee *s = &f->callee;

		action_world_begin(f, rows[i].path);
		if (rows[i].act == REPLY || rows[i].act == REPLIES)
			action_world_callee_reply(s, SPAN_LIT("1"), NULL);
		if (rows[i].act == REPLIES)
			action_world_callee_reply(s, SPAN_LIT("2"), NULL);
		if (rows[i].act == FAIL || rows[i].act == FAIL_CODED)
			action_world_callee_fail(s, rows[i].act == FAIL ? 0 : ST_NOT_FOUND);
		if (rows[i].act == FORWARD)
			action_world_callee_forward(s);
		if (rows[i].act == NOTHING)
			action_world_callee_effects(s);
		if (rows[i].act == GARBAGE)
			assert_int_equal(grpc_server_send(s->call, SPAN_LIT("\xff")), ST_OK);
		if (!rows[i].is_cancelled)
			action_world_callee_finish(s, rows[i].finish);
		action_world_wait_until(f, action_world_is_finished);
		UNIT_ROW_SPAN(rows[i].name, span_from_str(c->text), rows[i].text);
		UNIT_ROW(rows[i].name, c->code == rows[i].code);
		UNIT_ROW(rows[i].name, c->sends == rows[i].sends);
		UNIT_ROW(rows[i].name, (c->details_len > 0) == rows[i].has_details);
		UNIT_ROW(rows[i].name, c->finishes == 1);
		action_world_wait_until(f, action_world_has_ended);
		UNIT_ROW(rows[i].name, s->cancels == rows[i].is_cancelled);
		buf_fini(&c->last);
		action_world_client_init(c);
		buf_fini(&s->last);
		*s = (struct action_callee){0};
		buf_init(&s->last, ACTION_WORLD_MESSAGE_MAX);
	}
}

static void a_client_that_leaves_cancels_the_function(void **state)
{
	static const char *const paths[] = {"/test.Deed/Unary", "/test.Deed/In", "/test.Deed/Out",
					    "/test.Deed/Both"};
	struct action_world *f = *state;

	for (size_t i = 0; i < COUNT_OF(paths); i++) {
		action_world_begin(f, paths[i]);
		action_world_client_cancel(&f->client);
		assert_int_equal(actions_active(f->actions), 0);
		action_world_wait_until(f, action_world_is_cancelled);
		action_world_wait_until(f, action_world_has_ended);
		f->callee.cancels = f->callee.ends = 0;
		f->client.reads = 0;
	}
	assert_int_equal(f->client.finishes, 0);
}

static void a_function_that_is_lost_is_unavailable(void **state)
{
	struct action_world *f = *state;

	action_world_begin(f, "/test.Deed/Both");
	fake_function_drop(&f->function);
	action_world_wait_until(f, action_world_is_finished);
	assert_int_equal(f->client.code, ST_UNAVAILABLE);
	assert_int_equal(actions_active(f->actions), 0);
}

/* Streams end, the one unary call goes on. */
static void another_description_ends_streams(void **state)
{
	static const char *const streams[] = {"/test.Deed/Out", "/test.Deed/In", "/test.Deed/Both"};
	struct action_world *f = *state;
	struct api *api;

	for (size_t i = 0; i < COUNT_OF(streams); i++) {
		api = api_ref(userfn_api(f->userfn));
		action_world_begin(f, streams[i]);
		actions_renew(f->actions); /* it is the newest still */
		UNIT_ROW(streams[i], f->client.finishes == 0);
		action_world_redescribe(f);
		actions_renew(f->actions);
		action_world_is_over(f, ST_UNAVAILABLE,
				     "the user function was replaced by one with another "
				     "description");
		action_world_wait_until(f, action_world_is_cancelled);
		action_world_wait_until(f, action_world_has_ended);
		buf_fini(&f->client.last);
		action_world_client_init(&f->client);
		f->callee.cancels = f->callee.ends = 0;
		api_unref(api);
	}
	api = api_ref(userfn_api(f->userfn));
	action_world_begin(f, "/test.Deed/Unary");
	action_world_redescribe(f);
	actions_renew(f->actions);
	assert_int_equal(f->client.finishes, 0);
	action_world_callee_reply(&f->callee, SPAN_LIT("done"), NULL);
	action_world_callee_finish(&f->callee, ST_OK);
	action_world_is_over(f, ST_OK, "");
	api_unref(api);
}

/* A call that comes right after a loss waits for the connection instead of failing. */
static void the_connection_for_actions_is_waited_for(void **state)
{
	struct action_world *f = *state;

	action_world_begin(f, "/test.Deed/Both");
	fake_function_drop(&f->function);
	action_world_wait_until(f, action_world_is_finished);
	action_world_wait_until(f, action_world_has_ended);
	buf_fini(&f->client.last);
	action_world_client_init(&f->client);
	action_world_wait_until(f, action_world_is_ready);
	action_world_begin(f, "/test.Deed/Unary");
	action_world_callee_reply(&f->callee, SPAN_LIT("1"), NULL);
	action_world_callee_finish(&f->callee, ST_OK);
	action_world_is_over(f, ST_OK, "");
}

static void a_deadline_ends_the_call(void **state)
{
	struct action_world *f = *state;

	action_world_client_call(f, &f->client, "/test.Deed/Both",
				 loop_now_ns(f->loop) + 50 * NS_PER_MS);
	action_world_wait_until(f, action_world_is_called);
	assert_true(f->callee.has_deadline);
	action_world_is_over(f, ST_DEADLINE_EXCEEDED, "the call's deadline passed");
	action_world_wait_until(f, action_world_has_ended);
}

static void bad_requests(void **state)
{
	struct action_world *f = *state;

	action_world_client_call(f, &f->client, "/test.Deed/Unary", DEADLINE_NEVER);
	action_world_client_half_close(&f->client);
	action_world_is_over(f, ST_INVALID_ARGUMENT, "a unary call has one message, not none");
	buf_fini(&f->client.last);
	action_world_client_init(&f->client);
	action_world_client_call(f, &f->client, "/test.Deed/Out", DEADLINE_NEVER);
	action_world_client_give(&f->client, SPAN_LIT("1"));
	action_world_client_give(&f->client, SPAN_LIT("2"));
	action_world_is_over(f, ST_INVALID_ARGUMENT, "a unary call has one message, not several");
	action_world_settle(f);
	assert_int_equal(f->calls, 0);
}

static void too_many_calls_are_refused(void **state)
{
	struct action_world *f = *state;
	struct action_client first;
	struct action_client second;

	action_world_client_init(&first);
	action_world_client_init(&second);
	action_world_client_call(f, &first, "/test.Deed/Unary", DEADLINE_NEVER);
	action_world_client_call(f, &second, "/test.Deed/Out", DEADLINE_NEVER);
	action_world_client_call(f, &f->client, "/test.Deed/Both", DEADLINE_NEVER);
	action_world_wait_until(f, action_world_is_finished);
	assert_int_equal(f->client.code, ST_RESOURCE_EXHAUSTED);
	assert_string_equal(f->client.text, "too many calls of actions in progress");
	assert_true(f->client.details_len > 0); /* when to try again */
	assert_int_equal(
		metrics_value(metrics_series(f->metrics, METRIC_ACTION_CALLS_REFUSED, NULL, 0)), 1);
	assert_int_equal(
		metrics_value(metrics_series(f->metrics, METRIC_ACTION_CALLS_ACTIVE, NULL, 0)), 2);
	action_world_client_cancel(&first);
	action_world_client_cancel(&second);
	assert_int_equal(actions_active(f->actions), 0);
	buf_fini(&first.last);
	buf_fini(&second.last);
}

static void a_refused_client_may_leave_first(void **state)
{
	struct action_world *f = *state;
	struct action_client others[2];

	for (size_t i = 0; i < COUNT_OF(others); i++) {
		action_world_client_init(&others[i]);
		action_world_client_call(f, &others[i], "/test.Deed/Unary", DEADLINE_NEVER);
	}
	action_world_client_call(f, &f->client, "/test.Deed/Both", DEADLINE_NEVER);
	action_world_client_cancel(&f->client);
	action_world_settle(f);
	assert_int_equal(f->client.finishes, 0);
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		action_world_client_cancel(&others[i]);
		buf_fini(&others[i].last);
	}
}

static void a_reply_that_cannot_be_sent_ends_the_call(void **state)
{
	struct action_world *f = *state;

	action_world_begin(f, "/test.Deed/Out");
	f->client.send_status = ST_RESOURCE_EXHAUSTED;
	action_world_callee_reply(&f->callee, SPAN_LIT("1"), NULL);
	action_world_is_over(f, ST_RESOURCE_EXHAUSTED, "the reply cannot be sent");
	action_world_wait_until(f, action_world_is_cancelled);
}

static void free_forgets_running_calls(void **state)
{
	struct action_world *f = *state;

	action_world_begin(f, "/test.Deed/Both");
	actions_free(f->actions);
	f->actions = NULL;
	action_world_wait_until(f, action_world_is_cancelled);
	assert_int_equal(f->client.finishes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, action_world_set_up, action_world_tear_down)
		TEST(unary),
		TEST(stream_in),
		TEST(stream_out),
		TEST(stream_both),
		TEST(a_client_that_does_not_read_holds_the_function_back),
		TEST(a_function_that_does_not_read_holds_the_client_back),
		TEST(what_ends_a_call),
		TEST(a_client_that_leaves_cancels_the_function),
		TEST(a_function_that_is_lost_is_unavailable),
		TEST(another_description_ends_streams),
		TEST(the_connection_for_actions_is_waited_for),
		TEST(a_deadline_ends_the_call),
		TEST(bad_requests),
		TEST(too_many_calls_are_refused),
		TEST(a_refused_client_may_leave_first),
		TEST(a_reply_that_cannot_be_sent_ends_the_call),
		TEST(free_forgets_running_calls),
#undef TEST
	};

	return cmocka_run_group_tests_name("router/action", tests, NULL, NULL);
}
