#include "src/config/config_value.h"

#include "src/base/error.h"
#include "tests/unit/unit.h"

static void sizes(void **state)
{
	static const struct {
		const char *text;
		bool is_good;
		uint64_t bytes;
	} rows[] = {
		{"0", true, 0},
		{"4096", true, 4096},
		{"10B", true, 10},
		{"12KiB", true, 12288},
		{"4MiB", true, 4194304},
		{"2GiB", true, 2147483648},
		{"4 MiB", false, 0},
		{"4mib", false, 0},
		{"4MB", false, 0},
		{"4K", false, 0},
		{"KiB", false, 0},
		{"", false, 0},
		{"-1", false, 0},
		{"1.5MiB", false, 0},
		{"18446744073709551615", true, UINT64_MAX},
		{"18446744073709551615KiB", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint64_t bytes = 99;

		UNIT_ROW(rows[i].text,
			 config_value_size(span_from_str(rows[i].text), &bytes) == rows[i].is_good);
		UNIT_ROW(rows[i].text, bytes == (rows[i].is_good ? rows[i].bytes : 99));
	}
}

static void durations(void **state)
{
	static const struct {
		const char *text;
		bool is_good;
		uint64_t ms;
	} rows[] = {
		{"0", true, 0},
		{"100ms", true, 100},
		{"30s", true, 30000},
		{"5m", true, 300000},
		{"1h", true, 3600000},
		{"2d", true, 172800000},
		{"30", false, 0},
		{"30 s", false, 0},
		{"1.5s", false, 0},
		{"ms", false, 0},
		{"1us", false, 0},
		{"", false, 0},
		{"-1s", false, 0},
		{"1m30s", false, 0},
		{"99999999999999999999s", false, 0},
		{"0s", true, 0},
		{"18446744073709551615s", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint64_t ms = 99;

		UNIT_ROW(rows[i].text, config_value_duration(span_from_str(rows[i].text), &ms) ==
					       rows[i].is_good);
		UNIT_ROW(rows[i].text, ms == (rows[i].is_good ? rows[i].ms : 99));
	}
}

static void choices(void **state)
{
	static const struct {
		const char *text;
		const char *values;
		bool is_good;
		unsigned choice;
	} rows[] = {
		{"always", "always|everysec|memory", true, 0},
		{"everysec", "always|everysec|memory", true, 1},
		{"memory", "always|everysec|memory", true, 2},
		{"Always", "always|everysec|memory", false, 0},
		{"always|everysec", "always|everysec|memory", false, 0},
		{"", "always|everysec|memory", false, 0},
		{"mem", "always|everysec|memory", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		unsigned choice = 99;

		UNIT_ROW(rows[i].text,
			 config_value_choice(span_from_str(rows[i].text), rows[i].values,
					     &choice) == rows[i].is_good);
		UNIT_ROW(rows[i].text, choice == (rows[i].is_good ? rows[i].choice : 99));
	}
}

static void ports_of_addresses(void **state)
{
	static const struct {
		const char *text;
		bool is_good;
		uint64_t port;
	} rows[] = {
		{":9000", true, 9000},
		{"9000", true, 9000},
		{"0", true, 0},
		{"127.0.0.1:80", true, 80},
		{"[::1]:80", true, 80},
		{"localhost:65535", true, 65535},
		{"unix:/run/headgate.sock", true, 0},
		{"off", true, 0},
		{"localhost:65536", false, 0},
		{"localhost", false, 0},
		{"localhost:", false, 0},
		{"::1:80", false, 0},
		{"[::1]", false, 0},
		{"unix:", false, 0},
		{"", false, 0},
		{"tcp://10.0.0.1:80", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		uint64_t port = 0;

		UNIT_ROW(rows[i].text,
			 config_value_port(span_from_str(rows[i].text), &port) == rows[i].is_good);
		if (rows[i].is_good)
			UNIT_ROW(rows[i].text, port == rows[i].port);
	}
}

static void names_and_distances(void **state)
{
	static const struct {
		const char *typed;
		enum config_key nearest;
	} rows[] = {
		{"http.max_body_sise", CONFIG_KEY_http_max_body_bytes},
		{"journal.ulr", CONFIG_KEY_journal_url},
		{"jurnal.url", CONFIG_KEY_journal_url},
		{"Listen", CONFIG_KEY_listen},
		{"xyz", CONFIG_KEY_COUNT_},
		{"", CONFIG_KEY_COUNT_},
		{"completely.different", CONFIG_KEY_COUNT_},
		{"http.max_body_size.http.max_body_size.http.max_body_size.http.max_body_size",
		 CONFIG_KEY_COUNT_},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		UNIT_ROW(rows[i].typed,
			 config_row_nearest(span_from_str(rows[i].typed)) == rows[i].nearest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(durations),
		cmocka_unit_test(choices),
		cmocka_unit_test(ports_of_addresses),
		cmocka_unit_test(names_and_distances),
	};

	return cmocka_run_group_tests_name("config/config_value", tests, NULL, NULL);
}
