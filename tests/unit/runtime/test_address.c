#include "src/runtime/address.h"

#include <string.h>

#include "src/base/error.h"
#include "tests/unit/unit.h"

static void good_addresses_are_read_and_printed(void **state)
{
	static const struct {
		const char *name;
		const char *text;
		const char *printed;
		bool is_unix;
	} rows[] = {
		{"host and port", "example.org:80", "example.org:80", false},
		{"IPv4", "10.1.2.3:65535", "10.1.2.3:65535", false},
		{"IPv6", "[::1]:8080", "[::1]:8080", false},
		{"port with colon", ":9000", "dflt:9000", false},
		{"port alone", "9000", "dflt:9000", false},
		{"port 0", "127.0.0.1:0", "127.0.0.1:0", false},
		{"unix", "unix:/run/x.sock", "unix:/run/x.sock", true},
		{"unix with colon", "unix:a:b", "unix:a:b", true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct address address;
		char text[128];

		UNIT_ROW(rows[i].name, address_parse(span_from_str(rows[i].text), "dflt", &address,
						     NULL) == ST_OK);
		address_print(&address, text, sizeof(text));
		UNIT_ROW_SPAN(rows[i].name, span_from_str(text), rows[i].printed);
		UNIT_ROW(rows[i].name, address.is_unix == rows[i].is_unix);
	}
}

static void bad_addresses_are_refused(void **state)
{
	static const struct {
		const char *name;
		struct span text;
	} rows[] = {
		{"empty", {NULL, 0}},
		{"no port", SPAN_LIT("host:")},
		{"port too large", SPAN_LIT("host:65536")},
		{"port with sign", SPAN_LIT("host:+1")},
		{"port with space", SPAN_LIT("host: 1")},
		{"name alone", SPAN_LIT("host")},
		{"IPv6 without brackets", SPAN_LIT("::1:80")},
		{"open bracket", SPAN_LIT("[::1")},
		{"bracket without port", SPAN_LIT("[::1]")},
		{"empty brackets", SPAN_LIT("[]:80")},
		{"unix without path", SPAN_LIT("unix:")},
		{"NUL in a path", SPAN_LIT("unix:/a\0b")},
		{"NUL in a host", SPAN_LIT("a\0b:80")},
	};
	struct address untouched = {.port = 7};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct error error = {.status = ST_OK};

		UNIT_ROW(rows[i].name, address_parse(rows[i].text, "dflt", &untouched, &error) ==
					       ST_INVALID_ARGUMENT);
		UNIT_ROW(rows[i].name, error.message[0] != '\0');
		UNIT_ROW(rows[i].name, untouched.port == 7);
	}
}

static void too_long_texts_are_refused(void **state)
{
	char text[ADDRESS_PATH_MAX + 16];
	struct address address;

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text, "unix:", 5);
	assert_int_equal(address_parse(span_make(text, 5 + ADDRESS_PATH_MAX), "", &address, NULL),
			 ST_INVALID_ARGUMENT);
	assert_int_equal(
		address_parse(span_make(text, 5 + ADDRESS_PATH_MAX - 1), "", &address, NULL),
		ST_OK);
	memset(text, 'a', ADDRESS_HOST_MAX);
	memcpy(text + ADDRESS_HOST_MAX, ":80", 3);
	assert_int_equal(address_parse(span_make(text, ADDRESS_HOST_MAX + 3), "", &address, NULL),
			 ST_INVALID_ARGUMENT);
}

static void printing_cuts_to_size(void **state)
{
	struct address address = {.port = 80, .host = "example.org"};
	char text[8];

	(void)state;
	address_print(&address, text, sizeof(text));
	assert_string_equal(text, "example");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_addresses_are_read_and_printed),
		cmocka_unit_test(bad_addresses_are_refused),
		cmocka_unit_test(too_long_texts_are_refused),
		cmocka_unit_test(printing_cuts_to_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
