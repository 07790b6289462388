/* Requests against the bindings of binding.proto. What comes out is compared as JSON without
 * defaults, so each row shows what the function would see; every row is fed in pieces of several
 * sizes. */
#include "httpapi/transcode_in.h"

#include <stdio.h>
#include <string.h>

#include "src/base/mem.h"
#include "tests/unit/httpapi/types.h"
#include "tests/unit/unit.h"

#define ARENA_BYTES ((size_t)256 * 1024)
#define OUT_BYTES ((size_t)64 * 1024)

struct row {
	const char *name;
	const char *request; /* "GET /path?query" */
	const char *type;    /* NULL: none */
	const char *body;
	const char *want;  /* messages as JSON, one a line */
	const char *field; /* of the error; NULL: success */
	const char *error; /* how its text starts */
	int http;	   /* 0: 400 */
};

struct fixture {
	struct schema *schema;
	struct route_table *table;
	struct route_report report;
	struct transcode_options options;
	struct arena arena;
	struct buf out;
	struct buf got;
};

static int set_up(void **state)
{
	struct fixture *f = mem_new(struct fixture);
	struct error err = {0};

	f->schema = types_schema();
	route_report_init(&f->report);
	f->table = types_table(f->schema, "hg.test.Things", NULL, &f->report, &err);
	assert_non_null(f->table);
	f->options = TRANSCODE_OPTIONS_DEFAULT;
	arena_init(&f->arena, ARENA_BYTES);
	buf_init(&f->out, OUT_BYTES);
	buf_init(&f->got, OUT_BYTES);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	buf_fini(&f->got);
	buf_fini(&f->out);
	arena_fini(&f->arena);
	route_table_free(f->table);
	route_report_fini(&f->report);
	schema_unref(f->schema);
	mem_free(f);
	return 0;
}

/* Prints the message in out as a line of got and empties out. */
static void take_message(struct fixture *f, const struct message *message, const char *name)
{
	struct json_print_options options = {.schema = f->schema};
	struct error err = {0};

	if (json_from_wire(message, buf_span(&f->out), &options, &f->got, &err))
		fail_msg("row \"%s\": %s", name, err.message);
	(void)buf_append_byte(&f->got, '\n');
	buf_reset(&f->out);
}

/* Feeds the body in pieces and takes the messages; BAD at the first failure. */
static enum parse_result feed_all(struct fixture *f, struct transcode_in *in,
				  const struct message *message, const struct row *row,
				  size_t piece, struct error *err)
{
	struct span body = span_from_str(row->body);
	enum parse_result result;

	while (body.len) {
		struct span chunk = span_head(body, piece);
		size_t used = 0;

		result = transcode_in_feed(in, chunk, &used, err);
		if (result == PARSE_BAD)
			return result;
		if (result == PARSE_DONE)
			take_message(f, message, row->name);
		else
			UNIT_ROW(row->name, used == chunk.len);
		body = span_skip(body, used);
	}
	while ((result = transcode_in_end(in, err)) == PARSE_DONE)
		take_message(f, message, row->name);
	return result;
}

static enum parse_result run(struct fixture *f, const struct row *row, size_t piece,
			     struct transcode_in *in, struct error *err)
{
	struct span request = span_from_str(row->request);
	size_t space = span_find(request, ' ');
	struct route_match match;
	struct transcode_in_params params = {
		.match = &match,
		.content_type = span_from_str(row->type),
		.body_length = row->body ? TRANSCODE_LENGTH_UNKNOWN : 0,
		.schema = f->schema,
		.options = &f->options,
		.arena = &f->arena,
		.out = &f->out,
	};
	struct span path;

	arena_reset(&f->arena);
	buf_reset(&f->out);
	buf_reset(&f->got);
	UNIT_ROW(row->name,
		 route_target_split(span_skip(request, space + 1), &path, &params.query));
	UNIT_ROW(row->name, route_table_match(f->table, span_head(request, space), path, &match) ==
				    ROUTE_FOUND);
	if (transcode_in_start(in, &params, err))
		return PARSE_BAD;
	return feed_all(f, in, match.route->rule.method->input, row, piece, err);
}

static void check_failure(const struct row *row, const struct transcode_in *in,
			  const struct error *err)
{
	UNIT_ROW_SPAN(row->name, span_from_str(err->field), row->field);
	if (row->error && strncmp(err->message, row->error, strlen(row->error)) != 0)
		fail_msg("row \"%s\": got \"%s\", want \"%s\"", row->name, err->message,
			 row->error);
	UNIT_ROW(row->name, (in->http_status ? in->http_status : status_http(err->status)) ==
				    (row->http ? row->http : 400));
	if (row->field[0])
		UNIT_ROW(row->name, buf_len(in->violations) > 0);
}

static void check_rows(struct fixture *f, const struct row *rows, size_t count)
{
	static const size_t pieces[] = {SIZE_MAX, 1, 3};

	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < COUNT_OF(pieces); j++) {
			const struct row *row = &rows[i];
			struct transcode_in in;
			struct error err = {0};
			enum parse_result result = run(f, row, pieces[j], &in, &err);

			if (row->field) {
				UNIT_ROW(row->name, result == PARSE_BAD);
				check_failure(row, &in, &err);
			} else {
				if (result == PARSE_BAD)
					fail_msg("row \"%s\": %s", row->name, err.message);
				UNIT_ROW_SPAN(row->name, buf_span(&f->got), row->want);
			}
			transcode_in_fini(&in);
		}
	}
}

#define NESTED "/v1/nested/"
#define TYPED_TAIL "/RED/QUI=/1.5/2020-01-02T03:04:05Z/1.5s/a,inner.name/x"

static void paths_fill_fields(void **state)
{
	static const struct row rows[] = {
		{"string", "GET /v1/all/abc", .want = "{\"str\":\"abc\"}\n"},
		{"escapes", "GET /v1/all/a%2Fb%20c%25", .want = "{\"str\":\"a/b c%\"}\n"},
		{"decoded once", "GET /v1/all/%2541", .want = "{\"str\":\"%41\"}\n"},
		{"plus stays", "GET /v1/all/a+b", .want = "{\"str\":\"a+b\"}\n"},
		{"utf-8", "GET /v1/all/%C3%A9", .want = "{\"str\":\"\xc3\xa9\"}\n"},
		{"nul", "GET /v1/all/a%00b", .want = "{\"str\":\"a\\u0000b\"}\n"},
		{"not utf-8", "GET /v1/all/%FF", .field = "str", .error = "str: "},
		{"nested", "GET " NESTED "x/7",
		 .want = "{\"inner\":{\"size\":7,\"deep\":{\"leaf\":\"x\"}}}\n"},
		{"bad number", "GET " NESTED "x/7a", .field = "inner.size",
		 .error = "inner.size: "},
		{"number out of range", "GET " NESTED "x/2147483648", .field = "inner.size"},
		{"multi keeps %2F", "GET /v1/multi/files/a%2fb/c%20d",
		 .want = "{\"str\":\"files/a%2fb/c d\"}\n"},
		{"every type", "GET /v1/typed/-5/true" TYPED_TAIL,
		 .want = "{\"i32\":-5,\"flag\":true,\"dbl\":1.5,\"raw\":\"QUI=\",\"color\":"
			 "\"RED\",\"sval\":\"x\",\"at\":\"2020-01-02T03:04:05Z\",\"ttl\":"
			 "\"1.500s\",\"mask\":\"a,inner.name\"}\n"},
		{"bool is strict", "GET /v1/typed/1/TRUE" TYPED_TAIL, .field = "flag"},
		{"oneof", "GET /v1/oneof/x", .want = "{\"left\":\"x\"}\n"},
	};

	check_rows(*state, rows, COUNT_OF(rows));
}

#define S "GET /v1/search?"

static void queries_fill_fields(void **state)
{
	static const struct row rows[] = {
		{"none", "GET /v1/search", .want = "{}\n"},
		{"empty", S, .want = "{}\n"},
		{"two", S "str=a&i32=5", .want = "{\"str\":\"a\",\"i32\":5}\n"},
		{"plus and escapes", S "str=a+b%2Bc%26", .want = "{\"str\":\"a b+c&\"}\n"},
		{"name escaped", S "s%74r=a", .want = "{\"str\":\"a\"}\n"},
		{"quotes are kept", S "str=%22a%22", .want = "{\"str\":\"\\\"a\\\"\"}\n"},
		{"equals in the value", S "str=a=b", .want = "{\"str\":\"a=b\"}\n"},
		{"empty pairs", S "&&str=a&", .want = "{\"str\":\"a\"}\n"},
		{"empty name", S "=x&str=a", .want = "{\"str\":\"a\"}\n"},
		{"no equals", S "opt=1&str", .want = "{\"opt\":1}\n"},
		{"no equals, number", S "i32", .field = "?i32"},
		{"proto name", S "two_words=a", .want = "{\"twoWords\":\"a\"}\n"},
		{"json name", S "twoWords=a", .want = "{\"twoWords\":\"a\"}\n"},
		{"both names", S "twoWords=a&two_words=b", .field = "?two_words",
		 .error = "?two_words: is given more than once"},
		{"json name beats proto name", S "swapped_a=x", .want = "{\"swapped_a\":\"x\"}\n"},
		{"nested", S "inner.name=a&inner.deep.id=5&inner.size=2",
		 .want = "{\"inner\":{\"name\":\"a\",\"size\":2,\"deep\":{\"id\":\"5\"}}}\n"},
		{"deep", S "inner.self.self.self.name=a",
		 .want = "{\"inner\":{\"self\":{\"self\":{\"self\":{\"name\":\"a\"}}}}}\n"},
		{"list", S "list=a&list=b,c&list=", .want = "{\"list\":[\"a\",\"b,c\",\"\"]}\n"},
		{"list between others", S "nums=1&str=x&nums=2",
		 .want = "{\"str\":\"x\",\"nums\":[1,2]}\n"},
		{"list of enums", S "colors=RED&colors=2&colors=7",
		 .want = "{\"colors\":[\"RED\",\"DARK_GREEN\",7]}\n"},
		{"list of times", S "times=2020-01-01T00:00:00Z&times=2021-01-01T00:00:00%2B01:00",
		 .want = "{\"times\":[\"2020-01-01T00:00:00Z\",\"2020-12-31T23:00:00Z\"]}\n"},
		{"list in a message", S "inner.tags=a&inner.tags=b",
		 .want = "{\"inner\":{\"tags\":[\"a\",\"b\"]}}\n"},
		{"map", S "labels[a]=1&labels[b.c]=2",
		 .want = "{\"labels\":{\"a\":\"1\",\"b.c\":\"2\"}}\n"},
		{"map key escaped", S "labels%5Ba%5Db%5D=1",
		 .want = "{\"labels\":{\"a]b\":\"1\"}}\n"},
		{"empty map key", S "labels[]=1", .want = "{\"labels\":{\"\":\"1\"}}\n"},
		{"map below", S "inner.notes[k]=v",
		 .want = "{\"inner\":{\"notes\":{\"k\":\"v\"}}}\n"},
		{"map of bool", S "flags[true]=1&flags[false]=2",
		 .want = "{\"flags\":{\"true\":1,\"false\":2}}\n"},
		{"bad map key", S "flags[yes]=1", .field = "?flags[yes]"},
		{"map key twice", S "labels[a]=1&labels[a]=2", .field = "?labels[a]",
		 .error = "?labels[a]: is given more than once"},
		{"map of messages", S "inners[1]=x", .field = "?inners[1]"},
		{"map without key", S "labels=x", .field = "?labels"},
		{"key without map", S "str[a]=x", .field = "?str[a]"},
		{"into a map", S "inners[1].name=x", .field = "?inners[1].name"},
		{"into a list", S "items.name=x", .field = "?items.name",
		 .error = "?items.name: items has no fields of its own"},
		{"into a scalar", S "str.x=x", .field = "?str.x"},
		{"into a timestamp", S "at.seconds=1", .field = "?at.seconds"},
		{"message", S "inner=x", .field = "?inner",
		 .error = "?inner: is a message; name one of its fields"},
		{"list of messages", S "items=x", .field = "?items"},
		{"any", S "any=x", .field = "?any"},
		{"unknown", S "nope=1", .field = "?nope", .error = "?nope: there is no field nope"},
		{"unknown below", S "inner.nope=1", .field = "?inner.nope"},
		{"dot at the end", S "inner.=1", .field = "?inner."},
		{"twice", S "str=a&str=a", .field = "?str",
		 .error = "?str: is given more than once"},
		{"oneof", S "left=a&right=1", .field = "?right",
		 .error = "?right: only one of left and right can be set"},
		{"oneof below", S "mid.name=a&left=b", .field = "?left"},
		{"same member of a oneof", S "mid.name=a&mid.size=1",
		 .want = "{\"mid\":{\"name\":\"a\",\"size\":1}}\n"},
		{"bad escape in the name", S "st%zr=a", .field = "?st%zr"},
		{"bad escape in the value", S "str=%4", .field = "?str",
		 .error = "?str: malformed percent escape in the value"},
		{"value not utf-8", S "str=%FF", .field = "?str"},
		{"name not utf-8", S "%FF=a", .field = "?%FF"},
		{"enum", S "color=DARK_GREEN", .want = "{\"color\":\"DARK_GREEN\"}\n"},
		{"enum number", S "color=1", .want = "{\"color\":\"RED\"}\n"},
		{"enum unknown number", S "color=77", .want = "{\"color\":77}\n"},
		{"enum unknown name", S "color=BLUE", .field = "?color"},
		{"enum other case", S "color=red", .field = "?color"},
		{"int64", S "i64=-9223372036854775808",
		 .want = "{\"i64\":\"-9223372036854775808\"}\n"},
		{"uint64", S "u64=18446744073709551615",
		 .want = "{\"u64\":\"18446744073709551615\"}\n"},
		{"negative unsigned", S "u32=-1", .field = "?u32"},
		{"exponent", S "i32=1e3", .want = "{\"i32\":1000}\n"},
		{"leading zero", S "i32=01", .field = "?i32"},
		{"hex", S "i32=0x1", .field = "?i32"},
		{"space", S "i32=+1", .field = "?i32"},
		{"infinity", S "dbl=-Infinity", .want = "{\"dbl\":\"-Infinity\"}\n"},
		{"float overflow", S "flt=1e39", .field = "?flt"},
		{"bytes, url alphabet", S "raw=-_8", .want = "{\"raw\":\"+/8=\"}\n"},
		{"optional default", S "opt=0", .want = "{\"opt\":0}\n"},
		{"default", S "i32=0", .want = "{}\n"},
		{"string wrapper", S "sval=", .want = "{\"sval\":\"\"}\n"},
		{"int64 wrapper", S "ival=5", .want = "{\"ival\":\"5\"}\n"},
		{"bool wrapper", S "bval=false", .want = "{\"bval\":false}\n"},
		{"duration", S "ttl=-1.5s", .want = "{\"ttl\":\"-1.500s\"}\n"},
		{"bad duration", S "ttl=5m", .field = "?ttl"},
		{"mask, snake", S "mask=two_words,inner.name",
		 .want = "{\"mask\":\"twoWords,inner.name\"}\n"},
		{"mask, camel", S "mask=twoWords", .want = "{\"mask\":\"twoWords\"}\n"},
		{"struct", S "st=%7B%22a%22:%5B1,null%5D%7D",
		 .want = "{\"st\":{\"a\":[1,null]}}\n"},
		{"value", S "val=%22x%22", .want = "{\"val\":\"x\"}\n"},
		{"list value", S "lv=%5B1,%22b%22%5D", .want = "{\"lv\":[1,\"b\"]}\n"},
		{"bad struct", S "st=%5B%5D", .field = "?st"},
		{"path field in the query", "GET /v1/all/a?str=b", .field = "?str",
		 .error = "?str: is given by the path already"},
		{"path field in the query, same", "GET /v1/all/a?str=a", .field = "?str"},
		{"nested path field in the query", "GET " NESTED "x/7?inner.size=8",
		 .field = "?inner.size"},
		{"beside a nested path field", "GET " NESTED "x/7?inner.name=n",
		 .want = "{\"inner\":{\"name\":\"n\",\"size\":7,\"deep\":{\"leaf\":\"x\"}}}\n"},
		{"oneof with the path", "GET /v1/oneof/x?right=1", .field = "?right"},
		{"body star has no query", "POST /v1/all?str=a", .body = "{}", .field = "?str",
		 .error = "?str: there are no query parameters here"},
		{"body star, path field in the query", "PUT /v1/all/a?str=a", .body = "{}",
		 .field = "?str", .error = "?str: is given by the path already"},
	};

	check_rows(*state, rows, COUNT_OF(rows));
}

#define J "application/json"

static void bodies_are_read(void **state)
{
	static const struct row rows[] = {
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

	check_rows(*state, rows, COUNT_OF(rows));
}

static void a_field_can_be_the_body(void **state)
{
	static const struct row rows[] = {
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

	check_rows(*state, rows, COUNT_OF(rows));
}

static void no_body_means_none(void **state)
{
	static const struct row rows[] = {
		{"empty object", "GET /v1/all/a", "text/plain", " { } \n",
		 .want = "{\"str\":\"a\"}\n"},
		{"space", "GET /v1/all/a", NULL, " \n", .want = "{\"str\":\"a\"}\n"},
		{"content", "GET /v1/all/a", J, "{\"i32\":1}", .field = "",
		 .error = "this request has no body; unexpected bytes at byte 1 of the body"},
		{"half an object", "GET /v1/all/a", J, "{", .field = ""},
		{"two objects", "GET /v1/all/a", J, "{}{}", .field = ""},
		{"text", "GET /v1/all/a", J, "x", .field = ""},
	};

	check_rows(*state, rows, COUNT_OF(rows));
}

#define P "PATCH /v1/patch/n"

static void patch_fills_the_mask(void **state)
{
	static const struct row rows[] = {
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

	check_rows(*state, rows, COUNT_OF(rows));
}

static void raw_bodies_are_not_looked_at(void **state)
{
	static const struct row rows[] = {
		{"whole", "POST /v1/upload", "text/x", "{abc",
		 .want = "{\"contentType\":\"text/x\",\"data\":\"e2FiYw==\"}\n"},
		{"no type", "POST /v1/upload", NULL, "abc", .want = "{\"data\":\"YWJj\"}\n"},
		{"nothing", "POST /v1/upload", NULL, NULL, .want = "{}\n"},
		{"type alone", "POST /v1/upload", "text/x", NULL,
		 .want = "{\"contentType\":\"text/x\"}\n"},
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

	check_rows(*state, rows, COUNT_OF(rows));
}

static void client_streams_are_cut_into_messages(void **state)
{
	static const struct row rows[] = {
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

	check_rows(*state, rows, COUNT_OF(rows));
}

static void options_are_obeyed(void **state)
{
	static const struct span ignored[] = {SPAN_LIT("key"), SPAN_LIT("str")};
	static const struct {
		struct row row;
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
		{{"body as long as may be", "POST /v1/all", J, "{\"str\":\"abc\"}",
		  .want = "{\"str\":\"abc\"}\n"},
		 {.body_max = 13}},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		f->options = rows[i].options;
		if (!f->options.body_max)
			f->options.body_max = TRANSCODE_BODY_MAX;
		check_rows(f, &rows[i].row, 1);
	}
}

static void every_bad_parameter_is_named(void **state)
{
	static const struct row row = {"many", "GET " NESTED "x/y?nope=1&i32=z&str=fine&color=BLUE",
				       .field = "inner.size"};
	static const char want[] =
		"{\"fieldViolations\":[{\"field\":\"inner.size\"},{\"field\":\"?nope\"},{\"field\":"
		"\"?i32\"},{\"field\":\"?color\"}]}";
	struct fixture *f = *state;
	struct transcode_in in;
	struct error err = {0};
	struct wire_reader reader;
	struct wire_field violation;
	struct wire_field field;
	struct buf names;

	assert_int_equal(run(f, &row, SIZE_MAX, &in, &err), PARSE_BAD);
	buf_init(&names, 4096);
	(void)buf_append_str(&names, "{\"fieldViolations\":[");
	wire_reader_init(&reader, buf_span(in.violations));
	while (wire_next(&reader, &violation)) {
		assert_true(wire_find_last(violation.bytes, 1, WIRE_BYTES, &field));
		(void)buf_printf(&names, "%s{\"field\":\"%.*s\"}", buf_len(&names) > 20 ? "," : "",
				 SPAN_FMT(field.bytes));
	}
	(void)buf_append_str(&names, "]}");
	UNIT_ROW_SPAN("names", buf_span(&names), want);
	buf_fini(&names);
	transcode_in_fini(&in);
}

static void limits_are_named(void **state)
{
	struct fixture *f = *state;
	struct buf request;
	struct transcode_in in;
	struct error err = {0};
	struct row row = {"many", NULL, .field = "", .http = 414};

	buf_init(&request, 65536);
	(void)buf_append_str(&request, S);
	for (int i = 0; i <= BINDING_PARAMETERS_MAX; i++)
		(void)buf_append_str(&request, "nums=1&");
	(void)buf_append_byte(&request, '\0');
	row.request = (const char *)buf_span(&request).data;
	assert_int_equal(run(f, &row, SIZE_MAX, &in, &err), PARSE_BAD);
	check_failure(&row, &in, &err);
	transcode_in_fini(&in);

	buf_reset(&request);
	(void)buf_append_str(&request, S);
	for (int i = 0; i <= BINDING_DEPTH_MAX; i++)
		(void)buf_append_str(&request, "inner.self.");
	(void)buf_append_str(&request, "name=1");
	(void)buf_append_byte(&request, '\0');
	row.request = (const char *)buf_span(&request).data;
	assert_int_equal(run(f, &row, SIZE_MAX, &in, &err), PARSE_BAD);
	assert_int_equal(err.status, ST_INVALID_ARGUMENT);
	transcode_in_fini(&in);
	buf_fini(&request);
}

static void a_message_beyond_its_limit_is_413(void **state)
{
	static const struct row rows[] = {
		{"JSON", "POST /v1/all", J, "{\"str\":\"0123456789\"}", .field = "", .http = 413},
		{"raw", "POST /v1/upload", NULL, "01234567890123456789", .field = "", .http = 413},
		{"joined", "PUT /v1/all/0123456789", J, "{\"raw\":\"MDEy\"}", .field = "",
		 .http = 413},
	};
	struct fixture *f = *state;

	buf_fini(&f->out);
	buf_init(&f->out, 10);
	check_rows(f, rows, COUNT_OF(rows));
}

static void a_length_known_to_be_too_much_is_413_at_once(void **state)
{
	struct fixture *f = *state;
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
	struct fixture *f = *state;
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
	static const struct row row = {"join", "PUT /v1/body/inner/n?inner.deep.id=1&str=s", J,
				       "{\"size\":1,\"deep\":{\"leaf\":\"l\"}}"};
	struct fixture *f = *state;
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(paths_fill_fields),
		TEST(queries_fill_fields),
		TEST(bodies_are_read),
		TEST(a_field_can_be_the_body),
		TEST(no_body_means_none),
		TEST(patch_fills_the_mask),
		TEST(raw_bodies_are_not_looked_at),
		TEST(client_streams_are_cut_into_messages),
		TEST(options_are_obeyed),
		TEST(every_bad_parameter_is_named),
		TEST(limits_are_named),
		TEST(a_message_beyond_its_limit_is_413),
		TEST(a_length_known_to_be_too_much_is_413_at_once),
		TEST(raw_streams_are_cut),
		TEST(joined_messages_occur_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
