#ifndef HEADGATE_SRC_CONFIG_CONFIG_SET_H
#define HEADGATE_SRC_CONFIG_CONFIG_SET_H

#include "src/base/span.h"
#include "src/base/status.h"
#include "src/config/config.h"

struct error;

/* Stores one value under its name and remembers where it came from.
 * Errors: ST_INVALID_ARGUMENT "key: what is wrong": unknown, the same key twice in the file, bad
 * value. */
MUST_CHECK enum status config_set(struct config *config, enum config_source source,
				  struct span name, struct span text, struct error *err);

/* True when some key begins with name and a dot. */
bool config_set_is_section(struct span name);
bool config_set_is_key(struct span name);

#endif
