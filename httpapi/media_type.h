#ifndef HEADGATE_HTTPAPI_MEDIA_TYPE_H
#define HEADGATE_HTTPAPI_MEDIA_TYPE_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/span.h"

/* A Content-Type value taken apart. Spans borrowed. Spec: RFC 9110 8.3.1 */
struct media_type {
	struct span type;    /* "application/json", in the case it was sent */
	struct span charset; /* without quotes; empty: none */
};

/* Takes the part before the next separator off the front of rest, without white space around it;
 * quoted strings are not looked into. */
struct span media_type_next_part(struct span *rest, uint8_t separator);

/* False when text is no media type. */
bool media_type_parse(struct span text, struct media_type *ret_type);

/* The bodies that are read as JSON: application/json and application/…+json, for client streams
 * also application/x-ndjson, application/ndjson and application/jsonl; charset utf-8 or none. */
bool media_type_is_json(struct span text, bool is_stream);

/* A value that may be sent as a header as it is: printable ASCII, not empty. */
bool media_type_is_sendable(struct span text);

#endif
