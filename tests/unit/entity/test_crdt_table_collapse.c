/* Values of CRDTs that are written anew, under fewer replicas, while members read and write them:
 * in the world of test_crdt_table. */
#include <stdio.h>

#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/crdt/crdt.h"
#include "src/entity/crdt_fsm.h"
#include "src/entity/crdt_table.h"
#include "tests/fakes/crdt_world.h"
#include "tests/unit/crdt/messages.h"
#include "tests/unit/unit.h"

#define ASLEEP_MS 30

static int set_up_one(void **state)
{
	*state = crdt_world_new();
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

static const struct journal_key collapsing = {{(const uint8_t *)"shared", 6},
					      {(const uint8_t *)"c", 1}};

/* Replicas that each added one, and are gone. */
static void leave_replicas(struct fake_crdt_member *by, unsigned first, unsigned count)
{
	for (unsigned i = first; i < first + count; i++) {
		char name[24];
		struct crdt *crdt;
		struct buf delta;
		struct error err;

		(void)snprintf(name, sizeof(name), "gone-%u:1", i);
		crdt = crdt_new(span_from_str(name));
		buf_init(&delta, 4096);
		assert_int_equal(crdt_apply(crdt, pncounter(1), 0, &delta, &err), ST_OK);
		fake_crdt_append(by, &collapsing, buf_span(&delta));
		buf_fini(&delta);
		crdt_free(crdt);
	}
}

static size_t replicas_in_log(const struct crdt_world *w)
{
	struct crdt *crdt = crdt_new(SPAN_LIT("reader:1"));
	struct error err;
	size_t count;

	assert_int_equal(crdt_merge(crdt, fake_crdt_state(w->store, &collapsing), &err), ST_OK);
	count = crdt_replica_count(crdt);
	crdt_free(crdt);
	return count;
}

static bool is_collapsed(void *data)
{
	return fake_crdt_collapses(((struct crdt_world *)data)->store) == 1;
}

static void test_collapse(void **state)
{
	struct crdt_world *w = *state;
	struct fake_crdt_member *gone = fake_crdt_member_new(w->store, "gone:1", NULL, NULL);
	struct crdt_world_member *m;

	leave_replicas(gone, 0, 20);
	fake_crdt_member_free(gone);
	m = crdt_world_add(w, ASLEEP_MS);
	assert_int_equal(crdt_world_ask(m, "Get", "c"), 20); /* wakes, and looks */
	crdt_world_wait(w, is_collapsed, w);
	assert_int_equal(replicas_in_log(w), 1);
	for (int i = 1; i <= 5; i++)
		assert_int_equal(crdt_world_ask(m, "Increase", "c"), 20 + i);
	crdt_world_wait_asleep(m);
	assert_int_equal(crdt_world_ask(m, "Get", "c"), 25);
	assert_int_equal(crdt_world_ask(m, "Increase", "c"), 26);
	assert_int_equal(fake_crdt_collapses(w->store), 1);
	assert_false(m->function.is_out_of_order);
}

static size_t appends; /* that are waited for */

static bool has_appends(void *data)
{
	return fake_crdt_appends(((struct crdt_world *)data)->store) >= appends;
}

/* All members write while all of them may write the value anew. */
static void test_collapse_races(void **state)
{
	struct crdt_world *w = *state;
	struct fake_crdt_member *gone = fake_crdt_member_new(w->store, "gone:1", NULL, NULL);
	struct crdt_world_call *watches[3];
	int64_t want = 0;

	w->limits.compact_deltas = 10;
	for (int m = 0; m < 3; m++)
		watches[m] = crdt_world_call(crdt_world_add(w, 0), "Watch", "c", 0);
	for (unsigned round = 0; round < 9; round++) {
		struct crdt_world_member *late = &w->members[round % 3];
		struct crdt_world_call *calls[6];

		/* one hears nothing until it has written, twice */
		fake_crdt_hold(late->member, true);
		leave_replicas(gone, 20 * round, 20);
		want += 20;
		for (size_t i = 0; i < 4; i++)
			calls[i] = crdt_world_call(&w->members[(round + 1 + i % 2) % 3], "Increase",
						   "c", 0);
		for (size_t i = 0; i < 4; i++)
			crdt_world_wait(w, crdt_world_is_over, calls[i]);
		calls[4] = crdt_world_call(late, "Increase", "c", 0);
		calls[5] = crdt_world_call(late, "Increase", "c", 0);
		appends = fake_crdt_appends(w->store) + 2;
		crdt_world_wait(w, has_appends, w);
		fake_crdt_hold(late->member, false);
		for (size_t i = 0; i < COUNT_OF(calls); i++) {
			crdt_world_wait(w, crdt_world_is_over, calls[i]);
			assert_int_equal(calls[i]->code, ST_OK);
			want++;
		}
	}
	crdt_world_wait_converged(w, "c", want);
	assert_true(fake_crdt_collapses(w->store) >= 2);
	assert_true(fake_crdt_conflicts(w->store) >= 1); /* or nothing was shown */
	for (int m = 0; m < 3; m++) {
		assert_int_equal(w->members[m].function.inits, 1); /* nobody began anew */
		assert_false(w->members[m].function.is_out_of_order);
		crdt_world_cancel(watches[m]);
	}
	for (int m = 0; m < 3; m++)
		crdt_world_wait(w, crdt_world_is_over, watches[m]);
	fake_crdt_member_free(gone);
}

/* Refused, but perhaps taken before: not counted again by guess. */
static void test_collapse_unknown(void **state)
{
	struct crdt_world *w = *state;
	struct crdt_world_member *m = &w->members[0];
	struct fake_crdt_member *gone = fake_crdt_member_new(w->store, "gone:1", NULL, NULL);
	struct crdt_world_call *call;

	assert_int_equal(crdt_world_ask(m, "Increase", "c"), 1);
	fake_crdt_make_conflicts_unknown(m->member);
	fake_crdt_begin_generation(w->store, &collapsing);
	call = crdt_world_call(m, "Increase", "c", 0);
	crdt_world_is_failure(call, ST_UNAVAILABLE, CRDT_TEXT_WRITE);
	assert_int_equal(crdt_world_ask(m, "Get", "c"), 1);
	assert_int_equal(m->function.inits, 2);
	fake_crdt_member_free(gone);
}

/* The new generation can not be read: whoever waits for it hears so. */
static void test_collapse_unreadable(void **state)
{
	struct crdt_world *w = *state;
	struct crdt_world_member *m = &w->members[0];
	struct crdt_world_call *call;

	assert_int_equal(crdt_world_ask(m, "Increase", "c"), 1);
	fake_crdt_begin_generation(w->store, &collapsing);
	fake_crdt_fail_reads(m->member, 1);
	call = crdt_world_call(m, "Increase", "c", 0);
	crdt_world_is_failure(call, ST_UNAVAILABLE, CRDT_TEXT_WRITE);
	assert_int_equal(crdt_world_ask(m, "Get", "c"), 1);
	assert_int_equal(crdt_world_ask(m, "Increase", "c"), 2);
}

#define TEST(name, how) cmocka_unit_test_setup_teardown(test_##name, set_up_##how, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(collapse, closed),
		TEST(collapse_races, closed),
		TEST(collapse_unknown, one),
		TEST(collapse_unreadable, one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
