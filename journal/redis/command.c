#include "journal/redis/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "journal/journal.h"
#include "journal/key.h"
#include "journal/redis/script_source.h"
#include "src/base/error.h"
#include "src/base/mem.h"

/* Arguments before the events: EVALSHA sha 4 keys... and seven of the script. */
#define APPEND_ARGS_FIXED ((size_t)14)
#define WORDS_MAX ((size_t)16)
/* "9007199254740991-0" and its NUL. */
#define SEQUENCE_TEXT_MAX 24

#define EVALSHA_HEAD "$7\r\nEVALSHA\r\n$40\r\n" SCRIPT_APPEND_SHA "\r\n"

const char *redis_script_append_source(void)
{
	return SCRIPT_APPEND_SOURCE;
}

const char *redis_script_append_sha(void)
{
	return SCRIPT_APPEND_SHA;
}

const char *redis_script_meta_source(void)
{
	return SCRIPT_META_SOURCE;
}

void redis_command_init(struct redis_command *command,
			void (*on_reply)(struct redis_command *, const struct redisReply *))
{
	*command = (struct redis_command){.on_reply = on_reply};
	list_init(&command->node);
}

void redis_command_fini(struct redis_command *command)
{
	if (command->text)
		redisFreeCommand(command->text);
	command->text = NULL;
	command->len = 0;
}

/* hiredis wants two arrays; argument counts are ours and small, but for large appends. */
static void format(struct redis_command *command, const char **argv, const size_t *lens,
		   size_t count)
{
	int len;

	redis_command_fini(command);
	len = redisFormatCommandArgv(&command->text, (int)count, argv, lens);
	BUG_ON(len < 0); /* out of memory; the caller checked the size */
	command->len = (size_t)len;
	command->sent = 0;
}

void redis_command_args(struct redis_command *command, const struct span *args, size_t count)
{
	const char **argv = mem_new_array(const char *, count);
	size_t *lens = mem_new_array(size_t, count);

	for (size_t i = 0; i < count; i++) {
		argv[i] = (const char *)args[i].data;
		lens[i] = args[i].len;
	}
	format(command, argv, lens, count);
	mem_free(argv);
	mem_free(lens);
}

void redis_command_words(struct redis_command *command, const char *const *words)
{
	const char *argv[WORDS_MAX];
	size_t lens[WORDS_MAX];
	size_t count = 0;

	for (; words[count]; count++) {
		BUG_ON(count == WORDS_MAX);
		argv[count] = words[count];
		lens[count] = strlen(words[count]);
	}
	format(command, argv, lens, count);
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

void redis_command_append(struct redis_command *command, const struct key_names *names,
			  const struct journal_append *append, uint64_t wall_ms)
{
	struct span *args =
		mem_new_array(struct span, APPEND_ARGS_FIXED + 2 * (append->event_count + 1));
	char expected[SEQUENCE_TEXT_MAX];
	char wall[SEQUENCE_TEXT_MAX];
	char count[SEQUENCE_TEXT_MAX];
	size_t n = 0;

	(void)snprintf(expected, sizeof(expected), "%" PRIu64, append->expected.sequence);
	(void)snprintf(wall, sizeof(wall), "%" PRIu64, wall_ms);
	(void)snprintf(count, sizeof(count), "%zu", append->event_count);
	args[n++] = SPAN_LIT("EVALSHA");
	args[n++] = SPAN_LIT(SCRIPT_APPEND_SHA);
	args[n++] = SPAN_LIT("4");
	args[n++] = names->head;
	args[n++] = names->events;
	args[n++] = names->feed;
	args[n++] = names->index;
	args[n++] = append->key.id;
	args[n++] = span_from_str(expected);
	args[n++] = expected_tag(&append->expected);
	args[n++] = id_span(&append->tag);
	args[n++] = id_span(&append->command);
	args[n++] = span_from_str(wall);
	args[n++] = span_from_str(count);
	BUG_ON(n != APPEND_ARGS_FIXED);
	for (size_t i = 0; i < append->event_count; i++) {
		args[n++] = append->events[i].type_url;
		args[n++] = append->events[i].value;
	}
	if (append->snapshot) {
		args[n++] = append->snapshot->type_url;
		args[n++] = append->snapshot->value;
	}
	redis_command_args(command, args, n);
	mem_free(args);
}

void redis_command_head(struct redis_command *command, struct span head_key, bool is_verify)
{
	/* In the order of enum record_head_field. */
	const struct span args[] = {SPAN_LIT("HMGET"), head_key,      SPAN_LIT("s"),
				    SPAN_LIT("g"),     SPAN_LIT("x"), SPAN_LIT("zs"),
				    SPAN_LIT("zt"),    SPAN_LIT("zp")};

	redis_command_args(command, args, is_verify ? 5 : sizeof(args) / sizeof(*args));
}

void redis_command_events(struct redis_command *command, struct span events_key, uint64_t first,
			  uint64_t last, size_t count)
{
	char from[SEQUENCE_TEXT_MAX];
	char to[SEQUENCE_TEXT_MAX];
	char limit[SEQUENCE_TEXT_MAX];
	struct span args[6] = {SPAN_LIT("XRANGE"), events_key, SPAN_EMPTY, SPAN_EMPTY,
			       SPAN_LIT("COUNT")};

	/* Exclusive, so that 0 needs no case of its own. */
	(void)snprintf(from, sizeof(from), "(%" PRIu64 "-0", first - 1);
	(void)snprintf(to, sizeof(to), "%" PRIu64 "-0", last);
	(void)snprintf(limit, sizeof(limit), "%zu", count);
	args[2] = span_from_str(from);
	args[3] = span_from_str(to);
	args[5] = span_from_str(limit);
	redis_command_args(command, args, 6);
}

/* The arguments after the script's name stay as they are: "*<n>\r\n" EVALSHA_HEAD rest. */
void redis_command_to_eval(struct redis_command *command)
{
	const struct span head = SPAN_LIT(EVALSHA_HEAD);
	const char *count_end = memchr(command->text, '\n', command->len);
	size_t count_len = count_end ? (size_t)(count_end + 1 - command->text) : 0;
	struct span rest = span_skip(span_make(command->text, command->len), count_len);
	char eval[64];
	size_t source_len = sizeof(SCRIPT_APPEND_SOURCE) - 1;
	int eval_len = snprintf(eval, sizeof(eval), "$4\r\nEVAL\r\n$%zu\r\n", source_len);
	size_t len;
	char *text;
	char *at;

	BUG_ON(!span_starts_with(rest, head));
	rest = span_skip(rest, head.len);
	len = count_len + (size_t)eval_len + source_len + 2 + rest.len;
	text = mem_zalloc(len + 1);
	at = mempcpy(text, command->text, count_len);
	at = mempcpy(at, eval, (size_t)eval_len);
	at = mempcpy(at, SCRIPT_APPEND_SOURCE "\r\n", source_len + 2);
	(void)mempcpy(at, rest.data, rest.len); /* the end needs no place */
	redis_command_fini(command);
	command->text = text; /* redisFreeCommand is free(), as mem_free is */
	command->len = len;
	command->sent = 0;
}
