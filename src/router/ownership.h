#ifndef HEADGATE_SRC_ROUTER_OWNERSHIP_H
#define HEADGATE_SRC_ROUTER_OWNERSHIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/span.h"

/* Who owns an entity: the member that rendezvous_owner names in the newest view, passing over those
 * of which we alone know that they do not answer. It only routes: two gateways that think
 * differently are slow, never wrong, for the journal compares (decision A6). Pure: no clock, no
 * I/O. Spec: journal-and-ownership 4.2 */
struct member;
struct ownership;

/* How long a member that refused or did not answer is passed over; by then the view knows. */
#define OWNERSHIP_SUSPICION_MS ((uint64_t)2000)

/* own_address is copied. Nobody else is known yet. */
struct ownership *ownership_new(const char *own_address);
void ownership_free(struct ownership *ownership); /* NULL is a no-op */

/* The newest view, copied. What is suspected stays suspected, unless it is another process now. */
void ownership_set_view(struct ownership *ownership, const struct member *members, size_t count,
			uint64_t version);

/* Whether we take work at all: false as soon as we are leaving, whatever the view still says. */
void ownership_set_self(struct ownership *ownership, bool takes_work);

/* Whether others take work beside us. Without them all entities are ours and nothing is hashed. */
bool ownership_is_shared(const struct ownership *ownership);

/* The address of the owner, borrowed until the next set_view; NULL: we, or nobody else who could.
 */
const char *ownership_owner(const struct ownership *ownership, struct span type, struct span id,
			    uint64_t now_ns);

/* Whether the view, without our suspicions, makes it ours. */
bool ownership_is_ours(const struct ownership *ownership, struct span type, struct span id);

/* That member is passed over until OWNERSHIP_SUSPICION_MS from now. False: it was already, or is
 * not in the view. */
bool ownership_suspect(struct ownership *ownership, const char *address, uint64_t now_ns);
bool ownership_is_suspect(const struct ownership *ownership, const char *address, uint64_t now_ns);

bool ownership_has_member(const struct ownership *ownership, const char *address);

/* Of the process that serves there now; 0: nobody. */
uint64_t ownership_incarnation(const struct ownership *ownership, const char *address);

uint64_t ownership_version(const struct ownership *ownership);

#endif
