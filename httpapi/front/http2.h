#ifndef HEADGATE_HTTPAPI_FRONT_HTTP2_H
#define HEADGATE_HTTPAPI_FRONT_HTTP2_H

#include <stddef.h>
#include <stdint.h>

#include "httpapi/front/http_request.h"
#include "src/h2/h2.h"

/* HTTP/2 client connections: each stream is a gRPC call or a plain request, mixed as the client
 * likes. Spec: decision A2 */
struct http2;
struct loop;
struct metrics;

struct http2_params {
	http_serve_fn serve; /* streams that are not gRPC */
	/* A gRPC stream (content type application/grpc or +proto). The callee sets the stream's
	 * ops. NULL: no gRPC here, such streams go to serve. */
	void (*serve_grpc)(void *data, struct h2_stream *stream, const struct h2_headers *headers);
	void *data;
	/* A connection given to http2_add is closed. */
	void (*on_closed)(void *data, void *token);
	/* A plain request is answered and gone. May be NULL. */
	void (*on_request_done)(void *data);
	uint64_t body_timeout_ms; /* longest silence while a plain request's body arrives: 408 */
	struct h2_limits limits;
	struct metrics *metrics; /* borrowed; may be NULL */
};

struct http2 *http2_open(struct loop *loop, const struct http2_params *params);

/* Takes a connected socket whose first bytes are those of the HTTP/2 preface. */
void http2_add(struct http2 *http2, int fd, void *token);

/* Plain requests that are not answered or not fully sent (gRPC calls are counted by their owner).
 */
size_t http2_active(const struct http2 *http2);

/* GOAWAY to all; connections close after their last stream. */
void http2_drain(struct http2 *http2);

/* Cuts everything; handlers get on_gone, connections on_closed. NULL is a no-op. */
void http2_close(struct http2 *http2);

#endif
