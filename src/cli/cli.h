#ifndef HEADGATE_SRC_CLI_CLI_H
#define HEADGATE_SRC_CLI_CLI_H

#include <stdbool.h>

/* The commands beside serve: they look at files or at the journal, print and end. None of them
 * opens a port. */

/* Exit codes of all commands. */
enum cli_exit {
	CLI_OK = 0,
	CLI_REFUSED = 1, /* what was looked at must be refused, or the work failed */
	CLI_USAGE = 2,	 /* wrong usage or configuration, a file that cannot be read */
	CLI_AWAY = 3,	 /* the journal cannot be reached, or is in no state to be */
};

/* True when there is a command of that name. */
bool cli_has(const char *name);

/* Runs the command argv[0] with the arguments after it; gives its exit code. */
int cli_run(int argc, char **argv);

/* The commands, one per line, for the usage of the program. */
extern const char cli_usage[];

#endif
