/* A unary JSON call as an exchange.
 *
 *   head -> route, metadata, deadline -> body, transcoded piece by piece -> router
 *   reply -> transcoded -> the answer, with the status the router finishes with
 *
 * The router sees the call once its message is whole, so a slow or malformed body never reaches it.
 */
#include "httpapi/front/front_internal.h"
#include "httpapi/front/http_reply.h"
#include "httpapi/front/http_request.h"
#include "httpapi/front/json_head.h"
#include "httpapi/front/json_metadata.h"
#include "httpapi/front/routes.h"
#include "httpapi/front/wishes.h"
#include "httpapi/partial.h"
#include "httpapi/route_table.h"
#include "httpapi/status_map.h"
#include "httpapi/transcode_in.h"
#include "httpapi/transcode_out.h"
#include "src/base/arena.h"
#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/mem.h"
#include "src/config/call_options.h"
#include "src/config/config.h"
#include "src/grpc/grpc_call.h"
#include "src/grpc/metadata.h"
#include "src/router/exchange.h"
#include "src/runtime/timer.h"
#include "src/userfn/api.h"

/* Target, metadata both ways, and what transcoding keeps: heads have at most 32 KiB (R5). */
#define JSON_ARENA_BYTES_MAX ((size_t)1024 * 1024)

#define JSON_RESPONSE_HEADERS_MAX 128

enum json_state {
	JSON_BODY,    /* the body is read; the router knows nothing yet */
	JSON_RUNNING, /* the router has the call */
	JSON_OVER,
};

struct json_exchange {
	struct front_call base;
	struct exchange exchange;
	struct http_request *request; /* NULL when it is answered or gone */
	struct routes *routes;	      /* holds a reference: method and rule */
	const struct http_rule *rule;
	enum json_state state;
	bool in_callback; /* of the handler: freed when it returns */
	bool is_wanted;	  /* a read is unanswered */
	bool has_given;	  /* the message */
	bool has_reply;
	struct timer deadline;
	struct loop_task give;
	struct arena arena;
	struct metadata metadata;
	struct metadata headers; /* leading, for the client */
	struct transcode_in in;
	struct wishes wishes;
	struct h2_headers accept; /* of a GET whose reply chooses its own type */
	bool is_unacceptable;	  /* and chose one that the client does not take */
	struct buf message;	  /* wire bytes of the request */
	struct buf reply;	  /* body of the answer */
	struct span reply_type;
	struct error reply_error; /* why the reply cannot be shown */
};

/* Objects kept with their memory, as many as a busy moment has calls at once; and only memory of
 * the usual size, so that a burst of large calls leaves nothing behind. */
#define JSON_SPARE_MAX 128
#define JSON_SPARE_BYTES ((size_t)2048)

static struct json_exchange *json_exchange_new(struct front *front)
{
	struct list *node = list_pop_front(&front->json_spare);
	struct json_exchange *self;
	struct arena arena;
	struct buf message;
	struct buf reply;

	if (!node) {
		self = mem_new(struct json_exchange);
		arena_init(&self->arena, JSON_ARENA_BYTES_MAX);
		buf_init(&self->message, front->transcode.message_max);
		buf_init(&self->reply, FRONT_REPLY_BYTES_MAX);
		return self;
	}
	front->json_spare_count--;
	self = list_entry(node, struct json_exchange, base.node);
	arena = self->arena;
	message = self->message;
	reply = self->reply;
	*self = (struct json_exchange){.arena = arena, .message = message, .reply = reply};
	return self;
}

static void json_exchange_drop(struct json_exchange *self)
{
	buf_fini(&self->message);
	buf_fini(&self->reply);
	arena_fini(&self->arena);
	mem_free(self);
}

void json_exchange_drop_spare(struct front *front)
{
	struct list *node;

	while ((node = list_pop_front(&front->json_spare)))
		json_exchange_drop(list_entry(node, struct json_exchange, base.node));
	front->json_spare_count = 0;
}

static void json_exchange_trim(struct buf *buf)
{
	if (buf_len(buf) > JSON_SPARE_BYTES)
		buf_fini(buf);
	else
		buf_reset(buf);
}

static void json_exchange_free(struct json_exchange *self)
{
	struct front *front = self->base.front;

	timer_stop(&self->deadline);
	loop_task_cancel(&self->give);
	transcode_in_fini(&self->in);
	routes_unref(self->routes);
	front_call_end(&self->base);
	if (front->json_spare_count == JSON_SPARE_MAX) {
		json_exchange_drop(self);
		return;
	}
	json_exchange_trim(&self->message);
	json_exchange_trim(&self->reply);
	if (self->arena.used_bytes > JSON_SPARE_BYTES)
		arena_fini(&self->arena);
	else
		arena_reset(&self->arena);
	list_push_front(&front->json_spare, &self->base.node);
	front->json_spare_count++;
}

static void json_exchange_end(struct json_exchange *self)
{
	self->state = JSON_OVER;
	if (!self->in_callback)
		json_exchange_free(self);
}

/* Tells the handler, if there is one, and ends. */
static void json_exchange_cancel(struct json_exchange *self, enum status why)
{
	bool is_running = self->state == JSON_RUNNING;

	self->state = JSON_OVER;
	if (is_running) {
		self->in_callback = true;
		self->exchange.handler->on_cancelled(&self->exchange, self->exchange.handler_data,
						     why);
	}
	json_exchange_free(self);
}

/* -- answers ----------------------------------------------------------------------------------- */

static void json_exchange_reply_error(struct json_exchange *self, struct http_reply_error *error)
{
	struct http_request *request = self->request;

	self->request = NULL;
	error->map = self->base.front->status_map;
	error->schema = self->routes->api->schema;
	http_reply_error(request, error);
}

/* Leading and trailing metadata: the head is not out yet. */
static size_t json_exchange_headers(struct json_exchange *self, const struct grpc_status *status,
				    struct h2_header headers[2 * JSON_RESPONSE_HEADERS_MAX])
{
	const struct config *config = self->base.front->params.config;
	size_t count = json_metadata_headers(config, JSON_METADATA_LEADING, &self->headers,
					     &self->arena, headers, JSON_RESPONSE_HEADERS_MAX);

	return count + json_metadata_headers(config, JSON_METADATA_TRAILING, status->trailers,
					     &self->arena, headers + count,
					     JSON_RESPONSE_HEADERS_MAX);
}

/* The call did not go well. */
static void json_exchange_reply_failed(struct json_exchange *self, const struct grpc_status *status)
{
	struct h2_header headers[2 * JSON_RESPONSE_HEADERS_MAX];

	json_exchange_reply_error(
		self, &(struct http_reply_error){
			      .code = status->code,
			      .message = status->message,
			      .details = status->details,
			      .origin = HTTP_REPLY_OF_CALL,
			      .headers = headers,
			      .header_count = json_exchange_headers(self, status, headers),
		      });
}

static void json_exchange_reply_internal(struct json_exchange *self, struct span message)
{
	json_exchange_reply_error(self, &(struct http_reply_error){
						.code = ST_INTERNAL,
						.message = message,
						.origin = HTTP_REPLY_OF_CALL,
					});
}

/* A failure of our own before the router saw the call. */
static void json_exchange_fail(struct json_exchange *self, const struct error *err)
{
	struct span message = span_from_str(err->message);
	struct buf details;

	front_count_refused(self->base.front,
			    self->in.http_status == 413 ? FRONT_REFUSED_SIZE
			    : self->in.http_status == 415 || self->in.http_status == 406
				    ? FRONT_REFUSED_TYPE
				    : FRONT_REFUSED_MALFORMED);
	buf_init(&details, HTTP_REPLY_ERROR_BYTES_MAX);
	transcode_in_details(&self->in, err, &details);
	json_exchange_reply_error(self, &(struct http_reply_error){
						.code = err->status,
						.http_status = self->in.http_status,
						.message = message,
						.details = buf_span(&details),
						.origin = HTTP_REPLY_OF_REQUEST,
					});
	buf_fini(&details);
	json_exchange_end(self);
}

static void json_exchange_reply_ok(struct json_exchange *self, const struct grpc_status *status)
{
	const struct call_options *options = self->rule->options;
	struct http_request *request = self->request;
	struct h2_header headers[1 + 2 * JSON_RESPONSE_HEADERS_MAX];
	bool is_nothing = options->empty_no_content && !self->rule->response_field &&
			  self->rule->method->output->known == KNOWN_EMPTY;

	int http_status = json_metadata_status(self->base.front->params.config, &self->headers,
					       is_nothing ? 204 : 200);
	size_t count = 1 + json_exchange_headers(self, status, headers + 1);

	is_nothing = is_nothing || http_status == 204 || http_status == 205 || http_status == 304;
	headers[0] = (struct h2_header){SPAN_LIT("content-type"), self->reply_type};
	self->request = NULL;
	http_request_respond(request,
			     &(struct http_response){
				     .status = http_status,
				     .headers = is_nothing ? headers + 1 : headers,
				     .header_count = is_nothing ? count - 1 : count,
				     .body = is_nothing ? SPAN_EMPTY : buf_span(&self->reply),
				     .has_validator = options->etag && http_status == 200,
			     });
}

/* -- the exchange ------------------------------------------------------------------------------ */

static struct json_exchange *json_exchange_of(const struct exchange *exchange)
{
	return container_of(exchange, struct json_exchange, exchange);
}

static void json_exchange_read(struct exchange *exchange)
{
	struct json_exchange *self = json_exchange_of(exchange);

	BUG_ON(self->is_wanted);
	self->is_wanted = true;
	loop_task_schedule(self->base.front->loop, &self->give);
}

static void json_exchange_give(void *data)
{
	struct json_exchange *self = data;
	const struct exchange_handler_ops *handler = self->exchange.handler;

	self->is_wanted = false;
	self->in_callback = true;
	if (!self->has_given) {
		self->has_given = true;
		handler->on_message(&self->exchange, self->exchange.handler_data,
				    buf_span(&self->message));
	} else {
		handler->on_half_close(&self->exchange, self->exchange.handler_data);
	}
	self->in_callback = false;
	if (self->state == JSON_OVER)
		json_exchange_free(self);
}

static void json_exchange_set_headers(struct exchange *exchange, const struct metadata *headers)
{
	struct json_exchange *self = json_exchange_of(exchange);

	for (size_t i = 0; i < headers->count; i++)
		if (metadata_add(&self->headers, &self->arena, headers->items[i].key,
				 headers->items[i].value))
			return; /* more than an HTTP client takes: what fits is sent */
}

/* Cuts the reply down to what the client asked for. */
static void json_exchange_cut_reply(struct json_exchange *self, struct span json)
{
	struct buf left;

	buf_init(&left, FRONT_REPLY_BYTES_MAX);
	if (!partial_apply(self->wishes.partial, json, &left))
		(void)error_set(&self->reply_error, ST_RESOURCE_EXHAUSTED,
				"the reply is too large");
	buf_fini(&self->reply);
	self->reply = left;
}

static enum status json_exchange_send(struct exchange *exchange, struct span message)
{
	struct json_exchange *self = json_exchange_of(exchange);
	struct error *err = &self->reply_error;
	struct transcode_options options =
		transcode_options_of(&self->base.front->transcode, self->rule->options);
	struct transcode_printer printer = {self->routes->api->schema, &options};
	struct transcode_reply reply;

	if (self->has_reply) {
		(void)error_set(err, ST_INTERNAL, "more than one message in a unary reply");
		return ST_OK;
	}
	self->has_reply = true;
	options.add_whitespace = options.add_whitespace || self->wishes.is_pretty;
	/* What cannot be shown is told when the call finishes. */
	if (transcode_out(self->rule, message, &printer, &self->reply, &reply, err))
		return ST_OK;
	self->reply_type = arena_span(&self->arena, reply.content_type);
	if (reply.is_raw) {
		self->is_unacceptable = !wishes_accept(self->base.front->params.config,
						       &self->accept, reply.content_type);
		buf_reset(&self->reply);
		if (!buf_append(&self->reply, reply.body))
			(void)error_set(err, ST_RESOURCE_EXHAUSTED, "the reply is too large");
	} else if (self->wishes.partial) {
		json_exchange_cut_reply(self, reply.body);
	}
	return ST_OK;
}

static size_t json_exchange_unsent(const struct exchange *exchange)
{
	return buf_len(&json_exchange_of(exchange)->reply);
}

static void json_exchange_finish(struct exchange *exchange, const struct grpc_status *status)
{
	struct json_exchange *self = json_exchange_of(exchange);
	const struct error *err = &self->reply_error;

	if (status->code != ST_OK)
		json_exchange_reply_failed(self, status);
	else if (err->status)
		json_exchange_reply_internal(self, span_from_str(err->message));
	else if (!self->has_reply)
		json_exchange_reply_internal(self, SPAN_LIT("the call has no reply"));
	else if (self->is_unacceptable)
		json_exchange_reply_error(
			self, &(struct http_reply_error){
				      .code = ST_INVALID_ARGUMENT,
				      .http_status = 406,
				      .message = SPAN_LIT("this reply is in none of the types that "
							  "Accept allows"),
				      .origin = HTTP_REPLY_OF_CALL,
			      });
	else
		json_exchange_reply_ok(self, status);
	json_exchange_end(self);
}

static const struct exchange_front_ops json_exchange_front_ops = {
	.read = json_exchange_read,
	.set_headers = json_exchange_set_headers,
	.send = json_exchange_send,
	.unsent = json_exchange_unsent,
	.finish = json_exchange_finish,
};

/* -- the request ------------------------------------------------------------------------------- */

static void json_exchange_on_body(void *data, struct span bytes)
{
	struct json_exchange *self = data;
	struct error err;
	size_t used;

	if (transcode_in_feed(&self->in, bytes, &used, &err) == PARSE_BAD)
		json_exchange_fail(self, &err);
	else
		http_request_read(self->request);
}

static void json_exchange_on_body_end(void *data)
{
	struct json_exchange *self = data;
	struct error err;

	if (transcode_in_end(&self->in, &err) != PARSE_DONE) {
		json_exchange_fail(self, &err);
		return;
	}
	self->state = JSON_RUNNING;
	front_accept(self->base.front, &self->exchange);
}

static void json_exchange_on_gone(void *data, enum status why)
{
	struct json_exchange *self = data;

	self->request = NULL;
	json_exchange_cancel(self, why);
}

static const struct http_handler_ops json_exchange_handler = {
	.on_body = json_exchange_on_body,
	.on_body_end = json_exchange_on_body_end,
	.on_gone = json_exchange_on_gone,
};

static void json_exchange_on_deadline(void *data)
{
	struct json_exchange *self = data;

	json_exchange_reply_error(self, &(struct http_reply_error){
						.code = ST_DEADLINE_EXCEEDED,
						.message = SPAN_LIT("the call's deadline passed"),
						.origin = HTTP_REPLY_OF_CALL,
					});
	json_exchange_cancel(self, ST_DEADLINE_EXCEEDED);
}

static void json_exchange_cut(struct front_call *base)
{
	struct json_exchange *self = container_of(base, struct json_exchange, base);

	http_request_abort(self->request);
	self->request = NULL;
	json_exchange_cancel(self, ST_CANCELLED);
}

/* -- the beginning ----------------------------------------------------------------------------- */

/* What the function does for others than GET and HEAD is done when its type is known. */
static void json_exchange_keep_accept(struct json_exchange *self, const struct http_head *head)
{
	struct h2_header *items;
	size_t count = 0;

	if (!self->rule->is_raw_response ||
	    (!span_eq_str(head->method, "GET") && !span_eq_str(head->method, "HEAD")))
		return;
	items = arena_new_array(&self->arena, struct h2_header, head->headers.count + 1);
	for (size_t i = 0; items && i < head->headers.count; i++)
		if (span_eq_str(head->headers.items[i].name, "accept"))
			items[count++] = (struct h2_header){
				SPAN_LIT("accept"),
				arena_span(&self->arena, head->headers.items[i].value)};
	self->accept = (struct h2_headers){items, count};
}

/* The captures point into a target that lives no longer than the head: moves them to a copy. */
static bool json_exchange_keep_path(struct json_exchange *self, struct span path,
				    struct route_match *match)
{
	struct span kept = arena_span(&self->arena, path);

	for (size_t i = 0; kept.data && i < match->route->rule.variable_count; i++)
		if (match->captures[i].data)
			match->captures[i].data = kept.data + (match->captures[i].data - path.data);
	return kept.data != NULL;
}

static enum status json_exchange_start(struct json_exchange *self, const struct http_head *head,
				       struct route_match *match, struct error *err)
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
	const struct config *config = self->base.front->params.config;
	const char *refusal = wishes_refusal(config, &head->headers, self->rule);
	struct span path;
	enum status status;

	if (refusal) {
		self->in.http_status = 406;
		return error_set(err, ST_INVALID_ARGUMENT, "%s", refusal);
	}
	json_exchange_keep_accept(self, head);
	status = json_head_read(self->base.front, &into, head, err);
	if (status)
		return status;
	if (!route_target_split(head->target, &path, &params.query) ||
	    !json_exchange_keep_path(self, path, match))
		return error_set(err, ST_INVALID_ARGUMENT, "malformed request target");
	status = wishes_take(config, self->rule, &self->arena, &params.query, &self->wishes, err);
	return status ? status : transcode_in_start(&self->in, &params, err);
}

static void json_exchange_begin(struct front *front, struct http_request *request,
				const struct http_head *head, struct route_match *match)
{
	struct json_exchange *self = json_exchange_new(front);
	struct error err;

	front_call_begin(front, &self->base, json_exchange_cut);
	self->request = request;
	self->routes = routes_ref(front->routes);
	self->rule = &match->route->rule;
	self->exchange = (struct exchange){
		.front = &json_exchange_front_ops,
		.method = match->route->data,
		.metadata = &self->metadata,
		.protocol = "json",
		.peer = head->peer,
	};
	timer_init(&self->deadline, front->loop, json_exchange_on_deadline, self);
	loop_task_init(&self->give, json_exchange_give, self);
	http_request_set_handler(request, &json_exchange_handler, self);
	if (json_exchange_start(self, head, match, &err))
		json_exchange_fail(self, &err);
	else
		http_request_read(request);
}

static void json_exchange_refuse(struct front *front, struct http_request *request,
				 enum front_refusal why, const struct http_reply_error *error)
{
	front_count_refused(front, why);
	http_reply_error(request, error);
}

void json_exchange_serve(struct front *front, struct http_request *request,
			 const struct http_head *head, struct route_match *match)
{
	const struct config *config = front->params.config;

	if (front->running_count >= config->http_max_requests) {
		json_exchange_refuse(front, request, FRONT_REFUSED_LIMIT,
				     &(struct http_reply_error){
					     .code = ST_RESOURCE_EXHAUSTED,
					     .message = SPAN_LIT("too many calls in progress"),
				     });
		return;
	}
	if (match->route->rule.method->client_streaming ||
	    match->route->rule.method->server_streaming)
		json_stream_serve(front, request, head, match);
	else
		json_exchange_begin(front, request, head, match);
}
