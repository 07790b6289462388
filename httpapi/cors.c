#include "httpapi/cors.h"

#include "httpapi/media_type.h"
#include "src/base/text.h"

#define MS_PER_S 1000U

static bool is_alphanumeric(uint8_t c)
{
	uint8_t lower = c | 0x20;

	return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
}

/* The host of an origin with what is before and after it; false without "://". */
static bool find_host(struct span origin, struct span *ret_scheme, struct span *ret_rest)
{
	size_t colon = span_find(origin, ':');

	if (colon == 0 || !span_starts_with(span_skip(origin, colon), SPAN_LIT("://")))
		return false;
	*ret_scheme = span_head(origin, colon + 3);
	*ret_rest = span_skip(origin, colon + 3);
	return true;
}

/* host [ ":" port ], of a pattern after its "*" */
static bool is_host(struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];

		if (!is_alphanumeric(c) && c != '.' && c != '-' && c != '_' && c != ':' &&
		    c != '[' && c != ']')
			return false;
	}
	return text.len > 0;
}

static bool is_origin(struct span text)
{
	struct span scheme;
	struct span rest;

	if (span_eq_str(text, "*") || span_eq_str(text, "null"))
		return true;
	if (!find_host(text, &scheme, &rest))
		return false;
	if (span_starts_with(rest, SPAN_LIT("*.")))
		rest = span_skip(rest, 2);
	return is_host(rest);
}

enum status cors_init(struct cors *cors, const struct cors_params *params, struct error *err)
{
	struct span rest = span_from_str(params->origins);

	*cors = (struct cors){
		.has_credentials = params->has_credentials,
		.origins = rest,
		.headers = span_from_str(params->headers),
		.expose = span_from_str(params->expose),
		.max_age_s = params->max_age_ms / MS_PER_S,
	};
	cors->has_any_header = span_eq_str(cors->headers, "*");
	while (rest.len) {
		struct span origin = media_type_next_part(&rest, ',');

		if (!origin.len)
			continue;
		if (!is_origin(origin))
			return error_set(err, ST_INVALID_ARGUMENT,
					 "http.cors.origins: \"%.*s\" is neither scheme://host nor "
					 "scheme://*.domain, null or *",
					 SPAN_FMT(origin));
		cors->is_on = true;
		cors->is_any = cors->is_any || span_eq_str(origin, "*");
	}
	if (cors->is_any && cors->has_credentials)
		return error_set(err, ST_INVALID_ARGUMENT,
				 "http.cors.origins: * cannot go with http.cors.credentials: every "
				 "page could act in the name of its visitors");
	return ST_OK;
}

/* "https://" and "*.b.example" takes hosts below b.example, not itself. */
static bool fits_pattern(struct span pattern, struct span origin)
{
	struct span scheme;
	struct span suffix;
	struct span name;

	if (!find_host(pattern, &scheme, &suffix) || !span_starts_with(suffix, SPAN_LIT("*.")))
		return false;
	suffix = span_skip(suffix, 1);
	if (!span_eq_nocase(span_head(origin, scheme.len), scheme))
		return false;
	name = span_skip(origin, scheme.len);
	if (name.len <= suffix.len ||
	    !span_eq_nocase(span_skip(name, name.len - suffix.len), suffix))
		return false;
	name = span_head(name, name.len - suffix.len);
	for (size_t i = 0; i < name.len; i++)
		if (!is_alphanumeric(name.data[i]) && name.data[i] != '.' && name.data[i] != '-' &&
		    name.data[i] != '_')
			return false;
	return name.data[0] != '.' && name.data[name.len - 1] != '.';
}

bool cors_allows(const struct cors *cors, struct span origin)
{
	struct span rest = cors->origins;

	if (!cors->is_on || !origin.len)
		return false;
	while (!cors->is_any && rest.len) {
		struct span allowed = media_type_next_part(&rest, ',');

		if (span_find(allowed, '*') < allowed.len ? fits_pattern(allowed, origin)
							  : span_eq_nocase(allowed, origin))
			return true;
	}
	return cors->is_any;
}

bool cors_is_name_list(struct span text)
{
	static const char marks[] = "!#$%&'*+-.^_`|~, ";

	for (size_t i = 0; i < text.len; i++)
		if (!is_alphanumeric(text.data[i]) &&
		    (text.data[i] == 0 || !memchr(marks, text.data[i], sizeof(marks) - 1)))
			return false;
	return text.len > 0;
}
