/* Idempotency keys in a real redis-server: kept with events and writes, found by window.lua, read
 * back by recall.lua. */
#include <stdio.h>
#include <string.h>

#include "journal/journal.h"
#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/mem.h"
#include "tests/fakes/journal_client.h"
#include "tests/fakes/redis_server.h"
#include "tests/unit/unit.h"

#define HEAD "hg1:ns:{33}:h:cart/alice"
#define EVENTS "hg1:ns:{33}:e:cart/alice"
#define FINGERPRINT "0123456789abcdef"
#define ANSWER_MS 10000
#define SEEN_MAX ((size_t)2048)

static struct redis_server *server;
static struct journal_client client;
static struct journal_answer answer;
static const struct journal_key key = {{(const uint8_t *)"cart", 4}, {(const uint8_t *)"alice", 5}};

/* What the last window or recall told. */
static struct {
	bool is_done;
	enum journal_result result;
	struct journal_executed executed[SEEN_MAX];
	size_t count;
	bool has_kept;
	char kept_key[300];
	char kept_fingerprint[17];
	size_t reply_len;
	char reply[32]; /* its beginning */
} seen;

#define ASK(want, ...) assert_string_equal(redis_server_ask(server, __VA_ARGS__), want)

static int setup(void **state)
{
	struct error err;

	(void)state;
	server = redis_server_start((const char *const[]){NULL});
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

static uint64_t soon(void)
{
	return clock_mono_ns() + ANSWER_MS * NS_PER_MS;
}

static struct journal_id id_of(char kind, uint64_t number)
{
	struct journal_id id;
	char text[17];

	(void)snprintf(text, sizeof(text), "%c-%014llu", kind, (unsigned long long)number);
	memcpy(id.bytes, text, sizeof(id.bytes));
	return id;
}

static struct journal_head head_at(uint64_t sequence)
{
	struct journal_head head = {.sequence = sequence};

	if (sequence)
		head.tag = id_of('t', sequence);
	return head;
}

/* Command n appends (or puts) and its tag names the sequence it leads to. */
static enum journal_result write_with(enum journal_kind kind, uint64_t at, size_t count,
				      uint64_t command, const struct journal_idempotency *kept)
{
	struct journal_any any = {SPAN_LIT("T"), SPAN_LIT("payload")};
	struct journal_any events[3] = {any, any, any};
	struct journal_append append = {
		.key = key,
		.expected = head_at(at),
		.tag = id_of('t', at + count),
		.command = id_of('c', command),
		.events = events,
		.event_count = count,
		.idempotency = kept,
	};
	struct journal_put put = {
		.key = key,
		.expected = head_at(at),
		.tag = id_of('t', at + count),
		.command = id_of('c', command),
		.state = &any,
		.idempotency = kept,
	};

	journal_answer_fini(&answer);
	memset(&answer, 0, sizeof(answer));
	buf_init(&answer.text, 1024);
	answer.request = kind == JOURNAL_VALUE ? journal_put(client.journal, &put, soon(),
							     journal_client_on_append, &answer)
					       : journal_append(client.journal, &append, soon(),
								journal_client_on_append, &answer);
	assert_true(journal_client_until(&client, &answer.is_done));
	return answer.result;
}

static struct journal_idempotency kept_of(const char *text, struct span reply)
{
	struct journal_idempotency kept = {.key = span_from_str(text), .reply = reply};

	memcpy(kept.fingerprint.bytes, FINGERPRINT, sizeof(kept.fingerprint.bytes));
	return kept;
}

static void on_window(void *data, enum journal_result result,
		      const struct journal_executed *executed, size_t count,
		      const struct error *error)
{
	(void)data;
	assert_true(result != JOURNAL_OK || !error);
	assert_true(count <= SEEN_MAX);
	seen.result = result;
	seen.count = count;
	if (count)
		memcpy(seen.executed, executed, count * sizeof(*executed));
	seen.is_done = true;
}

static enum journal_result window(enum journal_kind kind, uint64_t first, uint64_t last)
{
	struct journal_window asked = {.key = key, .kind = kind, .first = first, .last = last};

	memset(&seen, 0, sizeof(seen));
	(void)journal_window(client.journal, &asked, soon(), on_window, NULL);
	assert_true(journal_client_until(&client, &seen.is_done));
	return seen.result;
}

static void on_recall(void *data, enum journal_result result,
		      const struct journal_idempotency *kept, const struct error *error)
{
	(void)data;
	(void)error;
	seen.result = result;
	seen.has_kept = kept != NULL;
	if (kept) {
		(void)snprintf(seen.kept_key, sizeof(seen.kept_key), "%.*s", SPAN_FMT(kept->key));
		memcpy(seen.kept_fingerprint, kept->fingerprint.bytes, 16);
		(void)snprintf(seen.reply, sizeof(seen.reply), "%.*s",
			       SPAN_FMT(span_head(kept->reply, sizeof(seen.reply) - 1)));
		seen.reply_len = kept->reply.len;
	}
	seen.is_done = true;
}

static enum journal_result recall(enum journal_kind kind, uint64_t head, uint64_t command,
				  uint64_t sequence)
{
	struct journal_recall asked = {
		.key = key,
		.kind = kind,
		.head = head_at(head),
		.command = id_of('c', command),
		.sequence = sequence,
	};

	memset(&seen, 0, sizeof(seen));
	(void)journal_recall(client.journal, &asked, soon(), on_recall, NULL);
	assert_true(journal_client_until(&client, &seen.is_done));
	return seen.result;
}

static void is_executed(size_t at, uint64_t command, uint64_t sequence, bool has_key)
{
	struct journal_id id = id_of('c', command);

	assert_true(at < seen.count);
	assert_memory_equal(seen.executed[at].command.bytes, id.bytes, 16);
	assert_true(seen.executed[at].sequence == sequence);
	assert_int_equal(seen.executed[at].has_key, has_key);
	if (has_key)
		assert_memory_equal(seen.executed[at].fingerprint.bytes, FINGERPRINT, 16);
}

/* Only the last event of a batch carries them, and loads still read the stream. */
static void events_keep_them(void **state)
{
	struct journal_idempotency kept = kept_of("my \"key\"", SPAN_LIT("the reply"));

	(void)state;
	assert_int_equal(write_with(JOURNAL_EVENTS, 0, 1, 1, NULL), JOURNAL_OK);
	assert_int_equal(write_with(JOURNAL_EVENTS, 1, 3, 2, &kept), JOURNAL_OK);
	assert_int_equal(write_with(JOURNAL_EVENTS, 4, 2, 3, NULL), JOURNAL_OK);
	ASK("0", "EXISTS hg1:ns:{33}:k");
	ASK("6", "XLEN " EVENTS);
	assert_null(strstr(redis_server_ask(server, "XRANGE " EVENTS " 1-0 3-0"), " k "));
	assert_non_null(strstr(redis_server_ask(server, "XRANGE " EVENTS " 4-0 4-0"),
			       " k " FINGERPRINT "my \"key\" r the reply"));
	assert_int_equal(journal_client_load_now(&client, &answer, "alice"), JOURNAL_OK);

	assert_int_equal(window(JOURNAL_EVENTS, 1, 6), JOURNAL_OK);
	assert_int_equal(seen.count, 3);
	is_executed(0, 1, 1, false);
	is_executed(1, 2, 4, true);
	is_executed(2, 3, 6, false);
	/* a command of which only a part is in the range is still found by its last event */
	assert_int_equal(window(JOURNAL_EVENTS, 3, 4), JOURNAL_OK);
	assert_int_equal(seen.count, 1);
	is_executed(0, 2, 4, true);

	assert_int_equal(recall(JOURNAL_EVENTS, 6, 2, 4), JOURNAL_OK);
	assert_true(seen.has_kept);
	assert_string_equal(seen.kept_key, "my \"key\"");
	assert_string_equal(seen.kept_fingerprint, FINGERPRINT);
	assert_string_equal(seen.reply, "the reply");
	assert_int_equal(recall(JOURNAL_EVENTS, 6, 3, 6), JOURNAL_OK);
	assert_false(seen.has_kept);
}

static void values_keep_them(void **state)
{
	struct journal_idempotency kept = kept_of("k", SPAN_LIT(""));

	(void)state;
	assert_int_equal(write_with(JOURNAL_VALUE, 0, 1, 1, &kept), JOURNAL_OK);
	for (uint64_t i = 1; i < 40; i++) {
		kept = kept_of("another key", span_from_str(i % 2 ? "odd" : ""));
		assert_int_equal(write_with(JOURNAL_VALUE, i, 1, i + 1, i % 3 ? &kept : NULL),
				 JOURNAL_OK);
	}
	assert_int_equal(window(JOURNAL_VALUE, 1, 40), JOURNAL_OK);
	assert_int_equal(seen.count, JOURNAL_WRITES_KEPT);
	for (size_t i = 0; i < seen.count; i++)
		is_executed(i, i + 9, i + 9, (i + 8) % 3 != 0);
	assert_int_equal(recall(JOURNAL_VALUE, 40, 40, 40), JOURNAL_OK);
	assert_false(seen.has_kept);
	assert_int_equal(recall(JOURNAL_VALUE, 40, 38, 38), JOURNAL_OK);
	assert_true(seen.has_kept);
	assert_string_equal(seen.kept_key, "another key");
	assert_string_equal(seen.reply, "odd");
	assert_int_equal(recall(JOURNAL_VALUE, 40, 39, 39), JOURNAL_OK);
	assert_true(seen.has_kept && seen.reply_len == 0);
	/* the oldest are forgotten, and their keys with them */
	assert_int_equal(recall(JOURNAL_VALUE, 40, 8, 8), JOURNAL_CONFLICT);
}

static void nothing_is_told_without_proof(void **state)
{
	struct journal_idempotency kept = kept_of("k", SPAN_LIT("r"));
	static const struct {
		const char *name;
		uint64_t head;
		uint64_t command;
		uint64_t sequence;
		enum journal_result result;
	} rows[] = {
		{"as it is", 2, 1, 2, JOURNAL_OK},
		{"stale head", 1, 1, 2, JOURNAL_CONFLICT},
		{"head ahead", 3, 1, 2, JOURNAL_CONFLICT},
		{"no head", 0, 1, 2, JOURNAL_CONFLICT},
		{"another command", 2, 2, 2, JOURNAL_CONFLICT},
		{"no such event", 2, 1, 3, JOURNAL_CONFLICT},
	};

	(void)state;
	assert_int_equal(write_with(JOURNAL_EVENTS, 0, 2, 1, &kept), JOURNAL_OK);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		UNIT_ROW(rows[i].name, recall(JOURNAL_EVENTS, rows[i].head, rows[i].command,
					      rows[i].sequence) == rows[i].result);
	ASK("1", "HSET " HEAD " x 1700000000001");
	ASK("1", "DEL " EVENTS);
	assert_int_equal(recall(JOURNAL_EVENTS, 2, 1, 2), JOURNAL_ERASED);
	assert_int_equal(window(JOURNAL_EVENTS, 1, 2), JOURNAL_OK);
	assert_int_equal(seen.count, 0);
}

/* Several pages; a command that lies over the border of two is one. */
static void windows_of_many_pages(void **state)
{
	struct journal_idempotency kept = kept_of("k", SPAN_LIT("r"));

	(void)state;
	for (uint64_t i = 0; i < 200; i++)
		assert_int_equal(write_with(JOURNAL_EVENTS, 3 * i, 3, i, i % 2 ? &kept : NULL),
				 JOURNAL_OK);
	assert_int_equal(window(JOURNAL_EVENTS, 2, 600), JOURNAL_OK);
	assert_int_equal(seen.count, 200);
	for (size_t i = 0; i < seen.count; i++)
		is_executed(i, i, 3 * (i + 1), i % 2);
	/* beyond what is there */
	assert_int_equal(window(JOURNAL_EVENTS, 598, 5000), JOURNAL_OK);
	assert_int_equal(seen.count, 1);
	assert_int_equal(window(JOURNAL_EVENTS, 700, 5000), JOURNAL_OK);
	assert_int_equal(seen.count, 0);
	/* cancelled in the middle: no callback */
	memset(&seen, 0, sizeof(seen));
	journal_cancel(
		journal_window(client.journal,
			       &(struct journal_window){
				       .key = key, .kind = JOURNAL_EVENTS, .first = 1, .last = 600},
			       soon(), on_window, NULL));
	assert_int_equal(journal_client_load_now(&client, &answer, "alice"), JOURNAL_OK);
	assert_false(seen.is_done);
}

static void limits(void **state)
{
	char *large = mem_zalloc(JOURNAL_REPLY_MAX + 1);
	char long_key[JOURNAL_KEY_MAX + 2];
	struct journal_idempotency kept;

	(void)state;
	memset(large, 'x', JOURNAL_REPLY_MAX + 1);
	memset(long_key, 'k', sizeof(long_key) - 1);
	long_key[sizeof(long_key) - 1] = '\0';
	kept = kept_of(long_key + 1, span_make(large, JOURNAL_REPLY_MAX));
	assert_int_equal(write_with(JOURNAL_EVENTS, 0, 1, 1, &kept), JOURNAL_OK);
	assert_int_equal(recall(JOURNAL_EVENTS, 1, 1, 1), JOURNAL_OK);
	assert_int_equal(seen.reply_len, JOURNAL_REPLY_MAX);
	assert_int_equal(strlen(seen.kept_key), JOURNAL_KEY_MAX);
	kept.key = span_from_str(long_key);
	assert_int_equal(write_with(JOURNAL_EVENTS, 1, 1, 2, &kept), JOURNAL_ERROR);
	assert_int_equal(answer.error.status, ST_INVALID_ARGUMENT);
	kept.key = SPAN_EMPTY;
	assert_int_equal(write_with(JOURNAL_VALUE, 1, 1, 2, &kept), JOURNAL_ERROR);
	assert_int_equal(answer.error.status, ST_INVALID_ARGUMENT);
	kept = kept_of("k", span_make(large, JOURNAL_REPLY_MAX + 1));
	assert_int_equal(write_with(JOURNAL_EVENTS, 1, 1, 2, &kept), JOURNAL_ERROR);
	assert_int_equal(answer.error.status, ST_RESOURCE_EXHAUSTED);
	mem_free(large);
}

/* What nobody but a stranger can have written is not guessed at. */
static void damage(void **state)
{
	struct journal_idempotency kept = kept_of("k", SPAN_LIT("r"));

	(void)state;
	assert_int_equal(write_with(JOURNAL_VALUE, 0, 1, 1, &kept), JOURNAL_OK);
	ASK("0", "HSET " HEAD " d zz");
	assert_int_equal(window(JOURNAL_VALUE, 1, 1), JOURNAL_ERROR);
	assert_int_equal(recall(JOURNAL_VALUE, 1, 1, 1), JOURNAL_ERROR);
	ASK("2", "DEL " HEAD " hg1:ns:{33}:f:cart");
	assert_int_equal(write_with(JOURNAL_EVENTS, 0, 1, 1, &kept), JOURNAL_OK);
	ASK("1", "DEL " EVENTS);
	(void)redis_server_ask(server, "XADD " EVENTS " 1-0 c short g x w 1 t T p P");
	assert_int_equal(window(JOURNAL_EVENTS, 1, 1), JOURNAL_ERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(events_keep_them, setup, teardown),
		cmocka_unit_test_setup_teardown(values_keep_them, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_told_without_proof, setup, teardown),
		cmocka_unit_test_setup_teardown(windows_of_many_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(limits, setup, teardown),
		cmocka_unit_test_setup_teardown(damage, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
