/* Dates are counted in days with years that begin in March, so that the leap day comes last: the
 * number of days before month m of such a year is (153 m + 2) / 5, and the era of 400 years always
 * has 146097 days. */
#include "proto/json_known.h"

#include <stdbool.h>
#include <string.h>

#include "src/base/text.h"

/* 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z. Spec: google/protobuf/timestamp.proto */
#define JSON_TIMESTAMP_MIN (-62135596800LL)
#define JSON_TIMESTAMP_MAX 253402300799LL

/* Spec: google/protobuf/duration.proto */
#define JSON_DURATION_MAX 315576000000LL

#define JSON_NANOS_MAX 999999999
#define JSON_DAYS_TO_1970 719468 /* from 0000-03-01 */
#define JSON_DAYS_PER_ERA 146097
#define JSON_SECONDS_PER_DAY 86400

enum status json_full(struct error *err)
{
	return error_set(err, ST_RESOURCE_EXHAUSTED, "the message is larger than allowed");
}

/* ---- reading times ---- */

/* Exactly n digits at the front of *rest. */
static bool json_take_digits(struct span *rest, size_t n, int *ret_value)
{
	int value = 0;

	if (rest->len < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		uint8_t digit = (uint8_t)(rest->data[i] - '0');

		if (digit > 9)
			return false;
		value = value * 10 + digit;
	}
	*rest = span_skip(*rest, n);
	*ret_value = value;
	return true;
}

static bool json_take(struct span *rest, uint8_t c)
{
	if (rest->len == 0 || rest->data[0] != c)
		return false;
	*rest = span_skip(*rest, 1);
	return true;
}

/* [ "." 1*9DIGIT ] */
static bool json_take_fraction(struct span *rest, int32_t *ret_nanos)
{
	int32_t nanos = 0;
	size_t count = 0;

	*ret_nanos = 0;
	if (!json_take(rest, '.'))
		return true;
	while (count < rest->len && rest->data[count] >= '0' && rest->data[count] <= '9') {
		if (count == 9)
			return false;
		nanos = nanos * 10 + (rest->data[count++] - '0');
	}
	if (count == 0)
		return false;
	*rest = span_skip(*rest, count);
	for (; count < 9; count++)
		nanos *= 10;
	*ret_nanos = nanos;
	return true;
}

static bool json_is_leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int64_t json_days_from_date(int year, int month, int day)
{
	int y = month <= 2 ? year - 1 : year;
	int era = (y >= 0 ? y : y - 399) / 400;
	int of_era = y - era * 400;
	int of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	int days = of_era * 365 + of_era / 4 - of_era / 100 + of_year;

	return (int64_t)era * JSON_DAYS_PER_ERA + days - JSON_DAYS_TO_1970;
}

/* full-date "T"; Spec: RFC 3339 5.6 */
static bool json_take_date(struct span *rest, int64_t *ret_days)
{
	static const int month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int year;
	int month;
	int day;

	if (!json_take_digits(rest, 4, &year) || !json_take(rest, '-') ||
	    !json_take_digits(rest, 2, &month) || !json_take(rest, '-') ||
	    !json_take_digits(rest, 2, &day) || !json_take(rest, 'T'))
		return false;
	if (year < 1 || month < 1 || month > 12 || day < 1 ||
	    day > month_days[month - 1] + (month == 2 && json_is_leap(year)))
		return false;
	*ret_days = json_days_from_date(year, month, day);
	return true;
}

static bool json_take_clock(struct span *rest, int64_t *ret_seconds)
{
	int hour;
	int minute;
	int second;

	if (!json_take_digits(rest, 2, &hour) || !json_take(rest, ':') ||
	    !json_take_digits(rest, 2, &minute) || !json_take(rest, ':') ||
	    !json_take_digits(rest, 2, &second) || hour > 23 || minute > 59 || second > 59)
		return false;
	*ret_seconds = hour * 3600 + minute * 60 + second;
	return true;
}

/* "Z" / ( "+" / "-" ) hour ":" minute */
static bool json_take_offset(struct span *rest, int64_t *ret_seconds)
{
	bool is_west;
	int hour;
	int minute;

	*ret_seconds = 0;
	if (json_take(rest, 'Z'))
		return true;
	is_west = json_take(rest, '-');
	if ((!is_west && !json_take(rest, '+')) || !json_take_digits(rest, 2, &hour) ||
	    !json_take(rest, ':') || !json_take_digits(rest, 2, &minute) || hour > 23 ||
	    minute > 59)
		return false;
	*ret_seconds = (is_west ? -1 : 1) * (hour * 3600 + minute * 60);
	return true;
}

enum status json_timestamp_parse(struct span text, struct json_time *ret_time, struct error *err)
{
	struct span rest = text;
	struct json_time time;
	int64_t days;
	int64_t clock;
	int64_t offset;

	if (!json_take_date(&rest, &days) || !json_take_clock(&rest, &clock) ||
	    !json_take_fraction(&rest, &time.nanos) || !json_take_offset(&rest, &offset) ||
	    rest.len)
		return error_set(err, ST_INVALID_ARGUMENT,
				 "not a timestamp like 2006-01-02T15:04:05Z");
	time.seconds = days * JSON_SECONDS_PER_DAY + clock - offset;
	if (time.seconds < JSON_TIMESTAMP_MIN || time.seconds > JSON_TIMESTAMP_MAX)
		return error_set(err, ST_INVALID_ARGUMENT,
				 "the timestamp is outside the years 1 to 9999");
	*ret_time = time;
	return ST_OK;
}

enum status json_duration_parse(struct span text, struct json_time *ret_time, struct error *err)
{
	struct span rest = text;
	bool is_negative = json_take(&rest, '-');
	struct json_time time;
	uint64_t seconds;
	size_t digits = 0;

	while (digits < rest.len && rest.data[digits] >= '0' && rest.data[digits] <= '9')
		digits++;
	if (!text_to_u64(span_head(rest, digits), &seconds))
		seconds = digits ? UINT64_MAX : 0;
	rest = span_skip(rest, digits);
	if (digits == 0 || !json_take_fraction(&rest, &time.nanos) || !json_take(&rest, 's') ||
	    rest.len)
		return error_set(err, ST_INVALID_ARGUMENT, "not a duration like 1.5s");
	if (seconds > JSON_DURATION_MAX)
		return error_set(err, ST_INVALID_ARGUMENT, "the duration exceeds 10,000 years");
	time.seconds = is_negative ? -(int64_t)seconds : (int64_t)seconds;
	if (is_negative)
		time.nanos = -time.nanos;
	*ret_time = time;
	return ST_OK;
}

void json_time_put(struct wire_writer *writer, struct json_time time)
{
	if (time.seconds)
		wire_put_uint_field(writer, 1, (uint64_t)time.seconds);
	if (time.nanos)
		wire_put_uint_field(writer, 2, (uint64_t)(int64_t)time.nanos);
}

/* ---- printing times ---- */

/* Nothing, or a point and 3, 6 or 9 digits. */
static bool json_print_fraction(uint32_t nanos, struct buf *out)
{
	if (nanos == 0)
		return true;
	if (nanos % 1000000 == 0)
		return buf_printf(out, ".%03u", nanos / 1000000);
	if (nanos % 1000 == 0)
		return buf_printf(out, ".%06u", nanos / 1000);
	return buf_printf(out, ".%09u", nanos);
}

static void json_date_from_days(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
	int64_t z = days + JSON_DAYS_TO_1970;
	int64_t era = (z >= 0 ? z : z - (JSON_DAYS_PER_ERA - 1)) / JSON_DAYS_PER_ERA;
	int of_era = (int)(z - era * JSON_DAYS_PER_ERA);
	int year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int of_year = of_era - (365 * year + year / 4 - year / 100);
	int month = (5 * of_year + 2) / 153;

	*ret_day = of_year - (153 * month + 2) / 5 + 1;
	*ret_month = month < 10 ? month + 3 : month - 9;
	*ret_year = year + (int)era * 400 + (*ret_month <= 2);
}

enum status json_timestamp_print(struct json_time time, struct buf *out, struct error *err)
{
	int64_t days;
	int64_t clock;
	int year;
	int month;
	int day;

	if (time.seconds < JSON_TIMESTAMP_MIN || time.seconds > JSON_TIMESTAMP_MAX ||
	    time.nanos < 0 || time.nanos > JSON_NANOS_MAX)
		return error_set(err, ST_INVALID_ARGUMENT,
				 "the timestamp is outside the years 1 to 9999");
	days = time.seconds / JSON_SECONDS_PER_DAY;
	clock = time.seconds % JSON_SECONDS_PER_DAY;
	if (clock < 0) {
		clock += JSON_SECONDS_PER_DAY;
		days--;
	}
	json_date_from_days(days, &year, &month, &day);
	if (!buf_printf(out, "\"%04d-%02d-%02dT%02d:%02d:%02d", year, month, day,
			(int)(clock / 3600), (int)(clock / 60 % 60), (int)(clock % 60)) ||
	    !json_print_fraction((uint32_t)time.nanos, out) || !buf_append_str(out, "Z\""))
		return json_full(err);
	return ST_OK;
}

enum status json_duration_print(struct json_time time, struct buf *out, struct error *err)
{
	bool is_negative = time.seconds < 0 || time.nanos < 0;
	uint64_t seconds = time.seconds < 0 ? 0 - (uint64_t)time.seconds : (uint64_t)time.seconds;
	uint32_t nanos = time.nanos < 0 ? 0 - (uint32_t)time.nanos : (uint32_t)time.nanos;

	if (seconds > JSON_DURATION_MAX || nanos > JSON_NANOS_MAX)
		return error_set(err, ST_INVALID_ARGUMENT, "the duration exceeds 10,000 years");
	if (is_negative && (time.seconds > 0 || time.nanos > 0))
		return error_set(err, ST_INVALID_ARGUMENT,
				 "seconds and nanos of the duration differ in sign");
	if (!buf_printf(out, "\"%s%llu", is_negative ? "-" : "", (unsigned long long)seconds) ||
	    !json_print_fraction(nanos, out) || !buf_append_str(out, "s\""))
		return json_full(err);
	return ST_OK;
}

/* ---- field masks ---- */

static enum status json_mask_bad(struct span path, struct error *err)
{
	return error_set(err, ST_INVALID_ARGUMENT, "\"%.*s\" is not a path of a field mask",
			 SPAN_FMT(span_head(path, ERROR_FIELD_MAX)));
}

static enum status json_mask_path(struct span path, bool is_snake_ok, struct buf *snake,
				  struct error *err)
{
	buf_reset(snake);
	for (size_t i = 0; i < path.len; i++) {
		uint8_t c = path.data[i];
		bool is_upper = c >= 'A' && c <= 'Z';

		if (c == '_' && !is_snake_ok)
			return json_mask_bad(path, err);
		if ((is_upper && !buf_append_byte(snake, '_')) ||
		    !buf_append_byte(snake, is_upper ? c | 0x20 : c))
			return json_full(err);
	}
	return ST_OK;
}

enum status json_mask_parse(struct span text, bool is_snake_ok, struct wire_writer *writer,
			    struct error *err)
{
	enum status status = ST_OK;
	struct buf snake;

	if (text.len == 0)
		return ST_OK;
	buf_init(&snake, text.len * 2);
	for (;;) {
		size_t comma = span_find(text, ',');

		status = json_mask_path(span_head(text, comma), is_snake_ok, &snake, err);
		if (status != ST_OK)
			break;
		wire_put_bytes_field(writer, 1, buf_span(&snake));
		if (comma == text.len)
			break;
		text = span_skip(text, comma + 1);
	}
	buf_fini(&snake);
	return status;
}

enum status json_mask_print(struct span path, struct buf *out, struct error *err)
{
	bool is_raised = false;

	for (size_t i = 0; i < path.len; i++) {
		uint8_t c = path.data[i];
		bool is_lower = c >= 'a' && c <= 'z';

		if ((c >= 'A' && c <= 'Z') || (is_raised && !is_lower) || c == '"' || c == '\\' ||
		    c < 0x20 || c == ',')
			return json_mask_bad(path, err);
		if (c != '_' && !buf_append_byte(out, is_raised ? c & 0xDF : c))
			return json_full(err);
		is_raised = c == '_';
	}
	return is_raised || !text_is_utf8(path) ? json_mask_bad(path, err) : ST_OK;
}
