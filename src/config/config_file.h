#ifndef HEADGATE_SRC_CONFIG_CONFIG_FILE_H
#define HEADGATE_SRC_CONFIG_CONFIG_FILE_H

#include "src/base/span.h"
#include "src/base/status.h"

struct config;
struct error;

/* A configuration file is written by people. */
#define CONFIG_FILE_MAX ((size_t)1024 * 1024)

/* Stores every value of a YAML text in config (source CONFIG_FILE). Nested mappings spell dotted
 * keys. name is the file's name in messages.
 * Errors: ST_INVALID_ARGUMENT "name:line: key: what is wrong". */
MUST_CHECK enum status config_file_read(struct config *config, const char *name,
					struct span content, struct error *err);

/* The same from a file of at most CONFIG_FILE_MAX bytes. Blocks; only for start-up.
 * Errors: also ST_NOT_FOUND, ST_UNAVAILABLE. */
MUST_CHECK enum status config_file_load(struct config *config, const char *path, struct error *err);

#endif
