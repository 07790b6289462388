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
			 const struct json_print_options *options, struct buf *scratch,
			 struct transcode_reply *reply, struct error *err)
{
	size_t start = buf_len(scratch);
	enum status status =
		rule->response_field
			? json_field_from_wire(rule->response_field, wire, options, scratch, err)
			: json_from_wire(rule->method->output, wire, options, scratch, err);

	if (status == ST_RESOURCE_EXHAUSTED)
		return status;
	if (status)
		return err ? bad_reply(rule, err) : ST_INTERNAL;
	reply->content_type = SPAN_LIT("application/json");
	reply->body = span_skip(buf_span(scratch), start);
	return ST_OK;
}

/* A field of the HttpBody: the last one counts. False on malformed bytes. */
static bool find_bytes(struct span wire, uint32_t number, struct span *ret_bytes)
{
	struct wire_reader reader;
	struct wire_field record;

	*ret_bytes = SPAN_EMPTY;
	wire_reader_init(&reader, wire);
	while (wire_next(&reader, &record))
		if (record.number == number && record.type == WIRE_BYTES)
			*ret_bytes = record.bytes;
	return !reader.is_bad;
}

static enum status unwrap(const struct http_rule *rule, struct span wire, struct buf *scratch,
			  struct transcode_reply *reply, struct error *err)
{
	struct span body = wire;
	bool is_present;

	if (rule->response_field &&
	    !wire_merge_bytes(wire, rule->response_field->number, scratch, &body, &is_present))
		return malformed(rule, err);
	if (!find_bytes(body, HTTP_BODY_CONTENT_TYPE, &reply->content_type) ||
	    !find_bytes(body, HTTP_BODY_DATA, &reply->body))
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
			  const struct schema *schema, const struct transcode_options *options,
			  struct buf *scratch, struct transcode_reply *ret_reply, struct error *err)
{
	struct transcode_reply reply = {0};
	struct json_print_options print_options = {
		.schema = schema,
		.always_print_primitive_fields = options->always_print_primitive_fields,
		.always_print_enums_as_ints = options->always_print_enums_as_ints,
		.preserve_proto_field_names = options->preserve_proto_field_names,
		.int64_as_number = options->int64_as_number,
		.add_whitespace = options->add_whitespace,
	};
	enum status status = rule->is_raw_response
				     ? unwrap(rule, wire, scratch, &reply, err)
				     : print(rule, wire, &print_options, scratch, &reply, err);

	if (!status)
		*ret_reply = reply;
	return status;
}
