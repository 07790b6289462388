#include "httpapi/partial.h"

#include "src/base/mem.h"
#include "tests/unit/httpapi/types.h"
#include "tests/unit/unit.h"

struct fixture {
	struct schema *schema;
	struct route_table *table;
	struct route_report report;
	struct arena arena;
	struct buf out;
};

static int set_up(void **state)
{
	struct fixture *f = mem_new(struct fixture);
	struct error err = {0};

	f->schema = types_schema();
	route_report_init(&f->report);
	f->table = types_table(f->schema, "hg.test.Things", NULL, &f->report, &err);
	assert_non_null(f->table);
	arena_init(&f->arena, 100000);
	buf_init(&f->out, 65536);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	buf_fini(&f->out);
	arena_fini(&f->arena);
	route_table_free(f->table);
	route_report_fini(&f->report);
	schema_unref(f->schema);
	mem_free(f);
	return 0;
}

static enum status begin(struct fixture *f, const char *path, const char *paths, bool has_proto,
			 struct partial **ret_partial, struct error *err)
{
	struct partial_params params = {.paths = span_from_str(paths),
					.has_proto_names = has_proto};
	struct route_match match;

	if (route_table_match(f->table, SPAN_LIT("GET"), span_from_str(path), &match) !=
	    ROUTE_FOUND)
		fail_msg("no route %s", path);
	params.rule = &match.route->rule;
	return partial_new(&params, &f->arena, ret_partial, err);
}

#define ALL "/v1/all/x"

static void what_is_left(void **state)
{
	static const struct {
		const char *name;
		const char *path;
		const char *paths;
		bool has_proto_names;
		const char *json;
		const char *want;
	} rows[] = {
		{"one", ALL, "i64", false, "{\"str\":\"a\",\"i64\":\"5\",\"flag\":true}",
		 "{\"i64\":\"5\"}"},
		{"two, as printed", ALL, "flag,str", false,
		 "{\"str\":\"a\",\"i64\":\"5\",\"flag\":true}", "{\"str\":\"a\",\"flag\":true}"},
		{"nothing printed", ALL, "str", false, "{\"flag\":true}", "{}"},
		{"empty body", ALL, "str", false, "{}", "{}"},
		{"empty list of paths", ALL, "", false, "{\"flag\":true}", "{\"flag\":true}"},
		{"everything", ALL, "*", false, "{\"flag\":true}", "{\"flag\":true}"},
		{"nested", ALL, "inner.deep.leaf", false,
		 "{\"inner\":{\"name\":\"n\",\"deep\":{\"leaf\":\"l\",\"id\":\"1\"}},\"opt\":1}",
		 "{\"inner\":{\"deep\":{\"leaf\":\"l\"}}}"},
		{"a whole and a part of it", ALL, "inner.name,inner", false,
		 "{\"inner\":{\"name\":\"n\",\"size\":1}}",
		 "{\"inner\":{\"name\":\"n\",\"size\":1}}"},
		{"elements of a list", ALL, "items.size", false,
		 "{\"items\":[{\"name\":\"]\",\"size\":1},{\"size\":2},{}],\"list\":[\"a\"]}",
		 "{\"items\":[{\"size\":1},{\"size\":2},{}]}"},
		{"null for a message", ALL, "inner.name", false, "{\"inner\":null,\"opt\":1}",
		 "{\"inner\":null}"},
		{"strings with what looks like syntax", ALL, "twoWords", false,
		 "{\"str\":\"}\\\"{,\\\\\",\"list\":[\"[\",\"]\"],\"twoWords\":\"a\\\"}\"}",
		 "{\"twoWords\":\"a\\\"}\"}"},
		{"proto names in the query", ALL, "two_words", false, "{\"twoWords\":\"a\"}",
		 "{\"twoWords\":\"a\"}"},
		{"proto names in the reply", ALL, "twoWords", true,
		 "{\"two_words\":\"a\",\"opt\":1}", "{\"two_words\":\"a\"}"},
		{"map and well-known types whole", ALL, "labels,at,st", false,
		 "{\"labels\":{\"k\":\"v\"},\"at\":\"2020-01-01T00:00:00Z\",\"st\":{\"a\":[1]}}",
		 "{\"labels\":{\"k\":\"v\"},\"at\":\"2020-01-01T00:00:00Z\",\"st\":{\"a\":[1]}}"},
		{"white space", ALL, "flag,inner.size", false,
		 "{\n  \"str\": \"a\",\n  \"flag\": true,\n  \"inner\": {\n    \"name\": \"n\",\n  "
		 "  "
		 "\"size\": 1\n  }\n}",
		 "{\n  \"flag\": true,\n  \"inner\": {\n    \"size\": 1\n  }\n}"},
		{"response_body, message", "/v1/respond/inner", "name", false,
		 "{\"name\":\"n\",\"size\":1}", "{\"name\":\"n\"}"},
		{"response_body, unset", "/v1/respond/inner", "name", false, "null", "null"},
		{"response_body, list", "/v1/respond/items", "name", false,
		 "[{\"name\":\"n\",\"size\":1}, {\"size\":2}]", "[{\"name\":\"n\"}, {}]"},
		{"response_body, everything", "/v1/respond/str", "*", false, "\"a\"", "\"a\""},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct partial *partial;
		struct error err = {0};

		if (begin(f, rows[i].path, rows[i].paths, rows[i].has_proto_names, &partial, &err))
			fail_msg("row \"%s\": %s", rows[i].name, err.message);
		buf_reset(&f->out);
		UNIT_ROW(rows[i].name,
			 partial_apply(partial, span_from_str(rows[i].json), &f->out));
		UNIT_ROW_SPAN(rows[i].name, buf_span(&f->out), rows[i].want);
	}
}

static void what_is_refused(void **state)
{
	static const struct {
		const char *name;
		const char *path;
		const char *paths;
	} rows[] = {
		{"unknown", ALL, "nope"},
		{"unknown below", ALL, "inner.nope"},
		{"unknown among known", ALL, "str,nope"},
		{"below a scalar", ALL, "str.x"},
		{"below a map", ALL, "labels.k"},
		{"below a Struct", ALL, "st.k"},
		{"below a Timestamp", ALL, "at.seconds"},
		{"empty path", ALL, "str,,flag"},
		{"empty step", ALL, "inner..name"},
		{"dot at the end", ALL, "inner."},
		{"dot at the front", ALL, ".inner"},
		{"response_body that is no message", "/v1/respond/str", "x"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct partial *partial;
		struct error err = {0};

		UNIT_ROW(rows[i].name, begin(f, rows[i].path, rows[i].paths, false, &partial,
					     &err) == ST_INVALID_ARGUMENT);
		UNIT_ROW_SPAN(rows[i].name, span_from_str(err.field), "?fields");
	}
}

static void limits(void **state)
{
	struct fixture *f = *state;
	struct partial *partial;
	struct error err = {0};
	struct buf paths;

	buf_init(&paths, 65536);
	for (unsigned i = 0; i <= PARTIAL_STEPS_MAX; i++)
		assert_true(buf_append_str(&paths, i ? ".self" : "inner"));
	assert_true(buf_append_byte(&paths, '\0'));
	assert_int_equal(begin(f, ALL, (const char *)buf_span(&paths).data, false, &partial, &err),
			 ST_INVALID_ARGUMENT);
	buf_reset(&paths);
	for (unsigned i = 0; i <= PARTIAL_PATHS_MAX; i++)
		assert_true(buf_append_str(&paths, i ? ",str" : "str"));
	assert_true(buf_append_byte(&paths, '\0'));
	assert_int_equal(begin(f, ALL, (const char *)buf_span(&paths).data, false, &partial, &err),
			 ST_INVALID_ARGUMENT);
	buf_fini(&paths);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_left, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(limits, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
