#include "httpapi/front/wishes.h"

#include "httpapi/partial.h"
#include "src/config/config.h"
#include "src/h2/h2.h"
#include "tests/unit/httpapi/types.h"
#include "tests/unit/unit.h"

#define BOTH "http.fields=true", "http.pretty_print=true"

static void wishes_are_taken_out_of_the_query(void **state)
{
	static const struct {
		const char *query;
		const char *flags[3];
		const char *rest;
		bool is_pretty;
		bool is_partial;
		const char *field; /* NULL: taken; "": refused without a field */
	} rows[] = {
		{"", {BOTH}, "", false, false, NULL},
		{"a=1&b=2", {BOTH}, "a=1&b=2", false, false, NULL},
		{"fields=str&prettyPrint=true",
		 {NULL},
		 "fields=str&prettyPrint=true",
		 false,
		 false,
		 NULL},
		{"fields=str&a=1", {"http.fields=true"}, "a=1", false, true, NULL},
		{"prettyPrint=true&fields=x",
		 {"http.pretty_print=true"},
		 "fields=x",
		 true,
		 false,
		 NULL},
		{"a=1&fields=str&b=2&fields=flag&prettyPrint", {BOTH}, "a=1&b=2", true, true, NULL},
		{"prettyPrint=", {BOTH}, "", true, false, NULL},
		{"prettyPrint=true&prettyPrint=false", {BOTH}, "", false, false, NULL},
		{"fields=inner%2Ename", {BOTH}, "", false, true, NULL},
		{"Fields=str&prettyprint=1",
		 {BOTH},
		 "Fields=str&prettyprint=1",
		 false,
		 false,
		 NULL},
		{"prettyPrint=yes", {BOTH}, NULL, false, false, "?prettyPrint"},
		{"fields=nothing", {BOTH}, NULL, false, false, "?fields"},
		{"fields=%zz", {BOTH}, NULL, false, false, ""},
	};
	struct schema *schema = types_schema();
	struct route_report report;
	struct error err = {0};
	struct route_table *table;
	struct route_match match;

	(void)state;
	route_report_init(&report);
	table = types_table(schema, "hg.test.Things", NULL, &report, &err);
	assert_non_null(table);
	assert_int_equal(route_table_match(table, SPAN_LIT("GET"), SPAN_LIT("/v1/all/x"), &match),
			 ROUTE_FOUND);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct config_params params = {.flags = rows[i].flags};
		struct span query = span_from_str(rows[i].query);
		struct config config;
		struct wishes wishes;
		struct arena arena;
		enum status status;

		arena_init(&arena, 100000);
		err = (struct error){0};
		assert_int_equal(config_load(&config, &params, &err), ST_OK);
		status = wishes_take(&config, &match.route->rule, &arena, &query, &wishes, &err);
		UNIT_ROW(rows[i].query, (status == ST_OK) == !rows[i].field);
		if (status == ST_OK) {
			UNIT_ROW_SPAN(rows[i].query, query, rows[i].rest);
			UNIT_ROW(rows[i].query, wishes.is_pretty == rows[i].is_pretty);
			UNIT_ROW(rows[i].query, !wishes.partial == !rows[i].is_partial);
		} else {
			UNIT_ROW(rows[i].query, status == ST_INVALID_ARGUMENT);
			UNIT_ROW_SPAN(rows[i].query, span_from_str(err.field), rows[i].field);
		}
		config_fini(&config);
		arena_fini(&arena);
	}
	route_table_free(table);
	route_report_fini(&report);
	schema_unref(schema);
}

static void replies_are_refused_by_accept(void **state)
{
	static const struct {
		const char *accept[2];
		const char *flags[2];
		bool is_raw;
		bool is_refused;
	} rows[] = {
		{{NULL}, {NULL}, false, false},
		{{"application/json"}, {NULL}, false, false},
		{{"text/html"}, {NULL}, false, true},
		{{"text/html", "*/*;q=0.1"}, {NULL}, false, false},
		{{"text/html"}, {"http.lenient_accept=true"}, false, false},
		{{"text/html"}, {NULL}, true, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct config_params params = {.flags = rows[i].flags};
		const struct http_rule rule = {.is_raw_response = rows[i].is_raw};
		struct h2_header items[2];
		struct h2_headers headers = {items, 0};
		struct config config;
		struct error err;

		while (headers.count < 2 && rows[i].accept[headers.count]) {
			items[headers.count] = (struct h2_header){
				SPAN_LIT("accept"), span_from_str(rows[i].accept[headers.count])};
			headers.count++;
		}
		assert_int_equal(config_load(&config, &params, &err), ST_OK);
		UNIT_ROW(rows[i].accept[0] ? rows[i].accept[0] : "none",
			 !wishes_refusal(&config, &headers, &rule) == !rows[i].is_refused);
		config_fini(&config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wishes_are_taken_out_of_the_query),
		cmocka_unit_test(replies_are_refused_by_accept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
