/* A watch is a uv_poll handle whose asynchronous close is hidden: it is freed by libuv's close
 * callback, never by the caller. */
#include "src/runtime/watch.h"

#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/runtime/loop_internal.h"

#define WATCH_MAGIC 0x77617463U

struct watch {
	unsigned magic;
	unsigned events;
	struct loop *loop;
	watch_fn fn;
	void *data;
	uv_poll_t poll;
};

static void watch_arm(struct watch *watch);

static void on_poll(uv_poll_t *poll, int poll_status, int poll_events)
{
	struct watch *watch = OBJ_CAST(struct watch, WATCH_MAGIC, poll->data);
	unsigned events = 0;

	loop_enter(watch->loop);
	if (poll_status < 0) {
		/* libuv has stopped the handle; stay level-triggered. */
		events = WATCH_HANGUP;
		watch_arm(watch);
	}
	if (poll_events & UV_READABLE)
		events |= WATCH_READABLE;
	if (poll_events & UV_WRITABLE)
		events |= WATCH_WRITABLE;
	if (poll_events & UV_DISCONNECT)
		events |= WATCH_HANGUP;
	watch->fn(watch->data, events);
}

static void watch_arm(struct watch *watch)
{
	int events = 0;

	if (watch->events & WATCH_READABLE)
		events |= UV_READABLE;
	if (watch->events & WATCH_WRITABLE)
		events |= UV_WRITABLE;
	if (watch->events & WATCH_HANGUP)
		events |= UV_DISCONNECT;
	BUG_ON(uv_poll_start(&watch->poll, events, on_poll) != 0);
}

struct watch *watch_start(struct loop *loop, int fd, unsigned events, watch_fn fn, void *data)
{
	struct watch *watch = mem_new(struct watch);

	watch->magic = WATCH_MAGIC;
	watch->events = events;
	watch->loop = loop;
	watch->fn = fn;
	watch->data = data;
	/* Fails for a descriptor that is closed, watched twice or a plain file: our bug. */
	BUG_ON(uv_poll_init(&loop->uv, &watch->poll, fd) != 0);
	watch->poll.data = watch;
	watch_arm(watch);
	return watch;
}

void watch_change(struct watch *watch, unsigned events)
{
	if (events == watch->events)
		return;
	watch->events = events;
	watch_arm(watch);
}

static void on_close(uv_handle_t *handle)
{
	struct watch *watch = OBJ_CAST(struct watch, WATCH_MAGIC, handle->data);

	watch->magic = 0;
	mem_free(watch);
}

void watch_stop(struct watch *watch)
{
	if (!watch)
		return;
	uv_close((uv_handle_t *)&watch->poll, on_close);
}
