/* Children by our own fork: libuv's spawn has no place for prctl(PR_SET_PDEATHSIG). One SIGCHLD
 * handle per loop asks waitpid for each child of the loop by its pid, never for "any child", which
 * might belong to somebody else. A failed exec is told through a close-on-exec pipe: end of file
 * means the program runs. */
#include "src/runtime/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/runtime/loop_internal.h"
#include "src/runtime/process_internal.h"

#define PROCESS_MAGIC 0x70726f63U

/* What a child says when it dies between fork and exec; nobody sees it, the pipe tells more. */
#define PROCESS_EXIT_NOT_STARTED 127

struct process {
	struct list node; /* first: mem_free by node */
	unsigned magic;
	pid_t pid;
	process_exit_fn on_exit; /* NULL: released, only waiting to be reaped */
	void *data;
};

static void process_reap(struct process *process)
{
	process_exit_fn on_exit = process->on_exit;
	void *data = process->data;
	int wait_status;
	pid_t pid;

	do {
		pid = waitpid(process->pid, &wait_status, WNOHANG);
	} while (pid < 0 && errno == EINTR);
	if (pid == 0)
		return;
	if (pid < 0)
		wait_status = 0; /* somebody else reaped it: all that is known is that it ended */
	list_remove(&process->node);
	process->magic = 0;
	mem_free(process);
	if (!on_exit)
		return;
	if (WIFSIGNALED(wait_status))
		on_exit(data, 0, WTERMSIG(wait_status));
	else
		on_exit(data, WEXITSTATUS(wait_status), 0);
}

static void on_child_signal(uv_signal_t *handle, int signal_number)
{
	struct loop *loop = OBJ_CAST(struct loop, LOOP_MAGIC, handle->data);
	struct list waiting;
	struct list *node;

	(void)signal_number;
	loop_enter(loop);
	/* Callbacks may start processes: walk a list that only this frame takes from. */
	list_init(&waiting);
	list_splice_back(&waiting, &loop->processes);
	while ((node = list_pop_front(&waiting))) {
		list_push_back(&loop->processes, node);
		process_reap(list_entry(node, struct process, node));
	}
}

static enum status process_watch_children(struct loop *loop, struct error *err)
{
	uv_signal_t *handle;
	int rc;

	if (loop->child_signal)
		return ST_OK;
	handle = mem_new(uv_signal_t);
	rc = uv_signal_init(&loop->uv, handle);
	if (rc) {
		mem_free(handle);
		return error_set(err, ST_UNAVAILABLE, "cannot watch signals: %s", uv_strerror(rc));
	}
	handle->data = loop;
	loop->child_signal = handle;
	rc = uv_signal_start(handle, on_child_signal, SIGCHLD);
	if (rc)
		return error_set(err, ST_UNAVAILABLE, "cannot watch SIGCHLD: %s", uv_strerror(rc));
	return ST_OK;
}

static void child_fail(int report_fd)
{
	int saved_errno = errno;

	/* The parent that does not hear it sees the exit. */
	if (write(report_fd, &saved_errno, sizeof(saved_errno)) < 0)
		_exit(PROCESS_EXIT_NOT_STARTED);
	_exit(PROCESS_EXIT_NOT_STARTED);
}

static void child_reset_signals(void)
{
	struct sigaction standard = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		(void)sigaction(i, &standard, NULL); /* fails for SIGKILL and SIGSTOP only */
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Moves a descriptor out of the way of 0, 1 and 2; a negative one stays. */
static int child_lift(int fd, int report_fd)
{
	int lifted = fd;

	if (fd >= 0 && fd <= STDERR_FILENO) {
		lifted = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		if (lifted < 0)
			child_fail(report_fd);
	}
	return lifted;
}

static void child_set_descriptors(const struct process_params *params, int report_fd)
{
	int input = params->stdin_fd;
	int output = child_lift(params->output_fd, report_fd);

	if (input < 0)
		input = open("/dev/null", O_RDONLY | O_CLOEXEC);
	input = child_lift(input, report_fd);
	if (input < 0 || dup2(input, STDIN_FILENO) < 0)
		child_fail(report_fd);
	if (output >= 0 && (dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0))
		child_fail(report_fd);
	/* Ours are close-on-exec anyway; this is for what a library opened without it. An old
	 * kernel lacks it. */
	(void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
	for (unsigned i = 0; i < params->inherit_fd_count; i++) {
		if (fcntl(params->inherit_fds[i], F_SETFD, 0) < 0)
			child_fail(report_fd);
	}
}

/* Between fork and exec: system calls only. */
static void __attribute__((noreturn))
child_run(const struct process_params *params, pid_t parent, int report_fd)
{
	report_fd = child_lift(report_fd, report_fd);
	if (prctl(PR_SET_PDEATHSIG, params->death_signal ? params->death_signal : SIGTERM) < 0)
		child_fail(report_fd);
	if (getppid() != parent) /* it died before the line above */
		_exit(PROCESS_EXIT_NOT_STARTED);
	/* A group of its own: Ctrl-C is for the gateway, which ends its children in order. */
	if (setpgid(0, 0) < 0)
		child_fail(report_fd);
	child_reset_signals();
	child_set_descriptors(params, report_fd);
	if (params->directory && chdir(params->directory) < 0)
		child_fail(report_fd);
	(void)execvp(params->program ? params->program : params->argv[0],
		     (char *const *)params->argv); /* returns only to fail */
	child_fail(report_fd);
	_exit(PROCESS_EXIT_NOT_STARTED);
}

/* Waits for the exec: at most the child's few system calls. 0, or the errno of what failed. */
static int process_await_exec(int report_fd, pid_t pid)
{
	int child_errno = 0;
	ssize_t n;

	do {
		n = read(report_fd, &child_errno, sizeof(child_errno));
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(child_errno))
		return 0;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	return child_errno;
}

static enum status process_fork(const struct process_params *params, pid_t *ret_pid,
				struct error *err)
{
	pid_t parent = getpid();
	int report[2];
	int child_errno;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) < 0)
		return error_set_errno(err, ST_UNAVAILABLE, errno, "cannot start %s",
				       params->argv[0]);
	pid = fork();
	if (pid == 0)
		child_run(params, parent, report[1]);
	child_errno = pid < 0 ? errno : 0;
	(void)close(report[1]); /* a pipe: nothing to lose */
	if (pid > 0)
		child_errno = process_await_exec(report[0], pid);
	(void)close(report[0]);
	if (child_errno)
		return error_set_errno(err, pid < 0 ? ST_UNAVAILABLE : ST_NOT_FOUND, child_errno,
				       "cannot start %s", params->argv[0]);
	*ret_pid = pid;
	return ST_OK;
}

enum status process_start(struct loop *loop, const struct process_params *params,
			  process_exit_fn on_exit, void *data, struct process **ret_process,
			  struct error *err)
{
	struct process *process;
	enum status status = process_watch_children(loop, err);
	pid_t pid = 0;

	if (status == ST_OK)
		status = process_fork(params, &pid, err);
	if (status != ST_OK)
		return status;
	process = mem_new(struct process);
	process->magic = PROCESS_MAGIC;
	process->pid = pid;
	process->on_exit = on_exit;
	process->data = data;
	list_push_back(&loop->processes, &process->node);
	*ret_process = process;
	return ST_OK;
}

pid_t process_pid(const struct process *process)
{
	return process->pid;
}

void process_signal(struct process *process, int signal_number)
{
	/* Not reaped yet, so the pid is still its own; a zombie takes the signal and stays one. */
	(void)kill(process->pid, signal_number);
}

void process_release(struct process *process)
{
	if (process)
		process->on_exit = NULL;
}

void process_end(struct process *process, int signal_number, int wait_ms)
{
	struct pollfd child = {.fd = pidfd_open(process->pid, 0), .events = POLLIN};

	process_release(process);
	process_signal(process, signal_number);
	/* An old kernel has no such descriptor; a signal to us is impatience. Then it is not
	 * awaited. */
	if (child.fd >= 0)
		(void)poll(&child, 1, wait_ms);
	if (child.fd >= 0)
		(void)close(child.fd);
	process_reap(process);
}

static void on_child_signal_closed(uv_handle_t *handle)
{
	mem_free(handle);
}

void process_forget_all(struct loop *loop)
{
	struct list *node;

	while ((node = list_pop_front(&loop->processes)))
		mem_free(node);
	if (loop->child_signal)
		uv_close((uv_handle_t *)loop->child_signal, on_child_signal_closed);
	loop->child_signal = NULL;
}
