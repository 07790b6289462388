#ifndef HEADGATE_TESTS_UNIT_HTTPAPI_TYPES_H
#define HEADGATE_TESTS_UNIT_HTTPAPI_TYPES_H

#include <stddef.h>
#include <stdint.h>

#include "httpapi/route_table.h"
#include "proto/schema.h"

/* The descriptors of the .proto files of this folder, made at build time. */
extern const uint8_t types_descriptor_set[];
extern const size_t types_descriptor_set_len;

/* Their schema; the caller's reference. Fails the test when it cannot be had. */
struct schema *types_schema(void);

/* The message or method with this full name or path; fails the test when there is none. */
const struct message *types_message(const struct schema *schema, const char *name);
const struct method *types_method(const struct schema *schema, const char *path);

/* The table of one service; report may hold what it likes. NULL: it could not be built. */
struct route_table *types_table(const struct schema *schema, const char *service,
				const struct route_table_params *settings,
				struct route_report *report, struct error *err);

#endif
