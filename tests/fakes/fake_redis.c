#include "tests/fakes/fake_redis.h"

#include <stdio.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "journal/redis/command.h"
#include "journal/redis/resp.h"
#include "src/base/error.h"
#include "src/base/list.h"
#include "src/base/mem.h"
#include "src/runtime/address.h"
#include "src/runtime/listen.h"
#include "src/runtime/loop.h"
#include "src/runtime/stream.h"

#define COMMANDS_MAX 1024
#define SHOWN_MAX 1024
#define OUT_MAX ((size_t)1024 * 1024)
#define IN_MAX ((size_t)64 * 1024 * 1024)

enum greeting {
	AUTH,
	SELECT,
	SCRIPT,
	CONFIG,
	EVAL,
	SCAN,
	PROBE,
	ASKING,
	/* only when the test gave a text */
	CLUSTER,
	SENTINEL,
	SUBSCRIBE,
	GREETINGS
};

static const char *const greeting_names[GREETINGS] = {"AUTH",	 "SELECT",   "SCRIPT",	 "CONFIG",
						      "EVAL",	 "SCAN",     "PROBE",	 "ASKING",
						      "CLUSTER", "SENTINEL", "SUBSCRIBE"};

struct answer {
	struct list node;
	enum fake_redis_does does;
	const char *text;
};

struct peer {
	struct list node;
	struct fake_redis *fake;
	struct stream *stream;
	struct resp *resp;
	struct buf out;
	bool is_cut;
	bool is_asking;
};

struct fake_redis {
	struct loop *loop;
	struct listen *listen;
	struct list peers; /* newest last */
	struct list answers;
	const char *greetings[GREETINGS];
	char *commands[COMMANDS_MAX];
	size_t count;
	size_t names[GREETINGS];
	char *last[GREETINGS];
	size_t connections;
	size_t reads;
};

/* ---- answering ------------------------------------------------------------------------------ */
static void send_text(struct peer *peer, const char *text)
{
	if (!text)
		return;
	buf_append_str(&peer->out, text);
	stream_want_write(peer->stream);
}

static struct span word(const redisReply *command, size_t i)
{
	return i < command->elements ? span_make(command->element[i]->str, command->element[i]->len)
				     : SPAN_EMPTY;
}

/* The names of scripts do not depend on where they are loaded. */
static const char *name_of(struct span source)
{
	enum redis_script script = 0;

	while (script < REDIS_SCRIPTS_ && !span_eq_str(source, redis_script_source(script)))
		script++;
	return script < REDIS_SCRIPTS_ ? redis_script_sha(script) : "0";
}

static const char *good(enum greeting which, const redisReply *command)
{
	static const char *const texts[GREETINGS] = {
		[AUTH] = "+OK\r\n",
		[SELECT] = "+OK\r\n",
		[CONFIG] = "*4\r\n$10\r\nappendonly\r\n$3\r\nyes\r\n"
			   "$11\r\nappendfsync\r\n$8\r\neverysec\r\n",
		[EVAL] = "*3\r\n$1\r\n1\r\n$2\r\n64\r\n"
			 "$32\r\n0123456789abcdef0123456789abcdef\r\n",
		[ASKING] = "+OK\r\n",
		[SCAN] = "*2\r\n$1\r\n0\r\n*0\r\n",
		[PROBE] = "*3\r\n$8\r\nCONFLICT\r\n$1\r\n0\r\n$0\r\n\r\n",
	};
	static char script[64];

	if (which != SCRIPT)
		return texts[which];
	(void)snprintf(script, sizeof(script), "$40\r\n%s\r\n", name_of(word(command, 2)));
	return script;
}

/* Which command of the greeting it is, GREETINGS when none. EVAL is, when its script is meta.lua.
 */
static enum greeting greeting_of(const struct fake_redis *fake, const redisReply *command)
{
	struct span name = word(command, 0);

	if ((span_eq_str(name, "EVALSHA") || span_eq_str(name, "EVAL")) &&
	    span_eq_str(word(command, 7), "~"))
		return PROBE;
	if (span_eq_str(name, "EVAL") && !span_eq_str(word(command, 2), "1"))
		return GREETINGS;
	for (int i = 0; i < GREETINGS; i++) {
		if (span_eq_str(name, greeting_names[i]) && (i < CLUSTER || fake->greetings[i]))
			return (enum greeting)i;
	}
	return GREETINGS;
}

/* Owned by the caller. */
static char *text_of(const redisReply *command, bool is_asking)
{
	struct buf text;
	char *copy;

	buf_init(&text, IN_MAX);
	if (is_asking)
		buf_append_str(&text, "ASKING ");
	for (size_t i = 0; i < command->elements; i++) {
		if (i)
			buf_append_byte(&text, ' ');
		buf_append(&text, word(command, i));
	}
	copy = mem_strndup(buf_span(&text).data,
			   buf_len(&text) < SHOWN_MAX ? buf_len(&text) : SHOWN_MAX);
	buf_fini(&text);
	return copy;
}

static void on_command(struct peer *peer, const redisReply *command)
{
	struct fake_redis *fake = peer->fake;
	enum greeting which = greeting_of(fake, command);
	struct answer *answer;
	struct list *node;

	if (which != GREETINGS) {
		fake->names[which]++;
		mem_free(fake->last[which]);
		fake->last[which] = text_of(command, false);
		peer->is_asking = which == ASKING;
		send_text(peer,
			  fake->greetings[which] ? fake->greetings[which] : good(which, command));
		return;
	}
	BUG_ON(fake->count == COMMANDS_MAX);
	fake->commands[fake->count++] = text_of(command, peer->is_asking);
	peer->is_asking = false;
	node = list_pop_front(&fake->answers);
	if (!node)
		return;
	answer = list_entry(node, struct answer, node);
	send_text(peer, answer->text);
	if (answer->does == FAKE_REDIS_CUT)
		peer->is_cut = true;
	mem_free(answer);
}

/* ---- connections ---------------------------------------------------------------------------- */
static void peer_free(struct peer *peer)
{
	list_remove(&peer->node);
	stream_close(peer->stream);
	resp_free(peer->resp);
	buf_fini(&peer->out);
	mem_free(peer);
}

static void on_read(void *data, struct span bytes)
{
	struct peer *peer = data;
	struct redisReply *command = NULL;
	size_t before = peer->fake->count;
	struct error error;

	resp_feed(peer->resp, bytes);
	while (!peer->is_cut && resp_next(peer->resp, &command, &error) == PARSE_DONE) {
		on_command(peer, command);
		resp_reply_free(command);
	}
	peer->fake->reads += peer->fake->count > before;
	if (peer->is_cut)
		stream_shutdown(peer->stream); /* with what is still to be sent */
}

static void on_produce(void *data, struct buf *out)
{
	struct peer *peer = data;

	buf_append(out, buf_span(&peer->out));
	buf_reset(&peer->out);
}

static void on_closed(void *data, const struct error *error)
{
	struct peer *peer = data;

	(void)error; /* whatever it is, the peer is gone */
	peer->stream = NULL;
	peer_free(peer);
}

static const struct stream_ops peer_ops = {
	.on_read = on_read,
	.on_produce = on_produce,
	.on_closed = on_closed,
};

static void on_accept(void *data, int fd, const struct sockaddr *address, unsigned address_len)
{
	struct fake_redis *fake = data;
	struct peer *peer = mem_new(struct peer);

	(void)address;
	(void)address_len;
	fake->connections++;
	peer->fake = fake;
	peer->resp = resp_new(IN_MAX);
	buf_init(&peer->out, OUT_MAX);
	list_push_back(&fake->peers, &peer->node);
	peer->stream = stream_from_fd(fake->loop, fd, &peer_ops, peer);
}

/* ---- for the test --------------------------------------------------------------------------- */
struct fake_redis *fake_redis_open(struct loop *loop)
{
	struct fake_redis *fake = mem_new(struct fake_redis);
	struct address address = {.port = 0, .host = "127.0.0.1"};
	struct error error;

	fake->loop = loop;
	list_init(&fake->peers);
	list_init(&fake->answers);
	BUG_ON(listen_open(loop, &address, on_accept, fake, &fake->listen, &error) != ST_OK);
	return fake;
}

void fake_redis_close(struct fake_redis *fake)
{
	struct list *node;

	listen_close(fake->listen);
	while (!list_is_empty(&fake->peers))
		peer_free(list_entry(fake->peers.next, struct peer, node));
	while ((node = list_pop_front(&fake->answers)))
		mem_free(list_entry(node, struct answer, node));
	for (size_t i = 0; i < fake->count; i++)
		mem_free(fake->commands[i]);
	for (size_t i = 0; i < GREETINGS; i++)
		mem_free(fake->last[i]);
	mem_free(fake);
}

uint16_t fake_redis_port(const struct fake_redis *fake)
{
	return listen_port(fake->listen);
}

void fake_redis_answer(struct fake_redis *fake, enum fake_redis_does does, const char *text)
{
	struct answer *answer = mem_new(struct answer);

	answer->does = does;
	answer->text = text;
	list_push_back(&fake->answers, &answer->node);
}

static size_t place_of(const char *name)
{
	size_t i = 0;

	while (strcmp(greeting_names[i], name) != 0) {
		i++;
		BUG_ON(i == GREETINGS);
	}
	return i;
}

void fake_redis_greeting(struct fake_redis *fake, const char *name, const char *text)
{
	fake->greetings[place_of(name)] = text;
}

void fake_redis_disconnect(struct fake_redis *fake)
{
	while (!list_is_empty(&fake->peers))
		peer_free(list_entry(fake->peers.next, struct peer, node));
}

size_t fake_redis_peers(const struct fake_redis *fake)
{
	size_t count = 0;

	list_for_each (node, &fake->peers)
		count++;
	return count;
}

void fake_redis_say(struct fake_redis *fake, const char *text)
{
	BUG_ON(list_is_empty(&fake->peers));
	send_text(list_entry(fake->peers.prev, struct peer, node), text);
}

size_t fake_redis_count(const struct fake_redis *fake)
{
	return fake->count;
}

const char *fake_redis_command(const struct fake_redis *fake, size_t i)
{
	BUG_ON(i >= fake->count);
	return fake->commands[i];
}

size_t fake_redis_count_of(const struct fake_redis *fake, const char *name)
{
	return fake->names[place_of(name)];
}

const char *fake_redis_last(const struct fake_redis *fake, const char *name)
{
	const char *text = fake->last[place_of(name)];

	return text ? text : "";
}

size_t fake_redis_connections(const struct fake_redis *fake)
{
	return fake->connections;
}

size_t fake_redis_reads(const struct fake_redis *fake)
{
	return fake->reads;
}
