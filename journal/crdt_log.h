#ifndef HEADGATE_JOURNAL_CRDT_LOG_H
#define HEADGATE_JOURNAL_CRDT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/journal.h"
#include "src/base/span.h"

/* Where the replicas of a CRDT meet. Every entity has a log of deltas (bytes that src/crdt makes;
 * nothing here looks into them), numbered 1, 2, 3 and so on in the order Redis took them, and now
 * and then a merged state that stands for all deltas up to its position, which are then trimmed.
 * Appending never conflicts, for merges commute; a delta that is appended twice because its reply
 * was lost does no harm, for merges are idempotent.
 *
 * All of that holds within one generation of the log. A state that is written anew (replicas that
 * are gone take no room in it) begins another one: nothing of before may be merged with it. So a
 * read tells the generation of what it gives, and appends and states of another one are refused.
 * Generations are drawn, never counted, so none comes again when Redis loses its newest writes.
 *
 * A delta is durable when its append reported JOURNAL_OK, in the sense of the journal's durability
 * class. Other members hear of it at once by a subscription on a second connection; when that was
 * interrupted, every watcher is called, so nothing is missed.
 *
 * Positions grow, and may be compared, but are not counted with: when the connection to Redis was
 * lost, newest deltas may be lost with it (docs/journal-format.md, durability), and their numbers
 * come again. Positions of before are smaller than all of after, and who reads from one of them
 * gets everything there is.
 *
 * Every request gets exactly one callback, never from inside the call that started it, and none
 * after journal_cancel. Spec: ruling R14; cloudstate-protocol 6.3; docs/journal-format.md. */
struct crdt_log;
struct crdt_watch;
struct error;

/* One delta, and a merged state. Redis holds both in memory, and so do all members. */
#define CRDT_LOG_DELTA_MAX ((size_t)4 * 1024 * 1024)
#define CRDT_LOG_STATE_MAX ((size_t)16 * 1024 * 1024)
/* Deltas handed over by one read; is_more tells of others. */
#define CRDT_LOG_PAGE ((size_t)256)

/* Opened by redis_crdt_log_open. Cancels what is pending (no callbacks). NULL is a no-op. */
void crdt_log_close(struct crdt_log *log);

/* ---- read: the merged state if it is newer than `after`, then deltas ------------------------- */
struct crdt_log_content {
	enum journal_result result; /* OK; ERASED: the entity is deleted, for ever; ERROR */
	struct span state;	    /* data NULL: none newer than `after` */
	const struct span *deltas;  /* in order, without a gap: from the state, else from `after` */
	size_t delta_count;
	uint64_t position; /* of the last one given; `after` when there is nothing new */
	uint64_t generation;
	bool is_anew; /* of another generation: the reader lets go of all it has, and begins with
			 this, which is from the beginning */
	bool is_more; /* read again from position */
	bool is_lost; /* Redis holds less than was read before: what the reader has
			 beyond it should be appended once more */
	const struct error *error; /* ERROR only */
};
/* Spans are borrowed until the callback returns. generation: that of what the reader has; with
 * nothing yet, CRDT_LOG_FIRST and position 0. */
#define CRDT_LOG_FIRST ((uint64_t)0)
struct crdt_log_place {
	uint64_t position;
	uint64_t generation;
};
typedef void (*crdt_log_read_fn)(void *data, const struct crdt_log_content *content);
struct journal_request *crdt_log_read(struct crdt_log *log, const struct journal_key *key,
				      struct crdt_log_place after, uint64_t deadline_ns,
				      crdt_log_read_fn on_done, void *data);

/* ---- append, delete -------------------------------------------------------------------------- */
struct crdt_log_result {
	enum journal_result result; /* OK; ERASED: the entity is deleted; CONFLICT: the log is of
				       another generation; ERROR */
	uint64_t position;	    /* OK: of this delta. Others may stand between it and what the
				       caller has read */
	bool is_durable;	    /* ERROR: it is, but not every member has it (wants_all) */
	bool is_outcome_unknown;    /* ERROR: it may be. CONFLICT: it may have been, when its first
				       reply was lost, and is in what stands there now */
	const struct error *error;  /* ERROR only */
};
typedef void (*crdt_log_done_fn)(void *data, const struct crdt_log_result *result);

struct crdt_log_delta {
	struct span bytes;
	uint64_t generation; /* of the state it was made of */
	bool wants_all;	     /* done when every member that is UP after it became durable has told
				that it read so far, or is no member any more */
};
struct journal_request *crdt_log_append(struct crdt_log *log, const struct journal_key *key,
					const struct crdt_log_delta *delta, uint64_t deadline_ns,
					crdt_log_done_fn on_done, void *data);

/* Removes log and state and leaves a tombstone, whatever the generation. Deleting twice is OK. */
struct journal_request *crdt_log_delete(struct crdt_log *log, const struct journal_key *key,
					bool wants_all, uint64_t deadline_ns,
					crdt_log_done_fn on_done, void *data);

/* Replaces the merged state when `position` is beyond that of the stored one, and trims the deltas
 * up to it. position: as crdt_log_read gave it, and state has all that it read (not that of an own
 * append: deltas of others may stand before it). ERROR with ST_ABORTED when the connection was lost
 * since: read again first. Losing this changes nothing but the cost of the next read.
 *
 * With another `next` than the generation the state is one that was written anew. It is taken only
 * if its position is the last there is; if not, the result is CONFLICT. Its writer, too, reads it
 * back before it appends. */
struct crdt_log_merged {
	struct span state;
	struct crdt_log_place place;
	uint64_t next; /* generation from now on: that of place, or a new one, drawn */
};
struct journal_request *crdt_log_compact(struct crdt_log *log, const struct journal_key *key,
					 const struct crdt_log_merged *merged, uint64_t deadline_ns,
					 crdt_log_done_fn on_done, void *data);

/* ---- watch ----------------------------------------------------------------------------------- */
/* Something was appended, or the entity deleted, or it may have been while nobody listened: read.
 * position is that of the news, 0 when unknown; ack is 0, or to be given to crdt_log_ack once the
 * watcher has read so far. Own appends are not told. */
typedef void (*crdt_log_news_fn)(void *data, uint64_t position, uint64_t ack);
/* key is copied. Watch first, then read: so nothing falls between. News of keys nobody here watches
 * are acknowledged by the log itself: who wakes such an entity reads everything anyhow. */
struct crdt_watch *crdt_log_watch(struct crdt_log *log, const struct journal_key *key,
				  crdt_log_news_fn on_news, void *data);
void crdt_log_ack(struct crdt_log *log, uint64_t ack);
/* Acknowledges what is open, for nothing is held here any more. NULL is a no-op. */
void crdt_log_unwatch(struct crdt_watch *watch);

/* ---- for implementations: redis/ and the fake of the tests ----------------------------------- */
struct crdt_log_ops {
	struct journal_request *(*read)(struct crdt_log *, const struct journal_key *,
					struct crdt_log_place, uint64_t, crdt_log_read_fn, void *);
	struct journal_request *(*append)(struct crdt_log *, const struct journal_key *,
					  const struct crdt_log_delta *, uint64_t, crdt_log_done_fn,
					  void *);
	struct journal_request *(*remove)(struct crdt_log *, const struct journal_key *, bool,
					  uint64_t, crdt_log_done_fn, void *);
	struct journal_request *(*compact)(struct crdt_log *, const struct journal_key *,
					   const struct crdt_log_merged *, uint64_t,
					   crdt_log_done_fn, void *);
	struct crdt_watch *(*watch)(struct crdt_log *, const struct journal_key *, crdt_log_news_fn,
				    void *);
	void (*ack)(struct crdt_log *, uint64_t);
	void (*unwatch)(struct crdt_watch *);
	void (*close)(struct crdt_log *);
};

/* First members of every implementation. */
struct crdt_log {
	const struct crdt_log_ops *ops;
};
struct crdt_watch {
	struct crdt_log *log;
};

#endif
