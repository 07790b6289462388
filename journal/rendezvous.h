#ifndef HEADGATE_JOURNAL_RENDEZVOUS_H
#define HEADGATE_JOURNAL_RENDEZVOUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/span.h"

/* Which member something belongs to: everybody who has the same view comes to the same answer
 * without asking, and a member that goes or comes moves only what was or becomes its own. Pure.
 * By the address, not the incarnation: a member restarted in place keeps what it had.
 * Spec: journal-and-ownership 4.2 "Owner". */
struct member;

/* XXH64 (seed 0) of address NUL type NUL id. Never changes: members of several versions share it.
 */
uint64_t rendezvous_weight(struct span address, struct span type, struct span id);

/* The member of greatest weight among those that are UP and not skipped (skipped[i] for
 * members[i]; NULL: nobody is); NULL when there is none. Of equals the first: members is sorted by
 * address, as members_view gives it. */
const struct member *rendezvous_owner(const struct member *members, size_t count,
				      const bool *skipped, struct span type, struct span id);

#endif
