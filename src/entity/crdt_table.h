#ifndef HEADGATE_SRC_ENTITY_CRDT_TABLE_H
#define HEADGATE_SRC_ENTITY_CRDT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/span.h"
#include "src/entity/entity_table.h"

/* All CRDT entities that are awake at this member: finds or wakes the one a command is for, and
 * hands its replies back. Every member has its own; they meet in the log (journal/crdt_log.h).
 *
 * Everything an entity says leaves in the order in which it said it, and nothing before the changes
 * that were said before are durable: so nobody is told of what may yet be lost.
 * Spec: cloudstate-protocol 6.3; ruling R14. */
struct crdt_log;
struct crdt_table;
struct crdt_ticket;
struct loop;
struct members;
struct metrics;
struct userfn;

struct crdt_limits {
	size_t queue_max;	  /* commands of an entity that wait or are unanswered; 100 */
	size_t streams_max;	  /* streamed calls at once; 10000: each is a client that waits */
	size_t message_bytes_max; /* of the function, larger ones break the stream; 12 MiB */
	uint64_t command_timeout_ms;   /* no reply from the function; 60 s. A command also waits no
					  longer than this before it is sent */
	uint64_t cancel_timeout_ms;    /* C-42: no answer to stream_cancelled: changes of others go
					  on to be told; 5 s */
	uint64_t journal_timeout_ms;   /* until a read or a write of the log is given up; 10 s */
	uint64_t all_timeout_ms;       /* C-08: until all members have a change; 5 s */
	uint64_t passivation_ms;       /* idle time when the function names none; 30 s */
	uint64_t stop_timeout_ms;      /* for the function to finish its half; then reset; 10 s */
	uint64_t crash_backoff_min_ms; /* wait before waking a crashed entity again; 50 */
	uint64_t crash_backoff_max_ms; /* doubling up to; 5 s */
	/* Deltas in the log that are merged into one state when more: at waking all are read. A
	 * large state is written anew only when the deltas weigh as much. */
	size_t compact_deltas;	  /* 1000 */
	size_t compact_bytes_min; /* 256 KiB */
	bool has_metadata;	  /* commands carry the caller's metadata (S-41); false */
};
struct crdt_limits crdt_limits_default(void);

struct crdt_table_params {
	struct entity_budget *budget;
	struct crdt_log *log;
	struct members *members;
	struct metrics *metrics; /* may be NULL */
	const struct crdt_limits *limits;
};

/* All borrowed but limits. */
struct crdt_table *crdt_table_new(const struct crdt_table_params *params);

/* A reply, or an element of a streamed call. Spans are borrowed until it returns. is_last: the
 * call has ended and the ticket is gone; ENTITY_NONE without effects then says no more than that.
 * Never from inside a call into the table. */
typedef void (*crdt_reply_fn)(void *data, const struct entity_reply *reply, bool is_last);

/* Takes the command in. */
struct crdt_ticket *crdt_table_submit(struct crdt_table *table,
				      const struct entity_command *command, crdt_reply_fn on_reply,
				      void *data);

/* The caller has gone. True: the command was still waiting and is dropped; the ticket is gone.
 * False: it is with the function; a streamed one is cancelled there. on_reply comes all the same,
 * up to the last, for what it asks for has to follow. */
bool crdt_table_abandon(struct crdt_ticket *ticket);

/* No callback any more, whatever becomes of the command. */
void crdt_table_forget(struct crdt_ticket *ticket);

size_t crdt_table_active(const struct crdt_table *table);
size_t crdt_table_queued(const struct crdt_table *table);

/* As entity_table_renew. */
void crdt_table_renew(struct crdt_table *table);

/* The view of members may have changed. */
void crdt_table_members_changed(struct crdt_table *table);

/* Lets every entity finish its commands and passivates it; on_done once all are gone. New commands
 * get ST_UNAVAILABLE from now on. */
void crdt_table_drain(struct crdt_table *table, void (*on_done)(void *data), void *data);

/* Cuts everything off; waiting callers get ST_UNAVAILABLE first. NULL is a no-op. */
void crdt_table_free(struct crdt_table *table);

#endif
