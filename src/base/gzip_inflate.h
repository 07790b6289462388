#ifndef HEADGATE_SRC_BASE_GZIP_INFLATE_H
#define HEADGATE_SRC_BASE_GZIP_INFLATE_H

#include <stdbool.h>

#include "src/base/buf.h"
#include "src/base/span.h"

/* Unpacks one whole gzip member into out, whose maximum bounds the result. False when packed is
 * malformed, cut short or followed by something, or when out is full. Spec: RFC 1952 */
bool gzip_inflate(struct span packed, struct buf *out);

#endif
