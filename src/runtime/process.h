#ifndef HEADGATE_SRC_RUNTIME_PROCESS_H
#define HEADGATE_SRC_RUNTIME_PROCESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "src/base/status.h"

/* A supervised child. It dies with us: PR_SET_PDEATHSIG is set between fork and exec and
 * the parent re-checked. Spec: ruling R10. */
struct loop;
struct error;
struct process;

struct process_params {
	const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH */
	const char *program;	 /* started instead of argv[0]; NULL: that */
	int death_signal;	 /* when we die; 0: SIGTERM */
	const char *directory;	 /* chdir there first; NULL: stay */
	int stdin_fd;		 /* -1: /dev/null */
	int output_fd;		 /* stdout and stderr of the child; -1: inherited */
	const int *inherit_fds;	 /* further descriptors that stay open in the child */
	unsigned inherit_fd_count;
};

/* exit_code when it left by itself, else term_signal > 0. The handle is gone when this returns. */
typedef void (*process_exit_fn)(void *data, int exit_code, int term_signal);

/* Errors: ST_NOT_FOUND no such program (reported through a close-on-exec pipe, not by exit code).
 */
MUST_CHECK enum status process_start(struct loop *loop, const struct process_params *params,
				     process_exit_fn on_exit, void *data,
				     struct process **ret_process, struct error *err);

pid_t process_pid(const struct process *process);
void process_signal(struct process *process, int signal_number);

/* Signals the child and blocks until it has left, for wait_ms at the most: for when the loop is
 * over. No callback. Whoever is still there then is forgotten, and told again when we die. */
void process_end(struct process *process, int signal_number, int wait_ms);

/* Forgets the child without ending it; after it returns, no callback. NULL is a no-op. */
void process_release(struct process *process);

#endif
