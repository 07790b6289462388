/* What the journal costs: appends per second through the journal with so many in flight, and
 * redis-benchmark running the same script in the same redis-server. Prints ratios, gates nothing.
 * Usage: bench_journal [seconds per row, default 1] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "journal/journal.h"
#include "journal/key.h"
#include "journal/redis/command.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/base/text.h"
#include "src/runtime/loop.h"
#include "tests/fakes/journal_client.h"
#include "tests/fakes/redis_server.h"

#define DEPTH_MAX 64
#define PAYLOAD_BYTES 200

struct bench;

struct worker {
	struct bench *bench;
	struct journal_head head;
	struct journal_id tag;
	char id[32];
};

enum mode { OLD_ENTITIES, NEW_ENTITIES, VERIFIES };

struct bench {
	struct journal_client client;
	struct worker workers[DEPTH_MAX];
	enum mode mode;
	uint64_t end_ns;
	size_t done;
	size_t running;
	size_t entities;
	bool is_over;
	char payload[PAYLOAD_BYTES];
};

static void go(struct worker *w);

static void stop_if(bool is_ok, const char *what)
{
	if (is_ok)
		return;
	(void)fprintf(stderr, "bench_journal: %s\n", what);
	exit(1);
}

static void next(struct worker *w)
{
	struct bench *b = w->bench;

	b->done++;
	if (clock_mono_ns() < b->end_ns) {
		go(w);
		return;
	}
	b->running--;
	b->is_over = b->running == 0;
}

static void on_append(void *data, const struct journal_append_result *result)
{
	struct worker *w = data;

	stop_if(result->result == JOURNAL_OK, "an append failed");
	w->head = result->head;
	next(w);
}

static void on_verify(void *data, enum journal_result result, const struct error *error)
{
	(void)error;
	stop_if(result == JOURNAL_OK, "a verify failed");
	next(data);
}

static void go(struct worker *w)
{
	struct bench *b = w->bench;
	struct journal *journal = b->client.journal;
	struct journal_any event = {SPAN_LIT("type.googleapis.com/com.example.shoppingcart.Added"),
				    span_make(b->payload, sizeof(b->payload))};
	struct journal_append append = {
		.tag = journal_new_id(journal),
		.command = journal_new_id(journal),
		.events = &event,
		.event_count = 1,
	};
	uint64_t deadline = clock_mono_ns() + 10 * NS_PER_S;

	if (b->mode == NEW_ENTITIES) {
		memset(&w->head, 0, sizeof(w->head));
		(void)snprintf(w->id, sizeof(w->id), "new-%zu", b->entities++);
	}
	append.key = (struct journal_key){SPAN_LIT("cart"), span_from_str(w->id)};
	append.expected = w->head;
	if (b->mode == VERIFIES)
		(void)journal_verify(journal, &append.key, &w->head, deadline, on_verify, w);
	else
		(void)journal_append(journal, &append, deadline, on_append, w);
}

static uint64_t cpu_us(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* Operations per second; ret_cpu_us: of this process, each. */
static double measure(struct bench *b, enum mode mode, size_t depth, uint64_t seconds,
		      double *ret_cpu_us)
{
	uint64_t start = clock_mono_ns();
	uint64_t cpu = cpu_us();
	double elapsed;

	b->mode = mode;
	b->done = 0;
	b->running = depth;
	b->is_over = false;
	b->end_ns = start + seconds * NS_PER_S;
	for (size_t i = 0; i < depth; i++)
		go(&b->workers[i]);
	stop_if(journal_client_until(&b->client, &b->is_over), "no end");
	elapsed = (double)(clock_mono_ns() - start) / (double)NS_PER_S;
	*ret_cpu_us = (double)(cpu_us() - cpu) / (double)b->done;
	return (double)b->done / elapsed;
}

/* The same script with new entities: redis-benchmark cannot follow a head. Two random numbers to a
 * name, for each is only one of two thousand million and a stream met twice ends the run. */
static double redis_benchmark(const char *directory, size_t depth, size_t count)
{
	char command[2048];
	char line[4096];
	double rate = 0;
	FILE *out;

	(void)snprintf(
		command, sizeof(command),
		"redis-benchmark -s '%s/s.sock' -c 1 -P %zu -n %zu -r 2000000000 --csv "
		"EVALSHA %s 4 'hg1:ns:{1}:h:cart/b__rand_int____rand_int__' "
		"'hg1:ns:{1}:e:cart/b__rand_int____rand_int__' 'hg1:ns:{1}:f:cart' "
		"'hg1:ns:{1}:i:cart' "
		"b__rand_int____rand_int__ 0 '' tttttttttttttttt cccccccccccccccc 1700000000000 1 "
		"type.googleapis.com/com.example.shoppingcart.Added %0*d 2>/dev/null",
		directory, depth, count, redis_script_sha(REDIS_SCRIPT_APPEND), PAYLOAD_BYTES, 0);
	out = popen(command, "r"); /* a bench, with arguments of its own */
	stop_if(out != NULL, "no redis-benchmark");
	while (fgets(line, sizeof(line), out)) {
		const char *last = strstr(line, "\",\"");

		if (strstr(line, "EVALSHA") && last)
			rate = strtod(last + 3, NULL);
	}
	(void)pclose(out);
	return rate;
}

static void bench_class(const char *durability, uint64_t seconds)
{
	static const size_t depths[] = {1, 16, 64};
	struct redis_journal_params params = journal_client_params();
	struct bench *b = mem_new(struct bench);
	char *directory = temp_directory();
	char url[512];
	struct error err;
	uint64_t start;

	params.durability = durability;
	params.command_timeout_ms = 5000;
	memset(b->payload, 'x', sizeof(b->payload));
	(void)snprintf(url, sizeof(url), "embedded:%s", directory);
	start = clock_mono_ns();
	stop_if(journal_client_open(&b->client, url, &params, &err) == ST_OK, err.message);
	stop_if(journal_client_wait(&b->client, true), "not ready");
	(void)printf("%s: ready after %.1f ms\n", durability,
		     (double)(clock_mono_ns() - start) / (double)NS_PER_MS);
	for (size_t i = 0; i < DEPTH_MAX; i++) {
		b->workers[i].bench = b;
		(void)snprintf(b->workers[i].id, sizeof(b->workers[i].id), "old-%zu", i);
	}
	for (size_t i = 0; i < sizeof(depths) / sizeof(*depths); i++) {
		double cpu;
		double cpu_verify;
		double old = measure(b, OLD_ENTITIES, depths[i], seconds, &cpu);
		double verify = measure(b, VERIFIES, depths[i], seconds, &cpu_verify);
		double ignored;
		double new = measure(b, NEW_ENTITIES, depths[i], seconds, &ignored);
		double theirs =
			redis_benchmark(directory, depths[i], (size_t)(new *(double)seconds) + 1);

		(void)printf("  depth %2zu: %7.0f appends/s (%4.1f us CPU here), "
			     "%7.0f verifies/s (%4.1f us); new entities %7.0f/s, "
			     "redis-benchmark %7.0f/s, ratio %.2f\n",
			     depths[i], old, cpu, verify, cpu_verify, new, theirs, new / theirs);
		/* VERIFIES must find the head it knows: it ran before the new entities. */
		for (size_t k = 0; k < DEPTH_MAX; k++) {
			(void)snprintf(b->workers[k].id, sizeof(b->workers[k].id), "old-%zu-%zu", i,
				       k);
			memset(&b->workers[k].head, 0, sizeof(b->workers[k].head));
		}
	}
	journal_client_close(&b->client);
	temp_remove(directory);
	mem_free(directory);
	mem_free(b);
}

int main(int argc, char **argv)
{
	uint64_t seconds = 1;

	if (argc > 1 && (!text_to_u64(span_from_str(argv[1]), &seconds) || seconds == 0)) {
		(void)fprintf(stderr, "usage: bench_journal [seconds]\n");
		return 2;
	}
	bench_class("always", seconds);
	bench_class("everysec", seconds);
	return 0;
}
