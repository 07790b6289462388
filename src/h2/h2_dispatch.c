/* Telling owners what the library's callbacks wrote down. Owners may do anything from their
 * callbacks: reset or detach any stream, close or free the session. Hence: streams are freed only
 * here, one at a time, after their own callbacks; and after every callback is_freed is looked at.
 */
#include <string.h>

#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/h2/h2_internal.h"
#include "src/runtime/stream.h"

/* More than this is not kept between reads. */
#define H2_FIELDS_KEEP ((size_t)64)

/* The headers of a block for an owner; small lists stay on the caller's stack. */
struct head {
	struct h2_headers headers;
	struct h2_header *items;
	struct h2_header few[H2_HEADERS_ON_STACK];
};

static struct span span_of(nghttp2_rcbuf *rcbuf)
{
	nghttp2_vec vec = nghttp2_rcbuf_get_buf(rcbuf);

	return span_make(vec.base, vec.len);
}

static void head_init(struct head *head, const struct h2_session *session,
		      const struct h2_block *block)
{
	head->items = block->count <= H2_HEADERS_ON_STACK
			      ? head->few
			      : mem_new_array(struct h2_header, block->count);
	for (size_t i = 0; i < block->count; i++) {
		head->items[i].name = span_of(session->fields[block->at + i].name);
		head->items[i].value = span_of(session->fields[block->at + i].value);
	}
	head->headers = (struct h2_headers){head->items, block->count};
}

static void head_fini(struct head *head)
{
	if (head->items != head->few)
		mem_free(head->items);
}

/* Releases the headers that were told; a block still being received moves to the front. */
static void release_fields(struct h2_session *session)
{
	size_t told = session->block_stream ? session->block_at : session->field_count;

	if (session->field_count == 0)
		return;
	for (size_t i = 0; i < told; i++) {
		nghttp2_rcbuf_decref(session->fields[i].name);
		nghttp2_rcbuf_decref(session->fields[i].value);
	}
	session->field_count -= told;
	session->block_at = 0;
	if (session->field_count > 0)
		memmove(session->fields, session->fields + told,
			session->field_count * sizeof(*session->fields));
	else if (session->field_cap > H2_FIELDS_KEEP) {
		mem_free(session->fields);
		session->fields = NULL;
		session->field_cap = 0;
	}
}

static void answer_head_too_big(struct h2_stream *stream)
{
	static const struct h2_header items[] = {
		{SPAN_LIT(":status"), SPAN_LIT("431")},
		{SPAN_LIT("content-length"), SPAN_LIT("0")},
	};
	static const struct h2_headers headers = {items, 2};

	h2_stream_respond(stream, &headers, true);
}

/* A request: the owner of the session decides who takes it. */
static void tell_request(struct h2_stream *stream, const struct h2_headers *headers)
{
	struct h2_session *session = stream->session;

	if (session->is_ending || session->end_status != ST_OK)
		return;
	if (stream->is_head_too_big && !session->ops->on_oversized) {
		answer_head_too_big(stream);
		return;
	}
	if (stream->is_head_too_big)
		session->ops->on_oversized(session->data, stream);
	else
		session->ops->on_request(session->data, stream, headers);
	if (!session->is_freed && !stream->ops)
		h2_stream_reset(stream, NGHTTP2_REFUSED_STREAM);
}

static void tell_head(struct h2_stream *stream)
{
	struct head head;

	stream->has_new_head = false;
	head_init(&head, stream->session, &stream->head);
	if (stream->session->is_server)
		tell_request(stream, &head.headers);
	else if (stream->ops && stream->ops->on_headers)
		stream->ops->on_headers(stream->data, stream, &head.headers);
	head_fini(&head);
}

static void tell_trailers(struct h2_stream *stream)
{
	struct head head;

	stream->has_new_trailers = false;
	if (!stream->ops || !stream->ops->on_trailers)
		return;
	head_init(&head, stream->session, &stream->tail);
	stream->ops->on_trailers(stream->data, stream, &head.headers);
	head_fini(&head);
}

/* True while there is an owner that may be told more than the end. */
static bool may_tell(const struct h2_stream *stream)
{
	return !stream->session->is_freed && !stream->is_cut;
}

static void tell_stream(struct h2_stream *stream)
{
	if (stream->has_new_head && may_tell(stream))
		tell_head(stream);
	if (stream->has_new_data && may_tell(stream)) {
		stream->has_new_data = false;
		if (stream->ops && stream->ops->on_data)
			stream->ops->on_data(stream->data, stream);
	}
	if (stream->has_new_trailers && may_tell(stream))
		tell_trailers(stream);
	if (stream->has_new_end && may_tell(stream)) {
		stream->has_new_end = false;
		if (stream->ops && stream->ops->on_end)
			stream->ops->on_end(stream->data, stream);
	}
	if (stream->is_newly_drained && may_tell(stream)) {
		stream->is_newly_drained = false;
		if (stream->ops && stream->ops->on_drained && !stream->is_over)
			stream->ops->on_drained(stream->data, stream);
	}
}

/* A complete response waits for its reader. */
static bool has_reader(const struct h2_stream *stream)
{
	return stream->is_clean && !stream->is_cut && stream->ops && buf_len(&stream->in) > 0 &&
	       stream->session->socket && !stream->session->is_server;
}

static void dispatch_stream(struct h2_stream *stream)
{
	struct h2_session *session = stream->session;
	const struct h2_stream_ops *ops;

	/* Ended in disorder: a server must not take a request for complete that its sender took
	 * back in the same read. A client's response stays what it is. */
	if (stream->is_over && !stream->is_clean && session->is_server)
		stream->is_cut = true;
	tell_stream(stream);
	if (session->is_freed || !stream->is_over || has_reader(stream))
		return;
	ops = stream->ops;
	stream->ops = NULL; /* told once, whatever happens inside */
	if (ops && ops->on_closed)
		ops->on_closed(stream->data, stream, stream->is_clean, stream->is_lost,
			       stream->h2_code);
	if (!session->is_freed)
		h2_stream_free(stream);
}

static void dispatch_session(struct h2_session *session)
{
	if (session->is_newly_ready && !session->is_freed && !session->is_goaway) {
		session->is_newly_ready = false;
		if (session->ops->on_ready)
			session->ops->on_ready(session->data, session);
	}
	if (session->has_new_goaway && !session->is_freed) {
		session->has_new_goaway = false;
		if (session->ops->on_goaway)
			session->ops->on_goaway(session->data, session, session->goaway_code);
	}
	if (session->wants_slot && !session->is_freed && !session->is_goaway &&
	    session->open_count < nghttp2_session_get_remote_settings(
					  session->ng, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)) {
		session->wants_slot = false;
		if (session->ops->on_slot)
			session->ops->on_slot(session->data, session);
	}
}

bool h2_dispatch(struct h2_session *session)
{
	struct list *node;

	BUG_ON(session->depth != 0);
	session->depth++;
	loop_task_cancel(&session->dispatch_task);
	if (session->is_close_asked) /* close cancelled together with the task */
		loop_task_schedule(session->loop, &session->dispatch_task);
	do {
		while (!session->is_freed && (node = list_pop_front(&session->dirty)))
			dispatch_stream(list_entry(node, struct h2_stream, dirty_node));
		if (!session->is_freed)
			dispatch_session(session);
	} while (!session->is_freed && !list_is_empty(&session->dirty));
	session->depth--;
	if (session->is_freed) {
		h2_session_destroy(session);
		return false;
	}
	release_fields(session);
	h2_session_credit(session);
	return true;
}

void h2_session_destroy(struct h2_session *session)
{
	BUG_ON(session->depth != 0);
	loop_task_cancel(&session->dispatch_task);
	timer_stop(&session->timer);
	stream_close(session->socket);
	list_for_each_safe (it, &session->streams)
		h2_stream_free(list_entry(it, struct h2_stream, node));
	session->block_stream = NULL;
	release_fields(session);
	mem_free(session->fields);
	/* The library's streams still point at ours, but it calls nothing while it is deleted. */
	nghttp2_session_del(session->ng);
	session->magic = 0;
	mem_free(session);
}
