#ifndef HEADGATE_HTTPAPI_STREAM_FRAME_H
#define HEADGATE_HTTPAPI_STREAM_FRAME_H

#include <stdbool.h>
#include <stddef.h>

#include "httpapi/accept.h"
#include "src/base/buf.h"
#include "src/base/span.h"

/* The bytes around the messages of a server stream. Pure.
 *
 *   array  [ value , value … ]                  error, when asked for: ,{"@error":Status}]
 *   lines  value LF …                           error: {"error":Status} LF
 *   sse    data: value LF LF …                  error: event: error LF data: Status LF LF
 *
 * Spec: docs/http-mapping.md, "Streams"; HTML Living Standard 9.2.5 (event streams) */
struct stream_frame {
	enum framing framing;
	bool has_error_element; /* array: a failure becomes a last element */
	bool has_end_event;	/* sse: "event: end" at a good end, lest browsers connect again */
	size_t count;		/* values written */
};

/* A value is what is appended to out between _open and _close; *ret_start marks it. False when out
 * is full, which is then cut back to what it was. */
bool stream_frame_open(const struct stream_frame *frame, struct buf *out, size_t *ret_start);
bool stream_frame_close(struct stream_frame *frame, struct buf *out, size_t start);

/* What ends the body in good order; may be nothing. */
bool stream_frame_end(const struct stream_frame *frame, struct buf *out);

/* The failure, as a google.rpc.Status in JSON without line breaks, and the end of the body.
 * ret_is_told is false when the framing has no words for it: then the transfer must break. */
bool stream_frame_error(const struct stream_frame *frame, struct span status, struct buf *out,
			bool *ret_is_told);

/* A comment that keeps the connection alive; false when the framing has none. */
bool stream_frame_heartbeat(const struct stream_frame *frame, struct buf *out);

#endif
