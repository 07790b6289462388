#ifndef HEADGATE_SRC_RUNTIME_TIMER_H
#define HEADGATE_SRC_RUNTIME_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;

/* A one-shot timer, embedded in its owner; tens of thousands are fine (heap, O(log n)). */
typedef void (*timer_fn)(void *data);
struct timer {
	struct loop *loop_;
	uint64_t deadline_ns; /* read only while it is set */
	size_t place_;	      /* 0: not set */
	timer_fn fn_;
	void *data_;
};

void timer_init(struct timer *timer, struct loop *loop, timer_fn fn, void *data);

/* Fires once at or after the monotonic deadline; setting again moves it. DEADLINE_NEVER stops it.
 */
void timer_start(struct timer *timer, uint64_t deadline_ns);

/* Fires once wait_ms from the beginning of this turn. */
void timer_start_in(struct timer *timer, uint64_t wait_ms);

/* After it returns, no callback. Harmless when the timer is not set. */
void timer_stop(struct timer *timer);

bool timer_is_set(const struct timer *timer);

#endif
