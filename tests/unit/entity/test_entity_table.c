/* Entities over a real connection to a function in the same loop and a journal in memory. */
#include "src/entity/entity_table.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/runtime/address.h"
#include "src/runtime/loop.h"
#include "src/userfn/api.h"
#include "src/userfn/userfn.h"
#include "tests/fakes/fake_function.h"
#include "tests/fakes/fake_journal.h"
#include "tests/unit/unit.h"

#define WAIT_NS (10 * NS_PER_S)
#define CALLS_MAX 256

/* One command and what became of it. */
struct seen {
	struct fixture *f;
	struct entity_ticket *ticket;
	unsigned replies;
	enum entity_action action;
	enum status code;
	uint64_t retry_after_ms;
	size_t effects;
	unsigned order; /* of its reply among all */
	char message[160];
	char payload[32];
	size_t payload_len;
};

struct fixture {
	struct loop *loop;
	struct metrics *metrics;
	struct fake_function function;
	struct fake_journal *journal;
	struct userfn *userfn;
	struct entity_table *table;
	struct entity_limits limits;
	struct seen seen[CALLS_MAX];
	size_t calls;
	unsigned replies;
	bool is_drained;
	unsigned want;
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

static void wait_for(struct fixture *f, bool (*is_done)(void *))
{
	assert_true(loop_run_until(f->loop, is_done, f, clock_mono_ns() + WAIT_NS));
}

static struct fixture *set_up_with(int32_t minor, int64_t passivation_ms)
{
	struct fixture *f = mem_new(struct fixture);
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
	address.port = f->function.port;
	f->userfn = userfn_open(f->loop, &params, on_change, f);
	f->journal = fake_journal_new(f->loop);
	f->limits = entity_limits_default();
	f->limits.crash_backoff_min_ms = 2;
	f->limits.crash_backoff_max_ms = 20;
	wait_for(f, is_ready);
	return f;
}

/* Limits may be changed until here. */
static void open_table(struct fixture *f)
{
	f->table = entity_table_new(f->loop, f->userfn, fake_journal_base(f->journal), f->metrics,
				    &f->limits);
}

static int set_up(void **state)
{
	*state = set_up_with(2, 0);
	open_table(*state);
	return 0;
}

static int set_up_closed(void **state)
{
	*state = set_up_with(2, 0);
	return 0;
}

static int set_up_0_1(void **state)
{
	*state = set_up_with(1, 0);
	open_table(*state);
	return 0;
}

static int set_up_short_sleep(void **state)
{
	*state = set_up_with(2, 30);
	open_table(*state);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	assert_false(f->function.is_out_of_order);
	entity_table_free(f->table);
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

static void on_reply(void *data, const struct entity_reply *reply)
{
	struct seen *seen = data;

	seen->replies++;
	seen->ticket = NULL;
	seen->order = ++seen->f->replies;
	seen->action = reply->action;
	seen->code = reply->code;
	seen->retry_after_ms = reply->retry_after_ms;
	seen->effects = reply->effect_count;
	(void)snprintf(seen->message, sizeof(seen->message), "%.*s", SPAN_FMT(reply->message));
	seen->payload_len = reply->payload.len;
	if (reply->payload.len && reply->payload.len <= sizeof(seen->payload))
		memcpy(seen->payload, reply->payload.data, reply->payload.len);
}

static struct seen *submit_with(struct fixture *f, const char *path, const char *key,
				struct span payload, uint64_t deadline_ns)
{
	struct seen *seen = &f->seen[f->calls++];
	struct entity_command command = {
		.method = api_find(userfn_api(f->userfn), span_from_str(path)),
		.key = span_from_str(key),
		.payload = payload,
		.deadline_ns = deadline_ns,
	};

	assert_true(f->calls <= CALLS_MAX);
	seen->f = f;
	seen->ticket = entity_table_submit(f->table, &command, on_reply, seen);
	assert_int_equal(seen->replies, 0);
	return seen;
}

static struct seen *increase(struct fixture *f, const char *key)
{
	return submit_with(f, "/test.Counter/Increase", key, SPAN_LIT("\x10\x01"), DEADLINE_NEVER);
}

static struct seen *get(struct fixture *f, const char *key)
{
	return submit_with(f, "/test.Counter/Get", key, SPAN_EMPTY, DEADLINE_NEVER);
}

static bool all_replied(void *data)
{
	struct fixture *f = data;

	return f->replies == f->calls;
}

static bool some_replied(void *data)
{
	struct fixture *f = data;

	return f->replies >= f->want;
}

static bool nobody_awake(void *data)
{
	struct fixture *f = data;

	return entity_table_active(f->table) == 0;
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

static struct journal_key key_of(const char *id)
{
	return (struct journal_key){SPAN_LIT("counter"), span_from_str(id)};
}

/* Field 2 of test.Amount, below 128. */
static unsigned amount_of(const struct seen *seen)
{
	if (seen->payload_len != 2 || seen->payload[0] != 0x10)
		fail_msg("no amount, code %s: %s", status_name(seen->code), seen->message);
	return (unsigned)seen->payload[1];
}

static void is_failure(const struct seen *seen, enum status code, const char *message)
{
	assert_int_equal(seen->replies, 1);
	assert_int_equal(seen->action, ENTITY_FAILURE);
	assert_string_equal(seen->message, message);
	assert_int_equal(seen->code, code);
}

/* ---- the usual ------------------------------------------------------------------------------ */

static void events_are_stored_and_answered(void **state)
{
	struct fixture *f = *state;
	struct journal_key key = key_of("a");
	struct seen *first = increase(f, "a");
	struct seen *second = increase(f, "a");
	struct seen *read = get(f, "a");

	wait_for(f, all_replied);
	assert_int_equal(amount_of(first), 1);
	assert_int_equal(amount_of(second), 2);
	assert_int_equal(amount_of(read), 2);
	assert_true(first->order < second->order && second->order < read->order);
	assert_int_equal(fake_journal_head(f->journal, &key).sequence, 2);
	UNIT_ROW_SPAN("stored as it is", fake_journal_event(f->journal, &key, 2).value, "\x10\x01");
	assert_int_equal(fake_journal_calls(f->journal, FAKE_JOURNAL_LOAD), 1);
	assert_int_equal(fake_journal_calls(f->journal, FAKE_JOURNAL_APPEND), 2);
	assert_int_equal(fake_journal_calls(f->journal, FAKE_JOURNAL_VERIFY), 1);
	assert_int_equal(f->function.last_id, 3);
}

static void entities_are_independent(void **state)
{
	struct fixture *f = *state;
	struct seen *hang = increase(f, "hang");
	struct seen *other = increase(f, "b");

	f->want = 1;
	wait_for(f, some_replied);
	assert_int_equal(amount_of(other), 1);
	assert_int_equal(hang->replies, 0);
	assert_int_equal(entity_table_active(f->table), 2);
}

static void no_reply_before_the_append(void **state)
{
	struct fixture *f = *state;
	struct fake_journal_step held = {.outcome = FAKE_JOURNAL_AS_IS, .is_held = true};
	struct seen *other;

	fake_journal_script(f->journal, FAKE_JOURNAL_APPEND, &held);
	(void)increase(f, "a");
	other = increase(f, "b"); /* takes the second append */
	f->want = 1;
	wait_for(f, some_replied);
	assert_int_equal(other->replies + f->seen[0].replies, 1);
	assert_int_equal(fake_journal_release(f->journal), 1);
	wait_for(f, all_replied);
}

static void activation_replays_events_and_snapshot(void **state)
{
	struct fixture *f = *state;
	struct journal_key key = key_of("a");
	struct journal_any any = {SPAN_LIT("json.cloudstate.io/x"), SPAN_LIT("{}")};
	struct seen *read;

	for (int i = 0; i < 5; i++)
		fake_journal_put_event(f->journal, &key, &any);
	fake_journal_put_snapshot(f->journal, &key, &any);
	for (int i = 0; i < 7; i++)
		fake_journal_put_event(f->journal, &key, &any);
	fake_journal_set_page(f->journal, 3);
	read = get(f, "a");
	wait_for(f, all_replied);
	assert_int_equal(amount_of(read), 12);
	assert_int_equal(f->function.last_snapshot, 5);
	assert_int_equal(f->function.events, 7);
}

static void large_pages_wait_for_the_function(void **state)
{
	struct fixture *f = *state;
	struct journal_key key = key_of("a");
	uint8_t *payload = mem_new_array(uint8_t, 300000);
	struct journal_any any = {SPAN_LIT("json.cloudstate.io/x"), span_make(payload, 300000)};

	/* 30 MB in one page: more than the transport takes at once */
	for (int i = 0; i < 100; i++)
		fake_journal_put_event(f->journal, &key, &any);
	mem_free(payload);
	assert_int_equal(fake_journal_head(f->journal, &key).sequence, 100);
	(void)get(f, "a");
	wait_for(f, all_replied);
	assert_int_equal(f->function.events, 100);
	assert_int_equal(amount_of(&f->seen[0]), 100);
}

static void snapshots_are_stored_with_their_events(void **state)
{
	struct fixture *f = *state;
	struct journal_key key = key_of("snap");
	struct journal_any snapshot;

	for (int i = 0; i < 5; i++)
		(void)increase(f, "snap");
	wait_for(f, all_replied);
	assert_int_equal(fake_journal_snapshot(f->journal, &key, &snapshot), 4);
	UNIT_ROW_SPAN("snapshot", snapshot.value, "state");
}

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
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct journal_key key = key_of(rows[i].key);
		unsigned reports = f->function.reports;
		struct seen *seen = increase(f, rows[i].key);

		wait_for(f, all_replied);
		UNIT_ROW_SPAN(rows[i].key, span_from_str(seen->message), rows[i].message);
		UNIT_ROW(rows[i].key, seen->code == rows[i].code);
		UNIT_ROW(rows[i].key,
			 fake_journal_head(f->journal, &key).sequence == rows[i].events);
		f->want = reports + rows[i].reports;
		wait_for(f, has_reports);
	}
}

static void commands_behind_a_crash_are_terminated(void **state)
{
	struct fixture *f = *state;
	struct seen *first = increase(f, "garbage");
	struct seen *second = increase(f, "garbage");
	struct seen *third = increase(f, "garbage");

	wait_for(f, all_replied);
	is_failure(first, ST_UNKNOWN, "Unexpected entity message");
	is_failure(second, ST_UNKNOWN, "Entity terminated");
	is_failure(third, ST_UNKNOWN, "Entity terminated");
	f->want = 1;
	wait_for(f, has_reports);
	assert_non_null(strstr(f->function.last_report,
			       "Unexpected entity message: entity counter/garbage"));
}

static void failure_message_is_a_failure_in_generation_0_1(void **state)
{
	struct fixture *f = *state;
	struct seen *first = increase(f, "broken");
	struct seen *second = get(f, "broken");

	wait_for(f, all_replied);
	is_failure(first, ST_UNKNOWN, "broken");
	assert_int_equal(amount_of(second), 0);
	assert_int_equal(f->function.stream_count, 1);
}

static void restart_begins_again_and_keeps_the_queue(void **state)
{
	struct fixture *f = *state;
	struct seen *first = increase(f, "restart");
	struct seen *second = get(f, "restart");

	wait_for(f, all_replied);
	is_failure(first, ST_UNKNOWN, "no");
	assert_int_equal(amount_of(second), 0);
	assert_int_equal(f->function.stream_count, 2);
	assert_int_equal(f->function.stream_ends, 1);
	assert_int_equal(f->function.last_id, 1);
}

static void silent_function_frees_the_entity(void **state)
{
	struct fixture *f = *state;
	struct seen *first;

	f->limits.command_timeout_ms = 30;
	open_table(f);
	first = increase(f, "hang");
	wait_for(f, all_replied);
	is_failure(first, ST_DEADLINE_EXCEEDED, "The user function did not reply in time");
	wait_for(f, nobody_awake);
}

static void lost_connection_ends_what_is_under_way(void **state)
{
	struct fixture *f = *state;
	struct seen *hang = increase(f, "hang");
	struct seen *fresh;

	f->want = 1;
	wait_for(f, has_commands);
	fake_function_drop(&f->function);
	wait_for(f, all_replied);
	is_failure(hang, ST_UNKNOWN, "Unexpected entity termination");
	wait_for(f, is_ready);
	fresh = increase(f, "a");
	wait_for(f, all_replied);
	assert_int_equal(amount_of(fresh), 1);
}

static void unreachable_function_is_said_at_once(void **state)
{
	struct fixture *f = *state;
	struct seen *seen;

	fake_function_fini(&f->function);
	fake_function_init(&f->function, f->loop, 2, 0); /* on another port */
	f->want = 1;
	do {
		seen = increase(f, "a");
		wait_for(f, all_replied);
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
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct journal_key key = key_of(rows[i].name);
		struct seen *seen;
		struct seen *next;

		fake_journal_script(f->journal, rows[i].call, &rows[i].step);
		seen = increase(f, rows[i].name);
		wait_for(f, all_replied);
		UNIT_ROW_SPAN(rows[i].name, span_from_str(seen->message), rows[i].message);
		UNIT_ROW(rows[i].name, seen->code == rows[i].code);
		UNIT_ROW(rows[i].name,
			 fake_journal_head(f->journal, &key).sequence == rows[i].events);
		/* and it goes on from what the journal has */
		next = get(f, rows[i].name);
		wait_for(f, all_replied);
		UNIT_ROW(rows[i].name, amount_of(next) == rows[i].events);
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
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct seen *seen;

		fake_journal_script(f->journal, FAKE_JOURNAL_VERIFY, &rows[i].step);
		seen = get(f, rows[i].name);
		wait_for(f, all_replied);
		UNIT_ROW_SPAN(rows[i].name, span_from_str(seen->message), rows[i].message);
		UNIT_ROW(rows[i].name, seen->code == rows[i].code);
	}
}

static void stale_reads_are_run_again(void **state)
{
	struct fixture *f = *state;
	struct journal_key key = key_of("a");
	struct journal_any any = {SPAN_LIT("t"), SPAN_LIT("v")};
	struct seen *read;

	(void)increase(f, "a");
	wait_for(f, all_replied);
	fake_journal_put_event(f->journal, &key, &any); /* by another process */
	read = get(f, "a");
	wait_for(f, all_replied);
	assert_int_equal(amount_of(read), 2);
	(void)fake_journal_put_event(f->journal, &key, &any);
	read = increase(f, "a");
	wait_for(f, all_replied);
	assert_int_equal(amount_of(read), 4);
	assert_int_equal(fake_journal_head(f->journal, &key).sequence, 4);
}

/* ---- limits, sleep, the end ----------------------------------------------------------------- */

static void full_queue_is_said(void **state)
{
	struct fixture *f = *state;
	struct seen *last = NULL;

	f->limits.queue_max = 3;
	open_table(f);
	(void)increase(f, "hang");
	f->want = 1;
	wait_for(f, has_commands);
	for (int i = 0; i < 4; i++)
		last = increase(f, "hang");
	f->want = 1;
	wait_for(f, some_replied);
	is_failure(last, ST_RESOURCE_EXHAUSTED, "Too many commands wait for this entity");
	assert_int_equal(last->retry_after_ms, 1000);
	assert_int_equal(entity_table_queued(f->table), 3);
}

static void full_memory_is_said(void **state)
{
	struct fixture *f = *state;
	struct seen *last;
	uint8_t payload[600] = {0};

	f->limits.queue_bytes_max = 1000;
	open_table(f);
	(void)increase(f, "hang");
	(void)submit_with(f, "/test.Counter/Increase", "hang", span_make(payload, 600),
			  DEADLINE_NEVER);
	last = submit_with(f, "/test.Counter/Increase", "a", span_make(payload, 600),
			   DEADLINE_NEVER);
	f->want = 1;
	wait_for(f, some_replied);
	is_failure(last, ST_RESOURCE_EXHAUSTED, "Too many commands wait for entities");
}

static void idle_entities_make_room(void **state)
{
	struct fixture *f = *state;
	struct seen *last;

	f->limits.active_max = 2;
	open_table(f);
	(void)increase(f, "a");
	(void)increase(f, "b");
	wait_for(f, all_replied);
	last = increase(f, "c");
	wait_for(f, all_replied);
	assert_int_equal(amount_of(last), 1);
	last = increase(f, "a"); /* it was the longest idle one */
	wait_for(f, all_replied);
	assert_int_equal(amount_of(last), 2);
	assert_int_equal(f->function.inits, 4);
}

static void busy_entities_do_not(void **state)
{
	struct fixture *f = *state;
	struct seen *last;

	f->limits.active_max = 2;
	open_table(f);
	(void)increase(f, "hang1");
	(void)increase(f, "hang2");
	f->want = 2;
	wait_for(f, has_commands);
	last = increase(f, "c");
	f->want = 1;
	wait_for(f, some_replied);
	is_failure(last, ST_RESOURCE_EXHAUSTED, "Too many entities are active");
}

static void idle_entities_go_to_sleep(void **state)
{
	struct fixture *f = *state;
	struct seen *again;

	(void)increase(f, "a");
	wait_for(f, all_replied);
	wait_for(f, nobody_awake);
	assert_int_equal(f->function.stream_ends, 1);
	again = increase(f, "a");
	wait_for(f, all_replied);
	assert_int_equal(amount_of(again), 2);
	assert_int_equal(f->function.stream_count, 2);
	assert_int_equal(f->function.last_id, 1);
}

static void stubborn_functions_are_cut(void **state)
{
	struct fixture *f = *state;

	f->limits.passivation_ms = 10;
	f->limits.stop_timeout_ms = 20;
	open_table(f);
	(void)increase(f, "stubborn");
	wait_for(f, all_replied);
	wait_for(f, nobody_awake);
	assert_int_equal(f->function.stream_ends, 0);
}

static void waiting_commands_have_a_deadline(void **state)
{
	struct fixture *f = *state;
	struct seen *late;

	(void)increase(f, "hang");
	late = submit_with(f, "/test.Counter/Increase", "hang", SPAN_EMPTY,
			   loop_now_ns(f->loop) + 20 * NS_PER_MS);
	f->want = 1;
	wait_for(f, some_replied);
	is_failure(late, ST_DEADLINE_EXCEEDED, "The command waited too long in the entity's queue");
	assert_int_equal(entity_table_queued(f->table), 0);
}

static void abandoned_commands(void **state)
{
	struct fixture *f = *state;
	struct journal_key key = key_of("a");
	struct fake_journal_step held = {.outcome = FAKE_JOURNAL_AS_IS, .is_held = true};
	struct seen *sent;
	struct seen *waiting;
	struct seen *last;

	fake_journal_script(f->journal, FAKE_JOURNAL_APPEND, &held);
	sent = increase(f, "a");
	waiting = increase(f, "a");
	last = increase(f, "a");
	f->want = 1;
	wait_for(f, has_commands);
	entity_table_abandon(sent->ticket);    /* its event is stored all the same */
	entity_table_abandon(waiting->ticket); /* dropped */
	assert_int_equal(entity_table_queued(f->table), 1);
	while (fake_journal_release(f->journal) == 0)
		(void)loop_run_until(f->loop, all_replied, f, clock_mono_ns() + NS_PER_MS);
	f->want = 1;
	wait_for(f, some_replied);
	assert_int_equal(amount_of(last), 2);
	assert_int_equal(fake_journal_head(f->journal, &key).sequence, 2);
	assert_int_equal(sent->replies + waiting->replies, 0);
}

static void on_drained(void *data)
{
	struct fixture *f = data;

	f->is_drained = true;
}

static bool is_drained(void *data)
{
	struct fixture *f = data;

	return f->is_drained;
}

static void drain_finishes_what_was_taken_in(void **state)
{
	struct fixture *f = *state;
	struct seen *late;

	for (int i = 0; i < 5; i++)
		(void)increase(f, "a");
	(void)increase(f, "b");
	(void)increase(f, "restart");
	entity_table_drain(f->table, on_drained, f);
	late = increase(f, "c");
	assert_false(f->is_drained);
	wait_for(f, is_drained);
	assert_true(all_replied(f));
	is_failure(late, ST_UNAVAILABLE, "The gateway is shutting down");
	for (int i = 0; i < 5; i++)
		assert_int_equal(amount_of(&f->seen[i]), i + 1);
	assert_int_equal(entity_table_active(f->table), 0);
}

static void drain_of_nothing_is_done(void **state)
{
	struct fixture *f = *state;

	entity_table_drain(f->table, on_drained, f);
	assert_false(f->is_drained);
	wait_for(f, is_drained);
}

static void free_answers_everybody(void **state)
{
	struct fixture *f = *state;

	(void)increase(f, "hang");
	(void)increase(f, "hang");
	(void)increase(f, "a");
	f->want = 1;
	wait_for(f, has_commands);
	(void)increase(f, "b");
	entity_table_free(f->table);
	f->table = NULL;
	for (size_t i = 0; i < f->calls; i++)
		assert_int_equal(f->seen[i].replies, 1);
	is_failure(&f->seen[0], ST_UNAVAILABLE, "The gateway is shutting down");
}

/* A caller may submit from inside its callback, for the same entity too. */
static void on_reply_again(void *data, const struct entity_reply *reply)
{
	struct seen *seen = data;
	struct fixture *f = seen->f;

	on_reply(data, reply);
	if (f->calls < 20)
		(void)increase(f, "a");
	if (f->calls < 20) {
		struct entity_command command = {
			.method = api_find(userfn_api(f->userfn), SPAN_LIT("/test.Counter/Get")),
			.key = SPAN_LIT("a"),
			.deadline_ns = DEADLINE_NEVER,
		};
		struct seen *next = &f->seen[f->calls++];

		next->f = f;
		next->ticket = entity_table_submit(f->table, &command, on_reply_again, next);
	}
}

static void callers_may_submit_from_their_callback(void **state)
{
	struct fixture *f = *state;
	struct entity_command command = {
		.method = api_find(userfn_api(f->userfn), SPAN_LIT("/test.Counter/Increase")),
		.key = SPAN_LIT("a"),
		.deadline_ns = DEADLINE_NEVER,
	};
	struct seen *first = &f->seen[f->calls++];

	first->f = f;
	first->ticket = entity_table_submit(f->table, &command, on_reply_again, first);
	wait_for(f, all_replied);
	assert_int_equal(f->calls, 20);
}

static void effects_and_forwards_are_handed_on(void **state)
{
	struct fixture *f = *state;
	struct seen *effect = get(f, "effect");
	struct seen *forward = get(f, "forward");
	struct seen *empty = get(f, "empty");

	wait_for(f, all_replied);
	assert_int_equal(effect->action, ENTITY_REPLY);
	assert_int_equal(effect->effects, 2);
	assert_int_equal(forward->action, ENTITY_FORWARD);
	assert_int_equal(empty->action, ENTITY_NONE);
}

/* Spec: issue "a gateway that runs": at most 40 MB with 10,000 active entities. */
static void waking_costs_little(void **state)
{
	struct fixture *f = *state;
	enum { COUNT = 200 };
	size_t before;
	size_t each;
	char key[16];

	(void)increase(f, "warm");
	wait_for(f, all_replied);
	before = mallinfo2().uordblks;
	for (unsigned i = 0; i < COUNT; i++) {
		(void)snprintf(key, sizeof(key), "e%u", i);
		(void)increase(f, key);
	}
	wait_for(f, all_replied);
	each = (mallinfo2().uordblks - before) / COUNT;
	/* entity and call are about 550 bytes of it; the streams of both sides and what the fakes
	 * keep of each entity are the rest */
	assert_true(each < 9000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_WITH(name, set_up) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(events_are_stored_and_answered),
		TEST(entities_are_independent),
		TEST(no_reply_before_the_append),
		TEST(activation_replays_events_and_snapshot),
		TEST(large_pages_wait_for_the_function),
		TEST(snapshots_are_stored_with_their_events),
		TEST(failures_reach_the_caller),
		TEST(commands_behind_a_crash_are_terminated),
		TEST_WITH(failure_message_is_a_failure_in_generation_0_1, set_up_0_1),
		TEST(restart_begins_again_and_keeps_the_queue),
		TEST_WITH(silent_function_frees_the_entity, set_up_closed),
		TEST(lost_connection_ends_what_is_under_way),
		TEST(unreachable_function_is_said_at_once),
		TEST(append_outcomes),
		TEST(verify_outcomes),
		TEST(stale_reads_are_run_again),
		TEST_WITH(full_queue_is_said, set_up_closed),
		TEST_WITH(full_memory_is_said, set_up_closed),
		TEST_WITH(idle_entities_make_room, set_up_closed),
		TEST_WITH(busy_entities_do_not, set_up_closed),
		TEST_WITH(idle_entities_go_to_sleep, set_up_short_sleep),
		TEST_WITH(stubborn_functions_are_cut, set_up_closed),
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
