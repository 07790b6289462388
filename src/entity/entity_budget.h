#ifndef HEADGATE_SRC_ENTITY_ENTITY_BUDGET_H
#define HEADGATE_SRC_ENTITY_ENTITY_BUDGET_H

#include <stddef.h>

/* What all entities of this process share whatever their kind: how many may be awake, how many
 * bytes of commands may wait, and the order in which they are put to sleep. Of the tables one each
 * is made on top of it. */
struct entity_budget;
struct loop;
struct userfn;

struct entity_budget_limits {
	size_t queue_bytes_max; /* waiting bytes of commands over all entities; 256 MiB */
	size_t active_max;	/* entities awake; 100000. Full: idle ones are put to sleep first */
};
struct entity_budget_limits entity_budget_limits_default(void);

/* loop and userfn are borrowed, also by the tables. */
struct entity_budget *entity_budget_new(struct loop *loop, struct userfn *userfn,
					const struct entity_budget_limits *limits);

/* After the tables. NULL is a no-op. */
void entity_budget_free(struct entity_budget *budget);

#endif
