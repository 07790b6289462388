#ifndef HEADGATE_SRC_BASE_CHECKSUM_H
#define HEADGATE_SRC_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/span.h"

/* Sums over files that are kept: whether they are whole, not who wrote them. */

/* CRC-32C. Spec: RFC 3720 B.4 */
uint32_t checksum_crc32c(struct span bytes);

/* SHA-256 of what is given in pieces. Spec: FIPS 180-4 */
#define CHECKSUM_SHA256_BYTES 32
struct checksum_sha256 {
	uint32_t state_[8];
	uint64_t bytes_;
	uint8_t block_[64];
};
void checksum_sha256_init(struct checksum_sha256 *sum);
void checksum_sha256_add(struct checksum_sha256 *sum, struct span bytes);
/* Ends it: only an init may follow. */
void checksum_sha256_final(struct checksum_sha256 *sum, uint8_t out[CHECKSUM_SHA256_BYTES]);

#endif
