/* headgate journal: the tools of an operator. Which commands there are, and what each takes. */
#include "src/cli/journal.h"

#include <stdio.h>
#include <string.h>

#include "src/base/log.h"

static const char usage[] =
	"usage: headgate journal COMMAND [ARGUMENT ...] [--journal URL] [--namespace NAME]\n"
	"                        [--config FILE] [--timeout SECONDS] [--json]\n"
	"\n"
	"  types                                 what types of entities there are\n"
	"  list TYPE [--prefix P] [--after ID] [--limit N] [--erased]\n"
	"  show TYPE/ID                          head, snapshot, size, owner\n"
	"  events TYPE/ID [--from N] [--to N]    its events, as lines of JSON\n"
	"  follow TYPE[/ID] [--all] [--limit N]  events as they are stored\n"
	"  export [TYPE[/ID]]                    all that is stored, as lines\n"
	"  import FILE [--check]                 puts it back\n"
	"  verify [--repair index|feed]          whether all is well\n"
	"  erase TYPE/ID --reason TEXT [--rewrite]\n"
	"  truncate TYPE/ID --before N [--keep N]\n"
	"  truncate TYPE --keep N                events that snapshots stand for\n"
	"  state TYPE/ID [--at N] --call METHOD [JSON]\n"
	"  salvage list DIR | diff FILE | import FILE\n"
	"  members                               which gateways there are\n"
	"  owner TYPE/ID                         which of them has the entity\n"
	"  consumer GROUP TYPE|TOPIC [--topic] [--accept-regression]\n"
	"  backup DIR                            a copy of an embedded journal\n"
	"\n"
	"Payloads are shown as JSON by --descriptors FILE (a FileDescriptorSet) or what the\n"
	"user function says of itself; else, and with --raw, in base64.\n"
	"The manual is headgate-journal(1).\n";

enum {
	HAS_TYPES = 1,
	HAS_PAGES = 2,
	HAS_RANGE = 4,
	HAS_ALL = 8,
	HAS_CHECK = 16,
	HAS_REPAIR = 32,
	HAS_ERASE = 64,
	HAS_TRUNCATE = 128,
	HAS_STATE = 256,
	HAS_LIMIT = 512,
	HAS_CONSUMER = 1024,
};

static const struct journal_command {
	const char *name;
	int (*run)(struct tool *);
	unsigned has;
	size_t words_min;
	size_t words_max;
	bool may_create;
} commands[] = {
	{"types", journal_types, 0, 0, 0, false},
	{"list", journal_list, HAS_PAGES | HAS_LIMIT, 1, 1, false},
	{"show", journal_show, HAS_TYPES, 1, 1, false},
	{"events", journal_events, HAS_TYPES | HAS_RANGE, 1, 1, false},
	{"follow", journal_follow, HAS_TYPES | HAS_ALL | HAS_LIMIT, 1, 1, false},
	{"export", journal_export, 0, 0, 1, false},
	{"import", journal_import, HAS_CHECK, 1, 1, true},
	{"verify", journal_verify_all, HAS_REPAIR, 0, 0, false},
	{"erase", journal_erase, HAS_ERASE, 1, 1, false},
	{"truncate", journal_truncate, HAS_TRUNCATE, 1, 1, false},
	{"state", journal_state, HAS_TYPES | HAS_STATE, 1, 2, false},
	{"salvage", journal_salvage, HAS_CHECK, 2, 2, false},
	{"members", journal_members, 0, 0, 0, false},
	{"owner", journal_owner, 0, 1, 1, false},
	{"consumer", journal_consumer, HAS_CONSUMER, 2, 2, false},
	{"backup", journal_backup, 0, 1, 1, false},
};

struct journal_option {
	struct command_option option;
	unsigned has; /* 0: of all commands */
};

static const struct journal_option *find(const struct journal_option *options, struct span name,
					 unsigned has)
{
	for (; options->option.name; options++)
		if (span_eq_str(name, options->option.name) &&
		    (!options->has || options->has & has))
			return options;
	return NULL;
}

static int wrong(const char *what, const char *argument)
{
	(void)fprintf(stderr, "headgate: %s %s\n%s", what, argument, usage); /* the last resort */
	return CLI_USAGE;
}

/* One argument at *i, and its value behind it. */
static int take(const struct journal_option *options, unsigned has, int argc, char **argv, int *i,
		struct journal_args *args)
{
	struct span text = span_from_str(argv[*i]);
	struct span name = span_head(text, span_find(text, '='));
	const struct journal_option *option = find(options, name, has);
	bool has_value = name.len < text.len;

	if (!span_starts_with(text, SPAN_LIT("--"))) {
		if (args->word_count == JOURNAL_POSITIONALS_MAX)
			return wrong("too many arguments:", argv[*i]);
		args->words[args->word_count++] = argv[*i];
		return CLI_OK;
	}
	if (!option || (option->option.flag && has_value))
		return wrong("unknown argument", argv[*i]);
	if (option->option.flag) {
		*option->option.flag = true;
		return CLI_OK;
	}
	if (!has_value && *i + 1 == argc)
		return wrong("no value after", argv[*i]);
	*option->option.value = has_value ? argv[*i] + name.len + 1 : argv[++*i];
	return CLI_OK;
}

static int read_args(const struct journal_command *command, int argc, char **argv,
		     struct journal_args *args)
{
	const struct journal_option options[] = {
		{{"--journal", &args->url, NULL}, 0},
		{{"--namespace", &args->namespace_id, NULL}, 0},
		{{"--config", &args->config, NULL}, 0},
		{{"--timeout", &args->timeout, NULL}, 0},
		{{"--json", NULL, &args->is_json}, 0},
		{{"--descriptors", &args->descriptors, NULL}, HAS_TYPES},
		{{"--raw", NULL, &args->is_raw}, HAS_TYPES},
		{{"--prefix", &args->prefix, NULL}, HAS_PAGES},
		{{"--after", &args->after, NULL}, HAS_PAGES},
		{{"--erased", NULL, &args->wants_erased}, HAS_PAGES},
		{{"--limit", &args->limit, NULL}, HAS_LIMIT},
		{{"--from", &args->from, NULL}, HAS_RANGE},
		{{"--to", &args->to, NULL}, HAS_RANGE},
		{{"--all", NULL, &args->is_all}, HAS_ALL},
		{{"--check", NULL, &args->is_check}, HAS_CHECK},
		{{"--repair", &args->repair, NULL}, HAS_REPAIR},
		{{"--reason", &args->reason, NULL}, HAS_ERASE},
		{{"--rewrite", NULL, &args->wants_rewrite}, HAS_ERASE},
		{{"--before", &args->before, NULL}, HAS_TRUNCATE},
		{{"--keep", &args->keep, NULL}, HAS_TRUNCATE},
		{{"--at", &args->at, NULL}, HAS_STATE},
		{{"--call", &args->call, NULL}, HAS_STATE},
		{{"--topic", NULL, &args->is_topic}, HAS_CONSUMER},
		{{"--accept-regression", NULL, &args->accepts}, HAS_CONSUMER},
		{{NULL, NULL, NULL}, 0},
	};
	int code = CLI_OK;

	for (int i = 1; code == CLI_OK && i < argc; i++)
		code = take(options, command->has, argc, argv, &i, args);
	if (code == CLI_OK && args->word_count < command->words_min)
		return wrong("an argument is missing:", command->name);
	if (code == CLI_OK && args->word_count > command->words_max)
		return wrong("too many arguments:", args->words[args->word_count - 1]);
	return code;
}

int command_journal(int argc, char **argv)
{
	const struct journal_command *command = commands;
	const struct journal_command *end = commands + sizeof(commands) / sizeof(*commands);
	struct journal_args args = {0};
	struct tool tool;
	int code;

	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0)
			return fputs(usage, stdout) < 0;
	if (argc < 2)
		return wrong("no command:", "journal");
	while (command < end && strcmp(command->name, argv[1]) != 0)
		command++;
	if (command == end)
		return wrong("unknown command", argv[1]);
	code = read_args(command, argc - 1, argv + 1, &args);
	if (code != CLI_OK)
		return code;
	/* What goes wrong is said once, by the command itself. */
	log_set_level(LOG_OFF);
	code = tool_open(&tool, &args, command->may_create && !args.is_check);
	if (code == CLI_OK)
		code = command->run(&tool);
	else
		(void)command_fail(code, tool.err.message);
	tool_close(&tool);
	return code;
}
