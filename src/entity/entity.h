#ifndef HEADGATE_SRC_ENTITY_ENTITY_H
#define HEADGATE_SRC_ENTITY_ENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/journal.h"
#include "src/base/buf.h"
#include "src/base/list.h"
#include "src/entity/entity_codec.h"
#include "src/entity/entity_fsm.h"
#include "src/entity/entity_set.h"
#include "src/entity/entity_stream.h"
#include "src/entity/entity_table.h"
#include "src/entity/entity_window.h"
#include "src/runtime/loop.h"
#include "src/runtime/timer.h"

/* What the files of the shell share. Internal to src/entity.
 *
 *   entity_set      all that are awake: the map, sleep order, drain; shared with CRDTs
 *   entity_table    limits, and commands taken in
 *   entity          the shell of one machine: executes its actions, reports what happened
 *   entity_journal  its journal side: what is asked there, and the answers
 *   entity_undecided  replies that are with the journal, oldest first
 *   entity_recall   commands that may have been executed before, and what is stored for them
 *   entity_ticket   one command from submit to its reply
 *
 * Order of a step: an event goes into the machine, all its actions are done, the entity is perhaps
 * gone, and only then replies are delivered (entity_set_deliver). So callers may submit and
 * abandon from inside their callback. */
/* A message of the function that is kept while its events are appended; recycled. */
struct entity_holder {
	struct list node;
	struct buf bytes;
	struct entity_out out;
};

/* Holders kept for reuse; more are freed when they come back. */
#define ENTITY_HOLDERS_KEPT 64

enum entity_ticket_state {
	ENTITY_TICKET_QUEUED,
	ENTITY_TICKET_CURRENT, /* with the function, or its reply is undecided */
	ENTITY_TICKET_DONE,
};

/* What is known of a reply that is with the journal. */
struct entity_undecided {
	struct journal_request *request; /* NULL once answered */
	struct journal_id tag;
	uint64_t written; /* the sequence it leads to; 0: it writes nothing */
	size_t event_count;
	size_t held_bytes;
	bool is_answered;	    /* while older ones are not */
	struct entity_event answer; /* is_answered only */
	char *text;		    /* of the answer, owned; NULL: it has none, or a constant */
};

struct entity_ticket {
	struct list node; /* in the entity's queue or its undecided, or in the table's done list */
	struct entity_table *table;
	struct entity *entity;	  /* NULL when done */
	entity_reply_fn on_reply; /* NULL: abandoned */
	void *data;
	const struct api_method *method; /* its api is referenced */
	uint64_t deadline_ns;
	struct journal_id id;
	enum entity_ticket_state state;
	struct entity_undecided undecided;
	struct entity_holder *holder; /* the reply, once there is one, or the text of a failure */
	/* the outcome, when done */
	enum status code; /* ST_OK: the reply in holder */
	const char *text;
	bool is_moved;
	const char *reason; /* NULL, or of a google.rpc.ErrorInfo */
	uint64_t retry_after_ms;
	uint64_t sequence; /* of what it wrote, now or long ago; 0: nothing */
	bool is_replayed;
	bool may_be_executed;			/* before: it has a key, or */
	bool is_resent;				/* elsewhere, or here and was discarded */
	struct journal_fingerprint fingerprint; /* with a key only, as the next */
	size_t key_len;
	size_t payload_len;
	size_t metadata_len;
	uint8_t payload[]; /* then the serialized metadata, then the idempotency key */
};

/* What it keeps in the queue. */
static inline size_t entity_ticket_bytes(const struct entity_ticket *ticket)
{
	return ticket->payload_len + ticket->metadata_len + ticket->key_len;
}

static inline struct span entity_ticket_key(const struct entity_ticket *ticket)
{
	return span_make(ticket->payload + ticket->payload_len + ticket->metadata_len,
			 ticket->key_len);
}

struct entity {
	struct entity_member member;
	struct entity_table *table;
	struct entity_fsm fsm;
	struct entity_stream stream;
	struct list queue;	       /* struct entity_ticket, as undecided */
	struct list undecided;	       /* their replies are with the journal, oldest first */
	struct entity_ticket *current; /* with the function */
	struct entity_holder *reply;   /* the message at hand */
	struct journal_request *load;
	struct journal_request *search;
	struct entity_window window;
	uint64_t due_ns; /* of the machine's timer; the timer itself may be late */
	struct timer timer;
	struct timer queue_timer; /* earliest deadline in the queue, or earlier */
	bool is_gone;		  /* within a step */
};

struct entity_table {
	struct entity_set set;
	struct journal *journal;
	struct entity_limits limits;
	struct entity_fsm_config config;
	struct list holders;
	size_t holder_count;
	struct buf kept; /* of the append that is being asked for: its reply for another time */
	entity_conflict_fn on_conflict; /* NULL: nobody asks */
	void *conflict_data;
	struct journal_any events[ENTITY_REPLY_EVENTS_MAX];
	struct span effects[ENTITY_REPLY_EFFECTS_MAX];
};

/* ---- entity_ticket.c ------------------------------------------------------------------------ */
struct entity_ticket *entity_ticket_new(struct entity_table *table,
					const struct entity_command *command,
					entity_reply_fn on_reply, void *data);

/* Gives the outcome and takes the ticket out of where it is; delivered later. text is a constant,
 * or copied when is_copied. */
void entity_ticket_fail(struct entity_ticket *ticket, enum status code, const char *text,
			bool is_copied);
/* It was not executed here and goes elsewhere. */
void entity_ticket_move(struct entity_ticket *ticket);
/* Takes the holder. */
void entity_ticket_answer(struct entity_ticket *ticket, struct entity_holder *holder);

/* Into and out of a queue, keeping the counts. */
void entity_ticket_enqueue(struct entity_ticket *ticket, struct entity *entity, bool is_first);
struct entity_ticket *entity_ticket_dequeue(struct entity *entity);

struct entity_holder *entity_holder_new(struct entity_table *table);
void entity_holder_free(struct entity_table *table, struct entity_holder *holder);

/* For the set: calls back for all that are done. */
void entity_table_deliver_now(struct entity_set *set);

/* ---- entity.c ------------------------------------------------------------------------------- */
/* Of the name that the set looked up last. */
struct entity *entity_new(struct entity_table *table);

/* Steps the machine and does what it says. The entity may be gone afterwards; nothing is delivered
 * yet. */
void entity_run(struct entity *entity, const struct entity_event *event);
void entity_run_type(struct entity *entity, enum entity_event_type type);

/* What the machine's next SEND action sends; borrowed from the journal's callback. */
struct entity_page {
	const struct journal_any *snapshot; /* or the state of a value entity */
	uint64_t snapshot_sequence;
	const struct journal_event *events;
	size_t count;
};
void entity_run_page(struct entity *entity, const struct entity_event *event,
		     const struct entity_page *page);

/* A ticket joined the queue. */
void entity_watch_due(struct entity *entity, uint64_t deadline_ns);

/* Fails whoever waits and lets go of everything. */
void entity_free(struct entity *entity, enum status code, const char *text);

/* ---- entity_journal.c: the actions LOAD, APPEND and VERIFY ----------------------------------- */
/* Longest text of an event. */
#define ENTITY_DETAIL_MAX 512

void entity_journal_load(struct entity *entity);
/* Both take the current ticket and the reply at hand; expected is the head before. */
void entity_journal_append(struct entity *entity, const struct journal_head *expected);
void entity_journal_verify(struct entity *entity, const struct journal_head *expected);

struct journal_key entity_journal_key(const struct entity *entity);
uint64_t entity_journal_deadline(const struct entity *entity);

/* ---- entity_undecided.c --------------------------------------------------------------------- */
static inline struct entity_ticket *entity_undecided_oldest(const struct entity *entity)
{
	return list_is_empty(&entity->undecided)
		       ? NULL
		       : list_entry(entity->undecided.next, struct entity_ticket, node);
}

/* Takes the holder; NULL: there is no reply yet. Its bytes count as those of waiting commands. */
void entity_undecided_add(struct entity *entity, struct entity_ticket *ticket,
			  struct entity_holder *holder);

/* The journal's answer. The machine hears it now if the ticket is the oldest, else when it is. */
void entity_undecided_answered(struct entity_ticket *ticket, const struct entity_event *answer);
/* The same from within a step: never now. The text is a constant. */
void entity_undecided_keep(struct entity_ticket *ticket, const struct entity_event *answer);
/* Takes the answer of the oldest; false: it is not here yet. */
bool entity_undecided_next(const struct entity *entity, struct entity_event *ret_answer);

void entity_undecided_answer_oldest(struct entity *entity);
void entity_undecided_fail_oldest(struct entity *entity, enum status code, const char *text,
				  bool is_copied);
/* All of them, and the current one behind them, to the head of the queue. */
void entity_undecided_requeue(struct entity *entity);

/* One of the same name is under way, or it is too much already. */
bool entity_undecided_is_in_the_way(const struct entity *entity, const struct entity_ticket *next);

/* ---- entity_recall.c: the actions SEARCH and RECALL, and all about idempotency keys -----------
 */
/* The key to be kept with what the command writes; empty: none. */
struct span entity_recall_key(const struct entity_command *command);
/* Gives the ticket of a command with a key its id and its fingerprint. */
void entity_recall_identify(struct entity_ticket *ticket, const struct entity_command *command);

/* What is known of the head of the queue. */
enum entity_next entity_recall_next(const struct entity *entity);

/* The head was read, and what the window knows of before it is forgotten. */
void entity_recall_activated(struct entity *entity, uint64_t sequence);

/* What is to be kept with its reply; false: nothing, its command has no key. Borrowed until
 * the next call. */
bool entity_recall_keep(const struct entity_ticket *ticket, struct journal_idempotency *ret_kept);

/* Its command wrote. */
void entity_recall_written(struct entity *entity, struct entity_ticket *ticket);

void entity_recall_search(struct entity *entity);
/* Takes the head of the queue. */
void entity_recall_start(struct entity *entity);

#endif
