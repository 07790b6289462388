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

/* Each entry tells where its entity is then; its own place is one more than the last one's. */
static bool read_feed(struct history *h, unsigned entity, struct span feed, uint64_t length)
{
	const struct sim_store *store = sim_redis_store(h->redis);
	const char *name = history_entity_names[entity];
	uint64_t fed = 0;

	for (size_t i = 0; i < sim_store_length(store, feed); i++) {
		if (sim_store_place(store, feed, i) != i + 1)
			return breach(h, "%s: the feed has a gap at %zu", name, i + 1);
		if (!span_eq_str(sim_store_entry(store, feed, i, "e"), name))
			continue;
		fed += h->kind == SIM_VALUES ? 1 : number_of(sim_store_entry(store, feed, i, "n"));
		if (number_of(sim_store_entry(store, feed, i, "s")) != fed)
			return breach(h, "%s: the feed is not what was appended", name);
	}
	if (fed != length)
		return breach(h, "%s: %" PRIu64 " written, %" PRIu64 " in the feed", name, length,
			      fed);
	return true;
}

static bool read_story(struct history *h, unsigned entity, struct story *story)
{
	const struct sim_store *store = sim_redis_store(h->redis);
	const struct journal_key key = {SPAN_LIT("counter"),
					span_from_str(history_entity_names[entity])};
	struct key_names names;
	struct error err;

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
	if (sim_store_hash(store, names.head, "zs").len)
		history_happened(h, SIM_snapshots, 1);
	return read_feed(h, entity, names.feed, story->length);
}

/* Something that was acknowledged may have gone within that time. */
static bool is_apart(const struct history *h, uint64_t from_ns, uint64_t to_ns)
{
	for (unsigned i = 0; i < h->lost_count; i++) {
		if (h->lost_ns[i] >= from_ns && h->lost_ns[i] <= to_ns)
			return true;
	}
	return false;
}

static bool check_read(struct history *h, const struct story *story, const struct op *op)
{
	const char *name = history_entity_names[op->entity];

	if (op->state != OP_DONE || is_apart(h, op->start_ns, UINT64_MAX))
		return true;
	if (op->amount > story->length)
		return breach(h, "%s: op %u read %" PRIu64 " of %" PRIu64, name, op->id, op->amount,
			      story->length);
	if (op->amount > 0 && h->ops[story->op_at[op->amount] - 1].start_ns > op->end_ns)
		return breach(h, "%s: op %u read what had not begun", name, op->id);
	return true;
}

static bool check_op(struct history *h, const struct story *story, const struct op *op)
{
	const char *name = history_entity_names[op->entity];
	uint64_t place = story->place_of[op->id];

	if (op->is_read)
		return check_read(h, story, op);
	if (op->state == OP_DONE && !place && !is_apart(h, op->start_ns, UINT64_MAX))
		return breach(h, "%s: op %u was acknowledged and is lost", name, op->id);
	if (op->state == OP_DONE && place != op->amount && place)
		return breach(h, "%s: op %u was told %" PRIu64 " and is at %" PRIu64, name, op->id,
			      op->amount, place);
	return true;
}

/* one is gone, though what was built on it is there: what is lost must be the end. */
static bool check_suffix(struct history *h, const struct story *story, const struct op *one)
{
	if (one->state != OP_DONE || one->is_read || story->place_of[one->id])
		return true;
	for (unsigned i = 0; i < h->op_count; i++) {
		const struct op *other = &h->ops[i];

		if (other->entity != one->entity || other->is_read || other->state != OP_DONE ||
		    !story->place_of[other->id] || other->start_ns < one->end_ns ||
		    is_apart(h, one->start_ns, other->end_ns))
			continue;
		return breach(h, "%s: op %u is lost, and op %u after it is there",
			      history_entity_names[one->entity], one->id, other->id);
	}
	return true;
}

/* The number of writes is the state: each acknowledged one counts once, an unknown one at most. */
static bool check_value(struct history *h, unsigned entity)
{
	const struct sim_store *store = sim_redis_store(h->redis);
	const char *name = history_entity_names[entity];
	const struct journal_key key = {SPAN_LIT("counter"), span_from_str(name)};
	struct key_names names;
	struct error err;
	uint64_t length;
	uint64_t done = 0;
	uint64_t unknown = 0;

	BUG_ON(key_render("sim", &key, &names, &err) != ST_OK);
	length = number_of(sim_store_hash(store, names.head, "s"));
	if (!read_feed(h, entity, names.feed, length))
		return false;
	for (unsigned i = 0; i < h->op_count; i++) {
		const struct op *op = &h->ops[i];

		if (op->entity != entity || op->is_read)
			continue;
		if (op->state == OP_DONE)
			done++;
		else
			unknown++;
		if (op->state == OP_DONE && op->amount > length && h->lost_count == 0)
			return breach(h, "%s: op %u was told %" PRIu64 " of %" PRIu64, name, op->id,
				      op->amount, length);
	}
	if (length > done + unknown || (length < done && h->lost_count == 0))
		return breach(h, "%s: %" PRIu64 " writes of %" PRIu64 " and %" PRIu64 " unknown",
			      name, length, done, unknown);
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
			    one->entity != other->entity || one->end_ns >= other->start_ns ||
			    is_apart(h, one->start_ns, other->end_ns))
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
	for (unsigned entity = 0; entity < h->entity_count; entity++) {
		if (h->kind == SIM_VALUES) {
			if (!check_value(h, entity))
				return false;
			continue;
		}
		if (!read_story(h, entity, &story))
			return false;
		for (unsigned i = 0; i < h->op_count; i++) {
			if (h->ops[i].entity == entity && (!check_op(h, &story, &h->ops[i]) ||
							   !check_suffix(h, &story, &h->ops[i])))
				return false;
		}
	}
	return check_times(h);
}

void history_check(struct history *h)
{
	(void)check(h);
}
