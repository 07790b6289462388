#ifndef HEADGATE_SRC_BASE_BUF_H
#define HEADGATE_SRC_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/span.h"

/* A growing run of bytes with a mandatory maximum and a sticky failure, so that a row of appends
 * needs one check at the end. Consumed bytes leave at the front without moving the rest each time.
 * Invariant: start_ <= end_ <= cap_ <= max_bytes rounded up. */
struct buf {
	uint8_t *mem_;
	size_t start_;
	size_t end_;
	size_t cap_;
	size_t max_bytes; /* read only */
	bool is_full;	  /* read only, sticky: an append was refused and left out whole */
};

/* max_bytes bounds the unread bytes held at any time. */
void buf_init(struct buf *buf, size_t max_bytes);

/* Releases the memory. Accepts a zeroed buf. */
void buf_fini(struct buf *buf);

/* Drops content and the failure; keeps the memory when it is small (<= 64 KiB). */
void buf_reset(struct buf *buf);

static inline size_t buf_len(const struct buf *buf)
{
	return buf->end_ - buf->start_;
}

/* What is in it; borrowed until the next call that changes buf. */
static inline struct span buf_span(const struct buf *buf)
{
	return span_make(buf->mem_ ? buf->mem_ + buf->start_ : NULL, buf_len(buf));
}

/* For buf_append, when there is no room yet. */
bool buf_append_grow_(struct buf *buf, struct span bytes);

/* Appends all or nothing; false (and is_full) when max_bytes would be passed. */
static inline bool buf_append(struct buf *buf, struct span bytes)
{
	if (bytes.len > buf->cap_ - buf->end_ || buf_len(buf) > buf->max_bytes ||
	    bytes.len > buf->max_bytes - buf_len(buf))
		return buf_append_grow_(buf, bytes);
	if (bytes.len)
		memcpy(buf->mem_ + buf->end_, bytes.data, bytes.len);
	buf->end_ += bytes.len;
	return true;
}
bool buf_append_str(struct buf *buf, const char *text);
bool buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Room for n more bytes to be written by the caller, then buf_commit(written <= n). NULL (and
 * is_full) when max_bytes would be passed. Borrowed until the next call. */
uint8_t *buf_reserve(struct buf *buf, size_t n);
void buf_commit(struct buf *buf, size_t written);

/* The byte of punctuation, which is most appends of a printer, costs no call while there is room.
 */
static inline bool buf_append_byte(struct buf *buf, uint8_t byte)
{
	if (buf->end_ == buf->cap_ || buf_len(buf) >= buf->max_bytes)
		return buf_append(buf, span_make(&byte, 1));
	buf->mem_[buf->end_++] = byte;
	return true;
}

/* Removes n bytes at the front (n <= buf_len) or at the back (down to len). */
void buf_consume(struct buf *buf, size_t n);
void buf_truncate(struct buf *buf, size_t len);

#endif
