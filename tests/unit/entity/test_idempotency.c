/* Commands with idempotency keys, and commands that come again under the id they had, over a real
 * connection to a function in the same loop and a journal in memory. */
#include <stdio.h>
#include <string.h>

#include "src/base/error.h"
#include "src/entity/entity_table.h"
#include "tests/fakes/entity_world.h"
#include "tests/unit/unit.h"

#define INCREASE "/test.Counter/Increase"
#define GET "/test.Counter/Get"
#define ONE SPAN_LIT("\x10\x01")
#define TWO SPAN_LIT("\x10\x02")

static int set_up_value(void **state)
{
	*state = entity_world_set_up_value(0);
	entity_world_open_table(*state);
	return 0;
}

static struct entity_world_call *increase(struct entity_world *f, const char *id, const char *key)
{
	return entity_world_submit_again(f, INCREASE, id, ONE, key, NULL);
}

static struct entity_world_call *increase_now(struct entity_world *f, const char *id,
					      const char *key)
{
	struct entity_world_call *seen = increase(f, id, key);

	entity_world_wait_for(f, entity_world_all_replied);
	return seen;
}

static uint64_t sequence_of(const struct entity_world *f, const char *id)
{
	struct journal_key key = entity_world_key_of(id);

	return fake_journal_head(f->journal, &key).sequence;
}

static void is_answer(const struct entity_world_call *seen, unsigned amount, uint64_t sequence,
		      bool is_replayed)
{
	assert_int_equal(seen->replies, 1);
	assert_int_equal(entity_world_amount_of(seen), amount);
	assert_int_equal(seen->sequence, sequence);
	assert_int_equal(seen->is_replayed, is_replayed);
	assert_true(seen->is_keyed);
}

/* For both kinds. */
static void the_same_key_is_one_command(void **state)
{
	struct entity_world *f = *state;
	struct entity_world_call *other;

	is_answer(increase_now(f, "a", "k1"), 1, 1, false);
	is_answer(increase_now(f, "a", "k1"), 1, 1, true);
	is_answer(increase_now(f, "a", "k2"), 2, 2, false);
	is_answer(increase_now(f, "a", "k1"), 1, 1, true);
	assert_int_equal(sequence_of(f, "a"), 2);
	assert_int_equal(f->function.commands, 2);
	/* the scope is the entity */
	is_answer(increase_now(f, "b", "k1"), 1, 1, false);
	/* a key the gateway made up is no client's */
	other = entity_world_increase(f, "a");
	entity_world_wait_for(f, entity_world_all_replied);
	assert_false(other->is_keyed);
	assert_int_equal(other->sequence, 3);
	/* nothing was there to be read */
	assert_int_equal(fake_journal_calls(f->journal, FAKE_JOURNAL_WINDOW), 0);
	assert_int_equal(fake_journal_calls(f->journal, FAKE_JOURNAL_RECALL), 2);
}

static void at_once(void **state)
{
	struct entity_world *f = *state;
	unsigned fresh = 0;

	for (unsigned i = 0; i < 20; i++)
		(void)increase(f, "a", "k");
	entity_world_wait_for(f, entity_world_all_replied);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(entity_world_amount_of(&f->seen[i]), 1);
		fresh += !f->seen[i].is_replayed;
	}
	assert_int_equal(fresh, 1);
	assert_int_equal(sequence_of(f, "a"), 1);
}

static void another_request_is_refused(void **state)
{
	static const struct {
		const char *name;
		const char *path;
		struct span payload;
	} rows[] = {
		{"payload", INCREASE, TWO},
		{"empty payload", INCREASE, {NULL, 0}},
		{"method", GET, ONE},
	};
	struct entity_world *f = *state;

	(void)increase_now(f, "a", "k");
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct entity_world_call *seen =
			entity_world_submit_again(f, rows[i].path, "a", rows[i].payload, "k", NULL);

		entity_world_wait_for(f, entity_world_all_replied);
		UNIT_ROW(rows[i].name, seen->code == ST_FAILED_PRECONDITION);
		UNIT_ROW(rows[i].name, strcmp(seen->reason, "IDEMPOTENCY_KEY_REUSED") == 0);
		UNIT_ROW(rows[i].name, seen->sequence == 0 && !seen->is_replayed);
	}
	assert_int_equal(f->function.commands, 1);
	is_answer(increase_now(f, "a", "k"), 1, 1, true);
}

/* Asleep in between: what is known is what the journal has. */
static void over_activations(void **state)
{
	struct entity_world *f = *state;

	for (unsigned i = 0; i < 4; i++) {
		is_answer(increase_now(f, "a", "k1"), 1, 1, i > 0);
		is_answer(increase_now(f, "a", "k1"), 1, 1, true);
		entity_world_wait_for(f, entity_world_nobody_awake);
	}
	/* once per activation, and not for a command that has no key */
	assert_int_equal(fake_journal_calls(f->journal, FAKE_JOURNAL_WINDOW), 3);
	(void)entity_world_increase(f, "a");
	entity_world_wait_for(f, entity_world_all_replied);
	assert_int_equal(fake_journal_calls(f->journal, FAKE_JOURNAL_WINDOW), 3);
	assert_int_equal(f->function.commands, 2);
}

static void the_window_ends(void **state)
{
	struct entity_world *f = *state;

	f->limits.dedupe_window = 3;
	entity_world_open_table(f);
	is_answer(increase_now(f, "a", "k1"), 1, 1, false);
	is_answer(increase_now(f, "a", "k2"), 2, 2, false);
	is_answer(increase_now(f, "a", "k3"), 3, 3, false);
	is_answer(increase_now(f, "a", "k1"), 1, 1, true);
	is_answer(increase_now(f, "a", "k4"), 4, 4, false);
	is_answer(increase_now(f, "a", "k2"), 2, 2, true);
	is_answer(increase_now(f, "a", "k1"), 5, 5, false); /* forgotten */
}

static void a_value_remembers_32_writes(void **state)
{
	struct entity_world *f = *state;
	char key[16];

	for (unsigned i = 1; i <= 33; i++) {
		(void)snprintf(key, sizeof(key), "k%u", i);
		is_answer(increase_now(f, "a", key), i, i, false);
	}
	is_answer(increase_now(f, "a", "k2"), 2, 2, true);
	is_answer(increase_now(f, "a", "k1"), 34, 34, false); /* forgotten */
}

/* What the journal or others do while a command with a key is made durable. */
static void every_append_ends_well(void **state)
{
	static const struct {
		const char *name;
		enum fake_journal_outcome outcome;
		bool is_replayed;
		enum status code; /* of the first attempt, which is made again if it failed */
	} rows[] = {
		{"the reply was lost", FAKE_JOURNAL_DUP_MINE, false, ST_OK},
		{"another gateway was first", FAKE_JOURNAL_DUP_OTHER, true, ST_OK},
		{"unknown, and done", FAKE_JOURNAL_UNKNOWN_DONE, true, ST_UNAVAILABLE},
		{"unknown, and lost", FAKE_JOURNAL_UNKNOWN_LOST, false, ST_UNAVAILABLE},
		{"conflict", FAKE_JOURNAL_CONFLICT, false, ST_OK},
		{"error", FAKE_JOURNAL_ERROR, false, ST_UNAVAILABLE},
	};
	struct entity_world *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct fake_journal_step step = {.outcome = rows[i].outcome};
		struct entity_world_call *seen;

		/* the kind of the other call never takes its steps */
		fake_journal_script(f->journal, FAKE_JOURNAL_APPEND, &step);
		fake_journal_script(f->journal, FAKE_JOURNAL_PUT, &step);
		seen = increase_now(f, rows[i].name, "k");
		UNIT_ROW(rows[i].name, seen->code == rows[i].code);
		if (seen->code != ST_OK)
			seen = increase_now(f, rows[i].name, "k");
		is_answer(seen, 1, 1, rows[i].is_replayed);
		UNIT_ROW(rows[i].name, sequence_of(f, rows[i].name) == 1);
	}
}

static void every_recall_ends_well(void **state)
{
	static const struct {
		const char *name;
		enum fake_journal_call call;
		enum fake_journal_outcome outcome;
		enum status code;
		const char *message;
	} rows[] = {
		{"stale", FAKE_JOURNAL_RECALL, FAKE_JOURNAL_CONFLICT, ST_OK, ""},
		{"erased", FAKE_JOURNAL_RECALL, FAKE_JOURNAL_ERASED, ST_FAILED_PRECONDITION,
		 "The entity was erased"},
		{"away", FAKE_JOURNAL_RECALL, FAKE_JOURNAL_ERROR, ST_UNAVAILABLE,
		 "The stored reply could not be read: the journal is away"},
		{"no window", FAKE_JOURNAL_WINDOW, FAKE_JOURNAL_ERROR, ST_UNAVAILABLE,
		 "It could not be read whether the command was already executed: the journal is "
		 "away"},
	};
	struct entity_world *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct fake_journal_step step = {.outcome = rows[i].outcome};
		struct entity_world_call *seen;

		(void)increase_now(f, rows[i].name, "k");
		entity_world_wait_for(f, entity_world_nobody_awake);
		fake_journal_script(f->journal, rows[i].call, &step);
		seen = increase_now(f, rows[i].name, "k");
		UNIT_ROW(rows[i].name, seen->code == rows[i].code);
		if (seen->code == ST_OK)
			is_answer(seen, 1, 1, true);
		else
			entity_world_is_failure(seen, rows[i].code, rows[i].message);
		is_answer(increase_now(f, rows[i].name, "k"), 1, 1, true);
	}
	assert_int_equal(f->function.commands, COUNT_OF(rows));
}

static bool recalls(void *data)
{
	struct entity_world *f = data;

	return fake_journal_calls(f->journal, FAKE_JOURNAL_RECALL) > 0;
}

/* Erased while its reply is on its way: then nobody is answered from it. */
static void erased_in_between(void **state)
{
	const struct fake_journal_step held = {.is_held = true};
	struct journal_key key = entity_world_key_of("a");
	struct entity_world *f = *state;
	struct entity_world_call *seen;

	(void)increase_now(f, "a", "k");
	fake_journal_script(f->journal, FAKE_JOURNAL_RECALL, &held);
	seen = increase(f, "a", "k");
	entity_world_wait_for(f, recalls);
	fake_journal_erase(f->journal, &key);
	assert_int_equal(fake_journal_release(f->journal), 1);
	entity_world_wait_for(f, entity_world_all_replied);
	entity_world_is_failure(seen, ST_FAILED_PRECONDITION, "The entity was erased");
}

/* What does not write leaves no trace. */
static void reads_are_not_remembered(void **state)
{
	struct entity_world *f = *state;

	for (unsigned i = 0; i < 2; i++) {
		struct entity_world_call *seen =
			entity_world_submit_again(f, GET, "a", SPAN_EMPTY, "k", NULL);

		entity_world_wait_for(f, entity_world_all_replied);
		assert_int_equal(seen->sequence, 0);
		assert_false(seen->is_replayed);
		assert_int_equal(f->function.commands, i + 1);
	}
	is_answer(increase_now(f, "a", "k"), 1, 1, false);
}

/* Without a key its reply is not stored; but it is not executed twice. */
static void an_id_that_comes_again(void **state)
{
	struct entity_world *f = *state;
	struct journal_id id = journal_new_id(fake_journal_base(f->journal));
	struct entity_world_call *seen =
		entity_world_submit_again(f, INCREASE, "a", ONE, NULL, &id);

	entity_world_wait_for(f, entity_world_all_replied);
	assert_int_equal(entity_world_amount_of(seen), 1);
	assert_memory_equal(seen->id.bytes, id.bytes, sizeof(id.bytes));
	seen = entity_world_submit_again(f, INCREASE, "a", ONE, NULL, &id);
	entity_world_wait_for(f, entity_world_all_replied);
	entity_world_is_failure(seen, ST_ABORTED,
				"The command was already executed and its reply is not stored");
	assert_int_equal(sequence_of(f, "a"), 1);
}

/* The whole reply is stored: what it asks for beside an answer, too. */
static void forwards_and_effects_are_stored(void **state)
{
	struct entity_world *f = *state;

	for (unsigned i = 0; i < 2; i++) {
		struct entity_world_call *effect = increase_now(f, "effect", "k");
		struct entity_world_call *forward;

		is_answer(effect, 1, 1, i == 1);
		assert_int_equal(effect->effects, 2);
		forward = increase_now(f, "forward", "k");
		assert_int_equal(forward->action, ENTITY_FORWARD);
		assert_int_equal(forward->is_replayed, i == 1);
	}
	assert_int_equal(f->function.commands, 2);
}

static void on_drained(void *data)
{
	struct entity_world *f = data;

	f->is_drained = true;
}

/* A drain while the window is read: what waits is answered. */
static void stop_during_the_look_up(void **state)
{
	const struct fake_journal_step held = {.is_held = true};
	struct entity_world *f = *state;
	struct entity_world_call *seen;

	(void)increase_now(f, "a", "k");
	entity_world_wait_for(f, entity_world_nobody_awake);
	fake_journal_script(f->journal, FAKE_JOURNAL_WINDOW, &held);
	seen = increase(f, "a", "k");
	entity_table_drain(f->table, on_drained, f);
	entity_world_wait_for(f, entity_world_has_released);
	entity_world_wait_for(f, entity_world_all_replied);
	is_answer(seen, 1, 1, true);
	entity_world_wait_for(f, entity_world_nobody_awake);
}

int main(void)
{
#define TEST(name, set_up) cmocka_unit_test_setup_teardown(name, set_up, entity_world_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(the_same_key_is_one_command, entity_world_set_up),
		TEST(the_same_key_is_one_command, set_up_value),
		TEST(at_once, entity_world_set_up),
		TEST(at_once, set_up_value),
		TEST(another_request_is_refused, entity_world_set_up),
		TEST(another_request_is_refused, set_up_value),
		TEST(over_activations, entity_world_set_up_short_sleep),
		TEST(the_window_ends, entity_world_set_up_closed),
		TEST(a_value_remembers_32_writes, set_up_value),
		TEST(every_append_ends_well, entity_world_set_up),
		TEST(every_append_ends_well, set_up_value),
		TEST(every_recall_ends_well, entity_world_set_up_short_sleep),
		TEST(erased_in_between, entity_world_set_up),
		TEST(reads_are_not_remembered, entity_world_set_up),
		TEST(an_id_that_comes_again, entity_world_set_up),
		TEST(an_id_that_comes_again, set_up_value),
		TEST(forwards_and_effects_are_stored, entity_world_set_up),
		TEST(forwards_and_effects_are_stored, set_up_value),
		TEST(stop_during_the_look_up, entity_world_set_up_short_sleep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
