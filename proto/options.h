#ifndef HEADGATE_PROTO_OPTIONS_H
#define HEADGATE_PROTO_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/schema.h"
#include "src/base/arena.h"

/* Numbers of the extensions that Headgate looks at. They are read from the raw option bytes, so
 * that no generated extension has to match the one the function was compiled with. */
#define OPTIONS_HTTP_NUMBER 72295728	       /* google.api.http, MethodOptions */
#define OPTIONS_ENTITY_KEY_NUMBER 1080	       /* cloudstate.entity_key, FieldOptions */
#define OPTIONS_LEGACY_ENTITY_KEY_NUMBER 50002 /* entity_key before protocol 0.2 */
#define OPTIONS_EVENTING_NUMBER 1081	       /* cloudstate.eventing, MethodOptions */

/* Bindings of one method: far more than anybody writes by hand. */
#define OPTIONS_BINDINGS_MAX 1000

/* google.api.HttpRule as written; nothing is checked or completed here. Spans are borrowed from the
 * schema, the struct lies in the caller's arena. Spec: google/api/http.proto, HttpRule */
struct options_http_rule {
	struct span selector;
	struct span verb; /* "GET", "PUT", "POST", "DELETE", "PATCH" or custom.kind; empty: no
			     pattern */
	struct span path;
	struct span body;
	struct span response_body;
	bool is_custom;
	bool has_body_option;	       /* body was written, be it as "" */
	bool has_response_body_option; /* likewise */
	const struct options_http_rule *additional;
	size_t additional_count;
	struct span origin; /* where it was written, for messages; empty: the method's file */
};

/* Decodes a serialized HttpRule. ST_INVALID_ARGUMENT: malformed or nested deeper than two levels
 * more; ST_RESOURCE_EXHAUSTED: the arena or OPTIONS_BINDINGS_MAX. */
enum status options_http_rule_decode(struct span wire, struct arena *arena,
				     struct options_http_rule *ret_rule,
				     struct error *err) MUST_CHECK;

/* The rule of a method; several occurrences of the option are merged as protobuf merges messages.
 * *ret_rule is NULL when the method has none. Errors as above, wrapped with the method's name. */
enum status options_http_rule(const struct method *method, struct arena *arena,
			      const struct options_http_rule **ret_rule,
			      struct error *err) MUST_CHECK;

/* True when either entity_key number is true on the field. */
bool options_is_entity_key(const struct field *field);

/* cloudstate.Eventing. Spec: cloudstate/eventing.proto */
enum options_source_kind { OPTIONS_SOURCE_NONE, OPTIONS_SOURCE_TOPIC, OPTIONS_SOURCE_EVENT_LOG };

struct options_eventing {
	bool has_in;
	bool has_out;
	enum options_source_kind source_kind;
	struct span source;	    /* topic or event log */
	struct span consumer_group; /* may be empty */
	struct span topic_out;	    /* empty when out names no destination */
};

/* The eventing option of a method; *ret_is_present says whether it has one. Spans are borrowed from
 * the schema. */
enum status options_eventing(const struct method *method, struct options_eventing *ret_eventing,
			     bool *ret_is_present, struct error *err) MUST_CHECK;

#endif
