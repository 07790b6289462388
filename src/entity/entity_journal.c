#include <stdio.h>

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/metrics.h"
#include "src/entity/entity.h"

/* The journal side of an entity: what its machine asks there, and the answers as events. */

#define TEXT_TOO_MANY_EVENTS "The reply has more events than the journal takes at once"

/* ---- answers -------------------------------------------------------------------------------- */

struct journal_key entity_journal_key(const struct entity *entity)
{
	return (struct journal_key){
		.type = entity_member_type(&entity->member),
		.id = entity_member_id(&entity->member),
	};
}

static void on_head(void *data, const struct journal_head *head, uint64_t snapshot_sequence,
		    const struct journal_any *snapshot)
{
	struct entity *entity = data;
	struct entity_table *table = entity->table;
	struct entity_page page = {.snapshot = snapshot, .snapshot_sequence = snapshot_sequence};
	struct entity_event event = {
		.type = ENTITY_EV_LOAD_HEAD,
		.head = *head,
		.snapshot_sequence = snapshot ? snapshot_sequence : 0,
	};

	if (snapshot && entity->member.type->snapshots)
		metrics_add(entity->member.type->snapshots, 1);
	entity_recall_activated(entity, head->sequence);
	entity_run_page(entity, &event, &page);
	entity_set_deliver(&table->set);
}

static void on_events(void *data, const struct journal_event *events, size_t count)
{
	struct entity *entity = data;
	struct entity_table *table = entity->table;
	struct entity_page page = {.events = events, .count = count};
	struct entity_event event = {
		.type = ENTITY_EV_LOAD_PAGE,
		.first_sequence = count ? events[0].sequence : 0,
		.event_count = count,
	};

	if (entity->member.type->replayed)
		metrics_add(entity->member.type->replayed, count);
	entity_run_page(entity, &event, &page);
	entity_set_deliver(&table->set);
}

static void on_loaded(void *data, enum journal_result result, const struct error *error)
{
	struct entity *entity = data;
	struct entity_table *table = entity->table;
	struct entity_event event = {.type = ENTITY_EV_LOAD_DONE};
	char text[ENTITY_DETAIL_MAX];

	entity->load = NULL;
	if (result == JOURNAL_ERASED) {
		event.type = ENTITY_EV_LOAD_ERASED;
	} else if (result != JOURNAL_OK) {
		event.type = ENTITY_EV_LOAD_ERROR;
		event.code = error && error->status ? error->status : ST_UNAVAILABLE;
		(void)snprintf(text, sizeof(text), "Error recovering event log: %.480s",
			       error ? error->message : "");
		event.text = text;
	} else if (entity->member.type->activations) {
		metrics_add(entity->member.type->activations, 1);
	}
	entity_run(entity, &event);
	entity_set_deliver(&table->set);
}

static const struct journal_load_ops load_ops = {
	.on_head = on_head,
	.on_events = on_events,
	.on_done = on_loaded,
};

/* A value entity's load: what LOAD_HEAD brings is all there is. */
static void on_got(void *data, enum journal_result result, const struct journal_head *head,
		   const struct journal_any *state, const struct error *error)
{
	struct entity *entity = data;
	struct entity_table *table = entity->table;
	struct entity_page page = {.snapshot = state};
	struct entity_event event = {.type = ENTITY_EV_LOAD_HEAD};
	char text[ENTITY_DETAIL_MAX];

	entity->load = NULL;
	if (result == JOURNAL_OK) {
		event.head = *head;
		entity_recall_activated(entity, head->sequence);
		if (entity->member.type->activations)
			metrics_add(entity->member.type->activations, 1);
	} else if (result == JOURNAL_ERASED) {
		event.type = ENTITY_EV_LOAD_ERASED;
	} else {
		event.type = ENTITY_EV_LOAD_ERROR;
		event.code = error && error->status ? error->status : ST_UNAVAILABLE;
		(void)snprintf(text, sizeof(text), "Error reading the state: %.480s",
			       error ? error->message : "");
		event.text = text;
	}
	entity_run_page(entity, &event, &page);
	entity_set_deliver(&table->set);
}

static enum entity_event_type append_event(const struct journal_append_result *result)
{
	switch (result->result) {
	case JOURNAL_OK:
		return ENTITY_EV_APPEND_OK;
	case JOURNAL_DUP:
		return result->is_mine ? ENTITY_EV_APPEND_DUP_MINE : ENTITY_EV_APPEND_DUP_OTHER;
	case JOURNAL_CONFLICT:
		return ENTITY_EV_APPEND_CONFLICT;
	case JOURNAL_ERASED:
		return ENTITY_EV_APPEND_ERASED;
	case JOURNAL_ERROR:
		break;
	}
	return result->is_outcome_unknown ? ENTITY_EV_APPEND_UNKNOWN : ENTITY_EV_APPEND_ERROR;
}

static const char *const could_not[] = {
	[ENTITY_FSM_EVENTS] = "The events could not be stored: ",
	[ENTITY_FSM_VALUE] = "The state could not be stored: ",
};

static void on_appended(void *data, const struct journal_append_result *result)
{
	struct entity_ticket *ticket = data;
	struct entity *entity = ticket->entity;
	struct entity_event event = {
		.type = append_event(result),
		.head = result->head,
		.tag = ticket->undecided.tag,
		.event_count = ticket->undecided.event_count,
		.is_keyed = ticket->key_len > 0,
	};
	char text[ENTITY_DETAIL_MAX];

	if (event.type == ENTITY_EV_APPEND_OK || event.type == ENTITY_EV_APPEND_DUP_MINE)
		entity_recall_written(entity, ticket);
	if (result->result == JOURNAL_ERROR) {
		const struct error *error = result->error;

		event.code = result->is_outcome_unknown || !error || !error->status ? ST_UNAVAILABLE
										    : error->status;
		(void)snprintf(text, sizeof(text), "%s%.400s",
			       result->is_outcome_unknown
				       ? "It is not known whether the command took effect: "
				       : could_not[entity->fsm.kind],
			       error ? error->message : "");
		event.text = text;
	}
	entity_undecided_answered(ticket, &event);
}

static void on_verified(void *data, enum journal_result result, const struct error *error)
{
	struct entity_ticket *ticket = data;
	struct entity_event event = {.type = ENTITY_EV_VERIFY_ERROR, .code = ST_UNAVAILABLE};
	char text[ENTITY_DETAIL_MAX];

	if (result == JOURNAL_OK)
		event.type = ENTITY_EV_VERIFY_OK;
	else if (result == JOURNAL_CONFLICT)
		event.type = ENTITY_EV_VERIFY_CONFLICT;
	else if (result == JOURNAL_ERASED)
		event.type = ENTITY_EV_VERIFY_ERASED;
	else if (error && error->status)
		event.code = error->status;
	if (event.type == ENTITY_EV_VERIFY_ERROR) {
		(void)snprintf(text, sizeof(text), "The reply could not be verified: %.400s",
			       error ? error->message : "");
		event.text = text;
	}
	entity_undecided_answered(ticket, &event);
}

/* ---- questions ------------------------------------------------------------------------------ */

uint64_t entity_journal_deadline(const struct entity *entity)
{
	const struct entity_table *table = entity->table;

	return clock_deadline(loop_now_ns(table->set.loop),
			      table->limits.journal_timeout_ms * NS_PER_MS);
}

void entity_journal_load(struct entity *entity)
{
	struct journal_key key = entity_journal_key(entity);

	/* each page has the machine's own timer */
	if (entity->fsm.kind == ENTITY_FSM_VALUE) {
		entity->load =
			journal_get(entity->table->journal, &key, DEADLINE_NEVER, on_got, entity);
		return;
	}
	entity->load =
		journal_load(entity->table->journal, &key, DEADLINE_NEVER, &load_ops, entity);
}

static void put_state(struct entity *entity, struct entity_ticket *ticket,
		      const struct journal_head *expected)
{
	struct entity_table *table = entity->table;
	const struct entity_out *out = &ticket->holder->out;
	struct journal_idempotency kept;
	struct journal_put put = {
		.key = entity_journal_key(entity),
		.expected = *expected,
		.tag = ticket->undecided.tag,
		.command = ticket->id,
		.state = out->write == ENTITY_WRITE_UPDATE ? &out->state : NULL,
		.idempotency = entity_recall_keep(ticket, &kept) ? &kept : NULL,
	};

	ticket->undecided.request = journal_put(
		table->journal, &put, entity_journal_deadline(entity), on_appended, ticket);
}

static void append_events(struct entity *entity, struct entity_ticket *ticket,
			  const struct journal_head *expected)
{
	struct entity_table *table = entity->table;
	const struct entity_out *out = &ticket->holder->out;
	struct journal_idempotency kept;
	struct journal_append append = {
		.key = entity_journal_key(entity),
		.expected = *expected,
		.tag = ticket->undecided.tag,
		.command = ticket->id,
		.events = table->events,
		.event_count = entity_out_events(out, table->events, ENTITY_REPLY_EVENTS_MAX),
		.snapshot = out->has_snapshot ? &out->snapshot : NULL,
		.idempotency = entity_recall_keep(ticket, &kept) ? &kept : NULL,
	};

	ticket->undecided.request = journal_append(
		table->journal, &append, entity_journal_deadline(entity), on_appended, ticket);
}

/* What the function replied is undecided from now on. */
static struct entity_ticket *take_current(struct entity *entity)
{
	struct entity_ticket *ticket = entity->current;

	entity_undecided_add(entity, ticket, entity->reply);
	entity->current = NULL;
	entity->reply = NULL;
	return ticket;
}

/* The machine is where this append leads to. */
void entity_journal_append(struct entity *entity, const struct journal_head *expected)
{
	struct entity_ticket *ticket = take_current(entity);
	struct entity_undecided *undecided = &ticket->undecided;

	undecided->tag = entity->fsm.head.tag;
	undecided->written = entity->fsm.head.sequence;
	undecided->event_count = (size_t)(undecided->written - expected->sequence);
	if (entity->fsm.kind == ENTITY_FSM_VALUE)
		put_state(entity, ticket, expected);
	else if (undecided->event_count <= ENTITY_REPLY_EVENTS_MAX)
		append_events(entity, ticket, expected);
	else
		entity_undecided_keep(ticket, &(struct entity_event){.type = ENTITY_EV_APPEND_ERROR,
								     .code = ST_RESOURCE_EXHAUSTED,
								     .text = TEXT_TOO_MANY_EVENTS});
}

void entity_journal_verify(struct entity *entity, const struct journal_head *expected)
{
	struct entity_ticket *ticket = take_current(entity);
	struct journal_key key = entity_journal_key(entity);

	ticket->undecided.request =
		journal_verify(entity->table->journal, &key, expected,
			       entity_journal_deadline(entity), on_verified, ticket);
}
