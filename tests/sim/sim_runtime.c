#include "tests/sim/sim_runtime.h"

#include <sys/random.h>

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "tests/sim/sim_runtime_internal.h"

#define EPOCH_MS ((uint64_t)1700000000000)

static struct sim_net *the_net; /* what clock.h and getrandom(2) speak of */

/* ---- chance ---------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15U);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
	return z ^ (z >> 31);
}

uint64_t sim_random(struct sim_net *net, uint64_t below)
{
	return mix(&net->random[0]) % below;
}

bool sim_one_in(struct sim_net *net, uint64_t n)
{
	return sim_random(net, n) == 0;
}

/* In place of the kernel's, for everything that is linked here. */
ssize_t getrandom(void *out, size_t n, unsigned flags)
{
	uint8_t *at = out;

	(void)flags;
	for (size_t i = 0; i < n; i++)
		at[i] = the_net ? (uint8_t)mix(&the_net->random[1]) : 0x5a;
	return (ssize_t)n;
}

void sim_note(struct sim_net *net, uint64_t what)
{
	net->trace = (net->trace ^ what) * 0x100000001b3U;
	net->trace ^= net->trace >> 29;
}

uint64_t sim_trace(const struct sim_net *net)
{
	return net->trace;
}

/* ---- clock ----------------------------------------------------------------------------------- */

uint64_t clock_mono_ns(void)
{
	return the_net ? the_net->now_ns : NS_PER_S;
}

uint64_t clock_wall_ms(void)
{
	return EPOCH_MS + clock_mono_ns() / NS_PER_MS;
}

uint64_t sim_now_ns(const struct sim_net *net)
{
	return net->now_ns;
}

/* ---- heap ------------------------------------------------------------------------------------ */

static bool is_before(const struct item *a, const struct item *b)
{
	return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->order < b->order;
}

static void place(struct sim_net *net, size_t at, struct item item)
{
	net->heap[at] = item;
	if (item.timer)
		item.timer->place_ = at;
}

static void sift_up(struct sim_net *net, size_t at, struct item item)
{
	for (; at > 1 && is_before(&item, &net->heap[at / 2]); at /= 2)
		place(net, at, net->heap[at / 2]);
	place(net, at, item);
}

static void sift_down(struct sim_net *net, size_t at, struct item item)
{
	for (;;) {
		size_t child = 2 * at;

		if (child > net->count)
			break;
		if (child < net->count && is_before(&net->heap[child + 1], &net->heap[child]))
			child++;
		if (!is_before(&net->heap[child], &item))
			break;
		place(net, at, net->heap[child]);
		at = child;
	}
	place(net, at, item);
}

static void heap_add(struct sim_net *net, struct item item)
{
	if (net->count + 1 >= net->cap) {
		net->cap = net->cap ? 2 * net->cap : 256;
		net->heap = mem_resize_array(net->heap, net->cap, sizeof(*net->heap));
	}
	item.order = ++net->order;
	sift_up(net, ++net->count, item);
}

static void heap_remove(struct sim_net *net, size_t at)
{
	struct item last = net->heap[net->count--];

	if (net->heap[at].timer)
		net->heap[at].timer->place_ = 0;
	if (at > net->count)
		return;
	if (at > 1 && is_before(&last, &net->heap[at / 2]))
		sift_up(net, at, last);
	else
		sift_down(net, at, last);
}

struct event *sim_event_add(struct loop *loop, uint64_t wait_ns, loop_task_fn fn, void *data)
{
	struct event *event = mem_new(struct event);

	*event = (struct event){.loop = loop, .fn = fn, .data = data};
	heap_add(loop->net, (struct item){.time_ns = loop->net->now_ns + wait_ns, .event = event});
	return event;
}

void sim_event_cancel(struct event *event)
{
	struct sim_net *net = event->loop->net;

	for (size_t i = 1; i <= net->count; i++) {
		if (net->heap[i].event != event)
			continue;
		heap_remove(net, i);
		mem_free(event);
		return;
	}
	list_for_each_safe (it, &event->loop->held) {
		struct held *held = list_entry(it, struct held, node);

		if (held->event != event)
			continue;
		list_remove(it);
		mem_free(held->event);
		mem_free(held);
		return;
	}
}

/* ---- timers ---------------------------------------------------------------------------------- */

void timer_init(struct timer *timer, struct loop *loop, timer_fn fn, void *data)
{
	*timer = (struct timer){.loop_ = loop, .fn_ = fn, .data_ = data};
}

static void unhold(struct loop *loop, const struct timer *timer)
{
	list_for_each_safe (it, &loop->held) {
		struct held *held = list_entry(it, struct held, node);

		if (held->timer != timer)
			continue;
		list_remove(it);
		mem_free(held);
	}
}

#define HELD_PLACE SIZE_MAX /* due, but its loop is stopped */

void timer_stop(struct timer *timer)
{
	if (timer->place_ == HELD_PLACE)
		unhold(timer->loop_, timer);
	else if (timer->place_)
		heap_remove(timer->loop_->net, timer->place_);
	timer->place_ = 0;
}

void timer_start(struct timer *timer, uint64_t deadline_ns)
{
	struct sim_net *net = timer->loop_->net;

	timer_stop(timer);
	timer->deadline_ns = deadline_ns;
	if (deadline_ns == DEADLINE_NEVER || timer->loop_->is_killed)
		return;
	heap_add(net, (struct item){
			      .time_ns = deadline_ns > net->now_ns ? deadline_ns : net->now_ns,
			      .timer = timer,
		      });
}

void timer_start_in(struct timer *timer, uint64_t wait_ms)
{
	timer_start(timer, clock_deadline(timer->loop_->net->now_ns, wait_ms * NS_PER_MS));
}

bool timer_is_set(const struct timer *timer)
{
	return timer->place_ != 0;
}

/* ---- tasks and turns ------------------------------------------------------------------------- */

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

void loop_task_cancel(struct loop_task *task)
{
	list_remove(&task->node_);
}

static void run_tasks(struct loop *loop)
{
	for (;;) {
		struct list *node = list_pop_front(&loop->tasks);

		if (!node)
			node = list_pop_front(&loop->late_tasks);
		if (!node)
			return;
		struct loop_task *task = list_entry(node, struct loop_task, node_);

		task->fn_(task->data_);
	}
}

static void end_turn(struct loop *loop)
{
	run_tasks(loop);
	sim_garbage_free(loop);
}

static void hold(struct loop *loop, const struct item *item)
{
	struct held *held = mem_new(struct held);

	held->timer = item->timer;
	held->event = item->event;
	if (held->timer)
		held->timer->place_ = HELD_PLACE;
	list_push_back(&loop->held, &held->node);
}

static void run_item(struct loop *loop, struct timer *timer, struct event *event)
{
	if (timer) {
		timer->place_ = 0;
		timer->fn_(timer->data_);
	} else {
		loop_task_fn fn = event->fn;
		void *data = event->data;

		mem_free(event);
		fn(data);
	}
	end_turn(loop);
}

bool sim_step(struct sim_net *net)
{
	struct item item;
	struct loop *loop;

	if (net->count == 0)
		return false;
	item = net->heap[1];
	heap_remove(net, 1);
	loop = item.timer ? item.timer->loop_ : item.event->loop;
	if (item.time_ns > net->now_ns)
		net->now_ns = item.time_ns;
	sim_note(net, net->now_ns * 31 + (uint64_t)loop->name[0] * 7 + (uint64_t)loop->name[1] +
			      (item.timer ? 1 : 0));
	if (loop->is_killed) {
		if (item.timer)
			item.timer->place_ = 0;
		else
			sim_event_drop(item.event);
	} else if (loop->is_stopped) {
		hold(loop, &item);
	} else {
		run_item(loop, item.timer, item.event);
	}
	return true;
}

/* ---- loops ----------------------------------------------------------------------------------- */

struct loop *sim_loop_new(struct sim_net *net, const char *name)
{
	struct loop *loop = mem_new(struct loop);

	*loop = (struct loop){.net = net, .name = name, .next_port = 20000};
	list_init(&loop->held);
	list_init(&loop->tasks);
	list_init(&loop->late_tasks);
	list_init(&loop->garbage);
	buf_init(&loop->scratch, BYTES_MAX);
	list_push_back(&net->loops, &loop->node);
	return loop;
}

static void drop_events(struct loop *loop)
{
	struct sim_net *net = loop->net;
	struct list *node;

	for (size_t i = net->count; i > 0; i--) {
		struct event *event = net->heap[i].event;
		bool is_ours = event ? event->loop == loop : net->heap[i].timer->loop_ == loop;

		if (!is_ours)
			continue;
		heap_remove(net, i);
		if (event)
			sim_event_drop(event);
		if (i <= net->count)
			i++; /* another item took its place */
	}
	while ((node = list_pop_front(&loop->held))) {
		struct held *held = list_entry(node, struct held, node);

		if (held->timer)
			held->timer->place_ = 0;
		if (held->event)
			sim_event_drop(held->event);
		mem_free(held);
	}
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	end_turn(loop);
	drop_events(loop);
	list_remove(&loop->node);
	buf_fini(&loop->scratch);
	mem_free(loop);
}

void sim_loop_name_next(struct sim_net *net, const char *name)
{
	net->next_name = name;
}

enum status loop_new(struct loop **ret_loop, struct error *err)
{
	(void)err;
	*ret_loop = sim_loop_new(the_net, the_net->next_name);
	return ST_OK;
}

/* sim_step runs all loops. */
void loop_run(struct loop *loop)
{
	(void)loop;
	bug_abort("loop_run in a simulation", __FILE__, __LINE__);
}

void loop_stop(struct loop *loop)
{
	loop->is_ended = true;
}

bool sim_loop_is_ended(const struct loop *loop)
{
	return loop->is_ended;
}

uint64_t loop_now_ns(const struct loop *loop)
{
	return loop->net->now_ns;
}

uint64_t loop_take_longest_turn_ns(struct loop *loop)
{
	(void)loop;
	return 0;
}

void sim_loop_call(struct loop *loop, uint64_t wait_ns, loop_task_fn fn, void *data)
{
	(void)sim_event_add(loop, wait_ns, fn, data);
}

void sim_loop_stop(struct loop *loop)
{
	loop->is_stopped = true;
}

void sim_loop_continue(struct loop *loop)
{
	struct list held;
	struct list *node;

	loop->is_stopped = false;
	list_init(&held);
	list_splice_back(&held, &loop->held);
	while ((node = list_pop_front(&held))) {
		struct held *one = list_entry(node, struct held, node);
		struct item item = {
			.time_ns = loop->net->now_ns, .timer = one->timer, .event = one->event};

		heap_add(loop->net, item);
		mem_free(one);
	}
}

bool sim_loop_is_stopped(const struct loop *loop)
{
	return loop->is_stopped;
}

/* ---- the net --------------------------------------------------------------------------------- */

struct sim_net *sim_net_new(uint64_t seed)
{
	struct sim_net *net = mem_new(struct sim_net);

	*net = (struct sim_net){
		.now_ns = NS_PER_S,
		.random = {seed * 2 + 1, ~seed},
		.latency_ns = 50000,
		.jitter_ns = 100000,
	};
	list_init(&net->loops);
	list_init(&net->listens);
	list_init(&net->conns);
	list_init(&net->arrivals);
	the_net = net;
	return net;
}

void sim_net_free(struct sim_net *net)
{
	if (!net)
		return;
	sim_conns_free(net);
	mem_free(net->heap);
	the_net = NULL;
	mem_free(net);
}
