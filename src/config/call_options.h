#ifndef HEADGATE_SRC_CONFIG_CALL_OPTIONS_H
#define HEADGATE_SRC_CONFIG_CALL_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/span.h"

/* How calls of one method are treated; worked out once for each method when the routes are made.
 * Spec: docs/http-mapping.md, "Options of services and methods" */
#define CALL_OPTION_C_BOOL bool
#define CALL_OPTION_C_DURATION uint64_t /* milliseconds; 0: none */
#define CALL_OPTION_C_STREAM unsigned	/* enum config_stream_default */

struct call_options {
#define CO(field, kind, section, key) CALL_OPTION_C_##kind field;
#include "src/config/call_options.def"
#undef CO
};

/* One bit for each, for those that were said. */
enum call_option {
#define CO(field, kind, section, key) CALL_OPTION_##field,
#include "src/config/call_options.def"
#undef CO
	CALL_OPTION_COUNT_
};

/* Takes over what is in set, bits 1 << CALL_OPTION_*. */
void call_options_apply(struct call_options *options, const struct call_options *from,
			uint32_t set);

/* Sets one option as a file has it and returns NULL; else what would be right ("true or false"), or
 * "" when there is no such key in this section. */
const char *call_options_set(struct call_options *options, uint32_t *set, struct span section,
			     struct span key, struct span text);

#endif
