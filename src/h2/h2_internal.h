#ifndef HEADGATE_SRC_H2_H2_INTERNAL_H
#define HEADGATE_SRC_H2_H2_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nghttp2/nghttp2.h>

#include "src/base/buf.h"
#include "src/base/list.h"
#include "src/h2/h2.h"
#include "src/runtime/loop.h"
#include "src/runtime/timer.h"

/* What the files of src/h2 share; nobody else includes it. */
struct stream;

#define H2_SESSION_MAGIC 0x68327365U
#define H2_STREAM_MAGIC 0x68327374U

/* One received header, held by the library's reference count instead of a copy. */
struct h2_field {
	nghttp2_rcbuf *name;
	nghttp2_rcbuf *value;
};

/* A run of session->fields. */
struct h2_block {
	size_t at;
	size_t count;
};

struct h2_stream {
	struct list node;	 /* session->streams */
	struct list dirty_node;	 /* session->dirty: something is to be told */
	struct list linger_node; /* session->lingering: we ended first */
	uint64_t linger_until_ns;
	struct list take_node; /* session->untaken: replied, and bytes of it are left */
	uint64_t take_until_ns;
	unsigned magic;
	int32_t id;
	uint32_t h2_code;
	struct h2_session *session;
	const struct h2_stream_ops *ops; /* NULL: nobody owns it */
	void *data;
	struct buf in;		      /* received, not consumed */
	struct buf out;		      /* written, not sent */
	struct h2_trailers *trailers; /* to be sent after out */
	struct h2_block head;	      /* valid while has_new_head */
	struct h2_block tail;	      /* valid while has_new_trailers */

	/* To be told by the next dispatch. */
	bool has_new_head : 1;
	bool has_new_data : 1;
	bool has_new_trailers : 1;
	bool has_new_end : 1;
	bool is_newly_drained : 1;

	bool has_head : 1;	/* the peer's head is complete (1xx do not count) */
	bool has_sent_head : 1; /* ours was submitted */
	bool is_peer_ended : 1; /* END_STREAM came */
	bool is_ending : 1;	/* h2_stream_end was called */
	bool is_breaking : 1;	/* h2_stream_break was called */
	bool is_ended : 1;	/* our END_STREAM is out */
	bool is_deferred : 1;	/* the library waits for h2_session_resume */
	bool wants_drained : 1; /* out passed the high water */
	bool is_head_too_big : 1;
	bool is_over : 1; /* closed for the library; on_closed is due */
	bool is_clean : 1;
	bool is_lost : 1;
	bool is_cut : 1; /* nothing but on_closed may be told any more */
};

/* A copy of trailers until the body before them is sent: one allocation. */
struct h2_trailers {
	size_t count;
	nghttp2_nv items[];
};

struct h2_session {
	unsigned magic;
	struct loop *loop;
	struct stream *socket; /* NULL: gone */
	nghttp2_session *ng;
	const struct h2_session_ops *ops;
	void *data;
	struct h2_limits limits;

	struct list streams;
	struct list dirty;
	struct list lingering; /* server: replied in full, the request goes on; oldest first */
	struct list untaken;   /* server: replies waiting for the peer's window; oldest first */
	size_t stream_count;   /* in streams */
	size_t open_count;     /* of them, those not over */
	size_t unread_bytes;   /* sum of all in */
	size_t unsent_bytes;   /* sum of all out */
	size_t withheld_bytes; /* connection window not given back while too much is unread */

	/* Headers of blocks not told yet; the block being received, if any, is the last. */
	struct h2_field *fields;
	size_t field_count;
	size_t field_cap;
	struct h2_stream *block_stream; /* NULL: no block, or one nobody wants */
	size_t block_at;
	size_t block_bytes;
	unsigned oversized_count;

	struct loop_task dispatch_task;
	struct timer timer; /* fires at the earliest of the deadlines below */
	uint64_t settings_deadline_ns;
	uint64_t ping_deadline_ns; /* keepalive PING is out */
	uint64_t drain_deadline_ns;
	uint64_t last_read_ns;
	uint64_t idle_since_ns; /* DEADLINE_NEVER: streams are open */
	uint64_t reset_window_end_ns;
	uint32_t reset_count;
	uint64_t ping_window_end_ns;
	uint32_t ping_count;

	uint32_t goaway_code;
	unsigned depth;		/* frames that call owners */
	enum status end_status; /* why we ended it; ST_OK: we did not */
	const char *end_text;	/* literal */
	bool is_server : 1;
	bool has_settings : 1; /* the peer's SETTINGS came */
	bool is_newly_ready : 1;
	bool has_new_goaway : 1;
	bool is_goaway : 1;  /* no new streams */
	bool wants_slot : 1; /* a request was refused for the peer's limit */
	bool is_draining : 1;
	bool is_ending : 1; /* only the last bytes are still sent */
	bool is_close_asked : 1;
	bool is_freed : 1;
};

/* h2_callbacks.c: makes the library's session with our callbacks and options, submits SETTINGS. */
nghttp2_session *h2_callbacks_new_session(struct h2_session *session);

/* Body bytes of a stream, for submit_response and submit_request. */
nghttp2_data_provider h2_callbacks_data_provider(void);

/* h2_session.c */

/* There is something to send. */
void h2_session_wake(struct h2_session *session);

/* The stream has something to tell its owner; done now (inside a read) or by the task. */
void h2_session_mark(struct h2_session *session, struct h2_stream *stream);

/* Gives connection window back unless the streams hold too much unread. */
void h2_session_credit(struct h2_session *session);

/* The peer misbehaves: GOAWAY with that code, streams are lost, the connection ends. Safe inside
 * the library's callbacks. why is a literal. */
void h2_session_refuse(struct h2_session *session, uint32_t h2_code, const char *why);

/* Like h2_session_free, but streams are told that they are lost before it returns; the session's
 * own owner is not. Allowed inside callbacks. */
void h2_session_cut(struct h2_session *session);

/* Our reply is complete and the request is not: what still comes is dropped, and after a while the
 * stream is reset with NO_ERROR. */
void h2_session_linger(struct h2_session *session, struct h2_stream *stream);

/* Counts one PING of the peer; what we send it makes up for all before. */
void h2_session_count_ping(struct h2_session *session);

/* Counts one RST_STREAM, the peer's or ours. */
void h2_session_count_reset(struct h2_session *session, bool by_peer);

/* The reply is complete and bytes of it are left, or some of them were just taken: from now on the
 * peer has take_timeout_ms for more. */
void h2_session_await_taking(struct h2_session *session, struct h2_stream *stream);

/* A keepalive or drain PING was answered. */
void h2_session_ping_acked(struct h2_session *session, const uint8_t payload[8]);

/* h2_dispatch.c: tells what is pending; false when the session is gone afterwards. */
bool h2_dispatch(struct h2_session *session);

/* Frees everything now; depth must be 0. */
void h2_session_destroy(struct h2_session *session);

/* h2_stream.c */
struct h2_stream *h2_stream_new(struct h2_session *session, int32_t id);
void h2_stream_free(struct h2_stream *stream);

/* The library closed it: is_over, and marked. */
void h2_stream_closed(struct h2_stream *stream, bool is_clean, bool is_lost, uint32_t h2_code);

/* Headers in the library's form; items must hold headers->count. Nothing is copied. */
void h2_stream_fill_nv(nghttp2_nv *items, const struct h2_headers *headers);

/* As many headers are put on the stack; more go to the heap. */
#define H2_HEADERS_ON_STACK 32U

#endif
