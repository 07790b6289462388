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

bool json_number_to_integer(struct span text, bool *ret_is_negative, uint64_t *ret_magnitude)
{
	struct json_decimal decimal = json_decimal_split(text);
	int64_t shift = decimal.exponent - (int64_t)decimal.fraction.len;
	uint64_t value = 0;

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

bool json_number_to_double(struct span text, double *ret_value)
{
	char stack[JSON_NUMBER_STACK];
	char *heap;
	double value = strtod(json_c_text(text, stack, &heap), NULL);

	mem_free(heap);
	if (!isfinite(value))
		return false;
	*ret_value = value;
	return true;
}

bool json_number_to_float(struct span text, float *ret_value)
{
	char stack[JSON_NUMBER_STACK];
	char *heap;
	float value = strtof(json_c_text(text, stack, &heap), NULL);

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

/* Fifteen digits survive every round trip to double and back, so if fifteen are enough, %g has
 * already cut them to the shortest. Subnormal numbers have fewer digits to begin with. */
bool json_number_print_double(double value, struct buf *out)
{
	char text[32];
	int digits = fpclassify(value) == FP_SUBNORMAL ? 1 : 15;

	if (!isfinite(value))
		return json_print_special(value, out);
	if (json_is_small_whole(value))
		return json_number_print_i64((int64_t)value, out);
	for (; digits <= 17; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, value); /* fits */
		if (!islessgreater(strtod(text, NULL), value))
			break;
	}
	return buf_append_str(out, text);
}

bool json_number_print_float(float value, struct buf *out)
{
	char text[32];
	int digits = fpclassify(value) == FP_SUBNORMAL ? 1 : 6;

	if (!isfinite(value))
		return json_print_special((double)value, out);
	if (fabsf(value) < 1e6F && json_is_small_whole((double)value))
		return json_number_print_i64((int64_t)value, out);
	for (; digits <= 9; digits++) {
		(void)snprintf(text, sizeof(text), "%.*g", digits, (double)value); /* fits */
		if (!islessgreater(strtof(text, NULL), value))
			break;
	}
	return buf_append_str(out, text);
}
