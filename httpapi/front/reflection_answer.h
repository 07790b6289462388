#ifndef HEADGATE_HTTPAPI_FRONT_REFLECTION_ANSWER_H
#define HEADGATE_HTTPAPI_FRONT_REFLECTION_ANSWER_H

#include <stddef.h>

#include "src/base/span.h"
#include "src/base/status.h"

/* What one question of server reflection is answered with; pure. The messages of the two versions
 * are the same on the wire. Spec: grpc/reflection/v1/reflection.proto; cloudstate-protocol 2.2
 * (S-11 to S-13); ruling R16 */
struct api;
struct buf;
struct error;
struct schema;

/* The longest question: a host and a full name. */
#define REFLECTION_REQUEST_BYTES_MAX ((size_t)16 * 1024)

/* The largest file a function may declare (SCHEMA_BYTES_MAX), with the question. */
#define REFLECTION_REPLY_BYTES_MAX ((size_t)12 * 1024 * 1024 + (size_t)64 * 1024)

struct reflection_source {
	struct span self;      /* full name of the service that is asked: listed first */
	const struct api *api; /* the function's; NULL: none is known yet */
	const struct schema
		*builtin; /* schema_new_builtin; asked when the function knows nothing */
};

/* Puts the answer to request into out. What is unknown is an empty list, as in the original, and
 * not an error. A file comes alone; its imports are asked for by name. ST_INVALID_ARGUMENT when the
 * request is malformed, ST_RESOURCE_EXHAUSTED when it or the answer is too long. */
MUST_CHECK enum status reflection_answer(const struct reflection_source *source,
					 struct span request, struct buf *out, struct error *err);

#endif
