#ifndef HEADGATE_SRC_BASE_SPAN_H
#define HEADGATE_SRC_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A borrowed run of bytes, not NUL-terminated. {NULL, 0} is the empty span. Who owns the bytes and
 * how long they live is said where a span is handed over. */
struct span {
	const uint8_t *data;
	size_t len;
};

#define SPAN_EMPTY ((struct span){NULL, 0})

/* A span over a string literal, without its NUL. */
#define SPAN_LIT(literal) ((struct span){(const uint8_t *)("" literal), sizeof(literal) - 1})

/* For printf("%.*s", SPAN_FMT(s)). Lengths above INT_MAX are cut by the caller's own limits. */
#define SPAN_FMT(s) ((int)(s).len), ((const char *)(s).data)

static inline struct span span_make(const void *data, size_t len)
{
	return (struct span){data, len};
}

static inline struct span span_from_str(const char *text)
{
	return text ? span_make(text, strlen(text)) : SPAN_EMPTY;
}

static inline bool span_eq(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool span_eq_str(struct span a, const char *text)
{
	return span_eq(a, span_from_str(text));
}

static inline bool span_starts_with(struct span a, struct span prefix)
{
	return a.len >= prefix.len &&
	       (prefix.len == 0 || memcmp(a.data, prefix.data, prefix.len) == 0);
}

/* The rest of a span after its first n bytes; empty when it is shorter. */
static inline struct span span_skip(struct span a, size_t n)
{
	return n >= a.len ? SPAN_EMPTY : span_make(a.data + n, a.len - n);
}

/* The first n bytes of a span, or all of it when it is shorter. */
static inline struct span span_head(struct span a, size_t n)
{
	return span_make(a.data, n < a.len ? n : a.len);
}

/* Byte order comparison: <0, 0, >0; a prefix sorts first. */
int span_cmp(struct span a, struct span b);

/* ASCII case-insensitive equality (header names). */
bool span_eq_nocase(struct span a, struct span b);

/* Index of the first byte c, or a.len when there is none. */
size_t span_find(struct span a, uint8_t c);

#endif
