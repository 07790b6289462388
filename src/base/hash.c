#include "src/base/hash.h"

#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "src/base/error.h"

uint64_t hash_stable(struct span bytes)
{
	return XXH64(bytes.data, bytes.len, 0);
}

uint64_t hash_stable_parts(const struct span *parts, size_t count)
{
	XXH64_state_t state;

	(void)XXH64_reset(&state, 0); /* cannot fail for a valid state */
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			(void)XXH64_update(&state, "", 1);
		(void)XXH64_update(&state, parts[i].data, parts[i].len);
	}
	return XXH64_digest(&state);
}

uint64_t hash_stable_pair(struct span a, struct span b)
{
	const struct span parts[] = {a, b};

	return hash_stable_parts(parts, 2);
}

uint64_t hash_seeded(struct span bytes)
{
	static uint64_t seed; /* set once, before it is ever shown */

	while (seed == 0)
		hash_random(&seed, sizeof(seed));
	return XXH3_64bits_withSeed(bytes.data, bytes.len, seed);
}

void hash_random(void *out, size_t n)
{
	uint8_t *at = out;

	while (n > 0) {
		ssize_t got = getrandom(at, n, 0);

		BUG_ON(got <= 0 && "the kernel gives no random bytes");
		at += got;
		n -= (size_t)got;
	}
}
