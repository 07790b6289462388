#ifndef HEADGATE_HTTPAPI_FRONT_GRPC_WEB_H
#define HEADGATE_HTTPAPI_FRONT_GRPC_WEB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/span.h"
#include "src/base/status.h"
#include "src/grpc/grpc_codec.h"

/* The pure half of gRPC-Web: gRPC frames in a body, as they are or in base64, and the trailers as a
 * last frame. Spec: grpc PROTOCOL-WEB.md */
struct error;
struct grpc_status;
struct h2_headers;

/* One piece of a body as a transport gives it: at most what a client may send unread, the largest
 * http2.stream_window. */
#define GRPC_WEB_PIECE_BYTES_MAX ((size_t)17 * 1024 * 1024)

enum grpc_web_form {
	GRPC_WEB_NONE,	 /* not gRPC-Web, or with messages that are not protobuf */
	GRPC_WEB_BINARY, /* application/grpc-web, +proto */
	GRPC_WEB_TEXT,	 /* application/grpc-web-text, +proto: base64 */
};

/* The form that a content type names; parameters are not looked at. */
enum grpc_web_form grpc_web_form(struct span content_type);

/* The form of the reply: what Accept names first, else that of the request. */
enum grpc_web_form grpc_web_reply_form(const struct h2_headers *headers,
				       enum grpc_web_form request);

/* "application/grpc-web+proto" or "application/grpc-web-text+proto". */
struct span grpc_web_content_type(enum grpc_web_form form);

/* Takes messages out of a request body, whatever the pieces it comes in. */
struct grpc_web_reader {
	enum grpc_web_form form;
	size_t max_message_bytes;
	struct buf bytes_; /* frames, out of base64 */
	size_t taken_;
	uint8_t group_[4]; /* TEXT: of four letters that are not all here */
	size_t group_len_;
};

void grpc_web_reader_init(struct grpc_web_reader *reader, enum grpc_web_form form,
			  size_t max_message_bytes);
void grpc_web_reader_fini(struct grpc_web_reader *reader);

/* Takes a piece. Clients and proxies put base64 together of parts, so padding may stand after any
 * group of four. Errors: ST_INVALID_ARGUMENT when it is not base64, ST_RESOURCE_EXHAUSTED when more
 * than a message and a piece waits. */
MUST_CHECK enum status grpc_web_reader_feed(struct grpc_web_reader *reader, struct span piece,
					    struct error *err);

/* The body is complete: takes what padding left out. Errors: ST_INVALID_ARGUMENT when a letter is
 * left. */
MUST_CHECK enum status grpc_web_reader_end(struct grpc_web_reader *reader, struct error *err);

/* The next message: as grpc_frame_read. DONE: borrowed until _take, which must follow. */
enum grpc_frame_state grpc_web_reader_next(struct grpc_web_reader *reader, struct span *ret_message,
					   struct error *err);
void grpc_web_reader_take(struct grpc_web_reader *reader);

/* How much waits, messages that next showed included. */
static inline size_t grpc_web_reader_waiting(const struct grpc_web_reader *reader)
{
	return buf_len(&reader->bytes_) + reader->group_len_;
}

/* Appends a message as a frame. False when out is full: it is as before then. */
bool grpc_web_write_message(enum grpc_web_form form, struct span message, struct buf *out);

/* Appends a status as the last frame. False when out is full: it is as before then. */
bool grpc_web_write_status(enum grpc_web_form form, const struct grpc_status *status,
			   struct buf *out);

#endif
