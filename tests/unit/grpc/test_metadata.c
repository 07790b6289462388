#include "src/grpc/metadata.h"

#include "src/base/error.h"
#include "src/h2/h2.h"
#include "tests/unit/unit.h"

static struct h2_header header(const char *name, const char *value)
{
	return (struct h2_header){span_from_str(name), span_from_str(value)};
}

static void binary_values_are_decoded(void **state)
{
	static const struct {
		const char *name;
		const char *value;
		size_t count;
		const char *first;
		const char *last;
	} rows[] = {
		{"padded", "aGk=", 1, "hi", "hi"},
		{"unpadded", "aGk", 1, "hi", "hi"},
		{"standard alphabet", "+/+/", 1, "\xFB\xFF\xBF", "\xFB\xFF\xBF"},
		{"URL alphabet", "-_-_", 1, "\xFB\xFF\xBF", "\xFB\xFF\xBF"},
		{"joined", "aGk=,eW8", 2, "hi", "yo"},
		{"joined with a space", "aGk, eW8=", 2, "hi", "yo"},
		{"empty", "", 1, "", ""},
		{"empty part", "aGk,", 2, "hi", ""},
		{"one letter", "a", 0, NULL, NULL},
		{"foreign letter", "aG k", 0, NULL, NULL},
		{"bad padding", "aGk==", 0, NULL, NULL},
		{"second part is bad", "aGk,!", 0, NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct h2_header item = header("x-bin", rows[i].value);
		struct h2_headers headers = {&item, 1};
		struct metadata metadata = {0};
		struct arena arena;
		struct error err;
		enum status status;

		arena_init(&arena, 10000);
		status = metadata_from_headers(&metadata, &arena, &headers, &err);
		if (rows[i].count == 0) {
			UNIT_ROW(rows[i].name, status == ST_INVALID_ARGUMENT);
			UNIT_ROW(rows[i].name, strstr(err.message, "x-bin") != NULL);
		} else {
			UNIT_ROW(rows[i].name, status == ST_OK);
			UNIT_ROW(rows[i].name, metadata.count == rows[i].count);
			UNIT_ROW_SPAN(rows[i].name, metadata.items[0].value, rows[i].first);
			UNIT_ROW_SPAN(rows[i].name, metadata.items[metadata.count - 1].value,
				      rows[i].last);
		}
		arena_fini(&arena);
	}
}

static void only_user_headers_are_metadata(void **state)
{
	const struct h2_header items[] = {
		header(":method", "POST"),    header(":path", "/a/b"),
		header("te", "trailers"),     header("content-type", "application/grpc"),
		header("grpc-timeout", "1S"), header("user-agent", "test"),
		header("x-a", "1"),	      header("x-a", "2"),
	};
	struct h2_headers headers = {items, COUNT_OF(items)};
	struct metadata metadata = {0};
	struct arena arena;
	struct error err;

	(void)state;
	arena_init(&arena, 10000);
	assert_int_equal(metadata_from_headers(&metadata, &arena, &headers, &err), ST_OK);
	assert_int_equal(metadata.count, 3);
	UNIT_ROW_SPAN("first", metadata_get(&metadata, "user-agent"), "test");
	UNIT_ROW_SPAN("order", metadata_get(&metadata, "x-a"), "1");
	UNIT_ROW_SPAN("repeat", metadata.items[2].value, "2");
	assert_int_equal(metadata_get(&metadata, "x-b").len, 0);
	arena_fini(&arena);
}

static void limits_hold(void **state)
{
	struct metadata metadata = {0};
	struct arena arena;
	enum status status = ST_OK;
	size_t i;

	(void)state;
	arena_init(&arena, 100000);
	for (i = 0; !status && i <= METADATA_ITEMS_MAX; i++)
		status = metadata_add(&metadata, &arena, SPAN_LIT("x"), SPAN_LIT("y"));
	assert_int_equal(status, ST_RESOURCE_EXHAUSTED);
	assert_int_equal(metadata.count, METADATA_ITEMS_MAX);
	arena_fini(&arena);

	metadata = (struct metadata){0};
	arena_init(&arena, 16 * sizeof(struct metadata_item) + 3);
	assert_int_equal(metadata_add(&metadata, &arena, SPAN_LIT("ab"), SPAN_LIT("cd")),
			 ST_RESOURCE_EXHAUSTED);
	assert_int_equal(metadata.count, 0);
	arena_fini(&arena);
}

static void way_back_to_headers(void **state)
{
	static const struct {
		const char *key;
		struct span value;
		const char *sent; /* NULL: left out */
	} rows[] = {
		{"x-a", SPAN_LIT("plain"), "plain"},
		{"x-bin", SPAN_LIT("\xFB\xFF"), "+/8"},
		{"y-bin", SPAN_LIT(""), ""},
		{"x-line", SPAN_LIT("a\r\nset-cookie: b"), NULL},
		{"x-nul", SPAN_LIT("a\0b"), NULL},
		{"grpc-status", SPAN_LIT("0"), NULL},
		{"content-length", SPAN_LIT("7"), NULL},
		{"X-Upper", SPAN_LIT("v"), NULL},
		{"bad key", SPAN_LIT("v"), NULL},
	};
	struct metadata metadata = {0};
	struct h2_header headers[COUNT_OF(rows)];
	struct arena arena;
	size_t want = 0;

	(void)state;
	arena_init(&arena, 10000);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_int_equal(
			metadata_add(&metadata, &arena, span_from_str(rows[i].key), rows[i].value),
			ST_OK);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		want += rows[i].sent != NULL;
	assert_int_equal(metadata_to_headers(&metadata, &arena, headers, COUNT_OF(rows)), want);
	for (size_t i = 0, at = 0; i < COUNT_OF(rows); i++) {
		if (!rows[i].sent)
			continue;
		UNIT_ROW_SPAN(rows[i].key, headers[at].name, rows[i].key);
		UNIT_ROW_SPAN(rows[i].key, headers[at].value, rows[i].sent);
		at++;
	}
	assert_int_equal(metadata_to_headers(&metadata, &arena, headers, 1), 1);
	assert_int_equal(metadata_to_headers(NULL, &arena, headers, 1), 0);
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(binary_values_are_decoded),
		cmocka_unit_test(only_user_headers_are_metadata),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(way_back_to_headers),
	};

	return cmocka_run_group_tests_name("grpc/metadata", tests, NULL, NULL);
}
