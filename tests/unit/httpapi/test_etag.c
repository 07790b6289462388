#include "httpapi/etag.h"

#include "tests/unit/unit.h"

static void tags(void **state)
{
	char plain[ETAG_BYTES];
	char again[ETAG_BYTES];
	char packed[ETAG_BYTES];
	char other[ETAG_BYTES];

	(void)state;
	etag_make(SPAN_LIT("{}"), false, plain);
	etag_make(SPAN_LIT("{}"), false, again);
	etag_make(SPAN_LIT("{}"), true, packed);
	etag_make(SPAN_LIT("{ }"), false, other);
	assert_string_equal(plain, again);
	assert_string_not_equal(plain, packed);
	assert_string_not_equal(plain, other);
	assert_int_equal(plain[0], '"');
}

static void known(void **state)
{
	static const struct {
		const char *name;
		const char *list;
		bool is_known;
	} rows[] = {
		{"none", "", false},
		{"the tag", "\"a\"", true},
		{"the other form", "\"a-gzip\"", true},
		{"another", "\"b\"", false},
		{"weak", "W/\"a\"", true},
		{"in a list", "\"x\" , W/\"y\",\"a\"", true},
		{"comma inside", "\"x,\", \"a\"", true},
		{"inside another", "\"x,\"a\",\"", false},
		{"any", "*", true},
		{"no quotes", "a", false},
		{"no end", "\"a", false},
		{"commas", ",,,", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		UNIT_ROW(rows[i].name, etag_is_known(span_from_str(rows[i].list), SPAN_LIT("\"a\""),
						     SPAN_LIT("\"a-gzip\"")) == rows[i].is_known);
	assert_true(etag_is_known(SPAN_LIT("\"a\""), SPAN_LIT("W/\"a\""), SPAN_EMPTY));
	assert_false(etag_is_known(SPAN_LIT("\"\""), SPAN_LIT("\"a\""), SPAN_EMPTY));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tags),
		cmocka_unit_test(known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
