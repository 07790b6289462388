/* put.lua in a real redis-server, through the journal: one state, replaced as a whole. */
#include <stdio.h>
#include <string.h>

#include "journal/journal.h"
#include "journal/redis/command.h"
#include "journal/redis/redis_journal.h"
#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "tests/fakes/journal_client.h"
#include "tests/fakes/redis_server.h"
#include "tests/unit/unit.h"

#define HEAD "hg1:ns:{33}:h:cart/alice"
#define EVENTS "hg1:ns:{33}:e:cart/alice"
#define FEED "hg1:ns:{33}:f:cart"
#define INDEX "hg1:ns:{33}:i:cart"
#define T1 "tag-1-----------"
#define T2 "tag-2-----------"
#define T3 "tag-3-----------"
#define C1 "command-1-------"
#define C2 "command-2-------"
#define C3 "command-3-------"
/* The bytes kept of each command: length, id, tag. */
#define KEPT_BYTES 36
#define KEPT_COMMANDS 32
#define ANSWER_MS 10000

static struct redis_server *server;
static struct journal_client client;
static struct journal_answer answer;

/* What a put is asked for; state NULL deletes. */
struct attempt {
	uint64_t sequence;
	const char *expected;
	const char *tag;
	const char *command;
	const char *state;
};

static const struct attempt first = {0, "", T1, C1, "one"};

#define ASK(want, ...) assert_string_equal(redis_server_ask(server, __VA_ARGS__), want)

static const struct journal_key key = {{(const uint8_t *)"cart", 4}, {(const uint8_t *)"alice", 5}};

static int setup(void **state)
{
	static const char *const args[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};
	struct error err;

	(void)state;
	server = redis_server_start(args);
	assert_int_equal(journal_client_open(&client, redis_server_url(server), NULL, &err), ST_OK);
	assert_true(journal_client_wait(&client, true));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	journal_answer_fini(&answer);
	memset(&answer, 0, sizeof(answer));
	journal_client_close(&client);
	redis_server_stop(server);
	return 0;
}

/* Not even the very first call is answered with NOSCRIPT. */
static void no_script_is_missing(void **state)
{
	(void)state;
	for (enum redis_script script = 0; script < REDIS_SCRIPTS_LOADED_; script++)
		ASK("[1]", "SCRIPT EXISTS %s", redis_script_sha(script));
}

static void fill_id(struct journal_id *id, const char *text)
{
	memset(id, 0, sizeof(*id));
	memcpy(id->bytes, text, strlen(text));
}

static void begin(void)
{
	buf_fini(&answer.text);
	memset(&answer, 0, sizeof(answer));
	buf_init(&answer.text, 1024);
}

static uint64_t soon(void)
{
	return clock_mono_ns() + ANSWER_MS * NS_PER_MS;
}

static void start_put(const struct attempt *attempt)
{
	struct journal_any state = {SPAN_LIT("S"), span_from_str(attempt->state)};
	struct journal_put put = {
		.key = key,
		.expected.sequence = attempt->sequence,
		.state = attempt->state ? &state : NULL,
	};

	fill_id(&put.expected.tag, attempt->expected);
	fill_id(&put.tag, attempt->tag);
	fill_id(&put.command, attempt->command);
	begin();
	answer.request =
		journal_put(client.journal, &put, soon(), journal_client_on_append, &answer);
}

static enum journal_result put(const struct attempt *attempt)
{
	start_put(attempt);
	assert_true(journal_client_until(&client, &answer.is_done));
	assert_int_equal(answer.calls, 1);
	return answer.result;
}

static void on_got(void *data, enum journal_result result, const struct journal_head *head,
		   const struct journal_any *state, const struct error *error)
{
	(void)data;
	answer.result = result;
	if (head)
		answer.head = *head;
	if (state)
		(void)buf_printf(&answer.text, "%.*s %.*s", SPAN_FMT(state->type_url),
				 SPAN_FMT(state->value));
	if (error)
		answer.error = *error;
	answer.is_done = true;
}

static enum journal_result get(void)
{
	begin();
	answer.request = journal_get(client.journal, &key, soon(), on_got, &answer);
	assert_true(journal_client_until(&client, &answer.is_done));
	return answer.result;
}

static void updates_and_deletes(void **state)
{
	static const struct attempt second = {1, T1, T2, C2, ""};
	static const struct attempt third = {2, T2, T3, C3, NULL};
	static const struct attempt fourth = {3, T3, T1, C1, "again"};

	(void)state;
	assert_int_equal(get(), JOURNAL_OK);
	assert_true(answer.head.sequence == 0 && buf_len(&answer.text) == 0);
	assert_int_equal(put(&first), JOURNAL_OK);
	assert_true(answer.head.sequence == 1);
	assert_memory_equal(answer.head.tag.bytes, T1, 16);
	ASK("[1 " T1 " 1 S one (nil) (nil)]", "HMGET " HEAD " s g v zt zp zs zw");
	ASK("[[0-1 [e alice s 1 n 0]]]", "XRANGE " FEED " - +");
	ASK("[alice]", "ZRANGE " INDEX " 0 -1");
	ASK("0", "EXISTS " EVENTS);
	assert_int_equal(put(&second), JOURNAL_OK);
	assert_int_equal(get(), JOURNAL_OK);
	assert_true(answer.head.sequence == 2 && span_eq_str(buf_span(&answer.text), "S "));
	assert_int_equal(put(&third), JOURNAL_OK);
	ASK("[3 " T3 " 1 (nil) (nil)]", "HMGET " HEAD " s g v zt zp");
	assert_int_equal(get(), JOURNAL_OK);
	assert_true(answer.head.sequence == 3 && buf_len(&answer.text) == 0);
	assert_int_equal(put(&fourth), JOURNAL_OK);
	assert_int_equal(get(), JOURNAL_OK);
	assert_true(span_eq_str(buf_span(&answer.text), "S again"));
	assert_int_equal(journal_client_verify_now(&client, "alice", &answer.head), JOURNAL_OK);
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
		{"sent again", {0, "", T1, C1, "one"}, JOURNAL_DUP, true},
		{"head's own tag", {0, "", T1, C3, "one"}, JOURNAL_DUP, true},
		{"another attempt", {0, "", T2, C1, "two"}, JOURNAL_DUP, false},
		{"its deletion", {0, "", T2, C1, NULL}, JOURNAL_DUP, false},
		{"stale", {0, "", T2, C2, "two"}, JOURNAL_CONFLICT, false},
		{"another history", {1, T2, T2, C2, "two"}, JOURNAL_CONFLICT, false},
		{"ahead", {2, T1, T2, C2, NULL}, JOURNAL_CONFLICT, false},
	};
	char *digest;

	(void)state;
	assert_int_equal(put(&first), JOURNAL_OK);
	digest = mem_strdup(redis_server_ask(server, "DEBUG DIGEST"));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		UNIT_ROW(rows[i].name, put(&rows[i].attempt) == rows[i].result);
		UNIT_ROW(rows[i].name, answer.is_mine == rows[i].is_mine);
		UNIT_ROW(rows[i].name, answer.head.sequence == 1);
		UNIT_ROW(rows[i].name, memcmp(answer.head.tag.bytes, T1, 16) == 0);
		UNIT_ROW(rows[i].name,
			 strcmp(redis_server_ask(server, "DEBUG DIGEST"), digest) == 0);
	}
	mem_free(digest);
}

/* The tag of write number i, and its command. */
static void name_of(char *text, char kind, unsigned i)
{
	(void)snprintf(text, 17, "%c-%014u", kind, i);
}

static void put_number(unsigned i)
{
	char expected[17] = "";
	char tag[17];
	char command[17];
	struct attempt attempt = {i, expected, tag, command, i % 3 ? "state" : NULL};

	if (i > 0)
		name_of(expected, 't', i - 1);
	name_of(tag, 't', i);
	name_of(command, 'c', i);
	assert_int_equal(put(&attempt), JOURNAL_OK);
}

/* 32 commands are remembered, and not one more; the field does not grow. */
static void remembers_the_last_commands(void **state)
{
	char tag[17];
	char command[17];
	char length[16];
	const struct attempt again = {0, "", tag, command, "x"};

	(void)state;
	for (unsigned i = 0; i < 40; i++)
		put_number(i);
	(void)snprintf(length, sizeof(length), "%d", 1 + KEPT_COMMANDS * KEPT_BYTES);
	ASK(length, "HSTRLEN " HEAD " d");
	for (unsigned i = 0; i < 40; i++) {
		name_of(tag, 't', i);
		name_of(command, 'c', i);
		assert_int_equal(put(&again),
				 i < 40 - KEPT_COMMANDS ? JOURNAL_CONFLICT : JOURNAL_DUP);
		assert_int_equal(answer.is_mine, i >= 40 - KEPT_COMMANDS);
		assert_true(answer.head.sequence == 40);
	}
}

static void never_mixed_with_events(void **state)
{
	const struct journal_head none = {0};
	struct journal_head head;

	(void)state;
	assert_int_equal(put(&first), JOURNAL_OK);
	head = answer.head;
	assert_int_equal(journal_client_append_now(&client, &answer, "alice", &head, "event"),
			 JOURNAL_ERROR);
	assert_int_equal(answer.error.status, ST_FAILED_PRECONDITION);
	assert_false(answer.is_unknown);
	assert_int_equal(journal_client_append_now(&client, &answer, "alice", &none, "event"),
			 JOURNAL_ERROR);
	assert_int_equal(journal_client_load_now(&client, &answer, "alice"), JOURNAL_ERROR);
	assert_int_equal(answer.error.status, ST_FAILED_PRECONDITION);
	ASK("0", "EXISTS " EVENTS);

	ASK("OK", "FLUSHALL");
	assert_int_equal(journal_client_append_now(&client, &answer, "alice", &none, "event"),
			 JOURNAL_OK);
	assert_int_equal(get(), JOURNAL_ERROR);
	assert_int_equal(answer.error.status, ST_FAILED_PRECONDITION);
	assert_int_equal(put(&first), JOURNAL_ERROR);
	assert_int_equal(answer.error.status, ST_FAILED_PRECONDITION);
	assert_false(answer.is_unknown);
	ASK("0", "HEXISTS " HEAD " v");
}

static void erased_takes_nothing(void **state)
{
	static const struct attempt next = {1, T1, T2, C2, "two"};

	(void)state;
	assert_int_equal(put(&first), JOURNAL_OK);
	ASK("1", "HSET " HEAD " x 1700000000001");
	assert_int_equal(put(&next), JOURNAL_ERASED);
	assert_int_equal(get(), JOURNAL_ERASED);
}

static void errors_write_nothing(void **state)
{
	static const struct {
		const char *name;
		const char *spoil;
	} rows[] = {
		{"head is no hash", "SET " HEAD " x"},
		{"feed is no stream", "SET " FEED " x"},
		{"index is no set", "SET " INDEX " x"},
		{"commands are damaged", "HSET " HEAD " s 1 g " T2 " v 1 d zz"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char *digest;

		(void)redis_server_ask(server, "FLUSHALL");
		(void)redis_server_ask(server, rows[i].spoil);
		digest = mem_strdup(redis_server_ask(server, "DEBUG DIGEST"));
		UNIT_ROW(rows[i].name, put(&first) == JOURNAL_ERROR);
		UNIT_ROW(rows[i].name,
			 strcmp(redis_server_ask(server, "DEBUG DIGEST"), digest) == 0);
		mem_free(digest);
	}
}

/* What is refused here is never sent. */
static void too_large(void **state)
{
	char *large = mem_zalloc(JOURNAL_APPEND_BYTES_MAX + 1);
	const struct attempt attempt = {0, "", T1, C1, large};
	const struct attempt last = {JOURNAL_SEQUENCE_MAX, T1, T2, C2, "x"};

	(void)state;
	memset(large, 'x', JOURNAL_APPEND_BYTES_MAX);
	large[JOURNAL_APPEND_BYTES_MAX] = '\0';
	assert_int_equal(put(&attempt), JOURNAL_ERROR);
	assert_int_equal(answer.error.status, ST_RESOURCE_EXHAUSTED);
	assert_int_equal(put(&last), JOURNAL_ERROR);
	assert_int_equal(answer.error.status, ST_OUT_OF_RANGE);
	large[JOURNAL_APPEND_BYTES_MAX - 1] = '\0';
	assert_int_equal(put(&attempt), JOURNAL_OK);
	mem_free(large);
}

/* Redis dies over and over while states are written: every answer is OK, or DUP with our tag. */
static void killed_under_load(void **state)
{
	unsigned done = 0;
	unsigned kills = 0;

	(void)state;
	while (kills < 5) {
		char expected[17] = "";
		char tag[17];
		char command[17];
		const struct attempt attempt = {done, expected, tag, command, "state"};

		if (done > 0)
			name_of(expected, 't', done - 1);
		name_of(tag, 't', done);
		name_of(command, 'c', done);
		start_put(&attempt);
		if (done % 50 == 49) {
			journal_client_run(&client, 1 + kills % 2);
			redis_server_kill(server);
			redis_server_again(server);
			kills++;
		}
		assert_true(journal_client_until(&client, &answer.is_done));
		assert_true(answer.result == JOURNAL_OK ||
			    (answer.result == JOURNAL_DUP && answer.is_mine));
		done++;
		assert_true(answer.head.sequence == done);
	}
	assert_int_equal(get(), JOURNAL_OK);
	assert_true(answer.head.sequence == done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_script_is_missing, setup, teardown),
		cmocka_unit_test_setup_teardown(updates_and_deletes, setup, teardown),
		cmocka_unit_test_setup_teardown(refusals_write_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(remembers_the_last_commands, setup, teardown),
		cmocka_unit_test_setup_teardown(never_mixed_with_events, setup, teardown),
		cmocka_unit_test_setup_teardown(erased_takes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(errors_write_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(too_large, setup, teardown),
		cmocka_unit_test_setup_teardown(killed_under_load, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
