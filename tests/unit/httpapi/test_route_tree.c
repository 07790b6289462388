/* The search alone: routes here have a method and a template, no schema. */
#include "httpapi/route_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/buf.h"
#include "src/base/mem.h"
#include "tests/unit/unit.h"

#define ARENA_BYTES ((size_t)16 * 1024 * 1024)
#define ROUTES_MAX 256

struct set {
	struct arena arena;
	struct route_tree tree;
	struct route routes[ROUTES_MAX];
	size_t count;
};

static struct set *set_new(void)
{
	struct set *set = mem_new(struct set);

	arena_init(&set->arena, ARENA_BYTES);
	route_tree_init(&set->tree, &set->arena);
	return set;
}

static void set_free(struct set *set)
{
	route_tree_fini(&set->tree);
	arena_fini(&set->arena);
	mem_free(set);
}

/* rule: "GET /a/{b}". False when the same route is there already. */
static bool set_add(struct set *set, const char *rule)
{
	struct span text = span_from_str(rule);
	size_t space = span_find(text, ' ');
	struct route *route = &set->routes[set->count];
	struct route *same = NULL;
	struct error err = {0};
	uint8_t *verb = arena_alloc(&set->arena, space);

	assert_true(set->count < ROUTES_MAX);
	memcpy(verb, text.data, space);
	*route = (struct route){.rule.verb = span_make(verb, space)};
	if (path_template_parse(span_skip(text, space + 1), &set->arena, &route->rule.path, &err) ||
	    route_tree_add(&set->tree, route, &same, &err))
		fail_msg("%s: %s", rule, err.message);
	if (same)
		return false;
	set->count++;
	return true;
}

/* Rules separated by ';', all different. */
static void set_add_all(struct set *set, const char *rules)
{
	struct span rest = span_from_str(rules);

	while (rest.len) {
		char rule[128];
		struct span one = span_head(rest, span_find(rest, ';'));

		(void)snprintf(rule, sizeof(rule), "%.*s", SPAN_FMT(one));
		assert_true(set_add(set, rule));
		rest = span_skip(rest, one.len + 1);
	}
}

/* The outcome of a search as text: template and captures, "404", "405 GET,POST" or "400". */
static void outcome(const struct set *set, const char *request, struct buf *out)
{
	struct span text = span_from_str(request);
	size_t space = span_find(text, ' ');
	struct route_match match;

	buf_reset(out);
	switch (route_tree_match(&set->tree, span_head(text, space), span_skip(text, space + 1),
				 &match)) {
	case ROUTE_FOUND:
		(void)buf_printf(out, "%s%.*s %.*s", match.is_head ? "HEAD of " : "",
				 SPAN_FMT(match.route->rule.verb),
				 SPAN_FMT(match.route->rule.path.text));
		for (size_t i = 0; i < match.route->rule.path.variable_count; i++)
			(void)buf_printf(out, " %.*s=<%.*s>",
					 SPAN_FMT(match.route->rule.path.variables[i].field_path),
					 SPAN_FMT(match.captures[i]));
		break;
	case ROUTE_METHOD_NOT_ALLOWED:
		(void)buf_append_str(out, "405");
		for (size_t i = 0; i < set->tree.method_count; i++)
			if (match.allowed & (uint64_t)1 << i)
				(void)buf_printf(out, " %.*s", SPAN_FMT(set->tree.methods[i]));
		break;
	case ROUTE_NOT_FOUND:
		(void)buf_append_str(out, "404");
		break;
	case ROUTE_BAD_PATH:
		(void)buf_append_str(out, "400");
		break;
	}
}

static void requests_find_their_route(void **state)
{
	static const struct {
		const char *name;
		const char *routes; /* separated by ';' */
		const char *request;
		const char *want;
	} rows[] = {
		{"simple", "GET /foo", "GET /foo", "GET /foo"},
		{"simple, other", "GET /foo", "GET /bar", "404"},
		{"variable", "GET /foo/{bar}/baz", "GET /foo/blah/baz",
		 "GET /foo/{bar}/baz bar=<blah>"},
		{"variable, too short", "GET /foo/{bar}/baz", "GET /foo", "404"},
		{"variable, too long", "GET /foo/{bar}/baz", "GET /foo/bl/ah/baz", "404"},
		{"two variables", "GET /foo/{bar}/baz/{other}", "GET /foo/1/baz/2",
		 "GET /foo/{bar}/baz/{other} bar=<1> other=<2>"},
		{"variable template", "GET /foo/{bar=*/a/*}/baz", "GET /foo/bl/a/h/baz",
		 "GET /foo/{bar=*/a/*}/baz bar=<bl/a/h>"},
		{"rest glob", "GET /foo/{bar=**}", "GET /foo/blah/baz",
		 "GET /foo/{bar=**} bar=<blah/baz>"},
		{"verb missing", "GET /foo/{bar}:watch", "GET /foo/blah", "404"},
		{"verb", "GET /foo/{bar}:watch", "GET /foo/blah:watch",
		 "GET /foo/{bar}:watch bar=<blah>"},
		{"root", "GET /", "GET /", "GET /"},
		{"root is not all", "GET /", "GET /a", "404"},
		{"root verb", "GET /:go", "GET /:go", "GET /:go"},
		{"star is not root", "GET /*", "GET /", "404"},
		{"rest is root", "GET /{x=**}", "GET /", "GET /{x=**} x=<>"},
		{"trailing slash", "GET /a", "GET /a/", "404"},
		{"no trailing slash", "GET /a/{x}", "GET /a", "404"},
		{"star wants a byte", "GET /a/{x}", "GET /a/", "404"},
		{"star wants a byte inside", "GET /a/{x}/b", "GET /a//b", "404"},
		{"rest covers nothing", "GET /a/{x=**}", "GET /a", "GET /a/{x=**} x=<>"},
		{"rest covers an empty segment", "GET /a/{x=**}", "GET /a/", "GET /a/{x=**} x=<>"},
		{"rest keeps empty segments", "GET /a/{x=**}", "GET /a//b/",
		 "GET /a/{x=**} x=</b/>"},
		{"rest before a tail", "GET /a/{x=**}/z", "GET /a/b/c/z",
		 "GET /a/{x=**}/z x=<b/c>"},
		{"rest of nothing before a tail", "GET /a/{x=**}/z", "GET /a/z",
		 "GET /a/{x=**}/z x=<>"},
		{"a tail is not used twice", "GET /a/**/a", "GET /a", "404"},
		{"rest with tail in one variable", "GET /a/{x=b/**/z}", "GET /a/b/c/d/z",
		 "GET /a/{x=b/**/z} x=<b/c/d/z>"},
		{"variable behind rest", "GET /a/**/{x=z}", "GET /a/b/z", "GET /a/**/{x=z} x=<z>"},
		{"longer tail first", "GET /**/z;GET /{x=**}/y/z", "GET /a/y/z",
		 "GET /{x=**}/y/z x=<a>"},
		{"shorter tail when the longer fails", "GET /{x=**}/z;GET /**/y/z", "GET /a/b/z",
		 "GET /{x=**}/z x=<a/b>"},
		{"tail before bare rest", "GET /{x=**};GET /**/z", "GET /a/z", "GET /**/z"},
		{"bare rest", "GET /{x=**};GET /**/z", "GET /a/y", "GET /{x=**} x=<a/y>"},
		{"literal first", "GET /a/{x};GET /a/b;GET /a/**", "GET /a/b", "GET /a/b"},
		{"star next", "GET /a/**;GET /a/b;GET /a/{x}", "GET /a/c", "GET /a/{x} x=<c>"},
		{"rest last", "GET /a/b;GET /a/{x};GET /a/{y=**}", "GET /a/c/d",
		 "GET /a/{y=**} y=<c/d>"},
		{"left decides", "GET /{x}/b;GET /a/{y}", "GET /a/b", "GET /a/{y} y=<b>"},
		{"back from a literal", "GET /a/b/c;GET /a/{x}/d", "GET /a/b/d",
		 "GET /a/{x}/d x=<b>"},
		{"back from two literals", "GET /a/b/c;GET /{x}/b/d;GET /a/{y}/e", "GET /a/b/d",
		 "GET /{x}/b/d x=<a>"},
		{"back from a star", "GET /{x}/b;GET /{y=**}", "GET /a/c", "GET /{y=**} y=<a/c>"},
		{"back for the method", "POST /a/b;GET /a/{x}", "GET /a/b", "GET /a/{x} x=<b>"},
		{"back for the method from a star", "POST /a/{x};GET /a/{y=**}", "GET /a/b",
		 "GET /a/{y=**} y=<b>"},
		{"method not allowed", "POST /a/b;PUT /a/{x};DELETE /c", "GET /a/b",
		 "405 POST PUT"},
		{"unknown method", "POST /a", "BREW /a", "405 POST"},
		{"methods are case-sensitive", "GET /a", "get /a", "405 GET"},
		{"any method", "* /a", "BREW /a", "* /a"},
		{"exact method first", "* /a;GET /a", "GET /a", "GET /a"},
		{"any method on the nearer path", "* /a/b;GET /a/{x}", "GET /a/b", "* /a/b"},
		{"head of get", "GET /a", "HEAD /a", "HEAD of GET /a"},
		{"head itself", "GET /a;HEAD /a", "HEAD /a", "HEAD /a"},
		{"head of get before any", "GET /a;* /a", "HEAD /a", "HEAD of GET /a"},
		{"head without get", "POST /a", "HEAD /a", "405 POST"},
		{"custom method", "LINK /a", "LINK /a", "LINK /a"},
		{"colon in a value", "GET /x/{a}", "GET /x/a:b", "GET /x/{a} a=<a:b>"},
		{"unknown verb is a value", "GET /x/{a};GET /x/{a}:go", "GET /x/a:b",
		 "GET /x/{a} a=<a:b>"},
		{"verb before value", "GET /x/{a};GET /x/{a}:go", "GET /x/a:go",
		 "GET /x/{a}:go a=<a>"},
		{"verb of another path is a value", "GET /x/{a};GET /y/{a}:go", "GET /x/a:go",
		 "GET /x/{a} a=<a:go>"},
		{"last colon counts", "GET /x/{a}:go", "GET /x/a:b:go", "GET /x/{a}:go a=<a:b>"},
		{"longest verb first", "GET /x/{a}:b:go;GET /x/{a}:go", "GET /x/a:b:go",
		 "GET /x/{a}:b:go a=<a>"},
		{"verb decides over the method", "POST /x/{a}:go;GET /x/{a}", "GET /x/a:go",
		 "405 POST"},
		{"empty value before a verb", "GET /x/{a}:go", "GET /x/:go", "404"},
		{"colon at the end", "GET /x/{a}", "GET /x/a:", "GET /x/{a} a=<a:>"},
		{"verb after rest", "GET /x/{a=**}:go", "GET /x/a/b:go",
		 "GET /x/{a=**}:go a=<a/b>"},
		{"verb only in the last segment", "GET /x:go", "GET /x:go/y", "404"},
		{"escaped colon is no verb", "GET /x/{a};GET /x/{a}:go", "GET /x/a%3Ago",
		 "GET /x/{a} a=<a%3Ago>"},
		{"escaped verb", "GET /x:go", "GET /x:g%6F", "GET /x:go"},
		{"escaped literal in the path", "GET /caf\xc3\xa9", "GET /caf%C3%A9",
		 "GET /caf\xc3\xa9"},
		{"escaped literal in the rule", "GET /a%2Fb", "GET /a%2fb", "GET /a%2Fb"},
		{"an escaped slash does not split", "GET /a/{x}", "GET /a/b%2Fc",
		 "GET /a/{x} x=<b%2Fc>"},
		{"dots are data", "GET /a/{x=**}", "GET /a/../b/%2E%2E",
		 "GET /a/{x=**} x=<../b/%2E%2E>"},
		{"no leading slash", "GET /a", "GET a", "400"},
		{"empty path", "GET /a", "GET ", "400"},
		{"short escape", "GET /{x}", "GET /a%4", "400"},
		{"bad escape", "GET /{x}", "GET /%zz", "400"},
		{"bad escape without a route", "GET /a", "GET /b/%", "400"},
		{"long segment", "GET /a/b;GET /a/{x}", "GET /a/bbbbbbbbbbbbbbbbbbbbbbbbb",
		 "GET /a/{x} x=<bbbbbbbbbbbbbbbbbbbbbbbbb>"},
	};
	struct buf got;

	(void)state;
	buf_init(&got, 4096);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct set *set = set_new();

		set_add_all(set, rows[i].routes);
		outcome(set, rows[i].request, &got);
		UNIT_ROW_SPAN(rows[i].name, buf_span(&got), rows[i].want);
		set_free(set);
	}
	buf_fini(&got);
}

static void the_same_shape_is_refused(void **state)
{
	struct set *set = set_new();

	(void)state;
	assert_true(set_add(set, "GET /a/{x}"));
	assert_true(set_add(set, "POST /a/{x}"));
	assert_true(set_add(set, "GET /a/{x}:go"));
	assert_true(set_add(set, "GET /a/{x=**}"));
	assert_false(set_add(set, "GET /a/*"));
	assert_false(set_add(set, "GET /a/{other}"));
	assert_false(set_add(set, "GET /%61/{x}"));
	assert_false(set_add(set, "GET /a/**"));
	assert_false(set_add(set, "GET /a/{y}:go"));
	set_free(set);
}

static void a_trailing_slash_can_be_ignored(void **state)
{
	struct set *set = set_new();
	struct buf got;

	(void)state;
	buf_init(&got, 1024);
	set->tree.ignore_trailing_slash = true;
	(void)set_add(set, "GET /a/{x}");
	(void)set_add(set, "GET /");
	outcome(set, "GET /a/b/", &got);
	UNIT_ROW_SPAN("one", buf_span(&got), "GET /a/{x} x=<b>");
	outcome(set, "GET /a/b//", &got);
	UNIT_ROW_SPAN("two", buf_span(&got), "404");
	outcome(set, "GET /", &got);
	UNIT_ROW_SPAN("root", buf_span(&got), "GET /");
	buf_fini(&got);
	set_free(set);
}

/* ---- hostile paths: what they cost, in nodes looked at ------------------------------------- */

#define HOSTILE_BYTES ((size_t)64000)

static size_t cost(const struct set *set, const char *head, const char *unit, const char *tail)
{
	struct buf path;
	struct route_match match;
	size_t count = HOSTILE_BYTES / strlen(unit);

	buf_init(&path, HOSTILE_BYTES + 4096);
	(void)buf_append_str(&path, head);
	for (size_t i = 0; i < count; i++)
		(void)buf_append_str(&path, unit);
	(void)buf_append_str(&path, tail);
	assert_false(path.is_full);
	(void)route_tree_match(&set->tree, SPAN_LIT("GET"), buf_span(&path), &match);
	buf_fini(&path);
	return match.steps;
}

static void hostile_paths_cost_nothing(void **state)
{
	static const struct {
		const char *name;
		const char *head;
		const char *unit;
		const char *tail;
	} rows[] = {
		{"slashes", "/", "/", ""},
		{"slashes below a route", "/a", "/", ""},
		{"segments", "", "/a", ""},
		{"segments with a tail", "", "/a", "/z"},
		{"tails", "", "/z", ""},
		{"colons", "/a/b", ":", ""},
		{"verbs", "/a/b", ":go", ""},
		{"almost verbs", "/a/b", ":og", "o"},
		{"escapes", "/a/", "%41", ""},
		{"escaped verbs", "/a/b", ":g%6F", ""},
		{"one long segment", "/a/", "x", ""},
	};
	struct set *set = set_new();

	(void)state;
	(void)set_add(set, "GET /a/{x}");
	(void)set_add(set, "GET /a/{x}/b/{y}");
	(void)set_add(set, "GET /a/b/c/d");
	(void)set_add(set, "GET /a/{x}:go");
	(void)set_add(set, "GET /a/{x}:go:go");
	(void)set_add(set, "GET /a/{x}:goo");
	(void)set_add(set, "POST /a/**/z");
	(void)set_add(set, "POST /**/z/z/z");
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		size_t steps = cost(set, rows[i].head, rows[i].unit, rows[i].tail);

		if (steps > 60)
			fail_msg("row \"%s\": %zu steps", rows[i].name, steps);
	}
	set_free(set);
}

static void more_routes_do_not_cost_more(void **state)
{
	struct set *set = set_new();
	struct route_match match;
	size_t few;

	(void)state;
	(void)set_add(set, "GET /v1/r0/{x}");
	assert_int_equal(
		route_tree_match(&set->tree, SPAN_LIT("GET"), SPAN_LIT("/v1/r0/7"), &match),
		ROUTE_FOUND);
	few = match.steps;
	for (int i = 1; i < ROUTES_MAX; i++) {
		char rule[64];

		(void)snprintf(rule, sizeof(rule), "GET /v1/r%d/{x}", i);
		(void)set_add(set, rule);
	}
	assert_int_equal(
		route_tree_match(&set->tree, SPAN_LIT("GET"), SPAN_LIT("/v1/r0/7"), &match),
		ROUTE_FOUND);
	assert_int_equal(match.steps, few);
	set_free(set);
}

/* ---- random sets against a matcher written the naive way --------------------------------- */

static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static size_t pick(uint64_t *seed, size_t count)
{
	return (size_t)(next_random(seed) % count);
}

static void random_template(uint64_t *seed, struct buf *out)
{
	static const char *const plain[] = {"a", "b", "c", "*", "*"};
	size_t count = pick(seed, 4);
	size_t rest = pick(seed, 3) == 0 ? pick(seed, count + 1) : SIZE_MAX;

	for (size_t i = 0; i < count; i++) {
		const char *part = plain[pick(seed, rest < i ? 3 : 5)];

		(void)buf_printf(out, "/%s", i == rest ? "**" : part);
	}
	if (count == 0)
		(void)buf_append_str(out, "/");
	if (pick(seed, 4) == 0)
		(void)buf_printf(out, ":%s", pick(seed, 2) ? "v" : "w:v");
}

static void random_path(uint64_t *seed, struct buf *out)
{
	static const char *const parts[] = {"a", "b", "c", "d", "", "a:v", "b:w:v", "c:x", "%61"};
	size_t count = 1 + pick(seed, 5);

	for (size_t i = 0; i < count; i++)
		(void)buf_printf(out, "/%s", parts[pick(seed, COUNT_OF(parts))]);
	if (pick(seed, 4) == 0)
		(void)buf_append_str(out, pick(seed, 2) ? ":v" : ":w:v");
}

struct naive_path {
	struct span parts[16];
	size_t count;
};

static void naive_split(struct span path, struct naive_path *ret)
{
	ret->count = 0;
	if (path.len == 1)
		return;
	for (;;) {
		size_t end;

		path = span_skip(path, 1);
		end = span_find(path, '/');
		ret->parts[ret->count++] = span_head(path, end);
		if (end == path.len)
			return;
		path = span_skip(path, end);
	}
}

static bool naive_fits(const struct path_segment *segments, size_t count, const struct span *parts,
		       size_t part_count)
{
	if (count == 0)
		return part_count == 0;
	if (segments->kind == PATH_REST)
		return naive_fits(segments + 1, count - 1, parts, part_count) ||
		       (part_count && naive_fits(segments, count, parts + 1, part_count - 1));
	if (part_count == 0)
		return false;
	if (segments->kind == PATH_ANY && parts->len == 0)
		return false;
	if (segments->kind == PATH_LITERAL && !span_eq(segments->literal, parts[0]) &&
	    !(span_eq_str(segments->literal, "a") && span_eq_str(parts[0], "%61")))
		return false;
	return naive_fits(segments + 1, count - 1, parts + 1, part_count - 1);
}

/* The best route with this verb; *ret_is_fit: one fits whatever its method. */
static const struct route *naive_best(const struct set *set, struct span method, struct span verb,
				      struct span path, bool *ret_is_fit)
{
	const struct route *best = NULL;
	const struct route *fit[ROUTES_MAX]; /* they meet on this path, so they must overlap */
	size_t fit_count = 0;
	struct naive_path split;

	naive_split(path, &split);
	*ret_is_fit = false;
	for (size_t i = 0; i < set->count; i++) {
		const struct route *route = &set->routes[i];
		const struct path_template *t = &route->rule.path;

		if (!span_eq(t->verb, verb) ||
		    !naive_fits(t->segments, t->segment_count, split.parts, split.count))
			continue;
		*ret_is_fit = true;
		for (size_t j = 0; j < fit_count; j++)
			assert_true(path_template_overlap(t, &fit[j]->rule.path));
		fit[fit_count++] = route;
		if (!span_eq(route->rule.verb, method))
			continue;
		if (!best || path_template_precedence(t, &best->rule.path) < 0)
			best = route;
	}
	return best;
}

static const struct route *naive_match(const struct set *set, struct span method, struct span path,
				       bool *ret_is_fit)
{
	size_t last = path.len;

	while (path.data[last - 1] != '/')
		last--;
	for (size_t i = last; i < path.len; i++) {
		const struct route *best;

		if (path.data[i] != ':')
			continue;
		best = naive_best(set, method, span_skip(path, i + 1), span_head(path, i),
				  ret_is_fit);
		if (*ret_is_fit && span_skip(path, i + 1).len)
			return best;
	}
	return naive_best(set, method, SPAN_EMPTY, path, ret_is_fit);
}

static void check_one(const struct set *set, struct span method, struct span path)
{
	struct route_match match;
	bool is_fit;
	const struct route *want = naive_match(set, method, path, &is_fit);
	enum route_result got = route_tree_match(&set->tree, method, path, &match);
	enum route_result expected = want     ? ROUTE_FOUND
				     : is_fit ? ROUTE_METHOD_NOT_ALLOWED
					      : ROUTE_NOT_FOUND;

	if (got != expected || match.route != want)
		fail_msg("%.*s: got %d %.*s, want %d %.*s", SPAN_FMT(path), got,
			 SPAN_FMT(match.route ? match.route->rule.path.text : SPAN_EMPTY), expected,
			 SPAN_FMT(want ? want->rule.path.text : SPAN_EMPTY));
}

static void the_tree_agrees_with_a_naive_matcher(void **state)
{
	static const char *const methods[] = {"GET", "POST"};
	uint64_t seed = 0x9E3779B97F4A7C15u;
	struct buf text;
	size_t found = 0;

	(void)state;
	buf_init(&text, 4096);
	for (int round = 0; round < 400; round++) {
		struct set *set = set_new();
		size_t routes = 1 + pick(&seed, 20);

		for (size_t i = 0; i < routes; i++) {
			buf_reset(&text);
			(void)buf_printf(&text, "%s ", methods[pick(&seed, 2)]);
			random_template(&seed, &text);
			(void)buf_append_byte(&text, '\0');
			(void)set_add(set, (const char *)buf_span(&text).data);
		}
		for (int i = 0; i < 100; i++) {
			struct route_match match;
			struct span method = span_from_str(methods[pick(&seed, 2)]);

			buf_reset(&text);
			random_path(&seed, &text);
			check_one(set, method, buf_span(&text));
			found += route_tree_match(&set->tree, method, buf_span(&text), &match) ==
				 ROUTE_FOUND;
		}
		set_free(set);
	}
	buf_fini(&text);
	/* The property says nothing when nothing is ever found. */
	assert_true(found > 4000);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_find_their_route),
		cmocka_unit_test(the_same_shape_is_refused),
		cmocka_unit_test(a_trailing_slash_can_be_ignored),
		cmocka_unit_test(hostile_paths_cost_nothing),
		cmocka_unit_test(more_routes_do_not_cost_more),
		cmocka_unit_test(the_tree_agrees_with_a_naive_matcher),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
