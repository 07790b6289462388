#include "tests/fakes/crdt_world.h"

#include <stdio.h>
#include <string.h>

#include "proto/wire.h"
#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/runtime/address.h"
#include "src/runtime/loop.h"
#include "src/userfn/api.h"
#include "tests/unit/unit.h"

#define WAIT_NS (10 * NS_PER_S)

static void on_function_change(void *data)
{
	struct crdt_world_member *m = data;

	if (m->table)
		crdt_table_renew(m->table);
}

static void on_members_change(void *data)
{
	struct crdt_world_member *m = data;

	if (m->table)
		crdt_table_members_changed(m->table);
}

static bool is_ready(void *data)
{
	const struct crdt_world_member *m = data;

	return userfn_is_ready(m->userfn, NULL);
}

void crdt_world_wait(struct crdt_world *w, bool (*is_done)(void *), void *data)
{
	assert_true(loop_run_until(w->loop, is_done, data, clock_mono_ns() + WAIT_NS));
}

struct crdt_world *crdt_world_new(void)
{
	struct crdt_world *w = mem_new(struct crdt_world);
	struct error err;

	log_set_level(LOG_OFF);
	assert_int_equal(loop_new(&w->loop, &err), ST_OK);
	w->metrics = metrics_new();
	w->store = fake_crdt_store_new(w->loop);
	w->limits = crdt_limits_default();
	w->budget_limits = entity_budget_limits_default();
	w->limits.crash_backoff_min_ms = 2;
	w->limits.crash_backoff_max_ms = 20;
	return w;
}

struct crdt_world_member *crdt_world_add(struct crdt_world *w, int64_t passivation_ms)
{
	static const char *const names[] = {"a:1", "b:1", "c:1"};
	struct crdt_world_member *m = &w->members[w->member_count];
	struct address address = {.host = "127.0.0.1"};
	struct userfn_params params = {
		.address = &address,
		.backoff_min_ms = 5,
		.backoff_max_ms = 20,
		.refused_retry_ms = 20,
		.discover_timeout_ms = 2000,
		.max_message_bytes = 12 * 1024 * 1024,
	};
	struct crdt_table_params table = {
		.metrics = w->metrics,
		.limits = &w->limits,
	};

	m->w = w;
	crdt_function_init(&m->function, w->loop, passivation_ms);
	address.port = m->function.base.port;
	m->userfn = userfn_open(w->loop, &params, on_function_change, m);
	crdt_world_wait(w, is_ready, m);
	m->member = fake_crdt_member_new(w->store, names[w->member_count++], on_members_change, m);
	m->budget = entity_budget_new(w->loop, m->userfn, &w->budget_limits);
	table.budget = m->budget;
	table.log = fake_crdt_member_log(m->member);
	table.members = fake_crdt_member_members(m->member);
	m->table = crdt_table_new(&table);
	return m;
}

void crdt_world_remove(struct crdt_world_member *m)
{
	if (!m->table)
		return;
	assert_false(m->function.is_out_of_order);
	crdt_table_free(m->table);
	m->table = NULL;
	entity_budget_free(m->budget);
	userfn_close(m->userfn);
	crdt_function_fini(&m->function);
	fake_crdt_member_free(m->member);
}

void crdt_world_free(struct crdt_world *w)
{
	for (size_t i = 0; i < w->member_count; i++)
		crdt_world_remove(&w->members[i]);
	for (size_t i = 0; i < w->call_count; i++)
		assert_true(w->calls[i].is_over); /* each call ends */
	fake_crdt_store_free(w->store);
	metrics_free(w->metrics);
	loop_free(w->loop);
	mem_free(w);
}

static void on_reply(void *data, const struct entity_reply *reply, bool is_last)
{
	struct crdt_world_call *call = data;
	struct wire_field field;

	assert_false(call->is_over);
	call->is_over = is_last;
	call->effects += (unsigned)reply->effect_count;
	if (is_last)
		call->ticket = NULL;
	if (reply->action == ENTITY_FAILURE) {
		call->code = reply->code;
		(void)snprintf(call->message, sizeof(call->message), "%.*s",
			       SPAN_FMT(reply->message));
	} else if (reply->action == ENTITY_REPLY) {
		call->replies++;
		call->amount = wire_find_last(reply->payload, 2, WIRE_VARINT, &field)
				       ? (int64_t)field.integer
				       : 0;
	}
}

struct crdt_world_call *crdt_world_call(struct crdt_world_member *m, const char *method,
					const char *key, int64_t amount)
{
	struct crdt_world *w = m->w;
	struct crdt_world_call *call = &w->calls[w->call_count++];
	uint8_t payload[] = {0x10, (uint8_t)amount};
	char path[64];
	struct entity_command command = {
		.key = span_from_str(key),
		.payload = amount ? span_make(payload, sizeof(payload)) : SPAN_EMPTY,
		.metadata = w->metadata,
		.deadline_ns = DEADLINE_NEVER,
	};

	assert_true(w->call_count <= CRDT_WORLD_CALLS);
	(void)snprintf(path, sizeof(path), "/test.Shared/%s", method);
	command.method = api_find(userfn_api(m->userfn), span_from_str(path));
	assert_non_null(command.method);
	*call = (struct crdt_world_call){.w = w};
	call->ticket = crdt_table_submit(m->table, &command, on_reply, call);
	assert_false(call->is_over);
	return call;
}

void crdt_world_cancel(struct crdt_world_call *call)
{
	if (call->ticket && crdt_table_abandon(call->ticket)) {
		call->ticket = NULL;
		call->is_over = true;
	}
}

bool crdt_world_is_over(void *data)
{
	return ((const struct crdt_world_call *)data)->is_over;
}

int64_t crdt_world_ask(struct crdt_world_member *m, const char *method, const char *key)
{
	struct crdt_world_call *call = crdt_world_call(m, method, key, 0);
	int64_t amount;

	crdt_world_wait(m->w, crdt_world_is_over, call);
	if (call->code != ST_OK)
		fail_msg("%s of %s: %s", method, key, call->message);
	amount = call->amount;
	m->w->call_count--; /* its place is free again */
	return amount;
}

struct awaited {
	const struct crdt_world_call *call;
	const unsigned *counter;
	unsigned count;
	int64_t amount;
};

static bool has_replies(void *data)
{
	const struct awaited *awaited = data;

	return awaited->call->replies >= awaited->count;
}

static bool has_amount(void *data)
{
	const struct awaited *awaited = data;

	return awaited->call->replies > 0 && awaited->call->amount == awaited->amount;
}

static bool has_count(void *data)
{
	const struct awaited *awaited = data;

	return *awaited->counter >= awaited->count;
}

static bool is_asleep(void *data)
{
	const struct crdt_world_member *m = data;

	return crdt_table_active(m->table) == 0;
}

void crdt_world_wait_replies(struct crdt_world_call *call, unsigned replies)
{
	struct awaited awaited = {.call = call, .count = replies};

	crdt_world_wait(call->w, has_replies, &awaited);
}

void crdt_world_wait_amount(struct crdt_world_call *call, int64_t amount)
{
	struct awaited awaited = {.call = call, .amount = amount};

	crdt_world_wait(call->w, has_amount, &awaited);
}

void crdt_world_wait_count(struct crdt_world *w, const unsigned *counter, unsigned at_least)
{
	struct awaited awaited = {.counter = counter, .count = at_least};

	crdt_world_wait(w, has_count, &awaited);
}

void crdt_world_wait_asleep(struct crdt_world_member *m)
{
	crdt_world_wait(m->w, is_asleep, m);
}

void crdt_world_wait_converged(struct crdt_world *w, const char *key, int64_t amount)
{
	uint64_t deadline_ns = clock_mono_ns() + WAIT_NS;

	for (size_t i = 0; i < w->member_count; i++) {
		while (w->members[i].table && crdt_world_ask(&w->members[i], "Get", key) != amount)
			assert_true(clock_mono_ns() < deadline_ns);
	}
}

void crdt_world_is_failure(struct crdt_world_call *call, enum status code, const char *message)
{
	crdt_world_wait(call->w, crdt_world_is_over, call);
	assert_string_equal(call->message, message);
	assert_int_equal(call->code, code);
}
