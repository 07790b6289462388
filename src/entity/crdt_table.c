#include "src/entity/crdt_table.h"

#include "journal/members.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/entity/crdt_entity.h"

#define TEXT_UNSETTLED "This gateway has not joined the others yet"
#define TEXT_STREAMS_FULL "Too many streamed calls are open"

struct crdt_limits crdt_limits_default(void)
{
	return (struct crdt_limits){
		.queue_max = 100,
		.streams_max = 10000,
		.message_bytes_max = (size_t)12 * 1024 * 1024, /* ruling R5 */
		.command_timeout_ms = 60000,
		.cancel_timeout_ms = 5000,
		.journal_timeout_ms = 10000,
		.all_timeout_ms = 5000,
		.passivation_ms = 30000,
		.stop_timeout_ms = 10000,
		.crash_backoff_min_ms = 50,
		.crash_backoff_max_ms = 5000,
		.compact_deltas = 1000,
		.compact_bytes_min = (size_t)256 * 1024,
	};
}

/* ---- for the set ---------------------------------------------------------------------------- */

static void on_call(struct entity_member *member, enum entity_call call)
{
	static const enum crdt_event_type events[] = {
		[ENTITY_CALL_SLEEP] = CRDT_EV_PASSIVATE,
		[ENTITY_CALL_RENEW] = CRDT_EV_RENEW,
		[ENTITY_CALL_STOP] = CRDT_EV_STOP,
	};
	struct entity_set *set = member->set;

	crdt_entity_run_type(container_of(member, struct crdt_entity, member), events[call]);
	entity_set_deliver(set);
}

static void on_free(struct entity_member *member, const char *text)
{
	crdt_entity_free(container_of(member, struct crdt_entity, member), ST_UNAVAILABLE, text);
}

static const struct entity_set_ops set_ops = {
	.is_crdt = true,
	.call = on_call,
	.deliver = crdt_table_deliver_now,
	.free = on_free,
};

struct crdt_table *crdt_table_new(const struct crdt_table_params *params)
{
	struct crdt_table *table = mem_new(struct crdt_table);
	const struct crdt_limits *limits = params->limits;

	entity_set_init(&table->set, params->budget, params->metrics, &set_ops);
	table->log = params->log;
	table->members = params->members;
	table->limits = *limits;
	table->config = (struct crdt_fsm_config){
		.stop_timeout_ms = limits->stop_timeout_ms,
		.crash_backoff_min_ms = limits->crash_backoff_min_ms,
		.crash_backoff_max_ms = limits->crash_backoff_max_ms,
	};
	buf_init(&table->delta, CRDT_LOG_STATE_MAX);
	table->addresses = mem_new_array(struct span, MEMBERS_MAX);
	if (params->metrics)
		table->streams_active =
			metrics_series(params->metrics, METRIC_CRDT_STREAMS_ACTIVE, NULL, 0);
	return table;
}

/* ---- members -------------------------------------------------------------------------------- */

struct crdt_members crdt_table_members(struct crdt_table *table)
{
	uint64_t version;
	size_t count;
	const struct member *view = members_view(table->members, &count, &version);

	table->address_count = 0;
	for (size_t i = 0; i < count && table->address_count < MEMBERS_MAX; i++) {
		if (view[i].state == MEMBER_UP)
			table->addresses[table->address_count++] = span_from_str(view[i].address);
	}
	return (struct crdt_members){table->addresses, table->address_count};
}

/* Spec: C-51, without its defect: a change of membership alone is told. */
void crdt_table_members_changed(struct crdt_table *table)
{
	struct entity_member *member = entity_set_next(&table->set, NULL);
	uint64_t version;
	size_t count;

	(void)members_view(table->members, &count, &version);
	if (version == table->members_version)
		return;
	table->members_version = version;
	while (member) {
		struct entity_member *next = entity_set_next(&table->set, member);
		struct crdt_entity *entity = container_of(member, struct crdt_entity, member);

		if (crdt_value_counts_members(entity))
			crdt_entity_run_type(entity, CRDT_EV_MEMBERS);
		member = next;
	}
	entity_set_deliver(&table->set);
}

/* ---- commands ------------------------------------------------------------------------------- */

/* ST_RESOURCE_EXHAUSTED: no room. ST_UNAVAILABLE: this replica may be another process still. */
static enum status find_entity(struct crdt_table *table, const struct entity_command *command,
			       struct crdt_entity **ret_entity)
{
	struct entity_member *member;
	const char *reason;

	if (!entity_set_find(&table->set, command, &member))
		return ST_RESOURCE_EXHAUSTED;
	if (member) {
		*ret_entity = container_of(member, struct crdt_entity, member);
		return ST_OK;
	}
	if (!members_is_settled(table->members, &reason))
		return ST_UNAVAILABLE;
	if (!entity_set_make_room(&table->set))
		return ST_RESOURCE_EXHAUSTED;
	*ret_entity = crdt_entity_new(table);
	return ST_OK;
}

static void refuse(struct crdt_ticket *ticket, enum status code, const char *text)
{
	struct crdt_item *item = crdt_ticket_fail(ticket, code, text, false);

	if (code == ST_RESOURCE_EXHAUSTED)
		item->retry_after_ms = ENTITY_RETRY_AFTER_MS;
}

static void admit(struct crdt_table *table, struct crdt_ticket *ticket,
		  const struct entity_command *command)
{
	struct crdt_entity *entity;
	const char *text;
	enum status status = entity_set_check(&table->set, crdt_ticket_bytes(ticket), &text);

	if (status != ST_OK) {
		refuse(ticket, status, text);
		return;
	}
	if (ticket->call.is_streamed && table->streams > table->limits.streams_max) {
		refuse(ticket, ST_RESOURCE_EXHAUSTED, TEXT_STREAMS_FULL);
		return;
	}
	status = find_entity(table, command, &entity);
	if (status != ST_OK) {
		refuse(ticket, status,
		       status == ST_UNAVAILABLE ? TEXT_UNSETTLED : TEXT_ACTIVE_FULL);
		return;
	}
	if (entity->fsm.queued + entity->fsm.unanswered >= table->limits.queue_max) {
		if (entity->member.type->queue_full)
			metrics_add(entity->member.type->queue_full, 1);
		refuse(ticket, ST_RESOURCE_EXHAUSTED, TEXT_QUEUE_FULL);
		return;
	}
	crdt_ticket_enqueue(ticket, entity);
	crdt_entity_watch_due(entity, ticket->deadline_ns);
	crdt_entity_run_type(entity, CRDT_EV_COMMAND);
}

struct crdt_ticket *crdt_table_submit(struct crdt_table *table,
				      const struct entity_command *command, crdt_reply_fn on_reply,
				      void *data)
{
	struct crdt_ticket *ticket = crdt_ticket_new(table, command, on_reply, data);

	admit(table, ticket, command);
	entity_set_deliver(&table->set);
	return ticket;
}

size_t crdt_table_active(const struct crdt_table *table)
{
	return table->set.members.count;
}

size_t crdt_table_queued(const struct crdt_table *table)
{
	return table->set.queued;
}

void crdt_table_renew(struct crdt_table *table)
{
	entity_set_renew(&table->set);
}

/* ---- the end -------------------------------------------------------------------------------- */

void crdt_table_drain(struct crdt_table *table, void (*on_done)(void *data), void *data)
{
	entity_set_drain(&table->set, on_done, data);
}

void crdt_table_free(struct crdt_table *table)
{
	if (!table)
		return;
	entity_set_fini(&table->set);
	buf_fini(&table->delta);
	mem_free(table->addresses);
	mem_free(table);
}
