#include "tests/sim/sim_history_internal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "journal/journal.h"
#include "journal/key.h"
#include "proto/wire.h"
#include "src/base/error.h"
#include "tests/sim/sim_redis.h"
#include "tests/sim/sim_store.h"

/* ---- the rules ------------------------------------------------------------------------------- */

static bool breach(struct history *h, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static bool breach(struct history *h, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(h->result->breach, sizeof(h->result->breach), format, args);
	va_end(args);
	h->result->is_good = false;
	return false;
}

static uint64_t number_of(struct span text)
{
	char number[32] = "";

	if (text.len == 0)
		return 0; /* not there */
	memcpy(number, text.data, text.len < sizeof(number) - 1 ? text.len : sizeof(number) - 1);
	return strtoull(number, NULL, 10);
}

/* What the journal holds of one entity. */
struct story {
	uint64_t length;
	uint32_t op_at[OPS_MAX + 1];	/* by position, from 1 */
	uint64_t place_of[OPS_MAX + 1]; /* by op, 0: nowhere */
};

static bool read_story(struct history *h, unsigned entity, struct story *story)
{
	const struct sim_store *store = sim_redis_store(h->redis);
	const struct journal_key key = {SPAN_LIT("counter"),
					span_from_str(history_entity_names[entity])};
	struct key_names names;
	struct error err;
	uint64_t fed = 0;

	*story = (struct story){0};
	BUG_ON(key_render("sim", &key, &names, &err) != ST_OK);
	story->length = number_of(sim_store_hash(store, names.head, "s"));
	if (sim_store_length(store, names.events) != story->length)
		return breach(h, "%s: the head says %" PRIu64 ", there are %zu events",
			      history_entity_names[entity], story->length,
			      sim_store_length(store, names.events));
	for (uint64_t at = 1; at <= story->length; at++) {
		struct span payload = sim_store_event(store, names.events, at, "p");
		struct wire_field field;
		uint64_t id;

		if (!payload.data || !wire_find_last(payload, 2, WIRE_VARINT, &field))
			return breach(h, "%s: no event %" PRIu64, history_entity_names[entity], at);
		id = field.integer;
		if (id == 0 || id > h->op_count || at > OPS_MAX)
			return breach(h, "%s: event %" PRIu64 " is of nobody",
				      history_entity_names[entity], at);
		if (story->place_of[id])
			return breach(h, "%s: op %" PRIu64 " twice, at %" PRIu64 " and %" PRIu64,
				      history_entity_names[entity], id, story->place_of[id], at);
		story->op_at[at] = (uint32_t)id;
		story->place_of[id] = at;
	}
	for (size_t i = 0; i < sim_store_length(store, names.feed); i++) {
		if (!span_eq_str(sim_store_entry(store, names.feed, i, "e"),
				 history_entity_names[entity]))
			continue;
		fed += number_of(sim_store_entry(store, names.feed, i, "n"));
		if (number_of(sim_store_entry(store, names.feed, i, "s")) != fed)
			return breach(h, "%s: the feed is not what was appended",
				      history_entity_names[entity]);
	}
	if (fed != story->length)
		return breach(h, "%s: %" PRIu64 " events, %" PRIu64 " in the feed",
			      history_entity_names[entity], story->length, fed);
	return true;
}

static bool check_op(struct history *h, const struct story *story, const struct op *op)
{
	const char *name = history_entity_names[op->entity];
	uint64_t place = story->place_of[op->id];

	if (op->is_read && op->state == OP_DONE) {
		if (op->amount > story->length)
			return breach(h, "%s: op %u read %" PRIu64 " of %" PRIu64, name, op->id,
				      op->amount, story->length);
		if (op->amount > 0 && h->ops[story->op_at[op->amount] - 1].start_ns > op->end_ns)
			return breach(h, "%s: op %u read what had not begun", name, op->id);
		return true;
	}
	if (op->is_read)
		return true;
	if (op->state == OP_DONE && !place)
		return breach(h, "%s: op %u was acknowledged and is lost", name, op->id);
	if (op->state == OP_DONE && place != op->amount)
		return breach(h, "%s: op %u was told %" PRIu64 " and is at %" PRIu64, name, op->id,
			      op->amount, place);
	return true;
}

/* one ended before other began. */
static bool check_order(struct history *h, const struct op *one, const struct op *other)
{
	if (one->amount <= other->amount && (other->is_read || one->amount < other->amount))
		return true;
	return breach(h, "%s: op %u was told %" PRIu64 ", and later op %u %" PRIu64,
		      history_entity_names[one->entity], one->id, one->amount, other->id,
		      other->amount);
}

static bool check_times(struct history *h)
{
	for (unsigned i = 0; i < h->op_count; i++) {
		for (unsigned j = 0; j < h->op_count; j++) {
			const struct op *one = &h->ops[i];
			const struct op *other = &h->ops[j];

			if (one->state != OP_DONE || other->state != OP_DONE ||
			    one->entity != other->entity || one->end_ns >= other->start_ns)
				continue;
			if (!check_order(h, one, other))
				return false;
		}
	}
	return true;
}

static bool check(struct history *h)
{
	struct story story;

	for (unsigned i = 0; i < h->op_count; i++) {
		if (h->ops[i].state == OP_RUNNING)
			return breach(h, "op %u has no answer", h->ops[i].id);
	}
	if (h->is_out_of_order)
		return breach(h, "a function was told something out of order");
	if (h->kind == SIM_VALUES)
		return check_times(h);
	for (unsigned entity = 0; entity < h->entity_count; entity++) {
		if (!read_story(h, entity, &story))
			return false;
		for (unsigned i = 0; i < h->op_count && !h->is_lossy; i++) {
			if (h->ops[i].entity == entity && !check_op(h, &story, &h->ops[i]))
				return false;
		}
	}
	return h->is_lossy || check_times(h);
}

void history_check(struct history *h)
{
	(void)check(h);
}
