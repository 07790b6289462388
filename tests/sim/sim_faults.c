#include "tests/sim/sim_history_internal.h"

#include "src/base/mem.h"
#include "tests/sim/sim_redis.h"
#include "tests/sim/sim_runtime.h"

/* ---- faults ---------------------------------------------------------------------------------- */

struct fault {
	struct history *h;
	unsigned gateway;
	unsigned other;
};

void history_start_gateway(struct history *h, unsigned i)
{
	h->gateways[i] =
		sim_gateway_new(h->net, history_gateway_names[i], REDIS_NAME ":6379", h->kind);
}

static void count_gateway(struct history *h, unsigned i)
{
	const struct metrics_label label = {"entity_name", SPAN_LIT("counter")};
	const struct sim_gateway *gateway = h->gateways[i];

	if (sim_gateway_is_wrong(gateway))
		h->is_out_of_order = true;
	history_happened(
		h, SIM_speculated,
		(uint64_t)sim_gateway_metric(gateway, METRIC_COMMANDS_SPECULATED, &label, 1));
	history_happened(
		h, SIM_discarded,
		(uint64_t)sim_gateway_metric(gateway, METRIC_COMMANDS_DISCARDED, &label, 1));
}

void history_end_gateway(struct history *h, unsigned i)
{
	count_gateway(h, i);
	history_drop_calls(h, i);
	sim_gateway_kill(h->gateways[i]);
	history_free_calls(h, i);
	h->gateways[i] = NULL;
}

static void come_back(void *data)
{
	struct fault *fault = data;

	if (!fault->h->gateways[fault->gateway]) {
		history_tell(fault->h, "%s starts", history_gateway_names[fault->gateway]);
		history_start_gateway(fault->h, fault->gateway);
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
	history_tell(h, "%s is killed", history_gateway_names[i]);
	history_happened(h, SIM_killed, 1);
	history_end_gateway(h, i);
	sim_loop_call(h->director, history_time(h, 2000), come_back, fault_of(h, i));
}

static void go_on(void *data)
{
	struct fault *fault = data;
	struct sim_gateway *gateway = fault->h->gateways[fault->gateway];

	if (gateway && sim_loop_is_stopped(sim_gateway_loop(gateway))) {
		history_tell(fault->h, "%s goes on", history_gateway_names[fault->gateway]);
		sim_loop_continue(sim_gateway_loop(gateway));
	}
	mem_free(fault);
}

static void stop_gateway(struct history *h, unsigned i)
{
	if (!h->gateways[i] || sim_loop_is_stopped(sim_gateway_loop(h->gateways[i])))
		return;
	history_tell(h, "%s is stopped", history_gateway_names[i]);
	history_happened(h, SIM_stopped, 1);
	sim_loop_stop(sim_gateway_loop(h->gateways[i]));
	sim_loop_call(h->director, history_time(h, 4000), go_on, fault_of(h, i));
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
		history_tell(h, "%s has left", history_gateway_names[fault->gateway]);
		history_end_gateway(h, fault->gateway);
		sim_loop_call(h->director, history_time(h, 500), come_back, fault);
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
	history_tell(fault->h, "%s drains", history_gateway_names[fault->gateway]);
	history_happened(fault->h, SIM_drained, 1);
	sim_gateway_drain(gateway);
	sim_loop_call(fault->h->director, 20 * NS_PER_MS, look_at_drain, fault);
}

static void heal(void *data)
{
	struct fault *fault = data;
	struct history *h = fault->h;
	bool is_redis = fault->other >= GATEWAYS;

	history_tell(h, "%s and %s reach each other again", history_gateway_names[fault->gateway],
		     is_redis ? REDIS_NAME : history_gateway_names[fault->other]);
	sim_cut(h->net, history_gateway_names[fault->gateway],
		is_redis ? REDIS_NAME : history_gateway_names[fault->other], false);
	mem_free(fault);
}

static void cut(struct history *h, unsigned i, unsigned other)
{
	struct fault *fault = fault_of(h, i);
	bool is_redis = other >= GATEWAYS;

	fault->other = other;
	history_tell(h, "%s and %s do not reach each other", history_gateway_names[i],
		     is_redis ? REDIS_NAME : history_gateway_names[other]);
	history_happened(h, is_redis ? SIM_cut_from_redis : SIM_cut_from_peer, 1);
	sim_cut(h->net, history_gateway_names[i],
		is_redis ? REDIS_NAME : history_gateway_names[other], true);
	sim_loop_call(h->director, history_time(h, 4000), heal, fault);
}

static void fail_over(struct history *h)
{
	bool is_loss = sim_redis_fail_over(h->redis);

	history_tell(h, "the replica takes over%s", is_loss ? ", with something lost" : "");
	history_happened(h, SIM_failover, 1);
	history_happened(h, SIM_lost_tail, is_loss ? 1 : 0);
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
		history_tell(h, "redis starts again");
		history_happened(h, SIM_redis_restart, 1);
		sim_redis_restart(h->redis);
		break;
	case 7:
		if (h->has_failover)
			fail_over(h);
		break;
	default:
		if (sim_one_in(h->net, 3)) {
			history_tell(h, "redis forgets its scripts");
			sim_redis_flush_scripts(h->redis);
		} else if (sim_break_one(h->net, history_gateway_names[i], REDIS_NAME)) {
			history_tell(h, "a connection of %s to redis breaks",
				     history_gateway_names[i]);
			history_happened(h, SIM_broken_connection, 1);
		}
		break;
	}
}

static void replicate(void *data)
{
	struct history *h = data;

	sim_redis_replicate(h->redis);
	if (sim_now_ns(h->net) < FAULTS_END_NS + NS_PER_S)
		sim_loop_call(h->director, history_time(h, 1500), replicate, h);
}
void history_plan_faults(struct history *h)
{
	unsigned faults = (unsigned)sim_random(h->net, FAULTS_MAX + 1);

	for (unsigned i = 0; i < faults; i++)
		sim_loop_call(h->director, history_time(h, 8000), do_fault, h);
	if (h->has_failover)
		replicate(h);
}
