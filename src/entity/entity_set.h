#ifndef HEADGATE_SRC_ENTITY_ENTITY_SET_H
#define HEADGATE_SRC_ENTITY_ENTITY_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/list.h"
#include "src/base/map.h"
#include "src/base/status.h"
#include "src/entity/entity_budget.h"
#include "src/runtime/loop.h"

/* What entity_table and crdt_table have in common: the entities that are awake by persistence id
 * and entity id, who is put to sleep, told of a new function, drained; and when callers are told.
 * Internal to src/entity. */
struct api_service;
struct entity_command;
struct entity_set;
struct metrics;
struct metrics_series;

#define TEXT_ACTIVE_FULL "Too many entities are active"
#define TEXT_QUEUE_FULL "Too many commands wait for this entity"

/* Told to callers who met a limit. */
#define ENTITY_RETRY_AFTER_MS 1000

struct entity_budget {
	struct loop *loop;
	struct userfn *userfn;
	struct entity_budget_limits limits;
	size_t active; /* members of all sets */
	size_t queued_bytes;
	struct list idle; /* struct entity_member without work, longest idle first */
	struct loop_task room;
	size_t room_wanted; /* streams asked for that may be too many for the function */
};

/* What all entities of one persistence id share. Kept until the set ends. */
struct entity_type {
	struct map_node node; /* key: persistence id, owned */
	char *name;
	struct metrics_series *active;
	struct metrics_series *activations;
	struct metrics_series *passivations;
	struct metrics_series *queue_full;
	struct metrics_series *replayed;
	struct metrics_series *snapshots;
	struct metrics_series *speculated;
	struct metrics_series *discarded;
};

/* The part of an entity that the set knows; the entity's first member. */
struct entity_member {
	struct map_node node;  /* key: persistence id, NUL, entity id */
	struct list idle_node; /* in the budget's sleep order while idle */
	struct entity_set *set;
	struct entity_type *type;
	const struct api_service *service; /* of the present activation; its api is referenced */
	uint64_t epoch;			   /* of the function, when the stream was asked for */
	bool is_stream_counted;
};

/* What a set has an entity do. */
enum entity_call { ENTITY_CALL_SLEEP, ENTITY_CALL_RENEW, ENTITY_CALL_STOP };

struct entity_set_ops {
	bool is_crdt; /* which services its entities belong to */
	void (*call)(struct entity_member *member, enum entity_call call);
	/* Tells the callers of all in set->done. */
	void (*deliver)(struct entity_set *set);
	/* Fails whoever waits with ST_UNAVAILABLE and the text, and frees the entity. */
	void (*free)(struct entity_member *member, const char *text);
};

struct entity_set {
	struct entity_budget *budget;
	const struct entity_set_ops *ops;
	struct loop *loop;     /* the budget's */
	struct userfn *userfn; /* the budget's */
	struct metrics *metrics;
	struct map members;
	struct map types;
	struct list done; /* what callers are to be told */
	struct loop_task deliver;
	size_t queued;
	uint64_t epoch; /* of the function; streams of earlier ones were told */
	bool is_draining;
	struct loop_task drained;
	void (*on_drained)(void *data);
	void *drained_data;
	struct metrics_series *streams;
	struct buf head; /* of the message being sent */
	struct buf name; /* key of the last look-up */
};

/* metrics may be NULL. */
void entity_set_init(struct entity_set *set, struct entity_budget *budget, struct metrics *metrics,
		     const struct entity_set_ops *ops);
/* Frees its entities and tells their callers. */
void entity_set_fini(struct entity_set *set);

/* Why a command of so many bytes cannot be taken; ST_OK: it can. */
enum status entity_set_check(const struct entity_set *set, size_t bytes, const char **ret_text);

/* The one a command is for; NULL: it has to be woken. False: there can be none of that name. */
bool entity_set_find(struct entity_set *set, const struct entity_command *command,
		     struct entity_member **ret_member);

/* Room for one more, putting the longest idle entity of all to sleep if it must be. */
bool entity_set_make_room(struct entity_set *set);

/* A command of so many bytes has joined or left a queue. */
void entity_set_queued(struct entity_set *set, size_t bytes);
void entity_set_unqueued(struct entity_set *set, size_t bytes);

/* The same of one that waits no more, but is not done either. */
void entity_set_hold(struct entity_set *set, size_t bytes);
void entity_set_release(struct entity_set *set, size_t bytes);

/* Has all that are done called back at the end of the turn: what the function is to do next is on
 * its way to it before callers are told. */
void entity_set_deliver(struct entity_set *set);

void entity_set_renew(struct entity_set *set);
void entity_set_drain(struct entity_set *set, void (*on_done)(void *data), void *data);

/* The next of all, in no order; NULL begins and ends. */
struct entity_member *entity_set_next(const struct entity_set *set, struct entity_member *member);

/* ---- members -------------------------------------------------------------------------------- */

/* The entity's block: size and room for the name of the last look-up, which becomes its key. */
void *entity_member_new(struct entity_set *set, size_t size);
/* Out of the set and freed; its streams and timers have ended. */
void entity_member_free(struct entity_member *member);

/* The persistence id, and the entity id. */
static inline struct span entity_member_type(const struct entity_member *member)
{
	return member->type->node.key;
}

static inline struct span entity_member_id(const struct entity_member *member)
{
	return span_skip(member->node.key, member->type->node.key.len + 1);
}

/* Its stream is about to be asked for: takes the newest description of its service (the function
 * may have come back with another one since the command was read), else the one given. */
void entity_member_activate(struct entity_member *member, const struct api_service *service);
/* Its stream was asked for: should the function take no more, an idle entity gives up its own, now
 * or as soon as there is one. Not before the channel was asked, whose turn comes first then. */
void entity_member_want_room(struct entity_member *member);

void entity_member_count_stream(struct entity_member *member, bool is_open);

/* Into the sleep order, or out of it. */
void entity_member_sort(struct entity_member *member, bool is_idle);

#endif
