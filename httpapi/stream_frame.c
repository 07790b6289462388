#include "httpapi/stream_frame.h"

bool stream_frame_open(const struct stream_frame *frame, struct buf *out, size_t *ret_start)
{
	*ret_start = buf_len(out);
	switch (frame->framing) {
	case FRAMING_ARRAY:
		return buf_append_byte(out, frame->count ? ',' : '[');
	case FRAMING_SSE:
		return buf_append_str(out, "data: ");
	case FRAMING_LINES:
	case FRAMING_COUNT_:
		break;
	}
	return true;
}

bool stream_frame_close(struct stream_frame *frame, struct buf *out, size_t start)
{
	bool is_written = true;

	if (frame->framing == FRAMING_LINES)
		is_written = buf_append_byte(out, '\n');
	else if (frame->framing == FRAMING_SSE)
		is_written = buf_append_str(out, "\n\n");
	if (!is_written) {
		buf_truncate(out, start);
		return false;
	}
	frame->count++;
	return true;
}

bool stream_frame_end(const struct stream_frame *frame, struct buf *out)
{
	if (frame->framing == FRAMING_ARRAY)
		return buf_append_str(out, frame->count ? "]" : "[]");
	if (frame->framing == FRAMING_SSE && frame->has_end_event)
		/* Browsers drop an event without data. */
		return buf_append_str(out, "event: end\ndata: {}\n\n");
	return true;
}

bool stream_frame_error(const struct stream_frame *frame, struct span status, struct buf *out,
			bool *ret_is_told)
{
	*ret_is_told = true;
	switch (frame->framing) {
	case FRAMING_LINES:
		return buf_append_str(out, "{\"error\":") && buf_append(out, status) &&
		       buf_append_str(out, "}\n");
	case FRAMING_SSE:
		return buf_append_str(out, "event: error\ndata: ") && buf_append(out, status) &&
		       buf_append_str(out, "\n\n");
	case FRAMING_ARRAY:
		if (frame->has_error_element)
			return buf_append_str(out,
					      frame->count ? ",{\"@error\":" : "[{\"@error\":") &&
			       buf_append(out, status) && buf_append_str(out, "}]");
		break;
	case FRAMING_COUNT_:
		break;
	}
	*ret_is_told = false;
	return true;
}

bool stream_frame_heartbeat(const struct stream_frame *frame, struct buf *out)
{
	return frame->framing == FRAMING_SSE && buf_append_str(out, ":\n\n");
}
