#ifndef HEADGATE_SRC_CONFIG_CONFIG_VALUE_H
#define HEADGATE_SRC_CONFIG_CONFIG_VALUE_H

#include "src/base/span.h"
#include "src/base/status.h"
#include "src/config/config_row.h"

struct error;

/* Longest value taken: a path. */
#define CONFIG_VALUE_MAX ((size_t)4096)

/* Digits with B, KiB, MiB, GiB or nothing; in bytes. */
bool config_value_size(struct span text, uint64_t *ret_bytes);

/* Digits with ms, s, m, h or d, or a bare 0; in milliseconds. */
bool config_value_duration(struct span text, uint64_t *ret_ms);

/* Which of the values "a|b|c" text is. */
bool config_value_choice(struct span text, const char *values, unsigned *ret_choice);

/* The port of "port", ":port", "host:port" or "[v6]:port"; 0 for "off" and unix:PATH. False when
 * the text is none of these. */
bool config_value_port(struct span text, uint64_t *ret_port);

/* Reads text as the row says and stores it in config's field.
 * Errors: ST_INVALID_ARGUMENT with a message that says what would be right (no place, no key). */
MUST_CHECK enum status config_value_store(struct config *config, const struct config_row *row,
					  struct span text, struct error *err);

#endif
