#ifndef HEADGATE_SRC_BASE_TEXT_H
#define HEADGATE_SRC_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/span.h"

/* True when the bytes are well-formed UTF-8 (no surrogates, no overlong forms, <= U+10FFFF). */
bool text_is_utf8(struct span bytes);

/* Decimal digits only, no sign, no space; false on anything else or overflow. */
bool text_to_u64(struct span text, uint64_t *ret_value);

/* The decimal digits of value, written at the end of text and borrowed with it. A tenth of what
 * snprintf costs, for places every command passes. */
#define TEXT_U64_DIGITS 20
struct span text_from_u64(uint64_t value, char text[TEXT_U64_DIGITS]);

/* Percent-decodes into out. keep_slash leaves %2F and %2f as sent. False on a malformed escape or a
 * full buffer; out then holds what was decoded so far. */
bool text_percent_decode(struct span text, bool keep_slash, struct buf *out);

/* Percent-encodes every byte outside [A-Za-z0-9._~-]. False when out is full. */
bool text_percent_encode(struct span bytes, struct buf *out);

/* Base64, standard alphabet. is_padded adds '='. False when out is full. */
bool text_base64_encode(struct span bytes, bool is_padded, struct buf *out);

/* Base64 of either alphabet, padding optional, no white space. False on bad text or a full out. */
bool text_base64_decode(struct span text, struct buf *out);

/* The longest accepted duration or size is what fits uint64_t; see src/config for the units. */

/* How many bytes at the beginning of text stand in a JSON string as they are: those before the
 * first quote, backslash or control character. */
size_t text_json_plain(struct span text);

/* Appends text as a JSON string with its quotes; malformed UTF-8 becomes U+FFFD. */
bool text_json_quote(struct span text, struct buf *out);

#endif
