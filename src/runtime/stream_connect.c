/* Connecting without blocking: a literal address needs no look-up, a name goes through libuv's
 * thread, then the addresses are tried in order, each with its share of the time that is left.
 *
 *   start task -> [look-up] -> attempt -> (writable: SO_ERROR) -> connected
 *                                ^------------- next address ------'  or failed
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/runtime/address.h"
#include "src/runtime/stream_internal.h"
#include "src/runtime/unix_path.h"
#include "src/runtime/watch.h"

#define CONNECTOR_MAGIC 0x636f6e6eU

/* A unix listener whose backlog is full answers EAGAIN and has nothing to poll for. */
#define CONNECTOR_RETRY_MS 10

struct connector {
	struct list garbage_node; /* first: loop_defer_free */
	unsigned magic;
	struct loop *loop;
	struct stream *stream; /* NULL: cancelled, only the look-up still holds it */
	struct address address;
	uint64_t deadline_ns;
	struct loop_task start_task;
	struct timer timer; /* bound of the look-up or of one attempt */
	struct watch *watch;
	int fd; /* of the attempt, -1 between */
	bool is_looking_up;
	uv_getaddrinfo_t lookup;
	struct addrinfo *addresses;
	const struct addrinfo *next;
	struct error error; /* why the last attempt failed */
};

static void connector_try_next(struct connector *connector);

static void connector_drop_attempt(struct connector *connector)
{
	watch_stop(connector->watch);
	connector->watch = NULL;
	if (connector->fd >= 0)
		(void)close(connector->fd); /* nothing was sent */
	connector->fd = -1;
	timer_stop(&connector->timer);
}

void connector_cancel(struct connector *connector)
{
	connector_drop_attempt(connector);
	loop_task_cancel(&connector->start_task);
	connector->stream = NULL;
	if (connector->is_looking_up) {
		/* A look-up that already runs ends by itself; its callback frees. */
		(void)uv_cancel((uv_req_t *)&connector->lookup);
		return;
	}
	if (connector->addresses)
		freeaddrinfo(connector->addresses);
	connector->addresses = NULL;
	loop_defer_free(connector->loop, &connector->garbage_node);
}

static void connector_fail(struct connector *connector)
{
	struct stream *stream = connector->stream;
	struct error error = connector->error;

	stream_fail(stream, &error); /* cancels us */
}

static void connector_succeed(struct connector *connector)
{
	struct stream *stream = connector->stream;
	int fd = connector->fd;

	watch_stop(connector->watch);
	connector->watch = NULL;
	connector->fd = -1;
	connector_cancel(connector);
	stream_connected(stream, fd);
}

static void connector_attempt_failed(struct connector *connector, int saved_errno)
{
	char text[ADDRESS_HOST_MAX + 16];

	address_print(&connector->address, text, sizeof(text));
	(void)error_set_errno(&connector->error, ST_UNAVAILABLE, saved_errno,
			      "cannot connect to %s", text);
	connector_drop_attempt(connector);
	connector_try_next(connector);
}

static void on_connector_watch(void *data, unsigned events)
{
	struct connector *connector = OBJ_CAST(struct connector, CONNECTOR_MAGIC, data);
	int pending = 0;
	socklen_t len = sizeof(pending);

	(void)events;
	if (getsockopt(connector->fd, SOL_SOCKET, SO_ERROR, &pending, &len) < 0)
		pending = errno;
	if (pending)
		connector_attempt_failed(connector, pending);
	else
		connector_succeed(connector);
}

/* The rest of the time is shared by the addresses left, so that a silent first one leaves a chance
 * to the others. */
static uint64_t connector_share_ns(const struct connector *connector)
{
	uint64_t now_ns = loop_now_ns(connector->loop);
	uint64_t count = 1;

	if (connector->deadline_ns == DEADLINE_NEVER || connector->deadline_ns <= now_ns)
		return connector->deadline_ns;
	for (const struct addrinfo *it = connector->next; it; it = it->ai_next)
		count++;
	return now_ns + (connector->deadline_ns - now_ns) / count;
}

/* Only a matter of latency, and of when a peer that vanished is noticed on a quiet connection: for
 * protocols whose servers do not like to be asked (gRPC), or that cannot ask. */
static void connector_set_options(int fd)
{
	static const struct {
		int level;
		int name;
		int value;
	} options[] = {
		{IPPROTO_TCP, TCP_NODELAY, 1},	 {SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, 30}, {IPPROTO_TCP, TCP_KEEPINTVL, 10},
		{IPPROTO_TCP, TCP_KEEPCNT, 3},
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		(void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
				 sizeof(options[i].value)); /* it works without */
}

static void connector_attempt(struct connector *connector, const struct sockaddr *address,
			      socklen_t len)
{
	int rc;

	connector->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (connector->fd < 0) {
		connector_attempt_failed(connector, errno);
		return;
	}
	if (address->sa_family != AF_UNIX)
		connector_set_options(connector->fd);
	do {
		rc = connect(connector->fd, address, len);
	} while (rc < 0 && errno == EINTR);
	if (rc == 0) {
		connector_succeed(connector);
		return;
	}
	if (errno != EINPROGRESS) {
		connector_attempt_failed(connector, errno);
		return;
	}
	connector->watch = watch_start(connector->loop, connector->fd, WATCH_WRITABLE,
				       on_connector_watch, connector);
	timer_start(&connector->timer, connector_share_ns(connector));
}

static void connector_try_next(struct connector *connector)
{
	const struct addrinfo *address = connector->next;

	if (!address) {
		connector_fail(connector);
		return;
	}
	connector->next = address->ai_next;
	connector_attempt(connector, address->ai_addr, address->ai_addrlen);
}

static void connector_retry_unix(struct connector *connector)
{
	uint64_t again_ns =
		clock_deadline(loop_now_ns(connector->loop), CONNECTOR_RETRY_MS * NS_PER_MS);

	(void)close(connector->fd); /* nothing was sent */
	connector->fd = -1;
	timer_start(&connector->timer,
		    again_ns < connector->deadline_ns ? again_ns : connector->deadline_ns);
}

static void connector_attempt_unix(struct connector *connector)
{
	struct unix_path path;
	int rc;

	if (unix_path_init(&path, connector->address.path, &connector->error) != ST_OK) {
		connector->error.status = ST_UNAVAILABLE;
		connector_fail(connector);
		return;
	}
	connector->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	rc = connector->fd < 0 ? -1
			       : connect(connector->fd, (struct sockaddr *)&path.address, path.len);
	if (rc == 0)
		connector_succeed(connector);
	else if (errno == EAGAIN)
		connector_retry_unix(connector);
	else
		connector_attempt_failed(connector, errno);
	unix_path_fini(&path);
}

static void on_connector_timer(void *data)
{
	struct connector *connector = OBJ_CAST(struct connector, CONNECTOR_MAGIC, data);
	char text[ADDRESS_HOST_MAX + 16];

	if (connector->deadline_ns > loop_now_ns(connector->loop) && !connector->is_looking_up) {
		if (connector->address.is_unix)
			connector_attempt_unix(connector);
		else
			connector_attempt_failed(connector, ETIMEDOUT);
		return;
	}
	address_print(&connector->address, text, sizeof(text));
	(void)error_set(&connector->error, ST_DEADLINE_EXCEEDED, "%s %s took too long",
			connector->is_looking_up ? "looking up" : "connecting to", text);
	connector_fail(connector);
}

static void on_connector_lookup(uv_getaddrinfo_t *lookup, int rc, struct addrinfo *addresses)
{
	struct connector *connector = OBJ_CAST(struct connector, CONNECTOR_MAGIC, lookup->data);

	loop_enter(connector->loop);
	connector->is_looking_up = false;
	timer_stop(&connector->timer);
	connector->addresses = addresses;
	if (!connector->stream) {
		connector_cancel(connector);
		return;
	}
	if (rc) {
		(void)error_set(&connector->error, ST_UNAVAILABLE, "cannot find host %s: %s",
				connector->address.host, uv_strerror(rc));
		connector_fail(connector);
		return;
	}
	connector->next = addresses;
	connector_try_next(connector);
}

static void connector_lookup(struct connector *connector)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
				 .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	char port[8];
	int rc;

	(void)snprintf(port, sizeof(port), "%u", connector->address.port); /* fits: 16 bits */
	/* Numeric only: never blocks. */
	if (!getaddrinfo(connector->address.host, port, &hints, &connector->addresses)) {
		connector->next = connector->addresses;
		connector_try_next(connector);
		return;
	}
	connector->addresses = NULL;
	hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
	connector->lookup.data = connector;
	rc = uv_getaddrinfo(&connector->loop->uv, &connector->lookup, on_connector_lookup,
			    connector->address.host, port, &hints);
	if (rc) {
		(void)error_set(&connector->error, ST_UNAVAILABLE, "cannot look up %s: %s",
				connector->address.host, uv_strerror(rc));
		connector_fail(connector);
		return;
	}
	connector->is_looking_up = true;
	timer_start(&connector->timer, connector->deadline_ns);
}

static void on_connector_start(void *data)
{
	struct connector *connector = OBJ_CAST(struct connector, CONNECTOR_MAGIC, data);

	if (connector->address.is_unix)
		connector_attempt_unix(connector);
	else
		connector_lookup(connector);
}

struct connector *connector_start(struct stream *stream, const struct address *address,
				  uint64_t deadline_ns)
{
	struct connector *connector = mem_new(struct connector);

	connector->magic = CONNECTOR_MAGIC;
	list_init(&connector->garbage_node);
	connector->loop = stream->loop;
	connector->stream = stream;
	connector->address = *address;
	connector->deadline_ns = deadline_ns;
	connector->fd = -1;
	loop_task_init(&connector->start_task, on_connector_start, connector);
	timer_init(&connector->timer, stream->loop, on_connector_timer, connector);
	loop_task_schedule(stream->loop, &connector->start_task);
	return connector;
}
