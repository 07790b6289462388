#ifndef HEADGATE_HTTPAPI_FRONT_HTTP1_H
#define HEADGATE_HTTPAPI_FRONT_HTTP1_H

#include <stddef.h>
#include <stdint.h>

#include "httpapi/front/http_request.h"
#include "src/base/status.h"

/* HTTP/1.1 by libmicrohttpd, run inside our loop: it owns an epoll set that the loop watches.
 * Requests wait for their answer suspended; who hangs up meanwhile is noticed by us, since the
 * library does not look. Spec: decision A4 */
struct error;
struct http1;
struct loop;
struct sockaddr;

struct http1_params {
	http_serve_fn serve;
	void *data;
	/* A connection given to http1_add is closed. */
	void (*on_closed)(void *data, void *token);
	/* A request is answered and gone. May be NULL. */
	void (*on_request_done)(void *data);
	size_t max_head_bytes;
	uint64_t max_body_bytes;
	size_t max_connections;
	uint64_t head_timeout_ms;
	uint64_t body_timeout_ms;
	uint64_t idle_timeout_ms;
};

MUST_CHECK enum status http1_open(struct loop *loop, const struct http1_params *params,
				  struct http1 **ret_http1, struct error *err);

/* Takes a connected socket; on_closed(token) follows, maybe from inside when it cannot be served.
 */
void http1_add(struct http1 *http1, int fd, const struct sockaddr *peer, unsigned peer_len,
	       void *token);

/* Requests that are not answered or not fully sent. */
size_t http1_active(const struct http1 *http1);

/* Idle connections close now, the others after their running request. */
void http1_drain(struct http1 *http1);

/* Cuts everything; handlers get on_gone, connections on_closed. NULL is a no-op. */
void http1_close(struct http1 *http1);

#endif
