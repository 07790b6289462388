/* zlib, bounded: no call does more work than a piece, and what comes out is held against what went
 * in. */
#include "src/base/gzip.h"

#include <stdint.h>

#include <zlib.h>

#include "src/base/error.h"
#include "src/base/mem.h"

/* zlib's own sign for a gzip header. */
#define GZIP_WINDOW (16 + MAX_WBITS)

/* Replies are packed while others wait: level 1 packs JSON nearly as small as 6 in a third of the
 * time. */
#define GZIP_LEVEL 1

/* zlib's default. */
#define GZIP_MEMORY 8

struct gzip_reader {
	z_stream stream;
	uint64_t in;
	uint64_t out;
	bool is_whole; /* a member ended and no other has begun */
	bool is_bomb;
};

struct gzip_reader *gzip_reader_new(void)
{
	struct gzip_reader *reader = mem_new(struct gzip_reader);

	BUG_ON(inflateInit2(&reader->stream, GZIP_WINDOW) != Z_OK); /* out of memory */
	return reader;
}

void gzip_reader_free(struct gzip_reader *reader)
{
	if (!reader)
		return;
	(void)inflateEnd(&reader->stream);
	mem_free(reader);
}

/* One run of zlib over at most what room has. */
static int gzip_reader_run(struct gzip_reader *reader, struct span packed, uint8_t *room,
			   size_t room_bytes, size_t *ret_used, size_t *ret_made)
{
	z_stream *stream = &reader->stream;
	int state;

	stream->next_in = (uint8_t *)(uintptr_t)packed.data; /* zlib only reads from it */
	stream->avail_in = packed.len > UINT32_MAX ? UINT32_MAX : (unsigned)packed.len;
	stream->next_out = room;
	stream->avail_out = (unsigned)room_bytes;
	state = inflate(stream, Z_NO_FLUSH);
	*ret_used = stream->next_in ? (size_t)(stream->next_in - packed.data) : 0;
	*ret_made = room_bytes - stream->avail_out;
	return state;
}

static bool gzip_reader_count(struct gzip_reader *reader, size_t used, size_t made)
{
	reader->in += used;
	reader->out += made;
	reader->is_bomb =
		reader->out > GZIP_PIECE_BYTES && reader->out / GZIP_RATIO_MAX > reader->in;
	return !reader->is_bomb;
}

enum parse_result gzip_reader_feed(struct gzip_reader *reader, struct span packed, size_t *ret_used,
				   struct buf *out)
{
	size_t left = GZIP_PIECE_BYTES;
	uint8_t *room = buf_reserve(out, left);
	int state = Z_OK;

	*ret_used = 0;
	if (!room)
		return PARSE_BAD;
	while (left > 0 && (state == Z_OK || packed.len > 0)) {
		size_t used;
		size_t made;

		if (reader->is_whole && packed.len > 0)
			BUG_ON(inflateReset(&reader->stream) != Z_OK);
		reader->is_whole = reader->is_whole && packed.len == 0;
		if (reader->is_whole)
			break;
		state = gzip_reader_run(reader, packed, room, left, &used, &made);
		packed = span_skip(packed, used);
		*ret_used += used;
		buf_commit(out, made);
		room += made;
		left -= made;
		if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR)
			return PARSE_BAD;
		if (!gzip_reader_count(reader, used, made))
			return PARSE_BAD;
		reader->is_whole = state == Z_STREAM_END;
		if (state == Z_BUF_ERROR)
			break;
	}
	return reader->is_whole && packed.len == 0 ? PARSE_DONE : PARSE_MORE;
}

bool gzip_reader_is_bomb(const struct gzip_reader *reader)
{
	return reader->is_bomb;
}

bool gzip_reader_is_whole(const struct gzip_reader *reader)
{
	return reader->is_whole;
}

bool gzip_pack(struct span bytes, struct buf *out)
{
	z_stream stream = {0};
	size_t bound;
	uint8_t *room;
	int state;

	if (bytes.len > UINT32_MAX / 2 || deflateInit2(&stream, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW,
						       GZIP_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
		return false;
	bound = deflateBound(&stream, bytes.len);
	room = buf_reserve(out, bound);
	if (!room) {
		(void)deflateEnd(&stream);
		return false;
	}
	stream.next_in = (uint8_t *)(uintptr_t)bytes.data; /* zlib only reads from it */
	stream.avail_in = (unsigned)bytes.len;
	stream.next_out = room;
	stream.avail_out = (unsigned)bound;
	state = deflate(&stream, Z_FINISH);
	buf_commit(out, bound - stream.avail_out);
	(void)deflateEnd(&stream);
	return state == Z_STREAM_END;
}
