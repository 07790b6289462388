#ifndef HEADGATE_SRC_CRDT_CRDT_INTERNAL_H
#define HEADGATE_SRC_CRDT_CRDT_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/base/span.h"
#include "src/crdt/crdt.h"

/* What the files of this folder share. Everything that is an array is sorted, so that merging is
 * one walk over both sides, and equal values are equal bytes:
 *
 *   value --- slots     by replica      GCounter, PNCounter, Vote: one writer per slot
 *         |-- entries   by key          GSet, ORSet, ORMap
 *         |     `-- dots   by replica and number: the writes that hold the entry in place;
 *         |                in a map each dot has the value as its writer left it
 *         |-- context   which dots were seen at all (live or removed since)
 *         |-- reg       LWWRegister
 *         `-- is_on     Flag
 *
 * A dot that one side lacks though its context covers it was removed there: no tombstones. A piece
 * of state (delta) is such a value with a context of just the dots it is about. The values behind
 * the dots of a map never change: whoever writes puts a whole new value under a new dot. So a
 * removal takes away exactly the writes it had seen, in whatever order states meet, and a
 * concurrent write keeps all that its writer saw. */

/* Weights of the bookkeeping in memory, so that many small things cannot take many times their
 * bytes; none is less than what the thing takes when serialised. */
#define CRDT_ENTRY_WEIGHT ((size_t)64)
#define CRDT_DOT_WEIGHT ((size_t)32)
#define CRDT_SLOT_WEIGHT ((size_t)48)
#define CRDT_VALUE_WEIGHT ((size_t)64)

/* An immutable, counted run of bytes in two parts: an Any (type_url, value), or a replica's name.
 */
struct crdt_atom {
	unsigned refs;
	size_t head_len;
	size_t len;
	uint8_t bytes[];
};

struct crdt_atom *crdt_atom_new(struct span head, struct span tail);
struct crdt_atom *crdt_atom_ref(struct crdt_atom *atom);
void crdt_atom_unref(struct crdt_atom *atom); /* NULL is a no-op */
int crdt_atom_cmp(const struct crdt_atom *a, const struct crdt_atom *b);
struct span crdt_atom_head(const struct crdt_atom *atom);
struct span crdt_atom_tail(const struct crdt_atom *atom);

/* Dots of one replica, ends included. */
struct crdt_range {
	uint64_t first;
	uint64_t last;
};

struct crdt_row {
	struct crdt_atom *site;
	struct crdt_range *ranges;
	size_t count;
};

struct crdt_context {
	struct crdt_row *rows;
	size_t count;
};

/* Numbers of dots stay below, so that adding one never overflows. */
#define CRDT_NUMBER_MAX ((uint64_t)INT64_MAX)

void crdt_context_fini(struct crdt_context *context);
void crdt_context_copy(struct crdt_context *to, const struct crdt_context *from);
void crdt_context_add(struct crdt_context *context, struct crdt_atom *site, uint64_t first,
		      uint64_t last);
void crdt_context_join(struct crdt_context *to, const struct crdt_context *from);
bool crdt_context_covers(const struct crdt_context *context, const struct crdt_atom *site,
			 uint64_t number);
uint64_t crdt_context_last(const struct crdt_context *context, const struct crdt_atom *site);

struct crdt_slot {
	struct crdt_atom *site;
	/* Within maps, the number of the writer's dot: a counter that was removed and made again
	 * starts from nothing, and must still win over what it was. 0 at the top. */
	uint64_t stamp;
	uint64_t up; /* a vote: odd is for, and it only grows */
	uint64_t down;
};

struct crdt_value;

struct crdt_dot {
	struct crdt_atom *site;
	uint64_t number;
	struct crdt_value *value; /* in maps; else NULL */
};

struct crdt_entry {
	struct crdt_atom *key;
	struct crdt_dot *dots;
	size_t count; /* 0 in a GSet, else at least 1 */
	struct crdt_value
		*visible; /* maps: all values of the winning kind merged; kept once made */
};

struct crdt_value {
	unsigned refs;
	enum crdt_kind kind;
	struct crdt_slot *slots;
	size_t slot_count;
	struct crdt_entry **entries;
	size_t entry_count;
	size_t entry_cap;
	size_t entry_bytes; /* weight of all entries */
	struct crdt_context context;
	struct {
		struct crdt_atom *value;
		struct crdt_atom *writer;
		int64_t time;
		uint64_t sequence; /* writes of this writer at this time */
	} reg;
	bool is_on;
	bool has_vote; /* is a vote or has one somewhere: depends on who are members */
	/* What the function believes; only where the value stands for its knowledge. */
	int32_t told_for;
	int32_t told_total;
};

struct crdt_value *crdt_value_new(enum crdt_kind kind);
struct crdt_value *crdt_value_ref(struct crdt_value *value);
void crdt_value_unref(struct crdt_value *value); /* NULL is a no-op */
/* A value of its own that may be changed; values behind dots are shared. */
struct crdt_value *crdt_value_copy(const struct crdt_value *from);
void crdt_value_join(struct crdt_value *to, const struct crdt_value *from);
/* No less than its serialised length. */
size_t crdt_value_bytes(const struct crdt_value *value);
struct crdt_slot *crdt_value_slot(struct crdt_value *value, struct crdt_atom *site);

/* Index of the key, or where it would stand. */
bool crdt_value_find(const struct crdt_value *value, const struct crdt_atom *key, size_t *ret_at);
struct crdt_entry *crdt_value_insert(struct crdt_value *value, size_t at, struct crdt_atom *key);
void crdt_value_remove(struct crdt_value *value, size_t at);
void crdt_entry_add(struct crdt_entry *entry, struct crdt_atom *site, uint64_t number,
		    struct crdt_value *value);
void crdt_entry_clear(struct crdt_entry *entry);
size_t crdt_entry_bytes(const struct crdt_entry *entry);
/* Of a map; borrowed from the entry. */
struct crdt_value *crdt_entry_visible(struct crdt_entry *entry);

/* How a write goes: who, when, and where its piece of state is gathered (NULL: nowhere). */
struct crdt_write {
	struct crdt_atom *self;
	uint64_t stamp; /* 0 at the top */
	uint64_t now_ms;
	struct crdt_value *delta;
	bool is_told; /* to what the function knows: it has what it wrote, whoever wins */
};

/* Reads a message whole without looking at any state: well-formed, of a kind, not too deep.
 * *ret_growth: what applying it can add to the weight at the most. */
enum status crdt_apply_check(struct span message, enum crdt_kind *ret_kind, size_t *ret_growth,
			     struct error *err) MUST_CHECK;
/* Applies a checked message of the value's kind. */
void crdt_apply_message(struct crdt_value *value, struct span message, struct crdt_write *write);
bool crdt_apply_flag(struct span message);

/* Gives an entry its new dot (and a map's value); takes the place of all dots it had. */
void crdt_apply_put(struct crdt_value *value, struct crdt_atom *key, struct crdt_value *inner,
		    uint64_t number, struct crdt_write *write);
uint64_t crdt_apply_number(const struct crdt_value *value, const struct crdt_write *write);

struct wire_writer;

enum crdt_change { CRDT_SAME, CRDT_NEWS, CRDT_INCOMPATIBLE };

struct crdt_voters {
	const struct crdt_atom *self;
	const struct crdt_members *members;
};

/* Writes the content of a CrdtDelta: from nothing, or from what was told. Only CRDT_NEWS leaves
 * something sensible in the writer. */
void crdt_tell_all(const struct crdt_value *value, const struct crdt_voters *voters,
		   struct wire_writer *writer);
enum crdt_change crdt_tell_change(const struct crdt_value *told, const struct crdt_value *value,
				  const struct crdt_voters *voters, struct wire_writer *writer);
/* What the function knows once it was told all of value. */
struct crdt_value *crdt_tell_copy(const struct crdt_value *value, const struct crdt_voters *voters);
bool crdt_tell_is_member(const struct crdt_voters *voters, const struct crdt_atom *site);

bool crdt_format_put(const struct crdt_value *value, struct buf *out) MUST_CHECK;
/* *ret_value is NULL for the state of nobody. */
enum status crdt_format_read(struct span bytes, struct crdt_value **ret_value,
			     struct error *err) MUST_CHECK;
size_t crdt_format_replicas(const struct crdt_value *value);

#endif
