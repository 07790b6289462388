#ifndef HEADGATE_SRC_RUNTIME_DIGEST_H
#define HEADGATE_SRC_RUNTIME_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/span.h"

/* SHA-256. The adapter of the library that computes it. */
#define DIGEST_SHA256_BYTES ((size_t)32)

/* Of all parts, each behind its length (8 bytes, big endian): so no two different lists of parts
 * have the same input. Aborts when the library cannot do it, which is a broken installation. */
void digest_sha256_parts(const struct span *parts, size_t count,
			 uint8_t ret_digest[DIGEST_SHA256_BYTES]);

#endif
