#ifndef HEADGATE_SRC_ROUTER_FORWARD_H
#define HEADGATE_SRC_ROUTER_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/span.h"
#include "src/router/peer_call.h"

/* Commands on their way to the members that own their entities: ordinary gRPC calls over one
 * connection per member. A member that refuses, goes away or does not answer PING is suspected, and
 * the command goes to who owns the entity then, with the same id, so that it is executed once
 * whatever became of it there. Internal to src/router.
 * Spec: journal-and-ownership 4.2 "on command" */
struct forward;
struct forwards;
struct grpc_status;
struct loop;
struct metadata;
struct metrics;
struct ownership;

/* In a trailer of every answer to a forwarded command: who gives it. Whatever comes without, such
 * as a refusal or a proxy's page, is none. */
#define FORWARD_MEMBER_KEY PEER_CALL_PREFIX "member"

/* Members one command is sent to, one after the other, before it is executed here. */
#define FORWARD_ATTEMPTS_MAX 8U

struct forwards_params {
	struct loop *loop;
	struct ownership *ownership;
	struct metrics *metrics;   /* may be NULL */
	uint64_t ping_interval_ms; /* of silence on a connection with calls: PING; 250 */
	uint64_t dead_after_ms;	   /* of silence: the member is dead; 750 */
	size_t max_message_bytes;  /* of a reply */
};

/* All borrowed. */
struct forwards *forwards_new(const struct forwards_params *params);
void forwards_free(struct forwards *forwards); /* without callbacks; NULL is a no-op */

/* Without it nothing can be forwarded. Borrowed. */
void forwards_set_auth(struct forwards *forwards, struct peer_auth *auth);

/* Lets go of connections to members that are not in the view any more, once they are idle. */
void forwards_tidy(struct forwards *forwards);

struct forward_request {
	struct span path; /* all borrowed until the end */
	struct span type;
	struct span id;
	struct span message;
	const struct metadata *metadata; /* of the caller */
	uint64_t deadline_ns;
	struct peer_call call; /* hop: this forward included */
};

struct forward_reply {
	const struct metadata *headers; /* NULL: none */
	const struct span *message;	/* NULL: none */
	const struct grpc_status *status;
};

/* The end: the answer as the owner gave it, borrowed until it returns; NULL: nobody else takes the
 * command, so it is to be executed here (is_resent: perhaps it was, elsewhere). The handle is gone.
 */
typedef void (*forward_done_fn)(void *data, const struct forward_reply *reply, bool is_resent);

/* Sends it to the member at address. NULL: that is not possible, it is to be executed here. on_done
 * never comes from inside. */
struct forward *forward_start(struct forwards *forwards, const char *address,
			      const struct forward_request *request, forward_done_fn on_done,
			      void *data);

/* The caller has gone. NULL is a no-op. */
void forward_cancel(struct forward *forward);

#endif
