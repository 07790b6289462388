/* Wiring. Every object is opened by one small function here and closed in server_free in the
 * reverse order; what happens when a signal asks for the end stands in shutdown.c, what /status
 * shows in status_page.c. */
#include "src/server/server.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "httpapi/front/front.h"
#include "journal/crdt_log.h"
#include "journal/feed.h"
#include "journal/journal.h"
#include "journal/key.h"
#include "journal/members.h"
#include "journal/redis/redis_crdt_log.h"
#include "journal/redis/redis_journal.h"
#include "journal/redis/redis_secret.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/config/config.h"
#include "src/entity/crdt_table.h"
#include "src/entity/entity_budget.h"
#include "src/entity/entity_table.h"
#include "src/eventing/eventing.h"
#include "src/eventing/publisher.h"
#include "src/router/action.h"
#include "src/router/owners.h"
#include "src/router/router.h"
#include "src/runtime/address.h"
#include "src/runtime/loop.h"
#include "src/runtime/signals.h"
#include "src/runtime/timer.h"
#include "src/runtime/tls.h"
#include "src/server/server_internal.h"
#include "src/userfn/userfn.h"

/* How often the loop's longest turn goes into its histogram. */
#define SERVER_TICK_MS 1000

/* Redis takes longer passwords; nobody has them. */
#define SERVER_PASSWORD_MAX ((size_t)1024)

/* ---- readiness ------------------------------------------------------------------------------- */

/* Names the part that is not ready; the text lives in the server until the next question. */
static bool server_blame(struct server *server, const char *part, const char **reason)
{
	(void)snprintf(server->reason, sizeof(server->reason), "%s: %s", part,
		       *reason); /* cut is fine */
	*reason = server->reason;
	return false;
}

/* All but the other gateways' knowledge of us, which waits for this. */
static bool server_can_serve(struct server *server, const char **reason)
{
	if (!userfn_is_ready(server->userfn, reason))
		return server_blame(server, "user function", reason);
	if (!journal_is_ready(server->journal, reason))
		return server_blame(server, "journal", reason);
	if (!redis_crdt_log_is_ready(server->crdt_log, reason))
		return server_blame(server, "news of CRDTs", reason);
	return front_is_ready(server->front, reason) || server_blame(server, "routes", reason);
}

bool server_is_ready(struct server *server, const char **reason)
{
	if (server->phase != SERVER_SERVING) {
		*reason = "shutting down";
		return false;
	}
	if (!server_can_serve(server, reason))
		return false;
	return members_is_settled(server->members, reason) ||
	       server_blame(server, "members", reason);
}

static void server_set_gauge(struct server *server, enum metric metric, int64_t value)
{
	metrics_set(metrics_series(server->metrics, metric, NULL, 0), value);
}

static void server_log_readiness(struct server *server, bool is_ready, const char *reason)
{
	if (is_ready)
		LOG(INFO, READY, LOG_STR("durability", journal_durability(server->journal)),
		    LOG_UINT("since_start_ms", (clock_mono_ns() - server->started_ns) / NS_PER_MS));
	else
		LOG(WARN, NOT_READY, LOG_STR("reason", reason));
}

/* Something that readiness depends on changed: once per turn is enough. */
static void server_on_change(void *data)
{
	struct server *server = data;
	const struct error *fatal = redis_journal_fatal(server->journal);
	const char *reason = "";
	bool is_ready;

	if (fatal) {
		server_give_up(server, fatal->message);
		return;
	}
	front_set_api(server->front, userfn_api(server->userfn));
	router_renew(server->router);
	entity_table_renew(server->entities);
	server_crdts_on_change(server);
	router_view_changed(server->router);
	eventing_renew(server->eventing);
	if (server->phase == SERVER_SERVING)
		members_set_state(server->members,
				  server_can_serve(server, &reason) ? MEMBER_UP : MEMBER_STARTING);
	front_note_ready(server->front); /* what the members know of us is part of it */
	is_ready = server_is_ready(server, &reason);
	if (is_ready != server->was_ready && server->phase == SERVER_SERVING)
		server_log_readiness(server, is_ready, reason);
	server->was_ready = is_ready;
}

static void server_note_change(void *data)
{
	struct server *server = data;

	loop_task_schedule(server->loop, &server->change_task);
}

/* Rules that cannot be served are the function's mistake like all others. */
static enum status server_check_api(void *data, struct api *api, struct buf *reasons,
				    struct error *err)
{
	const struct server *server = data;
	bool has_topics = server->config->eventing_support == CONFIG_EVENTING_REDIS;
	enum status routes = front_check_api(server->front, api, reasons, err);
	struct error second;
	enum status events =
		eventing_check(api, has_topics, reasons, routes == ST_OK ? err : &second);

	return routes == ST_OK ? events : routes;
}

static bool server_front_ready(void *data, const char **reason)
{
	return server_is_ready(data, reason);
}

static void server_on_tick(void *data)
{
	struct server *server = data;
	struct mallinfo2 memory = mallinfo2();

	metrics_observe_ns(metrics_series(server->metrics, METRIC_LOOP_LONGEST_SECONDS, NULL, 0),
			   loop_take_longest_turn_ns(server->loop));
	server_set_gauge(server, METRIC_MEMORY_ALLOCATED,
			 (int64_t)(memory.uordblks + memory.hblkhd - mem_kept_bytes()));
	server_set_gauge(server, METRIC_COMMANDS_QUEUED,
			 (int64_t)(entity_table_queued(server->entities) +
				   crdt_table_queued(server->crdts)));
	server_set_gauge(server, METRIC_FUNCTION_STREAMS_WAITING,
			 (int64_t)userfn_waiting(server->userfn));
	server_note_eventing(server);
	timer_start_in(&server->tick_timer, SERVER_TICK_MS);
}

/* ---- opening --------------------------------------------------------------------------------- */

/* The password of the file that the key names, or NULL when none is; borrowed from ret_password. */
static enum status server_read_password(const char *key, const char *file, struct buf *ret_password,
					const char **ret_text, struct error *err)
{
	if (!file[0])
		return ST_OK;
	if (config_read_secret(file, ret_password, err) != ST_OK)
		return error_wrap(err, "%s", key);
	(void)buf_append_byte(ret_password, 0); /* room was left for it */
	*ret_text = (const char *)buf_span(ret_password).data;
	return ST_OK;
}

static enum status server_open_journal(struct server *server, struct error *err)
{
	const struct config *config = server->config;
	struct buf password;
	struct buf sentinel_password;
	char durability[16];
	const struct tls_params tls = {
		.key_prefix = "journal.",
		.ca_file = config->journal_tls_ca_file,
		.cert_file = config->journal_tls_cert_file,
		.key_file = config->journal_tls_key_file,
		.server_name = config->journal_tls_server_name,
		.is_insecure = config->journal_tls_insecure,
	};
	struct redis_journal_params params = {
		.tls = &tls,
		.url = config->journal_url,
		.namespace_id = config->journal_namespace,
		.durability = durability,
		.is_attached = config->is_worker,
		.redis_server = config->journal_redis_server,
		.sentinel_user = config->journal_sentinel_user,
		.command_timeout_ms = config->journal_timeout_ms,
		.salvage_directory =
			config->journal_salvage_dir[0] ? config->journal_salvage_dir : NULL,
		.replicas_ack = (unsigned)config->journal_replicas_ack,
		.ack_timeout_ms = config->journal_ack_timeout_ms,
		.lock_timeout_ms = config->journal_lock_timeout_ms,
		.pipeline_max = config->journal_pipeline_max,
		.max_pending = config->journal_pending_max,
		.backoff_min_ms = 100, /* ruling R18 */
		.backoff_max_ms = 1000,
		.metrics = server->metrics,
	};
	enum status status;

	if (tls.is_insecure)
		LOG(WARN, JOURNAL_INSECURE, LOG_STR("key", "journal.tls_insecure"));
	(void)snprintf(durability, sizeof(durability), "%.*s",
		       SPAN_FMT(config_choice_name(CONFIG_KEY_journal_durability,
						   config->journal_durability)));
	buf_init(&password, SERVER_PASSWORD_MAX);
	buf_init(&sentinel_password, SERVER_PASSWORD_MAX);
	status = server_read_password("journal.password_file", config->journal_password_file,
				      &password, &params.password, err);
	if (status == ST_OK)
		status = server_read_password("journal.sentinel_password_file",
					      config->journal_sentinel_password_file,
					      &sentinel_password, &params.sentinel_password, err);
	if (status == ST_OK)
		status = redis_journal_open(server->loop, &params, server_note_change, server,
					    &server->journal, err);
	buf_fini(&password);
	buf_fini(&sentinel_password);
	return status == ST_OK ? ST_OK : error_wrap(err, "journal"); /* the URL may hold a secret */
}

static enum status server_open_userfn(struct server *server, struct error *err)
{
	const struct config *config = server->config;
	char text[ADDRESS_PATH_MAX];
	struct address address;
	struct userfn_params params = {
		.address = &address,
		.backoff_min_ms = config->function_backoff_min_ms,
		.backoff_max_ms = config->function_backoff_max_ms,
		.refused_retry_ms = config->function_refused_retry_ms,
		.discover_timeout_ms = config->function_discover_timeout_ms,
		.connect_timeout_ms = config->function_connect_timeout_ms,
		.max_waiting = config->function_max_waiting,
		.max_message_bytes = config->function_max_message_bytes,
		.keepalive_idle_ms = config->function_keepalive_idle_ms,
		.max_action_calls = config->action_max_calls,
		.check = server_check_api,
		.metrics = server->metrics,
	};

	if (strncmp(config->user_function_host, "unix:", 5) == 0)
		(void)snprintf(text, sizeof(text), "%s", config->user_function_host);
	else
		(void)snprintf(text, sizeof(text), "%s:%u", config->user_function_host,
			       (unsigned)config->user_function_port);
	if (address_parse(span_from_str(text), "127.0.0.1", &address, err) != ST_OK)
		return error_wrap(err, "user_function.host");
	server->userfn = userfn_open(server->loop, &params, server_note_change, server);
	return ST_OK;
}

static void server_open_entities(struct server *server)
{
	const struct config *config = server->config;
	struct entity_limits limits = entity_limits_default();
	const struct entity_budget_limits budget = {
		.queue_bytes_max = config->entity_queue_max_bytes,
		.active_max = config->entity_max_active,
	};

	server->entity_budget = entity_budget_new(server->loop, server->userfn, &budget);
	limits.queue_max = config->entity_queue_max;
	limits.message_bytes_max = config->function_max_message_bytes;
	limits.command_timeout_ms = config->entity_command_timeout_ms;
	limits.journal_timeout_ms = config->journal_deadline_ms;
	limits.passivation_ms = config->entity_passivation_timeout_ms;
	limits.stop_timeout_ms = config->entity_stop_timeout_ms;
	limits.crash_backoff_min_ms = config->entity_crash_backoff_min_ms;
	limits.crash_backoff_max_ms = config->entity_crash_backoff_max_ms;
	limits.speculation_depth = (unsigned)config->entity_speculation_depth;
	limits.dedupe_window = config->entity_dedupe_window;
	limits.has_metadata = config->entity_metadata;
	server->entities =
		entity_table_new(server->entity_budget, server->journal, server->metrics, &limits);
}

struct regression {
	unsigned partition;
	struct span type;
};

static bool server_is_regressed(void *data, struct span type, struct span id)
{
	const struct regression *what = data;
	const struct journal_key key = {type, id};

	return span_eq(type, what->type) && key_partition(&key) == what->partition;
}

/* What is in memory may build on what was lost: it is put to sleep, and its commands start anew. */
static void server_on_regressed(void *data, unsigned partition, struct span type)
{
	struct server *server = data;
	struct regression what = {partition, type};

	(void)entity_table_hand_over(server->entities, server_is_regressed, &what); /* how many */
}

static void server_open_router(struct server *server)
{
	bool refuses_types = server->config->function_reply_type == CONFIG_REPLY_TYPE_REFUSE;
	struct router_limits limits = {
		.actions =
			{
				.calls_max = server->config->action_max_calls,
				.message_bytes_max = server->config->function_max_message_bytes,
				.refuses_types = refuses_types,
			},
		.refuses_types = refuses_types,
		.followups =
			{
				.refuses_types = refuses_types,
				.running_max = server->config->followup_max_running,
				.timeout_ms = server->config->followup_timeout_ms,
			},
	};

	server->router = router_new(server->loop, server->userfn, server->entities, server->metrics,
				    &limits);
	redis_journal_on_regressed(server->journal, server_on_regressed, server);
	router_serve_crdts(server->router, server->crdts);
}

static enum status server_open_front(struct server *server, struct error *err)
{
	struct front_params params = {
		.config = server->config,
		.router = server->router,
		.metrics = server->metrics,
		.owners = server->owners,
		.has_near_peers = server_has_near_peers(server->config),
		.is_ready = server_front_ready,
		.status_page = server_status_page,
		.data = server,
	};

	return front_open(server->loop, &params, &server->front, err);
}

static enum status server_open_all(struct server *server, struct error *err)
{
	enum status status = loop_new(&server->loop, err);

	if (status != ST_OK)
		return status;
	server->metrics = metrics_new();
	server->signals = signals_start(server->loop, server_on_signal, server);
	loop_task_init(&server->change_task, server_on_change, server);
	timer_init(&server->tick_timer, server->loop, server_on_tick, server);
	timer_init(&server->grace_timer, server->loop, server_on_grace_over, server);
	status = server_open_journal(server, err);
	if (status == ST_OK)
		status = server_open_members(server, server_note_change, err);
	if (status == ST_OK)
		status = server_open_userfn(server, err);
	if (status != ST_OK)
		return status;
	server_open_entities(server);
	server_open_crdts(server);
	server_open_router(server);
	server_open_eventing(server);
	status = server_open_owners(server, err);
	if (status == ST_OK)
		status = server_open_front(server, err);
	if (status != ST_OK)
		return status;
	server_on_tick(server);
	server_note_change(server);
	return ST_OK;
}

enum status server_new(const struct config *config, uint64_t started_ns, struct server **ret_server,
		       struct error *err)
{
	struct server *server = mem_new(struct server);
	enum status status;

	server->config = config;
	server->started_ns = started_ns;
	status = server_open_all(server, err);
	if (status != ST_OK) {
		server_free(server);
		return status;
	}
	*ret_server = server;
	return ST_OK;
}

int server_run(struct server *server)
{
	loop_run(server->loop);
	return server->exit_code;
}

void server_free(struct server *server)
{
	if (!server)
		return;
	if (server->loop) {
		timer_stop(&server->tick_timer);
		timer_stop(&server->grace_timer);
		loop_task_cancel(&server->change_task);
	}
	front_close(server->front);
	eventing_free(server->eventing);
	redis_secret_close(server->secret);
	router_free(server->router);
	owners_free(server->owners);
	publisher_free(server->publisher);
	feed_close(server->feed);
	entity_table_free(server->entities);
	crdt_table_free(server->crdts);
	entity_budget_free(server->entity_budget);
	userfn_close(server->userfn);
	crdt_log_close(server->crdt_log);
	members_close(server->members);
	journal_close(server->journal);
	signals_stop(server->signals);
	metrics_free(server->metrics);
	loop_free(server->loop);
	mem_free(server);
}
