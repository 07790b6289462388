#include "src/h2/channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/runtime/address.h"
#include "src/runtime/loop.h"
#include "tests/fakes/h2_server.h"
#include "tests/unit/unit.h"

#define TEST_WAIT_NS (20 * NS_PER_S)

struct fixture;

struct call {
	struct fixture *f;
	struct channel_wait *wait;
	struct h2_stream *stream;
	unsigned opened;
	unsigned failed;
	unsigned closed;
	bool has_head;
	bool is_clean;
	bool is_lost;
	enum status status;
	unsigned order;
	bool closes_channel;
};

struct fixture {
	struct loop *loop;
	struct h2_fake fake;
	struct channel *channel;
	char states[256]; /* c r b, in order */
	unsigned opened;
	struct call calls[8];
	char last_error[128];
};

static void on_state(void *data, enum channel_state state, const struct error *error)
{
	struct fixture *f = data;
	size_t len = strlen(f->states);

	assert_true(len < sizeof(f->states) - 1);
	f->states[len] = "crbx"[state];
	assert_int_equal(state == CHANNEL_BACKOFF, error != NULL);
	if (error)
		snprintf(f->last_error, sizeof(f->last_error), "%.127s", error->message);
}

static void on_headers(void *data, struct h2_stream *stream, const struct h2_headers *headers)
{
	(void)stream;
	(void)headers;
	((struct call *)data)->has_head = true;
}

static void on_closed(void *data, struct h2_stream *stream, bool is_clean, bool lost_session,
		      uint32_t h2_code)
{
	struct call *call = data;

	(void)h2_code;
	assert_ptr_equal(stream, call->stream);
	call->stream = NULL;
	call->closed++;
	call->is_clean = is_clean;
	call->is_lost = lost_session;
	if (call->closes_channel) {
		channel_close(call->f->channel);
		call->f->channel = NULL;
	}
}

static const struct h2_stream_ops ops = {.on_headers = on_headers, .on_closed = on_closed};

static void on_stream(void *data, struct h2_stream *stream, const struct error *error)
{
	struct call *call = data;

	assert_non_null(call->wait); /* never from inside channel_request */
	assert_true(!stream == !!error);
	call->wait = NULL;
	call->stream = stream;
	if (stream) {
		call->opened++;
		call->order = ++call->f->opened;
		h2_stream_end(stream);
		return;
	}
	call->failed++;
	call->status = error->status;
	assert_true(error->message[0] != '\0');
}

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

	channel_close(f->channel);
	h2_fake_fini(&f->fake);
	loop_free(f->loop);
	free(f);
	return 0;
}

static struct channel_params quick(void)
{
	return (struct channel_params){
		.backoff_min_ms = 2, .backoff_max_ms = 10, .limits = h2_limits_default()};
}

static void open_with(struct fixture *f, const struct channel_params *params)
{
	struct address address = {.port = f->fake.port, .host = "127.0.0.1"};

	f->channel = channel_open(f->loop, &address, params, on_state, f);
	assert_string_equal(f->states, ""); /* not from inside the call */
	assert_int_equal(channel_state(f->channel), CHANNEL_CONNECTING);
}

static void open_quick(struct fixture *f)
{
	struct channel_params params = quick();

	open_with(f, &params);
}

static void ask(struct fixture *f, struct call *call, const char *path, bool wait_for_ready,
		uint64_t wait_ns)
{
	struct h2_header items[] = {
		{SPAN_LIT(":method"), SPAN_LIT("POST")},
		{SPAN_LIT(":scheme"), SPAN_LIT("http")},
		{SPAN_LIT(":authority"), span_from_str(channel_authority(f->channel))},
		{SPAN_LIT(":path"), span_from_str(path)},
	};
	struct h2_headers headers = {items, COUNT_OF(items)};

	*call = (struct call){.f = f};
	call->wait = channel_request(f->channel, &(struct channel_request_params){
							 .headers = &headers,
							 .wait_for_ready = wait_for_ready,
							 .deadline_ns = clock_mono_ns() + wait_ns,
							 .ops = &ops,
							 .ops_data = call,
							 .on_stream = on_stream,
							 .data = call,
						 });
	assert_int_equal(call->opened + call->failed, 0);
}

static void run(struct fixture *f, bool (*is_done)(void *data), void *data)
{
	assert_true(loop_run_until(f->loop, is_done, data, clock_mono_ns() + TEST_WAIT_NS));
}

static bool is_closed(void *data)
{
	return ((struct call *)data)->closed != 0;
}

static bool is_failed(void *data)
{
	return ((struct call *)data)->failed != 0;
}

static bool has_head(void *data)
{
	return ((struct call *)data)->has_head;
}

static bool is_ready(void *data)
{
	return channel_state(((struct fixture *)data)->channel) == CHANNEL_READY;
}

static bool is_backing_off(void *data)
{
	return channel_state(((struct fixture *)data)->channel) == CHANNEL_BACKOFF;
}

static void requests_wait_for_the_connection(void **state)
{
	struct fixture *f = *state;
	char authority[64];

	open_quick(f);
	snprintf(authority, sizeof(authority), "127.0.0.1:%u", f->fake.port);
	assert_string_equal(channel_authority(f->channel), authority);
	ask(f, &f->calls[0], "/echo", false, TEST_WAIT_NS);
	ask(f, &f->calls[1], "/echo", false, TEST_WAIT_NS);
	assert_int_equal(channel_waiting_count(f->channel), 2);
	run(f, is_closed, &f->calls[1]);
	assert_true(f->calls[0].is_clean && f->calls[1].is_clean);
	assert_int_equal(f->calls[0].order, 1);
	assert_int_equal(f->calls[1].order, 2);
	assert_int_equal(channel_waiting_count(f->channel), 0);
	assert_string_equal(f->states, "r");
	assert_int_equal(f->fake.accepted, 1);
}

static void refused_connections_back_off_and_fail_the_impatient(void **state)
{
	struct fixture *f = *state;
	uint16_t port = f->fake.port;
	struct h2_limits limits = h2_limits_default();

	h2_fake_stop_listening(&f->fake);
	open_quick(f);
	ask(f, &f->calls[0], "/echo", false, TEST_WAIT_NS);
	ask(f, &f->calls[1], "/echo", true, TEST_WAIT_NS);
	run(f, is_failed, &f->calls[0]);
	assert_int_equal(f->calls[0].status, ST_UNAVAILABLE);
	assert_int_equal(f->calls[1].failed, 0);
	run(f, is_backing_off, f);
	ask(f, &f->calls[2], "/echo", false, TEST_WAIT_NS); /* fails at once */
	run(f, is_failed, &f->calls[2]);
	assert_int_equal(f->calls[2].status, ST_UNAVAILABLE);
	assert_non_null(strstr(f->last_error, "cannot connect"));
	/* The peer comes back. */
	f->fake.port = port;
	h2_fake_init(&f->fake, f->loop, &limits);
	run(f, is_closed, &f->calls[1]);
	assert_true(f->calls[1].is_clean);
	assert_non_null(strstr(f->states, "bcr"));
}

static bool has_backed_off_often(void *data)
{
	return strlen(((struct fixture *)data)->states) >= 10;
}

static void backing_off_gets_slower(void **state)
{
	struct fixture *f = *state;
	uint64_t began_ns = clock_mono_ns();

	h2_fake_stop_listening(&f->fake);
	open_quick(f);
	run(f, has_backed_off_often, f);
	/* Five failures: 2 + 4 + 8 + 10 ms less a fifth lie between them. */
	assert_true(clock_mono_ns() - began_ns >= 19 * NS_PER_MS);
	assert_memory_equal(f->states, "bcbcbcbcbc", 10);
}

static void waiting_has_a_deadline(void **state)
{
	struct fixture *f = *state;
	struct channel_params params = quick();

	h2_fake_stop_listening(&f->fake);
	params.backoff_min_ms = params.backoff_max_ms = 60000;
	open_with(f, &params);
	ask(f, &f->calls[0], "/echo", true, 5 * NS_PER_MS);
	run(f, is_failed, &f->calls[0]);
	assert_int_equal(f->calls[0].status, ST_DEADLINE_EXCEEDED);
	assert_int_equal(channel_waiting_count(f->channel), 0);
}

static void the_stream_limit_makes_a_bounded_queue(void **state)
{
	struct fixture *f = *state;
	struct channel_params params = quick();

	f->fake.limits.max_concurrent_streams = 1;
	params.max_waiting = 2;
	open_with(f, &params);
	run(f, is_ready, f);
	ask(f, &f->calls[0], "/hold", false, TEST_WAIT_NS);
	run(f, has_head, &f->calls[0]);
	ask(f, &f->calls[1], "/echo", false, 10 * NS_PER_MS); /* will give up */
	ask(f, &f->calls[2], "/echo", false, TEST_WAIT_NS);
	ask(f, &f->calls[3], "/echo", false, TEST_WAIT_NS); /* no room to wait */
	run(f, is_failed, &f->calls[3]);
	assert_int_equal(f->calls[3].status, ST_RESOURCE_EXHAUSTED);
	run(f, is_failed, &f->calls[1]);
	assert_int_equal(f->calls[1].status, ST_RESOURCE_EXHAUSTED);
	assert_int_equal(channel_waiting_count(f->channel), 1);
	assert_int_equal(channel_stream_count(f->channel), 1);
	assert_int_equal(f->calls[2].opened, 0);
	h2_fake_end_all(&f->fake);
	run(f, is_closed, &f->calls[2]);
	assert_true(f->calls[2].is_clean && f->calls[0].is_clean);
}

static void cancelled_waits_are_never_told(void **state)
{
	struct fixture *f = *state;

	open_quick(f);
	ask(f, &f->calls[0], "/echo", false, TEST_WAIT_NS);
	ask(f, &f->calls[1], "/echo", false, TEST_WAIT_NS);
	channel_cancel(f->calls[0].wait);
	run(f, is_closed, &f->calls[1]);
	assert_int_equal(f->calls[0].opened + f->calls[0].failed, 0);
	assert_int_equal(f->fake.requests, 1);
}

static void a_lost_connection_is_made_again(void **state)
{
	struct fixture *f = *state;

	open_quick(f);
	ask(f, &f->calls[0], "/hold", false, TEST_WAIT_NS);
	run(f, has_head, &f->calls[0]);
	h2_fake_close_all(&f->fake);
	run(f, is_closed, &f->calls[0]);
	assert_true(f->calls[0].is_lost);
	ask(f, &f->calls[1], "/echo", true, TEST_WAIT_NS);
	run(f, is_closed, &f->calls[1]);
	assert_true(f->calls[1].is_clean);
	assert_string_equal(f->states, "rbcr");
	assert_int_equal(f->fake.accepted, 2);
}

static void goaway_moves_new_streams_to_a_new_connection(void **state)
{
	struct fixture *f = *state;

	open_quick(f);
	ask(f, &f->calls[0], "/hold", false, TEST_WAIT_NS);
	run(f, has_head, &f->calls[0]);
	h2_fake_drain_all(&f->fake);
	while (f->fake.accepted < 2) {
		/* A request in between may still find the old session closing. */
		ask(f, &f->calls[1], "/echo", true, TEST_WAIT_NS);
		run(f, is_closed, &f->calls[1]);
	}
	assert_true(f->calls[1].is_clean);
	assert_int_equal(f->calls[0].closed, 0); /* still runs on the old one */
	assert_int_equal(channel_stream_count(f->channel), 1);
	h2_fake_end_all(&f->fake);
	run(f, is_closed, &f->calls[0]);
	assert_true(f->calls[0].is_clean);
	assert_int_equal(f->fake.accepted, 2);
}

static bool is_after(void *data)
{
	return clock_mono_ns() >= *(uint64_t *)data;
}

static bool has_reconnected(void *data)
{
	return ((struct fixture *)data)->fake.accepted == 2 && is_ready(data);
}

static void goaway_after_a_while_needs_no_back_off(void **state)
{
	struct fixture *f = *state;
	uint64_t lasted_ns;

	open_quick(f);
	run(f, is_ready, f);
	lasted_ns = clock_mono_ns() + 11 * NS_PER_MS; /* over backoff_max_ms */
	(void)loop_run_until(f->loop, is_after, &lasted_ns, lasted_ns);
	h2_fake_drain_all(&f->fake);
	run(f, has_reconnected, f);
	assert_string_equal(f->states, "rcr");
}

static void closing_tells_everyone_before_it_returns(void **state)
{
	struct fixture *f = *state;

	f->fake.limits.max_concurrent_streams = 1;
	open_quick(f);
	run(f, is_ready, f);
	ask(f, &f->calls[0], "/hold", false, TEST_WAIT_NS);
	run(f, has_head, &f->calls[0]);
	ask(f, &f->calls[1], "/echo", false, TEST_WAIT_NS);
	channel_close(f->channel);
	f->channel = NULL;
	assert_int_equal(f->calls[0].closed, 1);
	assert_true(f->calls[0].is_lost);
	assert_int_equal(f->calls[1].failed, 1);
	assert_int_equal(f->calls[1].status, ST_CANCELLED);
}

static void closing_is_safe_inside_a_streams_callback(void **state)
{
	struct fixture *f = *state;

	f->fake.limits.max_concurrent_streams = 2;
	open_quick(f);
	run(f, is_ready, f);
	ask(f, &f->calls[0], "/hold", false, TEST_WAIT_NS);
	run(f, has_head, &f->calls[0]);
	ask(f, &f->calls[1], "/echo", false, TEST_WAIT_NS);
	f->calls[1].closes_channel = true;
	ask(f, &f->calls[2], "/echo", false, TEST_WAIT_NS);
	run(f, is_closed, &f->calls[0]);
	assert_int_equal(f->calls[0].closed, 1);
	assert_int_equal(f->calls[1].closed, 1);
	assert_int_equal(f->calls[2].failed, 1);
	assert_int_equal(f->calls[2].status, ST_CANCELLED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(requests_wait_for_the_connection),
		TEST(refused_connections_back_off_and_fail_the_impatient),
		TEST(backing_off_gets_slower),
		TEST(waiting_has_a_deadline),
		TEST(the_stream_limit_makes_a_bounded_queue),
		TEST(cancelled_waits_are_never_told),
		TEST(a_lost_connection_is_made_again),
		TEST(goaway_moves_new_streams_to_a_new_connection),
		TEST(goaway_after_a_while_needs_no_back_off),
		TEST(closing_tells_everyone_before_it_returns),
		TEST(closing_is_safe_inside_a_streams_callback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
