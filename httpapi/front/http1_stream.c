/* An answer whose body comes piece by piece. The library pulls: it asks the reader for bytes
 * whenever the last chunk is on its way, so what the handler writes waits in out meanwhile; when
 * there is nothing, the connection is suspended, and the next write wakes it up. */
#include <string.h>

#include "httpapi/front/http1_internal.h"
#include "src/base/error.h"
#include "src/base/mem.h"

/* A chunk is as long as the library's pool for the connection has room; this bounds it. */
#define HTTP1_STREAM_CHUNK_BYTES ((size_t)32 * 1024)

/* As over HTTP/2: h2_limits.max_unsent_bytes and its water marks. */
#define HTTP1_STREAM_UNSENT_MAX ((size_t)16 * 1024 * 1024)
#define HTTP1_STREAM_HIGH ((size_t)64 * 1024)
#define HTTP1_STREAM_LOW ((size_t)32 * 1024)

static void http1_stream_on_drained(void *data)
{
	struct http1_request *request = data;
	const struct http_handler_ops *handler = request->base.handler;

	if (handler && handler->on_drained)
		handler->on_drained(request->base.handler_data);
}

static size_t http1_stream_take(struct http1_request *request, char *room, size_t max)
{
	struct span bytes = span_head(buf_span(&request->out), max);

	if (bytes.len == 0)
		return 0;
	memcpy(room, bytes.data, bytes.len);
	buf_consume(&request->out, bytes.len);
	if (buf_len(&request->out) == 0)
		buf_fini(&request->out); /* an idle stream holds no buffer */
	if (request->wants_drained && buf_len(&request->out) < HTTP1_STREAM_LOW) {
		request->wants_drained = false;
		loop_task_schedule(request->conn->http1->loop, &request->drained);
	}
	return bytes.len;
}

static ssize_t http1_stream_read(void *data, uint64_t position, char *room, size_t max)
{
	struct http1_request *request = OBJ_CAST(struct http1_request, HTTP1_REQUEST_MAGIC, data);
	size_t n;

	(void)position;
	request->conn->http1->idle_runs = 0;
	if (request->state == HTTP1_BROKEN)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	n = http1_stream_take(request, room, max);
	if (n > 0)
		return (ssize_t)n;
	if (request->has_finished)
		return request->is_whole ? MHD_CONTENT_READER_END_OF_STREAM
					 : MHD_CONTENT_READER_END_WITH_ERROR;
	MHD_suspend_connection(request->connection);
	request->is_sleeping = true;
	return 0;
}

struct MHD_Response *http1_stream_new(struct http1_request *request)
{
	buf_init(&request->out, HTTP1_STREAM_UNSENT_MAX);
	loop_task_init(&request->drained, http1_stream_on_drained, request);
	request->is_streamed = true;
	return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, HTTP1_STREAM_CHUNK_BYTES,
						 http1_stream_read, request, NULL);
}

enum status http1_stream_write(struct http1_request *request, struct span bytes)
{
	if (!buf_append(&request->out, bytes)) {
		request->out.is_full = false; /* refused whole; a later, smaller one may fit */
		return ST_RESOURCE_EXHAUSTED;
	}
	if (buf_len(&request->out) > HTTP1_STREAM_HIGH)
		request->wants_drained = true;
	return ST_OK;
}

void http1_stream_fini(struct http1_request *request)
{
	if (!request->is_streamed)
		return;
	loop_task_cancel(&request->drained);
	buf_fini(&request->out);
}
