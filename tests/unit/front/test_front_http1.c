/* The front over real sockets, HTTP/1.1: bytes in, bytes out. */
#include <stdio.h>
#include <string.h>

#include "src/grpc/grpc_call.h"
#include "tests/fakes/front_world.h"
#include "tests/unit/unit.h"

#define HOST "Host: h\r\n"
#define JSON "Content-Type: application/json\r\n"

static struct front_world world;
static struct buf answer;

static int set_up(void **state)
{
	(void)state;
	front_world_init(&world, NULL);
	buf_init(&answer, (size_t)32 << 20);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	front_world_fini(&world);
	buf_fini(&answer);
	return 0;
}

/* Refused with 400 and a closed connection, as a google.rpc.Status. */
static void guard_list(void **state)
{
	static const struct {
		const char *name;
		struct span request;
	} rows[] = {
		{"two lengths that differ",
		 SPAN_LIT("POST /test/a HTTP/1.1\r\n" HOST JSON
			  "Content-Length: 2\r\nContent-Length: 30\r\n\r\n{}")},
		{"two equal lengths", SPAN_LIT("POST /test/a HTTP/1.1\r\n" HOST JSON
					       "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}")},
		{"length and chunked",
		 SPAN_LIT("POST /test/a HTTP/1.1\r\n" HOST JSON
			  "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")},
		{"chunked and length",
		 SPAN_LIT("POST /test/a HTTP/1.1\r\n" HOST JSON
			  "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n")},
		{"gzip, chunked", SPAN_LIT("POST /test/a HTTP/1.1\r\n" HOST JSON
					   "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")},
		{"gzip",
		 SPAN_LIT("POST /test/a HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: gzip\r\n\r\n")},
		{"two encodings",
		 SPAN_LIT("POST /test/a HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: chunked\r\n"
			  "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")},
		{"no host", SPAN_LIT("GET /test/a HTTP/1.1\r\n\r\n")},
		{"space before the colon",
		 SPAN_LIT("POST /test/a HTTP/1.1\r\n" HOST JSON
			  "Transfer-Encoding : chunked\r\nContent-Length: 2\r\n\r\n{}")},
		{"space before the colon of any header",
		 SPAN_LIT("GET /test/a HTTP/1.1\r\n" HOST "X-Y : z\r\n\r\n")},
		{"space before the colon of Host",
		 SPAN_LIT("GET /test/a HTTP/1.1\r\nHost : h\r\n\r\n")},
		{"tab before the colon",
		 SPAN_LIT("GET /test/a HTTP/1.1\r\n" HOST "X-Y\t: z\r\n\r\n")},
		{"two hosts", SPAN_LIT("GET /test/a HTTP/1.1\r\n" HOST HOST "\r\n")},
		{"chunked in HTTP/1.0",
		 SPAN_LIT("POST /test/a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")},
		{"escaped NUL", SPAN_LIT("GET /test/a%00b HTTP/1.1\r\n" HOST "\r\n")},
		{"raw UTF-8 in the path", SPAN_LIT("GET /test/\xC3\xA4 HTTP/1.1\r\n" HOST "\r\n")},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		bool is_closed = false;

		UNIT_ROW(rows[i].name,
			 raw_ask(&world, rows[i].request, &answer, &is_closed) == 400);
		UNIT_ROW(rows[i].name, is_closed);
		UNIT_ROW(rows[i].name, front_world_has(buf_span(&answer), "onnection: close"));
		UNIT_ROW(rows[i].name, front_world_has(buf_span(&answer), "{\"code\":3,"));
	}
	assert_int_equal(world.router.accepted, 0);
}

/* Refused by the library itself before any callback: the connection closes, whatever the body. */
static void library_refusals(void **state)
{
	static const struct {
		const char *name;
		struct span request;
		int status;
	} rows[] = {
		{"negative length",
		 SPAN_LIT("POST /test/a HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n"), 400},
		{"HTTP/3.0", SPAN_LIT("GET / HTTP/3.0\r\n" HOST "\r\n"), 505},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		bool is_closed = false;

		UNIT_ROW(rows[i].name,
			 raw_ask(&world, rows[i].request, &answer, &is_closed) == rows[i].status);
		UNIT_ROW(rows[i].name, is_closed);
	}
	assert_int_equal(world.router.accepted, 0);
}

static void answers(void **state)
{
	static const struct {
		const char *name;
		struct span request;
		int status;
		const char *part; /* of head or body */
	} rows[] = {
		{"POST with a body",
		 SPAN_LIT("POST /test/a HTTP/1.1\r\n" HOST JSON
			  "Content-Length: 22\r\n\r\n{\"text\":\"hi\",\"emit\":7}"),
		 200, "{\"id\":\"a\",\"text\":\"hi\",\"count\":\"7\""},
		{"GET", SPAN_LIT("GET /test/b?text=q HTTP/1.1\r\n" HOST "\r\n"), 200,
		 "{\"id\":\"b\",\"text\":\"q\""},
		{"absolute form", SPAN_LIT("GET http://h/test/b HTTP/1.1\r\n" HOST "\r\n"), 200,
		 "\"id\":\"b\""},
		{"HTTP/1.0", SPAN_LIT("GET /test/b HTTP/1.0\r\n\r\n"), 200, "\"id\":\"b\""},
		{"generated path",
		 SPAN_LIT("POST /headgate.test.Entity/Process HTTP/1.1\r\n" HOST JSON
			  "Content-Length: 10\r\n\r\n{\"id\":\"x\"}"),
		 200, "\"id\":\"x\""},
		{"chunked",
		 SPAN_LIT("POST /test/c HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: chunked\r\n\r\n"
			  "8\r\n{\"text\":\r\n6\r\n\"abc\"}\r\n0\r\n\r\n"),
		 200, "\"text\":\"abc\""},
		{"trailers after chunks",
		 SPAN_LIT("POST /test/c HTTP/1.1\r\n" HOST JSON "Transfer-Encoding: chunked\r\n\r\n"
			  "2\r\n{}\r\n0\r\nX-T: 1\r\n\r\n"),
		 200, "\"id\":\"c\""},
		{"escaped slash", SPAN_LIT("GET /test/a%2Fb HTTP/1.1\r\n" HOST "\r\n"), 200,
		 "\"id\":\"a/b\""},
		{"dot segments are data", SPAN_LIT("GET /test/%2E%2E HTTP/1.1\r\n" HOST "\r\n"),
		 200, "\"id\":\"..\""},
		{"unknown path", SPAN_LIT("GET /nowhere HTTP/1.1\r\n" HOST "\r\n"), 404,
		 "{\"code\":5,"},
		{"double slash", SPAN_LIT("GET //test/a HTTP/1.1\r\n" HOST "\r\n"), 404,
		 "{\"code\":5,"},
		{"wrong method", SPAN_LIT("DELETE /test/a HTTP/1.1\r\n" HOST "\r\n"), 405,
		 "llow: POST, GET, HEAD, OPTIONS\r\n"},
		{"OPTIONS", SPAN_LIT("OPTIONS /test/a HTTP/1.1\r\n" HOST "\r\n"), 204,
		 "llow: POST, GET, HEAD, OPTIONS\r\n"},
		{"OPTIONS *", SPAN_LIT("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), 200, ""},
		{"TRACE", SPAN_LIT("TRACE /test/a HTTP/1.1\r\n" HOST "\r\n"), 501, "{\"code\":12,"},
		{"bad escape", SPAN_LIT("GET /test/%zz HTTP/1.1\r\n" HOST "\r\n"), 400,
		 "{\"code\":3,"},
		{"unknown query", SPAN_LIT("GET /test/a?nope=1 HTTP/1.1\r\n" HOST "\r\n"), 400,
		 "google.rpc.BadRequest"},
		{"bad JSON",
		 SPAN_LIT("POST /test/a HTTP/1.1\r\n" HOST JSON "Content-Length: 8\r\n\r\n"
			  "{\"text\"}"),
		 400, "{\"code\":3,"},
		{"truncated JSON",
		 SPAN_LIT("POST /test/a HTTP/1.1\r\n" HOST JSON "Content-Length: 8\r\n\r\n"
			  "{\"text\":"),
		 400, "{\"code\":3,"},
		{"form",
		 SPAN_LIT("POST /test/a HTTP/1.1\r\n" HOST
			  "Content-Type: application/x-www-form-urlencoded\r\n"
			  "Content-Length: 3\r\n\r\na=b"),
		 415, "{\"code\":3,"},
		{"gRPC over HTTP/1.1",
		 SPAN_LIT("POST /headgate.test.Entity/Process HTTP/1.1\r\n" HOST
			  "Content-Type: application/grpc\r\nContent-Length: 5\r\n\r\n\0\0\0\0\0"),
		 415, "HTTP/2"},
		{"body announced too large",
		 SPAN_LIT("POST /test/a HTTP/1.1\r\n" HOST JSON
			  "Content-Length: 4194305\r\n\r\n{\"text\""),
		 413, "{\"code\":"},
		{"bad timeout",
		 SPAN_LIT("GET /test/a HTTP/1.1\r\n" HOST "Grpc-Timeout: soon\r\n\r\n"), 400,
		 "Grpc-Timeout"},
		{"upgrade to h2c is ignored",
		 SPAN_LIT("GET /test/a HTTP/1.1\r\n" HOST
			  "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
			  "HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"),
		 200, "\"id\":\"a\""},
		{"ready", SPAN_LIT("GET /ready HTTP/1.1\r\n" HOST "\r\n"), 200, "{\"ready\":true}"},
		{"alive", SPAN_LIT("GET /alive HTTP/1.1\r\n" HOST "\r\n"), 200, "{\"alive\":true}"},
		{"healthz", SPAN_LIT("GET /healthz?x HTTP/1.1\r\n" HOST "\r\n"), 200,
		 "{\"ready\":true}"},
		{"POST to ready",
		 SPAN_LIT("POST /ready HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n"), 405,
		 "llow: GET, HEAD"},
		{"probe on any path",
		 SPAN_LIT("GET /test/a HTTP/1.1\r\n" HOST "K-Network-Probe: queue\r\n\r\n"), 200,
		 "\r\n\r\nqueue"},
		{"admin pages are not public", SPAN_LIT("GET /status HTTP/1.1\r\n" HOST "\r\n"),
		 404, "{\"code\":5,"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		UNIT_ROW(rows[i].name,
			 raw_ask(&world, rows[i].request, &answer, NULL) == rows[i].status);
		if (!front_world_has(buf_span(&answer), rows[i].part))
			fail_msg("row \"%s\": %.*s", rows[i].name, SPAN_FMT(buf_span(&answer)));
	}
}

static void not_ready_is_told(void **state)
{
	static const struct {
		struct span request;
		const char *part;
	} rows[] = {
		{SPAN_LIT("GET /ready HTTP/1.1\r\n" HOST "\r\n"),
		 "{\"ready\":false,\"reasons\":[\"journal \\\"x\\\" is away\"]}"},
		{SPAN_LIT("GET / HTTP/1.1\r\n" HOST "K-Network-Probe: queue\r\n\r\n"), "is away"},
	};

	(void)state;
	world.not_ready = "journal \"x\" is away";
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(raw_ask(&world, rows[i].request, &answer, NULL), 503);
		assert_true(front_world_has(buf_span(&answer), rows[i].part));
	}
	assert_int_equal(
		raw_ask(&world, SPAN_LIT("GET /alive HTTP/1.1\r\n" HOST "\r\n"), &answer, NULL),
		200);
}

static void no_api_is_unavailable(void **state)
{
	(void)state;
	front_set_api(world.front, NULL);
	assert_int_equal(
		raw_ask(&world, SPAN_LIT("GET /test/a HTTP/1.1\r\n" HOST "\r\n"), &answer, NULL),
		503);
	assert_true(front_world_has(buf_span(&answer), "user function is not connected"));
	assert_true(front_world_has(buf_span(&answer), "etry-"));
}

static void head_has_no_body(void **state)
{
	struct raw_client client;
	struct span head;
	struct span body;
	struct span request = SPAN_LIT("HEAD /test/a HTTP/1.1\r\n" HOST "\r\n"
				       "GET /test/b HTTP/1.1\r\n" HOST "\r\n");

	(void)state;
	raw_open(&client, &world, FRONT_INGRESS);
	raw_send(&client, request);
	assert_int_equal(raw_response_head(&client, &head), 200);
	assert_false(front_world_has(head, "ontent-Length: 0"));
	raw_next(&client);
	assert_int_equal(raw_response(&client, &head, &body), 200);
	assert_true(front_world_has(body, "\"id\":\"b\""));
	raw_close(&client);
}

static void connection_is_kept_and_pipelined(void **state)
{
	struct raw_client client;
	struct span head;
	struct span body;
	struct span request =
		SPAN_LIT("POST /test/a HTTP/1.1\r\n" HOST JSON "Content-Length: 2\r\n\r\n{}"
			 "GET /nowhere HTTP/1.1\r\n" HOST "\r\n"
			 "GET /test/b HTTP/1.1\r\n" HOST "\r\n");

	(void)state;
	raw_open(&client, &world, FRONT_INGRESS);
	for (unsigned round = 0; round < 50; round++) {
		raw_send(&client, request);
		assert_int_equal(raw_response(&client, &head, &body), 200);
		assert_true(front_world_has(body, "\"id\":\"a\""));
		raw_next(&client);
		assert_int_equal(raw_response(&client, &head, &body), 404);
		raw_next(&client);
		assert_int_equal(raw_response(&client, &head, &body), 200);
		assert_true(front_world_has(body, "\"id\":\"b\""));
		raw_next(&client);
	}
	assert_int_equal(world.router.accepted, 100);
	raw_close(&client);
}

static void byte_by_byte(void **state)
{
	struct raw_client client;
	struct span request =
		SPAN_LIT("PUT /nowhere HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}");
	struct span head;
	struct span body;

	(void)state;
	raw_open(&client, &world, FRONT_INGRESS);
	for (size_t i = 0; i < request.len; i++) {
		raw_send(&client, span_make(request.data + i, 1));
		front_world_pass(&world, 1);
	}
	assert_int_equal(raw_response(&client, &head, &body), 404);
	raw_close(&client);
}

static void expect_continue(void **state)
{
	struct raw_client client;
	struct span head;
	struct span body;

	(void)state;
	raw_open(&client, &world, FRONT_INGRESS);
	raw_send(&client, SPAN_LIT("POST /test/a HTTP/1.1\r\n" HOST JSON
				   "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n"));
	assert_int_equal(raw_response_head(&client, &head), 100);
	raw_next(&client);
	raw_send(&client, SPAN_LIT("{}"));
	assert_int_equal(raw_response(&client, &head, &body), 200);
	raw_next(&client);
	/* What is refused anyway is not asked for. */
	raw_send(&client, SPAN_LIT("POST /test/a HTTP/1.1\r\n" HOST JSON
				   "Content-Length: 5000000\r\nExpect: 100-continue\r\n\r\n"));
	assert_int_equal(raw_response(&client, &head, &body), 413);
	raw_wait_closed(&client);
	raw_close(&client);
}

/* An answer before the body was read must not make a request of the body. */
static void unread_body_is_no_request(void **state)
{
	static const char *const methods[] = {"POST", "PUT", "PATCH", "DELETE", "GET", "X-OWN"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(methods); i++) {
		struct raw_client client;
		struct span head;
		struct span body;
		char request[256];

		snprintf(request, sizeof(request),
			 "%s /nowhere HTTP/1.1\r\n" HOST "Content-Length: 36\r\n\r\n"
			 "GET /test/smuggled HTTP/1.1\r\n" HOST "\r\n",
			 methods[i]);
		raw_open(&client, &world, FRONT_INGRESS);
		raw_send(&client, span_from_str(request));
		UNIT_ROW(methods[i], raw_response(&client, &head, &body) == 404);
		raw_next(&client);
		raw_wait_closed(&client);
		UNIT_ROW(methods[i], buf_len(&client.in) == 0);
		raw_close(&client);
	}
	assert_int_equal(world.router.accepted, 0);
}

/* {"text":"xxx…"} of exactly that many bytes, its head before it. */
static void big_request(struct buf *out, size_t size, bool is_chunked)
{
	size_t fill = size - 11;

	assert_true(buf_append_str(out, "POST /test/a HTTP/1.1\r\n" HOST JSON));
	if (is_chunked)
		assert_true(buf_printf(out, "Transfer-Encoding: chunked\r\n\r\n%zx\r\n", size));
	else
		assert_true(buf_printf(out, "Content-Length: %zu\r\n\r\n", size));
	assert_true(buf_append_str(out, "{\"text\":\""));
	memset(buf_reserve(out, fill), 'x', fill);
	buf_commit(out, fill);
	assert_true(buf_append_str(out, is_chunked ? "\"}\r\n0\r\n\r\n" : "\"}"));
}

static void body_limit(void **state)
{
	static const struct {
		const char *name;
		size_t size;
		bool is_chunked;
		int status;
	} rows[] = {
		{"64 KiB", 65536, false, 200},
		{"64 KiB chunked", 65536, true, 200},
		{"over the limit", (size_t)4 * 1024 * 1024 + 1, false, 413},
		{"over the limit chunked", (size_t)4 * 1024 * 1024 + 1, true, 413},
		{"far over the limit chunked", (size_t)10 * 1024 * 1024, true, 413},
	};
	struct buf request;

	(void)state;
	buf_init(&request, (size_t)32 << 20);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_reset(&request);
		big_request(&request, rows[i].size, rows[i].is_chunked);
		UNIT_ROW(rows[i].name,
			 raw_ask(&world, buf_span(&request), &answer, NULL) == rows[i].status);
	}
	buf_fini(&request);
}

/* The limits of body and message are the same number, and a message is shorter than its JSON. */
static void body_exactly_at_the_limit(void **state)
{
	struct buf request;

	(void)state;
	buf_init(&request, (size_t)32 << 20);
	big_request(&request, (size_t)4 * 1024 * 1024, false);
	world.router.mode = FAKE_ROUTER_REPLY;
	assert_int_equal(raw_ask(&world, buf_span(&request), &answer, NULL), 200);
	assert_int_equal(buf_len(&world.router.message), (size_t)4 * 1024 * 1024 - 11 + 5 + 3);
	buf_fini(&request);
}

static void head_limit(void **state)
{
	static const struct {
		const char *name;
		size_t target;
		size_t header;
		int status;
	} rows[] = {
		{"8 KiB of header", 0, 8192, 200},   {"11 KiB of header", 0, 11264, 200},
		{"12 KiB of header", 0, 12288, 431}, {"64 KiB of header", 0, 65536, 431},
		{"8 KiB of target", 8192, 0, 200},   {"64 KiB of target", 65536, 0, 414},
	};
	struct buf request;

	(void)state;
	buf_init(&request, (size_t)1 << 20);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		buf_reset(&request);
		assert_true(buf_append_str(&request, "GET /test/a?text="));
		memset(buf_reserve(&request, rows[i].target + 1), 't', rows[i].target + 1);
		buf_commit(&request, rows[i].target + 1);
		assert_true(buf_append_str(&request, " HTTP/1.1\r\n" HOST "X-Big: "));
		memset(buf_reserve(&request, rows[i].header + 1), 'h', rows[i].header + 1);
		buf_commit(&request, rows[i].header + 1);
		assert_true(buf_append_str(&request, "\r\n\r\n"));
		UNIT_ROW(rows[i].name,
			 raw_ask(&world, buf_span(&request), &answer, NULL) == rows[i].status);
	}
	buf_fini(&request);
}

static bool has_held(void *data)
{
	(void)data;
	return world.router.held_count > 0;
}

static bool has_cancelled(void *data)
{
	(void)data;
	return world.router.cancelled > 0;
}

static void hang_up_cancels(void **state)
{
	struct raw_client client;

	(void)state;
	world.router.mode = FAKE_ROUTER_HOLD;
	raw_open(&client, &world, FRONT_INGRESS);
	raw_send(&client, SPAN_LIT("GET /test/a HTTP/1.1\r\n" HOST "\r\n"));
	front_world_wait(&world, has_held, NULL);
	raw_close(&client);
	front_world_wait(&world, has_cancelled, NULL);
	assert_int_equal(world.router.cancelled_why, ST_CANCELLED);
	assert_int_equal(world.router.held_count, 0);
}

static void hang_up_within_the_body_reaches_nobody(void **state)
{
	struct raw_client client;

	(void)state;
	raw_open(&client, &world, FRONT_INGRESS);
	raw_send(&client, SPAN_LIT("POST /test/a HTTP/1.1\r\n" HOST JSON
				   "Content-Length: 200\r\n\r\n{\"text\":"));
	front_world_pass(&world, 20);
	raw_close(&client);
	front_world_pass(&world, 20);
	assert_int_equal(world.router.accepted, 0);
	assert_int_equal(world.router.cancelled, 0);
}

static void late_answer(void **state)
{
	struct raw_client client;
	struct span head;
	struct span body;

	(void)state;
	world.router.mode = FAKE_ROUTER_HOLD;
	raw_open(&client, &world, FRONT_INGRESS);
	for (unsigned round = 0; round < 3; round++) {
		raw_send(&client, SPAN_LIT("POST /test/a HTTP/1.1\r\n" HOST JSON
					   "Content-Length: 12\r\n\r\n{\"text\":\"l\"}"));
		front_world_wait(&world, has_held, NULL);
		front_world_pass(&world, 5);
		fake_router_release(&world.router);
		assert_int_equal(raw_response(&client, &head, &body), 200);
		assert_true(front_world_has(body, "\"text\":\"l\""));
		raw_next(&client);
	}
	raw_close(&client);
}

static void failures_are_statuses(void **state)
{
	/* Its details: a google.rpc.Status with a RetryInfo of 7 s. */
	static const struct grpc_status late = {
		.code = ST_UNAVAILABLE,
		.message = SPAN_LIT("later \"please\""),
		.details = SPAN_LIT("\x08\x0e\x1a\x30\x0a\x28type.googleapis.com/"
				    "google.rpc.RetryInfo\x12\x04\x0a\x02\x08\x07")};
	static const struct {
		struct grpc_status status;
		int http;
		const char *part;
	} rows[] = {
		{{.code = ST_FAILED_PRECONDITION, .message = SPAN_LIT("no")},
		 400,
		 "{\"code\":9,\"message\":\"no\""},
		{{.code = ST_NOT_FOUND}, 404, "{\"code\":5,"},
		{{.code = ST_UNKNOWN, .message = SPAN_LIT("x")}, 500, "{\"code\":2,"},
		{{.code = ST_RESOURCE_EXHAUSTED}, 429, "etry-"},
		{{.code = ST_DEADLINE_EXCEEDED}, 504, "{\"code\":4,"},
		{{.code = ST_CANCELLED}, 499, "{\"code\":1,"},
	};

	(void)state;
	world.router.mode = FAKE_ROUTER_FAIL;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		world.router.failure = &rows[i].status;
		UNIT_ROW(rows[i].part,
			 raw_ask(&world, SPAN_LIT("GET /test/a HTTP/1.1\r\n" HOST "\r\n"), &answer,
				 NULL) == rows[i].http);
		UNIT_ROW(rows[i].part, front_world_has(buf_span(&answer), rows[i].part));
	}
	world.router.failure = &late;
	assert_int_equal(
		raw_ask(&world, SPAN_LIT("GET /test/a HTTP/1.1\r\n" HOST "\r\n"), &answer, NULL),
		503);
	assert_true(front_world_has(buf_span(&answer), "etry-after: 7\r\n"));
	assert_true(front_world_has(buf_span(&answer), "\"retryDelay\":\"7s\""));
}

static void odd_replies_are_internal(void **state)
{
	(void)state;
	world.router.mode = FAKE_ROUTER_NO_REPLY;
	assert_int_equal(
		raw_ask(&world, SPAN_LIT("GET /test/a HTTP/1.1\r\n" HOST "\r\n"), &answer, NULL),
		500);
	world.router.mode = FAKE_ROUTER_REPLY;
	world.router.reply = SPAN_LIT("\x0a\xff");
	assert_int_equal(
		raw_ask(&world, SPAN_LIT("GET /test/a HTTP/1.1\r\n" HOST "\r\n"), &answer, NULL),
		500);
	assert_true(front_world_has(buf_span(&answer), "{\"code\":13,"));
}

static void metadata_both_ways(void **state)
{
	struct metadata headers = {0};
	struct arena arena;

	(void)state;
	arena_init(&arena, 10000);
	assert_int_equal(metadata_add(&headers, &arena, SPAN_LIT("x-out"), SPAN_LIT("o")), 0);
	assert_int_equal(metadata_add(&headers, &arena, SPAN_LIT("y-bin"), SPAN_LIT("hi")), 0);
	assert_int_equal(metadata_add(&headers, &arena, SPAN_LIT("content-length"), SPAN_LIT("9")),
			 0);
	world.router.headers = &headers;
	assert_int_equal(raw_ask(&world,
				 SPAN_LIT("GET /test/a HTTP/1.1\r\n" HOST "X-In: i\r\n"
					  "Headgate-Command: forged\r\nGrpc-Timeout: 5S\r\n\r\n"),
				 &answer, NULL),
			 200);
	assert_non_null(strstr(world.router.metadata, "x-in=i;"));
	assert_non_null(strstr(world.router.metadata, "x-forwarded-for=127.0.0.1;"));
	assert_null(strstr(world.router.metadata, "headgate"));
	assert_true(world.router.deadline_ns < clock_mono_ns() + 5 * NS_PER_S);
	assert_true(front_world_has(buf_span(&answer), "x-out: o\r\n"));
	assert_true(front_world_has(buf_span(&answer), "y-bin: aGk\r\n"));
	assert_false(front_world_has(buf_span(&answer), "ength: 9\r\n"));
	assert_string_equal(world.router.protocol, "json");
	assert_string_equal(world.router.method, "headgate.test.Entity.Process");
	arena_fini(&arena);
}

static void client_deadline_is_504(void **state)
{
	(void)state;
	world.router.mode = FAKE_ROUTER_HOLD;
	assert_int_equal(
		raw_ask(&world,
			SPAN_LIT("GET /test/a HTTP/1.1\r\n" HOST "X-Server-Timeout: 0.02\r\n\r\n"),
			&answer, NULL),
		504);
	assert_int_equal(world.router.cancelled, 1);
	assert_int_equal(world.router.cancelled_why, ST_DEADLINE_EXCEEDED);
}

#define FRONT_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FRONT_TEST(guard_list),
		FRONT_TEST(library_refusals),
		FRONT_TEST(answers),
		FRONT_TEST(not_ready_is_told),
		FRONT_TEST(no_api_is_unavailable),
		FRONT_TEST(head_has_no_body),
		FRONT_TEST(connection_is_kept_and_pipelined),
		FRONT_TEST(byte_by_byte),
		FRONT_TEST(expect_continue),
		FRONT_TEST(unread_body_is_no_request),
		FRONT_TEST(body_limit),
		FRONT_TEST(body_exactly_at_the_limit),
		FRONT_TEST(head_limit),
		FRONT_TEST(hang_up_cancels),
		FRONT_TEST(hang_up_within_the_body_reaches_nobody),
		FRONT_TEST(late_answer),
		FRONT_TEST(failures_are_statuses),
		FRONT_TEST(odd_replies_are_internal),
		FRONT_TEST(metadata_both_ways),
		FRONT_TEST(client_deadline_is_504),
	};

	return cmocka_run_group_tests_name("front/http1", tests, NULL, NULL);
}
