#ifndef HEADGATE_SRC_BASE_HASH_H
#define HEADGATE_SRC_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/span.h"

/* XXH64 with seed 0: stable for ever, used where a hash is stored or shared between processes
 * (journal partitions, ownership). */
uint64_t hash_stable(struct span bytes);

/* XXH64 of a NUL b without building the string. */
uint64_t hash_stable_pair(struct span a, struct span b);

/* XXH64 of all parts, joined by NUL. */
uint64_t hash_stable_parts(const struct span *parts, size_t count);

/* A hash seeded at random once per process; for tables in memory only. */
uint64_t hash_seeded(struct span bytes);

/* Random bytes from the kernel; aborts when the kernel has none to give. */
void hash_random(void *out, size_t n);

#endif
