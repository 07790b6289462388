#ifndef HEADGATE_SRC_RUNTIME_WATCH_H
#define HEADGATE_SRC_RUNTIME_WATCH_H

#include <stdbool.h>

/* Readiness of a descriptor somebody else owns: a foreign epoll set, a socket that is only peeked
 * at, a hang-up. Level-triggered. The descriptor must stay open until watch_stop. */
struct loop;
struct watch;

#define WATCH_READABLE 1U
#define WATCH_WRITABLE 2U
#define WATCH_HANGUP 4U

/* events: the WATCH_ bits that are true; WATCH_HANGUP also when poll reports an error. */
typedef void (*watch_fn)(void *data, unsigned events);

struct watch *watch_start(struct loop *loop, int fd, unsigned events, watch_fn fn, void *data);
void watch_change(struct watch *watch, unsigned events);

/* After it returns, no callback, and fd may be closed. NULL is a no-op. */
void watch_stop(struct watch *watch);

#endif
