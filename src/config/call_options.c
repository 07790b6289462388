#include "src/config/call_options.h"

#include "src/config/config_value.h"

/* As for the keys of the configuration: a stream may last long, but not for ever by mistake. */
#define CALL_OPTION_DURATION_MAX_MS ((uint64_t)720 * 3600 * 1000)

void call_options_apply(struct call_options *options, const struct call_options *from, uint32_t set)
{
#define CO(field, kind, section, key)                                                              \
	if (set & 1U << CALL_OPTION_##field)                                                       \
		options->field = from->field;
#include "src/config/call_options.def"
#undef CO
}

static const char *set_BOOL(struct span text, bool *field)
{
	*field = span_eq_str(text, "true");
	return *field || span_eq_str(text, "false") ? NULL : "true or false is expected here";
}

static const char *set_DURATION(struct span text, uint64_t *field)
{
	return config_value_duration(text, field) && *field <= CALL_OPTION_DURATION_MAX_MS
		       ? NULL
		       : "a duration up to 720h is expected here, for instance 500ms, 30s or 5m";
}

static const char *set_STREAM(struct span text, unsigned *field)
{
	return config_value_choice(text, "array|ndjson", field)
		       ? NULL
		       : "array or ndjson is expected here";
}

const char *call_options_set(struct call_options *options, uint32_t *set, struct span section,
			     struct span key, struct span text)
{
#define CO(field, kind, in, name)                                                                  \
	if (span_eq_str(section, in) && span_eq_str(key, name)) {                                  \
		*set |= 1U << CALL_OPTION_##field;                                                 \
		return set_##kind(text, &options->field);                                          \
	}
#include "src/config/call_options.def"
#undef CO
	return "";
}
