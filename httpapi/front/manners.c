/* The request half of a request in our care.
 *
 *   transport -> packed -> zlib, a piece at a time -> handler
 *
 * A piece is unpacked only when the handler asks for one, so back-pressure goes through. */
#include "httpapi/front/manners.h"

#include "httpapi/cors.h"
#include "httpapi/encoding.h"
#include "httpapi/front/http_reply.h"
#include "src/base/gzip.h"
#include "src/base/mem.h"
#include "src/config/config.h"

/* One piece of a transport: at most what it may hold unread, the largest http2.stream_window. */
#define MANNERS_PACKED_MAX ((size_t)17 * 1024 * 1024)

static struct manners *manners_of(struct http_request *base)
{
	return container_of(base, struct manners, base);
}

static void manners_free(struct manners *self)
{
	loop_task_cancel(&self->work);
	gzip_reader_free(self->reader);
	buf_fini(&self->packed);
	buf_fini(&self->piece);
	mem_free(self->origin);
	mem_free(self->if_none_match);
	mem_free(self);
}

static void manners_end(struct manners *self)
{
	self->is_over = true;
	if (!self->is_pumping)
		manners_free(self);
}

/* -- a packed body ----------------------------------------------------------------------------- */

static void manners_fail(struct manners *self)
{
	const struct http_handler_ops *handler = self->base.handler;
	bool is_bomb = gzip_reader_is_bomb(self->reader);

	front_count_refused(self->front, is_bomb ? FRONT_REFUSED_SIZE : FRONT_REFUSED_MALFORMED);
	self->base.handler = NULL;
	handler->on_gone(self->base.handler_data, ST_CANCELLED);
	http_reply_error(
		&self->base,
		&(struct http_reply_error){
			.code = is_bomb ? ST_RESOURCE_EXHAUSTED : ST_INVALID_ARGUMENT,
			.http_status = is_bomb ? 413 : 400,
			.origin = HTTP_REPLY_OF_REQUEST,
			.message = is_bomb ? SPAN_LIT("the body grows too much when unpacked")
					   : SPAN_LIT("the body is not whole gzip"),
		});
}

static void manners_unpack(struct manners *self)
{
	size_t used;

	buf_reset(&self->piece);
	if (gzip_reader_feed(self->reader, buf_span(&self->packed), &used, &self->piece) ==
	    PARSE_BAD) {
		manners_fail(self);
		return;
	}
	buf_consume(&self->packed, used);
	self->has_more = buf_len(&self->piece) == GZIP_PIECE_BYTES;
	if (buf_len(&self->piece) == 0)
		return;
	self->is_wanted = false;
	self->base.handler->on_body(self->base.handler_data, buf_span(&self->piece));
}

static void manners_pump(struct manners *self)
{
	self->is_pumping = true;
	while (self->is_wanted && !self->is_over) {
		if (buf_len(&self->packed) || self->has_more) {
			manners_unpack(self);
		} else if (!self->has_ended) {
			if (!self->is_reading)
				http_request_read(self->inner);
			self->is_reading = true;
			break;
		} else if (self->has_bytes && !gzip_reader_is_whole(self->reader)) {
			manners_fail(self);
		} else {
			self->is_wanted = false;
			self->base.handler->on_body_end(self->base.handler_data);
		}
	}
	self->is_pumping = false;
	if (self->is_over)
		manners_free(self);
}

static void manners_work(void *data)
{
	manners_pump(data);
}

/* -- between transport and handler ------------------------------------------------------------- */

static void manners_on_body(void *data, struct span bytes)
{
	struct manners *self = data;

	if (!self->reader) {
		self->base.handler->on_body(self->base.handler_data, bytes);
		return;
	}
	self->is_reading = false;
	self->has_bytes = true;
	BUG_ON(!buf_append(&self->packed, bytes)); /* it was empty */
	manners_pump(self);
}

static void manners_on_body_end(void *data)
{
	struct manners *self = data;

	if (!self->reader) {
		self->base.handler->on_body_end(self->base.handler_data);
		return;
	}
	self->is_reading = false;
	self->has_ended = true;
	manners_pump(self);
}

static void manners_on_drained(void *data)
{
	struct manners *self = data;

	if (self->base.handler->on_drained)
		self->base.handler->on_drained(self->base.handler_data);
}

static void manners_on_gone(void *data, enum status why)
{
	struct manners *self = data;
	const struct http_handler_ops *handler = self->base.handler;

	self->base.handler = NULL;
	handler->on_gone(self->base.handler_data, why);
	manners_end(self);
}

static const struct http_handler_ops manners_handler = {
	.on_body = manners_on_body,
	.on_body_end = manners_on_body_end,
	.on_drained = manners_on_drained,
	.on_gone = manners_on_gone,
};

static void manners_read(struct http_request *base)
{
	struct manners *self = manners_of(base);

	self->inner->has_own_body_wait = base->has_own_body_wait;
	if (!self->reader) {
		http_request_read(self->inner);
		return;
	}
	BUG_ON(self->is_wanted);
	self->is_wanted = true;
	if (!self->is_pumping)
		loop_task_schedule(self->front->loop, &self->work);
}

static void manners_respond(struct http_request *base, const struct http_response *response)
{
	struct manners *self = manners_of(base);

	manners_send(self, response);
	manners_end(self);
}

static void manners_abort(struct http_request *base)
{
	struct manners *self = manners_of(base);

	http_request_abort(self->inner);
	manners_end(self);
}

static void manners_begin_body(struct http_request *base, const struct http_response *head)
{
	manners_send_begin(manners_of(base), head);
}

static enum status manners_write(struct http_request *base, struct span bytes)
{
	return http_request_write(manners_of(base)->inner, bytes);
}

static size_t manners_unsent(const struct http_request *base)
{
	return http_request_unsent(container_of(base, struct manners, base)->inner);
}

static void manners_end_body(struct http_request *base, bool is_whole,
			     const struct h2_headers *trailers)
{
	struct manners *self = manners_of(base);

	if (trailers)
		http_request_end_with(self->inner, trailers);
	else if (is_whole)
		http_request_end(self->inner);
	else
		http_request_break(self->inner);
	manners_end(self);
}

static const struct http_transport_ops manners_transport = {
	.read = manners_read,
	.respond = manners_respond,
	.abort = manners_abort,
	.begin = manners_begin_body,
	.write = manners_write,
	.unsent = manners_unsent,
	.end = manners_end_body,
};

/* -- the beginning ----------------------------------------------------------------------------- */

static void manners_read_head(struct manners *self, const struct http_head *head)
{
	const struct config *config = self->front->params.config;
	struct span origin = h2_headers_get(&head->headers, "origin");
	struct span known = h2_headers_get(&head->headers, "if-none-match");
	struct encoding_accept accept = {0};

	for (size_t i = 0; config->http_gzip && i < head->headers.count; i++)
		if (span_eq_str(head->headers.items[i].name, "accept-encoding"))
			encoding_accept_add(&accept, head->headers.items[i].value);
	self->takes_gzip = encoding_takes_gzip(&accept);
	if (cors_allows(&self->front->cors, origin))
		self->origin = mem_strndup(origin.data, origin.len);
	self->is_safe =
		span_eq(head->method, SPAN_LIT("GET")) || span_eq(head->method, SPAN_LIT("HEAD"));
	if (known.len && self->is_safe)
		self->if_none_match = mem_strndup(known.data, known.len);
}

/* POST with the method that is meant in a header, from clients behind something that lets no other
 * pass. */
static bool manners_override(struct manners *self, struct http_head *head)
{
	static const char *const methods[] = {"PUT", "PATCH", "DELETE", "GET"};
	struct span method = h2_headers_get(&head->headers, "x-http-method-override");

	if (!self->front->params.config->http_method_override || !method.data ||
	    !span_eq(head->method, SPAN_LIT("POST")))
		return true;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (span_eq_str(method, methods[i])) {
			head->method = span_from_str(methods[i]);
			return true;
		}
	front_count_refused(self->front, FRONT_REFUSED_MALFORMED);
	http_reply_error(&self->base,
			 &(struct http_reply_error){
				 .code = ST_INVALID_ARGUMENT,
				 .message = SPAN_LIT("X-HTTP-Method-Override is one of PUT, "
						     "PATCH, DELETE and GET"),
			 });
	return false;
}

static bool manners_open_body(struct manners *self, struct http_head *head)
{
	static const struct h2_header accepted = {SPAN_LIT("accept-encoding"), SPAN_LIT("gzip")};
	enum encoding encoding = encoding_of(h2_headers_get(&head->headers, "content-encoding"));

	if (head->content_length == 0 || encoding == ENCODING_IDENTITY)
		return true;
	if (encoding == ENCODING_UNKNOWN) {
		front_count_refused(self->front, FRONT_REFUSED_TYPE);
		http_reply_error(
			&self->base,
			&(struct http_reply_error){
				.code = ST_INVALID_ARGUMENT,
				.http_status = 415,
				.message = SPAN_LIT("only gzip is read as Content-Encoding"),
				.headers = &accepted,
				.header_count = 1,
			});
		return false;
	}
	self->reader = gzip_reader_new();
	buf_init(&self->packed, MANNERS_PACKED_MAX);
	buf_init(&self->piece, GZIP_PIECE_BYTES);
	/* What is too long when packed is refused by its length. */
	if (head->content_length <= self->front->params.config->http_max_body_bytes)
		head->content_length = HTTP_LENGTH_UNKNOWN;
	return true;
}

struct http_request *manners_begin(struct front *front, struct http_request *request,
				   struct http_head *head)
{
	struct manners *self = mem_new(struct manners);

	self->base.transport = &manners_transport;
	self->inner = request;
	self->front = front;
	self->base.has_plain_errors = front->params.config->http_errors == CONFIG_ERRORS_CLOUDSTATE;
	loop_task_init(&self->work, manners_work, self);
	http_request_set_handler(request, &manners_handler, self);
	manners_read_head(self, head);
	if (manners_preflight(self, head)) {
		manners_end(self);
		return NULL;
	}
	if (!manners_override(self, head) || !manners_open_body(self, head))
		return NULL;
	return &self->base;
}
