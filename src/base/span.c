#include "src/base/span.h"

int span_cmp(struct span a, struct span b)
{
	size_t shorter = a.len < b.len ? a.len : b.len;
	int order = shorter ? memcmp(a.data, b.data, shorter) : 0;

	if (order != 0)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}

static uint8_t span_lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

bool span_eq_nocase(struct span a, struct span b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (span_lower(a.data[i]) != span_lower(b.data[i]))
			return false;
	return true;
}

size_t span_find(struct span a, uint8_t c)
{
	const uint8_t *at = a.len ? memchr(a.data, c, a.len) : NULL;

	return at ? (size_t)(at - a.data) : a.len;
}
