#ifndef HEADGATE_HTTPAPI_FRONT_ROUTES_H
#define HEADGATE_HTTPAPI_FRONT_ROUTES_H

#include "httpapi/etag.h"
#include "src/base/buf.h"
#include "src/base/span.h"
#include "src/base/status.h"

/* An API and the HTTP routes made from it: an immutable snapshot shared by reference, so that
 * running calls keep the one they began with. */
struct api;
struct config;
struct error;
struct route_report;
struct route_table;
struct rule_file;

struct routes {
	unsigned refs_;
	struct api *api;	   /* holds a reference */
	struct route_table *table; /* data of a route: its struct api_method */
	struct buf openapi;	   /* empty: not asked for yet */
	char openapi_etag[ETAG_BYTES];
};

/* What else makes the routes; borrowed, rules for the life of the routes, config for the call. */
struct routes_params {
	const struct config *config;
	const struct rule_file *rules; /* NULL: none */
};

/* Builds the routes; errors, warnings and overlaps are logged. */
MUST_CHECK enum status routes_new(struct api *api, const struct routes_params *params,
				  struct routes **ret_routes, struct error *err);
/* Only looks: every error is appended to reasons, one per line, and err holds the first. */
MUST_CHECK enum status routes_check(struct api *api, const struct routes_params *params,
				    struct buf *reasons, struct error *err);
/* The same for a tool: what is found goes into report and not into the log, overlaps too. */
MUST_CHECK enum status routes_examine(struct api *api, const struct routes_params *params,
				      struct route_report *report, struct routes **ret_routes,
				      struct error *err);
struct routes *routes_ref(struct routes *routes); /* NULL gives NULL */
void routes_unref(struct routes *routes);	  /* NULL is a no-op */

#endif
