/* Client and server calls against each other, in one loop over a real socket. */
#include "src/grpc/grpc_call.h"

#include <malloc.h>
#include <string.h>
#include <sys/socket.h>

#include "src/base/arena.h"
#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/h2/channel.h"
#include "src/h2/h2.h"
#include "src/runtime/address.h"
#include "src/runtime/listen.h"
#include "src/runtime/loop.h"
#include "tests/unit/unit.h"

#define WAIT_NS (10 * NS_PER_S)
#define MESSAGE_MAX ((size_t)1024 * 1024)

/* What a server call does is the last part of its path. */
struct served {
	struct fixture *fixture;
	struct grpc_server_call *call;
	char method[32];
	unsigned messages;
	size_t to_send; /* of ServerStream */
};

struct fixture {
	struct loop *loop;
	struct listen *listen;
	struct channel *channel;
	struct h2_session *sessions[8];
	size_t session_count;
	/* server side */
	struct served *last;
	unsigned accepted;
	unsigned finished;
	unsigned cancelled;
	enum status cancelled_why;
	uint64_t last_deadline_ns;
	char seen_metadata[64];
};

/* What happened to one client call. */
struct seen {
	struct grpc_client_call *call;
	unsigned messages;
	unsigned opens;
	struct buf last;
	bool reads_on;
	bool is_over;
	bool was_sent;
	enum status code;
	char message[128];
	char details[64];
	char leading[64];
	char trailing[64];
	unsigned cancel_after; /* messages */
	unsigned statuses;
};

/* -- server ------------------------------------------------------------------------------------ */

static void served_finish(struct served *served, enum status code, const char *message)
{
	struct grpc_status status = {.code = code, .message = span_from_str(message)};
	struct metadata trailers = {0};
	struct arena arena;

	arena_init(&arena, 4096);
	assert_int_equal(metadata_add(&trailers, &arena, SPAN_LIT("x-end"), SPAN_LIT("yes")), 0);
	status.trailers = &trailers;
	if (code != ST_OK)
		status.details = SPAN_LIT("\x08\x05");
	grpc_server_finish(served->call, &status);
	arena_fini(&arena);
}

static void served_send_some(struct served *served)
{
	uint8_t body[1000];

	memset(body, 's', sizeof(body));
	while (served->to_send && grpc_server_unsent(served->call) < 64 * 1024) {
		assert_int_equal(grpc_server_send(served->call, span_make(body, sizeof(body))), 0);
		served->to_send--;
	}
	if (served->to_send == 0)
		served_finish(served, ST_OK, "");
}

static bool served_is(const struct served *served, const char *method)
{
	return strcmp(served->method, method) == 0;
}

static void served_on_message(void *data, struct span message)
{
	struct served *served = data;

	served->messages++;
	if (served_is(served, "Unary")) {
		assert_int_equal(grpc_server_send(served->call, message), 0);
		served_finish(served, ST_OK, "");
	} else if (served_is(served, "ServerStream")) {
		served->to_send = message.len;
		served_send_some(served);
	} else if (served_is(served, "Fail")) {
		served_finish(served, ST_FAILED_PRECONDITION, "na\xC3\xAFve 100%\n");
	} else if (served_is(served, "FailLate")) {
		assert_int_equal(grpc_server_send(served->call, message), 0);
		served_finish(served, ST_ABORTED, "late");
	} else if (served_is(served, "NoReply")) {
		served_finish(served, ST_OK, "");
	} else if (served_is(served, "Twice")) {
		assert_int_equal(grpc_server_send(served->call, message), 0);
		assert_int_equal(grpc_server_send(served->call, message), 0);
		served_finish(served, ST_OK, "");
	} else {
		if (served_is(served, "Bidi"))
			assert_int_equal(grpc_server_send(served->call, message), 0);
		grpc_server_read(served->call);
	}
}

static void served_on_half_close(void *data)
{
	struct served *served = data;
	char count[16];

	if (served_is(served, "Bidi")) {
		served_finish(served, ST_OK, "");
	} else if (served_is(served, "ClientStream")) {
		snprintf(count, sizeof(count), "%u", served->messages);
		assert_int_equal(grpc_server_send(served->call, span_from_str(count)), 0);
		served_finish(served, ST_OK, "");
	}
}

static void served_on_drained(void *data)
{
	struct served *served = data;

	if (served->to_send)
		served_send_some(served);
}

static void served_on_cancelled(void *data, enum status why)
{
	struct served *served = data;

	served->fixture->cancelled++;
	served->fixture->cancelled_why = why;
}

static void served_on_finished(void *data)
{
	struct served *served = data;

	served->fixture->finished++;
	if (served->fixture->last == served)
		served->fixture->last = NULL;
	mem_free(served);
}

static const struct grpc_server_ops served_ops = {
	.on_message = served_on_message,
	.on_half_close = served_on_half_close,
	.on_drained = served_on_drained,
	.on_cancelled = served_on_cancelled,
	.on_finished = served_on_finished,
};

static void on_request(void *data, struct h2_stream *stream, const struct h2_headers *headers)
{
	struct fixture *fixture = data;
	struct span path = h2_headers_get(headers, ":path");
	struct span method = span_skip(path, 3);
	struct served *served;
	struct span value;

	if (!span_starts_with(path, SPAN_LIT("/t/"))) {
		grpc_server_refuse(stream, ST_UNIMPLEMENTED, SPAN_LIT("unknown method"));
		return;
	}
	served = mem_new(struct served);
	served->fixture = fixture;
	memcpy(served->method, method.data, method.len);
	served->call = grpc_server_accept(fixture->loop, stream, headers, MESSAGE_MAX, &served_ops,
					  served);
	if (!served->call) {
		mem_free(served);
		return;
	}
	fixture->accepted++;
	fixture->last = served;
	fixture->last_deadline_ns = grpc_server_deadline_ns(served->call);
	value = metadata_get(grpc_server_metadata(served->call), "x-in-bin");
	snprintf(fixture->seen_metadata, sizeof(fixture->seen_metadata), "%.*s", SPAN_FMT(value));
	if (served_is(served, "Unary"))
		grpc_server_set_headers(served->call, grpc_server_metadata(served->call));
	if (!served_is(served, "Deaf"))
		grpc_server_read(served->call);
}

static void on_session_closed(void *data, struct h2_session *session, const struct error *error)
{
	struct fixture *fixture = data;

	(void)error;
	for (size_t i = 0; i < fixture->session_count; i++)
		if (fixture->sessions[i] == session)
			fixture->sessions[i] = NULL;
}

static const struct h2_session_ops server_ops = {
	.on_request = on_request,
	.on_closed = on_session_closed,
};

static void on_accept(void *data, int fd, const struct sockaddr *peer, unsigned peer_len)
{
	struct fixture *fixture = data;
	struct h2_limits limits = h2_limits_default();

	(void)peer;
	(void)peer_len;
	limits.max_concurrent_streams = 20000;
	assert_true(fixture->session_count < COUNT_OF(fixture->sessions));
	fixture->sessions[fixture->session_count++] =
		h2_server_new(fixture->loop, fd, &limits, &server_ops, fixture);
}

static void on_channel_state(void *data, enum channel_state state, const struct error *error)
{
	(void)data;
	(void)state;
	(void)error;
}

static int set_up(void **state)
{
	struct fixture *fixture = mem_new(struct fixture);
	struct channel_params params = {.backoff_min_ms = 5,
					.backoff_max_ms = 20,
					.connect_timeout_ms = 1000,
					.max_waiting = 20000,
					.limits = h2_limits_default()};
	struct address address;
	struct error err;

	assert_int_equal(loop_new(&fixture->loop, &err), 0);
	assert_int_equal(address_parse(SPAN_LIT("127.0.0.1:0"), "", &address, &err), 0);
	assert_int_equal(
		listen_open(fixture->loop, &address, on_accept, fixture, &fixture->listen, &err),
		0);
	address.port = listen_port(fixture->listen);
	fixture->channel =
		channel_open(fixture->loop, &address, &params, on_channel_state, fixture);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	channel_close(fixture->channel);
	for (size_t i = 0; i < fixture->session_count; i++)
		if (fixture->sessions[i])
			h2_session_close(fixture->sessions[i]);
	listen_close(fixture->listen);
	loop_free(fixture->loop);
	mem_free(fixture);
	return 0;
}

/* -- client ------------------------------------------------------------------------------------ */

static void seen_on_open(void *data)
{
	((struct seen *)data)->opens++;
}

static void seen_on_headers(void *data, const struct metadata *headers)
{
	struct seen *seen = data;

	snprintf(seen->leading, sizeof(seen->leading), "%.*s",
		 SPAN_FMT(metadata_get(headers, "x-in-bin")));
}

static void seen_on_message(void *data, struct span message)
{
	struct seen *seen = data;

	seen->messages++;
	buf_reset(&seen->last);
	assert_true(buf_append(&seen->last, message));
	if (seen->cancel_after == seen->messages) {
		grpc_client_cancel(seen->call);
		seen->call = NULL;
		/* Still borrowed until we return. */
		assert_true(span_eq(message, buf_span(&seen->last)));
		seen->is_over = true;
	} else if (seen->reads_on) {
		grpc_client_read(seen->call);
	}
}

static void seen_on_status(void *data, const struct grpc_status *status, bool was_sent)
{
	struct seen *seen = data;

	seen->call = NULL;
	seen->statuses++;
	seen->is_over = true;
	seen->was_sent = was_sent;
	seen->code = status->code;
	snprintf(seen->message, sizeof(seen->message), "%.*s", SPAN_FMT(status->message));
	snprintf(seen->details, sizeof(seen->details), "%.*s", SPAN_FMT(status->details));
	if (status->trailers)
		snprintf(seen->trailing, sizeof(seen->trailing), "%.*s",
			 SPAN_FMT(metadata_get(status->trailers, "x-end")));
}

static const struct grpc_client_ops seen_ops = {
	.on_open = seen_on_open,
	.on_headers = seen_on_headers,
	.on_message = seen_on_message,
	.on_status = seen_on_status,
};

static void seen_start(struct seen *seen, struct fixture *fixture, const char *path,
		       uint64_t deadline_ns)
{
	struct grpc_client_params params = {.path = path,
					    .deadline_ns = deadline_ns,
					    .wait_for_ready = true,
					    .open_deadline_ns = DEADLINE_NEVER,
					    .max_message_bytes = MESSAGE_MAX};
	struct metadata metadata = {0};
	struct arena arena;

	arena_init(&arena, 4096);
	assert_int_equal(metadata_add(&metadata, &arena, SPAN_LIT("x-in-bin"), SPAN_LIT("\1\2")),
			 0);
	params.metadata = &metadata;
	*seen = (struct seen){.reads_on = true};
	buf_init(&seen->last, MESSAGE_MAX);
	seen->call = grpc_client_start(fixture->loop, fixture->channel, &params, &seen_ops, seen);
	arena_fini(&arena);
}

static bool seen_is_over(void *data)
{
	return ((struct seen *)data)->is_over;
}

static void seen_wait(struct seen *seen, struct fixture *fixture)
{
	assert_true(loop_run_until(fixture->loop, seen_is_over, seen, clock_mono_ns() + WAIT_NS));
}

static void seen_fini(struct seen *seen)
{
	grpc_client_cancel(seen->call);
	buf_fini(&seen->last);
}

static void seen_send(struct seen *seen, size_t len, uint8_t fill)
{
	uint8_t *body = mem_zalloc(len + 1);

	memset(body, fill, len);
	assert_int_equal(grpc_client_send(seen->call, span_make(body, len)), 0);
	mem_free(body);
}

struct wait_for {
	const unsigned *counter;
	unsigned target;
};

static bool wait_is_met(void *data)
{
	const struct wait_for *wait = data;

	return *wait->counter >= wait->target;
}

static void wait_until(struct fixture *fixture, const unsigned *counter, unsigned target)
{
	struct wait_for wait = {counter, target};

	assert_true(loop_run_until(fixture->loop, wait_is_met, &wait, clock_mono_ns() + WAIT_NS));
}

/* -- tests ------------------------------------------------------------------------------------- */

static void unary_of_every_size(void **state)
{
	static const size_t sizes[] = {0, 1, 64, 32 * 1024, 32 * 1024 + 1, 300 * 1024, MESSAGE_MAX};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		struct seen seen;

		seen_start(&seen, fixture, "/t/Unary", DEADLINE_NEVER);
		seen_send(&seen, sizes[i], (uint8_t)('a' + i));
		grpc_client_half_close(seen.call);
		grpc_client_read(seen.call);
		seen_wait(&seen, fixture);
		assert_int_equal(seen.code, ST_OK);
		assert_int_equal(seen.messages, 1);
		assert_int_equal(seen.opens, 1);
		assert_int_equal(buf_len(&seen.last), sizes[i]);
		for (size_t k = 0; k < sizes[i]; k++)
			assert_int_equal(buf_span(&seen.last).data[k], 'a' + i);
		assert_string_equal(seen.leading, "\1\2");
		assert_string_equal(fixture->seen_metadata, "\1\2");
		assert_string_equal(seen.trailing, "yes");
		seen_fini(&seen);
	}
	assert_int_equal(fixture->cancelled, 0);
}

static void server_stream_with_slow_reader(void **state)
{
	struct fixture *fixture = *state;
	struct seen seen;

	seen_start(&seen, fixture, "/t/ServerStream", DEADLINE_NEVER);
	seen.reads_on = false;
	seen_send(&seen, 5000, 'x'); /* 5 MB of answer */
	grpc_client_half_close(seen.call);
	for (unsigned n = 1; n <= 5000; n++) {
		grpc_client_read(seen.call);
		wait_until(fixture, &seen.messages, n);
		assert_int_equal(seen.messages, n); /* one for each read */
	}
	/* Nothing is unread any more, so the end comes without being asked for. */
	seen_wait(&seen, fixture);
	assert_int_equal(seen.code, ST_OK);
	seen_fini(&seen);
}

static void client_stream_is_counted(void **state)
{
	struct fixture *fixture = *state;
	struct seen seen;

	seen_start(&seen, fixture, "/t/ClientStream", DEADLINE_NEVER);
	grpc_client_read(seen.call);
	for (unsigned i = 0; i < 100; i++)
		seen_send(&seen, i * 97, 'c');
	grpc_client_half_close(seen.call);
	seen_wait(&seen, fixture);
	assert_int_equal(seen.code, ST_OK);
	UNIT_ROW_SPAN("count", buf_span(&seen.last), "100");
	seen_fini(&seen);
}

static void bidi_ping_pong(void **state)
{
	struct fixture *fixture = *state;
	struct seen seen;

	seen_start(&seen, fixture, "/t/Bidi", DEADLINE_NEVER);
	seen.reads_on = false;
	for (unsigned i = 1; i <= 50; i++) {
		seen_send(&seen, i, 'p');
		grpc_client_read(seen.call);
		wait_until(fixture, &seen.messages, i);
		assert_int_equal(buf_len(&seen.last), i);
	}
	grpc_client_half_close(seen.call);
	seen_wait(&seen, fixture);
	assert_int_equal(seen.code, ST_OK);
	assert_int_equal(seen.statuses, 1);
	seen_fini(&seen);
}

static void messages_before_an_end_are_read_first(void **state)
{
	struct fixture *fixture = *state;
	struct seen seen;

	seen_start(&seen, fixture, "/t/FailLate", DEADLINE_NEVER);
	seen.reads_on = false;
	seen_send(&seen, 10, 'f');
	grpc_client_half_close(seen.call);
	wait_until(fixture, &fixture->finished, 1);
	assert_false(seen.is_over);
	grpc_client_read(seen.call);
	seen_wait(&seen, fixture);
	assert_int_equal(seen.messages, 1);
	assert_int_equal(seen.code, ST_ABORTED);
	assert_string_equal(seen.message, "late");
	seen_fini(&seen);
}

static void failures_carry_text_and_details(void **state)
{
	struct fixture *fixture = *state;
	struct seen seen;

	seen_start(&seen, fixture, "/t/Fail", DEADLINE_NEVER);
	seen_send(&seen, 1, 'f');
	grpc_client_half_close(seen.call);
	grpc_client_read(seen.call);
	seen_wait(&seen, fixture);
	assert_int_equal(seen.code, ST_FAILED_PRECONDITION);
	assert_string_equal(seen.message, "na\xC3\xAFve 100%\n");
	assert_string_equal(seen.details, "\x08\x05");
	assert_string_equal(seen.trailing, "yes");
	assert_int_equal(seen.messages, 0);
	assert_true(seen.was_sent);
	seen_fini(&seen);
}

static void unknown_method_is_unimplemented(void **state)
{
	struct fixture *fixture = *state;
	struct seen seen;

	seen_start(&seen, fixture, "/nowhere", DEADLINE_NEVER);
	grpc_client_read(seen.call);
	seen_wait(&seen, fixture);
	assert_int_equal(seen.code, ST_UNIMPLEMENTED);
	assert_string_equal(seen.message, "unknown method");
	seen_fini(&seen);
}

static void client_cancel_reaches_the_server(void **state)
{
	struct fixture *fixture = *state;
	struct seen seen;

	seen_start(&seen, fixture, "/t/Hang", DEADLINE_NEVER);
	seen_send(&seen, 10, 'h');
	grpc_client_read(seen.call);
	wait_until(fixture, &fixture->accepted, 1);
	grpc_client_cancel(seen.call);
	seen.call = NULL;
	wait_until(fixture, &fixture->finished, 1);
	assert_int_equal(fixture->cancelled, 1);
	assert_int_equal(fixture->cancelled_why, ST_CANCELLED);
	assert_int_equal(seen.statuses, 0);
	seen_fini(&seen);
}

static void cancel_within_a_message(void **state)
{
	struct fixture *fixture = *state;
	struct seen seen;

	seen_start(&seen, fixture, "/t/Bidi", DEADLINE_NEVER);
	seen.cancel_after = 2;
	seen_send(&seen, 100, '1');
	seen_send(&seen, 200, '2');
	grpc_client_read(seen.call);
	seen_wait(&seen, fixture);
	assert_int_equal(seen.messages, 2);
	wait_until(fixture, &fixture->finished, 1);
	assert_int_equal(fixture->cancelled, 1);
	assert_int_equal(seen.statuses, 0);
	seen_fini(&seen);
}

static void cancel_before_the_stream_is_open(void **state)
{
	struct fixture *fixture = *state;
	struct seen seen;
	struct seen after;

	seen_start(&seen, fixture, "/t/Unary", DEADLINE_NEVER);
	seen_send(&seen, 10, 'x');
	grpc_client_cancel(seen.call);
	seen.call = NULL;
	seen_start(&after, fixture, "/t/Unary", DEADLINE_NEVER);
	seen_send(&after, 10, 'x');
	grpc_client_half_close(after.call);
	grpc_client_read(after.call);
	seen_wait(&after, fixture);
	assert_int_equal(fixture->accepted, 1);
	seen_fini(&seen);
	seen_fini(&after);
}

static void deadline_ends_both_sides(void **state)
{
	struct fixture *fixture = *state;
	struct seen seen;
	uint64_t before = clock_mono_ns();

	seen_start(&seen, fixture, "/t/Hang", before + 50 * NS_PER_MS);
	seen_send(&seen, 10, 'h');
	grpc_client_read(seen.call);
	seen_wait(&seen, fixture);
	assert_int_equal(seen.code, ST_DEADLINE_EXCEEDED);
	wait_until(fixture, &fixture->finished, 1);
	assert_int_equal(fixture->cancelled, 1);
	assert_true(fixture->last_deadline_ns != DEADLINE_NEVER);
	assert_true(fixture->last_deadline_ns > before);
	seen_fini(&seen);
}

static void too_large_messages_end_the_call(void **state)
{
	struct fixture *fixture = *state;
	struct seen seen;

	seen_start(&seen, fixture, "/t/Bidi", DEADLINE_NEVER);
	seen_send(&seen, MESSAGE_MAX + 1, 'l');
	grpc_client_read(seen.call);
	seen_wait(&seen, fixture);
	assert_int_equal(seen.code, ST_RESOURCE_EXHAUSTED);
	assert_non_null(strstr(seen.message, "1048577"));
	assert_int_equal(fixture->cancelled_why, ST_RESOURCE_EXHAUSTED);
	seen_fini(&seen);
}

static void unread_requests_hold_the_sender_back(void **state)
{
	struct fixture *fixture = *state;
	struct seen seen;
	enum status status = ST_OK;
	uint8_t body[4096] = {0};
	size_t sent = 0;

	seen_start(&seen, fixture, "/t/Deaf", DEADLINE_NEVER);
	while (!status && sent < 64 * MESSAGE_MAX) {
		status = grpc_client_send(seen.call, span_make(body, sizeof(body)));
		sent += sizeof(body);
	}
	assert_int_equal(status, ST_RESOURCE_EXHAUSTED);
	wait_until(fixture, &fixture->accepted, 1);
	/* What the window does not take stays with the sender. */
	assert_true(grpc_client_unsent(seen.call) > 8 * MESSAGE_MAX);
	grpc_client_cancel(seen.call);
	seen.call = NULL;
	wait_until(fixture, &fixture->finished, 1);
	seen_fini(&seen);
}

struct unary_seen {
	unsigned done;
	enum status code;
	size_t len;
	char message[64];
};

static void on_unary(void *data, const struct grpc_status *status, struct span reply)
{
	struct unary_seen *seen = data;

	seen->done++;
	seen->code = status->code;
	seen->len = reply.len;
	snprintf(seen->message, sizeof(seen->message), "%.*s", SPAN_FMT(status->message));
}

static void unary_helper(void **state)
{
	static const struct {
		const char *path;
		enum status code;
		size_t len;
	} rows[] = {
		{"/t/Unary", ST_OK, 5},
		{"/t/Fail", ST_FAILED_PRECONDITION, 0},
		{"/t/NoReply", ST_INTERNAL, 0},
		{"/t/Twice", ST_INTERNAL, 0},
		{"/nowhere", ST_UNIMPLEMENTED, 0},
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct grpc_client_params params = {.path = rows[i].path,
						    .deadline_ns = DEADLINE_NEVER,
						    .wait_for_ready = true,
						    .open_deadline_ns = DEADLINE_NEVER,
						    .max_message_bytes = MESSAGE_MAX};
		struct unary_seen seen = {0};

		assert_non_null(grpc_unary_start(fixture->loop, fixture->channel, &params,
						 SPAN_LIT("hello"), on_unary, &seen));
		wait_until(fixture, &seen.done, 1);
		UNIT_ROW(rows[i].path, seen.code == rows[i].code);
		UNIT_ROW(rows[i].path, seen.len == rows[i].len);
	}
}

static void lost_connection_is_unavailable(void **state)
{
	struct fixture *fixture = *state;
	struct seen seen;

	seen_start(&seen, fixture, "/t/Hang", DEADLINE_NEVER);
	seen_send(&seen, 10, 'h');
	grpc_client_read(seen.call);
	wait_until(fixture, &fixture->accepted, 1);
	h2_session_close(fixture->sessions[0]);
	seen_wait(&seen, fixture);
	assert_int_equal(seen.code, ST_UNAVAILABLE);
	assert_true(seen.was_sent);
	assert_int_equal(fixture->cancelled, 1);
	assert_int_equal(fixture->finished, 1);
	seen_fini(&seen);
}

/* Every active entity holds one of these: memory per idle call, without the HTTP/2 streams, is
 * bounded by what the allocator hands out for it. */
static void idle_calls_are_small(void **state)
{
	enum { CALLS = 1000 };
	struct fixture *fixture = *state;
	struct seen *seen = mem_new_array(struct seen, CALLS);
	size_t before;
	size_t per_call;

	for (unsigned i = 0; i < CALLS; i++)
		seen_start(&seen[i], fixture, "/t/Bidi", DEADLINE_NEVER);
	wait_until(fixture, &fixture->accepted, CALLS);
	before = mallinfo2().uordblks;
	for (unsigned i = 0; i < CALLS; i++)
		grpc_client_read(seen[i].call);
	(void)before;
	per_call = malloc_usable_size(seen[0].call);
	print_message("# idle client call: %zu bytes\n", per_call);
	assert_true(per_call <= 300);
	for (unsigned i = 0; i < CALLS; i++)
		seen_fini(&seen[i]);
	wait_until(fixture, &fixture->finished, CALLS);
	mem_free(seen);
}

#define CALL_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CALL_TEST(unary_of_every_size),
		CALL_TEST(server_stream_with_slow_reader),
		CALL_TEST(client_stream_is_counted),
		CALL_TEST(bidi_ping_pong),
		CALL_TEST(messages_before_an_end_are_read_first),
		CALL_TEST(failures_carry_text_and_details),
		CALL_TEST(unknown_method_is_unimplemented),
		CALL_TEST(client_cancel_reaches_the_server),
		CALL_TEST(cancel_within_a_message),
		CALL_TEST(cancel_before_the_stream_is_open),
		CALL_TEST(deadline_ends_both_sides),
		CALL_TEST(too_large_messages_end_the_call),
		CALL_TEST(unread_requests_hold_the_sender_back),
		CALL_TEST(unary_helper),
		CALL_TEST(lost_connection_is_unavailable),
		CALL_TEST(idle_calls_are_small),
	};

	return cmocka_run_group_tests_name("grpc/call", tests, NULL, NULL);
}
