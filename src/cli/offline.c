#include "src/cli/offline.h"

#include "httpapi/front/routes.h"
#include "proto/schema.h"
#include "src/base/error.h"
#include "src/base/file.h"
#include "src/cli/cli.h"
#include "src/userfn/api.h"

static enum status offline_build(const struct offline_params *params, struct offline *offline,
				 struct error *err)
{
	const struct routes_params from = {&offline->config, &offline->rules};
	struct span only = params->service ? span_from_str(params->service) : SPAN_EMPTY;
	enum status status = api_of_schema(offline->schema, only, &offline->api, err);

	if (!status)
		status = routes_examine(offline->api, &from, &offline->report, &offline->routes,
					err);
	if (!status)
		offline->table = offline->routes->table;
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
	routes_unref(offline->routes);
	api_unref(offline->api);
	route_report_fini(&offline->report);
	rule_file_fini(&offline->rules);
	schema_unref(offline->schema);
	config_fini(&offline->config);
}
