#include "httpapi/rule_selection.h"

#include "src/base/buf.h"
#include "src/base/mem.h"
#include "src/config/rule_file.h"

/* Longer names are no methods: protoc itself writes no such symbol. */
#define SELECTOR_BYTES_MAX ((size_t)2048)

void rule_selection_init(struct rule_selection *selection)
{
	*selection = (struct rule_selection){0};
	map_init(&selection->by_selector_);
}

void rule_selection_fini(struct rule_selection *selection)
{
	map_fini(&selection->by_selector_);
}

/* Copies the list below a rule; the file reader bounds how deep it goes. */
static bool rule_convert(const struct rule_binding *from, struct arena *arena,
			 struct options_http_rule *to)
{
	struct options_http_rule *more =
		arena_new_array(arena, struct options_http_rule, from->additional_count + 1);

	if (!more)
		return false;
	for (size_t i = 0; i < from->additional_count; i++)
		if (!rule_convert(&from->additional[i], arena, &more[i]))
			return false;
	*to = (struct options_http_rule){
		.selector = from->selector,
		.verb = from->verb,
		.path = from->path,
		.body = from->body,
		.response_body = from->response_body,
		.is_custom = from->is_custom,
		.has_body_option = from->has_body,
		.has_response_body_option = from->has_response_body,
		.additional = more,
		.additional_count = from->additional_count,
		.origin = from->origin,
	};
	return true;
}

bool rule_selection_load(struct rule_selection *selection, const struct rule_file *file,
			 struct arena *arena)
{
	struct selected_rule **last = &selection->first;

	for (size_t i = 0; i < file->count; i++) {
		struct map_node *before =
			map_find(&selection->by_selector_, file->rules[i].selector);
		struct selected_rule *rule =
			before ? container_of(before, struct selected_rule, node_)
			       : arena_new(arena, struct selected_rule);

		if (!rule || !rule_convert(&file->rules[i], arena, &rule->written))
			return false;
		if (before)
			continue;
		rule->node_.key = file->rules[i].selector;
		(void)map_insert(&selection->by_selector_, &rule->node_); /* was looked for */
		*last = rule;
		last = &rule->next;
	}
	return true;
}

const struct options_http_rule *rule_selection_take(struct rule_selection *selection,
						    const struct method *method)
{
	struct map_node *node = map_find(&selection->by_selector_, method->full_name);
	struct selected_rule *rule;

	if (!node)
		return NULL;
	rule = container_of(node, struct selected_rule, node_);
	rule->is_taken = true;
	return &rule->written;
}

bool rule_selection_names_method(const struct schema *schema, struct span selector)
{
	size_t dot = selector.len;
	struct buf path;
	bool is_found = false;

	while (dot > 0 && selector.data[dot - 1] != '.')
		dot--;
	if (!schema || dot == 0)
		return false;
	buf_init(&path, SELECTOR_BYTES_MAX);
	if (buf_append_byte(&path, '/') && buf_append(&path, span_head(selector, dot - 1)) &&
	    buf_append_byte(&path, '/') && buf_append(&path, span_skip(selector, dot)))
		is_found = schema_find_method(schema, buf_span(&path)) != NULL;
	buf_fini(&path);
	return is_found;
}
