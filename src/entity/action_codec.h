#ifndef HEADGATE_SRC_ENTITY_ACTION_CODEC_H
#define HEADGATE_SRC_ENTITY_ACTION_CODEC_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/buf.h"
#include "src/base/span.h"
#include "src/entity/entity_codec.h"

/* The messages of an action call, straight to and from the wire, without a copy of payloads.
 * Spec: cloudstate-protocol A.3, 2.6; ruling R17. */
struct metadata;

/* A call with one request: everything. A stream of requests: first names and metadata without a
 * payload, then payloads without names. */
struct action_command {
	struct span service_name; /* full; empty: not the first message */
	struct span name;	  /* of the method, bare */
	/* NULL: none, yet the field is there as an empty message. Values of -bin keys, and texts
	 * that are not UTF-8, become bytes_value. */
	const struct metadata *metadata;
	struct span input_name; /* full name of the payload's type; empty: no payload */
	struct span type_url;	/* instead of that of input_name; empty: that one */
	size_t payload_len;
};

/* Puts the beginning of an ActionCommand into head (emptied first), so that head and the given
 * payload bytes after it are the whole message. False: names and metadata are longer than
 * ENTITY_HEAD_BYTES_MAX or the message longer than the wire allows. */
bool action_put_command(struct buf *head, const struct action_command *command);

/* Reads one ActionResponse: kind is REPLY, or GARBAGE when it is malformed. An empty response is
 * ENTITY_NONE. */
void action_response_parse(struct span message, struct entity_out *ret_out);

#endif
