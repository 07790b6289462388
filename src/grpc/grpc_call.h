#ifndef HEADGATE_SRC_GRPC_GRPC_CALL_H
#define HEADGATE_SRC_GRPC_GRPC_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/span.h"
#include "src/base/status.h"
#include "src/grpc/metadata.h"

/* gRPC calls over HTTP/2 streams, both sides. Messages are asked for one at a time, so
 * back-pressure is the default: no read, no window. Exactly one final callback per call; none after
 * a cancel. No callback comes from inside a call of this header. */
struct channel;
struct h2_stream;
struct h2_headers;
struct loop;
struct error;

/* How a call ended. Spans are borrowed until the callback returns. */
struct grpc_status {
	enum status code;
	struct span message; /* decoded text */
	struct span
		details; /* serialized google.rpc.Status from grpc-status-details-bin, or empty */
	const struct metadata *trailers; /* may be NULL */
};

/* ---- client -------------------------------------------------------------------------------- */
struct grpc_client_call;

struct grpc_client_ops {
	/* The stream is open towards the peer; sends made earlier were queued. May be NULL. */
	void (*on_open)(void *data);
	/* Response head; may be NULL; not called for a trailers-only answer. */
	void (*on_headers)(void *data, const struct metadata *headers);
	/* One message per grpc_client_read. Borrowed until the callback returns. */
	void (*on_message)(void *data, struct span message);
	/* Sent bytes fell under the low water mark again. May be NULL. */
	void (*on_drained)(void *data);
	/* The end, whatever happened: grpc-status, or what a reset, a lost connection, a bad frame
	 * or the deadline means. was_sent is false when the peer can not have seen the call (safe
	 * to try again). The handle is gone when this returns. */
	void (*on_status)(void *data, const struct grpc_status *status, bool was_sent);
};

struct grpc_client_params {
	const char *path;		 /* "/pkg.Service/Method"; borrowed until start returns */
	const struct metadata *metadata; /* may be NULL; copied */
	uint64_t deadline_ns;		 /* DEADLINE_NEVER: none; sent as grpc-timeout */
	bool wait_for_ready;
	uint64_t open_deadline_ns; /* how long the stream may wait to be opened; DEADLINE_NEVER: as
				      deadline_ns */
	size_t max_message_bytes;  /* larger answers end the call with ST_RESOURCE_EXHAUSTED */
};

struct grpc_client_call *grpc_client_start(struct loop *loop, struct channel *channel,
					   const struct grpc_client_params *params,
					   const struct grpc_client_ops *ops, void *data);

/* Asks for the next message: one on_message, or on_status. Asking twice before it comes is our bug.
 */
void grpc_client_read(struct grpc_client_call *call);

/* Queues one message (copied, framed). ST_RESOURCE_EXHAUSTED when too much is unsent (see
 * h2_limits.max_unsent_bytes), ST_UNAVAILABLE when the call is over. */
MUST_CHECK enum status grpc_client_send(struct grpc_client_call *call, struct span message);

/* Like send for two pieces that are one message: saves a copy. */
MUST_CHECK enum status grpc_client_send2(struct grpc_client_call *call, struct span head,
					 struct span tail);
size_t grpc_client_unsent(const struct grpc_client_call *call);

/* No more messages from us. */
void grpc_client_half_close(struct grpc_client_call *call);

/* Resets the stream (CANCEL); no callback any more, the handle is gone. NULL is a no-op. */
void grpc_client_cancel(struct grpc_client_call *call);

/* A unary call: one message out, one in. on_done gets the reply (empty unless code is ST_OK). */
typedef void (*grpc_unary_fn)(void *data, const struct grpc_status *status, struct span reply);
struct grpc_unary;
struct grpc_unary *grpc_unary_start(struct loop *loop, struct channel *channel,
				    const struct grpc_client_params *params, struct span request,
				    grpc_unary_fn on_done, void *data);
void grpc_unary_cancel(struct grpc_unary *unary);

/* ---- server -------------------------------------------------------------------------------- */
struct grpc_server_call;

struct grpc_server_ops {
	/* One message per grpc_server_read. Borrowed until the callback returns. */
	void (*on_message)(void *data, struct span message);
	/* The client finished its half (after the last message was read). */
	void (*on_half_close)(void *data);
	void (*on_drained)(void *data); /* may be NULL */
	/* The client cancelled, the connection broke, the deadline passed or a frame was bad:
	 * whatever is sent now is lost. In the last two cases the answer has been sent. */
	void (*on_cancelled)(void *data, enum status why);
	/* Everything was sent and the stream is closed, or the call was cancelled: the very last
	 * callback, always; the handle is gone when it returns. */
	void (*on_finished)(void *data);
};

/* Turns a fresh server stream whose headers say gRPC into a call. max_message_bytes bounds what the
 * client sends. Headers are read now (timeout, encoding, metadata); a bad grpc-timeout or encoding
 * is answered here and NULL returned. */
struct grpc_server_call *grpc_server_accept(struct loop *loop, struct h2_stream *stream,
					    const struct h2_headers *headers,
					    size_t max_message_bytes,
					    const struct grpc_server_ops *ops, void *data);
const struct metadata *grpc_server_metadata(const struct grpc_server_call *call);
/* For an owner that takes out what clients must not set. */
struct metadata *grpc_server_mutable_metadata(struct grpc_server_call *call);
uint64_t grpc_server_deadline_ns(const struct grpc_server_call *call);

void grpc_server_read(struct grpc_server_call *call);

/* From now on replies of at least min_bytes are packed for a client that takes gzip. is_stream:
 * there may be several, so gzip is promised whatever the first one is. Before the first send;
 * without it nothing is packed. */
void grpc_server_pack(struct grpc_server_call *call, size_t min_bytes, bool is_stream);

/* Leading metadata; sent with the first message or the end. Only before the first send; copied. */
void grpc_server_set_headers(struct grpc_server_call *call, const struct metadata *headers);
MUST_CHECK enum status grpc_server_send(struct grpc_server_call *call, struct span message);
size_t grpc_server_unsent(const struct grpc_server_call *call);

/* Ends the call; trailers-only when nothing was sent. Then only on_finished follows. */
void grpc_server_finish(struct grpc_server_call *call, const struct grpc_status *status);

/* Sets or moves the deadline, for calls whose client named none. Passing it is like passing the
 * client's own. */
void grpc_server_set_deadline(struct grpc_server_call *call, uint64_t deadline_ns);

/* Resets the stream (CANCEL); no callback any more, the handle is gone. For shutdown, never within
 * a callback of the call. NULL is a no-op. */
void grpc_server_cancel(struct grpc_server_call *call);

/* Answers a stream that never becomes a call with trailers only (unknown method, refused). */
void grpc_server_refuse(struct h2_stream *stream, enum status code, struct span message);

#endif
