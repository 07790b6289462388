/* The commands that wrote before: which they were (window), page by page, and what was kept of one
 * (recall). Payloads of events stay with Redis. */
#include <string.h>

#include <hiredis/hiredis.h>

#include "journal/key.h"
#include "journal/record.h"
#include "journal/redis/internal.h"
#include "journal/redis/slot.h"
#include "src/base/mem.h"
#include "src/base/text.h"

/* One page: Redis is busy while it reads them, 0.4 ms for small ones. */
#define WINDOW_PAGE_EVENTS "128"
#define WINDOW_PAGE_BYTES "1048576"
/* Of an event's record. */
#define WINDOW_FIELDS ((size_t)3)

struct recall {
	void *data; /* the caller's */
	journal_window_fn on_window;
	journal_recall_fn on_recall;
	/* window */
	char *keys; /* owned: head key, then events key */
	size_t head_key_len;
	size_t events_key_len; /* 0: a value entity */
	uint64_t next;
	uint64_t last;
	struct journal_executed *executed; /* owned */
	size_t count;
	size_t capacity;
};

static void on_free(void *data)
{
	struct recall *op = data;

	mem_free(op->keys);
	mem_free(op->executed);
	mem_free(op);
}

/* ---- the window ----------------------------------------------------------------------------- */
static void window_done(struct redis_request *r, enum journal_result result,
			const struct error *error)
{
	struct recall *op = r->data;

	redis_request_settle(r);
	op->on_window(op->data, result, op->executed, op->count, error);
	redis_request_end(r);
}

static void on_window_failed(struct redis_request *r, const struct error *error)
{
	struct recall *op = r->data;

	op->count = 0;
	window_done(r, JOURNAL_ERROR, error);
}

static void write_window(struct redis_request *r)
{
	struct recall *op = r->data;
	char first[TEXT_U64_DIGITS];
	char last[TEXT_U64_DIGITS];
	struct span keys[] = {span_make(op->keys, op->head_key_len),
			      span_make(op->keys + op->head_key_len, op->events_key_len)};
	struct span args[] = {text_from_u64(op->next, first), text_from_u64(op->last, last),
			      SPAN_LIT(WINDOW_PAGE_EVENTS), SPAN_LIT(WINDOW_PAGE_BYTES)};

	redis_command_script(&r->command, REDIS_SCRIPT_WINDOW, keys, op->events_key_len ? 2 : 1,
			     args, sizeof(args) / sizeof(*args));
}

static struct journal_executed *next_executed(struct recall *op)
{
	if (op->count == op->capacity) {
		size_t capacity = op->capacity ? 2 * op->capacity : JOURNAL_WRITES_KEPT;
		struct journal_executed *grown = mem_new_array(struct journal_executed, capacity);

		if (op->count)
			memcpy(grown, op->executed, op->count * sizeof(*grown));
		mem_free(op->executed);
		op->executed = grown;
		op->capacity = capacity;
	}
	return &op->executed[op->count];
}

/* {command, sequence, fingerprint}. A command that ended the last page may go on in this one. */
static bool take_executed(struct recall *op, redisReply *const *fields)
{
	struct journal_executed *it = next_executed(op);
	struct span fingerprint = reply_text(fields[2]);
	bool is_same;

	*it = (struct journal_executed){.has_key = fingerprint.len > 0};
	if (!record_read_id(reply_text(fields[0]), &it->command) ||
	    !record_read_sequence(reply_text(fields[1]), &it->sequence) ||
	    (it->has_key && fingerprint.len != sizeof(it->fingerprint.bytes)))
		return false;
	if (it->has_key)
		memcpy(it->fingerprint.bytes, fingerprint.data, fingerprint.len);
	if (op->count && it->sequence <= it[-1].sequence)
		return false;
	is_same = op->count && memcmp(&it[-1].command, &it->command, sizeof(it->command)) == 0;
	if (is_same)
		it[-1] = *it;
	else
		op->count++;
	return true;
}

static void on_window_reply(struct redis_request *r, const struct redisReply *reply)
{
	struct recall *op = r->data;
	uint64_t next = 0;
	struct error error;
	bool is_good = reply->type == REDIS_REPLY_ARRAY && reply->elements % WINDOW_FIELDS == 1 &&
		       record_read_sequence(reply_text(reply->element[0]), &next) &&
		       next > op->next;

	for (size_t i = 1; is_good && i < reply->elements; i += WINDOW_FIELDS)
		is_good = take_executed(op, &reply->element[i]);
	if (!is_good) {
		(void)error_set(&error, ST_DATA_LOSS,
				"what is stored of the entity's commands cannot be read");
		redis_call_bad_reply(r, &error);
		return;
	}
	op->next = next;
	if (op->next > op->last) {
		window_done(r, JOURNAL_OK, NULL);
		return;
	}
	redis_request_uncount(r);
	write_window(r);
	redis_request_count(r);
	redis_request_submit(r);
}

static const struct redis_call_ops window_ops = {
	.on_reply = on_window_reply,
	.on_fail = on_window_failed,
	.on_free = on_free,
};

struct journal_request *redis_window(struct journal *journal, const struct journal_window *window,
				     uint64_t deadline_ns, journal_window_fn on_done, void *data)
{
	struct redis_journal *j = redis_journal_of(journal);
	struct recall *op = mem_new(struct recall);
	struct redis_request *r = redis_call_new(
		j, &window_ops, slot_of_partition(key_partition(&window->key)), deadline_ns, op);
	struct key_names names;
	struct error error;

	op->data = data;
	op->on_window = on_done;
	op->next = window->first;
	op->last = window->last;
	if (key_render(j->namespace_text, &window->key, &names, &error) == ST_OK) {
		/* The two names lie behind each other, head first. */
		op->keys = mem_strndup(names.head.data, names.head.len + names.events.len);
		op->head_key_len = names.head.len;
		op->events_key_len = window->kind == JOURNAL_VALUE ? 0 : names.events.len;
		write_window(r);
	} else {
		redis_request_fail_later(r, &error);
	}
	redis_request_admit(r);
	return &r->base;
}

/* ---- one command ---------------------------------------------------------------------------- */
static void recall_done(struct redis_request *r, enum journal_result result,
			const struct journal_idempotency *kept, const struct error *error)
{
	struct recall *op = r->data;

	redis_request_settle(r);
	op->on_recall(op->data, result, kept, error);
	redis_request_end(r);
}

static void on_recall_failed(struct redis_request *r, const struct error *error)
{
	recall_done(r, JOURNAL_ERROR, NULL, error);
}

static void on_recall_reply(struct redis_request *r, const struct redisReply *reply)
{
	struct journal_idempotency kept;
	struct span word = SPAN_EMPTY;
	struct span k = SPAN_EMPTY;
	struct error error;

	if (reply->type == REDIS_REPLY_ARRAY && reply->elements > 0)
		word = reply_text(reply->element[0]);
	if (span_eq_str(word, "ERASED")) {
		recall_done(r, JOURNAL_ERASED, NULL, NULL);
		return;
	}
	if (span_eq_str(word, "CONFLICT")) {
		recall_done(r, JOURNAL_CONFLICT, NULL, NULL);
		return;
	}
	if (span_eq_str(word, "OK") && reply->elements == 3) {
		k = reply_text(reply->element[1]);
		kept.reply = reply_text(reply->element[2]);
		if (k.len == 0 || record_read_key(k, &kept.fingerprint, &kept.key)) {
			recall_done(r, JOURNAL_OK, k.len ? &kept : NULL, NULL);
			return;
		}
	}
	(void)error_set(&error, ST_DATA_LOSS, "what is stored of a command cannot be read");
	redis_call_bad_reply(r, &error);
}

static const struct redis_call_ops recall_ops = {
	.on_reply = on_recall_reply,
	.on_fail = on_recall_failed,
	.on_free = on_free,
};

struct journal_request *redis_recall(struct journal *journal, const struct journal_recall *recall,
				     uint64_t deadline_ns, journal_recall_fn on_done, void *data)
{
	struct redis_journal *j = redis_journal_of(journal);
	struct recall *op = mem_new(struct recall);
	struct redis_request *r = redis_call_new(
		j, &recall_ops, slot_of_partition(key_partition(&recall->key)), deadline_ns, op);
	const struct journal_head *head = &recall->head;
	char head_digits[TEXT_U64_DIGITS];
	char digits[TEXT_U64_DIGITS];
	const struct span args[] = {
		text_from_u64(head->sequence, head_digits),
		span_make(head->tag.bytes, sizeof(head->tag.bytes)),
		span_make(recall->command.bytes, sizeof(recall->command.bytes)),
		text_from_u64(recall->sequence, digits),
	};
	struct key_names names;
	struct error error;

	op->data = data;
	op->on_recall = on_done;
	if (key_render(j->namespace_text, &recall->key, &names, &error) == ST_OK)
		redis_command_script(
			&r->command, REDIS_SCRIPT_RECALL, (struct span[]){names.head, names.events},
			recall->kind == JOURNAL_VALUE ? 1 : 2, args, sizeof(args) / sizeof(*args));
	else
		redis_request_fail_later(r, &error);
	redis_request_admit(r);
	return &r->base;
}
