/* The reply of a streamed call: each message is printed into out and given to the transport at
 * once, so that the client has it at the end of the turn. The transport holds little; what a slow
 * client does not take waits in out, where unsent counts it. The head leaves with the first
 * message, so a failure before it is an answer of its own. */
#include "httpapi/front/json_stream.h"

#include "httpapi/front/http_reply.h"
#include "httpapi/front/http_request.h"
#include "httpapi/front/json_metadata.h"
#include "httpapi/front/routes.h"
#include "httpapi/http_rule.h"
#include "httpapi/status_map.h"
#include "httpapi/transcode_out.h"
#include "src/config/config.h"
#include "src/grpc/grpc_call.h"
#include "src/userfn/api.h"

#define JSON_STREAM_HEADERS_MAX 128

/* content-type, vary, cache-control, x-accel-buffering */
#define JSON_STREAM_OWN_HEADERS 4

static const struct method *json_stream_method(const struct json_stream *self)
{
	return self->rule->method;
}

static bool json_stream_is_events(const struct json_stream *self)
{
	return self->content_type && self->frame.framing == FRAMING_SSE;
}

/* -- the head ---------------------------------------------------------------------------------- */

static void json_stream_keep(struct json_stream *self, const struct metadata *from,
			     struct metadata *to)
{
	for (size_t i = 0; from && i < from->count; i++)
		if (metadata_add(to, &self->arena, from->items[i].key, from->items[i].value))
			return; /* more than an HTTP client takes: what fits is sent */
}

void json_stream_set_headers(struct exchange *exchange, const struct metadata *headers)
{
	struct json_stream *self = json_stream_of(exchange);

	json_stream_keep(self, headers, &self->headers);
}

static size_t json_stream_own_headers(const struct json_stream *self, struct h2_header *headers)
{
	size_t count = 0;
	struct span type = self->reply_type;

	if (self->content_type)
		type = span_from_str(self->content_type);
	else if (!type.len)
		type = SPAN_LIT("application/octet-stream"); /* a raw stream of nothing */
	headers[count++] = (struct h2_header){SPAN_LIT("content-type"), type};
	if (!json_stream_method(self)->server_streaming)
		return count;
	if (self->content_type)
		headers[count++] = (struct h2_header){SPAN_LIT("vary"), SPAN_LIT("accept")};
	if (json_stream_is_events(self) && !metadata_get(&self->headers, "cache-control").data)
		headers[count++] =
			(struct h2_header){SPAN_LIT("cache-control"), SPAN_LIT("no-store")};
	/* Proxies that collect answers are asked not to. */
	headers[count++] = (struct h2_header){SPAN_LIT("x-accel-buffering"), SPAN_LIT("no")};
	return count;
}

/* What the function says, as headers; trailers may be NULL. */
static size_t json_stream_metadata(struct json_stream *self, const struct metadata *trailers,
				   struct h2_header *headers)
{
	const struct config *config = self->base.front->params.config;
	size_t count = json_metadata_headers(config, JSON_METADATA_LEADING, &self->headers,
					     &self->arena, headers, JSON_STREAM_HEADERS_MAX);

	return count + json_metadata_headers(config, JSON_METADATA_TRAILING, trailers, &self->arena,
					     headers + count, JSON_STREAM_HEADERS_MAX);
}

static size_t json_stream_headers(struct json_stream *self, const struct metadata *trailers,
				  struct h2_header *headers)
{
	size_t count = json_stream_own_headers(self, headers);

	return count + json_stream_metadata(self, trailers, headers + count);
}

static void json_stream_begin(struct json_stream *self)
{
	struct h2_header headers[JSON_STREAM_OWN_HEADERS + JSON_STREAM_HEADERS_MAX];
	size_t count = json_stream_headers(self, NULL, headers);

	self->has_begun = true;
	http_request_begin(self->request, &(struct http_response){
						  .status = 200,
						  .headers = headers,
						  .header_count = count,
					  });
}

/* -- the body ---------------------------------------------------------------------------------- */

static void json_stream_end_body(struct json_stream *self, struct http_request *request)
{
	struct h2_header items[JSON_STREAM_HEADERS_MAX];
	struct h2_headers trailers = {.items = items};

	trailers.count = json_metadata_headers(self->base.front->params.config,
					       JSON_METADATA_TRAILING, &self->trailers,
					       &self->arena, items, JSON_STREAM_HEADERS_MAX);
	http_request_end_with(request, &trailers);
}

/* Everything was given to the transport after the router was through. */
static void json_stream_close(struct json_stream *self)
{
	struct http_request *request = self->request;

	self->request = NULL;
	if (self->is_broken)
		http_request_break(request);
	else
		json_stream_end_body(self, request);
	json_stream_end(self);
}

static bool json_stream_is_half_duplex(const struct json_stream *self)
{
	return !self->is_http2 && !self->has_body_ended;
}

/* The transport takes no more: on_gone is on its way, or the whole connection holds too much. */
static void json_stream_give_up(struct json_stream *self, enum status why)
{
	http_request_abort(self->request);
	self->request = NULL;
	if (self->state == JSON_STREAM_ENDING)
		json_stream_end(self);
	else
		json_stream_stop_later(self, why == ST_UNAVAILABLE ? ST_CANCELLED : why,
				       "too much is unsent on the connection");
}

void json_stream_flush(struct json_stream *self)
{
	enum reply_body_state pushed;
	enum status why = ST_OK;

	if (!self->request || !json_stream_method(self)->server_streaming)
		return;
	if (!self->has_begun) {
		if (json_stream_is_half_duplex(self) || buf_len(&self->body.out) == 0)
			return;
		json_stream_begin(self);
	}
	pushed = reply_body_push(&self->body, self->request, &why);
	if (pushed == REPLY_BODY_BROKEN) {
		json_stream_give_up(self, why);
	} else if (self->state == JSON_STREAM_ENDING && pushed == REPLY_BODY_EMPTY) {
		json_stream_close(self);
	} else if (self->state == JSON_STREAM_ENDING) {
		timer_start_in(&self->silence,
			       self->base.front->params.config->http_idle_timeout_ms);
	}
}

void json_stream_on_drained(void *data)
{
	struct json_stream *self = data;

	json_stream_flush(self);
	if (self->state == JSON_STREAM_RUNNING)
		reply_body_wake(&self->body, self->request, &self->exchange);
}

void json_stream_start_heartbeat(struct json_stream *self)
{
	uint64_t wait_ms = self->base.front->params.config->http_sse_heartbeat_ms;

	if (json_stream_is_events(self) && wait_ms)
		timer_start_in(&self->heartbeat, wait_ms);
}

void json_stream_on_heartbeat(void *data)
{
	struct json_stream *self = data;

	/* A client that takes nothing gets no more. */
	if (self->request && reply_body_waiting(&self->body, self->request) == 0 &&
	    stream_frame_heartbeat(&self->frame, &self->body.out))
		json_stream_flush(self);
	if (self->state == JSON_STREAM_RUNNING)
		json_stream_start_heartbeat(self);
}

/* Appends one message as it is laid out in the body. */
static enum status json_stream_print(struct json_stream *self, struct span message,
				     struct error *err)
{
	struct transcode_options options =
		transcode_options_of(&self->base.front->transcode, self->rule->options);
	struct transcode_printer printer = {self->routes->api->schema, &options};
	bool is_framed = self->content_type != NULL;
	struct transcode_reply reply;
	size_t start = buf_len(&self->body.out);
	enum status status = ST_OK;

	options.add_whitespace &= !is_framed; /* a line is a message */
	if (is_framed && !stream_frame_open(&self->frame, &self->body.out, &start))
		status = ST_RESOURCE_EXHAUSTED;
	if (!status)
		status = transcode_out(self->rule, message, &printer, &self->body.out, &reply, err);
	if (!status && reply.is_raw && !buf_append(&self->body.out, reply.body))
		status = ST_RESOURCE_EXHAUSTED;
	if (!status && is_framed && !stream_frame_close(&self->frame, &self->body.out, start))
		status = ST_RESOURCE_EXHAUSTED;
	if (status) {
		buf_truncate(&self->body.out, start);
		self->body.out.is_full = false;
		return status == ST_RESOURCE_EXHAUSTED
			       ? error_set(err, status, "the reply is too large")
			       : status;
	}
	if (!self->has_reply)
		self->reply_type = arena_span(&self->arena, reply.content_type);
	return ST_OK;
}

enum status json_stream_send(struct exchange *exchange, struct span message)
{
	struct json_stream *self = json_stream_of(exchange);
	bool is_stream = json_stream_method(self)->server_streaming;
	bool is_held = json_stream_is_half_duplex(self);
	struct error err;

	if (self->failure.status)
		return ST_OK; /* the end is near */
	if (is_stream && reply_body_is_full(&self->body, self->request, is_held))
		return ST_RESOURCE_EXHAUSTED;
	if (!is_stream && self->has_reply) {
		json_stream_stop_later(self, ST_INTERNAL, "more than one message in a unary reply");
		return ST_OK;
	}
	if (json_stream_print(self, message, &err)) {
		json_stream_stop_later(self, ST_INTERNAL, err.message);
		return ST_OK;
	}
	self->has_reply = true;
	if (!is_stream)
		return ST_OK;
	json_stream_start_heartbeat(self);
	if (timer_is_set(&self->silence)) /* who listens is not silent */
		json_stream_start_silence(self);
	json_stream_flush(self);
	if (reply_body_is_early(&self->body, is_held))
		json_stream_stop_later(self, ST_RESOURCE_EXHAUSTED, REPLY_BODY_EARLY_TEXT);
	return ST_OK;
}

size_t json_stream_unsent(const struct exchange *exchange)
{
	const struct json_stream *self = json_stream_of(exchange);

	return reply_body_unsent(&self->body, self->request, json_stream_is_half_duplex(self));
}

/* -- the end ----------------------------------------------------------------------------------- */

/* The whole reply is here and nothing of it was sent. */
static void json_stream_respond(struct json_stream *self, const struct metadata *trailers)
{
	struct h2_header headers[JSON_STREAM_OWN_HEADERS + 2 * JSON_STREAM_HEADERS_MAX];
	size_t count = json_stream_headers(self, trailers, headers);
	struct http_request *request = self->request;

	self->request = NULL;
	http_request_respond(request, &(struct http_response){
					      .status = 200,
					      .headers = headers,
					      .header_count = count,
					      .body = buf_span(&self->body.out),
				      });
	json_stream_end(self);
}

/* In the body, after messages. */
static void json_stream_tell_inside(struct json_stream *self,
				    const struct json_stream_failure *failure)
{
	struct status_failure status = {failure->code, failure->message, failure->details};
	bool is_told = false;
	struct buf text;

	buf_init(&text, HTTP_REPLY_ERROR_BYTES_MAX);
	if (self->content_type &&
	    (!status_map_json(self->base.front->status_map, self->routes->api->schema, &status,
			      &text) ||
	     !stream_frame_error(&self->frame, buf_span(&text), &self->body.out, &is_told)))
		is_told = false;
	buf_fini(&text);
	self->is_broken = !is_told;
	json_stream_flush(self);
}

/* The router is through. */
static void json_stream_enter_end(struct json_stream *self)
{
	self->state = JSON_STREAM_ENDING;
	front_call_answered(&self->base);
	timer_stop(&self->silence);
	timer_stop(&self->heartbeat);
}

void json_stream_tell(struct json_stream *self, const struct json_stream_failure *failure)
{
	struct h2_header headers[2 * JSON_STREAM_HEADERS_MAX];
	struct http_request *request = self->request;
	size_t count;

	json_stream_enter_end(self);
	if (!request) {
		json_stream_end(self);
		return;
	}
	if (self->has_begun) {
		json_stream_tell_inside(self, failure);
		return;
	}
	self->request = NULL;
	count = json_stream_metadata(self, failure->trailers, headers);
	http_reply_error(request, &(struct http_reply_error){
					  .code = failure->code,
					  .http_status = failure->http_status,
					  .message = failure->message,
					  .details = failure->details,
					  .origin = failure->is_of_request ? HTTP_REPLY_OF_REQUEST
									   : HTTP_REPLY_OF_CALL,
					  .map = self->base.front->status_map,
					  .schema = self->routes->api->schema,
					  .headers = headers,
					  .header_count = count,
				  });
	json_stream_end(self);
}

static void json_stream_finish_ok(struct json_stream *self, const struct grpc_status *status)
{
	bool is_stream = json_stream_method(self)->server_streaming;

	if (!is_stream && !self->has_reply) {
		json_stream_tell(self, &(struct json_stream_failure){
					       .code = ST_INTERNAL,
					       .message = SPAN_LIT("the call has no reply"),
				       });
		return;
	}
	if (self->content_type && !stream_frame_end(&self->frame, &self->body.out))
		self->is_broken = true; /* no room for the end */
	if (self->has_begun)
		json_stream_flush(self);
	else
		json_stream_respond(self, status->trailers);
}

void json_stream_finish(struct exchange *exchange, const struct grpc_status *status)
{
	struct json_stream *self = json_stream_of(exchange);

	json_stream_enter_end(self);
	if (self->has_begun && self->takes_trailers)
		json_stream_keep(self, status->trailers, &self->trailers);
	if (!self->request)
		json_stream_end(self);
	else if (status->code)
		json_stream_tell(self, &(struct json_stream_failure){
					       .code = status->code,
					       .message = status->message,
					       .details = status->details,
					       .trailers = status->trailers,
				       });
	else if (self->failure.status)
		json_stream_tell(self, &(struct json_stream_failure){
					       .code = self->failure.status,
					       .message = span_from_str(self->failure.message),
				       });
	else
		json_stream_finish_ok(self, status);
}
