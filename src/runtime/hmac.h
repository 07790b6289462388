#ifndef HEADGATE_SRC_RUNTIME_HMAC_H
#define HEADGATE_SRC_RUNTIME_HMAC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/span.h"

/* HMAC-SHA-256 under one key, by OpenSSL. Spec: RFC 2104 */
struct hmac;

#define HMAC_BYTES 32

/* The key is copied into the library's context. */
struct hmac *hmac_new(struct span key);
void hmac_free(struct hmac *hmac); /* NULL is a no-op */

void hmac_sign(struct hmac *hmac, struct span message, uint8_t ret_mac[HMAC_BYTES]);

/* In the same time wherever the first difference is. */
bool hmac_is_equal(const uint8_t a[HMAC_BYTES], const uint8_t b[HMAC_BYTES]);

#endif
