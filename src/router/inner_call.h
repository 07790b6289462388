#ifndef HEADGATE_SRC_ROUTER_INNER_CALL_H
#define HEADGATE_SRC_ROUTER_INNER_CALL_H

#include <stdint.h>

#include "src/base/span.h"
#include "src/base/status.h"

/* A call of one request that the gateway itself makes for the function: the front of an exchange
 * that no client stands behind. Internal to src/router. */
struct api_method;
struct exchange;
struct grpc_status;
struct inner_call;
struct loop;

struct inner_call_params {
	struct loop *loop;
	const struct api_method *method; /* its api is referenced while the call lives */
	const char *protocol;		 /* a literal */
	struct span message;		 /* copied, as the next two */
	struct span metadata;		 /* serialized cloudstate.Metadata */
	struct span trace;
	struct span payload_type; /* as that of an exchange; copied */
	/* datacontenttype of a CloudEvent, which metadata cannot carry: an entry of its own for the
	 * function. Empty: none. */
	struct span content_type;
	const struct journal_id *derived_id; /* of the exchange; copied, NULL: none */
	unsigned hops;
	uint64_t deadline_ns;  /* passing it cancels the call; DEADLINE_NEVER: the owner does */
	struct exchange *sink; /* gets headers and replies; NULL: they are dropped */
	bool has_sink_headers; /* the sink's are out already */
};

/* The end, with the handler's status or that of the deadline. The call is gone when it returns. */
typedef void (*inner_call_done_fn)(void *data, const struct grpc_status *status);

/* The exchange is to be given to a handler right away. */
struct inner_call *inner_call_new(const struct inner_call_params *params,
				  inner_call_done_fn on_done, void *data);
struct exchange *inner_call_exchange(struct inner_call *call);

/* The sink takes replies again. */
void inner_call_drained(struct inner_call *call);

/* Tells the handler that nobody waits any more; no callback. */
void inner_call_cancel(struct inner_call *call, enum status why);

/* Without a word to the handler, which is gone. */
void inner_call_free(struct inner_call *call);

#endif
