#ifndef HEADGATE_SRC_ROUTER_EXCHANGE_H
#define HEADGATE_SRC_ROUTER_EXCHANGE_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/span.h"
#include "src/base/status.h"

/* One call of one client, whichever transport and codec it came by: the only thing the fronts and
 * the router share. The front makes it, fills the first part and gives it to router_accept; the
 * router sets the handler and answers through the front's operations.
 *
 * Life: an exchange ends in exactly one of two ways: the handler calls exchange_finish, or the
 * front calls on_cancelled. Afterwards the handler must not touch it; the front frees it. No
 * operation calls the other side back from inside. */
struct api_method;
struct exchange;
struct grpc_status;
struct journal_id;
struct metadata;
struct peer_call;

/* A handler that sends many messages stops above so many unsent bytes until on_drained, which a
 * front owes to everybody who was above. The mark of HTTP/2 streams (src/h2). */
#define EXCHANGE_UNSENT_HIGH ((size_t)64 * 1024)

/* A request that comes from another gateway was within that one's limits. */
#define EXCHANGE_FORWARDED_BYTES_MAX ((size_t)64 * 1024 * 1024)

/* How the router talks to the client; implemented by the fronts. */
struct exchange_front_ops {
	/* Asks for the next request message: one on_message or on_half_close follows. */
	void (*read)(struct exchange *exchange);
	/* Leading metadata, before the first send. Copied. */
	void (*set_headers)(struct exchange *exchange, const struct metadata *headers);
	/* One reply message as wire bytes, copied. ST_RESOURCE_EXHAUSTED: wait for on_drained. */
	enum status (*send)(struct exchange *exchange, struct span message);
	size_t (*unsent)(const struct exchange *exchange);
	/* The end: status copied. The exchange is gone for the handler. */
	void (*finish)(struct exchange *exchange, const struct grpc_status *status);
};

/* How the front talks to whoever handles the call. */
struct exchange_handler_ops {
	/* One request message, borrowed until it returns. */
	void (*on_message)(struct exchange *exchange, void *data, struct span message);
	/* The client sends no more. */
	void (*on_half_close)(struct exchange *exchange, void *data);
	/* unsent fell under the low water mark; may be NULL. */
	void (*on_drained)(struct exchange *exchange, void *data);
	/* The client is gone or its deadline passed. The exchange is gone when this returns. */
	void (*on_cancelled)(struct exchange *exchange, void *data, enum status why);
};

/* Embedded by the front's own object. */
struct exchange {
	/* set by the front */
	const struct exchange_front_ops *front;
	const struct api_method *method; /* the front holds a reference on its api */
	const struct metadata *metadata; /* request metadata; never NULL */
	uint64_t deadline_ns;		 /* DEADLINE_NEVER: none */
	const char *protocol;		 /* "grpc", "grpc-web" or "json": a metric label */
	const char *peer;		 /* for logs */
	unsigned hops;			 /* 0: a client's; else forwards and effects before it */
	/* Of a forward or effect of a command with a key: the command it makes has this id, however
	 * often it is made. NULL: none. */
	const struct journal_id *derived_id;
	struct span trace; /* what led here, a line each; for the function's author */
	/* Type URL of the messages, when it is not that of the method's input: what a method that
	 * takes google.protobuf.Any is given. Actions only; empty: the input's. */
	struct span payload_type;
	/* Another member took the command in and sent it here; NULL: it is a client's. */
	const struct peer_call *forwarded;
	/* set by the handler */
	const struct exchange_handler_ops *handler;
	void *handler_data;
};

static inline void exchange_read(struct exchange *exchange)
{
	exchange->front->read(exchange);
}

static inline void exchange_finish(struct exchange *exchange, const struct grpc_status *status)
{
	exchange->front->finish(exchange, status);
}

/* Finishes with a code and a text and nothing else. */
void exchange_fail(struct exchange *exchange, enum status code, struct span message);

#endif
