#ifndef HEADGATE_HTTPAPI_TRANSCODE_OUT_H
#define HEADGATE_HTTPAPI_TRANSCODE_OUT_H

#include <stdbool.h>
#include <stddef.h>

#include "httpapi/http_rule.h"
#include "httpapi/transcode_options.h"
#include "proto/schema.h"
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/base/span.h"

/* One reply message on its way to an HTTP body. */
struct transcode_reply {
	struct span content_type; /* "application/json", or what an HttpBody says */
	struct span body;	  /* borrowed from wire or scratch */
	bool is_raw;		  /* bytes of an HttpBody, not JSON */
};

/* The body of one reply message, for a stream one element of it: JSON of the message or of the
 * response_body field (any kind), or the bytes of a google.api.HttpBody. JSON is appended to
 * scratch. ST_INTERNAL: the function sent what is no message of the type, or a value without JSON
 * form (err->field), or a content type that is no header value; ST_RESOURCE_EXHAUSTED: scratch is
 * full. */
MUST_CHECK enum status transcode_out(const struct http_rule *rule, struct span wire,
				     const struct schema *schema,
				     const struct transcode_options *options, struct buf *scratch,
				     struct transcode_reply *ret_reply, struct error *err);

#endif
