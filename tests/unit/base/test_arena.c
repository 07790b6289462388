#include "src/base/arena.h"

#include "tests/unit/unit.h"

static bool is_zeroed(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i])
			return false;
	return true;
}

static void memory_is_zeroed_aligned_and_apart(void **state)
{
	static const size_t sizes[] = {1, 16, 17, 4095, 4096, 4097, 3, 100000, 0, 8};
	uint8_t *parts[COUNT_OF(sizes)];
	struct arena arena;

	(void)state;
	arena_init(&arena, 1 << 20);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < COUNT_OF(sizes); i++) {
			parts[i] = arena_alloc(&arena, sizes[i]);
			assert_non_null(parts[i]);
			assert_int_equal((uintptr_t)parts[i] % 16, 0);
			assert_true(is_zeroed(parts[i], sizes[i]));
			memset(parts[i], (int)i + 1, sizes[i]);
		}
		for (size_t i = 0; i < COUNT_OF(sizes); i++)
			for (size_t k = 0; k < sizes[i]; k++)
				assert_int_equal(parts[i][k], i + 1);
		arena_reset(&arena);
		assert_int_equal(arena.used_bytes, 0);
	}
	arena_fini(&arena);
}

static void limit_is_exact_and_sticky(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena, 100);
	assert_non_null(arena_alloc(&arena, 60));
	assert_null(arena_alloc(&arena, 41));
	assert_true(arena.is_exhausted);
	assert_non_null(arena_alloc(&arena, 40));
	assert_true(arena.is_exhausted);
	assert_null(arena_alloc(&arena, 1));
	arena_reset(&arena);
	assert_false(arena.is_exhausted);
	assert_non_null(arena_alloc(&arena, 100));
	arena_fini(&arena);
}

static void sizes_that_overflow_are_refused(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena, SIZE_MAX);
	assert_null(arena_alloc(&arena, SIZE_MAX));
	assert_true(arena.is_exhausted);
	arena_reset(&arena);
	assert_null(arena_alloc_array(&arena, SIZE_MAX / 2, 3));
	assert_true(arena.is_exhausted);
	arena_fini(&arena);
}

static void copies_are_whole(void **state)
{
	struct arena arena;
	struct span copy;
	char text[] = "cart\0item";

	(void)state;
	arena_init(&arena, 64);
	copy = arena_span(&arena, span_make(text, sizeof(text) - 1));
	text[0] = 'X';
	assert_true(span_eq(copy, SPAN_LIT("cart\0item")));
	assert_string_equal(arena_strndup(&arena, "abcdef", 3), "abc");
	assert_string_equal(arena_strndup(&arena, NULL, 0), "");
	assert_int_equal(arena_span(&arena, SPAN_EMPTY).len, 0);
	assert_false(arena.is_exhausted);
	assert_int_equal(arena_span(&arena, span_make(text, sizeof(text) - 1)).len, 9);
	assert_null(arena_strndup(&arena, "0123456789012345678901234567890123456789012", 43));
	assert_true(arena.is_exhausted);
	arena_fini(&arena);
}

static void fini_accepts_a_zeroed_arena(void **state)
{
	struct arena arena = {0};

	(void)state;
	arena_fini(&arena);
	assert_null(arena_alloc(&arena, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_zeroed_aligned_and_apart),
		cmocka_unit_test(limit_is_exact_and_sticky),
		cmocka_unit_test(sizes_that_overflow_are_refused),
		cmocka_unit_test(copies_are_whole),
		cmocka_unit_test(fini_accepts_a_zeroed_arena),
	};

	return cmocka_run_group_tests_name("base/arena", tests, NULL, NULL);
}
