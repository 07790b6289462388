#include "journal/redis/embedded.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "journal/journal.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "src/base/span.h"
#include "src/runtime/address.h"
#include "src/runtime/loop.h"
#include "src/runtime/process.h"
#include "src/runtime/timer.h"

/* A held lock: the server of a gateway that was killed writes its data and leaves within that. */
#define LOCK_WAIT_MS ((uint64_t)10000)
#define LOCK_POLL_MS ((uint64_t)20)
#define RESTART_MIN_MS ((uint64_t)10)
#define RESTART_MAX_MS ((uint64_t)5000)
/* For writing and syncing what is in memory: some milliseconds on a disk that is well. */
#define END_WAIT_MS 2000
/* A server that lived so long starts the backoff anew. */
#define RESTART_STABLE_MS ((uint64_t)10000)
/* The socket appears after 8 to 36 ms; reading a large journal takes longer and is worth a line. */
#define STARTING_MS ((uint64_t)1000)
/* redis.log is started anew when it is larger; its end is where the reason of a death stands. */
#define LOG_BYTES_MAX ((off_t)4 * 1024 * 1024)
#define LOG_TAIL_BYTES 4096
#define REASON_MAX 256
/* With less than two of the largest appends free, a failed write means a full disk. */
#define FULL_DISK_BYTES ((uint64_t)2 * JOURNAL_APPEND_BYTES_MAX)

struct embedded {
	struct loop *loop;
	const struct embedded_ops *ops;
	void *data;
	char *directory;
	char *program;
	char *durability;
	int lock_fd;
	int log_fd;
	struct process *process;
	struct timer timer; /* next try for the lock, or next start */
	uint64_t lock_wait_ms;
	uint64_t lock_deadline_ns;
	uint64_t started_ns;
	off_t log_start; /* where in redis.log the present child began */
	uint64_t backoff_ms;
	bool has_lock;
	bool is_fatal;
	struct error fatal;
};

/* ---- the directory -------------------------------------------------------------------------- */
/* mkdir -p, all with mode 0700. */
static enum status make_directory(const char *path, struct error *err)
{
	char partial[ADDRESS_PATH_MAX];
	struct stat info;
	size_t len = strlen(path);

	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != 0)
			continue;
		memcpy(partial, path, i);
		partial[i] = 0;
		if (mkdir(partial, 0700) != 0 && errno != EEXIST)
			return error_set_errno(err, ST_INVALID_ARGUMENT, errno,
					       "cannot make directory %s", partial);
	}
	if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
		return error_set(err, ST_INVALID_ARGUMENT, "%s is no directory", path);
	return ST_OK;
}

static enum status open_in(const char *directory, const char *name, int flags, int *ret_fd,
			   struct error *err)
{
	char path[ADDRESS_PATH_MAX + 16];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, flags | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set_errno(err, ST_INVALID_ARGUMENT, errno, "cannot open %s", path);
	*ret_fd = fd;
	return ST_OK;
}

/* ---- why did it die? ------------------------------------------------------------------------ */
/* Redis marks what matters with " # " after the time. Returns the text after the mark. */
static struct span relevant(struct span line)
{
	const char *mark = line.len ? memmem(line.data, line.len, " # ", 3) : NULL;

	if (mark)
		return span_skip(line, (size_t)(mark - (const char *)line.data) + 3);
	if (line.len && memmem(line.data, line.len, "FATAL", 5))
		return line;
	return SPAN_EMPTY;
}

/* The most telling line of the log's end: the first that names a cause, else the last that matters.
 * A read of 4 KiB from a file that was just written; it happens only when a child died. */
static void last_words(const struct embedded *e, char *text, size_t size)
{
	static const char *const causes[] = {"No space left on device", "Bad file format",
					     "Can't open", "Permission denied", "Failed"};
	char tail[LOG_TAIL_BYTES];
	off_t end = lseek(e->log_fd, 0, SEEK_END);
	off_t from = end - LOG_TAIL_BYTES > e->log_start ? end - LOG_TAIL_BYTES : e->log_start;
	ssize_t got = end < from ? -1 : pread(e->log_fd, tail, sizeof(tail), from);
	struct span rest = span_make(tail, got > 0 ? (size_t)got : 0);
	struct span best = SPAN_EMPTY;
	bool is_cause = false;

	while (rest.len > 0) {
		size_t len = span_find(rest, '\n');
		struct span line = relevant(span_head(rest, len));
		bool names_cause = false;

		for (size_t i = 0; line.len && i < sizeof(causes) / sizeof(*causes); i++)
			names_cause = names_cause ||
				      memmem(line.data, line.len, causes[i], strlen(causes[i]));
		if (line.len && (names_cause || !is_cause)) {
			best = line;
			is_cause = names_cause;
		}
		rest = span_skip(rest, len + 1);
	}
	(void)snprintf(text, size, "%.*s", SPAN_FMT(span_head(best, size - 1)));
}

/* redis.log is on the same disk: it may have kept nothing of the cause. */
static bool is_disk_full(const struct embedded *e, const char *words)
{
	struct statvfs disk;

	if (strstr(words, "No space left on device"))
		return true;
	if (words[0] && !strstr(words, "AOF write error") && !strstr(words, "Short write"))
		return false;
	return fstatvfs(e->lock_fd, &disk) == 0 &&
	       (uint64_t)disk.f_bavail * disk.f_frsize < FULL_DISK_BYTES;
}

static void give_up(struct embedded *e, const struct error *why)
{
	e->is_fatal = true;
	e->fatal = *why;
	LOG(ERROR, JOURNAL_CHILD, LOG_STR("state", "given up"), LOG_STR("error", why->message));
	e->ops->on_stopped(e->data, &e->fatal);
}

static void schedule_restart(struct embedded *e)
{
	timer_start_in(&e->timer, e->backoff_ms);
	e->backoff_ms = e->backoff_ms * 2 < RESTART_MAX_MS ? e->backoff_ms * 2 : RESTART_MAX_MS;
}

static void on_exit(void *data, int exit_code, int term_signal)
{
	struct embedded *e = data;
	char words[REASON_MAX];
	struct error why;

	e->process = NULL;
	last_words(e, words, sizeof(words));
	if (loop_now_ns(e->loop) - e->started_ns > RESTART_STABLE_MS * NS_PER_MS)
		e->backoff_ms = RESTART_MIN_MS;
	if (!term_signal && is_disk_full(e, words))
		(void)error_set(&why, ST_UNAVAILABLE,
				"the disk is full: redis-server in %s left (%s)", e->directory,
				words[0] ? words : "its log is full too");
	else if (term_signal)
		(void)error_set(&why, ST_UNAVAILABLE,
				"redis-server was ended by signal %d and is started again",
				term_signal);
	else
		(void)error_set(&why, ST_UNAVAILABLE, "redis-server left with code %d: %s",
				exit_code, words[0] ? words : "see redis.log");
	if (strstr(words, "Bad file format")) {
		why.status = ST_DATA_LOSS;
		give_up(e, &why);
		return;
	}
	LOG(WARN, JOURNAL_CHILD, LOG_STR("state", "stopped"), LOG_STR("error", why.message));
	schedule_restart(e);
	e->ops->on_stopped(e->data, &why);
}

/* ---- starting ------------------------------------------------------------------------------- */
/* One log for ever would fill the disk that the data needs. */
static void trim_log(const struct embedded *e)
{
	struct stat info;

	if (fstat(e->log_fd, &info) == 0 && info.st_size > LOG_BYTES_MAX &&
	    ftruncate(e->log_fd, 0) != 0)
		return; /* a longer log is no reason not to start */
}

static enum status start(struct embedded *e, struct error *err)
{
	bool is_memory = strcmp(e->durability, "memory") == 0;
	/* Names relative to the directory: a socket's path has at most 108 bytes. */
	const char *const argv[] = {
		e->program, "--port", "0", "--unixsocket", "s.sock", "--unixsocketperm", "700",
		"--dir", ".", "--save", "", "--appendonly", is_memory ? "no" : "yes",
		"--appendfsync", is_memory ? "no" : e->durability, "--no-appendfsync-on-rewrite",
		"no", "--aof-load-truncated", "yes", "--aof-use-rdb-preamble", "yes",
		"--auto-aof-rewrite-percentage", "100", "--auto-aof-rewrite-min-size", "64mb",
		"--maxmemory-policy", "noeviction",
		/* Half of all entities have few events: a node is allocated whole. */
		"--stream-node-max-bytes", "1024", "--busy-reply-threshold", "1000", "--databases",
		"1", "--enable-debug-command", "no", "--enable-module-command", "no", "--hz", "10",
		"--loglevel", "notice", NULL};
	const struct process_params params = {
		.argv = argv,
		.directory = e->directory,
		.stdin_fd = -1,
		.output_fd = e->log_fd,
		.inherit_fds = &e->lock_fd,
		.inherit_fd_count = 1,
	};
	enum status st;

	trim_log(e);
	e->log_start = lseek(e->log_fd, 0, SEEK_END);
	st = process_start(e->loop, &params, on_exit, e, &e->process, err);
	if (st == ST_NOT_FOUND)
		return error_set(err, ST_NOT_FOUND,
				 "%s is missing: install it (apt install redis-server)",
				 e->program);
	if (st != ST_OK)
		return error_wrap(err, "starting %s", e->program);
	e->started_ns = loop_now_ns(e->loop);
	LOG(INFO, JOURNAL_CHILD, LOG_STR("state", "started"), LOG_INT("pid", embedded_pid(e)),
	    LOG_STR("directory", e->directory));
	return ST_OK;
}

static enum status take_lock(struct embedded *e, bool *ret_is_taken, struct error *err)
{
	*ret_is_taken = flock(e->lock_fd, LOCK_EX | LOCK_NB) == 0;
	if (!*ret_is_taken && errno != EWOULDBLOCK)
		return error_set_errno(err, ST_INVALID_ARGUMENT, errno, "cannot lock %s/LOCK",
				       e->directory);
	e->has_lock = *ret_is_taken;
	return ST_OK;
}

/* The lock is held already by a child that we started and that still runs? Then we hold it too. */
static void on_timer(void *data)
{
	struct embedded *e = data;
	struct error why;
	bool is_taken = e->has_lock;
	enum status st = ST_OK;

	if (!is_taken)
		st = take_lock(e, &is_taken, &why);
	if (st == ST_OK && !is_taken && loop_now_ns(e->loop) >= e->lock_deadline_ns)
		st = error_set(&why, ST_UNAVAILABLE,
			       "another process uses the journal in %s (its file LOCK is held)",
			       e->directory);
	if (st == ST_OK && !is_taken) {
		timer_start_in(&e->timer, LOCK_POLL_MS);
		return;
	}
	if (st == ST_OK)
		st = start(e, &why);
	if (st == ST_OK)
		e->ops->on_started(e->data);
	else if (st == ST_NOT_FOUND || !e->has_lock)
		give_up(e, &why);
	else {
		schedule_restart(e);
		e->ops->on_stopped(e->data, &why);
	}
}

static enum status open_files(struct embedded *e, struct error *err)
{
	enum status st = make_directory(e->directory, err);

	if (st == ST_OK)
		st = open_in(e->directory, "LOCK", O_RDWR, &e->lock_fd, err);
	if (st == ST_OK)
		st = open_in(e->directory, "redis.log", O_RDWR | O_APPEND, &e->log_fd, err);
	return st;
}

/* The first start is tried at once, so that a missing program is an error of the caller. */
static enum status open_first(struct embedded *e, struct error *err)
{
	bool is_taken = false;
	enum status st = take_lock(e, &is_taken, err);

	if (st != ST_OK)
		return st;
	if (is_taken)
		return start(e, err);
	LOG(WARN, JOURNAL_CHILD, LOG_STR("state", "waiting for the lock of another process"),
	    LOG_STR("directory", e->directory), LOG_UINT("wait_ms", e->lock_wait_ms));
	e->lock_deadline_ns = clock_deadline(loop_now_ns(e->loop), e->lock_wait_ms * NS_PER_MS);
	timer_start_in(&e->timer, LOCK_POLL_MS);
	return ST_OK;
}

static bool is_class(const char *durability)
{
	return strcmp(durability, "always") == 0 || strcmp(durability, "everysec") == 0 ||
	       strcmp(durability, "memory") == 0;
}

enum status embedded_open(struct loop *loop, const struct embedded_params *params,
			  const struct embedded_ops *ops, void *data,
			  struct embedded **ret_embedded, struct error *err)
{
	struct embedded *e;
	enum status st;

	if (!is_class(params->durability))
		return error_set(err, ST_INVALID_ARGUMENT,
				 "journal.durability \"%s\" is none of always, everysec, memory",
				 params->durability);
	e = mem_new(struct embedded);
	e->loop = loop;
	e->ops = ops;
	e->data = data;
	e->directory = mem_strdup(params->directory);
	e->program = mem_strdup(params->program);
	e->durability = mem_strdup(params->durability);
	e->lock_fd = -1;
	e->log_fd = -1;
	e->backoff_ms = RESTART_MIN_MS;
	e->lock_wait_ms = params->lock_wait_ms ? params->lock_wait_ms : LOCK_WAIT_MS;
	timer_init(&e->timer, loop, on_timer, e);
	st = open_files(e, err);
	if (st == ST_OK)
		st = open_first(e, err);
	if (st != ST_OK) {
		embedded_close(e);
		return error_wrap(err, "embedded journal");
	}
	*ret_embedded = e;
	return ST_OK;
}

void embedded_close(struct embedded *e)
{
	if (!e)
		return;
	timer_stop(&e->timer);
	/* Where we are the first process of a container, all others are killed when we leave. */
	if (e->process)
		process_end(e->process, SIGTERM, END_WAIT_MS);
	if (e->lock_fd >= 0)
		(void)close(e->lock_fd); /* the child holds the lock until it is done */
	if (e->log_fd >= 0)
		(void)close(e->log_fd);
	mem_free(e->directory);
	mem_free(e->program);
	mem_free(e->durability);
	mem_free(e);
}

void embedded_socket(const char *directory, struct address *ret_address)
{
	memset(ret_address, 0, sizeof(*ret_address));
	ret_address->is_unix = true;
	(void)snprintf(ret_address->path, sizeof(ret_address->path), "%s/s.sock", directory);
}

void embedded_address(const struct embedded *e, struct address *ret_address)
{
	embedded_socket(e->directory, ret_address);
}

const struct error *embedded_fatal(const struct embedded *e)
{
	return e->is_fatal ? &e->fatal : NULL;
}

bool embedded_is_starting(const struct embedded *e)
{
	return e->process && loop_now_ns(e->loop) - e->started_ns < STARTING_MS * NS_PER_MS;
}

int embedded_pid(const struct embedded *e)
{
	return e->process ? (int)process_pid(e->process) : 0;
}
