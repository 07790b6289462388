#ifndef HEADGATE_TESTS_FAKES_FAKE_REDIS_H
#define HEADGATE_TESTS_FAKES_FAKE_REDIS_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/span.h"

/* A server that speaks RESP on the test's own loop and answers what the test tells it to. The
 * commands of the greeting are answered well unless told otherwise; every other command takes the
 * next answer of the queue, and gets none when the queue is empty. */
struct loop;
struct fake_redis;

enum fake_redis_does {
	FAKE_REDIS_REPLY,  /* sends text */
	FAKE_REDIS_SILENT, /* nothing */
	FAKE_REDIS_CUT,	   /* sends text, if any, and closes the connection */
};

/* Listens on a TCP port of 127.0.0.1. */
struct fake_redis *fake_redis_open(struct loop *loop);
void fake_redis_close(struct fake_redis *fake);
uint16_t fake_redis_port(const struct fake_redis *fake);

/* The answer to the next command that has none yet. text: literal, lives as long as fake. */
void fake_redis_answer(struct fake_redis *fake, enum fake_redis_does does, const char *text);

/* From now on the greeting's command with this name ("AUTH", "SELECT", "SCRIPT", "CONFIG", "EVAL",
 * "SCAN", "PROBE" or "ASKING") is answered with text; NULL: well again. So are "CLUSTER",
 * "SENTINEL" and "SUBSCRIBE", which are commands like any other without a text. */
void fake_redis_greeting(struct fake_redis *fake, const char *name, const char *text);

/* Ends all connections; and how many there are. */
void fake_redis_disconnect(struct fake_redis *fake);
size_t fake_redis_peers(const struct fake_redis *fake);

/* Sends text on the newest connection, unasked. */
void fake_redis_say(struct fake_redis *fake, const char *text);

/* Beyond the greeting: commands so far, and the i-th as "NAME argument argument..." (cut to 1 KiB),
 * with "ASKING " before it when that was said right before it on its connection. */
size_t fake_redis_count(const struct fake_redis *fake);
const char *fake_redis_command(const struct fake_redis *fake, size_t i);
/* How often the greeting's command with this name came. */
size_t fake_redis_count_of(const struct fake_redis *fake, const char *name);
/* The last of the greeting's commands with this name, as fake_redis_command; "" when there is none.
 */
const char *fake_redis_last(const struct fake_redis *fake, const char *name);
/* Connections so far; reads in which commands beyond the greeting came. */
size_t fake_redis_connections(const struct fake_redis *fake);
size_t fake_redis_reads(const struct fake_redis *fake);

#endif
