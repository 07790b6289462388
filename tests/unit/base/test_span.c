#include "src/base/span.h"

#include "tests/unit/unit.h"

static void cmp_orders_bytes(void **state)
{
	static const struct {
		const char *name;
		const char *a;
		const char *b;
		int sign;
	} rows[] = {
		{"both empty", "", "", 0},
		{"empty sorts first", "", "a", -1},
		{"a prefix sorts first", "ab", "abc", -1},
		{"longer sorts last", "abc", "ab", 1},
		{"first difference decides", "b", "abc", 1},
		{"bytes are unsigned", "\x80", "\x7f", 1},
		{"equal", "abc", "abc", 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int got = span_cmp(span_from_str(rows[i].a), span_from_str(rows[i].b));

		UNIT_ROW(rows[i].name, (got > 0) - (got < 0) == rows[i].sign);
	}
}

static void eq_nocase_knows_ascii_only(void **state)
{
	static const struct {
		const char *name;
		const char *a;
		const char *b;
		bool is_equal;
	} rows[] = {
		{"same", "host", "host", true},
		{"case", "Content-TYPE", "content-type", true},
		{"length", "host", "hosts", false},
		{"letters only", "@", "`", false},
		{"brackets", "[", "{", false},
		{"high bytes keep their case", "\xC4", "\xE4", false},
		{"empty", "", "", true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		UNIT_ROW(rows[i].name,
			 span_eq_nocase(span_from_str(rows[i].a), span_from_str(rows[i].b)) ==
				 rows[i].is_equal);
}

static void find_skip_head_stay_inside(void **state)
{
	struct span text = SPAN_LIT("a=b=c");

	(void)state;
	assert_int_equal(span_find(text, '='), 1);
	assert_int_equal(span_find(text, 'x'), text.len);
	assert_int_equal(span_find(SPAN_EMPTY, 'x'), 0);
	UNIT_ROW_SPAN("skip", span_skip(text, 2), "b=c");
	assert_int_equal(span_skip(text, 5).len, 0);
	assert_int_equal(span_skip(text, 6).len, 0);
	UNIT_ROW_SPAN("head", span_head(text, 3), "a=b");
	UNIT_ROW_SPAN("head longer than the text", span_head(text, 9), "a=b=c");
	assert_true(span_starts_with(text, SPAN_LIT("a=")));
	assert_true(span_starts_with(text, SPAN_EMPTY));
	assert_false(span_starts_with(SPAN_LIT("a"), text));
	assert_true(span_eq(SPAN_EMPTY, SPAN_LIT("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cmp_orders_bytes),
		cmocka_unit_test(eq_nocase_knows_ascii_only),
		cmocka_unit_test(find_skip_head_stay_inside),
	};

	return cmocka_run_group_tests_name("base/span", tests, NULL, NULL);
}
