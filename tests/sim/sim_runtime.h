#ifndef HEADGATE_TESTS_SIM_SIM_RUNTIME_H
#define HEADGATE_TESTS_SIM_SIM_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/list.h"
#include "src/runtime/loop.h"

/* src/runtime once more, without an operating system: many loops, each a process of its own, on one
 * clock that jumps from event to event, joined by byte streams that are slow, break and are cut.
 * The code above sees loop.h, timer.h, stream.h, listen.h and clock.h as ever. All that is random
 * comes from one seed, so a run repeats itself byte for byte. */
struct sim_net;

struct sim_net *sim_net_new(uint64_t seed);

/* Every loop must have been freed. */
void sim_net_free(struct sim_net *net);

/* From the seed. below: at least 1. */
uint64_t sim_random(struct sim_net *net, uint64_t below);
/* True with a probability of one in n. */
bool sim_one_in(struct sim_net *net, uint64_t n);

uint64_t sim_now_ns(const struct sim_net *net);

/* Runs the next event. False: nothing is left to happen. */
bool sim_step(struct sim_net *net);

/* A hash of everything that happened so far: equal for equal seeds. */
uint64_t sim_trace(const struct sim_net *net);

/* A process on the host of that name, which is borrowed; others connect to "name:port". */
struct loop *sim_loop_new(struct sim_net *net, const char *name);

/* What loop_new makes next, for code that makes its own loop; and whether loop_stop was called. */
void sim_loop_name_next(struct sim_net *net, const char *name);
bool sim_loop_is_ended(const struct loop *loop);

/* fn runs in the loop's own turn, once, wait_ns from now. Not cancelled by loop_free: the loop must
 * live till then. */
void sim_loop_call(struct loop *loop, uint64_t wait_ns, loop_task_fn fn, void *data);

/* SIGSTOP and SIGCONT: what happens to it meanwhile waits. */
void sim_loop_stop(struct loop *loop);
void sim_loop_continue(struct loop *loop);
bool sim_loop_is_stopped(const struct loop *loop);

/* kill -9: its connections break, nothing it does reaches anybody, and its timers never fire. What
 * it owned is then freed as ever, and loop_free last. */
void sim_loop_kill(struct loop *loop);

/* Nothing gets from one to the other while cut; what was sent arrives afterwards. */
void sim_cut(struct sim_net *net, const char *one, const char *other, bool is_cut);

/* Breaks a connection between the two, if there is one: a random part of what is on its way is
 * lost. Returns whether there was one. */
bool sim_break_one(struct sim_net *net, const char *one, const char *other);

/* What every message takes on its way: base and up to jitter more. */
void sim_set_latency(struct sim_net *net, uint64_t base_ns, uint64_t jitter_ns);

#endif
