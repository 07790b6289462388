/* The front's limits over real sockets: slow, silent and many clients; the admin port; the end. */
#include <string.h>
#include <time.h>

#include "src/base/clock.h"
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

static int set_up_short(void **state)
{
	static const char *const flags[] = {"http.head_timeout=100ms", "http.body_timeout=100ms",
					    "http.request_timeout=300ms", NULL};

	(void)state;
	front_world_init(&world, flags);
	buf_init(&answer, (size_t)32 << 20);
	return 0;
}

static int set_up_few(void **state)
{
	static const char *const flags[] = {"http.max_connections=3",
					    "http.max_connections_per_address=2",
					    "http.max_requests=1", NULL};

	(void)state;
	front_world_init(&world, flags);
	buf_init(&answer, (size_t)32 << 20);
	return 0;
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

/* -- short limits ------------------------------------------------------------------------------ */

/* Sends the rest one byte each 20 ms until the server hangs up. */
static uint64_t trickle_until_closed(struct raw_client *client, struct span bytes)
{
	uint64_t begin = clock_mono_ns();

	for (size_t i = 0; !client->is_closed && i < bytes.len; i++) {
		raw_send(client, span_make(bytes.data + i, 1));
		front_world_pass(client->world, 20);
	}
	assert_true(client->is_closed);
	return clock_mono_ns() - begin;
}

static void slow_head_is_cut(void **state)
{
	struct raw_client client;

	(void)state;
	raw_open(&client, &world, FRONT_INGRESS);
	raw_send(&client, SPAN_LIT("GET /test/a"));
	/* Never silent, and yet cut. */
	assert_true(trickle_until_closed(
			    &client, SPAN_LIT(" HTTP/1.1\r\n" HOST "X: abcdefghijklmnopqrstuvwxyz"
					      "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrst")) <
		    NS_PER_S);
	assert_int_equal(world.router.accepted, 0);
	raw_close(&client);
}

static void slow_head_of_a_later_request_is_cut(void **state)
{
	struct raw_client client;
	struct span head;
	struct span body;

	(void)state;
	raw_open(&client, &world, FRONT_INGRESS);
	raw_send(&client, SPAN_LIT("GET /test/a HTTP/1.1\r\n" HOST "\r\n"));
	assert_int_equal(raw_response(&client, &head, &body), 200);
	raw_send(&client, SPAN_LIT("GET /test/a HTTP/1.1\r\n"));
	assert_true(trickle_until_closed(
			    &client, SPAN_LIT("Host: h\r\nX: abcdefghijklmnopqrstuvwxyzabcdefgh"
					      "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrst")) <
		    NS_PER_S);
	raw_close(&client);
}

static void slow_body_is_cut_by_the_request_deadline(void **state)
{
	struct raw_client client;

	(void)state;
	raw_open(&client, &world, FRONT_INGRESS);
	raw_send(&client, SPAN_LIT("POST /test/a HTTP/1.1\r\n" HOST JSON
				   "Content-Length: 2000\r\n\r\n{\"text\":\""));
	/* Each byte is in time for the body's silence, the whole is not for the request. */
	for (unsigned i = 0; i < 50 && !client.is_closed; i++) {
		raw_send(&client, SPAN_LIT("x"));
		front_world_pass(&world, 20);
	}
	assert_true(client.is_closed);
	assert_int_equal(world.router.accepted, 0);
	raw_close(&client);
}

static void late_body_gets_504(void **state)
{
	struct raw_client client;
	struct span head;
	struct span body;

	(void)state;
	raw_open(&client, &world, FRONT_INGRESS);
	raw_send(&client, SPAN_LIT("POST /test/a HTTP/1.1\r\n" HOST JSON
				   "Content-Length: 40\r\n\r\n{\"text\":\""));
	for (unsigned i = 0; i < 16; i++) {
		raw_send(&client, SPAN_LIT("x"));
		front_world_pass(&world, 20);
	}
	raw_send(&client, SPAN_LIT("xxxxxxxxxxxxx\"}"));
	assert_int_equal(raw_response(&client, &head, &body), 504);
	assert_true(front_world_has(body, "\"code\":4"));
	assert_int_equal(world.router.accepted, 0);
	raw_close(&client);
}

static void silent_body_is_cut(void **state)
{
	struct raw_client client;

	(void)state;
	raw_open(&client, &world, FRONT_INGRESS);
	raw_send(&client, SPAN_LIT("POST /test/a HTTP/1.1\r\n" HOST JSON
				   "Content-Length: 2000\r\n\r\n{\"text\":\""));
	raw_wait_closed(&client);
	assert_int_equal(world.router.accepted, 0);
	raw_close(&client);
}

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void stalled_prefixes_cost_no_cpu_and_are_swept(void **state)
{
	static const char *const prefixes[] = {"P", "PR"};
	struct raw_client clients[20];
	uint64_t before;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(clients); i++) {
		raw_open(&clients[i], &world, FRONT_INGRESS);
		raw_send(&clients[i], span_from_str(prefixes[i % 2]));
	}
	front_world_pass(&world, 20);
	before = cpu_ns();
	front_world_pass(&world, 60);
	/* Spinning would be all of the 60 ms. */
	assert_true(cpu_ns() - before < 20 * NS_PER_MS);
	for (size_t i = 0; i < COUNT_OF(clients); i++) {
		raw_wait_closed(&clients[i]);
		raw_close(&clients[i]);
	}
}

/* The library has no room for it and would like to be run for ever. */
static void endless_chunk_extension_costs_no_cpu(void **state)
{
	static char extension[20000];
	struct raw_client client;
	uint64_t before;

	(void)state;
	memset(extension, 'x', sizeof(extension));
	raw_open(&client, &world, FRONT_INGRESS);
	raw_send(&client, SPAN_LIT("POST /test/a HTTP/1.1\r\n" HOST JSON
				   "Transfer-Encoding: chunked\r\n\r\n1;"));
	raw_send(&client, span_make(extension, sizeof(extension)));
	front_world_pass(&world, 1000); /* of 30 s */
	before = cpu_ns();
	front_world_pass(&world, 400);
	assert_true(cpu_ns() - before < 20 * NS_PER_MS);
	assert_false(client.is_closed);
	raw_close(&client);
}

/* -- few of everything ------------------------------------------------------------------------- */

static void connections_are_limited(void **state)
{
	struct raw_client clients[3];
	struct span head;
	struct span body;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(clients); i++) {
		raw_open(&clients[i], &world, FRONT_INGRESS);
		front_world_pass(&world, 5);
	}
	/* Two from one address: the third is closed at once. */
	raw_wait_closed(&clients[2]);
	raw_send(&clients[0], SPAN_LIT("GET /alive HTTP/1.1\r\n" HOST "\r\n"));
	assert_int_equal(raw_response(&clients[0], &head, &body), 200);
	raw_close(&clients[0]);
	raw_close(&clients[2]);
	front_world_pass(&world, 5);
	raw_open(&clients[2], &world, FRONT_INGRESS);
	raw_send(&clients[2], SPAN_LIT("GET /alive HTTP/1.1\r\n" HOST "\r\n"));
	assert_int_equal(raw_response(&clients[2], &head, &body), 200);
	raw_close(&clients[1]);
	raw_close(&clients[2]);
}

static void requests_are_limited(void **state)
{
	struct raw_client client;

	(void)state;
	world.router.mode = FAKE_ROUTER_HOLD;
	raw_open(&client, &world, FRONT_INGRESS);
	raw_send(&client, SPAN_LIT("GET /test/a HTTP/1.1\r\n" HOST "\r\n"));
	front_world_wait(&world, has_held, NULL);
	assert_int_equal(
		raw_ask(&world, SPAN_LIT("GET /test/b HTTP/1.1\r\n" HOST "\r\n"), &answer, NULL),
		429);
	raw_close(&client);
	front_world_wait(&world, has_cancelled, NULL);
}

/* -- the admin port, the end ------------------------------------------------------------------- */

static void admin_pages(void **state)
{
	static const struct {
		struct span request;
		int status;
		const char *part;
	} rows[] = {
		{SPAN_LIT("GET /status HTTP/1.1\r\n" HOST "\r\n"), 200, "of the test"},
		{SPAN_LIT("GET /metrics HTTP/1.1\r\n" HOST "\r\n"), 200,
		 "# TYPE headgate_connections gauge"},
		{SPAN_LIT("GET /ready HTTP/1.1\r\n" HOST "\r\n"), 200, "true"},
		{SPAN_LIT("GET /alive HTTP/1.1\r\n" HOST "\r\n"), 200, "true"},
		{SPAN_LIT("GET /test/a HTTP/1.1\r\n" HOST "\r\n"), 404, "{\"code\":5,"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct raw_client client;
		struct span head;
		struct span body;

		raw_open(&client, &world, FRONT_ADMIN);
		raw_send(&client, rows[i].request);
		UNIT_ROW(rows[i].part, raw_response(&client, &head, &body) == rows[i].status);
		UNIT_ROW(rows[i].part, front_world_has(body, rows[i].part));
		raw_close(&client);
	}
}

static void on_drained(void *data)
{
	*(bool *)data = true;
}

static bool is_true(void *data)
{
	return *(bool *)data;
}

static void drain_lets_running_calls_finish(void **state)
{
	struct raw_client idle;
	struct raw_client busy;
	struct span head;
	struct span body;

	(void)state;
	raw_open(&idle, &world, FRONT_INGRESS);
	raw_send(&idle, SPAN_LIT("GET /alive HTTP/1.1\r\n" HOST "\r\n"));
	assert_int_equal(raw_response(&idle, &head, &body), 200);
	world.router.mode = FAKE_ROUTER_HOLD;
	raw_open(&busy, &world, FRONT_INGRESS);
	raw_send(&busy, SPAN_LIT("GET /test/a HTTP/1.1\r\n" HOST "\r\n"));
	front_world_wait(&world, has_held, NULL);
	front_drain(world.front, on_drained, &world.is_drained);
	raw_wait_closed(&idle);
	front_world_pass(&world, 10);
	assert_false(world.is_drained);
	fake_router_release(&world.router);
	assert_int_equal(raw_response(&busy, &head, &body), 200);
	assert_true(front_world_has(head, "onnection: close"));
	raw_wait_closed(&busy);
	front_world_wait(&world, is_true, &world.is_drained);
	raw_close(&idle);
	raw_close(&busy);
}

/* The world ends with requests in every state: nobody is called after that, nothing leaks. */
static void close_cuts_what_is_left(void **state)
{
	static struct raw_client clients[4];
	static const char *const requests[] = {
		"GET /test/a HTTP/1.1\r\n" HOST "\r\n",
		"POST /test/a HTTP/1.1\r\n" HOST JSON "Content-Length: 9\r\n\r\n{",
		"GET /te",
		"P",
	};

	(void)state;
	world.router.mode = FAKE_ROUTER_HOLD;
	for (size_t i = 0; i < COUNT_OF(clients); i++) {
		raw_open(&clients[i], &world, FRONT_INGRESS);
		raw_send(&clients[i], span_from_str(requests[i]));
	}
	front_world_wait(&world, has_held, NULL);
	front_world_pass(&world, 10);
	front_close(world.front);
	world.front = NULL;
	assert_int_equal(world.router.cancelled, 1);
	for (size_t i = 0; i < COUNT_OF(clients); i++) {
		raw_wait_closed(&clients[i]);
		raw_close(&clients[i]);
	}
}

#define FRONT_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
#define SHORT_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up_short, tear_down)
#define FEW_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up_few, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SHORT_TEST(slow_head_is_cut),
		SHORT_TEST(slow_head_of_a_later_request_is_cut),
		SHORT_TEST(slow_body_is_cut_by_the_request_deadline),
		SHORT_TEST(late_body_gets_504),
		SHORT_TEST(silent_body_is_cut),
		SHORT_TEST(stalled_prefixes_cost_no_cpu_and_are_swept),
		FRONT_TEST(endless_chunk_extension_costs_no_cpu),
		FEW_TEST(connections_are_limited),
		FEW_TEST(requests_are_limited),
		FRONT_TEST(admin_pages),
		FRONT_TEST(drain_lets_running_calls_finish),
		FRONT_TEST(close_cuts_what_is_left),
	};

	return cmocka_run_group_tests_name("front/limits", tests, NULL, NULL);
}
