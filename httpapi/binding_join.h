#ifndef HEADGATE_HTTPAPI_BINDING_JOIN_H
#define HEADGATE_HTTPAPI_BINDING_JOIN_H

#include <stdbool.h>

#include "httpapi/binding.h"
#include "proto/wire.h"

/* The meeting of the two halves of a request: the values of path and query (binding.h) and the wire
 * bytes of its body. */

/* True when some message below the request has values here and may have some in the body as well,
 * so that binding_join must rewrite it. */
bool binding_needs_merge(const struct binding *binding, const struct http_rule *rule);

/* Checks that no field has a value here and another in the wire bytes of the body, and no oneof two
 * members; a singular value that is the same in both is let pass. has_field (may be NULL) tells of
 * top-level fields that the body sets to their default, which leaves nothing on the wire. */
struct binding_body {
	struct span wire;
	bool (*has_field)(const void *data, const struct field *field);
	const void *data;
};
MUST_CHECK enum status binding_check(struct binding *binding, const struct binding_body *body,
				     struct error *err);

/* Writes the message of body and binding: the records of body, then those of binding, messages that
 * both have joined to one. With an empty body only the binding's. Comes after binding_check. body
 * must not lie in the writer's buf. False on malformed bytes or a full writer. */
bool binding_join(const struct binding *binding, struct span body, struct wire_writer *writer);

#endif
