/* The front as a whole: listeners, the API in force, calls in progress, drain. */
#include "httpapi/front/front.h"

#include "httpapi/front/builtin.h"
#include "httpapi/front/builtin_rpc.h"
#include "httpapi/front/docs.h"
#include "httpapi/front/front_internal.h"
#include "httpapi/front/listener.h"
#include "httpapi/front/routes.h"
#include "httpapi/route_table.h"
#include "httpapi/status_map.h"
#include "src/base/buf.h"
#include "src/base/mem.h"
#include "src/config/config.h"
#include "src/grpc/metadata.h"
#include "src/router/peer_call.h"
#include "src/router/router.h"
#include "src/runtime/address.h"
#include "src/userfn/api.h"

/* The admin ports serve a handful of scrapers. */
#define FRONT_ADMIN_CONNECTIONS_MAX 256

static const char *const front_refusal_names[FRONT_REFUSAL_COUNT_] = {
	[FRONT_REFUSED_NOT_FOUND] = "not_found", [FRONT_REFUSED_METHOD] = "method",
	[FRONT_REFUSED_MALFORMED] = "malformed", [FRONT_REFUSED_TYPE] = "content_type",
	[FRONT_REFUSED_SIZE] = "size",		 [FRONT_REFUSED_LIMIT] = "limit",
	[FRONT_REFUSED_NOT_READY] = "not_ready", [FRONT_REFUSED_UNSUPPORTED] = "unsupported",
};

void front_count_refused(struct front *front, enum front_refusal why)
{
	metrics_add(front->refused[why], 1);
}

void front_strip_metadata(struct front *front, struct metadata *metadata)
{
	size_t count = metadata->count;

	peer_call_strip(metadata);
	if (metadata->count != count)
		metrics_add(front->internal_stripped, count - metadata->count);
}

void front_accept(struct front *front, struct exchange *exchange)
{
	const struct front_stage *stage = front->params.stage;

	if (builtin_rpc_accept(front, exchange))
		return;
	if (stage)
		stage->accept(stage->data, exchange);
	else
		router_accept(front->params.router, exchange);
}

void front_call_begin(struct front *front, struct front_call *call,
		      void (*cut)(struct front_call *call))
{
	call->front = front;
	call->cut = cut;
	list_push_back(&front->calls, &call->node);
	front->call_count++;
	call->is_running = true;
	front->running_count++;
}

void front_call_answered(struct front_call *call)
{
	call->front->running_count -= call->is_running;
	call->is_running = false;
}

void front_call_end(struct front_call *call)
{
	struct front *front = call->front;

	front_call_answered(call);
	list_remove(&call->node);
	front->call_count--;
	front_check_drained(front);
}

/* -- opening ----------------------------------------------------------------------------------- */

static struct h2_limits front_h2_limits(const struct config *config)
{
	struct h2_limits limits = h2_limits_default();

	limits.max_concurrent_streams = (uint32_t)config->http2_max_concurrent_streams;
	limits.max_header_list_bytes = config->http2_max_header_list_bytes;
	limits.stream_window_bytes = (uint32_t)config->http2_stream_window_bytes;
	limits.connection_window_bytes = (uint32_t)config->http2_connection_window_bytes;
	limits.max_resets = (uint32_t)config->http2_max_resets;
	limits.max_pings = (uint32_t)config->http2_max_pings;
	limits.keepalive_idle_ms = config->http2_keepalive_idle_ms;
	limits.keepalive_timeout_ms = config->http2_keepalive_timeout_ms;
	limits.settings_timeout_ms = config->http_head_timeout_ms;
	limits.idle_timeout_ms = config->http2_idle_timeout_ms;
	limits.take_timeout_ms = config->http_idle_timeout_ms;
	limits.max_unsent_bytes = FRONT_REPLY_BYTES_MAX;
	limits.max_unsent_total_bytes = FRONT_REPLY_BYTES_MAX;
	return limits;
}

static void front_listener_params(struct front *front, http_serve_fn serve,
				  struct listener_params *params)
{
	const struct config *config = front->params.config;

	*params = (struct listener_params){
		.max_connections = FRONT_ADMIN_CONNECTIONS_MAX,
		.silent_timeout_ms = LISTENER_SILENT_MS,
		.http1 = {.serve = serve,
			  .data = front,
			  .max_head_bytes = config->http_max_header_bytes,
			  .max_body_bytes = config->http_max_body_bytes,
			  .max_connections = FRONT_ADMIN_CONNECTIONS_MAX,
			  .head_timeout_ms = config->http_head_timeout_ms,
			  .body_timeout_ms = config->http_body_timeout_ms,
			  .idle_timeout_ms = config->http_idle_timeout_ms},
		.http2 = {.serve = serve,
			  .data = front,
			  .body_timeout_ms = config->http_body_timeout_ms,
			  .limits = front_h2_limits(config)},
	};
}

static enum status front_listen(struct front *front, const struct listener_params *params,
				const char *where, const char *key, struct listener **ret_listener,
				struct error *err)
{
	struct listener_params own = *params;
	struct address address;
	enum status status = address_parse(span_from_str(where), "0.0.0.0", &address, err);

	own.address = &address;
	if (!status)
		status = listener_open(front->loop, &own, ret_listener, err);
	return status ? error_wrap(err, "%s", key) : ST_OK;
}

static void front_on_request_done(void *data)
{
	front_check_drained(data);
}

static enum status front_open_ingress(struct front *front, struct error *err)
{
	const struct config *config = front->params.config;
	struct listener_params params;

	front_listener_params(front, dispatch_serve, &params);
	params.name = "ingress";
	params.is_shared = config->is_worker;
	params.metrics = front->params.metrics;
	params.max_connections = config->http_max_connections;
	params.http1.max_connections = config->http_max_connections;
	params.max_per_address = config->http_max_connections_per_address;
	params.http1.on_request_done = front_on_request_done;
	params.http2.on_request_done = front_on_request_done;
	params.http2.serve_grpc = grpc_exchange_serve;
	params.http2.metrics = front->params.metrics;
	return front_listen(front, &params, config->listen, "listen", &front->ingress, err);
}

static enum status front_open_admin(struct front *front, struct error *err)
{
	const struct config *config = front->params.config;
	struct listener_params params;
	enum status status = ST_OK;
	struct buf where;

	front_listener_params(front, builtin_serve_admin, &params);
	params.name = "admin";
	if (!span_eq_str(SPAN_LIT("off"), config->admin_listen))
		status = front_listen(front, &params, config->admin_listen, "admin.listen",
				      &front->admin, err);
	if (status || config->metrics_port == 0)
		return status;
	params.name = "metrics";
	params.http1.serve = builtin_serve_metrics;
	params.http2.serve = builtin_serve_metrics;
	buf_init(&where, 16);
	(void)buf_printf(&where, ":%u", (unsigned)config->metrics_port); /* fits: five digits */
	(void)buf_append_byte(&where, '\0');
	status = front_listen(front, &params, (const char *)buf_span(&where).data, "metrics.port",
			      &front->metrics, err);
	buf_fini(&where);
	return status;
}

static enum status front_open_peers(struct front *front, struct error *err)
{
	struct listener_params params;
	enum status status;
	struct buf where;

	if (!front->params.owners)
		return ST_OK;
	front_listener_params(front, builtin_serve_admin, &params);
	peer_entry_params(front, &params);
	params.http2.on_request_done = front_on_request_done;
	buf_init(&where, 32);
	(void)buf_printf(&where, "%s:%u", front->params.has_near_peers ? "127.0.0.1" : "",
			 (unsigned)front->params.config->peer_port); /* fits */
	(void)buf_append_byte(&where, '\0');
	status = front_listen(front, &params, (const char *)buf_span(&where).data, "peer.port",
			      &front->peers, err);
	buf_fini(&where);
	return status;
}

static void front_on_drained(void *data);

static enum status front_load_rules(struct front *front, struct error *err)
{
	const char *path = front->params.config->http_rules_file;

	if (path[0] && rule_file_load(&front->rules, path, err))
		return error_wrap(err, "http.rules_file");
	if (route_prefix_check(span_from_str(front->params.config->http_path_prefix), err))
		return error_wrap(err, "http.path_prefix");
	return ST_OK;
}

static enum status front_init_cors(struct front *front, struct error *err)
{
	const struct config *config = front->params.config;

	return cors_init(&front->cors,
			 &(struct cors_params){
				 .origins = config->http_cors_origins,
				 .headers = config->http_cors_headers,
				 .expose = config->http_cors_expose,
				 .has_credentials = config->http_cors_credentials,
				 .max_age_ms = config->http_cors_max_age_ms,
			 },
			 err);
}

enum status front_new(struct loop *loop, const struct front_params *params,
		      struct front **ret_front, struct error *err)
{
	struct front *front = mem_new(struct front);
	enum status status;

	*ret_front = front;
	front->loop = loop;
	front->params = *params;
	list_init(&front->calls);
	list_init(&front->json_spare);
	health_init(&front->health);
	reflection_init(&front->reflection);
	loop_task_init(&front->drained, front_on_drained, front);
	for (size_t i = 0; i < FRONT_REFUSAL_COUNT_; i++) {
		struct metrics_label label = {"reason", span_from_str(front_refusal_names[i])};

		front->refused[i] =
			metrics_series(params->metrics, METRIC_REQUESTS_REFUSED, &label, 1);
	}
	front->peers_refused = metrics_series(params->metrics, METRIC_PEER_CALLS_REFUSED, NULL, 0);
	front->internal_stripped =
		metrics_series(params->metrics, METRIC_INTERNAL_HEADERS, NULL, 0);
	status = transcode_options_load(params->config, front->ignored_query, &front->transcode,
					err);
	if (params->config->http_docs && params->config->http_openapi)
		front->docs = docs_open(params->config->http_docs_dir);
	if (!status)
		status = front_init_cors(front, err);
	return status ? status : status_map_new(&front->status_map, err);
}

enum status front_open(struct loop *loop, const struct front_params *params,
		       struct front **ret_front, struct error *err)
{
	struct front *front;
	enum status status = front_new(loop, params, &front, err);

	if (!status)
		status = front_load_rules(front, err);
	if (!status)
		status = front_open_ingress(front, err);
	if (!status)
		status = front_open_admin(front, err);
	if (!status)
		status = front_open_peers(front, err);
	if (status) {
		front_close(front);
		return status;
	}
	*ret_front = front;
	return ST_OK;
}

uint16_t front_port(const struct front *front, enum front_listener which)
{
	const struct listener *const listeners[] = {
		[FRONT_INGRESS] = front->ingress,
		[FRONT_ADMIN] = front->admin,
		[FRONT_METRICS] = front->metrics,
		[FRONT_PEERS] = front->peers,
	};
	const struct listener *listener = listeners[which];

	return listener ? listener_port(listener) : 0;
}

/* -- the API in force -------------------------------------------------------------------------- */

enum status front_check_api(const struct front *front, struct api *api, struct buf *reasons,
			    struct error *err)
{
	const struct routes_params params = {front->params.config, &front->rules};

	return routes_check(api, &params, reasons, err);
}

void front_set_api(struct front *front, struct api *api)
{
	const struct routes_params params = {front->params.config, &front->rules};
	struct routes *routes = NULL;

	if (front->routes && front->routes->api == api) {
		front->has_route_error = false;
		return;
	}
	if (api && routes_new(api, &params, &routes, &front->route_error)) {
		(void)error_wrap(&front->route_error,
				 "the HTTP rules of the user function cannot be served");
		front->has_route_error = true;
		return;
	}
	front->has_route_error = false;
	routes_unref(front->routes);
	front->routes = routes;
}

bool front_is_ready(const struct front *front, const char **reason)
{
	if (front->has_route_error && reason)
		*reason = front->route_error.message;
	return !front->has_route_error;
}

void front_note_ready(struct front *front)
{
	health_tell(front);
}

/* -- the end ----------------------------------------------------------------------------------- */

static bool front_is_drained(const struct front *front)
{
	return front->call_count == 0 && listener_active(front->ingress) == 0;
}

static void front_on_drained(void *data)
{
	struct front *front = data;
	void (*on_done)(void *data) = front->on_drained;

	if (!on_done || !front_is_drained(front))
		return;
	front->on_drained = NULL;
	on_done(front->on_drained_data);
}

void front_check_drained(struct front *front)
{
	if (front->on_drained)
		loop_task_schedule(front->loop, &front->drained);
}

void front_drain(struct front *front, void (*on_done)(void *data), void *data)
{
	front->is_draining = true;
	front->on_drained = on_done;
	front->on_drained_data = data;
	health_drain(front);
	reflection_drain(&front->reflection);
	listener_drain(front->ingress);
	if (front->peers)
		listener_drain(front->peers);
	front_check_drained(front);
}

void front_close(struct front *front)
{
	if (!front)
		return;
	front->on_drained = NULL;
	list_for_each_safe (node, &front->calls) {
		struct front_call *call = list_entry(node, struct front_call, node);

		call->cut(call);
	}
	listener_close(front->ingress);
	listener_close(front->admin);
	listener_close(front->metrics);
	listener_close(front->peers);
	loop_task_cancel(&front->drained);
	json_exchange_drop_spare(front);
	reflection_fini(&front->reflection);
	routes_unref(front->routes);
	rule_file_fini(&front->rules);
	docs_close(front->docs);
	status_map_free(front->status_map);
	mem_free(front);
}
