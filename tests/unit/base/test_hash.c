#include "src/base/hash.h"

#include "tests/unit/unit.h"

/* Known XXH64 values: what is stored under them must be found for ever. */
static void stable_never_changes(void **state)
{
	static const struct {
		const char *text;
		uint64_t hash;
	} rows[] = {
		{"", 0xEF46DB3751D8E999ULL},
		{"a", 0xD24EC4F1A98C6E5BULL},
		{"abc", 0x44BC2CF5AD770999ULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		UNIT_ROW(rows[i].text, hash_stable(span_from_str(rows[i].text)) == rows[i].hash);
}

static void pair_is_joined_by_nul(void **state)
{
	(void)state;
	assert_true(hash_stable_pair(SPAN_LIT("cart"), SPAN_LIT("alice")) ==
		    hash_stable(SPAN_LIT("cart\0alice")));
	assert_true(hash_stable_pair(SPAN_EMPTY, SPAN_EMPTY) == hash_stable(SPAN_LIT("\0")));
	assert_false(hash_stable_pair(SPAN_LIT("a"), SPAN_LIT("bc")) ==
		     hash_stable_pair(SPAN_LIT("ab"), SPAN_LIT("c")));
}

static void parts_are_joined_by_nul(void **state)
{
	const struct span parts[] = {SPAN_LIT("10.0.0.1:7355"), SPAN_LIT("cart"),
				     SPAN_LIT("alice")};

	(void)state;
	assert_true(hash_stable_parts(parts, 3) ==
		    hash_stable(SPAN_LIT("10.0.0.1:7355\0cart\0alice")));
	assert_true(hash_stable_parts(parts, 1) == hash_stable(parts[0]));
	assert_true(hash_stable_parts(parts, 0) == hash_stable(SPAN_EMPTY));
}

static void seeded_is_a_function_of_the_bytes(void **state)
{
	(void)state;
	assert_true(hash_seeded(SPAN_LIT("a")) == hash_seeded(SPAN_LIT("a")));
	assert_false(hash_seeded(SPAN_LIT("a")) == hash_seeded(SPAN_LIT("b")));
}

static void random_fills_all_bytes(void **state)
{
	uint8_t seen[300] = {0};

	(void)state;
	for (int round = 0; round < 8; round++) {
		uint8_t bytes[300];

		hash_random(bytes, sizeof(bytes));
		for (size_t i = 0; i < sizeof(bytes); i++)
			seen[i] |= bytes[i];
	}
	for (size_t i = 0; i < sizeof(seen); i++)
		assert_int_not_equal(seen[i], 0); /* fails once in 10^16 runs */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stable_never_changes),
		cmocka_unit_test(pair_is_joined_by_nul),
		cmocka_unit_test(parts_are_joined_by_nul),
		cmocka_unit_test(seeded_is_a_function_of_the_bytes),
		cmocka_unit_test(random_fills_all_bytes),
	};

	return cmocka_run_group_tests_name("base/hash", tests, NULL, NULL);
}
