#include "tests/fakes/front_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/error.h"
#include "src/base/text.h"
#include "src/h2/h2.h"
#include "src/runtime/address.h"
#include "src/runtime/stream.h"

#define HEADERS_MAX 24

static void must(bool condition, const char *what)
{
	if (condition)
		return;
	(void)fprintf(stderr, "front_client: %s\n", what);
	abort();
}

static void note_header(struct buf *head, struct span name, struct span value)
{
	must(buf_append(head, name) && buf_append_str(head, ": ") && buf_append(head, value) &&
		     buf_append_str(head, "\n"),
	     "too large a head");
}

/* -- HTTP/2 ------------------------------------------------------------------------------------ */

static void on_headers(void *data, struct h2_stream *stream, const struct h2_headers *headers)
{
	struct front_client *client = data;
	uint64_t status = 0;

	(void)stream;
	must(text_to_u64(h2_headers_get(headers, ":status"), &status), "no status");
	for (size_t i = 0; i < headers->count; i++)
		note_header(&client->head, headers->items[i].name, headers->items[i].value);
	client->status = (int)status;
}

static void on_trailers(void *data, struct h2_stream *stream, const struct h2_headers *headers)
{
	struct front_client *client = data;

	(void)stream;
	for (size_t i = 0; i < headers->count; i++)
		note_header(&client->trailers, headers->items[i].name, headers->items[i].value);
}

static void on_data(void *data, struct h2_stream *stream)
{
	struct front_client *client = data;
	struct span bytes = h2_stream_peek(stream);

	if (client->is_deaf)
		return;
	must(buf_append(&client->body, bytes), "too large a body");
	h2_stream_consume(stream, bytes.len);
}

static void on_stream_closed(void *data, struct h2_stream *stream, bool is_clean, bool lost_session,
			     uint32_t h2_code)
{
	struct front_client *client = data;

	(void)stream;
	(void)lost_session;
	(void)h2_code;
	client->stream = NULL;
	client->is_over = true;
	client->is_whole = is_clean;
}

static const struct h2_stream_ops stream_ops = {
	.on_headers = on_headers,
	.on_data = on_data,
	.on_trailers = on_trailers,
	.on_closed = on_stream_closed,
};

static void on_ready(void *data, struct h2_session *session)
{
	(void)session;
	((struct front_client *)data)->is_ready = true;
}

static void on_session_closed(void *data, struct h2_session *session, const struct error *error)
{
	(void)session;
	(void)error;
	((struct front_client *)data)->session = NULL;
}

static const struct h2_session_ops session_ops = {
	.on_ready = on_ready,
	.on_closed = on_session_closed,
};

static bool is_ready(void *data)
{
	return ((struct front_client *)data)->is_ready;
}

static void open_http2(struct front_client *client)
{
	struct address address = {.port = front_port(client->world->front, FRONT_INGRESS)};
	struct h2_limits limits = h2_limits_default();

	(void)snprintf(address.host, sizeof(address.host), "127.0.0.1");
	client->session =
		h2_client_new(client->world->loop, &address, clock_mono_ns() + FRONT_WORLD_WAIT_NS,
			      &limits, &session_ops, client);
	front_world_wait(client->world, is_ready, client);
}

static void request_http2(struct front_client *client, const char *method, const char *path,
			  const char *headers, bool has_body)
{
	struct h2_header items[HEADERS_MAX] = {
		{SPAN_LIT(":method"), span_from_str(method)},
		{SPAN_LIT(":scheme"), SPAN_LIT("http")},
		{SPAN_LIT(":path"), span_from_str(path)},
		{SPAN_LIT(":authority"), SPAN_LIT("h")},
	};
	struct span rest = span_from_str(headers);
	size_t count = 4;

	for (; rest.len && count < HEADERS_MAX; count++) {
		struct span line = span_head(rest, span_find(rest, '\n'));
		struct span name = span_head(line, span_find(line, ':'));

		items[count] = (struct h2_header){name, span_skip(line, name.len + 2)};
		rest = span_skip(rest, line.len + 1);
	}
	must(h2_client_request(client->session, &(struct h2_headers){items, count}, !has_body,
			       &stream_ops, client, &client->stream) == ST_OK,
	     "no stream");
}

/* -- HTTP/1.1 ---------------------------------------------------------------------------------- */

static void note_length(struct front_client *client, struct span name, struct span value)
{
	uint64_t length = 0;

	if (span_eq_str(name, "transfer-encoding"))
		client->is_chunked = span_eq_str(value, "chunked");
	if (!span_eq_str(name, "content-length"))
		return;
	must(text_to_u64(value, &length), "a bad length");
	client->has_length = true;
	client->length = (size_t)length;
}

static void read_head(struct front_client *client)
{
	struct span in = buf_span(&client->raw.in);
	const uint8_t *end = in.data ? memmem(in.data, in.len, "\r\n\r\n", 4) : NULL;
	struct span rest;
	uint64_t status = 0;

	if (!end)
		return;
	rest = span_head(in, (size_t)(end - in.data) + 2);
	must(text_to_u64(span_head(span_skip(rest, 9), 3), &status), "no status");
	rest = span_skip(rest, span_find(rest, '\n') + 1);
	while (rest.len && status != 100) {
		struct span line = span_head(rest, span_find(rest, '\r'));
		char name[64] = "";
		size_t n = span_find(line, ':');

		for (size_t i = 0; i < n && i < sizeof(name) - 1; i++)
			name[i] = (char)(line.data[i] >= 'A' && line.data[i] <= 'Z'
						 ? line.data[i] | 0x20
						 : line.data[i]);
		note_header(&client->head, span_from_str(name), span_skip(line, n + 2));
		note_length(client, span_from_str(name), span_skip(line, n + 2));
		rest = span_skip(rest, line.len + 2);
	}
	if (status == 100)
		note_header(&client->head, SPAN_LIT(":continue"), SPAN_EMPTY);
	else
		client->status = (int)status;
	client->has_length |= status == 204; /* and it is 0 */
	buf_consume(&client->raw.in, (size_t)(end - in.data) + 4);
}

/* Lower case names are the gateway's; up to the empty line. False: it is not there yet. */
static bool read_trailers(struct front_client *client, struct span in)
{
	struct span end = SPAN_LIT("\r\n");

	buf_reset(&client->trailers);
	while (!span_starts_with(in, end)) {
		size_t line = span_find(in, '\n');
		size_t colon = span_find(in, ':');

		if (line == in.len)
			return false;
		must(colon + 2 < line, "a trailer without a name");
		note_header(&client->trailers, span_head(in, colon),
			    span_make(in.data + colon + 2, line - colon - 3));
		in = span_skip(in, line + 1);
	}
	return true;
}

/* One chunk; false when it is not complete yet. */
static bool read_chunk(struct front_client *client)
{
	struct span in = buf_span(&client->raw.in);
	size_t line = span_find(in, '\n');
	size_t size = 0;

	if (line == in.len)
		return false;
	size = strtoul((const char *)in.data, NULL, 16);
	if (in.len < line + 1 + size + 2 ||
	    (size == 0 && !read_trailers(client, span_skip(in, line + 1))))
		return false;
	must(buf_append(&client->body, span_make(in.data + line + 1, size)), "too large a body");
	buf_consume(&client->raw.in, line + 1 + size + 2);
	client->is_whole = size == 0;
	client->is_over |= size == 0;
	return size > 0;
}

static void read_http1(struct front_client *client)
{
	while (client->status == 0 && buf_len(&client->raw.in)) {
		size_t before = buf_len(&client->raw.in);

		read_head(client);
		if (buf_len(&client->raw.in) == before)
			break;
	}
	if (client->status && client->is_chunked) {
		while (!client->is_over && read_chunk(client))
			;
	} else if (client->status) {
		must(buf_append(&client->body, buf_span(&client->raw.in)), "too large a body");
		buf_reset(&client->raw.in);
		client->is_whole = client->has_length && buf_len(&client->body) >= client->length;
		client->is_over |= client->is_whole;
	}
	client->is_over |= client->raw.is_closed;
}

static void request_http1(struct front_client *client, const char *method, const char *path,
			  const char *headers, bool has_body)
{
	struct span rest = span_from_str(headers);
	struct buf out;

	buf_init(&out, 64 * 1024);
	must(buf_printf(&out, "%s %s HTTP/1.1\r\nhost: h\r\n", method, path), "too long");
	while (rest.len) {
		struct span line = span_head(rest, span_find(rest, '\n'));

		must(buf_append(&out, line) && buf_append_str(&out, "\r\n"), "too long");
		rest = span_skip(rest, line.len + 1);
	}
	must(buf_append_str(&out, has_body ? "transfer-encoding: chunked\r\n\r\n" : "\r\n"),
	     "too long");
	raw_send(&client->raw, buf_span(&out));
	buf_fini(&out);
}

/* -- both -------------------------------------------------------------------------------------- */

void front_client_open(struct front_client *client, struct front_world *world, bool is_http2)
{
	*client = (struct front_client){.world = world, .is_http2 = is_http2};
	buf_init(&client->head, 64 * 1024);
	buf_init(&client->body, (size_t)64 << 20);
	buf_init(&client->trailers, 4096);
	if (is_http2)
		open_http2(client);
	else
		raw_open(&client->raw, world, FRONT_INGRESS);
}

void front_client_close(struct front_client *client)
{
	if (client->is_http2)
		h2_session_free(client->session);
	else
		raw_close(&client->raw);
	buf_fini(&client->head);
	buf_fini(&client->body);
	buf_fini(&client->trailers);
}

void front_client_request(struct front_client *client, const char *method, const char *path,
			  const char *headers, bool has_body)
{
	if (client->is_http2)
		request_http2(client, method, path, headers, has_body);
	else
		request_http1(client, method, path, headers, has_body);
}

void front_client_send(struct front_client *client, struct span bytes)
{
	char size[32];

	if (client->is_http2) {
		/* Refused when the server was through before us. */
		if (client->stream)
			(void)!h2_stream_write(client->stream, bytes);
		return;
	}
	(void)snprintf(size, sizeof(size), "%zx\r\n", bytes.len);
	raw_send(&client->raw, span_from_str(size));
	raw_send(&client->raw, bytes);
	raw_send(&client->raw, SPAN_LIT("\r\n"));
}

void front_client_end(struct front_client *client)
{
	if (!client->is_http2)
		raw_send(&client->raw, SPAN_LIT("0\r\n\r\n"));
	else if (client->stream)
		h2_stream_end(client->stream);
}

void front_client_vanish(struct front_client *client)
{
	if (client->is_http2) {
		h2_stream_reset(client->stream, H2_CANCEL);
		return;
	}
	stream_close(client->raw.stream);
	client->raw.stream = NULL;
}

void front_client_listen(struct front_client *client)
{
	client->is_deaf = false;
	if (client->stream)
		on_data(client, client->stream);
}

static bool has_head(void *data)
{
	struct front_client *client = data;

	if (!client->is_http2)
		read_http1(client);
	return client->status || client->is_over;
}

static bool has_body(void *data)
{
	struct front_client *client = data;

	if (!client->is_http2)
		read_http1(client);
	return client->is_over || buf_len(&client->body) >= client->wanted;
}

static bool is_over(void *data)
{
	struct front_client *client = data;

	if (!client->is_http2)
		read_http1(client);
	return client->is_over;
}

void front_client_wait_head(struct front_client *client)
{
	front_world_wait(client->world, has_head, client);
}

void front_client_wait_body(struct front_client *client, size_t bytes)
{
	client->wanted = bytes;
	front_world_wait(client->world, has_body, client);
}

void front_client_wait(struct front_client *client)
{
	front_world_wait(client->world, is_over, client);
}
