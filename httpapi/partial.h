#ifndef HEADGATE_HTTPAPI_PARTIAL_H
#define HEADGATE_HTTPAPI_PARTIAL_H

#include <stdbool.h>

#include "httpapi/http_rule.h"
#include "src/base/arena.h"
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/base/span.h"

/* A reply cut down to the fields that the client asks for with `fields=a,b.c`: a FieldMask over the
 * body as it is printed, that steps into every element of a list. What is left looks as it did.
 * Spec: google/protobuf/field_mask.proto; docs/http-mapping.md, "Partial replies" */
struct partial;

/* Paths of one request, and steps of one path: a client names what it shows. */
#define PARTIAL_PATHS_MAX 256
#define PARTIAL_STEPS_MAX 32

struct partial_params {
	const struct http_rule *rule; /* borrowed for the call: what the body of a reply is */
	struct span paths;	      /* decoded, commas between; "*": everything */
	bool has_proto_names;	      /* the body is printed with them */
};

/* Names are JSON names or proto names. ST_INVALID_ARGUMENT, with err->field "?fields": a path that
 * the reply cannot have, or one into a map or a well-known type; ST_RESOURCE_EXHAUSTED. */
MUST_CHECK enum status partial_new(const struct partial_params *params, struct arena *arena,
				   struct partial **ret_partial, struct error *err);

/* Appends what is left of json, which is a body that transcode_out printed. False when out is full.
 */
bool partial_apply(const struct partial *partial, struct span json, struct buf *out);

#endif
