#include "src/base/clock.h"

#include "tests/unit/unit.h"

static void deadline_never_wraps(void **state)
{
	(void)state;
	assert_true(clock_deadline(5, 7) == 12);
	assert_true(clock_deadline(5, UINT64_MAX) == DEADLINE_NEVER);
	assert_true(clock_deadline(5, UINT64_MAX - 5) == DEADLINE_NEVER);
}

static void clocks_go_forward(void **state)
{
	uint64_t first = clock_mono_ns();

	(void)state;
	assert_true(clock_mono_ns() >= first);
	assert_true(clock_wall_ms() > 1600000000000ULL); /* after 2020, in milliseconds */
	assert_true(clock_wall_ms() < 16000000000000ULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deadline_never_wraps),
		cmocka_unit_test(clocks_go_forward),
	};

	return cmocka_run_group_tests_name("base/clock", tests, NULL, NULL);
}
