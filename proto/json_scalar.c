#include "proto/json_scalar.h"

#include <string.h>

#include "proto/json_number.h"
#include "src/base/text.h"

static const char *const json_type_names[] = {
	[FIELD_DOUBLE] = "double",     [FIELD_FLOAT] = "float",	    [FIELD_INT64] = "int64",
	[FIELD_UINT64] = "uint64",     [FIELD_INT32] = "int32",	    [FIELD_FIXED64] = "fixed64",
	[FIELD_FIXED32] = "fixed32",   [FIELD_BOOL] = "bool",	    [FIELD_STRING] = "string",
	[FIELD_GROUP] = "message",     [FIELD_MESSAGE] = "message", [FIELD_BYTES] = "bytes",
	[FIELD_UINT32] = "uint32",     [FIELD_ENUM] = "enum",	    [FIELD_SFIXED32] = "sfixed32",
	[FIELD_SFIXED64] = "sfixed64", [FIELD_SINT32] = "sint32",   [FIELD_SINT64] = "sint64",
};

static enum status json_not_a(const struct field *field, struct error *err)
{
	return error_set(err, ST_INVALID_ARGUMENT, "not a value of type %s",
			 json_type_names[field->type]);
}

static enum status json_out_of_range(const struct field *field, struct error *err)
{
	return error_set(err, ST_INVALID_ARGUMENT, "out of range of type %s",
			 json_type_names[field->type]);
}

/* Numbers may also stand in a string. */
static bool json_is_numeric(const struct json_token *token)
{
	return token->kind == JSON_NUMBER ||
	       (token->kind == JSON_STRING && json_number_is_valid(token->text));
}

/* Puts sign and magnitude together within [-min_magnitude, max]. */
static bool json_signed(bool is_negative, uint64_t magnitude, uint64_t max, int64_t *ret_value)
{
	if (magnitude > max + is_negative)
		return false;
	*ret_value = (int64_t)(is_negative ? 0 - magnitude : magnitude);
	return true;
}

static enum status json_read_signed(const struct field *field, struct span text, uint64_t max,
				    int64_t *ret_value, struct error *err)
{
	bool is_negative;
	uint64_t magnitude;

	if (!json_number_to_integer(text, &is_negative, &magnitude) ||
	    !json_signed(is_negative, magnitude, max, ret_value))
		return json_out_of_range(field, err);
	return ST_OK;
}

static enum status json_read_unsigned(const struct field *field, struct span text, uint64_t max,
				      uint64_t *ret_value, struct error *err)
{
	bool is_negative;

	if (!json_number_to_integer(text, &is_negative, ret_value) || *ret_value > max ||
	    (is_negative && *ret_value))
		return json_out_of_range(field, err);
	return ST_OK;
}

static enum status json_read_integer(const struct field *field, struct span text,
				     struct json_scalar *scalar, struct error *err)
{
	enum status status;
	int64_t value = 0;

	switch ((int)field->type) {
	case FIELD_UINT64:
	case FIELD_FIXED64:
		return json_read_unsigned(field, text, UINT64_MAX, &scalar->bits, err);
	case FIELD_UINT32:
	case FIELD_FIXED32:
		return json_read_unsigned(field, text, UINT32_MAX, &scalar->bits, err);
	case FIELD_INT64:
	case FIELD_SFIXED64:
	case FIELD_SINT64:
		status = json_read_signed(field, text, INT64_MAX, &value, err);
		break;
	default:
		status = json_read_signed(field, text, INT32_MAX, &value, err);
		break;
	}
	scalar->bits = field->type == FIELD_SINT32 || field->type == FIELD_SINT64
			       ? wire_zigzag(value)
			       : (uint64_t)value;
	return status;
}

static bool json_special_double(struct span text, double *ret_value)
{
	if (span_eq_str(text, "NaN"))
		*ret_value = __builtin_nan("");
	else if (span_eq_str(text, "Infinity"))
		*ret_value = __builtin_inf();
	else if (span_eq_str(text, "-Infinity"))
		*ret_value = -__builtin_inf();
	else
		return false;
	return true;
}

static enum status json_read_floating(const struct field *field, const struct json_token *token,
				      struct json_scalar *scalar, struct error *err)
{
	double wide = 0;
	float narrow = 0;
	uint32_t bits = 0;
	bool is_special = token->kind == JSON_STRING && json_special_double(token->text, &wide);

	if (!is_special && !json_is_numeric(token))
		return json_not_a(field, err);
	if (field->type == FIELD_FLOAT) {
		narrow = (float)wide;
		if (!is_special && !json_number_to_float(token->text, &narrow))
			return json_out_of_range(field, err);
		memcpy(&bits, &narrow, sizeof(bits));
		scalar->bits = bits;
		return ST_OK;
	}
	if (!is_special && !json_number_to_double(token->text, &wide))
		return json_out_of_range(field, err);
	memcpy(&scalar->bits, &wide, sizeof(wide));
	return ST_OK;
}

static const struct enum_value *json_enum_by_name(const struct enum_type *type, struct span name,
						  bool is_case_ignored)
{
	const struct enum_value *value = schema_enum_by_name(type, name);

	for (size_t i = 0; !value && is_case_ignored && i < type->value_count; i++)
		if (span_eq_nocase(type->values[i].name, name))
			value = &type->values[i];
	return value;
}

static enum status json_read_enum(const struct field *field, const struct json_token *token,
				  const struct json_read_options *options,
				  struct json_scalar *scalar, struct error *err)
{
	const struct enum_value *value;
	enum status status;
	int64_t number = 0;

	if (token->kind == JSON_NULL && field->enum_type->is_null_value)
		return ST_OK;
	if (token->kind == JSON_NUMBER) {
		status = json_read_signed(field, token->text, INT32_MAX, &number, err);
		if (status == ST_OK && field->enum_type->is_closed &&
		    !schema_enum_by_number(field->enum_type, (int32_t)number))
			return json_out_of_range(field, err);
		scalar->bits = (uint64_t)number;
		return status;
	}
	if (token->kind != JSON_STRING)
		return json_not_a(field, err);
	value = json_enum_by_name(field->enum_type, token->text, options->ignore_enum_case);
	if (value)
		scalar->bits = (uint64_t)(int64_t)value->number;
	else if (options->ignore_unknown)
		scalar->is_ignored = true;
	else
		return error_set(err, ST_INVALID_ARGUMENT, "\"%.*s\" is not a value of enum %.*s",
				 SPAN_FMT(span_head(token->text, ERROR_FIELD_MAX)),
				 SPAN_FMT(field->enum_type->full_name));
	return ST_OK;
}

static enum status json_read_bytes(const struct field *field, const struct json_token *token,
				   struct buf *scratch, struct json_scalar *scalar,
				   struct error *err)
{
	if (token->kind != JSON_STRING)
		return json_not_a(field, err);
	scalar->bytes = token->text;
	if (field->type == FIELD_STRING)
		return ST_OK;
	buf_reset(scratch);
	if (!text_base64_decode(token->text, scratch))
		return error_set(err, ST_INVALID_ARGUMENT, "not base64");
	scalar->bytes = buf_span(scratch);
	return ST_OK;
}

enum status json_scalar_read(const struct field *field, const struct json_token *token,
			     const struct json_read_options *options, struct buf *scratch,
			     struct json_scalar *ret_scalar, struct error *err)
{
	struct json_scalar scalar = {0};
	enum status status = ST_OK;

	switch ((int)field->type) {
	case FIELD_BOOL:
		if (token->kind != JSON_TRUE && token->kind != JSON_FALSE)
			return json_not_a(field, err);
		scalar.bits = token->kind == JSON_TRUE;
		break;
	case FIELD_STRING:
	case FIELD_BYTES:
		status = json_read_bytes(field, token, scratch, &scalar, err);
		break;
	case FIELD_DOUBLE:
	case FIELD_FLOAT:
		status = json_read_floating(field, token, &scalar, err);
		break;
	case FIELD_ENUM:
		status = json_read_enum(field, token, options, &scalar, err);
		break;
	case FIELD_MESSAGE:
	case FIELD_GROUP:
		return json_not_a(field, err);
	default:
		if (!json_is_numeric(token))
			return json_not_a(field, err);
		status = json_read_integer(field, token->text, &scalar, err);
		break;
	}
	scalar.is_default = scalar.bits == 0 && scalar.bytes.len == 0;
	if (status == ST_OK)
		*ret_scalar = scalar;
	return status;
}

enum status json_scalar_read_key(const struct field *field, struct span text,
				 struct json_scalar *ret_scalar, struct error *err)
{
	static const struct json_read_options none = {0};
	struct json_token token = {JSON_STRING, text};

	if (field->type == FIELD_BOOL) {
		if (!span_eq_str(text, "true") && !span_eq_str(text, "false"))
			return json_not_a(field, err);
		token.kind = text.len == 4 ? JSON_TRUE : JSON_FALSE;
	} else if (field->type != FIELD_STRING) {
		/* Keys have one spelling, or equal keys could not be told. */
		for (size_t i = 0; i < text.len; i++)
			if ((text.data[i] < '0' || text.data[i] > '9') && text.data[i] != '-')
				return json_not_a(field, err);
		if (span_eq_str(text, "-0"))
			return json_not_a(field, err);
	}
	return json_scalar_read(field, &token, &none, NULL, ret_scalar, err);
}

/* ---- writing ---- */

void json_scalar_put_packed(const struct field *field, const struct json_scalar *scalar,
			    struct wire_writer *writer)
{
	switch (schema_wire_type(field->type)) {
	case WIRE_VARINT:
		wire_put_varint(writer, scalar->bits);
		break;
	case WIRE_FIXED32:
		wire_put_fixed32(writer, (uint32_t)scalar->bits);
		break;
	case WIRE_FIXED64:
		wire_put_fixed64(writer, scalar->bits);
		break;
	case WIRE_BYTES:
		wire_put_varint(writer, scalar->bytes.len);
		wire_put_raw(writer, scalar->bytes);
		break;
	case WIRE_GROUP:
	case WIRE_GROUP_END:
		break; /* never a scalar */
	}
}

void json_scalar_put(const struct field *field, const struct json_scalar *scalar,
		     struct wire_writer *writer)
{
	wire_put_tag(writer, field->number, schema_wire_type(field->type));
	json_scalar_put_packed(field, scalar, writer);
}
