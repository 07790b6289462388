/* States, above those of the link:
 *
 *   DOWN --on_open--> GREETING --all is well--> READY
 *    ^                   |                        |
 *    +---------- broke, refused, silent, stopped -+
 *
 * Commands: unsent -> (bytes handed to the stream) -> in_flight -> [held until WAIT's] reply. */
#include "journal/redis/connection.h"

#include <stdio.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "journal/redis/greeting.h"
#include "journal/redis/link.h"
#include "journal/redis/resp.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/runtime/loop.h"
#include "src/runtime/stream.h"
#include "src/runtime/timer.h"

enum state { DOWN, GREETING, READY };

struct redis_connection {
	struct loop *loop;
	const struct redis_url *url;
	char *namespace_text;
	struct redis_connection_params params;
	const struct redis_connection_ops *ops;
	void *data;
	enum state state;
	struct link link;
	struct greeting greeting;
	struct list unsent;
	struct list in_flight;
	size_t in_flight_count;
	struct list held;	   /* answered; the WAIT behind them is not */
	struct redis_command wait; /* in flight: nothing is sent */
	bool is_wait_due;	   /* something was sent that wants one */
	struct timer reply_timer;  /* something is due */
	uint64_t heard_ns;	   /* when bytes arrived last */
	char seen[GREETING_CREATED_MAX];
	const char *durability;
	struct error reason;
};

static void enter(struct redis_connection *c, enum state state)
{
	static const unsigned allowed[] = {
		[DOWN] = 1U << GREETING | 1U << DOWN,
		[GREETING] = 1U << READY | 1U << DOWN,
		[READY] = 1U << DOWN,
	};

	BUG_ON(!(allowed[c->state] & 1U << state));
	c->state = state;
}

/* ---- the end of a connection ---------------------------------------------------------------- */
static void let_go(struct redis_connection *c)
{
	timer_stop(&c->reply_timer);
	greeting_fini(&c->greeting);
}

static void release(struct redis_command *command)
{
	resp_reply_free(command->kept_);
	command->kept_ = NULL;
}

/* In the order they were given; but the one whose reply was too large is the first. */
static void gather_lost(struct redis_connection *c, struct list *lost, bool is_too_large)
{
	list_remove(&c->wait.node);
	c->is_wait_due = false;
	list_for_each (node, &c->held)
		release(list_entry(node, struct redis_command, node));
	if (!is_too_large)
		list_splice_back(lost, &c->held);
	list_splice_back(lost, &c->in_flight);
	list_splice_back(lost, &c->held);
	list_splice_back(lost, &c->unsent);
	c->in_flight_count = 0;
}

/* The callback comes last: it may stop or free nothing, but send. */
static void on_down(void *data, const struct error *why)
{
	struct redis_connection *c = data;
	bool was_ready = c->state == READY;
	struct list lost = LIST_INIT(lost);

	let_go(c);
	c->reason = *why;
	enter(c, DOWN);
	gather_lost(c, &lost, why->status == ST_OUT_OF_RANGE);
	if (was_ready)
		c->ops->on_lost(c->data, &lost, why);
	else
		c->ops->on_refused(c->data, why);
	BUG_ON(!list_is_empty(&lost));
}

void redis_connection_drop(struct redis_connection *c, const struct error *why)
{
	link_drop(&c->link, false, why);
}

void redis_connection_stop(struct redis_connection *c, const struct error *why)
{
	if (c->link.state == LINK_STOPPED)
		return;
	link_stop(&c->link);
	on_down(c, why);
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

/* Behind the last command that went out whole. */
static void say_wait(struct redis_connection *c, struct buf *out)
{
	bool is_between = list_is_empty(&c->unsent) ||
			  list_entry(c->unsent.next, struct redis_command, node)->sent == 0;

	if (!c->is_wait_due || !is_between || list_is_linked(&c->wait.node) ||
	    !buf_append(out, buf_span(&c->wait.text)))
		return; /* asked again when there is room */
	c->is_wait_due = false;
	c->wait.sent_ns = loop_now_ns(c->loop);
	list_push_back(&c->in_flight, &c->wait.node);
	c->in_flight_count++;
}

static bool may_send(const struct redis_connection *c, const struct buf *out)
{
	return !list_is_empty(&c->unsent) && buf_len(out) < STREAM_CHUNK_BYTES &&
	       c->in_flight_count < c->params.pipeline_max && !list_is_linked(&c->wait.node);
}

/* A large command goes out in slices, so that it never asks more of the stream than it takes. */
static void on_produce(void *data, struct buf *out)
{
	struct redis_connection *c = data;

	while (may_send(c, out)) {
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
		c->is_wait_due |= command->is_ack_wanted;
		list_remove(&command->node);
		list_push_back(&c->in_flight, &command->node);
		c->in_flight_count++;
	}
	say_wait(c, out);
	arm_reply_timer(c);
}

static void give(struct redis_connection *c, struct redis_command *command)
{
	command->sent = 0;
	command->is_asked = false;
	command->acks = -1;
	if (c->params.replicas_ack == 0)
		command->is_ack_wanted = false;
	list_push_back(&c->unsent, &command->node);
	link_want_write(&c->link);
}

void redis_connection_send(struct redis_connection *c, struct redis_command *command)
{
	BUG_ON(c->state != READY);
	give(c, command);
}

bool redis_connection_unsend(struct redis_command *command)
{
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
		link_drop(&c->link, c->greeting.is_slow, &why);
	} else if (c->greeting.state == GREETING_DONE) {
		c->durability = c->greeting.durability;
		if (!c->params.is_loss_expected && !c->params.is_of_cluster)
			memcpy(c->seen, c->greeting.created, sizeof(c->seen));
		link_calm(&c->link);
		greeting_fini(&c->greeting);
		enter(c, READY);
		c->ops->on_ready(c->data);
	} else {
		send_greeting(c);
	}
}

static void on_open(void *data)
{
	struct redis_connection *c = data;

	enter(c, GREETING);
	c->heard_ns = loop_now_ns(c->loop);
	greeting_start(&c->greeting, c->url, c->namespace_text, c->seen,
		       c->params.is_of_cluster ? GREETING_OF_CLUSTER
		       : c->params.is_guest    ? GREETING_OF_GUEST
					       : GREETING_OF_JOURNAL);
	c->greeting.replicas_ack = c->params.replicas_ack;
	send_greeting(c);
}

/* ---- receiving ------------------------------------------------------------------------------ */
static void on_heard(void *data)
{
	struct redis_connection *c = data;

	c->heard_ns = loop_now_ns(c->loop);
}

/* Callbacks may drop the connection: then the rest of what was held is lost with it. */
static void on_wait(struct redis_command *wait, const struct redisReply *reply)
{
	struct redis_connection *c = container_of(wait, struct redis_connection, wait);
	long long acks = reply->type == REDIS_REPLY_INTEGER ? reply->integer : -1;
	struct list *node;

	while ((node = list_pop_front(&c->held))) {
		struct redis_command *command = list_entry(node, struct redis_command, node);
		struct redisReply *kept = command->kept_;

		command->kept_ = NULL;
		command->acks = acks;
		command->on_reply(command, kept);
		resp_reply_free(kept);
	}
}

/* An error was no write. */
static bool hold(struct redis_connection *c, struct redis_command *command,
		 const struct redisReply *reply)
{
	if (!command->is_ack_wanted || reply->type == REDIS_REPLY_ERROR)
		return false;
	link_keep(&c->link);
	command->kept_ = (struct redisReply *)reply; /* ours, now */
	list_push_back(&c->held, &command->node);
	return true;
}

static void on_reply(void *data, const struct redisReply *reply)
{
	struct redis_connection *c = data;
	struct redis_command *command;
	struct error error;

	command = awaited(c);
	if (command && command->is_asking && !command->is_asked) {
		command->is_asked = true; /* what it answers shows in the next reply */
		return;
	}
	if (list_is_empty(&c->in_flight)) {
		(void)error_set(&error, ST_DATA_LOSS, "redis sent a reply nobody asked for");
		redis_connection_drop(c, &error);
		return;
	}
	command = list_entry(list_pop_front(&c->in_flight), struct redis_command, node);
	c->in_flight_count--;
	if (!list_is_empty(&c->unsent))
		link_want_write(&c->link);
	if (hold(c, command, reply))
		return;
	command->on_reply(command, reply);
	if (c->state == GREETING)
		check_greeting(c);
}

/* ---- opening -------------------------------------------------------------------------------- */
static const struct link_ops link_ops = {
	.on_open = on_open,
	.on_produce = on_produce,
	.on_heard = on_heard,
	.on_reply = on_reply,
	.on_down = on_down,
};

void redis_connection_aim(struct redis_connection *c, const struct address *address)
{
	char text[128];

	link_aim(&c->link, address);
	address_print(address, text, sizeof(text));
	(void)error_set(&c->reason, ST_UNAVAILABLE, "connecting to redis at %s", text);
}

void redis_connection_start(struct redis_connection *c)
{
	link_start(&c->link);
}

static void init_wait(struct redis_connection *c)
{
	char replicas[16];
	char timeout[24];
	const char *words[] = {"WAIT", replicas, timeout, NULL};

	(void)snprintf(replicas, sizeof(replicas), "%u", c->params.replicas_ack);
	(void)snprintf(timeout, sizeof(timeout), "%llu",
		       (unsigned long long)c->params.ack_timeout_ms);
	redis_command_init(&c->wait, on_wait);
	redis_command_words(&c->wait, words);
	if (c->params.replicas_ack)
		c->params.command_timeout_ms += c->params.ack_timeout_ms; /* silence as ordered */
}

struct redis_connection *redis_connection_new(struct loop *loop,
					      const struct redis_connection_params *params,
					      const struct redis_connection_ops *ops, void *data)
{
	struct redis_connection *c = mem_new(struct redis_connection);
	const struct link_params link = {
		.tls = params->url->tls,
		.address = params->address ? *params->address : params->url->address,
		.reply_bytes_max = RESP_REPLY_BYTES_MAX,
		.connect_timeout_ms = params->command_timeout_ms,
		.backoff_min_ms = params->backoff_min_ms,
		.backoff_max_ms = params->backoff_max_ms,
	};
	char address[128];

	c->loop = loop;
	c->url = params->url;
	c->params = *params;
	c->params.url = NULL;
	c->params.address = NULL;
	c->params.namespace_text = NULL;
	c->namespace_text = mem_strdup(params->namespace_text);
	c->ops = ops;
	c->data = data;
	c->durability = "unknown";
	list_init(&c->unsent);
	list_init(&c->in_flight);
	list_init(&c->held);
	init_wait(c);
	timer_init(&c->reply_timer, loop, on_reply_timer, c);
	link_init(&c->link, loop, &link, &link_ops, c);
	address_print(&link.address, address, sizeof(address));
	(void)error_set(&c->reason, ST_UNAVAILABLE, "connecting to redis at %s", address);
	return c;
}

void redis_connection_free(struct redis_connection *c)
{
	struct list lost = LIST_INIT(lost);

	if (!c)
		return;
	let_go(c);
	link_fini(&c->link);
	gather_lost(c, &lost, false);
	while (list_pop_front(&lost))
		continue;
	redis_command_fini(&c->wait);
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
