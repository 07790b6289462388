#include "src/router/router.h"

#include <stdio.h>
#include <string.h>

#include "httpapi/status_map.h"
#include "proto/schema.h"
#include "proto/wire.h"
#include "src/base/arena.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/list.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/entity/entity_table.h"
#include "src/grpc/grpc_call.h"
#include "src/grpc/grpc_codec.h"
#include "src/router/action.h"
#include "src/router/exchange.h"
#include "src/router/reply.h"
#include "src/router/router_metrics.h"
#include "src/runtime/loop.h"
#include "src/userfn/api.h"
#include "src/userfn/userfn.h"

/* A unary call on its way:
 *
 *   WANTS_MESSAGE --message--> WANTS_END --half-close--> RUNNING --reply--> gone
 *
 * The command is submitted only when the client has ended its half, so that a call with two
 * messages has no effect. An error on the way, or the client's leaving, ends the call from any
 * state. Side effects and forwards are not executed yet: a forward is refused, effects are reported
 * to the function and counted. */

/* Call objects kept for reuse, with their message buffers. */
#define ROUTER_CALLS_KEPT 256

/* The front has its own, lower limit. */
#define ROUTER_MESSAGE_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define ROUTER_KEY_BYTES_MAX ((size_t)8 * 1024)
#define ROUTER_DETAILS_BYTES_MAX ((size_t)4 * 1024)

enum router_call_state {
	ROUTER_CALL_REFUSED, /* waits for the end of the turn */
	ROUTER_CALL_WANTS_MESSAGE,
	ROUTER_CALL_WANTS_END,
	ROUTER_CALL_RUNNING,
};

struct router_call {
	struct list node;
	struct router *router;
	struct exchange *exchange;
	struct entity_ticket *ticket; /* RUNNING */
	struct router_method *method;
	struct loop_task refuse;
	struct buf message;
	uint64_t start_ns;
	enum router_call_state state;
};

struct router {
	struct loop *loop;
	struct userfn *userfn;
	struct entity_table *entities;
	struct router_metrics metrics;
	struct actions *actions;
	struct list calls;
	struct list spare; /* router_call, to be used again */
	size_t call_count;
	size_t spare_count;
	struct buf key;
};

/* ---- calls ---------------------------------------------------------------------------------- */

static void on_refuse(void *data);

static struct router_call *call_new(struct router *router, struct exchange *exchange)
{
	struct list *node = list_pop_front(&router->spare);
	struct router_call *call;

	if (node) {
		router->spare_count--;
		call = list_entry(node, struct router_call, node);
	} else {
		call = mem_new(struct router_call);
		list_init(&call->node);
		buf_init(&call->message, ROUTER_MESSAGE_BYTES_MAX);
		loop_task_init(&call->refuse, on_refuse, call);
	}
	call->router = router;
	call->exchange = exchange;
	call->ticket = NULL;
	call->start_ns = loop_now_ns(router->loop);
	call->method = router_metrics_begin(&router->metrics, exchange->method->schema->path);
	list_push_back(&router->calls, &call->node);
	router->call_count++;
	return call;
}

static void call_destroy(struct router_call *call)
{
	buf_fini(&call->message);
	mem_free(call);
}

/* The call is over for us, with this code. */
static void call_free(struct router_call *call, enum status code)
{
	struct router *router = call->router;

	router_metrics_end(&router->metrics, call->method, call->exchange->protocol, code,
			   loop_now_ns(router->loop) - call->start_ns);
	loop_task_cancel(&call->refuse);
	list_remove(&call->node);
	router->call_count--;
	buf_reset(&call->message);
	if (router->spare_count >= ROUTER_CALLS_KEPT) {
		call_destroy(call);
		return;
	}
	list_push_front(&router->spare, &call->node);
	router->spare_count++;
}

static void call_finish(struct router_call *call, const struct grpc_status *status)
{
	struct exchange *exchange = call->exchange;

	call_free(call, status->code);
	exchange_finish(exchange, status);
}

static void call_fail(struct router_call *call, enum status code, const char *message)
{
	struct grpc_status status = {.code = code, .message = span_from_str(message)};

	call_finish(call, &status);
}

/* With the field that is wrong as a google.rpc.BadRequest. */
static void call_fail_error(struct router_call *call, const struct error *err)
{
	struct grpc_status status = {.code = err->status, .message = span_from_str(err->message)};
	struct buf details;

	buf_init(&details, ROUTER_DETAILS_BYTES_MAX);
	if (status_details_from_error(err, &details))
		status.details = buf_span(&details);
	call_finish(call, &status);
	buf_fini(&details);
}

/* ---- replies -------------------------------------------------------------------------------- */

static void reply_payload(struct router_call *call, const struct entity_reply *reply)
{
	struct grpc_status status = {.code = ST_OK};

	(void)reply_check_type(call->router->userfn, call->exchange->method->schema,
			       reply->type_url);
	reply_set_headers(call->exchange, reply->metadata);
	status.code = call->exchange->front->send(call->exchange, reply->payload);
	if (status.code != ST_OK)
		status.message = SPAN_LIT("the reply cannot be sent");
	call_finish(call, &status);
}

static void reply_failure(struct router_call *call, const struct entity_reply *reply)
{
	struct grpc_status status = {
		.code = reply->code,
		.message = reply->message,
		.details = reply->details,
	};
	struct buf details;

	buf_init(&details, ROUTER_DETAILS_BYTES_MAX);
	if (reply->retry_after_ms &&
	    reply_put_retry_info(&details, reply->code, reply->message, reply->retry_after_ms))
		status.details = buf_span(&details);
	call_finish(call, &status);
	buf_fini(&details);
}

static void on_reply(void *data, const struct entity_reply *reply)
{
	struct router_call *call = data;

	call->ticket = NULL;
	if (reply->effect_count)
		reply_drop_effects(call->router->userfn, call->exchange->method->schema,
				   reply->effect_count);
	router_metrics_effects(&call->router->metrics, reply->effect_count);
	switch (reply->action) {
	case ENTITY_REPLY:
		reply_payload(call, reply);
		break;
	case ENTITY_FORWARD:
		call_fail(call, ST_UNIMPLEMENTED,
			  "the user function forwards this command, which this gateway does not "
			  "support");
		break;
	case ENTITY_FAILURE:
		reply_failure(call, reply);
		break;
	case ENTITY_NONE:
		/* the reference sends no message here, and clients report just that (S-31) */
		call_fail(call, ST_INTERNAL, "the user function replied without a payload");
		break;
	}
}

/* ---- requests ------------------------------------------------------------------------------- */

static void on_message(struct exchange *exchange, void *data, struct span message)
{
	struct router_call *call = data;

	if (call->state != ROUTER_CALL_WANTS_MESSAGE) {
		call_fail(call, ST_INVALID_ARGUMENT, "a unary call has one message, not several");
		return;
	}
	if (!buf_append(&call->message, message)) {
		call_fail(call, ST_RESOURCE_EXHAUSTED, "the message is too large");
		return;
	}
	call->state = ROUTER_CALL_WANTS_END;
	exchange_read(exchange);
}

static void on_half_close(struct exchange *exchange, void *data)
{
	struct router_call *call = data;
	struct router *router = call->router;
	struct entity_command command = {
		.method = exchange->method,
		.payload = buf_span(&call->message),
		.metadata = exchange->metadata,
		.deadline_ns = exchange->deadline_ns,
	};
	struct error err;

	if (call->state == ROUTER_CALL_WANTS_MESSAGE) {
		call_fail(call, ST_INVALID_ARGUMENT, "a unary call has one message, not none");
		return;
	}
	buf_reset(&router->key);
	if (api_entity_key(exchange->method, command.payload, &router->key, &err) != ST_OK) {
		call_fail_error(call, &err);
		return;
	}
	command.key = buf_span(&router->key);
	call->state = ROUTER_CALL_RUNNING;
	call->ticket = entity_table_submit(router->entities, &command, on_reply, call);
	buf_reset(&call->message);
}

static void on_cancelled(struct exchange *exchange, void *data, enum status why)
{
	struct router_call *call = data;

	(void)exchange;
	if (call->ticket)
		entity_table_abandon(call->ticket);
	call_free(call, why);
}

static const struct exchange_handler_ops handler_ops = {
	.on_message = on_message,
	.on_half_close = on_half_close,
	.on_cancelled = on_cancelled,
};

static void on_refuse(void *data)
{
	call_fail(data, ST_UNIMPLEMENTED, "entities have no streamed methods");
}

void router_accept(struct router *router, struct exchange *exchange)
{
	const struct method *method = exchange->method->schema;
	struct router_call *call;

	if (exchange->method->service->kind == ENTITY_ACTION) {
		actions_accept(router->actions, exchange);
		return;
	}
	call = call_new(router, exchange);
	exchange->handler = &handler_ops;
	exchange->handler_data = call;
	if (method->client_streaming || method->server_streaming) {
		call->state = ROUTER_CALL_REFUSED;
		loop_task_schedule(router->loop, &call->refuse);
		return;
	}
	call->state = ROUTER_CALL_WANTS_MESSAGE;
	exchange_read(exchange);
}

/* ---- the whole ------------------------------------------------------------------------------ */

struct router *router_new(struct loop *loop, struct userfn *userfn, struct entity_table *entities,
			  struct metrics *metrics, const struct action_limits *limits)
{
	struct router *router = mem_new(struct router);

	router->loop = loop;
	router->userfn = userfn;
	router->entities = entities;
	router_metrics_init(&router->metrics, metrics);
	router->actions = actions_new(loop, userfn, &router->metrics, limits);
	list_init(&router->calls);
	list_init(&router->spare);
	buf_init(&router->key, ROUTER_KEY_BYTES_MAX);
	return router;
}

size_t router_active(const struct router *router)
{
	return router->call_count + actions_active(router->actions);
}

void router_free(struct router *router)
{
	struct list *node;

	if (!router)
		return;
	actions_free(router->actions);
	while ((node = list_pop_front(&router->calls))) {
		struct router_call *call = list_entry(node, struct router_call, node);

		if (call->ticket)
			entity_table_abandon(call->ticket);
		loop_task_cancel(&call->refuse);
		call_destroy(call);
	}
	while ((node = list_pop_front(&router->spare)))
		call_destroy(list_entry(node, struct router_call, node));
	router_metrics_fini(&router->metrics);
	buf_fini(&router->key);
	mem_free(router);
}
