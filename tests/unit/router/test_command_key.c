#include "src/router/command_key.h"

#include <string.h>

#include "src/base/arena.h"
#include "src/base/error.h"
#include "src/grpc/metadata.h"
#include "tests/unit/unit.h"

#define TEN "0123456789"
#define FIFTY TEN TEN TEN TEN TEN
#define LONG FIFTY FIFTY FIFTY FIFTY FIFTY "12345"

static enum status read_of(const char *const *values, struct command_key *key, struct error *err)
{
	struct metadata metadata = {0};
	enum status status = ST_OK;
	struct arena arena;

	arena_init(&arena, 4096);
	assert_int_equal(
		metadata_add(&metadata, &arena, SPAN_LIT("x-idempotency-key"), SPAN_LIT("other")),
		ST_OK);
	for (size_t i = 0; values[i]; i++)
		assert_int_equal(metadata_add(&metadata, &arena, SPAN_LIT("idempotency-key"),
					      span_from_str(values[i])),
				 ST_OK);
	status = command_key_read(&metadata, key, err);
	arena_fini(&arena);
	return status;
}

static void keys(void **state)
{
	static const struct {
		const char *name;
		const char *values[3];
		const char *key;
		const char *error;
	} rows[] = {
		{"none", {NULL}, "", NULL},
		{"string", {"\"8e03978e-40d5\""}, "8e03978e-40d5", NULL},
		{"bare", {"8e03978e-40d5"}, "8e03978e-40d5", NULL},
		{"spaces around", {"  a b "}, "a b", NULL},
		{"spaces within quotes", {"\" a \""}, " a ", NULL},
		{"escapes", {"\"a\\\"b\\\\c\""}, "a\"b\\c", NULL},
		{"a quote in a bare one", {"a\"b"}, "a\"b", NULL},
		{"longest", {LONG}, LONG, NULL},
		{"longest in quotes", {"\"" LONG "\""}, LONG, NULL},
		{"longer", {LONG "x"}, NULL, "is longer than 255 bytes"},
		{"longer in quotes", {"\"" LONG "x\""}, NULL, "is longer than 255 bytes"},
		{"empty", {""}, NULL, "is empty"},
		{"only spaces", {"  "}, NULL, "is empty"},
		{"empty string", {"\"\""}, NULL, "is empty"},
		{"no end", {"\"abc"}, NULL, "quotes must be"},
		{"one quote", {"\""}, NULL, "quotes must be"},
		{"parameters", {"\"abc\";a=1"}, NULL, "quotes must be"},
		{"open escape", {"\"abc\\"}, NULL, "backslash"},
		{"wrong escape", {"\"a\\bc\""}, NULL, "backslash"},
		{"tab", {"a\tb"}, NULL, "printable ASCII"},
		{"delete", {"a\x7f"}, NULL, "printable ASCII"},
		{"not ASCII", {"\xc3\xa9"}, NULL, "printable ASCII"},
		{"twice", {"a", "a"}, NULL, "more than once"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct command_key key;
		struct error err;
		enum status status = read_of(rows[i].values, &key, &err);

		UNIT_ROW(rows[i].name, status == (rows[i].error ? ST_INVALID_ARGUMENT : ST_OK));
		if (rows[i].error) {
			UNIT_ROW(rows[i].name, strstr(err.message, rows[i].error) != NULL);
			UNIT_ROW(rows[i].name, strstr(err.message, "Idempotency-Key") != NULL);
			UNIT_ROW(rows[i].name, strcmp(err.field, "idempotency-key") == 0);
		} else {
			UNIT_ROW(rows[i].name, span_eq_str(key.text, rows[i].key));
		}
	}
}

/* Every command, kind and number has its own, the same each time. */
static void derived_ids(void **state)
{
	const struct journal_id a = {"aaaaaaaaaaaaaaaa"};
	const struct journal_id b = {"aaaaaaaaaaaaaaab"};
	struct journal_id ids[8];
	size_t count = 0;

	(void)state;
	for (unsigned kind = 0; kind < FOLLOWUP_KINDS; kind++) {
		for (uint64_t index = 0; index < 2; index++) {
			ids[count++] = command_key_derive(&a, (enum followup_kind)kind, index);
			ids[count++] = command_key_derive(&b, (enum followup_kind)kind, index);
		}
	}
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(ids[i].bytes, ids[k].bytes, 16);
	ids[0] = command_key_derive(&a, FOLLOWUP_EFFECT, 1);
	ids[1] = command_key_derive(&a, FOLLOWUP_EFFECT, 1);
	assert_memory_equal(ids[0].bytes, ids[1].bytes, 16);
	ids[0] = command_key_call(SPAN_LIT("a.B.C"), SPAN_LIT("d"));
	ids[1] = command_key_call(SPAN_LIT("a.B."), SPAN_LIT("Cd"));
	assert_memory_not_equal(ids[0].bytes, ids[1].bytes, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys),
		cmocka_unit_test(derived_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
