#include "src/crdt/crdt.h"

#include <stdio.h>

#include "src/base/mem.h"
#include "tests/unit/crdt/messages.h"
#include "tests/unit/unit.h"

#define BUF_MAX ((size_t)64 << 20)

static const struct span both[] = {{(const uint8_t *)"a:1", 3}, {(const uint8_t *)"b:1", 3}};
static const struct crdt_members members = {both, 2};

static struct error err;

static void apply(struct crdt *crdt, struct span message, uint64_t now_ms, struct buf *delta)
{
	if (crdt_apply(crdt, message, now_ms, delta, &err) != ST_OK)
		fail_msg("%s", err.message);
}

static void merge_state(struct crdt *to, const struct crdt *from)
{
	struct buf state;

	buf_init(&state, BUF_MAX);
	assert_true(crdt_put_state(from, &state));
	assert_int_equal(crdt_merge(to, buf_span(&state), &err), ST_OK);
	buf_fini(&state);
}

/* Both know all and hold the same, and the message for a new function is this one. */
static void assert_both(struct crdt *a, struct crdt *b, struct span want)
{
	struct buf out;

	merge_state(a, b);
	merge_state(b, a);
	assert_true(crdt_is_equal(a, b));
	buf_init(&out, BUF_MAX);
	assert_int_equal(crdt_put_init(a, &members, &out, &err), ST_OK);
	if (!span_eq(buf_span(&out), want)) {
		for (size_t i = 0; i < buf_len(&out); i++)
			print_error("%02x", buf_span(&out).data[i]);
		fail_msg(" is not what was wanted");
	}
	buf_fini(&out);
}

struct pair {
	struct crdt *a;
	struct crdt *b;
};

static int set_up(void **state)
{
	struct pair *pair = mem_new(struct pair);

	pair->a = crdt_new(SPAN_LIT("a:1"));
	pair->b = crdt_new(SPAN_LIT("b:1"));
	*state = pair;
	return 0;
}

static int tear_down(void **state)
{
	struct pair *pair = *state;

	crdt_free(pair->a);
	crdt_free(pair->b);
	mem_free(pair);
	return 0;
}

static void wrong_messages_change_nothing(void **state)
{
	const struct {
		const char *name;
		struct span first;
		struct span second;
		enum status status;
		const char *text;
	} rows[] = {
		{"other kind", pncounter(1), gcounter(1), ST_FAILED_PRECONDITION,
		 "GCounterDelta is incompatible with CRDT PNCounter"},
		{"a set on a map", map_add("k", flag(true)), orset_add("x"), ST_FAILED_PRECONDITION,
		 "ORSetDelta is incompatible with CRDT ORMap"},
		{"the original's short word", flag(false), map_add("k", gcounter(1)),
		 ST_FAILED_PRECONDITION, "ORMap is incompatible with CRDT Flag"},
		{"and the other one", flag(false), vote(true), ST_FAILED_PRECONDITION,
		 "Vote is incompatible with CRDT Flag"},
		{"flag off", flag(true), flag(false), ST_INVALID_ARGUMENT,
		 "Cannot switch off already enabled flag"},
		{"empty", gset("x"), SPAN_EMPTY, ST_INVALID_ARGUMENT, "Empty delta"},
		{"empty within", map_add("k", flag(true)), map_add("l", SPAN_EMPTY),
		 ST_INVALID_ARGUMENT, "Empty delta"},
		{"no key", map_add("k", flag(true)),
		 delta(CRDT_ORMAP, bytes_field(4, bytes_field(2, flag(true)))), ST_INVALID_ARGUMENT,
		 "ORMapEntryDelta without key"},
		{"cut off", gset("x"), delta(CRDT_GSET, SPAN_LIT("\x0a\x05x")), ST_INVALID_ARGUMENT,
		 "malformed GSetDelta"},
		{"no tag", gset("x"), SPAN_LIT("\xff"), ST_INVALID_ARGUMENT, "malformed CrdtDelta"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct crdt *crdt = crdt_new(SPAN_LIT("a:1"));
		struct crdt *before = crdt_new(SPAN_LIT("a:1"));
		struct buf out;

		buf_init(&out, BUF_MAX);
		apply(crdt, rows[i].first, 0, NULL);
		merge_state(before, crdt);
		UNIT_ROW(rows[i].name,
			 crdt_apply(crdt, rows[i].second, 0, &out, &err) == rows[i].status);
		UNIT_ROW_SPAN(rows[i].name, span_from_str(err.message), rows[i].text);
		UNIT_ROW(rows[i].name, buf_len(&out) == 0 && crdt_is_equal(crdt, before));
		buf_fini(&out);
		crdt_free(crdt);
		crdt_free(before);
	}
}

static void last_write_wins(void **state)
{
	const struct {
		const char *name;
		struct span a;
		uint64_t a_ms;
		struct span b;
		uint64_t b_ms;
		const char *winner;
	} rows[] = {
		{"later", reg("a", 0, 0), 5, reg("b", 0, 0), 4, "a"},
		{"a tie goes to the higher address", reg("a", 0, 0), 5, reg("b", 0, 0), 5, "b"},
		{"reverse: earlier", reg("a", 1, 0), 4, reg("b", 1, 0), 5, "a"},
		{"custom", reg("a", 2, 9), 0, reg("b", 2, 8), 0, "a"},
		{"negative custom", reg("a", 2, -1), 0, reg("b", 2, -2), 0, "a"},
		{"auto increment on nothing", reg("a", 3, 7), 0, reg("b", 3, 6), 0, "a"},
		{"an unknown clock is the default", reg("a", 9, 0), 5, reg("b", 9, 0), 4, "a"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct pair *pair;

		(void)set_up((void **)&pair);
		apply(pair->a, rows[i].a, rows[i].a_ms, NULL);
		apply(pair->b, rows[i].b, rows[i].b_ms, NULL);
		print_message("# %s\n", rows[i].name);
		assert_both(pair->a, pair->b,
			    delta(CRDT_LWWREGISTER, bytes_field(1, any(rows[i].winner))));
		(void)tear_down((void **)&pair);
	}
}

static void own_writes_of_a_register_follow_each_other(void **state)
{
	struct pair *pair = *state;

	apply(pair->a, reg("1", 0, 0), 100, NULL);
	apply(pair->a, reg("2", 0, 0), 50, NULL); /* the clock went back */
	apply(pair->b, reg("3", 0, 0), 100, NULL);
	assert_both(pair->a, pair->b, delta(CRDT_LWWREGISTER, bytes_field(1, any("2"))));
	apply(pair->a, reg("4", 3, 0), 0, NULL);
	apply(pair->a, reg("a", 2, 200), 0, NULL);
	apply(pair->a, reg("0", 2, 200), 0, NULL); /* same time, less bytes: still later */
	assert_both(pair->a, pair->b, delta(CRDT_LWWREGISTER, bytes_field(1, any("0"))));
}

static void an_old_write_is_told_the_truth(void **state)
{
	struct pair *pair = *state;
	struct buf out;
	bool is_news;

	buf_init(&out, BUF_MAX);
	apply(pair->a, reg("new", 2, 9), 0, NULL);
	apply(pair->a, reg("old", 2, 3), 0, &out);
	assert_int_equal(buf_len(&out), 0);
	assert_int_equal(crdt_tell(pair->a, &members, &out, &is_news, &err), ST_OK);
	assert_true(is_news);
	assert_true(span_eq(buf_span(&out), delta(CRDT_LWWREGISTER, bytes_field(1, any("new")))));
	buf_fini(&out);
}

static void adding_wins_over_removing(void **state)
{
	struct pair *pair = *state;

	apply(pair->a, orset_add("x"), 0, NULL);
	merge_state(pair->b, pair->a);
	apply(pair->a, orset_remove("x"), 0, NULL);
	apply(pair->b, orset_add("x"), 0, NULL);
	assert_both(pair->a, pair->b, orset_add("x"));
	apply(pair->a, orset_clear(), 0, NULL);
	assert_both(pair->a, pair->b, delta(CRDT_ORSET, SPAN_EMPTY));
}

static void updating_wins_over_removing_and_keeps_the_value(void **state)
{
	struct pair *pair = *state;

	apply(pair->a, map_add("k", gcounter(5)), 0, NULL);
	merge_state(pair->b, pair->a);
	apply(pair->a, map_remove_key("k"), 0, NULL);
	apply(pair->b, map_update("k", gcounter(1)), 0, NULL);
	assert_both(pair->a, pair->b, map_add("k", gcounter(6)));
}

/* What was made anew is not lost to what it was before; the writer's old part is. */
static void made_anew_meets_an_update_of_the_old(void **state)
{
	struct pair *pair = *state;

	apply(pair->a, map_add("k", gcounter(5)), 0, NULL);
	merge_state(pair->b, pair->a);
	apply(pair->b, map_update("k", gcounter(20)), 0, NULL);
	apply(pair->a, map_remove_key("k"), 0, NULL);
	apply(pair->a, map_add("k", gcounter(1)), 0, NULL);
	assert_both(pair->a, pair->b, map_add("k", gcounter(21)));
}

static void entries_that_are_gone_are_passed_over(void **state)
{
	struct pair *pair = *state;

	apply(pair->a, map_add("k", flag(true)), 0, NULL);
	apply(pair->a, map_update("gone", gcounter(1)), 0, NULL);
	apply(pair->a, map_update("k", gcounter(1)), 0, NULL);
	apply(pair->a, map_update("k", flag(false)), 0, NULL);
	assert_both(pair->a, pair->b, map_add("k", flag(true)));
}

static void kinds_that_meet_in_an_entry_have_one_winner(void **state)
{
	struct pair *pair = *state;

	apply(pair->a, map_add("k", flag(true)), 0, NULL);
	apply(pair->b, map_add("k", gcounter(3)), 0, NULL);
	assert_both(pair->a, pair->b, map_add("k", gcounter(3)));
}

static void nested_maps_and_sets(void **state)
{
	struct pair *pair = *state;

	apply(pair->a, map_add("k", map_add("l", orset_add("x"))), 0, NULL);
	merge_state(pair->b, pair->a);
	apply(pair->a, map_update("k", map_update("l", orset_remove("x"))), 0, NULL);
	apply(pair->b, map_update("k", map_update("l", orset_add("y"))), 0, NULL);
	assert_both(pair->a, pair->b, map_add("k", map_add("l", orset_add("y"))));
}

static void votes_are_counted_among_members(void **state)
{
	struct pair *pair = *state;
	struct span three[] = {both[0], both[1], SPAN_LIT("c:1")};
	struct crdt_members more = {three, 3};
	struct buf out;
	bool is_news;

	buf_init(&out, BUF_MAX);
	apply(pair->a, vote(true), 0, NULL);
	apply(pair->b, vote(true), 0, NULL);
	assert_both(pair->a, pair->b,
		    delta(CRDT_VOTE, joined(integer_field(1, 1),
					    joined(integer_field(2, 2), integer_field(3, 2)))));
	assert_int_equal(crdt_tell(pair->a, &more, &out, &is_news, &err), ST_OK);
	assert_true(is_news); /* a member came */
	buf_reset(&out);
	apply(pair->a, vote(false), 0, NULL);
	assert_int_equal(crdt_tell(pair->a, &more, &out, &is_news, &err), ST_OK);
	assert_false(is_news); /* the function counts its own vote itself */
	apply(pair->b, vote(false), 0, NULL);
	merge_state(pair->a, pair->b);
	assert_int_equal(crdt_tell(pair->a, &more, &out, &is_news, &err), ST_OK);
	assert_true(is_news);
	assert_true(span_eq(buf_span(&out), delta(CRDT_VOTE, integer_field(3, 3))));
	buf_fini(&out);
}

static void differences_are_what_the_original_sends(void **state)
{
	struct span many = joined(bytes_field(3, any("p")), bytes_field(3, any("q")));
	const struct {
		const char *name;
		struct span told;
		struct span then;
		struct span want;
	} rows[] = {
		{"counter", gcounter(3), gcounter(4), gcounter(4)},
		{"counter down", pncounter(3), pncounter(-5), pncounter(-5)},
		{"set", gset("x"), gset("y"), gset("y")},
		{"added", orset_add("x"), orset_add("y"), orset_add("y")},
		{"emptied", orset_add("x"), orset_remove("x"), orset_clear()},
		{"removed", delta(CRDT_ORSET, many), orset_remove("p"), orset_remove("p")},
		{"nothing", orset_add("x"), orset_add("x"), SPAN_EMPTY},
		{"flag", flag(false), flag(true), flag(true)},
		{"entry", map_add("k", gcounter(1)), map_update("k", gcounter(2)),
		 map_update("k", gcounter(2))},
		{"new entry", map_add("k", gcounter(1)), map_add("l", flag(true)),
		 map_add("l", flag(true))},
		{"last entry", map_add("k", gcounter(1)), map_remove_key("k"),
		 delta(CRDT_ORMAP, integer_field(1, 1))},
		{"another kind", map_add("k", gcounter(1)), map_add("k", flag(true)),
		 delta(CRDT_ORMAP, joined(bytes_field(2, any("k")),
					  bytes_field(4, joined(bytes_field(1, any("k")),
								bytes_field(2, flag(true))))))},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct pair *pair;
		struct buf out;
		bool is_news;

		(void)set_up((void **)&pair);
		buf_init(&out, BUF_MAX);
		apply(pair->a, rows[i].told, 0, NULL);
		merge_state(pair->b, pair->a);
		UNIT_ROW(rows[i].name, crdt_put_init(pair->b, &members, &out, &err) == ST_OK);
		buf_reset(&out);
		apply(pair->a, rows[i].then, 0, NULL);
		merge_state(pair->b, pair->a);
		UNIT_ROW(rows[i].name, crdt_tell(pair->b, &members, &out, &is_news, &err) == ST_OK);
		UNIT_ROW(rows[i].name, span_eq(buf_span(&out), rows[i].want));
		buf_fini(&out);
		(void)tear_down((void **)&pair);
	}
}

static void collapsing_keeps_the_value(void **state)
{
	const struct {
		struct span a;
		struct span b;
		size_t replicas;
	} rows[] = {
		{gcounter(3), gcounter(4), 1},
		{pncounter(-3), pncounter(1), 1},
		{gset("x"), gset("y"), 0},
		{orset_add("x"), orset_add("y"), 1},
		{map_add("k", gcounter(3)), map_add("l", orset_add("x")), 1},
		{reg("v", 0, 0), reg("w", 0, 0), 1},
		{flag(true), flag(true), 0},
		{vote(true), vote(true), 2},
		{vote(true), vote(false), 1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct pair *pair;
		size_t replicas = 0;
		bool is_news = true;
		struct buf before;
		struct buf after;

		(void)set_up((void **)&pair);
		buf_init(&before, BUF_MAX);
		buf_init(&after, BUF_MAX);
		apply(pair->a, rows[i].a, 0, NULL);
		apply(pair->b, rows[i].b, 0, NULL);
		merge_state(pair->a, pair->b);
		assert_int_equal(crdt_put_init(pair->a, &members, &before, &err), ST_OK);
		assert_true(crdt_replica_count(pair->a) >= rows[i].replicas);
		assert_true(crdt_put_collapsed(pair->a, &after, &replicas));
		assert_int_equal(replicas, rows[i].replicas);
		crdt_free(pair->b);
		pair->b = crdt_new(SPAN_LIT("b:1"));
		assert_int_equal(crdt_merge(pair->b, buf_span(&after), &err), ST_OK);
		assert_int_equal(crdt_replica_count(pair->b), replicas);
		/* the function of the one hears of no change */
		crdt_adopt(pair->a, pair->b);
		buf_reset(&after);
		assert_int_equal(crdt_tell(pair->a, &members, &after, &is_news, &err), ST_OK);
		assert_false(is_news);
		assert_int_equal(crdt_put_init(pair->a, &members, &after, &err), ST_OK);
		assert_true(span_eq(buf_span(&before), buf_span(&after)));
		pair->b = crdt_new(SPAN_LIT("b:1"));
		buf_fini(&before);
		buf_fini(&after);
		(void)tear_down((void **)&pair);
	}
}

static void limits_leave_all_as_it_was(void **state)
{
	struct pair *pair = *state;
	struct span deep = flag(true);
	char text[1024];
	struct buf small;
	enum status status = ST_OK;
	unsigned count = 0;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	for (; status == ST_OK && count < 10000; count++) {
		(void)snprintf(text, 8, "%06u", count);
		text[6] = 'x';
		status = crdt_apply(pair->a, orset_add(text), 0, NULL, &err);
	}
	assert_int_equal(status, ST_RESOURCE_EXHAUSTED);
	assert_in_range(crdt_bytes(pair->a), CRDT_BYTES_MAX - 2048, CRDT_BYTES_MAX);
	apply(pair->a, orset_clear(), 0, NULL);
	apply(pair->a, orset_add("room again"), 0, NULL);
	merge_state(pair->b, pair->a);

	buf_init(&small, 8);
	assert_int_equal(crdt_apply(pair->a, orset_add("y"), 0, &small, &err),
			 ST_RESOURCE_EXHAUSTED);
	assert_int_equal(buf_len(&small), 0);
	assert_true(crdt_is_equal(pair->a, pair->b));
	buf_fini(&small);

	for (int i = 0; i <= CRDT_DEPTH_MAX; i++)
		deep = map_add("k", deep);
	assert_int_equal(crdt_apply(pair->b, deep, 0, NULL, &err), ST_INVALID_ARGUMENT);
}

static void nobody_has_written(void **state)
{
	struct pair *pair = *state;
	struct buf out;
	bool is_news = true;

	buf_init(&out, BUF_MAX);
	assert_int_equal(crdt_kind(pair->a), CRDT_NONE);
	assert_int_equal(crdt_put_init(pair->a, &members, &out, &err), ST_OK);
	assert_int_equal(crdt_tell(pair->a, NULL, &out, &is_news, &err), ST_OK);
	assert_false(is_news);
	assert_int_equal(buf_len(&out), 0);
	merge_state(pair->b, pair->a);
	assert_int_equal(crdt_kind(pair->b), CRDT_NONE);
	apply(pair->a, pncounter(0), 0, &out); /* a kind is worth telling */
	assert_true(buf_len(&out) > 0);
	assert_int_equal(crdt_merge(pair->b, buf_span(&out), &err), ST_OK);
	assert_int_equal(crdt_kind(pair->b), CRDT_PNCOUNTER);
	assert_int_equal(crdt_tell(pair->b, NULL, &out, &is_news, &err), ST_OK);
	assert_true(is_news);
	buf_fini(&out);
}

static void states_that_are_not_ours(void **state)
{
	const struct {
		const char *name;
		struct span bytes;
	} rows[] = {
		{"nothing", SPAN_EMPTY},
		{"another version", SPAN_LIT("\x02\x00")},
		{"kind 9", SPAN_LIT("\x01\x09\x00\x00")},
		{"more after the end", SPAN_LIT("\x01\x00\x00")},
		{"a flag of 2", SPAN_LIT("\x01\x06\x00\x02")},
		{"an idle replica", SPAN_LIT("\x01\x06\x01\x01z\x01")},
		{"no name", SPAN_LIT("\x01\x01\x01\x00\x01\x00\x00\x01")},
		{"an unknown replica", SPAN_LIT("\x01\x01\x00\x01\x00\x00\x01")},
		{"a dot not covered",
		 SPAN_LIT("\x01\x04\x01\x01z\x01\x00\x01\x01\x00\x01\x00\x00\x01\x00\x02")},
		{"an entry without dot",
		 SPAN_LIT("\x01\x04\x01\x01z\x01\x00\x01\x01\x00\x01\x00\x00\x00")},
		{"the dot 0", SPAN_LIT("\x01\x04\x01\x01z\x01\x00\x01\x00\x00\x00")},
		{"a long number", SPAN_LIT("\x01\x06\x80\x00\x01")},
		{"a list without end", SPAN_LIT("\x01\x03\x00\xff\xff\xff\xff\x0f")},
	};
	struct pair *pair = *state;

	for (size_t i = 0; i < COUNT_OF(rows); i++)
		UNIT_ROW(rows[i].name, crdt_merge(pair->a, rows[i].bytes, &err) == ST_DATA_LOSS);
	assert_int_equal(crdt_kind(pair->a), CRDT_NONE);
	apply(pair->a, flag(true), 0, NULL);
	apply(pair->b, vote(true), 0, NULL);
	{
		struct buf out;

		buf_init(&out, BUF_MAX);
		assert_true(crdt_put_state(pair->b, &out));
		assert_int_equal(crdt_merge(pair->a, buf_span(&out), &err), ST_FAILED_PRECONDITION);
		assert_string_equal(err.message, "Incompatible CRDT change from Flag to Vote");
		buf_fini(&out);
	}
}

#define PAIR(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_messages_change_nothing),
		cmocka_unit_test(last_write_wins),
		PAIR(own_writes_of_a_register_follow_each_other),
		PAIR(an_old_write_is_told_the_truth),
		PAIR(adding_wins_over_removing),
		PAIR(updating_wins_over_removing_and_keeps_the_value),
		PAIR(made_anew_meets_an_update_of_the_old),
		PAIR(entries_that_are_gone_are_passed_over),
		PAIR(kinds_that_meet_in_an_entry_have_one_winner),
		PAIR(nested_maps_and_sets),
		PAIR(votes_are_counted_among_members),
		cmocka_unit_test(differences_are_what_the_original_sends),
		cmocka_unit_test(collapsing_keeps_the_value),
		PAIR(limits_leave_all_as_it_was),
		PAIR(nobody_has_written),
		PAIR(states_that_are_not_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
