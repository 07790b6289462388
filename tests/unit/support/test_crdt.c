#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/support/crdt_world.h"
#include "tests/unit/unit.h"

static void same(const char *row, const char *got, const char *want)
{
	if (strcmp(got, want) != 0)
		fail_msg("row \"%s\": got \"%s\", want \"%s\"", row, got, want);
}

/* ---- The types --------------------------------------------------------------------------------
 */

/* Commands of one entity after another; rows without an id go on with the entity of the row above.
 */
static const struct {
	const char *id;
	const char *script;
	const char *state;
	const char *delta;
} changes[] = {
	{"GCounter-1", "", "-", ""},
	{NULL, "+0", "0", ""},
	{NULL, "+3", "3", "gcounter+3"},
	{NULL, "+1, +2", "6", "gcounter+3"},
	{NULL, "", "6", ""},
	{NULL, "+9223372036854775801", "9223372036854775807", "gcounter+9223372036854775801"},
	{"PNCounter-1", "+5, -2", "3", "pncounter+3"},
	{NULL, "-10", "-7", "pncounter-10"},
	{NULL, "+4, -4", "-7", ""},
	{NULL, "-9223372036854775800", "-9223372036854775807", "pncounter-9223372036854775800"},
	{"GSet-1", "add a, add b", "{a,b}", "gset(+a+b)"},
	{NULL, "add a", "{a,b}", ""},
	{NULL, "add c, add a, add c", "{a,b,c}", "gset(+c)"},
	{"ORSet-1", "add a, add b, del a", "{b}", "orset(+b)"},
	{NULL, "add c, add d", "{b,c,d}", "orset(+c+d)"},
	{NULL, "del c, add e", "{b,d,e}", "orset(-c+e)"},
	{NULL, "del b, add b, del x", "{b,d,e}", ""},
	{NULL, "clear, add b", "{b}", "orset(!+b)"},
	{NULL, "del b", "{}", "orset(!)"},
	{NULL, "clear", "{}", ""},
	{NULL, "add a, add b", "{a,b}", "orset(+a+b)"},
	{NULL, "del a, del b, add c", "{c}", "orset(!+c)"},
	{"LWWRegister-1", "set a", "=a", "lww=a"},
	{NULL, "", "=a", ""},
	{NULL, "set a", "=a", "lww=a"},
	{NULL, "set b, set c", "=c", "lww=c"},
	{NULL, "set d 1 0", "=d", "lww=d@1:0"},
	{NULL, "set e 2 7", "=e", "lww=e@2:7"},
	{NULL, "set f 3 -7", "=f", "lww=f@3:-7"},
	{NULL, "set", "=", "lww="},
	{"Flag-1", "", "-", ""},
	{NULL, "on", "on", "flag"},
	{NULL, "on", "on", ""},
	{"Vote-1", "yes", "1/1y", "vote:y"},
	{NULL, "yes", "1/1y", ""},
	{NULL, "no, yes, no", "0/1n", "vote:n"},
	{NULL, "yes, no", "0/1n", ""},
	{"ORMap-1", "put GSet-1", "{GSet-1:{}}", "map(+GSet-1:gset();)"},
	{NULL, "@GSet-1 add a", "{GSet-1:{a}}", "map(~GSet-1:gset(+a);)"},
	{NULL, "@PNCounter-1 -3", "{GSet-1:{a},PNCounter-1:-3}", "map(+PNCounter-1:pncounter-3;)"},
	{NULL, "@GSet-1 add b, @PNCounter-1 +1", "{GSet-1:{a,b},PNCounter-1:-2}",
	 "map(~GSet-1:gset(+b);~PNCounter-1:pncounter+1;)"},
	{NULL, "@PNCounter-1 +1, @PNCounter-1 -1", "{GSet-1:{a,b},PNCounter-1:-2}", ""},
	{NULL, "@LWWRegister-1 set x 2 5, @Flag-1 on",
	 "{GSet-1:{a,b},PNCounter-1:-2,LWWRegister-1:=x,Flag-1:on}",
	 "map(+LWWRegister-1:lww=x@2:5;+Flag-1:flag;)"},
	{NULL, "del GSet-1, @PNCounter-1 +1, put Vote-1",
	 "{PNCounter-1:-1,LWWRegister-1:=x,Flag-1:on,Vote-1:0/1n}",
	 "map(-GSet-1~PNCounter-1:pncounter+1;+Vote-1:vote:n;)"},
	{NULL, "put PNCounter-1", "{PNCounter-1:0,LWWRegister-1:=x,Flag-1:on,Vote-1:0/1n}",
	 "map(-PNCounter-1+PNCounter-1:pncounter+0;)"},
	{NULL, "@PNCounter-1 +9, del PNCounter-1, @PNCounter-1 +2",
	 "{PNCounter-1:2,LWWRegister-1:=x,Flag-1:on,Vote-1:0/1n}",
	 "map(-PNCounter-1+PNCounter-1:pncounter+2;)"},
	{NULL, "put GSet-9, @GSet-9 add x, del GSet-9",
	 "{PNCounter-1:2,LWWRegister-1:=x,Flag-1:on,Vote-1:0/1n}", ""},
	{NULL, "clear, @ORMap-2 @ORSet-1 add z, @ORMap-2 @GCounter-1 +2",
	 "{ORMap-2:{ORSet-1:{z},GCounter-1:2}}",
	 "map(!+ORMap-2:map(+ORSet-1:orset(+z);+GCounter-1:gcounter+2;);)"},
	{NULL, "@ORMap-2 @ORSet-1 del z", "{ORMap-2:{ORSet-1:{},GCounter-1:2}}",
	 "map(~ORMap-2:map(~ORSet-1:orset(!););)"},
	{NULL, "@ORMap-2 del ORSet-1", "{ORMap-2:{GCounter-1:2}}", "map(~ORMap-2:map(-ORSet-1);)"},
	{NULL, "@GCounter-1 +1", "{ORMap-2:{GCounter-1:2},GCounter-1:1}",
	 "map(+GCounter-1:gcounter+1;)"},
	{NULL, "del ORMap-2, @ORMap-2 put Flag-1", "{ORMap-2:{Flag-1:off},GCounter-1:1}",
	 "map(-ORMap-2+ORMap-2:map(+Flag-1:flag:off;);)"},
	{NULL, "del ORMap-2, del GCounter-1", "{}", "map(!)"},
	{"PNCounter-2", "+1, all", "1", "pncounter+1 all"},
	{NULL, "all", "1", ""},
	{NULL, "+1, delete, all", "2", "delete all"},
	{NULL, "", "! Entity deleted", ""},
};

static const char *name_of(size_t row, char text[256])
{
	(void)snprintf(text, 256, "%zu: %s", row, changes[row].script); /* cut is fine */
	return text;
}

static void test_changes(void **state)
{
	struct crdt_world world = {0};
	char row[256];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(changes); i++) {
		if (changes[i].id && i > 0)
			crdt_world_close(&world);
		if (changes[i].id)
			crdt_world_begin(&world, changes[i].id, NULL);
		same(name_of(i, row), crdt_world_say(&world, changes[i].script), changes[i].state);
		same(row, crdt_world_state_action(&world), changes[i].delta);
		UNIT_ROW(row, world.verdict == HG_SEND);
		UNIT_ROW(row, world.out->reply->command_id == world.next_id - 1);
		UNIT_ROW(row, !world.out->reply->streamed);
		UNIT_ROW(row, !crdt_world_next(&world));
	}
	crdt_world_close(&world);
}

/* Each command first with a failure at its end: nothing of it may stay. */
static void test_failed_changes_leave_nothing(void **state)
{
	struct crdt_world world = {0};
	char row[256];
	char script[512];
	char before[CRDT_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(changes); i++) {
		if (changes[i].id && i > 0)
			crdt_world_close(&world);
		if (changes[i].id)
			crdt_world_begin(&world, changes[i].id, NULL);
		(void)snprintf(before, sizeof before, "%s", crdt_world_say(&world, ""));
		(void)snprintf(script, sizeof script, "%s%seffect, fail", changes[i].script,
			       changes[i].script[0] ? ", " : "");
		if (strcmp(before, "! Entity deleted") != 0)
			same(name_of(i, row), crdt_world_say(&world, script), "! on purpose");
		same(row, crdt_world_state_action(&world), "");
		assert_int_equal(world.out->reply->n_side_effects, 0);
		same(row, crdt_world_say(&world, ""), before);
		same(row, crdt_world_state_action(&world), "");
		same(row, crdt_world_say(&world, changes[i].script), changes[i].state);
		same(row, crdt_world_state_action(&world), changes[i].delta);
	}
	crdt_world_close(&world);
}

/* What one function says, another takes: in its init at first, then as deltas, among commands of
 * its own that change nothing. Votes are of each member. */
static void test_received_deltas(void **state)
{
	struct crdt_world from = {0};
	struct crdt_world to = {0};
	char row[256];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(changes); i++) {
		const CrdtDelta *delta;

		if (changes[i].id && i > 0) {
			crdt_world_close(&from);
			crdt_world_close(&to);
		}
		if (changes[i].id)
			crdt_world_begin(&from, changes[i].id, NULL);
		crdt_world_send(&from, false, changes[i].script);
		delta = crdt_world_update(&from);
		if (changes[i].id)
			crdt_world_begin(&to, changes[i].id, i % 2 ? delta : NULL);
		if (delta && !(changes[i].id && i % 2))
			crdt_world_delta(&to, delta);
		UNIT_ROW(name_of(i, row), to.verdict == HG_READ_ON || !delta);
		if (strstr(changes[i].id ? changes[i].id : from.id, "Vote") ||
		    strstr(changes[i].state, "Vote") || !delta)
			continue;
		same(row, crdt_world_say(&to, ""), changes[i].state);
		same(row, crdt_world_state_action(&to), "");
	}
	crdt_world_close(&from);
	crdt_world_close(&to);
}

static CrdtDelta vote_delta(Cloudstate__Crdt__VoteDelta *vote)
{
	CrdtDelta delta = CLOUDSTATE__CRDT__CRDT_DELTA__INIT;

	delta.delta_case = CLOUDSTATE__CRDT__CRDT_DELTA__DELTA_VOTE;
	delta.vote = vote;
	return delta;
}

static void test_votes_of_others(void **state)
{
	struct crdt_world world;
	Cloudstate__Crdt__VoteDelta vote = CLOUDSTATE__CRDT__VOTE_DELTA__INIT;
	CrdtDelta delta = vote_delta(&vote);

	(void)state;
	vote.votes_for = 2;
	vote.total_voters = 5;
	crdt_world_begin(&world, "Vote-1", &delta);
	assert_string_equal(crdt_world_say(&world, ""), "2/5n");
	assert_string_equal(crdt_world_say(&world, "yes"), "3/5y");
	vote.self_vote = true;
	vote.votes_for = 4;
	crdt_world_delta(&world, &delta);
	assert_string_equal(crdt_world_say(&world, ""), "4/5y");
	assert_string_equal(crdt_world_say(&world, "no, fail"), "! on purpose");
	assert_string_equal(crdt_world_say(&world, ""), "4/5y");
	assert_string_equal(crdt_world_say(&world, "no"), "3/5n");
	assert_string_equal(crdt_world_state_action(&world), "vote:n");
	crdt_world_close(&world);
}

static void test_local_and_received(void **state)
{
	struct crdt_world world;
	struct crdt_world other;

	(void)state;
	crdt_world_begin(&world, "ORSet-1", NULL);
	crdt_world_begin(&other, "ORSet-1", NULL);
	assert_string_equal(crdt_world_say(&world, "add a, add b"), "{a,b}");
	crdt_world_send(&other, false, "add c");
	crdt_world_delta(&world, crdt_world_update(&other));
	assert_string_equal(crdt_world_say(&world, "del a"), "{b,c}");
	assert_string_equal(crdt_world_state_action(&world), "orset(-a)");
	crdt_world_send(&other, false, "clear, add d");
	crdt_world_delta(&world, crdt_world_update(&other));
	assert_string_equal(crdt_world_say(&world, ""), "{d}");
	assert_string_equal(crdt_world_state_action(&world), "");
	crdt_world_close(&other);
	crdt_world_close(&world);
}

/* Enough to grow tables and to have compacted them. */
static void test_many_elements(void **state)
{
	struct crdt_world world;
	char script[64];

	(void)state;
	crdt_world_begin(&world, "ORSet-1", NULL);
	for (int i = 0; i < 300; i++) {
		(void)snprintf(script, sizeof script, "add x%d, add y%d", i, i);
		crdt_world_send(&world, false, script);
		assert_int_equal(world.verdict, HG_SEND);
	}
	for (int i = 0; i < 300; i++) {
		(void)snprintf(script, sizeof script, "del x%d, del y%d", i, (i * 7) % 300);
		crdt_world_send(&world, false, script);
		assert_non_null(crdt_world_update(&world));
	}
	assert_string_equal(crdt_world_say(&world, ""), "{}");
	crdt_world_close(&world);
}

/* ---- Mistakes of authors ----------------------------------------------------------------------
 */

static void test_mistakes(void **state)
{
	static const struct {
		const char *id;
		const char *script;
		const char *text;
	} rows[] = {
		{"GCounter-1", "+1, -1", "! GCounter: cannot be decremented"},
		{"GCounter-1", "add x", "! The data is a GCounter, not a ORSet"},
		{"GCounter-1", "create, +1", "! The data is of another kind"},
		{"GCounter-1", "+9223372036854775807, +1", "! GCounter: would leave its range"},
		{"PNCounter-1", "-9223372036854775807, -9", "! PNCounter: would leave its range"},
		{"GSet-1", "add a, del a", "! The data is a GSet, not a ORSet"},
		{"Flag-1", "on, create", "! The entity has been created already"},
		{"LWWRegister-1", "set x 9 1", "! LWWRegister: set with no known clock"},
		{"ORMap-1", "@Flag-1 on, @Flag-1 yes", "! The data is a Flag, not a Vote"},
		{"ORMap-1", "+1", "! The data is a ORMap, not a GCounter"},
		{"Flag-1", "on, stay", "! The command is not streamed"},
		{"Flag-1", "delete", "! An entity without a value cannot be deleted"},
		{"Flag-1", "on, end", "! headgate_end is not for this handler"},
		{"Flag-1", "on, error", "! Error handling command 'Apply'"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct crdt_world world;
		crdt_world_begin(&world, rows[i].id, NULL);
		same(rows[i].script, crdt_world_say(&world, rows[i].script), rows[i].text);
		same(rows[i].script, crdt_world_state_action(&world), "");
		same(rows[i].script, crdt_world_say(&world, ""), "-");
		crdt_world_close(&world);
	}
}

static void test_depth(void **state)
{
	struct crdt_world world;
	char script[512] = "";

	(void)state;
	crdt_world_begin(&world, "ORMap-1", NULL);
	for (int i = 0; i < 14; i++)
		(void)strncat(script, "@ORMap-1 ", sizeof script - strlen(script) - 1);
	(void)strncat(script, "@Flag-1 on", sizeof script - strlen(script) - 1);
	crdt_world_send(&world, false, script);
	assert_non_null(crdt_world_update(&world));
	memmove(script + sizeof "@ORMap-1 @ORMap-1 " - 1, script, 256);
	memcpy(script, "@ORMap-1 @ORMap-1 ", sizeof "@ORMap-1 @ORMap-1 " - 1);
	assert_string_equal(crdt_world_say(&world, script), "! ORMap: nests too deep");
	crdt_world_close(&world);
}

static void test_reply_too_large(void **state)
{
	struct crdt_world world;
	char script[1000] = "";

	(void)state;
	crdt_world_begin(&world, "GSet-1", NULL);
	world.worker.max_message_bytes = 300;
	assert_string_equal(crdt_world_say(&world, "add a"), "{a}");
	for (size_t i = 0; strlen(script) < 400; i++)
		(void)snprintf(script + strlen(script), 20, "add e%zu, ", i); /* it fits */
	assert_string_equal(crdt_world_say(&world, script), "! Reply is too large");
	assert_string_equal(crdt_world_say(&world, ""), "{a}");
	crdt_world_close(&world);
}

/* ---- Hooks ------------------------------------------------------------------------------------
 */

static void test_default_value(void **state)
{
	struct crdt_world world;
	struct crdt_world other;

	(void)state;
	crdt_seen = (struct crdt_seen){.has_default = true};
	crdt_world_begin(&world, "GCounter-1", NULL);
	crdt_world_begin(&other, "GCounter-1", NULL);
	assert_int_equal(crdt_seen.states_set, 0);
	assert_string_equal(crdt_world_say(&world, "fail"), "! on purpose");
	assert_string_equal(crdt_world_say(&world, ""), "0");
	assert_int_equal(crdt_seen.states_set, 2);
	assert_string_equal(crdt_world_state_action(&world), "");
	crdt_world_send(&other, false, "+2");
	crdt_world_delta(&world, crdt_world_update(&other));
	assert_string_equal(crdt_world_say(&world, ""), "2");
	assert_int_equal(crdt_seen.states_set, 3);
	crdt_world_close(&other);
	crdt_world_close(&world);
	crdt_seen.has_default = false;
}

/* What nobody else has seen gives way to what they have. */
static void test_unpublished_value_gives_way(void **state)
{
	struct crdt_world world;
	struct crdt_world other;

	(void)state;
	crdt_world_begin(&world, "Flag-1", NULL);
	crdt_world_begin(&other, "GCounter-1", NULL);
	assert_string_equal(crdt_world_say(&world, "create"), "off");
	crdt_world_send(&other, false, "+2");
	crdt_world_delta(&world, crdt_world_update(&other));
	assert_int_equal(world.verdict, HG_READ_ON);
	assert_string_equal(crdt_world_say(&world, ""), "2");
	crdt_world_close(&other);
	crdt_world_close(&world);
}

/* No reply of its own: the proxy gives the caller what it sees fit. */
static void test_no_reply(void **state)
{
	struct crdt_world world;

	(void)state;
	crdt_world_begin(&world, "Flag-1", NULL);
	assert_string_equal(crdt_world_say(&world, "on, forward, silent"), "");
	assert_string_equal(crdt_world_state_action(&world), "flag");
	crdt_world_close(&world);
}

static void test_forward_and_effect(void **state)
{
	struct crdt_world world;

	(void)state;
	crdt_world_begin(&world, "Flag-1", NULL);
	assert_string_equal(crdt_world_say(&world, "on, effect, effect, forward"), "forward");
	assert_string_equal(crdt_world_state_action(&world), "flag");
	assert_int_equal(world.out->reply->n_side_effects, 2);
	assert_string_equal(world.out->reply->side_effects[1]->command_name, "Apply");
	assert_true(world.out->reply->side_effects[1]->synchronous);
	crdt_world_close(&world);
}

/* ---- What comes from outside, and want of memory ----------------------------------------------
 */

/* Maps of any depth are refused before they are followed. */
static void test_received_depth(void **state)
{
	struct crdt_world world;
	uint8_t bytes[200];
	size_t at = sizeof bytes;

	(void)state;
	for (int i = 0; i < 30 && at > 8; i++) { /* delta { map { added { delta ... */
		size_t inner = sizeof bytes - at;
		bytes[--at] = (uint8_t)inner;
		bytes[--at] = 0x12; /* entry.delta */
		bytes[--at] = (uint8_t)(inner + 2);
		bytes[--at] = 0x22; /* map.added */
		bytes[--at] = (uint8_t)(inner + 4);
		bytes[--at] = 0x3a; /* delta.ormap */
		if (inner + 6 > 120)
			break;
	}
	bytes[at - 1] = (uint8_t)(sizeof bytes - at);
	bytes[at - 2] = 0x12;
	crdt_world_begin(&world, "ORMap-1", NULL);
	crdt_world_receive(&world, bytes + at - 2, sizeof bytes - at + 2);
	assert_int_equal(world.verdict, HG_END);
	assert_string_equal(world.out->failure->description, "maps nest too deep");
	crdt_world_close(&world);
}

/* Any byte of a delta changed: whatever is answered, nothing is read out of bounds and nothing
 * leaks. */
static void test_mangled_deltas(void **state)
{
	struct crdt_world from;
	uint8_t bytes[512];
	Cloudstate__Crdt__CrdtStreamIn in = CLOUDSTATE__CRDT__CRDT_STREAM_IN__INIT;

	(void)state;
	crdt_world_begin(&from, "ORMap-1", NULL);
	crdt_world_send(&from, false,
			"@GSet-1 add a, @ORSet-1 add b, @LWWRegister-1 set c, @Vote-1 yes, "
			"@ORMap-1 @PNCounter-1 -5, @Flag-1 on");
	in.message_case = CLOUDSTATE__CRDT__CRDT_STREAM_IN__MESSAGE_DELTA;
	in.delta = (CrdtDelta *)(uintptr_t)crdt_world_update(&from);
	assert_non_null(in.delta);
	size_t size = protobuf_c_message_pack(&in.base, bytes);
	for (size_t at = 0; at < size; at++) {
		for (unsigned flip = 0; flip < 9; flip++) {
			struct crdt_world world;
			uint8_t mangled[512];
			memcpy(mangled, bytes, size);
			if (flip < 8)
				mangled[at] ^= (uint8_t)(1u << flip);
			crdt_world_begin(&world, "ORMap-1", NULL);
			crdt_world_receive(&world, mangled, flip < 8 ? size : at);
			crdt_world_send(&world, false, "clear");
			crdt_world_close(&world);
		}
	}
	crdt_world_close(&from);
}

/* Fails an allocation after the other in a command, and again in a delta. */
static void test_want_of_memory(void **state)
{
	static const char script[] = "@GSet-1 add a, @LWWRegister-1 set b, @ORMap-2 @GSet-2 add c, "
				     "del GSet-1, @GSet-3 add x";
	struct crdt_world from;
	long count = 0;
	bool is_done = false;

	(void)state;
	crdt_world_begin(&from, "ORMap-1", NULL);
	crdt_world_send(&from, false, script);
	for (; !is_done && count < 1000; count++) {
		struct crdt_world world;
		crdt_world_begin(&world, "ORMap-1", NULL);
		(void)crdt_world_say(&world, "@Flag-1 on");
		crdt_allocations_left = count;
		crdt_world_send(&world, true, script);
		is_done = crdt_world_update(&world) != NULL;
		crdt_allocations_left = -1;
		if (!is_done) {
			assert_string_equal(crdt_world_text(&world), "! Out of memory");
			assert_string_equal(crdt_world_say(&world, ""), "{Flag-1:on}");
		}
		crdt_allocations_left = count;
		crdt_world_delta(&world, crdt_world_update(&from));
		crdt_allocations_left = -1;
		assert_true(world.verdict == HG_READ_ON || world.verdict == HG_END);
		crdt_world_close(&world);
	}
	assert_true(is_done && count > 10);
	crdt_world_close(&from);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_failed_changes_leave_nothing),
		cmocka_unit_test(test_received_deltas),
		cmocka_unit_test(test_votes_of_others),
		cmocka_unit_test(test_local_and_received),
		cmocka_unit_test(test_many_elements),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_reply_too_large),
		cmocka_unit_test(test_default_value),
		cmocka_unit_test(test_unpublished_value_gives_way),
		cmocka_unit_test(test_no_reply),
		cmocka_unit_test(test_forward_and_effect),
		cmocka_unit_test(test_received_depth),
		cmocka_unit_test(test_mangled_deltas),
		cmocka_unit_test(test_want_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
