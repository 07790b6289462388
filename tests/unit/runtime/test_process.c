#include "src/runtime/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/runtime/loop.h"
#include "src/runtime/signals.h"
#include "tests/unit/unit.h"

#define TEST_WAIT_NS (10 * NS_PER_S)

struct fixture {
	struct loop *loop;
	struct process *process;
	bool is_over;
	int exit_code;
	int term_signal;
	int last_signal;
	int pipe[2];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	return pipe2(f->pipe, O_CLOEXEC) < 0 || loop_new(&f->loop, NULL) != ST_OK;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	close(f->pipe[0]);
	if (f->pipe[1] >= 0)
		close(f->pipe[1]);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void on_exit_of_child(void *data, int exit_code, int term_signal)
{
	struct fixture *f = data;

	f->is_over = true;
	f->exit_code = exit_code;
	f->term_signal = term_signal;
	f->process = NULL;
}

static bool is_over(void *data)
{
	return ((struct fixture *)data)->is_over;
}

static void run(struct fixture *f, bool (*is_done)(void *data))
{
	assert_true(loop_run_until(f->loop, is_done, f, clock_mono_ns() + TEST_WAIT_NS));
}

static void start(struct fixture *f, const char *script, struct process_params params)
{
	const char *argv[] = {"sh", "-c", script, NULL};
	struct error error = {.status = ST_OK};

	params.argv = argv;
	assert_int_equal(process_start(f->loop, &params, on_exit_of_child, f, &f->process, &error),
			 ST_OK);
	assert_true(process_pid(f->process) > 0);
}

static void exits_are_told(void **state)
{
	static const struct {
		const char *name;
		const char *script;
		int exit_code;
		int term_signal;
	} rows[] = {
		{"success", "exit 0", 0, 0},
		{"failure", "exit 7", 7, 0},
		{"killed", "kill -KILL $$", 0, SIGKILL},
		{"standard input is empty", "read x && exit 1; exit 3", 3, 0},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		f->is_over = false;
		start(f, rows[i].script, (struct process_params){.stdin_fd = -1, .output_fd = -1});
		run(f, is_over);
		UNIT_ROW(rows[i].name, f->exit_code == rows[i].exit_code);
		UNIT_ROW(rows[i].name, f->term_signal == rows[i].term_signal);
	}
}

static void signals_reach_the_child(void **state)
{
	struct fixture *f = *state;

	/* SIGPIPE is ignored here and must not be there. */
	signal(SIGPIPE, SIG_IGN);
	start(f, "read x; exit 1",
	      (struct process_params){.stdin_fd = f->pipe[0], .output_fd = -1});
	process_signal(f->process, SIGPIPE);
	run(f, is_over);
	assert_int_equal(f->term_signal, SIGPIPE);
}

static void missing_programs_are_told(void **state)
{
	static const char *const no_such[] = {"headgate-no-such-program", NULL};
	static const char *const no_such_path[] = {"/nonexistent/program", NULL};
	static const char *const fine[] = {"true", NULL};
	static const struct {
		const char *name;
		struct process_params params;
	} rows[] = {
		{"not in PATH", {.argv = no_such, .stdin_fd = -1, .output_fd = -1}},
		{"no such file", {.argv = no_such_path, .stdin_fd = -1, .output_fd = -1}},
		{"no such directory",
		 {.argv = fine, .directory = "/nonexistent", .stdin_fd = -1, .output_fd = -1}},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct error error = {.status = ST_OK};

		UNIT_ROW(rows[i].name, process_start(f->loop, &rows[i].params, on_exit_of_child, f,
						     &f->process, &error) == ST_NOT_FOUND);
		UNIT_ROW(rows[i].name, error.saved_errno == ENOENT);
		UNIT_ROW(rows[i].name, !f->process);
	}
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
	assert_int_equal(errno, ECHILD);
}

static size_t read_all(int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	return len;
}

static void output_directory_and_descriptors_are_set(void **state)
{
	struct fixture *f = *state;
	char text[256];
	int inherited = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int hidden = open("/dev/null", O_RDONLY); /* close-on-exec forgotten */
	char script[200];

	snprintf(script, sizeof(script),
		 "pwd; echo err >&2; [ -e /proc/self/fd/%d ] && echo has; [ -e /proc/self/fd/%d ] "
		 "|| echo not",
		 inherited, hidden);
	start(f, script,
	      (struct process_params){.directory = "/proc",
				      .stdin_fd = -1,
				      .output_fd = f->pipe[1],
				      .inherit_fds = &inherited,
				      .inherit_fd_count = 1});
	run(f, is_over);
	close(f->pipe[1]);
	f->pipe[1] = -1;
	(void)read_all(f->pipe[0], text, sizeof(text));
	assert_string_equal(text, "/proc\nerr\nhas\nnot\n");
	close(inherited);
	close(hidden);
}

static void a_released_child_is_reaped_in_silence(void **state)
{
	struct fixture *f = *state;
	struct process *first;
	pid_t pid;

	start(f, "exit 1", (struct process_params){.stdin_fd = -1, .output_fd = -1});
	first = f->process;
	pid = process_pid(first);
	process_release(first);
	process_release(NULL);
	start(f, "exit 2", (struct process_params){.stdin_fd = -1, .output_fd = -1});
	run(f, is_over);
	assert_int_equal(f->exit_code, 2);
	/* The first may still be running; then the next SIGCHLD takes it. */
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
}

static void an_end_is_waited_for(void **state)
{
	static const struct {
		const char *script;
		bool is_heeded;
	} rows[] = {
		{"trap 'exit 0' TERM; echo; read x", true},
		{"trap '' TERM; echo; read x", false},
	};
	struct fixture *f = *state;
	char byte;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int hold[2];
		pid_t pid;

		assert_int_equal(pipe2(hold, O_CLOEXEC), 0);
		start(f, rows[i].script,
		      (struct process_params){.stdin_fd = hold[0], .output_fd = f->pipe[1]});
		pid = process_pid(f->process);
		assert_int_equal(read(f->pipe[0], &byte, 1), 1); /* the trap is set */
		process_end(f->process, SIGTERM, rows[i].is_heeded ? 10000 : 20);
		assert_int_equal(kill(pid, 0), rows[i].is_heeded ? -1 : 0);
		close(hold[0]);
		close(hold[1]); /* ends the other one */
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			continue;
	}
	assert_false(f->is_over);
}

/* In the middle process: starts a child that only a signal ends, and tells its pid. */
static void run_middle(int hold_fd, int report_fd)
{
	static const char *const argv[] = {"sh", "-c", "read x", NULL};
	struct process_params params = {.argv = argv, .stdin_fd = hold_fd, .output_fd = report_fd};
	struct loop *loop;
	struct process *process;
	pid_t pid;

	if (loop_new(&loop, NULL) != ST_OK ||
	    process_start(loop, &params, NULL, NULL, &process, NULL) != ST_OK)
		_exit(1);
	pid = process_pid(process);
	if (write(report_fd, &pid, sizeof(pid)) != sizeof(pid))
		_exit(1);
	for (;;)
		pause();
}

static void children_die_with_their_parent(void **state)
{
	struct fixture *f = *state;
	struct pollfd ended = {.fd = f->pipe[0], .events = POLLIN};
	int hold[2];
	pid_t child = 0;
	pid_t middle;
	char byte;

	/* What the child waits for never comes: we hold the other end. */
	assert_int_equal(pipe2(hold, O_CLOEXEC), 0);
	middle = fork();
	if (middle == 0)
		run_middle(hold[0], f->pipe[1]);
	close(f->pipe[1]);
	f->pipe[1] = -1;
	assert_int_equal(read(f->pipe[0], &child, sizeof(child)), sizeof(child));
	assert_true(child > 0);
	assert_int_equal(kill(middle, SIGKILL), 0);
	assert_int_equal(waitpid(middle, NULL, 0), middle);
	/* End of file: the last holder of the pipe's write side is gone, which is the child. */
	if (poll(&ended, 1, (int)(TEST_WAIT_NS / NS_PER_MS)) != 1) {
		kill(child, SIGKILL);
		fail_msg("the child outlived its parent");
	}
	assert_int_equal(read(f->pipe[0], &byte, 1), 0);
	close(hold[0]);
	close(hold[1]);
}

static void on_signal(void *data, int signal_number)
{
	((struct fixture *)data)->last_signal = signal_number;
}

static bool has_signal(void *data)
{
	return ((struct fixture *)data)->last_signal != 0;
}

static void signals_arrive_on_the_loop(void **state)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
	struct fixture *f = *state;
	struct signals *signals = signals_start(f->loop, on_signal, f);
	struct sigaction action;

	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		f->last_signal = 0;
		assert_int_equal(raise(numbers[i]), 0);
		run(f, has_signal);
		assert_int_equal(f->last_signal, numbers[i]);
	}
	assert_int_equal(sigaction(SIGPIPE, NULL, &action), 0);
	assert_true(action.sa_handler == SIG_IGN);
	signals_stop(signals);
	signals_stop(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(exits_are_told),
		TEST(signals_reach_the_child),
		TEST(missing_programs_are_told),
		TEST(output_directory_and_descriptors_are_set),
		TEST(an_end_is_waited_for),
		TEST(a_released_child_is_reaped_in_silence),
		TEST(children_die_with_their_parent),
		TEST(signals_arrive_on_the_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
