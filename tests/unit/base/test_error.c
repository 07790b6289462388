#include "src/base/error.h"

#include <errno.h>

#include "src/base/text.h"
#include "tests/unit/unit.h"

static void set_fills_and_returns(void **state)
{
	struct error err = {.saved_errno = 7, .field = "old"};

	(void)state;
	assert_int_equal(error_set(&err, ST_NOT_FOUND, "no %s", "cart"), ST_NOT_FOUND);
	assert_int_equal(err.status, ST_NOT_FOUND);
	assert_int_equal(err.saved_errno, 0);
	assert_string_equal(err.field, "");
	assert_string_equal(err.message, "no cart");
}

static void null_error_is_allowed(void **state)
{
	(void)state;
	assert_int_equal(error_set(NULL, ST_ABORTED, "x"), ST_ABORTED);
	assert_int_equal(error_set_errno(NULL, ST_INTERNAL, EPERM, "x"), ST_INTERNAL);
	assert_int_equal(error_wrap(NULL, "x"), ST_UNKNOWN);
	error_set_field(NULL, "x");
}

static void set_errno_keeps_and_names_it(void **state)
{
	struct error err;

	(void)state;
	assert_int_equal(error_set_errno(&err, ST_UNAVAILABLE, ENOENT, "open %s", "f"),
			 ST_UNAVAILABLE);
	assert_int_equal(err.saved_errno, ENOENT);
	assert_string_equal(err.message, "open f: No such file or directory");
}

static void wrap_puts_context_first(void **state)
{
	struct error err;

	(void)state;
	(void)error_set(&err, ST_DATA_LOSS, "bad record");
	assert_int_equal(error_wrap(&err, "loading %d", 7), ST_DATA_LOSS);
	assert_string_equal(err.message, "loading 7: bad record");
}

static void fields_are_joined_from_inside_out(void **state)
{
	static const struct {
		const char *inner;
		const char *outer;
		const char *want;
	} rows[] = {
		{"quantity", "item", "item.quantity"},
		{"[3]", "items", "items[3]"},
		{"name", "", "name"},
		{"", "item", "item"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct error err;

		(void)error_set(&err, ST_INVALID_ARGUMENT, "x");
		error_set_field(&err, "%s", rows[i].inner);
		error_set_field(&err, "%s", rows[i].outer);
		UNIT_ROW_SPAN(rows[i].want, span_from_str(err.field), rows[i].want);
	}
}

/* Whatever the length, a cut message is still UTF-8 and NUL-terminated. */
static void long_messages_are_cut_between_characters(void **state)
{
	static const char *const letters[] = {"a", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x9B\x92"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(letters); i++) {
		for (size_t pad = 0; pad < 4; pad++) {
			char text[ERROR_MESSAGE_MAX * 2] = "xxx";
			struct error err;
			size_t used = pad;

			while (used + 5 < sizeof(text)) {
				memcpy(text + used, letters[i], strlen(letters[i]) + 1);
				used += strlen(letters[i]);
			}
			(void)error_set(&err, ST_UNKNOWN, "%s", text);
			UNIT_ROW(letters[i], strlen(err.message) >= ERROR_MESSAGE_MAX - 4);
			UNIT_ROW(letters[i], text_is_utf8(span_from_str(err.message)));
			(void)error_wrap(&err, "%s", text);
			UNIT_ROW(letters[i], strstr(err.message, ": ") != NULL);
			UNIT_ROW(letters[i], text_is_utf8(span_from_str(err.message)));
			(void)error_set_errno(&err, ST_UNKNOWN, EPERM, "%s", text);
			UNIT_ROW(letters[i], text_is_utf8(span_from_str(err.message)));
			error_set_field(&err, "%s", text);
			UNIT_ROW(letters[i], text_is_utf8(span_from_str(err.field)));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_fills_and_returns),
		cmocka_unit_test(null_error_is_allowed),
		cmocka_unit_test(set_errno_keeps_and_names_it),
		cmocka_unit_test(wrap_puts_context_first),
		cmocka_unit_test(fields_are_joined_from_inside_out),
		cmocka_unit_test(long_messages_are_cut_between_characters),
	};

	return cmocka_run_group_tests_name("base/error", tests, NULL, NULL);
}
