/* States:
 *
 *   STOPPED --start--> CONNECTING --on_connected--> GREETING --all is well--> READY
 *      ^                   |                           |                        |
 *      |                   +------------ broke, refused, silent ---------------+
 *     stop                                 v
 *                 CONNECTING <--timer-- WAITING
 *
 * Commands: unsent_ -> (bytes handed to the stream) -> in_flight_ -> reply. */
#include "journal/redis/connection.h"

#include <stdio.h>
#include <string.h>

#include "journal/redis/greeting.h"
#include "journal/redis/resp.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/mem.h"
#include "src/runtime/loop.h"
#include "src/runtime/stream.h"
#include "src/runtime/timer.h"

/* After a refusal that only a person can change (wrong password, another journal): no storm. */
#define SLOW_RETRY_MS ((uint64_t)1000)

enum state { STOPPED, CONNECTING, GREETING, READY, WAITING };

struct redis_connection {
	struct loop *loop;
	struct redis_url url;
	char *namespace_text;
	struct redis_connection_params params;
	const struct redis_connection_ops *ops;
	void *data;
	enum state state;
	struct stream *stream;
	struct resp *resp;
	struct greeting greeting;
	struct list unsent;
	struct list in_flight;
	size_t in_flight_count;
	struct timer reply_timer; /* something is due */
	struct timer retry_timer;
	uint64_t heard_ns; /* when bytes arrived last */
	uint64_t backoff_ms;
	unsigned attempt; /* counts streams: a callback may end one and open the next */
	char seen[GREETING_CREATED_MAX];
	const char *durability;
	struct error reason;
};

static void enter(struct redis_connection *c, enum state state)
{
	static const unsigned allowed[] = {
		[STOPPED] = 1U << CONNECTING,
		[CONNECTING] = 1U << GREETING | 1U << WAITING | 1U << STOPPED,
		[GREETING] = 1U << READY | 1U << WAITING | 1U << STOPPED,
		[READY] = 1U << WAITING | 1U << STOPPED,
		[WAITING] = 1U << CONNECTING | 1U << STOPPED,
	};

	BUG_ON(!(allowed[c->state] & 1U << state));
	c->state = state;
}

/* ---- the end of a connection ---------------------------------------------------------------- */
static uint64_t next_backoff(struct redis_connection *c)
{
	uint64_t wait = c->backoff_ms;
	uint16_t random;

	c->backoff_ms = wait * 2 < c->params.backoff_max_ms ? wait * 2 : c->params.backoff_max_ms;
	hash_random(&random, sizeof(random));
	return wait / 2 + wait / 2 * random / UINT16_MAX;
}

static void let_go(struct redis_connection *c)
{
	stream_close(c->stream);
	c->stream = NULL;
	resp_free(c->resp);
	c->resp = NULL;
	timer_stop(&c->reply_timer);
	timer_stop(&c->retry_timer);
	greeting_fini(&c->greeting);
}

/* to: WAITING or STOPPED. The callback comes last: it may stop or free nothing, but send. */
static void end(struct redis_connection *c, enum state to, bool is_slow, const struct error *why)
{
	bool was_ready = c->state == READY;
	struct list lost = LIST_INIT(lost);

	let_go(c);
	c->reason = *why;
	enter(c, to);
	if (to == WAITING)
		timer_start_in(&c->retry_timer, is_slow ? SLOW_RETRY_MS : next_backoff(c));
	list_splice_back(&lost, &c->in_flight);
	c->in_flight_count = 0;
	list_splice_back(&lost, &c->unsent);
	if (was_ready)
		c->ops->on_lost(c->data, &lost, why);
	else
		c->ops->on_refused(c->data, why);
	BUG_ON(!list_is_empty(&lost));
}

static bool is_open(const struct redis_connection *c)
{
	return c->state == CONNECTING || c->state == GREETING || c->state == READY;
}

void redis_connection_drop(struct redis_connection *c, const struct error *why)
{
	if (is_open(c))
		end(c, WAITING, false, why);
}

void redis_connection_stop(struct redis_connection *c, const struct error *why)
{
	if (c->state != STOPPED)
		end(c, STOPPED, false, why);
}

/* ---- sending -------------------------------------------------------------------------------- */
/* The command whose reply is due first, partly sent ones included; NULL when none is. */
static struct redis_command *awaited(struct redis_connection *c)
{
	struct redis_command *command;

	if (!list_is_empty(&c->in_flight))
		return list_entry(c->in_flight.next, struct redis_command, node);
	if (list_is_empty(&c->unsent))
		return NULL;
	command = list_entry(c->unsent.next, struct redis_command, node);
	return command->sent > 0 ? command : NULL;
}

/* A server that works through a long queue is alive: what counts is silence. */
static uint64_t reply_deadline(const struct redis_connection *c,
			       const struct redis_command *command)
{
	uint64_t from_ns = command->sent_ns > c->heard_ns ? command->sent_ns : c->heard_ns;

	return clock_deadline(from_ns, c->params.command_timeout_ms * NS_PER_MS);
}

/* One timer for all: it looks again when it fires, instead of being moved with every reply. */
static void arm_reply_timer(struct redis_connection *c)
{
	struct redis_command *command = awaited(c);

	if (command && !timer_is_set(&c->reply_timer))
		timer_start(&c->reply_timer, reply_deadline(c, command));
}

/* A large command goes out in slices, so that it never asks more of the stream than it takes. */
static void on_produce(void *data, struct buf *out)
{
	struct redis_connection *c = data;

	while (!list_is_empty(&c->unsent) && buf_len(out) < STREAM_CHUNK_BYTES &&
	       c->in_flight_count < c->params.pipeline_max) {
		struct redis_command *command =
			list_entry(c->unsent.next, struct redis_command, node);
		size_t room = STREAM_CHUNK_BYTES - buf_len(out);
		struct span slice =
			span_head(span_skip(buf_span(&command->text), command->sent), room);

		if (!buf_append(out, slice))
			break; /* asked again when there is room */
		command->sent += slice.len;
		command->sent_ns = loop_now_ns(c->loop);
		if (command->sent < redis_command_len(command))
			break;
		list_remove(&command->node);
		list_push_back(&c->in_flight, &command->node);
		c->in_flight_count++;
	}
	arm_reply_timer(c);
}

static void give(struct redis_connection *c, struct redis_command *command)
{
	command->sent = 0;
	list_push_back(&c->unsent, &command->node);
	stream_want_write(c->stream);
}

void redis_connection_send(struct redis_connection *c, struct redis_command *command)
{
	BUG_ON(c->state != READY);
	give(c, command);
}

bool redis_connection_unsend(struct redis_connection *c, struct redis_command *command)
{
	(void)c;
	if (!list_is_linked(&command->node) || command->sent > 0)
		return false;
	list_remove(&command->node);
	return true;
}

static void on_reply_timer(void *data)
{
	struct redis_connection *c = data;
	struct redis_command *command = awaited(c);
	struct error error;

	if (!command)
		return;
	if (loop_now_ns(c->loop) < reply_deadline(c, command)) {
		arm_reply_timer(c);
		return;
	}
	(void)error_set(&error, ST_UNAVAILABLE, "redis did not answer within %llu ms",
			(unsigned long long)c->params.command_timeout_ms);
	redis_connection_drop(c, &error);
}

/* ---- greeting ------------------------------------------------------------------------------- */
static void send_greeting(struct redis_connection *c)
{
	struct list *node;

	while ((node = list_pop_front(&c->greeting.to_send)))
		give(c, list_entry(node, struct redis_command, node));
}

static void check_greeting(struct redis_connection *c)
{
	struct error why;

	if (c->greeting.state == GREETING_FAILED) {
		why = c->greeting.error;
		end(c, WAITING, c->greeting.is_slow, &why);
	} else if (c->greeting.state == GREETING_DONE) {
		c->durability = c->greeting.durability;
		if (!c->params.is_loss_expected)
			memcpy(c->seen, c->greeting.created, sizeof(c->seen));
		c->backoff_ms = c->params.backoff_min_ms;
		greeting_fini(&c->greeting);
		enter(c, READY);
		c->ops->on_ready(c->data);
	} else {
		send_greeting(c);
	}
}

static void on_connected(void *data)
{
	struct redis_connection *c = data;

	enter(c, GREETING);
	c->heard_ns = loop_now_ns(c->loop);
	greeting_start(&c->greeting, &c->url, c->namespace_text, c->seen, c->params.is_guest);
	send_greeting(c);
}

/* ---- receiving ------------------------------------------------------------------------------ */
static void take_reply(struct redis_connection *c, struct redisReply *reply)
{
	struct list *node = list_pop_front(&c->in_flight);
	struct redis_command *command = list_entry(node, struct redis_command, node);

	c->in_flight_count--;
	if (!list_is_empty(&c->unsent))
		stream_want_write(c->stream);
	command->on_reply(command, reply);
	if (c->state == GREETING)
		check_greeting(c);
}

static void read_replies(struct redis_connection *c)
{
	struct redisReply *reply = NULL;
	unsigned attempt = c->attempt;
	enum parse_result result = PARSE_DONE;
	struct error error;

	/* Callbacks may drop the connection, or stop it and start the next one. */
	while (result == PARSE_DONE && c->attempt == attempt && is_open(c)) {
		result = resp_next(c->resp, &reply, &error);
		if (result == PARSE_DONE && list_is_empty(&c->in_flight)) {
			(void)error_set(&error, ST_DATA_LOSS,
					"redis sent a reply nobody asked for");
			result = PARSE_BAD;
		} else if (result == PARSE_DONE) {
			take_reply(c, reply);
		}
		if (result == PARSE_BAD)
			redis_connection_drop(c, &error);
		resp_reply_free(reply);
		reply = NULL;
	}
}

static void on_read(void *data, struct span bytes)
{
	struct redis_connection *c = data;

	c->heard_ns = loop_now_ns(c->loop);
	resp_feed(c->resp, bytes);
	read_replies(c);
}

static void on_closed(void *data, const struct error *error)
{
	struct redis_connection *c = data;
	struct error why = *error;

	c->stream = NULL;
	if (why.status == ST_OK)
		(void)error_set(&why, ST_UNAVAILABLE, "redis closed the connection");
	end(c, WAITING, false, &why);
}

/* ---- opening -------------------------------------------------------------------------------- */
static const struct stream_ops stream_ops = {
	.on_connected = on_connected,
	.on_read = on_read,
	.on_produce = on_produce,
	.on_closed = on_closed,
};

static void open_stream(void *data)
{
	struct redis_connection *c = data;
	uint64_t now = loop_now_ns(c->loop);

	enter(c, CONNECTING);
	c->attempt++;
	c->resp = resp_new(RESP_REPLY_BYTES_MAX);
	c->stream = stream_connect(c->loop, &c->url.address,
				   clock_deadline(now, c->params.command_timeout_ms * NS_PER_MS),
				   &stream_ops, c);
}

void redis_connection_start(struct redis_connection *c)
{
	if (c->state != STOPPED)
		return;
	c->backoff_ms = c->params.backoff_min_ms;
	open_stream(c);
}

struct redis_connection *redis_connection_new(struct loop *loop,
					      const struct redis_connection_params *params,
					      const struct redis_connection_ops *ops, void *data)
{
	struct redis_connection *c = mem_new(struct redis_connection);
	char address[128];

	c->loop = loop;
	c->url = *params->url;
	c->params = *params;
	c->params.url = NULL;
	c->params.namespace_text = NULL;
	c->namespace_text = mem_strdup(params->namespace_text);
	c->ops = ops;
	c->data = data;
	c->durability = "unknown";
	list_init(&c->unsent);
	list_init(&c->in_flight);
	timer_init(&c->reply_timer, loop, on_reply_timer, c);
	timer_init(&c->retry_timer, loop, open_stream, c);
	address_print(&c->url.address, address, sizeof(address));
	(void)error_set(&c->reason, ST_UNAVAILABLE, "connecting to redis at %s", address);
	return c;
}

void redis_connection_free(struct redis_connection *c)
{
	if (!c)
		return;
	let_go(c);
	while (list_pop_front(&c->in_flight) || list_pop_front(&c->unsent))
		continue;
	mem_free(c->namespace_text);
	mem_free(c);
}

bool redis_connection_is_ready(const struct redis_connection *c)
{
	return c->state == READY;
}

const char *redis_connection_reason(const struct redis_connection *c)
{
	return c->reason.message;
}

const char *redis_connection_durability(const struct redis_connection *c)
{
	return c->durability;
}
