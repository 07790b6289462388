/* Stands between two programs of a chaos run and passes bytes on, until it is told to do worse.
 * Each argument is a route, HOST:PORT=HOST:PORT: where it listens and where that leads. stdin:
 *
 *   drop N    route N, from 0: the next bytes of an answer are thrown away, and its connection is
 * reset on both sides. So the request was executed, and who asked does not know. reset N   all
 * connections of the route are reset hold N    nothing passes, in both directions, and nothing is
 * said about it pass N    as before
 *
 * stdout: "dropped N" for each answer that was thrown away. */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/mem.h"

#define ROUTES_MAX 16
#define BUFFER_BYTES ((size_t)256 * 1024)

enum side_name { ASKING, ANSWERING };

/* A socket of a pair, or the listener of a route (pair is NULL). */
struct side {
	struct pair *pair;
	struct route *route;
	int fd;
	bool has_ended;		      /* will say no more */
	uint8_t buffer[BUFFER_BYTES]; /* what it said and the other side has not taken */
	size_t start, end;
};

struct pair {
	struct pair *next;
	struct side sides[2];
	bool is_dead;
};

struct route {
	struct sockaddr_in from, to;
	struct side *listener;
	struct pair *pairs;
	int drops; /* answers yet to be thrown away */
	bool is_held;
};

struct relay {
	struct route routes[ROUTES_MAX];
	int route_count;
	int epoll;
};

static struct side *peer_of(struct side *side)
{
	return &side->pair->sides[side == &side->pair->sides[ASKING] ? ANSWERING : ASKING];
}

/* Reset, not closed: what the other end has not read yet is gone too. */
static void reset(struct pair *pair)
{
	struct linger linger = {1, 0};

	if (pair->is_dead)
		return;
	pair->is_dead = true;
	for (int i = 0; i < 2; i++) {
		(void)setsockopt(pair->sides[i].fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
		(void)close(pair->sides[i].fd); /* that is the point */
	}
}

static void watch(struct relay *relay, struct side *side, int operation)
{
	struct side *peer = peer_of(side);
	bool is_held = side->route->is_held;
	bool reads = !is_held && !side->has_ended && side->end < BUFFER_BYTES;
	bool writes = !is_held && peer->start < peer->end;
	struct epoll_event event = {(reads ? EPOLLIN : 0U) | (writes ? EPOLLOUT : 0U),
				    {.ptr = side}};

	if (epoll_ctl(relay->epoll, operation, side->fd, &event))
		reset(side->pair);
}

/* What a side said goes to its peer, as far as that takes it. */
static void pass_on(struct side *side)
{
	struct side *peer = peer_of(side);

	while (side->start < side->end) {
		ssize_t sent = send(peer->fd, side->buffer + side->start, side->end - side->start,
				    MSG_NOSIGNAL);
		if (sent < 0 && errno == EAGAIN)
			return;
		if (sent <= 0) {
			reset(side->pair);
			return;
		}
		side->start += (size_t)sent;
	}
	side->start = 0;
	side->end = 0;
	if (side->has_ended && shutdown(peer->fd, SHUT_WR))
		reset(side->pair);
	if (side->has_ended && peer->has_ended && peer->start == peer->end)
		reset(side->pair);
}

static void take(struct relay *relay, struct side *side)
{
	bool is_answer = side == &side->pair->sides[ANSWERING];
	ssize_t got = recv(side->fd, side->buffer + side->end, BUFFER_BYTES - side->end, 0);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got < 0) {
		reset(side->pair);
		return;
	}
	if (got > 0 && is_answer && side->route->drops > 0) {
		side->route->drops--;
		reset(side->pair);
		printf("dropped %d\n", (int)(side->route - relay->routes));
		(void)fflush(stdout); /* who reads it may be gone */
		return;
	}
	side->has_ended |= got == 0;
	side->end += (size_t)got;
	pass_on(side);
}

static int connect_to(const struct sockaddr_in *to)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || !connect(fd, (const struct sockaddr *)to, sizeof *to) || errno == EINPROGRESS)
		return fd;
	(void)close(fd); /* never connected */
	return -1;
}

static void welcome(struct relay *relay, struct side *listener)
{
	struct route *route = listener->route;
	int asking = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int answering = asking < 0 ? -1 : connect_to(&route->to);
	int one = 1;

	if (answering < 0) {
		if (asking >= 0)
			(void)close(asking); /* nobody there */
		return;
	}
	struct pair *pair = mem_new(struct pair);
	pair->next = route->pairs;
	route->pairs = pair;
	pair->sides[ASKING].fd = asking;
	pair->sides[ANSWERING].fd = answering;
	for (int i = 0; i < 2; i++) {
		pair->sides[i].pair = pair;
		pair->sides[i].route = route;
		(void)setsockopt(pair->sides[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	}
	for (int i = 0; i < 2; i++)
		if (!pair->is_dead)
			watch(relay, &pair->sides[i], EPOLL_CTL_ADD);
}

static void on_event(struct relay *relay, struct side *side, uint32_t events)
{
	if (!side->pair) {
		if (!side->route->is_held)
			welcome(relay, side);
		return;
	}
	struct pair *pair = side->pair;
	if (pair->is_dead || side->route->is_held)
		return;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		take(relay, side);
	if (!pair->is_dead && (events & EPOLLOUT))
		pass_on(peer_of(side));
	for (int i = 0; i < 2; i++)
		if (!pair->is_dead)
			watch(relay, &pair->sides[i], EPOLL_CTL_MOD);
}

/* Pairs are freed between turns only, for events of this turn may still name them. */
static void sweep(struct relay *relay)
{
	for (int i = 0; i < relay->route_count; i++) {
		struct pair **at = &relay->routes[i].pairs;

		while (*at) {
			struct pair *pair = *at;

			if (!pair->is_dead) {
				at = &pair->next;
				continue;
			}
			*at = pair->next;
			mem_free(pair);
		}
	}
}

static void order(struct relay *relay, const char *line)
{
	unsigned long index = strtoul(line + strcspn(line, "0123456789\n"), NULL, 10);
	struct route *route = &relay->routes[index < ROUTES_MAX ? index : 0];
	bool was_held = route->is_held;

	if (strncmp(line, "drop", 4) == 0)
		route->drops++;
	else if (strncmp(line, "hold", 4) == 0)
		route->is_held = true;
	else if (strncmp(line, "pass", 4) == 0)
		route->is_held = false;
	struct epoll_event event = {route->is_held ? 0U : EPOLLIN, {.ptr = route->listener}};
	if (was_held != route->is_held)
		(void)epoll_ctl(relay->epoll, EPOLL_CTL_MOD, route->listener->fd, &event);
	for (struct pair *pair = route->pairs; pair; pair = pair->next) {
		if (strncmp(line, "reset", 5) == 0)
			reset(pair);
		for (int i = 0; i < 2 && was_held != route->is_held; i++)
			if (!pair->is_dead)
				watch(relay, &pair->sides[i], EPOLL_CTL_MOD);
	}
}

/* False at the end of the orders. */
static bool read_orders(struct relay *relay)
{
	char text[1024];
	ssize_t got = read(STDIN_FILENO, text, sizeof text - 1);

	if (got <= 0)
		return false;
	text[got] = '\0';
	for (char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
		order(relay, line);
	return true;
}

static bool read_address(char *text, struct sockaddr_in *ret_address)
{
	char *colon = strrchr(text, ':');

	if (!colon)
		return false;
	*colon = '\0';
	ret_address->sin_family = AF_INET;
	ret_address->sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	return inet_pton(AF_INET, text, &ret_address->sin_addr) == 1;
}

static bool open_route(struct relay *relay, char *text)
{
	struct route *route = &relay->routes[relay->route_count];
	char *equals = strchr(text, '=');
	int one = 1;

	if (!equals || relay->route_count == ROUTES_MAX)
		return false;
	*equals = '\0';
	if (!read_address(text, &route->from) || !read_address(equals + 1, &route->to))
		return false;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one); /* bind tells */
	if (bind(fd, (struct sockaddr *)&route->from, sizeof route->from) || listen(fd, 64)) {
		perror(text);
		return false;
	}
	route->listener = mem_new(struct side);
	route->listener->route = route;
	route->listener->fd = fd;
	struct epoll_event event = {EPOLLIN, {.ptr = route->listener}};
	relay->route_count++;
	return epoll_ctl(relay->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

int main(int argc, char **argv)
{
	static struct relay relay;
	struct epoll_event events[64];
	struct epoll_event orders = {EPOLLIN, {.ptr = NULL}};
	bool is_running = true;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* it would only run on */
	relay.epoll = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 1; i < argc; i++)
		if (!open_route(&relay, argv[i]))
			return 1;
	(void)epoll_ctl(relay.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &orders); /* no orders, then */
	puts("ready");
	(void)fflush(stdout); /* who reads it may be gone */
	while (is_running) {
		int count = epoll_wait(relay.epoll, events, 64, -1);

		for (int i = 0; i < count; i++) {
			if (events[i].data.ptr)
				on_event(&relay, events[i].data.ptr, events[i].events);
			else
				is_running = read_orders(&relay);
		}
		sweep(&relay);
	}
	return 0;
}
