#include "src/cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "src/cli/command.h"

const char cli_usage[] =
	"       headgate check --descriptor-set FILE [--rules FILE] [--config FILE] [--json]\n"
	"                      [--requests FILE]\n"
	"       headgate journal COMMAND [ARGUMENT ...]\n"
	"       headgate openapi --descriptor-set FILE [--service NAME]\n";

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{"check", command_check},
	{"journal", command_journal},
	{"openapi", command_openapi},
};

bool cli_has(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(name, commands[i].name) == 0)
			return true;
	return false;
}

int cli_run(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(argv[0], commands[i].name) == 0)
			return commands[i].run(argc, argv);
	return CLI_USAGE;
}

static const struct command_option *option_find(const struct command_option *options,
						struct span name)
{
	for (; options->name; options++)
		if (span_eq_str(name, options->name))
			return options;
	return NULL;
}

static int wrong_option(const char *usage, const char *what, const char *argument)
{
	(void)fprintf(stderr, "headgate: %s %s\n%s", what, argument, usage); /* the last resort */
	return CLI_USAGE;
}

bool command_options(int argc, char **argv, const struct command_option *options, const char *usage,
		     int *ret_code)
{
	for (int i = 1; i < argc; i++) {
		struct span argument = span_from_str(argv[i]);
		struct span name = span_head(argument, span_find(argument, '='));
		const struct command_option *option = option_find(options, name);
		bool has_value = name.len < argument.len;

		if (span_eq_str(argument, "--help")) {
			*ret_code = fputs(usage, stdout) < 0;
			return false;
		}
		if (!option || (option->flag && has_value)) {
			*ret_code = wrong_option(usage, "unknown argument", argv[i]);
			return false;
		}
		if (option->flag) {
			*option->flag = true;
			continue;
		}
		if (!has_value && i + 1 == argc) {
			*ret_code = wrong_option(usage, "no value after", argv[i]);
			return false;
		}
		*option->value = has_value ? argv[i] + name.len + 1 : argv[++i];
	}
	return true;
}

bool command_print(struct span text)
{
	return (text.len == 0 || fwrite(text.data, 1, text.len, stdout) == text.len) &&
	       fflush(stdout) == 0;
}

int command_fail(int code, const char *message)
{
	(void)fprintf(stderr, "headgate: %s\n", message); /* the last resort */
	return code;
}
