#ifndef HEADGATE_JOURNAL_REDIS_EMBEDDED_H
#define HEADGATE_JOURNAL_REDIS_EMBEDDED_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/status.h"

/* The embedded journal: a private redis-server in a directory of its own, on a unix socket, started
 * again when it dies and ended with us. A lock file that the child inherits makes two servers on
 * one directory impossible, an orphan of a killed gateway included. Ruling R10. */
struct loop;
struct error;
struct address;
struct embedded;

struct embedded_params {
	const char *directory;	/* made with mode 0700 when missing; copied */
	const char *program;	/* redis-server; copied */
	const char *durability; /* "always", "everysec" or "memory"; copied */
	uint64_t lock_wait_ms;	/* how long a held lock is waited for; 0: 10 s */
};

struct embedded_ops {
	/* A server was started; its socket will answer soon. */
	void (*on_started)(void *data);
	/* It is gone (or could not be started); another follows unless embedded_fatal. */
	void (*on_stopped)(void *data, const struct error *error);
};

/* Takes the lock and starts the server; a lock that is held is waited for up to 10 s, with one line
 * in the log. No callback comes before it returned. Errors: ST_NOT_FOUND no such program,
 * ST_INVALID_ARGUMENT unknown durability or unusable directory. */
MUST_CHECK enum status embedded_open(struct loop *loop, const struct embedded_params *params,
				     const struct embedded_ops *ops, void *data,
				     struct embedded **ret_embedded, struct error *err);

/* Ends the server and waits for it to write what it has, two seconds at the most: not from inside
 * the loop. NULL is a no-op. */
void embedded_close(struct embedded *embedded);

/* Where the server of a directory listens. */
void embedded_socket(const char *directory, struct address *ret_address);

/* Where this one does. */
void embedded_address(const struct embedded *embedded, struct address *ret_address);

/* Why no server will be started any more: the lock stayed held, the program vanished, the data is
 * damaged. NULL while there is hope. */
const struct error *embedded_fatal(const struct embedded *embedded);

/* A server was started so lately that not reaching it is nothing to speak of. */
bool embedded_is_starting(const struct embedded *embedded);

/* The child's process id, 0 when there is none (tests, /status). */
int embedded_pid(const struct embedded *embedded);

#endif
