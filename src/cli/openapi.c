/* headgate openapi: the document that the gateway would serve at /openapi.json. */
#include "httpapi/openapi.h"

#include "httpapi/route_table.h"
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/cli/command.h"
#include "src/cli/offline.h"

static const char openapi_usage[] =
	"usage: headgate openapi --descriptor-set FILE [--service NAME] [--rules FILE]\n"
	"                        [--config FILE] [--title TEXT] [--api-version TEXT]\n"
	"\n"
	"Prints the OpenAPI 3.1 document of the services of a FileDescriptorSet. With protoc\n"
	"--include_source_info their comments become descriptions. The manual is "
	"headgate-openapi(1).\n";

static int openapi_print(const struct openapi_params *params)
{
	struct buf out;
	struct error err;
	int code = CLI_OK;

	buf_init(&out, OPENAPI_BYTES_MAX);
	if (openapi_write(params, &out, &err) != ST_OK)
		code = command_fail(CLI_REFUSED, err.message);
	else if (!buf_append_byte(&out, '\n') || !command_print(buf_span(&out)))
		code = command_fail(CLI_REFUSED, "the document cannot be written");
	buf_fini(&out);
	return code;
}

/* Rules that are refused have no document; the first error tells why. */
static int openapi_refuse(const struct offline *offline, int code, const struct error *err)
{
	for (const struct route_issue *issue = offline->report.first; issue; issue = issue->next)
		if (issue->kind == ROUTE_ERROR)
			(void)command_fail(code, issue->text);
	return offline->report.error_count ? code : command_fail(code, err->message);
}

int command_openapi(int argc, char **argv)
{
	struct offline_params files = {0};
	struct openapi_params params = {.is_indented = true};
	const char *title = NULL;
	const char *version = NULL;
	const struct command_option options[] = {
		{"--descriptor-set", &files.descriptor_set, NULL},
		{"--service", &files.service, NULL},
		{"--rules", &files.rules, NULL},
		{"--config", &files.config, NULL},
		{"--title", &title, NULL},
		{"--api-version", &version, NULL},
		{NULL, NULL, NULL},
	};
	struct offline offline;
	struct error err;
	int code;

	if (!command_options(argc, argv, options, openapi_usage, &code))
		return code;
	if (!files.descriptor_set)
		return command_fail(CLI_USAGE, "openapi needs --descriptor-set FILE");
	if (offline_load(&files, &offline, &code, &err) != ST_OK) {
		code = openapi_refuse(&offline, code, &err);
	} else {
		params.options = &offline.transcode;
		params.schema = offline.schema;
		params.table = offline.table;
		params.title = span_from_str(title);
		params.version = span_from_str(version);
		code = openapi_print(&params);
	}
	offline_fini(&offline);
	return code;
}
