/* Who is the primary. One sentinel is asked every second, the next one when it does not answer or
 * knows nothing; another is listened to for +switch-master, and believed at once. That the server
 * they name takes writes is seen by its greeting, which writes: a replica refuses it, and so does
 * whoever was demoted meanwhile.
 *
 * After a partition is healed a former primary takes writes for some seconds more, so its
 * connection is dropped the moment another one is named. */
#include <string.h>

#include <hiredis/hiredis.h>

#include "journal/redis/link.h"
#include "journal/redis/reply.h"
#include "journal/redis/subscription.h"
#include "journal/redis/topology_internal.h"
#include "src/base/buf.h"
#include "src/base/mem.h"
#include "src/base/text.h"

/* How long a change can go unseen when nobody tells of it. */
#define POLL_MS ((uint64_t)1000)
/* An address, or an error's text. */
#define REPLY_BYTES_MAX ((size_t)64 * 1024)
/* AUTH with the longest password, and some questions. */
#define OUT_BYTES_MAX ((size_t)64 * 1024)

struct sentinel {
	struct topology *topology;
	struct redis_url url; /* as which we come to the sentinels */
	struct link link;
	size_t at; /* which of the seeds */
	struct buf out;
	struct timer timer; /* to ask again, or to hear at last */
	bool is_awaiting_auth;
	bool is_awaiting;
	struct subscription *subscription;
	size_t listened; /* which of the seeds */
	struct error reason;
};

static const struct redis_url *topology_url(const struct sentinel *s)
{
	return &s->topology->url;
}

/* ---- asking --------------------------------------------------------------------------------- */
static void say(struct sentinel *s, const char *const *words)
{
	struct redis_command command;

	redis_command_init(&command, NULL);
	redis_command_words(&command, words);
	(void)buf_append(&s->out, buf_span(&command.text)); /* one question at a time: it fits */
	redis_command_fini(&command);
	link_want_write(&s->link);
}

void sentinel_ask(struct sentinel *s)
{
	const char *words[] = {"SENTINEL", "GET-MASTER-ADDR-BY-NAME", topology_url(s)->master,
			       NULL};

	if (s->link.state != LINK_OPEN || s->is_awaiting)
		return; /* it is asked as soon as it is there */
	s->is_awaiting = true;
	say(s, words);
	timer_start_in(&s->timer, s->topology->connection.command_timeout_ms);
}

/* The next one is asked when the link opens again. */
static void next(struct sentinel *s, const struct error *why)
{
	link_drop(&s->link, false, why);
}

static void on_timer(void *data)
{
	struct sentinel *s = data;
	struct error error;

	if (!s->is_awaiting) {
		sentinel_ask(s);
		return;
	}
	(void)error_set(&error, ST_UNAVAILABLE, "a sentinel did not answer");
	next(s, &error);
}

static void take(struct sentinel *s, struct span host, struct span port)
{
	struct address address = {0};
	uint64_t number;

	if (host.len == 0 || host.len >= sizeof(address.host) || memchr(host.data, 0, host.len) ||
	    !text_to_u64(port, &number) || number == 0 || number > UINT16_MAX)
		return;
	memcpy(address.host, host.data, host.len);
	address.port = (uint16_t)number;
	topology_move(s->topology, &address);
}

static void on_answer(struct sentinel *s, const redisReply *reply)
{
	struct error error;

	s->is_awaiting = false;
	timer_start_in(&s->timer, POLL_MS);
	if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2) {
		link_calm(&s->link);
		take(s, reply_text(reply->element[0]), reply_text(reply->element[1]));
		return;
	}
	(void)error_set(&error, ST_UNAVAILABLE, "a sentinel knows no primary \"%s\"",
			topology_url(s)->master);
	next(s, &error);
}

static void on_reply(void *data, const redisReply *reply)
{
	struct sentinel *s = data;
	struct error error;

	if (reply_is_error(reply)) {
		(void)reply_classify(reply, &error);
		(void)error_wrap(&error, "a sentinel");
		next(s, &error);
	} else if (s->is_awaiting_auth) {
		s->is_awaiting_auth = false;
	} else if (s->is_awaiting) {
		on_answer(s, reply);
	}
}

static void on_open(void *data)
{
	struct sentinel *s = data;
	const char *auth[] = {"AUTH", s->url.user, s->url.password, NULL};
	const char *auth_password[] = {"AUTH", s->url.password, NULL};

	s->is_awaiting_auth = s->url.has_auth;
	if (s->url.has_auth)
		say(s, s->url.user[0] ? auth : auth_password);
	sentinel_ask(s);
}

static void on_produce(void *data, struct buf *out)
{
	struct sentinel *s = data;

	if (buf_append(out, buf_span(&s->out)))
		buf_reset(&s->out);
}

static void on_down(void *data, const struct error *error)
{
	struct sentinel *s = data;
	struct address address;

	s->reason = *error;
	s->is_awaiting = false;
	timer_stop(&s->timer);
	buf_reset(&s->out);
	s->at = (s->at + 1) % s->url.seed_count;
	redis_url_seed(&s->url, s->at, &address);
	link_aim(&s->link, &address);
	s->topology->ops->on_refused(s->topology->data, s->topology->only, error);
}

static const struct link_ops link_ops = {
	.on_open = on_open,
	.on_produce = on_produce,
	.on_reply = on_reply,
	.on_down = on_down,
};

/* ---- listening ------------------------------------------------------------------------------ */
static struct span next_word(struct span *text)
{
	size_t len = span_find(*text, ' ');
	struct span word = span_head(*text, len);

	*text = span_skip(*text, len + 1);
	return word;
}

/* "<name> <old host> <old port> <new host> <new port>" */
static void on_message(void *data, struct span channel, struct span text)
{
	struct sentinel *s = data;
	struct span name = next_word(&text);
	struct span host;

	(void)channel; /* there is one */
	if (!span_eq_str(name, topology_url(s)->master))
		return;
	(void)next_word(&text);
	(void)next_word(&text);
	host = next_word(&text);
	take(s, host, text);
}

/* What was told before may have been missed. */
static void on_live(void *data)
{
	sentinel_ask(data);
}

static void on_deaf(void *data, const struct error *error)
{
	struct sentinel *s = data;
	struct address address;

	(void)error; /* the questions go on */
	s->listened = (s->listened + 1) % s->url.seed_count;
	redis_url_seed(&s->url, s->listened, &address);
	subscription_aim(s->subscription, &address);
}

static void listen(struct sentinel *s)
{
	static const struct subscription_ops ops = {
		.on_live = on_live,
		.on_message = on_message,
		.on_down = on_deaf,
	};
	struct address address;
	const struct subscription_params params = {
		.url = &s->url,
		.address = &address,
		.channels = {"+switch-master"},
		.timeout_ms = s->topology->connection.command_timeout_ms,
		.backoff_min_ms = s->topology->connection.backoff_min_ms,
		.backoff_max_ms = s->topology->connection.backoff_max_ms,
	};

	s->listened = s->url.seed_count > 1;
	redis_url_seed(&s->url, s->listened, &address);
	s->subscription = subscription_open(s->topology->loop, &params, &ops, s);
}

/* ---- life ----------------------------------------------------------------------------------- */
void sentinel_start(struct sentinel *s)
{
	link_start(&s->link);
	listen(s);
}

const char *sentinel_reason(const struct sentinel *s)
{
	return s->reason.message;
}

static bool fill(char *to, size_t size, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	if (len >= size)
		return false;
	memcpy(to, text ? text : "", len);
	to[len] = 0;
	return true;
}

struct sentinel *sentinel_new(struct topology *t, const char *user, const char *password)
{
	struct sentinel *s = mem_new(struct sentinel);
	struct link_params link = {
		.tls = t->url.tls,
		.reply_bytes_max = REPLY_BYTES_MAX,
		.connect_timeout_ms = t->connection.command_timeout_ms,
		.backoff_min_ms = t->connection.backoff_min_ms,
		.backoff_max_ms = t->connection.backoff_max_ms,
	};

	s->topology = t;
	s->url = t->url;
	s->url.has_auth = password;
	/* Whoever read them from the configuration saw to their length. */
	BUG_ON(!fill(s->url.user, sizeof(s->url.user), user) ||
	       !fill(s->url.password, sizeof(s->url.password), password));
	redis_url_seed(&s->url, 0, &link.address);
	link_init(&s->link, t->loop, &link, &link_ops, s);
	buf_init(&s->out, OUT_BYTES_MAX);
	timer_init(&s->timer, t->loop, on_timer, s);
	(void)error_set(&s->reason, ST_UNAVAILABLE, "asking the sentinels for the primary");
	return s;
}

void sentinel_free(struct sentinel *s)
{
	if (!s)
		return;
	subscription_close(s->subscription);
	link_fini(&s->link);
	timer_stop(&s->timer);
	buf_fini(&s->out);
	mem_free(s);
}
