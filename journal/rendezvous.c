#include "journal/rendezvous.h"

#include "journal/members.h"
#include "src/base/hash.h"

uint64_t rendezvous_weight(struct span address, struct span type, struct span id)
{
	const struct span parts[] = {address, type, id};

	return hash_stable_parts(parts, 3);
}

const struct member *rendezvous_owner(const struct member *members, size_t count,
				      const bool *skipped, struct span type, struct span id)
{
	const struct member *best = NULL;
	uint64_t best_weight = 0;

	for (size_t i = 0; i < count; i++) {
		uint64_t weight;

		if (members[i].state != MEMBER_UP || (skipped && skipped[i]))
			continue;
		weight = rendezvous_weight(span_from_str(members[i].address), type, id);
		if (best && weight <= best_weight)
			continue;
		best = &members[i];
		best_weight = weight;
	}
	return best;
}
