#ifndef HEADGATE_SRC_GRPC_METADATA_H
#define HEADGATE_SRC_GRPC_METADATA_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/arena.h"
#include "src/base/span.h"
#include "src/base/status.h"

/* Keys (lower case) and values of one call, in order, repeats allowed. Values of keys that end in
 * "-bin" are raw bytes here and base64 on the wire. Items live in the arena given to metadata_add. */
struct metadata_item {
	struct span key;
	struct span value;
};

struct metadata {
	struct metadata_item *items;
	size_t count;
	size_t capacity_;
};

/* At most this many items per call (the header list limit bounds their bytes). */
#define METADATA_ITEMS_MAX 256

struct h2_headers;
struct error;

/* Copies key and value into the arena. ST_RESOURCE_EXHAUSTED past METADATA_ITEMS_MAX or the arena. */
MUST_CHECK enum status metadata_add(struct metadata *metadata, struct arena *arena, struct span key,
				    struct span value);
struct span metadata_get(const struct metadata *metadata, const char *key);

/* Everything of a header list that is metadata: not pseudo, not reserved; -bin values decoded
 * (comma-joined values split). Errors: ST_INVALID_ARGUMENT bad base64 naming the key. */
MUST_CHECK enum status metadata_from_headers(struct metadata *metadata, struct arena *arena,
					     const struct h2_headers *headers, struct error *err);

#endif
