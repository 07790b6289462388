/* ProtoJSON to wire: the machine. See json_read_internal.h for its shape. */
#include <string.h>

#include "proto/json_known.h"
#include "proto/json_read_internal.h"
#include "src/base/mem.h"

#define JSON_FIRST_FRAMES ((size_t)16)

/* ---- frames ---- */

struct json_frame *json_top(struct json_reader *reader)
{
	return &reader->frames[reader->frame_count - 1];
}

/* The stack is bounded: JSON_NESTING_MAX levels of text, and fewer than WIRE_DEPTH_MAX messages. */
struct json_frame *json_push(struct json_reader *reader, enum json_frame_kind kind)
{
	struct json_frame *frame;

	if (reader->frame_count == reader->frame_cap) {
		reader->frame_cap = reader->frame_cap ? reader->frame_cap * 2 : JSON_FIRST_FRAMES;
		reader->frames = mem_resize_array(reader->frames, reader->frame_cap,
						  sizeof(*reader->frames));
	}
	frame = &reader->frames[reader->frame_count++];
	*frame = (struct json_frame){.kind = kind,
				     .path_start = buf_len(&reader->path),
				     .seen_start = buf_len(&reader->seen)};
	return frame;
}

void json_pop(struct json_reader *reader)
{
	struct json_frame *frame = json_top(reader);

	buf_truncate(&reader->path, frame->path_start);
	buf_truncate(&reader->seen, frame->seen_start);
	json_keys_free(frame->keys);
	reader->frame_count--;
}

static void json_close_wrap(struct json_reader *reader, const struct json_frame *frame)
{
	if (frame->field)
		wire_put_tag(reader->writer, frame->field->number, WIRE_GROUP_END);
	else
		wire_end(reader->writer, frame->nest);
	reader->depth--;
}

void json_value_done(struct json_reader *reader)
{
	struct json_frame *top = json_top(reader);

	while (top->kind == JSON_FRAME_WRAP) {
		json_close_wrap(reader, top);
		json_pop(reader);
		top = json_top(reader);
	}
	if (top->kind == JSON_FRAME_ROOT) {
		json_pop(reader);
	} else if (top->kind == JSON_FRAME_LIST) {
		top->count++;
	} else if (top->kind == JSON_FRAME_MAP) {
		wire_end(reader->writer, top->nest);
		reader->depth--;
		top->is_open = false;
	} else {
		top->field = NULL;
		top->is_skipping = false;
	}
}

enum status json_deeper(struct json_reader *reader, struct error *err)
{
	if (reader->depth + 1 >= reader->options.depth_max)
		return error_set(err, ST_INVALID_ARGUMENT, "messages nested deeper than %u levels",
				 reader->options.depth_max);
	reader->depth++;
	return ST_OK;
}

enum status json_set_key(struct json_reader *reader, struct span key, struct error *err)
{
	buf_truncate(&reader->path, json_top(reader)->path_start);
	return buf_append(&reader->path, key) ? ST_OK : json_full(err);
}

enum status json_bad_value(struct error *err, const char *expected)
{
	return error_set(err, ST_INVALID_ARGUMENT, "expected %s", expected);
}

/* ---- objects of ordinary messages ---- */

/* Sets a bit of the frame on top; false when it was set already. */
static bool json_see(struct json_reader *reader, size_t bit)
{
	uint8_t *bits = reader->seen.mem_ + reader->seen.start_ + json_top(reader)->seen_start;
	uint8_t mask = (uint8_t)(1U << (bit % 8));

	if (bits[bit / 8] & mask)
		return false;
	bits[bit / 8] |= mask;
	return true;
}

/* Most texts keep the order of the fields, so the one behind the last is tried first. */
static const struct field *json_find_field(struct json_frame *top, struct span key)
{
	const struct message *message = top->message;
	const struct field *field = NULL;

	if (top->count < message->field_count &&
	    span_eq(message->fields[top->count].json_name, key))
		field = &message->fields[top->count];
	else
		field = schema_field_by_key(message, key);
	if (field)
		top->count = field->index + 1;
	return field;
}

static enum status json_message_key(struct json_reader *reader, struct span key, struct error *err)
{
	struct json_frame *top = json_top(reader);
	const struct field *field = json_find_field(top, key);
	enum status status = json_set_key(reader, key, err);

	if (status != ST_OK)
		return status;
	top->has_member = true;
	if (!field && top->is_any_body && !top->has_type && span_eq_str(key, "@type")) {
		top->has_type = true;
		top->is_skipping = true;
		return ST_OK;
	}
	if (!field && top->is_any_body && top->message->known == KNOWN_EMPTY &&
	    span_eq_str(key, "value")) {
		top->is_skipping = true; /* some printers give Empty a value of {} */
		return ST_OK;
	}
	top->field = field;
	top->is_skipping = !field;
	if (!field)
		return reader->options.ignore_unknown
			       ? ST_OK
			       : error_set(err, ST_INVALID_ARGUMENT, "%.*s has no such field",
					   SPAN_FMT(top->message->full_name));
	if (!json_see(reader, field->index))
		return error_set(err, ST_INVALID_ARGUMENT, "the field is given twice");
	return ST_OK;
}

/* ---- field masks of what is present ---- */

static bool json_is_plain(const struct message *message)
{
	return message->known == KNOWN_NONE || message->known == KNOWN_HTTP_BODY ||
	       message->known == KNOWN_EMPTY;
}

/* Appends the proto path of the open messages, and last when it is not NULL; nothing when a frame
 * is not that of a message, since mask paths do not go into lists and maps. */
static enum status json_mask_add(struct json_reader *reader, const struct field *last,
				 struct error *err)
{
	struct buf *out = reader->options.mask_paths;
	size_t before = buf_len(out);

	for (size_t i = 1; i < reader->frame_count; i++) {
		const struct json_frame *frame = &reader->frames[i];
		const struct field *field = i + 1 < reader->frame_count ? frame->field : last;

		if (frame->kind == JSON_FRAME_WRAP)
			continue;
		if (frame->kind != JSON_FRAME_MESSAGE || frame->is_any_body) {
			buf_truncate(out, before);
			return ST_OK;
		}
		if (!field)
			break;
		if (buf_len(out) > before)
			(void)buf_append_byte(out, '.'); /* is_full is sticky */
		(void)buf_append(out, field->name);
	}
	if (buf_len(out) > before)
		(void)buf_append_byte(out, ',');
	return out->is_full ? json_full(err) : ST_OK;
}

static enum status json_mask_member(struct json_reader *reader, const struct field *field,
				    const struct json_token *token, struct error *err)
{
	if (!reader->options.mask_paths)
		return ST_OK;
	if (!field->is_repeated && field->message && json_is_plain(field->message) &&
	    token->kind == JSON_OBJECT_BEGIN)
		return ST_OK; /* its members, or its end when it has none */
	return json_mask_add(reader, field, err);
}

/* ---- oneofs ---- */

static bool json_is_null_value(const struct field *field)
{
	return !field->is_repeated && ((field->message && field->message->known == KNOWN_VALUE) ||
				       (field->enum_type && field->enum_type->is_null_value));
}

/* Notes that a field of the message on top gets a value. */
static enum status json_note_value(struct json_reader *reader, const struct field *field,
				   const struct json_token *token, struct error *err)
{
	const struct json_frame *top = json_top(reader);

	if (token->kind == JSON_NULL && !json_is_null_value(field))
		return ST_OK;
	if (field->oneof && !json_see(reader, top->message->field_count + field->oneof->index))
		return error_set(err, ST_INVALID_ARGUMENT,
				 "another member of the oneof %.*s is set already",
				 SPAN_FMT(field->oneof->name));
	if (reader->frame_count == 2 && reader->root_set)
		reader->root_set[field->index / 8] |= (uint8_t)(1U << (field->index % 8));
	return ST_OK;
}

static enum status json_skip_value(struct json_reader *reader, const struct json_token *token)
{
	if (token->kind == JSON_OBJECT_BEGIN || token->kind == JSON_ARRAY_BEGIN)
		json_push(reader, JSON_FRAME_SKIP)->count = 1;
	else
		json_value_done(reader);
	return ST_OK;
}

static enum status json_message_end(struct json_reader *reader, struct error *err)
{
	struct json_frame *top = json_top(reader);
	enum status status = ST_OK;

	if (reader->options.mask_paths && !top->has_member)
		status = json_mask_add(reader, NULL, err);
	json_pop(reader);
	json_value_done(reader);
	return status;
}

static enum status json_message_token(struct json_reader *reader, const struct json_token *token,
				      struct error *err)
{
	const struct json_frame *top = json_top(reader);
	const struct field *field = top->field;
	enum status status;

	if (token->kind == JSON_KEY)
		return json_message_key(reader, token->text, err);
	if (top->is_skipping)
		return json_skip_value(reader, token);
	if (!field)
		return json_message_end(reader, err);
	status = json_mask_member(reader, field, token, err);
	if (status == ST_OK)
		status = json_note_value(reader, field, token, err);
	if (status == ST_OK)
		status = json_read_member(reader, field, token, err);
	return status;
}

static enum status json_skip_token(struct json_reader *reader, const struct json_token *token)
{
	struct json_frame *top = json_top(reader);

	if (token->kind == JSON_OBJECT_BEGIN || token->kind == JSON_ARRAY_BEGIN)
		top->count++;
	else if (token->kind == JSON_OBJECT_END || token->kind == JSON_ARRAY_END)
		top->count--;
	if (top->count == 0) {
		json_pop(reader);
		json_value_done(reader);
	}
	return ST_OK;
}

static enum status json_root_token(struct json_reader *reader, const struct json_token *token,
				   struct error *err)
{
	if (reader->is_any_root)
		return json_push_any_body(reader, reader->message, false, err);
	if (reader->field)
		return json_read_member(reader, reader->field, token, err);
	return json_read_message(reader, reader->message, token, err);
}

static enum status json_take_token(struct json_reader *reader, const struct json_token *token,
				   struct error *err)
{
	switch (json_top(reader)->kind) {
	case JSON_FRAME_ROOT:
		return json_root_token(reader, token, err);
	case JSON_FRAME_MESSAGE:
		return json_message_token(reader, token, err);
	case JSON_FRAME_LIST:
		return json_list_token(reader, token, err);
	case JSON_FRAME_MAP:
		return json_map_token(reader, token, err);
	case JSON_FRAME_SKIP:
		return json_skip_token(reader, token);
	case JSON_FRAME_ANY:
		return json_any_token(reader, token, err);
	case JSON_FRAME_CAPTURE:
		return json_capture_token(reader, token, err);
	case JSON_FRAME_ANY_VALUE:
		return json_any_value_token(reader, token, err);
	case JSON_FRAME_WRAP:
		break;
	}
	BUG_ON(true); /* a WRAP is never on top between tokens */
}

/* ---- errors ---- */

/* The key of the i-th frame: its part of the path. */
static struct span json_frame_key(const struct json_reader *reader, size_t i)
{
	size_t start = reader->frames[i].path_start;
	size_t end = i + 1 < reader->frame_count ? reader->frames[i + 1].path_start
						 : buf_len(&reader->path);

	return span_head(span_skip(buf_span(&reader->path), start), end - start);
}

/* The path of what failed, as the client wrote it. Text that does not fit the error is cut. */
static void json_path_text(const struct json_reader *reader, struct buf *out)
{
	for (size_t i = 0; i < reader->frame_count; i++) {
		const struct json_frame *frame = &reader->frames[i];
		struct span key = json_frame_key(reader, i);

		if (frame->kind == JSON_FRAME_LIST)
			(void)buf_printf(out, "[%zu]", frame->count);
		else if (frame->kind == JSON_FRAME_MAP && key.len)
			(void)buf_printf(out, "[%.*s]", SPAN_FMT(span_head(key, ERROR_FIELD_MAX)));
		else if (frame->kind != JSON_FRAME_MAP && key.len)
			(void)buf_printf(out, "%s%.*s", buf_len(out) ? "." : "",
					 SPAN_FMT(span_head(key, ERROR_FIELD_MAX)));
	}
}

/* Completes an error with the place and the path. */
static enum parse_result json_fail(struct json_reader *reader, struct error *err)
{
	struct json_position position = json_lex_position(&reader->lex);
	struct error inner;
	struct buf path;

	if (!err)
		return PARSE_BAD;
	inner = *err;
	if (reader->reread == 0)
		(void)error_set(err, inner.status, "%.*s (line %zu, column %zu, byte %zu)",
				ERROR_MESSAGE_MAX - 100, inner.message, position.line,
				position.column, position.offset);
	memcpy(err->field, inner.field, sizeof(err->field));
	buf_init(&path, (size_t)4096);
	json_path_text(reader, &path);
	if (buf_len(&path))
		error_set_field(err, "%.*s", SPAN_FMT(buf_span(&path)));
	buf_fini(&path);
	return PARSE_BAD;
}

static enum parse_result json_fail_lex(struct json_reader *reader, struct error *err)
{
	(void)error_set(err, ST_INVALID_ARGUMENT, "%s", reader->lex.problem);
	return json_fail(reader, err);
}

/* ---- the reader ---- */

static struct json_reader *json_reader_make(const struct json_read_options *options,
					    struct wire_writer *writer)
{
	struct json_reader *reader = mem_new(struct json_reader);

	if (options)
		reader->options = *options;
	if (reader->options.depth_max == 0)
		reader->options.depth_max = WIRE_DEPTH_MAX;
	reader->writer = writer;
	json_lex_init(&reader->lex, JSON_TEXT_MAX);
	buf_init(&reader->path, JSON_TEXT_MAX);
	buf_init(&reader->seen, JSON_TEXT_MAX);
	buf_init(&reader->scratch, JSON_TEXT_MAX);
	buf_init(&reader->capture, JSON_TEXT_MAX);
	buf_init(&reader->type_url, JSON_TEXT_MAX);
	(void)json_push(reader, JSON_FRAME_ROOT); /* nothing to set */
	return reader;
}

static size_t json_root_bytes(const struct json_reader *reader)
{
	return reader->message ? reader->message->field_count / 8 + 1 : 0;
}

struct json_reader *json_reader_new(const struct message *message,
				    const struct json_read_options *options,
				    struct wire_writer *writer)
{
	struct json_reader *reader = json_reader_make(options, writer);

	reader->message = message;
	reader->root_set = mem_new_array(uint8_t, json_root_bytes(reader));
	return reader;
}

struct json_reader *json_reader_new_field(const struct field *field,
					  const struct json_read_options *options,
					  struct wire_writer *writer)
{
	struct json_reader *reader = json_reader_make(options, writer);

	reader->field = field;
	return reader;
}

void json_reader_free(struct json_reader *reader)
{
	if (!reader)
		return;
	while (reader->frame_count)
		json_pop(reader);
	mem_free(reader->frames);
	mem_free(reader->root_set);
	json_lex_fini(&reader->lex);
	buf_fini(&reader->path);
	buf_fini(&reader->seen);
	buf_fini(&reader->scratch);
	buf_fini(&reader->capture);
	buf_fini(&reader->type_url);
	mem_free(reader);
}

void json_reader_reset(struct json_reader *reader)
{
	while (reader->frame_count)
		json_pop(reader);
	reader->depth = 0;
	if (reader->root_set)
		memset(reader->root_set, 0, json_root_bytes(reader));
	json_lex_reset(&reader->lex);
	(void)json_push(reader, JSON_FRAME_ROOT); /* nothing to set */
}

void json_reader_skip(struct json_reader *reader, struct span bytes)
{
	json_lex_skip(&reader->lex, bytes);
}

static enum parse_result json_reader_take(struct json_reader *reader,
					  const struct json_token *token, struct error *err)
{
	enum status status = json_take_token(reader, token, err);

	if (status == ST_OK && reader->writer->is_full)
		status = json_full(err);
	if (status != ST_OK)
		return json_fail(reader, err);
	return reader->frame_count ? PARSE_MORE : PARSE_DONE;
}

static enum parse_result json_reader_run(struct json_reader *reader, struct error *err)
{
	enum parse_result result;
	struct json_token token;

	do {
		result = json_lex_next(&reader->lex, &token);
		if (result == PARSE_BAD)
			return json_fail_lex(reader, err);
		if (result == PARSE_MORE)
			return PARSE_MORE;
		result = json_reader_take(reader, &token, err);
	} while (result == PARSE_MORE);
	return result;
}

enum parse_result json_reader_feed(struct json_reader *reader, struct span chunk, size_t *ret_used,
				   struct error *err)
{
	enum parse_result result;

	json_lex_feed(&reader->lex, chunk);
	result = json_reader_run(reader, err);
	if (result != PARSE_BAD)
		*ret_used = json_lex_used(&reader->lex);
	json_lex_forget(&reader->lex);
	return result;
}

enum parse_result json_reader_end(struct json_reader *reader, struct error *err)
{
	struct json_token token;

	if (json_lex_end(&reader->lex, &token) == PARSE_DONE)
		return json_reader_take(reader, &token, err);
	if (!reader->lex.problem)
		return PARSE_DONE; /* the value was whole before */
	return json_fail_lex(reader, err);
}

struct json_position json_reader_position(const struct json_reader *reader)
{
	return json_lex_position(&reader->lex);
}

bool json_reader_has(const struct json_reader *reader, const struct field *field)
{
	BUG_ON(!reader->root_set || field->parent != reader->message);
	return reader->root_set[field->index / 8] >> (field->index % 8) & 1;
}

/* ---- whole texts ---- */

static bool json_is_space(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] != ' ' && text.data[i] != '\n' && text.data[i] != '\t' &&
		    text.data[i] != '\r')
			return false;
	return true;
}

static enum status json_read_whole(struct json_reader *reader, struct span json, struct error *err)
{
	struct error local;
	struct error *report = err ? err : &local;
	size_t used = 0;
	enum parse_result result = json_reader_feed(reader, json, &used, report);

	if (result == PARSE_MORE)
		result = json_reader_end(reader, report);
	else if (result == PARSE_DONE && !json_is_space(span_skip(json, used))) {
		(void)error_set(report, ST_INVALID_ARGUMENT, "text after the value");
		result = json_fail(reader, report);
	}
	json_reader_free(reader);
	return result == PARSE_DONE ? ST_OK : report->status;
}

enum status json_to_wire(const struct message *message, struct span json,
			 const struct json_read_options *options, struct wire_writer *writer,
			 struct error *err)
{
	return json_read_whole(json_reader_new(message, options, writer), json, err);
}

enum status json_field_to_wire(const struct field *field, struct span json,
			       const struct json_read_options *options, struct wire_writer *writer,
			       struct error *err)
{
	return json_read_whole(json_reader_new_field(field, options, writer), json, err);
}
