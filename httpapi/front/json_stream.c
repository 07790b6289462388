/* The life of a JSON call with a stream on one side or on both.
 *
 *   BODY ──first message──> RUNNING ──finish, or a failure──> ENDING ──all is sent──> OVER
 *
 * The router sees the call once its first message is whole; only when both sides are streams and
 * the client hears before it has said all (HTTP/2) it sees the call at once, for there the function
 * may speak first. Over HTTP/1.1 nothing is sent before the request was read to its end: half
 * duplex. */
#include "httpapi/front/json_stream.h"

#include "httpapi/front/http_reply.h"
#include "httpapi/front/http_request.h"
#include "httpapi/front/json_head.h"
#include "httpapi/front/json_metadata.h"
#include "httpapi/front/routes.h"
#include "httpapi/front/wishes.h"
#include "httpapi/route_table.h"
#include "src/base/clock.h"
#include "src/base/mem.h"
#include "src/config/call_options.h"
#include "src/config/config.h"
#include "src/grpc/grpc_call.h"
#include "src/userfn/api.h"

/* Target, metadata both ways, and what transcoding keeps: heads have at most 32 KiB (R5). */
#define JSON_STREAM_ARENA_BYTES_MAX ((size_t)1024 * 1024)

/* One piece of a body as a transport gives it, at most what a client may send unread. */
#define JSON_STREAM_REST_BYTES_MAX ((size_t)64 * 1024 * 1024)

/* JSON of the largest message from the function (12 MiB) with every default printed, after others
 * that wait. */
#define JSON_STREAM_OUT_BYTES_MAX ((size_t)96 * 1024 * 1024)

static void json_stream_free(struct json_stream *self)
{
	timer_stop(&self->deadline);
	timer_stop(&self->silence);
	timer_stop(&self->heartbeat);
	loop_task_cancel(&self->work);
	transcode_in_fini(&self->in);
	buf_fini(&self->rest);
	buf_fini(&self->message);
	reply_body_fini(&self->body);
	routes_unref(self->routes);
	front_call_end(&self->base);
	arena_fini(&self->arena);
	mem_free(self);
}

static void json_stream_cancel(struct json_stream *self, enum status why)
{
	bool is_running = self->state == JSON_STREAM_RUNNING;

	self->state = JSON_STREAM_ENDING;
	if (is_running)
		self->exchange.handler->on_cancelled(&self->exchange, self->exchange.handler_data,
						     why);
}

void json_stream_end(struct json_stream *self)
{
	self->state = JSON_STREAM_OVER;
	timer_stop(&self->deadline);
	timer_stop(&self->silence);
	timer_stop(&self->heartbeat);
	loop_task_schedule(self->base.front->loop, &self->work);
}

void json_stream_stop(struct json_stream *self, const struct json_stream_failure *failure)
{
	json_stream_cancel(self, failure->code == ST_DEADLINE_EXCEEDED ? ST_DEADLINE_EXCEEDED
								       : ST_CANCELLED);
	json_stream_tell(self, failure);
}

void json_stream_stop_later(struct json_stream *self, enum status code, const char *message)
{
	if (self->failure.status)
		return;
	(void)error_set(&self->failure, code, "%s", message);
	loop_task_schedule(self->base.front->loop, &self->work);
}

static void json_stream_work(void *data)
{
	struct json_stream *self = data;

	if (self->state == JSON_STREAM_OVER)
		json_stream_free(self);
	else if (self->state == JSON_STREAM_ENDING)
		return;
	else if (self->failure.status)
		json_stream_stop(self, &(struct json_stream_failure){
					       .code = self->failure.status,
					       .message = span_from_str(self->failure.message),
				       });
	else
		json_stream_pump(self);
}

/* The reply is complete, and its client takes too long over it. */
static void json_stream_drop(struct json_stream *self)
{
	http_request_abort(self->request);
	self->request = NULL;
	json_stream_end(self);
}

static void json_stream_on_deadline(void *data)
{
	struct json_stream *self = data;

	if (self->state == JSON_STREAM_ENDING)
		json_stream_drop(self);
	else
		json_stream_stop(self, &(struct json_stream_failure){
					       .code = ST_DEADLINE_EXCEEDED,
					       .message = SPAN_LIT("the call's deadline passed"),
				       });
}

static void json_stream_on_silence(void *data)
{
	struct json_stream *self = data;

	if (self->state == JSON_STREAM_ENDING)
		json_stream_drop(self);
	else
		json_stream_stop(self,
				 &(struct json_stream_failure){
					 .code = ST_DEADLINE_EXCEEDED,
					 .http_status = 408,
					 .message = SPAN_LIT("the request was silent for too long"),
				 });
}

static void json_stream_cut(struct front_call *base)
{
	struct json_stream *self = container_of(base, struct json_stream, base);

	if (self->request)
		http_request_abort(self->request);
	self->request = NULL;
	json_stream_cancel(self, ST_CANCELLED);
	json_stream_free(self);
}

void json_stream_on_gone(void *data, enum status why)
{
	struct json_stream *self = data;

	self->request = NULL;
	json_stream_cancel(self, why);
	json_stream_end(self);
}

/* -- the exchange ------------------------------------------------------------------------------ */

static void json_stream_read(struct exchange *exchange)
{
	struct json_stream *self = json_stream_of(exchange);

	BUG_ON(self->is_wanted);
	self->is_wanted = true;
	if (!self->is_pumping)
		loop_task_schedule(self->base.front->loop, &self->work);
}

static const struct exchange_front_ops json_stream_front_ops = {
	.read = json_stream_read,
	.set_headers = json_stream_set_headers,
	.send = json_stream_send,
	.unsent = json_stream_unsent,
	.finish = json_stream_finish,
};

/* -- the beginning ----------------------------------------------------------------------------- */

static enum status json_stream_start(struct json_stream *self, const struct http_head *head,
				     const struct route_match *match, struct error *err)
{
	struct transcode_in_params params = {
		.match = match,
		.content_type = head->content_type,
		.body_length = head->content_length,
		.schema = self->routes->api->schema,
		.options = &self->base.front->transcode,
		.arena = &self->arena,
		.out = &self->message,
	};
	const struct json_head into = {&self->exchange, self->rule->options, &self->deadline,
				       &self->arena, &self->metadata};
	struct span path;
	enum status status = json_head_read(self->base.front, &into, head, err);

	self->takes_trailers = json_metadata_takes_trailers(&head->headers);
	if (status)
		return status;
	if (!route_target_split(head->target, &path, &params.query))
		return error_set(err, ST_INVALID_ARGUMENT, "malformed request target");
	return transcode_in_start(&self->in, &params, err);
}

/* How the reply is laid out; else what the client is told that takes none of the ways. */
static const char *json_stream_negotiate(struct json_stream *self, const struct http_head *head)
{
	const struct config *config = self->base.front->params.config;
	struct accept accept = {0};
	enum framing preferred = self->rule->options->stream_default == CONFIG_STREAM_NDJSON
					 ? FRAMING_LINES
					 : FRAMING_ARRAY;

	if (!self->rule->method->server_streaming)
		return wishes_refusal(config, &head->headers, self->rule);
	if (self->rule->is_raw_response)
		return NULL;
	for (size_t i = 0; i < head->headers.count; i++)
		if (span_eq_str(head->headers.items[i].name, "accept"))
			accept_add(&accept, head->headers.items[i].value);
	self->frame.has_error_element = config->http_stream_error_element;
	self->frame.has_end_event = config->http_sse_end_event;
	if (!accept_choose(&accept, preferred, &self->frame.framing))
		return ACCEPT_REFUSAL;
	self->content_type = accept_content_type(&accept, self->frame.framing);
	return NULL;
}

static void json_stream_init(struct json_stream *self, struct front *front,
			     const struct route_match *match)
{
	self->routes = routes_ref(front->routes);
	self->rule = &match->route->rule;
	self->exchange = (struct exchange){
		.front = &json_stream_front_ops,
		.method = match->route->data,
		.metadata = &self->metadata,
		.deadline_ns = DEADLINE_NEVER,
		.protocol = "json",
	};
	timer_init(&self->deadline, front->loop, json_stream_on_deadline, self);
	timer_init(&self->silence, front->loop, json_stream_on_silence, self);
	timer_init(&self->heartbeat, front->loop, json_stream_on_heartbeat, self);
	loop_task_init(&self->work, json_stream_work, self);
	arena_init(&self->arena, JSON_STREAM_ARENA_BYTES_MAX);
	buf_init(&self->rest, JSON_STREAM_REST_BYTES_MAX);
	buf_init(&self->message, front->transcode.message_max);
	reply_body_init(&self->body, JSON_STREAM_OUT_BYTES_MAX);
}

void json_stream_accept(struct json_stream *self)
{
	self->state = JSON_STREAM_RUNNING;
	json_stream_start_heartbeat(self);
	front_accept(self->base.front, &self->exchange);
}

void json_stream_serve(struct front *front, struct http_request *request,
		       const struct http_head *head, const struct route_match *match)
{
	struct json_stream *self = mem_new(struct json_stream);
	const struct method *method = match->route->rule.method;
	const char *refusal;
	struct error err;

	front_call_begin(front, &self->base, json_stream_cut);
	json_stream_init(self, front, match);
	self->exchange.peer = head->peer;
	self->is_http2 = head->is_http2;
	self->request = request;
	request->has_own_body_wait = true;
	http_request_set_handler(request, &json_stream_handler, self);
	refusal = json_stream_negotiate(self, head);
	if (refusal) {
		front_count_refused(front, FRONT_REFUSED_TYPE);
		json_stream_stop(self, &(struct json_stream_failure){
					       .code = ST_INVALID_ARGUMENT,
					       .http_status = 406,
					       .message = span_from_str(refusal),
				       });
		return;
	}
	if (json_stream_start(self, head, match, &err)) {
		json_stream_refuse(self, &err);
		return;
	}
	if (self->is_http2 && method->client_streaming && method->server_streaming)
		json_stream_accept(self);
	json_stream_pump(self);
}
