/* The loop over libuv. A turn begins with the first callback after the poll and ends in the prepare
 * hook, which libuv runs before every poll:
 *
 *   poll -> I/O callbacks -> (prepare:) due timers -> tasks -> late tasks (writes) -> free garbage
 *
 * Tasks and late tasks repeat until both lists are empty. Writes of trunks (stream_set_trunk) are
 * late tasks too, but those that wait when a trunk has been read leave right then. Timers live in a
 * heap of ours: libuv's own timers have milliseconds and cost a handle each; its single timer only
 * ends the poll in time.
 */
#include "src/runtime/loop.h"

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/runtime/loop_internal.h"
#include "src/runtime/process_internal.h"
#include "src/runtime/stream.h"
#include "src/runtime/timer_internal.h"

/* A producer may pass STREAM_CHUNK_BYTES by what it cannot split. */
#define LOOP_SCRATCH_MAX (4 * STREAM_CHUNK_BYTES)

static void on_wake(uv_timer_t *wake)
{
	(void)wake; /* the due timers run in the prepare hook */
}

void loop_enter(struct loop *loop)
{
	if (loop->is_in_turn)
		return;
	loop->is_in_turn = true;
	loop->now_ns = clock_mono_ns();
}

static void loop_free_garbage(struct loop *loop)
{
	struct list *node;

	while ((node = list_pop_front(&loop->garbage)))
		mem_free(node);
}

static void loop_run_tasks(struct loop *loop)
{
	struct list *node;

	for (;;) {
		node = list_pop_front(&loop->tasks);
		if (!node)
			node = list_pop_front(&loop->trunk_writes);
		if (!node)
			node = list_pop_front(&loop->late_tasks);
		if (!node)
			return;

		struct loop_task *task = list_entry(node, struct loop_task, node_);

		task->fn_(task->data_);
	}
}

static void loop_end_turn(struct loop *loop)
{
	uint64_t elapsed_ns;

	loop_enter(loop);
	timer_run_due(loop);
	loop_run_tasks(loop);
	loop_free_garbage(loop);
	elapsed_ns = clock_mono_ns() - loop->now_ns;
	if (elapsed_ns > loop->longest_turn_ns)
		loop->longest_turn_ns = elapsed_ns;
	loop->is_in_turn = false;
}

/* Sets libuv's timer to the earliest deadline, rounded up to its milliseconds so that the turn
 * finds the timer due; but a timer that is due already asks for another turn at once. */
static void loop_arm(struct loop *loop)
{
	uint64_t deadline_ns = timer_earliest_ns(loop);
	uint64_t due_ms, now_ms;

	if (deadline_ns == loop->wake_deadline_ns && uv_is_active((uv_handle_t *)&loop->wake))
		return;
	loop->wake_deadline_ns = deadline_ns;
	if (deadline_ns == DEADLINE_NEVER) {
		(void)uv_timer_stop(&loop->wake); /* cannot fail on an initialised handle */
		return;
	}
	due_ms = deadline_ns <= loop->now_ns
			 ? 0
			 : deadline_ns / NS_PER_MS + (deadline_ns % NS_PER_MS != 0);
	now_ms = uv_now(&loop->uv);
	/* Fails only for a closing handle. */
	(void)uv_timer_start(&loop->wake, on_wake, due_ms > now_ms ? due_ms - now_ms : 0, 0);
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct loop *loop = OBJ_CAST(struct loop, LOOP_MAGIC, prepare->data);

	if (!loop->is_stepping)
		loop_end_turn(loop);
	loop_arm(loop);
}

enum status loop_new(struct loop **ret_loop, struct error *err)
{
	struct loop *loop = mem_new(struct loop);
	int rc = uv_loop_init(&loop->uv);

	if (rc) {
		mem_free(loop);
		return error_set(err, ST_UNAVAILABLE, "cannot make an event loop: %s",
				 uv_strerror(rc));
	}
	loop->magic = LOOP_MAGIC;
	loop->wake_deadline_ns = DEADLINE_NEVER;
	list_init(&loop->tasks);
	list_init(&loop->trunk_writes);
	list_init(&loop->late_tasks);
	list_init(&loop->garbage);
	list_init(&loop->processes);
	buf_init(&loop->scratch, LOOP_SCRATCH_MAX);
	/* Neither init nor start of these can fail. */
	(void)uv_prepare_init(&loop->uv, &loop->prepare);
	(void)uv_timer_init(&loop->uv, &loop->wake);
	loop->prepare.data = loop;
	loop->wake.data = loop;
	(void)uv_prepare_start(&loop->prepare, on_prepare);
	*ret_loop = loop;
	return ST_OK;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	BUG_ON(loop->is_in_turn); /* freed inside a callback */
	process_forget_all(loop);
	uv_close((uv_handle_t *)&loop->prepare, NULL);
	uv_close((uv_handle_t *)&loop->wake, NULL);
	/* Ends when the last closing handle and look-up is gone. */
	(void)uv_run(&loop->uv, UV_RUN_DEFAULT);
	loop->is_in_turn = false;
	BUG_ON(uv_loop_close(&loop->uv) != 0);
	BUG_ON(loop->heap_count != 0);
	loop_free_garbage(loop);
	buf_fini(&loop->scratch);
	mem_free(loop->heap);
	mem_free(loop);
}

void loop_run(struct loop *loop)
{
	(void)uv_run(&loop->uv, UV_RUN_DEFAULT); /* says only whether handles are left */
	loop_end_turn(loop);			 /* a stop from a callback leaves the turn open */
}

void loop_stop(struct loop *loop)
{
	uv_stop(&loop->uv);
}

static void on_until_deadline(void *data)
{
	(void)data; /* waking up is all it is for */
}

bool loop_run_until(struct loop *loop, bool (*is_done)(void *data), void *data,
		    uint64_t deadline_ns)
{
	struct timer bound;
	bool is_over;

	BUG_ON(loop->is_in_turn || loop->is_stepping);
	timer_init(&bound, loop, on_until_deadline, NULL);
	timer_start(&bound, deadline_ns);
	loop->is_stepping = true;
	for (;;) {
		loop_end_turn(loop);
		is_over = is_done(data);
		if (is_over || clock_mono_ns() >= deadline_ns)
			break;
		(void)uv_run(&loop->uv, UV_RUN_ONCE);
	}
	loop->is_stepping = false;
	timer_stop(&bound);
	return is_over;
}

uint64_t loop_now_ns(const struct loop *loop)
{
	return loop->is_in_turn ? loop->now_ns : clock_mono_ns();
}

uint64_t loop_take_longest_turn_ns(struct loop *loop)
{
	uint64_t longest_ns = loop->longest_turn_ns;

	loop->longest_turn_ns = 0;
	return longest_ns;
}

void loop_task_init(struct loop_task *task, loop_task_fn fn, void *data)
{
	list_init(&task->node_);
	task->fn_ = fn;
	task->data_ = data;
}

void loop_task_schedule(struct loop *loop, struct loop_task *task)
{
	if (!list_is_linked(&task->node_))
		list_push_back(&loop->tasks, &task->node_);
}

void loop_task_schedule_late(struct loop *loop, struct loop_task *task)
{
	if (!list_is_linked(&task->node_))
		list_push_back(&loop->late_tasks, &task->node_);
}

void loop_task_schedule_trunk(struct loop *loop, struct loop_task *task)
{
	if (!list_is_linked(&task->node_))
		list_push_back(&loop->trunk_writes, &task->node_);
}

void loop_run_trunk_writes(struct loop *loop)
{
	struct list *node;

	while ((node = list_pop_front(&loop->trunk_writes))) {
		struct loop_task *task = list_entry(node, struct loop_task, node_);

		task->fn_(task->data_);
	}
}

void loop_task_cancel(struct loop_task *task)
{
	list_remove(&task->node_);
}

void loop_defer_free(struct loop *loop, struct list *node)
{
	list_push_back(&loop->garbage, node);
}
