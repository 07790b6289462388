#ifndef HEADGATE_SRC_ENTITY_ENTITY_WINDOW_H
#define HEADGATE_SRC_ENTITY_ENTITY_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/journal.h"

/* The commands behind the last events of an entity (or writes, of a value entity): a function of
 * its history, read once from the journal and extended by every append of our own. Pure.
 *
 * Searched from the newest on, one after the other: 1,000 ids lie in 40 KB and take a microsecond,
 * which only commands with a key pay. */
struct entity_window {
	struct journal_executed *entries_;
	size_t first_;
	size_t end_;
	size_t capacity_;
	uint64_t size_;
	bool is_read; /* read only */
};

/* All zero is a window that was not read. Releases what it knows. */
void entity_window_reset(struct entity_window *window);

/* Nothing is known yet of the last size events: an entity without any, or just before they are
 * added. */
void entity_window_begin(struct entity_window *window, uint64_t size);

/* Ascending. Forgets what lies size events behind it. */
void entity_window_add(struct entity_window *window, const struct journal_executed *executed);

/* NULL: not within the window. Borrowed until the window changes. */
const struct journal_executed *entity_window_find(const struct entity_window *window,
						  const struct journal_id *command);

#endif
