/* Wire to ProtoJSON: the messages with a form of their own. */
#include <math.h>
#include <string.h>

#include "proto/json_known.h"
#include "proto/json_print_internal.h"
#include "src/base/text.h"

static enum status json_no_form(const struct json_printer *printer, const char *why)
{
	return error_set(printer->err, ST_INVALID_ARGUMENT, "%s", why);
}

static enum status json_print_time(struct json_printer *printer, const struct json_scan *scan)
{
	const struct field *fields = scan->message->fields;
	struct wire_field record;
	struct json_time time = {0};

	if (json_scan_last(printer, scan, &fields[0], &record))
		time.seconds = (int64_t)record.integer;
	if (json_scan_last(printer, scan, &fields[1], &record))
		time.nanos = (int32_t)(uint32_t)record.integer;
	return scan->message->known == KNOWN_TIMESTAMP
		       ? json_timestamp_print(time, printer->out, printer->err)
		       : json_duration_print(time, printer->out, printer->err);
}

static enum status json_print_mask(struct json_printer *printer, const struct json_scan *scan)
{
	struct json_cursor cursor;
	struct wire_field record;
	enum status status = ST_OK;
	bool is_first = true;

	(void)buf_append_byte(printer->out, '"'); /* is_full is sticky */
	json_cursor_init(&cursor, printer,
			 json_scan_field(printer, scan, &scan->message->fields[0]));
	while (status == ST_OK && json_cursor_next(&cursor, &record)) {
		size_t start;

		if (!is_first)
			(void)buf_append_byte(printer->out, ',');
		start = buf_len(printer->out);
		status = json_mask_print(record.bytes, printer->out, printer->err);
		if (status == ST_INVALID_ARGUMENT && printer->options.has_plain_masks &&
		    text_json_plain(record.bytes) == record.bytes.len) {
			buf_truncate(printer->out, start);
			status = buf_append(printer->out, record.bytes) ? ST_OK
									: json_full(printer->err);
		}
		is_first = false;
	}
	(void)buf_append_byte(printer->out, '"');
	return status;
}

static enum status json_print_dynamic(struct json_printer *printer, const struct json_scan *scan)
{
	const struct oneof *kind = &scan->message->oneofs[0];

	for (size_t i = 0; i < scan->message->field_count; i++) {
		const struct field *member = &scan->message->fields[i];
		struct json_runs runs = json_scan_field(printer, scan, member);
		struct wire_field record;
		double number;

		if (runs.count == 0 || member->oneof != kind)
			continue;
		if (member->type == FIELD_DOUBLE &&
		    json_scan_last(printer, scan, member, &record)) {
			memcpy(&number, &record.integer, sizeof(number));
			if (!isfinite(number))
				return json_no_form(
					printer, "a google.protobuf.Value holds no finite number");
		}
		return json_print_field(printer, member, runs);
	}
	return json_no_form(printer, "a google.protobuf.Value without a value");
}

static enum status json_print_wrapper(struct json_printer *printer, const struct json_scan *scan)
{
	const struct field *value = &scan->message->fields[0];
	struct wire_field record;
	bool is_set = json_scan_last(printer, scan, value, &record);

	return json_print_scalar(printer, value, is_set ? &record : NULL);
}

static enum status json_print_object(struct json_printer *printer, const struct json_scan *scan)
{
	size_t before;
	enum status status;

	json_print_open(printer, '{');
	before = buf_len(printer->out);
	status = json_print_members(printer, scan, true);
	json_print_close(printer, '}', buf_len(printer->out) == before);
	return status;
}

/* ---- Any ---- */

static bool json_is_boxed(const struct message *message)
{
	return message->known != KNOWN_NONE && message->known != KNOWN_EMPTY &&
	       message->known != KNOWN_HTTP_BODY;
}

static void json_print_name(struct json_printer *printer, const char *quoted)
{
	(void)buf_append_str(printer->out, quoted); /* is_full is sticky */
	(void)buf_append_str(printer->out, printer->options.add_whitespace ? ": " : ":");
}

static enum status json_print_any_value(struct json_printer *printer, const struct message *type,
					struct span value)
{
	struct json_scan scan;
	enum status status = json_scan_begin(printer, type, &scan);

	if (status == ST_OK)
		status = json_scan_part(printer, &scan, value);
	if (status != ST_OK)
		return status;
	json_scan_sort(printer, &scan);
	if (json_is_boxed(type)) {
		json_print_item(printer, false);
		json_print_name(printer, "\"value\"");
		status = json_print_scanned(printer, &scan);
	} else {
		status = json_print_members(printer, &scan, false);
	}
	json_scan_end(printer, &scan);
	return status;
}

static enum status json_print_any(struct json_printer *printer, const struct json_scan *scan)
{
	const struct field *fields = scan->message->fields;
	struct wire_field url = {0};
	struct wire_field value = {0};
	const struct message *type = NULL;
	enum status status;

	(void)json_scan_last(printer, scan, &fields[0], &url); /* absent: empty */
	(void)json_scan_last(printer, scan, &fields[1], &value);
	if (url.bytes.len == 0 && value.bytes.len == 0) {
		(void)buf_append_str(printer->out, "{}"); /* checked at the end */
		return ST_OK;
	}
	if (printer->options.schema)
		type = schema_find_type_url(printer->options.schema, url.bytes);
	if (!type && !printer->options.unknown_any_as_base64)
		return error_set(printer->err, ST_INVALID_ARGUMENT,
				 "\"%.*s\" is not the URL of a known type",
				 SPAN_FMT(span_head(url.bytes, ERROR_FIELD_MAX)));
	json_print_open(printer, '{');
	json_print_item(printer, true);
	json_print_name(printer, "\"@type\"");
	status = json_print_string(printer, url.bytes, true);
	if (status == ST_OK && type) {
		status = json_print_any_value(printer, type, value.bytes);
	} else if (status == ST_OK) {
		json_print_item(printer, false);
		json_print_name(printer, "\"value\"");
		status = json_print_base64(printer, value.bytes);
	}
	json_print_close(printer, '}', false);
	return status;
}

enum status json_print_scanned(struct json_printer *printer, const struct json_scan *scan)
{
	const struct field *first = scan->message->fields;

	switch (scan->message->known) {
	case KNOWN_ANY:
		return json_print_any(printer, scan);
	case KNOWN_TIMESTAMP:
	case KNOWN_DURATION:
		return json_print_time(printer, scan);
	case KNOWN_FIELD_MASK:
		return json_print_mask(printer, scan);
	case KNOWN_STRUCT:
	case KNOWN_LIST_VALUE:
		return json_print_field(printer, first, json_scan_field(printer, scan, first));
	case KNOWN_VALUE:
		return json_print_dynamic(printer, scan);
	case KNOWN_WRAPPER:
		return json_print_wrapper(printer, scan);
	case KNOWN_NONE:
	case KNOWN_EMPTY:
	case KNOWN_HTTP_BODY:
		break;
	}
	return json_print_object(printer, scan);
}
