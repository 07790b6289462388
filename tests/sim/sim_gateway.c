#include "tests/sim/sim_gateway.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/config/config.h"
#include "src/server/server.h"
#include "src/server/server_internal.h"
#include "src/userfn/api.h"
#include "src/userfn/userfn.h"
#include "tests/fakes/fake_function.h"
#include "tests/fakes/fake_spec.h"
#include "tests/sim/sim_runtime.h"

/* The first port of its loop, see listen_open of the simulated runtime. */
#define FUNCTION_PORT "20000"
#define NAMES_MAX 8

struct sim_gateway {
	const char *name;
	struct server *server;
	struct loop *function_loop;
	struct fake_function function;
};

/* Read once for all histories: what it is does not depend on the history. */
static const struct config *config_of(const char *name, const char *redis)
{
	static struct {
		char name[16];
		struct config config;
	} known[NAMES_MAX];
	static size_t count;
	char address[64];
	char url[64];
	const char *flags[] = {
		"listen=0.0.0.0:9000",
		"admin.listen=off",
		"journal.namespace=sim",
		"entity.passivation_timeout=2s",
		"user_function.port=" FUNCTION_PORT,
		address,
		url,
		NULL,
	};
	const struct config_params params = {.flags = flags};
	struct error err;

	for (size_t i = 0; i < count; i++) {
		if (strcmp(known[i].name, name) == 0)
			return &known[i].config;
	}
	BUG_ON(count == NAMES_MAX);
	(void)snprintf(known[count].name, sizeof(known[count].name), "%s", name);
	(void)snprintf(address, sizeof(address), "peer.address=%s:7355", name);
	(void)snprintf(url, sizeof(url), "journal.url=redis://%s", redis);
	if (config_load(&known[count].config, &params, &err) != ST_OK)
		bug_abort(err.message, __FILE__, __LINE__);
	return &known[count++].config;
}

struct sim_gateway *sim_gateway_new(struct sim_net *net, const char *name, const char *redis,
				    enum sim_kind kind)
{
	struct sim_gateway *g = mem_new(struct sim_gateway);
	struct error err;

	g->name = name;
	g->function_loop = sim_loop_new(net, name);
	fake_function_init(&g->function, g->function_loop, 2, 0);
	if (kind == SIM_VALUES) {
		buf_reset(&g->function.spec);
		fake_spec_value_counter(0, &g->function.spec);
	}
	sim_loop_name_next(net, name);
	if (server_new(config_of(name, redis), sim_now_ns(net), &g->server, &err) != ST_OK)
		bug_abort(err.message, __FILE__, __LINE__);
	return g;
}

void sim_gateway_kill(struct sim_gateway *g)
{
	if (!g)
		return;
	sim_loop_kill(g->server->loop);
	sim_loop_kill(g->function_loop);
	server_free(g->server);
	fake_function_fini(&g->function);
	loop_free(g->function_loop);
	mem_free(g);
}

void sim_gateway_drain(struct sim_gateway *g)
{
	server_on_signal(g->server, SIGTERM);
}

bool sim_gateway_is_gone(const struct sim_gateway *g)
{
	return sim_loop_is_ended(g->server->loop);
}

struct loop *sim_gateway_loop(const struct sim_gateway *g)
{
	return g->server->loop;
}

const char *sim_gateway_name(const struct sim_gateway *g)
{
	return g->name;
}

struct router *sim_gateway_router(const struct sim_gateway *g)
{
	return g->server->router;
}

bool sim_gateway_is_ready(const struct sim_gateway *g)
{
	const char *reason;

	return g->server->phase == SERVER_SERVING && server_is_ready(g->server, &reason);
}

const struct api_method *sim_gateway_method(const struct sim_gateway *g, const char *path)
{
	struct api *api = userfn_api(g->server->userfn);

	return api ? api_find(api, span_from_str(path)) : NULL;
}

int64_t sim_gateway_metric(const struct sim_gateway *g, enum metric metric,
			   const struct metrics_label *labels, size_t count)
{
	return metrics_value(metrics_series(g->server->metrics, metric, labels, count));
}

bool sim_gateway_is_wrong(const struct sim_gateway *g)
{
	return g->function.is_out_of_order;
}

static void drop_function(void *data)
{
	struct sim_gateway *g = data;

	fake_function_drop(&g->function);
}

void sim_gateway_drop_function(struct sim_gateway *g)
{
	sim_loop_call(g->function_loop, 0, drop_function, g);
}

bool sim_gateway_is_stopped(const struct sim_gateway *g)
{
	return sim_loop_is_stopped(g->server->loop);
}
