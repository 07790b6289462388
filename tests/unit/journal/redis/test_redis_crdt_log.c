/* The log of CRDTs over a real redis-server, with several members in one process. */
#include "journal/redis/redis_crdt_log.h"

#include <stdio.h>
#include <string.h>

#include "journal/crdt_log.h"
#include "src/base/clock.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/runtime/loop.h"
#include "tests/fakes/journal_client.h"
#include "tests/fakes/log_member.h"
#include "tests/fakes/redis_server.h"
#include "tests/unit/unit.h"

/* XXH64 of "chat" NUL "room", modulo 64. */
#define STATE_KEY "hg1:ns:{" ROOM_PARTITION "}:c:chat/room"
#define DELTAS_KEY "hg1:ns:{" ROOM_PARTITION "}:d:chat/room"
#define ROOM_PARTITION "49"
#define LONG_MS ((uint64_t)5000)

static struct redis_server *server;
static struct loop *loop;
static struct log_member members[3];
static struct log_replica replicas[3];
static struct log_answer answer;

static int setup(void **state)
{
	static const char *const args[] = {"--appendonly", "yes", "--appendfsync", "always", NULL};
	static const char *const addresses[] = {"a:1", "b:2", "c:3"};
	struct error err;

	(void)state;
	memset(members, 0, sizeof(members));
	memset(replicas, 0, sizeof(replicas));
	server = redis_server_start(args);
	assert_int_equal(loop_new(&loop, &err), ST_OK);
	for (size_t i = 0; i < 3; i++) {
		log_member_open(&members[i], loop, redis_server_url(server), addresses[i]);
		redis_crdt_log_listen(members[i].log);
		log_member_up(&members[i]);
	}
	for (size_t i = 0; i < 3; i++)
		assert_true(log_member_sees(&members[i], "a:1 up, b:2 up, c:3 up"));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	journal_cancel(answer.request);
	answer.request = NULL;
	for (size_t i = 0; i < 3; i++)
		log_replica_close(&replicas[i]);
	for (size_t i = 0; i < 3; i++) {
		if (members[i].loop)
			log_member_close(&members[i]);
	}
	loop_free(loop);
	redis_server_stop(server);
	return 0;
}

static void run(uint64_t run_ms)
{
	journal_client_run(&(struct journal_client){.loop = loop}, run_ms);
}

static bool are_quiet(void *data)
{
	(void)data;
	return !replicas[0].reading && !replicas[1].reading && !replicas[2].reading;
}

static bool has_read(void *data)
{
	return !((const struct log_replica *)data)->reading;
}

/* And they have read what there was. */
static void open_replicas(const char *id)
{
	for (size_t i = 0; i < 3; i++)
		log_replica_open(&replicas[i], &members[i], id);
	assert_true(loop_run_until(loop, are_quiet, NULL, clock_mono_ns() + 10 * NS_PER_S));
}

/* Appends and waits: the answer is OK. */
static void append(size_t i, const char *word)
{
	log_append(&members[i], &answer, "room", word, false, LONG_MS);
	assert_false(answer.is_done); /* never from inside the call */
	assert_true(log_wait(&members[i], &answer));
	if (answer.result != JOURNAL_OK)
		fail_msg("%s: %s", word, answer.error.message);
	assert_true(answer.is_durable);
}

static int64_t counted(size_t i, enum metric metric, const char *result)
{
	const struct metrics_label label = {"result", span_from_str(result)};

	return metrics_value(metrics_series(members[i].metrics, metric, &label, result ? 1 : 0));
}

/* ---- appends, reads, news ------------------------------------------------------------------- */
static void others_hear_at_once(void **state)
{
	(void)state;
	open_replicas("room");
	append(0, "one");
	assert_int_equal(answer.position, 1);
	append(1, "two");
	assert_int_equal(answer.position, 2);
	assert_true(log_replica_wait(&replicas[2], 2));
	assert_true(log_replica_wait(&replicas[0], 1));
	assert_int_equal(replicas[2].position, 2);
	assert_true(log_replica_has(&replicas[2], "one") && log_replica_has(&replicas[2], "two"));
	assert_string_equal(redis_server_ask(server, "HGETALL " STATE_KEY), "[s 2]");
	assert_string_equal(redis_server_ask(server, "XLEN " DELTAS_KEY), "2");
	assert_string_equal(redis_server_ask(server, "KEYS *:d:*"), "[" DELTAS_KEY "]");
	assert_int_equal(counted(0, METRIC_CRDT_APPENDS, "ok"), 1);
	assert_int_equal(counted(2, METRIC_CRDT_NEWS, NULL), 2);
	assert_true(counted(2, METRIC_CRDT_READS, "ok") >= 1);
}

static void own_appends_are_not_told(void **state)
{
	unsigned before;

	(void)state;
	open_replicas("room");
	run(50); /* the watchers are told that they may have missed something */
	before = replicas[0].news;
	append(0, "one");
	assert_true(log_replica_wait(&replicas[1], 1));
	assert_int_equal(replicas[0].news, before);
}

/* Everybody appends at once: the same order, nothing missing. */
static void appends_of_all_converge(void **state)
{
	static struct log_answer answers[3][100];
	char word[16];

	(void)state;
	open_replicas("room");
	for (size_t k = 0; k < 100; k++) {
		for (size_t i = 0; i < 3; i++) {
			(void)snprintf(word, sizeof(word), "%zu-%zu", i, k);
			log_append(&members[i], &answers[i][k], "room", word, false, LONG_MS);
		}
	}
	for (size_t k = 0; k < 100; k++) {
		for (size_t i = 0; i < 3; i++) {
			assert_true(log_wait(&members[i], &answers[i][k]));
			assert_int_equal(answers[i][k].result, JOURNAL_OK);
			assert_int_equal(answers[i][k].calls, 1);
		}
	}
	for (size_t i = 0; i < 3; i++) {
		log_replica_read(&replicas[i]);
		assert_true(log_replica_wait(&replicas[i], 300));
		assert_int_equal(replicas[i].count, 300);
		for (size_t k = 0; k < 300; k++)
			assert_string_equal(replicas[i].words[k], replicas[0].words[k]);
	}
}

static void reads_in_pages(void **state)
{
	(void)state;
	for (int i = 0; i < 600; i++) {
		char text[16];

		(void)snprintf(text, sizeof(text), "%d", i);
		log_append(&members[0], &answer, "room", text, false, LONG_MS);
		if (i == 599)
			assert_true(log_wait(&members[0], &answer));
		else
			journal_cancel(answer.request); /* it is appended all the same, or not */
	}
	(void)redis_server_ask(server, "DEL " STATE_KEY);
	(void)redis_server_ask(server, "DEL " DELTAS_KEY);
	(void)redis_server_ask(server, "EVAL %s 2 " STATE_KEY " " DELTAS_KEY,
			       "for i = 1, 600 do redis.call('XADD', KEYS[2], i .. '-0', 'w', '1', "
			       "'p', 'w' .. i) end redis.call('HSET', KEYS[1], 's', '600')");
	open_replicas("room");
	assert_true(log_replica_wait(&replicas[1], 600));
	assert_int_equal(replicas[1].position, 600);
	assert_int_equal(counted(1, METRIC_CRDT_READS, "ok"), 3);
	assert_string_equal(replicas[1].words[599], "w600");
}

/* Large deltas: one always fits, many do not come at once. */
static void reads_are_bounded_in_bytes(void **state)
{
	char *word = mem_new_array(char, CRDT_LOG_DELTA_MAX + 2);

	(void)state;
	memset(word, 'x', CRDT_LOG_DELTA_MAX + 1);
	log_append(&members[0], &answer, "room", word, false, LONG_MS);
	assert_true(log_wait(&members[0], &answer));
	assert_int_equal(answer.result, JOURNAL_ERROR);
	assert_int_equal(answer.error.status, ST_RESOURCE_EXHAUSTED);
	assert_false(answer.is_unknown);
	word[CRDT_LOG_DELTA_MAX] = 0;
	for (char c = 'a'; c < 'd'; c++) {
		word[0] = c;
		append(0, word);
	}
	open_replicas("room");
	assert_true(log_replica_wait(&replicas[2], 3));
	assert_int_equal(counted(2, METRIC_CRDT_READS, "ok"), 3);
	mem_free(word);
}

static void a_key_is_checked(void **state)
{
	char id[JOURNAL_ID_MAX + 2];

	(void)state;
	memset(id, 'i', sizeof(id) - 1);
	id[sizeof(id) - 1] = 0;
	log_append(&members[0], &answer, id, "x", true, LONG_MS);
	assert_true(log_wait(&members[0], &answer));
	assert_int_equal(answer.error.status, ST_INVALID_ARGUMENT);
	log_compact(&members[0], &answer, id, SPAN_LIT("x"), 1, LONG_MS);
	assert_true(log_wait(&members[0], &answer));
	assert_int_equal(answer.error.status, ST_INVALID_ARGUMENT);
	log_delete(&members[0], &answer, id, false, LONG_MS);
	assert_true(log_wait(&members[0], &answer));
	assert_int_equal(answer.error.status, ST_INVALID_ARGUMENT);
}

/* Somebody else's data under our names, or a hole. */
static void damage_is_named(void **state)
{
	(void)state;
	append(0, "one");
	append(0, "two");
	(void)redis_server_ask(server, "XDEL " DELTAS_KEY " 1-0");
	open_replicas("room");
	run(100);
	assert_true(replicas[0].failures > 0);
	assert_int_equal(replicas[0].count, 0);
	(void)redis_server_ask(server, "DEL " DELTAS_KEY);
	(void)redis_server_ask(server, "SET " DELTAS_KEY " foreign");
	log_append(&members[0], &answer, "room", "three", false, LONG_MS);
	assert_true(log_wait(&members[0], &answer));
	assert_int_equal(answer.error.status, ST_FAILED_PRECONDITION);
	assert_string_equal(redis_server_ask(server, "HGET " STATE_KEY " s"), "2");
}

/* ---- compaction and deletion ---------------------------------------------------------------- */
static void compacts(void **state)
{
	char *text;

	(void)state;
	open_replicas("room");
	for (char c = 'a'; c < 'f'; c++)
		append(0, (char[]){c, 0});
	assert_true(log_replica_wait(&replicas[1], 5));
	text = log_replica_state(&replicas[1]);
	log_compact(&members[1], &answer, "room", span_from_str(text), replicas[1].position,
		    LONG_MS);
	assert_true(log_wait(&members[1], &answer));
	assert_int_equal(answer.result, JOURNAL_OK);
	assert_int_equal(answer.position, 5);
	assert_string_equal(redis_server_ask(server, "EXISTS " DELTAS_KEY), "0");
	append(2, "f");
	assert_int_equal(answer.position, 6);
	append(2, "g");
	/* An older state changes nothing, and takes no deltas away. */
	log_compact(&members[1], &answer, "room", SPAN_LIT("a"), 4, LONG_MS);
	assert_true(log_wait(&members[1], &answer));
	assert_int_equal(answer.result, JOURNAL_OK);
	assert_int_equal(answer.position, 5);
	/* Nor does one of more than there is. */
	log_compact(&members[1], &answer, "room", SPAN_LIT("a"), 8, LONG_MS);
	assert_true(log_wait(&members[1], &answer));
	assert_int_equal(answer.result, JOURNAL_ERROR);
	assert_int_equal(answer.error.status, ST_ABORTED);
	log_replica_close(&replicas[0]);
	log_replica_open(&replicas[0], &members[0], "room"); /* from nothing */
	assert_true(log_replica_wait(&replicas[0], 7));
	assert_int_equal(replicas[0].position, 7);
	log_compact(&members[1], &answer, "room", SPAN_LIT("a b c d e f"), 6, LONG_MS);
	assert_true(log_wait(&members[1], &answer));
	assert_string_equal(redis_server_ask(server, "XLEN " DELTAS_KEY), "1");
	mem_free(text);
}

/* The fence: nothing of one generation meets anything of another. */
static void a_state_that_is_written_anew(void **state)
{
	(void)state;
	open_replicas("room");
	for (char c = 'a'; c < 'd'; c++)
		append(0, (char[]){c, 0});
	assert_true(log_replica_wait(&replicas[1], 3));
	members[1].next = 18446744073709551615U;
	/* Without the last delta it is refused, and changes nothing. */
	log_compact(&members[1], &answer, "room", SPAN_LIT("x"), replicas[1].position - 1, LONG_MS);
	assert_true(log_wait(&members[1], &answer));
	assert_int_equal(answer.result, JOURNAL_CONFLICT);
	assert_string_equal(redis_server_ask(server, "XLEN " DELTAS_KEY), "3");
	/* With all it is taken, once. */
	for (int i = 0; i < 2; i++) {
		log_compact(&members[1], &answer, "room", SPAN_LIT("x"), replicas[1].position,
			    LONG_MS);
		assert_true(log_wait(&members[1], &answer));
		assert_int_equal(answer.result, JOURNAL_OK);
	}
	assert_string_equal(redis_server_ask(server, "EXISTS " DELTAS_KEY), "0");
	/* An append that was computed before it comes too late, and so does a state. */
	log_append(&members[0], &answer, "room", "d", false, LONG_MS);
	assert_true(log_wait(&members[0], &answer));
	assert_int_equal(answer.result, JOURNAL_CONFLICT);
	assert_false(answer.is_unknown);
	log_compact(&members[0], &answer, "room", SPAN_LIT("a b c"), replicas[1].position, LONG_MS);
	assert_true(log_wait(&members[0], &answer));
	assert_int_equal(answer.result, JOURNAL_CONFLICT);
	/* Who reads on gets all of it, and lets go of what it has. */
	log_replica_read(&replicas[0]);
	assert_true(log_until_generation(&replicas[0], members[1].next));
	assert_int_equal(replicas[0].count, 1);
	assert_true(log_replica_has(&replicas[0], "x"));
	members[0].generation = members[1].next;
	append(0, "d");
	assert_int_equal(answer.result, JOURNAL_OK);
	assert_true(log_until_generation(&replicas[2], members[1].next));
	assert_true(log_replica_wait(&replicas[2], 2));
	/* One that was to begin another generation from the old one is too late as well. */
	members[1].next = 7;
	log_compact(&members[1], &answer, "room", SPAN_LIT("y"), replicas[0].position, LONG_MS);
	assert_true(log_wait(&members[1], &answer));
	assert_int_equal(answer.result, JOURNAL_CONFLICT);
}

/* Compaction at full speed under appends of the others: no replica misses anything. */
static void compaction_races_with_appends(void **state)
{
	static struct log_answer answers[60];
	struct log_answer compaction = {.is_done = true};
	char word[16];
	char *text = NULL;

	(void)state;
	open_replicas("room");
	for (size_t k = 0; k < COUNT_OF(answers); k++) {
		(void)snprintf(word, sizeof(word), "w%zu", k);
		log_append(&members[k % 2], &answers[k], "room", word, false, LONG_MS);
		if (k % 3 == 0)
			assert_true(log_wait(&members[k % 2], &answers[k]));
		if (!compaction.is_done)
			continue;
		mem_free(text);
		text = log_replica_state(&replicas[2]);
		log_compact(&members[2], &compaction, "room", span_from_str(text),
			    replicas[2].position, LONG_MS);
	}
	assert_true(log_wait(&members[2], &compaction));
	for (size_t k = 0; k < COUNT_OF(answers); k++)
		assert_true(log_wait(&members[k % 2], &answers[k]));
	for (size_t i = 0; i < 2; i++) {
		log_replica_close(&replicas[i]);
		log_replica_open(&replicas[i], &members[i], "room");
		assert_true(log_replica_wait(&replicas[i], COUNT_OF(answers)));
	}
	mem_free(text);
}

static void a_large_state_is_read(void **state)
{
	char *big = mem_new_array(char, CRDT_LOG_STATE_MAX + 2);

	(void)state;
	append(0, "one");
	append(0, "two");
	memset(big, 's', CRDT_LOG_STATE_MAX + 1);
	log_compact(&members[0], &answer, "room", span_make(big, CRDT_LOG_STATE_MAX + 1), 1,
		    LONG_MS);
	assert_true(log_wait(&members[0], &answer));
	assert_int_equal(answer.error.status, ST_RESOURCE_EXHAUSTED);
	log_compact(&members[0], &answer, "room", span_make(big, CRDT_LOG_STATE_MAX), 1, LONG_MS);
	assert_true(log_wait(&members[0], &answer));
	assert_int_equal(answer.result, JOURNAL_OK);
	open_replicas("room");
	assert_true(log_replica_wait(&replicas[1], 2));
	assert_int_equal(strlen(replicas[1].words[0]), CRDT_LOG_STATE_MAX);
	assert_string_equal(replicas[1].words[1], "two");
	mem_free(big);
}

static void deletes_for_ever(void **state)
{
	(void)state;
	open_replicas("room");
	append(0, "one");
	assert_true(log_replica_wait(&replicas[1], 1));
	log_compact(&members[0], &answer, "room", SPAN_LIT("one"), 1, LONG_MS);
	assert_true(log_wait(&members[0], &answer));
	log_delete(&members[0], &answer, "room", true, LONG_MS);
	assert_true(log_wait(&members[0], &answer));
	assert_int_equal(answer.result, JOURNAL_OK);
	assert_int_equal(answer.position, 2);
	assert_true(replicas[1].is_erased && replicas[2].is_erased); /* all, before the answer */
	assert_string_equal(redis_server_ask(server, "HMGET " STATE_KEY " s zs zp"),
			    "[2 (nil) (nil)]");
	assert_string_equal(redis_server_ask(server, "EXISTS " DELTAS_KEY), "0");
	log_append(&members[1], &answer, "room", "no", false, LONG_MS);
	assert_true(log_wait(&members[1], &answer));
	assert_int_equal(answer.result, JOURNAL_ERASED);
	log_compact(&members[1], &answer, "room", SPAN_LIT("no"), 1, LONG_MS);
	assert_true(log_wait(&members[1], &answer));
	assert_int_equal(answer.result, JOURNAL_ERASED);
	log_delete(&members[1], &answer, "room", true, LONG_MS);
	assert_true(log_wait(&members[1], &answer));
	assert_int_equal(answer.result, JOURNAL_OK);
	assert_int_equal(answer.position, 2);
}

/* ---- all members ---------------------------------------------------------------------------- */
static void all_have_it(void **state)
{
	(void)state;
	open_replicas("room");
	for (char c = 'a'; c < 'k'; c++) {
		char word[] = {c, 0};

		log_append(&members[c % 3], &answer, "room", word, true, LONG_MS);
		assert_true(log_wait(&members[c % 3], &answer));
		assert_int_equal(answer.result, JOURNAL_OK);
		assert_true(log_replica_has(&replicas[(c + 1) % 3], word));
		assert_true(log_replica_has(&replicas[(c + 2) % 3], word));
	}
}

/* Members without the entity acknowledge by themselves. */
static void who_does_not_watch_has_it(void **state)
{
	(void)state;
	log_append(&members[0], &answer, "room", "one", true, LONG_MS);
	assert_true(log_wait(&members[0], &answer));
	assert_int_equal(answer.result, JOURNAL_OK);
	log_replica_open(&replicas[1], &members[1], "room");
	replicas[1].is_deaf = true;
	log_append(&members[0], &answer, "other", "one", true, LONG_MS);
	assert_true(log_wait(&members[0], &answer));
	assert_int_equal(answer.result, JOURNAL_OK);
}

static void whoever_reads_late_is_waited_for(void **state)
{
	(void)state;
	open_replicas("room");
	replicas[1].is_deaf = true;
	log_append(&members[0], &answer, "room", "one", true, LONG_MS);
	run(700); /* the news are repeated meanwhile */
	assert_false(answer.is_done);
	assert_int_equal(replicas[1].ack_count, 1); /* and make one debt */
	replicas[1].is_deaf = false;
	log_replica_read(&replicas[1]);
	assert_true(log_wait(&members[0], &answer));
	assert_int_equal(answer.result, JOURNAL_OK);
}

static void ending_a_watch_acknowledges(void **state)
{
	(void)state;
	open_replicas("room");
	replicas[1].is_deaf = true;
	log_append(&members[0], &answer, "room", "one", true, LONG_MS);
	run(200);
	assert_false(answer.is_done);
	log_replica_close(&replicas[1]);
	assert_true(log_wait(&members[0], &answer));
	assert_int_equal(answer.result, JOURNAL_OK);
}

static void a_deadline_names_who_is_missing(void **state)
{
	uint64_t position;

	(void)state;
	open_replicas("room");
	replicas[1].is_deaf = true;
	log_append(&members[0], &answer, "room", "one", true, 300);
	assert_true(log_wait(&members[0], &answer));
	assert_int_equal(answer.result, JOURNAL_ERROR);
	assert_true(answer.is_durable);
	assert_false(answer.is_unknown);
	assert_int_equal(answer.error.status, ST_UNAVAILABLE);
	assert_string_equal(answer.error.message,
			    "it is stored, but not all members have told that they have it: b:2");
	assert_int_equal(answer.calls, 1);
	position = answer.position;
	append(0, "two");
	assert_true(answer.position == position + 1);
}

/* A crashed member: the deadline, as long as it counts; without it, when it is forgotten. */
static void a_dead_member_delays_until_it_is_forgotten(void **state)
{
	struct log_answer patient;

	(void)state;
	open_replicas("room");
	log_replica_close(&replicas[2]);
	log_member_close(&members[2]);
	log_append(&members[0], &answer, "room", "one", true, 500);
	log_append(&members[0], &patient, "room", "two", true, LONG_MS);
	assert_true(log_wait(&members[0], &answer));
	assert_int_equal(answer.result, JOURNAL_ERROR);
	assert_true(answer.is_durable);
	assert_non_null(strstr(answer.error.message, "c:3"));
	assert_false(patient.is_done);
	assert_true(log_wait(&members[0], &patient));
	assert_int_equal(patient.result, JOURNAL_OK);
	assert_string_equal(log_member_view(&members[0]), "a:1 up, b:2 up");
}

/* A member that is not UP is not waited for, one that just came UP is, seen or not. */
static void members_that_come_are_waited_for(void **state)
{
	(void)state;
	members_set_state(members[1].members, MEMBER_STARTING);
	assert_true(log_member_sees(&members[0], "a:1 up, b:2 starting, c:3 up"));
	open_replicas("room");
	replicas[1].is_deaf = true;
	log_append(&members[0], &answer, "room", "one", true, LONG_MS);
	assert_true(log_wait(&members[0], &answer));
	assert_int_equal(answer.result, JOURNAL_OK);
	log_member_up(&members[1]); /* members[0] may not have heard of it yet */
	log_append(&members[0], &answer, "room", "two", true, 300);
	assert_true(log_wait(&members[0], &answer));
	assert_int_equal(answer.result, JOURNAL_ERROR);
	assert_true(answer.is_durable);
}

static void cancelled_is_silent(void **state)
{
	(void)state;
	open_replicas("room");
	replicas[1].is_deaf = true;
	log_append(&members[0], &answer, "room", "one", true, LONG_MS);
	journal_cancel(answer.request); /* before it is sent */
	log_append(&members[0], &answer, "room", "two", true, LONG_MS);
	assert_true(log_replica_wait(&replicas[2], 1));
	journal_cancel(answer.request); /* while it waits */
	answer.request = NULL;
	replicas[1].is_deaf = false;
	log_replica_read(&replicas[1]);
	assert_true(log_replica_wait(&replicas[1], 1));
	run(50);
	assert_int_equal(answer.calls, 0);
}

/* ---- losses --------------------------------------------------------------------------------- */
/* Redis is killed again and again under load: what was acknowledged is there, and all agree. */
static void survives_kills_of_redis(void **state)
{
	static struct log_answer answers[200];
	char word[16];

	(void)state;
	open_replicas("room");
	for (size_t k = 0; k < COUNT_OF(answers); k++) {
		(void)snprintf(word, sizeof(word), "w%zu", k);
		log_append(&members[k % 3], &answers[k], "room", word, false, LONG_MS);
		if (k % 5 == 0)
			assert_true(log_wait(&members[k % 3], &answers[k]));
		if (k % 50 == 25) {
			redis_server_kill(server);
			redis_server_again(server);
		}
	}
	for (size_t k = 0; k < COUNT_OF(answers); k++) {
		assert_true(log_wait(&members[k % 3], &answers[k]));
		if (answers[k].result != JOURNAL_OK)
			fail_msg("append %zu: %s", k, answers[k].error.message);
	}
	for (size_t i = 0; i < 3; i++) {
		assert_true(log_replica_wait(&replicas[i], COUNT_OF(answers)));
		assert_int_equal(replicas[i].losses, 0);
	}
	/* Positions of before are smaller. */
	assert_true(replicas[0].position > COUNT_OF(answers) * 2);
}

/* Redis comes back without its newest deltas, and the numbers are given again. */
static void lost_deltas_are_noticed(void **state)
{
	uint64_t before;
	unsigned i;

	(void)state;
	open_replicas("room");
	for (i = 0; i < 5; i++)
		append(0, (char[]){(char)('a' + i), 0});
	assert_true(log_replica_wait(&replicas[1], 5));
	before = replicas[1].position;
	redis_server_kill(server);
	redis_server_again(server);
	(void)redis_server_ask(server, "EVAL %s 2 " STATE_KEY " " DELTAS_KEY,
			       "redis.call('DEL', KEYS[2]) redis.call('HSET', KEYS[1], 's', '1') "
			       "redis.call('XADD', KEYS[2], '1-0', 'w', '1', 'p', 'a')");
	/* The state of all five must not stand for deltas that others write now. */
	run(100);
	assert_true(replicas[1].losses > 0);
	log_compact(&members[1], &answer, "room", SPAN_LIT("a b c d e"), before, LONG_MS);
	assert_true(log_wait(&members[1], &answer));
	assert_int_equal(answer.result, JOURNAL_ERROR);
	assert_int_equal(answer.error.status, ST_ABORTED);
	for (i = 0; i < 6; i++)
		append(2, (char[]){(char)('p' + i), 0});
	assert_true(log_replica_wait(&replicas[1], 11));
}

/* Only the subscription breaks: everybody is told to read. */
static void a_lost_subscription_is_made_good(void **state)
{
	const char *reason;
	unsigned before;

	(void)state;
	open_replicas("room");
	append(0, "one");
	assert_true(log_replica_wait(&replicas[1], 1));
	before = replicas[1].unknown_news;
	(void)redis_server_ask(server, "CLIENT KILL TYPE pubsub");
	append(0, "two"); /* while nobody listens, or not */
	assert_true(log_replica_wait(&replicas[1], 2));
	run(100);
	assert_true(replicas[1].unknown_news > before);
	assert_true(redis_crdt_log_is_ready(members[1].log, &reason));
	append(0, "three");
	assert_true(log_replica_wait(&replicas[1], 3));
}

static void all_survive_a_lost_subscription(void **state)
{
	(void)state;
	open_replicas("room");
	log_append(&members[0], &answer, "room", "one", true, LONG_MS);
	(void)redis_server_ask(server, "CLIENT KILL TYPE pubsub");
	assert_true(log_wait(&members[0], &answer));
	assert_int_equal(answer.result, JOURNAL_OK);
	assert_true(log_replica_has(&replicas[2], "one"));
}

/* Whoever may not use the channels hears so, and is not ready. */
static void rights_on_channels_are_needed(void **state)
{
	static const char *const args[] = {NULL};
	struct redis_server *guarded = redis_server_start(args);
	struct log_member *member = &members[2]; /* closed by teardown */
	const char *reason = "";
	char url[400];

	(void)state;
	(void)redis_server_ask(
		guarded, "ACL SETUSER default on >secret resetkeys ~hg1:ns:* +@all resetchannels");
	(void)snprintf(url, sizeof(url), "%s", redis_server_url(guarded));
	log_member_close(member);
	log_member_open(member, loop, url, "z:1");
	/* A new client needs the password; one without it is refused at once. */
	redis_crdt_log_listen(member->log);
	run(100);
	assert_false(redis_crdt_log_is_ready(member->log, &reason));
	assert_non_null(strstr(reason, "subscribing: redis: NOAUTH"));
	(void)redis_server_ask(guarded, "ACL SETUSER default nopass");
	run(1200); /* no storm: once a second */
	assert_false(redis_crdt_log_is_ready(member->log, &reason));
	assert_non_null(strstr(reason, "NOPERM"));
	assert_non_null(strstr(reason, "channel"));
	log_append(member, &answer, "room", "one", false, 2000);
	assert_true(log_wait(member, &answer));
	assert_int_equal(answer.result, JOURNAL_ERROR);
	assert_string_equal(redis_server_ask(guarded, "EXISTS " STATE_KEY " " DELTAS_KEY), "0");
	(void)redis_server_ask(guarded, "ACL SETUSER default &hg1:ns:*");
	run(1200);
	assert_true(redis_crdt_log_is_ready(member->log, &reason));
	log_member_close(member);
	redis_server_stop(guarded);
}

static void nobody_listens_unasked(void **state)
{
	struct log_member member;
	const char *reason;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		log_member_close(&members[i]);
	log_member_open(&member, loop, redis_server_url(server), "z:1");
	log_member_up(&member);
	assert_true(redis_crdt_log_is_ready(member.log, &reason));
	assert_string_equal(redis_server_ask(server, "PUBSUB CHANNELS"), "[]");
	log_replica_open(&replicas[0], &member, "room");
	assert_false(redis_crdt_log_is_ready(member.log, &reason));
	assert_string_equal(reason, "connecting");
	run(100);
	assert_true(redis_crdt_log_is_ready(member.log, &reason));
	assert_int_equal(replicas[0].unknown_news, 1);
	log_replica_close(&replicas[0]);
	log_member_close(&member);
}

/* Two watches of one entity: the news are acknowledged when both have read. */
static void two_watches_owe_one_acknowledgement(void **state)
{
	static struct log_replica second;

	(void)state;
	open_replicas("room");
	log_replica_open(&second, &members[1], "room");
	assert_true(loop_run_until(loop, has_read, &second, clock_mono_ns() + 10 * NS_PER_S));
	second.is_deaf = true;
	log_append(&members[0], &answer, "room", "one", true, LONG_MS);
	assert_true(log_replica_wait(&replicas[1], 1));
	run(100);
	assert_false(answer.is_done);
	log_replica_close(&second);
	assert_true(log_wait(&members[0], &answer));
	assert_int_equal(answer.result, JOURNAL_OK);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ROW(others_hear_at_once),
		ROW(own_appends_are_not_told),
		ROW(appends_of_all_converge),
		ROW(reads_in_pages),
		ROW(reads_are_bounded_in_bytes),
		ROW(a_key_is_checked),
		ROW(damage_is_named),
		ROW(compacts),
		ROW(a_state_that_is_written_anew),
		ROW(compaction_races_with_appends),
		ROW(a_large_state_is_read),
		ROW(deletes_for_ever),
		ROW(all_have_it),
		ROW(who_does_not_watch_has_it),
		ROW(whoever_reads_late_is_waited_for),
		ROW(ending_a_watch_acknowledges),
		ROW(a_deadline_names_who_is_missing),
		ROW(a_dead_member_delays_until_it_is_forgotten),
		ROW(members_that_come_are_waited_for),
		ROW(cancelled_is_silent),
		ROW(survives_kills_of_redis),
		ROW(lost_deltas_are_noticed),
		ROW(a_lost_subscription_is_made_good),
		ROW(all_survive_a_lost_subscription),
		ROW(rights_on_channels_are_needed),
		ROW(nobody_listens_unasked),
		ROW(two_watches_owe_one_acknowledgement),
	};

	return cmocka_run_group_tests_name("redis_crdt_log", tests, NULL, NULL);
}
