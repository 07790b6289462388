/* The journal against a real redis-server: append, verify, load, restarts in the middle. */
#include "journal/redis/redis_journal.h"

#include <stdio.h>
#include <string.h>

#include "journal/redis/resp.h"
#include "src/base/clock.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "tests/fakes/journal_client.h"
#include "tests/fakes/redis_server.h"
#include "tests/unit/unit.h"

static struct redis_server *server;
static struct journal_client client;
static struct journal_answer answer;
static const struct journal_head none;

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

static int64_t counted(enum metric metric, const char *result)
{
	const struct metrics_label label = {"result", span_from_str(result)};

	return metrics_value(metrics_series(client.metrics, metric, &label, result ? 1 : 0));
}

static void append_verify_load(void **state)
{
	struct journal_head head;

	(void)state;
	assert_string_equal(journal_durability(client.journal), "always");
	assert_int_equal(journal_client_verify_now(&client, "alice", &none), JOURNAL_OK);
	assert_int_equal(journal_client_load_now(&client, &answer, "alice"), JOURNAL_OK);
	assert_true(answer.head.sequence == 0 && answer.pages == 0);
	assert_int_equal(journal_client_append_now(&client, &answer, "alice", &none, "one"),
			 JOURNAL_OK);
	head = answer.head;
	assert_true(head.sequence == 1);
	assert_int_equal(journal_client_append_now(&client, &answer, "alice", &head, "two"),
			 JOURNAL_OK);
	assert_true(answer.head.sequence == 2);
	assert_int_equal(journal_client_verify_now(&client, "alice", &answer.head), JOURNAL_OK);
	assert_int_equal(journal_client_verify_now(&client, "alice", &head), JOURNAL_CONFLICT);
	assert_int_equal(journal_client_append_now(&client, &answer, "alice", &head, "no"),
			 JOURNAL_CONFLICT);
	assert_true(answer.head.sequence == 2);
	assert_int_equal(journal_client_load_now(&client, &answer, "alice"), JOURNAL_OK);
	assert_true(span_eq_str(buf_span(&answer.text), "one\ntwo\n"));
	assert_int_equal(counted(METRIC_JOURNAL_APPENDS, "ok"), 2);
	assert_int_equal(counted(METRIC_JOURNAL_APPENDS, "conflict"), 1);
	assert_int_equal(counted(METRIC_JOURNAL_VERIFIES, "ok"), 2);
	assert_int_equal(counted(METRIC_JOURNAL_VERIFIES, "conflict"), 1);
	assert_int_equal(counted(METRIC_JOURNAL_EVENTS, NULL), 2);
	assert_int_equal(counted(METRIC_JOURNAL_PENDING, NULL), 0);
	assert_int_equal(counted(METRIC_JOURNAL_CONNECTED, NULL), 1);
}

/* Appends count events of "e<sequence>" in one batch, with a snapshot if given. */
static struct journal_head append_many(const struct journal_head *expected, size_t count,
				       const char *snapshot)
{
	struct journal_any *events = mem_new_array(struct journal_any, count);
	struct journal_any state = {SPAN_LIT("S"), span_from_str(snapshot)};
	char(*texts)[24] = mem_zalloc(count * sizeof(*texts));
	struct journal_append append = {
		.key = {SPAN_LIT("cart"), SPAN_LIT("alice")},
		.expected = *expected,
		.tag = journal_new_id(client.journal),
		.events = events,
		.event_count = count,
		.snapshot = snapshot ? &state : NULL,
	};
	struct journal_head head = {expected->sequence + count, append.tag};

	for (size_t i = 0; i < count; i++) {
		(void)snprintf(texts[i], sizeof(texts[i]), "e%llu",
			       (unsigned long long)(expected->sequence + i + 1));
		events[i] = (struct journal_any){SPAN_LIT("T"), span_from_str(texts[i])};
	}
	journal_answer_fini(&answer);
	memset(&answer, 0, sizeof(answer));
	answer.request = journal_append(client.journal, &append, clock_mono_ns() + 5 * NS_PER_S,
					journal_client_on_append, &answer);
	assert_true(journal_client_until(&client, &answer.is_done));
	assert_int_equal(answer.result, JOURNAL_OK);
	assert_true(answer.head.sequence == head.sequence);
	mem_free(events);
	mem_free(texts);
	return head;
}

static void loads_in_pages(void **state)
{
	struct journal_head head = append_many(&none, 600, NULL);
	struct span text;
	char want[24];

	(void)state;
	assert_int_equal(journal_client_load_now(&client, &answer, "alice"), JOURNAL_OK);
	assert_int_equal(answer.pages, 3);
	assert_true(answer.head.sequence == 600);
	assert_memory_equal(&answer.head.tag, &head.tag, sizeof(head.tag));
	text = buf_span(&answer.text);
	for (int i = 1; i <= 600; i++) {
		size_t len = span_find(text, '\n');

		(void)snprintf(want, sizeof(want), "e%d", i);
		UNIT_ROW_SPAN(want, span_head(text, len), want);
		text = span_skip(text, len + 1);
	}
	assert_int_equal(text.len, 0);
}

static void snapshot_comes_first(void **state)
{
	struct journal_head head = append_many(&none, 10, "ten");

	(void)state;
	assert_int_equal(journal_client_load_now(&client, &answer, "alice"), JOURNAL_OK);
	assert_true(span_eq_str(buf_span(&answer.text), "ten@10\n"));
	assert_int_equal(answer.pages, 0);
	head = append_many(&head, 2, NULL);
	assert_int_equal(journal_client_load_now(&client, &answer, "alice"), JOURNAL_OK);
	assert_true(span_eq_str(buf_span(&answer.text), "ten@10\ne11\ne12\n"));
	(void)append_many(&head, 1, "");
	assert_int_equal(journal_client_load_now(&client, &answer, "alice"), JOURNAL_OK);
	assert_true(span_eq_str(buf_span(&answer.text), "@13\n"));
	assert_true(answer.snapshot_sequence == 13);
}

/* Nothing is read ahead of journal_load_next, and what is appended meanwhile is left for later. */
static void load_waits_for_next(void **state)
{
	struct journal_head head = append_many(&none, 300, NULL);
	struct journal_answer load = {.is_held = true};

	(void)state;
	journal_client_load(&client, &load, "alice", 5000);
	while (load.head.sequence == 0)
		journal_client_run(&client, 1);
	journal_client_run(&client, 20);
	assert_int_equal(load.pages, 0);
	(void)append_many(&head, 100, NULL);
	journal_load_next(load.request);
	assert_int_equal(load.pages, 0);
	while (load.pages == 0)
		journal_client_run(&client, 1);
	journal_client_run(&client, 20);
	assert_int_equal(load.pages, 1);
	journal_load_next(load.request);
	while (load.pages == 1)
		journal_client_run(&client, 1);
	assert_false(load.is_done);
	journal_load_next(load.request);
	assert_false(load.is_done);
	assert_true(journal_client_until(&client, &load.is_done));
	assert_int_equal(load.result, JOURNAL_OK);
	assert_int_equal(load.pages, 2);
	assert_true(load.head.sequence == 300);
	journal_answer_fini(&load);
}

static void damage_is_told_from_change(void **state)
{
	struct journal_answer load = {.is_held = true};
	struct journal_head head = append_many(&none, 10, NULL);

	(void)state;
	(void)redis_server_ask(server, "XDEL hg1:ns:{33}:e:cart/alice 5-0");
	assert_int_equal(journal_client_load_now(&client, &answer, "alice"), JOURNAL_ERROR);
	assert_int_equal(answer.error.status, ST_DATA_LOSS);
	assert_non_null(strstr(answer.error.message, "event 5 is missing"));
	/* Erased between head and events: not damage, and the next load says so. */
	journal_client_load(&client, &load, "alice", 5000);
	while (load.head.sequence == 0)
		journal_client_run(&client, 1);
	(void)redis_server_ask(server, "DEL hg1:ns:{33}:e:cart/alice");
	(void)redis_server_ask(server, "HSET hg1:ns:{33}:h:cart/alice x 17");
	journal_load_next(load.request);
	assert_true(journal_client_until(&client, &load.is_done));
	assert_int_equal(load.result, JOURNAL_ERROR);
	assert_int_equal(load.error.status, ST_ABORTED);
	assert_int_equal(journal_client_load_now(&client, &answer, "alice"), JOURNAL_ERASED);
	assert_int_equal(journal_client_verify_now(&client, "alice", &head), JOURNAL_ERASED);
	assert_int_equal(journal_client_append_now(&client, &answer, "alice", &head, "x"),
			 JOURNAL_ERASED);
	journal_answer_fini(&load);
}

/* A page that is larger than a reply may be is read in smaller ones. */
static void large_events_in_small_pages(void **state)
{
	size_t size = 3 * 1024 * 1024;
	char *payload = mem_zalloc(size + 1);
	struct journal_head head = none;

	(void)state;
	memset(payload, 'x', size);
	for (int i = 0; i < 7; i++) {
		assert_int_equal(
			journal_client_append_now(&client, &answer, "alice", &head, payload),
			JOURNAL_OK);
		head = answer.head;
	}
	assert_int_equal(journal_client_load_now(&client, &answer, "alice"), JOURNAL_OK);
	assert_int_equal(buf_len(&answer.text), 7 * (size + 1));
	assert_true(answer.pages > 1);
	assert_true(7 * size > RESP_REPLY_BYTES_MAX);
	mem_free(payload);
}

static void refused_before_it_is_sent(void **state)
{
	static const struct {
		const char *name;
		size_t id_len;
		size_t count;
		size_t payload_len;
		uint64_t sequence;
		enum status status;
	} rows[] = {
		{"id too long", 1025, 1, 1, 0, ST_INVALID_ARGUMENT},
		{"no event", 1, 0, 1, 0, ST_RESOURCE_EXHAUSTED},
		{"too many events", 1, 1001, 1, 0, ST_RESOURCE_EXHAUSTED},
		{"too many bytes", 1, 5, 1024 * 1024, 0, ST_RESOURCE_EXHAUSTED},
		{"sequence too large", 1, 1, 1, JOURNAL_SEQUENCE_MAX, ST_OUT_OF_RANGE},
	};
	static char bytes[1024 * 1024];
	struct journal_any events[1001];

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct journal_append append = {
			.key = {SPAN_LIT("cart"), span_make(bytes, rows[i].id_len)},
			.expected.sequence = rows[i].sequence,
			.events = events,
			.event_count = rows[i].count,
		};

		for (size_t k = 0; k < COUNT_OF(events); k++)
			events[k] = (struct journal_any){SPAN_LIT(""),
							 span_make(bytes, rows[i].payload_len)};
		memset(&answer, 0, sizeof(answer));
		answer.request = journal_append(client.journal, &append, DEADLINE_NEVER,
						journal_client_on_append, &answer);
		UNIT_ROW(rows[i].name, !answer.is_done);
		UNIT_ROW(rows[i].name, journal_client_until(&client, &answer.is_done));
		UNIT_ROW(rows[i].name, answer.result == JOURNAL_ERROR);
		UNIT_ROW(rows[i].name, answer.error.status == rows[i].status);
		UNIT_ROW(rows[i].name, !answer.is_unknown);
	}
	assert_string_equal(redis_server_ask(server, "EXISTS hg1:ns:{33}:h:cart/alice"), "0");
}

static void foreign_data_is_an_error_of_the_entity(void **state)
{
	(void)state;
	(void)redis_server_ask(server, "SET hg1:ns:{33}:h:cart/alice x");
	assert_int_equal(journal_client_append_now(&client, &answer, "alice", &none, "x"),
			 JOURNAL_ERROR);
	assert_int_equal(answer.error.status, ST_FAILED_PRECONDITION);
	assert_int_equal(journal_client_load_now(&client, &answer, "alice"), JOURNAL_ERROR);
	assert_int_equal(answer.error.status, ST_FAILED_PRECONDITION);
	(void)redis_server_ask(server, "DEL hg1:ns:{33}:h:cart/alice");
	(void)redis_server_ask(server, "XADD hg1:ns:{33}:e:cart/alice 5-0 a b");
	assert_int_equal(journal_client_append_now(&client, &answer, "alice", &none, "x"),
			 JOURNAL_ERROR);
	assert_int_equal(answer.error.status, ST_DATA_LOSS);
	assert_true(journal_client_wait(&client, true)); /* others are served */
	assert_int_equal(journal_client_append_now(&client, &answer, "bob", &none, "x"),
			 JOURNAL_OK);
}

static void full_memory(void **state)
{
	struct journal_head head;

	(void)state;
	assert_int_equal(journal_client_append_now(&client, &answer, "alice", &none, "x"),
			 JOURNAL_OK);
	head = answer.head;
	(void)redis_server_ask(server, "CONFIG SET maxmemory 1");
	assert_int_equal(journal_client_append_now(&client, &answer, "alice", &head, "x"),
			 JOURNAL_ERROR);
	assert_int_equal(answer.error.status, ST_RESOURCE_EXHAUSTED);
	assert_false(answer.is_unknown);
	assert_int_equal(journal_client_verify_now(&client, "alice", &head), JOURNAL_OK);
	(void)redis_server_ask(server, "CONFIG SET maxmemory 0");
	assert_int_equal(journal_client_append_now(&client, &answer, "alice", &head, "x"),
			 JOURNAL_OK);
}

static void lost_rights_are_seen_and_come_back(void **state)
{
	(void)state;
	(void)redis_server_ask(server, "ACL SETUSER default -evalsha -eval");
	assert_int_equal(journal_client_append_now(&client, &answer, "alice", &none, "x"),
			 JOURNAL_ERROR);
	assert_int_equal(answer.error.status, ST_UNAVAILABLE);
	assert_true(journal_client_wait_reason(&client, "NOPERM"));
	journal_client_run(&client, 1100); /* a probe later it is still so */
	assert_true(journal_client_wait_reason(&client, "NOPERM"));
	(void)redis_server_ask(server, "ACL SETUSER default +@all");
	assert_true(journal_client_wait(&client, true));
}

static void flushed_scripts_are_sent_with_their_source(void **state)
{
	(void)state;
	(void)redis_server_ask(server, "SCRIPT FLUSH");
	assert_int_equal(journal_client_append_now(&client, &answer, "alice", &none, "x"),
			 JOURNAL_OK);
	assert_int_equal(journal_client_append_now(&client, &answer, "alice", &answer.head, "y"),
			 JOURNAL_OK);
}

/* ---- restarts ------------------------------------------------------------------------------- */
static void waits_for_redis_and_not_for_ever(void **state)
{
	(void)state;
	redis_server_kill(server);
	assert_true(journal_client_wait(&client, false));
	journal_client_append_new(&client, &answer, "alice", &none, "x", 100);
	assert_true(journal_client_until(&client, &answer.is_done));
	assert_int_equal(answer.result, JOURNAL_ERROR);
	assert_int_equal(answer.error.status, ST_UNAVAILABLE);
	assert_false(answer.is_unknown);
	journal_client_append_new(&client, &answer, "alice", &none, "x", 10000);
	journal_client_run(&client, 20);
	redis_server_again(server);
	assert_true(journal_client_until(&client, &answer.is_done));
	assert_int_equal(answer.result, JOURNAL_OK);
}

static void fails_at_once_after_two_seconds(void **state)
{
	uint64_t before;

	(void)state;
	redis_server_kill(server);
	journal_client_run(&client, 2100);
	before = clock_mono_ns();
	journal_client_append_new(&client, &answer, "alice", &none, "x", 10000);
	assert_true(journal_client_until(&client, &answer.is_done));
	assert_int_equal(answer.error.status, ST_UNAVAILABLE);
	assert_non_null(strstr(answer.error.message, "the journal is away"));
	assert_true(clock_mono_ns() - before < NS_PER_S);
}

static void an_emptied_journal_is_not_ours(void **state)
{
	(void)state;
	(void)redis_server_ask(server, "FLUSHALL");
	(void)redis_server_ask(server, "CLIENT KILL TYPE normal SKIPME yes");
	assert_true(journal_client_wait_reason(&client, "journal was replaced: it is empty"));
	assert_string_equal(redis_server_ask(server, "DBSIZE"), "0");
	(void)redis_server_ask(server, "HSET hg1:ns:meta version 1 partitions 64 created "
				       "0123456789abcdef0123456789abcdef");
	assert_true(journal_client_wait_reason(&client, "journal was replaced: its creation id"));
}

static void another_layout_is_not_touched(void **state)
{
	static const struct {
		const char *spoil;
		const char *says;
	} rows[] = {
		{"HSET hg1:ns:meta partitions 16", "\"16\" partitions"},
		{"HSET hg1:ns:meta version 2", "format version \"2\""},
		{"HSET hg1:ns:meta created short", "creation id is damaged"},
		{"DEL hg1:ns:meta", "journal was replaced"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char *before = mem_strdup(redis_server_ask(server, "HGETALL hg1:ns:meta"));

		(void)redis_server_ask(server, rows[i].spoil);
		(void)redis_server_ask(server, "CLIENT KILL TYPE normal SKIPME yes");
		UNIT_ROW(rows[i].spoil, journal_client_wait_reason(&client, rows[i].says));
		mem_free(before);
		(void)redis_server_ask(server, "HSET hg1:ns:meta version 1 partitions 64");
	}
}

/* Data whose meta key is gone must not get a new one. */
static void data_without_meta(void **state)
{
	struct journal_client other = {0};
	struct redis_journal_params params = journal_client_params();
	struct error err;

	(void)state;
	params.namespace_id = "other";
	(void)redis_server_ask(server, "SET hg1:other:{1}:h:cart/x y");
	assert_int_equal(journal_client_open(&other, redis_server_url(server), &params, &err),
			 ST_OK);
	assert_true(journal_client_wait_reason(&other, "but not its meta key"));
	assert_string_equal(redis_server_ask(server, "EXISTS hg1:other:meta"), "0");
	journal_client_close(&other);
}

/* ---- kill -9 under load --------------------------------------------------------------------- */
#define WRITERS 32
#define APPENDS 60

struct writer {
	struct journal_answer answer;
	char id[16];
	struct journal_head head;
	struct journal_id tag;
	unsigned done;
	unsigned dups;
};

static void writer_go(struct writer *w)
{
	struct journal_attempt attempt;
	char payload[16];

	(void)snprintf(payload, sizeof(payload), "%u", w->done + 1);
	w->tag = journal_new_id(client.journal);
	attempt = (struct journal_attempt){w->id,   w->head, w->tag, journal_new_id(client.journal),
					   payload, 15000};
	journal_client_append(&client, &w->answer, &attempt);
}

/* Everything acknowledged is there once: every answer is OK, or DUP with our own tag. */
static bool writer_step(struct writer *w)
{
	if (!w->answer.is_done)
		return false;
	assert_int_equal(w->answer.calls, 1);
	assert_true(w->answer.result == JOURNAL_OK ||
		    (w->answer.result == JOURNAL_DUP && w->answer.is_mine));
	w->dups += w->answer.result == JOURNAL_DUP;
	w->head.sequence++;
	w->head.tag = w->tag;
	assert_true(w->answer.head.sequence == w->head.sequence);
	w->done++;
	w->answer.is_done = false;
	if (w->done < APPENDS)
		writer_go(w);
	return true;
}

static void killed_under_load(void **state)
{
	struct writer *writers = mem_new_array(struct writer, WRITERS);
	unsigned total = 0;
	unsigned kills = 0;

	(void)state;
	for (unsigned i = 0; i < WRITERS; i++) {
		(void)snprintf(writers[i].id, sizeof(writers[i].id), "w%u", i);
		writer_go(&writers[i]);
	}
	while (total < WRITERS * APPENDS) {
		journal_client_run(&client, 1);
		for (unsigned i = 0; i < WRITERS; i++)
			total += writer_step(&writers[i]);
		if (kills < 5 && total > (kills + 1) * WRITERS * APPENDS / 6) {
			kills++;
			redis_server_kill(server);
			redis_server_again(server);
		}
	}
	assert_int_equal(kills, 5);
	for (unsigned i = 0; i < WRITERS; i++) {
		struct writer *w = &writers[i];
		struct span text;

		assert_int_equal(journal_client_load_now(&client, &answer, w->id), JOURNAL_OK);
		assert_true(answer.head.sequence == APPENDS);
		assert_memory_equal(&answer.head.tag, &w->head.tag, sizeof(w->head.tag));
		text = buf_span(&answer.text);
		for (unsigned k = 1; k <= APPENDS; k++) {
			char want[16];
			size_t len = span_find(text, '\n');

			(void)snprintf(want, sizeof(want), "%u", k);
			UNIT_ROW_SPAN(w->id, span_head(text, len), want);
			text = span_skip(text, len + 1);
		}
		assert_int_equal(text.len, 0);
		journal_answer_fini(&w->answer);
	}
	assert_true(counted(METRIC_JOURNAL_RESENDS, NULL) > 0);
	mem_free(writers);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(append_verify_load),
		TEST(loads_in_pages),
		TEST(snapshot_comes_first),
		TEST(load_waits_for_next),
		TEST(damage_is_told_from_change),
		TEST(large_events_in_small_pages),
		TEST(refused_before_it_is_sent),
		TEST(foreign_data_is_an_error_of_the_entity),
		TEST(full_memory),
		TEST(lost_rights_are_seen_and_come_back),
		TEST(flushed_scripts_are_sent_with_their_source),
		TEST(waits_for_redis_and_not_for_ever),
		TEST(fails_at_once_after_two_seconds),
		TEST(an_emptied_journal_is_not_ours),
		TEST(another_layout_is_not_touched),
		TEST(data_without_meta),
		TEST(killed_under_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
