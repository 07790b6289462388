#include "tests/fakes/log_member.h"

#include <stdio.h>
#include <string.h>

#include "journal/redis/redis_crdt_log.h"
#include "journal/redis/redis_journal.h"
#include "journal/redis/redis_members.h"
#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/mem.h"
#include "src/base/metrics.h"
#include "src/runtime/loop.h"
#include "tests/fakes/journal_client.h"

#define LIMIT_NS (15 * NS_PER_S)
#define READ_MS ((uint64_t)5000)
#define STATE_MAX ((size_t)16 * 1024 * 1024)

/* ---- members -------------------------------------------------------------------------------- */
static void on_nothing(void *data)
{
	(void)data;
}

static void on_change(void *data)
{
	((struct log_member *)data)->changes++;
}

void log_member_open(struct log_member *member, struct loop *loop, const char *url,
		     const char *address)
{
	struct redis_journal_params params = journal_client_params();
	struct redis_members_params members = {.address = address};
	struct error err;

	memset(member, 0, sizeof(*member));
	member->loop = loop;
	member->metrics = metrics_new();
	params.url = url;
	params.command_timeout_ms = 2000; /* a large state takes its time to a disk */
	params.metrics = member->metrics;
	members.metrics = member->metrics;
	members.on_change = on_change;
	members.data = member;
	BUG_ON(redis_journal_open(loop, &params, on_nothing, NULL, &member->journal, &err) !=
	       ST_OK);
	BUG_ON(redis_members_open(loop, member->journal, &members, &member->members, &err) !=
	       ST_OK);
	member->log = redis_crdt_log_open(loop, member->journal, member->members, member->metrics,
					  on_nothing, NULL);
}

static bool is_up(void *data)
{
	struct log_member *member = data;
	const char *reason;

	return members_is_settled(member->members, &reason) &&
	       redis_crdt_log_is_ready(member->log, &reason);
}

void log_member_up(struct log_member *member)
{
	members_set_state(member->members, MEMBER_UP);
	BUG_ON(!loop_run_until(member->loop, is_up, member, clock_mono_ns() + LIMIT_NS));
}

void log_member_close(struct log_member *member)
{
	crdt_log_close(member->log);
	members_close(member->members);
	journal_close(member->journal);
	metrics_free(member->metrics);
	memset(member, 0, sizeof(*member));
}

const char *log_member_view(const struct log_member *member)
{
	static const char *const states[] = {"starting", "up", "leaving"};
	static char text[1024];
	uint64_t version;
	size_t count;
	const struct member *view = members_view(member->members, &count, &version);
	size_t used = 0;

	text[0] = 0;
	for (size_t i = 0; i < count && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s %s", i ? ", " : "",
					 view[i].address, states[view[i].state]);
	return text;
}

struct sight {
	struct log_member *member;
	const char *view;
};

static bool is_seen(void *data)
{
	struct sight *sight = data;

	return strcmp(log_member_view(sight->member), sight->view) == 0;
}

bool log_member_sees(struct log_member *member, const char *view)
{
	struct sight sight = {member, view};

	return loop_run_until(member->loop, is_seen, &sight, clock_mono_ns() + 5 * NS_PER_S);
}

/* ---- replicas ------------------------------------------------------------------------------- */
static struct journal_key key_of(const char *id)
{
	return (struct journal_key){SPAN_LIT("chat"), span_from_str(id)};
}

bool log_replica_has(const struct log_replica *replica, const char *word)
{
	for (size_t i = 0; i < replica->count; i++) {
		if (strcmp(replica->words[i], word) == 0)
			return true;
	}
	return false;
}

void log_replica_add(struct log_replica *replica, struct span word)
{
	char *copy = mem_strndup(word.data, word.len);

	BUG_ON(replica->count == LOG_WORDS_MAX);
	if (word.len == 0 || log_replica_has(replica, copy))
		mem_free(copy);
	else
		replica->words[replica->count++] = copy;
}

static void add_all(struct log_replica *replica, struct span state)
{
	while (state.len) {
		size_t len = span_find(state, ' ');

		log_replica_add(replica, span_head(state, len));
		state = span_skip(state, len + 1);
	}
}

static void after_read(struct log_replica *replica, bool is_more)
{
	if (is_more || replica->is_again) {
		replica->is_again = false;
		log_replica_read(replica);
		return;
	}
	for (size_t i = 0; i < replica->ack_count; i++)
		crdt_log_ack(replica->member->log, replica->acks[i]);
	replica->ack_count = 0;
}

static void forget_words(struct log_replica *replica)
{
	while (replica->count > 0)
		mem_free(replica->words[--replica->count]);
}

static void on_read(void *data, const struct crdt_log_content *content)
{
	struct log_replica *replica = data;

	replica->reading = NULL;
	replica->is_erased = content->result == JOURNAL_ERASED;
	replica->failures += content->result == JOURNAL_ERROR; /* news will come */
	if (content->result != JOURNAL_OK) {
		after_read(replica, false);
		return;
	}
	replica->losses += content->is_lost;
	BUG_ON(!content->is_anew && content->position < replica->position);
	replica->generation = content->generation;
	if (content->is_anew)
		forget_words(replica);
	add_all(replica, content->state);
	for (size_t i = 0; i < content->delta_count; i++)
		log_replica_add(replica, content->deltas[i]);
	replica->position = content->position;
	after_read(replica, content->is_more);
}

void log_replica_read(struct log_replica *replica)
{
	struct journal_key key = key_of(replica->id);

	if (replica->reading) {
		replica->is_again = true;
		return;
	}
	replica->reading =
		crdt_log_read(replica->member->log, &key,
			      (struct crdt_log_place){replica->position, replica->generation},
			      clock_mono_ns() + READ_MS * NS_PER_MS, on_read, replica);
}

static void on_news(void *data, uint64_t position, uint64_t ack)
{
	struct log_replica *replica = data;

	replica->news++;
	replica->unknown_news += position == 0;
	if (ack) {
		BUG_ON(replica->ack_count == LOG_ACKS_MAX);
		replica->acks[replica->ack_count++] = ack;
	}
	if (!replica->is_deaf)
		log_replica_read(replica);
}

void log_replica_open(struct log_replica *replica, struct log_member *member, const char *id)
{
	struct journal_key key = key_of(id);

	memset(replica, 0, sizeof(*replica));
	replica->member = member;
	(void)snprintf(replica->id, sizeof(replica->id), "%s", id);
	replica->watch = crdt_log_watch(member->log, &key, on_news, replica);
	log_replica_read(replica);
}

void log_replica_close(struct log_replica *replica)
{
	if (!replica->member)
		return;
	journal_cancel(replica->reading);
	crdt_log_unwatch(replica->watch);
	forget_words(replica);
	memset(replica, 0, sizeof(*replica));
}

char *log_replica_state(const struct log_replica *replica)
{
	struct buf text;
	char *copy;

	buf_init(&text, STATE_MAX);
	for (size_t i = 0; i < replica->count; i++) {
		if (i)
			(void)buf_append_byte(&text, ' ');
		BUG_ON(!buf_append_str(&text, replica->words[i]));
	}
	copy = mem_strndup(buf_len(&text) ? (const char *)buf_span(&text).data : "",
			   buf_len(&text));
	buf_fini(&text);
	return copy;
}

struct want {
	const struct log_replica *replica;
	size_t count;
};

static bool has_words(void *data)
{
	const struct want *want = data;

	return want->replica->count >= want->count;
}

bool log_replica_wait(struct log_replica *replica, size_t count)
{
	struct want want = {replica, count};

	return loop_run_until(replica->member->loop, has_words, &want,
			      clock_mono_ns() + 10 * NS_PER_S);
}

struct generation_want {
	const struct log_replica *replica;
	uint64_t generation;
};

static bool is_of_generation(void *data)
{
	const struct generation_want *want = data;

	return want->replica->generation == want->generation && !want->replica->reading;
}

bool log_until_generation(struct log_replica *replica, uint64_t generation)
{
	struct generation_want want = {replica, generation};

	return loop_run_until(replica->member->loop, is_of_generation, &want,
			      clock_mono_ns() + 10 * NS_PER_S);
}

/* ---- requests ------------------------------------------------------------------------------- */
static void on_done(void *data, const struct crdt_log_result *result)
{
	struct log_answer *answer = data;

	answer->request = NULL;
	answer->calls++;
	answer->result = result->result;
	answer->position = result->position;
	answer->is_durable = result->is_durable;
	answer->is_unknown = result->is_outcome_unknown;
	if (result->error)
		answer->error = *result->error;
	answer->is_done = true;
}

static uint64_t begin(struct log_answer *answer, uint64_t timeout_ms)
{
	memset(answer, 0, sizeof(*answer));
	return clock_mono_ns() + timeout_ms * NS_PER_MS;
}

void log_append(struct log_member *member, struct log_answer *answer, const char *id,
		const char *word, bool wants_all, uint64_t timeout_ms)
{
	uint64_t deadline = begin(answer, timeout_ms);
	struct journal_key key = key_of(id);

	const struct crdt_log_delta delta = {span_from_str(word), member->generation, wants_all};

	answer->request = crdt_log_append(member->log, &key, &delta, deadline, on_done, answer);
}

void log_delete(struct log_member *member, struct log_answer *answer, const char *id,
		bool wants_all, uint64_t timeout_ms)
{
	uint64_t deadline = begin(answer, timeout_ms);
	struct journal_key key = key_of(id);

	answer->request = crdt_log_delete(member->log, &key, wants_all, deadline, on_done, answer);
}

void log_compact(struct log_member *member, struct log_answer *answer, const char *id,
		 struct span state, uint64_t position, uint64_t timeout_ms)
{
	uint64_t deadline = begin(answer, timeout_ms);
	struct journal_key key = key_of(id);

	const struct crdt_log_merged merged = {state,
					       {position, member->generation},
					       member->next ? member->next : member->generation};

	answer->request = crdt_log_compact(member->log, &key, &merged, deadline, on_done, answer);
}

static bool is_set(void *data)
{
	return *(const bool *)data;
}

bool log_until(struct loop *loop, const bool *flag)
{
	return loop_run_until(loop, is_set, (void *)flag, clock_mono_ns() + LIMIT_NS);
}

bool log_wait(struct log_member *member, struct log_answer *answer)
{
	return log_until(member->loop, &answer->is_done);
}
