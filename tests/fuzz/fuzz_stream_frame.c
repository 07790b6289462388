/* Input: a byte of choices, one for the room in the buffer, one for the size of pieces, then
 * values, each behind a byte with its length. They are framed as a server stream, through a buffer
 * that is full every now and then, and the body is read back in pieces: it must hold these values
 * and no others, and the end that was chosen. */
#include <stdint.h>
#include <string.h>

#include "httpapi/stream_frame.h"
#include "proto/json.h"
#include "src/base/error.h"
#include "tests/fuzz/fuzz_types.h"

#define VALUES_MAX 64
#define STATUS_TEXT "{\"code\":5,\"message\":\"no such \\\"thing\\\"\"}"

/* What one frame needs besides its value, at the most. */
#define FRAME_BYTES ((size_t)128)

struct choices {
	enum framing framing;
	bool has_error_element;
	bool has_end_event;
	bool is_failing;
	bool has_heartbeats;
	size_t room;
	size_t piece;
};

/* What a body is made of, each value on a line, and how it ends. */
struct story {
	struct buf values;
	struct span error;
	bool is_ended; /* by what says so: "]", the end event */
	bool is_malformed;
};

static struct schema *schema;
static const struct message *value_type;

/* The input as a JSON value: what it says, when that is JSON, else the text itself. */
static bool print_value(struct span input, struct buf *json)
{
	const struct json_read_options read = {.schema = schema};
	const struct json_print_options print = {.schema = schema};
	struct wire_writer writer;
	struct buf wire;
	bool is_ok;

	buf_init(&wire, FUZZ_BYTES_MAX);
	wire_writer_init(&writer, &wire);
	if (json_to_wire(value_type, input, &read, &writer, NULL) != ST_OK) {
		wire_writer_fini(&writer);
		buf_reset(&wire);
		wire_writer_init(&writer, &wire);
		wire_put_bytes_field(&writer, 3, input); /* string_value */
	}
	is_ok = wire_finish(&writer) &&
		json_from_wire(value_type, buf_span(&wire), &print, json, NULL) == ST_OK;
	wire_writer_fini(&writer);
	buf_fini(&wire);
	return is_ok;
}

/* ---- Writing ----------------------------------------------------------------------------------
 */

static bool frame_value(struct stream_frame *frame, struct span json, struct buf *out)
{
	size_t before = buf_len(out);
	size_t start;

	if (!stream_frame_open(frame, out, &start) || !buf_append(out, json)) {
		buf_truncate(out, before);
		return false;
	}
	if (stream_frame_close(frame, out, start))
		return true;
	BUG_ON(buf_len(out) != before);
	return false;
}

/* The body is what leaves the buffer whenever it has no room. */
static void send(struct buf *out, struct buf *body)
{
	(void)buf_append(body, buf_span(out)); /* large enough */
	buf_reset(out);
}

static bool frame_end(const struct stream_frame *frame, const struct choices *choices,
		      struct buf *body)
{
	bool is_told = true;

	if (choices->is_failing)
		BUG_ON(!stream_frame_error(frame, SPAN_LIT(STATUS_TEXT), body, &is_told));
	else
		BUG_ON(!stream_frame_end(frame, body));
	return is_told;
}

/* Returns whether the end was told. */
static bool frame_all(const struct choices *choices, struct span values, struct buf *body)
{
	struct stream_frame frame = {.framing = choices->framing,
				     .has_error_element = choices->has_error_element,
				     .has_end_event = choices->has_end_event};
	struct buf out;

	buf_init(&out, choices->room);
	while (values.len) {
		struct span json = span_head(values, span_find(values, '\n'));

		if (!frame_value(&frame, json, &out)) {
			size_t room = json.len + FRAME_BYTES;

			send(&out, body);
			buf_fini(&out);
			buf_init(&out, room > choices->room ? room : choices->room);
			BUG_ON(!frame_value(&frame, json, &out));
		}
		values = span_skip(values, json.len + 1);
		if (choices->has_heartbeats)
			(void)stream_frame_heartbeat(&frame, &out); /* or it has no room for it */
	}
	send(&out, body);
	buf_fini(&out);
	return frame_end(&frame, choices, body);
}

/* ---- Reading ----------------------------------------------------------------------------------
 */

static bool next_line(struct span *rest, struct span *ret_line)
{
	size_t len = span_find(*rest, '\n');

	if (len == rest->len)
		return false;
	*ret_line = span_make(rest->data, len);
	*rest = span_make(rest->data + len + 1, rest->len - len - 1);
	return true;
}

static bool cut_prefix(struct span *line, struct span prefix)
{
	if (!span_starts_with(*line, prefix))
		return false;
	*line = span_make(line->data + prefix.len, line->len - prefix.len);
	return true;
}

static void add_value(struct story *story, struct span json)
{
	story->is_malformed = story->is_malformed || story->is_ended || story->error.data;
	(void)buf_append(&story->values, json);
	(void)buf_append_byte(&story->values, '\n');
}

static void read_lines(struct span body, struct story *story)
{
	struct span line;

	while (next_line(&body, &line)) {
		struct span status = line;

		/* No value of this input is an object with that status. */
		if (body.len == 0 && cut_prefix(&status, SPAN_LIT("{\"error\":")) &&
		    span_eq_str(status, STATUS_TEXT "}"))
			story->error = span_head(status, status.len - 1);
		else
			add_value(story, line);
	}
	story->is_malformed = story->is_malformed || body.len;
}

/* As the HTML standard reads event streams; only LF ends a line here, a CR would be malformed. */
static void read_events(struct span body, struct story *story)
{
	struct span event = SPAN_EMPTY;
	struct span data = SPAN_EMPTY;
	struct span line;

	story->is_malformed = memchr(body.data ? body.data : (const uint8_t *)"", '\r', body.len);
	while (next_line(&body, &line)) {
		if (line.len == 0 && data.data) {
			if (span_eq_str(event, "error"))
				story->error = data;
			else if (span_eq_str(event, "end"))
				story->is_ended = true;
			else
				add_value(story, data);
		}
		if (line.len == 0)
			event = data = SPAN_EMPTY;
		else if (cut_prefix(&line, SPAN_LIT("event: ")))
			event = line;
		else if (cut_prefix(&line, SPAN_LIT("data: ")) && !data.data)
			data = line;
		else if (!span_eq_str(line, ":"))
			story->is_malformed = true;
	}
	story->is_malformed = story->is_malformed || body.len || data.data;
}

/* One value of the array in pieces; *rest goes on behind it. */
static bool read_element(struct span *rest, size_t piece, struct span *ret_json)
{
	const struct json_read_options options = {.schema = schema};
	const uint8_t *start = rest->data;
	struct json_reader *reader;
	struct wire_writer writer;
	enum parse_result result = PARSE_MORE;
	struct buf wire;

	buf_init(&wire, FUZZ_BYTES_MAX);
	wire_writer_init(&writer, &wire);
	reader = json_reader_new(value_type, &options, &writer);
	while (result == PARSE_MORE && rest->len) {
		size_t used = 0;

		result = json_reader_feed(reader, span_head(*rest, piece), &used, NULL);
		*rest = span_make(rest->data + used, rest->len - used);
	}
	if (result == PARSE_MORE) /* a number may be the last of a body that breaks off */
		result = json_reader_end(reader, NULL);
	*ret_json = span_make(start, (size_t)(rest->data - start));
	json_reader_free(reader);
	wire_writer_fini(&writer);
	buf_fini(&wire);
	return result == PARSE_DONE;
}

static void read_array(struct span rest, size_t piece, struct story *story)
{
	struct span error;
	struct span json;

	if (!cut_prefix(&rest, SPAN_LIT("["))) {
		story->is_malformed = rest.len != 0; /* nothing at all: broken before the first */
		return;
	}
	while (rest.len && !story->is_malformed) {
		if (cut_prefix(&rest, SPAN_LIT("]"))) {
			story->is_ended = true;
			story->is_malformed = rest.len != 0;
			return;
		}
		error = rest;
		if (cut_prefix(&error, SPAN_LIT("{\"@error\":")) &&
		    span_eq_str(error, STATUS_TEXT "}]")) {
			story->error = span_head(error, error.len - 2);
			return;
		}
		if (read_element(&rest, piece, &json))
			add_value(story, json);
		else
			story->is_malformed = true;
		if (!cut_prefix(&rest, SPAN_LIT(",")) && rest.len && rest.data[0] != ']')
			story->is_malformed = true;
	}
}

static void check(const struct choices *choices, struct span values, struct span body, bool is_told)
{
	bool has_end = choices->framing == FRAMING_ARRAY ||
		       (choices->framing == FRAMING_SSE && choices->has_end_event);
	struct story story = {.error = SPAN_EMPTY};

	buf_init(&story.values, FUZZ_BYTES_MAX);
	if (choices->framing == FRAMING_LINES)
		read_lines(body, &story);
	else if (choices->framing == FRAMING_SSE)
		read_events(body, &story);
	else
		read_array(body, choices->piece, &story);
	BUG_ON(story.is_malformed);
	BUG_ON(!span_eq(buf_span(&story.values), values));
	BUG_ON((story.error.data != NULL) != (choices->is_failing && is_told));
	BUG_ON(story.error.data && !span_eq_str(story.error, STATUS_TEXT));
	BUG_ON(story.is_ended != (has_end && !choices->is_failing));
	buf_fini(&story.values);
}

static void take_values(struct span rest, struct buf *values)
{
	for (size_t i = 0; i < VALUES_MAX && rest.len; i++) {
		size_t len = rest.data[0];

		if (print_value(span_head(span_skip(rest, 1), len), values))
			(void)buf_append_byte(values, '\n');
		rest = span_skip(rest, len + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct choices choices;
	struct buf values;
	struct buf body;
	bool is_told;

	if (size < 3)
		return 0;
	if (!schema) {
		schema = fuzz_schema();
		value_type = fuzz_message(schema, 1); /* google.protobuf.Value */
	}
	choices = (struct choices){
		.framing = data[0] % FRAMING_COUNT_,
		.has_error_element = data[0] & 0x08,
		.has_end_event = data[0] & 0x10,
		.is_failing = data[0] & 0x20,
		.has_heartbeats = data[0] & 0x40,
		.room = data[1],
		.piece = data[2] ? data[2] : 1,
	};
	buf_init(&values, FUZZ_BYTES_MAX);
	buf_init(&body, FUZZ_BYTES_MAX);
	take_values(span_make(data + 3, size - 3), &values);
	is_told = frame_all(&choices, buf_span(&values), &body);
	check(&choices, buf_span(&values), buf_span(&body), is_told);
	buf_fini(&body);
	buf_fini(&values);
	return 0;
}
