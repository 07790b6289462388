#include "src/entity/entity_table.h"

#include <string.h>

#include "proto/schema.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/entity/entity.h"
#include "src/userfn/api.h"
#include "src/userfn/userfn.h"

/* Entities by persistence id and entity id. Those without work stand in a list, longest idle first;
 * when there are too many, the first of it is put to sleep. */

#define TEXT_SHUTTING_DOWN "The gateway is shutting down"
#define TEXT_QUEUE_FULL "Too many commands wait for this entity"
#define TEXT_BYTES_FULL "Too many commands wait for entities"
#define TEXT_ACTIVE_FULL "Too many entities are active"

/* Told to callers who met a limit. */
#define RETRY_AFTER_MS 1000

/* Entities that still close their streams do not count as active; but they are not free. */
#define ENTITIES_HELD_FACTOR 2

/* A persistence id of the schema and an entity id; the latter is bounded by JOURNAL_ID_MAX. */
#define NAME_BYTES_MAX ((size_t)64 * 1024)

struct entity_limits entity_limits_default(void)
{
	return (struct entity_limits){
		.queue_max = 100,
		.queue_bytes_max = (size_t)256 * 1024 * 1024,
		.active_max = 100000,
		.message_bytes_max = (size_t)12 * 1024 * 1024, /* ruling R5 */
		.command_timeout_ms = 60000,
		.journal_timeout_ms = 10000,
		.passivation_ms = 30000,
		.stop_timeout_ms = 10000,
		.crash_backoff_min_ms = 50,
		.crash_backoff_max_ms = 5000,
		.conflict_retries = 5,
		.restart_retries = 10,
		.dedupe_window = 1000,
	};
}

static void on_deliver(void *data)
{
	entity_table_deliver_now(data);
}

void entity_table_deliver(struct entity_table *table)
{
	if (!list_is_empty(&table->done))
		loop_task_schedule(table->loop, &table->deliver);
}

/* Runs when the channel has opened what it can: what still waits then is too much for the function.
 * Servers of .NET take 100 streams by default. */
static void on_room(void *data)
{
	struct entity_table *table = data;
	size_t missing = userfn_short_of_streams(table->userfn);

	if (table->room_wanted > missing)
		table->room_wanted = missing;
	while (table->room_wanted > 0 && !list_is_empty(&table->idle)) {
		struct entity *first = list_entry(table->idle.next, struct entity, idle_node);

		table->room_wanted -= first->is_stream_counted;
		entity_run_type(first, ENTITY_EV_PASSIVATE);
	}
}

void entity_table_want_room(struct entity_table *table)
{
	table->room_wanted++;
	loop_task_schedule(table->loop, &table->room);
}

static void on_all_gone(void *data)
{
	struct entity_table *table = data;
	void (*on_drained)(void *) = table->on_drained;

	table->on_drained = NULL;
	on_drained(table->drained_data);
}

struct entity_table *entity_table_new(struct loop *loop, struct userfn *userfn,
				      struct journal *journal, struct metrics *metrics,
				      const struct entity_limits *limits)
{
	struct entity_table *table = mem_new(struct entity_table);

	table->loop = loop;
	table->userfn = userfn;
	table->journal = journal;
	table->metrics = metrics;
	table->limits = *limits;
	table->config = (struct entity_fsm_config){
		.command_timeout_ms = limits->command_timeout_ms,
		.journal_timeout_ms = limits->journal_timeout_ms,
		.stop_timeout_ms = limits->stop_timeout_ms,
		.crash_backoff_min_ms = limits->crash_backoff_min_ms,
		.crash_backoff_max_ms = limits->crash_backoff_max_ms,
		.conflict_retries = limits->conflict_retries,
		.restart_retries = limits->restart_retries,
	};
	map_init(&table->entities);
	map_init(&table->types);
	list_init(&table->idle);
	list_init(&table->done);
	list_init(&table->holders);
	loop_task_init(&table->deliver, on_deliver, table);
	loop_task_init(&table->room, on_room, table);
	loop_task_init(&table->drained, on_all_gone, table);
	buf_init(&table->head, ENTITY_HEAD_BYTES_MAX);
	buf_init(&table->name, NAME_BYTES_MAX);
	buf_init(&table->kept, JOURNAL_REPLY_MAX);
	if (metrics)
		table->streams = metrics_series(metrics, METRIC_FUNCTION_STREAMS, NULL, 0);
	return table;
}

/* ---- looking up ----------------------------------------------------------------------------- */

static struct entity_type *type_new(struct entity_table *table, struct span name)
{
	struct entity_type *type = mem_new(struct entity_type);
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
	type->replayed = metrics_series(metrics, METRIC_EVENTS_REPLAYED, &label, 1);
	type->snapshots = metrics_series(metrics, METRIC_SNAPSHOTS_LOADED, &label, 1);
	return type;
}

static struct entity_type *find_type(struct entity_table *table, struct span name)
{
	struct map_node *node = map_find(&table->types, name);

	return node ? container_of(node, struct entity_type, node) : type_new(table, name);
}

/* Room for one more, putting the longest idle entity to sleep if it must be. */
static bool make_room(struct entity_table *table)
{
	struct list *first = table->idle.next;

	if (table->entities.count < table->limits.active_max)
		return true;
	if (list_is_empty(&table->idle) ||
	    table->entities.count >= table->limits.active_max * ENTITIES_HELD_FACTOR)
		return false;
	entity_run_type(list_entry(first, struct entity, idle_node), ENTITY_EV_PASSIVATE);
	return true;
}

static bool put_name(struct entity_table *table, const struct entity_command *command)
{
	buf_reset(&table->name);
	return buf_append(&table->name, command->method->service->persistence_id) &&
	       buf_append_byte(&table->name, '\0') && buf_append(&table->name, command->key);
}

/* NULL: no room; text says why. */
static struct entity *find_entity(struct entity_table *table, const struct entity_command *command,
				  const char **ret_text)
{
	struct span type_name = command->method->service->persistence_id;
	struct map_node *node;

	*ret_text = TEXT_ACTIVE_FULL;
	if (!put_name(table, command))
		return NULL;
	node = map_find(&table->entities, buf_span(&table->name));
	if (node)
		return container_of(node, struct entity, node);
	if (!make_room(table))
		return NULL;
	return entity_new(table, find_type(table, type_name), buf_span(&table->name),
			  type_name.len);
}

/* ---- commands ------------------------------------------------------------------------------- */

static void refuse(struct entity_ticket *ticket, enum status code, const char *text)
{
	if (code == ST_RESOURCE_EXHAUSTED)
		ticket->retry_after_ms = RETRY_AFTER_MS;
	entity_ticket_fail(ticket, code, text, false);
}

static void admit(struct entity_table *table, struct entity_ticket *ticket,
		  const struct entity_command *command)
{
	const char *text;
	struct entity *entity;

	if (table->is_draining) {
		refuse(ticket, ST_UNAVAILABLE, TEXT_SHUTTING_DOWN);
		return;
	}
	if (table->queued_bytes + entity_ticket_bytes(ticket) > table->limits.queue_bytes_max) {
		refuse(ticket, ST_RESOURCE_EXHAUSTED, TEXT_BYTES_FULL);
		return;
	}
	entity = find_entity(table, command, &text);
	if (!entity) {
		refuse(ticket, ST_RESOURCE_EXHAUSTED, text);
		return;
	}
	if (entity->fsm.queued >= table->limits.queue_max) {
		if (entity->type->queue_full)
			metrics_add(entity->type->queue_full, 1);
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
	entity_table_deliver(table);
	return ticket;
}

size_t entity_table_active(const struct entity_table *table)
{
	return table->entities.count;
}

size_t entity_table_queued(const struct entity_table *table)
{
	return table->queued;
}

void entity_table_renew(struct entity_table *table)
{
	uint64_t epoch = userfn_epoch(table->userfn);
	struct map_node *node = map_next(&table->entities, NULL);

	if (table->epoch == epoch)
		return;
	table->epoch = epoch;
	while (node) {
		struct map_node *next = map_next(&table->entities, node);
		struct entity *entity = container_of(node, struct entity, node);

		if (entity->epoch != epoch)
			entity_run_type(entity, ENTITY_EV_RENEW);
		node = next;
	}
}

size_t entity_table_hand_over(struct entity_table *table, entity_moves_fn moves, void *data)
{
	struct map_node *node = map_next(&table->entities, NULL);
	size_t moved = 0;

	while (node) {
		struct map_node *next = map_next(&table->entities, node);
		struct entity *entity = container_of(node, struct entity, node);

		if (!entity->fsm.is_stop_wanted &&
		    moves(data, span_head(node->key, entity->type_len), entity_id(entity))) {
			entity_run_type(entity, ENTITY_EV_HAND_OVER);
			moved++;
		}
		node = next;
	}
	if (!list_is_empty(&table->done))
		loop_task_schedule(table->loop, &table->deliver);
	return moved;
}

void entity_table_on_conflict(struct entity_table *table, entity_conflict_fn on_conflict,
			      void *data)
{
	table->on_conflict = on_conflict;
	table->conflict_data = data;
}

/* ---- the end -------------------------------------------------------------------------------- */

void entity_table_forgot(struct entity_table *table)
{
	if (table->on_drained && table->entities.count == 0)
		loop_task_schedule(table->loop, &table->drained);
}

void entity_table_drain(struct entity_table *table, void (*on_done)(void *data), void *data)
{
	struct map_node *node = map_next(&table->entities, NULL);

	table->is_draining = true;
	table->on_drained = on_done;
	table->drained_data = data;
	if (!node)
		loop_task_schedule(table->loop, &table->drained);
	while (node) {
		struct map_node *next = map_next(&table->entities, node);

		entity_run_type(container_of(node, struct entity, node), ENTITY_EV_STOP);
		node = next;
	}
	entity_table_deliver(table);
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
	struct map_node *node;

	if (!table)
		return;
	table->is_draining = true;
	table->on_drained = NULL;
	while ((node = map_next(&table->entities, NULL)))
		entity_free(container_of(node, struct entity, node), ST_UNAVAILABLE,
			    TEXT_SHUTTING_DOWN);
	entity_table_deliver_now(table);
	loop_task_cancel(&table->deliver);
	loop_task_cancel(&table->room);
	loop_task_cancel(&table->drained);
	free_holders(table);
	while ((node = map_next(&table->types, NULL))) {
		struct entity_type *type = container_of(node, struct entity_type, node);

		map_remove(&table->types, node);
		mem_free(type->name);
		mem_free(type);
	}
	map_fini(&table->entities);
	map_fini(&table->types);
	buf_fini(&table->head);
	buf_fini(&table->name);
	buf_fini(&table->kept);
	mem_free(table);
}
