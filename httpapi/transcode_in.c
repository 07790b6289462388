/* Path and query are read first (binding.h): they are short and whole. Then the body is read in the
 * pieces it comes in, straight to wire bytes. In the usual case these are written to out and the
 * records of the binding are appended; only when path or query reach into a message that the body
 * has as well, the body's bytes go to body_ and are joined message by message.
 *
 *   unary    BEFORE → VALUE → AFTER                                    (message made at the end)
 *   stream   BEFORE → VALUE → BETWEEN → VALUE …                        concatenated values, lines
 *            BEFORE → ARRAY_FIRST → VALUE → ARRAY_NEXT → ARRAY_ITEM … → AFTER
 *   no body  BEFORE → OBJECT → AFTER                                   "{}" is let pass
 */
#include "httpapi/transcode_in.h"

#include <inttypes.h>
#include <stdlib.h>

#include "httpapi/binding_join.h"
#include "httpapi/media_type.h"
#include "httpapi/status_map.h"

enum in_state {
	IN_BEFORE,
	IN_VALUE,
	IN_ARRAY_FIRST,
	IN_ARRAY_NEXT,
	IN_ARRAY_ITEM,
	IN_BETWEEN,
	IN_AFTER,
	IN_OBJECT,
	IN_ENDED,
};

#define HTTP_TOO_LARGE 413
#define HTTP_URI_TOO_LONG 414
#define HTTP_UNSUPPORTED_TYPE 415

/* Paths of all keys of a body, for the mask of a PATCH. */
#define MASK_BYTES_MAX ((size_t)64 * 1024)

/* Spec: google/api/httpbody.proto, google/protobuf/field_mask.proto */
#define HTTP_BODY_CONTENT_TYPE 1
#define HTTP_BODY_DATA 2
#define FIELD_MASK_PATHS 1

static bool is_stream(const struct transcode_in *in)
{
	return in->rule_->method->client_streaming;
}

/* The body may go on for ever: its messages are bounded, one by one. */
static bool is_endless(const struct transcode_in *in)
{
	return is_stream(in) && in->rule_->body != HTTP_BODY_NONE;
}

static bool is_json(const struct http_rule *rule)
{
	return rule->body != HTTP_BODY_NONE && !rule->is_raw_request;
}

/* ---- failures ---------------------------------------------------------------------------- */

static enum status too_large(struct transcode_in *in, const char *what, size_t limit,
			     struct error *err)
{
	in->http_status = HTTP_TOO_LARGE;
	return error_set(err, ST_RESOURCE_EXHAUSTED, "the request %s is longer than %zu bytes",
			 what, limit);
}

static enum status message_too_large(struct transcode_in *in, struct error *err)
{
	return too_large(in, "message", in->params_.out->max_bytes, err);
}

static enum status bad_body(struct transcode_in *in, size_t offset, const char *what,
			    struct error *err)
{
	return error_set(err, ST_INVALID_ARGUMENT, "%s at byte %" PRIu64 " of the body", what,
			 in->body_bytes_ + offset);
}

/* A failure of the JSON reader: its field becomes a violation. */
static enum status json_failed(struct transcode_in *in, struct error *err)
{
	if (err->status == ST_RESOURCE_EXHAUSTED)
		return message_too_large(in, err);
	if (err->field[0])
		(void)status_violation_add(in->violations, span_from_str(err->field),
					   span_from_str(err->message)); /* then without detail */
	if (is_stream(in))
		return error_wrap(err, "message %zu of the stream", in->message_count + 1);
	return err->status;
}

void transcode_in_details(const struct transcode_in *in, const struct error *err,
			  struct buf *details)
{
	if (in->violations && buf_len(in->violations))
		(void)status_details_write(err->status, span_from_str(err->message),
					   buf_span(in->violations), details);
	else if (err->field[0])
		(void)status_details_from_error(err, details);
}

/* ---- start ------------------------------------------------------------------------------- */

static enum status check_type(struct transcode_in *in, struct error *err)
{
	struct span type = in->params_.content_type;

	/* It becomes a string field, which must be UTF-8. */
	if (in->rule_->is_raw_request && type.len && !media_type_is_sendable(type)) {
		in->http_status = HTTP_UNSUPPORTED_TYPE;
		return error_set(err, ST_INVALID_ARGUMENT, "malformed content type");
	}
	if (!is_json(in->rule_))
		return ST_OK;
	if (type.len == 0 && !in->params_.options->require_content_type)
		return ST_OK;
	if (media_type_is_json(type, is_stream(in)))
		return ST_OK;
	in->http_status = HTTP_UNSUPPORTED_TYPE;
	if (type.len == 0)
		return error_set(err, ST_INVALID_ARGUMENT,
				 "the body has no content type; application/json is read");
	return error_set(
		err, ST_INVALID_ARGUMENT, "content type %.*s is not read here; application/json is",
		SPAN_FMT(media_type_is_sendable(type) ? span_head(type, 128) : SPAN_LIT("given")));
}

static enum status check_head(struct transcode_in *in, struct error *err)
{
	uint64_t length = in->params_.body_length;

	if (length != TRANSCODE_LENGTH_UNKNOWN && length > in->params_.options->body_max &&
	    !is_endless(in))
		return too_large(in, "body", in->params_.options->body_max, err);
	/* Over HTTP/2 there may be no body: its first byte is refused. */
	if (length == TRANSCODE_LENGTH_UNKNOWN && in->params_.content_type.len == 0)
		return ST_OK;
	return length || in->rule_->is_raw_request ? check_type(in, err) : ST_OK;
}

static enum status bind(struct transcode_in *in, struct error *err)
{
	struct error query_err;
	enum status path = binding_add_path(&in->binding_, in->params_.match, err);
	enum status query = path == ST_RESOURCE_EXHAUSTED
				    ? ST_OK
				    : binding_add_query(&in->binding_, in->rule_, in->params_.query,
							&query_err);

	/* Both are looked at, so that the client learns of all that is wrong. */
	if (query && (!path || query == ST_RESOURCE_EXHAUSTED) && err)
		*err = query_err;
	if (path == ST_RESOURCE_EXHAUSTED || query == ST_RESOURCE_EXHAUSTED) {
		in->http_status = HTTP_URI_TOO_LONG;
		return ST_RESOURCE_EXHAUSTED;
	}
	return path ? path : query;
}

enum status transcode_in_start(struct transcode_in *in, const struct transcode_in_params *params,
			       struct error *err)
{
	enum status status;

	*in = (struct transcode_in){.params_ = *params, .rule_ = &params->match->route->rule};
	in->violations = &in->binding_.violations;
	binding_init(&in->binding_, in->rule_->method->input, params->arena, params->schema,
		     params->options);
	buf_init(&in->body_, params->out->max_bytes);
	buf_init(&in->mask_, MASK_BYTES_MAX);
	in->params_.content_type = arena_span(params->arena, params->content_type);
	if (params->content_type.len && !in->params_.content_type.data)
		return error_set(err, ST_RESOURCE_EXHAUSTED, "the request head is too large");
	status = check_head(in, err);
	if (!status)
		status = bind(in, err);
	in->params_.match = NULL; /* no longer ours to look at */
	in->params_.query = SPAN_EMPTY;
	return status;
}

void transcode_in_fini(struct transcode_in *in)
{
	if (!in->rule_)
		return;
	json_reader_free(in->reader_);
	if (in->is_writing_)
		wire_writer_fini(&in->writer_);
	buf_fini(&in->body_);
	buf_fini(&in->mask_);
	binding_fini(&in->binding_);
	*in = (struct transcode_in){0};
}

/* ---- one message ------------------------------------------------------------------------- */

static bool is_first(const struct transcode_in *in)
{
	return in->message_count == 0;
}

static struct buf *body_target(struct transcode_in *in)
{
	return is_first(in) && binding_needs_merge(&in->binding_, in->rule_) ? &in->body_
									     : in->params_.out;
}

static void open_message(struct transcode_in *in)
{
	wire_writer_init(&in->writer_, body_target(in));
	in->is_writing_ = true;
}

/* The mask is ours to fill when the client sent none. */
static bool wants_mask(const struct transcode_in *in)
{
	return in->rule_->mask_field && !is_stream(in) &&
	       !binding_find(&in->binding_, in->rule_->mask_field);
}

/* Path or query reach into what the body is: its default values matter, they may contradict. For
 * the fields of a body "*" themselves the reader is asked instead, see join. */
static bool meets_body(const struct transcode_in *in)
{
	const struct http_rule *rule = in->rule_;

	return is_first(in) &&
	       (binding_needs_merge(&in->binding_, rule) ||
		(rule->body == HTTP_BODY_FIELD && binding_find(&in->binding_, rule->body_field)));
}

static void make_reader(struct transcode_in *in)
{
	const struct http_rule *rule = in->rule_;
	struct json_read_options options = {
		.schema = in->params_.schema,
		.ignore_unknown = in->params_.options->ignore_unknown_fields,
		.mask_paths = wants_mask(in) ? &in->mask_ : NULL,
		.keep_defaults = meets_body(in),
	};

	if (rule->body == HTTP_BODY_FIELD)
		in->reader_ = json_reader_new_field(rule->body_field, &options, &in->writer_);
	else
		in->reader_ = json_reader_new(rule->method->input, &options, &in->writer_);
}

static void open_value(struct transcode_in *in)
{
	open_message(in);
	in->message_bytes_ = 0;
	if (!in->reader_)
		make_reader(in);
	else
		json_reader_reset(in->reader_);
	in->state_ = IN_VALUE;
}

static int compare_spans(const void *a, const void *b)
{
	return span_cmp(*(const struct span *)a, *(const struct span *)b);
}

/* True for the path of a field that the URL names: it is no part of what the body changes. */
static bool is_bound_path(const struct transcode_in *in, struct span path)
{
	const struct http_rule *rule = in->rule_;

	for (size_t i = 0; i < rule->variable_count; i++) {
		const struct http_variable *variable = &rule->variables[i];
		struct span below = span_skip(variable->text, rule->body_field->name.len + 1);

		if (variable->steps[0] == rule->body_field && span_eq(below, path))
			return true;
	}
	return false;
}

/* The paths that the reader noted, sorted. NULL: no memory. */
static struct span *mask_paths(struct transcode_in *in, size_t *ret_count)
{
	struct span rest = buf_span(&in->mask_);
	size_t room = 1;
	struct span *paths;
	size_t count = 0;

	for (size_t i = 0; i < rest.len; i++)
		room += rest.data[i] == ',';
	paths = arena_new_array(in->params_.arena, struct span, room);
	while (paths && rest.len) {
		paths[count] = span_head(rest, span_find(rest, ','));
		rest = span_skip(rest, paths[count].len + 1);
		count += paths[count].len > 0;
	}
	if (paths)
		qsort(paths, count, sizeof(*paths), compare_spans);
	*ret_count = count;
	return paths;
}

/* Fills the FieldMask of a PATCH with the paths of the keys that the body has. */
static enum status add_mask(struct transcode_in *in, struct error *err)
{
	size_t count = 0;
	struct span *paths = in->mask_.is_full ? NULL : mask_paths(in, &count);
	struct buf records;
	struct wire_writer writer;
	struct wire_nest nest;
	enum status status = ST_OK;

	if (!paths)
		return error_set(err, ST_RESOURCE_EXHAUSTED, "the body has too many keys");
	buf_init(&records, 2 * MASK_BYTES_MAX + 16);
	wire_writer_init(&writer, &records);
	nest = wire_begin(&writer, in->rule_->mask_field->number);
	for (size_t i = 0; i < count; i++)
		if ((i == 0 || !span_eq(paths[i], paths[i - 1])) && !is_bound_path(in, paths[i]))
			wire_put_bytes_field(&writer, FIELD_MASK_PATHS, paths[i]);
	wire_end(&writer, nest);
	if (wire_finish(&writer))
		status = binding_add_records(&in->binding_, in->rule_->mask_field,
					     buf_span(&records), err);
	else
		status = error_set(err, ST_RESOURCE_EXHAUSTED, "the body has too many keys");
	wire_writer_fini(&writer);
	buf_fini(&records);
	return status;
}

static bool body_has(const void *data, const struct field *field)
{
	return json_reader_has(data, field);
}

/* Puts what path and query say beside what the body said. */
static enum status join(struct transcode_in *in, bool is_merged, struct error *err)
{
	struct buf *out = in->params_.out;
	struct span body = buf_span(is_merged ? &in->body_ : out);
	bool is_asked = in->reader_ && in->rule_->body == HTTP_BODY_ALL &&
			in->rule_->method->input->known == KNOWN_NONE;
	struct binding_body side = {
		.wire = body, .has_field = is_asked ? body_has : NULL, .data = in->reader_};
	struct wire_writer writer;
	enum status status = binding_check(&in->binding_, &side, err);

	if (status)
		return status;
	wire_writer_init(&writer, out);
	if (!binding_join(&in->binding_, is_merged ? body : SPAN_EMPTY, &writer) ||
	    !wire_finish(&writer))
		status = message_too_large(in, err);
	wire_writer_fini(&writer);
	return status;
}

/* The body of this message is whole. */
static enum status complete(struct transcode_in *in, struct error *err)
{
	bool is_merged = body_target(in) == &in->body_;
	bool is_finished = wire_finish(&in->writer_);
	enum status status = ST_OK;

	wire_writer_fini(&in->writer_);
	in->is_writing_ = false;
	if (!is_finished)
		return message_too_large(in, err);
	if (is_first(in) && wants_mask(in))
		status = add_mask(in, err);
	if (!status && is_first(in) && !binding_is_empty(&in->binding_))
		status = join(in, is_merged, err);
	if (!status)
		in->message_count++;
	return status;
}

/* ---- JSON -------------------------------------------------------------------------------- */

static bool is_space(int c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The field or message that one JSON value is for: is it an array itself? */
static bool is_list_value(const struct http_rule *rule)
{
	if (rule->body == HTTP_BODY_ALL)
		return rule->method->input->known == KNOWN_LIST_VALUE;
	return (rule->body_field->is_repeated && !rule->body_field->is_map) ||
	       (rule->body_field->message && rule->body_field->message->known == KNOWN_LIST_VALUE);
}

/* Values whose JSON may be "{}", which an empty body is taken for. */
static bool is_object_value(const struct http_rule *rule)
{
	const struct message *message = rule->method->input;

	if (rule->body == HTTP_BODY_FIELD) {
		if (rule->body_field->is_repeated)
			return false;
		message = rule->body_field->message;
	}
	return message && (message->known == KNOWN_NONE || message->known == KNOWN_EMPTY ||
			   message->known == KNOWN_STRUCT || message->known == KNOWN_ANY);
}

/* A byte that is not inside a value. *ret_is_taken: it was framing; else a value starts with it. */
static enum status take_frame_byte(struct transcode_in *in, int c, size_t offset,
				   bool *ret_is_taken, struct error *err)
{
	*ret_is_taken = true;
	switch ((enum in_state)in->state_) {
	case IN_BEFORE:
		if (is_stream(in) && c == '[' && !is_list_value(in->rule_)) {
			in->is_array_ = true;
			in->state_ = IN_ARRAY_FIRST;
			return ST_OK;
		}
		break;
	case IN_ARRAY_FIRST:
	case IN_ARRAY_NEXT:
		if (c == ']' || (c == ',' && in->state_ == IN_ARRAY_NEXT)) {
			in->state_ = c == ']' ? IN_AFTER : IN_ARRAY_ITEM;
			return ST_OK;
		}
		if (in->state_ == IN_ARRAY_NEXT)
			return bad_body(in, offset, "expected ',' or ']'", err);
		break;
	case IN_AFTER:
		return bad_body(in, offset, "unexpected bytes after the value", err);
	case IN_ARRAY_ITEM:
	case IN_BETWEEN:
	case IN_VALUE:
	case IN_OBJECT:
	case IN_ENDED:
		break;
	}
	*ret_is_taken = false;
	open_value(in);
	return ST_OK;
}

/* Feeds the reader; a whole value of a stream is a message. */
static enum parse_result feed_value(struct transcode_in *in, struct span chunk, size_t *used,
				    struct error *err)
{
	size_t taken = 0;
	enum parse_result result =
		json_reader_feed(in->reader_, span_skip(chunk, *used), &taken, err);

	if (result == PARSE_BAD) {
		(void)json_failed(in, err); /* BAD says it */
		return PARSE_BAD;
	}
	*used += taken;
	in->message_bytes_ += taken;
	/* Much of it may leave nothing on the wire. */
	if (in->message_bytes_ > in->params_.options->body_max && is_stream(in)) {
		(void)too_large(in, "message", in->params_.options->body_max,
				err); /* BAD says it */
		return PARSE_BAD;
	}
	if (result == PARSE_MORE)
		return PARSE_MORE;
	if (!is_stream(in)) {
		in->state_ = IN_AFTER;
		return PARSE_MORE;
	}
	in->state_ = in->is_array_ ? IN_ARRAY_NEXT : IN_BETWEEN;
	return complete(in, err) ? PARSE_BAD : PARSE_DONE;
}

static enum parse_result feed_json(struct transcode_in *in, struct span chunk, size_t *used,
				   struct error *err)
{
	/* The reader of a single value counts lines, so it gets the space before as well. */
	if (in->state_ == IN_BEFORE && !is_stream(in))
		open_value(in);
	if (!in->reader_)
		make_reader(in);
	while (*used < chunk.len) {
		int c = chunk.data[*used];
		bool is_taken = true;

		if (in->state_ == IN_VALUE) {
			enum parse_result result = feed_value(in, chunk, used, err);

			if (result != PARSE_MORE)
				return result;
			continue;
		}
		if (!is_space(c) && take_frame_byte(in, c, *used, &is_taken, err))
			return PARSE_BAD;
		if (is_taken)
			json_reader_skip(in->reader_, span_make(&chunk.data[*used], 1));
		*used += is_taken;
	}
	return PARSE_MORE;
}

/* The value at the end of the body, which may be a number, or nothing at all. */
static enum status end_value(struct transcode_in *in, struct error *err)
{
	size_t used;

	if (in->state_ == IN_BEFORE && !is_object_value(in->rule_)) {
		open_message(in);
		return ST_OK;
	}
	if (in->state_ == IN_BEFORE) {
		open_value(in);
		if (json_reader_feed(in->reader_, SPAN_LIT("{}"), &used, err) == PARSE_BAD)
			return json_failed(in, err);
	}
	if (in->state_ == IN_VALUE && json_reader_end(in->reader_, err) != PARSE_DONE)
		return json_failed(in, err);
	return ST_OK;
}

static enum parse_result end_json_stream(struct transcode_in *in, struct error *err)
{
	if (in->state_ == IN_VALUE && !in->is_array_) {
		in->state_ = IN_BETWEEN;
		if (json_reader_end(in->reader_, err) != PARSE_DONE) {
			(void)json_failed(in, err); /* BAD says it */
			return PARSE_BAD;
		}
		return complete(in, err) ? PARSE_BAD : PARSE_DONE;
	}
	if (in->state_ == IN_BEFORE || in->state_ == IN_BETWEEN || in->state_ == IN_AFTER)
		return PARSE_MORE;
	(void)bad_body(in, 0, "the array of messages is not closed", err); /* BAD says it */
	return PARSE_BAD;
}

/* ---- no body ----------------------------------------------------------------------------- */

static enum parse_result feed_none(struct transcode_in *in, struct span chunk, size_t *used,
				   struct error *err)
{
	for (; *used < chunk.len; ++*used) {
		int c = chunk.data[*used];

		if (is_space(c))
			continue;
		if (in->state_ == IN_BEFORE && c == '{') {
			in->state_ = IN_OBJECT;
		} else if (in->state_ == IN_OBJECT && c == '}') {
			in->state_ = IN_AFTER;
		} else {
			(void)bad_body(in, *used, "this request has no body; unexpected bytes",
				       err); /* BAD says it */
			return PARSE_BAD;
		}
	}
	return PARSE_MORE;
}

/* ---- raw --------------------------------------------------------------------------------- */

/* Opens the HttpBody up to its data. */
static void open_raw(struct transcode_in *in)
{
	open_message(in);
	if (in->rule_->body == HTTP_BODY_FIELD)
		in->outer_ = wire_begin(&in->writer_, in->rule_->body_field->number);
	if (is_first(in) && in->params_.content_type.len)
		wire_put_bytes_field(&in->writer_, HTTP_BODY_CONTENT_TYPE,
				     in->params_.content_type);
	in->data_ = wire_begin(&in->writer_, HTTP_BODY_DATA);
	in->piece_bytes_ = 0;
	in->is_raw_open_ = true;
}

static enum status close_raw(struct transcode_in *in, struct error *err)
{
	if (in->piece_bytes_)
		wire_end(&in->writer_, in->data_);
	else
		wire_cancel(&in->writer_, in->data_);
	if (in->rule_->body == HTTP_BODY_FIELD)
		wire_end(&in->writer_, in->outer_);
	in->is_raw_open_ = false;
	return complete(in, err);
}

static enum parse_result feed_raw(struct transcode_in *in, struct span chunk, size_t *used,
				  struct error *err)
{
	size_t room = chunk.len;

	if (!in->is_raw_open_)
		open_raw(in);
	if (is_stream(in) && room > TRANSCODE_RAW_PIECE_BYTES - in->piece_bytes_)
		room = TRANSCODE_RAW_PIECE_BYTES - in->piece_bytes_;
	wire_put_raw(&in->writer_, span_head(chunk, room));
	if (in->writer_.is_full) {
		(void)message_too_large(in, err); /* BAD says it */
		return PARSE_BAD;
	}
	in->piece_bytes_ += room;
	*used = room;
	if (!is_stream(in) || in->piece_bytes_ < TRANSCODE_RAW_PIECE_BYTES)
		return PARSE_MORE;
	return close_raw(in, err) ? PARSE_BAD : PARSE_DONE;
}

static enum parse_result end_raw(struct transcode_in *in, struct error *err)
{
	bool has_content = in->is_raw_open_ || in->params_.content_type.len ||
			   in->rule_->body == HTTP_BODY_ALL;

	if (!in->is_raw_open_ && !is_first(in))
		return PARSE_MORE;
	if (!has_content) {
		open_message(in);
		return complete(in, err) ? PARSE_BAD : PARSE_DONE;
	}
	if (!in->is_raw_open_)
		open_raw(in);
	return close_raw(in, err) ? PARSE_BAD : PARSE_DONE;
}

/* ---- the two doors ----------------------------------------------------------------------- */

enum parse_result transcode_in_feed(struct transcode_in *in, struct span chunk, size_t *ret_used,
				    struct error *err)
{
	enum parse_result result;
	size_t used = 0;

	*ret_used = 0;
	if (chunk.len == 0)
		return PARSE_MORE;
	if (in->body_bytes_ + chunk.len > in->params_.options->body_max && !is_endless(in)) {
		(void)too_large(in, "body", in->params_.options->body_max, err); /* BAD says it */
		return PARSE_BAD;
	}
	if (in->body_bytes_ == 0 && check_type(in, err))
		return PARSE_BAD;
	if (in->rule_->body == HTTP_BODY_NONE)
		result = feed_none(in, chunk, &used, err);
	else if (in->rule_->is_raw_request)
		result = feed_raw(in, chunk, &used, err);
	else
		result = feed_json(in, chunk, &used, err);
	in->body_bytes_ += used;
	*ret_used = used;
	return result;
}

/* What is there at the end when the message is made then. */
static enum status end_single(struct transcode_in *in, struct error *err)
{
	enum status status = ST_OK;

	if (in->rule_->body == HTTP_BODY_NONE) {
		if (in->state_ == IN_OBJECT)
			return bad_body(in, 0, "the object is not closed", err);
		open_message(in);
	} else {
		status = end_value(in, err);
	}
	in->state_ = IN_ENDED;
	return status ? status : complete(in, err);
}

enum parse_result transcode_in_end(struct transcode_in *in, struct error *err)
{
	if (in->state_ == IN_ENDED)
		return PARSE_MORE;
	if (in->rule_->is_raw_request)
		return end_raw(in, err);
	if (is_stream(in) && in->rule_->body != HTTP_BODY_NONE)
		return end_json_stream(in, err);
	return end_single(in, err) ? PARSE_BAD : PARSE_DONE;
}
