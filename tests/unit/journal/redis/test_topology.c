/* Servers that send us elsewhere, and sentinels that tell of another primary: fakes, so that each
 * answer comes when the test wants it. */
#include "journal/redis/topology.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "journal/key.h"
#include "journal/redis/slot.h"
#include "src/base/clock.h"
#include "src/runtime/loop.h"
#include "tests/fakes/fake_redis.h"
#include "tests/fakes/journal_client.h"
#include "tests/unit/unit.h"

#define TAG "tttttttttttttttt"
#define OK_AT(feed) "*4\r\n$2\r\nOK\r\n$1\r\n1\r\n$16\r\n" TAG "\r\n$3\r\n0-" feed "\r\n"
#define OK_1 OK_AT("1")
/* of tail.lua: what was acknowledged is there */
#define TAIL_1 "*2\r\n$1\r\n1\r\n$1\r\n1\r\n"
#define LIMIT_NS (10 * NS_PER_S)

enum { A, B, SERVERS };

static struct journal_client client;
static struct fake_redis *fakes[SERVERS];
static struct fake_redis *sentinels[2];
static struct journal_answer answer;
static const struct journal_head none;
static char texts[16][256]; /* what fakes say lives as long as they */
static size_t text_count;

static const char *say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *say(const char *format, ...)
{
	char *text = texts[text_count++ % COUNT_OF(texts)];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(texts[0]), format, args);
	va_end(args);
	return text;
}

static uint16_t slot_of_alice(void)
{
	const struct journal_key key = {SPAN_LIT("cart"), SPAN_LIT("alice")};

	return slot_of_partition(key_partition(&key));
}

/* ---- clusters ------------------------------------------------------------------------------- */
/* One range of the map; server -1 leaves it out. */
static void print_range(char *text, size_t size, int first, int last, int server)
{
	size_t used = strlen(text);

	if (server >= 0)
		(void)snprintf(text + used, size - used,
			       "*3\r\n:%d\r\n:%d\r\n*3\r\n$9\r\n127.0.0.1\r\n:%u\r\n$1\r\n%c\r\n",
			       first, last, fake_redis_port(fakes[server]), 'a' + server);
}

/* All slots are owner's, but alice's. */
static void set_map(int owner, int owner_of_alice)
{
	char ranges[200] = "";
	int slot = slot_of_alice();
	const char *map;

	print_range(ranges, sizeof(ranges), 0, slot - 1, owner);
	print_range(ranges, sizeof(ranges), slot, slot, owner_of_alice);
	print_range(ranges, sizeof(ranges), slot + 1, SLOT_COUNT - 1, owner);
	map = say("*%d\r\n%s", owner_of_alice < 0 ? 2 : 3, ranges);
	for (size_t i = 0; i < SERVERS; i++)
		fake_redis_greeting(fakes[i], "CLUSTER", map);
}

static void open_url(const char *url, const struct redis_journal_params *params)
{
	struct error err;

	assert_int_equal(journal_client_open(&client, url, params, &err), ST_OK);
}

static void open_fakes(void)
{
	struct error err;

	assert_int_equal(journal_client_loop(&client, &err), ST_OK);
	for (size_t i = 0; i < SERVERS; i++)
		fakes[i] = fake_redis_open(client.loop);
}

static int setup_cluster(void **state)
{
	(void)state;
	open_fakes();
	set_map(B, A);
	open_url(say("redis+cluster://127.0.0.1:%u", fake_redis_port(fakes[A])), NULL);
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
	for (size_t i = 0; i < SERVERS; i++)
		fake_redis_close(fakes[i]);
	for (size_t i = 0; i < COUNT_OF(sentinels); i++) {
		if (sentinels[i])
			fake_redis_close(sentinels[i]);
		sentinels[i] = NULL;
	}
	journal_client_close(&client);
	return 0;
}

static void start_append(void)
{
	struct journal_attempt attempt = {"alice", none, {{0}}, {{0}}, "one", 5000};

	memcpy(attempt.tag.bytes, TAG, sizeof(attempt.tag.bytes));
	journal_answer_fini(&answer);
	memset(&answer, 0, sizeof(answer));
	journal_client_append(&client, &answer, &attempt);
}

static void append(void)
{
	start_append();
	assert_true(journal_client_until(&client, &answer.is_done));
	assert_int_equal(answer.calls, 1);
}

/* What the first server says, and who is to be asked then. */
static void redirections(void **state)
{
	static const struct {
		const char *name;
		const char *error; /* a word, followed by slot, host and B's port; or all of it */
		const char *host;
		int then;
		bool is_asking;
		int later; /* who gets the next command */
	} rows[] = {
		{"moved", "MOVED", "127.0.0.1", B, false, B},
		{"moved, no host", "MOVED", "", B, false, B},
		{"asked", "ASK", "127.0.0.1", B, true, A},
		{"both halves", "-TRYAGAIN Multiple keys request\r\n", NULL, A, false, A},
		{"cluster down", "-CLUSTERDOWN The cluster is down\r\n", NULL, A, false, A},
		{"read only", "-READONLY You can't write\r\n", NULL, A, false, A},
		{"master down", "-MASTERDOWN Link with MASTER is down\r\n", NULL, A, false, A},
		{"malformed", "-MOVED x\r\n", NULL, A, false, A},
		{"of no slot", "-MOVED 16384 127.0.0.1:1\r\n", NULL, A, false, A},
		{"asked, malformed", "-ASK\t\r\n", NULL, -1, false, A},
		{"asked to nowhere", "-ASK 5 127.0.0.1:1\r\n", NULL, A, false, A},
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct fake_redis *then = rows[i].then < 0 ? NULL : fakes[rows[i].then];
		size_t before;
		const char *text;

		set_map(B, A);
		fake_redis_answer(fakes[A], FAKE_REDIS_REPLY,
				  rows[i].host
					  ? say("-%s %u %s:%u\r\n", rows[i].error, slot_of_alice(),
						rows[i].host, fake_redis_port(fakes[B]))
					  : rows[i].error);
		if (then)
			fake_redis_answer(then, FAKE_REDIS_REPLY, OK_1);
		if (rows[i].later == B)
			set_map(B, B);
		append();
		UNIT_ROW(rows[i].name, answer.result == (then ? JOURNAL_OK : JOURNAL_ERROR));
		if (then) {
			text = fake_redis_command(then, fake_redis_count(then) - 1);
			UNIT_ROW(rows[i].name,
				 (strncmp(text, "ASKING EVALSHA", 14) == 0) == rows[i].is_asking);
		}
		before = fake_redis_count(fakes[rows[i].later]);
		fake_redis_answer(fakes[rows[i].later], FAKE_REDIS_REPLY, OK_1);
		append();
		UNIT_ROW(rows[i].name, answer.result == JOURNAL_OK);
		UNIT_ROW(rows[i].name, fake_redis_count(fakes[rows[i].later]) == before + 1);
		(void)teardown(state);
		(void)setup_cluster(state);
	}
}

static void no_script_where_it_moved(void **state)
{
	(void)state;
	set_map(B, B);
	fake_redis_answer(
		fakes[A], FAKE_REDIS_REPLY,
		say("-ASK %u 127.0.0.1:%u\r\n", slot_of_alice(), fake_redis_port(fakes[B])));
	fake_redis_answer(fakes[B], FAKE_REDIS_REPLY, "-NOSCRIPT No matching script.\r\n");
	/* Without ASKING: the importing server sends it back, or the map has it by now. */
	fake_redis_answer(fakes[A], FAKE_REDIS_REPLY, OK_1);
	fake_redis_answer(fakes[B], FAKE_REDIS_REPLY, OK_1);
	append();
	assert_int_equal(answer.result, JOURNAL_OK);
	assert_int_equal(fake_redis_count(fakes[A]) + fake_redis_count(fakes[B]), 3);
}

/* Servers that disagree are not asked as fast as they answer. */
static void to_and_fro(void **state)
{
	uint64_t begin = clock_mono_ns();

	(void)state;
	for (int i = 0; i < 10; i++) {
		fake_redis_answer(fakes[A], FAKE_REDIS_REPLY,
				  say("-MOVED %u 127.0.0.1:%u\r\n", slot_of_alice(),
				      fake_redis_port(fakes[B])));
		fake_redis_answer(fakes[B], FAKE_REDIS_REPLY,
				  i < 9 ? say("-MOVED %u 127.0.0.1:%u\r\n", slot_of_alice(),
					      fake_redis_port(fakes[A]))
					: OK_1);
		text_count -= i > 0 ? 2 : 0; /* the same texts */
	}
	append();
	assert_int_equal(answer.result, JOURNAL_OK);
	assert_true(clock_mono_ns() - begin > 40 * NS_PER_MS);
}

/* A reply lost on the way of ASK: the next sending begins anew, where the map says. */
static void asked_and_lost(void **state)
{
	const char *text;

	(void)state;
	fake_redis_answer(
		fakes[A], FAKE_REDIS_REPLY,
		say("-ASK %u 127.0.0.1:%u\r\n", slot_of_alice(), fake_redis_port(fakes[B])));
	fake_redis_answer(fakes[B], FAKE_REDIS_CUT, NULL);
	fake_redis_answer(fakes[A], FAKE_REDIS_REPLY, OK_1);
	append();
	assert_int_equal(answer.result, JOURNAL_OK);
	assert_int_equal(fake_redis_count(fakes[A]), 2);
	text = fake_redis_command(fakes[A], 1);
	assert_true(strncmp(text, "EVALSHA", 7) == 0);
}

/* A slot that nobody serves is named; what is for it waits, and goes out when it is served. */
static void an_uncovered_slot(void **state)
{
	const struct journal_key key = {SPAN_LIT("cart"), SPAN_LIT("alice")};

	(void)state;
	set_map(B, -1);
	fake_redis_disconnect(fakes[A]);
	assert_true(journal_client_wait_reason(
		&client, say("partition %u (slot %u)", key_partition(&key), slot_of_alice())));
	start_append();
	journal_client_run(&client, 50);
	assert_false(answer.is_done);
	fake_redis_answer(fakes[B], FAKE_REDIS_REPLY, OK_1);
	set_map(B, B);
	assert_true(journal_client_until(&client, &answer.is_done));
	assert_int_equal(answer.result, JOURNAL_OK);
	assert_true(journal_client_wait(&client, true));
}

/* The server is away: what is for the others goes on, what is for it ends after the limit. */
static void limits_are_each_servers(void **state)
{
	struct journal_answer other = {0};
	uint64_t begin = clock_mono_ns();
	const struct journal_key key = {SPAN_LIT("cart"), SPAN_LIT("bob")};

	(void)state;
	assert_int_not_equal(slot_of_partition(key_partition(&key)), slot_of_alice());
	fake_redis_close(fakes[A]);
	fakes[A] = fake_redis_open(client.loop); /* at another port, which nobody knows */
	assert_true(journal_client_wait(&client, false));
	start_append();
	fake_redis_answer(fakes[B], FAKE_REDIS_REPLY, OK_1);
	assert_int_equal(journal_client_append_now(&client, &other, "bob", &none, "one"),
			 JOURNAL_OK);
	assert_false(answer.is_done);
	assert_true(journal_client_until(&client, &answer.is_done));
	assert_int_equal(answer.result, JOURNAL_ERROR);
	assert_non_null(strstr(answer.error.message, "the journal is away"));
	assert_true(clock_mono_ns() - begin < 4 * NS_PER_S);
	journal_answer_fini(&other);
}

/* The map is asked for again by itself: a slot that left without a word. */
static void the_map_is_taken_anew_after_a_loss(void **state)
{
	(void)state;
	set_map(B, B);
	fake_redis_answer(fakes[B], FAKE_REDIS_REPLY, OK_1);
	fake_redis_disconnect(fakes[A]);
	assert_true(journal_client_wait(&client, true));
	for (uint64_t limit = clock_mono_ns() + LIMIT_NS; fake_redis_count(fakes[B]) == 0;) {
		journal_client_run(&client, 20);
		fake_redis_answer(fakes[A], FAKE_REDIS_REPLY, OK_1);
		append();
		assert_true(clock_mono_ns() < limit);
	}
}

/* A journal that was replaced is not written to. */
static void another_meta_key(void **state)
{
	(void)state;
	fake_redis_greeting(
		fakes[B], "EVAL",
		"*3\r\n$1\r\n1\r\n$2\r\n64\r\n$32\r\nffffffffffffffffffffffffffffffff\r\n");
	fake_redis_disconnect(fakes[B]);
	assert_true(journal_client_wait_reason(&client, "journal was replaced"));
	fake_redis_greeting(fakes[B], "EVAL", NULL);
	assert_true(journal_client_wait(&client, true));
}

/* One server alone, or a user without the right: the reason says what to do. */
static void no_map_to_be_had(void **state)
{
	(void)state;
	open_fakes();
	for (size_t i = 0; i < SERVERS; i++)
		fake_redis_greeting(fakes[i], "CLUSTER",
				    "-ERR This instance has cluster support disabled\r\n");
	open_url(say("redis+cluster://127.0.0.1:%u", fake_redis_port(fakes[A])), NULL);
	assert_true(journal_client_wait_reason(&client, "cluster support disabled"));
	set_map(B, A);
	assert_true(journal_client_wait(&client, true));
	(void)teardown(state);
}

/* ---- sentinels ------------------------------------------------------------------------------ */
static void set_primary(int server)
{
	const char *text = "*-1\r\n";
	char port[8];

	if (server >= 0) {
		(void)snprintf(port, sizeof(port), "%u", fake_redis_port(fakes[server]));
		text = say("*2\r\n$9\r\n127.0.0.1\r\n$%zu\r\n%s\r\n", strlen(port), port);
	}
	for (size_t i = 0; i < COUNT_OF(sentinels); i++)
		fake_redis_greeting(sentinels[i], "SENTINEL", text);
}

static void open_sentinels(const struct redis_journal_params *params, int primary)
{
	open_fakes();
	for (size_t i = 0; i < COUNT_OF(sentinels); i++) {
		sentinels[i] = fake_redis_open(client.loop);
		fake_redis_greeting(sentinels[i], "SUBSCRIBE",
				    "*3\r\n$9\r\nsubscribe\r\n$14\r\n+switch-master\r\n:1\r\n");
	}
	set_primary(primary);
	open_url(say("redis+sentinel://u:data@127.0.0.1:%u,127.0.0.1:%u/shop/2",
		     fake_redis_port(sentinels[0]), fake_redis_port(sentinels[1])),
		 params);
}

static int setup_sentinels(void **state)
{
	(void)state;
	open_sentinels(NULL, A);
	assert_true(journal_client_wait(&client, true));
	return 0;
}

static void expect_at(int server)
{
	size_t before = fake_redis_count(fakes[server]);

	fake_redis_answer(fakes[server], FAKE_REDIS_REPLY, OK_1);
	append();
	assert_int_equal(answer.result, JOURNAL_OK);
	assert_int_equal(fake_redis_count(fakes[server]), before + 1);
}

static void wait_no_peers(const struct fake_redis *fake)
{
	uint64_t limit = clock_mono_ns() + LIMIT_NS;

	while (fake_redis_peers(fake) > 0) {
		journal_client_run(&client, 5);
		assert_true(clock_mono_ns() < limit);
	}
}

static void the_primary_by_name(void **state)
{
	(void)state;
	expect_at(A);
	assert_string_equal(fake_redis_last(sentinels[0], "SENTINEL"),
			    "SENTINEL GET-MASTER-ADDR-BY-NAME shop");
	assert_string_equal(fake_redis_last(fakes[A], "AUTH"), "AUTH u data");
	assert_string_equal(fake_redis_last(fakes[A], "SELECT"), "SELECT 2");
	assert_int_equal(fake_redis_count_of(sentinels[0], "AUTH"), 0);
	assert_int_equal(fake_redis_count_of(sentinels[1], "AUTH"), 0);
}

/* Told by a message: the former primary is left although it answers, and what it has not answered
 * is sent to the next one. */
static void told_of_another(void **state)
{
	char text[160];
	char ports[2][8];
	int len;

	(void)state;
	expect_at(A);
	start_append(); /* A says nothing */
	while (fake_redis_count(fakes[A]) < 2)
		journal_client_run(&client, 1);
	for (int i = 0; i < 2; i++)
		(void)snprintf(ports[i], sizeof(ports[i]), "%u", fake_redis_port(fakes[i]));
	len = snprintf(text, sizeof(text), "shop 127.0.0.1 %s 127.0.0.1 %s", ports[A], ports[B]);
	while (fake_redis_count_of(sentinels[1], "SUBSCRIBE") == 0)
		journal_client_run(&client, 1);
	set_primary(B);
	fake_redis_answer(fakes[B], FAKE_REDIS_REPLY, TAIL_1);
	fake_redis_answer(fakes[B], FAKE_REDIS_REPLY, OK_AT("2"));
	fake_redis_say(
		sentinels[1],
		say("*3\r\n$7\r\nmessage\r\n$14\r\n+switch-master\r\n$%d\r\n%s\r\n", len, text));
	assert_true(journal_client_until(&client, &answer.is_done));
	assert_int_equal(answer.result, JOURNAL_OK);
	assert_int_equal(fake_redis_count(fakes[B]), 2); /* whether all is there, and the append */
	wait_no_peers(fakes[A]);
	fake_redis_answer(fakes[B], FAKE_REDIS_REPLY, OK_AT("3"));
	append();
	assert_int_equal(answer.result, JOURNAL_OK);
}

/* Nobody tells; it is found by asking. */
static void asked_of_another(void **state)
{
	(void)state;
	set_primary(B);
	wait_no_peers(fakes[A]);
	assert_true(journal_client_wait(&client, true));
	expect_at(B);
}

static void says_it_is_read_only(void **state)
{
	(void)state;
	set_primary(B);
	fake_redis_answer(fakes[A], FAKE_REDIS_REPLY, "-READONLY You can't write\r\n");
	fake_redis_answer(fakes[B], FAKE_REDIS_REPLY, OK_1);
	append();
	assert_int_equal(answer.result, JOURNAL_OK);
	assert_int_equal(fake_redis_count(fakes[B]), 1);
	wait_no_peers(fakes[A]);
}

/* The one that is asked is away: another one is. */
static void the_next_sentinel(void **state)
{
	(void)state;
	fake_redis_greeting(sentinels[0], "SENTINEL", "-ERR no\r\n");
	fake_redis_disconnect(sentinels[0]);
	fake_redis_disconnect(fakes[A]);
	set_primary(B);
	fake_redis_greeting(sentinels[0], "SENTINEL", "-ERR no\r\n");
	wait_no_peers(fakes[A]);
	assert_true(journal_client_wait(&client, true));
	expect_at(B);
}

static void nobody_knows(void **state)
{
	(void)state;
	open_sentinels(NULL, -1);
	assert_true(journal_client_wait_reason(&client, "knows no primary \"shop\""));
	set_primary(A);
	assert_true(journal_client_wait(&client, true));
	(void)teardown(state);
}

static void sentinels_have_their_own_password(void **state)
{
	struct redis_journal_params params = journal_client_params();

	(void)state;
	params.sentinel_user = "watch";
	params.sentinel_password = "dog";
	open_sentinels(&params, A);
	assert_true(journal_client_wait(&client, true));
	assert_string_equal(fake_redis_last(sentinels[0], "AUTH"), "AUTH watch dog");
	assert_string_equal(fake_redis_last(fakes[A], "AUTH"), "AUTH u data");
	(void)teardown(state);
}

#define CLUSTER_TEST(f) cmocka_unit_test_setup_teardown(f, setup_cluster, teardown)
#define SENTINEL_TEST(f) cmocka_unit_test_setup_teardown(f, setup_sentinels, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLUSTER_TEST(redirections),
		CLUSTER_TEST(no_script_where_it_moved),
		CLUSTER_TEST(to_and_fro),
		CLUSTER_TEST(asked_and_lost),
		CLUSTER_TEST(an_uncovered_slot),
		CLUSTER_TEST(limits_are_each_servers),
		CLUSTER_TEST(the_map_is_taken_anew_after_a_loss),
		CLUSTER_TEST(another_meta_key),
		SENTINEL_TEST(the_primary_by_name),
		SENTINEL_TEST(told_of_another),
		SENTINEL_TEST(asked_of_another),
		SENTINEL_TEST(says_it_is_read_only),
		SENTINEL_TEST(the_next_sentinel),
		cmocka_unit_test(no_map_to_be_had),
		cmocka_unit_test(nobody_knows),
		cmocka_unit_test(sentinels_have_their_own_password),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
