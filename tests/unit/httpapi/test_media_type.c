#include "httpapi/media_type.h"

#include "tests/unit/unit.h"

static void types_are_taken_apart(void **state)
{
	static const struct {
		const char *text;
		bool is_right;
		const char *type;
		const char *charset;
	} rows[] = {
		{"text/plain", true, "text/plain", ""},
		{" text/plain ; charset=utf-8 ", true, "text/plain", "utf-8"},
		{"a/b;charset=\"x\"", true, "a/b", "x"},
		{"a/b;q=\";charset=no\";CharSet=y", true, "a/b", "y"},
		{"a/b;q=\"\\\";charset=no\";charset=y", true, "a/b", "y"},
		{"a/b;;charset = z", true, "a/b", "z"},
		{"a/b;charset", true, "a/b", ""},
		{"a/b;charset=\"", true, "a/b", "\""},
		{"", false, "", ""},
		{"text", false, "", ""},
		{"/b", false, "", ""},
		{"a/", false, "", ""},
		{";charset=x", false, "", ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct media_type type = {0};

		UNIT_ROW(rows[i].text,
			 media_type_parse(span_from_str(rows[i].text), &type) == rows[i].is_right);
		UNIT_ROW_SPAN(rows[i].text, type.type, rows[i].type);
		UNIT_ROW_SPAN(rows[i].text, type.charset, rows[i].charset);
	}
}

static void json_is_known(void **state)
{
	static const struct {
		const char *text;
		bool is_json;
		bool is_stream_json;
	} rows[] = {
		{"application/json", true, true},
		{"APPLICATION/JSON", true, true},
		{"application/problem+json", true, true},
		{"application/json;charset=UTF-8", true, true},
		{"application/json;charset=utf-16", false, false},
		{"application/json;profile=x", true, true},
		{"application/x-ndjson", false, true},
		{"application/jsonl", false, true},
		{"application/ndjson", false, true},
		{"application/+json", false, false},
		{"application/jsonx", false, false},
		{"application/grpc+json-not", false, false},
		{"text/json", false, false},
		{"image/svg+json", false, false},
		{"", false, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span text = span_from_str(rows[i].text);

		UNIT_ROW(rows[i].text, media_type_is_json(text, false) == rows[i].is_json);
		UNIT_ROW(rows[i].text, media_type_is_json(text, true) == rows[i].is_stream_json);
	}
}

static void only_clean_values_are_sent(void **state)
{
	(void)state;
	assert_true(media_type_is_sendable(SPAN_LIT("text/plain; charset=utf-8")));
	assert_false(media_type_is_sendable(SPAN_LIT("a/b\r\nx: y")));
	assert_false(media_type_is_sendable(SPAN_LIT("a/b\0")));
	assert_false(media_type_is_sendable(SPAN_LIT("a/\xc3\xa9")));
	assert_false(media_type_is_sendable(SPAN_EMPTY));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_are_taken_apart),
		cmocka_unit_test(json_is_known),
		cmocka_unit_test(only_clean_values_are_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
