#include "journal/key.h"

#include <stdbool.h>
#include <string.h>

#include "journal/journal.h"
#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/text.h"

/* How much of a refused id an error shows. */
#define ID_SHOWN 64

/* Writes into the fixed array of a key_names; is_full is sticky. */
struct writer {
	uint8_t *at;
	uint8_t *end;
	bool is_full;
};

static void put(struct writer *w, uint8_t byte)
{
	if (w->at == w->end)
		w->is_full = true;
	else
		*w->at++ = byte;
}

/* What needs no escape; a table, for this is asked for every byte of every command's key. */
static const bool is_plain[256] = {
	['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['0' ... '9'] = true, ['.'] = true,
	['_'] = true,	      ['~'] = true,	    ['-'] = true,
};

/* So neither braces nor slashes, colons, NUL or glob characters ever get into a name. */
static void put_encoded(struct writer *w, struct span bytes)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < bytes.len; i++) {
		uint8_t c = bytes.data[i];

		if (is_plain[c]) {
			put(w, c);
			continue;
		}
		put(w, '%');
		put(w, (uint8_t)digits[c >> 4]);
		put(w, (uint8_t)digits[c & 15]);
	}
}

static size_t encoded_len(struct span bytes)
{
	size_t len = bytes.len;

	for (size_t i = 0; i < bytes.len; i++)
		len += is_plain[bytes.data[i]] ? 0 : 2;
	return len;
}

unsigned key_partition(const struct journal_key *key)
{
	return (unsigned)(hash_stable_pair(key->type, key->id) % KEY_PARTITIONS);
}

enum status key_namespace(const char *name, char *ret_text, size_t size, struct error *err)
{
	struct span raw = span_from_str(name);
	struct writer w = {(uint8_t *)ret_text, (uint8_t *)ret_text + size, false};

	if (raw.len == 0)
		return error_set(err, ST_INVALID_ARGUMENT, "the journal's namespace is empty");
	if (encoded_len(raw) > KEY_NAMESPACE_MAX || encoded_len(raw) >= size)
		return error_set(err, ST_INVALID_ARGUMENT,
				 "the journal's namespace is longer than %zu bytes",
				 KEY_NAMESPACE_MAX);
	put_encoded(&w, raw);
	put(&w, 0);
	return ST_OK;
}

static void put_span(struct writer *w, struct span bytes)
{
	if ((size_t)(w->end - w->at) < bytes.len)
		w->is_full = true;
	else
		w->at = mempcpy(w->at, bytes.data, bytes.len);
}

/* The first len bytes of the head's name, with another letter for the kind. */
static struct span render_like(struct writer *w, struct span head, size_t len, size_t kind_at,
			       char kind)
{
	uint8_t *start = w->at;

	put_span(w, span_head(head, len));
	BUG_ON(w->is_full); /* there is room for four of the longest */
	start[kind_at] = (uint8_t)kind;
	return span_make(start, len);
}

/* All names are "hg1:<ns>:{p}:<kind>:<type>", and "/<id>" when there is one. Writes one of kind
 * 'h'; where its kind stands and how long it is without the id. */
static struct span render_first(struct writer *w, const char *namespace_text,
				const struct journal_key *key, size_t *ret_kind_at,
				size_t *ret_type_len)
{
	uint8_t *start = w->at;
	char digits[TEXT_U64_DIGITS];

	put_span(w, SPAN_LIT(KEY_PREFIX));
	put_span(w, span_from_str(namespace_text));
	put_span(w, SPAN_LIT(":{"));
	put_span(w, text_from_u64(key_partition(key), digits));
	put_span(w, SPAN_LIT("}:"));
	*ret_kind_at = (size_t)(w->at - start);
	put_span(w, SPAN_LIT("h:"));
	put_encoded(w, key->type);
	*ret_type_len = (size_t)(w->at - start);
	put(w, '/');
	put_encoded(w, key->id);
	return span_make(start, (size_t)(w->at - start));
}

static enum status check(const struct journal_key *key, struct error *err)
{
	if (key->type.len == 0 || encoded_len(key->type) > KEY_TYPE_MAX)
		return error_set(err, ST_INVALID_ARGUMENT,
				 "the persistence id is empty or longer than %zu bytes",
				 KEY_TYPE_MAX);
	if (encoded_len(key->id) > JOURNAL_ID_MAX)
		return error_set(err, ST_INVALID_ARGUMENT,
				 "entity id \"%.*s...\" is longer than %zu bytes "
				 "(percent-encoded)",
				 SPAN_FMT(span_head(key->id, ID_SHOWN)), JOURNAL_ID_MAX);
	return ST_OK;
}

enum status key_render(const char *namespace_text, const struct journal_key *key,
		       struct key_names *names, struct error *err)
{
	struct writer w = {names->bytes_, names->bytes_ + sizeof(names->bytes_), false};
	size_t kind_at;
	size_t type_len;

	names->partition = key_partition(key);
	if (check(key, err) != ST_OK)
		return err->status;
	names->head = render_first(&w, namespace_text, key, &kind_at, &type_len);
	names->events = render_like(&w, names->head, names->head.len, kind_at, 'e');
	names->feed = render_like(&w, names->head, type_len, kind_at, 'f');
	names->index = render_like(&w, names->head, type_len, kind_at, 'i');
	return ST_OK;
}

enum status key_render_crdt(const char *namespace_text, const struct journal_key *key,
			    struct key_crdt_names *names, struct error *err)
{
	struct writer w = {names->bytes_, names->bytes_ + sizeof(names->bytes_), false};
	size_t kind_at;
	size_t type_len;

	if (check(key, err) != ST_OK)
		return err->status;
	names->state = render_first(&w, namespace_text, key, &kind_at, &type_len);
	names->bytes_[kind_at] = 'c';
	names->deltas = render_like(&w, names->state, names->state.len, kind_at, 'd');
	names->name = span_skip(names->state, kind_at + 2);
	return ST_OK;
}

enum status key_render_part(const char *namespace_text, const struct key_part *part,
			    struct key_part_name *name, struct error *err)
{
	struct writer w = {name->bytes_, name->bytes_ + sizeof(name->bytes_), false};
	char digits[TEXT_U64_DIGITS];

	if (part->name.len == 0 || encoded_len(part->name) > KEY_TYPE_MAX)
		return error_set(err, ST_INVALID_ARGUMENT,
				 "a name is empty or longer than %zu bytes (percent-encoded)",
				 KEY_TYPE_MAX);
	put_span(&w, SPAN_LIT(KEY_PREFIX));
	put_span(&w, span_from_str(namespace_text));
	put_span(&w, SPAN_LIT(":{"));
	put_span(&w, text_from_u64(part->partition, digits));
	put_span(&w, SPAN_LIT("}:"));
	put_span(&w, span_from_str(part->kind));
	put(&w, ':');
	put_encoded(&w, part->name);
	BUG_ON(w.is_full); /* it is shorter than that of an entity */
	name->key = span_make(name->bytes_, (size_t)(w.at - name->bytes_));
	return ST_OK;
}
