/* Replies that are streams, on both versions of HTTP. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/router/exchange.h"
#include "tests/fakes/stream_function.h"
#include "tests/unit/unit.h"

#define JSON "content-type: application/json\n"
#define LINES "accept: application/x-ndjson\n"
#define EVENTS "accept: text/event-stream\n"

#define ITEM(n) STREAM_ITEM(n)
#define FAILED STREAM_FAILED

static struct stream_world stream;

static int set_up(void **state)
{
	(void)state;
	stream_world_init(&stream, NULL);
	return 0;
}

static int set_up_odd(void **state)
{
	static const char *const flags[] = {
		"http.stream_default=ndjson",	  "http.stream_error_element=true",
		"http.sse_end_event=true",	  "http.sse_heartbeat=20ms",
		"http.stream_idle_timeout=100ms", "http.stream_timeout=300ms",
		"http.max_body_size=1KiB",	  NULL};

	(void)state;
	stream_world_init(&stream, flags);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	stream_world_fini(&stream);
	return 0;
}

struct reply_row {
	const char *name;
	struct stream_function function;
	const char *path;
	const char *headers;
	int status;
	const char *type;
	const char *body;
	bool is_broken;
};

static void check_replies(const struct reply_row *rows, size_t count)
{
	for (size_t i = 0; i < 2 * count; i++) {
		const struct reply_row *row = &rows[i / 2];
		char type[100];

		stream_be(&stream, row->function);
		stream_ask(&stream, i % 2, "GET", row->path, row->headers, NULL);
		UNIT_ROW(row->name, stream.client.status == row->status);
		(void)snprintf(type, sizeof(type), "content-type: %s\n", row->type);
		UNIT_ROW(row->name, stream_head_has(&stream, type));
		UNIT_ROW_SPAN(row->name, buf_span(&stream.client.body), row->body);
		/* Metadata of a failure are headers of the answer that tells it. */
		UNIT_ROW(row->name, stream_head_has(&stream, "x-why: this\n") ==
					    (row->function.end && row->status != 200));
		UNIT_ROW(row->name, stream.client.is_whole == !row->is_broken);
		UNIT_ROW(row->name, !stream.function.exchange);
		front_client_close(&stream.client);
	}
}

static void server_streams(void **state)
{
	static const struct reply_row rows[] = {
		{"array",
		 {.emit = 2},
		 "/items/a",
		 NULL,
		 200,
		 "application/json",
		 "[" ITEM(1) "," ITEM(2) "]"},
		{"lines",
		 {.emit = 2},
		 "/items/a",
		 LINES,
		 200,
		 "application/x-ndjson",
		 ITEM(1) "\n" ITEM(2) "\n"},
		{"lines by another name",
		 {.emit = 1},
		 "/items/a",
		 "accept: application/jsonl\n",
		 200,
		 "application/jsonl",
		 ITEM(1) "\n"},
		{"events",
		 {.emit = 2},
		 "/items/a",
		 EVENTS,
		 200,
		 "text/event-stream",
		 "data: " ITEM(1) "\n\ndata: " ITEM(2) "\n\n"},
		{"best quality",
		 {.emit = 1},
		 "/items/a",
		 "accept: application/json;q=0.5, text/event-stream;q=0.6\n",
		 200,
		 "text/event-stream",
		 "data: " ITEM(1) "\n\n"},
		{"two headers",
		 {.emit = 1},
		 "/items/a",
		 "accept: application/json;q=0.5\naccept: application/x-ndjson\n",
		 200,
		 "application/x-ndjson",
		 ITEM(1) "\n"},
		{"response_body",
		 {.emit = 2},
		 "/items/a/numbers",
		 NULL,
		 200,
		 "application/json",
		 "[\"1\",\"2\"]"},
		{"empty array",
		 {.is_silent = true},
		 "/items/a",
		 NULL,
		 200,
		 "application/json",
		 "[]"},
		{"raw",
		 {.emit = 2, .is_raw = true},
		 "/downloads/a",
		 NULL,
		 200,
		 "text/csv",
		 "a,b\na,b\n"},
		/* a failure before the first message is an answer of its own */
		{"array, failure",
		 {.end = ST_NOT_FOUND},
		 "/items/a",
		 NULL,
		 404,
		 "application/json",
		 "{\"code\":5,\"message\":\"it \\\"failed\\\"\\n\",\"details\":[]}"},
		{"lines, failure",
		 {.end = ST_FAILED_PRECONDITION},
		 "/items/a",
		 LINES,
		 400,
		 "application/json",
		 FAILED},
		{"events, failure",
		 {.end = ST_FAILED_PRECONDITION},
		 "/items/a",
		 EVENTS,
		 400,
		 "application/json",
		 FAILED},
		{"raw, failure",
		 {.end = ST_FAILED_PRECONDITION},
		 "/downloads/a",
		 NULL,
		 400,
		 "application/json",
		 FAILED},
		/* and after it stands in the body, if there is a place */
		{"array, late failure",
		 {.emit = 1, .end = ST_FAILED_PRECONDITION},
		 "/items/a",
		 NULL,
		 200,
		 "application/json",
		 "[" ITEM(1),
		 true},
		{"lines, late failure",
		 {.emit = 1, .end = ST_FAILED_PRECONDITION},
		 "/items/a",
		 LINES,
		 200,
		 "application/x-ndjson",
		 ITEM(1) "\n{\"error\":" FAILED "}\n"},
		{"events, late failure",
		 {.emit = 1, .end = ST_FAILED_PRECONDITION},
		 "/items/a",
		 EVENTS,
		 200,
		 "text/event-stream",
		 "data: " ITEM(1) "\n\nevent: error\ndata: " FAILED "\n\n"},
		{"raw, late failure",
		 {.emit = 1, .is_raw = true, .end = ST_FAILED_PRECONDITION},
		 "/downloads/a",
		 NULL,
		 200,
		 "text/csv",
		 "a,b\n",
		 true},
		{"array, bad message",
		 {.emit = 2, .is_bad = true},
		 "/items/a",
		 NULL,
		 200,
		 "application/json",
		 "[" ITEM(1),
		 true},
	};

	(void)state;
	check_replies(rows, COUNT_OF(rows));
}

static void server_streams_by_option(void **state)
{
	static const struct reply_row rows[] = {
		{"lines are the default",
		 {.emit = 1},
		 "/items/a",
		 NULL,
		 200,
		 "application/x-ndjson",
		 ITEM(1) "\n"},
		{"an array when asked for",
		 {.emit = 1},
		 "/items/a",
		 "accept: application/json\n",
		 200,
		 "application/json",
		 "[" ITEM(1) "]"},
		{"no lines",
		 {.is_silent = true},
		 "/items/a",
		 NULL,
		 200,
		 "application/x-ndjson",
		 ""},
		{"last element",
		 {.emit = 1, .end = ST_FAILED_PRECONDITION},
		 "/items/a",
		 "accept: application/json\n",
		 200,
		 "application/json",
		 "[" ITEM(1) ",{\"@error\":" FAILED "}]"},
		{"last event",
		 {.emit = 1},
		 "/items/a",
		 EVENTS,
		 200,
		 "text/event-stream",
		 "data: " ITEM(1) "\n\nevent: end\ndata: {}\n\n"},
	};

	(void)state;
	check_replies(rows, COUNT_OF(rows));
}

static void a_stream_nobody_wants_is_406(void **state)
{
	static const char *const rows[] = {
		"accept: text/html\n",
		"accept: */*;q=0\n",
		"accept: application/json;q=0, text/event-stream;q=0, application/*;q=0\n",
	};

	(void)state;
	for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
		stream_ask(&stream, i % 2, "GET", "/items/a", rows[i / 2], NULL);
		UNIT_ROW(rows[i / 2], stream.client.status == 406);
		UNIT_ROW(rows[i / 2], stream_head_has(&stream, "content-type: application/json\n"));
		UNIT_ROW(rows[i / 2],
			 front_world_has(buf_span(&stream.client.body), "{\"code\":3,"));
		UNIT_ROW(rows[i / 2], stream.function.calls == 0);
		front_client_close(&stream.client);
	}
}

static void events_are_not_kept_by_proxies(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		stream_be(&stream, (struct stream_function){.emit = 1});
		stream_ask(&stream, i, "GET", "/items/a", EVENTS "last-event-id: 41\n", NULL);
		assert_true(stream_head_has(&stream, "cache-control: no-store\n"));
		assert_true(stream_head_has(&stream, "x-accel-buffering: no\n"));
		assert_true(stream_head_has(&stream, "vary: accept\n"));
		assert_non_null(strstr(stream.world.router.metadata, "last-event-id=41;"));
		front_client_close(&stream.client);
	}
}

static void each_message_is_there_at_once(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		stream_be(&stream, (struct stream_function){.emit = 1, .is_held = true});
		front_client_open(&stream.client, &stream.world, i);
		front_client_request(&stream.client, "GET", "/items/a", LINES, false);
		front_client_wait_body(&stream.client, strlen(ITEM(1) "\n"));
		assert_int_equal(stream.client.status, 200);
		stream_send(&stream);
		front_client_wait_body(&stream.client, strlen(ITEM(1) "\n" ITEM(2) "\n"));
		assert_string_equal(stream.world.router.protocol, "json");
		assert_false(stream.client.is_over);
		stream_finish(&stream);
		front_client_wait(&stream.client);
		assert_true(stream.client.is_whole);
		UNIT_ROW_SPAN("body", buf_span(&stream.client.body), ITEM(1) "\n" ITEM(2) "\n");
		front_client_close(&stream.client);
	}
}

static void who_goes_away_cancels(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		/* Before the first message, and between two. */
		stream_be(&stream, (struct stream_function){.emit = i / 2, .is_held = true});
		front_client_open(&stream.client, &stream.world, i % 2);
		front_client_request(&stream.client, "GET", "/items/a", LINES, false);
		if (i / 2)
			front_client_wait_head(&stream.client);
		else
			stream_wait(&stream, &stream.function.has_half_close);
		front_client_vanish(&stream.client);
		stream_wait(&stream, &stream.function.is_cancelled);
		assert_int_equal(stream.function.why, ST_CANCELLED);
		front_client_close(&stream.client);
	}
}

static void head_is_the_head_alone(void **state)
{
	(void)state;
	stream_be(&stream, (struct stream_function){.emit = 3, .is_held = true});
	front_client_open(&stream.client, &stream.world, true);
	front_client_request(&stream.client, "HEAD", "/items/a", EVENTS, false);
	front_client_wait(&stream.client);
	assert_int_equal(stream.client.status, 200);
	assert_true(stream_head_has(&stream, "content-type: text/event-stream\n"));
	assert_int_equal(buf_len(&stream.client.body), 0);
	stream_wait(&stream, &stream.function.is_cancelled);
	front_client_close(&stream.client);
	stream_be(&stream, (struct stream_function){.emit = 3, .is_held = true});
	front_client_open(&stream.client, &stream.world, false);
	front_client_request(&stream.client, "HEAD", "/items/a", EVENTS, false);
	front_client_wait_head(&stream.client);
	assert_int_equal(stream.client.status, 200);
	stream_wait(&stream, &stream.function.is_cancelled);
	assert_int_equal(buf_len(&stream.client.raw.in), 0);
	front_client_close(&stream.client);
}

/* -- deadlines and heartbeats ------------------------------------------------------------------ */

static void heartbeats_keep_an_idle_stream(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		stream_be(&stream, (struct stream_function){.emit = 1, .is_held = true});
		front_client_open(&stream.client, &stream.world, i);
		front_client_request(&stream.client, "GET", "/items/a", EVENTS, false);
		front_client_wait_body(&stream.client, strlen("data: " ITEM(1) "\n\n:\n\n:\n\n"));
		UNIT_ROW_SPAN("body", buf_span(&stream.client.body),
			      "data: " ITEM(1) "\n\n:\n\n:\n\n");
		stream_finish(&stream);
		front_client_wait(&stream.client);
		front_client_close(&stream.client);
	}
	/* Only events have them; the deadline of this world ends the wait. */
	stream_be(&stream, (struct stream_function){.emit = 1, .is_held = true});
	stream_ask(&stream, true, "GET", "/items/a", NULL, NULL);
	UNIT_ROW_SPAN("lines", buf_span(&stream.client.body),
		      ITEM(1) "\n{\"error\":{\"code\":4,\"message\":\"the call's deadline passed\","
			      "\"details\":[]}}\n");
	assert_true(stream.function.is_cancelled);
	assert_int_equal(stream.function.why, ST_DEADLINE_EXCEEDED);
	front_client_close(&stream.client);
}

static void a_heartbeat_can_come_first(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		stream_be(&stream, (struct stream_function){.is_held = true});
		front_client_open(&stream.client, &stream.world, i);
		front_client_request(&stream.client, "GET", "/items/a", EVENTS, false);
		front_client_wait_body(&stream.client, strlen(":\n\n"));
		assert_int_equal(stream.client.status, 200);
		stream.function.end = ST_FAILED_PRECONDITION;
		stream_finish(&stream);
		front_client_wait(&stream.client);
		assert_true(front_world_has(buf_span(&stream.client.body),
					    "event: error\ndata: " FAILED "\n\n"));
		front_client_close(&stream.client);
	}
}

static void clients_bound_their_streams(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		stream_be(&stream, (struct stream_function){.is_held = true});
		stream_ask(&stream, i, "GET", "/items/a", "grpc-timeout: 30m\n", NULL);
		assert_int_equal(stream.client.status, 504);
		assert_int_equal(stream.function.why, ST_DEADLINE_EXCEEDED);
		front_client_close(&stream.client);
		stream_be(&stream, (struct stream_function){.emit = 1, .is_held = true});
		stream_ask(&stream, i, "GET", "/items/a", EVENTS "x-server-timeout: 0.03\n", NULL);
		assert_true(front_world_has(buf_span(&stream.client.body),
					    "event: error\ndata: {\"code\":4,"));
		front_client_close(&stream.client);
	}
}

static void streams_have_no_deadline_of_their_own(void **state)
{
	(void)state;
	stream_be(&stream, (struct stream_function){.emit = 1});
	stream_ask(&stream, true, "GET", "/items/a", NULL, NULL);
	assert_int_equal(stream.function.deadline_ns, DEADLINE_NEVER);
	front_client_close(&stream.client);
}

/* -- many messages, slow peers ----------------------------------------------------------------- */

#define MANY 10000U

/* Metadata that come when the head is out. */
static void late_metadata_are_trailers(void **state)
{
	static const struct {
		const char *name;
		const char *headers;
		unsigned emit;
		enum status end;
		const char *trailers;
	} rows[] = {
		{"asked for", LINES "te: trailers\n", 1, ST_ABORTED, "x-why: this\n"},
		{"not asked for", LINES, 1, ST_ABORTED, ""},
		{"none", LINES "te: trailers\n", 1, ST_OK, ""},
		{"as headers", LINES "te: trailers\n", 0, ST_ABORTED, ""},
	};

	(void)state;
	for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
		struct stream_function function = {.emit = rows[i / 2].emit,
						   .is_silent = rows[i / 2].emit == 0,
						   .end = rows[i / 2].end};

		stream_be(&stream, function);
		stream_ask(&stream, i % 2, "GET", "/items/a", rows[i / 2].headers, NULL);
		UNIT_ROW_SPAN(rows[i / 2].name, buf_span(&stream.client.trailers),
			      rows[i / 2].trailers);
		UNIT_ROW(rows[i / 2].name, stream.client.is_whole);
		front_client_close(&stream.client);
	}
}

static void many_messages_come_whole_and_in_order(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		unsigned number = 0;

		stream_be(&stream, (struct stream_function){.emit = MANY, .padding = 100});
		stream_ask(&stream, i, "GET", "/items/a", LINES, NULL);
		assert_true(stream.client.is_whole);
		for (struct span rest = buf_span(&stream.client.body); rest.len;) {
			char start[64];

			(void)snprintf(start, sizeof(start), "{\"name\":\"n\",\"number\":\"%u\",",
				       ++number);
			assert_true(span_starts_with(rest, span_from_str(start)));
			rest = span_skip(rest, span_find(rest, '\n') + 1);
		}
		assert_int_equal(number, MANY);
		assert_true(stream.function.unsent_max < STREAM_UNSENT_HIGH + 2000);
		front_client_close(&stream.client);
	}
}

static bool is_stuck(void *data)
{
	return stream.function.sent > 0 && stream.function.exchange &&
	       stream.function.exchange->front->unsent(stream.function.exchange) >
		       STREAM_UNSENT_HIGH &&
	       *(unsigned *)data == stream.function.sent;
}

/* HTTP/2: the client takes nothing; what it may be sent is its window, and what waits is little. */
static void a_slow_reader_holds_the_function_back(void **state)
{
	unsigned before = 0;

	(void)state;
	stream_be(&stream, (struct stream_function){.emit = MANY, .padding = 1000});
	front_client_open(&stream.client, &stream.world, true);
	stream.client.is_deaf = true;
	front_client_request(&stream.client, "GET", "/items/a", LINES, false);
	front_client_wait_head(&stream.client);
	while (!is_stuck(&before)) {
		before = stream.function.sent;
		front_world_pass(&stream.world, 20);
	}
	assert_true(stream.function.sent < 1000);
	assert_true(stream.function.unsent_max < STREAM_UNSENT_HIGH + 10000);
	front_client_listen(&stream.client);
	front_client_wait(&stream.client);
	assert_true(stream.client.is_whole);
	assert_int_equal(stream.function.sent, MANY);
	front_client_close(&stream.client);
}

static void the_end_cuts_what_runs(void **state)
{
	struct front_client others[4];

	(void)state;
	stream_be(&stream, (struct stream_function){.emit = 1, .is_held = true});
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		front_client_open(&others[i], &stream.world, i % 2);
		front_client_request(&others[i], i < 2 ? "GET" : "POST",
				     i < 2 ? "/items/a" : "/chat/b", JSON EVENTS, i >= 2);
		if (i < 2)
			front_client_wait_head(&others[i]);
		else
			front_client_send(&others[i], SPAN_LIT("{}"));
	}
	front_world_pass(&stream.world, 20);
	front_close(stream.world.front);
	stream.world.front = NULL;
	assert_true(stream.function.is_cancelled);
	for (size_t i = 0; i < COUNT_OF(others); i++)
		front_client_close(&others[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_ODD(name) cmocka_unit_test_setup_teardown(name, set_up_odd, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(server_streams),
		TEST_ODD(server_streams_by_option),
		TEST(a_stream_nobody_wants_is_406),
		TEST(events_are_not_kept_by_proxies),
		TEST(each_message_is_there_at_once),
		TEST(who_goes_away_cancels),
		TEST(head_is_the_head_alone),
		TEST_ODD(heartbeats_keep_an_idle_stream),
		TEST_ODD(a_heartbeat_can_come_first),
		TEST(clients_bound_their_streams),
		TEST(streams_have_no_deadline_of_their_own),
		TEST(late_metadata_are_trailers),
		TEST(many_messages_come_whole_and_in_order),
		TEST(a_slow_reader_holds_the_function_back),
		TEST(the_end_cuts_what_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
