#ifndef HEADGATE_SRC_CONFIG_RULE_FILE_H
#define HEADGATE_SRC_CONFIG_RULE_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "src/base/arena.h"
#include "src/base/span.h"
#include "src/base/status.h"
#include "src/config/call_options.h"

/* A file of HTTP rules, as a service configuration has them:
 *
 *   http:
 *     rules:
 *     - selector: pkg.Service.Method
 *       get: /v1/{name}
 *       additional_bindings:
 *       - post: /v1/{name}:read
 *         body: "*"
 *     options:
 *     - selector: pkg.Service.*
 *       timeout: 5s
 *       json: {add_whitespace: true}
 *
 * Only its form is checked here; what the rules mean is checked against the function's types. Other
 * sections of a service configuration are skipped. Spec: google/api/http.proto, HttpRule; google/
 * api/service.proto, Service.http */
struct error;

/* Written by people, or by a generator for one service. */
#define RULE_FILE_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define RULE_FILE_RULES_MAX 65536
/* Each is compared with every method. */
#define RULE_FILE_OPTIONS_MAX 4096

struct rule_binding {
	struct span selector;
	struct span verb; /* "GET", …, or what custom.kind says; empty: no pattern */
	struct span path;
	struct span body;
	struct span response_body;
	struct span origin; /* "rules.yaml:12", followed by a NUL */
	bool is_custom;
	bool has_body; /* the key was written, be it with an empty text */
	bool has_response_body;
	const struct rule_binding *additional;
	size_t additional_count;
};

struct rule_options {
	struct span selector; /* a method, "pkg.Service.*", or "*" */
	struct span origin;   /* as of rule_binding */
	uint32_t set;	      /* bits 1 << CALL_OPTION_* */
	struct call_options options;
};

/* Zeroed: no rules. Read only; everything in it is borrowed until rule_file_fini. */
struct rule_file {
	const struct rule_binding *rules; /* in the order of the file */
	size_t count;
	const struct rule_options *options; /* in the order of the file */
	size_t option_count;
	struct arena arena_;
};

/* Reads a YAML text; name is the file's name in messages. On failure file holds nothing to release.
 * Errors: ST_INVALID_ARGUMENT "name:line: what is wrong". */
MUST_CHECK enum status rule_file_read(struct rule_file *file, const char *name, struct span content,
				      struct error *err);

/* The same from a file. Blocks; only for start-up and commands. Errors: also those of file_load. */
MUST_CHECK enum status rule_file_load(struct rule_file *file, const char *path, struct error *err);

/* Accepts a zeroed file. */
void rule_file_fini(struct rule_file *file);

#endif
