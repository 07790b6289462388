/* A client call against servers that are no gRPC servers, or bad ones. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/grpc/grpc_call.h"
#include "src/h2/channel.h"
#include "src/h2/h2.h"
#include "src/runtime/address.h"
#include "src/runtime/listen.h"
#include "src/runtime/loop.h"
#include "tests/unit/unit.h"

#define WAIT_NS (10 * NS_PER_S)

/* How the peer answers. */
struct answer {
	const char *name;
	const char *status;
	const char *content_type;
	const char *head_status; /* grpc-status in the head, NULL: none */
	struct span body;
	const char *trailer_status; /* NULL: no trailers */
	const char *trailer_message;
	uint32_t reset;	 /* after the body; 0: none */
	bool is_refused; /* nobody takes the stream */
	/* what the client makes of it */
	enum status code;
	unsigned messages;
	bool was_sent;
	const char *part; /* of the message */
};

struct fixture {
	struct loop *loop;
	struct listen *listen;
	struct channel *channel;
	struct h2_session *session;
	const struct answer *answer;
	const char *encoding; /* of the answer; NULL: none */
	unsigned answered;
	/* client */
	struct grpc_client_call *call;
	unsigned messages;
	char last[16]; /* message */
	bool is_over;
	enum status code;
	bool was_sent;
	char message[128];
};

static const struct h2_stream_ops no_ops;

static void send_answer(struct h2_stream *stream, const struct answer *answer, const char *encoding)
{
	struct h2_header head[4] = {{SPAN_LIT(":status"), span_from_str(answer->status)}};
	struct h2_headers headers = {head, 1};
	struct h2_header trailer[2];
	struct h2_headers trailers = {trailer, 0};

	if (answer->content_type)
		head[headers.count++] = (struct h2_header){SPAN_LIT("content-type"),
							   span_from_str(answer->content_type)};
	if (answer->head_status)
		head[headers.count++] = (struct h2_header){SPAN_LIT("grpc-status"),
							   span_from_str(answer->head_status)};
	if (encoding)
		head[headers.count++] =
			(struct h2_header){SPAN_LIT("grpc-encoding"), span_from_str(encoding)};
	h2_stream_respond(stream, &headers, false);
	if (answer->body.len)
		assert_int_equal(h2_stream_write(stream, answer->body), ST_OK);
	if (answer->reset) {
		h2_stream_reset(stream, answer->reset);
		return;
	}
	if (!answer->trailer_status) {
		h2_stream_end(stream);
		return;
	}
	trailer[trailers.count++] =
		(struct h2_header){SPAN_LIT("grpc-status"), span_from_str(answer->trailer_status)};
	if (answer->trailer_message)
		trailer[trailers.count++] = (struct h2_header){
			SPAN_LIT("grpc-message"), span_from_str(answer->trailer_message)};
	h2_stream_end_with_trailers(stream, &trailers);
}

static void on_request(void *data, struct h2_stream *stream, const struct h2_headers *headers)
{
	struct fixture *fixture = data;

	(void)headers;
	fixture->answered++;
	if (fixture->answer->is_refused)
		return;
	h2_stream_set_ops(stream, &no_ops, NULL);
	send_answer(stream, fixture->answer, fixture->encoding);
}

static void on_session_closed(void *data, struct h2_session *session, const struct error *error)
{
	(void)session;
	(void)error;
	((struct fixture *)data)->session = NULL;
}

static const struct h2_session_ops server_ops = {.on_request = on_request,
						 .on_closed = on_session_closed};

static void on_accept(void *data, int fd, const struct sockaddr *peer, unsigned peer_len)
{
	struct fixture *fixture = data;
	struct h2_limits limits = h2_limits_default();

	(void)peer;
	(void)peer_len;
	fixture->session = h2_server_new(fixture->loop, fd, &limits, &server_ops, fixture);
}

static void on_state(void *data, enum channel_state state, const struct error *error)
{
	(void)data;
	(void)state;
	(void)error;
}

static void on_message(void *data, struct span message)
{
	struct fixture *fixture = data;

	fixture->messages++;
	snprintf(fixture->last, sizeof(fixture->last), "%.*s", SPAN_FMT(message));
	grpc_client_read(fixture->call);
}

static void on_status(void *data, const struct grpc_status *status, bool was_sent)
{
	struct fixture *fixture = data;

	fixture->call = NULL;
	fixture->is_over = true;
	fixture->code = status->code;
	fixture->was_sent = was_sent;
	snprintf(fixture->message, sizeof(fixture->message), "%.*s", SPAN_FMT(status->message));
}

static const struct grpc_client_ops client_ops = {.on_message = on_message, .on_status = on_status};

static int set_up(void **state)
{
	static struct fixture fixture;
	struct channel_params params = {.backoff_min_ms = 5,
					.backoff_max_ms = 20,
					.connect_timeout_ms = 1000,
					.max_waiting = 100,
					.limits = h2_limits_default()};
	struct address address;
	struct error err;

	fixture = (struct fixture){0};
	assert_int_equal(loop_new(&fixture.loop, &err), 0);
	assert_int_equal(address_parse(SPAN_LIT("127.0.0.1:0"), "", &address, &err), 0);
	assert_int_equal(
		listen_open(fixture.loop, &address, on_accept, &fixture, &fixture.listen, &err), 0);
	address.port = listen_port(fixture.listen);
	fixture.channel = channel_open(fixture.loop, &address, &params, on_state, NULL);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	grpc_client_cancel(fixture->call);
	channel_close(fixture->channel);
	h2_session_free(fixture->session);
	listen_close(fixture->listen);
	loop_free(fixture->loop);
	return 0;
}

static void start(struct fixture *fixture, const struct answer *answer)
{
	struct grpc_client_params params = {.path = "/a/b",
					    .deadline_ns = DEADLINE_NEVER,
					    .wait_for_ready = true,
					    .open_deadline_ns = DEADLINE_NEVER,
					    .max_message_bytes = 1000};

	fixture->answer = answer;
	fixture->messages = 0;
	fixture->is_over = false;
	fixture->answered = 0;
	fixture->call =
		grpc_client_start(fixture->loop, fixture->channel, &params, &client_ops, fixture);
	grpc_client_half_close(fixture->call);
}

static bool is_over(void *data)
{
	return ((struct fixture *)data)->is_over;
}

static bool is_answered(void *data)
{
	return ((struct fixture *)data)->answered > 0;
}

static bool is_closed(void *data)
{
	return ((struct fixture *)data)->session == NULL;
}

#define GRPC "application/grpc"
#define MESSAGE "\0\0\0\0\2hi"

static void answers_are_understood(void **state)
{
	static const struct answer rows[] = {
		{"not found page", "404", "text/html", NULL, SPAN_LIT("<html>"), NULL, NULL, 0,
		 false, ST_UNIMPLEMENTED, 0, true, "HTTP status 404"},
		{"bad gateway", "502", "text/html", NULL, SPAN_LIT(""), NULL, NULL, 0, false,
		 ST_UNAVAILABLE, 0, true, "HTTP status 502"},
		{"unauthorised", "401", NULL, NULL, SPAN_LIT(""), NULL, NULL, 0, false,
		 ST_UNAUTHENTICATED, 0, true, "HTTP status 401"},
		{"a web page", "200", "text/html", NULL, SPAN_LIT("<html>"), NULL, NULL, 0, false,
		 ST_UNKNOWN, 0, true, "not gRPC"},
		{"no content type", "200", NULL, NULL, SPAN_LIT(MESSAGE), NULL, NULL, 0, false,
		 ST_UNKNOWN, 0, true, "not gRPC"},
		{"good", "200", GRPC, NULL, SPAN_LIT(MESSAGE MESSAGE), "0", NULL, 0, false, ST_OK,
		 2, true, ""},
		{"failed", "200", GRPC, NULL, SPAN_LIT(MESSAGE), "9", "a%20b%0", 0, false,
		 ST_FAILED_PRECONDITION, 1, true, "a b%0"},
		{"failed without a page for it", "200", GRPC, "5", SPAN_LIT(""), NULL, NULL, 0,
		 false, ST_NOT_FOUND, 0, true, ""},
		{"unknown code", "200", GRPC, NULL, SPAN_LIT(MESSAGE), "99", NULL, 0, false,
		 ST_UNKNOWN, 1, true, ""},
		{"no status", "200", GRPC, NULL, SPAN_LIT(MESSAGE), NULL, NULL, 0, false,
		 ST_INTERNAL, 1, true, "without grpc-status"},
		{"truncated message", "200", GRPC, NULL, SPAN_LIT("\0\0\0\0\7hi"), "0", NULL, 0,
		 false, ST_INTERNAL, 0, true, "within a message"},
		{"truncated head", "200", GRPC, NULL, SPAN_LIT("\0\0"), "0", NULL, 0, false,
		 ST_INTERNAL, 0, true, "within a message"},
		{"truncated and failed", "200", GRPC, NULL, SPAN_LIT("\0\0"), "10", "own", 0, false,
		 ST_ABORTED, 0, true, "own"},
		{"too large", "200", GRPC, NULL, SPAN_LIT("\0\0\0\4\0"), "0", NULL, 0, false,
		 ST_RESOURCE_EXHAUSTED, 0, true, "1024"},
		{"compressed", "200", GRPC, NULL, SPAN_LIT("\1\0\0\0\2hi"), "0", NULL, 0, false,
		 ST_INTERNAL, 0, true, "compressed"},
		{"reset", "200", GRPC, NULL, SPAN_LIT(""), NULL, NULL, H2_CANCEL, false,
		 ST_CANCELLED, 0, true, "reset the stream"},
		{"reset for calm", "200", GRPC, NULL, SPAN_LIT(""), NULL, NULL,
		 H2_ENHANCE_YOUR_CALM, false, ST_RESOURCE_EXHAUSTED, 0, true, "reset the stream"},
		{"refused", "", NULL, NULL, SPAN_LIT(""), NULL, NULL, 0, true, ST_UNAVAILABLE, 0,
		 false, "reset the stream"},
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		start(fixture, &rows[i]);
		grpc_client_read(fixture->call);
		UNIT_ROW(rows[i].name, loop_run_until(fixture->loop, is_over, fixture,
						      clock_mono_ns() + WAIT_NS));
		UNIT_ROW(rows[i].name, fixture->code == rows[i].code);
		UNIT_ROW(rows[i].name, fixture->messages == rows[i].messages);
		UNIT_ROW(rows[i].name, fixture->was_sent == rows[i].was_sent);
		if (!strstr(fixture->message, rows[i].part))
			fail_msg("row \"%s\": %s", rows[i].name, fixture->message);
	}
}

/* Nobody asked the peer to pack, and it is understood. */
static void packed_answers_are_read(void **state)
{
#define PACKED                                                                                     \
	"\1\0\0\0\x19\x1f\x8b\x08\0\0\0\0\0\x02\x03\xcb\x48\xcd\xc9\xc9\x07\0\x86\xa6\x10\x36\x05" \
	"\0\0\0"
	static const struct answer rows[] = {
		{"packed", "200", GRPC, NULL, SPAN_LIT(MESSAGE PACKED), "0", NULL, 0, false, ST_OK,
		 2, true, ""},
		{"plain", "200", GRPC, NULL, SPAN_LIT("\0\0\0\0\5hello"), "0", NULL, 0, false,
		 ST_OK, 1, true, ""},
		{"no gzip", "200", GRPC, NULL, SPAN_LIT("\1\0\0\0\5hello"), "0", NULL, 0, false,
		 ST_INTERNAL, 0, true, "not whole gzip"},
		{"truncated", "200", GRPC, NULL, SPAN_LIT("\1\0\0\0\5hell"), "0", NULL, 0, false,
		 ST_INTERNAL, 0, true, "within a message"},
		{"packed and failed", "200", GRPC, NULL, SPAN_LIT(PACKED), "10", "own", 0, false,
		 ST_ABORTED, 1, true, "own"},
	};
	struct fixture *fixture = *state;

	fixture->encoding = "gzip";
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		start(fixture, &rows[i]);
		grpc_client_read(fixture->call);
		UNIT_ROW(rows[i].name, loop_run_until(fixture->loop, is_over, fixture,
						      clock_mono_ns() + WAIT_NS));
		UNIT_ROW(rows[i].name, fixture->code == rows[i].code);
		UNIT_ROW(rows[i].name, fixture->messages == rows[i].messages);
		if (rows[i].messages)
			assert_string_equal(fixture->last, "hello");
		if (!strstr(fixture->message, rows[i].part))
			fail_msg("row \"%s\": %s", rows[i].name, fixture->message);
	}
}

/* The whole answer had come before the connection was lost: it is still the answer. */
static void unread_answer_outlives_its_connection(void **state)
{
	static const struct answer good = {"good", "200", GRPC, NULL,  SPAN_LIT(MESSAGE MESSAGE),
					   "0",	   NULL,  0,	false, ST_OK,
					   2,	   true,  ""};
	struct fixture *fixture = *state;

	start(fixture, &good);
	assert_true(loop_run_until(fixture->loop, is_answered, fixture, clock_mono_ns() + WAIT_NS));
	/* The answer leaves before the session is closed in order. */
	h2_session_drain(fixture->session);
	listen_close(fixture->listen);
	fixture->listen = NULL;
	(void)loop_run_until(fixture->loop, is_closed, fixture, clock_mono_ns() + NS_PER_S / 10);
	h2_session_free(fixture->session);
	fixture->session = NULL;
	(void)loop_run_until(fixture->loop, is_over, fixture, clock_mono_ns() + NS_PER_S / 20);
	assert_false(fixture->is_over);
	grpc_client_read(fixture->call);
	assert_true(loop_run_until(fixture->loop, is_over, fixture, clock_mono_ns() + WAIT_NS));
	assert_int_equal(fixture->messages, 2);
	assert_int_equal(fixture->code, ST_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answers_are_understood, set_up, tear_down),
		cmocka_unit_test_setup_teardown(packed_answers_are_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(unread_answer_outlives_its_connection, set_up,
						tear_down),
	};

	return cmocka_run_group_tests_name("grpc/odd_peer", tests, NULL, NULL);
}
