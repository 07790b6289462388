#ifndef HEADGATE_TESTS_FAKES_REDIS_SERVER_H
#define HEADGATE_TESTS_FAKES_REDIS_SERVER_H

#include <stddef.h>
#include <sys/types.h>

/* A real redis-server for tests: a child on a unix socket in a directory of its own, and a blocking
 * client beside the code under test. Everything here aborts the test program when it fails. */
struct redisReply;
struct redis_server;

/* args: further arguments of redis-server up to NULL, or NULL for none. Answers when it returns. */
struct redis_server *redis_server_start(const char *const *args);

/* SIGKILL, and waits for the end. Then redis_server_again starts it on the same data. */
void redis_server_kill(struct redis_server *server);
void redis_server_again(struct redis_server *server);

/* Ends it and removes the directory. NULL is a no-op. */
void redis_server_stop(struct redis_server *server);

/* "unix:PATH"; the directory; borrowed from the server. */
const char *redis_server_url(const struct redis_server *server);
const char *redis_server_directory(const struct redis_server *server);

/* One command in hiredis' format (%s, %b) and its reply as text: arrays as [a b [c]], nil as (nil),
 * errors with a leading '-'. Borrowed until the next call. */
const char *redis_server_ask(struct redis_server *server, const char *format, ...);

/* One command in its wire form; the reply is released with freeReplyObject. */
struct redisReply *redis_server_send(struct redis_server *server, const char *text, size_t len);

/* A directory for a test under TMPDIR, owned by the caller (mem_free); and its removal with all in
 * it. */
char *temp_directory(void);
void temp_remove(const char *directory);

#endif
