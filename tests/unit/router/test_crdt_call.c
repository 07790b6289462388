/* Calls of CRDT entities between an exchange of the test's own and a real table, over a function in
 * the same loop. */
#include "src/router/router.h"

#include <stdio.h>
#include <string.h>

#include "proto/wire.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/grpc/grpc_call.h"
#include "src/router/exchange.h"
#include "src/runtime/loop.h"
#include "src/userfn/api.h"
#include "tests/fakes/crdt_world.h"
#include "tests/unit/unit.h"

struct fake_exchange {
	struct exchange base;
	struct crdt_world *w;
	struct loop_task give;
	uint8_t request[64];
	size_t request_len;
	bool has_given;
	size_t unsent;
	bool is_gone; /* cancelled by the test */
	unsigned sends;
	unsigned finishes;
	enum status code;
	char message[160];
	int64_t amount;
};

struct fixture {
	struct crdt_world *w;
	struct crdt_world_member *m;
	struct router *router;
};

static struct fake_exchange *fake_of(const struct exchange *exchange)
{
	return container_of(exchange, struct fake_exchange, base);
}

static void give(void *data)
{
	struct fake_exchange *e = data;
	struct exchange *base = &e->base;

	if (e->has_given) {
		base->handler->on_half_close(base, base->handler_data);
		return;
	}
	e->has_given = true;
	base->handler->on_message(base, base->handler_data, span_make(e->request, e->request_len));
}

static void fake_read(struct exchange *exchange)
{
	struct fake_exchange *e = fake_of(exchange);

	loop_task_schedule(e->w->loop, &e->give);
}

static void fake_set_headers(struct exchange *exchange, const struct metadata *headers)
{
	(void)exchange;
	(void)headers;
}

static enum status fake_send(struct exchange *exchange, struct span message)
{
	struct fake_exchange *e = fake_of(exchange);
	struct wire_field field;

	assert_false(e->is_gone || e->finishes);
	e->sends++;
	e->amount = wire_find_last(message, 2, WIRE_VARINT, &field) ? (int64_t)field.integer : 0;
	return ST_OK;
}

static size_t fake_unsent(const struct exchange *exchange)
{
	return fake_of(exchange)->unsent;
}

static void fake_finish(struct exchange *exchange, const struct grpc_status *status)
{
	struct fake_exchange *e = fake_of(exchange);

	assert_false(e->is_gone);
	e->finishes++;
	e->code = status->code;
	(void)snprintf(e->message, sizeof(e->message), "%.*s", SPAN_FMT(status->message));
}

static const struct exchange_front_ops front_ops = {
	.read = fake_read,
	.set_headers = fake_set_headers,
	.send = fake_send,
	.unsent = fake_unsent,
	.finish = fake_finish,
};

static struct fake_exchange *call(struct fixture *f, const char *method, const char *key,
				  int64_t amount)
{
	static const struct metadata no_metadata;
	struct fake_exchange *e = mem_new(struct fake_exchange);
	char path[64];
	int n;

	(void)snprintf(path, sizeof(path), "/test.Shared/%s", method);
	n = snprintf((char *)e->request, sizeof(e->request), "\x0a%c%s\x10%c", (int)strlen(key),
		     key, (int)amount);
	e->request_len = (size_t)n; /* an amount of 0 is its last byte all the same */
	e->w = f->w;
	e->base = (struct exchange){
		.front = &front_ops,
		.method = api_find(userfn_api(f->m->userfn), span_from_str(path)),
		.metadata = &no_metadata,
		.deadline_ns = DEADLINE_NEVER,
		.protocol = "grpc",
		.peer = "test",
	};
	loop_task_init(&e->give, give, e);
	router_accept(f->router, &e->base);
	return e;
}

static void cancel(struct fake_exchange *e)
{
	e->is_gone = true;
	e->base.handler->on_cancelled(&e->base, e->base.handler_data, ST_CANCELLED);
}

struct awaited {
	const struct fake_exchange *e;
	const struct router *router;
	unsigned sends;
	int64_t amount;
};

static bool has_finished(void *data)
{
	return ((const struct awaited *)data)->e->finishes > 0;
}

static bool has_sent(void *data)
{
	const struct awaited *awaited = data;

	return awaited->e->sends >= awaited->sends && awaited->e->amount == awaited->amount;
}

static bool is_idle(void *data)
{
	return router_active(((const struct awaited *)data)->router) == 0;
}

static void wait_finished(struct fixture *f, struct fake_exchange *e, enum status code,
			  const char *message)
{
	crdt_world_wait(f->w, has_finished, &(struct awaited){.e = e});
	assert_string_equal(e->message, message);
	assert_int_equal(e->code, code);
}

static void wait_sent(struct fixture *f, struct fake_exchange *e, unsigned sends, int64_t amount)
{
	crdt_world_wait(f->w, has_sent,
			&(struct awaited){.e = e, .sends = sends, .amount = amount});
}

static void wait_idle(struct fixture *f)
{
	crdt_world_wait(f->w, is_idle, &(struct awaited){.router = f->router});
}

static int set_up(void **state)
{
	struct fixture *f = mem_new(struct fixture);

	f->w = crdt_world_new();
	f->m = crdt_world_add(f->w, 0);
	f->router = router_new(f->w->loop, f->m->userfn, NULL, f->w->metrics, NULL);
	router_serve_crdts(f->router, f->m->table);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	router_free(f->router);
	crdt_world_free(f->w);
	mem_free(f);
	return 0;
}

static void test_unary(void **state)
{
	struct fixture *f = *state;
	struct fake_exchange *e = call(f, "Increase", "c", 0);

	wait_finished(f, e, ST_OK, "");
	assert_int_equal(e->sends, 1);
	assert_int_equal(e->amount, 1);
	mem_free(e);
	e = call(f, "Increase", "fail", 0);
	wait_finished(f, e, ST_UNKNOWN, "no");
	assert_int_equal(e->sends, 0);
	mem_free(e);
	wait_idle(f);
}

static void test_effect(void **state)
{
	struct fixture *f = *state;
	struct fake_exchange *e = call(f, "Increase", "effect", 0);

	wait_finished(f, e, ST_OK, "");
	crdt_world_wait_count(f->w, &f->m->function.commands, 2); /* Get of "other" */
	mem_free(e);
	wait_idle(f);
}

/* C-41: two streams, one of which leaves. */
static void test_presence(void **state)
{
	struct fixture *f = *state;
	struct fake_exchange *monitor = call(f, "Watch", "vote", 0);
	struct fake_exchange *connection;

	wait_sent(f, monitor, 1, 0);
	connection = call(f, "Watch", "vote", 1);
	wait_sent(f, monitor, 2, 1);
	cancel(connection);
	wait_sent(f, monitor, 3, 0);
	assert_int_equal(connection->sends, 0);
	cancel(monitor);
	wait_idle(f);
	assert_int_equal(f->m->function.cancels, 2);
	mem_free(monitor);
	mem_free(connection);
}

/* C-43: side effects in the answer to a cancellation run. */
static void test_effect_after_cancel(void **state)
{
	struct fixture *f = *state;
	struct fake_exchange *e = call(f, "Watch", "goodbye", 0);

	wait_sent(f, e, 1, 0);
	cancel(e);
	wait_idle(f);
	crdt_world_wait_count(f->w, &f->m->function.commands, 2);
	crdt_world_wait_converged(f->w, "other", 1);
	mem_free(e);
}

/* C-33: a client that does not read loses its call; others and the entity do not notice. */
static void test_client_does_not_read(void **state)
{
	struct fixture *f = *state;
	struct fake_exchange *e = call(f, "Watch", "flood", 0);

	e->unsent = EXCHANGE_UNSENT_HIGH + 1;
	wait_finished(f, e, ST_RESOURCE_EXHAUSTED, "the client does not read the replies");
	assert_int_equal(e->sends, 0);
	crdt_world_wait_count(f->w, &f->m->function.cancels, 1);
	wait_idle(f);
	assert_int_equal(crdt_world_ask(f->m, "Get", "flood"), 0);
	mem_free(e);
}

/* One that reads late gets what was kept, in order, and the end after it. */
static void test_client_reads_late(void **state)
{
	struct fixture *f = *state;
	struct fake_exchange *e = call(f, "Watch", "late", 3);
	struct fake_exchange *other;

	wait_sent(f, e, 1, 0);
	e->unsent = EXCHANGE_UNSENT_HIGH + 1;
	for (int i = 0; i < 3; i++)
		crdt_world_ask(f->m, "Increase", "late");
	other = call(f, "Get", "late", 0);
	wait_finished(f, other, ST_OK, "");
	assert_int_equal(e->sends, 1);
	assert_int_equal(e->finishes, 0);
	e->unsent = 0;
	e->base.handler->on_drained(&e->base, e->base.handler_data);
	assert_int_equal(e->sends, 4);
	wait_finished(f, e, ST_OK, "");
	mem_free(e);
	mem_free(other);
}

static void test_flood(void **state)
{
	struct fixture *f = *state;
	struct fake_exchange *e = call(f, "Watch", "flood", 0);

	wait_sent(f, e, 301, 0);
	cancel(e);
	wait_idle(f);
	mem_free(e);
}

/* For a shutdown: streams end in order, and the function is told. */
static void test_end_streams(void **state)
{
	struct fixture *f = *state;
	struct fake_exchange *e = call(f, "Watch", "c", 0);
	struct fake_exchange *late;

	wait_sent(f, e, 1, 0);
	router_end_streams(f->router);
	wait_finished(f, e, ST_OK, "");
	late = call(f, "Watch", "c", 0);
	wait_finished(f, late, ST_OK, "");
	assert_int_equal(late->sends, 1);
	wait_idle(f);
	assert_int_equal(f->m->function.cancels, 2);
	mem_free(e);
	mem_free(late);
}

static void test_cut_off(void **state)
{
	struct fixture *f = *state;
	struct fake_exchange *e = call(f, "Watch", "c", 0);
	struct fake_exchange *gone = call(f, "Watch", "deaf", 0);

	wait_sent(f, e, 1, 0);
	wait_sent(f, gone, 1, 0);
	cancel(gone);
	router_free(f->router);
	f->router = NULL;
	assert_int_equal(e->finishes, 0);
	mem_free(e);
	mem_free(gone);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(unary),
		TEST(effect),
		TEST(presence),
		TEST(effect_after_cancel),
		TEST(client_does_not_read),
		TEST(client_reads_late),
		TEST(flood),
		TEST(end_streams),
		TEST(cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
