#include "httpapi/option_selection.h"

#include <stdlib.h>

#include "src/config/config.h"
#include "src/config/rule_file.h"

struct call_options option_selection_default(const struct config *config, bool has_stream)
{
	return (struct call_options){
		.timeout_ms = has_stream ? config->http_stream_timeout_ms
					 : config->http_request_timeout_ms,
		.max_timeout_ms = config->http_max_timeout_ms,
		.stream_default = config->http_stream_default,
		.etag = config->http_etag,
		.empty_no_content = config->http_empty_no_content,
		.add_whitespace = config->http_json_add_whitespace,
		.always_print_primitive_fields = config->http_json_always_print_primitive_fields,
		.always_print_enums_as_ints = config->http_json_always_print_enums_as_ints,
		.preserve_proto_field_names = config->http_json_preserve_proto_field_names,
		.int64_as_number = config->http_json_int64_as_number,
	};
}

/* Of two selectors of one method the longer one says more: both begin its full name. */
static int compare(const void *a, const void *b)
{
	const struct rule_options *one = ((const struct selected_options *)a)->written;
	const struct rule_options *two = ((const struct selected_options *)b)->written;

	if (one->selector.len != two->selector.len)
		return one->selector.len < two->selector.len ? -1 : 1;
	return one < two ? -1 : one > two;
}

bool option_selection_load(struct option_selection *selection, const struct rule_file *file,
			   struct arena *arena)
{
	struct selected_options *entries =
		arena_new_array(arena, struct selected_options, file->option_count + 1);

	if (!entries)
		return false;
	for (size_t i = 0; i < file->option_count; i++)
		entries[i] = (struct selected_options){&file->options[i], false};
	qsort(entries, file->option_count, sizeof(*entries), compare);
	*selection = (struct option_selection){entries, file->option_count};
	return true;
}

static bool selects(struct span selector, const struct method *method)
{
	bool is_open = selector.len > 0 && selector.data[selector.len - 1] == '*';

	return is_open ? span_starts_with(method->full_name, span_head(selector, selector.len - 1))
		       : span_eq(method->full_name, selector);
}

void option_selection_apply(struct option_selection *selection, const struct method *method,
			    struct call_options *options)
{
	for (size_t i = 0; i < selection->count; i++) {
		struct selected_options *entry = &selection->entries[i];

		if (!selects(entry->written->selector, method))
			continue;
		entry->is_taken = true;
		call_options_apply(options, &entry->written->options, entry->written->set);
	}
}

bool option_selection_names_method(const struct schema *schema,
				   const struct selected_options *entry)
{
	for (size_t i = 0; schema && i < schema_service_count(schema); i++) {
		const struct service *service = schema_service(schema, i);

		for (size_t k = 0; k < service->method_count; k++)
			if (selects(entry->written->selector, &service->methods[k]))
				return true;
	}
	return false;
}
