#include "src/base/text.h"

#include "tests/unit/unit.h"

#define OUT_MAX ((size_t)4096)

static void utf8_follows_rfc_3629(void **state)
{
	static const struct {
		const char *name;
		const char *text;
		bool is_good;
	} rows[] = {
		{"empty", "", true},
		{"ascii", "cart", true},
		{"two bytes", "\xC3\xA4", true},
		{"least two bytes", "\xC2\x80", true},
		{"three bytes", "\xE2\x82\xAC", true},
		{"four bytes", "\xF0\x9F\x9B\x92", true},
		{"last code point", "\xF4\x8F\xBF\xBF", true},
		{"past the last", "\xF4\x90\x80\x80", false},
		{"five bytes", "\xF8\x88\x80\x80\x80", false},
		{"overlong slash", "\xC0\xAF", false},
		{"overlong three", "\xE0\x80\xAF", false},
		{"overlong four", "\xF0\x80\x80\xAF", false},
		{"surrogate", "\xED\xA0\x80", false},
		{"before the surrogates", "\xED\x9F\xBF", true},
		{"lone continuation", "a\x80", false},
		{"cut two", "\xC3", false},
		{"cut three", "\xE2\x82", false},
		{"cut four", "\xF0\x9F\x9B", false},
		{"bad third byte", "\xE2\x82\x41", false},
		{"0xFF", "\xFF", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		UNIT_ROW(rows[i].name,
			 text_is_utf8(span_from_str(rows[i].text)) == rows[i].is_good);
}

/* Every byte at every place of a text longer than a word, between plain bytes. */
static void the_first_byte_that_is_not_plain_is_found(void **state)
{
	uint8_t text[21];

	(void)state;
	for (size_t at = 0; at < sizeof(text); at++)
		for (unsigned c = 0; c < 256; c++) {
			bool is_plain = c >= 0x20 && c != '"' && c != '\\';

			memset(text, 'a', sizeof(text));
			text[at] = (uint8_t)c;
			assert_int_equal(text_json_plain(span_make(text, sizeof(text))),
					 is_plain ? sizeof(text) : at);
			assert_int_equal(text_is_utf8(span_make(text, sizeof(text))), c < 0x80);
		}
	/* A byte that is not plain, and more than a word of plain ones behind it. */
	for (size_t at = 0; at < sizeof(text); at++) {
		memset(text, 'a', sizeof(text));
		text[at] = 0xFF;
		for (size_t len = at + 1; len <= sizeof(text); len++)
			assert_false(text_is_utf8(span_make(text, len)));
		assert_true(text_is_utf8(span_make(text, at)));
	}
	assert_int_equal(text_json_plain(SPAN_EMPTY), 0);
}

static void u64_takes_digits_only(void **state)
{
	static const struct {
		const char *text;
		bool is_good;
		uint64_t value;
	} rows[] = {
		{"0", true, 0},
		{"007", true, 7},
		{"18446744073709551615", true, UINT64_MAX},
		{"18446744073709551616", false, 0},
		{"99999999999999999999", false, 0},
		{"", false, 0},
		{"-1", false, 0},
		{"+1", false, 0},
		{" 1", false, 0},
		{"1 ", false, 0},
		{"1e3", false, 0},
		{"0x10", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint64_t value = 12345;

		UNIT_ROW(rows[i].text,
			 text_to_u64(span_from_str(rows[i].text), &value) == rows[i].is_good);
		UNIT_ROW(rows[i].text, value == (rows[i].is_good ? rows[i].value : 12345));
	}
}

static void u64_is_written_as_read(void **state)
{
	static const struct {
		uint64_t value;
		const char *want;
	} rows[] = {
		{0, "0"},
		{9, "9"},
		{10, "10"},
		{4294967296, "4294967296"},
		{UINT64_MAX, "18446744073709551615"},
	};
	char text[TEXT_U64_DIGITS];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		UNIT_ROW_SPAN(rows[i].want, text_from_u64(rows[i].value, text), rows[i].want);
}

static void percent_decoding(void **state)
{
	static const struct {
		const char *text;
		bool keep_slash;
		const char *want; /* NULL: malformed */
	} rows[] = {
		{"plain", false, "plain"},
		{"a%20b", false, "a b"},
		{"%e2%82%AC", false, "\xE2\x82\xAC"},
		{"a%2Fb", false, "a/b"},
		{"a%2Fb%2f", true, "a%2Fb%2f"},
		{"a+b", false, "a+b"},
		{"%", false, NULL},
		{"a%2", false, NULL},
		{"%2x", false, NULL},
		{"%g0", false, NULL},
		{"%25%32%46", true, "%2F"},
		{"", false, ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf out;
		bool is_good;

		buf_init(&out, OUT_MAX);
		is_good =
			text_percent_decode(span_from_str(rows[i].text), rows[i].keep_slash, &out);
		UNIT_ROW(rows[i].text, is_good == (rows[i].want != NULL));
		if (rows[i].want)
			UNIT_ROW_SPAN(rows[i].text, buf_span(&out), rows[i].want);
		buf_fini(&out);
	}
}

static void percent_encoding_comes_back(void **state)
{
	uint8_t all[256];
	struct buf out;
	struct buf back;

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)i;
	buf_init(&out, OUT_MAX);
	buf_init(&back, OUT_MAX);
	assert_true(text_percent_encode(SPAN_LIT("aZ09._~-/ %\xC3"), &out));
	UNIT_ROW_SPAN("encoded", buf_span(&out), "aZ09._~-%2F%20%25%C3");
	buf_reset(&out);
	assert_true(text_percent_encode(span_make(all, sizeof(all)), &out));
	assert_true(text_percent_decode(buf_span(&out), false, &back));
	assert_true(span_eq(buf_span(&back), span_make(all, sizeof(all))));
	buf_fini(&out);
	buf_fini(&back);
}

static void base64_of_rfc_4648(void **state)
{
	static const struct {
		const char *plain;
		const char *padded;
		const char *bare;
	} rows[] = {
		{"", "", ""},
		{"f", "Zg==", "Zg"},
		{"fo", "Zm8=", "Zm8"},
		{"foo", "Zm9v", "Zm9v"},
		{"foob", "Zm9vYg==", "Zm9vYg"},
		{"fooba", "Zm9vYmE=", "Zm9vYmE"},
		{"foobar", "Zm9vYmFy", "Zm9vYmFy"},
		{"\xFB\xFF", "+/8=", "+/8"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf out;

		buf_init(&out, OUT_MAX);
		assert_true(text_base64_encode(span_from_str(rows[i].plain), true, &out));
		UNIT_ROW_SPAN(rows[i].plain, buf_span(&out), rows[i].padded);
		buf_reset(&out);
		assert_true(text_base64_encode(span_from_str(rows[i].plain), false, &out));
		UNIT_ROW_SPAN(rows[i].plain, buf_span(&out), rows[i].bare);
		buf_reset(&out);
		assert_true(text_base64_decode(span_from_str(rows[i].padded), &out));
		UNIT_ROW_SPAN(rows[i].padded, buf_span(&out), rows[i].plain);
		buf_reset(&out);
		assert_true(text_base64_decode(span_from_str(rows[i].bare), &out));
		UNIT_ROW_SPAN(rows[i].bare, buf_span(&out), rows[i].plain);
		buf_fini(&out);
	}
}

static void base64_refuses(void **state)
{
	static const char *const rows[] = {"A",	   "AAAAA",  "====",  "A===",	  "Zg=",
					   "Zg= ", "Z\ng==", "Zm9v=", "Zg==Zg==", "Zm9v\xC3\xA4"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf out;

		buf_init(&out, OUT_MAX);
		UNIT_ROW(rows[i], !text_base64_decode(span_from_str(rows[i]), &out));
		buf_fini(&out);
	}
}

static void base64_takes_the_url_alphabet(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, OUT_MAX);
	assert_true(text_base64_decode(SPAN_LIT("-_8"), &out));
	UNIT_ROW_SPAN("url alphabet", buf_span(&out), "\xFB\xFF");
	buf_fini(&out);
}

static void json_strings_are_quoted(void **state)
{
	static const struct {
		const char *text;
		const char *want;
	} rows[] = {
		{"", "\"\""},
		{"cart", "\"cart\""},
		{"\"\\", "\"\\\"\\\\\""},
		{"\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""},
		{"\x01\x1f", "\"\\u0001\\u001f\""},
		{"\x7f", "\"\x7f\""},
		{"\xE2\x82\xAC", "\"\xE2\x82\xAC\""},
		{"a\xFF"
		 "b",
		 "\"a\xEF\xBF\xBD"
		 "b\""},
		{"\xE2\x82", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},
	};
	struct buf out;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_init(&out, OUT_MAX);
		assert_true(text_json_quote(span_from_str(rows[i].text), &out));
		UNIT_ROW_SPAN(rows[i].want, buf_span(&out), rows[i].want);
		buf_fini(&out);
	}
	buf_init(&out, OUT_MAX);
	assert_true(text_json_quote(SPAN_LIT("a\0b"), &out));
	UNIT_ROW_SPAN("NUL", buf_span(&out), "\"a\\u0000b\"");
	buf_fini(&out);
}

/* Each writer says so when its output does not fit. */
static void full_output_is_reported(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 3);
	assert_false(text_percent_decode(SPAN_LIT("abcd"), false, &out));
	buf_reset(&out);
	assert_false(text_percent_encode(SPAN_LIT("a%"), &out));
	buf_reset(&out);
	assert_false(text_base64_encode(SPAN_LIT("a"), true, &out));
	buf_reset(&out);
	assert_false(text_base64_decode(SPAN_LIT("Zm9vYmFy"), &out));
	buf_reset(&out);
	assert_false(text_json_quote(SPAN_LIT("ab"), &out));
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8_follows_rfc_3629),
		cmocka_unit_test(the_first_byte_that_is_not_plain_is_found),
		cmocka_unit_test(u64_takes_digits_only),
		cmocka_unit_test(u64_is_written_as_read),
		cmocka_unit_test(percent_decoding),
		cmocka_unit_test(percent_encoding_comes_back),
		cmocka_unit_test(base64_of_rfc_4648),
		cmocka_unit_test(base64_refuses),
		cmocka_unit_test(base64_takes_the_url_alphabet),
		cmocka_unit_test(json_strings_are_quoted),
		cmocka_unit_test(full_output_is_reported),
	};

	return cmocka_run_group_tests_name("base/text", tests, NULL, NULL);
}
