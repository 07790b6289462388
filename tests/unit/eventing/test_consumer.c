/* A consumer with a feed in memory and deliveries that end when the test says so. */
#include "src/eventing/consumer.h"

#include <stdio.h>
#include <string.h>

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/list.h"
#include "src/base/mem.h"
#include "src/eventing/consumer_internal.h"
#include "src/runtime/loop.h"
#include "src/runtime/timer.h"
#include "tests/fakes/fake_feed.h"
#include "tests/unit/unit.h"

#define WAIT_NS ((uint64_t)5 * NS_PER_S)
/* A topic is read in its one partition. */
#define TOPIC SPAN_LIT("news")

struct delivery {
	struct list node;
	consumer_delivered_fn on_delivered;
	void *cookie;
	char text[32];
};

static struct loop *loop;
static struct timer ticker;
static struct fake_feed fake;
static struct consumer *consumer;
static struct list deliveries; /* in progress */
static char log_text[2048];    /* what was delivered, in order */
static bool is_ready;
static bool is_manual;	    /* deliveries end when the test says so */
static const char *poison;  /* what always fails */
static unsigned failures;   /* so many deliveries to come fail */
static const char *unknown; /* what nobody takes */

static bool ready(void *data)
{
	(void)data;
	return is_ready;
}

static void end_delivery(struct delivery *d, enum status status, const char *text)
{
	consumer_delivered_fn on_delivered = d->on_delivered;
	void *cookie = d->cookie;

	list_remove(&d->node);
	mem_free(d);
	on_delivered(cookie, status, span_from_str(text));
}

/* Ends what is in progress as the test wants it; every millisecond, in a turn of the loop. */
static void on_tick(void *data)
{
	(void)data;
	timer_start_in(&ticker, 1);
	while (!is_manual && !list_is_empty(&deliveries)) {
		struct delivery *d = list_entry(deliveries.next, struct delivery, node);
		bool is_bad = failures > 0 || (poison && strcmp(d->text, poison) == 0);

		if (failures)
			failures--;
		end_delivery(d, is_bad ? ST_UNKNOWN : ST_OK, is_bad ? "bad" : "");
	}
}

static void *deliver(void *data, const struct consumer_event *event,
		     consumer_delivered_fn on_delivered, void *cookie, struct error *err)
{
	struct delivery *d;
	size_t len = strlen(log_text);

	(void)data;
	if (unknown && span_eq_str(event->message->data, unknown)) {
		(void)error_set(err, ST_UNIMPLEMENTED, "nobody takes it");
		return NULL;
	}
	d = mem_new(struct delivery);
	list_init(&d->node);
	list_push_back(&deliveries, &d->node);
	d->on_delivered = on_delivered;
	d->cookie = cookie;
	(void)snprintf(d->text, sizeof(d->text), "%.*s", SPAN_FMT(event->message->data));
	(void)snprintf(log_text + len, sizeof(log_text) - len, "%s ", d->text);
	return d;
}

static void cancel(void *data, void *delivery)
{
	struct delivery *d = delivery;

	(void)data;
	list_remove(&d->node);
	mem_free(d);
}

static const struct consumer_ops ops = {ready, deliver, cancel};

static void open_consumer(void)
{
	const struct consumer_params params = {
		.loop = loop,
		.feed = fake_feed_base(&fake),
		.kind = FEED_TOPIC,
		.source = TOPIC,
		.group = SPAN_LIT("group"),
		.ops = &ops,
		.policy = {3, NS_PER_MS, 2 * NS_PER_MS},
		.parallel_max = 4,
		.poll_max_ms = 4,
		.dead_letters_max = 10,
	};

	consumer = consumer_new(&params);
	consumer_share(consumer, UINT64_MAX);
}

static int setup(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(loop_new(&loop, &err), ST_OK);
	fake_feed_init(&fake, loop);
	timer_init(&ticker, loop, on_tick, NULL);
	timer_start_in(&ticker, 1);
	list_init(&deliveries);
	log_text[0] = 0;
	is_ready = true;
	is_manual = false;
	poison = NULL;
	unknown = NULL;
	failures = 0;
	consumer = NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	consumer_free(consumer);
	timer_stop(&ticker);
	assert_true(list_is_empty(&deliveries));
	assert_int_equal(fake.requests, 0);
	loop_free(loop);
	return 0;
}

static bool is_all_stored(void *data)
{
	(void)data;
	return fake.stored.position == fake.count;
}

static bool is_delivered(void *data)
{
	return strstr(log_text, data) != NULL;
}

static bool is_regressed(void *data)
{
	struct consumer_state state;

	(void)data;
	consumer_state(consumer, &state);
	return state.regressed != 0;
}

static bool is_idle(void *data)
{
	(void)data;
	return consumer_is_idle(consumer);
}

static bool has_read_more(void *data)
{
	return fake.reads > *(size_t *)data + 3;
}

/* The first request is answered. */
static bool is_away_noticed(void *data)
{
	(void)data;
	return fake.requests == 0;
}

static void until(bool (*is_done)(void *), void *data)
{
	assert_true(loop_run_until(loop, is_done, data, clock_deadline(clock_mono_ns(), WAIT_NS)));
}

static void run_some(void)
{
	size_t reads = fake.reads;

	until(has_read_more, &reads);
}

static void everything_is_delivered_and_stored(void **state)
{
	(void)state;
	fake_feed_add(&fake, "a", 1);
	fake_feed_add(&fake, "a", 2);
	open_consumer();
	until(is_all_stored, NULL);
	assert_string_equal(log_text, "a1 a2 ");
	assert_int_equal(fake.stored.mark, fake.entries[1].mark);
	fake_feed_add(&fake, "b", 1);
	until(is_all_stored, NULL);
	assert_string_equal(log_text, "a1 a2 b1 ");
}

/* The events of one entity one by one, others beside it, no more than there may be. */
static void deliveries_are_bounded_and_ordered(void **state)
{
	char name[2] = "a";

	(void)state;
	is_manual = true;
	for (size_t i = 0; i < 6; i++, name[0]++) {
		fake_feed_add(&fake, name, 1);
		fake_feed_add(&fake, name, 2);
	}
	open_consumer();
	until(is_delivered, (void *)(uintptr_t) "d1");
	run_some();
	assert_string_equal(log_text, "a1 b1 c1 d1 ");
	/* what follows b1 is free, but a1 is not done and holds the checkpoint back */
	end_delivery(list_entry(deliveries.next->next, struct delivery, node), ST_OK, "");
	until(is_delivered, (void *)(uintptr_t) "b2");
	run_some();
	assert_int_equal(fake.stored.position, 0);
	is_manual = false;
	until(is_all_stored, NULL);
}

static void what_fails_comes_again_before_what_follows(void **state)
{
	(void)state;
	failures = 2;
	fake_feed_add(&fake, "a", 1);
	fake_feed_add(&fake, "a", 2);
	open_consumer();
	until(is_all_stored, NULL);
	assert_string_equal(log_text, "a1 a1 a1 a2 ");
	assert_int_equal(fake.letter_count, 0);
}

static void what_always_fails_becomes_a_dead_letter(void **state)
{
	(void)state;
	poison = "a1";
	unknown = "b1";
	fake_feed_add(&fake, "a", 1);
	fake_feed_add(&fake, "a", 2);
	fake_feed_add(&fake, "b", 1);
	open_consumer();
	until(is_all_stored, NULL);
	assert_string_equal(log_text, "a1 a1 a1 a2 ");
	assert_int_equal(fake.letter_count, 2);
	assert_string_equal(fake.letters[0], "b1:1:nobody takes it");
	assert_string_equal(fake.letters[1], "a1:3:bad");
}

static void erased_and_trimmed_ones_are_passed_over(void **state)
{
	(void)state;
	fake_feed_add(&fake, "a", 1);
	fake_feed_add(&fake, "b", 1);
	fake_feed_add(&fake, "c", 1);
	fake_feed_add(&fake, "d", 1);
	fake.entries[0].found = FEED_ERASED;
	fake.entries[1].found = FEED_TRIMMED;
	fake.entries[2].found = FEED_STATE;
	open_consumer();
	until(is_all_stored, NULL);
	assert_string_equal(log_text, "d1 ");
}

static void nothing_is_delivered_or_counted_while_the_function_is_away(void **state)
{
	(void)state;
	is_ready = false;
	fake_feed_add(&fake, "a", 1);
	open_consumer();
	run_some();
	assert_string_equal(log_text, "");
	is_ready = true;
	consumer_wake(consumer);
	until(is_all_stored, NULL);
	assert_string_equal(log_text, "a1 ");
}

static void a_journal_that_comes_back_is_read_on(void **state)
{
	(void)state;
	fake.is_away = true;
	fake_feed_add(&fake, "a", 1);
	open_consumer();
	until(is_away_noticed, NULL);
	fake.is_away = false;
	until(is_all_stored, NULL);
	assert_string_equal(log_text, "a1 ");
}

static void begins_behind_its_checkpoint(void **state)
{
	(void)state;
	fake_feed_add(&fake, "a", 1);
	fake_feed_add(&fake, "a", 2);
	fake.stored = (struct feed_checkpoint){1, fake.entries[0].mark};
	open_consumer();
	until(is_all_stored, NULL);
	assert_string_equal(log_text, "a2 ");
}

static void a_regression_stops_it_until_the_checkpoint_is_mended(void **state)
{
	static const struct {
		const char *name;
		struct feed_checkpoint at;
	} rows[] = {
		{"behind the end", {9, 0}},
		{"another entry", {1, 12345}},
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		fake.count = 0;
		fake_feed_add(&fake, "a", 1);
		fake_feed_add(&fake, "a", 2);
		fake.stored = rows[i].at;
		open_consumer();
		until(is_regressed, NULL);
		UNIT_ROW(rows[i].name, log_text[0] == 0);
		fake.stored = (struct feed_checkpoint){1, 0};
		until(is_all_stored, NULL);
		UNIT_ROW(rows[i].name, strcmp(log_text, "a2 ") == 0);
		UNIT_ROW(rows[i].name, !is_regressed(NULL));
		consumer_free(consumer);
		consumer = NULL;
		assert_int_equal(teardown(state), 0);
		assert_int_equal(setup(state), 0);
	}
}

static bool is_loading(void *data)
{
	(void)data;
	return consumer->lanes[0].state == LANE_LOADING;
}

/* Redis lost its newest entries, and the partition is another's in the same moment: what was done
 * of the lost ones is not stored, or the next owner would begin behind the end. */
static void what_was_lost_is_not_left_as_done(void **state)
{
	(void)state;
	is_manual = true;
	fake_feed_add(&fake, "a", 1);
	fake_feed_add(&fake, "b", 1);
	fake_feed_add(&fake, "c", 1);
	open_consumer();
	until(is_delivered, (void *)(uintptr_t) "c1");
	fake.is_away = true;
	while (!list_is_empty(&deliveries))
		end_delivery(list_entry(deliveries.next, struct delivery, node), ST_OK, "");
	until(is_away_noticed, NULL);
	fake.is_away = false;
	fake.is_load_failing = true;
	fake.count = 1;
	until(is_loading, NULL);
	consumer_share(consumer, 0);
	until(is_idle, NULL);
	assert_true(fake.stored.position <= fake.count);
}

/* What is in progress ends and is stored; what waits is left to the next owner. */
static void a_partition_that_is_another_s_is_left_in_order(void **state)
{
	(void)state;
	is_manual = true;
	fake_feed_add(&fake, "a", 1);
	fake_feed_add(&fake, "a", 2);
	open_consumer();
	until(is_delivered, (void *)(uintptr_t) "a1");
	consumer_share(consumer, 0);
	assert_false(consumer_is_idle(consumer));
	end_delivery(list_entry(deliveries.next, struct delivery, node), ST_OK, "");
	until(is_idle, NULL);
	assert_int_equal(fake.stored.position, 1);
	assert_string_equal(log_text, "a1 ");
	/* and comes back to it */
	is_manual = false;
	consumer_share(consumer, UINT64_MAX);
	until(is_all_stored, NULL);
	assert_string_equal(log_text, "a1 a2 ");
}

static void stopping_ends_what_is_in_progress_only(void **state)
{
	(void)state;
	is_manual = true;
	fake_feed_add(&fake, "a", 1);
	fake_feed_add(&fake, "b", 1);
	fake_feed_add(&fake, "b", 2);
	open_consumer();
	until(is_delivered, (void *)(uintptr_t) "b1");
	consumer_stop(consumer);
	consumer_share(consumer, UINT64_MAX);
	is_manual = false;
	until(is_idle, NULL);
	assert_int_equal(fake.stored.position, 2);
	assert_string_equal(log_text, "a1 b1 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(everything_is_delivered_and_stored),
		TEST(deliveries_are_bounded_and_ordered),
		TEST(what_fails_comes_again_before_what_follows),
		TEST(what_always_fails_becomes_a_dead_letter),
		TEST(erased_and_trimmed_ones_are_passed_over),
		TEST(nothing_is_delivered_or_counted_while_the_function_is_away),
		TEST(a_journal_that_comes_back_is_read_on),
		TEST(begins_behind_its_checkpoint),
		TEST(a_regression_stops_it_until_the_checkpoint_is_mended),
		TEST(a_partition_that_is_another_s_is_left_in_order),
		TEST(what_was_lost_is_not_left_as_done),
		TEST(stopping_ends_what_is_in_progress_only),
#undef TEST
	};

	return cmocka_run_group_tests_name("eventing/consumer", tests, NULL, NULL);
}
