#ifndef HEADGATE_SRC_H2_H2_H
#define HEADGATE_SRC_H2_H2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/span.h"
#include "src/base/status.h"

/* HTTP/2 sessions on loop streams, server and client, with every limit of ours (nghttp2 lives only
 * here). What happened during one read is queued and dispatched to the stream owners after the
 * library returned, in the order headers, data, trailers, end or close; so a HEADERS followed by a
 * RST_STREAM in one read never starts anything. Output is written once per turn of the loop.
 * Spec: RFC 9113; docs/threat-model.md for the limits. */
struct loop;
struct stream;
struct metrics;
struct error;
struct h2_session;
struct h2_stream;

/* Codes of RST_STREAM and GOAWAY we use. Spec: RFC 9113 7. */
#define H2_NO_ERROR 0U
#define H2_PROTOCOL_ERROR 1U
#define H2_INTERNAL_ERROR 2U
#define H2_REFUSED_STREAM 7U
#define H2_CANCEL 8U
#define H2_ENHANCE_YOUR_CALM 11U

struct h2_header {
	struct span name; /* lower case */
	struct span value;
};

/* The header list of a message: pseudo-headers first, order kept. Borrowed until the callback
 * returns unless said otherwise. */
struct h2_headers {
	const struct h2_header *items;
	size_t count;
};

/* The value of the first header of that name; {NULL, 0} when there is none. */
struct span h2_headers_get(const struct h2_headers *headers, const char *name);

/* Bounds of one session. Defaults in h2_limits_default; each is a configuration key. */
struct h2_limits {
	uint32_t max_concurrent_streams; /* we accept as a server; default 1024 */
	size_t max_header_list_bytes;	 /* sum of name + value + 32; default 32 KiB (R5) */
	uint32_t stream_window_bytes; /* what a peer may send unread per stream; default 256 KiB */
	uint32_t connection_window_bytes; /* default 1 MiB */
	/* Unread bytes of all streams of a connection; above, its connection window is not given
	 * back, and all its streams stand still. Many full stream windows, far under what 1024
	 * streams could hold; default 16 MiB. */
	size_t max_unread_bytes;
	size_t max_unsent_bytes; /* per stream, before h2_stream_write refuses; default 16 MiB */
	size_t max_unsent_total_bytes; /* of all streams of a session; default 64 MiB */
	uint32_t max_resets; /* RST_STREAM, both ways, per 30 s: then GOAWAY 11; default 1000 */
	uint32_t max_pings; /* server: PINGs per 10 s while nothing is sent to the peer: then GOAWAY
			       11 "too_many_pings"; default 100 */
	uint64_t keepalive_idle_ms;    /* PING after that much silence; 0: never; default 20 s */
	bool keepalive_needs_stream;   /* no PING while no stream is open; default false */
	uint64_t keepalive_timeout_ms; /* unanswered PING closes the session; default 10 s */
	uint64_t settings_timeout_ms;  /* preface and SETTINGS must come within; default 10 s */
	uint64_t idle_timeout_ms;      /* server: no stream for that long: GOAWAY; default 10 min */
	uint64_t take_timeout_ms; /* server: a complete reply of which the peer takes nothing for
				     that long is reset; default 2 min */
};
struct h2_limits h2_limits_default(void);

/* Owner of one stream. All pointers may be NULL. No callback comes from inside an h2_stream_* or
 * h2_session_* call. */
struct h2_stream_ops {
	/* Client: the response head (1xx are swallowed). Server: not used, see on_request. */
	void (*on_headers)(void *data, struct h2_stream *stream, const struct h2_headers *headers);
	/* Bytes are waiting: h2_stream_peek, h2_stream_consume. Called again only after more
	 * arrived. */
	void (*on_data)(void *data, struct h2_stream *stream);
	void (*on_trailers)(void *data, struct h2_stream *stream, const struct h2_headers *headers);
	/* The peer finished its half; unread data may still wait. */
	void (*on_end)(void *data, struct h2_stream *stream);
	/* Unsent bytes fell under half of the last h2_stream_write's high water (64 KiB). */
	void (*on_drained)(void *data, struct h2_stream *stream);
	/* The last callback; the handle is gone when it returns. is_clean: both halves ended in
	 * order, or the reply did and the rest of the request was dropped with NO_ERROR; a client
	 * hears of that only after it consumed the response. Otherwise h2_code is the code of
	 * RST_STREAM, or H2_CANCEL when the session was lost (lost_session tells them apart). */
	void (*on_closed)(void *data, struct h2_stream *stream, bool is_clean, bool lost_session,
			  uint32_t h2_code);
};

void h2_stream_set_ops(struct h2_stream *stream, const struct h2_stream_ops *ops, void *data);

/* Unread request or response bytes; borrowed until consume or the next callback of this stream. */
struct span h2_stream_peek(const struct h2_stream *stream);

/* Takes n bytes and gives the peer that much window back. What is not consumed holds it back. */
void h2_stream_consume(struct h2_stream *stream, size_t n);

/* Server: sends an interim head, 100, before the response. */
void h2_stream_inform(struct h2_stream *stream);

/* Sends a head (server: the response; is_end: no body follows). Headers are copied. */
void h2_stream_respond(struct h2_stream *stream, const struct h2_headers *headers, bool is_end);

/* Queues body bytes (copied). ST_RESOURCE_EXHAUSTED when max_unsent_bytes would be passed,
 * ST_UNAVAILABLE when the stream is closing. Sending before the head is our bug. */
MUST_CHECK enum status h2_stream_write(struct h2_stream *stream, struct span bytes);

/* Like write for several pieces that are one: all of them or none. Saves the copy into one buffer.
 */
MUST_CHECK enum status h2_stream_write_parts(struct h2_stream *stream, const struct span *parts,
					     size_t count);

/* How much h2_stream_write would take now. */
size_t h2_stream_room(const struct h2_stream *stream);

/* Bytes queued and not yet handed to the socket. */
size_t h2_stream_unsent(const struct h2_stream *stream);

/* Ends our half after the queued bytes: with END_STREAM on the last DATA, or with trailers. On a
 * server, a request whose other half is still open is dropped for
 * up to a second and then reset with NO_ERROR. */
void h2_stream_end(struct h2_stream *stream);
void h2_stream_end_with_trailers(struct h2_stream *stream, const struct h2_headers *trailers);

/* Like end, but the queued bytes are followed by a reset with INTERNAL_ERROR: the peer sees that
 * the body is not complete. */
void h2_stream_break(struct h2_stream *stream);

/* Ends the stream at once in both directions. on_closed still follows, from the loop. */
void h2_stream_reset(struct h2_stream *stream, uint32_t h2_code);

/* Forgets the owner: no callback any more; the stream is reset with H2_CANCEL unless it is over. */
void h2_stream_detach(struct h2_stream *stream);

struct h2_session *h2_stream_session(struct h2_stream *stream);

struct h2_session_ops {
	/* Server: a request head arrived (END_STREAM may follow as on_end). The callee sets the ops
	 * and owns the stream; if it does not, the stream is refused. */
	void (*on_request)(void *data, struct h2_stream *stream, const struct h2_headers *headers);
	/* Server: a request head over max_header_list_bytes, of which nothing was kept. The callee
	 * sets the ops and answers; NULL: 431 without a body. */
	void (*on_oversized)(void *data, struct h2_stream *stream);
	/* Client: the peer's SETTINGS arrived, requests may start. */
	void (*on_ready)(void *data, struct h2_session *session);
	/* Client: a stream slot became free (under the peer's MAX_CONCURRENT_STREAMS). */
	void (*on_slot)(void *data, struct h2_session *session);
	/* GOAWAY from the peer: no new streams here; running ones go on. */
	void (*on_goaway)(void *data, struct h2_session *session, uint32_t h2_code);
	/* A stream was reset, for counting only: it comes from inside other calls. */
	void (*on_reset)(void *data, bool by_peer);
	/* The connection is gone; every stream's on_closed was called before. The handle is gone
	 * when this returns. */
	void (*on_closed)(void *data, struct h2_session *session, const struct error *error);
};

/* A server session over a connected socket whose first bytes are the client preface. Takes fd. */
struct h2_session *h2_server_new(struct loop *loop, int fd, const struct h2_limits *limits,
				 const struct h2_session_ops *ops, void *data);

/* A client session that connects to address (see stream_connect). */
struct address;
struct h2_session *h2_client_new(struct loop *loop, const struct address *address,
				 uint64_t connect_deadline_ns, const struct h2_limits *limits,
				 const struct h2_session_ops *ops, void *data);

/* Client: opens a stream. ST_UNAVAILABLE while not ready or after GOAWAY, ST_RESOURCE_EXHAUSTED
 * when the peer's MAX_CONCURRENT_STREAMS is reached. is_end: no body follows. Headers are copied.
 */
MUST_CHECK enum status h2_client_request(struct h2_session *session,
					 const struct h2_headers *headers, bool is_end,
					 const struct h2_stream_ops *ops, void *data,
					 struct h2_stream **ret_stream);

size_t h2_session_stream_count(const struct h2_session *session);
const char *h2_session_peer(const struct h2_session *session);

/* Server: graceful end: shutdown notice, one round trip later the final GOAWAY; running streams
 * finish, then the connection closes and on_closed comes. */
void h2_session_drain(struct h2_session *session);

/* Closes now; streams get on_closed, then the session does, from the loop. */
void h2_session_close(struct h2_session *session);

/* Like close, but without any callback; for shutdown. NULL is a no-op. */
void h2_session_free(struct h2_session *session);

#endif
