#include "src/config/config_file.h"

#include "src/base/error.h"
#include "src/config/config.h"
#include "tests/unit/unit.h"

/* A configuration of defaults into which the text is read. */
static enum status read_text(const char *text, struct config *config, struct error *err)
{
	const struct config_params nothing = {0};

	assert_int_equal(config_load(config, &nothing, err), ST_OK);
	return config_file_read(config, "f.yaml", span_from_str(text), err);
}

static void nested_mappings_spell_dotted_keys(void **state)
{
	static const char *const spellings[] = {
		"journal:\n  url: unix:/r\n  namespace: shop\nhttp:\n  max_body_size: 8MiB\n",
		"{journal: {url: 'unix:/r', namespace: \"shop\"}, http: {max_body_size: 8MiB}}",
		"journal.url: unix:/r\njournal.namespace: shop\nhttp.max_body_size: 8MiB\n",
		"# a comment\n---\njournal: {url: unix:/r}\nhttp:\n  max_body_size: \"8MiB\"\n"
		"journal.namespace: shop\n...\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(spellings); i++) {
		struct config config;
		struct error err;

		UNIT_ROW(spellings[i], read_text(spellings[i], &config, &err) == ST_OK);
		assert_string_equal(config.journal_url, "unix:/r");
		assert_string_equal(config.journal_namespace, "shop");
		assert_int_equal(config.http_max_body_bytes, 8 << 20);
		assert_int_equal(config_source(&config, CONFIG_KEY_journal_url), CONFIG_FILE);
		assert_int_equal(config_source(&config, CONFIG_KEY_listen), CONFIG_DEFAULT);
		config_fini(&config);
	}
}

static void files_that_set_nothing(void **state)
{
	static const char *const rows[] = {"",	       "# only a comment\n",
					   "---\n",    "{}",
					   "~",	       "http:\njournal:\n  # url: x\n",
					   "http: ~\n"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct config config;
		struct error err;

		UNIT_ROW(rows[i], read_text(rows[i], &config, &err) == ST_OK);
		config_fini(&config);
	}
}

static void mistakes_are_named_with_their_line(void **state)
{
	static const struct {
		const char *text;
		const char *message;
	} rows[] = {
		{"listen: :80\nhttp:\n  max_body_sise: 1\n",
		 "f.yaml:3: http.max_body_sise: unknown key; is http.max_body_size meant?"},
		{"nonsense: 1\n",
		 "f.yaml:1: nonsense: unknown key (headgate --help-config lists all)"},
		{"nonsense:\n  more: 1\n", "f.yaml:1: nonsense: unknown section"},
		{"http: 5\n",
		 "f.yaml:1: http: is a section, not a value (headgate --help-config lists all)"},
		{"\n\nentity.queue_max: many\n",
		 "f.yaml:3: entity.queue_max: \"many\" is not a number"},
		{"entity.queue_max: 0\n", "f.yaml:1: entity.queue_max: 0 is less than 1"},
		{"entity.queue_max: 100001\n",
		 "f.yaml:1: entity.queue_max: 100001 is more than 100000"},
		{"http: {max_body_size: 4 MB}",
		 "f.yaml:1: http.max_body_size: \"4 MB\" is not a size (for instance 4096, 12KiB, "
		 "4MiB, 1GiB)"},
		{"http: {head_timeout: 10}",
		 "f.yaml:1: http.head_timeout: \"10\" is not a duration (for instance 100ms, 30s, "
		 "5m, 1h)"},
		{"journal:\n  durability: sometimes\n",
		 "f.yaml:2: journal.durability: \"sometimes\" is not one of "
		 "always|everysec|memory"},
		{"listen: localhost\n",
		 "f.yaml:1: listen: \"localhost\" is not an address (host:port, :port, port or "
		 "unix:PATH)"},
		{"entity.queue_max: 1\nentity.queue_max: 2\n",
		 "f.yaml:2: entity.queue_max: given twice"},
		{"http: {max_body_size: 1MiB}\nhttp.max_body_size: 2MiB\n",
		 "f.yaml:2: http.max_body_size: given twice"},
		{"entity.queue_max:\n", "f.yaml:1: entity.queue_max: has no value"},
		{"entity.queue_max: [1, 2]\n",
		 "f.yaml:1: entity.queue_max: takes one value, not a list"},
		{"entity.queue_max: {a: 1}\n",
		 "f.yaml:1: entity.queue_max: takes one value, not a mapping"},
		{"- listen\n", "f.yaml:1: takes one value, not a list"},
		{"listen\n", "f.yaml:1: the file must hold a mapping"},
		{"? {a: b}\n: 1\n", "f.yaml:1: a mapping cannot be a key"},
		{"entity.queue_max: &x 1\n",
		 "f.yaml:1: entity.queue_max: anchors are not supported"},
		{"http: &x {}\n", "f.yaml:1: http: anchors are not supported"},
		{"entity.queue_max: 1\n---\nentity.queue_max: 2\n",
		 "f.yaml:3: more than one document"},
		{"\"\": 1\n", "f.yaml:1: a key is empty or too long"},
		{"journal: {namespace: \"a\\tb\"}",
		 "f.yaml:1: journal.namespace: control characters or bad UTF-8"},
		{"listen: \"unterminated\n", "f.yaml:2: not YAML: found unexpected end of stream"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct config config;
		struct error err = {0};

		UNIT_ROW(rows[i].text,
			 read_text(rows[i].text, &config, &err) == ST_INVALID_ARGUMENT);
		UNIT_ROW_SPAN(rows[i].text, span_from_str(err.message), rows[i].message);
		config_fini(&config);
	}
}

static void unreadable_files_are_named(void **state)
{
	const struct config_params missing = {.file = "/nonexistent/headgate.yaml"};
	const struct config_params directory = {.file = "/"};
	struct config config;
	struct error err;

	(void)state;
	assert_int_equal(config_load(&config, &missing, &err), ST_NOT_FOUND);
	assert_string_equal(err.message, "/nonexistent/headgate.yaml: No such file or directory");
	assert_int_equal(config_load(&config, &directory, &err), ST_UNAVAILABLE);
	assert_string_equal(err.message, "/: Is a directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nested_mappings_spell_dotted_keys),
		cmocka_unit_test(files_that_set_nothing),
		cmocka_unit_test(mistakes_are_named_with_their_line),
		cmocka_unit_test(unreadable_files_are_named),
	};

	return cmocka_run_group_tests_name("config/config_file", tests, NULL, NULL);
}
