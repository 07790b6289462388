/* A load reads the head first, with the snapshot, then the events after the snapshot in pages. What
 * is appended meanwhile lies beyond the head that was read and is not looked at. Asking for the
 * first page together with the head would need to know where the snapshot ends; a script that does
 * both takes five times the server's time (0.8 ms for 256 events), so it is two round trips, and
 * one when there is no event after the snapshot.
 *
 *   HEAD -> on_head -> HELD -next-> EVENTS -> on_events -> HELD ... -next, nothing left-> on_done
 *                                      | an event is missing
 *                                      v
 *                                   RECHECK: did the head move? Then it is retryable, else damage.
 */
#include <string.h>

#include "journal/key.h"
#include "journal/redis/internal.h"
#include "journal/redis/slot.h"
#include "src/base/mem.h"

/* By how much a page shrinks whose reply was too large. */
#define PAGE_SHRINK 16

static struct span head_key(const struct redis_request *r)
{
	return span_make(r->keys, r->head_key_len);
}

static struct span events_key(const struct redis_request *r)
{
	return span_make(r->keys + r->head_key_len, r->events_key_len);
}

void redis_load_done(struct redis_request *r, enum journal_result result, const struct error *error)
{
	redis_request_settle(r);
	r->ops->on_done(r->data, result, error);
	redis_request_end(r);
}

/* Gives the command another text; what is kept of it is counted. */
static void ask(struct redis_request *r, enum load_step step)
{
	r->step = step;
	redis_request_uncount(r);
	if (step == LOAD_EVENTS)
		redis_command_events(&r->command, events_key(r), r->next, r->head.sequence,
				     r->page);
	else
		redis_command_head(&r->command, head_key(r), true);
	redis_request_count(r);
}

void redis_load_go_on(struct redis_request *r)
{
	r->wants_next = false;
	if (r->next > r->head.sequence) {
		redis_load_done(r, JOURNAL_OK, NULL);
		return;
	}
	ask(r, LOAD_EVENTS);
	redis_request_submit(r);
}

/* After on_head and on_events: the caller may have cancelled, asked for more, or neither. */
static void after_callback(struct redis_request *r)
{
	r->is_in_callback = false;
	if (r->is_orphan)
		redis_request_free(r);
	else if (r->wants_next)
		redis_load_go_on(r);
}

static void head_reply(struct redis_request *r, const struct redisReply *reply)
{
	struct record_head found;
	struct error error;

	if (reply_head(reply, false, &found, &error) != ST_OK) {
		redis_journal_alarm(redis_journal_of(r->base.journal), &error, false, r->slot);
		redis_load_done(r, JOURNAL_ERROR, &error);
		return;
	}
	if (found.is_erased) {
		redis_load_done(r, JOURNAL_ERASED, NULL);
		return;
	}
	if (found.is_value) {
		(void)error_set(&error, ST_FAILED_PRECONDITION, "%s", REPLY_OTHER_KIND);
		redis_load_done(r, JOURNAL_ERROR, &error);
		return;
	}
	r->head = found.head;
	r->next = found.snapshot_sequence + 1;
	r->step = LOAD_HELD;
	r->is_in_callback = true;
	r->ops->on_head(r->data, &r->head, found.snapshot_sequence,
			found.snapshot_sequence ? &found.snapshot : NULL);
	after_callback(r);
}

static void events_reply(struct redis_request *r, const struct redisReply *reply)
{
	struct journal_event events[JOURNAL_PAGE_EVENTS];
	struct error error;
	size_t count = 0;
	enum status st = reply_events(reply, r->next, events, r->page, &count, &error);

	if (st == ST_OK && count == 0)
		st = error_set(&error, ST_DATA_LOSS, "event %llu is missing",
			       (unsigned long long)r->next);
	if (st != ST_OK) {
		/* The reply is gone when the second look is back: keep what it said. */
		if (!r->error)
			r->error = mem_new(struct error);
		*r->error = error;
		ask(r, LOAD_RECHECK);
		redis_request_submit(r);
		return;
	}
	r->next += count;
	r->step = LOAD_HELD;
	r->is_in_callback = true;
	r->ops->on_events(r->data, events, count);
	after_callback(r);
}

static void recheck_reply(struct redis_request *r, const struct redisReply *reply)
{
	struct record_head now;
	struct error error = *r->error;
	struct error ignored;

	if (reply_head(reply, true, &now, &ignored) == ST_OK &&
	    (now.is_erased || now.head.sequence != r->head.sequence ||
	     memcmp(&now.head.tag, &r->head.tag, sizeof(now.head.tag)) != 0))
		(void)error_set(&error, ST_ABORTED, "the entity changed while it was loaded");
	else
		redis_journal_alarm(redis_journal_of(r->base.journal), &error, false, r->slot);
	redis_load_done(r, JOURNAL_ERROR, &error);
}

void redis_load_reply(struct redis_request *r, const struct redisReply *reply)
{
	if (r->step == LOAD_HEAD)
		head_reply(r, reply);
	else if (r->step == LOAD_EVENTS)
		events_reply(r, reply);
	else
		recheck_reply(r, reply);
}

bool redis_load_shrink(struct redis_request *r)
{
	if (r->kind != REQUEST_LOAD || r->step != LOAD_EVENTS || r->page == 1)
		return false;
	r->page = r->page > PAGE_SHRINK ? r->page / PAGE_SHRINK : 1;
	ask(r, LOAD_EVENTS);
	return true;
}

void redis_load_next(struct journal_request *base)
{
	struct redis_request *r = container_of(base, struct redis_request, base);
	struct redis_journal *j = redis_journal_of(base->journal);

	BUG_ON(r->kind != REQUEST_LOAD || r->step != LOAD_HELD || r->wants_next);
	r->wants_next = true;
	if (r->is_in_callback)
		return;
	list_push_back(&j->due, &r->node);
	loop_task_schedule(j->loop, &j->due_task);
}

struct journal_request *redis_load(struct journal *journal, const struct journal_key *key,
				   uint64_t deadline_ns, const struct journal_load_ops *ops,
				   void *data)
{
	struct redis_journal *j = redis_journal_of(journal);
	struct key_names names;
	struct error error;
	enum status st = key_render(j->namespace_text, key, &names, &error);
	struct redis_request *r = redis_request_new(
		j, REQUEST_LOAD, slot_of_partition(names.partition), deadline_ns, data);

	r->ops = ops;
	r->page = JOURNAL_PAGE_EVENTS;
	if (st == ST_OK) {
		/* The two names lie behind each other, head first. */
		r->keys = mem_strndup(names.head.data, names.head.len + names.events.len);
		r->head_key_len = names.head.len;
		r->events_key_len = names.events.len;
		r->step = LOAD_HEAD;
		redis_request_ask_head(r, names.partition, head_key(r));
	} else {
		redis_request_fail_later(r, &error);
	}
	redis_request_admit(r);
	return &r->base;
}
