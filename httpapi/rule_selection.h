#ifndef HEADGATE_HTTPAPI_RULE_SELECTION_H
#define HEADGATE_HTTPAPI_RULE_SELECTION_H

#include <stdbool.h>

#include "proto/options.h"
#include "src/base/map.h"

/* The rules of a file by the method they select, in the form the compiler of rules takes. Of
 * several for one method the last one counts. */
struct rule_file;
struct schema;

struct selected_rule {
	struct map_node node_; /* key: the selector */
	struct options_http_rule written;
	struct selected_rule *next; /* in the order of the file */
	bool is_taken;
};

struct rule_selection {
	struct selected_rule *first;
	struct map by_selector_;
};

void rule_selection_init(struct rule_selection *selection);

/* Borrows from file; the rest goes into arena. False when that is full. */
bool rule_selection_load(struct rule_selection *selection, const struct rule_file *file,
			 struct arena *arena);
void rule_selection_fini(struct rule_selection *selection);

/* The rule of a method, which then counts as taken; NULL when there is none. */
const struct options_http_rule *rule_selection_take(struct rule_selection *selection,
						    const struct method *method);

/* True when the schema (may be NULL) has a method of this full name, be it served or not. */
bool rule_selection_names_method(const struct schema *schema, struct span selector);

#endif
