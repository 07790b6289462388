#include "src/cli/rehearsal.h"

#include "httpapi/front/front_internal.h"
#include "httpapi/front/http_guard.h"
#include "httpapi/front/http_reply.h"
#include "httpapi/front/http_request.h"
#include "httpapi/front/routes.h"
#include "httpapi/option_selection.h"
#include "proto/json.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/cli/offline.h"
#include "src/config/call_options.h"
#include "src/router/exchange.h"
#include "src/runtime/loop.h"
#include "src/userfn/api.h"

/* One piece of a body, as a socket gives it. */
#define REHEARSAL_PIECE_BYTES ((size_t)64 * 1024)

/* JSON of a request: longer than its wire bytes, but not by that much. */
#define REHEARSAL_JSON_BYTES_MAX ((size_t)1024 * 1024 * 1024)

/* Everything happens within one turn of the loop; a request that needs longer hangs. */
#define REHEARSAL_WAIT_NS (10 * NS_PER_S)

struct rehearsal {
	struct http_request base;
	const struct offline *offline;
	struct loop *loop;
	struct metrics *metrics;
	struct front_stage stage;
	struct front *front;
	struct loop_task work;
	struct rehearsal_result result;

	/* the request */
	struct arena *arena;
	struct span body; /* what was not given yet */
	size_t body_length;
	struct http_framing framing;
	bool is_wanted; /* a read is unanswered */
	bool is_over;
};

static struct rehearsal *rehearsal_of(struct http_request *base)
{
	return container_of(base, struct rehearsal, base);
}

/* -- the client -------------------------------------------------------------------------------- */

static void rehearsal_read(struct http_request *base)
{
	struct rehearsal *self = rehearsal_of(base);

	BUG_ON(self->is_wanted);
	self->is_wanted = true;
	loop_task_schedule(self->loop, &self->work);
}

/* Gives what was asked for. */
static void rehearsal_work(void *data)
{
	struct rehearsal *self = data;
	const struct http_handler_ops *handler = self->base.handler;
	struct span piece = span_head(self->body, REHEARSAL_PIECE_BYTES);

	if (!self->is_wanted || !handler)
		return;
	self->is_wanted = false;
	self->body = span_skip(self->body, piece.len);
	if (piece.len) {
		handler->on_body(self->base.handler_data, piece);
		return;
	}
	self->result.is_cut =
		!self->framing.is_chunked && self->framing.content_length != self->body_length;
	handler->on_body_end(self->base.handler_data);
}

static void rehearsal_keep(struct rehearsal *self, const struct http_response *response)
{
	struct h2_header *headers =
		arena_new_array(self->arena, struct h2_header, response->header_count + 1);

	self->result.http_status = response->status;
	for (size_t i = 0; headers && i < response->header_count; i++)
		headers[i] =
			(struct h2_header){arena_span(self->arena, response->headers[i].name),
					   arena_span(self->arena, response->headers[i].value)};
	self->result.headers = (struct h2_headers){headers, headers ? response->header_count : 0};
	(void)buf_append(&self->result.body, response->body); /* pages are far shorter */
}

static void rehearsal_respond(struct http_request *base, const struct http_response *response)
{
	struct rehearsal *self = rehearsal_of(base);

	rehearsal_keep(self, response);
	self->is_over = true;
}

static void rehearsal_abort(struct http_request *base)
{
	rehearsal_of(base)->is_over = true;
}

static void rehearsal_begin(struct http_request *base, const struct http_response *head)
{
	rehearsal_keep(rehearsal_of(base), head);
}

static enum status rehearsal_write(struct http_request *base, struct span bytes)
{
	(void)buf_append(&rehearsal_of(base)->result.body, bytes);
	return ST_OK;
}

static size_t rehearsal_unsent(const struct http_request *base)
{
	(void)base;
	return 0;
}

static void rehearsal_end(struct http_request *base, bool is_whole,
			  const struct h2_headers *trailers)
{
	(void)trailers;
	(void)is_whole;
	rehearsal_of(base)->is_over = true;
}

static const struct http_transport_ops rehearsal_transport = {
	.read = rehearsal_read,
	.respond = rehearsal_respond,
	.abort = rehearsal_abort,
	.begin = rehearsal_begin,
	.write = rehearsal_write,
	.unsent = rehearsal_unsent,
	.end = rehearsal_end,
};

/* -- the method -------------------------------------------------------------------------------- */

static void rehearsal_on_message(struct exchange *exchange, void *data, struct span message)
{
	struct rehearsal *self = data;
	/* gRPC-Web follows no rule. */
	const struct call_options plain = option_selection_default(&self->offline->config, false);
	const struct call_options *from =
		self->result.has_route ? self->result.match.route->rule.options : &plain;
	const struct json_print_options options = {
		.schema = self->offline->schema,
		.always_print_primitive_fields = from->always_print_primitive_fields,
		.always_print_enums_as_ints = from->always_print_enums_as_ints,
		.preserve_proto_field_names = from->preserve_proto_field_names,
		.int64_as_number = from->int64_as_number,
		.unknown_any_as_base64 = true,
		.has_plain_masks = true,
	};
	struct error err;

	if (buf_len(&self->result.messages))
		(void)buf_append_byte(&self->result.messages, ',');
	if (json_from_wire(exchange->method->schema->input, message, &options,
			   &self->result.messages, &err))
		exchange_fail(exchange, err.status, span_from_str(err.message));
	else
		exchange_read(exchange);
}

/* Nothing answers: what the client would hear now is nobody's business. */
static void rehearsal_on_half_close(struct exchange *exchange, void *data)
{
	struct rehearsal *self = data;

	self->result.is_bound = true;
	exchange_fail(exchange, ST_CANCELLED, SPAN_EMPTY);
}

static void rehearsal_on_cancelled(struct exchange *exchange, void *data, enum status why)
{
	(void)exchange;
	(void)data;
	(void)why;
}

static const struct exchange_handler_ops rehearsal_handler = {
	.on_message = rehearsal_on_message,
	.on_half_close = rehearsal_on_half_close,
	.on_cancelled = rehearsal_on_cancelled,
};

static void rehearsal_on_route(void *data, const struct route_match *match)
{
	struct rehearsal *self = data;

	self->result.has_route = true;
	self->result.match = *match;
}

static void rehearsal_accept(void *data, struct exchange *exchange)
{
	exchange->handler = &rehearsal_handler;
	exchange->handler_data = data;
	exchange_read(exchange);
}

static bool rehearsal_is_ready(void *data, const char **reason)
{
	(void)data;
	(void)reason;
	return true;
}

/* -- both -------------------------------------------------------------------------------------- */

static bool rehearsal_is_over(void *data)
{
	const struct rehearsal *self = data;

	return self->is_over;
}

static void rehearsal_reset(struct rehearsal *self, const struct rehearsal_request *request,
			    struct arena *arena)
{
	struct rehearsal_result *result = &self->result;

	/* The match is large and set by its route. */
	result->has_route = false;
	result->is_bound = false;
	result->is_cut = false;
	result->http_status = 0;
	result->headers = (struct h2_headers){0};
	buf_reset(&result->messages);
	buf_reset(&result->body);
	self->base = (struct http_request){.transport = &rehearsal_transport};
	self->arena = arena;
	self->body = request->body;
	self->body_length = request->body.len;
	self->framing = (struct http_framing){0};
	self->is_wanted = false;
	self->is_over = false;
}

static void rehearsal_serve(struct rehearsal *self, const struct rehearsal_request *request)
{
	const struct http_guard_head guarded = {
		.method = request->method, .target = request->target, .headers = request->headers};
	const char *fault = http_guard_http1(&guarded, &self->framing);
	const struct http_head head = {
		.method = request->method,
		.target = request->target,
		.content_type = h2_headers_get(&request->headers, "content-type"),
		.content_length = self->framing.is_chunked ? HTTP_LENGTH_UNKNOWN
							   : self->framing.content_length,
		.headers = request->headers,
		.peer = "127.0.0.1:0",
	};

	if (fault)
		http_reply_error(&self->base, &(struct http_reply_error){
						      .code = ST_INVALID_ARGUMENT,
						      .http_status = 400,
						      .message = span_from_str(fault),
					      });
	else
		dispatch_serve(self->front, &self->base, &head);
}

const struct rehearsal_result *
rehearsal_run(struct rehearsal *self, const struct rehearsal_request *request, struct arena *arena)
{
	rehearsal_reset(self, request, arena);
	rehearsal_serve(self, request);
	if (!loop_run_until(self->loop, rehearsal_is_over, self,
			    clock_mono_ns() + REHEARSAL_WAIT_NS) &&
	    self->base.handler)
		self->base.handler->on_gone(self->base.handler_data, ST_CANCELLED);
	loop_task_cancel(&self->work);
	return &self->result;
}

enum status rehearsal_new(const struct offline *offline, struct rehearsal **ret_rehearsal,
			  struct error *err)
{
	struct rehearsal *self = mem_new(struct rehearsal);
	struct front_params params = {
		.config = &offline->config,
		.stage = &self->stage,
		.is_ready = rehearsal_is_ready,
	};
	enum status status;

	self->offline = offline;
	self->metrics = params.metrics = metrics_new();
	self->stage = (struct front_stage){rehearsal_on_route, rehearsal_accept, self};
	buf_init(&self->result.messages, REHEARSAL_JSON_BYTES_MAX);
	buf_init(&self->result.body, FRONT_REPLY_BYTES_MAX);
	loop_task_init(&self->work, rehearsal_work, self);
	status = loop_new(&self->loop, err);
	if (!status)
		status = front_new(self->loop, &params, &self->front, err);
	if (status) {
		rehearsal_free(self);
		return status;
	}
	self->front->routes = routes_ref(offline->routes);
	*ret_rehearsal = self;
	return ST_OK;
}

void rehearsal_free(struct rehearsal *self)
{
	if (!self)
		return;
	front_close(self->front);
	loop_free(self->loop);
	metrics_free(self->metrics);
	buf_fini(&self->result.messages);
	buf_fini(&self->result.body);
	mem_free(self);
}
