/* The journal against a server that drops, delays and garbles its replies. */
#include "journal/redis/connection.h"

#include <stdio.h>
#include <string.h>

#include "journal/redis/command.h"
#include "src/base/clock.h"
#include "src/base/metrics.h"
#include "src/runtime/loop.h"
#include "tests/fakes/fake_redis.h"
#include "tests/fakes/journal_client.h"
#include "tests/unit/unit.h"

#define TAG "tttttttttttttttt"
#define OTHER "oooooooooooooooo"
#define OK_AT(feed) "*4\r\n$2\r\nOK\r\n$1\r\n1\r\n$16\r\n" TAG "\r\n$3\r\n0-" feed "\r\n"
#define OK_1 OK_AT("1")
#define DUP_MINE "*4\r\n$3\r\nDUP\r\n$1\r\n1\r\n$16\r\n" TAG "\r\n$16\r\n" TAG "\r\n"
#define DUP_OTHER "*4\r\n$3\r\nDUP\r\n$1\r\n1\r\n$16\r\n" OTHER "\r\n$16\r\n" OTHER "\r\n"
#define CONFLICT "*3\r\n$8\r\nCONFLICT\r\n$1\r\n1\r\n$16\r\n" OTHER "\r\n"
#define NO_HEAD "*3\r\n$-1\r\n$-1\r\n$-1\r\n"

static struct journal_client client;
static struct fake_redis *fake;
static struct journal_answer answer;
static const struct journal_head none;

static void open_with(const char *auth, const struct redis_journal_params *params)
{
	char url[128];
	struct error err;

	/* The port is known once the fake listens, and it listens on the client's loop. */
	assert_int_equal(journal_client_loop(&client, &err), ST_OK);
	fake = fake_redis_open(client.loop);
	(void)snprintf(url, sizeof(url), "redis://%s127.0.0.1:%u/%s", auth, fake_redis_port(fake),
		       auth[0] ? "3" : "");
	assert_int_equal(journal_client_open(&client, url, params, &err), ST_OK);
}

static int setup(void **state)
{
	(void)state;
	open_with("", NULL);
	assert_true(journal_client_wait(&client, true));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	journal_answer_fini(&answer);
	memset(&answer, 0, sizeof(answer));
	journal_close(client.journal);
	client.journal = NULL;
	fake_redis_close(fake);
	journal_client_close(&client);
	return 0;
}

static struct journal_id id_of(const char *text)
{
	struct journal_id id;

	memcpy(id.bytes, text, sizeof(id.bytes));
	return id;
}

static void start_append(struct journal_answer *into, uint64_t timeout_ms)
{
	const struct journal_attempt attempt = {
		"alice", none, id_of(TAG), id_of("cccccccccccccccc"), "one", timeout_ms};

	journal_client_append(&client, into, &attempt);
}

static void append(void)
{
	start_append(&answer, 5000);
	assert_true(journal_client_until(&client, &answer.is_done));
	assert_int_equal(answer.calls, 1);
}

static int64_t resends(void)
{
	return metrics_value(metrics_series(client.metrics, METRIC_JOURNAL_RESENDS, NULL, 0));
}

/* ---- lost replies --------------------------------------------------------------------------- */
/* What may happen to the first sending, and what the answer to the next one then means. */
static void a_lost_reply_is_asked_for_again(void **state)
{
	static const struct {
		const char *name;
		enum fake_redis_does does;
		const char *text;
		const char *then;
		enum journal_result result;
		bool is_mine;
		bool is_unknown;
		int64_t resends;
	} rows[] = {
		{"cut, had happened", FAKE_REDIS_CUT, NULL, DUP_MINE, JOURNAL_DUP, true, false, 1},
		{"cut, had not", FAKE_REDIS_CUT, NULL, OK_1, JOURNAL_OK, false, false, 1},
		{"cut, another was first", FAKE_REDIS_CUT, NULL, CONFLICT, JOURNAL_CONFLICT, false,
		 false, 1},
		{"cut, another did the command", FAKE_REDIS_CUT, NULL, DUP_OTHER, JOURNAL_DUP,
		 false, false, 1},
		{"cut in the middle of the reply", FAKE_REDIS_CUT, "*4\r\n$2\r\nOK\r\n$1\r\n1\r",
		 DUP_MINE, JOURNAL_DUP, true, false, 1},
		{"silence", FAKE_REDIS_SILENT, NULL, DUP_MINE, JOURNAL_DUP, true, false, 1},
		{"half a reply, then silence", FAKE_REDIS_REPLY, "*4\r\n$2\r\nOK", DUP_MINE,
		 JOURNAL_DUP, true, false, 1},
		{"no RESP", FAKE_REDIS_REPLY, "HTTP/1.1 200 OK\r\n", DUP_MINE, JOURNAL_DUP, true,
		 false, 1},
		{"endless array", FAKE_REDIS_REPLY, "*2000000000\r\n",
		 "-OOM command not allowed\r\n", JOURNAL_ERROR, false, true, 0},
		{"cut, then refused", FAKE_REDIS_CUT, NULL, "-OOM command not allowed\r\n",
		 JOURNAL_ERROR, false, true, 1},
		{"not executed", FAKE_REDIS_REPLY, "-LOADING Redis is loading\r\n", OK_1,
		 JOURNAL_OK, false, false, 0},
		{"read only replica", FAKE_REDIS_REPLY, "-READONLY You can't write\r\n", OK_1,
		 JOURNAL_OK, false, false, 0},
		{"no script", FAKE_REDIS_REPLY, "-NOSCRIPT No matching script.\r\n", OK_1,
		 JOURNAL_OK, false, false, 0},
		{"refused at once", FAKE_REDIS_REPLY, "-OOM command not allowed\r\n", NULL,
		 JOURNAL_ERROR, false, false, 0},
		{"no append's answer", FAKE_REDIS_REPLY, "+OK\r\n", NULL, JOURNAL_ERROR, false,
		 true, 0},
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		(void)setup(state);
		fake_redis_answer(fake, rows[i].does, rows[i].text);
		fake_redis_answer(fake, FAKE_REDIS_REPLY, rows[i].then);
		append();
		UNIT_ROW(rows[i].name, answer.result == rows[i].result);
		UNIT_ROW(rows[i].name, answer.is_mine == rows[i].is_mine);
		UNIT_ROW(rows[i].name, answer.is_unknown == rows[i].is_unknown);
		if (strcmp(rows[i].name, "endless array") != 0) /* fails at once, see below */
			UNIT_ROW(rows[i].name, resends() == rows[i].resends);
		(void)teardown(state);
	}
}

static void it_is_the_same_append_that_is_sent_again(void **state)
{
	(void)state;
	fake_redis_answer(fake, FAKE_REDIS_CUT, NULL);
	fake_redis_answer(fake, FAKE_REDIS_CUT, "*4\r\n$3\r\nDUP");
	fake_redis_answer(fake, FAKE_REDIS_SILENT, NULL);
	fake_redis_answer(fake, FAKE_REDIS_REPLY, DUP_MINE);
	append();
	assert_int_equal(answer.result, JOURNAL_DUP);
	assert_int_equal(fake_redis_count(fake), 4);
	assert_int_equal(fake_redis_connections(fake), 4);
	assert_int_equal(resends(), 3);
	for (size_t i = 1; i < 4; i++)
		assert_string_equal(fake_redis_command(fake, i), fake_redis_command(fake, 0));
}

static void source_goes_where_the_script_is_missing(void **state)
{
	(void)state;
	fake_redis_answer(fake, FAKE_REDIS_REPLY, "-NOSCRIPT No matching script.\r\n");
	fake_redis_answer(fake, FAKE_REDIS_REPLY, OK_1);
	append();
	assert_int_equal(answer.result, JOURNAL_OK);
	assert_int_equal(strncmp(fake_redis_command(fake, 0), "EVALSHA ", 8), 0);
	assert_int_equal(strncmp(fake_redis_command(fake, 1), "EVAL #!lua\n", 11), 0);
	assert_int_equal(fake_redis_connections(fake), 1);
}

/* ---- pairing -------------------------------------------------------------------------------- */
static void one_turn_is_one_write(void **state)
{
	struct journal_answer more[3] = {0};

	(void)state;
	start_append(&answer, 5000);
	journal_client_verify(&client, &more[0], "bob", &none, 5000);
	start_append(&more[1], 5000);
	journal_client_load(&client, &more[2], "carol", 5000);
	while (fake_redis_count(fake) < 4)
		journal_client_run(&client, 1);
	assert_int_equal(fake_redis_reads(fake), 1);
	fake_redis_say(fake, OK_1 NO_HEAD CONFLICT
		       "*7\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n");
	assert_true(journal_client_until(&client, &more[2].is_done));
	assert_int_equal(answer.result, JOURNAL_OK);
	assert_int_equal(more[0].result, JOURNAL_OK);
	assert_int_equal(more[1].result, JOURNAL_CONFLICT);
	assert_int_equal(more[2].result, JOURNAL_OK);
	for (size_t i = 0; i < 3; i++)
		journal_answer_fini(&more[i]);
}

static void the_deadline_leaves_the_outcome_open(void **state)
{
	struct journal_answer next = {0};

	(void)state;
	start_append(&answer, 30);
	assert_true(journal_client_until(&client, &answer.is_done));
	assert_int_equal(answer.result, JOURNAL_ERROR);
	assert_int_equal(answer.error.status, ST_UNAVAILABLE);
	assert_non_null(strstr(answer.error.message, "outcome is unknown"));
	assert_true(answer.is_unknown);
	/* The late reply is not the next command's. */
	start_append(&next, 5000);
	while (fake_redis_count(fake) < 2)
		journal_client_run(&client, 1);
	fake_redis_say(fake, OK_1 CONFLICT);
	assert_true(journal_client_until(&client, &next.is_done));
	assert_int_equal(next.result, JOURNAL_CONFLICT);
	assert_int_equal(answer.calls, 1);
	assert_int_equal(fake_redis_connections(fake), 1);
	journal_answer_fini(&next);
}

static void cancelled_is_silent_and_keeps_its_place(void **state)
{
	struct journal_answer gone[3] = {0};

	(void)state;
	start_append(&gone[0], 5000);
	journal_cancel(gone[0].request); /* before it was sent: it never is */
	start_append(&gone[1], 5000);
	while (fake_redis_count(fake) < 1)
		journal_client_run(&client, 1);
	journal_cancel(gone[1].request);
	start_append(&answer, 5000);
	journal_client_load(&client, &gone[2], "x", 5000);
	while (fake_redis_count(fake) < 3)
		journal_client_run(&client, 1);
	journal_cancel(gone[2].request);
	fake_redis_say(fake, CONFLICT OK_1);
	assert_true(journal_client_until(&client, &answer.is_done));
	assert_int_equal(answer.result, JOURNAL_OK);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(gone[i].calls, 0);
		journal_answer_fini(&gone[i]);
	}
	journal_cancel(NULL);
}

static void cancelled_is_not_sent_again(void **state)
{
	(void)state;
	start_append(&answer, 5000);
	while (fake_redis_count(fake) < 1)
		journal_client_run(&client, 1);
	journal_cancel(answer.request);
	fake_redis_say(fake, "?\r\n");
	while (fake_redis_connections(fake) < 2)
		journal_client_run(&client, 1);
	assert_true(journal_client_wait(&client, true));
	journal_client_run(&client, 20);
	assert_int_equal(fake_redis_count(fake), 1);
}

static void a_reply_nobody_asked_for_ends_the_connection(void **state)
{
	(void)state;
	fake_redis_say(fake, "+OK\r\n");
	assert_true(journal_client_wait_reason(&client, "nobody asked for"));
	assert_true(journal_client_wait(&client, true));
	assert_int_equal(fake_redis_connections(fake), 2);
}

static void closing_with_everything_pending(void **state)
{
	struct journal_answer other = {0};

	(void)state;
	start_append(&answer, 10);
	assert_true(journal_client_until(&client, &answer.is_done)); /* an orphan now */
	start_append(&answer, 5000);
	journal_client_load(&client, &other, "x", 5000);
	while (fake_redis_count(fake) < 3)
		journal_client_run(&client, 1);
	journal_close(client.journal);
	client.journal = NULL;
	assert_int_equal(answer.calls + other.calls, 0);
	journal_answer_fini(&other);
}

/* ---- limits and health ---------------------------------------------------------------------- */
static void too_many_are_refused(void **state)
{
	struct redis_journal_params params = journal_client_params();
	struct journal_answer two[2] = {0};

	(void)state;
	params.max_pending = 2;
	open_with("", &params);
	start_append(&two[0], 5000);
	start_append(&two[1], 5000);
	start_append(&answer, 5000);
	assert_true(journal_client_until(&client, &answer.is_done));
	assert_int_equal(answer.error.status, ST_RESOURCE_EXHAUSTED);
	assert_false(answer.is_unknown);
	assert_false(two[0].is_done || two[1].is_done);
	fake_redis_answer(fake, FAKE_REDIS_REPLY, OK_1);
	fake_redis_answer(fake, FAKE_REDIS_REPLY, OK_AT("2"));
	assert_true(journal_client_until(&client, &two[1].is_done));
	fake_redis_answer(fake, FAKE_REDIS_REPLY, OK_AT("3"));
	append();
	assert_int_equal(answer.result, JOURNAL_OK);
	journal_answer_fini(&two[0]);
	journal_answer_fini(&two[1]);
}

/* A caller that knows no patience: it asks again from within its failure. */
struct impatient {
	unsigned failures;
	bool is_enough;
};

static void ask_impatiently(struct impatient *impatient);

static void on_impatient(void *data, enum journal_result result, const struct error *error)
{
	struct impatient *impatient = data;

	assert_int_equal(result, JOURNAL_ERROR);
	assert_int_equal(error->status, ST_RESOURCE_EXHAUSTED);
	impatient->failures++;
	if (!impatient->is_enough)
		ask_impatiently(impatient);
}

static void ask_impatiently(struct impatient *impatient)
{
	const struct journal_key key = {SPAN_LIT("cart"), SPAN_LIT("alice")};

	(void)journal_verify(client.journal, &key, &none,
			     clock_deadline(clock_mono_ns(), 5000 * NS_PER_MS), on_impatient,
			     impatient);
}

static void asking_again_from_a_failure_ends_the_turn(void **state)
{
	struct redis_journal_params params = journal_client_params();
	struct impatient impatient = {0};
	uint64_t start_ns = clock_mono_ns();

	(void)state;
	params.max_pending = 1;
	open_with("", &params);
	start_append(&answer, 5000); /* the only one there may be */
	ask_impatiently(&impatient);
	journal_client_run(&client, 20);
	/* about one a millisecond */
	assert_in_range(impatient.failures, 2, (clock_mono_ns() - start_ns) / NS_PER_MS + 2);
	fake_redis_answer(fake, FAKE_REDIS_REPLY, OK_1);
	assert_true(journal_client_until(&client, &answer.is_done));
	assert_int_equal(answer.result, JOURNAL_OK);
	impatient.is_enough = true;
	journal_client_run(&client, 5);
}

static void the_pipeline_has_a_limit(void **state)
{
	struct redis_journal_params params = journal_client_params();
	struct journal_answer two[2] = {0};

	(void)state;
	params.pipeline_max = 2;
	open_with("", &params);
	assert_true(journal_client_wait(&client, true));
	start_append(&two[0], 5000);
	start_append(&two[1], 5000);
	start_append(&answer, 5000);
	while (fake_redis_count(fake) < 2)
		journal_client_run(&client, 1);
	journal_client_run(&client, 20);
	assert_int_equal(fake_redis_count(fake), 2);
	fake_redis_say(fake, OK_1);
	while (fake_redis_count(fake) < 3)
		journal_client_run(&client, 1);
	assert_true(two[0].is_done);
	fake_redis_say(fake, OK_1 CONFLICT);
	assert_true(journal_client_until(&client, &answer.is_done));
	assert_int_equal(two[1].result, JOURNAL_OK);
	assert_int_equal(answer.result, JOURNAL_CONFLICT);
	journal_answer_fini(&two[0]);
	journal_answer_fini(&two[1]);
}

static void a_password_beside_the_url(void **state)
{
	struct redis_journal_params params = journal_client_params();

	(void)state;
	params.password = "from a file";
	open_with("", &params);
	assert_true(journal_client_wait(&client, true));
	assert_int_equal(fake_redis_count_of(fake, "AUTH"), 1);
	assert_string_equal(fake_redis_last(fake, "AUTH"), "AUTH from a file");
}

static void a_full_disk_is_not_ready_until_a_probe_passes(void **state)
{
	(void)state;
	fake_redis_greeting(fake, "PROBE", "-MISCONF Errors writing to the AOF file\r\n");
	fake_redis_answer(fake, FAKE_REDIS_REPLY, "-MISCONF Errors writing to the AOF file\r\n");
	append();
	assert_int_equal(answer.error.status, ST_UNAVAILABLE);
	assert_true(journal_client_wait_reason(&client, "MISCONF"));
	while (fake_redis_count_of(fake, "PROBE") < 2)
		journal_client_run(&client, 10);
	assert_true(journal_client_wait_reason(&client, "MISCONF"));
	fake_redis_greeting(fake, "PROBE", NULL);
	assert_true(journal_client_wait(&client, true));
	assert_int_equal(fake_redis_connections(fake), 1);
}

/* The fake names each by its source, and a wrong name would not be ready. */
static void every_script_is_loaded_before_the_first_call(void **state)
{
	(void)state;
	assert_int_equal(fake_redis_count_of(fake, "SCRIPT"), REDIS_SCRIPTS_LOADED_);
	fake_redis_say(fake, "?\r\n");
	assert_true(journal_client_wait(&client, false));
	assert_true(journal_client_wait(&client, true));
	assert_int_equal(fake_redis_count_of(fake, "SCRIPT"), 2 * REDIS_SCRIPTS_LOADED_);
}

/* ---- greeting ------------------------------------------------------------------------------- */
static void refusals_of_the_greeting(void **state)
{
	static const struct {
		const char *name;
		const char *command;
		const char *text;
		const char *says; /* NULL: it does not matter */
	} rows[] = {
		{"wrong password", "AUTH", "-WRONGPASS invalid username-password pair\r\n",
		 "WRONGPASS"},
		{"no database", "SELECT", "-ERR DB index is out of range\r\n", "out of range"},
		{"too old", "SCRIPT",
		 "-ERR Error compiling script (new function): unexpected '#'\r\n", "7.0 or newer"},
		{"loading", "SCRIPT", "-LOADING Redis is loading the dataset in memory\r\n",
		 "loading the dataset"},
		{"another script", "SCRIPT", "$40\r\n0123456789012345678901234567890123456789\r\n",
		 "names a script of ours otherwise"},
		{"scripts may not be loaded", "SCRIPT", "-NOPERM no permissions\r\n", NULL},
		{"configuration is secret", "CONFIG", "-NOPERM no permissions\r\n", NULL},
		{"configuration is strange", "CONFIG", "*1\r\n+x\r\n", NULL},
		{"replica", "EVAL", "-READONLY You can't write against a read only replica.\r\n",
		 "READONLY"},
		{"meta is strange", "EVAL", "+x\r\n", "no meta"},
		{"meta is half there", "EVAL", "*3\r\n$1\r\n1\r\n$2\r\n64\r\n$-1\r\n", "damaged"},
		{"meta of another type", "EVAL", "-WRONGTYPE Operation against a key\r\n",
		 "WRONGTYPE"},
		{"keys are forbidden", "PROBE", "-NOPERM No permissions to access a key\r\n",
		 "NOPERM"},
		{"cluster", "PROBE", "-MOVED 13006 10.77.0.3:7003\r\n", "MOVED"},
		{"full memory", "PROBE", "-OOM command not allowed\r\n", NULL},
		{"too few replicas", "PROBE", "-NOREPLICAS Not enough good replicas\r\n", NULL},
		{"probe appended", "PROBE", OK_1, "probe was appended"},
		{"no RESP", "PROBE", "HTTP/1.1 400\r\n", "malformed"},
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *reason = NULL;

		open_with("user:pass@", NULL);
		fake_redis_greeting(fake, rows[i].command, rows[i].text);
		if (rows[i].says)
			UNIT_ROW(rows[i].name, journal_client_wait_reason(&client, rows[i].says));
		else
			UNIT_ROW(rows[i].name, journal_client_wait(&client, true));
		UNIT_ROW(rows[i].name, journal_is_ready(client.journal, &reason) == !rows[i].says);
		fake_redis_greeting(fake, rows[i].command, NULL);
		UNIT_ROW(rows[i].name, journal_client_wait(&client, true));
		(void)teardown(state);
	}
}

static void says_who_it_is(void **state)
{
	(void)state;
	open_with("user:p%40ss@", NULL);
	assert_true(journal_client_wait(&client, true));
	assert_string_equal(fake_redis_last(fake, "AUTH"), "AUTH user p@ss");
	assert_string_equal(fake_redis_last(fake, "SELECT"), "SELECT 3");
}

static void a_new_journal_is_made(void **state)
{
	(void)state;
	open_with("", NULL);
	fake_redis_greeting(fake, "EVAL", "*3\r\n$-1\r\n$-1\r\n$-1\r\n");
	while (fake_redis_count_of(fake, "SCAN") == 0)
		journal_client_run(&client, 1);
	fake_redis_greeting(fake, "EVAL", NULL);
	assert_true(journal_client_wait(&client, true));
	assert_string_equal(journal_durability(client.journal), "everysec");
}

static void a_guest_makes_none(void **state)
{
	struct redis_journal_params params = journal_client_params();

	(void)state;
	params.is_guest = true;
	open_with("", &params);
	fake_redis_greeting(fake, "EVAL", "*3\r\n$-1\r\n$-1\r\n$-1\r\n");
	assert_true(journal_client_wait_reason(&client, "there is no journal with the namespace"));
	assert_int_equal(fake_redis_count_of(fake, "SCAN"), 0);
	assert_int_equal(fake_redis_count_of(fake, "EVAL"), 1);
}

static void silence_in_the_greeting_is_not_waited_for(void **state)
{
	(void)state;
	open_with("", NULL);
	fake_redis_greeting(fake, "PROBE", "");
	assert_true(journal_client_wait_reason(&client, "did not answer within 200 ms"));
	fake_redis_greeting(fake, "PROBE", NULL);
	assert_true(journal_client_wait(&client, true));
}

static void every_change_is_told(void **state)
{
	unsigned before = client.state_changes;

	(void)state;
	journal_client_run(&client, 5);
	before = client.state_changes;
	assert_true(before >= 1);
	fake_redis_say(fake, "?\r\n");
	assert_true(journal_client_wait(&client, false));
	assert_true(journal_client_wait(&client, true));
	journal_client_run(&client, 5);
	assert_int_equal(client.state_changes, before + 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lost_reply_is_asked_for_again),
		TEST(it_is_the_same_append_that_is_sent_again),
		TEST(source_goes_where_the_script_is_missing),
		TEST(one_turn_is_one_write),
		TEST(the_deadline_leaves_the_outcome_open),
		TEST(cancelled_is_silent_and_keeps_its_place),
		TEST(cancelled_is_not_sent_again),
		TEST(a_reply_nobody_asked_for_ends_the_connection),
		TEST(closing_with_everything_pending),
		cmocka_unit_test_teardown(too_many_are_refused, teardown),
		cmocka_unit_test_teardown(asking_again_from_a_failure_ends_the_turn, teardown),
		cmocka_unit_test_teardown(the_pipeline_has_a_limit, teardown),
		cmocka_unit_test_teardown(a_password_beside_the_url, teardown),
		TEST(a_full_disk_is_not_ready_until_a_probe_passes),
		TEST(every_script_is_loaded_before_the_first_call),
		cmocka_unit_test(refusals_of_the_greeting),
		cmocka_unit_test_teardown(says_who_it_is, teardown),
		cmocka_unit_test_teardown(a_new_journal_is_made, teardown),
		cmocka_unit_test_teardown(a_guest_makes_none, teardown),
		cmocka_unit_test_teardown(silence_in_the_greeting_is_not_waited_for, teardown),
		TEST(every_change_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
