#include "src/grpc/grpc_reader.h"

#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/grpc/grpc_unpack.h"
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

/* grpc_frame_read; what is missing, or is to be taken, goes into taken_. */
static enum grpc_frame_state grpc_reader_look(struct grpc_reader *reader, struct span input,
					      struct span *ret_message, bool *ret_is_packed,
					      struct error *err)
{
	reader->taken_ = 0;
	if (reader->has_gzip)
		return grpc_frame_read_any(input, reader->max_message_bytes, ret_message,
					   &reader->taken_, ret_is_packed, err);
	return grpc_frame_read(input, reader->max_message_bytes, ret_message, &reader->taken_, err);
}

/* The front of what is moved over is a frame that is not whole: gets the missing bytes. */
static enum grpc_frame_state grpc_reader_gather(struct grpc_reader *reader,
						struct h2_stream *stream, struct span *ret_message,
						bool *ret_is_packed, struct error *err)
{
	for (;;) {
		size_t n;
		size_t waiting;
		enum grpc_frame_state state = grpc_reader_look(reader, buf_span(reader->partial_),
							       ret_message, ret_is_packed, err);

		n = reader->taken_;
		if (state != GRPC_FRAME_MORE)
			return state;
		waiting = stream ? h2_stream_peek(stream).len : 0;
		if (waiting == 0)
			return GRPC_FRAME_MORE;
		grpc_reader_move(reader, stream, n < waiting ? n : waiting);
	}
}

/* The next frame, packed or not. */
static enum grpc_frame_state grpc_reader_frame(struct grpc_reader *reader, struct h2_stream *stream,
					       struct span *ret_message, bool *ret_is_packed,
					       struct error *err)
{
	enum grpc_frame_state state;
	struct span waiting;

	if (reader->partial_)
		return grpc_reader_gather(reader, stream, ret_message, ret_is_packed, err);
	waiting = stream ? h2_stream_peek(stream) : SPAN_EMPTY;
	state = grpc_reader_look(reader, waiting, ret_message, ret_is_packed, err);
	if (state != GRPC_FRAME_MORE || waiting.len < GRPC_FRAME_HEAD_BYTES ||
	    waiting.len + reader->taken_ <= GRPC_INPLACE_BYTES)
		return state;
	grpc_reader_begin(reader, GRPC_FRAME_HEAD_BYTES + reader->max_message_bytes);
	grpc_reader_move(reader, stream, waiting.len);
	return GRPC_FRAME_MORE;
}

enum grpc_frame_state grpc_reader_next(struct grpc_reader *reader, struct h2_stream *stream,
				       struct span *ret_message, struct error *err)
{
	bool is_packed = false;
	struct span message;
	enum grpc_frame_state state = grpc_reader_frame(reader, stream, &message, &is_packed, err);

	if (state == GRPC_FRAME_DONE && is_packed) {
		if (!reader->unpack_)
			reader->unpack_ = grpc_unpack_new(reader->max_message_bytes);
		return grpc_unpack_step(reader->unpack_, message, ret_message, err);
	}
	if (state == GRPC_FRAME_DONE)
		*ret_message = message;
	return state;
}

void grpc_reader_wake(struct grpc_reader *reader, struct loop *loop, void (*on_turn)(void *data),
		      void *data)
{
	grpc_unpack_wake(reader->unpack_, loop, on_turn, data);
}

static void grpc_reader_drop_unpack(struct grpc_reader *reader)
{
	grpc_unpack_free(reader->unpack_);
	reader->unpack_ = NULL;
}

void grpc_reader_take(struct grpc_reader *reader, struct h2_stream *stream)
{
	grpc_reader_drop_unpack(reader);
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
	grpc_reader_drop_unpack(reader);
	grpc_reader_drop(reader);
}
