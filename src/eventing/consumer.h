#ifndef HEADGATE_SRC_EVENTING_CONSUMER_H
#define HEADGATE_SRC_EVENTING_CONSUMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/feed.h"
#include "src/base/span.h"
#include "src/base/status.h"
#include "src/eventing/window.h"

/* One consumer: reads its source in the partitions that are its share, gives the events to
 * whoever delivers them, at least once, in order per entity, and stores checkpoints after success.
 * What fails is retried with growing waits and then put with the dead letters. A consumer whose
 * checkpoint is behind the end of its source (the journal lost entries) stops there, until somebody
 * accepted that (feed_accept_regression). */
struct consumer;
struct error;
struct loop;
struct metrics;

/* What is to be delivered; borrowed until the call returns. */
struct consumer_event {
	const struct feed_source *source;
	struct span entity;
	uint64_t position;
	uint64_t sequence;
	const struct feed_message *message;
};

/* The end of a delivery. ST_OK: done. message: borrowed until it returns. */
typedef void (*consumer_delivered_fn)(void *cookie, enum status status, struct span message);

struct consumer_ops {
	/* False: not now; consumer_wake says when. */
	bool (*is_ready)(void *data);
	/* Starts a delivery; on_delivered comes once, never from inside. NULL: it can never be
	 * delivered, err says why. */
	void *(*deliver)(void *data, const struct consumer_event *event,
			 consumer_delivered_fn on_delivered, void *cookie, struct error *err);
	/* No callback any more. */
	void (*cancel)(void *data, void *delivery);
};

struct consumer_params {
	struct loop *loop;
	struct feed *feed;
	struct metrics *metrics; /* may be NULL */
	enum feed_kind kind;
	struct span source; /* copied, as the next */
	struct span group;
	const struct consumer_ops *ops;
	void *data;
	struct window_policy policy;
	size_t parallel_max;  /* deliveries at once */
	uint64_t poll_max_ms; /* longest wait between looks at a quiet source */
	uint64_t dead_letters_max;
};

struct consumer *consumer_new(const struct consumer_params *params);

/* Which partitions are its share from now on: those of bit 1. Deliveries in progress in others
 * end first. A topic has only its own partition. */
void consumer_share(struct consumer *consumer, uint64_t partitions);

/* is_ready may answer something else now. */
void consumer_wake(struct consumer *consumer);

/* Nothing more is begun, whatever is shared; consumer_is_idle once the rest is done and stored. */
void consumer_stop(struct consumer *consumer);
bool consumer_is_idle(const struct consumer *consumer);

struct consumer_state {
	enum feed_kind kind;
	struct span source;
	struct span group;
	unsigned partitions; /* that are read here */
	uint64_t lag;	     /* entries in them that are not done */
	size_t busy;	     /* deliveries */
	uint64_t regressed;  /* partitions where it has stopped */
};
void consumer_state(const struct consumer *consumer, struct consumer_state *ret_state);

/* Cancels what is in progress; it will come again. NULL is a no-op. */
void consumer_free(struct consumer *consumer);

#endif
