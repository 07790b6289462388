#ifndef HEADGATE_HTTPAPI_OPENAPI_H
#define HEADGATE_HTTPAPI_OPENAPI_H

#include <stdbool.h>
#include <stddef.h>

#include "httpapi/transcode_options.h"
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/base/span.h"

/* The OpenAPI 3.1 document of an HTTP API: what its clients may send and get, from the same rules
 * and types that serve them. Comments of the .proto files become descriptions when the descriptor
 * set came with source info. A method is shown with its rules; one without any, with its generated
 * POST. Spec: OpenAPI 3.1.0; docs/http-mapping.md, "OpenAPI" */
struct route_table;
struct schema;

/* Nobody reads or renders more. */
#define OPENAPI_BYTES_MAX ((size_t)16 * 1024 * 1024)

/* Operations, parameters, properties and values of examples, all together: bounds the time and the
 * memory of the tree before it is text. */
#define OPENAPI_ITEMS_MAX 200000

/* All borrowed for the call. */
struct openapi_params {
	const struct schema *schema;
	const struct route_table *table;
	const struct transcode_options *options; /* names and enums as replies have them */
	struct span service; /* full name of the only one to be shown; empty: all */
	struct span title;   /* empty: the name of the first service */
	struct span version; /* of the API; empty: "0" */
	bool is_indented;
};

/* Appends the document to out. ST_RESOURCE_EXHAUSTED past a limit above or when out is full. */
MUST_CHECK enum status openapi_write(const struct openapi_params *params, struct buf *out,
				     struct error *err);

#endif
