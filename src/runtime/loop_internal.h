#ifndef HEADGATE_SRC_RUNTIME_LOOP_INTERNAL_H
#define HEADGATE_SRC_RUNTIME_LOOP_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "src/base/buf.h"
#include "src/base/list.h"
#include "src/runtime/loop.h"

/* What the files of src/runtime share; nobody else includes it. */
struct timer;

#define LOOP_MAGIC 0x6c6f6f70U

struct loop {
	unsigned magic;
	uv_loop_t uv;
	uv_prepare_t prepare; /* the end of a turn: timers, tasks, writes */
	uv_timer_t wake;  /* bounds the poll by the earliest deadline; its callback does nothing */
	bool is_in_turn;  /* now_ns is that of a running turn */
	bool is_stepping; /* loop_run_until ends the turns itself */
	uint64_t now_ns;
	uint64_t longest_turn_ns;
	uint64_t wake_deadline_ns; /* what wake is set to; DEADLINE_NEVER: stopped */

	struct list tasks;
	struct list trunk_writes; /* after each read of a trunk; the rest before late tasks */
	struct list
		late_tasks;  /* writes: after all tasks, so that a turn's output leaves at once */
	struct list garbage; /* closed objects, freed when no frame of this turn can hold them */

	/* Binary heap of timers, places from 1; heap[0] is not used. */
	struct timer **heap;
	size_t heap_count;
	size_t heap_cap;

	/* Bytes being read or produced; never both at once, empty between callbacks. */
	struct buf scratch;

	struct list processes;
	uv_signal_t *child_signal; /* SIGCHLD; NULL until the first process */
};

/* Every entry from libuv calls this first: the first one of a turn reads the clock. */
void loop_enter(struct loop *loop);

/* Like loop_task_schedule, but after all ordinary tasks of the tick end. */
void loop_task_schedule_late(struct loop *loop, struct loop_task *task);

/* The write of a trunk: see stream_set_trunk. */
void loop_task_schedule_trunk(struct loop *loop, struct loop_task *task);
void loop_run_trunk_writes(struct loop *loop);

/* Frees the object whose first member is node at the end of the turn. */
void loop_defer_free(struct loop *loop, struct list *node);

#endif
