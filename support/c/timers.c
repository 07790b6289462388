/* A binary heap: the parent of place p is p / 2, and no later than p. */

#include "support/c/timers.h"

#include <stdlib.h>
#include <time.h>

#define FIRST_CAPACITY 64

/* Longer waits would overflow sums and help nobody. */
#define WAIT_MS_MAX ((int64_t)1000 * 60 * 60 * 24 * 365)

void hg_timers_init(struct hg_timers *timers)
{
	*timers = (struct hg_timers){0};
	(void)pthread_mutex_init(&timers->mutex_, NULL); /* cannot fail with default attributes */
}

void hg_timers_fini(struct hg_timers *timers)
{
	(void)pthread_mutex_destroy(&timers->mutex_); /* nobody holds it any more */
	free(timers->heap_);
}

int64_t hg_timers_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail with this clock */
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void put(struct hg_timers *timers, struct hg_timer *timer, size_t place)
{
	timers->heap_[place] = timer;
	timer->place_ = place;
}

static void rise(struct hg_timers *timers, struct hg_timer *timer, size_t place)
{
	for (; place > 1 && timers->heap_[place / 2]->due_ms > timer->due_ms; place /= 2)
		put(timers, timers->heap_[place / 2], place);
	put(timers, timer, place);
}

static void sink(struct hg_timers *timers, struct hg_timer *timer, size_t place)
{
	for (;;) {
		size_t child = place * 2;

		if (child > timers->count_)
			break;
		if (child < timers->count_ &&
		    timers->heap_[child + 1]->due_ms < timers->heap_[child]->due_ms)
			child++;
		if (timers->heap_[child]->due_ms >= timer->due_ms)
			break;
		put(timers, timers->heap_[child], place);
		place = child;
	}
	put(timers, timer, place);
}

static void take_out(struct hg_timers *timers, struct hg_timer *timer)
{
	size_t place = timer->place_;
	struct hg_timer *last = timers->heap_[timers->count_--];

	timer->place_ = 0;
	if (last == timer)
		return;
	sink(timers, last, place);
	rise(timers, last, last->place_);
}

/* Place 0 stays empty. */
static bool make_room(struct hg_timers *timers)
{
	size_t capacity = timers->capacity_ ? timers->capacity_ * 2 : FIRST_CAPACITY;

	if (timers->count_ + 1 < timers->capacity_)
		return true;
	struct hg_timer **heap = realloc(timers->heap_, capacity * sizeof(struct hg_timer *));
	if (!heap)
		return false;
	timers->heap_ = heap;
	timers->capacity_ = capacity;
	return true;
}

bool hg_timers_set(struct hg_timers *timers, struct hg_timer *timer, int64_t wait_ms)
{
	bool is_set;

	(void)pthread_mutex_lock(&timers->mutex_); /* fails only when misused, here and below */
	is_set = make_room(timers);
	if (is_set) {
		timer->due_ms =
			hg_timers_now_ms() + (wait_ms < WAIT_MS_MAX ? wait_ms : WAIT_MS_MAX);
		rise(timers, timer, ++timers->count_);
	}
	(void)pthread_mutex_unlock(&timers->mutex_);
	return is_set;
}

bool hg_timers_cancel(struct hg_timers *timers, struct hg_timer *timer)
{
	bool was_set;

	(void)pthread_mutex_lock(&timers->mutex_);
	was_set = timer->place_ > 0;
	if (was_set)
		take_out(timers, timer);
	(void)pthread_mutex_unlock(&timers->mutex_);
	return was_set;
}

int64_t hg_timers_next_ms(struct hg_timers *timers)
{
	int64_t next_ms;

	(void)pthread_mutex_lock(&timers->mutex_);
	next_ms = timers->count_ > 0 ? timers->heap_[1]->due_ms : -1;
	(void)pthread_mutex_unlock(&timers->mutex_);
	return next_ms;
}

void *hg_timers_take(struct hg_timers *timers)
{
	void *data = NULL;

	(void)pthread_mutex_lock(&timers->mutex_);
	if (timers->count_ > 0 && timers->heap_[1]->due_ms <= hg_timers_now_ms()) {
		data = timers->heap_[1]->data;
		take_out(timers, timers->heap_[1]);
	}
	(void)pthread_mutex_unlock(&timers->mutex_);
	return data;
}
