#ifndef HEADGATE_HTTPAPI_FRONT_REPLY_BODY_H
#define HEADGATE_HTTPAPI_FRONT_REPLY_BODY_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/buf.h"
#include "src/base/status.h"

/* What waits before the transport of a reply that is sent piece by piece. The transport holds
 * little; what a slow client does not take waits here, where the router sees it as unsent.
 *
 *   codec --append--> out --push--> transport --> socket
 *                      ^               |
 *                      +-- drained ----+   push again, then wake the handler
 *
 * is_held below: over HTTP/1.1 nothing may be sent before the request was read to its end. */
struct exchange;
struct http_request;

/* The transport is given more while it holds no more than this; it tells when half is left. */
#define REPLY_BODY_HIGH ((size_t)64 * 1024)

/* One write to the transport. */
#define REPLY_BODY_PIECE_BYTES ((size_t)64 * 1024)

struct reply_body {
	struct buf out; /* the codec appends; not given to the transport yet */
};

void reply_body_init(struct reply_body *body, size_t max_bytes);
void reply_body_fini(struct reply_body *body);

/* Gives the transport what it takes now. REPLY_BODY_BROKEN with the reason when it takes no more:
 * on_gone is on its way, or the whole connection holds too much. */
enum reply_body_state { REPLY_BODY_EMPTY, REPLY_BODY_WAITS, REPLY_BODY_BROKEN };
enum reply_body_state reply_body_push(struct reply_body *body, struct http_request *request,
				      enum status *ret_why);

/* After a push that the transport asked for. Is there more than the mark, it will ask again; is
 * there less, it never will, so this is the moment to wake the handler: on_drained. */
void reply_body_wake(const struct reply_body *body, const struct http_request *request,
		     struct exchange *exchange);

/* Of both sides of the transport; request may be NULL. */
size_t reply_body_waiting(const struct reply_body *body, const struct http_request *request);

/* What the router may know of it: a reply that is held can not be slowed down, for the function may
 * wait for the rest of the request before it reads what we could not send. */
size_t reply_body_unsent(const struct reply_body *body, const struct http_request *request,
			 bool is_held);

/* The handler did not heed unsent: as over HTTP/2 it is refused. */
bool reply_body_is_full(const struct reply_body *body, const struct http_request *request,
			bool is_held);

/* More is held than we keep, and what the client is told then. */
bool reply_body_is_early(const struct reply_body *body, bool is_held);
#define REPLY_BODY_EARLY_TEXT                                                                      \
	"over HTTP/1.1 the request must be sent whole before so much of the reply is read; "       \
	"use HTTP/2"

#endif
