#include "journal/redis/redis_secret.h"

#include <stdio.h>

#include <hiredis/hiredis.h>

#include "journal/key.h"
#include "journal/redis/internal.h"
#include "journal/redis/slot.h"
#include "src/base/clock.h"
#include "src/base/hash.h"
#include "src/base/mem.h"

#define SECRET_BYTES 32
#define SECRET_DEADLINE_MS ((uint64_t)2000)
#define SECRET_AGAIN_MS ((uint64_t)500)

struct redis_secret {
	struct redis_journal *journal;
	redis_secret_fn on_secret;
	void *data;
	char *key;
	char ours[2 * SECRET_BYTES + 1];
	struct journal_request *request; /* NULL: the timer runs, or we are done */
	struct timer again;
};

static void on_reply(struct redis_request *r, const struct redisReply *reply)
{
	struct redis_secret *s = r->data;
	bool is_known = reply->type == REDIS_REPLY_STRING && reply->len > 0;

	redis_request_settle(r);
	s->request = NULL;
	if (is_known)
		s->on_secret(s->data, reply_text(reply));
	else
		timer_start_in(&s->again, SECRET_AGAIN_MS);
	redis_request_end(r);
}

static void on_fail(struct redis_request *r, const struct error *error)
{
	struct redis_secret *s = r->data;

	(void)error; /* readiness says what is wrong with the journal */
	redis_request_settle(r);
	s->request = NULL;
	timer_start_in(&s->again, SECRET_AGAIN_MS);
	redis_request_end(r);
}

static void ask(void *data)
{
	static const struct redis_call_ops ops = {
		.is_vital = true,
		.on_reply = on_reply,
		.on_fail = on_fail,
	};
	struct redis_secret *s = data;
	const struct span key = span_from_str(s->key);
	const struct span ours = span_from_str(s->ours);
	struct redis_request *r =
		redis_call_new(s->journal, &ops, slot_of_key(key),
			       clock_deadline(clock_mono_ns(), SECRET_DEADLINE_MS * NS_PER_MS), s);

	redis_command_script(&r->command, REDIS_SCRIPT_SECRET, &key, 1, &ours, 1);
	s->request = &r->base;
	redis_request_admit(r);
}

struct redis_secret *redis_secret_open(struct loop *loop, struct journal *journal,
				       redis_secret_fn on_secret, void *data)
{
	struct redis_secret *s = mem_new(struct redis_secret);
	char key[KEY_TEXT_MAX];
	uint8_t random[SECRET_BYTES];

	s->journal = redis_journal_of(journal);
	s->on_secret = on_secret;
	s->data = data;
	(void)snprintf(key, sizeof(key), KEY_PREFIX "%s:meta", s->journal->namespace_text);
	s->key = mem_strdup(key);
	hash_random(random, sizeof(random));
	for (size_t i = 0; i < SECRET_BYTES; i++)
		(void)snprintf(s->ours + 2 * i, 3, "%02x", random[i]);
	timer_init(&s->again, loop, ask, s);
	ask(s);
	return s;
}

void redis_secret_close(struct redis_secret *s)
{
	if (!s)
		return;
	journal_cancel(s->request);
	timer_stop(&s->again);
	mem_free(s->key);
	mem_free(s);
}
