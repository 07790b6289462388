#ifndef HEADGATE_SRC_ENTITY_METADATA_CODEC_H
#define HEADGATE_SRC_ENTITY_METADATA_CODEC_H

#include <stddef.h>
#include <stdint.h>

/* Metadata of a call as a cloudstate.Metadata. Values of -bin keys, and texts that are not UTF-8,
 * become bytes_value. Spec: cloudstate-protocol A.1, 2.6. */
struct metadata;

/* Bytes of the message; NULL is none. */
size_t metadata_codec_len(const struct metadata *metadata);

/* Writes so many bytes and returns where they end. */
uint8_t *metadata_codec_put(uint8_t *at, const struct metadata *metadata);

#endif
