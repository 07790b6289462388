#include "src/config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "src/base/error.h"
#include "src/base/log.h"
#include "src/config/config_row.h"
#include "tests/unit/unit.h"

#define ENV(...) ((const char *const[]){__VA_ARGS__, NULL})

/* A file in the temporary directory, removed by the test. */
static void file_with(const char *text, char path[64])
{
	size_t len = strlen(text);
	int fd;

	memcpy(path, "/tmp/headgate-config-XXXXXX", sizeof("/tmp/headgate-config-XXXXXX"));
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	assert_int_equal(close(fd), 0);
}

/* Every row of the table keeps its own promises. */
static void rows_are_sound(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CONFIG_KEY_COUNT_; i++) {
		const struct config_row *row = config_row_get((enum config_key)i);
		char env[CONFIG_ENV_NAME_MAX];

		UNIT_ROW(row->name,
			 config_row_find(span_from_str(row->name)) == (enum config_key)i);
		UNIT_ROW(row->name, strlen(row->name) + sizeof("HEADGATE_") <= CONFIG_ENV_NAME_MAX);
		UNIT_ROW(row->name, row->help[0] != '\0');
		UNIT_ROW(row->name, row->kind != CONFIG_CHOICE || strchr(row->min, '|') != NULL);
		config_row_env_name(row, env);
		for (const char *c = env; *c; c++)
			UNIT_ROW(row->name,
				 (*c >= 'A' && *c <= 'Z') || *c == '_' || (*c >= '0' && *c <= '9'));
	}
}

static void defaults_need_nothing(void **state)
{
	const struct config_params nothing = {0};
	struct config config;
	struct error err;

	(void)state;
	assert_int_equal(config_load(&config, &nothing, &err), ST_OK);
	assert_string_equal(config.listen, ":9000");
	assert_string_equal(config.admin_listen, ":9100");
	assert_string_equal(config.user_function_host, "127.0.0.1");
	assert_int_equal(config.user_function_port, 8080);
	assert_int_equal(config.http_max_header_bytes, 12288);
	assert_int_equal(config.http_max_body_bytes, 4194304);
	assert_int_equal(config.function_max_message_bytes, 12582912);
	assert_int_equal(config.entity_command_timeout_ms, 60000);
	assert_int_equal(config.journal_durability, CONFIG_DURABILITY_ALWAYS);
	assert_string_equal(config.journal_url, "embedded:headgate-data");
	assert_string_equal(config.journal_namespace, "default");
	assert_int_equal(config.log_level, LOG_INFO);
	assert_false(config.is_knative);
	config_fini(&config);
	config_fini(&config);
}

/* Flag over environment over file over default, and the own name over the classic one. */
static void stronger_sources_win(void **state)
{
	char path[64];
	const struct {
		const char *name;
		const char *const *env;
		const char *const *flags;
		const char *listen;
		enum config_source source;
	} rows[] = {
		{"file", NULL, NULL, ":1", CONFIG_FILE},
		{"HTTP_PORT", ENV("HTTP_PORT=2"), NULL, "2", CONFIG_ENV},
		{"PORT before HTTP_PORT", ENV("HTTP_PORT=2", "PORT=3"), NULL, "3", CONFIG_ENV},
		{"own name first", ENV("PORT=3", "HEADGATE_LISTEN=:4"), NULL, ":4", CONFIG_ENV},
		{"empty counts as unset", ENV("PORT=", "HTTP_PORT=2"), NULL, "2", CONFIG_ENV},
		{"longer names are others", ENV("PORTS=9", "XPORT=9"), NULL, ":1", CONFIG_FILE},
		{"flag", ENV("HEADGATE_LISTEN=:4"), ENV("--listen=:5"), ":5", CONFIG_FLAG},
		{"last flag", NULL, ENV("listen=:5", "--listen=:6"), ":6", CONFIG_FLAG},
	};

	(void)state;
	file_with("listen: :1\n", path);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct config_params params = {path, rows[i].env, rows[i].flags};
		struct config config;
		struct error err;

		UNIT_ROW(rows[i].name, config_load(&config, &params, &err) == ST_OK);
		UNIT_ROW_SPAN(rows[i].name, span_from_str(config.listen), rows[i].listen);
		UNIT_ROW(rows[i].name, config_source(&config, CONFIG_KEY_listen) == rows[i].source);
		config_fini(&config);
	}
	assert_int_equal(unlink(path), 0);
}

static void every_key_has_its_environment_name(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CONFIG_KEY_COUNT_; i++) {
		const struct config_row *row = config_row_get((enum config_key)i);
		char name[CONFIG_ENV_NAME_MAX];
		char pair[256];
		struct config config;
		struct error err;
		const struct config_params params = {.env = ENV(pair)};

		config_row_env_name(row, name);
		(void)snprintf(pair, sizeof(pair), "%s=%s", name,
			       row->text[0] ? row->text : "some-text");
		UNIT_ROW(row->name, config_load(&config, &params, &err) == ST_OK);
		UNIT_ROW(row->name, config_source(&config, (enum config_key)i) == CONFIG_ENV);
		config_fini(&config);
	}
}

static void classic_names(void **state)
{
	const struct config_params params = {
		.env = ENV("USER_FUNCTION_HOST=unix:/run/f.sock", "USER_FUNCTION_PORT=8090",
			   "MANAGEMENT_PORT=8558", "METRICS_PORT=9099",
			   "JOURNAL_URL=redis://r:6379", "HEADGATE_HTTP_MAX_BODY_SIZE=1MiB")};
	struct config config;
	struct error err;

	(void)state;
	assert_int_equal(config_load(&config, &params, &err), ST_OK);
	assert_string_equal(config.user_function_host, "unix:/run/f.sock");
	assert_int_equal(config.user_function_port, 8090);
	assert_string_equal(config.admin_listen, "8558");
	assert_int_equal(config.metrics_port, 9099);
	assert_string_equal(config.journal_url, "redis://r:6379");
	assert_int_equal(config.http_max_body_bytes, 1 << 20);
	config_fini(&config);
}

/* What the platform sets moves defaults, and gives way to everything said on purpose. */
static void platform_moves_defaults(void **state)
{
	const struct {
		const char *name;
		const char *const *env;
		const char *name_space;
		unsigned function_port;
		const char *url;
		bool is_knative;
	} rows[] = {
		{"knative", ENV("K_SERVICE=shop", "STATEFUL_SERVICE=other"), "shop", 8081,
		 "embedded:headgate-data", true},
		{"own operator", ENV("STATEFUL_SERVICE=cart"), "cart", 8080,
		 "embedded:headgate-data", false},
		{"explicit",
		 ENV("K_SERVICE=shop", "USER_FUNCTION_PORT=8080",
		     "HEADGATE_JOURNAL_NAMESPACE=mine"),
		 "mine", 8080, "embedded:headgate-data", true},
		{"empty", ENV("K_SERVICE=", "XDG_STATE_HOME="), "default", 8080,
		 "embedded:headgate-data", false},
		{"state home", ENV("XDG_STATE_HOME=/home/a/.local/state"), "default", 8080,
		 "embedded:/home/a/.local/state/headgate", false},
		{"relative state home", ENV("XDG_STATE_HOME=state"), "default", 8080,
		 "embedded:headgate-data", false},
		{"state home gives way", ENV("XDG_STATE_HOME=/s", "JOURNAL_URL=unix:/r"), "default",
		 8080, "unix:/r", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct config_params params = {.env = rows[i].env};
		struct config config;
		struct error err;

		UNIT_ROW(rows[i].name, config_load(&config, &params, &err) == ST_OK);
		UNIT_ROW_SPAN(rows[i].name, span_from_str(config.journal_namespace),
			      rows[i].name_space);
		UNIT_ROW_SPAN(rows[i].name, span_from_str(config.journal_url), rows[i].url);
		UNIT_ROW(rows[i].name, config.user_function_port == rows[i].function_port);
		UNIT_ROW(rows[i].name, config.is_knative == rows[i].is_knative);
		config_fini(&config);
	}
}

static void mistakes_name_their_place(void **state)
{
	const struct {
		const char *const *env;
		const char *const *flags;
		const char *message;
	} rows[] = {
		{ENV("PORT=http"), NULL,
		 "environment PORT: listen: \"http\" is not an address (host:port, :port, port or "
		 "unix:PATH)"},
		{ENV("HEADGATE_ENTITY_QUEUE_MAX=0"), NULL,
		 "environment HEADGATE_ENTITY_QUEUE_MAX: entity.queue_max: 0 is less than 1"},
		{NULL, ENV("--entity.queue_mx=2"),
		 "command line: entity.queue_mx: unknown key; is entity.queue_max meant?"},
		{NULL, ENV("--entity.queue_max"), "--entity.queue_max needs =VALUE"},
		{NULL, ENV("--entity.queue_max="),
		 "command line: entity.queue_max: \"\" is not a number"},
		{NULL, ENV("--journal.namespace=a{b}"),
		 "journal.namespace: \"a{b}\" may have letters, digits, dots, hyphens and "
		 "underscores, at most 128"},
		{NULL, ENV("--function.backoff_min=5s"),
		 "function.backoff_min must not be more than function.backoff_max"},
		{NULL, ENV("--journal.timeout=1m"),
		 "journal.timeout must not be more than journal.deadline"},
		{ENV("K_SERVICE=s", "PORT=8012"), NULL,
		 "listen: port 8012 belongs to Knative's queue-proxy in this pod"},
		{ENV("K_SERVICE=s", "METRICS_PORT=9090"), NULL,
		 "metrics.port: port 9090 belongs to Knative's queue-proxy in this pod"},
		{ENV("K_SERVICE=s", "USER_FUNCTION_PORT=8013"), NULL,
		 "user_function.port: port 8013 belongs to Knative's queue-proxy in this pod"},
		{ENV("STATEFUL_SERVICE=a b"), NULL,
		 "journal.namespace: \"a b\" may have letters, digits, dots, hyphens and "
		 "underscores, at most 128"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct config_params params = {NULL, rows[i].env, rows[i].flags};
		struct config config;
		struct error err = {0};

		UNIT_ROW(rows[i].message,
			 config_load(&config, &params, &err) == ST_INVALID_ARGUMENT);
		UNIT_ROW_SPAN(rows[i].message, span_from_str(err.message), rows[i].message);
	}
}

static void reserved_ports_are_free_elsewhere(void **state)
{
	const struct config_params params = {.env = ENV("PORT=8012", "METRICS_PORT=9090")};
	struct config config;
	struct error err;

	(void)state;
	assert_int_equal(config_load(&config, &params, &err), ST_OK);
	config_fini(&config);
}

static void file_may_be_named_by_the_environment(void **state)
{
	char path[64];
	char pair[128];
	const struct config_params params = {.env = ENV(pair)};
	struct config config;
	struct error err;

	(void)state;
	file_with("entity.queue_max: 3\n", path);
	(void)snprintf(pair, sizeof(pair), "HEADGATE_CONFIG=%s", path);
	assert_int_equal(config_load(&config, &params, &err), ST_OK);
	assert_int_equal(config.entity_queue_max, 3);
	config_fini(&config);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(config_load(&config, &params, &err), ST_NOT_FOUND);
}

/* The enums of the header and the values of the table name the same things. */
static void choices_match_their_enums(void **state)
{
	enum log_level level;

	(void)state;
	UNIT_ROW_SPAN("always",
		      config_choice_name(CONFIG_KEY_journal_durability, CONFIG_DURABILITY_ALWAYS),
		      "always");
	UNIT_ROW_SPAN("everysec",
		      config_choice_name(CONFIG_KEY_journal_durability, CONFIG_DURABILITY_EVERYSEC),
		      "everysec");
	UNIT_ROW_SPAN("memory",
		      config_choice_name(CONFIG_KEY_journal_durability, CONFIG_DURABILITY_MEMORY),
		      "memory");
	for (unsigned i = LOG_DEBUG; i <= LOG_OFF; i++) {
		assert_true(
			log_level_from_text(config_choice_name(CONFIG_KEY_log_level, i), &level));
		assert_int_equal(level, i);
	}
}

static void secrets_are_one_line(void **state)
{
	static const struct {
		const char *name;
		const char *content;
		enum status status;
		const char *want;
	} rows[] = {
		{"plain", "secret", ST_OK, "secret"},
		{"line end", "secret\n", ST_OK, "secret"},
		{"line ends of all kinds", "secret\r\n\n", ST_OK, "secret"},
		{"inner blanks stay", " a b \n", ST_OK, " a b "},
		{"empty", "", ST_INVALID_ARGUMENT, ""},
		{"only a line end", "\n", ST_INVALID_ARGUMENT, ""},
		{"two lines", "a\nb\n", ST_INVALID_ARGUMENT, ""},
		{"too long", "0123456789abcdefg", ST_INVALID_ARGUMENT, ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char path[64];
		struct buf secret;
		struct error err;

		buf_init(&secret, 16);
		file_with(rows[i].content, path);
		UNIT_ROW(rows[i].name, config_read_secret(path, &secret, &err) == rows[i].status);
		if (rows[i].status == ST_OK)
			UNIT_ROW_SPAN(rows[i].name, buf_span(&secret), rows[i].want);
		else
			UNIT_ROW(rows[i].name, strstr(err.message, path) == err.message);
		assert_int_equal(unlink(path), 0);
		UNIT_ROW(rows[i].name, config_read_secret(path, &secret, &err) == ST_NOT_FOUND);
		buf_fini(&secret);
	}
}

static void help_names_every_key(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	config_print_help(&out);
	assert_true(buf_append_byte(&out, 0));
	for (unsigned i = 0; i < CONFIG_KEY_COUNT_; i++) {
		const char *name = config_key_name((enum config_key)i);

		UNIT_ROW(name, strstr((const char *)buf_span(&out).data, name) != NULL);
	}
	assert_non_null(strstr((const char *)buf_span(&out).data,
			       "listen\n    address, default :9000\n"
			       "    HEADGATE_LISTEN PORT HTTP_PORT\n"));
	assert_non_null(
		strstr((const char *)buf_span(&out).data, "default 12KiB, 1KiB to 64KiB\n"));
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_sound),
		cmocka_unit_test(defaults_need_nothing),
		cmocka_unit_test(stronger_sources_win),
		cmocka_unit_test(every_key_has_its_environment_name),
		cmocka_unit_test(classic_names),
		cmocka_unit_test(platform_moves_defaults),
		cmocka_unit_test(mistakes_name_their_place),
		cmocka_unit_test(reserved_ports_are_free_elsewhere),
		cmocka_unit_test(file_may_be_named_by_the_environment),
		cmocka_unit_test(choices_match_their_enums),
		cmocka_unit_test(secrets_are_one_line),
		cmocka_unit_test(help_names_every_key),
	};

	return cmocka_run_group_tests_name("config/config", tests, NULL, NULL);
}
