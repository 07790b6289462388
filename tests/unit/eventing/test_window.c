/* Order, retries and checkpoints, with a clock of the test's own. */
#include "src/eventing/window.h"

#include <stdio.h>
#include <string.h>

#include "src/base/clock.h"
#include "tests/unit/unit.h"

static const struct window_policy policy = {
	.attempts_max = 3,
	.backoff_min_ns = 100,
	.backoff_max_ns = 1000,
};

static struct window window;

static int setup(void **state)
{
	(void)state;
	window_init(&window, &(struct feed_checkpoint){10, 7});
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	window_fini(&window);
	assert_int_equal(window.count, 0);
	return 0;
}

static struct window_entry *push(uint64_t position, const char *entity, uint64_t last,
				 uint64_t count)
{
	const struct feed_entry entry = {
		.position = position,
		.mark = position * 100,
		.entity = span_from_str(entity),
		.last = last,
		.count = count,
	};

	return window_push(&window, &entry);
}

static void an_entity_is_delivered_in_order_and_others_beside_it(void **state)
{
	struct window_entry *a1 = push(11, "a", 1, 1);
	struct window_entry *a2 = push(12, "a", 2, 1);
	struct window_entry *b1 = push(13, "b", 1, 1);
	struct window_entry *a3 = push(14, "a", 3, 1);

	(void)state;
	assert_ptr_equal(window_take(&window, 0), a1);
	assert_ptr_equal(window_take(&window, 0), b1);
	assert_null(window_take(&window, 0));
	assert_true(window_done(&window, a1));
	assert_ptr_equal(window_take(&window, 0), a2);
	assert_null(window_take(&window, 0));
	assert_true(window_done(&window, a2));
	assert_ptr_equal(window_take(&window, 0), a3);
	assert_int_equal(window.busy, 2);
}

static void the_checkpoint_follows_what_is_done_without_a_gap(void **state)
{
	struct window_entry *a = push(11, "a", 1, 1);
	struct window_entry *b = push(12, "b", 1, 1);
	struct window_entry *c = push(15, "c", 1, 1);

	(void)state;
	for (size_t i = 0; i < 3; i++)
		assert_non_null(window_take(&window, 0));
	assert_true(window_done(&window, b));
	assert_int_equal(window.done.position, 10);
	assert_int_equal(window.done.mark, 7);
	assert_true(window_done(&window, a));
	assert_int_equal(window.done.position, 12);
	assert_int_equal(window.done.mark, 1200);
	assert_true(window_done(&window, c));
	assert_int_equal(window.done.position, 15);
	assert_int_equal(window.count, 0);
}

static void all_events_of_an_append_are_delivered(void **state)
{
	struct window_entry *a = push(11, "a", 5, 3);
	struct window_entry *next = push(12, "a", 6, 1);

	(void)state;
	for (uint64_t sequence = 3; sequence <= 5; sequence++) {
		assert_ptr_equal(window_take(&window, 0), a);
		assert_int_equal(a->sequence, sequence);
		assert_int_equal(window.done.position, 10);
		assert_int_equal(window_done(&window, a), sequence == 5);
	}
	assert_int_equal(window.done.position, 11);
	assert_ptr_equal(window_take(&window, 0), next);
}

static void a_failed_one_waits_longer_each_time_and_holds_its_entity_up(void **state)
{
	static const struct {
		const char *name;
		uint64_t random;
		uint64_t wait_ns;
	} rows[] = {
		{"first, least", 0, 50},
		{"second, most", 100, 200},
	};
	struct window_entry *a = push(11, "a", 1, 1);
	struct window_entry *b;
	uint64_t now_ns = 1000;

	(void)state;
	(void)push(12, "a", 2, 1);
	b = push(13, "b", 1, 1);
	assert_ptr_equal(window_take(&window, now_ns), a);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		UNIT_ROW(rows[i].name,
			 window_fail(&window, a, &policy, false, now_ns, rows[i].random));
		if (i == 0)
			UNIT_ROW(rows[i].name, window_take(&window, now_ns) == b);
		UNIT_ROW(rows[i].name, !window_take(&window, now_ns));
		UNIT_ROW(rows[i].name, window_wake_ns(&window, now_ns) == now_ns + rows[i].wait_ns);
		UNIT_ROW(rows[i].name, !window_take(&window, now_ns + rows[i].wait_ns - 1));
		now_ns += rows[i].wait_ns;
		UNIT_ROW(rows[i].name, window_take(&window, now_ns) == a);
	}
	assert_false(window_fail(&window, a, &policy, false, now_ns, 0));
	assert_true(a->is_to_be_buried);
	assert_int_equal(a->attempts, 3);
	/* nothing overtakes it on its way to the dead letters */
	assert_null(window_take(&window, UINT64_MAX));
	assert_true(window_done(&window, a));
	assert_int_equal(window.done.position, 11);
	assert_non_null(window_take(&window, now_ns));
}

static void waits_are_bounded_and_attempts_may_be_without_end(void **state)
{
	const struct window_policy forever = {.backoff_min_ns = 100, .backoff_max_ns = 1000};
	struct window_entry *a = push(11, "a", 1, 1);
	uint64_t now_ns = 0;

	(void)state;
	for (size_t i = 0; i < 100; i++) {
		assert_ptr_equal(window_take(&window, now_ns), a);
		assert_true(window_fail(&window, a, &forever, false, now_ns, UINT64_MAX));
		assert_in_range(a->not_before_ns, now_ns, now_ns + 1000);
		now_ns += 1000;
	}
	assert_ptr_equal(window_take(&window, now_ns), a);
	assert_false(window_fail(&window, a, &forever, true, now_ns, 0));
}

/* The next event of an append begins with no attempts. */
static void attempts_are_of_one_event(void **state)
{
	struct window_entry *a = push(11, "a", 2, 2);

	(void)state;
	assert_ptr_equal(window_take(&window, 0), a);
	assert_true(window_fail(&window, a, &policy, false, 0, 0));
	assert_ptr_equal(window_take(&window, 1000), a);
	assert_false(window_done(&window, a));
	assert_ptr_equal(window_take(&window, 1000), a);
	assert_int_equal(a->attempts, 0);
	assert_int_equal(a->sequence, 2);
}

static void what_was_not_attempted_is_no_failure(void **state)
{
	struct window_entry *a = push(11, "a", 1, 1);

	(void)state;
	assert_ptr_equal(window_take(&window, 0), a);
	window_put_back(&window, a, 500);
	assert_int_equal(window.busy, 0);
	assert_null(window_take(&window, 499));
	assert_ptr_equal(window_take(&window, 500), a);
	assert_int_equal(a->attempts, 0);
	assert_int_equal(window_wake_ns(&window, 500), DEADLINE_NEVER);
}

static void a_slow_entry_holds_back_no_more_than_the_window(void **state)
{
	char name[16];
	struct window_entry *slow = push(11, "slow", 1, 1);

	(void)state;
	assert_ptr_equal(window_take(&window, 0), slow);
	for (uint64_t i = 1; i < WINDOW_ENTRIES_MAX; i++) {
		struct window_entry *e;

		assert_true(window_has_room(&window));
		(void)snprintf(name, sizeof(name), "e%u", (unsigned)i);
		e = push(11 + i, name, 1, 1);
		assert_ptr_equal(window_take(&window, 0), e);
		assert_true(window_done(&window, e));
	}
	assert_false(window_has_room(&window));
	assert_true(window_done(&window, slow));
	assert_int_equal(window.count, 0);
	assert_int_equal(window.done.position, 10 + WINDOW_ENTRIES_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(an_entity_is_delivered_in_order_and_others_beside_it),
		TEST(the_checkpoint_follows_what_is_done_without_a_gap),
		TEST(all_events_of_an_append_are_delivered),
		TEST(a_failed_one_waits_longer_each_time_and_holds_its_entity_up),
		TEST(waits_are_bounded_and_attempts_may_be_without_end),
		TEST(attempts_are_of_one_event),
		TEST(what_was_not_attempted_is_no_failure),
		TEST(a_slow_entry_holds_back_no_more_than_the_window),
#undef TEST
	};

	return cmocka_run_group_tests_name("eventing/window", tests, NULL, NULL);
}
