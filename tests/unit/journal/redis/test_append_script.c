/* append.lua in a real redis-server, through the command and the reply of the product. */
#include <stdio.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "journal/journal.h"
#include "journal/key.h"
#include "journal/redis/command.h"
#include "journal/redis/reply.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "tests/fakes/redis_server.h"
#include "tests/unit/unit.h"

#define HEAD "hg1:ns:{33}:h:cart/alice"
#define EVENTS "hg1:ns:{33}:e:cart/alice"
#define FEED "hg1:ns:{33}:f:cart"
#define INDEX "hg1:ns:{33}:i:cart"
#define NO_TAG "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define T1 "tag-1-----------"
#define T2 "tag-2-----------"
#define C1 "command-1-------"
#define C2 "command-2-------"

/* One append to cart/alice; events are texts. */
struct attempt {
	uint64_t sequence;
	const char *expected;
	const char *tag;
	const char *command;
	size_t count;
	const char *payloads[4];
	const char *snapshot;
};

static struct redis_server *server;
static struct error last_error;

static void fill_id(struct journal_id *id, const char *text)
{
	memcpy(id->bytes, text, sizeof(id->bytes));
}

static void make_command(struct redis_command *command, const struct attempt *attempt)
{
	struct journal_any events[4];
	struct journal_any snapshot = {SPAN_LIT("S"), span_from_str(attempt->snapshot)};
	struct journal_append append = {
		.key = {SPAN_LIT("cart"), SPAN_LIT("alice")},
		.expected.sequence = attempt->sequence,
		.events = events,
		.event_count = attempt->count,
		.snapshot = attempt->snapshot ? &snapshot : NULL,
	};
	struct key_names names;

	for (size_t i = 0; i < attempt->count; i++)
		events[i] =
			(struct journal_any){SPAN_LIT("T"), span_from_str(attempt->payloads[i])};
	fill_id(&append.expected.tag, attempt->expected);
	fill_id(&append.tag, attempt->tag);
	fill_id(&append.command, attempt->command);
	assert_int_equal(key_render("ns", &append.key, &names, &last_error), ST_OK);
	redis_command_init(command, NULL);
	redis_command_append(command, &names, &append, 1700000000000);
}

static const char *text_of(const struct redis_command *command)
{
	return (const char *)buf_span(&command->text).data;
}

static enum status send_command(struct redis_command *command, const char *tag,
				struct journal_append_result *result)
{
	struct redisReply *reply =
		redis_server_send(server, text_of(command), redis_command_len(command));
	struct journal_id id;
	enum status st;

	fill_id(&id, tag);
	if (reply_is_error(reply)) {
		(void)reply_classify(reply, &last_error);
		st = last_error.status;
	} else {
		st = reply_append(reply, &id, result, &last_error);
	}
	freeReplyObject(reply);
	return st;
}

static enum status append(const struct attempt *attempt, struct journal_append_result *result)
{
	struct redis_command command;
	enum status st;

	make_command(&command, attempt);
	st = send_command(&command, attempt->tag, result);
	redis_command_fini(&command);
	return st;
}

static int start_server(void **state)
{
	(void)state;
	server = redis_server_start(NULL);
	return 0;
}

static int stop_server(void **state)
{
	(void)state;
	redis_server_stop(server);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	assert_string_equal(redis_server_ask(server, "FLUSHALL"), "OK");
	assert_string_equal(redis_server_ask(server, "SCRIPT LOAD %s",
					     redis_script_source(REDIS_SCRIPT_APPEND)),
			    redis_script_sha(REDIS_SCRIPT_APPEND));
	return 0;
}

#define ASK(want, ...) assert_string_equal(redis_server_ask(server, __VA_ARGS__), want)

static const struct attempt first = {0, NO_TAG, T1, C1, 1, {"one"}, NULL};

static void the_first_event(void **state)
{
	struct journal_append_result result;

	(void)state;
	assert_int_equal(append(&first, &result), ST_OK);
	assert_int_equal(result.result, JOURNAL_OK);
	assert_true(result.head.sequence == 1);
	assert_memory_equal(result.head.tag.bytes, T1, 16);
	ASK("[s 1 g " T1 "]", "HGETALL " HEAD);
	ASK("[[1-0 [c " C1 " g " T1 " w 1700000000000 t T p one]]]", "XRANGE " EVENTS " - +");
	ASK("[[0-1 [e alice s 1 n 1]]]", "XRANGE " FEED " - +");
	ASK("[alice]", "ZRANGE " INDEX " 0 -1");
	ASK("4", "DBSIZE");
}

static void batch_and_snapshot(void **state)
{
	struct journal_append_result result;
	const struct attempt batch = {1, T1, T2, C2, 3, {"two", "three", ""}, "state"};

	(void)state;
	assert_int_equal(append(&first, &result), ST_OK);
	assert_int_equal(append(&batch, &result), ST_OK);
	assert_int_equal(result.result, JOURNAL_OK);
	assert_true(result.head.sequence == 4);
	ASK("[s 4 g " T2 " zs 4 zt S zp state zw 1700000000000]", "HGETALL " HEAD);
	ASK("[[2-0 [c " C2 " g " T2 " w 1700000000000 t T p two]] "
	    "[3-0 [c " C2 " g " T2 " w 1700000000000 t T p three]] "
	    "[4-0 [c " C2 " g " T2 " w 1700000000000 t T p ]]]",
	    "XRANGE " EVENTS " (1-0 +");
	ASK("[[0-1 [e alice s 1 n 1]] [0-2 [e alice s 4 n 3]]]", "XRANGE " FEED " - +");
}

/* Every answer but OK leaves everything as it was. */
static void refusals_write_nothing(void **state)
{
	static const struct {
		const char *name;
		struct attempt attempt;
		enum journal_result result;
		bool is_mine;
	} rows[] = {
		{"sent again", {0, NO_TAG, T1, C1, 1, {"one"}, NULL}, JOURNAL_DUP, true},
		{"command of another attempt",
		 {0, NO_TAG, T2, C1, 1, {"other"}, "snap"},
		 JOURNAL_DUP,
		 false},
		{"stale", {0, NO_TAG, T2, C2, 1, {"two"}, NULL}, JOURNAL_CONFLICT, false},
		{"right number, another history",
		 {1, T2, T2, C2, 1, {"two"}, NULL},
		 JOURNAL_CONFLICT,
		 false},
		{"ahead", {2, T1, T2, C2, 1, {"two"}, NULL}, JOURNAL_CONFLICT, false},
		{"far ahead",
		 {JOURNAL_SEQUENCE_MAX - 1, T1, T2, C2, 1, {"two"}, NULL},
		 JOURNAL_CONFLICT,
		 false},
	};
	struct journal_append_result result;
	char *digest;

	(void)state;
	assert_int_equal(append(&first, &result), ST_OK);
	digest = mem_strdup(redis_server_ask(server, "DEBUG DIGEST"));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		UNIT_ROW(rows[i].name, append(&rows[i].attempt, &result) == ST_OK);
		UNIT_ROW(rows[i].name, result.result == rows[i].result);
		UNIT_ROW(rows[i].name, result.is_mine == rows[i].is_mine);
		UNIT_ROW(rows[i].name, result.head.sequence == 1);
		UNIT_ROW(rows[i].name, memcmp(result.head.tag.bytes, T1, 16) == 0);
		UNIT_ROW(rows[i].name,
			 strcmp(redis_server_ask(server, "DEBUG DIGEST"), digest) == 0);
	}
	mem_free(digest);
}

static void erased_takes_nothing(void **state)
{
	struct journal_append_result result;
	const struct attempt next = {1, T1, T2, C2, 1, {"two"}, NULL};

	(void)state;
	assert_int_equal(append(&first, &result), ST_OK);
	ASK("1", "DEL " EVENTS);
	ASK("1", "HSET " HEAD " x 1700000000001");
	assert_int_equal(append(&next, &result), ST_OK);
	assert_int_equal(result.result, JOURNAL_ERASED);
	assert_int_equal(append(&first, &result), ST_OK);
	assert_int_equal(result.result, JOURNAL_ERASED);
	ASK("0", "EXISTS " EVENTS);
}

/* An error does not undo what a script wrote: so it must come before the first write. */
static void errors_write_nothing(void **state)
{
	static const struct {
		const char *name;
		const char *spoil;
		enum status status;
	} rows[] = {
		{"head is no hash", "SET " HEAD " x", ST_FAILED_PRECONDITION},
		{"events are no stream", "SET " EVENTS " x", ST_FAILED_PRECONDITION},
		{"feed is no stream", "SET " FEED " x", ST_FAILED_PRECONDITION},
		{"index is no set", "SET " INDEX " x", ST_FAILED_PRECONDITION},
		{"event without head", "XADD " EVENTS " 1-0 c x g y", ST_DATA_LOSS},
		{"events beyond the head", "XADD " EVENTS " 9-0 c x g y", ST_DATA_LOSS},
	};
	struct journal_append_result result;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char *digest;

		(void)redis_server_ask(server, "FLUSHALL");
		(void)redis_server_ask(server, rows[i].spoil);
		digest = mem_strdup(redis_server_ask(server, "DEBUG DIGEST"));
		UNIT_ROW(rows[i].name, append(&first, &result) == rows[i].status);
		UNIT_ROW(rows[i].name,
			 strcmp(redis_server_ask(server, "DEBUG DIGEST"), digest) == 0);
		UNIT_ROW(rows[i].name, strcmp(redis_server_ask(server, "DBSIZE"), "1") == 0);
		mem_free(digest);
	}
}

/* Doubles are exact up to 2^53, and Lua prints 14 digits unless told. */
static void numbers_stay_exact(void **state)
{
	struct journal_append_result result;
	const struct attempt last = {9007199254740987, T1, T2, C2, 4, {"a", "b", "c", "d"}, "s"};

	(void)state;
	ASK("2", "HSET " HEAD " s 9007199254740987 g " T1);
	assert_int_equal(append(&last, &result), ST_OK);
	assert_true(result.head.sequence == JOURNAL_SEQUENCE_MAX);
	ASK("[9007199254740991 9007199254740991]", "HMGET " HEAD " s zs");
	ASK("[[9007199254740988-0 [c " C2 " g " T2 " w 1700000000000 t T p a]]]",
	    "XRANGE " EVENTS " - + COUNT 1");
	ASK("[[0-1 [e alice s 9007199254740991 n 4]]]", "XRANGE " FEED " - +");
	ASK("0", "EXISTS " INDEX);
}

static void any_bytes_are_kept(void **state)
{
	uint8_t all[256];
	struct journal_any event = {SPAN_LIT("T"), span_make(all, sizeof(all))};
	struct journal_append append = {
		.key = {SPAN_LIT("cart"), SPAN_LIT("a\0b\r\nc")},
		.events = &event,
		.event_count = 1,
		.snapshot = &event,
	};
	struct journal_append_result result;
	struct journal_event read;
	struct redis_command command;
	struct key_names names;
	struct redisReply *reply;
	size_t count = 0;

	(void)state;
	for (int i = 0; i < 256; i++)
		all[i] = (uint8_t)i;
	fill_id(&append.tag, "\r\n$5\r\n\0\1\2\3\4\5\6\7\10");
	assert_int_equal(key_render("ns", &append.key, &names, &last_error), ST_OK);
	redis_command_init(&command, NULL);
	redis_command_append(&command, &names, &append, 1);
	assert_int_equal(send_command(&command, (const char *)append.tag.bytes, &result), ST_OK);
	assert_int_equal(result.result, JOURNAL_OK);
	redis_command_events(&command, names.events, 1, 1, 10);
	reply = redis_server_send(server, text_of(&command), redis_command_len(&command));
	assert_int_equal(reply_events(reply, 1, &read, 1, &count, &last_error), ST_OK);
	assert_int_equal(count, 1);
	assert_true(span_eq(read.payload.value, span_make(all, sizeof(all))));
	freeReplyObject(reply);
	redis_command_fini(&command);
}

static void a_thousand_events(void **state)
{
	struct journal_any *events = mem_new_array(struct journal_any, JOURNAL_EVENTS_MAX);
	struct journal_append append = {
		.key = {SPAN_LIT("cart"), SPAN_LIT("alice")},
		.events = events,
		.event_count = JOURNAL_EVENTS_MAX,
	};
	struct journal_append_result result;
	struct redis_command command;
	struct key_names names;

	(void)state;
	for (size_t i = 0; i < JOURNAL_EVENTS_MAX; i++)
		events[i] = (struct journal_any){SPAN_LIT("T"), SPAN_LIT("payload")};
	assert_int_equal(key_render("ns", &append.key, &names, &last_error), ST_OK);
	redis_command_init(&command, NULL);
	redis_command_append(&command, &names, &append, 1);
	assert_int_equal(send_command(&command, NO_TAG, &result), ST_OK);
	assert_int_equal(result.result, JOURNAL_OK);
	ASK("1000", "XLEN " EVENTS);
	redis_command_fini(&command);
	mem_free(events);
}

static void eval_when_the_script_is_not_there(void **state)
{
	struct journal_append_result result;
	struct redis_command command;

	(void)state;
	ASK("OK", "SCRIPT FLUSH");
	make_command(&command, &first);
	assert_int_equal(send_command(&command, T1, &result), ST_UNAVAILABLE);
	assert_non_null(strstr(last_error.message, "NOSCRIPT"));
	redis_command_to_eval(&command);
	assert_int_equal(send_command(&command, T1, &result), ST_OK);
	assert_int_equal(result.result, JOURNAL_OK);
	redis_command_fini(&command);
	/* And EVAL left it there under its name. */
	assert_int_equal(append(&first, &result), ST_OK);
	assert_int_equal(result.result, JOURNAL_DUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_first_event, setup),
		cmocka_unit_test_setup(batch_and_snapshot, setup),
		cmocka_unit_test_setup(refusals_write_nothing, setup),
		cmocka_unit_test_setup(erased_takes_nothing, setup),
		cmocka_unit_test_setup(errors_write_nothing, setup),
		cmocka_unit_test_setup(numbers_stay_exact, setup),
		cmocka_unit_test_setup(any_bytes_are_kept, setup),
		cmocka_unit_test_setup(a_thousand_events, setup),
		cmocka_unit_test_setup(eval_when_the_script_is_not_there, setup),
	};

	return cmocka_run_group_tests(tests, start_server, stop_server);
}
