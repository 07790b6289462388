#include "src/cli/offline.h"

#include "httpapi/front/builtin.h"
#include "proto/schema.h"
#include "src/base/error.h"
#include "src/base/file.h"
#include "src/base/mem.h"
#include "src/cli/cli.h"

static bool offline_is_served(const struct offline_params *params, const struct service *service)
{
	if (params->service)
		return span_eq_str(service->full_name, params->service);
	return !service->file->is_builtin;
}

static size_t offline_sources(const struct offline_params *params, const struct offline *offline,
			      struct route_source *sources)
{
	size_t count = 0;

	for (size_t i = 0; i < schema_service_count(offline->schema); i++) {
		const struct service *service = schema_service(offline->schema, i);

		if (!offline_is_served(params, service))
			continue;
		for (size_t k = 0; k < service->method_count; k++, count++)
			if (sources)
				sources[count] = (struct route_source){&service->methods[k], NULL};
	}
	return count;
}

static enum status offline_build(const struct offline_params *params, struct offline *offline,
				 struct error *err)
{
	struct span reserved[BUILTIN_PATHS_MAX];
	struct route_table_params table = {
		.source_count = offline_sources(params, offline, NULL),
		.rules = &offline->rules,
		.schema = offline->schema,
		.prefix = span_from_str(offline->config.http_path_prefix),
		.ignore_trailing_slash = offline->config.http_ignore_trailing_slash,
		.reserved = reserved,
		.reserved_count = builtin_paths(&offline->config, reserved),
		.find_overlaps = true,
	};
	struct route_source *sources = mem_new_array(struct route_source, table.source_count + 1);
	enum status status;

	(void)offline_sources(params, offline, sources);
	table.sources = sources;
	status = route_table_new(&table, &offline->report, &offline->table, err);
	mem_free(sources);
	return status;
}

static enum status offline_read_schema(const char *path, struct offline *offline, int *ret_code,
				       struct error *err)
{
	struct buf bytes;
	enum status status;

	buf_init(&bytes, SCHEMA_BYTES_MAX);
	*ret_code = CLI_USAGE;
	status = file_load(path, SCHEMA_BYTES_MAX, &bytes, err);
	if (status == ST_OK) {
		*ret_code = CLI_REFUSED;
		status = schema_new(buf_span(&bytes), &offline->schema, err);
		if (status != ST_OK)
			(void)error_wrap(err, "%.200s", path);
	}
	buf_fini(&bytes);
	return status;
}

static enum status offline_read_rules(const struct offline_params *params, struct offline *offline,
				      int *ret_code, struct error *err)
{
	const char *path = params->rules ? params->rules : offline->config.http_rules_file;
	enum status status = ST_OK;

	if (path[0])
		status = rule_file_load(&offline->rules, path, err);
	*ret_code = status == ST_INVALID_ARGUMENT ? CLI_REFUSED : CLI_USAGE;
	return status;
}

enum status offline_load(const struct offline_params *params, struct offline *ret_offline,
			 int *ret_code, struct error *err)
{
	/* HEADGATE_CONFIG and the like are of no account: the same files, the same verdict. */
	const struct config_params config = {.file = params->config};
	enum status status;

	*ret_offline = (struct offline){0};
	route_report_init(&ret_offline->report);
	*ret_code = CLI_USAGE;
	status = config_load(&ret_offline->config, &config, err);
	if (status == ST_OK)
		status = transcode_options_load(&ret_offline->config, ret_offline->ignored_query_,
						&ret_offline->transcode, err);
	if (status == ST_OK &&
	    route_prefix_check(span_from_str(ret_offline->config.http_path_prefix), err) != ST_OK)
		status = error_wrap(err, "http.path_prefix");
	if (status == ST_OK)
		status = offline_read_schema(params->descriptor_set, ret_offline, ret_code, err);
	if (status == ST_OK && params->service &&
	    !schema_find_service(ret_offline->schema, span_from_str(params->service))) {
		*ret_code = CLI_USAGE;
		return error_set(err, ST_NOT_FOUND, "%.200s: there is no service %.200s",
				 params->descriptor_set, params->service);
	}
	if (status == ST_OK)
		status = offline_read_rules(params, ret_offline, ret_code, err);
	if (status != ST_OK)
		return status;
	*ret_code = CLI_REFUSED;
	return offline_build(params, ret_offline, err);
}

void offline_fini(struct offline *offline)
{
	route_table_free(offline->table);
	route_report_fini(&offline->report);
	rule_file_fini(&offline->rules);
	schema_unref(offline->schema);
	config_fini(&offline->config);
}
