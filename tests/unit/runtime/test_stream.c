#include "src/runtime/stream.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/runtime/address.h"
#include "src/runtime/listen.h"
#include "src/runtime/loop.h"
#include "src/runtime/timer.h"
#include "src/runtime/watch.h"
#include "tests/unit/unit.h"

#define TEST_WAIT_NS (10 * NS_PER_S)

/* One end of a stream that counts, checks and echoes. */
struct end {
	struct stream *stream;
	bool is_connected;
	bool is_closed;
	enum status close_status;
	size_t read_bytes;
	size_t to_produce; /* bytes still to be asked for */
	size_t produced;
	size_t max_unsent;
	bool closes_in_read;
	bool closes_in_produce;
	bool stops_in_read;
};

static void on_connected(void *data)
{
	struct end *end = data;

	assert_non_null(end->stream); /* never from inside stream_connect */
	end->is_connected = true;
}

static void on_read(void *data, struct span bytes)
{
	struct end *end = data;

	for (size_t i = 0; i < bytes.len; i++)
		assert_int_equal(bytes.data[i], (uint8_t)(end->read_bytes + i));
	end->read_bytes += bytes.len;
	if (end->stops_in_read)
		stream_read_stop(end->stream);
	if (end->closes_in_read) {
		stream_close(end->stream);
		end->stream = NULL;
	}
}

static void on_produce(void *data, struct buf *out)
{
	struct end *end = data;
	size_t n = end->to_produce < STREAM_CHUNK_BYTES ? end->to_produce : STREAM_CHUNK_BYTES;
	uint8_t *room;

	assert_int_equal(stream_unsent(end->stream), 0);
	if (end->closes_in_produce) {
		stream_close(end->stream);
		end->stream = NULL;
		return;
	}
	if (n == 0)
		return;
	room = buf_reserve(out, n);
	assert_non_null(room);
	for (size_t i = 0; i < n; i++)
		room[i] = (uint8_t)(end->produced + i);
	buf_commit(out, n);
	end->produced += n;
	end->to_produce -= n;
}

static void on_closed(void *data, const struct error *error)
{
	struct end *end = data;

	end->is_closed = true;
	end->close_status = error->status;
	end->stream = NULL;
}

static const struct stream_ops ops = {on_connected, on_read, on_produce, on_closed};

struct fixture {
	struct loop *loop;
	struct end left;
	struct end right;
	struct listen *listen;
	int accepted;
	char dir[64];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	f->accepted = -1;
	snprintf(f->dir, sizeof(f->dir), "/tmp/headgate-test-XXXXXX");
	return !mkdtemp(f->dir) || loop_new(&f->loop, NULL) != ST_OK;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	stream_close(f->left.stream);
	stream_close(f->right.stream);
	listen_close(f->listen);
	if (f->accepted >= 0)
		close(f->accepted);
	loop_free(f->loop);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static void run(struct fixture *f, bool (*is_done)(void *data))
{
	assert_true(loop_run_until(f->loop, is_done, f, clock_mono_ns() + TEST_WAIT_NS));
}

static void open_pair(struct fixture *f)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
			 0);
	f->left.stream = stream_from_fd(f->loop, fds[0], &ops, &f->left);
	f->right.stream = stream_from_fd(f->loop, fds[1], &ops, &f->right);
}

static bool right_has_all(void *data)
{
	struct fixture *f = data;

	return f->right.read_bytes == f->left.produced && f->left.to_produce == 0;
}

static bool left_is_closed(void *data)
{
	return ((struct fixture *)data)->left.is_closed;
}

static bool right_is_closed(void *data)
{
	return ((struct fixture *)data)->right.is_closed;
}

static bool both_are_closed(void *data)
{
	return left_is_closed(data) && right_is_closed(data);
}

static void bytes_arrive_in_order(void **state)
{
	struct fixture *f = *state;

	open_pair(f);
	f->left.to_produce = 5 * 1000 * 1000;
	stream_want_write(f->left.stream);
	run(f, right_has_all);
	assert_int_equal(f->right.read_bytes, 5 * 1000 * 1000);
	assert_string_equal(stream_peer(f->left.stream), "unix");
}

static bool left_is_full(void *data)
{
	struct fixture *f = data;

	return stream_unsent(f->left.stream) > 0;
}

static bool is_after(void *data)
{
	return clock_mono_ns() >= *(uint64_t *)data;
}

static void a_reader_that_pauses_stops_the_producer(void **state)
{
	struct fixture *f = *state;
	size_t produced;
	uint64_t later_ns;

	open_pair(f);
	stream_read_stop(f->right.stream);
	f->left.to_produce = (size_t)64 * 1024 * 1024;
	stream_want_write(f->left.stream);
	run(f, left_is_full);
	produced = f->left.produced;
	assert_true(produced <= 4 * STREAM_CHUNK_BYTES);
	stream_want_write(f->left.stream); /* asks nothing while the socket is full */
	later_ns = clock_mono_ns() + 5 * NS_PER_MS;
	(void)loop_run_until(f->loop, is_after, &later_ns, later_ns);
	assert_int_equal(f->left.produced, produced);
	assert_int_equal(f->right.read_bytes, 0);
	stream_read_start(f->right.stream);
	run(f, right_has_all);
	assert_int_equal(f->right.read_bytes, (size_t)64 * 1024 * 1024);
	assert_int_equal(stream_unsent(f->left.stream), 0);
}

static void shutdown_sends_everything_first(void **state)
{
	struct fixture *f = *state;

	open_pair(f);
	f->left.to_produce = 3 * 1000 * 1000;
	stream_want_write(f->left.stream);
	stream_shutdown(f->left.stream);
	run(f, both_are_closed);
	assert_int_equal(f->right.read_bytes, 3 * 1000 * 1000);
	assert_int_equal(f->right.close_status, ST_OK);
	assert_int_equal(f->left.close_status, ST_OK);
}

static void shutdown_survives_unread_input(void **state)
{
	struct fixture *f = *state;

	open_pair(f);
	stream_read_stop(f->left.stream);
	f->right.to_produce = 1000 * 1000;
	stream_want_write(f->right.stream);
	f->left.to_produce = 100;
	stream_shutdown(f->left.stream);
	run(f, right_is_closed);
	assert_int_equal(f->right.read_bytes, 100);
	assert_int_equal(f->right.close_status, ST_OK);
	assert_int_equal(f->left.read_bytes, 0);
}

static void a_lost_peer_is_told_once(void **state)
{
	struct fixture *f = *state;

	open_pair(f);
	stream_close(f->right.stream);
	f->right.stream = NULL;
	run(f, left_is_closed);
	assert_int_equal(f->left.close_status, ST_OK);
	assert_false(f->right.is_closed);
}

static void writing_to_a_lost_peer_fails(void **state)
{
	struct fixture *f = *state;

	open_pair(f);
	stream_read_stop(f->left.stream);
	stream_close(f->right.stream);
	f->right.stream = NULL;
	f->left.to_produce = 10;
	stream_want_write(f->left.stream);
	run(f, left_is_closed);
	assert_int_equal(f->left.close_status, ST_UNAVAILABLE);
}

static bool left_is_gone(void *data)
{
	return !((struct fixture *)data)->left.stream;
}

static void close_is_safe_inside_callbacks(void **state)
{
	struct fixture *f = *state;

	open_pair(f);
	f->left.closes_in_read = true;
	f->right.to_produce = 10;
	stream_want_write(f->right.stream);
	run(f, left_is_gone);
	run(f, right_is_closed);
	f->right.is_closed = false;
	open_pair(f);
	f->left.closes_in_produce = true;
	stream_want_write(f->left.stream);
	run(f, left_is_gone);
	assert_false(f->left.is_closed);
}

static void on_accept(void *data, int fd, const struct sockaddr *peer, unsigned peer_len)
{
	struct fixture *f = data;

	assert_non_null(peer);
	assert_true(peer_len > 0);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	if (f->accepted >= 0)
		close(f->accepted);
	f->accepted = fd;
}

static struct address parse(const char *text)
{
	struct address address;

	assert_int_equal(address_parse(span_from_str(text), "127.0.0.1", &address, NULL), ST_OK);
	return address;
}

static bool is_accepted(void *data)
{
	struct fixture *f = data;

	return f->accepted >= 0 && f->left.is_connected;
}

static void accept_one(struct fixture *f, const struct address *address)
{
	f->left.stream =
		stream_connect(f->loop, address, clock_mono_ns() + TEST_WAIT_NS, &ops, &f->left);
	assert_false(f->left.is_connected);
	run(f, is_accepted);
}

static void tcp_connects(void **state)
{
	static const struct {
		const char *listen;
		const char *host;
	} rows[] = {
		{"127.0.0.1:0", "127.0.0.1"}, /* literal */
		{"127.0.0.1:0", "localhost"}, /* looked up; ::1 may come first and be refused */
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct fixture *f = *state;
		struct address address = parse(rows[i].listen);
		char text[64];

		f->left = (struct end){.stream = NULL};
		assert_int_equal(listen_open(f->loop, &address, on_accept, f, &f->listen, NULL),
				 ST_OK);
		assert_int_not_equal(listen_port(f->listen), 0);
		address.port = listen_port(f->listen);
		snprintf(address.host, sizeof(address.host), "%s", rows[i].host);
		accept_one(f, &address);
		snprintf(text, sizeof(text), "%s:%u", rows[i].host, address.port);
		assert_string_equal(stream_peer(f->left.stream), text);
		f->right = (struct end){.stream = NULL};
		f->right.stream = stream_from_fd(f->loop, f->accepted, &ops, &f->right);
		f->accepted = -1;
		assert_memory_equal(stream_peer(f->right.stream), "127.0.0.1:", 10);
		f->left.to_produce = 1000;
		f->left.produced = 0;
		stream_want_write(f->left.stream);
		run(f, right_has_all);
		stream_close(f->left.stream);
		stream_close(f->right.stream);
		f->left.stream = f->right.stream = NULL;
		listen_close(f->listen);
		f->listen = NULL;
	}
}

static void every_address_is_listened_on(void **state)
{
	struct fixture *f = *state;
	struct address address = {.port = 0};

	assert_int_equal(listen_open(f->loop, &address, on_accept, f, &f->listen, NULL), ST_OK);
	snprintf(address.host, sizeof(address.host), "127.0.0.1");
	address.port = listen_port(f->listen);
	accept_one(f, &address);
}

static void refused_is_told(void **state)
{
	struct fixture *f = *state;
	struct address address = parse("127.0.0.1:0");

	/* A port that was ours a moment ago has no listener. */
	assert_int_equal(listen_open(f->loop, &address, on_accept, f, &f->listen, NULL), ST_OK);
	address.port = listen_port(f->listen);
	listen_close(f->listen);
	f->listen = NULL;
	f->left.stream =
		stream_connect(f->loop, &address, clock_mono_ns() + TEST_WAIT_NS, &ops, &f->left);
	run(f, left_is_closed);
	assert_int_equal(f->left.close_status, ST_UNAVAILABLE);
	assert_false(f->left.is_connected);
}

static void unknown_hosts_are_told(void **state)
{
	struct fixture *f = *state;
	struct address address = parse("does-not-exist.invalid:80");

	f->left.stream =
		stream_connect(f->loop, &address, clock_mono_ns() + TEST_WAIT_NS, &ops, &f->left);
	run(f, left_is_closed);
	assert_int_not_equal(f->left.close_status, ST_OK);
}

static void connecting_has_a_deadline(void **state)
{
	struct fixture *f = *state;
	char path[128];
	struct address address;

	/* Nobody accepts and the backlog is full: connect stays undecided. */
	snprintf(path, sizeof(path), "unix:%s/full", f->dir);
	address = parse(path);
	{
		struct sockaddr_storage name;
		socklen_t len = sizeof(name);
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		int fillers[8];
		size_t filler_count = 0;

		memset(&name, 0, sizeof(name));
		name.ss_family = AF_INET;
		assert_int_equal(bind(fd, (struct sockaddr *)&name, 16), 0);
		assert_int_equal(listen(fd, 0), 0);
		assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &len), 0);
		while (filler_count < COUNT_OF(fillers)) {
			int filler = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

			(void)connect(filler, (struct sockaddr *)&name, len);
			fillers[filler_count++] = filler;
		}
		address = parse("127.0.0.1:1");
		address.port = (uint16_t)((((uint8_t *)&name)[2] << 8) | ((uint8_t *)&name)[3]);
		f->left.stream = stream_connect(f->loop, &address, clock_mono_ns() + 50 * NS_PER_MS,
						&ops, &f->left);
		run(f, left_is_closed);
		assert_int_not_equal(f->left.close_status, ST_OK);
		assert_false(f->left.is_connected);
		while (filler_count)
			close(fillers[--filler_count]);
		close(fd);
	}
}

static void closing_while_connecting_is_quiet(void **state)
{
	struct fixture *f = *state;
	struct address address = parse("localhost:1");

	f->left.stream = stream_connect(f->loop, &address, DEADLINE_NEVER, &ops, &f->left);
	stream_close(f->left.stream);
	f->left.stream = stream_connect(f->loop, &address, DEADLINE_NEVER, &ops, &f->left);
	{
		uint64_t now_ns = clock_mono_ns();

		(void)loop_run_until(f->loop, is_after, &now_ns, now_ns); /* look-up has begun */
	}
	stream_close(f->left.stream);
	f->left.stream = NULL;
	assert_false(f->left.is_closed);
}

static void long_unix_paths_work(void **state)
{
	struct fixture *f = *state;
	char path[400];
	char deep[300];
	struct address address = {.is_unix = true};
	struct listen *second = NULL;

	snprintf(deep, sizeof(deep), "%s/%0150d", f->dir, 0);
	assert_int_equal(mkdir(deep, 0700), 0);
	snprintf(path, sizeof(path), "%s/socket", deep);
	snprintf(address.path, sizeof(address.path), "%s", path);
	assert_int_equal(listen_open(f->loop, &address, on_accept, f, &f->listen, NULL), ST_OK);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(listen_port(f->listen), 0);
	accept_one(f, &address);
	assert_string_equal(stream_peer(f->left.stream), "unix");
	assert_int_equal(listen_open(f->loop, &address, on_accept, f, &second, NULL),
			 ST_ALREADY_EXISTS);
	listen_close(f->listen);
	f->listen = NULL;
	assert_int_equal(access(path, F_OK), -1); /* closing removes it */
	assert_int_equal(rmdir(deep), 0);
}

static void dead_unix_sockets_are_replaced(void **state)
{
	struct fixture *f = *state;
	struct address address = {.is_unix = true};
	struct error error;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct {
		unsigned short family;
		char path[100];
	} name = {.family = AF_UNIX};

	snprintf(address.path, sizeof(address.path), "%s/s", f->dir);
	snprintf(name.path, sizeof(name.path), "%s/s", f->dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	close(fd); /* as a killed process leaves it */
	assert_int_equal(listen_open(f->loop, &address, on_accept, f, &f->listen, NULL), ST_OK);
	listen_close(f->listen);
	f->listen = NULL;
	/* Anything but a socket stays untouched. */
	fd = open(address.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	assert_int_equal(listen_open(f->loop, &address, on_accept, f, &f->listen, &error),
			 ST_ALREADY_EXISTS);
	assert_int_equal(unlink(address.path), 0);
}

static void ports_in_use_are_told(void **state)
{
	struct fixture *f = *state;
	struct address address = parse("127.0.0.1:0");
	struct listen *second = NULL;
	struct listen *third = NULL;
	struct error error;

	assert_int_equal(listen_open(f->loop, &address, on_accept, f, &f->listen, NULL), ST_OK);
	address.port = listen_port(f->listen);
	assert_int_equal(listen_open(f->loop, &address, on_accept, f, &second, &error),
			 ST_ALREADY_EXISTS);
	assert_non_null(strstr(error.message, "127.0.0.1"));
	listen_close(f->listen);
	/* Sharing needs both sides to ask for it. */
	assert_int_equal(listen_open_shared(f->loop, &address, on_accept, f, &f->listen, NULL),
			 ST_OK);
	assert_int_equal(listen_open_shared(f->loop, &address, on_accept, f, &second, NULL), ST_OK);
	assert_int_equal(listen_open(f->loop, &address, on_accept, f, &third, NULL),
			 ST_ALREADY_EXISTS);
	listen_close(second);
}

static void accepting_pauses_without_descriptors(void **state)
{
	struct fixture *f = *state;
	struct address address = parse("127.0.0.1:0");
	struct rlimit before, none;
	uint64_t later_ns;

	assert_int_equal(listen_open(f->loop, &address, on_accept, f, &f->listen, NULL), ST_OK);
	address.port = listen_port(f->listen);
	f->left.stream =
		stream_connect(f->loop, &address, clock_mono_ns() + TEST_WAIT_NS, &ops, &f->left);
	/* Let the connect begin before the limit falls. */
	later_ns = 0;
	(void)loop_run_until(f->loop, is_after, &later_ns, 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	later_ns = clock_mono_ns() + 20 * NS_PER_MS;
	(void)loop_run_until(f->loop, is_after, &later_ns, later_ns);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	run(f, is_accepted); /* after the pause */
}

struct watched {
	struct watch *watch;
	int fd;
	unsigned events;
	unsigned calls;
};

static void on_watch(void *data, unsigned events)
{
	struct watched *watched = data;

	watched->events |= events;
	watched->calls++;
	if (events & WATCH_HANGUP) {
		watch_stop(watched->watch);
		watched->watch = NULL;
	}
}

static bool is_readable(void *data)
{
	return ((struct watched *)data)->events & WATCH_READABLE;
}

static bool is_hung_up(void *data)
{
	return ((struct watched *)data)->events & WATCH_HANGUP;
}

static void watches_tell_readiness_and_hangup(void **state)
{
	struct fixture *f = *state;
	struct watched watched = {.fd = -1};
	uint64_t end_ns = clock_mono_ns() + TEST_WAIT_NS;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
			 0);
	watched.watch = watch_start(f->loop, fds[0], WATCH_READABLE, on_watch, &watched);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_true(loop_run_until(f->loop, is_readable, &watched, end_ns));
	watch_change(watched.watch, WATCH_HANGUP); /* the unread byte is not told any more */
	watched.events = 0;
	watched.calls = 0;
	close(fds[1]);
	assert_true(loop_run_until(f->loop, is_hung_up, &watched, end_ns));
	assert_int_equal(watched.events, WATCH_HANGUP);
	assert_int_equal(watched.calls, 1);
	close(fds[0]);
}

/* What a listener does that peeks at the first bytes: the watch hands its socket over. */
struct handover {
	struct fixture *f;
	struct watch *watch;
	int fd;
};

static void on_peeked(void *data, unsigned events)
{
	struct handover *handover = data;
	char byte;

	assert_true(events & WATCH_READABLE);
	assert_int_equal(recv(handover->fd, &byte, 1, MSG_PEEK), 1);
	watch_stop(handover->watch);
	handover->f->right.stream =
		stream_from_fd(handover->f->loop, handover->fd, &ops, &handover->f->right);
}

static void a_watched_socket_becomes_a_stream(void **state)
{
	struct fixture *f = *state;
	struct handover handover = {.f = f};
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
			 0);
	handover.fd = fds[1];
	handover.watch = watch_start(f->loop, fds[1], WATCH_READABLE, on_peeked, &handover);
	f->left.stream = stream_from_fd(f->loop, fds[0], &ops, &f->left);
	f->left.to_produce = 1000;
	stream_want_write(f->left.stream);
	run(f, right_has_all);
	assert_int_equal(f->right.read_bytes, 1000);
}

static size_t count_open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void nothing_stays_open(void **state)
{
	struct fixture *f = *state;
	size_t before = count_open_fds();

	for (int i = 0; i < 10; i++) {
		f->left = f->right = (struct end){.stream = NULL};
		open_pair(f);
		f->left.to_produce = 1000;
		stream_shutdown(f->left.stream);
		run(f, both_are_closed);
	}
	assert_int_equal(count_open_fds(), before);
}

/* What is written after a read of a trunk: by a trunk before anything else happens, by another
 * stream at the end of the turn. */
struct relay {
	struct fixture *f;
	struct stream *out;
	struct loop_task task;
	int far_fd;
	bool was_sent; /* before the tasks ran */
	bool is_over;
};

static void on_relay_task(void *data)
{
	struct relay *relay = data;
	uint8_t byte;

	relay->was_sent = recv(relay->far_fd, &byte, 1, MSG_DONTWAIT) == 1;
	relay->is_over = true;
}

static void on_relay_read(void *data, struct span bytes)
{
	struct relay *relay = data;

	assert_int_equal(bytes.len, 1);
	loop_task_schedule(relay->f->loop, &relay->task);
	stream_want_write(relay->out);
}

static void on_relay_closed(void *data, const struct error *error)
{
	(void)data;
	(void)error;
	fail();
}

static bool is_relayed(void *data)
{
	return ((struct relay *)data)->is_over;
}

static void trunks_go_first(void **state)
{
	static const struct {
		const char *name;
		bool is_in_trunk;
		bool is_out_trunk;
		bool was_sent;
	} rows[] = {
		{"from trunk to trunk", true, true, true},
		{"from trunk to another", true, false, false},
		{"from another to trunk", false, true, false},
		{"neither", false, false, false},
	};
	static const struct stream_ops in_ops = {.on_read = on_relay_read,
						 .on_closed = on_relay_closed};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct relay relay = {.f = f};
		struct stream *in;
		int in_fds[2];
		int out_fds[2];

		print_message("%s\n", rows[i].name);
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, in_fds), 0);
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, out_fds), 0);
		relay.far_fd = out_fds[1];
		loop_task_init(&relay.task, on_relay_task, &relay);
		f->left = (struct end){.to_produce = 1};
		f->left.stream = stream_from_fd(f->loop, out_fds[0], &ops, &f->left);
		relay.out = f->left.stream;
		in = stream_from_fd(f->loop, in_fds[0], &in_ops, &relay);
		if (rows[i].is_in_trunk)
			stream_set_trunk(in);
		if (rows[i].is_out_trunk)
			stream_set_trunk(relay.out);
		assert_int_equal(send(in_fds[1], "", 1, MSG_NOSIGNAL), 1);
		assert_true(loop_run_until(f->loop, is_relayed, &relay,
					   clock_mono_ns() + TEST_WAIT_NS));
		assert_int_equal(relay.was_sent, rows[i].was_sent);
		assert_int_equal(f->left.produced, 1);
		stream_close(in);
		stream_close(f->left.stream);
		f->left.stream = NULL;
		close(in_fds[1]);
		close(out_fds[1]);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bytes_arrive_in_order),
		TEST(a_reader_that_pauses_stops_the_producer),
		TEST(shutdown_sends_everything_first),
		TEST(shutdown_survives_unread_input),
		TEST(a_lost_peer_is_told_once),
		TEST(writing_to_a_lost_peer_fails),
		TEST(close_is_safe_inside_callbacks),
		TEST(tcp_connects),
		TEST(every_address_is_listened_on),
		TEST(refused_is_told),
		TEST(unknown_hosts_are_told),
		TEST(connecting_has_a_deadline),
		TEST(closing_while_connecting_is_quiet),
		TEST(long_unix_paths_work),
		TEST(dead_unix_sockets_are_replaced),
		TEST(ports_in_use_are_told),
		TEST(accepting_pauses_without_descriptors),
		TEST(watches_tell_readiness_and_hangup),
		TEST(a_watched_socket_becomes_a_stream),
		TEST(nothing_stays_open),
		TEST(trunks_go_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
