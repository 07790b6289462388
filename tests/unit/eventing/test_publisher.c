/* Replies that are published before they are answered: a client in memory, a handler that is the
 * test, a feed that answers in the next turn. */
#include "src/eventing/publisher.h"

#include <stdio.h>
#include <string.h>

#include "proto/schema.h"
#include "src/base/clock.h"
#include "src/grpc/grpc_call.h"
#include "src/grpc/metadata.h"
#include "src/router/exchange.h"
#include "src/runtime/loop.h"
#include "src/userfn/api.h"
#include "tests/fakes/fake_feed.h"
#include "tests/unit/unit.h"

#define WAIT_NS ((uint64_t)5 * NS_PER_S)

static struct loop *loop;
static struct fake_feed fake;
static struct publisher *publisher;
static char seen[256]; /* by the client */
static bool is_over;

static struct message output = {.full_name = SPAN_LIT("a.B")};
static struct method schema = {.output = &output, .server_streaming = true};
static struct service service_schema = {.full_name = SPAN_LIT("a.Service")};
static struct api api = {.refs_ = 1};
static struct api_service service = {.schema = &service_schema, .api = &api};
static struct api_method method = {
	.schema = &schema,
	.service = &service,
	.has_eventing = true,
	.eventing = {.has_out = true, .topic_out = SPAN_LIT("news")},
};
static const struct metadata nothing;

static enum status client_send(struct exchange *exchange, struct span message)
{
	size_t len = strlen(seen);

	(void)exchange;
	(void)snprintf(seen + len, sizeof(seen) - len, "%.*s ", SPAN_FMT(message));
	return ST_OK;
}

static size_t client_unsent(const struct exchange *exchange)
{
	(void)exchange;
	return 0;
}

static void client_finish(struct exchange *exchange, const struct grpc_status *status)
{
	size_t len = strlen(seen);

	(void)exchange;
	(void)snprintf(seen + len, sizeof(seen) - len, "%s", status_name(status->code));
	is_over = true;
}

static const struct exchange_front_ops client = {
	.send = client_send,
	.unsent = client_unsent,
	.finish = client_finish,
};

static const struct exchange_handler_ops handler;

static bool is_done(void *data)
{
	(void)data;
	return is_over;
}

/* "one" and "two" are sent and the call ends with code, all in one turn. */
static void run(enum status code, bool is_away)
{
	struct exchange outer = {
		.front = &client,
		.method = &method,
		.metadata = &nothing,
		.protocol = "grpc",
		.deadline_ns = DEADLINE_NEVER,
	};
	const struct grpc_status status = {.code = code};
	struct exchange *inner = publisher_wrap(publisher, &outer);

	seen[0] = 0;
	is_over = false;
	fake.is_away = is_away;
	assert_ptr_not_equal(inner, &outer);
	inner->handler = &handler;
	assert_int_equal(inner->front->send(inner, SPAN_LIT("one")), ST_OK);
	assert_int_equal(inner->front->send(inner, SPAN_LIT("two")), ST_OK);
	exchange_finish(inner, &status);
	assert_string_equal(seen, "");
	assert_true(loop_run_until(loop, is_done, NULL, clock_deadline(clock_mono_ns(), WAIT_NS)));
}

static void the_end_of_a_call_comes_after_its_replies(void **state)
{
	static const struct {
		const char *name;
		enum status code;
		bool is_away;
		const char *seen;
	} rows[] = {
		{"published", ST_OK, false, "one two OK"},
		{"an error after replies", ST_ABORTED, false, "one two ABORTED"},
		{"not published", ST_OK, true, "UNAVAILABLE"},
		{"neither", ST_ABORTED, true, "UNAVAILABLE"},
	};
	struct error err;

	(void)state;
	assert_int_equal(loop_new(&loop, &err), ST_OK);
	fake_feed_init(&fake, loop);
	publisher = publisher_new(&(struct publisher_params){
		.loop = loop, .feed = fake_feed_base(&fake), .length_max = 10});
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		run(rows[i].code, rows[i].is_away);
		UNIT_ROW(rows[i].name, strcmp(seen, rows[i].seen) == 0);
	}
	publisher_free(publisher);
	assert_int_equal(api.refs_, 1);
	assert_int_equal(fake.requests, 0);
	loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_end_of_a_call_comes_after_its_replies),
	};

	return cmocka_run_group_tests_name("eventing/publisher", tests, NULL, NULL);
}
