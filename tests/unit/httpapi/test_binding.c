/* Path variables and query parameters, seen through whole requests. */
#include "httpapi/binding.h"

#include "tests/unit/httpapi/requests.h"
#include "tests/unit/unit.h"

#define S "GET /v1/search?"

#define NESTED "/v1/nested/"
#define TYPED_TAIL "/RED/QUI=/1.5/2020-01-02T03:04:05Z/1.5s/a,inner.name/x"

static void paths_fill_fields(void **state)
{
	static const struct request_row rows[] = {
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

	requests_check(*state, rows, COUNT_OF(rows));
}

static void queries_fill_fields(void **state)
{
	static const struct request_row rows[] = {
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

	requests_check(*state, rows, COUNT_OF(rows));
}

static void every_bad_parameter_is_named(void **state)
{
	static const struct request_row row = {"many",
					       "GET " NESTED "x/y?nope=1&i32=z&str=fine&color=BLUE",
					       .field = "inner.size"};
	static const char want[] =
		"{\"fieldViolations\":[{\"field\":\"inner.size\"},{\"field\":\"?nope\"},{\"field\":"
		"\"?i32\"},{\"field\":\"?color\"}]}";
	struct request_fixture *f = *state;
	struct transcode_in in;
	struct error err = {0};
	struct wire_reader reader;
	struct wire_field violation;
	struct wire_field field;
	struct buf names;

	assert_int_equal(requests_run(f, &row, SIZE_MAX, &in, &err), PARSE_BAD);
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
	struct request_fixture *f = *state;
	struct buf request;
	struct transcode_in in;
	struct error err = {0};
	struct request_row row = {"many", NULL, .field = "", .http = 414};

	buf_init(&request, 65536);
	(void)buf_append_str(&request, S);
	for (int i = 0; i <= BINDING_PARAMETERS_MAX; i++)
		(void)buf_append_str(&request, "nums=1&");
	(void)buf_append_byte(&request, '\0');
	row.request = (const char *)buf_span(&request).data;
	assert_int_equal(requests_run(f, &row, SIZE_MAX, &in, &err), PARSE_BAD);
	requests_check_failure(&row, &in, &err);
	transcode_in_fini(&in);

	buf_reset(&request);
	(void)buf_append_str(&request, S);
	for (int i = 0; i <= BINDING_DEPTH_MAX; i++)
		(void)buf_append_str(&request, "inner.self.");
	(void)buf_append_str(&request, "name=1");
	(void)buf_append_byte(&request, '\0');
	row.request = (const char *)buf_span(&request).data;
	assert_int_equal(requests_run(f, &row, SIZE_MAX, &in, &err), PARSE_BAD);
	assert_int_equal(err.status, ST_INVALID_ARGUMENT);
	transcode_in_fini(&in);
	buf_fini(&request);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		REQUESTS_TEST(paths_fill_fields),
		REQUESTS_TEST(queries_fill_fields),
		REQUESTS_TEST(every_bad_parameter_is_named),
		REQUESTS_TEST(limits_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
