#ifndef HEADGATE_SRC_CLI_REQUESTS_H
#define HEADGATE_SRC_CLI_REQUESTS_H

struct offline;

/* headgate check --requests: reads one request a line (JSON) from a file ("-": standard input) and
 * prints a line for each: what the gateway would make of it. Gives the exit code: CLI_USAGE when
 * the file cannot be read or a line is no request. */
int requests_run(const struct offline *offline, const char *path);

#endif
