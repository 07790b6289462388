#include "src/entity/crdt_fsm.h"

#include "src/base/error.h"

/* One handler per event; every change of state goes through crdt_fsm_enter, which knows the allowed
 * ones. The moves that several handlers share come first: activate, vanish, crash, settle. The
 * table is drawn in docs/entity-machine.md.
 *
 * Decisions that the reference leaves open, or takes badly:
 *  - a call whose client leaves before the first reply is cancelled after it, once (C-44);
 *  - a cancellation that is not answered in time is taken for answered (C-42); what the function
 *    says about it later is still applied, for it has happened there;
 *  - after a crash nothing is read before all writes are decided, so that a member never begins
 *    anew without something it wrote itself (see crdt_new);
 *  - a log that can not be read fails those who wait, at once; later it only delays news. */

typedef void (*handler_fn)(struct crdt_fsm *fsm, const struct crdt_event *event,
			   struct crdt_acts *acts);

static const char *const state_names[] = {
#define STATE(name, text) #name,
#include "src/entity/crdt_fsm.def"
};

static const char *const event_names[] = {
#define EVENT(name, handler, text) #name,
#include "src/entity/crdt_fsm.def"
};

static const char *const act_names[] = {
#define ACTION(name, text) #name,
#include "src/entity/crdt_fsm.def"
};

static const char *const timer_names[] = {
#define TIMER(name, text) #name,
#include "src/entity/crdt_fsm.def"
};

static const bool allowed[CRDT_STATES_][CRDT_STATES_] = {
#define TRANSITION(from, to, why) [CRDT_##from][CRDT_##to] = true,
#include "src/entity/crdt_fsm.def"
};

bool crdt_fsm_is_allowed(enum crdt_state from, enum crdt_state to)
{
	return allowed[from][to];
}

static void crdt_fsm_enter(struct crdt_fsm *fsm, enum crdt_state state)
{
	BUG_ON(!allowed[fsm->state][state]);
	fsm->state = state;
}

static struct crdt_act *put(struct crdt_acts *acts, enum crdt_act_type type)
{
	struct crdt_act *act = &acts->items[acts->count++];

	BUG_ON(acts->count > CRDT_ACTS_MAX);
	*act = (struct crdt_act){.type = type};
	return act;
}

static void put_text(struct crdt_acts *acts, enum crdt_act_type type, enum status code,
		     const char *text)
{
	struct crdt_act *act = put(acts, type);

	act->code = code;
	act->text = text;
}

static void put_timer(struct crdt_acts *acts, enum crdt_timer timer, uint64_t wait_ms)
{
	struct crdt_act *act = put(acts, CRDT_ACT_TIMER);

	act->timer = timer;
	act->wait_ms = wait_ms;
}

/* ---- moves ---------------------------------------------------------------------------------- */

static void fail_call(struct crdt_fsm_call *call, enum status code, const char *text,
		      struct crdt_acts *acts)
{
	if (!call)
		return;
	call->state = CRDT_CALL_OVER;
	put_text(acts, CRDT_ACT_FAIL_CALL, code, text);
	acts->items[acts->count - 1].call = call;
}

static void fail_queue(struct crdt_fsm *fsm, enum status code, const char *text,
		       struct crdt_acts *acts)
{
	if (fsm->queued > 0)
		put_text(acts, CRDT_ACT_FAIL_QUEUE, code, text);
	fsm->queued = 0;
}

static void drop_stream(struct crdt_fsm *fsm, struct crdt_acts *acts)
{
	if (fsm->stream != CRDT_STREAM_NONE)
		put(acts, CRDT_ACT_RESET);
	fsm->stream = CRDT_STREAM_NONE;
}

static void drop_read(struct crdt_fsm *fsm, struct crdt_acts *acts)
{
	if (fsm->is_reading)
		put(acts, CRDT_ACT_CANCEL_READ);
	fsm->is_reading = false;
	fsm->is_read_due = false;
}

static void activate(struct crdt_fsm *fsm, struct crdt_acts *acts)
{
	fsm->command_id = 0;
	fsm->is_loaded = false;
	fsm->is_erased = false;
	fsm->is_tell_due = false;
	fsm->is_renew_wanted = false;
	fsm->is_reading = true;
	fsm->stream = CRDT_STREAM_OPENING;
	put_timer(acts, CRDT_TIMER_NONE, 0); /* stream and log have deadlines of their own */
	put(acts, CRDT_ACT_LOAD);
	put(acts, CRDT_ACT_OPEN_STREAM);
	crdt_fsm_enter(fsm, CRDT_STARTING);
}

static void vanish(struct crdt_fsm *fsm, struct crdt_acts *acts)
{
	BUG_ON(fsm->queued > 0 || fsm->unanswered > 0 || fsm->streaming > 0 || fsm->writes > 0);
	drop_read(fsm, acts);
	drop_stream(fsm, acts);
	put_timer(acts, CRDT_TIMER_NONE, 0);
	crdt_fsm_enter(fsm, CRDT_ABSENT);
	put(acts, CRDT_ACT_GONE);
}

static void wake_or_vanish(struct crdt_fsm *fsm, struct crdt_acts *acts)
{
	if (fsm->queued > 0)
		activate(fsm, acts);
	else
		vanish(fsm, acts);
}

static uint64_t crash_wait_ms(const struct crdt_fsm *fsm)
{
	uint64_t most_ms = fsm->config->crash_backoff_max_ms;
	uint64_t wait_ms = fsm->config->crash_backoff_min_ms;

	for (unsigned i = 1; i < fsm->crashes && wait_ms < most_ms; i++)
		wait_ms *= 2;
	return wait_ms < most_ms ? wait_ms : most_ms;
}

/* C-13: the caller at hand gets the text, all others "Entity terminating". Commands that wait for a
 * new stream anyhow stay. */
static void crash(struct crdt_fsm *fsm, struct crdt_fsm_call *call, enum status code,
		  const char *text, struct crdt_acts *acts)
{
	fail_call(call, code, text, acts);
	put_text(acts, CRDT_ACT_FAIL_ALL, ST_UNKNOWN, CRDT_TEXT_TERMINATING);
	fsm->unanswered = 0;
	fsm->streaming = 0;
	if (fsm->state == CRDT_STARTING)
		fail_queue(fsm, ST_UNKNOWN, CRDT_TEXT_TERMINATING, acts);
	drop_read(fsm, acts);
	drop_stream(fsm, acts);
	fsm->crashes++;
	put(acts, CRDT_ACT_CRASHED)->text = text;
	if (fsm->is_stop_wanted && fsm->queued == 0 && fsm->writes == 0) {
		vanish(fsm, acts);
		return;
	}
	put_timer(acts, CRDT_TIMER_CRASH, crash_wait_ms(fsm));
	crdt_fsm_enter(fsm, CRDT_BACKOFF);
}

static void half_close(struct crdt_fsm *fsm, struct crdt_acts *acts)
{
	if (fsm->stream == CRDT_STREAM_OPEN) {
		put(acts, CRDT_ACT_HALF_CLOSE);
		fsm->stream = CRDT_STREAM_CLOSING;
	}
}

static void end_streams(struct crdt_fsm *fsm, enum status code, const char *text,
			struct crdt_acts *acts)
{
	if (fsm->streaming > 0)
		put_text(acts, CRDT_ACT_END_STREAMS, code, text);
	fsm->streaming = 0;
}

/* Nothing will be answered any more but by "Entity deleted" (C-04). */
static void bury(struct crdt_fsm *fsm, struct crdt_acts *acts)
{
	drop_read(fsm, acts);
	half_close(fsm, acts);
	if (fsm->unanswered > 0)
		put_text(acts, CRDT_ACT_FAIL_UNANSWERED, ST_UNKNOWN, CRDT_TEXT_DELETED);
	fsm->unanswered = 0;
	end_streams(fsm, ST_OK, NULL, acts);
	fail_queue(fsm, ST_UNKNOWN, CRDT_TEXT_DELETED, acts);
	crdt_fsm_enter(fsm, CRDT_DELETED);
	if (fsm->is_stop_wanted && fsm->writes == 0)
		vanish(fsm, acts);
	else
		put_timer(acts, CRDT_TIMER_IDLE, fsm->passivation_ms);
}

static void bury_elsewhere(struct crdt_fsm *fsm, struct crdt_acts *acts)
{
	put(acts, CRDT_ACT_SEND_DELETE);
	bury(fsm, acts);
}

static void close_down(struct crdt_fsm *fsm, struct crdt_acts *acts)
{
	if (fsm->is_renew_wanted)
		end_streams(fsm, ST_UNAVAILABLE, CRDT_TEXT_RENEWED, acts);
	else
		end_streams(fsm, ST_OK, NULL, acts);
	drop_read(fsm, acts);
	half_close(fsm, acts);
	put_timer(acts, CRDT_TIMER_STOP, fsm->config->stop_timeout_ms);
	crdt_fsm_enter(fsm, CRDT_STOPPING);
}

static bool is_quiet(const struct crdt_fsm *fsm)
{
	return fsm->unanswered == 0 && fsm->writes == 0;
}

/* After whatever may have closed the window of mutations, or opened it. */
static void settle(struct crdt_fsm *fsm, struct crdt_acts *acts)
{
	if (fsm->unanswered == 0 && fsm->is_tell_due) {
		put(acts, CRDT_ACT_TELL);
		fsm->is_tell_due = false;
	}
	if ((fsm->is_stop_wanted || fsm->is_renew_wanted) && is_quiet(fsm))
		close_down(fsm, acts);
	else if (is_quiet(fsm) && fsm->streaming == 0)
		put_timer(acts, CRDT_TIMER_IDLE, fsm->passivation_ms);
	else
		put_timer(acts, CRDT_TIMER_NONE, 0);
}

static void send_queue(struct crdt_fsm *fsm, struct crdt_acts *acts)
{
	if (fsm->queued == 0 || fsm->is_renew_wanted)
		return;
	put(acts, CRDT_ACT_SEND_QUEUE)->command_id = fsm->command_id + 1;
	fsm->command_id += fsm->queued;
	fsm->unanswered += fsm->queued;
	fsm->queued = 0;
}

static void send_cancelled(struct crdt_fsm *fsm, struct crdt_fsm_call *call, struct crdt_acts *acts)
{
	call->state = CRDT_CALL_CANCELLING;
	fsm->streaming--;
	fsm->unanswered++;
	put(acts, CRDT_ACT_SEND_CANCELLED)->call = call;
}

/* Stream and log came in either order. */
static void begin_if_ready(struct crdt_fsm *fsm, struct crdt_acts *acts)
{
	if (fsm->stream != CRDT_STREAM_OPEN || !(fsm->is_loaded || fsm->is_erased))
		return;
	put(acts, CRDT_ACT_SEND_INIT);
	if (fsm->is_erased) {
		bury_elsewhere(fsm, acts);
		return;
	}
	crdt_fsm_enter(fsm, CRDT_LIVE);
	send_queue(fsm, acts);
	settle(fsm, acts);
}

static void read_on(struct crdt_fsm *fsm, struct crdt_acts *acts)
{
	fsm->is_reading = true;
	fsm->is_read_due = false;
	put(acts, CRDT_ACT_READ);
}

/* ---- callers and table ---------------------------------------------------------------------- */

static void on_command(struct crdt_fsm *fsm, const struct crdt_event *event, struct crdt_acts *acts)
{
	(void)event;
	fsm->queued++;
	if (fsm->state == CRDT_ABSENT) {
		activate(fsm, acts);
	} else if (fsm->state == CRDT_LIVE && !fsm->is_renew_wanted) {
		send_queue(fsm, acts);
		settle(fsm, acts);
	} else if (fsm->state == CRDT_DELETED || (fsm->state == CRDT_STARTING && fsm->is_erased)) {
		fail_queue(fsm, ST_UNKNOWN, CRDT_TEXT_DELETED, acts);
		if (fsm->state == CRDT_DELETED)
			put_timer(acts, CRDT_TIMER_IDLE, fsm->passivation_ms);
	}
}

static void on_unqueued(struct crdt_fsm *fsm, const struct crdt_event *event,
			struct crdt_acts *acts)
{
	(void)event;
	(void)acts;
	BUG_ON(fsm->queued == 0);
	fsm->queued--;
}

/* only a streamed call is cancelled; a command that was sent goes on. */
static void on_cancel(struct crdt_fsm *fsm, const struct crdt_event *event, struct crdt_acts *acts)
{
	if (event->call->state == CRDT_CALL_SENT)
		event->call->is_left = true;
	if (event->call->state != CRDT_CALL_STREAMING || fsm->state != CRDT_LIVE)
		return;
	send_cancelled(fsm, event->call, acts);
	settle(fsm, acts);
}

static void on_call_timeout(struct crdt_fsm *fsm, const struct crdt_event *event,
			    struct crdt_acts *acts)
{
	struct crdt_fsm_call *call = event->call;

	if (fsm->state != CRDT_LIVE)
		return;
	if (call->state == CRDT_CALL_SENT) {
		crash(fsm, call, ST_DEADLINE_EXCEEDED, CRDT_TEXT_COMMAND_TIMEOUT, acts);
	} else if (call->state == CRDT_CALL_CANCELLING) {
		fsm->unanswered--;
		put(acts, CRDT_ACT_REPORT)->text = CRDT_TEXT_NO_ANSWER;
		fail_call(call, ST_CANCELLED, CRDT_TEXT_NO_ANSWER, acts);
		settle(fsm, acts);
	}
}

static void on_passivate(struct crdt_fsm *fsm, const struct crdt_event *event,
			 struct crdt_acts *acts)
{
	(void)event;
	if (fsm->state == CRDT_LIVE && is_quiet(fsm) && fsm->streaming == 0)
		close_down(fsm, acts);
	else if ((fsm->state == CRDT_BACKOFF || fsm->state == CRDT_DELETED) && fsm->queued == 0 &&
		 fsm->writes == 0)
		vanish(fsm, acts);
}

static void on_stop(struct crdt_fsm *fsm, const struct crdt_event *event, struct crdt_acts *acts)
{
	fsm->is_stop_wanted = true;
	if (fsm->state == CRDT_LIVE)
		settle(fsm, acts);
	else
		on_passivate(fsm, event, acts);
}

static void on_renew(struct crdt_fsm *fsm, const struct crdt_event *event, struct crdt_acts *acts)
{
	(void)event;
	fsm->is_renew_wanted =
		fsm->stream == CRDT_STREAM_OPENING || fsm->stream == CRDT_STREAM_OPEN;
	if (fsm->state == CRDT_LIVE)
		settle(fsm, acts);
}

static void on_timeout(struct crdt_fsm *fsm, const struct crdt_event *event, struct crdt_acts *acts)
{
	(void)event;
	if (fsm->state == CRDT_LIVE) {
		close_down(fsm, acts);
	} else if (fsm->state == CRDT_STOPPING) {
		drop_stream(fsm, acts);
		wake_or_vanish(fsm, acts);
	} else if (fsm->writes > 0) {
		put_timer(acts, fsm->state == CRDT_BACKOFF ? CRDT_TIMER_CRASH : CRDT_TIMER_IDLE,
			  fsm->config->crash_backoff_min_ms);
	} else {
		BUG_ON(fsm->state != CRDT_BACKOFF && fsm->state != CRDT_DELETED);
		wake_or_vanish(fsm, acts);
	}
}

/* ---- the stream ----------------------------------------------------------------------------- */

static void on_stream_open(struct crdt_fsm *fsm, const struct crdt_event *event,
			   struct crdt_acts *acts)
{
	(void)event;
	BUG_ON(fsm->state != CRDT_STARTING);
	fsm->stream = CRDT_STREAM_OPEN;
	begin_if_ready(fsm, acts);
}

static void on_stream_over(struct crdt_fsm *fsm, const struct crdt_event *event,
			   struct crdt_acts *acts)
{
	bool was_opening = fsm->stream == CRDT_STREAM_OPENING;

	BUG_ON(fsm->stream == CRDT_STREAM_NONE);
	fsm->stream = CRDT_STREAM_NONE;
	if (fsm->state == CRDT_STARTING && was_opening) {
		/* Nothing of ours was sent: not the function's failure to handle a command. */
		fail_queue(fsm, event->code, event->text, acts);
		vanish(fsm, acts);
	} else if (fsm->state == CRDT_STOPPING) {
		wake_or_vanish(fsm, acts);
	} else if (fsm->state == CRDT_LIVE && is_quiet(fsm) && fsm->streaming == 0) {
		vanish(fsm, acts);
	} else if (fsm->state == CRDT_STARTING || fsm->state == CRDT_LIVE) {
		crash(fsm, NULL, ST_UNKNOWN, CRDT_TEXT_TERMINATION, acts);
	}
}

/* The message at hand goes on to its caller, its change first. */
static void take(struct crdt_fsm *fsm, const struct crdt_event *event, bool is_last,
		 struct crdt_acts *acts)
{
	enum crdt_act_type type = CRDT_ACT_PASS;
	struct crdt_act *act;

	if (event->change == CRDT_CHANGE_NONE && !event->call)
		return;
	if (event->change != CRDT_CHANGE_NONE) {
		type = event->change == CRDT_CHANGE_UPDATE ? CRDT_ACT_WRITE : CRDT_ACT_DELETE;
		fsm->writes++;
		/* others may have made it mean something else (see crdt_apply) */
		fsm->is_tell_due = true;
	}
	act = put(acts, type);
	act->call = event->call;
	act->is_last = is_last;
	if (type != CRDT_ACT_DELETE)
		return;
	half_close(fsm, acts); /* at once (C-11) */
	put_timer(acts, CRDT_TIMER_NONE, 0);
	crdt_fsm_enter(fsm, CRDT_DELETING);
}

/* What comes on a stream that is being closed concerns nobody. */
static bool is_late(const struct crdt_fsm *fsm)
{
	return fsm->state == CRDT_STOPPING || fsm->state == CRDT_DELETING ||
	       fsm->state == CRDT_DELETED;
}

static void on_reply(struct crdt_fsm *fsm, const struct crdt_event *event, struct crdt_acts *acts)
{
	struct crdt_fsm_call *call = event->call;
	bool is_last;

	if (is_late(fsm))
		return;
	if (fsm->state != CRDT_LIVE || !call || call->state != CRDT_CALL_SENT ||
	    (event->is_streamed && !call->is_streamed)) {
		crash(fsm, NULL, ST_UNKNOWN, CRDT_TEXT_REPLY, acts);
		return;
	}
	is_last = !event->is_streamed || call->is_ended;
	fsm->crashes = 0;
	fsm->unanswered--;
	fsm->streaming += !is_last;
	call->state = is_last ? CRDT_CALL_OVER : CRDT_CALL_STREAMING;
	take(fsm, event, is_last, acts);
	if (fsm->state != CRDT_LIVE)
		return;
	if (!is_last && call->is_left)
		send_cancelled(fsm, call, acts);
	settle(fsm, acts);
}

static void on_streamed(struct crdt_fsm *fsm, const struct crdt_event *event,
			struct crdt_acts *acts)
{
	struct crdt_fsm_call *call = event->call;
	bool is_last;

	if (is_late(fsm))
		return;
	if (fsm->state != CRDT_LIVE) {
		crash(fsm, NULL, ST_UNKNOWN, CRDT_TEXT_MESSAGE, acts);
		return;
	}
	if (!call || call->state == CRDT_CALL_OVER || !call->is_streamed) {
		put(acts, CRDT_ACT_REPORT)->text = CRDT_TEXT_STREAMED; /* C-32 */
		return;
	}
	/* own changes are told to subscribers before the reply that made them is sent */
	if (call->state == CRDT_CALL_SENT)
		call->is_ended = call->is_ended || event->is_end;
	is_last = event->is_end && call->state != CRDT_CALL_SENT;
	if (is_last && call->state == CRDT_CALL_STREAMING)
		fsm->streaming--;
	else if (is_last)
		fsm->unanswered--; /* it ended while it was being cancelled */
	if (is_last)
		call->state = CRDT_CALL_OVER;
	take(fsm, event, is_last, acts);
	settle(fsm, acts);
}

static void on_cancelled(struct crdt_fsm *fsm, const struct crdt_event *event,
			 struct crdt_acts *acts)
{
	struct crdt_fsm_call *call = event->call;
	struct crdt_event late = {.change = event->change};

	if (is_late(fsm))
		return;
	if (fsm->state != CRDT_LIVE) {
		crash(fsm, NULL, ST_UNKNOWN, CRDT_TEXT_MESSAGE, acts);
		return;
	}
	if (call && call->state == CRDT_CALL_CANCELLING) {
		fsm->unanswered--;
		call->state = CRDT_CALL_OVER;
		take(fsm, event, true, acts);
	} else {
		put(acts, CRDT_ACT_REPORT)->text = CRDT_TEXT_LATE;
		take(fsm, &late, true, acts);
	}
	if (fsm->state == CRDT_LIVE)
		settle(fsm, acts);
}

/* C-12, without its defect: the text is the function's. */
static void on_failure(struct crdt_fsm *fsm, const struct crdt_event *event, struct crdt_acts *acts)
{
	struct crdt_fsm_call *call = event->call;

	if (is_late(fsm))
		return;
	if (event->command_id == 0) {
		put(acts, CRDT_ACT_REPORT)->text = CRDT_TEXT_NO_ID;
		return;
	}
	if (fsm->state != CRDT_LIVE || !call || call->state == CRDT_CALL_OVER) {
		crash(fsm, NULL, ST_UNKNOWN, CRDT_TEXT_FAILURE, acts);
		return;
	}
	if (call->state == CRDT_CALL_STREAMING)
		fsm->streaming--;
	else
		fsm->unanswered--;
	fail_call(call, event->code, event->text, acts);
	settle(fsm, acts);
}

static void on_garbage(struct crdt_fsm *fsm, const struct crdt_event *event, struct crdt_acts *acts)
{
	(void)event;
	if (!is_late(fsm)) {
		crash(fsm, NULL, ST_UNKNOWN, CRDT_TEXT_MESSAGE, acts);
		return;
	}
	drop_stream(fsm, acts);
	if (fsm->state == CRDT_STOPPING)
		wake_or_vanish(fsm, acts);
}

/* ---- the log -------------------------------------------------------------------------------- */

static void on_news(struct crdt_fsm *fsm, const struct crdt_event *event, struct crdt_acts *acts)
{
	(void)event;
	if (fsm->is_reading)
		fsm->is_read_due = true;
	else if (fsm->state == CRDT_LIVE || (fsm->state == CRDT_STARTING && fsm->is_loaded))
		read_on(fsm, acts);
}

static void on_members(struct crdt_fsm *fsm, const struct crdt_event *event, struct crdt_acts *acts)
{
	(void)event;
	if (fsm->state != CRDT_LIVE)
		return;
	fsm->is_tell_due = true;
	settle(fsm, acts);
}

static void on_read_done(struct crdt_fsm *fsm, const struct crdt_event *event,
			 struct crdt_acts *acts)
{
	BUG_ON(!fsm->is_reading);
	fsm->is_reading = false;
	fsm->is_tell_due = fsm->is_tell_due || (event->is_news && fsm->state == CRDT_LIVE);
	if (event->is_more || fsm->is_read_due)
		read_on(fsm, acts);
	if (fsm->state == CRDT_STARTING && !event->is_more) {
		fsm->is_loaded = true;
		begin_if_ready(fsm, acts);
	} else if (fsm->state == CRDT_LIVE) {
		settle(fsm, acts);
	}
}

static void on_read_erased(struct crdt_fsm *fsm, const struct crdt_event *event,
			   struct crdt_acts *acts)
{
	(void)event;
	BUG_ON(!fsm->is_reading);
	fsm->is_reading = false;
	fsm->is_read_due = false;
	if (fsm->state == CRDT_STARTING) {
		fsm->is_erased = true;
		fail_queue(fsm, ST_UNKNOWN, CRDT_TEXT_DELETED, acts);
		begin_if_ready(fsm, acts);
	} else if (fsm->state == CRDT_LIVE) {
		bury_elsewhere(fsm, acts);
	}
}

static void on_read_error(struct crdt_fsm *fsm, const struct crdt_event *event,
			  struct crdt_acts *acts)
{
	BUG_ON(!fsm->is_reading);
	fsm->is_reading = false;
	fsm->is_read_due = false;
	if (fsm->state == CRDT_LIVE || (fsm->state == CRDT_STARTING && fsm->is_loaded)) {
		put(acts, CRDT_ACT_READ_LATER);
	} else if (fsm->state == CRDT_STARTING) {
		fail_queue(fsm, event->code, event->text, acts);
		vanish(fsm, acts);
	}
}

/* Two members made values of different kinds at once: what stands first in the log counts, and it
 * is found out by beginning anew. */
static void on_merge_bad(struct crdt_fsm *fsm, const struct crdt_event *event,
			 struct crdt_acts *acts)
{
	(void)event;
	BUG_ON(!fsm->is_reading);
	fsm->is_reading = false;
	fsm->is_read_due = false;
	if (fsm->state == CRDT_LIVE || fsm->state == CRDT_STARTING)
		crash(fsm, NULL, ST_UNKNOWN, CRDT_TEXT_MERGE, acts);
}

/* ---- changes -------------------------------------------------------------------------------- */

static void one_write_less(struct crdt_fsm *fsm)
{
	BUG_ON(fsm->writes == 0);
	fsm->writes--;
}

static void on_apply_bad(struct crdt_fsm *fsm, const struct crdt_event *event,
			 struct crdt_acts *acts)
{
	one_write_less(fsm);
	if (fsm->state == CRDT_LIVE)
		crash(fsm, event->call, event->code, event->text, acts);
}

static void on_write_ok(struct crdt_fsm *fsm, const struct crdt_event *event,
			struct crdt_acts *acts)
{
	one_write_less(fsm);
	if (fsm->state == CRDT_LIVE)
		settle(fsm, acts);
	else if (fsm->state == CRDT_DELETING && event->is_delete)
		bury(fsm, acts);
	else if (fsm->is_stop_wanted)
		on_passivate(fsm, event, acts);
}

static void on_write_erased(struct crdt_fsm *fsm, const struct crdt_event *event,
			    struct crdt_acts *acts)
{
	one_write_less(fsm);
	if (fsm->state != CRDT_BACKOFF)
		fail_call(event->call, ST_UNKNOWN, CRDT_TEXT_DELETED, acts);
	if (fsm->state == CRDT_LIVE)
		bury_elsewhere(fsm, acts);
	else if (fsm->is_stop_wanted)
		on_passivate(fsm, event, acts);
}

/* C-09. */
static void on_write_error(struct crdt_fsm *fsm, const struct crdt_event *event,
			   struct crdt_acts *acts)
{
	one_write_less(fsm);
	if (fsm->state == CRDT_LIVE || fsm->state == CRDT_DELETING) {
		crash(fsm, event->call, ST_UNAVAILABLE, CRDT_TEXT_WRITE, acts);
		return;
	}
	if (fsm->state == CRDT_DELETED)
		fail_call(event->call, ST_UNAVAILABLE, CRDT_TEXT_WRITE, acts);
	if (fsm->is_stop_wanted)
		on_passivate(fsm, event, acts);
}

/* ---- interface ------------------------------------------------------------------------------ */

static const handler_fn handlers[CRDT_EVENTS_] = {
#define EVENT(name, handler, text) handler,
#include "src/entity/crdt_fsm.def"
};

void crdt_fsm_init(struct crdt_fsm *fsm, const struct crdt_fsm_config *config,
		   uint64_t passivation_ms)
{
	*fsm = (struct crdt_fsm){
		.config = config,
		.state = CRDT_ABSENT,
		.passivation_ms = passivation_ms,
	};
}

void crdt_fsm_step(struct crdt_fsm *fsm, const struct crdt_event *event, struct crdt_acts *actions)
{
	actions->count = 0;
	BUG_ON(event->type >= CRDT_EVENTS_);
	handlers[event->type](fsm, event, actions);
}

void crdt_fsm_call_sent(struct crdt_fsm_call *call, uint64_t id)
{
	BUG_ON(call->state != CRDT_CALL_WAITING);
	call->state = CRDT_CALL_SENT;
	call->id = id;
}

bool crdt_fsm_is_idle(const struct crdt_fsm *fsm)
{
	if (fsm->queued > 0 || fsm->writes > 0)
		return false;
	return fsm->state == CRDT_BACKOFF || fsm->state == CRDT_DELETED ||
	       (fsm->state == CRDT_LIVE && fsm->unanswered == 0 && fsm->streaming == 0);
}

const char *crdt_state_name(enum crdt_state state)
{
	return state < CRDT_STATES_ ? state_names[state] : "?";
}

const char *crdt_event_name(enum crdt_event_type type)
{
	return type < CRDT_EVENTS_ ? event_names[type] : "?";
}

const char *crdt_act_name(enum crdt_act_type type)
{
	return type < CRDT_ACTS_ ? act_names[type] : "?";
}

const char *crdt_timer_name(enum crdt_timer timer)
{
	return timer < CRDT_TIMERS_ ? timer_names[timer] : "?";
}
