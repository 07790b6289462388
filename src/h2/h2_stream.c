#include <string.h>

#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/h2/h2_internal.h"

/* More unsent bytes than this, and on_drained is told when half of it is left. */
#define H2_DRAIN_HIGH ((size_t)64 * 1024)

/* The window may be passed by what the peer sent before it saw our SETTINGS. */
#define H2_FIRST_WINDOW 65535U

struct h2_stream *h2_stream_new(struct h2_session *session, int32_t id)
{
	struct h2_stream *stream = mem_new(struct h2_stream);
	size_t window = session->limits.stream_window_bytes;

	stream->magic = H2_STREAM_MAGIC;
	stream->session = session;
	stream->id = id;
	list_init(&stream->dirty_node);
	list_init(&stream->linger_node);
	list_init(&stream->take_node);
	list_push_back(&session->streams, &stream->node);
	session->stream_count++;
	session->open_count++;
	buf_init(&stream->in, window > H2_FIRST_WINDOW ? window : H2_FIRST_WINDOW);
	buf_init(&stream->out, session->limits.max_unsent_bytes);
	return stream;
}

void h2_stream_free(struct h2_stream *stream)
{
	struct h2_session *session = stream->session;

	if (session->block_stream == stream)
		session->block_stream = NULL;
	list_remove(&stream->node);
	list_remove(&stream->dirty_node);
	list_remove(&stream->linger_node);
	list_remove(&stream->take_node);
	session->stream_count--;
	if (!stream->is_over)
		session->open_count--;
	session->unread_bytes -= buf_len(&stream->in);
	session->unsent_bytes -= buf_len(&stream->out);
	buf_fini(&stream->in);
	buf_fini(&stream->out);
	mem_free(stream->trailers);
	stream->magic = 0;
	mem_free(stream);
}

void h2_stream_closed(struct h2_stream *stream, bool is_clean, bool is_lost, uint32_t h2_code)
{
	struct h2_session *session = stream->session;

	if (stream->is_over && !(is_lost && stream->is_clean && buf_len(&stream->in) > 0))
		return;
	if (!stream->is_over) {
		stream->is_over = true;
		list_remove(&stream->linger_node);
		list_remove(&stream->take_node);
		session->open_count--;
		/* The library forgets it; a later frame of its number finds nobody. */
		(void)nghttp2_session_set_stream_user_data(session->ng, stream->id, NULL);
	}
	stream->is_clean = is_clean;
	stream->is_lost = is_lost;
	stream->h2_code = h2_code;
	if (session->block_stream == stream)
		session->block_stream = NULL;
	h2_session_mark(session, stream);
}

void h2_stream_set_ops(struct h2_stream *stream, const struct h2_stream_ops *ops, void *data)
{
	stream->ops = ops;
	stream->data = data;
}

struct span h2_stream_peek(const struct h2_stream *stream)
{
	return buf_span(&stream->in);
}

void h2_stream_consume(struct h2_stream *stream, size_t n)
{
	struct h2_session *session = stream->session;

	buf_consume(&stream->in, n);
	session->unread_bytes -= n;
	if (buf_len(&stream->in) == 0)
		buf_fini(&stream->in); /* an idle stream holds no buffer */
	if (stream->is_over) {
		/* A clean end may have waited for this. */
		h2_session_mark(session, stream);
		loop_task_schedule(session->loop, &session->dispatch_task);
	} else if (!stream->is_peer_ended) {
		/* Fails only for a session that is over. */
		(void)nghttp2_session_consume_stream(session->ng, stream->id, n);
		h2_session_wake(session);
	}
	h2_session_credit(session);
}

void h2_stream_fill_nv(nghttp2_nv *items, const struct h2_headers *headers)
{
	for (size_t i = 0; i < headers->count; i++) {
		const struct h2_header *header = &headers->items[i];

		/* The library's fields are not const but it only reads. */
		items[i] = (nghttp2_nv){(uint8_t *)header->name.data, (uint8_t *)header->value.data,
					header->name.len, header->value.len, NGHTTP2_NV_FLAG_NONE};
	}
}

void h2_stream_inform(struct h2_stream *stream)
{
	const struct h2_header status = {SPAN_LIT(":status"), SPAN_LIT("100")};
	nghttp2_nv item;

	if (stream->is_over || stream->has_sent_head)
		return;
	h2_stream_fill_nv(&item, &(struct h2_headers){&status, 1});
	/* Fails without memory only; a client waits for it not much longer than a second. */
	(void)nghttp2_submit_headers(stream->session->ng, NGHTTP2_FLAG_NONE, stream->id, NULL,
				     &item, 1, NULL);
	h2_session_wake(stream->session);
}

void h2_stream_respond(struct h2_stream *stream, const struct h2_headers *headers, bool is_end)
{
	nghttp2_nv few[H2_HEADERS_ON_STACK];
	nghttp2_nv *items = few;
	nghttp2_data_provider body = h2_callbacks_data_provider();

	BUG_ON(stream->has_sent_head);
	stream->has_sent_head = true;
	if (stream->is_over)
		return;
	if (headers->count > H2_HEADERS_ON_STACK)
		items = mem_new_array(nghttp2_nv, headers->count);
	h2_stream_fill_nv(items, headers);
	stream->is_ending |= is_end;
	/* Fails without memory only; the peer's deadline then ends the stream. */
	(void)nghttp2_submit_response(stream->session->ng, stream->id, items, headers->count,
				      is_end ? NULL : &body);
	if (items != few)
		mem_free(items);
	h2_session_wake(stream->session);
}

/* The library asks for body bytes again. */
static void resume(struct h2_stream *stream)
{
	if (stream->is_deferred) {
		stream->is_deferred = false;
		/* Fails only when nothing is deferred, which is then not needed. */
		(void)nghttp2_session_resume_data(stream->session->ng, stream->id);
	}
	h2_session_wake(stream->session);
}

size_t h2_stream_room(const struct h2_stream *stream)
{
	const struct h2_session *session = stream->session;
	size_t total_max = session->limits.max_unsent_total_bytes;
	size_t own = session->limits.max_unsent_bytes - buf_len(&stream->out);
	size_t all = session->unsent_bytes < total_max ? total_max - session->unsent_bytes : 0;

	return own < all ? own : all;
}

enum status h2_stream_write_parts(struct h2_stream *stream, const struct span *parts, size_t count)
{
	struct h2_session *session = stream->session;
	size_t total = 0;

	BUG_ON(!stream->has_sent_head);
	if (stream->is_over || stream->is_ending)
		return ST_UNAVAILABLE;
	for (size_t i = 0; i < count; i++)
		total += parts[i].len;
	if (total > h2_stream_room(stream))
		return ST_RESOURCE_EXHAUSTED; /* refused whole; a later, smaller one may fit */
	BUG_ON(!buf_reserve(&stream->out, total));
	for (size_t i = 0; i < count; i++)
		(void)buf_append(&stream->out, parts[i]); /* there is room */
	session->unsent_bytes += total;
	if (buf_len(&stream->out) > H2_DRAIN_HIGH)
		stream->wants_drained = true;
	resume(stream);
	return ST_OK;
}

enum status h2_stream_write(struct h2_stream *stream, struct span bytes)
{
	return h2_stream_write_parts(stream, &bytes, 1);
}

size_t h2_stream_unsent(const struct h2_stream *stream)
{
	return buf_len(&stream->out);
}

void h2_stream_end(struct h2_stream *stream)
{
	if (stream->is_over || stream->is_ending)
		return;
	stream->is_ending = true;
	if (stream->session->is_server && buf_len(&stream->out) > 0)
		h2_session_await_taking(stream->session, stream);
	resume(stream);
}

void h2_stream_break(struct h2_stream *stream)
{
	stream->is_breaking = true;
	h2_stream_end(stream);
}

/* The library copies trailers only when they are submitted, after the body: keep them until then.
 */
static struct h2_trailers *trailers_copy(const struct h2_headers *headers)
{
	size_t size = sizeof(struct h2_trailers) + headers->count * sizeof(nghttp2_nv);
	size_t at = size;
	struct h2_trailers *copy;

	for (size_t i = 0; i < headers->count; i++)
		size += headers->items[i].name.len + headers->items[i].value.len;
	copy = mem_zalloc(size);
	copy->count = headers->count;
	h2_stream_fill_nv(copy->items, headers);
	for (size_t i = 0; i < headers->count; i++) {
		nghttp2_nv *item = &copy->items[i];
		uint8_t *room = (uint8_t *)copy + at;

		if (item->namelen)
			memcpy(room, item->name, item->namelen);
		if (item->valuelen)
			memcpy(room + item->namelen, item->value, item->valuelen);
		item->name = room;
		item->value = room + item->namelen;
		at += item->namelen + item->valuelen;
	}
	return copy;
}

void h2_stream_end_with_trailers(struct h2_stream *stream, const struct h2_headers *trailers)
{
	if (stream->is_over || stream->is_ending)
		return;
	stream->trailers = trailers_copy(trailers);
	h2_stream_end(stream);
}

void h2_stream_reset(struct h2_stream *stream, uint32_t h2_code)
{
	struct h2_session *session = stream->session;

	stream->is_cut = true;
	if (stream->is_over) {
		/* It may have waited for its reader. */
		h2_session_mark(session, stream);
		loop_task_schedule(session->loop, &session->dispatch_task);
		return;
	}
	/* Fails without memory only; for the owner it is over either way. */
	(void)nghttp2_submit_rst_stream(session->ng, NGHTTP2_FLAG_NONE, stream->id, h2_code);
	h2_stream_closed(stream, false, false, h2_code);
	loop_task_schedule(session->loop, &session->dispatch_task);
	h2_session_wake(session);
}

void h2_stream_detach(struct h2_stream *stream)
{
	stream->ops = NULL;
	stream->data = NULL;
	h2_stream_reset(stream, NGHTTP2_CANCEL);
}

struct h2_session *h2_stream_session(struct h2_stream *stream)
{
	return stream->session;
}
