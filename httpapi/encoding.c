#include "httpapi/encoding.h"

#include "httpapi/accept.h"
#include "httpapi/media_type.h"

#define QUALITY_MAX 1000U

static void add_member(struct encoding_accept *accept, struct span member)
{
	struct span name = media_type_next_part(&member, ';');
	unsigned quality = QUALITY_MAX;

	while (member.len) {
		struct span value = media_type_next_part(&member, ';');

		if (span_eq_nocase(media_type_next_part(&value, '='), SPAN_LIT("q")))
			quality = accept_quality(value);
	}
	if (encoding_of(name) == ENCODING_GZIP && name.len) {
		accept->has_gzip = true;
		accept->gzip = quality;
	} else if (span_eq_nocase(name, SPAN_LIT("identity"))) {
		accept->has_identity = true;
		accept->identity = quality;
	} else if (span_eq_str(name, "*")) {
		accept->has_any = true;
		accept->any = quality;
	}
}

void encoding_accept_add(struct encoding_accept *accept, struct span value)
{
	while (value.len)
		add_member(accept, media_type_next_part(&value, ','));
}

bool encoding_takes_gzip(const struct encoding_accept *accept)
{
	unsigned gzip = accept->has_gzip ? accept->gzip : accept->has_any ? accept->any : 0;

	return gzip > 0 && (!accept->has_identity || gzip >= accept->identity);
}

enum encoding encoding_of(struct span content_encoding)
{
	if (content_encoding.len == 0 || span_eq_nocase(content_encoding, SPAN_LIT("identity")))
		return ENCODING_IDENTITY;
	if (span_eq_nocase(content_encoding, SPAN_LIT("gzip")) ||
	    span_eq_nocase(content_encoding, SPAN_LIT("x-gzip")))
		return ENCODING_GZIP;
	return ENCODING_UNKNOWN;
}

static bool ends_with(struct span text, struct span suffix)
{
	return text.len >= suffix.len &&
	       span_eq_nocase(span_skip(text, text.len - suffix.len), suffix);
}

bool encoding_is_worth_it(struct span content_type)
{
	static const char *const types[] = {
		"application/json",	"application/javascript", "application/xml",
		"application/x-ndjson", "application/yaml",
	};
	struct span type = media_type_next_part(&content_type, ';');

	if (span_eq_nocase(span_head(type, 5), SPAN_LIT("text/")))
		return !span_eq_nocase(type, SPAN_LIT("text/event-stream"));
	if (ends_with(type, SPAN_LIT("+json")) || ends_with(type, SPAN_LIT("+xml")))
		return true;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (span_eq_nocase(type, span_from_str(types[i])))
			return true;
	return false;
}
