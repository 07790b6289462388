#include "src/base/mem.h"

#include <string.h>

#include "tests/unit/unit.h"

#define BLOCKS 200

/* Whatever was in a block before. */
static void memory_is_zeroed(void **state)
{
	static const size_t sizes[] = {0, 1, 31, 32, 33, 500, 1024, 1055, 1056, 100000};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(sizes); i++)
		for (int round = 0; round < 3; round++) {
			uint8_t *p = mem_zalloc(sizes[i]);

			for (size_t at = 0; at < sizes[i]; at++)
				assert_int_equal(p[at], 0);
			memset(p, 0xA5, sizes[i]);
			mem_free(p);
		}
}

static void a_block_has_room_for_every_size_of_its_class(void **state)
{
	(void)state;
	for (size_t size = 1; size < 2000; size++) {
		/* What is freed with this size serves a larger one, at the most. */
		uint8_t *small = mem_zalloc(size);
		uint8_t *grown;

		mem_free(small);
		grown = mem_zalloc(size + 31);
		memset(grown, 0x5A, size + 31); /* a sanitizer or malloc would complain */
		grown = mem_resize_array(grown, size * 3, 1);
		assert_int_equal(grown[size - 1], 0x5A);
		mem_free(grown);
	}
}

static void what_is_kept_has_a_limit(void **state)
{
	void *blocks[BLOCKS];
	size_t before = mem_kept_bytes();

	(void)state;
	for (size_t i = 0; i < BLOCKS; i++)
		blocks[i] = mem_zalloc(300);
	for (size_t i = 0; i < BLOCKS; i++)
		mem_free(blocks[i]);
	assert_true(mem_kept_bytes() - before <= (size_t)64 * 336);
	for (size_t i = 0; i < BLOCKS; i++)
		blocks[i] = mem_zalloc(5000);
	before = mem_kept_bytes();
	for (size_t i = 0; i < BLOCKS; i++)
		mem_free(blocks[i]);
	assert_int_equal(mem_kept_bytes(), before);
	mem_free(NULL);
}

static void arrays_and_copies(void **state)
{
	uint64_t *numbers = mem_new_array(uint64_t, 3);
	char *text = mem_strdup("cart");

	(void)state;
	numbers[2] = 7;
	numbers = mem_resize_array(numbers, 1000, sizeof(*numbers));
	assert_int_equal(numbers[2], 7);
	assert_string_equal(text, "cart");
	mem_free(numbers);
	mem_free(text);
	numbers = mem_resize_array(NULL, 0, sizeof(*numbers));
	assert_non_null(numbers);
	mem_free(numbers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_zeroed),
		cmocka_unit_test(a_block_has_room_for_every_size_of_its_class),
		cmocka_unit_test(what_is_kept_has_a_limit),
		cmocka_unit_test(arrays_and_copies),
	};

	return cmocka_run_group_tests_name("base/mem", tests, NULL, NULL);
}
