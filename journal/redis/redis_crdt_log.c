/* The log of CRDTs over Redis: opening, listening, closing. Requests go over the journal's
 * connection, crdt_request.c; news come over a second one, crdt_watch.c. */
#include "journal/redis/redis_crdt_log.h"

#include <inttypes.h>
#include <stdio.h>

#include "journal/key.h"
#include "journal/redis/crdt_internal.h"
#include "journal/redis/redis_members.h"
#include "journal/redis/subscription.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"

/* The servers of a cluster pass publications on to each other, and lose them without a word while a
 * link between two of them is broken. So late whoever watches knows at the latest. */
#define BUS_LOSS_MS ((uint64_t)30000)

/* ---- listening ------------------------------------------------------------------------------ */
static void on_state_task(void *data)
{
	struct redis_crdt_log *log = data;

	log->on_state(log->data);
}

static void set_listening(struct redis_crdt_log *log, bool is_listening)
{
	if (log->listening)
		metrics_set(log->listening, is_listening);
	loop_task_schedule(log->loop, &log->state_task);
}

static void tell_all(void *data)
{
	struct redis_crdt_log *log = data;

	redis_crdt_tell_all(log);
	if (topology_is_cluster(log->journal->topology))
		timer_start_in(&log->bus_timer, BUS_LOSS_MS);
}

static void on_live(void *data)
{
	struct redis_crdt_log *log = data;

	LOG(INFO, CRDT_LISTENING, LOG_UINT("watches", log->subjects.count));
	set_listening(log, true);
	tell_all(log);
}

static void on_down(void *data, const struct error *error)
{
	struct redis_crdt_log *log = data;

	LOG_LIMITED(WARN, CRDT_DEAF, LOG_STR("error", error->message));
	set_listening(log, false);
	/* In a cluster any server will do, and this one may not come back. */
	if (topology_listen_at(log->journal->topology, &log->listened, &log->listened))
		subscription_aim(log->subscription, &log->listened);
}

static void on_message(void *data, struct span channel, struct span text)
{
	redis_crdt_heard(data, channel, text);
}

static void subscribe(struct redis_crdt_log *log)
{
	static const struct subscription_ops ops = {
		.on_live = on_live,
		.on_message = on_message,
		.on_down = on_down,
	};
	const struct subscription_params params = {
		.url = &log->journal->url,
		.address = &log->listened,
		.channels = {log->news_channel, log->ack_channel},
		.timeout_ms = log->journal->command_timeout_ms,
		.backoff_min_ms = log->journal->backoff_min_ms,
		.backoff_max_ms = log->journal->backoff_max_ms,
	};

	if (topology_listen_at(log->journal->topology, NULL, &log->listened))
		log->subscription = subscription_open(log->loop, &params, &ops, log);
}

/* Slots are served by others, or the primary is another: what they had told the last one may not
 * have reached us, and may be gone. */
static void on_moved(void *data)
{
	struct redis_crdt_log *log = data;
	struct address address;

	if (!log->subscription) {
		if (log->is_asked_to_listen)
			subscribe(log);
		return;
	}
	if (topology_listen_at(log->journal->topology, &log->listened, &address) &&
	    !topology_is_same(&address, &log->listened)) {
		log->listened = address;
		subscription_move(log->subscription, &address);
	} else {
		tell_all(log);
	}
}

void redis_crdt_log_listen(struct crdt_log *base)
{
	struct redis_crdt_log *log = redis_crdt_log_of(base);

	log->is_asked_to_listen = true;
	if (!log->subscription)
		subscribe(log);
}

bool redis_crdt_log_is_ready(const struct crdt_log *base, const char **reason)
{
	const struct redis_crdt_log *log = redis_crdt_log_of(base);

	*reason = NULL;
	if (log->subscription && !subscription_is_live(log->subscription))
		*reason = subscription_reason(log->subscription);
	else if (log->is_asked_to_listen && !log->subscription)
		*reason = "there is no server yet to hear news of CRDTs from";
	return !*reason;
}

/* ---- opening and closing -------------------------------------------------------------------- */
static void redis_crdt_log_close(struct crdt_log *base)
{
	struct redis_crdt_log *log = redis_crdt_log_of(base);

	log->journal->on_moved = NULL;
	redis_members_listen(log->members, NULL, NULL);
	redis_crdt_cancel_all(log);
	redis_crdt_free_watches(log);
	subscription_close(log->subscription);
	timer_stop(&log->repeat_timer);
	timer_stop(&log->tell_timer);
	timer_stop(&log->bus_timer);
	loop_task_cancel(&log->state_task);
	map_fini(&log->acks);
	map_fini(&log->subjects);
	map_fini(&log->tickets);
	mem_free(log->news_channel);
	mem_free(log->ack_channel);
	mem_free(log);
}

static const struct crdt_log_ops redis_crdt_log_ops = {
	.read = redis_crdt_read,
	.append = redis_crdt_append,
	.remove = redis_crdt_delete,
	.compact = redis_crdt_compact,
	.watch = redis_crdt_watch,
	.ack = redis_crdt_ack,
	.unwatch = redis_crdt_unwatch,
	.close = redis_crdt_log_close,
};

static void make_names(struct redis_crdt_log *log)
{
	char text[KEY_TEXT_MAX];

	(void)snprintf(log->own, sizeof(log->own), "%016" PRIx64, log->journal->base.incarnation);
	(void)snprintf(text, sizeof(text), KEY_PREFIX "%s:crdt", log->journal->namespace_text);
	log->news_channel = mem_strdup(text);
	(void)snprintf(text, sizeof(text), "%s:ack:%s", log->news_channel, log->own);
	log->ack_channel = mem_strdup(text);
}

static void make_metrics(struct redis_crdt_log *log, struct metrics *metrics)
{
	static const char *const results[CRDT_RESULTS] = {"ok", "erased", "error"};

	for (size_t i = 0; i < CRDT_RESULTS; i++) {
		const struct metrics_label label = {"result", span_from_str(results[i])};

		log->appends[i] = metrics_series(metrics, METRIC_CRDT_APPENDS, &label, 1);
		log->reads[i] = metrics_series(metrics, METRIC_CRDT_READS, &label, 1);
	}
	log->append_seconds = metrics_series(metrics, METRIC_CRDT_APPEND_SECONDS, NULL, 0);
	log->news = metrics_series(metrics, METRIC_CRDT_NEWS, NULL, 0);
	log->listening = metrics_series(metrics, METRIC_CRDT_LISTENING, NULL, 0);
}

struct crdt_log *redis_crdt_log_open(struct loop *loop, struct journal *journal,
				     struct members *members, struct metrics *metrics,
				     redis_crdt_log_state_fn on_state, void *data)
{
	struct redis_crdt_log *log = mem_new(struct redis_crdt_log);

	log->base.ops = &redis_crdt_log_ops;
	log->loop = loop;
	log->journal = redis_journal_of(journal);
	log->members = members;
	log->on_state = on_state;
	log->data = data;
	list_init(&log->ops);
	list_init(&log->waiting);
	list_init(&log->watches);
	list_init(&log->untold);
	map_init(&log->acks);
	map_init(&log->subjects);
	map_init(&log->tickets);
	timer_init(&log->repeat_timer, loop, redis_crdt_on_repeat, log);
	timer_init(&log->tell_timer, loop, redis_crdt_on_tell, log);
	timer_init(&log->bus_timer, loop, tell_all, log);
	loop_task_init(&log->state_task, on_state_task, log);
	make_names(log);
	if (metrics)
		make_metrics(log, metrics);
	log->journal->on_moved = on_moved;
	log->journal->moved_data = log;
	redis_members_listen(members, redis_crdt_on_members, log);
	return &log->base;
}
