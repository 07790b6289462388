#include "journal/export.h"

#include <stdio.h>
#include <string.h>

#include "src/base/error.h"
#include "tests/unit/unit.h"

static const struct admin_field head_fields[] = {
	{SPAN_LIT("g"), SPAN_LIT("\x00\x01tag")},
	{SPAN_LIT("s"), SPAN_LIT("2")},
	{SPAN_LIT("zt"), SPAN_LIT("")},
};
static const struct admin_field event_fields[] = {
	{SPAN_LIT("t"), SPAN_LIT("type.googleapis.com/a.\"B\"")},
	{SPAN_LIT("p"), SPAN_LIT("\xc3\xa9")},
	{SPAN_LIT("m"), SPAN_LIT("\xff")},
};

static const struct export_line lines[] = {
	{.sort = EXPORT_BEGIN},
	{.sort = EXPORT_HEAD,
	 .type = SPAN_LIT("cart"),
	 .id = SPAN_LIT("u\xff"),
	 .fields = head_fields,
	 .field_count = 3},
	{.sort = EXPORT_EVENT,
	 .type = SPAN_LIT("cart"),
	 .id = SPAN_LIT(""),
	 .sequence = 9007199254740991,
	 .base = SPAN_LIT("0123456789abcdef"),
	 .fields = event_fields,
	 .field_count = 3},
	{.sort = EXPORT_CRDT, .type = SPAN_LIT("set"), .id = SPAN_LIT("x")},
	{.sort = EXPORT_DELTA, .type = SPAN_LIT("set"), .id = SPAN_LIT("x"), .sequence = 1},
	{.sort = EXPORT_END},
};

static void write_all(struct buf *out)
{
	struct export_writer writer;

	buf_init(out, 1024 * 1024);
	export_writer_init(&writer);
	for (size_t i = 0; i < COUNT_OF(lines); i++)
		assert_true(export_write(&writer, &lines[i], out));
}

static void a_line_is_what_the_document_says(void **state)
{
	struct buf out;
	struct span text;

	(void)state;
	write_all(&out);
	text = buf_span(&out);
	UNIT_ROW_SPAN(
		"begin", span_head(text, span_find(text, '\n')),
		"{\"line\":\"begin\",\"format\":1,\"partitions\":64,\"crc32c\":\"293c84ef\"}");
	text = span_skip(text, span_find(text, '\n') + 1);
	UNIT_ROW_SPAN("head", span_head(text, span_find(text, '\n') - 21),
		      "{\"line\":\"head\",\"type\":\"cart\",\"id\":{\"base64\":\"df8=\"},"
		      "\"fields\":{\"g\":{\"base64\":\"AAF0YWc=\"},\"s\":\"2\",\"zt\":\"\"}");
	buf_fini(&out);
}

static void same_fields(const struct export_line *got, const struct export_line *want)
{
	assert_int_equal(got->field_count, want->field_count);
	for (size_t i = 0; i < got->field_count; i++) {
		assert_true(span_eq(got->fields[i].name, want->fields[i].name));
		assert_true(span_eq(got->fields[i].value, want->fields[i].value));
	}
}

static void what_was_written_is_read(void **state)
{
	struct export_reader reader;
	struct export_line line;
	struct error err;
	struct buf out;
	struct span rest;

	(void)state;
	write_all(&out);
	export_reader_init(&reader);
	rest = buf_span(&out);
	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		size_t len = span_find(rest, '\n');

		assert_int_equal(export_reader_finish(&reader, &err), ST_DATA_LOSS);
		assert_int_equal(export_read(&reader, span_head(rest, len), &line, &err), ST_OK);
		rest = span_skip(rest, len + 1);
		assert_int_equal(line.sort, lines[i].sort);
		assert_true(span_eq(line.type, lines[i].type));
		assert_true(span_eq(line.id, lines[i].id));
		assert_true(span_eq(line.base, lines[i].base));
		assert_int_equal(line.base.data != NULL, lines[i].base.data != NULL);
		assert_int_equal(line.sequence, lines[i].sequence);
		same_fields(&line, &lines[i]);
	}
	assert_int_equal(export_reader_finish(&reader, &err), ST_OK);
	assert_int_equal(reader.counts.events, 1);
	export_reader_fini(&reader);
	buf_fini(&out);
}

/* The same line with a sum that fits it. */
static void seal(const char *text, char line[512])
{
	(void)snprintf(line, 512, "%s,\"crc32c\":\"%08x\"}", text,
		       checksum_crc32c(span_from_str(text)));
}

static void bad_lines_are_refused(void **state)
{
	static const struct {
		const char *name;
		const char *text; /* without its sum */
		enum status status;
		const char *says;
	} rows[] = {
		{"not JSON", "{\"line\":", ST_INVALID_ARGUMENT, "not JSON"},
		{"no sort", "{\"x\":1", ST_INVALID_ARGUMENT, "no line of an export"},
		{"unknown sort", "{\"line\":\"tail\"", ST_INVALID_ARGUMENT, "no line"},
		{"a second begin", "{\"line\":\"begin\",\"format\":1", ST_INVALID_ARGUMENT,
		 "first line"},
		{"twice the same name", "{\"line\":\"head\",\"line\":\"head\"", ST_INVALID_ARGUMENT,
		 "not JSON"},
		{"no entity", "{\"line\":\"head\",\"fields\":{}", ST_INVALID_ARGUMENT,
		 "names no entity"},
		{"no fields", "{\"line\":\"head\",\"type\":\"t\",\"id\":\"i\"", ST_INVALID_ARGUMENT,
		 "no fields"},
		{"no sequence", "{\"line\":\"event\",\"type\":\"t\",\"id\":\"i\",\"fields\":{}",
		 ST_INVALID_ARGUMENT, "no sequence"},
		{"a number as value",
		 "{\"line\":\"head\",\"type\":\"t\",\"id\":\"i\",\"fields\":{\"s\":1}",
		 ST_INVALID_ARGUMENT, "\"s\" has no value"},
		{"bad base64",
		 "{\"line\":\"head\",\"type\":\"t\",\"id\":\"i\",\"fields\":{\"s\":{\"base64\":\"*"
		 "\"}}",
		 ST_INVALID_ARGUMENT, "\"s\" has no value"},
		{"an end that counts wrong",
		 "{\"line\":\"end\",\"heads\":1,\"events\":0,\"crdts\":0,\"deltas\":0,\"sha256\":"
		 "\"\"",
		 ST_DATA_LOSS, "there were 0 heads, 1 were written"},
		{"an end with another sum",
		 "{\"line\":\"end\",\"heads\":0,\"events\":0,\"crdts\":0,\"deltas\":0,\"sha256\":"
		 "\"00\"",
		 ST_DATA_LOSS, "sum of all lines"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct export_reader reader;
		struct export_line line;
		struct error err;
		char text[512];

		export_reader_init(&reader);
		seal("{\"line\":\"begin\",\"format\":1", text);
		assert_int_equal(export_read(&reader, span_from_str(text), &line, &err), ST_OK);
		seal(rows[i].text, text);
		UNIT_ROW(rows[i].name,
			 export_read(&reader, span_from_str(text), &line, &err) == rows[i].status);
		UNIT_ROW(rows[i].name, strstr(err.message, rows[i].says));
		UNIT_ROW(rows[i].name, strstr(err.message, "line 2"));
		export_reader_fini(&reader);
	}
}

/* Every byte of a line counts. */
static void a_changed_line_is_noticed(void **state)
{
	struct export_line line;
	struct error err;
	struct buf out;
	struct span text;

	(void)state;
	write_all(&out);
	text = span_head(buf_span(&out), span_find(buf_span(&out), '\n'));
	for (size_t i = 0; i < text.len; i++) {
		struct export_reader reader;
		char copy[128];

		export_reader_init(&reader);
		memcpy(copy, text.data, text.len);
		copy[i] ^= 1;
		assert_int_not_equal(export_read(&reader, span_make(copy, text.len), &line, &err),
				     ST_OK);
		export_reader_fini(&reader);
	}
	buf_fini(&out);
}

static void a_format_of_later_is_told(void **state)
{
	struct export_reader reader;
	struct export_line line;
	struct error err;
	char text[512];

	(void)state;
	export_reader_init(&reader);
	seal("{\"line\":\"begin\",\"format\":2", text);
	assert_int_equal(export_read(&reader, span_from_str(text), &line, &err), ST_UNIMPLEMENTED);
	export_reader_fini(&reader);
}

/* A process that died wrote no end. */
static void a_salvage_file_needs_no_end(void **state)
{
	const struct export_line begin = {.sort = EXPORT_BEGIN, .is_salvage = true};
	struct export_writer writer;
	struct export_reader reader;
	struct export_line line;
	struct error err;
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	export_writer_init(&writer);
	export_reader_init(&reader);
	assert_true(export_write(&writer, &begin, &out));
	assert_int_equal(
		export_read(&reader, span_head(buf_span(&out), buf_len(&out) - 1), &line, &err),
		ST_OK);
	assert_true(line.is_salvage);
	assert_int_equal(export_reader_finish(&reader, &err), ST_OK);
	export_reader_fini(&reader);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_what_the_document_says),
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(bad_lines_are_refused),
		cmocka_unit_test(a_changed_line_is_noticed),
		cmocka_unit_test(a_format_of_later_is_told),
		cmocka_unit_test(a_salvage_file_needs_no_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
