#ifndef HEADGATE_SUPPORT_C_CRDT_TABLE_H
#define HEADGATE_SUPPORT_C_CRDT_TABLE_H

#include "support/c/headgate/crdt.h"

/* An Any of one's own; data NULL = the Any without a type. */
struct hg_owned_any {
	uint8_t *data; /* type URL and value, one behind the other */
	size_t url_size;
	size_t value_size;
};

/* False when memory ran out. */
bool hg_owned_any_set(struct hg_owned_any *owned, struct headgate_any any)
	__attribute__((warn_unused_result));
void hg_owned_any_fini(struct hg_owned_any *owned);
struct headgate_any hg_owned_any_view(const struct hg_owned_any *owned);

/* An element of a set or an entry of a map: as it is now, and as the proxy knows it. */
struct hg_entry {
	struct hg_owned_any key;
	uint64_t hash;
	bool is_here;
	bool is_known;
	struct headgate_crdt *value; /* of a map, while it is here */
	struct headgate_crdt *known; /* of a map, while it is known; may be the same */
};

/* Entries in the order in which they came, found by their bytes. `entries` may be walked, and their
 * marks and values set; here_count is kept by who sets the marks. */
struct hg_table {
	struct hg_entry *entries;
	size_t count;
	size_t here_count;
	size_t capacity_;
	uint32_t *index_; /* twice the capacity; entry + 1, or 0 */
	uint64_t seed_;
};

void hg_table_fini(struct hg_table *table); /* not the values */

/* The entry, here or only known; NULL = none. */
struct hg_entry *hg_table_find(const struct hg_table *table, struct headgate_any key);

/* The entry, or a new one that is neither here nor known; NULL when memory ran out. Moves entries.
 */
struct hg_entry *hg_table_add(struct hg_table *table, struct headgate_any key);

/* Drops entries that are neither here nor known. Needs no memory. */
void hg_table_compact(struct hg_table *table);

#endif
