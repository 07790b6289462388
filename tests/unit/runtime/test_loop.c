#include "src/runtime/loop.h"

#include "src/base/clock.h"
#include "src/runtime/timer.h"
#include "tests/unit/unit.h"

#define TEST_WAIT_NS (10 * NS_PER_S)

/* Writes down who was called, in order. */
struct record {
	struct loop *loop;
	char calls[64];
	size_t count;
	size_t want;
};

struct caller {
	struct record *record;
	char name;
	struct timer timer;
	struct loop_task task;
	void (*then)(struct caller *caller);
	struct caller *other;
};

static void note(struct caller *caller)
{
	struct record *record = caller->record;

	assert_true(record->count < sizeof(record->calls) - 1);
	record->calls[record->count++] = caller->name;
	if (caller->then)
		caller->then(caller);
}

static void on_call(void *data)
{
	note(data);
}

static bool has_all(void *data)
{
	struct record *record = data;

	return record->count >= record->want;
}

static struct loop *new_loop(void)
{
	struct loop *loop = NULL;
	struct error *no_error = NULL;

	assert_int_equal(loop_new(&loop, no_error), ST_OK);
	return loop;
}

static void caller_init(struct caller *caller, struct record *record, char name)
{
	*caller = (struct caller){.record = record, .name = name};
	timer_init(&caller->timer, record->loop, on_call, caller);
	loop_task_init(&caller->task, on_call, caller);
}

static void run(struct record *record, size_t want)
{
	record->want = want;
	assert_true(loop_run_until(record->loop, has_all, record, clock_mono_ns() + TEST_WAIT_NS));
}

static void timers_fire_in_deadline_order(void **state)
{
	static const int waits_ms[] = {7, 3, 9, 1, 8, 2, 6, 4, 5, 0};
	struct record record = {.loop = new_loop()};
	struct caller callers[COUNT_OF(waits_ms)];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(waits_ms); i++) {
		caller_init(&callers[i], &record, (char)('0' + waits_ms[i]));
		timer_start_in(&callers[i].timer, (uint64_t)waits_ms[i]);
	}
	run(&record, COUNT_OF(waits_ms));
	assert_string_equal(record.calls, "0123456789");
	for (size_t i = 0; i < COUNT_OF(waits_ms); i++)
		assert_false(timer_is_set(&callers[i].timer));
	loop_free(record.loop);
}

static void a_timer_never_fires_early(void **state)
{
	struct record record = {.loop = new_loop()};
	struct caller caller;
	uint64_t deadline_ns = clock_mono_ns() + 2300000;

	(void)state;
	caller_init(&caller, &record, 'a');
	timer_start(&caller.timer, deadline_ns);
	run(&record, 1);
	assert_true(clock_mono_ns() >= deadline_ns);
	loop_free(record.loop);
}

static void timers_move_and_stop(void **state)
{
	struct record record = {.loop = new_loop()};
	struct caller a, b, c, d;

	(void)state;
	caller_init(&a, &record, 'a');
	caller_init(&b, &record, 'b');
	caller_init(&c, &record, 'c');
	caller_init(&d, &record, 'd');
	timer_start_in(&a.timer, 1);
	timer_start_in(&b.timer, 2);
	timer_start_in(&c.timer, 3);
	timer_start_in(&d.timer, 1000000);
	timer_start_in(&a.timer, 6); /* later */
	timer_start_in(&d.timer, 4); /* earlier */
	timer_stop(&b.timer);
	timer_stop(&b.timer);
	timer_start(&c.timer, DEADLINE_NEVER); /* stops */
	assert_false(timer_is_set(&c.timer));
	run(&record, 2);
	assert_string_equal(record.calls, "da");
	loop_free(record.loop);
}

static void stop_other(struct caller *caller)
{
	timer_stop(&caller->other->timer);
}

static void a_timer_callback_stops_another_due_timer(void **state)
{
	struct record record = {.loop = new_loop()};
	struct caller a, b, c;

	(void)state;
	caller_init(&a, &record, 'a');
	caller_init(&b, &record, 'b');
	caller_init(&c, &record, 'c');
	a.then = stop_other;
	a.other = &b;
	timer_start(&a.timer, 1); /* all long due */
	timer_start(&b.timer, 2);
	timer_start(&c.timer, 3);
	run(&record, 2);
	assert_string_equal(record.calls, "ac");
	loop_free(record.loop);
}

static void start_again(struct caller *caller)
{
	timer_start_in(&caller->timer, 0);
}

static void a_timer_that_restarts_itself_does_not_hold_the_turn(void **state)
{
	struct record record = {.loop = new_loop()};
	struct caller a, b;

	(void)state;
	caller_init(&a, &record, 'a');
	caller_init(&b, &record, 'b');
	a.then = start_again;
	timer_start(&a.timer, 1);
	timer_start_in(&b.timer, 1);
	record.want = 0;
	while (!memchr(record.calls, 'b', record.count) && record.count < 60)
		run(&record, record.count + 1);
	timer_stop(&a.timer);
	timer_stop(&b.timer);
	assert_true(record.count > 1);
	loop_free(record.loop);
}

static void restart(struct caller *caller)
{
	timer_start_in(&caller->timer, 0);
}

/* Sleeping into the next millisecond each time would take at least half as many milliseconds as
 * there are calls; a busy machine gets several tries. */
static void a_timer_that_is_due_does_not_wait(void **state)
{
	enum { CALLS = 60, TRIES = 50 };
	uint64_t best_ns = UINT64_MAX;

	(void)state;
	for (int i = 0; i < TRIES && best_ns > 10 * NS_PER_MS; i++) {
		struct record record = {.loop = new_loop()};
		struct caller caller;
		uint64_t took_ns = clock_mono_ns();

		caller_init(&caller, &record, 'a');
		caller.then = restart;
		restart(&caller);
		run(&record, CALLS);
		took_ns = clock_mono_ns() - took_ns;
		best_ns = took_ns < best_ns ? took_ns : best_ns;
		timer_stop(&caller.timer);
		loop_free(record.loop);
	}
	assert_true(best_ns <= 10 * NS_PER_MS);
}

static void a_heap_of_thousands_keeps_its_order(void **state)
{
	enum { COUNT = 5000 };
	static struct caller callers[COUNT];
	struct record record = {.loop = new_loop()};
	uint64_t seed = 1;

	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		caller_init(&callers[i], &record, 'x');
		seed = seed * 6364136223846793005U + 1442695040888963407U;
		timer_start(&callers[i].timer, clock_mono_ns() + 3600 * NS_PER_S + (seed >> 40));
	}
	for (size_t i = 0; i < COUNT; i += 2)
		timer_stop(&callers[i].timer);
	for (size_t i = 1; i < COUNT; i += 2) {
		assert_true(timer_is_set(&callers[i].timer));
		timer_start(&callers[i].timer, callers[i].timer.deadline_ns / 2);
		timer_stop(&callers[i].timer);
	}
	loop_free(record.loop);
}

static void schedule_other(struct caller *caller)
{
	loop_task_schedule(caller->record->loop, &caller->other->task);
}

static void tasks_run_once_in_order_and_may_chain(void **state)
{
	struct record record = {.loop = new_loop()};
	struct caller a, b, c, d;

	(void)state;
	caller_init(&a, &record, 'a');
	caller_init(&b, &record, 'b');
	caller_init(&c, &record, 'c');
	caller_init(&d, &record, 'd');
	a.then = schedule_other;
	a.other = &c;
	loop_task_schedule(record.loop, &a.task);
	loop_task_schedule(record.loop, &b.task);
	loop_task_schedule(record.loop, &a.task); /* twice is once */
	loop_task_schedule(record.loop, &d.task);
	loop_task_cancel(&d.task);
	run(&record, 3);
	assert_string_equal(record.calls, "abc");
	loop_free(record.loop);
}

static void stop_loop(struct caller *caller)
{
	loop_stop(caller->record->loop);
}

static void loop_runs_stops_and_runs_again(void **state)
{
	struct record record = {.loop = new_loop()};
	struct caller a;

	(void)state;
	caller_init(&a, &record, 'a');
	a.then = stop_loop;
	timer_start_in(&a.timer, 1);
	loop_run(record.loop);
	loop_task_schedule(record.loop, &a.task);
	loop_run(record.loop);
	assert_string_equal(record.calls, "aa");
	loop_free(record.loop);
}

static bool is_never(void *data)
{
	(void)data;
	return false;
}

static void run_until_gives_up_at_the_deadline(void **state)
{
	struct loop *loop = new_loop();
	uint64_t deadline_ns = clock_mono_ns() + 5 * NS_PER_MS;

	(void)state;
	assert_false(loop_run_until(loop, is_never, NULL, deadline_ns));
	assert_true(clock_mono_ns() >= deadline_ns);
	loop_free(loop);
}

static void be_slow(struct caller *caller)
{
	uint64_t end_ns = clock_mono_ns() + 20 * NS_PER_MS;
	uint64_t began_ns = loop_now_ns(caller->record->loop);

	while (clock_mono_ns() < end_ns)
		assert_true(loop_now_ns(caller->record->loop) == began_ns);
}

static void the_longest_turn_is_recorded(void **state)
{
	struct record record = {.loop = new_loop()};
	struct caller a;

	(void)state;
	caller_init(&a, &record, 'a');
	a.then = be_slow;
	timer_start_in(&a.timer, 1);
	run(&record, 1);
	assert_true(loop_take_longest_turn_ns(record.loop) >= 20 * NS_PER_MS);
	assert_int_equal(loop_take_longest_turn_ns(record.loop), 0);
	loop_free(record.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_fire_in_deadline_order),
		cmocka_unit_test(a_timer_never_fires_early),
		cmocka_unit_test(timers_move_and_stop),
		cmocka_unit_test(a_timer_callback_stops_another_due_timer),
		cmocka_unit_test(a_timer_that_restarts_itself_does_not_hold_the_turn),
		cmocka_unit_test(a_timer_that_is_due_does_not_wait),
		cmocka_unit_test(a_heap_of_thousands_keeps_its_order),
		cmocka_unit_test(tasks_run_once_in_order_and_may_chain),
		cmocka_unit_test(loop_runs_stops_and_runs_again),
		cmocka_unit_test(run_until_gives_up_at_the_deadline),
		cmocka_unit_test(the_longest_turn_is_recorded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
