/* A log of another generation. What is here can not be merged with it (crdt_put_collapsed), so it
 * is read from its beginning into a value of its own, while the present one goes on serving the
 * function; what that changes is held. Once everything that is still on its way into the old
 * generation is decided, the new value takes the place of the present one:
 *
 *   taken    it stands in the new value already, which has all of the old log
 *   refused  it does not: the function's message is applied anew, and its delta appended
 *   unknown  refused now, but perhaps taken before: nobody knows whether it is in the new value, so
 *            the entity begins anew and the caller hears that, as for every write of which nobody
 *            knows (CRDT_TEXT_WRITE)
 *
 * Deciding first is what makes it exact: a message that is applied anew was counted by nobody. */
#include "journal/members.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/entity/crdt_entity.h"

static bool is_undecided(const struct crdt_write *write)
{
	return !write->is_stale && !write->is_delete;
}

static bool has_undecided(const struct crdt_entity *entity)
{
	list_for_each (node, &entity->writes)
		if (is_undecided(list_entry(node, struct crdt_write, node)))
			return true;
	return false;
}

/* False: it does not go with the new value. */
static bool do_anew(struct crdt_entity *entity, struct crdt_write *write)
{
	struct crdt_table *table = entity->table;

	write->is_stale = false;
	buf_reset(&table->delta);
	if (crdt_apply_anew(entity->crdt, write->update, clock_wall_ms(), &table->delta,
			    &table->error) != ST_OK) {
		write->decided = JOURNAL_ERROR;
		return false;
	}
	if (buf_len(&table->delta) == 0)
		write->decided = JOURNAL_OK;
	else
		crdt_value_append(entity, write);
	return true;
}

static void adopt(struct crdt_entity *entity)
{
	crdt_adopt(entity->crdt, entity->next);
	entity->next = NULL;
	entity->is_next_whole = false;
	entity->is_rebasing = false;
	entity->is_adopted = true;
	list_for_each (node, &entity->writes) {
		struct crdt_write *write = list_entry(node, struct crdt_write, node);

		if (write->is_stale && !do_anew(entity, write)) {
			crdt_rebase_fail(entity);
			return;
		}
	}
}

/* The first write that was decided here; NULL: none. */
static struct crdt_write *decided(const struct crdt_entity *entity)
{
	list_for_each (node, &entity->writes) {
		struct crdt_write *write = list_entry(node, struct crdt_write, node);

		if (write->decided != JOURNAL_CONFLICT)
			return write;
	}
	return NULL;
}

/* One event at a time: the entity may be another one afterwards, or none. */
static void on_rebase(void *data)
{
	struct crdt_entity *entity = data;
	struct crdt_table *table = entity->table;
	struct crdt_write *write;
	struct error error;

	if (entity->next && entity->is_next_whole && !has_undecided(entity))
		adopt(entity);
	write = decided(entity);
	if (write) {
		struct crdt_log_result result = {.result = write->decided, .error = &error};

		(void)error_set(&error, ST_ABORTED, "the value was written anew meanwhile");
		crdt_rebase_look(entity);
		crdt_value_on_written(write, &result);
	} else if (entity->is_adopted) {
		/* a read brings what is new, and tells the function */
		crdt_entity_run_type(entity, CRDT_EV_NEWS);
		entity_set_deliver(&table->set);
	}
}

void crdt_rebase_init(struct crdt_entity *entity)
{
	loop_task_init(&entity->rebase_task, on_rebase, entity);
}

void crdt_rebase_look(struct crdt_entity *entity)
{
	if (entity->next || decided(entity))
		loop_task_schedule(entity->table->set.loop, &entity->rebase_task);
}

void crdt_rebase_begin(struct crdt_entity *entity, uint64_t generation)
{
	crdt_free(entity->next);
	entity->next = crdt_new(span_from_str(members_address(entity->table->members)));
	entity->is_next_whole = false;
	entity->is_rebasing = true;
	entity->generation = generation;
}

void crdt_rebase_read(struct crdt_entity *entity)
{
	if (!entity->next) {
		/* refused, yet there is no other generation: Redis has lost it since */
		if (entity->is_rebasing)
			crdt_rebase_fail(entity);
		return;
	}
	entity->is_next_whole = true;
	if (list_is_empty(&entity->writes))
		adopt(entity); /* nothing is to be told to anybody but the function */
	else
		crdt_rebase_look(entity);
}

bool crdt_rebase_hold(struct crdt_entity *entity, struct crdt_write *write,
		      const struct crdt_log_result *result)
{
	struct crdt_table *table = entity->table;

	if (result->is_outcome_unknown || entity->fsm.state != CRDT_LIVE)
		return false;
	write->request = NULL;
	write->is_stale = true;
	if (entity->next) {
		crdt_rebase_look(entity);
		return true;
	}
	entity->is_rebasing = true;
	crdt_entity_run_type(entity, CRDT_EV_NEWS);
	entity_set_deliver(&table->set);
	return true;
}

void crdt_rebase_fail(struct crdt_entity *entity)
{
	list_for_each (node, &entity->writes) {
		struct crdt_write *write = list_entry(node, struct crdt_write, node);

		if (write->is_stale)
			write->decided = JOURNAL_ERROR;
		write->is_stale = false;
	}
	crdt_rebase_look(entity);
}

void crdt_rebase_drop(struct crdt_entity *entity)
{
	crdt_free(entity->next);
	entity->next = NULL;
	entity->is_next_whole = false;
	entity->is_rebasing = false;
	entity->is_adopted = false;
	crdt_rebase_fail(entity);
}

void crdt_rebase_fini(struct crdt_entity *entity)
{
	loop_task_cancel(&entity->rebase_task);
}
