/* Input: "[METHOD ]path" on the first line, then "[METHOD ]template", a line each (without a
 * method: GET). Templates that parse go into one tree. Whatever the path is, the tree finds what a
 * search finds that looks at every route and knows nothing but the rules, and it stays short. */
#include <stdint.h>
#include <string.h>

#include "httpapi/route_tree.h"
#include "src/base/error.h"
#include "src/base/mem.h"

#define ROUTES_MAX 64
#define ARENA_BYTES ((size_t)4 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct routes {
	struct route at[ROUTES_MAX];
	size_t count;
};

static struct span next_line(struct span *rest)
{
	struct span line = span_head(*rest, span_find(*rest, '\n'));

	*rest = span_skip(*rest, line.len + 1);
	return line;
}

/* Cuts the method off the line. */
static struct span take_method(struct span *line)
{
	struct span method = span_head(*line, span_find(*line, ' '));

	if (method.len == 0 || method.len == line->len || method.data[0] == '/')
		return SPAN_LIT("GET");
	*line = span_skip(*line, method.len + 1);
	return method;
}

static void add_routes(struct route_tree *tree, struct arena *arena, struct routes *routes,
		       struct span templates)
{
	while (templates.len && routes->count < ROUTES_MAX) {
		struct route *route = &routes->at[routes->count];
		struct span line = next_line(&templates);
		struct route *same = NULL;
		struct error err;

		*route = (struct route){.rule.verb = take_method(&line)};
		if (path_template_parse(line, arena, &route->rule.path, &err)) {
			BUG_ON(err.message[0] == '\0');
			continue;
		}
		if (route_tree_add(tree, route, &same, &err) || same)
			continue;
		routes->count++;
	}
}

static void check_pairs(const struct routes *routes)
{
	for (size_t i = 0; i < routes->count; i++) {
		for (size_t j = 0; j < i; j++) {
			const struct path_template *a = &routes->at[i].rule.path;
			const struct path_template *b = &routes->at[j].rule.path;
			int order = path_template_precedence(a, b);
			int reverse = path_template_precedence(b, a);

			/* The tree takes one of them only. */
			BUG_ON(path_template_same_shape(a, b) &&
			       span_eq(routes->at[i].rule.verb, routes->at[j].rule.verb));
			BUG_ON(path_template_overlap(a, b) != path_template_overlap(b, a));
			if (path_template_overlap(a, b) && !path_template_same_shape(a, b))
				BUG_ON(order == 0 || (order > 0) != (reverse < 0));
		}
	}
}

/* ---- The rules, one by one --------------------------------------------------------------------
 */

/* A path, split at its slashes; the parts are as sent. */
struct parts {
	struct span *at;
	size_t count;
};

static int hex_digit(uint8_t c)
{
	const char *digits = "0123456789abcdefABCDEF";
	const char *found = c ? strchr(digits, c) : NULL;

	if (!found)
		return -1;
	return (int)(found - digits) - (found - digits > 15 ? 6 : 0);
}

static bool is_escape(struct span text, size_t at)
{
	return at + 2 < text.len && hex_digit(text.data[at + 1]) >= 0 &&
	       hex_digit(text.data[at + 2]) >= 0;
}

static bool is_path(struct span path)
{
	for (size_t i = 0; i < path.len; i++)
		if (path.data[i] == '%' && !is_escape(path, i))
			return false;
	return path.len && path.data[0] == '/';
}

/* Equal once raw is decoded. */
static bool is_literal(struct span literal, struct span raw)
{
	size_t len = 0;

	for (size_t i = 0; i < raw.len; i++, len++) {
		int c = raw.data[i];

		if (c == '%') {
			c = hex_digit(raw.data[i + 1]) * 16 + hex_digit(raw.data[i + 2]);
			i += 2;
		}
		if (len >= literal.len || literal.data[len] != c)
			return false;
	}
	return len == literal.len;
}

/* "/" alone has no segments. */
static struct parts split(struct span path)
{
	struct parts parts = {mem_new_array(struct span, path.len + 1), 0};

	if (path.len <= 1)
		return parts;
	for (size_t at = 1; at <= path.len;) {
		struct span rest = span_make(path.data + at, path.len - at);
		struct span part = span_make(rest.data, span_find(rest, '/'));

		parts.at[parts.count++] = part;
		at += part.len + 1;
	}
	return parts;
}

static bool fits(const struct path_template *path, const struct parts *parts)
{
	size_t tail = path->segment_count - path->rest; /* the "**" and what follows it */
	bool has_rest = tail > 0;

	if (has_rest ? parts->count + 1 < path->segment_count : parts->count != path->segment_count)
		return false;
	for (size_t i = 0; i < path->segment_count; i++) {
		const struct path_segment *segment = &path->segments[i];
		size_t at = i <= path->rest ? i : parts->count - (path->segment_count - i);

		if (segment->kind == PATH_LITERAL && !is_literal(segment->literal, parts->at[at]))
			return false;
		if (segment->kind == PATH_ANY && parts->at[at].len == 0)
			return false;
	}
	return true;
}

/* Which of two that fit the same path goes first, from the left: literal, "*", "**"; of two with
 * "**" at the same place, the one with more literals behind it. */
static bool is_before(const struct path_template *a, const struct path_template *b)
{
	for (size_t i = 0; i < a->segment_count && i < b->segment_count; i++) {
		if (a->segments[i].kind != b->segments[i].kind)
			return a->segments[i].kind < b->segments[i].kind;
		if (a->segments[i].kind == PATH_REST)
			return a->segment_count > b->segment_count;
	}
	return a->segment_count < b->segment_count; /* the longer one ends in an empty "**" */
}

/* How well a route serves a method: 0 not at all. */
static int service(const struct route *route, struct span method)
{
	if (span_eq(route->rule.verb, method))
		return 3;
	if (span_eq_str(method, "HEAD") && span_eq_str(route->rule.verb, "GET"))
		return 2;
	return span_eq_str(route->rule.verb, "*") ? 1 : 0;
}

struct expectation {
	enum route_result result;
	const struct route *route;
	uint64_t allowed;
};

/* Looks at all routes whose verb is that suffix of the path (empty: none). False: none fits. */
static bool look(const struct routes *routes, struct span method, struct span path,
		 struct span suffix, struct expectation *ret)
{
	struct parts parts = split(path);
	bool is_fit = false;

	for (size_t i = 0; i < routes->count; i++) {
		const struct route *it = &routes->at[i];
		const struct route *best = ret->route;
		const struct path_template *own = &it->rule.path;

		if ((own->verb.len == 0) != (suffix.len == 0) || !is_literal(own->verb, suffix) ||
		    !fits(own, &parts))
			continue;
		is_fit = true;
		ret->allowed |= (uint64_t)1 << it->method_;
		if (!service(it, method))
			continue;
		if (!best || is_before(own, &best->rule.path) ||
		    (path_template_same_shape(own, &best->rule.path) &&
		     service(it, method) > service(best, method)))
			ret->route = it;
	}
	mem_free(parts.at);
	if (is_fit)
		ret->result = ret->route ? ROUTE_FOUND : ROUTE_METHOD_NOT_ALLOWED;
	return is_fit;
}

static struct expectation search(const struct routes *routes, struct span method, struct span path)
{
	struct expectation found = {.result = ROUTE_BAD_PATH};
	size_t last = 0;

	if (!is_path(path))
		return found;
	found.result = ROUTE_NOT_FOUND;
	for (size_t i = 0; i < path.len; i++)
		if (path.data[i] == '/')
			last = i;
	/* The longest verb that fits decides, whatever its methods; without one colons are data. */
	for (size_t i = last + 1; i + 1 < path.len; i++)
		if (path.data[i] == ':' &&
		    look(routes, method, span_head(path, i), span_skip(path, i + 1), &found))
			return found;
	(void)look(routes, method, path, SPAN_EMPTY, &found); /* or not found, as is said above */
	return found;
}

/* The value of a variable: from the start of its first segment to the end of its last. */
static struct span capture(const struct path_template *path, const struct path_variable *variable,
			   const struct parts *parts)
{
	size_t behind = path->segment_count - variable->end;
	size_t end = variable->end <= path->rest ? variable->end : parts->count - behind;
	size_t first = variable->first <= path->rest
			       ? variable->first
			       : parts->count - (path->segment_count - variable->first);

	if (end <= first)
		return SPAN_EMPTY;
	return span_make(parts->at[first].data,
			 (size_t)(parts->at[end - 1].data - parts->at[first].data) +
				 parts->at[end - 1].len);
}

static void check_captures(const struct route_match *match, struct span path)
{
	const struct path_template *own = &match->route->rule.path;
	struct parts parts;

	if (own->verb.len) { /* the colon before it is the one that leaves the verb behind */
		size_t colon = path.len;

		do
			colon--;
		while (path.data[colon] != ':' ||
		       !is_literal(own->verb, span_skip(path, colon + 1)));
		path.len = colon;
	}
	parts = split(path);
	for (size_t i = 0; i < own->variable_count; i++)
		BUG_ON(!span_eq(match->captures[i], capture(own, &own->variables[i], &parts)));
	mem_free(parts.at);
}

static void check_match(const struct route_tree *tree, const struct routes *routes,
			struct span method, struct span path)
{
	struct route_match match;
	enum route_result result = route_tree_match(tree, method, path, &match);
	struct expectation want;

	if (tree->ignore_trailing_slash && path.len > 1 && path.data[path.len - 1] == '/')
		path.len--;
	want = search(routes, method, path);
	BUG_ON(result != want.result);
	BUG_ON((result == ROUTE_FOUND) != (match.route != NULL));
	BUG_ON(match.route != want.route);
	BUG_ON(result == ROUTE_METHOD_NOT_ALLOWED && match.allowed != want.allowed);
	if (match.route) {
		BUG_ON(match.is_head != (service(match.route, method) == 2));
		check_captures(&match, path);
	}
	/* Each node is met once or twice per verb, whatever the path. */
	BUG_ON(match.steps >
	       (ROUTES_MAX + 1) * 3 * (PATH_TEMPLATE_SEGMENTS_MAX + 2) + PATH_TEMPLATE_LITERAL_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_make(data, size);
	struct span path = next_line(&rest);
	struct span method = take_method(&path);
	struct routes *routes = mem_new(struct routes);
	struct route_tree tree;
	struct arena arena;

	arena_init(&arena, ARENA_BYTES);
	route_tree_init(&tree, &arena);
	add_routes(&tree, &arena, routes, rest);
	check_pairs(routes);
	check_match(&tree, routes, method, path);
	tree.ignore_trailing_slash = true;
	check_match(&tree, routes, method, path);
	route_tree_fini(&tree);
	arena_fini(&arena);
	mem_free(routes);
	return 0;
}
