/* The client session against servers that answer in unusual or hostile ways, as raw bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/h2/h2_internal.h"
#include "src/runtime/address.h"
#include "src/runtime/listen.h"
#include "src/runtime/loop.h"
#include "tests/fakes/h2_raw.h"
#include "tests/unit/unit.h"

#define TEST_WAIT_NS (20 * NS_PER_S)

struct fixture {
	struct loop *loop;
	struct listen *listen;
	struct h2_raw raw;
	struct h2_session *session;
	bool is_ready;
	bool is_goaway;
	bool is_closed;
	char close_message[128];

	struct h2_stream *stream;
	char log[32]; /* h head, d data, t trailers, e end, c clean close, x other close, l lost */
	char status[8];
	uint32_t code;
	bool is_over;
	unsigned over_count;
};

static void note(struct fixture *f, char what)
{
	size_t len = strlen(f->log);

	assert_true(len < sizeof(f->log) - 1);
	f->log[len] = what;
}

static void on_headers(void *data, struct h2_stream *stream, const struct h2_headers *headers)
{
	struct fixture *f = data;

	(void)stream;
	snprintf(f->status, sizeof(f->status), "%.*s",
		 SPAN_FMT(h2_headers_get(headers, ":status")));
	note(f, 'h');
}

static void on_data(void *data, struct h2_stream *stream)
{
	note(data, 'd');
	h2_stream_consume(stream, h2_stream_peek(stream).len);
}

static void on_trailers(void *data, struct h2_stream *stream, const struct h2_headers *headers)
{
	(void)stream;
	(void)headers;
	note(data, 't');
}

static void on_end(void *data, struct h2_stream *stream)
{
	(void)stream;
	note(data, 'e');
}

static void on_closed(void *data, struct h2_stream *stream, bool is_clean, bool lost_session,
		      uint32_t h2_code)
{
	struct fixture *f = data;

	(void)stream;
	f->stream = NULL;
	f->is_over = true;
	f->over_count++;
	f->code = h2_code;
	note(f, is_clean ? 'c' : lost_session ? 'l' : 'x');
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

static void on_goaway(void *data, struct h2_session *session, uint32_t h2_code)
{
	(void)session;
	(void)h2_code;
	((struct fixture *)data)->is_goaway = true;
}

static void on_session_closed(void *data, struct h2_session *session, const struct error *error)
{
	struct fixture *f = data;

	(void)session;
	f->session = NULL;
	f->is_closed = true;
	snprintf(f->close_message, sizeof(f->close_message), "%.127s", error->message);
}

static const struct h2_session_ops session_ops = {
	.on_ready = on_ready, .on_goaway = on_goaway, .on_closed = on_session_closed};

static void on_accept(void *data, int fd, const struct sockaddr *peer, unsigned peer_len)
{
	struct fixture *f = data;

	(void)peer;
	(void)peer_len;
	h2_raw_accept(&f->raw, f->loop, fd);
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct address address = {.host = "127.0.0.1"};

	*state = f;
	h2_raw_init(&f->raw);
	if (loop_new(&f->loop, NULL) != ST_OK)
		return -1;
	return listen_open(f->loop, &address, on_accept, f, &f->listen, NULL) != ST_OK;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	h2_session_free(f->session);
	h2_raw_fini(&f->raw);
	listen_close(f->listen);
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

static void start_with(struct fixture *f, const struct h2_limits *limits)
{
	struct address address = {.port = listen_port(f->listen), .host = "127.0.0.1"};

	h2_raw_frame(&f->raw, H2_RAW_SETTINGS, 0, 0, SPAN_EMPTY);
	h2_raw_frame(&f->raw, H2_RAW_SETTINGS, H2_RAW_ACK, 0, SPAN_EMPTY);
	f->session = h2_client_new(f->loop, &address, clock_mono_ns() + TEST_WAIT_NS, limits,
				   &session_ops, f);
	while (!f->raw.stream)
		(void)loop_run_until(f->loop, is_true, &f->is_ready, clock_mono_ns() + NS_PER_MS);
	h2_raw_send(&f->raw);
	run(f, is_true, &f->is_ready);
}

static enum status request(struct fixture *f)
{
	static const struct h2_header items[] = {
		{SPAN_LIT(":method"), SPAN_LIT("POST")},
		{SPAN_LIT(":scheme"), SPAN_LIT("http")},
		{SPAN_LIT(":authority"), SPAN_LIT("test")},
		{SPAN_LIT(":path"), SPAN_LIT("/")},
	};
	static const struct h2_headers headers = {items, COUNT_OF(items)};

	memset(f->log, 0, sizeof(f->log));
	f->is_over = false;
	return h2_client_request(f->session, &headers, true, &ops, f, &f->stream);
}

/* Ready, and the first request (stream 1) is with the server. */
static void start(struct fixture *f)
{
	struct h2_limits limits = h2_limits_default();

	start_with(f, &limits);
	f->raw.heads = 0;
	assert_int_equal(request(f), ST_OK);
	run(f, is_nonzero, &f->raw.heads);
}

static void answer(struct fixture *f, int flags, uint32_t id, struct span block)
{
	h2_raw_frame(&f->raw, H2_RAW_HEADERS, H2_RAW_END_HEADERS | flags, id, block);
}

#define OK_200 SPAN_LIT("\x88")
#define INTERIM_100                                                                                \
	SPAN_LIT("\x08\x03"                                                                        \
		 "100")
#define INTERIM_103                                                                                \
	SPAN_LIT("\x08\x03"                                                                        \
		 "103\0\x04"                                                                       \
		 "link\x01"                                                                        \
		 "a")
#define TRAILERS                                                                                   \
	SPAN_LIT("\0\x04"                                                                          \
		 "done\x03"                                                                        \
		 "yes")

static void interim_responses_are_swallowed(void **state)
{
	struct fixture *f = *state;

	start(f);
	answer(f, 0, 1, INTERIM_100);
	answer(f, 0, 1, INTERIM_103);
	answer(f, 0, 1, OK_200);
	h2_raw_frame(&f->raw, H2_RAW_DATA, 0, 1, SPAN_LIT("x"));
	answer(f, H2_RAW_END_STREAM, 1, TRAILERS);
	h2_raw_send(&f->raw);
	run(f, is_true, &f->is_over);
	assert_string_equal(f->log, "hdtec");
	assert_string_equal(f->status, "200");
}

static void a_reset_ends_the_stream_with_its_code(void **state)
{
	static const struct {
		const char *name;
		bool has_head;
		bool has_end;
		uint32_t code;
		const char *log;
	} rows[] = {
		{"before the head", false, false, H2_REFUSED_STREAM, "x"},
		{"after the head", true, false, H2_INTERNAL_ERROR, "hx"},
		{"NO_ERROR is no end", true, false, H2_NO_ERROR, "hx"},
		{"a complete response stays one", true, true, H2_NO_ERROR, "htec"},
	};
	struct fixture *f = *state;
	uint32_t id = 1;

	start(f);
	for (size_t i = 0; i < COUNT_OF(rows); i++, id += 2) {
		if (i > 0)
			assert_int_equal(request(f), ST_OK);
		f->raw.heads = 0;
		if (i > 0)
			run(f, is_nonzero, &f->raw.heads);
		if (rows[i].has_head)
			answer(f, 0, id, OK_200);
		if (rows[i].has_end)
			answer(f, H2_RAW_END_STREAM, id, TRAILERS);
		h2_raw_frame_u32(&f->raw, H2_RAW_RST_STREAM, id, rows[i].code);
		h2_raw_send(&f->raw);
		run(f, is_true, &f->is_over);
		UNIT_ROW_SPAN(rows[i].name, span_from_str(f->log), rows[i].log);
		UNIT_ROW(rows[i].name, f->code == rows[i].code);
	}
}

static void goaway_refuses_what_the_server_did_not_see(void **state)
{
	struct fixture *f = *state;

	start(f);
	h2_raw_frame(&f->raw, H2_RAW_GOAWAY, 0, 0, SPAN_LIT("\0\0\0\0\0\0\0\0"));
	h2_raw_send(&f->raw);
	run(f, is_true, &f->is_goaway);
	run(f, is_true, &f->is_over);
	assert_string_equal(f->log, "x");
	assert_int_equal(f->code, H2_REFUSED_STREAM);
	run(f, is_true, &f->is_closed); /* no stream is left */
}

static void oversized_response_heads_cost_the_stream_then_the_session(void **state)
{
	struct fixture *f = *state;
	struct h2_limits limits = h2_limits_default();

	limits.max_header_list_bytes = 60;
	start_with(f, &limits);
	for (uint32_t i = 0; i < 4; i++) {
		f->raw.heads = 0;
		assert_int_equal(request(f), ST_OK);
		run(f, is_nonzero, &f->raw.heads);
		answer(f, 0, i * 2 + 1,
		       SPAN_LIT("\x88\0\x04"
				"done\x03"
				"yes"));
		h2_raw_send(&f->raw);
		run(f, is_true, &f->is_over);
		assert_string_equal(f->log, "x");
		assert_int_equal(f->code, H2_INTERNAL_ERROR);
	}
	assert_false(f->is_closed);
	f->raw.heads = 0;
	assert_int_equal(request(f), ST_OK);
	run(f, is_nonzero, &f->raw.heads);
	answer(f, 0, 9,
	       SPAN_LIT("\x88\0\x04"
			"done\x03"
			"yes"));
	h2_raw_send(&f->raw);
	run(f, is_true, &f->is_over);
	assert_string_equal(f->log, "l");
	run(f, is_true, &f->raw.has_goaway);
	assert_int_equal(f->raw.goaway_code, H2_ENHANCE_YOUR_CALM);
}

static void protocol_breaches_end_the_session(void **state)
{
	static const struct {
		const char *name;
		int type;
		int flags;
		uint32_t id;
		struct span payload;
		const char *log;
	} rows[] = {
		{"PUSH_PROMISE", H2_RAW_PUSH, H2_RAW_END_HEADERS, 1, SPAN_LIT("\0\0\0\x02\x82"),
		 "l"},
		{"DATA on stream 0", H2_RAW_DATA, 0, 0, SPAN_LIT("x"), "l"},
		{"HEADERS of a stream never opened", H2_RAW_HEADERS, H2_RAW_END_HEADERS, 7, OK_200,
		 "l"},
		{"broken HPACK", H2_RAW_HEADERS, H2_RAW_END_HEADERS, 1,
		 SPAN_LIT("\xff\xff\xff\xff\xff"), "l"},
	};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct fixture *f;

		if (i > 0)
			assert_int_equal(set_up(state), 0);
		f = *state;
		start(f);
		h2_raw_frame(&f->raw, rows[i].type, rows[i].flags, rows[i].id, rows[i].payload);
		h2_raw_send(&f->raw);
		run(f, is_true, &f->is_over);
		UNIT_ROW_SPAN(rows[i].name, span_from_str(f->log), rows[i].log);
		run(f, is_true, &f->raw.has_goaway);
		UNIT_ROW(rows[i].name, f->raw.goaway_code != H2_NO_ERROR);
		run(f, is_true, &f->is_closed);
		UNIT_ROW(rows[i].name, f->close_message[0] != '\0');
		if (i + 1 < COUNT_OF(rows))
			tear_down(state);
	}
}

static void used_up_stream_numbers_are_a_goaway(void **state)
{
	struct fixture *f = *state;

	start(f);
	assert_int_equal(nghttp2_session_set_next_stream_id(f->session->ng, 0x7fffffff), 0);
	answer(f, H2_RAW_END_STREAM, 1, OK_200);
	h2_raw_send(&f->raw);
	run(f, is_true, &f->is_over);
	assert_int_equal(request(f), ST_OK);
	{
		struct h2_stream *last = f->stream;

		assert_int_equal(request(f), ST_UNAVAILABLE);
		assert_ptr_equal(f->stream, last);
	}
	assert_false(f->is_goaway);
	run(f, is_true, &f->is_goaway);
	answer(f, H2_RAW_END_STREAM, 0x7fffffff, OK_200);
	h2_raw_send(&f->raw);
	run(f, is_true, &f->is_over);
	assert_string_equal(f->log, "hec");
}

/* gRPC servers answer a PING without a stream with GOAWAY too_many_pings, however rare it is. */
static void pings_may_need_a_stream(void **state)
{
	struct fixture *f = *state;
	struct h2_limits limits = h2_limits_default();
	bool never = false;

	limits.keepalive_idle_ms = 5;
	limits.keepalive_needs_stream = true;
	start_with(f, &limits);
	(void)loop_run_until(f->loop, is_true, &never, clock_mono_ns() + 50 * NS_PER_MS);
	assert_int_equal(f->raw.pings, 0);
	assert_int_equal(request(f), ST_OK);
	run(f, is_nonzero, &f->raw.pings);
}

static void unsent_bytes_are_bounded_per_session(void **state)
{
	static const uint8_t zeroes[65536];
	static const struct h2_header items[] = {
		{SPAN_LIT(":method"), SPAN_LIT("POST")},
		{SPAN_LIT(":scheme"), SPAN_LIT("http")},
		{SPAN_LIT(":path"), SPAN_LIT("/")},
	};
	static const struct h2_headers headers = {items, COUNT_OF(items)};
	struct fixture *f = *state;
	struct h2_limits limits = h2_limits_default();
	size_t sum = 0;

	limits.max_unsent_bytes = sizeof(zeroes) * 4;
	limits.max_unsent_total_bytes = sizeof(zeroes) * 16;
	start_with(f, &limits);
	for (int i = 0; i < 10; i++) {
		struct h2_stream *stream;

		assert_int_equal(h2_client_request(f->session, &headers, false, &ops, f, &stream),
				 ST_OK);
		while (h2_stream_write(stream, span_make(zeroes, sizeof(zeroes))) == ST_OK)
			sum += sizeof(zeroes);
	}
	assert_int_equal(sum, sizeof(zeroes) * 16);
	h2_session_close(f->session);
	run(f, is_true, &f->is_closed);
	assert_int_equal(f->over_count, 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(interim_responses_are_swallowed),
		TEST(a_reset_ends_the_stream_with_its_code),
		TEST(goaway_refuses_what_the_server_did_not_see),
		TEST(oversized_response_heads_cost_the_stream_then_the_session),
		TEST(protocol_breaches_end_the_session),
		TEST(used_up_stream_numbers_are_a_goaway),
		TEST(pings_may_need_a_stream),
		TEST(unsent_bytes_are_bounded_per_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
