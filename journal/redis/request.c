#include <string.h>

#include "journal/key.h"
#include "journal/redis/connection.h"
#include "journal/redis/internal.h"
#include "journal/redis/slot.h"
#include "journal/redis/tail.h"
#include "src/base/clock.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"

/* Nobody waits for a publication; whoever misses it asks again. */
#define PUBLISH_LIMIT_MS ((uint64_t)2000)
/* LOADING, TRYAGAIN, BUSY: asked again so often. */
#define RETRY_DELAY_MS ((uint64_t)20)
/* Redirections followed at once; the next one waits so long too. */
#define REDIRECTIONS_MAX 4U
/* A caller that asks again from its failure, or by a task of the same turn, hears no sooner: a turn
 * ends, and whatever else the loop has to do goes on. */
#define FAIL_AGAIN_MS ((uint64_t)1)

struct redis_request *redis_request_of_command(struct redis_command *command)
{
	return container_of(command, struct redis_request, command);
}

static struct redis_request *request_of(struct journal_request *request)
{
	return container_of(request, struct redis_request, base);
}

static void show_pending(struct redis_journal *j)
{
	if (j->pending_gauge)
		metrics_set(j->pending_gauge, (int64_t)j->pending);
}

/* ---- life ----------------------------------------------------------------------------------- */
static void on_reply(struct redis_command *command, const struct redisReply *reply);
static void on_deadline(void *data);

struct redis_request *redis_request_new(struct redis_journal *j, enum request_kind kind,
					uint16_t slot, uint64_t deadline_ns, void *data)
{
	struct redis_request *r = mem_new(struct redis_request);

	r->base.journal = &j->base;
	r->kind = kind;
	r->slot = slot;
	r->data = data;
	r->start_ns = clock_mono_ns();
	redis_command_init(&r->command, on_reply);
	list_init(&r->node);
	list_push_back(&j->all, &r->all_node);
	timer_init(&r->deadline, j->loop, on_deadline, r);
	timer_start(&r->deadline, deadline_ns);
	j->pending++;
	show_pending(j);
	r->server = topology_node(j->topology, slot);
	r->server->pending++;
	return r;
}

void redis_request_count(struct redis_request *r)
{
	r->server->pending_bytes += redis_command_len(&r->command);
}

void redis_request_uncount(struct redis_request *r)
{
	r->server->pending_bytes -= redis_command_len(&r->command);
}

static void move_to(struct redis_request *r, struct redis_node *node)
{
	if (r->server == node)
		return;
	redis_request_uncount(r);
	r->server->pending--;
	r->server = node;
	r->server->pending++;
	redis_request_count(r);
}

void redis_request_place(struct redis_request *r)
{
	move_to(r, topology_node(redis_journal_of(r->base.journal)->topology, r->slot));
}

static void set_asking(struct redis_request *r, bool is_asking)
{
	redis_request_uncount(r);
	redis_command_ask(&r->command, is_asking);
	redis_request_count(r);
}

void redis_request_free(struct redis_request *r)
{
	struct redis_journal *j = redis_journal_of(r->base.journal);

	list_remove(&r->node);
	list_remove(&r->all_node);
	timer_stop(&r->deadline);
	j->pending--;
	r->server->pending--;
	redis_request_uncount(r);
	show_pending(j);
	redis_command_fini(&r->command);
	if (r->call && r->call->on_free)
		r->call->on_free(r->data);
	mem_free(r->error);
	mem_free(r->keys);
	mem_free(r);
}

void redis_request_settle(struct redis_request *r)
{
	struct redis_journal *j = redis_journal_of(r->base.journal);

	list_remove(&r->node);
	list_remove(&r->all_node);
	timer_stop(&r->deadline);
	if (list_is_linked(&r->command.node) && !redis_connection_unsend(&r->command)) {
		r->is_orphan = true; /* its reply must still be paired with it */
		list_push_back(&j->orphans, &r->all_node);
	}
}

void redis_request_end(struct redis_request *r)
{
	if (!r->is_orphan)
		redis_request_free(r);
}

/* Inside its own callback a request only loses its caller; whoever called frees it. */
void redis_cancel(struct journal_request *base)
{
	struct redis_request *r = request_of(base);

	redis_request_settle(r);
	if (r->is_in_callback)
		r->is_orphan = true;
	else
		redis_request_end(r);
}

/* ---- going out ------------------------------------------------------------------------------ */
void redis_request_submit(struct redis_request *r)
{
	struct redis_journal *j = redis_journal_of(r->base.journal);

	list_remove(&r->node);
	if (r->call && r->call->on_submit && !r->call->on_submit(r))
		return;
	set_asking(r, false);
	redis_request_place(r);
	if (redis_node_is_ready(r->server)) {
		r->is_sent = true;
		redis_connection_send(r->server->connection, &r->command);
	} else {
		list_push_back(&j->waiting, &r->node);
	}
}

void redis_request_admit(struct redis_request *r)
{
	struct redis_journal *j = redis_journal_of(r->base.journal);
	struct error error;

	redis_request_count(r);
	if (r->error)
		return;
	if ((r->server->pending > j->max_pending ||
	     r->server->pending_bytes > REDIS_PENDING_BYTES_MAX) &&
	    !(r->call && r->call->is_vital)) {
		(void)error_set(&error, ST_RESOURCE_EXHAUSTED,
				"too many requests wait for the journal (%zu)",
				r->server->pending - 1);
		redis_request_fail_later(r, &error);
	} else if (!redis_node_is_ready(r->server) &&
		   loop_now_ns(j->loop) >=
			   clock_deadline(r->server->down_ns, REDIS_DOWN_LIMIT_MS * NS_PER_MS)) {
		(void)error_set(&error, ST_UNAVAILABLE, "the journal is away: %s",
				redis_node_reason(r->server));
		redis_request_fail_later(r, &error);
	} else {
		redis_request_submit(r);
	}
}

void redis_request_lost(struct redis_request *r)
{
	struct redis_journal *j = redis_journal_of(r->base.journal);

	if (r->is_orphan) {
		redis_request_free(r);
		return;
	}
	if (r->command.sent > 0) {
		r->is_maybe_done = true;
		if (j->resends)
			metrics_add(j->resends, 1);
	}
	list_push_back(&j->waiting, &r->node);
}

/* ---- the end -------------------------------------------------------------------------------- */
static void count(struct redis_request *r, enum journal_result result)
{
	struct redis_journal *j = redis_journal_of(r->base.journal);
	uint64_t elapsed_ns = clock_mono_ns() - r->start_ns;

	if (!j->events)
		return;
	if (r->kind == REQUEST_APPEND) {
		metrics_add(j->appends[result], 1);
		metrics_observe_ns(j->append_seconds, elapsed_ns);
	} else if (r->kind == REQUEST_VERIFY) {
		metrics_add(j->verifies[result], 1);
		metrics_observe_ns(j->verify_seconds, elapsed_ns);
	}
}

/* What was acknowledged is remembered; a head that is behind what it was may be a loss. */
static void remember(struct redis_request *r, const struct journal_append_result *result)
{
	struct tail *tail = redis_journal_of(r->base.journal)->tail;
	const struct tail_write write = {r->feed_position, result->head, &r->command.text};

	if (r->feed && result->result == JOURNAL_OK && r->feed_position) {
		redis_request_uncount(r);
		tail_acknowledged(tail, r->feed, &write);
	} else if (r->feed && result->result == JOURNAL_CONFLICT &&
		   result->head.sequence < r->head.sequence) {
		tail_check(tail, r->feed);
	}
}

static void append_done(struct redis_request *r, struct journal_append_result *result)
{
	struct redis_journal *j = redis_journal_of(r->base.journal);

	count(r, result->result);
	if (j->events &&
	    (result->result == JOURNAL_OK || (result->result == JOURNAL_DUP && result->is_mine)))
		metrics_add(j->events, r->event_count);
	remember(r, result);
	redis_request_settle(r);
	r->on_append(r->data, result);
	redis_request_end(r);
}

static void verify_done(struct redis_request *r, enum journal_result result,
			const struct error *error)
{
	count(r, result);
	redis_request_settle(r);
	r->on_verify(r->data, result, error);
	redis_request_end(r);
}

static void get_done(struct redis_request *r, const struct record_head *found,
		     enum journal_result result, const struct error *error)
{
	redis_request_settle(r);
	r->on_get(r->data, result, found ? &found->head : NULL,
		  found && found->has_state ? &found->state : NULL, error);
	redis_request_end(r);
}

void redis_request_fail(struct redis_request *r, const struct error *error)
{
	struct journal_append_result result = {.result = JOURNAL_ERROR, .error = error};
	struct redis_journal *j = redis_journal_of(r->base.journal);

	j->failed_ns = loop_now_ns(j->loop);
	/* Sent and not answered, now or on an earlier connection: it may have happened. */
	result.is_outcome_unknown = r->is_maybe_done || r->command.sent > 0;
	if (r->kind == REQUEST_APPEND)
		append_done(r, &result);
	else if (r->kind == REQUEST_VERIFY)
		verify_done(r, JOURNAL_ERROR, error);
	else if (r->kind == REQUEST_GET)
		get_done(r, NULL, JOURNAL_ERROR, error);
	else if (r->kind == REQUEST_CALL)
		r->call->on_fail(r, error);
	else
		redis_load_done(r, JOURNAL_ERROR, error);
}

void redis_request_fail_later(struct redis_request *r, const struct error *error)
{
	struct redis_journal *j = redis_journal_of(r->base.journal);

	if (!r->error)
		r->error = mem_new(struct error);
	*r->error = *error;
	list_remove(&r->node);
	if (j->failed_ns == loop_now_ns(j->loop)) {
		r->is_failing = true;
		timer_start_in(&r->deadline, FAIL_AGAIN_MS);
		return;
	}
	list_push_back(&j->due, &r->node);
	loop_task_schedule(j->loop, &j->due_task);
}

bool redis_request_is_write(const struct redis_request *r)
{
	return r->kind == REQUEST_APPEND || (r->kind == REQUEST_CALL && r->call->is_write);
}

/* Never decisive: whoever asked must treat the outcome as unknown when it was sent. */
static void on_deadline(void *data)
{
	struct redis_request *r = data;
	struct error error;

	if (r->is_failing)
		error = *r->error;
	else if (redis_node_is_ready(r->server))
		(void)error_set(
			&error, ST_UNAVAILABLE, "the journal did not answer before the deadline%s",
			redis_request_is_write(r) && r->is_sent ? ": the outcome is unknown" : "");
	else
		(void)error_set(&error, ST_UNAVAILABLE,
				"the journal was away until the deadline: %s",
				redis_node_reason(r->server));
	redis_request_fail(r, &error);
}

/* ---- replies -------------------------------------------------------------------------------- */
static void delay(struct redis_request *r)
{
	struct redis_journal *j = redis_journal_of(r->base.journal);

	list_push_back(&j->delayed, &r->node);
	if (!timer_is_set(&j->delay_timer))
		timer_start_in(&j->delay_timer, RETRY_DELAY_MS);
}

/* Servers that disagree would send it to and fro as fast as they can. */
static bool is_chased(struct redis_request *r)
{
	r->redirections = (r->redirections + 1) % (REDIRECTIONS_MAX + 1);
	return r->redirections == 0;
}

static void follow(struct redis_request *r, enum reply_verdict verdict, struct span text)
{
	struct topology *t = redis_journal_of(r->base.journal)->topology;
	struct redis_node *to = NULL;

	if (verdict == REPLY_MOVED)
		topology_moved(t, r->server, text);
	else
		to = topology_asked(t, r->server, text);
	if (is_chased(r) || (verdict == REPLY_ASK && !to)) {
		delay(r);
	} else if (verdict == REPLY_MOVED) {
		redis_request_submit(r);
	} else {
		move_to(r, to);
		set_asking(r, true);
		redis_connection_send(to->connection, &r->command);
	}
}

static void on_error_reply(struct redis_request *r, const struct redisReply *reply)
{
	struct redis_journal *j = redis_journal_of(r->base.journal);
	struct error error;
	struct reply_error what = reply_classify(reply, &error);

	r->command.sent = 0; /* answered: this time it was not executed */
	set_asking(r, false);
	switch (what.verdict) {
	case REPLY_EVAL:
		redis_request_uncount(r);
		redis_command_to_eval(&r->command);
		redis_request_count(r);
		redis_request_submit(r);
		return;
	case REPLY_RETRY:
		topology_doubt(j->topology);
		delay(r);
		return;
	case REPLY_RECONNECT:
		list_push_back(&j->waiting, &r->node);
		topology_demoted(j->topology, r->server, &error);
		return;
	case REPLY_MOVED:
	case REPLY_ASK:
		if (!topology_is_cluster(j->topology))
			break;
		follow(r, what.verdict, reply_error_text(reply));
		return;
	case REPLY_FAIL:
		break;
	}
	if (what.health != REPLY_FINE)
		redis_journal_alarm(j, &error, what.health == REPLY_SICK, r->slot);
	redis_request_fail(r, &error);
}

/* What our own script or the stored bytes should never be. */
void redis_call_bad_reply(struct redis_request *r, const struct error *error)
{
	redis_journal_alarm(redis_journal_of(r->base.journal), error, false, r->slot);
	redis_request_fail(r, error);
}

static void append_reply(struct redis_request *r, const struct redisReply *reply)
{
	struct journal_append_result result;
	struct error error;

	if (reply_append(reply, &r->tag, &result, &error) == ST_OK) {
		r->feed_position = reply_append_position(reply);
		append_done(r, &result);
		return;
	}
	/* Of another kind: so it was whenever the command may have been executed. */
	if (error.status == ST_FAILED_PRECONDITION) {
		r->command.sent = 0;
		r->is_maybe_done = false;
	}
	redis_call_bad_reply(r, &error);
}

static void verify_reply(struct redis_request *r, const struct redisReply *reply)
{
	struct record_head now;
	struct error error;

	if (reply_head(reply, true, &now, &error) != ST_OK)
		redis_call_bad_reply(r, &error);
	else if (now.is_erased)
		verify_done(r, JOURNAL_ERASED, NULL);
	else if (now.head.sequence != r->head.sequence ||
		 memcmp(&now.head.tag, &r->head.tag, sizeof(now.head.tag)) != 0)
		verify_done(r, JOURNAL_CONFLICT, NULL);
	else
		verify_done(r, JOURNAL_OK, NULL);
}

static void get_reply(struct redis_request *r, const struct redisReply *reply)
{
	struct record_head found;
	struct error error;
	enum status st = reply_head(reply, false, &found, &error);

	if (st == ST_OK && !found.is_erased && !found.is_value && found.head.sequence > 0)
		st = error_set(&error, ST_FAILED_PRECONDITION, "%s", REPLY_OTHER_KIND);
	if (st != ST_OK)
		redis_call_bad_reply(r, &error);
	else if (found.is_erased)
		get_done(r, NULL, JOURNAL_ERASED, NULL);
	else
		get_done(r, &found, JOURNAL_OK, NULL);
}

static bool is_short(const struct redis_request *r)
{
	return r->command.is_ack_wanted &&
	       r->command.acks < (long long)redis_journal_of(r->base.journal)->replicas_ack;
}

void redis_journal_short(struct redis_journal *j, long long acks, unsigned slot, struct error *err)
{
	if (acks < 0)
		(void)error_set(err, ST_UNAVAILABLE, "redis refused to wait for replicas");
	else
		(void)error_set(err, ST_UNAVAILABLE,
				"%lld of %u replicas had it within %llu ms: the outcome is unknown",
				acks, j->replicas_ack, (unsigned long long)j->ack_timeout_ms);
	if (j->short_acks)
		metrics_add(j->short_acks, 1);
	redis_journal_alarm(j, err, true, slot);
}

/* It is in the primary; whether it survives that, nobody knows. Not an acknowledgement. */
static void on_short(struct redis_request *r)
{
	struct error error;

	redis_journal_short(redis_journal_of(r->base.journal), r->command.acks, r->slot, &error);
	redis_request_fail(r, &error);
}

static void on_reply(struct redis_command *command, const struct redisReply *reply)
{
	struct redis_request *r = redis_request_of_command(command);

	if (r->is_orphan)
		redis_request_free(r);
	else if (reply_is_error(reply))
		on_error_reply(r, reply);
	else if (is_short(r))
		on_short(r);
	else if (r->kind == REQUEST_APPEND)
		append_reply(r, reply);
	else if (r->kind == REQUEST_VERIFY)
		verify_reply(r, reply);
	else if (r->kind == REQUEST_GET)
		get_reply(r, reply);
	else if (r->kind == REQUEST_CALL)
		r->call->on_reply(r, reply);
	else
		redis_load_reply(r, reply);
}

/* ---- append and verify ---------------------------------------------------------------------- */
static enum status check_kept(const struct journal_idempotency *kept, struct error *err)
{
	if (!kept)
		return ST_OK;
	if (kept->key.len == 0 || kept->key.len > JOURNAL_KEY_MAX)
		return error_set(err, ST_INVALID_ARGUMENT,
				 "the idempotency key has %zu bytes; 1 to %zu may be",
				 kept->key.len, JOURNAL_KEY_MAX);
	if (kept->reply.len > JOURNAL_REPLY_MAX)
		return error_set(err, ST_RESOURCE_EXHAUSTED,
				 "the reply to be kept has %zu bytes; at most %zu may be",
				 kept->reply.len, JOURNAL_REPLY_MAX);
	return ST_OK;
}

static enum status check_append(const struct journal_append *append, struct error *err)
{
	size_t bytes = 0;

	if (append->event_count == 0 || append->event_count > JOURNAL_EVENTS_MAX)
		return error_set(err, ST_RESOURCE_EXHAUSTED, "%zu events at once; 1 to %zu may be",
				 append->event_count, JOURNAL_EVENTS_MAX);
	if (append->expected.sequence > JOURNAL_SEQUENCE_MAX - append->event_count)
		return error_set(err, ST_OUT_OF_RANGE, "the entity has too many events");
	/* Each is a message that is in memory: the sum does not overflow. */
	for (size_t i = 0; i < append->event_count; i++)
		bytes += append->events[i].type_url.len + append->events[i].value.len;
	if (append->snapshot)
		bytes += append->snapshot->type_url.len + append->snapshot->value.len;
	if (bytes > JOURNAL_APPEND_BYTES_MAX)
		return error_set(err, ST_RESOURCE_EXHAUSTED,
				 "events and snapshot have %zu bytes; at most %zu may be", bytes,
				 JOURNAL_APPEND_BYTES_MAX);
	return check_kept(append->idempotency, err);
}

struct journal_request *redis_append(struct journal *journal, const struct journal_append *append,
				     uint64_t deadline_ns, journal_append_fn on_done, void *data)
{
	struct redis_journal *j = redis_journal_of(journal);
	struct key_names names;
	struct error error;
	enum status st = key_render(j->namespace_text, &append->key, &names, &error);
	struct redis_request *r = redis_request_new(
		j, REQUEST_APPEND, slot_of_partition(names.partition), deadline_ns, data);

	r->on_append = on_done;
	r->head = append->expected;
	r->tag = append->tag;
	r->event_count = append->event_count;
	if (st == ST_OK)
		st = check_append(append, &error);
	if (st == ST_OK) {
		r->feed = tail_feed(j->tail, names.partition, append->key.type);
		redis_command_append(&r->command, &names, append, clock_wall_ms());
	} else {
		redis_request_fail_later(r, &error);
	}
	redis_request_admit(r);
	return &r->base;
}

static enum status check_put(const struct journal_put *put, struct error *err)
{
	size_t bytes = put->state ? put->state->type_url.len + put->state->value.len : 0;

	if (put->expected.sequence >= JOURNAL_SEQUENCE_MAX)
		return error_set(err, ST_OUT_OF_RANGE, "the entity was written too often");
	if (bytes > JOURNAL_APPEND_BYTES_MAX)
		return error_set(err, ST_RESOURCE_EXHAUSTED,
				 "the state has %zu bytes; at most %zu may be", bytes,
				 JOURNAL_APPEND_BYTES_MAX);
	return check_kept(put->idempotency, err);
}

struct journal_request *redis_put(struct journal *journal, const struct journal_put *put,
				  uint64_t deadline_ns, journal_append_fn on_done, void *data)
{
	struct redis_journal *j = redis_journal_of(journal);
	struct key_names names;
	struct error error;
	enum status st = key_render(j->namespace_text, &put->key, &names, &error);
	struct redis_request *r = redis_request_new(
		j, REQUEST_APPEND, slot_of_partition(names.partition), deadline_ns, data);

	r->on_append = on_done;
	r->head = put->expected;
	r->tag = put->tag;
	if (st == ST_OK)
		st = check_put(put, &error);
	if (st == ST_OK) {
		r->feed = tail_feed(j->tail, names.partition, put->key.type);
		redis_command_put(&r->command, &names, put);
	} else {
		redis_request_fail_later(r, &error);
	}
	redis_request_admit(r);
	return &r->base;
}

void redis_request_ask_head(struct redis_request *r, unsigned partition, struct span head_key)
{
	struct redis_journal *j = redis_journal_of(r->base.journal);
	const struct key_part part = {partition, "w", SPAN_LIT("claim")};
	struct key_part_name claim;
	struct error ignored;

	if (j->replicas_ack == 0) {
		redis_command_head(&r->command, head_key, false);
		return;
	}
	BUG_ON(key_render_part(j->namespace_text, &part, &claim, &ignored) != ST_OK);
	redis_command_claim(&r->command, head_key, claim.key, j->base.incarnation);
}

struct journal_request *redis_get(struct journal *journal, const struct journal_key *key,
				  uint64_t deadline_ns, journal_get_fn on_done, void *data)
{
	struct redis_journal *j = redis_journal_of(journal);
	struct key_names names;
	struct error error;
	enum status st = key_render(j->namespace_text, key, &names, &error);
	struct redis_request *r = redis_request_new(
		j, REQUEST_GET, slot_of_partition(names.partition), deadline_ns, data);

	r->on_get = on_done;
	if (st == ST_OK)
		redis_request_ask_head(r, names.partition, names.head);
	else
		redis_request_fail_later(r, &error);
	redis_request_admit(r);
	return &r->base;
}

/* A plain HMGET: 0.1 us of Redis where a script takes 1.3, and the three fields tell all. A replica
 * would answer it too; the greeting's write keeps us off replicas. */
struct journal_request *redis_verify(struct journal *journal, const struct journal_key *key,
				     const struct journal_head *head, uint64_t deadline_ns,
				     journal_verify_fn on_done, void *data)
{
	struct redis_journal *j = redis_journal_of(journal);
	struct key_names names;
	struct error error;
	enum status st = key_render(j->namespace_text, key, &names, &error);
	struct redis_request *r = redis_request_new(
		j, REQUEST_VERIFY, slot_of_partition(names.partition), deadline_ns, data);

	r->on_verify = on_done;
	r->head = *head;
	if (st == ST_OK)
		redis_command_head(&r->command, names.head, true);
	else
		redis_request_fail_later(r, &error);
	redis_request_admit(r);
	return &r->base;
}

/* ---- calls ---------------------------------------------------------------------------------- */
struct redis_request *redis_call_new(struct redis_journal *j, const struct redis_call_ops *ops,
				     uint16_t slot, uint64_t deadline_ns, void *data)
{
	struct redis_request *r = redis_request_new(j, REQUEST_CALL, slot, deadline_ns, data);

	r->call = ops;
	return r;
}

void redis_call_hold(struct redis_request *r)
{
	redis_request_uncount(r);
	redis_command_fini(&r->command);
}

static void on_published(struct redis_request *r, const struct redisReply *reply)
{
	(void)reply; /* how many heard it */
	redis_request_settle(r);
	redis_request_end(r);
}

static void on_not_published(struct redis_request *r, const struct error *error)
{
	(void)error; /* who waits for it will ask again */
	redis_request_settle(r);
	redis_request_end(r);
}

void redis_call_publish(struct redis_journal *j, const char *channel, const char *text)
{
	static const struct redis_call_ops ops = {
		.on_reply = on_published,
		.on_fail = on_not_published,
	};
	const char *words[] = {"PUBLISH", channel, text, NULL};
	struct redis_request *r =
		redis_call_new(j, &ops, SLOT_ANY,
			       clock_deadline(clock_mono_ns(), PUBLISH_LIMIT_MS * NS_PER_MS), NULL);

	redis_command_words(&r->command, words);
	redis_request_admit(r);
}
