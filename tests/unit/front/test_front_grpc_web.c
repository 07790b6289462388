/* gRPC-Web calls, on both versions of HTTP and in both forms. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "httpapi/front/grpc_web.h"
#include "src/base/error.h"
#include "src/base/text.h"
#include "src/grpc/grpc_call.h"
#include "src/router/exchange.h"
#include "tests/fakes/stream_function.h"
#include "tests/unit/unit.h"

#define BINARY "content-type: application/grpc-web+proto\n"
#define TEXT "content-type: application/grpc-web-text\n"
#define WEB "x-grpc-web: 1\n"
#define UNARY "/headgate.test.Entity/Process"
#define LIST "/headgate.test.Streaming/List"
#define COLLECT "/headgate.test.Streaming/Collect"
#define CHAT "/headgate.test.Streaming/Chat"

/* Each test row runs four times: HTTP/1.1 and HTTP/2, bytes and base64. */
#define WAYS 4

static struct stream_world stream;
static struct buf request;
static struct buf reply; /* the body, out of base64 */

static int set_up_with(const char *const *flags)
{
	stream_world_init(&stream, flags);
	buf_init(&request, (size_t)8 * 1024 * 1024);
	buf_init(&reply, (size_t)32 * 1024 * 1024);
	return 0;
}

static int set_up(void **state)
{
	static const char *const flags[] = {"grpc.max_message_size=64KiB", NULL};

	(void)state;
	return set_up_with(flags);
}

static int set_up_impatient(void **state)
{
	static const char *const flags[] = {"http.stream_idle_timeout=50ms",
					    "http.body_timeout=100ms", "http.request_timeout=300ms",
					    "http.stream_timeout=300ms", NULL};

	(void)state;
	return set_up_with(flags);
}

static int set_up_cors(void **state)
{
	static const char *const flags[] = {"http.cors.origins=https://a.example",
					    "http.cors.headers=x-mine", "http.cors.expose=x-one",
					    NULL};

	(void)state;
	return set_up_with(flags);
}

static int tear_down(void **state)
{
	(void)state;
	buf_fini(&request);
	buf_fini(&reply);
	stream_world_fini(&stream);
	return 0;
}

static bool is_http2(size_t way)
{
	return way % 2;
}

static enum grpc_web_form form_of(size_t way)
{
	return way / 2 ? GRPC_WEB_TEXT : GRPC_WEB_BINARY;
}

/* Item {name: name}, as a frame. */
static void add_message(size_t way, const char *name)
{
	uint8_t head[2] = {0x0a, (uint8_t)strlen(name)};
	struct buf message;

	buf_init(&message, 1000);
	assert_true(buf_append(&message, span_make(head, 2)));
	assert_true(buf_append_str(&message, name));
	assert_true(grpc_web_write_message(form_of(way), buf_span(&message), &request));
	buf_fini(&message);
}

static void open_call(size_t way, const char *path, const char *headers)
{
	char all[400];

	(void)snprintf(all, sizeof(all), "%s" WEB "%s", way / 2 ? TEXT : BINARY,
		       headers ? headers : "");
	front_client_open(&stream.client, &stream.world, is_http2(way));
	front_client_request(&stream.client, "POST", path, all, true);
}

static void send_request(void)
{
	if (buf_len(&request))
		front_client_send(&stream.client, buf_span(&request));
	buf_reset(&request);
}

/* What came so far, out of base64 part by part. */
static void read_reply(size_t way)
{
	struct span rest = buf_span(&stream.client.body);

	buf_reset(&reply);
	if (form_of(way) == GRPC_WEB_BINARY) {
		assert_true(buf_append(&reply, rest));
		return;
	}
	for (rest.len -= rest.len % 4; rest.len; rest = span_skip(rest, 4))
		assert_true(text_base64_decode(span_head(rest, 4), &reply));
}

/* The end of a call that was sent: its reply, checked for what every reply has. */
static void finish_call(const char *name, size_t way)
{
	front_client_wait(&stream.client);
	read_reply(way);
	UNIT_ROW(name, stream.client.status == 200);
	UNIT_ROW(name, stream.client.is_whole);
	UNIT_ROW(name, stream_head_has(&stream, way / 2 ? "content-type: "
							  "application/grpc-web-text+proto\n"
							: "content-type: "
							  "application/grpc-web+proto\n"));
	UNIT_ROW(name, !stream_head_has(&stream, "access-control-"));
	UNIT_ROW(name, !stream_head_has(&stream, "grpc-status"));
}

static void check_reply(const char *name, const struct grpc_status *status, unsigned messages)
{
	struct buf want;

	buf_init(&want, (size_t)8 * 1024 * 1024);
	for (unsigned i = 1; i <= messages; i++) {
		uint8_t item[5] = {0x0a, 1, 'n', 0x10, (uint8_t)i};

		assert_true(grpc_web_write_message(GRPC_WEB_BINARY, span_make(item, 5), &want));
	}
	assert_true(grpc_web_write_status(GRPC_WEB_BINARY, status, &want));
	UNIT_ROW(name, span_eq(buf_span(&reply), buf_span(&want)));
	buf_fini(&want);
}

static struct grpc_status status_of(enum status code, const char *message)
{
	return (struct grpc_status){.code = code, .message = span_from_str(message)};
}

/* How the function of the test ends a call. */
static struct grpc_status end_of(enum status code)
{
	static struct metadata_item why = {SPAN_LIT("x-why"), SPAN_LIT("this")};
	static const struct metadata trailers = {.items = &why, .count = 1};

	return (struct grpc_status){
		.code = code,
		.message = code ? SPAN_LIT("it \"failed\"\n") : SPAN_EMPTY,
		.trailers = code ? &trailers : NULL,
	};
}

static void calls_of_every_shape(void **state)
{
	static const struct {
		const char *name;
		const char *path;
		struct stream_function function;
		unsigned sent; /* messages of the request */
		unsigned messages;
	} rows[] = {
		{"unary", UNARY, {.end = ST_OK}, 1, 1},
		{"unary, failure", UNARY, {.end = ST_NOT_FOUND}, 1, 0},
		{"server stream", LIST, {.emit = 3}, 1, 3},
		{"server stream of nothing", LIST, {.is_silent = true}, 1, 0},
		{"server stream, late failure", LIST, {.emit = 2, .end = ST_ABORTED}, 1, 2},
		{"client stream", COLLECT, {.end = ST_OK}, 3, 1},
		{"client stream of nothing", COLLECT, {.end = ST_OK}, 0, 1},
		{"both ways", CHAT, {.is_echo = true}, 3, 3},
		{"both ways, a greeting", CHAT, {.is_greeting = true, .is_echo = true}, 2, 3},
		{"both ways, failure", CHAT, {.is_echo = true, .end = ST_ABORTED}, 2, 2},
	};

	(void)state;
	for (size_t i = 0; i < WAYS * COUNT_OF(rows); i++) {
		size_t row = i / WAYS;
		struct grpc_status status = end_of(rows[row].function.end);

		stream_be(&stream, rows[row].function);
		open_call(i % WAYS, rows[row].path, NULL);
		for (unsigned k = 0; k < rows[row].sent; k++)
			add_message(i % WAYS, "a");
		send_request();
		front_client_end(&stream.client);
		finish_call(rows[row].name, i % WAYS);
		check_reply(rows[row].name, &status, rows[row].messages);
		UNIT_ROW(rows[row].name, stream.function.got == rows[row].sent);
		UNIT_ROW(rows[row].name, strcmp(stream.world.router.protocol, "grpc-web") == 0);
		front_client_close(&stream.client);
	}
}

static void failures_of_ours_are_trailers(void **state)
{
	static const struct {
		const char *name;
		const char *path;
		const char *headers;
		struct span body; /* frames */
		enum status code;
		const char *message;
	} rows[] = {
		{"unknown method", "/a.B/C", NULL, SPAN_LIT("\0\0\0\0\0"), ST_UNIMPLEMENTED,
		 "unknown method /a.B/C"},
		{"encoding", UNARY, "grpc-encoding: deflate\n", SPAN_LIT("\0\0\0\0\0"),
		 ST_UNIMPLEMENTED, "encoding deflate is not known here"},
		{"gzip", UNARY, "grpc-encoding: gzip\n", SPAN_LIT("\0\0\0\0\0"), ST_UNIMPLEMENTED,
		 "packed messages are not read over gRPC-Web"},
		{"timeout", UNARY, "grpc-timeout: soon\n", SPAN_LIT("\0\0\0\0\0"),
		 ST_INVALID_ARGUMENT, "malformed grpc-timeout"},
		{"metadata", UNARY, "x-bin: !\n", SPAN_LIT("\0\0\0\0\0"), ST_INVALID_ARGUMENT,
		 "metadata x-bin is not valid base64"},
		{"compressed", UNARY, NULL, SPAN_LIT("\1\0\0\0\0"), ST_INTERNAL,
		 "a message is marked compressed but the call names no encoding"},
		{"trailers", COLLECT, NULL, SPAN_LIT("\x80\0\0\0\0"), ST_INTERNAL,
		 "unknown flags 0x80 in a message frame"},
		{"too large", UNARY, NULL, SPAN_LIT("\0\0\1\0\1"), ST_RESOURCE_EXHAUSTED,
		 "message of 65537 bytes is larger than the limit of 65536"},
		{"too large, in a stream", CHAT, NULL, SPAN_LIT("\0\0\1\0\1"),
		 ST_RESOURCE_EXHAUSTED, "message of 65537 bytes is larger than the limit of 65536"},
		{"cut", UNARY, NULL, SPAN_LIT("\0\0\0\0\3ab"), ST_INTERNAL,
		 "the request ended within a message"},
		{"cut, in a stream", COLLECT, NULL, SPAN_LIT("\0\0\0\0\3ab"), ST_INTERNAL,
		 "the request ended within a message"},
	};

	(void)state;
	for (size_t i = 0; i < WAYS * COUNT_OF(rows); i++) {
		size_t row = i / WAYS;
		struct grpc_status status = status_of(rows[row].code, rows[row].message);

		stream_be(&stream, (struct stream_function){.end = ST_OK});
		open_call(i % WAYS, rows[row].path, rows[row].headers);
		if (form_of(i % WAYS) == GRPC_WEB_TEXT)
			assert_true(text_base64_encode(rows[row].body, true, &request));
		else
			assert_true(buf_append(&request, rows[row].body));
		send_request();
		front_client_end(&stream.client);
		finish_call(rows[row].name, i % WAYS);
		check_reply(rows[row].name, &status, 0);
		UNIT_ROW(rows[row].name, stream.function.got == 0);
		front_client_close(&stream.client);
	}
}

static void bad_base64_is_told(void **state)
{
	struct grpc_status status =
		status_of(ST_INVALID_ARGUMENT, "the request body is not valid base64");

	(void)state;
	for (size_t way = 2; way < WAYS; way++) {
		open_call(way, UNARY, NULL);
		front_client_send(&stream.client, SPAN_LIT("AAAA!AAA"));
		front_client_end(&stream.client);
		finish_call("base64", way);
		check_reply("base64", &status, 0);
		front_client_close(&stream.client);
	}
}

static void other_types_and_methods_are_refused(void **state)
{
	static const struct {
		const char *method;
		const char *type;
		int status;
	} rows[] = {
		{"POST", "content-type: application/grpc-web+json\n", 415},
		{"POST", "content-type: application/grpc-web-text+thrift\n", 415},
		{"GET", BINARY, 405},
		{"PUT", TEXT, 405},
	};

	(void)state;
	for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
		stream_ask(&stream, i % 2, rows[i / 2].method, UNARY, rows[i / 2].type, NULL);
		UNIT_ROW(rows[i / 2].type, stream.client.status == rows[i / 2].status);
		UNIT_ROW(rows[i / 2].type,
			 rows[i / 2].status == 415 || stream_head_has(&stream, "allow: POST\n"));
		UNIT_ROW(rows[i / 2].type,
			 stream_head_has(&stream, "content-type: application/json\n"));
		front_client_close(&stream.client);
	}
}

static void metadata_goes_both_ways(void **state)
{
	struct metadata_item items[] = {{SPAN_LIT("x-lead"), SPAN_LIT("l")},
					{SPAN_LIT("x-lead-bin"), SPAN_LIT("\1\2")}};
	struct metadata headers = {.items = items, .count = 2};
	struct metadata_item last[] = {{SPAN_LIT("x-trail"), SPAN_LIT("t")}};
	struct metadata trailers = {.items = last, .count = 1};
	struct grpc_status status = {.code = ST_DATA_LOSS,
				     .message = SPAN_LIT("gone"),
				     .details = SPAN_LIT("\x08\x0f"),
				     .trailers = &trailers};

	(void)state;
	for (size_t way = 0; way < WAYS; way++) {
		stream_be(&stream, (struct stream_function){.is_held = true});
		open_call(way, UNARY,
			  "x-user-agent: grpc-web-javascript/0.1\nx-a-bin: YWI=,Yw\n"
			  "headgate-hop: 1\ngrpc-timeout: 5S\n");
		add_message(way, "a");
		send_request();
		front_client_end(&stream.client);
		stream_wait(&stream, &stream.function.has_half_close);
		assert_non_null(
			strstr(stream.world.router.metadata,
			       "x-user-agent=grpc-web-javascript/0.1;x-a-bin=ab;x-a-bin=c;"));
		assert_null(strstr(stream.world.router.metadata, "x-grpc-web"));
		assert_null(strstr(stream.world.router.metadata, "headgate-hop"));
		assert_true(stream.function.deadline_ns != DEADLINE_NEVER);
		stream.function.exchange->front->set_headers(stream.function.exchange, &headers);
		exchange_finish(stream.function.exchange, &status);
		stream.function.exchange = NULL;
		finish_call("metadata", way);
		check_reply("metadata", &status, 0);
		assert_true(stream_head_has(&stream, "x-lead: l\n"));
		assert_true(stream_head_has(&stream, "x-lead-bin: AQI\n"));
		front_client_close(&stream.client);
	}
}

static void accept_chooses_the_reply(void **state)
{
	struct grpc_status status = status_of(ST_OK, "");

	(void)state;
	for (int i = 0; i < 2; i++) {
		stream_be(&stream, (struct stream_function){.end = ST_OK});
		open_call((size_t)i, UNARY, "accept: application/grpc-web-text\n");
		add_message((size_t)i, "a");
		send_request();
		front_client_end(&stream.client);
		finish_call("accept", (size_t)i + 2);
		check_reply("accept", &status, 1);
		front_client_close(&stream.client);
	}
}

static void the_time_of_a_call_is_bounded(void **state)
{
	static const struct {
		const char *name;
		const char *path;
		const char *headers;
		bool has_message;
		bool is_open; /* the client says nothing more */
		const char *message;
	} rows[] = {
		{"its own", LIST, "grpc-timeout: 20m\n", true, false, "the call's deadline passed"},
		{"ours", UNARY, NULL, true, false, "the call's deadline passed"},
		{"ours for streams", LIST, NULL, true, false, "the call's deadline passed"},
		{"silence in a message", UNARY, NULL, false, true,
		 "the request was silent for too long"},
		{"silence in a stream", COLLECT, NULL, true, true,
		 "the request was silent for too long"},
	};

	(void)state;
	for (size_t i = 0; i < WAYS * COUNT_OF(rows); i++) {
		size_t row = i / WAYS;
		struct grpc_status status = status_of(ST_DEADLINE_EXCEEDED, rows[row].message);

		stream_be(&stream, (struct stream_function){.is_held = true});
		open_call(i % WAYS, rows[row].path, rows[row].headers);
		if (rows[row].has_message)
			add_message(i % WAYS, "a");
		send_request();
		if (!rows[row].is_open)
			front_client_end(&stream.client);
		finish_call(rows[row].name, i % WAYS);
		check_reply(rows[row].name, &status, 0);
		UNIT_ROW(rows[row].name, stream.function.is_cancelled == rows[row].has_message);
		front_client_close(&stream.client);
	}
}

static void who_goes_away_cancels(void **state)
{
	(void)state;
	for (size_t i = 0; i < WAYS * 2; i++) {
		stream_be(&stream, (struct stream_function){.emit = i / WAYS, .is_held = true});
		open_call(i % WAYS, LIST, NULL);
		add_message(i % WAYS, "a");
		send_request();
		front_client_end(&stream.client);
		if (i / WAYS)
			front_client_wait_body(&stream.client, 10);
		else
			stream_wait(&stream, &stream.function.has_half_close);
		front_client_vanish(&stream.client);
		stream_wait(&stream, &stream.function.is_cancelled);
		assert_int_equal(stream.function.why, ST_CANCELLED);
		front_client_close(&stream.client);
	}
}

static void each_message_is_there_at_once(void **state)
{
	struct grpc_status status = status_of(ST_OK, "");

	(void)state;
	for (size_t way = 0; way < WAYS; way++) {
		size_t frame = way / 2 ? 16 : 10; /* in base64 12 + 4 */

		stream_be(&stream, (struct stream_function){.emit = 1, .is_held = true});
		open_call(way, LIST, NULL);
		add_message(way, "a");
		send_request();
		front_client_end(&stream.client);
		front_client_wait_body(&stream.client, frame);
		stream_send(&stream);
		front_client_wait_body(&stream.client, 2 * frame);
		assert_false(stream.client.is_over);
		stream_finish(&stream);
		finish_call("at once", way);
		check_reply("at once", &status, 2);
		front_client_close(&stream.client);
	}
}

/* HTTP/2: an answer may come to the first message while the client has more to say. */
static void both_ways_at_once(void **state)
{
	struct grpc_status status = status_of(ST_OK, "");

	(void)state;
	for (size_t way = 1; way < WAYS; way += 2) {
		size_t frame = way / 2 ? 16 : 10;

		stream_be(&stream, (struct stream_function){.is_echo = true});
		open_call(way, CHAT, NULL);
		for (unsigned i = 1; i <= 3; i++) {
			add_message(way, "a");
			send_request();
			front_client_wait_body(&stream.client, i * frame);
		}
		front_client_end(&stream.client);
		finish_call("chat", way);
		check_reply("chat", &status, 3);
		front_client_close(&stream.client);
	}
}

/* A function that has heard enough ends the call; over HTTP/1.1 too. */
static void a_call_can_end_before_its_request(void **state)
{
	struct grpc_status status = end_of(ST_ABORTED);

	(void)state;
	for (size_t way = 0; way < WAYS; way++) {
		stream_be(&stream, (struct stream_function){.emit = 1, .end = ST_ABORTED});
		open_call(way, CHAT, NULL);
		add_message(way, "a");
		send_request();
		finish_call("early", way);
		check_reply("early", &status, 1);
		front_client_close(&stream.client);
	}
}

#define MANY 3000U

static void many_messages_come_whole_and_in_order(void **state)
{
	(void)state;
	for (size_t way = 0; way < WAYS; way++) {
		struct grpc_web_reader reader;
		struct span message;
		struct error err;
		unsigned count = 0;

		stream_be(&stream, (struct stream_function){.emit = MANY, .padding = 1000});
		open_call(way, LIST, NULL);
		add_message(way, "a");
		send_request();
		front_client_end(&stream.client);
		finish_call("many", way);
		grpc_web_reader_init(&reader, GRPC_WEB_BINARY, 2000);
		assert_int_equal(grpc_web_reader_feed(&reader, buf_span(&reply), &err), ST_OK);
		while (grpc_web_reader_next(&reader, &message, &err) == GRPC_FRAME_DONE) {
			count++;
			grpc_web_reader_take(&reader);
		}
		assert_int_equal(count, MANY);
		assert_true(grpc_web_reader_waiting(&reader) == 5 + strlen("grpc-status: 0\r\n"));
		assert_true(stream.function.unsent_max < STREAM_UNSENT_HIGH + 2000);
		grpc_web_reader_fini(&reader);
		front_client_close(&stream.client);
	}
}

static void a_large_reply_is_not_one_answer(void **state)
{
	(void)state;
	for (size_t way = 0; way < WAYS; way++) {
		stream_be(&stream, (struct stream_function){.padding = 64 * 1024});
		open_call(way, UNARY, NULL);
		add_message(way, "a");
		send_request();
		front_client_end(&stream.client);
		finish_call("large", way);
		assert_true(buf_len(&reply) > 64 * 1024);
		assert_false(stream_head_has(&stream, "content-length"));
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

static void a_slow_reader_holds_the_function_back(void **state)
{
	(void)state;
	for (size_t way = 1; way < WAYS; way += 2) {
		unsigned before = 0;

		stream_be(&stream, (struct stream_function){.emit = MANY, .padding = 1000});
		open_call(way, LIST, NULL);
		stream.client.is_deaf = true;
		add_message(way, "a");
		send_request();
		front_client_end(&stream.client);
		front_client_wait_head(&stream.client);
		while (!is_stuck(&before)) {
			before = stream.function.sent;
			front_world_pass(&stream.world, 20);
		}
		assert_true(stream.function.sent < 1000);
		front_client_listen(&stream.client);
		front_client_wait(&stream.client);
		assert_int_equal(stream.function.sent, MANY);
		front_client_close(&stream.client);
	}
}

/* A function that reads when it likes: what it did not ask for is not taken from the client. */
static void a_slow_function_holds_the_client_back(void **state)
{
	struct grpc_status status = status_of(ST_OK, "");

	(void)state;
	for (size_t way = 0; way < WAYS; way++) {
		stream_be(&stream, (struct stream_function){.reads_on_call = true});
		open_call(way, COLLECT, NULL);
		add_message(way, "a");
		add_message(way, "b");
		send_request();
		for (unsigned i = 1; i <= 2; i++) {
			stream_wait_got(&stream, i);
			front_world_pass(&stream.world, 5);
			assert_int_equal(stream.function.got, i);
			exchange_read(stream.function.exchange);
		}
		front_client_end(&stream.client);
		finish_call("slow", way);
		check_reply("slow", &status, 1);
		UNIT_ROW_SPAN("names", buf_span(&stream.function.names), "a,b,");
		front_client_close(&stream.client);
	}
}

static void pages_may_call(void **state)
{
	static const char preflight[] =
		"origin: https://a.example\naccess-control-request-method: POST\n"
		"access-control-request-headers: content-type, X-Grpc-Web ,x-mine\n";
	static const char *const paths[] = {UNARY, LIST, "/a.B/C"};

	(void)state;
	for (size_t i = 0; i < 2 * COUNT_OF(paths); i++) {
		stream_ask(&stream, i % 2, "OPTIONS", paths[i / 2], preflight, NULL);
		assert_int_equal(stream.client.status, 204);
		assert_true(stream_head_has(&stream, "access-control-allow-methods: POST\n"));
		assert_true(stream_head_has(&stream, "access-control-allow-headers: x-mine\n"));
		assert_true(stream_head_has(&stream, "access-control-allow-headers: content-type, "
						     "x-grpc-web, x-user-agent, grpc-timeout\n"));
		front_client_close(&stream.client);
		stream_be(&stream, (struct stream_function){.end = ST_OK});
		stream_ask(&stream, i % 2, "POST", paths[i / 2],
			   BINARY "origin: https://a.example\n", "");
		assert_int_equal(stream.client.status, 200);
		assert_true(stream_head_has(&stream,
					    "access-control-allow-origin: https://a.example\n"));
		assert_true(stream_head_has(&stream, "access-control-expose-headers: x-one\n"));
		assert_true(stream_head_has(&stream, "access-control-expose-headers: grpc-status, "
						     "grpc-message, grpc-status-details-bin\n"));
		front_client_close(&stream.client);
	}
	stream_ask(&stream, true, "GET", "/items/a", "origin: https://a.example\n", NULL);
	assert_false(stream_head_has(&stream, "grpc-status"));
	front_client_close(&stream.client);
}

static void the_end_cuts_what_runs(void **state)
{
	struct front_client idle;

	(void)state;
	front_client_open(&idle, &stream.world, false);
	front_client_request(&idle, "POST", UNARY, BINARY, true); /* no message yet */
	front_world_pass(&stream.world, 20);
	stream_be(&stream, (struct stream_function){.emit = 1, .is_held = true});
	open_call(1, CHAT, NULL);
	add_message(1, "a");
	send_request();
	front_client_wait_body(&stream.client, 10);
	front_close(stream.world.front);
	stream.world.front = NULL;
	assert_true(stream.function.is_cancelled);
	front_client_close(&stream.client);
	front_client_close(&idle);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_OF(world, name) cmocka_unit_test_setup_teardown(name, set_up_##world, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(calls_of_every_shape),
		TEST(failures_of_ours_are_trailers),
		TEST(bad_base64_is_told),
		TEST(other_types_and_methods_are_refused),
		TEST(metadata_goes_both_ways),
		TEST(accept_chooses_the_reply),
		TEST_OF(impatient, the_time_of_a_call_is_bounded),
		TEST(who_goes_away_cancels),
		TEST(each_message_is_there_at_once),
		TEST(both_ways_at_once),
		TEST(a_call_can_end_before_its_request),
		TEST(many_messages_come_whole_and_in_order),
		TEST(a_large_reply_is_not_one_answer),
		TEST(a_slow_reader_holds_the_function_back),
		TEST(a_slow_function_holds_the_client_back),
		TEST_OF(cors, pages_may_call),
		TEST(the_end_cuts_what_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
