#include "src/base/map.h"

#include <stdio.h>

#include "src/base/mem.h"
#include "tests/unit/unit.h"

#define ITEMS 3000

struct item {
	struct map_node node;
	char key[16];
	bool is_seen;
};

static struct item *items_new(void)
{
	struct item *items = mem_new_array(struct item, ITEMS);

	for (int i = 0; i < ITEMS; i++) {
		(void)snprintf(items[i].key, sizeof(items[i].key), "key-%d", i);
		items[i].node.key = span_from_str(items[i].key);
	}
	return items;
}

static void finds_what_was_inserted_and_no_more(void **state)
{
	struct item *items = items_new();
	struct map map;

	(void)state;
	map_init(&map);
	assert_null(map_find(&map, SPAN_LIT("key-0")));
	for (int i = 0; i < ITEMS; i++)
		assert_true(map_insert(&map, &items[i].node));
	assert_int_equal(map.count, ITEMS);
	for (int i = 0; i < ITEMS; i += 2)
		map_remove(&map, &items[i].node);
	assert_int_equal(map.count, ITEMS / 2);
	for (int i = 0; i < ITEMS; i++)
		assert_ptr_equal(map_find(&map, items[i].node.key), i % 2 ? &items[i].node : NULL);
	map_fini(&map);
	mem_free(items);
}

static void second_insert_of_a_key_changes_nothing(void **state)
{
	struct map map;
	struct map_node first = {.key = SPAN_LIT("a")};
	struct map_node second = {.key = SPAN_LIT("a")};
	struct map_node empty = {.key = SPAN_EMPTY};
	struct map_node nul = {.key = SPAN_LIT("\0")};

	(void)state;
	map_init(&map);
	assert_true(map_insert(&map, &first));
	assert_false(map_insert(&map, &second));
	assert_ptr_equal(map_find(&map, SPAN_LIT("a")), &first);
	assert_true(map_insert(&map, &empty));
	assert_true(map_insert(&map, &nul));
	assert_ptr_equal(map_find(&map, SPAN_EMPTY), &empty);
	assert_ptr_equal(map_find(&map, SPAN_LIT("\0")), &nul);
	assert_int_equal(map.count, 3);
	map_fini(&map);
}

static void iteration_meets_each_once_and_allows_removal(void **state)
{
	struct item *items = items_new();
	struct map map;
	struct map_node *node;
	size_t met = 0;

	(void)state;
	map_init(&map);
	assert_null(map_next(&map, NULL));
	for (int i = 0; i < ITEMS; i++)
		assert_true(map_insert(&map, &items[i].node));
	node = map_next(&map, NULL);
	while (node) {
		struct map_node *next = map_next(&map, node);
		struct item *item = container_of(node, struct item, node);

		assert_false(item->is_seen);
		item->is_seen = true;
		met++;
		map_remove(&map, node);
		node = next;
	}
	assert_int_equal(met, ITEMS);
	assert_int_equal(map.count, 0);
	map_fini(&map);
	mem_free(items);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_was_inserted_and_no_more),
		cmocka_unit_test(second_insert_of_a_key_changes_nothing),
		cmocka_unit_test(iteration_meets_each_once_and_allows_removal),
	};

	return cmocka_run_group_tests_name("base/map", tests, NULL, NULL);
}
