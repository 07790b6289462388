#ifndef HEADGATE_HTTPAPI_TRANSCODE_IN_H
#define HEADGATE_HTTPAPI_TRANSCODE_IN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "httpapi/binding.h"
#include "httpapi/route_table.h"
#include "httpapi/transcode_options.h"
#include "proto/json.h"
#include "proto/schema.h"
#include "src/base/arena.h"
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/base/parse.h"
#include "src/base/span.h"

/* An HTTP request on its way to wire bytes: path, query and a body that comes in any pieces become
 * the request message, or the messages of a client stream. Spec: docs/http-mapping.md, "Requests"
 */

/* Pieces into which a raw body of a client stream is cut. */
#define TRANSCODE_RAW_PIECE_BYTES ((size_t)1024 * 1024)

/* body_length when the length is not known before (chunked). */
#define TRANSCODE_LENGTH_UNKNOWN UINT64_MAX

/* Borrowed until _start returns: match, query, content_type; for the life of the object: the rest
 * and the match's route. */
struct transcode_in_params {
	const struct route_match *match;
	struct span query;	     /* raw, without "?" */
	struct span content_type;    /* of the header; empty: there is none */
	uint64_t body_length;	     /* Content-Length; 0 without a body */
	const struct schema *schema; /* resolves Any */
	const struct transcode_options *options;
	struct arena *arena; /* the request's */
	struct buf *out;     /* gets the message; starts empty and is emptied by the caller between
				the messages of a client stream */
};

struct transcode_in {
	/* read only */
	int http_status;	/* after a failure: 413, 414 or 415; 0: what status_http says */
	struct buf *violations; /* after a failure: google.rpc.BadRequest, perhaps empty */
	size_t message_count;	/* messages yielded so far */
	/* private */
	struct transcode_in_params params_;
	const struct http_rule *rule_;
	struct binding binding_;
	struct json_reader *reader_;
	struct wire_writer writer_;
	struct wire_nest outer_; /* raw: the HttpBody when it is a field */
	struct wire_nest data_;	 /* raw: its data */
	struct buf body_;	 /* wire bytes of the body where they must be merged */
	struct buf mask_;
	uint64_t body_bytes_;
	size_t message_bytes_; /* stream: JSON of the message being read */
	size_t piece_bytes_;   /* raw: data in the message being written */
	unsigned state_;
	bool is_array_;	  /* stream: the messages are elements of one array */
	bool is_writing_; /* writer_ is open */
	bool is_raw_open_;
};

/* Reads path and query and checks the content type. A failure leaves err, violations and
 * http_status; _fini is called in any case. */
MUST_CHECK enum status transcode_in_start(struct transcode_in *in,
					  const struct transcode_in_params *params,
					  struct error *err);

/* Body bytes as they come. MORE: all of chunk was taken. DONE (client streams only): a message lies
 * in out; *ret_used bytes were taken and the rest is fed again. BAD: err->field names the field as
 * the client wrote it, JSON errors end in line and column. */
enum parse_result transcode_in_feed(struct transcode_in *in, struct span chunk, size_t *ret_used,
				    struct error *err);

/* The body is at its end. DONE: a message lies in out (always so for a method without client
 * stream). MORE: there is none any more. A client stream calls it until MORE. */
enum parse_result transcode_in_end(struct transcode_in *in, struct error *err);

/* Appends the google.rpc.Status of a failure: with its violations, or the field that err names.
 * What does not fit is left out; err's message says the first of them. Accepts a zeroed object. */
void transcode_in_details(const struct transcode_in *in, const struct error *err,
			  struct buf *details);

/* Accepts a zeroed object. */
void transcode_in_fini(struct transcode_in *in);

#endif
