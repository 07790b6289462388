/* Text values of paths and queries to wire: the text becomes the JSON token it would be in a body,
 * so both ways in accept the same values. */
#include "proto/json_known.h"
#include "proto/json_number.h"
#include "proto/json_scalar.h"
#include "src/base/text.h"

static const struct json_read_options json_text_defaults = {0};

/* The token a text stands for, by the type of the field. */
static struct json_token json_text_token(const struct field *field, struct span text)
{
	struct json_token token = {JSON_STRING, text};

	if (field->type == FIELD_BOOL && span_eq_str(text, "true"))
		token.kind = JSON_TRUE;
	else if (field->type == FIELD_BOOL && span_eq_str(text, "false"))
		token.kind = JSON_FALSE;
	else if (field->type == FIELD_ENUM && field->enum_type->is_null_value &&
		 span_eq_str(text, "null"))
		token.kind = JSON_NULL;
	else if (field->type == FIELD_ENUM && json_number_is_valid(text))
		token.kind = JSON_NUMBER;
	return token;
}

static enum status json_text_scalar(const struct field *field, struct span text,
				    const struct json_read_options *options,
				    struct json_scalar *ret_scalar, struct buf *scratch,
				    struct error *err)
{
	struct json_token token = json_text_token(field, text);

	if (field->type == FIELD_STRING && !text_is_utf8(text))
		return error_set(err, ST_INVALID_ARGUMENT, "not valid UTF-8");
	return json_scalar_read(field, &token, options, scratch, ret_scalar, err);
}

/* The inside of a message field. */
static enum status json_text_inside(const struct message *message, struct span text,
				    const struct json_read_options *options,
				    struct wire_writer *writer, struct error *err)
{
	struct json_scalar scalar = {0};
	struct json_time time = {0};
	struct buf scratch;
	enum status status;

	switch (message->known) {
	case KNOWN_TIMESTAMP:
	case KNOWN_DURATION:
		status = message->known == KNOWN_TIMESTAMP ? json_timestamp_parse(text, &time, err)
							   : json_duration_parse(text, &time, err);
		if (status == ST_OK)
			json_time_put(writer, time);
		return status;
	case KNOWN_FIELD_MASK:
		if (!text_is_utf8(text))
			return error_set(err, ST_INVALID_ARGUMENT, "not valid UTF-8");
		return json_mask_parse(text, true, writer, err);
	case KNOWN_STRUCT:
	case KNOWN_VALUE:
	case KNOWN_LIST_VALUE:
		return json_to_wire(message, text, options, writer, err);
	case KNOWN_WRAPPER:
		buf_init(&scratch, text.len + 1);
		status = json_text_scalar(&message->fields[0], text, options, &scalar, &scratch,
					  err);
		if (status == ST_OK && !scalar.is_default)
			json_scalar_put(&message->fields[0], &scalar, writer);
		buf_fini(&scratch);
		return status;
	case KNOWN_NONE:
	case KNOWN_ANY:
	case KNOWN_EMPTY:
	case KNOWN_HTTP_BODY:
		break;
	}
	return error_set(err, ST_INVALID_ARGUMENT, "%.*s cannot be given as text",
			 SPAN_FMT(message->full_name));
}

enum status json_text_to_wire(const struct field *field, struct span text,
			      const struct json_read_options *options, struct wire_writer *writer,
			      struct error *err)
{
	struct json_scalar scalar = {0};
	struct wire_nest nest;
	struct buf scratch;
	enum status status;

	if (!options)
		options = &json_text_defaults;
	if (field->is_map || field->type == FIELD_GROUP)
		return error_set(err, ST_INVALID_ARGUMENT, "%.*s cannot be given as text",
				 SPAN_FMT(field->full_name));
	if (field->message) {
		nest = wire_begin(writer, field->number);
		status = json_text_inside(field->message, text, options, writer, err);
		if (status == ST_OK)
			wire_end(writer, nest);
		else
			wire_cancel(writer, nest);
	} else {
		buf_init(&scratch, text.len + 1);
		status = json_text_scalar(field, text, options, &scalar, &scratch, err);
		if (status == ST_OK && !scalar.is_ignored &&
		    (!scalar.is_default || field->has_presence || field->is_repeated))
			json_scalar_put(field, &scalar, writer);
		buf_fini(&scratch);
	}
	return status == ST_OK && writer->is_full ? json_full(err) : status;
}

enum status json_key_to_wire(const struct field *field, struct span text,
			     struct wire_writer *writer, struct error *err)
{
	struct json_scalar scalar = {0};
	enum status status;

	if (!text_is_utf8(text))
		return error_set(err, ST_INVALID_ARGUMENT, "not valid UTF-8");
	status = json_scalar_read_key(field, text, &scalar, err);
	if (status == ST_OK && !scalar.is_default)
		json_scalar_put(field, &scalar, writer);
	return status == ST_OK && writer->is_full ? json_full(err) : status;
}
