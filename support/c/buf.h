#ifndef HEADGATE_SUPPORT_C_BUF_H
#define HEADGATE_SUPPORT_C_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Growing output bytes. When memory runs out `has_failed` stays set until hg_buf_reset, and what
 * was reserved meanwhile is not there: look once, at the end. Fields are readable. */
struct hg_buf {
	uint8_t *data;
	size_t size;
	size_t capacity;
	bool has_failed;
};

/* Appends size bytes to be written by the caller; NULL when memory ran out. */
uint8_t *hg_buf_reserve(struct hg_buf *buf, size_t size) __attribute__((warn_unused_result));

/* Empties the buffer; gives memory back when it had grown beyond keep_bytes. */
void hg_buf_reset(struct hg_buf *buf, size_t keep_bytes);

/* Makes what was appended since the size was `start` the content of length-delimited field
 * `number`.
 */
void hg_buf_wrap(struct hg_buf *buf, uint32_t number, size_t start);

void hg_buf_fini(struct hg_buf *buf);

#endif
