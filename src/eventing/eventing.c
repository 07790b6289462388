#include "src/eventing/eventing.h"

#include <string.h>

#include "journal/feed.h"
#include "journal/journal.h"
#include "journal/members.h"
#include "journal/rendezvous.h"
#include "proto/schema.h"
#include "src/base/arena.h"
#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/list.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "src/eventing/cloudevent.h"
#include "src/eventing/plan.h"
#include "src/grpc/grpc_call.h"
#include "src/router/inner_call.h"
#include "src/router/router.h"
#include "src/runtime/loop.h"
#include "src/runtime/timer.h"
#include "src/userfn/api.h"
#include "src/userfn/userfn.h"

/* How often a drain looks whether all consumers are idle. */
#define DRAIN_LOOK_MS ((uint64_t)10)

/* "<source>/<partition>" decides whose share a partition is. */
#define SHARE_ID_MAX ((size_t)8 * 1024)

struct eventing {
	struct eventing_params params;
	struct plan *plan;
	const struct api *api; /* that of the plan */
	struct running *running;
	size_t count;
	bool is_draining;
	eventing_done_fn on_done;
	void *data;
	struct timer drain_timer;
};

/* A consumer of the plan. */
struct running {
	struct eventing *owner;
	const struct plan_consumer *plan;
	struct consumer *consumer;
};

struct delivery {
	struct inner_call *inner;
	consumer_delivered_fn on_delivered;
	void *cookie;
};

/* ---- one delivery -----------------------------------------------------------------------------
 */
static void on_call_done(void *data, const struct grpc_status *status)
{
	struct delivery *d = data;
	consumer_delivered_fn on_delivered = d->on_delivered;
	void *cookie = d->cookie;

	mem_free(d);
	on_delivered(cookie, status->code, status->message);
}

static void cancel(void *data, void *delivery)
{
	struct delivery *d = delivery;

	(void)data;
	inner_call_cancel(d->inner, ST_CANCELLED);
	mem_free(d);
}

/* The event as attributes, and what its method is given. */
static enum status prepare(const struct consumer_event *event, struct arena *arena,
			   struct cloudevent *cloudevent, struct journal_any *any,
			   struct error *err)
{
	const struct feed_message *message = event->message;

	if (event->source->kind == FEED_EVENT_LOG) {
		cloudevent_of_log(event->source, event->entity, event->sequence, message, arena,
				  cloudevent);
		*any = (struct journal_any){message->type_url, message->data};
		return ST_OK;
	}
	cloudevent->count = message->attribute_count;
	memcpy(cloudevent->attributes, message->attributes,
	       message->attribute_count * sizeof(*message->attributes));
	return cloudevent_payload(cloudevent, message->data, arena, any, err);
}

static struct delivery *call(struct running *running, const struct cloudevent *event,
			     const struct journal_any *any, struct error *err)
{
	struct eventing *e = running->owner;
	struct inner_call_params params = {
		.loop = e->params.loop,
		.method = plan_route(running->plan, any->type_url),
		.protocol = "eventing",
		.message = any->value,
		.content_type = cloudevent_get(event, "datacontenttype"),
		.deadline_ns = clock_deadline(loop_now_ns(e->params.loop),
					      e->params.limits.timeout_ms * NS_PER_MS),
	};
	struct delivery *d = NULL;
	struct buf metadata;

	if (!params.method) {
		(void)error_set(err, ST_UNIMPLEMENTED,
				"No method can be found to handle protobuf type of [%.*s]",
				SPAN_FMT(span_head(any->type_url, 200)));
		return NULL;
	}
	if (plan_takes_any(params.method))
		params.payload_type = any->type_url;
	buf_init(&metadata, CLOUDEVENT_BYTES_MAX);
	if (cloudevent_put_metadata(event, &metadata)) {
		params.metadata = buf_span(&metadata);
		d = mem_new(struct delivery);
		d->inner = inner_call_new(&params, on_call_done, d);
		router_accept(e->params.router, inner_call_exchange(d->inner));
	} else {
		(void)error_set(err, ST_RESOURCE_EXHAUSTED,
				"the event's attributes are longer than %zu bytes",
				CLOUDEVENT_BYTES_MAX);
	}
	buf_fini(&metadata);
	return d;
}

static void *deliver(void *data, const struct consumer_event *event,
		     consumer_delivered_fn on_delivered, void *cookie, struct error *err)
{
	struct delivery *d = NULL;
	struct cloudevent cloudevent;
	struct journal_any any;
	struct arena arena;

	arena_init(&arena, event->message->data.len + CLOUDEVENT_BYTES_MAX);
	if (prepare(event, &arena, &cloudevent, &any, err) == ST_OK)
		d = call(data, &cloudevent, &any, err);
	if (d) {
		d->on_delivered = on_delivered;
		d->cookie = cookie;
	}
	arena_fini(&arena);
	return d;
}

static bool is_ready(void *data)
{
	const struct running *running = data;
	const struct eventing_params *params = &running->owner->params;
	const char *reason;

	/* A function that has come back with another description gets its own consumers first. */
	return userfn_is_ready(params->userfn, NULL) && !userfn_is_refused(params->userfn) &&
	       userfn_api(params->userfn) == running->owner->api &&
	       journal_is_ready(params->journal, &reason);
}

static const struct consumer_ops consumer_ops = {
	.is_ready = is_ready,
	.deliver = deliver,
	.cancel = cancel,
};

/* ---- which consumers there are ----------------------------------------------------------------
 */
static void stop_all(struct eventing *e)
{
	for (size_t i = 0; i < e->count; i++)
		consumer_free(e->running[i].consumer);
	mem_free(e->running);
	plan_free(e->plan);
	e->running = NULL;
	e->plan = NULL;
	e->count = 0;
}

static void start(struct eventing *e, const struct plan_consumer *plan, struct running *running)
{
	const struct eventing_limits *limits = &e->params.limits;
	const struct consumer_params params = {
		.loop = e->params.loop,
		.feed = e->params.feed,
		.metrics = e->params.metrics,
		.kind = plan->kind,
		.source = plan->source,
		.group = plan->group,
		.ops = &consumer_ops,
		.data = running,
		.policy =
			{
				.attempts_max = limits->attempts_max,
				.backoff_min_ns = limits->backoff_min_ms * NS_PER_MS,
				.backoff_max_ns = limits->backoff_max_ms * NS_PER_MS,
			},
		.parallel_max = limits->parallel_max,
		.poll_max_ms = limits->poll_max_ms,
		.dead_letters_max = limits->dead_letters_max,
	};

	*running = (struct running){.owner = e, .plan = plan};
	running->consumer = consumer_new(&params);
	LOG(INFO, EVENTING_CONSUMING, LOG_SPAN("consumer", plan->group),
	    LOG_STR("kind", plan->kind == FEED_TOPIC ? "topic" : "event_log"),
	    LOG_SPAN("source", plan->source));
}

static void take_api(struct eventing *e, struct api *api)
{
	struct error err;
	struct buf reasons;

	stop_all(e);
	e->api = api;
	if (!api)
		return;
	buf_init(&reasons, ERROR_MESSAGE_MAX);
	/* It was looked at before it was accepted: topics and all. */
	if (plan_new(api, true, &reasons, &e->plan, &err) == ST_OK) {
		e->count = e->plan->count;
		e->running = mem_new_array(struct running, e->count ? e->count : 1);
		for (size_t i = 0; i < e->count; i++)
			start(e, &e->plan->consumers[i], &e->running[i]);
	}
	buf_fini(&reasons);
}

/* ---- shares -----------------------------------------------------------------------------------
 */
static uint64_t share_of(const struct eventing *e, const struct plan_consumer *plan)
{
	uint64_t version;
	size_t count;
	const struct member *view = members_view(e->params.members, &count, &version);
	const char *own = members_address(e->params.members);
	uint64_t share = 0;
	struct buf id;

	buf_init(&id, SHARE_ID_MAX);
	for (unsigned p = 0; p < FEED_PARTITIONS; p++) {
		const struct member *owner;

		buf_reset(&id);
		(void)buf_append(&id, plan->source); /* cut: all agree on that, too */
		(void)buf_printf(&id, "/%u", p);
		owner = rendezvous_owner(view, count, NULL, plan->group, buf_span(&id));
		if (owner && strcmp(owner->address, own) == 0)
			share |= (uint64_t)1 << p;
	}
	buf_fini(&id);
	return share;
}

void eventing_renew(struct eventing *e)
{
	struct api *api = userfn_api(e->params.userfn);

	if (e->is_draining)
		return;
	if (api != e->api)
		take_api(e, api);
	for (size_t i = 0; i < e->count; i++) {
		consumer_share(e->running[i].consumer, share_of(e, e->running[i].plan));
		consumer_wake(e->running[i].consumer);
	}
}

/* ---- the end ----------------------------------------------------------------------------------
 */
static bool is_idle(const struct eventing *e)
{
	for (size_t i = 0; i < e->count; i++) {
		if (!consumer_is_idle(e->running[i].consumer))
			return false;
	}
	return true;
}

static void on_drain_look(void *data)
{
	struct eventing *e = data;

	if (is_idle(e))
		e->on_done(e->data);
	else
		timer_start_in(&e->drain_timer, DRAIN_LOOK_MS);
}

void eventing_drain(struct eventing *e, eventing_done_fn on_done, void *data)
{
	e->is_draining = true;
	e->on_done = on_done;
	e->data = data;
	for (size_t i = 0; i < e->count; i++)
		consumer_stop(e->running[i].consumer);
	timer_start_in(&e->drain_timer, 0);
}

/* ---- the whole --------------------------------------------------------------------------------
 */
struct eventing *eventing_new(const struct eventing_params *params)
{
	struct eventing *e = mem_new(struct eventing);

	e->params = *params;
	timer_init(&e->drain_timer, params->loop, on_drain_look, e);
	return e;
}

enum status eventing_check(struct api *api, bool has_topics, struct buf *reasons, struct error *err)
{
	return plan_new(api, has_topics, reasons, NULL, err);
}

size_t eventing_count(const struct eventing *e)
{
	return e->count;
}

void eventing_state(const struct eventing *e, size_t i, struct consumer_state *ret_state)
{
	consumer_state(e->running[i].consumer, ret_state);
}

void eventing_free(struct eventing *e)
{
	if (!e)
		return;
	timer_stop(&e->drain_timer);
	stop_all(e);
	mem_free(e);
}
