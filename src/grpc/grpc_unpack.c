#include "src/grpc/grpc_unpack.h"

#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/base/gzip.h"
#include "src/base/mem.h"
#include "src/runtime/timer.h"

struct grpc_unpack {
	struct gzip_reader *gzip;
	struct buf out;
	size_t max_bytes;
	size_t used; /* of the packed message */
	struct timer turn;
	bool has_turn;
};

struct grpc_unpack *grpc_unpack_new(size_t max_bytes)
{
	struct grpc_unpack *unpack = mem_new(struct grpc_unpack);

	unpack->gzip = gzip_reader_new();
	unpack->max_bytes = max_bytes;
	/* A piece is always asked for whole. */
	buf_init(&unpack->out, max_bytes + GZIP_PIECE_BYTES);
	return unpack;
}

enum grpc_frame_state grpc_unpack_step(struct grpc_unpack *unpack, struct span packed,
				       struct span *ret_message, struct error *err)
{
	size_t before = buf_len(&unpack->out);
	size_t used = 0;
	enum parse_result result = gzip_reader_feed(unpack->gzip, span_skip(packed, unpack->used),
						    &used, &unpack->out);

	unpack->used += used;
	if (buf_len(&unpack->out) > unpack->max_bytes)
		(void)error_set(err, ST_RESOURCE_EXHAUSTED,
				"the unpacked message is larger than the limit of %zu bytes",
				unpack->max_bytes);
	else if (result == PARSE_BAD && gzip_reader_is_bomb(unpack->gzip))
		(void)error_set(err, ST_RESOURCE_EXHAUSTED,
				"the message grows more than %d times when it is unpacked",
				GZIP_RATIO_MAX);
	else if (result == PARSE_BAD ||
		 (result == PARSE_MORE && used == 0 && buf_len(&unpack->out) == before))
		(void)error_set(err, ST_INTERNAL, "the packed message is not whole gzip");
	else if (result == PARSE_MORE)
		return GRPC_FRAME_WORK;
	else {
		*ret_message = buf_span(&unpack->out);
		return GRPC_FRAME_DONE;
	}
	return GRPC_FRAME_BAD;
}

void grpc_unpack_wake(struct grpc_unpack *unpack, struct loop *loop, void (*on_turn)(void *data),
		      void *data)
{
	if (!unpack->has_turn)
		timer_init(&unpack->turn, loop, on_turn, data);
	unpack->has_turn = true;
	timer_start_in(&unpack->turn, 0);
}

void grpc_unpack_free(struct grpc_unpack *unpack)
{
	if (!unpack)
		return;
	if (unpack->has_turn)
		timer_stop(&unpack->turn);
	gzip_reader_free(unpack->gzip);
	buf_fini(&unpack->out);
	mem_free(unpack);
}
