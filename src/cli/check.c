/* headgate check: what the rules of a descriptor set make, and what is wrong with them. */
#include <jansson.h>
#include <stdlib.h>

#include "proto/schema.h"
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/cli/command.h"
#include "src/cli/offline.h"
#include "src/cli/requests.h"

/* All routes and findings of a table at its limits, as text. */
#define CHECK_TEXT_BYTES_MAX ((size_t)256 * 1024 * 1024)

static const char check_usage[] =
	"usage: headgate check --descriptor-set FILE [--rules FILE] [--config FILE] [--json]\n"
	"                      [--requests FILE]\n"
	"\n"
	"Prints the HTTP routes of all services of a FileDescriptorSet (protoc --include_imports\n"
	"--descriptor_set_out), and what is wrong with their rules. Exit code 1: the gateway "
	"would\n"
	"refuse them; warnings and overlaps alone are 0. The manual is headgate-check(1).\n";

static const char *const issue_names[] = {
	[ROUTE_ERROR] = "error",
	[ROUTE_WARNING] = "warning",
	[ROUTE_OVERLAP] = "overlap",
};

static size_t check_route_count(const struct offline *offline)
{
	return offline->table ? route_table_count(offline->table) : 0;
}

/* ---- text ---------------------------------------------------------------------------------- */

static bool check_write_route(const struct route *route, struct buf *out)
{
	const struct http_rule *rule = &route->rule;

	if (!buf_printf(out, "%-7.*s %.*s -> %.*s", SPAN_FMT(rule->verb), SPAN_FMT(rule->path.text),
			SPAN_FMT(rule->method->full_name)))
		return false;
	if (rule->body == HTTP_BODY_FIELD)
		(void)buf_printf(out, " body:%.*s", SPAN_FMT(rule->body_field->name));
	else if (rule->body == HTTP_BODY_ALL && !rule->is_generated)
		(void)buf_append_str(out, " body:*");
	if (rule->response_field)
		(void)buf_printf(out, " response_body:%.*s", SPAN_FMT(rule->response_field->name));
	if (rule->is_generated)
		(void)buf_append_str(out, " (generated)");
	return buf_append_byte(out, '\n');
}

static bool check_write_text(const struct offline *offline, struct buf *out)
{
	const struct route_report *report = &offline->report;

	for (size_t i = 0; i < check_route_count(offline); i++)
		if (!check_write_route(route_table_route(offline->table, i), out))
			return false;
	for (const struct route_issue *issue = report->first; issue; issue = issue->next)
		(void)buf_printf(out, "%s: %s\n", issue_names[issue->kind], issue->text);
	(void)buf_printf(out, "%zu routes, %zu errors, %zu warnings, %zu overlaps\n",
			 check_route_count(offline), report->error_count, report->warning_count,
			 report->overlap_count);
	return !out->is_full;
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static json_t *check_text(struct span text)
{
	return json_stringn((const char *)text.data, text.len);
}

static json_t *check_body(const struct http_rule *rule)
{
	if (rule->body == HTTP_BODY_ALL)
		return json_string("*");
	return rule->body == HTTP_BODY_FIELD ? check_text(rule->body_field->name) : json_null();
}

static json_t *check_route_json(const struct http_rule *rule)
{
	json_t *route = json_object();

	json_object_set_new(route, "method", check_text(rule->verb));
	json_object_set_new(route, "template", check_text(rule->path.text));
	json_object_set_new(route, "rpc", check_text(rule->method->full_name));
	json_object_set_new(route, "body", check_body(rule));
	json_object_set_new(route, "response_body",
			    rule->response_field ? check_text(rule->response_field->name)
						 : json_null());
	json_object_set_new(route, "generated", json_boolean(rule->is_generated));
	json_object_set_new(route, "file", check_text(rule->origin));
	return route;
}

static json_t *check_json(const struct offline *offline)
{
	const struct route_report *report = &offline->report;
	json_t *page = json_object();
	json_t *routes = json_array();
	json_t *issues = json_array();

	for (size_t i = 0; i < check_route_count(offline); i++)
		json_array_append_new(
			routes, check_route_json(&route_table_route(offline->table, i)->rule));
	for (const struct route_issue *issue = report->first; issue; issue = issue->next) {
		json_t *entry = json_object();

		json_object_set_new(entry, "kind", json_string(issue_names[issue->kind]));
		json_object_set_new(entry, "text", json_string(issue->text));
		json_array_append_new(issues, entry);
	}
	json_object_set_new(page, "routes", routes);
	json_object_set_new(page, "issues", issues);
	json_object_set_new(page, "errors", json_integer((json_int_t)report->error_count));
	json_object_set_new(page, "warnings", json_integer((json_int_t)report->warning_count));
	json_object_set_new(page, "overlaps", json_integer((json_int_t)report->overlap_count));
	return page;
}

static bool check_write_json(const struct offline *offline, struct buf *out)
{
	json_t *page = check_json(offline);
	char *text = json_dumps(page, JSON_INDENT(2));
	bool is_written = text && buf_append_str(out, text) && buf_append_byte(out, '\n');

	free(text);
	json_decref(page);
	return is_written;
}

/* ---- the command --------------------------------------------------------------------------- */

static int check_print(const struct offline *offline, bool is_json)
{
	struct buf out;
	bool is_written;

	buf_init(&out, CHECK_TEXT_BYTES_MAX);
	is_written =
		(is_json ? check_write_json(offline, &out) : check_write_text(offline, &out)) &&
		command_print(buf_span(&out));
	buf_fini(&out);
	if (!is_written)
		return command_fail(CLI_REFUSED, "the result cannot be written");
	return offline->report.error_count ? CLI_REFUSED : CLI_OK;
}

int command_check(int argc, char **argv)
{
	struct offline_params params = {0};
	const char *requests = NULL;
	bool is_json = false;
	const struct command_option options[] = {
		{"--descriptor-set", &params.descriptor_set, NULL},
		{"--rules", &params.rules, NULL},
		{"--config", &params.config, NULL},
		{"--requests", &requests, NULL},
		{"--json", NULL, &is_json},
		{NULL, NULL, NULL},
	};
	struct offline offline;
	struct error err;
	int code;

	if (!command_options(argc, argv, options, check_usage, &code))
		return code;
	if (!params.descriptor_set)
		return command_fail(CLI_USAGE, "check needs --descriptor-set FILE");
	if (offline_load(&params, &offline, &code, &err) != ST_OK &&
	    offline.report.error_count == 0)
		code = command_fail(code, err.message);
	else if (requests && offline.table)
		code = requests_run(&offline, requests);
	else
		code = check_print(&offline, is_json);
	offline_fini(&offline);
	return code;
}
