#include "support/c/crdt.h"

#include <stdlib.h>

static bool is_table(const struct headgate_crdt *crdt)
{
	return crdt->kind == HEADGATE_GSET || crdt->kind == HEADGATE_ORSET ||
	       crdt->kind == HEADGATE_ORMAP;
}

struct headgate_crdt *hg_crdt_new(struct hg_crdt_root *root, struct headgate_crdt *parent,
				  enum headgate_crdt_kind kind)
{
	struct headgate_crdt *crdt = calloc(1, sizeof *crdt);

	if (!crdt)
		return NULL;
	crdt->kind = kind;
	crdt->root = root;
	crdt->parent = parent;
	crdt->depth = parent ? parent->depth + 1 : 1;
	if (kind == HEADGATE_VOTE)
		crdt->vote.voters = 1; /* this member; the proxy tells of others */
	return crdt;
}

static void free_values(struct hg_table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		struct hg_entry *entry = &table->entries[i];
		if (entry->known != entry->value)
			hg_crdt_free(entry->known);
		hg_crdt_free(entry->value);
	}
}

void hg_crdt_free(struct headgate_crdt *crdt)
{
	if (!crdt)
		return;
	if (is_table(crdt)) {
		free_values(&crdt->table);
		hg_table_fini(&crdt->table);
	} else if (crdt->kind == HEADGATE_LWWREGISTER) {
		hg_owned_any_fini(&crdt->lww.value);
		hg_owned_any_fini(&crdt->lww.known);
	}
	free(crdt);
}

/* A change is also one of the maps that it lies in. */
static void mark(struct headgate_crdt *crdt)
{
	for (; crdt; crdt = crdt->parent)
		crdt->is_changed = true;
}

/* ---- Changes ----------------------------------------------------------------------------------
 */

void hg_crdt_add(struct headgate_crdt *crdt, uint64_t by)
{
	crdt->counter.value += by;
	crdt->counter.change += by;
	mark(crdt);
}

/* Handlers may hold the value until they return. What the proxy knows stays with the entry. */
static void detach(struct headgate_crdt *crdt, struct hg_entry *entry)
{
	struct headgate_crdt *value = entry->value;

	entry->value = NULL;
	if (!value || value == entry->known)
		return;
	value->next_detached = crdt->root->detached;
	crdt->root->detached = value;
}

void hg_crdt_root_sweep(struct hg_crdt_root *root)
{
	while (root->detached) {
		struct headgate_crdt *value = root->detached;
		root->detached = value->next_detached;
		hg_crdt_free(value);
	}
}

static void set_here(struct headgate_crdt *crdt, struct hg_entry *entry)
{
	if (!entry->is_here)
		crdt->table.here_count++;
	entry->is_here = true;
	mark(crdt);
}

bool hg_crdt_insert(struct headgate_crdt *crdt, struct headgate_any key)
{
	struct hg_entry *entry = hg_table_add(&crdt->table, key);

	if (!entry)
		return false;
	if (!entry->is_here)
		set_here(crdt, entry);
	return true;
}

struct headgate_crdt *hg_crdt_put(struct headgate_crdt *crdt, struct headgate_any key,
				  enum headgate_crdt_kind kind)
{
	struct headgate_crdt *value = hg_crdt_new(crdt->root, crdt, kind);
	struct hg_entry *entry = value ? hg_table_add(&crdt->table, key) : NULL;

	if (!entry) {
		hg_crdt_free(value);
		return NULL;
	}
	detach(crdt, entry);
	entry->value = value;
	set_here(crdt, entry);
	return value;
}

void hg_crdt_clear(struct headgate_crdt *crdt)
{
	struct hg_table *table = &crdt->table;

	if (table->here_count == 0)
		return;
	for (size_t i = 0; i < table->count; i++) {
		detach(crdt, &table->entries[i]);
		table->entries[i].is_here = false;
	}
	table->here_count = 0;
	crdt->is_cleared = true;
	mark(crdt);
}

void hg_crdt_remove(struct headgate_crdt *crdt, struct headgate_any key)
{
	struct hg_table *table = &crdt->table;
	struct hg_entry *entry = hg_table_find(table, key);

	if (!entry || !entry->is_here)
		return;
	if (table->here_count == 1) { /* said shorter, as the other support libraries say it */
		hg_crdt_clear(crdt);
		return;
	}
	detach(crdt, entry);
	entry->is_here = false;
	table->here_count--;
	mark(crdt);
}

bool hg_crdt_assign(struct headgate_crdt *crdt, struct headgate_any value,
		    enum headgate_clock clock, int64_t clock_value)
{
	struct hg_owned_any owned = {0};

	if (!hg_owned_any_set(&owned, value))
		return false;
	if (crdt->is_changed)
		hg_owned_any_fini(&crdt->lww.value);
	else
		crdt->lww.known = crdt->lww.value;
	crdt->lww.value = owned;
	crdt->lww.clock = clock;
	crdt->lww.clock_value = clock_value;
	mark(crdt);
	return true;
}

void hg_crdt_enable(struct headgate_crdt *crdt)
{
	if (crdt->flag)
		return;
	crdt->flag = true;
	mark(crdt);
}

void hg_crdt_vote(struct headgate_crdt *crdt, bool vote)
{
	if (crdt->vote.own == vote)
		return;
	crdt->vote.own = vote;
	if (vote)
		crdt->vote.votes_for++;
	else if (crdt->vote.votes_for > 0)
		crdt->vote.votes_for--;
	mark(crdt);
}

/* ---- What the proxy does not know -------------------------------------------------------------
 */

static bool entry_differs(const struct hg_entry *entry)
{
	return entry->is_here != entry->is_known || entry->value != entry->known ||
	       (entry->value && hg_crdt_has_delta(entry->value));
}

bool hg_crdt_has_delta(const struct headgate_crdt *crdt)
{
	if (!crdt->is_changed)
		return false;
	if (crdt->kind == HEADGATE_VOTE)
		return crdt->vote.own != crdt->vote.known;
	if (crdt->kind == HEADGATE_GCOUNTER || crdt->kind == HEADGATE_PNCOUNTER)
		return crdt->counter.change != 0;
	if (!is_table(crdt) || crdt->is_cleared)
		return true;
	for (size_t i = 0; i < crdt->table.count; i++)
		if (entry_differs(&crdt->table.entries[i]))
			return true;
	return false;
}

static void commit_table(struct headgate_crdt *crdt)
{
	for (size_t i = 0; i < crdt->table.count; i++) {
		struct hg_entry *entry = &crdt->table.entries[i];
		if (entry->known != entry->value)
			hg_crdt_free(entry->known);
		entry->known = entry->value;
		entry->is_known = entry->is_here;
		if (entry->value)
			hg_crdt_commit(entry->value);
	}
	hg_table_compact(&crdt->table);
	crdt->is_cleared = false;
}

void hg_crdt_commit(struct headgate_crdt *crdt)
{
	if (!crdt->is_changed)
		return;
	if (is_table(crdt))
		commit_table(crdt);
	else if (crdt->kind == HEADGATE_LWWREGISTER)
		hg_owned_any_fini(&crdt->lww.known);
	else if (crdt->kind == HEADGATE_VOTE)
		crdt->vote.known = crdt->vote.own;
	else if (crdt->kind != HEADGATE_FLAG)
		crdt->counter.change = 0;
	crdt->is_changed = false;
}

static void revert_table(struct headgate_crdt *crdt)
{
	struct hg_table *table = &crdt->table;

	table->here_count = 0;
	for (size_t i = 0; i < table->count; i++) {
		struct hg_entry *entry = &table->entries[i];
		if (entry->value != entry->known)
			hg_crdt_free(entry->value);
		entry->value = entry->known;
		entry->is_here = entry->is_known;
		table->here_count += entry->is_here;
		if (entry->value)
			hg_crdt_revert(entry->value);
	}
	hg_table_compact(table);
	crdt->is_cleared = false;
}

void hg_crdt_revert(struct headgate_crdt *crdt)
{
	if (!crdt->is_changed)
		return;
	if (is_table(crdt)) {
		revert_table(crdt);
	} else if (crdt->kind == HEADGATE_LWWREGISTER) {
		hg_owned_any_fini(&crdt->lww.value);
		crdt->lww.value = crdt->lww.known;
		crdt->lww.known = (struct hg_owned_any){0};
	} else if (crdt->kind == HEADGATE_VOTE) {
		hg_crdt_vote(crdt, crdt->vote.known);
	} else if (crdt->kind == HEADGATE_FLAG) {
		crdt->flag = false;
	} else {
		crdt->counter.value -= crdt->counter.change;
		crdt->counter.change = 0;
	}
	crdt->is_changed = false;
}
