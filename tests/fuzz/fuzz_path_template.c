/* Input: a path on the first line, then path templates, a line each. Templates that parse go into
 * one tree; whatever the path is, captures must lie inside it and the search must stay short. */
#include <stdint.h>
#include <string.h>

#include "httpapi/route_tree.h"
#include "src/base/error.h"
#include "src/base/mem.h"

#define ROUTES_MAX 64
#define ARENA_BYTES ((size_t)4 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct span next_line(struct span *rest)
{
	struct span line = span_head(*rest, span_find(*rest, '\n'));

	*rest = span_skip(*rest, line.len + 1);
	return line;
}

static size_t add_routes(struct route_tree *tree, struct arena *arena, struct route *routes,
			 struct span templates)
{
	size_t count = 0;

	while (templates.len && count < ROUTES_MAX) {
		struct route *route = &routes[count];
		struct route *same = NULL;
		struct error err;

		*route = (struct route){.rule.verb = SPAN_LIT("GET")};
		if (path_template_parse(next_line(&templates), arena, &route->rule.path, &err)) {
			BUG_ON(err.message[0] == '\0');
			continue;
		}
		if (route_tree_add(tree, route, &same, &err) || same)
			continue;
		count++;
	}
	return count;
}

static void check_pairs(const struct route *routes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < i; j++) {
			const struct path_template *a = &routes[i].rule.path;
			const struct path_template *b = &routes[j].rule.path;
			int order = path_template_precedence(a, b);
			int reverse = path_template_precedence(b, a);

			BUG_ON(path_template_same_shape(a,
							b)); /* the tree takes one of them only */
			BUG_ON(path_template_overlap(a, b) != path_template_overlap(b, a));
			BUG_ON(path_template_overlap(a, b) &&
			       (order == 0 || (order > 0) != (reverse < 0)));
		}
	}
}

static void check_match(const struct route_tree *tree, struct span path)
{
	struct route_match match;
	enum route_result result = route_tree_match(tree, SPAN_LIT("GET"), path, &match);

	BUG_ON((result == ROUTE_FOUND) != (match.route != NULL));
	for (size_t i = 0; match.route && i < match.route->rule.path.variable_count; i++) {
		struct span value = match.captures[i];

		BUG_ON(value.len &&
		       (value.data < path.data || value.data + value.len > path.data + path.len));
	}
	/* Each node is met once or twice per verb, whatever the path. */
	BUG_ON(match.steps >
	       (ROUTES_MAX + 1) * 3 * (PATH_TEMPLATE_SEGMENTS_MAX + 2) + PATH_TEMPLATE_LITERAL_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_make(data, size);
	struct span path = next_line(&rest);
	struct route *routes = mem_new_array(struct route, ROUTES_MAX);
	struct route_tree tree;
	struct arena arena;
	size_t count;

	arena_init(&arena, ARENA_BYTES);
	route_tree_init(&tree, &arena);
	count = add_routes(&tree, &arena, routes, rest);
	check_pairs(routes, count);
	check_match(&tree, path);
	route_tree_fini(&tree);
	arena_fini(&arena);
	mem_free(routes);
	return 0;
}
