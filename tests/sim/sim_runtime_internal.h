#ifndef HEADGATE_TESTS_SIM_SIM_RUNTIME_INTERNAL_H
#define HEADGATE_TESTS_SIM_SIM_RUNTIME_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/list.h"
#include "src/runtime/loop.h"
#include "src/runtime/timer.h"

/* What the loops and the connections of the simulation share. */
#define BYTES_MAX ((size_t)64 * 1024 * 1024)
#define CUTS_MAX 16

/* What is in the heap: a timer, or an event of ours. */
struct item {
	uint64_t time_ns;
	uint64_t order;
	struct timer *timer; /* or */
	struct event *event;
};

struct event {
	struct loop *loop;
	loop_task_fn fn;
	void *data;
};

struct cut {
	const char *one;
	const char *other;
};

struct sim_net {
	uint64_t now_ns;
	uint64_t order;
	uint64_t random[2];
	uint64_t trace;
	uint64_t latency_ns;
	uint64_t jitter_ns;
	struct item *heap; /* from 1 */
	size_t count;
	size_t cap;
	struct list loops;
	struct list listens;
	struct list conns;
	struct cut cuts[CUTS_MAX];
	size_t cut_count;
	int next_fd;
	struct list arrivals; /* accepted connections that nobody made a stream of yet */
	const char *next_name;
};

struct loop {
	struct list node;
	struct sim_net *net;
	const char *name;
	bool is_stopped;
	bool is_killed;
	struct list held; /* struct held, of a stopped loop */
	struct list tasks;
	struct list late_tasks;
	struct list garbage;
	struct buf scratch;
	bool is_ended;
	uint16_t next_port;
};

struct held {
	struct list node;
	struct timer *timer;
	struct event *event;
};

/* For the trace. */
void sim_note(struct sim_net *net, uint64_t what);

/* fn runs in the loop's turn; until then the event may be taken back. */
struct event *sim_event_add(struct loop *loop, uint64_t wait_ns, loop_task_fn fn, void *data);
void sim_event_cancel(struct event *event);

/* What never happens gives back what it holds. */
void sim_event_drop(struct event *event);

/* Streams that were closed within the turn. */
void sim_garbage_free(struct loop *loop);

/* Connections that are left when all loops are gone. */
void sim_conns_free(struct sim_net *net);

#endif
