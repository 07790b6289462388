#include "httpapi/front/http2.h"

#include <stdio.h>

#include "httpapi/front/http_guard.h"
#include "httpapi/front/http_reply.h"
#include "src/base/error.h"
#include "src/base/list.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/base/text.h"
#include "src/grpc/grpc_codec.h"
#include "src/runtime/loop.h"
#include "src/runtime/timer.h"

/* Headers of one response: what a handler gives and the two of ours. */
#define HTTP2_RESPONSE_HEADERS_MAX 256

/* Answered before its body was read, a stream is not reset at once: clients in the middle of
 * sending take that for a failure. So much of the body is dropped first, for so long. */
#define HTTP2_DRAIN_BYTES_MAX ((size_t)16 * 1024 * 1024)
#define HTTP2_DRAIN_MS 2000

/* A reply that is sent if any is: an error that says why a larger one is not. */
#define HTTP2_SMALL_BYTES ((size_t)4096)

struct http2 {
	struct loop *loop;
	struct http2_params params;
	struct list conns;
	struct list requests;
	size_t active;			  /* in requests */
	struct metrics_series *resets[2]; /* ours, the client's; NULL without metrics */
};

struct http2_conn {
	struct list node;
	struct http2 *http2;
	struct h2_session *session;
	void *token;
};

/* A plain request. It lives until its stream is closed, whoever ends first. */
struct http2_request {
	struct http_request base;
	struct list node;
	struct http2 *http2;
	struct h2_stream *stream;
	struct loop_task pump;
	struct timer wait; /* for the next piece of the body, or while it is dropped */
	size_t dropped;
	bool is_wanted;	       /* a read is unanswered */
	bool has_ended;	       /* the client's half */
	bool is_draining;      /* answered but for the end: the rest of the body is dropped */
	bool is_head;	       /* HEAD: no body in the answer */
	bool expects_continue; /* 100 is owed when the body is asked for */
};

static void http2_request_read(struct http_request *base)
{
	struct http2_request *request = container_of(base, struct http2_request, base);

	BUG_ON(request->is_wanted);
	request->is_wanted = true;
	if (request->expects_continue && !request->has_ended &&
	    !h2_stream_peek(request->stream).len)
		h2_stream_inform(request->stream);
	request->expects_continue = false;
	if (!request->has_ended && !base->has_own_body_wait)
		timer_start_in(&request->wait, request->http2->params.body_timeout_ms);
	/* Usually nothing has come yet, and the data itself will call the pump. */
	if (request->has_ended || h2_stream_peek(request->stream).len)
		loop_task_schedule(request->http2->loop, &request->pump);
}

/* The client is silent in the middle of its body. */
static void http2_request_time_out(struct http2_request *request)
{
	const struct http_handler_ops *handler = request->base.handler;

	request->base.handler = NULL;
	handler->on_gone(request->base.handler_data, ST_DEADLINE_EXCEEDED);
	http_reply_error(&request->base,
			 &(struct http_reply_error){
				 .code = ST_DEADLINE_EXCEEDED,
				 .http_status = 408,
				 .message = SPAN_LIT("the request body does not come"),
			 });
}

static void http2_request_on_wait_over(void *data)
{
	struct http2_request *request = data;

	if (!request->is_draining) {
		http2_request_time_out(request);
		return;
	}
	request->is_draining = false;
	h2_stream_end(request->stream); /* and a reset with NO_ERROR */
}

static void http2_request_drain(struct http2_request *request)
{
	request->is_draining = true;
	timer_start_in(&request->wait, HTTP2_DRAIN_MS);
	loop_task_schedule(request->http2->loop, &request->pump);
}

static void http2_request_drop(struct http2_request *request)
{
	size_t n = h2_stream_peek(request->stream).len;

	h2_stream_consume(request->stream, n);
	request->dropped += n;
	if (!request->has_ended && request->dropped <= HTTP2_DRAIN_BYTES_MAX)
		return;
	request->is_draining = false;
	timer_stop(&request->wait);
	h2_stream_end(request->stream);
}

/* More than the connection may hold unsent: because the reply is large or the client takes none. */
static void http2_request_too_large(struct http2_request *request)
{
	http_reply_error(&request->base,
			 &(struct http_reply_error){
				 .code = ST_RESOURCE_EXHAUSTED,
				 .message = SPAN_LIT("the reply is larger than what may wait on "
						     "this connection"),
			 });
}

/* Sends the head; length is that of the body, or HTTP_LENGTH_UNKNOWN. */
static void http2_request_send_head(struct http2_request *request,
				    const struct http_response *response, uint64_t body_length,
				    bool is_end)
{
	struct h2_header items[HTTP2_RESPONSE_HEADERS_MAX];
	size_t count = 0;
	char status[16];
	char length[24];

	(void)snprintf(status, sizeof(status), "%d", response->status);
	(void)snprintf(length, sizeof(length), "%llu", (unsigned long long)body_length);
	items[count++] = (struct h2_header){SPAN_LIT(":status"), span_from_str(status)};
	if (response->status != 204 && response->status != 304 &&
	    body_length != HTTP_LENGTH_UNKNOWN)
		items[count++] =
			(struct h2_header){SPAN_LIT("content-length"), span_from_str(length)};
	for (size_t i = 0; i < response->header_count && count < HTTP2_RESPONSE_HEADERS_MAX; i++)
		items[count++] = response->headers[i];
	h2_stream_respond(request->stream, &(struct h2_headers){items, count}, is_end);
}

static void http2_request_respond(struct http_request *base, const struct http_response *response)
{
	struct http2_request *request = container_of(base, struct http2_request, base);
	bool is_empty = request->is_head || response->body.len == 0;

	if (!is_empty && response->body.len > HTTP2_SMALL_BYTES &&
	    response->body.len > h2_stream_room(request->stream)) {
		http2_request_too_large(request);
		return;
	}
	request->is_wanted = false;
	timer_stop(&request->wait);
	loop_task_cancel(&request->pump);
	http2_request_send_head(request, response, response->body.len,
				is_empty && request->has_ended);
	if (!is_empty && h2_stream_write(request->stream, response->body))
		h2_stream_reset(request->stream, H2_ENHANCE_YOUR_CALM); /* not even this little */
	else if (!request->has_ended)
		http2_request_drain(request);
	else if (!is_empty)
		h2_stream_end(request->stream);
}

static void http2_request_begin(struct http_request *base, const struct http_response *head)
{
	struct http2_request *request = container_of(base, struct http2_request, base);

	http2_request_send_head(request, head, HTTP_LENGTH_UNKNOWN, request->is_head);
}

static enum status http2_request_write(struct http_request *base, struct span bytes)
{
	struct http2_request *request = container_of(base, struct http2_request, base);

	return request->is_head ? ST_OK : h2_stream_write(request->stream, bytes);
}

static size_t http2_request_unsent(const struct http_request *base)
{
	return h2_stream_unsent(container_of(base, struct http2_request, base)->stream);
}

static void http2_request_end_stream(struct http_request *base, bool is_whole,
				     const struct h2_headers *trailers)
{
	struct http2_request *request = container_of(base, struct http2_request, base);

	request->is_wanted = false;
	timer_stop(&request->wait);
	loop_task_cancel(&request->pump);
	if (trailers && !request->is_head)
		h2_stream_end_with_trailers(request->stream, trailers);
	else if (is_whole)
		h2_stream_end(request->stream); /* drops the rest of the request itself */
	else
		h2_stream_break(request->stream);
}

static void http2_request_abort(struct http_request *base)
{
	struct http2_request *request = container_of(base, struct http2_request, base);

	request->is_wanted = false;
	timer_stop(&request->wait);
	loop_task_cancel(&request->pump);
	h2_stream_reset(request->stream, H2_CANCEL);
}

static const struct http_transport_ops http2_transport = {
	.read = http2_request_read,
	.respond = http2_request_respond,
	.abort = http2_request_abort,
	.begin = http2_request_begin,
	.write = http2_request_write,
	.unsent = http2_request_unsent,
	.end = http2_request_end_stream,
};

static void http2_request_pump(void *data)
{
	struct http2_request *request = data;

	if (request->is_draining) {
		http2_request_drop(request);
		return;
	}
	while (request->is_wanted) {
		const struct http_handler_ops *handler = request->base.handler;
		struct span bytes = h2_stream_peek(request->stream);

		if (bytes.len == 0 && !request->has_ended)
			return;
		request->is_wanted = false;
		timer_stop(&request->wait);
		if (bytes.len == 0) {
			handler->on_body_end(request->base.handler_data);
			return;
		}
		handler->on_body(request->base.handler_data, bytes);
		h2_stream_consume(request->stream, bytes.len);
	}
}

static void http2_request_on_data(void *data, struct h2_stream *stream)
{
	(void)stream;
	http2_request_pump(data);
}

static void http2_request_on_end(void *data, struct h2_stream *stream)
{
	struct http2_request *request = data;

	(void)stream;
	request->has_ended = true;
	http2_request_pump(request);
}

static void http2_request_end(struct http2_request *request)
{
	const struct http_handler_ops *handler = request->base.handler;
	struct http2 *http2 = request->http2;

	loop_task_cancel(&request->pump);
	timer_stop(&request->wait);
	request->base.handler = NULL;
	if (handler)
		handler->on_gone(request->base.handler_data, ST_CANCELLED);
	list_remove(&request->node);
	mem_free(request);
	http2->active--;
	if (http2->params.on_request_done)
		http2->params.on_request_done(http2->params.data);
}

static void http2_request_on_drained(void *data, struct h2_stream *stream)
{
	struct http2_request *request = data;
	const struct http_handler_ops *handler = request->base.handler;

	(void)stream;
	if (handler && handler->on_drained)
		handler->on_drained(request->base.handler_data);
}

static void http2_request_on_closed(void *data, struct h2_stream *stream, bool is_clean,
				    bool lost_session, uint32_t h2_code)
{
	struct http2_request *request = data;

	(void)stream;
	(void)is_clean;
	(void)lost_session;
	(void)h2_code;
	http2_request_end(request);
}

static const struct h2_stream_ops http2_request_ops = {
	.on_data = http2_request_on_data,
	.on_end = http2_request_on_end,
	.on_drained = http2_request_on_drained,
	.on_closed = http2_request_on_closed,
};

/* The library has checked the framing; this is what is left of the guard list. */
static const char *http2_guard(const struct h2_headers *headers, uint64_t *ret_length)
{
	struct span length = h2_headers_get(headers, "content-length");
	struct span path = h2_headers_get(headers, ":path");
	struct span authority = h2_headers_get(headers, ":authority");
	struct span host = h2_headers_get(headers, "host");
	const char *fault = path.data ? http_guard_target(path) : NULL; /* CONNECT has none */

	*ret_length = HTTP_LENGTH_UNKNOWN;
	if (fault)
		return fault;
	/* Spec: RFC 9113 8.3.1 */
	if (authority.data && host.data && !span_eq_nocase(authority, host))
		return "Host differs from :authority";
	if (length.data && !text_to_u64(length, ret_length))
		return "malformed content-length";
	return NULL;
}

static struct http2_request *http2_request_new(struct http2 *http2, struct h2_stream *stream)
{
	struct http2_request *request = mem_new(struct http2_request);

	request->base.transport = &http2_transport;
	request->http2 = http2;
	request->stream = stream;
	loop_task_init(&request->pump, http2_request_pump, request);
	timer_init(&request->wait, http2->loop, http2_request_on_wait_over, request);
	list_push_back(&http2->requests, &request->node);
	http2->active++;
	h2_stream_set_ops(stream, &http2_request_ops, request);
	return request;
}

static void http2_serve(struct http2 *http2, struct h2_stream *stream,
			const struct h2_headers *headers)
{
	struct http2_request *request = http2_request_new(http2, stream);
	struct http_head head = {
		.method = h2_headers_get(headers, ":method"),
		.target = h2_headers_get(headers, ":path"),
		.content_type = h2_headers_get(headers, "content-type"),
		.headers = *headers,
		.peer = h2_session_peer(h2_stream_session(stream)),
		.is_http2 = true,
	};
	const char *fault = http2_guard(headers, &head.content_length);

	request->is_head = span_eq(head.method, SPAN_LIT("HEAD"));
	request->expects_continue =
		span_eq_nocase(h2_headers_get(headers, "expect"), SPAN_LIT("100-continue"));
	if (fault)
		http_reply_error(&request->base, &(struct http_reply_error){
							 .code = ST_INVALID_ARGUMENT,
							 .message = span_from_str(fault),
						 });
	else
		http2->params.serve(http2->params.data, &request->base, &head);
}

static void http2_on_request(void *data, struct h2_stream *stream, const struct h2_headers *headers)
{
	struct http2_conn *conn = data;
	struct http2 *http2 = conn->http2;

	if (http2->params.serve_grpc &&
	    grpc_is_content_type(h2_headers_get(headers, "content-type")))
		http2->params.serve_grpc(http2->params.data, stream, headers);
	else
		http2_serve(http2, stream, headers);
}

static void http2_on_oversized(void *data, struct h2_stream *stream)
{
	struct http2_conn *conn = data;
	struct http2_request *request = http2_request_new(conn->http2, stream);

	http_reply_error(&request->base,
			 &(struct http_reply_error){
				 .code = ST_RESOURCE_EXHAUSTED,
				 .http_status = 431,
				 .message = SPAN_LIT("the request head is too large"),
			 });
}

static void http2_conn_end(struct http2_conn *conn)
{
	list_remove(&conn->node);
	conn->http2->params.on_closed(conn->http2->params.data, conn->token);
	mem_free(conn);
}

static void http2_on_closed(void *data, struct h2_session *session, const struct error *error)
{
	(void)session;
	(void)error; /* the client's own affair */
	http2_conn_end(data);
}

static void http2_on_reset(void *data, bool by_peer)
{
	struct http2_conn *conn = data;

	if (conn->http2->resets[by_peer])
		metrics_add(conn->http2->resets[by_peer], 1);
}

static const struct h2_session_ops http2_session_ops = {
	.on_request = http2_on_request,
	.on_reset = http2_on_reset,
	.on_oversized = http2_on_oversized,
	.on_closed = http2_on_closed,
};

struct http2 *http2_open(struct loop *loop, const struct http2_params *params)
{
	static const char *const who[] = {"gateway", "client"};
	struct http2 *http2 = mem_new(struct http2);

	http2->loop = loop;
	http2->params = *params;
	list_init(&http2->conns);
	list_init(&http2->requests);
	for (size_t i = 0; params->metrics && i < 2; i++) {
		struct metrics_label label = {"by", span_from_str(who[i])};

		http2->resets[i] = metrics_series(params->metrics, METRIC_H2_RESETS, &label, 1);
	}
	return http2;
}

void http2_add(struct http2 *http2, int fd, void *token)
{
	struct http2_conn *conn = mem_new(struct http2_conn);

	conn->http2 = http2;
	conn->token = token;
	list_push_back(&http2->conns, &conn->node);
	conn->session =
		h2_server_new(http2->loop, fd, &http2->params.limits, &http2_session_ops, conn);
}

size_t http2_active(const struct http2 *http2)
{
	return http2->active;
}

void http2_drain(struct http2 *http2)
{
	list_for_each_safe (node, &http2->conns)
		h2_session_drain(list_entry(node, struct http2_conn, node)->session);
}

void http2_close(struct http2 *http2)
{
	if (!http2)
		return;
	list_for_each_safe (node, &http2->requests) {
		struct http2_request *request = list_entry(node, struct http2_request, node);

		h2_stream_detach(request->stream);
		http2_request_end(request);
	}
	list_for_each_safe (node, &http2->conns) {
		struct http2_conn *conn = list_entry(node, struct http2_conn, node);

		h2_session_free(conn->session);
		http2_conn_end(conn);
	}
	mem_free(http2);
}
