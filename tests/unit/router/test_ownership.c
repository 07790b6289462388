/* Who owns what, on a clock of the test's own: views, suspicion, leaving, damping. */
#include "src/router/ownership.h"

#include <stdio.h>
#include <string.h>

#include "journal/members.h"
#include "src/base/clock.h"
#include "src/router/damping.h"
#include "tests/unit/unit.h"

#define A "10.0.0.1:7355"
#define B "10.0.0.2:7355"
#define C "10.0.0.3:7355"
#define TYPE SPAN_LIT("cart")
/* Of all three B owns alice, C comes next, then A (tests/unit/journal/test_rendezvous.c). */
#define ALICE SPAN_LIT("alice")
/* Of A, B and C, A owns carol. */
#define CAROL SPAN_LIT("carol")

static const struct member three[] = {
	{A, 1, MEMBER_UP},
	{B, 2, MEMBER_UP},
	{C, 3, MEMBER_UP},
};

static struct ownership *make(const char *own)
{
	struct ownership *o = ownership_new(own);

	ownership_set_view(o, three, 3, 7);
	return o;
}

static void is_owner(const struct ownership *o, struct span id, uint64_t now_ms, const char *want)
{
	const char *owner = ownership_owner(o, TYPE, id, now_ms * NS_PER_MS);

	if (!want)
		assert_null(owner);
	else
		assert_string_equal(owner ? owner : "(here)", want);
}

static void alone_everything_is_ours(void **state)
{
	static const struct member rows[][2] = {
		{{A, 1, MEMBER_UP}, {B, 2, MEMBER_STARTING}},
		{{A, 1, MEMBER_UP}, {B, 2, MEMBER_LEAVING}},
		{{A, 1, MEMBER_STARTING}, {B, 2, MEMBER_STARTING}},
	};
	struct ownership *o = ownership_new(A);

	(void)state;
	is_owner(o, ALICE, 0, NULL); /* before the first view */
	assert_false(ownership_is_shared(o));
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		ownership_set_view(o, rows[i], 2, i + 1);
		assert_false(ownership_is_shared(o));
		is_owner(o, ALICE, 0, NULL);
		assert_true(ownership_is_ours(o, TYPE, ALICE));
		assert_int_equal(ownership_version(o), i + 1);
	}
	ownership_free(o);
}

static void all_members_agree(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(three); i++) {
		struct ownership *o = make(three[i].address);

		is_owner(o, ALICE, 0, i == 1 ? NULL : B);
		is_owner(o, CAROL, 0, i == 0 ? NULL : A);
		assert_int_equal(ownership_is_ours(o, TYPE, ALICE), i == 1);
		ownership_free(o);
	}
}

static void who_does_not_answer_is_passed_over_for_two_seconds(void **state)
{
	struct ownership *o = make(A);

	(void)state;
	assert_true(ownership_suspect(o, B, 1000 * NS_PER_MS));
	assert_false(ownership_suspect(o, B, 1500 * NS_PER_MS)); /* no news; but longer */
	is_owner(o, ALICE, 1500, C);
	is_owner(o, CAROL, 1500, NULL);
	assert_false(ownership_is_ours(o, TYPE, ALICE)); /* the view says otherwise */
	assert_true(ownership_suspect(o, C, 2000 * NS_PER_MS));
	is_owner(o, ALICE, 2000, NULL); /* nobody else is left */
	is_owner(o, ALICE, 3499, NULL);
	is_owner(o, ALICE, 3500, B); /* B again */
	assert_false(ownership_is_suspect(o, B, 3500 * NS_PER_MS));
	assert_true(ownership_is_suspect(o, C, 3500 * NS_PER_MS));
	is_owner(o, ALICE, 9000, B);
	assert_false(ownership_suspect(o, A, 0));		/* never ourselves */
	assert_false(ownership_suspect(o, "10.0.0.9:7355", 0)); /* who is that? */
	ownership_free(o);
}

static void suspicion_outlives_a_view_but_not_the_process(void **state)
{
	static const struct member restarted[] = {
		{A, 1, MEMBER_UP},
		{B, 22, MEMBER_UP},
		{C, 3, MEMBER_UP},
	};
	struct ownership *o = make(A);

	(void)state;
	(void)ownership_suspect(o, B, 0);
	ownership_set_view(o, three, 3, 8);
	is_owner(o, ALICE, 10, C);
	ownership_set_view(o, restarted, 3, 9);
	is_owner(o, ALICE, 10, B);
	assert_true(ownership_has_member(o, C));
	ownership_set_view(o, restarted, 2, 10);
	assert_false(ownership_has_member(o, C));
	ownership_free(o);
}

static void who_leaves_owns_nothing_at_once(void **state)
{
	struct ownership *o = make(B);

	(void)state;
	is_owner(o, ALICE, 0, NULL);
	ownership_set_self(o, false); /* the view still has us */
	is_owner(o, ALICE, 0, C);
	assert_false(ownership_is_ours(o, TYPE, ALICE));
	ownership_set_view(o, three, 3, 8);
	is_owner(o, ALICE, 0, C);
	ownership_suspect(o, C, 0);
	ownership_suspect(o, A, 0);
	is_owner(o, ALICE, 1, NULL); /* better here than nowhere */
	ownership_set_self(o, true);
	is_owner(o, ALICE, 1, NULL);
	ownership_free(o);
}

static void who_is_not_up_yet_owns_nothing(void **state)
{
	static const struct member starting[] = {
		{A, 1, MEMBER_UP},
		{B, 2, MEMBER_STARTING},
		{C, 3, MEMBER_UP},
	};
	struct ownership *o = ownership_new(B);

	(void)state;
	ownership_set_view(o, starting, 3, 1);
	is_owner(o, ALICE, 0, C);
	ownership_set_view(o, starting, 1, 2); /* not in the view at all */
	is_owner(o, ALICE, 0, A);
	ownership_free(o);
}

/* ---- damping --------------------------------------------------------------------------------- */
static void three_conflicts_in_a_second_make_peace(void **state)
{
	static const struct {
		const char *name;
		uint64_t conflicts_ms[4]; /* 0: none */
		uint64_t at_ms;
		bool is_refusing;
	} rows[] = {
		{"none", {0}, 1000, false},
		{"two", {1000, 1001}, 1002, false},
		{"three", {1000, 1001, 1002}, 1003, true},
		{"three, at the end of the refusal", {1000, 1001, 1002}, 1201, true},
		{"three, after it", {1000, 1001, 1002}, 1202, false},
		{"three within just a second", {1000, 1900, 2000}, 2001, true},
		{"three in more than a second", {1000, 1900, 2001}, 2002, false},
		{"the last three of four", {1000, 1900, 2001, 2002}, 2003, true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct damping *d = damping_new();

		for (size_t k = 0; k < 4 && rows[i].conflicts_ms[k]; k++)
			damping_conflict(d, TYPE, ALICE, rows[i].conflicts_ms[k] * NS_PER_MS);
		UNIT_ROW(rows[i].name,
			 damping_is_refusing(d, TYPE, ALICE, rows[i].at_ms * NS_PER_MS) ==
				 rows[i].is_refusing);
		UNIT_ROW(rows[i].name,
			 !damping_is_refusing(d, TYPE, CAROL, rows[i].at_ms * NS_PER_MS));
		damping_free(d);
	}
}

static void damping_forgets_the_longest_quiet(void **state)
{
	struct damping *d = damping_new();
	char id[16];

	(void)state;
	for (int i = 0; i < 3; i++)
		damping_conflict(d, TYPE, ALICE, 1000 * NS_PER_MS);
	for (unsigned i = 0; i < DAMPING_ENTITIES_MAX - 1; i++) {
		(void)snprintf(id, sizeof(id), "e%u", i);
		damping_conflict(d, TYPE, span_from_str(id), 1000 * NS_PER_MS);
	}
	assert_true(damping_is_refusing(d, TYPE, ALICE, 1001 * NS_PER_MS));
	damping_conflict(d, TYPE, SPAN_LIT("one more"), 1000 * NS_PER_MS);
	assert_false(damping_is_refusing(d, TYPE, ALICE, 1001 * NS_PER_MS));
	damping_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alone_everything_is_ours),
		cmocka_unit_test(all_members_agree),
		cmocka_unit_test(who_does_not_answer_is_passed_over_for_two_seconds),
		cmocka_unit_test(suspicion_outlives_a_view_but_not_the_process),
		cmocka_unit_test(who_leaves_owns_nothing_at_once),
		cmocka_unit_test(who_is_not_up_yet_owns_nothing),
		cmocka_unit_test(three_conflicts_in_a_second_make_peace),
		cmocka_unit_test(damping_forgets_the_longest_quiet),
	};

	return cmocka_run_group_tests_name("router/ownership", tests, NULL, NULL);
}
