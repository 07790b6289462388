/* The front over real sockets, HTTP/2: JSON and gRPC on one connection. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/metrics.h"
#include "src/grpc/grpc_call.h"
#include "src/h2/h2.h"
#include "src/runtime/address.h"
#include "src/runtime/loop.h"
#include "tests/fakes/front_world.h"
#include "tests/unit/unit.h"

#define CALLS 20

/* One stream and what came back. */
struct call {
	struct h2_stream *stream;
	int status;
	int grpc_status; /* -1: none */
	char message[128];
	char content_type[64];
	char allow[64];
	struct buf body;
	bool is_over;
	bool is_clean;
	uint32_t code;
};

static struct front_world world;
static struct h2_session *session;
static bool is_ready;
static bool is_goaway;
static bool is_closed;
static struct call calls[CALLS];

static int number_of(struct span text, int missing)
{
	char copy[16];

	if (!text.data)
		return missing;
	snprintf(copy, sizeof(copy), "%.*s", SPAN_FMT(span_head(text, 15)));
	return (int)strtol(copy, NULL, 10);
}

static void copy_header(char *text, size_t size, struct span value)
{
	snprintf(text, size, "%.*s", SPAN_FMT(value));
}

static void note_status(struct call *call, const struct h2_headers *headers)
{
	call->grpc_status = number_of(h2_headers_get(headers, "grpc-status"), call->grpc_status);
	if (h2_headers_get(headers, "grpc-message").len)
		copy_header(call->message, sizeof(call->message),
			    h2_headers_get(headers, "grpc-message"));
}

static void on_headers(void *data, struct h2_stream *stream, const struct h2_headers *headers)
{
	struct call *call = data;

	(void)stream;
	call->status = number_of(h2_headers_get(headers, ":status"), 0);
	copy_header(call->content_type, sizeof(call->content_type),
		    h2_headers_get(headers, "content-type"));
	copy_header(call->allow, sizeof(call->allow), h2_headers_get(headers, "allow"));
	note_status(call, headers);
}

static void on_data(void *data, struct h2_stream *stream)
{
	struct call *call = data;
	struct span bytes = h2_stream_peek(stream);

	assert_true(buf_append(&call->body, bytes));
	h2_stream_consume(stream, bytes.len);
}

static void on_trailers(void *data, struct h2_stream *stream, const struct h2_headers *headers)
{
	(void)stream;
	note_status(data, headers);
}

static void on_stream_closed(void *data, struct h2_stream *stream, bool clean, bool lost,
			     uint32_t code)
{
	struct call *call = data;

	(void)stream;
	(void)lost;
	call->stream = NULL;
	call->is_over = true;
	call->is_clean = clean;
	call->code = code;
}

static const struct h2_stream_ops stream_ops = {
	.on_headers = on_headers,
	.on_data = on_data,
	.on_trailers = on_trailers,
	.on_closed = on_stream_closed,
};

static void on_session_ready(void *data, struct h2_session *ready)
{
	(void)data;
	(void)ready;
	is_ready = true;
}

static void on_goaway(void *data, struct h2_session *going, uint32_t code)
{
	(void)data;
	(void)going;
	(void)code;
	is_goaway = true;
}

static void on_session_closed(void *data, struct h2_session *closed, const struct error *error)
{
	(void)data;
	(void)closed;
	(void)error;
	session = NULL;
	is_closed = true;
}

static const struct h2_session_ops session_ops = {
	.on_ready = on_session_ready,
	.on_goaway = on_goaway,
	.on_closed = on_session_closed,
};

static bool is_true(void *data)
{
	return *(bool *)data;
}

static int set_up_with(const char *const *flags)
{
	struct address address = {0};
	struct h2_limits limits = h2_limits_default();

	front_world_init(&world, flags);
	address.port = front_port(world.front, FRONT_INGRESS);
	snprintf(address.host, sizeof(address.host), "127.0.0.1");
	is_ready = false;
	is_goaway = false;
	is_closed = false;
	session = h2_client_new(world.loop, &address, clock_mono_ns() + FRONT_WORLD_WAIT_NS,
				&limits, &session_ops, NULL);
	front_world_wait(&world, is_true, &is_ready);
	for (size_t i = 0; i < CALLS; i++) {
		calls[i] = (struct call){.grpc_status = -1};
		buf_init(&calls[i].body, (size_t)64 << 20);
	}
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	return set_up_with(NULL);
}

static int set_up_few(void **state)
{
	static const char *const flags[] = {"http.max_requests=1", "http.request_timeout=100ms",
					    "grpc.max_message_size=64KiB", NULL};

	(void)state;
	return set_up_with(flags);
}

static int set_up_short(void **state)
{
	static const char *const flags[] = {"http.body_timeout=100ms", NULL};

	(void)state;
	return set_up_with(flags);
}

static int tear_down(void **state)
{
	(void)state;
	h2_session_free(session);
	session = NULL;
	front_world_fini(&world);
	for (size_t i = 0; i < CALLS; i++)
		buf_fini(&calls[i].body);
	return 0;
}

#define HEADERS_MAX 8

static void start(struct call *call, const char *method, const char *path, const char *type,
		  const struct h2_header *extra, bool is_end)
{
	struct h2_header items[HEADERS_MAX] = {
		{SPAN_LIT(":method"), span_from_str(method)},
		{SPAN_LIT(":scheme"), SPAN_LIT("http")},
		{SPAN_LIT(":path"), span_from_str(path)},
		{SPAN_LIT(":authority"), SPAN_LIT("h")},
	};
	size_t count = 4;

	if (type)
		items[count++] = (struct h2_header){SPAN_LIT("content-type"), span_from_str(type)};
	if (extra)
		items[count++] = *extra;
	assert_int_equal(h2_client_request(session, &(struct h2_headers){items, count}, is_end,
					   &stream_ops, call, &call->stream),
			 ST_OK);
}

static void send(struct call *call, struct span bytes, bool is_end)
{
	assert_int_equal(h2_stream_write(call->stream, bytes), ST_OK);
	if (is_end)
		h2_stream_end(call->stream);
}

static void wait_for(struct call *call)
{
	front_world_wait(&world, is_true, &call->is_over);
}

/* A headgate.test.Request with id "a" and text "hi", framed. */
#define GRPC_REQUEST SPAN_LIT("\0\0\0\0\x07\x0a\x01\x61\x12\x02hi")
#define PROCESS "/headgate.test.Entity/Process"

static void start_grpc(struct call *call)
{
	const struct h2_header te = {SPAN_LIT("te"), SPAN_LIT("trailers")};

	start(call, "POST", PROCESS, "application/grpc", &te, false);
	send(call, GRPC_REQUEST, true);
}

static void check_grpc(const struct call *call)
{
	assert_int_equal(call->status, 200);
	assert_int_equal(call->grpc_status, 0);
	assert_string_equal(call->content_type, "application/grpc");
	assert_int_equal(buf_len(&call->body), GRPC_REQUEST.len);
	assert_memory_equal(buf_span(&call->body).data, GRPC_REQUEST.data, GRPC_REQUEST.len);
	assert_true(call->is_clean);
}

static void json_and_grpc_on_one_connection(void **state)
{
	(void)state;
	for (size_t i = 0; i < CALLS; i++) {
		if (i % 2) {
			start_grpc(&calls[i]);
		} else {
			start(&calls[i], "POST", "/test/a", "application/json", NULL, false);
			send(&calls[i], SPAN_LIT("{\"text\":\"hi\"}"), true);
		}
	}
	for (size_t i = 0; i < CALLS; i++) {
		wait_for(&calls[i]);
		if (i % 2) {
			check_grpc(&calls[i]);
			continue;
		}
		assert_int_equal(calls[i].status, 200);
		assert_string_equal(calls[i].content_type, "application/json");
		assert_true(front_world_has(buf_span(&calls[i].body),
					    "{\"id\":\"a\",\"text\":\"hi\","));
	}
	assert_int_equal(world.router.accepted, CALLS);
}

static void plain_requests(void **state)
{
	static const struct {
		const char *method;
		const char *path;
		const char *type;
		const char *extra_name;
		const char *extra_value;
		const char *body; /* NULL: none */
		int status;
		const char *part;
	} rows[] = {
		{"GET", "/test/a?text=q", NULL, NULL, NULL, NULL, 200, "\"text\":\"q\""},
		{"GET", "/nowhere", NULL, NULL, NULL, NULL, 404, "{\"code\":5,"},
		{"DELETE", "/test/a", NULL, NULL, NULL, NULL, 405, "{\"code\":12,"},
		{"POST", "/test/a", "text/plain", NULL, NULL, "x", 415, "{\"code\":3,"},
		{"POST", "/test/a", NULL, NULL, NULL, "{\"text\"", 400, "{\"code\":3,"},
		{"POST", "/test/a", NULL, "content-length", "4194305", "", 413, "{\"code\":"},
		{"POST", PROCESS, "application/grpc-web+json", NULL, NULL, "x", 415,
		 "{\"code\":3,"},
		{"POST", PROCESS, "application/grpc+json", NULL, NULL, "x", 415, "{\"code\":3,"},
		{"GET", "/a%00b", NULL, NULL, NULL, NULL, 400, "NUL"},
		{"GET", "/ready", NULL, NULL, NULL, NULL, 200, "{\"ready\":true}"},
		{"GET", "/", NULL, "k-network-probe", "queue", NULL, 200, "queue"},
		{"OPTIONS", "/test/a", NULL, NULL, NULL, NULL, 204, ""},
		{"GET", "/ready", NULL, "host", "other", NULL, 400, "Host differs"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct h2_header extra = {span_from_str(rows[i].extra_name),
						span_from_str(rows[i].extra_value)};
		struct call *call = &calls[i];

		start(call, rows[i].method, rows[i].path, rows[i].type,
		      rows[i].extra_name ? &extra : NULL, !rows[i].body);
		if (rows[i].body && rows[i].body[0])
			send(call, span_from_str(rows[i].body), true);
		wait_for(call);
		UNIT_ROW(rows[i].path, call->status == rows[i].status);
		/* An early answer is no broken stream for a client that is still sending. */
		UNIT_ROW(rows[i].path, call->is_clean || rows[i].status == 413);
		UNIT_ROW(rows[i].path,
			 !rows[i].part[0] || front_world_has(buf_span(&call->body), rows[i].part));
	}
	assert_string_equal(calls[11].allow, "POST, GET, HEAD, OPTIONS");
}

static void head_is_answered_without_a_body(void **state)
{
	(void)state;
	start(&calls[0], "HEAD", "/test/a", NULL, NULL, true);
	wait_for(&calls[0]);
	assert_int_equal(calls[0].status, 200);
	assert_int_equal(buf_len(&calls[0].body), 0);
	assert_true(calls[0].is_clean);
}

static void body_without_length_is_limited(void **state)
{
	struct buf chunk;

	(void)state;
	buf_init(&chunk, (size_t)1 << 20);
	memset(buf_reserve(&chunk, (size_t)1 << 20), 'x', (size_t)1 << 20);
	buf_commit(&chunk, (size_t)1 << 20);
	start(&calls[0], "POST", "/test/a", "application/json", NULL, false);
	send(&calls[0], SPAN_LIT("{\"text\":\""), false);
	for (unsigned i = 0; i < 5; i++)
		send(&calls[0], buf_span(&chunk), false);
	wait_for(&calls[0]);
	assert_int_equal(calls[0].status, 413);
	assert_int_equal(world.router.accepted, 0);
	/* The connection and its windows are as good as before. */
	start_grpc(&calls[1]);
	wait_for(&calls[1]);
	check_grpc(&calls[1]);
	buf_fini(&chunk);
}

static void grpc_refusals(void **state)
{
	static const struct {
		const char *name;
		const char *path;
		const char *extra_name;
		const char *extra_value;
		struct span body;
		int code;
		const char *message;
	} rows[] = {
		{"unknown method", "/headgate.test.Entity/Nope", NULL, NULL, SPAN_LIT(""),
		 ST_UNIMPLEMENTED, "unknown method /headgate.test.Entity/Nope"},
		{"bad timeout", PROCESS, "grpc-timeout", "1s", SPAN_LIT(""), ST_INVALID_ARGUMENT,
		 "malformed grpc-timeout"},
		{"deflate", PROCESS, "grpc-encoding", "deflate", SPAN_LIT(""), ST_UNIMPLEMENTED,
		 "encoding deflate is not known here"},
		{"no gzip", PROCESS, "grpc-encoding", "gzip", SPAN_LIT("\1\0\0\0\1x"), ST_INTERNAL,
		 "the packed message is not whole gzip"},
		{"too large packed", PROCESS, "grpc-encoding", "gzip", SPAN_LIT("\1\0\x40\0\1x"),
		 ST_RESOURCE_EXHAUSTED,
		 "message of 4194305 bytes is larger than the limit of 4194304"},
		{"bad metadata", PROCESS, "x-bin", "!", SPAN_LIT(""), ST_INVALID_ARGUMENT,
		 "metadata x-bin is not valid base64"},
		{"compressed flag", PROCESS, NULL, NULL, SPAN_LIT("\1\0\0\0\1x"), ST_INTERNAL,
		 "a message is marked compressed but the call names no encoding"},
		{"unknown flag", PROCESS, NULL, NULL, SPAN_LIT("\x40\0\0\0\1x"), ST_INTERNAL,
		 "unknown flags 0x40 in a message frame"},
		{"too large", PROCESS, NULL, NULL, SPAN_LIT("\0\0\x40\0\1x"), ST_RESOURCE_EXHAUSTED,
		 "message of 4194305 bytes is larger than the limit of 4194304"},
		{"truncated", PROCESS, NULL, NULL, SPAN_LIT("\0\0\0\0\5x"), ST_INTERNAL,
		 "the request ended within a message"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct h2_header extra = {span_from_str(rows[i].extra_name),
						span_from_str(rows[i].extra_value)};
		struct call *call = &calls[i];

		start(call, "POST", rows[i].path, "application/grpc",
		      rows[i].extra_name ? &extra : NULL, false);
		if (rows[i].body.len)
			send(call, rows[i].body, true);
		wait_for(call);
		UNIT_ROW(rows[i].name, call->status == 200);
		UNIT_ROW(rows[i].name, call->grpc_status == rows[i].code);
		UNIT_ROW_SPAN(rows[i].name, span_from_str(call->message), rows[i].message);
		UNIT_ROW(rows[i].name, buf_len(&call->body) == 0);
	}
}

static void no_api_is_unavailable(void **state)
{
	(void)state;
	front_set_api(world.front, NULL);
	start_grpc(&calls[0]);
	start(&calls[1], "GET", "/test/a", NULL, NULL, true);
	wait_for(&calls[0]);
	wait_for(&calls[1]);
	assert_int_equal(calls[0].grpc_status, ST_UNAVAILABLE);
	assert_string_equal(calls[0].message, "user function is not connected");
	assert_int_equal(calls[1].status, 503);
}

static bool two_are_held(void *data)
{
	(void)data;
	return world.router.held_count == 2;
}

static bool two_are_cancelled(void *data)
{
	(void)data;
	return world.router.cancelled == 2;
}

static void resets_cancel(void **state)
{
	struct metrics_label by = {"by", SPAN_LIT("client")};

	(void)state;
	world.router.mode = FAKE_ROUTER_HOLD;
	start_grpc(&calls[0]);
	start(&calls[1], "GET", "/test/a", NULL, NULL, true);
	front_world_wait(&world, two_are_held, NULL);
	h2_stream_reset(calls[0].stream, H2_CANCEL);
	h2_stream_reset(calls[1].stream, H2_CANCEL);
	front_world_wait(&world, two_are_cancelled, NULL);
	assert_int_equal(world.router.cancelled_why, ST_CANCELLED);
	assert_int_equal(metrics_value(metrics_series(world.metrics, METRIC_H2_RESETS, &by, 1)), 2);
}

static void lost_connection_cancels(void **state)
{
	(void)state;
	world.router.mode = FAKE_ROUTER_HOLD;
	start_grpc(&calls[0]);
	start(&calls[1], "GET", "/test/a", NULL, NULL, true);
	front_world_wait(&world, two_are_held, NULL);
	h2_session_free(session);
	session = NULL;
	front_world_wait(&world, two_are_cancelled, NULL);
}

static void limits_and_default_deadline(void **state)
{
	static const uint8_t large[70000] = {0, 0, 1, 0x11, 0x6b}; /* 70,011 bytes announced */

	(void)state;
	world.router.mode = FAKE_ROUTER_HOLD;
	start_grpc(&calls[0]);
	front_world_pass(&world, 20);
	start_grpc(&calls[1]);
	start(&calls[2], "GET", "/test/a", NULL, NULL, true);
	wait_for(&calls[1]);
	wait_for(&calls[2]);
	assert_int_equal(calls[1].grpc_status, ST_RESOURCE_EXHAUSTED);
	assert_int_equal(calls[2].status, 429);
	wait_for(&calls[0]); /* named no deadline and has one */
	assert_int_equal(calls[0].grpc_status, ST_DEADLINE_EXCEEDED);
	assert_int_equal(world.router.cancelled_why, ST_DEADLINE_EXCEEDED);
	start(&calls[3], "POST", PROCESS, "application/grpc", NULL, false);
	send(&calls[3], span_make(large, sizeof(large)), false);
	wait_for(&calls[3]);
	assert_int_equal(calls[3].grpc_status, ST_RESOURCE_EXHAUSTED);
}

static void silent_body_gets_408(void **state)
{
	(void)state;
	start(&calls[0], "POST", "/test/a", "application/json", NULL, false);
	send(&calls[0], SPAN_LIT("{\"text\":"), false);
	wait_for(&calls[0]);
	assert_int_equal(calls[0].status, 408);
	assert_true(front_world_has(buf_span(&calls[0].body), "{\"code\":4,"));
	assert_int_equal(world.router.accepted, 0);
}

static void late_body_gets_504(void **state)
{
	(void)state;
	start(&calls[0], "POST", "/test/a", "application/json", NULL, false);
	send(&calls[0], SPAN_LIT("{\"text\":"), false);
	wait_for(&calls[0]);
	assert_int_equal(calls[0].status, 504);
	assert_true(front_world_has(buf_span(&calls[0].body), "{\"code\":4,"));
	assert_int_equal(world.router.accepted, 0);
}

static void oversized_heads_are_told(void **state)
{
	static char large[40000];
	const struct h2_header extra = {SPAN_LIT("x-large"), {(uint8_t *)large, sizeof(large)}};

	(void)state;
	memset(large, 'x', sizeof(large));
	start(&calls[0], "GET", "/test/a", NULL, &extra, true);
	wait_for(&calls[0]);
	assert_int_equal(calls[0].status, 431);
	assert_string_equal(calls[0].content_type, "application/json");
	assert_true(front_world_has(buf_span(&calls[0].body), "{\"code\":8,"));
}

/* Field 7 of a Response, bytes. */
static void make_reply(struct buf *reply, size_t padding)
{
	uint8_t head[5] = {0x3a};

	for (size_t i = 0, left = padding; i < 4; i++, left >>= 7)
		head[i + 1] = (uint8_t)((left & 127) | (i < 3 ? 128 : 0));
	buf_init(reply, padding + sizeof(head));
	assert_true(buf_append(reply, span_make(head, sizeof(head))));
	memset(buf_reserve(reply, padding), 0, padding);
	buf_commit(reply, padding);
	world.router.mode = FAKE_ROUTER_REPLY;
	world.router.reply = buf_span(reply);
}

/* As large as a message of the function may be: base64 makes it a third larger. */
static void large_replies_are_sent(void **state)
{
	struct buf reply;

	(void)state;
	make_reply(&reply, (size_t)12 << 20);
	start(&calls[0], "GET", "/test/a", NULL, NULL, true);
	wait_for(&calls[0]);
	assert_int_equal(calls[0].status, 200);
	assert_true(calls[0].is_clean);
	assert_true(buf_len(&calls[0].body) > (size_t)16 << 20);
	buf_fini(&reply);
}

static bool has_head(void *data)
{
	return ((struct call *)data)->status != 0;
}

static void start_untaken(struct call *call, size_t reply_bytes)
{
	static const struct h2_stream_ops deaf_ops = {
		.on_headers = on_headers,
		.on_closed = on_stream_closed,
	};
	struct buf reply;

	make_reply(&reply, reply_bytes);
	start(call, "GET", "/test/a", NULL, NULL, true);
	h2_stream_set_ops(call->stream, &deaf_ops, call);
	front_world_wait(&world, has_head, call);
	buf_fini(&reply);
}

/* Replies wait for a client that takes none: one too many is an error, and even that is told. */
static void untaken_replies_are_bounded(void **state)
{
	(void)state;
	for (size_t i = 0; i < 5; i++)
		start_untaken(&calls[i], (size_t)12 << 20);
	assert_int_equal(calls[3].status, 200);
	assert_int_equal(calls[4].status, 429);
}

/* Whoever does not take answers does not use up the calls of others. */
static void untaken_replies_are_no_calls(void **state)
{
	(void)state;
	start_untaken(&calls[0], (size_t)1 << 20); /* max_requests is 1 */
	world.router.mode = FAKE_ROUTER_ECHO;
	start_grpc(&calls[1]);
	wait_for(&calls[1]);
	check_grpc(&calls[1]);
	assert_false(calls[0].is_over);
}

static void on_drained(void *data)
{
	*(bool *)data = true;
}

static void drain_sends_goaway_and_waits(void **state)
{
	(void)state;
	world.router.mode = FAKE_ROUTER_HOLD;
	start_grpc(&calls[0]);
	start(&calls[1], "GET", "/test/a", NULL, NULL, true);
	front_world_wait(&world, two_are_held, NULL);
	front_drain(world.front, on_drained, &world.is_drained);
	front_world_wait(&world, is_true, &is_goaway);
	assert_false(world.is_drained);
	fake_router_release(&world.router);
	wait_for(&calls[0]);
	wait_for(&calls[1]);
	assert_int_equal(calls[0].grpc_status, 0);
	assert_int_equal(calls[1].status, 200);
	front_world_wait(&world, is_true, &world.is_drained);
	front_world_wait(&world, is_true, &is_closed);
}

static void close_cuts_what_is_left(void **state)
{
	(void)state;
	world.router.mode = FAKE_ROUTER_HOLD;
	start_grpc(&calls[0]);
	start(&calls[1], "GET", "/test/a", NULL, NULL, true);
	front_world_wait(&world, two_are_held, NULL);
	start(&calls[2], "POST", "/test/a", NULL, NULL, false);
	start(&calls[3], "POST", PROCESS, "application/grpc", NULL, false);
	front_world_pass(&world, 10);
	front_close(world.front);
	world.front = NULL;
	assert_int_equal(world.router.cancelled, 3); /* the JSON body was not complete */
	front_world_wait(&world, is_true, &is_closed);
}

static bool has_settings(void *data)
{
	struct raw_client *client = data;

	return client->is_closed || buf_len(&client->in) >= 9;
}

static void preface_byte_by_byte(void **state)
{
	struct span preface = SPAN_LIT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0");
	struct raw_client client;

	(void)state;
	raw_open(&client, &world, FRONT_INGRESS);
	for (size_t i = 0; i < preface.len; i++) {
		raw_send(&client, span_make(preface.data + i, 1));
		front_world_pass(&world, 1);
	}
	front_world_wait(&world, has_settings, &client);
	assert_false(client.is_closed);
	assert_int_equal(buf_span(&client.in).data[3], 4); /* SETTINGS */
	raw_close(&client);
}

#define FRONT_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FRONT_TEST(json_and_grpc_on_one_connection),
		FRONT_TEST(plain_requests),
		FRONT_TEST(head_is_answered_without_a_body),
		FRONT_TEST(body_without_length_is_limited),
		FRONT_TEST(oversized_heads_are_told),
		FRONT_TEST(large_replies_are_sent),
		FRONT_TEST(untaken_replies_are_bounded),
		cmocka_unit_test_setup_teardown(untaken_replies_are_no_calls, set_up_few,
						tear_down),
		cmocka_unit_test_setup_teardown(silent_body_gets_408, set_up_short, tear_down),
		cmocka_unit_test_setup_teardown(late_body_gets_504, set_up_few, tear_down),
		FRONT_TEST(grpc_refusals),
		FRONT_TEST(no_api_is_unavailable),
		FRONT_TEST(resets_cancel),
		FRONT_TEST(lost_connection_cancels),
		cmocka_unit_test_setup_teardown(limits_and_default_deadline, set_up_few, tear_down),
		FRONT_TEST(drain_sends_goaway_and_waits),
		FRONT_TEST(close_cuts_what_is_left),
		FRONT_TEST(preface_byte_by_byte),
	};

	return cmocka_run_group_tests_name("front/http2", tests, NULL, NULL);
}
