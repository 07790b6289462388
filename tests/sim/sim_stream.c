/* Connections of the simulation: stream.h and listen.h. A way is a queue of what was sent and has
 * not arrived; what is sent keeps its order, is now and then cut in pieces, and waits while there
 * is a cut. */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/mem.h"
#include "src/runtime/address.h"
#include "src/runtime/listen.h"
#include "src/runtime/stream.h"
#include "tests/sim/sim_runtime.h"
#include "tests/sim/sim_runtime_internal.h"

#define LINGER_NS NS_PER_S

enum chunk_kind { CHUNK_BYTES, CHUNK_FIN, CHUNK_RESET, CHUNK_UP };

/* One way of a connection. */
struct chunk {
	struct list node;
	enum chunk_kind kind;
	uint64_t arrives_ns;
	struct buf bytes;
};

struct conn;

struct way {
	struct conn *conn;
	struct list chunks;
	bool is_pumping;
	uint64_t last_ns;
};

struct conn {
	struct list node;
	unsigned refs;
	struct loop *loops[2];
	const char *names[2];
	struct stream *ends[2];
	struct way ways[2]; /* ways[i] leads to ends[i] */
};

struct stream {
	struct list node; /* garbage */
	struct loop *loop;
	struct conn *conn; /* NULL: connecting, or gone */
	unsigned end;
	const struct stream_ops *ops;
	void *data;
	struct loop_task write;
	bool is_read_stopped;
	bool is_up;
	bool is_ending; /* stream_shutdown */
	bool is_fin_sent;
	bool is_over;
	struct list inbox;  /* struct chunk, while reading is stopped */
	struct timer timer; /* connect, linger */
	char host[64];
	uint16_t port;
	uint64_t deadline_ns;
	struct event *connecting;
	char peer[80];
};

struct listen {
	struct list node;
	struct loop *loop;
	uint16_t port;
	listen_accept_fn on_accept;
	void *data;
};

struct arrival {
	struct list node;
	int fd;
	struct conn *conn;
};

/* ---- connections ----------------------------------------------------------------------------- */

static uint64_t latency(struct sim_net *net)
{
	return net->latency_ns + (net->jitter_ns ? sim_random(net, net->jitter_ns) : 0);
}

static bool is_cut(const struct sim_net *net, const char *one, const char *other)
{
	for (size_t i = 0; i < net->cut_count; i++) {
		const struct cut *cut = &net->cuts[i];

		if ((strcmp(cut->one, one) == 0 && strcmp(cut->other, other) == 0) ||
		    (strcmp(cut->one, other) == 0 && strcmp(cut->other, one) == 0))
			return true;
	}
	return false;
}

static void chunk_free(struct chunk *chunk)
{
	buf_fini(&chunk->bytes);
	mem_free(chunk);
}

static void chunks_free(struct list *chunks)
{
	struct list *node;

	while ((node = list_pop_front(chunks)))
		chunk_free(list_entry(node, struct chunk, node));
}

static void conn_unref(struct conn *conn)
{
	if (--conn->refs > 0)
		return;
	for (unsigned i = 0; i < 2; i++)
		chunks_free(&conn->ways[i].chunks);
	list_remove(&conn->node);
	mem_free(conn);
}

static void pump(void *data);

/* The event runs in the receiver's loop. */
static void start_pump(struct way *way, uint64_t wait_ns)
{
	struct conn *conn = way->conn;
	unsigned end = way == &conn->ways[0] ? 0 : 1;

	if (way->is_pumping || !conn->loops[end])
		return;
	way->is_pumping = true;
	conn->refs++;
	(void)sim_event_add(conn->loops[end], wait_ns, pump, way);
}

static void send_chunk(struct conn *conn, unsigned to, enum chunk_kind kind, struct span bytes)
{
	struct way *way = &conn->ways[to];
	struct loop *loop = conn->loops[to];
	struct sim_net *net;
	struct chunk *chunk;

	if (!loop || !conn->loops[1 - to])
		return; /* one of them is gone without a word, or was killed */
	net = loop->net;
	chunk = mem_new(struct chunk);
	chunk->kind = kind;
	buf_init(&chunk->bytes, BYTES_MAX);
	(void)buf_append(&chunk->bytes, bytes);
	chunk->arrives_ns = net->now_ns + latency(net);
	if (chunk->arrives_ns < way->last_ns)
		chunk->arrives_ns = way->last_ns;
	way->last_ns = chunk->arrives_ns;
	list_push_back(&way->chunks, &chunk->node);
	start_pump(way, chunk->arrives_ns - net->now_ns);
}

static void stream_over(struct stream *stream, enum status code, const char *text);

static void deliver(struct stream *stream, struct chunk *chunk)
{
	switch (chunk->kind) {
	case CHUNK_UP:
		stream->is_up = true;
		timer_stop(&stream->timer);
		if (stream->ops->on_connected)
			stream->ops->on_connected(stream->data);
		if (!stream->is_over)
			stream_want_write(stream);
		break;
	case CHUNK_BYTES:
		if (stream->is_ending && stream->is_fin_sent)
			break;
		sim_note(stream->loop->net, hash_stable(buf_span(&chunk->bytes)));
		stream->ops->on_read(stream->data, buf_span(&chunk->bytes));
		break;
	case CHUNK_FIN:
		stream_over(stream, ST_OK, "closed by the peer");
		break;
	case CHUNK_RESET:
		stream_over(stream, ST_UNAVAILABLE, "connection reset by peer");
		break;
	}
}

static void pump(void *data)
{
	struct way *way = data;
	struct conn *conn = way->conn;
	unsigned end = way == &conn->ways[0] ? 0 : 1;
	struct stream *stream = conn->ends[end];
	struct sim_net *net;

	way->is_pumping = false;
	if (!conn->loops[end] || list_is_empty(&way->chunks)) {
		conn_unref(conn);
		return;
	}
	net = conn->loops[end]->net;
	if (is_cut(net, conn->names[0], conn->names[1])) {
		start_pump(way, 10 * NS_PER_MS + sim_random(net, 90 * NS_PER_MS));
		conn_unref(conn);
		return;
	}
	struct chunk *chunk = list_entry(list_pop_front(&way->chunks), struct chunk, node);

	if (!list_is_empty(&way->chunks)) {
		const struct chunk *next = list_entry(way->chunks.next, struct chunk, node);

		start_pump(way,
			   next->arrives_ns > net->now_ns ? next->arrives_ns - net->now_ns : 0);
	}
	if (stream && !stream->is_over) {
		if (stream->is_read_stopped) {
			list_push_back(&stream->inbox, &chunk->node);
			chunk = NULL;
		} else {
			deliver(stream, chunk);
		}
	}
	if (chunk)
		chunk_free(chunk);
	conn_unref(conn);
}

static void detach(struct stream *stream)
{
	struct conn *conn = stream->conn;

	stream->conn = NULL;
	if (!conn)
		return;
	conn->ends[stream->end] = NULL;
	conn_unref(conn);
}

static void stream_release(struct stream *stream)
{
	stream->is_over = true;
	loop_task_cancel(&stream->write);
	timer_stop(&stream->timer);
	chunks_free(&stream->inbox);
	detach(stream);
	list_push_back(&stream->loop->garbage, &stream->node);
}

static void stream_over(struct stream *stream, enum status code, const char *text)
{
	const struct stream_ops *ops = stream->ops;
	void *data = stream->data;
	struct error error = {0};

	if (code != ST_OK)
		(void)error_set(&error, code, "%s", text);
	if (stream->conn && !stream->is_fin_sent)
		send_chunk(stream->conn, 1 - stream->end, code == ST_OK ? CHUNK_FIN : CHUNK_RESET,
			   (struct span){0});
	stream_release(stream);
	ops->on_closed(data, &error);
}

static struct conn *conn_new(struct sim_net *net, struct loop *client, struct loop *server)
{
	struct conn *conn = mem_new(struct conn);

	*conn = (struct conn){
		.loops = {client, server},
		.names = {client->name, server->name},
	};
	for (unsigned i = 0; i < 2; i++) {
		conn->ways[i].conn = conn;
		list_init(&conn->ways[i].chunks);
	}
	list_push_back(&net->conns, &conn->node);
	return conn;
}

static struct stream *stream_new(struct loop *loop, const struct stream_ops *ops, void *data);

static void attach(struct conn *conn, unsigned end, struct stream *stream)
{
	stream->conn = conn;
	stream->end = end;
	conn->ends[end] = stream;
	conn->refs++;
}

/* ---- streams --------------------------------------------------------------------------------- */

static void produce(void *data)
{
	struct stream *stream = data;
	struct loop *loop = stream->loop;
	struct buf *out = &loop->scratch;

	if (stream->is_over || !stream->is_up || !stream->conn || stream->is_fin_sent)
		return;
	for (;;) {
		size_t before = buf_len(out);

		stream->ops->on_produce(stream->data, out);
		if (stream->is_over || buf_len(out) == before)
			break;
	}
	if (!stream->is_over && buf_len(out) > 0) {
		struct span rest = buf_span(out);

		/* now and then in pieces, as TCP does */
		while (rest.len > 1 && sim_one_in(loop->net, 16)) {
			size_t part = 1 + sim_random(loop->net, rest.len - 1);

			send_chunk(stream->conn, 1 - stream->end, CHUNK_BYTES,
				   span_make(rest.data, part));
			rest = span_skip(rest, part);
		}
		send_chunk(stream->conn, 1 - stream->end, CHUNK_BYTES, rest);
	}
	buf_reset(out);
	if (!stream->is_over && stream->is_ending && !stream->is_fin_sent) {
		send_chunk(stream->conn, 1 - stream->end, CHUNK_FIN, (struct span){0});
		stream->is_fin_sent = true;
		timer_start(&stream->timer, loop->net->now_ns + LINGER_NS);
	}
}

static void cancel_connect(struct stream *stream)
{
	if (!stream->connecting)
		return;
	sim_event_cancel(stream->connecting);
	stream->connecting = NULL;
}

static void on_timer(void *data)
{
	struct stream *stream = data;

	cancel_connect(stream);
	if (stream->is_ending)
		stream_over(stream, ST_OK, "");
	else
		stream_over(stream, ST_UNAVAILABLE, "connecting took too long");
}

static struct stream *stream_new(struct loop *loop, const struct stream_ops *ops, void *data)
{
	struct stream *stream = mem_new(struct stream);

	*stream = (struct stream){.loop = loop, .ops = ops, .data = data};
	list_init(&stream->node);
	list_init(&stream->inbox);
	loop_task_init(&stream->write, produce, stream);
	timer_init(&stream->timer, loop, on_timer, stream);
	return stream;
}

struct stream *stream_from_fd(struct loop *loop, int fd, const struct stream_ops *ops, void *data)
{
	struct stream *stream = stream_new(loop, ops, data);

	list_for_each_safe (it, &loop->net->arrivals) {
		struct arrival *arrival = list_entry(it, struct arrival, node);

		if (arrival->fd != fd)
			continue;
		attach(arrival->conn, 1, stream);
		(void)snprintf(stream->peer, sizeof(stream->peer), "%s:1", arrival->conn->names[0]);
		conn_unref(arrival->conn);
		list_remove(it);
		mem_free(arrival);
		stream->is_up = true;
		return stream;
	}
	BUG_ON(fd >= 0);
	return stream;
}

static struct listen *find_listen(struct sim_net *net, const char *host, uint16_t port)
{
	list_for_each_safe (it, &net->listens) {
		struct listen *listen = list_entry(it, struct listen, node);

		if (listen->port == port && strcmp(listen->loop->name, host) == 0 &&
		    !listen->loop->is_killed)
			return listen;
	}
	return NULL;
}

static void accept_one(void *data)
{
	struct arrival *arrival = data;
	struct conn *conn = arrival->conn;
	struct sockaddr_in peer = {.sin_family = AF_INET};
	struct listen *listen = NULL;

	if (conn->loops[1])
		listen = find_listen(conn->loops[1]->net, conn->names[1],
				     (uint16_t)(arrival->fd & 0xffff));
	if (!listen || !conn->loops[0]) {
		send_chunk(conn, 0, CHUNK_RESET, (struct span){0});
		list_remove(&arrival->node);
		conn_unref(conn);
		mem_free(arrival);
		return;
	}
	send_chunk(conn, 0, CHUNK_UP, (struct span){0});
	listen->on_accept(listen->data, arrival->fd, (const struct sockaddr *)&peer, sizeof(peer));
}

/* What never happens gives back what it holds. */
void sim_event_drop(struct event *event)
{
	if (event->fn == pump) {
		conn_unref(((struct way *)event->data)->conn);
	} else if (event->fn == accept_one) {
		struct arrival *arrival = event->data;

		send_chunk(arrival->conn, 0, CHUNK_RESET, (struct span){0});
		list_remove(&arrival->node);
		conn_unref(arrival->conn);
		mem_free(arrival);
	}
	mem_free(event);
}

/* The SYN arrives, or nobody is there. */
static void try_connect(void *data)
{
	struct stream *stream = data;
	struct sim_net *net = stream->loop->net;
	struct listen *listen;
	struct arrival *arrival;

	stream->connecting = NULL;
	if (is_cut(net, stream->loop->name, stream->host)) {
		stream->connecting =
			sim_event_add(stream->loop, 50 * NS_PER_MS, try_connect, stream);
		return;
	}
	listen = find_listen(net, stream->host, stream->port);
	if (!listen) {
		stream_over(stream, ST_UNAVAILABLE, "connection refused");
		return;
	}
	arrival = mem_new(struct arrival);
	arrival->conn = conn_new(net, stream->loop, listen->loop);
	arrival->conn->refs++;
	arrival->fd = (int)((unsigned)++net->next_fd << 16 | stream->port);
	list_push_back(&net->arrivals, &arrival->node);
	attach(arrival->conn, 0, stream);
	(void)sim_event_add(listen->loop, latency(net), accept_one, arrival);
}

struct stream *stream_connect(struct loop *loop, const struct address *address,
			      uint64_t deadline_ns, const struct stream_ops *ops, void *data)
{
	struct stream *stream = stream_new(loop, ops, data);
	bool is_self = strcmp(address->host, "127.0.0.1") == 0;

	(void)snprintf(stream->host, sizeof(stream->host), "%s",
		       is_self ? loop->name : address->host);
	(void)snprintf(stream->peer, sizeof(stream->peer), "%s:%u", stream->host, address->port);
	stream->port = address->port;
	timer_start(&stream->timer, deadline_ns);
	stream->connecting = sim_event_add(loop, latency(loop->net), try_connect, stream);
	return stream;
}

void stream_want_write(struct stream *stream)
{
	if (!stream->is_over && !list_is_linked(&stream->write.node_))
		list_push_back(&stream->loop->late_tasks, &stream->write.node_);
}

void stream_set_trunk(struct stream *stream)
{
	(void)stream;
}

size_t stream_unsent(const struct stream *stream)
{
	(void)stream;
	return 0;
}

void stream_read_stop(struct stream *stream)
{
	stream->is_read_stopped = true;
}

void stream_read_start(struct stream *stream)
{
	stream->is_read_stopped = false;
	if (!stream->conn || list_is_empty(&stream->inbox))
		return;
	/* The stream must live till then: the whole inbox goes back in front of its way. */
	struct way *way = &stream->conn->ways[stream->end];
	struct list all;

	list_init(&all);
	list_splice_back(&all, &stream->inbox);
	list_splice_back(&all, &way->chunks);
	list_splice_back(&way->chunks, &all);
	start_pump(way, 0);
}

void stream_shutdown(struct stream *stream)
{
	stream->is_ending = true;
	stream_want_write(stream);
}

void stream_close(struct stream *stream)
{
	if (!stream || stream->is_over)
		return;
	cancel_connect(stream);
	if (stream->conn && !stream->is_fin_sent)
		send_chunk(stream->conn, 1 - stream->end, CHUNK_FIN, (struct span){0});
	stream_release(stream);
}

const char *stream_peer(const struct stream *stream)
{
	return stream->peer;
}

/* ---- listening ------------------------------------------------------------------------------- */

static enum status listen_on(struct loop *loop, const struct address *address,
			     listen_accept_fn on_accept, void *data, struct listen **ret_listen)
{
	struct listen *listen = mem_new(struct listen);

	*listen = (struct listen){
		.loop = loop,
		.port = address->port ? address->port : loop->next_port++,
		.on_accept = on_accept,
		.data = data,
	};
	list_push_back(&loop->net->listens, &listen->node);
	*ret_listen = listen;
	return ST_OK;
}

enum status listen_open(struct loop *loop, const struct address *address,
			listen_accept_fn on_accept, void *data, struct listen **ret_listen,
			struct error *err)
{
	(void)err;
	return listen_on(loop, address, on_accept, data, ret_listen);
}

enum status listen_open_shared(struct loop *loop, const struct address *address,
			       listen_accept_fn on_accept, void *data, struct listen **ret_listen,
			       struct error *err)
{
	(void)err;
	return listen_on(loop, address, on_accept, data, ret_listen);
}

uint16_t listen_port(const struct listen *listen)
{
	return listen->port;
}

void listen_close(struct listen *listen)
{
	if (!listen)
		return;
	list_remove(&listen->node);
	mem_free(listen);
}

/* ---- faults ---------------------------------------------------------------------------------- */

void sim_set_latency(struct sim_net *net, uint64_t base_ns, uint64_t jitter_ns)
{
	net->latency_ns = base_ns;
	net->jitter_ns = jitter_ns;
}

void sim_cut(struct sim_net *net, const char *one, const char *other, bool is_wanted)
{
	for (size_t i = 0; i < net->cut_count; i++) {
		const struct cut *cut = &net->cuts[i];

		if (strcmp(cut->one, one) != 0 || strcmp(cut->other, other) != 0)
			continue;
		if (!is_wanted)
			net->cuts[i] = net->cuts[--net->cut_count];
		return;
	}
	if (is_wanted && net->cut_count < CUTS_MAX)
		net->cuts[net->cut_count++] = (struct cut){one, other};
}

/* A part of what is on its way still arrives; then the reset. */
static void break_way(struct conn *conn, unsigned to)
{
	struct way *way = &conn->ways[to];
	struct sim_net *net;

	if (!conn->loops[to])
		return;
	net = conn->loops[to]->net;
	while (!list_is_empty(&way->chunks) && sim_one_in(net, 2)) {
		struct list *last = way->chunks.prev;

		list_remove(last);
		chunk_free(list_entry(last, struct chunk, node));
	}
	send_chunk(conn, to, CHUNK_RESET, (struct span){0});
}

bool sim_break_one(struct sim_net *net, const char *one, const char *other)
{
	list_for_each_safe (it, &net->conns) {
		struct conn *conn = list_entry(it, struct conn, node);

		if (!conn->ends[0] || !conn->ends[1])
			continue;
		if (!(strcmp(conn->names[0], one) == 0 && strcmp(conn->names[1], other) == 0) ||
		    sim_one_in(net, 2))
			continue;
		break_way(conn, 0);
		break_way(conn, 1);
		return true;
	}
	return false;
}

void sim_loop_kill(struct loop *loop)
{
	struct sim_net *net = loop->net;

	list_for_each_safe (it, &net->conns) {
		struct conn *conn = list_entry(it, struct conn, node);

		for (unsigned i = 0; i < 2; i++) {
			if (conn->loops[i] != loop)
				continue;
			/* what it sent before may arrive */
			send_chunk(conn, 1 - i, CHUNK_RESET, (struct span){0});
			conn->loops[i] = NULL;
			chunks_free(&conn->ways[i].chunks);
		}
	}
	loop->is_killed = true;
}

void sim_garbage_free(struct loop *loop)
{
	struct list *node;

	while ((node = list_pop_front(&loop->garbage)))
		mem_free(list_entry(node, struct stream, node));
}

void sim_conns_free(struct sim_net *net)
{
	struct list *node;

	while ((node = list_pop_front(&net->arrivals))) {
		struct arrival *arrival = list_entry(node, struct arrival, node);

		conn_unref(arrival->conn);
		mem_free(arrival);
	}
	list_for_each_safe (it, &net->conns) {
		struct conn *conn = list_entry(it, struct conn, node);

		for (unsigned i = 0; i < 2; i++)
			chunks_free(&conn->ways[i].chunks);
		list_remove(&conn->node);
		mem_free(conn);
	}
}
