#include "src/router/followup.h"

#include "proto/schema.h"
#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/list.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "src/entity/entity_codec.h"
#include "src/grpc/grpc_call.h"
#include "src/router/command_key.h"
#include "src/router/exchange.h"
#include "src/router/inner_call.h"
#include "src/router/reply.h"
#include "src/router/router_metrics.h"
#include "src/runtime/loop.h"
#include "src/userfn/api.h"
#include "src/userfn/userfn.h"

/* Names in a trace are those of the function's schema, at most ten of them. */
#define FOLLOWUP_TRACE_MAX ((size_t)8 * 1024)
#define FOLLOWUP_NAME_MAX ((size_t)200)

/* One call made for the function, until it ends. */
struct followup_call {
	struct list node;
	struct followups *owner;
	struct followup *followup; /* who waits for it; NULL: nobody */
	struct inner_call *inner;
	enum followup_kind kind;
};

struct followup {
	struct list node;
	struct followups *owner;
	struct followup_origin origin; /* its api is referenced; the trace is in bytes */
	struct exchange *exchange;     /* NULL: the client has gone */
	struct followup_call *running;
	struct loop_task fail; /* a forward that could not be made */
	struct error error;    /* why */
	followup_done_fn on_done;
	void *data;
	struct followup_forward forward;
	bool has_forward;
	bool has_headers_sent;
	struct span *effects; /* of those to come */
	size_t effect_count;
	size_t effect_next;
	struct buf bytes; /* everything that was copied */
};

struct followups {
	struct loop *loop;
	struct userfn *userfn;
	struct router_metrics *metrics;
	struct followup_limits limits;
	followup_accept_fn accept;
	void *data;
	struct list followups;
	struct list calls;
	size_t running;
	size_t held; /* followups_hold */
	struct loop_task drained;
	void (*on_drained)(void *data); /* NULL: no drain, or it is over */
	void *drained_data;
	struct buf trace; /* of the call being made */
	struct buf text;  /* of a report */
};

/* What a call is to be, whether forward or effect. */
struct target {
	enum followup_kind kind;
	struct followup_forward to;
	bool is_synchronous;
	uint64_t index; /* among the reply's effects */
};

/* ---- making a call --------------------------------------------------------------------------- */

static const struct api_service *find_service(const struct api *api, struct span name)
{
	for (size_t i = 0; api && i < api->service_count; i++) {
		if (span_eq(api->services[i].schema->full_name, name))
			return &api->services[i];
	}
	return NULL;
}

static const struct api_method *find_method(const struct api_service *service, struct span name)
{
	for (size_t i = 0; i < service->method_count; i++) {
		if (span_eq(service->methods[i].schema->name, name))
			return &service->methods[i];
	}
	return NULL;
}

/* "  side-effect of pkg.Service.Method", the innermost first. */
static struct span put_trace(struct followups *f, const struct followup_origin *origin,
			     enum followup_kind kind)
{
	const char *what = kind == FOLLOWUP_EFFECT ? "  side-effect of " : "  forwarded from ";
	struct span name = span_head(origin->method->schema->full_name, FOLLOWUP_NAME_MAX);

	buf_reset(&f->trace);
	/* names too long for it are left out */
	(void)(buf_append(&f->trace, SPAN_LIT("\n")) &&
	       buf_append(&f->trace, span_from_str(what)) && buf_append(&f->trace, name) &&
	       buf_append(&f->trace, origin->trace));
	return buf_span(&f->trace);
}

/* Tells the function's author what was not called, and the way there. */
static void report(struct followups *f, const struct error *err)
{
	buf_reset(&f->text);
	/* there is room: the limits are the sum */
	(void)(buf_append(&f->text, span_from_str(err->message)) &&
	       buf_append(&f->text, buf_span(&f->trace)));
	userfn_report(f->userfn, buf_span(&f->text));
}

static enum status find_target(struct followups *f, const struct followup_origin *origin,
			       const struct target *target, const struct api_method **ret_method,
			       struct error *err)
{
	const struct api_service *service =
		find_service(userfn_api(f->userfn), target->to.service_name);
	const struct api_method *method =
		service ? find_method(service, target->to.command_name) : NULL;
	struct span command = span_head(target->to.command_name, FOLLOWUP_NAME_MAX);
	struct span name = span_head(target->to.service_name, FOLLOWUP_NAME_MAX);

	if (!service)
		return error_set(err, ST_INTERNAL, "Service [%.*s] unknown", SPAN_FMT(name));
	if (!method)
		return error_set(err, ST_INTERNAL,
				 "Service [%.*s] does not have a command named: [%.*s]",
				 SPAN_FMT(name), SPAN_FMT(command));
	if (origin->hops >= FOLLOWUP_HOPS_MAX)
		return error_set(
			err, ST_INTERNAL,
			"%u forwards and side effects in a row: [%.*s] of [%.*s] is not called",
			FOLLOWUP_HOPS_MAX, SPAN_FMT(command), SPAN_FMT(name));
	if (target->kind == FOLLOWUP_FORWARD && method->schema->server_streaming &&
	    !origin->method->schema->server_streaming)
		return error_set(err, ST_INTERNAL,
				 "[%.*s] of [%.*s] answers with a stream, which a unary call "
				 "cannot be forwarded to",
				 SPAN_FMT(command), SPAN_FMT(name));
	if (target->kind == FOLLOWUP_FORWARD && f->limits.refuses_types &&
	    !reply_check_output(f->userfn, origin->method->schema, method->schema))
		return error_set(err, ST_INTERNAL, REPLY_TEXT_TYPE);
	if (f->running >= f->limits.running_max)
		return error_set(err, ST_RESOURCE_EXHAUSTED,
				 "Too many forwards and side effects at once: [%.*s] of [%.*s] is "
				 "not called",
				 SPAN_FMT(command), SPAN_FMT(name));
	*ret_method = method;
	return ST_OK;
}

static void on_call_done(void *data, const struct grpc_status *status);

/* waiter: whose answer waits for it; NULL: nobody's. A forward has one. Errors were reported. */
static enum status start_call(struct followups *f, const struct followup_origin *origin,
			      const struct target *target, struct followup *waiter,
			      struct error *err)
{
	bool is_forward = target->kind == FOLLOWUP_FORWARD;
	struct inner_call_params params = {
		.loop = f->loop,
		.protocol = is_forward ? "forward" : "effect",
		.message = target->to.payload,
		.metadata = target->to.metadata,
		.hops = origin->hops + 1,
		.deadline_ns =
			clock_deadline(loop_now_ns(f->loop), f->limits.timeout_ms * NS_PER_MS),
	};
	struct journal_id derived;
	struct followup_call *call;
	enum status status;

	params.trace = put_trace(f, origin, target->kind);
	status = find_target(f, origin, target, &params.method, err);
	router_metrics_followup(f->metrics, target->kind, status == ST_OK);
	if (status != ST_OK) {
		report(f, err);
		return status;
	}
	if (is_forward) {
		params.sink = waiter->exchange;
		params.has_sink_headers = waiter->has_headers_sent;
		params.deadline_ns = waiter->exchange->deadline_ns;
		/* told, and that is all */
		(void)reply_check_output(f->userfn, origin->method->schema, params.method->schema);
	}
	if (origin->has_key) {
		derived = command_key_derive(&origin->id, target->kind,
					     origin->before + target->index);
		params.derived_id = &derived;
	}
	call = mem_new(struct followup_call);
	call->owner = f;
	call->kind = target->kind;
	call->followup = waiter;
	call->inner = inner_call_new(&params, on_call_done, call);
	if (waiter)
		waiter->running = call;
	list_init(&call->node);
	list_push_back(&f->calls, &call->node);
	router_metrics_followups_running(f->metrics, ++f->running);
	f->accept(f->data, inner_call_exchange(call->inner));
	return ST_OK;
}

/* Something is over: perhaps that was the last of it. */
static void check_idle(struct followups *f)
{
	if (f->on_drained)
		loop_task_schedule(f->loop, &f->drained);
}

static void call_free(struct followup_call *call)
{
	struct followups *f = call->owner;

	list_remove(&call->node);
	router_metrics_followups_running(f->metrics, --f->running);
	check_idle(f);
	mem_free(call);
}

/* ---- effects --------------------------------------------------------------------------------- */

/* cloudstate.SideEffect: a forward with 4 synchronous, and its metadata at 5. False: malformed. */
static bool read_effect(struct span bytes, struct target *target)
{
	struct entity_effect effect;

	if (!entity_effect_parse(bytes, &effect))
		return false;
	*target = (struct target){
		.kind = FOLLOWUP_EFFECT,
		.to =
			{
				.service_name = effect.service_name,
				.command_name = effect.command_name,
				.payload = effect.payload.value,
				.metadata = effect.metadata,
			},
		.is_synchronous = effect.is_synchronous,
	};
	return true;
}

/* What an effect came to matters to nobody but its author, who heard of a failure by reply. */
static void note_effect(struct followups *f, const struct grpc_status *status)
{
	if (status->code == ST_OK)
		return;
	router_metrics_effect_failed(f->metrics);
	LOG(WARN, EFFECT_FAILED, LOG_STR("code", status_name(status->code)),
	    LOG_SPAN("message", status->message));
}

/* ---- one reply's ----------------------------------------------------------------------------- */

static void followup_free(struct followup *u)
{
	list_remove(&u->node);
	loop_task_cancel(&u->fail);
	api_unref((struct api *)u->origin.method->service->api);
	mem_free(u->effects);
	buf_fini(&u->bytes);
	mem_free(u);
}

static void followup_done(struct followup *u, const struct grpc_status *status)
{
	if (u->on_done)
		u->on_done(u->data, status);
	followup_free(u);
}

static void on_fail(void *data)
{
	struct followup *u = data;
	struct grpc_status status = {
		.code = u->error.status,
		.message = span_from_str(u->error.message),
	};

	followup_done(u, &status);
}

static void start_forward(struct followup *u)
{
	struct target target = {.kind = FOLLOWUP_FORWARD, .to = u->forward};

	if (start_call(u->owner, &u->origin, &target, u, &u->error) != ST_OK)
		loop_task_schedule(u->owner->loop, &u->fail);
}

/* True: the next effect is under way and has to be waited for. */
static bool start_next_effect(struct followup *u)
{
	struct span effect = u->effects[u->effect_next++];
	struct target target;
	struct followup *waiter;

	if (!read_effect(effect, &target)) {
		router_metrics_followup(u->owner->metrics, FOLLOWUP_EFFECT, false);
		userfn_report(u->owner->userfn,
			      SPAN_LIT("A side effect is malformed and was not executed"));
		return false;
	}
	target.index = u->effect_next - 1;
	waiter = target.is_synchronous ? u : NULL;
	return start_call(u->owner, &u->origin, &target, waiter, &u->error) == ST_OK && waiter;
}

/* Goes on to the next thing that has to be waited for. False: there is none. */
static bool followup_go_on(struct followup *u)
{
	while (u->effect_next < u->effect_count) {
		if (start_next_effect(u))
			return true;
	}
	if (!u->has_forward || !u->exchange)
		return false;
	start_forward(u);
	return true;
}

static void on_call_done(void *data, const struct grpc_status *status)
{
	struct followup_call *call = data;
	struct followup *u = call->followup;
	enum followup_kind kind = call->kind;

	if (kind == FOLLOWUP_EFFECT)
		note_effect(call->owner, status);
	call_free(call);
	if (!u)
		return;
	u->running = NULL;
	if (kind == FOLLOWUP_FORWARD)
		followup_done(u, status);
	else if (!followup_go_on(u))
		followup_done(u, NULL);
}

static struct span keep(struct buf *bytes, struct span span)
{
	size_t before = buf_len(bytes);

	BUG_ON(!buf_append(bytes, span)); /* its limit is the sum */
	return span_make(buf_span(bytes).data + before, span.len);
}

/* Copies everything; reserved in one piece, so that spans into it stay. */
static struct followup *followup_new(struct followups *f, const struct followup_wish *wish)
{
	struct followup *u = mem_new(struct followup);
	struct followup_forward forward = {0};
	size_t count = wish->effect_count;
	size_t total = wish->origin.trace.len;

	if (wish->forward)
		forward = *wish->forward;
	total += forward.service_name.len + forward.command_name.len + forward.payload.len +
		 forward.metadata.len;
	for (size_t i = 0; i < count; i++)
		total += wish->effects[i].len;
	buf_init(&u->bytes, total);
	BUG_ON(!buf_reserve(&u->bytes, total));
	list_init(&u->node);
	list_push_back(&f->followups, &u->node);
	loop_task_init(&u->fail, on_fail, u);
	u->owner = f;
	u->origin = wish->origin;
	u->origin.trace = keep(&u->bytes, wish->origin.trace);
	(void)api_ref((struct api *)u->origin.method->service->api);
	u->exchange = wish->exchange;
	u->has_headers_sent = wish->has_headers_sent;
	u->has_forward = wish->forward != NULL;
	u->forward.service_name = keep(&u->bytes, forward.service_name);
	u->forward.command_name = keep(&u->bytes, forward.command_name);
	u->forward.payload = keep(&u->bytes, forward.payload);
	u->forward.metadata = keep(&u->bytes, forward.metadata);
	u->effect_count = count;
	u->effects = mem_new_array(struct span, count ? count : 1);
	for (size_t i = 0; i < count; i++)
		u->effects[i] = keep(&u->bytes, wish->effects[i]);
	return u;
}

struct followup *followup_start(struct followups *f, const struct followup_wish *wish,
				followup_done_fn on_done, void *data)
{
	struct followup *u = followup_new(f, wish);

	if (!followup_go_on(u)) {
		followup_free(u);
		return NULL;
	}
	u->on_done = on_done;
	u->data = data;
	return u;
}

void followup_drained(struct followup *u)
{
	if (u->running && u->running->kind == FOLLOWUP_FORWARD)
		inner_call_drained(u->running->inner);
}

void followup_abandon(struct followup *u)
{
	struct followup_call *running;

	if (!u)
		return;
	running = u->running;
	u->exchange = NULL;
	u->on_done = NULL;
	if (running && running->kind == FOLLOWUP_EFFECT)
		return; /* further effects follow it */
	if (running) {
		inner_call_cancel(running->inner, ST_CANCELLED);
		call_free(running);
	}
	followup_free(u);
}

/* ---- drain ----------------------------------------------------------------------------------- */

static bool is_idle(const struct followups *f)
{
	return f->held == 0 && list_is_empty(&f->followups) && list_is_empty(&f->calls);
}

static void on_idle(void *data)
{
	struct followups *f = data;
	void (*on_drained)(void *data) = f->on_drained;

	if (!on_drained || !is_idle(f))
		return;
	f->on_drained = NULL;
	on_drained(f->drained_data);
}

void followups_hold(struct followups *f)
{
	f->held++;
}

void followups_release(struct followups *f)
{
	f->held--;
	check_idle(f);
}

void followups_drain(struct followups *f, void (*on_done)(void *data), void *data)
{
	f->on_drained = on_done;
	f->drained_data = data;
	check_idle(f);
}

size_t followups_effects(const struct followups *f)
{
	size_t count = 0;

	list_for_each (node, &f->calls)
		count += list_entry(node, struct followup_call, node)->kind == FOLLOWUP_EFFECT;
	list_for_each (node, &f->followups) {
		const struct followup *u = list_entry(node, struct followup, node);

		count += u->effect_count - u->effect_next;
	}
	return count;
}

/* ---- the whole ------------------------------------------------------------------------------- */

struct followup_limits followup_limits_default(void)
{
	return (struct followup_limits){.running_max = 10000, .timeout_ms = 60000};
}

struct followups *followups_new(struct loop *loop, struct userfn *userfn,
				struct router_metrics *metrics,
				const struct followup_limits *limits, followup_accept_fn accept,
				void *data)
{
	struct followups *f = mem_new(struct followups);

	f->loop = loop;
	f->userfn = userfn;
	f->metrics = metrics;
	f->limits = limits ? *limits : followup_limits_default();
	f->accept = accept;
	f->data = data;
	list_init(&f->followups);
	list_init(&f->calls);
	loop_task_init(&f->drained, on_idle, f);
	buf_init(&f->trace, FOLLOWUP_TRACE_MAX);
	buf_init(&f->text, FOLLOWUP_TRACE_MAX + ERROR_MESSAGE_MAX);
	return f;
}

void followups_free(struct followups *f)
{
	if (!f)
		return;
	f->on_drained = NULL;
	loop_task_cancel(&f->drained);
	list_for_each_safe (node, &f->calls) {
		struct followup_call *call = list_entry(node, struct followup_call, node);

		inner_call_free(call->inner);
		call_free(call);
	}
	list_for_each_safe (node, &f->followups)
		followup_free(list_entry(node, struct followup, node));
	buf_fini(&f->trace);
	buf_fini(&f->text);
	mem_free(f);
}
