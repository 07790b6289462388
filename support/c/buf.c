#include "support/c/buf.h"

#include <stdlib.h>
#include <string.h>

#include "support/c/wire.h"

/* Small replies never reallocate. */
#define FIRST_CAPACITY 1024

static bool grow(struct hg_buf *buf, size_t needed)
{
	size_t capacity = buf->capacity ? buf->capacity : FIRST_CAPACITY;

	while (capacity < needed) {
		if (capacity > SIZE_MAX / 2)
			return false;
		capacity *= 2;
	}
	uint8_t *data = realloc(buf->data, capacity);
	if (!data)
		return false;
	buf->data = data;
	buf->capacity = capacity;
	return true;
}

uint8_t *hg_buf_reserve(struct hg_buf *buf, size_t size)
{
	if (buf->has_failed)
		return NULL;
	if (size > SIZE_MAX - buf->size ||
	    (size > buf->capacity - buf->size && !grow(buf, buf->size + size)) || !buf->data) {
		buf->has_failed = true;
		return NULL;
	}
	uint8_t *place = buf->data + buf->size;
	buf->size += size;
	return place;
}

void hg_buf_reset(struct hg_buf *buf, size_t keep_bytes)
{
	if (buf->capacity > keep_bytes)
		hg_buf_fini(buf);
	buf->size = 0;
	buf->has_failed = false;
}

void hg_buf_wrap(struct hg_buf *buf, uint32_t number, size_t start)
{
	size_t size = buf->size - start;
	size_t head = hg_bytes_field_size(number, size) - size;

	if (!hg_buf_reserve(buf, head))
		return;
	if (size > 0)
		memmove(buf->data + start + head, buf->data + start, size);
	(void)hg_put_header(buf->data + start, number, size); /* as much as was made room for */
}

void hg_buf_fini(struct hg_buf *buf)
{
	free(buf->data);
	*buf = (struct hg_buf){0};
}
