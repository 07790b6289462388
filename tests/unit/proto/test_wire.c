#include "proto/wire.h"

#include "tests/unit/proto/sample.h"

/* Lists what the reader finds: "number:type:value " for each record, "!" when it went bad. */
static void describe(struct span bytes, struct buf *out)
{
	struct wire_reader reader;
	struct wire_field field;

	wire_reader_init(&reader, bytes);
	while (wire_next(&reader, &field))
		assert_true(buf_printf(out, "%u:%u:%llu/%zu/%zu ", field.number,
				       (unsigned)field.type, (unsigned long long)field.integer,
				       field.bytes.len, field.record.len));
	if (reader.is_bad)
		assert_true(buf_append_str(out, "!"));
	assert_true(wire_at_end(&reader));
}

static void reader_takes_records_and_refuses_others(void **state)
{
	static const struct {
		const char *name;
		const char *hex;
		const char *want;
	} rows[] = {
		{"nothing", "", ""},
		{"varint", "08 96 01", "1:0:150/0/3 "},
		{"longest varint", "08 ff ff ff ff ff ff ff ff ff 01",
		 "1:0:18446744073709551615/0/11 "},
		{"bits above the 64th are dropped", "08 ff ff ff ff ff ff ff ff ff 7f",
		 "1:0:18446744073709551615/0/11 "},
		{"varint of eleven bytes", "08 ff ff ff ff ff ff ff ff ff ff 01", "!"},
		{"varint cut short", "08 96", "!"},
		{"fixed32", "15 01 00 00 80", "2:5:2147483649/0/5 "},
		{"fixed32 cut short", "15 01 00 00", "!"},
		{"fixed64", "19 01 00 00 00 00 00 00 80", "3:1:9223372036854775809/0/9 "},
		{"fixed64 cut short", "19 01 00 00", "!"},
		{"bytes", "22 03 61 62 63", "4:2:0/3/5 "},
		{"empty bytes", "22 00", "4:2:0/0/2 "},
		{"bytes cut short", "22 04 61 62 63", "!"},
		{"length beyond memory", "22 ff ff ff ff ff ff ff ff ff 01", "!"},
		{"two records, the second bad", "08 01 22 05", "1:0:1/0/2 !"},
		{"field number zero", "00 01", "!"},
		{"highest field number", "f8 ff ff ff 0f 01", "536870911:0:1/0/6 "},
		{"field number too high", "80 80 80 80 10 01", "!"},
		{"tag in more bytes than needed", "88 80 00 05", "1:0:5/0/4 "},
		{"wire type 6", "0e 00", "!"},
		{"wire type 7", "0f 00", "!"},
		{"group", "0b 10 01 0c", "1:3:0/2/4 "},
		{"empty group", "0b 0c", "1:3:0/0/2 "},
		{"group in group", "0b 13 18 07 14 0c 08 01", "1:3:0/4/6 1:0:1/0/2 "},
		{"group without end", "0b 10 01", "!"},
		{"end of another group", "0b 14", "!"},
		{"groups that overlap", "0b 13 0c 14", "!"},
		{"end without group", "0c", "!"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf bytes;
		struct buf got;

		buf_init(&bytes, 256);
		buf_init(&got, 1024);
		sample_hex(&bytes, rows[i].hex);
		describe(buf_span(&bytes), &got);
		UNIT_ROW_SPAN(rows[i].name, buf_span(&got), rows[i].want);
		buf_fini(&bytes);
		buf_fini(&got);
	}
}

static void groups_nest_up_to_the_limit(void **state)
{
	uint8_t bytes[2 * (WIRE_DEPTH_MAX + 1)];

	(void)state;
	for (size_t depth = WIRE_DEPTH_MAX; depth <= WIRE_DEPTH_MAX + 1; depth++) {
		struct wire_reader reader;
		struct wire_field field;
		bool is_ok = depth <= WIRE_DEPTH_MAX;

		memset(bytes, 0x0B, depth);
		memset(bytes + depth, 0x0C, depth);
		wire_reader_init(&reader, span_make(bytes, 2 * depth));
		assert_int_equal(wire_next(&reader, &field), is_ok);
		assert_int_equal(reader.is_bad, !is_ok);
	}
}

static void zigzag_is_its_own_inverse(void **state)
{
	static const struct {
		int64_t value;
		uint64_t bits;
	} rows[] = {{0, 0},
		    {-1, 1},
		    {1, 2},
		    {-2, 3},
		    {INT32_MIN, UINT32_MAX},
		    {INT64_MAX, UINT64_MAX - 1},
		    {INT64_MIN, UINT64_MAX}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_true(wire_zigzag(rows[i].value) == rows[i].bits);
		assert_true(wire_unzigzag(rows[i].bits) == rows[i].value);
	}
}

static void find_last_takes_the_last_of_its_type(void **state)
{
	static const struct {
		const char *name;
		const char *hex;
		bool is_found;
		uint64_t want;
	} rows[] = {
		{"absent", "10 01", false, 0},
		{"once", "08 05", true, 5},
		{"last of two", "08 05 10 09 08 06", true, 6},
		{"another wire type does not count", "08 05 0a 01 61", true, 5},
		{"malformed after it", "08 05 0a 05", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct wire_field field = {0};
		struct buf bytes;

		buf_init(&bytes, 256);
		sample_hex(&bytes, rows[i].hex);
		UNIT_ROW(rows[i].name, wire_find_last(buf_span(&bytes), 1, WIRE_VARINT, &field) ==
					       rows[i].is_found);
		UNIT_ROW(rows[i].name, field.integer == rows[i].want);
		buf_fini(&bytes);
	}
}

static void merge_bytes_joins_the_parts(void **state)
{
	static const struct {
		const char *name;
		const char *hex;
		bool is_present;
		const char *want;
	} rows[] = {
		{"absent", "08 01", false, ""},
		{"present and empty", "0a 00", true, ""},
		{"once", "0a 02 61 62", true, "ab"},
		{"three times", "0a 02 61 62 10 01 0a 00 0a 01 63 0a 01 64", true, "abcd"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span content;
		struct buf bytes;
		struct buf scratch;
		bool is_present;

		buf_init(&bytes, 256);
		buf_init(&scratch, 256);
		assert_true(buf_append_str(&scratch, "kept"));
		sample_hex(&bytes, rows[i].hex);
		UNIT_ROW(rows[i].name,
			 wire_merge_bytes(buf_span(&bytes), 1, &scratch, &content, &is_present));
		UNIT_ROW(rows[i].name, is_present == rows[i].is_present);
		UNIT_ROW_SPAN(rows[i].name, content, rows[i].want);
		buf_fini(&bytes);
		buf_fini(&scratch);
	}
}

/* Nested messages inside field 1, depth deep, around one varint. */
static void nest(struct buf *out, unsigned depth, size_t padding)
{
	struct wire_writer writer;
	struct wire_nest nests[400];

	wire_writer_init(&writer, out);
	for (unsigned i = 0; i < depth; i++) {
		nests[i] = wire_begin(&writer, 1);
		for (size_t k = 0; k < padding; k++)
			wire_put_uint_field(&writer, 2, 1);
	}
	for (unsigned i = depth; i > 0; i--)
		wire_end(&writer, nests[i - 1]);
	assert_true(wire_finish(&writer));
	wire_writer_fini(&writer);
}

static void check_refuses_what_a_decoder_could_choke_on(void **state)
{
	static const struct {
		const char *name;
		unsigned depth;
		const char *hex;
		enum status want;
	} rows[] = {
		{"nothing", 0, "", ST_OK},
		{"flat", 0, "08 01 12 03 61 62 63", ST_OK},
		{"a text that is no message", 0, "0a 04 ff ff ff ff", ST_OK},
		{"malformed", 0, "08", ST_INVALID_ARGUMENT},
		{"a group", 0, "0b 0c", ST_INVALID_ARGUMENT},
		{"a group further in is no message", 0, "0a 02 0b 0c", ST_OK},
		{"at the limit", 99, "", ST_OK},
		{"one beyond", 101, "", ST_INVALID_ARGUMENT},
		{"far beyond", 400, "", ST_INVALID_ARGUMENT},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct error err;
		struct buf bytes;

		buf_init(&bytes, 1 << 16);
		if (rows[i].depth)
			nest(&bytes, rows[i].depth, 0);
		sample_hex(&bytes, rows[i].hex);
		UNIT_ROW(rows[i].name,
			 wire_check(buf_span(&bytes), WIRE_DEPTH_MAX, &err) == rows[i].want);
		buf_fini(&bytes);
	}
}

static void writer_nests_and_cancels(void **state)
{
	struct wire_writer writer;
	struct wire_nest outer;
	struct wire_nest inner;
	struct buf out;

	(void)state;
	buf_init(&out, 1024);
	assert_true(buf_append_str(&out, "<"));
	wire_writer_init(&writer, &out);
	wire_put_uint_field(&writer, 1, 300);
	outer = wire_begin(&writer, 2);
	wire_put_bytes_field(&writer, 3, SPAN_LIT("abc"));
	inner = wire_begin(&writer, 4);
	wire_put_fixed32(&writer, 1);
	wire_cancel(&writer, inner);
	inner = wire_begin(&writer, 16);
	wire_end(&writer, inner);
	wire_end(&writer, outer);
	assert_int_equal(wire_position(&writer), 13);
	assert_true(wire_finish(&writer));
	sample_check_hex("first finish", buf_span(&out),
			 "3c 08 ac 02 12 08 1a 03 61 62 63 82 01 00");
	wire_put_tag(&writer, 1, WIRE_FIXED64);
	wire_put_fixed64(&writer, 2);
	assert_true(wire_finish(&writer));
	sample_check_hex("second finish", span_skip(buf_span(&out), 14),
			 "09 02 00 00 00 00 00 00 00");
	wire_writer_fini(&writer);
	buf_fini(&out);
}

/* Lengths of one, two and three bytes at all levels at once. */
static void writer_puts_long_lengths_in_place(void **state)
{
	static const struct {
		unsigned depth;
		size_t padding;
	} rows[] = {{1, 63}, {1, 64}, {2, 62}, {3, 100}, {50, 30}, {99, 90}, {99, 1}, {4, 9000}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span left;
		struct buf out;

		buf_init(&out, 1 << 20);
		nest(&out, rows[i].depth, rows[i].padding);
		left = buf_span(&out);
		for (unsigned depth = 0; depth < rows[i].depth; depth++) {
			struct wire_reader reader;
			struct wire_field field = {0};
			size_t padding = 0;

			wire_reader_init(&reader, left);
			assert_true(wire_next(&reader, &field));
			assert_int_equal(field.number, 1);
			assert_true(wire_at_end(&reader));
			wire_reader_init(&reader, field.bytes);
			while (padding < rows[i].padding && wire_next(&reader, &field))
				padding += field.number == 2 && field.integer == 1;
			assert_int_equal(padding, rows[i].padding);
			left = span_make(reader.at_, (size_t)(reader.end_ - reader.at_));
		}
		assert_int_equal(left.len, 0);
		buf_fini(&out);
	}
}

static void writer_stays_full(void **state)
{
	struct wire_writer writer;
	struct wire_nest outer;
	struct buf out;

	(void)state;
	buf_init(&out, 200);
	assert_true(buf_append_str(&out, "kept"));
	wire_writer_init(&writer, &out);
	outer = wire_begin(&writer, 1);
	for (int i = 0; i < 97; i++)
		wire_put_uint_field(&writer, 2, 1);
	assert_false(writer.is_full);
	wire_end(&writer, outer);
	assert_false(wire_finish(&writer)); /* 200 bytes, and one more for the length */
	assert_true(writer.is_full);
	wire_put_uint_field(&writer, 2, 1);
	outer = wire_begin(&writer, 1);
	wire_end(&writer, outer);
	assert_false(wire_finish(&writer));
	assert_true(span_eq_str(buf_span(&out), "kept"));
	wire_writer_fini(&writer);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reader_takes_records_and_refuses_others),
		cmocka_unit_test(groups_nest_up_to_the_limit),
		cmocka_unit_test(zigzag_is_its_own_inverse),
		cmocka_unit_test(find_last_takes_the_last_of_its_type),
		cmocka_unit_test(merge_bytes_joins_the_parts),
		cmocka_unit_test(check_refuses_what_a_decoder_could_choke_on),
		cmocka_unit_test(writer_nests_and_cancels),
		cmocka_unit_test(writer_puts_long_lengths_in_place),
		cmocka_unit_test(writer_stays_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
