#include "src/entity/entity_table.h"

#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/entity/entity.h"

struct entity_limits entity_limits_default(void)
{
	return (struct entity_limits){
		.queue_max = 100,
		.message_bytes_max = (size_t)12 * 1024 * 1024, /* ruling R5 */
		.command_timeout_ms = 60000,
		.journal_timeout_ms = 10000,
		.passivation_ms = 30000,
		.stop_timeout_ms = 10000,
		.crash_backoff_min_ms = 50,
		.crash_backoff_max_ms = 5000,
		.conflict_retries = 5,
		.restart_retries = 10,
		.speculation_depth = 16,
		.dedupe_window = 1000,
	};
}

/* ---- for the set ---------------------------------------------------------------------------- */

static void on_call(struct entity_member *member, enum entity_call call)
{
	static const enum entity_event_type events[] = {
		[ENTITY_CALL_SLEEP] = ENTITY_EV_PASSIVATE,
		[ENTITY_CALL_RENEW] = ENTITY_EV_RENEW,
		[ENTITY_CALL_STOP] = ENTITY_EV_STOP,
	};
	struct entity_set *set = member->set;

	entity_run_type(container_of(member, struct entity, member), events[call]);
	entity_set_deliver(set);
}

static void on_free(struct entity_member *member, const char *text)
{
	entity_free(container_of(member, struct entity, member), ST_UNAVAILABLE, text);
}

static const struct entity_set_ops set_ops = {
	.call = on_call,
	.deliver = entity_table_deliver_now,
	.free = on_free,
};

struct entity_table *entity_table_new(struct entity_budget *budget, struct journal *journal,
				      struct metrics *metrics, const struct entity_limits *limits)
{
	struct entity_table *table = mem_new(struct entity_table);

	entity_set_init(&table->set, budget, metrics, &set_ops);
	table->journal = journal;
	table->limits = *limits;
	table->config = (struct entity_fsm_config){
		.command_timeout_ms = limits->command_timeout_ms,
		.journal_timeout_ms = limits->journal_timeout_ms,
		.stop_timeout_ms = limits->stop_timeout_ms,
		.crash_backoff_min_ms = limits->crash_backoff_min_ms,
		.crash_backoff_max_ms = limits->crash_backoff_max_ms,
		.conflict_retries = limits->conflict_retries,
		.restart_retries = limits->restart_retries,
		.speculation_depth = limits->speculation_depth,
		.dedupe_window = limits->dedupe_window,
	};
	list_init(&table->holders);
	buf_init(&table->kept, JOURNAL_REPLY_MAX);
	return table;
}

/* ---- commands ------------------------------------------------------------------------------- */

/* NULL: no room. */
static struct entity *find_entity(struct entity_table *table, const struct entity_command *command)
{
	struct entity_member *member;

	if (!entity_set_find(&table->set, command, &member))
		return NULL;
	if (member)
		return container_of(member, struct entity, member);
	return entity_set_make_room(&table->set) ? entity_new(table) : NULL;
}

static void refuse(struct entity_ticket *ticket, enum status code, const char *text)
{
	if (code == ST_RESOURCE_EXHAUSTED)
		ticket->retry_after_ms = ENTITY_RETRY_AFTER_MS;
	entity_ticket_fail(ticket, code, text, false);
}

static void admit(struct entity_table *table, struct entity_ticket *ticket,
		  const struct entity_command *command)
{
	struct entity *entity;
	const char *text;
	enum status status = entity_set_check(&table->set, entity_ticket_bytes(ticket), &text);

	if (status != ST_OK) {
		refuse(ticket, status, text);
		return;
	}
	entity = find_entity(table, command);
	if (!entity) {
		refuse(ticket, ST_RESOURCE_EXHAUSTED, TEXT_ACTIVE_FULL);
		return;
	}
	if (entity->fsm.queued >= table->limits.queue_max) {
		if (entity->member.type->queue_full)
			metrics_add(entity->member.type->queue_full, 1);
		refuse(ticket, ST_RESOURCE_EXHAUSTED, TEXT_QUEUE_FULL);
		return;
	}
	entity_ticket_enqueue(ticket, entity, false);
	entity_run_type(entity, ENTITY_EV_COMMAND);
	if (ticket->state == ENTITY_TICKET_QUEUED)
		entity_watch_due(entity, ticket->deadline_ns);
}

struct entity_ticket *entity_table_submit(struct entity_table *table,
					  const struct entity_command *command,
					  entity_reply_fn on_reply, void *data)
{
	struct entity_ticket *ticket = entity_ticket_new(table, command, on_reply, data);

	admit(table, ticket, command);
	entity_set_deliver(&table->set);
	return ticket;
}

size_t entity_table_active(const struct entity_table *table)
{
	return table->set.members.count;
}

size_t entity_table_queued(const struct entity_table *table)
{
	return table->set.queued;
}

void entity_table_renew(struct entity_table *table)
{
	entity_set_renew(&table->set);
}

size_t entity_table_hand_over(struct entity_table *table, entity_moves_fn moves, void *data)
{
	struct entity_member *member = entity_set_next(&table->set, NULL);
	size_t moved = 0;

	while (member) {
		struct entity_member *next = entity_set_next(&table->set, member);
		struct entity *entity = container_of(member, struct entity, member);

		if (!entity->fsm.is_stop_wanted &&
		    moves(data, entity_member_type(member), entity_member_id(member))) {
			entity_run_type(entity, ENTITY_EV_HAND_OVER);
			moved++;
		}
		member = next;
	}
	entity_set_deliver(&table->set);
	return moved;
}

void entity_table_on_conflict(struct entity_table *table, entity_conflict_fn on_conflict,
			      void *data)
{
	table->on_conflict = on_conflict;
	table->conflict_data = data;
}

/* ---- the end -------------------------------------------------------------------------------- */

void entity_table_drain(struct entity_table *table, void (*on_done)(void *data), void *data)
{
	entity_set_drain(&table->set, on_done, data);
}

static void free_holders(struct entity_table *table)
{
	struct list *node;

	while ((node = list_pop_front(&table->holders))) {
		struct entity_holder *holder = list_entry(node, struct entity_holder, node);

		buf_fini(&holder->bytes);
		mem_free(holder);
	}
}

void entity_table_free(struct entity_table *table)
{
	if (!table)
		return;
	entity_set_fini(&table->set);
	free_holders(table);
	buf_fini(&table->kept);
	mem_free(table);
}
