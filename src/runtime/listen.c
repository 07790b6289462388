#include "src/runtime/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/error.h"
#include "src/base/list.h"
#include "src/base/mem.h"
#include "src/runtime/address.h"
#include "src/runtime/loop_internal.h"
#include "src/runtime/timer.h"
#include "src/runtime/unix_path.h"
#include "src/runtime/watch.h"

#define LISTEN_MAGIC 0x6c697374U
#define LISTEN_BACKLOG 1024

/* Out of descriptors: accepting again at once would spin. */
#define LISTEN_PAUSE_MS 100

/* Connections taken per turn, so that a storm of them does not starve the others. */
#define LISTEN_ACCEPTS_MAX 64

struct listen {
	struct list garbage_node; /* first: loop_defer_free */
	unsigned magic;
	struct loop *loop;
	struct watch *watch; /* NULL: closed */
	struct timer pause;
	int fd;
	uint16_t port;
	listen_accept_fn on_accept;
	void *data;
	char *path; /* unix: removed at close when it is still ours */
	dev_t path_dev;
	ino_t path_ino;
};

static enum status listen_errno(int saved_errno, const struct address *address, struct error *err)
{
	enum status status = ST_INVALID_ARGUMENT;
	char text[ADDRESS_PATH_MAX + 8];

	if (saved_errno == EADDRINUSE)
		status = ST_ALREADY_EXISTS;
	else if (saved_errno == EACCES || saved_errno == EPERM)
		status = ST_PERMISSION_DENIED;
	address_print(address, text, sizeof(text));
	return error_set_errno(err, status, saved_errno, "cannot listen on %s", text);
}

static bool listen_accept_once(struct listen *listen)
{
	struct sockaddr_storage peer = {0};
	socklen_t len = sizeof(peer);
	int one = 1;
	int fd = accept4(listen->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			watch_change(listen->watch, 0);
			timer_start_in(&listen->pause, LISTEN_PAUSE_MS);
			return false;
		}
		/* Else that one connection is gone already. */
		return errno != EAGAIN;
	}
	if (peer.ss_family != AF_UNIX) /* only a matter of latency */
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	listen->on_accept(listen->data, fd, (const struct sockaddr *)&peer, len);
	return true;
}

static void on_listen_watch(void *data, unsigned events)
{
	struct listen *listen = OBJ_CAST(struct listen, LISTEN_MAGIC, data);

	(void)events;
	for (int i = 0; i < LISTEN_ACCEPTS_MAX && listen->watch; i++) {
		if (!listen_accept_once(listen))
			return;
	}
}

static void on_listen_pause(void *data)
{
	struct listen *listen = OBJ_CAST(struct listen, LISTEN_MAGIC, data);

	watch_change(listen->watch, WATCH_READABLE);
}

static int listen_socket(int family)
{
	return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* True when somebody answers at the path. */
static bool listen_path_answers(const struct unix_path *path)
{
	int fd = listen_socket(AF_UNIX);
	bool answers;

	if (fd < 0)
		return true; /* cannot tell: do not take it away */
	/* A full backlog (EAGAIN) is an answer too. */
	answers = connect(fd, (const struct sockaddr *)&path->address, path->len) == 0 ||
		  errno == EAGAIN || errno == EINPROGRESS;
	(void)close(fd); /* only probed */
	return answers;
}

/* Removes what a dead process left at the path; never anything but a socket. */
static enum status listen_clear_path(const struct unix_path *path, const struct address *address,
				     struct error *err)
{
	struct stat found;

	if (lstat(path->address.sun_path, &found) < 0)
		return ST_OK; /* nothing there, or bind says what is wrong */
	if (!S_ISSOCK(found.st_mode))
		return error_set(err, ST_ALREADY_EXISTS, "%s exists and is no socket",
				 address->path);
	if (listen_path_answers(path))
		return error_set(err, ST_ALREADY_EXISTS, "somebody listens on %s already",
				 address->path);
	if (unlink(path->address.sun_path) < 0 && errno != ENOENT)
		return listen_errno(errno, address, err);
	return ST_OK;
}

static enum status listen_bind_unix(struct listen *listen, const struct address *address,
				    struct error *err)
{
	struct unix_path path;
	struct stat made;
	enum status status = unix_path_init(&path, address->path, err);

	if (status != ST_OK)
		return status;
	status = listen_clear_path(&path, address, err);
	if (status != ST_OK)
		goto out;
	listen->fd = listen_socket(AF_UNIX);
	if (listen->fd < 0 || bind(listen->fd, (struct sockaddr *)&path.address, path.len) < 0) {
		status = listen_errno(errno, address, err);
		goto out;
	}
	listen->path = mem_strdup(address->path);
	if (stat(path.address.sun_path, &made) == 0) {
		listen->path_dev = made.st_dev;
		listen->path_ino = made.st_ino;
	}
out:
	unix_path_fini(&path);
	return status;
}

/* Of a name's addresses the IPv4 one is taken: "localhost" is 127.0.0.1 to most clients. */
static const struct addrinfo *listen_choose(const struct addrinfo *list)
{
	for (const struct addrinfo *it = list; it; it = it->ai_next) {
		if (it->ai_family == AF_INET)
			return it;
	}
	return list;
}

static enum status listen_bind_to(struct listen *listen, const struct addrinfo *info,
				  bool is_shared)
{
	int one = 1;
	int zero = 0;

	listen->fd = listen_socket(info->ai_family);
	if (listen->fd < 0)
		return ST_UNAVAILABLE;
	if (setsockopt(listen->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
		return ST_UNAVAILABLE;
	if (is_shared && setsockopt(listen->fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0)
		return ST_UNAVAILABLE;
	if (info->ai_family == AF_INET6 &&
	    setsockopt(listen->fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)) < 0)
		return ST_UNAVAILABLE;
	if (bind(listen->fd, info->ai_addr, info->ai_addrlen) < 0)
		return ST_UNAVAILABLE;
	return ST_OK;
}

static enum status listen_bind_host(struct listen *listen, const char *host,
				    const struct address *address, bool is_shared,
				    struct error *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *list = NULL;
	char port[8];
	enum status status = ST_OK;
	int rc;

	(void)snprintf(port, sizeof(port), "%u", address->port); /* fits: 16 bits */
	/* May block on a name; happens at start-up only. */
	rc = getaddrinfo(host, port, &hints, &list);
	if (rc || !list)
		return error_set(err, ST_INVALID_ARGUMENT, "cannot listen on host %s: %s", host,
				 gai_strerror(rc));
	if (listen_bind_to(listen, listen_choose(list), is_shared) != ST_OK)
		status = listen_errno(errno, address, err);
	freeaddrinfo(list);
	return status;
}

static enum status listen_bind_tcp(struct listen *listen, const struct address *address,
				   bool is_shared, struct error *err)
{
	int probe;

	if (address->host[0])
		return listen_bind_host(listen, address->host, address, is_shared, err);
	/* Every address: dual stack where there is IPv6, else IPv4. */
	probe = listen_socket(AF_INET6);
	if (probe >= 0)
		(void)close(probe); /* only asked whether it can be made */
	return listen_bind_host(listen, probe >= 0 ? "::" : "0.0.0.0", address, is_shared, err);
}

static void listen_find_port(struct listen *listen)
{
	struct sockaddr_storage bound = {0};
	socklen_t len = sizeof(bound);

	if (getsockname(listen->fd, (struct sockaddr *)&bound, &len) < 0)
		return;
	if (bound.ss_family == AF_INET)
		listen->port = ntohs(((const struct sockaddr_in *)&bound)->sin_port);
	else if (bound.ss_family == AF_INET6)
		listen->port = ntohs(((const struct sockaddr_in6 *)&bound)->sin6_port);
}

static void listen_free(struct listen *listen)
{
	if (listen->fd >= 0)
		(void)close(listen->fd); /* holds no data */
	mem_free(listen->path);
	mem_free(listen);
}

static struct listen *listen_new(struct loop *loop, listen_accept_fn on_accept, void *data)
{
	struct listen *self = mem_new(struct listen);

	self->magic = LISTEN_MAGIC;
	list_init(&self->garbage_node);
	self->loop = loop;
	self->fd = -1;
	self->on_accept = on_accept;
	self->data = data;
	timer_init(&self->pause, loop, on_listen_pause, self);
	return self;
}

static enum status listen_begin(struct listen *self, const struct address *address, bool is_shared,
				struct error *err)
{
	enum status status = address->is_unix ? listen_bind_unix(self, address, err)
					      : listen_bind_tcp(self, address, is_shared, err);

	if (status != ST_OK)
		return status;
	if (listen(self->fd, LISTEN_BACKLOG) < 0)
		return listen_errno(errno, address, err);
	listen_find_port(self);
	self->watch = watch_start(self->loop, self->fd, WATCH_READABLE, on_listen_watch, self);
	return ST_OK;
}

enum status listen_open(struct loop *loop, const struct address *address,
			listen_accept_fn on_accept, void *data, struct listen **ret_listen,
			struct error *err)
{
	struct listen *self = listen_new(loop, on_accept, data);
	enum status status = listen_begin(self, address, false, err);

	if (status != ST_OK)
		listen_free(self);
	else
		*ret_listen = self;
	return status;
}

enum status listen_open_shared(struct loop *loop, const struct address *address,
			       listen_accept_fn on_accept, void *data, struct listen **ret_listen,
			       struct error *err)
{
	struct listen *self = listen_new(loop, on_accept, data);
	enum status status = listen_begin(self, address, true, err);

	if (status != ST_OK)
		listen_free(self);
	else
		*ret_listen = self;
	return status;
}

uint16_t listen_port(const struct listen *listen)
{
	return listen->port;
}

static void listen_remove_path(const struct listen *self)
{
	struct unix_path path;
	struct stat found;

	if (!self->path || unix_path_init(&path, self->path, NULL) != ST_OK)
		return;
	if (stat(path.address.sun_path, &found) == 0 && found.st_dev == self->path_dev &&
	    found.st_ino == self->path_ino)
		(void)unlink(path.address.sun_path); /* the next start removes what stays */
	unix_path_fini(&path);
}

void listen_close(struct listen *listen)
{
	if (!listen || !listen->watch)
		return;
	watch_stop(listen->watch);
	listen->watch = NULL;
	timer_stop(&listen->pause);
	listen_remove_path(listen);
	(void)close(listen->fd); /* holds no data */
	mem_free(listen->path);
	loop_defer_free(listen->loop, &listen->garbage_node);
}
