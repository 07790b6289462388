#ifndef HEADGATE_HTTPAPI_ROUTE_TABLE_H
#define HEADGATE_HTTPAPI_ROUTE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "httpapi/http_rule.h"
#include "httpapi/path_template.h"
#include "src/base/arena.h"
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/base/span.h"

struct call_options;
struct rule_file;
struct schema;

/* How a path becomes a call. All bindings of all methods lie in one tree of path segments; which
 * route wins never depends on the order of their declaration: segment by segment from the left a
 * literal beats "*" beats "**", and the search steps back when a branch does not lead to a route
 * with the right method. Immutable once built. Spec: docs/http-mapping.md, "Matching" */
struct route_table;

/* Bindings of one table. A method may have OPTIONS_BINDINGS_MAX of them; this is what all together
 * may have before the table takes more memory than a small gateway wants to give. */
#define ROUTE_TABLE_ROUTES_MAX 65536

/* Different HTTP methods in one table, one bit each. */
#define ROUTE_TABLE_METHODS_MAX 64

/* Longest list of overlaps that is written: beyond it nobody reads on. */
#define ROUTE_REPORT_OVERLAPS_MAX 200

/* Above this many routes overlaps are not looked for: every pair is looked at, which must not be
 * felt when the gateway starts. */
#define ROUTE_REPORT_ROUTES_MAX 1000

/* A method that is served. Its rules are those of the rule file, else of its google.api.http
 * option; POST /pkg.Service/Method is served beside them. */
struct route_source {
	const struct method *method; /* borrowed for the life of the table */
	void *data;		     /* handed back with every match */
};

struct route_table_params {
	const struct route_source *sources;
	size_t source_count;
	/* Rules of a file, borrowed for the life of the table; NULL: none. The last one for a
	 * method replaces its option whole. A selector that names no method is an error; with
	 * schema (borrowed for the call, may be NULL), one of a method that is not among sources
	 * is a warning only. */
	const struct rule_file *rules;
	const struct schema *schema;
	/* What the options of the file change, of methods without streams and of those with them;
	 * NULL: both all zero. Borrowed for the call. */
	const struct call_options *options;
	/* What all paths begin with, generated ones too; empty, or route_prefix_check took it. */
	struct span prefix;
	/* Templates of paths that the gateway answers itself before it looks here; a route that
	 * overlaps one is worth a warning. */
	const struct span *reserved;
	size_t reserved_count;
	bool find_overlaps;	    /* list pairs of routes that fit a common path */
	bool ignore_trailing_slash; /* `/a/` is taken for `/a`; default: it is another path */
};

struct route {
	struct http_rule rule;
	void *data; /* of its route_source */
	/* private */
	struct route *next_;
	unsigned method_;
};

enum route_issue_kind {
	ROUTE_ERROR,   /* the function cannot be served so */
	ROUTE_WARNING, /* legal, probably not meant */
	ROUTE_OVERLAP, /* two routes fit the same path; the text says which wins */
};

struct route_issue {
	enum route_issue_kind kind;
	const char *text;
	struct route_issue *next;
};

/* What was found while building; in the order found. */
struct route_report {
	struct route_issue *first;
	struct route_issue **last_;
	size_t error_count;
	size_t warning_count;
	size_t overlap_count; /* may be more than are listed */
	struct arena arena_;
};

void route_report_init(struct route_report *report);
void route_report_fini(struct route_report *report);

/* Builds the table. All failures are put into report, not only the first. ST_INVALID_ARGUMENT when
 * there was one (err: the first; no table); ST_RESOURCE_EXHAUSTED past a limit above. */
MUST_CHECK enum status route_table_new(const struct route_table_params *params,
				       struct route_report *report, struct route_table **ret_table,
				       struct error *err);

/* A prefix is literal segments, without a slash at its end: "/api/v1". ST_INVALID_ARGUMENT. */
MUST_CHECK enum status route_prefix_check(struct span prefix, struct error *err);

/* NULL is a no-op. */
void route_table_free(struct route_table *table);

size_t route_table_count(const struct route_table *table);
const struct route *route_table_route(const struct route_table *table, size_t index);

enum route_result {
	ROUTE_FOUND,
	ROUTE_NOT_FOUND,
	ROUTE_METHOD_NOT_ALLOWED, /* the path is known, the method is not: see allowed */
	ROUTE_BAD_PATH,		  /* no leading slash or a malformed percent escape: 400 */
};

/* The outcome of a search; the caller's own, nothing in it is allocated. */
struct route_match {
	const struct route *route; /* of FOUND */
	bool is_head;		   /* FOUND: HEAD, answered by a GET route without its body */
	uint64_t allowed;	   /* of METHOD_NOT_ALLOWED, for route_table_allow */
	size_t steps;		   /* nodes looked at: what the search cost */
	/* FOUND: values of rule.variables, still percent-encoded, borrowed from path. */
	struct span captures[PATH_TEMPLATE_VARIABLES_MAX];
};

/* Looks a request up. http_method is compared as it is (methods are case-sensitive); path is the
 * raw path of the target without its query, borrowed as long as ret_match is used. Fills ret_match
 * whatever the result. No allocation; the cost depends on the nodes that fit the path so far,
 * neither on the number of routes nor on slashes or colons in the path. */
enum route_result route_table_match(const struct route_table *table, struct span http_method,
				    struct span path, struct route_match *ret_match);

/* Writes the value of an Allow header: the methods of all routes that fit, HEAD beside GET, and
 * OPTIONS. False when out is full. */
bool route_table_allow(const struct route_table *table, uint64_t allowed, struct buf *out);

/* Splits a request target (`/a?b`, or `http://host/a?b`) into its raw path and query. False when
 * it is neither. */
bool route_target_split(struct span target, struct span *ret_path, struct span *ret_query);

#endif
