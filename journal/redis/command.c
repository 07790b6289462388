#include "journal/redis/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "journal/crdt_log.h"
#include "journal/journal.h"
#include "journal/key.h"
#include "journal/redis/resp.h"
#include "journal/redis/script_source.h"
#include "src/base/error.h"
#include "src/base/text.h"

/* Arguments of a put without a state. */
#define PUT_ARGS_FIXED ((size_t)13)
/* Arguments before the events: EVALSHA sha 4 keys... and nine of the script. */
#define APPEND_ARGS_FIXED ((size_t)16)
/* An append of a few small events. */
#define COMMAND_USUAL_BYTES ((size_t)512)
/* The largest append, or the largest state of a CRDT, as EVAL: payloads, lengths and line ends
 * around them, keys, and the script. */
#define COMMAND_BYTES_MAX                                                                          \
	(CRDT_LOG_STATE_MAX + (JOURNAL_EVENTS_MAX + 1) * 2 * ARG_FRAME_BYTES + 5 * KEY_TEXT_MAX +  \
	 SCRIPT_BYTES_MAX + 4096)
/* The longest of the sources. */
#define SCRIPT_BYTES_MAX ((size_t)8192)
/* "$", at most 20 digits, and two line ends. */
#define ARG_FRAME_BYTES ((size_t)25)
/* "9007199254740991-0" and its NUL. */
#define SEQUENCE_TEXT_MAX 24
/* Hexadecimal SHA-1. */
#define SHA_LEN ((size_t)40)

_Static_assert(JOURNAL_APPEND_BYTES_MAX <= CRDT_LOG_STATE_MAX, "COMMAND_BYTES_MAX");

static const struct {
	const char *sha;
	const char *source;
} scripts[REDIS_SCRIPTS_] = {
	[REDIS_SCRIPT_ADMIN_ERASE] = {SCRIPT_ADMIN_ERASE_SHA, SCRIPT_ADMIN_ERASE_SOURCE},
	[REDIS_SCRIPT_ADMIN_IMPORT] = {SCRIPT_ADMIN_IMPORT_SHA, SCRIPT_ADMIN_IMPORT_SOURCE},
	[REDIS_SCRIPT_ADMIN_REPAIR] = {SCRIPT_ADMIN_REPAIR_SHA, SCRIPT_ADMIN_REPAIR_SOURCE},
	[REDIS_SCRIPT_ADMIN_TRUNCATE] = {SCRIPT_ADMIN_TRUNCATE_SHA, SCRIPT_ADMIN_TRUNCATE_SOURCE},
	[REDIS_SCRIPT_APPEND] = {SCRIPT_APPEND_SHA, SCRIPT_APPEND_SOURCE},
	[REDIS_SCRIPT_CLAIM] = {SCRIPT_CLAIM_SHA, SCRIPT_CLAIM_SOURCE},
	[REDIS_SCRIPT_CRDT_APPEND] = {SCRIPT_CRDT_APPEND_SHA, SCRIPT_CRDT_APPEND_SOURCE},
	[REDIS_SCRIPT_CRDT_COMPACT] = {SCRIPT_CRDT_COMPACT_SHA, SCRIPT_CRDT_COMPACT_SOURCE},
	[REDIS_SCRIPT_CRDT_DELETE] = {SCRIPT_CRDT_DELETE_SHA, SCRIPT_CRDT_DELETE_SOURCE},
	[REDIS_SCRIPT_CRDT_READ] = {SCRIPT_CRDT_READ_SHA, SCRIPT_CRDT_READ_SOURCE},
	[REDIS_SCRIPT_FEED_ACCEPT] = {SCRIPT_FEED_ACCEPT_SHA, SCRIPT_FEED_ACCEPT_SOURCE},
	[REDIS_SCRIPT_FEED_EVENT] = {SCRIPT_FEED_EVENT_SHA, SCRIPT_FEED_EVENT_SOURCE},
	[REDIS_SCRIPT_FEED_READ] = {SCRIPT_FEED_READ_SHA, SCRIPT_FEED_READ_SOURCE},
	[REDIS_SCRIPT_MEMBERS] = {SCRIPT_MEMBERS_SHA, SCRIPT_MEMBERS_SOURCE},
	[REDIS_SCRIPT_PUT] = {SCRIPT_PUT_SHA, SCRIPT_PUT_SOURCE},
	[REDIS_SCRIPT_SECRET] = {SCRIPT_SECRET_SHA, SCRIPT_SECRET_SOURCE},
	[REDIS_SCRIPT_RECALL] = {SCRIPT_RECALL_SHA, SCRIPT_RECALL_SOURCE},
	[REDIS_SCRIPT_TAIL] = {SCRIPT_TAIL_SHA, SCRIPT_TAIL_SOURCE},
	[REDIS_SCRIPT_WINDOW] = {SCRIPT_WINDOW_SHA, SCRIPT_WINDOW_SOURCE},
};

const char *redis_script_source(enum redis_script script)
{
	return scripts[script].source;
}

const char *redis_script_sha(enum redis_script script)
{
	return scripts[script].sha;
}

const char *redis_script_meta_source(void)
{
	return SCRIPT_META_SOURCE;
}

void redis_command_init(struct redis_command *command,
			void (*on_reply)(struct redis_command *, const struct redisReply *))
{
	*command = (struct redis_command){.on_reply = on_reply};
	buf_init(&command->text, COMMAND_BYTES_MAX);
	list_init(&command->node);
}

void redis_command_fini(struct redis_command *command)
{
	command->is_asking = false;
	resp_reply_free(command->kept_);
	command->kept_ = NULL;
	buf_fini(&command->text);
}

/* The parts of a command in RESP. Written here and not with redisFormatCommandArgv, which prints
 * each length with sprintf: an append cost 14,600 instructions of it, a fifth of a whole command.
 */
static void begin(struct redis_command *command, size_t count)
{
	char digits[TEXT_U64_DIGITS];

	buf_reset(&command->text);
	command->sent = 0;
	command->is_asking = false;
	command->is_ack_wanted = false;
	/* Saves most commands a second allocation. The sticky is_full is looked at by put. */
	(void)buf_reserve(&command->text, COMMAND_USUAL_BYTES);
	(void)buf_append_byte(&command->text, '*');
	(void)buf_append(&command->text, text_from_u64(count, digits));
	(void)buf_append(&command->text, SPAN_LIT("\r\n"));
}

static void put(struct redis_command *command, struct span arg)
{
	char digits[TEXT_U64_DIGITS];
	struct span len = text_from_u64(arg.len, digits);
	size_t whole = 1 + len.len + 2 + arg.len + 2;
	uint8_t *room = buf_reserve(&command->text, whole);
	uint8_t *at = room;

	BUG_ON(!room); /* whoever asks for a command checked the sizes */
	*at++ = '$';
	at = mempcpy(at, len.data, len.len);
	at = mempcpy(at, "\r\n", 2);
	if (arg.len)
		at = mempcpy(at, arg.data, arg.len);
	(void)mempcpy(at, "\r\n", 2); /* the end needs no place */
	buf_commit(&command->text, whole);
}

static void put_number(struct redis_command *command, uint64_t value)
{
	char digits[TEXT_U64_DIGITS];

	put(command, text_from_u64(value, digits));
}

void redis_command_words(struct redis_command *command, const char *const *words)
{
	size_t count = 0;

	while (words[count])
		count++;
	begin(command, count);
	for (size_t i = 0; i < count; i++)
		put(command, span_from_str(words[i]));
}

void redis_command_spans(struct redis_command *command, const struct span *words, size_t count)
{
	begin(command, count);
	for (size_t i = 0; i < count; i++)
		put(command, words[i]);
}

static struct span id_span(const struct journal_id *id)
{
	return span_make(id->bytes, sizeof(id->bytes));
}

/* "No head yet" is the empty tag. */
static struct span expected_tag(const struct journal_head *head)
{
	return head->sequence ? id_span(&head->tag) : SPAN_LIT("");
}

static void put_payload(struct redis_command *command, const struct journal_any *payload)
{
	put(command, payload->type_url);
	put(command, payload->value);
}

/* Fingerprint and key as one argument, then the reply. */
static void put_idempotency(struct redis_command *command, const struct journal_idempotency *kept)
{
	uint8_t k[sizeof(kept->fingerprint.bytes) + JOURNAL_KEY_MAX];

	if (!kept) {
		put(command, SPAN_LIT(""));
		put(command, SPAN_LIT(""));
		return;
	}
	memcpy(k, kept->fingerprint.bytes, sizeof(kept->fingerprint.bytes));
	memcpy(k + sizeof(kept->fingerprint.bytes), kept->key.data, kept->key.len);
	put(command, span_make(k, sizeof(kept->fingerprint.bytes) + kept->key.len));
	put(command, kept->reply);
}

void redis_command_append(struct redis_command *command, const struct key_names *names,
			  const struct journal_append *append, uint64_t wall_ms)
{
	size_t payloads = append->event_count + (append->snapshot ? 1 : 0);

	begin(command, APPEND_ARGS_FIXED + 2 * payloads);
	put(command, SPAN_LIT("EVALSHA"));
	put(command, SPAN_LIT(SCRIPT_APPEND_SHA));
	put(command, SPAN_LIT("4"));
	put(command, names->head);
	put(command, names->events);
	put(command, names->feed);
	put(command, names->index);
	put(command, append->key.id);
	put_number(command, append->expected.sequence);
	put(command, expected_tag(&append->expected));
	put(command, id_span(&append->tag));
	put(command, id_span(&append->command));
	put_number(command, wall_ms);
	put_idempotency(command, append->idempotency);
	put_number(command, append->event_count);
	for (size_t i = 0; i < append->event_count; i++)
		put_payload(command, &append->events[i]);
	if (append->snapshot)
		put_payload(command, append->snapshot);
	command->is_ack_wanted = true;
}

void redis_command_put(struct redis_command *command, const struct key_names *names,
		       const struct journal_put *change)
{
	begin(command, PUT_ARGS_FIXED + (change->state ? 2 : 0));
	put(command, SPAN_LIT("EVALSHA"));
	put(command, SPAN_LIT(SCRIPT_PUT_SHA));
	put(command, SPAN_LIT("3"));
	put(command, names->head);
	put(command, names->feed);
	put(command, names->index);
	put(command, change->key.id);
	put_number(command, change->expected.sequence);
	put(command, expected_tag(&change->expected));
	put(command, id_span(&change->tag));
	put(command, id_span(&change->command));
	put_idempotency(command, change->idempotency);
	if (change->state)
		put_payload(command, change->state);
	command->is_ack_wanted = true;
}

void redis_command_script(struct redis_command *command, enum redis_script script,
			  const struct span *keys, size_t key_count, const struct span *args,
			  size_t arg_count)
{
	begin(command, 3 + key_count + arg_count);
	put(command, SPAN_LIT("EVALSHA"));
	put(command, span_from_str(scripts[script].sha));
	put_number(command, key_count);
	for (size_t i = 0; i < key_count; i++)
		put(command, keys[i]);
	for (size_t i = 0; i < arg_count; i++)
		put(command, args[i]);
}

/* In the order of enum record_head_field. */
static const struct span head_fields[] = {SPAN_LIT("s"),  SPAN_LIT("g"),  SPAN_LIT("x"),
					  SPAN_LIT("zs"), SPAN_LIT("zt"), SPAN_LIT("zp"),
					  SPAN_LIT("v")};
#define HEAD_FIELDS (sizeof(head_fields) / sizeof(*head_fields))

void redis_command_claim(struct redis_command *command, struct span head_key, struct span claim_key,
			 uint64_t incarnation)
{
	const struct span keys[] = {head_key, claim_key};
	char digits[TEXT_U64_DIGITS];
	struct span args[1 + HEAD_FIELDS] = {text_from_u64(incarnation, digits)};

	memcpy(args + 1, head_fields, sizeof(head_fields));
	redis_command_script(command, REDIS_SCRIPT_CLAIM, keys, 2, args, 1 + HEAD_FIELDS);
	command->is_ack_wanted = true;
}

void redis_command_head(struct redis_command *command, struct span head_key, bool is_verify)
{
	size_t count = is_verify ? 3 : HEAD_FIELDS;

	begin(command, 2 + count);
	put(command, SPAN_LIT("HMGET"));
	put(command, head_key);
	for (size_t i = 0; i < count; i++)
		put(command, head_fields[i]);
}

void redis_command_events(struct redis_command *command, struct span events_key, uint64_t first,
			  uint64_t last, size_t count)
{
	char from[SEQUENCE_TEXT_MAX];
	char to[SEQUENCE_TEXT_MAX];

	/* Exclusive, so that 0 needs no case of its own. */
	(void)snprintf(from, sizeof(from), "(%" PRIu64 "-0", first - 1);
	(void)snprintf(to, sizeof(to), "%" PRIu64 "-0", last);
	begin(command, 6);
	put(command, SPAN_LIT("XRANGE"));
	put(command, events_key);
	put(command, span_from_str(from));
	put(command, span_from_str(to));
	put(command, SPAN_LIT("COUNT"));
	put_number(command, count);
}

/* Which script a command calls, by the name behind EVALSHA. */
static enum redis_script script_of(struct span sha)
{
	enum redis_script script = 0;

	while (script < REDIS_SCRIPTS_ && !span_eq_str(sha, scripts[script].sha))
		script++;
	BUG_ON(script == REDIS_SCRIPTS_);
	return script;
}

void redis_command_to_eval(struct redis_command *command)
{
	const struct span head = SPAN_LIT("$7\r\nEVALSHA\r\n$40\r\n");
	struct buf old = command->text;
	struct span text = buf_span(&old);
	size_t count_len = span_find(text, '\n') + 1;
	struct span rest = span_skip(text, count_len);
	enum redis_script script;

	BUG_ON(!span_starts_with(rest, head));
	rest = span_skip(rest, head.len);
	script = script_of(span_head(rest, SHA_LEN));
	buf_init(&command->text, COMMAND_BYTES_MAX);
	command->sent = 0;
	(void)buf_append(&command->text, span_head(text, count_len)); /* put looks at is_full */
	put(command, SPAN_LIT("EVAL"));
	put(command, span_from_str(scripts[script].source));
	BUG_ON(!buf_append(&command->text, span_skip(rest, SHA_LEN + 2)));
	buf_fini(&old);
}

void redis_command_ask(struct redis_command *command, bool is_asking)
{
	const struct span asking = SPAN_LIT("*1\r\n$6\r\nASKING\r\n");
	struct buf old = command->text;

	if (command->is_asking == is_asking)
		return;
	command->is_asking = is_asking;
	command->sent = 0;
	if (!is_asking) {
		buf_consume(&command->text, asking.len);
		return;
	}
	buf_init(&command->text, COMMAND_BYTES_MAX);
	/* COMMAND_BYTES_MAX has room for it. */
	BUG_ON(!buf_append(&command->text, asking) || !buf_append(&command->text, buf_span(&old)));
	buf_fini(&old);
}
