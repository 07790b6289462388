#ifndef HEADGATE_SRC_EVENTING_EVENTING_H
#define HEADGATE_SRC_EVENTING_EVENTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/status.h"
#include "src/eventing/consumer.h"

/* The consumers that the function's description asks for: each method with a source is called with
 * its events, as clients call it. The partitions of a source are shared out among the members that
 * are UP; a partition that changes hands may repeat deliveries and never skips any.
 * Spec: cloudstate-protocol 6.4; docs/eventing.md. */
struct api;
struct buf;
struct error;
struct eventing;
struct feed;
struct journal;
struct loop;
struct members;
struct metrics;
struct router;
struct userfn;

struct eventing_limits {
	size_t parallel_max;   /* deliveries at once, per consumer; 64 */
	unsigned attempts_max; /* of an event, then it is put with the dead letters; 0: for ever */
	uint64_t backoff_min_ms;
	uint64_t backoff_max_ms;
	uint64_t timeout_ms; /* of one delivery */
	uint64_t poll_max_ms;
	uint64_t dead_letters_max; /* per consumer and partition */
};

/* All borrowed but limits. */
struct eventing_params {
	struct loop *loop;
	struct feed *feed;
	struct journal *journal;
	struct members *members;
	struct userfn *userfn;
	struct router *router;
	struct metrics *metrics; /* may be NULL */
	struct eventing_limits limits;
};

struct eventing *eventing_new(const struct eventing_params *params);

/* Whether the annotations of this API can be served: every finding is appended to reasons, one per
 * line, and err holds the first. */
MUST_CHECK enum status eventing_check(struct api *api, bool has_topics, struct buf *reasons,
				      struct error *err);

/* The function's API, its readiness, the journal's or the members changed. Harmless when not. */
void eventing_renew(struct eventing *eventing);

/* Nothing more is delivered; on_done comes once, when what was under way ended and is stored, not
 * from inside. */
typedef void (*eventing_done_fn)(void *data);
void eventing_drain(struct eventing *eventing, eventing_done_fn on_done, void *data);

/* Consumers, for /status; the lag of each goes into its metric. */
size_t eventing_count(const struct eventing *eventing);
void eventing_state(const struct eventing *eventing, size_t i, struct consumer_state *ret_state);

/* Cancels what is under way; it comes again after the next start. NULL is a no-op. */
void eventing_free(struct eventing *eventing);

#endif
