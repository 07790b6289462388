#ifndef HEADGATE_SUPPORT_C_ENTITY_H
#define HEADGATE_SUPPORT_C_ENTITY_H

#include "support/c/context.h"
#include "support/c/type.h"

/* One entity, event sourced or value, on one stream: bytes of a message in, bytes of the answer
 * out. No I/O, so tests need no network. */

struct hg_stream;

/* Types are borrowed while the stream lives. NULL when memory ran out. */
struct hg_stream *hg_stream_new(const struct hg_type *const *types, size_t type_count,
				bool is_value);
void hg_stream_free(struct hg_stream *stream);

/* Handles one EventSourcedStreamIn or ValueEntityStreamIn. Any bytes are fit for it. */
enum hg_verdict hg_stream_receive(struct hg_stream *stream, struct hg_worker *worker,
				  struct headgate_bytes message, struct hg_out *ret_out);

#endif
