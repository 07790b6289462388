/* Hostile peers, as raw bytes against a server session: one test per row of the threat model. */
#include "src/h2/h2.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/runtime/loop.h"
#include "src/runtime/stream.h"
#include "tests/fakes/h2_raw.h"
#include "tests/fakes/h2_server.h"
#include "tests/unit/unit.h"

#define TEST_WAIT_NS (20 * NS_PER_S)
#define MIB ((size_t)1024 * 1024)

struct fixture {
	struct loop *loop;
	struct h2_fake fake;
	struct h2_raw raw;
};

#define FLOW_CONTROL_ERROR 3U
#define STREAM_CLOSED 5U

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct h2_limits limits = h2_limits_default();

	*state = f;
	h2_raw_init(&f->raw);
	if (loop_new(&f->loop, NULL) != ST_OK)
		return -1;
	h2_fake_init(&f->fake, f->loop, &limits);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	h2_raw_fini(&f->raw);
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

static bool is_after(void *data)
{
	return clock_mono_ns() >= *(uint64_t *)data;
}

static void run_for_ms(struct fixture *f, uint64_t ms)
{
	uint64_t end_ns = clock_mono_ns() + ms * NS_PER_MS;

	(void)loop_run_until(f->loop, is_after, &end_ns, end_ns);
}

/* Connected, greeted, and the server's H2_RAW_ACK of our H2_RAW_SETTINGS is in. */
static void open_raw(struct fixture *f)
{
	h2_raw_connect(&f->raw, f->loop, f->fake.port);
	h2_raw_greet(&f->raw);
	run(f, is_nonzero, &f->raw.settings_acks);
	h2_raw_frame(&f->raw, H2_RAW_SETTINGS, H2_RAW_ACK, 0, SPAN_EMPTY);
}

/* :method POST, :scheme http, :path, :authority a */
static void head_bytes(struct buf *block, const char *path)
{
	buf_init(block, 4 * MIB);
	assert_true(buf_append(block, SPAN_LIT("\x83\x86\x04")));
	assert_true(buf_append_byte(block, (uint8_t)strlen(path)));
	assert_true(buf_append_str(block, path));
	assert_true(buf_append(block, SPAN_LIT("\x01\x01"
					       "a")));
}

static void request(struct fixture *f, uint32_t id, const char *path, int flags)
{
	struct buf block;

	head_bytes(&block, path);
	h2_raw_frame(&f->raw, H2_RAW_HEADERS, H2_RAW_END_HEADERS | flags, id, buf_span(&block));
	buf_fini(&block);
}

/* The connection must end with this H2_RAW_GOAWAY, which no reset may swallow, and without streams.
 */
static void expect_goaway(struct fixture *f, uint32_t code)
{
	h2_raw_send(&f->raw);
	run(f, is_true, &f->raw.is_closed);
	assert_true(f->raw.has_goaway);
	assert_int_equal(f->raw.goaway_code, code);
	run(f, is_zero, &f->fake.session_count);
	assert_int_equal(f->fake.stream_count, 0);
}

/* The connection still serves. */
static void expect_alive(struct fixture *f, uint32_t id)
{
	unsigned ends = f->fake.ends;

	request(f, id, "/echo", H2_RAW_END_STREAM);
	h2_raw_send(&f->raw);
	f->raw.ends = 0;
	run(f, is_nonzero, &f->raw.ends);
	assert_int_equal(f->fake.ends, ends + 1);
	assert_false(f->raw.has_goaway);
}

static void headers_and_reset_in_one_read_start_nothing(void **state)
{
	struct fixture *f = *state;

	open_raw(f);
	request(f, 1, "/hold", 0);
	h2_raw_frame_u32(&f->raw, H2_RAW_RST_STREAM, 1, H2_CANCEL);
	request(f, 3, "/hold", H2_RAW_END_STREAM);
	h2_raw_frame_u32(&f->raw, H2_RAW_RST_STREAM, 3, H2_CANCEL);
	expect_alive(f, 5);
	assert_int_equal(f->fake.requests, 1);
	assert_int_equal(f->fake.unclean, 0);
}

/* grpc-js cancels so: the end must not look like an end. */
static void end_and_reset_in_one_read_are_a_cancel(void **state)
{
	struct fixture *f = *state;

	open_raw(f);
	request(f, 1, "/hold", 0);
	h2_raw_send(&f->raw);
	run(f, is_nonzero, &f->raw.heads);
	h2_raw_frame(&f->raw, H2_RAW_DATA, H2_RAW_END_STREAM, 1, SPAN_EMPTY);
	h2_raw_frame_u32(&f->raw, H2_RAW_RST_STREAM, 1, H2_CANCEL);
	h2_raw_send(&f->raw);
	run(f, is_nonzero, &f->fake.unclean);
	assert_int_equal(f->fake.ends, 0);
	assert_int_equal(f->fake.last_code, H2_CANCEL);
}

static void rapid_resets_end_the_connection(void **state)
{
	struct fixture *f = *state;

	f->fake.limits.max_resets = 50;
	open_raw(f);
	for (uint32_t i = 0; i < 52; i++) {
		request(f, i * 2 + 1, "/hold", 0);
		h2_raw_frame_u32(&f->raw, H2_RAW_RST_STREAM, i * 2 + 1, H2_CANCEL);
	}
	expect_goaway(f, H2_ENHANCE_YOUR_CALM);
	assert_int_equal(f->fake.last_session_status, ST_RESOURCE_EXHAUSTED);
	assert_true(f->fake.requests <= 2); /* a pair may fall on the seam of two reads */
}

static void few_resets_are_fine(void **state)
{
	struct fixture *f = *state;

	f->fake.limits.max_resets = 50;
	open_raw(f);
	for (uint32_t i = 0; i < 50; i++) {
		request(f, i * 2 + 1, "/hold", 0);
		h2_raw_frame_u32(&f->raw, H2_RAW_RST_STREAM, i * 2 + 1, H2_CANCEL);
	}
	expect_alive(f, 1001);
}

static void the_default_reset_limit_stands(void **state)
{
	struct fixture *f = *state;

	open_raw(f);
	for (uint32_t i = 0; i < 5000; i++) {
		request(f, i * 2 + 1, "/hold", 0);
		h2_raw_frame_u32(&f->raw, H2_RAW_RST_STREAM, i * 2 + 1, H2_CANCEL);
	}
	expect_goaway(f, H2_ENHANCE_YOUR_CALM);
}

/* Here the server is made to send the resets, which the library does not limit. */
static void window_overflows_count_as_resets(void **state)
{
	struct fixture *f = *state;

	f->fake.limits.max_resets = 20;
	open_raw(f);
	for (uint32_t i = 0; i < 22; i++) {
		request(f, i * 2 + 1, "/hold", 0);
		h2_raw_frame_u32(&f->raw, H2_RAW_WINDOW_UPDATE, i * 2 + 1, 0x7fffffff);
	}
	expect_goaway(f, H2_ENHANCE_YOUR_CALM);
	assert_int_equal(f->raw.rst_code, FLOW_CONTROL_ERROR);
}

static void broken_window_frames_end_the_connection(void **state)
{
	static const struct {
		const char *name;
		uint32_t increment;
		uint32_t code;
	} rows[] = {
		{"zero", 0, H2_PROTOCOL_ERROR},
		{"overflow", 0x7fffffff, FLOW_CONTROL_ERROR},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		open_raw(f);
		h2_raw_frame_u32(&f->raw, H2_RAW_WINDOW_UPDATE, 0, rows[i].increment);
		expect_goaway(f, rows[i].code);
	}
}

static void data_after_the_end_ends_the_connection(void **state)
{
	struct fixture *f = *state;

	open_raw(f);
	request(f, 1, "/hold", H2_RAW_END_STREAM);
	h2_raw_frame(&f->raw, H2_RAW_DATA, 0, 1, SPAN_LIT("more"));
	expect_goaway(f, STREAM_CLOSED);
	assert_int_equal(f->fake.received, 0);
}

static void data_beyond_the_window_is_refused(void **state)
{
	static const uint8_t zeroes[16384];
	struct fixture *f = *state;

	open_raw(f);
	request(f, 1, "/deaf", 0);
	for (size_t sent = 0; sent <= f->fake.limits.stream_window_bytes; sent += sizeof(zeroes))
		h2_raw_frame(&f->raw, H2_RAW_DATA, 0, 1, span_make(zeroes, sizeof(zeroes)));
	h2_raw_send(&f->raw);
	run(f, is_nonzero, &f->fake.unclean);
	run(f, is_nonzero, &f->raw.rst_count);
	assert_int_equal(f->raw.rst_code, FLOW_CONTROL_ERROR);
}

static void continuation_floods_end_the_connection(void **state)
{
	struct fixture *f = *state;
	struct buf block;

	open_raw(f);
	head_bytes(&block, "/hold");
	h2_raw_frame(&f->raw, H2_RAW_HEADERS, 0, 1, buf_span(&block));
	buf_fini(&block);
	for (int i = 0; i < 1000; i++)
		h2_raw_frame(&f->raw, H2_RAW_CONTINUATION, 0, 1, SPAN_EMPTY);
	h2_raw_send(&f->raw);
	run(f, is_true, &f->raw.is_closed);
	run(f, is_zero, &f->fake.session_count);
	assert_int_equal(f->fake.requests, 0);
}

static void ack_floods_end_the_connection(void **state)
{
	static const struct {
		const char *name;
		int type;
		struct span payload;
	} rows[] = {
		{"PING", H2_RAW_PING, SPAN_LIT("12345678")},
		{"SETTINGS", H2_RAW_SETTINGS, {NULL, 0}},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		open_raw(f);
		for (int n = 0; n < 20000; n++)
			h2_raw_frame(&f->raw, rows[i].type, 0, 0, rows[i].payload);
		h2_raw_send(&f->raw);
		run(f, is_true, &f->raw.is_closed);
		run(f, is_zero, &f->fake.session_count);
	}
}

static void ping(struct fixture *f, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		h2_raw_frame(&f->raw, H2_RAW_PING, 0, 0, SPAN_LIT("12345678"));
}

static void many_pings_end_the_connection(void **state)
{
	struct fixture *f = *state;

	open_raw(f);
	ping(f, f->fake.limits.max_pings + 1);
	expect_goaway(f, H2_ENHANCE_YOUR_CALM);
	assert_string_equal(f->raw.goaway_text, "too_many_pings");
	assert_int_equal(f->fake.last_session_status, ST_RESOURCE_EXHAUSTED);
}

/* A client that measures its connection sends many, while it gets replies. */
static void replies_make_up_for_pings(void **state)
{
	struct fixture *f = *state;

	open_raw(f);
	for (uint32_t i = 0; i < 5; i++) {
		ping(f, f->fake.limits.max_pings);
		expect_alive(f, i * 2 + 1);
	}
	ping(f, f->fake.limits.max_pings);
	h2_raw_send(&f->raw);
	run_for_ms(f, 20);
	assert_false(f->raw.has_goaway);
}

static void long_settings_end_the_connection(void **state)
{
	struct fixture *f = *state;
	struct buf entries;

	open_raw(f);
	buf_init(&entries, 4096);
	for (int i = 0; i < 40; i++)
		assert_true(buf_append(&entries, SPAN_LIT("\0\x03\0\0\0\x64")));
	h2_raw_frame(&f->raw, H2_RAW_SETTINGS, 0, 0, buf_span(&entries));
	buf_fini(&entries);
	expect_goaway(f, H2_ENHANCE_YOUR_CALM);
}

/* Who cannot know the limit yet is told, stream by stream. */
static void streams_above_the_limit_are_refused(void **state)
{
	struct fixture *f = *state;

	f->fake.limits.max_concurrent_streams = 10;
	h2_raw_connect(&f->raw, f->loop, f->fake.port);
	h2_raw_greet(&f->raw);
	for (uint32_t i = 0; i < 15; i++)
		request(f, i * 2 + 1, "/hold", 0);
	run(f, is_nonzero, &f->raw.rst_count);
	run_for_ms(f, 2);
	assert_int_equal(f->raw.rst_count, 5);
	assert_int_equal(f->raw.rst_code, H2_REFUSED_STREAM);
	assert_int_equal(f->fake.requests, 10);
	assert_false(f->raw.has_goaway);
}

/* Who acknowledged the limit breaks the protocol. */
static void streams_above_an_acknowledged_limit_end_the_connection(void **state)
{
	struct fixture *f = *state;

	f->fake.limits.max_concurrent_streams = 10;
	open_raw(f);
	for (uint32_t i = 0; i < 15; i++)
		request(f, i * 2 + 1, "/hold", 0);
	expect_goaway(f, H2_PROTOCOL_ERROR);
	assert_true(f->fake.requests <= 10);
}

/* A literal header without indexing: "x: vvv…". */
static void add_header(struct buf *block, size_t value_len)
{
	size_t rest = value_len - 127;
	uint8_t *room;

	assert_true(buf_append(block, SPAN_LIT("\0\x01x\x7f")));
	for (; rest >= 128; rest >>= 7)
		assert_true(buf_append_byte(block, (uint8_t)(rest & 127) | 128));
	assert_true(buf_append_byte(block, (uint8_t)rest));
	room = buf_reserve(block, value_len);
	memset(room, 'v', value_len);
	buf_commit(block, value_len);
}

static void big_head(struct fixture *f, uint32_t id, size_t bytes)
{
	struct buf block;
	struct span rest;
	int type = H2_RAW_HEADERS;

	head_bytes(&block, "/hold");
	for (size_t n = 0; n < bytes; n += 4000)
		add_header(&block, 4000);
	rest = buf_span(&block);
	while (rest.len > 0) {
		struct span part = span_head(rest, 16000);

		rest = span_skip(rest, part.len);
		h2_raw_frame(&f->raw, type, rest.len ? 0 : H2_RAW_END_HEADERS, id, part);
		type = H2_RAW_CONTINUATION;
	}
	buf_fini(&block);
}

static void oversized_heads_are_answered_431(void **state)
{
	struct fixture *f = *state;

	open_raw(f);
	big_head(f, 1, 40000);
	h2_raw_send(&f->raw);
	run(f, is_nonzero, &f->raw.ends);
	assert_int_equal(f->raw.heads, 1);
	/* :status 431 is in no static table: name 8, literal. */
	assert_true((f->raw.first_head_byte & 15) == 8 || f->raw.first_head_byte == 0x48);
	run(f, is_nonzero, &f->raw.rst_count); /* the rest of the request is not wanted */
	assert_int_equal(f->raw.rst_code, H2_NO_ERROR);
	assert_int_equal(f->fake.requests, 0);
	expect_alive(f, 3);
}

static void huge_heads_are_cut_off(void **state)
{
	struct fixture *f = *state;

	open_raw(f);
	big_head(f, 1, 80000);
	h2_raw_send(&f->raw);
	run(f, is_nonzero, &f->raw.rst_count);
	assert_int_equal(f->raw.rst_code, H2_INTERNAL_ERROR);
	assert_int_equal(f->raw.heads, 0);
	expect_alive(f, 3);
	assert_int_equal(f->fake.requests, 1);
}

static void a_few_oversized_heads_end_the_connection(void **state)
{
	struct fixture *f = *state;

	open_raw(f);
	for (uint32_t i = 0; i < 8; i++)
		big_head(f, i * 2 + 1, 40000);
	expect_goaway(f, H2_ENHANCE_YOUR_CALM);
	assert_int_equal(f->fake.requests, 0);
}

/* One entry of the dynamic table, then thousands of one-byte references to it. */
static void hpack_bombs_end_the_connection(void **state)
{
	struct fixture *f = *state;
	struct buf block;

	open_raw(f);
	for (uint32_t i = 0; i < 8; i++) {
		head_bytes(&block, "/hold");
		if (i == 0) {
			/* Indexed this time: 0x40. */
			size_t at = buf_len(&block);

			add_header(&block, 3900);
			((uint8_t *)buf_span(&block).data)[at] = 0x40;
		}
		for (int n = 0; n < 12000; n++)
			assert_true(buf_append_byte(&block, 0xbe)); /* index 62 */
		h2_raw_frame(&f->raw, H2_RAW_HEADERS, H2_RAW_END_HEADERS | H2_RAW_END_STREAM,
			     i * 2 + 1, buf_span(&block));
		buf_fini(&block);
	}
	expect_goaway(f, H2_ENHANCE_YOUR_CALM);
	assert_int_equal(f->fake.requests, 0);
}

static void malformed_headers_reset_the_stream(void **state)
{
	static const struct {
		const char *name;
		struct span header;
	} rows[] = {
		{"connection header", SPAN_LIT("\0\x0a"
					       "connection\x05"
					       "close")},
		{"upper case", SPAN_LIT("\0\x01"
					"X\x01"
					"v")},
		{"second path", SPAN_LIT("\x04\x01/")},
		{"unknown pseudo-header", SPAN_LIT("\0\x02:x\x01v")},
		{"NUL in a value", SPAN_LIT("\0\x01x\x01\0")},
		{"line end in a value", SPAN_LIT("\0\x01x\x01\n")},
	};
	struct fixture *f = *state;

	open_raw(f);
	for (uint32_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf block;

		head_bytes(&block, "/hold");
		assert_true(buf_append(&block, rows[i].header));
		h2_raw_frame(&f->raw, H2_RAW_HEADERS, H2_RAW_END_HEADERS, i * 2 + 1,
			     buf_span(&block));
		buf_fini(&block);
		f->raw.rst_count = 0;
		h2_raw_send(&f->raw);
		run(f, is_nonzero, &f->raw.rst_count);
		UNIT_ROW(rows[i].name, f->raw.rst_code == H2_PROTOCOL_ERROR);
		UNIT_ROW(rows[i].name, f->fake.requests == 0);
	}
	expect_alive(f, 101);
}

static void harmless_frames_are_harmless(void **state)
{
	struct fixture *f = *state;

	open_raw(f);
	request(f, 1, "/hold", 0);
	for (int i = 0; i < 5000; i++) {
		h2_raw_frame(&f->raw, H2_RAW_DATA, 0, 1, SPAN_EMPTY);
		h2_raw_frame(&f->raw, H2_RAW_PRIORITY, 0, 3, SPAN_LIT("\0\0\0\0\x10"));
		h2_raw_frame(&f->raw, 0x7f, 0, 0, SPAN_LIT("unknown"));
	}
	expect_alive(f, 5);
}

static void other_protocols_are_refused(void **state)
{
	static const char *const rows[] = {
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n",
		"\x16\x03\x01\x02",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		h2_raw_connect(&f->raw, f->loop, f->fake.port);
		assert_true(buf_append_str(&f->raw.out, rows[i]));
		run(f, is_true, &f->raw.is_closed);
		run(f, is_zero, &f->fake.session_count);
	}
	assert_int_equal(f->fake.requests, 0);
}

static void a_preface_byte_by_byte_is_fine(void **state)
{
	struct fixture *f = *state;
	struct buf all;
	struct span rest;

	h2_raw_connect(&f->raw, f->loop, f->fake.port);
	h2_raw_greet(&f->raw);
	request(f, 1, "/echo", H2_RAW_END_STREAM);
	all = f->raw.out;
	buf_init(&f->raw.out, H2_RAW_BYTES_MAX);
	for (rest = buf_span(&all); rest.len; rest = span_skip(rest, 1)) {
		assert_true(buf_append(&f->raw.out, span_head(rest, 1)));
		h2_raw_send(&f->raw);
		run_for_ms(f, 0);
	}
	buf_fini(&all);
	run(f, is_nonzero, &f->raw.ends);
}

static void a_peer_without_preface_is_dropped(void **state)
{
	struct fixture *f = *state;

	f->fake.limits.settings_timeout_ms = 20;
	h2_raw_connect(&f->raw, f->loop, f->fake.port);
	assert_true(buf_append_str(&f->raw.out, "PRI * HT"));
	run(f, is_true, &f->raw.is_closed);
	run(f, is_zero, &f->fake.session_count);
	assert_non_null(strstr(f->fake.last_message, "SETTINGS"));
}

static void a_peer_silent_to_ping_is_dropped(void **state)
{
	struct fixture *f = *state;

	f->fake.limits.keepalive_idle_ms = 10;
	f->fake.limits.keepalive_timeout_ms = 20;
	open_raw(f);
	request(f, 1, "/hold", 0);
	h2_raw_send(&f->raw);
	run(f, is_true, &f->raw.is_closed);
	run(f, is_nonzero, &f->fake.lost);
	assert_non_null(strstr(f->fake.last_message, "PING"));
}

/* Replies nobody reads: what the server holds stays bounded, and the client's silence ends it. */
static void a_peer_that_never_reads_is_bounded(void **state)
{
	struct fixture *f = *state;

	f->fake.big_bytes = 100 * MIB;
	open_raw(f);
	h2_raw_frame_u32(&f->raw, H2_RAW_WINDOW_UPDATE, 0, 0x3fffffff);
	for (uint32_t i = 0; i < 20; i++) {
		request(f, i * 2 + 1, "/big", H2_RAW_END_STREAM);
		h2_raw_frame_u32(&f->raw, H2_RAW_WINDOW_UPDATE, i * 2 + 1, 0x3fffffff);
	}
	stream_read_stop(f->raw.stream);
	h2_raw_send(&f->raw);
	run_for_ms(f, 100);
	assert_int_equal(f->fake.requests, 20);
	assert_true(h2_fake_unsent(&f->fake) <= 20 * (size_t)256 * 1024);
}

/* A complete reply is not kept for ever for a client that gives no window for it. */
static void untaken_replies_are_reset(void **state)
{
	struct fixture *f = *state;

	f->fake.big_bytes = 100000;
	f->fake.limits.take_timeout_ms = 50;
	open_raw(f);
	request(f, 1, "/big", H2_RAW_END_STREAM);
	h2_raw_send(&f->raw);
	run(f, is_nonzero, &f->raw.rst_count);
	assert_int_equal(f->raw.rst_code, H2_CANCEL);
	assert_int_equal(h2_fake_unsent(&f->fake), 0);
	/* One that takes is slow, not idle: every piece gives it time. The connection's window of
	 * 65,535 is used up. */
	f->raw.rst_count = 0;
	request(f, 3, "/big", H2_RAW_END_STREAM);
	for (unsigned i = 0; i < 10; i++) {
		h2_raw_frame_u32(&f->raw, H2_RAW_WINDOW_UPDATE, 0, 1000);
		h2_raw_frame_u32(&f->raw, H2_RAW_WINDOW_UPDATE, 3, 1000);
		h2_raw_send(&f->raw);
		run_for_ms(f, 20);
	}
	assert_int_equal(f->raw.rst_count, 0);
	run(f, is_nonzero, &f->raw.rst_count);
	h2_raw_frame_u32(&f->raw, H2_RAW_WINDOW_UPDATE, 0, 1000);
	expect_alive(f, 5);
}

/* What streams hold unread is bounded by the connection too, whatever the stream windows say. */
static void unread_bodies_are_bounded_per_connection(void **state)
{
	static const uint8_t zeroes[16384];
	struct fixture *f = *state;
	size_t sent = 0;

	f->fake.limits.stream_window_bytes = 1024 * 1024;
	open_raw(f);
	for (uint32_t i = 0; i < 32; i++) {
		request(f, i * 2 + 1, "/deaf", 0);
		for (size_t n = 0; n < MIB; n += sizeof(zeroes)) {
			h2_raw_frame(&f->raw, H2_RAW_DATA, 0, i * 2 + 1,
				     span_make(zeroes, sizeof(zeroes)));
			sent += sizeof(zeroes);
		}
	}
	assert_int_equal(sent, 32 * MIB);
	/* 16 MiB unread and one connection window later the sender is in breach. */
	expect_goaway(f, FLOW_CONTROL_ERROR);
	assert_true(f->fake.requests >= 16 && f->fake.requests < 20);
}

/* Not an attack, but seen best in raw bytes: head, message and trailers of a reply are one write,
 * and a reply without message has no empty DATA frame. */
static void a_reply_leaves_in_one_write(void **state)
{
	static const struct {
		const char *name;
		bool has_body;
		unsigned data_frames;
	} rows[] = {
		{"with a message", true, 1},
		{"trailers only", false, 0},
	};
	struct fixture *f = *state;

	open_raw(f);
	for (uint32_t i = 0; i < COUNT_OF(rows); i++) {
		f->raw.reads = f->raw.data_frames = f->raw.ends = f->raw.heads = 0;
		request(f, i * 2 + 1, "/echo", rows[i].has_body ? 0 : H2_RAW_END_STREAM);
		if (rows[i].has_body)
			h2_raw_frame(&f->raw, H2_RAW_DATA, H2_RAW_END_STREAM, i * 2 + 1,
				     SPAN_LIT("hello"));
		h2_raw_send(&f->raw);
		run(f, is_nonzero, &f->raw.ends);
		UNIT_ROW(rows[i].name, f->raw.heads == 2);
		UNIT_ROW(rows[i].name, f->raw.data_frames == rows[i].data_frames);
		UNIT_ROW(rows[i].name, f->raw.reads == 1);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(headers_and_reset_in_one_read_start_nothing),
		TEST(end_and_reset_in_one_read_are_a_cancel),
		TEST(rapid_resets_end_the_connection),
		TEST(few_resets_are_fine),
		TEST(the_default_reset_limit_stands),
		TEST(window_overflows_count_as_resets),
		TEST(broken_window_frames_end_the_connection),
		TEST(data_after_the_end_ends_the_connection),
		TEST(data_beyond_the_window_is_refused),
		TEST(continuation_floods_end_the_connection),
		TEST(ack_floods_end_the_connection),
		TEST(many_pings_end_the_connection),
		TEST(replies_make_up_for_pings),
		TEST(long_settings_end_the_connection),
		TEST(streams_above_the_limit_are_refused),
		TEST(streams_above_an_acknowledged_limit_end_the_connection),
		TEST(oversized_heads_are_answered_431),
		TEST(huge_heads_are_cut_off),
		TEST(a_few_oversized_heads_end_the_connection),
		TEST(hpack_bombs_end_the_connection),
		TEST(malformed_headers_reset_the_stream),
		TEST(harmless_frames_are_harmless),
		TEST(other_protocols_are_refused),
		TEST(a_preface_byte_by_byte_is_fine),
		TEST(a_peer_without_preface_is_dropped),
		TEST(a_peer_silent_to_ping_is_dropped),
		TEST(a_peer_that_never_reads_is_bounded),
		TEST(untaken_replies_are_reset),
		TEST(unread_bodies_are_bounded_per_connection),
		TEST(a_reply_leaves_in_one_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
