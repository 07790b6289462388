#include "src/userfn/userfn.h"

#include <stdio.h>
#include <string.h>

#include "proto/wire.h"
#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/grpc/grpc_call.h"
#include "src/h2/channel.h"
#include "src/runtime/address.h"
#include "src/runtime/loop.h"
#include "src/runtime/timer.h"
#include "src/userfn/api.h"

/* A small machine beside the channel:
 *
 *   AWAY --channel ready--> ASKING --accepted--> READY
 *                            |  ^  `--refused--> REFUSED --refused_retry_ms--> ASKING
 *                      failed|  |backoff over
 *                            v  |
 *                          WAITING              channel lost, anywhere: AWAY
 *
 * The API stays when the function goes away; only its readiness goes. A description that is byte
 * for byte the one we have keeps the snapshot, so that routes need not be built again. */

#define PROXY_NAME "headgate"
#define DISCOVER_PATH "/cloudstate.EntityDiscovery/discover"
#define REPORT_PATH "/cloudstate.EntityDiscovery/reportError"

/* reportError calls on their way, and how long one may take. */
#define REPORTS_MAX 16
#define REPORT_TIMEOUT_MS 5000

/* When the caller names none. */
#define CONNECT_TIMEOUT_MS ((uint64_t)1000)
#define WAITING_MAX ((size_t)10000)

/* On the connection for actions a call has this much window, so that as many as may run can all
 * stand still without the connection doing so. */
#define ACTION_WINDOW_BYTES (64U * 1024)
#define ACTION_CALLS_MAX ((size_t)4000)

/* Clients who go away reset calls to the function, and nobody is to blame for it. */
#define ACTION_RESETS_MAX 1000000U

/* A connection for actions that was lost comes back at least this often. */
#define ACTION_BACKOFF_MS ((uint64_t)1000)

/* What the author reads of refusals; a description can have many. */
#define REASONS_BYTES_MAX ((size_t)16 * 1024)
#define REASON_TEXT_MAX 256

enum userfn_state { USERFN_AWAY, USERFN_ASKING, USERFN_WAITING, USERFN_REFUSED, USERFN_READY };

struct report {
	struct userfn *userfn;
	struct grpc_unary *unary; /* NULL: the slot is free */
};

struct userfn {
	struct loop *loop;
	struct userfn_params params;
	struct channel *channel;
	struct channel *action_channel; /* NULL: no actions so far */
	struct address function_address;
	userfn_change_fn on_change;
	void *data;
	enum userfn_state state;
	bool is_closing;
	struct api *api;
	uint64_t epoch;
	uint64_t spec_hash; /* of the description api was built from */
	size_t spec_len;
	struct grpc_unary *discover;
	struct timer retry;
	uint64_t backoff_ms;
	struct report reports[REPORTS_MAX];
	uint64_t reports_dropped;
	struct buf refused; /* why; kept until a description is accepted or the connection lost */
	uint64_t first_refused_ms;
	uint64_t last_refused_ms;
	unsigned times_refused;
	struct metrics_series *connected;
	struct metrics_series *reconnects;
	char address[ADDRESS_HOST_MAX + 16];
	char reason[REASON_TEXT_MAX];
};

static void userfn_enter(struct userfn *u, enum userfn_state state)
{
	static const bool allowed[][USERFN_READY + 1] = {
		[USERFN_AWAY] = {[USERFN_AWAY] = true, [USERFN_ASKING] = true},
		[USERFN_ASKING] = {[USERFN_AWAY] = true,
				   [USERFN_WAITING] = true,
				   [USERFN_REFUSED] = true,
				   [USERFN_READY] = true},
		[USERFN_WAITING] = {[USERFN_AWAY] = true, [USERFN_ASKING] = true},
		[USERFN_REFUSED] = {[USERFN_AWAY] = true, [USERFN_ASKING] = true},
		[USERFN_READY] = {[USERFN_AWAY] = true},
	};

	BUG_ON(!allowed[u->state][state]);
	u->state = state;
	if (u->connected)
		metrics_set(u->connected, state == USERFN_READY);
}

/* Not from inside userfn_open, whose caller has no handle yet. The holder may close us from inside:
 * nothing of u is touched after it. */
static void changed(struct userfn *u)
{
	if (u->channel)
		u->on_change(u->data);
}

/* ---- discovery ------------------------------------------------------------------------------ */

static void write_proxy_info(struct wire_writer *w)
{
	wire_put_uint_field(w, 2, 2); /* protocol 0.2; major is the default */
	wire_put_bytes_field(w, 3, SPAN_LIT(PROXY_NAME));
	wire_put_bytes_field(w, 4, SPAN_LIT(PACKAGE_VERSION));
	for (size_t i = 0; api_entity_type(i); i++)
		wire_put_bytes_field(w, 5, span_from_str(api_entity_type(i)));
}

static void on_discovered(void *data, const struct grpc_status *status, struct span reply);

static void discover(struct userfn *u)
{
	struct grpc_client_params params = {
		.path = DISCOVER_PATH,
		.deadline_ns = clock_deadline(loop_now_ns(u->loop),
					      u->params.discover_timeout_ms * NS_PER_MS),
		.open_deadline_ns = DEADLINE_NEVER,
		.max_message_bytes = u->params.max_message_bytes,
	};
	struct wire_writer w;
	struct buf info;

	buf_init(&info, 1024);
	wire_writer_init(&w, &info);
	write_proxy_info(&w);
	BUG_ON(!wire_finish(&w));
	wire_writer_fini(&w);
	userfn_enter(u, USERFN_ASKING);
	u->discover =
		grpc_unary_start(u->loop, u->channel, &params, buf_span(&info), on_discovered, u);
	buf_fini(&info);
}

static void on_retry(void *data)
{
	discover(data);
}

static void discover_failed(struct userfn *u, const struct grpc_status *status)
{
	uint8_t random;

	(void)snprintf(u->reason, sizeof(u->reason),
		       "the user function does not describe itself: %.*s",
		       SPAN_FMT(span_head(status->message, REASON_TEXT_MAX)));
	LOG_LIMITED(WARN, NOT_READY, LOG_STR("reason", u->reason),
		    LOG_STR("code", status_name(status->code)));
	/* full back-off with up to a fifth of jitter */
	hash_random(&random, sizeof(random));
	timer_start_in(&u->retry, u->backoff_ms + u->backoff_ms * random / (5 * 256U));
	u->backoff_ms *= 2;
	if (u->backoff_ms > u->params.backoff_max_ms)
		u->backoff_ms = u->params.backoff_max_ms;
	userfn_enter(u, USERFN_WAITING);
}

static void on_action_channel(void *data, enum channel_state state, const struct error *error)
{
	(void)data; /* readiness is the other channel's, and it logs the same failures */
	(void)state;
	(void)error;
}

static struct channel_params channel_params_of(const struct userfn *u)
{
	struct channel_params channel = {
		.backoff_min_ms = u->params.backoff_min_ms,
		.backoff_max_ms = u->params.backoff_max_ms,
		.connect_timeout_ms = u->params.connect_timeout_ms ? u->params.connect_timeout_ms
								   : CONNECT_TIMEOUT_MS,
		.max_waiting = u->params.max_waiting ? u->params.max_waiting : WAITING_MAX,
		.limits = h2_limits_default(),
	};

	/* gRPC servers count a PING without a stream as abuse whenever it comes. */
	channel.limits.keepalive_idle_ms = u->params.keepalive_idle_ms;
	channel.limits.keepalive_needs_stream = true;
	return channel;
}

static void open_action_channel(struct userfn *u)
{
	struct channel_params channel = channel_params_of(u);
	size_t calls = u->params.max_action_calls ? u->params.max_action_calls : ACTION_CALLS_MAX;

	if (channel.backoff_max_ms > ACTION_BACKOFF_MS)
		channel.backoff_max_ms = ACTION_BACKOFF_MS;
	channel.limits.stream_window_bytes = ACTION_WINDOW_BYTES;
	channel.limits.max_unread_bytes = calls * ACTION_WINDOW_BYTES;
	channel.limits.max_resets = ACTION_RESETS_MAX;
	u->action_channel =
		channel_open(u->loop, &u->function_address, &channel, on_action_channel, u);
}

static void log_discovered(const struct api *api)
{
	LOG(INFO, FUNCTION_DISCOVERED, LOG_SPAN("function", api->function_name),
	    LOG_SPAN("version", api->function_version), LOG_SPAN("runtime", api->runtime),
	    LOG_SPAN("library", api->library), LOG_UINT("services", api->service_count));
}

/* Everything that is wrong with a description, ours and others' findings alike. */
static enum status examine(struct userfn *u, struct span spec, struct api **ret_api,
			   struct error *err)
{
	struct api *api = NULL;
	struct error more;
	enum status status;

	buf_reset(&u->refused);
	status = api_new(spec, &u->refused, &api, err);
	if (api && u->params.check && u->params.check(u->data, api, &u->refused, &more) != ST_OK &&
	    status == ST_OK) {
		*err = more;
		status = more.status;
	}
	if (status == ST_OK)
		*ret_api = api;
	else
		api_unref(api);
	return status;
}

static void accepted(struct userfn *u, struct api *api)
{
	api_unref(u->api);
	u->api = api;
	u->epoch++;
	log_discovered(api);
	if (api->has_actions && !u->action_channel)
		open_action_channel(u);
}

static void refused(struct userfn *u, const struct error *err)
{
	u->last_refused_ms = clock_wall_ms();
	if (u->times_refused++ == 0)
		u->first_refused_ms = u->last_refused_ms;
	(void)snprintf(u->reason, sizeof(u->reason),
		       "the user function's description is refused: %s", err->message);
	LOG(ERROR, FUNCTION_REFUSED, LOG_SPAN("reasons", buf_span(&u->refused)));
	userfn_report(u, buf_span(&u->refused));
	timer_start_in(&u->retry, u->params.refused_retry_ms);
	userfn_enter(u, USERFN_REFUSED);
}

static void described(struct userfn *u, struct span spec)
{
	uint64_t hash = hash_seeded(spec);
	struct api *api;
	struct error err;

	if (!u->api || u->spec_hash != hash || u->spec_len != spec.len) {
		if (examine(u, spec, &api, &err) != ST_OK) {
			refused(u, &err);
			return;
		}
		accepted(u, api);
		u->spec_hash = hash;
		u->spec_len = spec.len;
	}
	u->times_refused = 0;
	userfn_enter(u, USERFN_READY);
}

static void on_discovered(void *data, const struct grpc_status *status, struct span reply)
{
	struct userfn *u = data;

	u->discover = NULL;
	if (status->code == ST_OK) {
		u->backoff_ms = u->params.backoff_min_ms;
		described(u, reply);
	} else {
		discover_failed(u, status);
	}
	changed(u);
}

/* ---- the channel ---------------------------------------------------------------------------- */

static void connected(struct userfn *u)
{
	LOG(INFO, FUNCTION_CONNECTED, LOG_STR("address", u->address));
	if (u->reconnects)
		metrics_add(u->reconnects, 1);
	u->backoff_ms = u->params.backoff_min_ms;
	(void)snprintf(u->reason, sizeof(u->reason),
		       "the user function has not described itself yet");
	discover(u);
}

static void lost(struct userfn *u, const struct error *error)
{
	grpc_unary_cancel(u->discover);
	u->discover = NULL;
	timer_stop(&u->retry);
	u->times_refused = 0;
	if (u->state != USERFN_AWAY) {
		u->epoch++;
		LOG(WARN, FUNCTION_LOST, LOG_STR("address", u->address),
		    LOG_STR("error", error ? error->message : ""));
	}
	(void)snprintf(u->reason, sizeof(u->reason), "the user function at %s is not reachable%s%s",
		       u->address, error ? ": " : "", error ? error->message : "");
	userfn_enter(u, USERFN_AWAY);
}

static void on_channel(void *data, enum channel_state state, const struct error *error)
{
	struct userfn *u = data;

	if (u->is_closing || (state == CHANNEL_CONNECTING && u->state == USERFN_AWAY))
		return; /* the reason of the last failure still says more */
	if (state == CHANNEL_READY) {
		/* a session that replaced another is a new connection, too */
		if (u->state != USERFN_AWAY)
			lost(u, NULL);
		connected(u);
	} else {
		lost(u, error);
	}
	changed(u);
}

/* ---- reportError ---------------------------------------------------------------------------- */

static void on_reported(void *data, const struct grpc_status *status, struct span reply)
{
	struct report *report = data;

	(void)reply;
	report->unary = NULL;
	if (status->code != ST_OK)
		LOG_LIMITED(DEBUG, FUNCTION_REPORT, LOG_STR("code", status_name(status->code)),
			    LOG_SPAN("error", status->message));
}

static struct report *free_report(struct userfn *u)
{
	for (size_t i = 0; i < REPORTS_MAX; i++) {
		if (!u->reports[i].unary)
			return &u->reports[i];
	}
	return NULL;
}

void userfn_report(struct userfn *u, struct span message)
{
	struct report *report = free_report(u);
	struct grpc_client_params params = {
		.path = REPORT_PATH,
		.deadline_ns = clock_deadline(loop_now_ns(u->loop), REPORT_TIMEOUT_MS * NS_PER_MS),
		.open_deadline_ns = DEADLINE_NEVER,
		.max_message_bytes = u->params.max_message_bytes,
	};
	struct wire_writer w;
	struct buf wire;

	LOG_LIMITED(WARN, FUNCTION_REPORT, LOG_SPAN("report", message));
	if (!report) {
		u->reports_dropped++;
		return;
	}
	buf_init(&wire, REASONS_BYTES_MAX + 64);
	wire_writer_init(&w, &wire);
	wire_put_bytes_field(&w, 1, span_head(message, REASONS_BYTES_MAX));
	BUG_ON(!wire_finish(&w));
	wire_writer_fini(&w);
	report->userfn = u;
	report->unary = grpc_unary_start(u->loop, u->channel, &params, buf_span(&wire), on_reported,
					 report);
	buf_fini(&wire);
}

/* ---- interface ------------------------------------------------------------------------------ */

struct userfn *userfn_open(struct loop *loop, const struct userfn_params *params,
			   userfn_change_fn on_change, void *data)
{
	struct userfn *u = mem_new(struct userfn);
	struct channel_params channel;

	u->loop = loop;
	u->params = *params;
	u->params.address = NULL; /* the caller's; this is ours: */
	u->function_address = *params->address;
	u->on_change = on_change;
	u->data = data;
	u->backoff_ms = params->backoff_min_ms;
	timer_init(&u->retry, loop, on_retry, u);
	buf_init(&u->refused, REASONS_BYTES_MAX);
	if (params->metrics) {
		u->connected = metrics_series(params->metrics, METRIC_FUNCTION_CONNECTED, NULL, 0);
		u->reconnects =
			metrics_series(params->metrics, METRIC_FUNCTION_RECONNECTS, NULL, 0);
	}
	address_print(params->address, u->address, sizeof(u->address));
	(void)snprintf(u->reason, sizeof(u->reason), "not connected to the user function at %s yet",
		       u->address);
	channel = channel_params_of(u);
	u->channel = channel_open(loop, params->address, &channel, on_channel, u);
	return u;
}

struct api *userfn_api(const struct userfn *u)
{
	return u->api;
}

bool userfn_is_ready(const struct userfn *u, const char **reason)
{
	if (u->state == USERFN_READY)
		return true;
	if (reason)
		*reason = u->reason;
	return false;
}

bool userfn_is_refused(const struct userfn *u)
{
	return u->times_refused > 0;
}

bool userfn_refusal(const struct userfn *u, struct userfn_refusal *ret_refusal)
{
	uint64_t now_ns = loop_now_ns(u->loop);

	if (!userfn_is_refused(u))
		return false;
	*ret_refusal = (struct userfn_refusal){
		.reasons = buf_span(&u->refused),
		.first_ms = u->first_refused_ms,
		.last_ms = u->last_refused_ms,
		.times = u->times_refused,
	};
	if (timer_is_set(&u->retry) && u->retry.deadline_ns > now_ns)
		ret_refusal->retry_in_ms = (u->retry.deadline_ns - now_ns) / NS_PER_MS;
	return true;
}

uint64_t userfn_epoch(const struct userfn *u)
{
	return u->epoch;
}

size_t userfn_waiting(const struct userfn *u)
{
	return channel_waiting_count(u->channel);
}

size_t userfn_short_of_streams(const struct userfn *u)
{
	return channel_state(u->channel) == CHANNEL_READY ? channel_waiting_count(u->channel) : 0;
}

struct channel *userfn_channel(struct userfn *u)
{
	return u->channel;
}

struct channel *userfn_action_channel(struct userfn *u)
{
	return u->action_channel;
}

void userfn_close(struct userfn *u)
{
	if (!u)
		return;
	u->is_closing = true;
	grpc_unary_cancel(u->discover);
	for (size_t i = 0; i < REPORTS_MAX; i++)
		grpc_unary_cancel(u->reports[i].unary);
	timer_stop(&u->retry);
	channel_close(u->action_channel);
	channel_close(u->channel);
	api_unref(u->api);
	buf_fini(&u->refused);
	mem_free(u);
}
