#ifndef HEADGATE_TESTS_FAKES_FAKE_CRDT_LOG_H
#define HEADGATE_TESTS_FAKES_FAKE_CRDT_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/crdt_log.h"
#include "journal/members.h"

/* Logs of CRDTs in memory, shared by the members of a test. What is asked takes effect at once and
 * is answered, and told to the others, at the end of a turn. */
struct fake_crdt_member;
struct fake_crdt_store;
struct loop;

struct fake_crdt_store *fake_crdt_store_new(struct loop *loop);
void fake_crdt_store_free(struct fake_crdt_store *store); /* after its members */

/* The view changed. */
typedef void (*fake_crdt_change_fn)(void *data);

/* Up at once; the others are told by on_change. address: a literal. */
struct fake_crdt_member *fake_crdt_member_new(struct fake_crdt_store *store, const char *address,
					      fake_crdt_change_fn on_change, void *data);
struct crdt_log *fake_crdt_member_log(struct fake_crdt_member *member);
struct members *fake_crdt_member_members(struct fake_crdt_member *member);
/* It leaves; the others are told. Its log must not be used any more. */
void fake_crdt_member_free(struct fake_crdt_member *member);

/* The next reads, or appends and deletes, of this member fail with ST_UNAVAILABLE; a failed append
 * takes effect all the same when is_done. */
void fake_crdt_fail_reads(struct fake_crdt_member *member, unsigned count);
void fake_crdt_fail_writes(struct fake_crdt_member *member, unsigned count, bool is_done);

/* Answers of writes, and news of others, wait until they are let go. */
void fake_crdt_hold(struct fake_crdt_member *member, bool is_held);

/* Another process may be the same replica. */
void fake_crdt_unsettle(struct fake_crdt_member *member, bool is_unsettled);

/* What the fence refuses from now on may have been taken before. */
void fake_crdt_make_conflicts_unknown(struct fake_crdt_member *member);

/* A delta of this generation appears, from a member without an entity. */
void fake_crdt_append(struct fake_crdt_member *member, const struct journal_key *key,
		      struct span delta);

/* What is stored becomes the state of another generation, as if it were written anew. */
void fake_crdt_begin_generation(struct fake_crdt_store *store, const struct journal_key *key);

/* What a test may look at, over all keys. */
size_t fake_crdt_appends(const struct fake_crdt_store *store);
size_t fake_crdt_compactions(const struct fake_crdt_store *store);
/* States that were written anew; what the fence refused. */
size_t fake_crdt_collapses(const struct fake_crdt_store *store);
size_t fake_crdt_conflicts(const struct fake_crdt_store *store);
/* The merged state of this entity; borrowed until the next turn. */
struct span fake_crdt_state(struct fake_crdt_store *store, const struct journal_key *key);
/* Deltas in the log of this entity, after its merged state. */
size_t fake_crdt_deltas(struct fake_crdt_store *store, const struct journal_key *key);

#endif
