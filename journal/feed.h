#ifndef HEADGATE_JOURNAL_FEED_H
#define HEADGATE_JOURNAL_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/span.h"
#include "src/base/status.h"

/* What happened, in order, for consumers: the change feed of a type in one partition (a pointer for
 * each append or put), and topics, which are streams of CloudEvents. Both are read from a position
 * that the consumer keeps here, too. The contract:
 *
 * 1. Positions begin at 1 and grow by one; 0 is before the first. A position never changes what it
 *    stands for, except when the journal lost its newest entries: then reading from a checkpoint
 *    behind them is a regression, and is said so instead of being passed over.
 * 2. Order is that of the entries; per entity it is that of its events.
 * 3. Nothing here makes a delivery exactly once. Store the checkpoint after the work.
 * 4. Every request gets exactly one callback, never from inside the call that started it, and none
 *    after feed_cancel.
 *
 * Spec: docs/journal-format.md, "Feed, offsets, topics, dead letters". */
struct error;
struct feed;
struct feed_request;
struct journal_any;

/* Entries of one page; Redis is busy while it reads them. */
#define FEED_PAGE_MAX ((size_t)64)
/* Attributes of a message: those of CloudEvents 1.0 and some extensions. */
#define FEED_ATTRIBUTES_MAX ((size_t)64)
/* Attributes and data of a message together. */
#define FEED_MESSAGE_BYTES_MAX ((size_t)4 * 1024 * 1024)
/* What a dead letter may say beside its message, however large that is: else it could not be put
 * away, and would hold up its entity for ever. */
#define FEED_LETTER_EXTRA_MAX ((size_t)64 * 1024)

enum feed_kind {
	FEED_EVENT_LOG, /* of a persistence id, in one partition */
	FEED_TOPIC,	/* whole; its partition is feed_topic_partition */
};

struct feed_source {
	enum feed_kind kind;
	struct span name; /* persistence id or topic, raw */
	unsigned partition;
};

/* How many partitions an event log has. */
#define FEED_PARTITIONS 64U
unsigned feed_topic_partition(struct span topic);

/* Until where a consumer is done. */
struct feed_checkpoint {
	uint64_t position; /* 0: nothing yet */
	uint64_t mark;	   /* of the entry there; 0: not known */
};

struct feed_entry {
	uint64_t position;
	uint64_t mark;	    /* tells entries with the same position apart */
	struct span entity; /* raw id; of a topic: the subject, perhaps empty */
	uint64_t last;	    /* event log: sequence of the last event of the append */
	uint64_t count;	    /* and how many; 0: a state was put, or the entity erased */
};

struct feed_page {
	/* The checkpoint is behind the newest entry, or something else stands there. */
	bool is_regressed;
	uint64_t head;	  /* position of the newest entry; 0: none */
	uint64_t skipped; /* entries after the checkpoint that were trimmed before it was read */
	const struct feed_entry *entries; /* borrowed until the callback returns */
	size_t count;
};

/* page is NULL with an error. */
typedef void (*feed_page_fn)(void *data, const struct feed_page *page, const struct error *error);
/* Up to count entries after the checkpoint, at most FEED_PAGE_MAX. */
struct feed_request *feed_read(struct feed *feed, const struct feed_source *source,
			       const struct feed_checkpoint *after, size_t count,
			       feed_page_fn on_page, void *data);

/* One attribute of a CloudEvent, named as in the specification ("id", "datacontenttype"). */
struct feed_attribute {
	struct span name;
	struct span value;
};

enum feed_found {
	FEED_FOUND,
	FEED_STATE,   /* event log: no event, a value entity's state was put or deleted */
	FEED_ERASED,  /* event log: the entity was erased with all its events */
	FEED_TRIMMED, /* not there any more */
};

/* Borrowed until the callback returns. */
struct feed_message {
	enum feed_found found;
	/* event log */
	struct span type_url;
	uint64_t wall_ms;
	/* topic */
	const struct feed_attribute *attributes;
	size_t attribute_count;
	/* both */
	struct span data;
};

typedef void (*feed_message_fn)(void *data, const struct feed_message *message,
				const struct error *error);
/* What an entry stands for; of an event log: the event with this sequence, one of
 * entry->last - entry->count + 1 .. entry->last; any with count 0. */
struct feed_request *feed_fetch(struct feed *feed, const struct feed_source *source,
				const struct feed_entry *entry, uint64_t sequence,
				feed_message_fn on_message, void *data);

/* ---- checkpoints, of a consumer (group) of a source ------------------------------------------ */
typedef void (*feed_checkpoint_fn)(void *data, const struct feed_checkpoint *checkpoint,
				   const struct error *error);
struct feed_request *feed_load_checkpoint(struct feed *feed, const struct feed_source *source,
					  struct span consumer, feed_checkpoint_fn on_loaded,
					  void *data);

/* error NULL: done. Resent when its reply was lost. */
typedef void (*feed_done_fn)(void *data, const struct error *error);
struct feed_request *feed_store_checkpoint(struct feed *feed, const struct feed_source *source,
					   struct span consumer,
					   const struct feed_checkpoint *checkpoint,
					   feed_done_fn on_done, void *data);

/* A regression is looked at and accepted: the consumer goes on behind what is the newest entry now.
 * A gateway whose consumer stopped notices within a second. */
struct feed_request *feed_accept_regression(struct feed *feed, const struct feed_source *source,
					    struct span consumer, feed_done_fn on_done, void *data);

/* ---- topics and dead letters ------------------------------------------------------------------
 */
enum feed_target {
	FEED_TO_TOPIC,
	FEED_TO_DEAD_LETTERS, /* of a consumer, in a partition */
};

struct feed_addition {
	enum feed_target target;
	struct span name; /* topic or consumer */
	unsigned partition;
	uint64_t length_max; /* about so many of the newest entries stay */
	const struct feed_attribute *attributes;
	size_t attribute_count; /* at most FEED_ATTRIBUTES_MAX */
	struct span data;
};

/* As feed_store_checkpoint; after a lost reply the entry may stand there twice. Everything is
 * borrowed until the call returns. */
struct feed_request *feed_add(struct feed *feed, const struct feed_addition *addition,
			      feed_done_fn on_done, void *data);

/* No callback any more. The handle is gone. NULL is a no-op. */
void feed_cancel(struct feed *feed, struct feed_request *request);

/* After all requests ended or were cancelled. NULL is a no-op. */
void feed_close(struct feed *feed);

/* ---- for implementations: redis/ and the fake of the tests ------------------------------------
 */
struct feed_ops {
	struct feed_request *(*read)(struct feed *, const struct feed_source *,
				     const struct feed_checkpoint *, size_t, feed_page_fn, void *);
	struct feed_request *(*fetch)(struct feed *, const struct feed_source *,
				      const struct feed_entry *, uint64_t, feed_message_fn, void *);
	struct feed_request *(*load_checkpoint)(struct feed *, const struct feed_source *,
						struct span, feed_checkpoint_fn, void *);
	struct feed_request *(*store_checkpoint)(struct feed *, const struct feed_source *,
						 struct span, const struct feed_checkpoint *,
						 feed_done_fn, void *);
	struct feed_request *(*accept_regression)(struct feed *, const struct feed_source *,
						  struct span, feed_done_fn, void *);
	struct feed_request *(*add)(struct feed *, const struct feed_addition *, feed_done_fn,
				    void *);
	void (*cancel)(struct feed *, struct feed_request *);
	void (*close)(struct feed *);
};

/* First member of every implementation. */
struct feed {
	const struct feed_ops *ops;
};

#endif
