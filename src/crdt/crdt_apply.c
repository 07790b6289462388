/* Messages of the function, applied. A message is read twice: once to see that it is whole, so that
 * what follows cannot fail half way, and once to do it. */
#include <stdbool.h>

#include "proto/wire.h"
#include "src/crdt/crdt_internal.h"

/* Weight of what a message adds beyond its bytes: an entry, its dot, a value, each at the most. */
#define GROWTH_PER_ITEM ((size_t)512)

/* CrdtDelta: the last member of the oneof. */
static enum crdt_kind read_delta(struct span message, struct span *ret_content)
{
	struct wire_reader reader;
	struct wire_field field;
	enum crdt_kind kind = CRDT_NONE;

	*ret_content = SPAN_EMPTY;
	wire_reader_init(&reader, message);
	while (wire_next(&reader, &field)) {
		if (field.type == WIRE_BYTES && field.number >= 1 && field.number <= CRDT_VOTE) {
			kind = (enum crdt_kind)field.number;
			*ret_content = field.bytes;
		}
	}
	return kind;
}

static struct crdt_atom *read_any(struct span message)
{
	struct wire_field field;
	struct span url = SPAN_EMPTY;
	struct span value = SPAN_EMPTY;

	if (wire_find_last(message, 1, WIRE_BYTES, &field))
		url = field.bytes;
	if (wire_find_last(message, 2, WIRE_BYTES, &field))
		value = field.bytes;
	return crdt_atom_new(url, value);
}

static bool is_whole(struct span message)
{
	struct wire_reader reader;
	struct wire_field field;

	wire_reader_init(&reader, message);
	while (wire_next(&reader, &field))
		;
	return !reader.is_bad;
}

static uint64_t read_integer(struct span message, uint32_t number)
{
	struct wire_field field;

	return wire_find_last(message, number, WIRE_VARINT, &field) ? field.integer : 0;
}

/* Numbers of fields that hold an Any, or a map entry, per kind. */
static bool is_any_field(enum crdt_kind kind, uint32_t number)
{
	if (kind == CRDT_GSET || kind == CRDT_LWWREGISTER)
		return number == 1;
	if (kind == CRDT_ORSET)
		return number == 2 || number == 3;
	return kind == CRDT_ORMAP && number == 2;
}

static enum status check(struct span message, unsigned depth, enum crdt_kind *ret_kind,
			 size_t *growth, struct error *err);

static enum status check_entry(struct span message, unsigned depth, size_t *growth,
			       struct error *err)
{
	struct wire_field field;
	enum crdt_kind kind;

	if (!is_whole(message))
		return error_set(err, ST_INVALID_ARGUMENT, "malformed ORMapEntryDelta");
	if (!wire_find_last(message, 1, WIRE_BYTES, &field))
		return error_set(err, ST_INVALID_ARGUMENT, "ORMapEntryDelta without key");
	if (!is_whole(field.bytes))
		return error_set(err, ST_INVALID_ARGUMENT, "malformed key in ORMapEntryDelta");
	if (!wire_find_last(message, 2, WIRE_BYTES, &field))
		return error_set(err, ST_INVALID_ARGUMENT, "Empty delta");
	return check(field.bytes, depth + 1, &kind, growth, err);
}

static enum status check(struct span message, unsigned depth, enum crdt_kind *ret_kind,
			 size_t *growth, struct error *err)
{
	struct wire_reader reader;
	struct wire_field field;
	struct span content;
	enum crdt_kind kind;

	if (depth > CRDT_DEPTH_MAX)
		return error_set(err, ST_INVALID_ARGUMENT, "ORMaps within ORMaps beyond %d levels",
				 CRDT_DEPTH_MAX);
	if (!is_whole(message))
		return error_set(err, ST_INVALID_ARGUMENT, "malformed CrdtDelta");
	kind = read_delta(message, &content);
	if (kind == CRDT_NONE)
		return error_set(err, ST_INVALID_ARGUMENT, "Empty delta");
	*growth += GROWTH_PER_ITEM;
	wire_reader_init(&reader, content);
	while (wire_next(&reader, &field)) {
		bool is_entry = kind == CRDT_ORMAP && (field.number == 3 || field.number == 4);

		if (field.type != WIRE_BYTES)
			continue;
		*growth += GROWTH_PER_ITEM;
		if (is_any_field(kind, field.number) && !is_whole(field.bytes))
			return error_set(err, ST_INVALID_ARGUMENT, "malformed Any in %sDelta",
					 crdt_kind_name(kind));
		if (is_entry && check_entry(field.bytes, depth, growth, err) != ST_OK)
			return err ? err->status : ST_INVALID_ARGUMENT;
	}
	if (reader.is_bad)
		return error_set(err, ST_INVALID_ARGUMENT, "malformed %sDelta",
				 crdt_kind_name(kind));
	*ret_kind = kind;
	return ST_OK;
}

enum status crdt_apply_check(struct span message, enum crdt_kind *ret_kind, size_t *ret_growth,
			     struct error *err)
{
	*ret_growth = message.len;
	return check(message, 0, ret_kind, ret_growth, err);
}

/* FlagDelta.value of a checked message. */
bool crdt_apply_flag(struct span message)
{
	struct span content;

	return read_delta(message, &content) == CRDT_FLAG && read_integer(content, 1) != 0;
}

static uint64_t sum(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

static struct crdt_slot *own_slot(struct crdt_value *value, struct crdt_write *write)
{
	struct crdt_slot *slot = crdt_value_slot(value, write->self);

	slot->stamp = write->stamp;
	return slot;
}

static void record_slot(const struct crdt_slot *slot, struct crdt_write *write)
{
	struct crdt_slot *copy;

	if (!write->delta)
		return;
	copy = crdt_value_slot(write->delta, slot->site);
	copy->stamp = slot->stamp;
	copy->up = slot->up;
	copy->down = slot->down;
}

static void apply_counter(struct crdt_value *value, struct span content, struct crdt_write *write)
{
	uint64_t raw = read_integer(content, 1);
	int64_t change = value->kind == CRDT_PNCOUNTER ? wire_unzigzag(raw) : 0;
	struct crdt_slot *slot;

	if (raw == 0)
		return;
	slot = own_slot(value, write);
	if (value->kind == CRDT_GCOUNTER)
		slot->up = sum(slot->up, raw);
	else if (change > 0)
		slot->up = sum(slot->up, (uint64_t)change);
	else
		slot->down = sum(slot->down, 0 - (uint64_t)change);
	record_slot(slot, write);
}

static void apply_vote(struct crdt_value *value, struct span content, struct crdt_write *write)
{
	bool is_for = read_integer(content, 1) != 0;
	bool was_for = false;
	struct crdt_slot *slot;

	for (size_t i = 0; i < value->slot_count; i++)
		if (crdt_atom_cmp(value->slots[i].site, write->self) == 0)
			was_for = value->slots[i].up & 1;
	if (is_for == was_for)
		return;
	slot = own_slot(value, write);
	slot->up++;
	value->told_for += is_for ? 1 : -1;
	record_slot(slot, write);
}

/* The time of a write. Spec: CrdtClock. */
static int64_t clock_time(const struct crdt_value *value, uint64_t clock, int64_t custom,
			  uint64_t now_ms)
{
	bool is_first = !value->reg.value;
	int64_t old = value->reg.time;
	int64_t now = (int64_t)(now_ms & (uint64_t)INT64_MAX);

	switch (clock) {
	case 1: /* REVERSE */
		if (is_first)
			return -now;
		return old > INT64_MIN && old - 1 < -now ? old - 1 : -now;
	case 2: /* CUSTOM */
		return custom;
	case 3: /* CUSTOM_AUTO_INCREMENT */
		return !is_first && old >= custom && old < INT64_MAX ? old + 1 : custom;
	default:
		if (is_first)
			return now;
		return old < INT64_MAX && old + 1 > now ? old + 1 : now;
	}
}

static void apply_reg(struct crdt_value *value, struct span content, struct crdt_write *write)
{
	struct crdt_value *next = crdt_value_new(CRDT_LWWREGISTER);
	struct wire_field field;
	struct span any = SPAN_EMPTY;

	if (wire_find_last(content, 1, WIRE_BYTES, &field))
		any = field.bytes;
	next->reg.value = read_any(any);
	next->reg.writer = crdt_atom_ref(write->self);
	next->reg.time = clock_time(value, read_integer(content, 2),
				    (int64_t)read_integer(content, 3), write->now_ms);
	if (value->reg.value && value->reg.time == next->reg.time &&
	    crdt_atom_cmp(value->reg.writer, write->self) == 0)
		next->reg.sequence = value->reg.sequence + 1;
	if (write->is_told && value->reg.value) {
		crdt_atom_unref(value->reg.value);
		value->reg.value = crdt_atom_ref(next->reg.value);
	} else {
		crdt_value_join(value, next);
	}
	if (write->delta && value->reg.value == next->reg.value)
		crdt_value_join(write->delta, next);
	crdt_value_unref(next);
}

uint64_t crdt_apply_number(const struct crdt_value *value, const struct crdt_write *write)
{
	return write->stamp ? write->stamp : crdt_context_last(&value->context, write->self) + 1;
}

/* The dots of an entry are seen, and will be gone. */
static void record_dots(const struct crdt_entry *entry, struct crdt_write *write)
{
	for (size_t i = 0; write->delta && i < entry->count; i++)
		crdt_context_add(&write->delta->context, entry->dots[i].site, entry->dots[i].number,
				 entry->dots[i].number);
}

static void put_entry(struct crdt_value *value, struct crdt_atom *key, struct crdt_value *inner,
		      struct crdt_atom *site, uint64_t number)
{
	struct crdt_entry *entry;
	size_t at;

	if (crdt_value_find(value, key, &at)) {
		entry = value->entries[at];
		value->entry_bytes -= crdt_entry_bytes(entry);
		crdt_entry_clear(entry);
	} else {
		entry = crdt_value_insert(value, at, key);
	}
	if (site)
		crdt_entry_add(entry, site, number, inner);
	value->entry_bytes += crdt_entry_bytes(entry);
	if (inner)
		value->has_vote |= inner->has_vote;
}

void crdt_apply_put(struct crdt_value *value, struct crdt_atom *key, struct crdt_value *inner,
		    uint64_t number, struct crdt_write *write)
{
	/* Within a map the values are always whole, so their contexts may claim all that came
	 * before and stay one run; at the top they say what is true. */
	uint64_t first = write->stamp ? 1 : number;
	size_t at;

	if (crdt_value_find(value, key, &at))
		record_dots(value->entries[at], write);
	crdt_context_add(&value->context, write->self, first, number);
	put_entry(value, key, inner, write->self, number);
	if (write->delta) {
		crdt_context_add(&write->delta->context, write->self, first, number);
		put_entry(write->delta, key, inner, write->self, number);
	}
}

static void remove_at(struct crdt_value *value, size_t at, struct crdt_write *write)
{
	size_t in_delta;

	record_dots(value->entries[at], write);
	if (write->delta && crdt_value_find(write->delta, value->entries[at]->key, &in_delta))
		crdt_value_remove(write->delta, in_delta);
	crdt_value_remove(value, at);
}

static void apply_clear(struct crdt_value *value, struct crdt_write *write)
{
	while (value->entry_count)
		remove_at(value, value->entry_count - 1, write);
}

static void apply_remove(struct crdt_value *value, struct span any, struct crdt_write *write)
{
	struct crdt_atom *key = read_any(any);
	size_t at;

	if (crdt_value_find(value, key, &at))
		remove_at(value, at, write);
	crdt_atom_unref(key);
}

static void apply_add(struct crdt_value *value, struct span any, struct crdt_write *write)
{
	struct crdt_atom *key = read_any(any);
	size_t at;

	if (value->kind == CRDT_ORSET) {
		crdt_apply_put(value, key, NULL, crdt_apply_number(value, write), write);
	} else if (!crdt_value_find(value, key, &at)) {
		put_entry(value, key, NULL, NULL, 0);
		if (write->delta)
			put_entry(write->delta, key, NULL, NULL, 0);
	}
	crdt_atom_unref(key);
}

/* An entry of `updated` or `added`: a new value for the key under a new dot. */
static void apply_entry(struct crdt_value *value, struct span message, bool is_added,
			struct crdt_write *write)
{
	struct crdt_write inner_write = *write;
	struct crdt_value *visible = NULL;
	struct crdt_value *inner;
	struct crdt_atom *key;
	struct wire_field field;
	struct span content;
	enum crdt_kind kind;
	uint64_t number = crdt_apply_number(value, write);
	size_t at;

	key = read_any(wire_find_last(message, 1, WIRE_BYTES, &field) ? field.bytes : SPAN_EMPTY);
	(void)wire_find_last(message, 2, WIRE_BYTES, &field); /* checked to be there */
	kind = read_delta(field.bytes, &content);
	if (!is_added && crdt_value_find(value, key, &at))
		visible = crdt_entry_visible(value->entries[at]);
	/* Removed, or made anew with another kind, by somebody else meanwhile; or a flag that
	 * somebody switched on. */
	if (!is_added && (!visible || visible->kind != kind ||
			  (visible->is_on && !crdt_apply_flag(field.bytes)))) {
		crdt_atom_unref(key);
		return;
	}
	inner = visible ? crdt_value_copy(visible) : crdt_value_new(kind);
	inner_write.stamp = number;
	inner_write.delta = NULL;
	crdt_apply_message(inner, field.bytes, &inner_write);
	crdt_apply_put(value, key, inner, number, write);
	crdt_value_unref(inner);
	crdt_atom_unref(key);
}

/* What a field of a set or a map does. Numbers differ, orders do not: removed, updated, added. */
static void apply_field(struct crdt_value *value, const struct wire_field *field,
			struct crdt_write *write)
{
	if (value->kind == CRDT_GSET || (value->kind == CRDT_ORSET && field->number == 3))
		apply_add(value, field->bytes, write);
	else if (field->number == 2)
		apply_remove(value, field->bytes, write);
	else
		apply_entry(value, field->bytes, field->number == 4, write);
}

static void apply_entries(struct crdt_value *value, struct span content, struct crdt_write *write)
{
	uint32_t first = value->kind == CRDT_GSET ? 1 : 2;
	uint32_t last = value->kind == CRDT_GSET ? 1 : value->kind == CRDT_ORSET ? 3 : 4;

	if (value->kind != CRDT_GSET && read_integer(content, 1))
		apply_clear(value, write);
	for (uint32_t number = first; number <= last; number++) {
		struct wire_reader reader;
		struct wire_field field;

		wire_reader_init(&reader, content);
		while (wire_next(&reader, &field))
			if (field.number == number && field.type == WIRE_BYTES)
				apply_field(value, &field, write);
	}
}

void crdt_apply_message(struct crdt_value *value, struct span message, struct crdt_write *write)
{
	struct span content;

	BUG_ON(read_delta(message, &content) != value->kind);
	if (value->kind == CRDT_GCOUNTER || value->kind == CRDT_PNCOUNTER) {
		apply_counter(value, content, write);
	} else if (value->kind == CRDT_VOTE) {
		apply_vote(value, content, write);
	} else if (value->kind == CRDT_LWWREGISTER) {
		apply_reg(value, content, write);
	} else if (value->kind == CRDT_FLAG) {
		bool is_news = !value->is_on && read_integer(content, 1) != 0;

		value->is_on |= is_news;
		if (write->delta)
			write->delta->is_on = is_news;
	} else {
		apply_entries(value, content, write);
	}
}
