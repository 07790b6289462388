#ifndef HEADGATE_SUPPORT_C_TIMERS_H
#define HEADGATE_SUPPORT_C_TIMERS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Waits of calls, shared by the serving threads: each thread waits for the queue no longer than
 * until the earliest is due, and then takes what is due. All functions may be called on any thread.
 */
struct hg_timer {
	int64_t due_ms; /* of the monotonic clock */
	size_t place_;	/* in the heap, from 1; 0: not set */
	void *data;
};

struct hg_timers {
	pthread_mutex_t mutex_;
	struct hg_timer **heap_;
	size_t count_;
	size_t capacity_;
};

void hg_timers_init(struct hg_timers *timers);
void hg_timers_fini(struct hg_timers *timers);

int64_t hg_timers_now_ms(void);

/* Sets a timer that is not set. False when memory ran out. */
bool hg_timers_set(struct hg_timers *timers, struct hg_timer *timer, int64_t wait_ms)
	__attribute__((warn_unused_result));

/* True when it was set: nobody will take it then. */
bool hg_timers_cancel(struct hg_timers *timers, struct hg_timer *timer);

/* When the earliest is due; -1: none is set. */
int64_t hg_timers_next_ms(struct hg_timers *timers);

/* Takes one that is due and returns its data; NULL: none is. */
void *hg_timers_take(struct hg_timers *timers);

#endif
