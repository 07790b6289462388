#ifndef HEADGATE_SRC_ENTITY_CRDT_FSM_H
#define HEADGATE_SRC_ENTITY_CRDT_FSM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/status.h"
#include "src/entity/crdt_codec.h"

/* The life of one CRDT entity at this member as a pure machine, as entity_fsm.h is for event
 * sourced ones: an event goes in, actions come out. No I/O, no clock, no allocation; commands,
 * messages and the value stay with the shell, which reports what happened and does what it is told,
 * in order.
 *
 * Unlike there many commands may be with the function at once, each with a small state of its own:
 * struct crdt_fsm_call, which the shell keeps beside the command and hands over with each event
 * that is about it.
 *
 * What it guarantees, whatever the events:
 *  - init comes first, and once; a deletion that is found is told after it, and is the last word;
 *  - TELL never while the function has something to answer: a command or a cancellation (C-07);
 *  - a cancelled call is told once, and not before its first reply;
 *  - every command that was reported ends exactly once;
 *  - the stream is closed in order only when nothing is unanswered and nothing is being written.
 * Spec: cloudstate-protocol 6.3; rulings R3, R14. */
enum crdt_state {
#define STATE(name, text) CRDT_##name,
#include "src/entity/crdt_fsm.def"
	CRDT_STATES_
};

enum crdt_event_type {
#define EVENT(name, handler, text) CRDT_EV_##name,
#include "src/entity/crdt_fsm.def"
	CRDT_EVENTS_
};

enum crdt_act_type {
#define ACTION(name, text) CRDT_ACT_##name,
#include "src/entity/crdt_fsm.def"
	CRDT_ACTS_
};

enum crdt_timer {
#define TIMER(name, text) CRDT_TIMER_##name,
#include "src/entity/crdt_fsm.def"
	CRDT_TIMERS_
};

enum crdt_stream_state {
	CRDT_STREAM_NONE,
	CRDT_STREAM_OPENING,
	CRDT_STREAM_OPEN,
	CRDT_STREAM_CLOSING, /* our half is closed */
};

/* What callers and the function's author read. The first three are the reference's. */
#define CRDT_TEXT_TERMINATING "Entity terminating"
#define CRDT_TEXT_DELETED "Entity deleted"
#define CRDT_TEXT_WRITE "Failed to update CRDT at requested write consistency"
#define CRDT_TEXT_REPLY "Unexpected CRDT reply"
#define CRDT_TEXT_FAILURE "Unexpected CRDT failure"
#define CRDT_TEXT_MESSAGE "Unexpected CRDT message"
#define CRDT_TEXT_TERMINATION "Unexpected CRDT termination"
#define CRDT_TEXT_MERGE "Incompatible CRDT change from another member"
#define CRDT_TEXT_STREAMED "A streamed message is for no call that is streamed"
#define CRDT_TEXT_LATE "The answer to a cancelled stream came too late or was not asked for"
#define CRDT_TEXT_NO_ANSWER "A cancelled stream was not answered in time"
#define CRDT_TEXT_NO_ID "A failure names no command"
#define CRDT_TEXT_COMMAND_TIMEOUT "The user function did not reply in time"
#define CRDT_TEXT_RENEWED "The user function is being replaced"

/* A command from the time it was sent. Written by the machine alone, but for is_streamed, and the
 * two that crdt_fsm_call_sent sets. */
enum crdt_call_state {
	CRDT_CALL_WAITING,    /* in the queue */
	CRDT_CALL_SENT,	      /* the function has not answered */
	CRDT_CALL_STREAMING,  /* it has, and more may follow */
	CRDT_CALL_CANCELLING, /* it is to answer the cancellation */
	CRDT_CALL_OVER,	      /* for the machine */
};

struct crdt_fsm_call {
	enum crdt_call_state state;
	uint64_t id;
	bool is_streamed; /* the method is */
	bool is_left;	  /* by its caller, before the first reply */
	bool is_ended;	  /* by end_stream, before the first reply */
};

/* Shared by all entities of a table. */
struct crdt_fsm_config {
	uint64_t stop_timeout_ms;
	uint64_t crash_backoff_min_ms;
	uint64_t crash_backoff_max_ms;
};

struct crdt_event {
	enum crdt_event_type type;
	struct crdt_fsm_call *call; /* REPLY, STREAMED, CANCELLED, FAILURE: NULL for an id that
				       nobody has; CANCEL, CALL_TIMEOUT; WRITE_*, APPLY_BAD: whose
				       message it was, NULL when nobody waits for it */
	uint64_t command_id;	    /* FAILURE */
	bool is_streamed;	    /* REPLY */
	bool is_end;		    /* STREAMED */
	enum crdt_change change;    /* REPLY, CANCELLED */
	bool is_delete;		    /* WRITE_* */
	bool is_more;		    /* READ_DONE: read again */
	bool is_news;		    /* READ_DONE: something was merged */
	enum status code;	    /* STREAM_*, READ_ERROR, APPLY_BAD, FAILURE: for the caller */
	const char *text;	    /* the same; borrowed until its actions are done */
};

struct crdt_act {
	enum crdt_act_type type;
	struct crdt_fsm_call *call; /* SEND_CANCELLED, PASS, WRITE, DELETE, FAIL_CALL; NULL: WRITE
				       and DELETE that nobody waits for */
	uint64_t command_id;	    /* SEND_QUEUE: of the first */
	bool is_last;		    /* PASS, WRITE, DELETE: the call ends with it */
	enum status code;	    /* FAIL_*; END_STREAMS: ST_OK ends them in order */
	const char *text;	    /* FAIL_*, END_STREAMS, REPORT, CRASHED */
	enum crdt_timer timer;	    /* TIMER */
	uint64_t wait_ms;	    /* TIMER */
};

/* More than any one step emits; the random walk of the tests would find it too small. */
#define CRDT_ACTS_MAX 12

struct crdt_acts {
	struct crdt_act items[CRDT_ACTS_MAX];
	size_t count;
};

struct crdt_fsm {
	const struct crdt_fsm_config *config; /* borrowed */
	enum crdt_state state;		      /* read only, as all that follows */
	enum crdt_stream_state stream;
	size_t queued;	   /* commands waiting in the shell */
	size_t unanswered; /* commands and cancellations with the function */
	size_t streaming;  /* streamed calls after their first reply */
	size_t writes;	   /* under way, those of a broken stream included */
	bool is_reading;
	bool is_read_due;	 /* there is more to read than is being read */
	bool is_loaded;		 /* STARTING: the log is read to its end */
	bool is_erased;		 /* STARTING: the log says so */
	bool is_tell_due;	 /* the function may not know the value */
	bool is_stop_wanted;	 /* by STOP */
	bool is_renew_wanted;	 /* by RENEW: the present stream takes no further command */
	unsigned crashes;	 /* since the last reply */
	uint64_t passivation_ms; /* may be set by the shell at any time */
	uint64_t command_id;	 /* of the last command sent on this stream */
};

void crdt_fsm_init(struct crdt_fsm *fsm, const struct crdt_fsm_config *config,
		   uint64_t passivation_ms);

/* Takes one event in and fills actions (emptied first). An event that can not occur in this state
 * is the shell's bug and aborts. After GONE the machine must not be used any more. */
void crdt_fsm_step(struct crdt_fsm *fsm, const struct crdt_event *event, struct crdt_acts *actions);

/* For SEND_QUEUE: this command was sent as id. */
void crdt_fsm_call_sent(struct crdt_fsm_call *call, uint64_t id);

/* Nothing to do: may be put to sleep at no cost to anybody. */
bool crdt_fsm_is_idle(const struct crdt_fsm *fsm);

bool crdt_fsm_is_allowed(enum crdt_state from, enum crdt_state to);
const char *crdt_state_name(enum crdt_state state);
const char *crdt_event_name(enum crdt_event_type type);
const char *crdt_act_name(enum crdt_act_type type);
const char *crdt_timer_name(enum crdt_timer timer);

#endif
