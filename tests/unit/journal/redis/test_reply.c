#include "journal/redis/reply.h"

#include <stdio.h>
#include <string.h>

#include "journal/redis/resp.h"
#include "src/base/buf.h"
#include "src/base/error.h"
#include "tests/unit/unit.h"

#define TAG "tttttttttttttttt"
#define OTHER "oooooooooooooooo"

/* A reply from its bytes; fed byte by byte, as the worst network would. */
static struct redisReply *parse(const char *text, size_t len)
{
	struct resp *resp = resp_new(RESP_REPLY_BYTES_MAX);
	struct redisReply *reply = NULL;
	enum parse_result result = PARSE_MORE;
	struct error err;

	for (size_t i = 0; i < len; i++) {
		assert_int_equal(result, PARSE_MORE);
		resp_feed(resp, span_make(text + i, 1));
		result = resp_next(resp, &reply, &err);
	}
	assert_int_equal(result, PARSE_DONE);
	resp_free(resp);
	return reply;
}

#define PARSE(literal) parse(literal, sizeof(literal) - 1)

static void errors_of_redis(void **state)
{
	/* As Redis 7.0.15 says them. */
	static const struct {
		const char *text;
		enum reply_verdict verdict;
		enum status status;
		enum reply_health health;
	} rows[] = {
		{"NOSCRIPT No matching script. Please use EVAL.", REPLY_EVAL, ST_UNAVAILABLE,
		 REPLY_FINE},
		{"READONLY You can't write against a read only replica.", REPLY_RECONNECT,
		 ST_UNAVAILABLE, REPLY_FINE},
		{"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
		 REPLY_RECONNECT, ST_UNAVAILABLE, REPLY_FINE},
		{"MOVED 13006 10.77.0.3:7003", REPLY_MOVED, ST_UNAVAILABLE, REPLY_SICK},
		{"ASK 4748 10.77.0.3:7003", REPLY_ASK, ST_UNAVAILABLE, REPLY_SICK},
		{"TRYAGAIN Multiple keys request during rehashing of slot", REPLY_RETRY,
		 ST_UNAVAILABLE, REPLY_FINE},
		{"CROSSSLOT Keys in request don't hash to the same slot", REPLY_FAIL, ST_INTERNAL,
		 REPLY_ALARM},
		{"CLUSTERDOWN The cluster is down", REPLY_RETRY, ST_UNAVAILABLE, REPLY_FINE},
		{"LOADING Redis is loading the dataset in memory", REPLY_RETRY, ST_UNAVAILABLE,
		 REPLY_FINE},
		{"NOREPLICAS Not enough good replicas to write.", REPLY_FAIL, ST_UNAVAILABLE,
		 REPLY_FINE},
		{"OOM command not allowed when used memory > 'maxmemory'.", REPLY_FAIL,
		 ST_RESOURCE_EXHAUSTED, REPLY_ALARM},
		{"MISCONF Errors writing to the AOF file: No space left on device", REPLY_FAIL,
		 ST_UNAVAILABLE, REPLY_SICK},
		{"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN "
		 "NOSAVE.",
		 REPLY_RETRY, ST_UNAVAILABLE, REPLY_FINE},
		{"UNKILLABLE Sorry the script already executed write commands against the dataset.",
		 REPLY_RETRY, ST_UNAVAILABLE, REPLY_FINE},
		{"NOAUTH Authentication required.", REPLY_FAIL, ST_UNAVAILABLE, REPLY_SICK},
		{"WRONGPASS invalid username-password pair or user is disabled.", REPLY_FAIL,
		 ST_UNAVAILABLE, REPLY_SICK},
		{"NOPERM this user has no permissions to run the 'evalsha' command", REPLY_FAIL,
		 ST_UNAVAILABLE, REPLY_SICK},
		{"ERR The user executing the script can't access at least one of the keys "
		 "mentioned in the command arguments script: f, on @user_script:1.",
		 REPLY_FAIL, ST_UNAVAILABLE, REPLY_SICK},
		{"WRONGTYPE Operation against a key holding the wrong kind of value script: f, on "
		 "@user_script:8.",
		 REPLY_FAIL, ST_FAILED_PRECONDITION, REPLY_ALARM},
		{"ERR The ID specified in XADD is equal or smaller than the target stream top item "
		 "script: f, on @user_script:2.",
		 REPLY_FAIL, ST_DATA_LOSS, REPLY_ALARM},
		{"ERR Script attempted to access a non local key in a cluster node script: f",
		 REPLY_FAIL, ST_INTERNAL, REPLY_ALARM},
		{"ERR unknown command 'X'", REPLY_FAIL, ST_INTERNAL, REPLY_ALARM},
		{"", REPLY_FAIL, ST_INTERNAL, REPLY_ALARM},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char line[512];
		struct redisReply *reply;
		struct reply_error what;
		struct error err;
		int len = snprintf(line, sizeof(line), "-%s\r\n", rows[i].text);

		reply = parse(line, (size_t)len);
		UNIT_ROW(rows[i].text, reply_is_error(reply));
		what = reply_classify(reply, &err);
		UNIT_ROW(rows[i].text, what.verdict == rows[i].verdict);
		UNIT_ROW(rows[i].text, what.health == rows[i].health);
		UNIT_ROW(rows[i].text, err.status == rows[i].status);
		UNIT_ROW(rows[i].text, strstr(err.message, rows[i].text) != NULL);
		resp_reply_free(reply);
	}
}

static void append_answers(void **state)
{
	static const struct {
		const char *name;
		const char *text;
		enum status status;
		enum journal_result result;
		uint64_t sequence;
		bool is_mine;
	} rows[] = {
		{"ok", "*4\r\n$2\r\nOK\r\n$1\r\n2\r\n$16\r\n" TAG "\r\n$3\r\n0-1\r\n", ST_OK,
		 JOURNAL_OK, 2, false},
		{"dup mine", "*4\r\n$3\r\nDUP\r\n$1\r\n2\r\n$16\r\n" OTHER "\r\n$16\r\n" TAG "\r\n",
		 ST_OK, JOURNAL_DUP, 2, true},
		{"dup of another",
		 "*4\r\n$3\r\nDUP\r\n$1\r\n2\r\n$16\r\n" TAG "\r\n$16\r\n" OTHER "\r\n", ST_OK,
		 JOURNAL_DUP, 2, false},
		{"conflict", "*3\r\n$8\r\nCONFLICT\r\n$1\r\n9\r\n$16\r\n" OTHER "\r\n", ST_OK,
		 JOURNAL_CONFLICT, 9, false},
		{"conflict with nothing", "*3\r\n$8\r\nCONFLICT\r\n$1\r\n0\r\n$0\r\n\r\n", ST_OK,
		 JOURNAL_CONFLICT, 0, false},
		{"erased", "*3\r\n$6\r\nERASED\r\n$1\r\n9\r\n$16\r\n" OTHER "\r\n", ST_OK,
		 JOURNAL_ERASED, 9, false},
		{"no array", "+OK\r\n", ST_INTERNAL, JOURNAL_OK, 0, false},
		{"nil", "*-1\r\n", ST_INTERNAL, JOURNAL_OK, 0, false},
		{"unknown word", "*3\r\n$5\r\nMAYBE\r\n$1\r\n9\r\n$16\r\n" OTHER "\r\n",
		 ST_INTERNAL, JOURNAL_OK, 0, false},
		{"dup without tag", "*3\r\n$3\r\nDUP\r\n$1\r\n9\r\n$16\r\n" OTHER "\r\n",
		 ST_INTERNAL, JOURNAL_OK, 0, false},
		{"number", "*3\r\n$8\r\nCONFLICT\r\n:9\r\n$16\r\n" OTHER "\r\n", ST_DATA_LOSS,
		 JOURNAL_OK, 0, false},
		{"short tag", "*3\r\n$8\r\nCONFLICT\r\n$1\r\n9\r\n$1\r\nx\r\n", ST_DATA_LOSS,
		 JOURNAL_OK, 0, false},
	};
	struct journal_id tag;

	(void)state;
	memcpy(tag.bytes, TAG, 16);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct redisReply *reply = parse(rows[i].text, strlen(rows[i].text));
		struct journal_append_result result;
		struct error err;

		UNIT_ROW(rows[i].name, reply_append(reply, &tag, &result, &err) == rows[i].status);
		if (rows[i].status == ST_OK) {
			UNIT_ROW(rows[i].name, result.result == rows[i].result);
			UNIT_ROW(rows[i].name, result.head.sequence == rows[i].sequence);
			UNIT_ROW(rows[i].name, result.is_mine == rows[i].is_mine);
		}
		resp_reply_free(reply);
	}
}

#define ENTRY(id)                                                                                  \
	"*2\r\n$3\r\n" id "\r\n*10\r\n$1\r\nc\r\n$16\r\n" TAG "\r\n$1\r\ng\r\n$16\r\n" TAG         \
	"\r\n$1\r\nw\r\n$1\r\n1\r\n$1\r\nt\r\n$1\r\nT\r\n$1\r\np\r\n$0\r\n\r\n"

static void pages_of_events(void **state)
{
	static const struct {
		const char *name;
		const char *text;
		enum status status;
		size_t count;
	} rows[] = {
		{"none", "*0\r\n", ST_OK, 0},
		{"two", "*2\r\n" ENTRY("7-0") ENTRY("8-0"), ST_OK, 2},
		{"gap before", "*1\r\n" ENTRY("8-0"), ST_DATA_LOSS, 0},
		{"gap within", "*2\r\n" ENTRY("7-0") ENTRY("9-0"), ST_DATA_LOSS, 0},
		{"twice", "*2\r\n" ENTRY("7-0") ENTRY("7-0"), ST_DATA_LOSS, 0},
		{"more than asked", "*3\r\n" ENTRY("7-0") ENTRY("8-0") ENTRY("9-0"), ST_INTERNAL,
		 0},
		{"no entry", "*1\r\n+x\r\n", ST_INTERNAL, 0},
		{"deleted entry", "*1\r\n*2\r\n$3\r\n7-0\r\n*-1\r\n", ST_INTERNAL, 0},
		{"no array", ":1\r\n", ST_INTERNAL, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct redisReply *reply = parse(rows[i].text, strlen(rows[i].text));
		struct journal_event events[2];
		size_t count = 0;
		struct error err;

		UNIT_ROW(rows[i].name,
			 reply_events(reply, 7, events, 2, &count, &err) == rows[i].status);
		UNIT_ROW(rows[i].name, count == rows[i].count);
		if (count == 2)
			assert_true(events[0].sequence == 7 && events[1].sequence == 8);
		resp_reply_free(reply);
	}
}

static void limits_of_the_reader(void **state)
{
	static const struct {
		const char *name;
		const char *text;
		enum status status;
	} rows[] = {
		{"array of two thousand million", "*2000000000\r\n", ST_OUT_OF_RANGE},
		{"array just too long", "*65537\r\n", ST_OUT_OF_RANGE},
		{"string of half a gigabyte", "$536870912\r\n0123456789", ST_OUT_OF_RANGE},
		{"endless line", "+0123456789012345678901234567890123456789", ST_OUT_OF_RANGE},
		{"deep", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
		 ST_DATA_LOSS},
		{"no RESP", "HTTP/1.1 400 Bad Request\r\n", ST_DATA_LOSS},
		{"negative length", "$-2\r\n", ST_DATA_LOSS},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct resp *resp = resp_new(16);
		struct redisReply *reply = NULL;
		struct error err = {0};

		resp_feed(resp, span_from_str(rows[i].text));
		UNIT_ROW(rows[i].name, resp_next(resp, &reply, &err) == PARSE_BAD);
		UNIT_ROW(rows[i].name, err.status == rows[i].status);
		UNIT_ROW(rows[i].name, reply == NULL);
		resp_free(resp);
	}
}

/* The limit is for one reply, not for all of a connection. */
static void many_replies_are_no_large_one(void **state)
{
	struct resp *resp = resp_new(64);
	struct redisReply *reply = NULL;
	struct error err;

	(void)state;
	for (int round = 0; round < 100; round++) {
		resp_feed(resp, SPAN_LIT("$10\r\n0123456789\r\n+OK\r\n$3\r\nab"));
		assert_int_equal(resp_next(resp, &reply, &err), PARSE_DONE);
		resp_reply_free(reply);
		assert_int_equal(resp_next(resp, &reply, &err), PARSE_DONE);
		resp_reply_free(reply);
		assert_int_equal(resp_next(resp, &reply, &err), PARSE_MORE);
		resp_feed(resp, SPAN_LIT("c\r\n"));
		assert_int_equal(resp_next(resp, &reply, &err), PARSE_DONE);
		assert_true(span_eq_str(reply_text(reply), "abc"));
		resp_reply_free(reply);
	}
	resp_free(resp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_of_redis),
		cmocka_unit_test(append_answers),
		cmocka_unit_test(pages_of_events),
		cmocka_unit_test(limits_of_the_reader),
		cmocka_unit_test(many_replies_are_no_large_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
