#include "httpapi/front/routes.h"

#include "httpapi/front/builtin.h"
#include "httpapi/option_selection.h"
#include "httpapi/route_table.h"
#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "src/config/config.h"
#include "src/userfn/api.h"

static void routes_log(const struct route_report *report)
{
	for (const struct route_issue *issue = report->first; issue; issue = issue->next) {
		if (issue->kind == ROUTE_OVERLAP)
			LOG(INFO, ROUTE_OVERLAP, LOG_STR("routes", issue->text));
		else if (issue->kind == ROUTE_WARNING)
			LOG(WARN, CONFIG_WARNING, LOG_STR("rule", issue->text));
		else
			LOG(ERROR, FUNCTION_REFUSED, LOG_STR("rule", issue->text));
	}
}

static size_t routes_count_methods(const struct api *api)
{
	size_t count = 0;

	for (size_t i = 0; i < api->service_count; i++)
		count += api->services[i].method_count;
	return count;
}

static enum status routes_build(struct routes *routes, const struct routes_params *from,
				bool find_overlaps, struct route_report *report, struct error *err)
{
	const struct api *api = routes->api;
	const struct call_options options[] = {option_selection_default(from->config, false),
					       option_selection_default(from->config, true)};
	struct span reserved[BUILTIN_PATHS_MAX];
	struct route_table_params params = {
		.rules = from->rules,
		.schema = api->schema,
		.options = options,
		.prefix = span_from_str(from->config->http_path_prefix),
		.ignore_trailing_slash = from->config->http_ignore_trailing_slash,
		.reserved = reserved,
		.reserved_count = builtin_paths(from->config, reserved),
		.find_overlaps = find_overlaps,
	};
	struct route_source *sources =
		mem_new_array(struct route_source, routes_count_methods(api) + 1);
	enum status status;

	for (size_t i = 0; i < api->service_count; i++)
		for (size_t k = 0; k < api->services[i].method_count; k++) {
			struct api_method *method = &api->services[i].methods[k];

			sources[params.source_count++] =
				(struct route_source){method->schema, method};
		}
	params.sources = sources;
	status = route_table_new(&params, report, &routes->table, err);
	mem_free(sources);
	return status;
}

static enum status routes_make(struct api *api, const struct routes_params *params,
			       bool find_overlaps, struct route_report *report,
			       struct routes **ret_routes, struct error *err)
{
	struct routes *routes = mem_new(struct routes);
	enum status status;

	routes->refs_ = 1;
	routes->api = api_ref(api);
	status = routes_build(routes, params, find_overlaps, report, err);
	if (status) {
		routes_unref(routes);
		return status;
	}
	*ret_routes = routes;
	return ST_OK;
}

enum status routes_new(struct api *api, const struct routes_params *params,
		       struct routes **ret_routes, struct error *err)
{
	struct route_report report;
	enum status status;

	route_report_init(&report);
	status = routes_make(api, params, false, &report, ret_routes, err);
	routes_log(&report);
	route_report_fini(&report);
	return status;
}

enum status routes_check(struct api *api, const struct routes_params *params, struct buf *reasons,
			 struct error *err)
{
	struct routes *routes = NULL;
	struct route_report report;
	enum status status;

	route_report_init(&report);
	status = routes_make(api, params, false, &report, &routes, err);
	for (const struct route_issue *issue = report.first; issue; issue = issue->next)
		if (issue->kind == ROUTE_ERROR)
			/* a full buffer only shortens what the author reads */
			(void)buf_printf(reasons, "%s%s", buf_len(reasons) ? "\n" : "",
					 issue->text);
	if (status != ST_OK && !report.error_count)
		(void)buf_printf(reasons, "%s%s", buf_len(reasons) ? "\n" : "", err->message);
	route_report_fini(&report);
	routes_unref(routes);
	return status;
}

enum status routes_examine(struct api *api, const struct routes_params *params,
			   struct route_report *report, struct routes **ret_routes,
			   struct error *err)
{
	return routes_make(api, params, true, report, ret_routes, err);
}

struct routes *routes_ref(struct routes *routes)
{
	if (routes)
		routes->refs_++;
	return routes;
}

void routes_unref(struct routes *routes)
{
	if (!routes || --routes->refs_ > 0)
		return;
	route_table_free(routes->table);
	buf_fini(&routes->openapi);
	api_unref(routes->api);
	mem_free(routes);
}
