#include "src/entity/entity_budget.h"

#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/entity/entity_set.h"
#include "src/userfn/userfn.h"

struct entity_budget_limits entity_budget_limits_default(void)
{
	return (struct entity_budget_limits){
		.queue_bytes_max = (size_t)256 * 1024 * 1024,
		.active_max = 100000,
	};
}

/* Runs when the channel has opened what it can: what still waits then is too much for the function.
 * Servers of .NET take 100 streams by default. */
static void on_room(void *data)
{
	struct entity_budget *budget = data;
	size_t missing = userfn_short_of_streams(budget->userfn);

	if (budget->room_wanted > missing)
		budget->room_wanted = missing;
	while (budget->room_wanted > 0 && !list_is_empty(&budget->idle)) {
		struct entity_member *first =
			list_entry(budget->idle.next, struct entity_member, idle_node);

		budget->room_wanted -= first->is_stream_counted;
		first->set->ops->call(first, ENTITY_CALL_SLEEP);
	}
}

struct entity_budget *entity_budget_new(struct loop *loop, struct userfn *userfn,
					const struct entity_budget_limits *limits)
{
	struct entity_budget *budget = mem_new(struct entity_budget);

	budget->loop = loop;
	budget->userfn = userfn;
	budget->limits = *limits;
	list_init(&budget->idle);
	loop_task_init(&budget->room, on_room, budget);
	return budget;
}

void entity_budget_free(struct entity_budget *budget)
{
	if (!budget)
		return;
	BUG_ON(budget->active > 0 || budget->queued_bytes > 0);
	loop_task_cancel(&budget->room);
	mem_free(budget);
}
