/* States and deltas as bytes:
 *
 *   state    version (1)  kind  [ sites  value ]              nothing more when the kind is 0
 *   sites    count  { length bytes }                          ascending; named by index below
 *   value    GCounter, Vote   count { site stamp up }
 *            PNCounter        count { site stamp up down }
 *            LWWRegister      0 | 1  any  site  zigzag(time)  sequence
 *            Flag             0 | 1
 *            GSet             count { any }
 *            ORSet            context  count { any  count { site number } }
 *            ORMap            context  count { any  count { site number  kind value } }
 *   context  count { site  count { gap  length-1 } }          runs of dots, as far from the one
 * before any      length bytes  length bytes                       type_url, value
 *
 * Every number is a varint; version and kind are one byte each. Lists ascend, so a value has one
 * form, and the reader refuses any other: what was read and written again is the same bytes. */
#include "proto/wire.h"
#include "src/base/mem.h"
#include "src/crdt/crdt_internal.h"

#define FORMAT_VERSION 1

struct sites {
	struct crdt_atom **atoms;
	size_t count;
	size_t cap;
};

static size_t site_index(const struct sites *sites, const struct crdt_atom *site, bool *ret_is_new)
{
	size_t low = 0;
	size_t high = sites->count;

	*ret_is_new = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = crdt_atom_cmp(sites->atoms[middle], site);

		if (order == 0)
			return middle;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_is_new = true;
	return low;
}

static void sites_add(struct sites *sites, struct crdt_atom *site)
{
	bool is_new;
	size_t at = site_index(sites, site, &is_new);

	if (!is_new)
		return;
	if (sites->count == sites->cap) {
		sites->cap = sites->cap ? sites->cap * 2 : 8;
		sites->atoms =
			mem_resize_array(sites->atoms, sites->cap, sizeof(struct crdt_atom *));
	}
	for (size_t i = sites->count; i > at; i--)
		sites->atoms[i] = sites->atoms[i - 1];
	sites->atoms[at] = site;
	sites->count++;
}

/* Dots lie in contexts, so their sites need no look. */
static void collect_sites(struct sites *sites, const struct crdt_value *value)
{
	for (size_t i = 0; i < value->slot_count; i++)
		sites_add(sites, value->slots[i].site);
	for (size_t i = 0; i < value->context.count; i++)
		sites_add(sites, value->context.rows[i].site);
	if (value->reg.writer)
		sites_add(sites, value->reg.writer);
	for (size_t i = 0; value->kind == CRDT_ORMAP && i < value->entry_count; i++)
		for (size_t k = 0; k < value->entries[i]->count; k++)
			collect_sites(sites, value->entries[i]->dots[k].value);
}

static void put_number(struct buf *out, uint64_t number)
{
	while (number >= 0x80) {
		(void)buf_append_byte(out, (uint8_t)(number | 0x80)); /* a full buf remembers */
		number >>= 7;
	}
	(void)buf_append_byte(out, (uint8_t)number);
}

static void put_bytes(struct buf *out, struct span bytes)
{
	put_number(out, bytes.len);
	(void)buf_append(out, bytes);
}

static void put_any(struct buf *out, const struct crdt_atom *any)
{
	put_bytes(out, crdt_atom_head(any));
	put_bytes(out, crdt_atom_tail(any));
}

static void put_site(struct buf *out, const struct sites *sites, const struct crdt_atom *site)
{
	bool is_new;

	put_number(out, site_index(sites, site, &is_new));
}

static void put_context(struct buf *out, const struct sites *sites,
			const struct crdt_context *context)
{
	put_number(out, context->count);
	for (size_t i = 0; i < context->count; i++) {
		const struct crdt_row *row = &context->rows[i];
		uint64_t end = 0;

		put_site(out, sites, row->site);
		put_number(out, row->count);
		for (size_t k = 0; k < row->count; k++) {
			put_number(out, row->ranges[k].first - end);
			put_number(out, row->ranges[k].last - row->ranges[k].first);
			end = row->ranges[k].last;
		}
	}
}

static void put_value(struct buf *out, const struct sites *sites, const struct crdt_value *value);

static void put_entries(struct buf *out, const struct sites *sites, const struct crdt_value *value)
{
	put_number(out, value->entry_count);
	for (size_t i = 0; i < value->entry_count; i++) {
		const struct crdt_entry *entry = value->entries[i];

		put_any(out, entry->key);
		if (value->kind == CRDT_GSET)
			continue;
		put_number(out, entry->count);
		for (size_t k = 0; k < entry->count; k++) {
			put_site(out, sites, entry->dots[k].site);
			put_number(out, entry->dots[k].number);
			if (value->kind != CRDT_ORMAP)
				continue;
			(void)buf_append_byte(out, (uint8_t)entry->dots[k].value->kind);
			put_value(out, sites, entry->dots[k].value);
		}
	}
}

static void put_slots(struct buf *out, const struct sites *sites, const struct crdt_value *value)
{
	put_number(out, value->slot_count);
	for (size_t i = 0; i < value->slot_count; i++) {
		put_site(out, sites, value->slots[i].site);
		put_number(out, value->slots[i].stamp);
		put_number(out, value->slots[i].up);
		if (value->kind == CRDT_PNCOUNTER)
			put_number(out, value->slots[i].down);
	}
}

static void put_reg(struct buf *out, const struct sites *sites, const struct crdt_value *value)
{
	(void)buf_append_byte(out, value->reg.value != NULL);
	if (!value->reg.value)
		return;
	put_any(out, value->reg.value);
	put_site(out, sites, value->reg.writer);
	put_number(out, wire_zigzag(value->reg.time));
	put_number(out, value->reg.sequence);
}

static void put_value(struct buf *out, const struct sites *sites, const struct crdt_value *value)
{
	if (value->kind == CRDT_GCOUNTER || value->kind == CRDT_PNCOUNTER ||
	    value->kind == CRDT_VOTE) {
		put_slots(out, sites, value);
	} else if (value->kind == CRDT_FLAG) {
		(void)buf_append_byte(out, value->is_on);
	} else if (value->kind == CRDT_LWWREGISTER) {
		put_reg(out, sites, value);
	} else {
		if (value->kind != CRDT_GSET)
			put_context(out, sites, &value->context);
		put_entries(out, sites, value);
	}
}

bool crdt_format_put(const struct crdt_value *value, struct buf *out)
{
	struct sites sites = {0};
	size_t start = buf_len(out);

	(void)buf_append_byte(out, FORMAT_VERSION);
	(void)buf_append_byte(out, value ? (uint8_t)value->kind : CRDT_NONE);
	if (value) {
		collect_sites(&sites, value);
		put_number(out, sites.count);
		for (size_t i = 0; i < sites.count; i++)
			put_bytes(out, crdt_atom_head(sites.atoms[i]));
		put_value(out, &sites, value);
		mem_free(sites.atoms);
	}
	if (!out->is_full)
		return true;
	buf_truncate(out, start);
	return false;
}

size_t crdt_format_replicas(const struct crdt_value *value)
{
	struct sites sites = {0};

	if (value)
		collect_sites(&sites, value);
	mem_free(sites.atoms);
	return sites.count;
}

struct parser {
	struct wire_reader reader;
	struct sites sites;
	size_t weight;
	const char *problem; /* the first one; sticky */
};

static void fail(struct parser *parser, const char *problem)
{
	if (!parser->problem)
		parser->problem = problem;
}

static bool is_failed(struct parser *parser)
{
	if (parser->reader.is_bad)
		fail(parser, "cut off or malformed");
	return parser->problem != NULL;
}

static void weigh(struct parser *parser, size_t bytes)
{
	parser->weight += bytes;
	if (parser->weight >
	    4 * CRDT_BYTES_MAX) /* what crdt_merge allows, and the list of replicas */
		fail(parser, "too big");
}

/* Only the shortest form of a number is one of ours. */
static uint64_t get_number(struct parser *parser)
{
	const uint8_t *start = parser->reader.at_;
	uint64_t number = wire_read_varint(&parser->reader);
	size_t len = (size_t)(parser->reader.at_ - start);

	if (parser->reader.is_bad || len < 2)
		return number;
	/* The tenth byte holds one bit. */
	if (number >> (7 * (len - 1)) == 0 || (len == 10 && start[9] > 1))
		fail(parser, "a number in another form");
	return number;
}

static uint8_t get_byte(struct parser *parser)
{
	uint64_t number = get_number(parser);

	if (number > 0x7f)
		fail(parser, "a byte out of its range");
	return (uint8_t)(number & 0x7f);
}

static struct span get_bytes(struct parser *parser)
{
	size_t len = get_number(parser);
	struct span bytes = span_make(parser->reader.at_, len);

	if (len > (size_t)(parser->reader.end_ - parser->reader.at_)) {
		fail(parser, "cut off");
		return SPAN_EMPTY;
	}
	parser->reader.at_ += len;
	return bytes;
}

static struct crdt_atom *get_any(struct parser *parser)
{
	struct span url = get_bytes(parser);
	struct span value = get_bytes(parser);

	return crdt_atom_new(url, value);
}

static struct crdt_atom *get_site(struct parser *parser)
{
	uint64_t at = get_number(parser);

	if (at < parser->sites.count)
		return parser->sites.atoms[at];
	fail(parser, "a replica that is not in the list");
	return NULL;
}

static void get_sites(struct parser *parser)
{
	uint64_t count = get_number(parser);

	for (uint64_t i = 0; i < count && !is_failed(parser); i++) {
		struct span name = get_bytes(parser);
		struct crdt_atom *site = crdt_atom_new(name, SPAN_EMPTY);
		size_t before = parser->sites.count;

		if (name.len == 0 || name.len > CRDT_REPLICA_BYTES_MAX)
			fail(parser, "the name of a replica");
		if (before && crdt_atom_cmp(parser->sites.atoms[before - 1], site) >= 0)
			fail(parser, "replicas out of order");
		weigh(parser, CRDT_SLOT_WEIGHT + name.len);
		if (!parser->problem)
			sites_add(&parser->sites, site);
		else
			crdt_atom_unref(site);
	}
}

static void get_slots(struct parser *parser, struct crdt_value *value)
{
	uint64_t count = get_number(parser);

	for (uint64_t i = 0; i < count && !is_failed(parser); i++) {
		struct crdt_atom *site = get_site(parser);
		struct crdt_slot *slot;

		if (!site)
			return;
		if (value->slot_count &&
		    crdt_atom_cmp(value->slots[value->slot_count - 1].site, site) >= 0) {
			fail(parser, "slots out of order");
			return;
		}
		weigh(parser, CRDT_SLOT_WEIGHT + site->len);
		slot = crdt_value_slot(value, site);
		slot->stamp = get_number(parser);
		slot->up = get_number(parser);
		if (value->kind == CRDT_PNCOUNTER)
			slot->down = get_number(parser);
	}
}

static void get_reg(struct parser *parser, struct crdt_value *value)
{
	uint8_t is_there = get_byte(parser);

	if (is_there > 1)
		fail(parser, "a register");
	if (is_there != 1 || is_failed(parser))
		return;
	value->reg.value = get_any(parser);
	value->reg.writer = crdt_atom_ref(get_site(parser));
	value->reg.time = wire_unzigzag(get_number(parser));
	value->reg.sequence = get_number(parser);
	if (!value->reg.writer) { /* failed; a register without a writer is none */
		crdt_atom_unref(value->reg.value);
		value->reg.value = NULL;
		return;
	}
	weigh(parser, value->reg.value->len);
}

static void get_row(struct parser *parser, struct crdt_value *value)
{
	struct crdt_context *context = &value->context;
	struct crdt_atom *site = get_site(parser);
	uint64_t count = get_number(parser);
	uint64_t end = 0;

	if (!site || count == 0 ||
	    (context->count && crdt_atom_cmp(context->rows[context->count - 1].site, site) >= 0)) {
		fail(parser, "a context");
		return;
	}
	for (uint64_t i = 0; i < count && !is_failed(parser); i++) {
		uint64_t gap = get_number(parser);
		uint64_t more = get_number(parser);

		/* A gap of 1 would be the same run. */
		if (gap <= (i > 0) || gap > CRDT_NUMBER_MAX - end - 1 ||
		    more > CRDT_NUMBER_MAX - end - gap - 1) {
			fail(parser, "a context");
			return;
		}
		weigh(parser, CRDT_DOT_WEIGHT);
		crdt_context_add(context, site, end + gap, end + gap + more);
		end += gap + more;
	}
}

static void get_context(struct parser *parser, struct crdt_value *value)
{
	uint64_t count = get_number(parser);

	for (uint64_t i = 0; i < count && !is_failed(parser); i++)
		get_row(parser, value);
}

static void get_value(struct parser *parser, struct crdt_value *value, unsigned depth);

static struct crdt_value *get_inner(struct parser *parser, unsigned depth)
{
	uint8_t kind = get_byte(parser);
	struct crdt_value *value;

	if (kind < CRDT_GCOUNTER || kind > CRDT_VOTE || depth > CRDT_DEPTH_MAX) {
		fail(parser, "a kind that is not known, or too deep");
		return NULL;
	}
	value = crdt_value_new((enum crdt_kind)kind);
	weigh(parser, CRDT_VALUE_WEIGHT);
	get_value(parser, value, depth);
	return value;
}

static void get_dots(struct parser *parser, struct crdt_value *value, struct crdt_entry *entry,
		     unsigned depth)
{
	uint64_t count = get_number(parser);

	if (count == 0)
		fail(parser, "an entry that nobody wrote");
	for (uint64_t i = 0; i < count && !is_failed(parser); i++) {
		struct crdt_atom *site = get_site(parser);
		uint64_t number = get_number(parser);
		const struct crdt_dot *last = i ? &entry->dots[i - 1] : NULL;
		int order = last && site ? crdt_atom_cmp(last->site, site) : -1;
		struct crdt_value *inner = NULL;

		if (!site || !crdt_context_covers(&value->context, site, number) || order > 0 ||
		    (order == 0 && last->number >= number)) {
			fail(parser, "a dot");
			return;
		}
		weigh(parser, CRDT_DOT_WEIGHT);
		if (value->kind == CRDT_ORMAP) {
			inner = get_inner(parser, depth + 1);
			value->has_vote |= inner && inner->has_vote;
		}
		if (value->kind != CRDT_ORMAP || inner)
			crdt_entry_add(entry, site, number, inner);
		crdt_value_unref(inner);
	}
}

static void get_entries(struct parser *parser, struct crdt_value *value, unsigned depth)
{
	uint64_t count = get_number(parser);

	for (uint64_t i = 0; i < count && !is_failed(parser); i++) {
		struct crdt_atom *key = get_any(parser);
		struct crdt_entry *entry;

		if (i && crdt_atom_cmp(value->entries[i - 1]->key, key) >= 0)
			fail(parser, "entries out of order");
		weigh(parser, CRDT_ENTRY_WEIGHT + key->len);
		entry = crdt_value_insert(value, i, key);
		crdt_atom_unref(key);
		if (value->kind != CRDT_GSET)
			get_dots(parser, value, entry, depth);
		value->entry_bytes += crdt_entry_bytes(entry);
	}
}

static void get_value(struct parser *parser, struct crdt_value *value, unsigned depth)
{
	if (value->kind == CRDT_GCOUNTER || value->kind == CRDT_PNCOUNTER ||
	    value->kind == CRDT_VOTE) {
		get_slots(parser, value);
	} else if (value->kind == CRDT_FLAG) {
		uint8_t is_on = get_byte(parser);

		if (is_on > 1)
			fail(parser, "a flag");
		value->is_on = is_on == 1;
	} else if (value->kind == CRDT_LWWREGISTER) {
		get_reg(parser, value);
	} else {
		if (value->kind != CRDT_GSET)
			get_context(parser, value);
		get_entries(parser, value, depth);
	}
}

/* A list with a replica that nothing below mentions is not of our making. */
static void check_sites(struct parser *parser, const struct crdt_value *value)
{
	if (!is_failed(parser) && value && crdt_format_replicas(value) != parser->sites.count)
		fail(parser, "a replica that did nothing");
}

enum status crdt_format_read(struct span bytes, struct crdt_value **ret_value, struct error *err)
{
	struct parser parser = {0};
	struct crdt_value *value = NULL;
	uint8_t kind;

	if (bytes.len > 2 * CRDT_BYTES_MAX)
		return error_set(err, ST_DATA_LOSS, "replicated state of %zu bytes", bytes.len);
	wire_reader_init(&parser.reader, bytes);
	if (get_byte(&parser) != FORMAT_VERSION)
		fail(&parser, "a version of the format that is not known");
	kind = get_byte(&parser);
	if (kind > CRDT_VOTE)
		fail(&parser, "a kind that is not known");
	if (kind && !is_failed(&parser)) {
		get_sites(&parser);
		value = crdt_value_new((enum crdt_kind)kind);
		get_value(&parser, value, 0);
		check_sites(&parser, value);
	}
	if (!is_failed(&parser) && !wire_at_end(&parser.reader))
		fail(&parser, "bytes after the end");
	for (size_t i = 0; i < parser.sites.count; i++)
		crdt_atom_unref(parser.sites.atoms[i]);
	mem_free(parser.sites.atoms);
	if (parser.problem) {
		crdt_value_unref(value);
		return error_set(err, ST_DATA_LOSS, "replicated state: %s", parser.problem);
	}
	*ret_value = value;
	return ST_OK;
}
