#ifndef HEADGATE_HTTPAPI_TRANSCODE_OPTIONS_H
#define HEADGATE_HTTPAPI_TRANSCODE_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/span.h"
#include "src/base/status.h"

/* Ruling R5. */
#define TRANSCODE_BODY_MAX ((size_t)4 * 1024 * 1024)

/* JSON of a base64 field is shorter on the wire, but an enum name or a Struct is not always: the
 * message may be as long as the front takes over gRPC. */
#define TRANSCODE_MESSAGE_MAX ((size_t)4 * 1024 * 1024)

/* What stays percent-encoded in the value of a variable over several segments. One segment is
 * always decoded whole. */
enum transcode_decode {
	TRANSCODE_DECODE_SLASH,	   /* all but %2F: the slashes of the path stay apart from data */
	TRANSCODE_DECODE_RESERVED, /* all but the reserved characters of RFC 6570 */
	TRANSCODE_DECODE_ALL,
};

/* How requests are read and replies printed; one for the whole gateway or per service. */
struct transcode_options {
	size_t body_max;    /* bytes of a request body, of one message of a stream; more is 413 */
	size_t message_max; /* bytes of a request message */
	enum transcode_decode decode;
	bool keep_query_plus;		  /* "+" in a query is a plus, not a space */
	bool ignore_unknown_query;	  /* unknown query parameters are dropped, not 400 */
	const struct span *ignored_query; /* borrowed: names dropped in any case */
	size_t ignored_query_count;
	bool ignore_unknown_fields;	    /* unknown JSON keys are dropped, not 400 */
	bool ignore_enum_case;		    /* enum names of paths and queries in any case */
	bool require_content_type;	    /* a body without Content-Type is 415, not JSON */
	bool always_print_primitive_fields; /* ruling R6 */
	bool always_print_enums_as_ints;
	bool preserve_proto_field_names;
	bool int64_as_number;
	bool add_whitespace;
};

/* The defaults: strict in, everything printed. */
#define TRANSCODE_OPTIONS_DEFAULT                                                                  \
	((struct transcode_options){.body_max = TRANSCODE_BODY_MAX,                                \
				    .message_max = TRANSCODE_MESSAGE_MAX,                          \
				    .always_print_primitive_fields = true})

struct config;
struct error;

/* Names in http.ignored_query_parameters: written by hand. */
#define TRANSCODE_IGNORED_MAX 64

/* The options of a configuration; ignored gets the names that ret_options points to, both borrowed
 * from config. ST_INVALID_ARGUMENT: too many names. */
MUST_CHECK enum status transcode_options_load(const struct config *config,
					      struct span ignored[TRANSCODE_IGNORED_MAX],
					      struct transcode_options *ret_options,
					      struct error *err);

/* The same, but replies printed as the options of one method say. */
struct call_options;
struct transcode_options transcode_options_of(const struct transcode_options *base,
					      const struct call_options *options);

#endif
