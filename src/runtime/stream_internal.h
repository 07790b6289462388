#ifndef HEADGATE_SRC_RUNTIME_STREAM_INTERNAL_H
#define HEADGATE_SRC_RUNTIME_STREAM_INTERNAL_H

#include "src/runtime/loop_internal.h"
#include "src/runtime/stream.h"
#include "src/runtime/timer.h"

/* For stream.c and stream_connect.c. */
struct watch;
struct connector;

#define STREAM_MAGIC 0x7374726dU
#define STREAM_PEER_MAX 64 /* "[v6%zone]:port"; longer names are cut */

enum stream_state {
	STREAM_CONNECTING,
	STREAM_OPEN,
	STREAM_DRAINING,  /* stream_shutdown was asked, bytes are left */
	STREAM_LINGERING, /* our FIN is out, the peer's is awaited */
	STREAM_CLOSED,	  /* only kept until no frame holds it */
};

/* What stands between a stream and its owner (tls.c); data and the other callbacks are its own. */
struct stream_layer {
	void (*on_read_start)(void *data); /* what it kept back may be read now */
	void (*on_eof)(void *data);	   /* while open; it may end the stream with an error */
	void (*on_gone)(void *data);	   /* the stream is closed, before on_closed */
};

struct stream {
	struct list garbage_node; /* first: loop_defer_free */
	unsigned magic;
	enum stream_state state;
	struct loop *loop;
	const struct stream_ops *ops;
	void *data;
	const struct stream_layer *layer; /* NULL: none */
	struct connector *connector;	  /* CONNECTING only */
	struct watch *watch;
	int fd;
	bool is_reading;
	bool is_trunk;
	bool is_blocked;     /* the socket is full: nothing is produced until it is writable */
	bool wants_shutdown; /* asked while connecting */
	unsigned watched;
	struct buf out; /* produced, refused by the socket */
	struct loop_task write_task;
	struct loop_task resume_task; /* reading goes on: the layer's */
	struct timer timer;	      /* drain and linger */
	char peer[STREAM_PEER_MAX];
};

/* The descriptor is connected: takes fd, goes OPEN, calls on_connected. */
void stream_connected(struct stream *stream, int fd);

/* Ends the stream with on_closed. error may live on the caller's stack. */
void stream_fail(struct stream *stream, const struct error *error);

/* Starts and cancels connecting (stream_connect.c); ends in stream_connected or stream_fail. */
struct connector *connector_start(struct stream *stream, const struct address *address,
				  uint64_t deadline_ns);
void connector_cancel(struct connector *connector);

#endif
