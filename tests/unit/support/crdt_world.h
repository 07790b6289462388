#ifndef HEADGATE_TESTS_UNIT_SUPPORT_CRDT_WORLD_H
#define HEADGATE_TESTS_UNIT_SUPPORT_CRDT_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "cloudstate/crdt.pb-c.h"
#include "support/c/context.h"
#include "support/c/crdt_stream.h"

/* A CRDT entity that does what short texts say, and a proxy of it that speaks with protobuf-c's
 * generated code.
 *
 * A script is steps with ", " between them, done in order:
 *   +5 -5            counters          on             flag
 *   add x, del x, clear   sets and maps     yes no         vote
 *   set x, set x 2 7      register, with clock and its value
 *   put k            map: a new value  @k step        map: the step in the value of that key
 *   delete  all  stay  silent  effect  forward  error  fail     what commands can do
 * The kind of data is the part of the id, or of a map's key, before the first "-".
 *
 * States as text: 3   {a,b}   =x   on   2/3y (votes, voters, own vote)   {k:3}   - (none)
 * Deltas as text: gcounter+3  pncounter-3  gset(+a)  orset(!-a+b)  lww=x@2:7  flag  vote:y
 *                 map(!-k~k:pncounter+1;+k:gset(+a);)   where ! is cleared and ~ updated
 *                 delete; with consistency: the same and " all"; "" when there is none */

#define CRDT_SERVICE "headgate.test.CrdtTags"
#define CRDT_TEXT_MAX 1024

typedef Cloudstate__Crdt__CrdtStreamOut CrdtOut;
typedef Cloudstate__Crdt__CrdtDelta CrdtDelta;

struct crdt_world {
	struct hg_crdt_type *type;
	struct hg_worker worker;
	struct hg_crdt_stream *stream;
	const char *id;
	enum hg_verdict verdict;
	CrdtOut *out; /* of the newest answer; NULL = none */
	int64_t next_id;
	char text[CRDT_TEXT_MAX];
	char delta[CRDT_TEXT_MAX];
};

/* What the hooks of the entity saw, of all worlds. */
struct crdt_seen {
	int states_set;
	int destroyed;
	bool has_default; /* entities are given an empty value */
};
extern struct crdt_seen crdt_seen;

/* Declares another entity with the same descriptor set; for those that cannot be. */
int crdt_world_declare(const struct headgate_crdt_entity *declared, struct headgate_error *err);

/* Makes the entity, without its init. -1: memory ran out. */
int crdt_world_open(struct crdt_world *world, const char *id);
void crdt_world_close(struct crdt_world *world);

/* The same with init; delta NULL = none. */
void crdt_world_begin(struct crdt_world *world, const char *id, const CrdtDelta *delta);

/* One message in, and the first answer to it into `out`. */
void crdt_world_receive(struct crdt_world *world, const void *data, size_t size);
void crdt_world_delta(struct crdt_world *world, const CrdtDelta *delta);
void crdt_world_delete(struct crdt_world *world);
void crdt_world_cancel(struct crdt_world *world, int64_t id);

/* A command with that script, streamed (method Watch) or not, and whatever is answered. */
void crdt_world_send(struct crdt_world *world, bool is_streamed, const char *script);

/* The next answer to the same message; false when there is none. */
bool crdt_world_next(struct crdt_world *world);

/* Of the newest answer, as text: the state that the function saw, or "! " and the text of the
 * failure, or "" when there is no client action; what becomes of the value. */
const char *crdt_world_text(struct crdt_world *world);
const char *crdt_world_state_action(struct crdt_world *world);

/* A command that is not streamed, and its crdt_world_text. */
const char *crdt_world_say(struct crdt_world *world, const char *script);

/* The update of the newest answer; NULL = none. */
const CrdtDelta *crdt_world_update(const struct crdt_world *world);

/* Allocations that still succeed; negative = all. */
extern long crdt_allocations_left;

#endif
