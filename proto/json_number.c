/* Numbers between JSON text and 64-bit integers (exact) or floating point (nearest, shortest). The
 * program never calls setlocale, so strtod and printf use the point. */
#include "proto/json_number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/mem.h"

/* Longest number converted on the stack; longer ones are rare and legal. */
#define JSON_NUMBER_STACK 128

/* Exponents are cut here: far beyond what any type holds, and the sum with the length of a text
 * still fits. */
#define JSON_EXPONENT_MAX ((int64_t)1 << 40)

static size_t json_digits(struct span text, size_t at)
{
	while (at < text.len && text.data[at] >= '0' && text.data[at] <= '9')
		at++;
	return at;
}

static bool json_is_at(struct span text, size_t at, uint8_t c)
{
	return at < text.len && text.data[at] == c;
}

bool json_number_is_valid(struct span text)
{
	size_t at = json_is_at(text, 0, '-');
	size_t start = at;

	at = json_digits(text, at);
	if (at == start || (text.data[start] == '0' && at > start + 1))
		return false;
	if (json_is_at(text, at, '.')) {
		start = at + 1;
		at = json_digits(text, start);
		if (at == start)
			return false;
	}
	if (json_is_at(text, at, 'e') || json_is_at(text, at, 'E')) {
		at++;
		if (json_is_at(text, at, '-') || json_is_at(text, at, '+'))
			at++;
		start = at;
		at = json_digits(text, start);
		if (at == start)
			return false;
	}
	return at == text.len && text.len > 0;
}

/* Powers of ten that a double holds exactly; a float does up to the tenth. */
#define JSON_POWERS_MAX 22
#define JSON_POWERS_FLOAT_MAX 10
static const double json_powers[JSON_POWERS_MAX + 1] = {
	1e0,  1e1,  1e2,  1e3,	1e4,  1e5,  1e6,  1e7,	1e8,  1e9,  1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

/* The digits of a valid number without sign, leading and trailing zeros, and the power of ten of
 * the last of them. */
struct json_decimal {
	struct span whole;
	struct span fraction;
	int64_t exponent;
	bool is_negative;
};

static int64_t json_exponent(struct span text)
{
	bool is_negative = json_is_at(text, 0, '-');
	int64_t value = 0;

	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] >= '0' && text.data[i] <= '9' && value < JSON_EXPONENT_MAX)
			value = value * 10 + (text.data[i] - '0');
	return is_negative ? -value : value;
}

static struct json_decimal json_decimal_split(struct span text)
{
	struct json_decimal decimal = {.is_negative = json_is_at(text, 0, '-')};
	size_t at = decimal.is_negative;
	size_t end = json_digits(text, at);

	decimal.whole = span_make(text.data + at, end - at);
	at = end;
	if (json_is_at(text, at, '.')) {
		end = json_digits(text, at + 1);
		decimal.fraction = span_make(text.data + at + 1, end - at - 1);
		at = end;
	}
	if (at < text.len)
		decimal.exponent = json_exponent(span_skip(text, at + 1));
	while (decimal.fraction.len && decimal.fraction.data[decimal.fraction.len - 1] == '0')
		decimal.fraction.len--;
	return decimal;
}

static bool json_push_digits(uint64_t *value, struct span digits)
{
	for (size_t i = 0; i < digits.len; i++)
		if (__builtin_mul_overflow(*value, 10, value) ||
		    __builtin_add_overflow(*value, digits.data[i] - '0', value))
			return false;
	return true;
}

static bool json_is_zeros(struct span digits)
{
	for (size_t i = 0; i < digits.len; i++)
		if (digits.data[i] != '0')
			return false;
	return true;
}

/* Up to so many digits fit whatever they are. */
#define JSON_DIGITS_SURE 19

/* Nothing but digits, and not too many: most integers there are. */
static bool json_plain_integer(struct span text, bool *ret_is_negative, uint64_t *ret_magnitude)
{
	size_t at = json_is_at(text, 0, '-');
	uint64_t value = 0;

	*ret_is_negative = at == 1;
	if (text.len - at > JSON_DIGITS_SURE)
		return false;
	for (; at < text.len; at++) {
		uint8_t digit = (uint8_t)(text.data[at] - '0');

		if (digit > 9)
			return false;
		value = value * 10 + digit;
	}
	*ret_magnitude = value;
	return true;
}

bool json_number_to_integer(struct span text, bool *ret_is_negative, uint64_t *ret_magnitude)
{
	struct json_decimal decimal;
	uint64_t value = 0;
	int64_t shift;

	if (json_plain_integer(text, ret_is_negative, ret_magnitude))
		return true;
	decimal = json_decimal_split(text);
	shift = decimal.exponent - (int64_t)decimal.fraction.len;
	*ret_is_negative = decimal.is_negative;
	*ret_magnitude = 0;
	if (decimal.fraction.len == 0 && json_is_zeros(decimal.whole))
		return true;
	if (shift < 0) {
		/* 1200e-2: whole when the digits that move behind the point are zeros. */
		size_t cut = decimal.fraction.len == 0 ? (size_t)-shift : 0;

		if (decimal.fraction.len || cut > decimal.whole.len ||
		    !json_is_zeros(span_skip(decimal.whole, decimal.whole.len - cut)))
			return false;
		decimal.whole.len -= cut;
		shift = 0;
	}
	if (!json_push_digits(&value, decimal.whole) || !json_push_digits(&value, decimal.fraction))
		return false;
	for (; shift > 0; shift--) /* ends soon: value is not 0 and overflows */
		if (__builtin_mul_overflow(value, 10, &value))
			return false;
	*ret_magnitude = value;
	return true;
}

/* A NUL-terminated copy: in stack when it fits there, else owned by *ret_heap. */
static const char *json_c_text(struct span text, char stack[JSON_NUMBER_STACK], char **ret_heap)
{
	*ret_heap = NULL;
	if (text.len >= JSON_NUMBER_STACK) {
		*ret_heap = mem_strndup(text.data, text.len);
		return *ret_heap;
	}
	memcpy(stack, text.data, text.len);
	stack[text.len] = '\0';
	return stack;
}

/* Splits a number into digits * 10^power; false unless digits <= digits_max and |power| <=
 * power_max. When both are held exactly by a floating point type, one multiplication or division
 * gives the nearest value of that type, as strtod would: rounding happens once. */
static bool json_number_is_easy(struct span text, uint64_t digits_max, int power_max,
				uint64_t *ret_digits, int *ret_power)
{
	struct json_decimal decimal = json_decimal_split(text);
	int64_t power = decimal.exponent - (int64_t)decimal.fraction.len;
	uint64_t digits = 0;

	if (power < -power_max || power > power_max || !json_push_digits(&digits, decimal.whole) ||
	    !json_push_digits(&digits, decimal.fraction) || digits > digits_max)
		return false;
	*ret_digits = digits;
	*ret_power = (int)power;
	return true;
}

bool json_number_to_double(struct span text, double *ret_value)
{
	char stack[JSON_NUMBER_STACK];
	uint64_t digits;
	double value;
	char *heap;
	int power;

	if (json_number_is_easy(text, (uint64_t)1 << 53, JSON_POWERS_MAX, &digits, &power)) {
		value = power < 0 ? (double)digits / json_powers[-power]
				  : (double)digits * json_powers[power];
		*ret_value = json_is_at(text, 0, '-') ? -value : value;
		return true;
	}
	value = strtod(json_c_text(text, stack, &heap), NULL);
	mem_free(heap);
	if (!isfinite(value))
		return false;
	*ret_value = value;
	return true;
}

bool json_number_to_float(struct span text, float *ret_value)
{
	char stack[JSON_NUMBER_STACK];
	uint64_t digits;
	float value;
	char *heap;
	int power;

	if (json_number_is_easy(text, (uint64_t)1 << 24, JSON_POWERS_FLOAT_MAX, &digits, &power)) {
		value = power < 0 ? (float)digits / (float)json_powers[-power]
				  : (float)digits * (float)json_powers[power];
		*ret_value = json_is_at(text, 0, '-') ? -value : value;
		return true;
	}
	value = strtof(json_c_text(text, stack, &heap), NULL);
	mem_free(heap);
	if (!isfinite(value))
		return false;
	*ret_value = value;
	return true;
}

/* ---- printing ---- */

bool json_number_print_u64(uint64_t value, struct buf *out)
{
	char text[20];
	size_t at = sizeof(text);

	do {
		text[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	return buf_append(out, span_make(text + at, sizeof(text) - at));
}

bool json_number_print_i64(int64_t value, struct buf *out)
{
	if (value >= 0)
		return json_number_print_u64((uint64_t)value, out);
	return buf_append_byte(out, '-') && json_number_print_u64(0 - (uint64_t)value, out);
}

static bool json_print_special(double value, struct buf *out)
{
	if (isnan(value))
		return buf_append_str(out, "\"NaN\"");
	return buf_append_str(out, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
}

/* True when the value is a whole number that prints exactly as one; -0 does not. */
static bool json_is_small_whole(double value)
{
	return fabs(value) < 1e15 && !islessgreater(value, trunc(value)) &&
	       (value > 0 || value < 0 || !signbit(value));
}

/* A decimal digits / 10^places of as many digits as scale has, near a magnitude for which printf
 * would write it without an exponent. */
struct json_fixed {
	uint64_t digits;
	unsigned places;
};

/* The nearest such decimal below scale; false when the magnitude is out of reach. */
static bool json_fixed_near(double magnitude, double scale, struct json_fixed *ret_fixed)
{
	unsigned places = 0;

	if (!(magnitude >= 1e-4 && magnitude < scale))
		return false;
	while (magnitude * json_powers[places + 1] < scale)
		places++;
	*ret_fixed = (struct json_fixed){(uint64_t)(magnitude * json_powers[places] + 0.5), places};
	return true;
}

static bool json_print_fixed(bool is_negative, struct json_fixed fixed, struct buf *out)
{
	char text[32];
	size_t at = sizeof(text);

	for (; fixed.places && fixed.digits % 10 == 0; fixed.places--)
		fixed.digits /= 10;
	for (unsigned i = 0; i < fixed.places; i++) {
		text[--at] = (char)('0' + fixed.digits % 10);
		fixed.digits /= 10;
	}
	if (fixed.places)
		text[--at] = '.';
	do {
		text[--at] = (char)('0' + fixed.digits % 10);
		fixed.digits /= 10;
	} while (fixed.digits);
	if (is_negative)
		text[--at] = '-';
	return buf_append(out, span_make(text + at, sizeof(text) - at));
}

/* Fifteen digits survive every round trip to double and back, so if fifteen are enough, cutting
 * their zeros gives the shortest, as %g does. Whether they are is seen without printf: a decimal of
 * fifteen digits that is nearest to this value is less than half a unit away from it, and dividing
 * its digits by the power of ten rounds as strtod does. Subnormal numbers have fewer digits to
 * begin with. Seventeen are enough for all. */
bool json_number_print_double(double value, struct buf *out)
{
	struct json_fixed fixed;
	char text[32];
	int digits = fpclassify(value) == FP_SUBNORMAL ? 1 : 15;

	if (!isfinite(value))
		return json_print_special(value, out);
	if (json_is_small_whole(value))
		return json_number_print_i64((int64_t)value, out);
	if (json_fixed_near(fabs(value), 1e15, &fixed)) {
		if (!islessgreater((double)fixed.digits / json_powers[fixed.places], fabs(value)))
			return json_print_fixed(value < 0, fixed, out);
		digits = 16;
	}
	for (; digits <= 17; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, value); /* fits */
		if (digits == 17 || !islessgreater(strtod(text, NULL), value))
			break;
	}
	return buf_append_str(out, text);
}

/* As for double, with six and nine digits. Seven are tried without printf as well; but several
 * decimals of seven digits may stand for one float, so that proves nothing when it fails. */
bool json_number_print_float(float value, struct buf *out)
{
	struct json_fixed fixed;
	char text[32];
	int digits = fpclassify(value) == FP_SUBNORMAL ? 1 : 6;

	if (!isfinite(value))
		return json_print_special((double)value, out);
	if (fabsf(value) < 1e6F && json_is_small_whole((double)value))
		return json_number_print_i64((int64_t)value, out);
	for (unsigned tried = 6; tried <= 7; tried++) {
		if (!json_fixed_near((double)fabsf(value), json_powers[tried], &fixed))
			continue;
		if (!islessgreater((float)fixed.digits / (float)json_powers[fixed.places],
				   fabsf(value)))
			return json_print_fixed(value < 0, fixed, out);
		digits = 7;
	}
	for (; digits <= 9; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, (double)value); /* fits */
		if (digits == 9 || !islessgreater(strtof(text, NULL), value))
			break;
	}
	return buf_append_str(out, text);
}
