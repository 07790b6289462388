#ifndef HEADGATE_HTTPAPI_FRONT_HTTP1_INTERNAL_H
#define HEADGATE_HTTPAPI_FRONT_HTTP1_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <microhttpd.h>

#include "httpapi/front/http1.h"
#include "httpapi/front/http_guard.h"
#include "httpapi/front/http_request.h"
#include "src/base/buf.h"
#include "src/base/list.h"
#include "src/runtime/loop.h"
#include "src/runtime/timer.h"

/* What http1.c (the daemon and its connections), http1_request.c, http1_stream.c and http1_early.c
 * (one request and its answer), http1_hangup.c (who has gone) and http1_linger.c (who still sends)
 * share. */
struct watch;
struct http1_conn;
struct http1_request;

#define HTTP1_MAGIC 0x68747431U
#define HTTP1_CONN_MAGIC 0x68316331U
#define HTTP1_REQUEST_MAGIC 0x68317231U

/* Bytes of a body that are read and dropped so that an early answer reaches a client that sends
 * before it reads; and how long that may take. Beyond it the connection breaks. */
#define HTTP1_DRAIN_FACTOR 4
#define HTTP1_DRAIN_MS 10000

struct http1 {
	unsigned magic;
	struct loop *loop;
	struct http1_params params;
	struct MHD_Daemon *daemon;
	struct watch *watch;  /* the daemon's epoll set */
	struct loop_task run; /* at the end of the turn in which something was resumed */
	struct timer again;   /* what the daemon asked for */
	int hangup_fd;	      /* epoll set of our own: every connection, for its FIN alone */
	struct watch *hangup_watch;
	struct list conns;
	struct list lingering;
	struct buf names; /* header names in lower case, of the head being served */
	void *adding;	  /* token of the connection that is being added */
	bool was_taken;
	size_t idle_runs; /* of the daemon, in a row, without an event or a callback */
	bool is_draining;
	size_t active;
};

struct http1_conn {
	unsigned magic;
	struct list node;
	struct http1 *http1;
	void *token;
	int fd;
	struct timer deadline; /* head, body, drain: whichever is running */
	struct http1_request *request;
	int linger_fd;	 /* -1, or a second descriptor of the socket */
	bool has_served; /* a request was completed on it */
	char peer[64];
};

enum http1_state {
	HTTP1_HEAD,	/* the request line is there */
	HTTP1_BODY,	/* the head was served, the body comes */
	HTTP1_PAUSED,	/* suspended: the next piece was not asked for */
	HTTP1_WAITING,	/* suspended: the body is complete, the answer is not there */
	HTTP1_ANSWERED, /* the answer is there but cannot be queued yet */
	HTTP1_QUEUED,
	HTTP1_STREAMING, /* queued, and its body is still being written */
	HTTP1_BROKEN,	 /* to be closed without an answer */
};

struct http1_request {
	unsigned magic;
	enum http1_state state;
	struct http_request base;
	struct http1_conn *conn;
	struct MHD_Connection *connection;
	struct MHD_Response *response;
	unsigned status;
	char *target;
	uint64_t body_bytes; /* read so far */
	struct http_framing framing;
	bool is_wanted; /* a read is unanswered */
	bool has_ended; /* the handler knows that the body is complete */
	bool must_close;
	/* of an answer that comes piece by piece */
	struct buf out; /* written, not taken by the library */
	struct loop_task drained;
	bool is_streamed;
	bool is_sleeping;   /* suspended: out is empty */
	bool wants_drained; /* out passed the high water */
	bool has_finished;
	bool is_whole; /* has_finished: not to be broken */
};

/* Runs the daemon at the end of this turn. */
void http1_schedule(struct http1 *http1);

/* Ends a connection from outside: the library sees end of input. */
void http1_conn_cut(struct http1_conn *conn);

/* The library's callbacks for one request; data is the struct http1. */
void *http1_request_on_target(void *data, const char *target, struct MHD_Connection *connection);
enum MHD_Result http1_request_on_access(void *data, struct MHD_Connection *connection,
					const char *url, const char *method, const char *version,
					const char *upload, size_t *upload_size, void **state);
void http1_request_on_completed(void *data, struct MHD_Connection *connection, void **state,
				enum MHD_RequestTerminationCode code);

/* NULL is a no-op. */
void http1_request_free(struct http1_request *request);

/* The client is gone, or must be: the handler is told and a suspended connection wakes up to die.
 */
void http1_request_break(struct http1_request *request, enum status why);

/* The body of an answer that comes piece by piece. Waking up is the caller's. */
struct MHD_Response *http1_stream_new(struct http1_request *request);
MUST_CHECK enum status http1_stream_write(struct http1_request *request, struct span bytes);
void http1_stream_fini(struct http1_request *request);

MUST_CHECK enum status http1_hangup_open(struct http1 *http1, struct error *err);
void http1_hangup_add(struct http1 *http1, struct http1_conn *conn);
void http1_hangup_remove(struct http1 *http1, struct http1_conn *conn);
void http1_hangup_close(struct http1 *http1);

/* Sends an answer while the body of the request goes on; the connection must close then. False: it
 * is too long for that, or the socket takes nothing. */
bool http1_early_send(struct http1_request *request, const struct http_response *response);

/* The connection will close with input unread: keeps the socket. */
void http1_linger_prepare(struct http1_conn *conn);
/* The library closes the connection; false when nothing was kept. Takes over the token. */
bool http1_linger_start(struct http1_conn *conn);
void http1_linger_close(struct http1 *http1);

#endif
