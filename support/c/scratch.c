#include "support/c/scratch.h"

#include <stdint.h>
#include <stdlib.h>

/* Decoded commands are a few hundred bytes; this also holds a middling snapshot. */
#define BLOCK_SIZE ((size_t)64 * 1024)

#define ALIGNMENT _Alignof(max_align_t)

struct hg_scratch_extra {
	struct hg_scratch_extra *next;
	max_align_t memory[];
};

static void *allocator_alloc(void *data, size_t size)
{
	return hg_scratch_alloc(data, size);
}

static void allocator_free(void *data, void *pointer)
{
	(void)data; /* everything goes at the reset */
	(void)pointer;
}

bool hg_scratch_init(struct hg_scratch *scratch)
{
	*scratch = (struct hg_scratch){
		.allocator = {.alloc = allocator_alloc, .free = allocator_free},
		.block_ = malloc(BLOCK_SIZE),
	};
	scratch->allocator.allocator_data = scratch;
	return scratch->block_ != NULL;
}

static void *alloc_extra(struct hg_scratch *scratch, size_t size)
{
	if (size > SIZE_MAX - sizeof(struct hg_scratch_extra))
		return NULL;
	struct hg_scratch_extra *extra = malloc(sizeof *extra + size);
	if (!extra)
		return NULL;
	extra->next = scratch->extras_;
	scratch->extras_ = extra;
	return extra->memory;
}

void *hg_scratch_alloc(struct hg_scratch *scratch, size_t size)
{
	size_t rounded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	void *memory;

	if (rounded >= size && rounded <= BLOCK_SIZE - scratch->used_) {
		memory = scratch->block_ + scratch->used_;
		scratch->used_ += rounded;
	} else {
		memory = alloc_extra(scratch, size);
	}
	if (!memory)
		scratch->has_failed = true;
	return memory;
}

void hg_scratch_reset(struct hg_scratch *scratch)
{
	while (scratch->extras_) {
		struct hg_scratch_extra *extra = scratch->extras_;
		scratch->extras_ = extra->next;
		free(extra);
	}
	scratch->used_ = 0;
	scratch->has_failed = false;
}

void hg_scratch_fini(struct hg_scratch *scratch)
{
	hg_scratch_reset(scratch);
	free(scratch->block_);
	scratch->block_ = NULL;
}
