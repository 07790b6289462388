#ifndef HEADGATE_SRC_ROUTER_FOLLOWUP_H
#define HEADGATE_SRC_ROUTER_FOLLOWUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/journal.h"
#include "src/base/span.h"

/* What a reply of the function asks for beside an answer: side effects, in order, then perhaps a
 * forward, whose reply is the answer. Both are calls of the function's own methods, made like those
 * of clients. A synchronous effect is waited for, with everything that follows from it; what
 * becomes of an effect never changes the answer. Chains are bounded (FOLLOWUP_HOPS_MAX), so is the
 * number of calls at once. Internal to src/router. Spec: cloudstate-protocol 5; as
 * its notes say. */
struct api_method;
struct exchange;
struct followup;
struct followups;
struct grpc_status;
struct loop;
struct router_metrics;
struct userfn;

/* Forwards and effects in a row, counted from a client's call. */
#define FOLLOWUP_HOPS_MAX 10U

struct followup_limits {
	bool refuses_types;  /* forwards to methods that answer with another type */
	size_t running_max;  /* calls at once; 10000. Further ones are refused */
	uint64_t timeout_ms; /* of an effect; 60 s. A forward has the deadline of its client */
};

/* Where calls go: router_accept. */
typedef void (*followup_accept_fn)(void *data, struct exchange *exchange);

/* All borrowed but limits; NULL: the defaults. */
struct followups *followups_new(struct loop *loop, struct userfn *userfn,
				struct router_metrics *metrics,
				const struct followup_limits *limits, followup_accept_fn accept,
				void *data);
struct followup_limits followup_limits_default(void);

/* When all calls of the router are gone. */
void followups_free(struct followups *followups);

/* For every call of the router while it lives, for its reply may ask for something yet. Those that
 * are made for the function are calls of the router, too. */
void followups_hold(struct followups *followups);
void followups_release(struct followups *followups);

/* on_done in a later turn, once nothing runs nor may follow. Nothing is refused until then. */
void followups_drain(struct followups *followups, void (*on_done)(void *data), void *data);

/* Side effects that were asked for and are not over. */
size_t followups_effects(const struct followups *followups);

/* A call whose reply was read. */
struct followup_origin {
	const struct api_method *method;
	unsigned hops;	   /* of its exchange */
	struct span trace; /* likewise */
	/* With has_key the same forwards and effects are one and the same call, however often the
	 * reply is read: it is that of a command, or of a call, with an idempotency key. */
	bool has_key;
	struct journal_id id;
	uint64_t before; /* of an id: effects, and forwards, that earlier replies asked for */
};

struct followup_forward {
	struct span service_name;
	struct span command_name;
	struct span payload;
	struct span metadata; /* serialized cloudstate.Metadata */
};

struct followup_wish {
	struct followup_origin origin;
	const struct span *effects; /* serialized cloudstate.SideEffect each */
	size_t effect_count;
	const struct followup_forward *forward; /* NULL: none */
	struct exchange *exchange; /* the client's: gets the replies to the forward. NULL: it has
				      gone, and nothing is forwarded */
	bool has_headers_sent;	   /* those of the forward's replies come too late */
};

/* status: how the forward ended, borrowed; NULL without one. The handle is gone. */
typedef void (*followup_done_fn)(void *data, const struct grpc_status *status);

/* Begins; everything is copied but the exchange. NULL: there is nothing to wait for. on_done never
 * comes from inside. */
struct followup *followup_start(struct followups *followups, const struct followup_wish *wish,
				followup_done_fn on_done, void *data);

/* The client takes replies again. */
void followup_drained(struct followup *followup);

/* The client has gone: effects go on, a forward ends; no callback. NULL is a no-op. */
void followup_abandon(struct followup *followup);

#endif
