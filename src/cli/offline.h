#ifndef HEADGATE_SRC_CLI_OFFLINE_H
#define HEADGATE_SRC_CLI_OFFLINE_H

#include <stdbool.h>
#include <stddef.h>

#include "httpapi/route_table.h"
#include "httpapi/transcode_options.h"
#include "src/base/status.h"
#include "src/config/config.h"
#include "src/config/rule_file.h"

/* The HTTP API of a descriptor set without a gateway: what the front would build from it, for the
 * commands that look at it. All services of the set are served, entities or not. */
struct api;
struct error;
struct routes;
struct schema;

struct offline_params {
	const char *descriptor_set; /* files; "-" is standard input */
	const char *rules;	    /* NULL: http.rules_file of the configuration */
	const char *config;	    /* NULL: all defaults; the environment is never looked at */
	const char *service;	    /* full name of the only one to be looked at; NULL: all */
};

struct offline {
	struct config config;
	struct rule_file rules;
	struct schema *schema;
	struct transcode_options transcode;
	struct span ignored_query_[TRANSCODE_IGNORED_MAX];
	struct route_report report;
	struct api *api;
	struct routes *routes;
	const struct route_table *table; /* of routes; NULL when there are errors in report */
};

/* Fills ret_offline, which _fini releases in any case. Failures: *ret_code is the exit code that
 * goes with err; when it is CLI_REFUSED and report holds errors, they say it all. */
MUST_CHECK enum status offline_load(const struct offline_params *params,
				    struct offline *ret_offline, int *ret_code, struct error *err);

void offline_fini(struct offline *offline);

#endif
