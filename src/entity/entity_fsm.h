#ifndef HEADGATE_SRC_ENTITY_ENTITY_FSM_H
#define HEADGATE_SRC_ENTITY_ENTITY_FSM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/journal.h"
#include "src/base/status.h"

/* The life of one entity, event sourced or value, as a pure machine: an event goes in, actions come
 * out. No I/O, no clock, no allocation; commands, replies and pages stay with the shell, which
 * reports what happened and does what it is told, in order. So replay and random tests need no
 * network.
 *
 * What it guarantees, whatever the events:
 *  - one command at most is with the function; it may run while earlier replies are not decided
 *    yet, at most speculation_depth of them (0 or 1: it waits until they are);
 *  - what is appended or verified expects the head that the append before it makes;
 *  - ANSWER only after APPEND_OK, APPEND_DUP_MINE, VERIFY_OK or RECALL_OK of that very reply, and
 *    after every append before it was answered so: in the order in which the function was asked;
 *  - when an append fails, or any head is another one, all that was built on it is discarded: no
 *    reply of it is seen by anybody, the function's state is read again, and the commands run again
 *    in order, under the ids they had;
 *  - a command that may have been executed before (next) goes to the function only when it is known
 *    that it was not, within the window; what was executed is answered from what was stored;
 *  - every command that was reported is answered or failed exactly once;
 *  - events reach the function without gap or repetition, before the first command.
 * A value entity has one state instead of events: it comes whole with the head (no pages), a reply
 * writes it or does not (event_count 1 or 0), and restart means nothing.
 * Spec: cloudstate-protocol 4.2-4.6, 6.2; rulings R2, R3. */
enum entity_fsm_kind { ENTITY_FSM_EVENTS, ENTITY_FSM_VALUE };

enum entity_state {
#define STATE(name, text) ENTITY_##name,
#include "src/entity/entity_fsm.def"
	ENTITY_STATES_
};

enum entity_event_type {
#define EVENT(name, handler, text) ENTITY_EV_##name,
#include "src/entity/entity_fsm.def"
	ENTITY_EVENTS_
};

enum entity_act_type {
#define ACTION(name, text) ENTITY_ACT_##name,
#include "src/entity/entity_fsm.def"
	ENTITY_ACTS_
};

enum entity_timer {
#define TIMER(name, text) ENTITY_TIMER_##name,
#include "src/entity/entity_fsm.def"
	ENTITY_TIMERS_
};

/* The stream beside the state: it may be lost while appends are under way. */
enum entity_stream_state {
	ENTITY_STREAM_NONE,
	ENTITY_STREAM_OPENING,
	ENTITY_STREAM_OPEN,
	ENTITY_STREAM_CLOSING, /* our half is closed */
	ENTITY_STREAM_LOST,    /* over, and it matters only when all is decided */
};

/* What the caller reads, where kinds differ. The first five are the reference's and never change;
 * its value entities call every message that is no reply a failure. */
struct entity_texts {
	const char *reply;
	const char *failure;
	const char *message;
	const char *termination;
	const char *terminated;
	const char *activate_timeout;
	const char *load_timeout;
};
const struct entity_texts *entity_fsm_texts(enum entity_fsm_kind kind);

#define ENTITY_TEXT_COMMAND_TIMEOUT "The user function did not reply in time"
#define ENTITY_TEXT_RESTARTS "The user function asked for too many restarts in a row"
#define ENTITY_TEXT_CONFLICTS "The entity is being changed elsewhere at the same time"
#define ENTITY_TEXT_EXECUTED "The command was already executed and its reply is not stored"
#define ENTITY_TEXT_ERASED "The entity was erased"
#define ENTITY_TEXT_GAP "The journal does not have all events of the entity"

/* Shared by all entities of a table. */
struct entity_fsm_config {
	uint64_t command_timeout_ms;
	uint64_t journal_timeout_ms; /* per page of a load */
	uint64_t stop_timeout_ms;
	uint64_t crash_backoff_min_ms;
	uint64_t crash_backoff_max_ms;
	unsigned conflict_retries;
	unsigned restart_retries;
	unsigned speculation_depth;
	uint64_t dedupe_window; /* in events: what may have been discarded must be found in it */
};

/* What is to be done with the head of the queue when its turn comes. */
enum entity_next {
	ENTITY_NEXT_SEND,   /* it is new, or the queue is empty */
	ENTITY_NEXT_SEARCH, /* it may have been executed, and the window is not at hand */
	ENTITY_NEXT_RECALL, /* it was executed */
	ENTITY_NEXT_WAIT,   /* SEND, but not before all that is undecided was decided */
};

/* What follows when all is decided that the function replied before its stream broke. */
enum entity_then {
	ENTITY_THEN_GO_ON, /* it did not break */
	ENTITY_THEN_RELOAD,
	ENTITY_THEN_BACKOFF,
};

struct entity_event {
	enum entity_event_type type;
	enum entity_next next;	    /* of every event: as the queue is when it is fed */
	bool is_keyed;		    /* APPEND_DUP_OTHER: its reply was stored */
	bool is_head;		    /* UNQUEUED: it was the next to be sent */
	bool is_generation_0_1;	    /* STREAM_OPEN */
	uint64_t command_id;	    /* REPLY, FAILURE */
	size_t event_count;	    /* REPLY (1: a state to be written), and the APPEND_OK or
					APPEND_DUP_MINE of it; LOAD_PAGE */
	bool is_restart;	    /* REPLY: a failure action that asks for a restart */
	struct journal_head head;   /* LOAD_HEAD; APPEND_DUP_MINE: as it is now */
	struct journal_id tag;	    /* REPLY, APPEND_DUP_MINE: of this attempt to append */
	uint64_t snapshot_sequence; /* LOAD_HEAD: 0 for none */
	uint64_t first_sequence;    /* LOAD_PAGE */
	enum status code; /* STREAM_*, *_ERROR, APPEND_UNKNOWN, RECALL_REFUSED: for the caller */
	const char *text; /* the same; borrowed until its actions are done */
};

struct entity_act {
	enum entity_act_type type;
	uint64_t command_id;	  /* SEND_COMMAND */
	struct journal_head head; /* APPEND, VERIFY: what is expected */
	enum status code;	  /* FAIL_* */
	const char *text;	  /* FAIL_*, CRASHED: a constant, or borrowed from the event */
	enum entity_timer timer;  /* TIMER */
	uint64_t wait_ms;	  /* TIMER */
	uint64_t jitter_ms;	  /* TIMER: the shell adds up to this much at random */
};

/* More than any one step emits; the random walk of the tests would find it too small. */
#define ENTITY_ACTS_MAX 12

struct entity_acts {
	struct entity_act items[ENTITY_ACTS_MAX];
	size_t count;
};

struct entity_fsm {
	const struct entity_fsm_config *config; /* borrowed */
	enum entity_fsm_kind kind;		/* set by the shell when it opens a stream */
	enum entity_state state;		/* read only, as all that follows */
	enum entity_stream_state stream;
	size_t queued;	  /* commands waiting in the shell */
	bool has_current; /* a command is with the function */
	size_t undecided; /* replies that are with the journal */
	uint64_t undecided_events;
	enum entity_then then;
	bool is_generation_0_1;	  /* the function's, since the stream opened */
	bool is_stop_wanted;	  /* by STOP: never sleeps just to wake again */
	bool is_renew_wanted;	  /* by RENEW: the present stream takes no further command */
	bool is_leaving;	  /* by HAND_OVER, until what is under way is done */
	bool is_restart;	  /* of the newest undecided reply: no command follows it */
	enum entity_next next;	  /* within a step */
	unsigned attempts;	  /* conflicts of the oldest command that is not done */
	unsigned crashes;	  /* since the last answer */
	unsigned restarts;	  /* likewise */
	uint64_t passivation_ms;  /* may be set by the shell at any time */
	uint64_t command_id;	  /* of the last command sent in this activation */
	uint64_t replayed;	  /* sequence the function has been brought to */
	struct journal_head head; /* what the function's state is built from, undecided or not */
};

void entity_fsm_init(struct entity_fsm *fsm, const struct entity_fsm_config *config,
		     uint64_t passivation_ms);

/* Takes one event in and fills actions (emptied first). An event that can not occur in this state
 * is the shell's bug and aborts. After GONE the machine must not be used any more. */
void entity_fsm_step(struct entity_fsm *fsm, const struct entity_event *event,
		     struct entity_acts *actions);

/* Idle, or waiting without a stream and without work: may be put to sleep at no cost to anybody. */
bool entity_fsm_is_idle(const struct entity_fsm *fsm);

bool entity_fsm_is_allowed(enum entity_state from, enum entity_state to);
const char *entity_state_name(enum entity_state state);
const char *entity_event_name(enum entity_event_type type);
const char *entity_act_name(enum entity_act_type type);
const char *entity_timer_name(enum entity_timer timer);

#endif
