#ifndef HEADGATE_SUPPORT_C_SCRATCH_H
#define HEADGATE_SUPPORT_C_SCRATCH_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

/* Memory for what is decoded while one message is handled: one block that is used over and over,
 * and more blocks behind it when a large message needs them. `allocator` hands it to protobuf-c;
 * has_failed tells want of memory from bad input. */
struct hg_scratch {
	ProtobufCAllocator allocator;
	bool has_failed;
	char *block_;
	size_t used_;
	struct hg_scratch_extra *extras_;
};

/* False when memory ran out. */
bool hg_scratch_init(struct hg_scratch *scratch) __attribute__((warn_unused_result));

/* Aligned for any object, valid until the reset; NULL when memory ran out. */
void *hg_scratch_alloc(struct hg_scratch *scratch, size_t size);

void hg_scratch_reset(struct hg_scratch *scratch);
void hg_scratch_fini(struct hg_scratch *scratch);

#endif
