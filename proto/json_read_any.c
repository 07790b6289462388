/* ProtoJSON to wire: google.protobuf.Any.
 *
 * The type of the fields stands beside them, as the member "@type", in any place. When it comes
 * first, as all printers put it, the rest is read as it comes. Otherwise the object is kept as text
 * and read again when it is whole; that may happen within itself only JSON_ANY_REREAD_MAX times,
 * since each level reads everything inside once more. */
#include "proto/json_known.h"
#include "proto/json_read_internal.h"
#include "src/base/text.h"

/* Types that stand under the key "value" because they are not JSON objects of fields. */
static bool json_is_boxed(const struct message *message)
{
	return message->known != KNOWN_NONE && message->known != KNOWN_EMPTY &&
	       message->known != KNOWN_HTTP_BODY;
}

enum status json_push_any_body(struct json_reader *reader, const struct message *message,
			       bool has_type, struct error *err)
{
	enum status status = ST_OK;

	if (json_is_boxed(message))
		json_push(reader, JSON_FRAME_ANY_VALUE)->message = message;
	else
		status = json_push_message(reader, message, err);
	json_top(reader)->is_any_body = true;
	json_top(reader)->has_type = has_type;
	return status;
}

/* Writes the type URL and opens the value: what is written next is inside it. */
static enum status json_any_open(struct json_reader *reader, struct span type_url,
				 const struct message **ret_message, struct wire_nest *ret_nest,
				 struct error *err)
{
	const struct message *message =
		reader->options.schema ? schema_find_type_url(reader->options.schema, type_url)
				       : NULL;
	enum status status;

	if (!message)
		return error_set(err, ST_INVALID_ARGUMENT,
				 "\"%.*s\" is not the URL of a known type",
				 SPAN_FMT(span_head(type_url, ERROR_FIELD_MAX)));
	status = json_deeper(reader, err);
	if (status != ST_OK)
		return status;
	wire_put_bytes_field(reader->writer, 1, type_url);
	*ret_nest = wire_begin(reader->writer, 2);
	*ret_message = message;
	return ST_OK;
}

/* ---- @type first ---- */

static enum status json_any_type(struct json_reader *reader, const struct json_token *token,
				 struct error *err)
{
	const struct message *message;
	struct wire_nest nest;
	enum status status;

	if (token->kind != JSON_STRING)
		return json_bad_value(err, "a string");
	status = json_any_open(reader, token->text, &message, &nest, err);
	if (status != ST_OK)
		return status;
	json_pop(reader);
	json_push(reader, JSON_FRAME_WRAP)->nest = nest;
	return json_push_any_body(reader, message, true, err);
}

static bool json_capture_separator(struct buf *capture)
{
	struct span text = buf_span(capture);
	uint8_t last = text.len ? text.data[text.len - 1] : '{';

	return last == '{' || last == '[' || last == ':' || buf_append_byte(capture, ',');
}

enum status json_any_token(struct json_reader *reader, const struct json_token *token,
			   struct error *err)
{
	struct json_frame *top = json_top(reader);
	enum status status;

	if (top->has_type)
		return json_any_type(reader, token, err);
	if (token->kind == JSON_OBJECT_END) {
		json_pop(reader);
		json_value_done(reader);
		return ST_OK;
	}
	status = json_set_key(reader, token->text, err);
	if (status != ST_OK)
		return status;
	if (span_eq_str(token->text, "@type")) {
		top->has_type = true;
		return ST_OK;
	}
	top->kind = JSON_FRAME_CAPTURE;
	top->count = 1;
	buf_reset(&reader->capture);
	buf_reset(&reader->type_url);
	if (!buf_append_byte(&reader->capture, '{'))
		return json_full(err);
	return json_capture_token(reader, token, err);
}

/* ---- @type later ---- */

/* Reads the kept text as the value of the type it turned out to have. */
static enum status json_reread(struct json_reader *reader, const struct message *message,
			       struct error *err)
{
	struct json_reader *inner = json_reader_new(message, &reader->options, reader->writer);
	struct error local;
	size_t used;
	enum parse_result result;

	inner->options.mask_paths = NULL;
	inner->is_any_root = true;
	inner->depth = reader->depth;
	inner->reread = reader->reread + 1;
	result = json_reader_feed(inner, buf_span(&reader->capture), &used, err ? err : &local);
	json_reader_free(inner);
	if (result == PARSE_BAD)
		return err ? err->status : local.status;
	BUG_ON(result != PARSE_DONE); /* the text was a whole object */
	return ST_OK;
}

static enum status json_capture_end(struct json_reader *reader, struct error *err)
{
	const struct message *message;
	struct wire_nest nest;
	enum status status;

	buf_truncate(&reader->path, json_top(reader)->path_start);
	if (!json_top(reader)->has_member)
		return error_set(err, ST_INVALID_ARGUMENT, "an Any needs its \"@type\"");
	if (reader->reread == JSON_ANY_REREAD_MAX)
		return error_set(err, ST_INVALID_ARGUMENT,
				 "too many Any within each other without \"@type\" first");
	status = json_any_open(reader, buf_span(&reader->type_url), &message, &nest, err);
	if (status == ST_OK)
		status = json_reread(reader, message, err);
	if (status != ST_OK)
		return status;
	wire_end(reader->writer, nest);
	reader->depth--;
	json_pop(reader);
	json_value_done(reader);
	return ST_OK;
}

/* Appends a token as text. */
static bool json_capture_text(struct buf *out, const struct json_token *token)
{
	static const char *const fixed[] = {
		[JSON_OBJECT_BEGIN] = "{", [JSON_OBJECT_END] = "}", [JSON_ARRAY_BEGIN] = "[",
		[JSON_ARRAY_END] = "]",	   [JSON_TRUE] = "true",    [JSON_FALSE] = "false",
		[JSON_NULL] = "null",
	};

	if (token->kind == JSON_OBJECT_END || token->kind == JSON_ARRAY_END)
		return buf_append_str(out, fixed[token->kind]);
	if (!json_capture_separator(out))
		return false;
	switch ((int)token->kind) {
	case JSON_KEY:
		return text_json_quote(token->text, out) && buf_append_byte(out, ':');
	case JSON_STRING:
		return text_json_quote(token->text, out);
	case JSON_NUMBER:
		return buf_append(out, token->text);
	default:
		return buf_append_str(out, fixed[token->kind]);
	}
}

enum status json_capture_token(struct json_reader *reader, const struct json_token *token,
			       struct error *err)
{
	struct json_frame *top = json_top(reader);

	if (!json_capture_text(&reader->capture, token))
		return json_full(err);
	if (top->count == 1 && top->has_type && token->kind != JSON_STRING)
		return json_bad_value(err, "a string");
	if (top->count == 1 && top->has_type) { /* the value of @type */
		top->has_type = false;
		top->has_member = true;
		buf_reset(&reader->type_url);
		return buf_append(&reader->type_url, token->text) ? ST_OK : json_full(err);
	}
	if (top->count == 1 && token->kind == JSON_KEY) {
		top->has_type = span_eq_str(token->text, "@type");
		if (top->has_type && top->has_member)
			return error_set(err, ST_INVALID_ARGUMENT, "\"@type\" is given twice");
		return json_set_key(reader, token->text, err);
	}
	if (token->kind == JSON_OBJECT_BEGIN || token->kind == JSON_ARRAY_BEGIN)
		top->count++;
	else if (token->kind == JSON_OBJECT_END || token->kind == JSON_ARRAY_END)
		top->count--;
	return top->count ? ST_OK : json_capture_end(reader, err);
}

/* ---- well-known types inside ---- */

static enum status json_any_value_key(struct json_reader *reader, struct span key,
				      struct error *err)
{
	struct json_frame *top = json_top(reader);
	enum status status = json_set_key(reader, key, err);
	bool is_type = span_eq_str(key, "@type");
	bool is_value = span_eq_str(key, "value");

	if (status != ST_OK)
		return status;
	if ((is_type && top->has_type) || (is_value && top->has_member))
		return error_set(err, ST_INVALID_ARGUMENT, "the field is given twice");
	if (!is_type && !is_value && !reader->options.ignore_unknown)
		return error_set(err, ST_INVALID_ARGUMENT, "%.*s in an Any has only \"value\"",
				 SPAN_FMT(top->message->full_name));
	top->has_type |= is_type;
	top->has_member |= is_value;
	top->is_skipping = !is_value;
	return ST_OK;
}

enum status json_any_value_token(struct json_reader *reader, const struct json_token *token,
				 struct error *err)
{
	struct json_frame *top = json_top(reader);

	if (token->kind == JSON_KEY)
		return json_any_value_key(reader, token->text, err);
	if (top->is_skipping) {
		if (token->kind == JSON_OBJECT_BEGIN || token->kind == JSON_ARRAY_BEGIN)
			json_push(reader, JSON_FRAME_SKIP)->count = 1;
		else
			json_value_done(reader);
		return ST_OK;
	}
	if (!top->is_open && token->kind != JSON_OBJECT_END) {
		top->is_open = true; /* its value is being read */
		return json_read_message(reader, top->message, token, err);
	}
	if (!top->has_member)
		return error_set(err, ST_INVALID_ARGUMENT, "%.*s in an Any needs a \"value\"",
				 SPAN_FMT(top->message->full_name));
	json_pop(reader);
	json_value_done(reader);
	return ST_OK;
}
