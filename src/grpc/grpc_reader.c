#include "src/grpc/grpc_reader.h"

#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/h2/h2.h"

static void grpc_reader_drop(struct grpc_reader *reader)
{
	if (!reader->partial_)
		return;
	buf_fini(reader->partial_);
	mem_free(reader->partial_);
	reader->partial_ = NULL;
}

/* Moves n bytes from the stream. The limit of the buf cannot be met: a frame is measured before its
 * bytes are moved, and keep makes room for what it moves. */
static void grpc_reader_move(struct grpc_reader *reader, struct h2_stream *stream, size_t n)
{
	bool is_added = buf_append(reader->partial_, span_head(h2_stream_peek(stream), n));

	BUG_ON(!is_added);
	h2_stream_consume(stream, n);
}

static void grpc_reader_begin(struct grpc_reader *reader, size_t max_bytes)
{
	reader->partial_ = mem_new(struct buf);
	buf_init(reader->partial_, max_bytes);
}

/* The front of what is moved over is a frame that is not whole: gets the missing bytes. */
static enum grpc_frame_state grpc_reader_gather(struct grpc_reader *reader,
						struct h2_stream *stream, struct span *ret_message,
						struct error *err)
{
	for (;;) {
		size_t n = 0;
		size_t waiting;
		enum grpc_frame_state state =
			grpc_frame_read(buf_span(reader->partial_), reader->max_message_bytes,
					ret_message, &n, err);

		reader->taken_ = n;
		if (state != GRPC_FRAME_MORE)
			return state;
		waiting = stream ? h2_stream_peek(stream).len : 0;
		if (waiting == 0)
			return GRPC_FRAME_MORE;
		grpc_reader_move(reader, stream, n < waiting ? n : waiting);
	}
}

enum grpc_frame_state grpc_reader_next(struct grpc_reader *reader, struct h2_stream *stream,
				       struct span *ret_message, struct error *err)
{
	enum grpc_frame_state state;
	struct span waiting;
	size_t n = 0;

	if (reader->partial_)
		return grpc_reader_gather(reader, stream, ret_message, err);
	waiting = stream ? h2_stream_peek(stream) : SPAN_EMPTY;
	state = grpc_frame_read(waiting, reader->max_message_bytes, ret_message, &n, err);
	reader->taken_ = n;
	if (state != GRPC_FRAME_MORE || waiting.len < GRPC_FRAME_HEAD_BYTES ||
	    waiting.len + n <= GRPC_INPLACE_BYTES)
		return state;
	grpc_reader_begin(reader, GRPC_FRAME_HEAD_BYTES + reader->max_message_bytes);
	grpc_reader_move(reader, stream, waiting.len);
	return GRPC_FRAME_MORE;
}

void grpc_reader_take(struct grpc_reader *reader, struct h2_stream *stream)
{
	if (!reader->partial_) {
		h2_stream_consume(stream, reader->taken_);
		return;
	}
	buf_consume(reader->partial_, reader->taken_);
	if (buf_len(reader->partial_) == 0)
		grpc_reader_drop(reader);
}

bool grpc_reader_is_empty(const struct grpc_reader *reader, const struct h2_stream *stream)
{
	return !reader->partial_ && (!stream || h2_stream_peek(stream).len == 0);
}

void grpc_reader_keep(struct grpc_reader *reader, struct h2_stream *stream)
{
	struct buf *old = reader->partial_;
	size_t waiting = h2_stream_peek(stream).len;

	if (waiting == 0)
		return;
	grpc_reader_begin(reader, waiting + (old ? buf_len(old) : 0));
	if (old) {
		bool is_added = buf_append(reader->partial_, buf_span(old));

		BUG_ON(!is_added);
		buf_fini(old);
		mem_free(old);
	}
	grpc_reader_move(reader, stream, waiting);
}

void grpc_reader_fini(struct grpc_reader *reader)
{
	grpc_reader_drop(reader);
}
