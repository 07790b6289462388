/* Entities over a real connection to a function in the same loop and a journal in memory: what
 * usually happens, limits, sleep and the end. test_entity_failures.c has what goes wrong. */
#include "src/entity/entity_table.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/runtime/loop.h"
#include "src/userfn/api.h"
#include "tests/fakes/entity_world.h"
#include "tests/fakes/fake_spec.h"
#include "tests/unit/unit.h"

/* ---- the usual ------------------------------------------------------------------------------ */

static void events_are_stored_and_answered(void **state)
{
	struct entity_world *f = *state;
	struct journal_key key = entity_world_key_of("a");
	struct entity_world_call *first = entity_world_increase(f, "a");
	struct entity_world_call *second = entity_world_increase(f, "a");
	struct entity_world_call *read = entity_world_get(f, "a");

	entity_world_wait_for(f, entity_world_all_replied);
	assert_int_equal(entity_world_amount_of(first), 1);
	assert_int_equal(entity_world_amount_of(second), 2);
	assert_int_equal(entity_world_amount_of(read), 2);
	assert_true(first->order < second->order && second->order < read->order);
	assert_int_equal(fake_journal_head(f->journal, &key).sequence, 2);
	UNIT_ROW_SPAN("stored as it is", fake_journal_event(f->journal, &key, 2).value, "\x10\x01");
	assert_int_equal(fake_journal_calls(f->journal, FAKE_JOURNAL_LOAD), 1);
	assert_int_equal(fake_journal_calls(f->journal, FAKE_JOURNAL_APPEND), 2);
	assert_int_equal(fake_journal_calls(f->journal, FAKE_JOURNAL_VERIFY), 1);
	assert_int_equal(f->function.last_id, 3);
}

/* A command that comes from another gateway keeps the id it got there. */
static void ids_of_commands_are_kept(void **state)
{
	static const struct journal_id id = {
		{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
	struct entity_world *f = *state;
	struct journal_key key = entity_world_key_of("a");
	struct entity_command command = {
		.method = api_find(userfn_api(f->userfn), SPAN_LIT("/test.Counter/Increase")),
		.key = SPAN_LIT("a"),
		.payload = SPAN_LIT("\x10\x01"),
		.deadline_ns = DEADLINE_NEVER,
		.id = &id,
	};
	struct entity_world_call *given = &f->seen[f->calls++];
	struct journal_id stored;

	given->f = f;
	given->ticket = entity_table_submit(f->table, &command, entity_world_on_reply, given);
	(void)entity_world_increase(f, "a");
	entity_world_wait_for(f, entity_world_all_replied);
	stored = fake_journal_command(f->journal, &key, 1);
	assert_memory_equal(stored.bytes, id.bytes, sizeof(id.bytes));
	stored = fake_journal_command(f->journal, &key, 2);
	assert_memory_not_equal(stored.bytes, id.bytes, sizeof(id.bytes));
}

static void entities_are_independent(void **state)
{
	struct entity_world *f = *state;
	struct entity_world_call *hang = entity_world_increase(f, "hang");
	struct entity_world_call *other = entity_world_increase(f, "b");

	f->want = 1;
	entity_world_wait_for(f, entity_world_some_replied);
	assert_int_equal(entity_world_amount_of(other), 1);
	assert_int_equal(hang->replies, 0);
	assert_int_equal(entity_table_active(f->table), 2);
}

static void no_reply_before_the_append(void **state)
{
	struct entity_world *f = *state;
	struct fake_journal_step held = {.outcome = FAKE_JOURNAL_AS_IS, .is_held = true};
	struct entity_world_call *other;

	fake_journal_script(f->journal, FAKE_JOURNAL_APPEND, &held);
	(void)entity_world_increase(f, "a");
	other = entity_world_increase(f, "b"); /* takes the second append */
	f->want = 1;
	entity_world_wait_for(f, entity_world_some_replied);
	assert_int_equal(other->replies + f->seen[0].replies, 1);
	assert_int_equal(fake_journal_release(f->journal), 1);
	entity_world_wait_for(f, entity_world_all_replied);
}

static void activation_replays_events_and_snapshot(void **state)
{
	struct entity_world *f = *state;
	struct journal_key key = entity_world_key_of("a");
	struct journal_any any = {SPAN_LIT("json.cloudstate.io/x"), SPAN_LIT("{}")};
	struct entity_world_call *read;

	for (int i = 0; i < 5; i++)
		fake_journal_put_event(f->journal, &key, &any);
	fake_journal_put_snapshot(f->journal, &key, &any);
	for (int i = 0; i < 7; i++)
		fake_journal_put_event(f->journal, &key, &any);
	fake_journal_set_page(f->journal, 3);
	read = entity_world_get(f, "a");
	entity_world_wait_for(f, entity_world_all_replied);
	assert_int_equal(entity_world_amount_of(read), 12);
	assert_int_equal(f->function.last_snapshot, 5);
	assert_int_equal(f->function.events, 7);
}

static void large_pages_wait_for_the_function(void **state)
{
	struct entity_world *f = *state;
	struct journal_key key = entity_world_key_of("a");
	uint8_t *payload = mem_new_array(uint8_t, 300000);
	struct journal_any any = {SPAN_LIT("json.cloudstate.io/x"), span_make(payload, 300000)};

	/* 30 MB in one page: more than the transport takes at once */
	for (int i = 0; i < 100; i++)
		fake_journal_put_event(f->journal, &key, &any);
	mem_free(payload);
	assert_int_equal(fake_journal_head(f->journal, &key).sequence, 100);
	(void)entity_world_get(f, "a");
	entity_world_wait_for(f, entity_world_all_replied);
	assert_int_equal(f->function.events, 100);
	assert_int_equal(entity_world_amount_of(&f->seen[0]), 100);
}

/* Several at once pass the limit of the connection (64 MiB) while some of the streams hold nothing:
 * those are never told that they have drained. */
static void large_pages_share_the_connection(void **state)
{
	enum { ENTITIES = 6, EVENTS = 50, BYTES = 300000 };
	struct entity_world *f = *state;
	uint8_t *payload = mem_new_array(uint8_t, BYTES);
	struct journal_any any = {SPAN_LIT("json.cloudstate.io/x"), span_make(payload, BYTES)};
	char ids[ENTITIES][8];

	for (unsigned i = 0; i < ENTITIES; i++) {
		struct journal_key key;

		(void)snprintf(ids[i], sizeof(ids[i]), "e%u", i);
		key = entity_world_key_of(ids[i]);
		for (unsigned j = 0; j < EVENTS; j++)
			fake_journal_put_event(f->journal, &key, &any);
	}
	mem_free(payload);
	for (unsigned i = 0; i < ENTITIES; i++)
		(void)entity_world_get(f, ids[i]);
	entity_world_wait_for(f, entity_world_all_replied);
	for (unsigned i = 0; i < ENTITIES; i++)
		assert_int_equal(entity_world_amount_of(&f->seen[i]), EVENTS);
}

static void snapshots_are_stored_with_their_events(void **state)
{
	struct entity_world *f = *state;
	struct journal_key key = entity_world_key_of("snap");
	struct journal_any snapshot;

	for (int i = 0; i < 5; i++)
		(void)entity_world_increase(f, "snap");
	entity_world_wait_for(f, entity_world_all_replied);
	assert_int_equal(fake_journal_snapshot(f->journal, &key, &snapshot), 4);
	UNIT_ROW_SPAN("snapshot", snapshot.value, "state");
}

/* ---- another gateway owns it now ------------------------------------------------------------- */

static bool moves_a(void *data, struct span type, struct span id)
{
	(void)data;
	return span_eq_str(type, "counter") && span_eq_str(id, "a");
}

static void what_waits_is_handed_over(void **state)
{
	struct entity_world *f = *state;
	struct fake_journal_step held = {.outcome = FAKE_JOURNAL_AS_IS, .is_held = true};
	struct entity_world_call *first;
	struct entity_world_call *second;
	struct entity_world_call *third;

	f->limits.speculation_depth = 1;
	entity_world_open_table(f);
	fake_journal_script(f->journal, FAKE_JOURNAL_APPEND, &held);
	first = entity_world_increase(f, "a");
	second = entity_world_increase(f, "a");
	third = entity_world_increase(f, "a");
	(void)entity_world_increase(f, "b");
	f->want = 1;
	entity_world_wait_for(f, entity_world_some_replied);
	assert_int_equal(entity_table_hand_over(f->table, moves_a, NULL), 1);
	assert_int_equal(entity_table_hand_over(f->table, moves_a, NULL), 0);
	assert_int_equal(f->replies, 1); /* what is at hand comes first */
	assert_int_equal(fake_journal_release(f->journal), 1);
	entity_world_wait_for(f, entity_world_all_replied);
	assert_int_equal(first->action, ENTITY_REPLY);
	assert_int_equal(second->action, ENTITY_MOVED);
	assert_int_equal(third->action, ENTITY_MOVED);
	assert_true(first->order < second->order && second->order < third->order);
	first = entity_world_increase(f, "a"); /* nobody keeps it from waking again */
	entity_world_wait_for(f, entity_world_all_replied);
	assert_int_equal(entity_world_amount_of(first), 2);
}

static void count_conflict(void *data, struct span type, struct span id)
{
	unsigned *told = data;

	(*told)++;
	assert_true(span_eq_str(type, "counter") && id.len == 1);
}

static void conflicts_are_told(void **state)
{
	struct entity_world *f = *state;
	struct fake_journal_step conflict = {.outcome = FAKE_JOURNAL_CONFLICT};
	unsigned told = 0;

	entity_table_on_conflict(f->table, count_conflict, &told);
	fake_journal_script(f->journal, FAKE_JOURNAL_APPEND, &conflict);
	(void)entity_world_increase(f, "a");
	(void)entity_world_increase(f, "b");
	entity_world_wait_for(f, entity_world_all_replied);
	assert_int_equal(told, 1);
}

/* ---- limits, sleep, the end ----------------------------------------------------------------- */

static void full_queue_is_said(void **state)
{
	struct entity_world *f = *state;
	struct entity_world_call *last = NULL;

	f->limits.queue_max = 3;
	entity_world_open_table(f);
	(void)entity_world_increase(f, "hang");
	f->want = 1;
	entity_world_wait_for(f, entity_world_has_commands);
	for (int i = 0; i < 4; i++)
		last = entity_world_increase(f, "hang");
	f->want = 1;
	entity_world_wait_for(f, entity_world_some_replied);
	entity_world_is_failure(last, ST_RESOURCE_EXHAUSTED,
				"Too many commands wait for this entity");
	assert_int_equal(last->retry_after_ms, 1000);
	assert_int_equal(entity_table_queued(f->table), 3);
}

static void idle_ones_stay_awake_while_there_is_room(void **state)
{
	struct entity_world *f = *state;

	for (size_t i = 0; i < 2; i++) {
		(void)entity_world_increase(f, "a");
		entity_world_wait_for(f, entity_world_all_replied);
		(void)entity_world_increase(f, "b");
		entity_world_wait_for(f, entity_world_all_replied);
	}
	assert_int_equal(f->function.stream_count, 2);
}

static void full_memory_is_said(void **state)
{
	struct entity_world *f = *state;
	struct entity_world_call *last;
	uint8_t payload[600] = {0};

	f->budget_limits.queue_bytes_max = 1000;
	entity_world_open_table(f);
	(void)entity_world_increase(f, "hang");
	(void)entity_world_submit_with(f, "/test.Counter/Increase", "hang", span_make(payload, 600),
				       DEADLINE_NEVER);
	last = entity_world_submit_with(f, "/test.Counter/Increase", "a", span_make(payload, 600),
					DEADLINE_NEVER);
	f->want = 1;
	entity_world_wait_for(f, entity_world_some_replied);
	entity_world_is_failure(last, ST_RESOURCE_EXHAUSTED, "Too many commands wait for entities");
}

static void idle_entities_make_room(void **state)
{
	struct entity_world *f = *state;
	struct entity_world_call *last;

	f->budget_limits.active_max = 2;
	entity_world_open_table(f);
	(void)entity_world_increase(f, "a");
	(void)entity_world_increase(f, "b");
	entity_world_wait_for(f, entity_world_all_replied);
	last = entity_world_increase(f, "c");
	entity_world_wait_for(f, entity_world_all_replied);
	assert_int_equal(entity_world_amount_of(last), 1);
	last = entity_world_increase(f, "a"); /* it was the longest idle one */
	entity_world_wait_for(f, entity_world_all_replied);
	assert_int_equal(entity_world_amount_of(last), 2);
	assert_int_equal(f->function.inits, 4);
}

static void busy_entities_do_not(void **state)
{
	struct entity_world *f = *state;
	struct entity_world_call *last;

	f->budget_limits.active_max = 2;
	entity_world_open_table(f);
	(void)entity_world_increase(f, "hang1");
	(void)entity_world_increase(f, "hang2");
	f->want = 2;
	entity_world_wait_for(f, entity_world_has_commands);
	last = entity_world_increase(f, "c");
	f->want = 1;
	entity_world_wait_for(f, entity_world_some_replied);
	entity_world_is_failure(last, ST_RESOURCE_EXHAUSTED, "Too many entities are active");
}

static void idle_entities_go_to_sleep(void **state)
{
	struct entity_world *f = *state;
	struct entity_world_call *again;

	(void)entity_world_increase(f, "a");
	entity_world_wait_for(f, entity_world_all_replied);
	entity_world_wait_for(f, entity_world_nobody_awake);
	assert_int_equal(f->function.stream_ends, 1);
	again = entity_world_increase(f, "a");
	entity_world_wait_for(f, entity_world_all_replied);
	assert_int_equal(entity_world_amount_of(again), 2);
	assert_int_equal(f->function.stream_count, 2);
	assert_int_equal(f->function.last_id, 1);
}

static bool has_new_connection(void *data)
{
	struct entity_world *f = data;

	return f->function.discovers == 2 && userfn_is_ready(f->userfn, NULL);
}

/* A function may take few streams at once: idle entities give up theirs. */
static void streams_are_shared(void **state)
{
	struct entity_world *f = *state;
	char key[16];

	f->function.max_streams = 4;
	fake_function_drop(&f->function);
	entity_world_wait_for(f, has_new_connection);
	(void)entity_world_increase(f, "hang");
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 20; i++) {
			(void)snprintf(key, sizeof(key), "e%u", i);
			(void)entity_world_increase(f, key);
		}
	}
	f->want = 40;
	entity_world_wait_for(f, entity_world_some_replied);
	for (size_t i = 1; i < f->calls; i++)
		assert_int_equal(entity_world_amount_of(&f->seen[i]), 1 + (i - 1) / 20);
	/* and nobody else goes to sleep before the time */
	assert_int_equal(entity_table_active(f->table), 4);
}

/* The function takes no more streams on the connection and comes back with another description. */
static void entities_move_to_a_new_connection(void **state)
{
	struct entity_world *f = *state;
	struct fake_journal_step held = {.outcome = FAKE_JOURNAL_AS_IS, .is_held = true};
	struct entity_world_call *first;
	struct entity_world_call *second;

	f->limits.speculation_depth = 1;
	entity_world_open_table(f);
	(void)entity_world_increase(f, "idle");
	entity_world_wait_for(f, entity_world_all_replied);
	fake_journal_script(f->journal, FAKE_JOURNAL_APPEND, &held);
	first = entity_world_increase(f, "busy");
	second = entity_world_increase(f, "busy");
	f->want = 2;
	entity_world_wait_for(f, entity_world_has_commands);
	buf_reset(&f->function.spec);
	fake_spec_counter(2, 10, &f->function.spec);
	fake_function_drain(&f->function);
	entity_world_wait_for(f, has_new_connection);
	assert_int_equal(f->function.stream_count, 2);
	entity_world_wait_for(f, entity_world_has_released);
	entity_world_wait_for(f, entity_world_all_replied);
	assert_int_equal(entity_world_amount_of(first), 1);
	assert_int_equal(entity_world_amount_of(second), 2);
	assert_int_equal(f->function.stream_count, 3);
	assert_int_equal(f->function.last_id, 1);
	/* they sleep after 10 ms and no longer after 30 s */
	entity_world_wait_for(f, entity_world_nobody_awake);
	assert_int_equal(f->function.stream_ends, 3);
	assert_int_equal(
		metrics_value(metrics_series(f->metrics, METRIC_FUNCTION_STREAMS, NULL, 0)), 0);
}

static void stubborn_functions_are_cut(void **state)
{
	struct entity_world *f = *state;

	f->limits.passivation_ms = 10;
	f->limits.stop_timeout_ms = 20;
	entity_world_open_table(f);
	(void)entity_world_increase(f, "stubborn");
	entity_world_wait_for(f, entity_world_all_replied);
	entity_world_wait_for(f, entity_world_nobody_awake);
	assert_int_equal(f->function.stream_ends, 0);
}

static void waiting_commands_have_a_deadline(void **state)
{
	struct entity_world *f = *state;
	struct entity_world_call *late;

	(void)entity_world_increase(f, "hang");
	late = entity_world_submit_with(f, "/test.Counter/Increase", "hang", SPAN_EMPTY,
					loop_now_ns(f->loop) + 20 * NS_PER_MS);
	f->want = 1;
	entity_world_wait_for(f, entity_world_some_replied);
	entity_world_is_failure(late, ST_DEADLINE_EXCEEDED,
				"The command waited too long in the entity's queue");
	assert_int_equal(entity_table_queued(f->table), 0);
}

static void abandoned_commands(void **state)
{
	struct entity_world *f = *state;
	struct journal_key key = entity_world_key_of("a");
	struct fake_journal_step held = {.outcome = FAKE_JOURNAL_AS_IS, .is_held = true};
	struct entity_world_call *sent;
	struct entity_world_call *waiting;
	struct entity_world_call *last;

	fake_journal_script(f->journal, FAKE_JOURNAL_APPEND, &held);
	sent = entity_world_increase(f, "a");
	waiting = entity_world_increase(f, "a");
	last = entity_world_increase(f, "a");
	f->want = 1;
	entity_world_wait_for(f, entity_world_has_commands);
	assert_false(entity_table_abandon(sent->ticket)); /* it goes on */
	assert_true(entity_table_abandon(waiting->ticket));
	assert_int_equal(entity_table_queued(f->table), 1);
	entity_world_wait_for(f, entity_world_has_released);
	f->want = 2;
	entity_world_wait_for(f, entity_world_some_replied);
	assert_int_equal(entity_world_amount_of(last), 2);
	assert_int_equal(fake_journal_head(f->journal, &key).sequence, 2);
	assert_int_equal(sent->replies, 1);
	assert_int_equal(waiting->replies, 0);
}

static void on_drained(void *data)
{
	struct entity_world *f = data;

	f->is_drained = true;
}

static bool is_drained(void *data)
{
	struct entity_world *f = data;

	return f->is_drained;
}

static void drain_finishes_what_was_taken_in(void **state)
{
	struct entity_world *f = *state;
	struct entity_world_call *late;

	for (int i = 0; i < 5; i++)
		(void)entity_world_increase(f, "a");
	(void)entity_world_increase(f, "b");
	(void)entity_world_increase(f, "restart");
	entity_table_drain(f->table, on_drained, f);
	late = entity_world_increase(f, "c");
	assert_false(f->is_drained);
	entity_world_wait_for(f, is_drained);
	assert_true(entity_world_all_replied(f));
	entity_world_is_failure(late, ST_UNAVAILABLE, "The gateway is shutting down");
	for (int i = 0; i < 5; i++)
		assert_int_equal(entity_world_amount_of(&f->seen[i]), i + 1);
	assert_int_equal(entity_table_active(f->table), 0);
}

static void drain_of_nothing_is_done(void **state)
{
	struct entity_world *f = *state;

	entity_table_drain(f->table, on_drained, f);
	assert_false(f->is_drained);
	entity_world_wait_for(f, is_drained);
}

static void free_answers_everybody(void **state)
{
	struct entity_world *f = *state;

	(void)entity_world_increase(f, "hang");
	(void)entity_world_increase(f, "hang");
	(void)entity_world_increase(f, "a");
	f->want = 1;
	entity_world_wait_for(f, entity_world_has_commands);
	(void)entity_world_increase(f, "b");
	entity_table_free(f->table);
	f->table = NULL;
	for (size_t i = 0; i < f->calls; i++)
		assert_int_equal(f->seen[i].replies, 1);
	entity_world_is_failure(&f->seen[0], ST_UNAVAILABLE, "The gateway is shutting down");
}

/* A caller may submit from inside its callback, for the same entity too. */
static void on_reply_again(void *data, const struct entity_reply *reply)
{
	struct entity_world_call *seen = data;
	struct entity_world *f = seen->f;

	entity_world_on_reply(data, reply);
	if (f->calls < 20)
		(void)entity_world_increase(f, "a");
	if (f->calls < 20) {
		struct entity_command command = {
			.method = api_find(userfn_api(f->userfn), SPAN_LIT("/test.Counter/Get")),
			.key = SPAN_LIT("a"),
			.deadline_ns = DEADLINE_NEVER,
		};
		struct entity_world_call *next = &f->seen[f->calls++];

		next->f = f;
		next->ticket = entity_table_submit(f->table, &command, on_reply_again, next);
	}
}

static void callers_may_submit_from_their_callback(void **state)
{
	struct entity_world *f = *state;
	struct entity_command command = {
		.method = api_find(userfn_api(f->userfn), SPAN_LIT("/test.Counter/Increase")),
		.key = SPAN_LIT("a"),
		.deadline_ns = DEADLINE_NEVER,
	};
	struct entity_world_call *first = &f->seen[f->calls++];

	first->f = f;
	first->ticket = entity_table_submit(f->table, &command, on_reply_again, first);
	entity_world_wait_for(f, entity_world_all_replied);
	assert_int_equal(f->calls, 20);
}

static void effects_and_forwards_are_handed_on(void **state)
{
	struct entity_world *f = *state;
	struct entity_world_call *effect = entity_world_get(f, "effect");
	struct entity_world_call *forward = entity_world_get(f, "forward");
	struct entity_world_call *empty = entity_world_get(f, "empty");

	entity_world_wait_for(f, entity_world_all_replied);
	assert_int_equal(effect->action, ENTITY_REPLY);
	assert_int_equal(effect->effects, 2);
	assert_int_equal(forward->action, ENTITY_FORWARD);
	assert_int_equal(empty->action, ENTITY_NONE);
}

/* Spec: issue "a gateway that runs": at most 40 MB with 10,000 active entities. */
static void waking_costs_little(void **state)
{
	struct entity_world *f = *state;
	enum { COUNT = 200 };
	size_t before;
	size_t each;
	char key[16];

	(void)entity_world_increase(f, "warm");
	entity_world_wait_for(f, entity_world_all_replied);
	before = mallinfo2().uordblks;
	for (unsigned i = 0; i < COUNT; i++) {
		(void)snprintf(key, sizeof(key), "e%u", i);
		(void)entity_world_increase(f, key);
	}
	entity_world_wait_for(f, entity_world_all_replied);
	each = (mallinfo2().uordblks - before) / COUNT;
	/* entity and call are about 550 bytes of it; the streams of both sides and what the fakes
	 * keep of each entity are the rest */
	assert_true(each < 9000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST_WITH(name, set_up)                                                                    \
	cmocka_unit_test_setup_teardown(name, set_up, entity_world_tear_down)
#define TEST(name) TEST_WITH(name, entity_world_set_up)
		TEST(events_are_stored_and_answered),
		TEST(ids_of_commands_are_kept),
		TEST_WITH(what_waits_is_handed_over, entity_world_set_up_closed),
		TEST(conflicts_are_told),
		TEST(entities_are_independent),
		TEST(no_reply_before_the_append),
		TEST(activation_replays_events_and_snapshot),
		TEST(large_pages_wait_for_the_function),
		TEST(large_pages_share_the_connection),
		TEST(snapshots_are_stored_with_their_events),
		TEST_WITH(full_queue_is_said, entity_world_set_up_closed),
		TEST_WITH(full_memory_is_said, entity_world_set_up_closed),
		TEST(idle_ones_stay_awake_while_there_is_room),
		TEST_WITH(idle_entities_make_room, entity_world_set_up_closed),
		TEST_WITH(busy_entities_do_not, entity_world_set_up_closed),
		TEST_WITH(idle_entities_go_to_sleep, entity_world_set_up_short_sleep),
		TEST(streams_are_shared),
		TEST_WITH(entities_move_to_a_new_connection, entity_world_set_up_closed),
		TEST_WITH(stubborn_functions_are_cut, entity_world_set_up_closed),
		TEST(waiting_commands_have_a_deadline),
		TEST(abandoned_commands),
		TEST(drain_finishes_what_was_taken_in),
		TEST(drain_of_nothing_is_done),
		TEST(free_answers_everybody),
		TEST(callers_may_submit_from_their_callback),
		TEST(effects_and_forwards_are_handed_on),
		TEST(waking_costs_little),
#undef TEST
#undef TEST_WITH
	};

	return cmocka_run_group_tests_name("entity/entity_table", tests, NULL, NULL);
}
