#include "tests/fakes/stream_function.h"

#include <stdio.h>
#include <stdlib.h>

#include "proto/wire.h"
#include "src/base/error.h"
#include "src/grpc/grpc_call.h"
#include "src/router/exchange.h"

static void must(bool condition, const char *what)
{
	if (condition)
		return;
	(void)fprintf(stderr, "stream_function: %s\n", what);
	abort();
}

static void write_reply(struct stream_function *function)
{
	static const uint8_t zeroes[64 * 1024];
	struct wire_writer writer;

	buf_reset(&function->wire);
	wire_writer_init(&writer, &function->wire);
	if (function->is_raw) {
		wire_put_bytes_field(&writer, 1, SPAN_LIT("text/csv"));
		wire_put_bytes_field(&writer, 2, SPAN_LIT("a,b\n"));
	} else {
		wire_put_bytes_field(&writer, 1, SPAN_LIT("n"));
		wire_put_uint_field(&writer, 2, function->sent + 1);
		if (function->padding)
			wire_put_bytes_field(&writer, 3, span_make(zeroes, function->padding));
	}
	must(wire_finish(&writer), "too large a reply");
	wire_writer_fini(&writer);
	if (function->is_bad && function->sent + 1 == function->emit)
		(void)buf_append_str(&function->wire, "\xff");
}

void stream_send(struct stream_world *stream)
{
	struct stream_function *function = &stream->function;
	struct exchange *exchange = function->exchange;
	size_t unsent;

	write_reply(function);
	must(exchange->front->send(exchange, buf_span(&function->wire)) == ST_OK, "send fails");
	function->sent++;
	unsent = exchange->front->unsent(exchange);
	if (unsent > function->unsent_max)
		function->unsent_max = unsent;
}

void stream_finish(struct stream_world *stream)
{
	struct stream_function *function = &stream->function;
	struct metadata_item why = {SPAN_LIT("x-why"), SPAN_LIT("this")};
	const struct metadata trailers = {.items = &why, .count = 1};
	const struct grpc_status status = {
		.code = function->end,
		.message = function->end ? SPAN_LIT("it \"failed\"\n") : SPAN_EMPTY,
		.trailers = function->end ? &trailers : NULL,
	};
	struct exchange *exchange = function->exchange;

	function->exchange = NULL;
	exchange_finish(exchange, &status);
}

static void emit(struct stream_world *stream)
{
	struct stream_function *function = &stream->function;

	while (function->sent < function->emit) {
		if (function->exchange->front->unsent(function->exchange) > STREAM_UNSENT_HIGH)
			return;
		stream_send(stream);
	}
	if (!function->is_held)
		stream_finish(stream);
}

static void on_message(struct exchange *exchange, void *data, struct span message)
{
	struct stream_world *stream = data;
	struct stream_function *function = &stream->function;
	struct wire_field name = {0};

	function->got++;
	(void)wire_find_last(message, 1, WIRE_BYTES, &name);
	(void)buf_append(&function->names, name.bytes);
	(void)buf_append_byte(&function->names, ',');
	if (function->emit && function->got == 1)
		emit(stream);
	else if (function->is_echo)
		stream_send(stream);
	if (function->exchange && !function->reads_on_call)
		exchange_read(exchange);
}

static void on_half_close(struct exchange *exchange, void *data)
{
	struct stream_world *stream = data;
	struct stream_function *function = &stream->function;

	(void)exchange;
	function->has_half_close = true;
	if (function->is_held || function->sent < function->emit)
		return;
	if (!function->emit && !function->is_echo && !function->end && !function->is_silent &&
	    !function->is_greeting)
		stream_send(stream); /* the reply to a client stream */
	stream_finish(stream);
}

static void on_drained(struct exchange *exchange, void *data)
{
	struct stream_world *stream = data;

	(void)exchange;
	stream->function.drained++;
	emit(stream);
}

static void on_cancelled(struct exchange *exchange, void *data, enum status why)
{
	struct stream_world *stream = data;

	(void)exchange;
	stream->function.exchange = NULL;
	stream->function.is_cancelled = true;
	stream->function.why = why;
}

static const struct exchange_handler_ops handler = {
	.on_message = on_message,
	.on_half_close = on_half_close,
	.on_drained = on_drained,
	.on_cancelled = on_cancelled,
};

static void on_accept(struct exchange *exchange, void *data)
{
	struct stream_world *stream = data;
	struct stream_function *function = &stream->function;

	exchange->handler = &handler;
	exchange->handler_data = stream;
	function->exchange = exchange;
	function->deadline_ns = exchange->deadline_ns;
	function->calls++;
	function->sent = 0;
	function->got = 0;
	if (function->is_greeting)
		stream_send(stream);
	exchange_read(exchange);
}

void stream_be(struct stream_world *stream, struct stream_function what)
{
	buf_fini(&stream->function.names);
	buf_fini(&stream->function.wire);
	stream->function = what;
	buf_init(&stream->function.names, (size_t)1 << 20);
	buf_init(&stream->function.wire, (size_t)1 << 20);
}

void stream_world_init(struct stream_world *stream, const char *const *flags)
{
	*stream = (struct stream_world){0};
	front_world_init(&stream->world, flags);
	stream_be(stream, (struct stream_function){0});
	stream->world.router.mode = FAKE_ROUTER_CUSTOM;
	stream->world.router.on_accept = on_accept;
	stream->world.router.on_accept_data = stream;
}

void stream_world_fini(struct stream_world *stream)
{
	front_world_fini(&stream->world);
	buf_fini(&stream->function.names);
	buf_fini(&stream->function.wire);
}

void stream_ask(struct stream_world *stream, bool is_http2, const char *method, const char *path,
		const char *headers, const char *body)
{
	struct front_client *client = &stream->client;

	front_client_open(client, &stream->world, is_http2);
	front_client_request(client, method, path, headers, body != NULL);
	if (body) {
		if (body[0])
			front_client_send(client, span_from_str(body));
		front_client_end(client);
	}
	front_client_wait(client);
}

struct awaited {
	const struct stream_function *function;
	unsigned count;
};

static bool has_got(void *data)
{
	const struct awaited *awaited = data;

	return awaited->function->got >= awaited->count;
}

void stream_wait_got(struct stream_world *stream, unsigned count)
{
	struct awaited awaited = {&stream->function, count};

	front_world_wait(&stream->world, has_got, &awaited);
}

static bool is_true(void *data)
{
	return *(bool *)data;
}

void stream_wait(struct stream_world *stream, bool *flag)
{
	front_world_wait(&stream->world, is_true, flag);
}

bool stream_head_has(struct stream_world *stream, const char *text)
{
	return front_world_has(buf_span(&stream->client.head), text);
}
