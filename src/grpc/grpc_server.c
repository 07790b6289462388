#include "src/base/arena.h"
#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/gzip.h"
#include "src/base/mem.h"
#include "src/grpc/grpc_call.h"
#include "src/grpc/grpc_codec.h"
#include "src/grpc/grpc_reader.h"
#include "src/grpc/grpc_trailers.h"
#include "src/h2/h2.h"
#include "src/runtime/loop.h"
#include "src/runtime/timer.h"

/* The server side of a call. It lives from accept until the stream is closed:
 *
 *   OPEN --finish, deadline, bad frame--> ANSWERED --stream closed--> gone (on_finished)
 *     \----------client or connection gone (on_cancelled)-----------/
 */
/* Longer messages are sent as they are: what packs in one go must not hold up the loop. */
#define GRPC_PACK_BYTES_MAX ((size_t)2 * 1024 * 1024)

enum grpc_server_state { GRPC_SERVER_OPEN, GRPC_SERVER_ANSWERED };

struct grpc_server_call {
	struct loop *loop;
	struct h2_stream *stream;
	const struct grpc_server_ops *ops;
	void *data;
	struct grpc_reader reader;
	struct timer deadline;
	struct loop_task pump;
	struct arena arena;
	struct metadata metadata;
	struct metadata headers; /* leading, for the client */
	uint64_t deadline_ns;
	enum grpc_server_state state;
	bool is_wanted; /* a read is unanswered */
	bool has_ended; /* the client's half */
	bool is_head_sent;
	bool takes_gzip;
	bool may_pack;	 /* the head said so */
	bool is_stream;	 /* of replies */
	size_t pack_min; /* replies of at least so many bytes are packed; SIZE_MAX: none */
};

static const struct h2_stream_ops grpc_server_no_ops;

static void grpc_server_respond(struct h2_stream *stream, struct grpc_trailers *list, bool is_end)
{
	h2_stream_respond(stream, &(struct h2_headers){list->items, list->count}, is_end);
}

static void grpc_server_begin_head(struct grpc_trailers *list)
{
	grpc_trailers_init(list);
	grpc_trailers_add(list, ":status", SPAN_LIT("200"));
	grpc_trailers_add(list, "content-type", SPAN_LIT("application/grpc"));
}

/* gzip is promised when some message may be packed. */
static void grpc_server_send_head(struct grpc_server_call *call, size_t first_bytes)
{
	struct grpc_trailers list;

	grpc_server_begin_head(&list);
	call->may_pack = call->takes_gzip && call->pack_min != SIZE_MAX &&
			 (call->is_stream || first_bytes >= call->pack_min);
	if (call->may_pack)
		grpc_trailers_add(&list, "grpc-encoding", SPAN_LIT("gzip"));
	grpc_trailers_add_metadata(&list, &call->headers);
	grpc_server_respond(call->stream, &list, false);
	grpc_trailers_fini(&list);
	call->is_head_sent = true;
}

/* Sends the end and leaves OPEN. */
static void grpc_server_answer(struct grpc_server_call *call, const struct grpc_status *status)
{
	struct grpc_trailers list;

	call->state = GRPC_SERVER_ANSWERED;
	call->is_wanted = false;
	timer_stop(&call->deadline);
	loop_task_cancel(&call->pump);
	if (call->is_head_sent) {
		grpc_trailers_init(&list);
		grpc_trailers_add_status(&list, status);
		h2_stream_end_with_trailers(call->stream,
					    &(struct h2_headers){list.items, list.count});
	} else {
		grpc_server_begin_head(&list);
		grpc_trailers_add_metadata(&list, &call->headers);
		grpc_trailers_add_status(&list, status);
		grpc_server_respond(call->stream, &list, true);
	}
	grpc_trailers_fini(&list);
}

/* Ends the call for a reason of our own and tells the owner. */
static void grpc_server_abort(struct grpc_server_call *call, enum status code, struct span message)
{
	struct grpc_status status = {.code = code, .message = message};
	size_t unsent = h2_stream_unsent(call->stream);

	grpc_server_answer(call, &status);
	/* Trailers would wait behind bytes that the client does not take. */
	if (unsent > 0)
		h2_stream_reset(call->stream, H2_CANCEL);
	call->ops->on_cancelled(call->data, code);
}

static void grpc_server_abort_error(struct grpc_server_call *call, const struct error *err)
{
	grpc_server_abort(call, err->status, span_from_str(err->message));
}

/* No whole message is there: the end of the client's half, or nothing yet. */
static void grpc_server_no_message(struct grpc_server_call *call)
{
	if (!call->has_ended)
		return;
	if (!grpc_reader_is_empty(&call->reader, call->stream)) {
		grpc_server_abort(call, ST_INTERNAL,
				  SPAN_LIT("the request ended within a message"));
		return;
	}
	call->is_wanted = false;
	call->ops->on_half_close(call->data);
}

/* Answers reads for as long as there is something to answer with. */
static void grpc_server_pump(void *data)
{
	struct grpc_server_call *call = data;

	while (call->is_wanted) {
		struct span message;
		struct error err;
		enum grpc_frame_state state =
			grpc_reader_next(&call->reader, call->stream, &message, &err);

		if (state == GRPC_FRAME_MORE) {
			grpc_server_no_message(call);
			return;
		}
		if (state == GRPC_FRAME_WORK) {
			grpc_reader_wake(&call->reader, call->loop, grpc_server_pump, call);
			return;
		}
		if (state == GRPC_FRAME_BAD) {
			grpc_server_abort_error(call, &err);
			return;
		}
		call->is_wanted = false;
		call->ops->on_message(call->data, message);
		grpc_reader_take(&call->reader, call->stream);
	}
}

static void grpc_server_on_data(void *data, struct h2_stream *stream)
{
	(void)stream;
	grpc_server_pump(data);
}

static void grpc_server_on_end(void *data, struct h2_stream *stream)
{
	struct grpc_server_call *call = data;

	(void)stream;
	call->has_ended = true;
	grpc_server_pump(call);
}

static void grpc_server_on_drained(void *data, struct h2_stream *stream)
{
	struct grpc_server_call *call = data;

	(void)stream;
	if (call->state == GRPC_SERVER_OPEN && call->ops->on_drained)
		call->ops->on_drained(call->data);
}

static void grpc_server_free(struct grpc_server_call *call)
{
	timer_stop(&call->deadline);
	loop_task_cancel(&call->pump);
	grpc_reader_fini(&call->reader);
	arena_fini(&call->arena);
	mem_free(call);
}

static void grpc_server_on_closed(void *data, struct h2_stream *stream, bool is_clean,
				  bool lost_session, uint32_t h2_code)
{
	struct grpc_server_call *call = data;

	(void)stream;
	(void)is_clean;
	(void)lost_session;
	(void)h2_code;
	if (call->state == GRPC_SERVER_OPEN) {
		call->state = GRPC_SERVER_ANSWERED;
		call->is_wanted = false;
		call->ops->on_cancelled(call->data, ST_CANCELLED);
	}
	call->ops->on_finished(call->data);
	grpc_server_free(call);
}

static const struct h2_stream_ops grpc_server_stream_ops = {
	.on_data = grpc_server_on_data,
	.on_end = grpc_server_on_end,
	.on_drained = grpc_server_on_drained,
	.on_closed = grpc_server_on_closed,
};

static void grpc_server_on_deadline(void *data)
{
	grpc_server_abort(data, ST_DEADLINE_EXCEEDED, SPAN_LIT("the call's deadline passed"));
}

void grpc_server_refuse(struct h2_stream *stream, enum status code, struct span message)
{
	struct grpc_status status = {.code = code, .message = message};
	struct grpc_trailers list;

	h2_stream_set_ops(stream, &grpc_server_no_ops, NULL);
	grpc_server_begin_head(&list);
	if (code == ST_UNIMPLEMENTED)
		grpc_trailers_add(&list, "grpc-accept-encoding", SPAN_LIT(GRPC_ENCODINGS));
	grpc_trailers_add_status(&list, &status);
	grpc_server_respond(stream, &list, true);
	grpc_trailers_fini(&list);
}

static enum status grpc_server_read_head(struct grpc_server_call *call,
					 const struct h2_headers *headers, struct error *err)
{
	struct grpc_head head;
	enum status status;

	call->deadline_ns = DEADLINE_NEVER;
	if (!span_eq(h2_headers_get(headers, ":method"), SPAN_LIT("POST")))
		return error_set(err, ST_UNIMPLEMENTED, "gRPC calls are POST requests");
	status = grpc_head_read(headers, &head, err);
	if (status)
		return status;
	call->deadline_ns = clock_deadline(loop_now_ns(call->loop), head.wait_ns);
	call->reader.has_gzip = head.has_gzip;
	call->takes_gzip = head.takes_gzip;
	return metadata_from_headers(&call->metadata, &call->arena, headers, err);
}

struct grpc_server_call *grpc_server_accept(struct loop *loop, struct h2_stream *stream,
					    const struct h2_headers *headers,
					    size_t max_message_bytes,
					    const struct grpc_server_ops *ops, void *data)
{
	struct grpc_server_call *call = mem_new(struct grpc_server_call);
	struct error err;

	call->loop = loop;
	call->stream = stream;
	call->ops = ops;
	call->data = data;
	call->reader.max_message_bytes = max_message_bytes;
	call->pack_min = SIZE_MAX;
	arena_init(&call->arena, GRPC_METADATA_BYTES_MAX);
	timer_init(&call->deadline, loop, grpc_server_on_deadline, call);
	loop_task_init(&call->pump, grpc_server_pump, call);
	if (grpc_server_read_head(call, headers, &err)) {
		grpc_server_refuse(stream, err.status, span_from_str(err.message));
		grpc_server_free(call);
		return NULL;
	}
	h2_stream_set_ops(stream, &grpc_server_stream_ops, call);
	if (call->deadline_ns != DEADLINE_NEVER)
		timer_start(&call->deadline, call->deadline_ns);
	return call;
}

const struct metadata *grpc_server_metadata(const struct grpc_server_call *call)
{
	return &call->metadata;
}

struct metadata *grpc_server_mutable_metadata(struct grpc_server_call *call)
{
	return &call->metadata;
}

uint64_t grpc_server_deadline_ns(const struct grpc_server_call *call)
{
	return call->deadline_ns;
}

void grpc_server_read(struct grpc_server_call *call)
{
	BUG_ON(call->is_wanted);
	if (call->state != GRPC_SERVER_OPEN)
		return;
	call->is_wanted = true;
	/* Usually nothing has come yet, and the data itself will call the pump. */
	if (call->has_ended || !grpc_reader_is_empty(&call->reader, call->stream))
		loop_task_schedule(call->loop, &call->pump);
}

void grpc_server_set_headers(struct grpc_server_call *call, const struct metadata *headers)
{
	BUG_ON(call->is_head_sent);
	for (size_t i = 0; i < headers->count; i++)
		if (metadata_add(&call->headers, &call->arena, headers->items[i].key,
				 headers->items[i].value))
			return; /* more than a client takes: what fits is sent */
}

void grpc_server_pack(struct grpc_server_call *call, size_t min_bytes, bool is_stream)
{
	call->pack_min = min_bytes;
	call->is_stream = is_stream;
}

static enum status grpc_server_send_frame(struct grpc_server_call *call, bool is_packed,
					  struct span message)
{
	uint8_t head[GRPC_FRAME_HEAD_BYTES];
	struct span parts[2] = {{head, sizeof(head)}, message};

	grpc_frame_head_write(head, is_packed, (uint32_t)message.len);
	return h2_stream_write_parts(call->stream, parts, 2);
}

static bool grpc_server_is_worth_packing(const struct grpc_server_call *call, struct span message)
{
	return call->may_pack && message.len > 0 && message.len >= call->pack_min &&
	       message.len <= GRPC_PACK_BYTES_MAX;
}

/* Packed, or as it is when that is no gain. */
static enum status grpc_server_send_packed(struct grpc_server_call *call, struct span message)
{
	enum status status;
	struct buf packed;

	buf_init(&packed, 2 * message.len + 1024);
	if (gzip_pack(message, &packed) && buf_len(&packed) < message.len)
		status = grpc_server_send_frame(call, true, buf_span(&packed));
	else
		status = grpc_server_send_frame(call, false, message);
	buf_fini(&packed);
	return status;
}

enum status grpc_server_send(struct grpc_server_call *call, struct span message)
{
	if (call->state != GRPC_SERVER_OPEN)
		return ST_UNAVAILABLE;
	if (message.len > UINT32_MAX)
		return ST_RESOURCE_EXHAUSTED;
	if (!call->is_head_sent)
		grpc_server_send_head(call, message.len);
	if (grpc_server_is_worth_packing(call, message))
		return grpc_server_send_packed(call, message);
	return grpc_server_send_frame(call, false, message);
}

size_t grpc_server_unsent(const struct grpc_server_call *call)
{
	return h2_stream_unsent(call->stream);
}

void grpc_server_finish(struct grpc_server_call *call, const struct grpc_status *status)
{
	if (call->state == GRPC_SERVER_OPEN)
		grpc_server_answer(call, status);
}

void grpc_server_set_deadline(struct grpc_server_call *call, uint64_t deadline_ns)
{
	call->deadline_ns = deadline_ns;
	if (call->state == GRPC_SERVER_OPEN)
		timer_start(&call->deadline, deadline_ns);
}

void grpc_server_cancel(struct grpc_server_call *call)
{
	if (!call)
		return;
	h2_stream_detach(call->stream);
	grpc_server_free(call);
}
