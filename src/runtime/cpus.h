#ifndef HEADGATE_SRC_RUNTIME_CPUS_H
#define HEADGATE_SRC_RUNTIME_CPUS_H

#include "src/base/span.h"

/* Processor cores this process may use: those of its affinity mask, and no more than the quota of
 * its control group and of the groups around it, rounded up; at least 1. Blocks; only for start-up.
 */
unsigned cpus_usable(void);

/* For tests: the quota that groups under root (a cgroup2 file system) set for the group at path
 * ("/a/b"); 0: none. */
unsigned cpus_quota(const char *root, struct span path);

#endif
