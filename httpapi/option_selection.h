#ifndef HEADGATE_HTTPAPI_OPTION_SELECTION_H
#define HEADGATE_HTTPAPI_OPTION_SELECTION_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/schema.h"
#include "src/base/arena.h"
#include "src/config/call_options.h"

/* The options of a rule file by the methods they select: a method, or all below a name ("a.B.*", or
 * "*" alone). The longer selector counts, of equal ones the later. */
struct config;
struct rule_file;
struct rule_options;

struct selected_options {
	const struct rule_options *written;
	bool is_taken;
};

/* Zeroed: none. */
struct option_selection {
	struct selected_options *entries; /* those that count less come first */
	size_t count;
};

/* What the configuration says for all methods with streams, or without. */
struct call_options option_selection_default(const struct config *config, bool has_stream);

/* Borrows from file; the rest goes into arena. False when that is full. */
bool option_selection_load(struct option_selection *selection, const struct rule_file *file,
			   struct arena *arena);

/* Changes what is said for this method; entries that select it count as taken. */
void option_selection_apply(struct option_selection *selection, const struct method *method,
			    struct call_options *options);

/* True when the schema has a method that the entry selects, be it served or not. */
bool option_selection_names_method(const struct schema *schema,
				   const struct selected_options *entry);

#endif
