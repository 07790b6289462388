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
	const char *range; /* of its type */
} offers[] = {
	{FRAMING_ARRAY, "application/json", "application/*"},
	{FRAMING_LINES, "application/x-ndjson", "application/*"},
	{FRAMING_LINES, "application/ndjson", "application/*"},
	{FRAMING_LINES, "application/jsonl", "application/*"},
	{FRAMING_SSE, "text/event-stream", "text/*"},
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

static enum specificity compare(struct span range, const struct offer *offer)
{
	if (span_eq_nocase(range, span_from_str(offer->name)))
		return ACCEPT_EXACT;
	if (span_eq_nocase(range, span_from_str(offer->range)))
		return ACCEPT_TYPE;
	return span_eq_str(range, "*/*") ? ACCEPT_ANY : ACCEPT_NOT;
}

static void note(struct accept *accept, const struct offer *offer, enum specificity specificity,
		 unsigned quality)
{
	struct accept_match *match = &accept->matches[offer->framing];

	if (specificity < match->specificity ||
	    (specificity == match->specificity && quality <= match->quality))
		return;
	*match = (struct accept_match){specificity, quality};
	if (specificity == ACCEPT_EXACT && offer->framing == FRAMING_LINES)
		accept->lines_type = offer->name;
}

static void add_member(struct accept *accept, struct span member)
{
	struct span range = media_type_next_part(&member, ';');
	unsigned quality = QUALITY_MAX;

	if (span_find(range, '/') == range.len)
		return;
	while (member.len) {
		struct span value = media_type_next_part(&member, ';');
		struct span name = media_type_next_part(&value, '=');

		if (span_eq_nocase(name, SPAN_LIT("q")))
			quality = accept_quality(value);
	}
	accept->has_any = true;
	for (size_t i = 0; i < OFFER_COUNT; i++) {
		enum specificity specificity = compare(range, &offers[i]);

		if (specificity != ACCEPT_NOT)
			note(accept, &offers[i], specificity, quality);
	}
}

void accept_add(struct accept *accept, struct span value)
{
	while (value.len)
		add_member(accept, media_type_next_part(&value, ','));
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
