#include "src/entity/entity_fsm.h"

/* What the machine's states, events and actions are called, and what callers read. */

static const char *const state_names[] = {
#define STATE(name, text) #name,
#include "src/entity/entity_fsm.def"
};

static const char *const event_names[] = {
#define EVENT(name, handler, text) #name,
#include "src/entity/entity_fsm.def"
};

static const char *const act_names[] = {
#define ACTION(name, text) #name,
#include "src/entity/entity_fsm.def"
};

static const char *const timer_names[] = {
#define TIMER(name, text) #name,
#include "src/entity/entity_fsm.def"
};

static const struct entity_texts kind_texts[] = {
	[ENTITY_FSM_EVENTS] =
		{
			.reply = "Unexpected entity reply",
			.failure = "Unexpected entity failure",
			.message = "Unexpected entity message",
			.termination = "Unexpected entity termination",
			.terminated = "Entity terminated",
			.activate_timeout =
				"The user function did not take in the entity's events in time",
			.load_timeout =
				"Error recovering event log: the journal did not answer in time",
		},
	[ENTITY_FSM_VALUE] =
		{
			.reply = "Unexpected Value entity reply",
			.failure = "Unexpected Value entity failure",
			.message = "Unexpected Value entity failure",
			.termination = "Unexpected Value entity termination",
			.terminated = "Value entity terminated",
			.activate_timeout =
				"The user function did not take in the entity's state in time",
			.load_timeout =
				"Error reading the state: the journal did not answer in time",
		},
};

const struct entity_texts *entity_fsm_texts(enum entity_fsm_kind kind)
{
	return &kind_texts[kind];
}

const char *entity_state_name(enum entity_state state)
{
	return state < ENTITY_STATES_ ? state_names[state] : "?";
}

const char *entity_event_name(enum entity_event_type type)
{
	return type < ENTITY_EVENTS_ ? event_names[type] : "?";
}

const char *entity_act_name(enum entity_act_type type)
{
	return type < ENTITY_ACTS_ ? act_names[type] : "?";
}

const char *entity_timer_name(enum entity_timer timer)
{
	return timer < ENTITY_TIMERS_ ? timer_names[timer] : "?";
}

static const bool allowed[ENTITY_STATES_][ENTITY_STATES_] = {
#define TRANSITION(from, to, why) [ENTITY_##from][ENTITY_##to] = true,
#include "src/entity/entity_fsm.def"
};

bool entity_fsm_is_allowed(enum entity_state from, enum entity_state to)
{
	return allowed[from][to];
}

void entity_fsm_init(struct entity_fsm *fsm, const struct entity_fsm_config *config,
		     uint64_t passivation_ms)
{
	*fsm = (struct entity_fsm){
		.config = config,
		.state = ENTITY_ABSENT,
		.passivation_ms = passivation_ms,
	};
}

bool entity_fsm_is_idle(const struct entity_fsm *fsm)
{
	return fsm->state == ENTITY_IDLE || (fsm->state == ENTITY_BACKOFF && fsm->queued == 0);
}
