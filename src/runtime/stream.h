#ifndef HEADGATE_SRC_RUNTIME_STREAM_H
#define HEADGATE_SRC_RUNTIME_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/span.h"
#include "src/base/status.h"

/* A connected byte stream (TCP or unix) on the loop. Output is pulled: whoever has something to say
 * calls stream_want_write, and once at the end of the turn the stream asks on_produce for bytes and
 * sends them with one write; while the socket is full nothing is asked, so back-pressure reaches
 * the producer by itself.
 *
 * No callback comes before the call that made the stream returned, none after on_closed or
 * stream_close. Callbacks may call stream_close. */
struct loop;
struct address;
struct error;
struct stream;

/* At most this many bytes are asked from on_produce per call, and read per on_read. */
#define STREAM_CHUNK_BYTES ((size_t)256 * 1024)

struct stream_ops {
	/* stream_connect only: the connection stands. */
	void (*on_connected)(void *data);
	/* Bytes arrived; borrowed until the callback returns. All must be taken. */
	void (*on_read)(void *data, struct span bytes);
	/* Append what there is to say to out, in all up to about STREAM_CHUNK_BYTES; nothing means
	 * "no more until the next stream_want_write". Called again while it appends and the socket
	 * takes it. */
	void (*on_produce)(void *data, struct buf *out);
	/* The stream is over: error holds why (ST_OK: the peer closed in order). The handle is gone
	 * when this returns. */
	void (*on_closed)(void *data, const struct error *error);
};

/* Takes a connected non-blocking socket. Owned by the caller until on_closed or stream_close. */
struct stream *stream_from_fd(struct loop *loop, int fd, const struct stream_ops *ops, void *data);

/* Starts connecting; name look-up included, never blocking. Failure comes by on_closed.
 * deadline_ns bounds look-up and connect. */
struct stream *stream_connect(struct loop *loop, const struct address *address,
			      uint64_t deadline_ns, const struct stream_ops *ops, void *data);

/* There is something to send: on_produce is called at the end of this turn. */
void stream_want_write(struct stream *stream);

/* Makes it a trunk: a connection that carries the work of many, such as those to the journal and to
 * the user function. Once a trunk has been read, all that trunks have to write is sent at once, so
 * that work goes on from one to the next before other sockets are looked at. All that had arrived
 * was read by then, so it leaves together as it does at the end of the turn. */
void stream_set_trunk(struct stream *stream);

/* Bytes accepted from on_produce that the socket has not taken yet. */
size_t stream_unsent(const struct stream *stream);

/* Pauses and resumes on_read (back-pressure towards the peer). */
void stream_read_stop(struct stream *stream);
void stream_read_start(struct stream *stream);

/* Sends what is left (asking on_produce until it is dry), then shuts the write side down, lingers
 * up to one second for the peer's FIN so that no reset eats the last bytes, and calls on_closed. */
void stream_shutdown(struct stream *stream);

/* Drops the connection now; no callback afterwards. NULL is a no-op. */
void stream_close(struct stream *stream);

/* The peer's address as text ("127.0.0.1:4711", "unix"); borrowed from the stream. */
const char *stream_peer(const struct stream *stream);

#endif
