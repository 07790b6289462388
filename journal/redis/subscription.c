/* States, above those of the link:
 *
 *   DOWN --AUTH, SUBSCRIBE--> ASKING --all channels confirmed--> LIVE
 *    ^                          |                                 |
 *    +------------- broke, refused, silent ----------------------+
 */
#include "journal/redis/subscription.h"

#include <hiredis/hiredis.h>

#include "journal/redis/command.h"
#include "journal/redis/link.h"
#include "journal/redis/reply.h"
#include "journal/redis/url.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/mem.h"
#include "src/runtime/loop.h"
#include "src/runtime/timer.h"

/* A message is a key of an entity and some numbers. */
#define MESSAGE_BYTES_MAX ((size_t)64 * 1024)
/* AUTH with the longest password, SUBSCRIBE, some PINGs. */
#define OUT_BYTES_MAX ((size_t)64 * 1024)
enum state { DOWN, ASKING, LIVE };

struct subscription {
	struct loop *loop;
	struct redis_url url;
	char *channels[SUBSCRIPTION_CHANNELS];
	struct subscription_params params;
	const struct subscription_ops *ops;
	void *data;
	enum state state;
	struct link link;
	struct buf out;
	struct timer silence_timer;
	unsigned awaited_auth;
	size_t confirmed; /* channels */
	bool is_asked;	  /* nothing was heard since the last question */
	struct error reason;
};

static void enter(struct subscription *s, enum state state)
{
	static const unsigned allowed[] = {
		[DOWN] = 1U << ASKING | 1U << DOWN,
		[ASKING] = 1U << LIVE | 1U << DOWN,
		[LIVE] = 1U << DOWN,
	};

	BUG_ON(!(allowed[s->state] & 1U << state));
	s->state = state;
}

static void on_down(void *data, const struct error *why)
{
	struct subscription *s = data;

	buf_reset(&s->out);
	timer_stop(&s->silence_timer);
	s->reason = *why;
	enter(s, DOWN);
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
	link_want_write(&s->link);
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
		link_drop(&s->link, false, &error);
		return;
	}
	s->is_asked = true;
	if (s->state == LIVE)
		say(s, ping);
	timer_start_in(&s->silence_timer, s->params.timeout_ms);
}

static void on_open(void *data)
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
static void on_error_reply(struct subscription *s, const redisReply *reply)
{
	struct error error;
	struct reply_error what = reply_classify(reply, &error);

	(void)error_wrap(&error, "subscribing");
	link_drop(&s->link, what.verdict != REPLY_RETRY && what.verdict != REPLY_RECONNECT, &error);
}

/* In subscribe mode all replies are arrays: subscribe, channel, count; message, channel, text;
 * pong, text. */
static void on_array(struct subscription *s, const redisReply *reply)
{
	struct span name = reply->elements ? reply_text(reply->element[0]) : SPAN_EMPTY;

	if (span_eq_str(name, "message") && reply->elements == 3 && s->state == LIVE) {
		s->ops->on_message(s->data, reply_text(reply->element[1]),
				   reply_text(reply->element[2]));
	} else if (span_eq_str(name, "subscribe") && s->state == ASKING) {
		s->confirmed++;
		if (s->confirmed < SUBSCRIPTION_CHANNELS && s->channels[s->confirmed])
			return;
		link_calm(&s->link);
		enter(s, LIVE);
		s->ops->on_live(s->data);
	}
}

static void on_reply(void *data, const redisReply *reply)
{
	struct subscription *s = data;

	if (reply_is_error(reply))
		on_error_reply(s, reply);
	else if (s->awaited_auth)
		s->awaited_auth = 0;
	else if (reply->type == REDIS_REPLY_ARRAY)
		on_array(s, reply);
}

static void on_heard(void *data)
{
	struct subscription *s = data;

	s->is_asked = false;
}

/* ---- opening and closing -------------------------------------------------------------------- */
static const struct link_ops link_ops = {
	.on_open = on_open,
	.on_produce = on_produce,
	.on_heard = on_heard,
	.on_reply = on_reply,
	.on_down = on_down,
};

struct subscription *subscription_open(struct loop *loop, const struct subscription_params *params,
				       const struct subscription_ops *ops, void *data)
{
	struct subscription *s = mem_new(struct subscription);
	const struct link_params link = {
		.tls = params->url->tls,
		.address = params->address ? *params->address : params->url->address,
		.reply_bytes_max = MESSAGE_BYTES_MAX,
		.connect_timeout_ms = params->timeout_ms,
		.backoff_min_ms = params->backoff_min_ms,
		.backoff_max_ms = params->backoff_max_ms,
	};

	s->loop = loop;
	s->url = *params->url;
	s->params = *params;
	s->params.url = NULL;
	s->params.address = NULL;
	s->ops = ops;
	s->data = data;
	for (size_t i = 0; i < SUBSCRIPTION_CHANNELS; i++)
		s->channels[i] = params->channels[i] ? mem_strdup(params->channels[i]) : NULL;
	buf_init(&s->out, OUT_BYTES_MAX);
	timer_init(&s->silence_timer, loop, on_silence, s);
	link_init(&s->link, loop, &link, &link_ops, s);
	(void)error_set(&s->reason, ST_UNAVAILABLE, "connecting");
	link_start(&s->link);
	return s;
}

void subscription_aim(struct subscription *s, const struct address *address)
{
	link_aim(&s->link, address);
}

void subscription_move(struct subscription *s, const struct address *address)
{
	struct error why;

	(void)error_set(&why, ST_UNAVAILABLE, "news come from another server now");
	link_stop(&s->link);
	on_down(s, &why);
	link_aim(&s->link, address);
	link_start(&s->link);
}

void subscription_close(struct subscription *s)
{
	if (!s)
		return;
	timer_stop(&s->silence_timer);
	link_fini(&s->link);
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
