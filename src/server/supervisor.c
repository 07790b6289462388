/* The life of the workers. Each is this program again, with flags that say which one it is; their
 * answers on the admin port are put together in supervisor_pages.c, their renewal one by one stands
 * in supervisor_renew.c. */
#include "src/server/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "journal/redis/embedded.h"
#include "journal/redis/url.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/runtime/cpus.h"
#include "src/runtime/listen.h"
#include "src/runtime/process.h"
#include "src/runtime/signals.h"
#include "src/server/supervisor_internal.h"

#define RESTART_MIN_MS ((uint64_t)100)
#define RESTART_MAX_MS ((uint64_t)5000)
/* Who lived so long starts the backoff anew. */
#define RESTART_STABLE_MS ((uint64_t)10000)
/* Beyond shutdown.grace, for the last words of a worker; then it is killed. */
#define END_MARGIN_MS ((uint64_t)2000)
/* After a second signal nothing is waited for but the exit itself. */
#define CUT_MARGIN_MS ((uint64_t)1000)
/* Flags of our own beside those we were given. */
#define ARGS_MAX ((size_t)160)

unsigned supervisor_count(const struct config *config)
{
	unsigned cpus;

	if (config->worker_count)
		return config->worker_count;
	cpus = cpus_usable();
	return cpus < CONFIG_WORKERS_MAX ? cpus : CONFIG_WORKERS_MAX;
}

/* ---- one worker ------------------------------------------------------------------------------ */
static struct metrics_series *worker_series(const struct worker *worker, enum metric metric)
{
	char text[16];
	struct metrics_label label = {"worker", SPAN_EMPTY};

	(void)snprintf(text, sizeof(text), "%u", worker->number);
	label.value = span_from_str(text);
	return metrics_series(worker->supervisor->metrics, metric, &label, 1);
}

static void end_if_alone(struct supervisor *s)
{
	for (unsigned i = 0; i < s->params.count; i++) {
		if (s->workers[i].process)
			return;
	}
	LOG(INFO, STOPPED, LOG_INT("exit_code", s->exit_code));
	loop_stop(s->loop);
}

static void signal_all(struct supervisor *s, int signal_number)
{
	for (unsigned i = 0; i < s->params.count; i++) {
		timer_stop(&s->workers[i].timer);
		if (s->workers[i].process)
			process_signal(s->workers[i].process, signal_number);
	}
}

static void begin_end(struct supervisor *s)
{
	s->is_ending = true;
	supervisor_renew_stop(s);
	timer_start_in(&s->end_timer, s->params.config->shutdown_grace_ms + END_MARGIN_MS);
	signal_all(s, SIGTERM);
	end_if_alone(s);
}

static void give_up(struct supervisor *s, const char *reason)
{
	if (s->is_ending)
		return;
	LOG(ERROR, FATAL, LOG_STR("reason", reason));
	s->exit_code = 1;
	begin_end(s);
}

static void start_later(struct worker *worker)
{
	timer_start_in(&worker->timer, worker->backoff_ms);
	worker->backoff_ms =
		worker->backoff_ms * 2 < RESTART_MAX_MS ? worker->backoff_ms * 2 : RESTART_MAX_MS;
}

static void on_worker_exit(void *data, int exit_code, int term_signal)
{
	struct worker *worker = data;
	struct supervisor *s = worker->supervisor;
	uint64_t lived_ms = (clock_mono_ns() - worker->started_ns) / NS_PER_MS;

	worker->process = NULL;
	LOG(INFO, WORKER_LEFT, LOG_UINT("number", worker->number), LOG_INT("exit_code", exit_code),
	    LOG_INT("signal", term_signal), LOG_UINT("lived_ms", lived_ms));
	if (s->is_ending) {
		if (exit_code || term_signal)
			s->exit_code = 1;
		end_if_alone(s);
		return;
	}
	if (!worker->restarts && exit_code == SUPERVISOR_EXIT_UNUSABLE) {
		give_up(s, "a worker could not begin; it says why");
		return;
	}
	if (lived_ms > RESTART_STABLE_MS)
		worker->backoff_ms = RESTART_MIN_MS;
	if (s->is_renewing && worker->number == s->renewed)
		supervisor_renew_on_exit(worker);
	else
		start_later(worker);
}

struct args {
	const char *argv[ARGS_MAX + 1];
	size_t count;
	struct buf text; /* of those made here; reserved at once, so that it stays where it is */
};

static void add_arg(struct args *args, const char *arg)
{
	BUG_ON(args->count == ARGS_MAX); /* main takes fewer */
	args->argv[args->count++] = arg;
}

#define ARGS_TEXT_MAX ((size_t)16 * 1024)

static void __attribute__((format(printf, 2, 3)))
add_made(struct args *args, const char *format, ...)
{
	char *at = (char *)buf_reserve(&args->text, 0);
	size_t room = ARGS_TEXT_MAX - buf_len(&args->text);
	va_list list;
	int len;

	va_start(list, format);
	len = vsnprintf(at, room, format, list);
	va_end(list);
	BUG_ON(len < 0 || (size_t)len >= room); /* a value of the configuration has at most 4 KiB */
	buf_commit(&args->text, (size_t)len + 1);
	add_arg(args, at);
}

/* What differs from one worker to the next; flags win over all other sources. */
static void add_own(struct args *args, const struct worker *worker)
{
	const struct supervisor *s = worker->supervisor;
	const struct config *config = s->params.config;
	struct address peer;

	add_made(args, "--worker=%u", worker->number);
	add_made(args, "--admin.listen=unix:%s", worker->socket);
	add_made(args, "--metrics.port=0");
	add_made(args, "--peer.port=%u", (unsigned)config->peer_port + worker->number);
	if (s->listen[0])
		add_made(args, "--listen=%s", s->listen);
	if (config->peer_address[0] &&
	    address_parse(span_from_str(config->peer_address), "", &peer, NULL) == ST_OK) {
		bool is_v6 = strchr(peer.host, ':') != NULL;

		add_made(args, "--peer.address=%s%s%s:%u", is_v6 ? "[" : "", peer.host,
			 is_v6 ? "]" : "", (unsigned)peer.port + worker->number);
	}
}

static enum status fork_worker(struct worker *worker, struct error *err)
{
	struct supervisor *s = worker->supervisor;
	struct args args = {.count = 0};
	enum status status;

	buf_init(&args.text, ARGS_TEXT_MAX);
	(void)buf_reserve(&args.text, ARGS_TEXT_MAX); /* within its maximum */
	add_arg(&args, "headgate");
	add_arg(&args, "serve");
	if (s->params.config_file) {
		add_arg(&args, "--config");
		add_arg(&args, s->params.config_file);
	}
	for (const char *const *flag = s->params.flags; *flag; flag++)
		add_arg(&args, *flag);
	add_own(&args, worker);
	status = process_start(s->loop,
			       &(struct process_params){
				       .argv = args.argv,
				       .program = "/proc/self/exe", /* whatever PATH says now */
				       /* Who outlived us would meet our successor's workers under
					* their own address; with the journal's server gone there
					* is nothing to drain either. */
				       .death_signal = s->embedded ? SIGKILL : SIGTERM,
				       .stdin_fd = -1,
				       .output_fd = -1,
			       },
			       on_worker_exit, worker, &worker->process, err);
	buf_fini(&args.text);
	return status;
}

void supervisor_start_worker(struct worker *worker)
{
	struct error err;

	worker->started_ns = clock_mono_ns();
	if (fork_worker(worker, &err) != ST_OK) {
		LOG(ERROR, WORKER_LEFT, LOG_UINT("number", worker->number),
		    LOG_STR("error", err.message));
		start_later(worker);
		return;
	}
	LOG(INFO, WORKER_STARTED, LOG_UINT("number", worker->number),
	    LOG_INT("pid", process_pid(worker->process)), LOG_UINT("restarts", worker->restarts));
}

static void on_restart(void *data)
{
	struct worker *worker = data;

	worker->restarts++;
	metrics_add(worker_series(worker, METRIC_WORKER_RESTARTS), 1);
	supervisor_start_worker(worker);
}

/* ---- the whole ------------------------------------------------------------------------------- */
static void begin(struct supervisor *s)
{
	if (s->has_begun || s->is_ending)
		return;
	s->has_begun = true;
	for (unsigned i = 0; i < s->params.count; i++)
		supervisor_start_worker(&s->workers[i]);
}

static void on_signal(void *data, int signal_number)
{
	struct supervisor *s = data;

	if (signal_number == SIGHUP) {
		if (s->has_begun && !s->is_ending)
			supervisor_renew(s);
		return;
	}
	if (!s->is_ending) {
		LOG(INFO, SHUTTING_DOWN, LOG_INT("signal", signal_number));
		begin_end(s);
		return;
	}
	s->exit_code = 1;
	signal_all(s, SIGTERM);
	timer_start_in(&s->end_timer, CUT_MARGIN_MS);
}

static void on_end_timer(void *data)
{
	struct supervisor *s = data;

	s->exit_code = 1;
	signal_all(s, SIGKILL);
}

static void on_journal_started(void *data)
{
	begin(data);
}

static void on_journal_stopped(void *data, const struct error *error)
{
	struct supervisor *s = data;

	(void)error; /* was logged; the workers see for themselves */
	if (s->embedded && embedded_fatal(s->embedded))
		give_up(s, embedded_fatal(s->embedded)->message);
}

static enum status open_journal(struct supervisor *s, struct error *err)
{
	static const struct embedded_ops ops = {
		.on_started = on_journal_started,
		.on_stopped = on_journal_stopped,
	};
	const struct config *config = s->params.config;
	char durability[16];
	struct redis_url url;
	struct embedded_params params = {
		.directory = url.directory,
		.program = config->journal_redis_server,
		.durability = durability,
		.lock_wait_ms = config->journal_lock_timeout_ms,
	};
	enum status status = redis_url_parse(config->journal_url, &url, err);

	if (status != ST_OK)
		return error_wrap(err, "journal");
	if (!url.is_embedded)
		return ST_OK;
	(void)snprintf(durability, sizeof(durability), "%.*s",
		       SPAN_FMT(config_choice_name(CONFIG_KEY_journal_durability,
						   config->journal_durability)));
	status = embedded_open(s->loop, &params, &ops, s, &s->embedded, err);
	return status == ST_OK ? ST_OK : error_wrap(err, "journal");
}

static void on_probe_accept(void *data, int fd, const struct sockaddr *peer, unsigned peer_len)
{
	(void)data;
	(void)peer;
	(void)peer_len;
	(void)close(fd); /* no turn of the loop comes before the probe is closed */
}

/* Whether nobody has the port: a bind that shares would say nothing. */
static enum status probe(struct supervisor *s, const struct address *address, uint16_t *ret_port,
			 struct error *err)
{
	struct listen *listen;
	enum status status = listen_open(s->loop, address, on_probe_accept, s, &listen, err);

	if (status != ST_OK)
		return status;
	*ret_port = listen_port(listen);
	listen_close(listen);
	return ST_OK;
}

static enum status probe_ingress(struct supervisor *s, struct error *err)
{
	struct address address;
	uint16_t port = 0;
	enum status status =
		address_parse(span_from_str(s->params.config->listen), "0.0.0.0", &address, err);

	if (status == ST_OK && address.is_unix)
		status = error_set(err, ST_INVALID_ARGUMENT,
				   "workers cannot share a unix socket; set a port or workers: 1");
	if (status == ST_OK)
		status = probe(s, &address, &port, err);
	if (status != ST_OK)
		return error_wrap(err, "listen");
	if (!address.port) {
		bool is_v6 = strchr(address.host, ':') != NULL;

		(void)snprintf(s->listen, sizeof(s->listen), "%s%s%s:%u", is_v6 ? "[" : "",
			       address.host, is_v6 ? "]" : "", port); /* fits */
	}
	return ST_OK;
}

static enum status probe_peers(struct supervisor *s, struct error *err)
{
	uint64_t first = s->params.config->peer_port;
	struct address address = {.port = 0};
	uint16_t port;
	enum status status = ST_OK;

	if (first + s->params.count - 1 > UINT16_MAX)
		return error_set(err, ST_INVALID_ARGUMENT,
				 "peer.port: %u workers from %u on need ports beyond %u",
				 s->params.count, (unsigned)first, (unsigned)UINT16_MAX);
	(void)snprintf(address.host, sizeof(address.host), "127.0.0.1");
	if (!s->embedded)
		(void)snprintf(address.host, sizeof(address.host), "0.0.0.0");
	for (unsigned i = 0; status == ST_OK && i < s->params.count; i++) {
		address.port = (uint16_t)(first + i);
		status = probe(s, &address, &port, err);
	}
	return status == ST_OK ? ST_OK : error_wrap(err, "peer.port");
}

static enum status make_directory(struct supervisor *s, struct error *err)
{
	const char *place = getenv("XDG_RUNTIME_DIR");
	char path[SUPERVISOR_PATH_MAX];

	if (!place || place[0] != '/' || access(place, W_OK) != 0)
		place = getenv("TMPDIR");
	if (!place || place[0] != '/')
		place = "/tmp";
	/* Room is left for the names in it. */
	if ((size_t)snprintf(path, sizeof(path), "%s/headgate-workers-XXXXXX", place) >=
	    sizeof(path) - 16)
		return error_set(err, ST_INVALID_ARGUMENT, "the path %.80s is too long", place);
	if (!mkdtemp(path)) /* mode 0700 */
		return error_set_errno(err, ST_UNAVAILABLE, errno,
				       "cannot make a directory for the workers in %s", place);
	memcpy(s->directory, path, sizeof(path));
	for (unsigned i = 0; i < s->params.count; i++)
		(void)snprintf(s->workers[i].socket, sizeof(s->workers[i].socket), "%.*s/%u.sock",
			       SUPERVISOR_PATH_MAX - 16, s->directory, i);
	return ST_OK;
}

static void init_workers(struct supervisor *s)
{
	for (unsigned i = 0; i < s->params.count; i++) {
		struct worker *worker = &s->workers[i];

		worker->supervisor = s;
		worker->number = i;
		worker->backoff_ms = RESTART_MIN_MS;
		timer_init(&worker->timer, s->loop, on_restart, worker);
		(void)worker_series(worker, METRIC_WORKER_RESTARTS); /* shows 0 */
	}
}

static enum status open_all(struct supervisor *s, struct error *err)
{
	enum status status = loop_new(&s->loop, err);

	if (status != ST_OK)
		return status;
	s->metrics = metrics_new();
	s->signals = signals_start(s->loop, on_signal, s);
	timer_init(&s->end_timer, s->loop, on_end_timer, s);
	supervisor_renew_stop(s); /* its timer */
	init_workers(s);
	status = probe_ingress(s, err);
	if (status == ST_OK)
		status = open_journal(s, err);
	if (status == ST_OK)
		status = probe_peers(s, err);
	if (status == ST_OK)
		status = make_directory(s, err);
	if (status == ST_OK)
		status = supervisor_open_pages(s, err);
	if (status == ST_OK && (!s->embedded || embedded_pid(s->embedded)))
		begin(s);
	return status;
}

enum status supervisor_new(const struct supervisor_params *params,
			   struct supervisor **ret_supervisor, struct error *err)
{
	struct supervisor *s = mem_new(struct supervisor);
	enum status status;

	s->params = *params;
	list_init(&s->pages);
	status = open_all(s, err);
	if (status != ST_OK) {
		supervisor_free(s);
		return status;
	}
	*ret_supervisor = s;
	return ST_OK;
}

int supervisor_run(struct supervisor *s)
{
	loop_run(s->loop);
	return s->exit_code;
}

void supervisor_free(struct supervisor *s)
{
	if (!s)
		return;
	if (s->loop) {
		timer_stop(&s->end_timer);
		supervisor_renew_stop(s);
		signal_all(s, SIGKILL); /* none is left but after a failed start */
		supervisor_close_pages(s);
	}
	embedded_close(s->embedded);
	for (unsigned i = 0; s->directory[0] && i < s->params.count; i++)
		(void)unlink(s->workers[i].socket); /* of a worker that was killed */
	if (s->directory[0])
		(void)rmdir(s->directory); /* in a place for what is left behind */
	signals_stop(s->signals);
	metrics_free(s->metrics);
	loop_free(s->loop);
	mem_free(s);
}
