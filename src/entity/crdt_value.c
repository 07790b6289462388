#include <stdio.h>
#include <string.h>

#include "journal/members.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/entity/crdt_entity.h"

/* The value of one entity at this member, between the function and the log:
 *
 *    function --update--> crdt_apply --delta--> crdt_log_append
 *    function <--delta--- crdt_tell  <--state-- crdt_merge <--- crdt_log_read
 *
 * What is appended here comes back with the next read; that does no harm, for merging is
 * idempotent, and so positions need no arithmetic. */

/* A log that could not be read is tried again after that long. */
#define READ_AGAIN_MS 1000

/* A value that names so many replicas more than there are members is written anew. Each takes some
 * dozens of bytes, in the log and in every member; writing anew makes all of them read again. */
#define REPLICAS_SPARE ((size_t)8)

/* Causes in logs. */
#define CRDT_DETAIL_MAX 512

static struct journal_key key_of(const struct crdt_entity *entity)
{
	return (struct journal_key){
		.type = entity_member_type(&entity->member),
		.id = entity_member_id(&entity->member),
	};
}

static uint64_t deadline_in(const struct crdt_entity *entity, uint64_t wait_ms)
{
	return clock_deadline(loop_now_ns(entity->table->set.loop), wait_ms * NS_PER_MS);
}

/* ---- acknowledgements ----------------------------------------------------------------------- */

static void drop_acks(struct crdt_entity *entity)
{
	struct list *node;

	while ((node = list_pop_front(&entity->acks)))
		mem_free(list_entry(node, struct crdt_ack, node));
}

/* Others wait for it (write consistency ALL). is_all: there is nothing more to read. */
static void send_acks(struct crdt_entity *entity, bool is_all)
{
	list_for_each_safe (node, &entity->acks) {
		struct crdt_ack *ack = list_entry(node, struct crdt_ack, node);

		if (ack->position > entity->position || (ack->position == 0 && !is_all))
			continue;
		crdt_log_ack(entity->table->log, ack->ack);
		list_remove(&ack->node);
		mem_free(ack);
	}
}

static void on_news(void *data, uint64_t position, uint64_t number)
{
	struct crdt_entity *entity = data;
	struct crdt_table *table = entity->table;
	struct crdt_ack *ack;

	if (number) {
		/* bounded by what other members write at once and wait for */
		ack = mem_new(struct crdt_ack);
		list_init(&ack->node);
		ack->ack = number;
		ack->position = position;
		list_push_back(&entity->acks, &ack->node);
	}
	crdt_entity_run_type(entity, CRDT_EV_NEWS);
	entity_set_deliver(&table->set);
}

/* ---- compaction and repair ------------------------------------------------------------------ */

static void on_compacted(void *data, const struct crdt_log_result *result)
{
	struct crdt_entity *entity = data;

	struct crdt_table *table = entity->table;

	entity->compaction = NULL;
	if (result->result != JOURNAL_OK)
		return; /* the next one does it */
	entity->deltas_since = 0;
	entity->delta_bytes_since = 0;
	if (!entity->is_collapsing)
		return;
	/* the value here is one of before, as it is everywhere */
	crdt_entity_run_type(entity, CRDT_EV_NEWS);
	entity_set_deliver(&table->set);
}

static void count_compaction(const struct crdt_entity *entity)
{
	struct metrics_label label = {"entity_name", entity_member_type(&entity->member)};

	if (entity->table->set.metrics)
		metrics_add(metrics_series(entity->table->set.metrics, METRIC_CRDT_COMPACTIONS,
					   &label, 1),
			    1);
}

static bool is_compaction_due(const struct crdt_entity *entity)
{
	const struct crdt_limits *limits = &entity->table->limits;
	size_t state = crdt_bytes(entity->crdt);
	size_t enough = state > limits->compact_bytes_min ? state : limits->compact_bytes_min;

	return entity->deltas_since >= limits->compact_deltas ||
	       entity->delta_bytes_since >= enough;
}

/* Written anew when that gets rid of enough replicas. Whether they are gone for good need not be
 * known: who is there and writes is named again. */
static bool put_collapsed(struct crdt_entity *entity, struct buf *state)
{
	size_t before = crdt_replica_count(entity->crdt);
	size_t after;

	if (before <= crdt_table_members(entity->table).count + REPLICAS_SPARE)
		return false;
	if (crdt_put_collapsed(entity->crdt, state, &after) && before - after > REPLICAS_SPARE)
		return true;
	buf_reset(state);
	return false;
}

static uint64_t draw_generation(void)
{
	uint64_t generation;

	hash_random(&generation, sizeof(generation));
	return generation == CRDT_LOG_FIRST ? 1 : generation;
}

/* Just after a read that brought everything, for the position is the one of that read. What is
 * still being written is in the state too; should it fail, it is as if its outcome were unknown. */
static void compact_if_due(struct crdt_entity *entity)
{
	struct crdt_table *table = entity->table;
	struct journal_key key = key_of(entity);
	struct crdt_log_merged merged = {.place = {entity->position, entity->generation},
					 .next = entity->generation};
	bool is_due = is_compaction_due(entity);
	struct buf state;

	if (entity->compaction || !list_is_empty(&entity->writes) || entity->next ||
	    !(is_due || entity->is_fresh))
		return;
	entity->is_fresh = false;
	buf_init(&state, CRDT_LOG_STATE_MAX);
	entity->is_collapsing = put_collapsed(entity, &state);
	if (entity->is_collapsing)
		merged.next = draw_generation();
	if (entity->is_collapsing || (is_due && crdt_put_state(entity->crdt, &state))) {
		count_compaction(entity);
		merged.state = buf_span(&state);
		entity->compaction =
			crdt_log_compact(table->log, &key, &merged,
					 deadline_in(entity, table->limits.journal_timeout_ms),
					 on_compacted, entity);
	}
	buf_fini(&state);
}

static void on_repaired(void *data, const struct crdt_log_result *result)
{
	struct crdt_entity *entity = data;

	(void)result; /* the next change of ours, or another loss, tries again */
	entity->repair = NULL;
}

/* The journal lost what it once had; we still have it. */
static void repair(struct crdt_entity *entity)
{
	struct crdt_table *table = entity->table;
	struct journal_key key = key_of(entity);
	struct buf state;

	if (entity->repair || entity->next)
		return;
	buf_init(&state, CRDT_LOG_DELTA_MAX);
	if (crdt_put_state(entity->crdt, &state)) {
		const struct crdt_log_delta delta = {.bytes = buf_span(&state),
						     .generation = entity->generation};

		entity->repair = crdt_log_append(
			table->log, &key, &delta,
			deadline_in(entity, table->limits.journal_timeout_ms), on_repaired, entity);
	}
	buf_fini(&state);
}

/* ---- reading -------------------------------------------------------------------------------- */

/* From the beginning, the order of the log decides between kinds: what does not fit what stands
 * before it counts for nobody. */
static bool merge_one(struct crdt_entity *entity, struct span bytes, struct error *err)
{
	enum status status = crdt_merge(entity->next ? entity->next : entity->crdt, bytes, err);

	if (status == ST_FAILED_PRECONDITION &&
	    (entity->next || entity->fsm.state == CRDT_STARTING)) {
		LOG_LIMITED(WARN, CRDT_INCOMPATIBLE,
			    LOG_SPAN("entity_name", entity_member_type(&entity->member)),
			    LOG_SPAN("entity_id", entity_member_id(&entity->member)),
			    LOG_STR("reason", err->message));
		return true;
	}
	return status == ST_OK;
}

static bool merge_all(struct crdt_entity *entity, const struct crdt_log_content *content,
		      struct error *err)
{
	if (content->state.data) {
		entity->deltas_since = 0;
		entity->delta_bytes_since = 0;
		if (!merge_one(entity, content->state, err))
			return false;
	}
	for (size_t i = 0; i < content->delta_count; i++) {
		entity->delta_bytes_since += content->deltas[i].len;
		if (!merge_one(entity, content->deltas[i], err))
			return false;
	}
	entity->deltas_since += content->delta_count;
	return true;
}

static void take_content(struct crdt_entity *entity, const struct crdt_log_content *content,
			 struct crdt_event *event)
{
	struct error *err = &entity->table->error;

	if (content->is_anew)
		crdt_rebase_begin(entity, content->generation);
	if (!merge_all(entity, content, err)) {
		event->type =
			entity->fsm.state == CRDT_STARTING ? CRDT_EV_READ_ERROR : CRDT_EV_MERGE_BAD;
		event->code = err->status;
		event->text = err->message;
		return;
	}
	event->is_news = content->state.data || content->delta_count > 0;
	event->is_more = content->is_more;
	entity->position = content->position;
	if (!content->is_more)
		crdt_rebase_read(entity);
	if (entity->is_adopted && !content->is_more) {
		event->is_news = true;
		entity->is_adopted = false;
	}
	if (content->is_lost)
		repair(entity);
	if (!content->is_more && !entity->fsm.is_read_due)
		compact_if_due(entity);
	if (!entity->next)
		send_acks(entity, !content->is_more && !entity->fsm.is_read_due);
}

static void on_read(void *data, const struct crdt_log_content *content)
{
	struct crdt_entity *entity = data;
	struct crdt_table *table = entity->table;
	struct crdt_event event = {.type = CRDT_EV_READ_DONE};
	char text[CRDT_DETAIL_MAX];

	entity->read = NULL;
	if (content->result == JOURNAL_OK) {
		take_content(entity, content, &event);
	} else if (content->result == JOURNAL_ERASED) {
		event.type = CRDT_EV_READ_ERASED;
	} else {
		event.type = CRDT_EV_READ_ERROR;
		event.code = content->error && content->error->status ? content->error->status
								      : ST_UNAVAILABLE;
		(void)snprintf(text, sizeof(text), "The CRDT could not be read: %.460s",
			       content->error ? content->error->message : "");
		event.text = text;
		crdt_rebase_fail(entity);
	}
	crdt_entity_run(entity, &event);
	entity_set_deliver(&table->set);
}

void crdt_value_read(struct crdt_entity *entity)
{
	struct crdt_table *table = entity->table;
	struct journal_key key = key_of(entity);

	entity->read = crdt_log_read(
		table->log, &key, (struct crdt_log_place){entity->position, entity->generation},
		deadline_in(entity, table->limits.journal_timeout_ms), on_read, entity);
}

void crdt_value_load(struct crdt_entity *entity)
{
	struct crdt_table *table = entity->table;
	struct journal_key key = key_of(entity);

	crdt_value_drop(entity);
	entity->crdt = crdt_new(span_from_str(members_address(table->members)));
	entity->position = 0;
	entity->generation = CRDT_LOG_FIRST;
	entity->is_fresh = true;
	entity->deltas_since = 0;
	entity->delta_bytes_since = 0;
	entity->watch = crdt_log_watch(table->log, &key, on_news, entity);
	crdt_value_read(entity);
}

void crdt_value_cancel_read(struct crdt_entity *entity)
{
	journal_cancel(entity->read);
	entity->read = NULL;
}

void crdt_value_read_later(struct crdt_entity *entity)
{
	timer_start_in(&entity->news_timer, READ_AGAIN_MS);
}

/* ---- changes -------------------------------------------------------------------------------- */

static void count_write(const struct crdt_write *write, const struct crdt_log_result *result)
{
	struct crdt_table *table = write->entity->table;
	struct metrics_label label = {"result", result->result == JOURNAL_OK ? SPAN_LIT("ok")
						: result->result == JOURNAL_ERASED
							? SPAN_LIT("deleted")
							: SPAN_LIT("error")};

	if (!table->set.metrics)
		return;
	metrics_add(metrics_series(table->set.metrics, METRIC_CRDT_WRITES, &label, 1), 1);
	metrics_observe_ns(metrics_series(table->set.metrics, METRIC_CRDT_WRITE_SECONDS, NULL, 0),
			   loop_now_ns(table->set.loop) - write->start_ns);
}

/* The log may be compacted without anybody else's news: what we wrote is read once in a while. */
static void note_written(struct crdt_entity *entity, const struct crdt_write *write)
{
	struct crdt_event news = {.type = CRDT_EV_NEWS};

	if (!entity->crdt || write->is_delete)
		return;
	entity->deltas_since++;
	entity->delta_bytes_since += write->len;
	if (!entity->compaction && list_is_empty(&entity->writes) && is_compaction_due(entity))
		crdt_entity_run(entity, &news);
}

void crdt_value_on_written(void *data, const struct crdt_log_result *result)
{
	struct crdt_write *write = data;
	struct crdt_entity *entity = write->entity;
	struct crdt_table *table = entity->table;
	struct crdt_item *item = write->item;
	struct crdt_event event = {.type = CRDT_EV_WRITE_OK, .is_delete = write->is_delete};

	if (result->result == JOURNAL_CONFLICT && crdt_rebase_hold(entity, write, result))
		return;
	count_write(write, result);
	crdt_rebase_look(entity);
	list_remove(&write->node);
	if (item)
		item->write = NULL;
	if (item && item->ticket)
		event.call = &item->ticket->call;
	if (result->result == JOURNAL_OK) {
		crdt_outbox_flush(entity);
		note_written(entity, write);
	} else {
		event.type = result->result == JOURNAL_ERASED ? CRDT_EV_WRITE_ERASED
							      : CRDT_EV_WRITE_ERROR;
		event.text = result->error ? result->error->message : NULL;
		if (item && !item->ticket)
			crdt_outbox_remove(entity, item);
	}
	buf_fini(&write->kept);
	mem_free(write);
	crdt_entity_run(entity, &event);
	entity_set_deliver(&table->set);
}

static struct crdt_write *write_new(struct crdt_entity *entity, struct crdt_item *item)
{
	struct crdt_write *write = mem_new(struct crdt_write);

	list_init(&write->node);
	list_push_back(&entity->writes, &write->node);
	write->entity = entity;
	write->item = item;
	write->start_ns = loop_now_ns(entity->table->set.loop);
	write->decided = JOURNAL_CONFLICT;
	buf_init(&write->kept, 0); /* it gets the item's */
	item->write = write;
	return write;
}

static void follow_with(struct crdt_follow *follow, enum crdt_event_type type,
			struct crdt_fsm_call *call, const struct error *err)
{
	struct crdt_event *event = &follow->events[follow->count++];

	BUG_ON(follow->count > CRDT_FOLLOW_MAX);
	*event = (struct crdt_event){.type = type, .call = call};
	if (!err)
		return;
	/* a function that errs has no code of its own (ruling R3) */
	event->code = err->status == ST_RESOURCE_EXHAUSTED ? err->status : ST_UNKNOWN;
	event->text = err->message;
}

/* The delta that stands in table->delta. */
void crdt_value_append(struct crdt_entity *entity, struct crdt_write *write)
{
	struct crdt_table *table = entity->table;
	struct journal_key key = key_of(entity);
	const struct crdt_log_delta delta = {.bytes = buf_span(&table->delta),
					     .generation = entity->generation,
					     .wants_all = write->wants_all};

	write->len = delta.bytes.len;
	write->request = crdt_log_append(table->log, &key, &delta, write->deadline_ns,
					 crdt_value_on_written, write);
}

static void update(struct crdt_entity *entity, struct crdt_item *item, struct crdt_follow *follow)
{
	struct crdt_table *table = entity->table;
	struct crdt_fsm_call *call = item->ticket ? &item->ticket->call : NULL;
	const struct crdt_out *out = &item->out;
	uint64_t wait_ms =
		out->wants_all ? table->limits.all_timeout_ms : table->limits.journal_timeout_ms;
	struct crdt_write *write;

	buf_reset(&table->delta);
	if (crdt_apply(entity->crdt, out->update, clock_wall_ms(), &table->delta, &table->error) !=
	    ST_OK) {
		crdt_outbox_remove(entity, item);
		follow_with(follow, CRDT_EV_APPLY_BAD, call, &table->error);
		return;
	}
	if (buf_len(&table->delta) == 0) {
		follow_with(follow, CRDT_EV_WRITE_OK, call, NULL);
		return;
	}
	write = write_new(entity, item);
	write->deadline_ns = deadline_in(entity, wait_ms);
	write->wants_all = out->wants_all;
	write->update = out->update;
	if (entity->is_rebasing)
		write->is_stale = true;
	else
		crdt_value_append(entity, write);
}

void crdt_value_change(struct crdt_entity *entity, const struct crdt_act *act,
		       struct crdt_follow *follow)
{
	struct crdt_table *table = entity->table;
	struct crdt_item *item = entity->message;
	struct journal_key key = key_of(entity);
	struct crdt_write *write;
	uint64_t wait_ms;

	entity->message = NULL;
	item->ticket = act->call ? container_of(act->call, struct crdt_ticket, call) : NULL;
	item->is_last = act->is_last;
	crdt_outbox_push(entity, item);
	if (act->type == CRDT_ACT_WRITE) {
		update(entity, item, follow);
		return;
	}
	wait_ms = item->out.wants_all ? table->limits.all_timeout_ms
				      : table->limits.journal_timeout_ms;
	write = write_new(entity, item);
	write->is_delete = true;
	write->request =
		crdt_log_delete(table->log, &key, item->out.wants_all, deadline_in(entity, wait_ms),
				crdt_value_on_written, write);
}

/* ---- telling the function ------------------------------------------------------------------- */

enum status crdt_value_put(struct crdt_entity *entity, bool is_init, bool *ret_has_delta,
			   struct error *err)
{
	struct crdt_table *table = entity->table;
	struct crdt_members members = crdt_table_members(table);
	enum status status;
	bool is_news = true;

	buf_reset(&table->delta);
	*ret_has_delta = false;
	if (!entity->crdt)
		return ST_OK; /* init before a delete */
	status = is_init ? crdt_put_init(entity->crdt, &members, &table->delta, err)
			 : crdt_tell(entity->crdt, &members, &table->delta, &is_news, err);
	if (status != ST_OK)
		return status;
	*ret_has_delta = is_news && (!is_init || crdt_kind(entity->crdt) != CRDT_NONE);
	return ST_OK;
}

bool crdt_value_counts_members(const struct crdt_entity *entity)
{
	enum crdt_kind kind = entity->crdt ? crdt_kind(entity->crdt) : CRDT_NONE;

	return kind == CRDT_VOTE || kind == CRDT_ORMAP;
}

/* ---- the end -------------------------------------------------------------------------------- */

void crdt_value_drop(struct crdt_entity *entity)
{
	crdt_value_cancel_read(entity);
	timer_stop(&entity->news_timer);
	crdt_log_unwatch(entity->watch);
	entity->watch = NULL;
	drop_acks(entity);
	journal_cancel(entity->compaction);
	entity->compaction = NULL;
	journal_cancel(entity->repair);
	entity->repair = NULL;
	crdt_free(entity->crdt);
	entity->crdt = NULL;
	crdt_rebase_drop(entity);
}

void crdt_value_fini(struct crdt_entity *entity)
{
	crdt_value_drop(entity);
	crdt_rebase_fini(entity);
	while (!list_is_empty(&entity->writes)) {
		struct crdt_write *write = list_entry(entity->writes.next, struct crdt_write, node);

		journal_cancel(write->request);
		if (write->item)
			write->item->write = NULL;
		list_remove(&write->node);
		buf_fini(&write->kept);
		mem_free(write);
	}
}
