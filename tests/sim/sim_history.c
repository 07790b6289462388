#include "tests/sim/sim_history.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/journal.h"
#include "journal/key.h"
#include "proto/wire.h"
#include "src/base/arena.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/grpc/grpc_call.h"
#include "src/grpc/metadata.h"
#include "src/router/exchange.h"
#include "src/router/router.h"
#include "src/userfn/api.h"
#include "tests/sim/sim_gateway.h"
#include "tests/sim/sim_redis.h"
#include "tests/sim/sim_runtime.h"
#include "tests/sim/sim_store.h"

#define GATEWAYS 3U
#define CLIENTS_MAX 6U
#define ENTITIES_MAX 4U
#define OPS_MAX 64U
#define TRIES_MAX 6U
#define FAULTS_MAX 8U
/* All faults are over by then, and all clients done a while later. */
#define FAULTS_END_NS (12 * NS_PER_S)
#define CALM_NS (60 * NS_PER_S)
#define OP_TIMEOUT_NS (5 * NS_PER_S)
#define REDIS_NAME "redis"
#define REDIS_PORT 6379

enum op_state { OP_RUNNING, OP_DONE, OP_UNKNOWN };

/* One wish of a client, however often it asks. */
struct op {
	uint32_t id; /* unique, never 0 */
	unsigned entity;
	bool is_read;
	bool has_key; /* may be asked again */
	enum op_state state;
	uint64_t start_ns;
	uint64_t end_ns;
	uint64_t amount; /* what it was told */
	unsigned tries;
};

struct client {
	struct history *h;
	unsigned number;
	unsigned left; /* ops to come */
	struct op *op;
	struct call *call;
	bool is_waiting; /* for the next try or op */
};

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

struct history {
	struct sim_net *net;
	struct sim_redis *redis;
	enum sim_kind kind;
	struct sim_gateway *gateways[GATEWAYS]; /* NULL: dead */
	uint64_t back_ns[GATEWAYS];		/* when a dead one comes back */
	struct client clients[CLIENTS_MAX];
	unsigned client_count;
	unsigned entity_count;
	struct list calls;
	struct op ops[OPS_MAX];
	unsigned op_count;
	bool has_failover;
	bool is_out_of_order; /* for a function */
	bool is_lossy; /* something acknowledged may be gone */
	bool is_told;
	struct loop *director; /* where clients and faults live; nothing connects to it */
	struct sim_result *result;
};

static const char *const gateway_names[GATEWAYS] = {"g0", "g1", "g2"};
static const char *const entity_names[ENTITIES_MAX] = {"a", "b", "c", "d"};

const char *sim_sometimes_name(enum sim_sometimes what)
{
	static const char *const names[] = {
#define X(name) #name,
		SIM_SOMETIMES(X)
#undef X
	};

	return names[what];
}

static void tell(const struct history *h, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void tell(const struct history *h, const char *format, ...)
{
	va_list args;

	if (!h->is_told)
		return;
	printf("%10.6f  ", (double)(sim_now_ns(h->net) - NS_PER_S) / 1e9);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

static void happened(struct history *h, enum sim_sometimes what, uint64_t times)
{
	h->result->happened[what] += times;
}

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
	tell(h, "client %u: op %u %s", client->number, op->id,
	     state == OP_DONE ? "done" : "unknown");
	if (state == OP_UNKNOWN)
		happened(h, SIM_unknown, 1);
}

static void client_wait(struct client *client, uint64_t wait_ns)
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
		happened(h, SIM_retried, 1);
	client_wait(client, NS_PER_MS + sim_random(h->net, 300 * NS_PER_MS));
}

static void op_done(struct client *client, const struct call *call)
{
	struct history *h = client->h;
	struct op *op = client->op;

	op->amount = call->amount;
	op_end(client, OP_DONE);
	happened(h, op->is_read ? SIM_reads : SIM_acknowledged, 1);
	happened(h, SIM_replayed, call->is_replayed ? 1 : 0);
	client_wait(client, sim_random(h->net, 400 * NS_PER_MS));
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
			tell(client->h, "client %u: op %u: %s: %s", client->number, call->op->id,
			     status_name(news->code), news->message);
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
	wire_put_bytes_field(&w, 1, span_from_str(entity_names[op->entity]));
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
		tell(client->h, "client %u: op %u takes too long", client->number, call->op->id);
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
static void drop_calls(struct history *h, unsigned gateway)
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
static void free_calls(struct history *h, unsigned gateway)
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
	unsigned first = (unsigned)sim_random(h->net, GATEWAYS);

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
		client_wait(client, 50 * NS_PER_MS);
		return;
	}
	client->op->tries++;
	tell(client->h, "client %u: op %u %s %s at %s%s", client->number, client->op->id,
	     client->op->is_read ? "reads" : "adds to", entity_names[client->op->entity],
	     gateway_names[gateway], client->op->has_key ? " with a key" : "");
	call_start(client, gateway, method);
}

/* ---- faults ---------------------------------------------------------------------------------- */

static uint64_t some_time(struct history *h, uint64_t most_ms)
{
	return sim_random(h->net, most_ms * NS_PER_MS);
}

struct fault {
	struct history *h;
	unsigned gateway;
	unsigned other;
};

static void start_gateway(struct history *h, unsigned i)
{
	h->gateways[i] = sim_gateway_new(h->net, gateway_names[i], REDIS_NAME ":6379", h->kind);
}

static void count_gateway(struct history *h, unsigned i);

static void end_gateway(struct history *h, unsigned i)
{
	count_gateway(h, i);
	drop_calls(h, i);
	sim_gateway_kill(h->gateways[i]);
	free_calls(h, i);
	h->gateways[i] = NULL;
}

static void come_back(void *data)
{
	struct fault *fault = data;

	if (!fault->h->gateways[fault->gateway]) {
		tell(fault->h, "%s starts", gateway_names[fault->gateway]);
		start_gateway(fault->h, fault->gateway);
	}
	mem_free(fault);
}

static struct fault *fault_of(struct history *h, unsigned gateway)
{
	struct fault *fault = mem_new(struct fault);

	fault->h = h;
	fault->gateway = gateway;
	return fault;
}

static void kill_gateway(struct history *h, unsigned i)
{
	if (!h->gateways[i] || sim_loop_is_stopped(sim_gateway_loop(h->gateways[i])))
		return;
	tell(h, "%s is killed", gateway_names[i]);
	happened(h, SIM_killed, 1);
	end_gateway(h, i);
	sim_loop_call(h->director, some_time(h, 2000), come_back, fault_of(h, i));
}

static void go_on(void *data)
{
	struct fault *fault = data;
	struct sim_gateway *gateway = fault->h->gateways[fault->gateway];

	if (gateway && sim_loop_is_stopped(sim_gateway_loop(gateway))) {
		tell(fault->h, "%s goes on", gateway_names[fault->gateway]);
		sim_loop_continue(sim_gateway_loop(gateway));
	}
	mem_free(fault);
}

static void stop_gateway(struct history *h, unsigned i)
{
	if (!h->gateways[i] || sim_loop_is_stopped(sim_gateway_loop(h->gateways[i])))
		return;
	tell(h, "%s is stopped", gateway_names[i]);
	happened(h, SIM_stopped, 1);
	sim_loop_stop(sim_gateway_loop(h->gateways[i]));
	sim_loop_call(h->director, some_time(h, 4000), go_on, fault_of(h, i));
}

static void look_at_drain(void *data)
{
	struct fault *fault = data;
	struct history *h = fault->h;
	struct sim_gateway *gateway = h->gateways[fault->gateway];

	if (gateway && !sim_gateway_is_gone(gateway)) {
		sim_loop_call(h->director, 20 * NS_PER_MS, look_at_drain, fault);
		return;
	}
	if (gateway) {
		tell(h, "%s has left", gateway_names[fault->gateway]);
		end_gateway(h, fault->gateway);
		sim_loop_call(h->director, some_time(h, 500), come_back, fault);
		return;
	}
	mem_free(fault);
}

static void drain_now(void *data)
{
	struct fault *fault = data;
	struct sim_gateway *gateway = fault->h->gateways[fault->gateway];

	if (!gateway || !sim_gateway_is_ready(gateway)) {
		mem_free(fault);
		return;
	}
	tell(fault->h, "%s drains", gateway_names[fault->gateway]);
	happened(fault->h, SIM_drained, 1);
	sim_gateway_drain(gateway);
	sim_loop_call(fault->h->director, 20 * NS_PER_MS, look_at_drain, fault);
}

static void heal(void *data)
{
	struct fault *fault = data;
	struct history *h = fault->h;
	bool is_redis = fault->other >= GATEWAYS;

	tell(h, "%s and %s reach each other again", gateway_names[fault->gateway],
	     is_redis ? REDIS_NAME : gateway_names[fault->other]);
	sim_cut(h->net, gateway_names[fault->gateway],
		is_redis ? REDIS_NAME : gateway_names[fault->other], false);
	mem_free(fault);
}

static void cut(struct history *h, unsigned i, unsigned other)
{
	struct fault *fault = fault_of(h, i);
	bool is_redis = other >= GATEWAYS;

	fault->other = other;
	tell(h, "%s and %s do not reach each other", gateway_names[i],
	     is_redis ? REDIS_NAME : gateway_names[other]);
	happened(h, is_redis ? SIM_cut_from_redis : SIM_cut_from_peer, 1);
	sim_cut(h->net, gateway_names[i], is_redis ? REDIS_NAME : gateway_names[other], true);
	sim_loop_call(h->director, some_time(h, 4000), heal, fault);
}

static void fail_over(struct history *h)
{
	bool is_loss = sim_redis_fail_over(h->redis);

	tell(h, "the replica takes over%s", is_loss ? ", with something lost" : "");
	happened(h, SIM_failover, 1);
	happened(h, SIM_lost_tail, is_loss ? 1 : 0);
	h->is_lossy |= is_loss;
}

static void do_fault(void *data)
{
	struct history *h = data;
	unsigned i = (unsigned)sim_random(h->net, GATEWAYS);

	switch (sim_random(h->net, 10)) {
	case 0:
	case 1:
		kill_gateway(h, i);
		break;
	case 2:
		stop_gateway(h, i);
		break;
	case 3:
		if (h->gateways[i])
			sim_loop_call(sim_gateway_loop(h->gateways[i]), 0, drain_now,
				      fault_of(h, i));
		break;
	case 4:
		cut(h, i, GATEWAYS);
		break;
	case 5:
		cut(h, i, (i + 1) % GATEWAYS);
		break;
	case 6:
		tell(h, "redis starts again");
		happened(h, SIM_redis_restart, 1);
		sim_redis_restart(h->redis);
		break;
	case 7:
		if (h->has_failover)
			fail_over(h);
		break;
	default:
		if (sim_one_in(h->net, 3)) {
			tell(h, "redis forgets its scripts");
			sim_redis_flush_scripts(h->redis);
		} else if (sim_break_one(h->net, gateway_names[i], REDIS_NAME)) {
			tell(h, "a connection of %s to redis breaks", gateway_names[i]);
			happened(h, SIM_broken_connection, 1);
		}
		break;
	}
}

static void replicate(void *data)
{
	struct history *h = data;

	sim_redis_replicate(h->redis);
	if (sim_now_ns(h->net) < FAULTS_END_NS + NS_PER_S)
		sim_loop_call(h->director, some_time(h, 1500), replicate, h);
}

/* ---- the rules ------------------------------------------------------------------------------- */

static bool breach(struct history *h, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static bool breach(struct history *h, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(h->result->breach, sizeof(h->result->breach), format, args);
	va_end(args);
	h->result->is_good = false;
	return false;
}

static uint64_t number_of(struct span text)
{
	char number[32] = "";

	memcpy(number, text.data, text.len < sizeof(number) - 1 ? text.len : sizeof(number) - 1);
	return text.len ? strtoull(number, NULL, 10) : 0;
}

/* What the journal holds of one entity. */
struct story {
	uint64_t length;
	uint32_t op_at[OPS_MAX + 1];	/* by position, from 1 */
	uint64_t place_of[OPS_MAX + 1]; /* by op, 0: nowhere */
};

static bool read_story(struct history *h, unsigned entity, struct story *story)
{
	const struct sim_store *store = sim_redis_store(h->redis);
	const struct journal_key key = {SPAN_LIT("counter"), span_from_str(entity_names[entity])};
	struct key_names names;
	struct error err;
	uint64_t fed = 0;

	*story = (struct story){0};
	BUG_ON(key_render("sim", &key, &names, &err) != ST_OK);
	story->length = number_of(sim_store_hash(store, names.head, "s"));
	if (sim_store_length(store, names.events) != story->length)
		return breach(h, "%s: the head says %" PRIu64 ", there are %zu events",
			      entity_names[entity], story->length,
			      sim_store_length(store, names.events));
	for (uint64_t at = 1; at <= story->length; at++) {
		struct span payload = sim_store_event(store, names.events, at, "p");
		struct wire_field field;
		uint64_t id;

		if (!payload.data || !wire_find_last(payload, 2, WIRE_VARINT, &field))
			return breach(h, "%s: no event %" PRIu64, entity_names[entity], at);
		id = field.integer;
		if (id == 0 || id > h->op_count || at > OPS_MAX)
			return breach(h, "%s: event %" PRIu64 " is of nobody", entity_names[entity],
				      at);
		if (story->place_of[id])
			return breach(h, "%s: op %" PRIu64 " twice, at %" PRIu64 " and %" PRIu64,
				      entity_names[entity], id, story->place_of[id], at);
		story->op_at[at] = (uint32_t)id;
		story->place_of[id] = at;
	}
	for (size_t i = 0; i < sim_store_length(store, names.feed); i++) {
		if (!span_eq_str(sim_store_entry(store, names.feed, i, "e"), entity_names[entity]))
			continue;
		fed += number_of(sim_store_entry(store, names.feed, i, "n"));
		if (number_of(sim_store_entry(store, names.feed, i, "s")) != fed)
			return breach(h, "%s: the feed is not what was appended",
				      entity_names[entity]);
	}
	if (fed != story->length)
		return breach(h, "%s: %" PRIu64 " events, %" PRIu64 " in the feed",
			      entity_names[entity], story->length, fed);
	return true;
}

static bool check_op(struct history *h, const struct story *story, const struct op *op)
{
	const char *name = entity_names[op->entity];
	uint64_t place = story->place_of[op->id];

	if (op->is_read && op->state == OP_DONE) {
		if (op->amount > story->length)
			return breach(h, "%s: op %u read %" PRIu64 " of %" PRIu64, name, op->id,
				      op->amount, story->length);
		if (op->amount > 0 && h->ops[story->op_at[op->amount] - 1].start_ns > op->end_ns)
			return breach(h, "%s: op %u read what had not begun", name, op->id);
		return true;
	}
	if (op->is_read)
		return true;
	if (op->state == OP_DONE && !place)
		return breach(h, "%s: op %u was acknowledged and is lost", name, op->id);
	if (op->state == OP_DONE && place != op->amount)
		return breach(h, "%s: op %u was told %" PRIu64 " and is at %" PRIu64, name, op->id,
			      op->amount, place);
	return true;
}

/* one ended before other began. */
static bool check_order(struct history *h, const struct op *one, const struct op *other)
{
	if (one->amount <= other->amount && (other->is_read || one->amount < other->amount))
		return true;
	return breach(h, "%s: op %u was told %" PRIu64 ", and later op %u %" PRIu64,
		      entity_names[one->entity], one->id, one->amount, other->id, other->amount);
}

static bool check_times(struct history *h)
{
	for (unsigned i = 0; i < h->op_count; i++) {
		for (unsigned j = 0; j < h->op_count; j++) {
			const struct op *one = &h->ops[i];
			const struct op *other = &h->ops[j];

			if (one->state != OP_DONE || other->state != OP_DONE ||
			    one->entity != other->entity || one->end_ns >= other->start_ns)
				continue;
			if (!check_order(h, one, other))
				return false;
		}
	}
	return true;
}

static bool check(struct history *h)
{
	struct story story;

	for (unsigned i = 0; i < h->op_count; i++) {
		if (h->ops[i].state == OP_RUNNING)
			return breach(h, "op %u has no answer", h->ops[i].id);
	}
	if (h->is_out_of_order)
		return breach(h, "a function was told something out of order");
	if (h->kind == SIM_VALUES)
		return check_times(h);
	for (unsigned entity = 0; entity < h->entity_count; entity++) {
		if (!read_story(h, entity, &story))
			return false;
		for (unsigned i = 0; i < h->op_count && !h->is_lossy; i++) {
			if (h->ops[i].entity == entity && !check_op(h, &story, &h->ops[i]))
				return false;
		}
	}
	return h->is_lossy || check_times(h);
}

/* ---- the run --------------------------------------------------------------------------------- */

static void count_gateway(struct history *h, unsigned i)
{
	if (sim_gateway_is_wrong(h->gateways[i]))
		h->is_out_of_order = true;
}

static void plan(struct history *h)
{
	unsigned faults = (unsigned)sim_random(h->net, FAULTS_MAX + 1);

	h->kind = SIM_EVENTS;
	h->has_failover = sim_one_in(h->net, 4);
	h->client_count = 1 + (unsigned)sim_random(h->net, CLIENTS_MAX);
	h->entity_count = 1 + (unsigned)sim_random(h->net, ENTITIES_MAX);
	for (unsigned i = 0; i < h->client_count; i++) {
		h->clients[i] = (struct client){
			.h = h,
			.number = i,
			.left = 2 + (unsigned)sim_random(h->net, 8),
		};
		client_wait(&h->clients[i], some_time(h, 3000));
	}
	for (unsigned i = 0; i < faults; i++)
		sim_loop_call(h->director, some_time(h, 8000), do_fault, h);
	if (h->has_failover)
		replicate(h);
}

static bool is_everybody_done(const struct history *h)
{
	for (unsigned i = 0; i < h->client_count; i++) {
		const struct client *client = &h->clients[i];

		if (client->op || client->call || client->is_waiting)
			return false;
	}
	return true;
}

void sim_history(uint64_t seed, bool is_told, struct sim_result *ret_result)
{
	struct history *h = mem_new(struct history);
	const struct sim_redis_counts *counts;

	*ret_result = (struct sim_result){.is_good = true};
	h->net = sim_net_new(seed);
	h->result = ret_result;
	list_init(&h->calls);
	h->is_told = is_told;
	h->director = sim_loop_new(h->net, "director");
	h->redis = sim_redis_new(h->net, REDIS_NAME, REDIS_PORT);
	plan(h);
	for (unsigned i = 0; i < GATEWAYS; i++)
		start_gateway(h, i);
	while (!is_everybody_done(h) && sim_now_ns(h->net) < FAULTS_END_NS + CALM_NS &&
	       sim_step(h->net))
		;
	counts = sim_redis_counts(h->redis);
	happened(h, SIM_conflict, counts->conflict);
	happened(h, SIM_dup, counts->dup);
	happened(h, SIM_noscript, counts->noscript);
	ret_result->seconds_ns = sim_now_ns(h->net) - NS_PER_S;
	ret_result->trace = sim_trace(h->net);
	for (unsigned i = 0; i < GATEWAYS; i++) {
		if (h->gateways[i])
			end_gateway(h, i);
	}
	(void)check(h);
	sim_redis_free(h->redis);
	loop_free(h->director);
	sim_net_free(h->net);
	mem_free(h);
}
