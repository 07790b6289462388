#include "src/entity/entity_stream.h"

#include <string.h>

#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/grpc/grpc_call.h"
#include "src/runtime/timer.h"

/* The transport refuses what would pass its own limit of unsent bytes. A page of large events may
 * well pass it, and is only borrowed, so the rest of the page waits here; the next page is not
 * asked for before this one has left. */

/* The transport tells when it has drained once it held more than this. Spec: src/h2/h2.h */
#define STREAM_DRAINED_BYTES ((size_t)64 * 1024)

/* One page of 256 events of 1 MiB. Larger ones break the stream: such an entity needs snapshots. */
#define STREAM_BACKLOG_MAX ((size_t)256 * 1024 * 1024)
#define STREAM_RETRY_MS 5

struct entity_backlog {
	struct buf messages; /* each after its length (4 bytes, in host order) */
	struct timer retry;
};

static void on_retry(void *data);

static void drop_backlog(struct entity_stream *stream)
{
	if (!stream->backlog_)
		return;
	timer_stop(&stream->backlog_->retry);
	buf_fini(&stream->backlog_->messages);
	mem_free(stream->backlog_);
	stream->backlog_ = NULL;
}

static bool put_aside(struct entity_stream *stream, struct span head, struct span tail)
{
	uint32_t len = (uint32_t)(head.len + tail.len);
	struct buf *messages;

	if (!stream->backlog_) {
		stream->backlog_ = mem_new(struct entity_backlog);
		buf_init(&stream->backlog_->messages, STREAM_BACKLOG_MAX);
		timer_init(&stream->backlog_->retry, stream->loop_, on_retry, stream);
		timer_start_in(&stream->backlog_->retry, STREAM_RETRY_MS);
	}
	messages = &stream->backlog_->messages;
	if (!buf_reserve(messages, sizeof(len) + len))
		return false;
	return buf_append(messages, span_make(&len, sizeof(len))) && buf_append(messages, head) &&
	       buf_append(messages, tail);
}

static void send_backlog(struct entity_stream *stream)
{
	struct span all;
	uint32_t len;

	if (!stream->backlog_)
		return;
	while ((all = buf_span(&stream->backlog_->messages)).len > sizeof(len) && all.data) {
		memcpy(&len, all.data, sizeof(len));
		if (grpc_client_send(stream->call, span_make(all.data + sizeof(len), len)) != ST_OK)
			return; /* room comes, or the end does */
		buf_consume(&stream->backlog_->messages, sizeof(len) + len);
	}
	drop_backlog(stream);
}

static void on_drained(void *data)
{
	struct entity_stream *stream = data;

	send_backlog(stream);
	if (entity_stream_is_drained(stream))
		stream->ops->on_drained(stream->data);
}

static void on_retry(void *data)
{
	struct entity_stream *stream = data;

	timer_start_in(&stream->backlog_->retry, STREAM_RETRY_MS);
	on_drained(data);
}

static void on_open(void *data)
{
	struct entity_stream *stream = data;

	stream->ops->on_open(stream->data);
}

static void on_message(void *data, struct span message)
{
	struct entity_stream *stream = data;

	stream->ops->on_message(stream->data, message);
}

static void on_status(void *data, const struct grpc_status *status, bool was_sent)
{
	struct entity_stream *stream = data;

	(void)was_sent; /* before on_open nothing was, after it everything may have been */
	stream->call = NULL;
	drop_backlog(stream);
	stream->ops->on_status(stream->data, status);
}

static const struct grpc_client_ops call_ops = {
	.on_open = on_open,
	.on_message = on_message,
	.on_drained = on_drained,
	.on_status = on_status,
};

void entity_stream_open(struct entity_stream *stream, const struct entity_stream_params *params,
			const struct entity_stream_ops *ops, void *data)
{
	struct grpc_client_params call = {
		.path = params->path,
		.deadline_ns = DEADLINE_NEVER,
		.open_deadline_ns = params->open_deadline_ns,
		.max_message_bytes = params->max_message_bytes,
	};

	BUG_ON(stream->call);
	stream->ops = ops;
	stream->data = data;
	stream->loop_ = params->loop;
	stream->call = grpc_client_start(params->loop, params->channel, &call, &call_ops, stream);
}

bool entity_stream_send(struct entity_stream *stream, struct span head, struct span tail)
{
	enum status status = ST_RESOURCE_EXHAUSTED;

	if (!stream->backlog_)
		status = grpc_client_send2(stream->call, head, tail);
	if (status == ST_RESOURCE_EXHAUSTED)
		return put_aside(stream, head, tail);
	return true; /* sent; or the call is over, and on_status is on its way */
}

bool entity_stream_is_drained(const struct entity_stream *stream)
{
	return !stream->backlog_ && grpc_client_unsent(stream->call) <= STREAM_DRAINED_BYTES;
}

void entity_stream_read(struct entity_stream *stream)
{
	grpc_client_read(stream->call);
}

void entity_stream_half_close(struct entity_stream *stream)
{
	drop_backlog(stream); /* nothing of worth: whoever half-closes waits for no reply */
	grpc_client_half_close(stream->call);
}

void entity_stream_reset(struct entity_stream *stream)
{
	struct grpc_client_call *call = stream->call;

	stream->call = NULL;
	drop_backlog(stream);
	grpc_client_cancel(call);
}
