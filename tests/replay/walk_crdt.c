/* Random histories of the machine of CRDT entities, as walk_entity.c has them for event sourced
 * ones. A model of the world (function, log, callers, one timer) offers the events that are
 * possible, one is drawn, and every action is checked against the model.
 *
 *   WALK_HISTORIES=1000000 WALK_SEED=7 [WALK_LOUD=1] ./walk_crdt
 *
 * What is checked: the promises of crdt_fsm.h, and that every wait has a way on. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/span.h"
#include "src/base/text.h"
#include "src/entity/crdt_fsm.h"

#define HISTORIES 400000
#define STEPS_MAX 150
#define CALLS_MAX 48
#define QUEUE_MAX 4
#define WRITES_MAX 64

/* One command, and what the function, its caller and the machine have done with it. */
struct call {
	struct crdt_fsm_call fsm;
	unsigned ends;
	bool is_dropped; /* by its caller while it waited */
	bool is_queued;
	bool is_sent;
	bool has_caller_left;
	bool is_answered; /* by the function: a first reply or a failure */
	bool is_streaming;
	bool was_cancelled; /* told to the function */
	bool is_cancel_unanswered;
	bool has_last; /* its last message waits for a write */
};

struct write {
	struct call *call; /* NULL: nobody waits, or was told something else */
	bool is_delete;
	bool is_last;
};

struct world {
	uint64_t random;
	bool is_loud;
	char why[160]; /* first broken promise, or empty */
	struct crdt_fsm_config config;
	struct crdt_fsm fsm;
	struct crdt_acts acts;
	bool is_gone;
	bool has_timer;
	bool is_stopped;
	struct call calls[CALLS_MAX];
	size_t call_count;
	struct write writes[WRITES_MAX];
	size_t write_count;
	/* the stream */
	bool is_opening;
	bool is_open;
	bool is_half_closed;
	bool has_init;
	bool has_delete;
	uint64_t last_id;
	/* the log */
	bool is_reading;
	bool is_later;
	bool is_erased; /* the log is */
	/* events that the shell owes, from within the step */
	struct crdt_event follow;
	bool has_follow;
};

static bool taken[CRDT_STATES_][CRDT_STATES_];

static void broken(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void broken(struct world *w, const char *format, ...)
{
	va_list args;

	if (w->why[0])
		return;
	va_start(args, format);
	(void)vsnprintf(w->why, sizeof(w->why), format, args);
	va_end(args);
}

#define PROMISE(w, condition)                                                                      \
	do {                                                                                       \
		if (!(condition))                                                                  \
			broken((w), "%s (line %d)", #condition, __LINE__);                         \
	} while (0)

/* xorshift64*: seeded, the same everywhere. */
static uint64_t draw(struct world *w, uint64_t below)
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return ((w->random * UINT64_C(0x2545F4914F6CDD1D)) >> 33) % below;
}

static struct call *call_of(struct crdt_fsm_call *call)
{
	return (struct call *)((char *)call - offsetof(struct call, fsm));
}

static bool is_live(const struct call *call)
{
	return call->is_sent && call->ends == 0 && !call->has_last;
}

static bool is_unanswered(const struct call *call)
{
	return is_live(call) && (!call->is_answered || call->is_cancel_unanswered);
}

static size_t count_unanswered(const struct world *w)
{
	size_t count = 0;

	for (size_t i = 0; i < w->call_count; i++)
		count += is_unanswered(&w->calls[i]);
	return count;
}

static void end_call(struct world *w, struct call *call)
{
	call->ends++;
	call->is_queued = false;
	call->has_last = false;
	call->fsm.state = CRDT_CALL_OVER;
	PROMISE(w, call->ends == 1 && !call->is_dropped);
	for (size_t i = 0; i < w->write_count; i++) {
		if (w->writes[i].call == call)
			w->writes[i].call = NULL;
	}
}

/* ---- actions against the model --------------------------------------------------------------- */

static void act_send(struct world *w, const struct crdt_act *act)
{
	uint64_t id = act->command_id;

	PROMISE(w, w->is_open && !w->is_half_closed && !w->has_delete);
	if (act->type == CRDT_ACT_SEND_INIT) {
		PROMISE(w, !w->has_init);
		w->has_init = true;
		return;
	}
	PROMISE(w, w->has_init);
	if (act->type == CRDT_ACT_TELL) {
		PROMISE(w, count_unanswered(w) == 0);
	} else if (act->type == CRDT_ACT_SEND_DELETE) {
		w->has_delete = true;
	} else if (act->type == CRDT_ACT_SEND_CANCELLED) {
		struct call *call = call_of(act->call);

		PROMISE(w, is_live(call) && call->is_answered && call->has_caller_left);
		PROMISE(w, !call->was_cancelled && call->is_streaming);
		call->was_cancelled = true;
		call->is_cancel_unanswered = true;
	} else {
		PROMISE(w, id == w->last_id + 1);
		for (size_t i = 0; i < w->call_count; i++) {
			struct call *call = &w->calls[i];

			if (!call->is_queued)
				continue;
			call->is_queued = false;
			call->is_sent = true;
			crdt_fsm_call_sent(&call->fsm, id);
			w->last_id = id++;
		}
	}
}

static void act_stream(struct world *w, const struct crdt_act *act)
{
	if (act->type == CRDT_ACT_OPEN_STREAM) {
		PROMISE(w, !w->is_opening && !w->is_open);
		w->is_opening = true;
		w->last_id = 0;
	} else if (act->type == CRDT_ACT_HALF_CLOSE) {
		PROMISE(w, w->is_open && w->has_init && !w->is_half_closed);
		w->is_half_closed = true;
	} else {
		PROMISE(w, w->is_open || w->is_opening);
		w->is_open = false;
		w->is_opening = false;
	}
}

static void act_log(struct world *w, const struct crdt_act *act)
{
	if (act->type == CRDT_ACT_CANCEL_READ) {
		PROMISE(w, w->is_reading);
		w->is_reading = false;
	} else if (act->type == CRDT_ACT_READ_LATER) {
		w->is_later = true;
	} else {
		PROMISE(w, !w->is_reading);
		/* what we wrote ourselves is decided before we begin anew */
		PROMISE(w, act->type != CRDT_ACT_LOAD || w->write_count == 0);
		w->is_reading = true;
	}
}

static void act_pass(struct world *w, const struct crdt_act *act)
{
	struct call *call = act->call ? call_of(act->call) : NULL;

	PROMISE(w, !call || (call->is_sent && call->ends == 0 && !call->has_last));
	if (act->type == CRDT_ACT_PASS) {
		if (call && act->is_last)
			end_call(w, call);
		return;
	}
	PROMISE(w, w->write_count < WRITES_MAX);
	w->writes[w->write_count++] = (struct write){
		.call = call,
		.is_delete = act->type == CRDT_ACT_DELETE,
		.is_last = act->is_last,
	};
	if (call && act->is_last)
		call->has_last = true;
	if (act->type == CRDT_ACT_WRITE && draw(w, 8) == 0) {
		w->follow = (struct crdt_event){
			.type = draw(w, 2) ? CRDT_EV_APPLY_BAD : CRDT_EV_WRITE_OK,
			.call = act->call,
			.code = ST_UNKNOWN,
			.text = "follow",
		};
		w->has_follow = true;
	}
}

static void act_ends(struct world *w, const struct crdt_act *act)
{
	if (act->type == CRDT_ACT_FAIL_CALL)
		end_call(w, call_of(act->call));
	for (size_t i = 0; act->type != CRDT_ACT_FAIL_CALL && i < w->call_count; i++) {
		struct call *call = &w->calls[i];
		bool is_sent = call->is_sent && call->ends == 0;

		if (act->type == CRDT_ACT_FAIL_QUEUE && call->is_queued)
			end_call(w, call);
		else if (act->type == CRDT_ACT_FAIL_ALL && is_sent)
			end_call(w, call);
		else if (act->type == CRDT_ACT_FAIL_UNANSWERED && is_unanswered(call))
			end_call(w, call);
		else if (act->type == CRDT_ACT_END_STREAMS && is_live(call) &&
			 call->fsm.state == CRDT_CALL_STREAMING)
			end_call(w, call);
	}
	for (size_t i = 0; act->type == CRDT_ACT_FAIL_ALL && i < w->write_count; i++)
		w->writes[i].call = NULL;
}

static void act_gone(struct world *w)
{
	for (size_t i = 0; i < w->call_count; i++)
		PROMISE(w, w->calls[i].is_dropped || w->calls[i].ends == 1);
	PROMISE(w, w->write_count == 0 && !w->is_reading && !w->is_open && !w->is_opening);
	w->is_gone = true;
}

static void check(struct world *w, const struct crdt_act *act)
{
	enum crdt_act_type type = act->type;

	if (type >= CRDT_ACT_SEND_INIT && type <= CRDT_ACT_TELL)
		act_send(w, act);
	else if (type == CRDT_ACT_OPEN_STREAM || type == CRDT_ACT_HALF_CLOSE ||
		 type == CRDT_ACT_RESET)
		act_stream(w, act);
	else if (type >= CRDT_ACT_LOAD && type <= CRDT_ACT_CANCEL_READ)
		act_log(w, act);
	else if (type >= CRDT_ACT_PASS && type <= CRDT_ACT_DELETE)
		act_pass(w, act);
	else if (type >= CRDT_ACT_FAIL_CALL && type <= CRDT_ACT_END_STREAMS)
		act_ends(w, act);
	else if (type == CRDT_ACT_TIMER)
		w->has_timer = act->timer != CRDT_TIMER_NONE;
	else if (type == CRDT_ACT_GONE)
		act_gone(w);
}

/* ---- steps ----------------------------------------------------------------------------------- */

static void end_write(struct world *w, size_t i, const struct crdt_event *event)
{
	struct write write = w->writes[i];

	w->write_count--;
	memmove(&w->writes[i], &w->writes[i + 1], (w->write_count - i) * sizeof(write));
	if (event->type == CRDT_EV_WRITE_OK && write.call && write.is_last)
		end_call(w, write.call);
}

static void feed(struct world *w, const struct crdt_event *event)
{
	enum crdt_state before = w->fsm.state;

	if (w->is_loud)
		printf("#   %s in %s\n", crdt_event_name(event->type), crdt_state_name(before));
	crdt_fsm_step(&w->fsm, event, &w->acts);
	taken[before][w->fsm.state] = true;
	for (size_t i = 0; i < w->acts.count; i++) {
		if (w->is_loud)
			printf("#     %s\n", crdt_act_name(w->acts.items[i].type));
		check(w, &w->acts.items[i]);
	}
	if (w->has_follow) {
		struct crdt_event follow = w->follow;

		w->has_follow = false;
		end_write(w, w->write_count - 1, &follow);
		feed(w, &follow);
	}
}

static void feed_type(struct world *w, enum crdt_event_type type)
{
	feed(w, &(struct crdt_event){.type = type, .code = ST_UNAVAILABLE, .text = "why"});
}

static size_t count_queued(const struct world *w)
{
	size_t count = 0;

	for (size_t i = 0; i < w->call_count; i++)
		count += w->calls[i].is_queued;
	return count;
}

/* A random call for which is(call) is true, or NULL. */
static struct call *pick(struct world *w, bool (*is)(const struct call *))
{
	struct call *found = NULL;
	size_t count = 0;

	for (size_t i = 0; i < w->call_count; i++) {
		if (is(&w->calls[i]) && draw(w, ++count) == 0)
			found = &w->calls[i];
	}
	return found;
}

static bool is_queued(const struct call *call)
{
	return call->is_queued;
}

static bool is_left_behind(const struct call *call)
{
	return is_live(call) && call->fsm.is_streamed && !call->has_caller_left;
}

static bool is_unreplied(const struct call *call)
{
	return is_live(call) && !call->is_answered;
}

static bool is_open_stream(const struct call *call)
{
	return is_live(call) && call->fsm.is_streamed;
}

static bool is_cancel_due(const struct call *call)
{
	return is_live(call) && call->is_cancel_unanswered;
}

static void callers(struct world *w)
{
	struct call *call;

	switch (draw(w, 4)) {
	case 0:
		call = pick(w, is_queued);
		if (call) {
			call->is_queued = false;
			call->is_dropped = true;
			feed_type(w, CRDT_EV_UNQUEUED);
		}
		return;
	case 1:
		call = pick(w, is_left_behind);
		if (call) {
			call->has_caller_left = true;
			feed(w, &(struct crdt_event){.type = CRDT_EV_CANCEL, .call = &call->fsm});
		}
		return;
	default:
		if (w->is_stopped || w->call_count == CALLS_MAX || count_queued(w) == QUEUE_MAX)
			return;
		call = &w->calls[w->call_count++];
		*call = (struct call){.is_queued = true};
		call->fsm.is_streamed = draw(w, 2);
		feed_type(w, CRDT_EV_COMMAND);
	}
}

static enum crdt_change draw_change(struct world *w)
{
	uint64_t n = draw(w, 12);

	return n == 0 ? CRDT_CHANGE_DELETE : n < 6 ? CRDT_CHANGE_UPDATE : CRDT_CHANGE_NONE;
}

static void reply(struct world *w)
{
	struct call *call = pick(w, is_unreplied);
	struct crdt_event event = {.type = CRDT_EV_REPLY, .change = draw_change(w)};

	if (!call)
		return;
	event.call = &call->fsm;
	event.is_streamed = call->fsm.is_streamed && draw(w, 4) > 0;
	call->is_answered = !w->is_half_closed; /* what comes later concerns nobody */
	call->is_streaming = event.is_streamed && !call->fsm.is_ended;
	feed(w, &event);
}

static void streamed(struct world *w)
{
	struct call *call = pick(w, is_open_stream);
	struct crdt_event event = {.type = CRDT_EV_STREAMED, .is_end = draw(w, 4) == 0};

	if (!call)
		return;
	event.call = &call->fsm;
	feed(w, &event);
}

static void answer_cancel(struct world *w)
{
	struct call *call = pick(w, is_cancel_due);
	struct crdt_event event = {.type = CRDT_EV_CANCELLED, .change = draw_change(w)};

	if (!call)
		return;
	event.call = &call->fsm;
	call->is_cancel_unanswered = w->is_half_closed;
	feed(w, &event);
}

static void fail_one(struct world *w)
{
	struct call *call = pick(w, is_unanswered);
	struct crdt_event event = {.type = CRDT_EV_FAILURE, .code = ST_UNKNOWN, .text = "no"};

	if (!call)
		return;
	event.call = &call->fsm;
	event.command_id = call->fsm.id;
	call->is_answered = call->is_answered || !w->is_half_closed;
	call->is_cancel_unanswered = call->is_cancel_unanswered && w->is_half_closed;
	feed(w, &event);
}

/* What no function should send. */
static void misbehave(struct world *w)
{
	static const enum crdt_event_type types[] = {
		CRDT_EV_GARBAGE,   CRDT_EV_REPLY,   CRDT_EV_STREAMED,
		CRDT_EV_CANCELLED, CRDT_EV_FAILURE,
	};
	struct crdt_event event = {.type = types[draw(w, 5)], .command_id = 999};

	event.change = event.type == CRDT_EV_CANCELLED ? draw_change(w) : CRDT_CHANGE_NONE;
	feed(w, &event);
}

static void function(struct world *w)
{
	uint64_t n = draw(w, 40);

	if (w->is_opening && n < 20) {
		w->is_opening = false;
		if (n < 2) {
			feed_type(w, CRDT_EV_STREAM_ERROR);
			return;
		}
		w->is_open = true;
		w->is_half_closed = false;
		w->has_init = false;
		w->has_delete = false;
		feed_type(w, CRDT_EV_STREAM_OPEN);
	} else if (w->is_open && (n == 20 || (w->is_half_closed && n > 20))) {
		w->is_open = false;
		feed_type(w, n % 2 ? CRDT_EV_STREAM_ERROR : CRDT_EV_STREAM_END);
	} else if (w->is_open && w->has_init && n < 10) {
		reply(w);
	} else if (w->is_open && w->has_init && n < 15) {
		streamed(w);
	} else if (w->is_open && w->has_init && n < 20) {
		answer_cancel(w);
	} else if (w->is_open && w->has_init && n == 21) {
		fail_one(w);
	} else if (w->is_open && n == 22) {
		misbehave(w);
	}
}

static void the_log(struct world *w)
{
	uint64_t n = draw(w, 20);
	struct crdt_event event = {.code = ST_UNAVAILABLE, .text = "log"};

	if (w->is_later && n < 5) {
		w->is_later = false;
		feed_type(w, CRDT_EV_NEWS);
	} else if (w->is_reading && n < 12) {
		w->is_reading = false;
		event.type = w->is_erased ? CRDT_EV_READ_ERASED
			     : n == 0	  ? CRDT_EV_READ_ERROR
			     : n == 1	  ? CRDT_EV_MERGE_BAD
					  : CRDT_EV_READ_DONE;
		event.is_more = n > 8;
		event.is_news = n > 5;
		feed(w, &event);
	} else if (w->write_count > 0 && n < 18) {
		size_t i = (size_t)draw(w, w->write_count);
		struct write write = w->writes[i];

		event.type = n == 12	       ? CRDT_EV_WRITE_ERROR
			     : write.is_delete ? CRDT_EV_WRITE_OK
			     : w->is_erased    ? CRDT_EV_WRITE_ERASED
					       : CRDT_EV_WRITE_OK;
		event.is_delete = write.is_delete;
		event.call = write.call ? &write.call->fsm : NULL;
		w->is_erased = w->is_erased || (write.is_delete && n != 12);
		end_write(w, i, &event);
		feed(w, &event);
	} else if (n == 19) {
		w->is_erased = w->is_erased || draw(w, 8) == 0;
		feed_type(w, draw(w, 2) ? CRDT_EV_NEWS : CRDT_EV_MEMBERS);
	}
}

static void others(struct world *w)
{
	uint64_t n = draw(w, 24);
	struct call *call;

	if (w->has_timer && n < 10) {
		w->has_timer = false;
		feed_type(w, CRDT_EV_TIMEOUT);
	} else if (n == 10) {
		feed_type(w, CRDT_EV_PASSIVATE);
	} else if (n == 11) {
		feed_type(w, CRDT_EV_RENEW);
	} else if (n == 12 && draw(w, 4) == 0) {
		w->is_stopped = true;
		feed_type(w, CRDT_EV_STOP);
	} else if (n == 13 && (call = pick(w, is_unanswered))) {
		feed(w, &(struct crdt_event){.type = CRDT_EV_CALL_TIMEOUT, .call = &call->fsm});
	}
}

/* Nobody waits for something that never comes. */
static void check_ways_on(struct world *w)
{
	bool has_way = w->is_opening || w->is_open || w->is_reading || w->has_timer ||
		       w->write_count > 0 || count_unanswered(w) > 0;

	PROMISE(w, has_way || w->fsm.state == CRDT_ABSENT);
	PROMISE(w, w->fsm.queued == count_queued(w));
	PROMISE(w, w->fsm.writes == w->write_count);
	if (w->fsm.state == CRDT_LIVE)
		PROMISE(w, w->fsm.unanswered == count_unanswered(w));
}

static void begin(struct world *w, uint64_t seed, bool is_loud)
{
	*w = (struct world){.random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1, .is_loud = is_loud};
	w->config = (struct crdt_fsm_config){
		.stop_timeout_ms = 10, .crash_backoff_min_ms = 1, .crash_backoff_max_ms = 8};
	crdt_fsm_init(&w->fsm, &w->config, 100);
	for (int i = 0; i < 8; i++)
		(void)draw(w, 2);
	w->calls[w->call_count++] = (struct call){.is_queued = true};
	w->calls[0].fsm.is_streamed = draw(w, 2);
	feed_type(w, CRDT_EV_COMMAND);
}

static void walk(struct world *w, uint64_t seed, bool is_loud)
{
	begin(w, seed, is_loud);
	for (int i = 0; i < STEPS_MAX && !w->is_gone && !w->why[0]; i++) {
		uint64_t n = draw(w, 10);

		if (n < 2)
			callers(w);
		else if (n < 6)
			function(w);
		else if (n < 9)
			the_log(w);
		else
			others(w);
		if (!w->is_gone)
			check_ways_on(w);
	}
}

static uint64_t setting(const char *name, uint64_t fallback)
{
	uint64_t value = fallback;
	const char *text = getenv(name);

	return text && text_to_u64(span_from_str(text), &value) ? value : fallback;
}

static unsigned check_transitions(void)
{
	unsigned missing = 0;

#define TRANSITION(from, to, why)                                                                  \
	if (!taken[CRDT_##from][CRDT_##to]) {                                                      \
		printf("# nobody went from " #from " to " #to "\n");                               \
		missing++;                                                                         \
	}
#include "src/entity/crdt_fsm.def"
	return missing;
}

int main(void)
{
	static struct world w;
	uint64_t histories = setting("WALK_HISTORIES", HISTORIES);
	uint64_t first = setting("WALK_SEED", 1);
	unsigned missing;

	for (uint64_t i = 0; i < histories; i++) {
		walk(&w, first + i, setting("WALK_LOUD", 0) != 0);
		if (!w.why[0])
			continue;
		walk(&w, first + i, true);
		printf("not ok 1 - seed %llu: %s\n1..1\n", (unsigned long long)(first + i), w.why);
		return 1;
	}
	printf("ok 1 - %llu random histories keep the promises\n", (unsigned long long)histories);
	missing = histories < HISTORIES ? 0 : check_transitions();
	printf("%s 2 - every transition of the table was taken\n1..2\n", missing ? "not ok" : "ok");
	return missing > 0;
}
