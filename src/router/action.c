/* One call has two halves that move on their own:
 *
 *   request   one message:  WANTS_MESSAGE --> WANTS_END --half-close--> ENDED
 *             a stream:     READING <--> HELD (the function does not read) --half-close--> ENDED
 *   reply     IDLE --call started--> READING <--> HELD (the client does not read)
 *                                    READING --the one answer--> ANSWERED
 *                                    READING <--> FOLLOWING (effects, a forward)
 *
 * A call with one request starts when the client has ended its half, so that a call with two
 * messages has no effect; a stream of requests starts at once with the message that names it. The
 * end always comes from the reply half, or from a client that leaves. Where one answer is expected
 * it counts when the function's status has come, as for every caller of gRPC; a failure among many
 * answers ends the call at once. */
#include "src/router/action.h"

#include <stdbool.h>

#include "proto/schema.h"
#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/list.h"
#include "src/base/mem.h"
#include "src/entity/action_codec.h"
#include "src/grpc/grpc_call.h"
#include "src/router/command_key.h"
#include "src/router/exchange.h"
#include "src/router/followup.h"
#include "src/router/reply.h"
#include "src/router/router_metrics.h"
#include "src/runtime/loop.h"
#include "src/userfn/api.h"
#include "src/userfn/userfn.h"

/* The front has its own, lower limit. */
#define ACTION_REQUEST_BYTES_MAX ((size_t)64 * 1024 * 1024)

/* How long a call may wait for the function's connection or a free stream. A connection that was
 * lost is tried again every second at least. */
#define ACTION_OPEN_MS 5000

/* When the limit of calls is met. */
#define ACTION_RETRY_MS 1000

enum action_request {
	ACTION_REQUEST_WANTS_MESSAGE,
	ACTION_REQUEST_WANTS_END,
	ACTION_REQUEST_READING,
	ACTION_REQUEST_HELD,
	ACTION_REQUEST_ENDED,
	ACTION_REQUEST_REFUSED, /* waits for the end of the turn */
	ACTION_REQUESTS_
};

enum action_reply {
	ACTION_REPLY_IDLE,
	ACTION_REPLY_READING,
	ACTION_REPLY_HELD,
	ACTION_REPLY_FOLLOWING,
	ACTION_REPLY_ANSWERED,
	ACTION_REPLIES_
};

struct action_call {
	struct list node;
	struct actions *actions;
	struct exchange *exchange;
	struct grpc_client_call *client; /* NULL: not started, or over */
	struct router_method *method;
	struct loop_task refuse;
	struct buf kept;	   /* the one request, later text and details of a failure */
	struct buf response;	   /* FOLLOWING: what is to be passed on afterwards */
	struct followup *followup; /* FOLLOWING */
	uint64_t start_ns;
	enum action_request request;
	enum action_reply reply;
	/* ANSWERED: what the answer was. Refused: why. */
	enum status code;
	struct span text;
	struct span details;
	bool has_sent; /* a reply: headers are on their way */
	bool has_told_type;
	bool has_key; /* and id is made of it, for what it asks for beside answers */
	struct journal_id id;
	uint64_t followed;
	bool has_ended; /* FOLLOWING: the function's status has come, and is kept */
};

struct actions {
	struct loop *loop;
	struct userfn *userfn;
	struct router_metrics *metrics;
	struct followups *followups;
	struct action_limits limits;
	struct list calls;
	size_t call_count;
	struct buf head; /* of the message being sent */
	struct span effects[ENTITY_REPLY_EFFECTS_MAX];
};

static void enter_request(struct action_call *call, enum action_request state)
{
	static const bool allowed[ACTION_REQUESTS_][ACTION_REQUESTS_] = {
		[ACTION_REQUEST_WANTS_MESSAGE] = {[ACTION_REQUEST_WANTS_END] = true},
		[ACTION_REQUEST_WANTS_END] = {[ACTION_REQUEST_ENDED] = true},
		[ACTION_REQUEST_READING] =
			{[ACTION_REQUEST_HELD] = true, [ACTION_REQUEST_ENDED] = true},
		[ACTION_REQUEST_HELD] = {[ACTION_REQUEST_READING] = true},
	};

	BUG_ON(!allowed[call->request][state]);
	call->request = state;
}

static void enter_reply(struct action_call *call, enum action_reply state)
{
	static const bool allowed[ACTION_REPLIES_][ACTION_REPLIES_] = {
		[ACTION_REPLY_IDLE] = {[ACTION_REPLY_READING] = true},
		[ACTION_REPLY_READING] =
			{
				[ACTION_REPLY_HELD] = true,
				[ACTION_REPLY_FOLLOWING] = true,
				[ACTION_REPLY_ANSWERED] = true,
			},
		[ACTION_REPLY_HELD] = {[ACTION_REPLY_READING] = true},
		[ACTION_REPLY_FOLLOWING] = {[ACTION_REPLY_READING] = true},
	};

	BUG_ON(!allowed[call->reply][state]);
	call->reply = state;
}

static const struct method *method_of(const struct action_call *call)
{
	return call->exchange->method->schema;
}

/* ---- beginning and end ---------------------------------------------------------------------- */

static void on_refuse(void *data);

/* An action is not executed once only, whatever comes with it; but what it asks for beside its
 * answers is, where it can be. A key that is none is not its business. */
static void take_key(struct action_call *call)
{
	const struct exchange *exchange = call->exchange;
	struct command_key key;
	struct error ignored;

	if (exchange->derived_id) {
		call->has_key = true;
		call->id = *exchange->derived_id;
	} else if (command_key_read(exchange->metadata, &key, &ignored) == ST_OK && key.text.len) {
		call->has_key = true;
		call->id = command_key_call(exchange->method->schema->full_name, key.text);
	}
}

static struct action_call *call_new(struct actions *actions, struct exchange *exchange)
{
	struct action_call *call = mem_new(struct action_call);

	call->actions = actions;
	call->exchange = exchange;
	call->start_ns = loop_now_ns(actions->loop);
	take_key(call);
	call->method = router_metrics_begin(actions->metrics, exchange->method->schema->path);
	buf_init(&call->kept, ACTION_REQUEST_BYTES_MAX);
	buf_init(&call->response, actions->limits.message_bytes_max);
	loop_task_init(&call->refuse, on_refuse, call);
	list_init(&call->node);
	list_push_back(&actions->calls, &call->node);
	router_metrics_action_calls(actions->metrics, ++actions->call_count);
	followups_hold(actions->followups);
	return call;
}

static void call_free(struct action_call *call)
{
	struct actions *actions = call->actions;

	grpc_client_cancel(call->client);
	followup_abandon(call->followup);
	loop_task_cancel(&call->refuse);
	list_remove(&call->node);
	router_metrics_action_calls(actions->metrics, --actions->call_count);
	followups_release(actions->followups);
	buf_fini(&call->kept);
	buf_fini(&call->response);
	mem_free(call);
}

static void call_count_end(struct action_call *call, enum status code)
{
	router_metrics_end(call->actions->metrics, call->method, call->exchange->protocol, code,
			   loop_now_ns(call->actions->loop) - call->start_ns);
}

/* The function's call, if it still runs, is cancelled. */
static void call_finish(struct action_call *call, const struct grpc_status *status)
{
	call_count_end(call, status->code);
	exchange_finish(call->exchange, status);
	call_free(call);
}

static void call_fail(struct action_call *call, enum status code, struct span text)
{
	call_finish(call, &(struct grpc_status){.code = code, .message = text});
}

/* Within accept the front must not be called back. */
static void refuse_later(struct action_call *call, enum status code, struct span text)
{
	call->request = ACTION_REQUEST_REFUSED;
	call->code = code;
	call->text = text;
	loop_task_schedule(call->actions->loop, &call->refuse);
}

static void on_refuse(void *data)
{
	struct action_call *call = data;
	struct grpc_status status = {.code = call->code, .message = call->text};
	struct buf details;

	buf_init(&details, REPLY_DETAILS_BYTES_MAX);
	if (call->code == ST_RESOURCE_EXHAUSTED &&
	    reply_put_retry_info(&details, call->code, call->text, ACTION_RETRY_MS))
		status.details = buf_span(&details);
	call_finish(call, &status);
	buf_fini(&details);
}

/* ---- replies -------------------------------------------------------------------------------- */

/* The outcome of a call with one answer, put aside until the function's status comes. */
static void keep_failure(struct action_call *call, enum status code, struct span text,
			 struct span details)
{
	buf_reset(&call->kept);
	call->code = code;
	/* what is too large is left out */
	(void)(buf_append(&call->kept, text) && buf_append(&call->kept, details));
	call->text = span_head(buf_span(&call->kept), text.len);
	call->details = span_skip(buf_span(&call->kept), text.len);
}

static void end(struct action_call *call, const struct grpc_status *status);

/* Asks for the next answer, or goes on with the end that has come already. */
static void read_next(struct action_call *call)
{
	struct grpc_status status = {.code = call->code};

	if (!call->has_ended) {
		grpc_client_read(call->client);
		return;
	}
	status.message = call->text;
	status.details = call->details;
	end(call, &status);
}

/* Asks for the next answer when there is room for it. */
static void read_on(struct action_call *call)
{
	if (call->exchange->front->unsent(call->exchange) > EXCHANGE_UNSENT_HIGH) {
		router_metrics_action_hold(call->actions->metrics, ROUTER_REPLY);
		enter_reply(call, ACTION_REPLY_HELD);
		return;
	}
	read_next(call);
}

/* One answer is all there may be: reads on only to learn of the end. */
static void answered(struct action_call *call)
{
	enter_reply(call, ACTION_REPLY_ANSWERED);
	read_next(call);
}

static void pass_reply(struct action_call *call, const struct entity_out *out)
{
	struct exchange *exchange = call->exchange;
	enum status status;

	if (!call->has_told_type)
		call->has_told_type = !reply_check_type(call->actions->userfn, method_of(call),
							out->payload.type_url);
	if (call->has_told_type && call->actions->limits.refuses_types) {
		call_fail(call, ST_INTERNAL, SPAN_LIT(REPLY_TEXT_TYPE));
		return;
	}
	if (!call->has_sent)
		reply_set_headers(call->actions->metrics, exchange, out->metadata);
	call->has_sent = true;
	status = exchange->front->send(exchange, out->payload.value);
	if (status != ST_OK) {
		call_fail(call, status, SPAN_LIT("the reply cannot be sent"));
		return;
	}
	router_metrics_action_message(call->actions->metrics, ROUTER_REPLY);
	if (method_of(call)->server_streaming)
		read_on(call);
	else
		answered(call);
}

static void pass_failure(struct action_call *call, const struct entity_out *out)
{
	struct grpc_status status = {
		.code = out->code,
		.message = out->description,
		.details = out->details,
	};

	if (method_of(call)->server_streaming) {
		call_finish(call, &status);
		return;
	}
	keep_failure(call, out->code, out->description, out->details);
	answered(call);
}

static void pass_nothing(struct action_call *call)
{
	if (method_of(call)->server_streaming) {
		read_on(call);
		return;
	}
	/* the reference sends no message here, and clients report just that (S-31) */
	keep_failure(call, ST_INTERNAL, SPAN_LIT("the user function replied without a payload"),
		     SPAN_EMPTY);
	answered(call);
}

static void pass_answer(struct action_call *call, const struct entity_out *out)
{
	if (out->action == ENTITY_REPLY)
		pass_reply(call, out);
	else if (out->action == ENTITY_FAILURE)
		pass_failure(call, out);
	else
		pass_nothing(call);
}

/* How a forward ended: its messages went to the client by themselves, in their place. */
static void pass_forwarded(struct action_call *call, const struct grpc_status *status)
{
	call->has_sent = true;
	if (method_of(call)->server_streaming && status->code == ST_OK) {
		read_on(call);
	} else if (method_of(call)->server_streaming) {
		call_finish(call, status);
	} else {
		keep_failure(call, status->code, status->message, status->details);
		answered(call);
	}
}

static void on_followed(void *data, const struct grpc_status *status)
{
	struct action_call *call = data;
	struct entity_out out;

	call->followup = NULL;
	enter_reply(call, ACTION_REPLY_READING);
	if (status) {
		pass_forwarded(call, status);
		return;
	}
	action_response_parse(buf_span(&call->response), &out);
	pass_answer(call, &out);
}

/* Effects first, then the answer; later answers wait. True: on_followed comes. */
static bool follow(struct action_call *call, struct span message, const struct entity_out *out)
{
	struct actions *actions = call->actions;
	struct followup_forward forward = {
		.service_name = out->service_name,
		.command_name = out->command_name,
		.payload = out->payload.value,
		.metadata = out->metadata,
	};
	struct followup_wish wish = {
		.origin =
			{
				.method = call->exchange->method,
				.hops = call->exchange->hops,
				.trace = call->exchange->trace,
				.has_key = call->has_key,
				.id = call->id,
				.before = call->followed,
			},
		.effects = actions->effects,
		.effect_count = entity_out_effects(out, actions->effects, ENTITY_REPLY_EFFECTS_MAX),
		.forward = out->action == ENTITY_FORWARD ? &forward : NULL,
		.exchange = call->exchange,
		.has_headers_sent = call->has_sent,
	};

	call->followed += wish.effect_count + (wish.forward != NULL);
	call->followup = followup_start(actions->followups, &wish, on_followed, call);
	if (!call->followup)
		return false;
	enter_reply(call, ACTION_REPLY_FOLLOWING);
	buf_reset(&call->response);
	BUG_ON(!wish.forward && !buf_append(&call->response, message)); /* one message's limit */
	return true;
}

static void on_response(void *data, struct span message)
{
	struct action_call *call = data;
	struct entity_out out;

	if (call->reply == ACTION_REPLY_ANSWERED) {
		call_fail(call, ST_INTERNAL,
			  SPAN_LIT("the user function gave more than one answer to a call that "
				   "takes one"));
		return;
	}
	action_response_parse(message, &out);
	if (out.kind == ENTITY_OUT_GARBAGE) {
		call_fail(call, ST_INTERNAL, SPAN_LIT("the user function sent a malformed answer"));
		return;
	}
	if ((out.effect_count || out.action == ENTITY_FORWARD) && follow(call, message, &out))
		return;
	pass_answer(call, &out);
}

/* The function's call is over. Trailers of a failure go to the client as they came; the transport
 * takes out its own. */
static void end(struct action_call *call, const struct grpc_status *status)
{
	struct grpc_status last = *status;

	if (status->code == ST_OK && !method_of(call)->server_streaming) {
		if (call->reply != ACTION_REPLY_ANSWERED)
			keep_failure(call, ST_INTERNAL,
				     SPAN_LIT("the user function ended the call without an answer"),
				     SPAN_EMPTY);
		last.code = call->code;
		last.message = call->text;
		last.details = call->details;
	}
	call_finish(call, &last);
}

static void on_status(void *data, const struct grpc_status *status, bool was_sent)
{
	struct action_call *call = data;

	(void)was_sent;
	call->client = NULL;
	if (call->reply == ACTION_REPLY_FOLLOWING) {
		call->has_ended = true;
		keep_failure(call, status->code, status->message, status->details);
		return;
	}
	end(call, status);
}

static void on_room_for_reply(struct exchange *exchange, void *data)
{
	struct action_call *call = data;

	(void)exchange;
	if (call->followup)
		followup_drained(call->followup);
	if (call->reply != ACTION_REPLY_HELD)
		return;
	enter_reply(call, ACTION_REPLY_READING);
	read_next(call);
}

/* ---- requests ------------------------------------------------------------------------------- */

static void on_room_for_request(void *data)
{
	struct action_call *call = data;

	if (call->request != ACTION_REQUEST_HELD)
		return;
	enter_request(call, ACTION_REQUEST_READING);
	exchange_read(call->exchange);
}

static const struct grpc_client_ops client_ops = {
	.on_message = on_response,
	.on_drained = on_room_for_request,
	.on_status = on_status,
};

static const char *path_of(const struct method *method)
{
	static const char *const paths[2][2] = {
		{"/" API_ACTION_TYPE "/handleUnary", "/" API_ACTION_TYPE "/handleStreamedOut"},
		{"/" API_ACTION_TYPE "/handleStreamedIn", "/" API_ACTION_TYPE "/handleStreamed"},
	};

	return paths[method->client_streaming][method->server_streaming];
}

/* Starts the function's call and sends its first message. ST_OK: answers are on their way. */
static enum status start_client(struct action_call *call)
{
	struct actions *actions = call->actions;
	const struct method *method = method_of(call);
	struct channel *channel = userfn_action_channel(actions->userfn);
	struct grpc_client_params params = {
		.path = path_of(method),
		.deadline_ns = call->exchange->deadline_ns,
		/* a function that is known to be there gets the time to take the connection */
		.wait_for_ready = userfn_is_ready(actions->userfn, NULL),
		.open_deadline_ns =
			clock_deadline(loop_now_ns(actions->loop), ACTION_OPEN_MS * NS_PER_MS),
		.max_message_bytes = actions->limits.message_bytes_max,
	};
	struct action_command command = {
		.service_name = call->exchange->method->service->schema->full_name,
		.name = method->name,
		.metadata = call->exchange->metadata,
		.input_name = method->client_streaming ? SPAN_EMPTY : method->input->full_name,
		.type_url = call->exchange->payload_type,
		.payload_len = buf_len(&call->kept),
	};

	BUG_ON(!channel); /* it is opened before any of its methods can be called */
	if (!action_put_command(&actions->head, &command))
		return ST_RESOURCE_EXHAUSTED;
	call->client = grpc_client_start(actions->loop, channel, &params, &client_ops, call);
	enter_reply(call, ACTION_REPLY_READING);
	grpc_client_read(call->client);
	return grpc_client_send2(call->client, buf_span(&actions->head), buf_span(&call->kept));
}

static void take_one_message(struct action_call *call, struct span message)
{
	if (call->request != ACTION_REQUEST_WANTS_MESSAGE) {
		call_fail(call, ST_INVALID_ARGUMENT,
			  SPAN_LIT("a unary call has one message, not several"));
		return;
	}
	if (!buf_append(&call->kept, message)) {
		call_fail(call, ST_RESOURCE_EXHAUSTED, SPAN_LIT("the message is too large"));
		return;
	}
	enter_request(call, ACTION_REQUEST_WANTS_END);
	exchange_read(call->exchange);
}

static void pass_request(struct action_call *call, struct span message)
{
	struct actions *actions = call->actions;
	struct action_command command = {
		.input_name = method_of(call)->input->full_name,
		.type_url = call->exchange->payload_type,
		.payload_len = message.len,
	};
	enum status status = ST_RESOURCE_EXHAUSTED;

	if (call->has_ended)
		return; /* nobody takes it any more */
	if (action_put_command(&actions->head, &command))
		status = grpc_client_send2(call->client, buf_span(&actions->head), message);
	if (status == ST_RESOURCE_EXHAUSTED) {
		call_fail(call, status, SPAN_LIT("the message is too large"));
		return;
	}
	if (status == ST_OK)
		router_metrics_action_message(actions->metrics, ROUTER_REQUEST);
	if (status == ST_OK && grpc_client_unsent(call->client) <= EXCHANGE_UNSENT_HIGH) {
		exchange_read(call->exchange);
		return;
	}
	/* until the function has read, or for good: then its status is on its way */
	router_metrics_action_hold(actions->metrics, ROUTER_REQUEST);
	enter_request(call, ACTION_REQUEST_HELD);
}

static void on_message(struct exchange *exchange, void *data, struct span message)
{
	struct action_call *call = data;

	(void)exchange;
	if (method_of(call)->client_streaming)
		pass_request(call, message);
	else
		take_one_message(call, message);
}

static void on_half_close(struct exchange *exchange, void *data)
{
	struct action_call *call = data;

	(void)exchange;
	if (call->request == ACTION_REQUEST_WANTS_MESSAGE) {
		call_fail(call, ST_INVALID_ARGUMENT,
			  SPAN_LIT("a unary call has one message, not none"));
		return;
	}
	if (!method_of(call)->client_streaming) {
		if (start_client(call) != ST_OK) {
			call_fail(call, ST_RESOURCE_EXHAUSTED,
				  SPAN_LIT("the message is too large"));
			return;
		}
		router_metrics_action_message(call->actions->metrics, ROUTER_REQUEST);
		buf_fini(&call->kept); /* an answer may take long to come */
		buf_init(&call->kept, ACTION_REQUEST_BYTES_MAX);
	}
	enter_request(call, ACTION_REQUEST_ENDED);
	if (!call->has_ended)
		grpc_client_half_close(call->client);
}

static void on_cancelled(struct exchange *exchange, void *data, enum status why)
{
	struct action_call *call = data;

	(void)exchange;
	call_count_end(call, why);
	call_free(call);
}

static const struct exchange_handler_ops handler_ops = {
	.on_message = on_message,
	.on_half_close = on_half_close,
	.on_drained = on_room_for_reply,
	.on_cancelled = on_cancelled,
};

/* ---- the whole ------------------------------------------------------------------------------ */

void actions_accept(struct actions *actions, struct exchange *exchange)
{
	struct action_call *call = call_new(actions, exchange);

	exchange->handler = &handler_ops;
	exchange->handler_data = call;
	if (actions->call_count > actions->limits.calls_max) {
		router_metrics_action_refused(actions->metrics);
		refuse_later(call, ST_RESOURCE_EXHAUSTED,
			     SPAN_LIT("too many calls of actions in progress"));
		return;
	}
	if (!method_of(call)->client_streaming) {
		call->request = ACTION_REQUEST_WANTS_MESSAGE;
	} else if (start_client(call) != ST_OK) {
		refuse_later(call, ST_RESOURCE_EXHAUSTED, SPAN_LIT("the metadata is too large"));
		return;
	} else {
		call->request = ACTION_REQUEST_READING;
	}
	exchange_read(exchange);
}

static bool is_outdated_stream(const struct action_call *call)
{
	const struct method *method = method_of(call);

	return (method->client_streaming || method->server_streaming) &&
	       call->exchange->method->service->api != userfn_api(call->actions->userfn);
}

/* The end of one may be the end of others, of those that it was forwarded to. */
static struct action_call *find_outdated_stream(const struct actions *actions)
{
	list_for_each (node, &actions->calls) {
		struct action_call *call = list_entry(node, struct action_call, node);

		if (is_outdated_stream(call))
			return call;
	}
	return NULL;
}

void actions_renew(struct actions *actions)
{
	struct action_call *call;

	while ((call = find_outdated_stream(actions)))
		call_fail(call, ST_UNAVAILABLE,
			  SPAN_LIT("the user function was replaced by one with another "
				   "description"));
}

struct action_limits action_limits_default(void)
{
	return (struct action_limits){
		.calls_max = 4000,
		.message_bytes_max = (size_t)12 * 1024 * 1024,
	};
}

struct actions *actions_new(struct loop *loop, struct userfn *userfn,
			    struct router_metrics *metrics, struct followups *followups,
			    const struct action_limits *limits)
{
	struct actions *actions = mem_new(struct actions);

	actions->loop = loop;
	actions->userfn = userfn;
	actions->metrics = metrics;
	actions->followups = followups;
	actions->limits = limits ? *limits : action_limits_default();
	list_init(&actions->calls);
	buf_init(&actions->head, ENTITY_HEAD_BYTES_MAX);
	return actions;
}

size_t actions_active(const struct actions *actions)
{
	return actions->call_count;
}

void actions_free(struct actions *actions)
{
	if (!actions)
		return;
	list_for_each_safe (node, &actions->calls) {
		call_free(list_entry(node, struct action_call, node));
	}
	buf_fini(&actions->head);
	mem_free(actions);
}
