#ifndef HEADGATE_SRC_ROUTER_OWNERS_H
#define HEADGATE_SRC_ROUTER_OWNERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/journal.h"
#include "src/base/span.h"
#include "src/router/forward.h"

/* Everything about other members that the router needs: who owns what (ownership), the way there
 * (forward), peace between two who think they own the same (damping). */
struct loop;
struct members;
struct metrics;
struct owners;
struct peer_auth;

struct owners_params {
	struct loop *loop;
	struct members *members;
	struct journal *journal; /* for ids of commands */
	struct metrics *metrics; /* may be NULL */
	uint64_t ping_interval_ms;
	uint64_t dead_after_ms;
	size_t max_message_bytes; /* of a reply */
};

/* A command that has come as often is executed where it is. */
#define OWNERS_HOPS_MAX 2U

/* All borrowed. Until owners_view_changed everything is ours. */
struct owners *owners_new(const struct owners_params *params);
void owners_free(struct owners *owners); /* NULL is a no-op */

/* What proves to others that we are one of them, and to us that they are; until it is known,
 * everything is executed where it arrives. */
void owners_set_secret(struct owners *owners, struct span secret);
struct peer_auth *owners_auth(const struct owners *owners); /* NULL: not known yet */
const char *owners_own_address(const struct owners *owners);

/* The members' view changed. */
void owners_view_changed(struct owners *owners);
/* We take no more work: everything belongs to the others, if there are any. */
void owners_leave(struct owners *owners);

/* For a command that came from the member in forwarded (NULL: from a client), the address of the
 * owner, borrowed until the next turn; NULL: to be executed here. Counts. */
const char *owners_place(struct owners *owners, struct span type, struct span id,
			 const struct peer_call *forwarded);

/* Whether the sender knows a newer view than we: then it is worth to ask. owners_ask returns a
 * number; the view is new enough once owners_heard returns it or more. */
bool owners_is_behind(const struct owners *owners, const struct peer_call *forwarded);
uint64_t owners_ask(struct owners *owners);
uint64_t owners_heard(const struct owners *owners);

/* Whether an entity that is awake here belongs to somebody else. */
bool owners_is_elsewhere(const struct owners *owners, struct span type, struct span id);

/* The journal told us of a change by others; and whether a command must wait for that reason. */
void owners_conflict(struct owners *owners, struct span type, struct span id);
bool owners_is_damped(const struct owners *owners, struct span type, struct span id);

/* A command was refused because it must wait. */
void owners_command_damped(struct owners *owners);

/* A fresh id for a command that may have to be sent again. */
struct journal_id owners_new_id(struct owners *owners);
struct forwards *owners_forwards(const struct owners *owners);

/* So many entities, and commands that waited for them, went to their owners. */
void owners_handed_over(struct owners *owners, size_t entities);
void owners_command_moved(struct owners *owners);

struct owners_shares {
	uint64_t here; /* commands while there were other members */
	uint64_t forwarded;
	uint64_t version; /* of the view that is routed by */
};
struct owners_shares owners_shares(const struct owners *owners);
bool owners_is_suspect(const struct owners *owners, const char *address);

#endif
