/* A connection that was answered before its request was read whole, or is closed with input unread.
 * Closing it with bytes unread makes TCP send a reset, which can eat the answer on its way; so a
 * second descriptor of the socket outlives the library's, and what the client still sends is read
 * and dropped for a while. */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "httpapi/front/http1_internal.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/runtime/watch.h"

struct http1_linger {
	struct list node;
	struct http1 *http1;
	void *token;
	int fd;
	struct watch *watch;
	struct timer deadline;
	uint64_t bytes;
};

static void http1_linger_end(struct http1_linger *linger)
{
	struct http1 *http1 = linger->http1;
	void *token = linger->token;

	watch_stop(linger->watch);
	timer_stop(&linger->deadline);
	list_remove(&linger->node);
	(void)close(linger->fd);
	mem_free(linger);
	http1->params.on_closed(http1->params.data, token);
}

static void http1_linger_on_deadline(void *data)
{
	http1_linger_end(data);
}

static void http1_linger_on_ready(void *data, unsigned events)
{
	struct http1_linger *linger = data;
	char dropped[16 * 1024];
	ssize_t n = recv(linger->fd, dropped, sizeof(dropped), MSG_DONTWAIT);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		linger->bytes += (uint64_t)n;
	if (n <= 0 || linger->bytes / HTTP1_DRAIN_FACTOR > linger->http1->params.max_body_bytes)
		http1_linger_end(linger);
}

void http1_linger_prepare(struct http1_conn *conn)
{
	if (conn->linger_fd < 0)
		conn->linger_fd = fcntl(conn->fd, F_DUPFD_CLOEXEC, 0);
}

/* Some answers are the library's own, and nobody was told. */
static bool http1_linger_has_unread(const struct http1_conn *conn)
{
	int unread = 0;

	return ioctl(conn->fd, FIONREAD, &unread) == 0 && unread > 0;
}

bool http1_linger_start(struct http1_conn *conn)
{
	struct http1 *http1 = conn->http1;
	struct http1_linger *linger;

	if (http1_linger_has_unread(conn))
		http1_linger_prepare(conn);
	if (conn->linger_fd < 0)
		return false;
	linger = mem_new(struct http1_linger);
	linger->http1 = http1;
	linger->token = conn->token;
	linger->fd = conn->linger_fd;
	list_push_back(&http1->lingering, &linger->node);
	timer_init(&linger->deadline, http1->loop, http1_linger_on_deadline, linger);
	timer_start_in(&linger->deadline, HTTP1_DRAIN_MS);
	linger->watch =
		watch_start(http1->loop, linger->fd, WATCH_READABLE, http1_linger_on_ready, linger);
	return true;
}

void http1_linger_close(struct http1 *http1)
{
	list_for_each_safe (node, &http1->lingering)
		http1_linger_end(list_entry(node, struct http1_linger, node));
}
