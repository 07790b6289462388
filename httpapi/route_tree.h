#ifndef HEADGATE_HTTPAPI_ROUTE_TREE_H
#define HEADGATE_HTTPAPI_ROUTE_TREE_H

#include "httpapi/route_table.h"
#include "src/base/arena.h"
#include "src/base/error.h"
#include "src/base/span.h"

/* The tree of path segments behind a route_table, and the search in it. */
struct route_node;

/* All routes with one verb (without a verb: text is empty). */
struct route_verb {
	struct span text;
	struct route_node *root;
};

struct route_tree {
	struct arena *arena;	  /* borrowed: nodes */
	struct route_node *plain; /* root of the routes without verb */
	struct route_verb *verbs; /* sorted by their reversed text; owned */
	size_t verb_count;
	size_t verb_len_max;
	size_t literal_len_max;
	struct span methods[ROUTE_TABLE_METHODS_MAX]; /* by bit */
	size_t method_count;
	struct route_node *nodes; /* all of them, for _fini */
	bool ignore_trailing_slash;
};

void route_tree_init(struct route_tree *tree, struct arena *arena);
void route_tree_fini(struct route_tree *tree);

/* Adds a route. When one of the same shape and method is there, nothing happens but *ret_same
 * (else NULL). ST_RESOURCE_EXHAUSTED: the arena or ROUTE_TABLE_METHODS_MAX. */
MUST_CHECK enum status route_tree_add(struct route_tree *tree, struct route *route,
				      struct route **ret_same, struct error *err);

enum route_result route_tree_match(const struct route_tree *tree, struct span http_method,
				   struct span path, struct route_match *ret_match);

#endif
