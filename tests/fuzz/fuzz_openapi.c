/* Whatever types a function declares, their document is JSON, or an error says why there is none.
 */
#include <jansson.h>

#include "httpapi/openapi.h"
#include "httpapi/route_table.h"
#include "proto/schema.h"
#include "src/base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_document(const struct schema *schema, const struct route_table *table)
{
	const struct transcode_options options = TRANSCODE_OPTIONS_DEFAULT;
	const struct openapi_params params = {
		.schema = schema, .table = table, .options = &options};
	struct error err = {0};
	json_t *document;
	struct buf text;

	buf_init(&text, OPENAPI_BYTES_MAX);
	if (openapi_write(&params, &text, &err) == ST_OK) {
		document = json_loadb((const char *)buf_span(&text).data, buf_len(&text),
				      JSON_ALLOW_NUL, NULL);
		BUG_ON(!json_is_object(json_object_get(document, "paths")));
		json_decref(document);
	} else {
		BUG_ON(err.status != ST_RESOURCE_EXHAUSTED);
	}
	buf_fini(&text);
}

static size_t list_methods(const struct schema *schema, struct route_source *sources)
{
	size_t count = 0;

	for (size_t i = 0; i < schema_service_count(schema); i++) {
		const struct service *service = schema_service(schema, i);

		for (size_t k = 0; k < service->method_count; k++, count++)
			if (sources)
				sources[count] = (struct route_source){&service->methods[k], NULL};
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct route_table_params params = {0};
	struct route_report report;
	struct route_table *table = NULL;
	struct route_source *sources;
	struct schema *schema;
	struct error err = {0};

	if (schema_new(span_make(data, size), &schema, &err) != ST_OK)
		return 0;
	params.source_count = list_methods(schema, NULL);
	sources = mem_new_array(struct route_source, params.source_count + 1);
	(void)list_methods(schema, sources);
	params.sources = sources;
	route_report_init(&report);
	if (route_table_new(&params, &report, &table, &err) == ST_OK)
		write_document(schema, table);
	route_table_free(table);
	route_report_fini(&report);
	mem_free(sources);
	schema_unref(schema);
	return 0;
}
