#include "src/h2/h2.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/runtime/address.h"
#include "src/runtime/loop.h"
#include "tests/fakes/h2_server.h"
#include "tests/unit/unit.h"

#define TEST_WAIT_NS (20 * NS_PER_S)
#define MIB ((size_t)1024 * 1024)

/* One client stream that writes down what happens, in order. */
struct call {
	struct h2_stream *stream;
	char log[64]; /* h head, d data, t trailers, e end, c clean close, x other close, l lost */
	size_t received;
	bool reads;
	bool is_over;
	uint32_t code;
	char status[8];
	char trailer[16];
};

struct fixture {
	struct loop *loop;
	struct h2_fake fake;
	struct h2_session *session;
	bool is_ready;
	bool is_goaway;
	bool is_closed;
	unsigned slots;
	enum status close_status;
	char close_message[128];
	struct call call;
	struct call calls[16];
};

static void note(struct call *call, char what)
{
	size_t len = strlen(call->log);

	if (what == 'd' && len && call->log[len - 1] == 'd')
		return;
	assert_true(len < sizeof(call->log) - 1);
	call->log[len] = what;
}

static void on_headers(void *data, struct h2_stream *stream, const struct h2_headers *headers)
{
	struct call *call = data;

	assert_ptr_equal(stream, call->stream);
	snprintf(call->status, sizeof(call->status), "%.*s",
		 SPAN_FMT(h2_headers_get(headers, ":status")));
	note(call, 'h');
}

static void on_data(void *data, struct h2_stream *stream)
{
	struct call *call = data;
	size_t n = h2_stream_peek(stream).len;

	note(call, 'd');
	if (!call->reads)
		return;
	call->received += n;
	h2_stream_consume(stream, n);
}

static void on_trailers(void *data, struct h2_stream *stream, const struct h2_headers *headers)
{
	struct call *call = data;

	(void)stream;
	snprintf(call->trailer, sizeof(call->trailer), "%.*s",
		 SPAN_FMT(h2_headers_get(headers, "done")));
	note(call, 't');
}

static void on_end(void *data, struct h2_stream *stream)
{
	(void)stream;
	note(data, 'e');
}

static void on_closed(void *data, struct h2_stream *stream, bool is_clean, bool lost_session,
		      uint32_t h2_code)
{
	struct call *call = data;

	assert_ptr_equal(stream, call->stream);
	call->stream = NULL;
	call->is_over = true;
	call->code = h2_code;
	note(call, is_clean ? 'c' : lost_session ? 'l' : 'x');
}

static const struct h2_stream_ops ops = {
	.on_headers = on_headers,
	.on_data = on_data,
	.on_trailers = on_trailers,
	.on_end = on_end,
	.on_closed = on_closed,
};

static void on_ready(void *data, struct h2_session *session)
{
	(void)session;
	((struct fixture *)data)->is_ready = true;
}

static void on_slot(void *data, struct h2_session *session)
{
	(void)session;
	((struct fixture *)data)->slots++;
}

static void on_goaway(void *data, struct h2_session *session, uint32_t h2_code)
{
	(void)session;
	(void)h2_code;
	((struct fixture *)data)->is_goaway = true;
}

static void on_session_closed(void *data, struct h2_session *session, const struct error *error)
{
	struct fixture *f = data;

	assert_ptr_equal(session, f->session);
	f->session = NULL;
	f->is_closed = true;
	f->close_status = error->status;
	snprintf(f->close_message, sizeof(f->close_message), "%.127s", error->message);
}

static const struct h2_session_ops session_ops = {
	.on_ready = on_ready,
	.on_slot = on_slot,
	.on_goaway = on_goaway,
	.on_closed = on_session_closed,
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct h2_limits limits = h2_limits_default();

	*state = f;
	if (loop_new(&f->loop, NULL) != ST_OK)
		return -1;
	h2_fake_init(&f->fake, f->loop, &limits);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	h2_session_free(f->session);
	h2_fake_fini(&f->fake);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void run(struct fixture *f, bool (*is_done)(void *data), void *data)
{
	assert_true(loop_run_until(f->loop, is_done, data, clock_mono_ns() + TEST_WAIT_NS));
}

static bool is_true(void *data)
{
	return *(bool *)data;
}

static bool is_nonzero(void *data)
{
	return *(unsigned *)data != 0;
}

static bool is_zero(void *data)
{
	return *(unsigned *)data == 0;
}

static void connect_to(struct fixture *f, const struct h2_limits *limits)
{
	struct address address = {.port = f->fake.port, .host = "127.0.0.1"};

	f->is_closed = f->is_ready = false;
	f->session = h2_client_new(f->loop, &address, clock_mono_ns() + TEST_WAIT_NS, limits,
				   &session_ops, f);
	run(f, is_true, &f->is_ready);
}

static void connect_client(struct fixture *f)
{
	struct h2_limits limits = h2_limits_default();

	connect_to(f, &limits);
}

static enum status request(struct fixture *f, struct call *call, const char *path, bool is_end)
{
	struct h2_header items[] = {
		{SPAN_LIT(":method"), SPAN_LIT("POST")},
		{SPAN_LIT(":scheme"), SPAN_LIT("http")},
		{SPAN_LIT(":authority"), SPAN_LIT("test")},
		{SPAN_LIT(":path"), span_from_str(path)},
	};
	struct h2_headers headers = {items, COUNT_OF(items)};

	*call = (struct call){.reads = true};
	return h2_client_request(f->session, &headers, is_end, &ops, call, &call->stream);
}

static void begin(struct fixture *f, const char *path, bool is_end)
{
	assert_int_equal(request(f, &f->call, path, is_end), ST_OK);
}

static void finish(struct fixture *f)
{
	run(f, is_true, &f->call.is_over);
}

static void a_unary_call_is_answered_with_trailers(void **state)
{
	struct fixture *f = *state;

	connect_client(f);
	begin(f, "/echo", false);
	assert_int_equal(h2_stream_write(f->call.stream, SPAN_LIT("hello")), ST_OK);
	h2_stream_end(f->call.stream);
	finish(f);
	assert_string_equal(f->call.log, "hdtec");
	assert_string_equal(f->call.status, "200");
	assert_string_equal(f->call.trailer, "yes");
	assert_int_equal(f->call.received, 5);
	run(f, is_nonzero, &f->fake.clean);
	assert_int_equal(f->fake.ends, 1);
	assert_int_equal(h2_session_stream_count(f->session), 0);
}

static void requests_without_body_and_short_replies_work(void **state)
{
	static const struct {
		const char *path;
		const char *log;
		uint32_t code;
	} rows[] = {
		{"/echo", "htec", H2_NO_ERROR},
		{"/short", "hec", H2_NO_ERROR},
		{"/reset", "x", H2_CANCEL},
		{"/refuse", "x", H2_REFUSED_STREAM},
	};
	struct fixture *f = *state;

	connect_client(f);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		begin(f, rows[i].path, true);
		finish(f);
		UNIT_ROW_SPAN(rows[i].path, span_from_str(f->call.log), rows[i].log);
		UNIT_ROW(rows[i].path, f->call.code == rows[i].code);
	}
}

static void request_trailers_arrive(void **state)
{
	static const struct h2_header items[] = {{SPAN_LIT("sum"), SPAN_LIT("42")}};
	static const struct h2_headers trailers = {items, 1};
	struct fixture *f = *state;

	connect_client(f);
	begin(f, "/echo", false);
	assert_int_equal(h2_stream_write(f->call.stream, SPAN_LIT("x")), ST_OK);
	h2_stream_end_with_trailers(f->call.stream, &trailers);
	finish(f);
	assert_string_equal(f->fake.last_trailer, "42");
	assert_string_equal(f->call.log, "hdtec");
}

static void a_reply_that_ends_early_drops_the_rest_of_the_request(void **state)
{
	struct fixture *f = *state;

	connect_client(f);
	begin(f, "/short", false);
	assert_int_equal(h2_stream_write(f->call.stream, SPAN_LIT("never ends")), ST_OK);
	finish(f);
	assert_string_equal(f->call.log, "hec");
	run(f, is_zero, &f->fake.stream_count);
	assert_int_equal(f->fake.clean, 1);
}

/* Keeps a client stream's output filled up to a high water. */
struct pump {
	struct fixture *f;
	size_t left;
};

static bool pump_until_over(void *data)
{
	struct pump *pump = data;
	static const uint8_t zeroes[16384];

	while (pump->f->call.stream && pump->left && h2_stream_unsent(pump->f->call.stream) < MIB) {
		size_t n = pump->left < sizeof(zeroes) ? pump->left : sizeof(zeroes);

		assert_int_equal(h2_stream_write(pump->f->call.stream, span_make(zeroes, n)),
				 ST_OK);
		pump->left -= n;
		if (pump->left == 0)
			h2_stream_end(pump->f->call.stream);
	}
	return pump->f->call.is_over;
}

static void big_bodies_pass_in_both_directions(void **state)
{
	struct fixture *f = *state;
	struct pump pump = {f, 20 * MIB};

	connect_client(f);
	begin(f, "/echo", false);
	run(f, pump_until_over, &pump);
	assert_string_equal(f->call.log, "hdtec");
	assert_int_equal(f->call.received, 20 * MIB);
	assert_int_equal(f->fake.received, 20 * MIB);
}

static bool is_after(void *data)
{
	return clock_mono_ns() >= *(uint64_t *)data;
}

static void run_for_ms(struct fixture *f, uint64_t ms)
{
	uint64_t end_ns = clock_mono_ns() + ms * NS_PER_MS;

	(void)loop_run_until(f->loop, is_after, &end_ns, end_ns);
}

static bool is_head_there(void *data)
{
	return ((struct call *)data)->log[0] == 'h';
}

static void a_client_that_does_not_read_holds_the_server_back(void **state)
{
	struct fixture *f = *state;
	struct h2_limits limits = h2_limits_default();

	f->fake.big_bytes = 50 * MIB;
	connect_client(f);
	begin(f, "/big", true);
	f->call.reads = false;
	run(f, is_head_there, &f->call);
	run_for_ms(f, 50);
	/* One stream window here, the fake's own bound there, and nothing in between. */
	assert_true(h2_stream_peek(f->call.stream).len <= limits.stream_window_bytes);
	assert_true(h2_fake_unsent(&f->fake) <= (size_t)256 * 1024);
	/* Others on the connection go on. */
	assert_int_equal(request(f, &f->calls[0], "/echo", true), ST_OK);
	run(f, is_true, &f->calls[0].is_over);
	assert_string_equal(f->calls[0].log, "htec");
	f->call.reads = true;
	on_data(&f->call, f->call.stream);
	finish(f);
	assert_int_equal(f->call.received, 50 * MIB);
	assert_string_equal(f->call.log, "hdec");
	assert_true(f->fake.drained > 0);
}

static void a_server_that_does_not_read_holds_the_client_back(void **state)
{
	struct fixture *f = *state;
	static const uint8_t zeroes[65536];
	size_t written = 0;

	connect_client(f);
	begin(f, "/deaf", false);
	while (h2_stream_write(f->call.stream, span_make(zeroes, sizeof(zeroes))) == ST_OK)
		written += sizeof(zeroes);
	assert_int_equal(written, 16 * MIB);
	run(f, is_head_there, &f->call);
	run_for_ms(f, 50);
	/* The window left, the rest waits here. */
	assert_int_equal(h2_stream_unsent(f->call.stream), 16 * MIB - (size_t)256 * 1024);
	assert_int_equal(h2_stream_write(f->call.stream, SPAN_LIT("")), ST_OK);
	h2_stream_reset(f->call.stream, H2_CANCEL);
	assert_false(f->call.is_over); /* not from inside the call */
	finish(f);
	assert_string_equal(f->call.log, "hx");
	run(f, is_nonzero, &f->fake.unclean);
	assert_int_equal(f->fake.last_code, H2_CANCEL);
	assert_int_equal(f->fake.received, 0);
}

static void an_unread_response_outlives_its_stream(void **state)
{
	struct fixture *f = *state;

	f->fake.big_bytes = 1000;
	connect_client(f);
	begin(f, "/big", true);
	f->call.reads = false;
	run(f, is_nonzero, &f->fake.clean);
	run_for_ms(f, 5);
	assert_string_equal(f->call.log, "hde");
	assert_int_equal(h2_stream_peek(f->call.stream).len, 1000);
	h2_stream_consume(f->call.stream, 1000);
	finish(f);
	assert_string_equal(f->call.log, "hdec");
}

static void detached_streams_say_nothing(void **state)
{
	struct fixture *f = *state;

	connect_client(f);
	begin(f, "/hold", false);
	run(f, is_head_there, &f->call);
	h2_stream_detach(f->call.stream);
	run(f, is_nonzero, &f->fake.unclean);
	assert_string_equal(f->call.log, "h");
	assert_int_equal(f->fake.last_code, H2_CANCEL);
	run_for_ms(f, 1);
	assert_int_equal(h2_session_stream_count(f->session), 0);
	/* A request taken back before it was sent never existed. */
	begin(f, "/hold", false);
	h2_stream_detach(f->call.stream);
	begin(f, "/echo", true);
	finish(f);
	assert_string_equal(f->call.log, "htec");
	assert_int_equal(f->fake.requests, 2);
}

static void a_lost_connection_closes_every_stream(void **state)
{
	struct fixture *f = *state;
	struct call *calls = f->calls;

	connect_client(f);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(request(f, &calls[i], "/hold", false), ST_OK);
	run(f, is_head_there, &calls[2]);
	h2_fake_close_all(&f->fake);
	run(f, is_true, &f->is_closed);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(calls[i].log, "hl");
		assert_int_equal(calls[i].code, H2_CANCEL);
	}
	assert_int_equal(f->fake.lost, 3);
	assert_int_equal(f->fake.stream_count, 0);
}

static void closing_tells_streams_then_the_session(void **state)
{
	struct fixture *f = *state;

	connect_client(f);
	begin(f, "/hold", false);
	run(f, is_head_there, &f->call);
	h2_session_close(f->session);
	assert_false(f->is_closed); /* from the loop, not from inside the call */
	assert_int_equal(request(f, &f->calls[0], "/echo", true), ST_UNAVAILABLE);
	run(f, is_true, &f->is_closed);
	assert_string_equal(f->call.log, "hl");
	assert_int_equal(f->close_status, ST_CANCELLED);
	run(f, is_nonzero, &f->fake.lost);
}

static void draining_lets_streams_finish(void **state)
{
	struct fixture *f = *state;

	connect_client(f);
	begin(f, "/hold", true);
	run(f, is_head_there, &f->call);
	h2_fake_drain_all(&f->fake);
	run(f, is_true, &f->is_goaway);
	assert_int_equal(request(f, &f->calls[0], "/echo", true), ST_UNAVAILABLE);
	run_for_ms(f, 5);
	assert_false(f->call.is_over);
	h2_fake_end_all(&f->fake);
	finish(f);
	assert_string_equal(f->call.log, "htec");
	run(f, is_true, &f->is_closed);
	run(f, is_zero, &f->fake.session_count);
	assert_int_equal(f->fake.last_session_status, ST_OK);
}

static void the_peers_stream_limit_is_kept(void **state)
{
	struct fixture *f = *state;

	f->fake.limits.max_concurrent_streams = 2;
	connect_client(f);
	assert_int_equal(request(f, &f->calls[0], "/hold", true), ST_OK);
	assert_int_equal(request(f, &f->calls[1], "/hold", true), ST_OK);
	assert_int_equal(request(f, &f->calls[2], "/hold", true), ST_RESOURCE_EXHAUSTED);
	run(f, is_head_there, &f->calls[1]);
	assert_int_equal(f->slots, 0);
	h2_stream_reset(f->calls[0].stream, H2_CANCEL);
	run(f, is_nonzero, &f->slots);
	assert_int_equal(f->slots, 1);
	assert_int_equal(request(f, &f->calls[2], "/echo", true), ST_OK);
	run(f, is_true, &f->calls[2].is_over);
	assert_string_equal(f->calls[2].log, "htec");
}

static void a_quiet_connection_is_kept_alive(void **state)
{
	struct fixture *f = *state;
	struct h2_limits limits = h2_limits_default();

	limits.keepalive_idle_ms = 5;
	limits.keepalive_timeout_ms = 2000;
	connect_to(f, &limits);
	begin(f, "/hold", true);
	run(f, is_head_there, &f->call);
	run_for_ms(f, 100);
	assert_false(f->is_closed);
	assert_int_equal(f->fake.session_count, 1);
}

static void an_idle_connection_is_drained(void **state)
{
	struct fixture *f = *state;

	f->fake.limits.idle_timeout_ms = 20;
	connect_client(f);
	begin(f, "/hold", true);
	run(f, is_head_there, &f->call);
	run_for_ms(f, 60);
	assert_false(f->is_goaway); /* a stream is open */
	h2_fake_end_all(&f->fake);
	run(f, is_true, &f->is_closed);
	assert_true(f->is_goaway);
	assert_string_equal(f->call.log, "htec");
}

static void connect_failures_are_told(void **state)
{
	struct fixture *f = *state;
	struct h2_limits limits = h2_limits_default();
	struct address address = {.port = f->fake.port, .host = "127.0.0.1"};

	h2_fake_stop_listening(&f->fake);
	f->session = h2_client_new(f->loop, &address, clock_mono_ns() + TEST_WAIT_NS, &limits,
				   &session_ops, f);
	assert_int_equal(request(f, &f->call, "/echo", true), ST_UNAVAILABLE);
	run(f, is_true, &f->is_closed);
	assert_int_equal(f->close_status, ST_UNAVAILABLE);
	assert_false(f->is_ready);
}

/* Frees the session from inside a stream's callback. */
static void on_headers_free(void *data, struct h2_stream *stream, const struct h2_headers *headers)
{
	struct fixture *f = data;

	(void)stream;
	(void)headers;
	h2_session_free(f->session);
	f->session = NULL;
	f->call.is_over = true;
}

static void free_is_safe_inside_callbacks(void **state)
{
	static const struct h2_stream_ops freeing = {.on_headers = on_headers_free};
	struct fixture *f = *state;

	connect_client(f);
	assert_int_equal(request(f, &f->calls[0], "/hold", true), ST_OK);
	begin(f, "/echo", true);
	h2_stream_set_ops(f->call.stream, &freeing, f);
	finish(f);
	run(f, is_zero, &f->fake.session_count);
	assert_string_equal(f->calls[0].log, "h");
	assert_false(f->is_closed);
}

static void many_headers_pass(void **state)
{
	struct fixture *f = *state;
	struct h2_header items[104] = {
		{SPAN_LIT(":method"), SPAN_LIT("GET")},
		{SPAN_LIT(":scheme"), SPAN_LIT("http")},
		{SPAN_LIT(":path"), SPAN_LIT("/echo")},
		{SPAN_LIT(":authority"), SPAN_LIT("test")},
	};
	struct h2_headers headers = {items, COUNT_OF(items)};

	for (size_t i = 4; i < COUNT_OF(items); i++)
		items[i] = (struct h2_header){SPAN_LIT("x-many"), SPAN_LIT("value")};
	connect_client(f);
	f->call.reads = true;
	assert_int_equal(
		h2_client_request(f->session, &headers, true, &ops, &f->call, &f->call.stream),
		ST_OK);
	finish(f);
	assert_string_equal(f->call.log, "htec");
}

static bool all_are_open(void *data)
{
	return ((struct fixture *)data)->fake.requests == 5000;
}

/* Entity streams are open for as long as their entities are active: they must cost next to nothing.
 */
static void idle_streams_and_connections_are_small(void **state)
{
	enum { COUNT = 5000 };
	static struct call calls[COUNT];
	struct fixture *f = *state;
	struct mallinfo2 before, connected, open;

	f->fake.limits.max_concurrent_streams = COUNT;
	connect_client(f); /* the loop's own buffers are there once */
	h2_session_close(f->session);
	run(f, is_zero, &f->fake.session_count);
	before = mallinfo2();
	if (before.uordblks == 0)
		return; /* a sanitizer's allocator does not count; cmocka's skip is a failure in TAP
			 */
	connect_client(f);
	run_for_ms(f, 5);
	connected = mallinfo2();
	/* 16 KiB of it is the library's frame buffer, of which an idle connection touches little.
	 */
	assert_true(connected.uordblks - before.uordblks < (size_t)2 * 26000);
	for (size_t i = 0; i < COUNT; i++)
		assert_int_equal(request(f, &calls[i], "/hold", false), ST_OK);
	run(f, all_are_open, f);
	run(f, is_head_there, &calls[COUNT - 1]);
	run_for_ms(f, 5);
	open = mallinfo2();
	print_message("# %zu bytes per connection end, %zu per idle stream end\n",
		      (connected.uordblks - before.uordblks) / 2,
		      (open.uordblks - connected.uordblks) / COUNT / 2);
	/* Both ends, and the fake's own record. */
	assert_true((open.uordblks - connected.uordblks) / COUNT < 2 * 1200);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_unary_call_is_answered_with_trailers),
		TEST(requests_without_body_and_short_replies_work),
		TEST(request_trailers_arrive),
		TEST(a_reply_that_ends_early_drops_the_rest_of_the_request),
		TEST(big_bodies_pass_in_both_directions),
		TEST(a_client_that_does_not_read_holds_the_server_back),
		TEST(a_server_that_does_not_read_holds_the_client_back),
		TEST(an_unread_response_outlives_its_stream),
		TEST(detached_streams_say_nothing),
		TEST(a_lost_connection_closes_every_stream),
		TEST(closing_tells_streams_then_the_session),
		TEST(draining_lets_streams_finish),
		TEST(the_peers_stream_limit_is_kept),
		TEST(a_quiet_connection_is_kept_alive),
		TEST(an_idle_connection_is_drained),
		TEST(connect_failures_are_told),
		TEST(free_is_safe_inside_callbacks),
		TEST(many_headers_pass),
		TEST(idle_streams_and_connections_are_small),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
