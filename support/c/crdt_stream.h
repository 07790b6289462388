#ifndef HEADGATE_SUPPORT_C_CRDT_STREAM_H
#define HEADGATE_SUPPORT_C_CRDT_STREAM_H

#include "support/c/context.h"
#include "support/c/crdt_type.h"

/* One CRDT entity on one stream: bytes of a message in, bytes of the answers out. No I/O, so tests
 * need no network. A message may have several answers, since others who listen are told of a
 * change: they are made one by one, when the one before is sent, so that nothing is collected. */

struct hg_crdt_stream;

/* Types are borrowed while the stream lives. NULL when memory ran out. */
struct hg_crdt_stream *hg_crdt_stream_new(const struct hg_crdt_type *const *types,
					  size_t type_count);
void hg_crdt_stream_free(struct hg_crdt_stream *stream);

/* Handles one CrdtStreamIn. Any bytes are fit for it. */
enum hg_verdict hg_crdt_stream_receive(struct hg_crdt_stream *stream, struct hg_worker *worker,
				       struct headgate_bytes message, struct hg_out *ret_out);

/* There may be another answer: call hg_crdt_stream_next before the next message. */
bool hg_crdt_stream_has_more(const struct hg_crdt_stream *stream);

/* HG_READ_ON: that was all. */
enum hg_verdict hg_crdt_stream_next(struct hg_crdt_stream *stream, struct hg_worker *worker,
				    struct hg_out *ret_out);

/* Of a context of such a stream. */
const char *hg_crdt_entity_id(const struct headgate_context *context);

#endif
