/* Prints the tables of docs/ as Markdown from the same rows the program is made of. */
#include <stdio.h>
#include <string.h>

#include "src/config/config_row.h"

/* A vertical bar ends a cell. */
static void print_cell(const char *text)
{
	for (; *text; text++)
		printf(*text == '|' ? "\\|" : "%c", *text);
}

static void print_names(const char *names)
{
	struct span rest = span_from_str(names);

	while (rest.len) {
		struct span name = span_head(rest, span_find(rest, ' '));

		printf(", `%.*s`", SPAN_FMT(name));
		rest = span_skip(rest, name.len + 1);
	}
}

static void print_config(void)
{
	printf("| Key | Type | Default | Range | Environment | Meaning "
	       "|\n|---|---|---|---|---|---|\n");
	for (unsigned i = 0; i < CONFIG_KEY_COUNT_; i++) {
		const struct config_row *row = config_row_get((enum config_key)i);
		char env[CONFIG_ENV_NAME_MAX];

		config_row_env_name(row, env);
		printf("| `%s` | %s | ", row->name, config_kind_name(row->kind));
		printf(row->text[0] ? "`%s` | " : "%s| ", row->text);
		print_cell(row->min);
		if (row->min[0] && row->max[0])
			printf(" … %s", row->max);
		printf(" | `%s`", env);
		print_names(row->env);
		printf(" | ");
		print_cell(row->help);
		printf(" |\n");
	}
}

static void print_metrics(void)
{
	static const char *const rows[][4] = {
#define MT(name, kind, text, unit, help) {text, #kind, unit, help},
#include "src/base/metrics.def"
#undef MT
	};

	printf("| Name | Kind | Unit | Meaning |\n|---|---|---|---|\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		printf("| `%s` | %s | %s | %s |\n", rows[i][0], rows[i][1], rows[i][2], rows[i][3]);
}

static void print_log(void)
{
	static const char *const rows[][2] = {
#define EV(name, text) {#name, text},
#include "src/base/log.def"
#undef EV
	};

	printf("| Event | Message |\n|---|---|\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		printf("| `");
		for (const char *c = rows[i][0]; *c; c++)
			printf("%c", *c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
		printf("` | %s |\n", rows[i][1]);
	}
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "config") == 0)
		print_config();
	else if (argc == 2 && strcmp(argv[1], "metrics") == 0)
		print_metrics();
	else if (argc == 2 && strcmp(argv[1], "log") == 0)
		print_log();
	else
		return 2;
	return fflush(stdout) == 0 ? 0 : 1;
}
