/* A stream over a watched socket. Reading: a level-triggered poll, a bounded number of recv() into
 * the loop's scratch. Writing: a late task of the turn asks the owner for bytes and sends them at
 * once; only what the socket refuses is kept (out), and only then is writability watched.
 *
 * Every callback may close the stream, so the state is looked at after each; the memory itself
 * stays until the end of the turn. */
#include "src/runtime/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/runtime/address.h"
#include "src/runtime/stream_internal.h"
#include "src/runtime/watch.h"

/* Chunks read or written per stream and turn, so that one fast peer does not starve the others. */
#define STREAM_ROUNDS_MAX 4

/* What a refused write may leave behind: one production, a little over a chunk. */
#define STREAM_OUT_MAX (4 * STREAM_CHUNK_BYTES)

/* A peer that takes nothing more for that long after stream_shutdown is dropped. */
#define STREAM_DRAIN_MS 10000

/* How long the peer's FIN is awaited after ours. */
#define STREAM_LINGER_MS 1000

static void on_stream_watch(void *data, unsigned events);
static void on_stream_write(void *data);
static void on_stream_resume(void *data);
static void on_stream_timer(void *data);

static struct stream *stream_new(struct loop *loop, const struct stream_ops *ops, void *data)
{
	struct stream *stream = mem_new(struct stream);

	stream->magic = STREAM_MAGIC;
	list_init(&stream->garbage_node);
	stream->loop = loop;
	stream->ops = ops;
	stream->data = data;
	stream->fd = -1;
	stream->is_reading = true;
	buf_init(&stream->out, STREAM_OUT_MAX);
	loop_task_init(&stream->write_task, on_stream_write, stream);
	loop_task_init(&stream->resume_task, on_stream_resume, stream);
	timer_init(&stream->timer, loop, on_stream_timer, stream);
	return stream;
}

static void stream_set_peer(struct stream *stream)
{
	struct sockaddr_storage peer = {0};
	socklen_t len = sizeof(peer);
	char host[INET6_ADDRSTRLEN] = "?";

	/* A peer that is gone already keeps "?"; the next read tells. */
	(void)getpeername(stream->fd, (struct sockaddr *)&peer, &len);
	if (peer.ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)&peer;

		(void)inet_ntop(AF_INET, &v4->sin_addr, host,
				sizeof(host)); /* host is big enough */
		(void)snprintf(stream->peer, sizeof(stream->peer), "%s:%u", host,
			       ntohs(v4->sin_port));
	} else if (peer.ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&peer;

		(void)inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
		(void)snprintf(stream->peer, sizeof(stream->peer), "[%s]:%u", host,
			       ntohs(v6->sin6_port));
	} else {
		(void)snprintf(stream->peer, sizeof(stream->peer), "unix");
	}
}

static void stream_watch(struct stream *stream)
{
	unsigned events = 0;

	if (stream->is_reading || stream->state != STREAM_OPEN)
		events |= WATCH_READABLE;
	if (stream->is_blocked)
		events |= WATCH_WRITABLE;
	if (events != stream->watched) {
		stream->watched = events;
		watch_change(stream->watch, events);
	}
}

static void stream_open(struct stream *stream, int fd)
{
	stream->fd = fd;
	stream->state = STREAM_OPEN;
	stream->watched = stream->is_reading ? WATCH_READABLE : 0;
	stream->watch = watch_start(stream->loop, fd, stream->watched, on_stream_watch, stream);
}

static void stream_schedule_write(struct stream *stream)
{
	if (stream->is_trunk)
		loop_task_schedule_trunk(stream->loop, &stream->write_task);
	else
		loop_task_schedule_late(stream->loop, &stream->write_task);
}

struct stream *stream_from_fd(struct loop *loop, int fd, const struct stream_ops *ops, void *data)
{
	struct stream *stream = stream_new(loop, ops, data);

	stream_open(stream, fd);
	stream_set_peer(stream);
	return stream;
}

struct stream *stream_connect(struct loop *loop, const struct address *address,
			      uint64_t deadline_ns, const struct stream_ops *ops, void *data)
{
	struct stream *stream = stream_new(loop, ops, data);

	stream->state = STREAM_CONNECTING;
	if (address->is_unix)
		(void)snprintf(stream->peer, sizeof(stream->peer), "unix");
	else
		address_print(address, stream->peer, sizeof(stream->peer));
	stream->connector = connector_start(stream, address, deadline_ns);
	return stream;
}

void stream_connected(struct stream *stream, int fd)
{
	stream->connector = NULL;
	stream_open(stream, fd);
	if (stream->ops->on_connected)
		stream->ops->on_connected(stream->data);
	/* What was asked while there was no connection. */
	if (stream->state == STREAM_OPEN && stream->wants_shutdown)
		stream_shutdown(stream);
	else
		stream_want_write(stream);
}

void stream_close(struct stream *stream)
{
	if (!stream || stream->state == STREAM_CLOSED)
		return;
	stream->state = STREAM_CLOSED;
	if (stream->connector)
		connector_cancel(stream->connector);
	stream->connector = NULL;
	watch_stop(stream->watch);
	stream->watch = NULL;
	if (stream->fd >= 0)
		(void)close(stream->fd); /* a socket: there is no write-back to fail */
	stream->fd = -1;
	loop_task_cancel(&stream->write_task);
	loop_task_cancel(&stream->resume_task);
	timer_stop(&stream->timer);
	buf_fini(&stream->out);
	if (stream->layer)
		stream->layer->on_gone(stream->data);
	loop_defer_free(stream->loop, &stream->garbage_node);
}

void stream_fail(struct stream *stream, const struct error *error)
{
	void (*on_closed)(void *data, const struct error *error) = stream->ops->on_closed;
	void *data = stream->data;

	stream_close(stream);
	if (on_closed)
		on_closed(data, error);
}

static void stream_fail_errno(struct stream *stream, int saved_errno, const char *what)
{
	struct error error = {.status = ST_OK};

	(void)error_set_errno(&error, ST_UNAVAILABLE, saved_errno, "%s %s", what, stream->peer);
	stream_fail(stream, &error);
}

static void stream_end(struct stream *stream)
{
	struct error error = {.status = ST_OK};

	if (stream->state == STREAM_CLOSED)
		return;
	stream_fail(stream, &error);
}

/* One recv into the scratch. True when there may be more right away. */
static bool stream_read_once(struct stream *stream)
{
	struct buf *scratch = &stream->loop->scratch;
	uint8_t *room = buf_reserve(scratch, STREAM_CHUNK_BYTES);
	ssize_t n;

	BUG_ON(buf_len(scratch) != 0);
	do {
		n = recv(stream->fd, room, STREAM_CHUNK_BYTES, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		if (errno != EAGAIN)
			stream_fail_errno(stream, errno, "lost the connection to");
		return false;
	}
	if (n == 0) {
		if (stream->layer && stream->state == STREAM_OPEN)
			stream->layer->on_eof(stream->data);
		stream_end(stream);
		return false;
	}
	/* After stream_shutdown what comes is read only so that it does not turn into a reset. */
	if (stream->state == STREAM_OPEN)
		stream->ops->on_read(stream->data, span_make(room, (size_t)n));
	return (size_t)n == STREAM_CHUNK_BYTES;
}

static void stream_read(struct stream *stream)
{
	for (int round = 0; round < STREAM_ROUNDS_MAX; round++) {
		if (!stream_read_once(stream) || stream->state == STREAM_CLOSED)
			return;
		if (stream->state == STREAM_OPEN && !stream->is_reading)
			return;
	}
}

/* Sends bytes; returns how many the socket took, or -1 after the stream failed. */
static ssize_t stream_send(struct stream *stream, struct span bytes)
{
	ssize_t n;

	do {
		n = send(stream->fd, bytes.data, bytes.len, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	if (errno == EAGAIN)
		return 0;
	stream_fail_errno(stream, errno, "cannot send to");
	return -1;
}

/* Sends what an earlier write left. True when it is all gone. */
static bool stream_send_rest(struct stream *stream)
{
	size_t len = buf_len(&stream->out);
	ssize_t n;

	if (len == 0)
		return true;
	n = stream_send(stream, buf_span(&stream->out));
	if (n < 0)
		return false;
	buf_consume(&stream->out, (size_t)n);
	stream->is_blocked = (size_t)n < len;
	if (!stream->is_blocked)
		buf_fini(&stream->out); /* an idle stream holds no buffer */
	return !stream->is_blocked;
}

/* Asks the owner for bytes and sends them. True when there may be more to ask for. */
static bool stream_produce_once(struct stream *stream)
{
	struct buf *scratch = &stream->loop->scratch;
	struct span bytes;
	ssize_t n;

	BUG_ON(buf_len(scratch) != 0);
	stream->ops->on_produce(stream->data, scratch);
	bytes = buf_span(scratch);
	buf_consume(scratch, bytes.len); /* the bytes stay where they are until the next reserve */
	if (stream->state == STREAM_CLOSED || bytes.len == 0)
		return false;
	n = stream_send(stream, bytes);
	if (n < 0)
		return false;
	if ((size_t)n == bytes.len)
		return true;
	stream->is_blocked = true;
	/* The scratch is no larger than out may be. */
	BUG_ON(!buf_append(&stream->out, span_skip(bytes, (size_t)n)));
	return false;
}

/* Our FIN: everything is with the kernel. */
static void stream_linger(struct stream *stream)
{
	stream->state = STREAM_LINGERING;
	if (shutdown(stream->fd, SHUT_WR) < 0) {
		stream_end(stream); /* the peer is gone already; nothing was left to lose */
		return;
	}
	timer_start_in(&stream->timer, STREAM_LINGER_MS);
	stream_watch(stream);
}

static void stream_write(struct stream *stream)
{
	bool has_more = stream_send_rest(stream);

	for (int round = 0; has_more && round < STREAM_ROUNDS_MAX; round++)
		has_more = stream_produce_once(stream);
	if (stream->state == STREAM_CLOSED)
		return;
	if (has_more)
		stream->is_blocked = true; /* others first: go on when the poll says writable */
	if (stream->state == STREAM_DRAINING && !stream->is_blocked)
		stream_linger(stream);
	else
		stream_watch(stream);
}

static void on_stream_write(void *data)
{
	struct stream *stream = OBJ_CAST(struct stream, STREAM_MAGIC, data);

	if (!stream->is_blocked && stream->state != STREAM_LINGERING)
		stream_write(stream);
}

/* While reading is paused an error must not wait for the next recv. */
static void stream_check_error(struct stream *stream)
{
	int pending = 0;
	socklen_t len = sizeof(pending);

	if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &pending, &len) < 0)
		pending = errno;
	if (pending)
		stream_fail_errno(stream, pending, "lost the connection to");
}

static void stream_on_events(struct stream *stream, unsigned events)
{
	if ((events & WATCH_HANGUP) && !stream->is_reading && stream->state == STREAM_OPEN)
		stream_check_error(stream);
	else if (events & (WATCH_READABLE | WATCH_HANGUP))
		stream_read(stream); /* after an error recv says which */
	if (stream->state == STREAM_CLOSED || !(events & WATCH_WRITABLE))
		return;
	stream->is_blocked = false;
	stream_schedule_write(stream);
}

static void on_stream_watch(void *data, unsigned events)
{
	struct stream *stream = OBJ_CAST(struct stream, STREAM_MAGIC, data);
	struct loop *loop = stream->loop;
	bool is_trunk = stream->is_trunk;

	stream_on_events(stream, events);
	if (is_trunk)
		loop_run_trunk_writes(loop);
}

void stream_want_write(struct stream *stream)
{
	if (!stream->is_blocked && stream->state == STREAM_OPEN)
		stream_schedule_write(stream);
}

void stream_set_trunk(struct stream *stream)
{
	stream->is_trunk = true;
}

size_t stream_unsent(const struct stream *stream)
{
	return buf_len(&stream->out);
}

void stream_read_stop(struct stream *stream)
{
	stream->is_reading = false;
	if (stream->watch)
		stream_watch(stream);
}

void stream_read_start(struct stream *stream)
{
	stream->is_reading = true;
	if (stream->watch)
		stream_watch(stream);
	if (stream->layer && stream->state == STREAM_OPEN)
		loop_task_schedule(stream->loop, &stream->resume_task);
}

static void on_stream_resume(void *data)
{
	struct stream *stream = OBJ_CAST(struct stream, STREAM_MAGIC, data);

	stream->layer->on_read_start(stream->data);
}

void stream_shutdown(struct stream *stream)
{
	if (stream->state == STREAM_CONNECTING)
		stream->wants_shutdown = true;
	if (stream->state != STREAM_OPEN)
		return;
	stream->state = STREAM_DRAINING;
	timer_start_in(&stream->timer, STREAM_DRAIN_MS);
	stream_watch(stream);
	if (!stream->is_blocked)
		stream_schedule_write(stream);
}

static void on_stream_timer(void *data)
{
	struct stream *stream = OBJ_CAST(struct stream, STREAM_MAGIC, data);
	struct error error = {.status = ST_OK};

	if (stream->state == STREAM_DRAINING)
		(void)error_set(&error, ST_DEADLINE_EXCEEDED,
				"%s did not take the last bytes within %d s", stream->peer,
				STREAM_DRAIN_MS / 1000);
	stream_fail(stream, &error);
}

const char *stream_peer(const struct stream *stream)
{
	return stream->peer;
}
