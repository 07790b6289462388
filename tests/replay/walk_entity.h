#ifndef HEADGATE_TESTS_REPLAY_WALK_ENTITY_H
#define HEADGATE_TESTS_REPLAY_WALK_ENTITY_H

/* The model that walk_entity.c checks the machine against: callers, function, journal. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/entity/entity_fsm.h"

#define COMMANDS_MAX 64
#define QUEUE_MAX 5
/* Idempotency keys; 0 is none. */
#define KEYS 4
#define DEPTH_MAX 4
#define ZOMBIES_MAX 16
#define LOG_MAX 1024
/* What a command is known by in the log: its key, or an id of its own. */
#define NAMES (KEYS + COMMANDS_MAX)

/* A reply that is with the journal. What was sent may be executed long before it is answered, or
 * long after nobody waits for it any more. */
struct flight {
	unsigned command;
	enum entity_act_type asked; /* APPEND, VERIFY or RECALL */
	uint64_t sequence;	    /* expected */
	uint32_t tag;		    /* expected */
	uint32_t attempt;
	uint64_t events;
	bool is_executed;
	bool is_landed; /* in the log */
	enum entity_event_type answer;
};

struct world {
	uint64_t random;
	bool is_loud;
	char why[160]; /* first broken promise, or empty */
	struct entity_fsm_config config;
	struct entity_fsm fsm;
	struct entity_acts acts;
	bool is_gone;
	bool has_timer;
	bool is_generation_0_1;
	bool is_value; /* its "events" are writes: the newest state stands for all of them */

	/* callers */
	unsigned queue[QUEUE_MAX + DEPTH_MAX + 2];
	size_t queue_len;
	int current; /* -1: none */
	struct flight flights[DEPTH_MAX + 1];
	size_t flight_count;
	struct flight zombies[ZOMBIES_MAX];
	size_t zombie_count;
	bool is_answering; /* the oldest one, in this step */
	unsigned command_count;
	unsigned ends[COMMANDS_MAX]; /* how often a command was answered or failed */
	bool is_dropped[COMMANDS_MAX];
	bool is_resent[COMMANDS_MAX]; /* what it wrote was discarded, and may be there in fact */

	/* the stream and the function behind it */
	bool is_opening;
	bool is_open;
	bool is_reading;
	bool has_init;
	bool has_unsent;
	uint64_t function_seq; /* what the function has been told or has emitted itself */
	uint32_t function_tag;
	uint64_t last_id;

	/* the journal */
	uint64_t log_len;
	uint32_t tag_at[LOG_MAX]; /* by sequence: of the attempt that wrote it */
	uint32_t attempts;
	bool wants_head;
	bool wants_page;
	bool is_loading;
	bool has_gap; /* the page at hand does not follow what was sent */
	uint64_t load_end;
	uint32_t load_tag;
	uint64_t load_at;
	bool wants_search;

	/* keys: of commands; what the journal has of each, as sequences of its first and last
	 * event; what the entity knows, of which a new activation knows nothing */
	unsigned key_of[COMMANDS_MAX];
	uint64_t first_at[NAMES];
	uint64_t last_at[NAMES];
	bool has_window;
	uint64_t known[NAMES];

	/* the reply at hand */
	bool has_reply;
	uint64_t reply_events;
	uint32_t reply_attempt;
	bool is_proved; /* by the event of this step */
};

void broken(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define PROMISE(w, condition)                                                                      \
	do {                                                                                       \
		if (!(condition))                                                                  \
			broken((w), "%s (line %d)", #condition, __LINE__);                         \
	} while (0)

uint64_t draw(struct world *w, uint64_t below);
void end_command(struct world *w, unsigned command);
unsigned pop_queue(struct world *w);
unsigned name_of(const struct world *w, unsigned command);
uint32_t log_tag(const struct world *w);
uint32_t tag_of(const struct journal_id *id);
void set_tag(struct journal_id *id, uint32_t tag);
bool is_under_way(const struct world *w, unsigned name);
enum entity_next next_of(const struct world *w);
void log_events(struct world *w, unsigned name, uint64_t count, uint32_t attempt);

#endif
