#include "src/base/gzip.h"

#include <string.h>

#include "src/base/mem.h"
#include "tests/unit/unit.h"

#define TEXT "{\"text\":\"a text, a text, a text, a text\"}"

/* Unpacks in pieces of that size; the last answer is returned. */
static enum parse_result unpack(struct span packed, size_t piece, struct buf *out,
				bool *ret_is_bomb)
{
	struct gzip_reader *reader = gzip_reader_new();
	enum parse_result result = PARSE_MORE;
	size_t before;
	size_t used;

	do {
		before = buf_len(out);
		result = gzip_reader_feed(reader, span_head(packed, piece), &used, out);
		packed = span_skip(packed, used);
	} while (result != PARSE_BAD && (packed.len || buf_len(out) > before));
	if (result != PARSE_BAD)
		result = gzip_reader_is_whole(reader) ? PARSE_DONE : PARSE_MORE;
	*ret_is_bomb = gzip_reader_is_bomb(reader);
	gzip_reader_free(reader);
	return result;
}

static void there_and_back(void **state)
{
	static const size_t pieces[] = {1, 7, 100000};
	struct buf packed;
	struct buf out;
	bool is_bomb;

	(void)state;
	buf_init(&packed, 100000);
	buf_init(&out, 200000);
	assert_true(gzip_pack(SPAN_LIT(TEXT), &packed));
	assert_true(gzip_pack(SPAN_LIT(""), &packed)); /* a second member, and a third */
	assert_true(gzip_pack(SPAN_LIT(TEXT), &packed));
	for (size_t i = 0; i < COUNT_OF(pieces); i++) {
		buf_reset(&out);
		assert_int_equal(unpack(buf_span(&packed), pieces[i], &out, &is_bomb), PARSE_DONE);
		UNIT_ROW_SPAN("text", buf_span(&out), TEXT TEXT);
	}
	buf_fini(&packed);
	buf_fini(&out);
}

static void larger_than_a_piece(void **state)
{
	size_t size = 5 * GZIP_PIECE_BYTES + 17;
	uint8_t *bytes = mem_new_array(uint8_t, size);
	struct buf packed;
	struct buf out;
	bool is_bomb;
	uint32_t noise = 1;

	(void)state;
	for (size_t i = 0; i < size; i++) {
		noise = noise * 1103515245 + 12345;
		bytes[i] = (uint8_t)('a' + (noise >> 16) % 8);
	}
	buf_init(&packed, 2 * size);
	buf_init(&out, 2 * size);
	assert_true(gzip_pack(span_make(bytes, size), &packed));
	assert_true(buf_len(&packed) < size / 2);
	assert_int_equal(unpack(buf_span(&packed), 4096, &out, &is_bomb), PARSE_DONE);
	assert_true(span_eq(buf_span(&out), span_make(bytes, size)));
	buf_fini(&packed);
	buf_fini(&out);
	mem_free(bytes);
}

static void one_feed_makes_one_piece(void **state)
{
	struct gzip_reader *reader = gzip_reader_new();
	size_t size = 2 * GZIP_PIECE_BYTES;
	uint8_t *zeros = mem_new_array(uint8_t, size);
	struct buf packed;
	struct buf out;
	size_t used;

	(void)state;
	buf_init(&packed, 2 * size);
	buf_init(&out, GZIP_PIECE_BYTES);
	assert_true(gzip_pack(span_make(zeros, size), &packed));
	assert_int_equal(gzip_reader_feed(reader, buf_span(&packed), &used, &out), PARSE_MORE);
	assert_int_equal(buf_len(&out), GZIP_PIECE_BYTES);
	assert_false(gzip_reader_is_whole(reader));
	/* out is full */
	assert_int_equal(gzip_reader_feed(reader, SPAN_EMPTY, &used, &out), PARSE_BAD);
	gzip_reader_free(reader);
	buf_fini(&packed);
	buf_fini(&out);
	mem_free(zeros);
}

static void malformed(void **state)
{
	struct buf packed;
	struct buf out;
	bool is_bomb;
	uint8_t *bytes;

	(void)state;
	buf_init(&packed, 100000);
	buf_init(&out, 200000);
	assert_true(gzip_pack(SPAN_LIT(TEXT), &packed));
	assert_int_equal(
		unpack(span_head(buf_span(&packed), buf_len(&packed) - 1), 10, &out, &is_bomb),
		PARSE_MORE);
	assert_int_equal(unpack(SPAN_LIT(TEXT), 10, &out, &is_bomb), PARSE_BAD);
	assert_int_equal(unpack(SPAN_EMPTY, 10, &out, &is_bomb), PARSE_MORE);
	bytes = (uint8_t *)(uintptr_t)buf_span(&packed).data;
	bytes[buf_len(&packed) - 6] ^= 1; /* the checksum */
	assert_int_equal(unpack(buf_span(&packed), 10, &out, &is_bomb), PARSE_BAD);
	bytes[buf_len(&packed) - 6] ^= 1;
	assert_true(buf_append_str(&packed, "x"));
	assert_int_equal(unpack(buf_span(&packed), 100000, &out, &is_bomb), PARSE_MORE);
	assert_true(buf_append_str(&packed, "yz"));
	assert_int_equal(unpack(buf_span(&packed), 100000, &out, &is_bomb), PARSE_BAD);
	assert_false(is_bomb);
	buf_fini(&packed);
	buf_fini(&out);
}

static void bombs(void **state)
{
	size_t size = (size_t)8 << 20;
	uint8_t *zeros = mem_new_array(uint8_t, size);
	struct buf packed;
	struct buf out;
	bool is_bomb;

	(void)state;
	buf_init(&packed, 2 * size);
	buf_init(&out, size + GZIP_PIECE_BYTES);
	assert_true(gzip_pack(span_make(zeros, size), &packed));
	assert_int_equal(unpack(buf_span(&packed), 4096, &out, &is_bomb), PARSE_BAD);
	assert_true(is_bomb);
	assert_true(buf_len(&out) <
		    17 * GZIP_PIECE_BYTES); /* 4096 bytes are allowed 200 times that */
	buf_fini(&packed);
	buf_fini(&out);
	mem_free(zeros);
}

static void packing_is_bounded(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 10);
	assert_false(gzip_pack(SPAN_LIT(TEXT), &out));
	assert_int_equal(buf_len(&out), 0);
	buf_fini(&out);
	gzip_reader_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(larger_than_a_piece),
		cmocka_unit_test(one_feed_makes_one_piece),
		cmocka_unit_test(malformed),
		cmocka_unit_test(bombs),
		cmocka_unit_test(packing_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
