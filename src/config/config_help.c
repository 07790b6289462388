#include "src/config/config.h"
#include "src/config/config_row.h"

struct span config_choice_name(enum config_key key, unsigned choice)
{
	struct span rest = span_from_str(config_row_get(key)->min);

	while (choice-- > 0)
		rest = span_skip(rest, span_find(rest, '|') + 1);
	return span_head(rest, span_find(rest, '|'));
}

static void config_print_range(const struct config_row *row, struct buf *out)
{
	if (row->kind == CONFIG_CHOICE)
		(void)buf_printf(out, ", one of %s", row->min);
	else if (row->min[0] && row->max[0])
		(void)buf_printf(out, ", %s to %s", row->min, row->max);
}

static void config_print_row(const struct config_row *row, struct buf *out)
{
	char env[CONFIG_ENV_NAME_MAX];

	config_row_env_name(row, env);
	(void)buf_printf(out, "%s\n    %s", row->name, config_kind_name(row->kind));
	if (row->text[0])
		(void)buf_printf(out, ", default %s", row->text);
	config_print_range(row, out);
	(void)buf_printf(out, "\n    %s%s%s\n    %s\n", env, row->env[0] ? " " : "", row->env,
			 row->help);
}

void config_print_help(struct buf *out)
{
	(void)buf_append_str(/* a full out is the caller's to see */
			     out,
			     "Every key can be given on the command line (--KEY=VALUE), else in "
			     "the environment,\n"
			     "else in the YAML file (--config FILE, or HEADGATE_CONFIG), where "
			     "dots are nesting.\n"
			     "The first environment name that is set and not empty counts.\n\n");
	for (unsigned i = 0; i < CONFIG_KEY_COUNT_; i++)
		config_print_row(config_row_get((enum config_key)i), out);
}
