/* Commands are put together and replies taken apart here; how they travel is the implementation's.
 * All the tools know of Redis stands in this file and in the scripts. */
#include "journal/admin.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "journal/journal.h"
#include "journal/key.h"
#include "journal/record.h"
#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/base/text.h"

/* By how much a page shrinks that was too large to be answered. */
#define PAGE_SHRINK 16
/* Keys per turn of SCAN. */
#define SCAN_COUNT "1000"
/* Arguments of one import: its entries have at most 16 names and values each. */
#define IMPORT_WORDS_MAX (JOURNAL_EVENTS_MAX * (RECORD_FIELDS_MAX + 4) + 4096)
/* A command of some words, and its reply. */
#define SMALL_ARENA_BYTES ((size_t)256 * 1024)
#define NUMBER_TEXT_MAX 32
/* "dl" */
#define SORT_LETTERS_MAX 2

void admin_close(struct admin *admin)
{
	if (admin)
		admin->ops->close(admin);
}

static enum status no_room(struct error *err)
{
	return error_set(err, ST_RESOURCE_EXHAUSTED, "an answer of the journal is too large");
}

static enum status bad_reply(struct error *err)
{
	return error_set(err, ST_INTERNAL, "redis answered something else");
}

/* ---- names ---------------------------------------------------------------------------------- */
enum status admin_key(struct admin *admin, const struct admin_place *place, struct arena *arena,
		      struct span *ret_key, struct error *err)
{
	struct buf text;

	buf_init(&text, KEY_TEXT_MAX);
	(void)buf_printf(&text, KEY_PREFIX "%s:{%u}:%c:", admin->namespace_text, place->partition,
			 (char)place->sort);
	(void)text_percent_encode(place->type, &text);
	if (place->id && buf_append_byte(&text, '/'))
		(void)text_percent_encode(*place->id, &text);
	if (text.is_full)
		(void)error_set(err, ST_INVALID_ARGUMENT, "a name is longer than %zu bytes",
				KEY_TEXT_MAX);
	else
		*ret_key = arena_span(arena, buf_span(&text));
	buf_fini(&text);
	if (text.is_full)
		return err->status;
	return arena->is_exhausted ? no_room(err) : ST_OK;
}

static bool decode(struct span text, struct arena *arena, struct span *ret_raw)
{
	struct buf raw;
	bool is_good;

	buf_init(&raw, KEY_TEXT_MAX);
	is_good = text_percent_decode(text, false, &raw);
	*ret_raw = buf_len(&raw) ? arena_span(arena, buf_span(&raw)) : SPAN_LIT("");
	buf_fini(&raw);
	return is_good && ret_raw->data;
}

static bool sort_has_id(enum admin_sort sort)
{
	return sort == ADMIN_HEAD || sort == ADMIN_EVENTS || sort == ADMIN_CRDT ||
	       sort == ADMIN_DELTAS;
}

void admin_name_parse(const struct admin *admin, struct span key, struct arena *arena,
		      struct admin_name *ret_name)
{
	struct span rest = span_skip(key, sizeof(KEY_PREFIX) + strlen(admin->namespace_text));
	size_t brace = span_find(rest, '}');
	struct admin_name name = {.key = key};
	uint64_t partition;
	size_t letters;

	*ret_name = name;
	if (!span_starts_with(rest, SPAN_LIT("{")) ||
	    !text_to_u64(span_head(span_skip(rest, 1), brace - 1), &partition) ||
	    partition >= KEY_PARTITIONS)
		return;
	rest = span_skip(rest, brace + 1);
	letters = span_find(span_skip(rest, 1), ':');
	if (!span_starts_with(rest, SPAN_LIT(":")) || letters == 0 || letters > SORT_LETTERS_MAX ||
	    rest.len < letters + 2)
		return;
	name.sort = letters == 1 ? (enum admin_sort)rest.data[1] : ADMIN_OTHER;
	name.partition = (unsigned)partition;
	rest = span_skip(rest, letters + 2);
	if (sort_has_id(name.sort)) {
		size_t slash = span_find(rest, '/');

		if (slash == rest.len || !decode(span_skip(rest, slash + 1), arena, &name.id))
			return;
		rest = span_head(rest, slash);
	}
	name.is_ours = decode(rest, arena, &name.type);
	*ret_name = name;
}

/* ---- asking --------------------------------------------------------------------------------- */
enum status admin_ask(struct admin *admin, const struct admin_command *command, struct arena *arena,
		      const struct admin_value **ret_value, struct error *err)
{
	return admin->ops->ask(admin, command, arena, ret_value, err);
}

struct scan {
	admin_name_fn on_name;
	void *data;
};

static enum status scan_page(struct admin *admin, const struct admin_value *page,
			     struct arena *arena, const struct scan *scan, struct error *err)
{
	const struct admin_value *keys = &page->items[1];
	struct span members = SPAN_LIT("{m}:");

	for (size_t i = 0; i < keys->count; i++) {
		struct admin_name name;
		struct span rest = span_skip(keys->items[i].text,
					     sizeof(KEY_PREFIX) + strlen(admin->namespace_text));
		enum status st;

		if (span_starts_with(rest, members) || span_eq_str(rest, "meta"))
			continue;
		admin_name_parse(admin, keys->items[i].text, arena, &name);
		st = scan->on_name(scan->data, &name, err);
		if (st != ST_OK)
			return st;
	}
	return ST_OK;
}

/* All keys of one server that fit a pattern. */
static enum status scan_server(struct admin *admin, unsigned partition, const char *pattern,
			       const struct scan *scan, struct error *err)
{
	const struct admin_value *page;
	char cursor[NUMBER_TEXT_MAX] = "0";
	struct arena arena;
	enum status st = ST_OK;

	arena_init(&arena, ADMIN_ARENA_BYTES);
	do {
		const struct span words[] = {SPAN_LIT("SCAN"),	span_from_str(cursor),
					     SPAN_LIT("MATCH"), span_from_str(pattern),
					     SPAN_LIT("COUNT"), SPAN_LIT(SCAN_COUNT)};
		const struct admin_command command = {
			.partition = partition, .words = words, .count = 6};

		arena_reset(&arena);
		st = admin_ask(admin, &command, &arena, &page, err);
		if (st == ST_OK && (page->count != 2 || page->items[0].text.len >= sizeof(cursor)))
			st = bad_reply(err);
		if (st != ST_OK)
			break;
		(void)snprintf(cursor, sizeof(cursor), "%.*s", SPAN_FMT(page->items[0].text));
		st = scan_page(admin, page, &arena, scan, err);
	} while (st == ST_OK && strcmp(cursor, "0") != 0);
	arena_fini(&arena);
	return st;
}

/* Where INFO is forbidden it may be one of many. */
static bool is_alone(struct admin *admin)
{
	static const char text[] = "cluster_enabled:0";
	const struct span words[] = {SPAN_LIT("INFO"), SPAN_LIT("cluster")};
	const struct admin_command command = {.words = words, .count = 2};
	const struct admin_value *value;
	struct arena arena;
	struct error ignored;
	bool is_it;

	arena_init(&arena, SMALL_ARENA_BYTES);
	is_it = admin_ask(admin, &command, &arena, &value, &ignored) == ST_OK && value->text.len &&
		memmem(value->text.data, value->text.len, text, sizeof(text) - 1);
	arena_fini(&arena);
	return is_it;
}

/* Of several servers each is asked for the keys of its partitions alone: once for each, so that
 * nothing needs to be known of who has what. */
enum status admin_scan(struct admin *admin, admin_name_fn on_name, void *data, struct error *err)
{
	const struct scan scan = {on_name, data};
	char pattern[KEY_TEXT_MAX];
	enum status st = ST_OK;

	(void)snprintf(pattern, sizeof(pattern), KEY_PREFIX "%s:*", admin->namespace_text);
	if (is_alone(admin))
		return scan_server(admin, 0, pattern, &scan, err);
	for (unsigned p = 0; st == ST_OK && p < KEY_PARTITIONS; p++) {
		(void)snprintf(pattern, sizeof(pattern), KEY_PREFIX "%s:{%u}:*",
			       admin->namespace_text, p);
		st = scan_server(admin, p, pattern, &scan, err);
	}
	return st;
}

/* ---- indexes -------------------------------------------------------------------------------- */
/* "[x" or "(x" */
static struct span limit_of(struct arena *arena, char mark, struct span text)
{
	uint8_t *bytes = arena_alloc(arena, text.len + 1);

	if (!bytes)
		return SPAN_LIT("-");
	bytes[0] = (uint8_t)mark;
	if (text.len)
		memcpy(bytes + 1, text.data, text.len);
	return span_make(bytes, text.len + 1);
}

/* The least text that is greater than all with this prefix. */
static struct span limit_behind(struct arena *arena, struct span prefix)
{
	struct span limit;

	while (prefix.len && prefix.data[prefix.len - 1] == UINT8_MAX)
		prefix.len--;
	if (!prefix.len)
		return SPAN_LIT("+");
	limit = limit_of(arena, '(', prefix);
	if (limit.len > 1)
		((uint8_t *)(uintptr_t)limit.data)[limit.len - 1]++;
	return limit;
}

enum status admin_index(struct admin *admin, const struct admin_listing *listing,
			struct arena *arena, struct admin_ids *ret_ids, struct error *err)
{
	const struct admin_index *index = listing->index;
	struct span prefix = listing->prefix;
	struct span after = listing->after;
	const struct admin_value *page;
	char digits[TEXT_U64_DIGITS];
	struct span from = limit_of(arena, '[', prefix);
	struct span words[] = {SPAN_LIT("ZRANGEBYLEX"), SPAN_EMPTY,    SPAN_LIT("-"), SPAN_EMPTY,
			       SPAN_LIT("LIMIT"),	SPAN_LIT("0"), SPAN_EMPTY};
	struct span *ids;
	enum status st = admin_key(
		admin, &(struct admin_place){index->sort, index->partition, index->type, NULL},
		arena, &words[1], err);

	if (after.data && span_cmp(after, prefix) >= 0)
		from = limit_of(arena, '(', after);
	words[2] = from;
	words[3] = limit_behind(arena, prefix);
	words[6] = text_from_u64(listing->max, digits);
	if (st == ST_OK)
		st = admin_ask(admin,
			       &(struct admin_command){
				       .partition = index->partition, .words = words, .count = 7},
			       arena, &page, err);
	if (st != ST_OK)
		return st;
	ids = arena_new_array(arena, struct span, page->count + 1);
	if (!ids)
		return no_room(err);
	for (size_t i = 0; i < page->count; i++)
		ids[i] = page->items[i].text;
	*ret_ids = (struct admin_ids){ids, page->count};
	return ST_OK;
}

enum status admin_has_index(struct admin *admin, const struct admin_index *index, struct span id,
			    bool *ret_has, struct error *err)
{
	const struct admin_value *score = NULL;
	struct span words[] = {SPAN_LIT("ZSCORE"), SPAN_EMPTY, id};
	struct arena arena;
	enum status st;

	arena_init(&arena, SMALL_ARENA_BYTES);
	st = admin_key(admin,
		       &(struct admin_place){index->sort, index->partition, index->type, NULL},
		       &arena, &words[1], err);
	if (st == ST_OK)
		st = admin_ask(admin,
			       &(struct admin_command){
				       .partition = index->partition, .words = words, .count = 3},
			       &arena, &score, err);
	if (st == ST_OK)
		*ret_has = score->kind == ADMIN_TEXT;
	arena_fini(&arena);
	return st;
}

/* ---- hashes --------------------------------------------------------------------------------- */
static int by_name(const void *a, const void *b)
{
	return span_cmp(((const struct admin_field *)a)->name,
			((const struct admin_field *)b)->name);
}

enum status admin_hash(struct admin *admin, enum admin_sort sort, const struct journal_key *key,
		       struct arena *arena, struct admin_hash *ret_hash, struct error *err)
{
	const struct admin_value *all;
	struct span words[] = {SPAN_LIT("HGETALL"), SPAN_EMPTY};
	unsigned partition = key_partition(key);
	struct admin_hash hash;
	enum status st =
		admin_key(admin, &(struct admin_place){sort, partition, key->type, &key->id}, arena,
			  &words[1], err);

	if (st == ST_OK)
		st = admin_ask(
			admin,
			&(struct admin_command){.partition = partition, .words = words, .count = 2},
			arena, &all, err);
	if (st != ST_OK)
		return st;
	hash.count = all->count / 2;
	hash.fields = arena_new_array(arena, struct admin_field, hash.count + 1);
	if (!hash.fields)
		return no_room(err);
	for (size_t i = 0; i < hash.count; i++)
		hash.fields[i] =
			(struct admin_field){all->items[2 * i].text, all->items[2 * i + 1].text};
	qsort(hash.fields, hash.count, sizeof(*hash.fields), by_name);
	*ret_hash = hash;
	return ST_OK;
}

struct span admin_hash_get(const struct admin_hash *hash, const char *name)
{
	for (size_t i = 0; i < hash->count; i++)
		if (span_eq_str(hash->fields[i].name, name))
			return hash->fields[i].value;
	return SPAN_EMPTY;
}

uint64_t admin_hash_number(const struct admin_hash *hash, const char *name)
{
	uint64_t value;

	return text_to_u64(admin_hash_get(hash, name), &value) ? value : 0;
}

struct journal_head admin_hash_head(const struct admin_hash *hash)
{
	struct journal_head head = {0};

	if (!record_read_sequence(admin_hash_get(hash, "s"), &head.sequence) ||
	    !record_read_id(admin_hash_get(hash, "g"), &head.tag))
		return (struct journal_head){0};
	return head;
}

/* ---- streams -------------------------------------------------------------------------------- */
static enum status take_entries(const struct admin_value *page, struct arena *arena,
				struct admin_entries *ret_entries, struct error *err)
{
	struct admin_entry *entries = arena_new_array(arena, struct admin_entry, page->count + 1);

	if (!entries)
		return no_room(err);
	for (size_t i = 0; i < page->count; i++) {
		const struct admin_value *entry = &page->items[i];
		struct span *texts;

		if (entry->count != 2 || entry->items[1].kind != ADMIN_LIST)
			return bad_reply(err);
		texts = arena_new_array(arena, struct span, entry->items[1].count + 1);
		if (!texts)
			return no_room(err);
		for (size_t j = 0; j < entry->items[1].count; j++)
			texts[j] = entry->items[1].items[j].text;
		entries[i] =
			(struct admin_entry){entry->items[0].text, texts, entry->items[1].count};
	}
	*ret_entries = (struct admin_entries){entries, page->count};
	return ST_OK;
}

enum status admin_entries(struct admin *admin, const struct admin_stretch *stretch,
			  struct arena *arena, struct admin_entries *ret_entries, struct error *err)
{
	const struct admin_value *page = NULL;
	char from[NUMBER_TEXT_MAX] = "";
	char to[NUMBER_TEXT_MAX] = "";
	char digits[TEXT_U64_DIGITS];
	struct span words[] = {SPAN_LIT("XRANGE"), SPAN_EMPTY,	      SPAN_EMPTY,
			       SPAN_EMPTY,	   SPAN_LIT("COUNT"), SPAN_EMPTY};
	unsigned partition = key_partition(stretch->key);
	enum status st = admin_key(admin,
				   &(struct admin_place){stretch->sort, partition,
							 stretch->key->type, &stretch->key->id},
				   arena, &words[1], err);

	(void)snprintf(from, sizeof(from), "%" PRIu64, stretch->first);
	(void)snprintf(to, sizeof(to), "%" PRIu64, stretch->last);
	words[2] = span_from_str(from);
	words[3] = span_from_str(to);
	if (st != ST_OK)
		return st;
	for (size_t count = ADMIN_PAGE;; count /= PAGE_SHRINK) {
		words[5] = text_from_u64(count, digits);
		st = admin_ask(
			admin,
			&(struct admin_command){.partition = partition, .words = words, .count = 6},
			arena, &page, err);
		if (st != ST_DATA_LOSS || count == 1)
			break;
	}
	return st == ST_OK ? take_entries(page, arena, ret_entries, err) : st;
}

enum status admin_feed(struct admin *admin, const struct admin_feed_from *from, struct arena *arena,
		       struct admin_entries *ret_entries, struct error *err)
{
	const struct admin_value *page = NULL;
	bool is_last = from->after == UINT64_MAX;
	char first[NUMBER_TEXT_MAX] = "";
	struct span words[] = {is_last ? SPAN_LIT("XREVRANGE") : SPAN_LIT("XRANGE"),
			       SPAN_EMPTY,
			       SPAN_LIT("+"),
			       is_last ? SPAN_LIT("-") : SPAN_LIT("+"),
			       SPAN_LIT("COUNT"),
			       is_last ? SPAN_LIT("1") : SPAN_LIT("256")};
	enum status st = admin_key(
		admin, &(struct admin_place){ADMIN_FEED, from->partition, from->type, NULL}, arena,
		&words[1], err);

	if (!is_last) {
		(void)snprintf(first, sizeof(first), "(0-%" PRIu64, from->after);
		words[2] = span_from_str(first);
	}
	if (st == ST_OK)
		st = admin_ask(admin,
			       &(struct admin_command){
				       .partition = from->partition, .words = words, .count = 6},
			       arena, &page, err);
	return st == ST_OK ? take_entries(page, arena, ret_entries, err) : st;
}

uint64_t admin_feed_position(const struct admin_entry *entry)
{
	uint64_t position;

	return span_starts_with(entry->id, SPAN_LIT("0-")) &&
			       text_to_u64(span_skip(entry->id, 2), &position)
		       ? position
		       : 0;
}

struct span admin_entry_get(const struct admin_entry *entry, const char *name)
{
	for (size_t i = 0; i + 1 < entry->count; i += 2)
		if (span_eq_str(entry->texts[i], name))
			return entry->texts[i + 1];
	return SPAN_EMPTY;
}

/* ---- writing -------------------------------------------------------------------------------- */
/* Words of a script's call; what does not fit is a bug of ours, the callers have limits. */
struct words {
	struct arena arena;
	struct span *items;
	size_t count;
	size_t key_count;
	size_t max;
};

static void words_init(struct words *words, size_t max)
{
	arena_init(&words->arena, ADMIN_ARENA_BYTES);
	words->items = arena_new_array(&words->arena, struct span, max);
	words->count = 0;
	words->key_count = 0;
	words->max = max;
}

static void add(struct words *words, struct span word)
{
	BUG_ON(words->count == words->max);
	words->items[words->count++] = word;
}

static void add_number(struct words *words, uint64_t number)
{
	char digits[TEXT_U64_DIGITS];

	add(words, arena_span(&words->arena, text_from_u64(number, digits)));
}

static void add_head(struct words *words, const struct journal_head *head)
{
	add_number(words, head->sequence);
	add(words, head->sequence ? arena_span(&words->arena,
					       span_make(head->tag.bytes, sizeof(head->tag.bytes)))
				  : SPAN_LIT(""));
}

/* The keys of an entity for a script. */
static enum status add_keys(struct admin *admin, struct words *words, const struct journal_key *key,
			    const char *sorts, struct error *err)
{
	for (; *sorts; sorts++) {
		enum admin_sort sort = (enum admin_sort) * sorts;
		struct span text;
		enum status st =
			admin_key(admin,
				  &(struct admin_place){sort, key_partition(key), key->type,
							sort_has_id(sort) ? &key->id : NULL},
				  &words->arena, &text, err);

		if (st != ST_OK)
			return st;
		add(words, text);
		words->key_count++;
	}
	return ST_OK;
}

/* What a script answered first, as a text. */
static enum status run(struct admin *admin, const struct journal_key *key, enum admin_script script,
		       struct words *words, const struct admin_value **ret_value, struct error *err)
{
	const struct admin_command command = {
		.partition = key_partition(key),
		.script = script,
		.words = words->items,
		.count = words->count,
		.key_count = words->key_count,
	};
	enum status st = admin_ask(admin, &command, &words->arena, ret_value, err);

	if (st == ST_OK && (*ret_value)->count == 0)
		return bad_reply(err);
	return st;
}

static bool answered(const struct admin_value *value, const char *word)
{
	return span_eq_str(value->items[0].text, word);
}

static enum status refused(const struct admin_value *value, struct error *err)
{
	if (answered(value, "OK"))
		return ST_OK;
	if (answered(value, "NONE"))
		return error_set(err, ST_NOT_FOUND, "there is no such entity");
	if (answered(value, "ERASED"))
		return error_set(err, ST_ALREADY_EXISTS, "the entity was erased");
	if (answered(value, "KIND"))
		return error_set(err, ST_FAILED_PRECONDITION,
				 "a value entity has no events to remove");
	if (answered(value, "SNAPSHOT") && value->count == 2)
		return error_set(err, ST_FAILED_PRECONDITION,
				 "no snapshot stands for these events: the newest is of %.*s",
				 SPAN_FMT(value->items[1].text));
	if (answered(value, "CONFLICT"))
		return error_set(err, ST_ABORTED, "the entity was changed meanwhile");
	return bad_reply(err);
}

static void add_import(struct words *words, const struct admin_import *import)
{
	add(words, import->key->id);
	add_head(words, import->expected);
	if (import->is_crdt)
		words->items[words->count - 1] = SPAN_LIT("");
	add_number(words, import->field_count);
	for (size_t i = 0; i < import->field_count; i++) {
		add(words, import->fields[i].name);
		add(words, import->fields[i].value);
	}
	add_number(words, import->entry_count);
	for (size_t i = 0; i < import->entry_count; i++) {
		const struct admin_entry *entry = &import->entries[i];

		add(words, span_head(entry->id, span_find(entry->id, '-')));
		add_number(words, entry->count);
		for (size_t j = 0; j < entry->count; j++)
			add(words, entry->texts[j]);
	}
	add_number(words, import->run_count);
	for (size_t i = 0; i < import->run_count; i++) {
		add_number(words, import->runs[i].last);
		add_number(words, import->runs[i].count);
	}
}

enum status admin_import(struct admin *admin, const struct admin_import *import, struct error *err)
{
	const struct admin_value *value;
	const char *sorts = import->is_crdt ? "cd" : "hefix";
	struct words words;
	enum status st;

	words_init(&words, IMPORT_WORDS_MAX);
	st = add_keys(admin, &words, import->key, sorts, err);
	if (st == ST_OK) {
		add_import(&words, import);
		st = run(admin, import->key, ADMIN_SCRIPT_IMPORT, &words, &value, err);
	}
	if (st == ST_OK)
		st = refused(value, err);
	arena_fini(&words.arena);
	return st;
}

enum status admin_erase(struct admin *admin, const struct journal_key *key,
			const struct journal_head *expected, struct span reason, struct error *err)
{
	const struct admin_value *value;
	struct words words;
	enum status st;

	words_init(&words, 16);
	st = add_keys(admin, &words, key, "hefix", err);
	if (st == ST_OK) {
		add(&words, key->id);
		add_head(&words, expected);
		add_number(&words, clock_wall_ms());
		add(&words, reason);
		st = run(admin, key, ADMIN_SCRIPT_ERASE, &words, &value, err);
	}
	if (st == ST_OK)
		st = refused(value, err);
	arena_fini(&words.arena);
	return st;
}

/* What tells the gateways that something is new. Spec: docs/journal-format.md, "News" */
static void add_news(struct words *words, const struct admin *admin, struct span state_key)
{
	struct span name = span_skip(state_key, span_find(state_key, '}') + sizeof("}:c:") - 1);
	char *channel = arena_alloc(&words->arena, KEY_TEXT_MAX);
	uint8_t *tail = arena_alloc(&words->arena, name.len + 1);

	BUG_ON(!channel || !tail);
	(void)snprintf(channel, KEY_TEXT_MAX, KEY_PREFIX "%s:crdt", admin->namespace_text);
	tail[0] = ' ';
	memcpy(tail + 1, name.data, name.len);
	add(words, span_from_str(channel));
	/* Of no gateway's incarnation, and nobody waits for an acknowledgement. */
	add(words, SPAN_LIT("n 0000000000000000 0 "));
	add(words, span_make(tail, name.len + 1));
}

static enum status note_reason(struct admin *admin, const struct journal_key *key,
			       struct span state_key, struct span reason, struct arena *arena,
			       struct error *err)
{
	const struct admin_value *value;
	const struct span words[] = {SPAN_LIT("HSET"), state_key, SPAN_LIT("xr"), reason};

	return admin_ask(admin,
			 &(struct admin_command){
				 .partition = key_partition(key), .words = words, .count = 4},
			 arena, &value, err);
}

enum status admin_erase_crdt(struct admin *admin, const struct journal_key *key, struct span reason,
			     struct error *err)
{
	const struct admin_value *value;
	struct words words;
	enum status st;

	words_init(&words, 16);
	st = add_keys(admin, &words, key, "cd", err);
	if (st == ST_OK) {
		add_number(&words, clock_wall_ms());
		add_news(&words, admin, words.items[0]);
		st = run(admin, key, ADMIN_SCRIPT_CRDT_DELETE, &words, &value, err);
	}
	if (st == ST_OK)
		st = refused(value, err);
	if (st == ST_OK)
		st = note_reason(admin, key, words.items[0], reason, &words.arena, err);
	arena_fini(&words.arena);
	return st;
}

enum status admin_truncate(struct admin *admin, const struct journal_key *key, uint64_t before,
			   uint64_t *ret_removed, struct error *err)
{
	const struct admin_value *value;
	struct words words;
	enum status st;

	words_init(&words, 8);
	st = add_keys(admin, &words, key, "he", err);
	if (st == ST_OK) {
		add_number(&words, before);
		st = run(admin, key, ADMIN_SCRIPT_TRUNCATE, &words, &value, err);
	}
	if (st == ST_OK)
		st = refused(value, err);
	if (st == ST_OK && value->count == 2)
		*ret_removed = (uint64_t)value->items[1].number;
	arena_fini(&words.arena);
	return st;
}

enum status admin_repair(struct admin *admin, const struct journal_key *key,
			 const struct admin_run *runs, size_t run_count, struct error *err)
{
	const struct admin_value *value;
	struct words words;
	enum status st;

	words_init(&words, 8 + 2 * run_count);
	st = add_keys(admin, &words, key, "hfix", err);
	if (st == ST_OK) {
		add(&words, key->id);
		add_number(&words, run_count);
		for (size_t i = 0; i < run_count; i++) {
			add_number(&words, runs[i].last);
			add_number(&words, runs[i].count);
		}
		st = run(admin, key, ADMIN_SCRIPT_REPAIR, &words, &value, err);
	}
	if (st == ST_OK)
		st = refused(value, err);
	arena_fini(&words.arena);
	return st;
}
