#ifndef HEADGATE_HTTPAPI_STATUS_MAP_H
#define HEADGATE_HTTPAPI_STATUS_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/schema.h"
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/base/span.h"
#include "src/base/status.h"

/* How a call that failed looks over HTTP: always a google.rpc.Status in JSON.
 * Spec: docs/http-mapping.md, "Errors"; google/rpc/status.proto, google/rpc/error_details.proto */

/* A failure as gRPC has it. All spans borrowed. */
struct status_failure {
	enum status code;
	struct span message;
	struct span details; /* serialized google.rpc.Status (grpc-status-details-bin, decoded), or
				empty; its own code and message are not looked at */
};

/* Knows the types of google/rpc/error_details.proto, whatever the function declares. Immutable. */
struct status_map;
MUST_CHECK enum status status_map_new(struct status_map **ret_map, struct error *err);
void status_map_free(struct status_map *map); /* NULL is a no-op */

/* Appends {"code":…,"message":…,"details":[…]}. A detail of a type that neither schema (the
 * function's, may be NULL) nor the map knows, or that cannot be printed, is {"@type":…,"value":
 * "<base64>"}; malformed details are left out. False when out is full (out is then cut back). */
bool status_map_json(const struct status_map *map, const struct schema *schema,
		     const struct status_failure *failure, struct buf *out);

/* The HTTP status: that of the code alone, but 422 for ErrorInfo reason IDEMPOTENCY_KEY_REUSED
 * (ruling R4). */
int status_map_http(const struct status_failure *failure);

/* Seconds for Retry-After, rounded up, from a google.rpc.RetryInfo; false when there is none. */
bool status_map_retry_after(const struct status_failure *failure, uint64_t *ret_seconds);

/* Writers for our own failures; false when out is full. A violation is one record of a
 * google.rpc.BadRequest; status_details_write makes the google.rpc.Status of them (no detail when
 * bad_request is empty). */
bool status_violation_add(struct buf *bad_request, struct span field, struct span description);
bool status_details_write(enum status code, struct span message, struct span bad_request,
			  struct buf *out);

/* The same for an error that names at most one field. */
bool status_details_from_error(const struct error *failure, struct buf *out);

#endif
