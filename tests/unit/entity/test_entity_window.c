#include "src/entity/entity_window.h"

#include <string.h>

#include "tests/unit/unit.h"

static struct journal_executed executed_at(uint64_t sequence)
{
	struct journal_executed executed = {.sequence = sequence, .has_key = true};

	memcpy(executed.command.bytes, &sequence, sizeof(sequence));
	return executed;
}

static const struct journal_executed *find(const struct entity_window *window, uint64_t sequence)
{
	struct journal_executed executed = executed_at(sequence);

	return entity_window_find(window, &executed.command);
}

static void forgets_what_is_old(void **state)
{
	static const struct {
		const char *name;
		uint64_t size;
		uint64_t step; /* events per command */
		uint64_t last;
	} rows[] = {
		{"one", 1, 1, 50},
		{"of some", 10, 1, 100},
		{"batches", 10, 3, 99},
		{"batches larger than it", 2, 5, 50},
		{"never full", 1000, 1, 400},
		{"long", 1000, 1, 5000},
		{"just so", 16, 1, 16},
		{"and one more", 16, 1, 17},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct entity_window window = {0};

		entity_window_begin(&window, rows[i].size);
		for (uint64_t at = rows[i].step; at <= rows[i].last; at += rows[i].step) {
			struct journal_executed executed = executed_at(at);

			entity_window_add(&window, &executed);
		}
		for (uint64_t at = rows[i].step; at <= rows[i].last; at += rows[i].step) {
			const struct journal_executed *found = find(&window, at);
			bool is_within =
				at + rows[i].size > rows[i].last / rows[i].step * rows[i].step;

			UNIT_ROW(rows[i].name, (found != NULL) == is_within);
			UNIT_ROW(rows[i].name, !found || found->sequence == at);
		}
		UNIT_ROW(rows[i].name, window.capacity_ <= 4 * rows[i].size + 16);
		entity_window_reset(&window);
	}
}

static void empty(void **state)
{
	struct entity_window window = {0};

	(void)state;
	assert_false(window.is_read);
	assert_null(find(&window, 1));
	entity_window_begin(&window, 10);
	assert_true(window.is_read);
	assert_null(find(&window, 1));
	entity_window_reset(&window);
	assert_false(window.is_read);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forgets_what_is_old),
		cmocka_unit_test(empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
