#ifndef HEADGATE_SRC_CONFIG_CONFIG_ROW_H
#define HEADGATE_SRC_CONFIG_CONFIG_ROW_H

#include <stddef.h>

#include "src/config/config.h"

/* The rows of config.def as data. For the files of this folder and the table printers of the tests.
 */
enum config_kind {
	CONFIG_STRING,
	CONFIG_BOOL,
	CONFIG_INT,
	CONFIG_SIZE,
	CONFIG_DURATION,
	CONFIG_CHOICE,
	CONFIG_ADDRESS,
	CONFIG_KIND_COUNT_
};

struct config_row {
	const char *name;
	enum config_kind kind;
	const char *text; /* default */
	const char *min;  /* or the values of a CHOICE */
	const char *max;
	const char *env; /* further names, separated by one space */
	const char *help;
	size_t offset; /* of the field in struct config */
};

const struct config_row *config_row_get(enum config_key key);

/* The key of that name; CONFIG_KEY_COUNT_ when there is none. */
enum config_key config_row_find(struct span name);

/* The key whose name looks most like a mistyped one; CONFIG_KEY_COUNT_ when none is near. */
enum config_key config_row_nearest(struct span name);

/* "HEADGATE_" + upper case with _ for each dot. Longer names than the buffer do not exist (tested).
 */
#define CONFIG_ENV_NAME_MAX 64
void config_row_env_name(const struct config_row *row, char name[CONFIG_ENV_NAME_MAX]);

/* "size", "duration", ...; a literal. */
const char *config_kind_name(enum config_kind kind);

#endif
