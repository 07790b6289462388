#ifndef HEADGATE_SRC_ROUTER_CRDT_CALL_H
#define HEADGATE_SRC_ROUTER_CRDT_CALL_H

#include <stdbool.h>
#include <stddef.h>

/* Calls of CRDT entities, unary or with a stream of replies. A client that leaves a stream is told
 * to the function; side effects of whatever it says about it are run all the same.
 * Internal to src/router. Spec: cloudstate-protocol 6.3 C-30..C-43, 5. */
struct crdt_calls;
struct crdt_table;
struct exchange;
struct followups;
struct loop;
struct router_metrics;
struct userfn;

struct crdt_calls_params {
	struct loop *loop;
	struct userfn *userfn;
	struct router_metrics *metrics;
	struct followups *followups;
	bool refuses_types; /* as of router_limits */
};

/* All borrowed. */
struct crdt_calls *crdt_calls_new(const struct crdt_calls_params *params);

/* Borrowed. Before, all calls are refused. */
void crdt_calls_serve(struct crdt_calls *calls, struct crdt_table *entities);

/* Takes over a call of a CRDT entity; never calls the front back from inside. */
void crdt_calls_accept(struct crdt_calls *calls, struct exchange *exchange);

/* Ends all streams in order, later ones after their first reply: a shutdown waits for calls, and
 * nothing else would end these. */
void crdt_calls_end_streams(struct crdt_calls *calls);

/* Calls in progress. */
size_t crdt_calls_active(const struct crdt_calls *calls);

/* Without a word to the fronts. NULL is a no-op. */
void crdt_calls_free(struct crdt_calls *calls);

#endif
