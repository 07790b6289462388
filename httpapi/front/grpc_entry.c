#include "httpapi/front/grpc_entry.h"

#include <stdio.h>

#include "httpapi/front/builtin_rpc.h"
#include "httpapi/front/front_internal.h"
#include "httpapi/front/routes.h"
#include "proto/schema.h"
#include "src/base/clock.h"
#include "src/config/config.h"
#include "src/userfn/api.h"

#define GRPC_ENTRY_PATH_MAX 128 /* in a message */

static const struct api_method *grpc_entry_refuse(struct front *front, enum front_refusal why,
						  enum status code, struct grpc_refusal *refusal)
{
	front_count_refused(front, why);
	refusal->code = code;
	return NULL;
}

const struct api_method *grpc_entry_find(struct front *front, struct span path,
					 struct grpc_refusal *ret_refusal)
{
	char *message = ret_refusal->message;
	size_t room = sizeof(ret_refusal->message);
	const struct api_method *method = builtin_rpc_find(front, path);

	if (method)
		return method; /* has limits of its own */
	if (!front->routes) {
		(void)snprintf(message, room, "user function is not connected");
		return grpc_entry_refuse(front, FRONT_REFUSED_NOT_READY, ST_UNAVAILABLE,
					 ret_refusal);
	}
	method = api_find(front->routes->api, path);
	if (!method) {
		(void)snprintf(message, room, "unknown method %.*s",
			       SPAN_FMT(span_head(path, GRPC_ENTRY_PATH_MAX)));
		return grpc_entry_refuse(front, FRONT_REFUSED_NOT_FOUND, ST_UNIMPLEMENTED,
					 ret_refusal);
	}
	if (front->running_count >= front->params.config->http_max_requests) {
		(void)snprintf(message, room, "too many calls in progress");
		return grpc_entry_refuse(front, FRONT_REFUSED_LIMIT, ST_RESOURCE_EXHAUSTED,
					 ret_refusal);
	}
	return method;
}

uint64_t grpc_entry_deadline_ns(const struct front *front, const struct method *method,
				uint64_t named_ns)
{
	const struct config *config = front->params.config;
	bool is_stream = method->client_streaming || method->server_streaming;
	uint64_t wait_ms =
		is_stream ? config->http_stream_timeout_ms : config->http_request_timeout_ms;

	if (named_ns != DEADLINE_NEVER || !wait_ms)
		return named_ns;
	return clock_deadline(loop_now_ns(front->loop), wait_ms * NS_PER_MS);
}
