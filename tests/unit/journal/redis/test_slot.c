#include "journal/redis/slot.h"

#include <stdio.h>

#include "journal/crdt_log.h"
#include "journal/journal.h"
#include "journal/key.h"
#include "src/base/error.h"
#include "tests/unit/unit.h"

/* As redis-server answers CLUSTER KEYSLOT. */
static void slots_of_keys(void **state)
{
	static const struct {
		const char *name;
		struct span key;
		unsigned slot;
	} rows[] = {
		{"check value of the specification", SPAN_LIT("123456789"), 12739},
		{"no tag", SPAN_LIT("hg1:shop:meta"), 4634},
		{"tag", SPAN_LIT("hg1:shop:{63}:h:cart/a"), 10499},
		{"only the tag counts", SPAN_LIT("{63}"), 10499},
		{"members", SPAN_LIT("hg1:shop:{m}:members"), 15627},
		{"empty tag is none", SPAN_LIT("a{}b"), 13694},
		{"tag that does not end", SPAN_LIT("a{b"), 13340},
		{"first of two", SPAN_LIT("{a}{b}"), 15495},
		{"brace within", SPAN_LIT("{{a}}"), 10276},
		{"end before the beginning", SPAN_LIT("}a{b}"), 3300},
		{"nothing", SPAN_LIT(""), 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		UNIT_ROW(rows[i].name, slot_of_key(rows[i].key) == rows[i].slot);
}

/* One script touches all of them. */
static void names_of_an_entity_share_the_slot_of_its_partition(void **state)
{
	char id[24];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct key_names names;
		struct key_crdt_names crdt;
		struct error err;
		struct journal_key key = {SPAN_LIT("cart"), span_from_str(id)};
		uint16_t slot;

		(void)snprintf(id, sizeof(id), "{a}%d", i);
		assert_int_equal(key_render("n", &key, &names, &err), ST_OK);
		assert_int_equal(key_render_crdt("n", &key, &crdt, &err), ST_OK);
		slot = slot_of_partition(names.partition);
		assert_int_equal(slot_of_key(names.head), slot);
		assert_int_equal(slot_of_key(names.events), slot);
		assert_int_equal(slot_of_key(names.feed), slot);
		assert_int_equal(slot_of_key(names.index), slot);
		assert_int_equal(slot_of_key(crdt.state), slot);
		assert_int_equal(slot_of_key(crdt.deltas), slot);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_of_keys),
		cmocka_unit_test(names_of_an_entity_share_the_slot_of_its_partition),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
