#ifndef HEADGATE_SRC_RUNTIME_LISTEN_H
#define HEADGATE_SRC_RUNTIME_LISTEN_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/status.h"

struct loop;
struct address;
struct error;
struct sockaddr;
struct listen;

/* A new connection: non-blocking, close-on-exec, TCP_NODELAY set. The callee takes fd. */
typedef void (*listen_accept_fn)(void *data, int fd, const struct sockaddr *peer,
				 unsigned peer_len);

/* Binds and listens (backlog 1024, SO_REUSEADDR, dual stack for "::"). A unix path that exists and
 * answers is refused; a dead one is replaced. EMFILE pauses accepting for 100 ms instead of
 * spinning. Errors: ST_ALREADY_EXISTS address in use, ST_INVALID_ARGUMENT, ST_PERMISSION_DENIED. */
MUST_CHECK enum status listen_open(struct loop *loop, const struct address *address,
				   listen_accept_fn on_accept, void *data,
				   struct listen **ret_listen, struct error *err);

/* The same with SO_REUSEPORT: several processes share the port. Spec: ruling R8. */
MUST_CHECK enum status listen_open_shared(struct loop *loop, const struct address *address,
					  listen_accept_fn on_accept, void *data,
					  struct listen **ret_listen, struct error *err);

/* The bound TCP port (asked with port 0), 0 for unix. */
uint16_t listen_port(const struct listen *listen);

/* NULL is a no-op. */
void listen_close(struct listen *listen);

#endif
