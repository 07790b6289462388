#ifndef HEADGATE_PROTO_JSON_SCALAR_H
#define HEADGATE_PROTO_JSON_SCALAR_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/json_lex.h"
#include "proto/schema.h"
#include "proto/wire.h"
#include "src/base/error.h"

/* A scalar or enum value on its way from JSON to the wire. */
struct json_scalar {
	uint64_t bits;	   /* as it goes into a varint, fixed32 or fixed64 */
	struct span bytes; /* of STRING and BYTES; borrowed from the token or the scratch buf */
	bool is_default;
	bool is_ignored; /* an unknown enum name that the options say to leave out */
};

/* Converts a token that is not null (but for NullValue) to a value of the field's type. scratch
 * holds decoded bytes. */
enum status json_scalar_read(const struct field *field, const struct json_token *token,
			     const struct json_read_options *options, struct buf *scratch,
			     struct json_scalar *ret_scalar, struct error *err) MUST_CHECK;

/* Converts the text of a map key. */
enum status json_scalar_read_key(const struct field *field, struct span text,
				 struct json_scalar *ret_scalar, struct error *err) MUST_CHECK;

/* Writes the value, with its tag or (packed) without. */
void json_scalar_put(const struct field *field, const struct json_scalar *scalar,
		     struct wire_writer *writer);
void json_scalar_put_packed(const struct field *field, const struct json_scalar *scalar,
			    struct wire_writer *writer);

#endif
