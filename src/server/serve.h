#ifndef HEADGATE_SRC_SERVER_SERVE_H
#define HEADGATE_SRC_SERVER_SERVE_H

#include <stdint.h>

/* The gateway from its configuration to its exit code: one server in this process, a supervisor of
 * several, or one of those. */
struct config_params;

int serve_run(const struct config_params *params, uint64_t started_ns);

#endif
