#include "tests/replay/walk_entity.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void broken(struct world *w, const char *format, ...)
{
	va_list args;

	if (w->why[0])
		return;
	va_start(args, format);
	(void)vsnprintf(w->why, sizeof(w->why), format, args);
	va_end(args);
}

/* xorshift64*: seeded, the same everywhere. */
uint64_t draw(struct world *w, uint64_t below)
{
	w->random ^= w->random >> 12;
	w->random ^= w->random << 25;
	w->random ^= w->random >> 27;
	return ((w->random * UINT64_C(0x2545F4914F6CDD1D)) >> 33) % below;
}

void end_command(struct world *w, unsigned command)
{
	w->ends[command]++;
	PROMISE(w, w->ends[command] == 1 && !w->is_dropped[command]);
}

unsigned pop_queue(struct world *w)
{
	unsigned command = w->queue[0];

	PROMISE(w, w->queue_len > 0);
	if (w->queue_len == 0)
		return 0;
	w->queue_len--;
	for (size_t i = 0; i < w->queue_len; i++)
		w->queue[i] = w->queue[i + 1];
	return command;
}

unsigned name_of(const struct world *w, unsigned command)
{
	return w->key_of[command] ? w->key_of[command] : KEYS + command;
}

uint32_t log_tag(const struct world *w)
{
	return w->tag_at[w->log_len];
}

uint32_t tag_of(const struct journal_id *id)
{
	uint32_t tag;

	memcpy(&tag, id->bytes, sizeof(tag));
	return tag;
}

void set_tag(struct journal_id *id, uint32_t tag)
{
	memcpy(id->bytes, &tag, sizeof(tag));
}

bool is_under_way(const struct world *w, unsigned name)
{
	for (size_t i = 0; i < w->flight_count; i++) {
		if (name_of(w, w->flights[i].command) == name)
			return true;
	}
	return w->current >= 0 && name_of(w, (unsigned)w->current) == name;
}

/* What the shell says of the head of the queue. */
enum entity_next next_of(const struct world *w)
{
	unsigned first = w->queue_len > 0 ? w->queue[0] : 0;
	unsigned name = name_of(w, first);

	if (w->queue_len == 0)
		return ENTITY_NEXT_SEND;
	if (w->key_of[first] || w->is_resent[first]) {
		if (!w->has_window)
			return ENTITY_NEXT_SEARCH;
		if (w->known[name] > 0)
			return ENTITY_NEXT_RECALL;
	}
	return is_under_way(w, name) ? ENTITY_NEXT_WAIT : ENTITY_NEXT_SEND;
}

/* The journal took in count events of a command. Never twice: that is the point. Name 0 is of
 * somebody nobody here knows. */
void log_events(struct world *w, unsigned name, uint64_t count, uint32_t attempt)
{
	if (name > 0) {
		PROMISE(w, w->first_at[name] == 0);
		w->first_at[name] = w->log_len + 1;
		w->last_at[name] = w->log_len + count;
	}
	for (; count > 0 && w->log_len + 1 < LOG_MAX; count--)
		w->tag_at[++w->log_len] = attempt;
}
