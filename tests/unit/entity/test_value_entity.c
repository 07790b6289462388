/* Value entities over a real connection to a function in the same loop and a journal in memory. */
#include <string.h>

#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/entity/entity_table.h"
#include "src/grpc/metadata.h"
#include "src/userfn/api.h"
#include "tests/fakes/entity_world.h"
#include "tests/unit/unit.h"

static const struct journal_any seven = {{(const uint8_t *)"type.googleapis.com/test.Amount", 31},
					 {(const uint8_t *)"\x10\x07", 2}};

static int set_up(void **state)
{
	*state = entity_world_set_up_value(0);
	entity_world_open_table(*state);
	return 0;
}

static int set_up_closed(void **state)
{
	*state = entity_world_set_up_value(0);
	return 0;
}

static int set_up_short_sleep(void **state)
{
	*state = entity_world_set_up_value(30);
	entity_world_open_table(*state);
	return 0;
}

static void is_state(const struct entity_world *f, const char *id, const char *bytes)
{
	struct journal_key key = entity_world_key_of(id);
	struct journal_any state;

	assert_true(fake_journal_state(f->journal, &key, &state));
	UNIT_ROW_SPAN("type", state.type_url, "type.googleapis.com/test.Amount");
	UNIT_ROW_SPAN("state", state.value, bytes);
}

static void states_are_stored_and_answered(void **state)
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
	assert_true(fake_journal_head(f->journal, &key).sequence == 2);
	is_state(f, "a", "\x10\x02");
	assert_int_equal(fake_journal_calls(f->journal, FAKE_JOURNAL_GET), 1);
	assert_int_equal(fake_journal_calls(f->journal, FAKE_JOURNAL_PUT), 2);
	assert_int_equal(fake_journal_calls(f->journal, FAKE_JOURNAL_VERIFY), 1);
	assert_int_equal(fake_journal_calls(f->journal, FAKE_JOURNAL_LOAD), 0);
	assert_int_equal(fake_journal_calls(f->journal, FAKE_JOURNAL_APPEND), 0);
	assert_int_equal(f->function.last_id, 3);
	assert_int_equal(f->function.streams_of_value, 1);
}

static void it_begins_with_the_stored_state(void **state)
{
	struct entity_world *f = *state;
	struct journal_key key = entity_world_key_of("a");
	struct entity_world_call *read;

	fake_journal_put_state(f->journal, &key, &seven);
	read = entity_world_get(f, "a");
	entity_world_wait_for(f, entity_world_all_replied);
	assert_int_equal(entity_world_amount_of(read), 7);
}

/* V-05: it stays awake, and a later update goes on from nothing. */
static void it_lives_on_after_its_deletion(void **state)
{
	struct entity_world *f = *state;
	struct journal_key key = entity_world_key_of("delete");
	struct journal_any none;
	struct entity_world_call *first;

	fake_journal_put_state(f->journal, &key, &seven);
	first = entity_world_increase(f, "delete");
	entity_world_wait_for(f, entity_world_all_replied);
	assert_int_equal(entity_world_amount_of(first), 0);
	assert_false(fake_journal_state(f->journal, &key, &none));
	assert_true(fake_journal_head(f->journal, &key).sequence == 2);
	(void)entity_world_increase(f, "delete");
	entity_world_wait_for(f, entity_world_all_replied);
	assert_int_equal(f->function.inits, 1);
	assert_true(fake_journal_head(f->journal, &key).sequence == 3);
}

/* V-04, V-06: the state is written with the failure, and restart means nothing. */
static void a_failure_still_writes(void **state)
{
	struct entity_world *f = *state;
	struct entity_world_call *failed = entity_world_increase(f, "restart");
	struct entity_world_call *read = entity_world_get(f, "restart");

	entity_world_wait_for(f, entity_world_all_replied);
	entity_world_is_failure(failed, ST_UNKNOWN, "no");
	is_state(f, "restart", "\x10\x01");
	assert_int_equal(entity_world_amount_of(read), 1);
	assert_int_equal(f->function.inits, 1);
}

static void crashes_have_their_texts(void **state)
{
	static const struct {
		const char *id;
		const char *message;
	} rows[] = {
		{"wrong", "Unexpected Value entity reply"},
		{"garbage", "Unexpected Value entity failure"},
		{"broken", "Unexpected Value entity failure"},
		{"nothing", "Unexpected Value entity failure"},
		{"end", "Unexpected Value entity termination"},
		{"break", "Unexpected Value entity termination"},
	};
	struct entity_world *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct entity_world_call *first = entity_world_increase(f, rows[i].id);
		struct entity_world_call *waiting = entity_world_increase(f, rows[i].id);

		entity_world_wait_for(f, entity_world_all_replied);
		entity_world_is_failure(first, ST_UNKNOWN, rows[i].message);
		entity_world_is_failure(waiting, ST_UNKNOWN, "Value entity terminated");
	}
	assert_int_equal(fake_journal_calls(f->journal, FAKE_JOURNAL_PUT), 0);
}

/* V-07: nobody waits for a timeout. */
static void a_state_that_cannot_be_read(void **state)
{
	static const struct fake_journal_step away = {.outcome = FAKE_JOURNAL_ERROR};
	struct entity_world *f = *state;

	fake_journal_script(f->journal, FAKE_JOURNAL_GET, &away);
	(void)entity_world_increase(f, "a");
	(void)entity_world_get(f, "a");
	entity_world_wait_for(f, entity_world_all_replied);
	for (size_t i = 0; i < 2; i++)
		entity_world_is_failure(&f->seen[i], ST_UNAVAILABLE,
					"Error reading the state: the journal is away");
	assert_int_equal(f->function.commands, 0);
}

static void outcomes_of_a_write(void **state)
{
	static const struct {
		const char *id;
		enum fake_journal_outcome outcome;
		enum status code; /* ST_OK: answered */
		const char *message;
		unsigned sequence; /* afterwards */
	} rows[] = {
		{"mine", FAKE_JOURNAL_DUP_MINE, ST_OK, NULL, 1},
		{"conflict", FAKE_JOURNAL_CONFLICT, ST_OK, NULL, 1},
		{"other", FAKE_JOURNAL_DUP_OTHER, ST_ABORTED,
		 "The command was already executed and its reply is not stored", 1},
		{"erased", FAKE_JOURNAL_ERASED, ST_FAILED_PRECONDITION, "The entity was erased", 0},
		{"error", FAKE_JOURNAL_ERROR, ST_UNAVAILABLE,
		 "The state could not be stored: the journal is away", 0},
		{"unknown", FAKE_JOURNAL_UNKNOWN_DONE, ST_UNAVAILABLE,
		 "It is not known whether the command took effect: the journal is away", 1},
	};
	struct entity_world *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct journal_key key = entity_world_key_of(rows[i].id);
		struct fake_journal_step step = {.outcome = rows[i].outcome};
		struct entity_world_call *call;

		fake_journal_script(f->journal, FAKE_JOURNAL_PUT, &step);
		call = entity_world_increase(f, rows[i].id);
		entity_world_wait_for(f, entity_world_all_replied);
		if (rows[i].code == ST_OK)
			UNIT_ROW(rows[i].id, entity_world_amount_of(call) == 1);
		else
			entity_world_is_failure(call, rows[i].code, rows[i].message);
		UNIT_ROW(rows[i].id,
			 fake_journal_head(f->journal, &key).sequence == rows[i].sequence);
	}
}

/* Another gateway wrote: the function sees its state before the command runs again. */
static void runs_again_from_the_newest_state(void **state)
{
	struct entity_world *f = *state;
	struct journal_key key = entity_world_key_of("a");
	struct entity_world_call *call;

	(void)entity_world_increase(f, "a");
	entity_world_wait_for(f, entity_world_all_replied);
	fake_journal_put_state(f->journal, &key, &seven);
	call = entity_world_increase(f, "a");
	entity_world_wait_for(f, entity_world_all_replied);
	assert_int_equal(entity_world_amount_of(call), 8);
	fake_journal_put_state(f->journal, &key, NULL);
	call = entity_world_get(f, "a");
	entity_world_wait_for(f, entity_world_all_replied);
	assert_int_equal(entity_world_amount_of(call), 0);
}

/* The description changed its kind: the journal keeps what it has. */
static void events_are_not_overwritten(void **state)
{
	struct entity_world *f = *state;
	struct journal_key key = entity_world_key_of("a");

	fake_journal_put_event(f->journal, &key, &seven);
	(void)entity_world_increase(f, "a");
	entity_world_wait_for(f, entity_world_all_replied);
	entity_world_is_failure(
		&f->seen[0], ST_FAILED_PRECONDITION,
		"Error reading the state: the journal has an entity of another kind "
		"under this id");
}

static void sleeps_and_wakes(void **state)
{
	struct entity_world *f = *state;
	struct entity_world_call *read;

	(void)entity_world_increase(f, "a");
	entity_world_wait_for(f, entity_world_all_replied);
	entity_world_wait_for(f, entity_world_nobody_awake);
	assert_int_equal(f->function.stream_ends, 1);
	read = entity_world_get(f, "a");
	entity_world_wait_for(f, entity_world_all_replied);
	assert_int_equal(entity_world_amount_of(read), 1);
	assert_int_equal(f->function.inits, 2);
}

static void on_drained(void *data)
{
	((struct entity_world *)data)->is_drained = true;
}

static bool is_drained(void *data)
{
	return ((struct entity_world *)data)->is_drained;
}

static void drains(void **state)
{
	struct entity_world *f = *state;

	(void)entity_world_increase(f, "a");
	(void)entity_world_increase(f, "b");
	entity_table_drain(f->table, on_drained, f);
	entity_world_wait_for(f, is_drained);
	assert_int_equal(entity_world_amount_of(&f->seen[0]), 1);
	assert_int_equal(entity_world_amount_of(&f->seen[1]), 1);
	is_state(f, "b", "\x10\x01");
}

/* S-41: shown only when asked for, and then as actions see it. */
static void metadata_by_option(void **state)
{
	static const struct metadata_item items[] = {
		{SPAN_LIT("x-text"), SPAN_LIT("one")},
		{SPAN_LIT("x-raw-bin"), SPAN_LIT("\x01\xff")},
	};
	struct entity_world *f = *state;
	struct metadata metadata = {.items = (struct metadata_item *)(uintptr_t)items,
				    .count = COUNT_OF(items)};
	struct entity_command command = {
		.method = api_find(userfn_api(f->userfn), SPAN_LIT("/test.Counter/Get")),
		.key = SPAN_LIT("a"),
		.metadata = &metadata,
		.deadline_ns = DEADLINE_NEVER,
	};

	for (int is_shown = 0; is_shown < 2; is_shown++) {
		struct entity_world_call *seen = &f->seen[f->calls++];

		f->limits.has_metadata = is_shown;
		entity_world_open_table(f);
		seen->f = f;
		(void)entity_table_submit(f->table, &command, entity_world_on_reply, seen);
		entity_world_wait_for(f, entity_world_all_replied);
		assert_int_equal(entity_world_amount_of(seen), 0);
		UNIT_ROW_SPAN("metadata", buf_span(&f->function.metadata),
			      is_shown ? "\x0a\x0d\x0a\x06x-text\x12\x03one"
					 "\x0a\x0f\x0a\x09x-raw-bin\x1a\x02\x01\xff"
				       : "");
		entity_table_free(f->table);
		f->table = NULL;
	}
	/* and it counts as waiting bytes */
	f->budget_limits.queue_bytes_max = 20;
	entity_world_open_table(f);
	f->seen[2].f = f;
	f->calls++;
	(void)entity_table_submit(f->table, &command, entity_world_on_reply, &f->seen[2]);
	entity_world_wait_for(f, entity_world_all_replied);
	assert_int_equal(f->seen[2].code, ST_RESOURCE_EXHAUSTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(states_are_stored_and_answered, set_up,
						entity_world_tear_down),
		cmocka_unit_test_setup_teardown(it_begins_with_the_stored_state, set_up,
						entity_world_tear_down),
		cmocka_unit_test_setup_teardown(it_lives_on_after_its_deletion, set_up,
						entity_world_tear_down),
		cmocka_unit_test_setup_teardown(a_failure_still_writes, set_up,
						entity_world_tear_down),
		cmocka_unit_test_setup_teardown(crashes_have_their_texts, set_up,
						entity_world_tear_down),
		cmocka_unit_test_setup_teardown(a_state_that_cannot_be_read, set_up,
						entity_world_tear_down),
		cmocka_unit_test_setup_teardown(outcomes_of_a_write, set_up,
						entity_world_tear_down),
		cmocka_unit_test_setup_teardown(runs_again_from_the_newest_state, set_up,
						entity_world_tear_down),
		cmocka_unit_test_setup_teardown(events_are_not_overwritten, set_up,
						entity_world_tear_down),
		cmocka_unit_test_setup_teardown(sleeps_and_wakes, set_up_short_sleep,
						entity_world_tear_down),
		cmocka_unit_test_setup_teardown(drains, set_up, entity_world_tear_down),
		cmocka_unit_test_setup_teardown(metadata_by_option, set_up_closed,
						entity_world_tear_down),
		/* and of event sourced entities */
		cmocka_unit_test_setup_teardown(metadata_by_option, entity_world_set_up_closed,
						entity_world_tear_down),
	};

	return cmocka_run_group_tests_name("entity/value_entity", tests, NULL, NULL);
}
