#ifndef HEADGATE_HTTPAPI_BINDING_H
#define HEADGATE_HTTPAPI_BINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "httpapi/route_table.h"
#include "httpapi/transcode_options.h"
#include "proto/schema.h"
#include "proto/wire.h"
#include "src/base/arena.h"
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/base/span.h"

/* The values of one request that do not come from its body: path variables and query parameters, as
 * a tree of the fields they fill. It is joined with the message of the body, each message of which
 * comes out once however many sources it has, and no field may have two sources that differ.
 * Spec: docs/http-mapping.md, "Where values come from" */

/* Pairs in one query: a list in a URL of the longest kind we take. */
#define BINDING_PARAMETERS_MAX 1000

/* Different fields named by one request. */
#define BINDING_NODES_MAX 256

/* Bytes of all values together; a request head is at most 32 KiB (ruling R5), and no text value
 * grows by more than this factor on the wire. */
#define BINDING_VALUES_MAX ((size_t)512 * 1024)

/* Steps of one parameter name; messages may contain themselves. */
#define BINDING_DEPTH_MAX 32

/* Violations told to the client; it has enough to mend by then. */
#define BINDING_VIOLATIONS_MAX 20

enum binding_origin { BINDING_PATH, BINDING_QUERY };

/* One value: its records for the field, in the order written. */
struct binding_value {
	struct binding_value *next;
	size_t offset; /* in binding.values */
	size_t len;
};

struct binding_node {
	const struct field *field; /* NULL: the request message itself */
	const struct message *message;
	struct binding_node *parent;
	struct binding_node *children;
	struct binding_node *next;	 /* sibling */
	struct binding_node **by_number; /* children sorted by number; made by binding_check */
	size_t child_count;
	struct span written; /* leaf: the name as the client or the template wrote it */
	enum binding_origin origin;
	bool is_leaf;
	bool is_in_body; /* set by binding_check */
	struct binding_value *values;
	struct binding_value **last_value;
};

struct binding {
	struct binding_node root;
	size_t node_count;
	struct arena *arena;	     /* borrowed */
	const struct schema *schema; /* borrowed */
	const struct transcode_options *options;
	struct buf values;     /* records of all leaves */
	struct buf text_;      /* scratch: the value being decoded */
	struct buf name_;      /* scratch: the name being decoded */
	struct buf violations; /* google.rpc.BadRequest: one record per bad parameter */
	size_t violation_count;
	struct error *err_; /* of the call that is running: gets the first violation */
};

/* arena, schema, options and message are borrowed for the life of binding. */
void binding_init(struct binding *binding, const struct message *message, struct arena *arena,
		  const struct schema *schema, const struct transcode_options *options);
void binding_fini(struct binding *binding);

/* Takes the path variables of a match, then the parameters of a raw query (without "?"; not looked
 * at when the rule has body "*", but for refusing them). All bad parameters are found: each becomes
 * a violation. ST_INVALID_ARGUMENT: err is the first; ST_RESOURCE_EXHAUSTED: a limit above. */
MUST_CHECK enum status binding_add_path(struct binding *binding, const struct route_match *match,
					struct error *err);
MUST_CHECK enum status binding_add_query(struct binding *binding, const struct http_rule *rule,
					 struct span query, struct error *err);

/* Adds one value of our own for a top-level field (the inferred field mask): the field's records.
 */
MUST_CHECK enum status binding_add_records(struct binding *binding, const struct field *field,
					   struct span records, struct error *err);

/* The leaf of a top-level field, or NULL. */
const struct binding_node *binding_find(const struct binding *binding, const struct field *field);

/* Notes one bad parameter: prefix and field are what the client wrote, the text says what is wrong
 * with it. The first one of a call becomes its error. Returns ST_INVALID_ARGUMENT. */
enum status binding_violate(struct binding *binding, struct span prefix, struct span field,
			    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The bytes of a value. */
static inline struct span binding_value_span(const struct binding *binding,
					     const struct binding_value *value)
{
	return span_head(span_skip(buf_span(&binding->values), value->offset), value->len);
}

static inline bool binding_is_empty(const struct binding *binding)
{
	return !binding->root.children;
}

/* Appends the decoded value of a path variable; multi is what stays escaped when it has several
 * segments. The path is known to be well-formed; false when out is full. */
bool binding_decode_capture(const struct http_variable *variable, struct span raw,
			    enum transcode_decode multi, struct buf *out);

#endif
