#include "httpapi/transcode_in.h"

#include <string.h>

#include "src/base/mem.h"
#include "tests/unit/httpapi/requests.h"
#include "tests/unit/unit.h"

#define S "GET /v1/search?"

#define J "application/json"

static void bodies_are_read(void **state)
{
	static const struct request_row rows[] = {
		{"all", "POST /v1/all", J, "{\"str\":\"a\",\"two_words\":\"b\"}",
		 .want = "{\"str\":\"a\",\"twoWords\":\"b\"}\n"},
		{"no type", "POST /v1/all", NULL, "{\"str\":\"a\"}", .want = "{\"str\":\"a\"}\n"},
		{"suffix type", "POST /v1/all", "application/vnd.x+json", "{}", .want = "{}\n"},
		{"type in capitals", "POST /v1/all", "Application/JSON; charset=UTF-8", "{}",
		 .want = "{}\n"},
		{"quoted charset", "POST /v1/all", J ";x=y; charset=\"utf-8\"", "{}",
		 .want = "{}\n"},
		{"other charset", "POST /v1/all", J ";charset=latin1", "{}", .field = "",
		 .http = 415},
		{"other type", "POST /v1/all", "text/plain", "{}", .field = "", .http = 415,
		 .error = "content type text/plain is not read here"},
		{"form", "POST /v1/all", "application/x-www-form-urlencoded", "str=a", .field = "",
		 .http = 415},
		{"other type, no body", "POST /v1/all", "text/plain", NULL, .want = "{}\n"},
		{"empty body", "POST /v1/all", NULL, NULL, .want = "{}\n"},
		{"space only", "POST /v1/all", J, " \n", .field = ""},
		{"null", "POST /v1/all", J, "null", .field = ""},
		{"space around", "POST /v1/all", J, "\n {} \n", .want = "{}\n"},
		{"bytes after", "POST /v1/all", J, "{} x", .field = "",
		 .error = "unexpected bytes after the value at byte 3 of the body"},
		{"two values", "POST /v1/all", J, "{}{}", .field = ""},
		{"cut", "POST /v1/all", J, "{\"str\":", .field = "str"},
		{"unknown key", "POST /v1/all", J, "{\"nope\":1}", .field = "nope"},
		{"wrong kind", "POST /v1/all", J, "{\"inner\":{\"size\":\"x\"}}",
		 .field = "inner.size"},
		{"wrong kind in a list", "POST /v1/all", J, "{\"items\":[{},{\"tags\":[\"a\",5]}]}",
		 .field = "items[1].tags[1]"},
		{"path and body", "PUT /v1/all/a", J, "{\"i32\":5}",
		 .want = "{\"str\":\"a\",\"i32\":5}\n"},
		{"path and body agree", "PUT /v1/all/a", J, "{\"str\":\"a\"}",
		 .want = "{\"str\":\"a\"}\n"},
		{"path and body differ", "PUT /v1/all/a", J, "{\"str\":\"b\"}", .field = "str",
		 .error = "str: has another value in the body"},
		{"path and default in the body", "PUT /v1/all/a", J, "{\"str\":\"\"}",
		 .field = "str"},
		{"path and null in the body", "PUT /v1/all/a", J, "{\"str\":null}",
		 .want = "{\"str\":\"a\"}\n"},
		{"default in the path, value in the body", "PUT /v1/sized/0", J, "{\"i32\":5}",
		 .field = "i32"},
		{"default in both", "PUT /v1/sized/0", J, "{\"i32\":0}", .want = "{}\n"},
		{"number written another way", "PUT /v1/sized/1000", J, "{\"i32\":\"1e3\"}",
		 .want = "{\"i32\":1000}\n"},
		{"path inside a message of the body", "PUT /v1/inner/n", J,
		 "{\"inner\":{\"size\":3,\"tags\":[\"t\"]},\"str\":\"s\"}",
		 .want = "{\"str\":\"s\",\"inner\":{\"name\":\"n\",\"size\":3,\"tags\":[\"t\"]}}"
			 "\n"},
		{"path inside a message that differs", "PUT /v1/inner/n", J,
		 "{\"inner\":{\"name\":\"m\"}}", .field = "inner.name"},
		{"path inside a message that is not there", "PUT /v1/inner/n", J, "{}",
		 .want = "{\"inner\":{\"name\":\"n\"}}\n"},
		{"path and body in one oneof", "PUT /v1/left/l", J, "{\"right\":1}",
		 .field = "left", .error = "left: only one of left and right can be set"},
		{"path and body, another oneof", "PUT /v1/left/l", J,
		 "{\"inner\":{\"west\":\"w\"}}",
		 .want = "{\"inner\":{\"west\":\"w\"},\"left\":\"l\"}\n"},
	};

	requests_check(*state, rows, COUNT_OF(rows));
}

static void a_field_can_be_the_body(void **state)
{
	static const struct request_row rows[] = {
		{"message", "PUT /v1/body/inner/n", J, "{\"size\":2}",
		 .want = "{\"inner\":{\"name\":\"n\",\"size\":2}}\n"},
		{"message, empty body", "PUT /v1/body/inner/n", NULL, NULL,
		 .want = "{\"inner\":{\"name\":\"n\"}}\n"},
		{"message, null", "PUT /v1/body/inner/n", J, "null",
		 .want = "{\"inner\":{\"name\":\"n\"}}\n"},
		{"message, path agrees", "PUT /v1/body/inner/n", J, "{\"name\":\"n\"}",
		 .want = "{\"inner\":{\"name\":\"n\"}}\n"},
		{"message, path differs", "PUT /v1/body/inner/n", J, "{\"name\":\"m\"}",
		 .field = "inner.name"},
		{"query beside", "PUT /v1/body/inner/n?str=s", J, "{}",
		 .want = "{\"str\":\"s\",\"inner\":{\"name\":\"n\"}}\n"},
		{"query inside", "PUT /v1/body/inner/n?inner.size=4&inner.deep.id=1", J,
		 "{\"deep\":{\"leaf\":\"l\"}}",
		 .want = "{\"inner\":{\"name\":\"n\",\"size\":4,\"deep\":{\"leaf\":\"l\",\"id\":"
			 "\"1\"}}}\n"},
		{"query inside differs", "PUT /v1/body/inner/n?inner.size=4", J, "{\"size\":5}",
		 .field = "?inner.size", .error = "?inner.size: has another value in the body"},
		{"list in query and body", "PUT /v1/body/inner/n?inner.tags=a", J,
		 "{\"tags\":[\"a\"]}", .field = "?inner.tags"},
		{"oneof in query and body", "PUT /v1/body/inner/n?inner.east=a", J,
		 "{\"west\":\"w\"}", .field = "?inner.east"},
		{"scalar", "POST /v1/body/str", J, "\"a\"", .want = "{\"str\":\"a\"}\n"},
		{"scalar, empty body", "POST /v1/body/str", NULL, NULL, .want = "{}\n"},
		{"scalar, null", "POST /v1/body/str", J, "null", .want = "{}\n"},
		{"scalar, wrong kind", "POST /v1/body/str", J, "5", .field = ""},
		{"number ends at the end", "POST /v1/body/i64", J, "12",
		 .want = "{\"i64\":\"12\"}\n"},
		{"number and space", "POST /v1/body/i64", J, " 12 ", .want = "{\"i64\":\"12\"}\n"},
		{"number in quotes", "POST /v1/body/i64", J, "\"12\"",
		 .want = "{\"i64\":\"12\"}\n"},
		{"scalar in body and query", "POST /v1/body/i64?i64=13", J, "12", .field = "?i64"},
		{"scalar in the query alone", "POST /v1/body/i64?i64=13", NULL, NULL,
		 .want = "{\"i64\":\"13\"}\n"},
		{"enum", "POST /v1/body/color", J, "\"RED\"", .want = "{\"color\":\"RED\"}\n"},
		{"list", "POST /v1/body/list", J, "[\"a\",\"b\"]",
		 .want = "{\"list\":[\"a\",\"b\"]}\n"},
		{"list, empty body", "POST /v1/body/list", NULL, NULL, .want = "{}\n"},
		{"list, null", "POST /v1/body/list", J, "null", .want = "{}\n"},
		{"list of messages", "POST /v1/body/items?str=s", J, "[{\"name\":\"a\"},{}]",
		 .want = "{\"str\":\"s\",\"items\":[{\"name\":\"a\"},{}]}\n"},
		{"list, no list", "POST /v1/body/list", J, "\"a\"", .field = ""},
		{"map", "POST /v1/body/labels", J, "{\"k\":\"v\"}",
		 .want = "{\"labels\":{\"k\":\"v\"}}\n"},
		{"map in body and query", "POST /v1/body/labels?labels[x]=y", J, "{\"k\":\"v\"}",
		 .field = "?labels[x]"},
		{"wrapper", "POST /v1/body/sval", J, "\"\"", .want = "{\"sval\":\"\"}\n"},
		{"timestamp", "POST /v1/body/at", J, "\"2020-01-01T00:00:00Z\"",
		 .want = "{\"at\":\"2020-01-01T00:00:00Z\"}\n"},
		{"timestamp, empty body", "POST /v1/body/at", NULL, NULL, .want = "{}\n"},
		{"struct", "POST /v1/body/st", J, "{\"a\":{\"b\":[true]}}",
		 .want = "{\"st\":{\"a\":{\"b\":[true]}}}\n"},
		{"value, null", "POST /v1/body/val", J, "null", .want = "{\"val\":null}\n"},
		{"list value", "POST /v1/body/lv", J, "[1]", .want = "{\"lv\":[1]}\n"},
		{"oneof member", "POST /v1/body/mid", J, "{\"name\":\"a\"}",
		 .want = "{\"mid\":{\"name\":\"a\"}}\n"},
		{"oneof member and query", "POST /v1/body/mid?left=l", J, "{}", .field = "?left"},
	};

	requests_check(*state, rows, COUNT_OF(rows));
}

static void no_body_means_none(void **state)
{
	static const struct request_row rows[] = {
		{"empty object", "GET /v1/all/a", "text/plain", " { } \n",
		 .want = "{\"str\":\"a\"}\n"},
		{"space", "GET /v1/all/a", NULL, " \n", .want = "{\"str\":\"a\"}\n"},
		{"content", "GET /v1/all/a", J, "{\"i32\":1}", .field = "",
		 .error = "this request has no body; unexpected bytes at byte 1 of the body"},
		{"half an object", "GET /v1/all/a", J, "{", .field = ""},
		{"two objects", "GET /v1/all/a", J, "{}{}", .field = ""},
		{"text", "GET /v1/all/a", J, "x", .field = ""},
	};

	requests_check(*state, rows, COUNT_OF(rows));
}

#define P "PATCH /v1/patch/n"

static void patch_fills_the_mask(void **state)
{
	static const struct request_row rows[] = {
		{"one", P, J, "{\"size\":1}",
		 .want = "{\"inner\":{\"name\":\"n\",\"size\":1},\"mask\":\"size\"}\n"},
		{"sorted", P, J, "{\"tags\":[],\"size\":1}",
		 .want = "{\"inner\":{\"name\":\"n\",\"size\":1},\"mask\":\"size,tags\"}\n"},
		{"null counts", P, J, "{\"size\":null}",
		 .want = "{\"inner\":{\"name\":\"n\"},\"mask\":\"size\"}\n"},
		{"default counts", P, J, "{\"size\":0}",
		 .want = "{\"inner\":{\"name\":\"n\"},\"mask\":\"size\"}\n"},
		{"path-bound is left out", P, J, "{\"name\":\"n\",\"size\":1}",
		 .want = "{\"inner\":{\"name\":\"n\",\"size\":1},\"mask\":\"size\"}\n"},
		{"into messages", P, J, "{\"deep\":{\"leaf\":\"l\",\"id\":\"1\"}}",
		 .want = "{\"inner\":{\"name\":\"n\",\"deep\":{\"leaf\":\"l\",\"id\":\"1\"}},"
			 "\"mask\":\"deep.id,deep.leaf\"}\n"},
		{"empty message", P, J, "{\"deep\":{}}",
		 .want = "{\"inner\":{\"name\":\"n\",\"deep\":{}},\"mask\":\"deep\"}\n"},
		{"not into maps", P, J, "{\"notes\":{\"a\":\"b\"}}",
		 .want = "{\"inner\":{\"name\":\"n\",\"notes\":{\"a\":\"b\"}},\"mask\":"
			 "\"notes\"}\n"},
		{"not into structs", P, J, "{\"free\":{\"a\":{\"b\":1}}}",
		 .want = "{\"inner\":{\"name\":\"n\",\"free\":{\"a\":{\"b\":1}}},\"mask\":"
			 "\"free\"}\n"},
		{"not into wrappers", P, J, "{\"nick\":\"x\"}",
		 .want = "{\"inner\":{\"name\":\"n\",\"nick\":\"x\"},\"mask\":\"nick\"}\n"},
		{"nothing", P, J, "{}", .want = "{\"inner\":{\"name\":\"n\"},\"mask\":\"\"}\n"},
		{"the client's mask wins", P "?mask=tags", J, "{\"size\":1}",
		 .want = "{\"inner\":{\"name\":\"n\",\"size\":1},\"mask\":\"tags\"}\n"},
		{"not for body star", "PATCH /v1/patchall/n", J, "{\"i32\":1}",
		 .want = "{\"str\":\"n\",\"i32\":1}\n"},
		{"not with two masks", "PATCH /v1/patchtwo", J, "{\"size\":1}",
		 .want = "{\"inner\":{\"size\":1}}\n"},
		{"not without one", "PATCH /v1/patchplain", J, "{\"size\":1}",
		 .want = "{\"inner\":{\"size\":1}}\n"},
		{"not for PUT", "PUT /v1/body/inner/n", J, "{\"size\":1}",
		 .want = "{\"inner\":{\"name\":\"n\",\"size\":1}}\n"},
	};

	requests_check(*state, rows, COUNT_OF(rows));
}

static void raw_bodies_are_not_looked_at(void **state)
{
	static const struct request_row rows[] = {
		{"whole", "POST /v1/upload", "text/x", "{abc",
		 .want = "{\"contentType\":\"text/x\",\"data\":\"e2FiYw==\"}\n"},
		{"no type", "POST /v1/upload", NULL, "abc", .want = "{\"data\":\"YWJj\"}\n"},
		{"nothing", "POST /v1/upload", NULL, NULL, .want = "{}\n"},
		{"type alone", "POST /v1/upload", "text/x", NULL,
		 .want = "{\"contentType\":\"text/x\"}\n"},
		{"type not ASCII", "POST /v1/upload", "text/\xff", "abc", .field = "", .http = 415},
		{"type not ASCII, no body", "POST /v1/upload", "text/\xff", NULL, .field = "",
		 .http = 415},
		{"field", "POST /v1/blob/s?i32=5", "image/png", "abc",
		 .want = "{\"str\":\"s\",\"i32\":5,\"blob\":{\"contentType\":\"image/png\","
			 "\"data\":\"YWJj\"}}\n"},
		{"field, nothing", "POST /v1/blob/s", NULL, NULL, .want = "{\"str\":\"s\"}\n"},
		{"stream", "POST /v1/uploads", "text/x", "abc",
		 .want = "{\"contentType\":\"text/x\",\"data\":\"YWJj\"}\n"},
		{"stream of nothing", "POST /v1/uploads", NULL, NULL, .want = "{}\n"},
		{"stream into a field", "POST /v1/blobs/s", "text/x", "abc",
		 .want = "{\"str\":\"s\",\"blob\":{\"contentType\":\"text/x\",\"data\":"
			 "\"YWJj\"}}\n"},
	};

	requests_check(*state, rows, COUNT_OF(rows));
}

static void client_streams_are_cut_into_messages(void **state)
{
	static const struct request_row rows[] = {
		{"array", "POST /v1/collect", J, " [ {\"str\":\"a\"} , {\"str\":\"b\"} ] ",
		 .want = "{\"str\":\"a\"}\n{\"str\":\"b\"}\n"},
		{"lines", "POST /v1/collect", "application/x-ndjson",
		 "{\"str\":\"a\"}\n{\"str\":\"b\"}\n",
		 .want = "{\"str\":\"a\"}\n{\"str\":\"b\"}\n"},
		{"concatenated", "POST /v1/collect", J, "{\"str\":\"a\"}{\"str\":\"b\"}",
		 .want = "{\"str\":\"a\"}\n{\"str\":\"b\"}\n"},
		{"empty array", "POST /v1/collect", J, "[]", .want = ""},
		{"nothing", "POST /v1/collect", NULL, NULL, .want = ""},
		{"space", "POST /v1/collect", J, "\n", .want = ""},
		{"bindings go first", "POST /v1/collect/s?i32=5", J,
		 "[{\"name\":\"a\"},{\"name\":\"b\"}]",
		 .want = "{\"str\":\"s\",\"i32\":5,\"inner\":{\"name\":\"a\"}}\n{\"inner\":{"
			 "\"name\":"
			 "\"b\"}}\n"},
		{"bindings inside", "POST /v1/collect/s?inner.size=5", J,
		 "{\"name\":\"a\"}{\"name\":\"b\"}",
		 .want = "{\"str\":\"s\",\"inner\":{\"name\":\"a\",\"size\":5}}\n{\"inner\":"
			 "{\"name\":\"b\"}}\n"},
		{"numbers", "POST /v1/collect/s/ints", J, "1\n2\n3",
		 .want = "{\"str\":\"s\",\"i64\":\"1\"}\n{\"i64\":\"2\"}\n{\"i64\":\"3\"}\n"},
		{"numbers in an array", "POST /v1/collect/s/ints", J, "[1,2]",
		 .want = "{\"str\":\"s\",\"i64\":\"1\"}\n{\"i64\":\"2\"}\n"},
		{"lists are values", "POST /v1/collect/s/nums", J, "[1,2][3]",
		 .want = "{\"str\":\"s\",\"nums\":[1,2]}\n{\"nums\":[3]}\n"},
		{"open array", "POST /v1/collect", J, "[{}", .field = "",
		 .error = "the array of messages is not closed"},
		{"open value", "POST /v1/collect", J, "{}{", .field = "",
		 .error = "message 2 of the stream: "},
		{"missing comma", "POST /v1/collect", J, "[{}{}]", .field = "",
		 .error = "expected ',' or ']' at byte 3 of the body"},
		{"trailing comma", "POST /v1/collect", J, "[{},]", .field = ""},
		{"leading comma", "POST /v1/collect", J, "[,{}]", .field = ""},
		{"bytes after", "POST /v1/collect", J, "[{}] x", .field = ""},
		{"bad second", "POST /v1/collect", J, "{}{\"i32\":\"x\"}", .field = "i32",
		 .error = "message 2 of the stream: "},
		{"conflict in the first", "POST /v1/collect/s?inner.size=5", J, "{\"size\":6}",
		 .field = "?inner.size"},
		{"ndjson only for streams", "POST /v1/all", "application/x-ndjson", "{}",
		 .field = "", .http = 415},
	};

	requests_check(*state, rows, COUNT_OF(rows));
}

static void options_are_obeyed(void **state)
{
	static const struct span ignored[] = {SPAN_LIT("key"), SPAN_LIT("str")};
	static const struct {
		struct request_row row;
		struct transcode_options options;
	} rows[] = {
		{{"unknown query", S "nope=1&inner.nope=2", .want = "{}\n"},
		 {.ignore_unknown_query = true}},
		{{"query with body star", "POST /v1/all?i32=1", .body = "{}", .want = "{}\n"},
		 {.ignore_unknown_query = true}},
		{{"path in the query all the same", "PUT /v1/all/a?str=b", .body = "{}",
		  .field = "?str"},
		 {.ignore_unknown_query = true}},
		{{"ignored names", S "key=1&str=x&i32=1", .want = "{\"i32\":1}\n"},
		 {.ignored_query = ignored, .ignored_query_count = 2}},
		{{"unknown keys", "POST /v1/all", J, "{\"nope\":[1,{}],\"i32\":1}",
		  .want = "{\"i32\":1}\n"},
		 {.ignore_unknown_fields = true}},
		{{"enum case", S "color=dark_green", .want = "{\"color\":\"DARK_GREEN\"}\n"},
		 {.ignore_enum_case = true}},
		{{"type wanted", "POST /v1/all", NULL, "{}", .field = "", .http = 415},
		 {.require_content_type = true}},
		{{"decode all", "GET /v1/multi/files/a%2Fb%3Ac",
		  .want = "{\"str\":\"files/a/b:c\"}\n"},
		 {.decode = TRANSCODE_DECODE_ALL}},
		{{"decode unreserved", "GET /v1/multi/files/a%2fb%3Ac%41%20",
		  .want = "{\"str\":\"files/a%2fb%3AcA \"}\n"},
		 {.decode = TRANSCODE_DECODE_RESERVED}},
		{{"one segment is decoded whole", "GET /v1/all/a%2Fb%3A",
		  .want = "{\"str\":\"a/b:\"}\n"},
		 {.decode = TRANSCODE_DECODE_RESERVED}},
		{{"body too long", "POST /v1/all", J, "{\"str\":\"abc\"}", .field = "",
		  .http = 413},
		 {.body_max = 12}},
		{{"a stream is as long as it likes", "POST /v1/collect", J,
		  "{\"str\":\"a\"} {\"str\":\"b\"}                {\"str\":\"c\"}",
		  .want = "{\"str\":\"a\"}\n{\"str\":\"b\"}\n{\"str\":\"c\"}\n"},
		 {.body_max = 12}},
		{{"but not one message of it", "POST /v1/collect", J, "{}{\"str\":   \"b\"}",
		  .field = "", .http = 413},
		 {.body_max = 12}},
		{{"body as long as may be", "POST /v1/all", J, "{\"str\":\"abc\"}",
		  .want = "{\"str\":\"abc\"}\n"},
		 {.body_max = 13}},
	};
	struct request_fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		f->options = rows[i].options;
		if (!f->options.body_max)
			f->options.body_max = TRANSCODE_BODY_MAX;
		requests_check(f, &rows[i].row, 1);
	}
}

static void a_message_beyond_its_limit_is_413(void **state)
{
	static const struct request_row rows[] = {
		{"JSON", "POST /v1/all", J, "{\"str\":\"0123456789\"}", .field = "", .http = 413},
		{"raw", "POST /v1/upload", NULL, "01234567890123456789", .field = "", .http = 413},
		{"joined", "PUT /v1/all/0123456789", J, "{\"raw\":\"MDEy\"}", .field = "",
		 .http = 413},
	};
	struct request_fixture *f = *state;

	buf_fini(&f->out);
	buf_init(&f->out, 10);
	requests_check(f, rows, COUNT_OF(rows));
}

static void a_length_known_to_be_too_much_is_413_at_once(void **state)
{
	struct request_fixture *f = *state;
	struct route_match match;
	struct transcode_in in;
	struct error err = {0};
	struct transcode_in_params params = {
		.match = &match,
		.body_length = TRANSCODE_BODY_MAX + 1,
		.schema = f->schema,
		.options = &f->options,
		.arena = &f->arena,
		.out = &f->out,
	};

	assert_int_equal(route_table_match(f->table, SPAN_LIT("POST"), SPAN_LIT("/v1/all"), &match),
			 ROUTE_FOUND);
	assert_int_equal(transcode_in_start(&in, &params, &err), ST_RESOURCE_EXHAUSTED);
	assert_int_equal(in.http_status, 413);
	transcode_in_fini(&in);
}

/* Pieces of a raw stream are as long as they may be, and their sum is the body. */
static void raw_streams_are_cut(void **state)
{
	struct request_fixture *f = *state;
	struct route_match match;
	struct transcode_in in;
	struct error err = {0};
	struct transcode_in_params params = {
		.match = &match,
		.body_length = TRANSCODE_LENGTH_UNKNOWN,
		.schema = f->schema,
		.options = &f->options,
		.arena = &f->arena,
		.out = &f->out,
	};
	const size_t total = 2 * TRANSCODE_RAW_PIECE_BYTES + 5;
	uint8_t *body = mem_new_array(uint8_t, total);
	struct span rest = span_make(body, total);
	size_t sizes[4] = {0};
	size_t count = 0;
	bool is_ended = false;

	buf_fini(&f->out);
	buf_init(&f->out, TRANSCODE_MESSAGE_MAX);
	assert_int_equal(
		route_table_match(f->table, SPAN_LIT("POST"), SPAN_LIT("/v1/uploads"), &match),
		ROUTE_FOUND);
	assert_int_equal(transcode_in_start(&in, &params, &err), ST_OK);
	while (!is_ended) {
		struct wire_field data;
		struct span chunk = span_head(rest, 700001);
		size_t used = 0;
		enum parse_result result = rest.len ? transcode_in_feed(&in, chunk, &used, &err)
						    : transcode_in_end(&in, &err);

		assert_int_not_equal(result, PARSE_BAD);
		is_ended = rest.len == 0 && result == PARSE_MORE;
		rest = span_skip(rest, used);
		if (result != PARSE_DONE)
			continue;
		assert_true(count < COUNT_OF(sizes));
		assert_true(wire_find_last(buf_span(&f->out), 2, WIRE_BYTES, &data));
		sizes[count++] = data.bytes.len;
		buf_reset(&f->out);
	}
	assert_int_equal(count, 3);
	assert_int_equal(sizes[0], TRANSCODE_RAW_PIECE_BYTES);
	assert_int_equal(sizes[1], TRANSCODE_RAW_PIECE_BYTES);
	assert_int_equal(sizes[2], 5);
	transcode_in_fini(&in);
	mem_free(body);
}

/* Each message comes out once: not every protobuf library joins two parts of one field. */
static void joined_messages_occur_once(void **state)
{
	static const struct request_row row = {"join", "PUT /v1/body/inner/n?inner.deep.id=1&str=s",
					       J, "{\"size\":1,\"deep\":{\"leaf\":\"l\"}}"};
	struct request_fixture *f = *state;
	struct span request = span_from_str(row.request);
	struct route_match match;
	struct transcode_in in;
	struct error err = {0};
	struct transcode_in_params params = {
		.match = &match,
		.body_length = TRANSCODE_LENGTH_UNKNOWN,
		.schema = f->schema,
		.options = &f->options,
		.arena = &f->arena,
		.out = &f->out,
	};
	struct wire_reader reader;
	struct wire_field record;
	struct span path;
	size_t used;
	int inner = 0;

	assert_true(route_target_split(span_skip(request, 4), &path, &params.query));
	assert_int_equal(route_table_match(f->table, SPAN_LIT("PUT"), path, &match), ROUTE_FOUND);
	assert_int_equal(transcode_in_start(&in, &params, &err), ST_OK);
	assert_int_equal(transcode_in_feed(&in, span_from_str(row.body), &used, &err), PARSE_MORE);
	assert_int_equal(transcode_in_end(&in, &err), PARSE_DONE);
	wire_reader_init(&reader, buf_span(&f->out));
	while (wire_next(&reader, &record))
		inner += record.number == 15;
	assert_int_equal(inner, 1);
	transcode_in_fini(&in);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		REQUESTS_TEST(bodies_are_read),
		REQUESTS_TEST(a_field_can_be_the_body),
		REQUESTS_TEST(no_body_means_none),
		REQUESTS_TEST(patch_fills_the_mask),
		REQUESTS_TEST(raw_bodies_are_not_looked_at),
		REQUESTS_TEST(client_streams_are_cut_into_messages),
		REQUESTS_TEST(options_are_obeyed),
		REQUESTS_TEST(a_message_beyond_its_limit_is_413),
		REQUESTS_TEST(a_length_known_to_be_too_much_is_413_at_once),
		REQUESTS_TEST(raw_streams_are_cut),
		REQUESTS_TEST(joined_messages_occur_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
