#ifndef HEADGATE_JOURNAL_REDIS_SLOT_H
#define HEADGATE_JOURNAL_REDIS_SLOT_H

#include <stdint.h>

#include "src/base/span.h"

/* Hash slots of Redis Cluster: which of its nodes serves a key. Spec: redis.io, "Redis cluster
 * specification", key distribution model and hash tags. */

#define SLOT_COUNT 16384U
/* Of what any node may serve: publications. */
#define SLOT_ANY 0xffffU

/* CRC16 (XMODEM) of what stands between the first '{' and the next '}', if anything does, else of
 * the whole key, modulo SLOT_COUNT. */
uint16_t slot_of_key(struct span key);

/* Of all keys of a partition: the tag is its number. */
uint16_t slot_of_partition(unsigned partition);

#endif
