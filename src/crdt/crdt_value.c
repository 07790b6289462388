/* Values: made, copied, merged. Merging walks both sides in the order of their keys; what one side
 * lacks is new to it, unless its context says that it was there and went. */
#include "src/crdt/crdt_internal.h"

#include <string.h>

#include "src/base/mem.h"

struct crdt_value *crdt_value_new(enum crdt_kind kind)
{
	struct crdt_value *value = mem_new(struct crdt_value);

	value->refs = 1;
	value->kind = kind;
	value->has_vote = kind == CRDT_VOTE;
	value->told_total = 1; /* what the libraries of functions begin with */
	return value;
}

struct crdt_value *crdt_value_ref(struct crdt_value *value)
{
	if (value)
		value->refs++;
	return value;
}

static void entry_free(struct crdt_entry *entry)
{
	crdt_entry_clear(entry);
	crdt_atom_unref(entry->key);
	mem_free(entry);
}

void crdt_value_unref(struct crdt_value *value)
{
	if (!value || --value->refs > 0)
		return;
	for (size_t i = 0; i < value->slot_count; i++)
		crdt_atom_unref(value->slots[i].site);
	for (size_t i = 0; i < value->entry_count; i++)
		entry_free(value->entries[i]);
	crdt_context_fini(&value->context);
	crdt_atom_unref(value->reg.value);
	crdt_atom_unref(value->reg.writer);
	mem_free(value->slots);
	mem_free(value->entries);
	mem_free(value);
}

void crdt_entry_clear(struct crdt_entry *entry)
{
	for (size_t i = 0; i < entry->count; i++) {
		crdt_atom_unref(entry->dots[i].site);
		crdt_value_unref(entry->dots[i].value);
	}
	mem_free(entry->dots);
	crdt_value_unref(entry->visible);
	entry->dots = NULL;
	entry->count = 0;
	entry->visible = NULL;
}

/* To be called in the order of the dots. */
void crdt_entry_add(struct crdt_entry *entry, struct crdt_atom *site, uint64_t number,
		    struct crdt_value *value)
{
	entry->dots = mem_resize_array(entry->dots, entry->count + 1, sizeof(*entry->dots));
	entry->dots[entry->count++] = (struct crdt_dot){
		.site = crdt_atom_ref(site),
		.number = number,
		.value = crdt_value_ref(value),
	};
}

size_t crdt_entry_bytes(const struct crdt_entry *entry)
{
	size_t bytes = CRDT_ENTRY_WEIGHT + entry->key->len;

	for (size_t i = 0; i < entry->count; i++)
		bytes += CRDT_DOT_WEIGHT +
			 (entry->dots[i].value ? crdt_value_bytes(entry->dots[i].value) : 0);
	return bytes;
}

size_t crdt_value_bytes(const struct crdt_value *value)
{
	size_t bytes = CRDT_VALUE_WEIGHT + value->entry_bytes;

	for (size_t i = 0; i < value->slot_count; i++)
		bytes += CRDT_SLOT_WEIGHT + value->slots[i].site->len;
	for (size_t i = 0; i < value->context.count; i++)
		bytes += CRDT_SLOT_WEIGHT + value->context.rows[i].site->len +
			 value->context.rows[i].count * CRDT_DOT_WEIGHT;
	if (value->reg.value)
		bytes += CRDT_SLOT_WEIGHT + value->reg.value->len + value->reg.writer->len;
	return bytes;
}

/* Of writes that did not know of each other the one with the higher number names the kind. */
static enum crdt_kind winning_kind(const struct crdt_entry *entry)
{
	const struct crdt_dot *best = &entry->dots[0];

	for (size_t i = 1; i < entry->count; i++)
		if (entry->dots[i].number >= best->number)
			best = &entry->dots[i];
	return best->value->kind;
}

struct crdt_value *crdt_entry_visible(struct crdt_entry *entry)
{
	enum crdt_kind kind;

	if (entry->visible)
		return entry->visible;
	if (entry->count == 1)
		return entry->visible = crdt_value_ref(entry->dots[0].value);
	kind = winning_kind(entry);
	entry->visible = crdt_value_new(kind);
	for (size_t i = 0; i < entry->count; i++)
		if (entry->dots[i].value->kind == kind)
			crdt_value_join(entry->visible, entry->dots[i].value);
	return entry->visible;
}

bool crdt_value_find(const struct crdt_value *value, const struct crdt_atom *key, size_t *ret_at)
{
	size_t low = 0;
	size_t high = value->entry_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = crdt_atom_cmp(value->entries[middle]->key, key);

		if (order == 0) {
			*ret_at = middle;
			return true;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_at = low;
	return false;
}

/* The weight is added by the caller, when the entry has its dots. */
struct crdt_entry *crdt_value_insert(struct crdt_value *value, size_t at, struct crdt_atom *key)
{
	struct crdt_entry *entry = mem_new(struct crdt_entry);

	if (value->entry_count == value->entry_cap) {
		value->entry_cap = value->entry_cap ? value->entry_cap * 2 : 4;
		value->entries = mem_resize_array(value->entries, value->entry_cap,
						  sizeof(struct crdt_entry *));
	}
	memmove(&value->entries[at + 1], &value->entries[at],
		(value->entry_count - at) * sizeof(struct crdt_entry *));
	value->entries[at] = entry;
	value->entry_count++;
	entry->key = crdt_atom_ref(key);
	return entry;
}

void crdt_value_remove(struct crdt_value *value, size_t at)
{
	value->entry_bytes -= crdt_entry_bytes(value->entries[at]);
	entry_free(value->entries[at]);
	value->entry_count--;
	memmove(&value->entries[at], &value->entries[at + 1],
		(value->entry_count - at) * sizeof(struct crdt_entry *));
}

struct crdt_slot *crdt_value_slot(struct crdt_value *value, struct crdt_atom *site)
{
	size_t at = 0;

	while (at < value->slot_count) {
		int order = crdt_atom_cmp(value->slots[at].site, site);

		if (order == 0)
			return &value->slots[at];
		if (order > 0)
			break;
		at++;
	}
	value->slots = mem_resize_array(value->slots, value->slot_count + 1, sizeof(*value->slots));
	memmove(&value->slots[at + 1], &value->slots[at],
		(value->slot_count - at) * sizeof(*value->slots));
	value->slot_count++;
	value->slots[at] = (struct crdt_slot){.site = crdt_atom_ref(site)};
	return &value->slots[at];
}

struct crdt_value *crdt_value_copy(const struct crdt_value *from)
{
	struct crdt_value *to = crdt_value_new(from->kind);

	to->is_on = from->is_on;
	to->has_vote = from->has_vote;
	to->told_for = from->told_for;
	to->told_total = from->told_total;
	to->reg = from->reg;
	(void)crdt_atom_ref(to->reg.value);
	(void)crdt_atom_ref(to->reg.writer);
	for (size_t i = 0; i < from->slot_count; i++) {
		struct crdt_slot *slot = crdt_value_slot(to, from->slots[i].site);

		slot->stamp = from->slots[i].stamp;
		slot->up = from->slots[i].up;
		slot->down = from->slots[i].down;
	}
	crdt_context_copy(&to->context, &from->context);
	for (size_t i = 0; i < from->entry_count; i++) {
		const struct crdt_entry *entry = from->entries[i];
		struct crdt_entry *copy = crdt_value_insert(to, i, entry->key);

		for (size_t k = 0; k < entry->count; k++)
			crdt_entry_add(copy, entry->dots[k].site, entry->dots[k].number,
				       entry->dots[k].value);
		copy->visible = crdt_value_ref(entry->visible);
	}
	to->entry_bytes = from->entry_bytes;
	return to;
}

/* A later stamp replaces the slot: its writer had begun anew. */
static void join_slots(struct crdt_value *to, const struct crdt_value *from)
{
	for (size_t i = 0; i < from->slot_count; i++) {
		const struct crdt_slot *theirs = &from->slots[i];
		struct crdt_slot *mine = crdt_value_slot(to, theirs->site);

		if (theirs->stamp > mine->stamp) {
			mine->stamp = theirs->stamp;
			mine->up = theirs->up;
			mine->down = theirs->down;
		} else if (theirs->stamp == mine->stamp) {
			mine->up = theirs->up > mine->up ? theirs->up : mine->up;
			mine->down = theirs->down > mine->down ? theirs->down : mine->down;
		}
	}
}

/* A total order of writes, so that there is always a last one. */
static int reg_cmp(const struct crdt_value *a, const struct crdt_value *b)
{
	int order;

	if (a->reg.time != b->reg.time)
		return a->reg.time < b->reg.time ? -1 : 1;
	order = crdt_atom_cmp(a->reg.writer, b->reg.writer);
	if (order)
		return order;
	if (a->reg.sequence != b->reg.sequence)
		return a->reg.sequence < b->reg.sequence ? -1 : 1;
	return crdt_atom_cmp(a->reg.value, b->reg.value);
}

static void join_reg(struct crdt_value *to, const struct crdt_value *from)
{
	if (!from->reg.value || (to->reg.value && reg_cmp(to, from) >= 0))
		return;
	crdt_atom_unref(to->reg.value);
	crdt_atom_unref(to->reg.writer);
	to->reg = from->reg;
	(void)crdt_atom_ref(to->reg.value);
	(void)crdt_atom_ref(to->reg.writer);
}

static int dot_cmp(const struct crdt_dot *a, const struct crdt_dot *b)
{
	int order = crdt_atom_cmp(a->site, b->site);

	if (order)
		return order;
	return a->number < b->number ? -1 : a->number > b->number;
}

/* The dots that stay, of an entry that one side or both have. Returns what to put in its place:
 * mine, or a new one; NULL when none stay. */
static struct crdt_entry *join_entry(struct crdt_entry *mine, const struct crdt_entry *theirs,
				     const struct crdt_context *my_context,
				     const struct crdt_context *their_context)
{
	struct crdt_entry *entry = mem_new(struct crdt_entry);
	size_t i = 0;
	size_t k = 0;
	size_t mine_count = mine ? mine->count : 0;
	size_t their_count = theirs ? theirs->count : 0;

	entry->key = crdt_atom_ref(mine ? mine->key : theirs->key);
	while (i < mine_count || k < their_count) {
		int order = i == mine_count    ? 1
			    : k == their_count ? -1
					       : dot_cmp(&mine->dots[i], &theirs->dots[k]);
		const struct crdt_dot *dot = order <= 0 ? &mine->dots[i] : &theirs->dots[k];
		const struct crdt_context *other = order < 0 ? their_context : my_context;

		if (order == 0 || !crdt_context_covers(other, dot->site, dot->number))
			crdt_entry_add(entry, dot->site, dot->number, dot->value);
		i += order <= 0;
		k += order >= 0;
	}
	if (entry->count == mine_count && entry->count > 0 && mine &&
	    memcmp(entry->dots, mine->dots, mine_count * sizeof(*mine->dots)) == 0)
		entry->visible = crdt_value_ref(mine->visible);
	if (entry->count > 0 || mine_count + their_count == 0)
		return entry;
	entry_free(entry);
	return NULL;
}

static void join_entries(struct crdt_value *to, const struct crdt_value *from)
{
	size_t cap = to->entry_count + from->entry_count;
	struct crdt_entry **merged = mem_new_array(struct crdt_entry *, cap + 1);
	size_t count = 0;
	size_t i = 0;
	size_t k = 0;

	to->entry_bytes = 0;
	while (i < to->entry_count || k < from->entry_count) {
		struct crdt_entry *mine = i < to->entry_count ? to->entries[i] : NULL;
		const struct crdt_entry *theirs = k < from->entry_count ? from->entries[k] : NULL;
		int order = !mine ? 1 : !theirs ? -1 : crdt_atom_cmp(mine->key, theirs->key);
		struct crdt_entry *entry =
			join_entry(order <= 0 ? mine : NULL, order >= 0 ? theirs : NULL,
				   &to->context, &from->context);

		if (entry) {
			merged[count++] = entry;
			to->entry_bytes += crdt_entry_bytes(entry);
		}
		if (order <= 0)
			entry_free(mine);
		i += order <= 0;
		k += order >= 0;
	}
	mem_free(to->entries);
	to->entries = merged;
	to->entry_count = count;
	to->entry_cap = cap + 1;
	crdt_context_join(&to->context, &from->context);
}

void crdt_value_join(struct crdt_value *to, const struct crdt_value *from)
{
	join_slots(to, from);
	join_reg(to, from);
	if (from->entry_count || from->context.count)
		join_entries(to, from);
	to->is_on |= from->is_on;
	to->has_vote |= from->has_vote;
}
