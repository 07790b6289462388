#ifndef HEADGATE_HTTPAPI_FRONT_WISHES_H
#define HEADGATE_HTTPAPI_FRONT_WISHES_H

#include <stdbool.h>

#include "src/base/arena.h"
#include "src/base/error.h"
#include "src/base/span.h"

/* Query parameters that say how a reply is to look, and that no field of the request can have while
 * they are on: fields (http.fields) and prettyPrint (http.pretty_print). Pure. */
struct config;
struct h2_headers;
struct http_rule;
struct partial;

struct wishes {
	struct partial *partial; /* arena; NULL: the whole reply */
	bool is_pretty;
};

/* Takes them out of the raw query. ST_INVALID_ARGUMENT with err->field: a path that the reply does
 * not have, a value that is not true or false, a malformed escape; ST_RESOURCE_EXHAUSTED. */
MUST_CHECK enum status wishes_take(const struct config *config, const struct http_rule *rule,
				   struct arena *arena, struct span *query,
				   struct wishes *ret_wishes, struct error *err);

/* True when the Accept headers take this media type, whose parameters do not count, or when
 * http.lenient_accept lets them be. */
bool wishes_accept(const struct config *config, const struct h2_headers *headers, struct span type);

/* What a client is told whose Accept excludes the one reply: 406. NULL: it does not, or the type is
 * the function's to choose. Not for streams, which come in several types. */
const char *wishes_refusal(const struct config *config, const struct h2_headers *headers,
			   const struct http_rule *rule);

#endif
