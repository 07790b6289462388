#include "src/base/mem.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/error.h"

void *mem_zalloc(size_t size_bytes)
{
	void *p = calloc(1, size_bytes ? size_bytes : 1);

	BUG_ON(!p && "out of memory");
	return p;
}

void *mem_zalloc_array(size_t count, size_t size_bytes)
{
	size_t total;

	BUG_ON(__builtin_mul_overflow(count, size_bytes, &total));
	return mem_zalloc(total);
}

void *mem_resize_array(void *p, size_t count, size_t size_bytes)
{
	size_t total;
	void *resized;

	BUG_ON(__builtin_mul_overflow(count, size_bytes, &total));
	resized = realloc(p, total ? total : 1);
	BUG_ON(!resized && "out of memory");
	return resized;
}

char *mem_strndup(const void *text, size_t n)
{
	char *copy = mem_zalloc(n + 1);

	if (n)
		memcpy(copy, text, n);
	return copy;
}

char *mem_strdup(const char *text)
{
	return mem_strndup(text, strlen(text));
}

void mem_free(void *p)
{
	free(p);
}
