#ifndef HEADGATE_SRC_ENTITY_ENTITY_TABLE_H
#define HEADGATE_SRC_ENTITY_ENTITY_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/span.h"
#include "src/base/status.h"

/* All entities that are awake in this process: finds or wakes the one a command is for, queues the
 * command there, and hands its reply back when it is durable or verified.
 * Spec: cloudstate-protocol 4; journal-and-ownership 4.2 "local". */
struct api_method;
struct entity_budget;
struct entity_table;
struct entity_ticket;
struct journal;
struct journal_id;
struct metadata;
struct metrics;

struct entity_limits {
	size_t queue_max;	       /* waiting commands per entity; 100 */
	size_t message_bytes_max;      /* of the function, larger ones break the stream; 12 MiB */
	uint64_t command_timeout_ms;   /* no reply from the function: E-50, frees the entity; 60 s.
					  A command also waits no longer than this in its queue */
	uint64_t journal_timeout_ms;   /* until an append, verify or load is given up; 10 s */
	uint64_t passivation_ms;       /* idle time when the function names none; 30 s */
	uint64_t stop_timeout_ms;      /* for the function to finish its half; then reset; 10 s */
	uint64_t crash_backoff_min_ms; /* E-53: wait before waking a crashed entity again; 50 */
	uint64_t crash_backoff_max_ms; /* doubling up to; 5 s */
	unsigned conflict_retries;     /* CONFLICT: reload and run again; 5 */
	unsigned restart_retries;      /* restart=true in a row without a success; 10 */
	unsigned speculation_depth;    /* replies not durable yet behind which the next command of
					  an entity may run; 0 or 1: none; 16 */
	uint64_t dedupe_window;	       /* events behind which a key is forgotten; 1000 */
	bool has_metadata;	       /* commands carry the caller's metadata (S-41); false */
};
struct entity_limits entity_limits_default(void);

/* All borrowed but limits; metrics may be NULL. */
struct entity_table *entity_table_new(struct entity_budget *budget, struct journal *journal,
				      struct metrics *metrics, const struct entity_limits *limits);

/* What to run. Spans are copied before submit returns. */
struct entity_command {
	const struct api_method *method; /* its api is referenced while the command lives */
	struct span key;
	struct span payload;		 /* wire bytes of the method's input, forwarded untouched */
	const struct metadata *metadata; /* may be NULL; shown to entities with has_metadata only */
	uint64_t deadline_ns; /* the caller's; a command not yet sent by then is dropped */
	/* The same over all attempts, whoever makes them: what it wrote is not written again. NULL:
	 * a fresh one. */
	const struct journal_id *id;
	bool is_resent; /* it may have been executed elsewhere, under this id */
	/* id is made of that of a command with a key, whose forward or effect this is: it is as
	 * good as a key. */
	bool is_derived;
	/* Makes the command one and the same whoever sends it, within the window: its id is made of
	 * it, and id is not looked at. At most JOURNAL_KEY_MAX bytes; empty: none. */
	struct span idempotency_key;
};

/* ENTITY_MOVED: it waited for an entity that was handed over: to be placed anew. */
enum entity_action { ENTITY_REPLY, ENTITY_FORWARD, ENTITY_FAILURE, ENTITY_NONE, ENTITY_MOVED };

/* The outcome. Spans and pointers are borrowed until the callback returns. */
struct entity_reply {
	enum entity_action action;
	enum status code;	  /* ENTITY_FAILURE: never ST_OK */
	struct span message;	  /* ENTITY_FAILURE: the text for the caller */
	struct span details;	  /* ENTITY_FAILURE: serialized google.rpc.Status or empty */
	struct span type_url;	  /* ENTITY_REPLY, ENTITY_FORWARD: of the payload */
	struct span payload;	  /* ENTITY_MOVED: the command's */
	struct span service_name; /* ENTITY_FORWARD: target */
	struct span command_name;
	struct span metadata;	    /* serialized cloudstate.Metadata of the reply, or empty */
	const struct span *effects; /* serialized cloudstate.SideEffect each */
	size_t effect_count;
	uint64_t retry_after_ms;	     /* 0: no hint */
	const struct journal_id *command_id; /* but for ENTITY_FAILURE */
	bool is_keyed;	    /* command_id is that of whoever comes with the same key */
	bool is_resent;	    /* ENTITY_MOVED: it may have been executed; else it was not */
	uint64_t sequence;  /* of the last event, or of the write; 0: nothing was written */
	bool is_replayed;   /* executed before: the function was not asked */
	const char *reason; /* ENTITY_FAILURE: of a google.rpc.ErrorInfo, or NULL */
};

/* reason: the key was used for another request. */
#define ENTITY_REASON_KEY_REUSED "IDEMPOTENCY_KEY_REUSED"

/* Exactly once per submit unless abandoned; never from inside submit. */
typedef void (*entity_reply_fn)(void *data, const struct entity_reply *reply);

/* Takes the command in. The ticket is gone when on_reply is called. */
struct entity_ticket *entity_table_submit(struct entity_table *table,
					  const struct entity_command *command,
					  entity_reply_fn on_reply, void *data);

/* The caller has gone. True: the command was still waiting and is dropped; the ticket is gone.
 * False: it is with the function already and goes on, its events are kept, and on_reply
 * comes all the same, for what it asks for has to follow. */
bool entity_table_abandon(struct entity_ticket *ticket);

/* No callback any more, whatever becomes of the command. */
void entity_table_forget(struct entity_ticket *ticket);

size_t entity_table_active(const struct entity_table *table);
size_t entity_table_queued(const struct entity_table *table);

/* To be called when the function has changed: entities whose stream speaks to a connection or a
 * description that is being replaced finish the command at hand and close it; those with more to do
 * wake again on a new one. */
void entity_table_renew(struct entity_table *table);

/* Entities that belong to another gateway now finish the command at hand, close their stream and go
 * to sleep; commands that wait for them come back as ENTITY_MOVED, in order. Returns how many. */
typedef bool (*entity_moves_fn)(void *data, struct span type, struct span id);
size_t entity_table_hand_over(struct entity_table *table, entity_moves_fn moves, void *data);

/* Is told whenever the journal says that an entity was changed by somebody else; from inside of
 * what the table does, so it must not call it. */
typedef void (*entity_conflict_fn)(void *data, struct span type, struct span id);
void entity_table_on_conflict(struct entity_table *table, entity_conflict_fn on_conflict,
			      void *data);

/* Lets every entity finish its commands and passivates it; on_done once all are gone. New commands
 * get ST_UNAVAILABLE from now on. */
void entity_table_drain(struct entity_table *table, void (*on_done)(void *data), void *data);

/* Cuts everything off; waiting callers get ST_UNAVAILABLE first. NULL is a no-op. */
void entity_table_free(struct entity_table *table);

#endif
