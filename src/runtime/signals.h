#ifndef HEADGATE_SRC_RUNTIME_SIGNALS_H
#define HEADGATE_SRC_RUNTIME_SIGNALS_H

struct loop;
struct signals;

/* A signal arrived; called on the loop, never in signal context. */
typedef void (*signals_fn)(void *data, int signal_number);

/* Watches SIGTERM, SIGINT and SIGHUP; SIGPIPE is ignored for the process. */
struct signals *signals_start(struct loop *loop, signals_fn fn, void *data);
void signals_stop(struct signals *signals);

#endif
