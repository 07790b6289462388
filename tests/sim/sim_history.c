#include "tests/sim/sim_history.h"

#include <stdarg.h>
#include <stdio.h>

#include "src/base/mem.h"
#include "tests/sim/sim_history_internal.h"
#include "tests/sim/sim_mutation.h"
#include "tests/sim/sim_redis.h"
#include "tests/sim/sim_runtime.h"

const char *const history_gateway_names[GATEWAYS] = {"g0", "g1", "g2", "g3"};
const char *const history_entity_names[ENTITIES_MAX] = {"a", "snap-b", "c", "snap-d"};

const char *sim_sometimes_name(enum sim_sometimes what)
{
	static const char *const names[] = {
#define X(name) #name,
		SIM_SOMETIMES(X)
#undef X
	};

	return names[what];
}

void history_tell(const struct history *h, const char *format, ...)
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

void history_happened(struct history *h, enum sim_sometimes what, uint64_t times)
{
	h->result->happened[what] += times;
}
uint64_t history_time(struct history *h, uint64_t most_ms)
{
	return sim_random(h->net, most_ms * NS_PER_MS);
}

/* ---- the run --------------------------------------------------------------------------------- */

static void plan(struct history *h)
{
	h->kind = sim_one_in(h->net, 4) ? SIM_VALUES : SIM_EVENTS;
	history_happened(h, SIM_values, h->kind == SIM_VALUES ? 1 : 0);
	h->has_failover = sim_one_in(h->net, 4) || sim_mutation_needs_loss();
	h->client_count = 1 + (unsigned)sim_random(h->net, CLIENTS_MAX);
	h->entity_count = 1 + (unsigned)sim_random(h->net, ENTITIES_MAX);
	h->is_hot = sim_one_in(h->net, 4);
	if (h->is_hot) {
		h->client_count = CLIENTS_MAX;
		h->entity_count = 1;
		sim_set_latency(h->net, 20 * NS_PER_MS, NS_PER_MS);
	}
	if (sim_mutation_needs_loss()) {
		h->kind = SIM_EVENTS;
		h->entity_count = 1;
	}
	for (unsigned i = 0; i < h->client_count; i++) {
		h->clients[i] = (struct client){
			.h = h,
			.number = i,
			.left = 2 + (unsigned)sim_random(h->net, 8),
		};
		history_client_wait(&h->clients[i], history_time(h, 3000));
	}
	history_plan_faults(h);
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
	for (unsigned i = 0; i < GATEWAYS - 1; i++)
		history_start_gateway(h, i);
	while (!is_everybody_done(h) && sim_now_ns(h->net) < FAULTS_END_NS + CALM_NS &&
	       sim_step(h->net))
		;
	counts = sim_redis_counts(h->redis);
	history_happened(h, SIM_conflict, counts->conflict);
	history_happened(h, SIM_dup, counts->dup);
	history_happened(h, SIM_noscript, counts->noscript);
	history_happened(h, SIM_refused, counts->refused);
	ret_result->seconds_ns = sim_now_ns(h->net) - NS_PER_S;
	ret_result->trace = sim_trace(h->net);
	for (unsigned i = 0; i < GATEWAYS; i++) {
		if (h->gateways[i])
			history_end_gateway(h, i);
	}
	history_check(h);
	sim_redis_free(h->redis);
	loop_free(h->director);
	sim_net_free(h->net);
	sim_mutation_end();
	mem_free(h);
}
