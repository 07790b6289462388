#include "src/eventing/publisher.h"

#include <string.h>

#include "journal/feed.h"
#include "proto/schema.h"
#include "src/base/arena.h"
#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/list.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/eventing/cloudevent.h"
#include "src/grpc/grpc_call.h"
#include "src/grpc/metadata.h"
#include "src/router/exchange.h"
#include "src/runtime/loop.h"
#include "src/userfn/api.h"

/* What a call keeps beside its replies: headers, the end. */
#define TAP_BYTES_MAX ((size_t)256 * 1024)

struct publisher {
	struct publisher_params params;
	struct list taps;
	struct metrics_series *published;
	struct metrics_series *failed;
};

/* A reply on its way to the topic; its bytes are for the client. */
struct reply {
	struct list node;
	struct tap *tap;
	struct feed_request *request; /* NULL: it was tried */
	bool is_lost;		      /* and not published */
	struct buf bytes;
};

struct tap {
	struct exchange inner; /* the handler's */
	struct list node;
	struct publisher *owner;
	struct exchange *outer; /* the front's; NULL: the client has gone */
	struct list replies;	/* in order */
	size_t held_bytes;
	size_t sent;
	struct loop_task step; /* to the client, and the end */
	struct arena arena;
	struct metadata request; /* of the call */
	struct metadata headers; /* of the first reply */
	bool has_all_requests;	 /* the client ended its half */
	bool was_full;		 /* the handler is owed on_drained */
	bool is_finished;	 /* the handler is gone */
	bool is_broken;		 /* a reply is missing: none after it goes to the client */
	struct grpc_status status;
	struct metadata trailers;
};

static struct tap *tap_of(struct exchange *exchange)
{
	return container_of(exchange, struct tap, inner);
}

/* ---- life -------------------------------------------------------------------------------------
 */
static void reply_free(struct reply *reply)
{
	struct tap *tap = reply->tap;

	list_remove(&reply->node);
	tap->held_bytes -= buf_len(&reply->bytes);
	buf_fini(&reply->bytes);
	mem_free(reply);
}

static void tap_free(struct tap *tap)
{
	list_for_each_safe (node, &tap->replies) {
		struct reply *reply = list_entry(node, struct reply, node);

		feed_cancel(tap->owner->params.feed, reply->request);
		reply_free(reply);
	}
	loop_task_cancel(&tap->step);
	list_remove(&tap->node);
	api_unref((struct api *)tap->inner.method->service->api);
	arena_fini(&tap->arena);
	mem_free(tap);
}

/* ---- to the client ----------------------------------------------------------------------------
 */
/* Whatever end the handler has come to or will come to: what was missing came before it. */
static void fail(struct tap *tap, enum status code, struct span message)
{
	tap->is_broken = true;
	tap->status = (struct grpc_status){.code = code, .message = message};
}

/* Replies before an error of the handler are the client's, published later or not. */
static void pass_reply(struct tap *tap, struct reply *reply)
{
	if (tap->is_broken)
		; /* it would stand where another is missing */
	else if (reply->is_lost)
		fail(tap, ST_UNAVAILABLE, SPAN_LIT("the reply was not published to its topic"));
	else if (tap->outer &&
		 tap->outer->front->send(tap->outer, buf_span(&reply->bytes)) != ST_OK)
		fail(tap, ST_INTERNAL, SPAN_LIT("the reply cannot be sent"));
	reply_free(reply);
}

static size_t tap_unsent(const struct tap *tap)
{
	return tap->held_bytes + (tap->outer ? tap->outer->front->unsent(tap->outer) : 0);
}

static void tell_drained(struct tap *tap)
{
	const struct exchange_handler_ops *handler = tap->inner.handler;

	if (!tap->was_full || tap->is_finished || tap_unsent(tap) >= EXCHANGE_UNSENT_HIGH)
		return;
	tap->was_full = false;
	if (handler->on_drained)
		handler->on_drained(&tap->inner, tap->inner.handler_data);
}

/* What is published goes on in order; then comes the end. */
static void on_step(void *data)
{
	struct tap *tap = data;

	while (!list_is_empty(&tap->replies)) {
		struct reply *reply = list_entry(tap->replies.next, struct reply, node);

		if (reply->request)
			break;
		pass_reply(tap, reply);
	}
	if (!tap->is_finished) {
		tell_drained(tap);
	} else if (list_is_empty(&tap->replies)) {
		if (tap->outer)
			exchange_finish(tap->outer, &tap->status);
		tap_free(tap);
	}
}

static void step(struct tap *tap)
{
	loop_task_schedule(tap->owner->params.loop, &tap->step);
}

/* ---- publishing -------------------------------------------------------------------------------
 */
static void on_published(void *data, const struct error *error)
{
	struct reply *reply = data;
	struct tap *tap = reply->tap;
	struct publisher *p = tap->owner;
	struct metrics_series *series = error ? p->failed : p->published;

	reply->request = NULL;
	reply->is_lost = error;
	if (series)
		metrics_add(series, 1);
	step(tap);
}

/* Consumed events come again; what is published for them then has the same id again. */
static struct span id_of(struct tap *tap)
{
	struct span id =
		cloudevent_header_text(metadata_get(tap->inner.metadata, "ce-id"), &tap->arena);
	struct span text = SPAN_EMPTY;
	struct buf out;

	if (!span_eq_str(span_from_str(tap->inner.protocol), "eventing") || !id.len)
		return SPAN_EMPTY;
	buf_init(&out, id.len + 1 + 20 + 1);
	if (buf_printf(&out, "%.*s.%zu", SPAN_FMT(id), tap->sent))
		text = arena_span(&tap->arena, buf_span(&out));
	buf_fini(&out);
	return text;
}

static struct feed_request *publish(struct tap *tap, struct span message, struct reply *reply)
{
	struct publisher *p = tap->owner;
	const struct api_method *method = tap->inner.method;
	struct span topic = method->eventing.topic_out;
	const struct cloudevent_reply what = {
		.metadata = &tap->headers,
		.source = method->service->schema->full_name,
		.output_name = method->schema->output->full_name,
		.id = id_of(tap),
		.subject = cloudevent_header_text(metadata_get(tap->inner.metadata, "ce-subject"),
						  &tap->arena),
		.message = message,
		.wall_ms = clock_wall_ms(),
	};
	struct feed_addition addition = {
		.target = FEED_TO_TOPIC,
		.name = topic,
		.partition = feed_topic_partition(topic),
		.length_max = p->params.length_max,
	};
	struct cloudevent event;
	struct feed_request *request;
	struct arena arena;

	arena_init(&arena, TAP_BYTES_MAX);
	cloudevent_of_reply(&what, &arena, &event, &addition.data);
	addition.attributes = event.attributes;
	addition.attribute_count = event.count;
	request = feed_add(p->params.feed, &addition, on_published, reply);
	arena_fini(&arena);
	return request;
}

/* ---- what the handler does --------------------------------------------------------------------
 */
static void tap_read(struct exchange *exchange)
{
	struct tap *tap = tap_of(exchange);

	if (tap->outer)
		exchange_read(tap->outer);
}

static void copy_metadata(struct tap *tap, const struct metadata *from, struct metadata *to)
{
	for (size_t i = 0; i < from->count; i++)
		/* those that are too much are left out */
		(void)!metadata_add(to, &tap->arena, from->items[i].key, from->items[i].value);
}

static void tap_set_headers(struct exchange *exchange, const struct metadata *headers)
{
	struct tap *tap = tap_of(exchange);

	copy_metadata(tap, headers, &tap->headers);
	if (tap->outer)
		tap->outer->front->set_headers(tap->outer, headers);
}

static enum status tap_send(struct exchange *exchange, struct span message)
{
	struct tap *tap = tap_of(exchange);
	struct reply *reply = mem_new(struct reply);

	reply->tap = tap;
	list_init(&reply->node);
	list_push_back(&tap->replies, &reply->node);
	buf_init(&reply->bytes, message.len);
	(void)buf_append(&reply->bytes, message); /* its limit is the length */
	tap->held_bytes += message.len;
	tap->sent++;
	reply->request = publish(tap, message, reply);
	tap->was_full = tap->was_full || tap_unsent(tap) >= EXCHANGE_UNSENT_HIGH;
	return ST_OK;
}

static size_t front_unsent(const struct exchange *exchange)
{
	return tap_unsent(container_of(exchange, const struct tap, inner));
}

static void tap_finish(struct exchange *exchange, const struct grpc_status *status)
{
	struct tap *tap = tap_of(exchange);

	tap->is_finished = true;
	if (!tap->is_broken) {
		tap->status.code = status->code;
		tap->status.message = arena_span(&tap->arena, status->message);
		tap->status.details = arena_span(&tap->arena, status->details);
	}
	if (status->trailers) {
		copy_metadata(tap, status->trailers, &tap->trailers);
		tap->status.trailers = &tap->trailers;
	}
	step(tap);
}

static const struct exchange_front_ops front_ops = {
	.read = tap_read,
	.set_headers = tap_set_headers,
	.send = tap_send,
	.unsent = front_unsent,
	.finish = tap_finish,
};

/* ---- what the client does ---------------------------------------------------------------------
 */
static void on_message(struct exchange *exchange, void *data, struct span message)
{
	struct tap *tap = data;

	(void)exchange;
	if (!tap->is_finished)
		tap->inner.handler->on_message(&tap->inner, tap->inner.handler_data, message);
}

static void on_half_close(struct exchange *exchange, void *data)
{
	struct tap *tap = data;

	(void)exchange;
	tap->has_all_requests = true;
	if (!tap->is_finished)
		tap->inner.handler->on_half_close(&tap->inner, tap->inner.handler_data);
}

static void on_drained(struct exchange *exchange, void *data)
{
	struct tap *tap = data;

	(void)exchange;
	tap->was_full = true;
	tell_drained(tap);
}

/* A command that the function has already is carried out, and what it replies is published. */
static void on_cancelled(struct exchange *exchange, void *data, enum status why)
{
	struct tap *tap = data;
	const struct method *method = tap->inner.method->schema;

	(void)exchange;
	tap->outer = NULL;
	if (tap->is_finished ||
	    (tap->has_all_requests && !method->client_streaming && !method->server_streaming))
		return;
	tap->inner.handler->on_cancelled(&tap->inner, tap->inner.handler_data, why);
	tap->is_finished = true;
	step(tap);
}

static const struct exchange_handler_ops handler_ops = {
	.on_message = on_message,
	.on_half_close = on_half_close,
	.on_drained = on_drained,
	.on_cancelled = on_cancelled,
};

/* ---- the whole --------------------------------------------------------------------------------
 */
struct exchange *publisher_wrap(void *publisher, struct exchange *exchange)
{
	struct publisher *p = publisher;
	struct tap *tap;

	if (!exchange->method->has_eventing || !exchange->method->eventing.topic_out.len)
		return exchange;
	if (exchange->forwarded)
		return exchange; /* the member that took it in publishes */
	tap = mem_new(struct tap);
	tap->owner = p;
	tap->outer = exchange;
	list_init(&tap->replies);
	list_init(&tap->node);
	list_push_back(&p->taps, &tap->node);
	loop_task_init(&tap->step, on_step, tap);
	arena_init(&tap->arena, TAP_BYTES_MAX);
	tap->inner = *exchange;
	tap->inner.front = &front_ops;
	tap->inner.handler = NULL;
	tap->inner.handler_data = NULL;
	/* The client may go before the handler does, and takes these with it. */
	tap->inner.trace = arena_span(&tap->arena, exchange->trace);
	tap->inner.payload_type = arena_span(&tap->arena, exchange->payload_type);
	tap->inner.peer = arena_strndup(&tap->arena, exchange->peer,
					exchange->peer ? strlen(exchange->peer) : 0);
	copy_metadata(tap, exchange->metadata, &tap->request);
	tap->inner.metadata = &tap->request;
	(void)api_ref((struct api *)exchange->method->service->api);
	exchange->handler = &handler_ops;
	exchange->handler_data = tap;
	return &tap->inner;
}

struct publisher *publisher_new(const struct publisher_params *params)
{
	struct publisher *p = mem_new(struct publisher);

	p->params = *params;
	list_init(&p->taps);
	if (params->metrics) {
		const struct metrics_label good = {"result", SPAN_LIT("ok")};
		const struct metrics_label bad = {"result", SPAN_LIT("error")};

		p->published = metrics_series(params->metrics, METRIC_EVENTING_PUBLISHED, &good, 1);
		p->failed = metrics_series(params->metrics, METRIC_EVENTING_PUBLISHED, &bad, 1);
	}
	return p;
}

void publisher_free(struct publisher *p)
{
	if (!p)
		return;
	list_for_each_safe (node, &p->taps)
		tap_free(list_entry(node, struct tap, node));
	mem_free(p);
}
