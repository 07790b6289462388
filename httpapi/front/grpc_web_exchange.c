/* A gRPC-Web call as an exchange, over either version of HTTP.
 *
 *   BODY ──first message──> RUNNING ──finish, or a failure──> ENDING ──all is sent──> OVER
 *
 * A request of one message is read to its end before the router sees the call; one that is a stream
 * is shown at once. Over HTTP/1.1 nothing is sent before the request was read to its end: half
 * duplex. Whatever fails is told in the trailers of an answer with status 200, as to any gRPC
 * client. */
#include "httpapi/front/front_internal.h"
#include "httpapi/front/grpc_entry.h"
#include "httpapi/front/grpc_web.h"
#include "httpapi/front/http_request.h"
#include "httpapi/front/json_metadata.h"
#include "httpapi/front/reply_body.h"
#include "httpapi/front/routes.h"
#include "proto/schema.h"
#include "src/base/arena.h"
#include "src/base/clock.h"
#include "src/base/mem.h"
#include "src/config/config.h"
#include "src/grpc/grpc_call.h"
#include "src/grpc/grpc_trailers.h"
#include "src/router/exchange.h"
#include "src/runtime/timer.h"
#include "src/userfn/api.h"

/* The largest message from the function (12 MiB) in base64, after others that wait. */
#define GRPC_WEB_OUT_BYTES_MAX ((size_t)48 * 1024 * 1024)

enum grpc_web_state {
	GRPC_WEB_BODY,	  /* the one message is read; the router knows nothing yet */
	GRPC_WEB_RUNNING, /* the router has the call */
	GRPC_WEB_ENDING,  /* the router is through; the last bytes wait for the client */
	GRPC_WEB_OVER,	  /* freed at the end of the turn */
};

struct grpc_web {
	struct front_call base;
	struct exchange exchange;
	struct http_request *request; /* NULL when it is answered or gone */
	struct routes *routes;	      /* holds a reference: the method */
	const struct method *method;
	enum grpc_web_state state;
	enum grpc_web_form form; /* of the reply */
	struct timer deadline;
	struct timer silence;  /* of the client while its body is asked for, or while it takes
				  nothing of a complete reply */
	struct loop_task work; /* what must not happen inside an operation of the exchange */
	struct arena arena;
	struct metadata metadata;
	struct metadata headers; /* leading, for the client */
	struct grpc_web_reader reader;
	struct reply_body body;
	struct error failure; /* of our own, to be told by work */
	bool is_http2;
	bool is_wanted;	     /* a read of the handler is unanswered */
	bool is_reading;     /* a read of the body is unanswered */
	bool has_body_ended; /* all of it is in the reader */
	bool is_pumping;
	bool has_begun; /* the head is out */
};

static struct grpc_web *grpc_web_of(const struct exchange *exchange)
{
	return container_of(exchange, struct grpc_web, exchange);
}

/* -- life -------------------------------------------------------------------------------------- */

static void grpc_web_free(struct grpc_web *self)
{
	timer_stop(&self->deadline);
	timer_stop(&self->silence);
	loop_task_cancel(&self->work);
	grpc_web_reader_fini(&self->reader);
	reply_body_fini(&self->body);
	routes_unref(self->routes);
	front_call_end(&self->base);
	arena_fini(&self->arena);
	mem_free(self);
}

/* Nothing is left to do for the client. */
static void grpc_web_end(struct grpc_web *self)
{
	self->state = GRPC_WEB_OVER;
	timer_stop(&self->deadline);
	timer_stop(&self->silence);
	loop_task_schedule(self->base.front->loop, &self->work);
}

static void grpc_web_cancel(struct grpc_web *self, enum status why)
{
	bool is_running = self->state == GRPC_WEB_RUNNING;

	self->state = GRPC_WEB_ENDING;
	front_call_answered(&self->base);
	if (is_running)
		self->exchange.handler->on_cancelled(&self->exchange, self->exchange.handler_data,
						     why);
}

/* The client does not take what it is sent. */
static void grpc_web_drop(struct grpc_web *self)
{
	http_request_abort(self->request);
	self->request = NULL;
	grpc_web_end(self);
}

static void grpc_web_cut(struct front_call *base)
{
	struct grpc_web *self = container_of(base, struct grpc_web, base);

	if (self->request)
		http_request_abort(self->request);
	self->request = NULL;
	grpc_web_cancel(self, ST_CANCELLED);
	grpc_web_free(self);
}

/* At the end of the turn: the call ends with a failure of our own. */
static void grpc_web_stop_later(struct grpc_web *self, enum status code, const char *message)
{
	if (self->failure.status)
		return;
	(void)error_set(&self->failure, code, "%s", message);
	loop_task_schedule(self->base.front->loop, &self->work);
}

/* -- the reply --------------------------------------------------------------------------------- */

static bool grpc_web_is_half_duplex(const struct grpc_web *self)
{
	return !self->is_http2 && !self->has_body_ended;
}

static size_t grpc_web_unsent(const struct exchange *exchange)
{
	const struct grpc_web *self = grpc_web_of(exchange);

	return reply_body_unsent(&self->body, self->request, grpc_web_is_half_duplex(self));
}

static void grpc_web_make_head(struct grpc_trailers *list, enum grpc_web_form form,
			       const struct metadata *headers)
{
	grpc_trailers_init(list);
	grpc_trailers_add(list, "content-type", grpc_web_content_type(form));
	/* Proxies that collect answers are asked not to. */
	grpc_trailers_add(list, "x-accel-buffering", SPAN_LIT("no"));
	/* Owed to a client whose encoding is refused. */
	grpc_trailers_add(list, "grpc-accept-encoding", SPAN_LIT("identity"));
	grpc_trailers_add_metadata(list, headers);
}

/* The whole reply is here and nothing of it was sent. */
static void grpc_web_respond(struct grpc_web *self)
{
	struct http_request *request = self->request;
	struct grpc_trailers head;

	self->request = NULL;
	grpc_web_make_head(&head, self->form, &self->headers);
	http_request_respond(request, &(struct http_response){
					      .status = 200,
					      .headers = head.items,
					      .header_count = head.count,
					      .body = buf_span(&self->body.out),
				      });
	grpc_trailers_fini(&head);
	grpc_web_end(self);
}

static void grpc_web_begin(struct grpc_web *self)
{
	struct grpc_trailers head;

	self->has_begun = true;
	grpc_web_make_head(&head, self->form, &self->headers);
	http_request_begin(self->request, &(struct http_response){
						  .status = 200,
						  .headers = head.items,
						  .header_count = head.count,
					  });
	grpc_trailers_fini(&head);
}

/* The transport takes no more: on_gone is on its way, or the whole connection holds too much. */
static void grpc_web_give_up(struct grpc_web *self, enum status why)
{
	http_request_abort(self->request);
	self->request = NULL;
	if (self->state == GRPC_WEB_ENDING)
		grpc_web_end(self);
	else
		grpc_web_stop_later(self, why == ST_UNAVAILABLE ? ST_CANCELLED : why,
				    "too much is unsent on the connection");
}

/* Everything was given to the transport after the router was through. */
static void grpc_web_close(struct grpc_web *self)
{
	struct http_request *request = self->request;

	self->request = NULL;
	http_request_end(request);
	grpc_web_end(self);
}

/* Gives the transport what it takes now. */
static void grpc_web_flush(struct grpc_web *self)
{
	enum reply_body_state pushed;
	enum status why = ST_OK;

	if (!self->request || grpc_web_is_half_duplex(self) || buf_len(&self->body.out) == 0)
		return;
	if (!self->has_begun)
		grpc_web_begin(self);
	pushed = reply_body_push(&self->body, self->request, &why);
	if (pushed == REPLY_BODY_BROKEN) {
		grpc_web_give_up(self, why);
	} else if (self->state == GRPC_WEB_ENDING && pushed == REPLY_BODY_EMPTY) {
		grpc_web_close(self);
	} else if (self->state == GRPC_WEB_ENDING) {
		timer_start_in(&self->silence,
			       self->base.front->params.config->http_idle_timeout_ms);
	}
}

static void grpc_web_on_drained(void *data)
{
	struct grpc_web *self = data;

	if (self->has_begun)
		grpc_web_flush(self);
	if (self->state == GRPC_WEB_RUNNING)
		reply_body_wake(&self->body, self->request, &self->exchange);
}

static void grpc_web_set_headers(struct exchange *exchange, const struct metadata *headers)
{
	struct grpc_web *self = grpc_web_of(exchange);

	for (size_t i = 0; i < headers->count; i++)
		if (metadata_add(&self->headers, &self->arena, headers->items[i].key,
				 headers->items[i].value))
			return; /* more than a client takes: what fits is sent */
}

/* A single reply waits for its status: mostly they make one answer. */
static enum status grpc_web_send(struct exchange *exchange, struct span message)
{
	struct grpc_web *self = grpc_web_of(exchange);
	bool is_held = grpc_web_is_half_duplex(self);

	if (self->failure.status)
		return ST_OK; /* the end is near */
	if (self->method->server_streaming &&
	    reply_body_is_full(&self->body, self->request, is_held))
		return ST_RESOURCE_EXHAUSTED;
	if (!grpc_web_write_message(self->form, message, &self->body.out)) {
		grpc_web_stop_later(self, ST_RESOURCE_EXHAUSTED, "the reply is too large");
		return ST_OK;
	}
	if (!self->method->server_streaming)
		return ST_OK;
	grpc_web_flush(self);
	if (reply_body_is_early(&self->body, is_held))
		grpc_web_stop_later(self, ST_RESOURCE_EXHAUSTED, REPLY_BODY_EARLY_TEXT);
	return ST_OK;
}

/* The router is through, or was told to be: the client hears how it ended. */
static void grpc_web_answer(struct grpc_web *self, const struct grpc_status *status)
{
	self->state = GRPC_WEB_ENDING;
	front_call_answered(&self->base);
	timer_stop(&self->silence);
	if (!self->request) {
		grpc_web_end(self);
		return;
	}
	if (!grpc_web_write_status(self->form, status, &self->body.out))
		grpc_web_drop(self); /* no room for the end */
	else if (!self->has_begun && (grpc_web_is_half_duplex(self) ||
				      buf_len(&self->body.out) <= REPLY_BODY_PIECE_BYTES))
		grpc_web_respond(self);
	else
		grpc_web_flush(self);
}

static void grpc_web_finish(struct exchange *exchange, const struct grpc_status *status)
{
	struct grpc_web *self = grpc_web_of(exchange);
	const struct error *err = &self->failure;
	struct grpc_status failed = {.code = err->status, .message = span_from_str(err->message)};

	grpc_web_answer(self, status->code == ST_OK && err->status ? &failed : status);
}

/* Ends the call from our side: the handler is cancelled, the client hears of it. */
static void grpc_web_stop(struct grpc_web *self, enum status code, struct span message)
{
	struct grpc_status status = {.code = code, .message = message};

	grpc_web_cancel(self, code == ST_DEADLINE_EXCEEDED ? code : ST_CANCELLED);
	grpc_web_answer(self, &status);
}

/* -- the request ------------------------------------------------------------------------------- */

/* What the client sent cannot be read. */
static void grpc_web_refuse(struct grpc_web *self, const struct error *err)
{
	front_count_refused(self->base.front, err->status == ST_RESOURCE_EXHAUSTED
						      ? FRONT_REFUSED_SIZE
						      : FRONT_REFUSED_MALFORMED);
	grpc_web_stop(self, err->status, span_from_str(err->message));
}

static void grpc_web_ask(struct grpc_web *self)
{
	const struct config *config = self->base.front->params.config;
	uint64_t wait_ms = self->method->client_streaming ? config->http_stream_idle_timeout_ms
							  : config->http_body_timeout_ms;

	if (self->is_reading)
		return;
	self->is_reading = true;
	if (wait_ms)
		timer_start_in(&self->silence, wait_ms);
	http_request_read(self->request);
}

static void grpc_web_accept(struct grpc_web *self)
{
	self->state = GRPC_WEB_RUNNING;
	front_accept(self->base.front, &self->exchange);
}

/* Gives the message, or the end of them. */
static void grpc_web_give(struct grpc_web *self, const struct span *message)
{
	const struct exchange_handler_ops *handler = self->exchange.handler;

	self->is_wanted = false;
	if (!message) {
		handler->on_half_close(&self->exchange, self->exchange.handler_data);
		return;
	}
	handler->on_message(&self->exchange, self->exchange.handler_data, *message);
	grpc_web_reader_take(&self->reader);
}

/* Of a request that is to be one message, nothing more is here yet. What is more than that is for
 * the handler to judge. */
static bool grpc_web_may_be_last(const struct grpc_web *self, struct span message)
{
	return self->state == GRPC_WEB_BODY &&
	       grpc_web_reader_waiting(&self->reader) == GRPC_FRAME_HEAD_BYTES + message.len;
}

/* Does one step with what is here; false when it must wait for more, or the call is over. */
static bool grpc_web_step(struct grpc_web *self)
{
	struct span message = SPAN_EMPTY;
	struct error err;
	enum grpc_frame_state frame = grpc_web_reader_next(&self->reader, &message, &err);
	bool is_more = frame == GRPC_FRAME_MORE;

	if (is_more && self->has_body_ended && grpc_web_reader_waiting(&self->reader)) {
		(void)error_set(&err, ST_INTERNAL, "the request ended within a message");
		frame = GRPC_FRAME_BAD;
	}
	if (frame == GRPC_FRAME_BAD) {
		grpc_web_refuse(self, &err);
		return false;
	}
	if (!self->has_body_ended && (is_more || grpc_web_may_be_last(self, message))) {
		grpc_web_ask(self);
		return false;
	}
	if (self->state == GRPC_WEB_BODY)
		grpc_web_accept(self);
	else
		grpc_web_give(self, is_more ? NULL : &message);
	return true;
}

static void grpc_web_pump(struct grpc_web *self)
{
	self->is_pumping = true;
	while (self->state == GRPC_WEB_BODY || (self->state == GRPC_WEB_RUNNING && self->is_wanted))
		if (!grpc_web_step(self))
			break;
	self->is_pumping = false;
}

static void grpc_web_read(struct exchange *exchange)
{
	struct grpc_web *self = grpc_web_of(exchange);

	BUG_ON(self->is_wanted);
	self->is_wanted = true;
	if (!self->is_pumping)
		loop_task_schedule(self->base.front->loop, &self->work);
}

static void grpc_web_on_body(void *data, struct span bytes)
{
	struct grpc_web *self = data;
	struct error err;

	self->is_reading = false;
	timer_stop(&self->silence);
	if (self->state == GRPC_WEB_ENDING)
		return; /* what is not read holds the client back */
	if (grpc_web_reader_feed(&self->reader, bytes, &err))
		grpc_web_refuse(self, &err);
	else
		grpc_web_pump(self);
}

static void grpc_web_on_body_end(void *data)
{
	struct grpc_web *self = data;
	struct error err;

	self->is_reading = false;
	timer_stop(&self->silence);
	self->has_body_ended = true;
	if (self->state == GRPC_WEB_ENDING)
		return;
	if (grpc_web_reader_end(&self->reader, &err)) {
		grpc_web_refuse(self, &err);
		return;
	}
	grpc_web_pump(self);
	if (self->state == GRPC_WEB_RUNNING && self->method->server_streaming)
		grpc_web_flush(self); /* HTTP/1.1: what had to wait for this */
}

static void grpc_web_on_gone(void *data, enum status why)
{
	struct grpc_web *self = data;

	self->request = NULL;
	grpc_web_cancel(self, why);
	grpc_web_end(self);
}

static const struct http_handler_ops grpc_web_handler = {
	.on_body = grpc_web_on_body,
	.on_body_end = grpc_web_on_body_end,
	.on_drained = grpc_web_on_drained,
	.on_gone = grpc_web_on_gone,
};

static const struct exchange_front_ops grpc_web_front_ops = {
	.read = grpc_web_read,
	.set_headers = grpc_web_set_headers,
	.send = grpc_web_send,
	.unsent = grpc_web_unsent,
	.finish = grpc_web_finish,
};

/* -- timers and the rest of the turn ----------------------------------------------------------- */

static void grpc_web_work(void *data)
{
	struct grpc_web *self = data;

	if (self->state == GRPC_WEB_OVER)
		grpc_web_free(self);
	else if (self->state == GRPC_WEB_ENDING)
		return;
	else if (self->failure.status)
		grpc_web_stop(self, self->failure.status, span_from_str(self->failure.message));
	else
		grpc_web_pump(self);
}

static void grpc_web_on_deadline(void *data)
{
	struct grpc_web *self = data;

	if (self->state == GRPC_WEB_ENDING)
		grpc_web_drop(self);
	else
		grpc_web_stop(self, ST_DEADLINE_EXCEEDED, SPAN_LIT("the call's deadline passed"));
}

static void grpc_web_on_silence(void *data)
{
	struct grpc_web *self = data;

	if (self->state == GRPC_WEB_ENDING)
		grpc_web_drop(self);
	else
		grpc_web_stop(self, ST_DEADLINE_EXCEEDED,
			      SPAN_LIT("the request was silent for too long"));
}

/* -- the beginning ----------------------------------------------------------------------------- */

/* As over HTTP/2, without what belongs to this connection alone or says that it is gRPC-Web. */
static enum status grpc_web_read_metadata(struct grpc_web *self, const struct http_head *head,
					  struct error *err)
{
	enum status status = ST_OK;

	for (size_t i = 0; i < head->headers.count && !status; i++) {
		struct h2_header header = head->headers.items[i];

		if (!span_eq_str(header.name, "x-grpc-web") &&
		    !json_metadata_is_hop(&head->headers, header.name))
			status = metadata_from_headers(&self->metadata, &self->arena,
						       &(struct h2_headers){&header, 1}, err);
	}
	front_strip_metadata(self->base.front, &self->metadata);
	return status;
}

static enum status grpc_web_read_head(struct grpc_web *self, const struct http_head *head,
				      struct error *err)
{
	struct front *front = self->base.front;
	struct grpc_head read;
	enum status status = grpc_head_read(&head->headers, &read, err);

	if (status)
		return status;
	if (read.has_gzip)
		return error_set(err, ST_UNIMPLEMENTED,
				 "packed messages are not read over gRPC-Web");
	self->exchange.deadline_ns = grpc_entry_deadline_ns(
		front, self->method, clock_deadline(loop_now_ns(front->loop), read.wait_ns));
	if (self->exchange.deadline_ns != DEADLINE_NEVER)
		timer_start(&self->deadline, self->exchange.deadline_ns);
	return grpc_web_read_metadata(self, head, err);
}

static struct grpc_web *grpc_web_new(struct front *front, const struct api_method *method,
				     enum grpc_web_form request_form)
{
	struct grpc_web *self = mem_new(struct grpc_web);

	front_call_begin(front, &self->base, grpc_web_cut);
	self->routes = routes_ref(front->routes);
	self->method = method->schema;
	self->exchange = (struct exchange){
		.front = &grpc_web_front_ops,
		.method = method,
		.metadata = &self->metadata,
		.deadline_ns = DEADLINE_NEVER,
		.protocol = "grpc-web",
	};
	timer_init(&self->deadline, front->loop, grpc_web_on_deadline, self);
	timer_init(&self->silence, front->loop, grpc_web_on_silence, self);
	loop_task_init(&self->work, grpc_web_work, self);
	/* Metadata of both ways. */
	arena_init(&self->arena, 2 * GRPC_METADATA_BYTES_MAX);
	grpc_web_reader_init(&self->reader, request_form,
			     front->params.config->grpc_max_message_bytes);
	reply_body_init(&self->body, GRPC_WEB_OUT_BYTES_MAX);
	return self;
}

/* A call that never becomes one. */
static void grpc_web_answer_refusal(struct http_request *request, enum grpc_web_form form,
				    const struct grpc_refusal *refusal)
{
	struct grpc_status status = {refusal->code, span_from_str(refusal->message), SPAN_EMPTY,
				     NULL};
	struct grpc_trailers head;
	struct buf body;

	buf_init(&body, REPLY_BODY_PIECE_BYTES);
	(void)grpc_web_write_status(form, &status, &body); /* fits */
	grpc_web_make_head(&head, form, NULL);
	http_request_respond(request, &(struct http_response){
					      .status = 200,
					      .headers = head.items,
					      .header_count = head.count,
					      .body = buf_span(&body),
				      });
	grpc_trailers_fini(&head);
	buf_fini(&body);
}

void grpc_web_serve(struct front *front, struct http_request *request, const struct http_head *head)
{
	enum grpc_web_form request_form = grpc_web_form(head->content_type);
	enum grpc_web_form form = grpc_web_reply_form(&head->headers, request_form);
	struct grpc_refusal refusal;
	const struct api_method *method = grpc_entry_find(front, head->target, &refusal);
	struct grpc_web *self;
	struct error err;

	if (!method) {
		grpc_web_answer_refusal(request, form, &refusal);
		return;
	}
	self = grpc_web_new(front, method, request_form);
	self->form = form;
	self->request = request;
	self->is_http2 = head->is_http2;
	self->exchange.peer = head->peer;
	request->has_own_body_wait = true;
	http_request_set_handler(request, &grpc_web_handler, self);
	if (grpc_web_read_head(self, head, &err)) {
		grpc_web_refuse(self, &err);
		return;
	}
	if (self->method->client_streaming)
		grpc_web_accept(self);
	else
		grpc_web_pump(self);
}
