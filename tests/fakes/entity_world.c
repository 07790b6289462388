#include "tests/fakes/entity_world.h"

#include <stdio.h>
#include <string.h>

#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/runtime/address.h"
#include "src/runtime/loop.h"
#include "src/userfn/api.h"
#include "tests/fakes/fake_spec.h"
#include "tests/unit/unit.h"

static void on_change(void *data)
{
	struct entity_world *f = data;

	if (f->table)
		entity_table_renew(f->table);
}

bool entity_world_is_ready(void *data)
{
	struct entity_world *f = data;

	return userfn_is_ready(f->userfn, NULL);
}

void entity_world_wait_for(struct entity_world *f, bool (*is_done)(void *))
{
	assert_true(loop_run_until(f->loop, is_done, f, clock_mono_ns() + WAIT_NS));
}

static struct entity_world *set_up(bool is_value, int32_t minor, int64_t passivation_ms)
{
	struct entity_world *f = mem_new(struct entity_world);
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
	assert_int_equal(loop_new(&f->loop, &err), ST_OK);
	f->metrics = metrics_new();
	fake_function_init(&f->function, f->loop, minor, passivation_ms);
	if (is_value) {
		buf_reset(&f->function.spec);
		fake_spec_value_counter(passivation_ms, &f->function.spec);
	}
	address.port = f->function.port;
	f->userfn = userfn_open(f->loop, &params, on_change, f);
	f->journal = fake_journal_new(f->loop);
	f->limits = entity_limits_default();
	f->budget_limits = entity_budget_limits_default();
	f->limits.crash_backoff_min_ms = 2;
	f->limits.crash_backoff_max_ms = 20;
	entity_world_wait_for(f, entity_world_is_ready);
	return f;
}

struct entity_world *entity_world_set_up_with(int32_t minor, int64_t passivation_ms)
{
	return set_up(false, minor, passivation_ms);
}

struct entity_world *entity_world_set_up_value(int64_t passivation_ms)
{
	return set_up(true, 2, passivation_ms);
}

/* Limits may be changed until here. */
void entity_world_open_table(struct entity_world *f)
{
	entity_budget_free(f->budget); /* of a table before */
	f->budget = entity_budget_new(f->loop, f->userfn, &f->budget_limits);
	f->table =
		entity_table_new(f->budget, fake_journal_base(f->journal), f->metrics, &f->limits);
}

int entity_world_set_up(void **state)
{
	*state = entity_world_set_up_with(2, 0);
	entity_world_open_table(*state);
	return 0;
}

int entity_world_set_up_closed(void **state)
{
	*state = entity_world_set_up_with(2, 0);
	return 0;
}

int entity_world_set_up_0_1(void **state)
{
	*state = entity_world_set_up_with(1, 0);
	entity_world_open_table(*state);
	return 0;
}

int entity_world_set_up_short_sleep(void **state)
{
	*state = entity_world_set_up_with(2, 30);
	entity_world_open_table(*state);
	return 0;
}

int entity_world_tear_down(void **state)
{
	struct entity_world *f = *state;

	assert_false(f->function.is_out_of_order);
	entity_table_free(f->table);
	entity_budget_free(f->budget);
	journal_close(fake_journal_base(f->journal));
	userfn_close(f->userfn);
	fake_function_fini(&f->function);
	metrics_free(f->metrics);
	loop_free(f->loop);
	for (size_t i = 0; i < f->calls; i++)
		assert_true(f->seen[i].replies <= 1);
	mem_free(f);
	return 0;
}

void entity_world_on_reply(void *data, const struct entity_reply *reply)
{
	struct entity_world_call *seen = data;

	seen->replies++;
	seen->ticket = NULL;
	seen->order = ++seen->f->replies;
	seen->action = reply->action;
	seen->code = reply->code;
	seen->retry_after_ms = reply->retry_after_ms;
	seen->effects = reply->effect_count;
	seen->sequence = reply->sequence;
	seen->is_replayed = reply->is_replayed;
	seen->is_keyed = reply->is_keyed;
	if (reply->command_id)
		seen->id = *reply->command_id;
	(void)snprintf(seen->reason, sizeof(seen->reason), "%s",
		       reply->reason ? reply->reason : "");
	(void)snprintf(seen->message, sizeof(seen->message), "%.*s", SPAN_FMT(reply->message));
	seen->payload_len = reply->payload.len;
	if (reply->payload.len && reply->payload.len <= sizeof(seen->payload))
		memcpy(seen->payload, reply->payload.data, reply->payload.len);
}

static struct entity_world_call *submit(struct entity_world *f, const char *path,
					struct entity_command *command)
{
	struct entity_world_call *seen = &f->seen[f->calls++];

	command->method = api_find(userfn_api(f->userfn), span_from_str(path));
	assert_true(f->calls <= CALLS_MAX);
	seen->f = f;
	seen->ticket = entity_table_submit(f->table, command, entity_world_on_reply, seen);
	assert_int_equal(seen->replies, 0);
	return seen;
}

struct entity_world_call *entity_world_submit_with(struct entity_world *f, const char *path,
						   const char *key, struct span payload,
						   uint64_t deadline_ns)
{
	return submit(f, path,
		      &(struct entity_command){.key = span_from_str(key),
					       .payload = payload,
					       .deadline_ns = deadline_ns});
}

struct entity_world_call *entity_world_submit_again(struct entity_world *f, const char *path,
						    const char *key, struct span payload,
						    const char *key_text,
						    const struct journal_id *id)
{
	return submit(f, path,
		      &(struct entity_command){.key = span_from_str(key),
					       .payload = payload,
					       .deadline_ns = DEADLINE_NEVER,
					       .idempotency_key = span_from_str(key_text),
					       .id = id,
					       .is_resent = id != NULL});
}

struct entity_world_call *entity_world_increase(struct entity_world *f, const char *key)
{
	return entity_world_submit_with(f, "/test.Counter/Increase", key, SPAN_LIT("\x10\x01"),
					DEADLINE_NEVER);
}

struct entity_world_call *entity_world_get(struct entity_world *f, const char *key)
{
	return entity_world_submit_with(f, "/test.Counter/Get", key, SPAN_EMPTY, DEADLINE_NEVER);
}

bool entity_world_all_replied(void *data)
{
	struct entity_world *f = data;

	return f->replies == f->calls;
}

bool entity_world_some_replied(void *data)
{
	struct entity_world *f = data;

	return f->replies >= f->want;
}

bool entity_world_nobody_awake(void *data)
{
	struct entity_world *f = data;

	return entity_table_active(f->table) == 0;
}

bool entity_world_has_commands(void *data)
{
	struct entity_world *f = data;

	return f->function.commands >= f->want;
}

bool entity_world_has_reports(void *data)
{
	struct entity_world *f = data;

	return f->function.reports >= f->want;
}

bool entity_world_has_released(void *data)
{
	struct entity_world *f = data;

	return fake_journal_release(f->journal) > 0;
}

struct journal_key entity_world_key_of(const char *id)
{
	return (struct journal_key){SPAN_LIT("counter"), span_from_str(id)};
}

/* Field 2 of test.Amount, below 128. */
unsigned entity_world_amount_of(const struct entity_world_call *seen)
{
	if (seen->payload_len != 2 || seen->payload[0] != 0x10)
		fail_msg("no amount, code %s: %s", status_name(seen->code), seen->message);
	return (unsigned)seen->payload[1];
}

void entity_world_is_failure(const struct entity_world_call *seen, enum status code,
			     const char *message)
{
	assert_int_equal(seen->replies, 1);
	assert_int_equal(seen->action, ENTITY_FAILURE);
	assert_string_equal(seen->message, message);
	assert_int_equal(seen->code, code);
}
