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

/* What printing needs besides the rule; all borrowed. */
struct transcode_printer {
	const struct schema *schema; /* resolves Any */
	const struct transcode_options *options;
};

/* One reply message on its way to an HTTP body. */
struct transcode_reply {
	struct span content_type; /* "application/json", or what an HttpBody says */
	struct span body;	  /* borrowed: raw from wire, JSON from out */
	bool is_raw;		  /* bytes of an HttpBody, not JSON */
};

/* The body of one reply message, for a stream one element of it: JSON of the message or of the
 * response_body field (any kind), appended to out; or the bytes of a google.api.HttpBody, which
 * stay in wire. ST_INTERNAL: the function sent what is no message of the type, or a value without
 * JSON form (err->field), or a content type that is no header value; ST_RESOURCE_EXHAUSTED: out is
 * full. */
MUST_CHECK enum status transcode_out(const struct http_rule *rule, struct span wire,
				     const struct transcode_printer *printer, struct buf *out,
				     struct transcode_reply *ret_reply, struct error *err);

#endif
