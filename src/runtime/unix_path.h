#ifndef HEADGATE_SRC_RUNTIME_UNIX_PATH_H
#define HEADGATE_SRC_RUNTIME_UNIX_PATH_H

#include <sys/socket.h>
#include <sys/un.h>

#include "src/base/status.h"

struct error;

/* A unix socket's path as an address the kernel takes. A path that does not fit sun_path (108
 * bytes) is reached through a descriptor of its directory: dir_fd is then open and must stay so
 * until bind or connect returned; unix_path_fini closes it. */
struct unix_path {
	struct sockaddr_un address;
	socklen_t len;
	int dir_fd; /* -1: the path fits */
};

/* Errors: ST_INVALID_ARGUMENT the file name itself is too long, ST_NOT_FOUND no such directory. */
MUST_CHECK enum status unix_path_init(struct unix_path *unix_path, const char *path,
				      struct error *err);
void unix_path_fini(struct unix_path *unix_path);

#endif
