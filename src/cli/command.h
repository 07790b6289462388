#ifndef HEADGATE_SRC_CLI_COMMAND_H
#define HEADGATE_SRC_CLI_COMMAND_H

#include <stdbool.h>

#include "src/base/span.h"
#include "src/cli/cli.h"

/* What the commands share. Each takes its own name as argv[0] and gives its exit code. */
int command_check(int argc, char **argv);
int command_journal(int argc, char **argv);
int command_openapi(int argc, char **argv);

/* One option of a command: "--name VALUE", "--name=VALUE", or the bare flag. */
struct command_option {
	const char *name; /* with its dashes; NULL ends the list */
	const char **value;
	bool *flag;
};

/* Stores what argv says. False when the command is over, with its exit code: --help was asked for,
 * or an argument is wrong (said on standard error, with usage). */
bool command_options(int argc, char **argv, const struct command_option *options, const char *usage,
		     int *ret_code);

/* Writes to standard output; false when that failed. */
bool command_print(struct span text);

/* Says on standard error why the command ends with this code, which it returns. */
int command_fail(int code, const char *message);

#endif
