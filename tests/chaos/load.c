/* The clients of a chaos run: appends and reads of ledgers over HTTP/1.1, at a given rate, at a
 * gateway chosen anew for every attempt. What a client knows afterwards is one line of the history:
 *
 *   KIND OP ENTITY START END OUTCOME TIMES COUNT DIGEST SEQUENCE KEYED REPLAYED ATTEMPTS
 *
 * KIND a (append) or r (read); times in us of CLOCK_MONOTONIC; OUTCOME k (acknowledged) or u
 * (unknown: END is when the client gave up); COUNT and DIGEST as the reply says, SEQUENCE its
 * headgate-entity-seq.
 *
 * An append with a key is tried again with the same key, at another gateway, until it is decided;
 * one without is unknown as soon as it was sent and not answered. Some replies are not waited for.
 *
 * stdin: "avoid N" (said back), "use N" (gateways, from 0), "stop". stdout: a line of figures every
 * second, and at the end one "status" line for each status that was answered. */

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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
#include <time.h>
#include <unistd.h>

#define CLIENTS_MAX 256
#define GATEWAYS_MAX 8
#define STATUS_MAX 600
/* What a command may be answered when others fail: nobody there; changed elsewhere all the time, or
 * executed before without a key, so that its reply is gone; the function ended meanwhile. */
#define STATUS_UNAVAILABLE 503
#define STATUS_ABORTED 409
#define STATUS_FUNCTION_ENDED 500
#define TEXT_MAX 4096

#define US_PER_MS 1000
#define US_PER_S (1000 * 1000)
/* A client waits that long for one answer, and up to so much longer: no two give up together. */
#define ATTEMPT_US (600 * US_PER_MS)
#define ATTEMPT_SPREAD_US (1400 * US_PER_MS)
/* Less than it takes an entity to get as many events as keys are remembered for. */
#define OPERATION_US (20 * (int64_t)US_PER_S)
#define PAUSE_US (5 * US_PER_MS)
#define PAUSE_SPREAD_US (35 * US_PER_MS)

/* One in so many: without a key; not waited for; with more than one event. */
#define KEYLESS_SHARE 10
#define ABANDONED_SHARE 250
#define BATCH_SHARE 8
#define BATCH_MAX 3
#define APPENDS_PERCENT 60

enum phase { IDLE, PAUSED, CONNECTING, WAITING };

struct operation {
	uint64_t id;
	uint32_t entity;
	bool is_append;
	bool is_keyed;
	int times;
	int attempts;
	int64_t start_us;
};

struct client {
	enum phase phase;
	int fds[GATEWAYS_MAX]; /* -1: none */
	int gateway;	       /* of this attempt, and of the last one */
	int64_t due_us;	       /* IDLE, PAUSED: goes on then; else: gives the attempt up then */
	struct operation operation;
	char reply[TEXT_MAX];
	size_t reply_len;
};

struct reply {
	int status;
	uint32_t count;
	uint32_t digest;
	uint32_t sequence;
	bool is_replayed;
	bool is_last; /* of its connection */
};

struct load {
	struct sockaddr_in gateways[GATEWAYS_MAX];
	bool is_avoided[GATEWAYS_MAX];
	int gateway_count;
	struct client clients[CLIENTS_MAX];
	int client_count;
	uint32_t entities;
	int64_t interval_us; /* between operations of one client */
	bool is_retrying;    /* false: what was sent and not answered well has failed */
	bool is_stopping;
	uint64_t random;
	uint64_t next_id;
	const char *prefix;
	FILE *history;
	int epoll;
	uint64_t acknowledged, unknown, retries, replayed, abandoned, failed;
	uint64_t statuses[STATUS_MAX];
};

static int64_t now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
	return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

/* xorshift64*: below n. */
static uint64_t below(struct load *load, uint64_t n)
{
	load->random ^= load->random >> 12;
	load->random ^= load->random << 25;
	load->random ^= load->random >> 27;
	return (load->random * 2685821657736338717ULL >> 11) % n;
}

/* ---- Connections ------------------------------------------------------------------------------
 */

static void drop(struct client *client, int gateway)
{
	if (client->fds[gateway] >= 0)
		(void)close(client->fds[gateway]); /* nothing is to be saved */
	client->fds[gateway] = -1;
}

static void watch(struct load *load, struct client *client, int operation, uint32_t events)
{
	uint64_t index = (uint64_t)(client - load->clients);
	struct epoll_event event = {events,
				    {.u64 = index * GATEWAYS_MAX + (uint64_t)client->gateway}};

	if (epoll_ctl(load->epoll, operation, client->fds[client->gateway], &event))
		perror("epoll_ctl");
}

static int choose_gateway(struct load *load, const struct client *client)
{
	int allowed[GATEWAYS_MAX];
	int count = 0;
	bool is_other = client->operation.attempts > 0;

	for (int i = 0; i < load->gateway_count; i++)
		if (!load->is_avoided[i] && !(is_other && i == client->gateway))
			allowed[count++] = i;
	return count ? allowed[below(load, (uint64_t)count)] : client->gateway;
}

/* ---- History ----------------------------------------------------------------------------------
 */

static void finish(struct load *load, struct client *client, const struct reply *reply)
{
	const struct operation *op = &client->operation;
	int64_t now = now_us();

	fprintf(load->history,
		"%c %s%" PRIu64 " %" PRIu32 " %" PRId64 " %" PRId64 " %c %d %" PRIu32 " %" PRIu32
		" %" PRIu32 " %d %d %d\n",
		op->is_append ? 'a' : 'r', load->prefix, op->id, op->entity, op->start_us, now,
		reply ? 'k' : 'u', op->times, reply ? reply->count : 0, reply ? reply->digest : 0,
		reply ? reply->sequence : 0, op->is_keyed, reply && reply->is_replayed,
		op->attempts + 1);
	load->acknowledged += reply != NULL;
	load->unknown += !reply;
	load->replayed += reply && reply->is_replayed;
	client->phase = IDLE;
	client->due_us = op->start_us + load->interval_us / 2 +
			 (int64_t)below(load, (uint64_t)load->interval_us + 1);
}

/* The attempt gave nothing. */
static void fail(struct load *load, struct client *client, bool was_sent)
{
	struct operation *op = &client->operation;
	int64_t now = now_us();
	bool may_repeat = !was_sent || (load->is_retrying && (!op->is_append || op->is_keyed));

	load->failed += was_sent && !load->is_retrying;
	if (!may_repeat || now - op->start_us > OPERATION_US) {
		finish(load, client, NULL);
		return;
	}
	op->attempts++;
	load->retries++;
	client->phase = PAUSED;
	client->due_us = now + PAUSE_US + (int64_t)below(load, PAUSE_SPREAD_US);
}

/* ---- Requests ---------------------------------------------------------------------------------
 */

static size_t write_request(const struct load *load, const struct operation *op, char *text)
{
	char key[128] = "";
	char body[128];
	int len;

	if (!op->is_append)
		return (size_t)snprintf(text, TEXT_MAX,
					"GET /ledger/e%" PRIu32 " HTTP/1.1\r\nHost: chaos\r\n\r\n",
					op->entity);
	if (op->is_keyed)
		(void)snprintf(key, sizeof key, "Idempotency-Key: \"%s%" PRIu64 "\"\r\n",
			       load->prefix, op->id);
	len = snprintf(body, sizeof body, "{\"op\":\"%s%" PRIu64 "\",\"times\":%d}", load->prefix,
		       op->id, op->times);
	return (size_t)snprintf(text, TEXT_MAX,
				"POST /ledger/e%" PRIu32 " HTTP/1.1\r\nHost: chaos\r\n%s"
				"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
				op->entity, key, len, body);
}

static void send_request(struct load *load, struct client *client)
{
	char text[TEXT_MAX];
	size_t len = write_request(load, &client->operation, text);
	ssize_t sent = send(client->fds[client->gateway], text, len, MSG_NOSIGNAL);
	bool is_abandoned = load->is_retrying && client->operation.is_keyed &&
			    below(load, ABANDONED_SHARE) == 0;

	client->phase = WAITING;
	client->reply_len = 0;
	if (sent == (ssize_t)len && !is_abandoned)
		return;
	load->abandoned += is_abandoned;
	drop(client, client->gateway);
	fail(load, client, sent > 0);
}

static void attempt(struct load *load, struct client *client, int64_t now)
{
	client->gateway = choose_gateway(load, client);
	client->due_us = now + ATTEMPT_US + (int64_t)below(load, ATTEMPT_SPREAD_US);
	if (client->fds[client->gateway] >= 0) {
		send_request(load, client);
		return;
	}
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int one = 1;
	const struct sockaddr_in *to = &load->gateways[client->gateway];
	if (fd < 0 ||
	    (connect(fd, (const struct sockaddr *)to, sizeof *to) && errno != EINPROGRESS)) {
		if (fd >= 0)
			(void)close(fd); /* never connected */
		fail(load, client, false);
		return;
	}
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* only slower without */
	client->fds[client->gateway] = fd;
	client->phase = CONNECTING;
	watch(load, client, EPOLL_CTL_ADD, EPOLLOUT);
}

static void begin(struct load *load, struct client *client, int64_t now)
{
	struct operation *op = &client->operation;

	*op = (struct operation){.id = load->next_id++, .start_us = now};
	op->entity = (uint32_t)below(load, load->entities);
	op->is_append = below(load, 100) < APPENDS_PERCENT;
	op->is_keyed = op->is_append && load->is_retrying && below(load, KEYLESS_SHARE) != 0;
	if (op->is_append)
		op->times = below(load, BATCH_SHARE) ? 1 : 2 + (int)below(load, BATCH_MAX - 1);
	attempt(load, client, now);
}

/* ---- Replies ----------------------------------------------------------------------------------
 */

/* The number behind a name in a NUL-terminated text, or 0. */
static uint32_t number_after(const char *text, const char *name)
{
	const char *at = strcasestr(text, name);

	if (!at)
		return 0;
	at += strlen(name);
	while (*at == ' ' || *at == '"')
		at++;
	return (uint32_t)strtoul(at, NULL, 10);
}

/* True once the reply is there as a whole. */
static bool read_reply(struct client *client, struct reply *ret_reply)
{
	char *text = client->reply;

	text[client->reply_len] = '\0';
	char *end = strstr(text, "\r\n\r\n");
	if (!end)
		return false;
	*end = '\0'; /* names are looked for in the head alone */
	const char *body = end + 4;
	size_t head_len = (size_t)(body - text);
	size_t body_len = number_after(text, "\ncontent-length:");
	if (client->reply_len < head_len + body_len) {
		*end = '\r';
		return false;
	}
	*ret_reply = (struct reply){
		.status = (int)number_after(text, "HTTP/1.1"),
		.sequence = number_after(text, "\nheadgate-entity-seq:"),
		.is_replayed = strcasestr(text, "\nidempotency-replayed: true") != NULL,
		.is_last = strcasestr(text, "\nconnection: close") != NULL,
		.count = number_after(body, "\"count\":"),
		.digest = number_after(body, "\"digest\":"),
	};
	return true;
}

static void on_reply(struct load *load, struct client *client, const struct reply *reply)
{
	int status = reply->status > 0 && reply->status < STATUS_MAX ? reply->status : 0;

	load->statuses[status]++;
	if (reply->is_last)
		drop(client, client->gateway);
	if (status == 200) {
		finish(load, client, reply);
		return;
	}
	if ((status != STATUS_UNAVAILABLE || !load->is_retrying) && status != STATUS_ABORTED &&
	    status != STATUS_FUNCTION_ENDED)
		printf("odd %d %s%" PRIu64 " %.200s\n", status, load->prefix, client->operation.id,
		       client->reply + strlen(client->reply) + 4);
	fail(load, client, true);
}

static void on_readable(struct load *load, struct client *client, int gateway)
{
	struct reply reply;
	bool is_awaited = client->phase == WAITING && client->gateway == gateway;
	char *room = client->reply + client->reply_len;
	size_t room_len = sizeof client->reply - 1 - client->reply_len;
	char unexpected[64];
	ssize_t got = is_awaited ? recv(client->fds[gateway], room, room_len, 0)
				 : recv(client->fds[gateway], unexpected, sizeof unexpected, 0);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0 || !is_awaited) {
		if (got > 0)
			printf("odd 0 unexpected bytes from gateway %d\n", gateway);
		drop(client, gateway);
		if (is_awaited)
			fail(load, client, true);
		return;
	}
	client->reply_len += (size_t)got;
	if (read_reply(client, &reply))
		on_reply(load, client, &reply);
}

static void on_connected(struct load *load, struct client *client)
{
	int error = 0;
	socklen_t len = sizeof error;

	(void)getsockopt(client->fds[client->gateway], SOL_SOCKET, SO_ERROR, &error, &len);
	if (error) {
		drop(client, client->gateway);
		fail(load, client, false);
		return;
	}
	watch(load, client, EPOLL_CTL_MOD, EPOLLIN);
	send_request(load, client);
}

static void on_event(struct load *load, uint64_t data)
{
	struct client *client = &load->clients[data / GATEWAYS_MAX];
	int gateway = (int)(data % GATEWAYS_MAX);

	if (client->fds[gateway] < 0)
		return; /* closed in this very turn */
	if (client->phase == CONNECTING && client->gateway == gateway)
		on_connected(load, client);
	else
		on_readable(load, client, gateway);
}

/* ---- Time, orders, and the end ----------------------------------------------------------------
 */

/* What is due; false when all operations have ended and no more begin. */
static bool look_at_clients(struct load *load)
{
	int64_t now = now_us();
	bool is_busy = false;

	for (int i = 0; i < load->client_count; i++) {
		struct client *client = &load->clients[i];

		is_busy |= client->phase != IDLE;
		if (now < client->due_us)
			continue;
		if (client->phase == IDLE && !load->is_stopping) {
			begin(load, client, now);
		} else if (client->phase == PAUSED) {
			attempt(load, client, now);
		} else if (client->phase != IDLE) {
			bool was_sent = client->phase == WAITING;

			drop(client, client->gateway);
			fail(load, client, was_sent);
		}
	}
	return is_busy || !load->is_stopping;
}

static void on_order(struct load *load)
{
	char text[256];
	ssize_t got = read(STDIN_FILENO, text, sizeof text - 1);

	if (got <= 0) {
		load->is_stopping = true;
		(void)epoll_ctl(load->epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL); /* it is over */
		return;
	}
	text[got] = '\0';
	for (char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		bool is_avoid = strncmp(line, "avoid ", 6) == 0;
		unsigned long gateway = strtoul(line + strcspn(line, "0123456789\n"), NULL, 10);

		if (strncmp(line, "stop", 4) == 0)
			load->is_stopping = true;
		else if (gateway < GATEWAYS_MAX)
			load->is_avoided[gateway] = is_avoid;
		if (is_avoid)
			printf("avoided %lu\n", gateway);
	}
	(void)fflush(stdout); /* who reads it may be gone */
}

static void print_figures(const struct load *load)
{
	printf("figures %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
	       load->acknowledged, load->unknown, load->retries, load->replayed, load->abandoned,
	       load->failed);
	(void)fflush(stdout); /* who reads it may be gone */
}

static void run(struct load *load)
{
	struct epoll_event events[64];
	struct epoll_event orders = {EPOLLIN, {.u64 = UINT64_MAX}};
	int64_t report_us = now_us();

	(void)epoll_ctl(load->epoll, EPOLL_CTL_ADD, STDIN_FILENO,
			&orders); /* no orders from a file */
	while (look_at_clients(load)) {
		int count = epoll_wait(load->epoll, events, 64, 1);

		for (int i = 0; i < count; i++) {
			if (events[i].data.u64 == UINT64_MAX)
				on_order(load);
			else
				on_event(load, events[i].data.u64);
		}
		if (now_us() - report_us > US_PER_S) {
			report_us = now_us();
			print_figures(load);
		}
	}
	print_figures(load);
	for (int i = 0; i < STATUS_MAX; i++)
		if (load->statuses[i])
			printf("status %d %" PRIu64 "\n", i, load->statuses[i]);
}

static bool add_gateway(struct load *load, char *text)
{
	struct sockaddr_in *to = &load->gateways[load->gateway_count];
	char *colon = strrchr(text, ':');

	if (!colon || load->gateway_count == GATEWAYS_MAX)
		return false;
	*colon = '\0';
	to->sin_family = AF_INET;
	to->sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	load->gateway_count++;
	return inet_pton(AF_INET, text, &to->sin_addr) == 1;
}

static bool read_arguments(struct load *load, int argc, char **argv)
{
	if (argc < 9)
		return false;
	load->history = fopen(argv[1], "w");
	load->prefix = argv[2];
	load->random = strtoull(argv[3], NULL, 10) * 2 + 1;
	int64_t rate = strtoll(argv[4], NULL, 10);
	load->client_count = (int)strtol(argv[5], NULL, 10);
	load->entities = (uint32_t)strtoul(argv[6], NULL, 10);
	load->is_retrying = strcmp(argv[7], "retry") == 0;
	for (int i = 8; i < argc; i++)
		if (!add_gateway(load, argv[i]))
			return false;
	if (!load->history || rate <= 0 || load->client_count <= 0 ||
	    load->client_count > CLIENTS_MAX || load->entities == 0)
		return false;
	load->interval_us = (int64_t)US_PER_S * load->client_count / rate;
	return true;
}

int main(int argc, char **argv)
{
	static struct load load;

	if (!read_arguments(&load, argc, argv)) {
		fputs("usage: load HISTORY PREFIX SEED RATE CLIENTS ENTITIES retry|once "
		      "HOST:PORT...\n",
		      stderr);
		return 2;
	}
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* it would only run on */
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	int64_t now = now_us();
	for (int i = 0; i < load.client_count; i++) {
		load.clients[i].due_us =
			now + (int64_t)below(&load, (uint64_t)load.interval_us + 1);
		for (int j = 0; j < GATEWAYS_MAX; j++)
			load.clients[i].fds[j] = -1;
	}
	run(&load);
	return fclose(load.history) ? 1 : 0;
}
