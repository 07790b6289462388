/* Accepts, sniffs, hands over.
 *
 *   accept -> SILENT --"P", "PR"--> PARTIAL --"PRI"--> http2
 *                \------any other byte-------\-------> http1
 *
 * Polling is level-triggered, so bytes that are only peeked at would wake the loop for ever;
 * SO_RCVLOWAT makes the socket readable only when one more byte is there than was seen. */
#include "httpapi/front/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/list.h"
#include "src/base/log.h"
#include "src/base/map.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/runtime/address.h"
#include "src/runtime/listen.h"
#include "src/runtime/loop.h"
#include "src/runtime/timer.h"
#include "src/runtime/watch.h"

#define LISTENER_SNIFF_BYTES 3

enum listener_protocol { LISTENER_SNIFFING, LISTENER_HTTP1, LISTENER_HTTP2 };

struct listener {
	struct loop *loop;
	struct listener_params params;
	struct listen *listen;
	struct http1 *http1;
	struct http2 *http2;
	struct list sniffing;
	struct map addresses;
	size_t count;
	struct metrics_series *open[3]; /* by protocol; NULL: not counted */
	struct metrics_series *refused;
};

/* Connections of one client address. */
struct listener_address {
	struct map_node node;
	size_t count;
	uint8_t bytes[16];
};

/* One connection from accept to close: the token of http1 and http2. */
struct listener_conn {
	struct listener *listener;
	struct listener_address *address; /* NULL: a unix socket */
	enum listener_protocol protocol;
	/* while it is sniffed */
	struct list node;
	int fd;
	struct watch *watch;
	struct timer deadline;
	size_t seen;
	struct sockaddr_storage peer;
	unsigned peer_len;
};

static void listener_count(struct listener *listener, enum listener_protocol protocol, int change)
{
	struct metrics_series *series = listener->open[protocol];

	if (series)
		metrics_set(series, metrics_value(series) + change);
}

/* -- how many per address ---------------------------------------------------------------------- */

static struct span listener_address_bytes(const struct sockaddr *peer)
{
	if (peer->sa_family == AF_INET)
		return span_make(&((const struct sockaddr_in *)(const void *)peer)->sin_addr, 4);
	if (peer->sa_family == AF_INET6)
		return span_make(&((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr, 16);
	return SPAN_EMPTY;
}

static struct listener_address *listener_address_ref(struct listener *listener,
						     const struct sockaddr *peer)
{
	struct span bytes = listener_address_bytes(peer);
	struct map_node *node = bytes.len ? map_find(&listener->addresses, bytes) : NULL;
	struct listener_address *address;

	if (bytes.len == 0)
		return NULL;
	if (node) {
		address = container_of(node, struct listener_address, node);
	} else {
		address = mem_new(struct listener_address);
		memcpy(address->bytes, bytes.data, bytes.len);
		address->node.key = span_make(address->bytes, bytes.len);
		(void)map_insert(&listener->addresses, &address->node); /* it was not there */
	}
	address->count++;
	return address;
}

static void listener_address_unref(struct listener *listener, struct listener_address *address)
{
	if (!address || --address->count > 0)
		return;
	map_remove(&listener->addresses, &address->node);
	mem_free(address);
}

/* -- one connection ---------------------------------------------------------------------------- */

static void listener_conn_free(struct listener_conn *conn)
{
	struct listener *listener = conn->listener;

	listener_count(listener, conn->protocol, -1);
	listener_address_unref(listener, conn->address);
	listener->count--;
	mem_free(conn);
}

static void listener_on_closed(void *data, void *token)
{
	(void)data;
	listener_conn_free(token);
}

static void listener_stop_sniffing(struct listener_conn *conn)
{
	watch_stop(conn->watch);
	conn->watch = NULL;
	timer_stop(&conn->deadline);
	list_remove(&conn->node);
}

static void listener_drop(struct listener_conn *conn)
{
	listener_stop_sniffing(conn);
	(void)close(conn->fd);
	listener_conn_free(conn);
}

static void listener_set_low_water(int fd, int bytes)
{
	/* Where it does not work the deadline still ends a stalled peer. */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof(bytes));
}

static void listener_hand_over(struct listener_conn *conn, enum listener_protocol protocol)
{
	struct listener *listener = conn->listener;

	listener_stop_sniffing(conn);
	if (conn->seen)
		listener_set_low_water(conn->fd, 1);
	listener_count(listener, conn->protocol, -1);
	listener_count(listener, protocol, +1);
	conn->protocol = protocol;
	if (protocol == LISTENER_HTTP2)
		http2_add(listener->http2, conn->fd, conn);
	else
		http1_add(listener->http1, conn->fd, (struct sockaddr *)&conn->peer, conn->peer_len,
			  conn);
}

static void listener_sniff(struct listener_conn *conn)
{
	char bytes[LISTENER_SNIFF_BYTES];
	ssize_t n = recv(conn->fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		listener_drop(conn);
		return;
	}
	if (memcmp(bytes, "PRI", (size_t)n) != 0) {
		listener_hand_over(conn, LISTENER_HTTP1);
		return;
	}
	if (n == LISTENER_SNIFF_BYTES) {
		conn->seen = (size_t)n;
		listener_hand_over(conn, LISTENER_HTTP2);
		return;
	}
	if ((size_t)n == conn->seen) {
		/* Woken without another byte: the peer has shut its side down. */
		listener_drop(conn);
		return;
	}
	if (conn->seen == 0)
		timer_start_in(&conn->deadline, conn->listener->params.http1.head_timeout_ms);
	conn->seen = (size_t)n;
	listener_set_low_water(conn->fd, (int)n + 1);
}

static void listener_on_ready(void *data, unsigned events)
{
	(void)events;
	listener_sniff(data);
}

static void listener_on_deadline(void *data)
{
	listener_drop(data);
}

static const char *listener_refusal(const struct listener *listener,
				    const struct listener_address *address)
{
	if (listener->count >= listener->params.max_connections)
		return "max_connections";
	if (address && listener->params.max_per_address &&
	    address->count > listener->params.max_per_address)
		return "max_connections_per_address";
	return NULL;
}

static void listener_on_accept(void *data, int fd, const struct sockaddr *peer, unsigned peer_len)
{
	struct listener *listener = data;
	struct listener_address *address = listener_address_ref(listener, peer);
	const char *refusal = listener_refusal(listener, address);
	struct listener_conn *conn;

	if (refusal) {
		if (listener->refused)
			metrics_add(listener->refused, 1);
		LOG_LIMITED(WARN, CONNECTION_REFUSED, LOG_STR("listener", listener->params.name),
			    LOG_STR("limit", refusal));
		listener_address_unref(listener, address);
		(void)close(fd);
		return;
	}
	conn = mem_new(struct listener_conn);
	conn->listener = listener;
	conn->address = address;
	conn->fd = fd;
	conn->peer_len = peer_len < sizeof(conn->peer) ? peer_len : (unsigned)sizeof(conn->peer);
	memcpy(&conn->peer, peer, conn->peer_len);
	listener->count++;
	listener_count(listener, LISTENER_SNIFFING, +1);
	list_push_back(&listener->sniffing, &conn->node);
	timer_init(&conn->deadline, listener->loop, listener_on_deadline, conn);
	timer_start_in(&conn->deadline, listener->params.silent_timeout_ms);
	conn->watch = watch_start(listener->loop, fd, WATCH_READABLE, listener_on_ready, conn);
}

/* -- the listener ------------------------------------------------------------------------------ */

static void listener_open_metrics(struct listener *listener)
{
	static const char *const names[] = {"none", "http1", "http2"};
	struct metrics_label reason = {"reason", SPAN_LIT("connections")};

	if (!listener->params.metrics)
		return;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct metrics_label label = {"protocol", span_from_str(names[i])};

		listener->open[i] =
			metrics_series(listener->params.metrics, METRIC_CONNECTIONS, &label, 1);
	}
	listener->refused =
		metrics_series(listener->params.metrics, METRIC_REQUESTS_REFUSED, &reason, 1);
}

static void listener_log(const struct listener *listener)
{
	char text[ADDRESS_HOST_MAX + 16];

	address_print(listener->params.address, text, sizeof(text));
	LOG(INFO, LISTENING, LOG_STR("listener", listener->params.name), LOG_STR("address", text),
	    LOG_UINT("port", listener_port(listener)));
}

enum status listener_open(struct loop *loop, const struct listener_params *params,
			  struct listener **ret_listener, struct error *err)
{
	struct listener *listener = mem_new(struct listener);
	enum status status;

	listener->loop = loop;
	listener->params = *params;
	listener->params.http1.on_closed = listener_on_closed;
	listener->params.http2.on_closed = listener_on_closed;
	list_init(&listener->sniffing);
	map_init(&listener->addresses);
	listener_open_metrics(listener);
	listener->http2 = http2_open(loop, &listener->params.http2);
	status = http1_open(loop, &listener->params.http1, &listener->http1, err);
	if (!status)
		status = (params->is_shared ? listen_open_shared : listen_open)(
			loop, params->address, listener_on_accept, listener, &listener->listen,
			err);
	if (status) {
		listener_close(listener);
		return status;
	}
	listener_log(listener);
	listener->params.address = NULL; /* borrowed until here */
	*ret_listener = listener;
	return ST_OK;
}

uint16_t listener_port(const struct listener *listener)
{
	return listen_port(listener->listen);
}

size_t listener_active(const struct listener *listener)
{
	return http1_active(listener->http1) + http2_active(listener->http2);
}

void listener_drain(struct listener *listener)
{
	listen_close(listener->listen);
	listener->listen = NULL;
	list_for_each_safe (node, &listener->sniffing)
		listener_drop(list_entry(node, struct listener_conn, node));
	http1_drain(listener->http1);
	http2_drain(listener->http2);
}

void listener_close(struct listener *listener)
{
	if (!listener)
		return;
	listen_close(listener->listen);
	list_for_each_safe (node, &listener->sniffing)
		listener_drop(list_entry(node, struct listener_conn, node));
	http1_close(listener->http1);
	http2_close(listener->http2);
	map_fini(&listener->addresses);
	mem_free(listener);
}
