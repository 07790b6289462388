#ifndef HEADGATE_SRC_BASE_GZIP_H
#define HEADGATE_SRC_BASE_GZIP_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/buf.h"
#include "src/base/parse.h"
#include "src/base/span.h"

/* Bodies with the content coding gzip. Spec: RFC 1952; RFC 9110 8.4.1.3 */

/* Bytes that one call of gzip_reader_feed unpacks at most: what a turn of the loop spends on it. */
#define GZIP_PIECE_BYTES ((size_t)64 * 1024)

/* A body that grows more than this is taken for a bomb: JSON seldom grows 50 times, and the work of
 * unpacking must have some relation to what was sent. Not looked at before GZIP_PIECE_BYTES. */
#define GZIP_RATIO_MAX 200

/* Unpacks a body that comes in any pieces, of one member or several. */
struct gzip_reader;

struct gzip_reader *gzip_reader_new(void);

/* NULL is a no-op. */
void gzip_reader_free(struct gzip_reader *reader);

/* Appends at most GZIP_PIECE_BYTES to out and says in *ret_used how much of packed it took. MORE:
 * feed on (what was not taken again, or nothing more: an empty packed fetches what is still held
 * back). DONE: all was taken, and a member has just ended. BAD: malformed, past GZIP_RATIO_MAX
 * (gzip_reader_is_bomb), or out is full. */
enum parse_result gzip_reader_feed(struct gzip_reader *reader, struct span packed, size_t *ret_used,
				   struct buf *out);

/* After BAD: too much came out of too little. */
bool gzip_reader_is_bomb(const struct gzip_reader *reader);

/* True when what was fed is complete. */
bool gzip_reader_is_whole(const struct gzip_reader *reader);

/* Packs the whole of bytes into out, quickly rather than small. False when out is full. */
bool gzip_pack(struct span bytes, struct buf *out);

#endif
