/* The router between an exchange of the test's own and a real table, over a function in the same
 * loop and a journal in memory. */
#include "src/router/router.h"

#include <stdio.h>
#include <string.h>

#include "proto/wire.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/entity/entity_budget.h"
#include "src/entity/entity_table.h"
#include "src/grpc/grpc_call.h"
#include "src/router/exchange.h"
#include "src/runtime/address.h"
#include "src/runtime/loop.h"
#include "src/userfn/api.h"
#include "src/userfn/userfn.h"
#include "tests/fakes/fake_function.h"
#include "tests/fakes/fake_journal.h"
#include "tests/unit/unit.h"

#define WAIT_NS (10 * NS_PER_S)

/* A front that plays one call from a list of messages. */
struct fake_exchange {
	struct exchange base;
	struct loop *loop;
	struct loop_task give;
	const struct span *messages;
	size_t message_count;
	size_t given;
	bool never_ends; /* the half-close does not come */
	bool is_inside;	 /* within router_accept or a handler callback: nothing may come back */
	enum status send_status;
	/* what the router did */
	unsigned reads;
	unsigned sends;
	unsigned finishes;
	enum status code;
	char message[256];
	char payload[32];
	size_t payload_len;
	char header[32];     /* value of x-a */
	char bin_header[32]; /* value of x-b-bin */
	size_t header_count;
	char field[64]; /* of a BadRequest */
	bool has_retry_info;
};

struct fixture {
	struct loop *loop;
	struct metrics *metrics;
	struct fake_function function;
	struct fake_journal *journal;
	struct userfn *userfn;
	struct entity_budget *budget;
	struct entity_table *table;
	struct router *router;
	unsigned want;
};

static struct fake_exchange *fake_of(const struct exchange *exchange)
{
	return container_of(exchange, struct fake_exchange, base);
}

static void give(void *data)
{
	struct fake_exchange *e = data;

	if (e->given < e->message_count) {
		struct span message = e->messages[e->given++];

		e->base.handler->on_message(&e->base, e->base.handler_data, message);
	} else if (!e->never_ends) {
		e->base.handler->on_half_close(&e->base, e->base.handler_data);
	}
}

static void fake_read(struct exchange *exchange)
{
	struct fake_exchange *e = fake_of(exchange);

	e->reads++;
	loop_task_schedule(e->loop, &e->give);
}

static void fake_set_headers(struct exchange *exchange, const struct metadata *headers)
{
	struct fake_exchange *e = fake_of(exchange);

	assert_int_equal(e->sends, 0);
	e->header_count = headers->count;
	(void)snprintf(e->header, sizeof(e->header), "%.*s",
		       SPAN_FMT(metadata_get(headers, "x-a")));
	(void)snprintf(e->bin_header, sizeof(e->bin_header), "%.*s",
		       SPAN_FMT(metadata_get(headers, "x-b-bin")));
}

static enum status fake_send(struct exchange *exchange, struct span message)
{
	struct fake_exchange *e = fake_of(exchange);

	e->sends++;
	e->payload_len = message.len;
	assert_true(message.len <= sizeof(e->payload));
	if (message.len)
		memcpy(e->payload, message.data, message.len);
	return e->send_status;
}

static size_t fake_unsent(const struct exchange *exchange)
{
	(void)exchange;
	return 0;
}

/* google.rpc.Status: details at 3, each an Any; BadRequest: violations at 1, their field at 1. */
static void read_details(struct fake_exchange *e, struct span details)
{
	struct wire_field any;
	struct wire_field url;
	struct wire_field value;

	if (!wire_find_last(details, 3, WIRE_BYTES, &any) ||
	    !wire_find_last(any.bytes, 1, WIRE_BYTES, &url) ||
	    !wire_find_last(any.bytes, 2, WIRE_BYTES, &value))
		return;
	e->has_retry_info =
		span_eq(url.bytes, SPAN_LIT("type.googleapis.com/google.rpc.RetryInfo"));
	if (span_eq(url.bytes, SPAN_LIT("type.googleapis.com/google.rpc.BadRequest")) &&
	    wire_find_last(value.bytes, 1, WIRE_BYTES, &value) &&
	    wire_find_last(value.bytes, 1, WIRE_BYTES, &value))
		(void)snprintf(e->field, sizeof(e->field), "%.*s", SPAN_FMT(value.bytes));
}

static void fake_finish(struct exchange *exchange, const struct grpc_status *status)
{
	struct fake_exchange *e = fake_of(exchange);

	assert_false(e->is_inside);
	e->finishes++;
	e->code = status->code;
	(void)snprintf(e->message, sizeof(e->message), "%.*s", SPAN_FMT(status->message));
	read_details(e, status->details);
	loop_task_cancel(&e->give);
}

static const struct exchange_front_ops front_ops = {
	.read = fake_read,
	.set_headers = fake_set_headers,
	.send = fake_send,
	.unsent = fake_unsent,
	.finish = fake_finish,
};

static void on_change(void *data)
{
	(void)data;
}

static bool is_ready(void *data)
{
	struct fixture *f = data;

	return userfn_is_ready(f->userfn, NULL);
}

static bool has_commands(void *data)
{
	struct fixture *f = data;

	return f->function.commands >= f->want;
}

static bool has_reports(void *data)
{
	struct fixture *f = data;

	return f->function.reports >= f->want;
}

static bool is_finished(void *data)
{
	struct fake_exchange *e = data;

	return e->finishes > 0;
}

static bool is_unused(void *data)
{
	struct fixture *f = data;

	return entity_table_queued(f->table) == 0 && fake_journal_pending(f->journal) == 0;
}

static bool has_released(void *data)
{
	struct fixture *f = data;

	return fake_journal_release(f->journal) > 0;
}

static void wait_until(struct fixture *f, bool (*is_done)(void *), void *data)
{
	assert_true(loop_run_until(f->loop, is_done, data, clock_mono_ns() + WAIT_NS));
}

static int set_up(void **state)
{
	struct fixture *f = mem_new(struct fixture);
	struct entity_limits limits = entity_limits_default();
	struct entity_budget_limits budget_limits = entity_budget_limits_default();
	struct address address = {.host = "127.0.0.1"};
	struct userfn_params params = {
		.address = &address,
		.backoff_min_ms = 5,
		.backoff_max_ms = 20,
		.refused_retry_ms = 20,
		.discover_timeout_ms = 2000,
		.max_message_bytes = 12 * 1024 * 1024,
	};
	struct error err;

	log_set_level(LOG_OFF);
	limits.queue_max = 2;
	assert_int_equal(loop_new(&f->loop, &err), ST_OK);
	f->metrics = metrics_new();
	fake_function_init(&f->function, f->loop, 2, 0);
	address.port = f->function.port;
	f->userfn = userfn_open(f->loop, &params, on_change, f);
	f->journal = fake_journal_new(f->loop);
	wait_until(f, is_ready, f);
	f->budget = entity_budget_new(f->loop, f->userfn, &budget_limits);
	f->table = entity_table_new(f->budget, fake_journal_base(f->journal), f->metrics, &limits);
	f->router = router_new(f->loop, f->userfn, f->table, f->metrics, NULL);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	router_free(f->router);
	entity_table_free(f->table);
	entity_budget_free(f->budget);
	journal_close(fake_journal_base(f->journal));
	userfn_close(f->userfn);
	fake_function_fini(&f->function);
	metrics_free(f->metrics);
	loop_free(f->loop);
	mem_free(f);
	return 0;
}

static void call(struct fixture *f, struct fake_exchange *e, const char *path,
		 const struct span *messages, size_t count)
{
	static const struct metadata no_metadata;

	e->base = (struct exchange){
		.front = &front_ops,
		.method = api_find(userfn_api(f->userfn), span_from_str(path)),
		.metadata = &no_metadata,
		.deadline_ns = DEADLINE_NEVER,
		.protocol = "grpc",
		.peer = "test",
	};
	e->loop = f->loop;
	e->messages = messages;
	e->message_count = count;
	loop_task_init(&e->give, give, e);
	e->is_inside = true;
	router_accept(f->router, &e->base);
	e->is_inside = false;
}

/* test.Amount { id } in front of key. */
static struct span amount(const char *key, char wire[64])
{
	size_t len = strlen(key);

	(void)snprintf(wire, 64, "\x0a%c%s", (char)len, key);
	return span_make(wire, len + 2);
}

static int64_t requests(struct fixture *f, const char *path, const char *code)
{
	struct metrics_label labels[] = {{"method", span_from_str(path)},
					 {"protocol", SPAN_LIT("grpc")},
					 {"code", span_from_str(code)}};

	return metrics_value(metrics_series(f->metrics, METRIC_REQUESTS, labels, 3));
}

static int64_t followups(struct fixture *f, const char *kind, const char *outcome)
{
	struct metrics_label labels[] = {{"kind", span_from_str(kind)},
					 {"outcome", span_from_str(outcome)}};

	return metrics_value(metrics_series(f->metrics, METRIC_FOLLOWUPS, labels, 2));
}

static void replies_and_failures(void **state)
{
	static const struct {
		const char *key;
		const char *path;
		enum status code;
		const char *message;
		unsigned sends;
		unsigned reports;
		const char *report; /* a part of it */
	} rows[] = {
		{"a", "/test.Counter/Increase", ST_OK, "", 1, 0, ""},
		{"a", "/test.Counter/Get", ST_OK, "", 1, 0, ""},
		{"fail", "/test.Counter/Increase", ST_UNKNOWN, "no", 0, 0, ""},
		{"coded", "/test.Counter/Get", ST_NOT_FOUND, "who", 0, 0, ""},
		{"broken", "/test.Counter/Increase", ST_UNKNOWN, "Unexpected entity failure", 0, 1,
		 "broken"},
		{"empty", "/test.Counter/Get", ST_INTERNAL,
		 "the user function replied without a payload", 0, 0, ""},
		{"forward", "/test.Counter/Get", ST_INVALID_ARGUMENT,
		 "the entity key \"id\" is empty", 0, 0, ""},
		{"effect", "/test.Counter/Get", ST_OK, "", 1, 2,
		 "Service [test.Counter] does not have a command named: []\n"
		 "  side-effect of test.Counter.Get"},
		{"type", "/test.Counter/Get", ST_OK, "", 1, 1,
		 "Warning: test.Counter.Get: Expected reply type_url to be "
		 "[type.googleapis.com/test.Amount] but was [type.googleapis.com/test.Other]."},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		unsigned reports = f->function.reports;
		struct fake_exchange e = {0};
		char wire[64];
		struct span message = amount(rows[i].key, wire);

		call(f, &e, rows[i].path, &message, 1);
		assert_int_equal(router_active(f->router), 1);
		wait_until(f, is_finished, &e);
		UNIT_ROW(rows[i].key, e.code == rows[i].code);
		UNIT_ROW_SPAN(rows[i].key, span_from_str(e.message), rows[i].message);
		UNIT_ROW(rows[i].key, e.sends == rows[i].sends);
		UNIT_ROW(rows[i].key, e.finishes == 1);
		f->want = reports + rows[i].reports;
		wait_until(f, has_reports, f);
		UNIT_ROW(rows[i].key,
			 !rows[i].reports || strstr(f->function.last_report, rows[i].report));
	}
	assert_int_equal(router_active(f->router), 0);
	assert_int_equal(requests(f, "/test.Counter/Get", "OK"), 3);
	assert_int_equal(requests(f, "/test.Counter/Get", "NOT_FOUND"), 1);
	assert_int_equal(requests(f, "/test.Counter/Increase", "UNKNOWN"), 2);
	assert_int_equal(metrics_value(metrics_series(f->metrics, METRIC_REQUESTS_ACTIVE, NULL, 0)),
			 0);
	assert_int_equal(followups(f, "effect", "refused"), 2);
	assert_int_equal(followups(f, "forward", "started"), 1);
}

/* function.reply_type: refuse */
static void replies_of_another_type_may_be_refused(void **state)
{
	static const struct {
		const char *key;
		enum status code;
		const char *message;
		unsigned sends;
		unsigned reports;
	} rows[] = {
		{"a", ST_OK, "", 1, 0},
		{"type", ST_INTERNAL, "the user function replied with a message of another type", 0,
		 1},
	};
	const struct router_limits limits = {
		.actions = action_limits_default(),
		.followups = followup_limits_default(),
		.refuses_types = true,
	};
	struct fixture *f = *state;

	router_free(f->router);
	f->router = router_new(f->loop, f->userfn, f->table, f->metrics, &limits);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct fake_exchange e = {0};
		char wire[64];
		struct span message = amount(rows[i].key, wire);

		call(f, &e, "/test.Counter/Get", &message, 1);
		wait_until(f, is_finished, &e);
		UNIT_ROW(rows[i].key, e.code == rows[i].code);
		UNIT_ROW_SPAN(rows[i].key, span_from_str(e.message), rows[i].message);
		UNIT_ROW(rows[i].key, e.sends == rows[i].sends);
		f->want = rows[i].reports;
		wait_until(f, has_reports, f);
	}
}

static void bad_requests(void **state)
{
	static const struct span none[1];
	static const struct span two[] = {SPAN_LIT("\x0a\x01"
						   "a"),
					  SPAN_LIT("\x0a\x01"
						   "a")};
	static const struct span no_key[] = {SPAN_LIT("")};
	static const struct span malformed[] = {SPAN_LIT("\x0a\x05")};
	static const struct {
		const char *name;
		const struct span *messages;
		size_t count;
		const char *message;
		const char *field;
	} rows[] = {
		{"no message", none, 0, "a unary call has one message, not none", ""},
		{"two messages", two, 2, "a unary call has one message, not several", ""},
		{"no key", no_key, 1, "the entity key \"id\" is empty", "id"},
		{"malformed", malformed, 1, "the message is not a well-formed test.Amount", ""},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct fake_exchange e = {0};

		call(f, &e, "/test.Counter/Increase", rows[i].messages, rows[i].count);
		wait_until(f, is_finished, &e);
		UNIT_ROW(rows[i].name, e.code == ST_INVALID_ARGUMENT);
		UNIT_ROW_SPAN(rows[i].name, span_from_str(e.message), rows[i].message);
		UNIT_ROW_SPAN(rows[i].name, span_from_str(e.field), rows[i].field);
	}
	/* none of them had an effect */
	assert_int_equal(f->function.commands, 0);
	assert_int_equal(entity_table_active(f->table), 0);
}

static void metadata_become_headers(void **state)
{
	struct fixture *f = *state;
	struct fake_exchange e = {0};
	char wire[64];
	struct span message = amount("meta", wire);

	call(f, &e, "/test.Counter/Get", &message, 1);
	wait_until(f, is_finished, &e);
	assert_int_equal(e.code, ST_OK);
	assert_string_equal(e.header, "one");
	assert_string_equal(e.bin_header, "\x01\x02");
	/* content-type and a value with a line break were left out */
	assert_int_equal(e.header_count, 2);
}

static void limits_say_when_to_try_again(void **state)
{
	struct fixture *f = *state;
	struct fake_exchange e[4] = {{{0}}};
	char wire[64];
	struct span message = amount("hang", wire);

	call(f, &e[0], "/test.Counter/Get", &message, 1);
	f->want = 1;
	wait_until(f, has_commands, f);
	for (size_t i = 1; i < 4; i++)
		call(f, &e[i], "/test.Counter/Get", &message, 1);
	wait_until(f, is_finished, &e[3]);
	assert_int_equal(e[3].code, ST_RESOURCE_EXHAUSTED);
	assert_true(e[3].has_retry_info);
	for (size_t i = 0; i < 3; i++)
		e[i].base.handler->on_cancelled(&e[i].base, e[i].base.handler_data, ST_CANCELLED);
	/* the one that the function has goes on */
	assert_int_equal(router_active(f->router), 1);
}

static void cancelled_calls_are_forgotten(void **state)
{
	struct fixture *f = *state;
	struct journal_key key = {SPAN_LIT("counter"), SPAN_LIT("a")};
	struct fake_journal_step held = {.outcome = FAKE_JOURNAL_AS_IS, .is_held = true};
	struct fake_exchange e = {0};
	struct fake_exchange early = {.never_ends = true};
	char wire[64];
	struct span message = amount("a", wire);

	call(f, &early, "/test.Counter/Increase", &message, 1);
	fake_journal_script(f->journal, FAKE_JOURNAL_APPEND, &held);
	call(f, &e, "/test.Counter/Increase", &message, 1);
	f->want = 1;
	wait_until(f, has_commands, f);
	e.base.handler->on_cancelled(&e.base, e.base.handler_data, ST_DEADLINE_EXCEEDED);
	loop_task_cancel(&early.give);
	early.base.handler->on_cancelled(&early.base, early.base.handler_data, ST_CANCELLED);
	assert_int_equal(router_active(f->router), 1); /* what it asks for has to follow */
	wait_until(f, has_released, f);
	wait_until(f, is_unused, f);
	/* its event is kept; the call that never ended its half had no effect */
	assert_int_equal(fake_journal_head(f->journal, &key).sequence, 1);
	assert_int_equal(e.finishes + early.finishes, 0);
	assert_int_equal(requests(f, "/test.Counter/Increase", "DEADLINE_EXCEEDED"), 1);
	assert_int_equal(requests(f, "/test.Counter/Increase", "CANCELLED"), 1);
}

static void replies_that_cannot_be_sent(void **state)
{
	struct fixture *f = *state;
	struct fake_exchange e = {.send_status = ST_RESOURCE_EXHAUSTED};
	char wire[64];
	struct span message = amount("a", wire);

	call(f, &e, "/test.Counter/Get", &message, 1);
	wait_until(f, is_finished, &e);
	assert_int_equal(e.code, ST_RESOURCE_EXHAUSTED);
	assert_string_equal(e.message, "the reply cannot be sent");
}

static void free_forgets_running_calls(void **state)
{
	struct fixture *f = *state;
	struct fake_exchange e = {0};
	char wire[64];
	struct span message = amount("hang", wire);

	call(f, &e, "/test.Counter/Get", &message, 1);
	f->want = 1;
	wait_until(f, has_commands, f);
	router_free(f->router);
	f->router = NULL;
	entity_table_free(f->table);
	f->table = NULL;
	assert_int_equal(e.finishes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(replies_and_failures),
		TEST(replies_of_another_type_may_be_refused),
		TEST(bad_requests),
		TEST(metadata_become_headers),
		TEST(limits_say_when_to_try_again),
		TEST(cancelled_calls_are_forgotten),
		TEST(replies_that_cannot_be_sent),
		TEST(free_forgets_running_calls),
#undef TEST
	};

	return cmocka_run_group_tests_name("router/router", tests, NULL, NULL);
}
