#ifndef HEADGATE_HTTPAPI_PATH_TEMPLATE_H
#define HEADGATE_HTTPAPI_PATH_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/arena.h"
#include "src/base/error.h"
#include "src/base/span.h"

/* The path pattern of an HTTP rule, `/v1/{name=**}/books:move`. Spec: google/api/http.proto,
 * path template syntax, widened where docs/http-mapping.md says so:
 *
 *   Template  = "/" [ Segments ] [ ":" Verb ]      "/" alone is the root
 *   Segments  = Segment { "/" Segment }
 *   Segment   = "*" | "**" | Literal | Variable
 *   Variable  = "{" FieldPath [ "=" Plain ] "}"    Plain: Segments without Variable
 *   FieldPath = ident { "." ident }
 *   Literal   = 1*( unreserved | sub-delims but "*" | "@" | "%" HEX HEX | UTF-8 beyond ASCII )
 *   Verb      = Literal { ":" Literal }
 *
 * "**" occurs once at most, and only literals follow it. */

/* Each far above anything a person writes; they bound the matcher's stack and its scratch. */
#define PATH_TEMPLATE_BYTES_MAX ((size_t)2048)
#define PATH_TEMPLATE_SEGMENTS_MAX 64
#define PATH_TEMPLATE_VARIABLES_MAX 16
#define PATH_TEMPLATE_IDENTS_MAX 16		/* steps of one field path */
#define PATH_TEMPLATE_LITERAL_MAX ((size_t)256) /* bytes of a literal or verb, decoded */
#define PATH_TEMPLATE_VERB_COLONS_MAX 7

enum path_segment_kind {
	PATH_LITERAL,
	PATH_ANY,  /* "*": one segment that is not empty */
	PATH_REST, /* "**": any number of segments, also none, also empty ones */
};

struct path_segment {
	enum path_segment_kind kind;
	struct span literal; /* of LITERAL: percent-decoded */
};

struct path_variable {
	struct span field_path; /* as written: `book.name` */
	size_t column;		/* of the field path, from 1 */
	size_t first;		/* its segments: [first, end) */
	size_t end;
	bool is_multi; /* over several segments or a "**": %2F stays as sent when decoded */
};

struct path_template {
	struct span text;
	const struct path_segment *segments;
	size_t segment_count;
	const struct path_variable *variables;
	size_t variable_count;
	struct span verb; /* percent-decoded, without its colon; empty: none */
	size_t rest;	  /* index of the "**", or segment_count when there is none */
};

/* Parses text; everything, text too, is copied into arena. ST_INVALID_ARGUMENT with "<what is
 * wrong> at character <column from 1> of '<template>'" (or "at end of input of");
 * ST_RESOURCE_EXHAUSTED for the arena. */
MUST_CHECK enum status path_template_parse(struct span text, struct arena *arena,
					   struct path_template *ret_template, struct error *err);

/* The column that the last failure of path_template_parse on text reports; for errors found later
 * in the meaning of a variable. Fills err like path_template_parse does. */
enum status path_template_error(struct error *err, struct span text, size_t column,
				const char *what);

/* Same shape: equal but for the names of variables, so that no path tells them apart. */
bool path_template_same_shape(const struct path_template *a, const struct path_template *b);

/* True when some path fits both. */
bool path_template_overlap(const struct path_template *a, const struct path_template *b);

/* For two that overlap: <0 when a path that fits both goes to a, >0 when it goes to b. The rule,
 * segment by segment from the left: literal before "*" before "**"; a longer tail of literals
 * before a shorter one; a template with the verb before one that takes it for data. */
int path_template_precedence(const struct path_template *a, const struct path_template *b);

#endif
