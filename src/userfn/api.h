#ifndef HEADGATE_SRC_USERFN_API_H
#define HEADGATE_SRC_USERFN_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/options.h"
#include "src/base/map.h"
#include "src/base/span.h"
#include "src/base/status.h"

/* What a user function declared: its schema and, per service, what kind of entity stands behind it.
 * Immutable once built; a refcounted snapshot, so that requests in flight keep the one they began
 * with when the function comes back with another. Spec: cloudstate-protocol 1.2, 1.3. */
struct schema;
struct service;
struct method;
struct field;
struct error;
struct api;

enum entity_kind {
	ENTITY_EVENT_SOURCED,
	ENTITY_VALUE,  /* one state, replaced as a whole */
	ENTITY_ACTION, /* no state, no key, any shape (D-35) */
	ENTITY_CRDT,   /* replies may be streamed (D-29) */
};

#define API_ACTION_TYPE "cloudstate.action.ActionProtocol"
#define API_CRDT_TYPE "cloudstate.crdt.Crdt"
#define API_EVENT_SOURCED_TYPE "cloudstate.eventsourced.EventSourced"
#define API_VALUE_TYPE "cloudstate.valueentity.ValueEntity"

/* Protocol services this gateway speaks, what ProxyInfo offers and D-26 lists: the names for
 * i = 0, 1, ...; NULL after the last. */
const char *api_entity_type(size_t i);

/* Protocol generation the function speaks. Spec: ruling R2. */
enum api_generation { API_0_1, API_0_2 };

struct api_service {
	const struct service *schema;
	enum entity_kind kind;
	struct span persistence_id; /* empty for actions */
	uint64_t passivation_ms;    /* 0: the gateway's default */
	struct api_method *methods;
	size_t method_count;
	const struct api *api;
};

struct api_method {
	struct map_node by_path_; /* key: "/pkg.Service/Method" */
	const struct method *schema;
	const struct api_service *service;
	const struct field *const *key_fields; /* in declaration order */
	size_t key_field_count;
	bool has_eventing;
	struct options_eventing eventing; /* as annotated; src/eventing checks and serves it */
};

struct api {
	unsigned refs_;
	struct map by_path_;
	struct schema *schema; /* holds a reference */
	enum api_generation generation;
	struct api_service *services;
	size_t service_count;
	bool has_actions;
	struct span function_name; /* service_info: service_name and version, runtime, library */
	struct span function_version;
	struct span runtime;
	struct span library;
};

/* Builds from the bytes of a cloudstate.EntitySpec (scanned and bounded before anything is
 * unpacked). Every failure of cloudstate-protocol 1.3 D-20..D-30 is found; all of them are put into
 * reasons, one per line, in the reference's words (err holds the first). Findings that leave a
 * schema with services set *ret_api, too: to be looked at for more of them, never to be served. */
struct buf;
MUST_CHECK enum status api_new(struct span entity_spec, struct buf *reasons, struct api **ret_api,
			       struct error *err);
/* An API that nobody declared, for tools that look at a descriptor set: all services of the schema
 * that came with it, or the one named only (empty: all), as actions. */
MUST_CHECK enum status api_of_schema(struct schema *schema, struct span only, struct api **ret_api,
				     struct error *err);
struct api *api_ref(struct api *api);
void api_unref(struct api *api); /* NULL is a no-op */

/* path: "/pkg.Service/Method"; NULL when there is none. */
const struct api_method *api_find(const struct api *api, struct span path);

/* The entity key of a request: values of the key fields, joined with "-" when there are several.
 * Appended to out. Errors: ST_INVALID_ARGUMENT naming the field when a key is empty or malformed.
 */
MUST_CHECK enum status api_entity_key(const struct api_method *method, struct span message,
				      struct buf *out, struct error *err);

#endif
