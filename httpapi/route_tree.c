/* One level of the tree is one segment of the path, so that each node is met at most once in a
 * search, at the depth it has:
 *
 *   root ─ "v1" ─ "carts" ─ *          GET  /v1/carts/{id}
 *                          └ **        GET  /v1/carts/{path=**}
 *                            └ "log"   GET  /v1/carts/{path=**}/log  (literals after "**" hang
 *                                       below it in reverse: the search comes from the path's end)
 *
 * The search is depth first in the order literal, "*", "**" with an explicit stack; a node without
 * a route for the method only adds to the set of allowed methods. The path is not split before:
 * segments behind the last node are never looked at, so a path of 64,000 slashes costs what a short
 * one costs. Each verb has a tree of its own; the verbs are sorted by their reversed text, so one
 * walk from the end of the path finds those that exist, whatever colons it is made of. */
#include "httpapi/route_tree.h"

#include <string.h>

#include "src/base/buf.h"
#include "src/base/map.h"
#include "src/base/mem.h"

struct route_node {
	struct map literals; /* of struct route_edge; below a "**": in reverse */
	struct route_node *any;
	struct route_node *rest;
	struct route *routes; /* that end here, one per method */
	uint64_t methods;     /* bits of routes */
	struct route_node *next;
};

struct route_edge {
	struct map_node by_literal;
	struct route_node *node;
};

/* Nodes on the way down: one per segment, one more for the end. */
#define DEPTH_MAX (PATH_TEMPLATE_SEGMENTS_MAX + 1)

#define METHOD_NONE UINT32_MAX

void route_tree_init(struct route_tree *tree, struct arena *arena)
{
	*tree = (struct route_tree){.arena = arena};
}

void route_tree_fini(struct route_tree *tree)
{
	for (struct route_node *node = tree->nodes; node; node = node->next)
		map_fini(&node->literals);
	mem_free(tree->verbs);
	*tree = (struct route_tree){0};
}

/* ---- building ---------------------------------------------------------------------------- */

static struct route_node *node_new(struct route_tree *tree)
{
	struct route_node *node = arena_new(tree->arena, struct route_node);

	if (!node)
		return NULL;
	map_init(&node->literals);
	node->next = tree->nodes;
	tree->nodes = node;
	return node;
}

/* *slot, made when it is not there; NULL: no memory. */
static struct route_node *node_at(struct route_tree *tree, struct route_node **slot)
{
	if (!*slot)
		*slot = node_new(tree);
	return *slot;
}

static struct route_node *node_below(struct route_tree *tree, struct route_node *node,
				     struct span literal)
{
	struct map_node *found = map_find(&node->literals, literal);
	struct route_edge *edge;

	if (found)
		return container_of(found, struct route_edge, by_literal)->node;
	edge = arena_new(tree->arena, struct route_edge);
	if (!edge)
		return NULL;
	edge->node = node_new(tree);
	if (!edge->node)
		return NULL;
	edge->by_literal.key = literal;
	(void)map_insert(&node->literals, &edge->by_literal); /* it was not there */
	if (literal.len > tree->literal_len_max)
		tree->literal_len_max = literal.len;
	return edge->node;
}

/* The byte of a verb at index from its end, -1 before its start. */
static int verb_byte(struct span verb, size_t from_end)
{
	return from_end < verb.len ? verb.data[verb.len - 1 - from_end] : -1;
}

static int verb_cmp(struct span a, struct span b)
{
	for (size_t i = 0;; i++) {
		int left = verb_byte(a, i);
		int right = verb_byte(b, i);

		if (left != right)
			return left < right ? -1 : 1;
		if (left < 0)
			return 0;
	}
}

static struct route_node *verb_root(struct route_tree *tree, struct span verb)
{
	size_t at = 0;
	struct route_node *root;

	if (verb.len == 0)
		return node_at(tree, &tree->plain);
	while (at < tree->verb_count && verb_cmp(tree->verbs[at].text, verb) < 0)
		at++;
	if (at < tree->verb_count && span_eq(tree->verbs[at].text, verb))
		return tree->verbs[at].root;
	root = node_new(tree);
	if (!root)
		return NULL;
	tree->verbs = mem_resize_array(tree->verbs, tree->verb_count + 1, sizeof(*tree->verbs));
	memmove(tree->verbs + at + 1, tree->verbs + at,
		(tree->verb_count - at) * sizeof(*tree->verbs));
	tree->verbs[at] = (struct route_verb){verb, root};
	tree->verb_count++;
	if (verb.len > tree->verb_len_max)
		tree->verb_len_max = verb.len;
	return root;
}

/* The node where a template ends. */
static struct route_node *node_of(struct route_tree *tree, const struct path_template *path)
{
	struct route_node *node = verb_root(tree, path->verb);

	for (size_t i = 0; node && i < path->rest; i++)
		node = path->segments[i].kind == PATH_ANY
			       ? node_at(tree, &node->any)
			       : node_below(tree, node, path->segments[i].literal);
	if (!node || path->rest == path->segment_count)
		return node;
	node = node_at(tree, &node->rest);
	for (size_t i = path->segment_count; node && i-- > path->rest + 1;)
		node = node_below(tree, node, path->segments[i].literal);
	return node;
}

static unsigned method_bit(const struct route_tree *tree, struct span method)
{
	for (size_t i = 0; i < tree->method_count; i++)
		if (span_eq(tree->methods[i], method))
			return (unsigned)i;
	return METHOD_NONE;
}

enum status route_tree_add(struct route_tree *tree, struct route *route, struct route **ret_same,
			   struct error *err)
{
	struct route_node *node = node_of(tree, &route->rule.path);
	unsigned bit = method_bit(tree, route->rule.verb);

	if (!node)
		return error_set(err, ST_RESOURCE_EXHAUSTED, "no memory left for the routes");
	if (bit == METHOD_NONE && tree->method_count == ROUTE_TABLE_METHODS_MAX)
		return error_set(err, ST_RESOURCE_EXHAUSTED, "more than %d HTTP methods in use",
				 ROUTE_TABLE_METHODS_MAX);
	if (bit == METHOD_NONE) {
		bit = (unsigned)tree->method_count++;
		tree->methods[bit] = route->rule.verb;
	}
	*ret_same = NULL;
	for (struct route *it = node->routes; it; it = it->next_) {
		if (it->method_ == bit) {
			*ret_same = it;
			return ST_OK;
		}
	}
	route->method_ = bit;
	route->next_ = node->routes;
	node->routes = route;
	node->methods |= (uint64_t)1 << bit;
	return ST_OK;
}

/* ---- searching --------------------------------------------------------------------------- */

/* Bits of the methods that matter to one request. */
struct wanted {
	unsigned exact;
	unsigned get; /* for HEAD */
	unsigned any;
};

/* A node on the stack; at: where its next segment starts, path end + 1 when there is none. */
struct frame {
	const struct route_node *node;
	size_t at;
	unsigned stage;
};

struct search {
	const struct route_tree *tree;
	struct wanted wanted;
	struct span path; /* without the verb */
	struct route_match *match;
	bool is_fit; /* some route fits, whatever its method */
	size_t depth;
	struct frame stack[DEPTH_MAX];
	size_t tail[DEPTH_MAX]; /* starts of the last segments, from the end */
};

static int hex(int c)
{
	return c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
}

/* A leading slash, and every "%" before two hexadecimal digits. */
static bool is_path(struct span path)
{
	const uint8_t *at = path.data;
	const uint8_t *end;

	if (path.len == 0 || path.data[0] != '/')
		return false;
	end = path.data + path.len;
	while ((at = memchr(at, '%', (size_t)(end - at)))) {
		if (end - at < 3)
			return false;
		for (int i = 1; i < 3; i++)
			if (!((at[i] >= '0' && at[i] <= '9') ||
			      ((at[i] | 0x20) >= 'a' && (at[i] | 0x20) <= 'f')))
				return false;
		at += 3;
	}
	return true;
}

/* The node below under a segment as sent. Longer segments than any literal are not looked at. */
static const struct route_node *find_literal(struct search *s, const struct route_node *node,
					     struct span raw)
{
	uint8_t decoded[PATH_TEMPLATE_LITERAL_MAX];
	struct map_node *found;
	size_t len = 0;

	s->match->steps++;
	if (node->literals.count == 0 || raw.len > 3 * s->tree->literal_len_max)
		return NULL;
	if (!memchr(raw.data, '%', raw.len)) {
		found = map_find(&node->literals, raw);
		return found ? container_of(found, struct route_edge, by_literal)->node : NULL;
	}
	for (size_t i = 0; i < raw.len; i++) {
		if (len == sizeof(decoded))
			return NULL;
		decoded[len] = raw.data[i];
		if (raw.data[i] == '%') {
			decoded[len] = (uint8_t)(hex(raw.data[i + 1]) << 4 | hex(raw.data[i + 2]));
			i += 2;
		}
		len++;
	}
	found = map_find(&node->literals, span_make(decoded, len));
	return found ? container_of(found, struct route_edge, by_literal)->node : NULL;
}

/* Where segment i of a found template starts; tails: how many literals matched from the end. */
static size_t segment_start(const struct search *s, const struct path_template *path, size_t i)
{
	return i <= path->rest ? s->stack[i].at : s->tail[path->segment_count - i];
}

static void capture(const struct search *s, const struct route *route)
{
	const struct path_template *path = &route->rule.path;

	for (size_t i = 0; i < path->variable_count; i++) {
		size_t start = segment_start(s, path, path->variables[i].first);
		size_t end = segment_start(s, path, path->variables[i].end);

		s->match->captures[i] =
			end > start ? span_make(s->path.data + start, end - 1 - start) : SPAN_EMPTY;
	}
}

static const struct route *route_with(const struct route_node *node, unsigned bit)
{
	if (bit == METHOD_NONE || !(node->methods & (uint64_t)1 << bit))
		return NULL;
	for (const struct route *it = node->routes; it; it = it->next_)
		if (it->method_ == bit)
			return it;
	return NULL;
}

/* A template ends at node and its path fits: is there a route for the method? */
static bool try_node(struct search *s, const struct route_node *node)
{
	const struct route *route = route_with(node, s->wanted.exact);

	if (!node->methods)
		return false;
	s->is_fit = true;
	s->match->allowed |= node->methods;
	if (!route) {
		route = route_with(node, s->wanted.get);
		s->match->is_head = route != NULL;
	}
	if (!route)
		route = route_with(node, s->wanted.any);
	if (!route)
		return false;
	s->match->route = route;
	capture(s, route);
	return true;
}

/* Below a "**" whose segments start at `at`: the longest tail of literals first. */
static bool try_rest(struct search *s, const struct route_node *rest, size_t at)
{
	const struct route_node *found[DEPTH_MAX];
	size_t count = 0;
	size_t end = s->path.len;

	found[0] = rest;
	s->tail[0] = s->path.len + 1;
	while (at <= end && count + 1 < DEPTH_MAX) {
		size_t start = end;
		const struct route_node *below;

		/* No literal is longer, so there is no need to look further back for the slash. */
		while (start > at && s->path.data[start - 1] != '/' &&
		       end - start <= 3 * s->tree->literal_len_max)
			start--;
		if (start > at && s->path.data[start - 1] != '/')
			break;
		below = find_literal(s, found[count], span_make(s->path.data + start, end - start));
		if (!below)
			break;
		found[++count] = below;
		s->tail[count] = start;
		end = start - 1;
	}
	for (size_t i = count + 1; i-- > 0;)
		if (try_node(s, found[i]))
			return true;
	return false;
}

static void push(struct search *s, const struct route_node *node, size_t at)
{
	s->match->steps++;
	s->stack[s->depth++] = (struct frame){node, at, 0};
}

/* End of the segment that starts at `at`. */
static size_t segment_end(const struct search *s, size_t at)
{
	return at + span_find(span_make(s->path.data + at, s->path.len - at), '/');
}

/* Goes on at the node on top of the stack: true when a route is found. */
static bool step(struct search *s)
{
	struct frame *top = &s->stack[s->depth - 1];
	const struct route_node *node = top->node;
	const struct route_node *below;
	size_t end;

	if (top->at > s->path.len) {
		if (top->stage++ == 0 && try_node(s, node))
			return true;
		if (node->rest && try_rest(s, node->rest, top->at))
			return true;
		s->depth--;
		return false;
	}
	switch (top->stage++) {
	case 0:
		if (node->literals.count == 0)
			break;
		end = segment_end(s, top->at);
		below = find_literal(s, node, span_make(s->path.data + top->at, end - top->at));
		if (below)
			push(s, below, end + 1);
		break;
	case 1:
		end = node->any ? segment_end(s, top->at) : top->at;
		if (end > top->at)
			push(s, node->any, end + 1);
		break;
	default:
		if (node->rest && try_rest(s, node->rest, top->at))
			return true;
		s->depth--;
	}
	return false;
}

/* Searches the tree of one verb; path is what stands before the verb. */
static bool search_root(struct search *s, const struct route_node *root, struct span path)
{
	bool is_found = false;

	s->path = path;
	s->depth = 0;
	s->is_fit = false;
	s->match->allowed = 0;
	/* "/" alone has no segments, not an empty one. */
	push(s, root, path.len == 1 ? 2 : 1);
	while (!is_found && s->depth)
		is_found = step(s);
	return is_found;
}

/* The verbs in [lo, hi) share their last `len` bytes: narrows to those with byte c before them. */
static void narrow(const struct route_tree *tree, size_t len, int c, size_t *lo, size_t *hi)
{
	size_t bounds[2];

	for (int i = 0; i < 2; i++) {
		size_t low = *lo;
		size_t high = *hi;

		while (low < high) {
			size_t mid = low + (high - low) / 2;

			if (verb_byte(tree->verbs[mid].text, len) < c + i)
				low = mid + 1;
			else
				high = mid;
		}
		bounds[i] = low;
	}
	*lo = bounds[0];
	*hi = bounds[1];
}

/* A verb that exists, at the end of the path. */
struct candidate {
	const struct route_verb *verb;
	size_t colon; /* its index in the path */
};

/* The verbs that the path may end in, shortest first. */
static size_t find_verbs(const struct route_tree *tree, struct span path, size_t *steps,
			 struct candidate ret_candidates[PATH_TEMPLATE_VERB_COLONS_MAX + 1])
{
	size_t lo = 0;
	size_t hi = tree->verb_count;
	size_t at = path.len;
	size_t count = 0;

	for (size_t len = 0; lo < hi && len <= tree->verb_len_max; len++) {
		int c = path.data[--at];

		(*steps)++;
		if (c == '/')
			break;
		if (c == ':' && len && tree->verbs[lo].text.len == len &&
		    count <= PATH_TEMPLATE_VERB_COLONS_MAX)
			ret_candidates[count++] = (struct candidate){&tree->verbs[lo], at};
		if (at >= 2 && path.data[at - 2] == '%') {
			c = hex(path.data[at - 1]) << 4 | hex(c);
			at -= 2;
		}
		narrow(tree, len, c, &lo, &hi);
	}
	return count;
}

static enum route_result search_path(struct search *s, struct span path)
{
	struct candidate candidates[PATH_TEMPLATE_VERB_COLONS_MAX + 1];
	size_t count = find_verbs(s->tree, path, &s->match->steps, candidates);

	/* The longest verb that some route has on this path decides, whatever the method. */
	while (count-- > 0) {
		if (search_root(s, candidates[count].verb->root,
				span_head(path, candidates[count].colon)))
			return ROUTE_FOUND;
		if (s->is_fit)
			return ROUTE_METHOD_NOT_ALLOWED;
	}
	if (s->tree->plain && search_root(s, s->tree->plain, path))
		return ROUTE_FOUND;
	return s->is_fit ? ROUTE_METHOD_NOT_ALLOWED : ROUTE_NOT_FOUND;
}

enum route_result route_tree_match(const struct route_tree *tree, struct span http_method,
				   struct span path, struct route_match *ret_match)
{
	struct search s; /* its stack is not worth clearing for each request */
	bool is_head = span_eq_str(http_method, "HEAD");

	s.tree = tree;
	s.match = ret_match;
	s.is_fit = false;
	ret_match->route = NULL;
	ret_match->is_head = false;
	ret_match->allowed = 0;
	ret_match->steps = 0;
	if (!is_path(path))
		return ROUTE_BAD_PATH;
	if (tree->ignore_trailing_slash && path.len > 1 && path.data[path.len - 1] == '/')
		path.len--;
	s.wanted = (struct wanted){
		.exact = method_bit(tree, http_method),
		.get = is_head ? method_bit(tree, SPAN_LIT("GET")) : METHOD_NONE,
		.any = method_bit(tree, SPAN_LIT("*")),
	};
	return search_path(&s, path);
}
