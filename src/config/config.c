#include "src/config/config.h"

#include "src/base/error.h"
#include "src/base/text.h"
#include "src/config/config_file.h"
#include "src/config/config_row.h"
#include "src/config/config_set.h"
#include "src/config/config_value.h"

/* Sources are applied from the weakest to the strongest, each over the one before; what is still a
 * default then is filled from the platform's variables, and at last keys are compared. */

/* All strings of one configuration: the keys times the longest value would be more, but nobody
 * writes that. */
#define CONFIG_ARENA_BYTES ((size_t)1024 * 1024)

/* Longest journal.namespace: it is part of every key in Redis. */
#define NAMESPACE_MAX ((size_t)128)

/* The value of a variable, or the empty span when it is unset or empty. */
static struct span config_env(const char *const *env, struct span name)
{
	for (; env && *env; env++) {
		struct span pair = span_from_str(*env);

		if (span_starts_with(pair, name) && pair.len > name.len &&
		    pair.data[name.len] == '=')
			return span_skip(pair, name.len + 1);
	}
	return SPAN_EMPTY;
}

static enum status config_apply_defaults(struct config *config, struct error *err)
{
	for (unsigned i = 0; i < CONFIG_KEY_COUNT_; i++) {
		const struct config_row *row = config_row_get((enum config_key)i);

		if (config_value_store(config, row, span_from_str(row->text), err) != ST_OK)
			return error_wrap(err, "default of %s", row->name);
	}
	return ST_OK;
}

static enum status config_apply_file(struct config *config, const struct config_params *params,
				     struct error *err)
{
	struct span named = config_env(params->env, SPAN_LIT("HEADGATE_CONFIG"));
	char path[CONFIG_VALUE_MAX + 1];

	if (params->file)
		return config_file_load(config, params->file, err);
	if (named.len == 0)
		return ST_OK;
	if (named.len > CONFIG_VALUE_MAX)
		return error_set(err, ST_INVALID_ARGUMENT, "HEADGATE_CONFIG is too long");
	memcpy(path, named.data, named.len);
	path[named.len] = '\0';
	return config_file_load(config, path, err);
}

/* The first of the named variables (separated by one space) that is not empty. */
static struct span config_env_first(const char *const *env, const char *names,
				    struct span *ret_name)
{
	struct span rest = span_from_str(names);
	struct span value = SPAN_EMPTY;

	while (value.len == 0 && rest.len) {
		*ret_name = span_head(rest, span_find(rest, ' '));
		rest = span_skip(rest, ret_name->len + 1);
		value = config_env(env, *ret_name);
	}
	return value;
}

static enum status config_apply_env(struct config *config, const char *const *env,
				    struct error *err)
{
	for (unsigned i = 0; i < CONFIG_KEY_COUNT_; i++) {
		const struct config_row *row = config_row_get((enum config_key)i);
		char own[CONFIG_ENV_NAME_MAX];
		struct span name;
		struct span value;

		config_row_env_name(row, own);
		value = config_env_first(env, own, &name);
		if (value.len == 0)
			value = config_env_first(env, row->env, &name);
		if (value.len == 0)
			continue;
		if (config_set(config, CONFIG_ENV, span_from_str(row->name), value, err) != ST_OK)
			return error_wrap(err, "environment %.*s", SPAN_FMT(name));
	}
	return ST_OK;
}

static enum status config_apply_flags(struct config *config, const char *const *flags,
				      struct error *err)
{
	for (; flags && *flags; flags++) {
		struct span text = span_from_str(*flags);
		size_t equals;

		if (span_starts_with(text, SPAN_LIT("--")))
			text = span_skip(text, 2);
		equals = span_find(text, '=');
		if (equals == text.len && config_set_is_key(text))
			return error_set(err, ST_INVALID_ARGUMENT, "--%.*s needs =VALUE",
					 SPAN_FMT(text));
		if (config_set(config, CONFIG_FLAG, span_head(text, equals),
			       span_skip(text, equals + 1), err) != ST_OK)
			return error_wrap(err, "command line");
	}
	return ST_OK;
}

/* Fills a string that no source set. */
static enum status config_derive(struct config *config, enum config_key key, struct span text,
				 struct error *err)
{
	const struct config_row *row = config_row_get(key);
	const char *const *field = (const char *const *)(void *)((char *)config + row->offset);

	if ((*field)[0])
		return ST_OK;
	if (config_value_store(config, row, text, err) != ST_OK)
		return error_wrap(err, "%s: from the environment", row->name);
	return ST_OK;
}

static enum status config_derive_namespace(struct config *config, const char *const *env,
					   struct error *err)
{
	struct span name;
	struct span value = config_env_first(env, "K_SERVICE STATEFUL_SERVICE", &name);

	return config_derive(config, CONFIG_KEY_journal_namespace,
			     value.len ? value : SPAN_LIT("default"), err);
}

static enum status config_derive_journal_url(struct config *config, const char *const *env,
					     struct error *err)
{
	struct span state_home = config_env(env, SPAN_LIT("XDG_STATE_HOME"));
	struct buf url;
	enum status status;

	buf_init(&url, CONFIG_VALUE_MAX * 2);
	/* The XDG specification has relative paths ignored. */
	if (state_home.len && state_home.data[0] == '/')
		(void)buf_printf(&url,
				 "embedded:%.*s/headgate", /* cut: longer than a value may be */
				 SPAN_FMT(span_head(state_home, CONFIG_VALUE_MAX)));
	else
		(void)buf_append_str(&url, "embedded:headgate-data"); /* fits */
	status = config_derive(config, CONFIG_KEY_journal_url, buf_span(&url), err);
	buf_fini(&url);
	return status;
}

static enum status config_apply_platform(struct config *config, const char *const *env,
					 struct error *err)
{
	enum status status = config_derive_namespace(config, env, err);

	config->is_knative = config_env(env, SPAN_LIT("K_SERVICE")).len > 0;
	/* There PORT, often 8080, is where the platform looks for us. */
	if (config->is_knative &&
	    config_source(config, CONFIG_KEY_user_function_port) == CONFIG_DEFAULT)
		config->user_function_port = 8081;
	return status == ST_OK ? config_derive_journal_url(config, env, err) : status;
}

/* Sets the fields to defaults, then to what params say. */
static enum status config_apply(struct config *config, const struct config_params *params,
				struct error *err)
{
	enum status status = config_apply_defaults(config, err);

	if (status == ST_OK)
		status = config_apply_file(config, params, err);
	if (status == ST_OK)
		status = config_apply_env(config, params->env, err);
	if (status == ST_OK)
		status = config_apply_flags(config, params->flags, err);
	if (status == ST_OK)
		status = config_apply_platform(config, params->env, err);
	return status;
}

static enum status config_check_order(enum config_key low, uint64_t low_value, enum config_key high,
				      uint64_t high_value, struct error *err)
{
	if (low_value <= high_value)
		return ST_OK;
	return error_set(err, ST_INVALID_ARGUMENT, "%s must not be more than %s",
			 config_key_name(low), config_key_name(high));
}

static enum status config_check_namespace(const struct config *config, struct error *err)
{
	struct span name = span_from_str(config->journal_namespace);
	bool is_good = name.len <= NAMESPACE_MAX;

	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.data[i];

		is_good = is_good && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
				      (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-');
	}
	if (is_good)
		return ST_OK;
	return error_set(err, ST_INVALID_ARGUMENT,
			 "journal.namespace: \"%.80s\" may have letters, digits, dots, hyphens and "
			 "underscores, at most %zu",
			 config->journal_namespace, NAMESPACE_MAX);
}

/* One network for the whole pod: these are taken. */
static bool config_port_is_reserved(uint64_t port)
{
	static const uint16_t reserved[] = {8008, 8012, 8013, 8022, 8112, 9090, 9091};

	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (port == reserved[i])
			return true;
	return false;
}

static enum status config_check_ports(const struct config *config, struct error *err)
{
	const struct {
		enum config_key key;
		const char *address;
		uint64_t port;
	} ports[] = {
		{CONFIG_KEY_listen, config->listen, 0},
		{CONFIG_KEY_admin_listen, config->admin_listen, 0},
		{CONFIG_KEY_metrics_port, NULL, config->metrics_port},
		{CONFIG_KEY_user_function_port, NULL, config->user_function_port},
	};

	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		uint64_t port = ports[i].port;

		if (ports[i].address)
			BUG_ON(!config_value_port(span_from_str(ports[i].address), &port));
		if (config_port_is_reserved(port))
			return error_set(err, ST_INVALID_ARGUMENT,
					 "%s: port %u belongs to Knative's queue-proxy in this pod",
					 config_key_name(ports[i].key), (unsigned)port);
	}
	return ST_OK;
}

static enum status config_check_workers(struct config *config, struct error *err)
{
	struct span text = span_from_str(config->workers);
	uint64_t count = 0;

	if (!span_eq_str(text, "auto") &&
	    (!text_to_u64(text, &count) || count < 1 || count > CONFIG_WORKERS_MAX))
		return error_set(err, ST_INVALID_ARGUMENT,
				 "workers: \"%.80s\" is neither auto nor a number from 1 to %u",
				 config->workers, CONFIG_WORKERS_MAX);
	config->worker_count = (unsigned)count;
	return ST_OK;
}

static enum status config_check(struct config *config, struct error *err)
{
#define ORDERED(low, high)                                                                         \
	{                                                                                          \
		CONFIG_KEY_##low, config->low, CONFIG_KEY_##high, config->high                     \
	}
	const struct {
		enum config_key low;
		uint64_t low_value;
		enum config_key high;
		uint64_t high_value;
	} pairs[] = {
		ORDERED(function_backoff_min_ms, function_backoff_max_ms),
		ORDERED(entity_crash_backoff_min_ms, entity_crash_backoff_max_ms),
		ORDERED(journal_timeout_ms, journal_deadline_ms),
		ORDERED(http2_stream_window_bytes, http2_connection_window_bytes),
	};
#undef ORDERED
	enum status status = config_check_namespace(config, err);

	if (status == ST_OK)
		status = config_check_workers(config, err);
	for (size_t i = 0; status == ST_OK && i < sizeof(pairs) / sizeof(pairs[0]); i++)
		status = config_check_order(pairs[i].low, pairs[i].low_value, pairs[i].high,
					    pairs[i].high_value, err);
	if (status == ST_OK && config->is_knative)
		status = config_check_ports(config, err);
	return status;
}

enum status config_load(struct config *config, const struct config_params *params,
			struct error *err)
{
	enum status status;

	*config = (struct config){0};
	arena_init(&config->arena_, CONFIG_ARENA_BYTES);
	config->is_worker = params->is_worker;
	config->worker = params->worker;
	status = config_apply(config, params, err);
	if (status == ST_OK)
		status = config_check(config, err);
	if (status != ST_OK)
		config_fini(config);
	return status;
}

void config_fini(struct config *config)
{
	arena_fini(&config->arena_);
	*config = (struct config){0};
}

enum config_source config_source(const struct config *config, enum config_key key)
{
	return (enum config_source)config->source_[key];
}

const char *config_key_name(enum config_key key)
{
	return config_row_get(key)->name;
}
