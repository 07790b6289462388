#include "httpapi/accept.h"

#include <stddef.h>

#include "httpapi/media_type.h"

#define QUALITY_MAX 1000U

enum specificity {
	ACCEPT_NOT,
	ACCEPT_ANY,   /* any type at all */
	ACCEPT_TYPE,  /* any subtype */
	ACCEPT_EXACT, /* named */
};

/* Every name of every framing; the first of a framing is the one answers have. */
static const struct offer {
	enum framing framing;
	const char *name;
} offers[] = {
	{FRAMING_ARRAY, "application/json"},   {FRAMING_LINES, "application/x-ndjson"},
	{FRAMING_LINES, "application/ndjson"}, {FRAMING_LINES, "application/jsonl"},
	{FRAMING_SSE, "text/event-stream"},
};

#define OFFER_COUNT (sizeof(offers) / sizeof(offers[0]))

/* qvalue = ( "0" [ "." *3DIGIT ] ) / ( "1" [ "." *3"0" ] ) */
unsigned accept_quality(struct span text)
{
	unsigned quality;

	if (text.len == 0 || text.len > 5 || (text.data[0] != '0' && text.data[0] != '1') ||
	    (text.len > 1 && text.data[1] != '.'))
		return QUALITY_MAX;
	quality = (unsigned)(text.data[0] - '0') * QUALITY_MAX;
	for (size_t i = 2, weight = 100; i < text.len; i++, weight /= 10) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return QUALITY_MAX;
		quality += (unsigned)((text.data[i] - '0') * weight);
	}
	return quality < QUALITY_MAX ? quality : QUALITY_MAX;
}

static enum specificity compare(struct span range, struct span type)
{
	size_t slash = span_find(type, '/');

	if (span_eq_nocase(range, type))
		return ACCEPT_EXACT;
	if (range.len == slash + 2 && range.data[slash + 1] == '*' &&
	    span_eq_nocase(span_head(range, slash + 1), span_head(type, slash + 1)))
		return ACCEPT_TYPE;
	return span_eq_str(range, "*/*") ? ACCEPT_ANY : ACCEPT_NOT;
}

/* False when it does not count: nothing fits, or something that fits better was there. */
static bool note(struct accept_match *match, enum specificity specificity, unsigned quality)
{
	if (specificity == ACCEPT_NOT || specificity < match->specificity ||
	    (specificity == match->specificity && quality <= match->quality))
		return false;
	*match = (struct accept_match){specificity, quality};
	return true;
}

/* The next member of a list; false when it is no media range. */
static bool next_range(struct span *list, struct span *ret_range, unsigned *ret_quality)
{
	struct span member = media_type_next_part(list, ',');

	*ret_range = media_type_next_part(&member, ';');
	*ret_quality = QUALITY_MAX;
	while (member.len) {
		struct span value = media_type_next_part(&member, ';');
		struct span name = media_type_next_part(&value, '=');

		if (span_eq_nocase(name, SPAN_LIT("q")))
			*ret_quality = accept_quality(value);
	}
	return span_find(*ret_range, '/') < ret_range->len;
}

void accept_add(struct accept *accept, struct span value)
{
	struct span range;
	unsigned quality;

	while (value.len) {
		if (!next_range(&value, &range, &quality))
			continue;
		accept->has_any = true;
		for (size_t i = 0; i < OFFER_COUNT; i++) {
			const struct offer *offer = &offers[i];
			enum specificity specificity = compare(range, span_from_str(offer->name));

			if (note(&accept->matches[offer->framing], specificity, quality) &&
			    specificity == ACCEPT_EXACT && offer->framing == FRAMING_LINES)
				accept->lines_type = offer->name;
		}
	}
}

void accept_type_add(struct accept_type *accept, struct span value)
{
	struct span range;
	unsigned quality;

	while (value.len) {
		if (!next_range(&value, &range, &quality))
			continue;
		accept->has_any = true;
		(void)note(&accept->match, compare(range, accept->type), quality);
	}
}

bool accept_type_takes(const struct accept_type *accept)
{
	return !accept->has_any || accept->match.quality > 0;
}

static bool is_better(const struct accept_match *a, const struct accept_match *b)
{
	return a->quality > b->quality ||
	       (a->quality == b->quality && a->specificity > b->specificity);
}

bool accept_choose(const struct accept *accept, enum framing preferred, enum framing *ret_framing)
{
	enum framing best = preferred;

	if (accept->has_any) {
		for (int i = 0; i < FRAMING_COUNT_; i++)
			if (is_better(&accept->matches[i], &accept->matches[best]))
				best = (enum framing)i;
		if (accept->matches[best].quality == 0)
			return false;
	}
	*ret_framing = best;
	return true;
}

const char *accept_content_type(const struct accept *accept, enum framing framing)
{
	if (framing == FRAMING_LINES && accept->lines_type)
		return accept->lines_type;
	for (size_t i = 0; i < OFFER_COUNT; i++)
		if (offers[i].framing == framing)
			return offers[i].name;
	return "application/json";
}
