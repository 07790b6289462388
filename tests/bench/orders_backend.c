/* The service of orders.proto, which answers with its own request: as an action of a user function
 * for Headgate, and as plain gRPC for everybody else, on one port. So that whole requests through
 * different gateways can be compared in front of the same backend. Light, not to disturb them.
 *
 *   orders_backend DESCRIPTOR-SET
 *
 * Listens on a free port of 127.0.0.1 and prints it. Ends with SIGTERM. */
#include <stdio.h>

#include "proto/wire.h"
#include "src/base/error.h"
#include "src/base/file.h"
#include "src/base/mem.h"
#include "src/grpc/grpc_call.h"
#include "src/h2/h2.h"
#include "src/runtime/address.h"
#include "src/runtime/listen.h"
#include "src/runtime/loop.h"
#include "src/runtime/signals.h"

#define MESSAGE_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define SERVICE "headgate.bench.Orders"

struct backend {
	struct loop *loop;
	struct listen *listen;
	struct h2_limits limits;
	struct buf descriptors;
	struct buf reply; /* scratch */
};

enum method { METHOD_DISCOVER, METHOD_ACTION, METHOD_PLAIN };

struct call {
	struct backend *backend;
	struct grpc_server_call *grpc;
	enum method method;
};

/* Spec: cloudstate/entity.proto, EntitySpec */
static void put_spec(struct wire_writer *w, const struct buf *descriptors)
{
	struct wire_nest nest;

	wire_put_bytes_field(w, 1, buf_span(descriptors));
	nest = wire_begin(w, 2);
	wire_put_bytes_field(w, 1, SPAN_LIT("cloudstate.action.ActionProtocol"));
	wire_put_bytes_field(w, 2, SPAN_LIT(SERVICE));
	wire_end(w, nest);
	nest = wire_begin(w, 3);
	wire_put_bytes_field(w, 1, SPAN_LIT("orders"));
	wire_put_uint_field(w, 7, 2); /* protocol 0.2 */
	wire_end(w, nest);
}

/* The payload of an ActionCommand as the reply of an ActionResponse. Any is Any in both. */
static void put_action_response(struct wire_writer *w, struct span command)
{
	struct wire_field payload;
	struct wire_nest nest = wire_begin(w, 2);

	if (wire_find_last(command, 4, WIRE_BYTES, &payload))
		wire_put_bytes_field(w, 1, payload.bytes);
	wire_end(w, nest);
}

static struct span reply_to(const struct call *call, struct span message)
{
	struct backend *backend = call->backend;
	struct wire_writer writer;

	if (call->method == METHOD_PLAIN)
		return message;
	buf_reset(&backend->reply);
	wire_writer_init(&writer, &backend->reply);
	if (call->method == METHOD_DISCOVER)
		put_spec(&writer, &backend->descriptors);
	else
		put_action_response(&writer, message);
	BUG_ON(!wire_finish(&writer)); /* messages are limited to less than what fits */
	wire_writer_fini(&writer);
	return buf_span(&backend->reply);
}

static void on_message(void *data, struct span message)
{
	struct call *call = data;
	enum status status = grpc_server_send(call->grpc, reply_to(call, message));

	grpc_server_finish(call->grpc, &(struct grpc_status){.code = status});
}

static void on_half_close(void *data)
{
	(void)data; /* answered by then */
}

static void on_cancelled(void *data, enum status why)
{
	(void)data;
	(void)why;
}

static void on_finished(void *data)
{
	mem_free(data);
}

static const struct grpc_server_ops call_ops = {
	.on_message = on_message,
	.on_half_close = on_half_close,
	.on_cancelled = on_cancelled,
	.on_finished = on_finished,
};

static void on_request(void *data, struct h2_stream *stream, const struct h2_headers *headers)
{
	struct span path = h2_headers_get(headers, ":path");
	struct call *call = mem_new(struct call);

	call->backend = data;
	call->method = METHOD_PLAIN;
	if (span_starts_with(path, SPAN_LIT("/cloudstate.EntityDiscovery/")))
		call->method = METHOD_DISCOVER;
	else if (span_starts_with(path, SPAN_LIT("/cloudstate.action.")))
		call->method = METHOD_ACTION;
	call->grpc = grpc_server_accept(call->backend->loop, stream, headers, MESSAGE_BYTES_MAX,
					&call_ops, call);
	if (call->grpc)
		grpc_server_read(call->grpc);
	else
		mem_free(call);
}

static const struct h2_session_ops session_ops = {.on_request = on_request};

static void on_accept(void *data, int fd, const struct sockaddr *peer, unsigned peer_len)
{
	struct backend *backend = data;

	(void)peer;
	(void)peer_len;
	(void)h2_server_new(backend->loop, fd, &backend->limits, &session_ops, backend);
}

static void on_signal(void *data, int signal_number)
{
	(void)signal_number;
	loop_stop(((struct backend *)data)->loop);
}

int main(int argc, char **argv)
{
	struct address address = {.port = 0, .host = "127.0.0.1"};
	struct backend backend = {.limits = h2_limits_default()};
	struct signals *signals;
	struct error err = {0};

	buf_init(&backend.descriptors, MESSAGE_BYTES_MAX);
	buf_init(&backend.reply, 2 * MESSAGE_BYTES_MAX);
	if (argc != 2 ||
	    file_load(argv[1], MESSAGE_BYTES_MAX, &backend.descriptors, &err) != ST_OK ||
	    loop_new(&backend.loop, &err) != ST_OK ||
	    listen_open(backend.loop, &address, on_accept, &backend, &backend.listen, &err) !=
		    ST_OK) {
		(void)fprintf(stderr, "orders_backend DESCRIPTOR-SET: %s\n", err.message);
		return 1;
	}
	signals = signals_start(backend.loop, on_signal, &backend);
	printf("%u\n", (unsigned)listen_port(backend.listen));
	(void)fflush(stdout);
	loop_run(backend.loop);
	signals_stop(signals);
	listen_close(backend.listen);
	buf_fini(&backend.reply);
	buf_fini(&backend.descriptors);
	return 0; /* open connections and the loop go with the process */
}
