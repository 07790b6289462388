#ifndef HEADGATE_SRC_RUNTIME_LOOP_H
#define HEADGATE_SRC_RUNTIME_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/list.h"
#include "src/base/status.h"

/* One event loop on one thread. Everything that waits hangs off it; nothing in it may block.
 * A turn is: poll, timers and I/O callbacks, then the tasks scheduled meanwhile (tick end). */
struct loop;
struct error;

MUST_CHECK enum status loop_new(struct loop **ret_loop, struct error *err);

/* Everything that was started on the loop must have been stopped. NULL is a no-op. */
void loop_free(struct loop *loop);

/* Runs until loop_stop. May be called again afterwards. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Runs turns until is_done(data) is true or the monotonic deadline passed; returns is_done(data).
 * For start-up, shutdown and tests, never inside a callback. */
bool loop_run_until(struct loop *loop, bool (*is_done)(void *data), void *data,
		    uint64_t deadline_ns);

/* CLOCK_MONOTONIC as of the beginning of this turn. */
uint64_t loop_now_ns(const struct loop *loop);

/* Longest time one turn spent in callbacks since the last call, in ns; resets the record. */
uint64_t loop_take_longest_turn_ns(struct loop *loop);

/* Work put off to the end of this turn, before the next poll. A task scheduled by a task runs in
 * the same tick end; scheduling twice runs it once. After cancel, no callback. */
typedef void (*loop_task_fn)(void *data);
struct loop_task {
	struct list node_;
	loop_task_fn fn_;
	void *data_;
};
void loop_task_init(struct loop_task *task, loop_task_fn fn, void *data);
void loop_task_schedule(struct loop *loop, struct loop_task *task);
void loop_task_cancel(struct loop_task *task);

#endif
