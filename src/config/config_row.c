#include "src/config/config_row.h"

#include "src/base/error.h"

static const struct config_row rows[] = {
#define CF(field, kind, key, text, min, max, env, help)                                            \
	{key, CONFIG_##kind, text, min, max, env, help, offsetof(struct config, field)},
#include "src/config/config.def"
#undef CF
};

const struct config_row *config_row_get(enum config_key key)
{
	BUG_ON((unsigned)key >= CONFIG_KEY_COUNT_);
	return &rows[key];
}

enum config_key config_row_find(struct span name)
{
	unsigned i = 0;

	while (i < CONFIG_KEY_COUNT_ && !span_eq_str(name, rows[i].name))
		i++;
	return (enum config_key)i;
}

/* Longer names are no typing mistakes of ours. */
#define NAME_MAX_NEAR ((size_t)64)

/* Levenshtein distance, with one row of the table at a time. Both names fit NAME_MAX_NEAR. */
static size_t config_name_distance(struct span a, struct span b)
{
	size_t row[NAME_MAX_NEAR + 1];

	for (size_t j = 0; j <= b.len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			size_t best = diagonal + (a.data[i - 1] != b.data[j - 1]);

			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = row[j];
			row[j] = best;
		}
	}
	return row[b.len];
}

enum config_key config_row_nearest(struct span name)
{
	enum config_key nearest = CONFIG_KEY_COUNT_;
	size_t least = 4; /* more than three changes is another word */

	if (name.len > NAME_MAX_NEAR)
		return nearest;
	for (unsigned i = 0; i < CONFIG_KEY_COUNT_; i++) {
		size_t distance = config_name_distance(name, span_from_str(rows[i].name));

		if (distance < least && distance * 2 < name.len) {
			least = distance;
			nearest = (enum config_key)i;
		}
	}
	return nearest;
}

void config_row_env_name(const struct config_row *row, char name[CONFIG_ENV_NAME_MAX])
{
	static const char prefix[] = "HEADGATE_";
	size_t used = sizeof(prefix) - 1;

	memcpy(name, prefix, used);
	for (const char *c = row->name; *c && used < CONFIG_ENV_NAME_MAX - 1; c++) {
		char upper = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;

		name[used++] = *c == '.' ? '_' : upper;
	}
	name[used] = '\0';
}

const char *config_kind_name(enum config_kind kind)
{
	static const char *const names[] = {"text",	"true or false", "number", "size",
					    "duration", "choice",	 "address"};

	BUG_ON((unsigned)kind >= CONFIG_KIND_COUNT_);
	return names[kind];
}
