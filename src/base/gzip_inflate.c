#include "src/base/gzip_inflate.h"

#include <zlib.h>

#define INFLATE_PIECE_BYTES ((size_t)64 * 1024)

/* zlib's own sign for a gzip header. */
#define INFLATE_GZIP (16 + MAX_WBITS)

static bool inflate_all(z_stream *stream, struct buf *out)
{
	int state = Z_OK;

	while (state == Z_OK) {
		uint8_t *room = buf_reserve(out, INFLATE_PIECE_BYTES);

		if (!room)
			return false;
		stream->next_out = room;
		stream->avail_out = (unsigned)INFLATE_PIECE_BYTES;
		state = inflate(stream, Z_NO_FLUSH);
		buf_commit(out, INFLATE_PIECE_BYTES - stream->avail_out);
	}
	return state == Z_STREAM_END && stream->avail_in == 0;
}

bool gzip_inflate(struct span packed, struct buf *out)
{
	z_stream stream = {0};
	bool is_done;

	if (packed.len > UINT32_MAX || inflateInit2(&stream, INFLATE_GZIP) != Z_OK)
		return false;
	stream.next_in = (uint8_t *)(uintptr_t)packed.data; /* zlib only reads from it */
	stream.avail_in = (unsigned)packed.len;
	is_done = inflate_all(&stream, out);
	(void)inflateEnd(&stream);
	return is_done;
}
