#include "httpapi/transcode_out.h"

#include "httpapi/media_type.h"
#include "proto/json.h"
#include "proto/wire.h"

/* Spec: google/api/httpbody.proto */
#define HTTP_BODY_CONTENT_TYPE 1
#define HTTP_BODY_DATA 2

static enum status bad_reply(const struct http_rule *rule, struct error *err)
{
	if (err && err->status == ST_INVALID_ARGUMENT)
		err->status = ST_INTERNAL;
	return error_wrap(err, "the reply of %.*s", SPAN_FMT(rule->method->full_name));
}

static enum status malformed(const struct http_rule *rule, struct error *err)
{
	(void)error_set(err, ST_INTERNAL, "malformed message"); /* bad_reply says more */
	return err ? bad_reply(rule, err) : ST_INTERNAL;
}

static enum status print(const struct http_rule *rule, struct span wire,
			 const struct json_print_options *options, struct buf *out,
			 struct transcode_reply *reply, struct error *err)
{
	size_t start = buf_len(out);
	enum status status =
		rule->response_field
			? json_field_from_wire(rule->response_field, wire, options, out, err)
			: json_from_wire(rule->method->output, wire, options, out, err);

	if (status == ST_RESOURCE_EXHAUSTED)
		return status;
	if (status)
		return err ? bad_reply(rule, err) : ST_INTERNAL;
	reply->content_type = SPAN_LIT("application/json");
	reply->body = span_skip(buf_span(out), start);
	return ST_OK;
}

/* Reads the fields of an HttpBody; the last of each counts. False on malformed bytes. */
static bool read_http_body(struct span wire, struct transcode_reply *reply)
{
	struct wire_reader reader;
	struct wire_field record;

	wire_reader_init(&reader, wire);
	while (wire_next(&reader, &record)) {
		if (record.type != WIRE_BYTES)
			continue;
		if (record.number == HTTP_BODY_CONTENT_TYPE)
			reply->content_type = record.bytes;
		else if (record.number == HTTP_BODY_DATA)
			reply->body = record.bytes;
	}
	return !reader.is_bad;
}

/* Finds the HttpBody: the reply itself, or its field, whose parts are read one after another. */
static bool find_http_body(const struct http_rule *rule, struct span wire,
			   struct transcode_reply *reply)
{
	struct wire_reader reader;
	struct wire_field record;

	if (!rule->response_field)
		return read_http_body(wire, reply);
	wire_reader_init(&reader, wire);
	while (wire_next(&reader, &record))
		if (record.number == rule->response_field->number && record.type == WIRE_BYTES &&
		    !read_http_body(record.bytes, reply))
			return false;
	return !reader.is_bad;
}

static enum status unwrap(const struct http_rule *rule, struct span wire,
			  struct transcode_reply *reply, struct error *err)
{
	if (!find_http_body(rule, wire, reply))
		return malformed(rule, err);
	if (reply->content_type.len == 0)
		reply->content_type = SPAN_LIT("application/octet-stream");
	if (!media_type_is_sendable(reply->content_type)) {
		(void)error_set(err, ST_INTERNAL,
				"its content type is no header value"); /* bad_reply says more */
		return err ? bad_reply(rule, err) : ST_INTERNAL;
	}
	reply->is_raw = true;
	return ST_OK;
}

enum status transcode_out(const struct http_rule *rule, struct span wire,
			  const struct transcode_printer *printer, struct buf *out,
			  struct transcode_reply *ret_reply, struct error *err)
{
	const struct transcode_options *options = printer->options;
	struct transcode_reply reply = {0};
	struct json_print_options print_options = {
		.schema = printer->schema,
		.always_print_primitive_fields = options->always_print_primitive_fields,
		.always_print_enums_as_ints = options->always_print_enums_as_ints,
		.preserve_proto_field_names = options->preserve_proto_field_names,
		.int64_as_number = options->int64_as_number,
		.add_whitespace = options->add_whitespace,
	};
	enum status status = rule->is_raw_response
				     ? unwrap(rule, wire, &reply, err)
				     : print(rule, wire, &print_options, out, &reply, err);

	if (!status)
		*ret_reply = reply;
	return status;
}
