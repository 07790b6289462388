#ifndef HEADGATE_SRC_SERVER_SERVER_H
#define HEADGATE_SRC_SERVER_SERVER_H

#include <stdint.h>

#include "src/base/status.h"

/* The composition root: the one place that knows every concrete type. Opens the journal, the user
 * function, the entities, the router and the fronts in that order, and ends them in the reverse
 * order. Nothing is global: two servers can live in one process. */
struct config;
struct error;
struct server;

/* Opens everything; readiness follows when function and journal are there. config is borrowed for
 * the life of the server. started_ns: monotonic time the process began, for the "ready" line.
 * Errors name what could not be opened (ST_ALREADY_EXISTS: an address in use). */
MUST_CHECK enum status server_new(const struct config *config, uint64_t started_ns,
				  struct server **ret_server, struct error *err);

/* Serves until SIGTERM or SIGINT and the drain that follows. Returns the exit code: 0 drained, 1
 * cut off by a second signal. */
int server_run(struct server *server);

/* NULL is a no-op. */
void server_free(struct server *server);

#endif
