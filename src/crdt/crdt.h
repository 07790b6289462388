#ifndef HEADGATE_SRC_CRDT_CRDT_H
#define HEADGATE_SRC_CRDT_CRDT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/base/span.h"

/* Replicated data of one entity at one member: the merged state, and beside it what the user
 * function was told. Pure: no I/O, no clock, no randomness.
 *
 *    function --CrdtDelta--> crdt_apply --delta bytes--> the other members --> crdt_merge
 *    function <--CrdtDelta-- crdt_tell  <-- whatever was merged since
 *
 * Two languages of bytes, never mixed:
 *   message   a serialised cloudstate.crdt.CrdtDelta, as the function sends and receives it: plain
 *             values and differences, no causality. Only its content: no tag, no length.
 *   state     our own versioned format: a whole state or a delta (a piece of state; both are merged
 *             by the same crdt_merge, in any order, any number of times).
 *
 * Spec: cloudstate/crdt.proto; ruling R14. */
struct crdt;

/* The numbers are those of the oneof in CrdtDelta, and of our format. */
enum crdt_kind {
	CRDT_NONE = 0, /* nobody has written yet */
	CRDT_GCOUNTER = 1,
	CRDT_PNCOUNTER = 2,
	CRDT_GSET = 3,
	CRDT_ORSET = 4,
	CRDT_LWWREGISTER = 5,
	CRDT_FLAG = 6,
	CRDT_ORMAP = 7,
	CRDT_VOTE = 8,
};

/* What the elements, keys and bookkeeping of one entity may weigh: a function receives all of it in
 * one init message, and gRPC libraries take 4 MiB unless told otherwise. crdt_apply refuses to grow
 * beyond; crdt_merge takes twice as much, for what others wrote meanwhile must not be lost. */
#define CRDT_BYTES_MAX ((size_t)4 << 20)

/* Maps within maps. People write two; each level is a frame of the stack. */
#define CRDT_DEPTH_MAX 16

/* The name of a replica, a member address HOST:PORT: a host name has at most 253 bytes. */
#define CRDT_REPLICA_BYTES_MAX 260

/* Members that are up: the voters of a Vote. Borrowed for the call. The own replica counts as one
 * of them whether it is listed or not; the same address twice counts once. */
struct crdt_members {
	const struct span *addresses;
	size_t count;
};

/* No value yet, nothing told. replica (1..CRDT_REPLICA_BYTES_MAX bytes, copied) names the writer of
 * everything that crdt_apply does; two crdts that live at the same time must have different ones,
 * and a member that comes back under its old name must have merged the stored state, with all it
 * wrote, before it applies anything. Owned by the caller. */
struct crdt *crdt_new(struct span replica);
void crdt_free(struct crdt *crdt);

/* CRDT_NONE until something was applied or merged. */
enum crdt_kind crdt_kind(const struct crdt *crdt);

/* "GCounter", "PNCounter", ..., for messages and logs. "none" for CRDT_NONE. */
const char *crdt_kind_name(enum crdt_kind kind);

/* Does what the function says it did (CrdtStateAction.update): changes the state, and what the
 * function is held to know. The first one makes the value, of the delta's kind. now_ms is the wall
 * clock, for registers with the clocks DEFAULT and REVERSE; it may stand still or go back.
 *
 * Appends to delta (may be NULL: then none is made) the piece of state that the other replicas must
 * merge; it is durable when that is. Nothing is appended when the state did not change (the
 * function may be wrong about it: crdt_tell then tells it the truth), e.g. a register write that is
 * older than the current value.
 *
 * All or nothing: after an error nothing has changed and nothing was appended.
 *   ST_INVALID_ARGUMENT    malformed message, "Empty delta", "Cannot switch off already enabled
 * flag" ST_FAILED_PRECONDITION another kind: "GCounterDelta is incompatible with CRDT PNCounter"
 *   ST_RESOURCE_EXHAUSTED  CRDT_BYTES_MAX or the room in delta
 * The texts are those of the original where it has one. Within a map, entries of `updated` whose
 * key is gone or whose value has become another kind are passed over, as in the original: they were
 * removed by somebody else meanwhile. */
enum status crdt_apply(struct crdt *crdt, struct span message, uint64_t now_ms, struct buf *delta,
		       struct error *err) MUST_CHECK;

/* The message that brings a function without state to the current value (CrdtInit.delta). From now
 * on the function is held to know it. Appends nothing, and answers ST_OK, when the kind is
 * CRDT_NONE: leave the field out. After crdt_put_init the function's knowledge starts anew, so it
 * is also the call for each new stream. ST_RESOURCE_EXHAUSTED: out is full, nothing changed. */
enum status crdt_put_init(struct crdt *crdt, const struct crdt_members *members, struct buf *out,
			  struct error *err) MUST_CHECK;

/* The message with the difference between what the function knows and the current value
 * (CrdtStreamIn.delta); then the function is held to know it. *ret_is_news is false, and nothing
 * was appended, when there is none. To be called only while the function does not change the value
 * itself: no command and no stream_cancelled unanswered. A change of members is news where there
 * are votes. ST_RESOURCE_EXHAUSTED: out is full, nothing changed. */
enum status crdt_tell(struct crdt *crdt, const struct crdt_members *members, struct buf *out,
		      bool *ret_is_news, struct error *err) MUST_CHECK;

/* Takes in a whole state or a delta from anywhere: another replica, the journal. Merging is
 * commutative, associative and idempotent. The bytes are not trusted. Says nothing to the function:
 * crdt_tell does. All or nothing.
 *   ST_DATA_LOSS           malformed, a limit passed, or a version of the format that is not known
 *   ST_FAILED_PRECONDITION another kind: "Incompatible CRDT change from Flag to Vote"
 *   ST_RESOURCE_EXHAUSTED  together more than twice CRDT_BYTES_MAX */
enum status crdt_merge(struct crdt *crdt, struct span state, struct error *err) MUST_CHECK;

/* Appends the whole state for crdt_merge (a few bytes when the kind is CRDT_NONE). Equal states
 * have equal bytes. False when out is full, which is then as before. */
bool crdt_put_state(const struct crdt *crdt, struct buf *out) MUST_CHECK;

/* True when both have seen the same and hold the same; what functions were told does not count. */
bool crdt_is_equal(const struct crdt *a, const struct crdt *b);

/* What crdt_put_state would append at about; for deciding when to compact deltas. */
size_t crdt_bytes(const struct crdt *crdt);

/* Every replica that ever wrote takes room for ever: a counter slot, a place in a vector. This
 * appends, for crdt_merge, the same value as if the own replica alone had written all of it, now.
 * *ret_replicas: so many are mentioned in it still (votes for, which only their replica may take
 * back). False when out is full. The crdt itself stays as it is.
 *
 * It is history written anew: it must never meet a state or a delta from before (a counter would
 * count twice, a removed element come back). So it needs a fence, which is the generation of a
 * log (journal/crdt_log.h): whoever has the old one lets go of all of it, adopts the new one, and
 * does anew what it did and was refused. docs/crdt.md tells why that is exact. */
bool crdt_put_collapsed(const struct crdt *crdt, struct buf *out, size_t *ret_replicas) MUST_CHECK;

/* Takes the state of `from`, which is freed, in the place of its own. What the function was told is
 * not changed by it. */
void crdt_adopt(struct crdt *crdt, struct crdt *from);

/* As crdt_apply, of a message that was applied before the state was adopted that now stands: what
 * the function is held to know has it already. */
enum status crdt_apply_anew(struct crdt *crdt, struct span message, uint64_t now_ms,
			    struct buf *delta, struct error *err) MUST_CHECK;

/* How many replicas the state mentions; for deciding when to collapse. */
size_t crdt_replica_count(const struct crdt *crdt);

#endif
