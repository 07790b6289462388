#include "httpapi/front/reflection.h"

#include "httpapi/front/front_internal.h"
#include "httpapi/front/reflection_answer.h"
#include "httpapi/front/routes.h"
#include "proto/schema.h"
#include "src/base/buf.h"
#include "src/base/mem.h"
#include "src/grpc/grpc_call.h"
#include "src/router/exchange.h"
#include "src/runtime/timer.h"
#include "src/userfn/api.h"

/* A person's tool or two, each with a stream: reflection must not become a way to hold memory. */
#define REFLECTION_STREAMS_MAX 256

/* Tools keep their stream while a person thinks, and open another when it is gone. */
#define REFLECTION_SILENCE_MS ((uint64_t)5 * 60 * 1000)

struct reflection_stream {
	struct list node;
	struct front *front;
	struct exchange *exchange;
	struct timer silence;
	struct loop_task refuse;
	bool is_full; /* the client does not take what it asked for */
};

static void reflection_free(struct reflection_stream *self)
{
	timer_stop(&self->silence);
	loop_task_cancel(&self->refuse);
	list_remove(&self->node);
	self->front->reflection.count_--;
	mem_free(self);
}

static void reflection_end(struct reflection_stream *self, enum status code, struct span message)
{
	struct exchange *exchange = self->exchange;

	reflection_free(self);
	exchange_fail(exchange, code, message);
}

static void reflection_next(struct reflection_stream *self)
{
	self->is_full = self->exchange->front->unsent(self->exchange) > EXCHANGE_UNSENT_HIGH;
	if (!self->is_full)
		exchange_read(self->exchange);
}

static void reflection_on_message(struct exchange *exchange, void *data, struct span message)
{
	struct reflection_stream *self = data;
	struct front *front = self->front;
	const struct reflection_source source = {
		.self = exchange->method->schema->service->full_name,
		.api = front->routes ? front->routes->api : NULL,
		.builtin = front->reflection.builtin_,
	};
	enum status status;
	struct error err;
	struct buf out;

	timer_start_in(&self->silence, REFLECTION_SILENCE_MS);
	buf_init(&out, REFLECTION_REPLY_BYTES_MAX);
	status = reflection_answer(&source, message, &out, &err);
	if (!status) {
		status = exchange->front->send(exchange, buf_span(&out));
		if (status)
			(void)error_set(&err, status, "the answer cannot be sent");
	}
	buf_fini(&out);
	if (status)
		reflection_end(self, status, span_from_str(err.message));
	else
		reflection_next(self);
}

static void reflection_on_half_close(struct exchange *exchange, void *data)
{
	(void)exchange;
	reflection_end(data, ST_OK, SPAN_EMPTY);
}

static void reflection_on_drained(struct exchange *exchange, void *data)
{
	struct reflection_stream *self = data;

	(void)exchange;
	if (self->is_full)
		reflection_next(self);
}

static void reflection_on_cancelled(struct exchange *exchange, void *data, enum status why)
{
	(void)exchange;
	(void)why;
	reflection_free(data);
}

static const struct exchange_handler_ops reflection_handler = {
	.on_message = reflection_on_message,
	.on_half_close = reflection_on_half_close,
	.on_drained = reflection_on_drained,
	.on_cancelled = reflection_on_cancelled,
};

static void reflection_on_silence(void *data)
{
	reflection_end(data, ST_DEADLINE_EXCEEDED, SPAN_LIT("the stream was silent for too long"));
}

static void reflection_on_refuse(void *data)
{
	struct reflection_stream *self = data;

	if (self->front->is_draining)
		reflection_end(self, ST_UNAVAILABLE, SPAN_LIT("shutting down"));
	else
		reflection_end(self, ST_RESOURCE_EXHAUSTED,
			       SPAN_LIT("too many streams of reflection"));
}

void reflection_accept(struct front *front, struct exchange *exchange)
{
	struct reflection *reflection = &front->reflection;
	struct reflection_stream *self = mem_new(struct reflection_stream);

	self->front = front;
	self->exchange = exchange;
	exchange->handler = &reflection_handler;
	exchange->handler_data = self;
	timer_init(&self->silence, front->loop, reflection_on_silence, self);
	loop_task_init(&self->refuse, reflection_on_refuse, self);
	list_push_back(&reflection->streams_, &self->node);
	if (reflection->count_++ >= REFLECTION_STREAMS_MAX || front->is_draining) {
		loop_task_schedule(front->loop, &self->refuse);
		return;
	}
	if (!reflection->builtin_) {
		struct error err;
		enum status status = schema_new_builtin(&reflection->builtin_, &err);

		BUG_ON(status != ST_OK); /* our own files */
	}
	timer_start_in(&self->silence, REFLECTION_SILENCE_MS);
	exchange_read(exchange);
}

void reflection_init(struct reflection *reflection)
{
	list_init(&reflection->streams_);
}

void reflection_drain(struct reflection *reflection)
{
	list_for_each_safe (node, &reflection->streams_)
		reflection_end(list_entry(node, struct reflection_stream, node), ST_UNAVAILABLE,
			       SPAN_LIT("shutting down"));
}

void reflection_fini(struct reflection *reflection)
{
	schema_unref(reflection->builtin_);
}
