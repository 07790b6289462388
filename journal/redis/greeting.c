#include "journal/redis/greeting.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "journal/journal.h"
#include "journal/key.h"
#include "journal/redis/redis_journal.h"
#include "journal/redis/reply.h"
#include "journal/redis/slot.h"
#include "src/base/clock.h"
#include "src/base/hash.h"
#include "src/base/mem.h"

/* Type and id of the probe. Should there be such an entity, it is only looked at. */
#define PROBE_NAME "~"

static void fail(struct greeting *g, bool is_slow)
{
	if (g->state == GREETING_FAILED)
		return; /* the first failure explains the others */
	g->state = GREETING_FAILED;
	g->is_slow = is_slow;
}

static void say(struct greeting *g, struct redis_command *command)
{
	g->awaited_++;
	list_push_back(&g->to_send, &command->node);
}

/* One reply less to wait for. */
static void heard(struct greeting *g)
{
	g->awaited_--;
	if (g->awaited_ == 0 && g->is_meta_good_ && g->state == GREETING_PENDING)
		g->state = GREETING_DONE;
}

/* A server that is starting is asked again soon, one that refuses us is not. */
static void fail_reply(struct greeting *g, const redisReply *reply)
{
	struct error error;
	struct reply_error what = reply_classify(reply, &error);

	if (g->state == GREETING_FAILED)
		return;
	g->error = error;
	fail(g, what.verdict != REPLY_RETRY && what.verdict != REPLY_RECONNECT);
}

/* ---- AUTH, SELECT, SCRIPT LOAD, CONFIG GET -------------------------------------------------- */
static void on_auth(struct redis_command *command, const redisReply *reply)
{
	struct greeting *g = container_of(command, struct greeting, auth_);

	if (reply_is_error(reply))
		fail_reply(g, reply);
	heard(g);
}

static void on_select(struct redis_command *command, const redisReply *reply)
{
	struct greeting *g = container_of(command, struct greeting, select_);

	if (reply_is_error(reply))
		fail_reply(g, reply);
	heard(g);
}

/* Who may not load scripts may still send the source with EVAL: only that needs no NOSCRIPT. */
static void on_load(struct redis_command *command, const redisReply *reply)
{
	const struct greeting_load *load = container_of(command, struct greeting_load, command);
	struct greeting *g = load->greeting;
	enum redis_script script = (enum redis_script)(load - g->loads_);

	if (reply_is_error(reply)) {
		if (memmem(reply->str, reply->len, "Error compiling script", 22)) {
			(void)error_set(&g->error, ST_FAILED_PRECONDITION,
					"redis is too old: 7.0 or newer is needed (%.*s)",
					(int)reply->len, reply->str);
			fail(g, true);
		} else if (!span_starts_with(span_make(reply->str, reply->len),
					     SPAN_LIT("NOPERM"))) {
			fail_reply(g, reply);
		}
	} else if (!span_eq_str(reply_text(reply), redis_script_sha(script))) {
		(void)error_set(&g->error, ST_INTERNAL, "redis names a script of ours otherwise");
		fail(g, true);
	}
	heard(g);
}

/* Where CONFIG is forbidden, as in most managed offers, nobody can know. */
static void on_config(struct redis_command *command, const redisReply *reply)
{
	static const char *const classes[] = {"always", "everysec"};
	struct greeting *g = container_of(command, struct greeting, config_);
	struct span only = SPAN_EMPTY;
	struct span sync = SPAN_EMPTY;

	g->durability = "unknown";
	for (size_t i = 0; reply->type == REDIS_REPLY_ARRAY && i + 1 < reply->elements; i += 2) {
		if (span_eq_str(reply_text(reply->element[i]), "appendonly"))
			only = reply_text(reply->element[i + 1]);
		if (span_eq_str(reply_text(reply->element[i]), "appendfsync"))
			sync = reply_text(reply->element[i + 1]);
	}
	if (span_eq_str(only, "no"))
		g->durability = "memory";
	for (size_t i = 0; span_eq_str(only, "yes") && i < 2; i++) {
		if (span_eq_str(sync, classes[i]))
			g->durability = classes[i];
	}
	heard(g);
}

/* ---- meta: is it the journal we know, or may we make one? ----------------------------------- */
static void ask_meta(struct greeting *g, const char *created)
{
	char key[KEY_TEXT_MAX];
	char version[16];
	char partitions[16];
	char wall[24];
	const char *words[] = {
		"EVAL", redis_script_meta_source(), "1", key, version, partitions, created, wall,
		NULL};

	(void)snprintf(key, sizeof(key), KEY_PREFIX "%s:meta", g->namespace_text_);
	(void)snprintf(version, sizeof(version), "%u", KEY_FORMAT_VERSION);
	(void)snprintf(partitions, sizeof(partitions), "%u", KEY_PARTITIONS);
	(void)snprintf(wall, sizeof(wall), "%" PRIu64, clock_wall_ms());
	redis_command_words(&g->meta_, words);
	say(g, &g->meta_);
}

void greeting_create(struct greeting *g)
{
	uint8_t random[(GREETING_CREATED_MAX - 1) / 2];
	char created[GREETING_CREATED_MAX];

	g->state = GREETING_PENDING;
	hash_random(random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		(void)snprintf(created + 2 * i, 3, "%02x", random[i]);
	ask_meta(g, created);
}

static void ask_scan(struct greeting *g, const char *cursor)
{
	greeting_scan(&g->scan_, g->namespace_text_, cursor);
	say(g, &g->scan_);
}

void greeting_scan(struct redis_command *command, const char *namespace_text, const char *cursor)
{
	char pattern[KEY_TEXT_MAX];
	const char *words[] = {"SCAN", cursor, "MATCH", pattern, "COUNT", "1000", NULL};

	(void)snprintf(pattern, sizeof(pattern), KEY_PREFIX "%s:*", namespace_text);
	redis_command_words(command, words);
}

/* Only an empty namespace gets a new meta: data without it has lost it, and with it our knowledge
 * of its partitions. Who may not SCAN is trusted. */
enum status greeting_scan_reply(const struct redisReply *reply, char *ret_cursor, size_t size,
				struct error *err)
{
	if (reply_is_error(reply)) {
		(void)snprintf(ret_cursor, size, "0");
		return ST_OK;
	}
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    reply_text(reply->element[0]).len >= size)
		return error_set(err, ST_INTERNAL, "redis answered something else to SCAN");
	if (reply->element[1]->elements > 0)
		ret_cursor[0] = 0;
	else
		(void)snprintf(ret_cursor, size, "%.*s", SPAN_FMT(reply_text(reply->element[0])));
	return ST_OK;
}

static void on_scan(struct redis_command *command, const redisReply *reply)
{
	struct greeting *g = container_of(command, struct greeting, scan_);
	char cursor[24];

	if (greeting_scan_reply(reply, cursor, sizeof(cursor), &g->error) != ST_OK) {
		fail(g, false);
	} else if (!cursor[0]) {
		(void)error_set(&g->error, ST_FAILED_PRECONDITION,
				"redis holds keys of namespace \"%s\" but not its meta key",
				g->namespace_text_);
		fail(g, true);
	} else if (strcmp(cursor, "0") == 0) {
		greeting_create(g);
	} else {
		ask_scan(g, cursor);
	}
	heard(g);
}

static enum status check_meta(struct greeting *g, const redisReply *reply)
{
	struct span version = reply_text(reply->element[0]);
	struct span partitions = reply_text(reply->element[1]);
	struct span created = reply_text(reply->element[2]);
	char want[16];

	(void)snprintf(want, sizeof(want), "%u", KEY_FORMAT_VERSION);
	if (!span_eq_str(version, want))
		return error_set(&g->error, ST_FAILED_PRECONDITION,
				 "the journal has format version \"%.*s\", this program knows %s",
				 SPAN_FMT(span_head(version, 16)), want);
	(void)snprintf(want, sizeof(want), "%u", KEY_PARTITIONS);
	if (!span_eq_str(partitions, want))
		return error_set(&g->error, ST_FAILED_PRECONDITION,
				 "the journal has \"%.*s\" partitions, this program uses %s",
				 SPAN_FMT(span_head(partitions, 16)), want);
	if (created.len != GREETING_CREATED_MAX - 1)
		return error_set(&g->error, ST_DATA_LOSS, "the journal's creation id is damaged");
	if (g->seen_[0] && !span_eq_str(created, g->seen_))
		return error_set(&g->error, ST_FAILED_PRECONDITION,
				 "journal was replaced: its creation id is another one");
	memcpy(g->created, created.data, created.len);
	g->created[created.len] = 0;
	return ST_OK;
}

static void on_meta(struct redis_command *command, const redisReply *reply)
{
	struct greeting *g = container_of(command, struct greeting, meta_);
	bool is_missing;

	if (reply_is_error(reply) || reply->type != REDIS_REPLY_ARRAY || reply->elements != 3) {
		if (reply_is_error(reply)) {
			fail_reply(g, reply);
		} else {
			(void)error_set(&g->error, ST_INTERNAL, "meta script answered no meta");
			fail(g, true);
		}
		heard(g);
		return;
	}
	is_missing = !reply_text(reply->element[0]).data && !reply_text(reply->element[1]).data &&
		     !reply_text(reply->element[2]).data;
	if (is_missing && g->seen_[0]) {
		(void)error_set(&g->error, ST_FAILED_PRECONDITION,
				"journal was replaced: it is empty");
		fail(g, true);
	} else if (is_missing && g->kind_ == GREETING_OF_GUEST) {
		(void)error_set(&g->error, ST_NOT_FOUND,
				REDIS_JOURNAL_NONE " with the namespace \"%s\"",
				g->namespace_text_);
		fail(g, true);
	} else if (is_missing && g->kind_ == GREETING_OF_META) {
		g->state = GREETING_MISSING;
	} else if (is_missing) {
		ask_scan(g, "0");
	} else if (check_meta(g, reply) != ST_OK) {
		fail(g, true);
	} else {
		g->is_meta_good_ = true;
	}
	heard(g);
}

/* ---- the probe ------------------------------------------------------------------------------ */
/* Partitions are few, and one name in so many is in each of them with near certainty. */
#define PROBE_TRIES 4096U

void greeting_probe(struct redis_command *command, const char *namespace_text, unsigned slot)
{
	char id[24] = PROBE_NAME;
	const struct journal_any event = {SPAN_LIT(""), SPAN_LIT("")};
	struct journal_append append = {
		.key = {SPAN_LIT(PROBE_NAME), SPAN_LIT(PROBE_NAME)},
		/* No entity gets there, so the answer is CONFLICT. */
		.expected = {.sequence = JOURNAL_SEQUENCE_MAX - 1},
		.events = &event,
		.event_count = 1,
	};
	struct key_names names;
	struct error error;

	for (unsigned i = 0; slot < SLOT_COUNT && i < PROBE_TRIES; i++) {
		if (slot_of_partition(key_partition(&append.key)) == slot)
			break;
		(void)snprintf(id, sizeof(id), PROBE_NAME "%u", i);
		append.key.id = span_from_str(id);
	}
	BUG_ON(key_render(namespace_text, &append.key, &names, &error) != ST_OK);
	redis_command_append(command, &names, &append, 0);
}

enum status greeting_probe_reply(struct redis_command *command, const struct redisReply *reply,
				 bool *ret_is_again, struct error *err)
{
	struct journal_append_result result;
	struct journal_id none = {{0}};
	struct reply_error what;
	enum status st;

	if (!reply_is_error(reply)) {
		st = reply_append(reply, &none, &result, err);
		if (st == ST_OK && result.result == JOURNAL_OK)
			st = error_set(err, ST_INTERNAL, "the probe was appended");
		return st;
	}
	what = reply_classify(reply, err);
	if (what.verdict == REPLY_EVAL) {
		redis_command_to_eval(command);
		*ret_is_again = true;
		return ST_OK;
	}
	if (err->status == ST_RESOURCE_EXHAUSTED ||
	    span_starts_with(span_make(reply->str, reply->len), SPAN_LIT("NOREPLICAS")))
		return ST_OK;
	return err->status;
}

static void on_probe(struct redis_command *command, const redisReply *reply)
{
	struct greeting *g = container_of(command, struct greeting, probe_);
	struct error error;
	bool is_again = false;

	if (command->is_ack_wanted && !reply_is_error(reply) &&
	    command->acks < (long long)g->replicas_ack && g->state != GREETING_FAILED) {
		(void)error_set(&g->error, ST_UNAVAILABLE,
				"%lld replicas of this redis have what was written, but "
				"journal.replicas_ack is %u",
				command->acks < 0 ? 0 : command->acks, g->replicas_ack);
		fail(g, true);
	} else if (greeting_probe_reply(command, reply, &is_again, &error) != ST_OK) {
		if (reply_is_error(reply)) {
			fail_reply(g, reply);
		} else if (g->state != GREETING_FAILED) {
			g->error = error;
			fail(g, true);
		}
	} else if (is_again) {
		say(g, command);
	}
	heard(g);
}

/* Of all that a gateway calls: the first call of none of them costs a second way to Redis. */
static void say_loads(struct greeting *g)
{
	for (enum redis_script script = 0; script < REDIS_SCRIPTS_LOADED_; script++) {
		const char *words[] = {"SCRIPT", "LOAD", redis_script_source(script), NULL};
		struct greeting_load *load = &g->loads_[script];

		redis_command_words(&load->command, words);
		say(g, &load->command);
	}
}

static void drop(struct redis_command *command)
{
	list_remove(&command->node);
	redis_command_fini(command);
}

/* ---- the whole ------------------------------------------------------------------------------ */
static void init_commands(struct greeting *g)
{
	redis_command_init(&g->auth_, on_auth);
	redis_command_init(&g->select_, on_select);
	redis_command_init(&g->config_, on_config);
	redis_command_init(&g->meta_, on_meta);
	redis_command_init(&g->scan_, on_scan);
	redis_command_init(&g->probe_, on_probe);
	for (size_t i = 0; i < REDIS_SCRIPTS_LOADED_; i++) {
		g->loads_[i].greeting = g;
		redis_command_init(&g->loads_[i].command, on_load);
	}
}

void greeting_start(struct greeting *g, const struct redis_url *url, const char *namespace_text,
		    const char *seen, enum greeting_kind kind)
{
	const char *auth[] = {"AUTH", url->user, url->password, NULL};
	const char *auth_password[] = {"AUTH", url->password, NULL};
	const char *select[] = {"SELECT", url->database, NULL};
	const char *config[] = {"CONFIG", "GET", "append*", NULL};

	*g = (struct greeting){.url_ = url, .namespace_text_ = namespace_text, .seen_ = seen};
	g->kind_ = kind;
	g->is_meta_good_ = kind == GREETING_OF_CLUSTER;
	g->durability = "unknown";
	list_init(&g->to_send);
	init_commands(g);
	if (kind == GREETING_OF_META) {
		ask_meta(g, "");
		return;
	}
	if (url->has_auth) {
		redis_command_words(&g->auth_, url->user[0] ? auth : auth_password);
		say(g, &g->auth_);
	}
	if (url->database[0]) {
		redis_command_words(&g->select_, select);
		say(g, &g->select_);
	}
	say_loads(g);
	redis_command_words(&g->config_, config);
	say(g, &g->config_);
	if (kind == GREETING_OF_CLUSTER)
		return;
	ask_meta(g, "");
	greeting_probe(&g->probe_, namespace_text, SLOT_ANY);
	say(g, &g->probe_);
}

void greeting_fini(struct greeting *g)
{
	struct redis_command *commands[] = {&g->auth_, &g->select_, &g->config_,
					    &g->meta_, &g->scan_,   &g->probe_};

	if (!g->to_send.next)
		return;
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		drop(commands[i]);
	for (size_t i = 0; i < REDIS_SCRIPTS_LOADED_; i++)
		drop(&g->loads_[i].command);
	g->to_send.next = NULL;
}
