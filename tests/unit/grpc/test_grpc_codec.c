#include "src/grpc/grpc_codec.h"

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/h2/h2.h"
#include "tests/unit/unit.h"

static void timeout_is_read(void **state)
{
	static const struct {
		const char *text;
		bool is_good;
		uint64_t ns;
	} rows[] = {
		{"1n", true, 1},
		{"20u", true, 20000},
		{"100m", true, 100 * NS_PER_MS},
		{"20S", true, 20 * NS_PER_S},
		{"2M", true, 120 * NS_PER_S},
		{"1H", true, 3600 * NS_PER_S},
		{"0S", true, 0},
		{"00000001S", true, NS_PER_S},
		{"99999999n", true, 99999999},
		{"99999999H", true, DEADLINE_NEVER},
		{"123456789S", false, 0},
		{"", false, 0},
		{"S", false, 0},
		{"5", false, 0},
		{"5s", false, 0},
		{"-5S", false, 0},
		{"+5S", false, 0},
		{" 5S", false, 0},
		{"5S ", false, 0},
		{"1.5S", false, 0},
		{"5 S", false, 0},
		{"0x5S", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint64_t ns = 0;

		UNIT_ROW(rows[i].text,
			 grpc_timeout_parse(span_from_str(rows[i].text), &ns) == rows[i].is_good);
		UNIT_ROW(rows[i].text, ns == rows[i].ns);
	}
}

static void timeout_is_written_short_and_never_zero(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} rows[] = {
		{0, "1n"},
		{1, "1n"},
		{999, "999n"},
		{1000, "1u"},
		{1500, "1500n"},
		{99999999, "99999999n"},
		{100000001, "100m"},
		{NS_PER_MS, "1m"},
		{NS_PER_S, "1S"},
		{1500 * NS_PER_MS, "1500m"},
		{20 * NS_PER_S, "20S"},
		{60 * NS_PER_S, "1M"},
		{90 * NS_PER_S, "90S"},
		{3600 * NS_PER_S, "1H"},
		{1234567891, "1234567u"},
		{UINT64_MAX - 1, "5124095H"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char text[16];
		uint64_t back;

		grpc_timeout_print(rows[i].ns, text);
		UNIT_ROW_SPAN(rows[i].text, span_from_str(text), rows[i].text);
		UNIT_ROW(rows[i].text, grpc_timeout_parse(span_from_str(text), &back) && back > 0);
		UNIT_ROW(rows[i].text, back <= (rows[i].ns ? rows[i].ns : 1));
	}
}

static void message_is_percent_encoded(void **state)
{
	static const struct {
		const char *plain;
		const char *coded;
	} rows[] = {
		{"", ""},	   {"plain text ~", "plain text ~"}, {"100%", "100%25"},
		{"a\nb", "a%0Ab"}, {"na\xC3\xAFve", "na%C3%AFve"},   {"\x7F", "%7F"},
		{"%%", "%25%25"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf out;

		buf_init(&out, 100);
		assert_true(grpc_message_encode(span_from_str(rows[i].plain), &out));
		UNIT_ROW_SPAN(rows[i].coded, buf_span(&out), rows[i].coded);
		buf_reset(&out);
		assert_true(grpc_message_decode(span_from_str(rows[i].coded), &out));
		UNIT_ROW_SPAN(rows[i].coded, buf_span(&out), rows[i].plain);
		buf_fini(&out);
	}
}

static void invalid_escapes_are_kept(void **state)
{
	static const struct {
		const char *coded;
		const char *plain;
	} rows[] = {
		{"%", "%"},
		{"%4", "%4"},
		{"%zz", "%zz"},
		{"a%2", "a%2"},
		{"%4g%41", "%4gA"},
		{"%%41", "%A"},
		{"%e2%82%AC", "\xE2\x82\xAC"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf out;

		buf_init(&out, 100);
		assert_true(grpc_message_decode(span_from_str(rows[i].coded), &out));
		UNIT_ROW_SPAN(rows[i].coded, buf_span(&out), rows[i].plain);
		buf_fini(&out);
	}
}

static void encode_refuses_a_full_buffer(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 2);
	assert_false(grpc_message_encode(SPAN_LIT("%"), &out));
	buf_fini(&out);
}

static void frames_are_read(void **state)
{
	static const struct {
		const char *name;
		struct span input;
		enum grpc_frame_state state;
		size_t taken;
		size_t len;
		enum status status;
	} rows[] = {
		{"nothing", {(const uint8_t *)"", 0}, GRPC_FRAME_MORE, 5, 0, ST_OK},
		{"half a head", SPAN_LIT("\0\0\0"), GRPC_FRAME_MORE, 2, 0, ST_OK},
		{"head only", SPAN_LIT("\0\0\0\0\3"), GRPC_FRAME_MORE, 3, 0, ST_OK},
		{"one byte missing", SPAN_LIT("\0\0\0\0\3ab"), GRPC_FRAME_MORE, 1, 0, ST_OK},
		{"whole", SPAN_LIT("\0\0\0\0\3abc"), GRPC_FRAME_DONE, 8, 3, ST_OK},
		{"more behind", SPAN_LIT("\0\0\0\0\1abc"), GRPC_FRAME_DONE, 6, 1, ST_OK},
		{"empty message", SPAN_LIT("\0\0\0\0\0"), GRPC_FRAME_DONE, 5, 0, ST_OK},
		{"at the limit", SPAN_LIT("\0\0\0\0\4abcd"), GRPC_FRAME_DONE, 9, 4, ST_OK},
		{"over the limit", SPAN_LIT("\0\0\0\0\5"), GRPC_FRAME_BAD, 0, 0,
		 ST_RESOURCE_EXHAUSTED},
		{"length with the top bit", SPAN_LIT("\0\377\377\377\377"), GRPC_FRAME_BAD, 0, 0,
		 ST_RESOURCE_EXHAUSTED},
		{"compressed", SPAN_LIT("\1"), GRPC_FRAME_BAD, 0, 0, ST_INTERNAL},
		{"unknown flag", SPAN_LIT("\2\0\0\0\1a"), GRPC_FRAME_BAD, 0, 0, ST_INTERNAL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct error err = {0};
		struct span message = SPAN_EMPTY;
		size_t taken = 0;

		UNIT_ROW(rows[i].name, grpc_frame_read(rows[i].input, 4, &message, &taken, &err) ==
					       rows[i].state);
		UNIT_ROW(rows[i].name, taken == rows[i].taken);
		UNIT_ROW(rows[i].name, message.len == rows[i].len);
		UNIT_ROW(rows[i].name, err.status == rows[i].status);
	}
}

static void packed_frames_are_read(void **state)
{
	static const struct {
		const char *name;
		struct span input;
		enum grpc_frame_state state;
		bool is_packed;
	} rows[] = {
		{"plain", SPAN_LIT("\0\0\0\0\1a"), GRPC_FRAME_DONE, false},
		{"packed", SPAN_LIT("\1\0\0\0\1a"), GRPC_FRAME_DONE, true},
		{"not whole", SPAN_LIT("\1\0\0\0\2a"), GRPC_FRAME_MORE, false},
		{"over the limit", SPAN_LIT("\1\0\0\0\5"), GRPC_FRAME_BAD, false},
		{"unknown flag", SPAN_LIT("\3\0\0\0\1a"), GRPC_FRAME_BAD, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct error err = {0};
		struct span message = SPAN_EMPTY;
		bool is_packed = false;
		size_t taken = 0;

		UNIT_ROW(rows[i].name, grpc_frame_read_any(rows[i].input, 4, &message, &taken,
							   &is_packed, &err) == rows[i].state);
		UNIT_ROW(rows[i].name, is_packed == rows[i].is_packed);
	}
}

static void heads_are_read(void **state)
{
	static const struct {
		const char *name;
		const char *encoding;
		const char *accepts;
		enum status status;
		bool has_gzip;
		bool takes_gzip;
	} rows[] = {
		{"nothing", NULL, NULL, ST_OK, false, false},
		{"identity", "identity", "identity", ST_OK, false, false},
		{"gzip", "gzip", NULL, ST_OK, true, false},
		{"gzip back", NULL, "gzip", ST_OK, false, true},
		{"gzip last", NULL, "identity,deflate,gzip", ST_OK, false, true},
		{"with spaces", NULL, "identity , gzip , zstd", ST_OK, false, true},
		{"only likeness", NULL, "gzip2,xgzip,,", ST_OK, false, false},
		{"deflate", "deflate", NULL, ST_UNIMPLEMENTED, false, false},
		{"two at once", "gzip,gzip", NULL, ST_UNIMPLEMENTED, false, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct h2_header items[2];
		struct h2_headers headers = {items, 0};
		struct grpc_head head;
		struct error err;

		if (rows[i].encoding)
			items[headers.count++] = (struct h2_header){
				SPAN_LIT("grpc-encoding"), span_from_str(rows[i].encoding)};
		if (rows[i].accepts)
			items[headers.count++] = (struct h2_header){
				SPAN_LIT("grpc-accept-encoding"), span_from_str(rows[i].accepts)};
		UNIT_ROW(rows[i].name, grpc_head_read(&headers, &head, &err) == rows[i].status);
		UNIT_ROW(rows[i].name, rows[i].status || (head.has_gzip == rows[i].has_gzip &&
							  head.takes_gzip == rows[i].takes_gzip));
	}
}

static void frame_head_is_written(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 10);
	assert_true(grpc_frame_head(&out, false, 0x01020304));
	assert_memory_equal(buf_span(&out).data, "\0\1\2\3\4", 5);
	assert_true(grpc_frame_head(&out, true, 0));
	assert_memory_equal(buf_span(&out).data + 5, "\1\0\0\0\0", 5);
	assert_false(grpc_frame_head(&out, false, 0));
	buf_fini(&out);
}

static void statuses_are_mapped(void **state)
{
	static const struct {
		const char *text;
		enum status status;
	} texts[] = {
		{"0", ST_OK},	    {"14", ST_UNAVAILABLE},	{"16", ST_UNAUTHENTICATED},
		{"17", ST_UNKNOWN}, {"", ST_UNKNOWN},		{"-1", ST_UNKNOWN},
		{"x", ST_UNKNOWN},  {"4294967296", ST_UNKNOWN},
	};
	static const struct {
		unsigned http;
		enum status status;
	} https[] = {
		{400, ST_INTERNAL},	 {401, ST_UNAUTHENTICATED}, {403, ST_PERMISSION_DENIED},
		{404, ST_UNIMPLEMENTED}, {429, ST_UNAVAILABLE},	    {502, ST_UNAVAILABLE},
		{503, ST_UNAVAILABLE},	 {504, ST_UNAVAILABLE},	    {500, ST_UNKNOWN},
		{200, ST_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		UNIT_ROW(texts[i].text,
			 grpc_status_parse(span_from_str(texts[i].text)) == texts[i].status);
	for (size_t i = 0; i < COUNT_OF(https); i++)
		assert_int_equal(grpc_status_from_http(https[i].http), https[i].status);
	assert_int_equal(grpc_status_from_h2(7), ST_UNAVAILABLE);
	assert_int_equal(grpc_status_from_h2(8), ST_CANCELLED);
	assert_int_equal(grpc_status_from_h2(11), ST_RESOURCE_EXHAUSTED);
	assert_int_equal(grpc_status_from_h2(12), ST_PERMISSION_DENIED);
	assert_int_equal(grpc_status_from_h2(0), ST_INTERNAL);
	assert_int_equal(grpc_status_from_h2(99), ST_UNKNOWN);
}

static void content_types_are_told_apart(void **state)
{
	static const struct {
		const char *type;
		bool is_grpc;
	} rows[] = {
		{"application/grpc", true},
		{"application/grpc+proto", true},
		{"Application/GRPC", true},
		{"application/grpc;charset=utf-8", true},
		{"application/grpc+proto ; x=y", true},
		{"application/grpc+json", false},
		{"application/grpc-web", false},
		{"application/grpc-web+proto", false},
		{"application/grpcx", false},
		{"application/json", false},
		{"application/grp", false},
		{"", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		UNIT_ROW(rows[i].type,
			 grpc_is_content_type(span_from_str(rows[i].type)) == rows[i].is_grpc);
}

static void keys_are_told_apart(void **state)
{
	static const struct {
		const char *key;
		bool is_reserved;
		bool is_binary;
	} rows[] = {
		{"grpc-timeout", true, false},
		{":path", true, false},
		{"te", true, false},
		{"content-type", true, false},
		{"", true, false},
		{"connection", true, false},
		{"user-agent", false, false},
		{"x-trace-bin", false, true},
		{"-bin", false, true},
		{"bin", false, false},
		{"x-bin2", false, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span key = span_from_str(rows[i].key);

		UNIT_ROW(rows[i].key, grpc_is_reserved_key(key) == rows[i].is_reserved);
		UNIT_ROW(rows[i].key, grpc_is_binary_key(key) == rows[i].is_binary);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timeout_is_read),
		cmocka_unit_test(timeout_is_written_short_and_never_zero),
		cmocka_unit_test(message_is_percent_encoded),
		cmocka_unit_test(invalid_escapes_are_kept),
		cmocka_unit_test(encode_refuses_a_full_buffer),
		cmocka_unit_test(frames_are_read),
		cmocka_unit_test(packed_frames_are_read),
		cmocka_unit_test(heads_are_read),
		cmocka_unit_test(frame_head_is_written),
		cmocka_unit_test(statuses_are_mapped),
		cmocka_unit_test(content_types_are_told_apart),
		cmocka_unit_test(keys_are_told_apart),
	};

	return cmocka_run_group_tests_name("grpc/codec", tests, NULL, NULL);
}
