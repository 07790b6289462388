#include "tests/sim/sim_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/hash.h"
#include "src/base/mem.h"

enum type { TYPE_STRING, TYPE_HASH, TYPE_STREAM, TYPE_ZSET };

/* A run of bytes with its own memory. */
struct bytes {
	uint8_t *data;
	size_t len;
};

struct member {
	struct bytes name;
	struct bytes value; /* hash */
	double score;	    /* sorted set */
};

struct entry {
	uint64_t ms;
	uint64_t n;
	struct bytes *words; /* fields and values in turn */
	size_t count;
};

struct key {
	uint64_t hash;
	struct bytes name;
	enum type type;
	struct bytes text;
	struct member *members;
	struct entry *entries;
	size_t count;
	size_t cap;
	uint64_t last_ms; /* of a stream, even when it is empty */
	uint64_t last_n;
};

struct sim_store {
	struct key **keys;
	size_t count;
	size_t cap;
};

/* ---- memory ---------------------------------------------------------------------------------- */

static struct bytes bytes_of(struct span span)
{
	struct bytes bytes = {mem_zalloc(span.len + 1), span.len};

	if (span.len)
		memcpy(bytes.data, span.data, span.len);
	return bytes;
}

static struct span span_of(const struct bytes *bytes)
{
	return span_make(bytes->data, bytes->len);
}

static void bytes_free(struct bytes *bytes)
{
	mem_free(bytes->data);
	*bytes = (struct bytes){0};
}

static void entry_free(struct entry *entry)
{
	for (size_t i = 0; i < entry->count; i++)
		bytes_free(&entry->words[i]);
	mem_free(entry->words);
}

static void key_free(struct key *key)
{
	bytes_free(&key->name);
	bytes_free(&key->text);
	for (size_t i = 0; i < key->count; i++) {
		if (key->type == TYPE_STREAM) {
			entry_free(&key->entries[i]);
		} else {
			bytes_free(&key->members[i].name);
			bytes_free(&key->members[i].value);
		}
	}
	mem_free(key->members);
	mem_free(key->entries);
	mem_free(key);
}

struct sim_store *sim_store_new(void)
{
	return mem_new(struct sim_store);
}

void sim_store_free(struct sim_store *store)
{
	if (!store)
		return;
	for (size_t i = 0; i < store->count; i++)
		key_free(store->keys[i]);
	mem_free(store->keys);
	mem_free(store);
}

static size_t find_place(const struct sim_store *store, struct span name)
{
	uint64_t hash = hash_stable(name);
	size_t i = 0;

	while (i < store->count &&
	       (store->keys[i]->hash != hash || !span_eq(span_of(&store->keys[i]->name), name)))
		i++;
	return i;
}

static struct key *find(const struct sim_store *store, struct span name)
{
	size_t i = find_place(store, name);

	return i < store->count ? store->keys[i] : NULL;
}

static struct key *make(struct sim_store *store, struct span name, enum type type)
{
	struct key *key = find(store, name);

	if (key)
		return key;
	if (store->count == store->cap) {
		store->cap = store->cap ? 2 * store->cap : 64;
		store->keys = mem_resize_array(store->keys, store->cap, sizeof(struct key *));
	}
	key = mem_new(struct key);
	key->hash = hash_stable(name);
	key->name = bytes_of(name);
	key->type = type;
	store->keys[store->count++] = key;
	return key;
}

static void drop_key(struct sim_store *store, struct span name)
{
	size_t i = find_place(store, name);

	if (i == store->count)
		return;
	key_free(store->keys[i]);
	memmove(&store->keys[i], &store->keys[i + 1], (--store->count - i) * sizeof(struct key *));
}

static void grow(struct key *key)
{
	if (key->count < key->cap)
		return;
	key->cap = key->cap ? 2 * key->cap : 8;
	if (key->type == TYPE_STREAM)
		key->entries = mem_resize_array(key->entries, key->cap, sizeof(struct entry));
	else
		key->members = mem_resize_array(key->members, key->cap, sizeof(struct member));
}

static void add_entry(struct key *key, uint64_t ms, uint64_t n, const struct span *words,
		      size_t count)
{
	struct entry *entry;

	grow(key);
	entry = &key->entries[key->count++];
	*entry = (struct entry){ms, n, mem_new_array(struct bytes, count), count};
	for (size_t i = 0; i < count; i++)
		entry->words[i] = bytes_of(words[i]);
	key->last_ms = ms;
	key->last_n = n;
}

struct sim_store *sim_store_copy(const struct sim_store *store)
{
	struct sim_store *copy = sim_store_new();
	struct span words[64];

	for (size_t i = 0; i < store->count; i++) {
		const struct key *from = store->keys[i];
		struct key *to = make(copy, span_of(&from->name), from->type);

		if (from->text.data)
			to->text = bytes_of(span_of(&from->text));
		for (size_t j = 0; j < from->count; j++) {
			if (from->type == TYPE_STREAM) {
				const struct entry *entry = &from->entries[j];

				for (size_t k = 0; k < entry->count && k < 64; k++)
					words[k] = span_of(&entry->words[k]);
				add_entry(to, entry->ms, entry->n, words, entry->count);
				continue;
			}
			grow(to);
			to->members[to->count++] = (struct member){
				bytes_of(span_of(&from->members[j].name)),
				bytes_of(span_of(&from->members[j].value)),
				from->members[j].score,
			};
		}
		to->last_ms = from->last_ms;
		to->last_n = from->last_n;
	}
	return copy;
}

/* ---- replies --------------------------------------------------------------------------------- */

void sim_say(struct buf *out, char kind, uint64_t number)
{
	char text[24];
	size_t at = sizeof(text);

	text[--at] = '\n';
	text[--at] = '\r';
	do
		text[--at] = (char)('0' + number % 10);
	while ((number /= 10));
	text[--at] = kind;
	(void)buf_append(out, span_make(text + at, sizeof(text) - at));
}

static void say_bulk(struct buf *out, struct span bytes)
{
	sim_say(out, '$', bytes.len);
	(void)buf_append(out, bytes);
	(void)buf_append_str(out, "\r\n");
}

static void say_nil(struct buf *out)
{
	(void)buf_append_str(out, "$-1\r\n");
}

static void say_number(struct buf *out, int64_t number)
{
	sim_say(out, ':', (uint64_t)number); /* none is negative */
}

static void say_array(struct buf *out, size_t count)
{
	sim_say(out, '*', count);
}

static void say_id(struct buf *out, uint64_t ms, uint64_t n)
{
	char text[48];
	int len = snprintf(text, sizeof(text), "%" PRIu64 "-%" PRIu64, ms, n);

	say_bulk(out, span_make(text, (size_t)len));
}

/* ---- commands -------------------------------------------------------------------------------- */

struct call {
	struct sim_store *store;
	const struct span *words;
	size_t count;
	uint64_t now_ms;
	struct buf *out;
};

static double number_of(struct span word)
{
	char text[64] = "";

	if (span_eq_str(word, "-inf"))
		return -1e300;
	if (span_eq_str(word, "+inf"))
		return 1e300;
	memcpy(text, word.data, word.len < sizeof(text) - 1 ? word.len : sizeof(text) - 1);
	return strtod(text, NULL);
}

/* "ms-n", "ms", "-", "+"; a bare ms means its first or last. */
static void id_of(struct span word, bool is_last, uint64_t *ms, uint64_t *n)
{
	char text[64] = "";
	char *end;

	if (span_eq_str(word, "-")) {
		*ms = *n = 0;
		return;
	}
	if (span_eq_str(word, "+")) {
		*ms = *n = UINT64_MAX;
		return;
	}
	memcpy(text, word.data, word.len < sizeof(text) - 1 ? word.len : sizeof(text) - 1);
	*ms = strtoull(text, &end, 10);
	*n = *end == '-' ? strtoull(end + 1, NULL, 10) : is_last ? UINT64_MAX : 0;
}

static struct member *find_member(const struct key *key, struct span name)
{
	for (size_t i = 0; key && i < key->count; i++) {
		if (span_eq(span_of(&key->members[i].name), name))
			return &key->members[i];
	}
	return NULL;
}

static bool drop_member(struct key *key, struct span name)
{
	struct member *member = find_member(key, name);

	if (!member)
		return false;
	bytes_free(&member->name);
	bytes_free(&member->value);
	memmove(member, member + 1,
		(size_t)(&key->members[key->count] - (member + 1)) * sizeof(*member));
	key->count--;
	return true;
}

static void do_get(struct call *c)
{
	const struct key *key = find(c->store, c->words[1]);

	if (key)
		say_bulk(c->out, span_of(&key->text));
	else
		say_nil(c->out);
}

static void do_set(struct call *c)
{
	struct key *key = make(c->store, c->words[1], TYPE_STRING);

	bytes_free(&key->text);
	key->text = bytes_of(c->words[2]);
	(void)buf_append_str(c->out, "+OK\r\n");
}

static void say_field(struct call *c, const struct key *key, struct span name)
{
	const struct member *member = find_member(key, name);

	if (member)
		say_bulk(c->out, span_of(&member->value));
	else
		say_nil(c->out);
}

static void do_hget(struct call *c)
{
	say_field(c, find(c->store, c->words[1]), c->words[2]);
}

static void do_hmget(struct call *c)
{
	const struct key *key = find(c->store, c->words[1]);

	say_array(c->out, c->count - 2);
	for (size_t i = 2; i < c->count; i++)
		say_field(c, key, c->words[i]);
}

static bool hash_set(struct key *key, struct span name, struct span value)
{
	struct member *member = find_member(key, name);

	if (member) {
		bytes_free(&member->value);
		member->value = bytes_of(value);
		return false;
	}
	grow(key);
	key->members[key->count++] = (struct member){bytes_of(name), bytes_of(value), 0};
	return true;
}

static void do_hset(struct call *c)
{
	struct key *key = make(c->store, c->words[1], TYPE_HASH);
	int64_t added = 0;

	for (size_t i = 2; i + 1 < c->count; i += 2)
		added += hash_set(key, c->words[i], c->words[i + 1]);
	say_number(c->out, added);
}

static void do_hsetnx(struct call *c)
{
	struct key *key = make(c->store, c->words[1], TYPE_HASH);

	if (find_member(key, c->words[2])) {
		say_number(c->out, 0);
		return;
	}
	(void)hash_set(key, c->words[2], c->words[3]);
	say_number(c->out, 1);
}

static void do_drop_members(struct call *c)
{
	struct key *key = find(c->store, c->words[1]);
	int64_t gone = 0;

	for (size_t i = 2; key && i < c->count; i++)
		gone += drop_member(key, c->words[i]);
	if (key && key->count == 0)
		drop_key(c->store, c->words[1]);
	say_number(c->out, gone);
}

static void do_hexists(struct call *c)
{
	say_number(c->out, find_member(find(c->store, c->words[1]), c->words[2]) ? 1 : 0);
}

static void do_hkeys(struct call *c)
{
	const struct key *key = find(c->store, c->words[1]);

	say_array(c->out, key ? key->count : 0);
	for (size_t i = 0; key && i < key->count; i++)
		say_bulk(c->out, span_of(&key->members[i].name));
}

static void do_count(struct call *c)
{
	const struct key *key = find(c->store, c->words[1]);

	say_number(c->out, key ? (int64_t)key->count : 0);
}

static void trim_to(struct key *key, size_t keep)
{
	size_t gone = key->count > keep ? key->count - keep : 0;

	for (size_t i = 0; i < gone; i++)
		entry_free(&key->entries[i]);
	memmove(key->entries, key->entries + gone, (key->count - gone) * sizeof(struct entry));
	key->count -= gone;
}

static void do_xadd(struct call *c)
{
	struct key *key = make(c->store, c->words[1], TYPE_STREAM);
	size_t at = 2;
	size_t keep = SIZE_MAX;
	uint64_t ms;
	uint64_t n;

	if (span_eq_str(c->words[at], "MAXLEN")) {
		at++;
		if (span_eq_str(c->words[at], "~") || span_eq_str(c->words[at], "="))
			at++;
		keep = (size_t)number_of(c->words[at++]);
	}
	if (span_eq_str(c->words[at], "0-*")) {
		ms = 0;
		n = key->last_n + 1;
	} else {
		id_of(c->words[at], false, &ms, &n);
	}
	if (ms < key->last_ms || (ms == key->last_ms && n <= key->last_n)) {
		(void)buf_append_str(c->out, "-ERR The ID specified in XADD is equal or smaller "
					     "than the target stream top item\r\n");
		return;
	}
	add_entry(key, ms, n, c->words + at + 1, c->count - at - 1);
	if (keep != SIZE_MAX)
		trim_to(key, keep);
	say_id(c->out, ms, n);
}

static bool is_within(const struct entry *entry, const uint64_t from[2], const uint64_t to[2])
{
	return (entry->ms > from[0] || (entry->ms == from[0] && entry->n >= from[1])) &&
	       (entry->ms < to[0] || (entry->ms == to[0] && entry->n <= to[1]));
}

static void say_entry(struct buf *out, const struct entry *entry)
{
	say_array(out, 2);
	say_id(out, entry->ms, entry->n);
	say_array(out, entry->count);
	for (size_t i = 0; i < entry->count; i++)
		say_bulk(out, span_of(&entry->words[i]));
}

static void range(struct call *c, bool is_backwards)
{
	const struct key *key = find(c->store, c->words[1]);
	size_t limit = SIZE_MAX;
	size_t found = 0;
	uint64_t from[2];
	uint64_t to[2];

	id_of(c->words[is_backwards ? 3 : 2], false, &from[0], &from[1]);
	id_of(c->words[is_backwards ? 2 : 3], true, &to[0], &to[1]);
	if (c->count > 5)
		limit = (size_t)number_of(c->words[5]);
	for (size_t i = 0; key && i < key->count && found < limit; i++)
		found += is_within(&key->entries[i], from, to);
	say_array(c->out, found);
	for (size_t i = 0; key && found > 0 && i < key->count; i++) {
		const struct entry *entry = &key->entries[is_backwards ? key->count - 1 - i : i];

		if (!is_within(entry, from, to))
			continue;
		say_entry(c->out, entry);
		found--;
	}
}

static void do_xrange(struct call *c)
{
	range(c, false);
}

static void do_xrevrange(struct call *c)
{
	range(c, true);
}

static int compare_members(const void *a, const void *b)
{
	const struct member *one = a;
	const struct member *other = b;
	size_t len = one->name.len < other->name.len ? one->name.len : other->name.len;
	int order;

	if (one->score < other->score || one->score > other->score)
		return one->score < other->score ? -1 : 1;
	order = memcmp(one->name.data, other->name.data, len);
	if (order != 0)
		return order;
	return one->name.len < other->name.len ? -1 : one->name.len > other->name.len;
}

static void do_zadd(struct call *c)
{
	struct key *key = make(c->store, c->words[1], TYPE_ZSET);
	struct member *member = find_member(key, c->words[3]);

	say_number(c->out, member ? 0 : 1);
	if (!member) {
		grow(key);
		member = &key->members[key->count++];
		*member = (struct member){.name = bytes_of(c->words[3])};
	}
	member->score = number_of(c->words[2]);
	qsort(key->members, key->count, sizeof(struct member), compare_members);
}

/* All of it is the only range that is asked for. */
static void do_zrange(struct call *c)
{
	do_hkeys(c);
}

/* XTRIM key MINID id, MAXLEN n; with ~ or =. */
static void do_xtrim(struct call *c)
{
	struct key *key = find(c->store, c->words[1]);
	struct span last = c->words[c->count - 1];
	size_t before = key ? key->count : 0;
	size_t gone = 0;
	uint64_t ms;
	uint64_t n;

	if (key && span_eq_str(c->words[2], "MINID")) {
		id_of(last, false, &ms, &n);
		while (gone < key->count &&
		       (key->entries[gone].ms < ms ||
			(key->entries[gone].ms == ms && key->entries[gone].n < n)))
			gone++;
		trim_to(key, key->count - gone);
	} else if (key) {
		trim_to(key, (size_t)number_of(last));
	}
	say_number(c->out, key ? (int64_t)(before - key->count) : 0);
}

static void do_zremrangebyscore(struct call *c)
{
	struct key *key = find(c->store, c->words[1]);
	double from = number_of(c->words[2]);
	double to = number_of(c->words[3]);
	int64_t gone = 0;

	for (size_t i = 0; key && i < key->count;) {
		double score = key->members[i].score;

		if (score < from || score > to) {
			i++;
			continue;
		}
		bytes_free(&key->members[i].name);
		bytes_free(&key->members[i].value);
		memmove(&key->members[i], &key->members[i + 1],
			(--key->count - i) * sizeof(struct member));
		gone++;
	}
	say_number(c->out, gone);
}

static void do_unlink(struct call *c)
{
	for (size_t i = 1; i < c->count; i++)
		drop_key(c->store, c->words[i]);
	say_number(c->out, 1);
}

static void do_publish(struct call *c)
{
	say_number(c->out, 0);
}

static void do_time(struct call *c)
{
	char text[32];

	say_array(c->out, 2);
	(void)snprintf(text, sizeof(text), "%" PRIu64, c->now_ms / 1000);
	say_bulk(c->out, span_from_str(text));
	(void)snprintf(text, sizeof(text), "%" PRIu64, c->now_ms % 1000 * 1000);
	say_bulk(c->out, span_from_str(text));
}

static void do_ping(struct call *c)
{
	(void)buf_append_str(c->out, "+PONG\r\n");
}

static void do_config(struct call *c)
{
	static const char *const words[] = {"appendonly", "yes", "appendfsync", "always"};

	say_array(c->out, 4);
	for (size_t i = 0; i < 4; i++)
		say_bulk(c->out, span_from_str(words[i]));
}

/* Everything at once, which is what a cursor of 0 allows; only the journal's own keys are here. */
static void do_scan(struct call *c)
{
	say_array(c->out, 2);
	say_bulk(c->out, span_from_str("0"));
	say_array(c->out, c->store->count);
	for (size_t i = 0; i < c->store->count; i++)
		say_bulk(c->out, span_of(&c->store->keys[i]->name));
}

static const struct command {
	const char *name;
	size_t least;
	int type; /* of the key, -1: any */
	void (*run)(struct call *);
} commands[] = {
	{"HMGET", 3, TYPE_HASH, do_hmget},
	{"HSET", 4, TYPE_HASH, do_hset},
	{"XADD", 5, TYPE_STREAM, do_xadd},
	{"XLEN", 2, TYPE_STREAM, do_count},
	{"ZCARD", 2, TYPE_ZSET, do_count},
	{"ZADD", 4, TYPE_ZSET, do_zadd},
	{"XRANGE", 4, TYPE_STREAM, do_xrange},
	{"XREVRANGE", 4, TYPE_STREAM, do_xrevrange},
	{"XTRIM", 4, TYPE_STREAM, do_xtrim},
	{"TIME", 1, -1, do_time},
	{"ZRANGE", 4, TYPE_ZSET, do_zrange},
	{"ZREM", 3, TYPE_ZSET, do_drop_members},
	{"ZREMRANGEBYSCORE", 4, TYPE_ZSET, do_zremrangebyscore},
	{"GET", 2, TYPE_STRING, do_get},
	{"SET", 3, TYPE_STRING, do_set},
	{"HGET", 3, TYPE_HASH, do_hget},
	{"HDEL", 3, TYPE_HASH, do_drop_members},
	{"HEXISTS", 3, TYPE_HASH, do_hexists},
	{"HKEYS", 2, TYPE_HASH, do_hkeys},
	{"HSETNX", 4, TYPE_HASH, do_hsetnx},
	{"UNLINK", 2, -1, do_unlink},
	{"PUBLISH", 3, -1, do_publish},
	{"PING", 1, -1, do_ping},
	{"CONFIG", 3, -1, do_config},
	{"SCAN", 2, -1, do_scan},
};

void sim_store_call(struct sim_store *store, const struct span *words, size_t count,
		    uint64_t now_ms, struct buf *out)
{
	struct call call = {store, words, count, now_ms, out};

	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		const struct command *command = &commands[i];
		const struct key *key;

		if (!span_eq_str(words[0], command->name))
			continue;
		if (count < command->least)
			break;
		key = count > 1 && command->type >= 0 ? find(store, words[1]) : NULL;
		if (key && key->type != (enum type)command->type)
			(void)buf_append_str(out, "-WRONGTYPE Operation against a key holding the "
						  "wrong kind of value\r\n");
		else
			command->run(&call);
		return;
	}
	(void)buf_printf(out, "-ERR unknown command '%.*s'\r\n", (int)words[0].len,
			 (const char *)words[0].data);
}

/* ---- for the checker ------------------------------------------------------------------------- */

static struct span word_of(const struct entry *entry, const char *field)
{
	for (size_t i = 0; i + 1 < entry->count; i += 2) {
		if (span_eq_str(span_of(&entry->words[i]), field))
			return span_of(&entry->words[i + 1]);
	}
	return (struct span){0};
}

struct span sim_store_event(const struct sim_store *store, struct span name, uint64_t sequence,
			    const char *field)
{
	const struct key *key = find(store, name);

	for (size_t i = 0; key && i < key->count; i++) {
		if (key->entries[i].ms == sequence)
			return word_of(&key->entries[i], field);
	}
	return (struct span){0};
}

struct span sim_store_hash(const struct sim_store *store, struct span name, const char *field)
{
	const struct member *member = find_member(find(store, name), span_from_str(field));

	return member ? span_of(&member->value) : (struct span){0};
}

size_t sim_store_length(const struct sim_store *store, struct span name)
{
	const struct key *key = find(store, name);

	return key ? key->count : 0;
}

struct span sim_store_entry(const struct sim_store *store, struct span name, size_t i,
			    const char *field)
{
	const struct key *key = find(store, name);

	return key && i < key->count ? word_of(&key->entries[i], field) : (struct span){0};
}

uint64_t sim_store_place(const struct sim_store *store, struct span name, size_t i)
{
	const struct key *key = find(store, name);

	return key && i < key->count ? key->entries[i].n : 0;
}

struct span sim_store_key(const struct sim_store *store, size_t i)
{
	return i < store->count ? span_of(&store->keys[i]->name) : (struct span){0};
}
