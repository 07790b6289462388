#include "src/eventing/plan.h"

#include <stdarg.h>
#include <stdio.h>

#include "proto/schema.h"
#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/userfn/api.h"

/* Consumers and their methods; as many as methods there can be in a description of 64 MiB. */
#define PLAN_ARENA_BYTES_MAX ((size_t)16 * 1024 * 1024)

#define ANY_NAME "google.protobuf.Any"

struct planning {
	struct plan *plan;
	bool has_topics;
	struct buf *reasons;
	struct error *err;
	bool has_reason;
};

static void refuse(struct planning *p, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static void refuse(struct planning *p, const char *format, ...)
{
	struct error reason;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(reason.message, sizeof(reason.message), format, args); /* cut is fine */
	va_end(args);
	if (!p->has_reason)
		(void)error_set(p->err, ST_INVALID_ARGUMENT, "%s", reason.message);
	if (buf_len(p->reasons))
		(void)buf_append_byte(p->reasons, '\n');
	/* a full buffer only shortens what the author reads */
	(void)buf_append_str(p->reasons, reason.message);
	p->has_reason = true;
}

bool plan_takes_any(const struct api_method *method)
{
	return span_eq_str(method->schema->input->full_name, ANY_NAME);
}

static enum feed_kind kind_of(const struct options_eventing *eventing)
{
	return eventing->source_kind == OPTIONS_SOURCE_TOPIC ? FEED_TOPIC : FEED_EVENT_LOG;
}

/* ---- findings about one method ----------------------------------------------------------------
 */
static const struct api_service *find_log(const struct api *api, struct span name)
{
	for (size_t i = 0; i < api->service_count; i++) {
		if (api->services[i].kind != ENTITY_ACTION &&
		    span_eq(api->services[i].persistence_id, name))
			return &api->services[i];
	}
	return NULL;
}

/* An event log may be that of another function of the namespace, of which nothing is known here. */
static void check_log(struct planning *p, const struct api *api, const struct api_method *method)
{
	const struct api_service *owner = find_log(api, method->eventing.source);

	if (owner && owner->kind != ENTITY_EVENT_SOURCED)
		refuse(p,
		       "Endpoint '%.*s' consumes the event log '%.*s', but [%.*s] is no event "
		       "sourced entity and has none",
		       SPAN_FMT(method->schema->full_name), SPAN_FMT(method->eventing.source),
		       SPAN_FMT(owner->schema->full_name));
}

static void check_in(struct planning *p, const struct api *api, const struct api_method *method)
{
	const struct options_eventing *eventing = &method->eventing;
	struct span name = method->schema->full_name;

	if (eventing->source_kind == OPTIONS_SOURCE_NONE || eventing->source.len == 0) {
		refuse(p, "Endpoint '%.*s' has an event source without a topic or an event log",
		       SPAN_FMT(name));
		return;
	}
	if (eventing->source_kind == OPTIONS_SOURCE_EVENT_LOG)
		check_log(p, api, method);
	else if (span_eq(eventing->source, eventing->topic_out))
		refuse(p,
		       "Endpoint '%.*s' has the same input topic as output topic ('%.*s'), this is "
		       "not allowed.",
		       SPAN_FMT(name), SPAN_FMT(eventing->source));
	else if (!p->has_topics)
		refuse(p, "Endpoint '%.*s' consumes a topic, but eventing.support is none",
		       SPAN_FMT(name));
	if (plan_takes_any(method) && method->service->kind != ENTITY_ACTION)
		refuse(p, "Endpoint '%.*s' takes any message, which only actions can",
		       SPAN_FMT(name));
	if (method->service->kind == ENTITY_CRDT && method->schema->server_streaming)
		refuse(p,
		       "Endpoint '%.*s' answers with a stream that need not end, and cannot "
		       "consume events",
		       SPAN_FMT(name));
}

static void check_out(struct planning *p, const struct api_method *method)
{
	struct span name = method->schema->full_name;

	if (method->eventing.topic_out.len == 0)
		refuse(p, "Endpoint '%.*s' has an event destination without a topic",
		       SPAN_FMT(name));
	else if (!p->has_topics)
		refuse(p, "Endpoint '%.*s' publishes to a topic, but eventing.support is none",
		       SPAN_FMT(name));
}

/* ---- consumers --------------------------------------------------------------------------------
 */
static bool is_source_of(const struct plan_consumer *consumer, const struct options_eventing *e)
{
	return consumer->kind == kind_of(e) && span_eq(consumer->source, e->source);
}

static struct span group_of(const struct api_method *method)
{
	return method->eventing.consumer_group.len ? method->eventing.consumer_group
						   : method->service->schema->full_name;
}

static struct plan_consumer *find_consumer(struct planning *p, const struct api_method *method)
{
	struct plan *plan = p->plan;
	struct span group = group_of(method);
	struct plan_consumer *consumer;

	for (size_t i = 0; i < plan->count; i++) {
		consumer = &plan->consumers[i];
		if (!span_eq(consumer->group, group) || !is_source_of(consumer, &method->eventing))
			continue;
		if (consumer->service == method->service)
			return consumer;
		/* They would share one checkpoint, and each get a part of the events. */
		refuse(p,
		       "Services [%.*s] and [%.*s] consume '%.*s' with the same consumer group "
		       "'%.*s'",
		       SPAN_FMT(consumer->service->schema->full_name),
		       SPAN_FMT(method->service->schema->full_name), SPAN_FMT(consumer->source),
		       SPAN_FMT(group));
		return NULL;
	}
	consumer = &plan->consumers[plan->count];
	*consumer = (struct plan_consumer){
		.service = method->service,
		.group = group,
		.kind = kind_of(&method->eventing),
		.source = method->eventing.source,
		.methods = arena_new_array(&plan->arena_, const struct api_method *,
					   method->service->method_count),
	};
	if (!consumer->methods)
		return NULL; /* the arena says so at the end */
	plan->count++;
	return consumer;
}

static void add_method(struct planning *p, const struct api_method *method)
{
	struct plan_consumer *consumer = find_consumer(p, method);
	const struct api_method *other = NULL;

	if (!consumer)
		return;
	if (plan_takes_any(method))
		other = consumer->any;
	for (size_t i = 0; i < consumer->method_count; i++) {
		if (consumer->methods[i]->schema->input == method->schema->input)
			other = consumer->methods[i];
	}
	if (other)
		refuse(p,
		       "Endpoints '%.*s' and '%.*s' have the same event source '%.*s' and the same "
		       "input type [%.*s]",
		       SPAN_FMT(other->schema->full_name), SPAN_FMT(method->schema->full_name),
		       SPAN_FMT(consumer->source), SPAN_FMT(method->schema->input->full_name));
	else if (plan_takes_any(method))
		consumer->any = method;
	else
		consumer->methods[consumer->method_count++] = method;
}

static void plan_service(struct planning *p, const struct api *api,
			 const struct api_service *service)
{
	for (size_t i = 0; i < service->method_count; i++) {
		const struct api_method *method = &service->methods[i];

		if (method->has_eventing && method->eventing.has_in)
			check_in(p, api, method);
		if (method->has_eventing && method->eventing.has_out)
			check_out(p, method);
		if (method->has_eventing && method->eventing.has_in && method->eventing.source.len)
			add_method(p, method);
	}
}

static size_t count_methods(const struct api *api)
{
	size_t count = 0;

	for (size_t i = 0; i < api->service_count; i++)
		count += api->services[i].method_count;
	return count;
}

enum status plan_new(struct api *api, bool has_topics, struct buf *reasons, struct plan **ret_plan,
		     struct error *err)
{
	struct planning p = {.has_topics = has_topics, .reasons = reasons, .err = err};
	struct plan *plan = mem_new(struct plan);
	size_t count = count_methods(api);
	enum status status = ST_OK;

	p.plan = plan;
	plan->api_ = api_ref(api);
	arena_init(&plan->arena_, PLAN_ARENA_BYTES_MAX);
	plan->consumers = arena_new_array(&plan->arena_, struct plan_consumer, count ? count : 1);
	for (size_t i = 0; plan->consumers && i < api->service_count; i++)
		plan_service(&p, api, &api->services[i]);
	if (plan->arena_.is_exhausted)
		refuse(&p, "Too many methods consume events");
	if (p.has_reason)
		status = ST_INVALID_ARGUMENT;
	if (status == ST_OK && ret_plan)
		*ret_plan = plan;
	else
		plan_free(plan);
	return status;
}

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	arena_fini(&plan->arena_);
	api_unref(plan->api_);
	mem_free(plan);
}

/* Only messages have a method of their own; JSON and primitives go to the one that takes any. */
const struct api_method *plan_route(const struct plan_consumer *consumer, struct span type_url)
{
	size_t slash = span_find(type_url, '/');
	struct span host = span_head(type_url, slash);
	struct span name = span_skip(type_url, slash + 1);
	bool is_message =
		!span_eq_str(host, "json.cloudstate.io") && !span_eq_str(host, "p.cloudstate.io");

	for (size_t i = 0; is_message && i < consumer->method_count; i++) {
		if (span_eq(consumer->methods[i]->schema->input->full_name, name))
			return consumer->methods[i];
	}
	return consumer->any;
}
