#ifndef HEADGATE_SRC_BASE_ARENA_H
#define HEADGATE_SRC_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/span.h"

/* Memory of one request, command or configuration load: nothing in it is freed singly, nothing in
 * it outlives it, and it has a limit in bytes. The first block is allocated on first use. */
struct arena {
	struct arena_block *head_;
	size_t used_bytes;  /* read only: what was handed out */
	size_t limit_bytes; /* read only */
	bool is_exhausted;  /* read only, sticky: an allocation was refused */
};

void arena_init(struct arena *arena, size_t limit_bytes);

/* Releases everything. Accepts a zeroed arena. */
void arena_fini(struct arena *arena);

/* Forgets everything but keeps one block for reuse. */
void arena_reset(struct arena *arena);

/* Zeroed memory aligned for any type; NULL (and is_exhausted) when the limit would be passed.
 * Callers answer ST_RESOURCE_EXHAUSTED. */
void *arena_alloc(struct arena *arena, size_t size_bytes);
void *arena_alloc_array(struct arena *arena, size_t count, size_t size_bytes);
#define arena_new(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define arena_new_array(arena, type, count)                                                        \
	((type *)arena_alloc_array((arena), (count), sizeof(type)))

/* A NUL-terminated copy; NULL when the limit would be passed. */
char *arena_strndup(struct arena *arena, const void *text, size_t n);

/* A copy of the bytes; {NULL, 0} with is_exhausted set when the limit would be passed. */
struct span arena_span(struct arena *arena, struct span bytes);

#endif
