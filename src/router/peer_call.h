#ifndef HEADGATE_SRC_ROUTER_PEER_CALL_H
#define HEADGATE_SRC_ROUTER_PEER_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "journal/journal.h"
#include "src/base/span.h"
#include "src/base/status.h"

/* What travels beside a command from one gateway to another, as metadata: "headgate-hop" and so on,
 * and a proof that it comes from somebody who knows the namespace's secret. The proof covers all of
 * it, the method, the member it is for and the time; each is accepted once. Not covered is the
 * message itself: whoever can change bytes between gateways needs more than this (a mesh, TLS).
 * Spec: journal-and-ownership 4.2, 7.1; ruling R18; docs/threat-model.md */
struct arena;
struct error;
struct metadata;
struct peer_auth;

/* Every key of ours begins with it; whatever else comes under it from outside is taken out. */
#define PEER_CALL_PREFIX "headgate-"

/* Two gateways' clocks may differ by as much. */
#define PEER_CALL_SKEW_MS ((uint64_t)30000)
#define PEER_SECRET_MIN ((size_t)16)
#define PEER_SECRET_MAX ((size_t)1024)

struct peer_call {
	unsigned hop;	       /* forwards so far, this one included */
	uint64_t view_version; /* of the sender's view of the members */
	unsigned chain;	       /* exchange.hops: the function's own forwards and effects */
	bool is_derived;       /* it is a forward or effect of a command with a key */
	struct journal_id id;  /* of the command: the same over all attempts */
	const char *protocol;  /* exchange.protocol: how the client speaks; a literal */
};

/* Knows the secret, and what was accepted. incarnation: of this process. */
struct peer_auth *peer_auth_new(struct span secret, uint64_t incarnation);
void peer_auth_free(struct peer_auth *auth); /* NULL is a no-op */

/* Which call, of whom, and when. */
struct peer_occasion {
	struct span target; /* address of the member that is called */
	struct span path;   /* of the method */
	uint64_t wall_ms;
};

/* False: the arena is full. */
bool peer_call_write(struct peer_auth *auth, const struct peer_call *call,
		     const struct peer_occasion *occasion, struct arena *arena,
		     struct metadata *metadata);

/* Takes out what was written, and whatever else has that prefix. */
void peer_call_strip(struct metadata *metadata);

/* Reads and checks what was written; occasion is that of the receiver. Errors: ST_UNAUTHENTICATED
 * naming what is wrong. */
MUST_CHECK enum status peer_call_read(struct peer_auth *auth, const struct metadata *metadata,
				      const struct peer_occasion *occasion,
				      struct peer_call *ret_call, struct error *err);

#endif
