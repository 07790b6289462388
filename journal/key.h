#ifndef HEADGATE_JOURNAL_KEY_H
#define HEADGATE_JOURNAL_KEY_H

#include <stddef.h>
#include <stdint.h>

#include "src/base/span.h"
#include "src/base/status.h"

/* The names of an entity's keys in the journal. All keys of one partition carry the same {hash
 * tag}, so one script may touch them on a cluster too. Spec: docs/journal-format.md, "Keys". */
struct error;
struct journal_key;

/* Fixed when a journal is created and kept in its meta key; a power of two. */
#define KEY_PARTITIONS 64U
/* Version of the layout; another layout is another prefix. */
#define KEY_FORMAT_VERSION 1U
#define KEY_PREFIX "hg1:"
/* Percent-encoded lengths. A namespace is "<kubernetes namespace>.<name>": twice 63 and some. */
#define KEY_NAMESPACE_MAX ((size_t)255)
#define KEY_TYPE_MAX ((size_t)1024)
/* Longest key: prefix, namespace, ":{63}:h:", type, "/", id. */
#define KEY_TEXT_MAX ((size_t)2560)

/* Spans point into bytes_ and live as long as the struct stays in place. */
struct key_names {
	struct span head;   /* hash: sequence, tag, snapshot */
	struct span events; /* stream of the events */
	struct span feed;   /* stream of pointers, one per append, of this type and partition */
	struct span index;  /* sorted set of the entity ids of this type and partition */
	unsigned partition;
	uint8_t bytes_[4 * KEY_TEXT_MAX];
};

/* The same for a CRDT. */
struct key_crdt_names {
	struct span state;  /* hash: last position, merged state, tombstone */
	struct span deltas; /* stream */
	struct span name;   /* "<type>/<id>" within both */
	uint8_t bytes_[2 * KEY_TEXT_MAX];
};

/* Percent-encodes a namespace. Errors: ST_INVALID_ARGUMENT empty or too long. */
MUST_CHECK enum status key_namespace(const char *name, char *ret_text, size_t size,
				     struct error *err);

/* namespace_text is what key_namespace gave. Errors: ST_INVALID_ARGUMENT for an id or a type that
 * is too long, or an empty type; names is then undefined, but for its partition. */
MUST_CHECK enum status key_render(const char *namespace_text, const struct journal_key *key,
				  struct key_names *names, struct error *err);

MUST_CHECK enum status key_render_crdt(const char *namespace_text, const struct journal_key *key,
				       struct key_crdt_names *names, struct error *err);

/* Keys that belong to no entity: the feed f of a type, a topic t, the offsets o and the dead
 * letters dl of a consumer. */
struct key_part {
	unsigned partition;
	const char *kind;
	struct span name;
};

struct key_part_name {
	struct span key; /* in bytes_ */
	uint8_t bytes_[KEY_TEXT_MAX];
};

/* "hg1:<ns>:{p}:<kind>:<name>". Errors: ST_INVALID_ARGUMENT an empty name or one that is longer
 * than KEY_TYPE_MAX. */
MUST_CHECK enum status key_render_part(const char *namespace_text, const struct key_part *part,
				       struct key_part_name *name, struct error *err);

/* XXH64 (seed 0) of type NUL id, modulo KEY_PARTITIONS. */
unsigned key_partition(const struct journal_key *key);

#endif
