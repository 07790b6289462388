#ifndef HEADGATE_HTTPAPI_FRONT_LISTENER_H
#define HEADGATE_HTTPAPI_FRONT_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "httpapi/front/http1.h"
#include "httpapi/front/http2.h"
#include "src/base/status.h"

/* One port for HTTP/1.1 and HTTP/2: the first bytes decide ("PRI" is no HTTP/1.1 method). A peer
 * that has said nothing yet costs a descriptor and waits alone. */
struct address;
struct error;
struct listener;
struct loop;
struct metrics;

/* Proxies open connections ahead of use: a silent peer gets a minute before the first byte. */
#define LISTENER_SILENT_MS 60000

struct listener_params {
	const char *name; /* for the log: "ingress", "admin", "metrics" */
	const struct address *address;
	struct metrics *metrics; /* may be NULL: connections are not counted */
	bool is_shared;		 /* with other processes: ruling R8 */
	size_t max_connections;
	size_t max_per_address;	    /* 0: no limit of its own */
	uint64_t silent_timeout_ms; /* until the first byte */
	struct http1_params
		http1; /* serve and data are those of the listener; on_closed is set here */
	struct http2_params http2; /* likewise */
};

MUST_CHECK enum status listener_open(struct loop *loop, const struct listener_params *params,
				     struct listener **ret_listener, struct error *err);

uint16_t listener_port(const struct listener *listener);

/* Plain requests in progress (gRPC calls are counted by their owner). */
size_t listener_active(const struct listener *listener);

/* Stops accepting, closes what is idle, tells HTTP/2 clients to go away. */
void listener_drain(struct listener *listener);

/* Cuts everything. NULL is a no-op. */
void listener_close(struct listener *listener);

#endif
