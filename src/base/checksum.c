/* Plain and portable: exports are read and written at the speed of Redis, not of this. */
#include "src/base/checksum.h"

#include <string.h>

/* The reversed polynomial of Castagnoli. */
#define CRC32C_POLYNOMIAL 0x82F63B78U

uint32_t checksum_crc32c(struct span bytes)
{
	static uint32_t table[256]; /* made once: of constants alone, the same in every thread */
	uint32_t crc = UINT32_MAX;

	for (uint32_t i = 0; !table[255] && i < 256; i++) {
		uint32_t value = i;

		for (int bit = 0; bit < 8; bit++)
			value = value >> 1 ^ (value & 1 ? CRC32C_POLYNOMIAL : 0);
		table[i] = value;
	}
	for (size_t i = 0; i < bytes.len; i++)
		crc = crc >> 8 ^ table[(crc ^ bytes.data[i]) & UINT8_MAX];
	return ~crc;
}

/* ---- SHA-256 -------------------------------------------------------------------------------- */
static const uint32_t rounds[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2};

static uint32_t turn(uint32_t value, int bits)
{
	return value >> bits | value << (32 - bits);
}

static void schedule(const uint8_t *block, uint32_t words[64])
{
	for (size_t i = 0; i < 16; i++)
		words[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
			   (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
	for (size_t i = 16; i < 64; i++) {
		uint32_t a = words[i - 15];
		uint32_t b = words[i - 2];

		words[i] = words[i - 16] + (turn(a, 7) ^ turn(a, 18) ^ a >> 3) + words[i - 7] +
			   (turn(b, 17) ^ turn(b, 19) ^ b >> 10);
	}
}

static void compress(struct checksum_sha256 *sum, const uint8_t *block)
{
	uint32_t words[64];
	uint32_t v[8];

	schedule(block, words);
	memcpy(v, sum->state_, sizeof(v));
	for (size_t i = 0; i < 64; i++) {
		uint32_t e = turn(v[4], 6) ^ turn(v[4], 11) ^ turn(v[4], 25);
		uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
		uint32_t t1 = v[7] + e + choice + rounds[i] + words[i];
		uint32_t a = turn(v[0], 2) ^ turn(v[0], 13) ^ turn(v[0], 22);
		uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);

		memmove(v + 1, v, 7 * sizeof(*v));
		v[4] += t1;
		v[0] = t1 + a + majority;
	}
	for (size_t i = 0; i < 8; i++)
		sum->state_[i] += v[i];
}

void checksum_sha256_init(struct checksum_sha256 *sum)
{
	static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
					  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

	*sum = (struct checksum_sha256){0};
	memcpy(sum->state_, start, sizeof(start));
}

void checksum_sha256_add(struct checksum_sha256 *sum, struct span bytes)
{
	size_t held = sum->bytes_ % sizeof(sum->block_);

	sum->bytes_ += bytes.len;
	while (bytes.len) {
		size_t room = sizeof(sum->block_) - held;
		size_t n = bytes.len < room ? bytes.len : room;

		memcpy(sum->block_ + held, bytes.data, n);
		held += n;
		bytes = span_skip(bytes, n);
		if (held < sizeof(sum->block_))
			return;
		compress(sum, sum->block_);
		held = 0;
	}
}

void checksum_sha256_final(struct checksum_sha256 *sum, uint8_t out[CHECKSUM_SHA256_BYTES])
{
	static const uint8_t padding[64] = {0x80};
	size_t held = sum->bytes_ % sizeof(sum->block_);
	uint64_t bits = sum->bytes_ * 8;
	uint8_t length[8];

	for (int i = 0; i < 8; i++)
		length[i] = (uint8_t)(bits >> (56 - 8 * i));
	checksum_sha256_add(sum, span_make(padding, held < 56 ? 56 - held : 120 - held));
	checksum_sha256_add(sum, span_make(length, sizeof(length)));
	for (size_t i = 0; i < CHECKSUM_SHA256_BYTES; i++)
		out[i] = (uint8_t)(sum->state_[i / 4] >> (24 - 8 * (i % 4)));
}
