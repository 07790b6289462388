#ifndef HEADGATE_SRC_ENTITY_CRDT_ENTITY_H
#define HEADGATE_SRC_ENTITY_CRDT_ENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/crdt_log.h"
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/base/list.h"
#include "src/base/map.h"
#include "src/crdt/crdt.h"
#include "src/entity/crdt_codec.h"
#include "src/entity/crdt_fsm.h"
#include "src/entity/crdt_table.h"
#include "src/entity/entity_set.h"
#include "src/entity/entity_stream.h"
#include "src/runtime/loop.h"
#include "src/runtime/timer.h"

/* What the files crdt_*.c share. Internal to src/entity.
 *
 *   entity_set     all that are awake: the map, sleep order, drain; shared with other kinds
 *   crdt_table     limits, members, and commands taken in
 *   crdt_entity    the shell of one machine: executes its actions, reports what happened
 *   crdt_value     the value: its log, and what the function knows of it
 *   crdt_rebase    a value that was written anew in the log takes the place of the one here
 *   crdt_ticket    one command from submit to its last reply, and the order of replies
 *
 * Order of a step as in entity.h: event, actions, then deliveries. */
struct api_method;
struct metrics_series;

/* What becomes of a message: it goes to the caller of a ticket. Stands in its entity's outbox until
 * everything before it is durable, then in the table's done list. */
struct crdt_item {
	struct list node;
	struct crdt_ticket *ticket; /* NULL: nobody waits for it */
	struct crdt_write *write;   /* NULL: none, or durable */
	bool is_last;
	enum status code; /* ST_OK: the message out; else a failure with text */
	const char *text; /* a constant, or in bytes */
	uint64_t retry_after_ms;
	struct buf bytes;    /* the message */
	struct crdt_out out; /* borrows from bytes */
};

/* A change on its way into the log. */
struct crdt_write {
	struct list node; /* of the entity's writes */
	struct crdt_entity *entity;
	struct crdt_item *item; /* NULL: its caller was told something else */
	struct journal_request *request;
	uint64_t start_ns;
	uint64_t deadline_ns;
	size_t len;
	struct span update; /* of the function; in the item, later in kept */
	struct buf kept;
	bool wants_all;
	bool is_delete;
	bool is_stale;		     /* waits to be done anew, on the value that is adopted */
	enum journal_result decided; /* without the log; JOURNAL_CONFLICT: not */
};

struct crdt_ticket {
	struct list node;     /* in the entity's queue */
	struct list due;      /* in the entity's sent or cancelling */
	struct map_node sent; /* in the entity's calls; key: the bytes of call.id */
	struct crdt_table *table;
	struct crdt_entity *entity; /* NULL: its last item is in the done list */
	struct crdt_fsm_call call;
	crdt_reply_fn on_reply; /* NULL: forgotten */
	void *data;
	const struct api_method *method; /* its api is referenced */
	uint64_t deadline_ns;		 /* in the queue; then of the function's answer */
	size_t payload_len;
	size_t metadata_len;
	uint8_t payload[]; /* and metadata behind it */
};

/* What it keeps in the queue. */
static inline size_t crdt_ticket_bytes(const struct crdt_ticket *ticket)
{
	return ticket->payload_len + ticket->metadata_len;
}

/* To be acknowledged once the log is read up to position. */
struct crdt_ack {
	struct list node;
	uint64_t ack;
	uint64_t position;
};

struct crdt_entity {
	struct entity_member member;
	struct crdt_table *table;
	struct crdt_fsm fsm;
	struct entity_stream stream;
	struct crdt_item *message; /* at hand */
	struct list queue;	   /* struct crdt_ticket */
	struct map calls;	   /* struct crdt_ticket that were sent */
	struct list sent;	   /* unanswered, oldest first */
	struct list cancelling;	   /* likewise */
	struct list outbox;	   /* struct crdt_item */
	size_t outbox_len;
	/* crdt_value.c */
	struct crdt *crdt; /* NULL: no stream */
	struct crdt_watch *watch;
	struct journal_request *read;
	struct journal_request *compaction;
	struct journal_request *repair;
	struct list writes;
	struct list acks;
	uint64_t position;   /* read up to here */
	uint64_t generation; /* of the log as it was read: that of next, if there is one, or crdt */
	struct crdt *next;   /* of another generation than crdt, whose place it takes */
	struct loop_task rebase_task;
	bool is_next_whole;  /* read to the end */
	bool is_rebasing;    /* what the function changes is held until next is adopted */
	bool is_adopted;     /* and the function not told yet */
	bool is_fresh;	     /* nobody has looked how many replicas it names */
	bool is_collapsing;  /* compaction is of a value that was written anew */
	size_t deltas_since; /* after the merged state in the log, about */
	size_t delta_bytes_since;
	/* timers */
	uint64_t due_ns; /* of the machine's timer; the timer itself may be late */
	struct timer timer;
	struct timer queue_timer; /* earliest deadline in queue, sent or cancelling, or earlier */
	struct timer news_timer;
	bool is_reading; /* the stream was asked for a message */
	bool is_stepping;
	bool is_gone;
};

struct crdt_table {
	struct entity_set set; /* done: struct crdt_item */
	struct crdt_log *log;
	struct members *members;
	struct crdt_limits limits;
	struct crdt_fsm_config config;
	size_t streams;
	struct buf delta;	/* being sent or appended */
	struct span *addresses; /* of members UP; borrowed from the view */
	size_t address_count;
	uint64_t members_version; /* that entities were told of */
	struct metrics_series *streams_active;
	struct error error; /* of the step at hand */
	struct span effects[ENTITY_REPLY_EFFECTS_MAX];
};

/* Events that follow from actions of a step; more than any step can cause. */
#define CRDT_FOLLOW_MAX 8

struct crdt_follow {
	struct crdt_event events[CRDT_FOLLOW_MAX];
	size_t count;
};

/* ---- crdt_ticket.c -------------------------------------------------------------------------- */
struct crdt_ticket *crdt_ticket_new(struct crdt_table *table, const struct entity_command *command,
				    crdt_reply_fn on_reply, void *data);
void crdt_ticket_enqueue(struct crdt_ticket *ticket, struct crdt_entity *entity);
void crdt_ticket_leave_queue(struct crdt_ticket *ticket);
/* Out of the queue, sent as id. */
void crdt_ticket_sent(struct crdt_ticket *ticket, uint64_t id);
struct crdt_ticket *crdt_ticket_find(const struct crdt_entity *entity, uint64_t id);

/* The last that this ticket hears, before anything of it in the outbox. text: see crdt_item. The
 * item, which is yet to be delivered, may be added to. */
struct crdt_item *crdt_ticket_fail(struct crdt_ticket *ticket, enum status code, const char *text,
				   bool is_copied);
/* Without a message; in its turn. */
void crdt_ticket_end(struct crdt_ticket *ticket);

struct crdt_item *crdt_item_new(struct crdt_table *table);
void crdt_item_free(struct crdt_item *item);
void crdt_outbox_push(struct crdt_entity *entity, struct crdt_item *item);
/* Hands over what nothing stands before any more. */
void crdt_outbox_flush(struct crdt_entity *entity);
void crdt_outbox_clear(struct crdt_entity *entity);
void crdt_outbox_remove(struct crdt_entity *entity, struct crdt_item *item);

/* For the set: calls back for all that are done. */
void crdt_table_deliver_now(struct entity_set *set);

/* ---- crdt_value.c --------------------------------------------------------------------------- */
/* For LOAD, READ, READ_LATER, CANCEL_READ. */
void crdt_value_load(struct crdt_entity *entity);
void crdt_value_read(struct crdt_entity *entity);
void crdt_value_read_later(struct crdt_entity *entity);
void crdt_value_cancel_read(struct crdt_entity *entity);
/* The change of the message at hand, which is taken; what is decided at once goes into follow. */
void crdt_value_change(struct crdt_entity *entity, const struct crdt_act *act,
		       struct crdt_follow *follow);
/* For TELL and SEND_INIT: the delta into table->delta; *ret_has_delta false: none. */
enum status crdt_value_put(struct crdt_entity *entity, bool is_init, bool *ret_has_delta,
			   struct error *err) MUST_CHECK;
/* No stream, no value. Writes go on. */
void crdt_value_drop(struct crdt_entity *entity);
/* And writes neither. */
void crdt_value_fini(struct crdt_entity *entity);
/* Whether it has a part that shows how many members there are. */
bool crdt_value_counts_members(const struct crdt_entity *entity);

/* The delta in table->delta, which is the write's. */
void crdt_value_append(struct crdt_entity *entity, struct crdt_write *write);
/* The write is over: what the log said, or what was decided without it. data is the write. */
void crdt_value_on_written(void *data, const struct crdt_log_result *result);

/* ---- crdt_rebase.c -------------------------------------------------------------------------- */
void crdt_rebase_init(struct crdt_entity *entity);
/* What is read belongs to another generation: it is gathered in next. */
void crdt_rebase_begin(struct crdt_entity *entity, uint64_t generation);
/* The log is read to its end. */
void crdt_rebase_read(struct crdt_entity *entity);
/* The log refused the change, for it is of another generation by now. False: nothing can be done
 * about it here. */
bool crdt_rebase_hold(struct crdt_entity *entity, struct crdt_write *write,
		      const struct crdt_log_result *result);
/* Looks again, at the end of the turn. */
void crdt_rebase_look(struct crdt_entity *entity);
/* What is held fails. */
void crdt_rebase_fail(struct crdt_entity *entity);
/* The same, for the value is dropped. */
void crdt_rebase_drop(struct crdt_entity *entity);
void crdt_rebase_fini(struct crdt_entity *entity);

/* ---- crdt_entity.c -------------------------------------------------------------------------- */
/* Of the name that the set looked up last. */
struct crdt_entity *crdt_entity_new(struct crdt_table *table);

/* Steps the machine and does what it says. The entity may be gone afterwards; nothing is delivered
 * yet. */
void crdt_entity_run(struct crdt_entity *entity, const struct crdt_event *event);
void crdt_entity_run_type(struct crdt_entity *entity, enum crdt_event_type type);

/* A deadline came closer. */
void crdt_entity_watch_due(struct crdt_entity *entity, uint64_t deadline_ns);

/* Asks for the function's next message if there is room for it. */
void crdt_entity_read(struct crdt_entity *entity);

/* Fails whoever waits and lets go of everything. */
void crdt_entity_free(struct crdt_entity *entity, enum status code, const char *text);

/* ---- crdt_table.c --------------------------------------------------------------------------- */
/* Those that are UP; borrowed until the next turn. */
struct crdt_members crdt_table_members(struct crdt_table *table);

#endif
