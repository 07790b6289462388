#include <string.h>

#include "proto/schema.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/entity/crdt_entity.h"
#include "src/entity/metadata_codec.h"
#include "src/userfn/api.h"

/* A ticket is one block: what the caller gave, with the payload at its end, and where it stands. It
 * lives until its last item was delivered. */

static struct api *api_of(const struct crdt_ticket *ticket)
{
	return (struct api *)ticket->method->service->api; /* references are counted in it */
}

static void count_streams(struct crdt_table *table, int step)
{
	table->streams = step > 0 ? table->streams + 1 : table->streams - 1;
	if (table->streams_active)
		metrics_set(table->streams_active, (int64_t)table->streams);
}

struct crdt_ticket *crdt_ticket_new(struct crdt_table *table, const struct entity_command *command,
				    crdt_reply_fn on_reply, void *data)
{
	const struct metadata *metadata = table->limits.has_metadata ? command->metadata : NULL;
	size_t metadata_len = metadata_codec_len(metadata);
	/* both sizes are bounded by the front's limits for requests (ruling R5) */
	struct crdt_ticket *ticket =
		mem_zalloc(sizeof(struct crdt_ticket) + command->payload.len + metadata_len);
	uint64_t wait_ns = table->limits.command_timeout_ms * NS_PER_MS;
	uint64_t latest = clock_deadline(loop_now_ns(table->set.loop), wait_ns);

	list_init(&ticket->node);
	list_init(&ticket->due);
	ticket->table = table;
	ticket->on_reply = on_reply;
	ticket->data = data;
	ticket->method = command->method;
	ticket->call.is_streamed = command->method->schema->server_streaming;
	(void)api_ref(api_of(ticket));
	ticket->deadline_ns = command->deadline_ns < latest ? command->deadline_ns : latest;
	ticket->payload_len = command->payload.len;
	ticket->metadata_len = metadata_len;
	(void)metadata_codec_put(ticket->payload + ticket->payload_len, metadata);
	if (command->payload.len)
		memcpy(ticket->payload, command->payload.data, command->payload.len);
	if (ticket->call.is_streamed)
		count_streams(table, 1);
	return ticket;
}

static void crdt_ticket_free(struct crdt_ticket *ticket)
{
	if (ticket->call.is_streamed)
		count_streams(ticket->table, -1);
	list_remove(&ticket->node);
	list_remove(&ticket->due);
	api_unref(api_of(ticket));
	mem_free(ticket);
}

/* ---- where it stands ------------------------------------------------------------------------ */

void crdt_ticket_enqueue(struct crdt_ticket *ticket, struct crdt_entity *entity)
{
	ticket->entity = entity;
	list_push_back(&entity->queue, &ticket->node);
	entity_set_queued(&ticket->table->set, crdt_ticket_bytes(ticket));
}

void crdt_ticket_leave_queue(struct crdt_ticket *ticket)
{
	list_remove(&ticket->node);
	entity_set_unqueued(&ticket->table->set, crdt_ticket_bytes(ticket));
}

void crdt_ticket_sent(struct crdt_ticket *ticket, uint64_t id)
{
	struct crdt_entity *entity = ticket->entity;
	uint64_t wait_ns = ticket->table->limits.command_timeout_ms * NS_PER_MS;

	crdt_ticket_leave_queue(ticket);
	crdt_fsm_call_sent(&ticket->call, id);
	ticket->sent.key = span_make(&ticket->call.id, sizeof(ticket->call.id));
	BUG_ON(!map_insert(&entity->calls, &ticket->sent));
	ticket->deadline_ns = clock_deadline(loop_now_ns(ticket->table->set.loop), wait_ns);
	list_push_back(&entity->sent, &ticket->due);
	crdt_entity_watch_due(entity, ticket->deadline_ns);
}

struct crdt_ticket *crdt_ticket_find(const struct crdt_entity *entity, uint64_t id)
{
	struct map_node *node = map_find(&entity->calls, span_make(&id, sizeof(id)));

	return node ? container_of(node, struct crdt_ticket, sent) : NULL;
}

/* Its last item goes into the done list. */
static void leave_entity(struct crdt_ticket *ticket)
{
	if (!ticket->entity)
		return;
	if (ticket->call.id == 0)
		crdt_ticket_leave_queue(ticket);
	else
		map_remove(&ticket->entity->calls, &ticket->sent);
	list_remove(&ticket->due);
	ticket->call.state = CRDT_CALL_OVER;
	ticket->entity = NULL;
}

/* ---- items ---------------------------------------------------------------------------------- */

struct crdt_item *crdt_item_new(struct crdt_table *table)
{
	struct crdt_item *item = mem_new(struct crdt_item);

	list_init(&item->node);
	/* a message of the function, or the text of an error */
	buf_init(&item->bytes, table->limits.message_bytes_max + ERROR_MESSAGE_MAX);
	item->out.message.action = ENTITY_NONE;
	return item;
}

void crdt_item_free(struct crdt_item *item)
{
	if (!item)
		return;
	BUG_ON(item->write);
	list_remove(&item->node);
	buf_fini(&item->bytes);
	mem_free(item);
}

void crdt_outbox_push(struct crdt_entity *entity, struct crdt_item *item)
{
	list_push_back(&entity->outbox, &item->node);
	entity->outbox_len++;
}

static void take_out(struct crdt_entity *entity, struct crdt_item *item)
{
	list_remove(&item->node);
	entity->outbox_len--;
}

void crdt_outbox_remove(struct crdt_entity *entity, struct crdt_item *item)
{
	take_out(entity, item);
	if (item->write) {
		item->write->item = NULL;
		item->write->kept = item->bytes; /* it may have to be done anew */
		buf_init(&item->bytes, 0);
	}
	item->write = NULL;
	crdt_item_free(item);
}

void crdt_outbox_clear(struct crdt_entity *entity)
{
	while (!list_is_empty(&entity->outbox))
		crdt_outbox_remove(entity, list_entry(entity->outbox.next, struct crdt_item, node));
}

void crdt_outbox_flush(struct crdt_entity *entity)
{
	while (!list_is_empty(&entity->outbox)) {
		struct crdt_item *item = list_entry(entity->outbox.next, struct crdt_item, node);

		if (item->write)
			return;
		take_out(entity, item);
		if (!item->ticket) {
			crdt_item_free(item);
			continue;
		}
		list_push_back(&entity->table->set.done, &item->node);
		if (item->is_last)
			leave_entity(item->ticket);
	}
}

struct crdt_item *crdt_ticket_fail(struct crdt_ticket *ticket, enum status code, const char *text,
				   bool is_copied)
{
	struct crdt_item *item = crdt_item_new(ticket->table);

	if (ticket->entity && ticket->call.id != 0) {
		list_for_each_safe (node, &ticket->entity->outbox) {
			struct crdt_item *other = list_entry(node, struct crdt_item, node);

			if (other->ticket == ticket)
				crdt_outbox_remove(ticket->entity, other);
		}
	}
	leave_entity(ticket);
	item->ticket = ticket;
	item->is_last = true;
	item->code = code == ST_OK ? ST_INTERNAL : code;
	item->text = text;
	if (is_copied) {
		/* texts are at most ERROR_MESSAGE_MAX long */
		(void)buf_append(&item->bytes, span_make(text, strlen(text) + 1));
		item->text = (const char *)buf_span(&item->bytes).data;
	}
	list_push_back(&ticket->table->set.done, &item->node);
	return item;
}

void crdt_ticket_end(struct crdt_ticket *ticket)
{
	struct crdt_item *item = crdt_item_new(ticket->table);

	item->ticket = ticket;
	item->is_last = true;
	ticket->call.state = CRDT_CALL_OVER;
	crdt_outbox_push(ticket->entity, item);
}

/* ---- delivery ------------------------------------------------------------------------------- */

static void deliver(struct crdt_table *table, const struct crdt_item *item)
{
	const struct entity_out *out = &item->out.message;
	struct crdt_ticket *ticket = item->ticket;
	struct entity_reply reply = {
		.action = out->action,
		.code = out->code,
		.message = out->description,
		.details = out->details,
		.type_url = out->payload.type_url,
		.payload = out->payload.value,
		.service_name = out->service_name,
		.command_name = out->command_name,
		.metadata = out->metadata,
		.effects = table->effects,
	};

	if (item->code != ST_OK)
		reply = (struct entity_reply){
			.action = ENTITY_FAILURE,
			.code = item->code,
			.message = span_from_str(item->text),
			.retry_after_ms = item->retry_after_ms,
		};
	else
		reply.effect_count =
			entity_out_effects(out, table->effects, ENTITY_REPLY_EFFECTS_MAX);
	ticket->on_reply(ticket->data, &reply, item->is_last);
}

void crdt_table_deliver_now(struct entity_set *set)
{
	struct crdt_table *table = container_of(set, struct crdt_table, set);
	struct list *node;

	while ((node = list_pop_front(&set->done))) {
		struct crdt_item *item = list_entry(node, struct crdt_item, node);

		if (item->ticket->on_reply)
			deliver(table, item);
		if (item->is_last)
			crdt_ticket_free(item->ticket);
		crdt_item_free(item);
	}
}

bool crdt_table_abandon(struct crdt_ticket *ticket)
{
	struct crdt_entity *entity = ticket->entity;
	struct crdt_table *table = ticket->table;
	struct crdt_event event = {.type = CRDT_EV_CANCEL, .call = &ticket->call};

	if (!entity)
		return false;
	if (ticket->call.id == 0) {
		event = (struct crdt_event){.type = CRDT_EV_UNQUEUED};
		crdt_ticket_leave_queue(ticket);
		crdt_ticket_free(ticket);
		crdt_entity_run(entity, &event);
		return true;
	}
	crdt_entity_run(entity, &event);
	entity_set_deliver(&table->set);
	return false;
}

void crdt_table_forget(struct crdt_ticket *ticket)
{
	if (!crdt_table_abandon(ticket))
		ticket->on_reply = NULL;
}
