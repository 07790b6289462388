#include "proto/json_number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

static void only_json_numbers_are_valid(void **state)
{
	static const struct {
		const char *text;
		bool want;
	} rows[] = {{"0", true},    {"-0", true},    {"10", true},     {"1.50", true},
		    {"1e5", true},  {"1E+5", true},  {"1.2e-3", true}, {"", false},
		    {"-", false},   {"01", false},   {"-01", false},   {"+1", false},
		    {".5", false},  {"1.", false},   {"1e", false},    {"1e+", false},
		    {"0x1", false}, {"1 ", false},   {"--1", false},   {"1.2.3", false},
		    {"NaN", false}, {"1e5e5", false}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		UNIT_ROW(rows[i].text,
			 json_number_is_valid(span_from_str(rows[i].text)) == rows[i].want);
}

static void integers_are_exact(void **state)
{
	static const struct {
		const char *text;
		bool is_whole;
		bool is_negative;
		uint64_t want;
	} rows[] = {
		{"0", true, false, 0},
		{"-0", true, true, 0},
		{"0e99999999999999999999", true, false, 0},
		{"0.000e-5", true, false, 0},
		{"18446744073709551615", true, false, UINT64_MAX},
		{"18446744073709551616", false, false, 0},
		{"-9223372036854775808", true, true, (uint64_t)INT64_MAX + 1},
		{"1.8446744073709551615e19", true, false, UINT64_MAX},
		{"18446744073709551615000e-3", true, false, UINT64_MAX},
		{"100e-2", true, false, 1},
		{"100e-3", false, false, 0},
		{"1.10", false, false, 0},
		{"1.10e1", true, false, 11},
		{"1.10e2", true, false, 110},
		{"1e20", false, false, 0},
		{"1e-1", false, false, 0},
		{"1e-99999999999999999999", false, false, 0},
		{"1e99999999999999999999", false, false, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		bool is_negative = false;
		uint64_t value = 0;
		bool is_whole =
			json_number_to_integer(span_from_str(rows[i].text), &is_negative, &value);

		UNIT_ROW(rows[i].text, is_whole == rows[i].is_whole);
		if (is_whole)
			UNIT_ROW(rows[i].text,
				 value == rows[i].want && is_negative == rows[i].is_negative);
	}
}

static void doubles_print_as_short_as_they_can(void **state)
{
	static const struct {
		double value;
		const char *want;
	} rows[] = {
		{0.0, "0"},
		{-0.0, "-0"},
		{1.0, "1"},
		{-123456789.0, "-123456789"},
		{0.1, "0.1"},
		{0.0001, "0.0001"},
		{0.000123456789012345, "0.000123456789012345"},
		{0.00001, "1e-05"},
		{-999999999999999.5, "-999999999999999.5"},
		{99999999999999.9, "99999999999999.9"},
		{1.0 / 3, "0.3333333333333333"},
		{0.1 + 0.2, "0.30000000000000004"},
		{1e15, "1e+15"},
		{1e21, "1e+21"},
		{1.7976931348623157e308, "1.7976931348623157e+308"},
		{2.2250738585072014e-308, "2.2250738585072014e-308"},
		{5e-324, "5e-324"},
		{9007199254740993.0, "9007199254740992"},
		{(double)INFINITY, "\"Infinity\""},
		{-(double)INFINITY, "\"-Infinity\""},
		{(double)NAN, "\"NaN\""},
	};
	struct buf out;

	(void)state;
	buf_init(&out, 64);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_reset(&out);
		assert_true(json_number_print_double(rows[i].value, &out));
		UNIT_ROW_SPAN(rows[i].want, buf_span(&out), rows[i].want);
	}
	buf_fini(&out);
}

static void floats_print_as_short_as_they_can(void **state)
{
	static const struct {
		float value;
		const char *want;
	} rows[] = {
		{0.1F, "0.1"},
		{-0.0F, "-0"},
		{16777216.0F, "16777216"},
		{1234567.5F, "1234567.5"},
		{8807010.0F, "8807010"},
		{0.0001F, "0.0001"},
		{0.00001F, "1e-05"},
		{3.4028235e38F, "3.4028235e+38"},
		{1e-45F, "1e-45"},
		{1.17549435e-38F, "1.1754944e-38"},
		{100000.0F, "100000"},
		{1.0F / 3, "0.33333334"},
	};
	struct buf out;

	(void)state;
	buf_init(&out, 64);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_reset(&out);
		assert_true(json_number_print_float(rows[i].value, &out));
		UNIT_ROW_SPAN(rows[i].want, buf_span(&out), rows[i].want);
	}
	buf_fini(&out);
}

/* Bit patterns spread over the whole range come back as they were. */
static void every_double_comes_back(void **state)
{
	struct buf out;
	uint64_t bits = 1;

	(void)state;
	buf_init(&out, 64);
	for (int i = 0; i < 20000; i++) {
		double value;
		double again;

		bits = bits * 6364136223846793005ULL + 1442695040888963407ULL;
		memcpy(&value, &bits, sizeof(value));
		if (!isfinite(value))
			continue;
		buf_reset(&out);
		assert_true(json_number_print_double(value, &out));
		assert_true(json_number_is_valid(buf_span(&out)));
		assert_true(json_number_to_double(buf_span(&out), &again));
		assert_memory_equal(&again, &value, sizeof(value));
	}
	buf_fini(&out);
}

/* What is converted without printf and strtod is what they would say. */
static void decimals_agree_with_the_c_library(void **state)
{
	struct buf out;
	uint64_t bits = 1;

	(void)state;
	buf_init(&out, 64);
	for (int i = 0; i < 50000; i++) {
		char text[48];
		char want[32];
		double value;
		float narrow;

		bits = bits * 6364136223846793005ULL + 1442695040888963407ULL;
		(void)snprintf(text, sizeof(text), "%s%.*g", bits & 1 ? "-" : "",
			       (int)(bits >> 8 & 15) + 2,
			       (double)(bits >> 11) / (double)((uint64_t)1 << (bits >> 1 & 63)));
		assert_true(json_number_to_double(span_from_str(text), &value));
		UNIT_ROW(text, !islessgreater(value, strtod(text, NULL)));
		assert_true(json_number_to_float(span_from_str(text), &narrow));
		UNIT_ROW(text, !islessgreater(narrow, strtof(text, NULL)));
		if (fabs(value) < 1e15 && !islessgreater(value, trunc(value)))
			continue; /* whole numbers have no exponent, unlike with %g */
		for (int digits = 15; digits <= 17; digits++) {
			(void)snprintf(want, sizeof(want), "%.*g", digits, value);
			if (!islessgreater(strtod(want, NULL), value))
				break;
		}
		buf_reset(&out);
		assert_true(json_number_print_double(value, &out));
		UNIT_ROW_SPAN(text, buf_span(&out), want);
	}
	buf_fini(&out);
}

static void ranges_and_lengths_of_floating_point(void **state)
{
	char longest[400];
	double wide;
	float narrow;

	(void)state;
	memset(longest, '1', sizeof(longest));
	longest[1] = '.';
	assert_true(json_number_to_double(span_make(longest, sizeof(longest)), &wide));
	assert_true(wide > 1.11 && wide < 1.12);
	memset(longest, '1', sizeof(longest));
	assert_false(json_number_to_double(span_make(longest, sizeof(longest)), &wide));
	assert_true(json_number_to_float(SPAN_LIT("3.4028235e38"), &narrow));
	assert_false(json_number_to_float(SPAN_LIT("3.5e38"), &narrow));
	assert_true(json_number_to_double(SPAN_LIT("1e-400"), &wide));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_json_numbers_are_valid),
		cmocka_unit_test(integers_are_exact),
		cmocka_unit_test(doubles_print_as_short_as_they_can),
		cmocka_unit_test(floats_print_as_short_as_they_can),
		cmocka_unit_test(every_double_comes_back),
		cmocka_unit_test(decimals_agree_with_the_c_library),
		cmocka_unit_test(ranges_and_lengths_of_floating_point),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
