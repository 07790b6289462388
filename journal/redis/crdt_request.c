/* Requests of the log of CRDTs. One that wants all members:
 *
 *   sent --OK--> durable --newest view--> awaited: the members UP in it --each acknowledges or is
 *                                                                     gone--> done
 *
 * The view is asked for after the delta is durable: who becomes a member later reads it anyhow, and
 * no member that is there is overlooked. Acknowledgements may be lost as any publication may, so
 * the news are published again until all came or the deadline passed. */
#include "journal/redis/crdt_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "journal/key.h"
#include "journal/members.h"
#include "journal/record.h"
#include "journal/redis/redis_members.h"
#include "journal/redis/slot.h"
#include "src/base/clock.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/base/text.h"

/* How often news are published again of which not all acknowledgements came. */
#define REPEAT_MS ((uint64_t)500)
/* Bytes of deltas in one reply; a single one always fits. Redis is busy while it reads them. */
#define READ_BYTES ((size_t)4 * 1024 * 1024)
/* What is shown of the members that did not acknowledge. */
#define MISSING_SHOWN ((size_t)160)

enum op_kind { OP_READ, OP_APPEND, OP_DELETE, OP_COMPACT };

struct crdt_op {
	struct redis_crdt_log *log; /* NULL: closed */
	struct redis_request *request;
	enum op_kind kind;
	struct list node;
	void *data; /* the caller's */
	crdt_log_read_fn on_read;
	crdt_log_done_fn on_done;
	/* read, compact */
	char *keys; /* owned: of the state, then of the deltas, as long */
	size_t key_len;
	struct crdt_log_place after;
	uint64_t losses; /* of the connection, when the command was written */
	/* append, delete */
	struct span suffix; /* of the news, behind the position; in text */
	char *text;	    /* owned: "n <incarnation> <ack> " and " <name>" */
	size_t prefix_len;
	/* wants_all */
	struct map_node ack_node;
	uint64_t ack; /* 0: does not */
	struct list wait_node;
	bool is_durable;
	bool is_awaiting; /* incarnations are those still to come, before: those that came */
	uint64_t number;  /* of the delta or deletion, and as a position */
	uint64_t position;
	uint64_t question; /* its answer has the view */
	uint64_t *incarnations;
	size_t count;
};

/* ---- life ----------------------------------------------------------------------------------- */
static void forget(struct crdt_op *op)
{
	if (op->log && op->ack)
		map_remove(&op->log->acks, &op->ack_node);
	list_remove(&op->node);
	list_remove(&op->wait_node);
	op->log = NULL;
}

static void on_free(void *data)
{
	struct crdt_op *op = data;

	forget(op);
	mem_free(op->keys);
	mem_free(op->text);
	mem_free(op->incarnations);
	mem_free(op);
}

void redis_crdt_cancel_all(struct redis_crdt_log *log)
{
	list_for_each_safe (node, &log->ops) {
		struct crdt_op *op = list_entry(node, struct crdt_op, node);
		struct redis_request *r = op->request;

		forget(op);
		if (!r->is_orphan)
			journal_cancel(&r->base);
	}
}

static const struct redis_call_ops read_ops;
static const struct redis_call_ops append_ops;
static const struct redis_call_ops compact_ops;

static struct crdt_op *op_new(struct redis_crdt_log *log, enum op_kind kind,
			      const struct journal_key *key, uint64_t deadline_ns, void *data)
{
	static const struct redis_call_ops *const ops[] = {
		[OP_READ] = &read_ops,
		[OP_APPEND] = &append_ops,
		[OP_DELETE] = &append_ops,
		[OP_COMPACT] = &compact_ops,
	};
	struct crdt_op *op = mem_new(struct crdt_op);

	op->log = log;
	op->kind = kind;
	op->data = data;
	op->losses = log->journal->losses;
	list_init(&op->wait_node);
	list_push_back(&log->ops, &op->node);
	op->request = redis_call_new(log->journal, ops[kind], slot_of_partition(key_partition(key)),
				     deadline_ns, op);
	return op;
}

static struct journal_request *admit(struct crdt_op *op)
{
	redis_request_admit(op->request);
	return &op->request->base;
}

static struct journal_request *refuse(struct crdt_op *op, const struct error *error)
{
	redis_request_fail_later(op->request, error);
	return admit(op);
}

/* ---- the end -------------------------------------------------------------------------------- */
static size_t counter_of(enum journal_result result)
{
	return result == JOURNAL_OK ? 0 : result == JOURNAL_ERASED ? 1 : 2;
}

static void done(struct crdt_op *op, struct crdt_log_result *result)
{
	struct redis_request *r = op->request;
	struct redis_crdt_log *log = op->log;

	if (log->append_seconds && op->kind != OP_COMPACT) {
		metrics_add(log->appends[counter_of(result->result)], 1);
		metrics_observe_ns(log->append_seconds, clock_mono_ns() - r->start_ns);
	}
	redis_request_settle(r);
	list_remove(&op->wait_node);
	op->on_done(op->data, result);
	redis_request_end(r);
}

static void read_done(struct crdt_op *op, struct crdt_log_content *content)
{
	struct redis_request *r = op->request;

	if (op->log->append_seconds)
		metrics_add(op->log->reads[counter_of(content->result)], 1);
	redis_request_settle(r);
	op->on_read(op->data, content);
	redis_request_end(r);
}

/* ---- waiting for all ------------------------------------------------------------------------ */
static bool take_out(struct crdt_op *op, uint64_t incarnation)
{
	for (size_t i = 0; i < op->count; i++) {
		if (op->incarnations[i] == incarnation) {
			op->incarnations[i] = op->incarnations[--op->count];
			return true;
		}
	}
	return false;
}

/* Their order tells nothing; room for all members was made. */
static void put_in(struct crdt_op *op, uint64_t incarnation)
{
	(void)take_out(op, incarnation);
	if (op->count < MEMBERS_MAX)
		op->incarnations[op->count++] = incarnation;
}

static void await(struct crdt_op *op, const struct member *view, size_t count)
{
	uint64_t *came = op->incarnations;
	size_t came_count = op->count;

	op->is_awaiting = true;
	op->incarnations = mem_new_array(uint64_t, MEMBERS_MAX);
	op->count = 0;
	for (size_t i = 0; i < count; i++) {
		if (view[i].state == MEMBER_UP &&
		    view[i].incarnation != op->log->journal->base.incarnation)
			put_in(op, view[i].incarnation);
	}
	for (size_t i = 0; i < came_count; i++)
		(void)take_out(op, came[i]);
	mem_free(came);
}

static bool is_in(const struct member *view, size_t count, uint64_t incarnation)
{
	for (size_t i = 0; i < count; i++) {
		if (view[i].incarnation == incarnation)
			return true;
	}
	return false;
}

/* Whoever is no member any more has nothing to be wrong about. */
static void look(struct crdt_op *op)
{
	uint64_t version;
	size_t count;
	const struct member *view = members_view(op->log->members, &count, &version);
	struct crdt_log_result result = {
		.result = JOURNAL_OK,
		.position = op->position,
		.is_durable = true,
	};

	if (redis_members_heard(op->log->members) < op->question)
		return;
	if (!op->is_awaiting)
		await(op, view, count);
	for (size_t i = op->count; i-- > 0;) {
		if (!is_in(view, count, op->incarnations[i]))
			op->incarnations[i] = op->incarnations[--op->count];
	}
	if (op->count == 0)
		done(op, &result);
}

void redis_crdt_acked(struct redis_crdt_log *log, uint64_t incarnation, uint64_t ack)
{
	struct map_node *node = map_find(&log->acks, span_make(&ack, sizeof(ack)));
	struct crdt_op *op = node ? container_of(node, struct crdt_op, ack_node) : NULL;

	if (!op || op->request->is_orphan)
		return;
	if (!op->is_awaiting)
		put_in(op, incarnation);
	else
		(void)take_out(op, incarnation);
	if (op->is_durable)
		look(op);
}

/* Callbacks may cancel others that wait: every round begins anew, with the next that was not looked
 * at. */
void redis_crdt_on_members(void *data)
{
	struct redis_crdt_log *log = data;
	struct list now = LIST_INIT(now);
	struct list *node;

	list_splice_back(&now, &log->waiting);
	while ((node = list_pop_front(&now))) {
		list_push_back(&log->waiting, node);
		look(list_entry(node, struct crdt_op, wait_node));
	}
}

void redis_crdt_on_repeat(void *data)
{
	struct redis_crdt_log *log = data;

	list_for_each_safe (node, &log->waiting) {
		struct crdt_op *op = list_entry(node, struct crdt_op, wait_node);

		redis_call_publish(log->journal, log->news_channel, op->text);
	}
	if (!list_is_empty(&log->waiting))
		timer_start_in(&log->repeat_timer, REPEAT_MS);
}

/* From now on text is the whole news, to be said again. */
static void wait_for_all(struct crdt_op *op)
{
	struct redis_crdt_log *log = op->log;
	char number[TEXT_U64_DIGITS];
	struct span digits = text_from_u64(op->number, number);
	size_t size = op->prefix_len + digits.len + op->suffix.len + 1;
	char *whole = mem_new_array(char, size);

	(void)snprintf(whole, size, "%.*s%.*s%.*s", (int)op->prefix_len, op->text, SPAN_FMT(digits),
		       SPAN_FMT(op->suffix));
	mem_free(op->text);
	op->text = whole;
	op->is_durable = true;
	redis_call_hold(op->request);
	op->question = redis_members_ask(log->members);
	list_push_back(&log->waiting, &op->wait_node);
	if (!timer_is_set(&log->repeat_timer))
		timer_start_in(&log->repeat_timer, REPEAT_MS);
}

/* Of the deadline: who has not told. */
static void name_missing(const struct crdt_op *op, struct error *error)
{
	char names[MISSING_SHOWN] = "";
	uint64_t version;
	size_t count;
	const struct member *view = members_view(op->log->members, &count, &version);
	size_t used = 0;

	for (size_t i = 0; i < count && op->is_awaiting; i++) {
		bool is_missing = false;

		for (size_t k = 0; k < op->count; k++)
			is_missing |= op->incarnations[k] == view[i].incarnation;
		if (is_missing && used < sizeof(names))
			used += (size_t)snprintf(names + used, sizeof(names) - used, " %s",
						 view[i].address);
	}
	(void)error_set(error, ST_UNAVAILABLE,
			"it is stored, but not all members have told that they have it:%s", names);
}

/* ---- append and delete ---------------------------------------------------------------------- */
static void on_append_failed(struct redis_request *r, const struct error *error)
{
	struct crdt_op *op = r->data;
	struct error missing;
	struct crdt_log_result result = {
		.result = JOURNAL_ERROR,
		.is_durable = op->is_durable,
		.is_outcome_unknown = !op->is_durable && (r->is_maybe_done || r->command.sent > 0),
		.error = error,
	};

	if (op->is_durable) {
		name_missing(op, &missing);
		result.error = &missing;
		result.position = op->position;
	}
	done(op, &result);
}

/* Refused by the fence. When its first reply was lost it may have been taken before. */
static void on_stale(struct crdt_op *op, struct crdt_log_result *result)
{
	result->result = JOURNAL_CONFLICT;
	result->is_outcome_unknown = op->request->is_maybe_done;
	done(op, result);
}

/* {word, number}: both are read strictly. */
static enum status read_answer(const redisReply *reply, struct span *ret_word, uint64_t *ret_number,
			       struct error *err)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2 ||
	    !text_to_u64(reply_text(reply->element[1]), ret_number))
		return error_set(err, ST_INTERNAL, "a script for CRDTs answered no result");
	if (*ret_number > CRDT_NUMBER_MAX)
		return error_set(err, ST_OUT_OF_RANGE, "the entity has too many deltas");
	*ret_word = reply_text(reply->element[0]);
	return ST_OK;
}

static void on_append_reply(struct redis_request *r, const struct redisReply *reply)
{
	struct crdt_op *op = r->data;
	struct crdt_log_result result = {0};
	struct span word = SPAN_EMPTY;
	struct error error;
	enum status st = read_answer(reply, &word, &op->number, &error);

	if (st == ST_OK && span_eq_str(word, "STALE")) {
		on_stale(op, &result);
		return;
	}
	if (st == ST_OK && !span_eq_str(word, "OK") && !span_eq_str(word, "ERASED"))
		st = error_set(&error, ST_INTERNAL, "a script for CRDTs answered no result");
	if (st != ST_OK) {
		redis_call_bad_reply(r, &error);
		return;
	}
	result.result = span_eq_str(word, "OK") ? JOURNAL_OK : JOURNAL_ERASED;
	op->position = crdt_position(op->log, op->number);
	result.position = op->position;
	result.is_durable = result.result == JOURNAL_OK;
	if (result.is_durable && op->ack)
		wait_for_all(op);
	else
		done(op, &result);
}

static const struct redis_call_ops append_ops = {
	.is_write = true,
	.on_reply = on_append_reply,
	.on_fail = on_append_failed,
	.on_free = on_free,
};

/* "n <incarnation> <ack> " before the position and " <name>" behind it. */
static void make_news(struct crdt_op *op, struct span name, bool wants_all)
{
	struct redis_crdt_log *log = op->log;
	char prefix[64];
	size_t size;

	if (wants_all) {
		op->ack = ++log->next_ack;
		op->ack_node.key = span_make(&op->ack, sizeof(op->ack));
		op->incarnations = mem_new_array(uint64_t, MEMBERS_MAX);
		BUG_ON(!map_insert(&log->acks, &op->ack_node));
	}
	op->prefix_len =
		(size_t)snprintf(prefix, sizeof(prefix), "n %s %" PRIu64 " ", log->own, op->ack);
	size = op->prefix_len + 1 + name.len + 1;
	op->text = mem_new_array(char, size);
	(void)snprintf(op->text, size, "%s %.*s", prefix, SPAN_FMT(name));
	op->suffix = span_make(op->text + op->prefix_len, 1 + name.len);
}

static struct journal_request *append_or_delete(struct crdt_op *op, const struct journal_key *key,
						const struct crdt_log_delta *delta)
{
	struct redis_crdt_log *log = op->log;
	struct key_crdt_names names;
	char wall[TEXT_U64_DIGITS];
	struct span keys[2];
	char generation[TEXT_U64_DIGITS];
	struct span args[6];
	struct error error;

	if (log->journal->losses > CRDT_LOSSES_MAX) {
		(void)error_set(&error, ST_OUT_OF_RANGE,
				"the connection to Redis was lost too often");
		return refuse(op, &error);
	}
	if (key_render_crdt(log->journal->namespace_text, key, &names, &error) != ST_OK)
		return refuse(op, &error);
	make_news(op, names.name, delta->wants_all);
	keys[0] = names.state;
	keys[1] = names.deltas;
	args[0] = delta->bytes;
	args[1] = text_from_u64(delta->generation, generation);
	args[2] = text_from_u64(clock_wall_ms(), wall);
	args[3] = span_from_str(log->news_channel);
	args[4] = span_make(op->text, op->prefix_len);
	args[5] = op->suffix;
	if (op->kind == OP_APPEND)
		redis_command_script(&op->request->command, REDIS_SCRIPT_CRDT_APPEND, keys, 2, args,
				     6);
	else
		redis_command_script(&op->request->command, REDIS_SCRIPT_CRDT_DELETE, keys, 2,
				     args + 2, 4);
	op->request->command.is_ack_wanted = true;
	return admit(op);
}

struct journal_request *redis_crdt_append(struct crdt_log *base, const struct journal_key *key,
					  const struct crdt_log_delta *delta, uint64_t deadline_ns,
					  crdt_log_done_fn on_done, void *data)
{
	struct crdt_op *op = op_new(redis_crdt_log_of(base), OP_APPEND, key, deadline_ns, data);
	struct error error;

	op->on_done = on_done;
	if (delta->bytes.len > CRDT_LOG_DELTA_MAX) {
		(void)error_set(&error, ST_RESOURCE_EXHAUSTED,
				"the delta has %zu bytes; at most %zu may be", delta->bytes.len,
				CRDT_LOG_DELTA_MAX);
		return refuse(op, &error);
	}
	return append_or_delete(op, key, delta);
}

struct journal_request *redis_crdt_delete(struct crdt_log *base, const struct journal_key *key,
					  bool wants_all, uint64_t deadline_ns,
					  crdt_log_done_fn on_done, void *data)
{
	struct crdt_op *op = op_new(redis_crdt_log_of(base), OP_DELETE, key, deadline_ns, data);
	const struct crdt_log_delta none = {.wants_all = wants_all};

	op->on_done = on_done;
	return append_or_delete(op, key, &none);
}

/* ---- read ----------------------------------------------------------------------------------- */
static uint64_t number_of(uint64_t position)
{
	return position & CRDT_NUMBER_MAX;
}

static bool is_of(const struct redis_crdt_log *log, uint64_t position)
{
	return position >> CRDT_NUMBER_BITS == log->journal->losses;
}

static void write_read(struct crdt_op *op)
{
	const struct span keys[] = {span_make(op->keys, op->key_len),
				    span_make(op->keys + op->key_len, op->key_len)};
	char after[TEXT_U64_DIGITS];
	char count[TEXT_U64_DIGITS];
	char bytes[TEXT_U64_DIGITS];
	char generation[TEXT_U64_DIGITS];
	uint64_t position = op->after.position;
	const struct span args[] = {
		text_from_u64(is_of(op->log, position) ? number_of(position) : 0, after),
		text_from_u64(CRDT_LOG_PAGE, count),
		text_from_u64(READ_BYTES, bytes),
		text_from_u64(op->after.generation, generation),
	};

	op->losses = op->log->journal->losses;
	redis_command_script(&op->request->command, REDIS_SCRIPT_CRDT_READ, keys, 2, args, 4);
}

/* Another connection: what was read over the last one may be gone, and its numbers others'. */
static bool on_read_submit(struct redis_request *r)
{
	struct crdt_op *op = r->data;
	struct redis_journal *j = op->log->journal;

	if (op->losses == j->losses)
		return true;
	redis_request_uncount(r);
	write_read(op);
	redis_request_count(r);
	return true;
}

static void on_read_failed(struct redis_request *r, const struct error *error)
{
	struct crdt_log_content content = {.result = JOURNAL_ERROR, .error = error};

	read_done(r->data, &content);
}

static enum status read_deltas(const redisReply *list, struct span *deltas, size_t *ret_count,
			       struct error *err)
{
	if (list->type != REDIS_REPLY_ARRAY || list->elements > CRDT_LOG_PAGE)
		return error_set(err, ST_INTERNAL, "a script for CRDTs answered no deltas");
	for (size_t i = 0; i < list->elements; i++) {
		deltas[i] = reply_text(list->element[i]);
		if (!deltas[i].data)
			return error_set(err, ST_DATA_LOSS, "a delta is damaged");
	}
	*ret_count = list->elements;
	return ST_OK;
}

/* A server that is no primary any more may answer after it was given up for another. */
static uint64_t position_when_asked(const struct crdt_op *op, uint64_t number)
{
	return op->losses << CRDT_NUMBER_BITS | number;
}

static enum status read_content(struct crdt_op *op, const redisReply *reply, struct span *deltas,
				struct crdt_log_content *content, struct error *err)
{
	struct span word = SPAN_EMPTY;
	uint64_t last;
	uint64_t at;

	if (read_answer(reply, &word, &last, err) != ST_OK)
		return err->status;
	if (span_eq_str(word, "GAP"))
		return error_set(err, ST_DATA_LOSS, "delta %" PRIu64 " is missing", last);
	content->result = JOURNAL_ERASED;
	content->position = position_when_asked(op, last);
	if (span_eq_str(word, "ERASED"))
		return ST_OK;
	if (!span_eq_str(word, "OK") || reply->elements != 6 ||
	    !text_to_u64(reply_text(reply->element[2]), &at) || at > last ||
	    !text_to_u64(reply_text(reply->element[5]), &content->generation))
		return error_set(err, ST_INTERNAL, "a script for CRDTs answered no content");
	content->result = JOURNAL_OK;
	content->position = position_when_asked(op, at);
	content->is_more = at < last;
	content->is_anew = content->generation != op->after.generation;
	content->is_lost = !content->is_anew && number_of(op->after.position) > last;
	content->state = reply_text(reply->element[3]);
	content->deltas = deltas;
	return read_deltas(reply->element[4], deltas, &content->delta_count, err);
}

static void on_read_reply(struct redis_request *r, const struct redisReply *reply)
{
	struct crdt_log_content content = {0};
	struct span deltas[CRDT_LOG_PAGE];
	struct error error;

	if (read_content(r->data, reply, deltas, &content, &error) != ST_OK)
		redis_call_bad_reply(r, &error);
	else
		read_done(r->data, &content);
}

static const struct redis_call_ops read_ops = {
	.on_submit = on_read_submit,
	.on_reply = on_read_reply,
	.on_fail = on_read_failed,
	.on_free = on_free,
};

struct journal_request *redis_crdt_read(struct crdt_log *base, const struct journal_key *key,
					struct crdt_log_place after, uint64_t deadline_ns,
					crdt_log_read_fn on_done, void *data)
{
	struct redis_crdt_log *log = redis_crdt_log_of(base);
	struct crdt_op *op = op_new(log, OP_READ, key, deadline_ns, data);
	struct key_crdt_names names;
	struct error error;

	op->on_read = on_done;
	op->after = after;
	if (key_render_crdt(log->journal->namespace_text, key, &names, &error) != ST_OK)
		return refuse(op, &error);
	/* The two names lie behind each other. */
	op->keys = mem_strndup(names.state.data, names.state.len + names.deltas.len);
	op->key_len = names.state.len;
	write_read(op);
	return admit(op);
}

/* ---- compact -------------------------------------------------------------------------------- */
/* What a state of before the loss has may be another delta's number by now. */
static bool on_compact_submit(struct redis_request *r)
{
	struct crdt_op *op = r->data;
	struct error error;

	if (is_of(op->log, op->after.position))
		return true;
	(void)error_set(&error, ST_ABORTED, "the connection to Redis was lost since the last read");
	redis_request_fail_later(r, &error);
	return false;
}

static void on_compact_reply(struct redis_request *r, const struct redisReply *reply)
{
	struct crdt_op *op = r->data;
	struct crdt_log_result result = {.result = JOURNAL_OK};
	struct span word = SPAN_EMPTY;
	struct error error;
	uint64_t number;

	if (read_answer(reply, &word, &number, &error) != ST_OK) {
		redis_call_bad_reply(r, &error);
		return;
	}
	result.position = crdt_position(op->log, number);
	if (span_eq_str(word, "STALE")) {
		on_stale(op, &result);
		return;
	}
	if (span_eq_str(word, "ERASED")) {
		result.result = JOURNAL_ERASED;
	} else if (!span_eq_str(word, "OK")) {
		result.result = JOURNAL_ERROR;
		(void)error_set(&error, ST_ABORTED, "the state is of deltas that Redis has lost");
		result.error = &error;
	}
	result.is_durable = result.result == JOURNAL_OK;
	done(op, &result);
}

static const struct redis_call_ops compact_ops = {
	.is_write = true,
	.on_submit = on_compact_submit,
	.on_reply = on_compact_reply,
	.on_fail = on_append_failed,
	.on_free = on_free,
};

struct journal_request *redis_crdt_compact(struct crdt_log *base, const struct journal_key *key,
					   const struct crdt_log_merged *merged,
					   uint64_t deadline_ns, crdt_log_done_fn on_done,
					   void *data)
{
	struct redis_crdt_log *log = redis_crdt_log_of(base);
	struct crdt_op *op = op_new(log, OP_COMPACT, key, deadline_ns, data);
	struct key_crdt_names names;
	char number[TEXT_U64_DIGITS];
	char wall[TEXT_U64_DIGITS];
	char generation[TEXT_U64_DIGITS];
	char next[TEXT_U64_DIGITS];
	struct span keys[2];
	struct error error;

	op->on_done = on_done;
	op->after = merged->place;
	if (merged->state.len > CRDT_LOG_STATE_MAX)
		(void)error_set(&error, ST_RESOURCE_EXHAUSTED,
				"the state has %zu bytes; at most %zu may be", merged->state.len,
				CRDT_LOG_STATE_MAX);
	else if (key_render_crdt(log->journal->namespace_text, key, &names, &error) == ST_OK) {
		const struct span args[] = {
			text_from_u64(number_of(merged->place.position), number),
			merged->state,
			text_from_u64(clock_wall_ms(), wall),
			text_from_u64(merged->place.generation, generation),
			text_from_u64(merged->next, next),
		};

		keys[0] = names.state;
		keys[1] = names.deltas;
		redis_command_script(&op->request->command, REDIS_SCRIPT_CRDT_COMPACT, keys, 2,
				     args, 5);
		return admit(op);
	}
	return refuse(op, &error);
}
