#ifndef HEADGATE_SRC_SERVER_SUPERVISOR_H
#define HEADGATE_SRC_SERVER_SUPERVISOR_H

#include <stdint.h>

#include "src/base/status.h"

/* workers: N: starts N processes of this program on one port, each a member of its own; owns what
 * they share (the embedded journal with its lock, the admin port) and starts again who dies. It
 * serves no call itself. Spec: rulings R8, R9. */
struct config;
struct error;
struct supervisor;

struct supervisor_params {
	const struct config *config; /* borrowed */
	unsigned count;
	const char *config_file;  /* as on our own command line; NULL: none. Borrowed, as flags */
	const char *const *flags; /* NULL-terminated */
	uint64_t started_ns;
};

/* With which a worker says that it could not begin: the first time, nobody tries again. */
#define SUPERVISOR_EXIT_UNUSABLE 3

/* How many workers the configuration asks for, here. */
unsigned supervisor_count(const struct config *config);

/* Errors: ST_ALREADY_EXISTS a port is taken, ST_INVALID_ARGUMENT a listener that cannot be shared
 * or a port beyond 65535, and those of embedded_open. */
MUST_CHECK enum status supervisor_new(const struct supervisor_params *params,
				      struct supervisor **ret_supervisor, struct error *err);

/* Until a signal asked for the end and all workers left. The exit code: 0 all drained, else 1. */
int supervisor_run(struct supervisor *supervisor);

/* NULL is a no-op. */
void supervisor_free(struct supervisor *supervisor);

#endif
