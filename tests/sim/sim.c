/* The simulator: random histories of three or four gateways and one Redis in one process, each
 * decided by its seed.
 *
 *   sim [-j N] FIRST COUNT      runs the seeds from FIRST on, N processes at once; speaks TAP
 *   sim [-j N] test FIRST COUNT the same, and then breaks each rule of sim_mutation.h
 *   sim tell SEED [NAME]        tells one as it happens, under the mutation NAME if given
 *   sim mutate NAME [COUNT]     searches the first COUNT seeds for one that notices NAME */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/log.h"
#include "tests/sim/sim_history.h"
#include "tests/sim/sim_mutation.h"

#define FAILURES_SHOWN 10
#define JOBS_MAX 64
#define MUTATION_SEEDS 4000
#define REPEAT_EVERY 64
/* From so many histories on even what is rare must have been seen. */
#define RARE_FROM 50000

/* What many histories came to; goes through a pipe. */
struct totals {
	uint64_t happened[SIM_SOMETIMES_];
	uint64_t done;
	uint64_t failures;
	uint64_t differing;
	uint64_t simulated_ns;
};

static double seconds_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Of this process and all that it waited for. */
static double seconds_used(void)
{
	struct rusage mine;
	struct rusage theirs;

	(void)getrusage(RUSAGE_SELF, &mine);
	(void)getrusage(RUSAGE_CHILDREN, &theirs);
	return (double)(mine.ru_utime.tv_sec + theirs.ru_utime.tv_sec) +
	       (double)(mine.ru_utime.tv_usec + theirs.ru_utime.tv_usec) / 1e6;
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

static void run_slice(uint64_t seed, uint64_t count, struct totals *totals)
{
	for (uint64_t i = 0; i < count; i++) {
		struct sim_result result;

		sim_history(seed + i, false, &result);
		for (size_t k = 0; k < SIM_SOMETIMES_; k++)
			totals->happened[k] += result.happened[k];
		totals->simulated_ns += result.seconds_ns;
		if (!result.is_good && totals->failures++ < FAILURES_SHOWN) {
			printf("# seed %" PRIu64 ": %s\n", seed + i, result.breach);
			(void)fflush(stdout);
		}
		if (i % REPEAT_EVERY == 0 && !is_repeated(seed + i, &result))
			totals->differing++;
		totals->done++;
	}
}

static void add_totals(struct totals *sum, const struct totals *part)
{
	for (size_t k = 0; k < SIM_SOMETIMES_; k++)
		sum->happened[k] += part->happened[k];
	sum->done += part->done;
	sum->failures += part->failures;
	sum->differing += part->differing;
	sum->simulated_ns += part->simulated_ns;
}

/* One process each, for the scripts are compiled once in each. One that dies has done nothing,
 * which the sum shows. */
static void run_jobs(uint64_t seed, uint64_t count, unsigned jobs, struct totals *ret_totals)
{
	int ends[JOBS_MAX][2];
	pid_t pids[JOBS_MAX];

	(void)fflush(stdout);
	for (unsigned i = 0; i < jobs; i++) {
		uint64_t from = count * i / jobs;

		BUG_ON(pipe(ends[i]) != 0);
		pids[i] = fork();
		BUG_ON(pids[i] < 0);
		if (pids[i] > 0) {
			(void)close(ends[i][1]);
			continue;
		}
		struct totals mine = {0};

		run_slice(seed + from, count * (i + 1) / jobs - from, &mine);
		_exit(write(ends[i][1], &mine, sizeof(mine)) == (ssize_t)sizeof(mine) ? 0 : 1);
	}
	for (unsigned i = 0; i < jobs; i++) {
		struct totals part;

		if (read(ends[i][0], &part, sizeof(part)) == (ssize_t)sizeof(part))
			add_totals(ret_totals, &part);
		(void)close(ends[i][0]);
		(void)waitpid(pids[i], NULL, 0);
	}
}

static int run_many(uint64_t seed, uint64_t count, unsigned jobs)
{
	struct totals totals = {0};
	uint64_t missing = 0;
	double start = seconds_now();
	double wall;

	run_jobs(seed, count, jobs, &totals);
	wall = seconds_now() - start;
	for (size_t k = 0; k < SIM_SOMETIMES_; k++) {
		printf("# %-20s %" PRIu64 "\n", sim_sometimes_name((enum sim_sometimes)k),
		       totals.happened[k]);
		missing += totals.happened[k] == 0 && (k != SIM_damped || count >= RARE_FROM);
	}
	printf("# %" PRIu64 " histories, %.0f s simulated, %.0f histories/s, %.0f per second of "
	       "CPU\n",
	       totals.done, (double)totals.simulated_ns / 1e9, (double)totals.done / wall,
	       (double)totals.done / seconds_used());
	printf("%sok 1 - no rule is broken in %" PRIu64 " histories from seed %" PRIu64
	       " (broken in %" PRIu64 ", not ended %" PRIu64 ")\n",
	       totals.failures || totals.done != count ? "not " : "", count, seed, totals.failures,
	       count - totals.done);
	printf("%sok 2 - a seed repeats itself byte for byte\n", totals.differing ? "not " : "");
	printf("%sok 3 - everything that is to be seen was seen (%" PRIu64 " was not)\n",
	       missing ? "not " : "", missing);
	return totals.failures || totals.done != count || totals.differing || missing;
}

/* The first of the seeds that breaks a rule under the mutation, or 0. In a process of its own, for
 * the scripts are compiled once in each. */
static uint64_t search(enum sim_mutation mutation, uint64_t count)
{
	uint64_t found = 0;
	int ends[2];
	pid_t pid;

	(void)fflush(stdout);
	BUG_ON(pipe(ends) != 0);
	pid = fork();
	BUG_ON(pid < 0);
	if (pid > 0) {
		(void)close(ends[1]);
		if (read(ends[0], &found, sizeof(found)) != (ssize_t)sizeof(found))
			found = 0;
		(void)close(ends[0]);
		(void)waitpid(pid, NULL, 0);
		return found;
	}
	sim_mutate(mutation);
	for (uint64_t seed = 1; seed <= count && !found; seed++) {
		struct sim_result result;

		sim_history(seed, false, &result);
		if (result.is_good)
			continue;
		printf("# seed %" PRIu64 ": %s\n", seed, result.breach);
		found = seed;
	}
	(void)fflush(stdout);
	_exit(write(ends[1], &found, sizeof(found)) == (ssize_t)sizeof(found) ? 0 : 1);
}

static int try_mutation(enum sim_mutation mutation, uint64_t count, unsigned test)
{
	uint64_t found = search(mutation, count);

	printf("%sok %u - it is noticed when %s (%s)\n", found ? "" : "not ", test,
	       sim_mutation_text(mutation), sim_mutation_name(mutation));
	return found ? 0 : 1;
}

static int run_test(uint64_t seed, uint64_t count, unsigned jobs)
{
	int bad;

	printf("1..%d\n", 3 + SIM_MUTATIONS_ - 1);
	bad = run_many(seed, count, jobs);
	for (int i = SIM_NO_MUTATION + 1; i < SIM_MUTATIONS_; i++)
		bad |= try_mutation((enum sim_mutation)i, MUTATION_SEEDS, (unsigned)i + 3);
	return bad;
}

static enum sim_mutation mutation_of(const char *name)
{
	for (int i = 0; i < SIM_MUTATIONS_; i++) {
		if (strcmp(sim_mutation_name((enum sim_mutation)i), name) == 0)
			return (enum sim_mutation)i;
	}
	fprintf(stderr, "sim: there is no mutation %s\n", name);
	exit(2);
}

static uint64_t number(char **argv, int argc, int at, uint64_t otherwise)
{
	return at < argc ? strtoull(argv[at], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
	unsigned jobs = 1;

	/* what a history frees serves the next */
	(void)mallopt(M_TRIM_THRESHOLD, 256 * 1024 * 1024);
	(void)mallopt(M_MMAP_THRESHOLD, 64 * 1024 * 1024);
	(void)hash_seeded(SPAN_LIT("")); /* its seed is then none of a history's */
	log_set_level(LOG_OFF);
	sim_mutate(SIM_NO_MUTATION);
	if (argc > 2 && strcmp(argv[1], "-j") == 0) {
		jobs = (unsigned)strtoul(argv[2], NULL, 10);
		if (jobs < 1 || jobs > JOBS_MAX)
			jobs = 1;
		argc -= 2;
		argv += 2;
	}
	if (argc > 2 && strcmp(argv[1], "tell") == 0) {
		if (argc > 3)
			sim_mutate(mutation_of(argv[3]));
		return tell_one(number(argv, argc, 2, 1));
	}
	if (argc > 2 && strcmp(argv[1], "mutate") == 0) {
		printf("1..1\n");
		return try_mutation(mutation_of(argv[2]), number(argv, argc, 3, MUTATION_SEEDS), 1);
	}
	if (argc > 1 && strcmp(argv[1], "test") == 0)
		return run_test(number(argv, argc, 2, 1), number(argv, argc, 3, 2000), jobs);
	printf("1..3\n");
	return run_many(number(argv, argc, 1, 1), number(argv, argc, 2, 2000), jobs);
}
