#include "support/c/crdt_delta.h"

#include <string.h>

#include "support/c/protocol.h"
#include "support/c/wire.h"

static const char out_of_memory[] = "out of memory";
static const char not_decoded[] = "a delta cannot be decoded";

/* Fields of ORSetDelta and ORMapDelta. */
enum { CLEARED = 1, REMOVED = 2, SET_ADDED = 3, MAP_UPDATED = 3, MAP_ADDED = 4 };

/* ---- Writing ----------------------------------------------------------------------------------
 */

static void append_delta(struct hg_buf *buf, uint32_t number, const struct headgate_crdt *crdt,
			 bool is_whole);

static void append_varint(struct hg_buf *buf, uint32_t number, uint64_t value)
{
	size_t size = hg_varint_field_size(number, value);
	uint8_t *to = size > 0 ? hg_buf_reserve(buf, size) : NULL;

	if (to)
		(void)hg_put_varint_field(to, number, value); /* as much as was reserved */
}

static void append_owned(struct hg_buf *buf, uint32_t number, const struct hg_owned_any *owned)
{
	struct headgate_any any = hg_owned_any_view(owned);

	hg_append_any_view(buf, number, &any);
}

static uint64_t zigzag(int64_t value)
{
	return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

static void append_set(struct hg_buf *buf, const struct headgate_crdt *crdt, bool is_whole)
{
	const struct hg_table *table = &crdt->table;
	bool is_fresh = is_whole || crdt->is_cleared; /* all that is here is added */
	uint32_t added = crdt->kind == HEADGATE_GSET ? 1 : SET_ADDED;

	if (crdt->is_cleared && !is_whole)
		append_varint(buf, CLEARED, 1);
	for (size_t i = 0; i < table->count && !is_fresh; i++)
		if (table->entries[i].is_known && !table->entries[i].is_here)
			append_owned(buf, REMOVED, &table->entries[i].key);
	for (size_t i = 0; i < table->count; i++)
		if (table->entries[i].is_here && (is_fresh || !table->entries[i].is_known))
			append_owned(buf, added, &table->entries[i].key);
}

static void append_entry(struct hg_buf *buf, uint32_t number, const struct hg_entry *entry,
			 bool is_whole)
{
	size_t start = buf->size;

	append_owned(buf, 1, &entry->key);
	append_delta(buf, 2, entry->value, is_whole);
	hg_buf_wrap(buf, number, start);
}

static void append_map(struct hg_buf *buf, const struct headgate_crdt *crdt, bool is_whole)
{
	const struct hg_table *table = &crdt->table;
	bool is_fresh = is_whole || crdt->is_cleared;

	if (crdt->is_cleared && !is_whole)
		append_varint(buf, CLEARED, 1);
	for (size_t i = 0; i < table->count && !is_fresh; i++)
		if (table->entries[i].known && table->entries[i].known != table->entries[i].value)
			append_owned(buf, REMOVED, &table->entries[i].key);
	for (size_t i = 0; i < table->count && !is_fresh; i++) {
		const struct hg_entry *entry = &table->entries[i];
		if (entry->value && entry->value == entry->known && hg_crdt_has_delta(entry->value))
			append_entry(buf, MAP_UPDATED, entry, false);
	}
	for (size_t i = 0; i < table->count; i++) {
		const struct hg_entry *entry = &table->entries[i];
		if (entry->value && (is_fresh || entry->value != entry->known))
			append_entry(buf, MAP_ADDED, entry, true);
	}
}

static void append_register(struct hg_buf *buf, const struct headgate_crdt *crdt)
{
	append_owned(buf, 1, &crdt->lww.value);
	if (!crdt->is_changed)
		return;
	append_varint(buf, 2, crdt->lww.clock);
	if (crdt->lww.clock >= HEADGATE_CLOCK_CUSTOM)
		append_varint(buf, 3, (uint64_t)crdt->lww.clock_value);
}

static void append_body(struct hg_buf *buf, const struct headgate_crdt *crdt, bool is_whole)
{
	uint64_t counted = is_whole ? crdt->counter.value : crdt->counter.change;

	switch (crdt->kind) {
	case HEADGATE_GCOUNTER:
		append_varint(buf, 1, counted);
		return;
	case HEADGATE_PNCOUNTER:
		append_varint(buf, 1, zigzag((int64_t)counted));
		return;
	case HEADGATE_GSET:
	case HEADGATE_ORSET:
		append_set(buf, crdt, is_whole);
		return;
	case HEADGATE_LWWREGISTER:
		append_register(buf, crdt);
		return;
	case HEADGATE_FLAG:
		append_varint(buf, 1, crdt->flag);
		return;
	case HEADGATE_ORMAP:
		append_map(buf, crdt, is_whole);
		return;
	case HEADGATE_VOTE:
		append_varint(buf, 1, crdt->vote.own);
		return;
	}
}

/* The kinds have the numbers of their fields. */
static void append_delta(struct hg_buf *buf, uint32_t number, const struct headgate_crdt *crdt,
			 bool is_whole)
{
	size_t start = buf->size;

	append_body(buf, crdt, is_whole);
	hg_buf_wrap(buf, crdt->kind, start);
	hg_buf_wrap(buf, number, start);
}

void hg_crdt_append_delta(struct hg_buf *buf, uint32_t number, const struct headgate_crdt *crdt)
{
	append_delta(buf, number, crdt, false);
}

/* ---- Reading ----------------------------------------------------------------------------------
 */

struct hg_delta hg_delta_parse(struct headgate_bytes bytes)
{
	struct hg_delta delta = {0};
	struct hg_reader reader;
	struct hg_field field;

	hg_reader_init(&reader, bytes);
	while (hg_reader_next(&reader, &field)) {
		if (field.type != HG_WIRE_BYTES || field.number > HEADGATE_VOTE)
			continue;
		delta.kind = (enum headgate_crdt_kind)field.number;
		delta.body = field.bytes;
	}
	return reader.is_bad ? (struct hg_delta){0} : delta;
}

/* The varint field of that number; 0 when it is not there. */
static const char *read_varint(struct headgate_bytes body, uint32_t number, uint64_t *ret_value)
{
	struct hg_reader reader;
	struct hg_field field;

	*ret_value = 0;
	hg_reader_init(&reader, body);
	while (hg_reader_next(&reader, &field))
		if (hg_is_varint(&field, number))
			*ret_value = field.value;
	return reader.is_bad ? not_decoded : NULL;
}

static const char *apply_counter(struct headgate_crdt *crdt, struct headgate_bytes body)
{
	uint64_t value;
	const char *problem = read_varint(body, 1, &value);

	if (problem)
		return problem;
	if (crdt->kind == HEADGATE_PNCOUNTER)
		value = value >> 1 ^ (0 - (value & 1));
	hg_crdt_add(crdt, value);
	return NULL;
}

static const char *apply_flag(struct headgate_crdt *crdt, struct headgate_bytes body)
{
	uint64_t value;
	const char *problem = read_varint(body, 1, &value);

	if (!problem && value)
		hg_crdt_enable(crdt);
	return problem;
}

static const char *apply_vote(struct headgate_crdt *crdt, struct headgate_bytes body)
{
	uint64_t own;
	uint64_t votes_for;
	uint64_t voters;

	if (read_varint(body, 1, &own) || read_varint(body, 2, &votes_for) ||
	    read_varint(body, 3, &voters))
		return not_decoded;
	if (votes_for > INT32_MAX || voters > INT32_MAX)
		return "a vote with a number out of range";
	hg_crdt_vote(crdt, own != 0);
	crdt->vote.votes_for = (uint32_t)votes_for;
	crdt->vote.voters = (uint32_t)voters;
	return NULL;
}

static const char *apply_register(struct headgate_crdt *crdt, struct headgate_bytes body)
{
	struct headgate_any value = {0};
	struct hg_reader reader;
	struct hg_field field;

	hg_reader_init(&reader, body);
	while (hg_reader_next(&reader, &field))
		if (hg_is_bytes(&field, 1) && !hg_any_parse(field.bytes, &value))
			return not_decoded;
	if (reader.is_bad)
		return not_decoded;
	return hg_crdt_assign(crdt, value, HEADGATE_CLOCK_DEFAULT, 0) ? NULL : out_of_memory;
}

/* Elements or keys, one by one. */
static const char *apply_keys(struct headgate_crdt *crdt, struct headgate_bytes body,
			      uint32_t number, bool is_added)
{
	struct headgate_any key;
	struct hg_reader reader;
	struct hg_field field;

	hg_reader_init(&reader, body);
	while (hg_reader_next(&reader, &field)) {
		if (!hg_is_bytes(&field, number))
			continue;
		if (!hg_any_parse(field.bytes, &key))
			return not_decoded;
		if (!is_added)
			hg_crdt_remove(crdt, key);
		else if (!hg_crdt_insert(crdt, key))
			return out_of_memory;
	}
	return reader.is_bad ? not_decoded : NULL;
}

/* Whatever the order on the wire. */
static const char *apply_cleared_and_removed(struct headgate_crdt *crdt, struct headgate_bytes body)
{
	uint64_t is_cleared;
	const char *problem = read_varint(body, CLEARED, &is_cleared);

	if (problem)
		return problem;
	if (is_cleared)
		hg_crdt_clear(crdt);
	return apply_keys(crdt, body, REMOVED, false);
}

static const char *apply_set(struct headgate_crdt *crdt, struct headgate_bytes body)
{
	const char *problem;

	if (crdt->kind == HEADGATE_GSET)
		return apply_keys(crdt, body, 1, true);
	problem = apply_cleared_and_removed(crdt, body);
	return problem ? problem : apply_keys(crdt, body, SET_ADDED, true);
}

static const char *apply_body(struct headgate_crdt *crdt, struct headgate_bytes body);

/* An update of what is not there, or of another kind, is of a time before; others do the same. */
static const char *update_entry(struct headgate_crdt *crdt, struct headgate_any key,
				const struct hg_delta *delta)
{
	struct hg_entry *entry = hg_table_find(&crdt->table, key);

	if (!entry || !entry->value || entry->value->kind != delta->kind)
		return NULL;
	return apply_body(entry->value, delta->body);
}

static const char *add_entry(struct headgate_crdt *crdt, struct headgate_any key,
			     const struct hg_delta *delta)
{
	struct headgate_crdt *value;

	if (crdt->depth == HG_CRDT_DEPTH_MAX)
		return "maps nest too deep";
	value = hg_crdt_put(crdt, key, delta->kind);
	return value ? apply_body(value, delta->body) : out_of_memory;
}

static const char *apply_entry(struct headgate_crdt *crdt, const struct hg_field *entry)
{
	struct headgate_any key = {0};
	struct hg_delta delta = {0};
	struct hg_reader reader;
	struct hg_field field;

	hg_reader_init(&reader, entry->bytes);
	while (hg_reader_next(&reader, &field)) {
		if (hg_is_bytes(&field, 1) && !hg_any_parse(field.bytes, &key))
			return not_decoded;
		if (hg_is_bytes(&field, 2))
			delta = hg_delta_parse(field.bytes);
	}
	if (reader.is_bad)
		return not_decoded;
	if (!delta.kind)
		return "a delta of no known kind";
	return entry->number == MAP_ADDED ? add_entry(crdt, key, &delta)
					  : update_entry(crdt, key, &delta);
}

static const char *apply_entries(struct headgate_crdt *crdt, struct headgate_bytes body,
				 uint32_t number)
{
	struct hg_reader reader;
	struct hg_field field;

	hg_reader_init(&reader, body);
	while (hg_reader_next(&reader, &field)) {
		const char *problem =
			hg_is_bytes(&field, number) ? apply_entry(crdt, &field) : NULL;
		if (problem)
			return problem;
	}
	return reader.is_bad ? not_decoded : NULL;
}

static const char *apply_map(struct headgate_crdt *crdt, struct headgate_bytes body)
{
	const char *problem = apply_cleared_and_removed(crdt, body);

	if (!problem)
		problem = apply_entries(crdt, body, MAP_UPDATED);
	return problem ? problem : apply_entries(crdt, body, MAP_ADDED);
}

static const char *apply_body(struct headgate_crdt *crdt, struct headgate_bytes body)
{
	switch (crdt->kind) {
	case HEADGATE_GCOUNTER:
	case HEADGATE_PNCOUNTER:
		return apply_counter(crdt, body);
	case HEADGATE_GSET:
	case HEADGATE_ORSET:
		return apply_set(crdt, body);
	case HEADGATE_LWWREGISTER:
		return apply_register(crdt, body);
	case HEADGATE_FLAG:
		return apply_flag(crdt, body);
	case HEADGATE_ORMAP:
		return apply_map(crdt, body);
	case HEADGATE_VOTE:
		return apply_vote(crdt, body);
	}
	return "a delta of no known kind";
}

const char *hg_crdt_apply(struct headgate_crdt *crdt, struct headgate_bytes body)
{
	const char *problem = apply_body(crdt, body);

	hg_crdt_commit(crdt);
	return problem;
}
