/* Random histories of the entity machine. A model of the world (function, journal, callers, one
 * timer) offers the events that are possible, one is drawn, and every action is checked against the
 * model. A failing history is run again with its steps printed; its seed is named.
 *
 *   WALK_HISTORIES=1000000 WALK_SEED=7 [WALK_LOUD=1] ./walk_entity
 *
 * What is checked: the promises of entity_fsm.h, and that every wait has a way on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/span.h"
#include "src/base/text.h"
#include "src/entity/entity_fsm.h"
#include "tests/replay/walk_entity.h"

#define HISTORIES 150000
#define STEPS_MAX 120

/* Which transitions the histories went through; a row nobody can take does not belong there. */
static bool taken[ENTITY_STATES_][ENTITY_STATES_];

/* ---- actions against the model -------------------------------------------------------------- */

static void stream_gone(struct world *w)
{
	w->is_opening = false;
	w->is_open = false;
	w->is_reading = false;
	w->has_init = false;
	w->has_unsent = false;
}

static void act_send(struct world *w, const struct entity_act *act)
{
	if (act->type == ENTITY_ACT_SEND_INIT) {
		PROMISE(w, w->is_open && !w->has_init && (w->is_loading || w->is_value));
		w->has_init = true;
		w->has_unsent = true;
	} else if (act->type == ENTITY_ACT_SEND_EVENTS) {
		PROMISE(w, w->is_open && w->has_init && w->is_loading && !w->has_gap);
		PROMISE(w, !w->is_value);
		/* the event of this step was the page from function_seq + 1 to load_at */
		w->function_seq = w->load_at;
		w->function_tag = w->load_tag;
		w->has_unsent = true;
	} else {
		PROMISE(w, w->is_open && w->has_init && !w->is_loading);
		PROMISE(w, w->current < 0 && !w->wants_search);
		PROMISE(w, w->flight_count == 0 || w->flight_count < w->config.speculation_depth);
		PROMISE(w, next_of(w) == ENTITY_NEXT_SEND);
		PROMISE(w, act->command_id == w->last_id + 1);
		PROMISE(w, w->function_seq == w->fsm.head.sequence);
		PROMISE(w, w->function_tag == tag_of(&w->fsm.head.tag));
		w->last_id = act->command_id;
		w->current = (int)pop_queue(w);
	}
}

static void act_stream(struct world *w, const struct entity_act *act)
{
	if (act->type == ENTITY_ACT_OPEN_STREAM) {
		PROMISE(w, !w->is_opening && !w->is_open);
		w->is_opening = true;
		w->last_id = 0;
		w->function_seq = 0;
	} else if (act->type == ENTITY_ACT_READ) {
		PROMISE(w, w->is_open && !w->is_reading);
		w->is_reading = true;
	} else if (act->type == ENTITY_ACT_HALF_CLOSE) {
		PROMISE(w, w->is_open && w->is_reading);
	} else {
		PROMISE(w, w->is_open || w->is_opening);
		stream_gone(w);
	}
}

/* It is with the journal from now on. */
static struct flight *take_off(struct world *w, unsigned command, const struct entity_act *act)
{
	struct flight *flight = &w->flights[w->flight_count++];

	PROMISE(w, w->flight_count <= DEPTH_MAX);
	w->flight_count -= w->flight_count > DEPTH_MAX;
	*flight = (struct flight){
		.command = command,
		.asked = act->type,
		.sequence = w->function_seq,
		.tag = w->function_tag,
	};
	return flight;
}

/* It expects the state that the function made the reply from. */
static void act_ask(struct world *w, const struct entity_act *act)
{
	struct flight *flight;

	PROMISE(w, w->has_reply && w->current >= 0);
	if (w->current < 0)
		return;
	PROMISE(w, act->head.sequence == w->function_seq);
	PROMISE(w, tag_of(&act->head.tag) == w->function_tag);
	flight = take_off(w, (unsigned)w->current, act);
	w->current = -1;
	w->has_reply = false;
	if (act->type == ENTITY_ACT_VERIFY) {
		/* events that are not appended: the function is not to be trusted any more */
		w->function_seq += w->reply_events;
		return;
	}
	PROMISE(w, w->reply_events > 0);
	flight->events = w->reply_events;
	flight->attempt = w->reply_attempt;
	w->function_seq += w->reply_events;
	w->function_tag = w->reply_attempt;
}

static void act_journal(struct world *w, const struct entity_act *act)
{
	if (act->type == ENTITY_ACT_CANCEL_SEARCH) {
		w->wants_search = false;
		return;
	}
	PROMISE(w, !w->wants_search);
	if (act->type == ENTITY_ACT_APPEND || act->type == ENTITY_ACT_VERIFY) {
		act_ask(w, act);
		return;
	}
	PROMISE(w, w->flight_count == 0);
	if (act->type == ENTITY_ACT_LOAD) {
		PROMISE(w, !w->is_loading);
		w->has_window = false;
		w->is_loading = true;
		w->wants_head = true;
	} else if (act->type == ENTITY_ACT_LOAD_NEXT) {
		PROMISE(w, w->is_loading && !w->wants_head && !w->wants_page && !w->has_unsent);
		w->wants_page = true;
	} else if (act->type == ENTITY_ACT_CANCEL_LOAD) {
		PROMISE(w, w->is_loading);
		w->is_loading = false;
		w->wants_head = false;
		w->wants_page = false;
	} else if (act->type == ENTITY_ACT_SEARCH) {
		PROMISE(w, next_of(w) == ENTITY_NEXT_SEARCH && w->current < 0);
		w->wants_search = true;
	} else {
		PROMISE(w, next_of(w) == ENTITY_NEXT_RECALL && w->current < 0);
		(void)take_off(w, pop_queue(w), act);
	}
}

static struct flight pop_flight(struct world *w)
{
	struct flight oldest = w->flights[0];

	PROMISE(w, w->flight_count > 0);
	w->flight_count -= w->flight_count > 0;
	memmove(w->flights, w->flights + 1, w->flight_count * sizeof(*w->flights));
	w->is_answering = false;
	return oldest;
}

/* Nobody waits for it any more. */
static void forget(struct world *w, const struct flight *flight)
{
	if (flight->asked == ENTITY_ACT_APPEND && !flight->is_executed &&
	    w->zombie_count < ZOMBIES_MAX)
		w->zombies[w->zombie_count++] = *flight;
}

static void act_requeue(struct world *w)
{
	unsigned back[DEPTH_MAX + 2];
	size_t count = 0;

	PROMISE(w, w->flight_count > 0 || w->current >= 0);
	while (w->flight_count > 0) {
		bool was_answered = w->is_answering;
		struct flight flight = pop_flight(w);

		back[count++] = flight.command;
		if (flight.asked == ENTITY_ACT_APPEND && !was_answered)
			w->is_resent[flight.command] = true;
		if (!was_answered)
			forget(w, &flight);
	}
	if (w->current >= 0)
		back[count++] = (unsigned)w->current;
	w->current = -1;
	memmove(w->queue + count, w->queue, w->queue_len * sizeof(*w->queue));
	memcpy(w->queue, back, count * sizeof(*back));
	w->queue_len += count;
}

static void act_caller(struct world *w, const struct entity_act *act)
{
	struct flight flight;

	if (act->type == ENTITY_ACT_FAIL_HEAD || act->type == ENTITY_ACT_FAIL_QUEUE) {
		PROMISE(w, w->queue_len > 0);
		do
			end_command(w, pop_queue(w));
		while (act->type == ENTITY_ACT_FAIL_QUEUE && w->queue_len > 0);
	} else if (act->type == ENTITY_ACT_REQUEUE) {
		act_requeue(w);
	} else if (act->type == ENTITY_ACT_FAIL_CURRENT) {
		PROMISE(w, w->current >= 0 && act->code != ST_OK);
		if (w->current >= 0)
			end_command(w, (unsigned)w->current);
		w->current = -1;
	} else if (act->type == ENTITY_ACT_FAIL_OLDEST) {
		PROMISE(w, act->code != ST_OK);
		if (!w->is_answering)
			forget(w, &w->flights[0]);
		flight = pop_flight(w);
		end_command(w, flight.command);
	} else {
		PROMISE(w, w->is_answering && w->is_proved);
		flight = pop_flight(w);
		PROMISE(w, flight.asked != ENTITY_ACT_APPEND || flight.is_landed);
		end_command(w, flight.command);
	}
	w->has_reply = false;
}

/* They go on elsewhere; never past the command at hand, for that would turn their order round. */
static void act_hand_over(struct world *w)
{
	PROMISE(w, w->queue_len > 0 && w->current < 0 && w->flight_count == 0);
	while (w->queue_len > 0)
		end_command(w, pop_queue(w));
}

static void act_one(struct world *w, const struct entity_act *act)
{
	PROMISE(w, !w->is_gone);
	if (act->type <= ENTITY_ACT_READ || act->type == ENTITY_ACT_HALF_CLOSE ||
	    act->type == ENTITY_ACT_RESET)
		act_stream(w, act);
	else if (act->type <= ENTITY_ACT_SEND_COMMAND)
		act_send(w, act);
	else if (act->type <= ENTITY_ACT_CANCEL_SEARCH)
		act_journal(w, act);
	else if (act->type <= ENTITY_ACT_FAIL_QUEUE)
		act_caller(w, act);
	else if (act->type == ENTITY_ACT_HAND_OVER)
		act_hand_over(w);
	else if (act->type == ENTITY_ACT_TIMER)
		w->has_timer = act->timer != ENTITY_TIMER_NONE;
	else if (act->type == ENTITY_ACT_GONE)
		w->is_gone = true;
	else
		PROMISE(w, act->type == ENTITY_ACT_CRASHED && act->text);
}

static void check_after(struct world *w)
{
	const struct entity_fsm *fsm = &w->fsm;
	bool is_deaf = fsm->state == ENTITY_SETTLING;
	bool asks_journal = w->flight_count > 0 || w->wants_search;

	PROMISE(w, fsm->queued == w->queue_len);
	PROMISE(w, fsm->has_current == (w->current >= 0));
	PROMISE(w, fsm->undecided == w->flight_count);
	PROMISE(w, w->is_gone == (fsm->state == ENTITY_ABSENT));
	if (w->is_gone) {
		PROMISE(w, w->queue_len == 0 && w->current < 0 && !asks_journal);
		PROMISE(w, !w->is_open && !w->is_opening && !w->is_loading && !w->has_timer);
		return;
	}
	/* every wait ends by itself: a timer, or the journal's own deadline */
	PROMISE(w, w->has_timer == (!asks_journal || w->current >= 0));
	PROMISE(w, w->current < 0 || fsm->state == ENTITY_BUSY);
	/* what the function says is always heard, but while its reply is with the journal */
	PROMISE(w, !w->is_open || w->is_reading != is_deaf);
	PROMISE(w, w->queue_len == 0 || fsm->state != ENTITY_IDLE);
	PROMISE(w, !w->is_value ||
			   (fsm->state != ENTITY_REPLAYING && fsm->state != ENTITY_RESTARTING));
}

static void step(struct world *w, struct entity_event event)
{
	enum entity_state before = w->fsm.state;

	if (w->is_loud)
		printf("# %s + %s id=%llu events=%zu seq=%llu\n", entity_state_name(w->fsm.state),
		       entity_event_name(event.type), (unsigned long long)event.command_id,
		       event.event_count, (unsigned long long)event.head.sequence);
	event.text = event.text ? event.text : "text";
	event.next = next_of(w);
	entity_fsm_step(&w->fsm, &event, &w->acts);
	taken[before][w->fsm.state] = true;
	for (size_t i = 0; i < w->acts.count; i++) {
		if (w->is_loud)
			printf("#     %s\n", entity_act_name(w->acts.items[i].type));
		act_one(w, &w->acts.items[i]);
	}
	w->is_proved = false;
	w->is_answering = false;
	check_after(w);
}

static void step_type(struct world *w, enum entity_event_type type)
{
	static const enum status codes[] = {ST_UNAVAILABLE, ST_RESOURCE_EXHAUSTED, ST_ABORTED};

	step(w, (struct entity_event){.type = type,
				      .code = codes[draw(w, 3)],
				      .is_generation_0_1 = w->is_generation_0_1});
}

/* ---- what may happen ------------------------------------------------------------------------ */

/* A third of them carry a key, which others may have carried. */
static void new_command(struct world *w)
{
	w->key_of[w->command_count] = draw(w, 3) == 0 ? 1 + (unsigned)draw(w, KEYS - 1) : 0;
	w->queue[w->queue_len++] = w->command_count++;
	step_type(w, ENTITY_EV_COMMAND);
}

static void caller_event(struct world *w)
{
	size_t at;

	if (w->queue_len < QUEUE_MAX - 1 && w->command_count < COMMANDS_MAX && draw(w, 3) != 0) {
		new_command(w);
	} else if (w->queue_len > 0 && draw(w, 2) == 0) {
		at = draw(w, w->queue_len);
		w->is_dropped[w->queue[at]] = true;
		w->ends[w->queue[at]] = 1;
		w->queue_len--;
		for (size_t i = at; i < w->queue_len; i++)
			w->queue[i] = w->queue[i + 1];
		step(w, (struct entity_event){.type = ENTITY_EV_UNQUEUED, .is_head = at == 0});
	} else if (w->fsm.state != ENTITY_ABSENT) {
		uint64_t kind = draw(w, 8);

		step_type(w, kind == 0	 ? ENTITY_EV_STOP
			     : kind == 1 ? ENTITY_EV_RENEW
			     : kind == 2 ? ENTITY_EV_HAND_OVER
					 : ENTITY_EV_PASSIVATE);
	}
}

static void message_event(struct world *w)
{
	uint64_t kind = draw(w, 16);
	struct entity_event event = {.type = ENTITY_EV_REPLY, .command_id = w->last_id};

	w->is_reading = false;
	if (kind == 0)
		event.type = ENTITY_EV_GARBAGE;
	else if (kind <= 2)
		event.type = ENTITY_EV_FAILURE;
	if (draw(w, 8) == 0)
		event.command_id = draw(w, 4);
	if (event.type == ENTITY_EV_REPLY) {
		event.event_count = draw(w, w->is_value ? 2 : 3);
		event.is_restart = draw(w, 5) == 0;
	}
	w->has_reply = w->current >= 0;
	w->reply_events = event.event_count;
	w->reply_attempt = ++w->attempts;
	set_tag(&event.tag, w->reply_attempt);
	step(w, event);
}

static void stream_event(struct world *w)
{
	if (w->is_opening && draw(w, 6) != 0) {
		w->is_opening = false;
		w->is_open = true;
		step_type(w, ENTITY_EV_STREAM_OPEN);
	} else if (w->is_opening || draw(w, 12) == 0) {
		stream_gone(w);
		step_type(w, draw(w, 2) ? ENTITY_EV_STREAM_END : ENTITY_EV_STREAM_ERROR);
	} else if (draw(w, 2) == 0) {
		w->has_unsent = false;
		step_type(w, ENTITY_EV_STREAM_DRAINED);
	} else if (w->is_reading && (w->current >= 0 || draw(w, 6) == 0)) {
		message_event(w);
	}
}

static void load_over(struct world *w, enum entity_event_type type)
{
	w->is_loading = false;
	w->wants_head = false;
	w->wants_page = false;
	step_type(w, type);
}

static void load_event(struct world *w)
{
	struct entity_event event = {0};

	if (draw(w, 16) == 0) {
		load_over(w, draw(w, 4) ? ENTITY_EV_LOAD_ERROR : ENTITY_EV_LOAD_ERASED);
	} else if (w->wants_head) {
		w->wants_head = false;
		w->load_end = w->log_len;
		w->has_window = w->log_len == 0; /* nothing to be read */
		memset(w->known, 0, sizeof(w->known));
		w->load_at = w->is_value ? w->log_len : draw(w, w->log_len + 1);
		w->is_loading = !w->is_value;
		w->function_seq = w->load_at;
		w->load_tag = log_tag(w);
		w->function_tag = w->load_tag;
		event.type = ENTITY_EV_LOAD_HEAD;
		event.head.sequence = w->load_end;
		set_tag(&event.head.tag, w->load_tag);
		event.snapshot_sequence = w->is_value ? 0 : w->load_at;
		step(w, event);
	} else if (w->load_at == w->load_end) {
		load_over(w, ENTITY_EV_LOAD_DONE);
	} else {
		w->wants_page = false;
		event.type = ENTITY_EV_LOAD_PAGE;
		event.first_sequence = w->load_at + 1;
		event.event_count = 1 + draw(w, w->load_end - w->load_at);
		w->load_at += event.event_count;
		w->has_gap = draw(w, 40) == 0;
		event.first_sequence += w->has_gap;
		step(w, event);
		PROMISE(w, w->is_gone || w->function_seq == w->load_at);
	}
}

/* Another process appended, perhaps for a command that is under way here, too. */
static void elsewhere(struct world *w)
{
	unsigned key = draw(w, 2) ? 0 : 1 + (unsigned)draw(w, KEYS - 1);

	if (draw(w, 3) == 0 || w->flight_count > 0)
		log_events(w, w->first_at[key] ? 0 : key, 1, ++w->attempts);
}

static bool is_expected(const struct world *w, const struct flight *flight)
{
	return flight->sequence == w->log_len && flight->tag == log_tag(w);
}

static void land(struct world *w, struct flight *flight)
{
	log_events(w, name_of(w, flight->command), flight->events, flight->attempt);
	flight->is_landed = true;
}

/* It executes what was sent before and is not waited for any more, or it never does. */
static void zombie_event(struct world *w)
{
	struct flight zombie = w->zombies[0];

	w->zombie_count--;
	memmove(w->zombies, w->zombies + 1, w->zombie_count * sizeof(*w->zombies));
	if (is_expected(w, &zombie) && draw(w, 4) != 0)
		land(w, &zombie);
}

/* By chance something goes wrong though the head is the expected one. */
static void append_badly(struct world *w, struct flight *flight)
{
	static const enum entity_event_type failures[] = {
		ENTITY_EV_APPEND_DUP_OTHER, ENTITY_EV_APPEND_CONFLICT, ENTITY_EV_APPEND_ERASED,
		ENTITY_EV_APPEND_ERROR,	    ENTITY_EV_APPEND_UNKNOWN,
	};

	flight->answer = failures[draw(w, 5)];
	if (flight->answer == ENTITY_EV_APPEND_DUP_OTHER)
		log_events(w, name_of(w, flight->command), flight->events, ++w->attempts);
	else if (flight->answer == ENTITY_EV_APPEND_UNKNOWN && draw(w, 2) == 0)
		land(w, flight);
	else if (flight->answer == ENTITY_EV_APPEND_UNKNOWN)
		forget(w, &(struct flight){.command = flight->command,
					   .asked = flight->asked,
					   .sequence = flight->sequence,
					   .tag = flight->tag,
					   .attempt = flight->attempt,
					   .events = flight->events});
}

static void execute_append(struct world *w, struct flight *flight)
{
	unsigned name = name_of(w, flight->command);

	if (is_expected(w, flight) && draw(w, 6) != 0) {
		land(w, flight);
		flight->answer = ENTITY_EV_APPEND_OK;
	} else if (is_expected(w, flight)) {
		append_badly(w, flight);
	} else if (w->first_at[name] == flight->sequence + 1) {
		flight->answer = ENTITY_EV_APPEND_DUP_OTHER;
	} else {
		flight->answer = ENTITY_EV_APPEND_CONFLICT;
	}
}

static void execute_verify(struct world *w, struct flight *flight)
{
	static const enum entity_event_type verify[] = {
		ENTITY_EV_VERIFY_OK, ENTITY_EV_VERIFY_CONFLICT, ENTITY_EV_VERIFY_ERASED,
		ENTITY_EV_VERIFY_ERROR};
	static const enum entity_event_type recall[] = {
		ENTITY_EV_RECALL_OK, ENTITY_EV_RECALL_CONFLICT, ENTITY_EV_RECALL_ERASED,
		ENTITY_EV_RECALL_ERROR, ENTITY_EV_RECALL_REFUSED};
	bool is_recall = flight->asked == ENTITY_ACT_RECALL;
	uint64_t at = 0;

	if (!is_expected(w, flight))
		at = 1;
	else if (draw(w, 6) == 0)
		at = draw(w, is_recall ? 5 : 4);
	flight->answer = is_recall ? recall[at] : verify[at];
}

/* The oldest that was not: a connection keeps the order. */
static void execute(struct world *w)
{
	for (size_t i = 0; i < w->flight_count; i++) {
		struct flight *flight = &w->flights[i];

		if (flight->is_executed)
			continue;
		flight->is_executed = true;
		if (flight->asked == ENTITY_ACT_APPEND)
			execute_append(w, flight);
		else
			execute_verify(w, flight);
		return;
	}
}

/* The reply to what landed may have been lost, and what was sent again finds it. */
static void answer_event(struct world *w)
{
	struct flight *flight = &w->flights[0];
	struct entity_event event = {.code = ST_UNAVAILABLE};
	unsigned name = name_of(w, flight->command);

	if (!flight->is_executed)
		execute(w);
	event.type = flight->answer;
	event.is_keyed = w->key_of[flight->command] > 0;
	if (event.type == ENTITY_EV_APPEND_OK) {
		event.event_count = flight->events;
		if (w->has_window)
			w->known[name] = w->last_at[name];
		if (draw(w, 4) == 0) {
			event.type = ENTITY_EV_APPEND_DUP_MINE;
			set_tag(&event.tag, flight->attempt);
			set_tag(&event.head.tag, log_tag(w));
			event.head.sequence = w->log_len;
		}
	}
	w->is_answering = true;
	w->is_proved = event.type == ENTITY_EV_APPEND_OK ||
		       event.type == ENTITY_EV_APPEND_DUP_MINE ||
		       event.type == ENTITY_EV_VERIFY_OK || event.type == ENTITY_EV_RECALL_OK;
	step(w, event);
}

static void search_event(struct world *w)
{
	w->wants_search = false;
	if (draw(w, 8) == 0) {
		step_type(w, ENTITY_EV_WINDOW_ERROR);
		return;
	}
	w->has_window = true;
	for (unsigned name = 1; name < NAMES; name++)
		w->known[name] = w->last_at[name] <= w->fsm.head.sequence ? w->last_at[name] : 0;
	step_type(w, ENTITY_EV_WINDOW_READ);
}

static void any_event(struct world *w)
{
	uint64_t kind = draw(w, 16);

	if (w->is_gone) {
		entity_fsm_init(&w->fsm, &w->config, 30000);
		w->fsm.kind = w->is_value ? ENTITY_FSM_VALUE : ENTITY_FSM_EVENTS;
		w->is_gone = false;
		w->is_generation_0_1 = draw(w, 4) == 0;
		new_command(w);
	} else if (kind == 0 && w->has_timer) {
		w->has_timer = false;
		step_type(w, ENTITY_EV_TIMEOUT);
	} else if (kind == 1) {
		elsewhere(w);
	} else if (kind <= 4) {
		caller_event(w);
	} else if (kind <= 10 && (w->wants_head || w->wants_page)) {
		load_event(w);
	} else if (kind == 5 && w->zombie_count > 0) {
		zombie_event(w);
	} else if (w->flight_count > 0 && kind > 13) {
		execute(w);
	} else if (w->flight_count > 0 && kind > 10) {
		answer_event(w);
	} else if (w->wants_search && kind > 8) {
		search_event(w);
	} else if (w->is_open || w->is_opening) {
		stream_event(w);
	}
}

/* Lets everything finish in order: the stop must be heeded whatever came before. */
static void wind_up(struct world *w)
{
	for (unsigned i = 0; !w->is_gone && !w->why[0] && i < 1000; i++) {
		if (i == 0)
			step_type(w, ENTITY_EV_STOP);
		else if (w->flight_count > 0)
			answer_event(w);
		else if (w->wants_search)
			search_event(w);
		else if (w->has_timer) {
			w->has_timer = false;
			step_type(w, ENTITY_EV_TIMEOUT);
		}
	}
	PROMISE(w, w->is_gone);
	for (unsigned i = 0; i < w->command_count; i++)
		PROMISE(w, w->ends[i] == 1);
}

static unsigned run_history(uint64_t seed, bool is_loud, struct world *w)
{
	unsigned steps = 0;

	*w = (struct world){
		.random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1,
		.is_loud = is_loud,
		.is_gone = true,
		.current = -1,
		.config = {.command_timeout_ms = 60000,
			   .journal_timeout_ms = 10000,
			   .stop_timeout_ms = 10000,
			   .crash_backoff_min_ms = 50,
			   .crash_backoff_max_ms = 5000,
			   .conflict_retries = 2,
			   .restart_retries = 2,
			   .dedupe_window = 1000},
	};
	w->config.speculation_depth = (unsigned)draw(w, DEPTH_MAX + 1);
	w->log_len = draw(w, 4);
	w->is_value = draw(w, 3) == 0;
	while (steps < STEPS_MAX && !w->why[0] && w->command_count < COMMANDS_MAX) {
		any_event(w);
		steps++;
	}
	if (!w->is_gone)
		wind_up(w);
	return steps;
}

static uint64_t from_env(const char *name, uint64_t value)
{
	const char *text = getenv(name);

	if (text && !text_to_u64(span_from_str(text), &value))
		printf("# %s is not a number\n", name);
	return value;
}

static void report_transitions(uint64_t count)
{
	const char *result = "ok";

	for (unsigned from = 0; from < ENTITY_STATES_; from++) {
		for (unsigned to = 0; to < ENTITY_STATES_; to++) {
			if (!entity_fsm_is_allowed(from, to) || taken[from][to])
				continue;
			printf("# never taken: %s to %s\n", entity_state_name(from),
			       entity_state_name(to));
			result = "not ok";
		}
	}
	if (count < HISTORIES)
		printf("ok 2 # SKIP too few histories to take every transition\n");
	else
		printf("%s 2 - every transition of the table is taken\n", result);
}

int main(void)
{
	uint64_t count = from_env("WALK_HISTORIES", HISTORIES);
	uint64_t first = from_env("WALK_SEED", 1);
	bool is_loud = getenv("WALK_LOUD") != NULL; /* for a seed that ends in BUG */
	uint64_t steps = 0;
	struct world w;

	printf("1..2\n");
	for (uint64_t seed = first; seed < first + count; seed++) {
		steps += run_history(seed, is_loud, &w);
		if (!w.why[0])
			continue;
		(void)run_history(seed, true, &w);
		printf("# seed %llu: %s\n", (unsigned long long)seed, w.why);
		printf("not ok 1 - random histories keep the promises\n");
		return 1;
	}
	printf("# %llu histories, %llu steps\n", (unsigned long long)count,
	       (unsigned long long)steps);
	printf("ok 1 - random histories keep the promises\n");
	report_transitions(count);
	return 0;
}
