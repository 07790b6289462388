#ifndef HEADGATE_HTTPAPI_CORS_H
#define HEADGATE_HTTPAPI_CORS_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/base/span.h"
#include "src/base/status.h"

/* Which pages of other origins may call, and what a browser is told about it. Pure: who sends the
 * headers is the front. Spec: fetch.spec.whatwg.org, "CORS protocol" */
struct cors_params {
	const char *origins; /* commas between: "https://a.example", "https://" and "*.b.example",
				"null", "*"; empty: off */
	const char *headers; /* request headers that may be sent, commas between; "*": any */
	const char *expose;  /* reply headers that scripts may read, commas between */
	bool has_credentials;
	uint64_t max_age_ms;
};

/* Spans borrowed from the params. */
struct cors {
	bool is_on;
	bool is_any; /* of the origins */
	bool has_any_header;
	bool has_credentials;
	struct span origins;
	struct span headers;
	struct span expose;
	uint64_t max_age_s;
};

/* ST_INVALID_ARGUMENT: an origin that no browser would send, or "*" beside credentials, which would
 * let every page act in the name of the user. */
MUST_CHECK enum status cors_init(struct cors *cors, const struct cors_params *params,
				 struct error *err);

/* True when pages of this origin (the header as it was sent) may call. */
bool cors_allows(const struct cors *cors, struct span origin);

/* True when text is a list of header names, as Access-Control-Request-Headers must be. */
bool cors_is_name_list(struct span text);

#endif
