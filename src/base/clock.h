#ifndef HEADGATE_SRC_BASE_CLOCK_H
#define HEADGATE_SRC_BASE_CLOCK_H

#include <stdint.h>

#define NS_PER_MS ((uint64_t)1000000)
#define NS_PER_S ((uint64_t)1000000000)

/* Never a deadline: later than every clock reading. */
#define DEADLINE_NEVER UINT64_MAX

/* CLOCK_MONOTONIC in nanoseconds; for waits and deadlines. */
uint64_t clock_mono_ns(void);

/* Milliseconds since 1970 in UTC; for what is stored or shown. */
uint64_t clock_wall_ms(void);

/* now + wait, or DEADLINE_NEVER when the sum does not fit. */
static inline uint64_t clock_deadline(uint64_t now_ns, uint64_t wait_ns)
{
	uint64_t sum;

	return __builtin_add_overflow(now_ns, wait_ns, &sum) ? DEADLINE_NEVER : sum;
}

#endif
