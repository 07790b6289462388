/* The journal over Redis: who is ready, what waits, what is sent again. The way of one request is
 * in request.c and load.c, the connection's in connection.c, the child's in embedded.c.
 *
 * This row logs the connection's and the child's changes of state and what a person must look at
 * (JOURNAL_*): nobody above sees them. Errors of requests are returned and logged above. */
#include "journal/redis/redis_journal.h"

#include <string.h>

#include "journal/key.h"
#include "journal/redis/connection.h"
#include "journal/redis/embedded.h"
#include "journal/redis/greeting.h"
#include "journal/redis/internal.h"
#include "journal/redis/slot.h"
#include "journal/redis/tail.h"
#include "src/base/clock.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"

/* While appends are refused for a reason that needs a person, Redis is asked so often. */
#define PROBE_MS ((uint64_t)1000)
/* Deep enough for one fsync to serve very many; what waits here can still be cancelled. */
#define PIPELINE_MAX ((size_t)1024)
/* Until the child of another process answers, at the longest; then it is worth a line. */
#define ATTACH_QUIET_MS ((uint64_t)1000)
/* Our own child's socket appears within milliseconds; asking costs some microseconds. */
#define CHILD_BACKOFF_MIN_MS ((uint64_t)2)
#define CHILD_BACKOFF_MAX_MS ((uint64_t)20)

struct redis_journal *redis_journal_of(const struct journal *journal)
{
	return container_of(journal, struct redis_journal, base);
}

/* ---- readiness ------------------------------------------------------------------------------ */
static bool is_ready(const struct journal *journal, const char **reason)
{
	const struct redis_journal *j = redis_journal_of(journal);

	*reason = NULL;
	if (topology_is_ready(j->topology, reason) && j->is_sick)
		*reason = j->sick.message;
	return !*reason;
}

static const char *durability(const struct journal *journal)
{
	const struct redis_journal *j = redis_journal_of(journal);
	const char *of_servers = topology_durability(j->topology);

	/* Weaker than a server that syncs everything is one that another takes the place of. */
	if (strcmp(of_servers, "always") != 0)
		return of_servers;
	if (j->replicas_ack)
		return "sync";
	return topology_is_cluster(j->topology) || j->url.kind == REDIS_URL_SENTINEL ? "replicated"
										     : of_servers;
}

static void show_class(struct redis_journal *j)
{
	const char *now = durability(&j->base);
	const char *before = j->shown_class;

	if (before && strcmp(before, now) == 0)
		return;
	j->shown_class = now;
	LOG(INFO, JOURNAL_CLASS, LOG_STR("durability", now),
	    LOG_INT("replicas_ack", j->replicas_ack));
	for (int i = 0; j->metrics && i < 2; i++) {
		const char *name = i ? now : before;
		const struct metrics_label label = {"class", span_from_str(name ? name : now)};

		metrics_set(metrics_series(j->metrics, METRIC_JOURNAL_DURABILITY, &label, 1), i);
	}
}

/* The callback comes at the end of the turn, and may close the journal. */
static void on_state_task(void *data)
{
	struct redis_journal *j = data;
	const char *reason;
	bool is_now = is_ready(&j->base, &reason);
	bool is_news = is_now != j->is_shown_ready || redis_journal_fatal(&j->base);

	j->is_shown_ready = is_now;
	if (is_now)
		show_class(j);
	if (j->connected)
		metrics_set(j->connected, is_now);
	if (is_news && j->on_state)
		j->on_state(j->data);
}

static void state_changed(struct redis_journal *j)
{
	loop_task_schedule(j->loop, &j->state_task);
}

void redis_journal_on_regressed(struct journal *journal, redis_journal_regressed_fn on_regressed,
				void *data)
{
	struct redis_journal *j = redis_journal_of(journal);

	j->on_regressed = on_regressed;
	j->regressed_data = data;
}

const struct error *redis_journal_fatal(const struct journal *journal)
{
	const struct redis_journal *j = redis_journal_of(journal);

	return j->embedded ? embedded_fatal(j->embedded) : NULL;
}

/* ---- something a person must look at -------------------------------------------------------- */
static void send_probe(void *data)
{
	struct redis_journal *j = data;
	struct redis_node *node = topology_node(j->topology, j->sick_slot);

	if (!j->is_sick || j->is_probing)
		return;
	if (!redis_node_is_ready(node)) {
		timer_start_in(&j->probe_timer, PROBE_MS);
		return;
	}
	greeting_probe(&j->probe, j->namespace_text, j->sick_slot);
	j->is_probing = true;
	redis_connection_send(node->connection, &j->probe);
}

static void on_probe(struct redis_command *command, const struct redisReply *reply)
{
	struct redis_journal *j = container_of(command, struct redis_journal, probe);
	struct redis_node *node = topology_node(j->topology, j->sick_slot);
	bool is_again = false;
	struct error error;

	j->is_probing = false;
	if (command->is_ack_wanted && !reply_is_error(reply) &&
	    command->acks < (long long)j->replicas_ack) {
		redis_journal_short(j, command->acks, j->sick_slot, &error);
		timer_start_in(&j->probe_timer, PROBE_MS);
	} else if (greeting_probe_reply(command, reply, &is_again, &error) != ST_OK) {
		j->sick = error;
		timer_start_in(&j->probe_timer, PROBE_MS);
	} else if (is_again && redis_node_is_ready(node)) {
		j->is_probing = true;
		redis_connection_send(node->connection, &j->probe);
	} else if (is_again) {
		timer_start_in(&j->probe_timer, PROBE_MS);
	} else {
		j->is_sick = false;
		state_changed(j);
	}
}

void redis_journal_alarm(struct redis_journal *j, const struct error *error, bool is_sick,
			 unsigned slot)
{
	LOG_LIMITED(ERROR, JOURNAL_ALARM, LOG_STR("error", error->message),
		    LOG_BOOL("is_ready", !is_sick && !j->is_sick));
	if (!is_sick)
		return;
	j->sick = *error;
	j->sick_slot = topology_is_cluster(j->topology) ? slot : SLOT_ANY;
	if (!j->is_sick)
		timer_start_in(&j->probe_timer, PROBE_MS);
	j->is_sick = true;
	state_changed(j);
}

/* ---- the servers ---------------------------------------------------------------------------- */
static void submit_all(struct list *from)
{
	struct list now = LIST_INIT(now);
	struct list *node;

	list_splice_back(&now, from);
	while ((node = list_pop_front(&now)))
		redis_request_submit(list_entry(node, struct redis_request, node));
}

static void on_ready(void *data, struct redis_node *node)
{
	struct redis_journal *j = data;

	if (topology_node(j->topology, j->sick_slot) == node) {
		j->is_sick = false;
		timer_stop(&j->probe_timer);
	}
	LOG(INFO, JOURNAL_CONNECTED, LOG_STR("server", node->name),
	    LOG_STR("durability", redis_connection_durability(node->connection)));
	tail_check_all(j->tail, node); /* before anything is added to what is there */
	submit_all(&j->waiting);
	if (topology_is_cluster(j->topology) && j->on_moved)
		j->on_moved(j->moved_data);
	state_changed(j);
}

/* The reply to the first command was larger than we take: it must not be asked for as it is again.
 */
static void on_too_large(struct redis_request *r, const struct error *error)
{
	struct error damage;

	if (redis_load_shrink(r))
		return;
	(void)error_set(&damage, ST_DATA_LOSS, "what is stored is too large: %s", error->message);
	redis_request_fail_later(r, &damage);
}

/* Away for too long: whoever cannot be harmed by it hears so now. */
static void on_down_limit(void *data)
{
	struct redis_journal *j = data;
	uint64_t now = loop_now_ns(j->loop);
	uint64_t next = DEADLINE_NEVER;
	struct error error;

	list_for_each_safe (node, &j->waiting) {
		struct redis_request *r = list_entry(node, struct redis_request, node);
		uint64_t limit =
			clock_deadline(r->server->down_ns, REDIS_DOWN_LIMIT_MS * NS_PER_MS);

		if (r->is_maybe_done && redis_request_is_write(r))
			continue;
		if (now < limit) {
			next = limit < next ? limit : next;
			continue;
		}
		(void)error_set(&error, ST_UNAVAILABLE, "the journal is away: %s",
				redis_node_reason(r->server));
		redis_request_fail_later(r, &error);
	}
	timer_start(&j->down_timer, next);
}

static void take_back(struct redis_journal *j, struct list *commands, const struct error *error)
{
	bool is_culprit = error->status == ST_OUT_OF_RANGE; /* the first one is */
	struct list *node;

	while ((node = list_pop_front(commands))) {
		struct redis_command *command = list_entry(node, struct redis_command, node);
		struct redis_request *r = redis_request_of_command(command);

		if (command == &j->probe) {
			j->is_probing = false;
			timer_start_in(&j->probe_timer, PROBE_MS);
		} else if (is_culprit && !r->is_orphan) {
			redis_request_lost(r);
			on_too_large(r, error);
		} else {
			redis_request_lost(r);
		}
		is_culprit = false;
	}
}

static void on_lost(void *data, struct redis_node *node, struct list *commands,
		    const struct error *error)
{
	struct redis_journal *j = data;

	j->losses++;
	if (!timer_is_set(&j->down_timer))
		timer_start_in(&j->down_timer, REDIS_DOWN_LIMIT_MS);
	LOG(WARN, JOURNAL_LOST, LOG_STR("server", node->name), LOG_STR("error", error->message));
	take_back(j, commands, error);
	state_changed(j);
}

static void on_refused(void *data, struct redis_node *node, const struct error *error)
{
	struct redis_journal *j = data;

	if ((j->embedded && embedded_is_starting(j->embedded)) ||
	    loop_now_ns(j->loop) < j->quiet_until_ns)
		LOG_LIMITED(DEBUG, JOURNAL_REFUSED, LOG_STR("error", error->message));
	else
		LOG_LIMITED(WARN, JOURNAL_REFUSED, LOG_STR("server", node->name),
			    LOG_STR("error", error->message));
	state_changed(j);
}

static void on_moved(void *data)
{
	struct redis_journal *j = data;

	j->losses++;
	if (topology_is_cluster(j->topology))
		tail_check_all(j->tail, NULL);
	submit_all(&j->waiting);
	if (j->on_moved)
		j->on_moved(j->moved_data);
	state_changed(j);
}

static void place_all(struct list *requests, const struct redis_node *gone)
{
	list_for_each (node, requests) {
		struct redis_request *r = list_entry(node, struct redis_request, all_node);

		if (r->server == gone)
			redis_request_place(r);
	}
}

static void on_gone(void *data, struct redis_node *node)
{
	struct redis_journal *j = data;

	place_all(&j->all, node);
	place_all(&j->orphans, node);
}

static const struct topology_ops topology_ops = {
	.on_ready = on_ready,
	.on_lost = on_lost,
	.on_refused = on_refused,
	.on_moved = on_moved,
	.on_gone = on_gone,
};

/* ---- the child ------------------------------------------------------------------------------ */
static void on_child_started(void *data)
{
	struct redis_journal *j = data;

	topology_start(j->topology);
}

static void on_child_stopped(void *data, const struct error *error)
{
	struct redis_journal *j = data;

	topology_stop(j->topology, error);
	state_changed(j);
}

static const struct embedded_ops embedded_ops = {
	.on_started = on_child_started,
	.on_stopped = on_child_stopped,
};

/* ---- tasks ---------------------------------------------------------------------------------- */
/* Requests that fail before they were sent, and loads whose caller asked for more. */
static void on_due_task(void *data)
{
	struct redis_journal *j = data;
	struct list *node;

	while ((node = list_pop_front(&j->due))) {
		struct redis_request *r = list_entry(node, struct redis_request, node);
		struct error error;

		if (r->error) {
			error = *r->error;
			redis_request_fail(r, &error);
		} else {
			redis_load_go_on(r);
		}
	}
}

static void on_delay_timer(void *data)
{
	struct redis_journal *j = data;

	submit_all(&j->delayed);
}

/* ---- opening and closing -------------------------------------------------------------------- */
static struct metrics_series *series(struct metrics *metrics, enum metric metric,
				     const char *result)
{
	const struct metrics_label label = {"result", span_from_str(result)};

	return metrics_series(metrics, metric, &label, result ? 1 : 0);
}

static void make_metrics(struct redis_journal *j, struct metrics *metrics)
{
	static const char *const results[REDIS_RESULTS] = {
		[JOURNAL_OK] = "ok",
		[JOURNAL_DUP] = "dup",
		[JOURNAL_CONFLICT] = "conflict",
		[JOURNAL_ERASED] = "erased",
		[JOURNAL_ERROR] = "error",
	};

	for (size_t i = 0; i < REDIS_RESULTS; i++) {
		j->appends[i] = series(metrics, METRIC_JOURNAL_APPENDS, results[i]);
		if (i != JOURNAL_DUP)
			j->verifies[i] = series(metrics, METRIC_JOURNAL_VERIFIES, results[i]);
	}
	j->append_seconds = series(metrics, METRIC_JOURNAL_APPEND_SECONDS, NULL);
	j->verify_seconds = series(metrics, METRIC_JOURNAL_VERIFY_SECONDS, NULL);
	j->events = series(metrics, METRIC_JOURNAL_EVENTS, NULL);
	j->short_acks = series(metrics, METRIC_JOURNAL_SHORT_ACKS, NULL);
	j->resends = series(metrics, METRIC_JOURNAL_RESENDS, NULL);
	j->connected = series(metrics, METRIC_JOURNAL_CONNECTED, NULL);
	j->pending_gauge = series(metrics, METRIC_JOURNAL_PENDING, NULL);
}

static void free_requests(struct list *requests)
{
	struct list *node;

	while ((node = list_pop_front(requests))) {
		struct redis_request *r = list_entry(node, struct redis_request, all_node);

		list_remove(&r->command.node);
		redis_request_free(r);
	}
}

static void redis_close(struct journal *journal)
{
	struct redis_journal *j = redis_journal_of(journal);

	free_requests(&j->all);
	free_requests(&j->orphans);
	tail_free(j->tail);
	topology_free(j->topology);
	redis_command_fini(&j->probe);
	embedded_close(j->embedded);
	timer_stop(&j->delay_timer);
	timer_stop(&j->probe_timer);
	timer_stop(&j->down_timer);
	loop_task_cancel(&j->due_task);
	loop_task_cancel(&j->state_task);
	mem_free(j->namespace_text);
	mem_free(j);
}

static const struct journal_ops redis_ops = {
	.load = redis_load,
	.load_next = redis_load_next,
	.append = redis_append,
	.get = redis_get,
	.put = redis_put,
	.verify = redis_verify,
	.window = redis_window,
	.recall = redis_recall,
	.cancel = redis_cancel,
	.is_ready = is_ready,
	.durability = durability,
	.close = redis_close,
};

static enum status open_child(struct redis_journal *j, const struct redis_journal_params *params,
			      struct redis_url *url, struct error *err)
{
	const struct embedded_params child = {
		.directory = url->directory,
		.program = params->redis_server ? params->redis_server : "redis-server",
		.durability = params->durability ? params->durability : "always",
		.lock_wait_ms = params->lock_timeout_ms,
	};
	enum status st = embedded_open(j->loop, &child, &embedded_ops, j, &j->embedded, err);

	if (st == ST_OK)
		embedded_address(j->embedded, &url->address);
	return st;
}

/* Whoever runs the server has started it just now, as far as we know. */
static void attach(struct redis_journal *j, struct redis_url *url)
{
	embedded_socket(url->directory, &url->address);
	j->quiet_until_ns = clock_deadline(loop_now_ns(j->loop), ATTACH_QUIET_MS * NS_PER_MS);
}

static struct redis_journal *journal_new(struct loop *loop,
					 const struct redis_journal_params *params,
					 const char *namespace_text)
{
	struct redis_journal *j = mem_new(struct redis_journal);

	journal_init(&j->base, &redis_ops);
	j->loop = loop;
	j->namespace_text = mem_strdup(namespace_text);
	j->max_pending = params->max_pending;
	j->replicas_ack = params->replicas_ack;
	j->ack_timeout_ms = params->ack_timeout_ms;
	j->sick_slot = SLOT_ANY;
	list_init(&j->all);
	list_init(&j->orphans);
	list_init(&j->waiting);
	list_init(&j->delayed);
	list_init(&j->due);
	timer_init(&j->delay_timer, loop, on_delay_timer, j);
	timer_init(&j->probe_timer, loop, send_probe, j);
	timer_init(&j->down_timer, loop, on_down_limit, j);
	timer_start_in(&j->down_timer, REDIS_DOWN_LIMIT_MS);
	loop_task_init(&j->due_task, on_due_task, j);
	loop_task_init(&j->state_task, on_state_task, j);
	redis_command_init(&j->probe, on_probe);
	j->metrics = params->metrics;
	if (params->metrics)
		make_metrics(j, params->metrics);
	return j;
}

static void set_times(struct redis_journal *j, const struct redis_journal_params *params,
		      bool is_embedded)
{
	j->command_timeout_ms = params->command_timeout_ms;
	j->backoff_min_ms = is_embedded ? CHILD_BACKOFF_MIN_MS : params->backoff_min_ms;
	j->backoff_max_ms = is_embedded ? CHILD_BACKOFF_MAX_MS : params->backoff_max_ms;
}

static void open_connection(struct redis_journal *j, const struct redis_journal_params *params,
			    const struct redis_url *url)
{
	const struct topology_params topology = {
		.connection =
			{
				.url = url,
				.namespace_text = j->namespace_text,
				.command_timeout_ms = params->command_timeout_ms,
				.backoff_min_ms = j->backoff_min_ms,
				.backoff_max_ms = j->backoff_max_ms,
				.replicas_ack = j->replicas_ack,
				.ack_timeout_ms = j->ack_timeout_ms,
				.pipeline_max =
					params->pipeline_max ? params->pipeline_max : PIPELINE_MAX,
				.is_loss_expected = url->is_embedded && params->durability &&
						    strcmp(params->durability, "memory") == 0,
				.is_guest = params->is_guest,
			},
		.sentinel_user = params->sentinel_user,
		.sentinel_password = params->sentinel_password};

	j->url = *url;
	j->topology = topology_new(j->loop, &topology, &topology_ops, j);
	if (!j->embedded || embedded_pid(j->embedded))
		topology_start(j->topology);
}

static enum status check_sentinel(const struct redis_journal_params *params, struct error *err)
{
	const char *user = params->sentinel_user ? params->sentinel_user : "";
	const char *password = params->sentinel_password ? params->sentinel_password : "";

	if (strlen(user) >= REDIS_URL_USER_MAX || strlen(password) >= REDIS_URL_PASSWORD_MAX)
		return error_set(err, ST_INVALID_ARGUMENT,
				 "the sentinels' user or password is longer than %d or %d bytes",
				 REDIS_URL_USER_MAX - 1, REDIS_URL_PASSWORD_MAX - 1);
	return ST_OK;
}

static void open_tail(struct redis_journal *j, const struct redis_journal_params *params,
		      const struct redis_url *url)
{
	const char *directory = params->salvage_directory;

	if (!directory)
		directory = url->is_embedded ? url->directory : ".";
	j->tail = tail_new(
		j, directory,
		params->metrics ? series(params->metrics, METRIC_JOURNAL_LOST_EVENTS, NULL) : NULL);
}

enum status redis_journal_open(struct loop *loop, const struct redis_journal_params *params,
			       redis_journal_state_fn on_state, void *data,
			       struct journal **ret_journal, struct error *err)
{
	char namespace_text[KEY_NAMESPACE_MAX + 1];
	struct redis_journal *j;
	struct tls_params tls = params->tls ? *params->tls : (struct tls_params){"journal."};
	struct redis_url url;
	enum status st = redis_url_parse(params->url, &url, err);

	if (st == ST_OK && params->password)
		st = redis_url_set_password(&url, params->password, err);
	if (st == ST_OK)
		st = check_sentinel(params, err);
	if (st == ST_OK)
		st = key_namespace(params->namespace_id, namespace_text, sizeof(namespace_text),
				   err);
	if (st != ST_OK)
		return st;
	if (st == ST_OK && url.is_tls)
		st = tls_check(&tls, err);
	if (st != ST_OK)
		return st;
	j = journal_new(loop, params, namespace_text);
	j->tls = tls;
	url.tls = url.is_tls ? &j->tls : NULL;
	open_tail(j, params, &url);
	if (url.is_embedded && params->is_attached)
		attach(j, &url);
	else if (url.is_embedded)
		st = open_child(j, params, &url, err);
	if (st != ST_OK) {
		redis_close(&j->base);
		return st;
	}
	set_times(j, params, url.is_embedded);
	open_connection(j, params, &url);
	j->on_state = on_state;
	j->data = data;
	*ret_journal = &j->base;
	return ST_OK;
}
