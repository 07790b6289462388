/* The simulator: random histories of three gateways and one Redis in one process, each decided by
 * its seed. "sim SEED COUNT" runs COUNT of them and speaks TAP; "sim tell SEED" tells one as it
 * happens. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "src/base/hash.h"
#include "src/base/log.h"
#include "tests/sim/sim_history.h"

#define FAILURES_SHOWN 10

static double seconds_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int tell_one(uint64_t seed)
{
	struct sim_result result;

	sim_history(seed, true, &result);
	printf("seed %" PRIu64 ": %s, trace %016" PRIx64 "\n", seed,
	       result.is_good ? "good" : result.breach, result.trace);
	return result.is_good ? 0 : 1;
}

/* The same seed once more gives the same. */
static bool is_repeated(uint64_t seed, const struct sim_result *first)
{
	struct sim_result again;

	sim_history(seed, false, &again);
	return again.trace == first->trace && again.is_good == first->is_good;
}

static int run_many(uint64_t seed, uint64_t count)
{
	uint64_t happened[SIM_SOMETIMES_] = {0};
	uint64_t failures = 0;
	uint64_t differing = 0;
	uint64_t missing = 0;
	double start = seconds_now();
	double simulated = 0;

	for (uint64_t i = 0; i < count; i++) {
		struct sim_result result;

		sim_history(seed + i, false, &result);
		for (size_t k = 0; k < SIM_SOMETIMES_; k++)
			happened[k] += result.happened[k];
		simulated += (double)result.seconds_ns / 1e9;
		if (!result.is_good && failures++ < FAILURES_SHOWN)
			printf("# seed %" PRIu64 ": %s\n", seed + i, result.breach);
		if (i % 64 == 0 && !is_repeated(seed + i, &result))
			differing++;
	}
	for (size_t k = 0; k < SIM_SOMETIMES_; k++) {
		printf("# %-20s %" PRIu64 "\n", sim_sometimes_name((enum sim_sometimes)k),
		       happened[k]);
		missing += happened[k] == 0;
	}
	printf("# %" PRIu64 " histories, %.0f s simulated, %.0f histories/s\n", count, simulated,
	       (double)count / (seconds_now() - start));
	printf("1..3\n");
	printf("%sok 1 - no rule is broken in %" PRIu64 " histories from seed %" PRIu64
	       " (broken in %" PRIu64 ")\n",
	       failures ? "not " : "", count, seed, failures);
	printf("%sok 2 - a seed repeats itself byte for byte\n", differing ? "not " : "");
	printf("%sok 3 - everything that is to be seen was seen (%" PRIu64 " was not)\n",
	       missing ? "not " : "", missing);
	return failures || differing || missing;
}

int main(int argc, char **argv)
{
	(void)hash_seeded(SPAN_LIT("")); /* its seed is then none of a history's */
	log_set_level(LOG_OFF);
	if (argc == 3 && strcmp(argv[1], "tell") == 0)
		return tell_one(strtoull(argv[2], NULL, 10));
	return run_many(argc > 1 ? strtoull(argv[1], NULL, 10) : 1,
			argc > 2 ? strtoull(argv[2], NULL, 10) : 2000);
}
