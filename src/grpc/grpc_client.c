#include <stdio.h>

#include "src/base/arena.h"
#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/base/text.h"
#include "src/grpc/grpc_call.h"
#include "src/grpc/grpc_codec.h"
#include "src/grpc/grpc_reader.h"
#include "src/grpc/grpc_trailers.h"
#include "src/h2/channel.h"
#include "src/h2/h2.h"
#include "src/runtime/loop.h"
#include "src/runtime/timer.h"

/* The client side of a call. Kept small, since every active entity holds one for as long as it
 * lives: what only some calls need (messages sent before the stream is open, a large message on its
 * way in, a status that waits for unread messages) is behind a pointer.
 *
 * WAITING (for the channel) -> OPEN -> ENDED (the status waits for reads) -> gone (on_status)
 */
enum grpc_client_state { GRPC_CLIENT_WAITING, GRPC_CLIENT_OPEN, GRPC_CLIENT_ENDED };

/* Framed bytes sent before the stream is open; the same bound as h2_limits.max_unsent_bytes. */
#define GRPC_PENDING_BYTES_MAX ((size_t)16 * 1024 * 1024)

struct grpc_client_end {
	struct arena arena;
	struct metadata trailers;
	struct grpc_status status;
};

struct grpc_client_call {
	struct loop *loop;
	const struct grpc_client_ops *ops;
	void *data;
	struct channel_wait *wait; /* WAITING */
	struct h2_stream *stream;  /* OPEN, and ENDED until it is closed */
	struct grpc_reader reader;
	struct buf *pending;
	struct grpc_client_end *end;
	struct timer deadline;
	struct loop_task pump;
	enum grpc_client_state state : 8;
	bool is_wanted : 1; /* a read is unanswered */
	bool has_head : 1;
	bool is_half_closed : 1;
	bool in_callback : 1;
	bool is_cancelled : 1; /* within a callback: freed when it returns */
};

static void grpc_client_drop_pending(struct grpc_client_call *call)
{
	if (!call->pending)
		return;
	buf_fini(call->pending);
	mem_free(call->pending);
	call->pending = NULL;
}

static void grpc_client_drop_end(struct grpc_client_call *call)
{
	if (!call->end)
		return;
	arena_fini(&call->end->arena);
	mem_free(call->end);
	call->end = NULL;
}

static void grpc_client_detach(struct grpc_client_call *call)
{
	timer_stop(&call->deadline);
	loop_task_cancel(&call->pump);
	if (call->wait)
		channel_cancel(call->wait);
	if (call->stream)
		h2_stream_detach(call->stream);
	call->wait = NULL;
	call->stream = NULL;
}

static void grpc_client_free(struct grpc_client_call *call)
{
	grpc_client_detach(call);
	grpc_client_drop_pending(call);
	grpc_client_drop_end(call);
	grpc_reader_fini(&call->reader);
	mem_free(call);
}

/* After a callback: false when the owner cancelled within it, and the call is gone. */
static bool grpc_client_leave(struct grpc_client_call *call)
{
	call->in_callback = false;
	if (!call->is_cancelled)
		return true;
	grpc_client_free(call);
	return false;
}

/* The last callback. */
static void grpc_client_finish(struct grpc_client_call *call, const struct grpc_status *status,
			       bool was_sent)
{
	call->state = GRPC_CLIENT_ENDED;
	call->in_callback = true;
	call->is_wanted = false;
	grpc_client_detach(call);
	call->ops->on_status(call->data, status, was_sent);
	grpc_client_free(call);
}

static void grpc_client_fail(struct grpc_client_call *call, enum status code, const char *message,
			     bool was_sent)
{
	struct grpc_status status = {.code = code, .message = span_from_str(message)};

	grpc_client_finish(call, &status, was_sent);
}

/* Puts an end aside for when the messages before it are read. */
static struct grpc_client_end *grpc_client_hold(struct grpc_client_call *call)
{
	call->state = GRPC_CLIENT_ENDED;
	call->end = mem_new(struct grpc_client_end);
	arena_init(&call->end->arena, GRPC_METADATA_BYTES_MAX);
	return call->end;
}

/* Delivers the end, if it is there, and nothing whole is unread before it. */
static void grpc_client_maybe_finish(struct grpc_client_call *call)
{
	struct grpc_status status;

	if (!call->end)
		return;
	status = call->end->status;
	if (!grpc_reader_is_empty(&call->reader, call->stream) && status.code == ST_OK)
		status = (struct grpc_status){
			.code = ST_INTERNAL,
			.message = SPAN_LIT("the reply ended within a message"),
		};
	grpc_client_finish(call, &status, true);
}

static void grpc_client_pump(void *data)
{
	struct grpc_client_call *call = data;

	for (;;) {
		struct span message;
		struct error err;
		enum grpc_frame_state state;

		if (!call->is_wanted && !call->end)
			return;
		state = grpc_reader_next(&call->reader, call->stream, &message, &err);
		if (state == GRPC_FRAME_BAD) {
			grpc_client_fail(call, err.status, err.message, true);
			return;
		}
		if (state == GRPC_FRAME_WORK) {
			grpc_reader_wake(&call->reader, call->loop, grpc_client_pump, call);
			return;
		}
		if (state == GRPC_FRAME_MORE) {
			grpc_client_maybe_finish(call);
			return;
		}
		if (!call->is_wanted)
			return;
		call->is_wanted = false;
		call->in_callback = true;
		call->ops->on_message(call->data, message);
		if (!grpc_client_leave(call))
			return;
		grpc_reader_take(&call->reader, call->stream);
	}
}

static void grpc_client_on_data(void *data, struct h2_stream *stream)
{
	(void)stream;
	grpc_client_pump(data);
}

/* An answer that is not gRPC's: what the HTTP status means. */
static void grpc_client_not_grpc(struct grpc_client_call *call, struct span http_status)
{
	uint64_t number;
	char message[96];

	if (!text_to_u64(http_status, &number))
		number = 0;
	(void)snprintf(message, sizeof(message), "the peer answered HTTP status %.*s, not gRPC",
		       SPAN_FMT(span_head(http_status, 8)));
	grpc_client_fail(call, grpc_status_from_http((unsigned)number), message, true);
}

static void grpc_client_end_with(struct grpc_client_call *call, const struct h2_headers *headers)
{
	struct grpc_client_end *end = grpc_client_hold(call);

	if (!grpc_trailers_read(headers, &end->arena, &end->trailers, &end->status))
		end->status = (struct grpc_status){
			.code = ST_INTERNAL,
			.message = SPAN_LIT("the reply ended without grpc-status"),
		};
	grpc_client_pump(call);
}

static void grpc_client_on_headers(void *data, struct h2_stream *stream,
				   const struct h2_headers *headers)
{
	struct grpc_client_call *call = data;
	struct span http_status = h2_headers_get(headers, ":status");
	struct metadata metadata = {0};
	struct arena arena;
	struct error err;
	enum status status;

	(void)stream;
	call->has_head = true;
	if (h2_headers_get(headers, "grpc-status").data) {
		grpc_client_end_with(call, headers); /* trailers-only */
		return;
	}
	if (!span_eq(http_status, SPAN_LIT("200")) ||
	    !grpc_is_content_type(h2_headers_get(headers, "content-type"))) {
		grpc_client_not_grpc(call, http_status);
		return;
	}
	/* Never asked for, and still read. */
	call->reader.has_gzip = span_eq(h2_headers_get(headers, "grpc-encoding"), SPAN_LIT("gzip"));
	if (!call->ops->on_headers)
		return;
	arena_init(&arena, GRPC_METADATA_BYTES_MAX);
	status = metadata_from_headers(&metadata, &arena, headers, &err);
	if (status) {
		grpc_client_fail(call, ST_INTERNAL, err.message, true);
	} else {
		call->in_callback = true;
		call->ops->on_headers(call->data, &metadata);
		(void)grpc_client_leave(call); /* nothing follows */
	}
	arena_fini(&arena);
}

static void grpc_client_on_trailers(void *data, struct h2_stream *stream,
				    const struct h2_headers *headers)
{
	(void)stream;
	grpc_client_end_with(data, headers);
}

static void grpc_client_on_end(void *data, struct h2_stream *stream)
{
	struct grpc_client_call *call = data;

	(void)stream;
	if (!call->end)
		grpc_client_end_with(call, &(struct h2_headers){NULL, 0});
}

static void grpc_client_on_drained(void *data, struct h2_stream *stream)
{
	struct grpc_client_call *call = data;

	(void)stream;
	if (!call->ops->on_drained || call->state != GRPC_CLIENT_OPEN)
		return;
	call->in_callback = true;
	call->ops->on_drained(call->data);
	(void)grpc_client_leave(call); /* nothing follows */
}

static void grpc_client_on_closed(void *data, struct h2_stream *stream, bool is_clean,
				  bool lost_session, uint32_t h2_code)
{
	struct grpc_client_call *call = data;
	bool was_sent = h2_code != H2_REFUSED_STREAM || is_clean;
	char message[64];

	if (call->end) {
		grpc_reader_keep(&call->reader, stream);
		call->stream = NULL;
		return;
	}
	call->stream = NULL;
	if (lost_session) {
		grpc_client_fail(call, ST_UNAVAILABLE, "the connection was lost", was_sent);
		return;
	}
	(void)snprintf(message, sizeof(message), "the peer reset the stream (HTTP/2 code %u)",
		       (unsigned)h2_code);
	grpc_client_fail(call, grpc_status_from_h2(h2_code), message, was_sent);
}

static const struct h2_stream_ops grpc_client_stream_ops = {
	.on_headers = grpc_client_on_headers,
	.on_data = grpc_client_on_data,
	.on_trailers = grpc_client_on_trailers,
	.on_end = grpc_client_on_end,
	.on_drained = grpc_client_on_drained,
	.on_closed = grpc_client_on_closed,
};

static void grpc_client_on_deadline(void *data)
{
	struct grpc_client_call *call = data;

	grpc_client_fail(call, ST_DEADLINE_EXCEEDED, "the call's deadline passed",
			 call->state != GRPC_CLIENT_WAITING);
}

static void grpc_client_on_stream(void *data, struct h2_stream *stream, const struct error *error)
{
	struct grpc_client_call *call = data;
	enum status status = ST_OK;

	call->wait = NULL;
	if (!stream) {
		grpc_client_fail(call, error->status, error->message, false);
		return;
	}
	call->stream = stream;
	call->state = GRPC_CLIENT_OPEN;
	if (call->pending)
		status = h2_stream_write(stream, buf_span(call->pending));
	grpc_client_drop_pending(call);
	if (status) {
		grpc_client_fail(call, status, "the first messages do not fit the stream", false);
		return;
	}
	if (call->is_half_closed)
		h2_stream_end(stream);
	if (!call->ops->on_open)
		return;
	call->in_callback = true;
	call->ops->on_open(call->data);
	(void)grpc_client_leave(call); /* nothing follows */
}

static void grpc_client_request(struct grpc_client_call *call, struct channel *channel,
				const struct grpc_client_params *params)
{
	struct grpc_trailers list;
	char timeout[16];
	uint64_t now = loop_now_ns(call->loop);
	uint64_t open_ns = params->open_deadline_ns < params->deadline_ns ? params->open_deadline_ns
									  : params->deadline_ns;

	grpc_trailers_init(&list);
	grpc_trailers_add(&list, ":method", SPAN_LIT("POST"));
	grpc_trailers_add(&list, ":scheme", SPAN_LIT("http"));
	grpc_trailers_add(&list, ":path", span_from_str(params->path));
	grpc_trailers_add(&list, ":authority", span_from_str(channel_authority(channel)));
	grpc_trailers_add(&list, "te", SPAN_LIT("trailers"));
	grpc_trailers_add(&list, "content-type", SPAN_LIT("application/grpc"));
	grpc_trailers_add(&list, "user-agent", SPAN_LIT("grpc-c-headgate/" PACKAGE_VERSION));
	if (params->deadline_ns != DEADLINE_NEVER) {
		grpc_timeout_print(params->deadline_ns > now ? params->deadline_ns - now : 1,
				   timeout);
		grpc_trailers_add(&list, "grpc-timeout", span_from_str(timeout));
	}
	grpc_trailers_add_metadata(&list, params->metadata);
	call->wait = channel_request(
		channel, &(struct channel_request_params){
				 .headers = &(struct h2_headers){list.items, list.count},
				 .wait_for_ready = params->wait_for_ready,
				 .deadline_ns = open_ns,
				 .ops = &grpc_client_stream_ops,
				 .ops_data = call,
				 .on_stream = grpc_client_on_stream,
				 .data = call,
			 });
	grpc_trailers_fini(&list);
}

struct grpc_client_call *grpc_client_start(struct loop *loop, struct channel *channel,
					   const struct grpc_client_params *params,
					   const struct grpc_client_ops *ops, void *data)
{
	struct grpc_client_call *call = mem_new(struct grpc_client_call);

	call->loop = loop;
	call->ops = ops;
	call->data = data;
	call->reader.max_message_bytes = params->max_message_bytes;
	timer_init(&call->deadline, loop, grpc_client_on_deadline, call);
	loop_task_init(&call->pump, grpc_client_pump, call);
	grpc_client_request(call, channel, params);
	if (params->deadline_ns != DEADLINE_NEVER)
		timer_start(&call->deadline, params->deadline_ns);
	return call;
}

void grpc_client_read(struct grpc_client_call *call)
{
	BUG_ON(call->is_wanted);
	call->is_wanted = true;
	/* Usually nothing has come yet, and the data itself will call the pump. */
	if (call->end || !grpc_reader_is_empty(&call->reader, call->stream))
		loop_task_schedule(call->loop, &call->pump);
}

static enum status grpc_client_put_aside(struct grpc_client_call *call, const struct span *parts,
					 size_t count)
{
	size_t total = 0;

	for (size_t i = 0; i < count; i++)
		total += parts[i].len;
	if (!call->pending) {
		call->pending = mem_new(struct buf);
		buf_init(call->pending, GRPC_PENDING_BYTES_MAX);
	}
	if (!buf_reserve(call->pending, total))
		return ST_RESOURCE_EXHAUSTED;
	for (size_t i = 0; i < count; i++)
		(void)buf_append(call->pending, parts[i]); /* there is room */
	return ST_OK;
}

enum status grpc_client_send2(struct grpc_client_call *call, struct span head, struct span tail)
{
	uint8_t frame[GRPC_FRAME_HEAD_BYTES];
	struct span parts[3] = {{frame, sizeof(frame)}, head, tail};

	BUG_ON(call->is_half_closed);
	if (call->state == GRPC_CLIENT_ENDED)
		return ST_UNAVAILABLE;
	if (head.len > UINT32_MAX || tail.len > UINT32_MAX - head.len)
		return ST_RESOURCE_EXHAUSTED;
	grpc_frame_head_write(frame, false, (uint32_t)(head.len + tail.len));
	if (call->state == GRPC_CLIENT_WAITING)
		return grpc_client_put_aside(call, parts, 3);
	return h2_stream_write_parts(call->stream, parts, 3);
}

enum status grpc_client_send(struct grpc_client_call *call, struct span message)
{
	return grpc_client_send2(call, message, SPAN_EMPTY);
}

size_t grpc_client_unsent(const struct grpc_client_call *call)
{
	if (call->stream)
		return h2_stream_unsent(call->stream);
	return call->pending ? buf_len(call->pending) : 0;
}

void grpc_client_half_close(struct grpc_client_call *call)
{
	if (call->is_half_closed)
		return;
	call->is_half_closed = true;
	if (call->state == GRPC_CLIENT_OPEN)
		h2_stream_end(call->stream);
}

void grpc_client_cancel(struct grpc_client_call *call)
{
	if (!call)
		return;
	if (call->in_callback)
		call->is_cancelled = true;
	else
		grpc_client_free(call);
}
