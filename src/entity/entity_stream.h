#ifndef HEADGATE_SRC_ENTITY_ENTITY_STREAM_H
#define HEADGATE_SRC_ENTITY_ENTITY_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/span.h"
#include "src/base/status.h"

/* One handle call to the function, seen as messages that may be more than the transport takes at
 * once. Embedded in its entity. */
struct channel;
struct entity_backlog;
struct grpc_client_call;
struct grpc_status;
struct loop;

struct entity_stream_ops {
	void (*on_open)(void *data);
	void (*on_message)(void *data, struct span message); /* one per entity_stream_read */
	/* Everything sent so far is under the transport's low water mark. */
	void (*on_drained)(void *data);
	/* The end; not after entity_stream_reset. */
	void (*on_status)(void *data, const struct grpc_status *status);
};

struct entity_stream {
	struct grpc_client_call *call; /* NULL: none */
	const struct entity_stream_ops *ops;
	void *data;
	struct loop *loop_;
	struct entity_backlog *backlog_; /* what the transport had no room for; mostly NULL */
};

struct entity_stream_params {
	struct loop *loop;
	struct channel *channel;
	const char *path; /* a literal: "/package.Service/handle" */
	uint64_t open_deadline_ns;
	size_t max_message_bytes;
};

void entity_stream_open(struct entity_stream *stream, const struct entity_stream_params *params,
			const struct entity_stream_ops *ops, void *data);

/* head and tail are one message; copied. False when even the backlog has no room. */
bool entity_stream_send(struct entity_stream *stream, struct span head, struct span tail);

/* Nothing stands in the way of more: what on_drained would say. */
bool entity_stream_is_drained(const struct entity_stream *stream);

void entity_stream_read(struct entity_stream *stream);
void entity_stream_half_close(struct entity_stream *stream);

/* Drops it; no callback any more. Harmless without a call. */
void entity_stream_reset(struct entity_stream *stream);

#endif
