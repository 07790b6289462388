#include "src/config/rule_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "src/base/buf.h"
#include "src/base/error.h"
#include "tests/unit/unit.h"

static void print_binding(const struct rule_binding *binding, struct buf *out)
{
	(void)buf_printf(out, "%.*s|%.*s %.*s", SPAN_FMT(binding->selector),
			 SPAN_FMT(binding->verb), SPAN_FMT(binding->path));
	if (binding->is_custom)
		(void)buf_append_str(out, " custom");
	if (binding->has_body)
		(void)buf_printf(out, " body=%.*s", SPAN_FMT(binding->body));
	if (binding->has_response_body)
		(void)buf_printf(out, " response=%.*s", SPAN_FMT(binding->response_body));
	(void)buf_printf(out, " @%.*s\n", SPAN_FMT(binding->origin));
	for (size_t i = 0; i < binding->additional_count; i++)
		print_binding(&binding->additional[i], out);
}

static void rules_are_read_as_written(void **state)
{
	static const struct {
		const char *text;
		const char *want;
	} rows[] = {
		{"http:\n  rules:\n  - selector: a.B.C\n    get: /v1/{x}\n",
		 "a.B.C|GET /v1/{x} @f.yaml:3\n"},
		{"http: {rules: [{selector: a.B.C, post: '/x', body: '*', response_body: y}]}",
		 "a.B.C|POST /x body=* response=y @f.yaml:1\n"},
		{"http:\n  rules:\n  - selector: a\n    put: /p\n    body: \"\"\n"
		 "  - selector: b\n    custom: {kind: LINK, path: /l}\n    responseBody: r\n",
		 "a|PUT /p body= @f.yaml:3\nb|LINK /l custom response=r @f.yaml:6\n"},
		{"http:\n  rules:\n  - selector: a\n    delete: /d\n    additional_bindings:\n"
		 "    - patch: /e\n      body: f\n    - get: /g\n",
		 "a|DELETE /d @f.yaml:3\n|PATCH /e body=f @f.yaml:6\n|GET /g @f.yaml:8\n"},
		{"http: {rules: [{selector: a, get: /a, additionalBindings: [{get: /b, "
		 "additionalBindings: [{get: /c}]}]}]}",
		 "a|GET /a @f.yaml:1\n|GET /b @f.yaml:1\n|GET /c @f.yaml:1\n"},
		{"type: google.api.Service\nconfig_version: 3\napis: [{name: x}]\nhttp: {rules: "
		 "[]}",
		 ""},
		{"http:\n", ""},
		{"http:\n  rules:\n", ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct rule_file file;
		struct error err = {0};
		struct buf got;

		buf_init(&got, 4096);
		if (rule_file_read(&file, "f.yaml", span_from_str(rows[i].text), &err))
			fail_msg("%s: %s", rows[i].text, err.message);
		for (size_t k = 0; k < file.count; k++)
			print_binding(&file.rules[k], &got);
		UNIT_ROW_SPAN(rows[i].text, buf_span(&got), rows[i].want);
		buf_fini(&got);
		rule_file_fini(&file);
	}
}

static void print_options(const struct rule_options *one, struct buf *out)
{
	(void)buf_printf(out, "%.*s", SPAN_FMT(one->selector));
#define CO(field, kind, section, key)                                                              \
	if (one->set & 1U << CALL_OPTION_##field)                                                  \
		(void)buf_printf(out, " " section key "=%llu",                                     \
				 (unsigned long long)one->options.field);
#include "src/config/call_options.def"
#undef CO
	(void)buf_printf(out, " @%.*s\n", SPAN_FMT(one->origin));
}

static void options_are_read_as_written(void **state)
{
	static const struct {
		const char *text;
		const char *want;
	} rows[] = {
		{"http:\n  options:\n  - selector: a.B.C\n    timeout: 5s\n    max_timeout: 1m\n"
		 "  - selector: 'a.*'\n    etag: true\n",
		 "a.B.C timeout=5000 max_timeout=60000 @f.yaml:3\na.* etag=1 @f.yaml:6\n"},
		{"http: {options: [{selector: '*', stream_default: ndjson, empty_no_content: "
		 "false, json: {add_whitespace: true, int64_as_number: false}}]}",
		 "* stream_default=1 empty_no_content=0 jsonadd_whitespace=1 "
		 "jsonint64_as_number=0 @f.yaml:1\n"},
		{"http: {options: [{selector: a}]}", "a @f.yaml:1\n"},
		{"http:\n  options:\n", ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct rule_file file;
		struct error err = {0};
		struct buf got;

		buf_init(&got, 4096);
		if (rule_file_read(&file, "f.yaml", span_from_str(rows[i].text), &err))
			fail_msg("%s: %s", rows[i].text, err.message);
		for (size_t k = 0; k < file.option_count; k++)
			print_options(&file.options[k], &got);
		UNIT_ROW_SPAN(rows[i].text, buf_span(&got), rows[i].want);
		buf_fini(&got);
		rule_file_fini(&file);
	}
}

static void mistakes_are_named_with_their_line(void **state)
{
	static const struct {
		const char *text;
		const char *message;
	} rows[] = {
		{"", "f.yaml:1: the file is empty"},
		{"- a\n", "f.yaml:1: the file must hold a mapping"},
		{"htpp: {}\n", "f.yaml:1: there is no section http"},
		{"http: 3\n", "f.yaml:1: http is a mapping with rules"},
		{"http:\n  rulez: []\n", "f.yaml:2: rulez: unknown key"},
		{"http: {options: x}", "f.yaml:1: a list of options is expected here"},
		{"http: {options: [x]}", "f.yaml:1: options are a mapping"},
		{"http:\n  options:\n  - etag: true\n",
		 "f.yaml:3: options need a selector: pkg.Service.Method, pkg.Service.* or *"},
		{"http: {options: [{selector: 'a.B*'}]}",
		 "f.yaml:1: options need a selector: pkg.Service.Method, pkg.Service.* or *"},
		{"http: {options: [{selector: 'a.*.c'}]}",
		 "f.yaml:1: options need a selector: pkg.Service.Method, pkg.Service.* or *"},
		{"http:\n  options:\n  - selector: a\n    etags: true\n",
		 "f.yaml:4: etags: unknown key"},
		{"http:\n  options:\n  - selector: a\n    json:\n      etag: true\n",
		 "f.yaml:5: etag: unknown key"},
		{"http: {options: [{selector: a, json: true}]}",
		 "f.yaml:1: json is a mapping of options"},
		{"http: {options: [{selector: a, etag: yes}]}",
		 "f.yaml:1: true or false is expected here"},
		{"http: {options: [{selector: a, timeout: 5}]}",
		 "f.yaml:1: a duration up to 720h is expected here, for instance 500ms, 30s or 5m"},
		{"http: {options: [{selector: a, stream_default: sse}]}",
		 "f.yaml:1: array or ndjson is expected here"},
		{"http:\n  rules: x\n", "f.yaml:2: a list of rules is expected here"},
		{"http:\n  rules:\n  - x\n", "f.yaml:3: a rule is a mapping"},
		{"http:\n  rules:\n  - get: /a\n", "f.yaml:3: a rule without selector"},
		{"http:\n  rules:\n  - selector: a\n    got: /a\n", "f.yaml:4: got: unknown key"},
		{"http:\n  rules:\n  - selector: a\n    get: /a\n    post: /b\n",
		 "f.yaml:5: a rule has one pattern; more go into additional_bindings"},
		{"http:\n  rules:\n  - selector: a\n    get: /a\n    get: /b\n",
		 "f.yaml:5: get: twice"},
		{"http:\n  rules:\n  - selector: a\n    get: [a]\n",
		 "f.yaml:4: a text is expected here"},
		{"http:\n  rules:\n  - selector: a\n    custom: LINK\n",
		 "f.yaml:4: custom is a mapping of kind and path"},
		{"http:\n  rules:\n  - selector: a\n    custom: {knd: LINK}\n",
		 "f.yaml:4: knd: unknown key"},
		{"http:\n  rules:\n  - selector: \"a\\0b\"\n    get: /a\n",
		 "f.yaml:3: a text holds a NUL"},
		{"http: {rules: [{selector: a, additional_bindings: [{additional_bindings: "
		 "[{additional_bindings: [{get: /a}]}]}]}]}\n",
		 "f.yaml:1: additional bindings are nested too deeply"},
		{"http: &a\n  rules:\n  - selector: x\n    additional_bindings: [*a]\n",
		 "f.yaml:2: rules: unknown key"},
		{"http: {[a]: b}\n", "f.yaml:1: a key must be a name"},
		{"http:\n  rules: [\n", "f.yaml:3: not YAML: did not find expected node content"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct rule_file file;
		struct error err = {0};

		UNIT_ROW(rows[i].text, rule_file_read(&file, "f.yaml", span_from_str(rows[i].text),
						      &err) == ST_INVALID_ARGUMENT);
		UNIT_ROW_SPAN(rows[i].text, span_from_str(err.message), rows[i].message);
		assert_int_equal(file.count, 0);
	}
}

static void a_file_is_loaded(void **state)
{
	char path[] = "/tmp/test_rule_file_XXXXXX";
	static const char text[] = "http: {rules: [{selector: a, get: /a}]}\n";
	struct rule_file file;
	struct error err = {0};
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	assert_int_equal(close(fd), 0);
	assert_int_equal(rule_file_load(&file, path, &err), ST_OK);
	assert_int_equal(file.count, 1);
	rule_file_fini(&file);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rule_file_load(&file, path, &err), ST_NOT_FOUND);
	assert_int_equal(rule_file_load(&file, "/tmp", &err), ST_UNAVAILABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_are_read_as_written),
		cmocka_unit_test(options_are_read_as_written),
		cmocka_unit_test(mistakes_are_named_with_their_line),
		cmocka_unit_test(a_file_is_loaded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
