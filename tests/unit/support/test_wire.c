#include "support/c/wire.h"

#include <google/protobuf/descriptor.pb-c.h>
#include <string.h>

#include "tests/unit/unit.h"

#define NESTING_MAX 200

/* Messages that a FileDescriptorSet can nest without end: nested_type of DescriptorProto is field 3
 * of itself, message_type field 4 of a file. Builds one with `depth` of them, from the inside out.
 */
static size_t nest(uint8_t *bytes, size_t depth)
{
	uint8_t inner[NESTING_MAX * 4];
	size_t size = 0;

	for (size_t i = 0; i < depth; i++) {
		memcpy(inner, bytes, size);
		uint8_t *end = hg_put_bytes_field(bytes, 3, (struct headgate_bytes){inner, size});
		size = (size_t)(end - bytes);
	}
	return size;
}

static void test_depth(void **state)
{
	static const struct {
		const char *name;
		size_t depth;
		bool is_sane;
	} rows[] = {
		{"flat", 0, true},    {"some", 10, true},	    {"limit", 99, true},
		{"over", 100, false}, {"bomb", NESTING_MAX, false},
	};
	uint8_t bytes[NESTING_MAX * 4];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		size_t size = nest(bytes, rows[i].depth);
		UNIT_ROW(rows[i].name,
			 hg_depth_is_sane(&google__protobuf__descriptor_proto__descriptor,
					  (struct headgate_bytes){bytes, size}) == rows[i].is_sane);
	}
}

static void test_reader(void **state)
{
	static const struct {
		const char *name;
		const char *bytes;
		size_t size;
		unsigned fields;
		bool is_bad;
	} rows[] = {
		{"nothing", "", 0, 0, false},
		{"varint", "\x08\x96\x01", 3, 1, false},
		{"longest varint", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, 1, false},
		{"varint too long", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, 0,
		 true},
		{"varint cut", "\x08\x96", 2, 0, true},
		{"fixed64",
		 "\x09"
		 "12345678",
		 9, 1, false},
		{"fixed64 cut",
		 "\x09"
		 "1234567",
		 8, 0, true},
		{"fixed32",
		 "\x0d"
		 "1234",
		 5, 1, false},
		{"fixed32 cut",
		 "\x0d"
		 "123",
		 4, 0, true},
		{"bytes",
		 "\x0a\x03"
		 "abc",
		 5, 1, false},
		{"bytes cut",
		 "\x0a\x04"
		 "abc",
		 5, 0, true},
		{"bytes of 2^64-1", "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, 0, true},
		{"group", "\x0b\x10\x01\x13\x14\x0c\x08\x01", 8, 2, false},
		{"group ends as another", "\x0b\x14", 2, 0, true},
		{"end without group", "\x0c", 1, 0, true},
		{"wire type 6", "\x0e", 1, 0, true},
		{"field 0", "\x00\x01", 2, 0, true},
		{"field over 2^29-1", "\x80\x80\x80\x80\x10\x01", 6, 0, true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct hg_reader reader;
		struct hg_field field;
		unsigned fields = 0;
		hg_reader_init(&reader, (struct headgate_bytes){rows[i].bytes, rows[i].size});
		while (hg_reader_next(&reader, &field))
			fields++;
		UNIT_ROW(rows[i].name, fields == rows[i].fields);
		UNIT_ROW(rows[i].name, reader.is_bad == rows[i].is_bad);
	}
}

static void test_sizes_match_what_is_written(void **state)
{
	static const uint64_t values[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX};
	uint8_t place[64];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(values); i++) {
		assert_int_equal(hg_put_varint(place, values[i]) - place,
				 hg_varint_size(values[i]));
		assert_int_equal(hg_put_varint_field(place, 100, values[i]) - place,
				 hg_varint_field_size(100, values[i]));
	}
	assert_int_equal(hg_put_bytes_field(place, 100, hg_text("abc")) - place,
			 hg_bytes_field_size(100, 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_reader),
		cmocka_unit_test(test_sizes_match_what_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
