#ifndef HEADGATE_SRC_GRPC_METADATA_H
#define HEADGATE_SRC_GRPC_METADATA_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/arena.h"
#include "src/base/span.h"
#include "src/base/status.h"

/* Keys (lower case) and values of one call, in order, repeats allowed. Values of keys that end in
 * "-bin" are raw bytes here and base64 on the wire. Items live in the arena given to metadata_add.
 */
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

/* Copies key and value into the arena. ST_RESOURCE_EXHAUSTED past METADATA_ITEMS_MAX or the arena.
 */
MUST_CHECK enum status metadata_add(struct metadata *metadata, struct arena *arena, struct span key,
				    struct span value);
struct span metadata_get(const struct metadata *metadata, const char *key);

/* Everything of a header list that is metadata: not pseudo, not reserved; -bin values decoded
 * (comma-joined values split). Errors: ST_INVALID_ARGUMENT bad base64 naming the key. */
MUST_CHECK enum status metadata_from_headers(struct metadata *metadata, struct arena *arena,
					     const struct h2_headers *headers, struct error *err);

/* Adds the base64 values (either alphabet, padding optional, joined by commas) of a -bin header.
 * Errors: ST_INVALID_ARGUMENT naming the key. */
MUST_CHECK enum status metadata_add_binary(struct metadata *metadata, struct arena *arena,
					   struct span key, struct span text, struct error *err);

/* The way back: one header per item that is not reserved, -bin values as base64 without padding.
 * Values that cannot stand in a header (control characters) are left out. Keys are borrowed from
 * metadata, encoded values live in arena. Writes at most max headers, returns how many. */
struct h2_header;
size_t metadata_to_headers(const struct metadata *metadata, struct arena *arena,
			   struct h2_header *headers, size_t max);

#endif
