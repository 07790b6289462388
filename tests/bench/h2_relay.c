/* A server that passes every request on to another one and its answer back, whole, as a gateway
 * without any knowledge would: the floor under what a relayed call of an action costs.
 *
 *   h2_relay PORT-OF-THE-BACKEND
 *
 * Listens on a free port of 127.0.0.1 and prints it. Bytes are passed on as they come. Ends with
 * SIGTERM. */
#include <stdio.h>

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/base/text.h"
#include "src/h2/h2.h"
#include "src/runtime/address.h"
#include "src/runtime/listen.h"
#include "src/runtime/loop.h"
#include "src/runtime/signals.h"

struct relay {
	struct loop *loop;
	struct listen *listen;
	struct h2_limits limits;
	struct h2_session *backend;
	bool is_ready;
};

/* One request; gone when both of its streams are. */
struct pair {
	struct h2_stream *client;
	struct h2_stream *backend;
};

static void pair_let_go(struct pair *pair)
{
	if (!pair->client && !pair->backend)
		mem_free(pair);
}

/* What has come on one stream goes out on the other. */
static void pass_on(struct h2_stream *from, struct h2_stream *to)
{
	struct span bytes = h2_stream_peek(from);

	if (!bytes.len || !to)
		return;
	if (h2_stream_write(to, bytes) != ST_OK)
		h2_stream_reset(to, H2_INTERNAL_ERROR);
	h2_stream_consume(from, bytes.len);
}

static void backend_on_headers(void *data, struct h2_stream *stream,
			       const struct h2_headers *headers)
{
	struct pair *pair = data;

	(void)stream;
	if (pair->client)
		h2_stream_respond(pair->client, headers, false);
}

static void backend_on_data(void *data, struct h2_stream *stream)
{
	struct pair *pair = data;

	pass_on(stream, pair->client);
}

static void backend_on_trailers(void *data, struct h2_stream *stream,
				const struct h2_headers *trailers)
{
	struct pair *pair = data;

	pass_on(stream, pair->client);
	if (pair->client)
		h2_stream_end_with_trailers(pair->client, trailers);
}

static void backend_on_closed(void *data, struct h2_stream *stream, bool is_clean,
			      bool lost_session, uint32_t h2_code)
{
	struct pair *pair = data;

	(void)stream;
	(void)lost_session;
	pair->backend = NULL;
	if (pair->client && !is_clean)
		h2_stream_reset(pair->client, h2_code);
	pair_let_go(pair);
}

static const struct h2_stream_ops backend_ops = {
	.on_headers = backend_on_headers,
	.on_data = backend_on_data,
	.on_trailers = backend_on_trailers,
	.on_closed = backend_on_closed,
};

static void client_on_data(void *data, struct h2_stream *stream)
{
	struct pair *pair = data;

	pass_on(stream, pair->backend);
}

static void client_on_end(void *data, struct h2_stream *stream)
{
	struct pair *pair = data;

	if (!pair->backend)
		return;
	pass_on(stream, pair->backend);
	h2_stream_end(pair->backend);
}

static void client_on_closed(void *data, struct h2_stream *stream, bool is_clean, bool lost_session,
			     uint32_t h2_code)
{
	struct pair *pair = data;

	(void)stream;
	(void)lost_session;
	pair->client = NULL;
	if (pair->backend && !is_clean)
		h2_stream_reset(pair->backend, h2_code);
	pair_let_go(pair);
}

static const struct h2_stream_ops client_ops = {
	.on_data = client_on_data,
	.on_end = client_on_end,
	.on_closed = client_on_closed,
};

static void on_request(void *data, struct h2_stream *stream, const struct h2_headers *headers)
{
	struct relay *relay = data;
	struct h2_header items[] = {
		{SPAN_LIT(":method"), SPAN_LIT("POST")},
		{SPAN_LIT(":scheme"), SPAN_LIT("http")},
		{SPAN_LIT(":path"), h2_headers_get(headers, ":path")},
		{SPAN_LIT(":authority"), SPAN_LIT("backend")},
		{SPAN_LIT("content-type"), h2_headers_get(headers, "content-type")},
		{SPAN_LIT("te"), SPAN_LIT("trailers")},
	};
	struct h2_headers head = {items, sizeof(items) / sizeof(items[0])};
	struct pair *pair;

	if (!relay->is_ready)
		return; /* refused */
	pair = mem_new(struct pair);
	pair->client = stream;
	h2_stream_set_ops(stream, &client_ops, pair);
	if (h2_client_request(relay->backend, &head, false, &backend_ops, pair, &pair->backend) !=
	    ST_OK) {
		pair->backend = NULL;
		h2_stream_reset(stream, H2_REFUSED_STREAM);
	}
}

static const struct h2_session_ops session_ops = {.on_request = on_request};

static void on_accept(void *data, int fd, const struct sockaddr *peer, unsigned peer_len)
{
	struct relay *relay = data;

	(void)peer;
	(void)peer_len;
	(void)h2_server_new(relay->loop, fd, &relay->limits, &session_ops, relay);
}

static void backend_on_ready(void *data, struct h2_session *session)
{
	struct relay *relay = data;

	(void)session;
	relay->is_ready = true;
	printf("%u\n", (unsigned)listen_port(relay->listen));
	(void)fflush(stdout);
}

static void backend_on_lost(void *data, struct h2_session *session, const struct error *error)
{
	struct relay *relay = data;

	(void)session;
	(void)fprintf(stderr, "h2_relay: %s\n", error->message);
	relay->is_ready = false;
	loop_stop(relay->loop);
}

static const struct h2_session_ops backend_session_ops = {
	.on_ready = backend_on_ready,
	.on_closed = backend_on_lost,
};

static void on_signal(void *data, int signal_number)
{
	(void)signal_number;
	loop_stop(((struct relay *)data)->loop);
}

int main(int argc, char **argv)
{
	struct address address = {.host = "127.0.0.1"};
	struct address backend = {.host = "127.0.0.1"};
	struct relay relay = {.limits = h2_limits_default()};
	struct signals *signals;
	struct error err = {0};
	uint64_t port;

	if (argc != 2 || !text_to_u64(span_from_str(argv[1]), &port) ||
	    loop_new(&relay.loop, &err) != ST_OK ||
	    listen_open(relay.loop, &address, on_accept, &relay, &relay.listen, &err) != ST_OK) {
		(void)fprintf(stderr, "h2_relay PORT: %s\n", err.message);
		return 1;
	}
	backend.port = (uint16_t)port;
	relay.backend = h2_client_new(relay.loop, &backend, clock_mono_ns() + 5 * NS_PER_S,
				      &relay.limits, &backend_session_ops, &relay);
	signals = signals_start(relay.loop, on_signal, &relay);
	loop_run(relay.loop);
	signals_stop(signals);
	listen_close(relay.listen);
	return 0; /* open connections and the loop go with the process */
}
