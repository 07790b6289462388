/* States:
 *
 *   STOPPED --start--> CONNECTING --on_open--> OPEN
 *      ^                  ^  |                   |
 *      |                  |  +--- broke, drop ---+
 *     stop              timer         v
 *                         +------- WAITING
 */
#include "journal/redis/link.h"

#include "journal/redis/resp.h"
#include "src/base/clock.h"
#include "src/base/hash.h"
#include "src/runtime/loop.h"
#include "src/runtime/stream.h"
#include "src/runtime/tls.h"

/* After a refusal that only a person can change (wrong password, another journal): no storm. */
#define SLOW_RETRY_MS ((uint64_t)1000)

static void enter(struct link *l, enum link_state state)
{
	static const unsigned allowed[] = {
		[LINK_STOPPED] = 1U << LINK_CONNECTING,
		[LINK_CONNECTING] = 1U << LINK_OPEN | 1U << LINK_WAITING | 1U << LINK_STOPPED,
		[LINK_OPEN] = 1U << LINK_WAITING | 1U << LINK_STOPPED,
		[LINK_WAITING] = 1U << LINK_CONNECTING | 1U << LINK_STOPPED,
	};

	BUG_ON(!(allowed[l->state] & 1U << state));
	l->state = state;
}

/* ---- the end of a stream -------------------------------------------------------------------- */
static uint64_t next_backoff(struct link *l)
{
	uint64_t wait = l->backoff_ms_;
	uint16_t random;

	l->backoff_ms_ =
		wait * 2 < l->params_.backoff_max_ms ? wait * 2 : l->params_.backoff_max_ms;
	hash_random(&random, sizeof(random));
	return wait / 2 + wait / 2 * random / UINT16_MAX;
}

static void let_go(struct link *l)
{
	stream_close(l->stream_);
	l->stream_ = NULL;
	resp_free(l->resp_);
	l->resp_ = NULL;
	timer_stop(&l->retry_timer_);
}

static bool is_alive(const struct link *l)
{
	return l->state == LINK_CONNECTING || l->state == LINK_OPEN;
}

void link_drop(struct link *l, bool is_slow, const struct error *why)
{
	struct error copy = *why;

	if (!is_alive(l))
		return;
	let_go(l);
	enter(l, LINK_WAITING);
	timer_start_in(&l->retry_timer_, is_slow ? SLOW_RETRY_MS : next_backoff(l));
	l->ops_->on_down(l->data_, &copy);
}

void link_stop(struct link *l)
{
	let_go(l);
	if (l->state != LINK_STOPPED)
		enter(l, LINK_STOPPED);
}

static void on_closed(void *data, const struct error *error)
{
	struct link *l = data;
	struct error why = *error;

	l->stream_ = NULL;
	if (why.status == ST_OK)
		(void)error_set(&why, ST_UNAVAILABLE, "redis closed the connection");
	/* Files, certificates and names are for a person to change (tls.h). */
	link_drop(l, why.status == ST_FAILED_PRECONDITION, &why);
}

/* ---- what is said and heard ----------------------------------------------------------------- */
static void on_connected(void *data)
{
	struct link *l = data;

	enter(l, LINK_OPEN);
	l->ops_->on_open(l->data_);
}

static void on_produce(void *data, struct buf *out)
{
	struct link *l = data;

	l->ops_->on_produce(l->data_, out);
}

static void on_read(void *data, struct span bytes)
{
	struct link *l = data;
	struct redisReply *reply = NULL;
	unsigned attempt = l->attempt_;
	enum parse_result result = PARSE_DONE;
	struct error error;

	if (l->ops_->on_heard)
		l->ops_->on_heard(l->data_);
	resp_feed(l->resp_, bytes);
	/* Callbacks may drop the link, or stop it and start it anew. */
	while (result == PARSE_DONE && l->attempt_ == attempt && l->state == LINK_OPEN) {
		result = resp_next(l->resp_, &reply, &error);
		l->is_kept_ = false;
		if (result == PARSE_DONE)
			l->ops_->on_reply(l->data_, reply);
		else if (result == PARSE_BAD)
			link_drop(l, false, &error);
		if (!l->is_kept_)
			resp_reply_free(reply);
		reply = NULL;
	}
}

void link_keep(struct link *l)
{
	l->is_kept_ = true;
}

void link_want_write(struct link *l)
{
	stream_want_write(l->stream_);
}

void link_calm(struct link *l)
{
	l->backoff_ms_ = l->params_.backoff_min_ms;
}

/* ---- opening -------------------------------------------------------------------------------- */
static const struct stream_ops stream_ops = {
	.on_connected = on_connected,
	.on_read = on_read,
	.on_produce = on_produce,
	.on_closed = on_closed,
};

/* The one place where a stream to Redis is made. */
static void open_stream(void *data)
{
	struct link *l = data;
	uint64_t deadline_ns =
		clock_deadline(loop_now_ns(l->loop_), l->params_.connect_timeout_ms * NS_PER_MS);

	enter(l, LINK_CONNECTING);
	l->attempt_++;
	l->resp_ = resp_new(l->params_.reply_bytes_max);
	if (l->params_.tls)
		l->stream_ = tls_connect(l->loop_, &l->params_.address, deadline_ns, l->params_.tls,
					 &stream_ops, l);
	else
		l->stream_ =
			stream_connect(l->loop_, &l->params_.address, deadline_ns, &stream_ops, l);
	stream_set_trunk(l->stream_);
}

void link_start(struct link *l)
{
	if (l->state != LINK_STOPPED)
		return;
	link_calm(l);
	open_stream(l);
}

void link_aim(struct link *l, const struct address *address)
{
	l->params_.address = *address;
}

void link_init(struct link *l, struct loop *loop, const struct link_params *params,
	       const struct link_ops *ops, void *data)
{
	*l = (struct link){.loop_ = loop, .params_ = *params, .ops_ = ops, .data_ = data};
	timer_init(&l->retry_timer_, loop, open_stream, l);
	link_calm(l);
}

void link_fini(struct link *l)
{
	let_go(l);
}
