#include "tests/sim/sim_redis.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "journal/redis/command.h"
#include "src/base/buf.h"
#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/list.h"
#include "src/base/mem.h"
#include "src/runtime/address.h"
#include "src/runtime/listen.h"
#include "src/runtime/stream.h"
#include "tests/sim/sim_mutation.h"
#include "tests/sim/sim_runtime.h"
#include "tests/sim/sim_store.h"

#define WORDS_MAX 8192
#define BYTES_MAX ((size_t)64 * 1024 * 1024)

struct client {
	struct list node;
	struct sim_redis *redis;
	struct stream *stream;
	struct buf in;
	struct buf out;
};

struct sim_redis {
	struct sim_net *net;
	struct loop *loop;
	const char *name;
	uint16_t port;
	struct listen *listen;
	struct list clients;
	struct sim_store *store;
	struct sim_store *replica;
	uint64_t writes; /* so far, and what the replica has heard of them */
	uint64_t replicated;
	bool is_loaded[REDIS_SCRIPTS_];
	struct buf scratch;
	int64_t clock_ms;    /* how far its clock is from the true one */
	const char *refusal; /* of all writes; NULL: none */
	struct sim_redis_counts counts;
};

/* Compiled once for all runs: what it is does not depend on the run. */
static lua_State *lua;
static int compiled[REDIS_SCRIPTS_ + 1]; /* references; the last is meta.lua */
static struct sim_redis *running;

/* ---- RESP ------------------------------------------------------------------------------------ */

static bool read_line(struct span *in, char *ret_kind, long long *ret_number, struct span *ret_text)
{
	const uint8_t *end = in->len ? memchr(in->data, '\n', in->len) : NULL;
	size_t len;

	if (!end || end == in->data)
		return false;
	len = (size_t)(end - in->data);
	*ret_kind = (char)in->data[0];
	*ret_text = span_make(in->data + 1, len - 2);
	*ret_number = strtoll((const char *)in->data + 1, NULL, 10);
	*in = span_skip(*in, len + 1);
	return true;
}

/* Pushes one reply as redis.call gives it; what it is of no error. */
static void push_reply(struct span *in)
{
	struct span text;
	long long number;
	char kind;

	BUG_ON(!read_line(in, &kind, &number, &text));
	switch (kind) {
	case ':':
		lua_pushnumber(lua, (lua_Number)number);
		return;
	case '$':
		if (number < 0) {
			lua_pushboolean(lua, 0);
			return;
		}
		lua_pushlstring(lua, (const char *)in->data, (size_t)number);
		*in = span_skip(*in, (size_t)number + 2);
		return;
	case '*':
		lua_createtable(lua, (int)number, 0);
		for (long long i = 1; i <= number; i++) {
			push_reply(in);
			lua_rawseti(lua, -2, (int)i);
		}
		return;
	default: /* '+' */
		lua_createtable(lua, 0, 1);
		lua_pushlstring(lua, (const char *)text.data, text.len);
		lua_setfield(lua, -2, "ok");
		return;
	}
}

static void print_value(struct buf *out, int at)
{
	size_t len;
	const char *text;

	switch (lua_type(lua, at)) {
	case LUA_TNUMBER:
		sim_say(out, ':', (uint64_t)lua_tonumber(lua, at));
		return;
	case LUA_TSTRING:
		text = lua_tolstring(lua, at, &len);
		sim_say(out, '$', len);
		(void)buf_append(out, span_make(text, len));
		(void)buf_append_str(out, "\r\n");
		return;
	case LUA_TBOOLEAN:
		(void)buf_append_str(out, lua_toboolean(lua, at) ? ":1\r\n" : "$-1\r\n");
		return;
	case LUA_TTABLE:
		break;
	default:
		(void)buf_append_str(out, "$-1\r\n");
		return;
	}
	size_t count = 0;

	/* up to the first nil, as Redis does */
	for (;; count++) {
		lua_rawgeti(lua, at, (int)count + 1);
		bool is_nil = lua_isnil(lua, -1);

		lua_pop(lua, 1);
		if (is_nil)
			break;
	}
	sim_say(out, '*', count);
	for (size_t i = 1; i <= count; i++) {
		lua_rawgeti(lua, at, (int)i);
		print_value(out, lua_gettop(lua));
		lua_pop(lua, 1);
	}
}

/* ---- Lua ------------------------------------------------------------------------------------- */

static uint64_t now_ms(void)
{
	return clock_wall_ms() + (uint64_t)running->clock_ms;
}

static int call_redis(lua_State *state)
{
	struct span words[WORDS_MAX];
	int count = lua_gettop(state);
	struct buf *scratch = &running->scratch;
	struct span in;

	BUG_ON(count > WORDS_MAX);
	for (int i = 0; i < count; i++) {
		size_t len;
		const char *text = lua_tolstring(state, i + 1, &len);

		words[i] = span_make(text, len);
	}
	buf_reset(scratch);
	sim_store_call(running->store, words, (size_t)count, now_ms(), scratch);
	in = buf_span(scratch);
	if (in.data[0] == '-')
		return luaL_error(state, "%s", "ERR in a script");
	push_reply(&in);
	return 1;
}

/* struct.unpack of '>I2' and '>I4', and struct.pack of them. */
static int struct_unpack(lua_State *state)
{
	const char *format = luaL_checkstring(state, 1);
	size_t len;
	const uint8_t *text = (const uint8_t *)luaL_checklstring(state, 2, &len);
	size_t at = (size_t)luaL_optnumber(state, 3, 1) - 1;
	size_t size = (size_t)(format[2] - '0');
	uint32_t value = 0;

	if (strlen(format) != 3 || at + size > len)
		return luaL_error(state, "data string too short");
	for (size_t i = 0; i < size; i++)
		value = value << 8 | text[at + i];
	lua_pushnumber(state, value);
	lua_pushnumber(state, (lua_Number)(at + size + 1));
	return 2;
}

static int struct_pack(lua_State *state)
{
	const char *format = luaL_checkstring(state, 1);
	uint32_t value = (uint32_t)luaL_checknumber(state, 2);
	size_t size = (size_t)(format[2] - '0');
	char out[4];

	if (strlen(format) != 3 || size > sizeof(out))
		return luaL_error(state, "not a format of this simulation");
	for (size_t i = 0; i < size; i++)
		out[i] = (char)(value >> 8 * (size - 1 - i));
	lua_pushlstring(state, out, size);
	return 1;
}

static void compile(int place, const char *source)
{
	const char *text = sim_mutation_script(source);
	const char *body = text[0] == '#' ? strchr(text, '\n') : text;

	if (luaL_loadbuffer(lua, body, strlen(body), "script") != 0)
		bug_abort(lua_tostring(lua, -1), __FILE__, __LINE__);
	compiled[place] = luaL_ref(lua, LUA_REGISTRYINDEX);
}

static void open_lua(void)
{
	static const struct luaL_Reg redis_functions[] = {{"call", call_redis}, {NULL, NULL}};
	static const struct luaL_Reg struct_functions[] = {
		{"unpack", struct_unpack}, {"pack", struct_pack}, {NULL, NULL}};

	lua = luaL_newstate();
	luaL_openlibs(lua);
	luaL_register(lua, "redis", redis_functions);
	luaL_register(lua, "struct", struct_functions);
	lua_settop(lua, 0);
	for (int i = 0; i < REDIS_SCRIPTS_; i++)
		compile(i, redis_script_source((enum redis_script)i));
	compile(REDIS_SCRIPTS_, redis_script_meta_source());
}

static void push_words(const struct span *words, size_t count, const char *name)
{
	lua_createtable(lua, (int)count, 0);
	for (size_t i = 0; i < count; i++) {
		lua_pushlstring(lua, (const char *)words[i].data, words[i].len);
		lua_rawseti(lua, -2, (int)i + 1);
	}
	lua_setglobal(lua, name);
}

static bool has_word(const struct buf *out, size_t from, const char *word)
{
	struct span said = span_skip(buf_span(out), from);

	return span_starts_with(said, span_from_str(word));
}

/* words: name, source or digest, number of keys, keys, arguments. */
static void run_script(struct sim_redis *redis, int place, const struct span *words, size_t count,
		       struct buf *out)
{
	size_t keys = (size_t)strtoul((const char *)words[2].data, NULL, 10);
	size_t from = buf_len(out);

	redis->counts.scripts++;
	push_words(words + 3, keys, "KEYS");
	push_words(words + 3 + keys, count - 3 - keys, "ARGV");
	lua_rawgeti(lua, LUA_REGISTRYINDEX, compiled[place]);
	if (lua_pcall(lua, 0, 1, 0) != 0)
		(void)buf_printf(out, "-ERR %s script: x, on @user_script:1.\r\n",
				 lua_tostring(lua, -1));
	else
		print_value(out, lua_gettop(lua));
	lua_settop(lua, 0);
	redis->counts.dup += has_word(out, from, "*4\r\n$3\r\nDUP");
	/* not of a gateway that tries whether appends are compared, see greeting_probe */
	redis->counts.conflict += has_word(out, from, "*3\r\n$8\r\nCONFLICT") &&
				  !has_word(out, from, "*3\r\n$8\r\nCONFLICT\r\n$1\r\n0\r\n");
}

/* ---- commands -------------------------------------------------------------------------------- */

static int script_of(struct span word, bool is_digest)
{
	for (int i = 0; i < REDIS_SCRIPTS_; i++) {
		enum redis_script script = (enum redis_script)i;

		if (span_eq_str(word,
				is_digest ? redis_script_sha(script) : redis_script_source(script)))
			return i;
	}
	return !is_digest && span_eq_str(word, redis_script_meta_source()) ? REDIS_SCRIPTS_ : -1;
}

static void run_command(struct sim_redis *redis, const struct span *words, size_t count,
			struct buf *out)
{
	int place;

	running = redis;
	if (redis->refusal && (span_eq_str(words[0], "EVALSHA") || span_eq_str(words[0], "EVAL"))) {
		redis->counts.refused++;
		(void)buf_printf(out, "-%s\r\n", redis->refusal);
		return;
	}
	redis->writes++;
	if (span_eq_str(words[0], "EVALSHA") && count > 2) {
		place = script_of(words[1], true);
		if (place < 0 || !redis->is_loaded[place]) {
			redis->counts.noscript++;
			(void)buf_append_str(out,
					     "-NOSCRIPT No matching script. Please use EVAL.\r\n");
			return;
		}
		run_script(redis, place, words, count, out);
	} else if (span_eq_str(words[0], "EVAL") && count > 2) {
		place = script_of(words[1], false);
		BUG_ON(place < 0);
		if (place < REDIS_SCRIPTS_)
			redis->is_loaded[place] = true;
		run_script(redis, place, words, count, out);
	} else if (span_eq_str(words[0], "SCRIPT") && count == 3) {
		place = script_of(words[2], false);
		BUG_ON(place < 0 || place == REDIS_SCRIPTS_);
		redis->is_loaded[place] = true;
		(void)buf_printf(out, "$40\r\n%s\r\n", redis_script_sha((enum redis_script)place));
	} else {
		sim_store_call(redis->store, words, count, now_ms(), out);
	}
}

/* Takes one command from the front of what came. */
static bool take_command(struct client *client)
{
	struct span words[WORDS_MAX];
	struct span in = buf_span(&client->in);
	size_t before = in.len;
	struct span text;
	long long count;
	long long len;
	char kind;

	if (!read_line(&in, &kind, &count, &text))
		return false;
	BUG_ON(kind != '*' || count < 1 || count > WORDS_MAX);
	for (long long i = 0; i < count; i++) {
		if (!read_line(&in, &kind, &len, &text) || in.len < (size_t)len + 2)
			return false;
		words[i] = span_make(in.data, (size_t)len);
		in = span_skip(in, (size_t)len + 2);
	}
	run_command(client->redis, words, (size_t)count, &client->out);
	buf_consume(&client->in, before - in.len);
	return true;
}

/* ---- connections ----------------------------------------------------------------------------- */

static void client_free(struct client *client)
{
	list_remove(&client->node);
	buf_fini(&client->in);
	buf_fini(&client->out);
	mem_free(client);
}

static void on_read(void *data, struct span bytes)
{
	struct client *client = data;

	(void)buf_append(&client->in, bytes);
	while (take_command(client))
		;
	if (buf_len(&client->out) > 0)
		stream_want_write(client->stream);
}

static void on_produce(void *data, struct buf *out)
{
	struct client *client = data;

	(void)buf_append(out, buf_span(&client->out));
	buf_reset(&client->out);
}

static void on_closed(void *data, const struct error *error)
{
	(void)error;
	client_free(data);
}

static void on_accept(void *data, int fd, const struct sockaddr *peer, unsigned peer_len)
{
	static const struct stream_ops ops = {
		.on_read = on_read, .on_produce = on_produce, .on_closed = on_closed};
	struct sim_redis *redis = data;
	struct client *client = mem_new(struct client);

	(void)peer;
	(void)peer_len;
	client->redis = redis;
	buf_init(&client->in, BYTES_MAX);
	buf_init(&client->out, BYTES_MAX);
	list_push_back(&redis->clients, &client->node);
	client->stream = stream_from_fd(redis->loop, fd, &ops, client);
}

static void serve(struct sim_redis *redis)
{
	struct address address = {.port = redis->port};
	struct error err;

	redis->loop = sim_loop_new(redis->net, redis->name);
	if (listen_open(redis->loop, &address, on_accept, redis, &redis->listen, &err) != ST_OK)
		bug_abort(err.message, __FILE__, __LINE__);
}

static void hang_up(struct sim_redis *redis)
{
	sim_loop_kill(redis->loop);
	list_for_each_safe (it, &redis->clients) {
		struct client *client = list_entry(it, struct client, node);

		stream_close(client->stream);
		client_free(client);
	}
	listen_close(redis->listen);
	loop_free(redis->loop);
}

struct sim_redis *sim_redis_new(struct sim_net *net, const char *name, uint16_t port)
{
	struct sim_redis *redis = mem_new(struct sim_redis);

	if (!lua)
		open_lua();
	redis->net = net;
	redis->name = name;
	redis->port = port;
	redis->store = sim_store_new();
	buf_init(&redis->scratch, BYTES_MAX);
	list_init(&redis->clients);
	serve(redis);
	return redis;
}

void sim_redis_free(struct sim_redis *redis)
{
	if (!redis)
		return;
	hang_up(redis);
	sim_store_free(redis->store);
	sim_store_free(redis->replica);
	buf_fini(&redis->scratch);
	mem_free(redis);
}

struct loop *sim_redis_loop(const struct sim_redis *redis)
{
	return redis->loop;
}

const struct sim_store *sim_redis_store(const struct sim_redis *redis)
{
	return redis->store;
}

void sim_redis_restart(struct sim_redis *redis)
{
	hang_up(redis);
	memset(redis->is_loaded, 0, sizeof(redis->is_loaded));
	redis->counts.restarts++;
	serve(redis);
}

void sim_redis_replicate(struct sim_redis *redis)
{
	sim_store_free(redis->replica);
	redis->replica = sim_store_copy(redis->store);
	redis->replicated = redis->writes;
}

bool sim_redis_fail_over(struct sim_redis *redis)
{
	bool is_loss = redis->replica && redis->replicated != redis->writes;

	if (!redis->replica)
		return false;
	sim_store_free(redis->store);
	redis->store = sim_store_copy(redis->replica);
	redis->counts.failovers++;
	sim_redis_restart(redis);
	return is_loss;
}

const struct sim_redis_counts *sim_redis_counts(const struct sim_redis *redis)
{
	return &redis->counts;
}

void sim_redis_flush_scripts(struct sim_redis *redis)
{
	memset(redis->is_loaded, 0, sizeof(redis->is_loaded));
}

void sim_redis_move_clock(struct sim_redis *redis, int64_t by_ms)
{
	redis->clock_ms += by_ms;
}

void sim_redis_refuse(struct sim_redis *redis, const char *text)
{
	redis->refusal = text;
}
