#include "src/base/log.h"

#include <fcntl.h>
#include <jansson.h>
#include <unistd.h>

#include "tests/unit/unit.h"

/* What was logged goes to a pipe and is read back as JSON. */
struct fixture {
	int fds[2];
	char text[65536];
};

static int setup(void **state)
{
	static struct fixture fixture;

	if (pipe2(fixture.fds, O_CLOEXEC | O_NONBLOCK) != 0)
		return -1;
	log_set_fd(fixture.fds[1]);
	log_set_level(LOG_INFO);
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	log_set_fd(-1);
	(void)close(fixture->fds[0]); /* pipes of this test */
	(void)close(fixture->fds[1]);
	return 0;
}

static const char *logged(struct fixture *fixture)
{
	ssize_t got = read(fixture->fds[0], fixture->text, sizeof(fixture->text) - 1);

	fixture->text[got > 0 ? got : 0] = '\0';
	return fixture->text;
}

static void line_is_one_json_object(void **state)
{
	const char *text;
	json_t *line;

	LOG(WARN, FUNCTION_LOST, LOG_STR("address", "a\"b\n"), LOG_INT("minus", -5),
	    LOG_UINT("large", UINT64_MAX), LOG_BOOL("is_known", true),
	    LOG_SPAN("raw", SPAN_LIT("\xFF\0x")));
	text = logged(*state);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	line = json_loads(text, JSON_ALLOW_NUL, NULL);
	assert_null(line); /* UINT64_MAX is more than that library reads */
	assert_non_null(strstr(text, "\"large\":18446744073709551615,"));

	LOG(WARN, FUNCTION_LOST, LOG_STR("address", "a\"b\n"), LOG_INT("minus", -5),
	    LOG_BOOL("is_known", true), LOG_SPAN("raw", SPAN_LIT("\xFFx")));
	line = json_loads(logged(*state), 0, NULL);
	assert_non_null(line);
	assert_string_equal(json_string_value(json_object_get(line, "severity")), "WARNING");
	assert_string_equal(json_string_value(json_object_get(line, "event")), "function_lost");
	assert_string_equal(json_string_value(json_object_get(line, "message")),
			    "lost the connection to the user function");
	assert_string_equal(json_string_value(json_object_get(line, "address")), "a\"b\n");
	assert_int_equal(json_integer_value(json_object_get(line, "minus")), -5);
	assert_true(json_is_true(json_object_get(line, "is_known")));
	assert_string_equal(json_string_value(json_object_get(line, "raw")), "\xEF\xBF\xBDx");
	assert_int_equal(strlen(json_string_value(json_object_get(line, "timestamp"))),
			 strlen("2024-01-01T00:00:00.000Z"));
	json_decref(line);
}

static void levels_switch_lines_and_evaluation(void **state)
{
	static const struct {
		enum log_level level;
		int lines;
	} rows[] = {{LOG_DEBUG, 4}, {LOG_INFO, 3}, {LOG_WARN, 2}, {LOG_ERROR, 1}, {LOG_OFF, 0}};

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int evaluated = 0;
		int lines = 0;

		log_set_level(rows[i].level);
		LOG(DEBUG, STARTING, LOG_INT("n", ++evaluated));
		LOG(INFO, STARTING, LOG_INT("n", ++evaluated));
		LOG(WARN, STARTING, LOG_INT("n", ++evaluated));
		LOG(ERROR, STARTING, LOG_INT("n", ++evaluated));
		for (const char *c = logged(*state); *c; c++)
			lines += *c == '\n';
		assert_int_equal(lines, rows[i].lines);
		assert_int_equal(evaluated, rows[i].lines);
	}
}

static void limited_lines_are_counted(void **state)
{
	const char *text;

	for (int i = 0; i < 50; i++)
		LOG_LIMITED(WARN, REQUEST_REFUSED, LOG_INT("i", i));
	text = logged(*state);
	assert_non_null(strstr(text, "\"i\":0}"));
	assert_null(strstr(text, "\"i\":1}"));
	LOG(WARN, REQUEST_REFUSED, LOG_STR("reason", "test"));
	assert_non_null(strstr(logged(*state), "\"suppressed\":49}"));
	LOG(WARN, REQUEST_REFUSED, LOG_STR("reason", "test"));
	assert_null(strstr(logged(*state), "suppressed"));
}

static void long_values_keep_the_line_whole(void **state)
{
	static char big[20000];
	json_t *line;

	memset(big, '"', sizeof(big) - 1);
	LOG(INFO, STARTING, LOG_STR("a", big), LOG_STR("b", big), LOG_STR("c", big),
	    LOG_STR("d", "short"));
	line = json_loads(logged(*state), 0, NULL);
	assert_non_null(line);
	assert_string_equal(json_string_value(json_object_get(line, "d")), "short");
	json_decref(line);
}

static void level_names(void **state)
{
	enum log_level level = LOG_OFF;

	(void)state;
	assert_true(log_level_from_text(SPAN_LIT("WARN"), &level));
	assert_int_equal(level, LOG_WARN);
	assert_false(log_level_from_text(SPAN_LIT("warning"), &level));
	assert_false(log_level_from_text(SPAN_EMPTY, &level));
	assert_int_equal(level, LOG_WARN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(line_is_one_json_object, setup, teardown),
		cmocka_unit_test_setup_teardown(levels_switch_lines_and_evaluation, setup,
						teardown),
		cmocka_unit_test_setup_teardown(limited_lines_are_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(long_values_keep_the_line_whole, setup, teardown),
		cmocka_unit_test(level_names),
	};

	return cmocka_run_group_tests_name("base/log", tests, NULL, NULL);
}
