#ifndef HEADGATE_SRC_ROUTER_ROUTER_H
#define HEADGATE_SRC_ROUTER_ROUTER_H

#include <stdbool.h>
#include <stddef.h>

#include "src/router/action.h"
#include "src/router/followup.h"

/* Takes an exchange to the entity or action it is for and its reply back. Spec:
 * cloudstate-protocol 2.4-2.7, 5, 6.1. */
struct crdt_table;
struct entity_table;
struct exchange;
struct loop;
struct metrics;
struct owners;
struct router;
struct userfn;

struct router_limits {
	struct action_limits actions;
	struct followup_limits followups;
	bool refuses_types; /* replies of entities that are of another type than promised */
};

/* limits NULL: the defaults. */
struct router *router_new(struct loop *loop, struct userfn *userfn, struct entity_table *entities,
			  struct metrics *metrics, const struct router_limits *limits);

/* Where calls of CRDT entities go; borrowed. Without, they are refused. */
void router_serve_crdts(struct router *router, struct crdt_table *crdts);

/* Who owns what, among several gateways; borrowed. Without, everything is executed here. */
void router_set_owners(struct router *router, struct owners *owners);

/* The view of the members changed, or we are leaving: entities that belong to others now finish the
 * command at hand and go to sleep, those that wait for them go to their owners in order. */
void router_view_changed(struct router *router);

/* A question about the members was answered, or came to nothing. */
void router_members_heard(struct router *router);
/* Who may stand between every call and its handler: gives the exchange that is handled instead, or
 * the same (src/eventing/publisher.h). */
typedef struct exchange *(*router_tap_fn)(void *data, struct exchange *exchange);
void router_tap(struct router *router, router_tap_fn tap, void *data);

/* Ends the streams that nothing else would end, for a shutdown. */
void router_end_streams(struct router *router);

/* Takes over the call; never calls the front back from inside. */
void router_accept(struct router *router, struct exchange *exchange);

/* The function came back with another description: streams of the one before end with UNAVAILABLE,
 * unary calls go on. Harmless when it did not. */
void router_renew(struct router *router);

/* After the fronts have finished their calls, for a shutdown: on_done in a later turn, once the
 * side effects of these have ended too, and commands whose callers have gone. */
void router_drain(struct router *router, void (*on_done)(void *data), void *data);

/* Calls in progress, those that are made for the function included. */
size_t router_active(const struct router *router);

/* Side effects that were asked for and are not over. */
size_t router_effects(const struct router *router);

void router_free(struct router *router);

#endif
