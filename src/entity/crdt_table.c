#include "src/entity/crdt_table.h"

#include "journal/members.h"
#include "proto/schema.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/entity/crdt_entity.h"
#include "src/userfn/api.h"
#include "src/userfn/userfn.h"

/* Entities by persistence id and entity id, as in entity_table.c: those without work stand in a
 * list, longest idle first; when there are too many, the first of it is put to sleep. */

#define TEXT_SHUTTING_DOWN "The gateway is shutting down"
#define TEXT_QUEUE_FULL "Too many commands wait for this entity"
#define TEXT_BYTES_FULL "Too many commands wait for entities"
#define TEXT_ACTIVE_FULL "Too many entities are active"
#define TEXT_UNSETTLED "This gateway has not joined the others yet"
#define TEXT_STREAMS_FULL "Too many streamed calls are open"

/* Told to callers who met a limit. */
#define RETRY_AFTER_MS 1000

/* Entities that still close their streams do not count as active; but they are not free. */
#define ENTITIES_HELD_FACTOR 2

/* A persistence id of the schema and an entity id; the latter is bounded by JOURNAL_ID_MAX. */
#define NAME_BYTES_MAX ((size_t)64 * 1024)

struct crdt_limits crdt_limits_default(void)
{
	return (struct crdt_limits){
		.queue_max = 100,
		.queue_bytes_max = (size_t)256 * 1024 * 1024,
		.active_max = 100000,
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

static void on_deliver(void *data)
{
	crdt_table_deliver_now(data);
}

void crdt_table_deliver(struct crdt_table *table)
{
	if (!list_is_empty(&table->done))
		loop_task_schedule(table->loop, &table->deliver);
}

/* Runs when the channel has opened what it can: what still waits then is too much for the function.
 */
static void on_room(void *data)
{
	struct crdt_table *table = data;
	size_t missing = userfn_short_of_streams(table->userfn);

	if (table->room_wanted > missing)
		table->room_wanted = missing;
	while (table->room_wanted > 0 && !list_is_empty(&table->idle)) {
		struct crdt_entity *first =
			list_entry(table->idle.next, struct crdt_entity, idle_node);

		table->room_wanted -= first->is_stream_counted;
		crdt_entity_run_type(first, CRDT_EV_PASSIVATE);
	}
}

void crdt_table_want_room(struct crdt_table *table)
{
	table->room_wanted++;
	loop_task_schedule(table->loop, &table->room);
}

static void on_all_gone(void *data)
{
	struct crdt_table *table = data;
	void (*on_drained)(void *) = table->on_drained;

	table->on_drained = NULL;
	on_drained(table->drained_data);
}

static void open_metrics(struct crdt_table *table)
{
	if (!table->metrics)
		return;
	table->function_streams = metrics_series(table->metrics, METRIC_FUNCTION_STREAMS, NULL, 0);
	table->streams_active = metrics_series(table->metrics, METRIC_CRDT_STREAMS_ACTIVE, NULL, 0);
}

struct crdt_table *crdt_table_new(const struct crdt_table_params *params)
{
	struct crdt_table *table = mem_new(struct crdt_table);
	const struct crdt_limits *limits = params->limits;

	table->loop = params->loop;
	table->userfn = params->userfn;
	table->log = params->log;
	table->members = params->members;
	table->metrics = params->metrics;
	table->limits = *limits;
	table->config = (struct crdt_fsm_config){
		.stop_timeout_ms = limits->stop_timeout_ms,
		.crash_backoff_min_ms = limits->crash_backoff_min_ms,
		.crash_backoff_max_ms = limits->crash_backoff_max_ms,
	};
	map_init(&table->entities);
	map_init(&table->types);
	list_init(&table->idle);
	list_init(&table->done);
	loop_task_init(&table->deliver, on_deliver, table);
	loop_task_init(&table->room, on_room, table);
	loop_task_init(&table->drained, on_all_gone, table);
	buf_init(&table->head, ENTITY_HEAD_BYTES_MAX);
	buf_init(&table->delta, CRDT_LOG_STATE_MAX);
	buf_init(&table->name, NAME_BYTES_MAX);
	table->addresses = mem_new_array(struct span, MEMBERS_MAX);
	open_metrics(table);
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
	struct map_node *node = map_next(&table->entities, NULL);
	uint64_t version;
	size_t count;

	(void)members_view(table->members, &count, &version);
	if (version == table->members_version)
		return;
	table->members_version = version;
	while (node) {
		struct map_node *next = map_next(&table->entities, node);
		struct crdt_entity *entity = container_of(node, struct crdt_entity, node);

		if (crdt_value_counts_members(entity))
			crdt_entity_run_type(entity, CRDT_EV_MEMBERS);
		node = next;
	}
	crdt_table_deliver(table);
}

/* ---- looking up ----------------------------------------------------------------------------- */

static struct crdt_type *type_new(struct crdt_table *table, struct span name)
{
	struct crdt_type *type = mem_new(struct crdt_type);
	struct metrics *metrics = table->metrics;
	struct metrics_label label = {"entity_name", name};

	type->name = mem_strndup(name.data, name.len);
	type->node.key = span_make(type->name, name.len);
	BUG_ON(!map_insert(&table->types, &type->node));
	if (!metrics)
		return type;
	type->active = metrics_series(metrics, METRIC_ENTITIES_ACTIVE, &label, 1);
	type->activations = metrics_series(metrics, METRIC_ENTITY_ACTIVATIONS, &label, 1);
	type->passivations = metrics_series(metrics, METRIC_ENTITY_PASSIVATIONS, &label, 1);
	type->queue_full = metrics_series(metrics, METRIC_ENTITY_QUEUE_FULL, &label, 1);
	return type;
}

static struct crdt_type *find_type(struct crdt_table *table, struct span name)
{
	struct map_node *node = map_find(&table->types, name);

	return node ? container_of(node, struct crdt_type, node) : type_new(table, name);
}

/* Room for one more, putting the longest idle entity to sleep if it must be. */
static bool make_room(struct crdt_table *table)
{
	struct list *first = table->idle.next;

	if (table->entities.count < table->limits.active_max)
		return true;
	if (list_is_empty(&table->idle) ||
	    table->entities.count >= table->limits.active_max * ENTITIES_HELD_FACTOR)
		return false;
	crdt_entity_run_type(list_entry(first, struct crdt_entity, idle_node), CRDT_EV_PASSIVATE);
	return true;
}

static bool put_name(struct crdt_table *table, const struct entity_command *command)
{
	buf_reset(&table->name);
	return buf_append(&table->name, command->method->service->persistence_id) &&
	       buf_append_byte(&table->name, '\0') && buf_append(&table->name, command->key);
}

/* ST_RESOURCE_EXHAUSTED: no room. ST_UNAVAILABLE: this replica may be another process still. */
static enum status find_entity(struct crdt_table *table, const struct entity_command *command,
			       struct crdt_entity **ret_entity)
{
	struct span type_name = command->method->service->persistence_id;
	struct map_node *node;
	const char *reason;

	if (!put_name(table, command))
		return ST_RESOURCE_EXHAUSTED;
	node = map_find(&table->entities, buf_span(&table->name));
	if (node) {
		*ret_entity = container_of(node, struct crdt_entity, node);
		return ST_OK;
	}
	if (!members_is_settled(table->members, &reason))
		return ST_UNAVAILABLE;
	if (!make_room(table))
		return ST_RESOURCE_EXHAUSTED;
	*ret_entity = crdt_entity_new(table, find_type(table, type_name), buf_span(&table->name),
				      type_name.len);
	return ST_OK;
}

/* ---- commands ------------------------------------------------------------------------------- */

static void refuse(struct crdt_ticket *ticket, enum status code, const char *text)
{
	struct crdt_item *item = crdt_ticket_fail(ticket, code, text, false);

	if (code == ST_RESOURCE_EXHAUSTED)
		item->retry_after_ms = RETRY_AFTER_MS;
}

static void admit(struct crdt_table *table, struct crdt_ticket *ticket,
		  const struct entity_command *command)
{
	struct crdt_entity *entity;
	enum status status;

	if (table->is_draining) {
		refuse(ticket, ST_UNAVAILABLE, TEXT_SHUTTING_DOWN);
		return;
	}
	if (ticket->call.is_streamed && table->streams > table->limits.streams_max) {
		refuse(ticket, ST_RESOURCE_EXHAUSTED, TEXT_STREAMS_FULL);
		return;
	}
	if (table->queued_bytes + crdt_ticket_bytes(ticket) > table->limits.queue_bytes_max) {
		refuse(ticket, ST_RESOURCE_EXHAUSTED, TEXT_BYTES_FULL);
		return;
	}
	status = find_entity(table, command, &entity);
	if (status != ST_OK) {
		refuse(ticket, status,
		       status == ST_UNAVAILABLE ? TEXT_UNSETTLED : TEXT_ACTIVE_FULL);
		return;
	}
	if (entity->fsm.queued + entity->fsm.unanswered >= table->limits.queue_max) {
		if (entity->type->queue_full)
			metrics_add(entity->type->queue_full, 1);
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
	crdt_table_deliver(table);
	return ticket;
}

size_t crdt_table_active(const struct crdt_table *table)
{
	return table->entities.count;
}

size_t crdt_table_queued(const struct crdt_table *table)
{
	return table->queued;
}

void crdt_table_renew(struct crdt_table *table)
{
	uint64_t epoch = userfn_epoch(table->userfn);
	struct map_node *node = map_next(&table->entities, NULL);

	if (table->epoch == epoch)
		return;
	table->epoch = epoch;
	while (node) {
		struct map_node *next = map_next(&table->entities, node);
		struct crdt_entity *entity = container_of(node, struct crdt_entity, node);

		if (entity->epoch != epoch)
			crdt_entity_run_type(entity, CRDT_EV_RENEW);
		node = next;
	}
	crdt_table_deliver(table);
}

/* ---- the end -------------------------------------------------------------------------------- */

void crdt_table_forgot(struct crdt_table *table)
{
	if (table->on_drained && table->entities.count == 0)
		loop_task_schedule(table->loop, &table->drained);
}

void crdt_table_drain(struct crdt_table *table, void (*on_done)(void *data), void *data)
{
	struct map_node *node = map_next(&table->entities, NULL);

	table->is_draining = true;
	table->on_drained = on_done;
	table->drained_data = data;
	if (!node)
		loop_task_schedule(table->loop, &table->drained);
	while (node) {
		struct map_node *next = map_next(&table->entities, node);

		crdt_entity_run_type(container_of(node, struct crdt_entity, node), CRDT_EV_STOP);
		node = next;
	}
	crdt_table_deliver(table);
}

void crdt_table_free(struct crdt_table *table)
{
	struct map_node *node;

	if (!table)
		return;
	table->is_draining = true;
	table->on_drained = NULL;
	while ((node = map_next(&table->entities, NULL)))
		crdt_entity_free(container_of(node, struct crdt_entity, node), ST_UNAVAILABLE,
				 TEXT_SHUTTING_DOWN);
	crdt_table_deliver_now(table);
	loop_task_cancel(&table->deliver);
	loop_task_cancel(&table->room);
	loop_task_cancel(&table->drained);
	while ((node = map_next(&table->types, NULL))) {
		struct crdt_type *type = container_of(node, struct crdt_type, node);

		map_remove(&table->types, node);
		mem_free(type->name);
		mem_free(type);
	}
	map_fini(&table->entities);
	map_fini(&table->types);
	buf_fini(&table->head);
	buf_fini(&table->delta);
	buf_fini(&table->name);
	mem_free(table->addresses);
	mem_free(table);
}
