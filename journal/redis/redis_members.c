/* One heartbeat is under way at any time, or the timer of the next one runs. A heartbeat that
 * cannot go out waits with the connection, so the first thing a new connection does is tell the
 * others. */
#include "journal/redis/redis_members.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "journal/key.h"
#include "journal/members.h"
#include "journal/redis/internal.h"
#include "journal/redis/slot.h"
#include "src/base/clock.h"
#include "src/base/hash.h"
#include "src/base/log.h"
#include "src/base/metrics.h"
#include "src/base/text.h"

/* "address|incarnation|state" */
#define INCARNATION_DIGITS 16
#define ENTRY_TAIL (1 + INCARNATION_DIGITS + 2)

#define STATES (MEMBER_LEAVING + 1)

struct redis_members {
	struct members base;
	struct loop *loop;
	struct redis_journal *journal;
	char *address;
	char *members_key;
	char *version_key;
	bool is_sole;
	redis_members_change_fn on_change;
	redis_members_change_fn on_answer; /* NULL: nobody waits */
	void *data;
	redis_members_change_fn on_heard;
	void *heard_data;
	struct loop_task change_task;

	enum member_state state; /* ours, as it shall be */
	bool is_told;		 /* and as the others read it */
	struct error why;	 /* it is not told */

	struct journal_request *beat; /* NULL: the timer runs */
	enum member_state beat_state;
	bool is_again; /* another one right after it */
	uint64_t asked;
	uint64_t heard;
	uint64_t tried; /* at least heard: the last question that is over */
	struct timer timer;

	struct member *view;
	char *texts; /* the view's addresses */
	size_t count;
	uint64_t version;

	members_left_fn on_left; /* we are leaving */
	void *left_data;
	struct metrics_series *counts[STATES];
};

static struct redis_members *members_of(const struct members *members)
{
	return container_of(members, struct redis_members, base);
}

static void note_change(struct redis_members *m)
{
	loop_task_schedule(m->loop, &m->change_task);
}

static void on_change_task(void *data)
{
	struct redis_members *m = data;

	m->on_change(m->data);
}

static void set_told(struct redis_members *m, bool is_told, const struct error *why)
{
	bool is_news =
		m->is_told != is_told || (!is_told && strcmp(m->why.message, why->message) != 0);

	m->is_told = is_told;
	if (why)
		m->why = *why;
	if (is_news)
		note_change(m);
}

/* ---- the view ------------------------------------------------------------------------------- */
static void show_counts(struct redis_members *m)
{
	int64_t counts[STATES] = {0};

	for (size_t i = 0; i < m->count; i++)
		counts[m->view[i].state]++;
	for (size_t i = 0; m->counts[0] && i < STATES; i++)
		metrics_set(m->counts[i], counts[i]);
}

static bool hex_to_u64(struct span text, uint64_t *ret_value)
{
	uint64_t value = 0;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.data[i];

		if (c >= '0' && c <= '9')
			value = value << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*ret_value = value;
	return text.len == INCARNATION_DIGITS;
}

/* Copies the address to *at, which moves on. False for what is none of ours. */
static bool read_entry(struct span entry, struct member *member, char **at)
{
	size_t len = entry.len > ENTRY_TAIL ? entry.len - ENTRY_TAIL : 0;
	uint8_t state;

	if (len == 0 || len >= MEMBER_ADDRESS_MAX || entry.data[len] != '|' ||
	    entry.data[len + 1 + INCARNATION_DIGITS] != '|' || memchr(entry.data, 0, entry.len) ||
	    !hex_to_u64(span_make(entry.data + len + 1, INCARNATION_DIGITS), &member->incarnation))
		return false;
	state = entry.data[entry.len - 1];
	if (state < '0' || state > '0' + MEMBER_LEAVING)
		return false;
	member->state = (enum member_state)(state - '0');
	member->address = *at;
	memcpy(*at, entry.data, len);
	(*at)[len] = 0;
	*at += len + 1;
	return true;
}

static int by_address(const void *a, const void *b)
{
	return strcmp(((const struct member *)a)->address, ((const struct member *)b)->address);
}

static void take_view(struct redis_members *m, const redisReply *entries)
{
	/* One beyond the most: whoever is refused still reads the others. */
	size_t max = entries->elements < MEMBERS_MAX ? entries->elements : MEMBERS_MAX;
	struct member *view = mem_new_array(struct member, max + 1);
	char *texts = mem_new_array(char, max *MEMBER_ADDRESS_MAX + 1);
	char *at = texts;
	size_t count = 0;

	for (size_t i = 0; i < entries->elements && count < max; i++)
		count += read_entry(reply_text(entries->element[i]), &view[count], &at);
	qsort(view, count, sizeof(*view), by_address);
	mem_free(m->view);
	mem_free(m->texts);
	m->view = view;
	m->texts = texts;
	m->count = count;
	show_counts(m);
	LOG(INFO, MEMBERS, LOG_UINT("members", count), LOG_UINT("version", m->version));
	note_change(m);
}

/* ---- heartbeats ----------------------------------------------------------------------------- */
static void beat_now(struct redis_members *m);

static void left(struct redis_members *m)
{
	members_left_fn on_left = m->on_left;

	timer_stop(&m->timer);
	m->on_left = NULL;
	if (on_left)
		on_left(m->left_data);
}

static void beat_later(struct redis_members *m)
{
	uint8_t random;

	hash_random(&random, sizeof(random));
	/* Minus a fifth to plus a fifth, so that members do not march in step. */
	timer_start_in(&m->timer, MEMBERS_HEARTBEAT_MS * 4 / 5 +
					  MEMBERS_HEARTBEAT_MS * 2 / 5 * random / UINT8_MAX);
}

/* A heartbeat is answered, or came to nothing. */
static void after_beat(struct redis_members *m)
{
	bool is_again = m->is_again;

	m->is_again = false;
	if (is_again)
		beat_now(m);
	else
		beat_later(m);
}

static void take_result(struct redis_members *m, struct span result)
{
	struct error why;

	if (span_eq_str(result, "BUSY"))
		(void)error_set(&why, ST_ALREADY_EXISTS,
				"another gateway lives under the address %s (peer.address)",
				m->address);
	else if (span_eq_str(result, "FULL"))
		(void)error_set(&why, ST_RESOURCE_EXHAUSTED,
				"there are %zu gateways in this namespace already", MEMBERS_MAX);
	else if (m->beat_state == m->state)
		(void)error_set(&why, ST_OK, "told");
	else
		return; /* the next one is on its way */
	set_told(m, why.status == ST_OK, &why);
}

static bool is_answer(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_ARRAY && reply->elements == 3 &&
	       (reply->element[2]->type == REDIS_REPLY_ARRAY ||
		reply->element[2]->type == REDIS_REPLY_NIL);
}

static void on_beat_reply(struct redis_request *r, const struct redisReply *reply)
{
	struct redis_members *m = r->data;
	struct error error;
	uint64_t version;

	if (!is_answer(reply) || !text_to_u64(reply_text(reply->element[1]), &version)) {
		(void)error_set(&error, ST_INTERNAL, "the members script answered no members");
		redis_call_bad_reply(r, &error);
		return;
	}
	redis_request_settle(r);
	m->beat = NULL;
	m->heard = m->asked;
	m->version = version;
	if (reply->element[2]->type == REDIS_REPLY_ARRAY)
		take_view(m, reply->element[2]);
	take_result(m, reply_text(reply->element[0]));
	after_beat(m);
	redis_request_end(r);
	m->tried = m->heard;
	if (m->on_answer)
		m->on_answer(m->data);
	if (m->on_heard)
		m->on_heard(m->heard_data);
}

/* The view stays; the others may have forgotten us. */
static void on_beat_failed(struct redis_request *r, const struct error *error)
{
	struct redis_members *m = r->data;
	struct error why;

	redis_request_settle(r);
	m->beat = NULL;
	(void)error_set(&why, ST_UNAVAILABLE, "the others may not know of us: %s", error->message);
	set_told(m, false, &why);
	m->tried = m->asked;
	after_beat(m);
	redis_request_end(r);
	if (m->on_answer)
		m->on_answer(m->data);
}

static void on_leave_reply(struct redis_request *r, const struct redisReply *reply)
{
	struct redis_members *m = r->data;

	(void)reply; /* whatever it was: more cannot be done */
	redis_request_settle(r);
	m->beat = NULL;
	redis_request_end(r);
	left(m);
}

static void on_leave_failed(struct redis_request *r, const struct error *error)
{
	(void)error;
	on_leave_reply(r, NULL);
}

static void send_beat(struct redis_members *m, const struct redis_call_ops *ops, uint64_t limit_ms,
		      struct span state)
{
	char incarnation[INCARNATION_DIGITS + 1];
	char ttl[TEXT_U64_DIGITS];
	char max[TEXT_U64_DIGITS];
	char version[TEXT_U64_DIGITS];
	const struct span keys[] = {span_from_str(m->members_key), span_from_str(m->version_key)};
	struct redis_request *r =
		redis_call_new(m->journal, ops, slot_of_key(keys[0]),
			       clock_deadline(clock_mono_ns(), limit_ms * NS_PER_MS), m);
	struct span args[] = {
		span_from_str(m->address),
		SPAN_EMPTY,
		state,
		text_from_u64(MEMBERS_TTL_MS, ttl),
		text_from_u64(MEMBERS_MAX, max),
		text_from_u64(m->view ? m->version : 0, version),
		m->is_sole ? SPAN_LIT("1") : SPAN_LIT(""),
	};

	(void)snprintf(incarnation, sizeof(incarnation), "%016" PRIx64,
		       m->journal->base.incarnation);
	args[1] = span_from_str(incarnation);
	redis_command_script(&r->command, REDIS_SCRIPT_MEMBERS, keys, 2, args,
			     sizeof(args) / sizeof(*args));
	m->beat = &r->base;
	redis_request_admit(r);
}

static void beat_now(struct redis_members *m)
{
	static const struct redis_call_ops ops = {
		.is_vital = true,
		.on_reply = on_beat_reply,
		.on_fail = on_beat_failed,
	};
	char state = (char)('0' + m->state);

	if (m->on_left)
		return;
	if (m->beat) {
		m->is_again = true;
		return;
	}
	timer_stop(&m->timer);
	m->asked++;
	m->beat_state = m->state;
	send_beat(m, &ops, MEMBERS_TTL_MS, span_make(&state, 1));
}

static void on_timer(void *data)
{
	struct redis_members *m = data;

	if (!m->on_left) {
		beat_now(m);
		return;
	}
	journal_cancel(m->beat);
	m->beat = NULL;
	left(m);
}

uint64_t redis_members_ask(struct members *members)
{
	struct redis_members *m = members_of(members);

	beat_now(m);
	return m->asked + m->is_again;
}

uint64_t redis_members_heard(const struct members *members)
{
	return members_of(members)->heard;
}

void redis_members_listen(struct members *members, redis_members_change_fn on_heard, void *data)
{
	struct redis_members *m = members_of(members);

	m->on_heard = on_heard;
	m->heard_data = data;
}

/* ---- what is asked of us -------------------------------------------------------------------- */
static void set_state(struct members *members, enum member_state state)
{
	struct redis_members *m = members_of(members);
	struct error why;

	if (m->state == state)
		return;
	m->state = state;
	(void)error_set(&why, ST_UNAVAILABLE, "the others are being told");
	set_told(m, false, &why);
	beat_now(m);
}

static bool is_settled(const struct members *members, const char **reason)
{
	const struct redis_members *m = members_of(members);

	*reason = m->is_told ? NULL : m->why.message;
	return m->is_told;
}

static const struct member *view(const struct members *members, size_t *ret_count,
				 uint64_t *ret_version)
{
	const struct redis_members *m = members_of(members);

	*ret_count = m->count;
	*ret_version = m->version;
	return m->view;
}

static uint64_t tried(const struct members *members)
{
	return members_of(members)->tried;
}

static const char *address(const struct members *members)
{
	return members_of(members)->address;
}

static void leave(struct members *members, members_left_fn on_left, void *data)
{
	static const struct redis_call_ops ops = {
		.is_vital = true,
		.on_reply = on_leave_reply,
		.on_fail = on_leave_failed,
	};
	struct redis_members *m = members_of(members);

	BUG_ON(m->on_left);
	m->on_left = on_left;
	m->left_data = data;
	m->is_again = false;
	/* One that is under way is before us on the same connection. */
	journal_cancel(m->beat);
	send_beat(m, &ops, 2 * MEMBERS_LEAVE_MS, SPAN_LIT(""));
	timer_start_in(&m->timer, MEMBERS_LEAVE_MS);
}

/* ---- opening and closing -------------------------------------------------------------------- */
static void redis_members_close(struct members *members)
{
	struct redis_members *m = members_of(members);

	journal_cancel(m->beat);
	timer_stop(&m->timer);
	loop_task_cancel(&m->change_task);
	mem_free(m->view);
	mem_free(m->texts);
	mem_free(m->members_key);
	mem_free(m->version_key);
	mem_free(m->address);
	mem_free(m);
}

static const struct members_ops redis_members_ops = {
	.set_state = set_state,
	.is_settled = is_settled,
	.view = view,
	.ask = redis_members_ask,
	.heard = tried,
	.address = address,
	.leave = leave,
	.close = redis_members_close,
};

static enum status check_address(struct span text, struct error *err)
{
	if (text.len == 0 || text.len >= MEMBER_ADDRESS_MAX)
		return error_set(err, ST_INVALID_ARGUMENT,
				 "an address has 1 to %zu bytes, this one has %zu",
				 MEMBER_ADDRESS_MAX - 1, text.len);
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] <= ' ' || text.data[i] > '~' || text.data[i] == '|')
			return error_set(err, ST_INVALID_ARGUMENT,
					 "an address has printable characters only, no '|'");
	}
	return ST_OK;
}

static void make_metrics(struct redis_members *m, struct metrics *metrics)
{
	static const char *const names[STATES] = {"starting", "up", "leaving"};

	for (size_t i = 0; i < STATES; i++) {
		const struct metrics_label label = {"state", span_from_str(names[i])};

		m->counts[i] = metrics_series(metrics, METRIC_MEMBERS, &label, 1);
	}
}

enum status redis_members_open(struct loop *loop, struct journal *journal,
			       const struct redis_members_params *params,
			       struct members **ret_members, struct error *err)
{
	struct redis_members *m;
	char key[KEY_TEXT_MAX];

	if (check_address(span_from_str(params->address), err) != ST_OK)
		return err->status;
	m = mem_new(struct redis_members);
	m->base.ops = &redis_members_ops;
	m->loop = loop;
	m->journal = redis_journal_of(journal);
	m->address = mem_strdup(params->address);
	(void)snprintf(key, sizeof(key), KEY_PREFIX "%s:{m}:members", m->journal->namespace_text);
	m->members_key = mem_strdup(key);
	(void)snprintf(key, sizeof(key), KEY_PREFIX "%s:{m}:ver", m->journal->namespace_text);
	m->version_key = mem_strdup(key);
	m->is_sole = params->is_sole;
	m->on_change = params->on_change;
	m->on_answer = params->on_answer;
	m->data = params->data;
	loop_task_init(&m->change_task, on_change_task, m);
	timer_init(&m->timer, loop, on_timer, m);
	(void)error_set(&m->why, ST_UNAVAILABLE, "the others do not know of us yet");
	if (params->metrics)
		make_metrics(m, params->metrics);
	beat_now(m);
	*ret_members = &m->base;
	return ST_OK;
}
