/* One call of an action without a network: messages in, responses out, and what it waits for. The
 * handlers of the test do what the text of a message says. */
#include "support/c/action.h"

#include <stdlib.h>
#include <string.h>

#include "headgate/test/action.pb-c.h"
#include "support/c/timers.h"
#include "tests/unit/support/action_bench.h"
#include "tests/unit/unit.h"

typedef Headgate__Test__Step Step;
typedef Headgate__Test__Result Result;

static const uint8_t descriptor_set[] = {
#include "tests/fakes/gen/descriptor_set.inc"
};

/* ---- The action -------------------------------------------------------------------------------
 */

struct state {
	unsigned messages;
	unsigned ready;
	unsigned ends;
};

static unsigned cancels;
static unsigned destroys;

static int reply(struct headgate_context *context, const char *text)
{
	Result result = HEADGATE__TEST__RESULT__INIT;

	result.text = (char *)(uintptr_t)text;
	return headgate_reply(context, &result.base);
}

static int reply_large(struct headgate_context *context)
{
	static uint8_t bytes[MESSAGE_BYTES_MAX];
	Result result = HEADGATE__TEST__RESULT__INIT;

	result.padding = (ProtobufCBinaryData){sizeof bytes, bytes};
	return headgate_reply(context, &result.base);
}

static int reply_metadata(struct headgate_context *context)
{
	struct headgate_metadata entry;
	struct headgate_bytes value;

	assert_true(headgate_metadata_find(context, "x-k", &value));
	assert_memory_equal(value.data, "one", 3);
	assert_true(headgate_metadata_at(context, 1, &entry));
	assert_int_equal(entry.key.size, 5);
	assert_int_equal(entry.value.size, 2);
	assert_false(headgate_metadata_at(context, 2, &entry));
	assert_false(headgate_metadata_find(context, "y", &value));
	if (headgate_reply_metadata(context, "x-a", (struct headgate_bytes){"b", 1}) ||
	    headgate_reply_metadata(context, "x-a-bin", (struct headgate_bytes){"\xff", 1}))
		return -1;
	return reply(context, "with metadata");
}

static int not_for_actions(struct headgate_context *context)
{
	Result event = HEADGATE__TEST__RESULT__INIT;

	assert_string_equal(headgate_entity_id(context), "");
	assert_int_equal(headgate_sequence(context), 0);
	assert_int_equal(headgate_emit(context, &event.base), -1);
	return 0;
}

static int act(struct headgate_context *context, const char *text)
{
	Step step = HEADGATE__TEST__STEP__INIT;

	if (strcmp(text, "nothing") == 0)
		return 0;
	if (strcmp(text, "fail") == 0)
		return headgate_fail(context, HEADGATE_NOT_FOUND, "not here");
	if (strcmp(text, "reply, fail") == 0)
		return reply(context, "lost") ? -1 : headgate_fail(context, HEADGATE_ABORTED, "x");
	if (strcmp(text, "effect, fail") == 0)
		return headgate_effect(context, SERVICE, "Unary", &step.base, true) ||
		       headgate_fail(context, HEADGATE_ABORTED, "x");
	if (strcmp(text, "no reply") == 0)
		return reply(context, "replaced") || headgate_no_reply(context);
	if (strcmp(text, "effect alone") == 0)
		return headgate_effect(context, SERVICE, "Unary", &step.base, true) ||
		       headgate_no_reply(context);
	if (strcmp(text, "failures") == 0)
		return headgate_reply_failure(context, HEADGATE_UNKNOWN, "%d", 1) ||
		       reply(context, "between") ||
		       headgate_reply_failure(context, HEADGATE_ABORTED, "%d", 2);
	if (strcmp(text, "nonzero") == 0)
		return 1;
	if (strcmp(text, "large") == 0)
		return reply_large(context);
	if (strcmp(text, "three") == 0)
		return reply(context, "1") || reply(context, "2") || reply(context, "3");
	if (strcmp(text, "end") == 0)
		return reply(context, "last") || headgate_end(context);
	if (strcmp(text, "end, reply") == 0) {
		assert_int_equal(headgate_end(context), 0);
		assert_int_equal(reply(context, "too late"), -1);
		return 0;
	}
	if (strcmp(text, "wait") == 0)
		return headgate_wait(context, 20);
	if (strcmp(text, "effect") == 0)
		return headgate_effect(context, SERVICE, "Unary", &step.base, true);
	if (strcmp(text, "forward") == 0)
		return headgate_forward(context, SERVICE, "Unary", &step.base);
	if (strcmp(text, "metadata") == 0)
		return reply_metadata(context);
	if (strcmp(text, "emit") == 0)
		return not_for_actions(context);
	return reply(context, text);
}

static int on_message(struct headgate_context *context, void *state, const void *message)
{
	const Step *step = message;

	((struct state *)state)->messages++;
	assert_non_null(headgate_command_name(context));
	return act(context, step->text);
}

static int on_end(struct headgate_context *context, void *state)
{
	((struct state *)state)->ends++;
	return reply(context, "the end");
}

/* Two replies, a wait, one more, the end; as far as it is asked. */
static int on_ready(struct headgate_context *context, void *state)
{
	switch (((struct state *)state)->ready++) {
	case 0:
	case 1:
	case 3:
		return reply(context, "ready");
	case 2:
		return headgate_wait(context, 30);
	default:
		return headgate_end(context);
	}
}

static void on_cancelled(void *state)
{
	(void)state;
	cancels++;
}

static void destroy(void *state)
{
	(void)state;
	destroys++;
}

#define STEP                                                                                       \
	.type = &headgate__test__step__descriptor, .on_message = on_message,                       \
	.on_cancelled = on_cancelled, .state_size = sizeof(struct state), .destroy = destroy

/* A table with on_ready and one without. */
static const struct headgate_action_method ready_methods[] = {
	{"Unary", STEP, .on_ready = on_ready},
	{"Collect", STEP, .on_end = on_end, .on_ready = on_ready},
	{"Expand", STEP, .on_ready = on_ready},
	{"Chat", STEP, .on_end = on_end, .on_ready = on_ready},
	{"Count", .type = NULL, .on_message = on_message},
	{0},
};
static const struct headgate_action_method plain_methods[] = {
	{"Unary", STEP},
	{"Collect", STEP, .on_end = on_end},
	{"Expand", STEP},
	{"Chat", STEP, .on_end = on_end},
	{"Count", .type = NULL, .on_message = on_message},
	{0},
};
static const struct headgate_action with_ready = {SERVICE, ready_methods};
static const struct headgate_action plain = {SERVICE, plain_methods};

/* ---- Tests ------------------------------------------------------------------------------------
 */

static void test_one_request_one_reply(void **state)
{
	static const struct {
		const char *text;
		const char *reply; /* NULL: a failure */
		enum headgate_code code;
		const char *failure;
	} rows[] = {
		{"hello", "hello", 0, NULL},
		{"nothing", "", 0, NULL}, /* the empty message */
		{"three", "3", 0, NULL},  /* the last one wins */
		{"end", "last", 0, NULL},
		{"end, reply", "", 0, NULL},
		{"wait", "", 0, NULL}, /* nobody would be called afterwards */
		{"fail", NULL, HEADGATE_NOT_FOUND, "not here"},
		{"reply, fail", NULL, HEADGATE_ABORTED, "x"},
		{"nonzero", NULL, HEADGATE_UNKNOWN, "Error handling command 'Unary'"},
		{"large", NULL, HEADGATE_RESOURCE_EXHAUSTED, "Reply is too large"},
		{"emit", NULL, HEADGATE_INTERNAL, "An action has no events"},
		{"failures", NULL, HEADGATE_INTERNAL,
		 "headgate_reply_failure is not for this handler"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct bench bench;

		assert_int_equal(bench_open(&bench, &plain, false, false), 0);
		assert_true(hg_action_wants_message(&bench.action));
		bench_give(&bench, "Unary", rows[i].text);
		assert_false(hg_action_wants_message(&bench.action));
		if (rows[i].reply)
			bench_assert_reply(&bench, rows[i].reply);
		else
			bench_assert_failure(&bench, rows[i].code, rows[i].failure);
		bench_assert_no_more(&bench, true);
		bench_close(&bench);
	}
}

static void assert_effects_alone(struct bench *bench, size_t count)
{
	const Response *response = bench_take(bench);

	assert_non_null(response);
	assert_int_equal(response->response_case, IS(_NOT_SET));
	assert_int_equal(response->n_side_effects, count);
}

static void test_no_reply(void **state)
{
	struct bench bench;

	(void)state;
	assert_int_equal(bench_open(&bench, &plain, false, false), 0);
	bench_give(&bench, "Unary", "no reply");
	assert_effects_alone(&bench, 0);
	bench_assert_no_more(&bench, true);
	bench_close(&bench);

	assert_int_equal(bench_open(&bench, &plain, false, true), 0);
	bench_give(&bench, "Expand", "effect alone");
	assert_effects_alone(&bench, 1);
	bench_assert_no_more(&bench, true);
	bench_close(&bench);
}

static void test_effects_of_a_failure_are_kept(void **state)
{
	static const struct {
		const char *method;
		bool is_streaming;
	} rows[] = {{"Unary", false}, {"Expand", true}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct bench bench;

		assert_int_equal(bench_open(&bench, &plain, false, rows[i].is_streaming), 0);
		bench_give(&bench, rows[i].method, "effect, fail");
		const Response *response = bench_take(&bench);
		assert_non_null(response);
		assert_int_equal(response->response_case, IS(FAILURE));
		assert_int_equal(response->n_side_effects, 1);
		bench_assert_no_more(&bench, true);
		bench_close(&bench);
	}
}

static void test_failures_among_replies(void **state)
{
	struct bench bench;
	const Response *response;

	(void)state;
	assert_int_equal(bench_open(&bench, &plain, false, true), 0);
	bench_give(&bench, "Expand", "failures");
	response = bench_take(&bench);
	assert_string_equal(response->failure->description, "1");
	assert_null(response->failure->status);
	bench_assert_reply(&bench, "between");
	response = bench_take(&bench);
	assert_int_equal(response->failure->status->code, HEADGATE_ABORTED);
	bench_assert_no_more(&bench, true);
	bench_close(&bench);
}

static void test_metadata_effects_and_forwards(void **state)
{
	struct bench bench;
	const Response *response;

	(void)state;
	assert_int_equal(bench_open(&bench, &plain, false, false), 0);
	bench_give(&bench, "Unary", "metadata");
	bench_assert_reply(&bench, "with metadata");
	response = bench.response;
	assert_int_equal(response->reply->metadata->n_entries, 2);
	assert_string_equal(response->reply->metadata->entries[0]->string_value, "b");
	assert_int_equal(response->reply->metadata->entries[1]->bytes_value.len, 1);
	bench_close(&bench);

	assert_int_equal(bench_open(&bench, &plain, false, false), 0);
	bench_give(&bench, "Unary", "effect");
	bench_assert_reply(&bench, "");
	assert_int_equal(bench.response->n_side_effects, 1);
	assert_string_equal(bench.response->side_effects[0]->command_name, "Unary");
	assert_true(bench.response->side_effects[0]->synchronous);
	bench_close(&bench);

	assert_int_equal(bench_open(&bench, &plain, false, true), 0);
	bench_give(&bench, "Expand", "forward");
	response = bench_take(&bench);
	assert_int_equal(response->response_case, IS(FORWARD));
	assert_string_equal(response->forward->service_name, SERVICE);
	bench_assert_no_more(&bench, true);
	bench_close(&bench);
}

static void test_many_requests_one_reply(void **state)
{
	struct bench bench;

	(void)state;
	assert_int_equal(bench_open(&bench, &plain, true, false), 0);
	bench_give(&bench, "Collect", NULL);
	bench_assert_no_more(&bench, false);
	bench_give(&bench, NULL, "one");
	bench_give(&bench, NULL, "effect");
	bench_give(&bench, NULL, "effect");
	bench_assert_no_more(&bench, false);
	hg_action_half_close(&bench.action, &bench.worker);
	bench_assert_reply(&bench, "the end");
	assert_int_equal(bench.response->n_side_effects, 2); /* of all messages */
	bench_assert_no_more(&bench, true);
	bench_close(&bench);

	/* the answer may come before the end */
	assert_int_equal(bench_open(&bench, &plain, true, false), 0);
	bench_give(&bench, "Collect", NULL);
	bench_give(&bench, NULL, "end");
	bench_assert_reply(&bench, "last");
	bench_assert_no_more(&bench, true);
	assert_false(hg_action_wants_message(&bench.action));
	bench_give(&bench, NULL, "fail"); /* was on its way; nobody is called */
	bench_assert_no_more(&bench, true);
	bench_close(&bench);

	/* and fail */
	assert_int_equal(bench_open(&bench, &plain, true, false), 0);
	bench_give(&bench, "Collect", NULL);
	bench_give(&bench, NULL, "one");
	bench_give(&bench, NULL, "fail");
	bench_assert_failure(&bench, HEADGATE_NOT_FOUND, "not here");
	bench_close(&bench);
}

static void test_one_request_many_replies(void **state)
{
	struct bench bench;

	(void)state;
	assert_int_equal(bench_open(&bench, &with_ready, false, true), 0);
	assert_false(bench.action.wants_ready);
	bench_give(&bench, "Expand", "three");
	bench_assert_reply(&bench, "1");
	bench_assert_reply(&bench, "2");
	bench_assert_reply(&bench, "3");
	bench_assert_no_more(&bench, false);
	for (int i = 0; i < 2; i++) {
		assert_true(bench.action.wants_ready);
		hg_action_ready(&bench.action, &bench.worker);
		bench_assert_reply(&bench, "ready");
	}
	assert_true(bench.action.wants_ready);
	hg_action_ready(&bench.action, &bench.worker); /* waits */
	assert_false(bench.action.wants_ready);
	assert_int_equal(bench.action.wait_ms, 30);
	bench_assert_no_more(&bench, false);
	hg_action_ready(&bench.action, &bench.worker);
	bench_assert_reply(&bench, "ready");
	assert_int_equal(bench.action.wait_ms, -1);
	hg_action_ready(&bench.action, &bench.worker);
	bench_assert_no_more(&bench, true);
	bench_close(&bench);

	/* without on_ready its message is all */
	assert_int_equal(bench_open(&bench, &plain, false, true), 0);
	bench_give(&bench, "Expand", "three");
	bench_assert_reply(&bench, "1");
	bench_assert_reply(&bench, "2");
	bench_assert_reply(&bench, "3");
	bench_assert_no_more(&bench, true);
	bench_close(&bench);

	/* a failing handler's replies are dropped */
	assert_int_equal(bench_open(&bench, &plain, false, true), 0);
	bench_give(&bench, "Expand", "reply, fail");
	bench_assert_failure(&bench, HEADGATE_ABORTED, "x");
	bench_close(&bench);
}

static void test_many_both_ways(void **state)
{
	struct bench bench;

	(void)state;
	assert_int_equal(bench_open(&bench, &plain, true, true), 0);
	bench_give(&bench, "Chat", NULL);
	assert_false(bench.action.wants_ready);
	bench_give(&bench, NULL, "a");
	bench_assert_reply(&bench, "a");
	bench_give(&bench, NULL, "nothing");
	bench_assert_no_more(&bench, false);
	bench_give(&bench, NULL, "effect"); /* in a response of its own */
	assert_int_equal(bench_take(&bench)->response_case, IS(_NOT_SET));
	assert_int_equal(bench.response->n_side_effects, 1);
	hg_action_half_close(&bench.action, &bench.worker);
	bench_assert_reply(&bench, "the end");
	bench_assert_no_more(&bench, true);
	bench_close(&bench);

	/* with on_ready it may speak first, and goes on after the client's end */
	assert_int_equal(bench_open(&bench, &with_ready, true, true), 0);
	bench_give(&bench, "Chat", NULL);
	assert_true(bench.action.wants_ready);
	hg_action_ready(&bench.action, &bench.worker);
	bench_assert_reply(&bench, "ready");
	bench_give(&bench, NULL, "wait");
	assert_false(bench.action.wants_ready);
	assert_int_equal(bench.action.wait_ms, 20);
	hg_action_half_close(&bench.action, &bench.worker);
	bench_assert_reply(&bench, "the end");
	bench_assert_no_more(&bench, false);
	while (bench.action.wants_ready || bench.action.wait_ms >= 0)
		hg_action_ready(&bench.action, &bench.worker);
	bench_assert_reply(&bench, "ready");
	bench_assert_reply(&bench, "ready");
	bench_assert_no_more(&bench, true);
	bench_close(&bench);
}

static void test_an_answer_may_wait(void **state)
{
	struct bench bench;

	(void)state;
	assert_int_equal(bench_open(&bench, &with_ready, false, false), 0);
	bench_give(&bench, "Unary", "wait");
	bench_assert_no_more(&bench, false);
	assert_int_equal(bench.action.wait_ms, 20);
	hg_action_ready(&bench.action, &bench.worker);
	bench_assert_reply(&bench, "ready");
	bench_assert_no_more(&bench, true);
	bench_close(&bench);
}

static void test_callers_who_leave(void **state)
{
	struct bench bench;

	(void)state;
	cancels = destroys = 0;
	assert_int_equal(bench_open(&bench, &with_ready, true, true), 0);
	bench_give(&bench, "Chat", NULL);
	bench_give(&bench, NULL, "three");
	bench_assert_reply(&bench, "1");
	hg_action_cancel(&bench.action);
	assert_int_equal(cancels, 1);
	bench_assert_no_more(&bench, true); /* what waited is dropped */
	assert_false(bench.action.wants_ready);
	hg_action_cancel(&bench.action);
	bench_give(&bench, NULL, "a");
	hg_action_ready(&bench.action, &bench.worker);
	hg_action_half_close(&bench.action, &bench.worker);
	bench_assert_no_more(&bench, true);
	assert_int_equal(cancels, 1);
	bench_close(&bench);
	assert_int_equal(destroys, 1);

	/* after the end nobody is told, and before the beginning there is nobody to tell */
	assert_int_equal(bench_open(&bench, &plain, false, false), 0);
	hg_action_cancel(&bench.action);
	bench_close(&bench);
	assert_int_equal(bench_open(&bench, &plain, false, false), 0);
	bench_give(&bench, "Unary", "x");
	hg_action_cancel(&bench.action);
	bench_close(&bench);
	assert_int_equal(cancels, 1);
	assert_int_equal(destroys, 2);
}

static void test_what_is_refused(void **state)
{
	struct bench bench;

	(void)state;
	assert_int_equal(bench_open(&bench, &plain, false, false), 0);
	bench_give(&bench, "Nothing", "x");
	bench_assert_failure(&bench, HEADGATE_UNIMPLEMENTED, "Command unknown");
	bench_close(&bench);
	assert_int_equal(bench_open(&bench, &plain, false, false), 0);
	bench_give(&bench, "Expand", "x");
	bench_assert_failure(&bench, HEADGATE_UNIMPLEMENTED, "Command is of another shape");
	bench_close(&bench);
	assert_int_equal(bench_open(&bench, &plain, true, false), 0);
	bench_give(&bench, NULL, "x");
	bench_assert_failure(&bench, HEADGATE_UNIMPLEMENTED, "Service unknown");
	bench_close(&bench);
	assert_int_equal(bench_open(&bench, &plain, true, false), 0);
	hg_action_half_close(&bench.action, &bench.worker);
	bench_assert_failure(&bench, HEADGATE_INVALID_ARGUMENT, "Call without a message");
	bench_close(&bench);
	assert_int_equal(bench_open(&bench, &plain, false, false), 0);
	hg_action_receive(&bench.action, &bench.worker, (struct headgate_bytes){"\xff", 1});
	bench_assert_failure(&bench, HEADGATE_INVALID_ARGUMENT, "Message cannot be decoded");
	bench_close(&bench);
	assert_int_equal(bench_open(&bench, &plain, false, false), 0);
	bench_give(&bench, "Unary", NULL);
	bench_assert_failure(&bench, HEADGATE_INVALID_ARGUMENT,
			     "Command Unary wants a headgate.test.Step");
	bench_close(&bench);
}

/* One whole conversation with only `count` allocations granted: true when it went through. */
static bool talk_with(long count)
{
	struct bench bench;
	bool is_done = false;

	bench_allocations_left = count;
	if (bench_open(&bench, &with_ready, true, true) == 0) {
		bench_give(&bench, "Chat", NULL);
		bench_give(&bench, NULL, "metadata");
		bench_give(&bench, NULL, "three");
		bench_give(&bench, NULL, "effect");
		hg_action_half_close(&bench.action, &bench.worker);
		while (bench.action.wants_ready || bench.action.wait_ms >= 0)
			hg_action_ready(&bench.action, &bench.worker);
		unsigned replies = 0;
		while (bench_take(&bench)) {
			if (bench.response->response_case == IS(FAILURE))
				assert_int_equal(bench.response->failure->status->code,
						 HEADGATE_RESOURCE_EXHAUSTED);
			else
				replies++;
		}
		is_done = replies == 9 && !bench.action.is_aborted;
	}
	bench_allocations_left = -1;
	bench_close(&bench);
	return is_done;
}

static void test_want_of_memory(void **state)
{
	long count = 0;

	(void)state;
	while (!talk_with(count)) {
		count++;
		assert_true(count < 1000);
	}
	assert_true(count > 5);
}

static void test_declarations(void **state)
{
	static const struct headgate_action_method few[] = {{"Unary", STEP}, {0}};
	static const struct headgate_action_method extra[] = {
		{"Unary", STEP},
		{"Collect", STEP},
		{"Expand", STEP},
		{"Chat", STEP},
		{"Count", STEP},
		{"More", STEP},
		{0},
	};
	static const struct headgate_action_method ending[] = {
		{"Unary", STEP, .on_end = on_end},
		{"Collect", STEP},
		{"Expand", STEP},
		{"Chat", STEP},
		{"Count", STEP},
		{0},
	};
	static const struct headgate_action_method deaf[] = {{"Unary", .type = NULL}, {0}};
	static const struct {
		struct headgate_action action;
		const char *text;
	} rows[] = {
		{{NULL, few}, "an action needs a service_name and methods"},
		{{SERVICE, NULL}, "an action needs a service_name and methods"},
		{{"headgate.test.Nothing", few},
		 "service headgate.test.Nothing is not in the descriptor set"},
		{{SERVICE, few}, "method headgate.test.Actions.Collect has no handler"},
		{{SERVICE, extra}, "service headgate.test.Actions has no method More"},
		{{SERVICE, ending},
		 "method headgate.test.Actions.Unary has on_end but takes one request"},
		{{SERVICE, deaf}, "method headgate.test.Actions.Unary has no on_message"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct hg_action_type *type;
		struct headgate_error err = {""};

		UNIT_ROW(rows[i].text,
			 hg_action_type_new(
				 &rows[i].action,
				 (struct headgate_bytes){descriptor_set, sizeof descriptor_set},
				 &type, &err) == -1);
		assert_string_equal(err.text, rows[i].text);
	}
}

/* ---- Waits ------------------------------------------------------------------------------------
 */

static void test_timers_come_in_order(void **state)
{
	enum { TIMERS = 200 };
	struct hg_timers timers;
	struct hg_timer timer[TIMERS] = {{0}};
	int64_t last_ms = 0;
	unsigned taken = 0;

	(void)state;
	hg_timers_init(&timers);
	assert_int_equal(hg_timers_next_ms(&timers), -1);
	assert_null(hg_timers_take(&timers));
	for (int i = 0; i < TIMERS; i++) {
		timer[i].data = &timer[i];
		/* long ago, in an order that is none */
		assert_true(hg_timers_set(&timers, &timer[i], -1000 - i * 37 % TIMERS));
	}
	for (int i = 0; i < TIMERS; i += 3)
		assert_true(hg_timers_cancel(&timers, &timer[i]));
	assert_false(hg_timers_cancel(&timers, &timer[0]));
	for (struct hg_timer *one; (one = hg_timers_take(&timers)); taken++) {
		assert_true(one->due_ms >= last_ms);
		assert_int_not_equal((one - timer) % 3, 0);
		last_ms = one->due_ms;
	}
	assert_int_equal(taken, TIMERS - (TIMERS + 2) / 3);
	assert_true(hg_timers_set(&timers, &timer[0], 1000000));
	assert_null(hg_timers_take(&timers)); /* not yet */
	assert_true(hg_timers_next_ms(&timers) > hg_timers_now_ms());
	assert_true(hg_timers_cancel(&timers, &timer[0]));
	hg_timers_fini(&timers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_request_one_reply),
		cmocka_unit_test(test_metadata_effects_and_forwards),
		cmocka_unit_test(test_no_reply),
		cmocka_unit_test(test_effects_of_a_failure_are_kept),
		cmocka_unit_test(test_failures_among_replies),
		cmocka_unit_test(test_many_requests_one_reply),
		cmocka_unit_test(test_one_request_many_replies),
		cmocka_unit_test(test_many_both_ways),
		cmocka_unit_test(test_an_answer_may_wait),
		cmocka_unit_test(test_callers_who_leave),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_want_of_memory),
		cmocka_unit_test(test_declarations),
		cmocka_unit_test(test_timers_come_in_order),
	};

	return cmocka_run_group_tests_name("support/action", tests, NULL, NULL);
}
