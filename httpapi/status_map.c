/* Details are printed one by one and each with the schema that knows its type: the function's
 * first, then our own copy of google/rpc/error_details.proto. So one bad detail never costs the
 * others. */
#include "httpapi/status_map.h"

#include "proto/json.h"
#include "proto/wire.h"
#include "src/base/mem.h"
#include "src/base/text.h"

/* Spec: google/rpc/status.proto, google/rpc/error_details.proto, google/protobuf/any.proto */
#define STATUS_CODE 1
#define STATUS_MESSAGE 2
#define STATUS_DETAILS 3
#define ANY_TYPE_URL 1
#define ANY_VALUE 2
#define BAD_REQUEST_VIOLATIONS 1
#define VIOLATION_FIELD 1
#define VIOLATION_DESCRIPTION 2
#define RETRY_INFO_DELAY 1
#define ERROR_INFO_REASON 1
#define DURATION_SECONDS 1
#define DURATION_NANOS 2

/* Ruling R4. */
#define REASON_KEY_REUSED "IDEMPOTENCY_KEY_REUSED"
#define HTTP_UNPROCESSABLE 422

/* Spec: google/protobuf/duration.proto */
#define DURATION_SECONDS_MAX ((int64_t)315576000000)

struct status_map {
	struct schema *schema;
	const struct message *any;
};

/* ---- the types we know -------------------------------------------------------------------- */

/* A file that declares nothing and imports what details are made of; those files are built in.
 * Spec: google/protobuf/descriptor.proto, FileDescriptorSet.file = 1, FileDescriptorProto.name = 1,
 * .dependency = 3, .syntax = 12 */
static bool write_imports(struct buf *out)
{
	static const char *const imports[] = {
		"google/rpc/status.proto",	  "google/rpc/error_details.proto",
		"google/protobuf/any.proto",	  "google/protobuf/duration.proto",
		"google/protobuf/struct.proto",	  "google/protobuf/timestamp.proto",
		"google/protobuf/wrappers.proto",
	};
	struct wire_writer writer;
	struct wire_nest file;
	bool is_written;

	wire_writer_init(&writer, out);
	file = wire_begin(&writer, 1);
	wire_put_bytes_field(&writer, 1, SPAN_LIT("headgate/details.proto"));
	for (size_t i = 0; i < sizeof(imports) / sizeof(imports[0]); i++)
		wire_put_bytes_field(&writer, 3, span_from_str(imports[i]));
	wire_put_bytes_field(&writer, 12, SPAN_LIT("proto3"));
	wire_end(&writer, file);
	is_written = wire_finish(&writer);
	wire_writer_fini(&writer);
	return is_written;
}

enum status status_map_new(struct status_map **ret_map, struct error *err)
{
	struct status_map *map = mem_new(struct status_map);
	struct buf set;
	enum status status;

	buf_init(&set, 4096);
	BUG_ON(!write_imports(&set));
	status = schema_new(buf_span(&set), &map->schema, err);
	buf_fini(&set);
	if (status) {
		status_map_free(map);
		return error_wrap(err, "types of error details");
	}
	map->any = schema_find_message(map->schema, SPAN_LIT("google.protobuf.Any"));
	BUG_ON(!map->any);
	*ret_map = map;
	return ST_OK;
}

void status_map_free(struct status_map *map)
{
	if (!map)
		return;
	schema_unref(map->schema);
	mem_free(map);
}

/* ---- looking into details ----------------------------------------------------------------- */

/* One google.protobuf.Any of the details. */
struct detail {
	struct span any;
	struct span type_url;
	struct span value;
};

static bool read_detail(struct span any, struct detail *ret_detail)
{
	struct wire_reader reader;
	struct wire_field record;
	struct detail detail = {.any = any};

	wire_reader_init(&reader, any);
	while (wire_next(&reader, &record)) {
		if (record.type == WIRE_BYTES && record.number == ANY_TYPE_URL)
			detail.type_url = record.bytes;
		else if (record.type == WIRE_BYTES && record.number == ANY_VALUE)
			detail.value = record.bytes;
	}
	if (reader.is_bad)
		return false;
	*ret_detail = detail;
	return true;
}

/* The next detail that can be read; false at the end. */
static bool next_detail(struct wire_reader *reader, struct detail *ret_detail)
{
	struct wire_field record;

	while (wire_next(reader, &record))
		if (record.number == STATUS_DETAILS && record.type == WIRE_BYTES &&
		    read_detail(record.bytes, ret_detail))
			return true;
	return false;
}

static bool is_of_type(const struct detail *detail, const char *name)
{
	struct span url = detail->type_url;
	size_t slash = url.len;

	while (slash > 0 && url.data[slash - 1] != '/')
		slash--;
	return slash > 0 && span_eq_str(span_skip(url, slash), name);
}

/* The first detail of a type. */
static bool find_detail(const struct status_failure *failure, const char *name,
			struct detail *ret_detail)
{
	struct wire_reader reader;

	wire_reader_init(&reader, failure->details);
	while (next_detail(&reader, ret_detail))
		if (is_of_type(ret_detail, name))
			return true;
	return false;
}

int status_map_http(const struct status_failure *failure)
{
	struct detail detail;
	struct wire_field reason;

	if (failure->details.len && find_detail(failure, "google.rpc.ErrorInfo", &detail) &&
	    wire_find_last(detail.value, ERROR_INFO_REASON, WIRE_BYTES, &reason) &&
	    span_eq_str(reason.bytes, REASON_KEY_REUSED))
		return HTTP_UNPROCESSABLE;
	return status_http(failure->code);
}

bool status_map_retry_after(const struct status_failure *failure, uint64_t *ret_seconds)
{
	struct detail detail;
	struct wire_field delay;
	struct wire_field part;
	int64_t seconds = 0;

	if (!find_detail(failure, "google.rpc.RetryInfo", &detail) ||
	    !wire_find_last(detail.value, RETRY_INFO_DELAY, WIRE_BYTES, &delay))
		return false;
	if (wire_find_last(delay.bytes, DURATION_SECONDS, WIRE_VARINT, &part))
		seconds = (int64_t)part.integer;
	if (seconds < 0 || seconds > DURATION_SECONDS_MAX)
		return false;
	if (wire_find_last(delay.bytes, DURATION_NANOS, WIRE_VARINT, &part)) {
		if ((int64_t)part.integer < 0)
			return false;
		seconds += part.integer > 0;
	}
	*ret_seconds = (uint64_t)seconds;
	return true;
}

/* ---- JSON --------------------------------------------------------------------------------- */

/* The form that any detail has. */
static bool print_opaque(const struct detail *detail, struct buf *out)
{
	return buf_append_str(out, "{\"@type\":") && text_json_quote(detail->type_url, out) &&
	       buf_append_str(out, ",\"value\":\"") &&
	       text_base64_encode(detail->value, true, out) && buf_append_str(out, "\"}");
}

/* As a type that a schema knows; false, and out as it was, when it does not or the value is bad. */
static bool print_known(const struct status_map *map, const struct schema *schema,
			const struct detail *detail, struct buf *out)
{
	struct json_print_options options = {.schema = schema, .unknown_any_as_base64 = true};
	size_t start = buf_len(out);

	if (!schema || !schema_find_type_url(schema, detail->type_url))
		return false;
	if (json_from_wire(map->any, detail->any, &options, out, NULL) == ST_OK)
		return true;
	buf_truncate(out, start);
	return false;
}

static bool print_details(const struct status_map *map, const struct schema *schema,
			  struct span details, struct buf *out)
{
	struct wire_reader reader;
	struct detail detail;
	const char *comma = "";

	wire_reader_init(&reader, details);
	while (next_detail(&reader, &detail)) {
		if (!buf_append_str(out, comma))
			return false;
		comma = ",";
		if (!print_known(map, schema, &detail, out) &&
		    !print_known(map, map->schema, &detail, out) && !print_opaque(&detail, out))
			return false;
	}
	return true;
}

bool status_map_json(const struct status_map *map, const struct schema *schema,
		     const struct status_failure *failure, struct buf *out)
{
	size_t start = buf_len(out);

	if (buf_printf(out, "{\"code\":%d,\"message\":", (int)failure->code) &&
	    text_json_quote(failure->message, out) && buf_append_str(out, ",\"details\":[") &&
	    print_details(map, schema, failure->details, out) && buf_append_str(out, "]}"))
		return true;
	buf_truncate(out, start);
	return false;
}

/* ---- details of our own ------------------------------------------------------------------- */

bool status_violation_add(struct buf *bad_request, struct span field, struct span description)
{
	struct wire_writer writer;
	struct wire_nest nest;
	bool is_written;

	wire_writer_init(&writer, bad_request);
	nest = wire_begin(&writer, BAD_REQUEST_VIOLATIONS);
	wire_put_bytes_field(&writer, VIOLATION_FIELD, field);
	wire_put_bytes_field(&writer, VIOLATION_DESCRIPTION, description);
	wire_end(&writer, nest);
	is_written = wire_finish(&writer);
	wire_writer_fini(&writer);
	return is_written;
}

bool status_details_write(enum status code, struct span message, struct span bad_request,
			  struct buf *out)
{
	struct wire_writer writer;
	bool is_written;

	wire_writer_init(&writer, out);
	wire_put_uint_field(&writer, STATUS_CODE, (uint64_t)code);
	wire_put_bytes_field(&writer, STATUS_MESSAGE, message);
	if (bad_request.len) {
		struct wire_nest any = wire_begin(&writer, STATUS_DETAILS);

		wire_put_bytes_field(&writer, ANY_TYPE_URL,
				     SPAN_LIT("type.googleapis.com/google.rpc.BadRequest"));
		wire_put_bytes_field(&writer, ANY_VALUE, bad_request);
		wire_end(&writer, any);
	}
	is_written = wire_finish(&writer);
	wire_writer_fini(&writer);
	return is_written;
}

bool status_details_from_error(const struct error *failure, struct buf *out)
{
	struct buf bad_request;
	bool is_written;

	buf_init(&bad_request, (size_t)2 * (ERROR_FIELD_MAX + ERROR_MESSAGE_MAX));
	is_written = failure->field[0] == '\0' ||
		     status_violation_add(&bad_request, span_from_str(failure->field),
					  span_from_str(failure->message));
	is_written =
		is_written && status_details_write(failure->status, span_from_str(failure->message),
						   buf_span(&bad_request), out);
	buf_fini(&bad_request);
	return is_written;
}
