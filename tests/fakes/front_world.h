#ifndef HEADGATE_TESTS_FAKES_FRONT_WORLD_H
#define HEADGATE_TESTS_FAKES_FRONT_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "httpapi/front/front.h"
#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/config/config.h"
#include "tests/fakes/fake_router.h"

/* A whole front on ephemeral ports over a fake router, serving the API of the test function, and
 * plain sockets towards it, all in one loop. Failures end the process. */
struct api;
struct loop;
struct stream;

/* Only whoever waits in vain takes as long; a sanitizer on a busy machine takes ten seconds for
 * what needs one. */
#define FRONT_WORLD_WAIT_NS (60 * NS_PER_S)

struct front_world {
	struct loop *loop;
	struct config config;
	struct metrics *metrics;
	struct fake_router router;
	struct front *front;
	struct api *api;
	const char *not_ready; /* NULL: ready */
	bool is_drained;
};

/* flags: further configuration, "key=value", NULL-terminated; NULL: none. */
void front_world_init(struct front_world *world, const char *const *flags);
void front_world_fini(struct front_world *world);

/* Turns of the loop until the condition holds; ends the process after FRONT_WORLD_WAIT_NS. */
void front_world_wait(struct front_world *world, bool (*is_done)(void *data), void *data);

/* Turns for that long. */
void front_world_pass(struct front_world *world, uint64_t wait_ms);

/* Bytes both ways. */
struct raw_client {
	struct front_world *world;
	struct stream *stream;
	struct buf in;
	struct buf out;
	bool is_closed;
	size_t wanted;
};

void raw_open(struct raw_client *client, struct front_world *world, enum front_listener which);
void raw_close(struct raw_client *client);
void raw_send(struct raw_client *client, struct span bytes);

/* Waits until the server closed. */
void raw_wait_closed(struct raw_client *client);

/* Waits until an HTTP/1.1 response is there whole; returns its status. Its bytes are the front of
 * `in`; body gets the span after the head. */
int raw_response(struct raw_client *client, struct span *ret_head, struct span *ret_body);

/* For HEAD: the head alone is waited for. */
int raw_response_head(struct raw_client *client, struct span *ret_head);

/* Drops the response that raw_response returned. */
void raw_next(struct raw_client *client);

/* Sends, receives, compares the status, and says whether text stands in the answer. */
int raw_ask(struct front_world *world, struct span request, struct buf *answer, bool *ret_closed);

/* True when text occurs in bytes. */
bool front_world_has(struct span bytes, const char *text);

#endif
