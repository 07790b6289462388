#include "journal/rendezvous.h"

#include <stdio.h>

#include "journal/members.h"
#include "tests/unit/unit.h"

#define A "10.0.0.1:7355"
#define B "10.0.0.2:7355"
#define C "10.0.0.3:7355"
#define D "[fd00::1]:7355"

/* Computed by another implementation of XXH64: all members of all versions must agree. */
static void weights_never_change(void **state)
{
	static const struct {
		const char *name;
		struct span address;
		struct span type;
		struct span id;
		uint64_t weight;
	} rows[] = {
		{"first", SPAN_LIT(A), SPAN_LIT("cart"), SPAN_LIT("alice"), 0x279d2591c2ff3d35},
		{"second", SPAN_LIT(B), SPAN_LIT("cart"), SPAN_LIT("alice"), 0xfcb1f1318a9f6b7c},
		{"third", SPAN_LIT(C), SPAN_LIT("cart"), SPAN_LIT("alice"), 0xb180847ec74d83d1},
		{"IPv6", SPAN_LIT(D), SPAN_LIT("cart"), SPAN_LIT("carol"), 0xf8d41272013950e1},
		{"empty", SPAN_LIT(A), SPAN_EMPTY, SPAN_EMPTY, 0xf4eb63526a7fc2c2},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		UNIT_ROW(rows[i].name, rendezvous_weight(rows[i].address, rows[i].type,
							 rows[i].id) == rows[i].weight);
}

static void the_greatest_weight_owns(void **state)
{
	static const struct {
		const char *name;
		enum member_state states[4];
		bool skipped[4];
		const char *id;
		const char *owner; /* NULL: nobody */
	} rows[] = {
		{"all up", {1, 1, 1, 1}, {0}, "alice", B},
		{"another key", {1, 1, 1, 1}, {0}, "carol", D},
		{"the best skipped", {1, 1, 1, 1}, {0, 1, 0, 0}, "alice", C},
		{"the best not up yet", {1, MEMBER_STARTING, 1, 1}, {0}, "alice", C},
		{"the best leaving", {1, MEMBER_LEAVING, 1, 1}, {0}, "alice", C},
		{"two out", {1, MEMBER_LEAVING, 1, 1}, {0, 0, 1, 0}, "alice", A},
		{"one left", {0, 0, 0, 1}, {0}, "alice", D},
		{"nobody up", {0, 2, 0, 2}, {0}, "alice", NULL},
		{"all skipped", {1, 1, 1, 1}, {1, 1, 1, 1}, "alice", NULL},
	};
	struct member members[4] = {{.address = A}, {.address = B}, {.address = C}, {.address = D}};

	(void)state;
	assert_int_equal(MEMBER_UP, 1);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct member *owner;

		for (size_t k = 0; k < 4; k++)
			members[k].state = rows[i].states[k];
		owner = rendezvous_owner(members, 4, rows[i].skipped, SPAN_LIT("cart"),
					 span_from_str(rows[i].id));
		UNIT_ROW(rows[i].name, !owner == !rows[i].owner);
		if (owner)
			UNIT_ROW_SPAN(rows[i].name, span_from_str(owner->address), rows[i].owner);
	}
	assert_null(rendezvous_owner(NULL, 0, NULL, SPAN_LIT("cart"), SPAN_LIT("alice")));
}

/* ---- many keys ------------------------------------------------------------------------------- */

#define KEYS 20000
#define MEMBERS 7

static void make_members(struct member *members, char addresses[][32], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		(void)snprintf(addresses[i], 32, "10.1.0.%zu:7355", i);
		members[i] = (struct member){.address = addresses[i], .state = MEMBER_UP};
	}
}

static const struct member *owner_of(const struct member *members, const bool *skipped,
				     unsigned key)
{
	char id[16];

	(void)snprintf(id, sizeof(id), "user%u", key);
	return rendezvous_owner(members, MEMBERS, skipped, SPAN_LIT("cart"), span_from_str(id));
}

static void one_that_goes_moves_only_its_own(void **state)
{
	struct member members[MEMBERS];
	char addresses[MEMBERS][32];

	(void)state;
	make_members(members, addresses, MEMBERS);
	for (size_t gone = 0; gone < MEMBERS; gone++) {
		bool skipped[MEMBERS] = {false};
		size_t moved = 0;

		skipped[gone] = true;
		for (unsigned key = 0; key < KEYS; key++) {
			const struct member *before = owner_of(members, NULL, key);
			const struct member *after = owner_of(members, skipped, key);

			moved += before != after;
			if ((before != after) != (before == &members[gone]))
				fail_msg("key %u moved from %s to %s", key, before->address,
					 after->address);
		}
		assert_in_range(moved, 1, KEYS / 2);
	}
}

/* Each has its share within a tenth: 4.5 times the standard deviation of fair dice. */
static void keys_are_spread_evenly(void **state)
{
	struct member members[MEMBERS];
	char addresses[MEMBERS][32];
	size_t owned[MEMBERS] = {0};

	(void)state;
	make_members(members, addresses, MEMBERS);
	for (unsigned key = 0; key < KEYS; key++)
		owned[owner_of(members, NULL, key) - members]++;
	for (size_t i = 0; i < MEMBERS; i++)
		assert_in_range(owned[i], KEYS / MEMBERS * 9 / 10, KEYS / MEMBERS * 11 / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(weights_never_change),
		cmocka_unit_test(the_greatest_weight_owns),
		cmocka_unit_test(one_that_goes_moves_only_its_own),
		cmocka_unit_test(keys_are_spread_evenly),
	};

	return cmocka_run_group_tests_name("journal/rendezvous", tests, NULL, NULL);
}
