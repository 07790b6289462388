/* CRDT entities at one to three members, each over a real connection to a function in the same
 * loop, with one log in memory. */
#include "src/entity/crdt_table.h"

#include <stdio.h>
#include <string.h>

#include "src/base/error.h"
#include "src/base/metrics.h"
#include "src/crdt/crdt.h"
#include "src/entity/crdt_fsm.h"
#include "src/grpc/metadata.h"
#include "src/runtime/loop.h"
#include "tests/fakes/crdt_world.h"
#include "tests/unit/crdt/messages.h"
#include "tests/unit/unit.h"

#define ASLEEP_MS 30

static void set_true(void *data)
{
	*(bool *)data = true;
}

static bool is_true(void *data)
{
	return *(const bool *)data;
}

static struct crdt_world_member *one(void **state)
{
	return &((struct crdt_world *)*state)->members[0];
}

static int set_up_one(void **state)
{
	*state = crdt_world_new();
	crdt_world_add(*state, 0);
	return 0;
}

static int set_up_short_sleep(void **state)
{
	*state = crdt_world_new();
	crdt_world_add(*state, ASLEEP_MS);
	return 0;
}

static int set_up_three(void **state)
{
	*state = crdt_world_new();
	for (int i = 0; i < 3; i++)
		crdt_world_add(*state, 0);
	return 0;
}

static int set_up_closed(void **state)
{
	*state = crdt_world_new();
	return 0;
}

static int tear_down(void **state)
{
	crdt_world_free(*state);
	return 0;
}

/* ---- one member ----------------------------------------------------------------------------- */

static void test_idle_ones_stay_awake(void **state)
{
	struct crdt_world_member *m = one(state);

	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(crdt_world_ask(m, "Get", "a"), 0);
		assert_int_equal(crdt_world_ask(m, "Get", "b"), 0);
	}
	assert_int_equal(m->function.stream_count, 2);
}

static void test_commands(void **state)
{
	struct crdt_world_member *m = one(state);

	assert_int_equal(crdt_world_ask(m, "Get", "c"), 0);
	assert_int_equal(crdt_world_ask(m, "Increase", "c"), 1);
	assert_int_equal(crdt_world_ask(m, "Increase", "c"), 2);
	assert_int_equal(crdt_world_ask(m, "Get", "c"), 2);
	assert_int_equal(m->function.inits, 1);
	assert_int_equal(m->function.inits_with_value, 0);
	assert_int_equal(m->function.last_id, 4); /* from 1 (T-05) */
	assert_int_equal(m->function.deltas, 0);  /* it knows its own changes */
	assert_int_equal(fake_crdt_appends(m->w->store), 2);
}

static void test_sleep_and_wake(void **state)
{
	struct crdt_world_member *m = one(state);

	assert_int_equal(crdt_world_ask(m, "Increase", "c"), 1);
	crdt_world_wait_asleep(m);
	assert_int_equal(m->function.stream_ends, 1);
	assert_int_equal(crdt_world_ask(m, "Increase", "c"), 2);
	assert_int_equal(m->function.inits_with_value, 1);
	assert_int_equal(m->function.last_id, 1);
}

/* C-14: a streamed call keeps its entity awake. */
static void test_stream_keeps_awake(void **state)
{
	struct crdt_world_member *m = one(state);
	struct crdt_world_call *watch = crdt_world_call(m, "Watch", "c", 0);

	crdt_world_wait_replies(watch, 1);
	assert_int_equal(crdt_world_ask(m, "Increase", "other"), 1);
	while (crdt_table_active(m->table) > 1) /* "other" falls asleep, "c" does not */
		assert_true(m->function.stream_ends <= 1 && !watch->is_over &&
			    !loop_run_until(m->w->loop, crdt_world_is_over, watch,
					    clock_mono_ns() + NS_PER_MS));
	crdt_world_cancel(watch);
	crdt_world_wait(m->w, crdt_world_is_over, watch);
	crdt_world_wait_asleep(m);
	assert_int_equal(m->function.cancels, 1);
}

/* C-05: many at once, answered in any order. */
static void test_many_outstanding(void **state)
{
	struct crdt_world_member *m = one(state);
	struct crdt_world_call *hanging = crdt_world_call(m, "Increase", "hang", 0);

	assert_int_equal(crdt_world_ask(m, "Get", "hang"), 0);
	assert_false(hanging->is_over);
	crdt_function_answer(&m->function);
	crdt_world_wait(m->w, crdt_world_is_over, hanging);
	assert_int_equal(hanging->amount, 1);
}

static void test_queue_full(void **state)
{
	struct crdt_world *w = *state;
	struct crdt_world_member *m;
	struct crdt_world_call *calls[3];

	w->limits.queue_max = 2;
	m = crdt_world_add(w, 0);
	for (size_t i = 0; i < 3; i++)
		calls[i] = crdt_world_call(m, "Get", "c", 0);
	crdt_world_is_failure(calls[2], ST_RESOURCE_EXHAUSTED,
			      "Too many commands wait for this entity");
	crdt_world_wait(w, crdt_world_is_over, calls[1]);
	assert_int_equal(calls[0]->replies + calls[1]->replies, 2);
}

static void test_metadata_counts(void **state)
{
	struct crdt_world *w = *state;
	char text[600];
	struct metadata_item item = {SPAN_LIT("x-long"), span_make(text, sizeof(text))};
	const struct metadata metadata = {.items = &item, .count = 1};
	struct crdt_world_call *calls[2];
	struct crdt_world_member *m;

	memset(text, 'x', sizeof(text));
	w->limits.has_metadata = true;
	w->budget_limits.queue_bytes_max = 1000;
	w->metadata = &metadata;
	m = crdt_world_add(w, 0);
	for (size_t i = 0; i < 2; i++)
		calls[i] = crdt_world_call(m, "Get", "c", 0);
	crdt_world_is_failure(calls[1], ST_RESOURCE_EXHAUSTED,
			      "Too many commands wait for entities");
	crdt_world_wait(w, crdt_world_is_over, calls[0]);
	w->metadata = NULL;
}

/* C-30, C-31. */
static void test_streamed(void **state)
{
	struct crdt_world_member *m = one(state);
	struct crdt_world_call *watch = crdt_world_call(m, "Watch", "c", 2);

	crdt_world_wait_replies(watch, 1);
	assert_true(m->function.was_last_streamed);
	assert_int_equal(crdt_world_ask(m, "Increase", "c"), 1);
	assert_false(m->function.was_last_streamed);
	assert_int_equal(crdt_world_ask(m, "Increase", "c"), 2);
	crdt_world_wait(m->w, crdt_world_is_over, watch); /* by end_stream */
	assert_int_equal(watch->replies, 3);
	assert_int_equal(watch->amount, 2);
	assert_int_equal(m->function.cancels, 0);
}

/* Own changes may be told to watchers before the reply that carries them. */
static void test_streamed_before_reply(void **state)
{
	struct crdt_world_member *m = one(state);
	struct crdt_world_call *watch = crdt_world_call(m, "Watch", "early", 0);

	crdt_world_wait_replies(watch, 1);
	assert_int_equal(crdt_world_ask(m, "Increase", "early"), 1);
	crdt_world_wait_amount(watch, 1);
	crdt_world_cancel(watch);
	crdt_world_wait(m->w, crdt_world_is_over, watch);
}

/* C-41: presence. */
static void test_presence(void **state)
{
	struct crdt_world_member *m = one(state);
	struct crdt_world_call *monitor = crdt_world_call(m, "Watch", "vote-user", 0);
	struct crdt_world_call *connection;

	crdt_world_wait_amount(monitor, 0);
	connection = crdt_world_call(m, "Watch", "vote-user", 1);
	crdt_world_wait_amount(monitor, 1);
	assert_int_equal(connection->replies, 0); /* an empty first reply is none */
	assert_false(connection->is_over);
	crdt_world_cancel(connection);
	crdt_world_wait_amount(monitor, 0);
	crdt_world_wait(m->w, crdt_world_is_over, connection);
	assert_int_equal(m->function.cancels, 1);
	crdt_world_cancel(monitor);
	crdt_world_wait(m->w, crdt_world_is_over, monitor);
	assert_int_equal(m->function.deltas, 0); /* nobody else said anything (T-05) */
}

/* C-44: a client that leaves before the first reply is cancelled once. */
static void test_cancel_before_reply(void **state)
{
	struct crdt_world_member *m = one(state);
	struct crdt_world_call *watch;

	assert_int_equal(crdt_world_ask(m, "Get", "c"), 0);
	watch = crdt_world_call(m, "Watch", "c", 0);
	crdt_world_cancel(watch); /* it is sent, and not answered */
	crdt_world_wait(m->w, crdt_world_is_over, watch);
	assert_int_equal(m->function.cancels, 1);
}

static bool is_countdown_over(void *data)
{
	unsigned *turns = data;

	return (*turns)-- == 0;
}

static bool are_all_over(void *data)
{
	struct crdt_world *w = data;

	for (size_t i = 0; i < w->call_count; i++)
		if (!w->calls[i].is_over)
			return false;
	return true;
}

/* Clients that connect and leave, each so many turns later: while the entity wakes, before the
 * reply, between reply and the first element, while its change is being appended. In the end nobody
 * is counted, neither here nor by the function. */
static void test_cancel_at_any_moment(void **state)
{
	static const char *const ids[] = {"vote-user", "c"};
	struct crdt_world *w = *state;
	struct crdt_world_member *m = crdt_world_add(w, ASLEEP_MS);
	unsigned random = 1;

	for (unsigned i = 0; i < 200; i++) {
		const char *id = ids[i % 2];
		struct crdt_world_call *call = crdt_world_call(m, "Watch", id, i % 2 ? 0 : 1);
		unsigned turns;

		random = random * 1103515245U + 12345U;
		turns = (random >> 16) % 12;
		fake_crdt_hold(m->member, random >> 24 & 1); /* its write is under way */
		(void)loop_run_until(w->loop, is_countdown_over, &turns,
				     clock_mono_ns() + NS_PER_MS); /* held, nothing may happen */
		crdt_world_cancel(call);
		fake_crdt_hold(m->member, false);
		if (i % 5 == 4) { /* the next one wakes it */
			crdt_world_wait(w, are_all_over, w);
			crdt_world_wait_asleep(m);
		}
	}
	crdt_world_wait(w, are_all_over, w);
	assert_int_equal(
		metrics_value(metrics_series(w->metrics, METRIC_CRDT_STREAMS_ACTIVE, NULL, 0)), 0);
	assert_int_equal(crdt_world_ask(m, "Get", "vote-user"), 0);
	assert_false(m->function.is_out_of_order);
}

static void test_delete(void **state)
{
	struct crdt_world_member *m = one(state);
	struct crdt_world_call *watch = crdt_world_call(m, "Watch", "c", 0);

	crdt_world_wait_replies(watch, 1);
	crdt_world_ask(m, "Remove", "c");
	crdt_world_wait(m->w, crdt_world_is_over, watch);
	assert_int_equal(watch->code, ST_OK);
	crdt_world_wait_count(m->w, &m->function.stream_ends, 1); /* C-11 */
	crdt_world_is_failure(crdt_world_call(m, "Get", "c", 0), ST_UNKNOWN, "Entity deleted");
	assert_int_equal(m->function.deletes, 0); /* it knows */
}

/* C-04 without its defects: init comes before delete, and nobody waits in vain. */
static void test_deleted_when_waking(void **state)
{
	struct crdt_world_member *m = one(state);

	crdt_world_ask(m, "Remove", "c");
	crdt_world_wait_asleep(m);
	crdt_world_is_failure(crdt_world_call(m, "Get", "c", 0), ST_UNKNOWN, "Entity deleted");
	crdt_world_wait_count(m->w, &m->function.deletes, 1);
	assert_int_equal(m->function.inits, 2);
	crdt_world_wait_asleep(m);
}

static void test_drain(void **state)
{
	struct crdt_world_member *m = one(state);
	struct crdt_world_call *watch = crdt_world_call(m, "Watch", "c", 0);
	struct crdt_world_call *hanging;
	struct crdt_world_call *late;
	bool is_drained = false;

	crdt_world_wait_replies(watch, 1);
	hanging = crdt_world_call(m, "Increase", "hang", 0);
	crdt_world_wait_count(m->w, &m->function.commands, 2);
	crdt_table_drain(m->table, set_true, &is_drained);
	late = crdt_world_call(m, "Get", "c", 0);
	crdt_world_is_failure(late, ST_UNAVAILABLE, "The gateway is shutting down");
	crdt_world_wait(m->w, crdt_world_is_over, watch);
	assert_int_equal(watch->code, ST_OK); /* streams are completed in order */
	assert_false(is_drained);
	crdt_function_answer(&m->function);
	crdt_world_wait(m->w, crdt_world_is_over, hanging);
	assert_int_equal(hanging->code, ST_OK);
	crdt_world_wait_asleep(m);
	assert_true(loop_run_until(m->w->loop, is_true, &is_drained, clock_mono_ns() + NS_PER_S));
}

/* What becomes of one command when something goes wrong. */
static void test_failures(void **state)
{
	static const struct {
		const char *key;
		enum status code;
		const char *message;
	} rows[] = {
		{"wrong", ST_UNKNOWN, "Entity terminating"},
		{"end", ST_UNKNOWN, "Entity terminating"},
		{"garbage", ST_UNKNOWN, "Entity terminating"},
		{"broken", ST_UNKNOWN, "broken"}, /* C-12, with its own text */
		{"fail", ST_UNKNOWN, "no"},
		{"flag", ST_UNKNOWN, "FlagDelta is incompatible with CRDT PNCounter"},
	};
	struct crdt_world_member *m = one(state);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].key, "flag") == 0)
			assert_int_equal(crdt_world_ask(m, "Increase", "flag"), 1);
		crdt_world_is_failure(crdt_world_call(m, "Increase", rows[i].key, 0), rows[i].code,
				      rows[i].message);
		/* and it works again */
		assert_int_equal(crdt_world_ask(m, "Get", rows[i].key), i == 5 ? 1 : 0);
	}
}

/* C-09: the caller gets the text, others "Entity terminating". */
static void test_write_fails(void **state)
{
	struct crdt_world_member *m = one(state);
	struct crdt_world_call *watch = crdt_world_call(m, "Watch", "c", 0);

	crdt_world_wait_replies(watch, 1);
	fake_crdt_fail_writes(m->member, 1, false);
	crdt_world_is_failure(crdt_world_call(m, "Increase", "c", 0), ST_UNAVAILABLE,
			      "Failed to update CRDT at requested write consistency");
	crdt_world_is_failure(watch, ST_UNKNOWN, "Entity terminating");
	assert_int_equal(crdt_world_ask(m, "Get", "c"), 0);
	fake_crdt_fail_writes(m->member, 1, true);
	crdt_world_is_failure(crdt_world_call(m, "Increase", "c", 0), ST_UNAVAILABLE,
			      "Failed to update CRDT at requested write consistency");
	assert_int_equal(crdt_world_ask(m, "Get", "c"), 1); /* it had happened */
}

/* V-07, C-03: nobody waits for a journal that is away. */
static void test_read_fails(void **state)
{
	struct crdt_world_member *m = one(state);
	struct crdt_world_call *call;

	fake_crdt_fail_reads(m->member, 1);
	call = crdt_world_call(m, "Get", "c", 0);
	crdt_world_is_failure(call, ST_UNAVAILABLE,
			      "The CRDT could not be read: the journal is away");
	assert_int_equal(crdt_world_ask(m, "Get", "c"), 0);
}

/* Nothing is said before what was said before is durable. */
static void test_reply_waits_for_write(void **state)
{
	struct crdt_world_member *m = one(state);
	struct crdt_world_call *watch = crdt_world_call(m, "Watch", "c", 0);
	struct crdt_world_call *increase;
	struct crdt_world_call *get;

	crdt_world_wait_replies(watch, 1);
	fake_crdt_hold(m->member, true);
	increase = crdt_world_call(m, "Increase", "c", 0);
	get = crdt_world_call(m, "Get", "c", 0);
	crdt_world_wait_count(m->w, &m->function.commands, 3);
	assert_int_equal(crdt_world_ask(m, "Get", "other"), 0); /* replies have come since */
	assert_false(increase->is_over || get->is_over);
	assert_int_equal(watch->replies, 1);
	fake_crdt_hold(m->member, false);
	crdt_world_wait(m->w, crdt_world_is_over, get);
	assert_true(increase->is_over);
	assert_int_equal(get->amount, 1);
	assert_int_equal(watch->amount, 1);
	crdt_world_cancel(watch);
	crdt_world_wait(m->w, crdt_world_is_over, watch);
}

static void test_command_timeout(void **state)
{
	struct crdt_world *w = *state;
	struct crdt_world_member *m;

	w->limits.command_timeout_ms = 50;
	m = crdt_world_add(w, 0);
	crdt_world_is_failure(crdt_world_call(m, "Increase", "hang", 0), ST_DEADLINE_EXCEEDED,
			      "The user function did not reply in time");
	assert_int_equal(crdt_world_ask(m, "Get", "hang"), 0);
}

/* C-43: what is asked for with the answer to a cancellation reaches the caller's side. */
static void test_effects(void **state)
{
	struct crdt_world_member *m = one(state);
	struct crdt_world_call *watch = crdt_world_call(m, "Watch", "goodbye", 0);

	crdt_world_wait_replies(watch, 1);
	crdt_world_cancel(watch);
	crdt_world_wait(m->w, crdt_world_is_over, watch);
	assert_int_equal(watch->effects, 1);
	watch = crdt_world_call(m, "Watch", "effect", 0);
	crdt_world_wait_replies(watch, 1);
	crdt_world_ask(m, "Increase", "effect");
	crdt_world_wait_replies(watch, 2);
	assert_int_equal(watch->effects, 1);
	crdt_world_cancel(watch);
	crdt_world_wait(m->w, crdt_world_is_over, watch);
}

static void test_compaction(void **state)
{
	struct crdt_world *w = *state;
	struct journal_key key = {SPAN_LIT("shared"), SPAN_LIT("c")};
	struct crdt_world_member *m;

	w->limits.compact_deltas = 10;
	m = crdt_world_add(w, ASLEEP_MS);
	for (int i = 1; i <= 25; i++)
		assert_int_equal(crdt_world_ask(m, "Increase", "c"), i);
	assert_true(fake_crdt_compactions(w->store) >= 1);
	assert_true(fake_crdt_deltas(w->store, &key) < 20);
	crdt_world_wait_asleep(m);
	assert_int_equal(crdt_world_ask(m, "Get", "c"), 25);
}

/* ---- several members ------------------------------------------------------------------------ */

static void test_converge(void **state)
{
	struct crdt_world *w = *state;

	for (int i = 0; i < 12; i++)
		crdt_world_ask(&w->members[i % 3], "Increase", "c");
	crdt_world_wait_converged(w, "c", 12);
	for (int i = 0; i < 3; i++)
		assert_int_equal(w->members[i].function.inits, 1);
}

/* C-07: no delta while something is unanswered; then one with everything. */
static void test_mutation_window(void **state)
{
	struct crdt_world *w = *state;
	struct crdt_world_member *m = &w->members[0];
	struct crdt_world_call *watch = crdt_world_call(m, "Watch", "hang", 0);
	struct crdt_world_call *hanging;
	struct crdt_world_call *watch_b = crdt_world_call(&w->members[1], "Watch", "hang", 0);

	crdt_world_wait_replies(watch, 1);
	crdt_world_wait_replies(watch_b, 1);
	hanging = crdt_world_call(m, "Increase", "hang", 0);
	crdt_world_wait_count(w, &m->function.commands, 2);
	for (int i = 0; i < 3; i++) {
		struct crdt_world_call *other =
			crdt_world_call(&w->members[1], "Increase", "hang", 0);

		crdt_world_wait_count(w, &w->members[1].function.commands, 2U + (unsigned)i);
		crdt_function_answer(&w->members[1].function);
		crdt_world_wait(w, crdt_world_is_over, other);
	}
	crdt_world_wait_amount(watch_b, 3);
	assert_int_equal(m->function.deltas, 0);
	crdt_function_answer(&m->function);
	crdt_world_wait(w, crdt_world_is_over, hanging);
	crdt_world_wait_amount(watch, 4);
	assert_int_equal(m->function.deltas, 1);
	crdt_world_cancel(watch);
	crdt_world_cancel(watch_b);
	crdt_world_wait(w, crdt_world_is_over, watch);
	crdt_world_wait(w, crdt_world_is_over, watch_b);
}

/* C-42: a function that does not answer a cancellation hears of changes all the same. */
static void test_deaf(void **state)
{
	struct crdt_world *w = *state;
	struct crdt_world_member *a;
	struct crdt_world_member *b;
	struct crdt_world_call *watch;
	struct crdt_world_call *gone;

	w->limits.cancel_timeout_ms = 50;
	a = crdt_world_add(w, 0);
	b = crdt_world_add(w, 0);
	watch = crdt_world_call(a, "Watch", "deaf", 0);
	gone = crdt_world_call(a, "Watch", "deaf", 0);
	crdt_world_wait_replies(watch, 1);
	crdt_world_wait_replies(gone, 1);
	crdt_world_cancel(gone);
	crdt_world_ask(b, "Increase", "deaf");
	crdt_world_wait_amount(watch, 1);
	assert_true(gone->is_over);
	crdt_world_cancel(watch);
	crdt_world_wait(w, crdt_world_is_over, watch);
}

static void test_deleted_elsewhere(void **state)
{
	struct crdt_world *w = *state;
	struct crdt_world_call *watch = crdt_world_call(&w->members[1], "Watch", "c", 0);

	crdt_world_wait_replies(watch, 1);
	crdt_world_ask(&w->members[0], "Remove", "c");
	crdt_world_wait(w, crdt_world_is_over, watch);
	assert_int_equal(watch->code, ST_OK);
	crdt_world_wait_count(w, &w->members[1].function.deletes, 1);
	crdt_world_is_failure(crdt_world_call(&w->members[1], "Get", "c", 0), ST_UNKNOWN,
			      "Entity deleted");
}

/* C-08: ALL is answered when everybody has it, asleep or awake. */
static void test_write_all(void **state)
{
	struct crdt_world *w = *state;
	struct crdt_world_call *watch = crdt_world_call(&w->members[1], "Watch", "all", 0);

	crdt_world_wait_replies(watch, 1);
	assert_int_equal(crdt_world_ask(&w->members[0], "Increase", "all"), 1);
	crdt_world_wait_amount(watch, 1);
	crdt_world_cancel(watch);
	crdt_world_wait(w, crdt_world_is_over, watch);
}

static void test_write_all_fails(void **state)
{
	struct crdt_world *w = *state;
	struct crdt_world_member *a;
	struct crdt_world_member *b;

	w->limits.all_timeout_ms = 50;
	a = crdt_world_add(w, 0);
	b = crdt_world_add(w, 0);
	crdt_world_ask(b, "Get", "all");
	fake_crdt_hold(b->member, true); /* it hears of nothing */
	crdt_world_is_failure(crdt_world_call(a, "Increase", "all", 0), ST_UNAVAILABLE,
			      "Failed to update CRDT at requested write consistency");
	fake_crdt_hold(b->member, false);
	assert_int_equal(crdt_world_ask(a, "Get", "all"), 1); /* durable it is */
	crdt_world_wait_converged(w, "all", 1);
}

/* Votes of all members, and C-51 without its defect: who leaves is told. */
static void test_votes(void **state)
{
	struct crdt_world *w = *state;
	struct crdt_world_call *monitor = crdt_world_call(&w->members[0], "Watch", "vote", 0);
	struct crdt_world_call *votes[3];
	unsigned deltas;

	crdt_world_wait_replies(monitor, 1);
	for (int i = 0; i < 3; i++) {
		votes[i] = crdt_world_call(&w->members[i], "Watch", "vote", 1);
		crdt_world_wait_amount(monitor, i + 1);
	}
	deltas = w->members[0].function.deltas;
	crdt_world_remove(&w->members[2]);
	crdt_world_wait_count(w, &w->members[0].function.deltas, deltas + 1);
	assert_true(votes[2]->is_over);
	for (int i = 0; i < 2; i++)
		crdt_world_cancel(votes[i]);
	crdt_world_wait(w, crdt_world_is_over, votes[0]);
	crdt_world_wait(w, crdt_world_is_over, votes[1]);
	crdt_world_cancel(monitor);
	crdt_world_wait(w, crdt_world_is_over, monitor);
}

/* The last member goes, and another one has it all: nothing is lost at scale to zero. */
static void test_survives(void **state)
{
	struct crdt_world *w = *state;

	crdt_world_ask(crdt_world_add(w, 0), "Increase", "c");
	crdt_world_remove(&w->members[0]);
	assert_int_equal(crdt_world_ask(crdt_world_add(w, 0), "Get", "c"), 1);
}

/* Two processes never are the same replica. */
static void test_unsettled(void **state)
{
	struct crdt_world_member *m = one(state);

	fake_crdt_unsettle(m->member, true);
	crdt_world_is_failure(crdt_world_call(m, "Get", "c", 0), ST_UNAVAILABLE,
			      "This gateway has not joined the others yet");
	fake_crdt_unsettle(m->member, false);
	assert_int_equal(crdt_world_ask(m, "Get", "c"), 0);
}

/* The function goes away and comes back. */
static void test_function_lost(void **state)
{
	struct crdt_world_member *m = one(state);
	struct crdt_world_call *watch = crdt_world_call(m, "Watch", "c", 0);
	struct crdt_world_call *get;

	crdt_world_wait_replies(watch, 1);
	crdt_world_ask(m, "Increase", "c");
	fake_function_drop(&m->function.base);
	crdt_world_wait(m->w, crdt_world_is_over, watch);
	assert_int_not_equal(watch->code, ST_OK);
	do {
		get = crdt_world_call(m, "Get", "c", 0);
		crdt_world_wait(m->w, crdt_world_is_over, get);
		m->w->call_count--; /* its place is free again */
	} while (get->code == ST_UNAVAILABLE);
	assert_int_equal(get->code, ST_OK);
	assert_int_equal(get->amount, 1);
}

#define TEST(name, how) cmocka_unit_test_setup_teardown(test_##name, set_up_##how, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(commands, one),
		TEST(idle_ones_stay_awake, one),
		TEST(sleep_and_wake, short_sleep),
		TEST(stream_keeps_awake, short_sleep),
		TEST(many_outstanding, one),
		TEST(queue_full, closed),
		TEST(metadata_counts, closed),
		TEST(streamed, one),
		TEST(streamed_before_reply, one),
		TEST(presence, one),
		TEST(cancel_before_reply, one),
		TEST(cancel_at_any_moment, closed),
		TEST(delete, one),
		TEST(deleted_when_waking, short_sleep),
		TEST(drain, one),
		TEST(failures, one),
		TEST(write_fails, one),
		TEST(read_fails, one),
		TEST(reply_waits_for_write, one),
		TEST(command_timeout, closed),
		TEST(effects, one),
		TEST(compaction, closed),
		TEST(converge, three),
		TEST(mutation_window, three),
		TEST(deaf, closed),
		TEST(deleted_elsewhere, three),
		TEST(write_all, three),
		TEST(write_all_fails, closed),
		TEST(votes, three),
		TEST(survives, closed),
		TEST(unsettled, one),
		TEST(function_lost, one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
