#include "httpapi/etag.h"

#include <stdio.h>

#include "src/base/hash.h"

void etag_make(struct span body, bool is_packed, char etag[ETAG_BYTES])
{
	(void)snprintf(etag, ETAG_BYTES, "\"%016llx%s\"", (unsigned long long)hash_stable(body),
		       is_packed ? "-gzip" : "");
}

static struct span skip_weak(struct span tag)
{
	return span_starts_with(tag, SPAN_LIT("W/")) ? span_skip(tag, 2) : tag;
}

/* Takes the next tag off a list, without what makes it weak: commas may stand inside quotes. */
static struct span next_tag(struct span *list)
{
	struct span tag;
	size_t end;

	while (list->len && (list->data[0] == ',' || list->data[0] == ' ' || list->data[0] == '\t'))
		*list = span_skip(*list, 1);
	*list = skip_weak(*list);
	end = span_starts_with(*list, SPAN_LIT("\"")) ? span_find(span_skip(*list, 1), '"') + 2
						      : span_find(*list, ',');
	tag = span_head(*list, end);
	*list = span_skip(*list, end);
	while (tag.len && (tag.data[tag.len - 1] == ' ' || tag.data[tag.len - 1] == '\t'))
		tag.len--;
	return tag;
}

bool etag_is_known(struct span if_none_match, struct span tag, struct span other)
{
	while (if_none_match.len) {
		struct span known = next_tag(&if_none_match);

		if (span_eq_str(known, "*") || (known.len && (span_eq(known, skip_weak(tag)) ||
							      span_eq(known, skip_weak(other)))))
			return true;
	}
	return false;
}
