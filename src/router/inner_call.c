#include "src/router/inner_call.h"

#include <stdbool.h>

#include "journal/journal.h"
#include "src/base/arena.h"
#include "src/base/clock.h"
#include "src/base/mem.h"
#include "src/grpc/grpc_call.h"
#include "src/grpc/metadata.h"
#include "src/router/exchange.h"
#include "src/router/reply.h"
#include "src/runtime/loop.h"
#include "src/runtime/timer.h"
#include "src/userfn/api.h"

/* Beside the message: metadata as a header list may hold, and the trace. */
#define INNER_CALL_EXTRA_BYTES ((size_t)64 * 1024)

struct inner_call {
	struct exchange exchange;
	struct loop *loop;
	struct exchange *sink;
	inner_call_done_fn on_done;
	void *data;
	struct arena arena;
	struct metadata metadata;
	struct span message;
	struct journal_id derived_id;
	struct loop_task step; /* what was asked for by read is given in the next turn */
	struct timer expiry;
	bool is_message_given;
	bool has_sink_headers;
};

static struct inner_call *call_of(struct exchange *exchange)
{
	return container_of(exchange, struct inner_call, exchange);
}

static const struct inner_call *const_call_of(const struct exchange *exchange)
{
	return container_of(exchange, const struct inner_call, exchange);
}

static void on_step(void *data)
{
	struct inner_call *call = data;
	struct exchange *exchange = &call->exchange;

	if (call->is_message_given) {
		exchange->handler->on_half_close(exchange, exchange->handler_data);
		return;
	}
	call->is_message_given = true;
	exchange->handler->on_message(exchange, exchange->handler_data, call->message);
}

static void inner_read(struct exchange *exchange)
{
	struct inner_call *call = call_of(exchange);

	loop_task_schedule(call->loop, &call->step);
}

static void inner_set_headers(struct exchange *exchange, const struct metadata *headers)
{
	struct inner_call *call = call_of(exchange);

	if (call->sink && !call->has_sink_headers)
		call->sink->front->set_headers(call->sink, headers);
}

static enum status inner_send(struct exchange *exchange, struct span message)
{
	struct inner_call *call = call_of(exchange);

	return call->sink ? call->sink->front->send(call->sink, message) : ST_OK;
}

static size_t inner_unsent(const struct exchange *exchange)
{
	const struct inner_call *call = const_call_of(exchange);

	return call->sink ? call->sink->front->unsent(call->sink) : 0;
}

static void inner_finish(struct exchange *exchange, const struct grpc_status *status)
{
	struct inner_call *call = call_of(exchange);

	call->on_done(call->data, status);
	inner_call_free(call);
}

static const struct exchange_front_ops front_ops = {
	.read = inner_read,
	.set_headers = inner_set_headers,
	.send = inner_send,
	.unsent = inner_unsent,
	.finish = inner_finish,
};

static void on_expired(void *data)
{
	struct inner_call *call = data;
	struct grpc_status status = {
		.code = ST_DEADLINE_EXCEEDED,
		.message = SPAN_LIT("the call did not end in time"),
	};

	call->exchange.handler->on_cancelled(&call->exchange, call->exchange.handler_data,
					     status.code);
	inner_finish(&call->exchange, &status);
}

struct inner_call *inner_call_new(const struct inner_call_params *params,
				  inner_call_done_fn on_done, void *data)
{
	struct inner_call *call = mem_new(struct inner_call);

	call->loop = params->loop;
	call->sink = params->sink;
	call->has_sink_headers = params->has_sink_headers;
	call->on_done = on_done;
	call->data = data;
	arena_init(&call->arena, params->message.len + params->trace.len +
					 params->payload_type.len + params->content_type.len +
					 INNER_CALL_EXTRA_BYTES);
	call->message = arena_span(&call->arena, params->message);
	(void)reply_read_metadata(params->metadata, &call->arena, &call->metadata);
	if (params->content_type.len)
		/* left out when there are very many others */
		(void)!metadata_add(&call->metadata, &call->arena, SPAN_LIT("content-type"),
				    params->content_type);
	loop_task_init(&call->step, on_step, call);
	timer_init(&call->expiry, params->loop, on_expired, call);
	call->exchange = (struct exchange){
		.front = &front_ops,
		.method = params->method,
		.metadata = &call->metadata,
		.deadline_ns = params->deadline_ns,
		.protocol = params->protocol,
		.peer = "the user function",
		.hops = params->hops,
		.trace = arena_span(&call->arena, params->trace),
		.payload_type = arena_span(&call->arena, params->payload_type),
	};
	if (params->derived_id) {
		call->derived_id = *params->derived_id;
		call->exchange.derived_id = &call->derived_id;
	}
	(void)api_ref((struct api *)params->method->service->api);
	if (params->deadline_ns != DEADLINE_NEVER && !params->sink)
		timer_start(&call->expiry, params->deadline_ns);
	return call;
}

struct exchange *inner_call_exchange(struct inner_call *call)
{
	return &call->exchange;
}

void inner_call_drained(struct inner_call *call)
{
	struct exchange *exchange = &call->exchange;

	if (exchange->handler->on_drained)
		exchange->handler->on_drained(exchange, exchange->handler_data);
}

void inner_call_cancel(struct inner_call *call, enum status why)
{
	call->exchange.handler->on_cancelled(&call->exchange, call->exchange.handler_data, why);
	inner_call_free(call);
}

void inner_call_free(struct inner_call *call)
{
	loop_task_cancel(&call->step);
	timer_stop(&call->expiry);
	api_unref((struct api *)call->exchange.method->service->api);
	arena_fini(&call->arena);
	mem_free(call);
}
