/* The contract of journal.h, asked of both implementations: what tests of others believe of the
 * journal in memory is what Redis does. */
#include "journal/journal.h"

#include <string.h>

#include "src/runtime/loop.h"
#include "tests/fakes/fake_journal.h"
#include "tests/fakes/journal_client.h"
#include "tests/fakes/redis_server.h"
#include "tests/unit/unit.h"

static const struct journal_head none;
static struct redis_server *server;
static struct journal_client client;
static struct journal_answer answer;

static int open_fake(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(journal_client_loop(&client, &err), ST_OK);
	client.journal = fake_journal_base(fake_journal_new(client.loop));
	return 0;
}

static int open_redis(void **state)
{
	struct error err;

	(void)state;
	server = redis_server_start(NULL);
	memset(&client, 0, sizeof(client));
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
	server = NULL;
	return 0;
}

static enum journal_result append(const char *id, struct journal_head expected,
				  struct journal_id tag, struct journal_id command)
{
	const struct journal_attempt attempt = {id, expected, tag, command, "event", 5000};

	journal_client_append(&client, &answer, &attempt);
	assert_false(answer.is_done); /* never from inside the call */
	assert_true(journal_client_until(&client, &answer.is_done));
	return answer.result;
}

static bool is_head(uint64_t sequence, const struct journal_id *tag)
{
	return answer.head.sequence == sequence && memcmp(&answer.head.tag, tag, sizeof(*tag)) == 0;
}

static void results_of_append(void **state)
{
	struct journal_id t1 = journal_new_id(client.journal);
	struct journal_id t2 = journal_new_id(client.journal);
	struct journal_id c1 = journal_new_id(client.journal);
	struct journal_id c2 = journal_new_id(client.journal);
	struct journal_head first = {1, t1};

	(void)state;
	assert_int_equal(append("a", none, t1, c1), JOURNAL_OK);
	assert_true(is_head(1, &t1));
	assert_int_equal(append("a", none, t1, c1), JOURNAL_DUP);
	assert_true(answer.is_mine && is_head(1, &t1));
	assert_int_equal(append("a", none, t2, c1), JOURNAL_DUP);
	assert_true(!answer.is_mine && is_head(1, &t1));
	assert_int_equal(append("a", none, t2, c2), JOURNAL_CONFLICT);
	assert_true(is_head(1, &t1));
	first.tag = t2;
	assert_int_equal(append("a", first, t2, c2), JOURNAL_CONFLICT);
	first.tag = t1;
	assert_int_equal(append("a", first, t2, c2), JOURNAL_OK);
	assert_true(is_head(2, &t2));
	/* Further on, a command that is long there is a duplicate still. */
	assert_int_equal(append("a", none, t1, c1), JOURNAL_DUP);
	assert_true(answer.is_mine && is_head(2, &t2));
	assert_int_equal(append("b", first, t2, c2), JOURNAL_CONFLICT);
	assert_true(is_head(0, &none.tag));
}

static void verify_and_load(void **state)
{
	struct journal_head old;

	(void)state;
	assert_int_equal(journal_client_verify_now(&client, "a", &none), JOURNAL_OK);
	assert_int_equal(journal_client_load_now(&client, &answer, "a"), JOURNAL_OK);
	assert_true(answer.head.sequence == 0 && answer.pages == 0);
	assert_int_equal(journal_client_append_now(&client, &answer, "a", &none, "one"),
			 JOURNAL_OK);
	old = answer.head;
	assert_int_equal(journal_client_verify_now(&client, "a", &none), JOURNAL_CONFLICT);
	assert_int_equal(journal_client_append_now(&client, &answer, "a", &old, "two"), JOURNAL_OK);
	assert_int_equal(journal_client_verify_now(&client, "a", &answer.head), JOURNAL_OK);
	assert_int_equal(journal_client_verify_now(&client, "a", &old), JOURNAL_CONFLICT);
	assert_int_equal(journal_client_load_now(&client, &answer, "a"), JOURNAL_OK);
	assert_true(span_eq_str(buf_span(&answer.text), "one\ntwo\n"));
	assert_int_equal(answer.pages, 1);
	assert_int_equal(answer.calls, 1);
}

static void batch_with_snapshot(void **state)
{
	const struct journal_any events[] = {{SPAN_LIT("T"), SPAN_LIT("one")},
					     {SPAN_LIT("T"), SPAN_LIT("two")}};
	const struct journal_any snapshot = {SPAN_LIT("S"), SPAN_LIT("both")};
	const struct journal_append batch = {
		.key = {SPAN_LIT("cart"), SPAN_LIT("a")},
		.tag = journal_new_id(client.journal),
		.command = journal_new_id(client.journal),
		.events = events,
		.event_count = 2,
		.snapshot = &snapshot,
	};

	(void)state;
	memset(&answer, 0, sizeof(answer));
	answer.request = journal_append(client.journal, &batch, UINT64_MAX,
					journal_client_on_append, &answer);
	assert_true(journal_client_until(&client, &answer.is_done));
	assert_int_equal(answer.result, JOURNAL_OK);
	assert_true(answer.head.sequence == 2);
	assert_int_equal(journal_client_load_now(&client, &answer, "a"), JOURNAL_OK);
	assert_true(answer.snapshot_sequence == 2 && answer.pages == 0);
	assert_int_equal(journal_client_append_now(&client, &answer, "a", &answer.head, "three"),
			 JOURNAL_OK);
	assert_int_equal(journal_client_load_now(&client, &answer, "a"), JOURNAL_OK);
	assert_true(span_eq_str(buf_span(&answer.text), "both@2\nthree\n"));
}

static void cancel_is_silence(void **state)
{
	struct journal_answer gone[2] = {0};

	(void)state;
	journal_client_append_new(&client, &gone[0], "a", &none, "x", 5000);
	journal_client_load(&client, &gone[1], "a", 5000);
	journal_cancel(gone[0].request);
	journal_cancel(gone[1].request);
	assert_int_equal(journal_client_verify_now(&client, "b", &none), JOURNAL_OK);
	for (size_t i = 0; i < COUNT_OF(gone); i++) {
		assert_int_equal(gone[i].calls, 0);
		assert_true(gone[i].head.sequence == 0);
		journal_answer_fini(&gone[i]);
	}
}

/* ---- what only the fake can do -------------------------------------------------------------- */
static void scripted_answers(void **state)
{
	static const struct {
		const char *name;
		enum fake_journal_outcome outcome;
		enum journal_result result;
		bool is_mine;
		bool is_unknown;
		uint64_t sequence; /* stored afterwards */
	} rows[] = {
		{"as it is", FAKE_JOURNAL_AS_IS, JOURNAL_OK, false, false, 1},
		{"dup mine", FAKE_JOURNAL_DUP_MINE, JOURNAL_DUP, true, false, 1},
		{"dup other", FAKE_JOURNAL_DUP_OTHER, JOURNAL_DUP, false, false, 1},
		{"conflict", FAKE_JOURNAL_CONFLICT, JOURNAL_CONFLICT, false, false, 0},
		{"erased", FAKE_JOURNAL_ERASED, JOURNAL_ERASED, false, false, 0},
		{"error", FAKE_JOURNAL_ERROR, JOURNAL_ERROR, false, false, 0},
		{"unknown, done", FAKE_JOURNAL_UNKNOWN_DONE, JOURNAL_ERROR, false, true, 1},
		{"unknown, lost", FAKE_JOURNAL_UNKNOWN_LOST, JOURNAL_ERROR, false, true, 0},
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct journal_key key = {SPAN_LIT("cart"), SPAN_LIT("a")};
		const struct fake_journal_step step = {.outcome = rows[i].outcome, .is_held = true};
		struct fake_journal *fake;

		(void)open_fake(state);
		fake = (struct fake_journal *)client.journal;
		fake_journal_script(fake, FAKE_JOURNAL_APPEND, &step);
		journal_client_append_new(&client, &answer, "a", &none, "x", 5000);
		journal_client_run(&client, 1);
		UNIT_ROW(rows[i].name, !answer.is_done);
		UNIT_ROW(rows[i].name, fake_journal_pending(fake) == 1);
		UNIT_ROW(rows[i].name, fake_journal_release(fake) == 1);
		UNIT_ROW(rows[i].name, journal_client_until(&client, &answer.is_done));
		UNIT_ROW(rows[i].name, answer.result == rows[i].result);
		UNIT_ROW(rows[i].name, answer.is_mine == rows[i].is_mine);
		UNIT_ROW(rows[i].name, answer.is_unknown == rows[i].is_unknown);
		UNIT_ROW(rows[i].name, fake_journal_head(fake, &key).sequence == rows[i].sequence);
		UNIT_ROW(rows[i].name, fake_journal_pending(fake) == 0);
		(void)teardown(state);
	}
}

static void pages_and_erasure_of_the_fake(void **state)
{
	const struct journal_key key = {SPAN_LIT("cart"), SPAN_LIT("a")};
	const struct journal_any event = {SPAN_LIT("T"), SPAN_LIT("e")};
	struct fake_journal *fake = (struct fake_journal *)client.journal;

	(void)state;
	for (int i = 0; i < 5; i++)
		fake_journal_put_event(fake, &key, &event);
	fake_journal_set_page(fake, 2);
	assert_int_equal(journal_client_load_now(&client, &answer, "a"), JOURNAL_OK);
	assert_int_equal(answer.pages, 3);
	assert_int_equal(fake_journal_events_loaded(fake), 5);
	assert_int_equal(journal_client_append_now(&client, &answer, "a", &none, "x"),
			 JOURNAL_CONFLICT);
	fake_journal_erase(fake, &key);
	assert_int_equal(journal_client_load_now(&client, &answer, "a"), JOURNAL_ERASED);
	assert_int_equal(journal_client_append_now(&client, &answer, "a", &none, "x"),
			 JOURNAL_ERASED);
	assert_int_equal(journal_client_verify_now(&client, "a", &none), JOURNAL_ERASED);
	assert_true(journal_client_is_ready(&client));
	fake_journal_set_ready(fake, "away");
	assert_true(journal_client_wait_reason(&client, "away"));
}

#define ON(open, name)                                                                             \
	{                                                                                          \
#name " of " #open, name, open, teardown, NULL                                     \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON(open_fake, results_of_append),   ON(open_redis, results_of_append),
		ON(open_fake, verify_and_load),	    ON(open_redis, verify_and_load),
		ON(open_fake, batch_with_snapshot), ON(open_redis, batch_with_snapshot),
		ON(open_fake, cancel_is_silence),   ON(open_redis, cancel_is_silence),
		cmocka_unit_test(scripted_answers), ON(open_fake, pages_and_erasure_of_the_fake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
