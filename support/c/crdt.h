#ifndef HEADGATE_SUPPORT_C_CRDT_H
#define HEADGATE_SUPPORT_C_CRDT_H

#include "support/c/crdt_table.h"

/* Replicated data as a function has it: a plain value, and what of it the proxy does not know yet.
 * Either that is sent and committed, or it is reverted. */

/* As deep as maps may nest; deeper data no proxy takes. */
#define HG_CRDT_DEPTH_MAX 16

/* What all values of one entity share. */
struct hg_crdt_root {
	struct headgate_context *context; /* of the handler that runs; NULL = none */
	bool may_change;
	struct headgate_crdt *detached; /* taken out of maps, but handlers may still hold them */
};

struct headgate_crdt {
	enum headgate_crdt_kind kind;
	unsigned depth; /* 1 = the entity's own value */
	bool is_changed;
	bool is_cleared; /* sets and maps */
	struct hg_crdt_root *root;
	struct headgate_crdt *parent;
	struct headgate_crdt *next_detached;
	union {
		struct {
			uint64_t value; /* modulo 2^64, as signed of a PNCounter */
			uint64_t change;
		} counter;
		struct hg_table table;
		struct {
			struct hg_owned_any value;
			struct hg_owned_any known; /* while is_changed */
			enum headgate_clock clock;
			int64_t clock_value;
		} lww;
		bool flag;
		struct {
			bool own;
			bool known;
			uint32_t votes_for;
			uint32_t voters;
		} vote;
	};
};

/* An empty value, owned; parent NULL: the entity's own. NULL when memory ran out. */
struct headgate_crdt *hg_crdt_new(struct hg_crdt_root *root, struct headgate_crdt *parent,
				  enum headgate_crdt_kind kind);
void hg_crdt_free(struct headgate_crdt *crdt);

/* There is something that the proxy does not know. */
bool hg_crdt_has_delta(const struct headgate_crdt *crdt);

/* The proxy knows it now; it never happened. Neither needs memory. Detached values stay. */
void hg_crdt_commit(struct headgate_crdt *crdt);
void hg_crdt_revert(struct headgate_crdt *crdt);

/* Frees what is detached. */
void hg_crdt_root_sweep(struct hg_crdt_root *root);

/* The changes themselves, for handlers and deltas; false when memory ran out. */
void hg_crdt_add(struct headgate_crdt *crdt, uint64_t by);
bool hg_crdt_insert(struct headgate_crdt *crdt, struct headgate_any key);
struct headgate_crdt *hg_crdt_put(struct headgate_crdt *crdt, struct headgate_any key,
				  enum headgate_crdt_kind kind); /* NULL: likewise */
void hg_crdt_remove(struct headgate_crdt *crdt, struct headgate_any key);
void hg_crdt_clear(struct headgate_crdt *crdt);
bool hg_crdt_assign(struct headgate_crdt *crdt, struct headgate_any value,
		    enum headgate_clock clock, int64_t clock_value);
void hg_crdt_enable(struct headgate_crdt *crdt);
void hg_crdt_vote(struct headgate_crdt *crdt, bool vote);

#endif
