#include <string.h>

#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/entity/entity.h"

/* Replies that are with the journal. The machine hears of them in the order in which the function
 * gave them: an answer that overtakes others (its request was redirected, say) waits here. */

/* The journal is told that nobody waits; it may execute what it was sent. */
static void take_out(struct entity_ticket *ticket)
{
	struct entity_undecided *undecided = &ticket->undecided;

	list_remove(&ticket->node);
	journal_cancel(undecided->request);
	entity_set_release(&ticket->table->set, undecided->held_bytes);
	mem_free(undecided->text);
	*undecided = (struct entity_undecided){0};
}

void entity_undecided_add(struct entity *entity, struct entity_ticket *ticket,
			  struct entity_holder *holder)
{
	size_t bytes = entity_ticket_bytes(ticket) + (holder ? buf_len(&holder->bytes) : 0);

	ticket->undecided = (struct entity_undecided){.held_bytes = bytes};
	ticket->holder = holder;
	list_push_back(&entity->undecided, &ticket->node);
	entity_set_hold(&ticket->table->set, bytes);
}

void entity_undecided_keep(struct entity_ticket *ticket, const struct entity_event *answer)
{
	ticket->undecided.request = NULL;
	ticket->undecided.is_answered = true;
	ticket->undecided.answer = *answer;
}

void entity_undecided_answered(struct entity_ticket *ticket, const struct entity_event *answer)
{
	struct entity *entity = ticket->entity;
	struct entity_table *table = entity->table;

	if (entity_undecided_oldest(entity) != ticket) {
		entity_undecided_keep(ticket, answer);
		if (answer->text) {
			ticket->undecided.text = mem_strdup(answer->text);
			ticket->undecided.answer.text = ticket->undecided.text;
		}
		return;
	}
	ticket->undecided.request = NULL;
	entity_run(entity, answer);
	entity_set_deliver(&table->set);
}

bool entity_undecided_next(const struct entity *entity, struct entity_event *ret_answer)
{
	struct entity_ticket *oldest = entity_undecided_oldest(entity);

	if (!oldest || !oldest->undecided.is_answered)
		return false;
	oldest->undecided.is_answered = false;
	*ret_answer = oldest->undecided.answer;
	return true;
}

void entity_undecided_answer_oldest(struct entity *entity)
{
	struct entity_ticket *ticket = entity_undecided_oldest(entity);

	take_out(ticket);
	entity_ticket_answer(ticket, ticket->holder);
}

static void drop_holder(struct entity_ticket *ticket)
{
	entity_holder_free(ticket->table, ticket->holder);
	ticket->holder = NULL;
}

/* The text may be that of the answer that was kept. */
void entity_undecided_fail_oldest(struct entity *entity, enum status code, const char *text,
				  bool is_copied)
{
	struct entity_ticket *ticket = entity_undecided_oldest(entity);
	char *kept = ticket->undecided.text;

	ticket->undecided.text = NULL;
	take_out(ticket);
	drop_holder(ticket);
	entity_ticket_fail(ticket, code, text, is_copied);
	mem_free(kept);
}

/* The first one may have been answered: then it has written nothing. Of the others, whatever they
 * were answered or will be, one may find its events in the log. */
void entity_undecided_requeue(struct entity *entity)
{
	struct entity_ticket *first = entity_undecided_oldest(entity);
	bool is_conflict = first && !first->undecided.request && !first->undecided.is_answered;
	uint64_t count = 0;

	if (entity->current) {
		list_push_back(&entity->undecided, &entity->current->node);
		entity->current = NULL;
	}
	while (!list_is_empty(&entity->undecided)) {
		/* from the newest on, each before those behind it */
		struct entity_ticket *ticket =
			list_entry(entity->undecided.prev, struct entity_ticket, node);
		bool is_decided = ticket == first && is_conflict;

		if (ticket->undecided.written && !is_decided) {
			ticket->is_resent = true;
			ticket->may_be_executed = true;
		}
		count += !is_decided;
		take_out(ticket);
		drop_holder(ticket);
		entity_ticket_enqueue(ticket, entity, true);
		entity_watch_due(entity, ticket->deadline_ns);
	}
	if (entity->member.type->discarded)
		metrics_add(entity->member.type->discarded, count);
}

bool entity_undecided_is_in_the_way(const struct entity *entity, const struct entity_ticket *next)
{
	const char *text;

	if (entity->current && memcmp(&entity->current->id, &next->id, sizeof(next->id)) == 0)
		return true;
	list_for_each (it, (struct list *)&entity->undecided) {
		const struct entity_ticket *ticket = list_entry(it, struct entity_ticket, node);

		if (memcmp(&ticket->id, &next->id, sizeof(next->id)) == 0)
			return true;
	}
	return entity_set_check(&entity->table->set, 0, &text) == ST_RESOURCE_EXHAUSTED;
}
