/* One connection of a client to the public port, over everything that faces clients: the first-byte
 * sniff, HTTP/1.1, HTTP/2 sessions, gRPC calls, JSON; behind it a router that echoes. The first
 * byte of the input says how the rest is cut (low bits: pieces of 2^n bytes) and whether the
 * preface of HTTP/2 is sent before it (high bit). At the end the client says so, and whatever it
 * sent, the connection must end then. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/runtime/loop.h"
#include "tests/fakes/front_world.h"

#define HTTP2_BIT 0x80
#define PIECE_BITS 0x0F

/* Longest wait for a connection that does not end; far above what one takes. */
#define END_WAIT_NS (5 * NS_PER_S)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct front_world world;
static char folder[] = "/tmp/fuzz-front-XXXXXX";
static struct sockaddr_un address = {.sun_family = AF_UNIX};

static void close_world(void)
{
	front_world_fini(&world);
	(void)unlink(address.sun_path);
	(void)rmdir(folder);
}

static void open_world(void)
{
	static char listen[sizeof(address.sun_path) + 16];
	/* Some ends are those of a deadline. */
	const char *const flags[] = {listen, "http.head_timeout=100ms", "http.body_timeout=100ms",
				     NULL};

	BUG_ON(!mkdtemp(folder));
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", folder);
	(void)snprintf(listen, sizeof(listen), "listen=unix:%s", address.sun_path);
	front_world_init(&world, flags);
	world.router.mode = FAKE_ROUTER_ECHO;
	(void)atexit(close_world);
}

struct client {
	int fd;
	unsigned turns;
	bool is_ended;
};

/* Reads what came; the server's end is the end. */
static bool has_ended(void *data)
{
	struct client *client = data;
	char answer[16384];
	ssize_t n;

	while ((n = recv(client->fd, answer, sizeof(answer), MSG_DONTWAIT)) > 0)
		continue;
	client->is_ended |= n == 0 || errno != EAGAIN;
	return client->is_ended;
}

static bool has_turned(void *data)
{
	struct client *client = data;

	return has_ended(client) || ++client->turns >= 2;
}

static void send_piece(struct client *client, struct span piece)
{
	while (piece.len && !client->is_ended) {
		ssize_t n = send(client->fd, piece.data, piece.len, MSG_DONTWAIT | MSG_NOSIGNAL);

		piece = span_skip(piece, n > 0 ? (size_t)n : 0);
		client->turns = 0;
		/* A piece that wakes nobody up is waited for no longer than that. */
		(void)loop_run_until(world.loop, has_turned, client,
				     clock_mono_ns() + 2 * NS_PER_MS);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_make(data, size);
	struct client client = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	size_t piece;

	if (!world.loop)
		open_world();
	BUG_ON(client.fd < 0);
	BUG_ON(connect(client.fd, (struct sockaddr *)&address, sizeof(address)) < 0);
	piece = (size_t)1 << (size ? data[0] & PIECE_BITS : 0);
	if (size && data[0] & HTTP2_BIT)
		send_piece(&client, SPAN_LIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"));
	for (rest = span_skip(rest, 1); rest.len; rest = span_skip(rest, piece))
		send_piece(&client, span_head(rest, piece));
	(void)shutdown(client.fd, SHUT_WR); /* it may be gone already */
	BUG_ON(!loop_run_until(world.loop, has_ended, &client, clock_mono_ns() + END_WAIT_NS));
	(void)close(client.fd);
	return 0;
}
