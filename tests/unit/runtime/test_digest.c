#include "src/runtime/digest.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

/* Computed by coreutils: printf '\0\0\0\0\0\0\0\003abc' | sha256sum, and so on. */
static void parts_are_told_apart(void **state)
{
	static const struct {
		const char *name;
		struct span parts[2];
		size_t count;
		const char *first; /* bytes of the digest, in hexadecimal */
	} rows[] = {
		{"nothing", {SPAN_LIT(""), SPAN_LIT("")}, 0, "e3b0c44298fc1c14"},
		{"one part", {SPAN_LIT("abc"), SPAN_LIT("")}, 1, "c3494ca1a2cf8eeb"},
		{"a, bc", {SPAN_LIT("a"), SPAN_LIT("bc")}, 2, "3fafa1cf2f19a7c1"},
		{"ab, c", {SPAN_LIT("ab"), SPAN_LIT("c")}, 2, "601d5476e2ccfe2c"},
		{"abc and an empty one", {SPAN_LIT("abc"), SPAN_LIT("")}, 2, "f5a934b5ab96157b"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint8_t digest[DIGEST_SHA256_BYTES];
		char text[17] = "";

		digest_sha256_parts(rows[i].parts, rows[i].count, digest);
		for (size_t k = 0; k < 8; k++)
			(void)snprintf(text + 2 * k, 3, "%02x", digest[k]);
		UNIT_ROW(rows[i].name, strcmp(text, rows[i].first) == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(parts_are_told_apart)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
