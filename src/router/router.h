#ifndef HEADGATE_SRC_ROUTER_ROUTER_H
#define HEADGATE_SRC_ROUTER_ROUTER_H

#include <stddef.h>

/* Takes an exchange to the entity or action it is for and its reply back. Spec:
 * cloudstate-protocol 2.4-2.7, 5, 6.1. */
struct action_limits;
struct entity_table;
struct exchange;
struct loop;
struct metrics;
struct router;
struct userfn;

/* limits of action.h; NULL: the defaults. */
struct router *router_new(struct loop *loop, struct userfn *userfn, struct entity_table *entities,
			  struct metrics *metrics, const struct action_limits *limits);

/* Takes over the call; never calls the front back from inside. */
void router_accept(struct router *router, struct exchange *exchange);

/* Calls in progress. */
size_t router_active(const struct router *router);

void router_free(struct router *router);

#endif
