#ifndef HEADGATE_SRC_RUNTIME_TIMER_INTERNAL_H
#define HEADGATE_SRC_RUNTIME_TIMER_INTERNAL_H

#include "src/runtime/timer.h"

/* For loop.c only. */

/* Runs what was due at the beginning of this turn; what the callbacks set anew waits for the next.
 */
void timer_run_due(struct loop *loop);

/* The earliest deadline, DEADLINE_NEVER without timers. */
uint64_t timer_earliest_ns(const struct loop *loop);

#endif
