/* The port for the other gateways of the namespace: the same listener, sessions and exchanges as
 * the public one under another policy. Nothing but gRPC calls of entities is served, each with a
 * proof that the caller knows the namespace's secret. */
#include <stdio.h>

#include "httpapi/front/front_internal.h"
#include "httpapi/front/grpc_entry.h"
#include "httpapi/front/http_reply.h"
#include "httpapi/front/listener.h"
#include "httpapi/front/routes.h"
#include "proto/schema.h"
#include "src/base/clock.h"
#include "src/base/log.h"
#include "src/config/config.h"
#include "src/router/owners.h"
#include "src/router/peer_call.h"
#include "src/userfn/api.h"

/* Members are at most MEMBERS_MAX, each with one connection, or two while it changes. */
#define PEER_CONNECTIONS_MAX ((size_t)1024)
/* Commands that one member may have here at once, and bytes on their way. */
#define PEER_STREAMS_MAX ((uint32_t)10000)
#define PEER_WINDOW_BYTES ((uint32_t)16 * 1024 * 1024)
/* Clients that leave make a member reset the streams of theirs. */
#define PEER_RESETS_MAX ((uint32_t)100000)
/* Four a second while a command takes its time, and no reply in between. */
#define PEER_PINGS_MAX ((uint32_t)1000)

#define PEER_ENTRY_PATH_MAX 128 /* in a message */

static void serve_plain(void *data, struct http_request *request, const struct http_head *head)
{
	struct front *front = data;

	(void)head;
	metrics_add(front->peers_refused, 1);
	http_reply_error(request, &(struct http_reply_error){
					  .code = ST_NOT_FOUND,
					  .message = SPAN_LIT("this port is for the other gateways "
							      "of the namespace"),
				  });
}

void peer_entry_params(struct front *front, struct listener_params *params)
{
	struct h2_limits *limits = &params->http2.limits;

	params->name = "peers";
	params->max_connections = PEER_CONNECTIONS_MAX;
	params->http1.max_connections = PEER_CONNECTIONS_MAX;
	params->http1.serve = serve_plain;
	params->http2.serve = serve_plain;
	params->http2.serve_grpc = grpc_exchange_serve_peer;
	params->http2.data = front;
	limits->max_concurrent_streams = PEER_STREAMS_MAX;
	limits->connection_window_bytes = PEER_WINDOW_BYTES;
	limits->max_resets = PEER_RESETS_MAX;
	limits->max_pings = PEER_PINGS_MAX;
}

static const struct api_method *refuse(struct front *front, enum status code, const char *text,
				       struct grpc_refusal *refusal)
{
	metrics_add(front->peers_refused, 1);
	refusal->code = code;
	(void)snprintf(refusal->message, sizeof(refusal->message), "%s", text);
	return NULL;
}

/* Without an answer the other gateway executes it itself, or asks the next. */
const struct api_method *peer_entry_find(struct front *front, struct span path,
					 struct grpc_refusal *ret_refusal)
{
	const struct api_method *method;

	if (!front->routes)
		return refuse(front, ST_UNAVAILABLE, "user function is not connected", ret_refusal);
	method = api_find(front->routes->api, path);
	if (!method || (method->service->kind != ENTITY_EVENT_SOURCED &&
			method->service->kind != ENTITY_VALUE))
		return refuse(front, ST_UNIMPLEMENTED, "no such method of an entity", ret_refusal);
	if (front->running_count >= front->params.config->http_max_requests)
		return refuse(front, ST_RESOURCE_EXHAUSTED, "too many calls in progress",
			      ret_refusal);
	return method;
}

enum status peer_entry_check(struct front *front, const struct metadata *metadata, struct span path,
			     struct peer_call *ret_call, struct error *err)
{
	const struct owners *owners = front->params.owners;
	struct peer_auth *auth = owners_auth(owners);
	const struct peer_occasion occasion = {
		.target = span_from_str(owners_own_address(owners)),
		.path = path,
		.wall_ms = clock_wall_ms(),
	};

	if (!auth)
		(void)error_set(err, ST_UNAVAILABLE,
				"the secret of the namespace is not known yet");
	else if (peer_call_read(auth, metadata, &occasion, ret_call, err) == ST_OK)
		return ST_OK;
	metrics_add(front->peers_refused, 1);
	LOG_LIMITED(WARN, PEER_REFUSED, LOG_STR("reason", err->message));
	return err->status;
}
