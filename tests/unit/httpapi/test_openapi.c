#include "httpapi/openapi.h"

#include <jansson.h>
#include <string.h>

#include "src/config/rule_file.h"
#include "tests/unit/httpapi/types.h"
#include "tests/unit/unit.h"

#define THINGS "hg.test.Things"

/* The document of the service of the tests, as a tree. */
struct document {
	struct schema *schema;
	struct route_report report;
	struct route_table *table;
	json_t *root;
};

static enum status write_document(struct document *document, struct openapi_params *params,
				  struct buf *out, struct error *err)
{
	static const struct transcode_options defaults = TRANSCODE_OPTIONS_DEFAULT;

	params->schema = document->schema;
	params->table = document->table;
	if (!params->options)
		params->options = &defaults;
	return openapi_write(params, out, err);
}

static void document_init(struct document *document, struct openapi_params params,
			  const struct rule_file *rules)
{
	const struct route_table_params settings = {.rules = rules};
	struct error err = {0};
	struct buf text;

	document->schema = types_schema();
	route_report_init(&document->report);
	document->table = types_table(document->schema, THINGS, &settings, &document->report, &err);
	if (!document->table)
		fail_msg("%s", err.message);
	buf_init(&text, OPENAPI_BYTES_MAX);
	if (write_document(document, &params, &text, &err))
		fail_msg("%s", err.message);
	document->root = json_loadb((const char *)buf_span(&text).data, buf_len(&text), 0, NULL);
	assert_non_null(document->root);
	buf_fini(&text);
}

static void document_fini(struct document *document)
{
	json_decref(document->root);
	route_table_free(document->table);
	route_report_fini(&document->report);
	schema_unref(document->schema);
}

/* What stands at a path of keys; "|" parts them, since names of paths have slashes and dots. */
static const json_t *at(const json_t *node, const char *path)
{
	while (node && path[0]) {
		size_t len = strcspn(path, "|");

		if (json_is_array(node))
			node = json_array_get(node, (size_t)(path[0] - '0'));
		else
			node = json_object_getn(node, path, len);
		path += len + (path[len] == '|');
	}
	return node;
}

static void assert_json(const json_t *root, const char *path, const char *want)
{
	const json_t *node = at(root, path);
	char *text = node ? json_dumps(node, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	bool is_same = text && strcmp(text, want) == 0;

	if (!is_same)
		fail_msg("%s: got %s, want %s", path, text ? text : "nothing", want);
	free(text);
}

#define SCHEMAS "components|schemas|"
#define ALL SCHEMAS "hg.test.All|properties|"

/* Every kind of field as JSON has it. Spec: ProtoJSON */
static void fields_have_their_json_types(void **state)
{
	static const char *const rows[][2] = {
		{ALL "str", "{\"type\":\"string\"}"},
		{ALL "i32", "{\"type\":\"integer\",\"format\":\"int32\"}"},
		{ALL "i64", "{\"type\":\"string\",\"format\":\"int64\"}"},
		{ALL "u32", "{\"type\":\"integer\",\"format\":\"uint32\",\"minimum\":0}"},
		{ALL "u64", "{\"type\":\"string\",\"format\":\"uint64\"}"},
		{ALL "flag", "{\"type\":\"boolean\"}"},
		{ALL "flt", "{\"type\":[\"number\",\"string\"],\"format\":\"float\",\"pattern\":"
			    "\"^(NaN|-?Infinity)$\"}"},
		{ALL "dbl", "{\"type\":[\"number\",\"string\"],\"format\":\"double\",\"pattern\":"
			    "\"^(NaN|-?Infinity)$\"}"},
		{ALL "raw", "{\"type\":\"string\",\"format\":\"byte\",\"contentEncoding\":"
			    "\"base64\"}"},
		{ALL "color", "{\"$ref\":\"#/components/schemas/hg.test.Color\"}"},
		{ALL "list", "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"},
		{ALL "labels", "{\"type\":\"object\",\"additionalProperties\":{\"type\":"
			       "\"string\"}}"},
		{ALL "inners", "{\"type\":\"object\",\"additionalProperties\":{\"$ref\":"
			       "\"#/components/schemas/hg.test.Inner\"},\"propertyNames\":{"
			       "\"pattern\":\"^-?[0-9]+$\"}}"},
		{ALL "inner", "{\"$ref\":\"#/components/schemas/hg.test.Inner\"}"},
		{ALL "items", "{\"type\":\"array\",\"items\":{\"$ref\":"
			      "\"#/components/schemas/hg.test.Inner\"}}"},
		{ALL "sval", "{\"type\":[\"string\",\"null\"]}"},
		{ALL "ival", "{\"type\":[\"string\",\"null\"],\"format\":\"int64\"}"},
		{SCHEMAS "hg.test.Color", "{\"type\":\"string\",\"enum\":[\"COLOR_UNSPECIFIED\","
					  "\"RED\",\"DARK_GREEN\"]}"},
		{SCHEMAS "hg.test.Inner|properties|free",
		 "{\"type\":\"object\",\"additionalProperties\":true}"},
		{SCHEMAS "hg.test.Inner|properties|east|description",
		 "\"Only one of `east`, `west` may be set.\""},
		{SCHEMAS "hg.test.Deep|examples", "[{\"leaf\":\"leaf\",\"id\":\"1\"}]"},
		{SCHEMAS "google.rpc.Status|properties|details|items",
		 "{\"$ref\":\"#/components/schemas/google.protobuf.Any\"}"},
	};
	struct document document;

	(void)state;
	document_init(&document, (struct openapi_params){0}, NULL);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		assert_json(document.root, rows[i][0], rows[i][1]);
	document_fini(&document);
}

static void printing_options_show(void **state)
{
	struct transcode_options options = TRANSCODE_OPTIONS_DEFAULT;
	struct document document;

	(void)state;
	options.always_print_enums_as_ints = true;
	options.preserve_proto_field_names = true;
	options.int64_as_number = true;
	document_init(&document, (struct openapi_params){.options = &options}, NULL);
	assert_json(document.root, SCHEMAS "hg.test.Color",
		    "{\"type\":\"integer\",\"enum\":[0,1,2]}");
	assert_json(document.root, ALL "i64", "{\"type\":\"integer\",\"format\":\"int64\"}");
	assert_json(document.root, SCHEMAS "hg.test.Deep|examples",
		    "[{\"leaf\":\"leaf\",\"id\":1}]");
	document_fini(&document);
}

/* One rule for one method, and what its path and operation are. */
static void templates_become_paths(void **state)
{
	static const struct {
		const char *rule;
		const char *path; /* keys down to what is compared */
		const char *want;
	} rows[] = {
		{"get: /", "paths|/|get|x-headgate-template", "\"/\""},
		{"get: /a/{str}", "paths|/a/{str}|get|parameters|0|schema",
		 "{\"type\":\"string\"}"},
		{"get: /a/{i64}:do", "paths|/a/{i64}:do|get|parameters|0",
		 "{\"name\":\"i64\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":"
		 "\"string\",\"format\":\"int64\"},\"example\":\"1\"}"},
		{"get: /a/{inner.deep.leaf}", "paths|/a/{inner.deep.leaf}|get|parameters|0|name",
		 "\"inner.deep.leaf\""},
		{"get: /a/{str=x/*/y/*}", "paths|/a/x/{str_1}/y/{str_2}|get|parameters|1",
		 "{\"name\":\"str_2\",\"in\":\"path\",\"required\":true,\"description\":"
		 "\"A part of `str`, which is `x/*/y/*`.\",\"schema\":{\"type\":\"string\"},"
		 "\"example\":\"str_2\"}"},
		{"get: /a/{str=**}", "paths|/a/{str}|get|parameters|0|description",
		 "\"May have any number of segments, with slashes between them.\""},
		{"get: /a/*/b/**", "paths|/a/{segment_1}/b/{rest}|get|parameters|0|required",
		 "true"},
		{"get: /sp%20ace/{str}", "paths|/sp%20ace/{str}|get|x-headgate-template",
		 "\"/sp%20ace/{str}\""},
		{"get: /a/{color}", "paths|/a/{color}|get|parameters|0|schema",
		 "{\"$ref\":\"#/components/schemas/hg.test.Color\"}"},
		{"custom: {kind: LINK, path: /a}",
		 "paths|/a|x-headgate-operations|LINK|x-headgate-template", "\"/a\""},
		{"custom: {kind: '*', path: /a}", "paths|/a|patch|x-headgate-template", "\"/a\""},
		{"put: /a\n    body: inner",
		 "paths|/a|put|requestBody|content|application/json|schema",
		 "{\"$ref\":\"#/components/schemas/hg.test.Inner\"}"},
		{"put: /a\n    body: list",
		 "paths|/a|put|requestBody|content|application/json|schema",
		 "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"},
		{"put: /a\n    body: '*'",
		 "paths|/a|put|requestBody|content|application/json|schema",
		 "{\"$ref\":\"#/components/schemas/hg.test.All\"}"},
		{"get: /a\n    response_body: inner",
		 "paths|/a|get|responses|200|content|application/json|schema",
		 "{\"oneOf\":[{\"$ref\":\"#/components/schemas/hg.test.Inner\"},{\"type\":"
		 "\"null\"}]}"},
		{"get: /a\n    response_body: sval",
		 "paths|/a|get|responses|200|content|application/json|schema",
		 "{\"type\":[\"string\",\"null\"]}"},
		{"get: /a\n    additional_bindings: [{get: '/b'}]", "paths|/b|get|operationId",
		 "\"Things_Get_2\""},
		{"get: /a/{str}\n    additional_bindings: [{put: '/a/{i32}', body: inner}]",
		 "paths|/a/{str}|put|parameters|0|name", "\"str\""},
		{"get: /a/{str}\n    additional_bindings: [{get: '/a/{i32=**}'}]",
		 "paths|/a/{str}|get|x-headgate-shadowed", "[\"/a/{i32=**}\"]"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct document document;
		struct rule_file rules;
		struct error err = {0};
		struct buf text;

		buf_init(&text, 4096);
		assert_true(buf_printf(&text,
				       "http:\n  rules:\n  - selector: " THINGS ".Get\n    %s\n",
				       rows[i].rule));
		if (rule_file_read(&rules, "f.yaml", buf_span(&text), &err))
			fail_msg("%s: %s", rows[i].rule, err.message);
		document_init(&document, (struct openapi_params){0}, &rules);
		assert_json(document.root, rows[i].path, rows[i].want);
		document_fini(&document);
		rule_file_fini(&rules);
		buf_fini(&text);
	}
}

/* Names of the query parameters of a rule for Things.Get, in their order. */
static void queries_have_what_path_and_body_leave(void **state)
{
	static const struct {
		const char *rule;
		const char *has;
		const char *has_not;
	} rows[] = {
		{"get: /q/{str}", "i32", "str"},
		{"get: /q/{inner.name}", "inner.size", "inner.name"},
		{"get: /q", "inner.deep.leaf", "inner.self.name"},
		{"get: /q", "labels", "inners"},
		{"get: /q", "nums", "items"},
		{"get: /q", "inner.free", "inner"},
		{"put: /q\n    body: inner", "str", "inner.name"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct document document;
		struct rule_file rules;
		struct error err = {0};
		struct buf text;
		bool has = false;
		const json_t *item;
		const json_t *parameters;

		buf_init(&text, 4096);
		assert_true(buf_printf(&text,
				       "http:\n  rules:\n  - selector: " THINGS ".Get\n    %s\n",
				       rows[i].rule));
		assert_int_equal(rule_file_read(&rules, "f.yaml", buf_span(&text), &err), ST_OK);
		document_init(&document, (struct openapi_params){0}, &rules);
		item = json_object_iter_value(
			json_object_iter((json_t *)(uintptr_t)at(document.root, "paths")));
		item = json_object_iter_value(json_object_iter((json_t *)(uintptr_t)item));
		parameters = at(item, "parameters");
		for (size_t k = 0; k < json_array_size(parameters); k++) {
			const json_t *parameter = json_array_get(parameters, k);
			const char *name = json_string_value(json_object_get(parameter, "name"));

			if (strcmp(json_string_value(json_object_get(parameter, "in")), "query") !=
			    0)
				continue;
			has |= strcmp(name, rows[i].has) == 0;
			UNIT_ROW(rows[i].rule, strcmp(name, rows[i].has_not) != 0);
		}
		UNIT_ROW(rows[i].rule, has);
		document_fini(&document);
		rule_file_fini(&rules);
		buf_fini(&text);
	}
}

static void title_and_version_are_those_given(void **state)
{
	struct document document;

	(void)state;
	document_init(&document, (struct openapi_params){0}, NULL);
	assert_json(document.root, "info|title", "\"Things\"");
	assert_json(document.root, "info|version", "\"0\"");
	document_fini(&document);
	document_init(
		&document,
		(struct openapi_params){.title = SPAN_LIT("Shop"), .version = SPAN_LIT("1.2")},
		NULL);
	assert_json(document.root, "info|title", "\"Shop\"");
	assert_json(document.root, "info|version", "\"1.2\"");
	assert_json(document.root, "openapi", "\"3.1.0\"");
	document_fini(&document);
}

static void only_one_service_is_shown_when_asked_for(void **state)
{
	struct document document;

	(void)state;
	document_init(&document, (struct openapi_params){.service = SPAN_LIT("hg.test.Other")},
		      NULL);
	assert_json(document.root, "paths", "{}");
	document_fini(&document);
}

static void a_document_that_does_not_fit_is_an_error(void **state)
{
	struct document document;
	struct openapi_params params = {0};
	struct error err = {0};
	struct buf text;

	(void)state;
	document_init(&document, params, NULL);
	buf_init(&text, 1000);
	assert_int_equal(write_document(&document, &params, &text, &err), ST_RESOURCE_EXHAUSTED);
	assert_non_null(strstr(err.message, "too large"));
	buf_fini(&text);
	document_fini(&document);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_have_their_json_types),
		cmocka_unit_test(printing_options_show),
		cmocka_unit_test(templates_become_paths),
		cmocka_unit_test(queries_have_what_path_and_body_leave),
		cmocka_unit_test(title_and_version_are_those_given),
		cmocka_unit_test(only_one_service_is_shown_when_asked_for),
		cmocka_unit_test(a_document_that_does_not_fit_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
