/* The library's daemon inside our loop, and its connections.
 *
 *   socket readable -> daemon's epoll set -> watch -> MHD_run -> access callback -> serve
 *   answer (any time later) -> MHD_resume_connection -> MHD_run at the end of that turn
 *
 * The library's own timeout is idle time, so a head that trickles in would never end: every
 * connection has a deadline of ours for what it is doing. The library gives no way to close a
 * connection from outside; shutting the socket down makes it see end of input. */
#include "httpapi/front/http1.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "httpapi/front/http1_internal.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/runtime/watch.h"

/* Beside the head itself the pool holds the library's header records and the head of the answer. */
#define HTTP1_POOL_EXTRA_BYTES ((size_t)4096)

/* The library asks to be run again at once for as long as a connection has input that it has no
 * room for, which is until our deadline when a chunk's extension is larger than the pool (0.9.75).
 * So after many runs in a row without an event and a callback it gets fewer of them: more than it
 * takes to fill the pool, which a nearly full one is in steps of 128 bytes a run. */
#define HTTP1_IDLE_RUN_BYTES 32U
#define HTTP1_IDLE_WAIT_MS 50U

static uint64_t http1_wait_ms(struct http1 *http1, uint64_t asked_ms)
{
	if (asked_ms > 0)
		http1->idle_runs = 0;
	else if (++http1->idle_runs >
		 (http1->params.max_head_bytes + HTTP1_POOL_EXTRA_BYTES) / HTTP1_IDLE_RUN_BYTES)
		return HTTP1_IDLE_WAIT_MS;
	return asked_ms;
}

static void http1_run(void *data)
{
	struct http1 *http1 = OBJ_CAST(struct http1, HTTP1_MAGIC, data);
	MHD_UNSIGNED_LONG_LONG wait_ms;

	(void)MHD_run(http1->daemon); /* fails only for a daemon with threads of its own */
	if (MHD_get_timeout(http1->daemon, &wait_ms) == MHD_YES)
		timer_start_in(&http1->again, http1_wait_ms(http1, wait_ms));
	else
		timer_stop(&http1->again);
}

static void http1_on_ready(void *data, unsigned events)
{
	struct http1 *http1 = data;

	(void)events;
	http1->idle_runs = 0;
	http1_run(http1);
}

void http1_schedule(struct http1 *http1)
{
	loop_task_schedule(http1->loop, &http1->run);
}

void http1_conn_cut(struct http1_conn *conn)
{
	timer_stop(&conn->deadline);
	(void)shutdown(conn->fd, SHUT_RDWR); /* gone already: all the better */
	if (conn->request)
		http1_request_break(conn->request, ST_CANCELLED);
}

static void http1_conn_on_deadline(void *data)
{
	http1_conn_cut(OBJ_CAST(struct http1_conn, HTTP1_CONN_MAGIC, data));
}

static void http1_print_peer(const struct sockaddr *peer, char text[64])
{
	char host[INET6_ADDRSTRLEN] = "?";
	const struct sockaddr_in *v4 = (const void *)peer;
	const struct sockaddr_in6 *v6 = (const void *)peer;

	if (peer && peer->sa_family == AF_INET &&
	    inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host)))
		(void)snprintf(text, 64, "%s:%u", host, ntohs(v4->sin_port));
	else if (peer && peer->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) &&
		 inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, host, sizeof(host)))
		(void)snprintf(text, 64, "%s:%u", host, ntohs(v6->sin6_port));
	else if (peer && peer->sa_family == AF_INET6 &&
		 inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host)))
		(void)snprintf(text, 64, "[%s]:%u", host, ntohs(v6->sin6_port));
	else
		(void)snprintf(text, 64, "unix");
}

static void http1_conn_begin(struct http1 *http1, struct MHD_Connection *connection, void **context)
{
	struct http1_conn *conn = mem_new(struct http1_conn);
	const union MHD_ConnectionInfo *info;

	conn->magic = HTTP1_CONN_MAGIC;
	conn->http1 = http1;
	conn->token = http1->adding;
	conn->linger_fd = -1;
	http1->was_taken = true;
	timer_init(&conn->deadline, http1->loop, http1_conn_on_deadline, conn);
	timer_start_in(&conn->deadline, http1->params.head_timeout_ms);
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	conn->fd = info->connect_fd;
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	http1_print_peer(info ? info->client_addr : NULL, conn->peer);
	list_push_back(&http1->conns, &conn->node);
	http1_hangup_add(http1, conn);
	*context = conn;
}

static void http1_conn_end(struct http1_conn *conn)
{
	struct http1 *http1 = conn->http1;

	http1_request_free(conn->request);
	timer_stop(&conn->deadline);
	list_remove(&conn->node);
	http1_hangup_remove(http1, conn);
	if (!http1_linger_start(conn))
		http1->params.on_closed(http1->params.data, conn->token);
	conn->magic = 0;
	mem_free(conn);
}

static void http1_on_connection(void *data, struct MHD_Connection *connection, void **context,
				enum MHD_ConnectionNotificationCode code)
{
	struct http1 *http1 = OBJ_CAST(struct http1, HTTP1_MAGIC, data);

	http1->idle_runs = 0;
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		http1_conn_begin(http1, connection, context);
	else
		http1_conn_end(OBJ_CAST(struct http1_conn, HTTP1_CONN_MAGIC, *context));
}

/* Nothing is decoded by the library: the router reads the raw target. */
static size_t http1_no_unescape(void *data, struct MHD_Connection *connection, char *text)
{
	(void)data;
	(void)connection;
	return strlen(text);
}

/* Not strict: what strictness would refuse reaches http_guard.c, whereas the library's own answers
 * to faults of a whole head go out with their head twice (0.9.75). One such is left, a malformed
 * Content-Length. */
static struct MHD_Daemon *http1_start_daemon(struct http1 *http1)
{
	const struct http1_params *params = &http1->params;
	/* Backstop behind our own deadlines; also what ends a client that takes no bytes. */
	unsigned idle_s = (unsigned)(params->idle_timeout_ms / 1000 + 1);

	return MHD_start_daemon(
		MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
		http1_request_on_access, http1, MHD_OPTION_NOTIFY_CONNECTION, http1_on_connection,
		http1, MHD_OPTION_NOTIFY_COMPLETED, http1_request_on_completed, http1,
		MHD_OPTION_URI_LOG_CALLBACK, http1_request_on_target, http1,
		MHD_OPTION_UNESCAPE_CALLBACK, http1_no_unescape, NULL,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, params->max_head_bytes + HTTP1_POOL_EXTRA_BYTES,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)params->max_connections + 1,
		MHD_OPTION_CONNECTION_TIMEOUT, idle_s, MHD_OPTION_STRICT_FOR_CLIENT, 0,
		MHD_OPTION_END);
}

enum status http1_open(struct loop *loop, const struct http1_params *params,
		       struct http1 **ret_http1, struct error *err)
{
	struct http1 *http1 = mem_new(struct http1);
	enum status status;

	http1->magic = HTTP1_MAGIC;
	http1->loop = loop;
	http1->params = *params;
	http1->hangup_fd = -1;
	buf_init(&http1->names, params->max_head_bytes);
	list_init(&http1->conns);
	list_init(&http1->lingering);
	loop_task_init(&http1->run, http1_run, http1);
	timer_init(&http1->again, loop, http1_run, http1);
	status = http1_hangup_open(http1, err);
	if (status)
		goto fail;
	http1->daemon = http1_start_daemon(http1);
	if (!http1->daemon) {
		status = error_set(err, ST_UNAVAILABLE, "libmicrohttpd does not start");
		goto fail;
	}
	http1->watch = watch_start(
		loop, MHD_get_daemon_info(http1->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
		WATCH_READABLE, http1_on_ready, http1);
	*ret_http1 = http1;
	return ST_OK;
fail:
	http1_close(http1);
	return status;
}

void http1_add(struct http1 *http1, int fd, const struct sockaddr *peer, unsigned peer_len,
	       void *token)
{
	http1->adding = token;
	http1->was_taken = false;
	/* On failure the library has closed the socket. */
	(void)MHD_add_connection(http1->daemon, fd, peer, peer_len);
	http1->adding = NULL;
	if (!http1->was_taken)
		http1->params.on_closed(http1->params.data, token);
	else
		http1_schedule(http1); /* its first bytes are there already */
}

size_t http1_active(const struct http1 *http1)
{
	return http1->active;
}

void http1_drain(struct http1 *http1)
{
	http1->is_draining = true;
	list_for_each_safe (node, &http1->conns) {
		struct http1_conn *conn = list_entry(node, struct http1_conn, node);

		/* The first request of a fresh connection is still answered. */
		if (!conn->request && conn->has_served)
			http1_conn_cut(conn);
	}
	http1_schedule(http1);
}

void http1_close(struct http1 *http1)
{
	if (!http1)
		return;
	/* The library aborts when it is stopped with a suspended connection. */
	list_for_each_safe (node, &http1->conns) {
		struct http1_conn *conn = list_entry(node, struct http1_conn, node);

		http1_conn_cut(conn);
	}
	if (http1->daemon) {
		(void)MHD_run(http1->daemon);
		watch_stop(http1->watch);
		MHD_stop_daemon(http1->daemon);
	}
	http1_linger_close(http1);
	http1_hangup_close(http1);
	timer_stop(&http1->again);
	loop_task_cancel(&http1->run);
	buf_fini(&http1->names);
	http1->magic = 0;
	mem_free(http1);
}
