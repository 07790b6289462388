/* What the function is told: plain values, and differences between what it knows and what is. */
#include "proto/wire.h"
#include "src/crdt/crdt_internal.h"

bool crdt_tell_is_member(const struct crdt_voters *voters, const struct crdt_atom *site)
{
	if (crdt_atom_cmp(site, voters->self) == 0)
		return true;
	for (size_t i = 0; i < voters->members->count; i++)
		if (span_eq(voters->members->addresses[i], crdt_atom_head(site)))
			return true;
	return false;
}

struct votes {
	bool self;
	int32_t votes_for;
	int32_t total;
};

static struct votes count_votes(const struct crdt_value *value, const struct crdt_voters *voters)
{
	const struct crdt_members *members = voters->members;
	struct votes votes = {.total = 1};

	for (size_t i = 0; i < members->count; i++) {
		bool is_new = !span_eq(members->addresses[i], crdt_atom_head(voters->self));

		for (size_t k = 0; k < i && is_new; k++)
			is_new = !span_eq(members->addresses[i], members->addresses[k]);
		votes.total += is_new;
	}
	for (size_t i = 0; i < value->slot_count; i++) {
		if (!(value->slots[i].up & 1) || !crdt_tell_is_member(voters, value->slots[i].site))
			continue;
		votes.votes_for++;
		votes.self |= crdt_atom_cmp(value->slots[i].site, voters->self) == 0;
	}
	return votes;
}

static bool self_vote(const struct crdt_value *value, const struct crdt_voters *voters)
{
	for (size_t i = 0; i < value->slot_count; i++)
		if (crdt_atom_cmp(value->slots[i].site, voters->self) == 0)
			return value->slots[i].up & 1;
	return false;
}

static uint64_t total_up(const struct crdt_value *value)
{
	uint64_t total = 0;

	for (size_t i = 0; i < value->slot_count; i++)
		total = total + value->slots[i].up < total ? UINT64_MAX
							   : total + value->slots[i].up;
	return total;
}

/* Wraps where it leaves 64 bits, as the function's own sum does. */
static int64_t total_both(const struct crdt_value *value)
{
	uint64_t total = 0;

	for (size_t i = 0; i < value->slot_count; i++)
		total += value->slots[i].up - value->slots[i].down;
	return (int64_t)total;
}

static void put_any(struct wire_writer *writer, uint32_t number, const struct crdt_atom *any)
{
	struct wire_nest nest = wire_begin(writer, number);

	if (any->head_len)
		wire_put_bytes_field(writer, 1, crdt_atom_head(any));
	if (any->len > any->head_len)
		wire_put_bytes_field(writer, 2, crdt_atom_tail(any));
	wire_end(writer, nest);
}

static void put_integer(struct wire_writer *writer, uint32_t number, uint64_t value)
{
	if (value)
		wire_put_uint_field(writer, number, value);
}

static void put_map_entry(struct wire_writer *writer, struct crdt_entry *entry,
			  const struct crdt_voters *voters)
{
	struct wire_nest nest = wire_begin(writer, 4);
	struct wire_nest delta;

	put_any(writer, 1, entry->key);
	delta = wire_begin(writer, 2);
	crdt_tell_all(crdt_entry_visible(entry), voters, writer);
	wire_end(writer, delta);
	wire_end(writer, nest);
}

static enum crdt_change tell_vote(const struct crdt_value *told, const struct crdt_value *value,
				  const struct crdt_voters *voters, struct wire_writer *writer)
{
	struct votes votes = count_votes(value, voters);

	if (told && told->told_for == votes.votes_for && told->told_total == votes.total &&
	    self_vote(told, voters) == votes.self)
		return CRDT_SAME;
	put_integer(writer, 1, votes.self);
	put_integer(writer, 2, (uint64_t)votes.votes_for);
	put_integer(writer, 3, (uint64_t)votes.total);
	return CRDT_NEWS;
}

static enum crdt_change tell_counter(const struct crdt_value *told, const struct crdt_value *value,
				     struct wire_writer *writer)
{
	if (value->kind == CRDT_GCOUNTER) {
		uint64_t before = told ? total_up(told) : 0;
		uint64_t now = total_up(value);

		if (now < before)
			return CRDT_INCOMPATIBLE;
		put_integer(writer, 1, now - before);
		return now == before && told ? CRDT_SAME : CRDT_NEWS;
	}
	{
		int64_t before = told ? total_both(told) : 0;
		int64_t change = (int64_t)((uint64_t)total_both(value) - (uint64_t)before);

		put_integer(writer, 1, wire_zigzag(change));
		return change == 0 && told ? CRDT_SAME : CRDT_NEWS;
	}
}

/* Walks both sides by key: what went, what came. */
static enum crdt_change tell_set(const struct crdt_value *told, const struct crdt_value *value,
				 struct wire_writer *writer)
{
	static const struct crdt_value nothing = {0};
	uint32_t added_field = value->kind == CRDT_GSET ? 1 : 3;
	size_t news = 0;
	size_t i = 0;
	size_t k = 0;

	if (!told)
		told = &nothing;
	if (value->kind == CRDT_ORSET && value->entry_count == 0 && told->entry_count) {
		wire_put_uint_field(writer, 1, 1); /* cleared */
		return CRDT_NEWS;
	}
	while (i < told->entry_count || k < value->entry_count) {
		int order = i == told->entry_count ? 1
			    : k == value->entry_count
				    ? -1
				    : crdt_atom_cmp(told->entries[i]->key, value->entries[k]->key);

		if (order < 0 && value->kind == CRDT_GSET)
			return CRDT_INCOMPATIBLE;
		if (order < 0)
			put_any(writer, 2, told->entries[i]->key);
		else if (order > 0)
			put_any(writer, added_field, value->entries[k]->key);
		news += order != 0;
		i += order <= 0;
		k += order >= 0;
	}
	return news || told == &nothing ? CRDT_NEWS : CRDT_SAME;
}

/* A key that both have. */
static enum crdt_change tell_entry(struct crdt_entry *told, struct crdt_entry *entry,
				   const struct crdt_voters *voters, struct wire_writer *writer)
{
	struct crdt_value *before = crdt_entry_visible(told);
	struct crdt_value *now = crdt_entry_visible(entry);
	enum crdt_change change;
	struct wire_nest nest;
	struct wire_nest delta;

	if (before == now && !now->has_vote)
		return CRDT_SAME;
	nest = wire_begin(writer, 3);
	put_any(writer, 1, entry->key);
	delta = wire_begin(writer, 2);
	change = crdt_tell_change(before, now, voters, writer);
	if (change == CRDT_NEWS) {
		wire_end(writer, delta);
		wire_end(writer, nest);
		return change;
	}
	wire_cancel(writer, delta);
	wire_cancel(writer, nest);
	if (change == CRDT_INCOMPATIBLE) { /* made anew: take it away and give it again */
		put_any(writer, 2, entry->key);
		put_map_entry(writer, entry, voters);
		return CRDT_NEWS;
	}
	return change;
}

static enum crdt_change tell_map(const struct crdt_value *told, const struct crdt_value *value,
				 const struct crdt_voters *voters, struct wire_writer *writer)
{
	static const struct crdt_value nothing = {0};
	size_t news = 0;
	size_t i = 0;
	size_t k = 0;

	if (!told)
		told = &nothing;
	if (value->entry_count == 0 && told->entry_count) {
		wire_put_uint_field(writer, 1, 1); /* cleared */
		return CRDT_NEWS;
	}
	while (i < told->entry_count || k < value->entry_count) {
		int order = i == told->entry_count ? 1
			    : k == value->entry_count
				    ? -1
				    : crdt_atom_cmp(told->entries[i]->key, value->entries[k]->key);

		if (order < 0)
			put_any(writer, 2, told->entries[i]->key);
		else if (order > 0)
			put_map_entry(writer, value->entries[k], voters);
		news += order != 0 || tell_entry(told->entries[i], value->entries[k], voters,
						 writer) == CRDT_NEWS;
		i += order <= 0;
		k += order >= 0;
	}
	return news || told == &nothing ? CRDT_NEWS : CRDT_SAME;
}

static enum crdt_change tell_flag(const struct crdt_value *told, const struct crdt_value *value,
				  struct wire_writer *writer)
{
	put_integer(writer, 1, value->is_on);
	if (!told || told->is_on < value->is_on)
		return CRDT_NEWS;
	return told->is_on == value->is_on ? CRDT_SAME : CRDT_INCOMPATIBLE;
}

static enum crdt_change tell_reg(const struct crdt_value *told, const struct crdt_value *value,
				 struct wire_writer *writer)
{
	if (value->reg.value)
		put_any(writer, 1, value->reg.value);
	if (!told || !told->reg.value || !value->reg.value)
		return told && told->reg.value == value->reg.value ? CRDT_SAME : CRDT_NEWS;
	return crdt_atom_cmp(told->reg.value, value->reg.value) == 0 ? CRDT_SAME : CRDT_NEWS;
}

/* told is NULL when nothing is known. */
static enum crdt_change tell(const struct crdt_value *told, const struct crdt_value *value,
			     const struct crdt_voters *voters, struct wire_writer *writer)
{
	enum crdt_change change;
	struct wire_nest nest;

	if (told && told->kind != value->kind)
		return CRDT_INCOMPATIBLE;
	nest = wire_begin(writer, (uint32_t)value->kind);
	if (value->kind == CRDT_GCOUNTER || value->kind == CRDT_PNCOUNTER)
		change = tell_counter(told, value, writer);
	else if (value->kind == CRDT_GSET || value->kind == CRDT_ORSET)
		change = tell_set(told, value, writer);
	else if (value->kind == CRDT_ORMAP)
		change = tell_map(told, value, voters, writer);
	else if (value->kind == CRDT_VOTE)
		change = tell_vote(told, value, voters, writer);
	else if (value->kind == CRDT_FLAG)
		change = tell_flag(told, value, writer);
	else
		change = tell_reg(told, value, writer);
	wire_end(writer, nest);
	return change;
}

void crdt_tell_all(const struct crdt_value *value, const struct crdt_voters *voters,
		   struct wire_writer *writer)
{
	(void)tell(NULL, value, voters, writer); /* always news */
}

enum crdt_change crdt_tell_change(const struct crdt_value *told, const struct crdt_value *value,
				  const struct crdt_voters *voters, struct wire_writer *writer)
{
	return tell(told, value, voters, writer);
}

struct crdt_value *crdt_tell_copy(const struct crdt_value *value, const struct crdt_voters *voters)
{
	struct crdt_value *copy = crdt_value_copy(value);

	if (copy->kind == CRDT_VOTE) {
		struct votes votes = count_votes(value, voters);

		copy->told_for = votes.votes_for;
		copy->told_total = votes.total;
	}
	if (copy->kind != CRDT_ORMAP)
		return copy;
	copy->entry_bytes = 0;
	for (size_t i = 0; i < copy->entry_count; i++) { /* one value each: nobody merges this */
		struct crdt_entry *entry = copy->entries[i];
		struct crdt_value *seen = crdt_entry_visible(value->entries[i]);
		struct crdt_atom *site = crdt_atom_ref(entry->dots[0].site);
		uint64_t number = entry->dots[0].number;
		struct crdt_value *inner =
			seen->has_vote ? crdt_tell_copy(seen, voters) : crdt_value_ref(seen);

		crdt_entry_clear(entry);
		crdt_entry_add(entry, site, number, inner);
		copy->entry_bytes += crdt_entry_bytes(entry);
		crdt_value_unref(inner);
		crdt_atom_unref(site);
	}
	return copy;
}
