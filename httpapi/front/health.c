#include "httpapi/front/health.h"

#include "httpapi/front/builtin.h"
#include "httpapi/front/front_internal.h"
#include "httpapi/front/routes.h"
#include "proto/schema.h"
#include "proto/wire.h"
#include "src/base/buf.h"
#include "src/base/mem.h"
#include "src/base/text.h"
#include "src/grpc/grpc_call.h"
#include "src/router/exchange.h"
#include "src/runtime/loop.h"
#include "src/userfn/api.h"

/* Balancers and meshes watch, clients of their own accord do not: more is a mistake or a flood. */
#define HEALTH_WATCHERS_MAX 1000

/* The longest name that is kept; no service is called anything longer. */
#define HEALTH_NAME_BYTES_MAX 512

/* Names of all services of the largest API. */
#define HEALTH_REPLY_BYTES_MAX ((size_t)4 * 1024 * 1024)

/* HealthCheckResponse.ServingStatus */
enum health_status {
	HEALTH_UNKNOWN = 0, /* nothing was said yet */
	HEALTH_SERVING = 1,
	HEALTH_NOT_SERVING = 2,
	HEALTH_SERVICE_UNKNOWN = 3,
};

/*   REQUEST --message--> END --half-close--> answered, or WATCHING */
enum health_state { HEALTH_REQUEST, HEALTH_END, HEALTH_WATCHING };

struct health_call {
	struct list node;
	struct front *front;
	struct exchange *exchange;
	void (*serve)(struct health_call *self);
	enum health_state state;
	enum health_status told;
	struct buf service;
};

static void health_free(struct health_call *self)
{
	self->front->health.watcher_count_ -= self->state == HEALTH_WATCHING;
	list_remove(&self->node);
	buf_fini(&self->service);
	mem_free(self);
}

static void health_end(struct health_call *self, enum status code, struct span message)
{
	struct exchange *exchange = self->exchange;

	health_free(self);
	exchange_fail(exchange, code, message);
}

static enum health_status health_of_all(struct front *front)
{
	const char *reason;

	return builtin_is_ready(front, &reason) ? HEALTH_SERVING : HEALTH_NOT_SERVING;
}

static enum health_status health_of(struct front *front, struct span service)
{
	const struct api *api = front->routes ? front->routes->api : NULL;

	if (service.len == 0)
		return health_of_all(front);
	for (size_t i = 0; api && i < api->service_count; i++)
		if (span_eq(service, api->services[i].schema->full_name))
			return health_of_all(front);
	return HEALTH_SERVICE_UNKNOWN;
}

/* -- answers ----------------------------------------------------------------------------------- */

/* Sends a HealthCheckResponse. */
static enum status health_send(struct health_call *self, enum health_status status)
{
	const uint8_t response[] = {1 << 3 | WIRE_VARINT, (uint8_t)status};

	self->told = status;
	return self->exchange->front->send(self->exchange, span_make(response, sizeof(response)));
}

static void health_end_after(struct health_call *self, enum status sent)
{
	health_end(self, sent, sent ? SPAN_LIT("the answer cannot be sent") : SPAN_EMPTY);
}

static void health_check(struct health_call *self)
{
	enum health_status status = health_of(self->front, buf_span(&self->service));

	if (status == HEALTH_SERVICE_UNKNOWN)
		health_end(self, ST_NOT_FOUND, SPAN_LIT("unknown service"));
	else
		health_end_after(self, health_send(self, status));
}

static void health_put_entry(struct wire_writer *writer, struct span name,
			     enum health_status status)
{
	struct wire_nest entry = wire_begin(writer, 1);
	struct wire_nest response;

	wire_put_bytes_field(writer, 1, name);
	response = wire_begin(writer, 2);
	wire_put_uint_field(writer, 1, status);
	wire_end(writer, response);
	wire_end(writer, entry);
}

static void health_list(struct health_call *self)
{
	const struct api *api = self->front->routes ? self->front->routes->api : NULL;
	enum health_status state = health_of_all(self->front);
	enum status status = ST_RESOURCE_EXHAUSTED;
	struct wire_writer writer;
	struct buf out;

	buf_init(&out, HEALTH_REPLY_BYTES_MAX);
	wire_writer_init(&writer, &out);
	health_put_entry(&writer, SPAN_EMPTY, state);
	for (size_t i = 0; api && i < api->service_count; i++)
		health_put_entry(&writer, api->services[i].schema->full_name, state);
	if (wire_finish(&writer))
		status = self->exchange->front->send(self->exchange, buf_span(&out));
	wire_writer_fini(&writer);
	buf_fini(&out);
	health_end_after(self, status);
}

/* A client that takes nothing hears the newest state once it does (on_drained), or loses its stream
 * when nothing can be sent any more: then the call is cancelled. */
static void health_tell_one(struct health_call *self)
{
	enum health_status status = health_of(self->front, buf_span(&self->service));

	if (status != self->told &&
	    self->exchange->front->unsent(self->exchange) <= EXCHANGE_UNSENT_HIGH &&
	    health_send(self, status))
		self->told = HEALTH_UNKNOWN; /* tried again at the next change */
}

static void health_watch(struct health_call *self)
{
	struct health *health = &self->front->health;

	if (health->watcher_count_ >= HEALTH_WATCHERS_MAX) {
		health_end(self, ST_RESOURCE_EXHAUSTED, SPAN_LIT("too many watchers"));
		return;
	}
	health->watcher_count_++;
	self->state = HEALTH_WATCHING;
	health_tell_one(self);
	if (self->front->is_draining)
		health_end(self, ST_UNAVAILABLE, SPAN_LIT("shutting down"));
}

/* -- requests ---------------------------------------------------------------------------------- */

/* Keeps the name of a HealthCheckRequest; HealthListRequest has no fields. */
static enum status health_read(struct health_call *self, struct span message, struct error *err)
{
	enum status status = wire_check(message, WIRE_DEPTH_MAX, err);
	struct wire_field service;

	if (status || !wire_find_last(message, 1, WIRE_BYTES, &service))
		return status;
	if (!text_is_utf8(service.bytes) || !buf_append(&self->service, service.bytes))
		return error_set(err, ST_INVALID_ARGUMENT, "that is no name of a service");
	return ST_OK;
}

static void health_on_message(struct exchange *exchange, void *data, struct span message)
{
	struct health_call *self = data;
	struct error err;

	if (self->state != HEALTH_REQUEST) {
		health_end(self, ST_INVALID_ARGUMENT,
			   SPAN_LIT("a unary call has one message, not several"));
		return;
	}
	self->state = HEALTH_END;
	if (health_read(self, message, &err))
		health_end(self, err.status, span_from_str(err.message));
	else
		exchange_read(exchange);
}

static void health_on_half_close(struct exchange *exchange, void *data)
{
	struct health_call *self = data;

	(void)exchange;
	if (self->state == HEALTH_REQUEST)
		health_end(self, ST_INVALID_ARGUMENT,
			   SPAN_LIT("a unary call has one message, not none"));
	else
		self->serve(self);
}

static void health_on_drained(struct exchange *exchange, void *data)
{
	struct health_call *self = data;

	(void)exchange;
	if (self->state == HEALTH_WATCHING)
		health_tell_one(self);
}

static void health_on_cancelled(struct exchange *exchange, void *data, enum status why)
{
	(void)exchange;
	(void)why;
	health_free(data);
}

static const struct exchange_handler_ops health_handler = {
	.on_message = health_on_message,
	.on_half_close = health_on_half_close,
	.on_drained = health_on_drained,
	.on_cancelled = health_on_cancelled,
};

static void health_accept(struct front *front, struct exchange *exchange,
			  void (*serve)(struct health_call *self))
{
	struct health_call *self = mem_new(struct health_call);

	self->front = front;
	self->exchange = exchange;
	self->serve = serve;
	buf_init(&self->service, HEALTH_NAME_BYTES_MAX);
	list_push_back(&front->health.calls_, &self->node);
	exchange->handler = &health_handler;
	exchange->handler_data = self;
	exchange_read(exchange);
}

void health_accept_check(struct front *front, struct exchange *exchange)
{
	health_accept(front, exchange, health_check);
}

void health_accept_list(struct front *front, struct exchange *exchange)
{
	health_accept(front, exchange, health_list);
}

void health_accept_watch(struct front *front, struct exchange *exchange)
{
	health_accept(front, exchange, health_watch);
}

/* -- all watchers ------------------------------------------------------------------------------ */

void health_init(struct health *health)
{
	list_init(&health->calls_);
}

void health_tell(struct front *front)
{
	list_for_each_safe (node, &front->health.calls_) {
		struct health_call *self = list_entry(node, struct health_call, node);

		if (self->state == HEALTH_WATCHING)
			health_tell_one(self);
	}
}

void health_drain(struct front *front)
{
	health_tell(front);
	list_for_each_safe (node, &front->health.calls_) {
		struct health_call *self = list_entry(node, struct health_call, node);

		if (self->state == HEALTH_WATCHING)
			health_end(self, ST_UNAVAILABLE, SPAN_LIT("shutting down"));
	}
}
