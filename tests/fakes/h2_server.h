#ifndef HEADGATE_TESTS_FAKES_H2_SERVER_H
#define HEADGATE_TESTS_FAKES_H2_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/list.h"
#include "src/h2/h2.h"

/* An HTTP/2 server on an ephemeral port of 127.0.0.1 that counts what happens to it. What it does
 * with a request is chosen by its path:
 *
 *   /echo     200, every byte back, at the end the trailer "done: yes"
 *   /hold     200, then nothing; body is read
 *   /silent   nothing at all; body is read
 *   /deaf     200, body is never read
 *   /big      200 and big_bytes of body, whatever the request does, then its end
 *   /short    200 with END_STREAM at once
 *   /reset    RST_STREAM(CANCEL)
 *   /refuse   not taken by the owner
 */
struct loop;
struct listen;

struct h2_fake {
	struct loop *loop;
	struct listen *listen;
	uint16_t port;
	struct h2_limits limits;
	struct list sessions;
	struct list streams;
	size_t big_bytes;

	unsigned accepted; /* connections so far */
	unsigned session_count;
	unsigned stream_count;
	unsigned requests; /* on_request calls */
	unsigned ends;	   /* on_end calls */
	unsigned clean;	   /* on_closed calls by kind */
	unsigned unclean;
	unsigned lost;
	unsigned drained;
	uint32_t last_code;
	size_t received;
	enum status last_session_status;
	char last_message[128];
	char last_trailer[64]; /* value of the request trailer "sum" */
};

/* limits is copied; fake->port is the port to listen on, 0 for any. Fails the process when no port
 * can be had. */
void h2_fake_init(struct h2_fake *fake, struct loop *loop, const struct h2_limits *limits);
void h2_fake_fini(struct h2_fake *fake);

/* Stops listening; the sessions stay. */
void h2_fake_stop_listening(struct h2_fake *fake);

/* What h2_session_drain and h2_session_close do, for all sessions. */
void h2_fake_drain_all(struct h2_fake *fake);
void h2_fake_close_all(struct h2_fake *fake);

/* Ends every open /hold stream with the trailer "done: yes". */
void h2_fake_end_all(struct h2_fake *fake);

/* Sum of what is queued for sending. */
size_t h2_fake_unsent(const struct h2_fake *fake);

#endif
