/* One call of an action without a network: messages in, responses out, and what it waits for. The
 * handlers of the test do what the text of a message says. */
#include "support/c/action.h"

#include <stdlib.h>
#include <string.h>

#include "cloudstate/action.pb-c.h"
#include "headgate/test/action.pb-c.h"
#include "support/c/timers.h"
#include "tests/unit/unit.h"

#define SERVICE "headgate.test.Actions"
#define STEP_URL "type.googleapis.com/headgate.test.Step"
#define MESSAGE_BYTES_MAX ((size_t)64 * 1024)

typedef Headgate__Test__Step Step;
typedef Headgate__Test__Result Result;
typedef Cloudstate__Action__ActionCommand Command;
typedef Cloudstate__Action__ActionResponse Response;

#define IS(NAME) CLOUDSTATE__ACTION__ACTION_RESPONSE__RESPONSE_##NAME

static const uint8_t descriptor_set[] = {
#include "tests/fakes/gen/descriptor_set.inc"
};

/* ---- Want of memory: the linker sends the library's allocations here (see Makefile.inc) --------
 */

/* NOLINTBEGIN(readability-identifier-naming) -- the linker's names */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
/* NOLINTEND(readability-identifier-naming) */

/* Allocations that still succeed; negative = all. */
static long allocations_left = -1;

static bool may_allocate(void)
{
	if (allocations_left < 0)
		return true;
	if (allocations_left == 0)
		return false;
	allocations_left--;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return may_allocate() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t count, size_t size)
{
	return may_allocate() ? __real_calloc(count, size) : NULL;
}

void *__wrap_realloc(void *memory, size_t size)
{
	return may_allocate() ? __real_realloc(memory, size) : NULL;
}

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

/* ---- The bench --------------------------------------------------------------------------------
 */

struct bench {
	struct hg_action_type *type;
	const struct hg_action_type *types[1];
	struct hg_worker worker;
	struct hg_action action;
	Response *response; /* the last one taken */
};

static void on_log(void *data, enum headgate_log_level level, const char *text)
{
	(void)data;
	(void)level;
	(void)text;
}

static int bench_open(struct bench *bench, const struct headgate_action *action, bool client,
		      bool server)
{
	static const struct hg_log quiet = {.on_log = on_log};
	struct headgate_error err;

	*bench = (struct bench){0};
	if (hg_action_type_new(action,
			       (struct headgate_bytes){descriptor_set, sizeof descriptor_set},
			       &bench->type, &err))
		return -1;
	bench->types[0] = bench->type;
	hg_action_init(&bench->action, bench->types, 1);
	bench->action.client_streaming = client;
	bench->action.server_streaming = server;
	return hg_worker_init(&bench->worker, &quiet, MESSAGE_BYTES_MAX);
}

static void bench_close(struct bench *bench)
{
	if (bench->response)
		cloudstate__action__action_response__free_unpacked(bench->response, NULL);
	hg_action_fini(&bench->action);
	hg_worker_fini(&bench->worker);
	hg_action_type_free(bench->type);
}

/* Packed by protobuf-c, in memory of its exact size. name NULL: a later message; text NULL: without
 * a payload. */
static void give(struct bench *bench, const char *name, const char *text)
{
	Command command = CLOUDSTATE__ACTION__ACTION_COMMAND__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	Cloudstate__Metadata metadata = CLOUDSTATE__METADATA__INIT;
	Cloudstate__MetadataEntry entries[2] = {CLOUDSTATE__METADATA_ENTRY__INIT,
						CLOUDSTATE__METADATA_ENTRY__INIT};
	Cloudstate__MetadataEntry *list[] = {&entries[0], &entries[1]};
	Step step = HEADGATE__TEST__STEP__INIT;
	uint8_t value[256];
	uint8_t raw[] = {0, 255};
	char strings[][40] = {SERVICE, STEP_URL, "x-k", "one", "x-bin"};

	entries[0].key = strings[2];
	entries[0].value_case = CLOUDSTATE__METADATA_ENTRY__VALUE_STRING_VALUE;
	entries[0].string_value = strings[3];
	entries[1].key = strings[4];
	entries[1].value_case = CLOUDSTATE__METADATA_ENTRY__VALUE_BYTES_VALUE;
	entries[1].bytes_value = (ProtobufCBinaryData){sizeof raw, raw};
	metadata.n_entries = 2;
	metadata.entries = list;
	command.metadata = &metadata;
	if (name) {
		command.service_name = strings[0];
		command.name = (char *)(uintptr_t)name;
	}
	if (text) {
		step.text = (char *)(uintptr_t)text;
		any.type_url = strings[1];
		any.value = (ProtobufCBinaryData){headgate__test__step__pack(&step, value), value};
		command.payload = &any;
	}
	size_t size = cloudstate__action__action_command__get_packed_size(&command);
	uint8_t *bytes = __real_malloc(size);
	(void)cloudstate__action__action_command__pack(&command, bytes); /* size bytes */
	hg_action_receive(&bench->action, &bench->worker, (struct headgate_bytes){bytes, size});
	free(bytes);
}

/* The next response, read by protobuf-c; NULL: there is none. The test's own allocations never
 * fail. */
static const Response *take(struct bench *bench)
{
	struct headgate_bytes bytes;
	long left = allocations_left;

	if (!hg_action_next(&bench->action, &bytes))
		return NULL;
	allocations_left = -1;
	if (bench->response)
		cloudstate__action__action_response__free_unpacked(bench->response, NULL);
	bench->response = cloudstate__action__action_response__unpack(NULL, bytes.size, bytes.data);
	allocations_left = left;
	assert_non_null(bench->response);
	return bench->response;
}

static void assert_reply(struct bench *bench, const char *text)
{
	const Response *response = take(bench);

	assert_non_null(response);
	assert_int_equal(response->response_case, IS(REPLY));
	assert_string_equal(response->reply->payload->type_url,
			    "type.googleapis.com/headgate.test.Result");
	Result *result = headgate__test__result__unpack(NULL, response->reply->payload->value.len,
							response->reply->payload->value.data);
	assert_non_null(result);
	assert_string_equal(result->text, text);
	headgate__test__result__free_unpacked(result, NULL);
}

/* Nothing more, and the call is over or not. */
static void assert_no_more(struct bench *bench, bool is_over)
{
	assert_null(take(bench));
	assert_int_equal(bench->action.is_over, is_over);
	assert_false(bench->action.is_aborted);
}

static void assert_failure(struct bench *bench, enum headgate_code code, const char *text)
{
	const Response *response = take(bench);

	assert_non_null(response);
	assert_int_equal(response->response_case, IS(FAILURE));
	assert_string_equal(response->failure->description, text);
	if (code == HEADGATE_UNKNOWN)
		assert_null(response->failure->status);
	else
		assert_int_equal(response->failure->status->code, code);
	assert_no_more(bench, true);
}

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
		give(&bench, "Unary", rows[i].text);
		assert_false(hg_action_wants_message(&bench.action));
		if (rows[i].reply)
			assert_reply(&bench, rows[i].reply);
		else
			assert_failure(&bench, rows[i].code, rows[i].failure);
		assert_no_more(&bench, true);
		bench_close(&bench);
	}
}

static void assert_effects_alone(struct bench *bench, size_t count)
{
	const Response *response = take(bench);

	assert_non_null(response);
	assert_int_equal(response->response_case, IS(_NOT_SET));
	assert_int_equal(response->n_side_effects, count);
}

static void test_no_reply(void **state)
{
	struct bench bench;

	(void)state;
	assert_int_equal(bench_open(&bench, &plain, false, false), 0);
	give(&bench, "Unary", "no reply");
	assert_effects_alone(&bench, 0);
	assert_no_more(&bench, true);
	bench_close(&bench);

	assert_int_equal(bench_open(&bench, &plain, false, true), 0);
	give(&bench, "Expand", "effect alone");
	assert_effects_alone(&bench, 1);
	assert_no_more(&bench, true);
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
		give(&bench, rows[i].method, "effect, fail");
		const Response *response = take(&bench);
		assert_non_null(response);
		assert_int_equal(response->response_case, IS(FAILURE));
		assert_int_equal(response->n_side_effects, 1);
		assert_no_more(&bench, true);
		bench_close(&bench);
	}
}

static void test_failures_among_replies(void **state)
{
	struct bench bench;
	const Response *response;

	(void)state;
	assert_int_equal(bench_open(&bench, &plain, false, true), 0);
	give(&bench, "Expand", "failures");
	response = take(&bench);
	assert_string_equal(response->failure->description, "1");
	assert_null(response->failure->status);
	assert_reply(&bench, "between");
	response = take(&bench);
	assert_int_equal(response->failure->status->code, HEADGATE_ABORTED);
	assert_no_more(&bench, true);
	bench_close(&bench);
}

static void test_metadata_effects_and_forwards(void **state)
{
	struct bench bench;
	const Response *response;

	(void)state;
	assert_int_equal(bench_open(&bench, &plain, false, false), 0);
	give(&bench, "Unary", "metadata");
	assert_reply(&bench, "with metadata");
	response = bench.response;
	assert_int_equal(response->reply->metadata->n_entries, 2);
	assert_string_equal(response->reply->metadata->entries[0]->string_value, "b");
	assert_int_equal(response->reply->metadata->entries[1]->bytes_value.len, 1);
	bench_close(&bench);

	assert_int_equal(bench_open(&bench, &plain, false, false), 0);
	give(&bench, "Unary", "effect");
	assert_reply(&bench, "");
	assert_int_equal(bench.response->n_side_effects, 1);
	assert_string_equal(bench.response->side_effects[0]->command_name, "Unary");
	assert_true(bench.response->side_effects[0]->synchronous);
	bench_close(&bench);

	assert_int_equal(bench_open(&bench, &plain, false, true), 0);
	give(&bench, "Expand", "forward");
	response = take(&bench);
	assert_int_equal(response->response_case, IS(FORWARD));
	assert_string_equal(response->forward->service_name, SERVICE);
	assert_no_more(&bench, true);
	bench_close(&bench);
}

static void test_many_requests_one_reply(void **state)
{
	struct bench bench;

	(void)state;
	assert_int_equal(bench_open(&bench, &plain, true, false), 0);
	give(&bench, "Collect", NULL);
	assert_no_more(&bench, false);
	give(&bench, NULL, "one");
	give(&bench, NULL, "effect");
	give(&bench, NULL, "effect");
	assert_no_more(&bench, false);
	hg_action_half_close(&bench.action, &bench.worker);
	assert_reply(&bench, "the end");
	assert_int_equal(bench.response->n_side_effects, 2); /* of all messages */
	assert_no_more(&bench, true);
	bench_close(&bench);

	/* the answer may come before the end */
	assert_int_equal(bench_open(&bench, &plain, true, false), 0);
	give(&bench, "Collect", NULL);
	give(&bench, NULL, "end");
	assert_reply(&bench, "last");
	assert_no_more(&bench, true);
	assert_false(hg_action_wants_message(&bench.action));
	give(&bench, NULL, "fail"); /* was on its way; nobody is called */
	assert_no_more(&bench, true);
	bench_close(&bench);

	/* and fail */
	assert_int_equal(bench_open(&bench, &plain, true, false), 0);
	give(&bench, "Collect", NULL);
	give(&bench, NULL, "one");
	give(&bench, NULL, "fail");
	assert_failure(&bench, HEADGATE_NOT_FOUND, "not here");
	bench_close(&bench);
}

static void test_one_request_many_replies(void **state)
{
	struct bench bench;

	(void)state;
	assert_int_equal(bench_open(&bench, &with_ready, false, true), 0);
	assert_false(bench.action.wants_ready);
	give(&bench, "Expand", "three");
	assert_reply(&bench, "1");
	assert_reply(&bench, "2");
	assert_reply(&bench, "3");
	assert_no_more(&bench, false);
	for (int i = 0; i < 2; i++) {
		assert_true(bench.action.wants_ready);
		hg_action_ready(&bench.action, &bench.worker);
		assert_reply(&bench, "ready");
	}
	assert_true(bench.action.wants_ready);
	hg_action_ready(&bench.action, &bench.worker); /* waits */
	assert_false(bench.action.wants_ready);
	assert_int_equal(bench.action.wait_ms, 30);
	assert_no_more(&bench, false);
	hg_action_ready(&bench.action, &bench.worker);
	assert_reply(&bench, "ready");
	assert_int_equal(bench.action.wait_ms, -1);
	hg_action_ready(&bench.action, &bench.worker);
	assert_no_more(&bench, true);
	bench_close(&bench);

	/* without on_ready its message is all */
	assert_int_equal(bench_open(&bench, &plain, false, true), 0);
	give(&bench, "Expand", "three");
	assert_reply(&bench, "1");
	assert_reply(&bench, "2");
	assert_reply(&bench, "3");
	assert_no_more(&bench, true);
	bench_close(&bench);

	/* a failing handler's replies are dropped */
	assert_int_equal(bench_open(&bench, &plain, false, true), 0);
	give(&bench, "Expand", "reply, fail");
	assert_failure(&bench, HEADGATE_ABORTED, "x");
	bench_close(&bench);
}

static void test_many_both_ways(void **state)
{
	struct bench bench;

	(void)state;
	assert_int_equal(bench_open(&bench, &plain, true, true), 0);
	give(&bench, "Chat", NULL);
	assert_false(bench.action.wants_ready);
	give(&bench, NULL, "a");
	assert_reply(&bench, "a");
	give(&bench, NULL, "nothing");
	assert_no_more(&bench, false);
	give(&bench, NULL, "effect"); /* in a response of its own */
	assert_int_equal(take(&bench)->response_case, IS(_NOT_SET));
	assert_int_equal(bench.response->n_side_effects, 1);
	hg_action_half_close(&bench.action, &bench.worker);
	assert_reply(&bench, "the end");
	assert_no_more(&bench, true);
	bench_close(&bench);

	/* with on_ready it may speak first, and goes on after the client's end */
	assert_int_equal(bench_open(&bench, &with_ready, true, true), 0);
	give(&bench, "Chat", NULL);
	assert_true(bench.action.wants_ready);
	hg_action_ready(&bench.action, &bench.worker);
	assert_reply(&bench, "ready");
	give(&bench, NULL, "wait");
	assert_false(bench.action.wants_ready);
	assert_int_equal(bench.action.wait_ms, 20);
	hg_action_half_close(&bench.action, &bench.worker);
	assert_reply(&bench, "the end");
	assert_no_more(&bench, false);
	while (bench.action.wants_ready || bench.action.wait_ms >= 0)
		hg_action_ready(&bench.action, &bench.worker);
	assert_reply(&bench, "ready");
	assert_reply(&bench, "ready");
	assert_no_more(&bench, true);
	bench_close(&bench);
}

static void test_an_answer_may_wait(void **state)
{
	struct bench bench;

	(void)state;
	assert_int_equal(bench_open(&bench, &with_ready, false, false), 0);
	give(&bench, "Unary", "wait");
	assert_no_more(&bench, false);
	assert_int_equal(bench.action.wait_ms, 20);
	hg_action_ready(&bench.action, &bench.worker);
	assert_reply(&bench, "ready");
	assert_no_more(&bench, true);
	bench_close(&bench);
}

static void test_callers_who_leave(void **state)
{
	struct bench bench;

	(void)state;
	cancels = destroys = 0;
	assert_int_equal(bench_open(&bench, &with_ready, true, true), 0);
	give(&bench, "Chat", NULL);
	give(&bench, NULL, "three");
	assert_reply(&bench, "1");
	hg_action_cancel(&bench.action);
	assert_int_equal(cancels, 1);
	assert_no_more(&bench, true); /* what waited is dropped */
	assert_false(bench.action.wants_ready);
	hg_action_cancel(&bench.action);
	give(&bench, NULL, "a");
	hg_action_ready(&bench.action, &bench.worker);
	hg_action_half_close(&bench.action, &bench.worker);
	assert_no_more(&bench, true);
	assert_int_equal(cancels, 1);
	bench_close(&bench);
	assert_int_equal(destroys, 1);

	/* after the end nobody is told, and before the beginning there is nobody to tell */
	assert_int_equal(bench_open(&bench, &plain, false, false), 0);
	hg_action_cancel(&bench.action);
	bench_close(&bench);
	assert_int_equal(bench_open(&bench, &plain, false, false), 0);
	give(&bench, "Unary", "x");
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
	give(&bench, "Nothing", "x");
	assert_failure(&bench, HEADGATE_UNIMPLEMENTED, "Command unknown");
	bench_close(&bench);
	assert_int_equal(bench_open(&bench, &plain, false, false), 0);
	give(&bench, "Expand", "x");
	assert_failure(&bench, HEADGATE_UNIMPLEMENTED, "Command is of another shape");
	bench_close(&bench);
	assert_int_equal(bench_open(&bench, &plain, true, false), 0);
	give(&bench, NULL, "x");
	assert_failure(&bench, HEADGATE_UNIMPLEMENTED, "Service unknown");
	bench_close(&bench);
	assert_int_equal(bench_open(&bench, &plain, true, false), 0);
	hg_action_half_close(&bench.action, &bench.worker);
	assert_failure(&bench, HEADGATE_INVALID_ARGUMENT, "Call without a message");
	bench_close(&bench);
	assert_int_equal(bench_open(&bench, &plain, false, false), 0);
	hg_action_receive(&bench.action, &bench.worker, (struct headgate_bytes){"\xff", 1});
	assert_failure(&bench, HEADGATE_INVALID_ARGUMENT, "Message cannot be decoded");
	bench_close(&bench);
	assert_int_equal(bench_open(&bench, &plain, false, false), 0);
	give(&bench, "Unary", NULL);
	assert_failure(&bench, HEADGATE_INVALID_ARGUMENT,
		       "Command Unary wants a headgate.test.Step");
	bench_close(&bench);
}

/* One whole conversation with only `count` allocations granted: true when it went through. */
static bool talk_with(long count)
{
	struct bench bench;
	bool is_done = false;

	allocations_left = count;
	if (bench_open(&bench, &with_ready, true, true) == 0) {
		give(&bench, "Chat", NULL);
		give(&bench, NULL, "metadata");
		give(&bench, NULL, "three");
		give(&bench, NULL, "effect");
		hg_action_half_close(&bench.action, &bench.worker);
		while (bench.action.wants_ready || bench.action.wait_ms >= 0)
			hg_action_ready(&bench.action, &bench.worker);
		unsigned replies = 0;
		while (take(&bench)) {
			if (bench.response->response_case == IS(FAILURE))
				assert_int_equal(bench.response->failure->status->code,
						 HEADGATE_RESOURCE_EXHAUSTED);
			else
				replies++;
		}
		is_done = replies == 9 && !bench.action.is_aborted;
	}
	allocations_left = -1;
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
