#include "journal/record.h"

#include <string.h>

#include "src/base/error.h"
#include "tests/unit/unit.h"

#define ID_A SPAN_LIT("aaaaaaaaaaaaaaaa")
#define ID_B SPAN_LIT("bbbbbbbbbbbbbbbb")
#define GOOD                                                                                       \
	SPAN_LIT("c"), ID_A, SPAN_LIT("g"), ID_B, SPAN_LIT("w"), SPAN_LIT("1700000000000"),        \
		SPAN_LIT("t"), SPAN_LIT("type.googleapis.com/x.Y"), SPAN_LIT("p"),                 \
		SPAN_LIT("\0\1")
#define FIELD(name, value) SPAN_LIT(name), SPAN_LIT(value)

static void reads_what_an_append_writes(void **state)
{
	const struct span fields[] = {GOOD};
	const struct span all[] = {GOOD, FIELD("m", "{}"), FIELD("k", "ffffffffffffffffkey"),
				   FIELD("r", "")};
	struct record record;
	struct error err;

	(void)state;
	assert_int_equal(record_read(SPAN_LIT("9007199254740991-0"), fields, COUNT_OF(fields),
				     &record, &err),
			 ST_OK);
	assert_true(record.sequence == JOURNAL_SEQUENCE_MAX);
	assert_memory_equal(record.command.bytes, "aaaaaaaaaaaaaaaa", 16);
	assert_memory_equal(record.tag.bytes, "bbbbbbbbbbbbbbbb", 16);
	assert_true(record.wall_ms == 1700000000000ULL);
	assert_true(span_eq_str(record.payload.type_url, "type.googleapis.com/x.Y"));
	assert_true(span_eq(record.payload.value, SPAN_LIT("\0\1")));
	assert_null(record.metadata.data);
	assert_null(record.idempotency_key.data);
	assert_null(record.reply.data);
	assert_int_equal(record_read(SPAN_LIT("1-0"), all, COUNT_OF(all), &record, &err), ST_OK);
	assert_true(span_eq_str(record.metadata, "{}"));
	assert_true(span_eq_str(record.idempotency_key, "ffffffffffffffffkey"));
	assert_non_null(record.reply.data);
}

struct bad {
	const char *name;
	struct span id;
	size_t count;
	const char *says;
	struct span fields[18];
};

static const struct bad bads[] = {
	{"id 0", SPAN_LIT("0-0"), 10, "event id", {GOOD}},
	{"id with zeros", SPAN_LIT("07-0"), 10, "event id", {GOOD}},
	{"id too large", SPAN_LIT("9007199254740992-0"), 10, "event id", {GOOD}},
	{"id of the clock", SPAN_LIT("1700000000000-1"), 10, "event id", {GOOD}},
	{"id without dash", SPAN_LIT("17"), 10, "event id", {GOOD}},
	{"no id", SPAN_LIT(""), 10, "event id", {GOOD}},
	{"signed id", SPAN_LIT("+7-0"), 10, "event id", {GOOD}},
	{"nothing", SPAN_LIT("1-0"), 0, "lacks field \"c\"", {GOOD}},
	{"odd", SPAN_LIT("1-0"), 9, "9 names and values", {GOOD}},
	{"no payload", SPAN_LIT("1-0"), 8, "lacks field \"p\"", {GOOD}},
	{"unknown field", SPAN_LIT("1-0"), 12, "unknown or out of order", {GOOD, FIELD("q", "")}},
	{"field twice", SPAN_LIT("1-0"), 12, "unknown or out of order", {GOOD, FIELD("p", "")}},
	{"out of order",
	 SPAN_LIT("1-0"),
	 14,
	 "unknown or out of order",
	 {GOOD, FIELD("k", "ffffffffffffffffk"), FIELD("m", "")}},
	{"reply without key", SPAN_LIT("1-0"), 12, "reply without a key", {GOOD, FIELD("r", "")}},
	{"fingerprint without key",
	 SPAN_LIT("1-0"),
	 12,
	 "idempotency key has 16 bytes",
	 {GOOD, FIELD("k", "ffffffffffffffff")}},
	{"too many",
	 SPAN_LIT("1-0"),
	 18,
	 "18 names",
	 {GOOD, FIELD("m", ""), FIELD("k", ""), FIELD("r", ""), FIELD("z", "")}},
	{"short command id",
	 SPAN_LIT("1-0"),
	 10,
	 "command id",
	 {FIELD("c", "a"), FIELD("g", "bbbbbbbbbbbbbbbb"), FIELD("w", "1"), FIELD("t", ""),
	  FIELD("p", "")}},
	{"long tag",
	 SPAN_LIT("1-0"),
	 10,
	 "tag",
	 {FIELD("c", "aaaaaaaaaaaaaaaa"), FIELD("g", "bbbbbbbbbbbbbbbbb"), FIELD("w", "1"),
	  FIELD("t", ""), FIELD("p", "")}},
	{"time is no number",
	 SPAN_LIT("1-0"),
	 10,
	 "time",
	 {FIELD("c", "aaaaaaaaaaaaaaaa"), FIELD("g", "bbbbbbbbbbbbbbbb"), FIELD("w", "1x"),
	  FIELD("t", ""), FIELD("p", "")}},
	{"value is no string",
	 SPAN_LIT("1-0"),
	 10,
	 "\"p\" has no value",
	 {FIELD("c", "aaaaaaaaaaaaaaaa"),
	  FIELD("g", "bbbbbbbbbbbbbbbb"),
	  FIELD("w", "1"),
	  FIELD("t", ""),
	  SPAN_LIT("p"),
	  {NULL, 0}}},
	{"long name",
	 SPAN_LIT("1-0"),
	 10,
	 "lacks field \"c\"",
	 {FIELD("cc", "aaaaaaaaaaaaaaaa"), FIELD("g", "bbbbbbbbbbbbbbbb"), FIELD("w", "1"),
	  FIELD("t", ""), FIELD("p", "")}},
};

static void refuses_everything_else(void **state)
{
	struct record record;
	struct error err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bads); i++) {
		err.message[0] = 0;
		UNIT_ROW(bads[i].name, record_read(bads[i].id, bads[i].fields, bads[i].count,
						   &record, &err) == ST_DATA_LOSS);
		if (!strstr(err.message, bads[i].says))
			fail_msg("row \"%s\": %s", bads[i].name, err.message);
	}
}

#define NIL                                                                                        \
	{                                                                                          \
		NULL, 0                                                                            \
	}

static void heads(void **state)
{
	static const struct {
		const char *name;
		struct span fields[RECORD_HEAD_FIELDS_];
		enum status status;
		uint64_t sequence;
		uint64_t snapshot;
		bool is_erased;
	} rows[] = {
		{"nothing", {NIL, NIL, NIL, NIL, NIL, NIL}, ST_OK, 0, 0, false},
		{"events only", {SPAN_LIT("7"), ID_A, NIL, NIL, NIL, NIL}, ST_OK, 7, 0, false},
		{"snapshot",
		 {SPAN_LIT("7"), ID_A, NIL, SPAN_LIT("7"), SPAN_LIT("t"), SPAN_LIT("")},
		 ST_OK,
		 7,
		 7,
		 false},
		{"erased", {SPAN_LIT("7"), ID_A, SPAN_LIT("17"), NIL, NIL, NIL}, ST_OK, 7, 0, true},
		{"erased before it was",
		 {NIL, NIL, SPAN_LIT("17"), NIL, NIL, NIL},
		 ST_OK,
		 0,
		 0,
		 true},
		{"no sequence", {NIL, ID_A, NIL, NIL, NIL, NIL}, ST_DATA_LOSS, 0, 0, false},
		{"no tag", {SPAN_LIT("7"), NIL, NIL, NIL, NIL, NIL}, ST_DATA_LOSS, 0, 0, false},
		{"short tag",
		 {SPAN_LIT("7"), SPAN_LIT("x"), NIL, NIL, NIL, NIL},
		 ST_DATA_LOSS,
		 0,
		 0,
		 false},
		{"sequence 0",
		 {SPAN_LIT("0"), ID_A, NIL, NIL, NIL, NIL},
		 ST_DATA_LOSS,
		 0,
		 0,
		 false},
		{"float", {SPAN_LIT("1e3"), ID_A, NIL, NIL, NIL, NIL}, ST_DATA_LOSS, 0, 0, false},
		{"snapshot ahead",
		 {SPAN_LIT("7"), ID_A, NIL, SPAN_LIT("8"), SPAN_LIT("t"), SPAN_LIT("")},
		 ST_DATA_LOSS,
		 0,
		 0,
		 false},
		{"snapshot at 0",
		 {SPAN_LIT("7"), ID_A, NIL, SPAN_LIT("0"), SPAN_LIT("t"), SPAN_LIT("")},
		 ST_DATA_LOSS,
		 0,
		 0,
		 false},
		{"half a snapshot",
		 {SPAN_LIT("7"), ID_A, NIL, SPAN_LIT("7"), SPAN_LIT("t"), NIL},
		 ST_DATA_LOSS,
		 0,
		 0,
		 false},
		{"snapshot without head",
		 {NIL, NIL, NIL, SPAN_LIT("7"), SPAN_LIT("t"), SPAN_LIT("")},
		 ST_DATA_LOSS,
		 0,
		 0,
		 false},
	};
	struct record_head head;
	struct error err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		UNIT_ROW(rows[i].name,
			 record_read_head(rows[i].fields, false, &head, &err) == rows[i].status);
		if (rows[i].status != ST_OK)
			continue;
		UNIT_ROW(rows[i].name, head.head.sequence == rows[i].sequence);
		UNIT_ROW(rows[i].name, head.snapshot_sequence == rows[i].snapshot);
		UNIT_ROW(rows[i].name, head.is_erased == rows[i].is_erased);
	}
}

#define STATE(zs, zt, zp, v)                                                                       \
	{                                                                                          \
		SPAN_LIT("7"), ID_A, NIL, zs, zt, zp, v                                            \
	}

/* Of value entities. */
static void states(void **state)
{
	static const struct {
		const char *name;
		struct span fields[RECORD_HEAD_FIELDS_];
		enum status status;
		bool has_state;
	} rows[] = {
		{"state", STATE(NIL, SPAN_LIT("t"), SPAN_LIT(""), SPAN_LIT("1")), ST_OK, true},
		{"deleted", STATE(NIL, NIL, NIL, SPAN_LIT("1")), ST_OK, false},
		{"half", STATE(NIL, SPAN_LIT("t"), NIL, SPAN_LIT("1")), ST_DATA_LOSS, false},
		{"snapshot too", STATE(SPAN_LIT("7"), SPAN_LIT("t"), SPAN_LIT(""), SPAN_LIT("1")),
		 ST_DATA_LOSS, false},
		{"another kind", STATE(NIL, NIL, NIL, SPAN_LIT("2")), ST_DATA_LOSS, false},
	};
	struct record_head head;
	struct error err;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		UNIT_ROW(rows[i].name,
			 record_read_head(rows[i].fields, false, &head, &err) == rows[i].status);
		if (rows[i].status != ST_OK)
			continue;
		UNIT_ROW(rows[i].name, head.is_value && head.head.sequence == 7);
		UNIT_ROW(rows[i].name, head.has_state == rows[i].has_state);
		UNIT_ROW(rows[i].name, head.snapshot_sequence == 0 && !head.snapshot.value.data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_an_append_writes),
		cmocka_unit_test(refuses_everything_else),
		cmocka_unit_test(heads),
		cmocka_unit_test(states),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
