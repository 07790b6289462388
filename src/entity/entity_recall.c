#include <stdio.h>
#include <string.h>

#include "proto/schema.h"
#include "src/base/error.h"
#include "src/base/metrics.h"
#include "src/entity/entity.h"
#include "src/runtime/digest.h"
#include "src/userfn/api.h"

/* Commands that may have been executed before: how they are told apart, what is kept of them, and
 * the two questions to the journal. Which commands wrote lately is read once per activation, when
 * the first command comes that may be one of them; what was stored is read for each that is, with
 * the proof that the head is current. Spec: journal-and-ownership 5; ruling R12. */

#define TEXT_REUSED "The idempotency key was used for another request"
#define TEXT_TOO_LARGE                                                                             \
	"The command was already executed; its reply was too large to be kept for another time"
#define TEXT_UNREADABLE "The command was already executed; what is stored of it cannot be read"

/* What stands for the key of a forward or effect: whose it is says its command's id. */
#define KEY_DERIVED "(derived)"

/* The first byte of what is kept; docs/journal-format.md. */
#define KEPT_REPLY 1
#define KEPT_DIGEST 2

/* ---- which command it is -------------------------------------------------------------------- */

struct span entity_recall_key(const struct entity_command *command)
{
	return command->is_derived ? SPAN_LIT(KEY_DERIVED) : command->idempotency_key;
}

/* Spec: docs/journal-format.md, "Commands executed before" */
void entity_recall_identify(struct entity_ticket *ticket, const struct entity_command *command)
{
	const struct span scope[] = {command->method->service->persistence_id, command->key,
				     command->idempotency_key};
	const struct span request[] = {command->method->schema->full_name, command->payload};
	uint8_t digest[DIGEST_SHA256_BYTES];

	if (!command->is_derived) {
		digest_sha256_parts(scope, sizeof(scope) / sizeof(*scope), digest);
		memcpy(ticket->id.bytes, digest, sizeof(ticket->id.bytes));
	}
	digest_sha256_parts(request, sizeof(request) / sizeof(*request), digest);
	memcpy(ticket->fingerprint.bytes, digest, sizeof(ticket->fingerprint.bytes));
}

enum entity_next entity_recall_next(const struct entity *entity)
{
	const struct entity_ticket *first;

	if (list_is_empty(&entity->queue))
		return ENTITY_NEXT_SEND;
	first = list_entry(entity->queue.next, struct entity_ticket, node);
	if (first->may_be_executed && !entity->window.is_read)
		return ENTITY_NEXT_SEARCH;
	if (first->may_be_executed && entity_window_find(&entity->window, &first->id))
		return ENTITY_NEXT_RECALL;
	return entity_undecided_is_in_the_way(entity, first) ? ENTITY_NEXT_WAIT : ENTITY_NEXT_SEND;
}

/* ---- what is kept --------------------------------------------------------------------------- */

bool entity_recall_keep(const struct entity_ticket *ticket, struct journal_idempotency *ret_kept)
{
	const struct entity_out *out = &ticket->holder->out;
	struct buf *kept = &ticket->table->kept;
	uint8_t digest[DIGEST_SHA256_BYTES];

	if (ticket->key_len == 0)
		return false;
	buf_reset(kept);
	if (!buf_append_byte(kept, KEPT_REPLY) || !entity_out_put_reply(out, kept)) {
		digest_sha256_parts(&out->reply_, 1, digest);
		buf_reset(kept);
		(void)buf_append_byte(kept, KEPT_DIGEST); /* its limit is far above */
		(void)buf_append(kept, span_make(digest, sizeof(struct journal_id)));
	}
	*ret_kept = (struct journal_idempotency){
		.key = entity_ticket_key(ticket),
		.fingerprint = ticket->fingerprint,
		.reply = buf_span(kept),
	};
	return true;
}

/* ---- the window ----------------------------------------------------------------------------- */

static bool is_value(const struct entity *entity)
{
	return entity->fsm.kind == ENTITY_FSM_VALUE;
}

/* Neither may know more than the journal would tell another gateway. */
static uint64_t window_size(const struct entity *entity)
{
	uint64_t size = entity->table->limits.dedupe_window;

	return is_value(entity) && size > JOURNAL_WRITES_KEPT ? JOURNAL_WRITES_KEPT : size;
}

void entity_recall_activated(struct entity *entity, uint64_t sequence)
{
	entity_window_reset(&entity->window);
	if (sequence == 0)
		entity_window_begin(&entity->window, window_size(entity));
}

void entity_recall_written(struct entity *entity, struct entity_ticket *ticket)
{
	const struct journal_executed executed = {
		.command = ticket->id,
		.sequence = ticket->undecided.written,
		.has_key = ticket->key_len > 0,
		.fingerprint = ticket->fingerprint,
	};

	ticket->sequence = ticket->undecided.written;
	if (entity->window.is_read)
		entity_window_add(&entity->window, &executed);
}

static void on_window(void *data, enum journal_result result,
		      const struct journal_executed *executed, size_t count,
		      const struct error *error)
{
	struct entity *entity = data;
	struct entity_table *table = entity->table;
	struct entity_event event = {.type = ENTITY_EV_WINDOW_READ};
	char text[ENTITY_DETAIL_MAX];

	entity->search = NULL;
	if (result == JOURNAL_OK) {
		entity_window_begin(&entity->window, window_size(entity));
		for (size_t i = 0; i < count; i++) {
			/* later ones are of others: our next append or recall will meet them */
			if (executed[i].sequence <= entity->fsm.head.sequence)
				entity_window_add(&entity->window, &executed[i]);
		}
	} else {
		event.type = ENTITY_EV_WINDOW_ERROR;
		event.code = error && error->status ? error->status : ST_UNAVAILABLE;
		(void)snprintf(text, sizeof(text),
			       "It could not be read whether the command was already executed: "
			       "%.400s",
			       error ? error->message : "");
		event.text = text;
	}
	entity_run(entity, &event);
	entity_set_deliver(&table->set);
}

static struct span type_name(const struct entity *entity)
{
	return entity_member_type(&entity->member);
}

void entity_recall_search(struct entity *entity)
{
	struct entity_table *table = entity->table;
	uint64_t last = entity->fsm.head.sequence;
	uint64_t size = window_size(entity);
	struct journal_window window = {
		.key = entity_journal_key(entity),
		.kind = is_value(entity) ? JOURNAL_VALUE : JOURNAL_EVENTS,
		.first = last > size ? last - size + 1 : 1,
		.last = last,
	};
	struct metrics_label label = {"entity_name", type_name(entity)};

	if (table->set.metrics)
		metrics_add(metrics_series(table->set.metrics, METRIC_DEDUPE_WINDOWS, &label, 1),
			    1);
	entity->search = journal_window(table->journal, &window, entity_journal_deadline(entity),
					on_window, entity);
}

/* ---- one command ---------------------------------------------------------------------------- */

static void count_recall(const struct entity *entity, const char *outcome)
{
	struct metrics_label labels[] = {{"entity_name", type_name(entity)},
					 {"outcome", span_from_str(outcome)}};

	if (entity->table->set.metrics)
		metrics_add(metrics_series(entity->table->set.metrics, METRIC_COMMANDS_RECALLED,
					   labels, 2),
			    1);
}

static void refuse(struct entity *entity, struct entity_event *event, enum status code,
		   const char *text)
{
	event->type = ENTITY_EV_RECALL_REFUSED;
	event->code = code;
	event->text = text;
	count_recall(entity, entity_undecided_oldest(entity)->reason ? "reused" : "lost");
}

/* Puts the stored reply where a reply of the function would be. */
static bool take_kept(struct entity_ticket *ticket, struct span kept)
{
	struct entity_holder *holder;

	if (kept.len == 0 || kept.data[0] != KEPT_REPLY)
		return false;
	holder = entity_holder_new(ticket->table);
	holder->out.kind = ENTITY_OUT_GARBAGE;
	if (buf_append(&holder->bytes, span_skip(kept, 1)))
		entity_out_parse(buf_span(&holder->bytes), &holder->out);
	if (holder->out.kind != ENTITY_OUT_REPLY) {
		entity_holder_free(ticket->table, holder);
		return false;
	}
	ticket->holder = holder;
	return true;
}

static void take_recalled(struct entity *entity, struct entity_ticket *ticket,
			  const struct journal_idempotency *kept, struct entity_event *event)
{
	if (!kept) {
		refuse(entity, event, ST_ABORTED, ENTITY_TEXT_EXECUTED);
		return;
	}
	if (ticket->key_len &&
	    memcmp(&ticket->fingerprint, &kept->fingerprint, sizeof(ticket->fingerprint)) != 0) {
		ticket->reason = ENTITY_REASON_KEY_REUSED;
		ticket->sequence = 0; /* of another command */
		refuse(entity, event, ST_FAILED_PRECONDITION, TEXT_REUSED);
		return;
	}
	ticket->is_replayed = true;
	if (take_kept(ticket, kept->reply))
		count_recall(entity, "replayed");
	else if (kept->reply.len && kept->reply.data[0] == KEPT_DIGEST)
		refuse(entity, event, ST_ALREADY_EXISTS, TEXT_TOO_LARGE);
	else
		refuse(entity, event, ST_DATA_LOSS, TEXT_UNREADABLE);
}

static void on_recalled(void *data, enum journal_result result,
			const struct journal_idempotency *kept, const struct error *error)
{
	struct entity_ticket *ticket = data;
	struct entity_event event = {.type = ENTITY_EV_RECALL_OK};
	char text[ENTITY_DETAIL_MAX];

	if (result == JOURNAL_OK) {
		take_recalled(ticket->entity, ticket, kept, &event);
	} else if (result == JOURNAL_CONFLICT) {
		event.type = ENTITY_EV_RECALL_CONFLICT;
	} else if (result == JOURNAL_ERASED) {
		event.type = ENTITY_EV_RECALL_ERASED;
	} else {
		event.type = ENTITY_EV_RECALL_ERROR;
		event.code = error && error->status ? error->status : ST_UNAVAILABLE;
		(void)snprintf(text, sizeof(text), "The stored reply could not be read: %.400s",
			       error ? error->message : "");
		event.text = text;
	}
	if (event.type != ENTITY_EV_RECALL_OK && event.type != ENTITY_EV_RECALL_REFUSED)
		ticket->sequence = 0;
	entity_undecided_answered(ticket, &event);
}

void entity_recall_start(struct entity *entity)
{
	struct entity_table *table = entity->table;
	struct entity_ticket *ticket = entity_ticket_dequeue(entity);
	const struct journal_executed *executed = entity_window_find(&entity->window, &ticket->id);
	struct journal_recall recall = {
		.key = entity_journal_key(entity),
		.kind = is_value(entity) ? JOURNAL_VALUE : JOURNAL_EVENTS,
		.head = entity->fsm.head,
		.command = ticket->id,
	};

	BUG_ON(!executed);
	recall.sequence = executed->sequence;
	ticket->sequence = executed->sequence;
	entity_undecided_add(entity, ticket, NULL);
	ticket->undecided.request = journal_recall(
		table->journal, &recall, entity_journal_deadline(entity), on_recalled, ticket);
}
