#ifndef HEADGATE_SRC_GRPC_GRPC_UNPACK_H
#define HEADGATE_SRC_GRPC_GRPC_UNPACK_H

#include <stddef.h>

#include "src/base/span.h"
#include "src/grpc/grpc_codec.h"

/* One packed message on its way out of gzip, a piece per turn of the loop. Internal to src/grpc. */
struct error;
struct grpc_unpack;
struct loop;

struct grpc_unpack *grpc_unpack_new(size_t max_bytes);

/* Does one piece. packed is the whole packed message, the same bytes each time. DONE: the message,
 * borrowed from unpack. WORK: call again. BAD: ST_INTERNAL when it is no gzip,
 * ST_RESOURCE_EXHAUSTED when it is larger than max_bytes or grows like a bomb (GZIP_RATIO_MAX). */
enum grpc_frame_state grpc_unpack_step(struct grpc_unpack *unpack, struct span packed,
				       struct span *ret_message, struct error *err);

/* Calls back in the next turn, unless unpack is freed before. */
void grpc_unpack_wake(struct grpc_unpack *unpack, struct loop *loop, void (*on_turn)(void *data),
		      void *data);

/* NULL is a no-op. */
void grpc_unpack_free(struct grpc_unpack *unpack);

#endif
