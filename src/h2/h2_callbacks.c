/* The library's callbacks: they only write down what happened (flags and buffers of the stream, and
 * the stream in session->dirty); owners hear of it from h2_dispatch after the library returned. The
 * library allows submit_* here, but neither mem_recv nor mem_send. */
#include <string.h>

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/h2/h2_internal.h"

/* Header lists over the limit a connection may send: a block that inflates to megabytes costs 0.2
 * ms of CPU each, whatever is done with it. */
#define H2_OVERSIZED_MAX 4U

/* Up to this many times the limit the rest is dropped and 431 answered; beyond, the block is cut.
 */
#define H2_OVERSIZED_FACTOR 2U

/* Overhead of a header in the sum. Spec: RFC 9113 6.5.2, SETTINGS_MAX_HEADER_LIST_SIZE. */
#define H2_HEADER_OVERHEAD 32U

/* Frames of one kind the library accepts in a row; see docs/threat-model.md. */
#define H2_MAX_OUTBOUND_ACK 1000U
#define H2_MAX_SETTINGS 32U
#define H2_MAX_CONTINUATIONS 8U

/* The library's own bound on resets is only the second line behind ours, which answers with
 * ENHANCE_YOUR_CALM. */
#define H2_RESET_BACKSTOP 2U

/* Under this many unsent bytes on_drained is told. */
#define H2_DRAIN_LOW ((size_t)32 * 1024)

#define H2_FIELDS_FIRST ((size_t)16)

static struct h2_session *session_of(void *user_data)
{
	return OBJ_CAST(struct h2_session, H2_SESSION_MAGIC, user_data);
}

static struct h2_stream *find_stream(struct h2_session *session, int32_t id)
{
	struct h2_stream *stream = nghttp2_session_get_stream_user_data(session->ng, id);

	return stream ? OBJ_CAST(struct h2_stream, H2_STREAM_MAGIC, stream) : NULL;
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *user_data)
{
	struct h2_session *session = session_of(user_data);
	struct h2_stream *stream = find_stream(session, frame->hd.stream_id);

	if (!stream && session->is_server && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
		stream = h2_stream_new(session, frame->hd.stream_id);
		/* Fails for an unknown stream only; this one is just being opened. */
		(void)nghttp2_session_set_stream_user_data(ng, stream->id, stream);
	}
	session->block_stream = stream;
	session->block_at = session->field_count;
	session->block_bytes = 0;
	return 0;
}

static void drop_block(struct h2_session *session)
{
	while (session->field_count > session->block_at) {
		struct h2_field *field = &session->fields[--session->field_count];

		nghttp2_rcbuf_decref(field->name);
		nghttp2_rcbuf_decref(field->value);
	}
}

/* Too many header bytes: keep what fits until the block ends, or give it up. */
static int on_oversized(struct h2_session *session)
{
	struct h2_stream *stream = session->block_stream;
	bool may_answer = session->is_server && !stream->has_head;

	if (!stream->is_head_too_big) {
		stream->is_head_too_big = true;
		if (++session->oversized_count > H2_OVERSIZED_MAX)
			h2_session_refuse(session, NGHTTP2_ENHANCE_YOUR_CALM,
					  "too many oversized header lists");
	}
	drop_block(session);
	if (may_answer &&
	    session->block_bytes <= session->limits.max_header_list_bytes * H2_OVERSIZED_FACTOR)
		return 0;
	session->block_stream = NULL;
	return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, nghttp2_rcbuf *name,
		     nghttp2_rcbuf *value, uint8_t flags, void *user_data)
{
	struct h2_session *session = session_of(user_data);
	struct h2_field *field;

	(void)ng;
	(void)frame;
	(void)flags;
	if (!session->block_stream)
		return 0;
	session->block_bytes += nghttp2_rcbuf_get_buf(name).len + nghttp2_rcbuf_get_buf(value).len +
				H2_HEADER_OVERHEAD;
	if (session->block_bytes > session->limits.max_header_list_bytes)
		return on_oversized(session);
	if (session->field_count == session->field_cap) {
		session->field_cap = session->field_cap ? session->field_cap * 2 : H2_FIELDS_FIRST;
		session->fields = mem_resize_array(session->fields, session->field_cap,
						   sizeof(*session->fields));
	}
	field = &session->fields[session->field_count++];
	field->name = name;
	field->value = value;
	nghttp2_rcbuf_incref(name);
	nghttp2_rcbuf_incref(value);
	return 0;
}

static bool is_interim(const struct h2_session *session, const struct h2_block *block)
{
	nghttp2_vec status;

	if (block->count == 0)
		return false;
	status = nghttp2_rcbuf_get_buf(session->fields[block->at].value); /* :status is first */
	return status.len == 3 && status.base[0] == '1';
}

static void on_peer_end(struct h2_stream *stream)
{
	stream->is_peer_ended = true;
	stream->has_new_end = true;
}

static void on_headers_frame(struct h2_session *session, const nghttp2_frame *frame)
{
	struct h2_stream *stream = session->block_stream;
	struct h2_block block = {session->block_at, session->field_count - session->block_at};

	session->block_stream = NULL;
	if (!stream || stream->id != frame->hd.stream_id)
		return;
	if (!stream->has_head && !session->is_server && is_interim(session, &block)) {
		drop_block(session);
		return;
	}
	if (!stream->has_head) {
		stream->has_head = true;
		stream->has_new_head = true;
		stream->head = block;
	} else {
		stream->has_new_trailers = true;
		stream->tail = block;
	}
	if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
		on_peer_end(stream);
	h2_session_mark(session, stream);
}

static void on_data_frame(struct h2_session *session, const nghttp2_frame *frame)
{
	struct h2_stream *stream;

	if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
		return;
	stream = find_stream(session, frame->hd.stream_id);
	if (!stream)
		return;
	on_peer_end(stream);
	h2_session_mark(session, stream);
}

static void on_settings_frame(struct h2_session *session, const nghttp2_frame *frame)
{
	if (frame->hd.flags & NGHTTP2_FLAG_ACK)
		return;
	session->settings_deadline_ns = DEADLINE_NEVER;
	if (!session->has_settings) {
		session->has_settings = true;
		session->is_newly_ready = !session->is_server;
	}
}

static int on_frame_recv(nghttp2_session *ng, const nghttp2_frame *frame, void *user_data)
{
	struct h2_session *session = session_of(user_data);

	(void)ng;
	switch (frame->hd.type) {
	case NGHTTP2_HEADERS:
		on_headers_frame(session, frame);
		break;
	case NGHTTP2_DATA:
		on_data_frame(session, frame);
		break;
	case NGHTTP2_RST_STREAM:
		h2_session_count_reset(session, true);
		break;
	case NGHTTP2_SETTINGS:
		on_settings_frame(session, frame);
		break;
	case NGHTTP2_PING:
		if (frame->hd.flags & NGHTTP2_FLAG_ACK)
			h2_session_ping_acked(session, frame->ping.opaque_data);
		else
			h2_session_count_ping(session);
		break;
	case NGHTTP2_GOAWAY:
		session->is_goaway = true;
		session->has_new_goaway = true;
		session->goaway_code = frame->goaway.error_code;
		break;
	default:
		break;
	}
	return 0;
}

static int on_frame_send(nghttp2_session *ng, const nghttp2_frame *frame, void *user_data)
{
	struct h2_session *session = session_of(user_data);
	struct h2_stream *stream;

	(void)ng;
	if (frame->hd.type == NGHTTP2_RST_STREAM &&
	    frame->rst_stream.error_code != NGHTTP2_NO_ERROR)
		h2_session_count_reset(session, false);
	if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
		return 0;
	session->ping_count = 0;
	if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
		return 0;
	stream = find_stream(session, frame->hd.stream_id);
	if (!stream)
		return 0;
	stream->is_ended = true;
	if (session->is_server && !stream->is_peer_ended)
		h2_session_linger(session, stream);
	return 0;
}

/* The rest of a request whose reply is complete is of no use. */
static bool is_answered(const struct h2_stream *stream)
{
	return stream->session->is_server && stream->is_ended;
}

static int on_data_chunk(nghttp2_session *ng, uint8_t flags, int32_t stream_id, const uint8_t *data,
			 size_t len, void *user_data)
{
	struct h2_session *session = session_of(user_data);
	struct h2_stream *stream = find_stream(session, stream_id);

	(void)flags;
	if (stream && !is_answered(stream) && (stream->ops || stream->has_new_head)) {
		/* The window bounds what can be here, so a full buffer is an error of the peer the
		 * library did not see. */
		if (!buf_append(&stream->in, span_make(data, len))) {
			(void)nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, stream_id,
							NGHTTP2_FLOW_CONTROL_ERROR);
		} else {
			session->unread_bytes += len;
			stream->has_new_data = true;
			h2_session_mark(session, stream);
		}
	}
	session->withheld_bytes += len;
	h2_session_credit(session);
	return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t stream_id, uint32_t error_code,
			   void *user_data)
{
	struct h2_session *session = session_of(user_data);
	struct h2_stream *stream = find_stream(session, stream_id);
	bool is_clean;

	(void)ng;
	if (!stream)
		return 0;
	/* A reply that ended before its request did is complete all the same. */
	is_clean = error_code == NGHTTP2_NO_ERROR &&
		   (session->is_server ? stream->is_ended : stream->is_peer_ended);
	h2_stream_closed(stream, is_clean, false, error_code);
	return 0;
}

static void submit_trailers(nghttp2_session *ng, struct h2_stream *stream)
{
	/* The stream is open and our half of it too, so this fails for want of memory only; then
	 * the stream stays without its end and the owner's deadline ends it. */
	(void)nghttp2_submit_trailer(ng, stream->id, stream->trailers->items,
				     stream->trailers->count);
	mem_free(stream->trailers);
	stream->trailers = NULL;
}

/* Moves up to max bytes of what was written to the library's frame. */
static size_t take_out(struct h2_stream *stream, uint8_t *room, size_t max)
{
	struct span bytes = span_head(buf_span(&stream->out), max);

	if (!bytes.data)
		return 0;
	memcpy(room, bytes.data, bytes.len);
	buf_consume(&stream->out, bytes.len);
	stream->session->unsent_bytes -= bytes.len;
	if (buf_len(&stream->out) == 0) {
		buf_fini(&stream->out); /* an idle stream holds no buffer */
		list_remove(&stream->take_node);
	} else if (list_is_linked(&stream->take_node)) {
		h2_session_await_taking(stream->session, stream);
	}
	if (stream->wants_drained && buf_len(&stream->out) < H2_DRAIN_LOW) {
		stream->wants_drained = false;
		stream->is_newly_drained = true;
		h2_session_mark(stream->session, stream);
	}
	return bytes.len;
}

static ssize_t on_read_body(nghttp2_session *ng, int32_t stream_id, uint8_t *room, size_t len,
			    uint32_t *data_flags, nghttp2_data_source *source, void *user_data)
{
	struct h2_stream *stream = find_stream(session_of(user_data), stream_id);
	size_t n;

	(void)source;
	if (!stream) /* the owner reset it; the RST_STREAM is on its way */
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	n = take_out(stream, room, len);
	if (buf_len(&stream->out) > 0 || (n > 0 && stream->is_breaking))
		return (ssize_t)n;
	if (stream->is_breaking)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* which resets the stream */
	if (stream->is_ending) {
		*data_flags |= NGHTTP2_DATA_FLAG_EOF;
		if (stream->trailers) {
			*data_flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
			submit_trailers(ng, stream);
		}
	} else if (n == 0) {
		stream->is_deferred = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	return (ssize_t)n;
}

nghttp2_data_provider h2_callbacks_data_provider(void)
{
	return (nghttp2_data_provider){.read_callback = on_read_body};
}

static nghttp2_option *new_option(const struct h2_limits *limits)
{
	nghttp2_option *option = NULL;

	BUG_ON(nghttp2_option_new(&option) != 0); /* out of memory */
	nghttp2_option_set_no_auto_window_update(option, 1);
	nghttp2_option_set_no_closed_streams(option, 1);
	nghttp2_option_set_stream_reset_rate_limit(option,
						   (uint64_t)limits->max_resets * H2_RESET_BACKSTOP,
						   limits->max_resets / 30 + 1);
	nghttp2_option_set_max_continuations(option, H2_MAX_CONTINUATIONS);
	nghttp2_option_set_max_outbound_ack(option, H2_MAX_OUTBOUND_ACK);
	nghttp2_option_set_max_settings(option, H2_MAX_SETTINGS);
	return option;
}

static nghttp2_session_callbacks *new_callbacks(void)
{
	nghttp2_session_callbacks *callbacks = NULL;

	BUG_ON(nghttp2_session_callbacks_new(&callbacks) != 0); /* out of memory */
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
	nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
	return callbacks;
}

static void submit_settings(nghttp2_session *ng, const struct h2_session *session)
{
	const struct h2_limits *limits = &session->limits;
	nghttp2_settings_entry entries[] = {
		{NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits->stream_window_bytes},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)limits->max_header_list_bytes},
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits->max_concurrent_streams},
	};

	if (!session->is_server)
		entries[3] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_ENABLE_PUSH, 0};
	/* Fail for values outside the protocol's range or without memory: our bug. */
	BUG_ON(nghttp2_submit_settings(ng, NGHTTP2_FLAG_NONE, entries,
				       sizeof(entries) / sizeof(entries[0])) != 0);
	BUG_ON(nghttp2_session_set_local_window_size(
		       ng, NGHTTP2_FLAG_NONE, 0, (int32_t)limits->connection_window_bytes) != 0);
}

static void *on_malloc(size_t size, void *user_data)
{
	(void)user_data;
	return mem_take(size);
}

static void on_free(void *p, void *user_data)
{
	(void)user_data;
	mem_free(p);
}

static void *on_calloc(size_t count, size_t size, void *user_data)
{
	(void)user_data;
	return mem_zalloc_array(count, size);
}

static void *on_realloc(void *p, size_t size, void *user_data)
{
	(void)user_data;
	return mem_resize_array(p, size, 1);
}

nghttp2_session *h2_callbacks_new_session(struct h2_session *session)
{
	nghttp2_option *option = new_option(&session->limits);
	nghttp2_session_callbacks *callbacks = new_callbacks();
	/* The library's objects of a stream come and go with ours. */
	nghttp2_mem memory = {NULL, on_malloc, on_free, on_calloc, on_realloc};
	nghttp2_session *ng = NULL;
	int rc;

	if (session->is_server)
		rc = nghttp2_session_server_new3(&ng, callbacks, session, option, &memory);
	else
		rc = nghttp2_session_client_new3(&ng, callbacks, session, option, &memory);
	BUG_ON(rc != 0); /* out of memory */
	nghttp2_option_del(option);
	nghttp2_session_callbacks_del(callbacks);
	submit_settings(ng, session);
	return ng;
}
