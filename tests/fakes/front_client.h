#ifndef HEADGATE_TESTS_FAKES_FRONT_CLIENT_H
#define HEADGATE_TESTS_FAKES_FRONT_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "tests/fakes/front_world.h"

/* One request over a connection of its own, HTTP/1.1 or HTTP/2, piece by piece both ways. Failures
 * end the process. */
struct h2_session;
struct h2_stream;

struct front_client {
	struct front_world *world;
	bool is_http2;
	int status;	     /* 0: no head yet */
	struct buf head;     /* "name: value\n", names in lower case */
	struct buf body;     /* without chunks */
	struct buf trailers; /* as head */
	bool is_over;	     /* the answer is complete or broken off */
	bool is_whole;	     /* it came to its end in good order */
	bool is_deaf;	     /* HTTP/2: takes no bytes of the body */
	size_t wanted;
	/* HTTP/1.1 */
	struct raw_client raw;
	bool is_chunked;
	bool has_length;
	size_t length;
	/* HTTP/2 */
	struct h2_session *session;
	struct h2_stream *stream;
	bool is_ready;
};

void front_client_open(struct front_client *client, struct front_world *world, bool is_http2);
void front_client_close(struct front_client *client);

/* headers: "name: value\n" in lower case, NULL: none. With a body, its pieces follow. */
void front_client_request(struct front_client *client, const char *method, const char *path,
			  const char *headers, bool has_body);
void front_client_send(struct front_client *client, struct span bytes);
void front_client_end(struct front_client *client);

/* Vanishes without a word: the connection closes (HTTP/1.1), the stream is reset (HTTP/2). */
void front_client_vanish(struct front_client *client);

/* No longer deaf. */
void front_client_listen(struct front_client *client);

/* Waits for the head, for so many bytes of the body (or the end), for the end. */
void front_client_wait_head(struct front_client *client);
void front_client_wait_body(struct front_client *client, size_t bytes);
void front_client_wait(struct front_client *client);

#endif
