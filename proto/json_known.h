#ifndef HEADGATE_PROTO_JSON_KNOWN_H
#define HEADGATE_PROTO_JSON_KNOWN_H

#include <stdint.h>

#include "proto/wire.h"
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/base/span.h"

/* The well-known types whose JSON form is a text of its own. */

/* Both Timestamp and Duration are 1 seconds, 2 nanos on the wire. */
struct json_time {
	int64_t seconds;
	int32_t nanos;
};

/* RFC 3339 with upper-case T and Z, years 1 to 9999, at most nine digits of a second. */
enum status json_timestamp_parse(struct span text, struct json_time *ret_time,
				 struct error *err) MUST_CHECK;
enum status json_timestamp_print(struct json_time time, struct buf *out,
				 struct error *err) MUST_CHECK;

/* "-1.5s", within 10,000 years. */
enum status json_duration_parse(struct span text, struct json_time *ret_time,
				struct error *err) MUST_CHECK;
enum status json_duration_print(struct json_time time, struct buf *out,
				struct error *err) MUST_CHECK;

void json_time_put(struct wire_writer *writer, struct json_time time);

/* Writes the paths of "fooBar.baz,qux" as snake_case fields of a FieldMask. is_snake_ok:
 * underscores may stand in the text already (path and query parameters). */
enum status json_mask_parse(struct span text, bool is_snake_ok, struct wire_writer *writer,
			    struct error *err) MUST_CHECK;

/* Appends one snake_case path in camel case, without quotes. An error when it would not come back
 * as it was. */
enum status json_mask_print(struct span path, struct buf *out, struct error *err) MUST_CHECK;

/* ST_RESOURCE_EXHAUSTED for an output that is full. */
enum status json_full(struct error *err);

#endif
