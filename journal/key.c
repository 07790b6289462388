#include "journal/key.h"

#include <stdbool.h>
#include <stdio.h>

#include "journal/journal.h"
#include "src/base/error.h"
#include "src/base/hash.h"

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

static void put_text(struct writer *w, const char *text)
{
	for (; *text; text++)
		put(w, (uint8_t)*text);
}

static bool is_plain(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '~' || c == '-';
}

/* So neither braces nor slashes, colons, NUL or glob characters ever get into a name. */
static void put_encoded(struct writer *w, struct span bytes)
{
	static const char digits[] = "0123456789ABCDEF";

	for (size_t i = 0; i < bytes.len; i++) {
		uint8_t c = bytes.data[i];

		if (is_plain(c)) {
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
		len += is_plain(bytes.data[i]) ? 0 : 2;
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

/* "hg1:<ns>:{p}:<kind>:<type>", and "/<id>" when there is one. */
static struct span render(struct writer *w, const char *base, char kind, struct span type,
			  const struct span *id)
{
	uint8_t *start = w->at;

	put_text(w, base);
	put(w, (uint8_t)kind);
	put(w, ':');
	put_encoded(w, type);
	if (id) {
		put(w, '/');
		put_encoded(w, *id);
	}
	return span_make(start, (size_t)(w->at - start));
}

enum status key_render(const char *namespace_text, const struct journal_key *key,
		       struct key_names *names, struct error *err)
{
	struct writer w = {names->bytes_, names->bytes_ + sizeof(names->bytes_), false};
	char base[sizeof(KEY_PREFIX) + KEY_NAMESPACE_MAX + 16];

	if (key->type.len == 0 || encoded_len(key->type) > KEY_TYPE_MAX)
		return error_set(err, ST_INVALID_ARGUMENT,
				 "the persistence id is empty or longer than %zu bytes",
				 KEY_TYPE_MAX);
	if (encoded_len(key->id) > JOURNAL_ID_MAX)
		return error_set(err, ST_INVALID_ARGUMENT,
				 "entity id \"%.*s...\" is longer than %zu bytes "
				 "(percent-encoded)",
				 SPAN_FMT(span_head(key->id, ID_SHOWN)), JOURNAL_ID_MAX);
	names->partition = key_partition(key);
	(void)snprintf(base, sizeof(base), KEY_PREFIX "%s:{%u}:", namespace_text, names->partition);
	names->head = render(&w, base, 'h', key->type, &key->id);
	names->events = render(&w, base, 'e', key->type, &key->id);
	names->feed = render(&w, base, 'f', key->type, NULL);
	names->index = render(&w, base, 'i', key->type, NULL);
	BUG_ON(w.is_full);
	return ST_OK;
}
