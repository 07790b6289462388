#include "httpapi/http_rule.h"

#include <stdio.h>

#include "tests/unit/httpapi/types.h"
#include "tests/unit/unit.h"

#define ARENA_BYTES ((size_t)256 * 1024)
#define SEARCH "/hg.test.Things/Search"

struct row {
	const char *name;
	const char *method; /* NULL: SEARCH */
	const char *verb;
	const char *path;
	const char *body;
	const char *response_body;
	const char *selector;
	const char *message; /* NULL: the rule is right */
};

static enum status compile(const struct schema *schema, const struct row *row, struct arena *arena,
			   struct http_rule *rule, struct error *err)
{
	struct options_http_rule written = {
		.selector = span_from_str(row->selector),
		.verb = span_from_str(row->verb),
		.path = span_from_str(row->path),
		.body = span_from_str(row->body),
		.response_body = span_from_str(row->response_body),
	};

	return http_rule_compile(types_method(schema, row->method ? row->method : SEARCH), &written,
				 arena, rule, err);
}

#define IN_SEARCH(verb_and_path)                                                                   \
	" (" verb_and_path ", method hg.test.Things.Search in tests/unit/httpapi/binding.proto)"

static void faults_are_named(void **state)
{
	static const struct row rows[] = {
		{.name = "empty pattern",
		 .message = "HTTP API Config: Pattern missing for rule "
			    "[hg.test.Things.Search]!" IN_SEARCH(" ''")},
		{.name = "wrong selector",
		 .verb = "GET",
		 .path = "/a",
		 .selector = "not.me",
		 .message = "HTTP API Config: Rule selector [not.me] must be empty or "
			    "[hg.test.Things.Search]" IN_SEARCH("GET '/a'")},
		{.name = "own selector",
		 .verb = "GET",
		 .path = "/a",
		 .selector = "hg.test.Things.Search"},
		{.name = "no slash",
		 .verb = "GET",
		 .path = "no/initial/slash",
		 .message = "Template must start with a slash at character 1 of "
			    "'no/initial/slash'" IN_SEARCH("GET 'no/initial/slash'")},
		{.name = "unknown variable",
		 .verb = "GET",
		 .path = "/{nope}",
		 .message = "HTTP API Config: Unknown field name [nope] in type [hg.test.All] "
			    "reference in path template for method "
			    "[hg.test.Things.Search]" IN_SEARCH("GET '/{nope}'")},
		{.name = "unknown nested variable",
		 .verb = "GET",
		 .path = "/{inner.nope}",
		 .message = "HTTP API Config: Unknown field name [nope] in type [hg.test.Inner] "
			    "reference in path template for method "
			    "[hg.test.Things.Search]" IN_SEARCH("GET '/{inner.nope}'")},
		{.name = "json name in a variable",
		 .verb = "GET",
		 .path = "/{twoWords}",
		 .message = "HTTP API Config: Unknown field name [twoWords] in type [hg.test.All] "
			    "reference in path template for method "
			    "[hg.test.Things.Search]" IN_SEARCH("GET '/{twoWords}'")},
		{.name = "repeated variable",
		 .verb = "GET",
		 .path = "/{list}",
		 .message = "HTTP API Config: Repeated parameters [hg.test.All.list] are not "
			    "allowed as path variables" IN_SEARCH("GET '/{list}'")},
		{.name = "map variable",
		 .verb = "GET",
		 .path = "/{labels}",
		 .message = "HTTP API Config: Map parameters [hg.test.All.labels] are not allowed "
			    "as path variables" IN_SEARCH("GET '/{labels}'")},
		{.name = "repeated step",
		 .verb = "GET",
		 .path = "/{items.name}",
		 .message = "HTTP API Config: Repeated parameters [hg.test.All.items] are not "
			    "allowed as path variables" IN_SEARCH("GET '/{items.name}'")},
		{.name = "message variable",
		 .verb = "GET",
		 .path = "/{inner}",
		 .message = "HTTP API Config: Message path parameters not supported! "
			    "[hg.test.All.inner]" IN_SEARCH("GET '/{inner}'")},
		{.name = "struct variable",
		 .verb = "GET",
		 .path = "/{st}",
		 .message = "HTTP API Config: Message path parameters not supported! "
			    "[hg.test.All.st]" IN_SEARCH("GET '/{st}'")},
		{.name = "any variable",
		 .verb = "GET",
		 .path = "/{any}",
		 .message = "HTTP API Config: Message path parameters not supported! "
			    "[hg.test.All.any]" IN_SEARCH("GET '/{any}'")},
		{.name = "step into a scalar",
		 .verb = "GET",
		 .path = "/{str.x}",
		 .message = "HTTP API Config: Field [hg.test.All.str] in a path variable has no "
			    "fields of its own" IN_SEARCH("GET '/{str.x}'")},
		{.name = "step into a timestamp",
		 .verb = "GET",
		 .path = "/{at.seconds}",
		 .message = "HTTP API Config: Field [hg.test.All.at] in a path variable has no "
			    "fields of its own" IN_SEARCH("GET '/{at.seconds}'")},
		{.name = "two of a oneof",
		 .verb = "GET",
		 .path = "/{left}/{right}",
		 .message = "HTTP API Config: Path variables [left] and [right] are members of "
			    "the same oneof" IN_SEARCH("GET '/{left}/{right}'")},
		{.name = "two of a oneof below",
		 .verb = "GET",
		 .path = "/{left}/{mid.name}",
		 .message = "HTTP API Config: Path variables [left] and [mid.name] are members of "
			    "the same oneof" IN_SEARCH("GET '/{left}/{mid.name}'")},
		{.name = "same variable twice",
		 .verb = "GET",
		 .path = "/{str}/{str}",
		 .message = "Duplicate path in template at character 9 of "
			    "'/{str}/{str}'" IN_SEARCH("GET '/{str}/{str}'")},
		{.name = "custom kind",
		 .verb = "not a token",
		 .path = "/a",
		 .message = "HTTP API Config: Custom pattern kind [not a token] is neither an "
			    "HTTP method nor [*]" IN_SEARCH("not a token '/a'")},
		{.name = "body missing",
		 .verb = "POST",
		 .path = "/a",
		 .body = "nope",
		 .message = "HTTP API Config: Body configured to [nope] but that field does not "
			    "exist on input type." IN_SEARCH("POST '/a'")},
		{.name = "body nested",
		 .verb = "POST",
		 .path = "/a",
		 .body = "inner.name",
		 .message = "HTTP API Config: Body configured to [inner.name] but that field does "
			    "not exist on input type." IN_SEARCH("POST '/a'")},
		{.name = "body in the path",
		 .verb = "POST",
		 .path = "/{str}",
		 .body = "str",
		 .message = "HTTP API Config: Body configured to [str] but path variable [str] "
			    "sets it already" IN_SEARCH("POST '/{str}'")},
		{.name = "body and path in one oneof",
		 .verb = "POST",
		 .path = "/{left}",
		 .body = "mid",
		 .message = "HTTP API Config: Body configured to [mid] but path variable [left] "
			    "sets it already" IN_SEARCH("POST '/{left}'")},
		{.name = "response body missing",
		 .method = "/hg.test.Things/Ping",
		 .verb = "GET",
		 .path = "/a",
		 .response_body = "nope",
		 .message = "HTTP API Config: Response body field [nope] does not exist on type "
			    "[google.protobuf.Empty] (GET '/a', method hg.test.Things.Ping in "
			    "tests/unit/httpapi/binding.proto)"},
		{.name = "enum variable", .verb = "GET", .path = "/{color}"},
		{.name = "wrapper variable", .verb = "GET", .path = "/{sval}/{at}/{ttl}/{mask}"},
		{.name = "optional variable", .verb = "GET", .path = "/{opt}"},
		{.name = "custom any", .verb = "*", .path = "/a"},
		{.name = "custom method", .verb = "LINK", .path = "/a"},
		{.name = "body around the variable",
		 .verb = "PUT",
		 .path = "/{inner.name}",
		 .body = "inner"},
		{.name = "list body", .verb = "PUT", .path = "/a", .body = "list"},
		{.name = "map body", .verb = "PUT", .path = "/a", .body = "labels"},
		{.name = "scalar response", .verb = "GET", .path = "/a", .response_body = "i64"},
	};
	struct schema *schema = types_schema();

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena arena;
		struct http_rule rule;
		struct error err = {0};
		enum status status;

		arena_init(&arena, ARENA_BYTES);
		status = compile(schema, &rows[i], &arena, &rule, &err);
		if (!rows[i].message) {
			UNIT_ROW(rows[i].name, status == ST_OK);
		} else {
			UNIT_ROW(rows[i].name, status == ST_INVALID_ARGUMENT);
			UNIT_ROW_SPAN(rows[i].name, span_from_str(err.message), rows[i].message);
		}
		arena_fini(&arena);
	}
	schema_unref(schema);
}

static void rules_are_resolved(void **state)
{
	static const struct {
		struct row row;
		bool is_raw_request;
		bool is_raw_response;
		const char *mask;
		const char *doubt;
	} rows[] = {
		{{.name = "patch finds the mask", .verb = "PATCH", .path = "/a", .body = "inner"},
		 .mask = "mask"},
		{{.name = "patch of all", .verb = "PATCH", .path = "/a", .body = "*"}},
		{{.name = "put", .verb = "PUT", .path = "/a", .body = "inner"}},
		{{.name = "mask in the path", .verb = "PATCH", .path = "/{mask}", .body = "inner"}},
		{{.name = "patch of a scalar", .verb = "PATCH", .path = "/a", .body = "str"}},
		{{.name = "patch of a struct", .verb = "PATCH", .path = "/a", .body = "st"}},
		{{.name = "two masks",
		  .method = "/hg.test.Things/UpdateTwo",
		  .verb = "PATCH",
		  .path = "/a",
		  .body = "inner"}},
		{{.name = "raw both ways",
		  .method = "/hg.test.Things/Upload",
		  .verb = "POST",
		  .path = "/a",
		  .body = "*"},
		 .is_raw_request = true,
		 .is_raw_response = true},
		{{.name = "raw field",
		  .verb = "POST",
		  .path = "/a",
		  .body = "blob",
		  .response_body = "blob"},
		 .is_raw_request = true,
		 .is_raw_response = true},
		{{.name = "body on GET", .verb = "GET", .path = "/a", .body = "*"},
		 .doubt = "a body is configured for a method whose requests seldom carry one"},
		{{.name = "stream without body",
		  .method = "/hg.test.Things/Collect",
		  .verb = "GET",
		  .path = "/{str}"},
		 .doubt = "a client stream without body can hold one message only"},
	};
	struct schema *schema = types_schema();

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const char *name = rows[i].row.name;
		struct arena arena;
		struct http_rule rule;
		struct error err = {0};

		arena_init(&arena, ARENA_BYTES);
		if (compile(schema, &rows[i].row, &arena, &rule, &err))
			fail_msg("row \"%s\": %s", name, err.message);
		UNIT_ROW(name, rule.is_raw_request == rows[i].is_raw_request);
		UNIT_ROW(name, rule.is_raw_response == rows[i].is_raw_response);
		UNIT_ROW_SPAN(name, rule.mask_field ? rule.mask_field->name : SPAN_EMPTY,
			      rows[i].mask);
		UNIT_ROW_SPAN(name, span_from_str(http_rule_doubt(&rule)), rows[i].doubt);
		arena_fini(&arena);
	}
	schema_unref(schema);
}

static void the_generated_rule_takes_all(void **state)
{
	struct schema *schema = types_schema();
	struct arena arena;
	struct http_rule rule;
	struct error err = {0};

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	assert_int_equal(http_rule_generate(types_method(schema, "/hg.test.Things/Ping"),
					    SPAN_LIT("/hg.test.Things/Ping"), &arena, &rule, &err),
			 ST_OK);
	assert_true(span_eq_str(rule.verb, "POST"));
	assert_true(span_eq_str(rule.path.text, "/hg.test.Things/Ping"));
	assert_int_equal(rule.body, HTTP_BODY_ALL);
	assert_true(rule.is_generated);
	arena_fini(&arena);
	schema_unref(schema);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_are_named),
		cmocka_unit_test(rules_are_resolved),
		cmocka_unit_test(the_generated_rule_takes_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
