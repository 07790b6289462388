#ifndef HEADGATE_SRC_GRPC_GRPC_CODEC_H
#define HEADGATE_SRC_GRPC_GRPC_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/span.h"
#include "src/base/status.h"

/* The pure half of gRPC over HTTP/2: message frames, grpc-timeout, grpc-message, binary metadata,
 * and what an HTTP answer without gRPC means. Spec: grpc PROTOCOL-HTTP2.md */
struct error;
struct h2_headers;

#define GRPC_FRAME_HEAD_BYTES 5

/* Appends the five-byte head for a message of len bytes. */
bool grpc_frame_head(struct buf *out, bool is_compressed, uint32_t len);

/* The same into memory of the caller. */
void grpc_frame_head_write(uint8_t head[GRPC_FRAME_HEAD_BYTES], bool is_compressed, uint32_t len);

enum grpc_frame_state {
	GRPC_FRAME_DONE,
	GRPC_FRAME_MORE,
	GRPC_FRAME_BAD,
	GRPC_FRAME_WORK, /* of readers that unpack: there is more to do, in another turn */
};

/* Looks at the front of input: DONE gives the message (borrowed from input) and the bytes the whole
 * frame takes; MORE says how many bytes are missing at least; BAD fills err (compressed flag
 * without a known encoding, unknown flag bits, larger than max_bytes -> ST_RESOURCE_EXHAUSTED). */
enum grpc_frame_state grpc_frame_read(struct span input, size_t max_bytes, struct span *ret_message,
				      size_t *ret_taken, struct error *err);

/* The same for a call whose messages may be packed: says whether this one is. */
enum grpc_frame_state grpc_frame_read_any(struct span input, size_t max_bytes,
					  struct span *ret_message, size_t *ret_taken,
					  bool *ret_is_packed, struct error *err);

/* "20S" -> ns. False when malformed (empty, more than 8 digits, unknown unit). */
bool grpc_timeout_parse(struct span text, uint64_t *ret_ns);
/* Writes the shortest form that does not round down to zero; at most 10 bytes with NUL. */
void grpc_timeout_print(uint64_t ns, char text[16]);

/* What is read and written, for grpc-accept-encoding. */
#define GRPC_ENCODINGS "identity,gzip"

/* What the head of a call says about its messages and its time. */
struct grpc_head {
	uint64_t wait_ns; /* DEADLINE_NEVER: none named */
	bool has_gzip;	  /* messages may be packed */
	bool takes_gzip;  /* replies may be */
};

/* An encoding other than identity and gzip is ST_UNIMPLEMENTED, a malformed grpc-timeout
 * ST_INVALID_ARGUMENT. */
MUST_CHECK enum status grpc_head_read(const struct h2_headers *headers, struct grpc_head *ret_head,
				      struct error *err);

/* grpc-message: percent-encoding of bytes outside 0x20..0x7E and '%'; invalid escapes are kept. */
bool grpc_message_encode(struct span message, struct buf *out);
bool grpc_message_decode(struct span text, struct buf *out);

/* grpc-status text; ST_UNKNOWN when malformed. */
enum status grpc_status_parse(struct span text);

/* What an HTTP status without grpc-status means; what an RST_STREAM code means. */
enum status grpc_status_from_http(unsigned http_status);
enum status grpc_status_from_h2(uint32_t h2_code);

/* "application/grpc", "application/grpc+proto", each with parameters; false for grpc-web. */
bool grpc_is_content_type(struct span content_type);

/* Metadata keys that belong to the transport and are neither handed up nor sent for users. */
bool grpc_is_reserved_key(struct span key);
bool grpc_is_binary_key(struct span key);

#endif
