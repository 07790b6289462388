#ifndef HEADGATE_HTTPAPI_FRONT_JSON_HEAD_H
#define HEADGATE_HTTPAPI_FRONT_JSON_HEAD_H

#include "src/base/status.h"

/* What the head of a JSON request says of its call, be it one answer or a stream. */
struct arena;
struct call_options;
struct error;
struct exchange;
struct front;
struct http_head;
struct metadata;
struct timer;

/* Where it goes. Borrowed. */
struct json_head {
	struct exchange *exchange;
	const struct call_options *options; /* of the method */
	struct timer *deadline;
	struct arena *arena; /* of the metadata */
	struct metadata *metadata;
};

/* The deadline of the exchange, its timer running, and the metadata that outsiders may set. Errors
 * are those of json_metadata_timeout and json_metadata_read. */
MUST_CHECK enum status json_head_read(struct front *front, const struct json_head *into,
				      const struct http_head *head, struct error *err);

#endif
