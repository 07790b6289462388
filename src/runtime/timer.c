/* An intrusive binary heap: heap[1] is the earliest, the children of i are 2i and 2i+1, and every
 * timer knows its place, so moving and stopping one is O(log n) without a search. */
#include "src/runtime/timer.h"

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/runtime/loop_internal.h"
#include "src/runtime/timer_internal.h"

#define TIMER_HEAP_FIRST ((size_t)64)

void timer_init(struct timer *timer, struct loop *loop, timer_fn fn, void *data)
{
	*timer = (struct timer){.loop_ = loop, .fn_ = fn, .data_ = data};
}

static void timer_put(struct loop *loop, size_t place, struct timer *timer)
{
	loop->heap[place] = timer;
	timer->place_ = place;
}

static void timer_sift_up(struct loop *loop, struct timer *timer)
{
	size_t place = timer->place_;

	while (place > 1 && loop->heap[place / 2]->deadline_ns > timer->deadline_ns) {
		timer_put(loop, place, loop->heap[place / 2]);
		place /= 2;
	}
	timer_put(loop, place, timer);
}

static void timer_sift_down(struct loop *loop, struct timer *timer)
{
	size_t place = timer->place_;
	size_t child;

	while ((child = place * 2) <= loop->heap_count) {
		if (child < loop->heap_count &&
		    loop->heap[child + 1]->deadline_ns < loop->heap[child]->deadline_ns)
			child++;
		if (loop->heap[child]->deadline_ns >= timer->deadline_ns)
			break;
		timer_put(loop, place, loop->heap[child]);
		place = child;
	}
	timer_put(loop, place, timer);
}

static void timer_insert(struct loop *loop, struct timer *timer)
{
	if (loop->heap_count + 1 >= loop->heap_cap) {
		loop->heap_cap = loop->heap_cap ? loop->heap_cap * 2 : TIMER_HEAP_FIRST;
		loop->heap = mem_resize_array(loop->heap, loop->heap_cap, sizeof(struct timer *));
	}
	loop->heap_count++;
	timer->place_ = loop->heap_count;
	timer_sift_up(loop, timer);
}

void timer_start(struct timer *timer, uint64_t deadline_ns)
{
	uint64_t before_ns = timer->deadline_ns;

	if (deadline_ns == DEADLINE_NEVER) {
		timer_stop(timer);
		return;
	}
	timer->deadline_ns = deadline_ns;
	if (!timer->place_)
		timer_insert(timer->loop_, timer);
	else if (deadline_ns < before_ns)
		timer_sift_up(timer->loop_, timer);
	else
		timer_sift_down(timer->loop_, timer);
}

void timer_start_in(struct timer *timer, uint64_t wait_ms)
{
	uint64_t wait_ns;

	if (__builtin_mul_overflow(wait_ms, NS_PER_MS, &wait_ns))
		wait_ns = DEADLINE_NEVER;
	timer_start(timer, clock_deadline(loop_now_ns(timer->loop_), wait_ns));
}

void timer_stop(struct timer *timer)
{
	struct loop *loop = timer->loop_;
	struct timer *last;

	if (!timer->place_)
		return;
	BUG_ON(loop->heap[timer->place_] != timer);
	last = loop->heap[loop->heap_count];
	loop->heap_count--;
	if (last != timer) {
		last->place_ = timer->place_;
		timer_sift_up(loop, last);
		timer_sift_down(loop, last);
	}
	timer->place_ = 0;
}

bool timer_is_set(const struct timer *timer)
{
	return timer->place_ != 0;
}

void timer_run_due(struct loop *loop)
{
	/* A callback that sets its timer to "now" must not keep the turn from ending. */
	size_t left = loop->heap_count;

	while (left-- && loop->heap_count && loop->heap[1]->deadline_ns <= loop->now_ns) {
		struct timer *timer = loop->heap[1];

		timer_stop(timer);
		timer->fn_(timer->data_);
	}
}

uint64_t timer_earliest_ns(const struct loop *loop)
{
	return loop->heap_count ? loop->heap[1]->deadline_ns : DEADLINE_NEVER;
}
