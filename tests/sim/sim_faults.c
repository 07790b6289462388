#include "tests/sim/sim_history_internal.h"

#include "src/base/mem.h"
#include "src/base/metrics.h"
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

/* What it has seen is told before it ends. */
static void count_gateway(struct history *h, unsigned i)
{
	static const struct {
		enum metric metric;
		const char *label;
		const char *value;
		enum sim_sometimes what;
	} rows[] = {
		{METRIC_COMMANDS_PLACED, "where", "forwarded", SIM_forwarded},
		{METRIC_FORWARDS, "result", "retried", SIM_forward_retried},
		{METRIC_FORWARDS, "result", "here", SIM_forward_here},
		{METRIC_SUSPICIONS, NULL, NULL, SIM_suspicion},
		{METRIC_HANDOVERS, NULL, NULL, SIM_handed_over},
		{METRIC_COMMANDS_HANDED_OVER, NULL, NULL, SIM_command_handed_over},
		{METRIC_COMMANDS_DAMPED, NULL, NULL, SIM_damped},
		{METRIC_COMMANDS_SPECULATED, "entity_name", "counter", SIM_speculated},
		{METRIC_COMMANDS_DISCARDED, "entity_name", "counter", SIM_discarded},
	};
	const struct sim_gateway *gateway = h->gateways[i];

	if (sim_gateway_is_wrong(gateway))
		h->is_out_of_order = true;
	for (size_t k = 0; k < sizeof(rows) / sizeof(*rows); k++) {
		const struct metrics_label label = {
			rows[k].label, span_from_str(rows[k].label ? rows[k].value : "")};

		history_happened(h, rows[k].what,
				 (uint64_t)sim_gateway_metric(gateway, rows[k].metric, &label,
							      rows[k].label ? 1 : 0));
	}
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
	/* in a quarter of the cases long enough to be taken for gone */
	sim_loop_call(h->director, history_time(h, sim_one_in(h->net, 4) ? 12000 : 4000), go_on,
		      fault_of(h, i));
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
	if (is_loss)
		h->lost_ns[h->lost_count++] = sim_now_ns(h->net);
}

/* ---- faults of Redis ------------------------------------------------------------------------- */

static void redis_goes_on(void *data)
{
	struct history *h = data;

	history_tell(h, "redis goes on");
	sim_loop_continue(sim_redis_loop(h->redis));
}

static void slow_redis(struct history *h)
{
	history_tell(h, "redis is stopped");
	history_happened(h, SIM_slow_redis, 1);
	sim_loop_stop(sim_redis_loop(h->redis));
	sim_loop_call(h->director, history_time(h, 3000), redis_goes_on, h);
}

static void redis_accepts(void *data)
{
	struct history *h = data;

	history_tell(h, "redis accepts writes again");
	sim_redis_refuse(h->redis, NULL);
}

static void refuse(struct history *h)
{
	static const char *const texts[] = {
		"LOADING Redis is loading the dataset in memory",
		"READONLY You can't write against a read only replica.",
		"MISCONF Errors writing to the AOF file: No space left on device",
		"OOM command not allowed when used memory > 'maxmemory'.",
	};
	const char *text = texts[sim_random(h->net, sizeof(texts) / sizeof(*texts))];

	history_tell(h, "redis refuses: %s", text);
	sim_redis_refuse(h->redis, text);
	sim_loop_call(h->director, history_time(h, 2000), redis_accepts, h);
}

static void move_clock(struct history *h)
{
	int64_t by_ms = (int64_t)sim_random(h->net, 20000) - 10000;

	history_tell(h, "the clock of redis jumps by %lld ms", (long long)by_ms);
	history_happened(h, SIM_clock_jump, 1);
	sim_redis_move_clock(h->redis, by_ms);
}

static void crash_function(struct history *h, unsigned i)
{
	if (!h->gateways[i] || sim_gateway_is_stopped(h->gateways[i]))
		return;
	history_tell(h, "the function of %s crashes", history_gateway_names[i]);
	history_happened(h, SIM_function_crash, 1);
	sim_gateway_drop_function(h->gateways[i]);
}

static void join(void *data)
{
	struct history *h = data;

	history_tell(h, "%s joins", history_gateway_names[GATEWAYS - 1]);
	history_happened(h, SIM_joined, 1);
	history_start_gateway(h, GATEWAYS - 1);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static void fail_over_now(void *data)
{
	fail_over(data);
}

/* Who had the entity sleeps while its end is lost and another writes a new one. */
static void fail_over_behind(struct history *h, unsigned i)
{
	stop_gateway(h, i);
	sim_loop_call(h->director, history_time(h, 1000), fail_over_now, h);
}

static void do_fault(void *data)
{
	struct history *h = data;
	unsigned i = (unsigned)sim_random(h->net, GATEWAYS);

	switch (sim_random(h->net, 14)) {
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
	case 8:
		slow_redis(h);
		break;
	case 9:
		refuse(h);
		break;
	case 10:
		move_clock(h);
		break;
	case 11:
		crash_function(h, i);
		break;
	case 12:
		if (h->has_failover)
			fail_over_behind(h, i);
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
	if (sim_one_in(h->net, 4))
		sim_loop_call(h->director, history_time(h, 6000), join, h);
}
