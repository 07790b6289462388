#ifndef HEADGATE_HTTPAPI_HTTP_RULE_H
#define HEADGATE_HTTPAPI_HTTP_RULE_H

#include <stdbool.h>
#include <stddef.h>

#include "httpapi/path_template.h"
#include "proto/options.h"
#include "proto/schema.h"
#include "src/base/arena.h"
#include "src/base/error.h"

struct call_options;

/* One binding of one method, checked against the schema: everything a request needs to know is
 * resolved here, once. Borrows from schema and arena. Spec: google/api/http.proto, HttpRule */

enum http_body_kind {
	HTTP_BODY_NONE,	 /* body "" */
	HTTP_BODY_ALL,	 /* body "*": everything that is not in the path */
	HTTP_BODY_FIELD, /* body "f" */
};

/* A path variable and the field it fills. */
struct http_variable {
	struct span text;	    /* as the template names it */
	const struct field **steps; /* from the request message down; the last is the leaf */
	size_t step_count;
	bool is_multi; /* see path_variable */
};

struct http_rule {
	const struct method *method;
	struct span origin; /* the file it was written in, for messages */
	struct span verb;   /* "GET", …; "*" is any method */
	struct path_template path;
	struct http_variable *variables; /* in the order of path.variables */
	size_t variable_count;
	enum http_body_kind body;
	const struct field *body_field;	    /* of HTTP_BODY_FIELD */
	const struct field *response_field; /* NULL: the whole reply */
	const struct field *mask_field; /* the FieldMask that a PATCH fills from its body keys */
	bool is_raw_request;		/* the body goes into a google.api.HttpBody unread */
	bool is_raw_response;		/* the reply is a google.api.HttpBody */
	const struct call_options *options; /* of the method; NULL when it is in no table */
	bool is_generated;		    /* POST /pkg.Service/Method, body "*" */
};

/* Checks one binding (not its additional ones) and resolves its fields. ST_INVALID_ARGUMENT with
 * the original's "HTTP API Config: …" text (template errors: without that), followed by method,
 * file and pattern. ST_RESOURCE_EXHAUSTED for the arena. Spec: cloudstate-protocol 3.3 */
MUST_CHECK enum status http_rule_compile(const struct method *method,
					 const struct options_http_rule *written,
					 struct arena *arena, struct http_rule *ret_rule,
					 struct error *err);

/* The rule every method has: POST on its gRPC path, or what path is of it, with body "*". */
MUST_CHECK enum status http_rule_generate(const struct method *method, struct span path,
					  struct arena *arena, struct http_rule *ret_rule,
					  struct error *err);

/* What is legal but probably not meant (a body on GET, a client stream without body); NULL:
 * nothing. A static text. */
const char *http_rule_doubt(const struct http_rule *rule);

/* True when a value can be given as plain text (path variable, query parameter): scalars, enums,
 * wrappers, Timestamp, Duration, FieldMask; with allow_json also Struct, Value and ListValue. */
bool http_rule_is_leaf(const struct field *field, bool allow_json);

/* True when a field path may go on below this field: a singular ordinary message. */
bool http_rule_is_step(const struct field *field);

#endif
