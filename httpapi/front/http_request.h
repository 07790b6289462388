#ifndef HEADGATE_HTTPAPI_FRONT_HTTP_REQUEST_H
#define HEADGATE_HTTPAPI_FRONT_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/base/span.h"
#include "src/base/status.h"
#include "src/h2/h2.h"

/* One HTTP request and its response, without saying which version carries it: the transports
 * (http1, http2) make it, a handler (JSON calls, probes, admin pages) answers it. Body bytes are
 * asked for piece by piece, so back-pressure is the default.
 *
 * Life: a request ends for its handler in exactly one of three ways: it answers (responds, or
 * begins a response and later ends or breaks it), it aborts, or the transport calls on_gone. No
 * operation calls the handler back from inside. */
struct http_request;

/* content_length of a body whose length is not known before. */
#define HTTP_LENGTH_UNKNOWN UINT64_MAX

/* All borrowed until the function that got the head returns, but for peer: as long as the request.
 */
struct http_head {
	struct span method;
	struct span target; /* raw: path and query */
	struct span content_type;
	uint64_t content_length;   /* 0 without a body */
	struct h2_headers headers; /* names in lower case; with the pseudo-headers over HTTP/2 */
	const char *peer;
	bool is_http2;
};

/* A whole response. Everything is copied. content-length is added by the transport; the body is
 * left out for HEAD. */
struct http_response {
	int status;
	const struct h2_header *headers; /* names in lower case */
	size_t header_count;
	struct span body;
	bool has_validator; /* for GET and HEAD */
};

struct http_handler_ops {
	/* One piece of the body per http_request_read, borrowed until it returns. */
	void (*on_body)(void *data, struct span bytes);
	/* The answer to a read when the body is at its end. */
	void (*on_body_end)(void *data);
	/* unsent fell under 32 KiB after it was over 64 KiB. May be NULL. */
	void (*on_drained)(void *data);
	/* The client is gone or too slow; so is the request when this returns. */
	void (*on_gone)(void *data, enum status why);
};

struct http_transport_ops {
	void (*read)(struct http_request *request);
	void (*respond)(struct http_request *request, const struct http_response *response);
	void (*abort)(struct http_request *request);
	void (*begin)(struct http_request *request, const struct http_response *head);
	enum status (*write)(struct http_request *request, struct span bytes);
	size_t (*unsent)(const struct http_request *request);
	/* trailers may be NULL; only of a whole body. */
	void (*end)(struct http_request *request, bool is_whole, const struct h2_headers *trailers);
};

/* Embedded first in the transport's own object. */
struct http_request {
	const struct http_transport_ops *transport;
	const struct http_handler_ops *handler; /* NULL: nobody (any more) */
	void *handler_data;
	/* The handler itself watches how long a body is silent: the transport does not. */
	bool has_own_body_wait;
	bool has_plain_errors; /* as the original's: http.errors */
};

static inline void http_request_set_handler(struct http_request *request,
					    const struct http_handler_ops *handler, void *data)
{
	request->handler = handler;
	request->handler_data = data;
}

/* Asks for the next piece of the body: one on_body or on_body_end. Asking twice before it comes is
 * our bug. */
static inline void http_request_read(struct http_request *request)
{
	BUG_ON(!request->handler);
	request->transport->read(request);
}

/* Answers. The request is gone for the caller; what is left of the body is dropped. */
static inline void http_request_respond(struct http_request *request,
					const struct http_response *response)
{
	request->handler = NULL;
	request->transport->respond(request, response);
}

/* Breaks the connection (HTTP/1.1) or the stream (HTTP/2) without an answer. */
static inline void http_request_abort(struct http_request *request)
{
	request->handler = NULL;
	request->transport->abort(request);
}

/* Begins an answer whose body comes piece by piece and whose length nobody knows: head has no body.
 * Over HTTP/1.1 only after on_body_end; over HTTP/2 at any time, and reading goes on. The answer to
 * HEAD is complete with this: on_gone follows. */
static inline void http_request_begin(struct http_request *request,
				      const struct http_response *head)
{
	request->transport->begin(request, head);
}

/* Bytes of that body (copied), sent at the end of the turn. ST_RESOURCE_EXHAUSTED when 16 MiB would
 * be unsent: wait for on_drained; ST_UNAVAILABLE when on_gone is on its way. */
MUST_CHECK static inline enum status http_request_write(struct http_request *request,
							struct span bytes)
{
	return request->transport->write(request, bytes);
}

/* Bytes written and not handed to the socket. */
static inline size_t http_request_unsent(const struct http_request *request)
{
	return request->transport->unsent(request);
}

/* The body is complete. The request is gone for the caller; what is left of its body is dropped. */
static inline void http_request_end(struct http_request *request)
{
	request->handler = NULL;
	request->transport->end(request, true, NULL);
}

/* The same with a trailer section (copied), for clients that said they take one: TE: trailers. */
static inline void http_request_end_with(struct http_request *request,
					 const struct h2_headers *trailers)
{
	request->handler = NULL;
	request->transport->end(request, true, trailers->count ? trailers : NULL);
}

/* Like end, but so that the client sees that the body is not complete: after what was written the
 * connection closes without the last chunk (HTTP/1.1), or the stream is reset (HTTP/2). */
static inline void http_request_break(struct http_request *request)
{
	request->handler = NULL;
	request->transport->end(request, false, NULL);
}

/* What a listener does with the requests it gets. The callee answers at once or sets a handler. */
typedef void (*http_serve_fn)(void *data, struct http_request *request,
			      const struct http_head *head);

#endif
