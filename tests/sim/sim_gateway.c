#include "tests/sim/sim_gateway.h"

#include <stdio.h>
#include <string.h>

#include "journal/journal.h"
#include "journal/members.h"
#include "journal/redis/redis_journal.h"
#include "journal/redis/redis_members.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/entity/entity_table.h"
#include "src/router/router.h"
#include "src/runtime/address.h"
#include "src/runtime/loop.h"
#include "src/userfn/api.h"
#include "src/userfn/userfn.h"
#include "tests/fakes/fake_function.h"
#include "tests/fakes/fake_spec.h"
#include "tests/sim/sim_runtime.h"

struct sim_gateway {
	struct sim_net *net;
	const char *name;
	char address[64];
	struct loop *loop;
	struct metrics *metrics;
	struct journal *journal;
	struct members *members;
	struct fake_function function;
	struct userfn *userfn;
	struct entity_table *entities;
	struct router *router;
	struct loop_task change;
	bool is_draining;
	bool is_gone;
};

static bool is_serving(const struct sim_gateway *g)
{
	const char *reason;

	return userfn_is_ready(g->userfn, &reason) && journal_is_ready(g->journal, &reason);
}

static void on_change_task(void *data)
{
	struct sim_gateway *g = data;
	bool can_serve = is_serving(g);

	router_renew(g->router);
	entity_table_renew(g->entities);
	if (!g->is_draining)
		members_set_state(g->members, can_serve ? MEMBER_UP : MEMBER_STARTING);
}

static void note_change(void *data)
{
	struct sim_gateway *g = data;

	loop_task_schedule(g->loop, &g->change);
}

static void open_journal(struct sim_gateway *g, const char *redis)
{
	char url[64];
	struct error err;
	const struct redis_journal_params params = {
		.url = url,
		.namespace_id = "sim",
		.durability = "always",
		.command_timeout_ms = 1000,
		.max_pending = 10000,
		.backoff_min_ms = 100,
		.backoff_max_ms = 1000,
		.metrics = g->metrics,
	};
	const struct redis_members_params member = {
		.address = g->address,
		.metrics = g->metrics,
		.on_change = note_change,
		.data = g,
	};

	(void)snprintf(url, sizeof(url), "redis://%s", redis);
	if (redis_journal_open(g->loop, &params, note_change, g, &g->journal, &err) != ST_OK ||
	    redis_members_open(g->loop, g->journal, &member, &g->members, &err) != ST_OK)
		bug_abort(err.message, __FILE__, __LINE__);
}

static void open_function(struct sim_gateway *g, enum sim_kind kind)
{
	struct address address = {.host = "127.0.0.1"};
	const struct userfn_params params = {
		.address = &address,
		.backoff_min_ms = 100,
		.backoff_max_ms = 1000,
		.refused_retry_ms = 10000,
		.discover_timeout_ms = 10000,
		.max_message_bytes = (size_t)1024 * 1024,
		.metrics = g->metrics,
	};

	fake_function_init(&g->function, g->loop, 2, 0);
	if (kind == SIM_VALUES) {
		buf_reset(&g->function.spec);
		fake_spec_value_counter(0, &g->function.spec);
	}
	address.port = g->function.port;
	g->userfn = userfn_open(g->loop, &params, note_change, g);
}

struct sim_gateway *sim_gateway_new(struct sim_net *net, const char *name, const char *redis,
				    enum sim_kind kind)
{
	struct sim_gateway *g = mem_new(struct sim_gateway);
	struct entity_limits limits = entity_limits_default();

	g->net = net;
	g->name = name;
	g->loop = sim_loop_new(net, name);
	(void)snprintf(g->address, sizeof(g->address), "%s:7355", name);
	g->metrics = metrics_new();
	loop_task_init(&g->change, on_change_task, g);
	open_journal(g, redis);
	open_function(g, kind);
	limits.passivation_ms = 2000;
	g->entities = entity_table_new(g->loop, g->userfn, g->journal, g->metrics, &limits);
	g->router = router_new(g->loop, g->userfn, g->entities, g->metrics, NULL);
	return g;
}

void sim_gateway_kill(struct sim_gateway *g)
{
	if (!g)
		return;
	sim_loop_kill(g->loop);
	loop_task_cancel(&g->change);
	router_free(g->router);
	entity_table_free(g->entities);
	userfn_close(g->userfn);
	members_close(g->members);
	journal_close(g->journal);
	fake_function_fini(&g->function);
	metrics_free(g->metrics);
	loop_free(g->loop);
	mem_free(g);
}

static void on_left(void *data)
{
	struct sim_gateway *g = data;

	g->is_gone = true;
}

static void on_drained(void *data)
{
	struct sim_gateway *g = data;

	members_leave(g->members, on_left, g);
}

void sim_gateway_drain(struct sim_gateway *g)
{
	g->is_draining = true;
	members_set_state(g->members, MEMBER_LEAVING);
	router_end_streams(g->router);
	entity_table_drain(g->entities, on_drained, g);
}

bool sim_gateway_is_gone(const struct sim_gateway *g)
{
	return g->is_gone;
}

struct loop *sim_gateway_loop(const struct sim_gateway *g)
{
	return g->loop;
}

const char *sim_gateway_name(const struct sim_gateway *g)
{
	return g->name;
}

struct router *sim_gateway_router(const struct sim_gateway *g)
{
	return g->router;
}

bool sim_gateway_is_ready(const struct sim_gateway *g)
{
	return !g->is_draining && is_serving(g);
}

const struct api_method *sim_gateway_method(const struct sim_gateway *g, const char *path)
{
	struct api *api = userfn_api(g->userfn);

	return api ? api_find(api, span_from_str(path)) : NULL;
}

int64_t sim_gateway_metric(const struct sim_gateway *g, enum metric metric,
			   const struct metrics_label *labels, size_t count)
{
	return metrics_value(metrics_series(g->metrics, metric, labels, count));
}
