#ifndef HEADGATE_SRC_ROUTER_ACTION_H
#define HEADGATE_SRC_ROUTER_ACTION_H

#include <stdbool.h>
#include <stddef.h>

/* Calls of actions: one exchange is one call of the user function, of the same shape, and lives
 * exactly as long. Messages pass through one at a time, each asked for when there is room for it on
 * the other side; cancellation, deadline and end pass in both directions.
 * Spec: cloudstate-protocol 6.1, 5; ruling R17. */
struct actions;
struct exchange;
struct followups;
struct loop;
struct router_metrics;
struct userfn;

struct action_limits {
	/* In progress at once; 4000. At most as many as userfn_params.max_action_calls, or a few
	 * slow clients could stop them all. */
	size_t calls_max;
	size_t message_bytes_max; /* from the function; 12 MiB */
	bool refuses_types;	  /* as of router_limits */
};
struct action_limits action_limits_default(void);

/* All borrowed; limits copied, NULL: the defaults. */
struct actions *actions_new(struct loop *loop, struct userfn *userfn,
			    struct router_metrics *metrics, struct followups *followups,
			    const struct action_limits *limits);

/* Takes over a call of an action; never calls the front back from inside. */
void actions_accept(struct actions *actions, struct exchange *exchange);

/* Ends the streams of methods that are not of the function's newest API. */
void actions_renew(struct actions *actions);

/* Calls in progress. */
size_t actions_active(const struct actions *actions);

/* Cancels what runs, without a word to the fronts. NULL is a no-op. */
void actions_free(struct actions *actions);

#endif
