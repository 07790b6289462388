#ifndef HEADGATE_SRC_SERVER_WORKER_ASK_H
#define HEADGATE_SRC_SERVER_WORKER_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/span.h"

/* One GET to a worker's admin socket, with a deadline. */
struct loop;
struct worker_ask;

struct worker_answer {
	int http_status;    /* 0: none came */
	bool is_silent;	    /* the deadline passed */
	struct span body;   /* borrowed until worker_ask_free */
	const char *reason; /* why none came */
};

typedef void (*worker_ask_fn)(void *data);

/* target is a literal: "/metrics". on_done comes once, later. */
struct worker_ask *worker_ask_start(struct loop *loop, const char *socket_path, const char *target,
				    uint64_t wait_ms, worker_ask_fn on_done, void *data);

/* After on_done. */
void worker_ask_answer(const struct worker_ask *ask, struct worker_answer *ret_answer);

/* At any time; no callback follows. NULL is a no-op. */
void worker_ask_free(struct worker_ask *ask);

#endif
