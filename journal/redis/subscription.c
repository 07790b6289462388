/* States:
 *
 *   CONNECTING --AUTH, SUBSCRIBE--> ASKING --all channels confirmed--> LIVE
 *       ^  |                          |                                 |
 *       |  +----------- broke, refused, silent --------------------------+
 *       |                        v
 *       +------timer--------- WAITING
 */
#include "journal/redis/subscription.h"

#include <hiredis/hiredis.h>

#include "journal/redis/command.h"
#include "journal/redis/reply.h"
#include "journal/redis/resp.h"
#include "journal/redis/url.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/hash.h"
#include "src/base/mem.h"
#include "src/runtime/loop.h"
#include "src/runtime/stream.h"
#include "src/runtime/timer.h"

/* A message is a key of an entity and some numbers. */
#define MESSAGE_BYTES_MAX ((size_t)64 * 1024)
/* AUTH with the longest password, SUBSCRIBE, some PINGs. */
#define OUT_BYTES_MAX ((size_t)64 * 1024)
/* After a refusal that only a person can change: no storm. */
#define SLOW_RETRY_MS ((uint64_t)1000)

enum state { CONNECTING, ASKING, LIVE, WAITING };

struct subscription {
	struct loop *loop;
	struct redis_url url;
	char *channels[SUBSCRIPTION_CHANNELS];
	struct subscription_params params;
	const struct subscription_ops *ops;
	void *data;
	enum state state;
	struct stream *stream;
	struct resp *resp;
	struct buf out;
	struct timer silence_timer;
	struct timer retry_timer;
	uint64_t backoff_ms;
	unsigned awaited_auth;
	size_t confirmed; /* channels */
	bool is_asked;	  /* nothing was heard since the last question */
	struct error reason;
};

static void enter(struct subscription *s, enum state state)
{
	static const unsigned allowed[] = {
		[CONNECTING] = 1U << ASKING | 1U << WAITING,
		[ASKING] = 1U << LIVE | 1U << WAITING,
		[LIVE] = 1U << WAITING,
		[WAITING] = 1U << CONNECTING,
	};

	BUG_ON(!(allowed[s->state] & 1U << state));
	s->state = state;
}

/* ---- the end of a connection ---------------------------------------------------------------- */
static uint64_t next_backoff(struct subscription *s)
{
	uint64_t wait = s->backoff_ms;
	uint16_t random;

	s->backoff_ms = wait * 2 < s->params.backoff_max_ms ? wait * 2 : s->params.backoff_max_ms;
	hash_random(&random, sizeof(random));
	return wait / 2 + wait / 2 * random / UINT16_MAX;
}

static void let_go(struct subscription *s)
{
	stream_close(s->stream);
	s->stream = NULL;
	resp_free(s->resp);
	s->resp = NULL;
	buf_reset(&s->out);
	timer_stop(&s->silence_timer);
	timer_stop(&s->retry_timer);
}

static void end(struct subscription *s, bool is_slow, const struct error *why)
{
	let_go(s);
	s->reason = *why;
	enter(s, WAITING);
	timer_start_in(&s->retry_timer, is_slow ? SLOW_RETRY_MS : next_backoff(s));
	s->ops->on_down(s->data, &s->reason);
}

/* ---- what is said --------------------------------------------------------------------------- */
static void say(struct subscription *s, const char *const *words)
{
	struct redis_command command;

	redis_command_init(&command, NULL);
	redis_command_words(&command, words);
	/* Fits: the questions go out one by one, and AUTH and SUBSCRIBE are bounded. */
	(void)buf_append(&s->out, buf_span(&command.text));
	redis_command_fini(&command);
	stream_want_write(s->stream);
}

/* Publications are news enough; a peer that is gone without a word shows by its silence only. */
static void on_silence(void *data)
{
	static const char *const ping[] = {"PING", NULL};
	struct subscription *s = data;
	struct error error;

	if (s->is_asked) {
		(void)error_set(&error, ST_UNAVAILABLE, "redis was silent for %llu ms",
				(unsigned long long)(2 * s->params.timeout_ms));
		end(s, false, &error);
		return;
	}
	s->is_asked = true;
	if (s->state == LIVE)
		say(s, ping);
	timer_start_in(&s->silence_timer, s->params.timeout_ms);
}

static void on_connected(void *data)
{
	struct subscription *s = data;
	const char *auth[] = {"AUTH", s->url.user, s->url.password, NULL};
	const char *auth_password[] = {"AUTH", s->url.password, NULL};
	const char *subscribe[] = {"SUBSCRIBE", s->channels[0], s->channels[1], NULL};

	enter(s, ASKING);
	s->confirmed = 0;
	s->is_asked = false;
	s->awaited_auth = s->url.has_auth;
	timer_start_in(&s->silence_timer, s->params.timeout_ms);
	if (s->url.has_auth)
		say(s, s->url.user[0] ? auth : auth_password);
	say(s, subscribe);
}

static void on_produce(void *data, struct buf *out)
{
	struct subscription *s = data;

	if (buf_append(out, buf_span(&s->out)))
		buf_reset(&s->out);
}

/* ---- what is heard -------------------------------------------------------------------------- */
/* False when the connection is over. */
static bool on_error_reply(struct subscription *s, const redisReply *reply)
{
	struct error error;
	struct reply_error what = reply_classify(reply, &error);

	(void)error_wrap(&error, "subscribing");
	end(s, what.verdict != REPLY_RETRY && what.verdict != REPLY_RECONNECT, &error);
	return false;
}

/* In subscribe mode all replies are arrays: subscribe, channel, count; message, channel, text;
 * pong, text. */
static bool on_array(struct subscription *s, const redisReply *reply)
{
	struct span name = reply->elements ? reply_text(reply->element[0]) : SPAN_EMPTY;

	if (span_eq_str(name, "message") && reply->elements == 3 && s->state == LIVE) {
		s->ops->on_message(s->data, reply_text(reply->element[1]),
				   reply_text(reply->element[2]));
	} else if (span_eq_str(name, "subscribe") && s->state == ASKING) {
		s->confirmed++;
		if (s->confirmed < SUBSCRIPTION_CHANNELS)
			return true;
		s->backoff_ms = s->params.backoff_min_ms;
		enter(s, LIVE);
		s->ops->on_live(s->data);
	}
	return true;
}

static bool on_reply(struct subscription *s, const redisReply *reply)
{
	if (reply_is_error(reply))
		return on_error_reply(s, reply);
	if (s->awaited_auth) {
		s->awaited_auth = 0;
		return true;
	}
	return reply->type != REDIS_REPLY_ARRAY || on_array(s, reply);
}

static void on_read(void *data, struct span bytes)
{
	struct subscription *s = data;
	struct redisReply *reply = NULL;
	enum parse_result result = PARSE_DONE;
	bool is_open = true;
	struct error error;

	s->is_asked = false;
	resp_feed(s->resp, bytes);
	while (result == PARSE_DONE && is_open) {
		result = resp_next(s->resp, &reply, &error);
		if (result == PARSE_DONE)
			is_open = on_reply(s, reply);
		else if (result == PARSE_BAD)
			end(s, false, &error);
		resp_reply_free(reply);
		reply = NULL;
	}
}

static void on_closed(void *data, const struct error *error)
{
	struct subscription *s = data;
	struct error why = *error;

	s->stream = NULL;
	if (why.status == ST_OK)
		(void)error_set(&why, ST_UNAVAILABLE, "redis closed the connection");
	end(s, false, &why);
}

/* ---- opening and closing -------------------------------------------------------------------- */
static const struct stream_ops stream_ops = {
	.on_connected = on_connected,
	.on_read = on_read,
	.on_produce = on_produce,
	.on_closed = on_closed,
};

static void open_stream(struct subscription *s)
{
	s->resp = resp_new(MESSAGE_BYTES_MAX);
	s->stream = stream_connect(
		s->loop, &s->url.address,
		clock_deadline(loop_now_ns(s->loop), s->params.timeout_ms * NS_PER_MS), &stream_ops,
		s);
}

static void on_retry(void *data)
{
	struct subscription *s = data;

	enter(s, CONNECTING);
	open_stream(s);
}

struct subscription *subscription_open(struct loop *loop, const struct subscription_params *params,
				       const struct subscription_ops *ops, void *data)
{
	struct subscription *s = mem_new(struct subscription);

	s->loop = loop;
	s->url = *params->url;
	s->params = *params;
	s->params.url = NULL;
	s->ops = ops;
	s->data = data;
	s->state = CONNECTING;
	s->backoff_ms = params->backoff_min_ms;
	for (size_t i = 0; i < SUBSCRIPTION_CHANNELS; i++)
		s->channels[i] = mem_strdup(params->channels[i]);
	buf_init(&s->out, OUT_BYTES_MAX);
	timer_init(&s->silence_timer, loop, on_silence, s);
	timer_init(&s->retry_timer, loop, on_retry, s);
	(void)error_set(&s->reason, ST_UNAVAILABLE, "connecting");
	open_stream(s);
	return s;
}

void subscription_close(struct subscription *s)
{
	if (!s)
		return;
	let_go(s);
	for (size_t i = 0; i < SUBSCRIPTION_CHANNELS; i++)
		mem_free(s->channels[i]);
	buf_fini(&s->out);
	mem_free(s);
}

bool subscription_is_live(const struct subscription *s)
{
	return s->state == LIVE;
}

const char *subscription_reason(const struct subscription *s)
{
	return s->reason.message;
}
