#include "httpapi/route_table.h"

#include <stdio.h>
#include <string.h>

#include "src/config/call_options.h"
#include "src/config/rule_file.h"
#include "tests/unit/httpapi/types.h"
#include "tests/unit/unit.h"

#define THINGS "hg.test.Things"
#define DOUBTS "hg.faults.Doubts"
#define IN " in tests/unit/httpapi/faults.proto)"
#define FILE_AND_END " in tests/unit/httpapi/faults.proto)"

/* The texts of one kind, a line each. */
static void list_issues(const struct route_report *report, enum route_issue_kind kind,
			struct buf *out)
{
	buf_reset(out);
	for (const struct route_issue *it = report->first; it; it = it->next)
		if (it->kind == kind)
			(void)buf_printf(out, "%s\n", it->text);
}

static void faults_are_all_reported(void **state)
{
	static const struct {
		const char *service;
		const char *errors;
	} rows[] = {
		{"hg.faults.NestedBindings",
		 "HTTP API Config: Only one level of additionalBindings supported, but [GET '/b'] "
		 "of method [hg.faults.NestedBindings.Call] in tests/unit/httpapi/faults.proto "
		 "has more than one!\n"},
		{"hg.faults.Duplicate", "HTTP API Config: GET '/a/*' (hg.faults.Duplicate.Two" IN
					" is the same route as GET "
					"'/a/{name}' (hg.faults.Duplicate.One" IN "\n"},
		{"hg.faults.Several",
		 "Template must start with a slash at character 1 of 'no/slash' (GET 'no/slash', "
		 "method hg.faults.Several.One" FILE_AND_END "\n"
		 "HTTP API Config: Unknown field name [nope] in type [hg.faults.Named] reference "
		 "in path template for method [hg.faults.Several.Two] (GET '/{nope}', method "
		 "hg.faults.Several.Two" FILE_AND_END "\n"},
	};
	struct schema *schema = types_schema();
	struct buf got;

	(void)state;
	buf_init(&got, 16384);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct route_report report;
		struct error err = {0};
		size_t first = strcspn(rows[i].errors, "\n");

		route_report_init(&report);
		assert_null(types_table(schema, rows[i].service, NULL, &report, &err));
		list_issues(&report, ROUTE_ERROR, &got);
		UNIT_ROW_SPAN(rows[i].service, buf_span(&got), rows[i].errors);
		UNIT_ROW(rows[i].service, strncmp(err.message, rows[i].errors, first) == 0);
		route_report_fini(&report);
	}
	buf_fini(&got);
	schema_unref(schema);
}

static void doubts_are_warnings(void **state)
{
	static const struct span reserved[] = {SPAN_LIT("/ready"), SPAN_LIT("/body"),
					       SPAN_LIT("/_events/*")};
	static const struct route_table_params settings = {.reserved = reserved,
							   .reserved_count = COUNT_OF(reserved)};
	static const char want[] =
		"GET '/body' (hg.faults.Doubts.Body" IN ": a body is configured for a method whose "
		"requests seldom carry one\n"
		"GET '/stream/{name}' (hg.faults.Doubts.Stream" IN
		": a client stream without body can "
		"hold one message only\n"
		"POST '/hg.faults.Doubts/Taken' (hg.faults.Doubts.Taker" IN
		" takes the place of the "
		"generated POST '/hg.faults.Doubts/Taken' (hg.faults.Doubts.Taken" IN "\n"
		"GET '/{name=**}' (hg.faults.Doubts.Wide" IN
		" is not asked for '/ready': the gateway "
		"answers that itself\n"
		"GET '/body' (hg.faults.Doubts.Body" IN " is not asked for '/body': the gateway "
		"answers that itself\n"
		"GET '/{name=**}' (hg.faults.Doubts.Wide" IN
		" is not asked for '/body': the gateway "
		"answers that itself\n"
		"* '/body' (hg.faults.Doubts.Any" IN
		" is not asked for '/body': the gateway answers "
		"that itself\n"
		"GET '/{name=**}' (hg.faults.Doubts.Wide" IN " is not asked for '/_events/*': the "
		"gateway answers that itself\n";
	struct schema *schema = types_schema();
	struct route_table *table;
	struct route_report report;
	struct error err = {0};
	struct buf got;

	(void)state;
	buf_init(&got, 16384);
	route_report_init(&report);
	table = types_table(schema, DOUBTS, &settings, &report, &err);
	if (!table)
		fail_msg("%s", err.message);
	list_issues(&report, ROUTE_WARNING, &got);
	UNIT_ROW_SPAN("warnings", buf_span(&got), want);
	assert_int_equal(report.error_count, 0);
	assert_int_equal(report.overlap_count, 0);
	route_table_free(table);
	route_report_fini(&report);
	buf_fini(&got);
	schema_unref(schema);
}

static void overlaps_say_who_wins(void **state)
{
	static const struct route_table_params settings = {.find_overlaps = true};
	static const char want[] =
		"GET '/body' (hg.faults.Doubts.Body" IN " wins over GET '/{name=**}' "
		"(hg.faults.Doubts.Wide" IN " where both fit\n"
		"GET '/body' (hg.faults.Doubts.Body" IN
		" wins over * '/body' (hg.faults.Doubts.Any" IN " "
		"where both fit\n"
		"GET '/stream/{name}' (hg.faults.Doubts.Stream" IN " wins over GET '/{name=**}' "
		"(hg.faults.Doubts.Wide" IN " where both fit\n"
		"* '/body' (hg.faults.Doubts.Any" IN " wins over GET '/{name=**}' "
		"(hg.faults.Doubts.Wide" IN " where both fit\n";
	struct schema *schema = types_schema();
	struct route_table *table;
	struct route_report report;
	struct error err = {0};
	struct buf got;

	(void)state;
	buf_init(&got, 16384);
	route_report_init(&report);
	table = types_table(schema, DOUBTS, &settings, &report, &err);
	assert_non_null(table);
	list_issues(&report, ROUTE_OVERLAP, &got);
	UNIT_ROW_SPAN("overlaps", buf_span(&got), want);
	assert_int_equal(report.overlap_count, 4);
	route_table_free(table);
	route_report_fini(&report);
	buf_fini(&got);
	schema_unref(schema);
}

/* Rules of a file for the service of two methods that is refused with its own ones. */
static void rules_of_a_file_replace_those_of_the_method(void **state)
{
	static const struct {
		const char *rules;
		const char *routes; /* of table, but the generated ones */
		const char *issues;
	} rows[] = {
		{"  - selector: hg.faults.Duplicate.Two\n    get: /b/*\n",
		 "GET /a/{name}\nGET /b/*\n", ""},
		{"  - selector: hg.faults.Duplicate.Two\n    get: /b\n"
		 "  - selector: hg.faults.Duplicate.One\n    post: /c\n    body: '*'\n"
		 "  - selector: hg.faults.Duplicate.Two\n    get: /d\n    additional_bindings:\n"
		 "    - get: /e\n",
		 "POST /c\nGET /d\nGET /e\n", ""},
		{"  - selector: hg.faults.Duplicate.Two\n    get: /b\n"
		 "  - selector: hg.faults.Several.One\n    get: /c\n",
		 "GET /a/{name}\nGET /b\n",
		 "f.yaml:5: method hg.faults.Several.One is not served, its rule is not used\n"},
		{"  - selector: hg.faults.Duplicate.Two\n    get: /b\n"
		 "  - selector: hg.faults.Duplicate.Three\n    get: /c\n",
		 NULL,
		 "f.yaml:5: HTTP API Config: the selector [hg.faults.Duplicate.Three] names no "
		 "method\n"},
		{"  - selector: Two\n    get: /b\n", NULL,
		 "HTTP API Config: GET '/a/*' (hg.faults.Duplicate.Two" IN " is the same route as "
		 "GET '/a/{name}' (hg.faults.Duplicate.One" IN "\n"
		 "f.yaml:3: HTTP API Config: the selector [Two] names no method\n"},
		{"  - selector: hg.faults.Duplicate.Two\n    get: b\n", NULL,
		 "Template must start with a slash at character 1 of 'b' (GET 'b', method "
		 "hg.faults.Duplicate.Two in f.yaml:3)\n"},
		{"  - selector: hg.faults.Duplicate.Two\n    body: '*'\n", NULL,
		 "HTTP API Config: Pattern missing for rule [hg.faults.Duplicate.Two]! ( '', "
		 "method "
		 "hg.faults.Duplicate.Two in f.yaml:3)\n"},
		{"  - selector: hg.faults.Duplicate.Two\n    get: /b\n    additional_bindings:\n"
		 "    - get: /c\n      additional_bindings: [{get: /d}]\n",
		 NULL,
		 "HTTP API Config: Only one level of additionalBindings supported, but [GET '/c'] "
		 "of method [hg.faults.Duplicate.Two] in f.yaml:6 has more than one!\n"},
		{"  - selector: hg.faults.Duplicate.Two\n    get: /a/{name}\n", NULL,
		 "HTTP API Config: GET '/a/{name}' (hg.faults.Duplicate.Two in f.yaml:3) is the "
		 "same "
		 "route as GET '/a/{name}' (hg.faults.Duplicate.One" IN "\n"},
	};
	struct schema *schema = types_schema();
	struct buf got;
	struct buf text;

	(void)state;
	buf_init(&got, 16384);
	buf_init(&text, 16384);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct rule_file file;
		struct route_table_params settings = {.rules = &file, .schema = schema};
		struct route_report report;
		struct route_table *table;
		struct error err = {0};

		buf_reset(&text);
		assert_true(buf_printf(&text, "http:\n  rules:\n%s", rows[i].rules));
		assert_int_equal(rule_file_read(&file, "f.yaml", buf_span(&text), &err), ST_OK);
		route_report_init(&report);
		table = types_table(schema, "hg.faults.Duplicate", &settings, &report, &err);
		list_issues(&report, table ? ROUTE_WARNING : ROUTE_ERROR, &got);
		UNIT_ROW_SPAN(rows[i].rules, buf_span(&got), rows[i].issues);
		UNIT_ROW(rows[i].rules, !table == !rows[i].routes);
		buf_reset(&got);
		for (size_t k = 0; table && k < route_table_count(table); k++) {
			const struct http_rule *rule = &route_table_route(table, k)->rule;

			if (!rule->is_generated)
				(void)buf_printf(&got, "%.*s %.*s\n", SPAN_FMT(rule->verb),
						 SPAN_FMT(rule->path.text));
		}
		UNIT_ROW_SPAN(rows[i].rules, buf_span(&got), rows[i].routes ? rows[i].routes : "");
		route_table_free(table);
		route_report_fini(&report);
		rule_file_fini(&file);
	}
	buf_fini(&got);
	buf_fini(&text);
	schema_unref(schema);
}

static void requests_reach_their_method(void **state)
{
	static const struct {
		const char *verb;
		const char *path;
		enum route_result result;
		const char *what; /* full name of the method, or Allow */
	} rows[] = {
		{"GET", "/v1/all/x", ROUTE_FOUND, THINGS ".Get"},
		{"PUT", "/v1/all/x", ROUTE_FOUND, THINGS ".Create"},
		{"POST", "/" THINGS "/Get", ROUTE_FOUND, THINGS ".Get"},
		{"POST", "/" THINGS "/Ping", ROUTE_FOUND, THINGS ".Ping"},
		{"GET", "/" THINGS "/Ping", ROUTE_METHOD_NOT_ALLOWED, "POST, OPTIONS"},
		{"DELETE", "/v1/all/x", ROUTE_METHOD_NOT_ALLOWED, "GET, PUT, HEAD, OPTIONS"},
		{"OPTIONS", "/v1/all", ROUTE_METHOD_NOT_ALLOWED, "POST, OPTIONS"},
		{"GET", "/v2", ROUTE_NOT_FOUND, ""},
		{"GET", "v1", ROUTE_BAD_PATH, ""},
	};
	struct schema *schema = types_schema();
	struct route_report report;
	struct error err = {0};
	struct route_table *table;
	struct buf allow;

	(void)state;
	buf_init(&allow, 1024);
	route_report_init(&report);
	table = types_table(schema, THINGS, NULL, &report, &err);
	if (!table)
		fail_msg("%s", err.message);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct route_match match;

		UNIT_ROW(rows[i].path,
			 route_table_match(table, span_from_str(rows[i].verb),
					   span_from_str(rows[i].path), &match) == rows[i].result);
		buf_reset(&allow);
		if (match.route) {
			const struct method *method = match.route->data;

			UNIT_ROW(rows[i].path, method == match.route->rule.method);
			(void)buf_append(&allow, method->full_name);
		} else if (match.allowed) {
			(void)route_table_allow(table, match.allowed, &allow);
		}
		UNIT_ROW_SPAN(rows[i].path, buf_span(&allow), rows[i].what);
	}
	route_table_free(table);
	route_report_fini(&report);
	buf_fini(&allow);
	schema_unref(schema);
}

static void paths_get_the_prefix(void **state)
{
	static const struct {
		const char *verb;
		const char *path;
		enum route_result result;
	} rows[] = {
		{"GET", "/api/v1/v1/all/x", ROUTE_FOUND},
		{"GET", "/%61pi/v1/v1/all/x", ROUTE_FOUND},
		{"GET", "/v1/all/x", ROUTE_NOT_FOUND},
		{"POST", "/api/v1/" THINGS "/Ping", ROUTE_FOUND},
		{"POST", "/" THINGS "/Ping", ROUTE_NOT_FOUND},
		{"GET", "/api/v1/root", ROUTE_NOT_FOUND},
		{"GET", "/api/v1", ROUTE_FOUND},
		{"GET", "/api/v1/", ROUTE_NOT_FOUND},
	};
	static const char rules[] = "http: {rules: [{selector: " THINGS ".Ping, get: /}]}";
	struct schema *schema = types_schema();
	struct rule_file file;
	struct route_table_params settings = {
		.rules = &file, .schema = schema, .prefix = SPAN_LIT("/api/v1")};
	struct route_report report;
	struct error err = {0};
	struct route_table *table;

	(void)state;
	assert_int_equal(rule_file_read(&file, "f.yaml", span_from_str(rules), &err), ST_OK);
	route_report_init(&report);
	table = types_table(schema, THINGS, &settings, &report, &err);
	if (!table)
		fail_msg("%s", err.message);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct route_match match;

		UNIT_ROW(rows[i].path,
			 route_table_match(table, span_from_str(rows[i].verb),
					   span_from_str(rows[i].path), &match) == rows[i].result);
	}
	route_table_free(table);
	route_report_fini(&report);
	rule_file_fini(&file);
	schema_unref(schema);
}

/* The defaults: 1 s, for streams 2 s. */
static void options_are_worked_out_per_method(void **state)
{
	static const struct {
		const char *options;
		const char *method;
		uint64_t timeout_ms;
		bool has_etag;
	} rows[] = {
		{"", "Get", 1000, false},
		{"{selector: " THINGS ".Get, timeout: 3s}", "Get", 3000, false},
		{"{selector: " THINGS ".Get, timeout: 3s}", "Ping", 1000, false},
		{"{selector: " THINGS ".*, timeout: 3s}", "Ping", 3000, false},
		{"{selector: '*', etag: true}", "Ping", 1000, true},
		/* the longer selector counts, wherever it stands */
		{"{selector: " THINGS
		 ".Get, timeout: 3s}, {selector: '*', timeout: 4s, etag: true}",
		 "Get", 3000, true},
		{"{selector: " THINGS ".*, timeout: 3s}, {selector: 'hg.*', timeout: 4s}", "Get",
		 3000, false},
		/* of equal ones the later */
		{"{selector: '*', timeout: 3s, etag: true}, {selector: '*', timeout: 4s}", "Get",
		 4000, true},
		{"{selector: '*', etag: true}, {selector: " THINGS ".Get, etag: false}", "Get",
		 1000, false},
	};
	static const struct call_options defaults[] = {{.timeout_ms = 1000}, {.timeout_ms = 2000}};
	struct schema *schema = types_schema();

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct rule_file file;
		struct route_table_params settings = {
			.rules = &file, .schema = schema, .options = defaults};
		struct route_report report;
		struct error err = {0};
		struct route_table *table;
		struct buf text;
		size_t seen = 0;

		buf_init(&text, 4096);
		(void)buf_printf(&text, "http: {options: [%s]}", rows[i].options);
		assert_int_equal(rule_file_read(&file, "f.yaml", buf_span(&text), &err), ST_OK);
		route_report_init(&report);
		table = types_table(schema, THINGS, &settings, &report, &err);
		UNIT_ROW(rows[i].options, table);
		for (size_t k = 0; k < route_table_count(table); k++) {
			const struct http_rule *rule = &route_table_route(table, k)->rule;

			if (!span_eq_str(rule->method->name, rows[i].method))
				continue;
			seen++;
			UNIT_ROW(rows[i].options, rule->options->timeout_ms == rows[i].timeout_ms);
			UNIT_ROW(rows[i].options, rule->options->etag == rows[i].has_etag);
		}
		UNIT_ROW(rows[i].options, seen > 0);
		route_table_free(table);
		route_report_fini(&report);
		rule_file_fini(&file);
		buf_fini(&text);
	}
	schema_unref(schema);
}

static void prefixes_are_literals(void **state)
{
	static const struct {
		const char *prefix;
		bool is_right;
	} rows[] = {
		{"", true},    {"/api", true},	 {"/api/v1", true}, {"/a%20b", true},
		{"/", false},  {"api", false},	 {"/api/", false},  {"/{a}", false},
		{"/*", false}, {"/a/**", false}, {"/a:b", false},   {"/a?b", false},
		{"//", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct error err = {0};
		enum status status = route_prefix_check(span_from_str(rows[i].prefix), &err);

		UNIT_ROW(rows[i].prefix,
			 status == (rows[i].is_right ? ST_OK : ST_INVALID_ARGUMENT));
	}
}

static void targets_are_split(void **state)
{
	static const struct {
		const char *target;
		bool is_right;
		const char *path;
		const char *query;
	} rows[] = {
		{"/a?b", true, "/a", "b"},
		{"/a", true, "/a", ""},
		{"/a?", true, "/a", ""},
		{"/a?b?c", true, "/a", "b?c"},
		{"/?b", true, "/", "b"},
		{"//x/y", true, "//x/y", ""},
		{"http://host/a?b", true, "/a", "b"},
		{"http://host:80", true, "/", ""},
		{"http://host?b", true, "/", "b"},
		{"HTTPS://h/", true, "/", ""},
		{"", false, "", ""},
		{"*", false, "", ""},
		{"a/b", false, "", ""},
		{"host:80", false, "", ""},
		{"://host/", false, "", ""},
		{"http://", false, "", ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span path = SPAN_EMPTY;
		struct span query = SPAN_EMPTY;

		UNIT_ROW(rows[i].target, route_target_split(span_from_str(rows[i].target), &path,
							    &query) == rows[i].is_right);
		UNIT_ROW_SPAN(rows[i].target, path, rows[i].path);
		UNIT_ROW_SPAN(rows[i].target, query, rows[i].query);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_are_all_reported),
		cmocka_unit_test(doubts_are_warnings),
		cmocka_unit_test(overlaps_say_who_wins),
		cmocka_unit_test(rules_of_a_file_replace_those_of_the_method),
		cmocka_unit_test(requests_reach_their_method),
		cmocka_unit_test(paths_get_the_prefix),
		cmocka_unit_test(options_are_worked_out_per_method),
		cmocka_unit_test(prefixes_are_literals),
		cmocka_unit_test(targets_are_split),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
