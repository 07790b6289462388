#include "tests/sim/sim_history_internal.h"

#include <stdio.h>
#include <string.h>

#include "proto/wire.h"
#include "src/base/arena.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/grpc/grpc_call.h"
#include "src/grpc/metadata.h"
#include "src/router/exchange.h"
#include "src/router/router.h"
#include "src/userfn/api.h"
#include "tests/sim/sim_runtime.h"

/* One call of one gateway. */
struct call {
	struct exchange exchange;
	struct list node;
	struct history *h;
	struct client *client; /* NULL: nobody listens any more */
	struct op *op;
	unsigned gateway;
	struct loop *loop;
	struct api *api;
	struct arena arena;
	struct metadata metadata;
	uint8_t message[64];
	size_t message_len;
	bool was_read;
	bool is_over;
	bool has_amount;
	uint64_t amount;
	bool is_replayed;
};

/* ---- calls ----------------------------------------------------------------------------------- */

static void client_next(void *data);

static void call_free(struct call *call)
{
	list_remove(&call->node);
	api_unref(call->api);
	arena_fini(&call->arena);
	mem_free(call);
}

static void op_end(struct client *client, enum op_state state)
{
	struct history *h = client->h;
	struct op *op = client->op;

	op->state = state;
	op->end_ns = sim_now_ns(h->net);
	client->op = NULL;
	history_tell(h, "client %u: op %u %s", client->number, op->id,
		     state == OP_DONE ? "done" : "unknown");
	if (state == OP_UNKNOWN)
		history_happened(h, SIM_unknown, 1);
}

void history_client_wait(struct client *client, uint64_t wait_ns)
{
	BUG_ON(client->is_waiting);
	client->is_waiting = true;
	sim_loop_call(client->h->director, wait_ns, client_next, client);
}

/* The call brought nothing, and what was asked may have happened. */
static void op_try_again(struct client *client)
{
	struct history *h = client->h;
	struct op *op = client->op;

	if (op->tries >= TRIES_MAX || !(op->is_read || op->has_key))
		op_end(client, OP_UNKNOWN);
	else
		history_happened(h, SIM_retried, 1);
	history_client_wait(client, NS_PER_MS + sim_random(h->net, 300 * NS_PER_MS));
}

static void op_done(struct client *client, const struct call *call)
{
	struct history *h = client->h;
	struct op *op = client->op;

	op->amount = call->amount;
	op_end(client, OP_DONE);
	history_happened(h, op->is_read ? SIM_reads : SIM_acknowledged, 1);
	history_happened(h, SIM_replayed, call->is_replayed ? 1 : 0);
	history_client_wait(client, h->is_hot ? 0 : sim_random(h->net, 400 * NS_PER_MS));
}

/* ---- the front of a call --------------------------------------------------------------------- */

static void give_message(void *data)
{
	struct call *call = data;

	if (!call->is_over)
		call->exchange.handler->on_message(&call->exchange, call->exchange.handler_data,
						   span_make(call->message, call->message_len));
}

static void give_half_close(void *data)
{
	struct call *call = data;

	if (!call->is_over)
		call->exchange.handler->on_half_close(&call->exchange, call->exchange.handler_data);
}

static void front_read(struct exchange *exchange)
{
	struct call *call = container_of(exchange, struct call, exchange);

	sim_loop_call(call->loop, 0, call->was_read ? give_half_close : give_message, call);
	call->was_read = true;
}

static void front_set_headers(struct exchange *exchange, const struct metadata *headers)
{
	struct call *call = container_of(exchange, struct call, exchange);

	if (metadata_get(headers, "idempotency-replayed").len)
		call->is_replayed = true;
}

static enum status front_send(struct exchange *exchange, struct span message)
{
	struct call *call = container_of(exchange, struct call, exchange);
	struct wire_field field;

	call->has_amount = true;
	call->amount = wire_find_last(message, 2, WIRE_VARINT, &field) ? field.integer : 0;
	return ST_OK;
}

static size_t front_unsent(const struct exchange *exchange)
{
	(void)exchange;
	return 0;
}

/* The director hears of it in a turn of its own. */
struct news {
	struct call *call;
	enum status code;
	char message[96];
};

static void on_news(void *data)
{
	struct news *news = data;
	struct call *call = news->call;
	struct client *client = call->client;

	if (client) {
		if (news->code != ST_OK)
			history_tell(client->h, "client %u: op %u: %s: %s", client->number,
				     call->op->id, status_name(news->code), news->message);
		client->call = NULL;
		if (news->code == ST_OK && call->has_amount)
			op_done(client, call);
		else
			op_try_again(client);
	}
	call_free(call);
	mem_free(news);
}

static void front_finish(struct exchange *exchange, const struct grpc_status *status)
{
	struct call *call = container_of(exchange, struct call, exchange);
	struct news *news;

	BUG_ON(call->is_over);
	call->is_over = true;
	news = mem_new(struct news);
	news->call = call;
	news->code = status->code;
	(void)snprintf(news->message, sizeof(news->message), "%.*s", SPAN_FMT(status->message));
	sim_loop_call(call->h->director, 10000, on_news, news);
}

static const struct exchange_front_ops front_ops = {
	.read = front_read,
	.set_headers = front_set_headers,
	.send = front_send,
	.unsent = front_unsent,
	.finish = front_finish,
};

static void make_message(struct call *call)
{
	const struct op *op = call->op;
	struct buf out;
	struct wire_writer w;

	buf_init(&out, sizeof(call->message));
	wire_writer_init(&w, &out);
	wire_put_bytes_field(&w, 1, span_from_str(history_entity_names[op->entity]));
	wire_put_uint_field(&w, 2, op->id);
	BUG_ON(!wire_finish(&w));
	memcpy(call->message, buf_span(&out).data, buf_len(&out));
	call->message_len = buf_len(&out);
	buf_fini(&out);
}

static void give_call(void *data)
{
	struct call *call = data;

	router_accept(sim_gateway_router(call->h->gateways[call->gateway]), &call->exchange);
}

/* In the gateway: its deadline passed, or the client has gone. */
static void cancel_call(void *data)
{
	struct call *call = data;

	if (call->is_over)
		return; /* the news of it is on its way */
	call->is_over = true;
	if (call->exchange.handler)
		call->exchange.handler->on_cancelled(&call->exchange, call->exchange.handler_data,
						     ST_DEADLINE_EXCEEDED);
	call_free(call);
}

struct patience {
	struct client *client;
	uint32_t op;
	unsigned tries;
};

/* The client waits no longer, whatever becomes of the gateway. */
static void on_timeout(void *data)
{
	struct patience *patience = data;
	struct client *client = patience->client;
	struct call *call = client->call;

	if (call && call->op->id == patience->op && call->op->tries == patience->tries) {
		history_tell(client->h, "client %u: op %u takes too long", client->number,
			     call->op->id);
		client->call = NULL;
		call->client = NULL;
		sim_loop_call(call->loop, 0, cancel_call, call);
		op_try_again(client);
	}
	mem_free(patience);
}

static void call_start(struct client *client, unsigned gateway, const struct api_method *method)
{
	struct history *h = client->h;
	struct call *call = mem_new(struct call);
	struct patience *patience;
	char key[16];

	*call = (struct call){
		.h = h,
		.client = client,
		.op = client->op,
		.gateway = gateway,
		.loop = sim_gateway_loop(h->gateways[gateway]),
		.api = api_ref((struct api *)method->service->api),
	};
	arena_init(&call->arena, (size_t)16 * 1024);
	if (client->op->has_key) {
		(void)snprintf(key, sizeof(key), "op-%u", client->op->id);
		BUG_ON(metadata_add(&call->metadata, &call->arena, SPAN_LIT("idempotency-key"),
				    span_from_str(key)) != ST_OK);
	}
	make_message(call);
	call->exchange = (struct exchange){
		.front = &front_ops,
		.method = method,
		.metadata = &call->metadata,
		.deadline_ns = sim_now_ns(h->net) + OP_TIMEOUT_NS,
		.protocol = "grpc",
		.peer = "client",
	};
	list_push_back(&h->calls, &call->node);
	client->call = call;
	patience = mem_new(struct patience);
	*patience = (struct patience){client, client->op->id, client->op->tries};
	sim_loop_call(h->director, OP_TIMEOUT_NS, on_timeout, patience);
	sim_loop_call(call->loop, 10000, give_call, call);
}

/* The gateway is about to be killed: nothing of these calls is heard any more. */
void history_drop_calls(struct history *h, unsigned gateway)
{
	list_for_each_safe (it, &h->calls) {
		struct call *call = list_entry(it, struct call, node);
		struct client *client = call->client;

		if (call->gateway != gateway || call->is_over)
			continue;
		call->client = NULL;
		if (!client)
			continue;
		client->call = NULL;
		op_try_again(client);
	}
}

/* It is gone. */
void history_free_calls(struct history *h, unsigned gateway)
{
	list_for_each_safe (it, &h->calls) {
		struct call *call = list_entry(it, struct call, node);

		if (call->gateway == gateway && !call->is_over)
			call_free(call);
	}
}

/* ---- clients --------------------------------------------------------------------------------- */

/* One that seems to be there, or NULL. */
static const struct api_method *choose_gateway(struct client *client, unsigned *ret_gateway)
{
	struct history *h = client->h;
	unsigned first = h->is_hot ? 0 : (unsigned)sim_random(h->net, GATEWAYS);

	for (unsigned i = 0; i < GATEWAYS; i++) {
		unsigned at = (first + i) % GATEWAYS;
		const struct api_method *method;

		if (!h->gateways[at])
			continue;
		method = sim_gateway_method(h->gateways[at], client->op->is_read
								     ? "/test.Counter/Get"
								     : "/test.Counter/Increase");
		if (!method)
			continue;
		*ret_gateway = at;
		return method;
	}
	return NULL;
}

static void op_begin(struct client *client)
{
	struct history *h = client->h;
	struct op *op = &h->ops[h->op_count++];

	client->left--;
	*op = (struct op){
		.id = h->op_count,
		.entity = (unsigned)sim_random(h->net, h->entity_count),
		.is_read = sim_random(h->net, 10) < 4,
		.start_ns = sim_now_ns(h->net),
	};
	op->has_key = !op->is_read && !sim_one_in(h->net, 3);
	client->op = op;
}

static void client_next(void *data)
{
	struct client *client = data;
	const struct api_method *method;
	unsigned gateway;

	client->is_waiting = false;
	if (!client->op) {
		if (client->left == 0 || client->h->op_count == OPS_MAX)
			return;
		op_begin(client);
	}
	method = choose_gateway(client, &gateway);
	if (!method) {
		history_client_wait(client, 50 * NS_PER_MS);
		return;
	}
	client->op->tries++;
	history_tell(client->h, "client %u: op %u %s %s at %s%s", client->number, client->op->id,
		     client->op->is_read ? "reads" : "adds to",
		     history_entity_names[client->op->entity], history_gateway_names[gateway],
		     client->op->has_key ? " with a key" : "");
	call_start(client, gateway, method);
}
