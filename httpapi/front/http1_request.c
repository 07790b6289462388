/* One HTTP/1.1 request, as the library calls back for it: once with the request line (on_target),
 * once with the whole head, once per piece of the body, and once at its end; an answer may be
 * queued only in the second and the last of these. Between the last and the answer it is suspended.
 */
#include <string.h>

#include "httpapi/front/http1_internal.h"
#include "httpapi/front/http_reply.h"
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/base/mem.h"

#define HTTP1_HEADERS_MAX 256

static void http1_request_wake(struct http1_request *request)
{
	if (request->state != HTTP1_PAUSED && request->state != HTTP1_WAITING &&
	    !request->is_sleeping)
		return;
	request->is_sleeping = false;
	MHD_resume_connection(request->connection);
	http1_schedule(request->conn->http1);
}

static void http1_request_read(struct http_request *base)
{
	struct http1_request *request = container_of(base, struct http1_request, base);

	BUG_ON(request->is_wanted);
	request->is_wanted = true;
	if (request->state != HTTP1_PAUSED)
		return;
	http1_request_wake(request);
	request->state = HTTP1_BODY;
}

typedef enum MHD_Result (*http1_add_fn)(struct MHD_Response *, const char *, const char *);

static void http1_request_put(struct http1_request *request, const struct h2_header *header,
			      http1_add_fn add)
{
	char name[64];
	char *value;

	if (header->name.len >= sizeof(name))
		return;
	memcpy(name, header->name.data, header->name.len);
	name[header->name.len] = '\0';
	value = mem_strndup(header->value.data, header->value.len);
	/* Refuses what is no header; then it is left out. */
	(void)add(request->response, name, value);
	mem_free(value);
}

static void http1_request_set_headers(struct http1_request *request,
				      const struct http_response *response)
{
	bool is_close = request->must_close || request->conn->http1->is_draining;

	BUG_ON(!request->response); /* out of memory */
	for (size_t i = 0; i < response->header_count; i++)
		http1_request_put(request, &response->headers[i], MHD_add_response_header);
	if (is_close)
		(void)MHD_add_response_header(request->response, "Connection", "close");
}

/* The answer is there: it is queued as soon as the library takes it. */
static void http1_request_answer(struct http1_request *request,
				 const struct http_response *response)
{
	const struct http1_params *params = &request->conn->http1->params;

	http1_request_set_headers(request, response);
	request->status = (unsigned)response->status;
	request->is_wanted = false;
	http1_request_wake(request);
	if (request->state == HTTP1_BODY)
		timer_start_in(&request->conn->deadline, params->body_timeout_ms < HTTP1_DRAIN_MS
								 ? params->body_timeout_ms
								 : HTTP1_DRAIN_MS);
	request->body_bytes = 0; /* of what is dropped */
	request->state = HTTP1_ANSWERED;
}

/* A stream of messages whose end nobody knows, answered in its middle. */
static bool http1_request_respond_early(struct http1_request *request,
					const struct http_response *response)
{
	bool is_inside = request->state == HTTP1_BODY || request->state == HTTP1_PAUSED;

	/* must_close: within the head's own callback the library takes the answer itself. */
	if (!is_inside || request->has_ended || request->must_close ||
	    !request->base.has_own_body_wait || !http1_early_send(request, response))
		return false;
	http1_request_wake(request);
	request->is_wanted = false;
	request->state = HTTP1_BROKEN; /* the library ends it with the next piece of the body */
	timer_start_in(&request->conn->deadline, HTTP1_DRAIN_MS);
	return true;
}

static void http1_request_respond(struct http_request *base, const struct http_response *response)
{
	struct http1_request *request = container_of(base, struct http1_request, base);

	BUG_ON(request->response != NULL);
	if (http1_request_respond_early(request, response))
		return;
	request->response = MHD_create_response_from_buffer(
		response->body.len, (void *)(uintptr_t)response->body.data, MHD_RESPMEM_MUST_COPY);
	http1_request_answer(request, response);
}

static void http1_request_begin_stream(struct http_request *base, const struct http_response *head)
{
	struct http1_request *request = container_of(base, struct http1_request, base);

	BUG_ON(request->response != NULL || !request->has_ended);
	request->response = http1_stream_new(request);
	http1_request_answer(request, head);
}

static enum status http1_request_write(struct http_request *base, struct span bytes)
{
	struct http1_request *request = container_of(base, struct http1_request, base);
	enum status status = http1_stream_write(request, bytes);

	if (!status)
		http1_request_wake(request);
	return status;
}

static size_t http1_request_unsent(const struct http_request *base)
{
	return buf_len(&container_of(base, struct http1_request, base)->out);
}

static void http1_request_end_stream(struct http_request *base, bool is_whole,
				     const struct h2_headers *trailers)
{
	struct http1_request *request = container_of(base, struct http1_request, base);

	/* the library sends them after the last chunk, and none when the body has no chunks */
	for (size_t i = 0; trailers && i < trailers->count; i++)
		http1_request_put(request, &trailers->items[i], MHD_add_response_footer);

	request->has_finished = true;
	request->is_whole = is_whole;
	http1_request_wake(request);
}

static void http1_request_abort(struct http_request *base)
{
	struct http1_request *request = container_of(base, struct http1_request, base);

	http1_conn_cut(request->conn);
}

static const struct http_transport_ops http1_transport = {
	.read = http1_request_read,
	.respond = http1_request_respond,
	.abort = http1_request_abort,
	.begin = http1_request_begin_stream,
	.write = http1_request_write,
	.unsent = http1_request_unsent,
	.end = http1_request_end_stream,
};

void http1_request_break(struct http1_request *request, enum status why)
{
	const struct http_handler_ops *handler = request->base.handler;

	if (request->state == HTTP1_QUEUED)
		return;
	http1_request_wake(request);
	request->state = HTTP1_BROKEN;
	request->is_wanted = false;
	request->base.handler = NULL;
	if (handler)
		handler->on_gone(request->base.handler_data, why);
}

/* The library keeps every query parameter in the connection's pool and stops answering when they do
 * not fit (0.9.75: some 240 parameters). Nobody asks it for them, so it finds the query empty: the
 * target it shows is its own read buffer. */
static void http1_request_hide_query(const char *target)
{
	char *query = strchr(target, '?');

	if (query)
		query[1] = '\0';
}

void *http1_request_on_target(void *data, const char *target, struct MHD_Connection *connection)
{
	struct http1 *http1 = OBJ_CAST(struct http1, HTTP1_MAGIC, data);
	struct http1_request *request = mem_new(struct http1_request);
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	request->magic = HTTP1_REQUEST_MAGIC;
	request->base.transport = &http1_transport;
	request->connection = connection;
	request->conn = OBJ_CAST(struct http1_conn, HTTP1_CONN_MAGIC, info->socket_context);
	http1->idle_runs = 0;
	http1_request_free(request->conn->request);
	request->conn->request = request;
	request->target = mem_strdup(target); /* the library bounds it by its pool */
	http1_request_hide_query(target);
	if (request->conn->has_served)
		timer_start_in(&request->conn->deadline, http1->params.head_timeout_ms);
	http1->active++;
	return request;
}

struct http1_headers {
	struct h2_header items[HTTP1_HEADERS_MAX];
	size_t count;
	size_t bytes;
	bool is_over;
};

static enum MHD_Result http1_request_collect(void *data, enum MHD_ValueKind kind, const char *name,
					     const char *value)
{
	struct http1_headers *headers = data;
	struct h2_header header = {span_from_str(name), span_from_str(value)};

	(void)kind;
	headers->bytes += header.name.len + header.value.len + 4; /* ": " and CRLF */
	if (headers->count == HTTP1_HEADERS_MAX) {
		headers->is_over = true;
		return MHD_NO;
	}
	headers->items[headers->count++] = header;
	return MHD_YES;
}

/* Names in lower case; together they are shorter than the head. */
static void http1_request_lower(struct http1 *http1, struct http1_headers *headers)
{
	uint8_t *lower;

	buf_reset(&http1->names);
	lower = buf_reserve(&http1->names, headers->bytes);
	BUG_ON(!lower);
	for (size_t i = 0; i < headers->count; i++) {
		struct span name = headers->items[i].name;

		for (size_t k = 0; k < name.len; k++)
			lower[k] = name.data[k] >= 'A' && name.data[k] <= 'Z' ? name.data[k] | 0x20
									      : name.data[k];
		headers->items[i].name.data = lower;
		lower += name.len;
	}
}

static void http1_request_refuse(struct http1_request *request, enum status code, int status,
				 const char *fault)
{
	request->must_close = true;
	http_reply_error(&request->base, &(struct http_reply_error){
						 .code = code,
						 .http_status = status,
						 .message = span_from_str(fault),
					 });
}

static bool http1_request_has_body(const struct http1_request *request)
{
	return request->framing.is_chunked || request->framing.content_length > 0;
}

/* Watches how long the body is silent, unless the handler does. */
static void http1_request_watch_body(struct http1_request *request)
{
	if (request->base.has_own_body_wait)
		timer_stop(&request->conn->deadline);
	else
		timer_start_in(&request->conn->deadline,
			       request->conn->http1->params.body_timeout_ms);
}

/* The head is complete: refuses it or hands it over. */
static void http1_request_begin(struct http1_request *request, const char *method,
				const char *version)
{
	struct http1 *http1 = request->conn->http1;
	struct http1_headers headers;
	struct span target = span_from_str(request->target);
	struct http_guard_head guarded;
	struct http_head head;
	const char *fault;

	request->state = HTTP1_BODY;
	timer_start_in(&request->conn->deadline, http1->params.body_timeout_ms);
	headers.count = 0; /* the items need no zeroes */
	headers.bytes = strlen(method) + target.len + strlen(version) + 4;
	headers.is_over = false;
	(void)MHD_get_connection_values(request->connection, MHD_HEADER_KIND, http1_request_collect,
					&headers);
	guarded = (struct http_guard_head){
		.method = span_from_str(method),
		.target = target,
		.headers = {headers.items, headers.count},
		.is_http_1_0 = strcmp(version, "HTTP/1.1") != 0,
	};
	fault = http_guard_http1(&guarded, &request->framing);
	if (fault) {
		http1_request_refuse(request, ST_INVALID_ARGUMENT, 400, fault);
		return;
	}
	if (headers.is_over || headers.bytes > http1->params.max_head_bytes) {
		http1_request_refuse(request, ST_RESOURCE_EXHAUSTED, 431,
				     "the request head is too large");
		return;
	}
	http1_request_lower(http1, &headers);
	head = (struct http_head){
		.method = span_from_str(method),
		.target = target,
		.content_length = request->framing.is_chunked ? HTTP_LENGTH_UNKNOWN
							      : request->framing.content_length,
		.headers = {headers.items, headers.count},
		.peer = request->conn->peer,
	};
	head.content_type = h2_headers_get(&head.headers, "content-type");
	/* Answered before its body was read, it cannot be followed by another request. */
	request->must_close = http1_request_has_body(request);
	http1->params.serve(http1->params.data, &request->base, &head);
	request->must_close = false;
	if (request->base.has_own_body_wait && request->state == HTTP1_BODY)
		timer_stop(&request->conn->deadline);
}

static enum MHD_Result http1_request_queue(struct http1_request *request)
{
	enum MHD_Result result =
		MHD_queue_response(request->connection, request->status, request->response);

	timer_stop(&request->conn->deadline); /* the library's idle timeout takes over */
	request->state = request->is_streamed ? HTTP1_STREAMING : HTTP1_QUEUED;
	return result;
}

static void http1_request_suspend(struct http1_request *request, enum http1_state state)
{
	MHD_suspend_connection(request->connection);
	timer_stop(&request->conn->deadline); /* the handler has a deadline of its own */
	request->state = state;
}

static enum MHD_Result http1_request_take(struct http1_request *request, const char *upload,
					  size_t *upload_size)
{
	const struct http1_params *params = &request->conn->http1->params;
	const struct http_handler_ops *handler = request->base.handler;
	struct span bytes = span_make(upload, *upload_size);

	if (request->state == HTTP1_BODY && handler && !request->is_wanted) {
		http1_request_suspend(request, HTTP1_PAUSED);
		return MHD_YES;
	}
	*upload_size = 0;
	request->body_bytes += bytes.len;
	if (request->state == HTTP1_BODY && handler) {
		request->is_wanted = false;
		http1_request_watch_body(request);
		handler->on_body(request->base.handler_data, bytes);
		return request->state == HTTP1_BROKEN ? MHD_NO : MHD_YES;
	}
	return request->body_bytes / HTTP1_DRAIN_FACTOR > params->max_body_bytes ? MHD_NO : MHD_YES;
}

static enum MHD_Result http1_request_complete(struct http1_request *request)
{
	const struct http_handler_ops *handler = request->base.handler;

	if (handler && request->is_wanted && !request->has_ended) {
		request->is_wanted = false;
		request->has_ended = true;
		handler->on_body_end(request->base.handler_data);
	}
	if (request->state == HTTP1_ANSWERED)
		return http1_request_queue(request);
	if (request->state == HTTP1_BROKEN)
		return MHD_NO;
	http1_request_suspend(request, request->has_ended ? HTTP1_WAITING : HTTP1_PAUSED);
	return MHD_YES;
}

enum MHD_Result http1_request_on_access(void *data, struct MHD_Connection *connection,
					const char *url, const char *method, const char *version,
					const char *upload, size_t *upload_size, void **state)
{
	struct http1_request *request = OBJ_CAST(struct http1_request, HTTP1_REQUEST_MAGIC, *state);

	(void)data;
	(void)connection;
	(void)url;
	request->conn->http1->idle_runs = 0;
	if (request->state == HTTP1_BROKEN)
		return MHD_NO;
	if (request->state == HTTP1_HEAD) {
		http1_request_begin(request, method, version);
		if (request->state == HTTP1_ANSWERED &&
		    (http1_request_has_body(request) || request->must_close)) {
			http1_linger_prepare(request->conn);
			return http1_request_queue(request);
		}
		return request->state == HTTP1_BROKEN ? MHD_NO : MHD_YES;
	}
	if (*upload_size > 0)
		return http1_request_take(request, upload, upload_size);
	return http1_request_complete(request);
}

void http1_request_free(struct http1_request *request)
{
	struct http1 *http1;

	if (!request)
		return;
	http1 = request->conn->http1;
	/* Not suspended any more: waking it up would be wrong. */
	if (request->state != HTTP1_QUEUED) {
		request->state = HTTP1_ANSWERED;
		http1_request_break(request, ST_CANCELLED);
	}
	if (request->response)
		MHD_destroy_response(request->response);
	http1_stream_fini(request);
	mem_free(request->target);
	request->conn->request = NULL;
	request->magic = 0;
	mem_free(request);
	http1->active--;
	if (http1->params.on_request_done)
		http1->params.on_request_done(http1->params.data);
}

void http1_request_on_completed(void *data, struct MHD_Connection *connection, void **state,
				enum MHD_RequestTerminationCode code)
{
	struct http1 *http1 = OBJ_CAST(struct http1, HTTP1_MAGIC, data);
	struct http1_request *request;
	struct http1_conn *conn;

	(void)connection;
	(void)code;
	if (!*state)
		return;
	http1->idle_runs = 0;
	request = OBJ_CAST(struct http1_request, HTTP1_REQUEST_MAGIC, *state);
	conn = request->conn;
	*state = NULL;
	http1_request_free(request);
	conn->has_served = true;
	timer_start_in(&conn->deadline,
		       http1->params.idle_timeout_ms + http1->params.head_timeout_ms);
}
