/* Who hangs up while the request waits for its answer. The library does not look at a suspended
 * connection, so every connection is once put into an epoll set of ours that reports nothing but
 * its FIN or reset, edge-triggered: no system call per request. */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "httpapi/front/http1_internal.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/runtime/watch.h"

#define HTTP1_HANGUPS_PER_TURN 64

static void http1_hangup_one(struct http1_conn *conn)
{
	struct http1_request *request = conn->request;

	/* While the request is on its way in, the library itself reads the end of input. What is
	 * complete is sent all the same: only our half of the connection is needed for it. */
	if (request && (request->state == HTTP1_WAITING || request->state == HTTP1_PAUSED))
		http1_request_break(request, ST_CANCELLED);
	else if (request && request->state == HTTP1_STREAMING && !request->has_finished)
		http1_conn_cut(conn);
}

static void http1_hangup_on_ready(void *data, unsigned events)
{
	struct http1 *http1 = OBJ_CAST(struct http1, HTTP1_MAGIC, data);
	struct epoll_event ready[HTTP1_HANGUPS_PER_TURN];
	int count = epoll_wait(http1->hangup_fd, ready, HTTP1_HANGUPS_PER_TURN, 0);

	(void)events;
	for (int i = 0; i < count; i++)
		http1_hangup_one(OBJ_CAST(struct http1_conn, HTTP1_CONN_MAGIC, ready[i].data.ptr));
}

enum status http1_hangup_open(struct http1 *http1, struct error *err)
{
	http1->hangup_fd = epoll_create1(EPOLL_CLOEXEC);
	if (http1->hangup_fd < 0)
		return error_set_errno(err, ST_UNAVAILABLE, errno, "cannot make an epoll set");
	http1->hangup_watch = watch_start(http1->loop, http1->hangup_fd, WATCH_READABLE,
					  http1_hangup_on_ready, http1);
	return ST_OK;
}

void http1_hangup_add(struct http1 *http1, struct http1_conn *conn)
{
	struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data.ptr = conn};

	/* Without memory for it, this one's hang-up stays unnoticed until its deadline. */
	(void)epoll_ctl(http1->hangup_fd, EPOLL_CTL_ADD, conn->fd, &event);
}

void http1_hangup_remove(struct http1 *http1, struct http1_conn *conn)
{
	/* Closing the descriptor is not enough when the socket has another one. */
	(void)epoll_ctl(http1->hangup_fd, EPOLL_CTL_DEL, conn->fd, NULL);
}

void http1_hangup_close(struct http1 *http1)
{
	watch_stop(http1->hangup_watch);
	if (http1->hangup_fd >= 0)
		(void)close(http1->hangup_fd);
}
