#ifndef HEADGATE_TESTS_SIM_SIM_GATEWAY_H
#define HEADGATE_TESTS_SIM_SIM_GATEWAY_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/metrics.h"

/* A gateway as a process of the simulation, with the user function beside it: everything between
 * the fronts and the network, put together as src/server does. */
struct api_method;
struct loop;
struct router;
struct sim_gateway;
struct sim_net;

/* The entities' kind: what the function declares. */
enum sim_kind { SIM_EVENTS, SIM_VALUES };

/* name is borrowed. redis: "name:port" of the journal. */
struct sim_gateway *sim_gateway_new(struct sim_net *net, const char *name, const char *redis,
				    enum sim_kind kind);

/* kill -9: nothing it does reaches anybody. */
void sim_gateway_kill(struct sim_gateway *gateway);

/* SIGTERM: hands over what it has; sim_gateway_is_gone once all of it is done, and it is to be
 * killed. */
void sim_gateway_drain(struct sim_gateway *gateway);
bool sim_gateway_is_gone(const struct sim_gateway *gateway);

/* The user function crashes and is there again. */
void sim_gateway_drop_function(struct sim_gateway *gateway);
bool sim_gateway_is_stopped(const struct sim_gateway *gateway);

/* The function was told something out of order. */
bool sim_gateway_is_wrong(const struct sim_gateway *gateway);

struct loop *sim_gateway_loop(const struct sim_gateway *gateway);
const char *sim_gateway_name(const struct sim_gateway *gateway);
struct router *sim_gateway_router(const struct sim_gateway *gateway);
bool sim_gateway_is_ready(const struct sim_gateway *gateway);

/* "/test.Counter/Increase" and the like; NULL until the function was discovered. */
const struct api_method *sim_gateway_method(const struct sim_gateway *gateway, const char *path);

/* Of all its series together. */
int64_t sim_gateway_metric(const struct sim_gateway *gateway, enum metric metric,
			   const struct metrics_label *labels, size_t count);

#endif
