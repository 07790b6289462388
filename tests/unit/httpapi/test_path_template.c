#include "httpapi/path_template.h"

#include <stdio.h>
#include <string.h>

#include "src/base/buf.h"
#include "tests/unit/unit.h"

#define ARENA_BYTES ((size_t)256 * 1024)

/* A template as its parts: kinds joined by "/", verb after ":", then variables with their range. */
static void describe(const struct path_template *t, struct buf *out)
{
	for (size_t i = 0; i < t->segment_count; i++) {
		static const char *const kinds[] = {"", "*", "**"};

		(void)buf_printf(out, "/%s%.*s", kinds[t->segments[i].kind],
				 SPAN_FMT(t->segments[i].literal));
	}
	if (t->verb.len)
		(void)buf_printf(out, ":%.*s", SPAN_FMT(t->verb));
	for (size_t i = 0; i < t->variable_count; i++)
		(void)buf_printf(out, " %.*s=%zu-%zu%s", SPAN_FMT(t->variables[i].field_path),
				 t->variables[i].first, t->variables[i].end,
				 t->variables[i].is_multi ? "m" : "");
}

static void right_templates_parse(void **state)
{
	static const struct {
		const char *name;
		const char *text;
		const char *want;
	} rows[] = {
		{"root", "/", ""},
		{"root with verb", "/:go", ":go"},
		{"simple", "/foo", "/foo"},
		{"variable", "/foo/{bar}/baz", "/foo/*/baz bar=1-2"},
		{"two variables", "/foo/{bar}/baz/{other}", "/foo/*/baz/* bar=1-2 other=3-4"},
		{"variable template", "/foo/{bar=*/a/*}/baz", "/foo/*/a/*/baz bar=1-4m"},
		{"rest glob", "/foo/{bar=**}", "/foo/** bar=1-2m"},
		{"verb", "/foo/{bar}:watch", "/foo/*:watch bar=1-2"},
		{"verb after rest", "/foo/**:watch", "/foo/**:watch"},
		{"verb of two parts", "/foo:a:b", "/foo:a:b"},
		{"literals after rest", "/a/**/b/c", "/a/**/b/c"},
		{"literal after rest in a variable", "/a/{x=**/b}/c", "/a/**/b/c x=1-3m"},
		{"nested field", "/{a.b_c.d1}", "/* a.b_c.d1=0-1"},
		{"underscore first", "/{_x}", "/* _x=0-1"},
		{"literal variable", "/{x=foo}", "/foo x=0-1"},
		{"anonymous wildcard", "/*/b/*", "/*/b/*"},
		{"escape", "/a%2fb", "/a/b"},
		{"unreserved and sub-delims", "/a-._~!$&'()+,;=@", "/a-._~!$&'()+,;=@"},
		{"utf-8", "/\xc3\xa9", "/\xc3\xa9"},
		{"escaped verb", "/x:a%3Ab", "/x:a:b"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena arena;
		struct path_template t;
		struct error err = {0};
		struct buf got;

		arena_init(&arena, ARENA_BYTES);
		buf_init(&got, 4096);
		if (path_template_parse(span_from_str(rows[i].text), &arena, &t, &err))
			fail_msg("row \"%s\": %s", rows[i].name, err.message);
		describe(&t, &got);
		UNIT_ROW_SPAN(rows[i].name, buf_span(&got), rows[i].want);
		buf_fini(&got);
		arena_fini(&arena);
	}
}

static void wrong_templates_name_the_column(void **state)
{
	static const struct {
		const char *name;
		const char *text;
		const char *message;
	} rows[] = {
		{"empty", "", "Template must start with a slash at end of input of ''"},
		{"no slash", "foo", "Template must start with a slash at character 1 of 'foo'"},
		{"no slash, long", "no/initial/slash",
		 "Template must start with a slash at character 1 of 'no/initial/slash'"},
		{"nested variable", "/foo/{bar={baz}}",
		 "Variable segments may not be nested at character 11 of '/foo/{bar={baz}}'"},
		{"missing equals", "/foo/{bar*}",
		 "Expected '=' or '}' at character 10 of '/foo/{bar*}'"},
		{"no closing brace", "/foo/{bar",
		 "Expected '=' or '}' at end of input of '/foo/{bar'"},
		{"misplaced star", "/f*o", "Expected '/', ':' or the end at character 3 of '/f*o'"},
		{"bad variable pattern", "/foo/{bar=ba*}",
		 "Expected '/' or '}' at character 13 of '/foo/{bar=ba*}'"},
		{"duplicate", "/{duplicated}/{duplicated}",
		 "Duplicate path in template at character 16 of '/{duplicated}/{duplicated}'"},
		{"two rests", "/**/**",
		 "Only literals may follow a multi segment matcher (**) at character 5 of "
		 "'/**/**'"},
		{"star after rest", "/**/*",
		 "Only literals may follow a multi segment matcher (**) at character 5 of "
		 "'/**/*'"},
		{"variable after rest", "/**/{x}",
		 "Only literals may follow a multi segment matcher (**) at character 7 of "
		 "'/**/{x}'"},
		{"empty segment", "/a//b",
		 "Expected a literal, '*', '**' or a variable at character 4 of '/a//b'"},
		{"trailing slash", "/a/",
		 "Expected a literal, '*', '**' or a variable at end of input of '/a/'"},
		{"only slashes", "//",
		 "Expected a literal, '*', '**' or a variable at character 2 of '//'"},
		{"query", "/a?b", "Expected '/', ':' or the end at character 3 of '/a?b'"},
		{"space", "/a b", "Expected '/', ':' or the end at character 3 of '/a b'"},
		{"literal before variable", "/a{x}",
		 "Expected '/', ':' or the end at character 3 of '/a{x}'"},
		{"two variables in a segment", "/{x}{y}",
		 "Expected '/', ':' or the end at character 5 of '/{x}{y}'"},
		{"three stars", "/***", "Expected '/', ':' or the end at character 4 of '/***'"},
		{"empty verb",
		 "/a:", "Expected a literal, '*', '**' or a variable at end of input of '/a:'"},
		{"empty part of a verb", "/a::b",
		 "Expected a literal, '*', '**' or a variable at character 4 of '/a::b'"},
		{"verb in the middle", "/a:b/c",
		 "A verb may only be at the end at character 5 of '/a:b/c'"},
		{"verb in a variable", "/{x=a:b}",
		 "Expected '/' or '}' at character 6 of '/{x=a:b}'"},
		{"wildcard verb", "/a:*",
		 "Expected a literal, '*', '**' or a variable at character 4 of '/a:*'"},
		{"empty variable", "/{}", "Expected a field name at character 3 of '/{}'"},
		{"no field path", "/{=*}", "Expected a field name at character 3 of '/{=*}'"},
		{"digit first", "/{1x}", "Expected a field name at character 3 of '/{1x}'"},
		{"dot at the end", "/{a.}", "Expected a field name at character 5 of '/{a.}'"},
		{"empty pattern", "/{a=}",
		 "Expected a literal, '*', '**' or a variable at character 5 of '/{a=}'"},
		{"slash at the pattern's end", "/{a=b/}",
		 "Expected a literal, '*', '**' or a variable at character 7 of '/{a=b/}'"},
		{"unclosed pattern", "/{a=b", "Expected '/' or '}' at end of input of '/{a=b'"},
		{"closing brace alone", "/a}",
		 "Expected '/', ':' or the end at character 3 of '/a}'"},
		{"short escape", "/a%2", "Malformed percent escape at character 3 of '/a%2'"},
		{"bad escape", "/a%zz", "Malformed percent escape at character 3 of '/a%zz'"},
		{"not utf-8", "/\xff", "Template is not valid UTF-8"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena arena;
		struct path_template t;
		struct error err = {0};

		arena_init(&arena, ARENA_BYTES);
		UNIT_ROW(rows[i].name, path_template_parse(span_from_str(rows[i].text), &arena, &t,
							   &err) == ST_INVALID_ARGUMENT);
		UNIT_ROW_SPAN(rows[i].name, span_from_str(err.message), rows[i].message);
		arena_fini(&arena);
	}
}

/* A template of count parts: before, a number, after. */
static enum status parse_repeated(const char *before, const char *after, size_t count,
				  struct error *err)
{
	struct arena arena;
	struct path_template t;
	struct buf text;
	enum status status;

	arena_init(&arena, ARENA_BYTES);
	buf_init(&text, 64 * 1024);
	for (size_t i = 0; i < count; i++)
		(void)buf_printf(&text, "%s%zu%s", before, i, after);
	status = path_template_parse(buf_span(&text), &arena, &t, err);
	buf_fini(&text);
	arena_fini(&arena);
	return status;
}

static void limits_hold(void **state)
{
	struct error err = {0};

	(void)state;
	assert_int_equal(parse_repeated("/a", "", PATH_TEMPLATE_SEGMENTS_MAX, &err), ST_OK);
	assert_int_equal(parse_repeated("/a", "", PATH_TEMPLATE_SEGMENTS_MAX + 1, &err),
			 ST_INVALID_ARGUMENT);
	assert_int_equal(parse_repeated("/{v", "}", PATH_TEMPLATE_VARIABLES_MAX, &err), ST_OK);
	assert_int_equal(parse_repeated("/{v", "}", PATH_TEMPLATE_VARIABLES_MAX + 1, &err),
			 ST_INVALID_ARGUMENT);
	assert_int_equal(
		parse_repeated("/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "", 60, &err),
		ST_INVALID_ARGUMENT);
	assert_non_null(strstr(err.message, "Template too long"));
}

static void a_small_arena_is_an_error(void **state)
{
	struct arena arena;
	struct path_template t;
	struct error err = {0};

	(void)state;
	for (size_t limit = 0; limit < 256; limit += 16) {
		enum status status;

		arena_init(&arena, limit);
		status = path_template_parse(SPAN_LIT("/a/{b}:verb"), &arena, &t, &err);
		assert_true(status == ST_OK || status == ST_RESOURCE_EXHAUSTED);
		arena_fini(&arena);
	}
}

static void shapes_and_precedence(void **state)
{
	static const struct {
		const char *a;
		const char *b;
		bool is_same;
		bool is_overlap;
		int order; /* sign; looked at when they overlap */
	} rows[] = {
		{"/a/{x}", "/a/{y}", true, true, 0},
		{"/a/{x}", "/a/*", true, true, 0},
		{"/a/%62", "/a/b", true, true, 0},
		{"/a/b", "/a/{x}", false, true, -1},
		{"/a/**", "/a/{x}", false, true, 1},
		{"/a/{x}/c", "/a/b/{y}", false, true, 1},
		{"/a/{x}/c", "/a/b/d", false, false, 0},
		{"/a/b", "/a/c", false, false, 0},
		{"/a", "/a/**", false, true, -1},
		{"/", "/**", false, true, -1},
		{"/", "/*", false, false, 0},
		{"/**/z", "/**", false, true, -1},
		{"/**/y/z", "/**/z", false, true, -1},
		{"/**/y", "/**/z", false, false, 0},
		{"/a/**/z", "/*/b/z", false, true, -1},
		{"/a/*", "/b/**", false, false, 0},
		{"/a/{x}:go", "/a/{x}", false, true, -1},
		{"/a/b:go", "/a/{x}", false, true, -1},
		{"/a/b:go", "/a/b", false, false, 0},
		{"/a/**", "/a/b/c:go", false, true, 1},
		{"/:go", "/*", false, true, -1},
		{"/a:go", "/a:stop", false, false, 0},
		{"/a/*/c", "/a/*", false, false, 0},
	};
	struct arena arena;

	(void)state;
	arena_init(&arena, ARENA_BYTES);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct path_template a;
		struct path_template b;
		struct error err;
		int order;

		if (path_template_parse(span_from_str(rows[i].a), &arena, &a, &err) ||
		    path_template_parse(span_from_str(rows[i].b), &arena, &b, &err))
			fail_msg("row %zu: %s", i, err.message);
		UNIT_ROW(rows[i].a, path_template_same_shape(&a, &b) == rows[i].is_same);
		UNIT_ROW(rows[i].a, path_template_overlap(&a, &b) == rows[i].is_overlap);
		UNIT_ROW(rows[i].a, path_template_overlap(&b, &a) == rows[i].is_overlap);
		if (!rows[i].is_overlap)
			continue;
		order = path_template_precedence(&a, &b);
		UNIT_ROW(rows[i].a, (order > 0) - (order < 0) == rows[i].order);
		order = path_template_precedence(&b, &a);
		UNIT_ROW(rows[i].a, (order < 0) - (order > 0) == rows[i].order);
	}
	arena_fini(&arena);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_templates_parse),
		cmocka_unit_test(wrong_templates_name_the_column),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(a_small_arena_is_an_error),
		cmocka_unit_test(shapes_and_precedence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
