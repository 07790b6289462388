#ifndef HEADGATE_TESTS_SIM_SIM_HISTORY_H
#define HEADGATE_TESTS_SIM_SIM_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

/* One random history: three gateways, one Redis, clients that add to and read counters, and faults.
 * It is all decided by the seed. When everything has calmed down, what the clients were told is
 * compared with what the journal holds. */

/* Things that must have happened somewhere in many histories, or they tested nothing. */
#define SIM_SOMETIMES(X)                                                                           \
	X(acknowledged)                                                                            \
	X(reads)                                                                                   \
	X(unknown)                                                                                 \
	X(retried)                                                                                 \
	X(replayed)                                                                                \
	X(conflict)                                                                                \
	X(dup)                                                                                     \
	X(speculated)                                                                              \
	X(discarded)                                                                               \
	X(noscript)                                                                                \
	X(redis_restart)                                                                           \
	X(failover)                                                                                \
	X(lost_tail)                                                                               \
	X(broken_connection)                                                                       \
	X(killed)                                                                                  \
	X(stopped)                                                                                 \
	X(drained)                                                                                 \
	X(cut_from_redis)                                                                          \
	X(cut_from_peer)                                                                           \
	X(joined)                                                                                  \
	X(function_crash)                                                                          \
	X(clock_jump)                                                                              \
	X(refused)                                                                                 \
	X(slow_redis)                                                                              \
	X(values)                                                                                  \
	X(snapshots)                                                                               \
	X(forwarded)                                                                               \
	X(forward_retried)                                                                         \
	X(forward_here)                                                                            \
	X(suspicion)                                                                               \
	X(handed_over)                                                                             \
	X(command_handed_over)                                                                     \
	X(damped)

enum sim_sometimes {
#define X(name) SIM_##name,
	SIM_SOMETIMES(X)
#undef X
		SIM_SOMETIMES_
};
const char *sim_sometimes_name(enum sim_sometimes what);

struct sim_result {
	bool is_good;
	char breach[512];    /* the first rule that was broken */
	uint64_t trace;	     /* of all that happened: the same for the same seed */
	uint64_t seconds_ns; /* simulated */
	uint64_t happened[SIM_SOMETIMES_];
};

/* is_told: prints what happens as it happens. */
void sim_history(uint64_t seed, bool is_told, struct sim_result *ret_result);

#endif
