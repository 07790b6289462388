#include "support/c/server.h"

#include <errno.h>
#include <grpc/grpc_security.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "support/c/action_call.h"
#include "support/c/call.h"

/* Calls that no request waits for queue up inside gRPC without a limit, so many wait: this many
 * streams may open between two turns of the loop. */
#define AWAITED_CALLS 128

/* The proxy's init carries a snapshot of up to max_message_bytes and a few fields around it. */
#define RECEIVE_SLACK ((size_t)4 * 1024 * 1024)

struct serving_thread {
	struct hg_server *server;
	struct hg_worker worker;
	pthread_t id;
	bool is_started;
};

/* ---- Life -------------------------------------------------------------------------------------
 */

void hg_server_hold(struct hg_server *server)
{
	atomic_fetch_add_explicit(&server->pending_, 1, memory_order_relaxed);
}

static void wake(int fd)
{
	uint64_t one = 1;
	ssize_t written;

	do {
		written = write(fd, &one, sizeof one);
	} while (written < 0 && errno == EINTR); /* EAGAIN: it is awake already */
}

void hg_server_release(struct hg_server *server)
{
	if (atomic_fetch_sub_explicit(&server->pending_, 1, memory_order_acq_rel) != 1)
		return;
	grpc_completion_queue_shutdown(server->queue);
	wake(server->done_fd_);
}

static grpc_arg integer_arg(const char *key, int value)
{
	return (grpc_arg){
		.type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)key, .value.integer = value};
}

static grpc_server *create_server(size_t max_message_bytes)
{
	size_t receive_max = max_message_bytes + RECEIVE_SLACK;
	grpc_arg list[] = {
		integer_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, (int)receive_max),
		integer_arg(GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, -1),
		/* a second start on the same port must fail, not share it */
		integer_arg(GRPC_ARG_ALLOW_REUSEPORT, 0),
		/* proxies watch an idle connection by pinging; gRPC would hang up on them */
		integer_arg(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0),
		integer_arg(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
	};
	grpc_channel_args args;

	args.num_args = sizeof list / sizeof list[0];
	args.args = list;
	return grpc_server_create(&args, NULL);
}

static int bind_address(struct hg_server *server, const char *address, struct headgate_error *err)
{
	grpc_server_credentials *credentials = grpc_insecure_server_credentials_create();

	server->port = grpc_server_add_http2_port(server->grpc, address, credentials);
	grpc_server_credentials_release(credentials);
	if (server->port == 0)
		return hg_error(err, "cannot listen on %s", address);
	if (strncmp(address, "unix:", 5) == 0)
		server->port = 0;
	return 0;
}

int hg_server_new(const struct hg_server_params *params, struct hg_server **ret_server,
		  struct headgate_error *err)
{
	struct hg_server *server = calloc(1, sizeof *server);

	if (!server)
		return hg_error(err, "out of memory");
	grpc_init();
	server->params = *params;
	server->params.address = NULL; /* borrowed during this call only */
	server->signal_fd = -1;
	server->stop_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	server->done_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	hg_timers_init(&server->timers);
	server->grpc = create_server(params->max_message_bytes);
	server->queue = grpc_completion_queue_create_for_next(NULL);
	atomic_init(&server->pending_, 1);
	grpc_server_register_completion_queue(server->grpc, server->queue, NULL);
	if (server->stop_fd_ < 0 || server->done_fd_ < 0) {
		(void)hg_error(err, "eventfd: %s", strerror(errno));
		goto fail;
	}
	if (bind_address(server, params->address, err))
		goto fail;
	*ret_server = server;
	return 0;
fail:
	hg_server_free(server);
	return -1;
}

static gpr_timespec never(void)
{
	return gpr_inf_future(GPR_CLOCK_REALTIME);
}

/* A server that was made but never run still has to be shut down before gRPC lets it go. */
static void shut_down_unused(struct hg_server *server)
{
	grpc_server_shutdown_and_notify(server->grpc, server->queue, server);
	grpc_server_cancel_all_calls(server->grpc);
	(void)grpc_completion_queue_next(server->queue, never(), NULL); /* only that can come */
	grpc_completion_queue_shutdown(server->queue);
	while (grpc_completion_queue_next(server->queue, never(), NULL).type != GRPC_QUEUE_SHUTDOWN)
		continue;
}

void hg_server_free(struct hg_server *server)
{
	if (!server)
		return;
	if (!server->was_run_)
		shut_down_unused(server);
	grpc_server_destroy(server->grpc);
	grpc_completion_queue_destroy(server->queue);
	hg_timers_fini(&server->timers);
	if (server->stop_fd_ >= 0)
		(void)close(server->stop_fd_); /* nothing was written that could be lost */
	if (server->done_fd_ >= 0)
		(void)close(server->done_fd_);
	free(server);
	grpc_shutdown_blocking();
}

/* ---- Serving ----------------------------------------------------------------------------------
 */

/* How long the queue may be waited for: until the next wait of a call is over. */
static gpr_timespec next_wait(struct hg_server *server)
{
	int64_t due_ms = hg_timers_next_ms(&server->timers);

	if (due_ms < 0)
		return never();
	int64_t wait_ms = due_ms - hg_timers_now_ms();
	return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
			    gpr_time_from_millis(wait_ms > 0 ? wait_ms : 0, GPR_TIMESPAN));
}

static void end_waits(struct hg_server *server, struct hg_worker *worker)
{
	void *call;

	while ((call = hg_timers_take(&server->timers)))
		hg_action_call_due(call, worker);
}

static void serve(struct hg_server *server, struct hg_worker *worker)
{
	for (;;) {
		grpc_event event =
			grpc_completion_queue_next(server->queue, next_wait(server), NULL);
		if (event.type == GRPC_QUEUE_SHUTDOWN)
			return;
		end_waits(server, worker);
		if (event.type == GRPC_QUEUE_TIMEOUT)
			continue;
		if (event.tag == server) /* all connections are closed */
			hg_server_release(server);
		else
			hg_call_step(event.tag, worker, event.success != 0);
	}
}

static void *serving_main(void *data)
{
	struct serving_thread *thread = data;

	serve(thread->server, &thread->worker);
	return NULL;
}

/* Polls until one of the descriptors is readable or the time is over. */
static void wait_readable(int first_fd, int second_fd, int timeout_ms)
{
	struct pollfd fds[] = {{.fd = first_fd, .events = POLLIN},
			       {.fd = second_fd, .events = POLLIN}};

	while (poll(fds, 2, timeout_ms) < 0 && errno == EINTR)
		continue;
}

/* Waits for the wish to stop and sees the stop through. A thread of its own, because a completion
 * queue cannot wait for descriptors, and a signal handler cannot call gRPC. */
static void *stopping_main(void *data)
{
	struct hg_server *server = data;

	wait_readable(server->stop_fd_, server->signal_fd, -1);
	atomic_store(&server->is_stopping, true);
	hg_log(&server->params.log, HEADGATE_LOG_INFO, "stopping");
	grpc_server_shutdown_and_notify(server->grpc, server->queue, server);
	wait_readable(server->done_fd_, -1, (int)server->params.stop_grace_ms);
	grpc_server_cancel_all_calls(server->grpc);
	return NULL;
}

static void stop_threads(struct serving_thread *threads, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (threads[i].is_started)
			(void)pthread_join(threads[i].id, NULL); /* ours, joinable, joined once */
		hg_worker_fini(&threads[i].worker);
	}
	free(threads);
}

/* Makes the workers of all threads; the first is the caller's. */
static struct serving_thread *make_threads(struct hg_server *server)
{
	unsigned count = server->params.threads;
	struct serving_thread *threads = calloc(count, sizeof *threads);
	bool is_made = threads != NULL;

	for (unsigned i = 0; is_made && i < count; i++) {
		threads[i].server = server;
		is_made = hg_worker_init(&threads[i].worker, &server->params.log,
					 server->params.max_message_bytes) == 0;
	}
	if (is_made)
		return threads;
	if (threads)
		stop_threads(threads, count);
	return NULL;
}

static int start_threads(struct serving_thread *threads, unsigned count)
{
	for (unsigned i = 1; i < count; i++) {
		int problem = pthread_create(&threads[i].id, NULL, serving_main, &threads[i]);
		if (problem)
			return problem;
		threads[i].is_started = true;
	}
	return 0;
}

int hg_server_run(struct hg_server *server, struct headgate_error *err)
{
	struct serving_thread *threads = make_threads(server);
	pthread_t stopper;

	if (!threads)
		return hg_error(err, "out of memory");
	grpc_server_start(server->grpc); /* first: the stopper may find that it is time already */
	int problem = pthread_create(&stopper, NULL, stopping_main, server);
	if (problem) {
		stop_threads(threads, server->params.threads);
		return hg_error(err, "cannot start a thread: %s", strerror(problem));
	}
	server->was_run_ = true;
	for (int i = 0; i < AWAITED_CALLS && hg_call_await(server); i++)
		continue;
	problem = start_threads(threads, server->params.threads);
	if (problem)
		hg_server_stop(server);
	serve(server, &threads[0].worker);
	(void)pthread_join(stopper, NULL); /* ours, joinable, joined once */
	stop_threads(threads, server->params.threads);
	return problem ? hg_error(err, "cannot start a thread: %s", strerror(problem)) : 0;
}

void hg_server_stop(struct hg_server *server)
{
	wake(server->stop_fd_);
}
