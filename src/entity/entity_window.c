#include "src/entity/entity_window.h"

#include <string.h>

#include "src/base/mem.h"

#define ENTRIES_MIN ((size_t)16)

void entity_window_reset(struct entity_window *window)
{
	mem_free(window->entries_);
	*window = (struct entity_window){0};
}

void entity_window_begin(struct entity_window *window, uint64_t size)
{
	entity_window_reset(window);
	window->size_ = size;
	window->is_read = true;
}

/* Moves what is kept to the front, into more room if more than half of it is taken: so every entry
 * is moved a bounded number of times. */
static void make_room(struct entity_window *window)
{
	size_t count = window->end_ - window->first_;
	struct journal_executed *from = window->entries_ ? window->entries_ + window->first_ : NULL;
	struct journal_executed *to = window->entries_;

	if (2 * count >= window->capacity_) {
		window->capacity_ = window->capacity_ ? 2 * window->capacity_ : ENTRIES_MIN;
		to = mem_new_array(struct journal_executed, window->capacity_);
	}
	if (count)
		memmove(to, from, count * sizeof(*to));
	if (to != window->entries_)
		mem_free(window->entries_);
	window->entries_ = to;
	window->first_ = 0;
	window->end_ = count;
}

void entity_window_add(struct entity_window *window, const struct journal_executed *executed)
{
	if (window->end_ == window->capacity_)
		make_room(window);
	window->entries_[window->end_++] = *executed;
	while (window->entries_[window->first_].sequence + window->size_ <= executed->sequence)
		window->first_++;
}

const struct journal_executed *entity_window_find(const struct entity_window *window,
						  const struct journal_id *command)
{
	for (size_t i = window->end_; i > window->first_; i--) {
		const struct journal_executed *it = &window->entries_[i - 1];

		if (memcmp(&it->command, command, sizeof(*command)) == 0)
			return it;
	}
	return NULL;
}
