/* One request at a time: it is sent as all others are, waits for the connection as they do, and the
 * loop runs until it is answered. */
#include "journal/redis/redis_admin.h"

#include <hiredis/hiredis.h>

#include "journal/admin.h"
#include "journal/redis/internal.h"
#include "journal/redis/slot.h"
#include "src/base/clock.h"
#include "src/base/mem.h"

struct redis_admin {
	struct admin base;
	struct loop *loop;
	struct redis_journal *journal;
	uint64_t timeout_ms;
};

struct question {
	struct arena *arena;
	const struct admin_value *answer;
	enum status status;
	struct error error;
	bool is_done;
};

/* hiredis nests arrays nine levels deep at the most. */
static bool copy_value(const redisReply *reply, struct arena *arena, struct admin_value *value)
{
	struct admin_value *items;

	*value = (struct admin_value){0};
	switch (reply->type) {
	case REDIS_REPLY_STRING:
	case REDIS_REPLY_STATUS:
		value->kind = ADMIN_TEXT;
		value->text = reply->len ? arena_span(arena, span_make(reply->str, reply->len))
					 : SPAN_LIT("");
		return value->text.data;
	case REDIS_REPLY_INTEGER:
		value->kind = ADMIN_NUMBER;
		value->number = reply->integer;
		return true;
	case REDIS_REPLY_ARRAY:
		value->kind = ADMIN_LIST;
		value->count = reply->elements;
		items = arena_new_array(arena, struct admin_value, reply->elements + 1);
		for (size_t i = 0; items && i < reply->elements; i++)
			if (!copy_value(reply->element[i], arena, &items[i]))
				return false;
		value->items = items;
		return items;
	default:
		return true;
	}
}

static void on_reply(struct redis_request *r, const struct redisReply *reply)
{
	struct question *q = r->data;
	struct admin_value *value = arena_new(q->arena, struct admin_value);

	redis_request_settle(r);
	q->is_done = true;
	q->status = ST_OK;
	if (!value || !copy_value(reply, q->arena, value))
		q->status = error_set(&q->error, ST_RESOURCE_EXHAUSTED,
				      "the answer of the journal is too large");
	q->answer = value;
	redis_request_end(r);
}

static void on_fail(struct redis_request *r, const struct error *error)
{
	struct question *q = r->data;

	redis_request_settle(r);
	q->is_done = true;
	q->error = *error;
	q->status = error->status;
	redis_request_end(r);
}

static bool is_done(void *data)
{
	return ((struct question *)data)->is_done;
}

static enum redis_script script_of(enum admin_script script)
{
	static const enum redis_script scripts[] = {
		[ADMIN_SCRIPT_IMPORT] = REDIS_SCRIPT_ADMIN_IMPORT,
		[ADMIN_SCRIPT_ERASE] = REDIS_SCRIPT_ADMIN_ERASE,
		[ADMIN_SCRIPT_TRUNCATE] = REDIS_SCRIPT_ADMIN_TRUNCATE,
		[ADMIN_SCRIPT_REPAIR] = REDIS_SCRIPT_ADMIN_REPAIR,
		[ADMIN_SCRIPT_CRDT_DELETE] = REDIS_SCRIPT_CRDT_DELETE,
	};

	return scripts[script];
}

static uint16_t slot_of(unsigned partition)
{
	return partition == ADMIN_MEMBERS ? slot_of_key(SPAN_LIT("{m}"))
					  : slot_of_partition(partition);
}

static enum status ask(struct admin *admin, const struct admin_command *command,
		       struct arena *arena, const struct admin_value **ret_value, struct error *err)
{
	static const struct redis_call_ops reads = {.on_reply = on_reply, .on_fail = on_fail};
	static const struct redis_call_ops writes = {
		.is_write = true,
		.on_reply = on_reply,
		.on_fail = on_fail,
	};
	struct redis_admin *a = container_of(admin, struct redis_admin, base);
	bool is_plain = command->script == ADMIN_SCRIPT_NONE;
	struct question q = {.arena = arena};
	struct redis_request *r =
		redis_call_new(a->journal, is_plain ? &reads : &writes, slot_of(command->partition),
			       clock_deadline(clock_mono_ns(), a->timeout_ms * NS_PER_MS), &q);

	if (is_plain)
		redis_command_spans(&r->command, command->words, command->count);
	else
		redis_command_script(&r->command, script_of(command->script), command->words,
				     command->key_count, command->words + command->key_count,
				     command->count - command->key_count);
	redis_request_admit(r);
	/* The request itself has the deadline. */
	(void)loop_run_until(a->loop, is_done, &q, UINT64_MAX);
	if (q.status != ST_OK) {
		*err = q.error;
		return q.status;
	}
	*ret_value = q.answer;
	return ST_OK;
}

static void redis_admin_close(struct admin *admin)
{
	mem_free(container_of(admin, struct redis_admin, base));
}

static const struct admin_ops redis_admin_ops = {.ask = ask, .close = redis_admin_close};

struct admin *redis_admin_open(struct loop *loop, struct journal *journal, uint64_t timeout_ms)
{
	struct redis_admin *a = mem_new(struct redis_admin);

	a->base.ops = &redis_admin_ops;
	a->loop = loop;
	a->journal = redis_journal_of(journal);
	a->base.namespace_text = a->journal->namespace_text;
	a->timeout_ms = timeout_ms;
	return &a->base;
}
