#include "src/router/router.h"

#include <stdio.h>
#include <string.h>

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
#include "src/router/command_key.h"
#include "src/router/crdt_call.h"
#include "src/router/damping.h"
#include "src/router/exchange.h"
#include "src/router/followup.h"
#include "src/router/forward.h"
#include "src/router/owners.h"
#include "src/router/reply.h"
#include "src/router/router_metrics.h"
#include "src/runtime/loop.h"
#include "src/userfn/api.h"
#include "src/userfn/userfn.h"

/* A unary call on its way:
 *
 *   WANTS_MESSAGE --message--> WANTS_END --half-close--> RUNNING --reply--> gone
 *                                                          |
 *                                      effects or a forward to wait for --> FOLLOWING --> gone
 *
 * With other members, between WANTS_END and RUNNING it may turn out that one of them owns the
 * entity: FORWARDED there, until it answers or nobody does, and then RUNNING here. ASKING waits for
 * a newer view of the members, which the sender of a forwarded command has. When the owner changes
 * while the command waits in the queue of its entity, it comes back from there and is placed anew.
 *
 * The command is submitted only when the client has ended its half, so that a call with two
 * messages has no effect. An error on the way ends the call from any state, and so does the
 * client's leaving; only a command that the function has already goes on without it, for the sake
 * of its side effects. */

/* Call objects kept for reuse, with their message buffers. */
#define ROUTER_CALLS_KEPT 256

/* The front has its own, lower limit. */
#define ROUTER_MESSAGE_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define ROUTER_KEY_BYTES_MAX ((size_t)8 * 1024)

/* The API we know is not that of the function that is there now. */
#define TEXT_REFUSED "the user function's new description is refused, see /status"

enum router_call_state {
	ROUTER_CALL_REFUSED, /* waits for the end of the turn */
	ROUTER_CALL_WANTS_MESSAGE,
	ROUTER_CALL_WANTS_END,
	ROUTER_CALL_ASKING,
	ROUTER_CALL_FORWARDED,
	ROUTER_CALL_RUNNING,
	ROUTER_CALL_FOLLOWING,
};

struct router_call {
	struct list node;
	struct router *router;
	struct exchange *exchange;    /* NULL: the client has gone */
	struct entity_ticket *ticket; /* RUNNING */
	struct forward *forward;      /* FORWARDED */
	uint64_t question;	      /* ASKING; 0: never asked */
	size_t message_len;	      /* FORWARDED: without the key */
	struct journal_id id;	      /* of the command, when has_id */
	bool has_id;
	bool is_resent;		       /* another member may have executed it */
	bool is_derived;	       /* its id is as good as a key */
	struct followup *followup;     /* FOLLOWING */
	struct followup_origin origin; /* the trace is the exchange's, without it in message */
	struct router_method *method;
	struct loop_task refuse;
	enum status refuse_code; /* REFUSED: why */
	const char *refuse_text;
	/* the request (FORWARDED: then its key); FOLLOWING: what reply points into */
	struct buf message;
	struct entity_reply reply; /* FOLLOWING: to be given when the effects are done */
	uint64_t start_ns;
	enum router_call_state state;
};

struct router {
	struct loop *loop;
	struct userfn *userfn;
	struct entity_table *entities;
	struct router_metrics metrics;
	struct actions *actions;
	struct crdt_calls *crdts;
	struct followups *followups;
	struct owners *owners; /* NULL: we are alone */
	bool refuses_types;    /* router_limits */
	router_tap_fn tap;     /* NULL: nobody stands between */
	void *tap_data;
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
	call->followup = NULL;
	call->forward = NULL;
	call->question = 0;
	call->has_id = exchange->forwarded != NULL;
	call->is_resent = false;
	call->is_derived = false;
	if (exchange->forwarded) {
		call->id = exchange->forwarded->id;
		/* It may be late: who sent it may have asked somebody else meanwhile. */
		call->is_resent = true;
		call->is_derived = exchange->forwarded->is_derived;
	} else if (exchange->derived_id) {
		call->id = *exchange->derived_id;
		call->has_id = true;
		call->is_derived = true;
	}
	call->origin = (struct followup_origin){
		.method = exchange->method,
		.hops = exchange->hops,
		.trace = exchange->trace,
	};
	call->start_ns = loop_now_ns(router->loop);
	call->method = router_metrics_begin(&router->metrics, exchange->method->schema->path);
	list_push_back(&router->calls, &call->node);
	router->call_count++;
	followups_hold(router->followups);
	return call;
}

static void call_destroy(struct router_call *call)
{
	buf_fini(&call->message);
	mem_free(call);
}

/* The client has its answer, or has gone. */
static void call_count_end(struct router_call *call, enum status code)
{
	struct router *router = call->router;

	router_metrics_end(&router->metrics, call->method, call->exchange->protocol, code,
			   loop_now_ns(router->loop) - call->start_ns);
	call->exchange = NULL;
}

static void call_free(struct router_call *call)
{
	struct router *router = call->router;

	loop_task_cancel(&call->refuse);
	list_remove(&call->node);
	router->call_count--;
	followups_release(router->followups);
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

	call_count_end(call, status->code);
	/* first, for the status may point into the call */
	exchange_finish(exchange, status);
	call_free(call);
}

static void call_fail(struct router_call *call, enum status code, const char *message)
{
	struct grpc_status status = {.code = code, .message = span_from_str(message)};

	call_finish(call, &status);
}

static void call_fail_error(struct router_call *call, const struct error *err)
{
	struct grpc_status status;
	struct buf details;

	buf_init(&details, REPLY_DETAILS_BYTES_MAX);
	status = reply_error_status(err, &details);
	call_finish(call, &status);
	buf_fini(&details);
}

/* ---- replies -------------------------------------------------------------------------------- */

static void reply_payload(struct router_call *call, const struct entity_reply *reply)
{
	struct grpc_status status = {.code = ST_OK};

	if (!reply_check_type(call->router->userfn, call->exchange->method->schema,
			      reply->type_url) &&
	    call->router->refuses_types) {
		call_fail(call, ST_INTERNAL, REPLY_TEXT_TYPE);
		return;
	}
	reply_set_entity_headers(&call->router->metrics, call->exchange, reply);
	status.code = call->exchange->front->send(call->exchange, reply->payload);
	if (status.code != ST_OK)
		status.message = SPAN_LIT("the reply cannot be sent");
	call_finish(call, &status);
}

static void reply_failure(struct router_call *call, const struct entity_reply *reply)
{
	struct grpc_status status;
	struct buf details;

	buf_init(&details, REPLY_DETAILS_BYTES_MAX);
	if (reply->sequence)
		reply_set_entity_headers(&call->router->metrics, call->exchange, reply);
	status = reply_failure_status(reply, &details);
	call_finish(call, &status);
	buf_fini(&details);
}

static void answer(struct router_call *call, const struct entity_reply *reply)
{
	if (!call->exchange)
		call_free(call);
	else if (reply->action == ENTITY_REPLY)
		reply_payload(call, reply);
	else if (reply->action == ENTITY_FAILURE)
		reply_failure(call, reply);
	else
		/* the reference sends no message here, and clients report just that (S-31) */
		call_fail(call, ST_INTERNAL, "the user function replied without a payload");
}

/* Everything that answer looks at. */
static void keep_reply(struct router_call *call, const struct entity_reply *reply)
{
	struct entity_reply *kept = &call->reply;
	struct span *const parts[] = {
		&kept->message, &kept->details, &kept->type_url, &kept->payload, &kept->metadata,
	};
	const size_t count = sizeof(parts) / sizeof(parts[0]);
	const uint8_t *at;

	*kept = *reply;
	buf_reset(&call->message);
	for (size_t i = 0; i < count; i++)
		if (!buf_append(&call->message, *parts[i]))
			*parts[i] = SPAN_EMPTY; /* can not be: the limit is above a message's */
	at = buf_span(&call->message).data;
	for (size_t i = 0; i < count; i++) {
		parts[i]->data = at;
		at += parts[i]->len;
	}
}

static void on_followed(void *data, const struct grpc_status *status)
{
	struct router_call *call = data;

	call->followup = NULL;
	if (status)
		call_finish(call, status);
	else
		answer(call, &call->reply);
}

static void replace(struct router_call *call, const struct entity_reply *reply);

/* Side effects first, then the answer. */
static void on_reply(void *data, const struct entity_reply *reply)
{
	struct router_call *call = data;
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
	};

	call->ticket = NULL;
	if (reply->action == ENTITY_MOVED) {
		replace(call, reply);
		return;
	}
	wish.origin.has_key = reply->is_keyed;
	if (reply->is_keyed)
		wish.origin.id = *reply->command_id;
	if (wish.effect_count || wish.forward)
		call->followup = followup_start(call->router->followups, &wish, on_followed, call);
	if (!call->followup) {
		answer(call, reply);
		return;
	}
	call->state = ROUTER_CALL_FOLLOWING;
	if (!call->exchange) {
		followup_abandon(call->followup);
		call_free(call);
	} else if (!wish.forward) {
		keep_reply(call, reply);
	}
}

/* ---- where a command goes ------------------------------------------------------------------- */

static void place(struct router_call *call);

/* For the newest view; place is next. */
static void ask(struct router_call *call)
{
	call->state = ROUTER_CALL_ASKING;
	call->question = owners_ask(call->router->owners);
}

static void refuse_damped(struct router_call *call)
{
	const struct entity_reply reply = {
		.action = ENTITY_FAILURE,
		.code = ST_UNAVAILABLE,
		.message = SPAN_LIT("another member of the namespace serves this entity"),
		.retry_after_ms = DAMPING_REFUSAL_MS,
	};

	owners_command_damped(call->router->owners);
	reply_failure(call, &reply);
}

/* What makes the command one and the same, whoever sends it again: a client's key, or for a forward
 * or effect whose it is. False: the call is over. */
static bool add_key(struct router_call *call, struct command_key *key,
		    struct entity_command *command)
{
	const struct exchange *exchange = call->exchange;
	struct error err;

	if (call->is_derived) {
		command->is_derived = true;
		return true;
	}
	if (command_key_read(exchange->metadata, key, &err) != ST_OK) {
		call_fail_error(call, &err);
		return false;
	}
	command->idempotency_key = key->text;
	return true;
}

/* Executes it here. message holds it, key is borrowed. */
static void submit(struct router_call *call, struct span key)
{
	struct router *router = call->router;
	const struct exchange *exchange = call->exchange;
	struct entity_command command = {
		.method = exchange->method,
		.key = key,
		.payload = buf_span(&call->message),
		.metadata = exchange->metadata,
		.deadline_ns = exchange->deadline_ns,
		.id = call->has_id ? &call->id : NULL,
		.is_resent = call->is_resent,
	};
	struct command_key idempotency_key;

	if (!add_key(call, &idempotency_key, &command))
		return;
	if (router->owners &&
	    owners_is_damped(router->owners, exchange->method->service->persistence_id, key)) {
		/* Others may have heard of a change already that makes it ours. */
		if (call->question)
			refuse_damped(call);
		else
			ask(call);
		return;
	}
	call->state = ROUTER_CALL_RUNNING;
	call->ticket = entity_table_submit(router->entities, &command, on_reply, call);
	buf_reset(&call->message);
}

/* Finds the key in the message; false: the call is over. */
static bool find_key(struct router_call *call, struct span *ret_key)
{
	struct router *router = call->router;
	struct error err;

	buf_reset(&router->key);
	if (api_entity_key(call->exchange->method, buf_span(&call->message), &router->key, &err) !=
	    ST_OK) {
		call_fail_error(call, &err);
		return false;
	}
	*ret_key = buf_span(&router->key);
	return true;
}

/* As the owner gave it. */
static void pass_on(struct router_call *call, const struct forward_reply *reply)
{
	struct exchange *exchange = call->exchange;
	struct grpc_status status = *reply->status;

	if (reply->headers)
		exchange->front->set_headers(exchange, reply->headers);
	if (reply->message && exchange->front->send(exchange, *reply->message) != ST_OK)
		status = (struct grpc_status){
			.code = ST_RESOURCE_EXHAUSTED,
			.message = SPAN_LIT("the reply cannot be sent"),
		};
	call_finish(call, &status);
}

static void on_forwarded(void *data, const struct forward_reply *reply, bool is_resent)
{
	struct router_call *call = data;
	struct span key;

	call->forward = NULL;
	if (reply) {
		pass_on(call, reply);
		return;
	}
	call->is_resent |= is_resent;
	buf_truncate(&call->message, call->message_len);
	if (find_key(call, &key))
		submit(call, key);
}

static bool forward(struct router_call *call, const char *address, struct span key)
{
	struct router *router = call->router;
	const struct exchange *exchange = call->exchange;
	struct forward_request request = {
		.path = exchange->method->schema->path,
		.type = exchange->method->service->persistence_id,
		.metadata = exchange->metadata,
		.deadline_ns = exchange->deadline_ns,
		.call = {.hop = exchange->forwarded ? exchange->forwarded->hop + 1 : 1,
			 .chain = exchange->hops,
			 .is_derived = call->is_derived,
			 .protocol = exchange->protocol},
	};

	if (!call->has_id)
		call->id = owners_new_id(router->owners);
	call->has_id = true;
	request.call.id = call->id;
	call->message_len = buf_len(&call->message);
	if (!buf_append(&call->message, key))
		return false; /* can not be: the limit is above a message's */
	request.message = span_head(buf_span(&call->message), call->message_len);
	request.id = span_skip(buf_span(&call->message), call->message_len);
	call->state = ROUTER_CALL_FORWARDED;
	call->forward = forward_start(owners_forwards(router->owners), address, &request,
				      on_forwarded, call);
	if (!call->forward)
		buf_truncate(&call->message, call->message_len);
	return call->forward != NULL;
}

static void place(struct router_call *call)
{
	struct owners *owners = call->router->owners;
	const struct exchange *exchange = call->exchange;
	const char *address = NULL;
	struct span key;

	if (owners && owners_is_behind(owners, exchange->forwarded) && !call->question) {
		ask(call);
		return;
	}
	if (!find_key(call, &key))
		return;
	if (owners)
		address = owners_place(owners, exchange->method->service->persistence_id, key,
				       exchange->forwarded);
	if (!address || !forward(call, address, key))
		submit(call, key);
}

/* The entity is somebody else's now, and did not come to it. */
static void replace(struct router_call *call, const struct entity_reply *reply)
{
	if (!call->exchange) {
		call_free(call);
		return;
	}
	if (call->router->owners)
		owners_command_moved(call->router->owners);
	call->id = *reply->command_id;
	call->has_id = true;
	call->is_resent |= reply->is_resent;
	buf_reset(&call->message);
	if (buf_append(&call->message, reply->payload)) /* it was in there before */
		place(call);
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

	(void)exchange;
	if (call->state == ROUTER_CALL_WANTS_MESSAGE)
		call_fail(call, ST_INVALID_ARGUMENT, "a unary call has one message, not none");
	else
		place(call);
}

static void on_room(struct exchange *exchange, void *data)
{
	struct router_call *call = data;

	(void)exchange;
	if (call->followup)
		followup_drained(call->followup);
}

static void on_cancelled(struct exchange *exchange, void *data, enum status why)
{
	struct router_call *call = data;

	call_count_end(call, why);
	if (call->ticket && !entity_table_abandon(call->ticket)) {
		/* a trace is short */
		(void)buf_append(&call->message, exchange->trace);
		call->origin.trace = buf_span(&call->message);
		return;
	}
	forward_cancel(call->forward);
	followup_abandon(call->followup);
	call_free(call);
}

static const struct exchange_handler_ops handler_ops = {
	.on_message = on_message,
	.on_half_close = on_half_close,
	.on_drained = on_room,
	.on_cancelled = on_cancelled,
};

static void on_refuse(void *data)
{
	struct router_call *call = data;

	call_fail(call, call->refuse_code, call->refuse_text);
}

/* Within accept the front must not be called back. */
static void refuse_later(struct router_call *call, enum status code, const char *text)
{
	call->state = ROUTER_CALL_REFUSED;
	call->refuse_code = code;
	call->refuse_text = text;
	loop_task_schedule(call->router->loop, &call->refuse);
}

static void accept_entity(struct router *router, struct exchange *exchange)
{
	const struct method *method = exchange->method->schema;
	struct router_call *call = call_new(router, exchange);

	exchange->handler = &handler_ops;
	exchange->handler_data = call;
	if (userfn_is_refused(router->userfn)) {
		refuse_later(call, ST_UNAVAILABLE, TEXT_REFUSED);
		return;
	}
	if (method->client_streaming || method->server_streaming) {
		refuse_later(call, ST_UNIMPLEMENTED, "entities have no streamed methods");
		return;
	}
	call->state = ROUTER_CALL_WANTS_MESSAGE;
	exchange_read(exchange);
}

void router_accept(struct router *router, struct exchange *exchange)
{
	enum entity_kind kind = exchange->method->service->kind;

	if (router->tap)
		exchange = router->tap(router->tap_data, exchange);
	if (userfn_is_refused(router->userfn))
		accept_entity(router, exchange); /* which says so, whatever the kind */
	else if (kind == ENTITY_ACTION)
		actions_accept(router->actions, exchange);
	else if (kind == ENTITY_CRDT)
		crdt_calls_accept(router->crdts, exchange);
	else
		accept_entity(router, exchange);
}

/* ---- the whole ------------------------------------------------------------------------------ */

void router_tap(struct router *router, router_tap_fn tap, void *data)
{
	router->tap = tap;
	router->tap_data = data;
}

static void accept_inner(void *data, struct exchange *exchange)
{
	router_accept(data, exchange);
}

struct router *router_new(struct loop *loop, struct userfn *userfn, struct entity_table *entities,
			  struct metrics *metrics, const struct router_limits *limits)
{
	struct router *router = mem_new(struct router);

	router->loop = loop;
	router->userfn = userfn;
	router->entities = entities;
	router->refuses_types = limits && limits->refuses_types;
	router_metrics_init(&router->metrics, metrics);
	router->followups = followups_new(loop, userfn, &router->metrics,
					  limits ? &limits->followups : NULL, accept_inner, router);
	router->actions = actions_new(loop, userfn, &router->metrics, router->followups,
				      limits ? &limits->actions : NULL);
	router->crdts = crdt_calls_new(&(struct crdt_calls_params){
		.loop = loop,
		.userfn = userfn,
		.metrics = &router->metrics,
		.followups = router->followups,
		.refuses_types = limits && limits->refuses_types,
	});
	list_init(&router->calls);
	list_init(&router->spare);
	buf_init(&router->key, ROUTER_KEY_BYTES_MAX);
	return router;
}

void router_renew(struct router *router)
{
	actions_renew(router->actions);
}

void router_serve_crdts(struct router *router, struct crdt_table *crdts)
{
	crdt_calls_serve(router->crdts, crdts);
}

static void on_conflict(void *data, struct span type, struct span id)
{
	struct router *router = data;

	owners_conflict(router->owners, type, id);
}

void router_set_owners(struct router *router, struct owners *owners)
{
	router->owners = owners;
	entity_table_on_conflict(router->entities, on_conflict, router);
}

static bool is_elsewhere(void *data, struct span type, struct span id)
{
	const struct router *router = data;

	return owners_is_elsewhere(router->owners, type, id);
}

void router_view_changed(struct router *router)
{
	if (!router->owners)
		return;
	owners_view_changed(router->owners);
	owners_handed_over(router->owners,
			   entity_table_hand_over(router->entities, is_elsewhere, router));
}

/* The end of one may be the end of others, of those that it was forwarded to. */
static struct router_call *find_asking(const struct router *router, uint64_t heard)
{
	list_for_each (node, &router->calls) {
		struct router_call *call = list_entry(node, struct router_call, node);

		if (call->state == ROUTER_CALL_ASKING && call->question <= heard)
			return call;
	}
	return NULL;
}

void router_members_heard(struct router *router)
{
	struct router_call *call;

	if (!router->owners)
		return;
	owners_view_changed(router->owners);
	while ((call = find_asking(router, owners_heard(router->owners))))
		place(call);
}

void router_end_streams(struct router *router)
{
	crdt_calls_end_streams(router->crdts);
}

void router_drain(struct router *router, void (*on_done)(void *data), void *data)
{
	followups_drain(router->followups, on_done, data);
}

size_t router_effects(const struct router *router)
{
	return followups_effects(router->followups);
}

size_t router_active(const struct router *router)
{
	return router->call_count + actions_active(router->actions) +
	       crdt_calls_active(router->crdts);
}

void router_free(struct router *router)
{
	struct list *node;

	if (!router)
		return;
	actions_free(router->actions);
	crdt_calls_free(router->crdts);
	while ((node = list_pop_front(&router->calls))) {
		struct router_call *call = list_entry(node, struct router_call, node);

		if (call->ticket)
			entity_table_forget(call->ticket);
		forward_cancel(call->forward);
		loop_task_cancel(&call->refuse);
		call_destroy(call);
	}
	while ((node = list_pop_front(&router->spare)))
		call_destroy(list_entry(node, struct router_call, node));
	followups_free(router->followups);
	router_metrics_fini(&router->metrics);
	buf_fini(&router->key);
	mem_free(router);
}
