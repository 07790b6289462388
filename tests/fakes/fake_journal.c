#include "tests/fakes/fake_journal.h"

#include <string.h>

#include "src/base/buf.h"
#include "src/base/error.h"
#include "src/base/list.h"
#include "src/base/map.h"
#include "src/base/mem.h"
#include "src/runtime/loop.h"
#include "tests/fakes/fake_journal_internal.h"

/* Bytes of one stored entity; a test that needs more is a mistake. */
#define FAKE_BYTES_MAX ((size_t)64 * 1024 * 1024)

struct request {
	struct journal_request base;
	struct list node;
	enum fake_journal_call call;
	void *data;
	/* append and verify: the answer, found when asked */
	struct journal_append_result answer;
	struct error error;
	journal_append_fn on_append;
	journal_verify_fn on_verify;
	journal_get_fn on_get;
	journal_window_fn on_window;
	journal_recall_fn on_recall;
	struct journal_window window;
	const struct stored *kept; /* recall */
	/* load */
	const struct journal_load_ops *ops;
	struct entity *entity; /* entities live as long as the journal */
	uint64_t next;	       /* 0: the head comes first */
	uint64_t last;
	bool is_in_callback;
	bool is_cancelled;
};

static struct fake_journal *fake_of(const struct journal *journal)
{
	return container_of(journal, struct fake_journal, base);
}

static struct request *request_of(struct journal_request *request)
{
	return container_of(request, struct request, base);
}

/* ---- what is stored ------------------------------------------------------------------------- */
struct entity *fake_entity_find(const struct fake_journal *fake, const struct journal_key *key,
				bool is_made)
{
	struct buf name;
	struct map_node *node;
	struct entity *entity;

	buf_init(&name, FAKE_BYTES_MAX);
	buf_append(&name, key->type);
	buf_append_byte(&name, 0);
	buf_append(&name, key->id);
	node = map_find(&fake->entities, buf_span(&name));
	if (!node && is_made) {
		entity = mem_new(struct entity);
		entity->name = mem_strndup(buf_span(&name).data, buf_len(&name));
		entity->node.key = span_make(entity->name, buf_len(&name));
		list_init(&entity->events);
		list_init(&entity->commands);
		BUG_ON(!map_insert((struct map *)&fake->entities, &entity->node));
		node = &entity->node;
	}
	buf_fini(&name);
	return node ? container_of(node, struct entity, node) : NULL;
}

static struct stored *stored_new(const struct journal_any *any)
{
	struct stored *stored = mem_new(struct stored);

	list_init(&stored->node);
	stored->url_len = any->type_url.len;
	stored->value_len = any->value.len;
	stored->url = mem_strndup(any->type_url.len ? any->type_url.data : (const void *)"",
				  any->type_url.len);
	stored->value =
		mem_strndup(any->value.len ? any->value.data : (const void *)"", any->value.len);
	return stored;
}

static void stored_free(struct stored *stored)
{
	if (!stored)
		return;
	mem_free(stored->url);
	mem_free(stored->value);
	mem_free(stored->key);
	mem_free(stored->reply);
	mem_free(stored);
}

static void stored_keep(struct stored *stored, const struct journal_idempotency *kept)
{
	if (!kept)
		return;
	BUG_ON(kept->key.len == 0 || kept->key.len > JOURNAL_KEY_MAX);
	BUG_ON(kept->reply.len > JOURNAL_REPLY_MAX);
	stored->fingerprint = kept->fingerprint;
	stored->key = mem_strndup(kept->key.data, kept->key.len);
	stored->reply =
		mem_strndup(kept->reply.len ? kept->reply.data : (const void *)"", kept->reply.len);
	stored->key_len = kept->key.len;
	stored->reply_len = kept->reply.len;
}

/* NULL is a test's mistake. */
struct journal_any fake_stored_any(const struct stored *stored)
{
	BUG_ON(!stored);
	return (struct journal_any){span_make(stored->url, stored->url_len),
				    span_make(stored->value, stored->value_len)};
}

struct stored *fake_stored_at(const struct entity *entity, uint64_t sequence)
{
	uint64_t at = 0;

	list_for_each (it, (struct list *)&entity->events) {
		if (++at == sequence)
			return list_entry(it, struct stored, node);
	}
	return NULL;
}

static void entity_add(struct entity *entity, const struct journal_any *event,
		       struct journal_id tag, struct journal_id command)
{
	struct stored *stored = stored_new(event);

	stored->command = command;
	stored->tag = tag;
	list_push_back(&entity->events, &stored->node);
	entity->head.sequence++;
	entity->head.tag = tag;
}

static void entity_clear(struct entity *entity)
{
	struct list *node;

	while ((node = list_pop_front(&entity->events)))
		stored_free(list_entry(node, struct stored, node));
	while ((node = list_pop_front(&entity->commands)))
		stored_free(list_entry(node, struct stored, node));
	stored_free(entity->snapshot);
	stored_free(entity->state);
	entity->snapshot = NULL;
	entity->state = NULL;
	entity->snapshot_sequence = 0;
}

static bool head_eq(const struct journal_head *a, const struct journal_head *b)
{
	return a->sequence == b->sequence && memcmp(&a->tag, &b->tag, sizeof(a->tag)) == 0;
}

static void entity_append(struct entity *entity, const struct journal_append *append,
			  struct journal_id tag)
{
	for (size_t i = 0; i < append->event_count; i++)
		entity_add(entity, &append->events[i], tag, append->command);
	stored_keep(list_entry(entity->events.prev, struct stored, node), append->idempotency);
	if (!append->snapshot)
		return;
	stored_free(entity->snapshot);
	entity->snapshot = stored_new(append->snapshot);
	entity->snapshot_sequence = entity->head.sequence;
}

/* What journal/redis/lua/append.lua decides, in its order. */
static void append_as_is(struct entity *entity, const struct journal_append *append,
			 struct journal_append_result *answer)
{
	struct stored *next = fake_stored_at(entity, append->expected.sequence + 1);

	if (entity->is_erased) {
		answer->result = JOURNAL_ERASED;
	} else if (head_eq(&entity->head, &append->expected)) {
		answer->result = JOURNAL_OK;
		entity_append(entity, append, append->tag);
	} else if (next && memcmp(&next->command, &append->command, sizeof(next->command)) == 0) {
		answer->result = JOURNAL_DUP;
		answer->is_mine = memcmp(&next->tag, &append->tag, sizeof(next->tag)) == 0;
	} else {
		answer->result = JOURNAL_CONFLICT;
	}
}

static const char other_kind[] = "the journal has an entity of another kind under this id";

static void refuse_kind(struct journal_append_result *answer, struct error *error)
{
	answer->result = JOURNAL_ERROR;
	answer->error = error;
	(void)error_set(error, ST_FAILED_PRECONDITION, "%s", other_kind);
}

static void entity_put(struct entity *entity, const struct journal_put *put, struct journal_id tag)
{
	struct stored *command = stored_new(&(struct journal_any){0});

	command->command = put->command;
	command->tag = tag;
	stored_keep(command, put->idempotency);
	list_push_back(&entity->commands, &command->node);
	stored_free(entity->state);
	entity->state = put->state ? stored_new(put->state) : NULL;
	entity->is_value = true;
	entity->head.sequence++;
	entity->head.tag = tag;
}

static const struct stored *find_command(const struct entity *entity, struct journal_id id)
{
	list_for_each (it, (struct list *)&entity->commands) {
		const struct stored *stored = list_entry(it, struct stored, node);

		if (memcmp(&stored->command, &id, sizeof(id)) == 0)
			return stored;
	}
	return NULL;
}

/* What journal/redis/lua/put.lua decides, but that no command is ever forgotten. */
static void put_as_is(struct entity *entity, const struct journal_put *put,
		      struct journal_append_result *answer, struct error *error)
{
	const struct stored *done = find_command(entity, put->command);

	if (entity->is_erased) {
		answer->result = JOURNAL_ERASED;
	} else if (entity->head.sequence > 0 && !entity->is_value) {
		refuse_kind(answer, error);
	} else if (head_eq(&entity->head, &put->expected)) {
		answer->result = JOURNAL_OK;
		entity_put(entity, put, put->tag);
	} else if (done) {
		answer->result = JOURNAL_DUP;
		answer->is_mine = memcmp(&done->tag, &put->tag, sizeof(done->tag)) == 0;
	} else {
		answer->result = JOURNAL_CONFLICT;
	}
}

/* ---- the queue of answers ------------------------------------------------------------------- */
static void on_task(void *data)
{
	(void)fake_journal_deliver(data); /* how many does not matter here */
}

static void make_due(struct fake_journal *fake, struct request *request)
{
	list_remove(&request->node);
	list_push_back(&fake->due, &request->node);
	if (fake->loop)
		loop_task_schedule(fake->loop, &fake->task);
}

static struct fake_journal_step take_step(struct fake_journal *fake, enum fake_journal_call call)
{
	struct list *node = list_pop_front(&fake->steps[call]);
	struct fake_journal_step said = {.outcome = FAKE_JOURNAL_AS_IS};

	fake->calls[call]++;
	if (node) {
		said = list_entry(node, struct step, node)->said;
		mem_free(list_entry(node, struct step, node));
	}
	return said;
}

static struct request *request_new(struct fake_journal *fake, enum fake_journal_call call,
				   const struct fake_journal_step *said, void *data)
{
	struct request *request = mem_new(struct request);

	request->base.journal = &fake->base;
	request->call = call;
	request->data = data;
	list_init(&request->node);
	if (said->outcome >= FAKE_JOURNAL_ERROR) {
		request->answer.result = JOURNAL_ERROR;
		request->answer.is_outcome_unknown = said->outcome > FAKE_JOURNAL_ERROR;
		request->answer.error = &request->error;
		(void)error_set(&request->error, said->status ? said->status : ST_UNAVAILABLE, "%s",
				said->message ? said->message : "the journal is away");
	} else if (said->outcome == FAKE_JOURNAL_ERASED) {
		request->answer.result = JOURNAL_ERASED;
	} else if (said->outcome == FAKE_JOURNAL_CONFLICT) {
		request->answer.result = JOURNAL_CONFLICT;
	}
	fake->pending++;
	if (said->is_held)
		list_push_back(&fake->held, &request->node);
	else
		make_due(fake, request);
	return request;
}

static void request_free(struct request *request)
{
	fake_of(request->base.journal)->pending--;
	list_remove(&request->node);
	mem_free(request);
}

static struct journal_request *fake_append(struct journal *journal,
					   const struct journal_append *append,
					   uint64_t deadline_ns, journal_append_fn on_done,
					   void *data)
{
	struct fake_journal *fake = fake_of(journal);
	struct fake_journal_step said = take_step(fake, FAKE_JOURNAL_APPEND);
	struct request *request = request_new(fake, FAKE_JOURNAL_APPEND, &said, data);
	struct entity *entity = fake_entity_find(fake, &append->key, true);

	(void)deadline_ns; /* the test decides when an answer comes */
	BUG_ON(append->event_count == 0 || append->event_count > JOURNAL_EVENTS_MAX);
	request->on_append = on_done;
	if (said.outcome == FAKE_JOURNAL_AS_IS && entity->is_value)
		refuse_kind(&request->answer, &request->error);
	else if (said.outcome == FAKE_JOURNAL_AS_IS)
		append_as_is(entity, append, &request->answer);
	if (said.outcome == FAKE_JOURNAL_DUP_MINE || said.outcome == FAKE_JOURNAL_UNKNOWN_DONE)
		entity_append(entity, append, append->tag);
	if (said.outcome == FAKE_JOURNAL_DUP_OTHER)
		entity_append(entity, append, journal_new_id(journal));
	if (said.outcome == FAKE_JOURNAL_DUP_MINE || said.outcome == FAKE_JOURNAL_DUP_OTHER) {
		request->answer.result = JOURNAL_DUP;
		request->answer.is_mine = said.outcome == FAKE_JOURNAL_DUP_MINE;
	}
	request->answer.head = entity->head;
	return &request->base;
}

static struct journal_request *fake_put(struct journal *journal, const struct journal_put *put,
					uint64_t deadline_ns, journal_append_fn on_done, void *data)
{
	struct fake_journal *fake = fake_of(journal);
	struct fake_journal_step said = take_step(fake, FAKE_JOURNAL_PUT);
	struct request *request = request_new(fake, FAKE_JOURNAL_PUT, &said, data);
	struct entity *entity = fake_entity_find(fake, &put->key, true);

	(void)deadline_ns;
	request->on_append = on_done;
	if (said.outcome == FAKE_JOURNAL_AS_IS)
		put_as_is(entity, put, &request->answer, &request->error);
	if (said.outcome == FAKE_JOURNAL_DUP_MINE || said.outcome == FAKE_JOURNAL_UNKNOWN_DONE)
		entity_put(entity, put, put->tag);
	if (said.outcome == FAKE_JOURNAL_DUP_OTHER)
		entity_put(entity, put, journal_new_id(journal));
	if (said.outcome == FAKE_JOURNAL_DUP_MINE || said.outcome == FAKE_JOURNAL_DUP_OTHER) {
		request->answer.result = JOURNAL_DUP;
		request->answer.is_mine = said.outcome == FAKE_JOURNAL_DUP_MINE;
	}
	request->answer.head = entity->head;
	return &request->base;
}

static struct journal_request *fake_get(struct journal *journal, const struct journal_key *key,
					uint64_t deadline_ns, journal_get_fn on_done, void *data)
{
	struct fake_journal *fake = fake_of(journal);
	struct fake_journal_step said = take_step(fake, FAKE_JOURNAL_GET);
	struct request *request = request_new(fake, FAKE_JOURNAL_GET, &said, data);

	(void)deadline_ns;
	request->on_get = on_done;
	request->entity = fake_entity_find(fake, key, true);
	if (said.outcome != FAKE_JOURNAL_AS_IS)
		return &request->base;
	if (request->entity->is_erased)
		request->answer.result = JOURNAL_ERASED;
	else if (request->entity->head.sequence > 0 && !request->entity->is_value)
		refuse_kind(&request->answer, &request->error);
	return &request->base;
}

static void deliver_get(struct request *request)
{
	const struct entity *entity = request->entity;
	struct journal_any state;

	if (request->answer.result != JOURNAL_OK) {
		request->on_get(request->data, request->answer.result, NULL, NULL,
				request->answer.error);
		return;
	}
	if (entity->state)
		state = fake_stored_any(entity->state);
	request->on_get(request->data, JOURNAL_OK, &entity->head, entity->state ? &state : NULL,
			NULL);
}

static struct journal_request *fake_verify(struct journal *journal, const struct journal_key *key,
					   const struct journal_head *head, uint64_t deadline_ns,
					   journal_verify_fn on_done, void *data)
{
	struct fake_journal *fake = fake_of(journal);
	struct fake_journal_step said = take_step(fake, FAKE_JOURNAL_VERIFY);
	struct request *request = request_new(fake, FAKE_JOURNAL_VERIFY, &said, data);
	struct entity *entity = fake_entity_find(fake, key, true);

	(void)deadline_ns;
	request->on_verify = on_done;
	if (said.outcome != FAKE_JOURNAL_AS_IS)
		return &request->base;
	if (entity->is_erased)
		request->answer.result = JOURNAL_ERASED;
	else if (!head_eq(&entity->head, head))
		request->answer.result = JOURNAL_CONFLICT;
	return &request->base;
}

/* Those of the range; of a value entity the last ones. */
static void deliver_window(struct request *request)
{
	struct entity *entity = request->entity;
	bool is_value = request->window.kind == JOURNAL_VALUE;
	struct list *from = is_value ? &entity->commands : &entity->events;
	uint64_t first = request->window.first;
	uint64_t last = is_value ? entity->head.sequence : request->window.last;
	struct journal_executed *executed =
		mem_new_array(struct journal_executed, (size_t)entity->head.sequence + 1);
	size_t count = 0;
	uint64_t at = 0;

	if (is_value)
		first = last > JOURNAL_WRITES_KEPT ? last - JOURNAL_WRITES_KEPT + 1 : 1;
	list_for_each (it, from) {
		const struct stored *stored = list_entry(it, struct stored, node);

		if (++at < first || at > last)
			continue;
		count -= count && memcmp(&executed[count - 1].command, &stored->command,
					 sizeof(stored->command)) == 0;
		executed[count++] = (struct journal_executed){
			.command = stored->command,
			.sequence = at,
			.has_key = stored->key != NULL,
			.fingerprint = stored->fingerprint,
		};
	}
	request->on_window(request->data, request->answer.result,
			   request->answer.result == JOURNAL_OK ? executed : NULL,
			   request->answer.result == JOURNAL_OK ? count : 0, request->answer.error);
	mem_free(executed);
}

static struct journal_request *fake_window(struct journal *journal,
					   const struct journal_window *window,
					   uint64_t deadline_ns, journal_window_fn on_done,
					   void *data)
{
	struct fake_journal *fake = fake_of(journal);
	struct fake_journal_step said = take_step(fake, FAKE_JOURNAL_WINDOW);
	struct request *request = request_new(fake, FAKE_JOURNAL_WINDOW, &said, data);

	(void)deadline_ns;
	BUG_ON(window->first == 0 || window->first > window->last);
	request->on_window = on_done;
	request->window = *window;
	request->entity = fake_entity_find(fake, &window->key, true);
	return &request->base;
}

static void deliver_recall(struct request *request)
{
	const struct stored *kept = request->kept;
	struct journal_idempotency idempotency;

	if (request->entity->is_erased) {
		kept = NULL; /* since it was asked for, and gone */
		if (request->answer.result == JOURNAL_OK)
			request->answer.result = JOURNAL_ERASED;
	}
	if (kept && kept->key)
		idempotency = (struct journal_idempotency){
			.key = span_make(kept->key, kept->key_len),
			.fingerprint = kept->fingerprint,
			.reply = span_make(kept->reply, kept->reply_len),
		};
	request->on_recall(request->data, request->answer.result,
			   kept && kept->key ? &idempotency : NULL, request->answer.error);
}

/* What journal/redis/lua/recall.lua decides. */
static struct journal_request *fake_recall(struct journal *journal,
					   const struct journal_recall *recall,
					   uint64_t deadline_ns, journal_recall_fn on_done,
					   void *data)
{
	struct fake_journal *fake = fake_of(journal);
	struct fake_journal_step said = take_step(fake, FAKE_JOURNAL_RECALL);
	struct request *request = request_new(fake, FAKE_JOURNAL_RECALL, &said, data);
	struct entity *entity = fake_entity_find(fake, &recall->key, true);
	const struct stored *kept = recall->kind == JOURNAL_VALUE
					    ? find_command(entity, recall->command)
					    : fake_stored_at(entity, recall->sequence);

	(void)deadline_ns;
	request->on_recall = on_done;
	request->entity = entity;
	if (said.outcome != FAKE_JOURNAL_AS_IS)
		return &request->base;
	if (kept && memcmp(&kept->command, &recall->command, sizeof(kept->command)) != 0)
		kept = NULL;
	if (entity->is_erased)
		request->answer.result = JOURNAL_ERASED;
	else if (!head_eq(&entity->head, &recall->head) || !kept)
		request->answer.result = JOURNAL_CONFLICT;
	else
		request->kept = kept;
	return &request->base;
}

static struct journal_request *fake_load(struct journal *journal, const struct journal_key *key,
					 uint64_t deadline_ns, const struct journal_load_ops *ops,
					 void *data)
{
	struct fake_journal *fake = fake_of(journal);
	struct fake_journal_step said = take_step(fake, FAKE_JOURNAL_LOAD);
	struct request *request = request_new(fake, FAKE_JOURNAL_LOAD, &said, data);

	(void)deadline_ns;
	request->ops = ops;
	request->entity = fake_entity_find(fake, key, true);
	if (said.outcome == FAKE_JOURNAL_AS_IS && request->entity->is_erased)
		request->answer.result = JOURNAL_ERASED;
	else if (said.outcome == FAKE_JOURNAL_AS_IS && request->entity->is_value)
		refuse_kind(&request->answer, &request->error);
	return &request->base;
}

static void fake_load_next(struct journal_request *base)
{
	struct request *request = request_of(base);

	BUG_ON(request->call != FAKE_JOURNAL_LOAD);
	make_due(fake_of(base->journal), request);
}

static void fake_cancel(struct journal_request *base)
{
	struct request *request = request_of(base);

	if (request->is_in_callback)
		request->is_cancelled = true;
	else
		request_free(request);
}

static void load_head(struct request *request)
{
	struct entity *entity = request->entity;
	struct journal_head head = entity->head;
	struct journal_any snapshot;

	request->next = entity->snapshot_sequence + 1;
	request->last = head.sequence;
	if (entity->snapshot)
		snapshot = fake_stored_any(entity->snapshot);
	request->ops->on_head(request->data, &head, entity->snapshot_sequence,
			      entity->snapshot ? &snapshot : NULL);
}

static void load_page(struct request *request)
{
	struct fake_journal *fake = fake_of(request->base.journal);
	struct journal_event *page = mem_new_array(struct journal_event, fake->page);
	size_t count = 0;

	while (count < fake->page && request->next <= request->last) {
		page[count].sequence = request->next;
		page[count].payload =
			fake_stored_any(fake_stored_at(request->entity, request->next));
		request->next++;
		count++;
	}
	fake->events_loaded += count;
	request->ops->on_events(request->data, page, count);
	mem_free(page);
}

/* One callback. The request waits in the list `waiting` meanwhile, and is gone after the last. */
static void deliver_one(struct fake_journal *fake, struct request *request)
{
	bool is_over = true;

	list_push_back(&fake->waiting, &request->node);
	request->is_in_callback = true;
	if (request->call == FAKE_JOURNAL_GET) {
		deliver_get(request);
	} else if (request->call == FAKE_JOURNAL_APPEND || request->call == FAKE_JOURNAL_PUT) {
		request->on_append(request->data, &request->answer);
	} else if (request->call == FAKE_JOURNAL_VERIFY) {
		request->on_verify(request->data, request->answer.result, request->answer.error);
	} else if (request->call == FAKE_JOURNAL_WINDOW) {
		deliver_window(request);
	} else if (request->call == FAKE_JOURNAL_RECALL) {
		deliver_recall(request);
	} else if (request->answer.result != JOURNAL_OK ||
		   (request->next && request->next > request->last)) {
		request->ops->on_done(request->data, request->answer.result, request->answer.error);
	} else {
		is_over = false;
		if (request->next == 0)
			load_head(request);
		else
			load_page(request);
	}
	request->is_in_callback = false;
	if (is_over || request->is_cancelled)
		request_free(request);
}

size_t fake_journal_deliver(struct fake_journal *fake)
{
	struct list *node;
	size_t count = 0;

	while ((node = list_pop_front(&fake->due))) {
		deliver_one(fake, list_entry(node, struct request, node));
		count++;
	}
	return count;
}

size_t fake_journal_release(struct fake_journal *fake)
{
	size_t count = 0;

	while (!list_is_empty(&fake->held)) {
		make_due(fake, list_entry(fake->held.next, struct request, node));
		count++;
	}
	return count;
}

/* ---- the rest ------------------------------------------------------------------------------- */
static bool fake_is_ready(const struct journal *journal, const char **reason)
{
	*reason = fake_of(journal)->reason;
	return !*reason;
}

static const char *fake_durability(const struct journal *journal)
{
	(void)journal;
	return "memory";
}

static void fake_close(struct journal *journal)
{
	struct fake_journal *fake = fake_of(journal);
	struct list *lists[] = {&fake->due, &fake->held, &fake->waiting};
	struct list *list_node;
	struct map_node *node;

	loop_task_cancel(&fake->task);
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		while (!list_is_empty(lists[i]))
			request_free(list_entry(lists[i]->next, struct request, node));
	}
	for (size_t i = 0; i < FAKE_JOURNAL_CALLS_; i++) {
		while ((list_node = list_pop_front(&fake->steps[i])))
			mem_free(list_entry(list_node, struct step, node));
	}
	while ((node = map_next(&fake->entities, NULL))) {
		struct entity *entity = container_of(node, struct entity, node);

		map_remove(&fake->entities, node);
		entity_clear(entity);
		mem_free(entity->name);
		mem_free(entity);
	}
	map_fini(&fake->entities);
	mem_free(fake);
}

static const struct journal_ops fake_ops = {
	.load = fake_load,
	.load_next = fake_load_next,
	.append = fake_append,
	.get = fake_get,
	.put = fake_put,
	.verify = fake_verify,
	.window = fake_window,
	.recall = fake_recall,
	.cancel = fake_cancel,
	.is_ready = fake_is_ready,
	.durability = fake_durability,
	.close = fake_close,
};

struct fake_journal *fake_journal_new(struct loop *loop)
{
	struct fake_journal *fake = mem_new(struct fake_journal);

	journal_init(&fake->base, &fake_ops);
	fake->loop = loop;
	fake->page = JOURNAL_PAGE_EVENTS;
	loop_task_init(&fake->task, on_task, fake);
	map_init(&fake->entities);
	list_init(&fake->due);
	list_init(&fake->waiting);
	list_init(&fake->held);
	for (size_t i = 0; i < FAKE_JOURNAL_CALLS_; i++)
		list_init(&fake->steps[i]);
	return fake;
}

struct journal *fake_journal_base(struct fake_journal *fake)
{
	return &fake->base;
}

void fake_journal_script(struct fake_journal *fake, enum fake_journal_call call,
			 const struct fake_journal_step *said)
{
	struct step *step = mem_new(struct step);

	step->said = *said;
	list_push_back(&fake->steps[call], &step->node);
}

void fake_journal_put_event(struct fake_journal *fake, const struct journal_key *key,
			    const struct journal_any *event)
{
	entity_add(fake_entity_find(fake, key, true), event, journal_new_id(&fake->base),
		   journal_new_id(&fake->base));
}

void fake_journal_put_snapshot(struct fake_journal *fake, const struct journal_key *key,
			       const struct journal_any *snapshot)
{
	struct entity *entity = fake_entity_find(fake, key, true);

	stored_free(entity->snapshot);
	entity->snapshot = stored_new(snapshot);
	entity->snapshot_sequence = entity->head.sequence;
}

void fake_journal_erase(struct fake_journal *fake, const struct journal_key *key)
{
	struct entity *entity = fake_entity_find(fake, key, true);

	entity_clear(entity);
	entity->is_erased = true;
}

void fake_journal_set_ready(struct fake_journal *fake, const char *reason)
{
	fake->reason = reason;
}

void fake_journal_set_page(struct fake_journal *fake, size_t events)
{
	fake->page = events;
}

void fake_journal_put_state(struct fake_journal *fake, const struct journal_key *key,
			    const struct journal_any *state)
{
	struct journal_put put = {.key = *key, .state = state};

	put.command = journal_new_id(&fake->base);
	entity_put(fake_entity_find(fake, key, true), &put, journal_new_id(&fake->base));
}
