/* Requests that are streams, and streams both ways, on both versions of HTTP. */
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

/* -- client streams ---------------------------------------------------------------------------- */

static void client_streams(void **state)
{
	static const struct {
		const char *name;
		const char *type;
		const char *body;
		unsigned got;
		const char *names;
		int status;
		const char *part;
	} rows[] = {
		{"array", JSON, "[{\"text\":\"x\"},{\"name\":\"b\"}]", 2, "p,b,", 200, ITEM(1)},
		{"lines", "content-type: application/x-ndjson\n",
		 "{\"text\":\"x\"}\n{\"name\":\"b\"}\n{\"name\":\"c\"}\n", 3, "p,b,c,", 200,
		 ITEM(1)},
		{"concatenated", JSON, " {}{\"name\":\"b\"}", 2, "p,b,", 200, ITEM(1)},
		{"empty array", JSON, "[]", 0, "", 200, ITEM(1)},
		{"nothing", "", "", 0, "", 200, ITEM(1)},
		{"bad first", JSON, "{\"number\":\"x\"}", 0, "", 400, "\"field\":\"number\""},
		{"bad type", "content-type: text/csv\n", "a,b", 0, "", 415, "{\"code\":3,"},
		{"bad second", JSON, "[{},{\"number\":\"x\"}]", 1, "p,", 400,
		 "message 2 of the stream: "},
		{"not closed", JSON, "[{}", 1, "p,", 400, "the array of messages is not closed"},
	};

	(void)state;
	for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
		const char *name = rows[i / 2].name;

		stream_be(&stream, (struct stream_function){0});
		stream_ask(&stream, i % 2, "POST", "/collected/p", rows[i / 2].type,
			   rows[i / 2].body);
		UNIT_ROW(name, stream.client.status == rows[i / 2].status);
		UNIT_ROW(name, stream.client.is_whole);
		UNIT_ROW(name, stream.function.got == rows[i / 2].got);
		UNIT_ROW_SPAN(name, buf_span(&stream.function.names), rows[i / 2].names);
		UNIT_ROW(name, front_world_has(buf_span(&stream.client.body), rows[i / 2].part));
		/* The router hears of bad messages only when it had good ones. */
		UNIT_ROW(name, stream.function.is_cancelled ==
				       (stream.client.status == 400 && rows[i / 2].got > 0));
		front_client_close(&stream.client);
	}
}

/* A message is the function's as soon as its last brace is there. */
static void messages_are_handed_on_at_once(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		unsigned count = 1;

		stream_be(&stream, (struct stream_function){0});
		front_client_open(&stream.client, &stream.world, i);
		front_client_request(&stream.client, "POST", "/collected/p", JSON, true);
		front_client_send(&stream.client, SPAN_LIT("[{\"number\":1"));
		front_world_pass(&stream.world, 20);
		assert_int_equal(stream.function.calls, 0);
		front_client_send(&stream.client, SPAN_LIT("}"));
		stream_wait_got(&stream, count);
		front_client_send(&stream.client, SPAN_LIT(",{},{}"));
		count = 3;
		stream_wait_got(&stream, count);
		assert_false(stream.function.has_half_close);
		front_client_send(&stream.client, SPAN_LIT("]"));
		front_client_end(&stream.client);
		front_client_wait(&stream.client);
		assert_int_equal(stream.client.status, 200);
		front_client_close(&stream.client);
	}
}

static void a_client_that_goes_away_cancels_its_stream(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		unsigned count = 1;

		stream_be(&stream, (struct stream_function){0});
		front_client_open(&stream.client, &stream.world, i);
		front_client_request(&stream.client, "POST", "/collected/p", JSON, true);
		front_client_send(&stream.client, SPAN_LIT("{}"));
		stream_wait_got(&stream, count);
		front_client_vanish(&stream.client);
		stream_wait(&stream, &stream.function.is_cancelled);
		assert_int_equal(stream.function.why, ST_CANCELLED);
		front_client_close(&stream.client);
	}
}

static void a_silent_client_is_not_waited_for(void **state)
{
	unsigned count = 1;

	(void)state;
	stream_be(&stream, (struct stream_function){0});
	front_client_open(&stream.client, &stream.world, true);
	front_client_request(&stream.client, "POST", "/collected/p", JSON, true);
	front_client_send(&stream.client, SPAN_LIT("{}"));
	stream_wait_got(&stream, count);
	front_client_wait_head(&stream.client);
	assert_int_equal(stream.client.status, 408);
	assert_true(stream.function.is_cancelled);
	assert_int_equal(stream.function.why, ST_DEADLINE_EXCEEDED);
	front_client_close(&stream.client);
}

/* Nobody has to finish a stream to hear that it failed. */
static void a_failure_is_heard_in_the_middle(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		unsigned count = 1;

		stream_be(&stream, (struct stream_function){.end = ST_FAILED_PRECONDITION});
		front_client_open(&stream.client, &stream.world, i % 2);
		front_client_request(&stream.client, "POST", "/collected/p", JSON, true);
		front_client_send(&stream.client, SPAN_LIT("[{}"));
		stream_wait_got(&stream, count);
		if (i / 2)
			front_client_send(&stream.client, SPAN_LIT(",{\"number\":[]}"));
		else
			stream_finish(&stream);
		front_client_wait_body(&stream.client, 10);
		assert_int_equal(stream.client.status, 400);
		assert_true(front_world_has(buf_span(&stream.client.body),
					    i / 2 ? "message 2 of the stream" : FAILED));
		/* What it still sends is read and forgotten. */
		for (int k = 0; k < 50; k++)
			front_client_send(&stream.client, SPAN_LIT(",{},{},{},{},{}"));
		front_client_end(&stream.client);
		front_client_wait(&stream.client);
		front_client_close(&stream.client);
	}
}

static void a_stream_is_bounded_by_message(void **state)
{
	struct buf body;

	(void)state;
	buf_init(&body, (size_t)1 << 20);
	for (int k = 0; k < 200; k++)
		assert_true(buf_append_str(&body, "{\"text\":\"0123456789\"}\n"));
	assert_true(buf_append_byte(&body, '\0'));
	for (int i = 0; i < 2; i++) {
		stream_be(&stream, (struct stream_function){0});
		stream_ask(&stream, i, "POST", "/collected/p", JSON,
			   (const char *)buf_span(&body).data);
		assert_int_equal(stream.client.status, 200);
		assert_int_equal(stream.function.got, 200);
		front_client_close(&stream.client);
	}
	buf_reset(&body);
	assert_true(buf_append_str(&body, "{}{\"text\":\""));
	for (int k = 0; k < 200; k++)
		assert_true(buf_append_str(&body, "0123456789"));
	assert_true(buf_append(&body, SPAN_LIT("\"}\0")));
	for (int i = 0; i < 2; i++) {
		stream_be(&stream, (struct stream_function){0});
		stream_ask(&stream, i, "POST", "/collected/p", JSON,
			   (const char *)buf_span(&body).data);
		assert_int_equal(stream.client.status, 413);
		assert_true(stream.function.is_cancelled);
		front_client_close(&stream.client);
	}
	buf_fini(&body);
}

static void continue_comes_after_the_head_was_judged(void **state)
{
	(void)state;
	front_client_open(&stream.client, &stream.world, false);
	front_client_request(&stream.client, "POST", "/collected/p", JSON "expect: 100-continue\n",
			     true);
	front_world_pass(&stream.world, 30);
	front_client_send(&stream.client, SPAN_LIT("{}"));
	front_client_end(&stream.client);
	front_client_wait(&stream.client);
	assert_true(stream_head_has(&stream, ":continue: \n"));
	assert_int_equal(stream.client.status, 200);
	front_client_close(&stream.client);
	front_client_open(&stream.client, &stream.world, false);
	front_client_request(&stream.client, "POST", "/items/p",
			     JSON "accept: text/html\nexpect: 100-continue\n", true);
	front_client_wait(&stream.client);
	assert_false(stream_head_has(&stream, ":continue: \n"));
	assert_int_equal(stream.client.status, 406);
	front_client_close(&stream.client);
}

/* -- both ways --------------------------------------------------------------------------------- */

static void both_ways_at_once_over_http2(void **state)
{
	(void)state;
	stream_be(&stream, (struct stream_function){.is_echo = true, .is_greeting = true});
	front_client_open(&stream.client, &stream.world, true);
	front_client_request(&stream.client, "POST", "/chat/p", JSON LINES, true);
	front_client_wait_body(&stream.client, strlen(ITEM(1) "\n"));
	for (int i = 0; i < 5; i++) {
		front_client_send(&stream.client, SPAN_LIT("{}\n"));
		front_client_wait_body(&stream.client, strlen(ITEM(1) "\n") * (size_t)(i + 2));
		assert_false(stream.client.is_over);
	}
	front_client_end(&stream.client);
	front_client_wait(&stream.client);
	assert_true(stream.client.is_whole);
	UNIT_ROW_SPAN(
		"body", buf_span(&stream.client.body),
		ITEM(1) "\n" ITEM(2) "\n" ITEM(3) "\n" ITEM(4) "\n" ITEM(5) "\n" ITEM(6) "\n");
	front_client_close(&stream.client);
}

/* A bad message after replies were sent is told among them. */
static void a_bad_message_over_http2_is_told_in_the_reply(void **state)
{
	(void)state;
	stream_be(&stream, (struct stream_function){.is_echo = true});
	front_client_open(&stream.client, &stream.world, true);
	front_client_request(&stream.client, "POST", "/chat/p", JSON LINES, true);
	front_client_send(&stream.client, SPAN_LIT("{}\n"));
	front_client_wait_body(&stream.client, strlen(ITEM(1) "\n"));
	front_client_send(&stream.client, SPAN_LIT("{\"number\":{}}\n"));
	front_client_wait(&stream.client);
	assert_true(stream.function.is_cancelled);
	assert_true(front_world_has(buf_span(&stream.client.body), "\n{\"error\":{\"code\":3,"));
	front_client_close(&stream.client);
}

static void one_way_after_the_other_over_http1(void **state)
{
	unsigned count = 2;

	(void)state;
	stream_be(&stream, (struct stream_function){.is_echo = true});
	front_client_open(&stream.client, &stream.world, false);
	front_client_request(&stream.client, "POST", "/chat/p", JSON LINES, true);
	front_client_send(&stream.client, SPAN_LIT("{}{}"));
	stream_wait_got(&stream, count);
	front_world_pass(&stream.world, 20);
	assert_int_equal(buf_len(&stream.client.raw.in), 0);
	front_client_end(&stream.client);
	front_client_wait(&stream.client);
	assert_true(stream.client.is_whole);
	UNIT_ROW_SPAN("body", buf_span(&stream.client.body), ITEM(1) "\n" ITEM(2) "\n");
	front_client_close(&stream.client);
	/* While nothing is out, a failure has a status of its own. */
	stream_be(&stream, (struct stream_function){.is_echo = true});
	stream_ask(&stream, false, "POST", "/chat/p", JSON LINES, "{}{\"number\":{}}");
	assert_int_equal(stream.client.status, 400);
	front_client_close(&stream.client);
}

static void too_much_before_the_request_ends_over_http1(void **state)
{
	(void)state;
	stream_be(&stream,
		  (struct stream_function){.emit = 200, .padding = 10000, .is_held = true});
	front_client_open(&stream.client, &stream.world, false);
	front_client_request(&stream.client, "POST", "/chat/p", JSON LINES, true);
	front_client_send(&stream.client, SPAN_LIT("{}"));
	stream_wait(&stream, &stream.function.is_cancelled);
	front_client_end(&stream.client);
	front_client_wait(&stream.client);
	assert_int_equal(stream.client.status, 429);
	assert_true(front_world_has(buf_span(&stream.client.body), "use HTTP/2"));
	front_client_close(&stream.client);
}

#define MANY 10000U

static void many_messages_go_whole_and_in_order(void **state)
{
	struct buf body;
	struct buf names;

	(void)state;
	buf_init(&body, (size_t)4 << 20);
	buf_init(&names, (size_t)1 << 20);
	assert_true(buf_append_str(&names, "p,"));
	for (unsigned k = 0; k < MANY; k++) {
		assert_true(k ? buf_printf(&body, ",{\"name\":\"%u\"}", k)
			      : buf_append_str(&body, "[{}"));
		assert_true(k == 0 || buf_printf(&names, "%u,", k));
	}
	assert_true(buf_append(&body, SPAN_LIT("]\0")) && buf_append_byte(&names, '\0'));
	for (int i = 0; i < 2; i++) {
		stream_be(&stream, (struct stream_function){0});
		stream_ask(&stream, i, "POST", "/collected/p", JSON,
			   (const char *)buf_span(&body).data);
		assert_int_equal(stream.client.status, 200);
		assert_int_equal(stream.function.got, MANY);
		UNIT_ROW_SPAN("names", buf_span(&stream.function.names),
			      (const char *)buf_span(&names).data);
		front_client_close(&stream.client);
	}
	buf_fini(&body);
	buf_fini(&names);
}

/* The other way: a function that asks for nothing leaves the body where it is. */
static void a_slow_function_holds_the_client_back(void **state)
{
	static const uint8_t spaces[64 * 1024] = {0};
	struct buf message;
	unsigned count = 1;

	(void)state;
	buf_init(&message, (size_t)1 << 20);
	assert_true(buf_append_str(&message, "{\"text\":\""));
	for (size_t i = 0; i < sizeof(spaces); i++)
		assert_true(buf_append_byte(&message, 'x'));
	assert_true(buf_append_str(&message, "\"}\n"));
	stream_be(&stream, (struct stream_function){.reads_on_call = true});
	front_client_open(&stream.client, &stream.world, true);
	front_client_request(&stream.client, "POST", "/collected/p", JSON, true);
	for (int i = 0; i < 100; i++)
		front_client_send(&stream.client, buf_span(&message));
	front_client_end(&stream.client);
	stream_wait_got(&stream, count);
	front_world_pass(&stream.world, 50);
	assert_int_equal(stream.function.got, 1);
	while (!stream.function.has_half_close) {
		exchange_read(stream.function.exchange);
		count++;
		if (count <= 100)
			stream_wait_got(&stream, count);
		else
			stream_wait(&stream, &stream.function.has_half_close);
	}
	assert_int_equal(stream.function.got, 100);
	front_client_wait(&stream.client);
	assert_int_equal(stream.client.status, 200);
	front_client_close(&stream.client);
	buf_fini(&message);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_ODD(name) cmocka_unit_test_setup_teardown(name, set_up_odd, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(client_streams),
		TEST(messages_are_handed_on_at_once),
		TEST(a_client_that_goes_away_cancels_its_stream),
		TEST_ODD(a_silent_client_is_not_waited_for),
		TEST(a_failure_is_heard_in_the_middle),
		TEST_ODD(a_stream_is_bounded_by_message),
		TEST(continue_comes_after_the_head_was_judged),
		TEST(both_ways_at_once_over_http2),
		TEST(a_bad_message_over_http2_is_told_in_the_reply),
		TEST(one_way_after_the_other_over_http1),
		TEST(too_much_before_the_request_ends_over_http1),
		TEST(many_messages_go_whole_and_in_order),
		TEST(a_slow_function_holds_the_client_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
