/* Everything a function or the journal can do wrong to an entity, end to end. */
#include "src/entity/entity_table.h"

#include <stdio.h>
#include <string.h>

#include "src/base/mem.h"
#include "src/entity/entity_fsm.h"
#include "src/runtime/loop.h"
#include "src/userfn/api.h"
#include "tests/fakes/entity_world.h"
#include "tests/unit/unit.h"

/* ---- failures ------------------------------------------------------------------------------- */

static void failures_reach_the_caller(void **state)
{
	static const struct {
		const char *key;
		enum status code;
		const char *message;
		unsigned reports; /* E-56 */
		unsigned events;  /* in the journal; E-30: those beside a failure too */
	} rows[] = {
		{"fail", ST_UNKNOWN, "no", 0, 0},
		{"coded", ST_NOT_FOUND, "who", 0, 1},
		{"restart", ST_UNKNOWN, "no", 0, 0},
		{"wrong", ST_UNKNOWN, "Unexpected entity reply", 1, 0},
		{"broken", ST_UNKNOWN, "Unexpected entity failure", 1, 0},
		{"garbage", ST_UNKNOWN, "Unexpected entity message", 1, 0},
		{"end", ST_UNKNOWN, "Unexpected entity termination", 0, 0},
		{"break", ST_UNKNOWN, "Unexpected entity termination", 0, 0},
		{"many", ST_RESOURCE_EXHAUSTED,
		 "The reply has more events than the journal takes at once", 0, 0},
	};
	struct entity_world *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct journal_key key = entity_world_key_of(rows[i].key);
		unsigned reports = f->function.reports;
		struct entity_world_call *seen = entity_world_increase(f, rows[i].key);

		entity_world_wait_for(f, entity_world_all_replied);
		UNIT_ROW_SPAN(rows[i].key, span_from_str(seen->message), rows[i].message);
		UNIT_ROW(rows[i].key, seen->code == rows[i].code);
		UNIT_ROW(rows[i].key,
			 fake_journal_head(f->journal, &key).sequence == rows[i].events);
		f->want = reports + rows[i].reports;
		entity_world_wait_for(f, entity_world_has_reports);
	}
}

static void commands_behind_a_crash_are_terminated(void **state)
{
	struct entity_world *f = *state;
	struct entity_world_call *first = entity_world_increase(f, "garbage");
	struct entity_world_call *second = entity_world_increase(f, "garbage");
	struct entity_world_call *third = entity_world_increase(f, "garbage");

	entity_world_wait_for(f, entity_world_all_replied);
	entity_world_is_failure(first, ST_UNKNOWN, "Unexpected entity message");
	entity_world_is_failure(second, ST_UNKNOWN, "Entity terminated");
	entity_world_is_failure(third, ST_UNKNOWN, "Entity terminated");
	f->want = 1;
	entity_world_wait_for(f, entity_world_has_reports);
	assert_non_null(strstr(f->function.last_report,
			       "Unexpected entity message: entity counter/garbage"));
}

static void failure_message_is_a_failure_in_generation_0_1(void **state)
{
	struct entity_world *f = *state;
	struct entity_world_call *first = entity_world_increase(f, "broken");
	struct entity_world_call *second = entity_world_get(f, "broken");

	entity_world_wait_for(f, entity_world_all_replied);
	entity_world_is_failure(first, ST_UNKNOWN, "broken");
	assert_int_equal(entity_world_amount_of(second), 0);
	assert_int_equal(f->function.stream_count, 1);
}

static void restart_begins_again_and_keeps_the_queue(void **state)
{
	struct entity_world *f = *state;
	struct entity_world_call *first = entity_world_increase(f, "restart");
	struct entity_world_call *second = entity_world_get(f, "restart");

	entity_world_wait_for(f, entity_world_all_replied);
	entity_world_is_failure(first, ST_UNKNOWN, "no");
	assert_int_equal(entity_world_amount_of(second), 0);
	assert_int_equal(f->function.stream_count, 2);
	assert_int_equal(f->function.stream_ends, 1);
	assert_int_equal(f->function.last_id, 1);
}

static void silent_function_frees_the_entity(void **state)
{
	struct entity_world *f = *state;
	struct entity_world_call *first;

	f->limits.command_timeout_ms = 30;
	entity_world_open_table(f);
	first = entity_world_increase(f, "hang");
	entity_world_wait_for(f, entity_world_all_replied);
	entity_world_is_failure(first, ST_DEADLINE_EXCEEDED,
				"The user function did not reply in time");
	entity_world_wait_for(f, entity_world_nobody_awake);
}

static void lost_connection_ends_what_is_under_way(void **state)
{
	struct entity_world *f = *state;
	struct entity_world_call *hang = entity_world_increase(f, "hang");
	struct entity_world_call *fresh;

	f->want = 1;
	entity_world_wait_for(f, entity_world_has_commands);
	fake_function_drop(&f->function);
	entity_world_wait_for(f, entity_world_all_replied);
	entity_world_is_failure(hang, ST_UNKNOWN, "Unexpected entity termination");
	entity_world_wait_for(f, entity_world_is_ready);
	fresh = entity_world_increase(f, "a");
	entity_world_wait_for(f, entity_world_all_replied);
	assert_int_equal(entity_world_amount_of(fresh), 1);
}

static void unreachable_function_is_said_at_once(void **state)
{
	struct entity_world *f = *state;
	struct entity_world_call *seen;

	fake_function_fini(&f->function);
	fake_function_init(&f->function, f->loop, 2, 0); /* on another port */
	f->want = 1;
	do {
		seen = entity_world_increase(f, "a");
		entity_world_wait_for(f, entity_world_all_replied);
	} while (seen->code == ST_UNKNOWN); /* while the loss is not noticed */
	assert_int_equal(seen->code, ST_UNAVAILABLE);
	assert_non_null(strstr(seen->message, "The user function is not reachable"));
}

/* ---- the journal's answers ------------------------------------------------------------------ */

static void append_outcomes(void **state)
{
	static const struct {
		const char *name;
		enum fake_journal_call call;
		struct fake_journal_step step;
		enum status code; /* ST_OK: answered */
		const char *message;
		unsigned events; /* in the journal at the end */
	} rows[] = {
		{"dup mine", FAKE_JOURNAL_APPEND, {.outcome = FAKE_JOURNAL_DUP_MINE}, ST_OK, "", 1},
		{"dup other",
		 FAKE_JOURNAL_APPEND,
		 {.outcome = FAKE_JOURNAL_DUP_OTHER},
		 ST_ABORTED,
		 "The command was already executed and its reply is not stored",
		 1},
		{"conflict", FAKE_JOURNAL_APPEND, {.outcome = FAKE_JOURNAL_CONFLICT}, ST_OK, "", 1},
		{"erased",
		 FAKE_JOURNAL_APPEND,
		 {.outcome = FAKE_JOURNAL_ERASED},
		 ST_FAILED_PRECONDITION,
		 "The entity was erased",
		 0},
		{"error",
		 FAKE_JOURNAL_APPEND,
		 {.outcome = FAKE_JOURNAL_ERROR,
		  .status = ST_RESOURCE_EXHAUSTED,
		  .message = "full"},
		 ST_RESOURCE_EXHAUSTED,
		 "The events could not be stored: full",
		 0},
		{"unknown, done",
		 FAKE_JOURNAL_APPEND,
		 {.outcome = FAKE_JOURNAL_UNKNOWN_DONE},
		 ST_UNAVAILABLE,
		 "It is not known whether the command took effect: the journal is away",
		 1},
		{"unknown, lost",
		 FAKE_JOURNAL_APPEND,
		 {.outcome = FAKE_JOURNAL_UNKNOWN_LOST},
		 ST_UNAVAILABLE,
		 "It is not known whether the command took effect: the journal is away",
		 0},
		{"load error",
		 FAKE_JOURNAL_LOAD,
		 {.outcome = FAKE_JOURNAL_ERROR},
		 ST_UNAVAILABLE,
		 "Error recovering event log: the journal is away",
		 0},
		{"load moved",
		 FAKE_JOURNAL_LOAD,
		 {.outcome = FAKE_JOURNAL_ERROR, .status = ST_ABORTED, .message = "moved"},
		 ST_OK,
		 "",
		 1},
		{"load erased",
		 FAKE_JOURNAL_LOAD,
		 {.outcome = FAKE_JOURNAL_ERASED},
		 ST_FAILED_PRECONDITION,
		 "The entity was erased",
		 0},
	};
	struct entity_world *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct journal_key key = entity_world_key_of(rows[i].name);
		struct entity_world_call *seen;
		struct entity_world_call *next;

		fake_journal_script(f->journal, rows[i].call, &rows[i].step);
		seen = entity_world_increase(f, rows[i].name);
		entity_world_wait_for(f, entity_world_all_replied);
		UNIT_ROW_SPAN(rows[i].name, span_from_str(seen->message), rows[i].message);
		UNIT_ROW(rows[i].name, seen->code == rows[i].code);
		UNIT_ROW(rows[i].name,
			 fake_journal_head(f->journal, &key).sequence == rows[i].events);
		/* and it goes on from what the journal has */
		next = entity_world_get(f, rows[i].name);
		entity_world_wait_for(f, entity_world_all_replied);
		UNIT_ROW(rows[i].name, entity_world_amount_of(next) == rows[i].events);
	}
}

static void verify_outcomes(void **state)
{
	static const struct {
		const char *name;
		struct fake_journal_step step;
		enum status code;
		const char *message;
	} rows[] = {
		{"conflict", {.outcome = FAKE_JOURNAL_CONFLICT}, ST_OK, ""},
		{"erased",
		 {.outcome = FAKE_JOURNAL_ERASED},
		 ST_FAILED_PRECONDITION,
		 "The entity was erased"},
		{"error",
		 {.outcome = FAKE_JOURNAL_ERROR},
		 ST_UNAVAILABLE,
		 "The reply could not be verified: the journal is away"},
	};
	struct entity_world *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct entity_world_call *seen;

		fake_journal_script(f->journal, FAKE_JOURNAL_VERIFY, &rows[i].step);
		seen = entity_world_get(f, rows[i].name);
		entity_world_wait_for(f, entity_world_all_replied);
		UNIT_ROW_SPAN(rows[i].name, span_from_str(seen->message), rows[i].message);
		UNIT_ROW(rows[i].name, seen->code == rows[i].code);
	}
}

static void stale_reads_are_run_again(void **state)
{
	struct entity_world *f = *state;
	struct journal_key key = entity_world_key_of("a");
	struct journal_any any = {SPAN_LIT("t"), SPAN_LIT("v")};
	struct entity_world_call *read;

	(void)entity_world_increase(f, "a");
	entity_world_wait_for(f, entity_world_all_replied);
	fake_journal_put_event(f->journal, &key, &any); /* by another process */
	read = entity_world_get(f, "a");
	entity_world_wait_for(f, entity_world_all_replied);
	assert_int_equal(entity_world_amount_of(read), 2);
	(void)fake_journal_put_event(f->journal, &key, &any);
	read = entity_world_increase(f, "a");
	entity_world_wait_for(f, entity_world_all_replied);
	assert_int_equal(entity_world_amount_of(read), 4);
	assert_int_equal(fake_journal_head(f->journal, &key).sequence, 4);
}

static void large_messages_break_the_stream(void **state)
{
	struct entity_world *f = *state;
	struct entity_world_call *large;

	f->limits.message_bytes_max = 4096;
	entity_world_open_table(f);
	large = entity_world_increase(f, "many");
	entity_world_wait_for(f, entity_world_all_replied);
	entity_world_is_failure(large, ST_UNKNOWN, "Unexpected entity termination");
	(void)entity_world_increase(f, "a");
	entity_world_wait_for(f, entity_world_all_replied);
	assert_int_equal(entity_world_amount_of(&f->seen[1]), 1);
}

/* A command that has to run again waits in the queue as any other, with its deadline. */
static void commands_that_run_again_have_a_deadline(void **state)
{
	struct entity_world *f = *state;
	struct fake_journal_step held = {.outcome = FAKE_JOURNAL_AS_IS, .is_held = true};
	struct fake_journal_step conflict = {.outcome = FAKE_JOURNAL_CONFLICT};
	struct entity_world_call *late;

	(void)entity_world_increase(f, "a");
	entity_world_wait_for(f, entity_world_all_replied);
	fake_journal_script(f->journal, FAKE_JOURNAL_APPEND, &conflict);
	fake_journal_script(f->journal, FAKE_JOURNAL_LOAD, &held);
	late = entity_world_submit_with(f, "/test.Counter/Increase", "a", SPAN_LIT("\x10\x01"),
					loop_now_ns(f->loop) + 300 * NS_PER_MS);
	entity_world_wait_for(f, entity_world_all_replied);
	entity_world_is_failure(late, ST_DEADLINE_EXCEEDED,
				"The command waited too long in the entity's queue");
	assert_int_equal(f->function.commands, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST_WITH(name, set_up)                                                                    \
	cmocka_unit_test_setup_teardown(name, set_up, entity_world_tear_down)
#define TEST(name) TEST_WITH(name, entity_world_set_up)
		TEST(failures_reach_the_caller),
		TEST(commands_behind_a_crash_are_terminated),
		TEST_WITH(failure_message_is_a_failure_in_generation_0_1, entity_world_set_up_0_1),
		TEST(restart_begins_again_and_keeps_the_queue),
		TEST_WITH(silent_function_frees_the_entity, entity_world_set_up_closed),
		TEST(lost_connection_ends_what_is_under_way),
		TEST(unreachable_function_is_said_at_once),
		TEST(append_outcomes),
		TEST(verify_outcomes),
		TEST(stale_reads_are_run_again),
		TEST_WITH(large_messages_break_the_stream, entity_world_set_up_closed),
		TEST(commands_that_run_again_have_a_deadline),
#undef TEST
#undef TEST_WITH
	};

	return cmocka_run_group_tests_name("entity/entity_failures", tests, NULL, NULL);
}
