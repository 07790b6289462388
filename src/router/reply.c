#include "src/router/reply.h"

#include <stdio.h>

#include "httpapi/status_map.h"
#include "proto/schema.h"
#include "proto/wire.h"
#include "src/base/arena.h"
#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/text.h"
#include "src/entity/entity_table.h"
#include "src/grpc/grpc_call.h"
#include "src/grpc/grpc_codec.h"
#include "src/grpc/metadata.h"
#include "src/router/exchange.h"
#include "src/router/router_metrics.h"
#include "src/userfn/userfn.h"

#define TYPE_URL_PREFIX "type.googleapis.com/"

/* Response headers from the metadata of a reply; as much as a header list may hold (ruling R5). */
#define REPLY_METADATA_BYTES_MAX ((size_t)32 * 1024)
#define HEADER_NAME_MAX 128

#define REPLY_SEQUENCE "headgate-entity-seq"
#define REPLY_REPLAYED "idempotency-replayed"
/* Of our reasons: AIP-193 wants a name that is unique. */
#define REPLY_DOMAIN "headgate"

/* Spec: D-40. */
static void warn_of_type(struct userfn *userfn, const struct method *method, const char *prefix,
			 struct span actual)
{
	char text[ERROR_MESSAGE_MAX];
	int n = snprintf(text, sizeof(text),
			 "Warning: %.*s: Expected reply type_url to be [" TYPE_URL_PREFIX
			 "%.*s] but was [%s%.*s].",
			 SPAN_FMT(method->full_name), SPAN_FMT(method->output->full_name), prefix,
			 SPAN_FMT(span_head(actual, 200)));

	if (n > 0)
		userfn_report(userfn, span_from_str(text));
}

bool reply_check_type(struct userfn *userfn, const struct method *method, struct span type_url)
{
	struct span prefix = SPAN_LIT(TYPE_URL_PREFIX);

	if (span_starts_with(type_url, prefix) &&
	    span_eq(span_skip(type_url, prefix.len), method->output->full_name))
		return true;
	warn_of_type(userfn, method, "", type_url);
	return false;
}

bool reply_check_output(struct userfn *userfn, const struct method *method,
			const struct method *target)
{
	if (span_eq(method->output->full_name, target->output->full_name))
		return true;
	warn_of_type(userfn, method, TYPE_URL_PREFIX, target->output->full_name);
	return false;
}

/* Lower case and a legal header name, or false. */
static bool header_name(struct span key, char name[HEADER_NAME_MAX])
{
	if (key.len == 0 || key.len > HEADER_NAME_MAX)
		return false;
	for (size_t i = 0; i < key.len; i++) {
		char c = (char)key.data[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c + ('a' - 'A'));
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_' &&
		    c != '.')
			return false;
		name[i] = c;
	}
	return true;
}

static bool is_header_text(struct span value)
{
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] < 0x20 || value.data[i] > 0x7E)
			return false;
	}
	return true;
}

/* One cloudstate.MetadataEntry: 1 key, 2 string_value, 3 bytes_value. What cannot be a header or
 * belongs to the transport is left out. Spec: S-42; bytes become binary headers, which the
 * reference leaves out. */
static bool add_entry(struct span bytes, struct arena *arena, struct metadata *headers)
{
	struct wire_reader reader;
	struct wire_field field;
	struct wire_field value = {0};
	struct span key = SPAN_EMPTY;
	char name[HEADER_NAME_MAX];

	wire_reader_init(&reader, bytes);
	while (wire_next(&reader, &field)) {
		if (field.type == WIRE_BYTES && field.number == 1)
			key = field.bytes;
		else if (field.type == WIRE_BYTES && (field.number == 2 || field.number == 3))
			value = field;
	}
	if (reader.is_bad || !header_name(key, name))
		return false;
	key = span_make(name, key.len);
	if (span_eq_str(key, REPLY_SEQUENCE) || span_eq_str(key, REPLY_REPLAYED))
		return false; /* ours alone: nobody else knows */
	if (grpc_is_reserved_key(key) || grpc_is_binary_key(key) != (value.number == 3))
		return false;
	if (value.number != 3 && !is_header_text(value.bytes))
		return false;
	return metadata_add(headers, arena, key, value.bytes) == ST_OK;
}

size_t reply_read_metadata(struct span bytes, struct arena *arena, struct metadata *ret_metadata)
{
	struct wire_reader reader;
	struct wire_field field;
	size_t dropped = 0;

	wire_reader_init(&reader, bytes);
	while (wire_next(&reader, &field)) {
		if (field.number == 1 && field.type == WIRE_BYTES)
			dropped += !add_entry(field.bytes, arena, ret_metadata);
	}
	return dropped;
}

void reply_set_headers(struct router_metrics *metrics, struct exchange *exchange, struct span bytes)
{
	struct metadata headers = {0};
	struct arena arena;

	if (bytes.len == 0)
		return;
	arena_init(&arena, REPLY_METADATA_BYTES_MAX);
	router_metrics_metadata_dropped(metrics, reply_read_metadata(bytes, &arena, &headers));
	if (headers.count)
		exchange->front->set_headers(exchange, &headers);
	arena_fini(&arena);
}

void reply_set_entity_headers(struct router_metrics *metrics, struct exchange *exchange,
			      const struct entity_reply *reply)
{
	struct metadata headers = {0};
	char digits[TEXT_U64_DIGITS];
	struct arena arena;

	if (reply->metadata.len == 0 && reply->sequence == 0)
		return;
	arena_init(&arena, REPLY_METADATA_BYTES_MAX);
	/* ours first: they fit */
	if (reply->sequence)
		BUG_ON(metadata_add(&headers, &arena, SPAN_LIT(REPLY_SEQUENCE),
				    text_from_u64(reply->sequence, digits)) != ST_OK);
	if (reply->is_replayed)
		BUG_ON(metadata_add(&headers, &arena, SPAN_LIT(REPLY_REPLAYED), SPAN_LIT("true")) !=
		       ST_OK);
	router_metrics_metadata_dropped(metrics,
					reply_read_metadata(reply->metadata, &arena, &headers));
	if (headers.count)
		exchange->front->set_headers(exchange, &headers);
	arena_fini(&arena);
}

/* google.rpc.ErrorInfo: 1 reason, 2 domain. */
static bool put_error_info(struct buf *out, const struct entity_reply *reply)
{
	struct wire_writer w;
	struct wire_nest any;
	struct wire_nest value;
	bool is_ok;

	wire_writer_init(&w, out);
	wire_put_uint_field(&w, 1, reply->code);
	wire_put_bytes_field(&w, 2, reply->message);
	any = wire_begin(&w, 3);
	wire_put_bytes_field(&w, 1, SPAN_LIT(TYPE_URL_PREFIX "google.rpc.ErrorInfo"));
	value = wire_begin(&w, 2);
	wire_put_bytes_field(&w, 1, span_from_str(reply->reason));
	wire_put_bytes_field(&w, 2, SPAN_LIT(REPLY_DOMAIN));
	wire_end(&w, value);
	wire_end(&w, any);
	is_ok = wire_finish(&w);
	wire_writer_fini(&w);
	return is_ok;
}

struct grpc_status reply_failure_status(const struct entity_reply *reply, struct buf *details)
{
	struct grpc_status status = {
		.code = reply->code,
		.message = reply->message,
		.details = reply->details,
	};

	if (reply->retry_after_ms &&
	    reply_put_retry_info(details, reply->code, reply->message, reply->retry_after_ms))
		status.details = buf_span(details);
	else if (reply->reason && put_error_info(details, reply))
		status.details = buf_span(details);
	return status;
}

struct grpc_status reply_error_status(const struct error *err, struct buf *details)
{
	struct grpc_status status = {.code = err->status, .message = span_from_str(err->message)};

	if (status_details_from_error(err, details))
		status.details = buf_span(details);
	return status;
}

bool reply_put_retry_info(struct buf *out, enum status code, struct span message,
			  uint64_t retry_after_ms)
{
	struct wire_writer w;
	struct wire_nest any;
	struct wire_nest value;
	struct wire_nest delay;
	bool is_ok;

	wire_writer_init(&w, out);
	wire_put_uint_field(&w, 1, code);
	wire_put_bytes_field(&w, 2, message);
	any = wire_begin(&w, 3);
	wire_put_bytes_field(&w, 1, SPAN_LIT(TYPE_URL_PREFIX "google.rpc.RetryInfo"));
	value = wire_begin(&w, 2);
	delay = wire_begin(&w, 1);
	wire_put_uint_field(&w, 1, retry_after_ms / 1000);
	wire_put_uint_field(&w, 2, retry_after_ms % 1000 * NS_PER_MS);
	wire_end(&w, delay);
	wire_end(&w, value);
	wire_end(&w, any);
	is_ok = wire_finish(&w);
	wire_writer_fini(&w);
	return is_ok;
}
