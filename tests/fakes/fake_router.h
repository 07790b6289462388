#ifndef HEADGATE_TESTS_FAKES_FAKE_ROUTER_H
#define HEADGATE_TESTS_FAKES_FAKE_ROUTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/status.h"

/* A router for tests of the front: it answers by itself. Linking it replaces src/router. Give it to
 * the front as (struct router *). */
struct exchange;
struct grpc_status;
struct metadata;

enum fake_router_mode {
	FAKE_ROUTER_ECHO,     /* the reply is the request's bytes */
	FAKE_ROUTER_HOLD,     /* reads the request, then waits for fake_router_release */
	FAKE_ROUTER_FAIL,     /* finishes with failure */
	FAKE_ROUTER_NO_REPLY, /* finishes with OK and no message */
	FAKE_ROUTER_REPLY,    /* replies with the bytes in reply */
	FAKE_ROUTER_STREAM,   /* echoes every message, finishes at half close */
	FAKE_ROUTER_CUSTOM,   /* on_accept sets the handler */
};

#define FAKE_ROUTER_HELD_MAX 64

struct fake_router {
	enum fake_router_mode mode;
	const struct grpc_status *failure;
	const struct metadata *headers; /* NULL: none */
	struct span reply;
	void (*on_accept)(struct exchange *exchange, void *data);
	void *on_accept_data;
	struct exchange *held[FAKE_ROUTER_HELD_MAX];
	size_t held_count;
	unsigned accepted;
	unsigned cancelled;
	enum status cancelled_why;
	struct buf message; /* the newest */
	/* of the newest exchange */
	uint64_t deadline_ns;
	char method[64];
	char protocol[16];
	char metadata[1024]; /* "key=value;" in order */
};

void fake_router_init(struct fake_router *fake);
void fake_router_fini(struct fake_router *fake);

/* Echoes to everything that is held. */
void fake_router_release(struct fake_router *fake);

#endif
