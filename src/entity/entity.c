#include "src/entity/entity.h"

#include <stdio.h>

#include "proto/schema.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/log.h"
#include "src/base/metrics.h"
#include "src/grpc/grpc_call.h"
#include "src/userfn/api.h"
#include "src/userfn/userfn.h"

/* The shell of one machine. Callbacks of the stream and the timers (and, in entity_journal.c, of
 * the journal) become events; the actions of each step are done in order. What to do when is
 * decided in entity_fsm.c alone.
 *
 * The machine sets its timer with every command; the real timer is moved only when it would fire
 * too late, and looks again when it fires early: so the busy path does not touch the timer heap. */

#define TEXT_QUEUE_DEADLINE "The command waited too long in the entity's queue"

static const struct entity_page no_page;

static void entity_destroy(struct entity *entity);

static bool is_value(const struct entity *entity)
{
	return entity->fsm.kind == ENTITY_FSM_VALUE;
}

/* ---- stream --------------------------------------------------------------------------------- */

static void on_open(void *data)
{
	struct entity *entity = data;
	struct entity_table *table = entity->table;
	struct entity_event event = {.type = ENTITY_EV_STREAM_OPEN};

	event.is_generation_0_1 = entity->member.service->api->generation == API_0_1;
	entity_member_count_stream(&entity->member, true);
	entity_run(entity, &event);
	entity_set_deliver(&table->set);
}

static void on_message(void *data, struct span message)
{
	struct entity *entity = data;
	struct entity_table *table = entity->table;
	struct entity_event event = {.type = ENTITY_EV_GARBAGE};
	struct entity_holder *holder = entity_holder_new(table);
	char detail[ENTITY_DETAIL_MAX];

	detail[0] = '\0';
	BUG_ON(entity->reply);
	entity->reply = holder;
	if (buf_append(&holder->bytes, message))
		(is_value(entity) ? entity_out_parse_value
				  : entity_out_parse)(buf_span(&holder->bytes), &holder->out);
	else
		holder->out.kind = ENTITY_OUT_GARBAGE;
	event.command_id = holder->out.command_id;
	if (holder->out.kind == ENTITY_OUT_REPLY) {
		event.type = ENTITY_EV_REPLY;
		event.event_count = is_value(entity) ? holder->out.write != ENTITY_WRITE_NONE
						     : holder->out.event_count;
		if (event.event_count > 0)
			event.tag = journal_new_id(table->journal);
		event.is_restart = holder->out.action == ENTITY_FAILURE && holder->out.is_restart;
	} else if (holder->out.kind == ENTITY_OUT_FAILURE) {
		event.type = ENTITY_EV_FAILURE;
		(void)snprintf(detail, sizeof(detail), "%.*s",
			       SPAN_FMT(span_head(holder->out.description, ENTITY_DETAIL_MAX)));
	}
	event.text = detail;
	entity_run(entity, &event);
	entity_set_deliver(&table->set);
}

static void on_stream_drained(void *data)
{
	struct entity *entity = data;
	struct entity_table *table = entity->table;

	entity_run_type(entity, ENTITY_EV_STREAM_DRAINED);
	entity_set_deliver(&table->set);
}

static void on_status(void *data, const struct grpc_status *status)
{
	struct entity *entity = data;
	struct entity_table *table = entity->table;
	struct entity_event event = {.type = ENTITY_EV_STREAM_ERROR};
	char text[ENTITY_DETAIL_MAX];

	entity_member_count_stream(&entity->member, false);
	if (entity->fsm.state == ENTITY_CONNECTING) {
		/* never opened: the caller may try again, unless it is about limits */
		event.code = status->code == ST_RESOURCE_EXHAUSTED ? status->code : ST_UNAVAILABLE;
		(void)snprintf(text, sizeof(text), "The user function is not reachable: %.*s",
			       SPAN_FMT(span_head(status->message, ENTITY_DETAIL_MAX)));
	} else {
		event.type = status->code == ST_OK ? ENTITY_EV_STREAM_END : ENTITY_EV_STREAM_ERROR;
		event.code = status->code;
		(void)snprintf(text, sizeof(text), "%s %.*s", status_name(status->code),
			       SPAN_FMT(span_head(status->message, ENTITY_DETAIL_MAX)));
	}
	event.text = text;
	entity_run(entity, &event);
	entity_set_deliver(&table->set);
}

static const struct entity_stream_ops stream_ops = {
	.on_open = on_open,
	.on_message = on_message,
	.on_drained = on_stream_drained,
	.on_status = on_status,
};

/* ---- timers --------------------------------------------------------------------------------- */

static void on_timer(void *data)
{
	struct entity *entity = data;
	struct entity_table *table = entity->table;

	if (entity->due_ns > loop_now_ns(table->set.loop)) {
		timer_start(&entity->timer, entity->due_ns); /* never: stays unset */
		return;
	}
	entity->due_ns = DEADLINE_NEVER;
	entity_run_type(entity, ENTITY_EV_TIMEOUT);
	entity_set_deliver(&table->set);
}

static void set_timer(struct entity *entity, const struct entity_act *act)
{
	uint64_t wait_ms = act->wait_ms;
	uint64_t random;

	if (act->timer == ENTITY_TIMER_NONE) {
		entity->due_ns = DEADLINE_NEVER;
		return;
	}
	if (act->jitter_ms) {
		hash_random(&random, sizeof(random));
		wait_ms += random % (act->jitter_ms + 1);
	}
	entity->due_ns = clock_deadline(loop_now_ns(entity->table->set.loop), wait_ms * NS_PER_MS);
	if (!timer_is_set(&entity->timer) || entity->timer.deadline_ns > entity->due_ns)
		timer_start(&entity->timer, entity->due_ns);
}

static void on_queue_timer(void *data)
{
	struct entity *entity = data;
	struct entity_table *table = entity->table;
	uint64_t now = loop_now_ns(table->set.loop);

	list_for_each_safe (node, &entity->queue) {
		struct entity_ticket *ticket = list_entry(node, struct entity_ticket, node);
		struct entity_event event = {.type = ENTITY_EV_UNQUEUED};

		if (ticket->deadline_ns > now)
			continue;
		event.is_head = entity->queue.next == node;
		entity_ticket_fail(ticket, ST_DEADLINE_EXCEEDED, TEXT_QUEUE_DEADLINE, false);
		entity_run(entity, &event);
	}
	list_for_each (node, &entity->queue)
		entity_watch_due(entity, list_entry(node, struct entity_ticket, node)->deadline_ns);
	entity_set_deliver(&table->set);
}

/* A timer that is set may fire for nothing. */
void entity_watch_due(struct entity *entity, uint64_t deadline_ns)
{
	if (deadline_ns != DEADLINE_NEVER &&
	    (!timer_is_set(&entity->queue_timer) || entity->queue_timer.deadline_ns > deadline_ns))
		timer_start(&entity->queue_timer, deadline_ns);
}

/* ---- actions -------------------------------------------------------------------------------- */

/* The one of the command at the head; kept when there is none. */
static const struct api_service *wanted_service(const struct entity *entity)
{
	if (list_is_empty(&entity->queue))
		return entity->member.service;
	return list_entry(entity->queue.next, struct entity_ticket, node)->method->service;
}

static void activate(struct entity *entity)
{
	const struct api_service *service;

	entity_member_activate(&entity->member, wanted_service(entity));
	service = entity->member.service;
	entity->fsm.kind = service->kind == ENTITY_VALUE ? ENTITY_FSM_VALUE : ENTITY_FSM_EVENTS;
	entity->fsm.passivation_ms = service->passivation_ms ? service->passivation_ms
							     : entity->table->limits.passivation_ms;
}

static void act_open(struct entity *entity)
{
	struct entity_table *table = entity->table;
	struct entity_stream_params params = {
		.loop = table->set.loop,
		.channel = userfn_channel(table->set.userfn),
		.open_deadline_ns = clock_deadline(loop_now_ns(table->set.loop),
						   table->limits.command_timeout_ms * NS_PER_MS),
		.max_message_bytes = table->limits.message_bytes_max,
	};

	activate(entity);
	params.path = is_value(entity) ? "/" API_VALUE_TYPE "/handle"
				       : "/" API_EVENT_SOURCED_TYPE "/handle";
	entity_stream_open(&entity->stream, &params, &stream_ops, entity);
	entity_member_want_room(&entity->member);
}

static bool act_send_init(struct entity *entity, const struct entity_page *page)
{
	struct buf *head = &entity->table->set.head;
	struct span name = entity->member.service->schema->full_name;
	bool is_put = is_value(entity)
			      ? entity_put_value_init(head, name, entity_member_id(&entity->member),
						      page->snapshot)
			      : entity_put_init(head, name, entity_member_id(&entity->member),
						page->snapshot_sequence, page->snapshot);

	return is_put && entity_stream_send(&entity->stream, buf_span(head),
					    page->snapshot ? page->snapshot->value : SPAN_EMPTY);
}

static bool act_send_events(struct entity *entity, const struct entity_page *page)
{
	struct buf *head = &entity->table->set.head;

	for (size_t i = 0; i < page->count; i++) {
		const struct journal_event *event = &page->events[i];

		if (!entity_put_event(head, event->sequence, &event->payload) ||
		    !entity_stream_send(&entity->stream, buf_span(head), event->payload.value))
			return false;
	}
	return true;
}

static bool act_send_command(struct entity *entity, uint64_t id)
{
	struct entity_ticket *ticket = entity_ticket_dequeue(entity);
	struct entity_put_command command = {
		.is_value = is_value(entity),
		.entity_id = entity_member_id(&entity->member),
		.id = id,
		.name = ticket->method->schema->name,
		.input_name = ticket->method->schema->input->full_name,
		.metadata = span_make(ticket->payload + ticket->payload_len, ticket->metadata_len),
		.payload_len = ticket->payload_len,
	};
	struct buf *head = &entity->table->set.head;

	entity->current = ticket;
	if (!list_is_empty(&entity->undecided) && entity->member.type->speculated)
		metrics_add(entity->member.type->speculated, 1);
	return entity_put_command(head, &command) &&
	       entity_stream_send(&entity->stream, buf_span(head),
				  span_make(ticket->payload, ticket->payload_len));
}

static void drop_reply(struct entity *entity)
{
	entity_holder_free(entity->table, entity->reply);
	entity->reply = NULL;
}

static void act_finish(struct entity *entity, const struct entity_act *act,
		       const struct entity_event *event)
{
	bool is_copied = act->text && act->text == event->text;

	if (act->type == ENTITY_ACT_FAIL_HEAD || act->type == ENTITY_ACT_FAIL_QUEUE) {
		do
			entity_ticket_fail(
				list_entry(entity->queue.next, struct entity_ticket, node),
				act->code, act->text, is_copied);
		while (act->type == ENTITY_ACT_FAIL_QUEUE && !list_is_empty(&entity->queue));
	} else if (act->type == ENTITY_ACT_ANSWER) {
		entity_undecided_answer_oldest(entity);
	} else if (act->type == ENTITY_ACT_REQUEUE) {
		entity_undecided_requeue(entity);
	} else if (act->type == ENTITY_ACT_FAIL_OLDEST) {
		entity_undecided_fail_oldest(entity, act->code, act->text, is_copied);
	} else {
		entity_ticket_fail(entity->current, act->code, act->text, is_copied);
		entity->current = NULL;
	}
}

/* Spec: E-56: the caller's text hides the cause, so it is logged and told to the function. */
static void act_crashed(struct entity *entity, const struct entity_act *act,
			const struct entity_event *event)
{
	struct entity_table *table = entity->table;
	struct span type = entity_member_type(&entity->member);
	struct metrics_label labels[] = {{"entity_name", type},
					 {"reason", span_from_str(act->text)}};
	const char *detail = event->text && event->text != act->text ? event->text : "";
	char report[2 * ENTITY_DETAIL_MAX];
	int n;

	if (table->set.metrics)
		metrics_add(metrics_series(table->set.metrics, METRIC_ENTITY_CRASHES, labels, 2),
			    1);
	LOG_LIMITED(WARN, ENTITY_CRASHED, LOG_SPAN("entity_name", type),
		    LOG_SPAN("entity_id", entity_member_id(&entity->member)),
		    LOG_STR("reason", act->text), LOG_STR("cause", detail),
		    LOG_UINT("command_id", entity->fsm.command_id),
		    LOG_UINT("crashes", entity->fsm.crashes));
	if (event->type == ENTITY_EV_STREAM_ERROR || event->type == ENTITY_EV_STREAM_END)
		return; /* the function knows, or is gone */
	n = snprintf(report, sizeof(report), "%s: entity %.*s/%.*s, command id %llu%s%s", act->text,
		     SPAN_FMT(span_head(type, 128)),
		     SPAN_FMT(span_head(entity_member_id(&entity->member), 128)),
		     (unsigned long long)entity->fsm.command_id, detail[0] ? ": " : "", detail);
	if (n > 0)
		userfn_report(table->set.userfn, span_from_str(report));
}

static void act_hand_over(struct entity *entity)
{
	while (!list_is_empty(&entity->queue))
		entity_ticket_move(list_entry(entity->queue.next, struct entity_ticket, node));
}

static void act_gone(struct entity *entity)
{
	entity->is_gone = true;
	if (entity->member.type->passivations)
		metrics_add(entity->member.type->passivations, 1);
}

static void act_half_close(struct entity *entity)
{
	entity_stream_half_close(&entity->stream);
}

static void act_reset(struct entity *entity)
{
	entity_member_count_stream(&entity->member, false);
	entity_stream_reset(&entity->stream);
}

static void act_cancel_search(struct entity *entity)
{
	journal_cancel(entity->search);
	entity->search = NULL;
}

/* Actions with neither arguments nor an outcome. */
static void act_plain(struct entity *entity, enum entity_act_type type)
{
	if (type == ENTITY_ACT_OPEN_STREAM)
		act_open(entity);
	else if (type == ENTITY_ACT_READ)
		entity_stream_read(&entity->stream);
	else if (type == ENTITY_ACT_HALF_CLOSE)
		act_half_close(entity);
	else if (type == ENTITY_ACT_RESET)
		act_reset(entity);
	else if (type == ENTITY_ACT_LOAD)
		entity_journal_load(entity);
	else if (type == ENTITY_ACT_LOAD_NEXT)
		journal_load_next(entity->load);
	else if (type == ENTITY_ACT_SEARCH)
		entity_recall_search(entity);
	else if (type == ENTITY_ACT_RECALL)
		entity_recall_start(entity);
	else if (type == ENTITY_ACT_CANCEL_SEARCH)
		act_cancel_search(entity);
	else if (type == ENTITY_ACT_HAND_OVER)
		act_hand_over(entity);
	else if (type == ENTITY_ACT_GONE)
		act_gone(entity);
}

/* Does one action. An action that fails at once, or is over at once, names the event that says so:
 * it is fed to the machine after this step. */
static void act(struct entity *entity, const struct entity_act *action,
		const struct entity_event *event, const struct entity_page *page,
		struct entity_event *follow)
{
	enum entity_act_type type = action->type;
	bool is_ok = true;

	if (type == ENTITY_ACT_SEND_INIT || type == ENTITY_ACT_SEND_EVENTS) {
		is_ok = type == ENTITY_ACT_SEND_INIT ? act_send_init(entity, page)
						     : act_send_events(entity, page);
		if (is_ok && entity->stream.call && entity_stream_is_drained(&entity->stream))
			follow->type = ENTITY_EV_STREAM_DRAINED;
	} else if (type == ENTITY_ACT_SEND_COMMAND) {
		is_ok = act_send_command(entity, action->command_id);
	} else if (type == ENTITY_ACT_APPEND) {
		entity_journal_append(entity, &action->head);
	} else if (type == ENTITY_ACT_VERIFY) {
		entity_journal_verify(entity, &action->head);
	} else if (type == ENTITY_ACT_CANCEL_LOAD) {
		journal_cancel(entity->load);
		entity->load = NULL;
	} else if (type == ENTITY_ACT_TIMER) {
		set_timer(entity, action);
	} else if (type == ENTITY_ACT_CRASHED) {
		act_crashed(entity, action, event);
	} else if (type >= ENTITY_ACT_ANSWER && type <= ENTITY_ACT_FAIL_QUEUE) {
		act_finish(entity, action, event);
	} else {
		act_plain(entity, type);
	}
	if (!is_ok) {
		act_reset(entity);
		*follow = (struct entity_event){.type = ENTITY_EV_STREAM_ERROR,
						.code = ST_RESOURCE_EXHAUSTED,
						.text = "too much is waiting to be sent"};
	}
}

/* ---- steps ---------------------------------------------------------------------------------- */

static void log_state(const struct entity *entity, enum entity_state before,
		      const struct entity_event *event)
{
	if (before == entity->fsm.state)
		return;
	LOG(DEBUG, ENTITY_STATE, LOG_SPAN("entity_name", entity_member_type(&entity->member)),
	    LOG_SPAN("entity_id", entity_member_id(&entity->member)),
	    LOG_STR("state", entity_state_name(entity->fsm.state)),
	    LOG_STR("before", entity_state_name(before)),
	    LOG_STR("by", entity_event_name(event->type)));
}

static void note_conflict(const struct entity *entity, enum entity_event_type type)
{
	const struct entity_table *table = entity->table;

	if (table->on_conflict &&
	    (type == ENTITY_EV_APPEND_CONFLICT || type == ENTITY_EV_VERIFY_CONFLICT))
		table->on_conflict(table->conflict_data, entity_member_type(&entity->member),
				   entity_member_id(&entity->member));
}

void entity_run_page(struct entity *entity, const struct entity_event *first,
		     const struct entity_page *page)
{
	struct entity_event event = *first;
	struct entity_event follow;
	struct entity_acts acts;

	do {
		enum entity_state before = entity->fsm.state;

		follow = (struct entity_event){.type = ENTITY_EVENTS_};
		event.next = entity_recall_next(entity);
		entity_fsm_step(&entity->fsm, &event, &acts);
		log_state(entity, before, &event);
		note_conflict(entity, event.type);
		for (size_t i = 0; i < acts.count; i++)
			act(entity, &acts.items[i], &event, page, &follow);
		event = follow;
	} while (event.type != ENTITY_EVENTS_ || entity_undecided_next(entity, &event));
	if (entity->is_gone) {
		entity_destroy(entity);
		return;
	}
	drop_reply(entity); /* of a message that was none */
	entity_member_sort(&entity->member, entity_fsm_is_idle(&entity->fsm));
}

void entity_run(struct entity *entity, const struct entity_event *event)
{
	entity_run_page(entity, event, &no_page);
}

void entity_run_type(struct entity *entity, enum entity_event_type type)
{
	struct entity_event event = {.type = type};

	entity_run_page(entity, &event, &no_page);
}

/* ---- birth and death ------------------------------------------------------------------------ */

struct entity *entity_new(struct entity_table *table)
{
	struct entity *entity = entity_member_new(&table->set, sizeof(struct entity));

	entity->table = table;
	entity->due_ns = DEADLINE_NEVER;
	list_init(&entity->queue);
	list_init(&entity->undecided);
	timer_init(&entity->timer, table->set.loop, on_timer, entity);
	timer_init(&entity->queue_timer, table->set.loop, on_queue_timer, entity);
	entity_fsm_init(&entity->fsm, &table->config, table->limits.passivation_ms);
	return entity;
}

static void entity_destroy(struct entity *entity)
{
	BUG_ON(!list_is_empty(&entity->queue) || entity->current);
	BUG_ON(!list_is_empty(&entity->undecided));
	entity_stream_reset(&entity->stream);
	journal_cancel(entity->load);
	journal_cancel(entity->search);
	timer_stop(&entity->timer);
	timer_stop(&entity->queue_timer);
	drop_reply(entity);
	entity_window_reset(&entity->window);
	entity_member_free(&entity->member);
}

void entity_free(struct entity *entity, enum status code, const char *text)
{
	while (!list_is_empty(&entity->undecided))
		entity_undecided_fail_oldest(entity, code, text, false);
	if (entity->current)
		entity_ticket_fail(entity->current, code, text, false);
	entity->current = NULL;
	while (!list_is_empty(&entity->queue))
		entity_ticket_fail(list_entry(entity->queue.next, struct entity_ticket, node), code,
				   text, false);
	entity_destroy(entity);
}
