#include "httpapi/transcode_options.h"

#include "src/base/error.h"
#include "src/config/call_options.h"
#include "src/config/config.h"

static struct span trim(struct span name)
{
	while (name.len && name.data[0] == ' ')
		name = span_skip(name, 1);
	while (name.len && name.data[name.len - 1] == ' ')
		name.len--;
	return name;
}

static enum status split_names(struct span list, struct span ignored[TRANSCODE_IGNORED_MAX],
			       size_t *ret_count, struct error *err)
{
	size_t count = 0;

	while (list.len) {
		size_t end = span_find(list, ',');
		struct span name = trim(span_head(list, end));

		list = span_skip(list, end + 1);
		if (name.len == 0)
			continue;
		if (count == TRANSCODE_IGNORED_MAX)
			return error_set(err, ST_INVALID_ARGUMENT,
					 "http.ignored_query_parameters: more than %d names",
					 TRANSCODE_IGNORED_MAX);
		ignored[count++] = name;
	}
	*ret_count = count;
	return ST_OK;
}

enum status transcode_options_load(const struct config *config,
				   struct span ignored[TRANSCODE_IGNORED_MAX],
				   struct transcode_options *ret_options, struct error *err)
{
	/* The choices of the key are in the order of the enum. */
	struct transcode_options options = {
		.body_max = config->http_max_body_bytes,
		.message_max = config->grpc_max_message_bytes,
		.decode = (enum transcode_decode)config->http_multi_segment_unescape,
		.keep_query_plus = !config->http_query_plus_is_space,
		.ignore_unknown_query = config->http_ignore_unknown_query_parameters,
		.ignored_query = ignored,
		.ignore_enum_case = config->http_ignore_enum_case,
		.require_content_type = config->http_require_content_type,
		.ignore_unknown_fields = config->http_ignore_unknown_fields,
		.always_print_primitive_fields = config->http_json_always_print_primitive_fields,
		.always_print_enums_as_ints = config->http_json_always_print_enums_as_ints,
		.preserve_proto_field_names = config->http_json_preserve_proto_field_names,
		.int64_as_number = config->http_json_int64_as_number,
		.add_whitespace = config->http_json_add_whitespace,
	};
	enum status status = split_names(span_from_str(config->http_ignored_query_parameters),
					 ignored, &options.ignored_query_count, err);

	if (status == ST_OK)
		*ret_options = options;
	return status;
}

struct transcode_options transcode_options_of(const struct transcode_options *base,
					      const struct call_options *from)
{
	struct transcode_options options = *base;

	options.add_whitespace = from->add_whitespace;
	options.always_print_primitive_fields = from->always_print_primitive_fields;
	options.always_print_enums_as_ints = from->always_print_enums_as_ints;
	options.preserve_proto_field_names = from->preserve_proto_field_names;
	options.int64_as_number = from->int64_as_number;
	return options;
}
