#ifndef HEADGATE_JOURNAL_ADMIN_H
#define HEADGATE_JOURNAL_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "src/base/arena.h"
#include "src/base/span.h"
#include "src/base/status.h"

/* The journal as the tools of an operator see it: as it is stored, read in pages, and changed by
 * scripts that compare before they write. Every call goes through the journal's own requests and
 * runs the loop until the answer is there: for programs that do nothing else, never for a gateway.
 *
 * What is given back lies in the arena of the call. Errors are those of the journal; ST_NOT_FOUND,
 * ST_ABORTED (somebody else wrote meanwhile) and ST_FAILED_PRECONDITION are said where they occur.
 * Spec: docs/journal-format.md. */
struct admin;
struct error;
struct journal_head;
struct journal_key;

/* In the place of a partition: where the members' keys are. */
#define ADMIN_MEMBERS 0x10000U
/* Entries of one page of anything. */
#define ADMIN_PAGE ((size_t)256)
/* An arena that takes any page: the journal's largest reply and what it takes to point into it. */
#define ADMIN_ARENA_BYTES ((size_t)64 * 1024 * 1024)

/* A reply as it came. */
enum admin_kind { ADMIN_NONE, ADMIN_NUMBER, ADMIN_TEXT, ADMIN_LIST };
struct admin_value {
	enum admin_kind kind;
	int64_t number;
	struct span text;
	const struct admin_value *items;
	size_t count;
};

struct admin_field {
	struct span name;
	struct span value;
};

/* The hash of an entity, all of it, sorted by the names of the fields. */
struct admin_hash {
	struct admin_field *fields;
	size_t count; /* 0: there is none */
};
/* data is NULL when there is no such field. */
struct span admin_hash_get(const struct admin_hash *hash, const char *name);
/* A field that is a number; 0 when it is not there or none. */
uint64_t admin_hash_number(const struct admin_hash *hash, const char *name);
/* s and g; zero when they are not there or damaged. */
struct journal_head admin_hash_head(const struct admin_hash *hash);

/* An entry of a stream. */
struct admin_entry {
	struct span id;	    /* "<a>-<b>" */
	struct span *texts; /* names and values in turn */
	size_t count;	    /* of texts */
};

/* The sorts of keys, by the letter in their names. */
enum admin_sort {
	ADMIN_OTHER = 0, /* topics, dead letters: nothing the tools look into */
	ADMIN_HEAD = 'h',
	ADMIN_EVENTS = 'e',
	ADMIN_FEED = 'f',
	ADMIN_INDEX = 'i',
	ADMIN_ERASED = 'x', /* index of the erased */
	ADMIN_CRDT = 'c',
	ADMIN_DELTAS = 'd',
	ADMIN_OFFSETS = 'o',
};

struct admin_place {
	enum admin_sort sort;
	unsigned partition;
	struct span type;
	const struct span *id; /* NULL: of a sort that has none */
};
/* "hg1:<ns>:{p}:<sort>:<type>" or, with an id, "...<type>/<id>". Errors: names that are too long.
 */
MUST_CHECK enum status admin_key(struct admin *admin, const struct admin_place *place,
				 struct arena *arena, struct span *ret_key, struct error *err);

/* A key taken apart; is_ours is false for what has our prefix and no meaning. */
struct admin_name {
	struct span key;
	bool is_ours;
	enum admin_sort sort;
	unsigned partition;
	struct span type; /* of ADMIN_OFFSETS: the rest of the name */
	struct span id;	  /* empty where the sort has none */
};
void admin_name_parse(const struct admin *admin, struct span key, struct arena *arena,
		      struct admin_name *ret_name);

/* ---- reading --------------------------------------------------------------------------------- */
enum admin_script {
	ADMIN_SCRIPT_NONE,
	ADMIN_SCRIPT_IMPORT,
	ADMIN_SCRIPT_ERASE,
	ADMIN_SCRIPT_TRUNCATE,
	ADMIN_SCRIPT_REPAIR,
	ADMIN_SCRIPT_CRDT_DELETE
};

struct admin_command {
	unsigned partition; /* which of several servers is meant; or ADMIN_MEMBERS */
	enum admin_script script;
	const struct span *words; /* of a script: its keys, then its arguments */
	size_t count;
	size_t key_count; /* of a script */
};
MUST_CHECK enum status admin_ask(struct admin *admin, const struct admin_command *command,
				 struct arena *arena, const struct admin_value **ret_value,
				 struct error *err);

/* Every key of the namespace but the meta and the members', in no order, some perhaps twice. */
typedef enum status (*admin_name_fn)(void *data, const struct admin_name *name, struct error *err);
MUST_CHECK enum status admin_scan(struct admin *admin, admin_name_fn on_name, void *data,
				  struct error *err);

struct admin_index {
	enum admin_sort sort; /* ADMIN_INDEX or ADMIN_ERASED */
	unsigned partition;
	struct span type;
};
/* Ids of one index behind `after` (data NULL: from the beginning) that begin with prefix, sorted by
 * their bytes, at most max. */
struct admin_listing {
	const struct admin_index *index;
	struct span after;
	struct span prefix;
	size_t max;
};
struct admin_ids {
	const struct span *ids;
	size_t count;
};
MUST_CHECK enum status admin_index(struct admin *admin, const struct admin_listing *listing,
				   struct arena *arena, struct admin_ids *ret_ids,
				   struct error *err);
MUST_CHECK enum status admin_has_index(struct admin *admin, const struct admin_index *index,
				       struct span id, bool *ret_has, struct error *err);

/* sort: ADMIN_HEAD or ADMIN_CRDT. */
MUST_CHECK enum status admin_hash(struct admin *admin, enum admin_sort sort,
				  const struct journal_key *key, struct arena *arena,
				  struct admin_hash *ret_hash, struct error *err);

/* Entries first..last of events or deltas, at most ADMIN_PAGE; fewer when they are large. */
struct admin_stretch {
	enum admin_sort sort; /* ADMIN_EVENTS or ADMIN_DELTAS */
	const struct journal_key *key;
	uint64_t first;
	uint64_t last;
};
struct admin_entries {
	struct admin_entry *entries;
	size_t count;
};
MUST_CHECK enum status admin_entries(struct admin *admin, const struct admin_stretch *stretch,
				     struct arena *arena, struct admin_entries *ret_entries,
				     struct error *err);

/* Entries of a feed behind a position; with the position UINT64_MAX the last one only. */
struct admin_feed_from {
	unsigned partition;
	struct span type;
	uint64_t after;
};
MUST_CHECK enum status admin_feed(struct admin *admin, const struct admin_feed_from *from,
				  struct arena *arena, struct admin_entries *ret_entries,
				  struct error *err);
/* "0-<position>"; 0 for anything else. */
uint64_t admin_feed_position(const struct admin_entry *entry);
/* The value behind a name; data NULL when it is not there. */
struct span admin_entry_get(const struct admin_entry *entry, const char *name);

/* ---- writing --------------------------------------------------------------------------------- */
/* Appends stored entries as they are behind a head, and feed entries with them. With CRDTs there
 * are no tags, no feed and no index. ST_ABORTED: the head is another one. */
struct admin_import {
	bool is_crdt;
	const struct journal_key *key;
	const struct journal_head *expected;
	const struct admin_field *fields; /* of the hash, new or changed; with s, and g */
	size_t field_count;
	const struct admin_entry *entries;
	size_t entry_count;
	const struct admin_run {
		uint64_t last;
		uint64_t count;
	} * runs; /* feed entries */
	size_t run_count;
};
MUST_CHECK enum status admin_import(struct admin *admin, const struct admin_import *import,
				    struct error *err);

/* Removes state and events and leaves a tombstone. ST_ABORTED: the head is another one now;
 * ST_ALREADY_EXISTS: it is erased already. */
MUST_CHECK enum status admin_erase(struct admin *admin, const struct journal_key *key,
				   const struct journal_head *expected, struct span reason,
				   struct error *err);
/* The same for a CRDT; all gateways hear of it. */
MUST_CHECK enum status admin_erase_crdt(struct admin *admin, const struct journal_key *key,
					struct span reason, struct error *err);

/* Removes the events before a sequence. ST_FAILED_PRECONDITION: no snapshot covers them, or it is
 * no event sourced entity; ST_NOT_FOUND: there is none. */
MUST_CHECK enum status admin_truncate(struct admin *admin, const struct journal_key *key,
				      uint64_t before, uint64_t *ret_removed, struct error *err);

/* Puts the index right, as the head says, and adds these entries to the feed. */
MUST_CHECK enum status admin_repair(struct admin *admin, const struct journal_key *key,
				    const struct admin_run *runs, size_t run_count,
				    struct error *err);

/* ---- opening; for implementations: redis/redis_admin.h ----------------------------------------
 */
struct admin_ops {
	enum status (*ask)(struct admin *, const struct admin_command *, struct arena *,
			   const struct admin_value **, struct error *);
	void (*close)(struct admin *);
};

/* First member of every implementation. */
struct admin {
	const struct admin_ops *ops;
	const char *namespace_text; /* percent-encoded, as in keys; borrowed */
};

/* NULL is a no-op. The journal stays open. */
void admin_close(struct admin *admin);

#endif
