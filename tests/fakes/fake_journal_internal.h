#ifndef HEADGATE_TESTS_FAKES_FAKE_JOURNAL_INTERNAL_H
#define HEADGATE_TESTS_FAKES_FAKE_JOURNAL_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/journal.h"
#include "src/base/list.h"
#include "src/base/map.h"
#include "src/runtime/loop.h"
#include "tests/fakes/fake_journal.h"

/* What the files of the fake share. */

struct stored {
	struct list node;
	struct journal_id command;
	struct journal_id tag;
	char *url;
	char *value;
	size_t url_len;
	size_t value_len;
	/* what was kept for another time; NULL: nothing */
	struct journal_fingerprint fingerprint;
	char *key;
	char *reply;
	size_t key_len;
	size_t reply_len;
};

struct entity {
	struct map_node node;
	char *name; /* type NUL id */
	struct journal_head head;
	struct list events; /* struct stored, ascending from 1 */
	struct stored *snapshot;
	uint64_t snapshot_sequence;
	struct stored *state; /* of a value entity */
	struct list commands; /* struct stored without content: what wrote, oldest first */
	bool is_value;
	bool is_erased;
};

struct step {
	struct list node;
	struct fake_journal_step said;
};

struct fake_journal {
	struct journal base;
	struct loop *loop;
	struct loop_task task;
	struct map entities;
	struct list due;     /* requests with something to say */
	struct list waiting; /* loads between two journal_load_next */
	struct list held;
	struct list steps[FAKE_JOURNAL_CALLS_];
	size_t calls[FAKE_JOURNAL_CALLS_];
	size_t page;
	size_t events_loaded;
	size_t pending;
	const char *reason;
};

/* Makes it when is_made; else NULL when there is none. */
struct entity *fake_entity_find(const struct fake_journal *fake, const struct journal_key *key,
				bool is_made);
/* NULL: no such event. */
struct stored *fake_stored_at(const struct entity *entity, uint64_t sequence);
struct journal_any fake_stored_any(const struct stored *stored);

#endif
