#include "src/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "src/base/error.h"
#include "src/base/mem.h"

#define BUF_FIRST_BYTES ((size_t)256)
#define BUF_KEEP_BYTES ((size_t)64 * 1024)

void buf_init(struct buf *buf, size_t max_bytes)
{
	*buf = (struct buf){.max_bytes = max_bytes};
}

void buf_fini(struct buf *buf)
{
	mem_free(buf->mem_);
	*buf = (struct buf){.max_bytes = buf->max_bytes};
}

void buf_reset(struct buf *buf)
{
	if (buf->cap_ > BUF_KEEP_BYTES) {
		buf_fini(buf);
		return;
	}
	buf->start_ = 0;
	buf->end_ = 0;
	buf->is_full = false;
}

static void buf_grow(struct buf *buf, size_t need)
{
	size_t cap = buf->cap_ ? buf->cap_ : BUF_FIRST_BYTES;

	while (cap < need)
		cap *= 2;
	buf->mem_ = mem_resize_array(buf->mem_, cap, 1);
	buf->cap_ = cap;
}

uint8_t *buf_reserve(struct buf *buf, size_t n)
{
	size_t len = buf_len(buf);

	if (n > buf->max_bytes - len || len > buf->max_bytes) {
		buf->is_full = true;
		return NULL;
	}
	if (buf->cap_ - buf->end_ < n && buf->start_ > 0) {
		memmove(buf->mem_, buf->mem_ + buf->start_, len);
		buf->start_ = 0;
		buf->end_ = len;
	}
	if (!buf->mem_ || buf->cap_ - buf->end_ < n)
		buf_grow(buf, buf->end_ + n);
	return buf->mem_ + buf->end_;
}

void buf_commit(struct buf *buf, size_t written)
{
	BUG_ON(written > buf->cap_ - buf->end_);
	buf->end_ += written;
}

bool buf_append_grow_(struct buf *buf, struct span bytes)
{
	uint8_t *room = buf_reserve(buf, bytes.len);

	if (!room)
		return false;
	if (bytes.len)
		memcpy(room, bytes.data, bytes.len);
	buf_commit(buf, bytes.len);
	return true;
}

bool buf_append_str(struct buf *buf, const char *text)
{
	return buf_append(buf, span_from_str(text));
}

bool buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args;
	int len;
	uint8_t *room;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	BUG_ON(len < 0);
	room = buf_reserve(buf, (size_t)len + 1);
	if (!room)
		return false;
	va_start(args, format);
	(void)vsnprintf((char *)room, (size_t)len + 1, format, args); /* fits by construction */
	va_end(args);
	buf_commit(buf, (size_t)len);
	return true;
}

void buf_consume(struct buf *buf, size_t n)
{
	BUG_ON(n > buf_len(buf));
	buf->start_ += n;
	if (buf->start_ == buf->end_) {
		buf->start_ = 0;
		buf->end_ = 0;
	}
}

void buf_truncate(struct buf *buf, size_t len)
{
	BUG_ON(len > buf_len(buf));
	buf->end_ = buf->start_ + len;
}
