#include "httpapi/front/json_metadata.h"

#include <string.h>

#include "httpapi/front/http_request.h"
#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/text.h"
#include "src/config/call_options.h"
#include "src/config/config.h"
#include "src/grpc/grpc_codec.h"
#include "src/grpc/metadata.h"

/* A chain of proxies; longer ones are cut at the front of the list. */
#define JSON_FORWARDED_BYTES_MAX ((size_t)2048)
/* No head is longer. */
#define JSON_FORWARDED_HEAD_MAX ((size_t)512 * 1024)

/* Nanoseconds. */
#define JSON_TIMEOUT_DIGITS_MAX 9

static struct span json_metadata_trim(struct span text)
{
	while (text.len && (text.data[0] == ' ' || text.data[0] == '\t'))
		text = span_skip(text, 1);
	while (text.len && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t'))
		text.len--;
	return text;
}

static bool json_metadata_list_has(struct span connection, struct span name)
{
	while (connection.len) {
		size_t comma = span_find(connection, ',');

		if (span_eq_nocase(json_metadata_trim(span_head(connection, comma)), name))
			return true;
		connection = span_skip(connection, comma + 1);
	}
	return false;
}

bool json_metadata_is_hop(const struct h2_headers *headers, struct span name)
{
	for (size_t i = 0; i < headers->count; i++)
		if (span_eq(headers->items[i].name, SPAN_LIT("connection")) &&
		    json_metadata_list_has(headers->items[i].value, name))
			return true;
	return false;
}

static enum status json_metadata_put(struct metadata *metadata, struct arena *arena,
				     struct span name, struct span value, struct error *err)
{
	enum status status;

	if (grpc_is_binary_key(name))
		return metadata_add_binary(metadata, arena, name, value, err);
	status = metadata_add(metadata, arena, name, value);
	return status ? error_set(err, status, "too many request headers") : ST_OK;
}

/* The address of "host:port" without its port. */
static struct span json_metadata_peer_host(const char *peer)
{
	struct span text = span_from_str(peer);

	while (text.len && text.data[text.len - 1] != ':')
		text.len--;
	if (text.len)
		text.len--;
	if (text.len > 2 && text.data[0] == '[')
		text = span_make(text.data + 1, text.len - 2);
	return text;
}

/* What came, and the client's own address behind it. A header of several lines is one list, so none
 * may be lost: the last line is the one that the proxy before us wrote. */
static void json_metadata_forwarded_for(const struct http_head *head, struct buf *list)
{
	struct span peer = json_metadata_peer_host(head->peer);

	for (size_t i = 0; i < head->headers.count; i++) {
		struct h2_header header = head->headers.items[i];

		if (!span_eq(header.name, SPAN_LIT("x-forwarded-for")) || header.value.len == 0)
			continue;
		(void)buf_append_str(list, buf_len(list) ? ", " : ""); /* heads are shorter */
		(void)buf_append(list, header.value);
	}
	if (buf_len(list) > JSON_FORWARDED_BYTES_MAX)
		buf_consume(list, buf_len(list) - JSON_FORWARDED_BYTES_MAX);
	if (peer.len) {
		(void)buf_append_str(list, buf_len(list) ? ", " : "");
		(void)buf_append(list, peer);
	}
}

static enum status json_metadata_forwarded(const struct http_head *head, struct arena *arena,
					   struct metadata *metadata, struct error *err)
{
	struct span host = h2_headers_get(&head->headers, "host");
	enum status status = ST_OK;
	struct buf list;

	if (!host.len)
		host = h2_headers_get(&head->headers, ":authority");
	buf_init(&list, JSON_FORWARDED_HEAD_MAX);
	json_metadata_forwarded_for(head, &list);
	if (buf_len(&list))
		status = json_metadata_put(metadata, arena, SPAN_LIT("x-forwarded-for"),
					   buf_span(&list), err);
	buf_fini(&list);
	if (!status && host.len && !h2_headers_get(&head->headers, "x-forwarded-host").data)
		status =
			json_metadata_put(metadata, arena, SPAN_LIT("x-forwarded-host"), host, err);
	if (!status && !h2_headers_get(&head->headers, "x-forwarded-proto").data)
		status = json_metadata_put(metadata, arena, SPAN_LIT("x-forwarded-proto"),
					   SPAN_LIT("http"), err);
	return status;
}

enum status json_metadata_read(const struct http_head *head, struct arena *arena,
			       struct metadata *metadata, struct error *err)
{
	struct span prefix = SPAN_LIT("grpc-metadata-");

	for (size_t i = 0; i < head->headers.count; i++) {
		struct span name = head->headers.items[i].name;
		enum status status;

		if (span_starts_with(name, prefix) && name.len > prefix.len)
			name = span_skip(name, prefix.len);
		if (grpc_is_reserved_key(name) || span_eq(name, SPAN_LIT("x-forwarded-for")) ||
		    json_metadata_is_hop(&head->headers, name))
			continue;
		status =
			json_metadata_put(metadata, arena, name, head->headers.items[i].value, err);
		if (status)
			return status;
	}
	return json_metadata_forwarded(head, arena, metadata, err);
}

/* Decimal seconds, for instance "0.25"; more than the clock counts is "never". */
static bool json_metadata_seconds(struct span text, uint64_t *ret_ns)
{
	size_t dot = span_find(text, '.');
	struct span fraction = span_skip(text, dot + 1);
	uint64_t seconds;
	uint64_t part = 0;

	if (!text_to_u64(span_head(text, dot), &seconds))
		return false;
	if (dot < text.len) {
		size_t digits = fraction.len;

		if (digits == 0 || digits > JSON_TIMEOUT_DIGITS_MAX ||
		    !text_to_u64(fraction, &part))
			return false;
		for (; digits < JSON_TIMEOUT_DIGITS_MAX; digits++)
			part *= 10;
	}
	if (__builtin_mul_overflow(seconds, NS_PER_S, &seconds) ||
	    __builtin_add_overflow(seconds, part, &seconds))
		seconds = DEADLINE_NEVER;
	*ret_ns = seconds;
	return seconds > 0;
}

enum status json_metadata_timeout(const struct http_head *head, uint64_t *ret_ns, struct error *err)
{
	struct span grpc = h2_headers_get(&head->headers, "grpc-timeout");
	struct span server = h2_headers_get(&head->headers, "x-server-timeout");
	uint64_t grpc_ns = DEADLINE_NEVER;
	uint64_t server_ns = DEADLINE_NEVER;

	if (grpc.data && !grpc_timeout_parse(grpc, &grpc_ns))
		return error_set(err, ST_INVALID_ARGUMENT, "malformed Grpc-Timeout header");
	if (server.data && !json_metadata_seconds(server, &server_ns))
		return error_set(err, ST_INVALID_ARGUMENT, "malformed X-Server-Timeout header");
	*ret_ns = grpc_ns < server_ns ? grpc_ns : server_ns;
	return ST_OK;
}

uint64_t json_metadata_wait(const struct call_options *options, uint64_t asked_ns)
{
	uint64_t wait_ns = asked_ns;
	uint64_t bound_ns = options->max_timeout_ms * NS_PER_MS;

	if (wait_ns == DEADLINE_NEVER && options->timeout_ms)
		wait_ns = options->timeout_ms * NS_PER_MS;
	return bound_ns && bound_ns < wait_ns ? bound_ns : wait_ns;
}

static bool json_metadata_is_listed(struct span list, struct span name)
{
	while (list.len) {
		size_t comma = span_find(list, ',');
		struct span item = json_metadata_trim(span_head(list, comma));
		bool is_open = item.len && item.data[item.len - 1] == '*';
		size_t length = item.len - is_open;

		list = span_skip(list, comma + 1);
		if (item.len && (is_open ? name.len >= length : name.len == length) &&
		    span_eq_nocase(span_head(item, length), span_head(name, length)))
			return true;
	}
	return false;
}

/* What the gateway itself reads and says: no list keeps it away, no prefix stands before it. */
static bool json_metadata_is_own(struct span name)
{
	return span_eq(name, SPAN_LIT("idempotency-key")) ||
	       span_eq(name, SPAN_LIT("idempotency-replayed")) ||
	       span_eq(name, SPAN_LIT("headgate-entity-seq"));
}

bool json_metadata_takes(const struct json_metadata_lists *lists, struct span name)
{
	return (!lists->allow.len || json_metadata_is_listed(lists->allow, name)) &&
	       !json_metadata_is_listed(lists->deny, name);
}

void json_metadata_filter(const struct config *config, struct metadata *metadata)
{
	const struct json_metadata_lists lists = {
		span_from_str(config->http_metadata_request_allow),
		span_from_str(config->http_metadata_request_deny)};
	size_t kept = 0;

	for (size_t i = 0; i < metadata->count; i++)
		if (json_metadata_is_own(metadata->items[i].key) ||
		    json_metadata_takes(&lists, metadata->items[i].key))
			metadata->items[kept++] = metadata->items[i];
	metadata->count = kept;
}

/* What fits: without room the name stays as it is. */
static struct span json_metadata_prefixed(enum json_metadata_part part, struct span name,
					  struct arena *arena)
{
	struct span prefix = part == JSON_METADATA_LEADING ? SPAN_LIT("grpc-metadata-")
							   : SPAN_LIT("grpc-trailer-");
	char *text = arena_alloc(arena, prefix.len + name.len);

	if (!text)
		return name;
	memcpy(text, prefix.data, prefix.len);
	memcpy(text + prefix.len, name.data, name.len);
	return span_make(text, prefix.len + name.len);
}

size_t json_metadata_headers(const struct config *config, enum json_metadata_part part,
			     const struct metadata *metadata, struct arena *arena,
			     struct h2_header *headers, size_t max)
{
	const struct json_metadata_lists lists = {
		span_from_str(config->http_metadata_response_allow),
		span_from_str(config->http_metadata_response_deny)};
	size_t count = metadata_to_headers(metadata, arena, headers, max);
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		bool is_own = json_metadata_is_own(headers[i].name);

		if (!is_own && !json_metadata_takes(&lists, headers[i].name))
			continue;
		headers[kept] = headers[i];
		if (config->http_grpc_metadata_prefix && !is_own)
			headers[kept].name = json_metadata_prefixed(part, headers[i].name, arena);
		kept++;
	}
	return kept;
}

int json_metadata_status(const struct config *config, struct metadata *headers, int status)
{
	size_t kept = 0;
	uint64_t code;

	if (!config->http_status_from_metadata)
		return status;
	for (size_t i = 0; i < headers->count; i++) {
		if (!span_eq(headers->items[i].key, SPAN_LIT("x-http-code")))
			headers->items[kept++] = headers->items[i];
		else if (text_to_u64(headers->items[i].value, &code) && code >= 200 && code < 400)
			status = (int)code;
	}
	headers->count = kept;
	return status;
}

bool json_metadata_takes_trailers(const struct h2_headers *headers)
{
	for (size_t i = 0; i < headers->count; i++)
		if (span_eq(headers->items[i].name, SPAN_LIT("te")) &&
		    json_metadata_list_has(headers->items[i].value, SPAN_LIT("trailers")))
			return true;
	return false;
}
