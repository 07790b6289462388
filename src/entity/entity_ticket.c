#include <string.h>

#include "proto/schema.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/entity/entity.h"
#include "src/entity/metadata_codec.h"
#include "src/userfn/api.h"

/* A ticket is one block: what the caller gave, the payload at its end, and the outcome. The payload
 * stays until the end, because after a conflict the same command runs again. */

static struct api *api_of(const struct entity_ticket *ticket)
{
	return (struct api *)ticket->method->service->api; /* references are counted in it */
}

struct entity_ticket *entity_ticket_new(struct entity_table *table,
					const struct entity_command *command,
					entity_reply_fn on_reply, void *data)
{
	const struct metadata *metadata = table->limits.has_metadata ? command->metadata : NULL;
	struct span key = entity_recall_key(command);
	size_t metadata_len = metadata_codec_len(metadata);
	/* both sizes are bounded by the front's limits for requests (ruling R5) */
	struct entity_ticket *ticket = mem_zalloc(sizeof(struct entity_ticket) +
						  command->payload.len + metadata_len + key.len);
	uint64_t wait_ns = table->limits.command_timeout_ms * NS_PER_MS;
	uint64_t latest = clock_deadline(loop_now_ns(table->set.loop), wait_ns);

	list_init(&ticket->node);
	ticket->table = table;
	ticket->on_reply = on_reply;
	ticket->data = data;
	ticket->method = command->method;
	(void)api_ref(api_of(ticket));
	ticket->deadline_ns = command->deadline_ns < latest ? command->deadline_ns : latest;
	ticket->id = command->id ? *command->id : journal_new_id(table->journal);
	if (key.len)
		entity_recall_identify(ticket, command);
	ticket->is_resent = command->is_resent;
	ticket->may_be_executed = key.len || command->is_resent;
	ticket->key_len = key.len;
	ticket->payload_len = command->payload.len;
	ticket->metadata_len = metadata_len;
	(void)metadata_codec_put(ticket->payload + ticket->payload_len, metadata);
	if (command->payload.len)
		memcpy(ticket->payload, command->payload.data, command->payload.len);
	if (key.len)
		memcpy(ticket->payload + ticket->payload_len + metadata_len, key.data, key.len);
	return ticket;
}

static void entity_ticket_free(struct entity_ticket *ticket)
{
	list_remove(&ticket->node);
	entity_holder_free(ticket->table, ticket->holder);
	api_unref(api_of(ticket));
	mem_free(ticket);
}

/* ---- holders -------------------------------------------------------------------------------- */

struct entity_holder *entity_holder_new(struct entity_table *table)
{
	struct list *node = list_pop_front(&table->holders);
	struct entity_holder *holder;

	if (node) {
		table->holder_count--;
		return list_entry(node, struct entity_holder, node);
	}
	holder = mem_new(struct entity_holder);
	list_init(&holder->node);
	/* a message of the function, or the text of an error */
	buf_init(&holder->bytes, table->limits.message_bytes_max + ERROR_MESSAGE_MAX);
	return holder;
}

void entity_holder_free(struct entity_table *table, struct entity_holder *holder)
{
	if (!holder)
		return;
	buf_reset(&holder->bytes);
	if (table->holder_count < ENTITY_HOLDERS_KEPT) {
		table->holder_count++;
		list_push_front(&table->holders, &holder->node);
		return;
	}
	buf_fini(&holder->bytes);
	mem_free(holder);
}

/* ---- the queue ------------------------------------------------------------------------------ */

void entity_ticket_enqueue(struct entity_ticket *ticket, struct entity *entity, bool is_first)
{
	ticket->entity = entity;
	ticket->state = ENTITY_TICKET_QUEUED;
	if (is_first)
		list_push_front(&entity->queue, &ticket->node);
	else
		list_push_back(&entity->queue, &ticket->node);
	entity_set_queued(&ticket->table->set, entity_ticket_bytes(ticket));
}

static void leave_queue(struct entity_ticket *ticket)
{
	list_remove(&ticket->node);
	entity_set_unqueued(&ticket->table->set, entity_ticket_bytes(ticket));
}

struct entity_ticket *entity_ticket_dequeue(struct entity *entity)
{
	struct entity_ticket *ticket;

	BUG_ON(list_is_empty(&entity->queue));
	ticket = list_entry(entity->queue.next, struct entity_ticket, node);
	leave_queue(ticket);
	ticket->state = ENTITY_TICKET_CURRENT;
	return ticket;
}

/* ---- the outcome ---------------------------------------------------------------------------- */

static void done(struct entity_ticket *ticket)
{
	if (ticket->entity && ticket->state == ENTITY_TICKET_QUEUED)
		leave_queue(ticket);
	ticket->entity = NULL;
	ticket->state = ENTITY_TICKET_DONE;
	list_push_back(&ticket->table->set.done, &ticket->node);
}

void entity_ticket_fail(struct entity_ticket *ticket, enum status code, const char *text,
			bool is_copied)
{
	done(ticket);
	ticket->code = code == ST_OK ? ST_INTERNAL : code;
	ticket->text = text;
	if (!is_copied)
		return;
	ticket->holder = entity_holder_new(ticket->table);
	/* texts are at most ERROR_MESSAGE_MAX long */
	(void)buf_append(&ticket->holder->bytes, span_make(text, strlen(text) + 1));
	ticket->text = (const char *)buf_span(&ticket->holder->bytes).data;
}

void entity_ticket_move(struct entity_ticket *ticket)
{
	done(ticket);
	ticket->is_moved = true;
}

void entity_ticket_answer(struct entity_ticket *ticket, struct entity_holder *holder)
{
	done(ticket);
	ticket->code = ST_OK;
	ticket->holder = holder;
}

static void deliver_move(struct entity_ticket *ticket)
{
	const struct entity_reply reply = {
		.action = ENTITY_MOVED,
		.payload = span_make(ticket->payload, ticket->payload_len),
		.command_id = &ticket->id,
		.is_keyed = ticket->key_len > 0,
		.is_resent = ticket->is_resent,
	};

	ticket->on_reply(ticket->data, &reply);
}

static void deliver_failure(struct entity_ticket *ticket)
{
	struct entity_reply reply = {
		.action = ENTITY_FAILURE,
		.code = ticket->code,
		.message = span_from_str(ticket->text),
		.retry_after_ms = ticket->retry_after_ms,
		.reason = ticket->reason,
		.sequence = ticket->is_replayed ? ticket->sequence : 0,
		.is_replayed = ticket->is_replayed,
	};

	ticket->on_reply(ticket->data, &reply);
}

static void deliver_reply(struct entity_ticket *ticket)
{
	struct entity_table *table = ticket->table;
	const struct entity_out *out = &ticket->holder->out;
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
		.command_id = &ticket->id,
		.is_keyed = ticket->key_len > 0,
		.sequence = ticket->sequence,
		.is_replayed = ticket->is_replayed,
	};

	reply.effect_count = entity_out_effects(out, table->effects, ENTITY_REPLY_EFFECTS_MAX);
	ticket->on_reply(ticket->data, &reply);
}

void entity_table_deliver_now(struct entity_set *set)
{
	struct list *node;

	while ((node = list_pop_front(&set->done))) {
		struct entity_ticket *ticket = list_entry(node, struct entity_ticket, node);

		if (!ticket->on_reply)
			; /* the caller has gone */
		else if (ticket->is_moved)
			deliver_move(ticket);
		else if (ticket->code == ST_OK)
			deliver_reply(ticket);
		else
			deliver_failure(ticket);
		entity_ticket_free(ticket);
	}
}

bool entity_table_abandon(struct entity_ticket *ticket)
{
	struct entity *entity = ticket->entity;
	struct entity_event event = {.type = ENTITY_EV_UNQUEUED};

	if (ticket->state != ENTITY_TICKET_QUEUED)
		return false;
	event.is_head = entity->queue.next == &ticket->node;
	leave_queue(ticket);
	ticket->entity = NULL;
	entity_ticket_free(ticket);
	entity_run(entity, &event);
	return true;
}

void entity_table_forget(struct entity_ticket *ticket)
{
	if (!entity_table_abandon(ticket))
		ticket->on_reply = NULL;
}
