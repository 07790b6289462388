#include "tests/fakes/fake_crdt_log.h"

#include <string.h>

#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/list.h"
#include "src/base/map.h"
#include "src/base/mem.h"
#include "src/runtime/loop.h"
#include "src/runtime/timer.h"

#define FAKE_MEMBERS_MAX 8
#define FAKE_DELTAS_MAX 4096
#define FAKE_BYTES_MAX ((size_t)64 * 1024 * 1024)

struct delta {
	uint8_t *data;
	size_t len;
};

struct entity {
	struct map_node node;
	char *name;			      /* type NUL id */
	struct delta deltas[FAKE_DELTAS_MAX]; /* after the state */
	size_t delta_count;
	uint64_t state_position;
	uint64_t generation;
	struct buf state;
	bool is_erased;
};

enum kind { READ, WRITE, COMPACT, NEWS };

/* An answer or news, waiting for the end of the turn. */
struct request {
	struct journal_request base;
	struct list node;
	struct fake_crdt_member *member;
	enum kind kind;
	struct entity *entity;
	struct crdt_log_result result;
	struct error error;
	crdt_log_done_fn on_done;
	crdt_log_read_fn on_read;
	void *data;
	uint64_t after;
	uint64_t generation; /* READ: that the reader has */
	size_t acks_missing; /* WRITE */
	uint64_t number;     /* WRITE with wants_all: what is to be acknowledged */
	uint64_t deadline_ns;
	/* NEWS */
	struct watch *watch;
	uint64_t ack;
};

struct watch {
	struct crdt_watch base;
	struct list node;
	struct fake_crdt_member *member;
	struct entity *entity;
	crdt_log_news_fn on_news;
	void *data;
};

struct fake_crdt_store {
	struct loop *loop;
	struct loop_task task;
	struct timer timer;
	struct map entities;
	struct list due; /* struct request */
	struct list watches;
	struct fake_crdt_member *members[FAKE_MEMBERS_MAX];
	struct member view[FAKE_MEMBERS_MAX];
	size_t member_count;
	uint64_t version;
	uint64_t next_number;
	size_t appends;
	size_t compactions;
	size_t collapses;
	size_t conflicts;
};

struct fake_crdt_member {
	struct crdt_log log;
	struct members members;
	struct journal journal; /* for journal_cancel */
	struct fake_crdt_store *store;
	const char *address;
	fake_crdt_change_fn on_change;
	void *data;
	unsigned failing_reads;
	unsigned failing_writes;
	bool is_failure_done;
	bool is_held;
	bool is_change_due;
	bool is_unsettled;
	bool is_conflict_unknown;
};

static struct fake_crdt_member *member_of(struct crdt_log *log)
{
	return container_of(log, struct fake_crdt_member, log);
}

static struct entity *find(struct fake_crdt_store *store, const struct journal_key *key)
{
	struct buf name;
	struct map_node *node;
	struct entity *entity;

	buf_init(&name, FAKE_BYTES_MAX);
	(void)(buf_append(&name, key->type) && buf_append_byte(&name, 0) &&
	       buf_append(&name, key->id));
	node = map_find(&store->entities, buf_span(&name));
	if (!node) {
		entity = mem_new(struct entity);
		entity->name = mem_strndup(buf_span(&name).data, buf_len(&name));
		entity->node.key = span_make(entity->name, buf_len(&name));
		buf_init(&entity->state, FAKE_BYTES_MAX);
		BUG_ON(!map_insert(&store->entities, &entity->node));
		node = &entity->node;
	}
	buf_fini(&name);
	return container_of(node, struct entity, node);
}

static void drop_deltas(struct entity *entity, size_t count)
{
	for (size_t i = 0; i < count; i++)
		mem_free(entity->deltas[i].data);
	entity->delta_count -= count;
	memmove(entity->deltas, entity->deltas + count, entity->delta_count * sizeof(struct delta));
}

/* ---- answers -------------------------------------------------------------------------------- */

static struct request *request_new(struct fake_crdt_member *member, enum kind kind,
				   struct entity *entity)
{
	struct request *request = mem_new(struct request);

	request->base.journal = &member->journal;
	request->member = member;
	request->kind = kind;
	request->entity = entity;
	list_init(&request->node);
	list_push_back(&member->store->due, &request->node);
	loop_task_schedule(member->store->loop, &member->store->task);
	return request;
}

static void fail(struct request *request)
{
	request->result.result = JOURNAL_ERROR;
	request->result.error = &request->error;
	(void)error_set(&request->error, ST_UNAVAILABLE, "the journal is away");
}

static void answer_read(struct request *request)
{
	struct entity *entity = request->entity;
	struct span spans[FAKE_DELTAS_MAX];
	uint64_t at = entity->state_position;
	struct crdt_log_content content = {
		.result = request->result.result,
		.deltas = spans,
		.position = request->after,
		.generation = entity->generation,
		.is_anew = entity->generation != request->generation,
		.error = request->result.error,
	};

	if (content.is_anew)
		content.position = 0;
	if (content.result == JOURNAL_OK && entity->is_erased)
		content.result = JOURNAL_ERASED;
	if (content.result == JOURNAL_OK && entity->state_position > content.position) {
		content.state = buf_span(&entity->state);
		content.position = entity->state_position;
	}
	for (size_t i = 0; content.result == JOURNAL_OK && i < entity->delta_count; i++) {
		if (++at <= content.position)
			continue;
		if (content.delta_count == CRDT_LOG_PAGE) {
			content.is_more = true;
			break;
		}
		spans[content.delta_count++] =
			span_make(entity->deltas[i].data, entity->deltas[i].len);
		content.position = at;
	}
	request->on_read(request->data, &content);
}

static bool is_waiting(const struct request *request)
{
	if (request->kind != WRITE && request->kind != NEWS)
		return false;
	return request->member->is_held || request->acks_missing > 0;
}

static void answer(struct request *request)
{
	list_remove(&request->node);
	if (request->kind == READ)
		answer_read(request);
	else if (request->kind == NEWS)
		request->watch->on_news(request->watch->data, request->after, request->ack);
	else
		request->on_done(request->data, &request->result);
	mem_free(request);
}

static void on_task(void *data)
{
	struct fake_crdt_store *store = data;
	bool is_again = true;

	for (size_t i = 0; i < store->member_count; i++) {
		struct fake_crdt_member *member = store->members[i];

		if (member->is_change_due && member->on_change) {
			member->is_change_due = false;
			member->on_change(member->data);
		}
	}
	while (is_again) {
		is_again = false;
		list_for_each (node, &store->due) {
			struct request *request = list_entry(node, struct request, node);

			if (is_waiting(request))
				continue;
			answer(request);
			is_again = true;
			break;
		}
	}
}

static void on_timer(void *data)
{
	struct fake_crdt_store *store = data;

	list_for_each (node, &store->due) {
		struct request *request = list_entry(node, struct request, node);

		if (request->acks_missing == 0)
			continue;
		request->acks_missing = 0;
		fail(request);
		request->result.is_durable = true;
	}
	loop_task_schedule(store->loop, &store->task);
}

static void cancel(struct journal_request *base)
{
	struct request *request = container_of(base, struct request, base);

	list_remove(&request->node);
	mem_free(request);
}

static const struct journal_ops journal_ops = {.cancel = cancel};

/* ---- the log -------------------------------------------------------------------------------- */

static struct journal_request *fake_read(struct crdt_log *log, const struct journal_key *key,
					 struct crdt_log_place after, uint64_t deadline_ns,
					 crdt_log_read_fn on_done, void *data)
{
	struct fake_crdt_member *member = member_of(log);
	struct request *request = request_new(member, READ, find(member->store, key));

	(void)deadline_ns;
	request->after = after.position;
	request->generation = after.generation;
	request->on_read = on_done;
	request->data = data;
	if (member->failing_reads > 0) {
		member->failing_reads--;
		fail(request);
	}
	return &request->base;
}

/* Who watches hears of it; number: must acknowledge it. Returns how many. */
static size_t tell(struct fake_crdt_member *from, struct entity *entity, uint64_t number)
{
	size_t count = 0;

	list_for_each (node, &from->store->watches) {
		struct watch *watch = list_entry(node, struct watch, node);
		struct request *news;

		if (watch->entity != entity || watch->member == from)
			continue;
		news = request_new(watch->member, NEWS, entity);
		news->watch = watch;
		news->after = entity->state_position + entity->delta_count;
		news->ack = number;
		count++;
	}
	return count;
}

/* delta NULL: delete. */
static struct journal_request *write(struct crdt_log *log, const struct journal_key *key,
				     const struct crdt_log_delta *delta, bool wants_all,
				     uint64_t deadline_ns, crdt_log_done_fn on_done, void *data)
{
	struct fake_crdt_member *member = member_of(log);
	struct fake_crdt_store *store = member->store;
	struct entity *entity = find(store, key);
	struct request *request = request_new(member, WRITE, entity);
	bool is_failing = member->failing_writes > 0;

	store->appends++;
	request->on_done = on_done;
	request->data = data;
	member->failing_writes -= is_failing;
	if (is_failing) {
		fail(request);
		request->result.is_outcome_unknown = true;
		if (!member->is_failure_done)
			return &request->base;
	} else if (entity->is_erased && delta) {
		request->result.result = JOURNAL_ERASED;
		return &request->base;
	} else if (delta && delta->generation != entity->generation) {
		store->conflicts++;
		request->result.result = JOURNAL_CONFLICT;
		request->result.is_outcome_unknown = member->is_conflict_unknown;
		return &request->base;
	}
	if (delta) {
		struct delta *last = &entity->deltas[entity->delta_count++];

		BUG_ON(entity->delta_count > FAKE_DELTAS_MAX);
		last->data = mem_zalloc(delta->bytes.len + 1);
		last->len = delta->bytes.len;
		memcpy(last->data, delta->bytes.data, delta->bytes.len);
	} else {
		entity->is_erased = true;
	}
	request->result.position = entity->state_position + entity->delta_count;
	request->number = wants_all ? ++store->next_number : 0;
	request->acks_missing = tell(member, entity, request->number);
	if (!wants_all)
		request->acks_missing = 0;
	else
		timer_start(&store->timer, deadline_ns);
	return &request->base;
}

static struct journal_request *fake_append(struct crdt_log *log, const struct journal_key *key,
					   const struct crdt_log_delta *delta, uint64_t deadline_ns,
					   crdt_log_done_fn on_done, void *data)
{
	return write(log, key, delta, delta->wants_all, deadline_ns, on_done, data);
}

static struct journal_request *fake_remove(struct crdt_log *log, const struct journal_key *key,
					   bool wants_all, uint64_t deadline_ns,
					   crdt_log_done_fn on_done, void *data)
{
	return write(log, key, NULL, wants_all, deadline_ns, on_done, data);
}

static struct journal_request *fake_compact(struct crdt_log *log, const struct journal_key *key,
					    const struct crdt_log_merged *merged,
					    uint64_t deadline_ns, crdt_log_done_fn on_done,
					    void *data)
{
	struct fake_crdt_member *member = member_of(log);
	struct entity *entity = find(member->store, key);
	struct request *request = request_new(member, COMPACT, entity);
	bool is_anew = merged->next != merged->place.generation;
	uint64_t at = merged->place.position;

	(void)deadline_ns;
	request->on_done = on_done;
	request->data = data;
	member->store->compactions++;
	if (merged->place.generation != entity->generation ||
	    (is_anew && at != entity->state_position + entity->delta_count)) {
		member->store->conflicts++;
		request->result.result = JOURNAL_CONFLICT;
		return &request->base;
	}
	member->store->collapses += is_anew;
	if (is_anew || at > entity->state_position) {
		drop_deltas(entity, (size_t)(at - entity->state_position));
		entity->state_position = at;
		entity->generation = merged->next;
		buf_reset(&entity->state);
		BUG_ON(!buf_append(&entity->state, merged->state));
	}
	return &request->base;
}

static struct crdt_watch *fake_watch(struct crdt_log *log, const struct journal_key *key,
				     crdt_log_news_fn on_news, void *data)
{
	struct fake_crdt_member *member = member_of(log);
	struct watch *watch = mem_new(struct watch);

	watch->base.log = log;
	watch->member = member;
	watch->entity = find(member->store, key);
	watch->on_news = on_news;
	watch->data = data;
	list_init(&watch->node);
	list_push_back(&member->store->watches, &watch->node);
	return &watch->base;
}

static void fake_ack(struct crdt_log *log, uint64_t ack)
{
	struct fake_crdt_store *store = member_of(log)->store;

	list_for_each (node, &store->due) {
		struct request *request = list_entry(node, struct request, node);

		if (request->kind == WRITE && request->number == ack && request->acks_missing)
			request->acks_missing--;
	}
	loop_task_schedule(store->loop, &store->task);
}

static void fake_unwatch(struct crdt_watch *base)
{
	struct watch *watch = container_of(base, struct watch, base);
	struct fake_crdt_store *store = watch->member->store;

	list_for_each_safe (node, &store->due) {
		struct request *request = list_entry(node, struct request, node);

		if (request->kind == NEWS && request->watch == watch) {
			fake_ack(base->log, request->ack);
			cancel(&request->base);
		}
	}
	list_remove(&watch->node);
	mem_free(watch);
}

static const struct crdt_log_ops log_ops = {
	.read = fake_read,
	.append = fake_append,
	.remove = fake_remove,
	.compact = fake_compact,
	.watch = fake_watch,
	.ack = fake_ack,
	.unwatch = fake_unwatch,
};

/* ---- members -------------------------------------------------------------------------------- */

static const struct member *fake_view(const struct members *members, size_t *ret_count,
				      uint64_t *ret_version)
{
	struct fake_crdt_store *store =
		container_of(members, struct fake_crdt_member, members)->store;

	for (size_t i = 0; i < store->member_count; i++)
		store->view[i] = (struct member){store->members[i]->address, i, MEMBER_UP};
	*ret_count = store->member_count;
	*ret_version = store->version;
	return store->view;
}

static const char *fake_address(const struct members *members)
{
	return container_of(members, struct fake_crdt_member, members)->address;
}

static bool fake_is_settled(const struct members *members, const char **reason)
{
	*reason = "told so by the test";
	return !container_of(members, const struct fake_crdt_member, members)->is_unsettled;
}

static const struct members_ops members_ops = {
	.view = fake_view,
	.address = fake_address,
	.is_settled = fake_is_settled,
};

static void view_changed(struct fake_crdt_store *store)
{
	store->version++;
	for (size_t i = 0; i < store->member_count; i++)
		store->members[i]->is_change_due = true;
	loop_task_schedule(store->loop, &store->task);
}

struct fake_crdt_member *fake_crdt_member_new(struct fake_crdt_store *store, const char *address,
					      fake_crdt_change_fn on_change, void *data)
{
	struct fake_crdt_member *member = mem_new(struct fake_crdt_member);

	BUG_ON(store->member_count == FAKE_MEMBERS_MAX);
	member->log.ops = &log_ops;
	member->members.ops = &members_ops;
	member->journal.ops = &journal_ops;
	member->store = store;
	member->address = address;
	member->on_change = on_change;
	member->data = data;
	store->members[store->member_count++] = member;
	view_changed(store);
	return member;
}

struct crdt_log *fake_crdt_member_log(struct fake_crdt_member *member)
{
	return &member->log;
}

struct members *fake_crdt_member_members(struct fake_crdt_member *member)
{
	return &member->members;
}

void fake_crdt_member_free(struct fake_crdt_member *member)
{
	struct fake_crdt_store *store = member->store;
	size_t at = 0;

	while (store->members[at] != member)
		at++;
	store->member_count--;
	memmove(&store->members[at], &store->members[at + 1],
		(store->member_count - at) * sizeof(store->members[0]));
	mem_free(member);
	view_changed(store);
}

/* ---- the test ------------------------------------------------------------------------------- */

void fake_crdt_fail_reads(struct fake_crdt_member *member, unsigned count)
{
	member->failing_reads = count;
}

void fake_crdt_fail_writes(struct fake_crdt_member *member, unsigned count, bool is_done)
{
	member->failing_writes = count;
	member->is_failure_done = is_done;
}

void fake_crdt_hold(struct fake_crdt_member *member, bool is_held)
{
	member->is_held = is_held;
	loop_task_schedule(member->store->loop, &member->store->task);
}

void fake_crdt_unsettle(struct fake_crdt_member *member, bool is_unsettled)
{
	member->is_unsettled = is_unsettled;
}

size_t fake_crdt_appends(const struct fake_crdt_store *store)
{
	return store->appends;
}

size_t fake_crdt_collapses(const struct fake_crdt_store *store)
{
	return store->collapses;
}

size_t fake_crdt_conflicts(const struct fake_crdt_store *store)
{
	return store->conflicts;
}

void fake_crdt_make_conflicts_unknown(struct fake_crdt_member *member)
{
	member->is_conflict_unknown = true;
}

struct span fake_crdt_state(struct fake_crdt_store *store, const struct journal_key *key)
{
	return buf_span(&find(store, key)->state);
}

void fake_crdt_begin_generation(struct fake_crdt_store *store, const struct journal_key *key)
{
	find(store, key)->generation++;
}

void fake_crdt_append(struct fake_crdt_member *member, const struct journal_key *key,
		      struct span delta)
{
	struct entity *entity = find(member->store, key);
	const struct crdt_log_delta whole = {.bytes = delta, .generation = entity->generation};
	struct request *request =
		container_of(write(&member->log, key, &whole, false, DEADLINE_NEVER, NULL, NULL),
			     struct request, base);

	cancel(&request->base);
}

size_t fake_crdt_compactions(const struct fake_crdt_store *store)
{
	return store->compactions;
}

size_t fake_crdt_deltas(struct fake_crdt_store *store, const struct journal_key *key)
{
	return find(store, key)->delta_count;
}

struct fake_crdt_store *fake_crdt_store_new(struct loop *loop)
{
	struct fake_crdt_store *store = mem_new(struct fake_crdt_store);

	store->loop = loop;
	loop_task_init(&store->task, on_task, store);
	timer_init(&store->timer, loop, on_timer, store);
	map_init(&store->entities);
	list_init(&store->due);
	list_init(&store->watches);
	return store;
}

void fake_crdt_store_free(struct fake_crdt_store *store)
{
	struct map_node *node;

	BUG_ON(store->member_count > 0 || !list_is_empty(&store->due));
	loop_task_cancel(&store->task);
	timer_stop(&store->timer);
	while ((node = map_next(&store->entities, NULL))) {
		struct entity *entity = container_of(node, struct entity, node);

		drop_deltas(entity, entity->delta_count);
		map_remove(&store->entities, node);
		buf_fini(&entity->state);
		mem_free(entity->name);
		mem_free(entity);
	}
	map_fini(&store->entities);
	mem_free(store);
}
