/* A packed body in pieces: whatever it is, no call makes more than a piece, all of it stays within
 * the ratio, and what is whole comes back the same when it is packed again. The first byte says
 * into which pieces the rest is cut. */
#include <stddef.h>
#include <stdint.h>

#include "src/base/error.h"
#include "src/base/gzip.h"

/* Larger than what one input of the fuzzer (1 MiB) may become by far: the ratio must end it. */
#define OUT_BYTES ((size_t)64 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum parse_result unpack(struct span packed, size_t piece, struct buf *out)
{
	struct gzip_reader *reader = gzip_reader_new();
	enum parse_result result;
	size_t fed = 0;
	size_t before;
	size_t used;

	do {
		before = buf_len(out);
		result = gzip_reader_feed(reader, span_head(packed, piece), &used, out);
		fed += used;
		packed = span_skip(packed, used);
		BUG_ON(buf_len(out) - before > GZIP_PIECE_BYTES);
		BUG_ON(buf_len(out) > (fed + 1) * GZIP_RATIO_MAX + 2 * GZIP_PIECE_BYTES);
		BUG_ON(result == PARSE_MORE && used == 0 && buf_len(out) == before && packed.len);
	} while (result != PARSE_BAD && (packed.len || buf_len(out) > before));
	if (result != PARSE_BAD)
		result = gzip_reader_is_whole(reader) ? PARSE_DONE : PARSE_MORE;
	gzip_reader_free(reader);
	return result;
}

static void pack_again(struct span bytes)
{
	struct buf packed;
	struct buf out;

	buf_init(&packed, OUT_BYTES);
	buf_init(&out, OUT_BYTES);
	BUG_ON(!gzip_pack(bytes, &packed));
	/* What is very small when packed may be refused as a bomb. */
	BUG_ON(unpack(buf_span(&packed), SIZE_MAX, &out) == PARSE_DONE &&
	       !span_eq(bytes, buf_span(&out)));
	buf_fini(&packed);
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t piece = size ? (size_t)data[0] + 1 : 1;
	struct buf out;

	buf_init(&out, OUT_BYTES);
	if (unpack(span_skip(span_make(data, size), 1), piece, &out) == PARSE_DONE)
		pack_again(buf_span(&out));
	buf_fini(&out);
	pack_again(span_make(data, size));
	return 0;
}
