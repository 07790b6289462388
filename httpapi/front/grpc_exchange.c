/* A gRPC call as an exchange: the two contracts are nearly the same, so this only passes on. */
#include "httpapi/front/front_internal.h"
#include "httpapi/front/grpc_entry.h"
#include "httpapi/front/routes.h"
#include "proto/schema.h"
#include "src/base/mem.h"
#include "src/config/config.h"
#include "src/grpc/grpc_call.h"
#include "src/h2/h2.h"
#include "src/router/exchange.h"
#include "src/router/forward.h"
#include "src/router/owners.h"
#include "src/router/peer_call.h"
#include "src/userfn/api.h"

struct grpc_exchange {
	struct front_call base;
	struct exchange exchange;
	struct grpc_server_call *call;
	struct routes *routes;	    /* holds a reference: the method */
	bool is_over;		    /* finished or cancelled: the handler is gone */
	struct peer_call forwarded; /* of a call from another gateway */
};

static struct grpc_exchange *grpc_exchange_of(const struct exchange *exchange)
{
	return container_of(exchange, struct grpc_exchange, exchange);
}

static void grpc_exchange_read(struct exchange *exchange)
{
	grpc_server_read(grpc_exchange_of(exchange)->call);
}

static void grpc_exchange_set_headers(struct exchange *exchange, const struct metadata *headers)
{
	grpc_server_set_headers(grpc_exchange_of(exchange)->call, headers);
}

static enum status grpc_exchange_send(struct exchange *exchange, struct span message)
{
	return grpc_server_send(grpc_exchange_of(exchange)->call, message);
}

static size_t grpc_exchange_unsent(const struct exchange *exchange)
{
	return grpc_server_unsent(grpc_exchange_of(exchange)->call);
}

/* Another gateway must know an answer from whatever else may come back: it is signed with our
 * address. */
static void grpc_exchange_finish_signed(struct grpc_exchange *self,
					const struct grpc_status *status)
{
	const struct metadata *given = status->trailers;
	struct metadata_item items[METADATA_ITEMS_MAX];
	struct metadata trailers = {.items = items};
	struct grpc_status shown = *status;

	items[trailers.count++] = (struct metadata_item){
		SPAN_LIT(FORWARD_MEMBER_KEY),
		span_from_str(owners_own_address(self->base.front->params.owners)),
	};
	for (size_t i = 0; given && i < given->count && trailers.count < METADATA_ITEMS_MAX; i++)
		items[trailers.count++] = given->items[i];
	shown.trailers = &trailers;
	grpc_server_finish(self->call, &shown);
}

static void grpc_exchange_finish(struct exchange *exchange, const struct grpc_status *status)
{
	struct grpc_exchange *self = grpc_exchange_of(exchange);

	self->is_over = true;
	front_call_answered(&self->base);
	if (exchange->forwarded)
		grpc_exchange_finish_signed(self, status);
	else
		grpc_server_finish(self->call, status);
}

static const struct exchange_front_ops grpc_exchange_front_ops = {
	.read = grpc_exchange_read,
	.set_headers = grpc_exchange_set_headers,
	.send = grpc_exchange_send,
	.unsent = grpc_exchange_unsent,
	.finish = grpc_exchange_finish,
};

static void grpc_exchange_on_message(void *data, struct span message)
{
	struct grpc_exchange *self = data;

	self->exchange.handler->on_message(&self->exchange, self->exchange.handler_data, message);
}

static void grpc_exchange_on_half_close(void *data)
{
	struct grpc_exchange *self = data;

	self->exchange.handler->on_half_close(&self->exchange, self->exchange.handler_data);
}

static void grpc_exchange_on_drained(void *data)
{
	struct grpc_exchange *self = data;

	if (!self->is_over && self->exchange.handler->on_drained)
		self->exchange.handler->on_drained(&self->exchange, self->exchange.handler_data);
}

static void grpc_exchange_on_cancelled(void *data, enum status why)
{
	struct grpc_exchange *self = data;

	if (self->is_over)
		return;
	self->is_over = true;
	front_call_answered(&self->base);
	self->exchange.handler->on_cancelled(&self->exchange, self->exchange.handler_data, why);
}

static void grpc_exchange_free(struct grpc_exchange *self)
{
	routes_unref(self->routes);
	front_call_end(&self->base);
	mem_free(self);
}

static void grpc_exchange_on_finished(void *data)
{
	grpc_exchange_free(data);
}

static const struct grpc_server_ops grpc_exchange_call_ops = {
	.on_message = grpc_exchange_on_message,
	.on_half_close = grpc_exchange_on_half_close,
	.on_drained = grpc_exchange_on_drained,
	.on_cancelled = grpc_exchange_on_cancelled,
	.on_finished = grpc_exchange_on_finished,
};

static void grpc_exchange_cut(struct front_call *base)
{
	struct grpc_exchange *self = container_of(base, struct grpc_exchange, base);

	grpc_exchange_on_cancelled(self, ST_CANCELLED);
	grpc_server_cancel(self->call);
	grpc_exchange_free(self);
}

static void grpc_exchange_set_deadline(struct grpc_exchange *self)
{
	uint64_t named_ns = grpc_server_deadline_ns(self->call);
	uint64_t deadline_ns =
		grpc_entry_deadline_ns(self->base.front, self->exchange.method->schema, named_ns);

	if (deadline_ns != named_ns)
		grpc_server_set_deadline(self->call, deadline_ns);
	self->exchange.deadline_ns = deadline_ns;
}

static void grpc_exchange_refuse(struct grpc_exchange *self, const struct error *error)
{
	self->is_over = true;
	front_call_answered(&self->base);
	grpc_server_finish(self->call, &(struct grpc_status){
					       .code = error->status,
					       .message = span_from_str(error->message),
				       });
}

/* NULL: it is answered already. */
static struct grpc_exchange *grpc_exchange_new(struct front *front, struct h2_stream *stream,
					       const struct h2_headers *headers,
					       const struct api_method *method,
					       size_t max_message_bytes)
{
	struct grpc_exchange *self = mem_new(struct grpc_exchange);

	self->call = grpc_server_accept(front->loop, stream, headers, max_message_bytes,
					&grpc_exchange_call_ops, self);
	if (!self->call) {
		front_count_refused(front, FRONT_REFUSED_MALFORMED);
		mem_free(self);
		return NULL;
	}
	front_call_begin(front, &self->base, grpc_exchange_cut);
	self->routes = routes_ref(front->routes);
	self->exchange = (struct exchange){
		.front = &grpc_exchange_front_ops,
		.method = method,
		.metadata = grpc_server_metadata(self->call),
		.protocol = "grpc",
		.peer = h2_session_peer(h2_stream_session(stream)),
	};
	return self;
}

static void grpc_exchange_accept(struct front *front, struct h2_stream *stream,
				 const struct h2_headers *headers, const struct api_method *method)
{
	const struct config *config = front->params.config;
	struct grpc_exchange *self =
		grpc_exchange_new(front, stream, headers, method, config->grpc_max_message_bytes);

	if (!self)
		return;
	front_strip_metadata(front, grpc_server_mutable_metadata(self->call));
	grpc_exchange_set_deadline(self);
	if (config->http_gzip)
		grpc_server_pack(self->call, config->http_gzip_min_bytes,
				 method->schema->server_streaming);
	front_accept(front, &self->exchange);
}

void grpc_exchange_serve(void *data, struct h2_stream *stream, const struct h2_headers *headers)
{
	struct grpc_refusal refusal;
	const struct api_method *method =
		grpc_entry_find(data, h2_headers_get(headers, ":path"), &refusal);

	if (method)
		grpc_exchange_accept(data, stream, headers, method);
	else
		grpc_server_refuse(stream, refusal.code, span_from_str(refusal.message));
}

/* ---- from other gateways --------------------------------------------------------------------- */
static void grpc_exchange_accept_peer(struct front *front, struct h2_stream *stream,
				      const struct h2_headers *headers,
				      const struct api_method *method)
{
	struct grpc_exchange *self =
		grpc_exchange_new(front, stream, headers, method, EXCHANGE_FORWARDED_BYTES_MAX);
	struct metadata *metadata;
	struct error err;

	if (!self)
		return;
	metadata = grpc_server_mutable_metadata(self->call);
	if (peer_entry_check(front, metadata, method->schema->path, &self->forwarded, &err) !=
	    ST_OK) {
		grpc_exchange_refuse(self, &err);
		return;
	}
	peer_call_strip(metadata);
	self->exchange.forwarded = &self->forwarded;
	self->exchange.hops = self->forwarded.chain;
	self->exchange.protocol = self->forwarded.protocol;
	grpc_exchange_set_deadline(self);
	front_accept(front, &self->exchange);
}

void grpc_exchange_serve_peer(void *data, struct h2_stream *stream,
			      const struct h2_headers *headers)
{
	struct grpc_refusal refusal;
	const struct api_method *method =
		peer_entry_find(data, h2_headers_get(headers, ":path"), &refusal);

	if (method)
		grpc_exchange_accept_peer(data, stream, headers, method);
	else
		grpc_server_refuse(stream, refusal.code, span_from_str(refusal.message));
}
