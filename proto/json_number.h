#ifndef HEADGATE_PROTO_JSON_NUMBER_H
#define HEADGATE_PROTO_JSON_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/span.h"

/* True when text is a number as RFC 8259 6 has it. */
bool json_number_is_valid(struct span text);

/* The exact integer a valid number stands for, also with a fraction of zeros or an exponent. False
 * when it is not whole or its magnitude needs more than 64 bits. */
bool json_number_to_integer(struct span text, bool *ret_is_negative, uint64_t *ret_magnitude);

/* The nearest double or float of a valid number; false when it is beyond the range. */
bool json_number_to_double(struct span text, double *ret_value);
bool json_number_to_float(struct span text, float *ret_value);

/* Append the shortest text that reads back as the same value, "NaN", "Infinity" or "-Infinity" with
 * quotes. False when out is full. */
bool json_number_print_double(double value, struct buf *out);
bool json_number_print_float(float value, struct buf *out);

/* Decimal digits. */
bool json_number_print_u64(uint64_t value, struct buf *out);
bool json_number_print_i64(int64_t value, struct buf *out);

#endif
