#include "src/base/checksum.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

/* RFC 3720 B.4, and the check value of the catalogue of CRCs. */
static void crc32c_of_known_texts(void **state)
{
	uint8_t zeros[32] = {0};
	uint8_t ones[32];
	uint8_t up[32];
	const struct {
		const char *name;
		struct span bytes;
		uint32_t crc;
	} rows[] = {
		{"nothing", SPAN_EMPTY, 0},
		{"check", SPAN_LIT("123456789"), 0xe3069283},
		{"zeros", span_make(zeros, 32), 0x8a9136aa},
		{"ones", span_make(ones, 32), 0x62a8ab43},
		{"up", span_make(up, 32), 0x46dd794e},
	};

	(void)state;
	memset(ones, 0xff, sizeof(ones));
	for (uint8_t i = 0; i < 32; i++)
		up[i] = i;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		UNIT_ROW(rows[i].name, checksum_crc32c(rows[i].bytes) == rows[i].crc);
}

static void hex_of(struct span bytes, size_t piece, char text[65])
{
	struct checksum_sha256 sum;
	uint8_t out[CHECKSUM_SHA256_BYTES];

	checksum_sha256_init(&sum);
	for (; bytes.len; bytes = span_skip(bytes, piece))
		checksum_sha256_add(&sum, span_head(bytes, piece));
	checksum_sha256_final(&sum, out);
	for (size_t i = 0; i < sizeof(out); i++)
		(void)snprintf(text + 2 * i, 3, "%02x", out[i]);
}

/* FIPS 180-4's examples; in pieces of every length the same. */
static void sha256_of_known_texts(void **state)
{
	static const struct {
		const char *name;
		const char *text;
		const char *sum;
	} rows[] = {
		{"nothing", "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"abc", "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"two blocks", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
		{"long",
		 "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopq"
		 "klmnopqrlmnopqrsmnopqrstnopqrstu",
		 "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
	};
	char text[65];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		for (size_t piece = 1; piece <= 128; piece++) {
			hex_of(span_from_str(rows[i].text), piece, text);
			UNIT_ROW(rows[i].name, strcmp(text, rows[i].sum) == 0);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc32c_of_known_texts),
		cmocka_unit_test(sha256_of_known_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
