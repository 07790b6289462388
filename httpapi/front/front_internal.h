#ifndef HEADGATE_HTTPAPI_FRONT_FRONT_INTERNAL_H
#define HEADGATE_HTTPAPI_FRONT_FRONT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "httpapi/cors.h"
#include "httpapi/front/front.h"
#include "httpapi/front/health.h"
#include "httpapi/front/reflection.h"
#include "httpapi/transcode_options.h"
#include "src/base/error.h"
#include "src/base/list.h"
#include "src/base/metrics.h"
#include "src/base/span.h"
#include "src/config/rule_file.h"
#include "src/runtime/loop.h"

/* What the files of the front share. */
struct docs;
struct exchange;
struct h2_headers;
struct h2_stream;
struct http_head;
struct http_request;
struct listener;
struct listener_params;
struct metadata;
struct route_match;
struct routes;
struct status_map;

/* JSON of the largest message from the function (12 MiB) with every default printed; over HTTP/2
 * one reply may fill what its connection may hold unsent. */
#define FRONT_REPLY_BYTES_MAX ((size_t)64 * 1024 * 1024)

/* Why a request never reached a method: labels of headgate_requests_refused_total. */
enum front_refusal {
	FRONT_REFUSED_NOT_FOUND,
	FRONT_REFUSED_METHOD,
	FRONT_REFUSED_MALFORMED,
	FRONT_REFUSED_TYPE,
	FRONT_REFUSED_SIZE,
	FRONT_REFUSED_LIMIT,
	FRONT_REFUSED_NOT_READY,
	FRONT_REFUSED_UNSUPPORTED,
	FRONT_REFUSAL_COUNT_
};

struct front {
	struct loop *loop;
	struct front_params params;
	struct listener *ingress;
	struct listener *admin;
	struct listener *metrics;
	struct listener *peers;
	struct rule_file rules; /* http.rules_file */
	struct docs *docs;	/* NULL: off */
	struct routes *routes;	/* NULL: no API yet */
	struct status_map *status_map;
	struct cors cors; /* http.cors.* */
	struct transcode_options transcode;
	struct span ignored_query[TRANSCODE_IGNORED_MAX];
	struct metrics_series *refused[FRONT_REFUSAL_COUNT_];
	struct metrics_series *peers_refused;
	struct metrics_series *internal_stripped;
	struct list calls;	/* exchange objects of every codec, to be cut at the end */
	size_t call_count;	/* exchanges and, for gRPC, answers on their way */
	size_t running_count;	/* of them, those without an answer: http.max_requests */
	struct list json_spare; /* finished json_exchange objects, to be used again */
	size_t json_spare_count;
	struct health health;
	struct reflection reflection;
	bool is_draining;
	void (*on_drained)(void *data);
	void *on_drained_data;
	struct loop_task drained;
	/* the newest API could not be put in force */
	bool has_route_error;
	struct error route_error;
};

/* A front that has no listener, no rules and no API yet: what is given to dispatch_serve is
 * answered as on the port. front_close ends it, also after a failure. */
MUST_CHECK enum status front_new(struct loop *loop, const struct front_params *params,
				 struct front **ret_front, struct error *err);

/* The call goes to whom it is for. */
void front_accept(struct front *front, struct exchange *exchange);

/* A call in progress, embedded in every kind of exchange. */
struct front_call {
	struct list node;
	struct front *front;
	bool is_running;
	void (*cut)(struct front_call *call); /* front_close: on_cancelled, then free */
};

void front_call_begin(struct front *front, struct front_call *call,
		      void (*cut)(struct front_call *call));

/* It is answered. A client that does not take its answers must not use up the calls of others. */
void front_call_answered(struct front_call *call);
void front_call_end(struct front_call *call);

/* A request is answered and gone: looks whether a drain is over. */
void front_check_drained(struct front *front);

void front_count_refused(struct front *front, enum front_refusal why);

/* Call metadata that outsiders must not set: the gateway's own "headgate-" keys go, and are
 * counted. */
void front_strip_metadata(struct front *front, struct metadata *metadata);

/* The port for other gateways: gRPC calls of entities, from whoever knows the secret. */
void peer_entry_params(struct front *front, struct listener_params *params);

/* The method of a call from another gateway; NULL, as grpc_entry_find. */
struct grpc_refusal;
const struct api_method *peer_entry_find(struct front *front, struct span path,
					 struct grpc_refusal *ret_refusal);

/* Whether the call comes from a gateway, and what it says beside the command. */
struct peer_call;
MUST_CHECK enum status peer_entry_check(struct front *front, const struct metadata *metadata,
					struct span path, struct peer_call *ret_call,
					struct error *err);

/* One stream whose content type is gRPC's. data is the front. */
void grpc_exchange_serve(void *data, struct h2_stream *stream, const struct h2_headers *headers);

/* The same on the port for other gateways: only with proof, and only calls of entities. */
void grpc_exchange_serve_peer(void *data, struct h2_stream *stream,
			      const struct h2_headers *headers);

/* A POST whose content type is gRPC-Web's (grpc_web_form), on either version of HTTP. */
void grpc_web_serve(struct front *front, struct http_request *request,
		    const struct http_head *head);

/* One request that is not gRPC over HTTP/2, on the public port: built-in pages, gRPC-Web and JSON
 * calls. data is the front.
 */
void dispatch_serve(void *data, struct http_request *request, const struct http_head *head);

/* Releases what is kept for later calls. */
void json_exchange_drop_spare(struct front *front);

/* A JSON call; match is borrowed. */
void json_exchange_serve(struct front *front, struct http_request *request,
			 const struct http_head *head, struct route_match *match);

/* The same for a method with streams; match is borrowed. */
void json_stream_serve(struct front *front, struct http_request *request,
		       const struct http_head *head, const struct route_match *match);

#endif
