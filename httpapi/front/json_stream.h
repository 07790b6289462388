#ifndef HEADGATE_HTTPAPI_FRONT_JSON_STREAM_H
#define HEADGATE_HTTPAPI_FRONT_JSON_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "httpapi/accept.h"
#include "httpapi/front/front_internal.h"
#include "httpapi/front/reply_body.h"
#include "httpapi/stream_frame.h"
#include "httpapi/transcode_in.h"
#include "src/base/arena.h"
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/grpc/metadata.h"
#include "src/router/exchange.h"
#include "src/runtime/timer.h"

/* What json_stream.c (the life of a call), json_stream_in.c (its request) and json_stream_out.c
 * (its reply) share: a JSON call with a stream on one side or on both. */
struct http_request;
struct http_rule;
struct grpc_status;
struct routes;

enum json_stream_state {
	JSON_STREAM_BODY,    /* the first message is read; the router knows nothing yet */
	JSON_STREAM_RUNNING, /* the router has the call */
	JSON_STREAM_ENDING,  /* the router is through; the last bytes wait for the client */
	JSON_STREAM_OVER,    /* freed at the end of the turn */
};

struct json_stream {
	struct front_call base;
	struct exchange exchange;
	struct http_request *request; /* NULL when it is answered or gone */
	struct routes *routes;	      /* holds a reference: method and rule */
	const struct http_rule *rule;
	enum json_stream_state state;
	bool is_http2;
	struct timer deadline;
	struct loop_task work; /* what must not happen inside an operation of the exchange */
	struct arena arena;
	struct metadata metadata;

	/* the request */
	struct transcode_in in;
	struct buf rest;      /* of the body, not parsed */
	struct buf message;   /* wire bytes of the message being read, or waiting */
	struct timer silence; /* of the client while its body is asked for, or while it takes
				 nothing of a complete reply */
	bool is_wanted;	      /* a read of the handler is unanswered */
	bool is_reading;      /* a read of the body is unanswered */
	bool is_pumping;
	bool has_message;    /* message is complete */
	bool has_body_ended; /* all of it is here */
	bool is_parsed;	     /* and no message is left */

	/* the reply */
	struct stream_frame frame;
	const char *content_type;
	struct metadata headers;  /* leading, for the client */
	struct metadata trailers; /* for a client that takes them after the body */
	struct reply_body body;
	struct span reply_type; /* of a single reply */
	struct timer heartbeat;
	struct error failure; /* of our own, to be told by work */
	bool has_reply;	      /* at least one message */
	bool has_begun;	      /* the head is out */
	bool takes_trailers;
	bool is_broken; /* ENDING: the body ends without its end */
};

/* A failure that ends the call, as the client will hear it. All borrowed. */
struct json_stream_failure {
	enum status code;
	int http_status; /* 0: that of the code */
	struct span message;
	struct span details;		 /* serialized google.rpc.Status, or empty */
	bool is_of_request;		 /* what the client sent cannot be read */
	const struct metadata *trailers; /* of the function; NULL: none */
};

/* Of the life. */
/* Ends the call from our side: the handler is cancelled, the client hears of the failure. */
void json_stream_stop(struct json_stream *self, const struct json_stream_failure *failure);
/* Nothing is left to do for the client. */
void json_stream_end(struct json_stream *self);
/* on_gone of the request. */
void json_stream_on_gone(void *data, enum status why);
/* The first message is there, or will not be waited for: the router gets the call. */
void json_stream_accept(struct json_stream *self);
/* stop, but not from inside an operation of the exchange: at the end of the turn. */
void json_stream_stop_later(struct json_stream *self, enum status code, const char *message);

/* Of the request. */
extern const struct http_handler_ops json_stream_handler;
/* Reads, parses and hands over what is wanted. */
void json_stream_pump(struct json_stream *self);
/* Counts the time without a byte of the body from now on. */
void json_stream_start_silence(struct json_stream *self);
/* stop, for a failure in what the client sent. */
void json_stream_refuse(struct json_stream *self, const struct error *err);

/* Of the reply. */
void json_stream_set_headers(struct exchange *exchange, const struct metadata *headers);
MUST_CHECK enum status json_stream_send(struct exchange *exchange, struct span message);
size_t json_stream_unsent(const struct exchange *exchange);
void json_stream_finish(struct exchange *exchange, const struct grpc_status *status);
/* Gives the transport what it takes now. */
void json_stream_flush(struct json_stream *self);
void json_stream_on_drained(void *data);
/* Counts the time without a message from now on. */
void json_stream_start_heartbeat(struct json_stream *self);
void json_stream_on_heartbeat(void *data);
/* The client hears of the failure: as an answer of its own while nothing was sent, else within the
 * body. */
void json_stream_tell(struct json_stream *self, const struct json_stream_failure *failure);

static inline struct json_stream *json_stream_of(const struct exchange *exchange)
{
	return container_of(exchange, struct json_stream, exchange);
}

#endif
