#include "tests/fakes/redis_server.h"

#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/mem.h"

#define ARGS_MAX 40
#define START_LIMIT_NS (10 * NS_PER_S)
#define TEXT_MAX ((size_t)16 * 1024 * 1024)

struct redis_server {
	char *directory;
	char *url;
	const char *args[ARGS_MAX];
	pid_t pid;
	redisContext *client;
	struct buf text;
};

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
	(void)info;
	(void)kind;
	(void)place;
	return remove(path);
}

char *temp_directory(void)
{
	const char *base = getenv("TMPDIR");
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/headgate-XXXXXX", base ? base : "/tmp");
	BUG_ON(!mkdtemp(path));
	return mem_strdup(path);
}

void temp_remove(const char *directory)
{
	(void)nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS); /* as far as it goes */
}

/* The client answers PING: the socket is there and the data is loaded. */
static bool is_up(struct redis_server *s)
{
	redisReply *reply;
	bool is_pong;

	if (s->client)
		redisFree(s->client);
	s->client = redisConnectUnix(s->url + strlen("unix:"));
	if (!s->client || s->client->err)
		return false;
	reply = redisCommand(s->client, "PING");
	is_pong = reply && reply->type == REDIS_REPLY_STATUS;
	if (reply)
		freeReplyObject(reply);
	return is_pong;
}

void redis_server_again(struct redis_server *s)
{
	uint64_t deadline = clock_mono_ns() + START_LIMIT_NS;
	pid_t parent = getpid();

	s->pid = fork();
	BUG_ON(s->pid < 0);
	if (s->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* no server outlives a crashed test */
		if (getppid() != parent || !freopen("/dev/null", "w", stdout))
			_exit(1);
		(void)execvp(s->args[0], (char *const *)s->args);
		_exit(127);
	}
	while (!is_up(s)) {
		BUG_ON(clock_mono_ns() > deadline);
		BUG_ON(waitpid(s->pid, NULL, WNOHANG) != 0); /* is redis-server installed? */
		(void)poll(NULL, 0, 2);
	}
}

struct redis_server *redis_server_start(const char *const *args)
{
	static const char *const fixed[] = {
		"redis-server",		  "--port", "0", "--save", "", "--appendonly", "no",
		"--enable-debug-command", "yes"};
	struct redis_server *s = mem_new(struct redis_server);
	char url[300];
	size_t n = 0;

	s->directory = temp_directory();
	(void)snprintf(url, sizeof(url), "unix:%s/s.sock", s->directory);
	s->url = mem_strdup(url);
	buf_init(&s->text, TEXT_MAX);
	for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++)
		s->args[n++] = fixed[i];
	s->args[n++] = "--unixsocket";
	s->args[n++] = s->url + strlen("unix:");
	s->args[n++] = "--dir";
	s->args[n++] = s->directory;
	for (; args && *args; args++) {
		BUG_ON(n == ARGS_MAX - 1);
		s->args[n++] = *args;
	}
	redis_server_again(s);
	return s;
}

void redis_server_kill(struct redis_server *s)
{
	if (s->pid <= 0)
		return;
	(void)kill(s->pid, SIGKILL);
	while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	s->pid = 0;
}

void redis_server_stop(struct redis_server *s)
{
	if (!s)
		return;
	redis_server_kill(s);
	if (s->client)
		redisFree(s->client);
	temp_remove(s->directory);
	buf_fini(&s->text);
	mem_free(s->directory);
	mem_free(s->url);
	mem_free(s);
}

const char *redis_server_url(const struct redis_server *s)
{
	return s->url;
}

const char *redis_server_directory(const struct redis_server *s)
{
	return s->directory;
}

/* Depth is bounded by hiredis' reader. */
static void print(struct buf *out, const redisReply *reply) /* NOLINT(misc-no-recursion) */
{
	switch (reply->type) {
	case REDIS_REPLY_ARRAY:
		buf_append_byte(out, '[');
		for (size_t i = 0; i < reply->elements; i++) {
			if (i)
				buf_append_byte(out, ' ');
			print(out, reply->element[i]);
		}
		buf_append_byte(out, ']');
		break;
	case REDIS_REPLY_INTEGER:
		buf_printf(out, "%lld", reply->integer);
		break;
	case REDIS_REPLY_NIL:
		buf_append_str(out, "(nil)");
		break;
	default:
		if (reply->type == REDIS_REPLY_ERROR)
			buf_append_byte(out, '-');
		buf_append(out, span_make(reply->str, reply->len));
	}
}

const char *redis_server_ask(struct redis_server *s, const char *format, ...)
{
	va_list args;
	redisReply *reply;

	va_start(args, format);
	reply = redisvCommand(s->client, format, args);
	va_end(args);
	BUG_ON(!reply);
	buf_reset(&s->text);
	print(&s->text, reply);
	buf_append_byte(&s->text, 0);
	freeReplyObject(reply);
	return (const char *)buf_span(&s->text).data;
}

struct redisReply *redis_server_send(struct redis_server *s, const char *text, size_t len)
{
	void *reply = NULL;

	BUG_ON(redisAppendFormattedCommand(s->client, text, len) != REDIS_OK);
	BUG_ON(redisGetReply(s->client, &reply) != REDIS_OK);
	return reply;
}
