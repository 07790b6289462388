#include "src/eventing/window.h"

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/mem.h"

/* Doublings of the wait; more would pass any maximum. */
#define DOUBLINGS_MAX 20U

static struct window_entry *entry_of(struct list *node)
{
	return list_entry(node, struct window_entry, node_);
}

void window_init(struct window *window, const struct feed_checkpoint *done)
{
	*window = (struct window){.done = *done};
	list_init(&window->entries_);
}

static void entry_free(struct window *window, struct window_entry *entry)
{
	list_remove(&entry->node_);
	window->count--;
	mem_free((void *)(uintptr_t)entry->entry.entity.data);
	mem_free(entry);
}

void window_fini(struct window *window)
{
	list_for_each_safe (node, &window->entries_)
		entry_free(window, entry_of(node));
	window->busy = 0;
}

bool window_has_room(const struct window *window)
{
	return window->count < WINDOW_ENTRIES_MAX;
}

static bool is_same_entity(const struct window_entry *a, const struct window_entry *b)
{
	return a->entity_hash_ == b->entity_hash_ && span_eq(a->entry.entity, b->entry.entity);
}

struct window_entry *window_push(struct window *window, const struct feed_entry *entry)
{
	struct window_entry *e = mem_new(struct window_entry);
	struct list *node = window->entries_.prev;

	BUG_ON(!window_has_room(window));
	e->entry = *entry;
	e->entry.entity = span_make(
		entry->entity.len ? mem_strndup(entry->entity.data, entry->entity.len) : NULL,
		entry->entity.len);
	e->sequence = entry->count ? entry->last - entry->count + 1 : 0;
	e->entity_hash_ = hash_seeded(entry->entity);
	for (; node != &window->entries_ && !e->before_; node = node->prev) {
		struct window_entry *earlier = entry_of(node);

		if (earlier->state != WINDOW_DONE && is_same_entity(earlier, e))
			e->before_ = earlier;
	}
	list_init(&e->node_);
	list_push_back(&window->entries_, &e->node_);
	window->count++;
	return e;
}

struct window_entry *window_take(struct window *window, uint64_t now_ns)
{
	list_for_each (node, &window->entries_) {
		struct window_entry *e = entry_of(node);

		if (e->state != WINDOW_WAITING || e->before_ || e->not_before_ns > now_ns)
			continue;
		e->state = WINDOW_BUSY;
		window->busy++;
		return e;
	}
	return NULL;
}

uint64_t window_wake_ns(const struct window *window, uint64_t now_ns)
{
	uint64_t wake_ns = DEADLINE_NEVER;

	list_for_each (node, &window->entries_) {
		const struct window_entry *e = entry_of(node);

		if (e->state == WINDOW_WAITING && !e->before_ && e->not_before_ns > now_ns &&
		    e->not_before_ns < wake_ns)
			wake_ns = e->not_before_ns;
	}
	return wake_ns;
}

static void leave_busy(struct window *window, struct window_entry *entry, enum window_state state)
{
	BUG_ON(entry->state != WINDOW_BUSY);
	window->busy--;
	entry->state = state;
}

/* The next of its entity, if any, waits for it alone. */
static void release_next(struct window *window, const struct window_entry *entry)
{
	list_for_each (node, &window->entries_) {
		struct window_entry *e = entry_of(node);

		if (e->before_ == entry)
			e->before_ = NULL;
	}
}

bool window_done(struct window *window, struct window_entry *entry)
{
	entry->attempts = 0;
	entry->is_to_be_buried = false;
	entry->not_before_ns = 0;
	if (entry->sequence < entry->entry.last && entry->entry.count) {
		entry->sequence++;
		leave_busy(window, entry, WINDOW_WAITING);
		return false;
	}
	leave_busy(window, entry, WINDOW_DONE);
	release_next(window, entry);
	while (!list_is_empty(&window->entries_) &&
	       entry_of(window->entries_.next)->state == WINDOW_DONE) {
		struct window_entry *first = entry_of(window->entries_.next);

		window->done = (struct feed_checkpoint){first->entry.position, first->entry.mark};
		entry_free(window, first);
	}
	return true;
}

static uint64_t backoff_ns(const struct window_policy *policy, unsigned attempts, uint64_t random)
{
	unsigned doublings = attempts - 1 < DOUBLINGS_MAX ? attempts - 1 : DOUBLINGS_MAX;
	uint64_t wait_ns = policy->backoff_min_ns << doublings;

	/* the minimum has at most an hour: 2^42 ns and 20 doublings fit */
	if (wait_ns > policy->backoff_max_ns)
		wait_ns = policy->backoff_max_ns;
	return wait_ns / 2 + random % (wait_ns / 2 + 1);
}

bool window_fail(struct window *window, struct window_entry *entry,
		 const struct window_policy *policy, bool is_final, uint64_t now_ns,
		 uint64_t random)
{
	entry->attempts++;
	if (is_final || (policy->attempts_max && entry->attempts >= policy->attempts_max)) {
		entry->is_to_be_buried = true;
		return false;
	}
	window_put_back(window, entry,
			clock_deadline(now_ns, backoff_ns(policy, entry->attempts, random)));
	return true;
}

void window_put_back(struct window *window, struct window_entry *entry, uint64_t not_before_ns)
{
	leave_busy(window, entry, WINDOW_WAITING);
	entry->not_before_ns = not_before_ns;
}
