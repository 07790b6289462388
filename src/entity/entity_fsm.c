#include "src/entity/entity_fsm.h"

#include <string.h>

#include "src/base/error.h"

/* One handler per event, each of a few lines that ask for the state; every change of state goes
 * through entity_fsm_enter, which knows the allowed ones. The moves that several handlers share
 * come first: crash, reload, activate, vanish, ready. The table is drawn in docs/entity-machine.md.
 *
 * Two decisions that the reference leaves open:
 *  - a reply without events, be it a failure, is answered only after a verify: it was computed from
 *    a state that must be the newest one (journal-and-ownership 4.3);
 *  - an append that failed leaves the function ahead of the journal, so its stream is dropped, and
 *    commands that wait are run after a new activation: they were not touched.
 *
 * The function may be ahead of the journal (fsm->head is where it is): replies that are not decided
 * are kept by the shell, oldest first, and their answers are fed in that order. While the function
 * works, the state is BUSY however many there are; the journal alone is waited for in SETTLING.
 * Nothing else happens before all are decided: no sleep, no new stream, no load. */

typedef void (*handler_fn)(struct entity_fsm *fsm, const struct entity_event *event,
			   struct entity_acts *acts);

static const struct entity_texts *texts(const struct entity_fsm *fsm)
{
	return entity_fsm_texts(fsm->kind);
}

/* Spread of the pause after a conflict. Spec: journal-and-ownership 2.4 */
#define CONFLICT_WAIT_MS 1
#define CONFLICT_JITTER_MS 19

static void entity_fsm_enter(struct entity_fsm *fsm, enum entity_state state)
{
	BUG_ON(!entity_fsm_is_allowed(fsm->state, state));
	fsm->state = state;
}

static struct entity_act *put(struct entity_acts *acts, enum entity_act_type type)
{
	struct entity_act *act = &acts->items[acts->count++];

	BUG_ON(acts->count > ENTITY_ACTS_MAX);
	*act = (struct entity_act){.type = type};
	return act;
}

static void put_fail(struct entity_acts *acts, enum entity_act_type type, enum status code,
		     const char *text)
{
	struct entity_act *act = put(acts, type);

	act->code = code;
	act->text = text;
}

static void put_timer(struct entity_acts *acts, enum entity_timer timer, uint64_t wait_ms)
{
	struct entity_act *act = put(acts, ENTITY_ACT_TIMER);

	act->timer = timer;
	act->wait_ms = wait_ms;
}

static bool is_loading(const struct entity_fsm *fsm)
{
	if (fsm->state == ENTITY_PAUSED)
		return fsm->kind == ENTITY_FSM_EVENTS;
	return fsm->state == ENTITY_LOADING || fsm->state == ENTITY_REPLAYING;
}

/* ---- moves ---------------------------------------------------------------------------------- */

static void fail_current(struct entity_fsm *fsm, enum status code, const char *text,
			 struct entity_acts *acts)
{
	put_fail(acts, ENTITY_ACT_FAIL_CURRENT, code, text);
	fsm->has_current = false;
	fsm->attempts = 0;
}

static void fail_queue(struct entity_fsm *fsm, enum status code, const char *text,
		       struct entity_acts *acts)
{
	if (fsm->queued > 0)
		put_fail(acts, ENTITY_ACT_FAIL_QUEUE, code, text);
	fsm->queued = 0;
	fsm->attempts = 0;
}

static void fail_oldest(struct entity_fsm *fsm, enum status code, const char *text,
			struct entity_acts *acts)
{
	put_fail(acts, ENTITY_ACT_FAIL_OLDEST, code, text);
	fsm->undecided--;
	fsm->attempts = 0;
	if (fsm->undecided == 0)
		fsm->undecided_events = 0;
}

/* Whoever is current, or next when nobody is: the one that would have met the trouble. */
static void fail_first(struct entity_fsm *fsm, enum status code, const char *text,
		       struct entity_acts *acts)
{
	if (fsm->has_current) {
		fail_current(fsm, code, text, acts);
	} else if (fsm->queued > 0) {
		put_fail(acts, ENTITY_ACT_FAIL_HEAD, code, text);
		fsm->queued--;
		fsm->attempts = 0;
	}
}

static void hand_over(struct entity_fsm *fsm, struct entity_acts *acts)
{
	if (fsm->queued > 0)
		put(acts, ENTITY_ACT_HAND_OVER);
	fsm->queued = 0;
	fsm->attempts = 0;
}

/* What was under way is dealt with: those behind it were only waiting for it, to keep their
 * order. */
static void let_go(struct entity_fsm *fsm, struct entity_acts *acts)
{
	if (fsm->is_leaving)
		hand_over(fsm, acts);
	fsm->is_leaving = false;
}

static void drop_stream(struct entity_fsm *fsm, struct entity_acts *acts)
{
	if (fsm->stream != ENTITY_STREAM_NONE && fsm->stream != ENTITY_STREAM_LOST)
		put(acts, ENTITY_ACT_RESET);
	fsm->stream = ENTITY_STREAM_NONE;
}

static void activate(struct entity_fsm *fsm, struct entity_acts *acts)
{
	fsm->command_id = 0;
	fsm->replayed = 0;
	fsm->is_renew_wanted = false;
	fsm->stream = ENTITY_STREAM_OPENING;
	put(acts, ENTITY_ACT_OPEN_STREAM);
	put_timer(acts, ENTITY_TIMER_ACTIVATE, fsm->config->command_timeout_ms);
	entity_fsm_enter(fsm, ENTITY_CONNECTING);
}

static void vanish(struct entity_fsm *fsm, struct entity_acts *acts)
{
	BUG_ON(fsm->queued > 0 || fsm->has_current || fsm->undecided > 0);
	drop_stream(fsm, acts);
	put_timer(acts, ENTITY_TIMER_NONE, 0);
	entity_fsm_enter(fsm, ENTITY_ABSENT);
	put(acts, ENTITY_ACT_GONE);
}

/* The function's state is not to be trusted any more, through no fault of its own. */
static void reload(struct entity_fsm *fsm, struct entity_acts *acts)
{
	let_go(fsm, acts);
	drop_stream(fsm, acts);
	if (fsm->queued > 0)
		activate(fsm, acts);
	else
		vanish(fsm, acts);
}

static uint64_t crash_wait_ms(const struct entity_fsm *fsm)
{
	uint64_t wait_ms = fsm->config->crash_backoff_min_ms;

	for (unsigned i = 1; i < fsm->crashes && wait_ms < fsm->config->crash_backoff_max_ms; i++)
		wait_ms *= 2;
	return wait_ms < fsm->config->crash_backoff_max_ms ? wait_ms
							   : fsm->config->crash_backoff_max_ms;
}

static void rest_after_crash(struct entity_fsm *fsm, struct entity_acts *acts)
{
	if (fsm->is_stop_wanted && fsm->queued == 0) {
		vanish(fsm, acts);
		return;
	}
	put_timer(acts, ENTITY_TIMER_CRASH, crash_wait_ms(fsm));
	entity_fsm_enter(fsm, ENTITY_BACKOFF);
}

/* The stream is gone, or to be dropped, and nothing is under way any more. */
static void leave(struct entity_fsm *fsm, struct entity_acts *acts)
{
	bool is_crashed = fsm->then == ENTITY_THEN_BACKOFF;

	fsm->then = ENTITY_THEN_GO_ON;
	if (!is_crashed) {
		reload(fsm, acts);
		return;
	}
	let_go(fsm, acts);
	rest_after_crash(fsm, acts);
}

/* The stream is of no use any more; but what the function replied before may yet be good. */
static void settle(struct entity_fsm *fsm, enum entity_then then, struct entity_acts *acts)
{
	drop_stream(fsm, acts);
	put_timer(acts, ENTITY_TIMER_NONE, 0);
	fsm->then = then;
	entity_fsm_enter(fsm, ENTITY_SETTLING);
}

/* Rows E-40..E-46: the caller at hand gets the text, those who wait "Entity terminated". Commands
 * that came while the old stream was closing are none of its business and stay; so do those that
 * go to another gateway as soon as all is decided. */
static void crash(struct entity_fsm *fsm, enum status code, const char *text,
		  struct entity_acts *acts)
{
	bool is_buffering = fsm->state == ENTITY_STOPPING || fsm->state == ENTITY_RESTARTING;

	if (!is_buffering) {
		if (fsm->state == ENTITY_RECALLING && fsm->undecided > 0)
			fail_oldest(fsm, code, text, acts);
		else
			fail_first(fsm, code, text, acts);
		if (fsm->undecided == 0)
			let_go(fsm, acts);
		if (!fsm->is_leaving)
			fail_queue(fsm, ST_UNKNOWN, texts(fsm)->terminated, acts);
	}
	if (is_loading(fsm))
		put(acts, ENTITY_ACT_CANCEL_LOAD);
	if (fsm->state == ENTITY_SEARCHING)
		put(acts, ENTITY_ACT_CANCEL_SEARCH);
	fsm->crashes++;
	if (fsm->undecided > 0)
		settle(fsm, ENTITY_THEN_BACKOFF, acts);
	else
		drop_stream(fsm, acts);
	put(acts, ENTITY_ACT_CRASHED)->text = text;
	if (fsm->undecided == 0)
		rest_after_crash(fsm, acts);
}

static void half_close(struct entity_fsm *fsm, enum entity_state state, struct entity_acts *acts)
{
	put(acts, ENTITY_ACT_HALF_CLOSE);
	fsm->stream = ENTITY_STREAM_CLOSING;
	put_timer(acts, ENTITY_TIMER_STOP, fsm->config->stop_timeout_ms);
	entity_fsm_enter(fsm, state);
}

/* The first of the queue, by what is known of it. While the journal is asked for one that may have
 * been executed, it stays in the queue; a new activation asks again. */
static void take_next(struct entity_fsm *fsm, struct entity_acts *acts)
{
	if (fsm->next == ENTITY_NEXT_SEARCH) {
		put(acts, ENTITY_ACT_SEARCH);
		put_timer(acts, ENTITY_TIMER_NONE, 0);
		entity_fsm_enter(fsm, ENTITY_SEARCHING);
		return;
	}
	fsm->queued--;
	if (fsm->next == ENTITY_NEXT_RECALL) {
		fsm->undecided++;
		put(acts, ENTITY_ACT_RECALL);
		put_timer(acts, ENTITY_TIMER_NONE, 0);
		if (fsm->state != ENTITY_RECALLING) /* else: and another one */
			entity_fsm_enter(fsm, ENTITY_RECALLING);
	} else {
		fsm->has_current = true;
		put(acts, ENTITY_ACT_SEND_COMMAND)->command_id = ++fsm->command_id;
		put_timer(acts, ENTITY_TIMER_COMMAND, fsm->config->command_timeout_ms);
		if (fsm->state != ENTITY_BUSY) /* else: and another one, ahead of the journal */
			entity_fsm_enter(fsm, ENTITY_BUSY);
	}
}

/* Should it be discarded although it was appended in fact, it must still be found in the window by
 * then, whatever others write meanwhile: hence the half. */
static bool may_run_ahead(const struct entity_fsm *fsm)
{
	uint64_t window = fsm->config->dedupe_window;

	if (fsm->kind == ENTITY_FSM_VALUE && window > JOURNAL_WRITES_KEPT)
		window = JOURNAL_WRITES_KEPT;
	return fsm->queued > 0 && fsm->next == ENTITY_NEXT_SEND &&
	       fsm->undecided < fsm->config->speculation_depth &&
	       fsm->undecided_events < window / 2 && fsm->stream == ENTITY_STREAM_OPEN &&
	       !fsm->is_restart && !fsm->is_renew_wanted && !fsm->is_leaving;
}

static void run_ahead(struct entity_fsm *fsm, struct entity_acts *acts)
{
	put(acts, ENTITY_ACT_READ);
	take_next(fsm, acts);
}

/* The function is up to date and nothing is under way. */
static void ready(struct entity_fsm *fsm, struct entity_acts *acts)
{
	if (fsm->is_renew_wanted) {
		half_close(fsm, ENTITY_STOPPING, acts);
	} else if (fsm->queued > 0) {
		take_next(fsm, acts);
	} else if (fsm->is_stop_wanted) {
		half_close(fsm, ENTITY_STOPPING, acts);
	} else {
		put_timer(acts, ENTITY_TIMER_IDLE, fsm->passivation_ms);
		entity_fsm_enter(fsm, ENTITY_IDLE);
	}
}

static void restart(struct entity_fsm *fsm, struct entity_acts *acts)
{
	bool is_wanted = fsm->queued > 0 || !fsm->is_stop_wanted;

	fsm->is_restart = false;
	if (++fsm->restarts > fsm->config->restart_retries) {
		crash(fsm, ST_UNAVAILABLE, ENTITY_TEXT_RESTARTS, acts);
	} else if (fsm->stream != ENTITY_STREAM_LOST) {
		put(acts, ENTITY_ACT_READ);
		half_close(fsm, is_wanted ? ENTITY_RESTARTING : ENTITY_STOPPING, acts);
	} else if (is_wanted) {
		activate(fsm, acts);
	} else {
		vanish(fsm, acts);
	}
}

static void leave_lost_stream(struct entity_fsm *fsm, struct entity_acts *acts)
{
	if (fsm->queued > 0)
		crash(fsm, ST_UNKNOWN, texts(fsm)->termination, acts);
	else
		vanish(fsm, acts);
}

/* One reply is dealt with; the function's state still stands. */
static void go_on(struct entity_fsm *fsm, struct entity_acts *acts)
{
	if (fsm->state == ENTITY_BUSY)
		return;
	if (fsm->undecided > 0) {
		if (may_run_ahead(fsm))
			run_ahead(fsm, acts);
		return;
	}
	let_go(fsm, acts);
	if (fsm->then != ENTITY_THEN_GO_ON) {
		leave(fsm, acts);
	} else if (fsm->is_restart) {
		restart(fsm, acts);
	} else if (fsm->stream == ENTITY_STREAM_LOST) {
		leave_lost_stream(fsm, acts);
	} else {
		if (fsm->state != ENTITY_RECALLING) /* there it is listened to all the time */
			put(acts, ENTITY_ACT_READ);
		ready(fsm, acts);
	}
}

static void decided(struct entity_fsm *fsm, const struct entity_event *event,
		    struct entity_acts *acts)
{
	put(acts, ENTITY_ACT_ANSWER);
	fsm->attempts = 0;
	fsm->undecided--;
	fsm->undecided_events -= event->event_count;
	if (fsm->undecided == 0)
		fsm->undecided_events = 0;
}

static void answer(struct entity_fsm *fsm, const struct entity_event *event,
		   struct entity_acts *acts)
{
	decided(fsm, event, acts);
	fsm->crashes = fsm->then == ENTITY_THEN_BACKOFF ? fsm->crashes : 0;
	if (!fsm->is_restart || fsm->undecided > 0)
		fsm->restarts = 0;
}

/* All that was built on something that is not so runs again. */
static void discard(struct entity_fsm *fsm, struct entity_acts *acts)
{
	size_t count = fsm->undecided + fsm->has_current;

	if (count > 0)
		put(acts, ENTITY_ACT_REQUEUE);
	fsm->queued += count;
	fsm->undecided = 0;
	fsm->undecided_events = 0;
	fsm->has_current = false;
	fsm->is_restart = false;
}

/* The oldest one hears it; what was built on it is discarded. */
static void fail_append(struct entity_fsm *fsm, enum status code, const char *text,
			struct entity_acts *acts)
{
	fail_oldest(fsm, code, text, acts);
	discard(fsm, acts);
	leave(fsm, acts);
}

/* Read again and run the same commands again, unless that has failed too often. */
static void try_again(struct entity_fsm *fsm, struct entity_acts *acts)
{
	if (++fsm->attempts > fsm->config->conflict_retries) {
		fail_append(fsm, ST_ABORTED, ENTITY_TEXT_CONFLICTS, acts);
		return;
	}
	discard(fsm, acts);
	if (fsm->is_leaving || fsm->then == ENTITY_THEN_BACKOFF) {
		leave(fsm, acts); /* the owner executes it, or it rests anyway */
		return;
	}
	fsm->then = ENTITY_THEN_GO_ON;
	drop_stream(fsm, acts);
	put_timer(acts, ENTITY_TIMER_CONFLICT, CONFLICT_WAIT_MS);
	acts->items[acts->count - 1].jitter_ms = CONFLICT_JITTER_MS;
	entity_fsm_enter(fsm, ENTITY_BACKOFF);
}

/* Nothing can be told about the entity: everybody who waits for it hears why. Spec: E-47. */
static void give_up(struct entity_fsm *fsm, enum status code, const char *text,
		    struct entity_acts *acts)
{
	fail_first(fsm, code, text, acts);
	fail_queue(fsm, code, text, acts);
	vanish(fsm, acts);
}

/* ---- commands, stop, time ------------------------------------------------------------------- */

static void on_command(struct entity_fsm *fsm, const struct entity_event *event,
		       struct entity_acts *acts)
{
	(void)event;
	fsm->queued++;
	if (fsm->state == ENTITY_ABSENT)
		activate(fsm, acts);
	else if (fsm->state == ENTITY_IDLE)
		ready(fsm, acts);
	else if (fsm->state == ENTITY_SETTLING && may_run_ahead(fsm))
		run_ahead(fsm, acts);
}

static void on_unqueued(struct entity_fsm *fsm, const struct entity_event *event,
			struct entity_acts *acts)
{
	(void)acts;
	BUG_ON(fsm->queued == 0);
	fsm->queued--;
	if (event->is_head && !fsm->has_current && fsm->undecided == 0)
		fsm->attempts = 0;
}

static void on_passivate(struct entity_fsm *fsm, const struct entity_event *event,
			 struct entity_acts *acts)
{
	(void)event;
	if (fsm->state == ENTITY_IDLE)
		half_close(fsm, ENTITY_STOPPING, acts);
	else if (fsm->state == ENTITY_BACKOFF && fsm->queued == 0)
		vanish(fsm, acts);
}

static void on_stop(struct entity_fsm *fsm, const struct entity_event *event,
		    struct entity_acts *acts)
{
	fsm->is_stop_wanted = true;
	on_passivate(fsm, event, acts);
}

static void on_hand_over(struct entity_fsm *fsm, const struct entity_event *event,
			 struct entity_acts *acts)
{
	fsm->is_stop_wanted = true;
	fsm->is_leaving = fsm->has_current || fsm->undecided > 0;
	if (fsm->is_leaving)
		return;
	hand_over(fsm, acts);
	on_passivate(fsm, event, acts);
}

/* As if it went to sleep; but commands that wait wake it at once, on a new stream. */
static void on_renew(struct entity_fsm *fsm, const struct entity_event *event,
		     struct entity_acts *acts)
{
	(void)event;
	fsm->is_renew_wanted =
		fsm->stream == ENTITY_STREAM_OPENING || fsm->stream == ENTITY_STREAM_OPEN;
	if (fsm->state == ENTITY_IDLE)
		half_close(fsm, ENTITY_STOPPING, acts);
}

static void on_timeout(struct entity_fsm *fsm, const struct entity_event *event,
		       struct entity_acts *acts)
{
	(void)event;
	if (fsm->state == ENTITY_IDLE) {
		half_close(fsm, ENTITY_STOPPING, acts);
	} else if (fsm->state == ENTITY_STOPPING || fsm->state == ENTITY_BACKOFF) {
		reload(fsm, acts);
	} else if (fsm->state == ENTITY_RESTARTING) {
		drop_stream(fsm, acts);
		activate(fsm, acts);
	} else if (fsm->state == ENTITY_BUSY) {
		fail_current(fsm, ST_DEADLINE_EXCEEDED, ENTITY_TEXT_COMMAND_TIMEOUT, acts);
		put(acts, ENTITY_ACT_CRASHED)->text = ENTITY_TEXT_COMMAND_TIMEOUT;
		if (fsm->undecided > 0)
			settle(fsm, ENTITY_THEN_RELOAD, acts);
		else
			reload(fsm, acts);
	} else if (fsm->state == ENTITY_LOADING || fsm->state == ENTITY_REPLAYING) {
		put(acts, ENTITY_ACT_CANCEL_LOAD);
		give_up(fsm, ST_UNAVAILABLE, texts(fsm)->load_timeout, acts);
	} else {
		BUG_ON(fsm->state != ENTITY_CONNECTING && fsm->state != ENTITY_PAUSED);
		crash(fsm, ST_DEADLINE_EXCEEDED, texts(fsm)->activate_timeout, acts);
	}
}

/* ---- the stream ----------------------------------------------------------------------------- */

static void on_stream_open(struct entity_fsm *fsm, const struct entity_event *event,
			   struct entity_acts *acts)
{
	BUG_ON(fsm->state != ENTITY_CONNECTING);
	fsm->stream = ENTITY_STREAM_OPEN;
	fsm->is_generation_0_1 = event->is_generation_0_1;
	put(acts, ENTITY_ACT_READ);
	put(acts, ENTITY_ACT_LOAD);
	put_timer(acts, ENTITY_TIMER_LOAD, fsm->config->journal_timeout_ms);
	entity_fsm_enter(fsm, ENTITY_LOADING);
}

static void on_stream_drained(struct entity_fsm *fsm, const struct entity_event *event,
			      struct entity_acts *acts)
{
	(void)event;
	if (fsm->state != ENTITY_PAUSED)
		return;
	if (fsm->kind == ENTITY_FSM_VALUE) {
		ready(fsm, acts); /* what init brought is all there is */
		return;
	}
	put(acts, ENTITY_ACT_LOAD_NEXT);
	put_timer(acts, ENTITY_TIMER_LOAD, fsm->config->journal_timeout_ms);
	entity_fsm_enter(fsm, ENTITY_REPLAYING);
}

static void on_stream_over(struct entity_fsm *fsm, const struct entity_event *event,
			   struct entity_acts *acts)
{
	BUG_ON(fsm->stream == ENTITY_STREAM_NONE || fsm->stream == ENTITY_STREAM_LOST);
	fsm->stream = ENTITY_STREAM_LOST;
	if (fsm->state == ENTITY_CONNECTING) {
		/* Nothing of ours was sent: not the function's failure to handle a command. */
		give_up(fsm, event->code, event->text, acts);
	} else if (fsm->state == ENTITY_IDLE) {
		vanish(fsm, acts);
	} else if (fsm->state == ENTITY_STOPPING) {
		reload(fsm, acts);
	} else if (fsm->state == ENTITY_RESTARTING) {
		activate(fsm, acts);
	} else if (fsm->state != ENTITY_SETTLING && fsm->state != ENTITY_RECALLING) {
		crash(fsm, ST_UNKNOWN, texts(fsm)->termination, acts);
	}
}

static void take_reply(struct entity_fsm *fsm, const struct entity_event *event,
		       struct entity_acts *acts)
{
	const struct journal_head expected = fsm->head;
	bool is_restart = event->is_restart && fsm->kind == ENTITY_FSM_EVENTS; /* V-06 */
	bool is_write = event->event_count > 0 && !is_restart;
	bool is_ahead;

	fsm->is_restart = is_restart;
	fsm->has_current = false;
	fsm->undecided++;
	if (is_write) {
		fsm->undecided_events += event->event_count;
		fsm->head.sequence += event->event_count;
		fsm->head.tag = event->tag;
	}
	is_ahead = may_run_ahead(fsm);
	if (!is_ahead)
		put_timer(acts, ENTITY_TIMER_NONE, 0);
	put(acts, is_write ? ENTITY_ACT_APPEND : ENTITY_ACT_VERIFY)->head = expected;
	if (is_ahead)
		run_ahead(fsm, acts);
	else
		entity_fsm_enter(fsm, ENTITY_SETTLING);
}

static void on_reply(struct entity_fsm *fsm, const struct entity_event *event,
		     struct entity_acts *acts)
{
	if (fsm->state == ENTITY_BUSY && event->command_id == fsm->command_id)
		take_reply(fsm, event, acts);
	else
		crash(fsm, ST_UNKNOWN, texts(fsm)->reply, acts);
}

/* Generation 0.1 fails a command with it; since 0.2 it means that the stream is broken (E-54), and
 * for value entities it never meant anything else (V-06). */
static void on_failure(struct entity_fsm *fsm, const struct entity_event *event,
		       struct entity_acts *acts)
{
	if (fsm->kind == ENTITY_FSM_EVENTS && fsm->is_generation_0_1 && fsm->state == ENTITY_BUSY &&
	    event->command_id == fsm->command_id)
		take_reply(fsm, event, acts);
	else
		crash(fsm, ST_UNKNOWN, texts(fsm)->failure, acts);
}

static void on_garbage(struct entity_fsm *fsm, const struct entity_event *event,
		       struct entity_acts *acts)
{
	(void)event;
	crash(fsm, ST_UNKNOWN, texts(fsm)->message, acts);
}

/* ---- the journal ---------------------------------------------------------------------------- */

static void on_load_head(struct entity_fsm *fsm, const struct entity_event *event,
			 struct entity_acts *acts)
{
	BUG_ON(fsm->state != ENTITY_LOADING);
	fsm->head = event->head;
	fsm->replayed = event->snapshot_sequence;
	put(acts, ENTITY_ACT_SEND_INIT);
	put_timer(acts, ENTITY_TIMER_ACTIVATE, fsm->config->command_timeout_ms);
	entity_fsm_enter(fsm, ENTITY_PAUSED);
}

static void on_load_page(struct entity_fsm *fsm, const struct entity_event *event,
			 struct entity_acts *acts)
{
	BUG_ON(fsm->state != ENTITY_REPLAYING);
	if (event->first_sequence != fsm->replayed + 1) {
		put(acts, ENTITY_ACT_CANCEL_LOAD);
		give_up(fsm, ST_DATA_LOSS, ENTITY_TEXT_GAP, acts);
		return;
	}
	fsm->replayed += event->event_count;
	put(acts, ENTITY_ACT_SEND_EVENTS);
	put_timer(acts, ENTITY_TIMER_ACTIVATE, fsm->config->command_timeout_ms);
	entity_fsm_enter(fsm, ENTITY_PAUSED);
}

static void on_load_done(struct entity_fsm *fsm, const struct entity_event *event,
			 struct entity_acts *acts)
{
	(void)event;
	BUG_ON(fsm->state != ENTITY_REPLAYING);
	if (fsm->replayed == fsm->head.sequence) {
		ready(fsm, acts);
		return;
	}
	give_up(fsm, ST_DATA_LOSS, ENTITY_TEXT_GAP, acts);
}

static void on_load_erased(struct entity_fsm *fsm, const struct entity_event *event,
			   struct entity_acts *acts)
{
	(void)event;
	BUG_ON(!is_loading(fsm));
	give_up(fsm, ST_FAILED_PRECONDITION, ENTITY_TEXT_ERASED, acts);
}

/* E-47. ABORTED means that the head moved while we read: somebody else is writing, try again. */
static void on_load_error(struct entity_fsm *fsm, const struct entity_event *event,
			  struct entity_acts *acts)
{
	BUG_ON(!is_loading(fsm));
	if (event->code == ST_ABORTED && fsm->attempts < fsm->config->conflict_retries) {
		try_again(fsm, acts);
		return;
	}
	give_up(fsm, event->code, event->text, acts);
}

static void on_append_ok(struct entity_fsm *fsm, const struct entity_event *event,
			 struct entity_acts *acts)
{
	BUG_ON(fsm->undecided == 0);
	answer(fsm, event, acts);
	go_on(fsm, acts);
}

/* Durable either way; but when others have appended since, our state is old. If more of ours is
 * under way, that will tell. */
static void on_append_dup_mine(struct entity_fsm *fsm, const struct entity_event *event,
			       struct entity_acts *acts)
{
	bool is_current = memcmp(&event->head.tag, &event->tag, sizeof(event->tag)) == 0;

	BUG_ON(fsm->undecided == 0);
	answer(fsm, event, acts);
	if (is_current || fsm->undecided > 0 || fsm->state == ENTITY_BUSY)
		go_on(fsm, acts);
	else
		leave(fsm, acts);
}

/* With a key its reply is stored: the window of the next activation knows it. */
static void on_append_dup_other(struct entity_fsm *fsm, const struct entity_event *event,
				struct entity_acts *acts)
{
	BUG_ON(fsm->undecided == 0);
	if (event->is_keyed)
		try_again(fsm, acts);
	else
		fail_append(fsm, ST_ABORTED, ENTITY_TEXT_EXECUTED, acts);
}

static void on_conflict(struct entity_fsm *fsm, const struct entity_event *event,
			struct entity_acts *acts)
{
	(void)event;
	BUG_ON(fsm->undecided == 0);
	try_again(fsm, acts);
}

static void on_erased(struct entity_fsm *fsm, const struct entity_event *event,
		      struct entity_acts *acts)
{
	(void)event;
	BUG_ON(fsm->undecided == 0);
	fail_oldest(fsm, ST_FAILED_PRECONDITION, ENTITY_TEXT_ERASED, acts);
	discard(fsm, acts);
	fail_queue(fsm, ST_FAILED_PRECONDITION, ENTITY_TEXT_ERASED, acts);
	vanish(fsm, acts);
}

/* E-48, E-49. */
static void on_append_error(struct entity_fsm *fsm, const struct entity_event *event,
			    struct entity_acts *acts)
{
	BUG_ON(fsm->undecided == 0);
	fail_append(fsm, event->code, event->text, acts);
}

/* Nothing is built on a reply that writes nothing, nor on one that is recalled. */
static void on_verify_error(struct entity_fsm *fsm, const struct entity_event *event,
			    struct entity_acts *acts)
{
	BUG_ON(fsm->undecided == 0);
	fail_oldest(fsm, event->code, event->text, acts);
	go_on(fsm, acts);
}

/* ---- commands that were executed before ------------------------------------------------------ */

static void on_window_read(struct entity_fsm *fsm, const struct entity_event *event,
			   struct entity_acts *acts)
{
	BUG_ON(fsm->state != ENTITY_SEARCHING || event->next == ENTITY_NEXT_SEARCH);
	ready(fsm, acts);
}

/* As an append that failed: the one at hand hears it, the others get a new activation. */
static void on_window_error(struct entity_fsm *fsm, const struct entity_event *event,
			    struct entity_acts *acts)
{
	BUG_ON(fsm->state != ENTITY_SEARCHING);
	fail_first(fsm, event->code, event->text, acts);
	reload(fsm, acts);
}

/* That the function answers is not shown by this: its crashes and restarts still count. */
static void on_recall_ok(struct entity_fsm *fsm, const struct entity_event *event,
			 struct entity_acts *acts)
{
	BUG_ON(fsm->state != ENTITY_RECALLING);
	decided(fsm, event, acts);
	go_on(fsm, acts);
}

/* ---- interface ------------------------------------------------------------------------------ */

static const handler_fn handlers[ENTITY_EVENTS_] = {
#define EVENT(name, handler, text) handler,
#include "src/entity/entity_fsm.def"
};

void entity_fsm_step(struct entity_fsm *fsm, const struct entity_event *event,
		     struct entity_acts *actions)
{
	actions->count = 0;
	BUG_ON(event->type >= ENTITY_EVENTS_);
	fsm->next = event->next;
	handlers[event->type](fsm, event, actions);
}
