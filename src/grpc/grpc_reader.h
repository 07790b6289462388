#ifndef HEADGATE_SRC_GRPC_GRPC_READER_H
#define HEADGATE_SRC_GRPC_GRPC_READER_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/span.h"
#include "src/grpc/grpc_codec.h"

/* Takes messages out of the bytes of an HTTP/2 stream, for both sides of a call. Internal to
 * src/grpc. A message that fits GRPC_INPLACE_BYTES is waited for in the stream's own buffer and
 * handed out from there; a larger one is moved over piece by piece, so that the peer gets its
 * window back before the message is whole. */
struct buf;
struct error;
struct grpc_unpack;
struct h2_stream;
struct loop;

/* Must stay under the smallest stream window (64 KiB - 1), or a message could wait for bytes that
 * the window holds back. */
#define GRPC_INPLACE_BYTES ((size_t)32 * 1024)

struct grpc_reader {
	struct buf *partial_;	     /* NULL unless bytes were moved over */
	struct grpc_unpack *unpack_; /* NULL unless a packed message is at hand */
	size_t taken_;
	size_t max_message_bytes; /* packed and unpacked */
	bool has_gzip;		  /* messages may be packed */
};

/* Looks for the next whole message. DONE: borrowed until grpc_reader_take, which must follow. WORK:
 * a piece of it was unpacked; grpc_reader_wake, then ask again. BAD: err says why (see
 * grpc_frame_read, grpc_unpack_step). stream may be NULL when it is gone. */
enum grpc_frame_state grpc_reader_next(struct grpc_reader *reader, struct h2_stream *stream,
				       struct span *ret_message, struct error *err);

/* After WORK: calls back in the next turn, unless the message is let go before. */
void grpc_reader_wake(struct grpc_reader *reader, struct loop *loop, void (*on_turn)(void *data),
		      void *data);

/* Lets go of the message that next handed out. */
void grpc_reader_take(struct grpc_reader *reader, struct h2_stream *stream);

/* True when no byte waits. */
bool grpc_reader_is_empty(const struct grpc_reader *reader, const struct h2_stream *stream);

/* The stream goes away: moves over everything that is unread. */
void grpc_reader_keep(struct grpc_reader *reader, struct h2_stream *stream);

void grpc_reader_fini(struct grpc_reader *reader);

#endif
