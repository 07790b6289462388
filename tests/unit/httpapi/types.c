#include "tests/unit/httpapi/types.h"

#include "src/base/mem.h"
#include "tests/unit/unit.h"

struct schema *types_schema(void)
{
	struct schema *schema = NULL;
	struct error err = {0};

	if (schema_new(span_make(types_descriptor_set, types_descriptor_set_len), &schema, &err))
		fail_msg("%s", err.message);
	return schema;
}

const struct message *types_message(const struct schema *schema, const char *name)
{
	const struct message *message = schema_find_message(schema, span_from_str(name));

	if (!message)
		fail_msg("no message %s", name);
	return message;
}

const struct method *types_method(const struct schema *schema, const char *path)
{
	const struct method *method = schema_find_method(schema, span_from_str(path));

	if (!method)
		fail_msg("no method %s", path);
	return method;
}

struct route_table *types_table(const struct schema *schema, const char *service,
				const struct route_table_params *settings,
				struct route_report *report, struct error *err)
{
	const struct service *found = schema_find_service(schema, span_from_str(service));
	struct route_table_params params = settings ? *settings : (struct route_table_params){0};
	struct route_source *sources;
	struct route_table *table = NULL;
	enum status status;

	assert_non_null(found);
	sources = mem_new_array(struct route_source, found->method_count);
	for (size_t i = 0; i < found->method_count; i++)
		sources[i] = (struct route_source){&found->methods[i],
						   (void *)(uintptr_t)&found->methods[i]};
	params.sources = sources;
	params.source_count = found->method_count;
	status = route_table_new(&params, report, &table, err);
	mem_free(sources);
	return status ? NULL : table;
}
