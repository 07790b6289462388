/* A channel keeps one current session and any number of retired ones, whose streams still run.
 *
 *   CONNECTING --SETTINGS--> READY --lost--> BACKOFF --timer--> CONNECTING
 *        \---------failed--------------------^  READY --GOAWAY--> CONNECTING (retired session
 * stays)
 *
 * Requests wait in one FIFO; the pump task opens streams for them as long as the current session
 * takes any. Owners are called from the pump, from deadline timers and from channel_close only. */
#include "src/h2/channel.h"

#include <string.h>

#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/list.h"
#include "src/base/mem.h"
#include "src/h2/h2_internal.h"
#include "src/runtime/address.h"

#define CHANNEL_MAGIC 0x6368616eU

#define CHANNEL_BACKOFF_MIN_MS 100
#define CHANNEL_BACKOFF_MAX_MS 1000
#define CHANNEL_CONNECT_MS 1000
#define CHANNEL_WAITING_MAX ((size_t)10000)

/* The back-off is multiplied by a number between 80 and 120 %, so that many gateways that lost the
 * same peer do not come back in step. */
#define CHANNEL_JITTER_LOW 80U
#define CHANNEL_JITTER_SPAN 41U

/* One connection of a channel. */
struct channel_link {
	struct list node; /* channel->links */
	struct channel *channel;
	struct h2_session *session;
	uint64_t ready_ns; /* 0: not yet */
};

struct channel {
	unsigned magic;
	enum channel_state state;
	struct loop *loop;
	struct address address;
	struct channel_params params;
	channel_state_fn on_state;
	void *data;
	char authority[ADDRESS_HOST_MAX + 16];
	struct channel_link *current; /* CONNECTING and READY */
	struct list links;
	struct list waiting;  /* FIFO */
	struct list refused;  /* failed inside channel_request, to be told by the pump */
	size_t waiting_count; /* in waiting */
	struct loop_task pump;
	struct timer backoff;
	uint64_t backoff_ms;
	uint64_t jitter;
	unsigned depth; /* frames that call owners */
	struct error last_error;
};

struct channel_wait {
	struct list node;
	struct channel *channel;
	struct timer deadline;
	bool wait_for_ready;
	enum status refusal; /* in refused */
	const char *refusal_text;
	const struct h2_stream_ops *ops;
	void *ops_data;
	channel_stream_fn on_stream;
	void *data;
	struct h2_headers headers;
	struct h2_header items[]; /* the bytes follow */
};

static void connect_now(struct channel *channel);

/* Frames that call owners are counted, so that channel_close inside one leaves the memory to the
 * last of them. False: the channel is gone. */
static bool leave(struct channel *channel)
{
	if (--channel->depth > 0)
		return channel->state != CHANNEL_CLOSED;
	if (channel->state != CHANNEL_CLOSED)
		return true;
	channel->magic = 0;
	mem_free(channel);
	return false;
}

static bool set_state(struct channel *channel, enum channel_state state)
{
	if (channel->state == state)
		return true;
	channel->state = state;
	channel->depth++;
	if (channel->on_state)
		channel->on_state(channel->data, state,
				  state == CHANNEL_BACKOFF ? &channel->last_error : NULL);
	return leave(channel) && channel->state == state;
}

static void wait_remove(struct channel_wait *wait)
{
	timer_stop(&wait->deadline);
	list_remove(&wait->node);
	if (wait->refusal == ST_OK)
		wait->channel->waiting_count--;
}

/* The wait is over: its owner hears how and it is freed. The caller counts the frame. */
static void wait_tell(struct channel_wait *wait, struct h2_stream *stream,
		      const struct error *error)
{
	channel_stream_fn on_stream = wait->on_stream;
	void *data = wait->data;

	mem_free(wait);
	on_stream(data, stream, error);
}

static void wait_fail(struct channel_wait *wait, const struct error *error)
{
	wait_remove(wait);
	wait_tell(wait, NULL, error);
}

static void on_wait_deadline(void *data)
{
	struct channel_wait *wait = data;
	struct channel *channel = wait->channel;
	struct error error = {.status = ST_OK};

	if (channel->state == CHANNEL_READY)
		(void)error_set(&error, ST_RESOURCE_EXHAUSTED,
				"waited too long for a free stream to %s", channel->authority);
	else if (channel->last_error.status != ST_OK)
		(void)error_set(&error, ST_DEADLINE_EXCEEDED, "no connection in time: %s",
				channel->last_error.message);
	else
		(void)error_set(&error, ST_DEADLINE_EXCEEDED, "no connection to %s in time",
				channel->authority);
	channel->depth++;
	wait_fail(wait, &error);
	(void)leave(channel);
}

static void tell_refused(struct channel *channel)
{
	struct list *node;

	while ((node = list_pop_front(&channel->refused))) {
		struct channel_wait *wait = list_entry(node, struct channel_wait, node);
		struct error error = {.status = ST_OK};

		(void)error_set(&error, wait->refusal, "%s", wait->refusal_text);
		wait_tell(wait, NULL, &error);
	}
}

/* Opens a stream for the first waiter. False: none can be opened now. */
static bool serve_first(struct channel *channel)
{
	struct channel_wait *wait = list_entry(channel->waiting.next, struct channel_wait, node);
	struct h2_stream *stream = NULL;

	if (h2_client_request(channel->current->session, &wait->headers, false, wait->ops,
			      wait->ops_data, &stream) != ST_OK)
		return false; /* a free slot or a new session starts the pump again */
	wait_remove(wait);
	wait_tell(wait, stream, NULL);
	return true;
}

static void on_pump(void *data)
{
	struct channel *channel = OBJ_CAST(struct channel, CHANNEL_MAGIC, data);

	channel->depth++;
	tell_refused(channel);
	while (channel->state == CHANNEL_READY && !list_is_empty(&channel->waiting)) {
		if (!serve_first(channel))
			break;
	}
	(void)leave(channel);
}

/* Nobody but those who asked for it waits through a back-off. */
static void fail_impatient(struct channel *channel)
{
	list_for_each_safe (it, &channel->waiting) {
		struct channel_wait *wait = list_entry(it, struct channel_wait, node);

		if (wait->wait_for_ready)
			continue;
		wait_remove(wait);
		wait->refusal = ST_UNAVAILABLE;
		wait->refusal_text = channel->last_error.message;
		list_push_back(&channel->refused, &wait->node);
	}
	tell_refused(channel);
}

static uint64_t next_backoff_ms(struct channel *channel)
{
	uint64_t wait_ms = channel->backoff_ms;

	channel->backoff_ms = wait_ms * 2 < channel->params.backoff_max_ms
				      ? wait_ms * 2
				      : channel->params.backoff_max_ms;
	/* xorshift64: no secret, only spread. */
	channel->jitter ^= channel->jitter << 13;
	channel->jitter ^= channel->jitter >> 7;
	channel->jitter ^= channel->jitter << 17;
	return wait_ms * (CHANNEL_JITTER_LOW + channel->jitter % CHANNEL_JITTER_SPAN) / 100;
}

static void begin_backoff(struct channel *channel)
{
	timer_start_in(&channel->backoff, next_backoff_ms(channel));
	channel->depth++;
	if (set_state(channel, CHANNEL_BACKOFF))
		fail_impatient(channel);
	(void)leave(channel);
}

static void on_backoff_over(void *data)
{
	connect_now(OBJ_CAST(struct channel, CHANNEL_MAGIC, data));
}

/* True when the link served long enough not to be one of a series of failures. */
static bool has_lasted(const struct channel_link *link)
{
	uint64_t now_ns = loop_now_ns(link->channel->loop);

	return link->ready_ns != 0 &&
	       now_ns - link->ready_ns >= link->channel->params.backoff_max_ms * NS_PER_MS;
}

static void on_link_ready(void *data, struct h2_session *session)
{
	struct channel_link *link = data;
	struct channel *channel = link->channel;

	(void)session;
	link->ready_ns = loop_now_ns(channel->loop);
	if (channel->current != link)
		return;
	channel->last_error.status = ST_OK;
	loop_task_schedule(channel->loop, &channel->pump);
	(void)set_state(channel, CHANNEL_READY);
}

static void on_link_slot(void *data, struct h2_session *session)
{
	struct channel *channel = ((struct channel_link *)data)->channel;

	(void)session;
	loop_task_schedule(channel->loop, &channel->pump);
}

/* Running streams finish on the retired session; new ones need another. */
static void on_link_goaway(void *data, struct h2_session *session, uint32_t h2_code)
{
	struct channel_link *link = data;
	struct channel *channel = link->channel;

	(void)session;
	if (channel->current != link)
		return;
	channel->current = NULL;
	if (has_lasted(link)) {
		channel->backoff_ms = channel->params.backoff_min_ms;
		connect_now(channel);
		return;
	}
	/* A peer that says so at once, again and again, must not be hammered. */
	(void)error_set(&channel->last_error, ST_UNAVAILABLE,
			"%s takes no more streams on this connection (GOAWAY %u)",
			channel->authority, (unsigned)h2_code);
	begin_backoff(channel);
}

static void on_link_closed(void *data, struct h2_session *session, const struct error *error)
{
	struct channel_link *link = data;
	struct channel *channel = link->channel;
	bool was_current = channel->current == link;

	(void)session;
	if (was_current && has_lasted(link))
		channel->backoff_ms = channel->params.backoff_min_ms;
	list_remove(&link->node);
	mem_free(link);
	if (!was_current)
		return;
	channel->current = NULL;
	if (error->status != ST_OK)
		channel->last_error = *error;
	else
		(void)error_set(&channel->last_error, ST_UNAVAILABLE, "%s closed the connection",
				channel->authority);
	begin_backoff(channel);
}

static const struct h2_session_ops link_ops = {
	.on_ready = on_link_ready,
	.on_slot = on_link_slot,
	.on_goaway = on_link_goaway,
	.on_closed = on_link_closed,
};

static void connect_now(struct channel *channel)
{
	struct channel_link *link = mem_new(struct channel_link);
	uint64_t deadline_ns = clock_deadline(loop_now_ns(channel->loop),
					      channel->params.connect_timeout_ms * NS_PER_MS);

	link->channel = channel;
	link->session = h2_client_new(channel->loop, &channel->address, deadline_ns,
				      &channel->params.limits, &link_ops, link);
	list_push_back(&channel->links, &link->node);
	channel->current = link;
	(void)set_state(channel, CHANNEL_CONNECTING);
}

static void set_params(struct channel *channel, const struct channel_params *params)
{
	channel->params = *params;
	if (!params->backoff_min_ms)
		channel->params.backoff_min_ms = CHANNEL_BACKOFF_MIN_MS;
	if (!params->backoff_max_ms)
		channel->params.backoff_max_ms = CHANNEL_BACKOFF_MAX_MS;
	if (!params->connect_timeout_ms)
		channel->params.connect_timeout_ms = CHANNEL_CONNECT_MS;
	if (!params->max_waiting)
		channel->params.max_waiting = CHANNEL_WAITING_MAX;
	channel->backoff_ms = channel->params.backoff_min_ms;
}

struct channel *channel_open(struct loop *loop, const struct address *address,
			     const struct channel_params *params, channel_state_fn on_state,
			     void *data)
{
	struct channel *channel = mem_new(struct channel);

	channel->magic = CHANNEL_MAGIC;
	channel->state = CHANNEL_CONNECTING;
	channel->loop = loop;
	channel->address = *address;
	set_params(channel, params);
	channel->on_state = on_state;
	channel->data = data;
	/* A unix socket has no authority; gRPC clients say "localhost". */
	if (address->is_unix)
		memcpy(channel->authority, "localhost", sizeof("localhost"));
	else
		address_print(address, channel->authority, sizeof(channel->authority));
	list_init(&channel->links);
	list_init(&channel->waiting);
	list_init(&channel->refused);
	loop_task_init(&channel->pump, on_pump, channel);
	timer_init(&channel->backoff, loop, on_backoff_over, channel);
	hash_random(&channel->jitter, sizeof(channel->jitter));
	channel->jitter |= 1;
	connect_now(channel);
	return channel;
}

enum channel_state channel_state(const struct channel *channel)
{
	return channel->state;
}

const char *channel_authority(const struct channel *channel)
{
	return channel->authority;
}

static struct channel_wait *wait_new(const struct h2_headers *headers)
{
	size_t at = sizeof(struct channel_wait) + headers->count * sizeof(struct h2_header);
	size_t size = at;
	struct channel_wait *wait;

	for (size_t i = 0; i < headers->count; i++)
		size += headers->items[i].name.len + headers->items[i].value.len;
	wait = mem_zalloc(size);
	wait->headers = (struct h2_headers){wait->items, headers->count};
	for (size_t i = 0; i < headers->count; i++) {
		const struct h2_header *header = &headers->items[i];
		uint8_t *room = (uint8_t *)wait + at;

		if (header->name.len)
			memcpy(room, header->name.data, header->name.len);
		if (header->value.len)
			memcpy(room + header->name.len, header->value.data, header->value.len);
		wait->items[i].name = span_make(room, header->name.len);
		wait->items[i].value = span_make(room + header->name.len, header->value.len);
		at += header->name.len + header->value.len;
	}
	return wait;
}

/* Why a request cannot even wait; ST_OK when it can. */
static enum status refusal_of(const struct channel *channel, bool wait_for_ready,
			      const char **ret_text)
{
	if (channel->state == CHANNEL_CLOSED) {
		*ret_text = "the channel is closed";
		return ST_CANCELLED;
	}
	if (channel->state == CHANNEL_BACKOFF && !wait_for_ready) {
		*ret_text = channel->last_error.message;
		return ST_UNAVAILABLE;
	}
	if (channel->waiting_count >= channel->params.max_waiting) {
		*ret_text = "too many requests wait for a stream";
		return ST_RESOURCE_EXHAUSTED;
	}
	return ST_OK;
}

struct channel_wait *channel_request(struct channel *channel,
				     const struct channel_request_params *params)
{
	struct channel_wait *wait = wait_new(params->headers);

	wait->channel = channel;
	wait->wait_for_ready = params->wait_for_ready;
	wait->ops = params->ops;
	wait->ops_data = params->ops_data;
	wait->on_stream = params->on_stream;
	wait->data = params->data;
	timer_init(&wait->deadline, channel->loop, on_wait_deadline, wait);
	wait->refusal = refusal_of(channel, params->wait_for_ready, &wait->refusal_text);
	if (wait->refusal != ST_OK) {
		list_push_back(&channel->refused, &wait->node);
	} else {
		list_push_back(&channel->waiting, &wait->node);
		channel->waiting_count++;
		timer_start(&wait->deadline, params->deadline_ns);
	}
	loop_task_schedule(channel->loop, &channel->pump);
	return wait;
}

void channel_cancel(struct channel_wait *wait)
{
	wait_remove(wait);
	mem_free(wait);
}

size_t channel_stream_count(const struct channel *channel)
{
	size_t count = 0;

	for (const struct list *it = channel->links.next; it != &channel->links; it = it->next)
		count += h2_session_stream_count(
			list_entry(it, const struct channel_link, node)->session);
	return count;
}

size_t channel_waiting_count(const struct channel *channel)
{
	return channel->waiting_count;
}

static void close_waits(struct channel *channel)
{
	struct error error = {.status = ST_OK};

	(void)error_set(&error, ST_CANCELLED, "the channel is closed");
	while (!list_is_empty(&channel->waiting))
		wait_fail(list_entry(channel->waiting.next, struct channel_wait, node), &error);
	tell_refused(channel);
}

void channel_close(struct channel *channel)
{
	struct list *node;

	if (!channel || channel->state == CHANNEL_CLOSED)
		return;
	channel->state = CHANNEL_CLOSED;
	channel->depth++;
	timer_stop(&channel->backoff);
	channel->current = NULL;
	while ((node = list_pop_front(&channel->links))) {
		struct channel_link *link = list_entry(node, struct channel_link, node);

		h2_session_cut(link->session);
		mem_free(link);
	}
	close_waits(channel);
	loop_task_cancel(&channel->pump);
	(void)leave(channel);
}
