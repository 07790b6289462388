/* The feed, checkpoints, topics and dead letters in a real redis-server. */
#include "journal/feed.h"

#include <stdio.h>
#include <string.h>

#include "journal/journal.h"
#include "journal/key.h"
#include "journal/redis/redis_feed.h"
#include "src/base/error.h"
#include "tests/fakes/journal_client.h"
#include "tests/fakes/redis_server.h"
#include "tests/unit/unit.h"

#define TIMEOUT_MS 5000
#define CONSUMER SPAN_LIT("shop.View")

static struct redis_server *server;
static struct journal_client client;
static struct feed *feed;

/* What the last callback was given, as text. */
static struct {
	bool is_done;
	char text[1024];
	struct feed_checkpoint last; /* of a page: its last entry */
	struct feed_checkpoint stored;
} got;

#define ASK(want, ...) assert_string_equal(redis_server_ask(server, __VA_ARGS__), want)

static struct feed_source cart(void)
{
	const struct journal_key key = {SPAN_LIT("cart"), SPAN_LIT("alice")};

	return (struct feed_source){FEED_EVENT_LOG, SPAN_LIT("cart"), key_partition(&key)};
}

static struct feed_source news(void)
{
	return (struct feed_source){FEED_TOPIC, SPAN_LIT("news"),
				    feed_topic_partition(SPAN_LIT("news"))};
}

static int setup(void **state)
{
	struct error err;

	(void)state;
	server = redis_server_start(NULL);
	assert_int_equal(journal_client_open(&client, redis_server_url(server), NULL, &err), ST_OK);
	assert_true(journal_client_wait(&client, true));
	feed = redis_feed_open(client.loop, client.journal, TIMEOUT_MS);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	feed_close(feed);
	journal_client_close(&client);
	redis_server_stop(server);
	return 0;
}

static void begin(void)
{
	memset(&got, 0, sizeof(got));
}

static void add_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void add_text(const char *format, ...)
{
	size_t len = strlen(got.text);
	va_list args;

	va_start(args, format);
	(void)vsnprintf(got.text + len, sizeof(got.text) - len, format, args);
	va_end(args);
}

static void await(void)
{
	assert_true(journal_client_until(&client, &got.is_done));
}

static void on_page(void *data, const struct feed_page *page, const struct error *error)
{
	(void)data;
	if (error)
		add_text("%s", error->message);
	if (page && page->is_regressed)
		add_text("regressed ");
	if (page)
		add_text("head %llu skipped %llu", (unsigned long long)page->head,
			 (unsigned long long)page->skipped);
	for (size_t i = 0; page && i < page->count; i++) {
		const struct feed_entry *entry = &page->entries[i];

		add_text(" %llu:%.*s/%llu/%llu", (unsigned long long)entry->position,
			 SPAN_FMT(entry->entity), (unsigned long long)entry->last,
			 (unsigned long long)entry->count);
		got.last = (struct feed_checkpoint){entry->position, entry->mark};
	}
	got.is_done = true;
}

static void on_message(void *data, const struct feed_message *message, const struct error *error)
{
	static const char *const founds[] = {"found", "state", "erased", "trimmed"};

	(void)data;
	if (error)
		add_text("%s", error->message);
	if (message)
		add_text("%s %.*s %.*s", founds[message->found], SPAN_FMT(message->type_url),
			 SPAN_FMT(message->data));
	for (size_t i = 0; message && i < message->attribute_count; i++)
		add_text(" %.*s=%.*s", SPAN_FMT(message->attributes[i].name),
			 SPAN_FMT(message->attributes[i].value));
	got.is_done = true;
}

static void on_loaded(void *data, const struct feed_checkpoint *checkpoint,
		      const struct error *error)
{
	(void)data;
	assert_null(error);
	got.stored = *checkpoint;
	got.is_done = true;
}

static void on_done(void *data, const struct error *error)
{
	(void)data;
	add_text("%s", error ? error->message : "done");
	got.is_done = true;
}

static void append(const char *id, struct journal_head *head, const char *payload)
{
	struct journal_answer answer = {0};

	assert_int_equal(journal_client_append_now(&client, &answer, id, head, payload),
			 JOURNAL_OK);
	*head = answer.head;
	journal_answer_fini(&answer);
}

static void read_now(const struct feed_source *source, struct feed_checkpoint after, size_t count)
{
	begin();
	assert_non_null(feed_read(feed, source, &after, count, on_page, NULL));
	assert_false(got.is_done);
	await();
}

static void fetch_now(const struct feed_source *source, const struct feed_entry *entry,
		      uint64_t sequence)
{
	begin();
	assert_non_null(feed_fetch(feed, source, entry, sequence, on_message, NULL));
	await();
}

static void a_feed_is_read_from_a_position_on(void **state)
{
	const struct feed_source source = cart();
	const struct feed_entry entry = {
		.position = 2, .entity = SPAN_LIT("alice"), .last = 2, .count = 1};
	struct journal_head head = {0};

	(void)state;
	read_now(&source, (struct feed_checkpoint){0}, 10);
	assert_string_equal(got.text, "head 0 skipped 0");
	append("alice", &head, "one");
	append("alice", &head, "two");
	append("alice", &head, "three");
	read_now(&source, (struct feed_checkpoint){0}, 2);
	assert_string_equal(got.text, "head 3 skipped 0 1:alice/1/1 2:alice/2/1");
	read_now(&source, got.last, 10);
	assert_string_equal(got.text, "head 3 skipped 0 3:alice/3/1");
	read_now(&source, got.last, 10);
	assert_string_equal(got.text, "head 3 skipped 0");
	fetch_now(&source, &entry, 2);
	assert_non_null(strstr(got.text, "two"));
	assert_memory_equal(got.text, "found ", 6);
}

static void a_shorter_or_another_history_is_a_regression(void **state)
{
	const struct feed_source source = cart();
	struct feed_checkpoint at;
	struct journal_head head = {0};
	char key[64];

	(void)state;
	(void)snprintf(key, sizeof(key), "hg1:ns:{%u}:f:cart", source.partition);
	append("alice", &head, "one");
	append("alice", &head, "two");
	read_now(&source, (struct feed_checkpoint){0}, 10);
	at = got.last;
	read_now(&source, (struct feed_checkpoint){5, 0}, 10);
	assert_string_equal(got.text, "regressed head 2 skipped 0");
	/* as long as before, but with something else at its end */
	ASK("1", "XDEL %s 0-2", key);
	ASK("0-3", "XADD %s 0-* e alice s 7 n 1", key);
	read_now(&source, at, 10);
	assert_string_equal(got.text, "head 3 skipped 0 3:alice/7/1");
	ASK("1", "DEL %s", key);
	ASK("0-1", "XADD %s 0-1 e alice s 1 n 1", key);
	ASK("0-2", "XADD %s 0-2 e alice s 3 n 2", key);
	read_now(&source, at, 10);
	assert_string_equal(got.text, "regressed head 2 skipped 0");
}

static void why_there_is_no_event_is_told(void **state)
{
	const struct feed_source source = cart();
	struct feed_entry entry = {
		.position = 1, .entity = SPAN_LIT("alice"), .last = 1, .count = 1};
	struct journal_head head = {0};
	char key[64];

	(void)state;
	append("alice", &head, "one");
	(void)snprintf(key, sizeof(key), "hg1:ns:{%u}:e:cart/alice", source.partition);
	ASK("1", "DEL %s", key);
	fetch_now(&source, &entry, 1);
	assert_memory_equal(got.text, "trimmed", 7);
	key[strlen("hg1:ns:{") + (source.partition > 9 ? 2 : 1) + 2] = 'h';
	ASK("1", "HSET %s x 1", key);
	fetch_now(&source, &entry, 1);
	assert_memory_equal(got.text, "erased", 6);
	ASK("1", "HDEL %s x", key);
	entry.count = 0;
	fetch_now(&source, &entry, 0);
	assert_memory_equal(got.text, "state", 5);
}

static void checkpoints_are_kept_per_consumer_and_source(void **state)
{
	const struct feed_source log = cart();
	const struct feed_source topic = news();
	const struct feed_checkpoint at = {41, 1234567};
	char key[64];

	(void)state;
	begin();
	assert_non_null(feed_load_checkpoint(feed, &log, CONSUMER, on_loaded, NULL));
	await();
	assert_int_equal(got.stored.position, 0);
	begin();
	assert_non_null(feed_store_checkpoint(feed, &log, CONSUMER, &at, on_done, NULL));
	await();
	begin();
	assert_non_null(feed_load_checkpoint(feed, &log, CONSUMER, on_loaded, NULL));
	await();
	assert_int_equal(got.stored.position, 41);
	assert_int_equal(got.stored.mark, 1234567);
	begin();
	assert_non_null(feed_load_checkpoint(feed, &topic, CONSUMER, on_loaded, NULL));
	await();
	assert_int_equal(got.stored.position, 0);
	(void)snprintf(key, sizeof(key), "hg1:ns:{%u}:o:shop.View", log.partition);
	ASK("[41 1234567]", "HMGET %s cart cart!", key);
	begin();
	assert_non_null(feed_accept_regression(feed, &log, CONSUMER, on_done, NULL));
	await();
	ASK("[0 (nil)]", "HMGET %s cart cart!", key);
}

static void topics_are_bounded_and_say_what_was_lost(void **state)
{
	const struct feed_source source = news();
	const struct feed_attribute attributes[] = {
		{SPAN_LIT("id"), SPAN_LIT("7")},
		{SPAN_LIT("source"), SPAN_LIT("shop")},
		{SPAN_LIT("subject"), SPAN_LIT("alice")},
	};
	const struct feed_addition addition = {
		.target = FEED_TO_TOPIC,
		.name = SPAN_LIT("news"),
		.partition = source.partition,
		.length_max = 1000,
		.attributes = attributes,
		.attribute_count = COUNT_OF(attributes),
		.data = SPAN_LIT("payload"),
	};
	struct feed_entry entry = {.position = 2};
	char key[64];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		begin();
		assert_non_null(feed_add(feed, &addition, on_done, NULL));
		await();
		assert_string_equal(got.text, "done");
	}
	read_now(&source, (struct feed_checkpoint){0}, 1);
	assert_string_equal(got.text, "head 3 skipped 0 1:alice/0/0");
	fetch_now(&source, &entry, 0);
	assert_string_equal(got.text, "found  payload id=7 source=shop subject=alice");
	(void)snprintf(key, sizeof(key), "hg1:ns:{%u}:t:news", source.partition);
	ASK("2", "XTRIM %s MAXLEN 1", key);
	fetch_now(&source, &entry, 0);
	assert_memory_equal(got.text, "trimmed", 7);
	read_now(&source, (struct feed_checkpoint){0}, 10);
	assert_string_equal(got.text, "head 3 skipped 2 3:alice/0/0");
}

static void what_is_too_much_is_refused(void **state)
{
	static uint8_t large[FEED_MESSAGE_BYTES_MAX + FEED_LETTER_EXTRA_MAX + 1];
	static const struct {
		const char *name;
		enum feed_target target;
		size_t bytes;
		bool is_refused;
	} rows[] = {
		{"a message", FEED_TO_TOPIC, FEED_MESSAGE_BYTES_MAX, false},
		{"one too large", FEED_TO_TOPIC, FEED_MESSAGE_BYTES_MAX + 1, true},
		{"the letter of the largest", FEED_TO_DEAD_LETTERS,
		 FEED_MESSAGE_BYTES_MAX + FEED_LETTER_EXTRA_MAX, false},
		{"a letter too large", FEED_TO_DEAD_LETTERS, sizeof(large), true},
	};

	(void)state;
	begin();
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct feed_addition addition = {
			.target = rows[i].target,
			.name = CONSUMER,
			.length_max = 1,
			.data = {large, rows[i].bytes},
		};

		got.is_done = false;
		got.text[0] = 0;
		assert_non_null(feed_add(feed, &addition, on_done, NULL));
		assert_false(got.is_done);
		await();
		UNIT_ROW(rows[i].name, (strstr(got.text, "at most") != NULL) == rows[i].is_refused);
	}
}

static void nothing_comes_after_a_cancel(void **state)
{
	const struct feed_source source = cart();

	(void)state;
	begin();
	feed_cancel(feed, feed_read(feed, &source, &(struct feed_checkpoint){0}, 1, on_page, NULL));
	journal_client_run(&client, 20);
	assert_false(got.is_done);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(a_feed_is_read_from_a_position_on),
		TEST(a_shorter_or_another_history_is_a_regression),
		TEST(why_there_is_no_event_is_told),
		TEST(checkpoints_are_kept_per_consumer_and_source),
		TEST(topics_are_bounded_and_say_what_was_lost),
		TEST(what_is_too_much_is_refused),
		TEST(nothing_comes_after_a_cancel),
#undef TEST
	};

	return cmocka_run_group_tests_name("journal/redis/redis_feed", tests, NULL, NULL);
}
