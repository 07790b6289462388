#ifndef HEADGATE_SRC_ENTITY_CRDT_CODEC_H
#define HEADGATE_SRC_ENTITY_CRDT_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/span.h"
#include "src/entity/entity_codec.h"

/* The messages of the stream of a CRDT entity, straight to and from the wire, without a copy of
 * payloads. Deltas are opaque here: src/crdt reads and writes them.
 * Spec: cloudstate-protocol A.5, A.1. */

/* ---- out: each puts the beginning of a CrdtStreamIn into head (emptied first), so that head and
 * the given bytes after it are the whole message. False: the names are longer than
 * ENTITY_HEAD_BYTES_MAX or the message longer than the wire allows. ---------------------------- */

/* has_delta: a CrdtDelta of delta_len bytes is the tail; else head is the whole message. */
bool crdt_codec_put_init(struct buf *head, struct span service_name, struct span entity_id,
			 bool has_delta, size_t delta_len);
bool crdt_codec_put_delta(struct buf *head, size_t delta_len);
bool crdt_codec_put_delete(struct buf *head);
bool crdt_codec_put_command(struct buf *head, const struct entity_put_command *command,
			    bool is_streamed);
bool crdt_codec_put_stream_cancelled(struct buf *head, struct span entity_id, uint64_t id);

/* ---- in ------------------------------------------------------------------------------------- */
enum crdt_out_kind {
	CRDT_OUT_REPLY,
	CRDT_OUT_STREAMED,  /* streamed_message */
	CRDT_OUT_CANCELLED, /* stream_cancelled_response */
	CRDT_OUT_FAILURE,
	CRDT_OUT_GARBAGE, /* empty, unknown or malformed */
};

/* What the function did to the value. */
enum crdt_change { CRDT_CHANGE_NONE, CRDT_CHANGE_UPDATE, CRDT_CHANGE_DELETE };

/* One CrdtStreamOut. Spans are borrowed from the message. */
struct crdt_out {
	enum crdt_out_kind kind;
	bool is_streamed; /* REPLY: more may follow */
	bool is_end;	  /* STREAMED: the last one */
	enum crdt_change change;
	bool wants_all;		   /* write consistency ALL */
	struct span update;	   /* CrdtDelta, perhaps empty: that is for src/crdt to refuse */
	struct entity_out message; /* command_id, client action, side effects */
};

/* Reads a whole message; the last occurrence of a field counts. A state action without an action
 * is GARBAGE, for it says that something changed and not what (C-50). */
void crdt_codec_parse(struct span message, struct crdt_out *ret_out);

#endif
