#ifndef HEADGATE_HTTPAPI_OPENAPI_INTERNAL_H
#define HEADGATE_HTTPAPI_OPENAPI_INTERNAL_H

#include <jansson.h>

#include "httpapi/http_rule.h"
#include "httpapi/openapi.h"
#include "httpapi/openapi_comment.h"
#include "src/base/map.h"

/* What the files of the document share. */
struct openapi_part;

struct openapi {
	const struct openapi_params *params;
	struct arena arena;
	struct openapi_comments comments;
	json_t *paths;
	json_t *schemas;
	json_t *tags;
	struct map parts; /* components that are referred to, by name */
	struct openapi_part *first_part;
	struct openapi_part **last_part;
	struct map shapes; /* paths but for the names of their parameters */
	struct map operation_ids;
	struct map services;	/* those that have a tag, by full name */
	struct map short_names; /* of services */
	size_t item_count;
	bool is_over; /* past a limit: the document is not finished */
};

/* Counts one item; false, and is_over, when there are too many. */
bool openapi_count(struct openapi *o);

/* A text as JSON; malformed UTF-8 becomes an empty one. */
json_t *openapi_text(struct span text);

/* Sets a text, unless it is empty. */
void openapi_set_text(json_t *object, const char *key, struct span text);

/* The name of a field in JSON. */
struct span openapi_name(const struct openapi *o, const struct field *field);

/* ---- openapi_schema.c ---- */

/* Schema of a message as a value: a reference to its component, which is then made, or what its
 * known type is in JSON. */
json_t *openapi_message(struct openapi *o, const struct message *message);

/* Schema of a field's value, and of one element of it. */
json_t *openapi_field(struct openapi *o, const struct field *field);
json_t *openapi_single(struct openapi *o, const struct field *field);

/* The schema of an object with the fields of a message but those that is_left_out picks. */
json_t *openapi_object(struct openapi *o, const struct message *message,
		       bool (*is_left_out)(const void *data, const struct field *field),
		       const void *data);

/* Description, deprecated, readOnly, writeOnly and the like of a field, beside its schema or in
 * its parameter. */
void openapi_describe(struct openapi *o, const struct field *field, json_t *object);
bool openapi_is_deprecated(struct span options, uint32_t number);

/* Spec: google/api/field_behavior.proto */
enum openapi_behaviour {
	OPENAPI_REQUIRED = 1 << 2,
	OPENAPI_OUTPUT_ONLY = 1 << 3,
	OPENAPI_INPUT_ONLY = 1 << 4,
};
unsigned openapi_behaviour(const struct field *field);

/* Makes the components that were referred to. */
void openapi_write_parts(struct openapi *o);

/* ---- openapi_example.c ---- */

/* A value that the schema of the same message or field accepts, and the gateway too; NULL when
 * there is none. */
json_t *openapi_example_message(struct openapi *o, const struct message *message,
				bool (*is_left_out)(const void *data, const struct field *field),
				const void *data);
json_t *openapi_example_single(struct openapi *o, const struct field *field);

/* ---- openapi_path.c ---- */

struct route;
void openapi_add_route(struct openapi *o, const struct route *route);

/* ---- openapi_operation.c ---- */

/* One parameter of a path as OpenAPI has it. */
struct openapi_slot {
	struct span name;
	const struct http_variable *variable; /* NULL: a wildcard that binds nothing */
	struct span pattern;		      /* of the variable, when the slot is a part of it */
	bool is_rest;			      /* "**" */
};

struct openapi_operation {
	const struct http_rule *rule;
	const struct openapi_slot *slots;
	size_t slot_count;
};

json_t *openapi_operation(struct openapi *o, const struct openapi_operation *operation);

#endif
