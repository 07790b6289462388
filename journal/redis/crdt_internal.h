#ifndef HEADGATE_JOURNAL_REDIS_CRDT_INTERNAL_H
#define HEADGATE_JOURNAL_REDIS_CRDT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/crdt_log.h"
#include "journal/redis/internal.h"
#include "journal/redis/redis_crdt_log.h"
#include "src/base/list.h"
#include "src/base/map.h"
#include "src/runtime/loop.h"
#include "src/runtime/timer.h"

/* What redis_crdt_log.c, crdt_request.c and crdt_watch.c share. */
struct members;
struct metrics_series;
struct subscription;

/* Sixteen hexadecimal digits. */
#define CRDT_INCARNATION_TEXT 17
/* News that wait for a watcher to acknowledge them, over all entities; later ones are left to the
 * writer's repetition. */
#define CRDT_TICKETS_MAX ((size_t)65536)

enum { CRDT_RESULTS = 3 }; /* "ok", "erased", "error" */

struct redis_crdt_log {
	struct crdt_log base;
	struct loop *loop;
	struct redis_journal *journal;
	struct members *members;
	char own[CRDT_INCARNATION_TEXT];
	char *news_channel;
	char *ack_channel; /* ours */
	/* requests */
	struct list ops;     /* all that live */
	struct list waiting; /* durable, but not every member has it */
	struct map acks;     /* by the number that members acknowledge */
	uint64_t next_ack;
	struct timer repeat_timer;
	/* watches */
	bool is_asked_to_listen;
	struct address listened;	   /* where, or was last */
	struct subscription *subscription; /* NULL: not yet */
	struct map subjects;		   /* by "<type>/<id>" */
	struct list watches;		   /* struct redis_watch */
	struct list untold;		   /* those to be told that they may have missed news */
	struct timer tell_timer;
	struct timer bus_timer; /* cluster: to tell all again */
	struct map tickets;
	uint64_t next_ticket;
	/* readiness */
	redis_crdt_log_state_fn on_state;
	void *data;
	struct loop_task state_task;
	/* all NULL without metrics */
	struct metrics_series *appends[CRDT_RESULTS];
	struct metrics_series *reads[CRDT_RESULTS];
	struct metrics_series *append_seconds;
	struct metrics_series *news;
	struct metrics_series *listening;
};

static inline struct redis_crdt_log *redis_crdt_log_of(const struct crdt_log *log)
{
	return container_of(log, struct redis_crdt_log, base);
}

/* A position tells in its upper bits how often the connection had been lost: numbers of before may
 * have been lost with it and given again. */
#define CRDT_NUMBER_BITS 38
#define CRDT_NUMBER_MAX (((uint64_t)1 << CRDT_NUMBER_BITS) - 1)
#define CRDT_LOSSES_MAX (((uint64_t)1 << (64 - CRDT_NUMBER_BITS)) - 1)

static inline uint64_t crdt_position(const struct redis_crdt_log *log, uint64_t number)
{
	return log->journal->losses << CRDT_NUMBER_BITS | number;
}

/* crdt_request.c */
struct journal_request *redis_crdt_read(struct crdt_log *log, const struct journal_key *key,
					struct crdt_log_place after, uint64_t deadline_ns,
					crdt_log_read_fn on_done, void *data);
struct journal_request *redis_crdt_append(struct crdt_log *log, const struct journal_key *key,
					  const struct crdt_log_delta *delta, uint64_t deadline_ns,
					  crdt_log_done_fn on_done, void *data);
struct journal_request *redis_crdt_delete(struct crdt_log *log, const struct journal_key *key,
					  bool wants_all, uint64_t deadline_ns,
					  crdt_log_done_fn on_done, void *data);
struct journal_request *redis_crdt_compact(struct crdt_log *log, const struct journal_key *key,
					   const struct crdt_log_merged *merged,
					   uint64_t deadline_ns, crdt_log_done_fn on_done,
					   void *data);
/* The member acknowledged this number. */
void redis_crdt_acked(struct redis_crdt_log *log, uint64_t incarnation, uint64_t ack);
/* The view of the members is new, or only fresh. data is the log. */
void redis_crdt_on_members(void *data);
/* data is the log. */
void redis_crdt_on_repeat(void *data);
void redis_crdt_cancel_all(struct redis_crdt_log *log);

/* crdt_watch.c */
struct crdt_watch *redis_crdt_watch(struct crdt_log *log, const struct journal_key *key,
				    crdt_log_news_fn on_news, void *data);
void redis_crdt_unwatch(struct crdt_watch *watch);
void redis_crdt_ack(struct crdt_log *log, uint64_t ack);
/* A message on one of the two channels. */
void redis_crdt_heard(struct redis_crdt_log *log, struct span channel, struct span text);
/* News may have been missed: tells every watcher, in portions. */
void redis_crdt_tell_all(struct redis_crdt_log *log);
/* data is the log. */
void redis_crdt_on_tell(void *data);
void redis_crdt_free_watches(struct redis_crdt_log *log);

#endif
