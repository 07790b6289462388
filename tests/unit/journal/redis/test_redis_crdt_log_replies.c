/* The log of CRDTs over a Redis that says what the test wants: replies that never come. */
#include <stdio.h>
#include <string.h>

#include "journal/crdt_log.h"
#include "src/base/clock.h"
#include "src/runtime/loop.h"
#include "tests/fakes/fake_redis.h"
#include "tests/fakes/journal_client.h"
#include "tests/fakes/log_member.h"
#include "tests/unit/unit.h"

#define LONG_MS ((uint64_t)5000)

static bool has_commands(void *data)
{
	return fake_redis_count(data) >= 2;
}

/* A server that takes the append and is cut off before it answers: sent again, and the caller hears
 * once. Heartbeats go the same way and are refused here. */
static void a_lost_reply_is_asked_for_again(void **state)
{
	struct fake_redis *fake;
	struct log_member member;
	char url[64];
	struct log_answer answer = {0};
	struct loop *loop;
	struct error err;
	size_t appends = 0;

	(void)state;
	assert_int_equal(loop_new(&loop, &err), ST_OK);
	fake = fake_redis_open(loop);
	(void)snprintf(url, sizeof(url), "redis://127.0.0.1:%u", (unsigned)fake_redis_port(fake));
	fake_redis_answer(fake, FAKE_REDIS_REPLY, "*3\r\n$2\r\nOK\r\n$1\r\n1\r\n*-1\r\n");
	fake_redis_answer(fake, FAKE_REDIS_CUT, "");
	fake_redis_answer(fake, FAKE_REDIS_REPLY, "*2\r\n$2\r\nOK\r\n$1\r\n7\r\n");
	log_member_open(&member, loop, url, "z:1");
	journal_client_run(&(struct journal_client){.loop = loop}, 50);
	log_append(&member, &answer, "room", "one", false, LONG_MS);
	assert_true(loop_run_until(loop, has_commands, fake, clock_mono_ns() + 5 * NS_PER_S));
	assert_true(log_wait(&member, &answer));
	assert_int_equal(answer.result, JOURNAL_OK);
	assert_int_equal(answer.calls, 1);
	assert_int_equal(answer.position & 0xff, 7);
	for (size_t i = 0; i < fake_redis_count(fake); i++)
		appends += strstr(fake_redis_command(fake, i), " one ") != NULL;
	assert_int_equal(appends, 2);
	/* And one that is never answered is unknown. */
	log_append(&member, &answer, "room", "two", false, 300);
	assert_true(log_wait(&member, &answer));
	assert_int_equal(answer.result, JOURNAL_ERROR);
	assert_true(answer.is_unknown);
	assert_false(answer.is_durable);
	log_member_close(&member);
	fake_redis_close(fake);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lost_reply_is_asked_for_again),
	};

	return cmocka_run_group_tests_name("redis_crdt_log_replies", tests, NULL, NULL);
}
