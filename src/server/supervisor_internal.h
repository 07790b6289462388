#ifndef HEADGATE_SRC_SERVER_SUPERVISOR_INTERNAL_H
#define HEADGATE_SRC_SERVER_SUPERVISOR_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/list.h"
#include "src/config/config.h"
#include "src/runtime/address.h"
#include "src/runtime/loop.h"
#include "src/runtime/timer.h"
#include "src/server/supervisor.h"

/* What the files of the supervisor share. */
struct embedded;
struct error;
struct listener;
struct metrics;
struct process;
struct signals;
struct worker_ask;

/* Longest path of a worker's socket: a directory of /tmp and a number. */
#define SUPERVISOR_PATH_MAX 512

/* A worker that has not answered for so long is named as silent. */
#define SUPERVISOR_ANSWER_MS ((uint64_t)1000)

struct worker {
	struct supervisor *supervisor;
	unsigned number;
	struct process *process; /* NULL: left, and started again by the timer */
	struct timer timer;
	uint64_t backoff_ms;
	uint64_t started_ns;
	uint64_t restarts;
	char socket[SUPERVISOR_PATH_MAX];
};

struct supervisor {
	struct supervisor_params params;
	struct loop *loop;
	struct metrics *metrics;
	struct signals *signals;
	struct embedded *embedded; /* NULL: the journal is somebody else's */
	struct listener *admin;
	struct listener *metrics_only;
	struct list pages; /* being put together */
	struct timer end_timer;
	char listen[ADDRESS_HOST_MAX + 16];  /* with the port that was found; "" as configured */
	char directory[SUPERVISOR_PATH_MAX]; /* of the sockets; "" not made yet */
	struct worker workers[CONFIG_WORKERS_MAX];
	/* the workers are started anew, one by one */
	bool is_renewing;
	unsigned renewed; /* the one at hand */
	struct worker_ask *renew_ask;
	struct timer renew_timer;
	uint64_t renew_deadline_ns;
	bool has_begun; /* the workers may be started */
	bool is_ending;
	int exit_code;
};

/* supervisor.c */
void supervisor_start_worker(struct worker *worker);

/* supervisor_pages.c */
MUST_CHECK enum status supervisor_open_pages(struct supervisor *s, struct error *err);
void supervisor_close_pages(struct supervisor *s);

/* supervisor_renew.c: the next worker is asked to leave once the one before is ready. */
void supervisor_renew(struct supervisor *s);
void supervisor_renew_on_exit(struct worker *worker);
void supervisor_renew_stop(struct supervisor *s);

#endif
