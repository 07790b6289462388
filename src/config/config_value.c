#include "src/config/config_value.h"

#include "src/base/error.h"
#include "src/base/text.h"

struct config_unit {
	const char *name;
	uint64_t factor;
};

static const struct config_unit size_units[] = {
	{"", 1}, {"B", 1}, {"KiB", 1024}, {"MiB", 1024 * 1024}, {"GiB", 1024 * 1024 * 1024},
};
static const struct config_unit duration_units[] = {
	{"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 60 * 60 * 1000}, {"d", 24 * 60 * 60 * 1000},
};
#define UNIT_COUNT 5

static bool config_value_with_unit(struct span text, const struct config_unit *units,
				   uint64_t *ret_value)
{
	size_t digits = 0;
	uint64_t value;

	while (digits < text.len && text.data[digits] >= '0' && text.data[digits] <= '9')
		digits++;
	if (!text_to_u64(span_head(text, digits), &value))
		return false;
	for (size_t i = 0; i < UNIT_COUNT; i++) {
		if (!span_eq_str(span_skip(text, digits), units[i].name))
			continue;
		if (__builtin_mul_overflow(value, units[i].factor, &value))
			return false;
		*ret_value = value;
		return true;
	}
	return false;
}

bool config_value_size(struct span text, uint64_t *ret_bytes)
{
	return config_value_with_unit(text, size_units, ret_bytes);
}

bool config_value_duration(struct span text, uint64_t *ret_ms)
{
	if (span_eq_str(text, "0")) {
		*ret_ms = 0;
		return true;
	}
	return config_value_with_unit(text, duration_units, ret_ms);
}

bool config_value_choice(struct span text, const char *values, unsigned *ret_choice)
{
	struct span rest = span_from_str(values);
	unsigned i = 0;

	while (rest.len) {
		size_t end = span_find(rest, '|');

		if (span_eq(text, span_head(rest, end))) {
			*ret_choice = i;
			return true;
		}
		rest = span_skip(rest, end + 1);
		i++;
	}
	return false;
}

bool config_value_port(struct span text, uint64_t *ret_port)
{
	struct span host;
	size_t colon = text.len;

	if (span_eq_str(text, "off") ||
	    (span_starts_with(text, SPAN_LIT("unix:")) && text.len > strlen("unix:"))) {
		*ret_port = 0;
		return true;
	}
	while (colon > 0 && text.data[colon - 1] != ':')
		colon--;
	host = span_head(text, colon ? colon - 1 : 0);
	if (span_find(host, ':') < host.len &&
	    (host.data[0] != '[' || host.data[host.len - 1] != ']'))
		return false; /* an IPv6 address without its brackets */
	return text_to_u64(span_skip(text, colon), ret_port) && *ret_port <= UINT16_MAX;
}

static bool config_value_has_control(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] < 0x20 || text.data[i] == 0x7F)
			return true;
	return false;
}

static enum status config_value_refuse(struct span text, const char *expected, struct error *err)
{
	return error_set(err, ST_INVALID_ARGUMENT, "\"%.*s\" is not %s",
			 SPAN_FMT(span_head(text, 80)), expected);
}

/* A number, size or duration of the table or the file. */
static bool config_value_number(enum config_kind kind, struct span text, uint64_t *ret_value)
{
	if (kind == CONFIG_SIZE)
		return config_value_size(text, ret_value);
	if (kind == CONFIG_DURATION)
		return config_value_duration(text, ret_value);
	return text_to_u64(text, ret_value);
}

static enum status config_value_store_number(uint64_t *field, const struct config_row *row,
					     struct span text, struct error *err)
{
	uint64_t value;
	uint64_t bound;

	if (!config_value_number(row->kind, text, &value))
		return config_value_refuse(text,
					   row->kind == CONFIG_SIZE
						   ? "a size (for instance 4096, 12KiB, 4MiB, 1GiB)"
					   : row->kind == CONFIG_DURATION
						   ? "a duration (for instance 100ms, 30s, 5m, 1h)"
						   : "a number",
					   err);
	if (row->min[0]) {
		BUG_ON(!config_value_number(row->kind, span_from_str(row->min), &bound));
		if (value < bound)
			return error_set(err, ST_INVALID_ARGUMENT, "%.*s is less than %s",
					 SPAN_FMT(text), row->min);
	}
	if (row->max[0]) {
		BUG_ON(!config_value_number(row->kind, span_from_str(row->max), &bound));
		if (value > bound)
			return error_set(err, ST_INVALID_ARGUMENT, "%.*s is more than %s",
					 SPAN_FMT(text), row->max);
	}
	*field = value;
	return ST_OK;
}

static enum status config_value_store_text(struct config *config, const char **field,
					   struct span text, struct error *err)
{
	char *copy = arena_strndup(&config->arena_, text.data, text.len);

	if (!copy)
		return error_set(err, ST_RESOURCE_EXHAUSTED, "the configuration is too large");
	*field = copy;
	return ST_OK;
}

enum status config_value_store(struct config *config, const struct config_row *row,
			       struct span text, struct error *err)
{
	void *field = (char *)config + row->offset;
	uint64_t port;

	if (text.len > CONFIG_VALUE_MAX)
		return error_set(err, ST_INVALID_ARGUMENT, "longer than %zu bytes",
				 CONFIG_VALUE_MAX);
	if (config_value_has_control(text) || !text_is_utf8(text))
		return error_set(err, ST_INVALID_ARGUMENT, "control characters or bad UTF-8");
	switch (row->kind) {
	case CONFIG_BOOL:
		if (!span_eq_str(text, "true") && !span_eq_str(text, "false"))
			return config_value_refuse(text, "true or false", err);
		*(bool *)field = span_eq_str(text, "true");
		return ST_OK;
	case CONFIG_CHOICE:
		if (!config_value_choice(text, row->min, field))
			return error_set(err, ST_INVALID_ARGUMENT, "\"%.*s\" is not one of %s",
					 SPAN_FMT(span_head(text, 80)), row->min);
		return ST_OK;
	case CONFIG_INT:
	case CONFIG_SIZE:
	case CONFIG_DURATION:
		return config_value_store_number(field, row, text, err);
	case CONFIG_ADDRESS:
		if (!config_value_port(text, &port))
			return config_value_refuse(
				text, "an address (host:port, :port, port or unix:PATH)", err);
		return config_value_store_text(config, field, text, err);
	case CONFIG_STRING:
		return config_value_store_text(config, field, text, err);
	case CONFIG_KIND_COUNT_:
		break;
	}
	BUG_ON(true);
	return ST_INTERNAL;
}
