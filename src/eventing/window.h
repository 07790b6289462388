#ifndef HEADGATE_SRC_EVENTING_WINDOW_H
#define HEADGATE_SRC_EVENTING_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/feed.h"
#include "src/base/list.h"
#include "src/base/span.h"

/* What a consumer has read of a source and is not done with: which entry may be delivered now, when
 * a failed one comes again, and up to where everything is done. Pure: no I/O, no clock.
 *
 *   WAITING --take--> BUSY --done--> DONE --all before it are done--> gone
 *      ^                |
 *      +-- again at ----+   fail: retry, or BURY when the attempts are used up; then it is BUSY
 *                           until it was put with the dead letters
 *
 * Entries of one entity are delivered in their order, one at a time: an entry is not taken before
 * those of its entity that were pushed earlier are done. */

/* Entries held at once; a slow or failing entity holds the checkpoint back by so many at most. */
#define WINDOW_ENTRIES_MAX ((size_t)256)

enum window_state { WINDOW_WAITING, WINDOW_BUSY, WINDOW_DONE };

struct window_entry {
	struct list node_;
	struct feed_entry entry; /* entity is owned by the window */
	uint64_t sequence;	 /* the next event of it to deliver; owner moves it on */
	enum window_state state;
	unsigned attempts;	/* that failed, of the present event */
	bool is_to_be_buried;	/* the attempts are used up */
	uint64_t not_before_ns; /* WAITING */
	uint64_t entity_hash_;
	struct window_entry *before_; /* of the same entity, not done; it is waited for */
	void *owner;		      /* for whoever delivers */
};

struct window {
	struct list entries_;
	size_t count; /* read only: entries that are not gone */
	size_t busy;  /* read only */
	struct feed_checkpoint done;
};

struct window_policy {
	unsigned attempts_max; /* 0: for ever */
	uint64_t backoff_min_ns;
	uint64_t backoff_max_ns;
};

/* Everything up to done was dealt with before. */
void window_init(struct window *window, const struct feed_checkpoint *done);

/* Forgets all entries. */
void window_fini(struct window *window);

bool window_has_room(const struct window *window);

/* The entry follows those before it. Only with room. */
struct window_entry *window_push(struct window *window, const struct feed_entry *entry);

/* The first entry that may be delivered, BUSY now; NULL when there is none. */
struct window_entry *window_take(struct window *window, uint64_t now_ns);

/* When window_take has something again that it has not now for the sake of a retry;
 * DEADLINE_NEVER when only the end of a busy entry can bring it. */
uint64_t window_wake_ns(const struct window *window, uint64_t now_ns);

/* The present event is delivered (or buried, or is to be passed over); false when the entry has
 * more of them: it is WAITING for them then. */
bool window_done(struct window *window, struct window_entry *entry);

/* Delivery failed. True: WAITING again, after a growing wait between half of it and all of it
 * (random: any number). False: the attempts are used up, or is_final; it is to be buried now. */
bool window_fail(struct window *window, struct window_entry *entry,
		 const struct window_policy *policy, bool is_final, uint64_t now_ns,
		 uint64_t random);

/* It was taken but nothing was attempted: WAITING until then. */
void window_put_back(struct window *window, struct window_entry *entry, uint64_t not_before_ns);

#endif
