/* One call:
 *
 *   request   WANTS_MESSAGE --> WANTS_END --half-close--> RUNNING
 *   replies   one at a time; further ones wait while the current one is followed (effects, a
 *             forward) and while the client does not read
 *
 * An item is an answer of the function. When nothing stands in the way it passes through without a
 * copy; else it waits in the queue, which is bounded: a client that does not read loses its call,
 * not the entity (C-33). When the client has gone, the ticket may still bring answers: their side
 * effects are run, and nothing else. */
#include "src/router/crdt_call.h"

#include <stdbool.h>
#include <string.h>

#include "proto/schema.h"
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/base/list.h"
#include "src/base/mem.h"
#include "src/entity/crdt_table.h"
#include "src/grpc/grpc_call.h"
#include "src/router/exchange.h"
#include "src/router/followup.h"
#include "src/router/reply.h"
#include "src/router/router_metrics.h"
#include "src/runtime/loop.h"
#include "src/userfn/api.h"
#include "src/userfn/userfn.h"

/* Answers that wait for one client. Spec: C-33. */
#define CRDT_CALL_ITEMS_MAX 100

/* The front has its own, lower limit. */
#define CRDT_CALL_MESSAGE_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define CRDT_CALL_KEY_BYTES_MAX ((size_t)8 * 1024)

enum crdt_call_request {
	CRDT_CALL_REFUSED, /* waits for the end of the turn */
	CRDT_CALL_WANTS_MESSAGE,
	CRDT_CALL_WANTS_END,
	CRDT_CALL_RUNNING,
};

/* A copy of an answer, one block. */
struct crdt_call_item {
	struct list node;
	struct entity_reply reply;
	struct span effects[];
};

struct crdt_call {
	struct list node;
	struct crdt_calls *calls;
	struct exchange *exchange;  /* NULL: the client has gone */
	struct crdt_ticket *ticket; /* NULL: none yet, or its last answer has come */
	struct followup *followup;  /* of current */
	struct crdt_call_item *current;
	struct followup_origin origin; /* the trace is the exchange's, later in message */
	struct router_method *method;
	struct loop_task refuse;
	struct buf message; /* the request */
	struct list items;
	size_t item_count;
	uint64_t start_ns;
	enum crdt_call_request request;
	bool is_held;
	bool has_sent; /* a reply: headers are on their way */
	bool has_told_type;
	bool has_answer;   /* the function has answered for the first time */
	bool is_abandoned; /* the ticket knows that the client has gone */
};

struct crdt_calls {
	struct loop *loop;
	struct userfn *userfn;
	struct crdt_table *entities;
	struct router_metrics *metrics;
	struct followups *followups;
	struct list calls;
	size_t call_count;
	struct buf key;
	bool is_ending_streams;
	bool refuses_types;
};

static bool is_streamed(const struct crdt_call *call)
{
	return call->origin.method->schema->server_streaming;
}

/* ---- beginning and end ---------------------------------------------------------------------- */

static void on_refuse(void *data);

static struct crdt_call *call_new(struct crdt_calls *calls, struct exchange *exchange)
{
	struct crdt_call *call = mem_new(struct crdt_call);

	call->calls = calls;
	call->exchange = exchange;
	call->start_ns = loop_now_ns(calls->loop);
	call->origin = (struct followup_origin){
		.method = exchange->method,
		.hops = exchange->hops,
		.trace = exchange->trace,
	};
	/* it may outlive the exchange, for the sake of effects */
	(void)api_ref((struct api *)exchange->method->service->api);
	call->method = router_metrics_begin(calls->metrics, exchange->method->schema->path);
	buf_init(&call->message, CRDT_CALL_MESSAGE_BYTES_MAX);
	loop_task_init(&call->refuse, on_refuse, call);
	list_init(&call->items);
	list_init(&call->node);
	list_push_back(&calls->calls, &call->node);
	calls->call_count++;
	followups_hold(calls->followups);
	return call;
}

static void drop_items(struct crdt_call *call)
{
	struct list *node;

	while ((node = list_pop_front(&call->items)))
		mem_free(list_entry(node, struct crdt_call_item, node));
	call->item_count = 0;
}

static void call_free(struct crdt_call *call)
{
	followup_abandon(call->followup);
	loop_task_cancel(&call->refuse);
	list_remove(&call->node);
	call->calls->call_count--;
	followups_release(call->calls->followups);
	drop_items(call);
	mem_free(call->current);
	buf_fini(&call->message);
	api_unref((struct api *)call->origin.method->service->api);
	mem_free(call);
}

/* Effects of an answer that goes nowhere. */
static void run_effects(struct crdt_call *call, const struct entity_reply *reply)
{
	struct followup_wish wish = {
		.origin = call->origin,
		.effects = reply->effects,
		.effect_count = reply->effect_count,
	};

	if (wish.effect_count)
		followup_abandon(followup_start(call->calls->followups, &wish, NULL, NULL));
}

/* The exchange is about to be over. */
static void call_leave(struct crdt_call *call, enum status code)
{
	struct crdt_calls *calls = call->calls;

	router_metrics_end(calls->metrics, call->method, call->exchange->protocol, code,
			   loop_now_ns(calls->loop) - call->start_ns);
	buf_reset(&call->message);
	/* a trace is short */
	(void)buf_append(&call->message, call->exchange->trace);
	call->origin.trace = buf_span(&call->message);
	call->exchange = NULL;
	followup_abandon(call->followup);
	call->followup = NULL;
}

/* The exchange is over. The call stays as long as answers may come. */
static void call_abandon(struct crdt_call *call)
{
	list_for_each (node, &call->items)
		run_effects(call, &list_entry(node, struct crdt_call_item, node)->reply);
	drop_items(call);
	if (call->ticket && !call->is_abandoned) {
		call->is_abandoned = true;
		if (crdt_table_abandon(call->ticket))
			call->ticket = NULL;
	}
	if (!call->ticket)
		call_free(call);
}

static void call_finish(struct crdt_call *call, const struct grpc_status *status)
{
	struct exchange *exchange = call->exchange;

	call_leave(call, status->code);
	/* first, for the status may point into the call */
	exchange_finish(exchange, status);
	call_abandon(call);
}

static void call_fail(struct crdt_call *call, enum status code, const char *message)
{
	struct grpc_status status = {.code = code, .message = span_from_str(message)};

	call_finish(call, &status);
}

static void call_fail_error(struct crdt_call *call, const struct error *err)
{
	struct grpc_status status;
	struct buf details;

	buf_init(&details, REPLY_DETAILS_BYTES_MAX);
	status = reply_error_status(err, &details);
	call_finish(call, &status);
	buf_fini(&details);
}

/* ---- answers -------------------------------------------------------------------------------- */

static struct span keep(uint8_t **at, struct span bytes)
{
	struct span kept = span_make(*at, bytes.len);

	if (bytes.len)
		memcpy(*at, bytes.data, bytes.len);
	*at += bytes.len;
	return kept;
}

static struct crdt_call_item *item_new(const struct entity_reply *reply)
{
	struct crdt_call_item *item;
	struct entity_reply kept = *reply;
	struct span *const parts[] = {
		&kept.message,	    &kept.details,	&kept.type_url, &kept.payload,
		&kept.service_name, &kept.command_name, &kept.metadata,
	};
	const size_t count = sizeof(parts) / sizeof(parts[0]);
	size_t total = sizeof(*item) + reply->effect_count * sizeof(struct span);
	uint8_t *at;

	/* all of it stood in one message of the function, which has a limit */
	for (size_t i = 0; i < count; i++)
		total += parts[i]->len;
	for (size_t i = 0; i < reply->effect_count; i++)
		total += reply->effects[i].len;
	item = mem_zalloc(total);
	list_init(&item->node);
	at = (uint8_t *)&item->effects[reply->effect_count];
	for (size_t i = 0; i < count; i++)
		*parts[i] = keep(&at, *parts[i]);
	for (size_t i = 0; i < reply->effect_count; i++)
		item->effects[i] = keep(&at, reply->effects[i]);
	kept.effects = item->effects;
	item->reply = kept;
	return item;
}

static void pass_failure(struct crdt_call *call, const struct entity_reply *reply)
{
	struct grpc_status status;
	struct buf details;

	buf_init(&details, REPLY_DETAILS_BYTES_MAX);
	status = reply_failure_status(reply, &details);
	call_finish(call, &status);
	buf_fini(&details);
}

/* False: it can not be sent, and the call is over. */
static bool send_payload(struct crdt_call *call, const struct entity_reply *reply)
{
	struct exchange *exchange = call->exchange;
	enum status status;

	if (!call->has_told_type)
		call->has_told_type = !reply_check_type(call->calls->userfn,
							exchange->method->schema, reply->type_url);
	if (call->has_told_type && call->calls->refuses_types) {
		call_fail(call, ST_INTERNAL, REPLY_TEXT_TYPE);
		return false;
	}
	if (!call->has_sent)
		reply_set_headers(call->calls->metrics, exchange, reply->metadata);
	call->has_sent = true;
	status = exchange->front->send(exchange, reply->payload);
	if (status == ST_OK)
		return true;
	call_fail(call, status, "the reply cannot be sent");
	return false;
}

/* To the client. False: the call is over. */
static bool pass(struct crdt_call *call, const struct entity_reply *reply)
{
	if (reply->action == ENTITY_FAILURE) {
		pass_failure(call, reply);
		return false;
	}
	if (reply->action == ENTITY_REPLY && !send_payload(call, reply))
		return false;
	if (is_streamed(call))
		return true;
	if (reply->action == ENTITY_REPLY)
		call_finish(call, &(struct grpc_status){.code = ST_OK});
	else
		/* the reference sends no message here, and clients report just that (S-31) */
		call_fail(call, ST_INTERNAL, "the user function replied without a payload");
	return false;
}

static void on_followed(void *data, const struct grpc_status *status);

/* Effects first. False: there is nothing to wait for. */
static bool follow(struct crdt_call *call, const struct entity_reply *reply)
{
	struct followup_forward forward = {
		.service_name = reply->service_name,
		.command_name = reply->command_name,
		.payload = reply->payload,
		.metadata = reply->metadata,
	};
	struct followup_wish wish = {
		.origin = call->origin,
		.effects = reply->effects,
		.effect_count = reply->effect_count,
		.forward = reply->action == ENTITY_FORWARD ? &forward : NULL,
		.exchange = call->exchange,
		.has_headers_sent = call->has_sent,
	};

	if (wish.effect_count || wish.forward)
		call->followup = followup_start(call->calls->followups, &wish, on_followed, call);
	return call->followup != NULL;
}

/* Goes on to the next answer, as long as there is one and room for it. */
static void pump(struct crdt_call *call)
{
	while (!call->current) {
		struct crdt_call_item *item;
		bool is_alive = true;

		if (list_is_empty(&call->items)) {
			bool is_ending = call->calls->is_ending_streams && call->has_answer;

			if (!call->ticket || is_ending)
				call_finish(call, &(struct grpc_status){.code = ST_OK});
			return;
		}
		call->is_held =
			call->exchange->front->unsent(call->exchange) > EXCHANGE_UNSENT_HIGH;
		if (call->is_held)
			return;
		item = list_entry(list_pop_front(&call->items), struct crdt_call_item, node);
		call->item_count--;
		if (follow(call, &item->reply)) {
			call->current = item;
			return;
		}
		is_alive = pass(call, &item->reply);
		mem_free(item);
		if (!is_alive)
			return;
	}
}

static void on_followed(void *data, const struct grpc_status *status)
{
	struct crdt_call *call = data;
	struct crdt_call_item *item = call->current;
	bool is_alive = true;

	call->followup = NULL;
	call->current = NULL;
	if (!status) {
		is_alive = pass(call, &item->reply);
	} else if (status->code != ST_OK || !is_streamed(call)) {
		call_finish(call, status);
		is_alive = false;
	} else {
		call->has_sent = true; /* by the forward, in its place */
	}
	mem_free(item);
	if (is_alive)
		pump(call);
}

static void put_aside(struct crdt_call *call, const struct entity_reply *reply)
{
	struct crdt_call_item *item = item_new(reply);

	list_push_back(&call->items, &item->node);
	if (++call->item_count <= CRDT_CALL_ITEMS_MAX)
		return;
	router_metrics_crdt_overflow(call->calls->metrics);
	call_fail(call, ST_RESOURCE_EXHAUSTED, "the client does not read the replies");
}

static void on_reply(void *data, const struct entity_reply *reply, bool is_last)
{
	struct crdt_call *call = data;

	if (is_last)
		call->ticket = NULL;
	if (!call->exchange) {
		run_effects(call, reply);
		if (is_last)
			call_free(call);
		return;
	}
	call->has_answer = true;
	if (call->current || !list_is_empty(&call->items) ||
	    call->exchange->front->unsent(call->exchange) > EXCHANGE_UNSENT_HIGH) {
		call->is_held = !call->current;
		put_aside(call, reply);
	} else if (follow(call, reply)) {
		call->current = item_new(reply);
	} else if (pass(call, reply)) {
		pump(call);
	}
}

static void on_room(struct exchange *exchange, void *data)
{
	struct crdt_call *call = data;

	(void)exchange;
	if (call->followup)
		followup_drained(call->followup);
	if (call->is_held)
		pump(call);
}

/* ---- requests ------------------------------------------------------------------------------- */

static void on_message(struct exchange *exchange, void *data, struct span message)
{
	struct crdt_call *call = data;

	if (call->request != CRDT_CALL_WANTS_MESSAGE) {
		call_fail(call, ST_INVALID_ARGUMENT,
			  "a call without a stream of requests has one message, not several");
		return;
	}
	if (!buf_append(&call->message, message)) {
		call_fail(call, ST_RESOURCE_EXHAUSTED, "the message is too large");
		return;
	}
	call->request = CRDT_CALL_WANTS_END;
	exchange_read(exchange);
}

static void on_half_close(struct exchange *exchange, void *data)
{
	struct crdt_call *call = data;
	struct crdt_calls *calls = call->calls;
	struct entity_command command = {
		.method = exchange->method,
		.payload = buf_span(&call->message),
		.metadata = exchange->metadata,
		.deadline_ns = exchange->deadline_ns,
	};
	struct error err;

	if (call->request == CRDT_CALL_WANTS_MESSAGE) {
		call_fail(call, ST_INVALID_ARGUMENT, "a call has one message, not none");
		return;
	}
	buf_reset(&calls->key);
	if (api_entity_key(exchange->method, command.payload, &calls->key, &err) != ST_OK) {
		call_fail_error(call, &err);
		return;
	}
	command.key = buf_span(&calls->key);
	call->request = CRDT_CALL_RUNNING;
	call->ticket = crdt_table_submit(calls->entities, &command, on_reply, call);
	buf_reset(&call->message);
}

static void on_cancelled(struct exchange *exchange, void *data, enum status why)
{
	struct crdt_call *call = data;

	(void)exchange;
	call_leave(call, why);
	call_abandon(call);
}

static const struct exchange_handler_ops handler_ops = {
	.on_message = on_message,
	.on_half_close = on_half_close,
	.on_drained = on_room,
	.on_cancelled = on_cancelled,
};

static void on_refuse(void *data)
{
	call_fail(data, ST_UNIMPLEMENTED, "this call of a CRDT entity is not supported");
}

/* ---- the whole ------------------------------------------------------------------------------ */

void crdt_calls_accept(struct crdt_calls *calls, struct exchange *exchange)
{
	struct crdt_call *call = call_new(calls, exchange);

	exchange->handler = &handler_ops;
	exchange->handler_data = call;
	if (exchange->method->schema->client_streaming || !calls->entities) {
		call->request = CRDT_CALL_REFUSED;
		loop_task_schedule(calls->loop, &call->refuse);
		return;
	}
	call->request = CRDT_CALL_WANTS_MESSAGE;
	exchange_read(exchange);
}

struct crdt_calls *crdt_calls_new(const struct crdt_calls_params *params)
{
	struct crdt_calls *calls = mem_new(struct crdt_calls);

	calls->loop = params->loop;
	calls->userfn = params->userfn;
	calls->metrics = params->metrics;
	calls->followups = params->followups;
	calls->refuses_types = params->refuses_types;
	list_init(&calls->calls);
	buf_init(&calls->key, CRDT_CALL_KEY_BYTES_MAX);
	return calls;
}

void crdt_calls_serve(struct crdt_calls *calls, struct crdt_table *entities)
{
	calls->entities = entities;
}

void crdt_calls_end_streams(struct crdt_calls *calls)
{
	calls->is_ending_streams = true;
	list_for_each_safe (node, &calls->calls) {
		struct crdt_call *call = list_entry(node, struct crdt_call, node);

		if (call->exchange && is_streamed(call) && call->has_answer && !call->is_held)
			pump(call);
	}
}

size_t crdt_calls_active(const struct crdt_calls *calls)
{
	return calls->call_count;
}

void crdt_calls_free(struct crdt_calls *calls)
{
	if (!calls)
		return;
	list_for_each_safe (node, &calls->calls) {
		struct crdt_call *call = list_entry(node, struct crdt_call, node);

		if (call->ticket)
			crdt_table_forget(call->ticket);
		call_free(call);
	}
	buf_fini(&calls->key);
	mem_free(calls);
}
