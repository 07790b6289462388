/* Members over a real redis-server, several in one process: who sees whom, and when not any more.
 */
#include "journal/redis/redis_members.h"

#include <stdio.h>
#include <string.h>

#include "journal/members.h"
#include "src/base/clock.h"
#include "src/base/metrics.h"
#include "src/runtime/loop.h"
#include "tests/fakes/journal_client.h"
#include "tests/fakes/log_member.h"
#include "tests/fakes/redis_server.h"
#include "tests/unit/unit.h"

static struct redis_server *server;
static struct loop *loop;
static struct log_member a;
static struct log_member b;

static int setup(void **state)
{
	struct error err;

	(void)state;
	server = redis_server_start(NULL);
	assert_int_equal(loop_new(&loop, &err), ST_OK);
	log_member_open(&a, loop, redis_server_url(server), "a:1");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (b.loop)
		log_member_close(&b);
	if (a.loop)
		log_member_close(&a);
	loop_free(loop);
	redis_server_stop(server);
	return 0;
}

static int64_t counted(const struct log_member *member, const char *member_state)
{
	const struct metrics_label label = {"state", span_from_str(member_state)};

	return metrics_value(metrics_series(member->metrics, METRIC_MEMBERS, &label, 1));
}

static uint64_t version_of(const struct log_member *member)
{
	uint64_t version;
	size_t count;

	(void)members_view(member->members, &count, &version);
	return version;
}

static void comes_up_alone(void **state)
{
	const char *reason;

	(void)state;
	assert_false(members_is_settled(a.members, &reason));
	assert_string_equal(reason, "the others do not know of us yet");
	assert_int_equal(members_up(a.members), 1);
	assert_true(log_member_sees(&a, "a:1 starting"));
	assert_true(members_is_settled(a.members, &reason));
	assert_int_equal(members_up(a.members), 1);
	log_member_up(&a);
	assert_string_equal(log_member_view(&a), "a:1 up");
	assert_int_equal(members_up(a.members), 1);
	assert_int_equal(counted(&a, "up"), 1);
	assert_int_equal(counted(&a, "starting"), 0);
	assert_string_equal(members_address(a.members), "a:1");
	assert_string_equal(redis_server_ask(server, "ZCARD hg1:ns:{m}:members"), "1");
}

static void sees_others_and_their_states(void **state)
{
	uint64_t before;

	(void)state;
	log_member_up(&a);
	before = version_of(&a);
	log_member_open(&b, loop, redis_server_url(server), "b:2");
	assert_true(log_member_sees(&a, "a:1 up, b:2 starting"));
	assert_true(version_of(&a) > before);
	assert_int_equal(members_up(a.members), 1);
	log_member_up(&b);
	assert_true(log_member_sees(&a, "a:1 up, b:2 up"));
	assert_int_equal(members_up(a.members), 2);
	assert_int_equal(members_up(b.members), 2);
	assert_int_equal(version_of(&a), version_of(&b));
	members_set_state(b.members, MEMBER_LEAVING);
	assert_true(log_member_sees(&a, "a:1 up, b:2 leaving"));
	assert_int_equal(members_up(a.members), 1);
	assert_int_equal(counted(&a, "leaving"), 1);
	assert_true(a.changes >= 4);
}

static void on_left(void *data)
{
	*(bool *)data = true;
}

/* Who leaves is gone at once, not after the time to live. */
static void leaves(void **state)
{
	bool has_left = false;

	(void)state;
	log_member_up(&a);
	log_member_open(&b, loop, redis_server_url(server), "b:2");
	log_member_up(&b);
	members_leave(b.members, on_left, &has_left);
	assert_false(has_left);
	assert_true(log_until(loop, &has_left));
	assert_string_equal(redis_server_ask(server, "ZCARD hg1:ns:{m}:members"), "1");
	assert_true(log_member_sees(&a, "a:1 up"));
	/* No heartbeat brings it back. */
	journal_client_run(&(struct journal_client){.loop = loop}, 2 * MEMBERS_HEARTBEAT_MS);
	assert_string_equal(log_member_view(&a), "a:1 up");
}

static void leaving_without_redis_ends_too(void **state)
{
	bool has_left = false;
	uint64_t start = clock_mono_ns();

	(void)state;
	log_member_up(&a);
	redis_server_kill(server);
	members_leave(a.members, on_left, &has_left);
	assert_true(log_until(loop, &has_left));
	assert_true(clock_mono_ns() - start < 2 * MEMBERS_LEAVE_MS * NS_PER_MS);
}

/* A crash: nothing is said any more. */
static void the_silent_is_forgotten(void **state)
{
	uint64_t start;

	(void)state;
	log_member_up(&a);
	log_member_open(&b, loop, redis_server_url(server), "b:2");
	log_member_up(&b);
	assert_true(log_member_sees(&a, "a:1 up, b:2 up"));
	start = clock_mono_ns();
	log_member_close(&b);
	assert_true(log_member_sees(&a, "a:1 up"));
	assert_true(clock_mono_ns() - start >
		    (MEMBERS_TTL_MS - 2 * MEMBERS_HEARTBEAT_MS) * NS_PER_MS);
}

/* The second process of an address waits until the first is gone for certain. */
static void one_address_one_process(void **state)
{
	const char *reason = NULL;

	(void)state;
	log_member_up(&a);
	log_member_open(&b, loop, redis_server_url(server), "a:1");
	members_set_state(b.members, MEMBER_UP);
	assert_true(log_member_sees(&b, "a:1 up")); /* the other one */
	assert_false(members_is_settled(b.members, &reason));
	assert_string_equal(reason, "another gateway lives under the address a:1 (peer.address)");
	journal_client_run(&(struct journal_client){.loop = loop}, 3 * MEMBERS_HEARTBEAT_MS);
	assert_false(members_is_settled(b.members, &reason));
	assert_true(members_is_settled(a.members, &reason));
	log_member_close(&a);
	log_member_up(&b);
	assert_string_equal(log_member_view(&b), "a:1 up");
}

/* Where a lock sees to it that the other one is dead, nobody waits. */
static void a_sole_process_takes_over(void **state)
{
	struct redis_members_params params = {
		.address = "a:1", .is_sole = true, .on_change = on_left};
	struct journal_client client = {0};
	struct members *sole;
	const char *reason;
	struct error err;
	uint64_t version;
	size_t count;

	(void)state;
	log_member_up(&a);
	log_member_close(&a);
	assert_int_equal(journal_client_open(&client, redis_server_url(server), NULL, &err), ST_OK);
	params.data = &client.state_changes;
	assert_int_equal(redis_members_open(client.loop, client.journal, &params, &sole, &err),
			 ST_OK);
	assert_true(journal_client_wait(&client, true));
	journal_client_run(&client, 100);
	assert_true(members_is_settled(sole, &reason));
	(void)members_view(sole, &count, &version);
	assert_int_equal(count, 1);
	members_close(sole);
	journal_client_close(&client);
}

static void redis_comes_back(void **state)
{
	const char *reason;

	(void)state;
	log_member_up(&a);
	log_member_open(&b, loop, redis_server_url(server), "b:2");
	log_member_up(&b);
	assert_true(log_member_sees(&a, "a:1 up, b:2 up"));
	redis_server_kill(server);
	journal_client_run(&(struct journal_client){.loop = loop},
			   MEMBERS_TTL_MS + 2 * MEMBERS_HEARTBEAT_MS);
	assert_false(members_is_settled(a.members, &reason));
	assert_true(strstr(reason, "the others may not know of us"));
	assert_string_equal(log_member_view(&a), "a:1 up, b:2 up"); /* the last view stays */
}

/* Somebody broke the key, or it is of a later version: what can be read is. */
static void strange_entries_are_passed_over(void **state)
{
	static const char *const strange[] = {"x", "x:1|0123456789abcdef|7",
					      "x:1|0123456789ABCDEF|1", "|0123456789abcdef|1",
					      "x:1 0123456789abcdef 1"};

	(void)state;
	log_member_up(&a);
	for (size_t i = 0; i < COUNT_OF(strange); i++)
		(void)redis_server_ask(server, "ZADD hg1:ns:{m}:members 9999999999999 %s",
				       strange[i]);
	(void)redis_server_ask(server, "SET hg1:ns:{m}:ver 9999999999999");
	log_member_open(&b, loop, redis_server_url(server), "b:2");
	log_member_up(&b);
	assert_true(log_member_sees(&a, "a:1 up, b:2 up"));
	/* Those of the future are not kept for ever. */
	assert_string_equal(redis_server_ask(server, "ZCARD hg1:ns:{m}:members"), "2");
}

static void too_many_stay_outside(void **state)
{
	char entry[64];
	const char *reason = NULL;

	(void)state;
	assert_true(log_member_sees(&a, "a:1 starting"));
	for (size_t i = 0; i < MEMBERS_MAX - 1; i++) {
		(void)snprintf(entry, sizeof(entry), "x:%zu|0123456789abcdef|1", i);
		(void)redis_server_ask(
			server, "EVAL %s 1 hg1:ns:{m}:members %s",
			"local t=redis.call('TIME') return redis.call('ZADD',KEYS[1],"
			"t[1]*1000+1500,ARGV[1])",
			entry);
	}
	log_member_open(&b, loop, redis_server_url(server), "b:2");
	journal_client_run(&(struct journal_client){.loop = loop}, MEMBERS_HEARTBEAT_MS);
	assert_false(members_is_settled(b.members, &reason));
	assert_string_equal(reason, "there are 256 gateways in this namespace already");
	assert_true(members_is_settled(a.members, &reason));
}

static void an_address_is_checked(void **state)
{
	static const struct {
		const char *name;
		const char *address;
	} rows[] = {
		{"empty", ""},	  {"blank", "a b:1"},	       {"line end", "a:1\n"},
		{"bar", "a|b:1"}, {"not ASCII", "\xc3\xa4:1"}, {"long", NULL},
	};
	char text[MEMBER_ADDRESS_MAX + 1];
	struct members *none = NULL;
	struct error err;

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct redis_members_params params = {
			.address = rows[i].address ? rows[i].address : text,
			.on_change = on_left,
		};

		UNIT_ROW(rows[i].name, redis_members_open(loop, a.journal, &params, &none, &err) ==
					       ST_INVALID_ARGUMENT);
	}
	assert_null(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(comes_up_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(sees_others_and_their_states, setup, teardown),
		cmocka_unit_test_setup_teardown(leaves, setup, teardown),
		cmocka_unit_test_setup_teardown(leaving_without_redis_ends_too, setup, teardown),
		cmocka_unit_test_setup_teardown(the_silent_is_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(one_address_one_process, setup, teardown),
		cmocka_unit_test_setup_teardown(a_sole_process_takes_over, setup, teardown),
		cmocka_unit_test_setup_teardown(redis_comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(strange_entries_are_passed_over, setup, teardown),
		cmocka_unit_test_setup_teardown(too_many_stay_outside, setup, teardown),
		cmocka_unit_test_setup_teardown(an_address_is_checked, setup, teardown),
	};

	return cmocka_run_group_tests_name("redis_members", tests, NULL, NULL);
}
