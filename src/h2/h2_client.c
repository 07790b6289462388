#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/h2/h2_internal.h"

enum status h2_client_request(struct h2_session *session, const struct h2_headers *headers,
			      bool is_end, const struct h2_stream_ops *ops, void *data,
			      struct h2_stream **ret_stream)
{
	nghttp2_nv few[H2_HEADERS_ON_STACK];
	nghttp2_nv *items = few;
	nghttp2_data_provider body = h2_callbacks_data_provider();
	struct h2_stream *stream;
	int32_t id;

	if (!session->has_settings || session->is_goaway || session->is_ending ||
	    session->is_close_asked || session->end_status != ST_OK)
		return ST_UNAVAILABLE;
	if (session->open_count >= nghttp2_session_get_remote_settings(
					   session->ng, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)) {
		session->wants_slot = true;
		return ST_RESOURCE_EXHAUSTED;
	}
	stream = h2_stream_new(session, 0);
	if (headers->count > H2_HEADERS_ON_STACK)
		items = mem_new_array(nghttp2_nv, headers->count);
	h2_stream_fill_nv(items, headers);
	id = nghttp2_submit_request(session->ng, NULL, items, headers->count, is_end ? NULL : &body,
				    stream);
	if (items != few)
		mem_free(items);
	if (id < 0) {
		/* The 2^30 stream numbers of a connection are used up: as good as a GOAWAY. */
		h2_stream_free(stream);
		session->is_goaway = true;
		session->has_new_goaway = true;
		loop_task_schedule(session->loop, &session->dispatch_task);
		return ST_UNAVAILABLE;
	}
	stream->id = id;
	stream->has_sent_head = true;
	stream->is_ending = is_end;
	h2_stream_set_ops(stream, ops, data);
	h2_session_wake(session);
	*ret_stream = stream;
	return ST_OK;
}
