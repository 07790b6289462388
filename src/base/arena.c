#include "src/base/arena.h"

#include <stdint.h>
#include <string.h>

#include "src/base/mem.h"

/* Blocks form a list, newest first. A block's payload follows its header; an allocation larger
 * than ARENA_BLOCK_BYTES gets a block of its own behind the newest one, so that the newest keeps
 * its free tail. */
#define ARENA_BLOCK_BYTES ((size_t)4096)
/* The first block: enough for the head of most calls, and small enough that malloc keeps it in its
 * cache (1032 bytes) and that zeroing it costs nothing. */
#define ARENA_FIRST_BYTES ((size_t)992)
#define ARENA_ALIGN ((size_t)16)

struct arena_block {
	struct arena_block *next;
	size_t size;
	size_t used;
	size_t pad_;
};

void arena_init(struct arena *arena, size_t limit_bytes)
{
	*arena = (struct arena){.limit_bytes = limit_bytes};
}

static void arena_free_from(struct arena_block *block)
{
	while (block) {
		struct arena_block *next = block->next;

		mem_free(block);
		block = next;
	}
}

void arena_fini(struct arena *arena)
{
	arena_free_from(arena->head_);
	*arena = (struct arena){.limit_bytes = arena->limit_bytes};
}

void arena_reset(struct arena *arena)
{
	struct arena_block *keep = arena->head_;

	if (keep) {
		arena_free_from(keep->next);
		keep->next = NULL;
		memset(keep + 1, 0, keep->used);
		keep->used = 0;
	}
	arena->used_bytes = 0;
	arena->is_exhausted = false;
}

static struct arena_block *arena_block_new(size_t size)
{
	struct arena_block *block = mem_zalloc(sizeof(*block) + size);

	block->size = size;
	return block;
}

static struct arena_block *arena_block_for(struct arena *arena, size_t size)
{
	struct arena_block *head = arena->head_;
	struct arena_block *block;
	size_t usual = head ? ARENA_BLOCK_BYTES : ARENA_FIRST_BYTES;

	if (head && head->size - head->used >= size)
		return head;
	block = arena_block_new(size > usual ? size : usual);
	if (head && size > usual) {
		block->next = head->next;
		head->next = block;
	} else {
		block->next = head;
		arena->head_ = block;
	}
	return block;
}

void *arena_alloc(struct arena *arena, size_t size_bytes)
{
	size_t size;
	struct arena_block *block;
	void *p;

	if (size_bytes > arena->limit_bytes - arena->used_bytes ||
	    size_bytes > SIZE_MAX - sizeof(struct arena_block) - ARENA_ALIGN) {
		arena->is_exhausted = true;
		return NULL;
	}
	size = (size_bytes + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1);
	block = arena_block_for(arena, size);
	p = (char *)(block + 1) + block->used;
	block->used += size;
	arena->used_bytes += size_bytes;
	return p;
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t size_bytes)
{
	size_t total;

	if (__builtin_mul_overflow(count, size_bytes, &total)) {
		arena->is_exhausted = true;
		return NULL;
	}
	return arena_alloc(arena, total);
}

char *arena_strndup(struct arena *arena, const void *text, size_t n)
{
	char *copy = n == SIZE_MAX ? NULL : arena_alloc(arena, n + 1);

	if (copy && n)
		memcpy(copy, text, n);
	return copy;
}

struct span arena_span(struct arena *arena, struct span bytes)
{
	uint8_t *copy;

	if (bytes.len == 0)
		return SPAN_EMPTY;
	copy = arena_alloc(arena, bytes.len);
	if (!copy)
		return SPAN_EMPTY;
	memcpy(copy, bytes.data, bytes.len);
	return span_make(copy, bytes.len);
}
