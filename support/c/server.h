#ifndef HEADGATE_SUPPORT_C_SERVER_H
#define HEADGATE_SUPPORT_C_SERVER_H

#include <grpc/grpc.h>
#include <stdatomic.h>

#include "support/c/action_type.h"
#include "support/c/crdt_type.h"
#include "support/c/error.h"
#include "support/c/timers.h"
#include "support/c/type.h"

/* The gRPC server: one completion queue, drained by `threads` threads. */

struct hg_server_params {
	const struct hg_type *const *types; /* borrowed while the server lives */
	size_t type_count;
	const struct hg_action_type *const *action_types; /* likewise */
	size_t action_type_count;
	const struct hg_crdt_type *const *crdt_types; /* likewise */
	size_t crdt_type_count;
	struct headgate_bytes entity_spec; /* the answer to discover; borrowed likewise */
	const char *address;		   /* as gRPC writes them; borrowed during the call */
	unsigned threads;
	size_t max_message_bytes;
	unsigned stop_grace_ms;
	struct hg_log log;
};

/* What calls need of it is readable; the rest is the server's own. */
struct hg_server {
	struct hg_server_params params;
	grpc_server *grpc;
	grpc_completion_queue *queue;
	int port;
	int signal_fd; /* a signalfd that also stops the server; -1 = none; not owned */
	atomic_bool is_stopping;
	struct hg_timers timers;
	/* Everything that will still post to the queue: calls waited for, calls alive, and one for
	 * the shutdown. At 0 nobody can start another batch, which is when the queue may go. */
	atomic_size_t pending_;
	int stop_fd_;
	int done_fd_;
	bool was_run_;
};

/* Binds. Returns 0 and an owned server, or -1 and the reason. */
int hg_server_new(const struct hg_server_params *params, struct hg_server **ret_server,
		  struct headgate_error *err);

/* Serves until hg_server_stop; as headgate_function_run. */
int hg_server_run(struct hg_server *server, struct headgate_error *err);

/* Async-signal-safe. */
void hg_server_stop(struct hg_server *server);

void hg_server_free(struct hg_server *server);

/* One more, one less that will post to the queue. */
void hg_server_hold(struct hg_server *server);
void hg_server_release(struct hg_server *server);

#endif
