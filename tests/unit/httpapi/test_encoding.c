#include "httpapi/encoding.h"

#include "tests/unit/unit.h"

static void accepted(void **state)
{
	static const struct {
		const char *name;
		const char *first;
		const char *second; /* header line */
		bool takes_gzip;
	} rows[] = {
		{"no header", "", "", false},
		{"gzip", "gzip", "", true},
		{"other case", "GZip", "", true},
		{"old name", "x-gzip", "", true},
		{"in a list", "deflate, gzip;q=0.5, br", "", true},
		{"in the second line", "br", "gzip", true},
		{"refused", "gzip;q=0", "", false},
		{"refused at length", "gzip; q=0.000", "", false},
		{"barely", "gzip;q=0.001", "", true},
		{"others only", "br, deflate", "", false},
		{"any", "*", "", true},
		{"any refused", "*;q=0", "", false},
		{"any refused but gzip", "*;q=0, gzip;q=0.3", "", true},
		{"any but gzip", "*, gzip;q=0", "", false},
		{"identity is better", "identity, gzip;q=0.5", "", false},
		{"identity is as good", "identity;q=0.5, gzip;q=0.5", "", true},
		{"identity is worse", "identity;q=0.1, gzip;q=0.5", "", true},
		{"identity refused", "identity;q=0", "", false},
		{"malformed quality is 1", "gzip;q=x", "", true},
		{"garbage", ";;,,=,q=0", "", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct encoding_accept accept = {0};

		encoding_accept_add(&accept, span_from_str(rows[i].first));
		encoding_accept_add(&accept, span_from_str(rows[i].second));
		UNIT_ROW(rows[i].name, encoding_takes_gzip(&accept) == rows[i].takes_gzip);
	}
}

static void codings(void **state)
{
	(void)state;
	assert_int_equal(encoding_of(SPAN_LIT("")), ENCODING_IDENTITY);
	assert_int_equal(encoding_of(SPAN_LIT("Identity")), ENCODING_IDENTITY);
	assert_int_equal(encoding_of(SPAN_LIT("gzip")), ENCODING_GZIP);
	assert_int_equal(encoding_of(SPAN_LIT("X-GZIP")), ENCODING_GZIP);
	assert_int_equal(encoding_of(SPAN_LIT("br")), ENCODING_UNKNOWN);
	assert_int_equal(encoding_of(SPAN_LIT("gzip, gzip")), ENCODING_UNKNOWN);
}

static void types(void **state)
{
	static const struct {
		const char *type;
		bool is_worth_it;
	} rows[] = {
		{"application/json", true},
		{"Application/JSON; charset=utf-8", true},
		{"application/problem+json", true},
		{"text/html; charset=utf-8", true},
		{"image/svg+xml", true},
		{"text/event-stream", false},
		{"image/png", false},
		{"application/octet-stream", false},
		{"application/gzip", false},
		{"", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		UNIT_ROW(rows[i].type,
			 encoding_is_worth_it(span_from_str(rows[i].type)) == rows[i].is_worth_it);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepted),
		cmocka_unit_test(codings),
		cmocka_unit_test(types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
