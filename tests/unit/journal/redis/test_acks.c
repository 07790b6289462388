/* Writes that replicas are waited for: WAIT behind them on the same connection, and what it counts.
 */
#include <stdio.h>
#include <string.h>

#include "journal/journal.h"
#include "journal/redis/command.h"
#include "src/base/mem.h"
#include "tests/fakes/fake_redis.h"
#include "tests/fakes/journal_client.h"
#include "tests/unit/unit.h"

#define TAG "0123456789abcdef"
#define APPENDED "*4\r\n$2\r\nOK\r\n$1\r\n1\r\n$16\r\n" TAG "\r\n$3\r\n0-1\r\n"
#define DUP "*4\r\n$3\r\nDUP\r\n$1\r\n1\r\n$16\r\n" TAG "\r\n$16\r\n" TAG "\r\n"
#define HEAD_NONE "*7\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n"

static struct fake_redis *fake;
static struct journal_client client;
static struct journal_answer answer;
static struct journal_answer other;
static const struct journal_attempt attempt = {
	.id = "a",
	.tag = {{'0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'}},
	.payload = "one",
	.timeout_ms = 5000};

static int setup(void **state)
{
	struct redis_journal_params params = journal_client_params();
	struct error err;
	char url[64];

	(void)state;
	memset(&answer, 0, sizeof(answer));
	memset(&other, 0, sizeof(other));
	params.replicas_ack = 2;
	params.ack_timeout_ms = 50;
	assert_int_equal(journal_client_loop(&client, &err), ST_OK);
	fake = fake_redis_open(client.loop);
	(void)snprintf(url, sizeof(url), "redis://127.0.0.1:%u", fake_redis_port(fake));
	fake_redis_answer(fake, FAKE_REDIS_REPLY, ":2\r\n"); /* of the greeting */
	assert_int_equal(journal_client_open(&client, url, &params, &err), ST_OK);
	assert_true(journal_client_wait(&client, true));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	journal_answer_fini(&answer);
	journal_answer_fini(&other);
	fake_redis_close(fake);
	journal_client_close(&client);
	return 0;
}

struct row {
	const char *name;
	const char *reply;
	const char *acks;
	enum journal_result result;
	const char *text;
};

static const struct row rows[] = {
	{"as many as wanted", APPENDED, ":2\r\n", JOURNAL_OK, NULL},
	{"more", APPENDED, ":3\r\n", JOURNAL_OK, NULL},
	{"one less", APPENDED, ":1\r\n", JOURNAL_ERROR, "1 of 2 replicas"},
	{"none", APPENDED, ":0\r\n", JOURNAL_ERROR, "0 of 2 replicas"},
	{"WAIT is refused", APPENDED, "-NOPERM no\r\n", JOURNAL_ERROR, "refused to wait"},
	{"it had happened, and counts now", DUP, ":2\r\n", JOURNAL_DUP, NULL},
	{"it had happened, and does not count", DUP, ":1\r\n", JOURNAL_ERROR, "1 of 2 replicas"},
};

static void what_counts(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *row = &rows[i];

		if (i) {
			teardown(state);
			setup(state);
		}
		print_message("# %s\n", row->name);
		fake_redis_answer(fake, FAKE_REDIS_REPLY, row->reply);
		fake_redis_answer(fake, FAKE_REDIS_REPLY, row->acks);
		journal_client_append(&client, &answer, &attempt);
		assert_true(journal_client_until(&client, &answer.is_done));
		assert_string_equal(fake_redis_command(fake, 2), "WAIT 2 50");
		assert_int_equal(answer.result, row->result);
		assert_int_equal(answer.is_unknown, row->text != NULL);
		assert_int_equal(answer.calls, 1);
		if (row->text) {
			assert_non_null(strstr(answer.error.message, row->text));
			assert_int_equal(answer.error.status, ST_UNAVAILABLE);
			assert_true(journal_client_wait_reason(&client, row->text));
		}
	}
}

/* Ready again when the probe's WAIT counts enough. */
static void ready_when_they_are_back(void **state)
{
	(void)state;
	fake_redis_answer(fake, FAKE_REDIS_REPLY, APPENDED);
	fake_redis_answer(fake, FAKE_REDIS_REPLY, ":1\r\n");
	fake_redis_answer(fake, FAKE_REDIS_REPLY, ":0\r\n");
	fake_redis_answer(fake, FAKE_REDIS_REPLY, ":2\r\n");
	journal_client_append(&client, &answer, &attempt);
	assert_true(journal_client_wait_reason(&client, "1 of 2"));
	assert_true(journal_client_wait_reason(&client, "0 of 2"));
	assert_true(journal_client_wait(&client, true));
}

/* The connection breaks between the reply and WAIT's: no acknowledgement, the same append again. */
static void breaks_in_between(void **state)
{
	(void)state;
	fake_redis_answer(fake, FAKE_REDIS_REPLY, APPENDED);
	fake_redis_answer(fake, FAKE_REDIS_CUT, NULL);
	fake_redis_answer(fake, FAKE_REDIS_REPLY, ":2\r\n"); /* of the greeting */
	fake_redis_answer(fake, FAKE_REDIS_REPLY, DUP);
	fake_redis_answer(fake, FAKE_REDIS_REPLY, ":2\r\n");
	journal_client_append(&client, &answer, &attempt);
	assert_true(journal_client_until(&client, &answer.is_done));
	assert_int_equal(answer.result, JOURNAL_DUP);
	assert_true(answer.is_mine);
	assert_int_equal(fake_redis_count(fake), 6);
	assert_string_equal(fake_redis_command(fake, 1), fake_redis_command(fake, 4));
}

/* One WAIT for all of a turn, and what comes meanwhile waits for the next. */
static void shared_by_a_turn(void **state)
{
	struct journal_answer third = {0};

	(void)state;
	fake_redis_answer(fake, FAKE_REDIS_REPLY, APPENDED);
	fake_redis_answer(fake, FAKE_REDIS_REPLY, APPENDED);
	journal_client_append(&client, &answer, &attempt);
	journal_client_append_new(&client, &other, "b", &attempt.expected, "x", 5000);
	while (fake_redis_count(fake) < 4)
		journal_client_run(&client, 1);
	assert_string_equal(fake_redis_command(fake, 3), "WAIT 2 50");
	journal_client_append_new(&client, &third, "c", &attempt.expected, "x", 5000);
	journal_client_run(&client, 20);
	assert_int_equal(fake_redis_count(fake), 4);
	assert_false(answer.is_done || other.is_done);
	fake_redis_answer(fake, FAKE_REDIS_REPLY, APPENDED);
	fake_redis_answer(fake, FAKE_REDIS_REPLY, ":2\r\n");
	fake_redis_say(fake, ":2\r\n");
	assert_true(journal_client_until(&client, &answer.is_done));
	assert_true(journal_client_until(&client, &third.is_done));
	assert_int_equal(answer.result, JOURNAL_OK);
	assert_int_equal(other.result, JOURNAL_OK);
	assert_int_equal(third.result, JOURNAL_OK);
	journal_answer_fini(&third);
}

/* Too few replicas to begin with: not ready, and says why, until they are there. */
static void too_few_to_begin_with(void **state)
{
	(void)state;
	fake_redis_answer(fake, FAKE_REDIS_REPLY, ":1\r\n");
	fake_redis_answer(fake, FAKE_REDIS_REPLY, ":2\r\n");
	fake_redis_disconnect(fake);
	assert_true(journal_client_wait_reason(&client, "1 replicas of this redis"));
	assert_true(journal_client_wait(&client, true));
}

/* An error was no write: it is not kept until the WAIT. */
static void an_error_comes_at_once(void **state)
{
	(void)state;
	fake_redis_answer(fake, FAKE_REDIS_REPLY, "-ERR no\r\n");
	journal_client_append(&client, &answer, &attempt);
	assert_true(journal_client_until(&client, &answer.is_done));
	assert_int_equal(answer.result, JOURNAL_ERROR);
	assert_false(answer.is_unknown);
}

/* Whoever loads writes behind what was read, and shows nothing before the replicas have that. */
static void loads_are_claims(void **state)
{
	char want[128];

	(void)state;
	fake_redis_answer(fake, FAKE_REDIS_REPLY, HEAD_NONE);
	fake_redis_answer(fake, FAKE_REDIS_REPLY, ":2\r\n");
	assert_int_equal(journal_client_load_now(&client, &answer, "a"), JOURNAL_OK);
	(void)snprintf(want, sizeof(want), "EVALSHA %s 2 hg1:ns:{",
		       redis_script_sha(REDIS_SCRIPT_CLAIM));
	assert_memory_equal(fake_redis_command(fake, 1), want, strlen(want));
	assert_string_equal(fake_redis_command(fake, 2), "WAIT 2 50");
	fake_redis_answer(fake, FAKE_REDIS_REPLY, HEAD_NONE);
	fake_redis_answer(fake, FAKE_REDIS_REPLY, ":1\r\n");
	assert_int_equal(journal_client_load_now(&client, &answer, "a"), JOURNAL_ERROR);
	assert_non_null(strstr(answer.error.message, "1 of 2 replicas"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(ready_when_they_are_back, setup, teardown),
		cmocka_unit_test_setup_teardown(breaks_in_between, setup, teardown),
		cmocka_unit_test_setup_teardown(shared_by_a_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(too_few_to_begin_with, setup, teardown),
		cmocka_unit_test_setup_teardown(an_error_comes_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(loads_are_claims, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
