#ifndef HEADGATE_SUPPORT_C_CONTEXT_H
#define HEADGATE_SUPPORT_C_CONTEXT_H

#include "support/c/buf.h"
#include "support/c/error.h"
#include "support/c/protocol.h"
#include "support/c/scratch.h"

/* One run of one handler, of an entity or an action: what it may call, and where its answer is
 * collected. */

/* Longest text of a failure, with its NUL. */
#define HG_FAILURE_TEXT_MAX 512

/* Buffers that grew beyond this for one large reply are given back. */
#define HG_KEEP_BYTES ((size_t)1024 * 1024)

/* What one thread works with; used for one message at a time, whatever its stream. Do not move. */
struct hg_worker {
	struct hg_log log;
	size_t max_message_bytes;
	struct hg_scratch scratch;
	struct hg_buf action; /* fields of EventSourcedReply or ActionResponse, by field */
	struct hg_buf effects;
	struct hg_buf events; /* or the state action of a value entity */
	struct hg_buf snapshot;
	struct hg_buf crdt;	 /* the state action of a CRDT */
	struct hg_buf metadata;	 /* fields of cloudstate.Metadata, for the replies to come */
	struct hg_buf responses; /* of an action that streams: each after its uint32_t size */
	struct hg_buf failure;	 /* never grows: a failure can be told when memory is out */
	uint8_t head[HG_REPLY_HEAD_MAX];
	uint8_t tail[2]; /* a true bool */
};

/* Returns 0, or -1 when memory ran out; fini is safe in both cases. */
int hg_worker_init(struct hg_worker *worker, const struct hg_log *log, size_t max_message_bytes)
	__attribute__((warn_unused_result));
void hg_worker_fini(struct hg_worker *worker);

/* Forgets what was collected. */
void hg_worker_drop_answer(struct hg_worker *worker);

/* What becomes of the stream. */
enum hg_verdict {
	HG_READ_ON, /* nothing to send */
	HG_SEND,    /* send the answer, read on */
	HG_END,	    /* send the answer, if any, and close with OK */
	HG_ABORT    /* close with an error status */
};

/* The answer in pieces, to be joined; borrowed from the worker until it gets its next message. */
#define HG_OUT_PARTS 6
struct hg_out {
	struct headgate_bytes parts[HG_OUT_PARTS];
	size_t part_count;
	size_t size;
};

void hg_out_add(struct hg_out *out, const void *data, size_t size);

/* What a command did to the state of a value entity. */
enum hg_write { HG_WRITE_NONE, HG_WRITE_UPDATE, HG_WRITE_DELETE };

struct headgate_context {
	struct hg_worker *worker;
	struct hg_stream *stream;	   /* of an event sourced or value entity; else NULL */
	struct hg_crdt_run *crdt;	   /* of a CRDT; else NULL */
	struct headgate_bytes metadata;	   /* of the command, or the call of an action */
	struct headgate_bytes output_type; /* full name */
	const char *name;		   /* of the method */
	bool is_streaming;		   /* replies are sent one after the other */
	enum hg_envelope envelope;
	bool has_no_reply; /* not even the empty message; a later reply is one */
	/* entities */
	int64_t command_id;
	int64_t sequence_before;
	bool is_snapshotting;
	enum hg_write write; /* of a value entity */
	size_t written_size; /* of the value, the end of worker->events */
	/* actions; is_ended also of a streamed command of a CRDT */
	bool is_ended;
	bool is_waiting;
	int64_t wait_ms;
	/* how it went */
	bool has_failed;
	enum headgate_code code;
	char text[HG_FAILURE_TEXT_MAX];
	bool is_overridden;
	enum hg_verdict override;
};

/* What a handler gets: the decoded message, or the bytes when the row names no type; NULL when that
 * fails, for want of memory if the scratch says so. */
const void *hg_context_decode(struct hg_worker *worker, const ProtobufCMessageDescriptor *type,
			      const struct headgate_bytes *value);

/* Decodes a payload for a row of that type; NULL: the context has failed. */
const void *hg_context_decode_payload(struct headgate_context *context,
				      const ProtobufCMessageDescriptor *type,
				      const struct hg_any_view *payload);

/* As headgate_reply. */
int hg_context_reply(struct headgate_context *context, const struct hg_any *payload);

/* Puts the effects that no reply took along into a response of their own. */
int hg_context_flush_effects(struct headgate_context *context);

int64_t hg_context_command_id(const struct headgate_context *context);

/* For test functions that must misbehave: whatever the handler does, the outcome of its command is
 * `verdict`, and what is sent is a copy of `raw` as it stands. */
void hg_context_override(struct headgate_context *context, enum hg_verdict verdict,
			 struct headgate_bytes raw);

#endif
