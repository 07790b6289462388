#include "support/c/entity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/support/stream_bytes.h"
#include "tests/unit/unit.h"

#define SERVICE "headgate.test.Entity"
#define SNAPSHOT_EVERY 3
#define MESSAGE_BYTES_MAX ((size_t)64 * 1024)
#define WORDS_MAX 256

typedef Headgate__Test__Request Request;
typedef Cloudstate__Eventsourced__EventSourcedStreamOut StreamOut;
typedef Cloudstate__Eventsourced__EventSourcedReply Reply;

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

/* ---- An entity whose state is the texts of its events, joined ---------------------------------
 */

struct words {
	char text[WORDS_MAX];
};

static int add_word(void *state, const char *word)
{
	struct words *words = state;
	size_t size = strlen(words->text);

	if (strcmp(word, "poison") == 0)
		return -1;
	(void)snprintf(words->text + size, WORDS_MAX - size, "%s", word); /* cut is fine here */
	return 0;
}

static int happened(void *state, const void *message)
{
	return add_word(state, ((const Headgate__Test__Happened *)message)->text);
}

static int read_snapshot(void *state, const void *message)
{
	return add_word(state, ((const Headgate__Test__Snapshot *)message)->last);
}

static int write_snapshot(struct headgate_context *context, const void *state)
{
	Headgate__Test__Snapshot snapshot = HEADGATE__TEST__SNAPSHOT__INIT;

	snapshot.last = (char *)(uintptr_t)((const struct words *)state)->text;
	return headgate_snapshot(context, &snapshot.base);
}

static int process(struct headgate_context *context, void *state, const void *message)
{
	const Request *request = message;
	Headgate__Test__Happened event = HEADGATE__TEST__HAPPENED__INIT;
	Headgate__Test__Response response = HEADGATE__TEST__RESPONSE__INIT;
	const struct words *words = state;

	event.text = request->text;
	for (int i = 0; i < request->emit; i++)
		if (headgate_emit(context, &event.base))
			return -1;
	if (request->effect[0] && headgate_effect(context, SERVICE, request->effect, &request->base,
						  request->synchronous))
		return -1;
	if (request->fail[0]) { /* what is done after a failure changes nothing */
		(void)headgate_fail(context, (enum headgate_code)request->fail_code, "%s",
				    request->fail);
		(void)headgate_fail(context, HEADGATE_ABORTED, "a second failure");
		return headgate_emit(context, &event.base) && headgate_reply(context, &event.base);
	}
	if (request->forward[0])
		return headgate_forward(context, SERVICE, request->forward, &request->base);
	if (request->delay_ms == -1) /* "just an error", without headgate_fail */
		return -1;
	if (request->delay_ms == -2) /* no reply of its own */
		return 0;
	response.id = (char *)(uintptr_t)headgate_entity_id(context);
	response.sequence = headgate_sequence(context);
	response.last = (char *)(uintptr_t)words->text;
	response.padding.len = (size_t)request->reply_bytes;
	response.padding.data = headgate_alloc(context, response.padding.len, 1);
	return response.padding.data ? headgate_reply(context, &response.base) : -1;
}

static const struct headgate_command commands[] = {
	{"Process", &headgate__test__request__descriptor, process},
	{0},
};

static const struct headgate_event events[] = {
	{.type = &headgate__test__happened__descriptor, .apply = happened},
	{0},
};

static const struct headgate_entity entity = {
	.service_name = SERVICE,
	.persistence_id = "words",
	.commands = commands,
	.events = events,
	.state_size = sizeof(struct words),
	.snapshot_every = SNAPSHOT_EVERY,
	.snapshot_type = &headgate__test__snapshot__descriptor,
	.read_snapshot = read_snapshot,
	.write_snapshot = write_snapshot,
};

/* ---- The bench --------------------------------------------------------------------------------
 */

static void on_log(void *data, enum headgate_log_level level, const char *text)
{
	(void)data;
	(void)level;
	(void)text;
}

struct bench {
	struct hg_type *type;
	struct hg_worker worker;
	struct hg_stream *stream;
	enum hg_verdict verdict;
	StreamOut *out; /* of the newest message; NULL = nothing */
	int64_t next_id;
};

static const struct hg_log quiet = {.on_log = on_log};

static int bench_open(struct bench *bench)
{
	*bench = (struct bench){.next_id = 1};
	if (hg_type_new(&entity, (struct headgate_bytes){descriptor_set, sizeof descriptor_set},
			&bench->type, NULL))
		return -1;
	if (hg_worker_init(&bench->worker, &quiet, MESSAGE_BYTES_MAX))
		return -1;
	const struct hg_type *const *types = (const struct hg_type *const *)&bench->type;
	bench->stream = hg_stream_new(types, 1, false);
	return bench->stream ? 0 : -1;
}

static void drop_out(struct bench *bench)
{
	if (bench->out)
		protobuf_c_message_free_unpacked(&bench->out->base, NULL);
	bench->out = NULL;
}

static void bench_close(struct bench *bench)
{
	drop_out(bench);
	hg_stream_free(bench->stream);
	hg_worker_fini(&bench->worker);
	hg_type_free(bench->type);
}

/* The joined parts, unpacked; the test's own allocations never fail. */
static StreamOut *unpack_out(const struct hg_out *out)
{
	long left = allocations_left;
	uint8_t *joined;
	size_t size = 0;

	allocations_left = -1;
	joined = malloc(out->size + 1);
	assert_non_null(joined);
	for (size_t i = 0; i < out->part_count; i++) {
		memcpy(joined + size, out->parts[i].data, out->parts[i].size);
		size += out->parts[i].size;
	}
	assert_int_equal(size, out->size);
	StreamOut *message = (StreamOut *)protobuf_c_message_unpack(
		&cloudstate__eventsourced__event_sourced_stream_out__descriptor, NULL, size,
		joined);
	assert_non_null(message);
	free(joined);
	allocations_left = left;
	return message;
}

static void receive(struct bench *bench, const void *data, size_t size)
{
	struct hg_out out;
	/* on the heap, to the byte, so that a sanitizer sees every read beyond it */
	void *exact = __real_malloc(size > 0 ? size : 1);

	assert_non_null(exact);
	if (size > 0)
		memcpy(exact, data, size);
	drop_out(bench);
	bench->verdict = hg_stream_receive(bench->stream, &bench->worker,
					   (struct headgate_bytes){exact, size}, &out);
	free(exact);
	if (out.size > 0)
		bench->out = unpack_out(&out);
}

static void receive_bytes(struct bench *bench, struct stream_bytes bytes)
{
	receive(bench, bytes.data, bytes.size);
}

static void begin(struct bench *bench)
{
	assert_int_equal(bench_open(bench), 0);
	receive_bytes(bench, stream_init(SERVICE, "e1", NULL, 0));
	assert_int_equal(bench->verdict, HG_READ_ON);
	assert_null(bench->out);
}

static const Reply *command(struct bench *bench, const Request *request)
{
	int64_t id = bench->next_id++;

	receive_bytes(bench, stream_command("e1", id, "Process", request));
	assert_int_equal(bench->verdict, HG_SEND);
	assert_non_null(bench->out);
	assert_int_equal(bench->out->message_case,
			 CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_STREAM_OUT__MESSAGE_REPLY);
	assert_int_equal(bench->out->reply->command_id, id);
	return bench->out->reply;
}

/* A command that emits `count` events of that text. */
static const Reply *say(struct bench *bench, const char *text, int count)
{
	Request request = HEADGATE__TEST__REQUEST__INIT;

	request.text = (char *)(uintptr_t)text;
	request.emit = count;
	return command(bench, &request);
}

static void assert_last(const Reply *reply, const char *text, int64_t sequence)
{
	assert_non_null(reply->client_action);
	assert_int_equal(reply->client_action->action_case,
			 CLOUDSTATE__CLIENT_ACTION__ACTION_REPLY);
	const Google__Protobuf__Any *any = reply->client_action->reply->payload;
	assert_string_equal(any->type_url, WORD_RESPONSE);
	Headgate__Test__Response *response =
		headgate__test__response__unpack(NULL, any->value.len, any->value.data);
	assert_non_null(response);
	assert_string_equal(response->id, "e1");
	assert_string_equal(response->last, text);
	assert_int_equal(response->sequence, sequence);
	headgate__test__response__free_unpacked(response, NULL);
}

static const Cloudstate__Failure *failure_of(const Reply *reply)
{
	assert_non_null(reply->client_action);
	assert_int_equal(reply->client_action->action_case,
			 CLOUDSTATE__CLIENT_ACTION__ACTION_FAILURE);
	assert_int_equal(reply->n_events, 0);
	assert_int_equal(reply->n_side_effects, 0);
	assert_null(reply->snapshot);
	assert_int_equal(reply->client_action->failure->command_id, reply->command_id);
	return reply->client_action->failure;
}

/* ---- Tests ------------------------------------------------------------------------------------
 */

static void test_events_and_state(void **state)
{
	struct bench bench;

	(void)state;
	begin(&bench);
	assert_last(say(&bench, "", 0), "", 0);
	const Reply *reply = say(&bench, "a", 2);
	assert_last(reply, "aa", 2);
	assert_int_equal(reply->n_events, 2);
	assert_string_equal(reply->events[1]->type_url, WORD_HAPPENED);
	Headgate__Test__Happened *event = headgate__test__happened__unpack(
		NULL, reply->events[1]->value.len, reply->events[1]->value.data);
	assert_non_null(event);
	assert_string_equal(event->text, "a");
	headgate__test__happened__free_unpacked(event, NULL);
	assert_last(say(&bench, "", 0), "aa", 2);
	bench_close(&bench);
}

static void test_snapshot_cadence(void **state)
{
	/* every 3 events: a reply that reaches or crosses a multiple carries one, with all of its
	 * own events in it */
	static const struct {
		const char *name;
		int emit;
		const char *snapshot;
	} rows[] = {
		{"below", 2, NULL},	    {"crosses 3", 2, "xxxx"},
		{"none", 0, NULL},	    {"below again", 1, NULL},
		{"reaches 6", 1, "xxxxxx"}, {"crosses 9 and 12", 7, "xxxxxxxxxxxxx"},
		{"still below", 1, NULL},
	};
	struct bench bench;

	(void)state;
	begin(&bench);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const Reply *reply = say(&bench, "x", rows[i].emit);
		UNIT_ROW(rows[i].name, !reply->snapshot == !rows[i].snapshot);
		if (!rows[i].snapshot)
			continue;
		assert_string_equal(reply->snapshot->type_url, WORD_SNAPSHOT);
		Headgate__Test__Snapshot *snapshot = headgate__test__snapshot__unpack(
			NULL, reply->snapshot->value.len, reply->snapshot->value.data);
		assert_non_null(snapshot);
		assert_string_equal(snapshot->last, rows[i].snapshot);
		headgate__test__snapshot__free_unpacked(snapshot, NULL);
	}
	bench_close(&bench);
}

static void test_replay(void **state)
{
	struct bench bench;

	(void)state;
	assert_int_equal(bench_open(&bench), 0);
	receive_bytes(&bench, stream_init(SERVICE, "e1", "base", 5));
	assert_int_equal(bench.verdict, HG_READ_ON);
	receive_bytes(&bench, stream_event(6, WORD_HAPPENED, "+six"));
	assert_int_equal(bench.verdict, HG_READ_ON);
	receive_bytes(&bench, stream_event(7, WORD_HAPPENED, "+seven"));
	assert_int_equal(bench.verdict, HG_READ_ON);
	assert_null(bench.out);
	assert_last(say(&bench, "", 0), "base+six+seven", 7);
	bench_close(&bench);
}

/* sent_code -1: no status beside the description. */
static void check_failure(const char *row, const Cloudstate__Failure *failure, int sent_code)
{
	UNIT_ROW(row, strcmp(failure->description, "for a reason") == 0);
	UNIT_ROW(row, !failure->restart);
	UNIT_ROW(row, !failure->status == (sent_code < 0));
	if (!failure->status)
		return;
	UNIT_ROW(row, failure->status->code == sent_code);
	UNIT_ROW(row, strcmp(failure->status->message, "for a reason") == 0);
}

static void test_failures(void **state)
{
	static const struct {
		const char *name;
		int code;
		int sent_code;
	} rows[] = {
		{"unknown sends the text alone", HEADGATE_UNKNOWN, -1},
		{"a code of its own", HEADGATE_NOT_FOUND, HEADGATE_NOT_FOUND},
		{"the last code", HEADGATE_UNAUTHENTICATED, HEADGATE_UNAUTHENTICATED},
		{"no code", 0, -1},
		{"no such code", 99, -1},
	};
	struct bench bench;

	(void)state;
	begin(&bench);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		Request request = HEADGATE__TEST__REQUEST__INIT;
		request.fail = (char *)(uintptr_t) "for a reason";
		request.fail_code = rows[i].code;
		request.effect = (char *)(uintptr_t) "Process";
		const Cloudstate__Failure *failure = failure_of(command(&bench, &request));
		check_failure(rows[i].name, failure, rows[i].sent_code);
	}
	assert_last(say(&bench, "b", 1), "b", 1); /* none of it left a trace */
	bench_close(&bench);
}

static void test_failure_after_events_wants_a_restart(void **state)
{
	struct bench bench;
	Request request = HEADGATE__TEST__REQUEST__INIT;

	(void)state;
	begin(&bench);
	(void)say(&bench, "kept", 1);
	request.text = (char *)(uintptr_t) "dropped";
	request.emit = 2;
	request.fail = (char *)(uintptr_t) "changed my mind";
	const Cloudstate__Failure *failure = failure_of(command(&bench, &request));
	assert_string_equal(failure->description, "changed my mind");
	assert_true(failure->restart);
	/* until then the state is not to be trusted */
	failure = failure_of(say(&bench, "", 0));
	assert_true(failure->restart);
	assert_int_equal(failure->status->code, HEADGATE_UNAVAILABLE);
	bench_close(&bench);
}

static void test_other_failures(void **state)
{
	static const struct {
		const char *name;
		const char *text;
		int emit;
		int mode;
		const char *description;
		bool is_restart;
	} rows[] = {
		{"a handler that just says -1", "", 0, -1, "Error handling command 'Process'",
		 false},
		{"the same after an event", "w", 1, -1, "Error handling command 'Process'", true},
		{"an event that does not apply", "poison", 1, 0, "Event handler failed", true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct bench bench;
		Request request = HEADGATE__TEST__REQUEST__INIT;
		begin(&bench);
		request.text = (char *)(uintptr_t)rows[i].text;
		request.emit = rows[i].emit;
		request.delay_ms = rows[i].mode;
		const Cloudstate__Failure *failure = failure_of(command(&bench, &request));
		UNIT_ROW(rows[i].name, strcmp(failure->description, rows[i].description) == 0);
		UNIT_ROW(rows[i].name, !failure->restart == !rows[i].is_restart);
		bench_close(&bench);
	}
}

static void test_long_failure_text_is_cut_at_a_character(void **state)
{
	static char text[2000];
	struct bench bench;
	Request request = HEADGATE__TEST__REQUEST__INIT;

	(void)state;
	for (size_t i = 0; i + 2 < sizeof text; i += 2)
		text[i] = '\xc3', text[i + 1] = '\xa9';
	begin(&bench);
	request.fail = text;
	const char *cut = failure_of(command(&bench, &request))->description;
	assert_int_equal(strlen(cut), HG_FAILURE_TEXT_MAX - 2);
	assert_memory_equal(cut, text, strlen(cut));
	bench_close(&bench);
}

static void test_unknown_command(void **state)
{
	struct bench bench;
	Request request = HEADGATE__TEST__REQUEST__INIT;

	(void)state;
	begin(&bench);
	receive_bytes(&bench, stream_command("e1", bench.next_id++, "Nothing", &request));
	assert_int_equal(bench.verdict, HG_SEND);
	const Cloudstate__Failure *failure = failure_of(bench.out->reply);
	assert_string_equal(failure->description, "Unknown command named Nothing");
	assert_int_equal(failure->status->code, HEADGATE_UNIMPLEMENTED);
	assert_last(say(&bench, "", 0), "", 0);
	bench_close(&bench);
}

static void test_reply_of_its_own_type_is_the_default(void **state)
{
	struct bench bench;
	Request request = HEADGATE__TEST__REQUEST__INIT;

	(void)state;
	begin(&bench);
	request.delay_ms = -2;
	const Reply *reply = command(&bench, &request);
	assert_string_equal(reply->client_action->reply->payload->type_url, WORD_RESPONSE);
	assert_int_equal(reply->client_action->reply->payload->value.len, 0);
	bench_close(&bench);
}

static void test_forward_and_effect(void **state)
{
	struct bench bench;
	Request request = HEADGATE__TEST__REQUEST__INIT;

	(void)state;
	begin(&bench);
	request.text = (char *)(uintptr_t) "f";
	request.emit = SNAPSHOT_EVERY;
	request.forward = (char *)(uintptr_t) "Forwarded";
	request.effect = (char *)(uintptr_t) "Affected";
	request.synchronous = true;
	const Reply *reply = command(&bench, &request);
	assert_int_equal(reply->n_events, SNAPSHOT_EVERY);
	assert_non_null(reply->snapshot);
	assert_int_equal(reply->client_action->action_case,
			 CLOUDSTATE__CLIENT_ACTION__ACTION_FORWARD);
	const Cloudstate__Forward *forward = reply->client_action->forward;
	assert_string_equal(forward->service_name, SERVICE);
	assert_string_equal(forward->command_name, "Forwarded");
	assert_string_equal(forward->payload->type_url, WORD_REQUEST);
	assert_int_equal(reply->n_side_effects, 1);
	assert_string_equal(reply->side_effects[0]->command_name, "Affected");
	assert_true(reply->side_effects[0]->synchronous);
	bench_close(&bench);
}

static void test_reply_too_large(void **state)
{
	struct bench bench;
	Request request = HEADGATE__TEST__REQUEST__INIT;

	(void)state;
	begin(&bench);
	request.reply_bytes = MESSAGE_BYTES_MAX - 200;
	assert_int_equal(command(&bench, &request)->client_action->action_case,
			 CLOUDSTATE__CLIENT_ACTION__ACTION_REPLY);
	request.reply_bytes = MESSAGE_BYTES_MAX;
	const Cloudstate__Failure *failure = failure_of(command(&bench, &request));
	assert_string_equal(failure->description, "Reply is too large");
	assert_int_equal(failure->status->code, HEADGATE_RESOURCE_EXHAUSTED);
	bench_close(&bench);
}

/* What ends a stream: sent after a good init (unless it is the first), answered with a failure for
 * no command, and nothing after it is answered any more. */
static void assert_broken(struct bench *bench, const char *row, const char *description)
{
	UNIT_ROW(row, bench->verdict == HG_END);
	UNIT_ROW(row, bench->out != NULL);
	if (!bench->out) /* for analysers: the line above has failed */
		return;
	UNIT_ROW(row, bench->out->message_case ==
			      CLOUDSTATE__EVENTSOURCED__EVENT_SOURCED_STREAM_OUT__MESSAGE_FAILURE);
	if (strcmp(bench->out->failure->description, description) != 0)
		fail_msg("row \"%s\": got \"%s\"", row, bench->out->failure->description);
	receive_bytes(bench, stream_init(SERVICE, "e1", NULL, 0));
	UNIT_ROW(row, bench->verdict == HG_END && !bench->out);
}

static void test_stream_errors(void **state)
{
	static const Request request = HEADGATE__TEST__REQUEST__INIT;
	const struct {
		const char *name;
		bool is_first;
		struct stream_bytes bytes;
		const char *description;
	} rows[] = {
		{"event first", true, stream_event(1, WORD_HAPPENED, "x"),
		 "Message received before init"},
		{"command first", true, stream_command("e1", 1, "Process", &request),
		 "Message received before init"},
		{"unknown service", true, stream_init("no.Service", "e1", NULL, 0),
		 "Service unknown"},
		{"init twice", false, stream_init(SERVICE, "e1", NULL, 0),
		 "Init message received twice."},
		{"bad snapshot", true, stream_init(SERVICE, "e1", "poison", 1),
		 "the snapshot handler failed"},
		{"unknown event", false, stream_event(1, "type.googleapis.com/no.Event", "x"),
		 "no event handler for an event's type"},
		{"event that does not apply", false, stream_event(1, WORD_HAPPENED, "poison"),
		 "an event handler failed"},
		{"event out of order", false, stream_event(0, WORD_HAPPENED, "x"),
		 "Event received out of order"},
		{"command for another", false, stream_command("e2", 1, "Process", &request),
		 "Command is for another entity"},
		{"empty message", false, {.size = 0}, "Message holds nothing known"},
		{"unknown field",
		 false,
		 {.data = {0x7a, 0}, .size = 2},
		 "Message holds nothing known"},
		{"no protobuf",
		 false,
		 {.data = {0xff, 0xff}, .size = 2},
		 "Message cannot be decoded"},
		{"cut short",
		 false,
		 {.data = {0x1a, 9, 0x0a}, .size = 3},
		 "Message cannot be decoded"},
		{"field number 0",
		 false,
		 {.data = {0x02, 0}, .size = 2},
		 "Message cannot be decoded"},
		{"group that does not end",
		 false,
		 {.data = {0x7b, 0x7b}, .size = 2},
		 "Message cannot be decoded"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct bench bench;
		if (rows[i].is_first)
			assert_int_equal(bench_open(&bench), 0);
		else
			begin(&bench);
		receive_bytes(&bench, rows[i].bytes);
		assert_broken(&bench, rows[i].name, rows[i].description);
		bench_close(&bench);
	}
}

/* Every prefix and every single-byte change of a good conversation: anything may be answered, but
 * nothing may be read or written out of bounds, and nothing leaks. */
static void test_mangled_messages(void **state)
{
	Request request = HEADGATE__TEST__REQUEST__INIT;

	(void)state;
	request.text = (char *)(uintptr_t) "text";
	request.emit = 1;
	struct stream_bytes messages[] = {stream_init(SERVICE, "e1", "base", 5),
					  stream_event(6, WORD_HAPPENED, "six"),
					  stream_command("e1", 1, "Process", &request)};
	for (size_t which = 0; which < COUNT_OF(messages); which++) {
		for (size_t at = 0; at < messages[which].size; at++) {
			for (unsigned flip = 0; flip < 9; flip++) {
				struct stream_bytes mangled = messages[which];
				struct bench bench;
				if (flip < 8)
					mangled.data[at] ^= (uint8_t)(1u << flip);
				else
					mangled.size = at;
				assert_int_equal(bench_open(&bench), 0);
				for (size_t i = 0; i < which; i++)
					receive_bytes(&bench, messages[i]);
				receive_bytes(&bench, mangled);
				bench_close(&bench);
			}
		}
	}
}

/* One whole life, with only `count` allocations granted: true when it went through. */
static bool live_with(long count)
{
	struct bench bench;
	Request request = HEADGATE__TEST__REQUEST__INIT;
	bool is_done = false;

	request.text = (char *)(uintptr_t) "m";
	request.emit = SNAPSHOT_EVERY;
	request.effect = (char *)(uintptr_t) "Process";
	request.reply_bytes = 3000;
	allocations_left = count;
	if (bench_open(&bench) == 0) {
		receive_bytes(&bench, stream_init(SERVICE, "e1", "base", 5));
		if (bench.verdict == HG_READ_ON)
			receive_bytes(&bench, stream_event(6, WORD_HAPPENED, "six"));
		if (bench.verdict == HG_READ_ON) {
			const Reply *reply = command(&bench, &request);
			if (reply->client_action->action_case ==
			    CLOUDSTATE__CLIENT_ACTION__ACTION_FAILURE)
				assert_int_equal(failure_of(reply)->status->code,
						 HEADGATE_RESOURCE_EXHAUSTED);
			else
				is_done = reply->snapshot != NULL;
		}
	}
	allocations_left = -1;
	bench_close(&bench);
	return is_done;
}

static void test_want_of_memory(void **state)
{
	long count = 0;

	(void)state;
	while (!live_with(count)) {
		count++;
		assert_true(count < 1000);
	}
	assert_true(count > 5);
}

static void test_declarations(void **state)
{
	static const struct headgate_command too_many[] = {
		{"Process", &headgate__test__request__descriptor, process},
		{"Other", &headgate__test__request__descriptor, process},
		{0},
	};
	static const struct headgate_command none[] = {{0}};
	struct headgate_entity unknown = entity;
	struct headgate_entity missing = entity;
	struct headgate_entity extra = entity;
	struct headgate_entity half = entity;
	struct headgate_entity stateless = entity;
	unknown.service_name = "headgate.test.Nothing";
	missing.commands = none;
	extra.commands = too_many;
	half.write_snapshot = NULL;
	stateless.state_size = 0;
	const struct {
		const struct headgate_entity *entity;
		const char *text;
	} rows[] = {
		{&unknown, "service headgate.test.Nothing is not in the descriptor set"},
		{&missing, "method headgate.test.Entity.Process has no command handler"},
		{&extra, "service headgate.test.Entity has no method Other"},
		{&half, "entity headgate.test.Entity can only read or only write snapshots"},
		{&stateless, "entity headgate.test.Entity has neither state_size nor create"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct hg_type *type = NULL;
		struct headgate_error err = {""};
		assert_int_equal(
			hg_type_new(rows[i].entity,
				    (struct headgate_bytes){descriptor_set, sizeof descriptor_set},
				    &type, &err),
			-1);
		assert_string_equal(err.text, rows[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events_and_state),
		cmocka_unit_test(test_snapshot_cadence),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_failure_after_events_wants_a_restart),
		cmocka_unit_test(test_other_failures),
		cmocka_unit_test(test_long_failure_text_is_cut_at_a_character),
		cmocka_unit_test(test_unknown_command),
		cmocka_unit_test(test_reply_of_its_own_type_is_the_default),
		cmocka_unit_test(test_forward_and_effect),
		cmocka_unit_test(test_reply_too_large),
		cmocka_unit_test(test_stream_errors),
		cmocka_unit_test(test_mangled_messages),
		cmocka_unit_test(test_want_of_memory),
		cmocka_unit_test(test_declarations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
