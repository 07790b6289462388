#include "src/runtime/unix_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "src/base/error.h"
#include "src/base/mem.h"

static enum status unix_path_set(struct unix_path *unix_path, const char *path, struct error *err)
{
	size_t len = strlen(path);

	if (len >= sizeof(unix_path->address.sun_path))
		return error_set(err, ST_INVALID_ARGUMENT, "socket file name is too long: %s",
				 path);
	unix_path->address.sun_family = AF_UNIX;
	memcpy(unix_path->address.sun_path, path, len + 1);
	unix_path->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
	return ST_OK;
}

static int unix_path_open_directory(const char *path, const char *slash)
{
	/* The directory of "/name" is "/" itself. */
	char *directory = mem_strndup(path, slash == path ? 1 : (size_t)(slash - path));
	int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int saved_errno = errno;

	mem_free(directory);
	errno = saved_errno;
	return fd;
}

enum status unix_path_init(struct unix_path *unix_path, const char *path, struct error *err)
{
	const char *slash = strrchr(path, '/');
	char through[sizeof(unix_path->address.sun_path)];
	enum status status;
	int len;

	*unix_path = (struct unix_path){.dir_fd = -1};
	if (strlen(path) < sizeof(unix_path->address.sun_path) || !slash)
		return unix_path_set(unix_path, path, err);
	unix_path->dir_fd = unix_path_open_directory(path, slash);
	if (unix_path->dir_fd < 0)
		return error_set_errno(err, ST_NOT_FOUND, errno,
				       "cannot open the directory of socket %s", path);
	len = snprintf(through, sizeof(through), "/proc/self/fd/%d%s", unix_path->dir_fd, slash);
	if (len < 0 || (size_t)len >= sizeof(through))
		status = error_set(err, ST_INVALID_ARGUMENT, "socket file name is too long: %s",
				   slash + 1);
	else
		status = unix_path_set(unix_path, through, err);
	if (status != ST_OK)
		unix_path_fini(unix_path);
	return status;
}

void unix_path_fini(struct unix_path *unix_path)
{
	if (unix_path->dir_fd >= 0)
		(void)close(unix_path->dir_fd); /* O_PATH: nothing to lose */
	unix_path->dir_fd = -1;
}
