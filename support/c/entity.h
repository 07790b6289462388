#ifndef HEADGATE_SUPPORT_C_ENTITY_H
#define HEADGATE_SUPPORT_C_ENTITY_H

#include "support/c/buf.h"
#include "support/c/error.h"
#include "support/c/protocol.h"
#include "support/c/scratch.h"
#include "support/c/type.h"

/* One event sourced entity on one stream: bytes of a message in, bytes of the answer out. No I/O,
 * so tests need no network. */

/* Longest text of a failure, with its NUL. */
#define HG_FAILURE_TEXT_MAX 512

/* What one thread works with; used for one message at a time, whatever its stream. Do not move. */
struct hg_worker {
	struct hg_log log;
	size_t max_message_bytes;
	struct hg_scratch scratch;
	struct hg_buf action; /* fields of EventSourcedReply, by field */
	struct hg_buf effects;
	struct hg_buf events;
	struct hg_buf snapshot;
	struct hg_buf failure; /* never grows: a failure can be told when memory is out */
	uint8_t head[HG_REPLY_HEAD_MAX];
};

/* Returns 0, or -1 when memory ran out; fini is safe in both cases. */
int hg_worker_init(struct hg_worker *worker, const struct hg_log *log, size_t max_message_bytes)
	__attribute__((warn_unused_result));
void hg_worker_fini(struct hg_worker *worker);

/* What becomes of the stream. */
enum hg_verdict {
	HG_READ_ON, /* nothing to send */
	HG_SEND,    /* send the answer, read on */
	HG_END,	    /* send the answer, if any, and close with OK */
	HG_ABORT    /* close with an error status */
};

/* The answer in pieces, to be joined; borrowed from the worker until it gets its next message. */
#define HG_OUT_PARTS 5
struct hg_out {
	struct headgate_bytes parts[HG_OUT_PARTS];
	size_t part_count;
	size_t size;
};

struct hg_stream;

/* Types are borrowed while the stream lives. NULL when memory ran out. */
struct hg_stream *hg_stream_new(const struct hg_type *const *types, size_t type_count);
void hg_stream_free(struct hg_stream *stream);

/* Handles one EventSourcedStreamIn. Any bytes are fit for it. */
enum hg_verdict hg_stream_receive(struct hg_stream *stream, struct hg_worker *worker,
				  struct headgate_bytes message, struct hg_out *ret_out);

int64_t hg_context_command_id(const struct headgate_context *context);

/* For test functions that must misbehave: whatever the handler does, the outcome of its command is
 * `verdict`, and what is sent is a copy of `raw` as it stands. */
void hg_context_override(struct headgate_context *context, enum hg_verdict verdict,
			 struct headgate_bytes raw);

#endif
