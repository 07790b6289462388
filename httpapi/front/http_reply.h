#ifndef HEADGATE_HTTPAPI_FRONT_HTTP_REPLY_H
#define HEADGATE_HTTPAPI_FRONT_HTTP_REPLY_H

#include <stddef.h>

#include "src/base/span.h"
#include "src/base/status.h"

/* Short ways to answer an http_request. */
struct h2_header;
struct http_request;
struct schema;
struct status_map;

/* Largest body of an error: details of a function may be long, but nobody reads more. */
#define HTTP_REPLY_ERROR_BYTES_MAX ((size_t)256 * 1024)

/* Whose failure it is: tells plain errors apart. */
enum http_reply_origin {
	HTTP_REPLY_OF_GATEWAY,
	HTTP_REPLY_OF_REQUEST, /* it cannot be read */
	HTTP_REPLY_OF_CALL,
};

/* Further headers of one failure: both kinds of metadata. */
#define HTTP_REPLY_HEADERS_MAX 257

/* A failure as a google.rpc.Status in JSON. All borrowed. Spec: docs/http-mapping.md, "Errors" */
struct http_reply_error {
	enum status code;
	int http_status; /* 0: that of the code */
	struct span message;
	struct span details; /* serialized google.rpc.Status, or empty */
	struct span allow;   /* value of an Allow header, or empty */
	enum http_reply_origin origin;
	const struct h2_header *headers; /* further ones */
	size_t header_count;
	const struct status_map *map; /* needed when there are details */
	const struct schema *schema;  /* may be NULL */
};

/* Adds Retry-After when the same request may succeed later. */
void http_reply_error(struct http_request *request, const struct http_reply_error *error);

void http_reply_body(struct http_request *request, int status, const char *content_type,
		     struct span body);

#endif
