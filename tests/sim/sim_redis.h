#ifndef HEADGATE_TESTS_SIM_SIM_REDIS_H
#define HEADGATE_TESTS_SIM_SIM_REDIS_H

#include <stdbool.h>
#include <stdint.h>

/* A Redis as a process of the simulation: speaks RESP to whoever connects and runs the journal's
 * own scripts in the language they are written in, on sim_store. What it answered is durable
 * ("always") unless a test takes it back to what a replica had. */
struct loop;
struct sim_net;
struct sim_redis;
struct sim_store;

struct sim_redis *sim_redis_new(struct sim_net *net, const char *name, uint16_t port);
void sim_redis_free(struct sim_redis *redis);

struct loop *sim_redis_loop(const struct sim_redis *redis);
const struct sim_store *sim_redis_store(const struct sim_redis *redis);

/* kill -9 and a new start: connections break, loaded scripts are forgotten, data stays. */
void sim_redis_restart(struct sim_redis *redis);

/* SCRIPT FLUSH, as somebody may say. */
void sim_redis_flush_scripts(struct sim_redis *redis);

/* A replica hears everything up to now. */
void sim_redis_replicate(struct sim_redis *redis);
/* The replica takes over: what it has not heard is gone. Returns whether that is anything. */
bool sim_redis_fail_over(struct sim_redis *redis);

/* Its TIME jumps. */
void sim_redis_move_clock(struct sim_redis *redis, int64_t by_ms);

/* Answers scripts with that error, whose text is borrowed; NULL: as ever. */
void sim_redis_refuse(struct sim_redis *redis, const char *text);

struct sim_redis_counts {
	uint64_t scripts;
	uint64_t noscript;
	uint64_t dup;
	uint64_t conflict;
	uint64_t restarts;
	uint64_t failovers;
	uint64_t refused;
};
const struct sim_redis_counts *sim_redis_counts(const struct sim_redis *redis);

#endif
