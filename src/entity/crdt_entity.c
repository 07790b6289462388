#include "src/entity/crdt_entity.h"

#include <stdio.h>

#include "proto/schema.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/metrics.h"
#include "src/grpc/grpc_call.h"
#include "src/userfn/api.h"
#include "src/userfn/userfn.h"

/* The shell of one machine, as entity.c is for event sourced entities: callbacks of the stream, the
 * log and the timers become events, actions become calls. What to do when is decided in crdt_fsm.c
 * alone. */

/* Causes in logs and reports. */
#define CRDT_DETAIL_MAX 512

/* Messages that wait for a write; then the function is not read from. Its own flow control does the
 * rest. */
#define CRDT_OUTBOX_MAX 256

#define TEXT_QUEUE_DEADLINE "The command waited too long in the entity's queue"
#define TEXT_TOO_MUCH "too much is waiting to be sent"

static void crdt_entity_destroy(struct crdt_entity *entity);

/* ---- stream --------------------------------------------------------------------------------- */

void crdt_entity_read(struct crdt_entity *entity)
{
	if (!entity->stream.call || !entity->member.is_stream_counted || entity->is_reading ||
	    entity->outbox_len >= CRDT_OUTBOX_MAX)
		return;
	entity->is_reading = true;
	entity_stream_read(&entity->stream);
}

static void on_open(void *data)
{
	struct crdt_entity *entity = data;
	struct crdt_table *table = entity->table;

	entity_member_count_stream(&entity->member, true);
	if (entity->member.type->activations)
		metrics_add(entity->member.type->activations, 1);
	crdt_entity_run_type(entity, CRDT_EV_STREAM_OPEN);
	entity_set_deliver(&table->set);
}

static void describe(const struct crdt_out *out, struct crdt_event *event)
{
	static const enum crdt_event_type types[] = {
		[CRDT_OUT_REPLY] = CRDT_EV_REPLY,	  [CRDT_OUT_STREAMED] = CRDT_EV_STREAMED,
		[CRDT_OUT_CANCELLED] = CRDT_EV_CANCELLED, [CRDT_OUT_FAILURE] = CRDT_EV_FAILURE,
		[CRDT_OUT_GARBAGE] = CRDT_EV_GARBAGE,
	};

	event->type = types[out->kind];
	event->command_id = out->message.command_id;
	event->is_streamed = out->is_streamed;
	event->is_end = out->is_end;
	event->change = out->change;
	event->code = out->message.code;
}

static void on_message(void *data, struct span message)
{
	struct crdt_entity *entity = data;
	struct crdt_table *table = entity->table;
	struct crdt_item *item = crdt_item_new(table);
	struct crdt_event event = {.type = CRDT_EV_GARBAGE};
	struct crdt_ticket *ticket;
	char detail[CRDT_DETAIL_MAX];

	BUG_ON(entity->message);
	entity->message = item;
	entity->is_reading = false;
	item->out.kind = CRDT_OUT_GARBAGE;
	if (buf_append(&item->bytes, message))
		crdt_codec_parse(buf_span(&item->bytes), &item->out);
	describe(&item->out, &event);
	ticket = crdt_ticket_find(entity, event.command_id);
	event.call = ticket ? &ticket->call : NULL;
	(void)snprintf(detail, sizeof(detail), "%.*s",
		       SPAN_FMT(span_head(item->out.message.description, CRDT_DETAIL_MAX - 1)));
	event.text = detail;
	item->ticket = ticket;
	crdt_entity_run(entity, &event);
	entity_set_deliver(&table->set);
}

static void on_drained(void *data)
{
	(void)data; /* commands, cancellations and deltas are few and small beside what is read */
}

static void on_status(void *data, const struct grpc_status *status)
{
	struct crdt_entity *entity = data;
	struct crdt_table *table = entity->table;
	struct crdt_event event = {.type = CRDT_EV_STREAM_ERROR};
	char text[CRDT_DETAIL_MAX];

	entity_member_count_stream(&entity->member, false);
	entity->is_reading = false;
	if (entity->fsm.stream == CRDT_STREAM_OPENING) {
		/* never opened: the caller may try again, unless it is about limits */
		event.code = status->code == ST_RESOURCE_EXHAUSTED ? status->code : ST_UNAVAILABLE;
		(void)snprintf(text, sizeof(text), "The user function is not reachable: %.*s",
			       SPAN_FMT(span_head(status->message, CRDT_DETAIL_MAX - 64)));
	} else {
		event.type = status->code == ST_OK ? CRDT_EV_STREAM_END : CRDT_EV_STREAM_ERROR;
		event.code = status->code;
		(void)snprintf(text, sizeof(text), "%s %.*s", status_name(status->code),
			       SPAN_FMT(span_head(status->message, CRDT_DETAIL_MAX - 64)));
	}
	event.text = text;
	crdt_entity_run(entity, &event);
	entity_set_deliver(&table->set);
}

static const struct entity_stream_ops stream_ops = {
	.on_open = on_open,
	.on_message = on_message,
	.on_drained = on_drained,
	.on_status = on_status,
};

/* ---- timers --------------------------------------------------------------------------------- */

static void on_timer(void *data)
{
	struct crdt_entity *entity = data;
	struct crdt_table *table = entity->table;

	if (entity->due_ns > loop_now_ns(table->set.loop)) {
		timer_start(&entity->timer, entity->due_ns);
		return;
	}
	entity->due_ns = DEADLINE_NEVER;
	crdt_entity_run_type(entity, CRDT_EV_TIMEOUT);
	entity_set_deliver(&table->set);
}

static void set_timer(struct crdt_entity *entity, const struct crdt_act *act)
{
	if (act->timer == CRDT_TIMER_NONE) {
		entity->due_ns = DEADLINE_NEVER;
		return;
	}
	entity->due_ns =
		clock_deadline(loop_now_ns(entity->table->set.loop), act->wait_ms * NS_PER_MS);
	if (!timer_is_set(&entity->timer) || entity->timer.deadline_ns > entity->due_ns)
		timer_start(&entity->timer, entity->due_ns);
}

static void on_news_timer(void *data)
{
	struct crdt_entity *entity = data;
	struct crdt_table *table = entity->table;

	crdt_entity_run_type(entity, CRDT_EV_NEWS);
	entity_set_deliver(&table->set);
}

void crdt_entity_watch_due(struct crdt_entity *entity, uint64_t deadline_ns)
{
	if (deadline_ns == DEADLINE_NEVER)
		return;
	if (!timer_is_set(&entity->queue_timer) || entity->queue_timer.deadline_ns > deadline_ns)
		timer_start(&entity->queue_timer, deadline_ns);
}

/* The first whose deadline has passed, with the event that says so; NULL: none, and the timer is
 * set for the next one. */
static struct crdt_ticket *overdue(struct crdt_entity *entity, enum crdt_event_type *ret_type)
{
	struct list *lists[] = {&entity->queue, &entity->sent, &entity->cancelling};
	uint64_t now = loop_now_ns(entity->table->set.loop);

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		list_for_each (node, lists[i]) {
			struct crdt_ticket *ticket =
				i == 0 ? list_entry(node, struct crdt_ticket, node)
				       : list_entry(node, struct crdt_ticket, due);

			*ret_type = i == 0 ? CRDT_EV_UNQUEUED : CRDT_EV_CALL_TIMEOUT;
			if (ticket->deadline_ns <= now)
				return ticket;
			crdt_entity_watch_due(entity, ticket->deadline_ns);
			if (i > 0)
				break; /* the others came later */
		}
	}
	return NULL;
}

static void on_queue_timer(void *data)
{
	struct crdt_entity *entity = data;
	struct crdt_table *table = entity->table;
	struct crdt_ticket *ticket;
	struct crdt_event event = {0};

	ticket = overdue(entity, &event.type);
	if (ticket) {
		/* one a turn: the entity may be another one afterwards, or none */
		crdt_entity_watch_due(entity, loop_now_ns(table->set.loop));
		if (event.type == CRDT_EV_UNQUEUED) {
			crdt_ticket_fail(ticket, ST_DEADLINE_EXCEEDED, TEXT_QUEUE_DEADLINE, false);
		} else {
			list_remove(&ticket->due);
			event.call = &ticket->call;
		}
		crdt_entity_run(entity, &event);
	}
	entity_set_deliver(&table->set);
}

/* ---- actions -------------------------------------------------------------------------------- */

/* The one of the command at the head; kept when there is none. */
static const struct api_service *wanted_service(const struct crdt_entity *entity)
{
	if (list_is_empty(&entity->queue))
		return entity->member.service;
	return list_entry(entity->queue.next, struct crdt_ticket, node)->method->service;
}

static void activate(struct crdt_entity *entity)
{
	uint64_t own_ms;

	entity_member_activate(&entity->member, wanted_service(entity));
	own_ms = entity->member.service->passivation_ms;
	entity->fsm.passivation_ms = own_ms ? own_ms : entity->table->limits.passivation_ms;
}

static void act_open(struct crdt_entity *entity)
{
	struct crdt_table *table = entity->table;
	struct entity_stream_params params = {
		.loop = table->set.loop,
		.channel = userfn_channel(table->set.userfn),
		.path = "/" API_CRDT_TYPE "/handle",
		.open_deadline_ns = clock_deadline(loop_now_ns(table->set.loop),
						   table->limits.command_timeout_ms * NS_PER_MS),
		.max_message_bytes = table->limits.message_bytes_max,
	};

	activate(entity);
	entity->is_reading = false;
	entity_stream_open(&entity->stream, &params, &stream_ops, entity);
	entity_member_want_room(&entity->member);
}

/* False: no room; or the stream was dropped within this step, for the same reason. */
static bool send_to(struct crdt_entity *entity, struct span head, struct span tail)
{
	return entity->stream.call && entity_stream_send(&entity->stream, head, tail);
}

static bool act_send_value(struct crdt_entity *entity, bool is_init)
{
	struct crdt_table *table = entity->table;
	bool has_delta = false;

	if (crdt_value_put(entity, is_init, &has_delta, &table->error) != ST_OK)
		return false;
	if (!is_init && !has_delta)
		return true;
	if (!(is_init ? crdt_codec_put_init(&table->set.head,
					    entity->member.service->schema->full_name,
					    entity_member_id(&entity->member), has_delta,
					    buf_len(&table->delta))
		      : crdt_codec_put_delta(&table->set.head, buf_len(&table->delta))))
		return false;
	return send_to(entity, buf_span(&table->set.head),
		       has_delta ? buf_span(&table->delta) : SPAN_EMPTY);
}

static bool send_command(struct crdt_entity *entity, struct crdt_ticket *ticket, uint64_t id)
{
	struct entity_put_command command = {
		.entity_id = entity_member_id(&entity->member),
		.id = id,
		.name = ticket->method->schema->name,
		.input_name = ticket->method->schema->input->full_name,
		.metadata = span_make(ticket->payload + ticket->payload_len, ticket->metadata_len),
		.payload_len = ticket->payload_len,
	};
	struct buf *head = &entity->table->set.head;

	crdt_ticket_sent(ticket, id);
	return crdt_codec_put_command(head, &command, ticket->call.is_streamed) &&
	       send_to(entity, buf_span(head), span_make(ticket->payload, ticket->payload_len));
}

static bool act_send_queue(struct crdt_entity *entity, uint64_t first_id)
{
	bool is_ok = true;

	/* all become sent, for the machine counts them so */
	for (uint64_t id = first_id; !list_is_empty(&entity->queue); id++)
		is_ok = send_command(entity,
				     list_entry(entity->queue.next, struct crdt_ticket, node),
				     id) &&
			is_ok;
	return is_ok;
}

static bool act_send_cancelled(struct crdt_entity *entity, struct crdt_fsm_call *call)
{
	struct crdt_ticket *ticket = container_of(call, struct crdt_ticket, call);
	struct crdt_table *table = entity->table;
	uint64_t wait_ns = table->limits.cancel_timeout_ms * NS_PER_MS;

	ticket->deadline_ns = clock_deadline(loop_now_ns(table->set.loop), wait_ns);
	list_remove(&ticket->due);
	list_push_back(&entity->cancelling, &ticket->due);
	crdt_entity_watch_due(entity, ticket->deadline_ns);
	return crdt_codec_put_stream_cancelled(&table->set.head, entity_member_id(&entity->member),
					       call->id) &&
	       send_to(entity, buf_span(&table->set.head), SPAN_EMPTY);
}

/* Everything that goes to the function; false: it does not take it. */
static bool act_send(struct crdt_entity *entity, const struct crdt_act *act)
{
	struct buf *head = &entity->table->set.head;

	if (act->type == CRDT_ACT_SEND_INIT)
		return act_send_value(entity, true);
	if (act->type == CRDT_ACT_TELL)
		return act_send_value(entity, false);
	if (act->type == CRDT_ACT_SEND_QUEUE)
		return act_send_queue(entity, act->command_id);
	if (act->type == CRDT_ACT_SEND_CANCELLED)
		return act_send_cancelled(entity, act->call);
	if (act->type == CRDT_ACT_SEND_DELETE)
		return crdt_codec_put_delete(head) && send_to(entity, buf_span(head), SPAN_EMPTY);
	return true;
}

static void act_pass(struct crdt_entity *entity, const struct crdt_act *act)
{
	struct crdt_item *item = entity->message;

	entity->message = NULL;
	item->ticket = container_of(act->call, struct crdt_ticket, call);
	item->is_last = act->is_last;
	crdt_outbox_push(entity, item);
}

/* Fails or ends calls that were sent: one, or those of some states. */
static void act_end_calls(struct crdt_entity *entity, const struct crdt_act *act)
{
	struct map_node *node = map_next(&entity->calls, NULL);

	while (node) {
		struct map_node *next = map_next(&entity->calls, node);
		struct crdt_ticket *ticket = container_of(node, struct crdt_ticket, sent);
		enum crdt_call_state state = ticket->call.state;
		bool is_unanswered = state == CRDT_CALL_SENT || state == CRDT_CALL_CANCELLING;

		node = next;
		if (act->type == CRDT_ACT_FAIL_UNANSWERED && !is_unanswered)
			continue;
		if (act->type == CRDT_ACT_END_STREAMS && state != CRDT_CALL_STREAMING)
			continue;
		if (act->type == CRDT_ACT_END_STREAMS && act->code == ST_OK)
			crdt_ticket_end(ticket);
		else
			crdt_ticket_fail(ticket, act->code, act->text, false);
	}
}

static void act_fail(struct crdt_entity *entity, const struct crdt_act *act,
		     const struct crdt_event *event)
{
	bool is_copied = act->text && act->text == event->text;

	if (act->type == CRDT_ACT_FAIL_CALL) {
		crdt_ticket_fail(container_of(act->call, struct crdt_ticket, call), act->code,
				 act->text, is_copied);
	} else if (act->type == CRDT_ACT_FAIL_QUEUE) {
		while (!list_is_empty(&entity->queue))
			crdt_ticket_fail(list_entry(entity->queue.next, struct crdt_ticket, node),
					 act->code, act->text, is_copied);
	} else {
		if (act->type == CRDT_ACT_FAIL_ALL)
			crdt_outbox_clear(entity);
		act_end_calls(entity, act);
	}
}

static void report(struct crdt_entity *entity, const char *text, const char *detail)
{
	char line[2 * CRDT_DETAIL_MAX];
	int n = snprintf(line, sizeof(line), "%s: entity %.*s/%.*s%s%s", text,
			 SPAN_FMT(span_head(entity_member_type(&entity->member), 128)),
			 SPAN_FMT(span_head(entity_member_id(&entity->member), 128)),
			 detail[0] ? ": " : "", detail);

	if (n > 0)
		userfn_report(entity->table->set.userfn, span_from_str(line));
}

static void act_report(struct crdt_entity *entity, const struct crdt_act *act,
		       const struct crdt_event *event)
{
	const char *detail = event->text ? event->text : "";

	LOG_LIMITED(WARN, ENTITY_COMPLAINT,
		    LOG_SPAN("entity_name", entity_member_type(&entity->member)),
		    LOG_SPAN("entity_id", entity_member_id(&entity->member)),
		    LOG_STR("reason", act->text), LOG_STR("cause", detail));
	report(entity, act->text, detail);
}

/* Spec: E-56, C-09: the caller's text hides the cause, so it is logged and told to the function. */
static void act_crashed(struct crdt_entity *entity, const struct crdt_act *act,
			const struct crdt_event *event)
{
	struct crdt_table *table = entity->table;
	struct span type = entity_member_type(&entity->member);
	/* a text of the function or of src/crdt would make a series for every id */
	bool is_ours = act->text != event->text;
	const char *reason = is_ours ? act->text : "Unexpected CRDT change";
	struct metrics_label labels[] = {{"entity_name", type}, {"reason", span_from_str(reason)}};
	const char *detail = event->text && is_ours ? event->text : "";

	if (table->set.metrics)
		metrics_add(metrics_series(table->set.metrics, METRIC_ENTITY_CRASHES, labels, 2),
			    1);
	LOG_LIMITED(WARN, ENTITY_CRASHED, LOG_SPAN("entity_name", type),
		    LOG_SPAN("entity_id", entity_member_id(&entity->member)),
		    LOG_STR("reason", act->text), LOG_STR("cause", detail),
		    LOG_UINT("command_id", event->command_id),
		    LOG_UINT("crashes", entity->fsm.crashes));
	crdt_value_drop(entity);
	if (event->type != CRDT_EV_STREAM_ERROR && event->type != CRDT_EV_STREAM_END)
		report(entity, act->text, detail); /* else it knows, or is gone */
}

static void act_gone(struct crdt_entity *entity)
{
	entity->is_gone = true;
	if (entity->member.type->passivations)
		metrics_add(entity->member.type->passivations, 1);
}

static void act_reset(struct crdt_entity *entity)
{
	entity_member_count_stream(&entity->member, false);
	entity->is_reading = false;
	entity_stream_reset(&entity->stream);
}

/* The function is told nothing more, so there is nothing to be kept up to date. */
static void act_half_close(struct crdt_entity *entity)
{
	if (entity->stream.call)
		entity_stream_half_close(&entity->stream);
	crdt_value_drop(entity);
}

/* Actions with neither arguments nor an outcome. */
static void act_plain(struct crdt_entity *entity, enum crdt_act_type type)
{
	if (type == CRDT_ACT_OPEN_STREAM)
		act_open(entity);
	else if (type == CRDT_ACT_LOAD)
		crdt_value_load(entity);
	else if (type == CRDT_ACT_READ)
		crdt_value_read(entity);
	else if (type == CRDT_ACT_READ_LATER)
		crdt_value_read_later(entity);
	else if (type == CRDT_ACT_CANCEL_READ)
		crdt_value_cancel_read(entity);
	else if (type == CRDT_ACT_HALF_CLOSE)
		act_half_close(entity);
	else if (type == CRDT_ACT_RESET)
		act_reset(entity);
	else if (type == CRDT_ACT_GONE)
		act_gone(entity);
}

static void act(struct crdt_entity *entity, const struct crdt_act *action,
		const struct crdt_event *event, struct crdt_follow *follow)
{
	enum crdt_act_type type = action->type;

	if (type == CRDT_ACT_TIMER)
		set_timer(entity, action);
	else if (type == CRDT_ACT_PASS)
		act_pass(entity, action);
	else if (type == CRDT_ACT_WRITE || type == CRDT_ACT_DELETE)
		crdt_value_change(entity, action, follow);
	else if (type >= CRDT_ACT_FAIL_CALL && type <= CRDT_ACT_END_STREAMS)
		act_fail(entity, action, event);
	else if (type == CRDT_ACT_REPORT)
		act_report(entity, action, event);
	else if (type == CRDT_ACT_CRASHED)
		act_crashed(entity, action, event);
	else
		act_plain(entity, type);
	if (!act_send(entity, action) && entity->stream.call) {
		act_reset(entity);
		BUG_ON(follow->count == CRDT_FOLLOW_MAX);
		follow->events[follow->count++] = (struct crdt_event){
			.type = CRDT_EV_STREAM_ERROR,
			.code = ST_RESOURCE_EXHAUSTED,
			.text = TEXT_TOO_MUCH,
		};
	}
}

/* ---- steps ---------------------------------------------------------------------------------- */

static void log_state(const struct crdt_entity *entity, enum crdt_state before,
		      const struct crdt_event *event)
{
	if (before == entity->fsm.state)
		return;
	LOG(DEBUG, ENTITY_STATE, LOG_SPAN("entity_name", entity_member_type(&entity->member)),
	    LOG_SPAN("entity_id", entity_member_id(&entity->member)),
	    LOG_STR("state", crdt_state_name(entity->fsm.state)),
	    LOG_STR("before", crdt_state_name(before)),
	    LOG_STR("by", crdt_event_name(event->type)));
}

/* An answered call has no deadline any more. */
static void sort_call(struct crdt_fsm_call *call)
{
	if (call && (call->state == CRDT_CALL_STREAMING || call->state == CRDT_CALL_OVER))
		list_remove(&container_of(call, struct crdt_ticket, call)->due);
}

static void step(struct crdt_entity *entity, const struct crdt_event *event,
		 struct crdt_follow *follow)
{
	enum crdt_state before = entity->fsm.state;
	struct crdt_acts acts;

	crdt_fsm_step(&entity->fsm, event, &acts);
	log_state(entity, before, event);
	for (size_t i = 0; i < acts.count; i++)
		act(entity, &acts.items[i], event, follow);
	sort_call(event->call);
}

void crdt_entity_run(struct crdt_entity *entity, const struct crdt_event *event)
{
	struct crdt_follow follow = {.count = 0};

	BUG_ON(entity->is_stepping);
	entity->is_stepping = true;
	step(entity, event, &follow);
	for (size_t i = 0; i < follow.count; i++) {
		if (follow.events[i].type != CRDT_EV_STREAM_ERROR ||
		    entity->fsm.stream != CRDT_STREAM_NONE)
			step(entity, &follow.events[i], &follow);
	}
	entity->is_stepping = false;
	crdt_item_free(entity->message); /* nobody took it */
	entity->message = NULL;
	crdt_outbox_flush(entity);
	if (entity->is_gone) {
		crdt_entity_destroy(entity);
		return;
	}
	entity_member_sort(&entity->member, crdt_fsm_is_idle(&entity->fsm));
	crdt_entity_read(entity);
}

void crdt_entity_run_type(struct crdt_entity *entity, enum crdt_event_type type)
{
	struct crdt_event event = {.type = type};

	crdt_entity_run(entity, &event);
}

/* ---- birth and death ------------------------------------------------------------------------ */

struct crdt_entity *crdt_entity_new(struct crdt_table *table)
{
	struct crdt_entity *entity = entity_member_new(&table->set, sizeof(struct crdt_entity));

	entity->table = table;
	entity->due_ns = DEADLINE_NEVER;
	list_init(&entity->queue);
	list_init(&entity->sent);
	list_init(&entity->cancelling);
	list_init(&entity->outbox);
	list_init(&entity->writes);
	list_init(&entity->acks);
	map_init(&entity->calls);
	crdt_rebase_init(entity);
	timer_init(&entity->timer, table->set.loop, on_timer, entity);
	timer_init(&entity->queue_timer, table->set.loop, on_queue_timer, entity);
	timer_init(&entity->news_timer, table->set.loop, on_news_timer, entity);
	crdt_fsm_init(&entity->fsm, &table->config, table->limits.passivation_ms);
	return entity;
}

static void crdt_entity_destroy(struct crdt_entity *entity)
{
	BUG_ON(!list_is_empty(&entity->queue) || entity->calls.count > 0);
	act_reset(entity);
	crdt_value_fini(entity);
	crdt_outbox_clear(entity);
	timer_stop(&entity->timer);
	timer_stop(&entity->queue_timer);
	map_fini(&entity->calls);
	entity_member_free(&entity->member);
}

void crdt_entity_free(struct crdt_entity *entity, enum status code, const char *text)
{
	struct crdt_act fail = {.type = CRDT_ACT_FAIL_ALL, .code = code, .text = text};
	struct crdt_event none = {.type = CRDT_EV_STOP};

	act_fail(entity, &fail, &none);
	fail.type = CRDT_ACT_FAIL_QUEUE;
	act_fail(entity, &fail, &none);
	crdt_entity_destroy(entity);
}
