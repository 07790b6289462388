#include "src/config/config_set.h"

#include "src/base/error.h"
#include "src/config/config_row.h"
#include "src/config/config_value.h"

bool config_set_is_section(struct span name)
{
	for (unsigned i = 0; i < CONFIG_KEY_COUNT_; i++) {
		struct span key = span_from_str(config_row_get((enum config_key)i)->name);

		if (span_starts_with(key, name) && key.len > name.len && key.data[name.len] == '.')
			return true;
	}
	return false;
}

bool config_set_is_key(struct span name)
{
	return config_row_find(name) != CONFIG_KEY_COUNT_;
}

static enum status config_set_unknown(struct span name, struct error *err)
{
	enum config_key nearest = config_row_nearest(name);

	if (nearest == CONFIG_KEY_COUNT_)
		return error_set(
			err, ST_INVALID_ARGUMENT, "%.*s: %s (headgate --help-config lists all)",
			SPAN_FMT(span_head(name, 80)),
			config_set_is_section(name) ? "is a section, not a value" : "unknown key");
	return error_set(err, ST_INVALID_ARGUMENT, "%.*s: unknown key; is %s meant?",
			 SPAN_FMT(span_head(name, 80)), config_row_get(nearest)->name);
}

enum status config_set(struct config *config, enum config_source source, struct span name,
		       struct span text, struct error *err)
{
	enum config_key key = config_row_find(name);

	if (key == CONFIG_KEY_COUNT_)
		return config_set_unknown(name, err);
	if (source == CONFIG_FILE && config->source_[key] == CONFIG_FILE)
		return error_set(err, ST_INVALID_ARGUMENT, "%.*s: given twice", SPAN_FMT(name));
	if (config_value_store(config, config_row_get(key), text, err) != ST_OK)
		return error_wrap(err, "%.*s", SPAN_FMT(name));
	config->source_[key] = (uint8_t)source;
	return ST_OK;
}
