#ifndef HEADGATE_TESTS_SIM_SIM_HISTORY_INTERNAL_H
#define HEADGATE_TESTS_SIM_SIM_HISTORY_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/clock.h"
#include "src/base/list.h"
#include "tests/sim/sim_gateway.h"
#include "tests/sim/sim_history.h"

/* What the files of a history share: clients that ask, faults that happen meanwhile, and the rules
 * that are looked at when all is over. */
struct loop;
struct sim_net;
struct sim_redis;

/* The last one joins later, or never. */
#define GATEWAYS 4U
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

struct call;

struct history {
	struct sim_net *net;
	struct sim_redis *redis;
	enum sim_kind kind;
	bool is_hot; /* all clients want one entity of one gateway, without a pause, and messages
			take long */
	struct sim_gateway *gateways[GATEWAYS]; /* NULL: dead */
	uint64_t back_ns[GATEWAYS];		/* when a dead one comes back */
	struct client clients[CLIENTS_MAX];
	unsigned client_count;
	unsigned entity_count;
	struct list calls;
	struct op ops[OPS_MAX];
	unsigned op_count;
	bool has_failover;
	bool is_out_of_order;	      /* for a function */
	uint64_t lost_ns[FAULTS_MAX]; /* when something acknowledged may have gone */
	unsigned lost_count;
	bool is_told;
	struct loop *director; /* where clients and faults live; nothing connects to it */
	struct sim_result *result;
};

extern const char *const history_gateway_names[GATEWAYS];
extern const char *const history_entity_names[ENTITIES_MAX];

/* A line of the told history. */
void history_tell(const struct history *h, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void history_happened(struct history *h, enum sim_sometimes what, uint64_t times);
/* Some time of up to that many milliseconds. */
uint64_t history_time(struct history *h, uint64_t most_ms);

/* Makes it try or ask next after that time. */
void history_client_wait(struct client *client, uint64_t wait_ns);
/* The gateway is about to be killed: nothing of its calls is heard any more; and it is gone. */
void history_drop_calls(struct history *h, unsigned gateway);
void history_free_calls(struct history *h, unsigned gateway);

void history_start_gateway(struct history *h, unsigned i);
void history_end_gateway(struct history *h, unsigned i);
/* Lets faults happen, and the replica hear what was written, till they are over. */
void history_plan_faults(struct history *h);

/* Looks at all rules and writes the first breach into the result. */
void history_check(struct history *h);

#endif
