#ifndef HEADGATE_HTTPAPI_FRONT_JSON_METADATA_H
#define HEADGATE_HTTPAPI_FRONT_JSON_METADATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/arena.h"
#include "src/base/span.h"
#include "src/base/status.h"

/* HTTP request headers as call metadata, and the deadline they ask for. Pure.
 * Spec: docs/http-mapping.md, "Headers and metadata", "Timeouts" */
struct error;
struct h2_headers;
struct http_head;
struct metadata;

/* Every end-to-end header becomes metadata; Grpc-Metadata-X becomes x; X-Forwarded-* are set.
 * Errors: ST_INVALID_ARGUMENT bad base64 of a -bin header; ST_RESOURCE_EXHAUSTED too many. */
MUST_CHECK enum status json_metadata_read(const struct http_head *head, struct arena *arena,
					  struct metadata *metadata, struct error *err);

/* True when a Connection header names this header as hop-by-hop. Spec: RFC 9110 7.6.1 */
bool json_metadata_is_hop(const struct h2_headers *headers, struct span name);

/* Grpc-Timeout and X-Server-Timeout: the smaller of the two; DEADLINE_NEVER when there is neither.
 * ST_INVALID_ARGUMENT when one is malformed. */
MUST_CHECK enum status json_metadata_timeout(const struct http_head *head, uint64_t *ret_ns,
					     struct error *err);

/* How long a call may take whose client asks for asked_ns (DEADLINE_NEVER: for nothing): that, or
 * the default of its method, within the bound of its method. */
struct call_options;
uint64_t json_metadata_wait(const struct call_options *options, uint64_t asked_ns);

/* Comma lists of names, "name*" for all that begin so; letters of any case. */
struct json_metadata_lists {
	struct span allow; /* empty: all */
	struct span deny;  /* wins */
};

bool json_metadata_takes(const struct json_metadata_lists *lists, struct span name);

/* Leaves out what http.metadata.request_* does not let through; an idempotency key stays. */
struct config;
void json_metadata_filter(const struct config *config, struct metadata *metadata);

/* metadata_to_headers, without what http.metadata.response_* does not let through, and with the
 * prefix of http.grpc_metadata_prefix before the names; neither concerns what the gateway says
 * itself (headgate-entity-seq, idempotency-replayed). Names then live in arena, too. */
struct h2_header;
enum json_metadata_part { JSON_METADATA_LEADING, JSON_METADATA_TRAILING };
size_t json_metadata_headers(const struct config *config, enum json_metadata_part part,
			     const struct metadata *metadata, struct arena *arena,
			     struct h2_header *headers, size_t max);

/* http.status_from_metadata: the status of a good reply that metadata x-http-code names, when it is
 * one of 200 to 399; else status. The item is no header then. */
int json_metadata_status(const struct config *config, struct metadata *headers, int status);

/* The client takes trailers. Spec: RFC 9110 10.1.4 */
bool json_metadata_takes_trailers(const struct h2_headers *headers);

#endif
