#ifndef HEADGATE_JOURNAL_REDIS_REDIS_FEED_H
#define HEADGATE_JOURNAL_REDIS_REDIS_FEED_H

#include <stdint.h>

/* The feed, checkpoints and topics in the Redis of a journal, over its connection. */
struct feed;
struct journal;
struct loop;

/* Both borrowed. A request that has no answer after timeout_ms fails. feed_close comes before
 * journal_close. */
struct feed *redis_feed_open(struct loop *loop, struct journal *journal, uint64_t timeout_ms);

#endif
