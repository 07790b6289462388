#include "proto/json_known.h"

#include "tests/unit/unit.h"

struct row {
	const char *text;
	bool is_good;
	int64_t seconds;
	int32_t nanos;
	const char *printed; /* NULL: the same text */
};

typedef enum status (*parse_fn)(struct span text, struct json_time *ret_time, struct error *err);
typedef enum status (*print_fn)(struct json_time time, struct buf *out, struct error *err);

static void check_times(const struct row *rows, size_t count, parse_fn parse, print_fn print)
{
	struct buf out;

	buf_init(&out, 64);
	for (size_t i = 0; i < count; i++) {
		struct json_time time = {0};
		struct error err;
		const char *printed = rows[i].printed ? rows[i].printed : rows[i].text;

		UNIT_ROW(rows[i].text, (parse(span_from_str(rows[i].text), &time, &err) == ST_OK) ==
					       rows[i].is_good);
		if (!rows[i].is_good)
			continue;
		UNIT_ROW(rows[i].text,
			 time.seconds == rows[i].seconds && time.nanos == rows[i].nanos);
		buf_reset(&out);
		UNIT_ROW(rows[i].text, print(time, &out, &err) == ST_OK);
		UNIT_ROW_SPAN(rows[i].text, span_make(buf_span(&out).data + 1, buf_len(&out) - 2),
			      printed);
	}
	buf_fini(&out);
}

static void timestamps(void **state)
{
	static const struct row rows[] = {
		{"1970-01-01T00:00:00Z", true, 0, 0, NULL},
		{"0001-01-01T00:00:00Z", true, -62135596800, 0, NULL},
		{"9999-12-31T23:59:59.999999999Z", true, 253402300799, 999999999, NULL},
		{"2000-02-29T12:00:00Z", true, 951825600, 0, NULL},
		{"1969-12-31T23:59:59.5Z", true, -1, 500000000, "1969-12-31T23:59:59.500Z"},
		{"2020-01-01T00:00:00.000001Z", true, 1577836800, 1000, NULL},
		{"2020-01-01T00:00:00.000000001Z", true, 1577836800, 1, NULL},
		{"2020-01-01T00:00:00.120000Z", true, 1577836800, 120000000,
		 "2020-01-01T00:00:00.120Z"},
		{"2020-01-01T01:00:00+01:00", true, 1577836800, 0, "2020-01-01T00:00:00Z"},
		{"2019-12-31T23:30:00-00:30", true, 1577836800, 0, "2020-01-01T00:00:00Z"},
		{"0000-12-31T23:59:59Z", false, 0, 0, NULL},
		{"0001-01-01T00:00:00+00:01", false, 0, 0, NULL},
		{"9999-12-31T23:59:59-00:01", false, 0, 0, NULL},
		{"10000-01-01T00:00:00Z", false, 0, 0, NULL},
		{"1900-02-29T00:00:00Z", false, 0, 0, NULL},
		{"2020-13-01T00:00:00Z", false, 0, 0, NULL},
		{"2020-00-01T00:00:00Z", false, 0, 0, NULL},
		{"2020-04-31T00:00:00Z", false, 0, 0, NULL},
		{"2020-01-01T24:00:00Z", false, 0, 0, NULL},
		{"2020-01-01T00:60:00Z", false, 0, 0, NULL},
		{"2020-01-01T00:00:60Z", false, 0, 0, NULL},
		{"2020-01-01t00:00:00Z", false, 0, 0, NULL},
		{"2020-01-01T00:00:00z", false, 0, 0, NULL},
		{"2020-01-01T00:00:00", false, 0, 0, NULL},
		{"2020-01-01 00:00:00Z", false, 0, 0, NULL},
		{"2020-01-01T00:00:00.Z", false, 0, 0, NULL},
		{"2020-01-01T00:00:00.1234567890Z", false, 0, 0, NULL},
		{"2020-01-01T00:00:00Z ", false, 0, 0, NULL},
		{"2020-01-01T00:00:00+0100", false, 0, 0, NULL},
		{"2020-1-01T00:00:00Z", false, 0, 0, NULL},
		{"", false, 0, 0, NULL},
	};

	(void)state;
	check_times(rows, COUNT_OF(rows), json_timestamp_parse, json_timestamp_print);
}

/* Every day of 10,000 years follows the day before it. */
static void every_day_comes_back(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 64);
	for (int64_t seconds = -62135596800; seconds < 253402300800; seconds += 86400 * 13) {
		struct json_time again = {0};
		struct error err;

		buf_reset(&out);
		assert_int_equal(json_timestamp_print((struct json_time){seconds, 0}, &out, &err),
				 ST_OK);
		assert_int_equal(
			json_timestamp_parse(span_make(buf_span(&out).data + 1, buf_len(&out) - 2),
					     &again, &err),
			ST_OK);
		assert_true(again.seconds == seconds);
	}
	buf_fini(&out);
}

static void durations(void **state)
{
	static const struct row rows[] = {
		{"0s", true, 0, 0, NULL},
		{"1s", true, 1, 0, NULL},
		{"-1s", true, -1, 0, NULL},
		{"1.5s", true, 1, 500000000, "1.500s"},
		{"-0.5s", true, 0, -500000000, "-0.500s"},
		{"0.000000001s", true, 0, 1, NULL},
		{"315576000000s", true, 315576000000, 0, NULL},
		{"-315576000000.999999999s", true, -315576000000, -999999999, NULL},
		{"315576000001s", false, 0, 0, NULL},
		{"99999999999999999999s", false, 0, 0, NULL},
		{"1", false, 0, 0, NULL},
		{"s", false, 0, 0, NULL},
		{"-s", false, 0, 0, NULL},
		{"+1s", false, 0, 0, NULL},
		{".5s", false, 0, 0, NULL},
		{"1.s", false, 0, 0, NULL},
		{"1.0000000000s", false, 0, 0, NULL},
		{"1e3s", false, 0, 0, NULL},
		{" 1s", false, 0, 0, NULL},
		{"1S", false, 0, 0, NULL},
	};

	(void)state;
	check_times(rows, COUNT_OF(rows), json_duration_parse, json_duration_print);
}

static void times_without_a_text_are_refused(void **state)
{
	static const struct {
		const char *name;
		print_fn print;
		struct json_time time;
	} rows[] = {
		{"before year 1", json_timestamp_print, {-62135596801, 0}},
		{"after year 9999", json_timestamp_print, {253402300800, 0}},
		{"negative nanos", json_timestamp_print, {0, -1}},
		{"a second of nanos", json_timestamp_print, {0, 1000000000}},
		{"too long", json_duration_print, {315576000001, 0}},
		{"too long, negative", json_duration_print, {-315576000001, 0}},
		{"smallest number", json_duration_print, {INT64_MIN, 0}},
		{"smallest nanos", json_duration_print, {0, INT32_MIN}},
		{"signs differ", json_duration_print, {1, -1}},
		{"signs differ the other way", json_duration_print, {-1, 1}},
	};
	struct buf out;

	(void)state;
	buf_init(&out, 64);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct error err;

		UNIT_ROW(rows[i].name,
			 rows[i].print(rows[i].time, &out, &err) == ST_INVALID_ARGUMENT);
	}
	buf_fini(&out);
}

static void mask_paths_survive_both_ways_or_are_refused(void **state)
{
	static const struct {
		const char *path;
		const char *want; /* NULL: refused */
	} rows[] = {{"foo", "foo"},    {"foo_bar", "fooBar"}, {"a.b_c.d", "a.bC.d"},
		    {"foo1", "foo1"},  {"_foo", "Foo"},	      {"fooBar", NULL},
		    {"foo_3", NULL},   {"foo__bar", NULL},    {"foo_", NULL},
		    {"foo_Bar", NULL}, {"a\"b", NULL},	      {"\xC3\x28", NULL}};
	struct buf out;

	(void)state;
	buf_init(&out, 64);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct error err;
		bool is_ok;

		buf_reset(&out);
		is_ok = json_mask_print(span_from_str(rows[i].path), &out, &err) == ST_OK;
		UNIT_ROW(rows[i].path, is_ok == (rows[i].want != NULL));
		if (is_ok)
			UNIT_ROW_SPAN(rows[i].path, buf_span(&out), rows[i].want);
	}
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timestamps),
		cmocka_unit_test(every_day_comes_back),
		cmocka_unit_test(durations),
		cmocka_unit_test(times_without_a_text_are_refused),
		cmocka_unit_test(mask_paths_survive_both_ways_or_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
