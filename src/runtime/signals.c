#include "src/runtime/signals.h"

#include <signal.h>

#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/runtime/loop_internal.h"

#define SIGNALS_MAGIC 0x7369676eU
#define SIGNALS_COUNT 3

struct signals {
	unsigned magic;
	unsigned open_count; /* handles whose close callback is still to come */
	struct loop *loop;
	signals_fn fn;
	void *data;
	uv_signal_t handles[SIGNALS_COUNT];
};

static void on_signal(uv_signal_t *handle, int signal_number)
{
	struct signals *signals = OBJ_CAST(struct signals, SIGNALS_MAGIC, handle->data);

	loop_enter(signals->loop);
	if (signals->fn)
		signals->fn(signals->data, signal_number);
}

struct signals *signals_start(struct loop *loop, signals_fn fn, void *data)
{
	static const int numbers[SIGNALS_COUNT] = {SIGTERM, SIGINT, SIGHUP};
	struct signals *signals = mem_new(struct signals);

	signals->magic = SIGNALS_MAGIC;
	signals->loop = loop;
	signals->fn = fn;
	signals->data = data;
	for (unsigned i = 0; i < SIGNALS_COUNT; i++) {
		/* Fail only without descriptors or memory at start-up, or for a bad number. */
		BUG_ON(uv_signal_init(&loop->uv, &signals->handles[i]) != 0);
		signals->handles[i].data = signals;
		BUG_ON(uv_signal_start(&signals->handles[i], on_signal, numbers[i]) != 0);
		signals->open_count++;
	}
	BUG_ON(signal(SIGPIPE, SIG_IGN) == SIG_ERR);
	return signals;
}

static void on_signal_closed(uv_handle_t *handle)
{
	struct signals *signals = OBJ_CAST(struct signals, SIGNALS_MAGIC, handle->data);

	if (--signals->open_count == 0)
		mem_free(signals);
}

void signals_stop(struct signals *signals)
{
	if (!signals)
		return;
	signals->fn = NULL;
	for (unsigned i = 0; i < SIGNALS_COUNT; i++)
		uv_close((uv_handle_t *)&signals->handles[i], on_signal_closed);
}
