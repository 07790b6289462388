#ifndef HEADGATE_TESTS_FAKES_FAKE_FEED_H
#define HEADGATE_TESTS_FAKES_FAKE_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/feed.h"

/* A feed in memory: one source, one partition, one consumer's checkpoint. Answers come at the end
 * of a turn. Entries have one event each, whose data is "<entity><sequence>". */
struct loop;

#define FAKE_FEED_MAX 512

struct fake_entry {
	char entity[16];
	uint64_t sequence;
	uint64_t mark;
	enum feed_found found;
};

struct fake_feed {
	struct feed base;
	struct loop *loop;
	struct fake_entry entries[FAKE_FEED_MAX]; /* position 1 at index 0 */
	size_t count;
	struct feed_checkpoint stored;
	size_t stores;
	size_t reads;
	bool is_away;	      /* every request fails */
	bool is_load_failing; /* those for the checkpoint do */
	/* dead letters: "<data>:<dl.attempts>:<dl.reason>" */
	char letters[8][128];
	size_t letter_count;
	size_t requests; /* that live */
};

void fake_feed_init(struct fake_feed *fake, struct loop *loop);
void fake_feed_add(struct fake_feed *fake, const char *entity, uint64_t sequence);
struct feed *fake_feed_base(struct fake_feed *fake);

#endif
