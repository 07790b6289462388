#include "src/entity/entity_set.h"

#include <string.h>

#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/entity/entity_codec.h"
#include "src/entity/entity_table.h"
#include "src/userfn/api.h"
#include "src/userfn/userfn.h"

#define TEXT_SHUTTING_DOWN "The gateway is shutting down"
#define TEXT_BYTES_FULL "Too many commands wait for entities"

/* Entities that still close their streams do not count as active; but they are not free. */
#define ENTITIES_HELD_FACTOR 2

/* A persistence id of the schema and an entity id; the latter is bounded by JOURNAL_ID_MAX. */
#define NAME_BYTES_MAX ((size_t)64 * 1024)

static struct entity_member *member_of(struct map_node *node)
{
	return node ? container_of(node, struct entity_member, node) : NULL;
}

struct entity_member *entity_set_next(const struct entity_set *set, struct entity_member *member)
{
	return member_of(map_next(&set->members, member ? &member->node : NULL));
}

static void on_deliver(void *data)
{
	struct entity_set *set = data;

	set->ops->deliver(set);
}

static void on_all_gone(void *data)
{
	struct entity_set *set = data;
	void (*on_drained)(void *) = set->on_drained;

	set->on_drained = NULL;
	on_drained(set->drained_data);
}

void entity_set_init(struct entity_set *set, struct entity_budget *budget, struct metrics *metrics,
		     const struct entity_set_ops *ops)
{
	*set = (struct entity_set){
		.budget = budget,
		.ops = ops,
		.loop = budget->loop,
		.userfn = budget->userfn,
		.metrics = metrics,
	};
	map_init(&set->members);
	map_init(&set->types);
	list_init(&set->done);
	loop_task_init(&set->deliver, on_deliver, set);
	loop_task_init(&set->drained, on_all_gone, set);
	buf_init(&set->head, ENTITY_HEAD_BYTES_MAX);
	buf_init(&set->name, NAME_BYTES_MAX);
	if (metrics)
		set->streams = metrics_series(metrics, METRIC_FUNCTION_STREAMS, NULL, 0);
}

/* ---- looking up ----------------------------------------------------------------------------- */

static struct entity_type *type_new(struct entity_set *set, struct span name)
{
	struct entity_type *type = mem_new(struct entity_type);
	struct metrics *metrics = set->metrics;
	struct metrics_label label = {"entity_name", name};

	type->name = mem_strndup(name.data, name.len);
	type->node.key = span_make(type->name, name.len);
	BUG_ON(!map_insert(&set->types, &type->node));
	if (!metrics)
		return type;
	type->active = metrics_series(metrics, METRIC_ENTITIES_ACTIVE, &label, 1);
	type->activations = metrics_series(metrics, METRIC_ENTITY_ACTIVATIONS, &label, 1);
	type->passivations = metrics_series(metrics, METRIC_ENTITY_PASSIVATIONS, &label, 1);
	type->queue_full = metrics_series(metrics, METRIC_ENTITY_QUEUE_FULL, &label, 1);
	if (set->ops->is_crdt)
		return type;
	type->replayed = metrics_series(metrics, METRIC_EVENTS_REPLAYED, &label, 1);
	type->snapshots = metrics_series(metrics, METRIC_SNAPSHOTS_LOADED, &label, 1);
	type->speculated = metrics_series(metrics, METRIC_COMMANDS_SPECULATED, &label, 1);
	type->discarded = metrics_series(metrics, METRIC_COMMANDS_DISCARDED, &label, 1);
	return type;
}

static struct entity_type *find_type(struct entity_set *set, struct span name)
{
	struct map_node *node = map_find(&set->types, name);

	return node ? container_of(node, struct entity_type, node) : type_new(set, name);
}

bool entity_set_find(struct entity_set *set, const struct entity_command *command,
		     struct entity_member **ret_member)
{
	buf_reset(&set->name);
	if (!buf_append(&set->name, command->method->service->persistence_id) ||
	    !buf_append_byte(&set->name, '\0') || !buf_append(&set->name, command->key))
		return false;
	*ret_member = member_of(map_find(&set->members, buf_span(&set->name)));
	return true;
}

bool entity_set_make_room(struct entity_set *set)
{
	struct entity_budget *budget = set->budget;
	struct entity_member *first;

	if (budget->active < budget->limits.active_max)
		return true;
	if (list_is_empty(&budget->idle) ||
	    budget->active >= budget->limits.active_max * ENTITIES_HELD_FACTOR)
		return false;
	first = list_entry(budget->idle.next, struct entity_member, idle_node);
	first->set->ops->call(first, ENTITY_CALL_SLEEP);
	return true;
}

/* ---- commands ------------------------------------------------------------------------------- */

enum status entity_set_check(const struct entity_set *set, size_t bytes, const char **ret_text)
{
	const struct entity_budget *budget = set->budget;

	*ret_text = TEXT_SHUTTING_DOWN;
	if (set->is_draining)
		return ST_UNAVAILABLE;
	*ret_text = TEXT_BYTES_FULL;
	if (budget->queued_bytes + bytes > budget->limits.queue_bytes_max)
		return ST_RESOURCE_EXHAUSTED;
	return ST_OK;
}

void entity_set_queued(struct entity_set *set, size_t bytes)
{
	set->queued++;
	set->budget->queued_bytes += bytes;
}

void entity_set_unqueued(struct entity_set *set, size_t bytes)
{
	set->queued--;
	set->budget->queued_bytes -= bytes;
}

void entity_set_hold(struct entity_set *set, size_t bytes)
{
	set->budget->queued_bytes += bytes;
}

void entity_set_release(struct entity_set *set, size_t bytes)
{
	set->budget->queued_bytes -= bytes;
}

void entity_set_deliver(struct entity_set *set)
{
	if (!list_is_empty(&set->done))
		loop_task_schedule(set->loop, &set->deliver);
}

/* ---- all of them ---------------------------------------------------------------------------- */

void entity_set_renew(struct entity_set *set)
{
	uint64_t epoch = userfn_epoch(set->userfn);
	struct entity_member *member = entity_set_next(set, NULL);

	if (set->epoch == epoch)
		return;
	set->epoch = epoch;
	while (member) {
		struct entity_member *next = entity_set_next(set, member);

		if (member->epoch != epoch)
			set->ops->call(member, ENTITY_CALL_RENEW);
		member = next;
	}
}

void entity_set_drain(struct entity_set *set, void (*on_done)(void *data), void *data)
{
	struct entity_member *member = entity_set_next(set, NULL);

	set->is_draining = true;
	set->on_drained = on_done;
	set->drained_data = data;
	if (!member)
		loop_task_schedule(set->loop, &set->drained);
	while (member) {
		struct entity_member *next = entity_set_next(set, member);

		set->ops->call(member, ENTITY_CALL_STOP);
		member = next;
	}
}

void entity_set_fini(struct entity_set *set)
{
	struct entity_member *member;
	struct map_node *node;

	set->is_draining = true;
	set->on_drained = NULL;
	while ((member = entity_set_next(set, NULL)))
		set->ops->free(member, TEXT_SHUTTING_DOWN);
	set->ops->deliver(set);
	loop_task_cancel(&set->deliver);
	loop_task_cancel(&set->drained);
	while ((node = map_next(&set->types, NULL))) {
		struct entity_type *type = container_of(node, struct entity_type, node);

		map_remove(&set->types, node);
		mem_free(type->name);
		mem_free(type);
	}
	map_fini(&set->members);
	map_fini(&set->types);
	buf_fini(&set->head);
	buf_fini(&set->name);
}

/* ---- members -------------------------------------------------------------------------------- */

void *entity_member_new(struct entity_set *set, size_t size)
{
	/* the name is bounded: NAME_BYTES_MAX */
	struct span name = buf_span(&set->name);
	struct entity_member *member = mem_zalloc(size + name.len);
	uint8_t *key = (uint8_t *)member + size;

	memcpy(key, name.data, name.len);
	member->node.key = span_make(key, name.len);
	member->set = set;
	member->type = find_type(set, span_head(name, span_find(name, '\0')));
	list_init(&member->idle_node);
	BUG_ON(!map_insert(&set->members, &member->node));
	set->budget->active++;
	return member;
}

void entity_member_free(struct entity_member *member)
{
	struct entity_set *set = member->set;

	entity_member_count_stream(member, false);
	list_remove(&member->idle_node);
	map_remove(&set->members, &member->node);
	set->budget->active--;
	if (member->service)
		api_unref((struct api *)member->service->api);
	mem_free(member);
	if (set->on_drained && set->members.count == 0)
		loop_task_schedule(set->loop, &set->drained);
}

static const struct api_service *newest_service(const struct entity_member *member,
						const struct api_service *otherwise)
{
	const struct api *api = userfn_api(member->set->userfn);

	for (size_t i = 0; api && i < api->service_count; i++) {
		const struct api_service *service = &api->services[i];

		if ((service->kind == ENTITY_CRDT) == member->set->ops->is_crdt &&
		    span_eq(service->persistence_id, entity_member_type(member)))
			return service;
	}
	return otherwise;
}

void entity_member_activate(struct entity_member *member, const struct api_service *service)
{
	struct entity_set *set = member->set;

	service = newest_service(member, service);
	member->epoch = userfn_epoch(set->userfn);
	if (member->service == service)
		return;
	(void)api_ref((struct api *)service->api); /* references are counted in it */
	if (member->service)
		api_unref((struct api *)member->service->api);
	member->service = service;
}

void entity_member_want_room(struct entity_member *member)
{
	struct entity_budget *budget = member->set->budget;

	budget->room_wanted++;
	loop_task_schedule(budget->loop, &budget->room);
}

void entity_member_count_stream(struct entity_member *member, bool is_open)
{
	struct entity_set *set = member->set;
	int64_t step = is_open ? 1 : -1;

	if (member->is_stream_counted == is_open)
		return;
	member->is_stream_counted = is_open;
	if (!set->metrics)
		return;
	metrics_set(set->streams, metrics_value(set->streams) + step);
	metrics_set(member->type->active, metrics_value(member->type->active) + step);
}

void entity_member_sort(struct entity_member *member, bool is_idle)
{
	struct entity_budget *budget = member->set->budget;

	if (list_is_linked(&member->idle_node) && !is_idle) {
		list_remove(&member->idle_node);
	} else if (!list_is_linked(&member->idle_node) && is_idle) {
		list_push_back(&budget->idle, &member->idle_node);
		if (budget->room_wanted > 0)
			loop_task_schedule(budget->loop, &budget->room);
	}
}
