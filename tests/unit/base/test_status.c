#include "src/base/status.h"

#include "tests/unit/unit.h"

/* The numbers of google.rpc.Code, written out once more: the wire depends on them. */
static void rows_match_the_specification(void **state)
{
	static const struct {
		const char *name;
		enum status status;
		int number;
		int http;
		bool is_retryable;
	} rows[] = {
		{"OK", ST_OK, 0, 200, false},
		{"CANCELLED", ST_CANCELLED, 1, 499, false},
		{"UNKNOWN", ST_UNKNOWN, 2, 500, false},
		{"INVALID_ARGUMENT", ST_INVALID_ARGUMENT, 3, 400, false},
		{"DEADLINE_EXCEEDED", ST_DEADLINE_EXCEEDED, 4, 504, false},
		{"NOT_FOUND", ST_NOT_FOUND, 5, 404, false},
		{"ALREADY_EXISTS", ST_ALREADY_EXISTS, 6, 409, false},
		{"PERMISSION_DENIED", ST_PERMISSION_DENIED, 7, 403, false},
		{"RESOURCE_EXHAUSTED", ST_RESOURCE_EXHAUSTED, 8, 429, true},
		{"FAILED_PRECONDITION", ST_FAILED_PRECONDITION, 9, 400, false},
		{"ABORTED", ST_ABORTED, 10, 409, true},
		{"OUT_OF_RANGE", ST_OUT_OF_RANGE, 11, 400, false},
		{"UNIMPLEMENTED", ST_UNIMPLEMENTED, 12, 501, false},
		{"INTERNAL", ST_INTERNAL, 13, 500, false},
		{"UNAVAILABLE", ST_UNAVAILABLE, 14, 503, true},
		{"DATA_LOSS", ST_DATA_LOSS, 15, 500, false},
		{"UNAUTHENTICATED", ST_UNAUTHENTICATED, 16, 401, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		UNIT_ROW(rows[i].name, (int)rows[i].status == rows[i].number);
		UNIT_ROW(rows[i].name, strcmp(status_name(rows[i].status), rows[i].name) == 0);
		UNIT_ROW(rows[i].name, status_http(rows[i].status) == rows[i].http);
		UNIT_ROW(rows[i].name, status_is_retryable(rows[i].status) == rows[i].is_retryable);
		UNIT_ROW(rows[i].name,
			 status_from_number((unsigned long)rows[i].number) == rows[i].status);
	}
}

static void unknown_numbers_become_unknown(void **state)
{
	(void)state;
	assert_int_equal(status_from_number(17), ST_UNKNOWN);
	assert_int_equal(status_from_number(~0UL), ST_UNKNOWN);
	assert_string_equal(status_name((enum status)17), "UNKNOWN");
	assert_string_equal(status_name((enum status) - 1), "UNKNOWN");
	assert_int_equal(status_http((enum status)99), 500);
	assert_false(status_is_retryable((enum status)99));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_match_the_specification),
		cmocka_unit_test(unknown_numbers_become_unknown),
	};

	return cmocka_run_group_tests_name("base/status", tests, NULL, NULL);
}
